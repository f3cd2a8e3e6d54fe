/* SPDX-License-Identifier: MIT */
/* Private to link: the table of names, and what peers and the dispatcher share. */
#pragma once

#include "base/list.h"
#include "link/link.h"

enum { LINK_PARTS_MAX = 8, LINK_NAMES_MAX = 4096, LINK_WAITING_MAX = 4 << 20 };

/* Who serves a name: a part of this process, or peers, in the order of their binds; of an alias whoever serves its target. */
struct route {
	struct str *name;
	const struct link_part *part;
	struct link_peer **peers;
	unsigned count;
	struct str *target; /* an alias: the name that it stands for */
	bool shared; /* a domain of a part, which other servers may have too */
	bool by_from; /* among several the sender chooses, not who it is for: external components */
	struct loop *loop; /* worker 0, of a shared domain: what is on its way through the router to ourselves */
};

struct link {
	struct mio *mio;
	struct link_options options;
	struct table routes;
	struct route *found[2]; /* the last that were found: packets go to and fro between two parts */
	const struct link_part *parts[LINK_PARTS_MAX];
	unsigned part_count;
	struct packet *first, **last; /* to be delivered at the end of this turn */
	struct mio_task task;
	struct list peers;            /* worker 0 */
	struct link_peer *up;         /* the router we are bound at */
	struct route *default_route;
	struct buf scratch;           /* printing */
	const struct link_policy *policy; /* NULL: none */
	struct list sinks;            /* worker 0 */
	unsigned sink_count, sinks_told; /* how many get copies; how many there are as of the latest news */
	struct table ends[LINK_PARTS_MAX]; /* worker 0: per part, its channels to ends of ours */
	struct mio_task home;         /* the router is gone: what went through it to ourselves is delivered */
	bool homeward;
};

struct link_peer {
	struct list link_entry;
	struct link *link;
	struct conn *conn;
	struct link_peer_options options;
	unsigned names;       /* DOWN, EXTERNAL: how many it serves; with none it hears of no others */
	struct str *name;     /* EXTERNAL: owned */
	struct waiting *waiting; /* DOWN: it asked for a pause; NULL: it did not */
	bool answered, bound; /* UP: the router answered our first bind; it took our name */
};

struct route *route_get(struct link *link, struct slice name);
/* The same by the domain of an address, prepared; NULL when it is no address or nobody serves it. */
struct route *route_find(struct link *link, struct slice address);
struct route *route_make(struct link *link, struct slice name);
void route_drop(struct link *link, struct route *route); /* when nobody serves it any more */
bool route_add_peer(struct route *route, struct link_peer *peer);
bool route_del_peer(struct route *route, struct link_peer *peer); /* false: it was not among them */
bool route_has_peer(const struct route *route, const struct link_peer *peer);
/* jabberd2's choice among several by the bare address, component-protocol.md section 6. */
struct link_peer *route_choose(struct link *link, const struct route *route, struct slice address);

/* Tells the parts of every worker of this process. Worker 0. */
void link_tell_parts(struct link *link, struct slice name, bool available);
/* To a part of this process, on the worker that the packet belongs to. Taken. */
void link_to_part(struct link *link, const struct link_part *part, struct packet **packet);
/* Back to whoever sent it, with an error; what is an error already is dropped. Taken. */
void link_bounce(struct link *link, struct packet **packet, unsigned error);
/* Worker 0: to a peer, decoded or not. Taken. */
void link_to_peers(struct link *link, struct packet **packet);

/* A name that is known to be free for it, or to be shared: the others hear of it. */
void peer_serve(struct link_peer *peer, struct route *route);
void peer_bind_domain(struct link_peer *peer, struct slice domain); /* UP: asks the router for it */
void peer_leave(struct link_peer *peer); /* it serves nothing any more */
void peer_drop(struct link_peer **peer); /* frees it, and tells nobody */
/* Says to whoever serves a name, but not to that peer, that another one came or went. */
void peer_advertise(struct link *link, struct slice name, bool available, const struct link_peer *but);
/*
 * To the peer that the route chooses for it, in the form that it speaks. Returns 0, or the code with which it comes back:
 * 404, nobody is there; 503, too much waits for it.
 */
unsigned peer_send(struct link *link, const struct route *route, const struct packet *packet);

/* alias.c: the route of the target; NULL when nobody serves it. What is no alias is itself. */
struct route *route_behind(struct link *link, struct route *route);
void aliases_advertise(struct link *link, struct slice target, bool available, const struct link_peer *but);

/* rules.c: 0, or the code with which it comes back; it may have another destination afterwards. A packet is a stanza's. */
unsigned rules_ask_route(struct link *link, struct nad *nad);
unsigned rules_ask_packet(struct link *link, struct packet *packet);

/* throttle.c: routes. False: too much waits for the peer already; a nad stays the caller's then, else it is taken. */
bool peer_post(struct link_peer *peer, struct nad **nad);
bool peer_post_text(struct link_peer *peer, struct slice printed);
void throttle_toggle(struct link_peer *peer, struct nad **nad); /* answers with it */
void throttle_drop(struct link_peer *peer);

/* sinks.c: worker 0, but for the copy of a packet, which any worker may want. */
void sinks_add(struct link_peer *peer, struct str *name);
void sinks_remove(struct link_peer *peer, const struct str *name); /* it need not be one */
void sinks_drop(struct link *link);
void sinks_drop_news(struct link *link); /* that this worker did not hear before its loop ended */
void sinks_copy_route(struct link *link, const struct nad *nad);
void sinks_copy_packet(struct link *link, const struct packet *packet);
/*
 * Worker 0: to whoever serves the name, or with or_default who takes the rest. Returns 0, LINK_NO_ROUTER, or a code as
 * peer_send().
 */
enum { LINK_NO_ROUTER = 1 };
unsigned link_transmit(struct link *link, struct slice name, const struct packet *packet, bool or_default);

/* External components. False: its name is not to be had. */
bool external_bind(struct link_peer *peer);
void external_receive(struct link_peer *peer, struct nad **nad);
void external_send(struct link_peer *peer, const struct packet *packet);

/* The address that a packet belongs to; empty when it is about nobody in particular. */
struct slice link_subject(const struct packet *packet);

/* The codec: packets as route elements. */
void codec_print(const struct packet *packet, struct buf *out);
void codec_print_log(const struct packet *packet, struct buf *out); /* with type='log' */
bool codec_is_account(const struct nad *route); /* it is about an account's keys */
/* What a route carries; NULL when it is nothing that parts understand. The nad stays the caller's. */
struct packet *codec_read(struct link *link, const struct nad *route);
