/* SPDX-License-Identifier: MIT */
/* The SQLite driver at work: a batch is one transaction, each of its transactions a savepoint in
 * it. */
#include "storage/drivers/sqlite.h"

#include <errno.h>

enum {
	SEQ_RESERVE = 1000, /* at least so many are reserved at once: the counter is seldom written */
};

/* ?1 store, ?2 owner, ?3 item, ?4 value, ?5 number, ?6 stamp, ?7 session, ?8 count; a row is item,
 * value, seq, stamp, and of a log session and count. */
#define ROWS_OF(table) " FROM " table " WHERE store=?1 AND owner=?2"
#define OWNERS_OF(table)                                                                           \
	"SELECT DISTINCT owner, NULL, 0, 0 FROM " table                                            \
	" WHERE store=?1 AND owner>?2 ORDER BY owner LIMIT ?5"
#define LOG_ROWS                                                                                   \
	"SELECT NULL, coalesce(archive.value, log.value), seq, stamp, log.session, log.count, archived" \
	" FROM log LEFT JOIN archive ON archive.id=archived AND archive.owner=log.owner WHERE store=?1 AND log.owner=?2"

static const char *const verbs[2][VERBS] = {
	{
		[VERB_GET] = "SELECT item, value, 0, 0" ROWS_OF("keyed") " AND item=?3",
		[VERB_LIST] = "SELECT item, value, 0, 0" ROWS_OF("keyed") " ORDER BY item",
		[VERB_OWNERS] = OWNERS_OF("keyed"),
		[VERB_COUNT] = "SELECT NULL, NULL, count(*), 0" ROWS_OF("keyed"),
		[VERB_PUT] = "INSERT OR REPLACE INTO keyed VALUES (?1, ?2, ?3, ?4)",
		[VERB_ADD] = "INSERT OR IGNORE INTO keyed VALUES (?1, ?2, ?3, ?4)",
		[VERB_NEED] = "SELECT NULL, NULL, 0, 0" ROWS_OF("keyed") " AND item=?3",
		[VERB_SAME] = "SELECT NULL, NULL, 0, 0 WHERE coalesce((SELECT value" ROWS_OF("keyed") " AND item=?3), x'')=?4",
		[VERB_MOST] = "SELECT NULL, NULL, 0, 0" ROWS_OF("keyed") " LIMIT 1 OFFSET ?5",
		[VERB_DEL] = "DELETE" ROWS_OF("keyed") " AND item=?3",
		[VERB_DEL_UP_TO] = "DELETE" ROWS_OF("keyed") " AND item<=?3",
		[VERB_CLEAR] = "DELETE" ROWS_OF("keyed"),
	},
	{
		[VERB_LIST] = LOG_ROWS " ORDER BY seq",
		[VERB_PART] = LOG_ROWS " AND seq BETWEEN ?5 AND ?6 ORDER BY seq",
		[VERB_KEYS] = "SELECT NULL, NULL, seq, stamp, session, count, archived" ROWS_OF("log") " ORDER BY seq",
		[VERB_OWNERS] = OWNERS_OF("log"),
		[VERB_COUNT] = "SELECT NULL, NULL, count(*), 0" ROWS_OF("log"),
		[VERB_DEL] = "DELETE" ROWS_OF("log") " AND seq=?5",
		[VERB_CLEAR] = "DELETE" ROWS_OF("log"),
		[VERB_APPEND] = "INSERT INTO log VALUES (?1, ?2, ?5, ?6, ?7, ?8, ?4, ?9)",
		[VERB_TRIM] = "DELETE" ROWS_OF("log") " AND seq<=?5",
	},
};

static const char *const controls[CONTROLS] = {
	[CONTROL_BEGIN] = "BEGIN IMMEDIATE",   [CONTROL_BEGIN_READING] = "BEGIN",
	[CONTROL_COMMIT] = "COMMIT",	       [CONTROL_ROLLBACK] = "ROLLBACK",
	[CONTROL_SAVEPOINT] = "SAVEPOINT txn", [CONTROL_RELEASE] = "RELEASE txn",
	[CONTROL_UNDO] = "ROLLBACK TO txn",    [CONTROL_RESERVE] = "UPDATE sequence SET next=?1",
};

static int prepared(struct sqlite_db *db, sqlite3_stmt **cached, const char *sql)
{
	return *cached ? SQLITE_OK
		       : sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, cached,
					    NULL);
}

static int control(struct sqlite_db *db, enum sqlite_control which)
{
	int code = prepared(db, &db->controls[which], controls[which]);

	if (code != SQLITE_OK)
		return code;
	sqlite3_step(db->controls[which]);
	return sqlite3_reset(db->controls[which]);
}

/* A sequence number is used only when a commit has put the counter past it; what a crash leaves out
 * is a gap. */
static int reserve_to(struct sqlite_db *db, uint64_t seq)
{
	sqlite3_stmt **statement = &db->controls[CONTROL_RESERVE];
	int code = prepared(db, statement, controls[CONTROL_RESERVE]);

	if (code != SQLITE_OK)
		return code;
	db->reserved_seq = seq;
	sqlite3_bind_int64(*statement, 1, (int64_t)seq);
	return control(db, CONTROL_RESERVE);
}

