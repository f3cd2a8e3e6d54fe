/* SPDX-License-Identifier: MIT */
/* Contacts: a sorted array of items, each one block of memory. */
#include "sm/roster.h"

#include <string.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "sm/subscription.h"
#include "xml/nad.h"
#include "xml/parser.h"

/* -- items -- */

/* What an <item/> says, before there is an item. */
struct draft {
	struct slice name;
	struct slice groups[ROSTER_GROUPS_MAX];
	unsigned count;
};

static bool has_group(const struct draft *draft, struct slice group)
{
	for (unsigned at = 0; at < draft->count; at++) {
		if (slice_equal(draft->groups[at], group))
			return true;
	}
	return false;
}

static int read_groups(const struct nad *nad, int elem, struct draft *draft)
{
	for (int at = nad_first_child(nad, elem); at >= 0; at = nad_next_sibling(nad, at)) {
		struct slice group = nad_cdata(nad, at);

		if (!slice_is(nad_name(nad, at), "group"))
			continue;
		if (group.len == 0 || group.len > ROSTER_TEXT_MAX ||
		    draft->count == ROSTER_GROUPS_MAX)
			return ROSTER_UNACCEPTABLE;
		if (has_group(draft, group))
			return ROSTER_BAD;
		draft->groups[draft->count++] = group;
	}
	return 0;
}

static bool is_true(struct slice boolean)
{
	return slice_is(boolean, "true") || slice_is(boolean, "1");
}

static unsigned read_subscription(const struct nad *nad, int elem)
{
	static const struct {
		const char *word;
		unsigned state;
	} words[] = {
		{"to", SUBSCRIPTION_TO}, {"from", SUBSCRIPTION_FROM}, {"both", SUBSCRIPTION_BOTH}};
	struct slice word = nad_attr_value(nad, elem, "subscription");
	unsigned state =
		slice_is(nad_attr_value(nad, elem, "ask"), "subscribe") ? SUBSCRIPTION_ASK : 0;

	for (unsigned at = 0; at < countof(words); at++) {
		if (slice_is(word, words[at].word))
			state |= words[at].state;
	}
	if (state & SUBSCRIPTION_FROM)
		return state; /* some servers keep the approval of who has what was approved */
	return is_true(nad_attr_value(nad, elem, "approved")) ? state | SUBSCRIPTION_APPROVED : state;
}

static char *put_text(char *at, struct slice text)
{
	if (text.len)
		memcpy(at, text.data, text.len);
	at[text.len] = '\0';
	return at + text.len + 1;
}

static struct roster_item *make(struct jid *jid, const struct draft *draft, unsigned subscription)
{
	size_t size = draft->name.len + 1;
	struct roster_item *item;
	char *at;

	for (unsigned group = 0; group < draft->count; group++)
		size += draft->groups[group].len + 1;
	item = mem_alloc(MEM_ROSTER, sizeof(*item) + size);
	item->jid = jid_bare(jid);
	item->subscription = (uint8_t)subscription;
	item->groups = (uint8_t)draft->count;
	at = put_text(item->texts, draft->name);
	for (unsigned group = 0; group < draft->count; group++)
		at = put_text(at, draft->groups[group]);
	return item;
}

struct roster_item *roster_item_new(struct jid *jid, unsigned subscription)
{
	struct draft draft = {.count = 0};

	return make(jid, &draft, subscription);
}

int roster_item_read(const struct nad *nad, int elem, struct roster_item **item)
{
	struct draft draft = {.name = nad_attr_value(nad, elem, "name")};
	AUTO(jid_free) struct jid *jid = jid_parse(nad_attr_value(nad, elem, "jid"));
	int rc;

	if (!jid)
		return ROSTER_BAD;
	if (draft.name.len > ROSTER_TEXT_MAX)
		return ROSTER_UNACCEPTABLE;
	rc = read_groups(nad, elem, &draft);
	if (rc)
		return rc;
	*item = make(jid, &draft, read_subscription(nad, elem));
	return 0;
}

void roster_item_free(struct roster_item **item)
{
	if (!*item)
		return;
	jid_free(&(*item)->jid);
	mem_free(*item);
	*item = NULL;
}

struct slice roster_item_name(const struct roster_item *item)
{
	return slice_of(item->texts);
}

struct slice roster_item_group(const struct roster_item *item, unsigned at)
{
	const char *text = item->texts + strlen(item->texts) + 1;

	for (; at; at--)
		text += strlen(text) + 1;
	return slice_of(text);
}

const char *roster_item_subscription(const struct roster_item *item)
{
	static const char *const words[] = {"none", "to", "from", "both"};

	return words[item->subscription & SUBSCRIPTION_BOTH];
}

