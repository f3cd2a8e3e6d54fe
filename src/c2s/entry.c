/* SPDX-License-Identifier: MIT */
/* Who may connect: how many there are, and of one address. Nothing is kept of who is refused. */
#include "c2s/client.h"
#include "component/quotas.h"

enum { NAME_MAX_BYTES = 128 };

static void refused(struct c2s *c2s, const char *name, enum sx_refusal refusal)
{
	process_refused(c2s->worker->process, refusal);
	if (hush_lets(&c2s->hush, mio_now_ms(c2s->worker->mio)))
		log_warn(&c2s->log, "a connection from %s was closed: %s; %llu others since the last such line",
			 name, sx_refusal_text(refusal), (unsigned long long)c2s->hush.others);
}

/* Counts it, or says why not. */
static enum sx_refusal admit(struct quotas *quotas, const char *name)
{
	if (!quotas_connect(quotas))
		return SX_REFUSED_CONNECTIONS;
	if (quotas_place(quotas, name))
		return SX_REFUSED_NOT;
	quotas_disconnect(quotas);
	return SX_REFUSED_PLACES;
}

void entry_accept(struct c2s *c2s, int given, const struct conn_options *options)
{
	char name[NAME_MAX_BYTES] = "";
	enum sx_refusal refusal;
	struct client *client;

	if (c2s->draining) {
		mio_refuse(c2s->worker->mio, given);
		return;
	}
	mio_given_name(c2s->worker->mio, given, name, sizeof(name));
	refusal = admit(c2s->worker->process->quotas, name);
	if (refusal) {
		mio_refuse(c2s->worker->mio, given);
		refused(c2s, name, refusal);
		return;
	}
	client = client_new(c2s);
	client->counted = true;
	client->conn = conn_accept(c2s->worker->conns, given, options, client);
	conn_set_peer(client->conn, name);
}

void entry_leave(struct client *client)
{
	struct quotas *quotas = client->c2s->worker->process->quotas;

	if (!client->counted)
		return;
	client->counted = false;
	quotas_leave_place(quotas, conn_peer(client->conn));
	quotas_disconnect(quotas);
}
