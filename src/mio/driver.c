/* SPDX-License-Identifier: MIT */
/* Drivers: the queue of jobs and the way their answers take home; the threads are the back end's.
 */
#include "mio/backend.h"

struct mio_driver *mio_driver_new(struct mio_host *host, const char *name, unsigned threads,
				  unsigned batch_max,
				  void (*run)(void *state, struct mio_job **jobs), void *state)
{
	return host->backend->driver_new(host, name, threads, batch_max, run, state);
}

void mio_driver_give_way(struct mio_driver *driver)
{
	atomic_store(&driver->low, true);
}

void mio_submit(struct mio *mio, struct mio_driver *driver, struct mio_job *job)
{
	job->home = mio;
	job->driver = driver;
	driver->host->backend->submit(driver, job);
}

unsigned mio_driver_queued(const struct mio_driver *driver)
{
	return atomic_load(&driver->queued);
}

void mio_driver_init(struct mio_driver *driver, struct mio_host *host, unsigned threads,
		     unsigned batch_max, void (*run)(void *state, struct mio_job **jobs),
		     void *state)
{
	driver->host = host;
	driver->run = run;
	driver->state = state;
	driver->first = NULL;
	driver->last = &driver->first;
	driver->threads = threads ? threads : 1;
	driver->batch_max = batch_max ? batch_max : 1;
	atomic_init(&driver->queued, 0);
	atomic_init(&driver->low, false);
}

void mio_driver_put(struct mio_driver *driver, struct mio_job *job)
{
	job->next = NULL;
	*driver->last = job;
	driver->last = &job->next;
	atomic_fetch_add(&driver->queued, 1);
}

struct mio_job *mio_driver_take(struct mio_driver *driver)
{
	struct mio_job *batch = driver->first, **end = &driver->first;
	unsigned count = 0, queued = atomic_load(&driver->queued);

	if (queued <= driver->batch_max) {
		count = queued;
		end = driver->last;
	}
	while (*end && count < driver->batch_max) {
		end = &(*end)->next;
		count++;
	}
	if (count == 0)
		return NULL;
	driver->first = *end;
	*end = NULL;
	if (!driver->first)
		driver->last = &driver->first;
	atomic_fetch_sub(&driver->queued, count);
	return batch;
}

static unsigned count_jobs(const struct mio_job *jobs)
{
	unsigned count = 0;

	for (; jobs; jobs = jobs->next)
		count++;
	return count;
}

void mio_driver_run(struct mio_driver *driver, struct mio_job **jobs, unsigned *kept)
{
	*kept += count_jobs(*jobs);
	driver->run(driver->state, jobs);
	*kept -= count_jobs(*jobs);
}

static void job_home(struct mio *mio, struct mio_mail *mail)
{
	struct mio_job *job = container_of(mail, struct mio_job, mail);

	job->done(job);
}

/* One push for each home. */
void mio_jobs_done(struct mio_job *jobs)
{
	while (jobs) {
		struct mio *home = jobs->home;
		struct mio_job *job, **link = &jobs;
		struct mio_mail *first = &jobs->mail, *last = NULL;

		while ((job = *link)) {
			if (job->home != home) {
				link = &job->next;
				continue;
			}
			*link = job->next;
			job->mail.run = job_home;
			job->mail.bytes = 0;
			job->mail.from = home->worker;
			if (last)
				last->next = &job->mail;
			last = &job->mail;
		}
		mio_mail_push(home, MIO_CONTROL, first, last);
	}
}

/* What is answered and not heard is its owner's memory, and may be gone before the mailbox is looked at again. */
static void forget_answers(struct mio *mio, const struct mio_driver *driver)
{
	struct mio_mail *mail, *first = NULL, *last = NULL;

	while ((mail = mio_mail_take(mio, job_home))) {
		if (container_of(mail, struct mio_job, mail)->driver == driver)
			continue;
		if (last)
			last->next = mail;
		else
			first = mail;
		last = mail;
	}
	if (first)
		mio_mail_push(mio, MIO_CONTROL, first, last);
}

void mio_driver_free(struct mio_driver **taken)
{
	struct mio_driver *driver = *taken;
	struct mio_host *host = driver ? driver->host : NULL;

	*taken = NULL;
	if (!driver)
		return;
	host->backend->driver_free(driver);
	for (unsigned at = 0; at < host->workers; at++)
		forget_answers(host->loops[at], driver);
}
