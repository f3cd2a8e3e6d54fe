/* SPDX-License-Identifier: MIT */
/*
 * The arrays of a nad, for the files of this folder: links are indexes, text is offsets. The arrays
 * stand in one block: at first in the room behind the struct, so that a usual stanza is one
 * allocation.
 */
#pragma once

#include "xml/nad.h"

#define XML_NS_URI "http://www.w3.org/XML/1998/namespace"

enum {
	TREE_NONE = -1,
	TREE_XML = -2, /* the namespace of xml:lang: never declared, takes no text */
};

struct tree_span {
	uint32_t at, len;
};

struct tree_elem {
	int32_t parent, next; /* next sibling */
	uint32_t depth;
	int32_t ns;	/* its own namespace */
	int32_t spaces; /* first declaration made here */
	int32_t first_attr, last_attr;
	struct tree_span name, text, tail; /* tail: the text behind the end tag */
};

struct tree_attr {
	int32_t ns, next;
	struct tree_span name, value;
};

struct tree_space {
	struct tree_span uri, prefix;
	int32_t next; /* of the same element */
};

struct tree_counts {
	uint32_t elems, attrs, spaces, text;
};

struct nad {
	struct tree_elem *elems;
	struct tree_attr *attrs;
	struct tree_space *spaces;
	char *text;
	struct tree_counts used, cap;
	int32_t pending; /* declarations that wait for the next element */
	uint32_t refs;
	bool shared, was_printed;
	void *block;	    /* NULL while the room suffices */
	struct buf printed; /* the root's inside, when it was printed twice */
	_Alignas(8) char room[];
};

static inline struct slice tree_slice(const struct nad *nad, struct tree_span span)
{
	return (struct slice){nad->text + span.at, span.len};
}

static inline struct slice tree_uri(const struct nad *nad, int ns)
{
	if (ns >= 0)
		return tree_slice(nad, nad->spaces[ns].uri);
	return ns == TREE_XML ? SLICE(XML_NS_URI) : (struct slice){NULL, 0};
}

static inline struct slice tree_prefix(const struct nad *nad, int ns)
{
	if (ns >= 0)
		return tree_slice(nad, nad->spaces[ns].prefix);
	return ns == TREE_XML ? SLICE("xml") : (struct slice){NULL, 0};
}

/* The first element behind the subtree, or the count. */
int tree_end(const struct nad *nad, int elem);

/* What the public functions do, by slices. */
struct tree_span tree_add_text(struct nad *nad, struct slice bytes);
int tree_add_space(struct nad *nad, struct slice uri, struct slice prefix);
int tree_append_elem(struct nad *nad, int ns, struct slice name, unsigned depth);
void tree_append_attr(struct nad *nad, int elem, int ns, struct slice name, struct slice value);

/* The namespace by this uri and prefix as elem sees it; declared on elem unless it is in scope. */
int tree_scope(struct nad *nad, int elem, struct slice uri, struct slice prefix);

/* The same for an attribute. Without a prefix to use it is declared nowhere and printing finds one.
 */
int tree_attr_scope(struct nad *nad, int elem, struct slice uri, struct slice prefix);

/* Escapes so that reading gives the same bytes; what XML cannot carry becomes U+FFFD. */
void tree_print_text(struct buf *out, struct slice text);
void tree_print_value(struct buf *out, struct slice text); /* of an attribute in single quotes */
