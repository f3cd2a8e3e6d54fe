/* SPDX-License-Identifier: MIT */
/*
 * Presence subscriptions, RFC 6121 section 3: who may see whom, the requests that wait for an answer, and the answers that wait
 * for a request.
 */
#include "base/mem.h"
#include "jid/jid.h"
#include "sm/kept.h"
#include "sm/modules/modules.h"
#include "sm/roster.h"
#include "sm/subscription.h"
#include "sm/user.h"
#include "storage/storage.h"
#include "xml/nad.h"

enum { ITEM_BITS = SUBSCRIPTION_BOTH | SUBSCRIPTION_ASK | SUBSCRIPTION_APPROVED };

struct request {
	struct jid *from; /* bare */
	struct str *text; /* the stanza */
};

struct requests {
	struct request *items; /* in order of arrival */
	unsigned count;
	size_t bytes; /* of the stanzas */
};

static struct requests *requests_of(const struct user *user)
{
	return sm_user_state(user, &sm_subscribe);
}

static struct request *request_find(const struct requests *requests, const struct jid *from)
{
	for (unsigned at = 0; at < requests->count; at++) {
		if (jid_equal_bare(requests->items[at].from, from))
			return &requests->items[at];
	}
	return NULL;
}

static void request_add(struct requests *requests, struct jid *from, struct slice text)
{
	struct request *items =
		mem_realloc(MEM_ROSTER, requests->items, (requests->count + 1) * sizeof(*items));

	items[requests->count++] = (struct request){jid_bare(from), str_new(text)};
	requests->items = items;
	requests->bytes += text.len;
}

static void request_del(struct requests *requests, const struct jid *from)
{
	struct request *request = request_find(requests, from);

	if (!request)
		return;
	jid_free(&request->from);
	requests->bytes -= str_slice(request->text).len;
	str_free(&request->text);
	requests->count--;
	memmove(request, request + 1,
		(size_t)(requests->items + requests->count - request) * sizeof(*request));
}

static void requests_fini(struct requests *requests)
{
	for (unsigned at = 0; at < requests->count; at++) {
		jid_free(&requests->items[at].from);
		str_free(&requests->items[at].text);
	}
	mem_free(requests->items);
	*requests = (struct requests){0};
}

unsigned subscribe_state(const struct user *user, const struct jid *contact)
{
	unsigned state = roster_state(user, contact);

	return request_find(requests_of(user), contact) ? state | SUBSCRIPTION_REQUEST : state;
}

void subscribe_send(struct user *user, struct jid *contact, enum stanza_type type)
{
	struct stanza *stanza = stanza_new(STANZA_PRESENCE, type, (struct slice){NULL, 0});

	stanza_set_from(stanza, user->jid);
	stanza->to = jid_bare(contact);
	sm_route(user->sm, &stanza);
}

/* -- changing -- */

/* Both states in the note of a commit. */
static unsigned note_of(unsigned before, unsigned after)
{
	return before | after << 8;
}

static bool lost(unsigned note, unsigned bits)
{
	return note & bits && !(note >> 8 & bits);
}

static bool won(unsigned note, unsigned bits)
{
	return !(note & bits) && note >> 8 & bits;
}

static bool item_changed(unsigned note)
{
	return (note & ITEM_BITS) != (note >> 8 & ITEM_BITS);
}

/* Changes the item, which is made when there is none. False: the roster is full. */
static bool change_item(struct store_txn *txn, struct user *user, struct jid *contact,
			unsigned state)
{
	struct roster *roster = roster_of(user);
	struct roster_item *item = roster_find(roster, contact);

	if (item) {
		item->subscription = (uint8_t)(state & ITEM_BITS);
	} else {
		struct roster_item *made = roster_item_new(contact, state & ITEM_BITS);

		item = made;
		if (!roster_put(roster, &made))
			return false;
	}
	kept_contact(txn, user->jid, item);
	roster_changed(txn, user, contact);
	return true;
}

