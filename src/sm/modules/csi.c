/* SPDX-License-Identifier: MIT */
/*
 * Client State Indication, XEP-0352: while a client says that it is inactive, its radio is not woken for what can wait: presence,
 * chat states, and events but those that other clients of the same person act on. It waits in the session's outbox, and there only
 * the last of a resource counts; whatever else is for the client takes all of it along, in order.
 *
 * If our process dies, what waited is lost, with no harm but for presence: contacts are asked for theirs again, and who had left is
 * said to have left. Of rooms, which cannot be asked, what says more than that somebody is there does not wait.
 */
#include "base/mem.h"
#include "component/settings.h"
#include "jid/jid.h"
#include "sm/modules/modules.h"
#include "sm/outbox.h"
#include "sm/user.h"
#include "xml/nad.h"

#define NS_PUBSUB_EVENT "http://jabber.org/protocol/pubsub#event"

enum { WAITING_MAX = 100, WAITING_BYTES_MAX = 256 << 10 };

struct csi {
	bool waits; /* presence does, or did when an earlier process died */
	struct str *gone; /* who had left by then: addresses, a line each; or NULL */
};

static struct csi *state_of(const struct session *session)
{
	return sm_session_state(session, &sm_csi);
}

/* -- what can wait ----------------------------------------------------------------------------------- */

/* Children of a message, from the first: of what is no chat state only what says something about one. */
static bool are_chat_states(const struct nad *nad, int child)
{
	bool any = false;

	for (; child >= 0; child = nad_next_sibling(nad, child)) {
		if (slice_is(nad_ns(nad, child), NS_CHAT_STATES))
			any = true;
		else if (!nad_is(nad, child, NS_CLIENT, "thread") && !slice_is(nad_ns(nad, child), NS_HINTS) &&
			 !slice_is(nad_ns(nad, child), NS_STANZA_ID))
			return false;
	}
	return any;
}

/* A copy of one, too. */
static bool is_about_typing(const struct stanza *stanza)
{
	const struct nad *nad = stanza->payload;
	int child = stanza_child(stanza);
	int forwarded, inside;

	if (child < 0 || !slice_is(nad_ns(nad, child), NS_CARBONS))
		return are_chat_states(nad, child);
	forwarded = nad_find_child(nad, child, NS_FORWARD, "forwarded");
	inside = forwarded < 0 ? -1 : nad_find_child(nad, forwarded, NS_CLIENT, "message");
	return inside >= 0 && are_chat_states(nad, nad_first_child(nad, inside));
}

bool csi_is_chat_state(const struct stanza *stanza)
{
	return stanza->kind == STANZA_MESSAGE && stanza->type != STANZA_ERROR && are_chat_states(stanza->payload, stanza_child(stanza));
}

/* Bookmarks, devices to encrypt for, what was read elsewhere. */
static bool is_acted_on(struct slice node)
{
	return slice_is(node, "urn:xmpp:bookmarks:1") || slice_is(node, "storage:bookmarks") ||
	       slice_is(node, "urn:xmpp:omemo:2:devices") || slice_is(node, "eu.siacs.conversations.axolotl.devicelist") ||
	       slice_is(node, "urn:xmpp:mds:displayed:0");
}

static bool is_event(const struct stanza *stanza)
{
	int event = stanza_find(stanza, NS_PUBSUB_EVENT, "event");
	int what = event < 0 ? -1 : nad_first_child(stanza->payload, event);

	return what >= 0 && !is_acted_on(nad_attr_value(stanza->payload, what, "node"));
}

/* That one was removed, has another name, that the room is another now. */
static bool has_status_of_a_room(const struct stanza *stanza)
{
	int x = stanza_find(stanza, NS_MUC_USER, "x");

	return x >= 0 && nad_find_child(stanza->payload, x, NS_MUC_USER, "status") >= 0;
}

