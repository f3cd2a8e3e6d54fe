/* SPDX-License-Identifier: MIT */
/* Other names of names: routes that lead to another route while somebody serves that,
 * component-protocol.md section 5. */
#include "link/policy.h"
#include "link/table.h"

void link_set_policy(struct link *link, const struct link_policy *policy)
{
	link->policy = policy;
	for (size_t at = 0; at < policy->alias_count; at++)
		route_make(link, policy->aliases[at].name)->target =
			str_new(policy->aliases[at].target);
}

struct route *route_behind(struct link *link, struct route *route)
{
	return route && route->target ? route_get(link, str_slice(route->target)) : route;
}

void aliases_advertise(struct link *link, struct slice target, bool available,
		       const struct link_peer *but)
{
	for (size_t at = 0; link->policy && at < link->policy->alias_count; at++) {
		if (slice_equal(link->policy->aliases[at].target, target))
			peer_advertise(link, link->policy->aliases[at].name, available, but);
	}
}
