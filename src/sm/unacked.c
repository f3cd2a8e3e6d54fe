/* SPDX-License-Identifier: MIT */
#include "sm/unacked.h"

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

enum { RECORDS = 16384, MARKS = 32768, SETTLED = 4096, OWNER_BYTES = 104, KEY_HEX = 32, FORM = 1 };

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

/* What may be on its way to its session, on another worker. */
struct settled {
	_Atomic uint64_t origin; /* 0: none; set when all the rest is written */
	uint32_t count, mark;
};

/* The memory. Each worker has a share of all; what it never used was never written. */
struct left {
	uint64_t life; /* what storage knows as the last; another one: it is of another database */
	uint32_t form, workers;
	struct reach {
		_Atomic uint32_t records, marks;
	} reach[MIO_WORKERS_MAX];
	struct settled settled[SETTLED];
	struct mark marks[MARKS];
	struct record records[RECORDS];
};

#define LIFE SLICE("unacked") /* in STORE_SERVER */

/* -- records ------------------------------------------------------------------------------------------ */

static struct record *record_at(const struct sm *sm, uint32_t index)
{
	return &sm->unacked.left->records[index - 1];
}

static struct slice owner_of(const struct record *record)
{
	return (struct slice){record->owner, record->owner_len};
}

static struct slice key_of(const struct record *record)
{
	return (struct slice){record->key, KEY_HEX};
}

/* The next of a share: from what was given back, or from what was never used. 0: all are used. */
static uint32_t take(uint32_t freed, _Atomic uint32_t *reach, uint32_t all, const struct sm *sm)
{
	uint32_t share = all / sm->process->worker_count;

	if (freed)
		return freed;
	if (*reach == share)
		return 0;
	*reach += 1;
	return mio_worker(sm->mio) * share + *reach;
}

static struct reach *reach_of(const struct sm *sm)
{
	return &sm->unacked.left->reach[mio_worker(sm->mio)];
}

/* At the end nobody says any more that it is had. */
static void release(struct sm *sm, uint32_t index)
{
	struct record *record = record_at(sm, index);

	if (sm->stopping)
		return;
	atomic_store_explicit(&record->used, 0, memory_order_release);
	record->next = sm->unacked.freed;
	sm->unacked.freed = index;
}

static uint32_t *find(const struct session *session, struct delivery *delivery)
{
	const struct sm *sm = session->user->sm;
	uint32_t *at = &delivery->unacked;

	while (*at && !slice_equal(key_of(record_at(sm, *at)), str_slice(session->key)))
		at = &record_at(sm, *at)->next;
	return at;
}

static bool is_ours(const struct session *session)
{
	return session->key && !session->kept && session->user->sm->unacked.left && str_slice(session->key).len == KEY_HEX &&
	       jid_user(session->user->jid).len <= OWNER_BYTES;
}

/* What has neither cannot be told from others behind a kill, unless it is stored later. */
static bool is_of_use(const struct delivery *delivery, uint64_t archived)
{
	return !delivery->over && (delivery->row || archived || offline_may_have(delivery->user, delivery->stanza));
}

