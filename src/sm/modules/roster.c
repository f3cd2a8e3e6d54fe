/* SPDX-License-Identifier: MIT */
/* The roster of a user, RFC 6121 section 2. */
#include "sm/roster.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "sm/kept.h"
#include "sm/modules/modules.h"
#include "sm/subscription.h"
#include "sm/user.h"
#include "storage/storage.h"
#include "xml/nad.h"
#include "xml/parser.h"

enum { CHANGED_MAX = 8, UNSURE_MAX = 32 };

#define VERSION SLICE("roster-version")

struct contacts {
	struct jid **jids; /* the last is the newest */
	unsigned count;
};

struct interest {
	bool interested;
	bool versions; /* its client keeps them */
	struct contacts changed; /* by this session, last */
};

struct roster_user {
	struct roster roster;
	uint64_t version;  /* drawn with each change, section 2.6; 0: there was none yet */
	unsigned changing; /* changes that storage has not answered yet: what is in memory is of no version */
	struct contacts trying; /* of those changes */
	struct contacts refused; /* by storage, since it took one: it may have them all the same */
	struct contacts unsure; /* changed last: who is presented later may not have been told */
};

static struct roster_user *state_of(const struct user *user)
{
	return sm_user_state(user, &sm_roster);
}

static struct interest *interest_of(const struct session *session)
{
	return sm_session_state(session, &sm_roster);
}

struct roster *roster_of(const struct user *user)
{
	return &state_of(user)->roster;
}

bool roster_is_interested(const struct session *session)
{
	return interest_of(session)->interested;
}

unsigned roster_state(const struct user *user, const struct jid *contact)
{
	const struct roster_item *item = roster_find(roster_of(user), contact);

	return item ? item->subscription : 0;
}

/* -- what was changed last -- */

static void contacts_remove(struct contacts *contacts, unsigned at)
{
	jid_free(&contacts->jids[at]);
	contacts->count--;
	memmove(&contacts->jids[at], &contacts->jids[at + 1], (contacts->count - at) * sizeof(*contacts->jids));
}

static void contacts_add(struct contacts *contacts, struct jid *jid, unsigned most)
{
	for (unsigned at = 0; at < contacts->count; at++) {
		if (jid_equal(contacts->jids[at], jid))
			contacts_remove(contacts, at);
	}
	if (contacts->count == most)
		contacts_remove(contacts, 0);
	contacts->jids = mem_realloc(MEM_USER, contacts->jids, (contacts->count + 1) * sizeof(*contacts->jids));
	contacts->jids[contacts->count++] = jid_ref(jid);
}

static void contacts_fini(struct contacts *contacts)
{
	while (contacts->count)
		contacts_remove(contacts, contacts->count - 1);
	mem_free(contacts->jids);
	contacts->jids = NULL;
}

/* -- versions -- */

/* One that a client has of another life of this roster, as of before a backup came back, is never drawn again. */
void roster_changed(struct store_txn *txn, struct user *user, struct jid *contact)
{
	struct roster_user *own = state_of(user);
	AUTO(buf_fini) struct buf text = {0};

	own->version = sm_random(user->sm);
	own->changing++;
	contacts_add(&own->trying, contact, UNSURE_MAX);
	buf_printf(&text, "%llx", (unsigned long long)own->version);
	store_put(txn, STORE_USER, jid_user(user->jid), VERSION, buf_slice(&text));
}

static void read_version(void *state, struct user *user, const struct store_row *rows, size_t count)
{
	state_of(user)->version = state_of(user)->changing = 0;
	contacts_fini(&state_of(user)->trying);
	for (size_t at = 0; at < count; at++) {
		AUTO(buf_fini) struct buf text = {0};

		if (!slice_equal(rows[at].item, VERSION))
			continue;
		buf_append_slice(&text, rows[at].value);
		state_of(user)->version = strtoull(buf_text(&text), NULL, 16);
	}
}

static void say_version(const struct user *user, struct nad *nad)
{
	AUTO(buf_fini) struct buf text = {0};

	if (state_of(user)->changing)
		return;
	buf_printf(&text, "%llx", (unsigned long long)state_of(user)->version);
	nad_append_attr(nad, -1, "ver", buf_slice(&text));
}

/* Its client said which it has, and it is the one. */
static bool has_version(const struct user *user, struct slice ver)
{
	AUTO(buf_fini) struct buf text = {0};

	buf_printf(&text, "%llx", (unsigned long long)state_of(user)->version);
	return state_of(user)->version && !state_of(user)->changing && slice_equal(ver, buf_slice(&text));
}

/* -- telling -- */

