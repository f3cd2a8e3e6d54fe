/* SPDX-License-Identifier: MIT */
#include "sm/saved.h"

#include <stdlib.h>
#include <string.h>
#include "component/component.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/deliveries.h"
#include "sm/modules/modules.h"
#include "sm/present.h"
#include "sm/sm_component.h"
#include "storage/storage.h"

enum { OWNERS_PAGE = 200, BREAK_AGAIN_MS = 200, BREAK_MAX_MS = 20000, PAGE_AGAIN_MS = 1000 };

/* -- seals ------------------------------------------------------------------------------------------ */

#define SEAL "saved sessions/" /* and the worker: in STORE_SERVER. "END WORKERS", hexadecimal */

static void name_seal(unsigned worker, struct buf *name)
{
	buf_printf(name, SEAL "%u", worker);
}

static bool read_seal(const struct store_row *row, uint64_t *end, uint64_t *workers)
{
	AUTO(buf_fini) struct buf text = {0};
	char *at;

	if (row->item.len < strlen(SEAL) || memcmp(row->item.data, SEAL, strlen(SEAL)) != 0)
		return false;
	buf_append_slice(&text, row->value);
	*end = strtoull(buf_text(&text), &at, 16);
	*workers = strtoull(at, &at, 16);
	return *workers > 0 && !*at;
}

/* The end that all seals are of, if none is missing; else 0. */
static uint64_t sealed_end(const struct store_txn *txn)
{
	uint64_t end, workers, first = 0, all = 0, alike = 0;
	size_t count;
	const struct store_row *rows = store_rows(txn, 0, &count);

	for (size_t at = 0; at < count; at++) {
		if (!read_seal(&rows[at], &end, &workers))
			continue;
		if (!alike) {
			first = end;
			all = workers;
		}
		alike += end == first;
	}
	return alike == all ? first : 0;
}

/* Whoever had workers. */
static struct store_txn *breaking(void)
{
	struct store_txn *txn = store_txn_new();

	for (unsigned worker = 0; worker < MIO_WORKERS_MAX; worker++) {
		AUTO(buf_fini) struct buf name = {0};

		name_seal(worker, &name);
		store_del(txn, STORE_SERVER, SLICE(""), buf_slice(&name));
	}
	return txn;
}

bool saved_is_sealed(const struct sm *sm)
{
	return sm->saved.seals == SEALS_TO_BREAK;
}

/* -- the end ---------------------------------------------------------------------------------------- */

static void number(struct buf *out, unsigned long long value)
{
	buf_printf(out, "%llx ", value);
}

/* When its client lost its connection, by the clock on the wall: ends of the process do not lengthen its time. */
static int64_t lost_ms(const struct session *session)
{
	struct sm *sm = session->user->sm;

	return sm_wall_ms(sm) + session->over_ms - mio_now_ms(sm->mio) - (int64_t)session->seconds * 1000;
}

static void print_counts(struct session *session, struct buf *out)
{
	const struct outbox *outbox = &session->outbox;

	number(out, session->user->sm->saved.end);
	number(out, session->counting ? session->settled : session->in);
	number(out, session->counting ? session->window : 0);
	number(out, session->in);
	number(out, session->seconds);
	number(out, (unsigned long long)lost_ms(session));
	number(out, outbox->before);
	number(out, outbox->handled);
	number(out, outbox->sent);
	present_save_origins(session, out);
	buf_append_char(out, '\n');
}

static void put_session(struct store_txn *txn, struct session *session)
{
	AUTO(buf_fini) struct buf text = {0}, sent = {0};

	print_counts(session, &text);
	present_snapshot(session, &text);
	outbox_save(session, &text);
	store_put(txn, STORE_SESSION, jid_user(session->user->jid), str_slice(session->key), buf_slice(&text));
	outbox_sent_rows(session, &sent);
	if (buf_used(&sent))
		unacked_save(txn, session->user, str_slice(session->key), buf_slice(&sent));
}

static void user_saved(void *state, struct user *user, const struct store_txn *txn, int result)
{
	if (result)
		user->sm->saved.step = SAVED_NOTHING;
}

/* One transaction a user: their sessions, and how far they are. What was saved before them is not so any more. */
static void save_user(struct user *user)
{
	struct store_txn *txn = store_txn_new();
	struct session *session = NULL;
	unsigned count = user->resumptions.left;

	store_clear(txn, STORE_SESSION, jid_user(user->jid));
	while ((session = user_next_session(user, session))) {
		if (!session->detached || present_waits(session))
			continue; /* its c2s has it */
		if (!resume_note(session))
			continue;
		put_session(txn, session);
		count++;
	}
	if (count)
		resume_put(user, txn);
	user->resumptions.left = count;
	if (offline_drop_gone(txn, user) || count) /* the former, or sessions that go on would get it again */
		sm_store(user, &txn, user_saved, NULL);
	store_txn_free(&txn);
}

