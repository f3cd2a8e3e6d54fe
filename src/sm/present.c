/* SPDX-License-Identifier: MIT */
#include "sm/present.h"

#include <stdlib.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/deliveries.h"
#include "sm/goners.h"
#include "sm/modules/modules.h"
#include "storage/storage.h"

enum { ATTACH_MS = 30000, RESUME_MS = 3000, RECENT_MAX = 4096, RECENT_MS = 60000 };

/* A message that the client was sent in the last minute, or that waits in storage for it. */
struct recent {
	uint64_t key;
	uint32_t count;
	bool stored;  /* and was never sent: it will be given from there */
	bool held;    /* the client did not have it yet */
	bool words;   /* held, and somebody's words: a session without them has a hole */
	/* A reference until c2s says whether it still does not: it is among the messages for who is away, or came again. */
	struct delivery *delivery;
	struct delivery *kept; /* the same, for those whose c2s never had it */
};

struct presented {
	struct session *session;
	uint32_t done; /* all up to here were settled by who died */
	bool knows_done;
	uint32_t *stored; /* and these */
	unsigned stored_count;
	bool attached;
	bool saved; /* it was not presented, but read from storage */
	uint32_t settled; /* what c2s knew of, and storage: its client hears of it if it ends now */
	bool over; /* its client has left */
	bool told; /* its client was told that it is over: it goes as soon as what only its c2s had is here */
	bool late; /* others were served before it came */
	bool fresh; /* what it said may not have reached others */
	int64_t until_ms; /* what the others send again has come by then */
	unsigned count;
	struct recent *recent;
	struct packet *resume; /* that waits for what its c2s still has for it */
	struct mio_timer resume_timer;
	bool waited;
};

/* -- snapshots ------------------------------------------------------------------------------------- */

/* The address, the name in STORE_ORIGIN and the turn, what the modules save. */
void present_snapshot(const struct session *session, struct buf *out)
{
	buf_append_slice(out, jid_full(session->jid));
	buf_printf(out, "\n%llx %x\n", (unsigned long long)session->origin, session->turn);
	modules_session_save(session, out);
}

/* The turn may be missing: it is then the first of all. */
static bool read_origin(struct slice line, uint64_t *origin, uint32_t *turn)
{
	AUTO(buf_fini) struct buf copy = {0};
	char *end;

	buf_append_slice(&copy, line);
	*origin = strtoull(buf_text(&copy), &end, 16);
	*turn = (uint32_t)strtoul(end, &end, 16);
	return line.len && !*end;
}

struct session *present_restore(struct user *user, struct slice *in)
{
	AUTO(jid_free) struct jid *jid = jid_parse(slice_line(in));
	struct session *session;
	uint64_t origin;
	uint32_t turn;

	if (!jid || !jid_equal_bare(jid, user->jid) || jid_is_bare(jid) || user_find_session(user, jid) ||
	    !read_origin(slice_line(in), &origin, &turn))
		return NULL;
	session = session_new(user, jid);
	session->ours = session->counting = true;
	session->origin = origin;
	session->turn = turn;
	user->turn = turn > user->turn ? turn : user->turn;
	if (modules_session_load(session, in))
		return session;
	session_end(session, SESSION_TELL_NOBODY);
	return NULL;
}

void present_send(struct session *session)
{
	struct packet *packet = packet_session(session->user->sm->name, session->at, SESSION_SNAPSHOT);

	packet->c2s = session->c2s;
	session_id_set(&packet->sm, session->id);
	packet->ours = true;
	present_snapshot(session, &packet->session.text);
	link_send(session->user->sm->link, &packet);
}

void sm_session_changed(struct session *session)
{
	if (!session->kept || session->detached)
		return;
	session->changed = true;
	settle_tell(session);
}

/* -- presenting ------------------------------------------------------------------------------------ */

static void waited_enough(struct mio_timer *timer);

/* "KEY.COUNT" and a star when it is held, joined by blanks; the same with "=" behind it when these are words. */
static struct presented *read_recent(struct slice line)
{
	unsigned most = 1;
	struct presented *presented;

