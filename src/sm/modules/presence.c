/* SPDX-License-Identifier: MIT */
/*
 * Presence of sessions, RFC 6121 section 4: told to the contacts who may see it and to the user's
 * other sessions, asked of contacts when a session comes, directed to others, and taken back when
 * it ends.
 */
#include <errno.h>
#include <stdlib.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "sm/modules/modules.h"
#include "sm/roster.h"
#include "sm/subscription.h"
#include "sm/user.h"
#include "xml/nad.h"

enum { DIRECTED_MAX = 250 };

static struct presence *state_of(const struct session *session)
{
	return sm_session_state(session, &sm_presence);
}

const struct presence *presence_of(const struct session *session)
{
	return state_of(session);
}

bool presence_takes_messages(const struct session *session)
{
	const struct presence *presence = state_of(session);

	return presence->last && presence->priority >= 0;
}

/* What the session told last, made again: as text it waits in a tenth of the room. */
static struct stanza *last_of(const struct session *session)
{
	return sm_stanza_parse(session->user->sm, str_slice(state_of(session)->last));
}

/* -- sending -- */

static void send(struct user *user, const struct stanza *stanza, struct jid *to)
{
	struct stanza *copy = stanza_copy(stanza);

	copy->origin = (struct origin){0};
	stanza_set_to(copy, to);
	sm_route(user->sm, &copy);
}

/* Unless the user is hidden from them. */
static void send_to(struct user *user, const struct stanza *stanza, struct jid *to)
{
	if (!blocking_hides(user, to))
		send(user, stanza, to);
}

static void give(struct session *session, const struct stanza *stanza)
{
	struct stanza *copy = stanza_copy(stanza);

	copy->origin = (struct origin){0};
	stanza_set_to(copy, session->jid);
	sm_deliver(session, &copy);
}

static struct stanza *unavailable_new(struct jid *from)
{
	struct stanza *stanza =
		stanza_new(STANZA_PRESENCE, STANZA_UNAVAILABLE, (struct slice){NULL, 0});

	stanza_set_from(stanza, from);
	return stanza;
}

void presence_show(struct user *user, struct jid *contact)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		AUTO(stanza_free) struct stanza *last = last_of(session);

		if (last)
			send_to(user, last, contact);
	}
}

void presence_hide(struct user *user, struct jid *contact)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		AUTO(stanza_free) struct stanza *gone = unavailable_new(session->jid);

		if (state_of(session)->last)
			send(user, gone, contact);
	}
}

/* To all who have the subscription, and to the user's own available sessions. */
static void broadcast(struct user *user, const struct stanza *stanza)
{
	const struct roster *roster = roster_of(user);
	struct session *session = NULL;

	for (unsigned at = 0; at < roster->count; at++) {
		if (roster->items[at]->subscription & SUBSCRIPTION_FROM)
			send_to(user, stanza, roster->items[at]->jid);
	}
	while ((session = user_next_session(user, session))) {
		if (state_of(session)->last)
			give(session, stanza);
	}
}

static void probe_contacts(struct session *session)
{
	struct user *user = session->user;
	const struct roster *roster = roster_of(user);
	AUTO(stanza_free)
	struct stanza *probe = stanza_new(STANZA_PRESENCE, STANZA_PROBE, (struct slice){NULL, 0});

	stanza_set_from(probe, session->jid);
	for (unsigned at = 0; at < roster->count; at++) {
		if (roster->items[at]->subscription & SUBSCRIPTION_TO)
			send_to(user, probe, roster->items[at]->jid);
	}
}

static bool is_available(const struct user *user)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		if (state_of(session)->last)
			return true;
	}
	return false;
}

void presence_ask(struct user *user, struct jid *contact)
{
	AUTO(stanza_free) struct stanza *probe = NULL;

	if (!is_available(user))
		return;
	probe = stanza_new(STANZA_PRESENCE, STANZA_PROBE, (struct slice){NULL, 0});
	stanza_set_from(probe, user->jid);
	send_to(user, probe, contact);
}

static void give_others(struct session *session)
{
	struct session *other = NULL;

	while ((other = user_next_session(session->user, other))) {
		AUTO(stanza_free) struct stanza *last = other == session ? NULL : last_of(other);

		if (last)
			give(session, last);
	}
}

/* -- directed presence -- */

