/* SPDX-License-Identifier: MIT */
#include "sm/outbox.h"

#include "base/mem.h"
#include "component/settings.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/deliveries.h"
#include "sm/modules/modules.h"
#include "sm/present.h"
#include "sm/unacked.h"
#include "storage/storage.h"

enum { ENTRY_BYTES = 200, SLOW_COUNT = 32, SLOW_BYTES = 128 << 10, OWED_MS = 5000, SURE_COUNT = 512 /* behind a kill */ };

struct entry {
	struct list link;
	struct stanza *stanza;     /* NULL: storage has it */
	struct delivery *delivery; /* NULL: it is of the moment */
	uint64_t key;		   /* its origin's, with the number; 0: none is known */
	uint32_t number;
	uint32_t bytes;
	bool flying; /* as its delivery counts */
	bool answers; /* an error, all that is left of what the client wrote, settled or not */
	uint64_t archived; /* its id in its user's archive; 0: it is not there */
};

void outbox_init(struct outbox *outbox)
{
	list_init(&outbox->entries);
}

/* What XEP-0160 keeps, and what it does not, unless a hint says so (XEP-0334); its sender hears of words that are not. */
enum outbox_fate outbox_fate(const struct stanza *stanza)
{
	bool request = stanza->type == STANZA_GET || stanza->type == STANZA_SET, words;

	if (stanza->kind == STANZA_IQ)
		return request ? OUTBOX_REFUSE : OUTBOX_DROP;
	if (stanza->kind != STANZA_MESSAGE)
		return OUTBOX_DROP;
	if (stanza->type == STANZA_GROUPCHAT)
		return OUTBOX_UNAVAILABLE;
	if (stanza->type == STANZA_ERROR || stanza->type == STANZA_HEADLINE)
		return OUTBOX_DROP;
	words = stanza_find(stanza, NS_CLIENT, "body") >= 0;
	if (stanza_find(stanza, NS_HINTS, "no-store") >= 0)
		return words ? OUTBOX_WAIT : OUTBOX_DROP;
	return words || stanza_find(stanza, NS_HINTS, "store") >= 0 ? OUTBOX_STORE : OUTBOX_DROP;
}

static bool waits(enum outbox_fate fate)
{
	return fate == OUTBOX_STORE || fate == OUTBOX_WAIT;
}

/* Its sender need not wait a second to learn that nobody takes it. */
static bool is_slow(const struct outbox *outbox)
{
	const struct session *session = container_of(outbox, const struct session, outbox);
	bool dozes = session->inactive && !session->detached; /* what waits for it to wake does not wait for its line */
	uint32_t count = dozes ? outbox->sent : outbox->count;

	return count > SLOW_COUNT || outbox->bytes - (dozes ? outbox_unsent_bytes(outbox) : 0) > SLOW_BYTES;
}

/* What a client has in a moment is no queue. */
static void account(struct outbox *outbox)
{
	struct session *session = container_of(outbox, struct session, outbox);

	budget_count(&session->user->sm->queues, &outbox->counted, is_slow(outbox) ? outbox->bytes : 0);
}

static bool is_error(const struct stanza *stanza)
{
	return stanza->kind == STANZA_MESSAGE && stanza->type == STANZA_ERROR;
}

/* An error that is all that is left of what the client wrote. */
static bool is_owed(const struct entry *entry)
{
	return entry->stanza && entry->stanza->origin.session;
}

/* It goes to a c2s that goes on when we die, or will. */
static void fly(const struct session *session, struct entry *entry)
{
	if (!entry->delivery || entry->flying || !session->kept || (session->detached && !present_waits(session)))
		return;
	entry->flying = true;
	delivery_flies(entry->delivery);
}

static void land(struct entry *entry)
{
	if (!entry->flying)
		return;
	entry->flying = false;
	delivery_landed(entry->delivery);
}

/* Its client never will have it by this session. */
static void let_go(const struct session *session, struct entry *entry)
{
	land(entry);
	if (entry->delivery)
		unacked_del(session, entry->delivery);
}

static void entry_free(struct outbox *outbox, struct entry *entry)
{
	list_remove(&entry->link);
	outbox->count--;
	outbox->owed -= is_owed(entry);
	outbox->answers -= entry->answers;
	outbox->bytes -= entry->bytes;
	account(outbox);
	stanza_free(&entry->stanza);
	mem_free(entry);
}

