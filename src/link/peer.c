/* SPDX-License-Identifier: MIT */
/*
 * Peers: streams to other processes, on worker 0. What a component may bind and send as is decided here
 * (component-protocol.md section 4); what it may bind at all is asked of the router part.
 */
#include <stdio.h>
#include "base/mem.h"
#include "conn/conn.h"
#include "jid/jid.h"
#include "link/ends.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

static void send_nad(struct link_peer *peer, struct nad **nad)
{
	sx_send(conn_sx(peer->conn), nad);
}

static void send_text(struct link_peer *peer)
{
	struct slice part = buf_slice(&peer->link->scratch);

	sx_send_parts(conn_sx(peer->conn), &part, 1, SX_OTHER);
}

static void send_advert(struct link_peer *peer, struct slice name, bool available)
{
	struct buf *out = &peer->link->scratch;

	buf_clear(out);
	buf_append_text(out, "<presence xmlns='" NS_COMPONENT "'");
	buf_append_text(out, available ? " from='" : " type='unavailable' from='");
	buf_append_xml(out, name);
	buf_append_text(out, "'></presence>");
	send_text(peer);
}

/* To everybody who serves a name, but the peer that caused it. */
void peer_advertise(struct link *link, struct slice name, bool available, const struct link_peer *but)
{
	for (struct list *at = link->peers.next; at != &link->peers; at = at->next) {
		struct link_peer *peer = container_of(at, struct link_peer, link_entry);

		if (peer != but && peer->names && peer->options.role == LINK_DOWN)
			send_advert(peer, name, available);
	}
	link_tell_parts(link, name, available);
}

/* -- as a component of a router --------------------------------------------------------------------- */

static void bind_name(struct link_peer *peer, const char *multi, struct slice name)
{
	struct buf *out = &peer->link->scratch;

	buf_clear(out);
	buf_printf(out, "<bind xmlns='" NS_COMPONENT "'%s name='", multi);
	buf_append_xml(out, name);
	buf_append_text(out, "'></bind>");
	send_text(peer);
}

void peer_bind_domain(struct link_peer *peer, struct slice domain)
{
	bind_name(peer, " multi='to'", domain);
}

/* The part's own name first: its answer decides. Then the domains, which others may serve too. */
static void bind_parts(struct link_peer *peer)
{
	struct link *link = peer->link;

	for (unsigned at = 0; at < link->part_count; at++) {
		const struct link_part *part = link->parts[at];

		bind_name(peer, "", slice_of(part->name));
		for (const char *const *domain = part->domains; domain && *domain; domain++)
			peer_bind_domain(peer, slice_of(*domain));
	}
}

/* The first answer decides, section 4.1: those about the domains are not looked at. */
static void receive_bound(struct link_peer *peer, const struct nad *nad)
{
	uint64_t error = 0;
	struct slice text;

	if (peer->answered)
		return;
	peer->answered = true;
	if (nad_attr(nad, 0, NULL, "error", &text) && !slice_to_u64(text, &error))
		error = 500;
	peer->bound = !error;
	if (peer->options.bound)
		peer->options.bound(peer->options.arg, peer, (unsigned)error);
	if (peer->bound)
		ends_bound(peer->link);
}

static void receive_advert(struct link_peer *peer, const struct nad *nad)
{
	struct slice name = nad_attr_value(nad, 0, "from");

	if (peer->bound && name.len)
		link_tell_parts(peer->link, name, !slice_is(nad_attr_value(nad, 0, "type"), "unavailable"));
}

/* -- as the router ----------------------------------------------------------------------------------- */

static bool permits(struct link_peer *peer, enum link_permit what, struct slice name)
{
	return !peer->options.permits || peer->options.permits(peer->options.arg, peer, what, name);
}

/* The checks of section 4.1 in their order; nothing is changed before all have passed. */
static unsigned check_bind(struct link_peer *peer, const struct nad *nad, struct slice name)
{
	struct link *link = peer->link;
	struct route *route = route_get(link, name);
	struct slice multi;

	if (!permits(peer, LINK_PERMIT_BIND, name))
		return 403;
	if (route && (!nad_attr(nad, 0, NULL, "multi", &multi) || route->part || route->target))
		return 409;
	if (!route && table_count(&link->routes) >= LINK_NAMES_MAX)
		return 409;
	if (nad_find_child(nad, 0, NS_COMPONENT, "default") >= 0) {
		if (!permits(peer, LINK_PERMIT_DEFAULT_ROUTE, name))
			return 403;
		if (link->default_route)
			return 409;
	}
	if (nad_find_child(nad, 0, NS_COMPONENT, "log") >= 0 && !permits(peer, LINK_PERMIT_LOG, name))
		return 403;
	return route && route_has_peer(route, peer) ? 409 : 0; /* jabberd2 would send it half of all twice */
}

