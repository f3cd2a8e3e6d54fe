/* SPDX-License-Identifier: MIT */
/* The session of a client: asked for, started or resumed, ended; what its session manager says. */
#include <string.h>
#include "base/mem.h"
#include "c2s/account.h"
#include "c2s/client.h"
#include "jid/jid.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

/* -- asking ------------------------------------------------------------------------------------------ */

void client_await_user(struct client *client)
{
	struct c2s *c2s = client->c2s;
	AUTO(buf_fini) struct buf random = {0};
	unsigned char bytes[20];

	mio_random(c2s->worker->mio, bytes, sizeof(bytes));
	buf_append_hex(&random, bytes, sizeof(bytes));
	str_free(&client->request);
	client->request = str_new(buf_slice(&random));
	str_free(&client->sm_name);
	client->sm_name = link_name(c2s->worker->link, jid_domain(sx_identity(conn_sx(client->conn))));
	client->sm.len = 0;
	client->state = CLIENT_STARTING;
	client->resuming = false;
	client_await(client);
}

struct packet *client_ask_user(struct client *client, enum session_action action)
{
	struct packet *packet;

	client_await_user(client);
	packet = client_packet_to_sm(client, action);
	packet->session.id = str_ref(client->request);
	return packet;
}

/* A start, or the resumption of a session: the question has the id of before. */
void client_ask_again(struct client *client)
{
	struct packet *packet;

	if (client->state != CLIENT_STARTING || !client->pending)
		return;
	if (client->sasl2 && !client->resuming) {
		packet = sasl2_bind_packet(client);
		link_send(client->c2s->worker->link, &packet);
		return;
	}
	packet = client_packet_to_sm(client, client->resuming ? SESSION_RESUME : SESSION_START);
	packet->ours = true;
	packet->session.id = str_ref(client->request);
	packet->session.target = jid_ref(client->resuming ? sx_identity(conn_sx(client->conn)) : client->jid);
	packet->session.resume.key = client->pending->key ? str_ref(client->pending->key) : NULL;
	packet->session.resume.handled = client->pending->handled;
	link_send(client->c2s->worker->link, &packet);
}

/* Whether it is one of ours that serves its domain: a session that began without that answer would be kept by nobody. */
static bool is_being_asked(struct client *client)
{
	const struct domain *domain = domain_get(client->c2s, jid_domain(client->jid));

	return domain && domain->state == DOMAIN_ASKING;
}

/* RFC 6120 section 7. Nothing more is parsed until the session manager has answered. */
void client_start(struct client *client, const struct stanza *stanza, struct slice wanted)
{
	struct jid *user = sx_identity(conn_sx(client->conn));
	AUTO(buf_fini) struct buf random = {0};
	unsigned char bytes[6];
	struct packet *packet;

	mio_random(client->c2s->worker->mio, bytes, sizeof(bytes));
	buf_append_hex(&random, bytes, sizeof(bytes));
	jid_free(&client->jid);
	client->jid = jid_with_resource(user, wanted.len ? wanted : buf_slice(&random));
	if (!client->jid) {
		client_send_error(client, stanza, STANZA_BAD_REQUEST);
		return;
	}
	buf_clear(&client->iq_id);
	buf_append_slice(&client->iq_id, stanza->id);
	if (is_being_asked(client)) {
		client_await_user(client); /* client_ask_again() when that is known */
		return;
	}
	packet = client_ask_user(client, SESSION_START);
	packet->session.target = jid_ref(client->jid);
	link_send(client->c2s->worker->link, &packet);
}

/* -- from the session manager ----------------------------------------------------------------------- */

void client_lose_session(struct client *client)
{
	if (client->state == CLIENT_ACTIVE)
		metric_add(client->c2s->worker->process, METRIC_BOUND, -1);
	client->state = CLIENT_UNBOUND;
	keep_stop(client);
}

static void end_with(struct client *client, enum sx_error error, const char *text)
{
	client_lose_session(client);
	conn_close(client->conn, error, text);
}

static void shed(struct client *client, enum sx_refusal refusal)
{
	client_lose_session(client);
	conn_shed(client->conn, refusal);
}

static void make_room(struct client *client)
{
	client_lose_session(client);
	conn_refuse(client->conn, SX_REFUSED_SESSIONS);
}

