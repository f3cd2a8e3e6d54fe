/* SPDX-License-Identifier: MIT */
/*
 * A copy of the database, page by page, while it changes. It is written through the handle that is
 * copied, so a page that changes behind the copy changes there too, and the copy never starts over
 * but for a batch that failed.
 */
#include "storage/drivers/sqlite.h"

enum { COPY_PAGES = 128 }; /* a step: half a megabyte, well under the time of a sync */

/* Whoever asked syncs the file; until then it is nothing that must survive. */
static const char settings[] = "PRAGMA locking_mode=EXCLUSIVE;"
			       "PRAGMA journal_mode=OFF;"
			       "PRAGMA synchronous=OFF;"
			       "PRAGMA cache_size=256;";

static void finish_killed(void *handle)
{
	sqlite3_backup_finish(handle);
}

static void close_killed(void *handle)
{
	sqlite3_close(handle);
}

static int begin(struct sqlite_db *db, const char *path)
{
	int code = sqlite3_open_v2(path, &db->copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
				   mio_host_vfs(db->host));

	if (code == SQLITE_OK)
		code = sqlite3_exec(db->copy, settings, NULL, NULL, NULL);
	if (code == SQLITE_OK) {
		db->copying = sqlite3_backup_init(db->copy, "main", db->handle, "main");
		code = db->copying ? SQLITE_OK : sqlite3_errcode(db->copy);
	}
	if (code != SQLITE_OK) {
		code = sqlite_fault(db->copy, code);
		sqlite3_close(db->copy);
		db->copy = NULL;
		return code;
	}
	mio_foreign_add(db->host, db->copying, finish_killed);
	mio_foreign_add(db->host, db->copy, close_killed);
	return 0;
}

int sqlite_copy_end(struct sqlite_db *db)
{
	int code, rc;

	if (!db->copying)
		return 0;
	mio_foreign_del(db->host, db->copying);
	mio_foreign_del(db->host, db->copy);
	code = sqlite3_backup_finish(db->copying);
	rc = code == SQLITE_OK ? 0 : sqlite_fault(db->copy, code);
	sqlite3_close(db->copy);
	db->copying = NULL;
	db->copy = NULL;
	return rc;
}

int sqlite_copy_pages(struct sqlite_db *db, const char *path, int pages,
		      struct store_copied *copied)
{
	int code, rc = db->copying ? 0 : begin(db, path);

	if (rc)
		return rc;
	code = sqlite3_backup_step(db->copying, pages);
	copied->total = (uint64_t)sqlite3_backup_pagecount(db->copying);
	copied->done = copied->total - (uint64_t)sqlite3_backup_remaining(db->copying);
	return code == SQLITE_OK ? STORE_MORE : sqlite_copy_end(db);
}

int sqlite_copy(void *state, const char *path, struct store_copied *copied)
{
	return sqlite_copy_pages(state, path, COPY_PAGES, copied);
}

void sqlite_copy_stop(void *state)
{
	sqlite_copy_end(state);
}
