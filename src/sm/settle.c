/* SPDX-License-Identifier: MIT */
/*
 * Settlement (design.md section 5): each client stanza that a c2s of ours counted is settled once,
 * by whoever acts last, on whatever worker; its session tells c2s up to which count all are.
 */
#include "base/mem.h"
#include "sm/core.h"
#include "sm/present.h"

enum { WINDOW = 64, SESSION_FETCHED = 192 };

bool settle_mark(struct session *session, uint32_t count)
{
	uint32_t ahead = count - session->settled;

	if (ahead == 0 || ahead > WINDOW)
		return false;
	session->window |= UINT64_C(1) << (ahead - 1);
	if (!(session->window & 1))
		return false;
	while (session->window & 1) {
		session->window >>= 1;
		session->settled++;
	}
	unacked_mark(session);
	return true;
}

/* Before an orderly end of an earlier process: who resumed says all again that is behind the first that was not. */
static bool is_settled(const struct session *session, uint32_t count)
{
	uint32_t ahead = count - session->settled;

	return (int32_t)ahead <= 0 || (ahead <= WINDOW && session->window >> (ahead - 1) & 1);
}

bool settle_seen(struct session *session, uint32_t count)
{
	uint32_t ahead = count - session->seen;

	if (!session->counting) {
		session->counting = true;
		session->settled = session->seen = count - 1;
		session->window = 0;
	} else if (ahead == 0 || ahead > WINDOW) {
		return false;
	}
	for (uint32_t at = session->seen + 1; at != count; at++)
		settle_mark(session, at);
	session->seen = count;
	return !is_settled(session, count);
}

void settle_known(struct session *session, uint32_t settled, uint64_t window)
{
	uint32_t ahead = settled - session->settled;

	if ((int32_t)ahead < 0)
		return;
	session->window = window | (ahead < WINDOW ? session->window >> ahead : 0);
	session->settled = settled;
	for (; session->window & 1; session->window >>= 1)
		session->settled++;
	if ((int32_t)(session->settled - session->seen) > 0)
		session->seen = session->settled;
	unacked_mark(session);
}

void settle_may_repeat(struct session *session)
{
	session->again_to = session->settled + WINDOW;
	session->again_to += session->again_to == 0;
}

/* What answers a question that was asked before the death of a process is on its way, or the question itself to who asks himself. */
static bool is_answered(struct session *session, const struct stanza *stanza)
{
	const struct origin *origin = &stanza->origin;

	return stanza->kind == STANZA_IQ && origin->again && outbox_has(session, &(struct origin){.key = session->origin, .count = origin->count});
}

bool settle_arrived(struct session *session, struct stanza *stanza)
{
	uint32_t count = stanza->origin.count;

	if (!session->ours || stanza->origin.session == 0) {
		stanza->origin = (struct origin){0};
		return true;
	}
	if (!settle_seen(session, count) || outbox_owes(session, count))
		return false;
	if (session->outbox.owed && count - session->settled >= WINDOW / 2)
		outbox_settle_sent(session); /* it does not read them, or not yet */
	stanza->origin = (struct origin){.session = session->id, .count = count, .mark = outbox_heard(session, session->settled)};
	stanza->origin.again = session->again_to && (int32_t)(session->again_to - count) >= 0;
	if (is_answered(session, stanza)) {
		settle(session->user->sm, stanza);
		return false;
	}
	if (session->kept || session->key)
		stanza->origin.key = session->origin; /* it may come again, after our death */
	session->wrote |= stanza->type != STANZA_GET && stanza->type != STANZA_UNAVAILABLE &&
			  (stanza->kind != STANZA_PRESENCE || stanza->type != STANZA_NONE);
	return true;
}

void settle_tell(struct session *session)
{
	struct sm *sm = session->user->sm;

	if (!list_empty(&session->report))
		return;
	list_append(&sm->reports, &session->report);
	mio_defer(sm->mio, &sm->report);
}

/* Who keeps it for our death hears of each: what is settled must not come again, though one before it does. */
static void mark(struct sm *sm, uint64_t id, uint32_t count)
{
	struct session *session = slots_get(&sm->sessions, id);
	uint64_t before;

	if (!session)
		return;
	mem_fetch(session, SESSION_FETCHED);
	before = session->window;
	if (!settle_mark(session, count) && (!session->kept || session->window == before))
		return;
	session->reporting = true;
	settle_tell(session);
}

static void send_marks(struct sm *sm, unsigned worker)
{
	link_send(sm->link, &sm->marks[worker]);
}

/* What is settled in a part of a turn goes to another worker at its end, behind what it changed. */
static void mark_there(struct sm *sm, unsigned worker, const struct origin *origin)
{
	struct packet *packet = sm->marks[worker];

	if (!packet) {
		packet = sm->marks[worker] = packet_new(PACKET_MARKS, sm->name, sm->name);
		session_id_set(&packet->sm, origin->session);
		mio_defer(sm->mio, &sm->report);
	}
	packet->marks[packet->count++] = (struct packet_mark){origin->session, origin->count};
	if (packet->count == PACKET_MARKS_MAX)
		send_marks(sm, worker);
}

void settle(struct sm *sm, const struct stanza *stanza)
{
	const struct origin *origin = &stanza->origin;
	unsigned worker = slot_worker(origin->session);

	if (origin->session == 0 || worker >= sm->process->worker_count || sm->stopping)
		return;
	if (worker == mio_worker(sm->mio)) {
		mark(sm, origin->session, origin->count);
		return;
	}
	unacked_settled(sm, origin);
	mark_there(sm, worker, origin);
}

void settle_marks(struct sm *sm, const struct packet *packet)
{
	if (packet->relayed || packet->error)
		return;
	for (uint32_t at = 0; at < packet->count; at++) {
		if (at + 1 < packet->count)
			mem_fetch(slots_get(&sm->sessions, packet->marks[at + 1].session), SESSION_FETCHED);
		mark(sm, packet->marks[at].session, packet->marks[at].count);
	}
}

void settle_forget(struct session *session)
{
	list_remove(&session->report);
	list_remove(&session->owing);
	session->reporting = session->changed = false;
}

static void report(struct session *session)
{
	struct sm *sm = session->user->sm;
	struct packet *packet = packet_new(PACKET_SETTLED, sm->name, session->at);

	packet->c2s = session->c2s;
	session_id_set(&packet->sm, session->id);
	packet->ours = true;
	packet->count = session->settled;
	packet->window = session->kept ? session->window : 0;
	link_send(sm->link, &packet);
}

void settle_report(struct mio_task *task)
{
	struct sm *sm = container_of(task, struct sm, report);
	struct list *first;

	while ((first = list_shift(&sm->reports))) {
		struct session *session = container_of(first, struct session, report);

		if (session->changed && !session->detached)
			present_send(session); /* before what its change settled */
		if (session->reporting)
			report(session);
		session->reporting = session->changed = false;
	}
	for (unsigned worker = 0; worker < sm->process->worker_count; worker++) {
		if (sm->marks[worker])
			send_marks(sm, worker);
	}
}

void settle_stop(struct sm *sm)
{
	mio_undefer(sm->mio, &sm->report);
	for (unsigned worker = 0; worker < sm->process->worker_count; worker++)
		packet_free(&sm->marks[worker]);
}
