/* SPDX-License-Identifier: MIT */
/* A client: its life, its stream, its stanzas on their way to the session manager. */
#include "c2s/client.h"
#include "c2s/entry.h"

#include <string.h>
#include "base/mem.h"
#include "c2s/account.h"
#include "jid/jid.h"
#include "mio/budget.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

enum {
	ANSWER_MS = 30000,
	END_HEARD_MS = 10000,
	UNDER_WAY_PART = 6, /* of what all queues may have, may be under way */
	SHARE_LEAST = 16 << 10,
	SHARE_AGAIN_MS = 1000,
};

/* -- life ------------------------------------------------------------------------------------------ */

struct client *client_get(struct c2s *c2s, uint64_t id)
{
	return id == c2s->hello_id ? NULL : slots_get(&c2s->clients, id);
}

struct domain *client_domain(struct client *client)
{
	struct slice to = sx_to(conn_sx(client->conn));
	AUTO(jid_free) struct jid *jid = to.len ? jid_parse(to) : NULL;

	return jid ? domain_get(client->c2s, jid_domain(jid)) : NULL;
}

struct pending *client_pending(struct client *client)
{
	if (client->pending)
		return client->pending;
	client->pending = mem_zalloc(MEM_CLIENT, sizeof(*client->pending));
	client->pending->client = client;
	mio_timer_init(&client->pending->timer, client_unanswered);
	return client->pending;
}

static void update_pause(struct client *client)
{
	bool held = client->awaiting || client->crowded;

	if (held != client->held)
		conn_hold(client->conn, held);
	client->held = held;
}

void client_go_on(struct client *client)
{
	client->awaiting = false;
	update_pause(client);
}

void client_await(struct client *client)
{
	client->awaiting = true;
	update_pause(client);
	mio_timer_set(client->c2s->worker->mio, &client_pending(client)->timer, ANSWER_MS);
}

static void count_unsettled(struct client *client, uint32_t bytes)
{
	struct c2s *c2s = client->c2s;

	c2s->unsettled_bytes += (size_t)bytes - client->unsettled_bytes;
	c2s->unsettled_clients += (bytes > 0) - (client->unsettled_bytes > 0);
	client->unsettled_bytes = bytes;
}

void client_forget_pending(struct client *client)
{
	struct pending *pending = client->pending;

	client->pending = NULL;
	if (!pending)
		return;
	mio_timer_stop(&pending->timer);
	auth_end(&pending->login);
	buf_fini(&pending->mechanism);
	buf_wipe(&pending->message);
	jid_free(&pending->user);
	str_free(&pending->key);
	mem_free(pending);
}

void client_free(struct client **taken)
{
	struct client *client = *taken;

	*taken = NULL;
	if (!client)
		return;
	mio_undefer(client->c2s->worker->mio, &client->move_task);
	entry_leave(client);
	count_unsettled(client, 0);
	slots_del(&client->c2s->clients, client->id);
	metric_add(client->c2s->worker->process, METRIC_CONNECTIONS, -1);
	client_forget_pending(client);
	sasl2_free(&client->sasl2);
	ack_free(client);
	keep_stop(client);
	buf_fini(&client->backlog);
	conn_kill(&client->conn);
	jid_free(&client->jid);
	str_free(&client->sm_name);
	str_free(&client->request);
	buf_fini(&client->iq_id);
	mem_free(client);
}

size_t client_write(struct client *client, const struct stanza *stanza)
{
	struct buf *scratch = &client->c2s->scratch;
	struct slice part;

	buf_clear(scratch);
	stanza_print(stanza, scratch);
	part = buf_slice(scratch);
	sx_send_parts(conn_sx(client->conn), &part, 1, SX_STANZA);
	metric_add(client->c2s->worker->process, METRIC_STANZAS_OUT + stanza->kind - STANZA_MESSAGE, 1);
	return part.len;
}

/* A stanza of the client, or an answer to it that sm is to number. */
static void to_session(struct client *client, struct stanza **stanza, bool answer)
{
	struct packet *packet;

	(*stanza)->origin = (struct origin){.session = client->id, .count = client->received};
	if (!keep_in(client, *stanza, answer)) {
		stanza_free(stanza);
		return;
	}
	packet = packet_stanza(client->c2s->name, client->sm_name, stanza);
	packet->ours = client_is_ours(client);
	packet->answer = answer;
	session_id_set(&packet->c2s, client->id);
	packet->sm = client->sm;
	link_send(client->c2s->worker->link, &packet);
}

void client_send(struct client *client, struct stanza **stanza)
{
	if (*stanza && client->conn && client->sm.len && client_is_ours(client))
		to_session(client, stanza, true);
	else if (*stanza && client->conn)
		client_write(client, *stanza);
	stanza_free(stanza);
}

/* -- what it sent --------------------------------------------------------------------------------------- */