void unacked_add(struct session *session, struct delivery *delivery, uint32_t number, uint64_t archived)
{
	struct sm *sm = session->user->sm;
	struct slice owner = jid_user(session->user->jid);
	const struct origin *origin = delivery->stanza ? &delivery->stanza->origin : &(struct origin){0};
	struct record *record;
	uint32_t index;

	if (!is_ours(session) || !is_of_use(delivery, archived) || *find(session, delivery))
		return;
	index = take(sm->unacked.freed, &reach_of(sm)->records, RECORDS, sm);
	if (!index)
		return;
	record = record_at(sm, index);
	if (index == sm->unacked.freed)
		sm->unacked.freed = record->next;
	record->next = delivery->unacked;
	record->number = number;
	record->row = delivery->row;
	record->archived = archived;
	record->origin = origin->key;
	record->count = origin->count;
	record->mark = origin->mark;
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

/* -- what is settled ------------------------------------------------------------------------------------- */

void unacked_settled(struct sm *sm, const struct origin *origin)
{
	uint32_t share = SETTLED / sm->process->worker_count;
	struct settled *settled;

	if (!sm->unacked.left || !origin->key)
		return;
	settled = &sm->unacked.left->settled[mio_worker(sm->mio) * share + sm->unacked.next];
	sm->unacked.next = (sm->unacked.next + 1) % share;
	atomic_store_explicit(&settled->origin, 0, memory_order_release);
	settled->count = origin->count;
	settled->mark = origin->mark;
	atomic_store_explicit(&settled->origin, origin->key, memory_order_release);
}

static struct mark *mark_at(const struct sm *sm, uint32_t index)
{
	return &sm->unacked.left->marks[index - 1];
}

/* Its client has heard of what was refused, or will say it again. */
static uint32_t settled_of(const struct session *session)
{
	return session->counting ? outbox_heard(session, session->settled) : session->in;
}

void unacked_mark(struct session *session)
{
	struct sm *sm;

	if (!session->key || !is_ours(session))
		return;
	sm = session->user->sm;
	if (session->mark) {
		mark_at(sm, session->mark)->settled = settled_of(session);
		return;
	}
	session->mark = take(sm->unacked.freed_mark, &reach_of(sm)->marks, MARKS, sm);
	if (!session->mark)
		return;
	if (session->mark == sm->unacked.freed_mark)
		sm->unacked.freed_mark = mark_at(sm, session->mark)->next;
	mark_at(sm, session->mark)->settled = settled_of(session);
	atomic_store_explicit(&mark_at(sm, session->mark)->origin, session->origin, memory_order_release);
}

void unacked_unmark(struct session *session)
{
	struct sm *sm;

	if (!session->mark || session->user->sm->stopping)
		return;
	sm = session->user->sm;
	atomic_store_explicit(&mark_at(sm, session->mark)->origin, 0, memory_order_release);
	mark_at(sm, session->mark)->next = sm->unacked.freed_mark;
	sm->unacked.freed_mark = session->mark;
	session->mark = 0;
}

/* -- behind a kill ------------------------------------------------------------------------------------ */

/* What the memory has, checked: anything may stand in a file. */
struct found {
	struct record **records;
	uint32_t record_count;
	struct settled *settled; /* of the marks, then of the rings */
	uint32_t mark_count, settled_count;
};

static void found_fini(struct found *found)
{
	mem_free(found->records);
	mem_free(found->settled);
}

static void add_record(struct found *found, struct record *record)
{
	if (record->used == 1 && record->owner_len && record->owner_len <= OWNER_BYTES)
		found->records[found->record_count++] = record;
}

/* A mark says that all up to it is settled: as if it came last. */
static void add_mark(struct found *found, const struct mark *mark)
{
	if (mark->origin)
		found->settled[found->mark_count++] = (struct settled){mark->origin, mark->settled, mark->settled - 1};
}

static int by_origin(const void *a, const void *b)
{
	const struct settled *first = a, *second = b;

	return (first->origin > second->origin) - (first->origin < second->origin);
}

/* Of a session that is over, or was never stored, nobody will ask. */
static void add_settled(struct found *found, const struct settled *settled)
{
	if (settled->origin && bsearch(settled, found->settled, found->mark_count, sizeof(*settled), by_origin))
		found->settled[found->settled_count++] = *settled;
}

static uint32_t least(uint32_t reach, uint32_t share)
{
	return reach < share ? reach : share;
}

static void look_at(struct left *left, struct found *found)
{
	uint32_t workers = left->workers, records = workers ? RECORDS / workers : 0, marks = workers ? MARKS / workers : 0;

	if (left->form != FORM || workers > MIO_WORKERS_MAX)
		return;
	found->records = mem_alloc(MEM_SESSION, RECORDS * sizeof(struct record *));
	found->settled = mem_alloc(MEM_SESSION, (MARKS + SETTLED) * sizeof(struct settled));
	for (uint32_t worker = 0; worker < workers; worker++) {
		for (uint32_t at = 0; at < least(left->reach[worker].records, records); at++)
			add_record(found, &left->records[worker * records + at]);
		for (uint32_t at = 0; at < least(left->reach[worker].marks, marks); at++)
			add_mark(found, &left->marks[worker * marks + at]);
	}
	qsort(found->settled, found->mark_count, sizeof(struct settled), by_origin);
	found->settled_count = found->mark_count;
	for (uint32_t at = 0; at < SETTLED; at++)
		add_settled(found, &left->settled[at]);
}

static void name_item(struct slice key, struct buf *item)
{
	buf_append_text(item, "sent ");
	buf_append_slice(item, key);
}

/* By owner; of one in the order in which they came to the archive: so they go to storage. */
static int by_age(const void *a, const void *b)
{
	const struct record *first = *(struct record *const *)a, *second = *(struct record *const *)b;
	int order = slice_compare(owner_of(first), owner_of(second));

	return order ? order : (first->archived > second->archived) - (first->archived < second->archived);
}

static int by_session(const void *a, const void *b)
{
	const struct record *first = *(struct record *const *)a, *second = *(struct record *const *)b;
	int order = slice_compare(owner_of(first), owner_of(second));

	return order ? order : memcmp(first->key, second->key, KEY_HEX);
}

/* Returns 1 or 0: is there such an account? or a fault. */
static int is_there(struct sm *sm, struct slice owner)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();
	size_t keys, marks;
	int rc;

	store_list(txn, STORE_ACCOUNT, owner);
	store_get(txn, STORE_USER, owner, SLICE("active"));
	rc = storage_run_now(sm->process->storage, txn);
	if (rc)
		return rc;
	store_rows(txn, 0, &keys);
	store_rows(txn, 1, &marks);
	return keys || marks;
}