void client_end(struct client *client, enum sx_error error)
{
	end_with(client, error, NULL);
}

static void session_ended(struct client *client)
{
	client->sm.len = 0; /* nothing goes by way of it any more */
	unbind_answered(client, true);
	client_end(client, SX_ERROR_NONE);
}

/* Whether sm is to forget the session: when it just made it, or when the client that it writes to has another (section 4). */
static bool is_stray(const struct packet *packet, const struct client *client)
{
	if (packet->kind == PACKET_STANZA)
		return client != NULL;
	return packet->kind == PACKET_SESSION &&
	       (packet->session.action == SESSION_STARTED || packet->session.action == SESSION_BOUND ||
		packet->session.action == SESSION_REPLACED || packet->session.action == SESSION_RESUMED);
}

/* A session that no client has. One of ours may wait for its client; what it sent it still has. */
static void end_unknown(struct c2s *c2s, const struct packet *packet, const struct client *client)
{
	bool ours = packet->ours && (packet->kind == PACKET_STANZA || (packet->kind == PACKET_SESSION && packet->session.action == SESSION_RESUMED));
	struct str *to = packet->via ? packet->via : packet->from;
	struct packet *answer;

	if (packet->failed || packet->error || !packet->sm.len || (!ours && !is_stray(packet, client)))
		return;
	/* A stanza comes from a domain, which may have several: the client's own session manager is meant. */
	if (packet->kind == PACKET_STANZA && client && client->sm_name)
		to = client->sm_name;
	answer = packet_session(c2s->name, to, ours ? SESSION_DETACH : SESSION_END);
	answer->c2s = packet->c2s;
	answer->sm = packet->sm;
	answer->ours = packet->ours;
	link_send(c2s->worker->link, &answer);
}

/* What the client asked for, with the address that it gets. */
static struct stanza *take_bind(struct client *client, enum stanza_type type)
{
	struct stanza *iq = stanza_new(STANZA_IQ, type, buf_slice(&client->iq_id));

	nad_append(iq->payload, NS_BIND, "bind", 1);
	nad_append_text(iq->payload, NS_BIND, "jid", 2, jid_full(client->jid));
	buf_fini(&client->iq_id);
	return iq;
}

static void send_bound(struct client *client)
{
	AUTO(stanza_free) struct stanza *result = take_bind(client, STANZA_RESULT);

	client_write(client, result);
}

static bool is_awaited(const struct client *client, const struct packet *packet, bool resuming)
{
	return client->state == CLIENT_STARTING && client->resuming == resuming && packet->session.id &&
	       slice_equal(str_slice(packet->session.id), str_slice(client->request));
}

/* From now on the session is this client's. */
static void become_active(struct client *client, const struct packet *packet)
{
	client->sm = packet->sm;
	str_free(&client->sm_name);
	client->sm_name = str_ref(packet->from);
	str_free(&client->request);
	client_forget_pending(client);
	client->state = CLIENT_ACTIVE;
	conn_hurry(client->conn, 0);
	metric_add(client->c2s->worker->process, METRIC_BOUND, 1);
	if (packet->relayed && (packet->ours || client_is_ours(client))) /* it may be gone since */
		keep_start(client);
}

static void resumed(struct client *client, const struct packet *packet)
{
	struct slice snapshot = buf_slice(&packet->session.text);

	if (!is_awaited(client, packet, true) || !packet->session.target || !packet->session.resume.key) {
		end_unknown(client->c2s, packet, client);
		return;
	}
	jid_free(&client->jid);
	client->jid = jid_ref(packet->session.target);
	become_active(client, packet);
	keep_had(client, slice_line(&snapshot)); /* before it */
	keep_snapshot(client, snapshot);
	ack_resumed(client, packet);
	if (client->sasl2)
		sasl2_resumed(client);
	client_go_on(client);
}

/* Nobody could be asked: the session may be there still, and the client's next try finds it. */
static void resume_unanswered(struct client *client)
{
	if (client->sasl2) {
		client_fail_login(client);
		return;
	}
	client_forget_pending(client);
	client->state = CLIENT_UNBOUND;
	conn_close(client->conn, SX_REMOTE_CONNECTION_FAILED, NULL);
}

