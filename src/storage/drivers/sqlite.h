/* SPDX-License-Identifier: MIT */
/* The state of the SQLite driver, shared by its files and by the memory driver. */
#pragma once

#include <sqlite3.h>
#include "storage/driver.h"

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

struct sqlite_db {
	sqlite3 *handle; /* NULL: closed */
	struct mio_host *host;
	sqlite3_stmt *verbs[2][VERBS]; /* of keyed stores and of logs; prepared when first used */
	sqlite3_stmt *controls[CONTROLS];
	uint64_t next_seq;     /* of a log's next row */
	uint64_t reserved_seq; /* all below are reserved on disk */
};

int sqlite_fault(sqlite3 *handle, int code); /* the errno of a result code, negative */
int sqlite_open_file(struct sqlite_db *db, const struct storage_place *place, const char *path,
		     struct buf *why);
void sqlite_close(void *state);
int sqlite_run(void *state, struct store_txn *batch);
