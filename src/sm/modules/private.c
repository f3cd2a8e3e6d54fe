/* SPDX-License-Identifier: MIT */
/* Private XML storage, XEP-0049: elements of a user, read and written in storage when they are asked for. */
#include <string.h>
#include "jid/jid.h"
#include "sm/kept.h"
#include "sm/modules/modules.h"
#include "sm/user.h"
#include "storage/storage.h"
#include "xml/nad.h"

enum { ELEMENTS_MAX = 100, ELEMENT_BYTES_MAX = 64 * 1024 };

/* -- what is asked for -- */

static bool begins_with(struct slice text, const char *start)
{
	return text.len >= strlen(start) && memcmp(text.data, start, strlen(start)) == 0;
}

/* No namespace is not a proper one either. */
static bool is_reserved(struct slice ns)
{
	return !ns.len || slice_is(ns, NS_VCARD) || begins_with(ns, "jabber:") || begins_with(ns, "http://jabber.org/");
}

static bool is_same(const struct nad *nad, int elem, int other)
{
	return slice_equal(nad_ns(nad, elem), nad_ns(nad, other)) && slice_equal(nad_name(nad, elem), nad_name(nad, other));
}

/* One that would take the place of one before it, which was said to be stored. */
static bool is_there_twice(const struct nad *nad, int first, int elem)
{
	for (int at = first; at != elem; at = nad_next_sibling(nad, at)) {
		if (is_same(nad, at, elem))
			return true;
	}
	return false;
}

static bool is_too_long(const struct nad *nad, int elem)
{
	AUTO(buf_fini) struct buf text = {0};

	nad_print(nad, elem, NULL, &text);
	return buf_used(&text) > ELEMENT_BYTES_MAX;
}

static int first_of(const struct stanza *stanza)
{
	return nad_first_child(stanza->payload, stanza_find(stanza, NS_PRIVATE, "query"));
}

/* Returns false with the error. A get is of one namespace. */
static bool check(const struct stanza *stanza, enum stanza_error *error)
{
	const struct nad *nad = stanza->payload;
	int first = first_of(stanza);
	unsigned count = 0;

	*error = STANZA_NOT_ACCEPTABLE;
	for (int at = first; at >= 0; at = nad_next_sibling(nad, at)) {
		if (++count > ELEMENTS_MAX || is_too_long(nad, at)) {
			*error = STANZA_POLICY_VIOLATION;
			return false;
		}
		if (is_reserved(nad_ns(nad, at)) || is_there_twice(nad, first, at))
			return false;
		if (stanza->type == STANZA_GET && !slice_equal(nad_ns(nad, at), nad_ns(nad, first)))
			return false;
	}
	return count > 0;
}

/* -- reading -- */

/* What was never stored is answered as it was asked for. */
static int answer(void *state, const struct sm_event *event, const struct store_txn *txn)
{
	const struct nad *asked = event->stanza->payload;
	struct stanza *result = stanza_result(event->stanza);
	unsigned op = 0;

	nad_append(result->payload, NS_PRIVATE, "query", 1);
	for (int at = first_of(event->stanza); at >= 0; at = nad_next_sibling(asked, at)) {
		AUTO(nad_free) struct nad *kept = NULL;
		size_t count;
		const struct store_row *rows = store_rows(txn, op++, &count);

		kept = count ? sm_element_parse(event->sm, rows[0].value) : NULL;
		nad_append_tree(result->payload, kept ? kept : asked, kept ? 0 : at, 2);
	}
	return sm_reply(event, &result);
}

static int get(void *state, const struct sm_event *event)
{
	const struct nad *nad = event->stanza->payload;
	struct store_txn *txn;
	enum stanza_error error;

	if (!account_is_own(event))
		return SM_PASS;
	if (!check(event->stanza, &error))
		return sm_reply_error(event, error);
	txn = store_txn_new();
	for (int at = first_of(event->stanza); at >= 0; at = nad_next_sibling(nad, at)) {
		AUTO(buf_fini) struct buf item = {0};

		kept_private_item(nad, at, &item);
		store_get(txn, STORE_PRIVATE, jid_user(event->user->jid), buf_slice(&item));
	}
	return sm_read(event, &txn, answer, state);
}

/* -- writing -- */

static int stored(void *state, const struct sm_event *event, unsigned note)
{
	return sm_reply_result(event);
}

/* One with nothing in it is answered as if there were none: then it need not be there. */
static bool is_empty(const struct nad *nad, int elem)
{
	struct nad_attr attr;
	int at = -1;

	return nad_first_child(nad, elem) < 0 && !nad_cdata(nad, elem).len && !nad_attr_next(nad, elem, &at, &attr);
}

static void keep(struct store_txn *txn, struct jid *user, const struct nad *nad, int elem)
{
	AUTO(buf_fini) struct buf item = {0};

	if (!is_empty(nad, elem)) {
		kept_private(txn, user, nad, elem);
		return;
	}
	kept_private_item(nad, elem, &item);
	store_del(txn, STORE_PRIVATE, jid_user(user), buf_slice(&item));
}

static int set(void *state, const struct sm_event *event)
{
	const struct nad *nad = event->stanza->payload;
	struct sm_commit commit = {.committed = stored, .state = state};
	enum stanza_error error;

	if (!account_is_own(event))
		return SM_PASS;
	if (!check(event->stanza, &error))
		return sm_reply_error(event, error);
	commit.txn = store_txn_new();
	for (int at = first_of(event->stanza); at >= 0; at = nad_next_sibling(nad, at))
		keep(commit.txn, event->user->jid, nad, at);
	store_most(commit.txn, STORE_PRIVATE, jid_user(event->user->jid), ELEMENTS_MAX);
	return sm_commit(event, &commit);
}

/* What the owner's sessions ask never comes by the router, whatever it says. */
static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_IQ_GET, NS_PRIVATE, "query", SM_NORMAL, get},
	{SM_IN_SESS, STANZA_IQ_SET, NS_PRIVATE, "query", SM_NORMAL, set},
	{SM_IN_ROUTER, STANZA_IQ_GET, NS_PRIVATE, "query", SM_NORMAL, account_forbid},
	{SM_IN_ROUTER, STANZA_IQ_SET, NS_PRIVATE, "query", SM_NORMAL, account_forbid},
	{.run = NULL},
};

const struct sm_module sm_private = {
	.name = "private",
	.features = {NS_PRIVATE},
	.account_features = {NS_PRIVATE},
	.hooks = hooks,
};
