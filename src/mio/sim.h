/* SPDX-License-Identifier: MIT */
/*
 * The simulator: the second back end of mio. One thread, a virtual clock, virtual sockets with
 * seeded delay, partial reads and writes, resets and partitions; loops and driver threads of all
 * hosts are interleaved by the seed; a host is killed and started again at any step. Two runs of
 * one seed are the same to the byte: sim_trace() is equal. It stands in for the machine, so code
 * under it must not know.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "mio/mio.h"

struct sim;

struct sim_options {
	uint64_t seed;
	int64_t delay_min_us, delay_max_us;   /* of bytes on a virtual wire; 0, 0: 50 to 5,000 */
	int64_t driver_min_us, driver_max_us; /* of a driver's batch; 0, 0: 100 to 20,000 */
	unsigned partial_percent;	      /* reads and writes cut short, of 100 */
	unsigned sync_fail_percent;	      /* fsync calls that fail, of 100; 0 by default */
};

struct sim *sim_new(const struct sim_options *options);
void sim_free(
	struct sim **sim); /* kills what is left; reports memory that a clean host left behind */

/* A process of the simulated deployment: use with mio_host_start(). Addresses are one name space
 * for all. */
struct mio_host *sim_host(struct sim *sim, const char *part);

/* Whom its peers on Unix sockets see from now on; before, all processes are the user's who runs the
 * simulation. */
void sim_user(struct mio_host *host, uid_t uid);

/* Ends a process as a power cut would: heaps dropped, sockets reset, foreign handles closed, unsynced
 * pages lost. */
void sim_kill(struct sim *sim, struct mio_host **host);

/*
 * SIGSTOP and SIGCONT: none of its threads runs meanwhile, the system goes on for it: connections come
 * in, bytes wait.
 */
void sim_freeze(struct mio_host *host, bool frozen);

/* What a shell does: SIGTERM to a process that asked for signals; whether it has stopped itself. */
void sim_signal(struct mio_host *host, int number);
bool sim_stopped(const struct mio_host *host);

/* Blocks of memory that hosts had not freed when they ended by mio_host_free(), so far. */
uint64_t sim_left_behind(const struct sim *sim);

/* Runs until the virtual time has passed, nothing is left to do, or done(arg) says so (NULL:
 * never). */
void sim_run(struct sim *sim, int64_t ms, bool (*done)(void *arg), void *arg);
bool sim_step(struct sim *sim); /* one event; false when nothing is left to do */

uint64_t sim_random(struct sim *sim); /* for tests: from the seed */
int64_t sim_now_ms(const struct sim *sim);
int64_t sim_wall_ms(const struct sim *sim); /* starts at 2026-01-01T00:00:00Z */
/* Somebody sets the clock of all hosts: wall time alone jumps, forwards or back. */
void sim_wall_jump(struct sim *sim, int64_t ms);
uint64_t sim_steps(const struct sim *sim);
uint64_t sim_trace(const struct sim *sim); /* hash over every event and its bytes so far */

/* Cuts every wire between two hosts (nothing arrives, nothing fails) until healed or one of them
 * ends. */
void sim_partition(struct sim *sim, struct mio_host *a, struct mio_host *b, bool cut);

/*
 * Files live in the simulator by path, apart per data directory, and outlive a kill: pages written
 * and not synced are dropped by sim_kill(), or torn by the seed. Disk full from now on, for all
 * files of the path.
 */
void sim_disk_full(struct sim *sim, bool full);
/* Kills from now on leave what was written to the system, as kill -9 does; or cut the power, as at the start. */
void sim_power_stays(struct sim *sim, bool stays);
/* fsync calls that fail from now on, of 100. */
void sim_syncs_fail(struct sim *sim, unsigned percent);
/* What batches of drivers that become due from now on take: a slow disk. 0, 0: as at the start. */
void sim_drivers_take(struct sim *sim, int64_t min_us, int64_t max_us);