static struct stanza *push_new(struct user *user, struct jid *contact, bool versions)
{
	const struct roster_item *item = roster_find(roster_of(user), contact);
	AUTO(buf_fini) struct buf id = {0};
	struct stanza *push;

	sm_fresh_id(user->sm, &id);
	push = stanza_new(STANZA_IQ, STANZA_SET, buf_slice(&id));
	nad_append(push->payload, NS_ROSTER, "query", 1);
	if (versions)
		say_version(user, push->payload);
	if (item) {
		roster_item_append(item, NS_ROSTER, push->payload, 2);
	} else {
		nad_append(push->payload, NS_ROSTER, "item", 2);
		nad_append_attr(push->payload, -1, "jid", jid_user(contact));
		nad_append_attr(push->payload, -1, "subscription", SLICE("remove"));
	}
	stanza_set_from(push, user->jid);
	return push;
}

static void push_to(struct session *session, struct jid *contact)
{
	struct stanza *push;

	if (!roster_is_interested(session))
		return;
	push = push_new(session->user, contact, interest_of(session)->versions);
	stanza_set_to(push, session->jid);
	sm_deliver(session, &push);
}

static void push(struct user *user, struct jid *contact)
{
	struct session *session = NULL;

	contacts_add(&state_of(user)->unsure, contact, UNSURE_MAX);
	while ((session = user_next_session(user, session)))
		push_to(session, contact);
}

void roster_push(struct user *user, struct jid *contact)
{
	struct roster_user *own = state_of(user);

	own->changing -= own->changing > 0; /* it was read anew since, else */
	if (!own->changing) {
		contacts_fini(&own->trying);
		contacts_fini(&own->refused);
	}
	push(user, contact);
}

/* One of several: who has the first of them has no version. */
static void push_one(struct user *user, struct jid *contact)
{
	state_of(user)->changing++;
	push(user, contact);
	state_of(user)->changing--;
}

void roster_stayed(struct session *session, bool fresh)
{
	struct roster_user *own = state_of(session->user);
	const struct contacts *changed = &interest_of(session)->changed;

	own->changing++; /* who has the first of them has no version */
	for (unsigned at = 0; at < own->unsure.count; at++)
		push_to(session, own->unsure.jids[at]);
	own->changing--;
	for (unsigned at = 0; fresh && at < changed->count; at++)
		push_one(session->user, changed->jids[at]);
}

/* -- loading -- */

static void add_parsed(struct roster *roster, const struct nad *nad, int elem)
{
	struct roster_item *item = NULL;

	if (roster_item_read(nad, elem, &item) == 0)
		roster_put(roster, &item);
}

static void add_rows_singly(struct roster *roster, const struct store_row *rows, size_t count)
{
	for (size_t at = 0; at < count; at++) {
		struct roster_item *item = roster_item_parse(rows[at].value);

		if (item)
			roster_put(roster, &item);
	}
}

/*
 * All rows as one document: a parser for each would be most of the work. A bad row is then found
 * one by one.
 */
static void read_rows(struct roster *roster, const struct store_row *rows, size_t count)
{
	static const struct xml_limits limits = {
		.stanza_bytes = SIZE_MAX / 2, .depth = 16, .attributes = 16};
	AUTO(buf_fini) struct buf text = {0};
	AUTO(nad_free) struct nad *nad = NULL;

	if (count == 0)
		return;
	buf_append_text(&text, "<roster>");
	for (size_t at = 0; at < count; at++)
		buf_append_slice(&text, rows[at].value);
	buf_append_text(&text, "</roster>");
	nad = xml_parse(buf_slice(&text), &limits);
	if (!nad) {
		add_rows_singly(roster, rows, count);
		return;
	}
	for (int elem = nad_first_child(nad, 0); elem >= 0; elem = nad_next_sibling(nad, elem))
		add_parsed(roster, nad, elem);
}

static bool is_same(const struct roster_item *item, const struct roster_item *other)
{
	AUTO(buf_fini) struct buf text = {0}, other_text = {0};

	if (!item || !other)
		return item == other;
	roster_item_print(item, &text);
	roster_item_print(other, &other_text);
	return slice_equal(buf_slice(&text), buf_slice(&other_text));
}

/* What a disk refused somebody may have seen. */
static void push_differences(struct user *user, const struct roster *before)
{
	const struct roster *now = roster_of(user);

	for (unsigned at = 0; at < before->count; at++) {
		if (!is_same(before->items[at], roster_find(now, before->items[at]->jid)))
			push_one(user, before->items[at]->jid);
	}
	for (unsigned at = 0; at < now->count; at++) {
		if (!roster_find(before, now->items[at]->jid))
			push_one(user, now->items[at]->jid);
	}
}

