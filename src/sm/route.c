/* SPDX-License-Identifier: MIT */
/*
 * Where stanzas go: from a session to whom it is for, from the world to a user or a domain of ours,
 * back to the sender when nobody takes it. What is for a user of this worker waits in a queue, so
 * that no stanza is handled within another.
 */
#include "base/mem.h"
#include "jid/jid.h"
#include "link/policy.h"
#include "sm/core.h"
#include "sm/modules/modules.h"
#include "sm/deliveries.h"
#include "sm/present.h"
#include "sm/removal.h"
#include "xml/nad.h"

/* Mostly it is the one that was asked for last. */
static struct sm_domain *domain_of(struct sm *sm, const struct jid *jid)
{
	struct slice name = jid_domain(jid);
	struct sm_domain *domain = sm->domain;

	if (domain && slice_equal(str_slice(domain->name), name))
		return domain;
	domain = table_get(&sm->domains, name);
	if (domain)
		sm->domain = domain;
	return domain;
}

static void drop(struct sm *sm, struct stanza **stanza)
{
	settle(sm, *stanza);
	stanza_free(stanza);
}

static void count_routed(struct sm *sm, const struct stanza *stanza)
{
	if (stanza->kind == STANZA_MESSAGE)
		metric_add(sm->process, METRIC_MESSAGES_ROUTED, 1);
}

/* What is answered is settled when its answer ends: one that is lost on the way is given again. */
static void take_place(struct stanza *answer, struct stanza *stanza)
{
	if (!answer)
		return;
	answer->origin = stanza->origin;
	stanza->origin = (struct origin){0};
}

void route_refuse(struct sm *sm, struct stanza **stanza, enum stanza_error error)
{
	struct stanza *answer = stanza_error_new(*stanza, error, NULL);

	take_place(answer, *stanza);
	drop(sm, stanza);
	sm_route(sm, &answer);
}

/* -- answers of hooks -- */

int sm_reply(const struct sm_event *event, struct stanza **answer)
{
	take_place(*answer, event->stanza);
	if (*answer && event->session && (*answer)->type == STANZA_RESULT && !(*answer)->from)
		jid_free(&(*answer)->to); /* as jabberd2: between a client and its own account nobody is named */
	if (*answer && event->session)
		sm_deliver(event->session, answer);
	else
		sm_route(event->sm, answer);
	return 0;
}

int sm_reply_result(const struct sm_event *event)
{
	struct stanza *result = stanza_result(event->stanza);

	return sm_reply(event, &result);
}

int sm_reply_error(const struct sm_event *event, enum stanza_error error)
{
	struct stanza *answer = stanza_error_new(event->stanza, error, NULL);

	return sm_reply(event, &answer);
}

/* -- sending -- */

static void queue(struct sm *sm, struct stanza **stanza)
{
	buf_append(&sm->queue, stanza, sizeof(*stanza));
	*stanza = NULL;
}

/* To a user of ours on another worker, or perhaps of another sm: the router knows. */
static void send_to_domain(struct sm *sm, const struct sm_domain *domain, struct stanza **stanza)
{
	struct packet *packet = packet_stanza(sm->name, domain->name, stanza);

	link_send(sm->link, &packet);
}

/* What the router's rules and log sinks are to see takes the way through link. */
static bool stays_here(const struct sm *sm, const struct jid *to)
{
	if (link_is_watched(sm->link))
		return false;
	return !jid_local(to).len ||
	       (sm->alone && link_worker_of(sm->link, to) == mio_worker(sm->mio));
}

void sm_route(struct sm *sm, struct stanza **taken)
{
	struct stanza *stanza = *taken;
	struct sm_domain *domain;

	*taken = NULL;
	if (!stanza)
		return;
	if (!stanza->to || sm->stopping) {
		drop(sm, &stanza);
		return;
	}
	if (!stanza->from)
		stanza->from = jid_bare(stanza->to); /* an answer in the name of the account */
	domain = domain_of(sm, stanza->to);
	if (!domain)
		chain_start(sm, SM_OUT_ROUTER, NULL, NULL, &stanza);
	else if (stays_here(sm, stanza->to))
		queue(sm, &stanza);
	else
		send_to_domain(sm, domain, &stanza);
}

void route_leave(struct sm *sm, struct stanza **stanza)
{
	struct str *to = link_name(sm->link, jid_domain((*stanza)->to));
	struct packet *packet;

	count_routed(sm, *stanza);
	settle(sm, *stanza);
	packet = packet_stanza(sm->name, to, stanza);
	link_send(sm->link, &packet);
	str_free(&to);
}

void sm_deliver(struct session *session, struct stanza **stanza)
{
	chain_start(session->user->sm, SM_OUT_SESS, session->user, session, stanza);
}

