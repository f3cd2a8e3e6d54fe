/* SPDX-License-Identifier: MIT */
/*
 * What a component is: a part with a state on each worker of its process, started, drained and stopped in one order for
 * all of them. A struct process holds what the workers share, frozen before the loops run; a struct worker is what one
 * loop has. Components meet in link and never call each other.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "auth/auth.h"
#include "base/log.h"
#include "component/settings.h"
#include "conn/conn.h"
#include "link/link.h"
#include "mio/mio.h"
#include "storage/storage.h"

struct budget;
struct ctl;
struct quotas;
struct process;
struct tls_store;
struct tls_view;
struct uplink;
struct worker;

/*
 * One table of relaxed atomics for all workers; what each is, and how it is shown, says figures.c. Some have one for each
 * of a kind: it is added to the first.
 */
enum {
	METRIC_KINDS = 3,      /* of stanzas, enum stanza_kind from STANZA_MESSAGE on */
	METRIC_MECHANISMS = 14, /* metric_mechanism() */
	METRIC_FAILURES = AUTH_FAILURES,
	METRIC_TLS_VERSIONS = 2,
};

enum metric {
	METRIC_CONNECTIONS, METRIC_BOUND, METRIC_SESSIONS, METRIC_DETACHED, METRIC_MESSAGES_ROUTED, METRIC_MESSAGES_DELIVERED,
	METRIC_OFFLINE_STORED, METRIC_STREAM_ERRORS, METRIC_USERS_LOADED, METRIC_PEERS, METRIC_REGISTRATIONS, METRIC_TLS_FAILURES,
	METRIC_CERTIFICATES_READ, METRIC_CERTIFICATES_REFUSED, METRIC_CERTIFICATE_PROBLEMS,
	METRIC_STANZAS_IN,
	METRIC_STANZAS_OUT = METRIC_STANZAS_IN + METRIC_KINDS,
	METRIC_LOGINS = METRIC_STANZAS_OUT + METRIC_KINDS,
	METRIC_LOGIN_FAILURES = METRIC_LOGINS + METRIC_MECHANISMS, /* for each mechanism all enum auth_failure */
	METRIC_TLS_HANDSHAKES = METRIC_LOGIN_FAILURES + METRIC_MECHANISMS * METRIC_FAILURES,
	METRIC_REFUSED = METRIC_TLS_HANDSHAKES + METRIC_TLS_VERSIONS, /* enum sx_refusal */
	METRICS = METRIC_REFUSED + SX_REFUSALS
};

struct component {
	const char *name;
	size_t size; /* of the state: zeroed, one per worker */
	bool uses_storage;  /* this part opens the database */
	bool uses_accounts; /* it hashes passwords */
	bool declares_ack;  /* its header to the router has the ack namespace, as jabberd2's c2s */
	/* Before the loops run, for each worker in order; attaches to worker->link. A fault with a line in why ends the start. */
	int (*start)(void *state, struct worker *worker, struct buf *why);
	/*
	 * worker->settings are others from now on: what was made of the old ones is made anew, and nothing borrows from
	 * them any more. Only what settings_options calls NOW or GROWS differs. NULL: each is looked at when it is needed.
	 */
	void (*reload)(void *state);
	void (*drain)(void *state); /* SIGTERM: stop accepting, stop reading clients, tell them, end sessions */
	bool (*drained)(void *state); /* nothing is left to wait for; NULL: at once */
	void (*stop)(void *state);    /* after the loops stopped (real) or at an orderly end: free everything */
	/* True when this part can do its work (c2s: router and sm are there), else why not is appended; NULL: from the start. */
	bool (*ready)(void *state, struct buf *why);
	void (*commands)(struct ctl *ctl, struct process *process); /* adds its verbs to the control socket; may be NULL */
	void (*router_lost)(void *state); /* worker 0: the stream to it ended; it is sought again */
};

struct worker {
	struct process *process;
	const struct settings *settings; /* in force, frozen; others after a turn in which a reload came */
	struct mio *mio;
	struct conn_env *conns;
	struct link *link;
	struct auth *auth;
	struct log_ring *ring;
	struct log log; /* the process's own lines */
	void **states;  /* of the components, in their order */
	struct slots asked; /* account requests that we serve for another process */
	struct tls_view *tls, *router_tls; /* NULL: none */
	struct uplink *uplink; /* worker 0 of a process that has one */
	struct mio_mail drain_mail, ready_mail;
	struct mio_mail life_mail; /* under way to it and back: worker 0's */
	int64_t life_asked_ms, life_took_ms;
	bool life_asked, life_known;
	struct mio_timer drain_timer;
	int64_t drain_until_ms;
	bool is_ready;
};

