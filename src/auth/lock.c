/* SPDX-License-Identifier: MIT */
/*
 * The end of an account, and its name: a row of STORE_LOCK says until when nobody gets it. Stamps of one length are in the order
 * of time, so "up to now" is over.
 */
#include "auth/auth.h"

#include "base/stamp.h"
#include "jid/jid.h"
#include "storage/storage.h"

#define LOCK_MS ((int64_t)30 * 24 * 3600 * 1000)

const char *auth_locked_until(char *stamp, int64_t wall_ms)
{
	return stamp_print(stamp, wall_ms + LOCK_MS, false);
}

void auth_account_end(struct store_txn *txn, struct jid *user, int64_t wall_ms)
{
	char until[STAMP_LEN];

	for (unsigned store = 0; store < STORES; store++)
		store_clear(txn, (enum store)store, jid_user(user));
	auth_account_lacks(txn, user, NULL);
	auth_locked_until(until, wall_ms);
	store_put(txn, STORE_LOCK, jid_user(user), slice_of(until), SLICE(""));
}

void auth_account_unlocked(struct store_txn *txn, struct jid *user, int64_t wall_ms)
{
	char now[STAMP_LEN];

	stamp_print(now, wall_ms, false);
	store_del_up_to(txn, STORE_LOCK, jid_user(user), slice_of(now));
	store_most(txn, STORE_LOCK, jid_user(user), 0);
}