/* An account may have been deleted while nobody served it: nothing is stored for it. */
static int drop_strangers(struct sm *sm, struct found *found)
{
	uint32_t kept = 0;
	int there = 1;

	for (uint32_t at = 0; at < found->record_count; at++) {
		struct record *record = found->records[at];

		if (!at || !slice_equal(owner_of(record), owner_of(found->records[at - 1])))
			there = is_there(sm, owner_of(record));
		if (there < 0)
			return there;
		if (there)
			found->records[kept++] = record;
	}
	found->record_count = kept;
	return 0;
}

/* Nobody is promised anything before the last of these is committed. */
static int run_one_of_many(struct sm *sm, struct store_txn *txn)
{
	int rc;

	store_relax(txn);
	rc = storage_run_now(sm->process->storage, txn);
	return rc == STORE_EXISTS ? 0 : rc;
}

/* Whoever had it, nobody has said so: what was not stored when the process died is, and its sender need not say it again. */
static int keep(struct sm *sm, const struct record *record)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();

	store_append_message(txn, STORE_OFFLINE, owner_of(record), (int64_t)(record->archived >> STORE_ID_BITS), record->origin,
			     record->count, record->archived);
	store_origin(txn, record->origin, record->count, record->mark);
	return run_one_of_many(sm, txn);
}

static int keep_all(struct sm *sm, const struct found *found)
{
	int rc = 0;

	if (!sm_settings(sm)->messages.offline_ms)
		return 0;
	for (uint32_t at = 0; !rc && at < found->record_count; at++) {
		const struct record *record = found->records[at];

		if (!record->row && record->archived && record->origin)
			rc = keep(sm, record);
	}
	return rc;
}

/* A line each: its number, its row or 0, its id in the archive or 0. */
void unacked_say(struct buf *out, uint32_t number, uint64_t row, uint64_t archived)
{
	buf_printf(out, "%u %llu %llu\n", number, (unsigned long long)row, (unsigned long long)archived);
}

static void put_sent(struct store_txn *txn, struct slice owner, struct slice key, struct slice said)
{
	AUTO(buf_fini) struct buf item = {0};

	name_item(key, &item);
	store_put(txn, STORE_USER, owner, buf_slice(&item), said);
}