static void save_users(struct sm *sm)
{
	struct user *user;

	sm->saved.step = SAVED_USERS;
	for (uint32_t at = 0; (user = table_next(&sm->users, &at));)
		save_user(user);
}

static void sealed(struct sm *sm, struct packet **packet, const struct store_txn *txn, int result)
{
	if (result)
		sm->saved.step = SAVED_USERS;
}

static void put_seal(struct sm *sm)
{
	struct store_txn *txn = store_txn_new();
	struct packet *none = NULL;
	AUTO(buf_fini) struct buf name = {0}, value = {0};

	sm->saved.step = SAVED_SEALED;
	name_seal(mio_worker(sm->mio), &name);
	buf_printf(&value, "%llx %x", (unsigned long long)sm->saved.end, sm->process->worker_count);
	store_put(txn, STORE_SERVER, SLICE(""), buf_slice(&name), buf_slice(&value));
	sm_store_packet(sm, &txn, &none, sealed);
}

/* A disk that failed once is asked again, as long as the process may take for its end. Who waits for saved sessions comes first. */
bool saved_save(struct sm *sm)
{
	struct saved *saved = &sm->saved;

	if (!list_empty(&sm->due) || slots_count(&sm->waits) || saved->seals) {
		deliveries_store(sm);
		return false;
	}
	if (!saved->told) {
		saved->told = true;
		sm_tell_workers(sm, SM_NEWS_READY);
	}
	if (saved->ready < sm->process->worker_count)
		return false; /* what their sessions say to ours is still to come */
	if (saved->step == SAVED_NOTHING)
		save_users(sm);
	else if (saved->step == SAVED_USERS)
		put_seal(sm);
	else
		return true;
	return false;
}

/* -- reading ---------------------------------------------------------------------------------------- */

/* Takes them off the line. */
static bool read_numbers(struct slice *line, unsigned long long *numbers, unsigned count)
{
	AUTO(buf_fini) struct buf text = {0};
	char *end;

	buf_append_slice(&text, *line);
	end = (char *)buf_text(&text);
	for (unsigned at = 0; at < count; at++) {
		char *from = end;

		numbers[at] = strtoull(from, &end, 16);
		if (end == from)
			return false;
	}
	line->data += end - buf_text(&text);
	line->len -= (size_t)(end - buf_text(&text));
	return true;
}

static void restore(struct user *user, const struct store_row *row)
{
	unsigned long long numbers[9];
	struct slice in = row->value, line = slice_line(&in);
	bool sound = read_numbers(&line, numbers, countof(numbers)) && line.len && *line.data == ' ' &&
		     numbers[0] == user->sm->saved.end;
	struct session *session = sound ? present_restore(user, &in) : NULL;
	int64_t left_ms;

	if (!session)
		return;
	session->enabled = true;
	session->key = str_new(row->item);
	session->settled = session->seen = (uint32_t)numbers[1];
	settle_may_repeat(session);
	session->window = numbers[2]; /* what comes again is not done again */
	session->in = (uint32_t)numbers[3];
	session->seconds = (uint32_t)numbers[4];
	if (!outbox_load(session, in)) {
		session_end(session, SESSION_TELL_NOBODY);
		return;
	}
	present_saved(session, line);
	session->outbox.before = (uint32_t)numbers[6];
	session->outbox.handled = (uint32_t)numbers[7];
	session->outbox.sent = (uint32_t)numbers[8];
	outbox_restored(session);
	unacked_mark(session);
	left_ms = (int64_t)numbers[5] + (int64_t)session->seconds * 1000 - sm_wall_ms(user->sm);
	if (left_ms > (int64_t)session->seconds * 1000)
		left_ms = (int64_t)session->seconds * 1000; /* the clock was set back */
	resume_wait(session, left_ms > 0 ? left_ms : 0);
}

static void cleared(void *state, struct user *user, const struct store_txn *txn, int result)
{
	if (result == 0)
		user->resumptions.left = false;
	else
		saved_missed(user->sm);
}

static void clear(struct user *user)
{
	struct store_txn *txn = store_txn_new();

	store_clear(txn, STORE_SESSION, jid_user(user->jid));
	sm_store(user, &txn, cleared, NULL);
}

/* Once: from then on they are in memory, or over; and what was saved is for the next start. */
static void read_sessions(void *state, struct user *user, const struct store_row *rows, size_t count)
{
	if (!count || user->resumptions.left)
		return;
	user->resumptions.left = true;
	for (size_t at = 0; at < count; at++)
		restore(user, &rows[at]);
	clear(user);
}

unsigned saved_load(struct sm_load *load)
{
	return sm_load_list(load, STORE_SESSION, read_sessions);
}

/* -- the start -------------------------------------------------------------------------------------- */

static void look_at(struct sm *sm, struct slice owner)
{
	AUTO(jid_free) struct jid *jid = jid_parse(owner);
	struct user *user;

	if (!jid || !sm_is_domain(sm, jid_domain(jid)) || link_worker_of(sm->link, jid) != mio_worker(sm->mio))
		return;
	user = user_need(sm, jid);
	if (user->state == USER_READY && user->resumptions.left && !user->pins)
		clear(user);
	user_rest(user);
}

