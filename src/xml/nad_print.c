/* SPDX-License-Identifier: MIT */
/*
 * Printing a nad. What is declared in the printed text so far is kept as a stack of bindings; an
 * element or attribute whose prefix is not bound to its namespace there declares it on the spot. So
 * any part of a tree prints as a whole, and no declaration is made twice on one path.
 */
#include "base/mem.h"
#include "xml/tree.h"

enum { BINDINGS = 16 };

struct binding {
	struct slice prefix, uri;
	int elem; /* declared here, or -1: stands around the printed part */
};

struct printer {
	const struct nad *nad;
	struct buf *out;
	struct binding *bindings, room[BINDINGS];
	unsigned count, cap;
};

static void bind(struct printer *printer, struct slice prefix, struct slice uri, int elem)
{
	if (printer->count == printer->cap) {
		size_t size = printer->cap * sizeof(*printer->bindings);
		bool in_room = printer->bindings == printer->room;
		struct binding *more =
			mem_realloc(MEM_NAD, in_room ? NULL : printer->bindings, size * 2);

		if (in_room)
			memcpy(more, printer->room, size);
		printer->bindings = more;
		printer->cap *= 2;
	}
	printer->bindings[printer->count++] = (struct binding){prefix, uri, elem};
}

static void printer_init(struct printer *printer, const struct nad *nad, struct slice scope,
			 struct buf *out)
{
	printer->nad = nad;
	printer->out = out;
	printer->bindings = printer->room;
	printer->count = 0;
	printer->cap = BINDINGS;
	bind(printer, (struct slice){NULL, 0}, scope, TREE_NONE);
}

static void printer_fini(struct printer *printer)
{
	if (printer->bindings != printer->room)
		mem_free(printer->bindings);
}

/* What the prefix means now, or NULL. */
static const struct binding *bound(const struct printer *printer, struct slice prefix)
{
	for (unsigned at = printer->count; at-- > 0;) {
		if (slice_equal(printer->bindings[at].prefix, prefix))
			return &printer->bindings[at];
	}
	return NULL;
}

static void declare(struct printer *printer, struct slice prefix, struct slice uri, int elem)
{
	buf_append_text(printer->out, prefix.len ? " xmlns:" : " xmlns");
	buf_append_slice(printer->out, prefix);
	buf_append_text(printer->out, "='");
	tree_print_value(printer->out, uri);
	buf_append_char(printer->out, '\'');
	bind(printer, prefix, uri, elem);
}

/*
 * Makes prefix mean uri on elem and binds it there, so that it stays so while the start tag is
 * printed. False when it means something else on elem already.
 */
static bool use(struct printer *printer, struct slice prefix, struct slice uri, int elem)
{
	const struct binding *now = bound(printer, prefix);
	bool here = now && now->elem == elem, same = now && slice_equal(now->uri, uri);

	if (same && !here)
		bind(printer, prefix, uri, elem);
	else if (!same && !here)
		declare(printer, prefix, uri, elem);
	return same || !here;
}

static void print_name(struct buf *out, struct slice prefix, struct slice name)
{
	if (prefix.len) {
		buf_append_slice(out, prefix);
		buf_append_char(out, ':');
	}
	buf_append_slice(out, name);
}

/* Prints one attribute; one without a prefix of its own gets one in scope or a made-up one. */
static void print_attr(struct printer *printer, const struct tree_attr *attr, int elem)
{
	/* Taken in growing length. One element uses a few prefixes, so one that is free is soon
	 * found. */
	static const char made_up[] =
		"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
		"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
		"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
	struct slice prefix = tree_prefix(printer->nad, attr->ns),
		     uri = tree_uri(printer->nad, attr->ns);

	if (attr->ns >= 0 && (!prefix.len || !use(printer, prefix, uri, elem))) {
		prefix = (struct slice){made_up, 0};
		do
			prefix.len++;
		while (prefix.len < sizeof(made_up) - 1 && !use(printer, prefix, uri, elem));
	}
	buf_append_char(printer->out, ' ');
	print_name(printer->out, prefix, tree_slice(printer->nad, attr->name));
	buf_append_text(printer->out, "='");
	tree_print_value(printer->out, tree_slice(printer->nad, attr->value));
	buf_append_char(printer->out, '\'');
}

