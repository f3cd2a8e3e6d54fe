/* SPDX-License-Identifier: MIT */
/*
 * Which hashes all accounts of a domain have. Who lacks one stands in STORE_LACKING, written in the
 * transaction of the account, so that nobody has to look through all accounts: an owner of it is
 * "SCRAM-SHA-256 example.org!ann@example.org". No character of a domain sorts before the "!".
 */
#include "auth/auth.h"

#include <string.h>
#include "jid/jid.h"
#include "storage/storage.h"

void auth_lacking(enum auth_hash hash, struct slice domain, struct buf *out)
{
	buf_printf(out, "%s ", auth_hash_mechanism(hash));
	buf_append_slice(out, domain);
	buf_append_char(out, '!');
}

static bool has_keys(const struct auth_account *account)
{
	for (unsigned hash = 0; hash < AUTH_HASHES; hash++)
		if (account->keys[hash].present)
			return true;
	return false;
}

void auth_account_lacks(struct store_txn *txn, struct jid *user, const struct auth_account *account)
{
	bool counts = account && !account->disabled && has_keys(account);

	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		AUTO(buf_fini) struct buf owner = {0};

		auth_lacking((enum auth_hash)hash, jid_domain(user), &owner);
		buf_append_slice(&owner, jid_user(user));
		if (counts && !account->keys[hash].present)
			store_put(txn, STORE_LACKING, buf_slice(&owner), SLICE(""), SLICE(""));
		else
			store_del(txn, STORE_LACKING, buf_slice(&owner), SLICE(""));
	}
}

unsigned auth_census_ask(struct store_txn *txn, struct slice domain)
{
	unsigned first = 0;

	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		AUTO(buf_fini) struct buf prefix = {0};
		unsigned op;

		auth_lacking((enum auth_hash)hash, domain, &prefix);
		op = store_owners(txn, STORE_LACKING, buf_slice(&prefix), 1);
		first = hash ? first : op;
	}
	return first;
}

/* What was found behind the prefix begins with it. */
static bool is_lacking(const struct store_txn *txn, unsigned op)
{
	struct slice prefix = store_asked(txn, op);
	size_t count;
	const struct store_row *rows = store_rows(txn, op, &count);

	return count && rows[0].item.len >= prefix.len &&
	       memcmp(rows[0].item.data, prefix.data, prefix.len) == 0;
}

unsigned auth_census(const struct store_txn *txn, unsigned op)
{
	unsigned hashes = 0;

	for (unsigned hash = 0; hash < AUTH_HASHES; hash++)
		if (!is_lacking(txn, op + hash))
			hashes |= 1u << hash;
	return hashes;
}