/* What only says how its sender is now: there, away, typing. */
static bool is_state(const struct stanza *stanza)
{
	if (!stanza->from)
		return false;
	if (stanza->kind == STANZA_PRESENCE)
		return stanza->type == STANZA_NONE || stanza->type == STANZA_UNAVAILABLE;
	return csi_is_chat_state(stanza);
}

/* Of what was not sent yet only the last state of a resource counts. */
static void merge_state(struct outbox *outbox, const struct stanza *stanza)
{
	uint32_t place = outbox->count;
	struct list *at = outbox->entries.prev, *before;

	if (place == outbox->sent || !is_state(stanza))
		return;
	for (; place > outbox->sent; place--, at = before) {
		struct entry *entry = container_of(at, struct entry, link);

		before = at->prev;
		if (entry->stanza && entry->stanza->kind == stanza->kind && !entry->delivery && is_state(entry->stanza) &&
		    jid_equal(entry->stanza->from, stanza->from)) {
			entry_free(outbox, entry);
			return;
		}
	}
}

static void answer(struct outbox *outbox, struct entry *entry)
{
	entry->answers = true;
	outbox->answers++;
}

/*
 * Before a place in the list: its head is the end. What it comes of is remembered, but no longer to be settled. stanza is taken, and
 * may be NULL.
 */
static struct entry *insert(struct outbox *outbox, struct list *place, struct stanza *stanza, struct delivery *delivery)
{
	struct entry *entry = mem_zalloc(MEM_SESSION, sizeof(*entry));

	if (stanza) {
		entry->stanza = stanza;
		stanza->origin.session = 0;
		entry->key = stanza->origin.key;
		entry->number = stanza->origin.count;
		entry->archived = stanza->archived;
		if (is_error(stanza) && entry->key && entry->key == container_of(outbox, struct session, outbox)->origin)
			answer(outbox, entry);
	}
	entry->bytes = (stanza ? (uint32_t)stanza_weight(stanza) : 0) + ENTRY_BYTES;
	entry->delivery = delivery;
	if (delivery)
		delivery->refs++;
	list_append(place, &entry->link);
	outbox->count++;
	outbox->bytes += entry->bytes;
	account(outbox);
	return entry;
}

static struct entry *append(struct outbox *outbox, struct stanza *stanza, struct delivery *delivery)
{
	return insert(outbox, &outbox->entries, stanza, delivery);
}

static void await_it(struct session *session)
{
	struct sm *sm = session->user->sm;

	if (!session->outbox.owed || session->detached || !list_empty(&session->owing))
		return;
	list_append(&sm->owing, &session->owing);
	if (!mio_timer_is_set(&sm->owing_timer))
		mio_timer_set(sm->mio, &sm->owing_timer, OWED_MS);
}

/* Those that came late wait no longer for that. Who is detached by now goes on waiting. */
static void waited(struct mio_timer *timer)
{
	struct sm *sm = container_of(timer, struct sm, owing_timer);
	struct list *first;

	while ((first = list_shift(&sm->owing))) {
		struct session *session = container_of(first, struct session, owing);

		list_init(&session->owing);
		if (!session->detached)
			outbox_settle_sent(session);
	}
	sm_work(sm);
}

void outboxes_owe_init(struct sm *sm)
{
	list_init(&sm->owing);
	mio_timer_init(&sm->owing_timer, waited);
}

/* Nothing but this error is left of what the client wrote: until it has it, nobody's death must lose both. */
static void owe(struct session *session, struct entry *entry)
{
	entry->stanza->origin.session = session->id;
	session->outbox.owed++;
	await_it(session);
}

bool outbox_add(struct session *session, struct stanza **taken)
{
	struct stanza *stanza = *taken;
	struct outbox *outbox = &session->outbox;
	const struct conf_queue *most = &sm_settings(session->user->sm)->sessions.resume_queue;
	bool stays = waits(outbox_fate(stanza)), last = is_error(stanza) && stanza->origin.session == session->id;
	struct delivery *delivery;
	struct entry *entry;

	*taken = NULL;
	merge_state(outbox, stanza);
	if (!stays && !last)
		settle(session->user->sm, stanza);
	delivery = stays ? delivery_for(session->user, stanza) : NULL;
	entry = append(outbox, stanza, delivery);
	fly(session, entry);
	if (last)
		owe(session, entry);
	if (stays && (session->detached || session->inactive))
		modules_session_waits(session, stanza);
	if (delivery && delivery_is_due(delivery) && is_slow(outbox))
		deliveries_store_of(session->user);
	return outbox->count <= most->stanzas && outbox->bytes <= most->bytes;
}

