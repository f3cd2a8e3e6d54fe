/* SPDX-License-Identifier: MIT */
/* Sessions and the actions of c2s on them and on accounts, session-protocol.md sections 2, 5 and 6.
 */
#include <errno.h>
#include <string.h>
#include "base/mem.h"
#include "base/table.h"
#include "component/settings.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/modules/modules.h"
#include "sm/kept.h"
#include "sm/present.h"
#include "sm/removal.h"

/* -- answers -- */

static void answer(struct sm *sm, const struct packet *packet, enum session_action action)
{
	struct packet *made = packet_answer(packet);

	made->session.action = action;
	link_send(sm->link, &made);
}

/*
 * jabberd2's c2s hears of a failure only when it carries an sm attribute, whatever it says
 * (section 6.1).
 */
void session_fail(struct sm *sm, const struct packet *packet)
{
	struct packet *made = packet_answer(packet);

	made->failed = true;
	made->session.resume.later = made->session.action == SESSION_RESUME;
	if (!made->sm.len &&
	    (made->session.action == SESSION_START || made->session.action == SESSION_CREATE))
		session_id_take(&made->sm, SLICE("none"));
	link_send(sm->link, &made);
}

void session_tell_ended(struct sm *sm, const struct packet *packet)
{
	struct packet *made = packet_session(sm->name, packet->from, SESSION_ENDED);

	made->c2s = packet->c2s;
	made->sm = packet->sm;
	made->ours = packet->ours;
	link_send(sm->link, &made);
}

void session_tell(struct session *session, enum session_action action)
{
	struct sm *sm = session->user->sm;
	struct packet *made = packet_session(sm->name, session->at, action);

	made->c2s = session->c2s;
	session_id_set(&made->sm, session->id);
	made->ours = session->ours;
	link_send(sm->link, &made);
}

struct session *session_of_packet(struct sm *sm, const struct packet *packet, bool *foreign)
{
	struct session *session = slots_get(&sm->sessions, session_id_slot(&packet->sm));

	*foreign = false;
	if (!session)
		return NULL;
	mem_fetch(session, sizeof(*session) + sm->session_size);
	*foreign = !slice_equal(str_slice(packet->from), str_slice(session->at)) ||
		   (packet->c2s.len && !session_id_equal(&packet->c2s, &session->c2s));
	return *foreign ? NULL : session;
}

/* -- ending -- */

/* Nobody presents its stanzas again. Of one that could be resumed they go with the last that is known of it. */
static void forget_origins(struct session *session)
{
	struct store_txn *txn;

	if (!session->kept || !session->wrote || session->key || session->user->sm->stopping)
		return;
	txn = store_txn_new();
	store_origins_clear(txn, session->origin);
	sm_store(session->user, &txn, NULL, NULL);
}

/* jabberd2's c2s has no word for what is ours. */
static enum session_action action_of(const struct session *session, enum session_tell how)
{
	if (how == SESSION_TELL_REPLACED)
		return SESSION_REPLACED;
	if (!session->ours)
		return SESSION_ENDED;
	switch (how) {
	case SESSION_TELL_DISABLED:
		return SESSION_DISABLED;
	case SESSION_TELL_SHED:
		return SESSION_SHED;
	case SESSION_TELL_FULL:
		return SESSION_FULL;
	case SESSION_TELL_KICKED:
		return SESSION_KICKED;
	case SESSION_TELL_CROWDED:
		return SESSION_CROWDED;
	case SESSION_TELL_DELETED:
		return SESSION_DELETED;
	default:
		return SESSION_ENDED;
	}
}

