/* SPDX-License-Identifier: MIT */
/*
 * Certificates as they change on disk.
 *
 *   every second: look (on a thread) - another stamp than that of the last look: wait for the next
 *                                    - another stamp than that of what is shown, twice: read it
 */
#include <string.h>
#include "base/mem.h"
#include "component/client_ca.h"
#include "component/component.h"
#include "component/tls_private.h"

enum { LOOK_MS = 1000, WARN_DAYS = 14 };

/* -- looking ------------------------------------------------------------------------------ */

static void add_path(void *arg, const char *path)
{
	buf_append(arg, path, strlen(path) + 1);
}

struct tls_look *tls_look_new(struct tls_store *store, const struct settings *settings)
{
	size_t count = store->is_router ? 1 : settings->domains.count;
	struct tls_look *look = mem_zalloc(MEM_TLS, sizeof(*look) + count * sizeof(look->names[0]));

	look->store = store;
	look->count = count;
	for (size_t at = 0; at < count; at++) {
		struct buf *paths = &look->names[at].paths;

		certificate_watch(settings,
				  store->is_router ? TLS_ROUTER : settings->domains.items[at],
				  add_path, paths);
		if (!store->is_router && *settings->tls.client_ca)
			add_path(paths, settings->tls.client_ca);
	}
	return look;
}

void tls_look_run(struct tls_look *look)
{
	for (size_t at = 0; at < look->count; at++) {
		struct slice paths = buf_slice(&look->names[at].paths);
		uint64_t stamp = 0;

		for (size_t from = 0; from < paths.len; from += strlen(paths.data + from) + 1)
			stamp = certificate_stamp(stamp, paths.data + from);
		look->names[at].stamp = stamp;
	}
}

void tls_look_free(struct tls_look **freed)
{
	struct tls_look *look = *freed;

	*freed = NULL;
	for (size_t at = 0; look && at < look->count; at++)
		buf_fini(&look->names[at].paths);
	mem_free(look);
}

static void run_look(void *state, struct mio_job **jobs)
{
	tls_look_run(container_of(*jobs, struct tls_look, job));
}

uint64_t tls_ca_stamp(const struct tls_store *store, const struct settings *settings)
{
	return store->is_router || !*settings->tls.client_ca
		       ? 0
		       : certificate_stamp(0, settings->tls.client_ca);
}

/* -- reading again ------------------------------------------------------------------------ */

static const struct log *log_of(const struct tls_store *store)
{
	return &store->process->workers[0]->log;
}

/*
 * Who came in by a certificate of the authorities of before shall not come back by a ticket; and where the certificate that is
 * shown has to stay, and with it those that it was loaded with, nobody is believed. One that cannot be used changes nothing.
 */
static void look_at_ca(struct tls_store *store)
{
	AUTO(buf_fini) struct buf why = {0};
	uint64_t stamp = tls_ca_stamp(store, store->settings);
	struct tls_set *set;

	if (stamp == store->set->ca_stamp || client_ca_check(store->settings, &why))
		return;
	set = tls_set_with(store->set, store->set->count, NULL);
	set->ca_stamp = stamp;
	tickets_turn(NULL, store->host, &set->tickets);
	tls_store_show(store, &set);
}

static bool believes(const struct tls_store *store, size_t at)
{
	return store->is_router || tls_shown_ca(store->set->shown[at]->context) == store->set->ca_stamp;
}

static void read_again(struct tls_store *store, size_t at)
{
	AUTO(buf_fini) struct buf note = {0};
	AUTO(buf_fini) struct buf why = {0};
	struct tls_entry *entry = &store->entries[at];
	struct tls_entry fresh = *entry;
	struct tls_loading loading = {.host = store->host,
				      .settings = store->settings,
				      .name = store->set->shown[at]->name,
				      .is_router = store->is_router,
				      .ca_stamp = store->set->ca_stamp,
				      .note = &note,
				      .why = &why};
	struct tls_shown *shown = NULL;
	struct tls_set *set;

	if (tls_shown_again(&loading, entry, &shown, &fresh)) {
		metric_add(store->process, METRIC_CERTIFICATES_REFUSED, 1);
		log_warn(log_of(store), "certificate of %s: %s; the one in use stays%s", loading.name, buf_text(&why),
			 believes(store, at) ? "" : ", and believes no client's certificate: tls.client_ca is another");
		return;
	}
	*entry = fresh;
	set = tls_set_with(store->set, at, &shown);
	tls_store_show(store, &set);
	metric_add(store->process, METRIC_CERTIFICATES_READ, 1);
	for (struct slice lines = buf_slice(&note); lines.len;) {
		struct slice line = slice_line(&lines);

		log_warn(log_of(store), "%.*s", (int)line.len, line.data);
	}
	log_info(log_of(store), "certificate of %s: read again, %lld days left",
		 store->set->shown[at]->name, (long long)tls_store_days(store, at));
}