/* The start tag without its end. The element's own namespace comes first: it is the one that cannot
 * be renamed. */
static void print_start(struct printer *printer, int elem)
{
	const struct nad *nad = printer->nad;
	const struct tree_elem *here = &nad->elems[elem];

	buf_append_char(printer->out, '<');
	print_name(printer->out, tree_prefix(nad, here->ns), tree_slice(nad, here->name));
	if (here->ns != TREE_XML)
		use(printer, tree_prefix(nad, here->ns), tree_uri(nad, here->ns), elem);
	for (int at = here->spaces; at >= 0; at = nad->spaces[at].next)
		use(printer, tree_prefix(nad, at), tree_uri(nad, at), elem);
	for (int at = here->first_attr; at >= 0; at = nad->attrs[at].next)
		print_attr(printer, &nad->attrs[at], elem);
}

static bool is_empty(const struct nad *nad, int elem)
{
	return !nad->elems[elem].text.len && nad_first_child(nad, elem) < 0;
}

static void print_end(struct printer *printer, int elem)
{
	const struct tree_elem *here = &printer->nad->elems[elem];

	if (is_empty(printer->nad, elem)) {
		buf_append_text(printer->out, "/>");
	} else {
		buf_append_text(printer->out, "</");
		print_name(printer->out, tree_prefix(printer->nad, here->ns),
			   tree_slice(printer->nad, here->name));
		buf_append_char(printer->out, '>');
	}
	while (printer->bindings[printer->count - 1].elem >= elem)
		printer->count--;
}

/* A loop over the links instead of a recursion: a tree may be as deep as its limits allow. */
static void print_tree(struct printer *printer, int root)
{
	const struct nad *nad = printer->nad;
	int at = root, next;

	for (;;) {
		print_start(printer, at);
		if (!is_empty(nad, at)) {
			buf_append_char(printer->out, '>');
			tree_print_text(printer->out, nad_cdata(nad, at));
		}
		next = nad_first_child(nad, at);
		while (next < 0) {
			print_end(printer, at);
			if (at == root)
				return;
			tree_print_text(printer->out, tree_slice(nad, nad->elems[at].tail));
			next = nad->elems[at].next;
			at = nad->elems[at].parent;
		}
		at = next;
	}
}

void nad_print(const struct nad *nad, int elem, const char *scope, struct buf *out)
{
	struct printer printer;

	printer_init(&printer, nad, slice_of(scope), out);
	print_tree(&printer, elem);
	printer_fini(&printer);
}

static void print_inside(const struct nad *nad, int elem, struct buf *out)
{
	struct printer printer;

	tree_print_text(out, nad_cdata(nad, elem));
	printer_init(&printer, nad, nad_ns(nad, elem), out);
	for (int child = nad_first_child(nad, elem); child >= 0; child = nad->elems[child].next) {
		print_tree(&printer, child);
		tree_print_text(out, tree_slice(nad, nad->elems[child].tail));
	}
	printer_fini(&printer);
}

/* The bytes that a shared nad keeps are no part of what it says, so that it may be constant. */
static const struct buf *kept_inside(const struct nad *nad)
{
	struct nad *keeper = (struct nad *)nad;

	if (nad->was_printed && !nad->printed.cap)
		print_inside(nad, 0, &keeper->printed);
	keeper->was_printed = true;
	return &nad->printed;
}

void nad_print_inside(const struct nad *nad, int elem, struct buf *out)
{
	const struct buf *kept = nad->refs > 1 && elem == 0 ? kept_inside(nad) : NULL;

	if (kept && buf_used(kept))
		buf_append_slice(out, buf_slice(kept));
	else
		print_inside(nad, elem, out);
}