static bool can_wait(const struct stanza *stanza)
{
	enum outbox_fate fate = outbox_fate(stanza);

	if (stanza->kind == STANZA_PRESENCE)
		return (stanza->type == STANZA_NONE || stanza->type == STANZA_UNAVAILABLE) && stanza->from && !has_status_of_a_room(stanza);
	if (stanza->kind != STANZA_MESSAGE || stanza->type == STANZA_ERROR || fate == OUTBOX_STORE || fate == OUTBOX_WAIT)
		return false;
	return stanza_find(stanza, NS_CLIENT, "body") < 0 && (is_about_typing(stanza) || is_event(stanza));
}

/* -- sessions ---------------------------------------------------------------------------------------- */

static void note_waiting(struct session *session, bool waits)
{
	struct csi *csi = state_of(session);

	if (csi->waits == waits)
		return;
	csi->waits = waits;
	sm_session_changed(session);
}

/* Of what may wait for it in all: the rest is for what cannot. */
static bool is_a_quarter_full(const struct session *session)
{
	const struct conf_queue *most = &sm_settings(session->user->sm)->sessions.resume_queue;

	return session->outbox.count >= most->stanzas / 4 || session->outbox.bytes >= most->bytes / 4;
}

bool csi_holds(struct session *session, const struct stanza *stanza)
{
	const struct outbox *outbox = &session->outbox;

	if (!can_wait(stanza) || outbox_unsent(outbox) >= WAITING_MAX || outbox_unsent_bytes(outbox) >= WAITING_BYTES_MAX ||
	    is_a_quarter_full(session))
		return false;
	if (stanza->kind == STANZA_PRESENCE)
		note_waiting(session, true);
	if (stanza->kind == STANZA_PRESENCE && stanza->type == STANZA_UNAVAILABLE)
		sm_session_changed(session);
	return true;
}

void csi_flush(struct session *session)
{
	if (session->outbox.sent < session->outbox.count)
		outbox_send_rest(session);
	note_waiting(session, false);
}

void csi_set(struct session *session, bool inactive)
{
	session->inactive = inactive;
	if (!inactive)
		csi_flush(session);
}

static void say_gone(struct session *session, struct slice gone)
{
	while (gone.len) {
		AUTO(jid_free) struct jid *jid = jid_parse(slice_line(&gone));
		struct stanza *stanza = jid ? stanza_new(STANZA_PRESENCE, STANZA_UNAVAILABLE, (struct slice){NULL, 0}) : NULL;

		if (!stanza)
			continue;
		stanza_set_from(stanza, jid);
		stanza_set_to(stanza, session->jid);
		sm_deliver(session, &stanza);
	}
}

bool csi_lost(struct session *session)
{
	struct csi *csi = state_of(session);
	AUTO(str_free) struct str *gone = csi->gone;
	bool lost = csi->waits;

	csi->gone = NULL;
	note_waiting(session, false);
	say_gone(session, str_slice(gone));
	return lost;
}

static void session_end(void *state, struct session *session)
{
	str_free(&state_of(session)->gone);
}

/* "1" or "0", then an address a line. */
static int session_save(void *state, const struct session *session, struct buf *out)
{
	const struct csi *csi = state_of(session);

	buf_append_text(out, csi->waits ? "1\n" : "0\n");
	if (!csi->waits)
		return 0;
	buf_append_slice(out, str_slice(csi->gone));
	outbox_unsent_gone(&session->outbox, out);
	return 0;
}

static int session_load(void *state, struct session *session, struct slice in)
{
	struct csi *csi = state_of(session);

	csi->waits = slice_is(slice_line(&in), "1");
	str_free(&csi->gone);
	csi->gone = in.len ? str_new(in) : NULL;
	return 0;
}

static void session_bind(void *state, struct session *session, const struct nad *request)
{
	session->inactive = session->ours && nad_find_child(request, 0, NS_CSI, "inactive") >= 0;
}

static void offer(void *state, const struct sm *sm, struct nad *features)
{
	nad_append(features, NS_CSI, "csi", 1);
}

const struct sm_module sm_csi = {
	.name = "csi",
	.offer = offer,
	.session_size = sizeof(struct csi),
	.session_end = session_end,
	.session_bind = session_bind,
	.session_save = session_save,
	.session_load = session_load,
};
