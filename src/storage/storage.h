/* SPDX-License-Identifier: MIT */
/*
 * Storage: transactions of operations over typed stores, run by a driver on threads of its own, answered on the
 * caller's loop, always on a later turn. Each transaction is whole or not at all. What is queued together is
 * committed together with one sync, without a timer; one bad transaction fails alone. A transaction of an owner
 * sees that owner's earlier ones; of different owners, when more waits than one commit takes, those come first who ask for little
 * (storage/order.h). When a write or sync fails (a full disk), whatever wrote in that batch is answered with
 * a fault, nothing of it was promised and nothing of it comes back; reads go on, and so do writes as soon as they can.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct mio;
struct mio_host;
struct storage;
struct store_txn;

/* Keyed stores hold (owner, item) -> value; log stores hold values of an owner in order of their sequence numbers. */
enum store {
	STORE_ACCOUNT, /* keyed: owner a bare JID; "SCRAM-SHA-1" ...: RFC 5803 strings; "disabled"; "created"; "era" */
	STORE_ROSTER,  /* keyed: owner a bare JID, item the contact's bare JID, value an <item/> */
	STORE_USER,    /* keyed: owner a bare JID; small facts of sm: "active", "roster-version", "last" */
	STORE_REQUEST, /* keyed: subscription requests not answered yet; item the contact, value the stanza */
	STORE_OFFLINE, /* log: messages for who is away, each a whole stanza */
	STORE_SERVER,  /* keyed: owner ""; "shard-key", "fast-key" ... */
	STORE_VCARD,   /* keyed: owner a bare JID, item "vCard", value the element */
	STORE_PRIVATE, /* keyed: owner a bare JID, item "{namespace}name" of the element that is the value, XEP-0049 */
	STORE_SESSION, /* keyed: owner a bare JID, item a resumption id; sessions that wait for the next start of the server */
	STORE_ORIGIN,  /* keyed: which stanzas of a client's session are settled by what is stored; store_origin() */
	STORE_LACKING, /* keyed: owner "SCRAM-SHA-256 example.org!ann@example.org", item "": accounts without that key, auth/census.c */
	STORE_BLOCK,   /* keyed: owner a bare JID, item an address that it blocks, value empty, XEP-0191 */
	STORE_CAPS,    /* keyed: owner a bare JID, item a hash that a client of it said, value what it wants, sm/modules/caps.c */
	STORE_LOCK,    /* keyed: owner the bare JID of an account that ended, item until when nobody gets the name, a stamp */
	STORE_FAREWELL, /* keyed: owner the bare JID of an account that ended, item a contact who has not heard of it, value what it is to hear */
	STORE_ARCHIVE, /* storage/archive.h: of the functions for stores it takes store_clear(), store_list() and store_count() */
	STORE_ROSTER_LOG, /* keyed: owner a bare JID, item a version of the roster, value the one before and the contact that changed */
	STORE_TOKEN, /* keyed: owner a bare JID, item "0 DEVICE" or "1 DEVICE": what a device may log in by, without its secret, auth/account.h */
	STORES
};

enum durability { DURABILITY_FULL, DURABILITY_PROCESS };

struct storage_options {
	const char *url;  /* "sqlite:jackdaw.db" (relative to dir), "memory:" */
	const char *dir;
	enum durability durability;
};

/*
 * Opens, takes the database's own lock, upgrades an older schema in a transaction. Blocks: before the loops run.
 * Returns 0 or a fault with one line in *why (owned by the caller's buffer): -EBUSY locked by another process, -EPROTO
 * a newer schema, -EINVAL bad url, or the system's.
 */
int storage_open(struct mio_host *host, const struct storage_options *options, struct storage **storage,
		 struct buf *why);
uint64_t storage_held(const struct storage *storage); /* bytes that the driver has by the system's allocator; on any thread */
void storage_set_batch(struct storage *storage, unsigned most); /* transactions of a commit; before any is run: as if more than that were much */
void storage_close(struct storage **storage); /* runs what is queued, syncs, closes; after the loops stopped */

