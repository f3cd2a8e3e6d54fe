/* SPDX-License-Identifier: MIT */
/* The state of the SQLite driver, shared by its files and by the memory driver. */
#pragma once

#include <sqlite3.h>
#include "storage/driver.h"

/* "Jack": says whose file it is, from the second version of the schema on. */
enum { SQLITE_APPLICATION_ID = 0x4a61636b, SQLITE_FIRST_VERSION = 1 };

/* Of the log are worth a checkpoint, for which everybody waits: a quarter of SQLite's own choice takes a quarter of the time. */
enum { SQLITE_LOG_PAGES = 250 };

enum sqlite_archive_sql {
	ARCHIVE_ADD, ARCHIVE_GET, ARCHIVE_ROW, ARCHIVE_PUT, ARCHIVE_PAGE, ARCHIVE_PAGE_BACK, ARCHIVE_TALK, ARCHIVE_TALK_BACK,
	ARCHIVE_LOOK, ARCHIVE_LOOK_BACK, ARCHIVE_COUNT, ARCHIVE_COUNT_TALK, ARCHIVE_COUNT_RESOURCE, ARCHIVE_PARTY, ARCHIVE_PARTY_ADD,
	ARCHIVE_PARTY_GONE, ARCHIVE_ENTRY_ADD,
	ARCHIVE_TALK_ADD, ARCHIVE_ENTRY_LAST, ARCHIVE_SAME, ARCHIVE_FLOOR, ARCHIVE_OLDEST, ARCHIVE_DEL, ARCHIVE_ENTRY_TRIM,
	ARCHIVE_TALK_TRIM, ARCHIVE_GONE, ARCHIVE_GONE_IDS, ARCHIVE_GONE_DEL, ARCHIVE_LOG_OWN, ARCHIVE_SQL
};

enum sqlite_control {
	CONTROL_BEGIN,
	CONTROL_BEGIN_READING,
	CONTROL_COMMIT,
	CONTROL_ROLLBACK,
	CONTROL_SAVEPOINT,
	CONTROL_RELEASE,
	CONTROL_UNDO,
	CONTROL_RESERVE,
	CONTROLS
};

enum commit_sync { COMMIT_SYNC_OFF, COMMIT_SYNC_NORMAL, COMMIT_SYNC_FULL }; /* as PRAGMA synchronous counts them */

struct sqlite_db {
	sqlite3 *handle; /* NULL: closed */
	struct mio_host *host;
	enum durability durability;
	enum commit_sync sync; /* of commits, now */
	bool doubt; /* a write or sync failed: the log must start anew before one is promised */
	sqlite3_stmt *verbs[2][VERBS]; /* of keyed stores and of logs; prepared when first used */
	sqlite3_stmt *controls[CONTROLS];
	sqlite3_stmt *archive[ARCHIVE_SQL];
	struct tail *tail;     /* of the archive: what no index has yet */
	uint64_t last_id;      /* of a message */
	uint64_t next_seq;     /* of a log's next row */
	uint64_t reserved_seq; /* all below are reserved on disk */
	sqlite3 *copy;	       /* the file that a copy goes to; NULL: none is under way */
	sqlite3_backup *copying;
};

int sqlite_fault(sqlite3 *handle, int code); /* the errno of a result code, negative */
int sqlite_open_file(struct sqlite_db *db, const struct storage_place *place, const char *path,
		     struct buf *why);
unsigned sqlite_version(void); /* of our schema */
int sqlite_run_sql(struct sqlite_db *db, const char *sql);
int sqlite_set_sync(struct sqlite_db *db, enum commit_sync sync); /* how durable a commit is; between two */
int sqlite_sync_as_asked(struct sqlite_db *db);
void sqlite_close(void *state);
int sqlite_run(void *state, struct store_txn *batch);
int sqlite_copy(void *state, const char *path, struct store_copied *copied);
void sqlite_copy_stop(void *state);
uint64_t sqlite_held(void);
int sqlite_restore(const struct storage_place *place, const struct storage_restore *restore,
		   struct buf *kept, struct buf *why);
/* pages: of this step; -1: all */
int sqlite_copy_pages(struct sqlite_db *db, const char *path, int pages,
		      struct store_copied *copied);
/* The archive, drivers/sqlite_archive.c. These return an SQLite code. */
int sqlite_archive_open(struct sqlite_db *db);
void sqlite_archive_close(struct sqlite_db *db);
int sqlite_archive_op(struct sqlite_db *db, struct store_txn *txn, struct store_op *op, int *outcome);
int sqlite_archive_index(struct sqlite_db *db); /* before a commit: some of what no index has */
void sqlite_archive_undo(struct sqlite_db *db);	/* the transaction's operations were taken back */
void sqlite_archive_keep(struct sqlite_db *db);	/* they stand */
void sqlite_archive_end(struct sqlite_db *db, bool committed); /* of the batch */
int sqlite_copy_end(struct sqlite_db *db); /* returns the fault that it ended with, or 0 */
