/* SPDX-License-Identifier: MIT */
#include "sm/resume.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "component/settings.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/deliveries.h"
#include "sm/modules/modules.h"
#include "sm/present.h"
#include "storage/storage.h"

enum { KEY_BYTES = 16, ENDED_MAX = 10, LOST_MAX = 100 };

static const int64_t ended_keep_ms = INT64_C(7) * 24 * 3600 * 1000;

/* -- what a user keeps of sessions ---------------------------------------------------------------- */

static struct resumption *find(const struct user *user, struct slice key)
{
	for (unsigned at = 0; at < user->resumptions.count; at++) {
		if (slice_equal(str_slice(user->resumptions.items[at].key), key))
			return &user->resumptions.items[at];
	}
	return NULL;
}

static struct session *find_session(const struct user *user, struct slice key)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		if (session->key && slice_equal(str_slice(session->key), key))
			break;
	}
	return session;
}

static void remove_at(struct resumptions *all, unsigned at)
{
	str_free(&all->items[at].key);
	all->count--;
	memmove(&all->items[at], &all->items[at + 1], (all->count - at) * sizeof(*all->items));
}

/* An id that nobody was told, and nobody will be. */
static void forget_untold(struct user *user, uint64_t origin)
{
	struct resumptions *all = &user->resumptions;

	for (unsigned at = all->count; at-- > 0;) {
		if (all->items[at].untold && all->items[at].origin == origin)
			remove_at(all, at);
	}
}

/* Behind those that ended before. */
static void end_item(struct user *user, struct resumption *item)
{
	struct resumptions *all = &user->resumptions;
	struct resumption ended = *item;

	ended.ended_ms = sm_wall_ms(user->sm);
	memmove(item, item + 1, (size_t)(&all->items[all->count - 1] - item) * sizeof(*item));
	all->items[all->count - 1] = ended;
}

static struct resumption *add(struct user *user, const struct resumption *item)
{
	struct resumptions *all = &user->resumptions;

	all->items = mem_realloc(MEM_SESSION, all->items, (all->count + 1) * sizeof(*all->items));
	all->items[all->count] = *item;
	all->items[all->count].key = str_ref(item->key);
	return &all->items[all->count++];
}

static bool lives(const struct user *user, const struct resumption *item)
{
	struct session *session = NULL;

	while (!item->untold && (session = user_next_session(user, session))) {
		if (session->origin == item->origin || (session->key && slice_equal(str_slice(session->key), str_slice(item->key))))
			return true;
	}
	return item->untold;
}

/* A session that began to be resumed, before the death of a process and again behind it, has two ids of one origin. */
static bool is_alone(const struct user *user, const struct resumption *item)
{
	unsigned same = 0;

	for (unsigned at = 0; at < user->resumptions.count; at++)
		same += user->resumptions.items[at].origin == item->origin;
	return same == 1;
}

/* Of those that died with their process there may be as many as lived. */
static unsigned most_of(const struct user *user, const struct resumption *item)
{
	int64_t most = sm_settings(user->sm)->limits.sessions;

	if (item->ended_ms || (most > 0 && most < ENDED_MAX))
		return ENDED_MAX;
	return most > 0 && most < LOST_MAX ? (unsigned)most : LOST_MAX;
}

/* The oldest go: those that live stay. The origins of one that is forgotten go with it. */
static void trim(struct user *user, struct store_txn *txn)
{
	struct resumptions *all = &user->resumptions;
	int64_t now_ms = sm_wall_ms(user->sm);
	unsigned ended = 0, lost = 0;

	for (unsigned at = all->count; at-- > 0;) {
		const struct resumption *item = &all->items[at];
		unsigned *dead = item->ended_ms ? &ended : &lost;
		bool old = item->ended_ms && now_ms - item->ended_ms > ended_keep_ms;

		if (lives(user, item) || (++*dead <= most_of(user, item) && !old))
			continue;
		if (is_alone(user, item))
			store_origins_clear(txn, item->origin);
		unacked_forget(txn, user, str_slice(item->key));
		remove_at(all, at);
	}
}

void resume_clear_origins(const struct user *user, struct store_txn *txn)
{
	for (unsigned at = 0; at < user->resumptions.count; at++)
		store_origins_clear(txn, user->resumptions.items[at].origin);
}