static void resume_failed(struct client *client, const struct packet *packet)
{
	str_free(&client->request);
	client_forget_pending(client);
	client->state = CLIENT_UNBOUND;
	ack_resume_failed(client, packet);
	if (client->sasl2)
		sasl2_not_resumed(client);
	else
		client_go_on(client);
}

static void started(struct client *client, const struct packet *packet)
{
	if (!is_awaited(client, packet, false)) {
		end_unknown(client->c2s, packet, client);
		return;
	}
	become_active(client, packet);
	keep_snapshot(client, buf_slice(&packet->session.text));
	send_bound(client);
	client_go_on(client);
}

/* A line of what the client is to be told, and a snapshot. */
static void bound(struct client *client, const struct packet *packet)
{
	struct slice snapshot = buf_slice(&packet->session.text), inside = slice_line(&snapshot);

	if (!is_awaited(client, packet, false) || !client->sasl2) {
		end_unknown(client->c2s, packet, client);
		return;
	}
	become_active(client, packet);
	keep_snapshot(client, snapshot);
	sasl2_bound(client, packet, inside);
}

void client_fail_login(struct client *client)
{
	str_free(&client->request);
	jid_free(&client->jid);
	client_forget_pending(client);
	sasl2_failed(client);
}

static void fail_start(struct client *client, enum stanza_error what)
{
	AUTO(stanza_free) struct stanza *request = take_bind(client, STANZA_SET);
	struct stanza *error = stanza_error_new(request, what, NULL);

	str_free(&client->request);
	jid_free(&client->jid);
	client_forget_pending(client);
	client->state = CLIENT_UNBOUND;
	client_send(client, &error);
	client_go_on(client);
}

/* The question or its answer went down with a router or a session manager. A late answer finds another request. */
void client_unanswered(struct mio_timer *timer)
{
	struct client *client = container_of(timer, struct pending, timer)->client;

	if (client->state == CLIENT_STARTING && client->resuming)
		resume_unanswered(client);
	else if (client->state == CLIENT_STARTING && client->sasl2)
		client_fail_login(client);
	else if (client->state == CLIENT_STARTING)
		fail_start(client, STANZA_REMOTE_SERVER_TIMEOUT);
	else if (client->state == CLIENT_ACTIVE && client->pending->enables)
		conn_close(client->conn, SX_INTERNAL_SERVER_ERROR, NULL); /* to enable stream management */
	else if (client->pending->removes)
		removal_answer(client, false);
	else if (client->pending->user)
		register_unanswered(client);
	else
		register_answer(client, false, STANZA_REMOTE_SERVER_TIMEOUT);
}

/* An answer without the id of its request is taken for ours: there is one at a time. */
static bool is_of_request(const struct client *client, const struct packet *packet)
{
	return !packet->session.id ||
	       (client->request && slice_equal(str_slice(packet->session.id), str_slice(client->request)));
}

static void start_failed(struct client *client, const struct packet *packet)
{
	if (client->state != CLIENT_STARTING || client->resuming || !is_of_request(client, packet))
		return;
	if (client->sasl2)
		client_fail_login(client);
	else
		fail_start(client, STANZA_INTERNAL_SERVER_ERROR);
}

/*
 * While it is presented no session manager has it: what one says then is about a stanza that left between the death of the
 * last and its news, and that comes again.
 */
static bool is_of(const struct client *client, const struct packet *packet)
{
	const struct keep *keep = client->keep;

	return client->state == CLIENT_ACTIVE && !(keep && keep->presenting && !keep->presented) &&
	       session_id_equal(&client->sm, &packet->sm);
}

static void enabled(struct client *client, const struct packet *packet)
{
	if (!is_of(client, packet))
		return;
	client_forget_pending(client);
	ack_enabled(client, packet);
	client_go_on(client);
}

/* A question that came back is of an sm that died before it answered: the next one is asked anew. */
static void not_presented(struct client *client, const struct packet *packet)
{
	if (!packet->error && client->keep && client->keep->presenting && !client->keep->presented)
		client_end(client, SX_ERROR_NONE);
}

/* Behind all that sm sent before. */
static void reached(struct client *client, const struct packet *packet)
{
	struct packet *made = client_packet_to_sm(client, SESSION_REACHED);

	made->session.resume.handled = packet->session.resume.handled;
	link_send(client->c2s->worker->link, &made);
}

