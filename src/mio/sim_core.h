/* SPDX-License-Identifier: MIT */
/*
 * What the files of the simulator share. All that happens is an event in one queue, in the order
 * of its time; of equal times the seed decides. No callback of a simulated process runs but in the
 * turn of a loop (sim_host.c) or in the batch of a driver's thread (sim_driver.c); what stands
 * between them (wires, listeners) only marks and wakes.
 */
#pragma once

#include "base/list.h"
#include "mio/backend.h"
#include "mio/sim.h"
#include "mio/sim_disk.h"

/* The start: 2026-01-01T00:00:00Z. */
#define SIM_WALL_START_MS INT64_C(1767225600000)
#define SIM_NOW_START_MS INT64_C(1000000)

/* What trace entries begin with. */
enum sim_note {
	SIM_NOTE_TURN,
	SIM_NOTE_ARRIVAL,
	SIM_NOTE_RUN,
	SIM_NOTE_ANSWER,
	SIM_NOTE_KILL,
	SIM_NOTE_DISK
};

struct sim_event {
	int64_t time_us;
	uint64_t tie, sequence;
	unsigned place; /* in the queue, from 1; 0: not in it */
	void (*fire)(struct sim *sim, struct sim_event *event);
};

struct sim_random {
	uint64_t state[4];
};

/* A cut between two hosts, by their numbers. */
struct sim_cut {
	struct list link;
	unsigned a, b;
};

struct sim {
	struct sim_options options;
	struct heap *heap; /* of all that is the simulator's own */
	struct sim_random order, content; /* for scheduling; for what programs and tests draw */
	struct sim_event **queue;         /* a binary heap, from 1 */
	unsigned queued, queue_cap;
	uint64_t sequence, steps, trace, left_behind;
	int64_t now_us;  /* since the start */
	unsigned number; /* the last that was given to a host, loop, wire or thread */
	bool stepping;
	struct list hosts, listeners, wires, cuts;
	struct sim_end **ends; /* by the number of their socket; NULL: free */
	unsigned end_count;
	struct sim_candidate *candidates; /* of the turn that runs */
	size_t candidate_cap;
	unsigned next_port;
	struct sim_disk disk;
};

struct sim_host {
	struct mio_host host;
	struct sim *sim;
	struct list link;
	unsigned number;
	bool stopped;
	struct list drivers, foreign;
	struct sim_vfs *vfs;
	void (*signalled)(int number, void *arg);
	void *signal_arg;
	int signal; /* that waits; 0: none */
};

/* Lives in its worker's heap. */
struct sim_loop {
	struct mio mio;
	struct sim_event turn;
	bool soon;        /* a turn is due without a timer */
	int64_t timer_ms; /* that the turn is planned for */
	unsigned number;
	struct list ready; /* sockets that may have something to say */
	struct list acceptors;
};

struct sim_acceptor {
	struct list link;
	struct sim_listener *listener;
	void (*accepted)(int given, void *arg);
	void *arg;
	uint64_t serial;
};

struct sim_listener {
	struct mio_listener listener;
	struct list link;
	struct sockaddr_storage address;
	bool any;
	struct list backlog; /* ends without a loop */
};

/* What travels: OPEN, ACCEPTED and REFUSED make a connection, ROOM says that bytes were read. */
enum sim_parcel_kind {
	PARCEL_OPEN,
	PARCEL_ACCEPTED,
	PARCEL_REFUSED,
	PARCEL_BYTES,
	PARCEL_ROOM,
	PARCEL_END,
	PARCEL_RESET
};

struct sim_parcel {
	struct list link;
	int64_t time_us;
	enum sim_parcel_kind kind;
	size_t len; /* of bytes, or of room */
	char bytes[];
};

/* One end of a connection, with what it has sent and what has arrived for it. */
struct sim_end {
	struct sim_wire *wire;
	struct list link;           /* in a loop's ready list or a listener's backlog */
	struct sim_host *host;      /* NULL: not open yet, or closed */
	unsigned host_number;       /* also when it is closed; 0: none yet */
	struct sim_loop *loop;      /* NULL: in a backlog, or given */
	struct mio_sock *sock;      /* with loop */
	int number;
	uint64_t serial;
	int error;       /* for the next read or write: of a reset */
	int fault;       /* for all reads and writes: of a connect */
	bool connecting; /* until the loop has told */
	bool answered;   /* the connect has succeeded or failed */
	bool paused, blocked, ended, gone; /* ended: reads end; gone: writes are in vain */
	struct buf in;
	size_t room; /* what may be written yet */
	size_t owed; /* was read, and the peer not told */

	struct list sent; /* parcels, in the order of arrival */
	struct sim_event arrival;
	int64_t last_us;
	bool stuck; /* its parcels wait for the end of a cut */
};

