/* SPDX-License-Identifier: MIT */
#include "sm/unacked.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "component/settings.h"
#include "jid/jid.h"
#include "mio/lasting.h"
#include "sm/core.h"
#include "sm/deliveries.h"
#include "sm/modules/modules.h"
#include "sm/sm_component.h"
#include "storage/archive.h"

enum { RECORDS = 16384, MARKS = 32768, SETTLED = 4096, OWNER_BYTES = 104, KEY_HEX = 32 };

/* Of a message and a session. What the index of one is kept in is one more: 0 is none. */
struct record {
	_Atomic uint32_t used; /* set when all the rest is written */
	uint32_t next;	       /* of the same message, or of those that are free */
	uint32_t number;
	uint32_t count, mark; /* its origin, to be settled */
	uint32_t owner_len;
	uint64_t origin;
	_Atomic uint64_t row; /* 0: it is in the archive at most */
	uint64_t archived;
	char key[KEY_HEX];
	char owner[OWNER_BYTES];
};

/* How far a session is that can be resumed. */
struct mark {
	_Atomic uint64_t origin; /* 0: none */
	_Atomic uint32_t settled;
	uint32_t next; /* of those that are free */
};

/* What may not have come to its session. */
struct settled {
	_Atomic uint64_t origin; /* 0: none; set when all the rest is written */
	uint32_t count, mark;
};

/* The memory. */
struct left {
	uint64_t life; /* what storage knows as the last; another one: it is of another database */
	struct settled settled[SETTLED];
	struct mark marks[MARKS];
	struct record records[RECORDS];
};

#define LIFE SLICE("unacked") /* in STORE_SERVER */

static struct record *record_at(const struct sm *sm, uint32_t index)
{
	return &sm->unacked.left->records[index - 1];
}

static void release(struct sm *sm, uint32_t index)
{
	struct record *record = record_at(sm, index);

	atomic_store_explicit(&record->used, 0, memory_order_release);
	record->next = sm->unacked.free;
	sm->unacked.free = index;
}

/* -- while they are under way ------------------------------------------------------------------------ */

static bool is_of(const struct record *record, const struct session *session)
{
	return memcmp(record->key, str_text(session->key), KEY_HEX) == 0;
}

static uint32_t *find(const struct session *session, struct delivery *delivery)
{
	const struct sm *sm = session->user->sm;
	uint32_t *at = &delivery->unacked;

	while (*at && !is_of(record_at(sm, *at), session))
		at = &record_at(sm, *at)->next;
	return at;
}

static bool can_be_named(const struct session *session)
{
	return session->key && str_slice(session->key).len == KEY_HEX && !session->kept &&
	       jid_user(session->user->jid).len <= OWNER_BYTES;
}

void unacked_add(struct session *session, struct delivery *delivery, uint32_t number)
{
	struct sm *sm = session->user->sm;
	struct slice owner = jid_user(session->user->jid);
	struct record *record;
	uint32_t index = sm->unacked.free;

	if (!index || delivery->over || !can_be_named(session) || *find(session, delivery))
		return;
	record = record_at(sm, index);
	sm->unacked.free = record->next;
	record->next = delivery->unacked;
	record->number = number;
	record->row = delivery->row;
	record->origin = delivery->stanza ? delivery->stanza->origin.key : 0;
	record->count = delivery->stanza ? delivery->stanza->origin.count : 0;
	record->mark = delivery->stanza ? delivery->stanza->origin.mark : 0;
	record->archived = delivery->stanza ? delivery->stanza->archived : 0;
	record->owner_len = (uint32_t)owner.len;
	memcpy(record->owner, owner.data, owner.len);
	memcpy(record->key, str_text(session->key), KEY_HEX);
	atomic_store_explicit(&record->used, 1, memory_order_release);
	delivery->unacked = index;
}

void unacked_stored(struct delivery *delivery)
{
	const struct sm *sm = delivery->user->sm;

	for (uint32_t at = delivery->unacked; at; at = record_at(sm, at)->next)
		record_at(sm, at)->row = delivery->row;
}

