/* SPDX-License-Identifier: MIT */
/*
 * Simulated drivers. A thread takes a batch and runs it at once; the answers go home later, so that
 * a kill can strike between the two.
 *
 *   idle --submit--> due --batch run--> answering --answers gone--> idle, or due when more waits
 */
#include "mio/sim_core.h"

#include <stdio.h>

enum { NAME_LEN = 64 };

enum thread_state { THREAD_IDLE, THREAD_DUE, THREAD_ANSWERING };

struct sim_thread {
	struct sim_event event;
	struct sim_driver *driver;
	struct heap *heap;
	enum thread_state state;
	bool missed;	      /* what was due, in a frozen process */
	struct mio_job *jobs; /* that ran */
	unsigned kept;	      /* others */
	int64_t answer_us;    /* how long the answers will take */
	unsigned number;
};

struct sim_driver {
	struct mio_driver driver;
	struct list link;
	struct sim *sim;
	struct sim_thread *threads;
};

static void make_due(struct sim_thread *thread)
{
	struct sim *sim = thread->driver->sim;
	int64_t whole_us = sim_between(sim, sim->driver_min_us, sim->driver_max_us);
	int64_t until_us = sim_between(sim, 0, whole_us);

	thread->state = THREAD_DUE;
	thread->answer_us = whole_us - until_us;
	sim_schedule(sim, &thread->event, until_us);
}

static void run_batch(struct sim_thread *thread, struct mio_job **jobs)
{
	struct heap *before = heap_enter(thread->heap);

	mio_driver_run(&thread->driver->driver, jobs, &thread->kept);
	heap_enter(before);
}

/* Jobs are others' memory as soon as they are answered. */
static void answer(struct sim_thread *thread)
{
	struct mio_job *jobs = thread->jobs;

	thread->jobs = NULL;
	thread->state = THREAD_IDLE;
	mio_jobs_done(jobs);
}

static void thread_fires(struct sim *sim, struct sim_event *event)
{
	struct sim_thread *thread = container_of(event, struct sim_thread, event);
	struct mio_driver *driver = &thread->driver->driver;

	if (sim_host_of(driver->host)->frozen) {
		thread->missed = true;
		return;
	}
	if (thread->state == THREAD_ANSWERING) {
		sim_note(sim, SIM_NOTE_ANSWER, thread->number, 0);
		answer(thread);
		if (driver->first || thread->kept)
			make_due(thread);
		return;
	}
	thread->jobs = mio_driver_take(driver);
	if (!thread->jobs && !thread->kept) {
		thread->state = THREAD_IDLE;
		return;
	}
	sim_note(sim, SIM_NOTE_RUN, thread->number, mio_driver_queued(driver));
	run_batch(thread, &thread->jobs);
	thread->state = THREAD_ANSWERING;
	sim_schedule(sim, event, thread->answer_us);
}

struct mio_driver *sim_driver_new(struct mio_host *host, const char *name, unsigned threads,
				  unsigned batch_max,
				  void (*run)(void *state, struct mio_job **jobs), void *state)
{
	struct sim *sim = sim_host_of(host)->sim;
	struct sim_driver *driver = sim_zalloc(sim, sizeof(*driver));
	char full[NAME_LEN];

	mio_driver_init(&driver->driver, host, threads, batch_max, run, state);
	driver->sim = sim;
	driver->threads = sim_zalloc(sim, driver->driver.threads * sizeof(*driver->threads));
	for (unsigned i = 0; i < driver->driver.threads; i++) {
		struct sim_thread *thread = &driver->threads[i];

		snprintf(full, sizeof(full), "%s.%u", name, i);
		thread->driver = driver;
		thread->event.fire = thread_fires;
		thread->heap = mio_host_heap(host, full);
		thread->number = ++sim->number;
	}
	list_append(&sim_host_of(host)->drivers, &driver->link);
	return &driver->driver;
}

static void drop(struct sim_driver *driver)
{
	for (unsigned i = 0; i < driver->driver.threads; i++)
		sim_cancel(driver->sim, &driver->threads[i].event);
	list_remove(&driver->link);
	mem_free(driver->threads);
	mem_free(driver);
}

void sim_driver_free(struct mio_driver *base)
{
	struct sim_driver *driver = container_of(base, struct sim_driver, driver);
	struct mio_job *jobs;

	for (unsigned i = 0; i < base->threads; i++) {
		if (driver->threads[i].state == THREAD_ANSWERING)
			answer(&driver->threads[i]);
	}
	for (unsigned i = 0; i < base->threads; i++) {
		while ((jobs = mio_driver_take(base)) || driver->threads[i].kept)
			run_batch(&driver->threads[i], &jobs);
	}
	drop(driver);
}

void sim_submit(struct mio_driver *base, struct mio_job *job)
{
	struct sim_driver *driver = container_of(base, struct sim_driver, driver);

	mio_driver_put(base, job);
	for (unsigned i = 0; i < base->threads; i++) {
		if (driver->threads[i].state == THREAD_IDLE) {
			make_due(&driver->threads[i]);
			return;
		}
	}
}

void sim_drivers_drop(struct sim_host *host)
{
	while (!list_empty(&host->drivers))
		drop(container_of(host->drivers.next, struct sim_driver, link));
}

static void thaw(struct sim_driver *driver)
{
	for (unsigned i = 0; i < driver->driver.threads; i++) {
		struct sim_thread *thread = &driver->threads[i];

		if (thread->missed)
			sim_schedule(driver->sim, &thread->event, 0);
		thread->missed = false;
	}
}

void sim_drivers_thaw(struct sim_host *host)
{
	for (struct list *link = host->drivers.next; link != &host->drivers; link = link->next)
		thaw(container_of(link, struct sim_driver, link));
}
