/* SPDX-License-Identifier: MIT */
/*
 * The XML reader of a stream: expat behind the limits. Namespaces on; DOCTYPE, comments, processing
 * instructions and encodings other than UTF-8 are refused (RFC 6120 section 11.1), names and nesting are
 * bounded before memory is taken.
 *
 * A parser is borrowed from the worker's pool when bytes come, and goes back at a stanza's end, so an idle
 * stream holds none. The pool keeps parsers by header context: the namespaces that the stream's header
 * declared.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct nad;
struct xml_pool;   /* one per worker */
struct xml_reader; /* one per stream; small, without a parser most of the time */

struct xml_limits {
	uint32_t stanza_bytes; /* of one child of the root, and of the header */
	uint16_t depth;      /* of elements below the root */
	uint16_t attributes; /* of one element, namespace declarations among them */
	uint32_t parts;	     /* elements and attributes of one child of the root: in memory each is larger than in text; 0: no limit */
	/*
	 * Memory that a child of the root may take, about, for who has to be polite to strangers; 0: what it takes. Of a
	 * larger one the first start tag alone is given; a tag, or a text without tags, that is larger is too big.
	 */
	uint32_t kept_bytes;
};

enum {
	XML_MORE,           /* all bytes used, nothing complete */
	XML_HEADER,         /* the root's start tag: *nad is the root without children */
	XML_ELEMENT,        /* a child of the root is complete: *nad */
	XML_END,            /* the root's end tag */
	XML_NOT_WELL_FORMED,
	XML_RESTRICTED,     /* comment, processing instruction, DOCTYPE, entity: restricted-xml */
	XML_ENCODING,       /* unsupported-encoding */
	XML_TOO_BIG,        /* a stanza over the limit, in bytes or parts: policy-violation */
	XML_TOO_DEEP,
	XML_TOO_MANY,       /* attributes */
	XML_TEXT,           /* text that is not white space directly below the root: bad-format */
};

struct xml_pool *xml_pool_new(void);
/* The secret by which its parsers spread names, against those who choose names that collide. 0, or without it: each
 * asks the system for one whenever it begins. */
void xml_pool_set_salt(struct xml_pool *pool, uint64_t salt);
void xml_pool_free(struct xml_pool **pool); /* after its readers */
size_t xml_pool_parsers(const struct xml_pool *pool); /* alive now, lent or kept */

struct xml_reader *xml_reader_new(struct xml_pool *pool, const struct xml_limits *limits);
void xml_reader_free(struct xml_reader **reader);
void xml_reader_limits(struct xml_reader *reader, const struct xml_limits *limits); /* from the next byte */

/*
 * Reads from bytes and stops behind the first thing complete: *used says how many bytes were taken, *nad is
 * owned by the caller. Returns one of the enum; after an error the reader is of no further use. Call again with
 * the rest. What stands behind a complete element is never looked at.
 */
int xml_read(struct xml_reader *reader, struct slice bytes, size_t *used, struct nad **nad);

/*
 * A stream changes its worker between stanzas: the root that it stands in (empty: none was read), lent, for a new reader of another
 * pool. False: that was no such text.
 */
struct slice xml_reader_root(const struct xml_reader *reader);
bool xml_reader_enter(struct xml_reader *reader, struct slice root);

/* Forgets all: a new root is expected (a stream restart). Limits stay. */
void xml_reader_reset(struct xml_reader *reader);
/* True between stanzas: nothing of one has been read. */
bool xml_reader_at_rest(const struct xml_reader *reader);
size_t xml_reader_weight(const struct xml_reader *reader); /* memory that what is not complete holds, about */

/* A whole document at once, limits as given, for files and tests. NULL when it is not one. */
struct nad *xml_parse(struct slice bytes, const struct xml_limits *limits);
