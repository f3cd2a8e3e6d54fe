/* SPDX-License-Identifier: MIT */
/*
 * What the two back ends of mio, the machine (epoll*.c, threads.c) and the simulator (sim*.c), share.
 *
 * A back end embeds struct mio_host, struct mio, struct mio_listener and struct mio_driver as the
 * first member of structures of its own, and fills in one struct mio_backend. A turn of a loop is:
 * set the clock, mio_turn_begin(), dispatch sockets, with mio_part_end() behind each MIO_PART of them
 * when there are more, mio_turn_end(). Nothing here depends on the order of pointers.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/list.h"
#include "base/mem.h"
#include "mio/mio.h"

enum { MIO_LANES = 2, MIO_PEER_NAME = 128 };

/* Timers: 8 ms ticks, 64 slots a level, sorted by the highest digit in which they differ from now.
 */
enum { WHEEL_TICK_MS = 8, WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 7 };

struct mio_wheel {
	int64_t tick; /* all up to and including it have run */
	uint64_t filled[WHEEL_LEVELS];
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

/* A process. The loops are made by mio_host_start(), common to both. */
struct mio_host {
	const struct mio_backend *backend;
	char *part;
	unsigned workers; /* made so far */
	struct mio **loops;
	size_t mark; /* of data lanes */
	pthread_mutex_t lock;
	struct heap **heaps; /* see mio_host_heap(); under the lock */
	unsigned heap_count;
};

/* Mails for one loop, gathered in a part of a turn. */
struct mio_parcel {
	struct mio_mail *first, *last;
	size_t bytes;
};

/* A loop. It lives in its heap, which is named PART/WORKER. */
struct mio {
	struct mio_host *host;
	const struct mio_backend *backend; /* the host's */
	struct heap *heap;
	int64_t now_ms, wall_ms; /* set by the back end at the start of a turn, and by loop_init() */
	struct mio_wheel wheel;
	struct mio_task *tasks, **tasks_end, *running; /* deferred; running: of the turn that ends */
	uint32_t part; /* counts them, over all turns */
	unsigned ready; /* set by the back end before it dispatches */
	bool more; /* of them are to be dispatched */
	bool in_turn; /* what is posted waits for the end of the part */
	uint64_t unsent; /* workers for whom there is a parcel; none between turns */
	struct mio_parcel parcels[MIO_WORKERS_MAX];
	uint64_t blocked; /* workers whose mailbox this loop found above its mark: see mio_entry_paused() */
	uint8_t worker;

	/* The mailbox; touched by any thread, so on cache lines of its own. */
	char apart[64];
	_Atomic(struct mio_mail *) lanes[MIO_LANES]; /* stacks: newest first */
	_Atomic size_t data_bytes;
	_Atomic uint64_t feeders; /* workers that wait for a mail of ours to go on */
	_Atomic bool sleeping; /* set before waiting; who posts and finds it set clears it and calls wake() */
	char apart_too[64];
	struct mio_mail resume[MIO_WORKERS_MAX]; /* to each feeder: go on */
};

struct mio_listener {
	struct mio_host *host;
	char address[MIO_PEER_NAME]; /* with the real port */
};

/* The queue is the back end's to lock. */
struct mio_driver {
	struct mio_host *host;
	void (*run)(void *state, struct mio_job **jobs);
	void *state;
	struct mio_job *first, **last;
	atomic_bool low; /* of priority */
	unsigned threads, batch_max;
	_Atomic unsigned queued;
};

struct mio_backend {
	/* Loops: zeroed memory of loop_size, the common part is set before loop_init(). Return 0 or a fault. */
	size_t loop_size;
	int (*loop_init)(struct mio *mio); /* sets now_ms and wall_ms */
	void (*loop_fini)(struct mio *mio);
	void (*host_fini)(struct mio_host *host); /* before the loops go; the host's memory is the caller's */
	int (*run)(struct mio_host *host);
	void (*stop)(struct mio_host *host);
	int (*signals)(struct mio_host *host, void (*signalled)(int number, void *arg), void *arg);
	void (*wake)(struct mio *from, struct mio *to); /* have it take a turn soon; from: the caller's loop, or NULL. Any thread */

	const char *(*host_name)(struct mio_host *host);
	const char *(*host_vfs)(struct mio_host *host);
	void (*host_random)(struct mio_host *host, void *bytes, size_t len);
	int64_t (*host_wall_ms)(struct mio_host *host);
	int64_t (*host_now_ms)(struct mio_host *host);
	int (*lasting)(struct mio_host *host, const char *path, size_t bytes, void **memory);
	void (*foreign_add)(struct mio_host *host, void *handle, void (*close)(void *handle));
	void (*foreign_del)(struct mio_host *host, void *handle);
	void (*random)(struct mio *mio, void *bytes, size_t len);

