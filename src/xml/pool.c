/* SPDX-License-Identifier: MIT */
/*
 * The pool keeps few idle parsers, the last used first, and last those that stand nowhere any more; who needs another begins again in
 * one of these, or, when there are as many as it keeps, in the one that nobody has needed for longest. Contexts that peers make up
 * beyond the known ones live with their streams and get a parser that begins again for each stanza, which costs them time and nobody
 * else memory.
 */
#include "xml/pool.h"

#include "base/mem.h"
#include "xml/tree.h"

enum {
	CONTEXTS = 16,
	IDLE_MAX = 8,
	ROOT_MAX_BYTES = 4096,
	/* Of text that one parser reads: bounds the names and buffers that it keeps. */
	LIFE_BYTES = 65536,
};

struct xml_pool {
	struct context *contexts[CONTEXTS];
	struct list idle;
	unsigned idle_count;
	size_t parsers;
	uint64_t salt;
};

struct xml_pool *xml_pool_new(void)
{
	struct xml_pool *pool = mem_zalloc(MEM_PARSER, sizeof(*pool));

	list_init(&pool->idle);
	return pool;
}

void xml_pool_set_salt(struct xml_pool *pool, uint64_t salt)
{
	pool->salt = salt;
}

size_t xml_pool_parsers(const struct xml_pool *pool)
{
	return pool->parsers;
}

void pool_discard(struct xml_pool *pool, struct builder **builder)
{
	if (!*builder)
		return;
	pool->parsers--;
	builder_free(builder);
}

/* Takes the parser out of the idle ones. */
static struct builder *take_idle(struct xml_pool *pool, struct list *link)
{
	struct builder *builder = container_of(link, struct builder, link);

	list_remove(link);
	pool->idle_count--;
	return builder;
}

/* A context without readers goes, with the parsers that stand in it. */
static void forget(struct xml_pool *pool, struct context **slot)
{
	struct list *link = pool->idle.next, *next;

	for (; link != &pool->idle; link = next) {
		struct builder *builder = container_of(link, struct builder, link);

		next = link->next;
		if (builder->context == *slot) {
			take_idle(pool, link);
			pool_discard(pool, &builder);
		}
	}
	mem_free(*slot);
	*slot = NULL;
}

void xml_pool_free(struct xml_pool **pool)
{
	struct xml_pool *gone = *pool;

	*pool = NULL;
	if (!gone)
		return;
	while (gone->idle_count) {
		struct builder *builder = take_idle(gone, gone->idle.next);

		pool_discard(gone, &builder);
	}
	for (unsigned at = 0; at < CONTEXTS; at++)
		mem_free(gone->contexts[at]);
	mem_free(gone);
}

static void print_root(const struct nad *header, struct buf *out)
{
	struct slice prefix = tree_prefix(header, header->elems[0].ns);

	buf_append_char(out, '<');
	if (prefix.len) {
		buf_append_slice(out, prefix);
		buf_append_char(out, ':');
	}
	buf_append_slice(out, nad_name(header, 0));
	for (int at = header->elems[0].spaces; at >= 0; at = header->spaces[at].next) {
		prefix = tree_prefix(header, at);
		buf_append_text(out, prefix.len ? " xmlns:" : " xmlns");
		buf_append_slice(out, prefix);
		buf_append_text(out, "='");
		tree_print_value(out, tree_uri(header, at));
		buf_append_char(out, '\'');
	}
	buf_append_char(out, '>');
}

static struct context *context_new(struct slice root)
{
	struct context *context = mem_alloc(MEM_PARSER, sizeof(*context) + root.len);

	*context = (struct context){.len = root.len};
	memcpy(context->root, root.data, root.len);
	return context;
}

struct context *pool_context(struct xml_pool *pool, const struct nad *header)
{
	AUTO(buf_fini) struct buf text = {0};

	print_root(header, &text);
	return pool_context_of(pool, buf_slice(&text));
}

struct context *pool_context_of(struct xml_pool *pool, struct slice root)
{
	struct context **unused = NULL, *context = NULL;

	if (!root.len || root.len > ROOT_MAX_BYTES)
		return NULL;
	for (unsigned at = 0; at < CONTEXTS && !context; at++) {
		struct context *have = pool->contexts[at];

		if (have && slice_equal((struct slice){have->root, have->len}, root))
			context = have;
		else if (!unused && (!have || have->readers == 0))
			unused = &pool->contexts[at];
	}
	if (!context) {
		context = context_new(root);
		context->known = unused != NULL;
		if (unused && *unused)
			forget(pool, unused);
		if (unused)
			*unused = context;
	}
	context->readers++;
	return context;
}

void pool_leave(struct xml_pool *pool, struct context **context)
{
	struct context *left = *context;

	*context = NULL;
	if (left && --left->readers == 0 && !left->known)
		mem_free(left);
}

/* The idle one to begin again in; NULL: more may be kept. */
static struct builder *least_wanted(struct xml_pool *pool)
{
	struct list *last = pool->idle.prev;

	if (pool->idle_count == IDLE_MAX || (pool->idle_count && !container_of(last, struct builder, link)->context))
		return take_idle(pool, last);
	return NULL;
}

struct builder *pool_borrow(struct xml_pool *pool, struct context *context, enum builder_mode mode)
{
	struct builder *builder;

	for (struct list *link = pool->idle.next; context && link != &pool->idle;
	     link = link->next) {
		if (container_of(link, struct builder, link)->context == context)
			return take_idle(pool, link);
	}
	mode = context ? BUILDER_SKIP : mode;
	builder = least_wanted(pool);
	if (builder) {
		builder_begin(builder, mode, pool->salt);
	} else {
		builder = builder_new(mode, pool->salt);
		pool->parsers++;
	}
	builder->context = context;
	if (context) {
		builder_feed(builder, (struct slice){context->root, context->len});
		builder_take(builder); /* there is none: what follows is to be built */
	}
	return builder;
}

void pool_return(struct xml_pool *pool, struct builder **builder)
{
	struct builder *back = *builder;

	if (back->total > LIFE_BYTES) {
		pool_discard(pool, builder);
		return;
	}
	*builder = NULL;
	if (back->root_closed || !back->context || !back->context->known)
		back->context = NULL;
	list_append(back->context ? pool->idle.next : &pool->idle, &back->link); /* in front, or last */
	if (++pool->idle_count > IDLE_MAX) {
		back = take_idle(pool, pool->idle.prev);
		pool_discard(pool, &back);
	}
}
