/* SPDX-License-Identifier: MIT */
/*
 * The archive: one table in the order of ids, to whose end each message is written, and indexes that follow it. A row of an
 * index is on a page of its owner's, and a page is what a commit costs; so the ids of an owner go there together: when there
 * are many, or when there are many of all. What is not there yet is in memory (tail.h), read back from above the floor
 * when the database is opened.
 *
 *   archive        id -> owner, peer, value
 *   archive_party  bare JID <-> number, one as an owner and one as a peer; that of an owner who is gone begins with a blank
 *   archive_entry  owner, id
 *   archive_talk   owner, peer, id
 */
#include "base/mem.h"
#include "storage/drivers/sqlite.h"
#include "storage/drivers/tail.h"

enum {
	TAIL_MAX = 32768,  /* ids in memory: reading them back takes some 30 ms */
	OWNER_MAX = 256,   /* of an owner: they fill a page */
	INDEX_LEAST = 64,  /* that a commit indexes beyond twice what it added, when there are too many */
	INDEX_PIECE = 1024, /* of an owner, at once */
	SAME_MAX = 300,	   /* messages back, among which one that comes again is looked for */
	PRUNE_STEP = 500,
	LOOK_MAX = 1000,   /* messages of a conversation, at once, for those of one resource */
	STEP_MASK = 0xff,  /* how much more than the last an id of the same millisecond is, at most */
};

/* A message is id, value, session, count, owner, peer, resource. */
#define MESSAGE "archive.id, value, session, count, archive.owner, archive.peer, resource"
#define OF_OWNER " FROM archive_entry AS i JOIN archive ON archive.id=i.id WHERE i.owner=?1 AND i.id BETWEEN ?2 AND ?3"
#define OF_BOTH " FROM archive_talk AS i JOIN archive ON archive.id=i.id WHERE i.owner=?1 AND i.id BETWEEN ?2 AND ?3 AND i.peer=?5"
#define OF_RESOURCE " AND (?6=x'' OR resource=?6)"

#define LOOK "SELECT id FROM archive_talk WHERE owner=?1 AND id BETWEEN ?2 AND ?3 AND peer=?4"