void outbox_lost(struct session *session)
{
	const struct outbox *outbox = &session->outbox;
	const struct list *at = outbox->entries.next;

	for (uint32_t left = outbox->sent; left && at != &outbox->entries; left--, at = at->next) {
		const struct stanza *stanza = container_of(at, const struct entry, link)->stanza;

		if (!stanza || waits(outbox_fate(stanza)))
			modules_session_waits(session, stanza);
	}
}

uint32_t outbox_unsent(const struct outbox *outbox)
{
	return outbox->count > outbox->sent ? outbox->count - outbox->sent : 0; /* while it is emptied it may have sent more than it has */
}

uint32_t outbox_unsent_bytes(const struct outbox *outbox)
{
	const struct list *at = outbox->entries.prev;
	uint32_t bytes = 0;

	for (uint32_t left = outbox_unsent(outbox); left; left--, at = at->prev)
		bytes += container_of(at, const struct entry, link)->bytes;
	return bytes;
}

void outbox_unsent_gone(const struct outbox *outbox, struct buf *out)
{
	const struct list *at = outbox->entries.prev;

	for (uint32_t left = outbox_unsent(outbox); left; left--, at = at->prev) {
		const struct stanza *stanza = container_of(at, const struct entry, link)->stanza;

		if (!stanza || stanza->kind != STANZA_PRESENCE || stanza->type != STANZA_UNAVAILABLE || !stanza->from)
			continue;
		buf_append_slice(out, jid_full(stanza->from));
		buf_append_char(out, '\n');
	}
}

bool outbox_has_room_behind(const struct session *session, uint32_t stanzas, size_t bytes)
{
	const struct conf_queue *most = &sm_settings(session->user->sm)->sessions.resume_queue;

	return session->outbox.count + stanzas < most->stanzas / 2 && (int64_t)(session->outbox.bytes + bytes) < most->bytes / 2;
}

bool outbox_has_room(const struct session *session)
{
	return outbox_has_room_behind(session, 0, 0);
}

static struct entry *first_of(const struct outbox *outbox)
{
	return container_of(outbox->entries.next, struct entry, link);
}

bool outbox_taken(struct session *session, uint32_t count)
{
	struct outbox *outbox = &session->outbox;
	uint32_t counted = count > outbox->before ? count - outbox->before : 0;
	uint32_t messages = 0, answers = outbox->answers;

	if (count > outbox->sent)
		return false;
	outbox->before -= count - counted;
	outbox->handled += counted;
	outbox->sent -= count;
	outbox->gone += count;
	for (; count; count--) {
		struct entry *entry = first_of(outbox);
		struct delivery *delivery = entry->delivery;

		messages += !entry->stanza || entry->stanza->kind == STANZA_MESSAGE;
		land(entry);
		if (is_owed(entry))
			settle(session->user->sm, entry->stanza);
		entry_free(outbox, entry);
		if (delivery)
			delivery_taken_by(delivery, session->id);
	}
	if (outbox->answers != answers)
		unacked_mark(session);
	if (messages)
		metric_add(session->user->sm->process, METRIC_MESSAGES_DELIVERED, messages);
	offline_go_on(session->user);
	archive_go_on(session);
	return true;
}

/* The first of those that were not sent, or the end. */
static struct list *unsent(struct outbox *outbox)
{
	struct list *at = &outbox->entries;

	for (uint32_t left = outbox_unsent(outbox); left; left--)
		at = at->prev;
	return at;
}

uint32_t outbox_heard(const struct session *session, uint32_t settled)
{
	const struct list *entries = &session->outbox.entries;
	uint32_t left = session->outbox.answers;

	for (const struct list *at = entries->next; left && at != entries; at = at->next) {
		const struct entry *entry = container_of(at, const struct entry, link);

		left -= entry->answers;
		if (entry->answers && (int32_t)(entry->number - settled) <= 0)
			settled = entry->number - 1;
	}
	return settled;
}

bool outbox_owes(const struct session *session, uint32_t count)
{
	const struct outbox *outbox = &session->outbox;

	for (const struct list *at = outbox->entries.next; outbox->owed && at != &outbox->entries; at = at->next) {
		const struct entry *entry = container_of(at, const struct entry, link);

		if (is_owed(entry) && entry->number == count)
			return true;
	}
	return false;
}