void session_send(struct session *session, const struct stanza *stanza)
{
	struct sm *sm = session->user->sm;
	struct stanza *copy = stanza_copy(stanza);
	struct packet *packet = packet_stanza(domain_of(sm, session->jid)->name, session->at, &copy);

	packet->c2s = session->c2s;
	session_id_set(&packet->sm, session->id);
	packet->ours = session->ours;
	packet->stanza->origin.session = 0;
	packet->stanza->origin.again = false;
	link_send(sm->link, &packet);
}

/* A c2s of ours says what its client has; of another's nothing more is heard. */
void route_to_session(struct sm *sm, struct session *session, struct stanza **stanza)
{
	bool goes;

	if (!session || sm->stopping) {
		drop(sm, stanza);
		return;
	}
	if (present_has(session, *stanza)) {
		stanza_free(stanza);
		return;
	}
	count_routed(sm, *stanza);
	watch_see(&sm->watch, WATCH_OUT, session, *stanza);
	goes = !session->detached && !(session->inactive && csi_holds(session, *stanza));
	if (goes && session->inactive)
		csi_flush(session);
	if (goes)
		session_send(session, *stanza);
	if (!session->ours) {
		delivery_sent(session->user, *stanza);
		drop(sm, stanza);
		return;
	}
	if (!outbox_add(session, stanza) && !session->full) {
		session->full = true;
		list_append(&sm->full, &session->full_link);
	}
	if (goes)
		outbox_sent(session);
}

/* -- from a session -- */

/* What no module took (RFC 6120 10.3, RFC 6121 8.1): without to it is for the account itself. */
void route_from_session(struct sm *sm, struct user *user, struct stanza **stanza)
{
	if (!(*stanza)->to && (*stanza)->kind == STANZA_PRESENCE) {
		drop(sm, stanza);
		return;
	}
	if (!(*stanza)->to) {
		stanza_set_to(*stanza, user->jid);
		if ((*stanza)->kind == STANZA_IQ) {
			chain_start(sm, SM_PKT_USER, user, NULL, stanza);
			return;
		}
	}
	/* Presence is said to many, and again when in doubt. All else is settled where it ends. */
	if ((*stanza)->kind == STANZA_PRESENCE) {
		settle(sm, *stanza);
		(*stanza)->origin = (struct origin){0};
	}
	sm_route(sm, stanza);
}

/* Returns false when the stanza cannot be handled, with the error. */
static bool is_sound(const struct stanza *stanza, enum stanza_error *error)
{
	bool request = stanza->type == STANZA_GET || stanza->type == STANZA_SET;
	struct slice text;

	*error = STANZA_BAD_REQUEST;
	if (!stanza->to && nad_attr(stanza->payload, 0, NULL, "to", &text)) {
		*error = STANZA_JID_MALFORMED;
		return false;
	}
	if (stanza->type == STANZA_TYPE_BAD)
		return false;
	return stanza->kind != STANZA_IQ || !request ||
	       (stanza->id.len && stanza_child(stanza) >= 0);
}

static void from_session(struct sm *sm, struct session *session, struct stanza **stanza)
{
	enum stanza_error error;

	stanza_set_from(*stanza, session->jid);
	watch_see(&sm->watch, WATCH_IN, session, *stanza);
	if (is_sound(*stanza, &error))
		chain_start(sm, SM_IN_SESS, session->user, session, stanza);
	else
		route_refuse(sm, stanza, error);
}

void route_client_packet(struct sm *sm, struct packet **packet)
{
	bool foreign;
	struct session *session = session_of_packet(sm, *packet, &foreign);

	if (!session || (*packet)->failed) {
		if (!foreign && !(*packet)->failed && (*packet)->sm.len)
			session_tell_ended(sm, *packet);
		return;
	}
	if ((*packet)->held) {
		present_held(session, &(*packet)->stanza);
		return;
	}
	if (!settle_arrived(session, (*packet)->stanza))
		return;
	sm_served(sm);
	if ((*packet)->stanza->kind == STANZA_MESSAGE && present_is_done(session, (*packet)->stanza->origin.count)) {
		drop(sm, &(*packet)->stanza);
		return;
	}
	if ((*packet)->answer) {
		settle(sm, (*packet)->stanza);
		(*packet)->stanza->origin = (struct origin){0};
		route_to_session(sm, session, &(*packet)->stanza);
		return;
	}
	user_renew(session->user);
	if (session->user->state == USER_READY) {
		from_session(sm, session, &(*packet)->stanza);
	} else if (!user_wait(session->user, packet)) {
		stanza_set_from((*packet)->stanza, session->jid);
		route_refuse(sm, &(*packet)->stanza, STANZA_RESOURCE_CONSTRAINT);
	}
}

/* -- from the world -- */

