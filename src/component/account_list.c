/* SPDX-License-Identifier: MIT */
/* user list: page by page. */
#include <string.h>
#include "base/mem.h"
#include "component/accounts_private.h"
#include "component/component.h"
#include "ctl/ctl.h"

enum { LIST_PAGE = 1000 };

static void list_page(struct accounts *accounts, struct ctl_call *call, struct slice after);

/* How many lines went out is kept with the call: JSON needs to know the first. */
static void print_listed(struct ctl_call *call, struct slice user)
{
	size_t *printed = ctl_kept(call);
	AUTO(buf_fini) struct buf line = {0};

	if (ctl_wants_json(call)) {
		buf_append_text(&line, *printed ? ", " : "[");
		ctl_json_text(&line, user);
	} else {
		buf_append_slice(&line, user);
	}
	(*printed)++;
	ctl_print(call, "%s", buf_text(&line));
}

static void listed(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct accounts *accounts = arg;
	struct ctl_call *call = ctl_call(accounts->ctl, token);
	const struct store_row *rows;
	size_t count;

	if (!call)
		return;
	if (result < 0) {
		ctl_error(call, "storage: %s", strerror(-result));
		ctl_end(call, CTL_PROBLEM);
		return;
	}
	rows = store_rows(txn, 0, &count);
	for (size_t i = 0; i < count; i++)
		print_listed(call, rows[i].item);
	if (count == LIST_PAGE) {
		list_page(accounts, call, rows[count - 1].item);
		return;
	}
	if (ctl_wants_json(call))
		ctl_print(call, "%s", *(size_t *)ctl_kept(call) ? "]" : "[]");
	ctl_end(call, CTL_OK);
}

static void list_page(struct accounts *accounts, struct ctl_call *call, struct slice after)
{
	struct store_txn *txn = store_txn_new();

	store_owners(txn, STORE_ACCOUNT, after, LIST_PAGE);
	storage_run(accounts->process->storage, accounts->process->workers[0]->mio, &txn, listed,
		    accounts, ctl_id(call));
}

void account_list(void *arg, struct ctl_call *call)
{
	ctl_keep(call, mem_zalloc(MEM_OTHER, sizeof(size_t)), mem_free);
	list_page(arg, call, SLICE(""));
}