static const char *const statements[ARCHIVE_SQL] = {
	[ARCHIVE_ADD] = "INSERT INTO archive VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[ARCHIVE_GET] = "SELECT " MESSAGE " FROM archive WHERE id=?1",
	[ARCHIVE_ROW] = "SELECT id, owner, session, count FROM archive WHERE id>=?1 ORDER BY id",
	[ARCHIVE_PUT] = "UPDATE archive SET value=?3 WHERE id=?1 AND owner=?2",
	[ARCHIVE_PAGE] = "SELECT " MESSAGE OF_OWNER " ORDER BY i.id LIMIT ?4",
	[ARCHIVE_PAGE_BACK] = "SELECT " MESSAGE OF_OWNER " ORDER BY i.id DESC LIMIT ?4",
	[ARCHIVE_TALK] = "SELECT " MESSAGE OF_BOTH OF_RESOURCE " ORDER BY i.id LIMIT ?4",
	[ARCHIVE_TALK_BACK] = "SELECT " MESSAGE OF_BOTH OF_RESOURCE " ORDER BY i.id DESC LIMIT ?4",
	[ARCHIVE_LOOK] = LOOK " ORDER BY id LIMIT 1 OFFSET ?5",
	[ARCHIVE_LOOK_BACK] = LOOK " ORDER BY id DESC LIMIT 1 OFFSET ?5",
	[ARCHIVE_COUNT] = "SELECT count(*) FROM (SELECT 1 FROM archive_entry WHERE owner=?1 AND id BETWEEN ?2 AND ?3 LIMIT ?4)",
	[ARCHIVE_COUNT_TALK] = "SELECT count(*) FROM (SELECT 1 FROM archive_talk WHERE owner=?1 AND id BETWEEN ?2 AND ?3 AND peer=?5 LIMIT ?4)",
	[ARCHIVE_COUNT_RESOURCE] = "SELECT count(*) FROM (SELECT 1" OF_BOTH " AND resource=?6 LIMIT ?4)",
	[ARCHIVE_PARTY] = "SELECT party FROM archive_party WHERE is_peer=?2 AND jid=?1",
	[ARCHIVE_PARTY_ADD] = "INSERT INTO archive_party (jid, is_peer) VALUES (?1, ?2)",
	[ARCHIVE_PARTY_GONE] = "UPDATE archive_party SET jid=CAST(' ' || party AS BLOB) WHERE is_peer=0 AND jid=?1",
	[ARCHIVE_ENTRY_ADD] = "INSERT OR IGNORE INTO archive_entry VALUES (?1, ?2)",
	[ARCHIVE_TALK_ADD] = "INSERT OR IGNORE INTO archive_talk VALUES (?1, ?2, ?3)",
	[ARCHIVE_ENTRY_LAST] = "SELECT max(id) FROM archive_entry WHERE owner=?1",
	[ARCHIVE_SAME] = "SELECT id FROM (SELECT archive.id AS id, session, count FROM archive_entry AS i JOIN archive ON"
			 " archive.id=i.id WHERE i.owner=?1 ORDER BY i.id DESC LIMIT ?4) WHERE session=?2 AND count=?3",
	[ARCHIVE_FLOOR] = "UPDATE archive_floor SET id=?1",
	[ARCHIVE_OLDEST] = "SELECT id, owner, peer FROM archive WHERE id<?1 ORDER BY id LIMIT ?2",
	[ARCHIVE_DEL] = "DELETE FROM archive WHERE id<=?1",
	[ARCHIVE_ENTRY_TRIM] = "DELETE FROM archive_entry WHERE owner=?1 AND id<=?2",
	[ARCHIVE_TALK_TRIM] = "DELETE FROM archive_talk WHERE owner=?1 AND peer=?2 AND id<=?3",
	[ARCHIVE_GONE] = "SELECT party FROM archive_party WHERE is_peer=0 AND jid>=CAST(' ' AS BLOB) AND"
			 " jid<CAST('!' AS BLOB) LIMIT 1",
	[ARCHIVE_LOG_OWN] = "UPDATE log SET value=(SELECT value FROM archive WHERE id=archived), archived=0 WHERE archived>0 AND archived<=?1",
	[ARCHIVE_GONE_IDS] = "SELECT id FROM archive_entry WHERE owner=?1 AND id>=?2 ORDER BY id LIMIT ?3",
	[ARCHIVE_GONE_DEL] = "DELETE FROM archive WHERE id=?1",
};

/* -- statements -- */

static sqlite3_stmt *statement(struct sqlite_db *db, enum sqlite_archive_sql which)
{
	if (!db->archive[which])
		sqlite3_prepare_v3(db->handle, statements[which], -1, SQLITE_PREPARE_PERSISTENT, &db->archive[which], NULL);
	return db->archive[which]; /* NULL: end() says so */
}

/* What it ends with; none: it could not be made. */
static int end(sqlite3_stmt *made)
{
	return made ? sqlite3_reset(made) : SQLITE_ERROR;
}

static void bind_text(sqlite3_stmt *to, int at, struct slice slice)
{
	sqlite3_bind_blob64(to, at, slice.data ? slice.data : "", slice.len, SQLITE_STATIC);
}

static struct slice column(sqlite3_stmt *from, int at)
{
	const char *bytes = sqlite3_column_blob(from, at);

	return (struct slice){bytes, bytes ? (size_t)sqlite3_column_bytes(from, at) : 0};
}

/* One that answers nothing. */
static int run(sqlite3_stmt *made)
{
	sqlite3_step(made);
	return end(made);
}

/* The only number that it answers; 0: none. */
static int run_number(sqlite3_stmt *made, uint64_t *number)
{
	*number = sqlite3_step(made) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(made, 0) : 0;
	return end(made);
}

enum role { OWNER, PEER };

static int find_party(struct sqlite_db *db, enum role role, struct slice jid, uint64_t *party)
{
	sqlite3_stmt *find = statement(db, ARCHIVE_PARTY);

	bind_text(find, 1, jid);
	sqlite3_bind_int(find, 2, role);
	return run_number(find, party);
}