/* Without a user in memory there is no session, unless it is saved, and these are for sessions only. */
static bool needs_user(const struct stanza *stanza)
{
	switch (stanza->kind) {
	case STANZA_PRESENCE:
		return stanza->type != STANZA_NONE && stanza->type != STANZA_UNAVAILABLE &&
		       stanza->type != STANZA_ERROR;
	case STANZA_IQ:
		return stanza->type == STANZA_GET || stanza->type == STANZA_SET;
	default:
		return stanza->type != STANZA_ERROR && stanza->type != STANZA_HEADLINE;
	}
}

/* RFC 6121 8.5.1 and 4.3.2: there is no such user. */
void route_to_nobody(struct sm *sm, struct stanza **stanza)
{
	struct stanza *answer = NULL;

	if ((*stanza)->kind != STANZA_PRESENCE) {
		route_refuse(sm, stanza, STANZA_SERVICE_UNAVAILABLE);
		return;
	}
	if ((*stanza)->type == STANZA_PROBE) {
		answer = stanza_new(STANZA_PRESENCE, STANZA_UNSUBSCRIBED, (struct slice){NULL, 0});
		answer->from = jid_bare((*stanza)->to);
		answer->to = jid_bare((*stanza)->from);
	}
	drop(sm, stanza);
	sm_route(sm, &answer);
}

static void to_user(struct sm *sm, struct user *user, struct stanza **stanza)
{
	if (user->known)
		chain_start(sm, SM_PKT_USER, user, NULL, stanza);
	else
		route_to_nobody(sm, stanza);
	user_rest(user);
}

static void to_waiting_user(struct sm *sm, struct user *user, struct stanza **stanza)
{
	struct packet *packet = packet_stanza(sm->name, domain_of(sm, user->jid)->name, stanza);

	if (!user_wait(user, &packet)) {
		route_refuse(sm, &packet->stanza, STANZA_RESOURCE_CONSTRAINT);
		packet_free(&packet);
	}
}

void route_arrived(struct sm *sm, struct stanza **stanza)
{
	struct jid *to = (*stanza)->to;
	struct user *user;

	if (!domain_of(sm, to)) {
		route_refuse(sm, stanza, STANZA_ITEM_NOT_FOUND);
		return;
	}
	if (!jid_local(to).len) {
		chain_start(sm, SM_PKT_SM, NULL, NULL, stanza);
		return;
	}
	user = user_get(sm, to);
	if (!user && !sm->saved.found && !needs_user(*stanza)) {
		drop(sm, stanza);
		return;
	}
	if (user)
		user_renew(user);
	else
		user = user_need(sm, to);
	if (user->state == USER_READY)
		to_user(sm, user, stanza);
	else
		to_waiting_user(sm, user, stanza);
}

static void arrived(struct sm *sm, struct stanza **stanza)
{
	if (!(*stanza)->from || !(*stanza)->to)
		drop(sm, stanza);
	else if ((*stanza)->type == STANZA_TYPE_BAD)
		route_refuse(sm, stanza, STANZA_BAD_REQUEST);
	else
		chain_start(sm, SM_IN_ROUTER, NULL, NULL, stanza);
}

void route_world_packet(struct sm *sm, struct packet **packet)
{
	if ((*packet)->relayed && !(*packet)->home)
		(*packet)->stanza->origin =
			(struct origin){0}; /* another process's word is not taken for it */
	arrived(sm, &(*packet)->stanza);
}

void route_home(struct sm *sm, struct stanza **stanza)
{
	if (sm->stopping) {
		drop(sm, stanza);
		return;
	}
	buf_append(&sm->returned, stanza, sizeof(*stanza));
	*stanza = NULL;
}

bool route_take(struct sm *sm, struct stanza **stanza)
{
	struct buf *from = buf_used(&sm->returned) ? &sm->returned : &sm->queue;

	if (!buf_used(from))
		return false;
	memcpy(stanza, buf_slice(from).data, sizeof(*stanza));
	buf_skip(from, sizeof(*stanza));
	return true;
}

void route_queue(struct sm *sm)
{
	struct stanza *stanza;

	while (route_take(sm, &stanza))
		arrived(sm, &stanza);
}

/* The chains of what is for us ended: nobody took it. */
void route_unhandled(struct sm *sm, struct stanza **stanza)
{
	if ((*stanza)->kind == STANZA_PRESENCE)
		drop(sm, stanza);
	else
		route_refuse(sm, stanza, STANZA_SERVICE_UNAVAILABLE);
}

/* -- what waited -- */

/* Its c2s was checked when it came; meanwhile the session may have lost its client, or have it by another c2s. */
static struct session *session_of_waiting(const struct sm *sm, const struct packet *packet)
{
	return slots_get(&sm->sessions, session_id_slot(&packet->sm));
}

