/* SPDX-License-Identifier: MIT */
/*
 * Managed I/O: the only way to time, randomness, sockets, threads and their mailboxes.
 *
 * A mio_host is a process as its code sees it: the real machine (epoll) or a host of the simulator
 * (mio/sim.h). It has one struct mio, a loop, for each worker. A loop runs turns: it waits, dispatches
 * what is ready, in parts when it is much, runs the deferred tasks, and looks at the clock once. Everything
 * here is called by the thread that runs the loop (one at a time, not always the same) unless it says otherwise. A callback never runs before the call that asked for it
 * returns. While a loop runs code, the worker's heap (base/mem.h) is current.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/list.h"
#include "base/table.h"

struct mio_host;
struct mio;
struct heap;
struct heap_usage;

/* -- the process ---------------------------------------------------------------------------------- */

enum { MIO_WORKERS_MAX = 64 };

/* A process on the real machine; part names its heaps ("sm" gives "sm/0", "sm/1", ...). */
struct mio_host *mio_host_new(const char *part);
void mio_host_free(struct mio_host **host);

/*
 * Makes the loops and calls start(mio, arg) for each, in order, on the calling thread, before any of them
 * runs. The first fault stops and is returned; mio_host_free() cleans up.
 */
int mio_host_start(struct mio_host *host, unsigned workers, int (*start)(struct mio *mio, void *arg),
		   void *arg);

/* Runs the loops (worker 0 on the caller's thread, real host only) until mio_host_stop(). */
int mio_host_run(struct mio_host *host);
void mio_host_stop(struct mio_host *host); /* any thread */

/* SIGTERM and SIGINT, SIGHUP, as a callback on worker 0 (real host only); call before mio_host_run(). */
int mio_host_signals(struct mio_host *host, void (*signalled)(int number, void *arg), void *arg);

unsigned mio_host_workers(const struct mio_host *host);
void mio_host_usage(struct mio_host *host, struct heap_usage *usage); /* of all its heaps, drivers' too; any thread */
struct mio *mio_host_loop(struct mio_host *host, unsigned worker);
const char *mio_host_name(struct mio_host *host);           /* the machine's name, for DIGEST-MD5's digest-uri */
const char *mio_host_vfs(struct mio_host *host);            /* SQLite VFS to open files with; NULL: SQLite's own */
void mio_host_random(struct mio_host *host, void *bytes, size_t len); /* any thread */
int64_t mio_host_wall_ms(struct mio_host *host);            /* any thread; for threads without a loop */
int64_t mio_host_now_ms(struct mio_host *host);

/*
 * A handle that a library made outside our heaps (SSL *, sqlite3 *): closed by close(handle) when a
 * simulated process is killed, without any code of the part running. Any thread.
 */
void mio_foreign_add(struct mio_host *host, void *handle, void (*close)(void *handle));
void mio_foreign_del(struct mio_host *host, void *handle);

/* -- the loop ------------------------------------------------------------------------------------- */

struct mio_host *mio_host_of(struct mio *mio);
unsigned mio_worker(const struct mio *mio); /* from 0 */
struct heap *mio_heap(struct mio *mio);

/* Milliseconds, read once a turn: monotonic from an arbitrary start, and since 1970. */
int64_t mio_now_ms(const struct mio *mio);
int64_t mio_wall_ms(const struct mio *mio);
const int64_t *mio_wall_clock(const struct mio *mio); /* where the loop keeps it, for log rings */
unsigned mio_ready(const struct mio *mio); /* sockets that this turn found ready, at least 1: they share it */
bool mio_has_more(const struct mio *mio);  /* of them wait behind this part of the turn */
void mio_random(struct mio *mio, void *bytes, size_t len); /* unguessable (in the simulator: the seed's) */
struct hash_key mio_hash_key(struct mio *mio);

/*
 * Runs once at the end of this part of the turn, also when a task defers it; of the next when called outside a turn, or
 * when it ran in this one already. Deferring twice is once.
 */
struct mio_task {
	struct mio_task *next, **back; /* the loop's own */
	void (*run)(struct mio_task *task);
	uint32_t part; /* in which it ran last */
	bool queued;
};

void mio_defer(struct mio *mio, struct mio_task *task);
void mio_undefer(struct mio *mio, struct mio_task *task);

/* Timers: a lazy wheel, 8 ms fine at best, never early. Setting again moves. */
struct mio_timer {
	struct list link;
	int64_t due_ms; /* the loop's own */
	void (*run)(struct mio_timer *timer);
};

void mio_timer_init(struct mio_timer *timer, void (*run)(struct mio_timer *timer));
void mio_timer_set(struct mio *mio, struct mio_timer *timer, int64_t delay_ms);
void mio_timer_stop(struct mio_timer *timer);
bool mio_timer_is_set(const struct mio_timer *timer);

/* -- sockets -------------------------------------------------------------------------------------- */

/* Addresses: "127.0.0.1:5222", "[::1]:5222", ":5222" (any), "unix:/path". Numeric only. */
struct mio_sock;

struct mio_sock_handler {
	void (*readable)(struct mio_sock *sock); /* bytes, the end, or an error wait: call mio_read() */
	void (*writable)(struct mio_sock *sock); /* after a write gave -EAGAIN, and when a connect completed or failed */
};

