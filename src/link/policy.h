/* SPDX-License-Identifier: MIT */
/*
 * What an operator asks of a router: which packets pass, and other names of names.
 * component-protocol.md sections 5 and 7.
 *
 * Rules are asked about each unicast that a peer sends, and about each stanza without a session
 * that a part of this process sends: to a domain, ours or not, or to a component. What the c2s and
 * the sm of one process say to each other about a session does not pass a router and is not asked
 * about. The first rule that fits decides; without one it passes.
 */
#pragma once

#include <stdbool.h>
#include "base/buf.h"

struct link;

struct link_rule {
	struct slice from, to; /* patterns (base/pattern.h) of the payload's bare address; empty: of
				  a payload without it */
	struct slice what; /* "message/body", "iq/query?xmlns=jabber:iq:register", below the route;
			      empty: anything */
	unsigned error;	   /* the code with which it comes back; 0: it passes */
	const char *redirect; /* an address: where it goes instead; NULL: on its way */
	bool log;
};

/* Packets to name go to whoever serves target, who may send from it too. Nobody else may bind it.
 * Both are prepared. */
struct link_alias {
	struct slice name, target;
};

struct link_policy {
	const struct link_rule *rules;
	size_t rule_count;
	const struct link_alias *aliases;
	size_t alias_count;
	/* A rule with log fits; the addresses are as the rule saw them, from a peer. On the link's
	 * loop. */
	void (*matched)(void *arg, const struct link_rule *rule, struct slice from,
			struct slice to);
	void *arg;
};

/* Before the loops run, on each worker. Borrowed for the link's life. */
void link_set_policy(struct link *link, const struct link_policy *policy);

/*
 * True when rules or log sinks wait for stanzas: none may pass the link by. It becomes false only
 * when nothing that was sent before is still under way, so that order is kept.
 */
bool link_is_watched(const struct link *link);

/* False when what is no path: names between slashes, behind the last one perhaps ?attribute or
 * ?attribute=value. */
bool link_what_is_valid(struct slice what);