	for (size_t at = 0; at < line.len; at++)
		most += line.data[at] == ' ';
	most = most < RECENT_MAX ? most : RECENT_MAX;
	presented = mem_zalloc(MEM_SESSION, sizeof(*presented));
	mio_timer_init(&presented->resume_timer, waited_enough);
	presented->recent = mem_zalloc(MEM_SESSION, most * sizeof(struct recent));
	while (line.len && presented->count < most) {
		struct slice word = slice_word(&line);
		struct recent *recent = &presented->recent[presented->count];
		struct origin origin;

		if (word.len && word.data[word.len - 1] == '=') {
			if (presented->count)
				recent[-1].words = true;
			continue;
		}
		recent->held = word.len && word.data[word.len - 1] == '*';
		word.len -= recent->held;
		if (!origin_read(word, &origin))
			continue;
		recent->key = origin.key;
		recent->count = origin.count;
		presented->count++;
	}
	return presented;
}

/* Once attached it is needed for a while. */
static struct presented *presented_of(struct session *session)
{
	struct presented *presented = session->presented;

	if (presented && presented->attached && mio_now_ms(session->user->sm->mio) > presented->until_ms)
		present_free(session);
	return session->presented;
}

static struct recent *find(struct session *session, uint64_t key, uint32_t count)
{
	struct presented *presented = presented_of(session);

	for (unsigned at = 0; presented && at < presented->count; at++) {
		if (presented->recent[at].key == key && presented->recent[at].count == count)
			return &presented->recent[at];
	}
	return NULL;
}

static struct delivery *delivery_of(struct session *session, const struct store_row *row)
{
	struct delivery *delivery = delivery_of_row(session->user, NULL, row->seq);

	delivery->key = row->session;
	delivery->count = row->count;
	return delivery;
}

/* Nobody else is given it meanwhile. */
static void expect(struct session *session, struct recent *recent, const struct store_row *row)
{
	recent->delivery = delivery_of(session, row);
	recent->delivery->refs++;
}

/* A message that another client of the user has, and that this one was to have: its c2s was out of reach. */
static void give(struct session *session, const struct store_row *row)
{
	struct recent *recent = find(session, row->session, row->count);
	AUTO(stanza_free) struct stanza *stanza = NULL;

	if (!session->presented || !recent || !recent->stored)
		return;
	stanza = sm_stanza_of_row(session->user->sm, row);
	if (!stanza || !delivery_gets(session, stanza))
		return;
	recent->stored = false;
	outbox_give(session, stanza, delivery_of(session, row));
}

/*
 * The client has it, or will, and storage does not know that, as if all others were sent it: there may be some who were not. It is
 * kept a while for them.
 */
static void spread(struct session *session, struct recent *recent, const struct store_row *row)
{
	struct session *other = NULL;

	recent->kept = delivery_of(session, row);
	recent->kept->refs++;
	if (recent->kept->had)
		return;
	recent->kept->unspread = true;
	while ((other = user_next_session(session->user, other)))
		give(other, row);
}

/*
 * What the client has waits for nobody else than those who were to have it too; what it will have leaves storage then. A row
 * that is being deleted, for another client has it, is none.
 */
static void match_rows(struct session *session, const struct store_row *rows, size_t count)
{
	struct presented *presented = session->presented;
	size_t most = presented->count + count;

	presented->recent = mem_realloc(MEM_SESSION, presented->recent, (most + 1) * sizeof(*presented->recent));
	for (size_t at = 0; at < count; at++) {
		struct recent *recent = rows[at].session ? find(session, rows[at].session, rows[at].count) : NULL;

		if (offline_is_gone(session->user, rows[at].seq))
			continue;
		if (recent)
			spread(session, recent, &rows[at]);
		if (recent && recent->held)
			expect(session, recent, &rows[at]);
		else if (recent)
			delivery_row_taken(session->user, rows[at].seq, session->id);
		else if (rows[at].session)
			presented->recent[presented->count++] =
				(struct recent){.key = rows[at].session, .count = rows[at].count, .stored = true};
		if (delivery_row_is_unspread(session->user, rows[at].seq))
			give(session, &rows[at]);
	}
}

