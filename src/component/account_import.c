/* SPDX-License-Identifier: MIT */
/*
 * user import: one account a line, in batches of a transaction each.
 *
 *   parse a batch -> ask which exist -> hash the passwords of the others, some at a time -> write
 * -> next batch
 *                         ^--- somebody made one of them meanwhile ---------------------------'
 */
#include <string.h>
#include "base/mem.h"
#include "base/stamp.h"
#include "component/accounts_private.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "jid/jid.h"

enum {
	BATCH_MAX = 500,
	HASHING_MAX = 16,
	ERRORS_SHOWN = 20,
	PROGRESS_MS = 1000,
	LINE_MAX_BYTES = 16384
};

struct entry {
	struct jid *user;
	size_t line;
	struct slice password; /* in the input; empty: the keys came with the line */
	struct auth_account account;
	bool skipped; /* exists already, or is wrong */
	bool hashed;
};

struct import {
	struct accounts *accounts;
	uint64_t call;
	size_t at, line; /* in the input; lines from 1 */
	struct entry entries[BATCH_MAX];
	size_t count, hashed, hashing; /* entries of the batch; looked at for hashing; under way */
	struct table seen;	       /* of the batch, by address */
	size_t added, existed, wrong;
	int64_t progress_ms;
};

/* A password under way to the hashing driver: by an id, the import may be gone when it comes back.
 */
struct hashing_entry {
	uint64_t call;
	size_t entry;
};

static void next_batch(struct import *import, struct ctl_call *call);

static struct slice entry_key(const void *entry)
{
	return jid_user(((const struct entry *)entry)->user);
}

static void clear_batch(struct import *import)
{
	for (size_t i = 0; i < import->count; i++) {
		jid_free(&import->entries[i].user);
		auth_account_wipe(&import->entries[i].account);
	}
	table_fini(&import->seen);
	import->count = import->hashed = import->hashing = 0;
}

static void import_free(void *state)
{
	struct import *import = state;

	clear_batch(import);
	mem_free(import);
}

/* The import of an answer's call; NULL when the caller went away. */
static struct import *import_of(struct accounts *accounts, uint64_t id, struct ctl_call **call)
{
	*call = ctl_call(accounts->ctl, id);
	return *call ? ctl_kept(*call) : NULL;
}

static void PRINTF_LIKE(4, 5) wrong_line(struct import *import, struct ctl_call *call, size_t line,
					 const char *format, ...)
{
	AUTO(buf_fini) struct buf text = {0};
	va_list args;

	if (import->wrong++ >= ERRORS_SHOWN)
		return;
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	ctl_error(call, "line %zu: %s", line, buf_text(&text));
}

static void end_import(struct import *import, struct ctl_call *call, int result)
{
	if (result < 0)
		ctl_error(call, "storage: %s; run it again, what is in stays", strerror(-result));
	if (import->wrong > ERRORS_SHOWN)
		ctl_error(call, "and %zu more lines", import->wrong - ERRORS_SHOWN);
	if (ctl_wants_json(call))
		ctl_print(call, "{\"added\": %zu, \"existed\": %zu, \"wrong\": %zu}", import->added,
			  import->existed, import->wrong);
	else
		ctl_print(call, "%zu added, %zu existed already, %zu wrong", import->added,
			  import->existed, import->wrong);
	ctl_end(call, import->wrong || result < 0 ? CTL_PROBLEM : CTL_OK);
}

/* -- reading lines
 * ----------------------------------------------------------------------------------- */

static bool next_line(struct import *import, struct slice input, struct slice *line)
{
	const char *end;

	if (import->at >= input.len)
		return false;
	line->data = input.data + import->at;
	line->len = input.len - import->at;
	end = memchr(line->data, '\n', line->len);
	if (end)
		line->len = (size_t)(end - line->data);
	import->at += line->len + 1;
	import->line++;
	if (line->len && line->data[line->len - 1] == '\r')
		line->len--;
	return true;
}