/* Embedded in its owner; a zeroed one is closed. */
struct mio_sock {
	struct mio *mio;
	const struct mio_sock_handler *handler;
	int fd; /* the back end's number + 1; 0: closed */
	uint8_t flags;
};

/*
 * MIO_ENTRY: what comes in here makes work (clients, other servers). These sockets alone are not read while
 * a mailbox that this worker feeds is above its mark.
 */
enum { MIO_ENTRY = 1 };
bool mio_entry_rests(const struct mio *mio); /* they are not read now */

/* Readable is watched from the start. Returns 0 or a fault (bad address: -EINVAL; refused at once: its errno). */
int mio_connect(struct mio *mio, struct mio_sock *sock, const char *address,
		const struct mio_sock_handler *handler, uint8_t flags);
ssize_t mio_read(struct mio_sock *sock, void *bytes, size_t len);        /* 0: the end; -EAGAIN; another fault */
ssize_t mio_write(struct mio_sock *sock, const void *bytes, size_t len); /* taken; -EAGAIN: writable() will come */
void mio_pause(struct mio_sock *sock, bool paused);                      /* stops and starts readable() */
void mio_close(struct mio_sock *sock);                                   /* no callback follows; closed is fine */
void mio_peer_name(const struct mio_sock *sock, char *out, size_t len);  /* "127.0.0.1:41532", "unix" */
bool mio_peer_uid(const struct mio_sock *sock, uid_t *uid);              /* of a Unix socket's peer; false for others */

/* Moves an open socket to another loop: give on one thread, the number crosses by mail, take on the other. */
int mio_sock_give(struct mio_sock *sock);
void mio_sock_take(struct mio *mio, struct mio_sock *sock, int given, const struct mio_sock_handler *handler,
		   uint8_t flags);

/* A listening address, opened before the loops run so that "in use" is said early; shared by the workers. */
struct mio_listener;

/* A Unix socket's stale path is replaced, mode 0600. Returns 0 or a fault (-EADDRINUSE, -EACCES, ...). */
int mio_listen(struct mio_host *host, const char *address, struct mio_listener **listener);
void mio_unlisten(struct mio_listener **listener); /* closes it; after the workers stopped accepting */
const char *mio_listener_address(const struct mio_listener *listener); /* with the port it got, if 0 was asked */

/* Accepts on this worker: accepted(given, arg) for each, to be taken by mio_sock_take() or refused by mio_refuse(). */
void mio_accept(struct mio *mio, struct mio_listener *listener, void (*accepted)(int given, void *arg), void *arg);
void mio_accept_stop(struct mio *mio, struct mio_listener *listener);
void mio_refuse(struct mio *mio, int given);
void mio_given_name(struct mio *mio, int given, char *out, size_t len); /* as mio_peer_name(), of one not taken yet */

/* -- between workers ------------------------------------------------------------------------------- */

/* Completions, news and what mends a shortage go by the control lane; packets between parts, each in its order, by data. */
enum mio_lane { MIO_DATA, MIO_CONTROL };

/* Embedded in what is posted. run() is called on the receiving loop and owns what it is embedded in. */
struct mio_mail {
	struct mio_mail *next, *last; /* mio's */
	void (*run)(struct mio *mio, struct mio_mail *mail);
	size_t bytes; /* what it weighs, for the mark of the data lane */
	uint8_t from; /* the sender's worker; set by mio_post() */
};

/*
 * Always accepts; in a turn data goes when its part ends. Order is kept from one sender on one lane. Above its mark a data lane makes
 * the workers that feed it stop reading their MIO_ENTRY sockets until it has fallen to half of it. from: the caller's own loop.
 */
void mio_post(struct mio *from, struct mio *to, enum mio_lane lane, struct mio_mail *mail);
void mio_mailbox_mark(struct mio_host *host, size_t bytes); /* before start; default 8 MB */
size_t mio_mailbox_bytes(const struct mio *mio);            /* waiting in the data lane; any thread */
/* After the loops stopped, while all mail is still somebody's: takes mail that came too late for this run() out, for who posted it to free; NULL: no more. */
struct mio_mail *mio_mail_take(struct mio *mio, void (*run)(struct mio *mio, struct mio_mail *mail));

/*
 * A driver: threads that may block (storage, hashing, files). One takes up to batch_max queued jobs, in order, and calls run(state, &jobs),
 * which leaves there those that it has done, and keeps the others for the same thread: it is called again, with NULL too, until none is
 * kept. done() of each is called on the loop that submitted it, by its control lane, always on a later turn.
 */
struct mio_job {
	struct mio_mail mail;  /* the driver's */
	struct mio_job *next;  /* within a batch */
	struct mio *home;      /* set by mio_submit() */
	struct mio_driver *driver; /* likewise */
	void (*done)(struct mio_job *job);
};

struct mio_driver *mio_driver_new(struct mio_host *host, const char *name, unsigned threads, unsigned batch_max,
				  void (*run)(void *state, struct mio_job **jobs), void *state);
void mio_driver_free(struct mio_driver **driver); /* after the loops stopped: runs what is queued; done() is not called any more */
void mio_driver_give_way(struct mio_driver *driver); /* its threads have a low priority from now on */
void mio_submit(struct mio *mio, struct mio_driver *driver, struct mio_job *job);
unsigned mio_driver_queued(const struct mio_driver *driver); /* that no thread took; any thread */
