/* SPDX-License-Identifier: MIT */
/* The threads of drivers. */
#include "mio/epoll.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { NAME_LEN = 64, NICER = 10 };

struct threads_driver {
	struct mio_driver driver;
	pthread_mutex_t lock; /* of the queue and of ending */
	pthread_cond_t more;
	bool ending;
	unsigned waiting; /* threads, for more; one that was woken does not count */
	struct driver_thread *threads;
};

struct driver_thread {
	struct threads_driver *driver;
	struct heap *heap;
	unsigned kept; /* jobs */
	pthread_t id;
};

/* Whether this thread is of low priority now; Linux has one for each. */
static bool give_way(struct mio_driver *driver)
{
	return atomic_load(&driver->low) &&
	       setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICER) == 0;
}

static void *run_thread(void *arg)
{
	struct driver_thread *self = arg;
	struct threads_driver *driver = self->driver;
	struct mio_job *jobs;
	bool answer = true, low = false;

	heap_enter(self->heap);
	machine_name(strrchr(heap_name(self->heap), '/') + 1);
	pthread_mutex_lock(&driver->lock);
	for (;;) {
		while (!driver->driver.first && !self->kept && !driver->ending) {
			driver->waiting++;
			pthread_cond_wait(&driver->more, &driver->lock);
		}
		jobs = mio_driver_take(&driver->driver);
		if (!jobs && !self->kept)
			break;
		answer = !driver->ending;
		pthread_mutex_unlock(&driver->lock);
		low = low || give_way(&driver->driver);
		mio_driver_run(&driver->driver, &jobs, &self->kept);
		if (answer)
			mio_jobs_done(jobs);
		pthread_mutex_lock(&driver->lock);
	}
	pthread_mutex_unlock(&driver->lock);
	heap_enter(NULL);
	return NULL;
}

static void start_thread(struct threads_driver *driver, unsigned number, const char *name)
{
	struct driver_thread *thread = &driver->threads[number];
	char full[NAME_LEN];
	int rc;

	if (number == 0)
		snprintf(full, sizeof(full), "%s", name);
	else
		snprintf(full, sizeof(full), "%s.%u", name, number);
	thread->driver = driver;
	thread->heap = mio_host_heap(driver->driver.host, full);
	rc = machine_thread(&thread->id, run_thread, thread);
	assert(rc == 0); /* like memory: a process that cannot have its threads cannot go on */
	(void)rc;
}

struct mio_driver *threads_driver_new(struct mio_host *host, const char *name, unsigned threads,
				      unsigned batch_max,
				      void (*run)(void *state, struct mio_job **jobs), void *state)
{
	struct threads_driver *driver = mem_zalloc(MEM_LOOP, sizeof(*driver));

	mio_driver_init(&driver->driver, host, threads, batch_max, run, state);
	pthread_mutex_init(&driver->lock, NULL);
	pthread_cond_init(&driver->more, NULL);
	driver->threads = mem_zalloc(MEM_LOOP, driver->driver.threads * sizeof(*driver->threads));
	for (unsigned i = 0; i < driver->driver.threads; i++)
		start_thread(driver, i, name);
	return &driver->driver;
}

void threads_driver_free(struct mio_driver *base)
{
	struct threads_driver *driver = container_of(base, struct threads_driver, driver);

	pthread_mutex_lock(&driver->lock);
	driver->ending = true;
	pthread_cond_broadcast(&driver->more);
	pthread_mutex_unlock(&driver->lock);
	for (unsigned i = 0; i < driver->driver.threads; i++)
		pthread_join(driver->threads[i].id, NULL);
	pthread_cond_destroy(&driver->more);
	pthread_mutex_destroy(&driver->lock);
	mem_free(driver->threads);
	mem_free(driver);
}

void threads_submit(struct mio_driver *base, struct mio_job *job)
{
	struct threads_driver *driver = container_of(base, struct threads_driver, driver);
	bool wakes;

	pthread_mutex_lock(&driver->lock);
	mio_driver_put(&driver->driver, job);
	wakes = driver->waiting > 0;
	driver->waiting -= wakes;
	pthread_mutex_unlock(&driver->lock);
	if (wakes) /* not before: it would wake to wait for the lock */
		pthread_cond_signal(&driver->more);
}
