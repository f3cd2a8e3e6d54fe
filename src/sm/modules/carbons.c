/* SPDX-License-Identifier: MIT */
/*
 * Carbons, XEP-0280: all clients of a user who want to see both sides of all conversations. Which messages, its section 6.1 says,
 * "urn:xmpp:carbons:rules:0"; of errors all, but those of rooms: whether what they answer was a message of a conversation nobody
 * remembers. What is to the user's own address is copied as received, not as sent too.
 *
 * A copy is of the moment: who is not there when it is made learns of the conversation by other means.
 */
#include "jid/jid.h"
#include "sm/modules/modules.h"
#include "sm/user.h"
#include "stanza/names.h"
#include "xml/nad.h"

#define NS_CONFERENCE "jabber:x:conference"

struct carbons {
	bool wanted; /* by the session's client */
};

static struct carbons *carbons_of(const struct session *session)
{
	return sm_session_state(session, &sm_carbons);
}

/* -- which messages -- */

static bool has(const struct stanza *stanza, const char *ns, const char *name)
{
	return stanza_find(stanza, ns, name) >= 0;
}

static bool invites(const struct stanza *stanza)
{
	int x = stanza_find(stanza, NS_MUC_USER, "x");

	return has(stanza, NS_CONFERENCE, "x") || (x >= 0 && nad_find_child(stanza->payload, x, NS_MUC_USER, "invite") >= 0);
}

/* What clients say to each other about words: receipts, chat states, markers. */
static bool is_about_words(const struct stanza *stanza)
{
	return has(stanza, "urn:xmpp:receipts", NULL) || has(stanza, NS_CHAT_STATES, NULL) ||
	       has(stanza, "urn:xmpp:chat-markers:0", NULL);
}

static bool is_of_a_conversation(const struct stanza *stanza)
{
	bool words = has(stanza, NS_CLIENT, "body");

	switch (stanza->type) {
	case STANZA_CHAT:
		return true;
	case STANZA_NONE:
	case STANZA_NORMAL:
		return words || is_about_words(stanza) || invites(stanza);
	case STANZA_ERROR:
		return !has(stanza, NS_MUC_USER, "x");
	default:
		return is_about_words(stanza) || invites(stanza);
	}
}

/* Nor a copy that came back, or was made up; what stands in NS_CARBONS else is "private". */
static bool is_copied(const struct stanza *stanza)
{
	return stanza->type != STANZA_GROUPCHAT && !has(stanza, NS_CARBONS, NULL) && !has(stanza, NS_HINTS, "no-copy") &&
	       is_of_a_conversation(stanza);
}

/* Somebody in a room to one of us alone: the room tells all of our clients that are there. */
static bool is_from_an_occupant(const struct stanza *stanza)
{
	return has(stanza, NS_MUC_USER, "x") && !invites(stanza) && stanza->from && !jid_is_bare(stanza->from);
}

/* -- copies -- */

static void append_header(struct nad *nad, const struct stanza *stanza)
{
	const char *type = stanza_type_name(stanza->type);

	if (stanza->from)
		nad_append_attr(nad, -1, "from", jid_full(stanza->from));
	if (stanza->to)
		nad_append_attr(nad, -1, "to", jid_full(stanza->to));
	if (type)
		nad_append_attr(nad, -1, "type", slice_of(type));
	if (stanza->id.len)
		nad_append_attr(nad, -1, "id", stanza->id);
	if (stanza->lang.len)
		nad_append_attr(nad, nad_add_namespace(nad, NS_XML, "xml"), "lang", stanza->lang);
}

/* What is in the user's archive is so under one id, whoever of the user's clients is told. */
static void append_id(struct nad *nad, const struct user *user, const struct stanza *stanza)
{
	char id[STANZA_ID_LEN];

	if (!stanza->archived)
		return;
	nad_append(nad, NS_STANZA_ID, "stanza-id", 4);
	nad_append_attr(nad, -1, "by", jid_user(user->jid));
	nad_append_attr(nad, -1, "id", stanza_id_print(id, stanza->archived));
}

/*
 * It settles nothing; but who had it already, before sm died, does not get it again, unless it went on at another c2s meanwhile, which
 * does not know. Its key is no message's: what becomes of a copy says nothing of the message.
 */
static struct stanza *copy_new(const struct user *user, const struct stanza *stanza, bool received)
{
	const uint64_t key = received ? UINT64_C(0x5245434549564544) : UINT64_C(0x53454e5453454e54);
	struct stanza *copy = stanza_new(STANZA_MESSAGE, stanza->type, (struct slice){NULL, 0});
	int child = nad_first_child(stanza->payload, 0);