static int reserve(struct sqlite_db *db, unsigned appends)
{
	if (db->next_seq + appends <= db->reserved_seq)
		return SQLITE_OK;
	return reserve_to(db, db->next_seq + appends + SEQ_RESERVE);
}

static int bind_slice(sqlite3_stmt *statement, int at, struct slice slice)
{
	return sqlite3_bind_blob64(statement, at, slice.data ? slice.data : "", slice.len,
				   SQLITE_STATIC);
}

static int bind(sqlite3_stmt *statement, const struct store_op *op)
{
	int count = sqlite3_bind_parameter_count(statement);
	int code = sqlite3_bind_int(statement, 1, (int)op->store);

	if (code == SQLITE_OK)
		code = bind_slice(statement, 2, op->owner);
	if (code == SQLITE_OK && count >= 3)
		code = bind_slice(statement, 3, op->item);
	if (code == SQLITE_OK && count >= 4)
		code = bind_slice(statement, 4, op->value);
	if (code == SQLITE_OK && count >= 5)
		code = sqlite3_bind_int64(statement, 5, (int64_t)op->number);
	if (code == SQLITE_OK && count >= 8) {
		sqlite3_bind_int64(statement, 6, op->stamp_ms);
		sqlite3_bind_int64(statement, 7, (int64_t)op->session);
		sqlite3_bind_int64(statement, 8, op->count);
		sqlite3_bind_int64(statement, 9, (int64_t)op->from);
	}
	if (code == SQLITE_OK && op->verb == VERB_PART) {
		sqlite3_bind_int64(statement, 5, (int64_t)op->from);
		sqlite3_bind_int64(statement, 6, op->to < INT64_MAX ? (int64_t)op->to : INT64_MAX);
	}
	return code;
}

static struct slice column_slice(sqlite3_stmt *statement, int at)
{
	const char *bytes = sqlite3_column_blob(statement, at);

	return (struct slice){bytes, bytes ? (size_t)sqlite3_column_bytes(statement, at) : 0};
}

static void answer_row(struct store_txn *txn, struct store_op *op, sqlite3_stmt *statement)
{
	struct store_row row = {
		.item = column_slice(statement, 0),
		.value = column_slice(statement, 1),
		.seq = (uint64_t)sqlite3_column_int64(statement, 2),
		.stamp_ms = sqlite3_column_int64(statement, 3),
		.session = (uint64_t)sqlite3_column_int64(statement, 4),
		.count = (uint32_t)sqlite3_column_int64(statement, 5),
		.archived = (uint64_t)sqlite3_column_int64(statement, 6),
	};

	op->bytes += row.value.len;
	store_answer(txn, op, &row);
}

static bool goes_on(struct store_txn *txn, struct store_op *op)
{
	if (op->verb != VERB_PART || !op->bytes || op->bytes < op->number)
		return true;
	store_answer(txn, op, &(struct store_row){.seq = STORE_CUT});
	return false;
}

/* Returns an SQLite code; *outcome is what the transaction ends with because of this operation. */
static int run_op(struct sqlite_db *db, struct store_txn *txn, struct store_op *op, int *outcome)
{
	bool is_log = store_is_log(op->store), found = false;
	sqlite3_stmt **statement = &db->verbs[is_log][op->verb];
	int code = prepared(db, statement, verbs[is_log][op->verb]);

	if (op->verb == VERB_APPEND)
		op->number = db->next_seq++;
	if (op->archived)
		op->from = store_answered_seq(txn, op->archived);
	if (code == SQLITE_OK)
		code = bind(*statement, op);
	if (code != SQLITE_OK)
		return code;
	while (goes_on(txn, op) && sqlite3_step(*statement) == SQLITE_ROW) {
		found = true;
		if (op->verb < VERB_NEED)
			answer_row(txn, op, *statement);
	}
	code = sqlite3_reset(*statement);
	if (code != SQLITE_OK)
		return code;
	if (op->verb == VERB_ADD && sqlite3_changes(db->handle) == 0)
		*outcome = STORE_EXISTS;
	if ((op->verb == VERB_NEED || op->verb == VERB_SAME) && !found)
		*outcome = STORE_ABSENT;
	if (op->verb == VERB_MOST && found)
		*outcome = STORE_FULL;
	if (op->verb == VERB_APPEND)
		store_answer(txn, op,
			     &(struct store_row){.seq = op->number, .stamp_ms = op->stamp_ms});
	return SQLITE_OK;
}

/* What concerns one statement only; after anything else the whole batch is in doubt. */
static bool fails_alone(int code)
{
	return (code & 0xff) == SQLITE_TOOBIG || (code & 0xff) == SQLITE_CONSTRAINT;
}