/* Applies a change to memory and to the transaction; a request that came is added by who got it. */
static bool apply(struct store_txn *txn, struct user *user, struct jid *contact, unsigned note)
{
	if (item_changed(note) && !change_item(txn, user, contact, note >> 8))
		return false;
	if (lost(note, SUBSCRIPTION_REQUEST)) {
		request_del(requests_of(user), contact);
		store_del(txn, STORE_REQUEST, jid_user(user->jid), jid_user(contact));
	}
	return true;
}

bool subscribe_grant(struct store_txn *txn, struct user *user, struct jid *contact)
{
	return apply(txn, user, contact, note_of(subscribe_state(user, contact), SUBSCRIPTION_BOTH));
}

static int commit_change(const struct sm_event *event, struct jid *contact, unsigned note,
			 sm_committed_fn *committed)
{
	struct sm_commit commit = {
		.txn = store_txn_new(), .committed = committed, .note = note, .stale = true};

	if (apply(commit.txn, event->user, contact, note))
		return sm_commit(event, &commit);
	store_txn_free(&commit.txn);
	return sm_reply_error(event, STANZA_RESOURCE_CONSTRAINT);
}

/* -- from a session -- */

/* In the name of the account (section 3.1.2). */
static void forward(const struct sm_event *event, struct jid *contact)
{
	struct stanza *copy = stanza_copy(event->stanza);

	copy->origin = (struct origin){0};
	stanza_set_from(copy, event->user->jid);
	stanza_set_to(copy, contact);
	sm_route(event->sm, &copy);
}

static int told(void *state, const struct sm_event *event, unsigned note)
{
	AUTO(jid_free) struct jid *contact = jid_bare(event->stanza->to);
	bool pass;

	subscription_out(note & 0xff, event->stanza->type, &pass);
	if (pass)
		forward(event, contact);
	if (won(note, SUBSCRIPTION_FROM))
		presence_show(event->user, contact);
	if (lost(note, SUBSCRIPTION_FROM))
		presence_hide(event->user, contact);
	if (item_changed(note))
		roster_push(event->user, contact);
	return 0;
}

static int tell(void *state, const struct sm_event *event)
{
	AUTO(jid_free) struct jid *contact = NULL;
	unsigned before, after;
	bool pass;

	if (!subscription_is_type(event->stanza->type))
		return SM_PASS;
	if (!event->stanza->to)
		return sm_reply_error(event, STANZA_BAD_REQUEST);
	contact = jid_bare(event->stanza->to);
	if (jid_equal(contact, event->user->jid))
		return 0;
	before = subscribe_state(event->user, contact);
	after = subscription_out(before, event->stanza->type, &pass);
	if (after != before)
		return commit_change(event, contact, note_of(before, after), told);
	if (pass)
		forward(event, contact);
	return 0;
}

/* -- to a user -- */

/* A request goes to all that are available, an answer to those that know the roster. */
static void deliver(const struct sm_event *event, struct jid *contact)
{
	struct session *session = NULL;
	bool request = event->stanza->type == STANZA_SUBSCRIBE;

	while ((session = user_next_session(event->user, session))) {
		struct stanza *copy;

		if (request ? !presence_of(session)->last : !roster_is_interested(session))
			continue;
		copy = stanza_copy(event->stanza);
		stanza_set_from(copy, contact);
		stanza_set_to(copy, event->user->jid);
		sm_deliver(session, &copy);
	}
}

static int heard(void *state, const struct sm_event *event, unsigned note)
{
	AUTO(jid_free) struct jid *contact = jid_bare(event->stanza->from);
	bool approved = won(note, SUBSCRIPTION_FROM);

	if (approved)
		subscribe_send(event->user, contact, STANZA_SUBSCRIBED);
	else
		deliver(event, contact);
	if (item_changed(note))
		roster_push(event->user, contact);
	if (approved)
		presence_show(event->user, contact);
	if (lost(note, SUBSCRIPTION_FROM))
		presence_hide(event->user, contact);
	return 0;
}