/* A line each: key, origin, in, handled, ended. */
void resume_put(struct user *user, struct store_txn *txn)
{
	AUTO(buf_fini) struct buf text = {0};

	trim(user, txn);
	for (unsigned at = 0; at < user->resumptions.count; at++) {
		const struct resumption *item = &user->resumptions.items[at];

		buf_printf(&text, "%s %llx %x %x %llx\n", str_text(item->key), (unsigned long long)item->origin,
			   item->in, item->handled, (unsigned long long)item->ended_ms);
	}
	if (buf_used(&text))
		store_put(txn, STORE_USER, jid_user(user->jid), SLICE("sessions"), buf_slice(&text));
	else
		store_del(txn, STORE_USER, jid_user(user->jid), SLICE("sessions"));
}

static void keep(struct user *user)
{
	struct store_txn *txn = store_txn_new();

	resume_put(user, txn);
	sm_store(user, &txn, NULL, NULL);
}

static void read_line(struct user *user, char *line)
{
	char *key = strsep(&line, " "), *end = line;
	unsigned long long numbers[4];
	struct resumption item;

	for (unsigned at = 0; at < countof(numbers); at++) {
		if (!end || !*end)
			return;
		numbers[at] = strtoull(end, &end, 16);
	}
	item = (struct resumption){.key = str_new(slice_of(key)), .origin = numbers[0], .in = (uint32_t)numbers[1],
				   .handled = (uint32_t)numbers[2], .ended_ms = (int64_t)numbers[3]};
	if (!find(user, slice_of(key)))
		add(user, &item);
	str_free(&item.key);
}

static void read_all(void *state, struct user *user, const struct store_row *rows, size_t count)
{
	for (size_t at = 0; at < count; at++) {
		AUTO(buf_fini) struct buf text = {0};
		char *rest, *line;

		if (!slice_is(rows[at].item, "sessions"))
			continue;
		buf_append_slice(&text, rows[at].value);
		rest = (char *)buf_text(&text);
		while ((line = strsep(&rest, "\n")) && rest)
			read_line(user, line);
	}
}

void resume_load(struct user *user, struct sm_load *load)
{
	sm_load_list(load, STORE_USER, read_all);
}

void resume_user_free(struct user *user)
{
	while (user->resumptions.count)
		remove_at(&user->resumptions, user->resumptions.count - 1);
	mem_free(user->resumptions.items);
	user->resumptions.items = NULL;
}

/* -- enabling ------------------------------------------------------------------------------------- */

static uint32_t granted(const struct user *user, uint32_t wanted)
{
	int64_t most = user_is_anonymous(user) ? 0 : sm_settings(user->sm)->sessions.resume_ms / 1000;

	return most < wanted ? (uint32_t)most : wanted;
}

void resume_remember(struct session *session)
{
	struct user *user = session->user;
	struct resumption item = {.key = session->key, .origin = session->origin, .in = session->in};

	if (!session->key || find(user, str_slice(session->key)))
		return;
	add(user, &item);
	keep(user);
}

static struct str *key_new(struct sm *sm)
{
	AUTO(buf_fini) struct buf text = {0};
	unsigned char bytes[KEY_BYTES];

	mio_random(sm->mio, bytes, sizeof(bytes));
	buf_append_hex(&text, bytes, sizeof(bytes));
	return str_new(buf_slice(&text));
}

/* key is taken; NULL: it cannot be resumed. */
static void begin(struct session *session, uint32_t in, uint32_t seconds, struct str *key)
{
	struct resumption *item = key ? find(session->user, str_slice(key)) : NULL;

	if (item)
		item->untold = false;
	session->enabled = true;
	session->in = in;
	session->outbox.before = session->outbox.sent;
	session->outbox.handled = 0;
	session->seconds = seconds;
	session->key = key;
	resume_remember(session);
	unacked_mark(session);
}

void resume_begin(struct session *session, uint32_t seconds, struct str *key)
{
	struct resumption *item = key ? find(session->user, str_slice(key)) : NULL;

	seconds = key ? granted(session->user, seconds) : 0;
	if (item)
		session->origin = item->origin;
	begin(session, 0, seconds, seconds ? str_ref(key) : NULL);
}

/* Who knows its id and comes back behind a kill is to be known. */
static void add_new(struct user *user, const struct resumption *item, struct store_txn *txn)
{
	add(user, item)->untold = true;
	resume_put(user, txn);
}

