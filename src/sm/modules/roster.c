/* SPDX-License-Identifier: MIT */
/* The roster of a user, RFC 6121 section 2. */
#include "sm/roster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "component/settings.h"
#include "jid/jid.h"
#include "sm/kept.h"
#include "sm/modules/modules.h"
#include "sm/subscription.h"
#include "sm/user.h"
#include "storage/storage.h"
#include "xml/nad.h"
#include "xml/parser.h"

enum { LOG_MS = 24 * 3600 * 1000 /* how long changes are known */, RANDOM_BITS = 20, LOOK_AHEAD = 64 };

#define VERSION SLICE("roster-version")

/*
 * What a session's client knows of the roster. It goes with the session: if another process has it next, and the roster is another
 * by then, the client is told what changed in between.
 */
struct interest {
	bool interested;
	bool versions;	  /* its client keeps them */
	bool known;	  /* which it knows */
	bool behind;	  /* it is about to be told what it does not know */
	uint64_t version; /* that it knows */
};

struct roster_user {
	struct roster roster;
	uint64_t version;  /* drawn with each change, section 2.6, greater than the last; 0: there was none yet */
	unsigned changing; /* changes that storage has not answered yet: what is in memory is of no version */
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

/* -- versions -- */

/*
 * Of the time, so that they grow, and random: one that a client has of another life of this roster, as of before a backup came back,
 * is never drawn again.
 */
static uint64_t draw_version(struct user *user)
{
	uint64_t last = state_of(user)->version;
	uint64_t now = (uint64_t)sm_wall_ms(user->sm) << RANDOM_BITS | sm_random(user->sm) >> (64 - RANDOM_BITS);

	return now > last ? now : last + 1;
}

static struct slice print_item(char text[17], uint64_t version)
{
	return (struct slice){text, (size_t)snprintf(text, 17, "%016llx", (unsigned long long)version)};
}

/* A line of the log: "BEFORE CONTACT", found by the version that came of it. */
static void write_log(struct store_txn *txn, struct user *user, uint64_t before, const struct jid *contact)
{
	AUTO(buf_fini) struct buf line = {0};
	char item[17];

	store_del_up_to(txn, STORE_ROSTER_LOG, jid_user(user->jid),
			print_item(item, (uint64_t)(sm_wall_ms(user->sm) - LOG_MS) << RANDOM_BITS));
	buf_printf(&line, "%llx %s", (unsigned long long)before, jid_text(contact));
	store_put(txn, STORE_ROSTER_LOG, jid_user(user->jid), print_item(item, state_of(user)->version), buf_slice(&line));
}

void roster_changed(struct store_txn *txn, struct user *user, struct jid *contact)
{
	struct roster_user *own = state_of(user);
	uint64_t before = own->version;
	AUTO(buf_fini) struct buf text = {0};

	own->version = draw_version(user);
	own->changing++;
	buf_printf(&text, "%llx", (unsigned long long)own->version);
	store_put(txn, STORE_USER, jid_user(user->jid), VERSION, buf_slice(&text));
	write_log(txn, user, before, contact);
}

static uint64_t read_hex(struct slice text)
{
	AUTO(buf_fini) struct buf copy = {0};

	buf_append_slice(&copy, text);
	return strtoull(buf_text(&copy), NULL, 16);
}

static void read_version(void *state, struct user *user, const struct store_row *rows, size_t count)
{
	state_of(user)->version = state_of(user)->changing = 0;
	for (size_t at = 0; at < count; at++) {
		if (slice_equal(rows[at].item, VERSION))
			state_of(user)->version = read_hex(rows[at].value);
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

/* Its client is told how the contact stands. */
static void push_to(struct session *session, struct jid *contact)
{
	struct stanza *push = push_new(session->user, contact, interest_of(session)->versions);

	stanza_set_to(push, session->jid);
	sm_deliver(session, &push);
}

/* Its client has been told all that is in memory, or it is on the way. */
static void knows(struct session *session)
{
	const struct roster_user *own = state_of(session->user);
	struct interest *interest = interest_of(session);

	if (own->changing || interest->behind)
		return;
	interest->version = own->version;
	interest->known = true;
	sm_session_changed(session);
}

void roster_push(struct user *user, struct jid *contact)
{
	struct roster_user *own = state_of(user);
	struct session *session = NULL;

	own->changing -= own->changing > 0; /* it was read anew since, else */
	while ((session = user_next_session(user, session))) {
		if (!roster_is_interested(session))
			continue;
		push_to(session, contact);
		knows(session);
	}
}

/* -- telling what changed behind its back -- */

static size_t line_of(uint64_t before, const struct store_row *rows, size_t count)
{
	size_t at = 0;

	while (at < count) {
		struct slice line = rows[at].value;

		if (read_hex(slice_word(&line)) == before)
			break;
		at++;
	}
	return at;
}

static struct slice contact_in(const struct store_row *row)
{
	struct slice line = row->value;

	slice_word(&line);
	return line;
}

/* Who changes often is told of once, mostly. */
static bool comes_again(const struct store_row *rows, size_t count, size_t at)
{
	for (size_t next = at + 1; next < count && next <= at + LOOK_AHEAD; next++) {
		if (slice_equal(contact_in(&rows[at]), contact_in(&rows[next])))
			return true;
	}
	return false;
}

static void tell_rows(struct session *session, const struct store_row *rows, size_t count, bool gone)
{
	for (size_t at = 0; at < count; at++) {
		AUTO(jid_free) struct jid *contact = comes_again(rows, count, at) ? NULL : jid_parse(contact_in(&rows[at]));

		if (contact && !(gone && roster_find(roster_of(session->user), contact)))
			push_to(session, contact);
	}
}

/* What it knows is of nowhere in the log: of who is gone all are told, and all who are there, if it has room for so many. */
static void tell_all(struct session *session, const struct store_row *rows, size_t count)
{
	const struct roster *roster = roster_of(session->user);

	if (session->outbox.count + count + roster->count > (size_t)sm_settings(session->user->sm)->sessions.resume_queue.stanzas / 2)
		return;
	tell_rows(session, rows, count, true);
	for (unsigned at = 0; at < roster->count; at++)
		push_to(session, roster->items[at]->jid);
}

static void tell_behind(struct session *session, const struct store_row *rows, size_t count)
{
	const struct interest *interest = interest_of(session);
	size_t from = interest->known ? line_of(interest->version, rows, count) : count;

	if (from < count)
		tell_rows(session, rows + from, count - from, false);
	else
		tell_all(session, rows, count);
}

static void log_read(void *state, struct user *user, const struct store_txn *txn, int result)
{
	struct roster_user *own = state_of(user);
	struct session *session = NULL;
	size_t count = 0;
	const struct store_row *rows = result ? NULL : store_rows(txn, 0, &count);

	if (result)
		return; /* they stay behind, and the next sm tells them */
	own->changing++; /* who has the first of several has no version */
	while ((session = user_next_session(user, session))) {
		if (interest_of(session)->behind)
			tell_behind(session, rows, count);
	}
	own->changing--;
	while ((session = user_next_session(user, session))) {
		if (!interest_of(session)->behind)
			continue;
		interest_of(session)->behind = false;
		knows(session);
	}
}

void roster_stayed(struct session *session)
{
	const struct roster_user *own = state_of(session->user);
	struct interest *interest = interest_of(session);
	struct store_txn *txn;

	if (!interest->interested || (interest->known && interest->version == own->version))
		return;
	interest->behind = true;
	txn = store_txn_new();
	store_list(txn, STORE_ROSTER_LOG, jid_user(session->user->jid));
	sm_store(session->user, &txn, log_read, NULL);
}

void roster_doubts(struct session *session)
{
	interest_of(session)->known = false;
	roster_stayed(session);
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
		.stanza_bytes = UINT32_MAX, .depth = 16, .attributes = 16};
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

/* Several: who has the first of them has no version. */
static void push_one(struct user *user, struct jid *contact)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		if (roster_is_interested(session))
			push_to(session, contact);
	}
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
	if (user->session_count) {
		state_of(user)->changing++;
		push_differences(user, &before);
		state_of(user)->changing--;
	}
	roster_fini(&before);
}

static void user_load(void *state, struct user *user, struct sm_load *load)
{
	sm_load_list(load, STORE_USER, read_version); /* first: what is told of differences bears it */
	sm_load_list(load, STORE_ROSTER, loaded);
}

static void user_free(void *state, struct user *user)
{
	roster_fini(roster_of(user));
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
	interest->known = interest->behind = false;
	knows(event->session);
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

static int changed(void *state, const struct sm_event *event, unsigned note)
{
	AUTO(jid_free) struct jid *contact = contact_of(event->stanza);

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
		return sm_reply_result(event); /* who does not know of it is told (roster_stayed()) */
	if (slice_is(nad_attr_value(event->stanza->payload, elem, "subscription"), "remove"))
		return drop(event, item->jid);
	return change(event, &item);
}

static void offer(void *state, const struct sm *sm, struct nad *features)
{
	nad_append(features, NS_ROSTERVER, "ver", 1);
}

/* -- sessions -- */

/* "0", "1", or "2" with versions; then, behind a blank, the version that its client knows, if nothing of it is still to be sent. */
static int session_save(void *state, const struct session *session, struct buf *out)
{
	const struct interest *interest = interest_of(session);

	buf_append_char(out, !interest->interested ? '0' : interest->versions ? '2' : '1');
	if (interest->interested && interest->known && session->outbox.sent == session->outbox.count)
		buf_printf(out, " %llx", (unsigned long long)interest->version);
	return 0;
}

static int session_load(void *state, struct session *session, struct slice in)
{
	struct interest *interest = interest_of(session);
	char how = in.len ? in.data[0] : '0';

	interest->versions = how == '2';
	interest->interested = how != '0';
	interest->known = in.len > 2 && in.data[1] == ' ';
	if (interest->known)
		interest->version = read_hex((struct slice){in.data + 2, in.len - 2});
	return 0;
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
	.user_free = user_free,
	.user_weight = user_weight,
	.session_save = session_save,
	.session_load = session_load,
};