void session_end(struct session *session, enum session_tell how)
{
	struct user *user = session->user;
	struct sm *sm = user->sm;

	if (how != SESSION_TELL_NOBODY && !session->detached)
		session_tell(session, action_of(session, how));
	watch_see(&sm->watch, WATCH_ENDED, session, NULL);
	slots_del(&sm->sessions, session->id);
	list_remove(&session->link);
	user->session_count--;
	metric_add(sm->process, METRIC_SESSIONS, -1);
	settle_forget(session);
	unacked_unmark(session);
	modules_session_end(session);
	list_remove(&session->full_link);
	present_free(session);
	session->settled = outbox_heard(session, session->settled);
	if (sm->stopping)
		outbox_drop(session);
	else
		outbox_expire(session);
	forget_origins(session);
	resume_ended(session);
	str_free(&session->key);
	str_free(&session->at);
	jid_free(&session->jid);
	mem_free(session);
	user_rest(user);
}

void sessions_end_of(struct sm *sm, struct slice c2s, bool ours)
{
	struct session *session;

	for (uint32_t at = 0; (session = slots_next(&sm->sessions, &at));) {
		if (!session->detached && session->ours == ours && slice_equal(str_slice(session->at), c2s))
			resume_detach(session);
	}
}

void sessions_end_full(struct sm *sm)
{
	struct list *first;

	while ((first = list_shift(&sm->full))) {
		struct session *session = container_of(first, struct session, full_link);

		log_info(&sm->log, "session %s ends: more waits for it than sessions.resume_queue", jid_text(session->jid));
		session_end(session, SESSION_TELL_FULL);
	}
}

void sessions_shed(struct budget_member *member, int class)
{
	struct sm *sm = container_of(member, struct sm, queues);
	struct session *session;

	if (sm->saved.step)
		return;
	for (uint32_t at = 0; budget_is_exceeded(member->budget) && (session = slots_next(&sm->sessions, &at));) {
		if (budget_class(session->outbox.counted) != class)
			continue;
		log_info(&sm->log, "session %s ends: more waits in memory than limits.memory allows", jid_text(session->jid));
		session_end(session, SESSION_TELL_SHED);
	}
	sm_work(sm);
}

void sessions_found(struct sm *sm, struct slice c2s)
{
	struct session *session;

	for (uint32_t at = 0; (session = slots_next(&sm->sessions, &at));) {
		if (slice_equal(str_slice(session->at), c2s))
			session->missed_ms = 0;
	}
}

/*
 * Between the death of a router and the return of a c2s to the next, nobody serves its name; its
 * sessions are alive. That it died meanwhile nobody may ever tell us.
 */
bool session_missed(struct session *session)
{
	struct sm *sm = session->user->sm;
	int64_t now = mio_now_ms(sm->mio);

	if (sm->alone)
		return true; /* names come and go in our own table */
	if (!session->missed_ms)
		session->missed_ms = now;
	return now - session->missed_ms > C2S_AWAY_MAX_MS;
}

static void end(struct sm *sm, const struct packet *packet)
{
	bool foreign;
	struct session *session = session_of_packet(sm, packet, &foreign);

	if (session)
		session_end(session, SESSION_TELL_ENDED);
	else if (!foreign)
		session_fail(sm, packet);
}

static void of_session(struct sm *sm, const struct packet *packet)
{
	bool foreign;
	struct session *session = session_of_packet(sm, packet, &foreign);

	if (!session) {
		if (!foreign)
			session_tell_ended(sm, packet);
		return;
	}
	switch (packet->session.action) {
	case SESSION_DETACH:
		resume_detach(session);
		break;
	case SESSION_ATTACH:
		present_attach(session, packet);
		break;
	case SESSION_REACHED:
		outbox_reached(session, packet->session.resume.handled);
		break;
	case SESSION_ENABLE:
		if (session->ours && !session->enabled)
			resume_enable(session, packet);
		break;
	default:
		if (session->ours && !session->detached)
			csi_set(session, packet->session.action == SESSION_INACTIVE);
		break;
	}
}

/* -- starting -- */

/* Later than those of earlier processes, which are not known: by the clock, if that was not put back. */
uint32_t session_turn(struct user *user)
{
	uint32_t now = (uint32_t)(sm_wall_ms(user->sm) / 1000);

	user->turn = now > user->turn ? now : user->turn + 1;
	return user->turn;
}