/* All names that others serve; from now on it hears of those that come and go. */
static void tell_names(struct link_peer *peer)
{
	struct route *route;

	for (uint32_t at = 0; (route = table_next(&peer->link->routes, &at));) {
		struct route *behind = route_behind(peer->link, route);

		if (behind && !route_has_peer(behind, peer))
			send_advert(peer, str_slice(route->name), true);
	}
}

static void reply(struct link_peer *peer, struct nad **nad, unsigned error, bool keep_name)
{
	char code[12];

	if (!keep_name)
		nad_set_attr(*nad, 0, NULL, "name", NULL);
	snprintf(code, sizeof(code), "%u", error);
	if (error)
		nad_set_attr(*nad, 0, NULL, "error", code);
	send_nad(peer, nad);
}

void peer_serve(struct link_peer *peer, struct route *route)
{
	route_add_peer(route, peer);
	peer->names++;
	peer_advertise(peer->link, str_slice(route->name), true, peer);
	aliases_advertise(peer->link, str_slice(route->name), true, peer);
}

static void receive_bind(struct link_peer *peer, struct nad **nad)
{
	AUTO(jid_free) struct jid *jid = jid_parse(nad_attr_value(*nad, 0, "name"));
	bool is_default = nad_find_child(*nad, 0, NS_COMPONENT, "default") >= 0;
	bool is_sink = nad_find_child(*nad, 0, NS_COMPONENT, "log") >= 0;
	struct route *route;
	unsigned error;

	if (!jid) {
		reply(peer, nad, 400, true);
		return;
	}
	error = check_bind(peer, *nad, jid_domain(jid));
	if (error) {
		reply(peer, nad, error, false);
		return;
	}
	route = route_make(peer->link, jid_domain(jid));
	if (is_default)
		peer->link->default_route = route;
	if (is_sink)
		sinks_add(peer, route->name);
	reply(peer, nad, 0, false);
	peer_serve(peer, route);
	if (peer->names == 1)
		tell_names(peer);
}

static void withdraw(struct link_peer *peer, struct route *route)
{
	AUTO(str_free) struct str *name = str_ref(route->name);
	struct link *link = peer->link;

	if (!route_del_peer(route, peer))
		return;
	peer->names--;
	sinks_remove(peer, name);
	if (link->default_route == route && !route->count)
		link->default_route = NULL;
	if (!route->count && !route->part) {
		route_drop(link, route);
		peer_advertise(link, str_slice(name), false, peer);
		aliases_advertise(link, str_slice(name), false, peer);
	}
}

void peer_leave(struct link_peer *peer)
{
	struct route *route;

	for (uint32_t at = 0; (route = table_next(&peer->link->routes, &at));) {
		if (route_has_peer(route, peer))
			withdraw(peer, route);
	}
}

static void receive_unbind(struct link_peer *peer, struct nad **nad)
{
	AUTO(jid_free) struct jid *jid = jid_parse(nad_attr_value(*nad, 0, "name"));
	struct route *route = jid ? route_get(peer->link, jid_domain(jid)) : NULL;

	if (!jid) {
		reply(peer, nad, 400, true);
	} else if (!route || !route_has_peer(route, peer)) {
		reply(peer, nad, 404, false);
	} else {
		reply(peer, nad, 0, false);
		withdraw(peer, route);
	}
}

/* -- routes ------------------------------------------------------------------------------------------ */

/* The whole route back, addresses not swapped (section 4.4). */
static void bounce(struct link_peer *peer, struct nad **nad, unsigned error)
{
	char code[12];

	snprintf(code, sizeof(code), "%u", error);
	nad_set_attr(*nad, 0, NULL, "error", code);
	peer_post(peer, nad); /* one that pauses and does not end it may miss some */
}

static bool is_address(const struct nad *nad, const char *attr)
{
	AUTO(jid_free) struct jid *jid = jid_parse(nad_attr_value(nad, 0, attr));

	return jid != NULL;
}

