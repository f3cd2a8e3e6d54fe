/* SPDX-License-Identifier: MIT */
/* Starting, draining and ending the components of a process, in one order for all. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "component/component.h"
#include "component/quotas.h"
#include "component/tls.h"

enum { DRAIN_MAX_MS = 3000, DRAIN_LOOK_MS = 10, QUEUES_PART = 4 /* of the machine's memory */ };

/* What start_worker() is given: the process is made on worker 0, so that it lives in its heap. */
struct starting {
	const struct process_options *options;
	struct process *process;
	struct buf *why;
};

/* Who opens the database answers others' questions for accounts too. */
static bool needs(const struct process_options *options, bool accounts)
{
	if (options->open_storage)
		return true;
	for (const struct component *const *at = options->components; *at; at++) {
		if ((*at)->uses_storage || (accounts && (*at)->uses_accounts))
			return true;
	}
	return false;
}

static unsigned count_components(const struct process *process)
{
	unsigned count = 0;

	while (process->components[count])
		count++;
	return count;
}

static void storage_changed(void *arg, struct mio *mio, int fault)
{
	const struct process *process = arg;
	const struct log *log = &process->workers[mio_worker(mio)]->log;

	if (fault)
		log_event(log, LOG_ERROR, &(struct log_event){"storage-failed", NULL, {{"reason", strerror(-fault)}}},
			  "storage fails: %s; stanzas that need it are refused", strerror(-fault));
	else
		log_event(log, LOG_INFO, &(struct log_event){.name = "storage-works"}, "storage works again");
}

int process_open_storage(struct process *process, struct buf *why)
{
	struct storage_options options = {
		.url = process->settings->storage.url,
		.dir = process->settings->data.dir,
		.durability = process->settings->storage.durability,
	};
	int rc;

	if (process->storage)
		return 0;
	rc = storage_open(process->host, &options, &process->storage, why);
	if (!rc)
		storage_watch(process->storage, storage_changed, process);
	return rc;
}

static void fill_auth_options(struct process *process, const uint8_t *secret)
{
	const struct conf_list *names = &process->settings->accounts.mechanisms;
	const char **mechanisms = mem_zalloc(MEM_CONF, (names->count + 1) * sizeof(*mechanisms));

	for (size_t at = 0; at < names->count; at++)
		mechanisms[at] = names->items[at];
	process->auth.mechanisms = mechanisms;
	process->auth.plain_insecure = !process->settings->tls.required;
	if (secret)
		memcpy(process->auth.secret, secret, sizeof(process->auth.secret));
	else
		mio_host_random(process->host, process->auth.secret, sizeof(process->auth.secret));
}

static struct conn_pool *new_queues(const struct process_options *options)
{
	uint64_t asked = (uint64_t)options->settings->limits.memory;
	uint64_t limit = asked ? asked : options->memory / QUEUES_PART;

	return limit ? conn_pool_new(limit) : NULL;
}

static int make_process(struct starting *starting, struct mio *mio)
{
	const struct process_options *options = starting->options;
	struct process *process = mem_zalloc(MEM_OTHER, sizeof(*process));

	starting->process = process;
	process->name = options->name;
	process->host = options->host;
	process->settings = options->settings;
	process->components = options->components;
	process->logs = options->logs;
	process->tls = options->tls;
	process->router_tls = options->router_tls;
	process->started_ms = mio_now_ms(mio);
	process->worker_count = options->workers;
	process->links = mem_zalloc(MEM_OTHER, options->workers * sizeof(struct link *));
	process->workers = mem_zalloc(MEM_OTHER, options->workers * sizeof(struct worker *));
	/* Users are spread anew at each start: no state is kept by worker. */
	process->shard_key = mio_hash_key(mio);
	process->quotas = quotas_new(options->settings, mio_hash_key(mio), options->descriptors);
	process->queues = new_queues(options);
	while (!process->epoch)
		mio_host_random(process->host, &process->epoch, sizeof(process->epoch));
	fill_auth_options(process, options->secret);
	if (needs(options, true))
		process->hashing = auth_hashing_new(process->host, !*process->components);
	return needs(options, false) ? process_open_storage(process, starting->why) : 0;
}

