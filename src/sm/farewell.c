/* SPDX-License-Identifier: MIT */
/* Nothing is remembered of what is asked: storage says whom it was asked of. */
#include "sm/farewell.h"

#include "base/stamp.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/sm_component.h"
#include "storage/storage.h"

enum { PAGE = 500, LOOK_MS = 1000, SWEEP_MS = 24 * 3600 * 1000 };

static void run(struct sm *sm, struct store_txn **txn, storage_done_fn *done)
{
	storage_run(sm->process->storage, sm->mio, txn, done, sm, 0);
}

/* What a disk refuses stays for the next start, or the next day. */
static void done(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
}

/* -- saying them -- */

static void say(struct sm *sm, struct jid *user, struct jid *contact, enum stanza_type type)
{
	struct stanza *stanza = stanza_new(STANZA_PRESENCE, type, (struct slice){NULL, 0});

	stanza_set_from(stanza, user);
	stanza_set_to(stanza, contact);
	sm_route(sm, &stanza);
}

static void say_row(struct sm *sm, struct jid *user, const struct store_row *row)
{
	AUTO(jid_free) struct jid *contact = jid_parse(row->item);
	struct slice words = row->value;

	while (contact && words.len) {
		struct slice word = slice_word(&words);

		if (slice_is(word, "unsubscribe"))
			say(sm, user, contact, STANZA_UNSUBSCRIBE);
		else if (slice_is(word, "unsubscribed"))
			say(sm, user, contact, STANZA_UNSUBSCRIBED);
	}
}

static void read_farewells(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct sm *sm = arg;
	AUTO(jid_free) struct jid *user = jid_parse(store_asked(txn, 0));
	struct store_txn *said;
	const struct store_row *rows;
	size_t count = 0;

	rows = result ? NULL : store_rows(txn, 0, &count);
	if (!count || !user)
		return;
	said = store_txn_new();
	for (size_t at = 0; at < count; at++) {
		say_row(sm, user, &rows[at]);
		store_del(said, STORE_FAREWELL, jid_user(user), rows[at].item);
	}
	run(sm, &said, done);
	sm_work(sm);
}

static void say_all(struct sm *sm, struct jid *user)
{
	struct store_txn *txn = store_txn_new();

	store_list(txn, STORE_FAREWELL, jid_user(user));
	run(sm, &txn, read_farewells);
}

/* -- all of them -- */

static void ask_page(struct sm *sm, enum store store, struct slice after, storage_done_fn *page)
{
	struct store_txn *txn = store_txn_new();

	store_owners(txn, store, after, PAGE);
	run(sm, &txn, page);
}

static void left_page(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct sm *sm = arg;
	size_t count = 0;
	const struct store_row *rows = result ? NULL : store_rows(txn, 0, &count);

	if (sm->draining)
		return; /* the next start says it */
	for (size_t at = 0; at < count; at++) {
		AUTO(jid_free) struct jid *user = jid_parse(rows[at].item);

		if (user)
			say_all(sm, user);
	}
	if (count == PAGE)
		ask_page(sm, STORE_FAREWELL, rows[count - 1].item, left_page);
}

static void lock_page(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct sm *sm = arg;
	struct store_txn *over;
	char now[STAMP_LEN];
	size_t count = 0;
	const struct store_row *rows = result ? NULL : store_rows(txn, 0, &count);

	if (!count)
		return;
	over = store_txn_new();
	stamp_print(now, sm_wall_ms(sm), false);
	for (size_t at = 0; at < count; at++)
		store_del_up_to(over, STORE_LOCK, rows[at].item, slice_of(now));
	run(sm, &over, done);
	if (count == PAGE)
		ask_page(sm, STORE_LOCK, rows[count - 1].item, lock_page);
}

/* Locks become more only when accounts end: so it is then that those that are over are looked for, once in a while. */
void farewell_say(struct sm *sm, struct jid *user)
{
	int64_t now_ms = mio_now_ms(sm->mio);

	say_all(sm, user);
	if (now_ms < sm->farewells.sweep_ms)
		return;
	sm->farewells.sweep_ms = now_ms + SWEEP_MS;
	ask_page(sm, STORE_LOCK, SLICE(""), lock_page);
}

/* -- those that an earlier process left -- */

/* Contacts may be served by other processes: they are told when those are there. */
static void look(struct mio_timer *timer)
{
	struct sm *sm = container_of(timer, struct sm, farewells.timer);
	AUTO(buf_fini) struct buf why = {0};

	if (process_works(sm->process, &why))
		ask_page(sm, STORE_FAREWELL, SLICE(""), left_page);
	else
		mio_timer_set(sm->mio, timer, LOOK_MS);
}

static bool are_left(const struct sm *sm)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();
	size_t count;

	store_owners(txn, STORE_FAREWELL, SLICE(""), 1);
	if (storage_run_now(sm->process->storage, txn))
		return true; /* who knows */
	store_rows(txn, 0, &count);
	return count;
}

void farewells_start(struct sm *sm)
{
	mio_timer_init(&sm->farewells.timer, look);
	if (!mio_worker(sm->mio) && are_left(sm))
		mio_timer_set(sm->mio, &sm->farewells.timer, LOOK_MS);
}

void farewells_stop(struct sm *sm)
{
	mio_timer_stop(&sm->farewells.timer);
}
