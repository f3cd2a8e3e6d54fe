/* SPDX-License-Identifier: MIT */
/*
 * Identities, features and forms are pieces: texts, each with a mark behind it. Pieces are sorted as bytes. The mark of XEP-0390 is
 * in what is hashed. That of XEP-0115 is not: NUL stands before whatever may be in a text, and pieces are sorted as the lists of
 * texts that they are.
 */
#include "stanza/caps.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include "base/mem.h"
#include "stanza/names.h"
#include "stanza/ns.h"
#include "xml/nad.h"

#define FORM_TYPE "FORM_TYPE"

enum { UNIT = 0x1f, RECORD = 0x1e, GROUP = 0x1d, FILE_END = 0x1c }; /* the separators of XEP-0390 */

/* -- pieces -- */

struct pieces {
	struct buf text;
	struct slice *items; /* until they are sorted, len is where each ends */
	unsigned count, cap;
};

static void pieces_end(struct pieces *pieces)
{
	if (pieces->count == pieces->cap) {
		pieces->cap = pieces->cap ? pieces->cap * 2 : 16;
		pieces->items = mem_realloc(MEM_OTHER, pieces->items, pieces->cap * sizeof(*pieces->items));
	}
	pieces->items[pieces->count++] = (struct slice){NULL, buf_used(&pieces->text)};
}

static void pieces_fini(struct pieces *pieces)
{
	buf_fini(&pieces->text);
	mem_free(pieces->items);
}

