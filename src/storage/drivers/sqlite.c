/* SPDX-License-Identifier: MIT */
/* The SQLite driver, "sqlite:FILE": opening, its lock, its schema, closing. */
#include "storage/drivers/sqlite.h"

#include <errno.h>

/*
 * Each script leads from the version of its index to the next; the file's version is in
 * user_version. Rows of an owner stand together, which makes every request a walk over neighbours.
 * Sequence numbers come from one counter, for a number that was used again would let a late trim
 * take a new row.
 */
static const char *const upgrades[] = {
	"CREATE TABLE keyed (store INTEGER NOT NULL, owner BLOB NOT NULL, item BLOB NOT NULL,"
	" value BLOB NOT NULL, PRIMARY KEY (store, owner, item)) WITHOUT ROWID;"
	"CREATE TABLE log (store INTEGER NOT NULL, owner BLOB NOT NULL, seq INTEGER NOT NULL,"
	" stamp INTEGER NOT NULL, session INTEGER NOT NULL, count INTEGER NOT NULL,"
	" value BLOB NOT NULL, PRIMARY KEY (store, owner, seq)) WITHOUT ROWID;"
	"CREATE TABLE sequence (next INTEGER NOT NULL);"
	"INSERT INTO sequence VALUES (1)",
	"PRAGMA application_id=0x4a61636b", /* SQLITE_APPLICATION_ID */
	/* STORE_LACKING of the enabled accounts that have keys; 0 is STORE_ACCOUNT. */
	"INSERT INTO keyed SELECT 10, CAST(hash || ' ' || substr(name, instr(name, '@') + 1) || '!' ||"
	" name AS BLOB), x'', x'' FROM (SELECT owner, CAST(owner AS TEXT) AS name FROM keyed WHERE"
	" store=0 AND item=CAST('created' AS BLOB)) AS account,"
	" (SELECT 'SCRAM-SHA-1' AS hash UNION SELECT 'SCRAM-SHA-256' UNION SELECT 'SCRAM-SHA-512')"
	" WHERE NOT EXISTS (SELECT 1 FROM keyed WHERE store=0 AND owner=account.owner AND item IN"
	" (CAST('disabled' AS BLOB), CAST(hash AS BLOB))) AND EXISTS (SELECT 1 FROM keyed WHERE"
	" store=0 AND owner=account.owner AND CAST(item AS TEXT) LIKE 'SCRAM-%')",
	/* The archive: messages in the order of their ids, and behind them the indexes of those below the floor, by owner and by both. */
	"CREATE TABLE archive (id INTEGER PRIMARY KEY, owner BLOB NOT NULL, peer BLOB NOT NULL, resource BLOB NOT NULL,"
	" session INTEGER NOT NULL, count INTEGER NOT NULL, value BLOB NOT NULL);"
	"CREATE TABLE archive_party (party INTEGER PRIMARY KEY AUTOINCREMENT, is_peer INTEGER NOT NULL, jid BLOB NOT NULL,"
	" UNIQUE (is_peer, jid));"
	"CREATE TABLE archive_entry (owner INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (owner, id)) WITHOUT ROWID;"
	"CREATE TABLE archive_talk (owner INTEGER NOT NULL, peer INTEGER NOT NULL, id INTEGER NOT NULL,"
	" PRIMARY KEY (owner, peer, id)) WITHOUT ROWID;"
	"CREATE TABLE archive_floor (id INTEGER NOT NULL);"
	"INSERT INTO archive_floor VALUES (0);"
	"ALTER TABLE log ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX log_archived ON log (archived) WHERE archived>0",
};

/*
 * Exclusive locking is asked for before anything is read: the lock is then held while the database
 * is open, and the index of the write-ahead log needs no shared memory.
 */
static const char settings[] = "PRAGMA locking_mode=EXCLUSIVE;"
			       "PRAGMA page_size=4096;"
			       "PRAGMA journal_mode=WAL;"
			       "PRAGMA temp_store=MEMORY;";

int sqlite_fault(sqlite3 *handle, int code)
{
	int system = sqlite3_system_errno(handle);

	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_TOOBIG:
		return -E2BIG;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_IOERR:
		return system == ENOSPC || system == EDQUOT || system == EFBIG ||
				       system == EACCES || system == ENOENT
			       ? -system
			       : -EIO;
	default:
		return -EIO;
	}
}

int sqlite_run_sql(struct sqlite_db *db, const char *sql)
{
	int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : sqlite_fault(db->handle, code);
}

static int read_number(struct sqlite_db *db, const char *sql, int64_t *number)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return code == SQLITE_ROW ? 0 : sqlite_fault(db->handle, code);
}

unsigned sqlite_version(void)
{
	return countof(upgrades);
}