/*
 * Called on the loop of one who gets an answer when writes have begun to fail (with the fault), and when they have
 * succeeded again for some seconds (0): once for all loops. Before anything is run.
 */
typedef void storage_changed_fn(void *arg, struct mio *mio, int fault);
void storage_watch(struct storage *storage, storage_changed_fn *changed, void *arg);

/* How a transaction ends. */
enum {
	STORE_EXISTS = 1, /* a store_add() found its row there: nothing was done */
	STORE_ABSENT,     /* a store_need() found no row, a store_same() another: nothing was done */
	STORE_MORE,       /* of a copy, or of pruning: there is more to do */
	STORE_FULL,       /* a store_most() found more rows: nothing was done */
};

/* -- building one: slices are copied ------------------------------------------------------------- */

struct store_txn *store_txn_new(void);
void store_txn_free(struct store_txn **txn); /* NULL is fine */

/* Reading. Each returns the number of its operation, for store_rows(). */
unsigned store_get(struct store_txn *txn, enum store store, struct slice owner, struct slice item);
unsigned store_list(struct store_txn *txn, enum store store, struct slice owner);   /* all rows, by item or sequence */
unsigned store_owners(struct store_txn *txn, enum store store, struct slice after, unsigned max); /* by name */

/* Writing. */
void store_put(struct store_txn *txn, enum store store, struct slice owner, struct slice item, struct slice value);
void store_add(struct store_txn *txn, enum store store, struct slice owner, struct slice item, struct slice value);
void store_need(struct store_txn *txn, enum store store, struct slice owner, struct slice item); /* only a check */
/* The same, that it has this value; one that is not there has an empty one. */
void store_same(struct store_txn *txn, enum store store, struct slice owner, struct slice item, struct slice value);
void store_most(struct store_txn *txn, enum store store, struct slice owner, unsigned max); /* a check of the rows so far */
void store_del(struct store_txn *txn, enum store store, struct slice owner, struct slice item); /* absent is fine */
void store_del_up_to(struct store_txn *txn, enum store store, struct slice owner, struct slice item); /* items <= item */
void store_clear(struct store_txn *txn, enum store store, struct slice owner); /* all rows of the owner */
/*
 * That everything here comes of the stanza number count of a session, of which all up to mark are settled. Once: a
 * transaction with it that was committed before ends with STORE_EXISTS. The origins up to mark are forgotten.
 */
void store_origin(struct store_txn *txn, uint64_t session, uint32_t count, uint32_t mark);
void store_origin_known(struct store_txn *txn, uint64_t session, uint32_t count, uint32_t mark); /* the same, as often as it is said */
unsigned store_origins(struct store_txn *txn, uint64_t session); /* for store_origin_row() */
void store_origins_clear(struct store_txn *txn, uint64_t session);
/* To a log; session and count are the stanza's origin, 0: none. stamp_ms is its time. */
unsigned store_append(struct store_txn *txn, enum store store, struct slice owner, int64_t stamp_ms, uint64_t session,
		      uint32_t count, struct slice value);
void store_drop(struct store_txn *txn, enum store store, struct slice owner, uint64_t seq);    /* one row of a log */
void store_trim(struct store_txn *txn, enum store store, struct slice owner, uint64_t up_to); /* a log's rows <= up_to */
unsigned store_count(struct store_txn *txn, enum store store, struct slice owner); /* rows[0].seq is the count */
unsigned store_keys(struct store_txn *txn, enum store store, struct slice owner);  /* a log's rows without their values */
/*
 * A log's rows from one number to another, both included. It ends early behind so many bytes of values, though not before its first
 * row: its last row is none then, seq is STORE_CUT.
 */
struct store_part {
	uint64_t from, to, bytes;
};

