/* SPDX-License-Identifier: MIT */
/*
 * External components, XEP-0114: peers on worker 0 that send and are sent bare stanzas. What they send leaves as packets,
 * so that no attribute of theirs can name a session; who sends in another's name is not heard again.
 */
#include "base/mem.h"
#include "conn/conn.h"
#include "jid/jid.h"
#include "link/table.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

bool external_bind(struct link_peer *peer)
{
	struct link *link = peer->link;
	struct route *route = route_get(link, peer->options.name);

	if (route ? route->part || route->target : table_count(&link->routes) >= LINK_NAMES_MAX)
		return false;
	if (!route) {
		route = route_make(link, peer->options.name);
		route->by_from = true;
	}
	peer->name = str_ref(route->name);
	peer->options.name = str_slice(peer->name);
	peer_serve(peer, route);
	return true;
}

/* Nothing is sent to it from now on; what is for its name is answered with an error, or by another. */
static void end(struct link_peer *peer, enum sx_error error, const char *text)
{
	sx_error(conn_sx(peer->conn), error, text);
	peer_leave(peer);
}

static void send_stanza(struct link_peer *peer, const struct stanza *stanza)
{
	struct buf *out = &peer->link->scratch;
	struct slice part;

	buf_clear(out);
	stanza_print(stanza, out); /* without its namespace: the stream's is the default */
	part = buf_slice(out);
	sx_send_parts(conn_sx(peer->conn), &part, 1, SX_STANZA);
	buf_skip(out, part.len);
}

void external_send(struct link_peer *peer, const struct packet *packet)
{
	if (packet->kind == PACKET_STANZA && !packet->error)
		send_stanza(peer, packet->stanza);
}

static void refuse(struct link_peer *peer, const struct stanza *stanza, enum stanza_error error)
{
	struct stanza *answer = stanza_error_new(stanza, error, NULL);

	if (answer && !answer->from)
		answer->from = jid_parse(str_slice(peer->name));
	if (answer)
		send_stanza(peer, answer);
	stanza_free(&answer);
}

/* Components write to domains: the parts of this process are for parts. */
static struct route *destination(struct link *link, struct slice name)
{
	struct route *route = route_behind(link, route_get(link, name));

	if (route && route->part && !route->shared)
		return NULL;
	return route ? route : link->default_route;
}

static void route_on(struct link_peer *peer, struct stanza **stanza)
{
	struct link *link = peer->link;
	AUTO(str_free) struct str *to = link_name(link, jid_domain((*stanza)->to));
	AUTO(packet_free) struct packet *packet = packet_stanza(peer->name, to, stanza);
	unsigned error = rules_ask_packet(link, packet);
	struct route *route = destination(link, str_slice(packet->to));

	packet->relayed = true;
	if (!error && route && route->part) {
		sinks_copy_packet(link, packet);
		link_to_part(link, route->part, &packet);
		return;
	}
	if (!error)
		error = route ? peer_send(link, route, packet) : 404;
	if (error)
		refuse(peer, packet->stanza, error == 404 ? STANZA_REMOTE_SERVER_NOT_FOUND : stanza_error_of_code((int)error));
}

static bool has(const struct stanza *stanza, const char *attr)
{
	struct slice text;

	return nad_attr(stanza->payload, 0, NULL, attr, &text);
}

void external_receive(struct link_peer *peer, struct nad **nad)
{
	AUTO(stanza_free) struct stanza *stanza = NULL;

	if (!peer->names)
		return;
	nad_rename_namespace(*nad, NS_EXTERNAL, NS_CLIENT);
	if (stanza_from_nad(nad, &stanza) == STANZA_NOT_ONE)
		end(peer, SX_UNSUPPORTED_STANZA_TYPE, NULL);
	else if (!has(stanza, "to") || !has(stanza, "from"))
		end(peer, SX_IMPROPER_ADDRESSING, "a stanza needs 'to' and 'from'");
	else if (!stanza->from || !slice_equal(jid_domain(stanza->from), str_slice(peer->name)))
		end(peer, SX_INVALID_FROM, "'from' is not of this component's domain");
	else if (!stanza->to)
		refuse(peer, stanza, STANZA_JID_MALFORMED);
	else
		route_on(peer, &stanza);
}