static int directed_find(const struct presence *presence, const struct jid *jid)
{
	for (int at = 0; at < presence->directed_count; at++) {
		if (jid_equal(presence->directed[at], jid))
			return at;
	}
	return -1;
}

static bool directed_add(struct presence *presence, struct jid *jid)
{
	if (directed_find(presence, jid) >= 0)
		return true;
	if (presence->directed_count == DIRECTED_MAX)
		return false;
	presence->directed =
		mem_realloc(MEM_SESSION, presence->directed,
			    (presence->directed_count + 1u) * sizeof(*presence->directed));
	presence->directed[presence->directed_count++] = jid_ref(jid);
	return true;
}

static void directed_del(struct presence *presence, const struct jid *jid)
{
	int at = directed_find(presence, jid);

	if (at < 0)
		return;
	jid_free(&presence->directed[at]);
	presence->directed[at] = presence->directed[--presence->directed_count];
}

static void directed_free(struct presence *presence)
{
	while (presence->directed_count)
		jid_free(&presence->directed[--presence->directed_count]);
	mem_free(presence->directed);
	presence->directed = NULL;
}

void presence_withdraw(struct session *session, struct jid *jid)
{
	AUTO(stanza_free) struct stanza *gone = unavailable_new(session->jid);

	send(session->user, gone, jid);
	directed_del(state_of(session), jid);
	sm_session_changed(session);
}

/* -- from a session -- */

/* Section 4.7.2.3. False when it is no number between -128 and 127. */
static bool read_priority(const struct stanza *stanza, int8_t *priority)
{
	int elem = stanza_find(stanza, NS_CLIENT, "priority");
	AUTO(buf_fini) struct buf text = {0};
	char *end;
	long value;

	*priority = 0;
	if (elem < 0)
		return true;
	if (nad_cdata(stanza->payload, elem).len > 16)
		return false;
	buf_append_slice(&text, nad_cdata(stanza->payload, elem));
	value = strtol(buf_text(&text), &end, 10);
	end += strspn(end, " \t\r\n");
	if (end == buf_text(&text) || *end || value < INT8_MIN || value > INT8_MAX)
		return false;
	*priority = (int8_t)value;
	return true;
}

static void keep(struct presence *presence, const struct stanza *stanza)
{
	AUTO(buf_fini) struct buf text = {0};

	sm_stanza_print(stanza, &text);
	str_free(&presence->last);
	presence->last = str_new(buf_slice(&text));
}

static int available(const struct sm_event *event)
{
	struct presence *presence = state_of(event->session);

	if (!read_priority(event->stanza, &presence->priority))
		return sm_reply_error(event, STANZA_BAD_REQUEST);
	presence->fresh = !presence->last;
	keep(presence, event->stanza);
	sm_session_changed(event->session);
	broadcast(event->user, event->stanza);
	if (presence->fresh) {
		give_others(event->session);
		probe_contacts(event->session);
	}
	return SM_PASS;
}

/* stanza: what they hear, from the session. */
static void leave(struct session *session, const struct stanza *stanza)
{
	struct presence *presence = state_of(session);

	if (presence->last) {
		str_free(&presence->last);
		broadcast(session->user, stanza);
	}
	presence->fresh = false;
	for (unsigned at = 0; at < presence->directed_count; at++)
		send_to(session->user, stanza, presence->directed[at]);
	directed_free(presence);
}

/* Only those who do not hear of the session's end anyway are remembered (section 4.6.3). */
static int direct(const struct sm_event *event)
{
	struct presence *presence = state_of(event->session);
	struct jid *to = event->stanza->to;

	if (event->stanza->type == STANZA_UNAVAILABLE)
		directed_del(presence, to);
	else if (!(roster_state(event->user, to) & SUBSCRIPTION_FROM) &&
		 !jid_equal_bare(to, event->user->jid) && !directed_add(presence, to))
		return sm_reply_error(event, STANZA_RESOURCE_CONSTRAINT);
	sm_session_changed(event->session);
	return SM_PASS;
}

static int sent(void *state, const struct sm_event *event)
{
	switch (event->stanza->type) {
	case STANZA_NONE:
		return event->stanza->to ? direct(event) : available(event);
	case STANZA_UNAVAILABLE:
		if (event->stanza->to)
			return direct(event);
		leave(event->session, event->stanza);
		sm_session_changed(event->session);
		return SM_PASS;
	case STANZA_PROBE:
		return 0; /* the server's to send */
	default:
		return SM_PASS;
	}
}