static int by_bytes(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static void pieces_sort(struct pieces *pieces)
{
	const char *data = buf_slice(&pieces->text).data;
	size_t begin = 0;

	for (unsigned at = 0; at < pieces->count; at++) {
		size_t end = pieces->items[at].len;

		pieces->items[at] = (struct slice){data + begin, end - begin};
		begin = end;
	}
	if (pieces->count)
		qsort(pieces->items, pieces->count, sizeof(*pieces->items), by_bytes);
}

static void pieces_join(struct pieces *pieces, struct buf *out)
{
	pieces_sort(pieces);
	for (unsigned at = 0; at < pieces->count; at++)
		buf_append_slice(out, pieces->items[at]);
}

/* -- reading -- */

struct reading {
	enum caps_version version;
	char mark;
	struct pieces identities, features, forms;
};

static void reading_fini(struct reading *reading)
{
	pieces_fini(&reading->identities);
	pieces_fini(&reading->features);
	pieces_fini(&reading->forms);
}

static void put(const struct reading *reading, struct buf *out, struct slice text)
{
	buf_append_slice(out, text);
	buf_append_char(out, reading->mark);
}

/* Also that of an element around it, for XEP-0390. */
static struct slice lang_of(const struct reading *reading, const struct nad *nad, int elem)
{
	struct slice lang;

	while (!nad_attr(nad, elem, NS_XML, "lang", &lang) && reading->version == CAPS_2 && nad_parent(nad, elem) >= 0)
		elem = nad_parent(nad, elem);
	return lang;
}

static void add_identity(struct reading *reading, const struct nad *nad, int elem)
{
	struct buf *out = &reading->identities.text;

	put(reading, out, nad_attr_value(nad, elem, "category"));
	put(reading, out, nad_attr_value(nad, elem, "type"));
	put(reading, out, lang_of(reading, nad, elem));
	put(reading, out, nad_attr_value(nad, elem, "name"));
	if (reading->version == CAPS_2)
		buf_append_char(out, RECORD);
	pieces_end(&reading->identities);
}

static void add_feature(struct reading *reading, const struct nad *nad, int elem)
{
	put(reading, &reading->features.text, nad_attr_value(nad, elem, "var"));
	pieces_end(&reading->features);
}

static void add_field(const struct reading *reading, const struct nad *nad, int field, struct pieces *fields)
{
	AUTO(pieces_fini) struct pieces values = {.count = 0};
	int value = nad_find_child(nad, field, NS_DATA_FORM, "value");

	for (; value >= 0; value = nad_find_next(nad, value, NS_DATA_FORM, "value")) {
		put(reading, &values.text, nad_cdata(nad, value));
		pieces_end(&values);
	}
	put(reading, &fields->text, nad_attr_value(nad, field, "var"));
	pieces_join(&values, &fields->text);
	if (reading->version == CAPS_2)
		buf_append_char(&fields->text, RECORD);
	pieces_end(fields);
}

static bool is_type(const struct nad *nad, int field)
{
	return slice_is(nad_attr_value(nad, field, "var"), FORM_TYPE);
}

/* What it is a form of (XEP-0068). Returns 0, FORM_UNTYPED or FORM_AMBIGUOUS. */
enum { FORM_UNTYPED = 1, FORM_AMBIGUOUS };
static int form_type(const struct nad *nad, int form, struct slice *type)
{
	int field = nad_find_child(nad, form, NS_DATA_FORM, "field"), value, next;

	while (field >= 0 && !is_type(nad, field))
		field = nad_find_next(nad, field, NS_DATA_FORM, "field");
	if (field < 0 || !slice_is(nad_attr_value(nad, field, "type"), "hidden"))
		return FORM_UNTYPED;
	value = nad_find_child(nad, field, NS_DATA_FORM, "value");
	if (value < 0)
		return FORM_UNTYPED;
	for (next = value; (next = nad_find_next(nad, next, NS_DATA_FORM, "value")) >= 0;) {
		if (!slice_equal(nad_cdata(nad, next), nad_cdata(nad, value)))
			return FORM_AMBIGUOUS;
	}
	while ((field = nad_find_next(nad, field, NS_DATA_FORM, "field")) >= 0) {
		if (is_type(nad, field))
			return FORM_AMBIGUOUS;
	}
	*type = nad_cdata(nad, value);
	return 0;
}

static int add_form(struct reading *reading, const struct nad *nad, int form)
{
	AUTO(pieces_fini) struct pieces fields = {.count = 0};
	struct buf *out = &reading->forms.text;
	struct slice type;
	int field = nad_find_child(nad, form, NS_DATA_FORM, "field"), rc = form_type(nad, form, &type);

	if (rc == FORM_UNTYPED && reading->version == CAPS_1)
		return 0;
	if (rc || (reading->version == CAPS_2 && (nad_find_child(nad, form, NS_DATA_FORM, "reported") >= 0 ||
						  nad_find_child(nad, form, NS_DATA_FORM, "item") >= 0)))
		return CAPS_ILL_FORMED;
	if (reading->version == CAPS_1)
		put(reading, out, type);
	for (; field >= 0; field = nad_find_next(nad, field, NS_DATA_FORM, "field")) {
		if (reading->version == CAPS_2 || !is_type(nad, field))
			add_field(reading, nad, field, &fields);
	}
	pieces_join(&fields, out);
	if (reading->version == CAPS_2)
		buf_append_char(out, GROUP);
	pieces_end(&reading->forms);
	return 0;
}

static int add_child(struct reading *reading, const struct nad *nad, int elem)
{
	if (nad_is(nad, elem, NS_DISCO_INFO, "identity"))
		add_identity(reading, nad, elem);
	else if (nad_is(nad, elem, NS_DISCO_INFO, "feature"))
		add_feature(reading, nad, elem);
	else if (nad_is(nad, elem, NS_DATA_FORM, "x"))
		return add_form(reading, nad, elem);
	else if (reading->version == CAPS_2)
		return CAPS_ILL_FORMED;
	return 0;
}

/* -- XEP-0115 -- */

/* The first text of a piece, or all of it. */
static struct slice part_of(struct slice piece, bool first)
{
	return first ? slice_of(piece.data) : piece;
}

/* Two of them begin with the same text, or are the same. They are sorted. */
static bool is_any_twice(const struct pieces *pieces, bool first)
{
	for (unsigned at = 1; at < pieces->count; at++) {
		if (slice_equal(part_of(pieces->items[at - 1], first), part_of(pieces->items[at], first)))
			return true;
	}
	return false;
}

/* Between the texts of a piece stands this, behind the last always "<". */
static int print_pieces(const struct pieces *pieces, char between, struct buf *out)
{
	for (unsigned piece = 0; piece < pieces->count; piece++) {
		struct slice text = pieces->items[piece];

		if (memchr(text.data, '<', text.len))
			return CAPS_ILL_FORMED;
		for (size_t at = 0; at + 1 < text.len; at++)
			buf_append_char(out, text.data[at] ? text.data[at] : between);
		buf_append_char(out, '<');
	}
	return 0;
}

static int print_first(struct reading *reading, struct buf *out)
{
	pieces_sort(&reading->identities);
	pieces_sort(&reading->features);
	pieces_sort(&reading->forms);
	if (is_any_twice(&reading->identities, false) || is_any_twice(&reading->features, false) ||
	    is_any_twice(&reading->forms, true))
		return CAPS_ILL_FORMED;
	if (print_pieces(&reading->identities, '/', out) || print_pieces(&reading->features, '<', out))
		return CAPS_ILL_FORMED;
	return print_pieces(&reading->forms, '<', out);
}

/* -- XEP-0390 -- */

static int print_second(struct reading *reading, struct buf *out)
{
	struct pieces *const lists[] = {&reading->features, &reading->identities, &reading->forms};

	for (unsigned at = 0; at < countof(lists); at++) {
		pieces_join(lists[at], out);
		buf_append_char(out, FILE_END);
	}
	return 0;
}

int caps_text(enum caps_version version, const struct nad *nad, int query, struct buf *out)
{
	AUTO(reading_fini) struct reading reading = {.version = version, .mark = version == CAPS_2 ? UNIT : '\0'};
	AUTO(buf_fini) struct buf text = {0};
	int rc = 0;

	for (int at = nad_first_child(nad, query); at >= 0 && rc == 0; at = nad_next_sibling(nad, at))
		rc = add_child(&reading, nad, at);
	if (rc == 0)
		rc = version == CAPS_2 ? print_second(&reading, &text) : print_first(&reading, &text);
	if (rc == 0)
		buf_append_slice(out, buf_slice(&text));
	return rc;
}

/* -- hashes -- */

static const struct algorithm {
	const char *name; /* XEP-0300 */
	const EVP_MD *(*digest)(void);
	enum caps_version last; /* SHA-1 is not for XEP-0390 */
} algorithms[] = {
	{"sha-1", EVP_sha1, CAPS_1},
	{"sha-256", EVP_sha256, CAPS_2},
	{"sha-512", EVP_sha512, CAPS_2},
	{"sha3-256", EVP_sha3_256, CAPS_2},
	{"sha3-512", EVP_sha3_512, CAPS_2},
};

static const struct algorithm *algorithm_get(enum caps_version version, struct slice name)
{
	for (unsigned at = 0; at < countof(algorithms); at++) {
		if (version <= algorithms[at].last && slice_is(name, algorithms[at].name))
			return &algorithms[at];
	}
	return NULL;
}

bool caps_knows(enum caps_version version, struct slice name)
{
	return algorithm_get(version, name) != NULL;
}

bool caps_hash(enum caps_version version, struct slice name, struct slice text, struct buf *out)
{
	const struct algorithm *algorithm = algorithm_get(version, name);
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len;

	if (!algorithm || !EVP_Digest(text.len ? text.data : "", text.len, hash, &len, algorithm->digest(), NULL))
		return false;
	buf_append_base64(out, (struct slice){(const char *)hash, len});
	return true;
}