static void match_origins(struct session *session, const struct store_row *rows, size_t count)
{
	struct presented *presented = session->presented;
	uint32_t number, mark;

	presented->stored = mem_zalloc(MEM_SESSION, (count + 1) * sizeof(*presented->stored));
	for (size_t at = 0; at < count; at++) {
		if (!store_origin_row(&rows[at], &number, &mark))
			continue;
		presented->stored[presented->stored_count++] = number;
		if (!presented->knows_done || (int32_t)(mark - presented->done) > 0)
			presented->done = mark;
		presented->knows_done = true;
	}
}

/* Its client may still ask how far it was. */
static void leave(struct session *session, const struct packet *packet)
{
	str_free(&session->key);
	session->key = str_ref(packet->session.resume.key);
	session->settled = session->presented->settled;
	resume_remember(session);
	session->user->told_over = true;
	goners_add(session);
	session_end(session, SESSION_TELL_NOBODY);
}

/* Meanwhile its client resumed it elsewhere. */
static bool went_on(const struct session *session)
{
	return !session->presented || session->presented->attached;
}

static void looked_up(struct sm *sm, struct packet **lent, const struct store_txn *txn, int result)
{
	const struct packet *packet = *lent;
	struct session *session = slots_get(&sm->sessions, session_id_slot(&packet->sm));
	struct packet *made;
	size_t count;
	const struct store_row *rows;

	if (session && went_on(session)) {
		session_fail(sm, packet);
		return;
	}
	if (session && !result)
		session->presented->settled = resume_settled(txn, session->settled);
	if (packet->session.resume.over) {
		if (session)
			leave(session, packet);
		return;
	}
	if (!session || result) {
		if (session)
			session_end(session, SESSION_TELL_NOBODY);
		session_fail(sm, packet);
		return;
	}
	rows = store_rows(txn, 0, &count);
	match_origins(session, rows, count);
	rows = store_rows(txn, 1, &count);
	match_rows(session, rows, count);
	resume_remember(session); /* its sm died before it could */
	made = packet_answer(packet);
	made->session.action = SESSION_PRESENTED;
	str_free(&made->from);
	made->from = str_ref(sm->name);
	link_send(sm->link, &made);
}

static void take_counts(struct session *session, const struct packet_resume *resume)
{
	session->enabled = resume->known;
	session->key = resume->over ? NULL : str_ref(resume->key); /* it is not to be resumed */
	session->seconds = resume->seconds;
	session->in = resume->in;
	session->settled = session->seen = resume->settled;
	session->window = resume->window;
	settle_may_repeat(session);
	session->outbox.handled = resume->handled;
}

/* Its c2s did not keep a snapshot: nothing was heard of it yet. */
static struct session *restore(struct user *user, const struct packet *packet, struct slice *in)
{
	if (in->len)
		return present_restore(user, in);
	return user_find_session(user, packet->session.target) ? NULL : session_new(user, packet->session.target);
}

/*
 * The client left after its session had been presented, and before it was attached: what is said now of what is settled has less in it,
 * when there are errors that it never heard.
 */
static bool end_presented(struct user *user, const struct packet *packet)
{
	struct session *session = user_find_session(user, packet->session.target);
	uint32_t settled = packet->session.resume.settled;

	if (!packet->session.resume.over || !session || !session->presented || !session->detached ||
	    !session_id_equal(&session->c2s, &packet->c2s))
		return false;
	if ((int32_t)(settled - session->settled) < 0)
		session->presented->settled = settled;
	leave(session, packet);
	return true;
}

/* Of the session in a snapshot; 0: it is none. */
static uint32_t turn_of(struct slice snapshot)
{
	uint64_t origin;
	uint32_t turn;

	slice_line(&snapshot);
	return read_origin(slice_line(&snapshot), &origin, &turn) ? turn : 0;
}

