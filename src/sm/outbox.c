/* SPDX-License-Identifier: MIT */
#include "sm/outbox.h"

#include "base/mem.h"
#include "component/settings.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/modules/modules.h"
#include "storage/storage.h"

enum { STORE_AFTER_MS = 1000, ENTRY_BYTES = 200, SLOW_COUNT = 32, SLOW_BYTES = 128 << 10 };

struct entry {
	struct list link;
	struct stanza *stanza;
	struct delivery *delivery; /* NULL: it is of the moment */
	uint32_t bytes;
};

/* -- deliveries ---------------------------------------------------------------------------------- */

static struct delivery *delivery_new(struct user *user, const struct stanza *stanza)
{
	struct delivery *delivery = mem_zalloc(MEM_SESSION, sizeof(*delivery));

	delivery->user = user;
	delivery->stanza = stanza_copy(stanza);
	list_init(&delivery->due);
	list_append(&user->deliveries, &delivery->link);
	return delivery;
}

static void delivery_free(struct delivery *delivery)
{
	list_remove(&delivery->link);
	list_remove(&delivery->due);
	stanza_free(&delivery->stanza);
	mem_free(delivery);
}

/* The row of a message that somebody has. */
static void forget_row(struct delivery *delivery)
{
	if (!delivery->row)
		return;
	offline_forget(delivery->user, delivery->row);
	delivery->row = 0;
}

/* Nobody refers to it: what nobody has either finds another way. */
static void leave(struct delivery *delivery)
{
	struct user *user = delivery->user;

	if (delivery->refs || delivery->storing)
		return;
	if (delivery->over) {
		forget_row(delivery);
	} else if (!delivery->row) {
		AUTO(jid_free) struct jid *bare = jid_ref(user->jid);
		struct stanza *stanza = stanza_copy(delivery->stanza);

		stanza_set_to(stanza, bare);
		if (!stanza->delay_ms)
			stanza->delay_ms = sm_wall_ms(user->sm);
		route_home(user->sm, &stanza);
	}
	delivery_free(delivery);
}

static void settle_delivery(struct delivery *delivery)
{
	settle(delivery->user->sm, delivery->stanza);
	delivery->stanza->origin = (struct origin){0};
}

static void finish(struct delivery *delivery)
{
	if (delivery->over)
		return;
	delivery->over = true;
	list_remove(&delivery->due);
	settle_delivery(delivery);
}

static void unref(struct delivery *delivery)
{
	delivery->refs--;
	leave(delivery);
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
		if (!delivery->over)
			settle_delivery(delivery);
	} else if (result == STORE_EXISTS) {
		finish(delivery); /* an earlier life of ours stored it */
	} else if (!delivery->over && delivery->refs) {
		await(delivery);
	}
	if (!delivery->refs && delivery->row)
		offline_give(user);
	leave(delivery);
}

static void store(struct delivery *delivery)
{
	struct user *user = delivery->user;
	struct store_txn *txn;

	list_remove(&delivery->due);
	if (!sm_settings(user->sm)->messages.offline_ms) {
		settle_delivery(delivery); /* the operator keeps none: in memory it waits all the same */
		return;
	}
	txn = store_txn_new();
	offline_append(txn, user, delivery->stanza);
	delivery->storing = true;
	sm_store(user, &txn, stored, delivery);
}

/* Storage gives them in the order in which they came to it: none is stored before an older one. */
static void store_all(struct user *user)
{
	for (struct list *at = user->deliveries.next; at != &user->deliveries; at = at->next) {
		struct delivery *delivery = container_of(at, struct delivery, link);

		if (!list_empty(&delivery->due))
			store(delivery);
	}
}

