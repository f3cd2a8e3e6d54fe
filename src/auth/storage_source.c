/* SPDX-License-Identifier: MIT */
/* Accounts in storage: a row for each key, and "created", the row that every account has. */
#include "auth/auth.h"

#include <stdlib.h>
#include "auth/engine.h"
#include "auth/keys.h"
#include "auth/token.h"
#include "base/mem.h"
#include "base/stamp.h"
#include "jid/jid.h"
#include "mio/mio.h"
#include "storage/storage.h"

#define CREATED SLICE("created")
#define DISABLED SLICE("disabled")
#define ERA SLICE("era")

enum { OP_ROWS, OP_TOKENS /* so many as a device has */ };
enum { TOKEN_ROWS_MAX = 100, TOKEN_ROWS_LEFT = 60 }; /* of an account: those of devices that were away for longest go */

static void print_era(uint64_t era, struct buf *out)
{
	if (era)
		buf_printf(out, "%llx", (unsigned long long)era);
}

void auth_tokens_end(struct store_txn *txn, struct jid *user, uint64_t era)
{
	AUTO(buf_fini) struct buf text = {0};

	print_era(era, &text);
	store_clear(txn, STORE_TOKEN, jid_user(user));
	store_put(txn, STORE_ACCOUNT, jid_user(user), ERA, buf_slice(&text));
}

/* Keys that are made anew have salts of their own. */
static uint64_t era_of(const struct auth_account *account)
{
	uint64_t era = 0;

	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		uint64_t part = 0;

		if (account->keys[hash].present)
			memcpy(&part, account->keys[hash].salt, sizeof(part));
		era ^= part;
	}
	return era | 1;
}

void auth_account_rows(struct store_txn *txn, struct jid *user, const struct auth_account *account,
		       const char *created)
{
	struct slice owner = jid_user(user);
	AUTO(buf_wipe) struct buf text = {0};

	if (created)
		store_add(txn, STORE_ACCOUNT, owner, CREATED, slice_of(created));
	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		struct slice item = slice_of(auth_hash_mechanism((enum auth_hash)hash));

		if (account->keys[hash].present) {
			buf_clear(&text);
			auth_key_print((enum auth_hash)hash, &account->keys[hash], &text);
			store_put(txn, STORE_ACCOUNT, owner, item, buf_slice(&text));
		} else if (!created) {
			store_del(txn, STORE_ACCOUNT, owner, item);
		}
	}
	if (account->disabled && created)
		store_put(txn, STORE_ACCOUNT, owner, DISABLED, SLICE(""));
	if (!created)
		auth_tokens_end(txn, user, era_of(account)); /* who has another password has no devices that may still come in */
	auth_account_lacks(txn, user, account);
}

static uint64_t read_era(struct slice text)
{
	AUTO(buf_fini) struct buf copy = {0};

	buf_append_slice(&copy, text);
	return strtoull(buf_text(&copy), NULL, 16);
}

static void read_row(struct auth_account *account, const struct store_row *row)
{
	enum auth_hash hash;
	struct auth_key key;

	if (slice_equal(row->item, DISABLED))
		account->disabled = true;
	else if (slice_equal(row->item, ERA))
		account->era = read_era(row->value);
	else if (auth_key_parse(row->value, &hash, &key) &&
		 slice_is(row->item, auth_hash_mechanism(hash)))
		account->keys[hash] = key;
}

/* -- tokens: two rows for each device, "0 DEVICE" and "1 DEVICE" -- */

static void name_row(const struct jid *user, unsigned which, struct buf *out)
{
	buf_printf(out, "%u ", which);
	buf_append_slice(out, jid_resource(user));
}

static void ask_for_tokens(struct store_txn *txn, const struct jid *user)
{
	for (unsigned which = 0; which < AUTH_TOKENS; which++) {
		AUTO(buf_fini) struct buf item = {0};

		name_row(user, which, &item);
		store_get(txn, STORE_TOKEN, jid_user(user), buf_slice(&item));
	}
}

/* op: the first of those that asked. */
static void read_tokens(const struct auth *auth, const struct store_txn *txn, unsigned op, struct auth_account *account)
{
	for (unsigned which = 0; which < AUTH_TOKENS; which++) {
		size_t count;
		const struct store_row *row = store_rows(txn, op + which, &count);
		struct auth_token *token = &account->tokens[which];
		struct slice device;

		*token = (struct auth_token){.present = false};
		if (!count || !auth_token_parse(row->value, token))
			continue;
		device = row->item;
		slice_word(&device);
		token_reveal(auth, store_asked(txn, op + which), device, token);
	}
}