/* Who resumed may be told that something is settled before it says it again. */
uint32_t client_unsettled(const struct client *client)
{
	int32_t count = (int32_t)(client->received - client->settled);

	return count > 0 ? (uint32_t)count : 0;
}

/* Of what may be under way in all, on this worker. */
static bool has_more_than_its_share(const struct client *client)
{
	const struct c2s *c2s = client->c2s;
	const struct process *process = c2s->worker->process;
	size_t most = budget_limit(process->queues) / UNDER_WAY_PART / process->worker_count;

	return client->unsettled_bytes > SHARE_LEAST && c2s->unsettled_bytes > most &&
	       client->unsettled_bytes > most / c2s->unsettled_clients;
}

/* What is not settled is bounded: the client waits. */
static void check_crowd(struct client *client)
{
	uint32_t count = client_unsettled(client);
	bool shares;

	if (!count)
		count_unsettled(client, 0);
	shares = has_more_than_its_share(client);
	if (shares && !mio_timer_is_set(&client->c2s->share_timer))
		mio_timer_set(client->c2s->worker->mio, &client->c2s->share_timer, SHARE_AGAIN_MS);
	client->crowded = count >= ACK_UNSETTLED_MAX || client->unsettled_bytes >= ACK_UNSETTLED_BYTES_MAX || shares;
	update_pause(client);
}

void client_share(struct mio_timer *timer)
{
	struct c2s *c2s = container_of(timer, struct c2s, share_timer);
	struct client *client;

	for (uint32_t at = 0; (client = slots_next(&c2s->clients, &at));) {
		if ((void *)client != c2s && client->crowded && client->conn)
			check_crowd(client);
	}
}

bool client_is_settled(const struct client *client, uint32_t count)
{
	uint32_t ahead = count - client->settled;

	return (int32_t)ahead <= 0 || (ahead <= 64 && client->window >> (ahead - 1) & 1);
}

/* What is known here, and not to sm yet, stays so. */
static void take_settled(struct client *client, uint32_t count, uint64_t window)
{
	uint32_t ahead = count - client->settled;

	if ((int32_t)ahead < 0)
		return;
	client->window = window | (ahead < 64 ? client->window >> ahead : 0);
	client->settled = count;
	for (; client->window & 1; client->window >>= 1)
		client->settled++;
	keep_settled(client);
	ack_settled(client);
	check_crowd(client);
}

void client_settled_one(struct client *client, uint32_t count)
{
	uint32_t ahead = count - client->settled;

	if (ahead && ahead <= 64)
		take_settled(client, client->settled, UINT64_C(1) << (ahead - 1));
}

void client_settled(struct client *client, uint32_t count, uint64_t window)
{
	take_settled(client, count, window);
	if (client->c2s->draining)
		client_let_go(&client, false);
}

void client_send_error(struct client *client, const struct stanza *stanza, enum stanza_error error)
{
	struct stanza *answer = stanza_error_new(stanza, error, NULL);

	client_send(client, &answer);
}

/* -- to the session manager ------------------------------------------------------------------------ */

bool client_is_ours(struct client *client)
{
	const struct jid *jid = client->jid ? client->jid : sx_identity(conn_sx(client->conn));
	struct domain *domain = jid ? domain_get(client->c2s, jid_domain(jid)) : NULL;

	return client->keep || (domain && (domain->state == DOMAIN_LOCAL || domain->state == DOMAIN_OURS));
}

struct packet *client_packet_to_sm(struct client *client, enum session_action action)
{
	struct packet *packet = packet_session(client->c2s->name, client->sm_name, action);

	packet->ours = client->jid && client_is_ours(client);
	session_id_set(&packet->c2s, client->id);
	packet->sm = client->sm;
	return packet;
}

void client_end_session(struct client *client, bool for_good)
{
	bool detach = !for_good && client->ack && client->ack->resumable;
	struct packet *packet;

	if (client->state != CLIENT_ACTIVE)
		return;
	if (client->keep)
		ends_over(client, detach ? (int64_t)client->ack->seconds * 1000 : END_HEARD_MS);
	packet = client_packet_to_sm(client, detach ? SESSION_DETACH : SESSION_END);
	client->state = CLIENT_UNBOUND;
	metric_add(client->c2s->worker->process, METRIC_BOUND, -1);
	if (client->keep && client->keep->presenting)
		packet_free(&packet);
	else
		link_send(client->c2s->worker->link, &packet);
}

static void forward(struct client *client, struct stanza **stanza)
{
	metric_add(client->c2s->worker->process, METRIC_STANZAS_IN + (*stanza)->kind - STANZA_MESSAGE, 1);
	to_session(client, stanza, false);
}

/* What an iq must have, RFC 6120 section 8.2.3. */
static bool is_sound(const struct stanza *stanza)
{
	int child = stanza_child(stanza);

	if (stanza->type == STANZA_TYPE_BAD || stanza->kind != STANZA_IQ)
		return stanza->type != STANZA_TYPE_BAD;
	if (!stanza->id.len)
		return false;
	if (stanza->type == STANZA_GET || stanza->type == STANZA_SET)
		return child >= 0 && nad_next_sibling(stanza->payload, child) < 0;
	return true;
}