static void loaded(void *state, struct user *user, const struct store_row *rows, size_t count)
{
	struct roster before = *roster_of(user);

	*roster_of(user) = (struct roster){0};
	read_rows(roster_of(user), rows, count);
	if (user->session_count)
		push_differences(user, &before);
	roster_fini(&before);
}

static void user_load(void *state, struct user *user, struct sm_load *load)
{
	sm_load_list(load, STORE_USER, read_version); /* first: what is told of differences bears it */
	sm_load_list(load, STORE_ROSTER, loaded);
}

static void user_stale(void *state, struct user *user)
{
	struct roster_user *own = state_of(user);
	struct session *session = NULL;

	for (unsigned at = 0; at < own->trying.count; at++)
		contacts_add(&own->refused, own->trying.jids[at], UNSURE_MAX);
	while (own->trying.count && (session = user_next_session(user, session)))
		sm_session_changed(session);
}

static void user_free(void *state, struct user *user)
{
	roster_fini(roster_of(user));
	contacts_fini(&state_of(user)->trying);
	contacts_fini(&state_of(user)->refused);
	contacts_fini(&state_of(user)->unsure);
}

static size_t user_weight(void *state, const struct user *user)
{
	return roster_of(user)->bytes;
}

/* -- requests -- */

static int get(void *state, const struct sm_event *event)
{
	const struct roster *roster = roster_of(event->user);
	struct interest *interest = interest_of(event->session);
	struct stanza *result;
	struct slice ver;

	if (!account_is_own(event))
		return SM_PASS;
	interest->interested = true;
	interest->versions = nad_attr(event->stanza->payload, stanza_child(event->stanza), NULL, "ver", &ver);
	sm_session_changed(event->session);
	if (interest->versions && has_version(event->user, ver))
		return sm_reply_result(event);
	result = stanza_result(event->stanza);
	nad_append(result->payload, NS_ROSTER, "query", 1);
	if (interest->versions)
		say_version(event->user, result->payload);
	for (unsigned at = 0; at < roster->count; at++)
		roster_item_append(roster->items[at], NS_ROSTER, result->payload, 2);
	return sm_reply(event, &result);
}

/* The one item of a set, -1 when there is another number of them. */
static int item_of(const struct stanza *stanza)
{
	const struct nad *nad = stanza->payload;
	int item = nad_find_child(nad, stanza_find(stanza, NS_ROSTER, "query"), NS_ROSTER, "item");

	return item >= 0 && nad_find_next(nad, item, NS_ROSTER, "item") < 0 ? item : -1;
}

static struct jid *contact_of(const struct stanza *stanza)
{
	AUTO(jid_free)
	struct jid *jid = jid_parse(nad_attr_value(stanza->payload, item_of(stanza), "jid"));

	return jid ? jid_bare(jid) : NULL;
}

static void note_change(const struct sm_event *event, struct jid *contact)
{
	if (!event->session)
		return;
	contacts_add(&interest_of(event->session)->changed, contact, CHANGED_MAX);
	sm_session_changed(event->session);
}

static int changed(void *state, const struct sm_event *event, unsigned note)
{
	AUTO(jid_free) struct jid *contact = contact_of(event->stanza);

	note_change(event, contact);
	roster_push(event->user, contact);
	return sm_reply_result(event);
}

bool roster_change(struct store_txn *txn, struct user *user, struct roster_item **item)
{
	const struct roster_item *put = *item;

	(*item)->subscription = (uint8_t)roster_state(user, (*item)->jid);
	if (!roster_put(roster_of(user), item))
		return false;
	kept_contact(txn, user->jid, put);
	roster_changed(txn, user, put->jid);
	return true;
}

static int change(const struct sm_event *event, struct roster_item **item)
{
	struct sm_commit commit = {.txn = store_txn_new(), .committed = changed, .stale = true};

	if (!roster_change(commit.txn, event->user, item)) {
		store_txn_free(&commit.txn);
		return sm_reply_error(event, STANZA_RESOURCE_CONSTRAINT);
	}
	return sm_commit(event, &commit);
}

/* note: what they were to each other (section 2.5.2: all subscriptions end with the item). */
static int removed(void *state, const struct sm_event *event, unsigned note)
{
	AUTO(jid_free) struct jid *contact = contact_of(event->stanza);

	note_change(event, contact);
	roster_push(event->user, contact);
	if (note & (SUBSCRIPTION_TO | SUBSCRIPTION_ASK))
		subscribe_send(event->user, contact, STANZA_UNSUBSCRIBE);
	if (note & SUBSCRIPTION_FROM) {
		subscribe_send(event->user, contact, STANZA_UNSUBSCRIBED);
		presence_hide(event->user, contact);
	}
	return sm_reply_result(event);
}