static int need_party(struct sqlite_db *db, enum role role, struct slice jid, uint64_t *party)
{
	int code = find_party(db, role, jid, party);
	sqlite3_stmt *add;

	if (code != SQLITE_OK || *party)
		return code;
	add = statement(db, ARCHIVE_PARTY_ADD);
	bind_text(add, 1, jid);
	sqlite3_bind_int(add, 2, role);
	code = run(add);
	*party = (uint64_t)sqlite3_last_insert_rowid(db->handle);
	return code;
}

/* -- opening -- */

int sqlite_archive_open(struct sqlite_db *db)
{
	uint64_t floor = 0;
	sqlite3_stmt *rows, *read = NULL;
	int code;

	db->tail = tail_new();
	code = sqlite3_prepare_v2(db->handle, "SELECT id FROM archive_floor", -1, &read, NULL);
	if (code == SQLITE_OK)
		code = run_number(read, &floor);
	sqlite3_finalize(read);
	if (code != SQLITE_OK)
		return code;
	code = sqlite3_prepare_v2(db->handle, "SELECT max(id) FROM archive", -1, &read, NULL);
	if (code == SQLITE_OK)
		code = run_number(read, &db->last_id);
	sqlite3_finalize(read);
	rows = statement(db, ARCHIVE_ROW);
	sqlite3_bind_int64(rows, 1, (int64_t)floor);
	while (code == SQLITE_OK && sqlite3_step(rows) == SQLITE_ROW) {
		struct tail_entry entry = {.id = (uint64_t)sqlite3_column_int64(rows, 0),
					   .session = (uint64_t)sqlite3_column_int64(rows, 2),
					   .count = (uint32_t)sqlite3_column_int64(rows, 3)};

		tail_add(db->tail, column(rows, 1), &entry);
		tail_find(db->tail, column(rows, 1))->unsure = true;
	}
	tail_keep(db->tail);
	tail_end(db->tail, true);
	return code == SQLITE_OK ? end(rows) : code;
}

void sqlite_archive_close(struct sqlite_db *db)
{
	tail_free(&db->tail);
}

/* -- the indexes -- */

static int index_entry(struct sqlite_db *db, uint64_t owner, uint64_t id)
{
	sqlite3_stmt *get = statement(db, ARCHIVE_GET), *add = statement(db, ARCHIVE_ENTRY_ADD);
	uint64_t peer = 0;
	int code = SQLITE_OK;
	bool found;

	sqlite3_bind_int64(get, 1, (int64_t)id);
	found = sqlite3_step(get) == SQLITE_ROW;
	if (found)
		code = need_party(db, PEER, column(get, 5), &peer);
	if (code == SQLITE_OK)
		code = end(get);
	else
		end(get);
	if (code != SQLITE_OK || !found)
		return code; /* it was pruned, or taken out */
	sqlite3_bind_int64(add, 1, (int64_t)owner);
	sqlite3_bind_int64(add, 2, (int64_t)id);
	code = run(add);
	if (code != SQLITE_OK)
		return code;
	add = statement(db, ARCHIVE_TALK_ADD);
	sqlite3_bind_int64(add, 1, (int64_t)owner);
	sqlite3_bind_int64(add, 2, (int64_t)peer);
	sqlite3_bind_int64(add, 3, (int64_t)id);
	return run(add);
}

/* Some of it, the oldest. */
static int index_owner(struct sqlite_db *db, struct tail_owner *owner)
{
	unsigned end = owner->count - owner->indexed < INDEX_PIECE ? owner->count : owner->indexed + INDEX_PIECE;
	uint64_t party;
	int code = need_party(db, OWNER, slice_of(owner->name), &party);

	for (unsigned at = owner->indexed; code == SQLITE_OK && at < end; at++)
		code = index_entry(db, party, owner->entries[at].id);
	tail_indexed(db->tail, owner, end);
	return code;
}

static int set_floor(struct sqlite_db *db)
{
	sqlite3_stmt *set = statement(db, ARCHIVE_FLOOR);

	sqlite3_bind_int64(set, 1, (int64_t)tail_since(db->tail, db->last_id + 1));
	return run(set);
}