	nad_append(copy->payload, NS_CARBONS, received ? "received" : "sent", 1);
	nad_append(copy->payload, NS_FORWARD, "forwarded", 2);
	nad_append(copy->payload, NS_CLIENT, "message", 3);
	append_header(copy->payload, stanza);
	for (; child >= 0; child = nad_next_sibling(stanza->payload, child))
		nad_append_tree(copy->payload, stanza->payload, child, 4);
	append_id(copy->payload, user, stanza);
	stanza_set_from(copy, user->jid);
	if (stanza->origin.key)
		copy->origin = (struct origin){.key = stanza->origin.key ^ key, .count = stanza->origin.count};
	return copy;
}

static bool is_its_own(const struct session *session, const struct stanza *stanza)
{
	return stanza->from && jid_equal(session->jid, stanza->from);
}

/* received: who is given the message itself needs no copy. */
static bool gets_copy(const struct session *session, const struct stanza *stanza, bool received)
{
	return carbons_of(session)->wanted && !is_its_own(session, stanza) && !(received && delivery_gets(session, stanza));
}

static void copy_to_others(struct user *user, const struct stanza *stanza, bool received)
{
	struct stanza *made = NULL;
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		struct stanza *copy;

		if (!gets_copy(session, stanza, received))
			continue;
		if (!made)
			made = copy_new(user, stanza, received);
		copy = stanza_copy(made);
		stanza_set_to(copy, session->jid);
		sm_deliver(session, &copy);
	}
	stanza_free(&made);
}

/* Before anything is looked at: most users have one client. */
static bool is_wanted(const struct user *user)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		if (carbons_of(session)->wanted)
			return true;
	}
	return false;
}

/* With a delay it was here before, and has found another way. */
static int arrived(void *state, const struct sm_event *event)
{
	const struct stanza *stanza = event->stanza;

	if (!stanza->delay_ms && is_wanted(event->user) && delivery_takes(event->user, stanza) && is_copied(stanza) &&
	    !is_from_an_occupant(stanza))
		copy_to_others(event->user, stanza, true);
	return SM_PASS;
}

static int sent(void *state, const struct sm_event *event)
{
	const struct stanza *stanza = event->stanza;

	if (is_wanted(event->user) && stanza->to && !jid_equal_bare(stanza->to, event->user->jid) && is_copied(stanza))
		copy_to_others(event->user, stanza, false);
	return SM_PASS;
}

/* -- who wants them -- */

static int want(const struct sm_event *event, bool wanted)
{
	if (!account_is_own(event))
		return SM_PASS;
	carbons_of(event->session)->wanted = wanted;
	sm_session_changed(event->session);
	return sm_reply_result(event);
}

static int enable(void *state, const struct sm_event *event)
{
	return want(event, true);
}

static int disable(void *state, const struct sm_event *event)
{
	return want(event, false);
}

static int session_save(void *state, const struct session *session, struct buf *out)
{
	buf_append_char(out, carbons_of(session)->wanted ? '1' : '0');
	return 0;
}

static int session_load(void *state, struct session *session, struct slice in)
{
	carbons_of(session)->wanted = in.len && in.data[0] == '1';
	return 0;
}

static void session_bind(void *state, struct session *session, const struct nad *request)
{
	if (nad_find_child(request, 0, NS_CARBONS, "enable") >= 0)
		carbons_of(session)->wanted = true;
}

static const struct sm_hook hooks[] = {
	{SM_PKT_USER, STANZA_MESSAGE, NULL, NULL, SM_NORMAL, arrived},
	{SM_IN_SESS, STANZA_MESSAGE, NULL, NULL, SM_LATE, sent},
	{SM_IN_SESS, STANZA_IQ_SET, NS_CARBONS, "enable", SM_NORMAL, enable},
	{SM_IN_SESS, STANZA_IQ_SET, NS_CARBONS, "disable", SM_NORMAL, disable},
	{.run = NULL},
};

const struct sm_module sm_carbons = {
	.name = "carbons",
	.features = {NS_CARBONS, "urn:xmpp:carbons:rules:0"},
	.account_features = {NS_CARBONS, "urn:xmpp:carbons:rules:0"},
	.hooks = hooks,
	.session_size = sizeof(struct carbons),
	.session_bind = session_bind,
	.session_save = session_save,
	.session_load = session_load,
};
