/* SPDX-License-Identifier: MIT */
/*
 * Private to link: what arrives exactly once and in order between processes of ours, through any
 * router (docs/protocol/ends.md). Worker 0.
 *
 * Ends: a channel per pair of parts, numbered both ways. Loops: what we send to a domain of our own
 * through the router.
 */
#pragma once

#include "link/table.h"

void ends_init(struct link *link);
void ends_fini(struct link *link);

/* A packet for peers: true when a channel took it. Else it is to be sent as it is, with what an end
 * says to strangers. */
bool ends_take(struct link *link, struct packet **packet);
/* A packet from a peer for a part: false when it is not to be delivered. */
bool ends_receive(struct link *link, const struct link_part *part, struct packet *packet);
void ends_bound(struct link *link); /* the router is there again */
void ends_name_changed(struct link *link, struct slice name, bool available);
/* A route that no one but the named part may have. */
bool ends_numbered(const struct nad *route);
/* May the peer speak in the name of the domain that the route says? */
bool ends_may_speak(const struct link_peer *peer, const struct nad *route);

/* Before a packet goes to the router. */
void loop_number(struct link *link, struct packet *packet);
/* It has gone: kept when it was numbered, else freed. Taken. */
void loop_keep(struct link *link, struct packet **packet);
/* One has come. False: it was brought home meanwhile. */
bool loop_returned(struct link *link, struct packet *packet);
void loop_lost(struct link *link);	 /* the router is gone */
void loop_bring_home(struct link *link); /* delivers what was on its way, before anything newer */
void loop_free(struct route *route);
