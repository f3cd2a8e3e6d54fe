/* SPDX-License-Identifier: MIT */
/* user list, user count: through all accounts, page by page. */
#include <string.h>
#include "base/mem.h"
#include "component/accounts_private.h"
#include "component/component.h"
#include "ctl/ctl.h"

enum { PAGE = 500 };

/* Kept with the call. */
struct walk {
	bool only_counts, only_disabled;
	uint64_t left; /* to list */
	uint64_t accounts, disabled, listed;
};

static void next_page(struct accounts *accounts, struct ctl_call *call, struct slice after);

static void run(struct accounts *accounts, const struct ctl_call *call, struct store_txn *txn, storage_done_fn *done)
{
	storage_run(accounts->process->storage, accounts->process->workers[0]->mio, &txn, done, accounts, ctl_id(call));
}

static void print_listed(struct ctl_call *call, struct slice user)
{
	struct walk *walk = ctl_kept(call);
	AUTO(buf_fini) struct buf line = {0};

	if (!walk->left)
		return;
	if (ctl_wants_json(call)) {
		buf_append_text(&line, walk->listed ? ", " : "[");
		ctl_json_text(&line, user);
	} else {
		buf_append_slice(&line, user);
	}
	walk->listed++;
	walk->left--;
	ctl_print(call, "%s", buf_text(&line));
}

static void print_counts(struct ctl_call *call, const struct walk *walk)
{
	ctl_print(call, ctl_wants_json(call) ? "{\"accounts\": %llu, \"disabled\": %llu}" : "%llu accounts, %llu of them disabled",
		  (unsigned long long)walk->accounts, (unsigned long long)walk->disabled);
}

static void end_walk(struct ctl_call *call)
{
	const struct walk *walk = ctl_kept(call);

	if (walk->only_counts)
		print_counts(call, walk);
	else if (ctl_wants_json(call))
		ctl_print(call, "%s", walk->listed ? "]" : "[]");
	ctl_end(call, CTL_OK);
}

static void go_on(struct accounts *accounts, struct ctl_call *call, size_t found, struct slice last)
{
	const struct walk *walk = ctl_kept(call);

	if (found == PAGE && walk->left)
		next_page(accounts, call, last);
	else
		end_walk(call);
}

/* The call; NULL: the caller went away, or it has ended with what storage said. */
static struct ctl_call *answered(const struct accounts *accounts, uint64_t token, int result)
{
	struct ctl_call *call = ctl_call(accounts->ctl, token);

	if (!call || result >= 0)
		return call;
	ctl_error(call, "storage: %s", strerror(-result));
	ctl_end(call, CTL_PROBLEM);
	return NULL;
}

/* One operation an account: whether it is disabled. */
static void looked_at(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct ctl_call *call = answered(arg, token, result);
	struct walk *walk = call ? ctl_kept(call) : NULL;
	struct slice last = SLICE("");
	unsigned op = 0;

	if (!call)
		return;
	for (struct slice user = store_asked(txn, op); user.len; user = store_asked(txn, ++op)) {
		size_t disabled;

		store_rows(txn, op, &disabled);
		walk->disabled += disabled;
		if (disabled && walk->only_disabled)
			print_listed(call, user);
		last = user;
	}
	go_on(arg, call, op, last);
}

static void look_at(struct accounts *accounts, struct ctl_call *call, const struct store_row *rows, size_t count)
{
	struct store_txn *txn = store_txn_new();

	for (size_t i = 0; i < count; i++)
		store_get(txn, STORE_ACCOUNT, rows[i].item, ACCOUNT_DISABLED);
	run(accounts, call, txn, looked_at);
}

static void found(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct ctl_call *call = answered(arg, token, result);
	const struct store_row *rows;
	struct walk *walk;
	size_t count;

	if (!call)
		return;
	walk = ctl_kept(call);
	rows = store_rows(txn, 0, &count);
	walk->accounts += count;
	if (count && (walk->only_counts || walk->only_disabled)) {
		look_at(arg, call, rows, count);
		return;
	}
	for (size_t i = 0; i < count; i++)
		print_listed(call, rows[i].item);
	go_on(arg, call, count, count ? rows[count - 1].item : SLICE(""));
}

static void next_page(struct accounts *accounts, struct ctl_call *call, struct slice after)
{
	struct store_txn *txn = store_txn_new();

	store_owners(txn, STORE_ACCOUNT, after, PAGE);
	run(accounts, call, txn, found);
}

static bool read_word(struct walk *walk, const char *word)
{
	if (strcmp(word, "disabled") == 0) {
		walk->only_disabled = true;
		return true;
	}
	return strncmp(word, "limit=", 6) == 0 && slice_to_u64(slice_of(word + 6), &walk->left);
}

static void start_walk(struct accounts *accounts, struct ctl_call *call, bool only_counts)
{
	struct walk *walk = mem_zalloc(MEM_OTHER, sizeof(*walk));

	walk->only_counts = only_counts;
	walk->left = UINT64_MAX;
	ctl_keep(call, walk, mem_free);
	for (size_t at = 0; at < ctl_args(call); at++) {
		if (!only_counts && read_word(walk, ctl_arg(call, at)))
			continue;
		ctl_error(call, "%s: no such word is expected here", ctl_arg(call, at));
		ctl_end(call, CTL_USAGE);
		return;
	}
	next_page(accounts, call, SLICE(""));
}

void account_list(void *arg, struct ctl_call *call)
{
	start_walk(arg, call, false);
}

void account_count(void *arg, struct ctl_call *call)
{
	start_walk(arg, call, true);
}