#define STORE_CUT UINT64_MAX
unsigned store_part(struct store_txn *txn, enum store store, struct slice owner, const struct store_part *part);
/* Nobody was promised what this writes: it survives the process, and with the next commit that is synced the machine. */
void store_relax(struct store_txn *txn);

/* -- running it ----------------------------------------------------------------------------------- */

/*
 * txn is taken. done(arg, token, txn, result) is called on mio's loop on a later turn; txn is lent for the call. result:
 * 0, STORE_EXISTS, STORE_ABSENT, STORE_FULL, or a fault (-ENOSPC, -EIO: the caller answers "wait"). What waits is kept
 * by token, an id, never a pointer; arg is the part, which outlives its requests.
 */
typedef void storage_done_fn(void *arg, uint64_t token, const struct store_txn *txn, int result);
void storage_run(struct storage *storage, struct mio *mio, struct store_txn **txn, storage_done_fn *done, void *arg,
		 uint64_t token);

/* Before the loops run, with nothing queued: runs it, blocks, and returns the result; what it read is in txn. */
int storage_run_now(struct storage *storage, struct store_txn *txn);

struct store_row {
	struct slice item, value; /* lent as long as the transaction is */
	uint64_t seq;             /* a log's: grows, is never used again; or the answer of store_append() and store_count() */
	int64_t stamp_ms;
	uint64_t session; /* a log's: what store_append() was told */
	uint32_t count;
	uint64_t archived; /* a log's: the id of the message whose value it has; 0: it is none of the archive */
};

/* The rows that operation number op read; *count of them. */
const struct store_row *store_rows(const struct store_txn *txn, unsigned op, size_t *count);
unsigned store_ops(const struct store_txn *txn); /* how many operations it has */
struct slice store_asked(const struct store_txn *txn, unsigned op); /* the owner, or after, that it was asked with */
/* The count and the mark of a row of STORE_ORIGIN; false when it is none. */
bool store_origin_row(const struct store_row *row, uint32_t *count, uint32_t *mark);

/* -- a copy of all --------------------------------------------------------------------------------- */

/*
 * A step of copying the whole database into the file at path, which is there and empty at the first; alone in its
 * transaction. It ends with STORE_MORE until the copy is whole, with 0 then: it has all that was committed before,
 * and is not synced. Commits go on between steps. A fault ends the copy, and so does the storage's end: what is in the
 * file is nothing then. One copy at a time.
 */
void store_copy(struct store_txn *txn, const char *path);
void store_copy_stop(struct store_txn *txn); /* instead of the next step; none under way is fine */

struct store_copied {
	uint64_t done, total; /* pages; total changes with the database */
};

struct store_copied store_copied(const struct store_txn *txn);

/*
 * Puts a copy in the place of the database of a server that is stopped. The file is checked first; the old database is
 * kept beside it, its path in *kept (nothing: there was none). Returns 0 or a fault with one line in *why: all is as it
 * was then. Blocks.
 */
struct storage_restore {
	const char *file;
	/* The file is open, nothing else was touched: who may read it need not be whose the database is. A fault ends it. May be NULL. */
	int (*opened)(void *arg, struct buf *why);
	bool (*goes_on)(void *arg, const char *what, unsigned percent); /* often; false ends it; may be NULL */
	void *arg;
};

int storage_restore(struct mio_host *host, const struct storage_options *options, const struct storage_restore *restore,
		    struct buf *kept, struct buf *why);

/* For files that a copy goes to: what is in one is durable; the name of one is. Return 0 or a fault, and block. */
int storage_sync_file(int fd);
int storage_sync_name(const char *path);

unsigned storage_waiting(const struct storage *storage); /* transactions queued; any thread */
uint64_t storage_batches(const struct storage *storage); /* batches run so far, each with one commit; any thread */
uint64_t storage_failures(const struct storage *storage); /* batches of which what wrote failed; any thread */
int storage_fault(const struct storage *storage); /* for which writes fail; 0: they do not; any thread */
const char *storage_name(const struct storage *storage); /* "sqlite", "memory" */
