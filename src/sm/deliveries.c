/* SPDX-License-Identifier: MIT */
#include "sm/deliveries.h"

#include <string.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/modules/modules.h"
#include "sm/outbox.h"
#include "sm/unacked.h"
#include "storage/storage.h"

enum { STORE_AFTER_MS = 1000 };

static struct delivery *delivery_new(struct user *user, const struct stanza *stanza)
{
	struct delivery *delivery = mem_zalloc(MEM_SESSION, sizeof(*delivery));

	delivery->user = user;
	if (stanza) {
		delivery->stanza = stanza_copy(stanza);
		delivery->key = stanza->origin.key;
		delivery->count = stanza->origin.count;
	}
	list_init(&delivery->due);
	list_append(&user->deliveries, &delivery->link);
	return delivery;
}

static void delivery_free(struct delivery *delivery)
{
	unacked_drop(delivery->user->sm, &delivery->unacked);
	list_remove(&delivery->link);
	list_remove(&delivery->due);
	stanza_free(&delivery->stanza);
	buf_fini(&delivery->takers);
	mem_free(delivery);
}

/* The row of a message that somebody has. */
static void forget_row(struct delivery *delivery)
{
	if (!delivery->row)
		return;
	offline_forget_sent(delivery->user, delivery->row, delivery->unacked);
	delivery->row = delivery->unacked = 0;
}

static void settle_delivery(struct delivery *delivery)
{
	if (!delivery->stanza)
		return; /* it was, when it was stored */
	settle(delivery->user->sm, delivery->stanza);
	delivery->stanza->origin = (struct origin){0};
}

static void end(struct delivery *delivery)
{
	if (delivery->over)
		return;
	delivery->over = true;
	list_remove(&delivery->due);
	settle_delivery(delivery);
	if (!delivery->row && !delivery->storing)
		unacked_drop(delivery->user->sm, &delivery->unacked);
	if (delivery->row && delivery->refs)
		offline_had(delivery->user, delivery->row);
}

static void await(struct delivery *delivery);

/* A row that is not marked as had may come back behind our death: it is no less urgent than what nobody has. */
static void somebody_has(struct delivery *delivery)
{
	delivery->had = true;
	if (!delivery->flying)
		end(delivery);
	else if (list_empty(&delivery->due) && !delivery->storing)
		await(delivery);
}

void delivery_flies(struct delivery *delivery)
{
	delivery->flying++;
}

void delivery_landed(struct delivery *delivery)
{
	if (--delivery->flying == 0 && delivery->had)
		end(delivery);
}

static void store(struct delivery *delivery);

/* What waits for storage now came later, and must not come before it. */
static bool goes_ahead(struct delivery *delivery)
{
	if (delivery->ahead || !delivery->user->hold_count || !offline_may_have(delivery->user, delivery->stanza))
		return false;
	delivery->ahead = true;
	return true;
}

/* Nobody refers to it: what nobody has either finds another way. */
static void leave(struct delivery *delivery)
{
	struct user *user = delivery->user;

	if (delivery->refs || delivery->storing)
		return;
	if (!delivery->over && !delivery->row && goes_ahead(delivery)) {
		store(delivery);
		return;
	}
	if (delivery->over) {
		forget_row(delivery);
	} else if (!delivery->row) {
		AUTO(jid_free) struct jid *bare = jid_ref(user->jid);
		struct stanza *stanza = stanza_copy(delivery->stanza);

		stanza_set_to(stanza, bare);
		if (!stanza->delay_ms)
			stanza->delay_ms = sm_wall_ms(user->sm);
		route_home(user->sm, &stanza);
	} else {
		offline_let_go(user, delivery->row);
	}
	delivery_free(delivery);
}

void delivery_unref(struct delivery *delivery)
{
	delivery->refs--;
	leave(delivery);
}

void delivery_taken(struct delivery *delivery)
{
	delivery->refs--;
	somebody_has(delivery);
	leave(delivery);
}

static void note_taker(struct delivery *delivery, uint64_t session)
{
	if (delivery->flying)
		buf_append(&delivery->takers, &session, sizeof(session));
}

void delivery_taken_by(struct delivery *delivery, uint64_t session)
{
	note_taker(delivery, session);
	delivery_taken(delivery);
}