void outbox_settle_sent(struct session *session)
{
	struct outbox *outbox = &session->outbox;
	struct list *at = outbox->entries.next;

	for (uint32_t left = outbox->sent; outbox->owed && left; left--, at = at->next) {
		struct entry *entry = container_of(at, struct entry, link);

		if (!is_owed(entry))
			continue;
		settle(session->user->sm, entry->stanza);
		entry->stanza->origin.session = 0;
		outbox->owed--;
	}
}

/* The next entry was sent. */
static void note_sent(struct session *session, struct entry *entry)
{
	struct outbox *outbox = &session->outbox;

	outbox->sent++;
	if (entry->delivery && outbox->sent > outbox->before && outbox->sent <= SURE_COUNT)
		unacked_add(session, entry->delivery, outbox->handled + outbox->sent - outbox->before, entry->archived);
}

void outbox_sent(struct session *session)
{
	note_sent(session, container_of(session->outbox.entries.prev, struct entry, link));
}

void outbox_restored(struct session *session)
{
	struct outbox *outbox = &session->outbox;
	uint32_t sent = outbox->sent;

	outbox->sent = 0;
	for (struct list *at = outbox->entries.next; at != &outbox->entries && outbox->sent < sent; at = at->next)
		note_sent(session, container_of(at, struct entry, link));
}

void outbox_send_rest(struct session *session)
{
	struct outbox *outbox = &session->outbox;

	for (struct list *at = unsent(outbox); at != &outbox->entries; at = at->next) {
		struct entry *entry = container_of(at, struct entry, link);

		fly(session, entry);
		session_send(session, entry->stanza);
		note_sent(session, entry);
	}
	await_it(session);
}

/* -- how far they are -------------------------------------------------------------------------------- */

void outbox_ask(struct session *session)
{
	struct outbox *outbox = &session->outbox;
	struct packet *packet;

	if (!session->kept || session->detached || outbox->asking || !outbox->sent)
		return;
	packet = packet_session(session->user->sm->name, session->at, SESSION_REACH);
	packet->c2s = session->c2s;
	session_id_set(&packet->sm, session->id);
	packet->ours = outbox->asking = true;
	packet->session.resume.handled = outbox->gone + outbox->sent;
	link_send(session->user->sm->link, &packet);
}

static void land_first(struct outbox *outbox, uint32_t count)
{
	for (struct list *at = outbox->entries.next; count; at = at->next, count--)
		land(container_of(at, struct entry, link));
}

void outbox_reached(struct session *session, uint32_t mark)
{
	struct outbox *outbox = &session->outbox;
	uint32_t count = mark - outbox->gone;

	outbox->asking = false;
	if ((int32_t)count > 0 && count <= outbox->sent)
		land_first(outbox, count);
}

void outbox_landed(struct session *session)
{
	session->outbox.asking = false;
	land_first(&session->outbox, session->outbox.count);
}

/* -- of an earlier process ------------------------------------------------------------------------------ */

void outbox_hold(struct session *session, const struct stanza *stanza, struct delivery *delivery)
{
	struct outbox *outbox = &session->outbox;
	struct entry *entry;

	if (!delivery)
		delivery = delivery_find(session->user, &stanza->origin);
	entry = insert(outbox, unsent(outbox), stanza_copy(stanza), delivery);
	if (is_error(stanza) && stanza->origin.key && stanza->origin.key == session->origin)
		owe(session, entry);
	outbox->sent++;
}

void outbox_give(struct session *session, const struct stanza *stanza, struct delivery *delivery)
{
	fly(session, append(&session->outbox, stanza ? stanza_copy(stanza) : NULL, delivery));
	if (!session->detached)
		outbox_send_rest(session);
}

static struct entry *find_entry(const struct outbox *outbox, const struct origin *origin)
{
	for (struct list *at = outbox->entries.next; at != &outbox->entries; at = at->next) {
		struct entry *entry = container_of(at, struct entry, link);

		if (origin->key && entry->key == origin->key && entry->number == origin->count)
			return entry;
	}
	return NULL;
}

bool outbox_has(const struct session *session, const struct origin *origin)
{
	return find_entry(&session->outbox, origin) != NULL;
}

struct delivery *outbox_again(struct session *session, const struct stanza *stanza, bool awaited)
{
	struct entry *entry = find_entry(&session->outbox, &stanza->origin);
	struct delivery *delivery;

