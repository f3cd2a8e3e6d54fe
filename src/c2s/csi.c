/* SPDX-License-Identifier: MIT */
/* Client State Indication, XEP-0352: what waits for the client meanwhile waits at its sm. A new connection is active. */
#include "c2s/client.h"
#include "stanza/ns.h"
#include "xml/nad.h"

void client_tell_state(struct client *client)
{
	struct packet *packet = client_packet_to_sm(client, client->inactive ? SESSION_INACTIVE : SESSION_ACTIVE);

	link_send(client->c2s->worker->link, &packet);
}

/* Nothing is answered. Where it has no meaning yet it is passed over, as the next resume or bind makes it active. */
bool csi_take(struct client *client, const struct nad *nad)
{
	bool inactive = nad_is(nad, 0, NS_CSI, "inactive");

	if (!inactive && !nad_is(nad, 0, NS_CSI, "active"))
		return false;
	if (client->state != CLIENT_ACTIVE || !client_is_ours(client) || client->inactive == inactive)
		return true;
	client->inactive = inactive;
	if (!client->keep || !client->keep->presenting) /* else the next sm hears of it when it has the session */
		client_tell_state(client);
	return true;
}
