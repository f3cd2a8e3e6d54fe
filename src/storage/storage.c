/* SPDX-License-Identifier: MIT */
/* The storage thread: takes all that is queued, has the driver commit it once, answers. */
#include "storage/storage.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include "base/list.h"
#include "base/mem.h"
#include "mio/mio.h"
#include "storage/driver.h"
#include "storage/order.h"

enum {
	BATCH_MAX = 512, /* their answers come home in one turn, in which others wait, */
	BATCH_CROWDED = 40, BATCH_EARLY = 128, BATCH_WEIGHT = 2048, /* and when more do, it is to be their turn soon */
	BATCH_OLDEST = 64, /* come first when more come early than a batch takes: nobody waits for ever */
	CALM_MS = 3000, /* without a fault, until it is believed: a disk that is almost full takes
			   small things */
};

struct storage {
	const struct storage_driver *driver;
	struct storage_place place;
	struct buf path;
	struct mio_driver *thread;
	/* The storage thread's. */
	struct order order; /* of what is more than a batch, */
	unsigned most;	    /* which is so many then, */
	unsigned early_max; /* or as many as these, if they are of owners who had little, */
	unsigned batch_max; /* and never more than these; */
	unsigned oldest;    /* so many of which are those that wait longest */
	int64_t fault_ms;   /* when the last write failed */

	_Atomic unsigned kept; /* in order */
	atomic_int fault; /* 0: writes succeed */
	atomic_bool said; /* that they do not */
	storage_changed_fn *changed;
	void *changed_arg;
	atomic_uint_fast64_t batches, failures;

	pthread_mutex_t lock;
	struct list under_way; /* under the lock: transactions that are not answered yet */
	void *db;
};

static const struct storage_driver *const drivers[] = {&storage_sqlite, &storage_memory};

/* "sqlite:jackdaw.db" is the driver "sqlite" and the rest. */
static const struct storage_driver *find_driver(const char *url, const char **rest)
{
	for (size_t i = 0; i < countof(drivers); i++) {
		size_t len = strlen(drivers[i]->name);

		if (strncmp(url, drivers[i]->name, len) == 0 && url[len] == ':') {
			*rest = url + len + 1;
			return drivers[i];
		}
	}
	return NULL;
}

static void judge(struct storage *storage, int fault, bool wrote)
{
	int64_t now_ms = mio_host_now_ms(storage->place.host);

	if (fault) {
		storage->fault_ms = now_ms;
		atomic_store_explicit(&storage->fault, fault, memory_order_relaxed);
	} else if (wrote && now_ms - storage->fault_ms >= CALM_MS) {
		atomic_store_explicit(&storage->fault, 0, memory_order_relaxed);
	}
}

static void run_transactions(struct storage *storage, struct store_txn *batch)
{
	bool wrote = false;
	int rc = storage->driver->run(storage->db, batch);

	for (struct store_txn *txn = batch; txn; txn = txn->next) {
		wrote = wrote || txn->writes;
		if (txn->result)
			store_forget(txn);
	}
	judge(storage, rc, wrote);
	atomic_fetch_add_explicit(rc ? &storage->failures : &storage->batches, 1, memory_order_relaxed);
}

static void run_copy(struct storage *storage, struct store_txn *txn)
{
	const struct storage_driver *driver = storage->driver;

	if (*txn->copy)
		txn->result = driver->copy(storage->db, txn->copy, &txn->copied);
	else
		driver->copy_stop(storage->db);
}

static bool is_a_batch(const struct storage *storage, const struct mio_job *jobs)
{
	unsigned count = 0, weight = 0;

	for (const struct mio_job *job = jobs; job; job = job->next) {
		weight += store_weight(container_of(job, const struct store_txn, job));
		if (++count > storage->batch_max || weight > BATCH_WEIGHT)
			return false;
	}
	return true;
}

static unsigned next_most(const struct storage *storage)
{
	unsigned more = storage->most + storage->most / 8;

	if (storage->order.overtaken)
		more = BATCH_CROWDED;
	return more < storage->batch_max ? more : storage->batch_max;
}