struct session *session_new(struct user *user, struct jid *full)
{
	struct sm *sm = user->sm;
	struct session *session = mem_zalloc(MEM_SESSION, sizeof(*session) + sm->session_size);

	if (user_is_anonymous(user))
		user->known = user->anonymous = true;
	session->user = user;
	session->jid = jid_ref(full);
	mio_random(sm->mio, &session->origin, sizeof(session->origin));
	outbox_init(&session->outbox);
	list_init(&session->report);
	list_init(&session->owing);
	list_init(&session->full_link);
	mio_timer_init(&session->timer, NULL);
	list_append(&user->sessions, &session->link);
	user->session_count++;
	session->turn = session_turn(user);
	session->id = slots_add(&sm->sessions, session);
	metric_add(sm->process, METRIC_SESSIONS, 1);
	modules_session_start(session);
	watch_see(&sm->watch, WATCH_STARTED, session, NULL);
	return session;
}

/* Of a c2s of ours, whose questions have names of their own; 0: it has none. */
static uint32_t question_of(const struct packet *packet)
{
	if (!packet->ours || !packet->session.id)
		return 0;
	return (uint32_t)hash_bytes((struct hash_key){0}, str_slice(packet->session.id)) | 1;
}

void session_place(struct session *session, const struct packet *packet)
{
	struct link *link = session->user->sm->link;

	str_free(&session->at);
	session->at = link_name(link, str_slice(packet->from));
	session->c2s = packet->c2s;
	session->question = question_of(packet);
	session->kept = session->ours && !link_serves(link, str_slice(session->at));
}

bool session_was_asked(const struct session *session, const struct packet *packet)
{
	return session->question && session->question == question_of(packet) &&
	       slice_equal(str_slice(session->at), str_slice(packet->from)) &&
	       session_id_equal(&session->c2s, &packet->c2s);
}

/* The oldest that is away goes, then the oldest; the newcomer is never the one to go. */
static void make_room(struct user *user)
{
	int64_t max = sm_settings(user->sm)->limits.sessions;

	while (max > 0 && user->session_count >= max) {
		struct session *session = user_next_session(user, NULL);

		while (session && !session->detached)
			session = user_next_session(user, session);
		session_end(session ? session : user_next_session(user, NULL), SESSION_TELL_CROWDED);
	}
}

bool session_came_after(const struct session *session, uint32_t coming)
{
	return session->coming && (int32_t)(session->coming - coming) > 0;
}

struct session *session_begin(struct user *user, const struct packet *packet)
{
	struct session *session;

	if (!user_is_allowed(user)) {
		session_fail(user->sm, packet);
		return NULL;
	}
	session = user_find_session(user, packet->session.target);
	if (session && session_was_asked(session, packet))
		return NULL;
	if (session)
		session_end(session, SESSION_TELL_REPLACED);
	make_room(user);
	session = session_new(user, packet->session.target);
	session->ours = packet->ours;
	session->coming = ++user->comings;
	session_place(session, packet);
	return session;
}

void session_start(struct user *user, struct packet *packet)
{
	struct sm *sm = user->sm;
	struct session *session = session_begin(user, packet);
	struct packet *made;

	if (!session)
		return;
	made = packet_answer(packet);
	made->session.action = SESSION_STARTED;
	str_free(&made->from);
	made->from = str_ref(sm->name);
	session_id_set(&made->sm, session->id);
	if (session->kept)
		present_snapshot(session, &made->session.text);
	link_send(sm->link, &made);
	sm_served(sm);
	user_rest(user);
}

/* -- accounts -- */

static void created(struct sm *sm, struct packet **lent, const struct store_txn *txn, int result)
{
	const struct packet *packet = *lent;
	struct user *user = user_get(sm, packet->session.target);

	if (result) {
		session_fail(sm, packet);
		return;
	}
	if (user)
		user->known = true; /* it was read before there was anything */
	answer(sm, packet, SESSION_CREATED);
}