/* Returns an SQLite code when the batch is lost. */
static int run_txn(struct sqlite_db *db, struct store_txn *txn)
{
	bool may_undo = txn->writes > 0 && txn->op_count > 1; /* one write undoes itself */
	int outcome = 0, code = may_undo ? control(db, CONTROL_SAVEPOINT) : SQLITE_OK;

	if (code != SQLITE_OK)
		return code;
	for (struct store_op *op = txn->ops; op && !outcome; op = op->next) {
		code = store_verb_is_archives(op) ? sqlite_archive_op(db, txn, op, &outcome) : run_op(db, txn, op, &outcome);
		if (fails_alone(code))
			outcome = sqlite_fault(db->handle, code);
		else if (code != SQLITE_OK)
			return code;
	}
	txn->result = outcome;
	if (outcome && outcome != STORE_MORE) {
		code = may_undo ? control(db, CONTROL_UNDO) : SQLITE_OK;
		sqlite_archive_undo(db);
	} else {
		code = SQLITE_OK;
		sqlite_archive_keep(db);
	}
	if (code == SQLITE_OK && may_undo)
		code = control(db, CONTROL_RELEASE);
	return code;
}

/* A sync takes along what was committed before without one. */
static int prepare_commit(struct sqlite_db *db, const struct store_txn *batch)
{
	while (batch && (!batch->writes || batch->relaxed))
		batch = batch->next;
	return batch ? sqlite_sync_as_asked(db) : sqlite_set_sync(db, COMMIT_SYNC_NORMAL);
}

/* The whole batch, or of it only what does not write. */
static int run_all(struct sqlite_db *db, struct store_txn *batch, bool only_readers)
{
	unsigned writes = 0, appends = 0;
	int code;

	for (struct store_txn *txn = batch; txn && !only_readers; txn = txn->next) {
		writes += txn->writes;
		appends += txn->appends;
	}
	code = control(db, writes ? CONTROL_BEGIN : CONTROL_BEGIN_READING);
	if (code == SQLITE_OK)
		code = reserve(db, appends);
	for (struct store_txn *txn = batch; txn && code == SQLITE_OK; txn = txn->next) {
		if (!only_readers || !txn->writes)
			code = run_txn(db, txn);
	}
	if (code == SQLITE_OK && writes)
		code = sqlite_archive_index(db);
	return code == SQLITE_OK ? control(db, CONTROL_COMMIT) : code;
}

/* -- after a fault
 * ---------------------------------------------------------------------------------- */

/*
 * A commit whose sync failed still stands in the log, where whoever opens it next would find it,
 * though it was said to be lost. Another one, which need not be durable, is written over its
 * beginning. It makes no checkpoint: that would not sync either, and the log is cut next.
 */
static void bury(struct sqlite_db *db)
{
	if (sqlite_set_sync(db, COMMIT_SYNC_OFF))
		return;
	sqlite3_wal_autocheckpoint(db->handle, 0);
	reserve_to(db, db->reserved_seq + 1);
	sqlite3_wal_autocheckpoint(db->handle, SQLITE_LOG_PAGES);
	sqlite_sync_as_asked(db);
}

/* A log that could not grow is as good as before; after any other fault nobody knows. */
static void distrust(struct sqlite_db *db, int code)
{
	if ((code & 0xff) != SQLITE_FULL) {
		db->doubt = true;
		bury(db);
	}
	db->reserved_seq = db->next_seq; /* what was reserved was undone */
}

/*
 * The log may hold pages that the kernel believes to be written: what is in it moves to the
 * database, and it starts anew.
 */
static int recover(struct sqlite_db *db)
{
	int code;

	if (!db->doubt)
		return 0;
	code = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (code != SQLITE_OK)
		return sqlite_fault(db->handle, code);
	db->doubt = false;
	return 0;
}

static bool has_writes(const struct store_txn *batch)
{
	while (batch && !batch->writes)
		batch = batch->next;
	return batch != NULL;
}

static int run_or_undo(struct sqlite_db *db, struct store_txn *batch, bool only_readers)
{
	int code = run_all(db, batch, only_readers), rc;

	sqlite_archive_end(db, code == SQLITE_OK);
	if (code == SQLITE_OK)
		return 0;
	rc = sqlite_fault(db->handle, code);
	if (!sqlite3_get_autocommit(db->handle))
		control(db, CONTROL_ROLLBACK);
	if (!only_readers && has_writes(batch))
		distrust(db, code);
	return rc;
}

/* Writes are answered with the fault; reads have another chance. */
static void answer_fault(struct sqlite_db *db, struct store_txn *batch, int fault)
{
	int rc;

	for (struct store_txn *txn = batch; txn; txn = txn->next)
		store_forget(txn);
	rc = run_or_undo(db, batch, true);
	for (struct store_txn *txn = batch; txn; txn = txn->next) {
		if (txn->writes)
			txn->result = fault;
		else if (rc)
			txn->result = rc;
	}
}

int sqlite_run(void *state, struct store_txn *batch)
{
	struct sqlite_db *db = state;
	int rc = has_writes(batch) ? recover(db) : 0;

	if (!rc && has_writes(batch))
		rc = prepare_commit(db, batch);
	if (!rc)
		rc = run_or_undo(db, batch, false);
	if (rc)
		answer_fault(db, batch, rc);
	return rc;
}