void unacked_save(struct store_txn *txn, struct user *user, struct slice key, struct slice said)
{
	put_sent(txn, jid_user(user->jid), key, said);
}

static int put_session(struct sm *sm, struct record **records, uint32_t count)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();
	AUTO(buf_fini) struct buf text = {0};

	for (uint32_t at = 0; at < count; at++)
		unacked_say(&text, records[at]->number, records[at]->row, records[at]->archived);
	put_sent(txn, owner_of(records[0]), key_of(records[0]), buf_slice(&text));
	return run_one_of_many(sm, txn);
}

static int put_sessions(struct sm *sm, const struct found *found)
{
	uint32_t first = 0;
	int rc = 0;

	qsort(found->records, found->record_count, sizeof(struct record *), by_session);
	while (!rc && first < found->record_count) {
		uint32_t at = first + 1;

		while (at < found->record_count && by_session(&found->records[first], &found->records[at]) == 0)
			at++;
		rc = put_session(sm, &found->records[first], at - first);
		first = at;
	}
	return rc;
}

/* -- lives ----------------------------------------------------------------------------------------------- */

static struct slice life_slice(const uint64_t *life)
{
	return (struct slice){(const char *)life, sizeof(*life)};
}

/* The life that storage knows as the last; 0: none. */
static int last_life(struct sm *sm, uint64_t *life)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();
	const struct store_row *rows;
	size_t count;
	int rc;

	*life = 0;
	store_get(txn, STORE_SERVER, SLICE(""), LIFE);
	rc = storage_run_now(sm->process->storage, txn);
	if (rc)
		return rc;
	rows = store_rows(txn, 0, &count);
	if (count && rows[0].value.len == sizeof(*life))
		memcpy(life, rows[0].value.data, sizeof(*life));
	return 0;
}

/* All that is stored of what was found is stored when this is: should we be killed before, the next does the same again. */
static int begin_life(struct sm *sm, const struct found *found, uint64_t *life)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();

	mio_random(sm->mio, life, sizeof(*life));
	for (uint32_t at = 0; at < found->settled_count; at++) {
		const struct settled *settled = &found->settled[at];

		if (settled->count)
			store_origin_known(txn, settled->origin, settled->count, settled->mark);
	}
	store_put(txn, STORE_SERVER, SLICE(""), LIFE, life_slice(life));
	return storage_run_now(sm->process->storage, txn);
}

/* What no share has reached was never written to, and is not looked at: it would be memory. */
static void empty(struct sm *sm, struct left *left, uint64_t life)
{
	bool strange = left->form && (left->form != FORM || left->workers > MIO_WORKERS_MAX);
	uint32_t workers = strange ? 1 : left->workers, records = workers ? RECORDS / workers : 0, marks = workers ? MARKS / workers : 0;

	for (uint32_t worker = 0; worker < workers; worker++) {
		for (uint32_t at = 0; at < (strange ? RECORDS : least(left->reach[worker].records, records)); at++)
			left->records[worker * records + at].used = 0;
		for (uint32_t at = 0; at < (strange ? MARKS : least(left->reach[worker].marks, marks)); at++)
			left->marks[worker * marks + at].origin = 0;
	}
	for (uint32_t at = 0; at < SETTLED; at++) {
		if (left->settled[at].origin)
			left->settled[at].origin = 0;
	}
	memset(left->reach, 0, sizeof(left->reach));
	left->form = FORM;
	left->workers = sm->process->worker_count;
	left->life = life;
}

/* What an orderly end has saved needs nothing of this. */
static int recover(struct sm *sm, struct left *left)
{
	AUTO(found_fini) struct found found = {0};
	uint64_t life;
	int rc = last_life(sm, &life);
	bool known = !rc && life && life == left->life;

	if (known && !sm->saved.any)
		look_at(left, &found);
	if (found.record_count)
		qsort(found.records, found.record_count, sizeof(struct record *), by_age);
	if (!rc)
		rc = drop_strangers(sm, &found);
	if (!rc)
		rc = keep_all(sm, &found);
	if (!rc && found.record_count)
		rc = put_sessions(sm, &found);
	if (!rc && (!known || found.record_count || found.settled_count))
		rc = begin_life(sm, &found, &life);
	empty(sm, left, rc ? 0 : life);
	return rc;
}

