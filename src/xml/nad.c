/* SPDX-License-Identifier: MIT */
/* A nad's memory and the building of it. */
#include "xml/nad.h"

#include <assert.h>
#include "base/mem.h"
#include "xml/tree.h"

/* Room for a chat message with the usual additions. */
static const struct tree_counts inline_room = {.elems = 8, .attrs = 8, .spaces = 4, .text = 400};

static size_t block_size(struct tree_counts cap)
{
	return (size_t)cap.elems * sizeof(struct tree_elem) +
	       (size_t)cap.attrs * sizeof(struct tree_attr) +
	       (size_t)cap.spaces * sizeof(struct tree_space) + cap.text;
}

static void point(struct nad *nad, char *block, struct tree_counts cap)
{
	nad->elems = (struct tree_elem *)block;
	nad->attrs = (struct tree_attr *)(nad->elems + cap.elems);
	nad->spaces = (struct tree_space *)(nad->attrs + cap.attrs);
	nad->text = (char *)(nad->spaces + cap.spaces);
	nad->cap = cap;
}

static void copy_arrays(struct nad *nad, const struct nad *from)
{
	memcpy(nad->elems, from->elems, from->used.elems * sizeof(*from->elems));
	memcpy(nad->attrs, from->attrs, from->used.attrs * sizeof(*from->attrs));
	memcpy(nad->spaces, from->spaces, from->used.spaces * sizeof(*from->spaces));
	memcpy(nad->text, from->text, from->used.text);
	nad->used = from->used;
}

/* Moves all arrays into a new block; the old one is read until the end. */
static void grow(struct nad *nad, struct tree_counts cap)
{
	struct nad old = *nad;
	char *block = mem_alloc(MEM_NAD, block_size(cap));

	point(nad, block, cap);
	copy_arrays(nad, &old);
	mem_free(old.block);
	nad->block = block;
}

struct nad *nad_new(void)
{
	struct nad *nad = mem_alloc(MEM_NAD, sizeof(*nad) + block_size(inline_room));

	*nad = (struct nad){.pending = TREE_NONE, .refs = 1};
	point(nad, nad->room, inline_room);
	return nad;
}

struct nad *nad_ref(struct nad *nad)
{
	nad->shared = true;
	nad->refs++;
	return nad;
}

void nad_free(struct nad **nad)
{
	struct nad *gone = *nad;

	*nad = NULL;
	if (!gone)
		return;
	if (--gone->refs <= 1) {
		gone->was_printed = false; /* one who is alone need not keep it */
		buf_fini(&gone->printed);
	}
	if (gone->refs)
		return;
	mem_free(gone->block);
	mem_free(gone);
}

bool nad_is_shared(const struct nad *nad)
{
	return nad->shared;
}

size_t nad_weight(const struct nad *nad)
{
	size_t weight = sizeof(*nad) + block_size(inline_room) + nad->printed.cap;

	return nad->block ? weight + block_size(nad->cap) : weight;
}

size_t nad_packed_size(const struct nad *nad)
{
	return (sizeof(*nad) + block_size(nad->used) + 7) & ~(size_t)7;
}

struct nad *nad_pack(const struct nad *nad, void *piece)
{
	struct nad *packed = piece;

	*packed = (struct nad){.pending = TREE_NONE, .refs = 1};
	point(packed, packed->room, nad->used);
	copy_arrays(packed, nad);
	return packed;
}