/* -- to a user -- */

static bool is_meant(const struct session *session, const struct jid *to)
{
	return jid_is_bare(to) || jid_equal(to, session->jid);
}

static void answer_probe(struct user *user, const struct stanza *probe)
{
	struct session *session = NULL;
	bool any = false;

	while ((session = user_next_session(user, session))) {
		AUTO(stanza_free)
		struct stanza *last = is_meant(session, probe->to) ? last_of(session) : NULL;

		if (!last)
			continue;
		send_to(user, last, probe->from);
		any = true;
	}
	if (!any) {
		AUTO(stanza_free) struct stanza *gone = unavailable_new(user->jid);

		send_to(user, gone, probe->from);
	}
}

/* Section 4.3.2: who may not see it learns only that there is no subscription. */
static int arrived(void *state, const struct sm_event *event)
{
	const struct stanza *stanza = event->stanza;
	AUTO(jid_free) struct jid *asker = NULL;

	if (stanza->type != STANZA_PROBE)
		return SM_PASS;
	asker = jid_bare(stanza->from);
	if (jid_equal(asker, event->user->jid) ||
	    roster_state(event->user, asker) & SUBSCRIPTION_FROM)
		answer_probe(event->user, stanza);
	else
		subscribe_send(event->user, asker, STANZA_UNSUBSCRIBED);
	return 0;
}

/* -- sessions -- */

static void session_end(void *state, struct session *session)
{
	AUTO(stanza_free) struct stanza *gone = unavailable_new(session->jid);

	leave(session, gone);
}

void presence_ask_all(struct session *session)
{
	if (!state_of(session)->last)
		return;
	give_others(session);
	probe_contacts(session);
}

void presence_stayed(struct session *session)
{
	AUTO(stanza_free)
	struct stanza *last = state_of(session)->last ? last_of(session) : unavailable_new(session->jid);

	if (!last)
		return;
	broadcast(session->user, last);
	presence_ask_all(session);
}

void presence_gone(struct user *user, struct jid *jid)
{
	AUTO(stanza_free) struct stanza *gone = unavailable_new(jid);

	broadcast(user, gone);
}

/* "LENGTH\n", the presence, then an address a line: no address has a line's end in it. */
static int session_save(void *state, const struct session *session, struct buf *out)
{
	const struct presence *presence = state_of(session);

	buf_printf(out, "%zu\n", str_slice(presence->last).len);
	buf_append_slice(out, str_slice(presence->last));
	for (unsigned at = 0; at < presence->directed_count; at++) {
		buf_append_slice(out, jid_full(presence->directed[at]));
		buf_append_char(out, '\n');
	}
	return 0;
}

static int load_last(struct session *session, struct slice text)
{
	struct presence *presence = state_of(session);
	AUTO(stanza_free) struct stanza *last = sm_stanza_parse(session->user->sm, text);

	if (!last || last->kind != STANZA_PRESENCE || !read_priority(last, &presence->priority))
		return -EINVAL;
	stanza_set_from(last, session->jid);
	keep(presence, last);
	return 0;
}

static int session_load(void *state, struct session *session, struct slice in)
{
	struct presence *presence = state_of(session);
	struct slice line = slice_line(&in);
	const char *blank = memchr(line.data, ' ', line.len); /* behind it stood a time once */
	uint64_t len;
	int rc;

	if (blank)
		line.len = (size_t)(blank - line.data);
	if (!slice_to_u64(line, &len) || len > in.len)
		return -EINVAL;
	rc = len ? load_last(session, (struct slice){in.data, len}) : 0;
	if (rc)
		return rc;
	in.data += len;
	in.len -= len;
	while (in.len) {
		AUTO(jid_free) struct jid *jid = jid_parse(slice_line(&in));

		if (!jid || !directed_add(presence, jid))
			return -EINVAL;
	}
	return 0;
}

static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_PRESENCE, NULL, NULL, SM_NORMAL, sent},
	{SM_PKT_USER, STANZA_PRESENCE, NULL, NULL, SM_NORMAL, arrived},
	{.run = NULL},
};

const struct sm_module sm_presence = {
	.name = "presence",
	.hooks = hooks,
	.session_size = sizeof(struct presence),
	.session_end = session_end,
	.session_save = session_save,
	.session_load = session_load,
};
