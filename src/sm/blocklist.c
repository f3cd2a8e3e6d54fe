/* SPDX-License-Identifier: MIT */
/* Lists of blocked addresses, and requests to change them. */
#include "sm/blocklist.h"

#include <string.h>
#include "base/mem.h"
#include "base/table.h"
#include "jid/jid.h"
#include "stanza/ns.h"
#include "xml/nad.h"

/* Where it stands, or would stand. */
static unsigned place_of(const struct blocklist *list, struct slice text)
{
	unsigned low = 0, high = list->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (slice_compare(jid_full(list->items[middle].jid), text) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct blocked *find(const struct blocklist *list, struct slice text)
{
	unsigned at = place_of(list, text);

	return at < list->count && slice_equal(jid_full(list->items[at].jid), text) ? &list->items[at] : NULL;
}

struct blocked *blocklist_find(const struct blocklist *list, const struct jid *jid)
{
	return find(list, jid_full(jid));
}

struct blocked *blocklist_put(struct blocklist *list, struct jid *jid)
{
	unsigned at = place_of(list, jid_full(jid));
	struct blocked *item = blocklist_find(list, jid);

	if (item)
		return item;
	if (list->count == list->cap) {
		list->cap = list->cap ? (uint16_t)(list->cap * 2) : 2;
		list->items = mem_realloc(MEM_USER, list->items, list->cap * sizeof(*list->items));
	}
	item = &list->items[at];
	memmove(item + 1, item, (list->count - at) * sizeof(*item));
	*item = (struct blocked){.jid = jid_ref(jid), .wanted = true};
	list->count++;
	return item;
}

uint64_t blocklist_sum(const struct blocklist *list)
{
	static const struct hash_key anybody = {0};
	uint64_t sum = 0;

	for (unsigned at = 0; at < list->count; at++) {
		if (list->items[at].kept)
			sum += hash_bytes(anybody, jid_full(list->items[at].jid));
	}
	return sum | 1;
}

void blocklist_fini(struct blocklist *list)
{
	while (list->count)
		jid_free(&list->items[--list->count].jid);
	mem_free(list->items);
	*list = (struct blocklist){0};
}

void blocklist_del(struct blocklist *list, struct blocked *item)
{
	jid_free(&item->jid);
	list->count--;
	memmove(item, item + 1, (size_t)(list->items + list->count - item) * sizeof(*item));
	if (!list->count)
		blocklist_fini(list);
}

bool blocklist_keeps(const struct blocklist *list, const struct jid *jid)
{
	const struct blocked *item = blocklist_find(list, jid);

	return item && item->kept;
}

static bool has(const struct blocklist *list, struct slice text, bool kept)
{
	const struct blocked *item = find(list, text);

	return item && (kept ? item->kept : item->wanted);
}

/* An item DOMAIN/RESOURCE names that address alone, and nobody's resource. */
bool blocklist_matches(const struct blocklist *list, const struct jid *jid, bool kept)
{
	return list->count && (has(list, jid_full(jid), kept) || has(list, jid_user(jid), kept) ||
			       has(list, jid_domain(jid), kept));
}

struct jid *blocklist_reached(struct jid *item, struct jid *who)
{
	if (jid_equal(item, who) || slice_equal(jid_full(item), jid_user(who)) ||
	    slice_equal(jid_full(item), jid_domain(who)))
		return who;
	return jid_is_bare(who) && jid_equal_bare(item, who) ? item : NULL;
}

/* -- requests -- */

static int add(struct blocklist_request *request, const struct nad *nad, int item)
{
	struct slice text;
	struct jid *jid;

	if (!nad_attr(nad, item, NULL, "jid", &text))
		return BLOCKLIST_BAD;
	jid = jid_parse(text);
	if (!jid)
		return BLOCKLIST_MALFORMED;
	request->jids = mem_realloc(MEM_USER, request->jids, (request->count + 1) * sizeof(*request->jids));
	request->jids[request->count++] = jid;
	return 0;
}

int blocklist_request_read(const struct nad *nad, int elem, struct blocklist_request *request)
{
	int item = nad_find_child(nad, elem, NS_BLOCKING, "item");
	int rc = item < 0 && nad_first_child(nad, elem) >= 0 ? BLOCKLIST_BAD : 0;

	for (; !rc && item >= 0; item = nad_find_next(nad, item, NS_BLOCKING, "item"))
		rc = add(request, nad, item);
	return rc;
}

void blocklist_request_fini(struct blocklist_request *request)
{
	while (request->count)
		jid_free(&request->jids[--request->count]);
	mem_free(request->jids);
	request->jids = NULL;
}