/* Kept until it is answered (section 3.1.3). */
static int ask(const struct sm_event *event, struct jid *contact, unsigned note)
{
	struct requests *requests = requests_of(event->user);
	struct sm_commit commit = {.committed = heard, .note = note, .stale = true};
	AUTO(buf_fini) struct buf text = {0};

	if (requests->count == KEPT_REQUESTS_MAX)
		return sm_reply_error(event, STANZA_RESOURCE_CONSTRAINT);
	commit.txn = store_txn_new();
	kept_request(commit.txn, event->user->jid, contact, event->stanza, &text);
	request_add(requests, contact, buf_slice(&text));
	return sm_commit(event, &commit);
}

static int hear(void *state, const struct sm_event *event)
{
	enum stanza_type type = event->stanza->type;
	AUTO(jid_free) struct jid *contact = NULL;
	unsigned before, after;
	bool pass;

	if (!subscription_is_type(type))
		return SM_PASS;
	contact = jid_bare(event->stanza->from);
	if (jid_equal(contact, event->user->jid))
		return 0;
	before = subscribe_state(event->user, contact);
	after = subscription_in(before, type, &pass);
	if (type == STANZA_SUBSCRIBE && before & SUBSCRIPTION_FROM)
		subscribe_send(event->user, contact,
			       STANZA_SUBSCRIBED); /* their side had lost it */
	if (after == before)
		return 0;
	if (won(note_of(before, after), SUBSCRIPTION_REQUEST))
		return ask(event, contact, note_of(before, after));
	return commit_change(event, contact, note_of(before, after), heard);
}

/* -- a session comes -- */

static void offer(void *state, const struct sm *sm, struct nad *features)
{
	nad_append(features, NS_PREAPPROVAL, "sub", 1);
}

/* The requests that wait, again until they are answered. */
static int ask_again(void *state, const struct sm_event *event)
{
	const struct requests *requests = requests_of(event->user);

	if (event->stanza->to || event->stanza->type != STANZA_NONE ||
	    !presence_of(event->session)->fresh)
		return SM_PASS;
	for (unsigned at = 0; at < requests->count; at++) {
		const struct request *request = &requests->items[at];
		struct stanza *stanza = NULL;

		if (!blocking_has(event->user, request->from))
			stanza = sm_stanza_parse(event->sm, str_slice(request->text));
		if (stanza)
			sm_deliver(event->session, &stanza);
	}
	return SM_PASS;
}

/* -- users -- */

static void loaded(void *state, struct user *user, const struct store_row *rows, size_t count)
{
	struct requests *requests = requests_of(user);

	requests_fini(requests);
	for (size_t at = 0; at < count; at++) {
		AUTO(jid_free) struct jid *from = jid_parse(rows[at].item);

		if (from)
			request_add(requests, from, rows[at].value);
	}
}

static void user_load(void *state, struct user *user, struct sm_load *load)
{
	sm_load_list(load, STORE_REQUEST, loaded);
}

static void user_free(void *state, struct user *user)
{
	requests_fini(requests_of(user));
}

static size_t user_weight(void *state, const struct user *user)
{
	enum { ADDRESS_BYTES = 100 };
	const struct requests *requests = requests_of(user);

	return requests->bytes + requests->count * (sizeof(*requests->items) + ADDRESS_BYTES);
}

void subscribe_farewells(struct store_txn *txn, struct user *user)
{
	const struct roster *roster = roster_of(user);
	const struct requests *requests = requests_of(user);

	for (unsigned at = 0; at < roster->count; at++)
		kept_farewell(txn, user->jid, roster->items[at]->jid, subscribe_state(user, roster->items[at]->jid));
	for (unsigned at = 0; at < requests->count; at++)
		kept_farewell(txn, user->jid, requests->items[at].from, subscribe_state(user, requests->items[at].from));
}

static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_PRESENCE, NULL, NULL, SM_NORMAL, tell},
	{SM_IN_SESS, STANZA_PRESENCE, NULL, NULL, SM_LATE, ask_again},
	{SM_PKT_USER, STANZA_PRESENCE, NULL, NULL, SM_NORMAL, hear},
	{.run = NULL},
};

const struct sm_module sm_subscribe = {
	.name = "subscribe",
	.offer = offer,
	.hooks = hooks,
	.user_size = sizeof(struct requests),
	.user_load = user_load,
	.user_free = user_free,
	.user_weight = user_weight,
};