struct str *resume_reserve(struct user *user, uint32_t seconds, struct store_txn *txn)
{
	struct resumption item = {0};

	if (!granted(user, seconds))
		return NULL;
	item.key = key_new(user->sm);
	mio_random(user->sm->mio, &item.origin, sizeof(item.origin));
	add_new(user, &item, txn);
	return item.key;
}

void resume_reserved(struct user *user, const struct str *key)
{
	struct resumption *item = key ? find(user, str_slice(key)) : NULL;

	if (item)
		forget_untold(user, item->origin);
}

/* Its client may have gone meanwhile: nobody hears of the key then, and it went with the session. */
static void remembered(struct sm *sm, struct packet **lent, const struct store_txn *txn, int result)
{
	struct packet *made = *lent;
	struct session *session = slots_get(&sm->sessions, session_id_slot(&made->sm));

	if (!session || session->enabled || session->detached)
		return;
	begin(session, made->session.resume.in, made->session.resume.seconds, str_ref(made->session.resume.key));
	link_send(sm->link, lent);
}

void resume_enable(struct session *session, const struct packet *packet)
{
	struct user *user = session->user;
	struct packet *made = packet_answer(packet);
	struct packet_resume *resume = &made->session.resume;
	struct resumption item = {.origin = session->origin, .in = packet->session.resume.in};
	struct store_txn *txn;

	made->session.action = SESSION_ENABLED;
	resume->in = item.in;
	resume->seconds = granted(user, packet->session.resume.seconds);
	if (!resume->seconds) {
		begin(session, resume->in, 0, NULL);
		link_send(user->sm->link, &made);
		return;
	}
	forget_untold(user, item.origin); /* asked for in vain */
	resume->key = item.key = key_new(user->sm);
	txn = store_txn_new();
	add_new(user, &item, txn);
	sm_store_packet(user->sm, &txn, &made, remembered);
}

/* -- away ------------------------------------------------------------------------------------------- */

static void over(struct mio_timer *timer)
{
	struct session *session = container_of(timer, struct session, timer);
	struct sm *sm = session->user->sm;

	if (sm->saved.step)
		return; /* as it was saved */
	session_end(session, SESSION_TELL_NOBODY);
	sm_work(sm);
}

void resume_wait(struct session *session, int64_t ms)
{
	session->detached = true;
	watch_see(&session->user->sm->watch, WATCH_DETACHED, session, NULL);
	session->c2s.len = 0;
	if (!present_waits(session))
		outbox_landed(session);
	session->outbox.sent = session->outbox.sent < session->outbox.count ? session->outbox.sent : session->outbox.count;
	mio_timer_init(&session->timer, over);
	mio_timer_set(session->user->sm->mio, &session->timer, ms);
	session->over_ms = mio_now_ms(session->user->sm->mio) + ms;
	metric_add(session->user->sm->process, METRIC_DETACHED, 1);
	if (!present_waits(session))
		outbox_shed(session);
}

void resume_attach(struct session *session)
{
	mio_timer_stop(&session->timer);
	session->detached = false;
	metric_add(session->user->sm->process, METRIC_DETACHED, -1);
}

void resume_detach(struct session *session)
{
	if (session->detached)
		return;
	if (!session->key) {
		session_end(session, SESSION_TELL_NOBODY);
		return;
	}
	outbox_lost(session);
	resume_wait(session, (int64_t)session->seconds * 1000);
}

/* What was handled of a client's stanzas since it enabled. */
static uint32_t handled_of(uint32_t settled, uint32_t in)
{
	return (int32_t)(settled - in) > 0 ? settled - in : 0;
}

bool resume_note(struct session *session)
{
	struct resumption *item = session->key ? find(session->user, str_slice(session->key)) : NULL;

	if (item)
		item->handled = handled_of(session->counting ? outbox_heard(session, session->settled) : session->in, session->in);
	return item;
}

void resume_ended(struct session *session)
{
	struct user *user = session->user;
	struct resumption *item = session->key ? find(user, str_slice(session->key)) : NULL;

	mio_timer_stop(&session->timer);
	if (session->detached)
		metric_add(user->sm->process, METRIC_DETACHED, -1);
	session->detached = false;
	if (!session->key)
		forget_untold(user, session->origin);
	if (!item || user->sm->stopping)
		return;
	item->handled = handled_of(session->settled, session->in);
	end_item(user, item);
	str_free(&session->key);
	keep(user);
}