static void page_read(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct sm *sm = arg;
	size_t count;
	const struct store_row *rows = store_rows(txn, 0, &count);

	if (sm->draining)
		return; /* those who are in memory may be saved by now */
	for (size_t at = 0; result == 0 && at < count; at++) {
		buf_clear(&sm->saved.page);
		buf_append_slice(&sm->saved.page, rows[at].item);
		look_at(sm, rows[at].item);
	}
	if (mio_timer_is_set(&sm->saved.timer))
		return; /* all over again */
	if (result || count == OWNERS_PAGE) {
		mio_timer_set(sm->mio, &sm->saved.timer, result ? PAGE_AGAIN_MS : 0);
		return;
	}
	sm->saved.found = false;
	buf_fini(&sm->saved.page);
}

/* Who is not read when the process ends is saved as it is. */
static void read_page(struct sm *sm)
{
	struct store_txn *txn;

	if (sm->draining)
		return;
	txn = store_txn_new();
	store_owners(txn, STORE_SESSION, buf_slice(&sm->saved.page), OWNERS_PAGE);
	storage_run(sm->process->storage, sm->mio, &txn, page_read, sm, 0);
}

void saved_missed(struct sm *sm)
{
	if (!sm->saved.any)
		return;
	sm->saved.found = true;
	buf_clear(&sm->saved.page);
	mio_timer_set(sm->mio, &sm->saved.timer, PAGE_AGAIN_MS);
}

static void hear_of_seals(struct sm *sm, bool lost)
{
	struct saved *saved = &sm->saved;

	saved->seals = lost && !mio_worker(sm->mio) ? SEALS_LEFT : SEALS_NONE;
	saved->end += lost; /* theirs counts no more */
	saved->found = !lost;
	if (!lost)
		mio_timer_set(sm->mio, &saved->timer, 0);
	users_load_again(sm);
	sm_work(sm);
}

void saved_hear(struct sm *sm, enum sm_news what)
{
	if (what == SM_NEWS_READY)
		sm->saved.ready++;
	else
		hear_of_seals(sm, what == SM_NEWS_LOST);
}

static void broken(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct sm *sm = arg;
	bool waited = saved_is_sealed(sm);

	if (!result && waited) {
		sm_tell_workers(sm, SM_NEWS_BROKEN);
	} else if (!result) {
		sm->saved.seals = SEALS_NONE;
	} else {
		mio_timer_set(sm->mio, &sm->saved.timer, BREAK_AGAIN_MS);
		if (!waited || mio_now_ms(sm->mio) < sm->saved.lost_ms)
			return;
		log_error(&sm->log, "storage takes nothing; sessions from before the start are over");
		sm_tell_workers(sm, SM_NEWS_LOST);
	}
}

static void go_on(struct mio_timer *timer)
{
	struct sm *sm = container_of(timer, struct sm, saved.timer);
	struct store_txn *txn;

	if (sm->saved.seals == SEALS_NONE) {
		read_page(sm);
	} else {
		txn = breaking();
		storage_run(sm->process->storage, sm->mio, &txn, broken, sm, 0);
	}
}

/*
 * They are broken when the loops run: a server that cannot start for another reason leaves them. What cannot be read now must not be
 * believed later.
 */
static void look_for_seals(struct sm *sm)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();
	struct saved *saved = &sm->saved;

	store_list(txn, STORE_SERVER, SLICE(""));
	if (storage_run_now(sm->process->storage, txn))
		saved->seals = SEALS_LEFT;
	else
		saved->end = sealed_end(txn);
	saved->any = saved->end;
	if (saved->any)
		saved->seals = SEALS_TO_BREAK;
	else
		mio_random(sm->mio, &saved->end, sizeof(saved->end));
	if (saved->seals)
		mio_timer_set(sm->mio, &saved->timer, 0);
}

/*
 * Worker 0 starts first, and looks for all. Those who are not read before the process ends again are saved as they are: the end
 * keeps its name.
 */
void saved_start(struct sm *sm)
{
	struct saved *saved = &sm->saved;
	const struct sm *first = worker_state(sm->process->workers[0], &sm_component);

	mio_timer_init(&saved->timer, go_on);
	list_init(&saved->loads);
	saved->lost_ms = mio_now_ms(sm->mio) + BREAK_MAX_MS;
	if (sm == first) {
		look_for_seals(sm);
	} else {
		saved->end = first->saved.end;
		saved->any = first->saved.any;
		saved->seals = saved->any ? SEALS_TO_BREAK : SEALS_NONE;
	}
	saved->found = saved->any;
}

void saved_stop(struct sm *sm)
{
	mio_timer_stop(&sm->saved.timer);
	buf_fini(&sm->saved.page);
}