static int upgrade_from(struct sqlite_db *db, int64_t version)
{
	AUTO(buf_fini) struct buf sql = {0};

	buf_append_text(&sql, "BEGIN EXCLUSIVE;");
	for (size_t i = (size_t)version; i < countof(upgrades); i++)
		buf_printf(&sql, "%s;", upgrades[i]);
	buf_printf(&sql, "PRAGMA user_version=%zu;COMMIT", countof(upgrades));
	return sqlite_run_sql(db, buf_text(&sql));
}

static int upgrade(struct sqlite_db *db, const char *path, struct buf *why)
{
	int64_t version = 0;
	int rc = read_number(db, "PRAGMA user_version", &version);

	if (rc)
		return rc;
	if (version < 0 || (uint64_t)version > countof(upgrades)) {
		buf_printf(why, "%s: made by a newer version: its schema is %lld, ours is %zu",
			   path, (long long)version, countof(upgrades));
		return -EPROTO;
	}
	return (uint64_t)version < countof(upgrades) ? upgrade_from(db, version) : 0;
}

int sqlite_set_sync(struct sqlite_db *db, enum commit_sync sync)
{
	static const char *const sql[] = {"PRAGMA synchronous=OFF", "PRAGMA synchronous=NORMAL", "PRAGMA synchronous=FULL"};
	int rc = db->sync == sync ? 0 : sqlite_run_sql(db, sql[sync]);

	if (!rc)
		db->sync = sync;
	return rc;
}

int sqlite_sync_as_asked(struct sqlite_db *db)
{
	return sqlite_set_sync(db, db->durability == DURABILITY_FULL ? COMMIT_SYNC_FULL : COMMIT_SYNC_NORMAL);
}

static int prepare(struct sqlite_db *db, const struct storage_place *place, const char *path,
		   struct buf *why)
{
	int64_t next = 0;
	int rc = sqlite_run_sql(db, settings);

	sqlite3_wal_autocheckpoint(db->handle, SQLITE_LOG_PAGES);
	db->sync = COMMIT_SYNC_OFF;
	if (!rc)
		rc = sqlite_sync_as_asked(db);
	if (!rc)
		rc = upgrade(db, path, why);
	if (!rc)
		rc = read_number(db, "SELECT next FROM sequence", &next);
	db->next_seq = db->reserved_seq = (uint64_t)next;
	if (!rc && sqlite_archive_open(db) != SQLITE_OK)
		rc = sqlite_fault(db->handle, sqlite3_errcode(db->handle));
	return rc;
}

static void close_handle(sqlite3 *handle)
{
	sqlite3_stmt *statement;

	while ((statement = sqlite3_next_stmt(handle, NULL)))
		sqlite3_finalize(statement);
	sqlite3_close_v2(handle);
}

/* For a process that is killed: writes nothing more. A copy under way is closed behind it. */
static void close_killed(void *handle)
{
	sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	close_handle(handle);
}

static void explain(struct sqlite_db *db, const char *path, int rc, struct buf *why)
{
	if (buf_used(why))
		return;
	if (rc == -EBUSY)
		buf_printf(why, "%s: database is locked by another process", path);
	else
		buf_printf(why, "%s: %s", path,
			   db->handle ? sqlite3_errmsg(db->handle) : strerror(-rc));
}

int sqlite_open_file(struct sqlite_db *db, const struct storage_place *place, const char *path,
		     struct buf *why)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_CREATE;
	sqlite3 *handle = NULL;
	int code = sqlite3_open_v2(path, &handle, flags, mio_host_vfs(place->host));
	int rc;

	/* A sync may have failed in the process before this one: what it left in the log is in doubt, too. */
	*db = (struct sqlite_db){
		.handle = handle, .host = place->host, .durability = place->durability, .doubt = true};
	rc = code == SQLITE_OK ? prepare(db, place, path, why) : sqlite_fault(handle, code);
	if (rc) {
		explain(db, path, rc, why);
		sqlite_archive_close(db);
		close_handle(handle);
		db->handle = NULL;
		return rc;
	}
	mio_foreign_add(place->host, handle, close_killed);
	return 0;
}

static int sqlite_open(void *state, const struct storage_place *place, struct buf *why)
{
	if (!*place->path) {
		buf_append_text(why, "sqlite: the name of a file is missing");
		return -EINVAL;
	}
	return sqlite_open_file(state, place, place->path, why);
}

void sqlite_close(void *state)
{
	struct sqlite_db *db = state;

	if (!db->handle)
		return;
	sqlite_copy_end(db);
	sqlite_archive_close(db);
	mio_foreign_del(db->host, db->handle);
	close_handle(db->handle);
	db->handle = NULL;
}

uint64_t sqlite_held(void)
{
	return (uint64_t)sqlite3_memory_used();
}

const struct storage_driver storage_sqlite = {
	.name = "sqlite",
	.size = sizeof(struct sqlite_db),
	.open = sqlite_open,
	.close = sqlite_close,
	.run = sqlite_run,
	.copy = sqlite_copy,
	.copy_stop = sqlite_copy_stop,
	.held = sqlite_held,
	.restore = sqlite_restore,
};
