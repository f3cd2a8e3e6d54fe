/* SPDX-License-Identifier: MIT */
/* Parsers to lend, by the root that stands open in them. */
#pragma once

#include "xml/builder.h"

/* What of a stream's header matters to what stands in it: the root's name and the namespaces
 * declared there. */
struct context {
	uint32_t readers;
	bool known; /* to the pool; else no idle parser stands in it */
	size_t len;
	char root[]; /* a start tag */
};

/* The context that a header makes, counted; NULL when its namespaces are too long to keep. */
struct context *pool_context(struct xml_pool *pool, const struct nad *header);
struct context *pool_context_of(struct xml_pool *pool, struct slice root); /* that another pool made */
void pool_leave(struct xml_pool *pool, struct context **context);

/* A parser that stands behind the root of context; context NULL: at the beginning. */
struct builder *pool_borrow(struct xml_pool *pool, struct context *context, enum builder_mode mode);
/* At rest, or its root is closed: may be kept for the next. */
void pool_return(struct xml_pool *pool, struct builder **builder);
/* Not at rest. */
void pool_discard(struct xml_pool *pool, struct builder **builder);
