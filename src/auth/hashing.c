/* SPDX-License-Identifier: MIT */
/* The hashing driver: PBKDF2 costs milliseconds and never runs on a loop. */
#include "auth/hashing.h"

#include <unistd.h>
#include "auth/keys.h"
#include "base/mem.h"

static void free_job(struct hash_job *job)
{
	mem_wipe(job->password, job->password_len);
	auth_account_wipe(&job->account);
	mem_free(job);
}

static void run_job(struct hash_job *job)
{
	AUTO(buf_wipe) struct buf prepared = {0};

	job->good =
		auth_prepare_password((struct slice){job->password, job->password_len}, &prepared);
	mem_wipe(job->password, job->password_len);
	for (unsigned hash = 0; hash < AUTH_HASHES && job->good; hash++)
		if (job->account.keys[hash].present)
			auth_key_derive((enum auth_hash)hash, buf_slice(&prepared),
					&job->account.keys[hash]);
}

static void run_jobs(void *state, struct mio_job **jobs)
{
	for (struct mio_job *job = *jobs; job; job = job->next)
		run_job(container_of(job, struct hash_job, job));
}

struct mio_driver *auth_hashing_new(struct mio_host *host, bool all_cores)
{
	long threads = sysconf(_SC_NPROCESSORS_ONLN) / (all_cores ? 1 : 2);

	struct mio_driver *driver = mio_driver_new(
		host, "hashing", threads > 1 ? (unsigned)threads : 1, 1, run_jobs, NULL);

	if (!all_cores)
		mio_driver_give_way(driver);
	return driver;
}

void hashing_init(struct hashing *hashing, struct mio *mio, struct mio_driver *driver)
{
	*hashing = (struct hashing){.mio = mio, .driver = driver};
	list_init(&hashing->jobs);
}

void hashing_fini(struct hashing *hashing)
{
	struct list *link;

	while ((link = list_shift(&hashing->jobs))) {
		struct hash_job *job = container_of(link, struct hash_job, link);

		mio_undefer(hashing->mio, &job->refusal);
		free_job(job);
	}
}

struct hash_job *hash_job_new(struct slice password, void (*finished)(struct hash_job *job),
			      void *arg)
{
	size_t len = password.len <= AUTH_PASSWORD_MAX ? password.len
						       : 0; /* none is not allowed either */
	struct hash_job *job = mem_zalloc(MEM_SASL, sizeof(*job) + len);

	job->finished = finished;
	job->arg = arg;
	job->password_len = len;
	if (len)
		memcpy(job->password, password.data, len);
	list_init(&job->link);
	return job;
}

static void finish(struct hash_job *job)
{
	list_remove(&job->link);
	if (!job->forgotten)
		job->finished(job);
	free_job(job);
}

static void done(struct mio_job *mio_job)
{
	finish(container_of(mio_job, struct hash_job, job));
}

static void refuse(struct mio_task *task)
{
	finish(container_of(task, struct hash_job, refusal));
}

/*
 * One place may have as many waiting, on each worker, as there is room left for others. So some is left for who comes from
 * elsewhere, however many workers and however greedy: one that comes when it has none waiting needs room for one.
 */
static bool has_room(const struct hashing *hashing, uint64_t place)
{
	unsigned queued = mio_driver_queued(hashing->driver), waiting = 0;

	if (queued >= HASHING_QUEUE_MAX || !place)
		return queued < HASHING_QUEUE_MAX;
	for (const struct list *at = hashing->jobs.next; at != &hashing->jobs; at = at->next) {
		const struct hash_job *job = container_of(at, const struct hash_job, link);

		waiting += job->place == place && !job->refused;
		if (waiting >= HASHING_QUEUE_MAX - queued)
			return false;
	}
	return true;
}

void hash_job_start(struct hashing *hashing, struct hash_job **taken)
{
	struct hash_job *job = *taken;

	*taken = NULL;
	job->refused = !has_room(hashing, job->place);
	list_append(&hashing->jobs, &job->link);
	if (job->refused) {
		job->refusal.run = refuse;
		mio_defer(hashing->mio, &job->refusal);
		return;
	}
	job->job.done = done;
	mio_submit(hashing->mio, hashing->driver, &job->job);
}
