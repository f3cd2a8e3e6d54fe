/* SPDX-License-Identifier: MIT */
/*
 * Who may connect: how many there are, and of one address. Nothing is kept of who is refused. Of who comes by a proxy the
 * address is known when its PROXY header is there.
 */
#include "c2s/entry.h"

#include "c2s/login.h"
#include "component/quotas.h"
#include "jid/jid.h"

enum { NAME_MAX_BYTES = 128 };

static void refused(struct c2s *c2s, const char *name, enum sx_refusal refusal)
{
	process_refused(c2s->worker->process, refusal);
	if (notes_let(&c2s->notes, "connection-refused", sx_refusal_text(refusal)))
		log_event(&c2s->log, LOG_WARN,
			  &(struct log_event){"connection-refused", name, {{"reason", sx_refusal_text(refusal)}}},
			  "a connection was closed: %s", sx_refusal_text(refusal));
}

static bool is_proxy(const struct c2s *c2s, const char *name)
{
	struct address address;

	return c2s->proxies.count && address_of_peer(name, &address) && networks_have(&c2s->proxies, &address);
}

/* Counts it, or says why not; placed: among those of its address. */
static enum sx_refusal admit(struct quotas *quotas, const char *name, bool proxy, bool *placed)
{
	*placed = false;
	if (!quotas_connect(quotas))
		return SX_REFUSED_CONNECTIONS;
	if (proxy || quotas_place(quotas, name, placed))
		return SX_REFUSED_NOT;
	quotas_disconnect(quotas);
	return SX_REFUSED_PLACES;
}

void entry_accept(struct c2s *c2s, int given, const struct conn_options *options)
{
	char name[NAME_MAX_BYTES] = "";
	enum sx_refusal refusal;
	struct client *client;
	bool proxy, placed;

	if (c2s->draining) {
		mio_refuse(c2s->worker->mio, given);
		return;
	}
	mio_given_name(c2s->worker->mio, given, name, sizeof(name));
	proxy = is_proxy(c2s, name);
	refusal = admit(c2s->worker->process->quotas, name, proxy, &placed);
	if (refusal) {
		mio_refuse(c2s->worker->mio, given);
		refused(c2s, name, refusal);
		return;
	}
	client = client_new(c2s);
	client->counted = true;
	client->placed = placed;
	client->conn = conn_accept(c2s->worker->conns, given, options, client);
	conn_set_peer(client->conn, name);
	if (proxy)
		conn_expect_proxy(client->conn);
}

void entry_proxied(void *owner, struct conn *conn)
{
	struct client *client = owner;

	if (quotas_place(client->c2s->worker->process->quotas, conn_peer(conn), &client->placed))
		return;
	refused(client->c2s, conn_peer(conn), SX_REFUSED_PLACES);
	client_free(&client);
}

/* For a constant reason; what is told of it, and more, or "". */
static void log_end(struct client *client, struct conn *conn, const char *reason, const char *what, const char *more)
{
	const char *condition = sx_error_name(conn_refusal(conn) ? sx_refusal_error(conn_refusal(conn))
								 : sx_end_error(conn_sx(conn)));

	if (!notes_let(&client->c2s->notes, "stream-ended", reason))
		return;
	log_event(&client->c2s->log, LOG_INFO,
		  &(struct log_event){"stream-ended", conn_peer(conn),
				      {{"jid", client->jid ? jid_text(client->jid) : NULL},
				       {"condition", *condition ? condition : NULL}, {"reason", reason}}},
		  "stream ended: %s%s%s", what, *more ? ", " : "", more);
}

void entry_note_end(struct client *client, struct conn *conn, enum conn_end end)
{
	struct process *process = client->c2s->worker->process;
	enum sx_refusal refusal = conn_refusal(conn);
	const struct sx *sx = conn_sx(conn);

	if (refusal)
		process_refused(process, refusal);
	if (sx_tls_failed(sx))
		metric_add(process, METRIC_TLS_FAILURES, 1);
	if (!refusal && end != CONN_END_ERROR)
		return;
	metric_add(process, METRIC_STREAM_ERRORS, 1);
	if (refusal)
		log_end(client, conn, sx_refusal_text(refusal), sx_error_name(sx_refusal_error(refusal)), sx_refusal_text(refusal));
	else if (sx_tls_failed(sx))
		log_end(client, conn, "the TLS handshake failed", sx_end_text(sx), "");
	else
		log_end(client, conn, sx_error_name(sx_end_error(sx)), sx_error_name(sx_end_error(sx)), "");
}

void entry_leave(struct client *client)
{
	struct quotas *quotas = client->c2s->worker->process->quotas;

	if (client->placed)
		quotas_leave_place(quotas, conn_peer(client->conn));
	if (client->counted)
		quotas_disconnect(quotas);
	client->counted = client->placed = false;
}