/* Also who has keys and no mark is there: an account that was made here. */
void session_create(struct user *user, struct packet **packet)
{
	struct sm *sm = user->sm;
	struct store_txn *txn;

	if (user->known || auth_is_anonymous(user->jid) || settings_is_admin(sm_settings(sm), jid_user(user->jid))) {
		session_fail(sm, *packet); /* nor does who comes first become an administrator */
		return;
	}
	txn = store_txn_new();
	auth_account_unlocked(txn, user->jid, sm_wall_ms(sm));
	kept_active(txn, user->jid, sm_wall_ms(sm));
	sm_store_packet(sm, &txn, packet, created);
	user_rest(user);
}

static void deleted(struct sm *sm, struct packet **lent, const struct store_txn *txn, int result)
{
	const struct packet *packet = *lent;

	removal_end(sm, packet->session.target, result);
	if (result == 0)
		answer(sm, packet, SESSION_DELETED);
	else
		session_fail(sm, packet);
}

/* Of a c2s that is not ours: it has removed the keys. */
void session_delete_user(struct user *user, struct packet **packet)
{
	struct sm *sm = user->sm;
	struct store_txn *txn;

	if (!user->known) {
		answer(sm, *packet, SESSION_DELETED);
		return;
	}
	txn = removal_begin(user);
	sm_store_packet(sm, &txn, packet, deleted);
	user_rest(user);
}

void session_allow_user(struct user *user, bool allowed)
{
	user->disabled = !allowed;
	while (!allowed && user->session_count)
		session_end(user_next_session(user, NULL), SESSION_TELL_DISABLED);
	user_rest(user);
}

/* -- actions -- */

/* Our answer differs from the question, jabberd2's is an error: so c2s learns with whom it speaks.
 */
static void hello(struct sm *sm, const struct packet *packet)
{
	struct packet *made = packet_answer(packet);
	AUTO(buf_fini) struct buf text = {0};

	buf_printf(&text, "%s/%u/%08x", str_text(sm->name), mio_worker(sm->mio),
		   sm->process->epoch);
	made->session.end = str_new(buf_slice(&text));
	modules_offer(sm, &made->session.text);
	link_send(sm->link, &made);
}

static void for_user(struct sm *sm, struct packet **packet)
{
	struct user *user = user_need(sm, (*packet)->session.target);

	if (user->state == USER_READY)
		route_loaded(sm, user, packet);
	else if (!user_wait(user, packet))
		session_fail(sm, *packet);
}

static bool is_target(const struct sm *sm, const struct packet *packet, bool full)
{
	const struct jid *target = packet->session.target;

	return target && jid_local(target).len && sm_is_domain(sm, jid_domain(target)) &&
	       jid_is_bare(target) != full;
}

void session_packet(struct sm *sm, struct packet **packet)
{
	enum session_action action = (*packet)->session.action;

	if ((*packet)->failed)
		return; /* an answer, and sm asks for nothing */
	switch (action) {
	case SESSION_START:
	case SESSION_BIND:
	case SESSION_CREATE:
	case SESSION_RESUME:
	case SESSION_DELETE:
	case SESSION_PRESENT:
		if (is_target(sm, *packet, action == SESSION_START || action == SESSION_BIND || action == SESSION_PRESENT))
			for_user(sm, packet);
		else
			session_fail(sm, *packet);
		break;
	case SESSION_DISABLE:
	case SESSION_ALLOW:
		if (!(*packet)->relayed && is_target(sm, *packet, false))
			for_user(sm, packet);
		break;
	case SESSION_END:
		end(sm, *packet);
		break;
	case SESSION_ENABLE:
	case SESSION_DETACH:
	case SESSION_ATTACH:
	case SESSION_REACHED:
	case SESSION_ACTIVE:
	case SESSION_INACTIVE:
		of_session(sm, *packet);
		break;
	case SESSION_HELLO:
		hello(sm, *packet);
		break;
	default:
		session_fail(sm, *packet); /* nothing that one asks of an sm */
	}
}
