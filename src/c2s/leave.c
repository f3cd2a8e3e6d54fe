/* SPDX-License-Identifier: MIT */
/* Connections that end without their clients: the server stops, or nobody is there any more. */
#include "c2s/client.h"
#include "c2s/entry.h"
#include "jid/jid.h"
#include "stanza/ns.h"

bool client_let_go(struct client **taken, bool now)
{
	struct client *client = *taken;

	if (client->state != CLIENT_ACTIVE || !client->ack || !client->ack->resumable)
		return false;
	conn_pause(client->conn, true);
	if (!now && client_unsettled(client))
		return true;
	client_end_session(client, false);
	entry_leave(client);
	conn_drop(&client->conn);
	client_free(taken);
	return true;
}

/* -- silent clients ------------------------------------------------------------------------------------ */

static void ask_for_life(struct client *client)
{
	struct slice ping;

	client->probed = true;
	if (client->ack) {
		ack_request(client);
		return;
	}
	ping = SLICE("<iq type='get' id='ping'><ping xmlns='" NS_PING "'/></iq>");
	sx_send_parts(conn_sx(client->conn), &ping, 1, SX_OTHER);
}

/* The connection is not closed politely: nobody is there. The session may wait for its client. */
static void bury(struct client *client)
{
	log_event(&client->c2s->log, LOG_INFO,
		  &(struct log_event){"silent", conn_peer(client->conn), {{"jid", client->jid ? jid_text(client->jid) : NULL}}},
		  "no sign of life");
	client_end_session(client, false);
	client_free(&client);
}

void client_probe(struct client *client)
{
	const struct settings *settings = client->c2s->worker->settings;
	int64_t ping_ms = client->inactive ? settings->sessions.ping_inactive_ms : settings->sessions.ping_ms;
	int64_t silent_ms;

	if (!ping_ms || client->state != CLIENT_ACTIVE || !client->conn)
		return;
	silent_ms = mio_now_ms(client->c2s->worker->mio) - conn_heard_ms(client->conn);
	if (silent_ms < ping_ms)
		client->probed = false;
	else if (!client->probed)
		ask_for_life(client);
	else if (silent_ms - ping_ms >= settings->sessions.ping_timeout_ms)
		bury(client);
}