	/*
	 * Sockets: mio, handler and flags are set before connect() and take(), which set fd, on success only. The
	 * others are called with open sockets only; close() and give() leave fd to the caller.
	 */
	int (*connect)(struct mio_sock *sock, const char *address);
	ssize_t (*read)(struct mio_sock *sock, void *bytes, size_t len);
	ssize_t (*write)(struct mio_sock *sock, const void *bytes, size_t len);
	void (*pause)(struct mio_sock *sock, bool paused);
	void (*close)(struct mio_sock *sock);
	void (*peer_name)(const struct mio_sock *sock, char *out, size_t len);
	bool (*peer_uid)(const struct mio_sock *sock, uid_t *uid);
	int (*give)(struct mio_sock *sock);
	void (*take)(struct mio_sock *sock, int given);

	int (*listen)(struct mio_host *host, const char *address, struct mio_listener **listener);
	void (*unlisten)(struct mio_listener *listener); /* frees it */
	void (*accept)(struct mio *mio, struct mio_listener *listener,
		       void (*accepted)(int given, void *arg), void *arg);
	void (*accept_stop)(struct mio *mio, struct mio_listener *listener);
	void (*refuse)(struct mio *mio, int given);
	void (*given_name)(struct mio *mio, int given, char *out, size_t len);

	/* Drivers: new() makes one and calls mio_driver_init(); free() runs what is queued and frees it. */
	struct mio_driver *(*driver_new)(struct mio_host *host, const char *name, unsigned threads,
					 unsigned batch_max,
					 void (*run)(void *state, struct mio_job **jobs),
					 void *state);
	void (*driver_free)(struct mio_driver *driver);
	void (*submit)(struct mio_driver *driver, struct mio_job *job); /* job->home is set */
};

/* mio.c: what both hosts need. part is copied. */
void mio_host_init(struct mio_host *host, const struct mio_backend *backend, const char *part);
/* Ends the loops and drops all heaps, without calling code of the part; host_fini() is not called. */
void mio_host_fini(struct mio_host *host);
/* A heap named PART/NAME, for a driver's thread; it goes with the host, in mio_host_fini(). Any thread. */
struct heap *mio_host_heap(struct mio_host *host, const char *name);

/* Sockets, or mails, of a part: what they read is written while it is in the caches. */
enum { MIO_PART = 32 };

/* A turn's beginning: mail. */
void mio_turn_begin(struct mio *mio);
/* Between two parts of a turn: the tasks deferred so far, then mail. */
void mio_part_end(struct mio *mio);
/* A turn's end: the timers that are due by mio->now_ms, then the tasks deferred so far. */
void mio_turn_end(struct mio *mio);
/* True when a turn is due now: mail waits or tasks are deferred. */
bool mio_has_work(const struct mio *mio);

/* mail.c: runs what was posted before the call, control first; later posts are for a later turn. */
void mio_mail_run(struct mio *mio);
void mio_mail_send(struct mio *from); /* what a part gathered: one push for each loop */
/* mio.c: the tasks that a part deferred which others follow, then mio_mail_send(). */
void mio_tasks_run(struct mio *mio);
bool mio_mail_waits(const struct mio *mio);
/* Posts a stack of mails (newest first, oldest's next is ignored) from a thread that is no loop. */
void mio_mail_push(struct mio *to, enum mio_lane lane, struct mio_mail *first, struct mio_mail *last);

/* True while MIO_ENTRY sockets must not be read (writable() still comes). */
static inline bool mio_entry_paused(const struct mio *mio)
{
	return mio->blocked != 0;
}

/* wheel.c */
void mio_wheel_init(struct mio_wheel *wheel, int64_t now_ms);
/* When mio_wheel_run() should be called next, never too late; INT64_MAX when no timer is set. */
int64_t mio_wheel_next(struct mio_wheel *wheel);
void mio_wheel_run(struct mio *mio);

/* driver.c: the queue and the answers. */
void mio_driver_init(struct mio_driver *driver, struct mio_host *host, unsigned threads,
		     unsigned batch_max, void (*run)(void *state, struct mio_job **jobs),
		     void *state);
void mio_driver_put(struct mio_driver *driver, struct mio_job *job);
struct mio_job *mio_driver_take(struct mio_driver *driver); /* a batch, in order; NULL when none waits */
void mio_driver_run(struct mio_driver *driver, struct mio_job **jobs, unsigned *kept); /* kept: by the thread, so far */
void mio_jobs_done(struct mio_job *jobs); /* any thread: done() of each by its home's control lane */

/* address.c: numeric addresses as mio.h describes them. Returns 0, -EINVAL, or -ENAMETOOLONG. */
int mio_address_parse(const char *address, struct sockaddr_storage *out, socklen_t *len);
/* "127.0.0.1:5222", "[::1]:5222", "unix"; IPv4 in IPv6 prints as IPv4. */
void mio_address_print(const struct sockaddr_storage *address, char *out, size_t len);
