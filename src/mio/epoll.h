/* SPDX-License-Identifier: MIT */
/*
 * The machine's back end: a loop on epoll.
 *
 * Each loop has two epoll sets. all holds everything; links holds what must go on while the entry
 * sockets rest (mio.h): links, writes to entry sockets, wake-ups. The loop waits on one or the
 * other, so a message costs one epoll_wait. An event names a slot of the loop's table and its
 * generation, not a pointer: what an earlier callback of the same turn closed is not found.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "mio/backend.h"

enum slot_kind { SLOT_FREE, SLOT_WAKE, SLOT_SIGNAL, SLOT_LISTENER, SLOT_SOCK };

/* Of sockets. SLOT_BLOCKED: a write gave -EAGAIN. */
enum { SLOT_PAUSED = 1, SLOT_CONNECTING = 2, SLOT_BLOCKED = 4, SLOT_ENTRY = 8 };

struct fd_slot {
	void *owner; /* a mio_sock or an acceptor */
	int fd;
	uint32_t generation;
	union {
		int fault;	    /* a failed socket's: given to all reads and writes */
		uint32_t next_free; /* index + 1 */
	};
	uint8_t kind, state;
	uint8_t in_all, in_links; /* the events it is registered for in each set; 0: none */
};

enum { RANDOM_POOL = 256 };

struct epoll_loop {
	struct mio mio;
	int all, links, wake_fd;
	int accepted_fd; /* while its owner is told of it, else -1; whose peer is: */
	struct sockaddr_storage accepted_peer;
	int reserve_fd; /* given up to refuse a connection when descriptors ran out */
	struct fd_slot *slots;
	uint32_t slot_count, slot_cap, slot_free;
	struct list acceptors;
	int64_t wall_offset_ms, wall_refresh_ms;
	uint8_t random[RANDOM_POOL];
	size_t random_left;
	pthread_t thread;
	pthread_mutex_t lock; /* who holds it runs the loop */
	uint64_t lends;	      /* workers whose turn is due behind ours */
	/* How its thread waits, while it does: for the time of the wheel, of which set. */
	int64_t until_ms;
	bool resting;
};

struct machine {
	struct mio_host host;
	_Atomic bool stopping;
	int signal_fd;
	void (*signalled)(int number, void *arg);
	void *signal_arg;
	char name[256];
	struct list lasting; /* memory, lasting.c */
};

extern const struct mio_backend mio_machine;

/* Monotonic and wall time of the system, in milliseconds. */
int64_t machine_now_ms(void);
int64_t machine_wall_ms(void);
void machine_random(void *bytes, size_t len);

/* Starts a thread that no signal ends up on. Returns 0 or a fault. */
int machine_thread(pthread_t *thread, void *(*main)(void *arg), void *arg);
void machine_name(const char *name); /* of the calling thread, for `top -H`, `perf` and debuggers, which see 15 bytes */

/* epoll.c */
int epoll_loop_init(struct mio *mio);
void epoll_loop_fini(struct mio *mio);
void epoll_loop_run(struct epoll_loop *loop); /* until the machine is stopping */
void epoll_wake(struct mio *from, struct mio *to);
void epoll_random(struct mio *mio, void *bytes, size_t len);

uint32_t epoll_slot_add(struct epoll_loop *loop, enum slot_kind kind, void *owner, int fd);
void epoll_slot_del(struct epoll_loop *loop, uint32_t index);
/* The slot, if it is still the one of that generation, else NULL. Valid until the next slot is
 * added. */
struct fd_slot *epoll_slot(struct epoll_loop *loop, uint32_t index, uint32_t generation);
/* Registers for these events in each set, 0 for none. Returns 0 or a fault. */
int epoll_register(struct epoll_loop *loop, uint32_t index, uint32_t in_all, uint32_t in_links);

/* epoll_sock.c */
int epoll_connect(struct mio_sock *sock, const char *address);
ssize_t epoll_read(struct mio_sock *sock, void *bytes, size_t len);
ssize_t epoll_write(struct mio_sock *sock, const void *bytes, size_t len);
void epoll_pause(struct mio_sock *sock, bool paused);
void epoll_close(struct mio_sock *sock);
void epoll_peer_name(const struct mio_sock *sock, char *out, size_t len);
bool epoll_peer_uid(const struct mio_sock *sock, uid_t *uid);
int epoll_give(struct mio_sock *sock);
void epoll_take(struct mio_sock *sock, int given);
/* resting: the entry sockets are not to be read in this turn. */
void epoll_sock_ready(struct epoll_loop *loop, uint32_t index, uint32_t events, bool resting);

/* epoll_listen.c */
int epoll_listen(struct mio_host *host, const char *address, struct mio_listener **listener);
void epoll_unlisten(struct mio_listener *listener);
void epoll_accept(struct mio *mio, struct mio_listener *listener,
		  void (*accepted)(int given, void *arg), void *arg);
void epoll_accept_stop(struct mio *mio, struct mio_listener *listener);
void epoll_refuse(struct mio *mio, int given);
void epoll_given_name(struct mio *mio, int given, char *out, size_t len);
void epoll_listener_ready(struct epoll_loop *loop, uint32_t index);

/* threads.c */
struct mio_driver *threads_driver_new(struct mio_host *host, const char *name, unsigned threads,
				      unsigned batch_max,
				      void (*run)(void *state, struct mio_job **jobs), void *state);
void threads_driver_free(struct mio_driver *driver);
void threads_submit(struct mio_driver *driver, struct mio_job *job);

/* -- lasting.c -- */

int lasting_open(struct mio_host *host, const char *path, size_t bytes, void **memory);
void lasting_close_all(struct machine *machine);