static int index_full(struct sqlite_db *db)
{
	const struct tail *tail = db->tail;
	int code = SQLITE_OK;

	for (unsigned at = 0; code == SQLITE_OK && at < tail->added_count; at++) {
		struct tail_owner *owner = tail->added[at];

		if (owner->count - owner->indexed >= OWNER_MAX)
			code = index_owner(db, owner);
	}
	return code;
}

int sqlite_archive_index(struct sqlite_db *db)
{
	struct tail *tail = db->tail;
	unsigned most = tail->added_count * 2 + INDEX_LEAST;
	struct tail_owner *oldest;
	int code = index_full(db);

	while (code == SQLITE_OK && tail->indexed < most && (oldest = tail_oldest(tail)) &&
	       (tail->count - tail->indexed > TAIL_MAX || tail->added_ever - oldest->born > TAIL_MAX))
		code = index_owner(db, oldest);
	return code == SQLITE_OK && tail->indexed ? set_floor(db) : code;
}

void sqlite_archive_undo(struct sqlite_db *db)
{
	tail_undo(db->tail);
}

void sqlite_archive_keep(struct sqlite_db *db)
{
	tail_keep(db->tail);
}

void sqlite_archive_end(struct sqlite_db *db, bool committed)
{
	tail_end(db->tail, committed);
}

/*
 * Those of an owner in memory; NULL: none. first: of the first that no index has, as seen from within this batch: it may have been
 * indexed, or read back when it was already.
 */
static int find_tail(struct sqlite_db *db, struct slice name, uint64_t party, const struct tail_owner **found, unsigned *first)
{
	struct tail_owner *owner = tail_find(db->tail, name);
	sqlite3_stmt *last;
	uint64_t id;
	int code;

	*found = owner;
	*first = 0;
	if (!owner || (!owner->unsure && !owner->indexed))
		return SQLITE_OK;
	last = statement(db, ARCHIVE_ENTRY_LAST);
	sqlite3_bind_int64(last, 1, (int64_t)party);
	code = run_number(last, &id);
	while (*first < owner->count && owner->entries[*first].id <= id)
		++*first;
	if (!*first && code == SQLITE_OK && !owner->indexed)
		owner->unsure = false;
	return code;
}

/* -- adding -- */

static int find_same(struct sqlite_db *db, const struct store_op *op, uint64_t *id)
{
	const struct tail_owner *owner;
	unsigned first;
	uint64_t party;
	sqlite3_stmt *same;
	int code = find_party(db, OWNER, op->owner, &party);

	*id = 0;
	if (code == SQLITE_OK)
		code = find_tail(db, op->owner, party, &owner, &first);
	if (code != SQLITE_OK)
		return code;
	for (unsigned at = owner ? owner->count : 0; at-- > first;) {
		if (owner->entries[at].session == op->session && owner->entries[at].count == op->count)
			*id = owner->entries[at].id;
	}
	if (*id || !party)
		return SQLITE_OK;
	same = statement(db, ARCHIVE_SAME);
	sqlite3_bind_int64(same, 1, (int64_t)party);
	sqlite3_bind_int64(same, 2, (int64_t)op->session);
	sqlite3_bind_int64(same, 3, op->count);
	sqlite3_bind_int64(same, 4, SAME_MAX);
	return run_number(same, id);
}

static uint64_t draw_id(struct sqlite_db *db, uint64_t random)
{
	uint64_t now = (uint64_t)mio_host_wall_ms(db->host) << STORE_ID_BITS | (random & ((1 << STORE_ID_BITS) - 1));

	db->last_id = now > db->last_id ? now : db->last_id + 1 + (random & STEP_MASK);
	return db->last_id;
}