/* One that was resumed or replaced elsewhere, and whose c2s did not hear of it; what is over, or was left in storage. */
static bool is_obsolete(const struct session *session, const struct packet *packet, uint32_t turn)
{
	const struct presented *presented = session->presented;

	if (!presented)
		return false;
	if (session->detached && (presented->over || presented->saved) && !packet->session.resume.over)
		return true;
	return session->turn < turn;
}

/* It is the same session that comes: what it can be resumed by, and what it wrote, is that one's. */
static void pass_on(struct session *session)
{
	str_free(&session->key);
	session->wrote = false;
}

static void make_way(struct user *user, const struct packet *packet, uint32_t turn)
{
	struct session *session = user_find_session(user, packet->session.target);

	if (!session || !is_obsolete(session, packet, turn))
		return;
	if (session->key && packet->session.resume.key &&
	    slice_equal(str_slice(session->key), str_slice(packet->session.resume.key)))
		pass_on(session);
	if (present_is_open(session))
		session_tell(session, SESSION_REPLACED);
	user->told_over = true;
	session_end(session, SESSION_TELL_REPLACED);
}

void present_user(struct user *user, struct packet **packet)
{
	struct sm *sm = user->sm;
	struct slice in = buf_slice(&(*packet)->session.text), recent = slice_line(&in);
	struct session *session;
	struct store_txn *txn;

	if (end_presented(user, *packet))
		return;
	make_way(user, *packet, turn_of(in));
	session = user_is_allowed(user) ? restore(user, *packet, &in) : NULL;
	if (!session || !jid_equal(session->jid, (*packet)->session.target) || device_has_a_later(session)) {
		if (session)
			session_end(session, SESSION_TELL_NOBODY);
		session_fail(sm, *packet);
		user_rest(user);
		return;
	}
	session->ours = session->counting = true;
	take_counts(session, &(*packet)->session.resume);
	session->presented = read_recent(recent);
	session->presented->session = session;
	session->presented->over = (*packet)->session.resume.over;
	session->presented->told = resume_is_over(user, session->key);
	session->presented->late = sm->served || user->told_over;
	session->presented->fresh = (*packet)->session.resume.fresh;
	session->presented->settled = session->settled;
	resume_wait(session, session->key ? (int64_t)session->seconds * 1000 : ATTACH_MS);
	session_place(session, *packet);
	session->wrote = true; /* to an earlier process, perhaps */
	session_id_set(&(*packet)->sm, session->id);
	roster_stayed(session);
	blocking_stayed(session);
	txn = store_txn_new();
	store_origins(txn, session->origin);
	store_list(txn, STORE_OFFLINE, jid_user(user->jid));
	sm_store_packet(sm, &txn, packet, looked_up);
}

static void let_go(struct recent *recent, bool taken)
{
	struct delivery *delivery = recent->delivery;

	recent->delivery = NULL;
	if (delivery && taken)
		delivery_taken(delivery);
	else if (delivery)
		delivery_unref(delivery);
}

static void let_held_go(struct presented *presented)
{
	for (unsigned at = 0; at < presented->count; at++) {
		if (presented->recent[at].held)
			let_go(&presented->recent[at], true);
	}
}

/* c2s may mention once more, without its star, what it wrote and the client does not have. */
static void spread_held(struct presented *presented)
{
	for (unsigned at = 0; at < presented->count; at++) {
		const struct recent *held = &presented->recent[at];

		for (unsigned later = at + 1; held->held && later < presented->count; later++) {
			struct recent *recent = &presented->recent[later];

			recent->held = recent->held || (recent->key == held->key && recent->count == held->count);
		}
	}
}

/* To the client it is as if it was never sent: it comes again from its sender, or from storage. */
static void forget_held(struct presented *presented)
{
	unsigned count = 0;

	spread_held(presented);
	for (unsigned at = 0; at < presented->count; at++) {
		struct recent recent = presented->recent[at];

		recent.stored = recent.stored || (recent.held && recent.delivery && recent.delivery->row);
		if (recent.held)
			let_go(&recent, false);
		if (recent.kept)
			delivery_unref(recent.kept);
		recent.kept = NULL;
		if (!recent.held || recent.stored)
			presented->recent[count++] = recent;
	}
	presented->count = count;
}

