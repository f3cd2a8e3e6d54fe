/* SPDX-License-Identifier: MIT */
/*
 * The reader of one stream:
 *
 *   between stanzas --a tag begins--> within one (a parser is borrowed) --its last tag--> between
 * stanzas
 *                   --the root's end tag--> ended
 *
 * Each read is scanned first; up to the last tag that ends in it expat is fed, the rest is held
 * until its tag ends.
 */
#include "xml/parser.h"

#include "base/mem.h"
#include "xml/pool.h"
#include "xml/scan.h"
#include "xml/tree.h"

enum {
	STANZA_MAX_BYTES = 1 << 30, /* whatever the limits say: nads count in 32 bits */
	HELD_KEEP_BYTES = 4096,
};

enum phase { READING, CLOSED, ENDED, FAILED };

struct xml_reader {
	struct xml_pool *pool;
	struct context *context; /* of the stream's root; NULL before it */
	struct builder
		*builder; /* borrowed, while something has been read of what is not complete */
	struct xml_limits limits;
	struct scan scan;
	uint32_t count; /* bytes of it so far */
	uint8_t phase;	/* CLOSED: the root was empty, and its end is still to be told */
};

_Static_assert(sizeof(struct xml_reader) <= 64, "an idle stream is small");

struct xml_reader *xml_reader_new(struct xml_pool *pool, const struct xml_limits *limits)
{
	struct xml_reader *reader = mem_zalloc(MEM_STREAM, sizeof(*reader));

	reader->pool = pool;
	xml_reader_limits(reader, limits);
	scan_init(&reader->scan, SCAN_HEADER);
	return reader;
}

void xml_reader_free(struct xml_reader **reader)
{
	struct xml_reader *gone = *reader;

	*reader = NULL;
	if (!gone)
		return;
	xml_reader_reset(gone);
	mem_free(gone);
}

void xml_reader_limits(struct xml_reader *reader, const struct xml_limits *limits)
{
	reader->limits = *limits;
	if (reader->limits.stanza_bytes > STANZA_MAX_BYTES)
		reader->limits.stanza_bytes = STANZA_MAX_BYTES;
}

void xml_reader_reset(struct xml_reader *reader)
{
	pool_discard(reader->pool, &reader->builder);
	pool_leave(reader->pool, &reader->context);
	scan_init(&reader->scan, SCAN_HEADER);
	reader->count = 0;
	reader->phase = READING;
}

bool xml_reader_at_rest(const struct xml_reader *reader)
{
	return !reader->builder;
}

struct slice xml_reader_root(const struct xml_reader *reader)
{
	if (!reader->context)
		return SLICE("");
	return (struct slice){reader->context->root, reader->context->len};
}

bool xml_reader_enter(struct xml_reader *reader, struct slice root)
{
	xml_reader_reset(reader);
	reader->context = pool_context_of(reader->pool, root);
	if (reader->context)
		scan_init(&reader->scan, SCAN_STREAM);
	return reader->context;
}

size_t xml_reader_weight(const struct xml_reader *reader)
{
	const struct builder *builder = reader->builder;

	if (!builder)
		return 0;
	return (buf_used(&builder->held) ? builder->held.cap : 0) + (builder->nad ? nad_weight(builder->nad) : 0);
}

/* Feeds what was held and then bytes. */
static int feed(struct xml_reader *reader, struct slice bytes)
{
	struct buf *held = &reader->builder->held;
	int rc;

	if (buf_used(held)) {
		buf_append_slice(held, bytes);
		bytes = buf_slice(held);
	}
	rc = builder_feed(reader->builder, bytes);
	if (held->cap > HELD_KEEP_BYTES)
		buf_fini(held);
	else
		buf_clear(held);
	return rc;
}

/* What would have to be held until its tag ends. */
static bool is_too_much(const struct xml_reader *reader, size_t rest)
{
	size_t most = reader->limits.kept_bytes;

	return most && reader->builder->expat && buf_used(&reader->builder->held) + rest > most;
}