static void look(struct mio_timer *timer)
{
	struct sm *sm = container_of(timer, struct sm, due_timer);
	int64_t now_ms = mio_now_ms(sm->mio);

	while (!list_empty(&sm->due)) {
		struct delivery *first = container_of(sm->due.next, struct delivery, due);

		if (first->due_ms > now_ms)
			break;
		store(first);
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
	while (!list_empty(&sm->due))
		store(container_of(sm->due.next, struct delivery, due));
}

void deliveries_drop(struct sm *sm)
{
	mio_timer_stop(&sm->due_timer);
}

/* -- entries --------------------------------------------------------------------------------------- */

void outbox_init(struct outbox *outbox)
{
	list_init(&outbox->entries);
}

/* What XEP-0160 keeps, and what it does not. */
enum outbox_fate outbox_fate(const struct stanza *stanza)
{
	bool request = stanza->type == STANZA_GET || stanza->type == STANZA_SET;

	if (stanza->kind == STANZA_IQ)
		return request ? OUTBOX_REFUSE : OUTBOX_DROP;
	if (stanza->kind != STANZA_MESSAGE)
		return OUTBOX_DROP;
	if (stanza->type == STANZA_GROUPCHAT)
		return OUTBOX_UNAVAILABLE;
	if (stanza->type == STANZA_ERROR || stanza->type == STANZA_HEADLINE)
		return OUTBOX_DROP;
	return stanza_find(stanza, NS_CLIENT, "body") >= 0 ? OUTBOX_STORE : OUTBOX_DROP;
}

/* Copies of a message for several sessions are made in one go: they share what is inside. */
static struct delivery *delivery_for(struct user *user, const struct stanza *stanza)
{
	struct delivery *last = container_of(user->deliveries.prev, struct delivery, link);

	if (!list_empty(&user->deliveries) && last->stanza->payload == stanza->payload)
		return last;
	last = delivery_new(user, stanza);
	await(last);
	return last;
}

static void entry_free(struct outbox *outbox, struct entry *entry)
{
	list_remove(&entry->link);
	outbox->count--;
	outbox->bytes -= entry->bytes;
	stanza_free(&entry->stanza);
	mem_free(entry);
}

/* Of what was not sent yet only the last presence of a resource counts. */
static void merge_presence(struct outbox *outbox, const struct stanza *stanza)
{
	uint32_t place = outbox->count;
	struct list *at = outbox->entries.prev, *before;

	if (stanza->kind != STANZA_PRESENCE || !stanza->from ||
	    (stanza->type != STANZA_NONE && stanza->type != STANZA_UNAVAILABLE))
		return;
	for (; place > outbox->sent; place--, at = before) {
		struct entry *entry = container_of(at, struct entry, link);

		before = at->prev;
		if (entry->stanza->kind == STANZA_PRESENCE && entry->stanza->from &&
		    (entry->stanza->type == STANZA_NONE || entry->stanza->type == STANZA_UNAVAILABLE) &&
		    jid_equal(entry->stanza->from, stanza->from)) {
			entry_free(outbox, entry);
			return;
		}
	}
}

/* Before a place in the list: its head is the end. What it comes of is remembered, but no longer to be settled. */
static void insert(struct outbox *outbox, struct list *place, const struct stanza *stanza, struct delivery *delivery)
{
	struct entry *entry = mem_zalloc(MEM_SESSION, sizeof(*entry));

	entry->stanza = stanza_copy(stanza);
	entry->stanza->origin.session = 0;
	entry->bytes = (uint32_t)stanza_weight(stanza) + ENTRY_BYTES;
	entry->delivery = delivery;
	if (delivery)
		delivery->refs++;
	list_append(place, &entry->link);
	outbox->count++;
	outbox->bytes += entry->bytes;
}

static void append(struct outbox *outbox, const struct stanza *stanza, struct delivery *delivery)
{
	insert(outbox, &outbox->entries, stanza, delivery);
}

/* Its sender need not wait a second to learn that nobody takes it. */
static bool is_slow(const struct outbox *outbox)
{
	return outbox->count > SLOW_COUNT || outbox->bytes > SLOW_BYTES;
}

bool outbox_add(struct session *session, const struct stanza *stanza)
{
	struct outbox *outbox = &session->outbox;
	const struct conf_queue *most = &sm_settings(session->user->sm)->sessions.resume_queue;
	bool stays = outbox_fate(stanza) == OUTBOX_STORE;
	struct delivery *delivery;

	merge_presence(outbox, stanza);
	if (!stays)
		settle(session->user->sm, stanza);
	delivery = stays ? delivery_for(session->user, stanza) : NULL;
	append(outbox, stanza, delivery);
	if (delivery && !list_empty(&delivery->due) && is_slow(outbox))
		store_all(session->user);
	return outbox->count <= most->stanzas && outbox->bytes <= most->bytes;
}

bool outbox_has_room(const struct session *session)
{
	const struct conf_queue *most = &sm_settings(session->user->sm)->sessions.resume_queue;

	return session->outbox.count < most->stanzas / 2 && session->outbox.bytes < most->bytes / 2;
}

static struct entry *first_of(const struct outbox *outbox)
{
	return container_of(outbox->entries.next, struct entry, link);
}

bool outbox_taken(struct session *session, uint32_t count)
{
	struct outbox *outbox = &session->outbox;
	uint32_t counted = count > outbox->before ? count - outbox->before : 0;

	if (count > outbox->sent)
		return false;
	outbox->before -= count - counted;
	outbox->handled += counted;
	outbox->sent -= count;
	for (; count; count--) {
		struct entry *entry = first_of(outbox);
		struct delivery *delivery = entry->delivery;

		entry_free(outbox, entry);
		if (!delivery)
			continue;
		finish(delivery);
		unref(delivery);
	}
	offline_go_on(session->user);
	return true;
}

/* The first of those that were not sent, or the end. */
static struct list *unsent(struct outbox *outbox)
{
	struct list *at = &outbox->entries;

	for (uint32_t left = outbox->count - outbox->sent; left; left--)
		at = at->prev;
	return at;
}

void outbox_send_rest(struct session *session)
{
	struct outbox *outbox = &session->outbox;

	for (struct list *at = unsent(outbox); at != &outbox->entries; at = at->next)
		session_send(session, container_of(at, struct entry, link)->stanza);
	outbox->sent = outbox->count;
}

void outbox_resend(struct session *session)
{
	session->outbox.sent = 0;
	outbox_send_rest(session);
}

void delivery_let_go(struct delivery *delivery, bool taken)
{
	if (taken)
		finish(delivery);
	unref(delivery);
}

/* -- of an earlier process ------------------------------------------------------------------------------ */

static bool is_of(const struct stanza *stanza, const struct origin *origin)
{
	return origin->key && stanza->origin.key == origin->key && stanza->origin.count == origin->count;
}

static struct delivery *find_delivery(const struct user *user, const struct origin *origin)
{
	for (struct list *at = user->deliveries.next; at != &user->deliveries; at = at->next) {
		struct delivery *delivery = container_of(at, struct delivery, link);

		if (is_of(delivery->stanza, origin))
			return delivery;
	}
	return NULL;
}

void outbox_hold(struct session *session, const struct stanza *stanza, struct delivery *delivery)
{
	struct outbox *outbox = &session->outbox;

	if (!delivery)
		delivery = find_delivery(session->user, &stanza->origin);
	insert(outbox, unsent(outbox), stanza, delivery);
	outbox->sent++;
}

static struct entry *find_entry(const struct outbox *outbox, const struct origin *origin)
{
	for (struct list *at = outbox->entries.next; at != &outbox->entries; at = at->next) {
		struct entry *entry = container_of(at, struct entry, link);

		if (is_of(entry->stanza, origin))
			return entry;
	}
	return NULL;
}

struct delivery *outbox_again(struct session *session, const struct stanza *stanza, bool awaited)
{
	struct entry *entry = find_entry(&session->outbox, &stanza->origin);
	struct delivery *delivery;

	if ((entry && entry->delivery) || outbox_fate(stanza) != OUTBOX_STORE) {
		settle(session->user->sm, stanza); /* it is in storage, or of the moment */
		return NULL;
	}
	delivery = delivery_for(session->user, stanza);
	delivery->refs++;
	if (entry)
		entry->delivery = delivery;
	else if (awaited)
		return delivery;
	else
		delivery_let_go(delivery, true);
	return NULL;
}

static void expire_entry(struct sm *sm, struct entry *entry)
{
	enum outbox_fate fate = outbox_fate(entry->stanza);
	struct stanza *answer = NULL;

	if (entry->delivery)
		unref(entry->delivery);
	else if (fate == OUTBOX_REFUSE)
		answer = stanza_error_new(entry->stanza, STANZA_SERVICE_UNAVAILABLE, NULL);
	else if (fate == OUTBOX_UNAVAILABLE)
		answer = stanza_error_new(entry->stanza, STANZA_RECIPIENT_UNAVAILABLE, NULL);
	sm_route(sm, &answer);
}

void outbox_expire(struct session *session)
{
	struct outbox *outbox = &session->outbox;
	struct user *user = session->user;

	while (outbox->count) {
		struct entry *entry = first_of(outbox);

		expire_entry(user->sm, entry);
		entry_free(outbox, entry);
	}
	outbox->sent = 0;
	offline_give(user);
}

void outbox_drop(struct session *session)
{
	struct outbox *outbox = &session->outbox;

	while (outbox->count) {
		struct entry *entry = first_of(outbox);

		if (entry->delivery && --entry->delivery->refs == 0)
			delivery_free(entry->delivery);
		entry_free(outbox, entry);
	}
}

/* -- in storage -------------------------------------------------------------------------------------- */

/* "ROW LENGTH\n", the stanza; a row of 0: it is not among the messages for who is away. */
void outbox_save(const struct session *session, struct buf *out)
{
	const struct outbox *outbox = &session->outbox;

	for (const struct list *at = outbox->entries.next; at != &outbox->entries; at = at->next) {
		const struct entry *entry = container_of(at, const struct entry, link);
		AUTO(buf_fini) struct buf text = {0};

		sm_stanza_print(entry->stanza, &text);
		buf_printf(out, "%llu %zu\n", entry->delivery ? (unsigned long long)entry->delivery->row : 0,
			   buf_used(&text));
		buf_append_slice(out, buf_slice(&text));
	}
}

static bool load_entry(struct session *session, uint64_t row, struct slice text)
{
	AUTO(stanza_free) struct stanza *stanza = sm_stanza_parse(session->user->sm, text);

	if (!stanza)
		return false;
	append(&session->outbox, stanza, row ? delivery_of_row(session->user, stanza, row) : NULL);
	return true;
}

bool outbox_load(struct session *session, struct slice in)
{
	while (in.len) {
		struct slice line = slice_line(&in);
		const char *blank = memchr(line.data, ' ', line.len);
		size_t first = blank ? (size_t)(blank - line.data) : 0;
		uint64_t row, len;

		if (!blank || !slice_to_u64((struct slice){line.data, first}, &row) ||
		    !slice_to_u64((struct slice){blank + 1, line.len - first - 1}, &len) || len > in.len ||
		    !load_entry(session, row, (struct slice){in.data, len}))
			return false;
		in.data += len;
		in.len -= len;
	}
	return true;
}

/* -- stored messages --------------------------------------------------------------------------------- */

static struct delivery *find_row(const struct user *user, uint64_t row)
{
	for (struct list *at = user->deliveries.next; at != &user->deliveries; at = at->next) {
		struct delivery *delivery = container_of(at, struct delivery, link);

		if (delivery->row == row)
			return delivery;
	}
	return NULL;
}

bool delivery_holds(const struct user *user, uint64_t row)
{
	return find_row(user, row) != NULL;
}

struct delivery *delivery_of_row(struct user *user, const struct stanza *stanza, uint64_t row)
{
	struct delivery *delivery = find_row(user, row);

	if (!delivery) {
		delivery = delivery_new(user, stanza);
		delivery->row = row;
	}
	return delivery;
}

void delivery_given(struct delivery *delivery)
{
	leave(delivery);
}

void delivery_sent(struct user *user, const struct stanza *stanza)
{
	struct delivery *last = container_of(user->deliveries.prev, struct delivery, link);

	if (!list_empty(&user->deliveries) && last->stanza->payload == stanza->payload)
		finish(last);
}

void deliveries_forget(struct user *user)
{
	while (!list_empty(&user->deliveries))
		delivery_free(container_of(user->deliveries.next, struct delivery, link));
}