static int add(struct sqlite_db *db, struct store_txn *txn, struct store_op *op)
{
	struct tail_entry entry = {.session = op->session, .count = op->count};
	sqlite3_stmt *add = statement(db, ARCHIVE_ADD);
	int code;

	if (op->again && op->session) {
		code = find_same(db, op, &entry.id);
		if (code == SQLITE_OK && entry.id)
			store_answer(txn, op, &(struct store_row){.seq = entry.id, .count = 1});
		if (code != SQLITE_OK || entry.id)
			return code;
	}
	entry.id = draw_id(db, op->number);
	sqlite3_bind_int64(add, 1, (int64_t)entry.id);
	bind_text(add, 2, op->owner);
	bind_text(add, 3, op->peer);
	bind_text(add, 4, op->resource);
	sqlite3_bind_int64(add, 5, (int64_t)op->session);
	sqlite3_bind_int64(add, 6, op->count);
	bind_text(add, 7, op->value);
	code = run(add);
	if (code != SQLITE_OK)
		return code;
	tail_add(db->tail, op->owner, &entry);
	store_answer(txn, op, &(struct store_row){.seq = entry.id});
	return SQLITE_OK;
}

/* -- reading -- */

/* A page that is heavy enough ends early: behind its last row there is one that is none. */
static bool goes_on(const struct store_op *op)
{
	return op->verb == VERB_PAGE_COUNT || (op->rows < op->number && op->bytes < STORE_PAGE_BYTES);
}

static void answer(struct store_txn *txn, struct store_op *op, sqlite3_stmt *row)
{
	uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);

	op->bytes += column(row, 1).len;

	store_answer(txn, op, &(struct store_row){.seq = id,
						  .stamp_ms = (int64_t)(id >> STORE_ID_BITS),
						  .value = column(row, 1),
						  .session = (uint64_t)sqlite3_column_int64(row, 2),
						  .count = (uint32_t)sqlite3_column_int64(row, 3)});
}

static bool is_wanted(const struct store_op *op, sqlite3_stmt *row)
{
	return slice_equal(column(row, 4), op->owner) && (!op->peer.len || slice_equal(column(row, 5), op->peer)) &&
	       (!op->resource.len || slice_equal(column(row, 6), op->resource));
}

/* A row of the table itself, if it is one of those. */
static int look_at(struct sqlite_db *db, struct store_txn *txn, struct store_op *op, uint64_t id, bool *wanted)
{
	sqlite3_stmt *get = statement(db, ARCHIVE_GET);

	sqlite3_bind_int64(get, 1, (int64_t)id);
	*wanted = sqlite3_step(get) == SQLITE_ROW && is_wanted(op, get);
	if (*wanted && op->verb != VERB_PAGE_COUNT)
		answer(txn, op, get);
	return end(get);
}

static int walk_tail(struct sqlite_db *db, struct store_txn *txn, struct store_op *op, const struct tail_owner *owner, unsigned first,
		     uint64_t *count)
{
	unsigned total = owner ? owner->count - first : 0;
	int code = SQLITE_OK;

	for (unsigned step = 0; code == SQLITE_OK && step < total && goes_on(op); step++) {
		uint64_t id = owner->entries[first + (op->again ? total - 1 - step : step)].id;
		bool wanted;

		if (id < op->from || id > op->to)
			continue;
		code = look_at(db, txn, op, id, &wanted);
		*count += wanted;
	}
	return code;
}

static enum sqlite_archive_sql which_page(const struct store_op *op)
{
	if (op->verb == VERB_PAGE)
		return op->peer.len ? (op->again ? ARCHIVE_TALK_BACK : ARCHIVE_TALK) : (op->again ? ARCHIVE_PAGE_BACK : ARCHIVE_PAGE);
	return op->resource.len ? ARCHIVE_COUNT_RESOURCE : op->peer.len ? ARCHIVE_COUNT_TALK : ARCHIVE_COUNT;
}

/*
 * The last message of a conversation that is looked at for those of one resource, who may have been seldom there, while others wait
 * for storage; 0: all are.
 */
static int bound_look(struct sqlite_db *db, const struct store_op *op, uint64_t owner, uint64_t peer, uint64_t *looked)
{
	sqlite3_stmt *bound;

	*looked = 0;
	if (!op->resource.len)
		return SQLITE_OK;
	bound = statement(db, op->again ? ARCHIVE_LOOK_BACK : ARCHIVE_LOOK);
	sqlite3_bind_int64(bound, 1, (int64_t)owner);
	sqlite3_bind_int64(bound, 2, (int64_t)op->from);
	sqlite3_bind_int64(bound, 3, (int64_t)op->to);
	sqlite3_bind_int64(bound, 4, (int64_t)peer);
	sqlite3_bind_int64(bound, 5, LOOK_MAX - 1);
	return run_number(bound, looked);
}