static struct store_txn *take_next(struct storage *storage, unsigned count)
{
	struct order *order = &storage->order;

	if (count >= storage->most && (count >= storage->early_max || !order_is_early(order)))
		return NULL;
	return count < storage->oldest ? order_take_oldest(order) : order_take(order);
}

/*
 * In the place of what came now, what comes next. As long as some overtake others, the batches of these are small: whoever
 * comes next waits for one.
 */
static void choose(struct storage *storage, struct mio_job **jobs)
{
	struct order *order = &storage->order;
	struct store_txn *txn;
	struct mio_job **last = jobs, *next;
	unsigned weight = 0, count = 0;

	if (order_is_empty(order) && is_a_batch(storage, *jobs)) {
		order_calm(order);
		return;
	}
	for (struct mio_job *job = *jobs; job; job = next) {
		next = job->next;
		order_put(order, container_of(job, struct store_txn, job));
	}
	order->overtaken = false;
	while (weight < BATCH_WEIGHT && (txn = take_next(storage, count))) {
		*last = &txn->job;
		last = &txn->job.next;
		weight += store_weight(txn);
		count++;
	}
	*last = NULL;
	storage->oldest = order_is_early(order) ? BATCH_OLDEST : 0;
	storage->most = next_most(storage);
	atomic_store_explicit(&storage->kept, order->count, memory_order_relaxed);
}

/* A step of a copy comes behind the commit of what was chosen with it. */
static void run_batch(void *state, struct mio_job **jobs)
{
	struct store_txn *lists[2] = {NULL, NULL}, **last[2] = {&lists[0], &lists[1]};

	choose(state, jobs);
	for (struct mio_job *job = *jobs; job; job = job->next) {
		struct store_txn *txn = container_of(job, struct store_txn, job);
		bool is_copy = txn->copy != NULL;

		txn->next = NULL;
		*last[is_copy] = txn;
		last[is_copy] = &txn->next;
	}
	if (lists[false])
		run_transactions(state, lists[false]);
	for (struct store_txn *txn = lists[true]; txn; txn = txn->next)
		run_copy(state, txn);
}

/* The driver of the url, or NULL with a line; *path is what is behind the colon, within the data
 * directory. */
static const struct storage_driver *find_place(const struct storage_options *options,
					       struct buf *path, struct buf *why)
{
	const char *rest = NULL;
	const struct storage_driver *driver = find_driver(options->url, &rest);

	if (!driver) {
		buf_printf(why, "%s: no such storage, \"sqlite:FILE\" or \"memory:\" is wanted",
			   options->url);
		return NULL;
	}
	if (*rest && *rest != '/' && options->dir && *options->dir)
		buf_printf(path, "%s/", options->dir);
	buf_append_text(path, rest);
	return driver;
}

int storage_open(struct mio_host *host, const struct storage_options *options, struct storage **out,
		 struct buf *why)
{
	struct storage *storage = mem_zalloc(MEM_STORAGE, sizeof(*storage));
	struct hash_key seed;
	int rc;

	storage->driver = find_place(options, &storage->path, why);
	if (!storage->driver) {
		mem_free(storage);
		return -EINVAL;
	}
	storage->db = mem_zalloc(MEM_STORAGE, storage->driver->size);
	pthread_mutex_init(&storage->lock, NULL);
	list_init(&storage->under_way);
	storage->place = (struct storage_place){
		.host = host, .path = buf_text(&storage->path), .durability = options->durability};
	/* Before the thread exists, so that what is wrong is said early. */
	rc = storage->driver->open(storage->db, &storage->place, why);
	if (rc) {
		storage_close(&storage);
		return rc;
	}
	mio_host_random(host, &seed, sizeof(seed));
	order_init(&storage->order, seed);
	storage_set_batch(storage, BATCH_MAX);
	storage->thread = mio_driver_new(host, "storage", 1, UINT_MAX, run_batch, storage);
	*out = storage;
	return 0;
}

