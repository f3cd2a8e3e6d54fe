/* SPDX-License-Identifier: MIT */
#include "run/observe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "component/component.h"
#include "component/figures.h"
#include "conn/web.h"
#include "ctl/ctl.h"

enum { PROBE_AGAIN_MS = 1000, STUCK_MS = 5000 };

struct observe {
	struct process *process;
	struct web *web;
	int64_t proven_ms; /* when storage took something last */
	bool proven;	   /* it did */
};

/* -- /metrics
 * -------------------------------------------------------------------------------------- */

static void show_metrics(struct observe *observe, uint64_t id)
{
	AUTO(buf_fini) struct buf text = {0};
	struct openmetrics openmetrics = {.out = &text};

	figures_tell(observe->process, openmetrics_sample, &openmetrics);
	openmetrics_end(&openmetrics);
	process_ask_workers(observe->process);
	web_answer(observe->web, id, 200, OPENMETRICS_TYPE, buf_slice(&text));
}

/* -- /health
 * --------------------------------------------------------------------------------------- */

static void say_health(struct observe *observe, uint64_t id, struct slice trouble)
{
	AUTO(buf_fini) struct buf text = {0};

	buf_printf(&text, "{\"status\": \"%s\"", trouble.len ? "fail" : "ok");
	if (trouble.len) {
		buf_append_text(&text, ", \"reason\": ");
		ctl_json_text(&text, trouble);
	}
	buf_append_text(&text, "}\n");
	web_answer(observe->web, id, trouble.len ? 503 : 200, "application/json", buf_slice(&text));
}

static void probed(void *arg, uint64_t id, const struct store_txn *txn, int result)
{
	struct observe *observe = arg;
	int fault = result < 0 ? result : storage_fault(observe->process->storage);
	AUTO(buf_fini) struct buf trouble = {0};

	observe->proven = !fault;
	observe->proven_ms = mio_now_ms(observe->process->workers[0]->mio);
	if (fault)
		buf_printf(&trouble, "storage fails: %s", strerror(-fault));
	say_health(observe, id, buf_slice(&trouble));
}

/* Whether something can be stored is known when something was: a row that means nothing. */
static void probe_storage(struct observe *observe, uint64_t id)
{
	struct process *process = observe->process;
	struct store_txn *txn = store_txn_new();

	store_put(txn, STORE_SERVER, SLICE(""), SLICE("probe"), SLICE("1"));
	storage_run(process->storage, process->workers[0]->mio, &txn, probed, observe, id);
}

static bool is_proven(const struct observe *observe)
{
	return observe->proven && !storage_fault(observe->process->storage) &&
	       mio_now_ms(observe->process->workers[0]->mio) - observe->proven_ms < PROBE_AGAIN_MS;
}

static bool workers_live(const struct process *process, struct buf *why)
{
	for (unsigned at = 0; at < process->worker_count; at++) {
		if (worker_lag_ms(process->workers[at]) < STUCK_MS)
			continue;
		buf_printf(why, "worker %u does not answer", at);
		return false;
	}
	return true;
}

static void show_health(struct observe *observe, uint64_t id)
{
	struct process *process = observe->process;
	AUTO(buf_fini) struct buf trouble = {0};
	bool works = process_works(process, &trouble) && workers_live(process, &trouble);

	process_ask_workers(process);
	if (works && process->storage && !is_proven(observe))
		probe_storage(observe, id);
	else
		say_health(observe, id, buf_slice(&trouble));
}

/* -- requests
 * -------------------------------------------------------------------------------------- */

static void asked(void *arg, uint64_t id, struct slice path)
{
	struct observe *observe = arg;

	if (slice_is(path, "/metrics"))
		show_metrics(observe, id);
	else if (slice_is(path, "/health"))
		show_health(observe, id);
	else
		web_answer(observe->web, id, 404, "text/plain; charset=utf-8",
			   SLICE("/metrics or /health\n"));
}

/* Only storage is waited for. */
static void late(void *arg, uint64_t id)
{
	struct observe *observe = arg;

	observe->proven = false;
	say_health(observe, id, SLICE("storage does not answer"));
}

static const struct web_handler handler = {.asked = asked, .late = late};

/* -- listening
 * ------------------------------------------------------------------------------------- */

static int listen_on(struct observe *observe, const char *text, bool may_fail, struct buf *why)
{
	struct process *process = observe->process;
	const char *address;
	int rc = web_listen(observe->web, text, &address);

	if (!rc) {
		buf_printf(&process->listening, "metrics %s, ", address);
		return 0;
	}
	if (rc == -EADDRINUSE && may_fail) {
		log_event(&process->workers[0]->log, LOG_WARN,
			  &(struct log_event){"metrics-taken", NULL, {{"listen", text}}},
			  "metrics.listen: %s is in use, by another part if it reads the same "
			  "file: this one has no metrics; "
			  "give each its own, such as \"%s %s\"",
			  text, process->name, text);
		return 0;
	}
	buf_printf(why, "metrics.listen: cannot listen on %s: %s", text, strerror(-rc));
	return rc;
}

int observe_new(struct process *process, struct observe **out, struct buf *why)
{
	const struct conf_list *entries = &process->workers[0]->settings->metrics.listen;
	bool alone = strcmp(process->name, "run") != 0;
	struct observe *observe;
	int rc = 0;

	if (!entries->count)
		return 0;
	observe = *out = mem_zalloc(MEM_OTHER, sizeof(*observe));
	observe->process = process;
	observe->web = web_new(process->workers[0]->mio, &handler, observe);
	for (size_t at = 0; !rc && at < entries->count; at++) {
		struct slice name;
		const char *address = settings_metrics_address(entries->items[at], &name);

		if (!name.len || slice_is(name, process->name))
			rc = listen_on(observe, address, alone && !name.len, why);
	}
	process_ask_workers(process);
	return rc;
}

void observe_free(struct observe **taken)
{
	struct observe *observe = *taken;

	*taken = NULL;
	if (!observe)
		return;
	web_free(&observe->web);
	mem_free(observe);
}