/* looked: where it ended before it was full; 0: it did not. */
static int walk_indexes(struct sqlite_db *db, struct store_txn *txn, struct store_op *op, uint64_t owner, uint64_t *count, uint64_t *looked)
{
	sqlite3_stmt *page = statement(db, which_page(op));
	uint64_t peer = 0, last = 0;
	int code = op->peer.len ? find_party(db, PEER, op->peer, &peer) : SQLITE_OK;

	if (code != SQLITE_OK || !owner || (op->peer.len && !peer))
		return code;
	code = bound_look(db, op, owner, peer, &last);
	if (code != SQLITE_OK)
		return code;
	sqlite3_bind_int64(page, 1, (int64_t)owner);
	sqlite3_bind_int64(page, 2, (int64_t)(last && op->again ? last : op->from));
	sqlite3_bind_int64(page, 3, (int64_t)(last && !op->again ? last : op->to));
	if (op->verb == VERB_PAGE)
		sqlite3_bind_int64(page, 4, (int64_t)(op->number - op->rows));
	else
		sqlite3_bind_int64(page, 4, op->number ? (int64_t)op->number : -1);
	if (op->peer.len)
		sqlite3_bind_int64(page, 5, (int64_t)peer);
	if (op->peer.len && (op->verb == VERB_PAGE || op->resource.len))
		bind_text(page, 6, op->resource);
	while (goes_on(op) && sqlite3_step(page) == SQLITE_ROW) {
		if (op->verb == VERB_PAGE)
			answer(txn, op, page);
		else
			*count += (uint64_t)sqlite3_column_int64(page, 0);
	}
	*looked = goes_on(op) ? last : 0;
	return end(page);
}

static void answer_count(struct store_txn *txn, struct store_op *op, uint64_t count)
{
	store_answer(txn, op, &(struct store_row){.seq = op->number && count != STORE_CUT && count > op->number ? op->number : count});
}

/* What is in memory is newer than all that is indexed. */
static int read_page(struct sqlite_db *db, struct store_txn *txn, struct store_op *op)
{
	const struct tail_owner *tail;
	unsigned first;
	uint64_t owner, count = 0, looked = 0;
	int code = find_party(db, OWNER, op->owner, &owner);

	if (code == SQLITE_OK)
		code = find_tail(db, op->owner, owner, &tail, &first);
	if (code == SQLITE_OK && op->again)
		code = walk_tail(db, txn, op, tail, first, &count);
	if (code == SQLITE_OK && goes_on(op))
		code = walk_indexes(db, txn, op, owner, &count, &looked);
	if (code == SQLITE_OK && !op->again && !looked)
		code = walk_tail(db, txn, op, tail, first, &count);
	if (code == SQLITE_OK && op->verb == VERB_PAGE && (looked || op->bytes >= STORE_PAGE_BYTES))
		store_answer(txn, op, &(struct store_row){.seq = STORE_CUT, .archived = looked});
	if (code == SQLITE_OK && op->verb == VERB_PAGE_COUNT)
		answer_count(txn, op, looked ? STORE_CUT : count);
	return code;
}

static int read_all(struct sqlite_db *db, struct store_txn *txn, struct store_op *op)
{
	op->verb = op->verb == VERB_COUNT ? VERB_PAGE_COUNT : VERB_PAGE;
	op->number = op->verb == VERB_PAGE ? UINT32_MAX : 0;
	op->to = INT64_MAX;
	return read_page(db, txn, op);
}

static int put(struct sqlite_db *db, const struct store_op *op)
{
	sqlite3_stmt *put = statement(db, ARCHIVE_PUT);

	sqlite3_bind_int64(put, 1, (int64_t)op->number);
	bind_text(put, 2, op->owner);
	bind_text(put, 3, op->value);
	return run(put);
}

/* -- forgetting -- */