/* -- resuming --------------------------------------------------------------------------------------- */

static struct slice packet_key(const struct packet *packet)
{
	return packet->session.resume.key ? str_slice(packet->session.resume.key) : SLICE("");
}

static void refuse(struct sm *sm, const struct packet *packet, const struct resumption *item)
{
	struct packet *made = packet_answer(packet);

	made->failed = true;
	if (item) {
		made->session.resume.known = true;
		made->session.resume.handled = item->handled;
	}
	link_send(sm->link, &made);
}

bool resume_is_over(const struct user *user, const struct str *key)
{
	const struct resumption *item = key ? find(user, str_slice(key)) : NULL;

	return item && item->ended_ms;
}

/* It died with its process, as far as we know: should its c2s come and say that it lives, it is over all the same. */
static void refuse_for_good(struct user *user, const struct packet *packet)
{
	struct resumption *item = find(user, packet_key(packet));

	refuse(user->sm, packet, item);
	if (!item)
		return;
	end_item(user, item);
	keep(user);
}

/* It was given up, and told so to nobody: its client asked again, and it goes on. */
static void take_back(struct session *session)
{
	struct resumption *item = find(session->user, str_slice(session->key));

	if (!item || !item->ended_ms)
		return;
	item->ended_ms = 0;
	keep(session->user);
}

static void accept_resume(struct session *session, const struct packet *packet)
{
	struct sm *sm = session->user->sm;
	struct packet *made = packet_answer(packet);
	struct packet_resume *resume = &made->session.resume;
	bool unsure;

	take_back(session);
	session->outbox.asking = false;
	session->turn = session_turn(session->user);
	session->coming = ++session->user->comings;
	session_place(session, packet);
	if (!session->kept)
		outbox_landed(session);
	str_free(&made->from);
	made->from = str_ref(sm->name);
	session_id_set(&made->sm, session->id);
	made->session.action = SESSION_RESUMED;
	jid_free(&made->session.target);
	made->session.target = jid_ref(session->jid);
	resume->key = str_ref(session->key);
	resume->seconds = session->seconds;
	resume->in = session->in;
	resume->settled = session->counting ? session->settled : session->in;
	resume->window = session->counting ? session->window : 0;
	resume->handled = session->outbox.handled;
	buf_append_slice(&made->session.text, buf_slice(&packet->session.text));
	unsure = present_resumed(session); /* what it does not have is not said to be had */
	if (session->kept)
		present_had_origins(session, &made->session.text);
	session->outbox.sent = 0;
	if (session->kept) {
		buf_append_char(&made->session.text, '\n');
		present_snapshot(session, &made->session.text);
	}
	link_send(sm->link, &made);
	watch_see(&sm->watch, WATCH_RESUMED, session, NULL);
	outbox_send_rest(session);
	csi_set(session, false);
	if (session->outbox.count)
		sm_session_changed(session); /* with what it says of that */
	if (unsure) {
		sm_served(sm);
		roster_doubts(session);
		blocking_doubts(session);
		presence_stayed(session); /* messages come again by themselves */
	}
	offline_give(session->user); /* what came when it was saved already */
}

static void rows_read(struct sm *sm, struct packet **packet, const struct store_txn *txn, int result);

static void read_outbox(struct session *session, struct packet **packet)
{
	struct store_txn *txn = store_txn_new();

	outbox_read(session, txn);
	sm_store_packet(session->user->sm, &txn, packet, rows_read);
}

static void resume_session(struct session *session, struct packet **packet)
{
	struct sm *sm = session->user->sm;
	uint32_t taken = (*packet)->session.resume.handled - session->outbox.handled + session->outbox.before;

	if ((!session->detached && session_was_asked(session, *packet)) || present_must_wait(session, packet))
		return;
	if (present_is_torn(session)) {
		struct user *user = session->user;

		present_tear(session);
		refuse(sm, *packet, find(user, packet_key(*packet)));
		return;
	}
	/* The c2s that wrote it may be another: this one is to know it when we die. */
	if (session->ours)
		outbox_origins(session, taken, &(*packet)->session.text);
	if (!outbox_taken(session, taken)) {
		refuse(sm, *packet, NULL);
		return;
	}
	if (!outbox_is_whole(session)) {
		read_outbox(session, packet);
		return;
	}
	if (!session->detached || present_is_open(session))
		session_tell(session, SESSION_REPLACED);
	if (session->detached)
		resume_attach(session);
	accept_resume(session, *packet);
}

