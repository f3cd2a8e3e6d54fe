/* SPDX-License-Identifier: MIT */
/* check accounts: who keeps a mechanism from being offered to all, for want of a key. */
#include <string.h>
#include "base/mem.h"
#include "component/accounts_private.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "jid/jid.h"

enum { PAGE = 1000 };

struct check {
	struct accounts *accounts;
	size_t found;
};

static void print_lacking(struct ctl_call *call, struct check *check, const char *mechanism,
			  struct slice user)
{
	AUTO(buf_fini) struct buf jid = {0};

	ctl_json_text(&jid, user);
	if (ctl_wants_json(call))
		ctl_print(call, "%s{\"jid\": %s, \"lacks\": \"%s\"}", check->found ? ", " : "[",
			  buf_text(&jid), mechanism);
	else
		ctl_print(call, "%.*s has no key for %s", (int)user.len, user.data,
			  mechanism);
	check->found++;
}

/* "SCRAM-SHA-256 example.org!ann@example.org" */
static void print_owner(struct ctl_call *call, struct check *check, struct slice owner)
{
	const struct settings *settings = check->accounts->process->workers[0]->settings;
	const char *space = memchr(owner.data, ' ', owner.len);
	const char *mark = space ? memchr(space, '!', owner.len - (size_t)(space - owner.data)) : NULL;
	AUTO(buf_fini) struct buf mechanism = {0};
	struct slice domain, user;

	if (!mark)
		return;
	buf_append(&mechanism, owner.data, (size_t)(space - owner.data));
	domain = (struct slice){space + 1, (size_t)(mark - space - 1)};
	user = (struct slice){mark + 1, owner.len - (size_t)(mark + 1 - owner.data)};
	if (settings_offers(settings, buf_text(&mechanism)) && settings_serves(settings, domain))
		print_lacking(call, check, buf_text(&mechanism), user);
}

static void end_check(struct ctl_call *call, const struct check *check)
{
	size_t found = check->found;

	if (ctl_wants_json(call))
		ctl_print(call, found ? "]" : "[]");
	else if (found)
		ctl_print(call, "such a mechanism is not offered to anybody until they have: "
				"jackdaw user passwd JID");
	else
		ctl_print(call, "all accounts have the keys of all mechanisms");
	ctl_end(call, found ? CTL_PROBLEM : CTL_OK);
}

static void look(struct accounts *accounts, struct ctl_call *call, struct slice after);

static void looked(void *arg, uint64_t token, const struct store_txn *txn, int result)
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
		print_owner(call, ctl_kept(call), rows[i].item);
	if (count == PAGE)
		look(accounts, call, rows[count - 1].item);
	else
		end_check(call, ctl_kept(call));
}

static void look(struct accounts *accounts, struct ctl_call *call, struct slice after)
{
	struct store_txn *txn = store_txn_new();

	store_owners(txn, STORE_LACKING, after, PAGE);
	storage_run(accounts->process->storage, accounts->process->workers[0]->mio, &txn, looked,
		    accounts, ctl_id(call));
}

static void check_accounts(void *arg, struct ctl_call *call)
{
	struct accounts *accounts = arg;
	struct check *check;

	if (!accounts->process->storage) {
		ctl_end(call, CTL_ELSEWHERE);
		return;
	}
	check = mem_zalloc(MEM_OTHER, sizeof(*check));
	check->accounts = accounts;
	ctl_keep(call, check, mem_free);
	look(accounts, call, SLICE(""));
}

static const struct ctl_command commands[] = {
	{"check accounts", "", "says who lacks the key of a mechanism", "jackdaw check accounts",
	 CTL_NOTHING, check_accounts},
	{.name = NULL},
};

void accounts_check_commands(struct accounts *accounts)
{
	ctl_add(accounts->ctl, commands, accounts);
}