struct process {
	const char *name; /* at the router and of its lock: "c2s"; "run" */
	struct mio_host *host;
	const struct component *const *components; /* NULL-terminated */
	struct log_writer *logs;
	struct storage *storage;      /* NULL: another process has it, and is asked over link */
	struct mio_driver *hashing;
	struct link **links;
	uint8_t secret[32]; /* of the installation */
	struct worker **workers;
	unsigned worker_count;
	struct hash_key shard_key;
	uint32_t epoch; /* of this start: random, never 0 */
	struct quotas *quotas; /* per address, component/quotas.h */
	struct budget *queues; /* limits.memory */
	uint64_t memory; /* of the machine; 0: unknown */
	struct tls_store *tls; /* the certificates of this process, component/tls.h; NULL: none */
	struct tls_store *router_tls; /* the router's own; NULL: none */
	struct reloading *reloading; /* under way */
	struct ctl *ctl;
	int64_t started_ms;
	struct buf listening; /* for the ready line: "client 127.0.0.1:5222, "; components append in start() */
	_Atomic uint64_t metrics[METRICS];
	_Atomic unsigned draining, ready;
	void (*on_ready)(struct process *process, void *arg); /* once, on worker 0 */
	void *on_ready_arg;
};

struct process_options {
	const char *name;
	struct mio_host *host;
	const struct settings *settings; /* of the start: as long as the process, or until a reload is done */
	const struct component *const *components;
	struct log_writer *logs; /* borrowed */
	bool open_storage;       /* even when no component uses it (account verbs on a stopped server) */
	struct tls_store *tls, *router_tls; /* borrowed, component/tls.h; NULL: no TLS */
	const uint8_t *secret;   /* 32 bytes of the installation; NULL: random */
	bool uplink;             /* connects to the router of the settings, its parts' names are bound there */
	unsigned workers;
	uint64_t descriptors;    /* that the process may have; 0: as many as it likes */
	uint64_t memory;         /* of the machine; 0: unknown */
};

/*
 * Opens what the components need and starts them on every worker. On a fault everything is closed again, nothing was
 * half-started, *why has the one line to print. Runs with the real and the simulated host alike.
 */
int process_start(const struct process_options *options, struct process **process, struct buf *why);
/* For a part that finds out later that it needs storage of its own (c2s beside jabberd2's sm). Worker 0. */
int process_open_storage(struct process *process, struct buf *why);
/*
 * Every worker gets these settings, frozen, by mail; done(arg) on worker 0 when all have them and nobody looks at the old ones any more. Worker 0. False, and nothing is done: a reload is under way, or the end.
 */
struct reload {
	const struct settings *settings;
	void (*done)(void *arg);
	void *arg;
};
bool process_reload(struct process *process, const struct reload *reload);
void process_drain(struct process *process); /* any worker's thread; the host stops when all parts are drained, at most 3 s */
void process_free(struct process **process); /* after the loops stopped */

static inline void metric_add(struct process *process, unsigned metric, int64_t change)
{
	atomic_fetch_add_explicit(&process->metrics[metric], (uint64_t)change, memory_order_relaxed);
}

static inline void process_refused(struct process *process, enum sx_refusal refusal)
{
	metric_add(process, METRIC_REFUSED + refusal, 1);
}

/* Tells the process that a part's readiness may have changed. */
void worker_ready_changed(struct worker *worker);
/* The state of a component on this worker, or NULL when this process has it not. */
void *worker_state(const struct worker *worker, const struct component *component);
unsigned metric_mechanism(const char *how); /* of "SASL/PLAIN"; NULL or another: of none */
/* Why this process cannot do its work now, appended to why; true: it can. Storage is asked otherwise. Worker 0. */
bool process_works(const struct process *process, struct buf *why);
/*
 * Asks all workers for a sign of life. How long each took when it was asked last, or has not answered: worker_lag_ms(), -1:
 * it was not asked yet. Worker 0.
 */
void process_ask_workers(struct process *process);
int64_t worker_lag_ms(const struct worker *worker);

/* The account source that asks the sm of a domain over link; its state is a struct account_asker of the worker's part. */
struct account_asker {
	struct link *link;
	struct str *from; /* name of the asking part */
};
extern const struct auth_source auth_source_link;
/* The asker's part hands it the PACKET_ACCOUNT answers. */
void account_answered(struct auth *auth, const struct packet *packet);
/* The other side, in sm: answers a request from this process's storage. The packet is taken. */
void account_serve(struct worker *worker, struct packet **packet);

/*
 * A process that connects to a router: keeps the stream up, with the seed flow, and reconnects. Worker 0. A fault, with a line
 * in why, when the settings for TLS cannot be kept.
 */
int uplink_new(struct worker *worker, bool declares_ack, struct uplink **uplink, struct buf *why);
void uplink_free(struct uplink **uplink);
bool uplink_is_bound(const struct uplink *uplink);
