/* SPDX-License-Identifier: MIT */
/* The one table of names, and jabberd2's choice among several that serve one. */
#include "link/table.h"

#include <openssl/evp.h>
#include "base/mem.h"
#include "jid/jid.h"

static bool is_named(const struct route *route, struct slice name)
{
	return route && slice_equal(str_slice(route->name), name);
}

struct route *route_get(struct link *link, struct slice name)
{
	struct route *route;

	if (is_named(link->found[0], name))
		return link->found[0];
	route = is_named(link->found[1], name) ? link->found[1] : table_get(&link->routes, name);
	if (route) {
		link->found[1] = link->found[0];
		link->found[0] = route;
	}
	return route;
}

struct route *route_find(struct link *link, struct slice address)
{
	struct route *route = route_get(link, address);
	AUTO(jid_free) struct jid *jid = route ? NULL : jid_parse(address);

	return jid ? route_get(link, jid_domain(jid)) : route;
}

struct route *route_make(struct link *link, struct slice name)
{
	struct route *route = route_get(link, name);

	if (route)
		return route;
	route = mem_zalloc(MEM_LINK, sizeof(*route));
	route->name = str_new(name);
	table_put(&link->routes, route);
	return route;
}

void route_drop(struct link *link, struct route *route)
{
	if (route->part || route->count || route->target)
		return;
	if (link->default_route == route)
		link->default_route = NULL;
	table_del(&link->routes, str_slice(route->name));
	link->found[0] = link->found[1] = NULL;
	str_free(&route->name);
	mem_free(route->peers);
	mem_free(route);
}

bool route_has_peer(const struct route *route, const struct link_peer *peer)
{
	for (unsigned at = 0; at < route->count; at++) {
		if (route->peers[at] == peer)
			return true;
	}
	return false;
}

bool route_add_peer(struct route *route, struct link_peer *peer)
{
	if (route_has_peer(route, peer))
		return false;
	route->peers = mem_realloc(MEM_LINK, route->peers, (route->count + 1) * sizeof(struct link_peer *));
	route->peers[route->count++] = peer;
	return true;
}

/* The last takes the place of the one that leaves: users may move then, as with jabberd2. */
bool route_del_peer(struct route *route, struct link_peer *peer)
{
	for (unsigned at = 0; at < route->count; at++) {
		if (route->peers[at] != peer)
			continue;
		route->peers[at] = route->peers[--route->count];
		return true;
	}
	return false;
}

static unsigned bare_index(struct slice bare, unsigned count)
{
	uint32_t words[5];
	unsigned len = sizeof(words);

	EVP_Digest(bare.data, bare.len, (unsigned char *)words, &len, EVP_sha1(), NULL);
	return ((words[1] ^ words[2] ^ words[3]) >> 2) % count;
}

struct link_peer *route_choose(struct link *link, const struct route *route, struct slice address)
{
	AUTO(jid_free) struct jid *jid = NULL;
	uint32_t any;

	if (route->count <= 1)
		return route->count ? route->peers[0] : NULL;
	jid = address.len ? jid_parse(address) : NULL;
	if (jid && jid_local(jid).len)
		return route->peers[bare_index(jid_user(jid), route->count)];
	mio_random(link->mio, &any, sizeof(any));
	return route->peers[any % route->count];
}
