/* SPDX-License-Identifier: MIT */
/* A user of XEP-0227, as rows. */
#include "sm/import_user.h"

#include <string.h>
#include "base/mem.h"
#include "base/stamp.h"
#include "jid/jid.h"
#include "sm/import.h"
#include "sm/kept.h"
#include "sm/roster.h"
#include "sm/subscription.h"
#include "stanza/stanza.h"
#include "storage/storage.h"
#include "xml/nad.h"

#define NS_LEGACY_DELAY "jabber:x:delay"

struct reading {
	struct import_user *user;
	struct jid *jid;
	struct store_txn *txn;
	struct roster roster;
	int64_t now_ms;
};

/* A line, which begins with the user's address. */
static void PRINTF_LIKE(2, 3) problem(struct reading *reading, const char *format, ...)
{
	struct buf *problems = &reading->user->problems;
	va_list args;

	buf_printf(problems, "%s: ", jid_text(reading->jid));
	va_start(args, format);
	buf_vprintf(problems, format, args);
	va_end(args);
	buf_append_char(problems, '\n');
}

/* Text of another server in a line of ours: cut, and without line ends. */
static const char *quoted(struct slice text, struct buf *out)
{
	for (size_t at = 0; at < text.len && at < 200; at++)
		buf_append_char(out, (unsigned char)text.data[at] < 0x20 ? ' ' : text.data[at]);
	return buf_text(out);
}

/* -- contacts -- */

static const char *refusal(struct reading *reading, int rc, const struct roster_item *item)
{
	if (rc == ROSTER_BAD)
		return "is no address, or has a group twice";
	if (rc == ROSTER_UNACCEPTABLE)
		return "has a name or group that is empty or too long, or too many groups";
	if (roster_find(&reading->roster, item->jid))
		return "is there twice";
	return roster_has_room(&reading->roster, item) ? NULL : "is one too many";
}

static void read_contact(struct reading *reading, const struct nad *nad, int elem)
{
	struct roster_item *item = NULL;
	AUTO(buf_fini) struct buf text = {0};
	int rc = roster_item_read(nad, elem, &item);
	const char *why = refusal(reading, rc, item);

	if (why) {
		problem(reading, "contact %s %s", quoted(nad_attr_value(nad, elem, "jid"), &text),
			why);
		roster_item_free(&item);
		return;
	}
	kept_contact(reading->txn, reading->jid, item);
	roster_put(&reading->roster, &item);
	reading->user->tally.contacts++;
}

static void read_roster(struct reading *reading, const struct nad *nad, int query)
{
	int elem = nad_find_child(nad, query, NS_ROSTER, "item");

	for (; elem >= 0; elem = nad_find_next(nad, elem, NS_ROSTER, "item"))
		read_contact(reading, nad, elem);
}

/* -- requests -- */

static void keep_request(struct reading *reading, const struct stanza *stanza)
{
	AUTO(jid_free) struct jid *contact = stanza->from ? jid_bare(stanza->from) : NULL;
	const struct roster_item *item = contact ? roster_find(&reading->roster, contact) : NULL;

	if (!contact || jid_equal(contact, reading->jid))
		problem(reading, "a request for a subscription is from nobody");
	else if (item && item->subscription & SUBSCRIPTION_FROM)
		problem(reading, "the request of %s was granted already", jid_text(contact));
	else if (reading->user->tally.requests == KEPT_REQUESTS_MAX)
		problem(reading, "the request of %s is one too many", jid_text(contact));
	else {
		kept_request(reading->txn, reading->jid, contact, stanza, NULL);
		reading->user->tally.requests++;
	}
}

/* Answers to requests are told only: the roster knows what they said. */
static void read_presence(struct reading *reading, const struct nad *nad, int elem)
{
	struct nad *copy = nad_copy(nad, elem);
	AUTO(stanza_free) struct stanza *stanza = NULL;

	if (stanza_from_nad(&copy, &stanza) == STANZA_NOT_ONE ||
	    !subscription_is_type(stanza->type))
		problem(reading, "a presence is no request for a subscription");
	else if (stanza->type == STANZA_SUBSCRIBE)
		keep_request(reading, stanza);
}

/* -- messages -- */

static bool is_delay(const struct nad *nad, int elem)
{
	return nad_is(nad, elem, NS_DELAY, "delay") || nad_is(nad, elem, NS_LEGACY_DELAY, "x");
}

/* XEP-0091's "20021013T21:34:01", as XEP-0082 writes it. */
static bool read_stamp(struct slice text, int64_t *stamp_ms)
{
	AUTO(buf_fini) struct buf whole = {0};

	if (stamp_parse(text, stamp_ms))
		return true;
	if (text.len != 17)
		return false;
	buf_printf(&whole, "%.4s-%.2s-%.11sZ", text.data, text.data + 4, text.data + 6);
	return stamp_parse(buf_slice(&whole), stamp_ms);
}

/*
 * A copy without the stamps of the server that kept it, which is us from now on: they become
 * *stamp_ms. What a server before it stamped stays.
 */