static void bind(struct client *client, const struct stanza *stanza)
{
	int elem = stanza_find(stanza, NS_BIND, "bind");
	int resource = elem < 0 ? -1 : nad_find_child(stanza->payload, elem, NS_BIND, "resource");

	if (elem < 0 || stanza->kind != STANZA_IQ || stanza->type != STANZA_SET)
		conn_close(client->conn, SX_NOT_AUTHORIZED, "bind a resource first");
	else if (!is_sound(stanza))
		client_send_error(client, stanza, STANZA_BAD_REQUEST);
	else
		client_start(client, stanza, resource < 0 ? (struct slice){NULL, 0} : nad_cdata(stanza->payload, resource));
}

/* -- the stream's events --------------------------------------------------------------------------- */

/* The first header under TLS: no other comes before the login. version NULL: in clear. */
static void count_tls(const struct client *client, const char *version)
{
	if (version)
		metric_add(client->c2s->worker->process, METRIC_TLS_HANDSHAKES + !strcmp(version, "TLSv1.3"), 1);
}

static void on_header(void *owner, struct conn *conn)
{
	struct client *client = owner;
	struct sx *sx = conn_sx(conn);
	struct domain *domain = client_domain(client);

	if (!sx_identity(sx))
		count_tls(client, sx_tls_version(sx));
	if (!domain) {
		sx_error(sx, SX_HOST_UNKNOWN, NULL);
		return;
	}
	sx_set_from(sx, str_slice(domain->name));
	if (!sx_identity(sx))
		client->hashes = (uint8_t)domain_hashes(client->c2s, domain);
	if (domain->state == DOMAIN_AWAY)
		sx_error(sx, SX_HOST_GONE, NULL);
	else if (sx_identity(sx) && !slice_equal(jid_domain(sx_identity(sx)), str_slice(domain->name)))
		sx_error(sx, SX_NOT_AUTHORIZED, "this is another domain than the one you logged in at");
}

static void on_open(void *owner, struct conn *conn)
{
	struct client *client = owner;

	if (client->state == CLIENT_LOGIN) /* by SASL2 it may have a session already */
		client->state = CLIENT_UNBOUND;
	if (client->state != CLIENT_ACTIVE) /* without one nothing bounds how many such streams an account has */
		conn_hurry(conn, conn_options(conn)->login_ms);
}

static void take_counted(struct client *client, int rc, struct stanza **stanza)
{
	if (rc == STANZA_BAD_TO)
		client_send_error(client, *stanza, STANZA_JID_MALFORMED);
	else if (!is_sound(*stanza))
		client_send_error(client, *stanza, STANZA_BAD_REQUEST);
	else if (!account_take(client, *stanza) && !unbind_take(client, *stanza))
		forward(client, stanza);
}

static void take_stanza(struct client *client, int rc, struct stanza **stanza)
{
	if (client->state == CLIENT_LOGIN) {
		if (sx_sasl_busy(conn_sx(client->conn)) || !register_take(client, *stanza))
			conn_close(client->conn, SX_NOT_AUTHORIZED, NULL);
	} else if (client->state != CLIENT_ACTIVE) {
		bind(client, *stanza);
	} else {
		client->received++;
		count_unsettled(client, client->unsettled_bytes + (uint32_t)stanza_weight(*stanza));
		take_counted(client, rc, stanza);
		if (!client_is_ours(client))
			client->settled = client->received; /* its sm says nothing of that */
		check_crowd(client);
	}
}

static void on_packet(void *owner, struct conn *conn, struct nad **nad)
{
	struct client *client = owner;
	struct stanza *stanza;
	int rc;

	client->probed = false;
	if (sx_identity(conn_sx(conn)) && (ack_take(client, *nad) || csi_take(client, *nad)))
		return;
	rc = stanza_from_nad(nad, &stanza);
	if (rc == STANZA_NOT_ONE)
		conn_close(conn, client->state == CLIENT_LOGIN ? SX_NOT_AUTHORIZED : SX_UNSUPPORTED_STANZA_TYPE, NULL);
	else
		take_stanza(client, rc, &stanza);
	stanza_free(&stanza);
}

static void on_closed(void *owner, struct conn *conn, enum conn_end end)
{
	struct client *client = owner;

	entry_note_end(client, conn, end);
	if (!client->ack && end != CONN_END_FAULT && !conn_unsent(conn))
		client_written(client, conn);
	client_end_session(client, end == CONN_END_PEER);
	entry_leave(client);
	client->conn = NULL;
	client_free(&client);
}

const struct conn_handler client_handler = {
	.header = on_header, .open = on_open, .packet = on_packet, .written = client_written, .closed = on_closed,
	.proxied = entry_proxied};