static struct worker *make_worker(struct process *process, struct mio *mio, bool uplink)
{
	struct worker *worker = mem_zalloc(MEM_OTHER, sizeof(*worker));
	struct link_options link = {
		.shard_key = process->shard_key,
		.all = process->links,
		.workers = process->worker_count,
		.uplink = uplink,
		.epoch = process->epoch,
	};
	uint32_t generation;

	worker->process = process;
	worker->mio = mio;
	worker->ring = log_ring_new(process->logs, mio_wall_clock(mio));
	worker->log = (struct log){worker->ring, process->name, NULL};
	worker->conns = conn_env_new(mio);
	if (process->queues)
		conn_pool_join(process->queues, worker->conns);
	worker->link = process->links[mio_worker(mio)] = link_new(mio, &link);
	if (process->hashing)
		worker->auth = auth_new(mio, process->hashing, &process->auth);
	worker->tls = tls_view_new(process->tls, mio);
	worker->router_tls = tls_view_new(process->router_tls, mio);
	mio_random(mio, &generation, sizeof(generation));
	slots_init(&worker->asked, (uint8_t)mio_worker(mio), generation);
	worker->states = mem_zalloc(MEM_OTHER, count_components(process) * sizeof(void *));
	process->workers[mio_worker(mio)] = worker;
	return worker;
}

static int start_worker(struct mio *mio, void *arg)
{
	struct starting *starting = arg;
	struct process *process;
	struct worker *worker;
	bool ack = false;
	int rc = mio_worker(mio) ? 0 : make_process(starting, mio);

	if (rc)
		return rc;
	process = starting->process;
	worker = make_worker(process, mio, starting->options->uplink);
	for (unsigned at = 0; process->components[at]; at++) {
		const struct component *component = process->components[at];

		worker->states[at] = mem_zalloc(MEM_OTHER, component->size);
		rc = component->start ? component->start(worker->states[at], worker, starting->why) : 0;
		if (rc)
			return rc;
		ack = ack || component->declares_ack;
	}
	if (starting->options->uplink && !mio_worker(mio))
		return uplink_new(worker, ack, &worker->uplink, starting->why);
	return 0;
}

int process_start(const struct process_options *options, struct process **process, struct buf *why)
{
	struct starting starting = {options, NULL, why};
	int rc = mio_host_start(options->host, options->workers, start_worker, &starting);

	if (rc) {
		if (!buf_used(why))
			buf_printf(why, "cannot start: %s", strerror(-rc));
		process_free(&starting.process);
		return rc;
	}
	*process = starting.process;
	tls_store_watch((*process)->tls, *process);
	tls_store_watch((*process)->router_tls, *process);
	for (unsigned at = 0; at < options->workers; at++)
		worker_ready_changed((*process)->workers[at]);
	return 0;
}

void *worker_state(const struct worker *worker, const struct component *component)
{
	for (unsigned at = 0; worker->process->components[at]; at++) {
		if (worker->process->components[at] == component)
			return worker->states[at];
	}
	return NULL;
}

/* -- ready ------------------------------------------------------------------------------------------ */

static bool is_ready(const struct worker *worker, struct buf *why)
{
	const struct component *const *components = worker->process->components;

	for (unsigned at = 0; components[at]; at++) {
		if (components[at]->ready && !components[at]->ready(worker->states[at], why))
			return false;
	}
	if (!worker->uplink || uplink_is_bound(worker->uplink))
		return true;
	buf_append_text(why, "the router is out of reach");
	return false;
}

bool process_works(const struct process *process, struct buf *why)
{
	if (atomic_load(&process->draining))
		buf_append_text(why, "it stops");
	else if (is_ready(process->workers[0], why) && atomic_load(&process->ready) < process->worker_count)
		buf_append_text(why, "it starts");
	return !buf_used(why);
}

static void all_ready(struct mio *mio, struct mio_mail *mail)
{
	struct worker *worker = container_of(mail, struct worker, ready_mail);

	if (worker->process->on_ready)
		worker->process->on_ready(worker->process, worker->process->on_ready_arg);
}

