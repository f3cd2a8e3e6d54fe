/* SPDX-License-Identifier: MIT */
/* status and memory: figures of the process, for people or as JSON. */
#include "run/status.h"

#include <string.h>
#include "base/mem.h"
#include "component/component.h"
#include "component/figures.h"
#include "component/tls.h"
#include "ctl/ctl.h"
#include "run/resident.h"
#include "storage/storage.h"

/* A fact in both forms: `name value` a line, or members of one JSON object. */
struct facts {
	struct ctl_call *call;
	struct buf json;
};

static void say_text(struct facts *facts, const char *name, const char *text)
{
	if (!ctl_wants_json(facts->call)) {
		ctl_print(facts->call, "%-18s %s", name, text);
		return;
	}
	buf_append_text(&facts->json, buf_used(&facts->json) ? ", " : "{");
	ctl_json_text(&facts->json, slice_of(name));
	buf_append_text(&facts->json, ": ");
	ctl_json_text(&facts->json, slice_of(text));
}

static void say_number(struct facts *facts, const char *name, int64_t number, const char *unit)
{
	if (!ctl_wants_json(facts->call)) {
		ctl_print(facts->call, "%-18s %lld%s", name, (long long)number, unit);
		return;
	}
	buf_append_text(&facts->json, buf_used(&facts->json) ? ", " : "{");
	ctl_json_text(&facts->json, slice_of(name));
	buf_printf(&facts->json, ": %lld", (long long)number);
}

static void end_facts(struct facts *facts)
{
	if (ctl_wants_json(facts->call))
		ctl_print(facts->call, "%s}", buf_text(&facts->json));
	buf_fini(&facts->json);
	ctl_end(facts->call, CTL_OK);
}

static void say_parts(struct facts *facts, const struct process *process)
{
	AUTO(buf_fini) struct buf parts = {0};
	AUTO(buf_fini) struct buf listening = {0};

	for (const struct component *const *at = process->components; *at; at++)
		buf_printf(&parts, "%s%s", buf_used(&parts) ? " " : "", (*at)->name);
	buf_append(&listening, process->listening.data + process->listening.start,
		   process->listening.len - process->listening.start);
	while (buf_used(&listening) && strchr(", ", buf_text(&listening)[buf_used(&listening) - 1]))
		listening.len--;
	say_text(facts, "parts", buf_text(&parts));
	say_text(facts, "listening", buf_text(&listening));
}

/* A figure, or those of one label of it, while it is added up: the rest of its labels is for
 * /metrics. */
struct sum {
	struct facts *facts;
	const struct figure *figure; /* NULL: none yet */
	const char *apart;
	int64_t value;
};

static void say_sum(const struct sum *sum)
{
	AUTO(buf_fini) struct buf name = {0};

	if (!sum->figure)
		return;
	buf_printf(&name, "%s%s%s", sum->figure->status, sum->apart ? "_" : "",
		   sum->apart ? sum->apart : "");
	say_number(sum->facts, buf_text(&name), sum->value, "");
}

/* Whole days that each certificate is valid for. */
static void say_certificates(struct facts *facts, const struct tls_store *store)
{
	AUTO(buf_fini) struct buf days = {0};
	bool json = ctl_wants_json(facts->call);

	if (!store)
		return;
	for (size_t at = 0; at < tls_store_count(store); at++) {
		buf_append_text(&days, at ? ", " : "");
		if (json)
			ctl_json_text(&days, slice_of(tls_store_name(store, at)));
		else
			buf_append_text(&days, tls_store_name(store, at));
		buf_printf(&days, "%s%lld", json ? ": " : " ", (long long)tls_store_days(store, at));
	}
	if (json)
		buf_printf(&facts->json, ", \"certificate_days\": {%s}", buf_text(&days));
	else
		say_text(facts, "certificate_days", buf_text(&days));
}

static void add_figure(void *to, const struct figure_sample *sample)
{
	const char *apart = sample->figure->apart ? sample->values[0] : NULL;
	struct sum *sum = to;

	if (!sample->figure->status)
		return;
	if (sum->figure != sample->figure || sum->apart != apart) {
		say_sum(sum);
		*sum = (struct sum){sum->facts, sample->figure, apart, 0};
	}
	sum->value += sample->value;
}

static void say_figures(struct facts *facts, const struct process *process)
{
	struct sum sum = {.facts = facts};

	figures_tell(process, add_figure, &sum);
	say_sum(&sum);
	if (process->storage)
		say_text(facts, "storage", storage_name(process->storage));
}