static struct slice cut_tab(struct slice *rest)
{
	const char *tab = rest->len ? memchr(rest->data, '\t', rest->len) : NULL;
	struct slice field = {rest->data, tab ? (size_t)(tab - rest->data) : rest->len};
	size_t skip = field.len + (tab ? 1 : 0);

	rest->data += skip;
	rest->len -= skip;
	return field;
}

/* RFC 5803 strings, one a hash. */
static bool read_keys(struct slice rest, struct auth_account *account)
{
	while (rest.len) {
		struct slice field = cut_tab(&rest);
		enum auth_hash hash;
		struct auth_key key;

		if (!auth_key_parse(field, &hash, &key) || account->keys[hash].present)
			return false;
		account->keys[hash] = key;
		mem_wipe(&key, sizeof(key));
	}
	return true;
}

static bool begins_scram(struct slice text)
{
	return text.len > 6 && !memcmp(text.data, "SCRAM-", 6) && memchr(text.data, '$', text.len);
}

static void read_line(struct import *import, struct ctl_call *call, struct slice line)
{
	struct entry *entry = &import->entries[import->count];
	struct slice address = cut_tab(&line);
	const char *why;

	memset(entry, 0, sizeof(*entry));
	entry->line = import->line;
	entry->user = account_jid(import->accounts->process, address, &why);
	if (!entry->user) {
		wrong_line(import, call, import->line, "%.*s %s",
			   (int)(address.len > 200 ? 200 : address.len), address.data, why);
		return;
	}
	if (!begins_scram(line))
		entry->password = line;
	if (!line.len || (!entry->password.len && !read_keys(line, &entry->account))) {
		wrong_line(import, call, import->line, "%s",
			   line.len ? "this is no RFC 5803 string, "
				      "SCRAM-SHA-1$ROUNDS:SALT$STORED:SERVER"
				    : "behind the address: a tab and the password");
		jid_free(&entry->user);
		return;
	}
	if (table_get(&import->seen, jid_user(entry->user))) {
		import->existed++;
		jid_free(&entry->user);
		return;
	}
	import->count++;
	table_put(&import->seen, entry);
}

static void read_batch(struct import *import, struct ctl_call *call)
{
	struct slice line;

	clear_batch(import);
	table_init(&import->seen, entry_key,
		   mio_hash_key(import->accounts->process->workers[0]->mio));
	while (import->count < BATCH_MAX && next_line(import, ctl_input(call), &line)) {
		if (line.len > LINE_MAX_BYTES)
			wrong_line(import, call, import->line, "longer than %d bytes",
				   LINE_MAX_BYTES);
		else if (line.len)
			read_line(import, call, line);
	}
}

/* -- the batch
 * --------------------------------------------------------------------------------------- */

static void check_batch(struct import *import);

static void written(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct ctl_call *call;
	struct import *import = import_of(arg, token, &call);

	if (!import)
		return;
	if (result == STORE_EXISTS) {
		check_batch(import);
		return;
	}
	if (result) {
		end_import(import, call, result);
		return;
	}
	for (size_t i = 0; i < import->count; i++)
		import->added += !import->entries[i].skipped;
	next_batch(import, call);
}

static void write_batch(struct import *import, struct ctl_call *call)
{
	struct worker *worker = import->accounts->process->workers[0];
	struct store_txn *txn = store_txn_new();
	char stamp[STAMP_LEN];
	size_t writes = 0;

	stamp_print(stamp, mio_wall_ms(worker->mio), false);
	for (size_t i = 0; i < import->count; i++) {
		const struct entry *entry = &import->entries[i];

		if (entry->skipped)
			continue;
		auth_account_rows(txn, entry->user, &entry->account, true);
		store_put(txn, STORE_ACCOUNT, jid_user(entry->user), ACCOUNT_CREATED,
			  slice_of(stamp));
		writes++;
	}
	if (writes)
		storage_run(worker->process->storage, worker->mio, &txn, written, import->accounts,
			    import->call);
	store_txn_free(&txn);
	if (!writes)
		next_batch(import, call);
}

static void hash_some(struct import *import, struct ctl_call *call);

