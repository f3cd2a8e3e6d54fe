/* SPDX-License-Identifier: MIT */
/*
 * How parts reach each other, whatever process they are in. One struct link per worker; the one table of names is here:
 * which part or peer serves a name, the default route, what each peer may send as "from", who is told of names that
 * come and go. Names served in this process are reached by pointer, on the worker that the packet belongs to; all others
 * through worker 0, which alone owns the streams to other processes ("peers").
 *
 * Links are always read; what they may hold is bounded by what was let in at the edge.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "link/packet.h"

#define NS_EXTERNAL "jabber:component:accept" /* XEP-0114 */

struct conn;
struct conn_options;
struct link;
struct link_peer;
struct nad;

enum link_belongs {
	LINK_BY_C2S, /* to the worker in the packet's c2s id */
	LINK_BY_SM,  /* to the worker in the packet's sm id; without one to the shard of the user it is for */
};

/* A part on one worker. Its functions run on that worker's loop, never from within link_send(). */
struct link_part {
	const char *name;              /* "sm": bound for this process alone */
	const char *const *domains;    /* NULL-terminated or NULL: names served together with others (multi); may grow */
	enum link_belongs belongs;
	void (*packet)(void *part, struct packet **packet); /* packet->error: one of ours came back */
	void (*name_changed)(void *part, struct slice name, bool available); /* a name came or went; repeats are harmless */
	/*
	 * The process of ours behind a name is a new one, which knows nothing of before; or (epoch 0) something between it and
	 * this part was given up, as it was out of reach for 30 seconds: both are told, nothing of before can go on. What it had
	 * not acknowledged came back before this, with an error. Of one that was never heard of before nothing is said.
	 */
	void (*end_changed)(void *part, struct slice name, uint32_t epoch);
	/* What this part sent to a domain of its own went to another who serves it too. Worker 0; lent. */
	void (*passed_on)(void *part, const struct packet *packet);
	void *part;
};

struct link_options {
	struct hash_key shard_key;     /* which worker a user lives on */
	struct link **all;             /* of the process, one per worker; filled before the loops run */
	unsigned workers;
	uint32_t epoch;                /* of this start of the process, for the ends (docs/protocol/ends.md); 0: none are spoken */
	bool uplink;                   /* domains may have other servers too: reached through the router, also our own */
};

struct link *link_new(struct mio *mio, const struct link_options *options);
/* After the loops stopped, before anything else is freed: what crossed to this worker too late. */
void link_stop(struct link *link);
void link_free(struct link **link); /* and its peers: nobody is left to hear that they are gone */

/* Before the loops run, on each worker. The struct is borrowed for the link's life. */
void link_attach(struct link *link, const struct link_part *part);

/* Later, on each worker, worker 0 first: it serves one more, which stands among its domains already. The others hear of it. */
void link_add_domain(struct link *link, const struct link_part *part, struct slice domain);

/* Sends to packet->to; what nobody serves comes back with an error to the part whose name or domain "from" is. */
void link_send(struct link *link, struct packet **packet);

unsigned link_worker_of(const struct link *link, const struct jid *user); /* where a user lives in this process */
bool link_serves(struct link *link, struct slice name);                   /* a part of this process does */
/* Since when nothing is acknowledged of what this part said to another process of ours; 0: all is. Worker 0. */
int64_t link_waits_ms(const struct link *link, const struct link_part *part);
struct str *link_name(struct link *link, struct slice name);              /* a reference to a counted name */

/* -- peers: worker 0 only --------------------------------------------------------------------------- */

enum link_role {
	LINK_DOWN, /* a component that connected to us: it binds names */
	LINK_UP,   /* the router that we connected to: our parts' names are bound there */
	LINK_EXTERNAL, /* a component by XEP-0114: one domain, bare stanzas instead of routes */
};

enum link_permit {
	LINK_PERMIT_BIND, LINK_PERMIT_DEFAULT_ROUTE, LINK_PERMIT_LOG,
	LINK_PERMIT_ACCOUNTS, /* to ask for accounts' keys; name: of whom */
};

struct link_peer_options {
	enum link_role role;
	/* DOWN: may this peer do it? NULL: everything. */
	bool (*permits)(void *arg, struct link_peer *peer, enum link_permit what, struct slice name);
	/* UP: the first bind was answered: 0, or the error of the router. */
	void (*bound)(void *arg, struct link_peer *peer, unsigned error);
	void *arg;
	struct slice name; /* EXTERNAL: the domain that it serves, prepared; it may share it with others */
};

/*
 * For a conn whose stream is OPEN. UP sends the binds of the attached parts at once. EXTERNAL may still have to be told
 * that it is in; NULL when its name is that of a part of ours, or there are too many names.
 */
struct link_peer *link_peer_new(struct link *link, struct conn *conn, const struct link_peer_options *options);
/* Each element that arrives on the conn, taken. */
void link_peer_receive(struct link_peer *peer, struct nad **nad);
/* The connection is gone: names are withdrawn, the others hear of it. */
void link_peer_free(struct link_peer **peer);
unsigned link_peers(const struct link *link); /* how many there are */