static int del_message(struct sqlite_db *db, uint64_t id)
{
	sqlite3_stmt *del = statement(db, ARCHIVE_GONE_DEL);

	sqlite3_bind_int64(del, 1, (int64_t)id);
	return run(del);
}

/* Up to PRUNE_STEP ids of an index, from one on. */
static int read_ids(struct sqlite_db *db, uint64_t owner, uint64_t from, uint64_t *ids, unsigned *count)
{
	sqlite3_stmt *read = statement(db, ARCHIVE_GONE_IDS);

	*count = 0;
	sqlite3_bind_int64(read, 1, (int64_t)owner);
	sqlite3_bind_int64(read, 2, (int64_t)from);
	sqlite3_bind_int64(read, 3, PRUNE_STEP);
	while (sqlite3_step(read) == SQLITE_ROW && *count < PRUNE_STEP)
		ids[(*count)++] = (uint64_t)sqlite3_column_int64(read, 0);
	return end(read);
}

/* Above the floor there is nothing of an owner who is gone: it would be read back as of the next of that name. */
static int clear_above_floor(struct sqlite_db *db, uint64_t owner)
{
	uint64_t ids[PRUNE_STEP], from = tail_since(db->tail, db->last_id + 1);
	unsigned count;
	int code;

	do {
		code = read_ids(db, owner, from, ids, &count);
		for (unsigned at = 0; code == SQLITE_OK && at < count; at++)
			code = del_message(db, ids[at]);
		from = count ? ids[count - 1] + 1 : from;
	} while (code == SQLITE_OK && count == PRUNE_STEP);
	return code;
}

static int clear(struct sqlite_db *db, const struct store_op *op)
{
	sqlite3_stmt *gone = statement(db, ARCHIVE_PARTY_GONE);
	struct tail_owner *tail = tail_find(db->tail, op->owner);
	uint64_t owner;
	int code = find_party(db, OWNER, op->owner, &owner);

	if (code == SQLITE_OK && owner)
		code = clear_above_floor(db, owner);
	for (unsigned at = tail ? tail->indexed : 0; code == SQLITE_OK && tail && at < tail->count; at++)
		code = del_message(db, tail->entries[at].id);
	if (tail)
		tail_indexed(db->tail, tail, tail->count); /* there is nothing to index */
	if (code != SQLITE_OK || !owner)
		return code;
	bind_text(gone, 1, op->owner);
	return run(gone);
}

struct old {
	uint64_t owner, peer;
};

static int trim(struct sqlite_db *db, const struct old *old, uint64_t up_to)
{
	sqlite3_stmt *trim = statement(db, ARCHIVE_ENTRY_TRIM);
	int code;

	sqlite3_bind_int64(trim, 1, (int64_t)old->owner);
	sqlite3_bind_int64(trim, 2, (int64_t)up_to);
	code = run(trim);
	if (code != SQLITE_OK)
		return code;
	trim = statement(db, ARCHIVE_TALK_TRIM);
	sqlite3_bind_int64(trim, 1, (int64_t)old->owner);
	sqlite3_bind_int64(trim, 2, (int64_t)old->peer);
	sqlite3_bind_int64(trim, 3, (int64_t)up_to);
	return run(trim);
}

/* All up to an id leave the table, so they leave each index together. */
static int prune_old(struct sqlite_db *db, uint64_t before, bool *more)
{
	sqlite3_stmt *oldest = statement(db, ARCHIVE_OLDEST), *del = statement(db, ARCHIVE_DEL), *own = statement(db, ARCHIVE_LOG_OWN);
	struct old olds[PRUNE_STEP];
	uint64_t up_to = 0;
	unsigned count = 0;
	int code = SQLITE_OK;

	sqlite3_bind_int64(oldest, 1, (int64_t)before);
	sqlite3_bind_int64(oldest, 2, PRUNE_STEP);
	while (code == SQLITE_OK && count < PRUNE_STEP && sqlite3_step(oldest) == SQLITE_ROW) {
		up_to = (uint64_t)sqlite3_column_int64(oldest, 0);
		code = find_party(db, OWNER, column(oldest, 1), &olds[count].owner);
		if (code == SQLITE_OK)
			code = find_party(db, PEER, column(oldest, 2), &olds[count].peer);
		count++;
	}
	if (code == SQLITE_OK)
		code = end(oldest);
	else
		end(oldest);
	for (unsigned at = 0; code == SQLITE_OK && at < count; at++)
		code = trim(db, &olds[at], up_to);
	*more = count == PRUNE_STEP;
	if (code != SQLITE_OK || !count)
		return code;
	sqlite3_bind_int64(own, 1, (int64_t)up_to); /* what still waits for somebody has its value for itself from now on */
	code = run(own);
	if (code != SQLITE_OK)
		return code;
	sqlite3_bind_int64(del, 1, (int64_t)up_to);
	return run(del);
}

