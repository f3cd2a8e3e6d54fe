/* SPDX-License-Identifier: MIT */
/* The archive: messages of an owner, in the order of their ids. Operations of a transaction, beside those of storage.h. */
#pragma once

#include "storage/storage.h"

/*
 * Ids are milliseconds since 1970 when the message was taken, and behind these STORE_ID_BITS at random, or a little more than the
 * last: they grow, over all owners, and nobody can tell the next. A message is written behind all others; the indexes that find it
 * follow later (docs/decisions/0026).
 */
enum { STORE_ID_BITS = 20 };

struct store_message {
	struct slice owner, peer, resource; /* two bare JIDs; the resource that peer had */
	uint64_t session; /* the stanza's origin; 0: none */
	uint32_t count;
	bool again; /* it may be there already: if it is, it is not added, and its id is the answer */
	uint32_t random; /* for its id */
	struct slice value;
};

unsigned store_archive(struct store_txn *txn, const struct store_message *message); /* rows[0]: seq is its id, count 1 if it was there */

struct store_page {
	struct slice owner;
	struct slice peer, resource; /* of these alone; resource only with peer; empty: of all */
	uint64_t from, to;           /* ids, both included */
	uint32_t max;
	bool backwards; /* the last ones, the last first */
};

/*
 * seq: id, stamp_ms: its time, value, session and count. A page of so many bytes ends early: its last row is none, seq is
 * STORE_CUT. So does one of a resource, behind a thousand messages of the conversation: archived is the last of them there.
 */
enum { STORE_PAGE_BYTES = 1 << 20 };
unsigned store_page(struct store_txn *txn, const struct store_page *page);
/* rows[0].seq: how many, up to max; max 0: all; STORE_CUT: of a resource, in too long a conversation. */
unsigned store_page_count(struct store_txn *txn, const struct store_page *page);
unsigned store_message(struct store_txn *txn, struct slice owner, uint64_t id); /* one row, or none */
void store_message_put(struct store_txn *txn, struct slice owner, uint64_t id, struct slice value); /* another value; absent is fine */
/* A step of forgetting all before an id, and owners who were cleared; ends with STORE_MORE as long as there is more. */
void store_prune(struct store_txn *txn, uint64_t before);

/* store_append() of what has the value of a message in the archive of the owner; archived: the number of its store_archive() in this transaction. */
unsigned store_append_archived(struct store_txn *txn, enum store store, struct slice owner, int64_t stamp_ms, uint64_t session,
			       uint32_t count, unsigned archived);
unsigned store_append_message(struct store_txn *txn, enum store store, struct slice owner, int64_t stamp_ms, uint64_t session,
			      uint32_t count, uint64_t id);
