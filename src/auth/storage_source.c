/* SPDX-License-Identifier: MIT */
/* Accounts in storage: a row for each key, and "created", the row that every account has. */
#include "auth/auth.h"

#include "auth/engine.h"
#include "auth/keys.h"
#include "base/mem.h"
#include "base/stamp.h"
#include "jid/jid.h"
#include "mio/mio.h"
#include "storage/storage.h"

#define CREATED SLICE("created")
#define DISABLED SLICE("disabled")

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
	if (account->disabled)
		store_put(txn, STORE_ACCOUNT, owner, DISABLED, SLICE(""));
	else if (!created)
		store_del(txn, STORE_ACCOUNT, owner, DISABLED);
	auth_account_lacks(txn, user, account);
}

static void read_row(struct auth_account *account, const struct store_row *row)
{
	enum auth_hash hash;
	struct auth_key key;

	if (slice_equal(row->item, DISABLED))
		account->disabled = true;
	else if (auth_key_parse(row->value, &hash, &key) &&
		 slice_is(row->item, auth_hash_mechanism(hash)))
		account->keys[hash] = key;
}

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
	storage_run(state, auth->mio, &txn, domain ? counted : looked_up, auth, token);
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
	.undo = undo,
};