void present_held(struct session *session, struct stanza **stanza)
{
	const struct origin *origin = &(*stanza)->origin;
	struct recent *recent = origin->key ? find(session, origin->key, origin->count) : NULL;

	if (session->presented && !session->presented->attached && session->detached) {
		outbox_hold(session, *stanza, recent ? recent->delivery : NULL);
		if (recent)
			let_go(recent, false);
	}
	stanza_free(stanza);
}

/* -- who resumes it meanwhile ---------------------------------------------------------------------- */

static void resume_now(struct session *session)
{
	struct presented *presented = session->presented;
	struct packet *packet = presented->resume;

	presented->resume = NULL;
	presented->waited = true;
	mio_timer_stop(&presented->resume_timer);
	if (packet)
		resume_user(session->user, &packet);
	packet_free(&packet);
}

static void waited_enough(struct mio_timer *timer)
{
	struct presented *presented = container_of(timer, struct presented, resume_timer);
	struct sm *sm = presented->session->user->sm;

	if (presented->attached)
		present_free(presented->session);
	else if (!presented->stored)
		mio_timer_set(sm->mio, timer, RESUME_MS); /* what waits for it is not known yet */
	else
		resume_now(presented->session);
	sm_work(sm);
}

/* What it had, and what is kept for others, for a while. */
static void remember(struct presented *presented)
{
	presented->until_ms = mio_now_ms(presented->session->user->sm->mio) + RECENT_MS;
	mio_timer_set(presented->session->user->sm->mio, &presented->resume_timer, RECENT_MS);
}

static bool is_same_question(const struct packet *one, const struct packet *other)
{
	return one->session.id && other->session.id && slice_equal(str_slice(one->from), str_slice(other->from)) &&
	       session_id_equal(&one->c2s, &other->c2s) &&
	       slice_equal(str_slice(one->session.id), str_slice(other->session.id));
}

bool present_must_wait(struct session *session, struct packet **packet)
{
	struct presented *presented = session->presented;

	if (!present_is_open(session) || presented->waited)
		return false;
	if (presented->resume && !is_same_question(presented->resume, *packet))
		session_fail(session->user->sm, presented->resume);
	packet_free(&presented->resume);
	presented->resume = *packet;
	*packet = NULL;
	if (!mio_timer_is_set(&presented->resume_timer))
		mio_timer_set(session->user->sm->mio, &presented->resume_timer, RESUME_MS);
	return true;
}

static void attach(struct session *session, const struct packet *packet)
{
	struct user *user = session->user;
	bool asks, late, ends;

	if (!session->presented || !session->detached)
		return;
	settle_known(session, packet->session.resume.settled, packet->session.resume.window);
	resume_attach(session);
	session->presented->attached = true;
	let_held_go(session->presented); /* c2s held the others: the client took these while it was presented */
	session->outbox.before = packet->session.resume.in;
	session->outbox.handled = packet->session.resume.handled;
	if (session->outbox.sent < session->outbox.count) {
		outbox_send_rest(session);
		sm_session_changed(session); /* with what it says of that */
	}
	remember(session->presented);
	asks = csi_lost(session);
	ends = session->presented->told && !session->presented->resume;
	late = !ends && (session->presented->fresh || session->presented->late);
	if (late || asks)
		sm_served(user->sm);
	if (late)
		presence_stayed(session);
	else if (asks)
		presence_ask_all(session);
	offline_give(user);
}

void present_attach(struct session *session, const struct packet *packet)
{
	attach(session, packet);
	if (session->presented && session->presented->resume)
		resume_now(session);
	else if (session->presented && session->presented->told)
		session_end(session, SESSION_TELL_ENDED);
}

/* -- what comes again ------------------------------------------------------------------------------ */

