/* SPDX-License-Identifier: MIT */
/* Starting, draining and ending the components of a process, in one order for all. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "component/component.h"
#include "mio/budget.h"
#include "component/quotas.h"
#include "component/tls.h"

enum { DRAIN_MAX_MS = 4000 /* all is over in 5 seconds */, DRAIN_LOOK_MS = 10, QUEUES_PART = 4 /* of the machine's memory */ };

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

static int open_storage(struct process *process, const struct settings *settings, struct buf *why)
{
	struct storage_options options = {
		.url = settings->storage.url,
		.dir = settings->data.dir,
		.durability = settings->storage.durability,
	};
	int rc;

	if (process->storage)
		return 0;
	rc = storage_open(process->host, &options, &process->storage, why);
	if (!rc)
		storage_watch(process->storage, storage_changed, process);
	return rc;
}

int process_open_storage(struct process *process, struct buf *why)
{
	return open_storage(process, process->workers[0]->settings, why);
}

static void make_secret(struct process *process, const uint8_t *secret)
{
	if (secret)
		memcpy(process->secret, secret, sizeof(process->secret));
	else
		mio_host_random(process->host, process->secret, sizeof(process->secret));
}

/*
 * What waits in all streams together: three quarters of the figure. The rest is for what is under way, c2s/client.c, and for the
 * holes that both leave in memory.
 */
static size_t queues_limit(const struct settings *settings, uint64_t memory)
{
	uint64_t asked = (uint64_t)settings->limits.memory;
	uint64_t limit = asked ? asked : memory / QUEUES_PART;

	return limit ? limit - limit / 4 : SIZE_MAX;
}

static int make_process(struct starting *starting, struct mio *mio)
{
	const struct process_options *options = starting->options;
	struct process *process = mem_zalloc(MEM_OTHER, sizeof(*process));

	starting->process = process;
	process->name = options->name;
	process->host = options->host;
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
	process->memory = options->memory;
	process->queues = budget_new(queues_limit(options->settings, options->memory));
	while (!process->epoch)
		mio_host_random(process->host, &process->epoch, sizeof(process->epoch));
	make_secret(process, options->secret);
	if (needs(options, true))
		process->hashing = auth_hashing_new(process->host, !*process->components);
	return needs(options, false) ? open_storage(process, options->settings, starting->why) : 0;
}

/* Its engine for logins, made or changed. */
static void set_auth(struct worker *worker)
{
	struct process *process = worker->process;
	const struct conf_list *names = &worker->settings->accounts.mechanisms;
	const char **mechanisms = mem_zalloc(MEM_CONF, (names->count + 1) * sizeof(*mechanisms));
	struct auth_options options = {.mechanisms = mechanisms, .plain_insecure = !worker->settings->tls.required};

	for (size_t at = 0; at < names->count; at++)
		mechanisms[at] = names->items[at];
	memcpy(options.secret, process->secret, sizeof(options.secret));
	if (worker->auth)
		auth_change(worker->auth, &options);
	else if (process->hashing)
		worker->auth = auth_new(worker->mio, process->hashing, &options);
	mem_wipe(options.secret, sizeof(options.secret));
	mem_free((void *)mechanisms);
}

static struct worker *make_worker(struct process *process, struct mio *mio,
				  const struct process_options *options)
{
	struct worker *worker = mem_zalloc(MEM_OTHER, sizeof(*worker));
	struct link_options link = {
		.shard_key = process->shard_key,
		.all = process->links,
		.workers = process->worker_count,
		.uplink = options->uplink,
		.epoch = process->epoch,
	};
	uint32_t generation;

	worker->process = process;
	worker->settings = options->settings;
	worker->mio = mio;
	worker->ring = log_ring_new(process->logs, mio_wall_clock(mio));
	worker->log = (struct log){worker->ring, process->name, NULL};
	worker->conns = conn_env_new(mio);
	budget_join(process->queues, conn_env_queues(worker->conns));
	worker->link = process->links[mio_worker(mio)] = link_new(mio, &link);
	set_auth(worker);
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
	worker = make_worker(process, mio, starting->options);
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

/* -- other settings --------------------------------------------------------------------------------- */

/* On its way to all workers; each piece of mail goes there and comes back. */
struct reloading {
	struct process *process;
	struct reload with;
	unsigned waits; /* for so many workers */
	struct arrival {
		struct mio_mail mail;
		struct reloading *of;
		struct worker *worker;
	} arrivals[];
};

static void take_settings(struct worker *worker, const struct settings *settings)
{
	const struct component *const *components = worker->process->components;

	worker->settings = settings;
	set_auth(worker);
	for (unsigned at = 0; components[at]; at++) {
		if (components[at]->reload)
			components[at]->reload(worker->states[at]);
	}
}

static void came_back(struct mio *mio, struct mio_mail *mail)
{
	struct arrival *arrival = container_of(mail, struct arrival, mail);
	struct reloading *reloading = arrival->of;
	struct process *process = reloading->process;
	struct reload with = reloading->with;

	if (--reloading->waits)
		return;
	quotas_settled(process->quotas);
	process->reloading = NULL;
	mem_free(reloading);
	with.done(with.arg);
}

static void settings_arrived(struct mio *mio, struct mio_mail *mail)
{
	struct arrival *arrival = container_of(mail, struct arrival, mail);
	struct reloading *reloading = arrival->of;

	take_settings(arrival->worker, reloading->with.settings);
	mail->run = came_back;
	mio_post(mio, reloading->process->workers[0]->mio, MIO_CONTROL, mail);
}

/* What the workers share is worker 0's to set; then it takes its own, and what it says of them later finds the others ready. */
bool process_reload(struct process *process, const struct reload *with)
{
	struct reloading *reloading;
	unsigned count = process->worker_count;

	if (process->reloading || atomic_load(&process->draining))
		return false;
	reloading = mem_zalloc(MEM_OTHER, sizeof(*reloading) + count * sizeof(reloading->arrivals[0]));
	reloading->process = process;
	reloading->with = *with;
	reloading->waits = count;
	process->reloading = reloading;
	quotas_set(process->quotas, with->settings);
	log_set_level(process->logs, (enum log_level)with->settings->log.level);
	log_set_format(process->logs, (enum log_format)with->settings->log.format);
	log_set_addresses(process->logs, (enum log_addresses)with->settings->log.addresses);
	budget_set(process->queues, queues_limit(with->settings, process->memory));
	take_settings(process->workers[0], with->settings);
	for (unsigned at = 0; at < count; at++) {
		struct arrival *arrival = &reloading->arrivals[at];

		arrival->of = reloading;
		arrival->worker = process->workers[at];
		arrival->mail.run = at ? settings_arrived : came_back;
		mio_post(process->workers[0]->mio, process->workers[at]->mio, MIO_CONTROL, &arrival->mail);
	}
	return true;
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
	for (uint32_t at = 0; (packet = slots_next(&worker->asked, &at));)
		packet_free(&packet);
	slots_fini(&worker->asked);
	auth_free(&worker->auth);
	link_free(&worker->link);
	/* They look through mail, some of which is embedded in what goes behind them. */
	tls_view_free(&worker->tls);
	tls_view_free(&worker->router_tls);
	conn_env_free(&worker->conns);
	for (unsigned at = count_components(worker->process); at-- > 0;)
		mem_free(worker->states[at]);
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
	mem_free(process->reloading);
	budget_free(&process->queues);
	quotas_free(&process->quotas);
	mem_wipe(process->secret, sizeof(process->secret));
	buf_fini(&process->listening);
	mem_free(process->links);
	mem_free(process->workers);
	mem_free(process);
}
