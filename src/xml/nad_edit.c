/* SPDX-License-Identifier: MIT */
/* Copying trees and changing attributes. */
#include "xml/tree.h"

#include <assert.h>
#include "base/mem.h"

static void copy_attrs(struct nad *nad, int made, const struct nad *from, int elem)
{
	int at = from->elems[elem].first_attr;

	for (; at >= 0; at = from->attrs[at].next) {
		struct tree_attr attr = from->attrs[at];
		int ns = tree_attr_scope(nad, made, tree_uri(from, attr.ns),
					 tree_prefix(from, attr.ns));

		tree_append_attr(nad, made, ns, tree_slice(from, attr.name),
				 tree_slice(from, attr.value));
	}
}

/* One element with its declarations, attributes and first text. */
static int copy_elem(struct nad *nad, const struct nad *from, int elem, unsigned depth)
{
	int space = from->elems[elem].spaces, ns = from->elems[elem].ns, made;

	for (; space >= 0; space = from->spaces[space].next)
		tree_add_space(nad, tree_uri(from, space), tree_prefix(from, space));
	made = tree_append_elem(nad, TREE_NONE, nad_name(from, elem), depth);
	ns = tree_scope(nad, made, tree_uri(from, ns), tree_prefix(from, ns));
	nad->elems[made].ns = ns;
	copy_attrs(nad, made, from, elem);
	if (from->elems[elem].text.len)
		nad_append_cdata(nad, nad_cdata(from, elem), depth + 1);
	return made;
}

/* Text behind an element stands behind all that is in it: the tails of what ends before the next
 * element. */
static void copy_tails(struct nad *nad, const struct nad *from, int root, int last, int next,
		       unsigned depth)
{
	int stop = next < 0 ? root : from->elems[next].parent;

	for (int at = last; at != stop && at != root; at = from->elems[at].parent) {
		struct tree_span tail = from->elems[at].tail;

		if (tail.len)
			nad_append_cdata(nad, tree_slice(from, tail),
					 depth + from->elems[at].depth - from->elems[root].depth);
	}
}

int nad_append_tree(struct nad *nad, const struct nad *from, int elem, unsigned depth)
{
	AUTO(nad_free) struct nad *apart = from == nad ? nad_copy(from, elem) : NULL;
	int end, made = (int)nad->used.elems;
	unsigned base;

	if (apart) {
		from = apart;
		elem = 0;
	}
	base = from->elems[elem].depth;
	end = tree_end(from, elem);
	for (int at = elem; at < end; at++) {
		copy_elem(nad, from, at, depth + from->elems[at].depth - base);
		copy_tails(nad, from, elem, at, at + 1 < end ? at + 1 : -1, depth);
	}
	return made;
}

struct nad *nad_copy(const struct nad *nad, int elem)
{
	struct nad *copy = nad_new();

	nad_append_tree(copy, nad, elem, 0);
	return copy;
}

static bool is_it(const void *arg, const struct nad *nad, int child)
{
	return child == *(const int *)arg;
}

struct nad *nad_copy_without(const struct nad *nad, int child)
{
	return nad_copy_unless(nad, is_it, &child);
}

struct nad *nad_copy_unless(const struct nad *nad, bool (*goes)(const void *arg, const struct nad *nad, int child), const void *arg)
{
	struct nad *copy = nad_new();

	copy_elem(copy, nad, 0, 0);
	for (int at = nad_first_child(nad, 0); at >= 0; at = nad_next_sibling(nad, at)) {
		if (!goes(arg, nad, at))
			nad_append_tree(copy, nad, at, 1);
		if (nad->elems[at].tail.len)
			nad_append_cdata(copy, tree_slice(nad, nad->elems[at].tail), 1);
	}
	return copy;
}

static void unlink_attr(struct nad *nad, int elem, int attr, int previous)
{
	struct tree_elem *owner = &nad->elems[elem];
	int next = nad->attrs[attr].next;

	if (previous >= 0)
		nad->attrs[previous].next = next;
	else
		owner->first_attr = next;
	if (owner->last_attr == attr)
		owner->last_attr = previous;
}

void nad_set_attr(struct nad *nad, int elem, const char *uri, const char *name, const char *value)
{
	struct slice wanted = slice_of(uri), named = slice_of(name), text = slice_of(value),
		     none = {NULL, 0};
	int attr = nad->elems[elem].first_attr, previous = TREE_NONE;

	assert(!nad_is_shared(nad));
	for (; attr >= 0; previous = attr, attr = nad->attrs[attr].next) {
		if (slice_equal(tree_slice(nad, nad->attrs[attr].name), named) &&
		    slice_equal(tree_uri(nad, nad->attrs[attr].ns), wanted))
			break;
	}
	if (attr >= 0 && value) {
		struct tree_span span = tree_add_text(nad, text);

		nad->attrs[attr].value = span;
	} else if (attr >= 0) {
		unlink_attr(nad, elem, attr, previous);
	} else if (value) {
		tree_append_attr(nad, elem, tree_attr_scope(nad, elem, wanted, none), named, text);
	}
}

void nad_rename_namespace(struct nad *nad, const char *from, const char *to)
{
	struct tree_span uri = {0, 0};

	assert(!nad_is_shared(nad));
	for (uint32_t at = 0; at < nad->used.spaces; at++) {
		if (!slice_is(tree_slice(nad, nad->spaces[at].uri), from))
			continue;
		if (!uri.len)
			uri = tree_add_text(nad, slice_of(to));
		nad->spaces[at].uri = uri;
	}
}

void nad_wipe(struct nad *nad, struct slice text)
{
	size_t at = text.len ? (size_t)(text.data - nad->text) : 0;

	assert(at + text.len <= nad->used.text);
	mem_wipe(nad->text + at, text.len);
}
