/* SPDX-License-Identifier: MIT */
/*
 * A client gives its resource up (once RFC 6120, and still jabberd2's): the session ends, the client hears of it, and as it
 * was the only one of the stream, that ends too, without an error. A second one it does not get.
 */
#include "c2s/client.h"
#include "jid/jid.h"
#include "xml/nad.h"

static void refuse(struct client *client, const struct stanza *stanza, enum stanza_error error)
{
	struct stanza *answer = stanza_error_new(stanza, error, NULL);

	client_send(client, &answer);
}

static bool is_its_own(const struct client *client, struct slice resource)
{
	AUTO(jid_free) struct jid *jid = jid_with_resource(client->jid, resource);

	return jid && jid_equal(jid, client->jid);
}

static void unbind(struct client *client, const struct stanza *stanza)
{
	struct packet *packet;

	if (client->keep && client->keep->presenting) {
		refuse(client, stanza, STANZA_REMOTE_SERVER_TIMEOUT);
		return;
	}
	packet = client_packet_to_sm(client, SESSION_END);
	buf_clear(&client->iq_id);
	buf_append_slice(&client->iq_id, stanza->id);
	client_await(client);
	client->pending->unbinds = true;
	link_send(client->c2s->worker->link, &packet);
}

bool unbind_take(struct client *client, const struct stanza *stanza)
{
	int elem = stanza_find(stanza, NS_BIND, NULL), resource;

	if (elem < 0 || stanza->kind != STANZA_IQ || stanza->type != STANZA_SET)
		return false;
	resource = nad_find_child(stanza->payload, elem, NS_BIND, "resource");
	if (nad_is(stanza->payload, elem, NS_BIND, "bind"))
		refuse(client, stanza, STANZA_NOT_ALLOWED);
	else if (resource < 0 || !nad_cdata(stanza->payload, resource).len)
		refuse(client, stanza, STANZA_BAD_REQUEST);
	else if (!is_its_own(client, nad_cdata(stanza->payload, resource)))
		refuse(client, stanza, STANZA_ITEM_NOT_FOUND);
	else
		unbind(client, stanza);
	return true;
}

void unbind_answered(struct client *client, bool ok)
{
	if (client->pending && client->pending->unbinds)
		register_answer(client, ok, STANZA_REMOTE_SERVER_TIMEOUT);
}