void roster_item_append(const struct roster_item *item, const char *uri, struct nad *nad,
			unsigned depth)
{
	const char *text = item->texts + strlen(item->texts) + 1;

	if (uri)
		nad_append(nad, uri, "item", depth);
	else
		nad_append_elem(nad, -1, "item", depth);
	nad_append_attr(nad, -1, "jid", jid_full(item->jid));
	if (*item->texts)
		nad_append_attr(nad, -1, "name", roster_item_name(item));
	nad_append_attr(nad, -1, "subscription",
			slice_of(roster_item_subscription(item)));
	if (item->subscription & SUBSCRIPTION_ASK)
		nad_append_attr(nad, -1, "ask", SLICE("subscribe"));
	if (item->subscription & SUBSCRIPTION_APPROVED)
		nad_append_attr(nad, -1, "approved", SLICE("true"));
	for (unsigned at = 0; at < item->groups; at++) {
		if (uri)
			nad_append(nad, uri, "group", depth + 1);
		else
			nad_append_elem(nad, -1, "group", depth + 1);
		nad_append_cdata(nad, slice_of(text), depth + 2);
		text += strlen(text) + 1;
	}
}

void roster_item_print(const struct roster_item *item, struct buf *out)
{
	AUTO(nad_free) struct nad *nad = nad_new();

	roster_item_append(item, NULL, nad, 0);
	nad_print(nad, 0, NULL, out);
}

struct roster_item *roster_item_parse(struct slice text)
{
	static const struct xml_limits limits = {
		.stanza_bytes = 1 << 20, .depth = 8, .attributes = 16};
	AUTO(nad_free) struct nad *nad = xml_parse(text, &limits);
	struct roster_item *item = NULL;

	if (nad)
		roster_item_read(nad, 0, &item);
	return item;
}

/* -- the set -- */

/* Where an address is, or would be. */
static unsigned place(const struct roster *roster, struct slice user, bool *found)
{
	unsigned low = 0, high = roster->count;

	*found = false;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		int order = slice_compare(jid_user(roster->items[middle]->jid), user);

		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct roster_item *roster_find(const struct roster *roster, const struct jid *jid)
{
	bool found;
	unsigned at = place(roster, jid_user(jid), &found);

	return found ? roster->items[at] : NULL;
}

static void grow(struct roster *roster)
{
	if (roster->count < roster->cap)
		return;
	roster->cap = roster->cap ? roster->cap * 2 : 4;
	roster->items =
		mem_realloc(MEM_ROSTER, roster->items, roster->cap * sizeof(struct roster_item *));
}

enum { ITEM_BYTES = 100, GROUP_BYTES = 17 }; /* tags and attributes */

static size_t printed_len(struct slice text)
{
	size_t len = text.len;

	for (size_t at = 0; at < text.len; at++)
		len += strchr("&<>'\"\r", text.data[at]) ? sizeof("&quot;") - 2 : 0;
	return len;
}

static size_t weight(const struct roster_item *item)
{
	size_t bytes = ITEM_BYTES + printed_len(jid_user(item->jid)) + printed_len(roster_item_name(item));

	for (unsigned at = 0; at < item->groups; at++)
		bytes += GROUP_BYTES + printed_len(roster_item_group(item, at));
	return bytes;
}

bool roster_has_room(const struct roster *roster, const struct roster_item *item)
{
	bool found;
	unsigned at = place(roster, jid_user(item->jid), &found);
	size_t before = found ? weight(roster->items[at]) : 0, now = weight(item);

	return (found || roster->count < ROSTER_MAX) && (now <= before || roster->bytes + now - before <= ROSTER_BYTES_MAX);
}

bool roster_put(struct roster *roster, struct roster_item **item)
{
	bool found;
	unsigned at = place(roster, jid_user((*item)->jid), &found);

	if (!roster_has_room(roster, *item)) {
		roster_item_free(item);
		return false;
	}
	roster->bytes += weight(*item);
	if (found) {
		roster->bytes -= weight(roster->items[at]);
		roster_item_free(&roster->items[at]);
	} else {
		grow(roster);
		memmove(roster->items + at + 1, roster->items + at,
			(roster->count - at) * sizeof(struct roster_item *));
		roster->count++;
	}
	roster->items[at] = *item;
	*item = NULL;
	return true;
}

void roster_del(struct roster *roster, const struct jid *jid)
{
	bool found;
	unsigned at = place(roster, jid_user(jid), &found);

	if (!found)
		return;
	roster->bytes -= weight(roster->items[at]);
	roster_item_free(&roster->items[at]);
	roster->count--;
	memmove(roster->items + at, roster->items + at + 1,
		(roster->count - at) * sizeof(struct roster_item *));
}

void roster_fini(struct roster *roster)
{
	for (unsigned at = 0; at < roster->count; at++)
		roster_item_free(&roster->items[at]);
	mem_free(roster->items);
	*roster = (struct roster){0};
}