/* What an owner who is gone has in the indexes is found by nobody; here it goes. */
static int prune_gone(struct sqlite_db *db, bool *more)
{
	static const char *const left[] = {
		"DELETE FROM archive_talk WHERE owner=%llu AND (peer, id) IN (SELECT peer, id FROM archive_talk WHERE owner=%llu LIMIT 500)",
		"DELETE FROM archive_party WHERE party=%llu AND NOT EXISTS (SELECT 1 FROM archive_talk WHERE owner=%llu)",
	};
	uint64_t ids[PRUNE_STEP], owner;
	unsigned count = 0;
	int code = run_number(statement(db, ARCHIVE_GONE), &owner);
	sqlite3_stmt *trim = statement(db, ARCHIVE_ENTRY_TRIM);

	if (code != SQLITE_OK || !owner)
		return code;
	*more = true;
	code = read_ids(db, owner, 0, ids, &count);
	for (unsigned at = 0; code == SQLITE_OK && at < count; at++)
		code = del_message(db, ids[at]);
	if (code == SQLITE_OK && count) {
		sqlite3_bind_int64(trim, 1, (int64_t)owner);
		sqlite3_bind_int64(trim, 2, (int64_t)ids[count - 1]);
		return run(trim);
	}
	for (unsigned at = 0; code == SQLITE_OK && at < countof(left); at++) {
		AUTO(buf_fini) struct buf sql = {0};

		buf_printf(&sql, left[at], (unsigned long long)owner, (unsigned long long)owner);
		code = sqlite3_exec(db->handle, buf_text(&sql), NULL, NULL, NULL);
	}
	return code;
}

/* Of what is old, and in no index yet. */
static int index_old(struct sqlite_db *db, uint64_t before)
{
	struct tail_owner *oldest;
	unsigned done = 0;
	int code = SQLITE_OK;

	while (code == SQLITE_OK && done < PRUNE_STEP && (oldest = tail_oldest(db->tail)) && oldest->since < before) {
		done += oldest->count - oldest->indexed;
		code = index_owner(db, oldest);
	}
	return code == SQLITE_OK && done ? set_floor(db) : code;
}

static int prune(struct sqlite_db *db, const struct store_op *op, int *outcome)
{
	int code = index_old(db, op->number);
	uint64_t floor = tail_since(db->tail, db->last_id + 1);
	bool more = false;

	if (code == SQLITE_OK)
		code = prune_old(db, op->number < floor ? op->number : floor, &more);
	more |= floor < op->number && floor <= db->last_id;
	if (code == SQLITE_OK)
		code = prune_gone(db, &more);
	if (more)
		*outcome = STORE_MORE;
	return code;
}

/* -- all -- */

int sqlite_archive_op(struct sqlite_db *db, struct store_txn *txn, struct store_op *op, int *outcome)
{
	bool wanted;

	switch (op->verb) {
	case VERB_ARCHIVE:
		return add(db, txn, op);
	case VERB_LIST:
	case VERB_COUNT:
		return read_all(db, txn, op);
	case VERB_PAGE:
	case VERB_PAGE_COUNT:
		return read_page(db, txn, op);
	case VERB_MESSAGE:
		return look_at(db, txn, op, op->number, &wanted);
	case VERB_MESSAGE_PUT:
		return put(db, op);
	case VERB_CLEAR:
		return clear(db, op);
	case VERB_PRUNE:
		return prune(db, op, outcome);
	default:
		return SQLITE_MISUSE;
	}
}