void worker_ready_changed(struct worker *worker)
{
	AUTO(buf_fini) struct buf why = {0};
	struct process *process = worker->process;

	if (worker->is_ready || !is_ready(worker, &why))
		return;
	worker->is_ready = true;
	if (atomic_fetch_add(&process->ready, 1) + 1 < process->worker_count)
		return;
	worker->ready_mail.run = all_ready;
	mio_post(worker->mio, process->workers[0]->mio, MIO_CONTROL, &worker->ready_mail);
}

/* -- the end ---------------------------------------------------------------------------------------- */

static bool is_drained(const struct worker *worker)
{
	const struct component *const *components = worker->process->components;

	for (unsigned at = 0; components[at]; at++) {
		if (components[at]->drained && !components[at]->drained(worker->states[at]))
			return false;
	}
	return true;
}

static void look_drained(struct mio_timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, drain_timer);

	if (!is_drained(worker) && mio_now_ms(worker->mio) < worker->drain_until_ms) {
		mio_timer_set(worker->mio, timer, DRAIN_LOOK_MS);
		return;
	}
	if (atomic_fetch_sub(&worker->process->draining, 1) == 1)
		mio_host_stop(worker->process->host);
}

/* Those that let work in stand last in the list and are stopped first. */
static void drain_worker(struct mio *mio, struct mio_mail *mail)
{
	struct worker *worker = container_of(mail, struct worker, drain_mail);
	const struct component *const *components = worker->process->components;

	for (unsigned at = count_components(worker->process); at-- > 0;) {
		if (components[at]->drain)
			components[at]->drain(worker->states[at]);
	}
	worker->drain_until_ms = mio_now_ms(mio) + DRAIN_MAX_MS;
	mio_timer_init(&worker->drain_timer, look_drained);
	mio_timer_set(mio, &worker->drain_timer, DRAIN_LOOK_MS);
}

void process_drain(struct process *process)
{
	unsigned none = 0;

	if (!atomic_compare_exchange_strong(&process->draining, &none, process->worker_count))
		return;
	for (unsigned at = 0; at < process->worker_count; at++) {
		struct worker *worker = process->workers[at];

		worker->drain_mail.run = drain_worker;
		mio_post(process->workers[0]->mio, worker->mio, MIO_CONTROL, &worker->drain_mail);
	}
}

static void stop_worker(struct worker *worker)
{
	const struct component *const *components = worker->process->components;

	for (unsigned at = count_components(worker->process); at-- > 0;) {
		if (worker->states[at] && components[at]->stop)
			components[at]->stop(worker->states[at]);
	}
	uplink_free(&worker->uplink);
	conn_env_reap(worker->conns);
}

static void free_worker(struct worker **taken)
{
	struct worker *worker = *taken;
	struct packet *packet;

	*taken = NULL;
	for (unsigned at = count_components(worker->process); at-- > 0;)
		mem_free(worker->states[at]);
	for (uint32_t at = 0; (packet = slots_next(&worker->asked, &at));)
		packet_free(&packet);
	slots_fini(&worker->asked);
	auth_free(&worker->auth);
	link_free(&worker->link);
	conn_env_free(&worker->conns);
	tls_view_free(&worker->tls);
	tls_view_free(&worker->router_tls);
	log_ring_free(&worker->ring);
	mem_free(worker->states);
	mem_free(worker);
}

void process_free(struct process **taken)
{
	struct process *process = *taken;

	*taken = NULL;
	if (!process)
		return;
	for (unsigned at = 0; at < process->worker_count && process->workers[at]; at++)
		link_stop(process->workers[at]->link);
	/* Threads that answer to the loops end before what they would answer to. */
	mio_driver_free(&process->hashing);
	tls_store_stop(process->tls);
	tls_store_stop(process->router_tls);
	storage_close(&process->storage);
	/* Connections borrow options from the component that accepted them, on the worker that did: all go first. */
	for (unsigned at = 0; at < process->worker_count && process->workers[at]; at++)
		stop_worker(process->workers[at]);
	for (unsigned at = 0; at < process->worker_count && process->workers[at]; at++)
		free_worker(&process->workers[at]);
	conn_pool_free(&process->queues);
	quotas_free(&process->quotas);
	mem_free((void *)process->auth.mechanisms);
	mem_wipe(process->auth.secret, sizeof(process->auth.secret));
	buf_fini(&process->listening);
	mem_free(process->links);
	mem_free(process->workers);
	mem_free(process);
}