/* Who writes to this database now has no such memory: what it says of the last that had does not count any more. */
static int end_lives(struct sm *sm)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();
	uint64_t life;
	int rc = last_life(sm, &life);

	if (rc || !life)
		return rc;
	store_del(txn, STORE_SERVER, SLICE(""), LIFE);
	return storage_run_now(sm->process->storage, txn);
}

static struct left *open_memory(struct sm *sm)
{
	AUTO(buf_fini) struct buf path = {0};
	void *memory = NULL;
	int rc;

	if (!sm->alone || !sm->worker->settings->data.dir || strcmp(storage_name(sm->process->storage), "memory") == 0)
		return NULL;
	unacked_path(sm->worker->settings, &path);
	rc = mio_lasting(sm->process->host, buf_text(&path), sizeof(struct left), &memory);
	if (rc)
		log_warn(&sm->log, "%s: %s; after a crash messages may come twice", buf_text(&path), strerror(-rc));
	return memory;
}

void unacked_path(const struct settings *settings, struct buf *path)
{
	buf_printf(path, "%s/unacknowledged", settings->data.dir);
}

void unacked_start(struct sm *sm)
{
	const struct sm *first = worker_state(sm->process->workers[0], &sm_component);
	struct left *left;
	int rc;

	if (sm != first) {
		sm->unacked.left = first->unacked.left;
		return;
	}
	left = open_memory(sm);
	rc = left ? recover(sm, left) : end_lives(sm);
	if (rc && left)
		log_error(&sm->log, "what was under way when the server died cannot be stored: %s; messages may come twice", strerror(-rc));
	sm->unacked.left = rc ? NULL : left;
}

/* -- what its client says ------------------------------------------------------------------------------ */

unsigned unacked_ask(struct store_txn *txn, struct user *user, struct slice key)
{
	AUTO(buf_fini) struct buf item = {0};

	name_item(key, &item);
	return store_get(txn, STORE_USER, jid_user(user->jid), buf_slice(&item));
}

struct slice unacked_answer(const struct store_txn *txn, unsigned asked)
{
	size_t count;
	const struct store_row *rows = store_rows(txn, asked, &count);

	return count ? rows[0].value : SLICE("");
}

/* One whose archive forgot it has its own text, and no id any more. */
static bool is_row_of(const struct store_row *found, uint64_t row, uint64_t archived)
{
	if (row)
		return found->seq == row && (!archived || !found->archived || found->archived == archived);
	return archived && found->archived == archived;
}

static uint64_t find_row(const struct store_row *rows, size_t count, uint64_t row, uint64_t archived)
{
	for (size_t at = 0; at < count; at++) {
		if (is_row_of(&rows[at], row, archived))
			return rows[at].seq;
	}
	return 0;
}

void unacked_told(struct user *user, uint32_t had, struct slice sent, const struct store_row *rows, size_t count)
{
	uint64_t number, row, archived;

	while (sent.len) {
		struct slice line = slice_line(&sent), first = slice_word(&line), second = slice_word(&line);

		if (!slice_to_u64(first, &number) || !slice_to_u64(second, &row) || !slice_to_u64(line, &archived))
			return;
		row = (int32_t)(had - (uint32_t)number) >= 0 ? find_row(rows, count, row, archived) : 0;
		if (row && !delivery_row_taken(user, row, 0) && !offline_is_gone(user, row))
			offline_forget(user, row);
	}
}

void unacked_forget(struct store_txn *txn, struct user *user, struct slice key)
{
	AUTO(buf_fini) struct buf item = {0};

	name_item(key, &item);
	store_del(txn, STORE_USER, jid_user(user->jid), buf_slice(&item));
}