/* A broadcast is to nobody in particular. */
static unsigned check_addresses(struct link_peer *peer, const struct nad *nad, bool broadcast)
{
	struct route *route;

	if (!is_address(nad, "from") || (!broadcast && !is_address(nad, "to")))
		return 400;
	if (peer->options.role == LINK_UP)
		return 0;
	route = route_behind(peer->link, route_find(peer->link, nad_attr_value(nad, 0, "from")));
	return route && route_has_peer(route, peer) && ends_may_speak(peer, nad) ? 0 : 401;
}

/* The address that chooses among several: the payload's to, else a session action's target. */
static struct slice payload_address(const struct nad *nad, const struct route *route)
{
	int elem = nad_first_child(nad, 0);
	struct slice address = {NULL, 0};

	if (elem >= 0 && !nad_attr(nad, elem, NULL, route->by_from ? "from" : "to", &address))
		nad_attr(nad, elem, NULL, "target", &address);
	return address;
}

static void hand_to_part(struct link_peer *peer, const struct link_part *part, const struct nad *nad)
{
	struct packet *packet = codec_read(peer->link, nad);

	if (packet && ends_receive(peer->link, part, packet))
		link_to_part(peer->link, part, &packet);
	packet_free(&packet);
}

static void hand_to_external(struct link_peer *to, const struct nad *nad)
{
	struct packet *packet = codec_read(to->link, nad);

	if (packet)
		external_send(to, packet);
	packet_free(&packet);
}

/* Who serves what it is for, else the default route, unless it comes from there or is for its end alone. */
static struct route *destination(struct link *link, const struct nad *nad)
{
	struct route *route = route_behind(link, route_find(link, nad_attr_value(nad, 0, "to")));
	struct route *from = route ? NULL : route_find(link, nad_attr_value(nad, 0, "from"));

	if (route || from == link->default_route || ends_numbered(nad))
		return route;
	return link->default_route;
}

static void forward(struct link_peer *peer, struct nad **nad)
{
	struct link *link = peer->link;
	struct route *route = destination(link, *nad);
	struct link_peer *to;

	if (route)
		sinks_copy_route(link, *nad);
	if (route && route->part) {
		hand_to_part(peer, route->part, *nad);
		return;
	}
	to = route ? route_choose(link, route, payload_address(*nad, route)) : NULL;
	if (!to)
		bounce(peer, nad, 404);
	else if (to->options.role == LINK_EXTERNAL)
		hand_to_external(to, *nad);
	else if (!peer_post(to, nad))
		bounce(peer, nad, 503);
}

static void broadcast(struct link_peer *peer, const struct nad *nad)
{
	struct link *link = peer->link;

	for (struct list *at = link->peers.next; at != &link->peers; at = at->next) {
		struct link_peer *other = container_of(at, struct link_peer, link_entry);
		struct nad *copy;

		if (other == peer || other->options.role != LINK_DOWN)
			continue;
		copy = nad_copy(nad, 0);
		peer_post(other, &copy);
		nad_free(&copy);
	}
}

/* What is for accounts is none of a filter's. */
static unsigned check_payload(struct link_peer *peer, struct nad *nad)
{
	if (codec_is_account(nad))
		return permits(peer, LINK_PERMIT_ACCOUNTS, nad_attr_value(nad, 0, "to")) ? 0 : 403;
	return rules_ask_route(peer->link, nad);
}

static void receive_from_component(struct link_peer *peer, struct nad **nad)
{
	struct slice text;
	unsigned error;
	bool to_all;

	if (nad_attr(*nad, 0, NULL, "error", &text))
		return;
	to_all = nad_attr(*nad, 0, NULL, "type", &text);
	if (to_all && !slice_is(text, "broadcast"))
		return;
	error = check_addresses(peer, *nad, to_all);
	if (!error && !to_all)
		error = check_payload(peer, *nad);
	if (error)
		bounce(peer, nad, error);
	else if (to_all)
		broadcast(peer, *nad);
	else
		forward(peer, nad);
}

static void receive_from_router(struct link_peer *peer, struct nad **nad)
{
	struct slice text;
	bool back = nad_attr(*nad, 0, NULL, "error", &text);
	struct route *route;

	if (!peer->bound || nad_attr(*nad, 0, NULL, "type", &text) || check_addresses(peer, *nad, false))
		return;
	route = route_find(peer->link, nad_attr_value(*nad, 0, back ? "from" : "to"));
	if (route && route->part)
		hand_to_part(peer, route->part, *nad);
}