	if ((entry && entry->delivery) || !waits(outbox_fate(stanza))) {
		settle(session->user->sm, stanza); /* it is in storage, or of the moment */
		return NULL;
	}
	delivery = delivery_for(session->user, stanza);
	delivery->refs++;
	if (entry)
		entry->delivery = delivery;
	if (!entry && awaited)
		return delivery;
	if (!entry)
		delivery_taken_by(delivery, session->id);
	return NULL;
}

static void expire_entry(struct session *session, struct entry *entry)
{
	struct sm *sm = session->user->sm;
	enum outbox_fate fate = entry->delivery ? OUTBOX_STORE : outbox_fate(entry->stanza);
	struct stanza *answer = NULL;

	let_go(session, entry);
	if (entry->delivery && entry->delivery->refs == 1 && archive_reads(session) && archive_shows(sm, entry->archived))
		delivery_taken(entry->delivery);
	else if (entry->delivery)
		delivery_unref(entry->delivery);
	else if (fate == OUTBOX_REFUSE)
		answer = stanza_error_new(entry->stanza, STANZA_SERVICE_UNAVAILABLE, NULL);
	else if (fate == OUTBOX_UNAVAILABLE || fate == OUTBOX_WAIT)
		answer = stanza_error_new(entry->stanza, STANZA_RECIPIENT_UNAVAILABLE, NULL);
	if (answer && answer->kind == STANZA_IQ) /* its asker's session manager may have died before it said that it was settled */
		answer->origin = (struct origin){.key = entry->key, .count = entry->number};
	sm_route(sm, &answer);
}

void outbox_expire(struct session *session)
{
	struct outbox *outbox = &session->outbox;
	struct user *user = session->user;

	while (outbox->count) {
		struct entry *entry = first_of(outbox);

		expire_entry(session, entry);
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

		if (entry->delivery)
			delivery_drop(entry->delivery);
		entry_free(outbox, entry);
	}
}

static void say_origin(const struct origin *origin, struct buf *out)
{
	buf_append_char(out, ' ');
	origin_print(origin, out);
}

/* -- in storage -------------------------------------------------------------------------------------- */

/*
 * "ROW LENGTH\n", the stanza; what is among the messages for who is away is said by its row alone. What is owed is that still: behind
 * the length stands the number of what it answers, which is not to be done when it comes again. Behind that of a question stands its
 * origin: it may have to be answered for who is away.
 */
void outbox_save(const struct session *session, struct buf *out)
{
	const struct outbox *outbox = &session->outbox;

	for (const struct list *at = outbox->entries.next; at != &outbox->entries; at = at->next) {
		const struct entry *entry = container_of(at, const struct entry, link);
		uint64_t row = entry->delivery ? entry->delivery->row : 0;
		AUTO(buf_fini) struct buf text = {0};

		if (!row)
			sm_stanza_print(entry->stanza, &text);
		buf_printf(out, "%llu %zu", (unsigned long long)row, buf_used(&text));
		if (entry->answers)
			buf_printf(out, " %u", entry->number);
		else if (entry->key && entry->stanza && entry->stanza->kind == STANZA_IQ)
			say_origin(&(struct origin){.key = entry->key, .count = entry->number}, out);
		buf_append_char(out, '\n');
		buf_append_slice(out, buf_slice(&text));
	}
}

void outbox_sent_rows(const struct session *session, struct buf *out)
{
	const struct outbox *outbox = &session->outbox;
	const struct list *at = outbox->entries.next;

	for (uint32_t place = 1; place <= outbox->sent && place <= SURE_COUNT && at != &outbox->entries; place++, at = at->next) {
		const struct entry *entry = container_of(at, const struct entry, link);

		if (entry->delivery && entry->delivery->row && place > outbox->before)
			unacked_say(out, outbox->handled + place - outbox->before, entry->delivery->row, entry->archived);
	}
}

void outbox_origins(const struct session *session, uint32_t most, struct buf *out)
{
	const struct outbox *outbox = &session->outbox;

	for (const struct list *at = outbox->entries.next; most && at != &outbox->entries; at = at->next, most--) {
		const struct entry *entry = container_of(at, const struct entry, link);
		struct origin origin = {.key = entry->key, .count = entry->number};

		if (origin.key && !is_owed(entry))
			say_origin(&origin, out);
	}
}