/* A connection. ends[0] connected. */
struct sim_wire {
	struct list link;
	struct sim *sim;
	struct sim_end ends[2];
	struct sockaddr_storage to; /* as asked for */
	unsigned number, port;
	char address[MIO_PEER_NAME];
	bool local;
};

/* Something that is ready at the start of a turn; found again by its serial. */
struct sim_candidate {
	uint64_t serial;
	int number; /* a socket's; -1: an acceptor */
};

extern const struct mio_backend sim_backend;

static inline struct sim_host *sim_host_of(struct mio_host *host)
{
	return container_of(host, struct sim_host, host);
}

static inline struct sim_loop *sim_loop_of(struct mio *mio)
{
	return container_of(mio, struct sim_loop, mio);
}

static inline struct sim *sim_of(const struct mio *mio)
{
	return sim_host_of(mio->host)->sim;
}

/* -- sim.c -- */

/* From now on; an event that is in the queue moves. */
void sim_schedule(struct sim *sim, struct sim_event *event, int64_t delay_us);
void sim_cancel(struct sim *sim, struct sim_event *event);
void sim_note(struct sim *sim, enum sim_note note, uint64_t who, uint64_t what);
uint64_t sim_hash(const void *bytes, size_t len);
uint64_t sim_pick(struct sim *sim, uint64_t count);             /* below count, for scheduling */
int64_t sim_between(struct sim *sim, int64_t low, int64_t high); /* both inclusive */
bool sim_is_cut(struct sim *sim, unsigned a, unsigned b);
bool sim_chance(struct sim *sim, unsigned percent);
void sim_fill(struct sim *sim, void *bytes, size_t len);
void *sim_zalloc(struct sim *sim, size_t size); /* from the simulator's own heap */

/* -- sim_host.c: processes and their loops -- */

/* A host that ends by itself or is killed leaves the wires and the disk; its loops are still there. */
void sim_host_leave(struct sim_host *host, bool killed);
void sim_clock_set(struct mio *mio);
void sim_loop_plan(struct sim_loop *loop); /* has its next turn in the queue */
void sim_wake(struct mio *mio);

/* -- sim_net.c: wires and listeners -- */

struct sim_wire *sim_wire_new(struct sim_loop *loop, const char *address);
void sim_send(struct sim_end *end, enum sim_parcel_kind kind, const void *bytes, size_t len);
void sim_end_open(struct sim_end *end, struct sim_host *host);
/*
 * The peer reads to the end, or to a reset when bytes were not read here. killed: always a reset,
 * and what was sent last may be lost. The wire goes with its second end.
 */
void sim_end_close(struct sim_end *end, bool killed);
void sim_end_touch(struct sim_end *end); /* it may have become ready */
bool sim_end_readable(const struct sim_end *end, bool resting);
bool sim_end_writable(const struct sim_end *end);
bool sim_is_listening(struct sim *sim, const struct sockaddr_storage *to);
void sim_wires_heal(struct sim *sim);
void sim_host_unlisten(struct sim_host *host); /* all of its listeners */

static inline struct sim_end *sim_peer(const struct sim_end *end)
{
	return end == &end->wire->ends[0] ? &end->wire->ends[1] : &end->wire->ends[0];
}

int sim_listen(struct mio_host *host, const char *address, struct mio_listener **listener);
void sim_unlisten(struct mio_listener *listener);
void sim_accept(struct mio *mio, struct mio_listener *listener,
		void (*accepted)(int given, void *arg), void *arg);
void sim_accept_stop(struct mio *mio, struct mio_listener *listener);
void sim_refuse(struct mio *mio, int given);

/* -- sim_sock.c -- */

/* Tells sockets and acceptors of a loop what is ready, in an order and number of the seed's. */
void sim_dispatch(struct sim_loop *loop, bool resting);
bool sim_has_ready(struct sim_loop *loop);

int sim_connect(struct mio_sock *sock, const char *address);
ssize_t sim_read(struct mio_sock *sock, void *bytes, size_t len);
ssize_t sim_write(struct mio_sock *sock, const void *bytes, size_t len);
void sim_pause(struct mio_sock *sock, bool paused);
void sim_close(struct mio_sock *sock);
void sim_peer_name(const struct mio_sock *sock, char *out, size_t len);
bool sim_peer_uid(const struct mio_sock *sock, uid_t *uid);
int sim_give(struct mio_sock *sock);
void sim_take(struct mio_sock *sock, int given);

/* -- sim_driver.c -- */

struct mio_driver *sim_driver_new(struct mio_host *host, const char *name, unsigned threads,
				  unsigned batch_max, void (*run)(void *state, struct mio_job *jobs),
				  void *state);
void sim_driver_free(struct mio_driver *driver);
void sim_submit(struct mio_driver *driver, struct mio_job *job);
void sim_drivers_drop(struct sim_host *host);