void delivery_drop(struct delivery *delivery)
{
	if (--delivery->refs == 0)
		delivery_free(delivery);
}

/* -- storing what nobody took in time -------------------------------------------------------------- */

static void arm(struct sm *sm)
{
	const struct delivery *first;
	int64_t wait_ms;

	if (list_empty(&sm->due) || mio_timer_is_set(&sm->due_timer))
		return;
	first = container_of(sm->due.next, struct delivery, due);
	wait_ms = first->due_ms - mio_now_ms(sm->mio);
	mio_timer_set(sm->mio, &sm->due_timer, wait_ms > 0 ? wait_ms : 0);
}

static void await(struct delivery *delivery)
{
	struct sm *sm = delivery->user->sm;

	delivery->due_ms = mio_now_ms(sm->mio) + STORE_AFTER_MS;
	list_append(&sm->due, &delivery->due);
	arm(sm);
}

/* Storage that fails is asked again: until then nobody is told that the message is safe. */
static void stored(void *state, struct user *user, const struct store_txn *txn, int result)
{
	struct delivery *delivery = state;
	const struct store_row *rows;
	size_t count;

	delivery->storing = false;
	offline_appended(user, result == 0);
	if (result == 0) {
		rows = store_rows(txn, 0, &count);
		delivery->row = rows[0].seq;
		unacked_stored(delivery);
		if (!delivery->over)
			settle_delivery(delivery);
		if (delivery->over && delivery->refs)
			offline_had(user, delivery->row);
		else if (delivery->had && !delivery->over)
			await(delivery);
		stanza_free(&delivery->stanza);
		outboxes_shed(user);
	} else if (result == STORE_EXISTS) {
		end(delivery); /* an earlier life of ours stored it */
	} else if (!delivery->over && delivery->refs) {
		await(delivery);
	}
	if (!delivery->refs && delivery->row)
		offline_give(user);
	leave(delivery);
}

static void ask_sessions(const struct user *user)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session)))
		outbox_ask(session);
}

/* It flies to others: as soon as their c2s say that it reached them, it is over. */
static void ask(struct delivery *delivery)
{
	list_remove(&delivery->due);
	delivery->asked = true;
	ask_sessions(delivery->user);
	if (!delivery->user->sm->stopping)
		await(delivery);
}

static void store(struct delivery *delivery)
{
	const struct origin *origin = &delivery->stanza->origin;
	struct user *user = delivery->user;
	struct store_txn *txn;

	list_remove(&delivery->due);
	if (!offline_may_have(user, delivery->stanza)) {
		settle_delivery(delivery); /* in memory it waits all the same */
		return;
	}
	txn = store_txn_new();
	offline_append(txn, user, delivery->stanza);
	if (origin->session && origin->key)
		store_origin(txn, origin->key, origin->count, origin->mark);
	delivery->storing = true;
	sm_store(user, &txn, stored, delivery);
}

/* What nobody has; and what somebody has, and whose other c2s does not answer. */
static bool must_store(const struct delivery *delivery)
{
	return !delivery->row && (!delivery->had || delivery->asked);
}

/* Storage gives them in the order in which they came to it: none is stored before an older one. */
void deliveries_store_of(struct user *user)
{
	bool any_had = false;

	for (struct list *at = user->deliveries.next; at != &user->deliveries; at = at->next) {
		struct delivery *delivery = container_of(at, struct delivery, link);

		if (list_empty(&delivery->due))
			continue;
		any_had |= delivery->had;
		if (must_store(delivery))
			store(delivery);
	}
	if (any_had)
		ask_sessions(user);
}

static void look(struct mio_timer *timer)
{
	struct sm *sm = container_of(timer, struct sm, due_timer);
	int64_t now_ms = mio_now_ms(sm->mio);

	while (!list_empty(&sm->due)) {
		struct delivery *first = container_of(sm->due.next, struct delivery, due);

		if (first->due_ms > now_ms)
			break;
		if (must_store(first))
			store(first);
		else
			ask(first);
	}
	arm(sm);
}

void deliveries_init(struct sm *sm)
{
	list_init(&sm->due);
	mio_timer_init(&sm->due_timer, look);
}

void deliveries_store(struct sm *sm)
{
	while (!list_empty(&sm->due)) {
		struct delivery *first = container_of(sm->due.next, struct delivery, due);

		if (first->row)
			list_remove(&first->due);
		else
			store(first);
	}
}