void unacked_del(const struct session *session, struct delivery *delivery)
{
	uint32_t *at, index;

	if (!delivery->unacked || !session->key)
		return;
	at = find(session, delivery);
	index = *at;
	if (!index)
		return;
	*at = record_at(session->user->sm, index)->next;
	release(session->user->sm, index);
}

void unacked_drop(struct sm *sm, uint32_t *records)
{
	while (*records) {
		uint32_t index = *records;

		*records = record_at(sm, index)->next;
		release(sm, index);
	}
}

static uint32_t settled_of_worker(const struct sm *sm)
{
	return SETTLED / sm->process->worker_count;
}

void unacked_settled(struct sm *sm, const struct origin *origin)
{
	struct settled *settled;

	if (!sm->unacked.left || !origin->key)
		return;
	settled = &sm->unacked.left->settled[mio_worker(sm->mio) * settled_of_worker(sm) + sm->unacked.next];
	sm->unacked.next = (sm->unacked.next + 1) % settled_of_worker(sm);
	atomic_store_explicit(&settled->origin, 0, memory_order_release);
	settled->count = origin->count;
	settled->mark = origin->mark;
	atomic_store_explicit(&settled->origin, origin->key, memory_order_release);
}

static struct mark *mark_of(const struct session *session)
{
	return &session->user->sm->unacked.left->marks[session->mark - 1];
}

void unacked_mark(struct session *session)
{
	struct sm *sm;

	if (!session->key || session->kept)
		return;
	sm = session->user->sm;
	if (!session->mark && sm->unacked.free_mark) {
		session->mark = sm->unacked.free_mark;
		sm->unacked.free_mark = mark_of(session)->next;
		mark_of(session)->settled = session->settled;
		atomic_store_explicit(&mark_of(session)->origin, session->origin, memory_order_release);
	}
	if (session->mark)
		mark_of(session)->settled = session->settled;
}

static void release_mark(struct sm *sm, uint32_t index)
{
	struct mark *mark = &sm->unacked.left->marks[index - 1];

	atomic_store_explicit(&mark->origin, 0, memory_order_release);
	mark->next = sm->unacked.free_mark;
	sm->unacked.free_mark = index;
}

void unacked_unmark(struct session *session)
{
	if (session->mark)
		release_mark(session->user->sm, session->mark);
	session->mark = 0;
}

/* -- behind a kill ------------------------------------------------------------------------------------ */

static void name_item(struct slice key, struct buf *item)
{
	buf_append_text(item, "sent ");
	buf_append_slice(item, key);
}

static struct slice owner_of(const struct record *record)
{
	return (struct slice){record->owner, record->owner_len};
}

static struct slice key_of(const struct record *record)
{
	return (struct slice){record->key, KEY_HEX};
}

/* By owner; of one in the order in which they came to the archive: so they go to storage. */
static int by_age(const void *a, const void *b)
{
	const struct record *first = *(struct record *const *)a, *second = *(struct record *const *)b;
	int order = slice_compare(owner_of(first), owner_of(second));

	if (order)
		return order;
	return (first->archived > second->archived) - (first->archived < second->archived);
}

static int by_session(const void *a, const void *b)
{
	const struct record *first = *(struct record *const *)a, *second = *(struct record *const *)b;
	int order = slice_compare(owner_of(first), owner_of(second));

	return order ? order : memcmp(first->key, second->key, KEY_HEX);
}

/* Whoever had it, nobody has said so: what was not stored when the process died is, and its sender need not say it again. */
static int keep(struct sm *sm, const struct record *record)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();
	int rc;

	store_append_message(txn, STORE_OFFLINE, owner_of(record), (int64_t)(record->archived >> STORE_ID_BITS), record->origin,
			     record->count, record->archived);
	store_origin(txn, record->origin, record->count, record->mark);
	store_relax(txn);
	rc = storage_run_now(sm->process->storage, txn);
	return rc == STORE_EXISTS ? 0 : rc;
}

static int keep_all(struct sm *sm, struct record **records, uint32_t count)
{
	int rc = 0;

	if (!sm_settings(sm)->messages.offline_ms)
		return 0;
	qsort(records, count, sizeof(struct record *), by_age);
	for (uint32_t at = 0; !rc && at < count; at++) {
		if (!records[at]->row && records[at]->archived && records[at]->origin)
			rc = keep(sm, records[at]);
	}
	return rc;
}

