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
	struct heap *heap;		  /* of all that is the simulator's own */
	struct sim_random order, content; /* for scheduling; for what programs and tests draw */
	struct sim_event **queue;	  /* a binary heap, from 1 */
	unsigned queued, queue_cap;
	uint64_t sequence, steps, trace, left_behind;
	int64_t now_us;	 /* since the start */
	int64_t wall_shift_ms;	      /* by jumps of the wall clock */
	int64_t driver_min_us, driver_max_us; /* now */
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
	uid_t uid;
	bool stopped, frozen;
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
	bool soon;	  /* a turn is due without a timer */
	bool missed;	  /* it would have been, in a frozen process */
	int64_t timer_ms; /* that the turn is planned for */
	unsigned number;
	struct list ready; /* sockets that may have something to say */
	struct list acceptors;
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
uint64_t sim_pick(struct sim *sim, uint64_t count);		 /* below count, for scheduling */
int64_t sim_between(struct sim *sim, int64_t low, int64_t high); /* both inclusive */
bool sim_is_cut(struct sim *sim, unsigned a, unsigned b);
void sim_cuts_drop(struct sim *sim, unsigned number);
bool sim_chance(struct sim *sim, unsigned percent);
void sim_fill(struct sim *sim, void *bytes, size_t len);
void *sim_zalloc(struct sim *sim, size_t size); /* from the simulator's own heap */

/* -- sim_host.c: processes and their loops -- */

/* A host that ends by itself or is killed leaves the wires and the disk; its loops are still there.
 */
void sim_host_leave(struct sim_host *host, bool killed);
void sim_clock_set(struct mio *mio);
void sim_loop_plan(struct sim_loop *loop); /* has its next turn in the queue */
void sim_wake(struct mio *mio);

/* -- sim_driver.c -- */

struct mio_driver *sim_driver_new(struct mio_host *host, const char *name, unsigned threads,
				  unsigned batch_max,
				  void (*run)(void *state, struct mio_job **jobs), void *state);
void sim_driver_free(struct mio_driver *driver);
void sim_submit(struct mio_driver *driver, struct mio_job *job);
void sim_drivers_drop(struct sim_host *host);
void sim_drivers_thaw(struct sim_host *host);
