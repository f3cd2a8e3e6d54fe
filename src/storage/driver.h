/* SPDX-License-Identifier: MIT */
/*
 * What a storage driver is, and the inside of a transaction, which it reads and answers.
 *
 * A driver runs on the storage thread, except for the first open() and the last close().
 */
#pragma once

#include "base/list.h"
#include "mio/mio.h"
#include "storage/archive.h"

enum store_verb {
	VERB_GET,
	VERB_LIST,
	VERB_OWNERS,
	VERB_COUNT,
	VERB_KEYS,
	VERB_PART,
	VERB_PAGE,
	VERB_PAGE_COUNT,
	VERB_MESSAGE, /* read */
	VERB_NEED,
	VERB_SAME,
	VERB_MOST, /* check */
	VERB_PUT,
	VERB_ADD,
	VERB_DEL,
	VERB_DEL_UP_TO,
	VERB_CLEAR,
	VERB_APPEND,
	VERB_TRIM,
	VERB_ARCHIVE,
	VERB_MESSAGE_PUT,
	VERB_PRUNE, /* write */
	VERBS
};

struct store_op {
	struct store_op *next;
	enum store_verb verb;
	enum store store;
	struct slice owner, item, value;
	uint64_t number;  /* the most owners, rows or bytes; the last sequence number to trim */
	int64_t stamp_ms; /* of an append, and the two below */
	uint64_t session;
	uint32_t count;
	struct slice peer, resource; /* the archive's */
	uint64_t from, to;	     /* of a page or part */
	size_t bytes;		     /* of a page or part so far */
	bool again;	    /* a message may be there already; of a page: backwards */
	const struct store_op *archived; /* an append: the message whose value it has, here; or its id is from */
	size_t first_row, rows; /* the answer: within the rows of the transaction */
};

struct store_chunk;

struct store_txn {
	struct mio_job job;
	struct list link; /* of what is under way */
	struct storage *storage;
	storage_done_fn *done;
	void *arg;
	uint64_t token;

	struct store_txn *next; /* in its batch */
	struct store_op *ops, **last_op;
	unsigned op_count, writes, appends;
	size_t bytes; /* of its slices */
	bool relaxed; /* its writes need no sync of their own */

	const char *copy; /* a step of a copy, to this file; "": of none any more; NULL: no copy */
	struct store_copied copied;

	int result; /* the driver's answer: 0, STORE_EXISTS, STORE_ABSENT, STORE_FULL or a fault */
	struct store_row *rows;
	size_t row_count, row_cap;

	struct store_chunk *chunks; /* the arena of operations, slices and answers */
	char *room;
	size_t room_left;
};

unsigned store_weight(const struct store_txn *txn); /* about how long it takes, in operations */
bool store_is_log(enum store store);
bool store_verb_is_archives(const struct store_op *op);

/* Adds a row, copied, to the answer of an operation. */
void store_answer(struct store_txn *txn, struct store_op *op, const struct store_row *row);
void store_forget(struct store_txn *txn); /* all answers */
uint64_t store_answered_seq(const struct store_txn *txn, const struct store_op *op); /* of its only row; 0: it has none */

struct storage_place {
	struct mio_host *host;
	const char *path; /* what follows the colon of the url, within the data directory */
	enum durability durability;
};

struct storage_driver {
	const char *name;
	size_t size;
	/* Returns 0 or a fault with a line in *why; nothing is open then. */
	int (*open)(void *db, const struct storage_place *place, struct buf *why);
	void (*close)(void *db); /* closed is fine */
	/*
	 * Runs a batch, linked by next, and commits it; each transaction is whole or not at all,
	 * its result is set. A fault is the result of all in it that write: nothing of them is
	 * promised, or comes back after a kill; what only reads is answered as well as can be. The
	 * driver recovers by itself when it is run again.
	 */
	int (*run)(void *db, struct store_txn *batch);
	/*
	 * A step of copying the whole database, with all that was committed before its last step,
	 * into the file at path, which is empty at the first. Returns 0 when it is whole,
	 * STORE_MORE, or a fault, which ends it. One copy at a time.
	 */
	int (*copy)(void *db, const char *path, struct store_copied *copied);
	void (*copy_stop)(void *db); /* none under way is fine */
	uint64_t (*held)(void);	     /* bytes by the system's allocator, of all databases of the process; on any thread */
	/* storage_restore(); NULL: there is no file. */
	int (*restore)(const struct storage_place *place, const struct storage_restore *restore,
		       struct buf *kept, struct buf *why);
};

extern const struct storage_driver storage_sqlite, storage_memory;