/* A line each: its number, its row or 0, its id in the archive or 0. */
static void put_sessions(struct store_txn *txn, struct record **records, uint32_t count)
{
	uint32_t at = 0;

	qsort(records, count, sizeof(struct record *), by_session);
	while (at < count) {
		AUTO(buf_fini) struct buf item = {0}, text = {0};
		uint32_t first = at;

		for (; at < count && by_session(&records[first], &records[at]) == 0; at++)
			buf_printf(&text, "%u %llu %llu\n", records[at]->number, (unsigned long long)records[at]->row,
				   (unsigned long long)records[at]->archived);
		name_item(key_of(records[first]), &item);
		store_put(txn, STORE_USER, owner_of(records[first]), buf_slice(&item), buf_slice(&text));
	}
}

static void put_settled(struct store_txn *txn, const struct left *left)
{
	for (uint32_t at = 0; at < MARKS; at++) {
		const struct mark *mark = &left->marks[at];

		if (mark->origin)
			store_origin_known(txn, mark->origin, mark->settled, mark->settled);
	}
	for (uint32_t at = 0; at < SETTLED; at++) {
		const struct settled *settled = &left->settled[at];

		if (settled->origin)
			store_origin_known(txn, settled->origin, settled->count, settled->mark);
	}
}

static struct slice life_slice(const uint64_t *life)
{
	return (struct slice){(const char *)life, sizeof(*life)};
}

/* What is left counts if storage knows the life in which it was written; else another database was put in the place of that one. */
static int is_known(struct sm *sm, const struct left *left, bool *known)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();
	const struct store_row *rows;
	size_t count;
	int rc;

	store_get(txn, STORE_SERVER, SLICE(""), LIFE);
	rc = storage_run_now(sm->process->storage, txn);
	if (rc)
		return rc;
	rows = store_rows(txn, 0, &count);
	*known = left->life && count && slice_equal(rows[0].value, life_slice(&left->life));
	return 0;
}

static uint32_t collect(struct left *left, struct record **records)
{
	uint32_t count = 0;

	for (uint32_t at = 0; at < RECORDS; at++) {
		struct record *record = &left->records[at];

		if (record->used == 1 && record->owner_len && record->owner_len <= OWNER_BYTES)
			records[count++] = record;
	}
	return count;
}

/* All that is stored of it is stored when this has a new life: should we be killed before, the next does the same again. */
static int begin_life(struct sm *sm, struct left *left, bool known, struct record **records, uint32_t count)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();
	uint64_t life;
	int rc;

	mio_random(sm->mio, &life, sizeof(life));
	if (known) {
		put_settled(txn, left);
		put_sessions(txn, records, count);
	}
	store_put(txn, STORE_SERVER, SLICE(""), LIFE, life_slice(&life));
	rc = storage_run_now(sm->process->storage, txn);
	if (rc)
		return rc;
	for (uint32_t at = 0; at < RECORDS; at++)
		left->records[at].used = 0;
	for (uint32_t at = 0; at < MARKS; at++)
		left->marks[at].origin = 0;
	for (uint32_t at = 0; at < SETTLED; at++)
		left->settled[at].origin = 0;
	left->life = life;
	return 0;
}

static bool has_news(const struct left *left, uint32_t count)
{
	for (uint32_t at = 0; !count && at < SETTLED; at++)
		count += left->settled[at].origin != 0;
	for (uint32_t at = 0; !count && at < MARKS; at++)
		count += left->marks[at].origin != 0;
	return count;
}

static int recover(struct sm *sm, struct left *left)
{
	struct record **records = mem_alloc(MEM_SESSION, RECORDS * sizeof(struct record *));
	uint32_t count = 0;
	bool known = false;
	int rc = is_known(sm, left, &known);

	if (!rc && known)
		count = collect(left, records);
	if (!rc && count)
		rc = keep_all(sm, records, count);
	if (!rc && (!known || has_news(left, count)))
		rc = begin_life(sm, left, known, records, count);
	mem_free(records);
	return rc;
}