bool present_is_done(struct session *session, uint32_t count)
{
	const struct presented *presented = presented_of(session);

	if (!presented || !presented->knows_done)
		return false;
	for (unsigned at = 0; at < presented->stored_count; at++) {
		if (presented->stored[at] == count)
			return true;
	}
	return (int32_t)(count - presented->done) <= 0;
}

bool present_has(struct session *session, const struct stanza *stanza)
{
	struct recent *recent = session->presented && stanza->origin.key
					? find(session, stanza->origin.key, stanza->origin.count)
					: NULL;

	if (!recent)
		return false;
	if (recent->stored && !stanza->origin.session) {
		recent->stored = false; /* now it is given */
		return false;
	}
	if (recent->delivery || recent->stored)
		settle(session->user->sm, stanza);
	else
		recent->delivery = outbox_again(session, stanza, recent->held && !session->presented->attached);
	return true;
}

/* -- what was saved -------------------------------------------------------------------------------- */

void present_save_origins(struct session *session, struct buf *out)
{
	outbox_origins(session, session->outbox.count, out);
	present_had_origins(session, out);
}

static void say_had(const struct session *session, uint64_t key, uint32_t count, struct buf *out)
{
	struct origin origin = {.key = key, .count = count};

	if (!key || outbox_has(session, &origin))
		return;
	buf_append_char(out, ' ');
	origin_print(&origin, out);
}

void present_had_origins(struct session *session, struct buf *out)
{
	const struct presented *presented = presented_of(session);
	const struct delivery *delivery = NULL;

	for (unsigned at = 0; presented && at < presented->count; at++) {
		const struct recent *recent = &presented->recent[at];

		if (!recent->stored && (!recent->held || presented->attached))
			say_had(session, recent->key, recent->count, out);
	}
	while ((delivery = delivery_next_had(session->user, delivery, session->id)))
		say_had(session, delivery->key, delivery->count, out);
}

void present_saved(struct session *session, struct slice origins)
{
	struct presented *presented = read_recent(origins);

	presented->session = session;
	presented->attached = presented->saved = true;
	presented->until_ms = mio_now_ms(session->user->sm->mio) + RECENT_MS;
	session->presented = presented;
}

bool present_resumed(struct session *session)
{
	struct presented *presented = session->presented;

	if (!presented || presented->attached)
		return false;
	presented->attached = true;
	presented->told = false;
	remember(presented);
	forget_held(presented);
	return true;
}

bool present_waits(const struct session *session)
{
	return session->presented && !session->presented->attached;
}

bool present_is_torn(const struct session *session)
{
	const struct presented *presented = session->presented;

	for (unsigned at = 0; present_is_open(session) && at < presented->count; at++) {
		const struct recent *recent = &presented->recent[at];
		struct origin origin = {.key = recent->key, .count = recent->count};

		if (recent->words && !recent->stored && !recent->delivery && !outbox_has(session, &origin))
			return true;
	}
	return false;
}

void present_tear(struct session *session)
{
	if ((int32_t)(session->presented->settled - session->settled) > 0)
		session->settled = session->presented->settled;
	if (present_is_open(session))
		session_tell(session, SESSION_REPLACED);
	session_end(session, SESSION_TELL_REPLACED);
}

bool present_is_open(const struct session *session)
{
	return present_waits(session) && !session->presented->over;
}

void present_free(struct session *session)
{
	struct presented *presented = session->presented;

	session->presented = NULL;
	if (!presented)
		return;
	mio_timer_stop(&presented->resume_timer);
	if (presented->resume && !session->user->sm->stopping)
		session_fail(session->user->sm, presented->resume); /* it asks again */
	packet_free(&presented->resume);
	for (unsigned at = 0; at < presented->count; at++) {
		struct recent *recent = &presented->recent[at];

		if (recent->delivery && session->user->sm->stopping)
			delivery_drop(recent->delivery);
		else
			let_go(recent, false);
		if (recent->kept && session->user->sm->stopping)
			delivery_drop(recent->kept);
		else if (recent->kept)
			delivery_unref(recent->kept);
	}
	mem_free(presented->stored);
	mem_free(presented->recent);
	mem_free(presented);
}