static void take_action(struct client *client, const struct packet *packet)
{
	bool failed = packet->failed || packet->error;

	switch (packet->session.action) {
	case SESSION_START:
	case SESSION_BIND:
		if (failed)
			start_failed(client, packet);
		break;
	case SESSION_BOUND:
		bound(client, packet);
		break;
	case SESSION_STARTED:
		started(client, packet);
		break;
	case SESSION_ENABLED:
		enabled(client, packet);
		break;
	case SESSION_SNAPSHOT:
		if (is_of(client, packet))
			keep_snapshot(client, buf_slice(&packet->session.text));
		break;
	case SESSION_REACH:
		if (is_of(client, packet))
			reached(client, packet);
		break;
	case SESSION_PRESENT:
		if (failed)
			not_presented(client, packet);
		break;
	case SESSION_PRESENTED:
		keep_presented(client, packet);
		break;
	case SESSION_RESUME:
		if (!is_awaited(client, packet, true))
			break;
		if (packet->error || packet->session.resume.later)
			resume_unanswered(client);
		else if (packet->failed)
			resume_failed(client, packet);
		break;
	case SESSION_RESUMED:
		resumed(client, packet);
		break;
	case SESSION_CREATE:
	case SESSION_CREATED:
		if (is_of_request(client, packet))
			register_created(client, failed);
		break;
	case SESSION_END:
		if (packet->error)
			unbind_answered(client, false);
		else if (is_of(client, packet) && failed)
			session_ended(client);
		break;
	case SESSION_ENDED:
		if (is_of(client, packet))
			session_ended(client);
		break;
	case SESSION_REPLACED:
		if (is_of(client, packet))
			client_end(client, SX_CONFLICT);
		break;
	case SESSION_DISABLED:
		if (is_of(client, packet))
			end_with(client, SX_NOT_AUTHORIZED, "the account is disabled");
		break;
	case SESSION_DELETED:
		if (is_of(client, packet))
			removal_ended(client);
		break;
	case SESSION_KICKED:
		if (is_of(client, packet))
			end_with(client, SX_POLICY_VIOLATION, "an administrator ended the session");
		break;
	case SESSION_CROWDED:
		if (is_of(client, packet))
			make_room(client);
		break;
	case SESSION_SHED:
		if (is_of(client, packet))
			shed(client, SX_REFUSED_MEMORY);
		break;
	case SESSION_FULL:
		if (is_of(client, packet))
			shed(client, SX_REFUSED_UNACKNOWLEDGED);
		break;
	default:
		break;
	}
}

/* The way to the session manager is broken: the sender hears of it, the session stays. */
static void came_back(struct client *client, struct stanza *stanza)
{
	if (!client->keep && stanza->kind != STANZA_PRESENCE)
		client_send_error(client, stanza, STANZA_REMOTE_SERVER_TIMEOUT);
}

static void take_from_sm(struct client *client, const struct packet *packet)
{
	if (packet->error)
		came_back(client, packet->stanza);
	else if (is_of(client, packet) && packet->failed)
		client_end(client, SX_ERROR_NONE);
	else if (!is_of(client, packet))
		end_unknown(client->c2s, packet, client);
	else if (sx_state(conn_sx(client->conn)) == SX_STATE_OPEN) /* else it is about to end, and says how itself */
		client_deliver(client, packet->stanza);
}

void client_packet(struct c2s *c2s, struct packet **taken)
{
	struct packet *packet = *taken;
	uint64_t id = session_id_slot(&packet->c2s);
	struct client *client = client_get(c2s, id);

	mem_fetch(client, sizeof(*client));
	if (packet->kind == PACKET_ACCOUNT)
		account_answered(c2s->worker->auth, packet);
	else if (packet->kind == PACKET_SESSION && packet->session.action == SESSION_HELLO)
		domain_answered(c2s, packet);
	else if (packet->kind == PACKET_SESSION && client)
		take_action(client, packet);
	else if (packet->kind == PACKET_STANZA && client)
		take_from_sm(client, packet);
	else if (!client && packet->error && packet->kind == PACKET_SESSION && packet->session.action == SESSION_END)
		ends_keep(c2s, packet);
	else if (!client)
		end_unknown(c2s, packet, NULL);
	else if (packet->kind == PACKET_SETTLED && is_of(client, packet))
		client_settled(client, packet->count, packet->window);
	packet_free(taken);
}