/* Reads bytes, which do not begin with white space between stanzas, up to *used. */
static int read_tags(struct xml_reader *reader, struct slice bytes, size_t *used)
{
	size_t room = reader->limits.stanza_bytes, whole;
	struct slice window = bytes;
	int rc, fed = XML_MORE;

	room = room > reader->count ? room - reader->count : 0;
	if (window.len > room)
		window.len = room;
	rc = scan_bytes(&reader->scan, &reader->limits, window, &whole);
	if (rc == XML_MORE && window.len < bytes.len)
		rc = XML_TOO_BIG;
	if (!reader->builder)
		reader->builder = pool_borrow(reader->pool, reader->context,
					      reader->scan.mode == SCAN_HEADER ? BUILDER_HEADER
									       : BUILDER_TREE);
	reader->builder->kept = reader->limits.kept_bytes;
	if (rc == XML_MORE && is_too_much(reader, window.len - whole))
		rc = XML_TOO_BIG;
	if (whole)
		fed = feed(reader, (struct slice){window.data, whole});
	if (fed != XML_MORE)
		return fed;
	if (rc == XML_MORE && reader->builder->expat)
		buf_append(&reader->builder->held, window.data + whole, window.len - whole);
	*used = rc == XML_MORE ? window.len : whole;
	reader->count += (uint32_t)*used;
	return rc;
}

/* The stream's header is read: from now on parsers are shared with other streams that have the
 * like. */
static int start_stream(struct xml_reader *reader, const struct nad *header)
{
	struct builder *builder = reader->builder;

	builder->context = reader->context = pool_context(reader->pool, header);
	if (!reader->context)
		return XML_TOO_BIG;
	scan_init(&reader->scan, SCAN_STREAM);
	if (builder->root_closed)
		reader->phase = CLOSED;
	return XML_HEADER;
}

/* Something is complete for the scanner; so it must be for expat. Returns what it is, or an error.
 */
static int complete(struct xml_reader *reader, int rc, struct nad **nad)
{
	struct nad *made = builder_take(reader->builder);

	if (rc == XML_END ? !reader->builder->root_closed : !made)
		rc = XML_NOT_WELL_FORMED;
	if (rc == XML_HEADER)
		rc = start_stream(reader, made);
	if (rc == XML_END)
		reader->phase = ENDED;
	if (rc >= XML_NOT_WELL_FORMED) {
		nad_free(&made);
		return rc;
	}
	reader->count = 0;
	if (!reader->builder->expat)
		pool_discard(reader->pool, &reader->builder);
	else
		pool_return(reader->pool, &reader->builder);
	if (made)
		*nad = made;
	return rc;
}

static size_t blank_length(struct slice bytes)
{
	size_t at = 0;

	while (at < bytes.len && scan_is_blank(bytes.data[at]))
		at++;
	return at;
}

int xml_read(struct xml_reader *reader, struct slice bytes, size_t *used, struct nad **nad)
{
	size_t blank = xml_reader_at_rest(reader) ? blank_length(bytes) : 0;
	int rc;

	*used = blank;
	if (reader->phase == CLOSED) {
		reader->phase = ENDED;
		return XML_END;
	}
	if (reader->phase == FAILED)
		return XML_NOT_WELL_FORMED;
	if (blank == bytes.len)
		return XML_MORE;
	rc = XML_NOT_WELL_FORMED;
	if (reader->phase == READING) {
		rc = read_tags(reader, (struct slice){bytes.data + blank, bytes.len - blank}, used);
		*used += rc < XML_NOT_WELL_FORMED ? blank : 0;
	}
	if (rc > XML_MORE && rc < XML_NOT_WELL_FORMED)
		rc = complete(reader, rc, nad);
	if (rc >= XML_NOT_WELL_FORMED) {
		pool_discard(reader->pool, &reader->builder);
		reader->phase = FAILED;
	}
	return rc;
}

/* Files of other systems may begin with a byte order mark; streams may not. */
static struct slice without_mark(struct slice bytes)
{
	if (bytes.len >= 3 && memcmp(bytes.data, "\xEF\xBB\xBF", 3) == 0)
		return (struct slice){bytes.data + 3, bytes.len - 3};
	return bytes;
}

struct nad *xml_parse(struct slice bytes, const struct xml_limits *limits)
{
	AUTO(xml_pool_free) struct xml_pool *pool = xml_pool_new();
	AUTO(xml_reader_free) struct xml_reader *reader = xml_reader_new(pool, limits);
	struct slice text = without_mark(bytes);
	struct nad *nad = NULL;
	size_t used;

	scan_init(&reader->scan, SCAN_DOCUMENT);
	if (xml_read(reader, text, &used, &nad) != XML_ELEMENT)
		return NULL;
	text = (struct slice){text.data + used, text.len - used};
	if (blank_length(text) < text.len)
		nad_free(&nad);
	return nad;
}