/* Of the mechanisms of the file those that a domain cannot offer, for want of keys. */
static void say_not_offered(struct facts *facts, const struct process *process,
			    const struct store_txn *txn)
{
	const struct settings *settings = process->workers[0]->settings;
	const size_t *asked = ctl_kept(facts->call); /* there may be more domains by now */
	AUTO(buf_fini) struct buf text = {0};

	for (size_t domain = 0; domain < *asked; domain++) {
		unsigned offered = auth_census(txn, (unsigned)domain * AUTH_HASHES);

		for (unsigned hash = 0; hash < AUTH_HASHES; hash++)
			if (!(offered & 1u << hash) &&
			    settings_offers(settings, auth_hash_mechanism((enum auth_hash)hash)))
				buf_printf(&text, "%s%s at %s", buf_used(&text) ? ", " : "",
					   auth_hash_mechanism((enum auth_hash)hash),
					   settings->domains.items[domain]);
	}
	say_text(facts, "not_offered", buf_used(&text) ? buf_text(&text) : "");
}

/* txn: what accounts have; NULL: another part knows. */
static void say_status(const struct process *process, struct ctl_call *call,
		       const struct store_txn *txn)
{
	struct facts facts = {.call = call};
	bool ready = atomic_load(&process->ready) == process->worker_count;

	say_text(&facts, "version", JACKDAW_VERSION);
	say_text(&facts, "name", process->name);
	say_text(&facts, "state",
		 atomic_load(&process->draining) ? "stopping"
		 : ready			 ? "ready"
						 : "starting");
	say_parts(&facts, process);
	say_figures(&facts, process);
	say_certificates(&facts, process->tls);
	if (txn)
		say_not_offered(&facts, process, txn);
	end_facts(&facts);
}

static void counted(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	const struct process *process = arg;
	struct ctl_call *call = ctl_call(process->ctl, token);

	if (call)
		say_status(process, call, result ? NULL : txn);
}

static void status(void *arg, struct ctl_call *call)
{
	struct process *process = arg;
	const struct conf_list *domains = &process->workers[0]->settings->domains;
	struct store_txn *txn;
	size_t *asked;

	if (!process->storage) {
		say_status(process, call, NULL);
		return;
	}
	txn = store_txn_new();
	asked = mem_alloc(MEM_OTHER, sizeof(*asked));
	*asked = domains->count;
	ctl_keep(call, asked, mem_free);
	for (size_t domain = 0; domain < *asked; domain++)
		auth_census_ask(txn, slice_of(domains->items[domain]));
	storage_run(process->storage, process->workers[0]->mio, &txn, counted, process,
		    ctl_id(call));
}

static void say_bytes(struct facts *facts, const char *name, uint64_t bytes)
{
	say_number(facts, name, (int64_t)bytes, " bytes");
}

/* What the heaps do not hold. */
static void say_outside(struct facts *facts, const struct process *process, const struct heap_usage *heaps)
{
	uint64_t sqlite = process->storage ? storage_held(process->storage) : 0;
	uint64_t known = sqlite + heaps->bytes[MEM_OPENSSL] + heaps->system_bytes - heaps->chunk_bytes;
	struct resident resident;

	resident_read(&resident);
	say_bytes(facts, "sqlite", sqlite);
	say_bytes(facts, "other libraries", resident.allocator > known ? resident.allocator - known : 0);
	say_bytes(facts, "free in libraries", resident.allocator_free);
	say_bytes(facts, "program and files", resident.files);
	say_bytes(facts, "all of these",
		  heaps->chunk_bytes + resident.allocator + resident.allocator_free + resident.files);
	say_bytes(facts, "resident (PSS)", resident.all);
}

static void memory(void *arg, struct ctl_call *call)
{
	const struct process *process = arg;
	struct facts facts = {.call = call};
	struct heap_usage usage;
	uint64_t used = 0;

	mio_host_usage(mio_host_of(process->workers[0]->mio), &usage);
	for (unsigned kind = 0; kind < MEM_KINDS; kind++) {
		say_bytes(&facts, mem_kind_name((enum mem_kind)kind), usage.bytes[kind]);
		used += kind == MEM_OPENSSL ? 0 : usage.bytes[kind];
	}
	say_bytes(&facts, "free in heaps", usage.system_bytes - used);
	say_outside(&facts, process, &usage);
	say_number(&facts, "calls to the system", (int64_t)usage.system_calls, "");
	say_number(&facts, "allocations", (int64_t)usage.allocations, "");
	end_facts(&facts);
}

static const struct ctl_command commands[] = {
	{"status", "", "says how the server is", "jackdaw status --json", CTL_NOTHING, status},
	{"memory", "", "says who holds what, in bytes", "jackdaw memory", CTL_NOTHING, memory},
	{.name = NULL},
};

void status_commands(struct ctl *ctl, struct process *process)
{
	ctl_add(ctl, commands, process);
}
