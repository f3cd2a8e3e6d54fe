/* SPDX-License-Identifier: MIT */
/* An expat parser that builds nads from whole tags. */
#pragma once

#include <expat.h>
#include "base/list.h"
#include "xml/parser.h"
#include "xml/tree.h"

struct context;

enum builder_mode {
	BUILDER_SKIP,	/* gives no nad */
	BUILDER_HEADER, /* the next start tag is the whole nad */
	BUILDER_TREE,	/* elements on the first level, or of a document, become nads */
};

struct builder {
	XML_Parser expat; /* NULL: the element is cut, the scanner alone finds its end */
	struct list link;	 /* among the pool's idle ones */
	struct context *context; /* whose root is open in it, or NULL */
	size_t total;	 /* bytes fed in its life: expat remembers every name that it ever saw */
	struct buf held; /* read and not fed yet: part of a tag and the text before it */

	struct nad *nad;
	unsigned depth;	 /* of open elements in nad */
	unsigned spaces; /* declared in nad's open elements */
	int fault;	 /* what a handler has refused, or 0 */
	size_t kept; /* what the nad may weigh before it is cut to its first start tag; 0: anything */
	struct tree_counts start; /* how much of it that is */
	uint8_t mode;
	bool cut;
	bool complete; /* nad is */
	bool root_closed;
};

struct builder *builder_new(enum builder_mode mode, uint64_t salt); /* salt: of the pool */
void builder_begin(struct builder *builder, enum builder_mode mode, uint64_t salt); /* again, as a new one: of one that is at rest, or whose root is closed */
void builder_free(struct builder **builder);

/* Returns XML_MORE or an error; bytes end where a tag ends. */
int builder_feed(struct builder *builder, struct slice bytes);

/* The nad, owned, if it is complete; else NULL. From now on elements become nads. */
struct nad *builder_take(struct builder *builder);