static void loaded_stanza(struct sm *sm, struct user *user, struct packet *packet)
{
	struct session *session;

	if (!packet->sm.len) {
		to_user(sm, user, &packet->stanza);
		return;
	}
	session = session_of_waiting(sm, packet);
	if (session)
		from_session(sm, session, &packet->stanza);
	else
		session_tell_ended(sm, packet);
}

void route_loaded(struct sm *sm, struct user *user, struct packet **packet)
{
	/* The one before may have made another load necessary. */
	user_renew(user);
	if (user->state != USER_READY) {
		if (!user_wait(user, packet))
			route_not_loaded(sm, packet);
		return;
	}
	if ((*packet)->kind == PACKET_STANZA)
		loaded_stanza(sm, user, *packet);
	else if ((*packet)->kind == PACKET_ACCOUNT)
		removal_loaded(user, packet);
	else if ((*packet)->session.action == SESSION_START)
		session_start(user, *packet);
	else if ((*packet)->session.action == SESSION_BIND)
		session_bind(user, packet);
	else if ((*packet)->session.action == SESSION_CREATE)
		session_create(user, packet);
	else if ((*packet)->session.action == SESSION_RESUME)
		resume_user(user, packet);
	else if ((*packet)->session.action == SESSION_PRESENT)
		present_user(user, packet);
	else if ((*packet)->session.action == SESSION_DELETE)
		session_delete_user(user, packet);
	else
		session_allow_user(user, (*packet)->session.action == SESSION_ALLOW);
	packet_free(packet);
}

void route_not_loaded(struct sm *sm, struct packet **packet)
{
	struct session *session;

	if ((*packet)->kind == PACKET_SESSION) {
		session_fail(sm, *packet);
	} else if ((*packet)->kind == PACKET_ACCOUNT) {
		removal_fail(sm, *packet);
	} else {
		session = (*packet)->sm.len ? session_of_waiting(sm, *packet) : NULL;
		if (session)
			stanza_set_from((*packet)->stanza, session->jid);
		route_refuse(sm, &(*packet)->stanza, STANZA_RESOURCE_CONSTRAINT);
	}
	packet_free(packet);
}

/* -- what came back -- */

static enum stanza_error error_of(struct sm *sm, const struct packet *packet)
{
	if (packet->error == 404 && packet->stanza->to && !domain_of(sm, packet->stanza->to))
		return STANZA_REMOTE_SERVER_NOT_FOUND;
	if (packet->error == 404 && packet->sm.len)
		return STANZA_RECIPIENT_UNAVAILABLE;
	return stanza_error_of_code(packet->error);
}

/* To who sent it, here: a rule that refused the stanza is not asked about its error too. */
static void refuse_returned(struct sm *sm, struct stanza **stanza, enum stanza_error error)
{
	struct stanza *answer = stanza_error_new(*stanza, error, NULL);

	take_place(answer, *stanza);
	drop(sm, stanza);
	if (answer && answer->to && domain_of(sm, answer->to) && !sm->stopping)
		queue(sm, &answer);
	else
		sm_route(sm, &answer);
}

/* Whether the session that something came back of is no more; one that was found so now ends. */
static bool is_over(struct sm *sm, const struct packet *packet)
{
	struct session *session = slots_get(&sm->sessions, session_id_slot(&packet->sm));

	if (!session)
		return true;
	if (!slice_equal(str_slice(session->at), str_slice(packet->to)))
		return false;
	/* Of a start that was not answered c2s knows nothing; other errors than 404 are a rule's.
	 */
	if (packet->kind == PACKET_STANZA && (packet->error != 404 || !session_missed(session)))
		return false;
	session_end(session, SESSION_TELL_NOBODY);
	return true;
}

/*
 * One of ours that nobody took. To a session that is over: it is routed again, as if the session
 * had never been. To one whose c2s is away for a moment: the sender may try again.
 */
void route_returned(struct sm *sm, struct packet **packet)
{
	struct stanza **stanza = &(*packet)->stanza;
	struct session *session = slots_get(&sm->sessions, session_id_slot(&(*packet)->sm));
	bool over;

	if (session ? session->ours : (*packet)->ours && (*packet)->sm.len)
		return; /* it is in the session's outbox, or that has found another way for it */
	over = is_over(sm, *packet);
	if ((*packet)->kind != PACKET_STANZA)
		return;
	if ((*stanza)->kind == STANZA_PRESENCE)
		drop(sm, stanza);
	else if (over && (*packet)->sm.len && (*stanza)->to && domain_of(sm, (*stanza)->to))
		sm_route(sm, stanza);
	else if ((*packet)->sm.len && (*packet)->error == 404)
		route_refuse(sm, stanza,
			     error_of(sm, *packet)); /* who sent it may be on another sm */
	else
		refuse_returned(sm, stanza, error_of(sm, *packet));
}