static void receive(struct link_peer *peer, struct nad **nad)
{
	bool down = peer->options.role == LINK_DOWN;

	if (nad_is(*nad, 0, NS_COMPONENT, "route")) {
		if (down)
			receive_from_component(peer, nad);
		else
			receive_from_router(peer, nad);
	} else if (nad_is(*nad, 0, NS_COMPONENT, "bind")) {
		if (down)
			receive_bind(peer, nad);
		else
			receive_bound(peer, *nad);
	} else if (nad_is(*nad, 0, NS_COMPONENT, "unbind") && down) {
		receive_unbind(peer, nad);
	} else if (nad_is(*nad, 0, NS_COMPONENT, "throttle") && down) {
		throttle_toggle(peer, nad);
	} else if (nad_is(*nad, 0, NS_COMPONENT, "presence") && !down) {
		receive_advert(peer, *nad);
	}
}

void link_peer_receive(struct link_peer *peer, struct nad **nad)
{
	if (peer->options.role == LINK_EXTERNAL)
		external_receive(peer, nad);
	else
		receive(peer, nad);
	nad_free(nad);
}

static bool send_route(struct link_peer *peer, const struct packet *packet)
{
	struct buf *out = &peer->link->scratch;
	bool sent;

	buf_clear(out);
	codec_print(packet, out);
	sent = peer_post_text(peer, buf_slice(out));
	buf_skip(out, buf_used(out)); /* so that no large one keeps its room */
	return sent;
}

static struct slice chooses(const struct route *route, const struct packet *packet)
{
	if (!route->by_from || packet->kind != PACKET_STANZA || !packet->stanza->from)
		return link_subject(packet);
	return jid_full(packet->stanza->from);
}

unsigned peer_send(struct link *link, const struct route *route, const struct packet *packet)
{
	struct link_peer *to = route_choose(link, route, chooses(route, packet));

	if (!to)
		return 404;
	sinks_copy_packet(link, packet);
	if (to->options.role != LINK_EXTERNAL)
		return send_route(to, packet) ? 0 : 503;
	external_send(to, packet);
	return 0;
}

unsigned link_transmit(struct link *link, struct slice name, const struct packet *packet, bool or_default)
{
	struct route *route = route_behind(link, route_get(link, name));

	if (link->options.uplink) {
		if (!link->up || !link->up->bound)
			return LINK_NO_ROUTER;
		send_route(link->up, packet);
		return 0;
	}
	if (!route && or_default)
		route = link->default_route;
	return route ? peer_send(link, route, packet) : 404;
}

void link_to_peers(struct link *link, struct packet **packet)
{
	unsigned error;

	if (ends_take(link, packet))
		return;
	loop_number(link, *packet);
	error = link_transmit(link, str_slice((*packet)->to), *packet, true);
	if (error)
		link_bounce(link, packet, error == LINK_NO_ROUTER ? 404 : error);
	else
		loop_keep(link, packet);
}

struct link_peer *link_peer_new(struct link *link, struct conn *conn, const struct link_peer_options *options)
{
	struct link_peer *peer = mem_zalloc(MEM_LINK, sizeof(*peer));

	peer->link = link;
	peer->conn = conn;
	peer->options = *options;
	list_append(&link->peers, &peer->link_entry);
	if (options->role == LINK_UP) {
		link->up = peer;
		bind_parts(peer);
	} else if (options->role == LINK_EXTERNAL && !external_bind(peer)) {
		link_peer_free(&peer);
	}
	return peer;
}

void peer_drop(struct link_peer **taken)
{
	struct link_peer *peer = *taken;

	*taken = NULL;
	list_remove(&peer->link_entry);
	throttle_drop(peer);
	str_free(&peer->name);
	mem_free(peer);
}

void link_peer_free(struct link_peer **taken)
{
	struct link_peer *peer = *taken;

	*taken = NULL;
	if (!peer)
		return;
	if (peer->link->up == peer) {
		peer->link->up = NULL;
		loop_lost(peer->link);
	}
	peer_leave(peer);
	peer_drop(&peer);
}

unsigned link_peers(const struct link *link)
{
	unsigned count = 0;

	for (struct list *at = link->peers.next; at != &link->peers; at = at->next)
		count++;
	return count;
}