/* from: of what it answers, then without a key; or comes of. */
static bool load_entry(struct session *session, uint64_t row, const struct origin *from, struct slice text)
{
	struct stanza *stanza = row ? NULL : sm_stanza_parse(session->user->sm, text);
	struct delivery *delivery = row ? delivery_of_row(session->user, NULL, row) : NULL;
	struct entry *entry;

	if (!row && !stanza)
		return false;
	entry = append(&session->outbox, stanza, delivery);
	entry->key = from->key;
	entry->number = from->count;
	if (from->key || !from->count || !stanza)
		return true;
	entry->key = session->origin;
	entry->stanza->origin.count = from->count;
	answer(&session->outbox, entry);
	owe(session, entry);
	return true;
}

static bool read_from(struct slice text, struct origin *from)
{
	uint64_t count;

	if (origin_read(text, from))
		return true;
	from->count = slice_to_u64(text, &count) && count <= UINT32_MAX ? (uint32_t)count : 0;
	return from->count;
}

bool outbox_load(struct session *session, struct slice in)
{
	while (in.len) {
		struct slice line = slice_line(&in), row_word = slice_word(&line), len_word = slice_word(&line);
		struct origin from = {.key = 0};
		uint64_t row, len;

		if (!slice_to_u64(row_word, &row) || !slice_to_u64(len_word, &len) || len > in.len ||
		    (line.len && !read_from(line, &from)) || !load_entry(session, row, &from, (struct slice){in.data, len}))
			return false;
		in.data += len;
		in.len -= len;
	}
	return true;
}

/* -- by reference ------------------------------------------------------------------------------------ */

/* From the end: before one that was shed there is seldom one that can be. */
void outbox_shed(struct session *session)
{
	struct outbox *outbox = &session->outbox;

	for (struct list *at = outbox->entries.prev; at != &outbox->entries; at = at->prev) {
		struct entry *entry = container_of(at, struct entry, link);

		if (!entry->stanza)
			break;
		if (!entry->delivery || !entry->delivery->row)
			continue;
		stanza_free(&entry->stanza);
		outbox->bytes -= entry->bytes - ENTRY_BYTES;
		entry->bytes = ENTRY_BYTES;
	}
	account(outbox);
}

void outboxes_shed(struct user *user)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		if ((session->detached || is_slow(&session->outbox)) && !present_waits(session))
			outbox_shed(session);
	}
}

bool outbox_is_whole(const struct session *session)
{
	const struct outbox *outbox = &session->outbox;

	for (const struct list *at = outbox->entries.next; at != &outbox->entries; at = at->next) {
		if (!container_of(at, const struct entry, link)->stanza)
			return false;
	}
	return true;
}

static struct stanza *stanza_of_row(struct session *session, uint64_t seq, const struct store_row *rows, size_t count)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (rows[middle].seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == count || rows[low].seq != seq)
		return NULL;
	return sm_stanza_of_row(session->user->sm, &rows[low]);
}

void outbox_read(const struct session *session, struct store_txn *txn)
{
	const struct outbox *outbox = &session->outbox;
	struct store_part part = {.from = UINT64_MAX, .bytes = UINT64_MAX};

	for (const struct list *at = outbox->entries.next; at != &outbox->entries; at = at->next) {
		const struct entry *entry = container_of(at, struct entry, link);
		uint64_t row = entry->stanza ? 0 : entry->delivery->row;

		part.from = row && row < part.from ? row : part.from;
		part.to = row > part.to ? row : part.to;
	}
	store_part(txn, STORE_OFFLINE, jid_user(session->user->jid), &part);
}

static bool fill(struct session *session, struct entry *entry, const struct store_row *rows, size_t count)
{
	entry->stanza = stanza_of_row(session, entry->delivery->row, rows, count);
	if (!entry->stanza)
		return false;
	entry->key = entry->stanza->origin.key;
	entry->number = entry->stanza->origin.count;
	entry->archived = entry->stanza->archived;
	entry->delivery->key = entry->key;
	entry->delivery->count = entry->number;
	return true;
}

/*
 * Storage bounds these: they do not count for the bound of what waits in memory, until the client has them. Others may have been
 * shed since storage was asked.
 */
bool outbox_fill(struct session *session, const struct store_row *rows, size_t count)
{
	struct outbox *outbox = &session->outbox;
	bool filled = outbox_is_whole(session);

	for (struct list *at = outbox->entries.next; at != &outbox->entries; at = at->next) {
		struct entry *entry = container_of(at, struct entry, link);

		if (!entry->stanza && fill(session, entry, rows, count))
			filled = true;
	}
	return filled;
}