void storage_set_batch(struct storage *storage, unsigned most)
{
	storage->batch_max = storage->most = most;
	storage->early_max = most < BATCH_EARLY ? most : BATCH_EARLY;
}

int storage_restore(struct mio_host *host, const struct storage_options *options,
		    const struct storage_restore *restore, struct buf *kept, struct buf *why)
{
	AUTO(buf_fini) struct buf path = {0};
	const struct storage_driver *driver = find_place(options, &path, why);
	const struct storage_place place = {.host = host, .path = buf_text(&path)};

	if (!driver)
		return -EINVAL;
	if (driver->restore)
		return driver->restore(&place, restore, kept, why);
	buf_printf(why, "storage.url: %s: has no file that could be restored", options->url);
	return -EINVAL;
}

void storage_close(struct storage **taken)
{
	struct storage *storage = *taken;
	struct list *link;

	*taken = NULL;
	if (!storage)
		return;
	mio_driver_free(&storage->thread);
	order_fini(&storage->order);
	storage->driver->close(storage->db);
	while ((link = list_shift(&storage->under_way))) {
		struct store_txn *txn = container_of(link, struct store_txn, link);

		store_txn_free(&txn);
	}
	pthread_mutex_destroy(&storage->lock);
	buf_fini(&storage->path);
	mem_free(storage->db);
	mem_free(storage);
}

void storage_watch(struct storage *storage, storage_changed_fn *changed, void *arg)
{
	storage->changed = changed;
	storage->changed_arg = arg;
}

/* Once for all loops, whichever sees it first. */
static void tell_change(struct storage *storage, struct mio *mio)
{
	int fault = atomic_load_explicit(&storage->fault, memory_order_relaxed);
	bool said = atomic_load_explicit(&storage->said, memory_order_relaxed);

	if (said != (fault != 0) && storage->changed &&
	    atomic_compare_exchange_strong(&storage->said, &said, !said))
		storage->changed(storage->changed_arg, mio, fault);
}

static void answer(struct mio_job *job)
{
	struct store_txn *txn = container_of(job, struct store_txn, job);
	struct storage *storage = txn->storage;

	tell_change(storage, job->home);
	pthread_mutex_lock(&storage->lock);
	list_remove(&txn->link);
	pthread_mutex_unlock(&storage->lock);
	txn->done(txn->arg, txn->token, txn, txn->result);
	store_txn_free(&txn);
}

void storage_run(struct storage *storage, struct mio *mio, struct store_txn **taken,
		 storage_done_fn *done, void *arg, uint64_t token)
{
	struct store_txn *txn = *taken;

	*taken = NULL;
	txn->storage = storage;
	txn->done = done;
	txn->arg = arg;
	txn->token = token;
	txn->job.done = answer;
	pthread_mutex_lock(&storage->lock);
	list_append(&storage->under_way, &txn->link);
	pthread_mutex_unlock(&storage->lock);
	mio_submit(mio, storage->thread, &txn->job);
}

int storage_run_now(struct storage *storage, struct store_txn *txn)
{
	txn->next = NULL;
	run_transactions(storage, txn);
	return txn->result;
}

unsigned storage_waiting(const struct storage *storage)
{
	return mio_driver_queued(storage->thread) + atomic_load_explicit(&storage->kept, memory_order_relaxed);
}

uint64_t storage_batches(const struct storage *storage)
{
	return atomic_load_explicit(&storage->batches, memory_order_relaxed);
}

uint64_t storage_failures(const struct storage *storage)
{
	return atomic_load_explicit(&storage->failures, memory_order_relaxed);
}

int storage_fault(const struct storage *storage)
{
	return atomic_load_explicit(&storage->fault, memory_order_relaxed);
}

const char *storage_name(const struct storage *storage)
{
	return storage->driver->name;
}

uint64_t storage_held(const struct storage *storage)
{
	return storage->driver->held();
}
