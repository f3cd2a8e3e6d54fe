/* SPDX-License-Identifier: MIT */
/* Which sessions of a user get what is for the user, RFC 6121 section 8.5. */
#include "jid/jid.h"
#include "sm/modules/modules.h"
#include "sm/user.h"

/*
 * Section 8.5.2.1 with a resource that takes messages, 8.5.2.2 without; 8.5.3.2 when the resource
 * named is not there.
 */
static enum delivery_fate message_fate(const struct delivery_case *what)
{
	switch (what->type) {
	case STANZA_ERROR:
		return DELIVERY_DROP;
	case STANZA_GROUPCHAT:
		return DELIVERY_REFUSE;
	case STANZA_HEADLINE:
		return what->takers && !what->full ? DELIVERY_ALL : DELIVERY_DROP;
	case STANZA_CHAT:
		return what->takers ? DELIVERY_BEST : DELIVERY_STORE;
	default:
		if (what->full)
			return DELIVERY_REFUSE;
		return what->takers ? DELIVERY_BEST : DELIVERY_STORE;
	}
}

enum delivery_fate delivery_fate(const struct delivery_case *what)
{
	if (what->found)
		return DELIVERY_RESOURCE;
	switch (what->kind) {
	case STANZA_MESSAGE:
		return message_fate(what);
	case STANZA_PRESENCE:
		return what->full || what->type == STANZA_ERROR ? DELIVERY_DROP : DELIVERY_ALL;
	default:
		return what->type == STANZA_GET || what->type == STANZA_SET ? DELIVERY_REFUSE
									    : DELIVERY_DROP;
	}
}

/* The highest priority among those that take messages, -1 when none does. */
static int best_priority(const struct user *user)
{
	struct session *session = NULL;
	int best = -1;

	while ((session = user_next_session(user, session))) {
		if (presence_takes_messages(session) && presence_of(session)->priority > best)
			best = presence_of(session)->priority;
	}
	return best;
}

static void deliver_copy(struct session *session, const struct stanza *stanza)
{
	struct stanza *copy = stanza_copy(stanza);

	sm_deliver(session, &copy);
}

/* To all sessions that take messages of at least this priority. */
static bool deliver_from(struct user *user, const struct stanza *stanza, int priority)
{
	struct session *session = NULL;
	bool any = false;

	while ((session = user_next_session(user, session))) {
		if (!presence_takes_messages(session) || presence_of(session)->priority < priority)
			continue;
		deliver_copy(session, stanza);
		any = true;
	}
	return any;
}

static void deliver_presence(struct user *user, const struct stanza *stanza)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		if (presence_of(session)->last)
			deliver_copy(session, stanza);
	}
}

static struct session *named(const struct user *user, const struct stanza *stanza)
{
	return jid_is_bare(stanza->to) ? NULL : user_find_session(user, stanza->to);
}

static struct delivery_case case_of(const struct user *user, const struct stanza *stanza)
{
	bool found = named(user, stanza);

	return (struct delivery_case){
		.kind = stanza->kind,
		.type = stanza->type,
		.full = !jid_is_bare(stanza->to),
		.found = found,
		.takers = !found && stanza->kind == STANZA_MESSAGE && best_priority(user) >= 0,
	};
}

bool delivery_takes(const struct user *user, const struct stanza *stanza)
{
	struct delivery_case what = case_of(user, stanza);
	enum delivery_fate fate = delivery_fate(&what);

	if (fate == DELIVERY_STORE)
		return offline_takes(user, stanza);
	return fate != DELIVERY_REFUSE && fate != DELIVERY_DROP;
}

bool delivery_gets(const struct session *session, const struct stanza *stanza)
{
	const struct user *user = session->user;
	struct delivery_case what = case_of(user, stanza);

	switch (delivery_fate(&what)) {
	case DELIVERY_RESOURCE:
		return named(user, stanza) == session;
	case DELIVERY_BEST:
		return presence_takes_messages(session) && presence_of(session)->priority >= best_priority(user);
	case DELIVERY_ALL:
		return presence_takes_messages(session);
	default:
		return false;
	}
}

/* What was kept may name a session that is there now. */
bool delivery_message(struct user *user, const struct stanza *stanza)
{
	struct session *session = named(user, stanza);
	int best = best_priority(user);

	if (session)
		deliver_copy(session, stanza);
	return session || (best >= 0 && deliver_from(user, stanza, best));
}

bool delivery_is_for_best(const struct user *user, const struct stanza *stanza)
{
	struct delivery_case what = case_of(user, stanza);
	const struct session *session = named(user, stanza);

	if (session)
		return presence_takes_messages(session) && presence_of(session)->priority == best_priority(user);
	return delivery_fate(&what) == DELIVERY_BEST;
}

/* Where copies go, their fate settles the origin: it is no longer this one's. */
static int deliver(void *state, const struct sm_event *event)
{
	struct user *user = event->user;
	struct stanza *stanza = event->stanza;
	struct delivery_case what = case_of(user, stanza);

	switch (delivery_fate(&what)) {
	case DELIVERY_RESOURCE:
		deliver_copy(named(user, stanza), stanza);
		stanza->origin = (struct origin){0};
		return 0;
	case DELIVERY_BEST:
		if (delivery_message(user, stanza))
			stanza->origin = (struct origin){0};
		return 0;
	case DELIVERY_ALL:
		if (stanza->kind == STANZA_PRESENCE)
			deliver_presence(user, stanza);
		else if (deliver_from(user, stanza, 0))
			stanza->origin = (struct origin){0};
		return 0;
	case DELIVERY_STORE:
		return SM_PASS;
	case DELIVERY_REFUSE:
		return sm_reply_error(event, STANZA_SERVICE_UNAVAILABLE);
	default:
		return 0;
	}
}

static const struct sm_hook hooks[] = {
	{SM_PKT_USER, STANZA_ANY, NULL, NULL, SM_LATE, deliver},
	{.run = NULL},
};

const struct sm_module sm_delivery = {.name = "delivery", .hooks = hooks};
