/* SPDX-License-Identifier: MIT */
/* What the files of the store of certificates share: tls.c (what is shown), tls_watch.c (what
 * changes). */
#pragma once

#include <stdatomic.h>
#include "component/certificate.h"
#include "component/tickets.h"
#include "component/tls.h"
#include "mio/mio.h"

/* A name's context. Frozen and counted, as the set. */
struct tls_shown {
	_Atomic unsigned refs;
	struct mio_host *host;
	char *name;
	struct ssl_ctx_st *context;
};

struct tls_set {
	_Atomic unsigned refs;
	struct tickets tickets;
	uint64_t ca_stamp; /* of tls.client_ca: a context that was loaded with another believes no client */
	size_t count;
	struct tls_shown *shown[];
};

/* What worker 0 knows of a name besides. */
struct tls_entry {
	bool made;
	unsigned pairs;
	enum certificate_problem problem;
	int64_t until_s;
	int64_t said_days; /* left, when the log was told last */
	uint64_t stamp;	   /* of the files that are shown, or were refused */
	uint64_t seen;	   /* of the last look */
};

/* The files of all names, to be looked at on another thread. */
struct tls_look {
	struct mio_job job;
	struct tls_store *store;
	size_t count;
	struct {
		struct buf paths; /* NUL behind each */
		uint64_t stamp;
	} names[];
};

struct tls_view {
	struct mio *mio;
	struct tls_store *store;
	struct tls_set *set;
};

struct tls_store {
	struct mio_host *host;
	const struct settings *settings;
	bool is_router;
	struct tls_set *set;	   /* that is shown now */
	struct tls_entry *entries; /* one for each of it */
	struct tls_look *look;
	struct tls_view *views[MIO_WORKERS_MAX];
	/* Of worker 0, while it is watched. */
	struct process *process;
	struct mio_driver *driver;
	struct mio_timer timer;
	struct tls_look *looking; /* is under way; may be of before a reload */
	int64_t turn_ms;	  /* when the keys of tickets turn */
	int64_t problems;	  /* as counted last */
};

#define TLS_ROUTER "router"

/* tls_shown.c */
struct tls_loading { /* what one reading takes and says */
	struct mio_host *host;
	const struct settings *settings;
	const char *name;
	bool is_router;
	bool makes; /* a self-signed one, when there is none, */
	bool stands_in; /* or none that can be used */
	uint64_t ca_stamp; /* of tls.client_ca, before it is read */
	struct buf *note, *why;
};

/* Returns 0, or a fault with a line in why. Of entry all but the stamps is set. */
int tls_shown_load(const struct tls_loading *loading, struct tls_shown **shown,
		   struct tls_entry *entry);
uint64_t tls_shown_ca(struct ssl_ctx_st *context); /* the stamp of tls.client_ca that it was loaded with */
struct tls_shown *tls_shown_ref(struct tls_shown *shown);
void tls_shown_free(struct tls_shown **shown); /* drops one reference */
int64_t tls_days_until(struct mio_host *host, int64_t until_s);

/* tls.c */
/* The same of a name that has one, old, which the new must not be worse than; NULL: it has none. */
int tls_shown_again(const struct tls_loading *loading, const struct tls_entry *old,
		    struct tls_shown **shown, struct tls_entry *entry);
/* A set of the same with another at one place, taken; at >= count: none. */
struct tls_set *tls_set_with(const struct tls_set *set, size_t at, struct tls_shown **shown);
void tls_store_show(struct tls_store *store, struct tls_set **set); /* on all workers; taken */

/* tls_watch.c */
struct tls_look *tls_look_new(struct tls_store *store, const struct settings *settings);
void tls_look_run(struct tls_look *look); /* any thread; may block */
void tls_look_free(struct tls_look **look);
uint64_t tls_ca_stamp(const struct tls_store *store,
		      const struct settings *settings); /* of tls.client_ca */