static void made(void *arg, uint64_t token, const struct auth_account *account)
{
	struct accounts *accounts = arg;
	struct hashing_entry *under_way = slots_del(&accounts->hashing, token);
	struct ctl_call *call;
	struct import *import;
	struct entry *entry;

	if (!under_way)
		return;
	import = import_of(accounts, under_way->call, &call);
	if (import) {
		entry = &import->entries[under_way->entry];
		import->hashing--;
		entry->skipped = !account;
		if (account)
			entry->account = *account;
		else
			wrong_line(import, call, entry->line,
				   "the password is not allowed (SASLprep, RFC 4013)");
	}
	mem_free(under_way);
	if (import)
		hash_some(import, call);
}

static void hash_entry(struct import *import, struct entry *entry)
{
	struct accounts *accounts = import->accounts;
	struct hashing_entry *under_way = mem_alloc(MEM_SASL, sizeof(*under_way));

	*under_way = (struct hashing_entry){import->call, (size_t)(entry - import->entries)};
	entry->hashed = true;
	import->hashing++;
	auth_make_account(accounts->process->workers[0]->auth, entry->password, made, accounts,
			  slots_add(&accounts->hashing, under_way));
}

/* Keeps some passwords under way, not all: logins of clients need the same threads. */
static void hash_some(struct import *import, struct ctl_call *call)
{
	while (import->hashed < import->count && import->hashing < HASHING_MAX) {
		struct entry *entry = &import->entries[import->hashed++];

		if (!entry->skipped && !entry->hashed && entry->password.len)
			hash_entry(import, entry);
	}
	if (import->hashed == import->count && !import->hashing)
		write_batch(import, call);
}

static void checked(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct ctl_call *call;
	struct import *import = import_of(arg, token, &call);

	if (!import)
		return;
	if (result < 0) {
		end_import(import, call, result);
		return;
	}
	for (size_t i = 0; i < import->count; i++) {
		struct entry *entry = &import->entries[i];
		size_t rows;

		store_rows(txn, (unsigned)i, &rows);
		import->existed += rows && !entry->skipped;
		entry->skipped = entry->skipped || rows;
	}
	import->hashed = 0;
	hash_some(import, call);
}

static void check_batch(struct import *import)
{
	struct worker *worker = import->accounts->process->workers[0];
	struct store_txn *txn = store_txn_new();

	for (size_t i = 0; i < import->count; i++)
		store_get(txn, STORE_ACCOUNT, jid_user(import->entries[i].user), ACCOUNT_CREATED);
	storage_run(worker->process->storage, worker->mio, &txn, checked, import->accounts,
		    import->call);
}

static void tell_progress(struct import *import, struct ctl_call *call)
{
	int64_t now_ms = mio_now_ms(import->accounts->process->workers[0]->mio);
	size_t len = ctl_input(call).len;

	if (now_ms - import->progress_ms < PROGRESS_MS)
		return;
	import->progress_ms = now_ms;
	ctl_progress(call, "%zu lines, %zu%%: %zu added, %zu existed already, %zu wrong",
		     import->line, len ? (import->at > len ? len : import->at) * 100 / len : 100,
		     import->added, import->existed, import->wrong);
}

static void next_batch(struct import *import, struct ctl_call *call)
{
	tell_progress(import, call);
	read_batch(import, call);
	if (import->count)
		check_batch(import);
	else
		end_import(import, call, 0);
}

void account_import(void *arg, struct ctl_call *call)
{
	struct accounts *accounts = arg;
	struct import *import;

	if (!ctl_input(call).len) {
		ctl_error(call, "the file is empty");
		ctl_end(call, CTL_PROBLEM);
		return;
	}
	import = mem_zalloc(MEM_OTHER, sizeof(*import));
	import->accounts = accounts;
	import->call = ctl_id(call);
	import->progress_ms = mio_now_ms(accounts->process->workers[0]->mio);
	ctl_keep(call, import, import_free);
	next_batch(import, call);
}

void account_import_fini(struct accounts *accounts)
{
	struct hashing_entry *under_way;

	for (uint32_t at = 0; (under_way = slots_next(&accounts->hashing, &at));)
		mem_free(under_way);
}
