/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the stream reader. The first byte seeds how the rest is cut; odd: a header stands before
 * it. Cut or whole must give the same, and what is read must print, also without its tag, into what
 * reads back equal.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "xml/parser.h"
#include "xml/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER                                                                                     \
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void compare_attrs(const struct nad *a, const struct nad *b, int at, int bt)
{
	struct nad_attr attr, found;

	for (int i = -1; nad_attr_next(a, at, &i, &attr);) {
		bool same = false;

		for (int j = -1; !same && nad_attr_next(b, bt, &j, &found);)
			same = slice_equal(attr.uri, found.uri) &&
			       slice_equal(attr.name, found.name) &&
			       slice_equal(attr.value, found.value);
		must(same);
	}
}

/* The trees below at and bt, without the two elements' own tails. */
static void compare(const struct nad *a, int at, const struct nad *b, int bt)
{
	int end = tree_end(a, at), root = at;

	must(end - at == tree_end(b, bt) - bt);
	for (int up = (int)nad_depth(a, at), down = (int)nad_depth(b, bt); at < end; at++, bt++) {
		must((int)nad_depth(a, at) - up == (int)nad_depth(b, bt) - down);
		must(slice_equal(nad_name(a, at), nad_name(b, bt)));
		must(slice_equal(nad_ns(a, at), nad_ns(b, bt)));
		must(slice_equal(nad_cdata(a, at), nad_cdata(b, bt)));
		must(at == root || slice_equal(tree_slice(a, a->elems[at].tail),
					       tree_slice(b, b->elems[bt].tail)));
		compare_attrs(a, b, at, bt);
		compare_attrs(b, a, bt, at);
	}
}

static struct nad *read_within(struct slice scope, struct slice printed)
{
	static const struct xml_limits wide = {
		.stanza_bytes = 1 << 24, .depth = 1000, .attributes = 1000};
	AUTO(buf_fini) struct buf text = {0};

	buf_append_text(&text, "<w xmlns='");
	tree_print_value(&text, scope);
	buf_append_text(&text, "'>");
	buf_append_slice(&text, printed);
	buf_append_text(&text, "</w>");
	return xml_parse(buf_slice(&text), &wide);
}

static void check_nad(const struct nad *nad)
{
	AUTO(buf_fini) struct buf printed = {0}, inside = {0};
	AUTO(nad_free) struct nad *again = NULL, *wrapped = NULL, *copy = nad_copy(nad, 0);
	int child, other;

	nad_print(copy, 0, "jabber:client", &printed);
	again = read_within(SLICE("jabber:client"), buf_slice(&printed));
	must(again != NULL);
	compare(nad, 0, again, 1);
	nad_print_inside(nad, 0, &inside);
	wrapped = read_within(nad_ns(nad, 0), buf_slice(&inside));
	must(wrapped != NULL);
	child = nad_first_child(nad, 0);
	other = nad_first_child(wrapped, 0);
	for (; child >= 0 && other >= 0;
	     child = nad_next_sibling(nad, child), other = nad_next_sibling(wrapped, other))
		compare(nad, child, wrapped, other);
	must(child == other);
}

/* Reads all in pieces of up to step bytes (0: at once) and writes down what came. */
static void read_all(struct xml_pool *pool, struct slice bytes, bool header, unsigned step,
		     struct buf *seen)
{
	static const struct xml_limits limits = {.stanza_bytes = 512, .depth = 6, .attributes = 6};
	AUTO(xml_reader_free) struct xml_reader *reader = xml_reader_new(pool, &limits);
	struct nad *nad = NULL;
	int rc = XML_MORE;
	size_t used;

	if (header)
		must(xml_read(reader, SLICE(HEADER), &used, &nad) == XML_HEADER &&
		     used == strlen(HEADER));
	nad_free(&nad);
	while (bytes.len && rc < XML_NOT_WELL_FORMED && rc != XML_END) {
		struct slice piece = bytes;

		if (step && piece.len > step)
			piece.len = step;
		rc = xml_read(reader, piece, &used, &nad);
		must(rc >= XML_NOT_WELL_FORMED ||
		     (used <= piece.len && (used == piece.len || rc != XML_MORE)));
		must((nad != NULL) == (rc == XML_HEADER || rc == XML_ELEMENT));
		if (rc != XML_MORE)
			buf_printf(seen, "\n%d:", rc);
		if (nad)
			nad_print(nad, 0, NULL, seen);
		if (nad && !step)
			check_nad(nad);
		nad_free(&nad);
		if (rc < XML_NOT_WELL_FORMED)
			bytes = (struct slice){bytes.data + used, bytes.len - used};
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(xml_pool_free) struct xml_pool *pool = NULL;
	AUTO(buf_fini) struct buf whole = {0}, cut = {0};
	struct slice bytes;

	if (size == 0)
		return 0;
	pool = xml_pool_new();
	bytes = (struct slice){(const char *)data + 1, size - 1};
	read_all(pool, bytes, data[0] & 1, 0, &whole);
	read_all(pool, bytes, data[0] & 1, 1 + data[0] / 2 % 32, &cut);
	must(slice_equal(buf_slice(&whole), buf_slice(&cut)));
	return 0;
}