static void compare(struct tls_store *store, const struct tls_look *look)
{
	for (size_t at = 0; at < look->count; at++) {
		struct tls_entry *entry = &store->entries[at];
		uint64_t stamp = look->names[at].stamp;
		bool stays = stamp == entry->seen;

		entry->seen = stamp;
		if (stamp == entry->stamp || !stays)
			continue;
		entry->stamp = stamp; /* whatever comes of it: it is said once */
		look_at_ca(store);
		read_again(store, at);
	}
}

static void looked(struct mio_job *job)
{
	struct tls_look *look = container_of(job, struct tls_look, job);
	struct tls_store *store = look->store;

	store->looking = NULL;
	if (look == store->look)
		compare(store, look);
	else
		tls_look_free(&look); /* a reload came between */
}

/* -- time --------------------------------------------------------------------------------- */

static void say_days(struct tls_store *store, size_t at, int64_t days)
{
	struct tls_entry *entry = &store->entries[at];
	const char *name = store->set->shown[at]->name;

	if (days >= WARN_DAYS || days == entry->said_days)
		return;
	entry->said_days = days;
	if (days < 0)
		log_error(log_of(store),
			  "certificate of %s: has expired: put a new one there, it is read at once",
			  name);
	else
		log_warn(log_of(store), "certificate of %s: %lld days left", name, (long long)days);
}

static void count_problems(struct tls_store *store)
{
	int64_t problems = 0;

	for (size_t at = 0; at < store->set->count; at++) {
		int64_t days = tls_store_days(store, at);

		problems += store->entries[at].problem || days < 0;
		say_days(store, at, days);
	}
	metric_add(store->process, METRIC_CERTIFICATE_PROBLEMS, problems - store->problems);
	store->problems = problems;
}

static void turn_tickets(struct tls_store *store, int64_t now_ms)
{
	struct tls_set *set;

	if (store->is_router || now_ms < store->turn_ms)
		return;
	store->turn_ms = now_ms + TICKETS_TURN_MS;
	set = tls_set_with(store->set, store->set->count, NULL);
	tickets_turn(&store->set->tickets, store->host, &set->tickets);
	tls_store_show(store, &set);
}

static void tick(struct mio_timer *timer)
{
	struct tls_store *store = container_of(timer, struct tls_store, timer);
	struct mio *mio = store->process->workers[0]->mio;

	count_problems(store);
	turn_tickets(store, mio_now_ms(mio));
	if (!store->looking) {
		store->looking = store->look;
		store->look->job.done = looked;
		mio_submit(mio, store->driver, &store->look->job);
	}
	mio_timer_set(mio, timer, LOOK_MS);
}

void tls_store_watch(struct tls_store *store, struct process *process)
{
	struct mio *mio = process->workers[0]->mio;

	if (!store)
		return;
	store->process = process;
	store->turn_ms = mio_now_ms(mio) + TICKETS_TURN_MS;
	store->driver = mio_driver_new(process->host, "certificates", 1, 1, run_look, NULL);
	mio_timer_init(&store->timer, tick);
	mio_timer_set(mio, &store->timer, 0);
}

void tls_store_stop(struct tls_store *store)
{
	if (!store || !store->process)
		return;
	mio_timer_stop(&store->timer);
	mio_driver_free(&store->driver);
	if (store->looking != store->look)
		tls_look_free(&store->looking);
	store->looking = NULL;
	store->process = NULL;
}
