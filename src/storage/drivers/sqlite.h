/* SPDX-License-Identifier: MIT */
/* The state of the SQLite driver, shared by its files and by the memory driver. */
#pragma once

#include <sqlite3.h>
#include "storage/driver.h"

/* "Jack": says whose file it is, from the second version of the schema on. */
enum { SQLITE_APPLICATION_ID = 0x4a61636b, SQLITE_FIRST_VERSION = 1 };

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
int sqlite_restore(const struct storage_place *place, const struct storage_restore *restore,
		   struct buf *kept, struct buf *why);
/* pages: of this step; -1: all */
int sqlite_copy_pages(struct sqlite_db *db, const char *path, int pages,
		      struct store_copied *copied);
int sqlite_copy_end(struct sqlite_db *db); /* returns the fault that it ended with, or 0 */