static int drop(const struct sm_event *event, struct jid *contact)
{
	struct roster *roster = roster_of(event->user);
	struct sm_commit commit = {.committed = removed, .stale = true};

	if (!roster_find(roster, contact))
		return sm_reply_error(event, STANZA_ITEM_NOT_FOUND);
	commit.note = roster_state(event->user, contact);
	commit.txn = store_txn_new();
	store_del(commit.txn, STORE_ROSTER, jid_user(event->user->jid), jid_user(contact));
	roster_del(roster, contact);
	roster_changed(commit.txn, event->user, contact);
	return sm_commit(event, &commit);
}

/* By an earlier process: whether all were told nobody knows. */
static int is_set(const struct sm_event *event, struct jid *contact)
{
	push_one(event->user, contact);
	return sm_reply_result(event);
}

static int set(void *state, const struct sm_event *event)
{
	AUTO(roster_item_free) struct roster_item *item = NULL;
	int elem, rc;

	if (!account_is_own(event))
		return SM_PASS;
	elem = item_of(event->stanza);
	rc = elem < 0 ? ROSTER_BAD : roster_item_read(event->stanza->payload, elem, &item);
	if (rc == ROSTER_BAD)
		return sm_reply_error(event, STANZA_BAD_REQUEST);
	if (rc == ROSTER_UNACCEPTABLE)
		return sm_reply_error(event, STANZA_NOT_ACCEPTABLE);
	if (jid_equal(item->jid, event->user->jid))
		return sm_reply_error(event, STANZA_NOT_ALLOWED);
	if (sm_is_done(event))
		return is_set(event, item->jid);
	if (slice_is(nad_attr_value(event->stanza->payload, elem, "subscription"), "remove"))
		return drop(event, item->jid);
	return change(event, &item);
}

static void offer(void *state, const struct sm *sm, struct nad *features)
{
	nad_append(features, NS_ROSTERVER, "ver", 1);
}

/* -- sessions -- */

/*
 * "0", "1", or "2" with versions, and the contacts that it changed, a line each; with a blank before it those whose change storage
 * refused, whoever wanted it.
 */
static int session_save(void *state, const struct session *session, struct buf *out)
{
	const struct contacts *changed = &interest_of(session)->changed, *refused = &state_of(session->user)->refused;

	buf_append_char(out, !roster_is_interested(session) ? '0' : interest_of(session)->versions ? '2' : '1');
	for (unsigned at = 0; at < changed->count; at++) {
		buf_append_char(out, '\n');
		buf_append_slice(out, jid_full(changed->jids[at]));
	}
	for (unsigned at = 0; at < refused->count; at++) {
		buf_append_text(out, "\n ");
		buf_append_slice(out, jid_full(refused->jids[at]));
	}
	return 0;
}

static void load_contact(struct session *session, struct slice line)
{
	bool refused = line.len && line.data[0] == ' ';
	AUTO(jid_free) struct jid *contact = NULL;

	line.data += refused;
	line.len -= refused;
	contact = jid_parse(line);
	if (contact && refused)
		contacts_add(&state_of(session->user)->unsure, contact, UNSURE_MAX);
	else if (contact)
		contacts_add(&interest_of(session)->changed, contact, CHANGED_MAX);
}

static int session_load(void *state, struct session *session, struct slice in)
{
	struct interest *interest = interest_of(session);
	struct slice how;

	how = slice_line(&in);
	interest->versions = slice_is(how, "2");
	interest->interested = interest->versions || slice_is(how, "1");
	while (in.len)
		load_contact(session, slice_line(&in));
	return 0;
}

static void session_end(void *state, struct session *session)
{
	contacts_fini(&interest_of(session)->changed);
}

static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_IQ_GET, NS_ROSTER, "query", SM_NORMAL, get},
	{SM_IN_SESS, STANZA_IQ_SET, NS_ROSTER, "query", SM_NORMAL, set},
	{.run = NULL},
};

const struct sm_module sm_roster = {
	.name = "roster",
	.features = {NS_ROSTER},
	.offer = offer,
	.hooks = hooks,
	.user_size = sizeof(struct roster_user),
	.session_size = sizeof(struct interest),
	.user_load = user_load,
	.user_stale = user_stale,
	.user_free = user_free,
	.user_weight = user_weight,
	.session_end = session_end,
	.session_save = session_save,
	.session_load = session_load,
};