static void rows_read(struct sm *sm, struct packet **lent, const struct store_txn *txn, int result)
{
	struct packet *packet = *lent;
	struct user *user = user_get(sm, packet->session.target);
	struct session *session = user ? find_session(user, str_slice(packet->session.resume.key)) : NULL;
	size_t count;
	const struct store_row *rows = store_rows(txn, 0, &count);

	if (result) {
		session_fail(sm, packet);
		return;
	}
	if (session && !outbox_fill(session, rows, count)) {
		if (present_is_open(session))
			session_tell(session, SESSION_REPLACED);
		session_end(session, SESSION_TELL_REPLACED);
		session = NULL;
	}
	packet->session.resume.handled = session ? session->outbox.handled : 0;
	if (session)
		resume_session(session, lent);
	else
		refuse(sm, packet, NULL);
}

uint32_t resume_settled(const struct store_txn *txn, uint32_t settled)
{
	uint32_t count, mark;
	size_t rows;
	const struct store_row *row = store_rows(txn, 0, &rows);

	for (size_t at = 0; at < rows; at++) {
		if (!store_origin_row(&row[at], &count, &mark))
			continue;
		if ((int32_t)(mark - settled) > 0)
			settled = mark;
		if (count == settled + 1)
			settled = count;
	}
	return settled;
}

static void unpin(struct user *user)
{
	if (!user)
		return;
	user->pins--;
	user_rest(user);
}

static void resume_session(struct session *session, struct packet **packet);

/* Its c2s presented it while storage was asked: it goes on. */
static bool came_back(struct user *user, struct packet **lent)
{
	struct session *session = user ? find_session(user, packet_key(*lent)) : NULL;

	if (session)
		resume_session(session, lent);
	return session;
}

/* What it was sent, and had, does not wait for its user any more. */
static void told(struct sm *sm, struct packet **lent, const struct store_txn *txn, int result)
{
	const struct packet *packet = *lent;
	struct user *user = user_get(sm, packet->session.target);
	size_t count;
	const struct store_row *rows = store_rows(txn, 1, &count);

	if (!user || result) {
		session_fail(sm, packet);
	} else if (!came_back(user, lent)) {
		unacked_told(user, packet->session.resume.handled, unacked_answer(txn, 0), rows, count);
		refuse_for_good(user, packet);
	}
	unpin(user);
}

static void tell_what_it_had(struct user *user, struct packet **packet)
{
	struct store_txn *txn = store_txn_new();

	unacked_ask(txn, user, packet_key(*packet));
	store_keys(txn, STORE_OFFLINE, jid_user(user->jid));
	user->pins++;
	sm_store_packet(user->sm, &txn, packet, told);
}

static void crashed(struct sm *sm, struct packet **lent, const struct store_txn *txn, int result)
{
	const struct packet *packet = *lent;
	struct user *user = user_get(sm, packet->session.target);
	struct resumption *item = user ? find(user, packet_key(packet)) : NULL;

	if (came_back(user, lent)) {
		unpin(user);
		return;
	}
	if (item && !result)
		item->handled = handled_of(resume_settled(txn, item->in + item->handled), item->in);
	if (!user || result)
		session_fail(sm, packet);
	else if (unacked_answer(txn, 1).len)
		tell_what_it_had(user, lent);
	else
		refuse_for_good(user, packet);
	unpin(user);
}

void resume_user(struct user *user, struct packet **packet)
{
	struct slice key = packet_key(*packet);
	struct session *session = find_session(user, key);
	struct resumption *item = find(user, key);
	struct store_txn *txn;

	if (user->disabled) {
		session_fail(user->sm, *packet);
	} else if (session) {
		resume_session(session, packet);
	} else if (item && item->ended_ms) {
		refuse(user->sm, *packet, item);
	} else {
		txn = store_txn_new();
		store_origins(txn, item ? item->origin : 0); /* of one that was not stored before the process died nothing was */
		unacked_ask(txn, user, key);
		user->pins++;
		sm_store_packet(user->sm, &txn, packet, crashed);
	}
	user_rest(user);
}
