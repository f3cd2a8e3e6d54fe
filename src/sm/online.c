/* SPDX-License-Identifier: MIT */
/* user online: the accounts that have a session, of all workers. */
#include <string.h>
#include "base/mem.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/errand.h"

/* What one worker has: names are in the out of its errand, a line each. */
struct count {
	struct errand errand;
	uint64_t limit, users;
};

/* Of all workers, kept with the call. */
struct total {
	unsigned left; /* workers that are not done */
	uint64_t limit, users;
	struct buf names;
};

static void count_free(struct errand *errand)
{
	mem_free(container_of(errand, struct count, errand));
}

static void total_free(void *state)
{
	struct total *total = state;

	buf_fini(&total->names);
	mem_free(total);
}

/* -- on a worker -- */

/* Who has several sessions is met with the first of them. */
static void count_users(struct errand *errand, struct user *nobody)
{
	struct count *own = container_of(errand, struct count, errand);
	const struct session *session;

	for (uint32_t at = 0; (session = slots_next(&errand->sm->sessions, &at));) {
		const struct user *user = session->user;

		if (user->anonymous || user_next_session(user, NULL) != session)
			continue;
		if (own->users++ < own->limit)
			buf_printf(&errand->out, "%s\n", jid_text(user->jid));
	}
	errand_end(errand, CTL_OK);
}

/* -- at home -- */

static void print(struct total *total, struct ctl_call *call)
{
	struct slice rest = buf_slice(&total->names);
	AUTO(buf_fini) struct buf json = {0};

	buf_printf(&json, "{\"online\": %llu, \"accounts\": [", (unsigned long long)total->users);
	for (uint64_t at = 0; rest.len && at < total->limit; at++) {
		struct slice name = slice_line(&rest);

		buf_append_text(&json, at ? ", " : "");
		ctl_json_text(&json, name);
		if (!ctl_wants_json(call))
			ctl_print(call, "%.*s", (int)name.len, name.data);
	}
	if (ctl_wants_json(call))
		ctl_print(call, "%s]}", buf_text(&json));
}

static void counted(struct errand *errand, struct ctl_call *call)
{
	struct total *total = ctl_kept(call);

	total->users += container_of(errand, struct count, errand)->users;
	buf_append_slice(&total->names, buf_slice(&errand->out));
	if (--total->left)
		return;
	print(total, call);
	ctl_end(call, CTL_OK);
}

static void ask_workers(struct process *process, struct ctl_call *call, uint64_t limit)
{
	struct total *total = mem_zalloc(MEM_OTHER, sizeof(*total));

	total->left = process->worker_count;
	total->limit = limit;
	ctl_keep(call, total, total_free);
	for (unsigned worker = 0; worker < process->worker_count; worker++) {
		struct count *own = mem_zalloc(MEM_OTHER, sizeof(*own));

		errand_init(&own->errand, process, call, count_free);
		own->errand.home = counted;
		own->limit = limit;
		errand_go_worker(&own->errand, worker, count_users);
	}
}

void online_run(void *arg, struct ctl_call *call)
{
	const char *word = ctl_arg(call, 0);
	uint64_t limit = UINT64_MAX;

	if (!command_begins(arg, call, word != NULL, "at most a limit is wanted: jackdaw user online limit=100"))
		return;
	if (word && (strncmp(word, "limit=", 6) != 0 || !slice_to_u64(slice_of(word + 6), &limit))) {
		ctl_error(call, "%s is no limit=NUMBER", word);
		ctl_end(call, CTL_USAGE);
		return;
	}
	ask_workers(arg, call, limit);
}