/* -- looking up -- */

static void looked_up(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct auth_account account = {0};
	size_t count = 0;
	const struct store_row *rows;

	if (result < 0) {
		auth_source_answer(arg, token, result, NULL);
		return;
	}
	rows = store_rows(txn, 0, &count);
	for (size_t i = 0; i < count; i++)
		read_row(&account, &rows[i]);
	if (store_ops(txn) > OP_TOKENS)
		read_tokens(arg, txn, OP_TOKENS, &account);
	auth_source_answer(arg, token, count ? AUTH_OK : AUTH_UNKNOWN, count ? &account : NULL);
	auth_account_wipe(&account);
}

static void counted(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct auth *auth = arg;
	struct auth_account account = {0};

	for (unsigned hash = 0; !result && hash < AUTH_HASHES; hash++)
		if (auth_census(txn, 0) & 1u << hash)
			auth_key_fake((enum auth_hash)hash, auth->secret, SLICE("all"), auth->rounds,
				      &account.keys[hash]);
	auth_source_answer(auth, token, result, result ? NULL : &account);
}

static void written(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	if (result == STORE_EXISTS)
		result = AUTH_EXISTS;
	else if (result == STORE_ABSENT)
		result = AUTH_UNKNOWN;
	else if (result == STORE_FULL)
		result = AUTH_LOCKED;
	auth_source_answer(arg, token, result, NULL);
}

static void lookup(void *state, struct auth *auth, struct jid *user, uint64_t token)
{
	struct store_txn *txn = store_txn_new();
	bool domain = !jid_local(user).len;

	if (domain)
		auth_census_ask(txn, jid_domain(user));
	else
		store_list(txn, STORE_ACCOUNT, jid_user(user));
	if (!domain && jid_resource(user).len)
		ask_for_tokens(txn, user);
	storage_run(state, auth->mio, &txn, domain ? counted : looked_up, auth, token);
}

/* -- writing tokens -- */

struct aged {
	int64_t expires_ms;
	struct slice item;
};

static int by_age(const void *a, const void *b)
{
	const struct aged *one = a, *other = b;

	return (one->expires_ms > other->expires_ms) - (one->expires_ms < other->expires_ms);
}

static void forgot(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
}

static void forget_oldest(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct auth *auth = arg;
	size_t count = 0;
	const struct store_row *rows = result ? NULL : store_rows(txn, 0, &count);
	struct aged *aged = mem_zalloc(MEM_SASL, (count + 1) * sizeof(*aged));
	struct store_txn *old = store_txn_new();

	for (size_t at = 0; at < count; at++) {
		struct auth_token read;

		aged[at] = (struct aged){auth_token_parse(rows[at].value, &read) ? read.expires_ms : 0, rows[at].item};
	}
	qsort(aged, count, sizeof(*aged), by_age);
	for (size_t at = 0; at + TOKEN_ROWS_LEFT < count; at++)
		store_del(old, STORE_TOKEN, store_asked(txn, 0), aged[at].item);
	mem_free(aged);
	storage_run(auth->storage, auth->mio, &old, forgot, auth, 0);
}

/* The device gets its own at its next login. */
static void make_room(struct auth *auth, struct slice user)
{
	struct store_txn *txn = store_txn_new();

	store_list(txn, STORE_TOKEN, user);
	storage_run(auth->storage, auth->mio, &txn, forget_oldest, auth, 0);
}

/* What it asked for at its end says how it is now. */
static void tokens_written(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct auth_account account = {0};

	if (result == 0)
		read_tokens(arg, txn, store_ops(txn) - AUTH_TOKENS, &account);
	if (result == STORE_FULL)
		make_room(arg, store_asked(txn, 0));
	if (result > 0)
		result = result == STORE_ABSENT ? AUTH_UNKNOWN : AUTH_REFUSED;
	auth_source_answer(arg, token, result, result ? NULL : &account);
	auth_account_wipe(&account);
}

/* As its login found it. */
static void ask_whether_it_is_so(struct store_txn *txn, struct jid *user, const struct auth_account *account)
{
	AUTO(buf_fini) struct buf era = {0}, item = {0}, value = {0};

	print_era(account->era, &era);
	store_same(txn, STORE_ACCOUNT, jid_user(user), ERA, buf_slice(&era));
	if (!account->used.present)
		return;
	name_row(user, account->used_at, &item);
	auth_token_print(&account->used, false, &value);
	store_same(txn, STORE_TOKEN, jid_user(user), buf_slice(&item), buf_slice(&value));
}

