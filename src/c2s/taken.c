/* SPDX-License-Identifier: MIT */
/* What a client was sent, and what of it its kernel, or the client itself, has. */
#include <string.h>
#include "c2s/client.h"

void client_taken(struct client *client, uint32_t count)
{
	struct packet *packet;

	keep_taken(client, count);
	if (client->keep && client->keep->presenting)
		return; /* the next sm does not hear of it at all */
	packet = packet_new(PACKET_TAKEN, client->c2s->name, client->sm_name);
	session_id_set(&packet->c2s, client->id);
	packet->sm = client->sm;
	packet->ours = true;
	packet->count = count;
	link_send(client->c2s->worker->link, &packet);
}

/* Those of the backlog that are whole before the unsent bytes. */
static uint32_t take_backlog(struct client *client, size_t unsent)
{
	struct untaken first;
	uint32_t count = 0;

	while (buf_used(&client->backlog)) {
		memcpy(&first, buf_slice(&client->backlog).data, sizeof(first));
		if (unsent && client->untaken_bytes - first.bytes < unsent)
			break;
		buf_skip(&client->backlog, sizeof(first));
		client->untaken_bytes -= first.bytes;
		count += first.count;
	}
	if (!buf_used(&client->backlog))
		buf_fini(&client->backlog);
	return count;
}

/* Without stream management: what the kernel took, the client has. */
void client_written(void *owner, struct conn *conn)
{
	struct client *client = owner;
	size_t unsent = conn_unsent(conn);
	uint32_t count = take_backlog(client, unsent);

	if (!unsent) {
		count += client->untaken.count;
		client->untaken_bytes = 0;
	} else if (client->untaken.count) {
		buf_append(&client->backlog, &client->untaken, sizeof(client->untaken));
	}
	client->untaken = (struct untaken){0};
	if (count)
		client_taken(client, count);
	if (buf_used(&client->backlog))
		conn_tell_written(conn);
}

void client_deliver(struct client *client, const struct stanza *stanza)
{
	uint32_t bytes = (uint32_t)client_write(client, stanza);

	keep_out(client, stanza);
	if (client->ack) {
		ack_sent(client);
	} else if (client_is_ours(client)) {
		client->untaken.count++;
		client->untaken.bytes += bytes;
		client->untaken_bytes += bytes;
		conn_tell_written(client->conn);
	}
}