static struct stanza *unstamped(const struct stanza *stanza, struct slice domain, int64_t *stamp_ms)
{
	struct stanza *copy = stanza_new(STANZA_MESSAGE, stanza->type, stanza->id);
	const struct nad *nad = stanza->payload;

	copy->lang = stanza->lang;
	stanza_set_from(copy, stanza->from);
	stanza_set_to(copy, stanza->to);
	for (int at = nad_first_child(nad, 0); at >= 0; at = nad_next_sibling(nad, at)) {
		if (is_delay(nad, at) && slice_equal(nad_attr_value(nad, at, "from"), domain))
			read_stamp(nad_attr_value(nad, at, "stamp"), stamp_ms);
		else
			nad_append_tree(copy->payload, nad, at, 1);
	}
	return copy;
}

static void read_message(struct reading *reading, const struct nad *nad, int elem)
{
	struct nad *root = nad_copy(nad, elem);
	AUTO(stanza_free) struct stanza *stanza = NULL;
	AUTO(stanza_free) struct stanza *copy = NULL;
	int64_t stamp_ms = reading->now_ms;
	int rc = stanza_from_nad(&root, &stanza);

	if (rc || stanza->kind != STANZA_MESSAGE || stanza->type == STANZA_TYPE_BAD) {
		problem(reading, "a message has a bad address or type");
		return;
	}
	copy = unstamped(stanza, jid_domain(reading->jid), &stamp_ms);
	kept_message(reading->txn, reading->jid, copy, stamp_ms);
	reading->user->tally.messages++;
}

static void read_messages(struct reading *reading, const struct nad *nad, int elem)
{
	for (int at = nad_first_child(nad, elem); at >= 0; at = nad_next_sibling(nad, at))
		read_message(reading, nad, at);
}

/* -- the user -- */

static void read_vcard(struct reading *reading, const struct nad *nad, int elem)
{
	kept_vcard(reading->txn, reading->jid, nad, elem);
	reading->user->tally.vcards++;
}

static void read_private(struct reading *reading, const struct nad *nad, int query)
{
	for (int at = nad_first_child(nad, query); at >= 0; at = nad_next_sibling(nad, at)) {
		kept_private(reading->txn, reading->jid, nad, at);
		reading->user->tally.privates++;
	}
}

static void read_problem(struct reading *reading, const struct nad *nad, int elem)
{
	AUTO(buf_fini) struct buf text = {0};

	problem(reading, "%s", quoted(nad_cdata(nad, elem), &text));
}

/* In this order: a request is looked for in the roster. */
static const struct {
	const char *uri, *name;
	void (*read)(struct reading *reading, const struct nad *nad, int elem);
} readers[] = {
	{NS_ROSTER, "query", read_roster},
	{NS_CLIENT, "presence", read_presence},
	{NS_PIE, "offline-messages", read_messages},
	{NS_VCARD, "vCard", read_vcard},
	{NS_PRIVATE, "query", read_private},
	{NS_IMPORT_PROBLEM, "problem", read_problem},
};

static void read_password(struct reading *reading, const struct nad *nad, int elem)
{
	struct slice password;

	if (nad_attr(nad, elem, NULL, "password", &password) && auth_password_allowed(password)) {
		buf_append_slice(&reading->user->newcomer.password, password);
		return;
	}
	if (password.len)
		problem(reading, "its password is not allowed (SASLprep, RFC 4013)");
	reading->user->tally.without_password++;
}

struct newcomer *import_user_read(const struct nad *nad, int elem, struct jid *jid, int64_t now_ms)
{
	struct import_user *user = mem_zalloc(MEM_OTHER, sizeof(*user));
	struct reading reading = {
		.user = user, .jid = jid, .txn = store_txn_new(), .now_ms = now_ms};

	kept_active(reading.txn, jid, now_ms);
	read_password(&reading, nad, elem);
	for (size_t i = 0; i < countof(readers); i++) {
		int at = nad_find_child(nad, elem, readers[i].uri, readers[i].name);

		for (; at >= 0; at = nad_find_next(nad, at, readers[i].uri, readers[i].name))
			readers[i].read(&reading, nad, at);
	}
	user->newcomer.user = jid_ref(jid);
	user->newcomer.txn = reading.txn;
	user->newcomer.is_user = true;
	user->newcomer.bytes = sizeof(*user) + nad_weight(nad);
	roster_fini(&reading.roster);
	return &user->newcomer;
}

void import_user_free(struct newcomer *newcomer)
{
	struct import_user *user = container_of(newcomer, struct import_user, newcomer);

	buf_fini(&user->problems);
	mem_free(user);
}

void import_tally_add(struct import_tally *to, const struct import_tally *tally)
{
	to->without_password += tally->without_password;
	to->contacts += tally->contacts;
	to->requests += tally->requests;
	to->messages += tally->messages;
	to->vcards += tally->vcards;
	to->privates += tally->privates;
}