static void set_tokens(void *state, struct auth *auth, struct jid *user, const struct auth_account *account, uint64_t token)
{
	struct store_txn *txn = store_txn_new();

	auth->storage = state;
	store_need(txn, STORE_ACCOUNT, jid_user(user), CREATED);
	ask_whether_it_is_so(txn, user, account);
	store_most(txn, STORE_TOKEN, jid_user(user), TOKEN_ROWS_MAX);
	for (unsigned which = 0; which < AUTH_TOKENS; which++) {
		AUTO(buf_fini) struct buf item = {0}, value = {0};

		name_row(user, which, &item);
		auth_token_print(&account->tokens[which], false, &value);
		if (account->tokens[which].present)
			store_put(txn, STORE_TOKEN, jid_user(user), buf_slice(&item), buf_slice(&value));
		else
			store_del(txn, STORE_TOKEN, jid_user(user), buf_slice(&item));
	}
	ask_for_tokens(txn, user);
	storage_run(state, auth->mio, &txn, tokens_written, auth, token);
}

/* Anonymous sessions have such names. */
static void refused(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	auth_source_answer(arg, token, result < 0 ? result : AUTH_REFUSED, NULL);
}

static void create(void *state, struct auth *auth, struct jid *user,
		   const struct auth_account *account, uint64_t token)
{
	struct store_txn *txn = store_txn_new();
	char stamp[STAMP_LEN];

	if (auth_is_anonymous(user)) {
		store_get(txn, STORE_ACCOUNT, jid_user(user), CREATED);
		storage_run(state, auth->mio, &txn, refused, auth, token);
		return;
	}
	auth_account_unlocked(txn, user, mio_wall_ms(auth->mio));
	auth_account_rows(txn, user, account, stamp_print(stamp, mio_wall_ms(auth->mio), false));
	storage_run(state, auth->mio, &txn, written, auth, token);
}

static void change(void *state, struct auth *auth, struct jid *user,
		   const struct auth_account *account, uint64_t token)
{
	struct store_txn *txn = store_txn_new();

	store_need(txn, STORE_ACCOUNT, jid_user(user), CREATED);
	auth_account_rows(txn, user, account, NULL);
	storage_run(state, auth->mio, &txn, written, auth, token);
}

static void add_keys(void *state, struct auth *auth, struct jid *user, const struct auth_account *account, uint64_t token)
{
	struct store_txn *txn = store_txn_new();
	AUTO(buf_fini) struct buf era = {0};

	print_era(account->era, &era);
	store_need(txn, STORE_ACCOUNT, jid_user(user), CREATED);
	store_same(txn, STORE_ACCOUNT, jid_user(user), ERA, buf_slice(&era));
	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		AUTO(buf_wipe) struct buf text = {0}, owner = {0};

		if (!account->keys[hash].present)
			continue;
		auth_key_print((enum auth_hash)hash, &account->keys[hash], &text);
		store_put(txn, STORE_ACCOUNT, jid_user(user), slice_of(auth_hash_mechanism((enum auth_hash)hash)), buf_slice(&text));
		auth_lacking((enum auth_hash)hash, jid_domain(user), &owner);
		buf_append_slice(&owner, jid_user(user));
		store_del(txn, STORE_LACKING, buf_slice(&owner), SLICE(""));
	}
	storage_run(state, auth->mio, &txn, written, auth, token);
}

static void remove_all(void *state, struct auth *auth, struct jid *user, uint64_t token)
{
	struct store_txn *txn = store_txn_new();

	store_need(txn, STORE_ACCOUNT, jid_user(user), CREATED);
	auth_account_end(txn, user, mio_wall_ms(auth->mio));
	storage_run(state, auth->mio, &txn, written, auth, token);
}

static void undo(void *state, struct auth *auth, struct jid *user, uint64_t token)
{
	struct store_txn *txn = store_txn_new();

	store_clear(txn, STORE_ACCOUNT, jid_user(user));
	auth_account_lacks(txn, user, NULL);
	storage_run(state, auth->mio, &txn, written, auth, token);
}

const struct auth_source auth_source_storage = {
	.name = "storage",
	.lookup = lookup,
	.create = create,
	.change = change,
	.remove = remove_all,
	.tokens = set_tokens,
	.add_keys = add_keys,
	.undo = undo,
};