static struct left *open_memory(struct sm *sm)
{
	const char *dir = sm->worker->settings->data.dir;
	AUTO(buf_fini) struct buf path = {0};
	void *memory = NULL;
	int rc;

	if (!sm->alone || !dir || strcmp(storage_name(sm->process->storage), "memory") == 0)
		return NULL;
	buf_printf(&path, "%s/unacknowledged", dir);
	rc = mio_lasting(sm->process->host, buf_text(&path), sizeof(struct left), &memory);
	if (rc)
		log_warn(&sm->log, "%s: %s; after a crash messages may come twice", buf_text(&path), strerror(-rc));
	return memory;
}

/* All of them hold nothing. Those that were used last are used first. */
static void share(struct sm *sm)
{
	uint32_t workers = sm->process->worker_count, worker = mio_worker(sm->mio);
	uint32_t records = RECORDS / workers, marks = MARKS / workers;

	for (uint32_t at = records; at > 0; at--)
		release(sm, worker * records + at);
	for (uint32_t at = marks; at > 0; at--)
		release_mark(sm, worker * marks + at);
}

void unacked_start(struct sm *sm)
{
	const struct sm *first = worker_state(sm->process->workers[0], &sm_component);
	struct left *left;
	int rc;

	if (sm == first) {
		left = open_memory(sm);
		rc = left ? recover(sm, left) : 0;
		if (rc)
			log_error(&sm->log, "what was under way when the server died cannot be stored: %s; messages may come twice", strerror(-rc));
		sm->unacked.left = rc ? NULL : left;
	} else {
		sm->unacked.left = first->unacked.left;
	}
	if (sm->unacked.left)
		share(sm);
}

/* What an orderly end has saved needs nothing of this. */
void unacked_stop(struct sm *sm)
{
	uint32_t workers = sm->process->worker_count, worker = mio_worker(sm->mio);
	struct left *left = sm->unacked.left;

	if (!left || sm->saved.step != SAVED_SEALED)
		return;
	for (uint32_t at = 0; at < RECORDS / workers; at++)
		left->records[worker * (RECORDS / workers) + at].used = 0;
	for (uint32_t at = 0; at < SETTLED / workers; at++)
		left->settled[worker * (SETTLED / workers) + at].origin = 0;
}

/* -- what its client says ------------------------------------------------------------------------------ */

void unacked_ask(struct store_txn *txn, struct user *user, struct slice key)
{
	AUTO(buf_fini) struct buf item = {0};

	name_item(key, &item);
	store_get(txn, STORE_USER, jid_user(user->jid), buf_slice(&item));
	store_list(txn, STORE_OFFLINE, jid_user(user->jid));
}

static uint64_t find_row(const struct store_row *rows, size_t count, uint64_t row, uint64_t archived)
{
	for (size_t at = 0; at < count; at++) {
		if (row ? rows[at].seq == row : archived && rows[at].archived == archived)
			return rows[at].seq;
	}
	return 0;
}

void unacked_told(struct user *user, uint32_t had, const struct store_txn *txn, unsigned asked)
{
	size_t found, count;
	const struct store_row *item = store_rows(txn, asked, &found), *rows = store_rows(txn, asked + 1, &count);
	struct slice text = found ? item[0].value : SLICE("");
	uint64_t number, row, archived;

	while (text.len) {
		struct slice line = slice_line(&text), first = slice_word(&line), second = slice_word(&line);

		if (!slice_to_u64(first, &number) || !slice_to_u64(second, &row) || !slice_to_u64(line, &archived))
			return;
		row = (int32_t)(had - (uint32_t)number) >= 0 ? find_row(rows, count, row, archived) : 0;
		if (row && !delivery_row_taken(user, row) && !offline_is_gone(user, row))
			offline_forget(user, row);
	}
}

void unacked_forget(struct store_txn *txn, struct user *user, struct slice key)
{
	AUTO(buf_fini) struct buf item = {0};

	name_item(key, &item);
	store_del(txn, STORE_USER, jid_user(user->jid), buf_slice(&item));
}
