/* SPDX-License-Identifier: MIT */
/* For the tests of nads: equality, random trees, short ways to read and print. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "xml/parser.h"
#include "xml/tree.h"

static inline struct nad *read_tree(const char *text)
{
	static const struct xml_limits limits = {
		.stanza_bytes = 1 << 20, .depth = 1000, .attributes = 1000};

	return xml_parse(slice_of(text), &limits);
}

static inline void assert_slices(struct slice a, struct slice b)
{
	if (!slice_equal(a, b))
		fail_msg("'%.*s' is not '%.*s'", (int)a.len, a.data, (int)b.len, b.data);
}

static inline void assert_slice(struct slice slice, const char *text)
{
	assert_slices(slice, slice_of(text));
}

/* Attributes as a set: each of a's is in b, and there are as many. */
static inline void assert_attrs(const struct nad *a, int at, const struct nad *b, int bt)
{
	struct nad_attr attr, found;
	int count = 0;

	for (int i = -1; nad_attr_next(a, at, &i, &attr); count++) {
		bool same = false;

		for (int j = -1; !same && nad_attr_next(b, bt, &j, &found);)
			same = slice_equal(attr.uri, found.uri) &&
			       slice_equal(attr.name, found.name);
		if (!same)
			fail_msg("attribute %.*s is lost", (int)attr.name.len, attr.name.data);
		assert_slices(found.value, attr.value);
	}
	for (int j = -1; nad_attr_next(b, bt, &j, &found);)
		count--;
	assert_int_equal(count, 0);
}

/* The subtrees mean the same: prefixes and the order of attributes do not count. Their tails are
 * outside. */
static inline void assert_trees(const struct nad *a, int at, const struct nad *b, int bt)
{
	int end = tree_end(a, at), root = at;
	unsigned up = nad_depth(a, at), down = nad_depth(b, bt);

	assert_int_equal(end - at, tree_end(b, bt) - bt);
	for (; at < end; at++, bt++) {
		assert_int_equal(nad_depth(a, at) - up, nad_depth(b, bt) - down);
		assert_slices(nad_name(a, at), nad_name(b, bt));
		assert_slices(nad_ns(a, at), nad_ns(b, bt));
		assert_slices(nad_cdata(a, at), nad_cdata(b, bt));
		if (at != root)
			assert_slices(tree_slice(a, a->elems[at].tail),
				      tree_slice(b, b->elems[bt].tail));
		assert_attrs(a, at, b, bt);
	}
}

static inline unsigned pick(uint64_t *seed, unsigned below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*seed >> 33) % below;
}

static inline void random_attrs(struct nad *nad, int elem, int spaces, uint64_t *seed)
{
	static const char *const names[] = {"x", "y", "lang", "to"};
	static const char *const values[] = {
		"", "v", "it's \"q\" <&>", "a\tb\nc\rd", "\xC3\xBC\xF0\x9F\x93\xB1", "]]>"};
	static const char *const uris[] = {NULL, "u:1", "u:4", XML_NS_URI};

	for (unsigned count = pick(seed, 4); count > 0; count--) {
		int ns = spaces && pick(seed, 2) ? (int)pick(seed, (unsigned)spaces) : -1;
		const char *name = names[pick(seed, 4)], *value = values[pick(seed, 6)];
		struct slice uri = tree_uri(nad, ns), have;
		char text[16];

		snprintf(text, sizeof(text), "%.*s", (int)uri.len, uri.len ? uri.data : "");
		if (pick(seed, 3) == 0)
			nad_set_attr(nad, elem, uris[pick(seed, 4)], name,
				     pick(seed, 5) ? value : NULL);
		else if (!nad_attr(nad, elem, text, name, &have))
			nad_append_attr(nad, ns, name, slice_of(value));
	}
}

/*
 * A tree with all that the functions allow: shadowed and unused declarations, namespaces used out
 * of their scope, attributes in default namespaces, mixed text.
 */
static inline struct nad *random_tree(uint64_t seed)
{
	static const char *const uris[] = {"u:1", "u:2", "u:3", "jabber:client", "u:it's"};
	static const char *const prefixes[] = {NULL, "a", "b", "n", "nn"};
	static const char *const names[] = {"message", "body", "x", "y"};
	static const char *const texts[] = {"",	   "text",	   " ",	      "<&>'\"\r\n\t",
					    "]]>", "\xE2\x82\xAC", "\xC2\x85"};
	struct nad *nad = nad_new();
	unsigned depth = 0, elems = 1 + pick(&seed, 12);

	for (unsigned made = 0; made < elems; made++) {
		int ns = -1, elem;

		for (unsigned count = pick(&seed, 3); count > 0; count--)
			nad_add_namespace(nad, uris[pick(&seed, 5)], prefixes[pick(&seed, 5)]);
		if (nad->used.spaces && pick(&seed, 4))
			ns = (int)pick(&seed, nad->used.spaces);
		elem = pick(&seed, 4) ? nad_append_elem(nad, ns, names[pick(&seed, 4)], depth)
				      : nad_append(nad, uris[pick(&seed, 5)], names[pick(&seed, 4)],
						   depth);
		random_attrs(nad, elem, (int)nad->used.spaces, &seed);
		for (unsigned count = pick(&seed, 3); count > 0; count--)
			nad_append_cdata(nad, slice_of(texts[pick(&seed, 7)]),
					 1 + pick(&seed, depth + 1));
		depth = 1 + pick(&seed, depth + 1);
	}
	return nad;
}