static uint32_t most(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

struct nad *nad_unpack(const struct nad *packed)
{
	struct nad *nad = nad_new();
	struct tree_counts used = packed->used, cap = nad->cap;

	if (used.elems > cap.elems || used.attrs > cap.attrs || used.spaces > cap.spaces || used.text > cap.text)
		grow(nad, (struct tree_counts){most(used.elems, cap.elems), most(used.attrs, cap.attrs), most(used.spaces, cap.spaces), most(used.text, cap.text)});
	copy_arrays(nad, packed);
	return nad;
}

static uint32_t doubled(uint32_t cap, uint32_t needed)
{
	assert(needed <= INT32_MAX);
	return cap * 2 > needed ? cap * 2 : needed;
}

/* Makes room for len more bytes of text. *kept, which may be text of this nad, is still good
 * afterwards. */
static void reserve_text(struct nad *nad, size_t len, struct slice *kept)
{
	uintptr_t from = (uintptr_t)kept->data, base = (uintptr_t)nad->text;
	struct tree_counts cap = nad->cap;

	assert(len < INT32_MAX);
	if (len <= nad->cap.text - nad->used.text)
		return;
	cap.text = doubled(cap.text, nad->used.text + (uint32_t)len);
	grow(nad, cap);
	if (from >= base && from < base + nad->used.text)
		kept->data = nad->text + (from - base);
}

struct tree_span tree_add_text(struct nad *nad, struct slice bytes)
{
	struct tree_span span = {nad->used.text, (uint32_t)bytes.len};

	reserve_text(nad, bytes.len, &bytes);
	if (bytes.len)
		memcpy(nad->text + span.at, bytes.data, bytes.len);
	nad->used.text += span.len;
	return span;
}

/* Makes the span longer; in place when it is the last text. */
static struct tree_span extend(struct nad *nad, struct tree_span span, struct slice more)
{
	reserve_text(nad, span.len + more.len, &more);
	if (span.len && span.at + span.len != nad->used.text)
		span = tree_add_text(nad, tree_slice(nad, span));
	else if (!span.len)
		span.at = nad->used.text;
	span.len += tree_add_text(nad, more).len;
	return span;
}

static int new_space(struct nad *nad, struct slice uri, struct slice prefix)
{
	struct tree_space space = {.next = TREE_NONE};

	space.uri = tree_add_text(nad, uri);
	space.prefix = tree_add_text(nad, prefix);
	if (nad->used.spaces == nad->cap.spaces) {
		struct tree_counts cap = nad->cap;

		cap.spaces = doubled(cap.spaces, 0);
		grow(nad, cap);
	}
	nad->spaces[nad->used.spaces] = space;
	return (int)nad->used.spaces++;
}

/* Returns the declaration of this prefix in a list, or -1. */
static int find_prefix(const struct nad *nad, int list, struct slice prefix)
{
	while (list >= 0 && !slice_equal(tree_prefix(nad, list), prefix))
		list = nad->spaces[list].next;
	return list;
}

static void link_space(struct nad *nad, int32_t *list, int space)
{
	while (*list >= 0)
		list = &nad->spaces[*list].next;
	*list = space;
}

int tree_add_space(struct nad *nad, struct slice uri, struct slice prefix)
{
	int found = find_prefix(nad, nad->pending, prefix);

	if (!uri.len)
		return TREE_NONE; /* printing takes a default namespace back where it must */
	if (slice_is(uri, XML_NS_URI))
		return TREE_XML;
	if (found >= 0 && slice_equal(tree_uri(nad, found), uri))
		return found;
	found = new_space(nad, uri, prefix);
	link_space(nad, &nad->pending, found);
	return found;
}

int nad_add_namespace(struct nad *nad, const char *uri, const char *prefix)
{
	return tree_add_space(nad, slice_of(uri), slice_of(prefix));
}

int tree_scope(struct nad *nad, int elem, struct slice uri, struct slice prefix)
{
	int found = TREE_NONE;

	if (!uri.len)
		return TREE_NONE;
	if (slice_is(uri, XML_NS_URI))
		return TREE_XML;
	for (int at = elem; at >= 0; at = nad->elems[at].parent) {
		const struct tree_elem *here = &nad->elems[at];

		found = find_prefix(nad, here->spaces, prefix);
		if (found < 0 && at != elem && slice_equal(tree_prefix(nad, here->ns), prefix)) {
			if (here->ns < 0)
				break; /* the default namespace is none from here on */
			found = here->ns;
		}
		if (found >= 0)
			break;
	}
	if (found >= 0 && slice_equal(tree_uri(nad, found), uri))
		return found;
	found = new_space(nad, uri, prefix);
	link_space(nad, &nad->elems[elem].spaces, found);
	return found;
}

int tree_attr_scope(struct nad *nad, int elem, struct slice uri, struct slice prefix)
{
	if (prefix.len || !uri.len || slice_is(uri, XML_NS_URI))
		return tree_scope(nad, elem, uri, prefix);
	return new_space(nad, uri, prefix);
}

/* The last element at this depth on the way from the last element to the root, or -1. */
static int last_at(const struct nad *nad, unsigned depth)
{
	int elem = (int)nad->used.elems - 1;

	while (elem >= 0 && nad->elems[elem].depth > depth)
		elem = nad->elems[elem].parent;
	return elem >= 0 && nad->elems[elem].depth == depth ? elem : -1;
}

int tree_append_elem(struct nad *nad, int ns, struct slice name, unsigned depth)
{
	int parent = depth ? last_at(nad, depth - 1) : TREE_NONE;
	int previous = last_at(nad, depth), elem = (int)nad->used.elems;
	struct tree_elem made = {
		.parent = parent,
		.next = TREE_NONE,
		.depth = depth,
		.ns = ns,
		.spaces = nad->pending,
		.first_attr = TREE_NONE,
		.last_attr = TREE_NONE,
	};

	assert(!nad_is_shared(nad));
	assert(depth ? parent >= 0 : elem == 0); /* one root, and no depth left out */
	made.name = tree_add_text(nad, name);
	if (nad->used.elems == nad->cap.elems) {
		struct tree_counts cap = nad->cap;

		cap.elems = doubled(cap.elems, 0);
		grow(nad, cap);
	}
	nad->elems[elem] = made;
	nad->used.elems++;
	nad->pending = TREE_NONE;
	if (previous >= 0)
		nad->elems[previous].next = elem;
	return elem;
}

int nad_append_elem(struct nad *nad, int ns, const char *name, unsigned depth)
{
	return tree_append_elem(nad, ns, slice_of(name), depth);
}

void tree_append_attr(struct nad *nad, int elem, int ns, struct slice name, struct slice value)
{
	struct tree_attr made = {.ns = ns, .next = TREE_NONE};
	int attr = (int)nad->used.attrs;
	struct tree_elem *owner;

	assert(elem >= 0 && !nad_is_shared(nad));
	made.value = tree_add_text(nad, value); /* first: it may be text of this nad */
	made.name = tree_add_text(nad, name);
	if (nad->used.attrs == nad->cap.attrs) {
		struct tree_counts cap = nad->cap;

		cap.attrs = doubled(cap.attrs, 0);
		grow(nad, cap);
	}
	nad->attrs[attr] = made;
	nad->used.attrs++;
	owner = &nad->elems[elem];
	if (owner->last_attr >= 0)
		nad->attrs[owner->last_attr].next = attr;
	else
		owner->first_attr = attr;
	owner->last_attr = attr;
}

void nad_append_attr(struct nad *nad, int ns, const char *name, struct slice value)
{
	tree_append_attr(nad, (int)nad->used.elems - 1, ns, slice_of(name), value);
}

void nad_append_cdata(struct nad *nad, struct slice text, unsigned depth)
{
	int child = last_at(nad, depth), parent = depth ? last_at(nad, depth - 1) : TREE_NONE;
	struct tree_span span;

	assert(parent >= 0 && !nad_is_shared(nad));
	span = child >= 0 ? nad->elems[child].tail : nad->elems[parent].text;
	span = extend(nad, span, text);
	if (child >= 0)
		nad->elems[child].tail = span;
	else
		nad->elems[parent].text = span;
}

int nad_append(struct nad *nad, const char *uri, const char *name, unsigned depth)
{
	int elem = tree_append_elem(nad, TREE_NONE, slice_of(name), depth);
	int ns = tree_scope(nad, elem, slice_of(uri), (struct slice){NULL, 0});

	nad->elems[elem].ns = ns;
	return elem;
}

int nad_append_text(struct nad *nad, const char *uri, const char *name, unsigned depth,
		    struct slice text)
{
	uintptr_t from = (uintptr_t)text.data, base = (uintptr_t)nad->text;
	bool own = from >= base && from < base + nad->used.text;
	int elem = nad_append(nad, uri, name, depth);

	if (own) /* what was moved with all the rest */
		text.data = nad->text + (from - base);
	nad_append_cdata(nad, text, depth + 1);
	return elem;
}