void deliveries_drop(struct sm *sm)
{
	mio_timer_stop(&sm->due_timer);
}

/* -- finding ------------------------------------------------------------------------------------------ */

static struct delivery *last_of(const struct user *user, const struct stanza *stanza)
{
	struct delivery *last = container_of(user->deliveries.prev, struct delivery, link);

	if (list_empty(&user->deliveries) || !last->stanza || last->stanza->payload != stanza->payload)
		return NULL;
	return last;
}

struct delivery *delivery_for(struct user *user, const struct stanza *stanza)
{
	struct delivery *delivery = last_of(user, stanza);

	if (delivery)
		return delivery;
	delivery = delivery_new(user, stanza);
	await(delivery);
	return delivery;
}

struct delivery *delivery_find(const struct user *user, const struct origin *origin)
{
	for (struct list *at = user->deliveries.next; at != &user->deliveries; at = at->next) {
		struct delivery *delivery = container_of(at, struct delivery, link);
		const struct stanza *stanza = delivery->stanza;

		if (origin->key && stanza && stanza->origin.key == origin->key && stanza->origin.count == origin->count)
			return delivery;
	}
	return NULL;
}

static bool was_taken_by(const struct delivery *delivery, uint64_t session)
{
	struct slice takers = buf_slice(&delivery->takers);
	uint64_t taker;

	for (size_t at = 0; at < takers.len; at += sizeof(taker)) {
		memcpy(&taker, takers.data + at, sizeof(taker));
		if (taker == session)
			return true;
	}
	return false;
}

const struct delivery *delivery_next_had(const struct user *user, const struct delivery *delivery, uint64_t session)
{
	const struct list *at = delivery ? delivery->link.next : user->deliveries.next;

	for (; at != &user->deliveries; at = at->next) {
		delivery = container_of(at, const struct delivery, link);
		if (was_taken_by(delivery, session))
			return delivery;
	}
	return NULL;
}

bool delivery_is_due(const struct delivery *delivery)
{
	return !list_empty(&delivery->due);
}

static struct delivery *find_row(const struct user *user, uint64_t row)
{
	for (struct list *at = user->deliveries.next; at != &user->deliveries; at = at->next) {
		struct delivery *delivery = container_of(at, struct delivery, link);

		if (delivery->row == row)
			return delivery;
	}
	return NULL;
}

unsigned deliveries_with_row(const struct user *user)
{
	unsigned count = 0;

	for (struct list *at = user->deliveries.next; at != &user->deliveries; at = at->next)
		count += container_of(at, struct delivery, link)->row != 0;
	return count;
}

bool delivery_holds(const struct user *user, uint64_t row)
{
	return find_row(user, row) != NULL;
}

bool delivery_row_is_unspread(const struct user *user, uint64_t row)
{
	const struct delivery *delivery = find_row(user, row);

	return delivery && delivery->unspread;
}

bool delivery_was_had(const struct user *user, uint64_t row)
{
	struct delivery *delivery = find_row(user, row);

	if (delivery)
		delivery->had = delivery->over = true;
	return delivery != NULL;
}

bool delivery_row_taken(const struct user *user, uint64_t row, uint64_t session)
{
	struct delivery *delivery = find_row(user, row);

	if (!delivery)
		return false;
	note_taker(delivery, session);
	somebody_has(delivery);
	return true;
}

struct delivery *delivery_of_row(struct user *user, const struct stanza *stanza, uint64_t row)
{
	struct delivery *delivery = find_row(user, row);

	if (!delivery) {
		delivery = delivery_new(user, stanza);
		delivery->row = row;
	}
	if (stanza)
		delivery->refs++; /* until it was given */
	return delivery;
}

void delivery_given(struct delivery *delivery)
{
	if (delivery->row) {
		stanza_free(&delivery->stanza);
		outboxes_shed(delivery->user);
	}
	delivery_unref(delivery);
}

void delivery_sent(struct user *user, const struct stanza *stanza)
{
	struct delivery *delivery = last_of(user, stanza);

	if (delivery)
		somebody_has(delivery);
}

void deliveries_forget(struct user *user)
{
	while (!list_empty(&user->deliveries))
		delivery_free(container_of(user->deliveries.next, struct delivery, link));
}
