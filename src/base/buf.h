/* SPDX-License-Identifier: MIT */
/* Slices (borrowed bytes), growing buffers, and counted strings. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/macros.h"

/* Bytes that belong to somebody else, NUL-terminated or not; data may be NULL when len is 0. */
struct slice {
	const char *data;
	size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const char *text)
{
	return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
	return slice_equal(a, slice_of(text));
}

/* Like memcmp over the shorter one, then by length: a total order for sorting. */
int slice_compare(struct slice a, struct slice b);

/* A whole non-negative decimal number. Returns false on anything else or overflow. */
bool slice_to_u64(struct slice text, uint64_t *value);

/* What stands before the next line end, or all; it is taken off the rest, the line end too. */
struct slice slice_line(struct slice *rest);
struct slice slice_word(struct slice *rest); /* the same, before the next blank */

/* Compares secrets in a time that depends on the lengths only. */
bool slice_equal_secret(struct slice a, struct slice b);

/*
 * A growing byte buffer, read from the front: bytes are data + start .. data + len. A zeroed struct
 * is an empty buffer that holds no memory. buf_skip() releases the memory when nothing is left.
 */
struct buf {
	char *data;
	size_t start, len, cap;
};

static inline size_t buf_used(const struct buf *buf)
{
	return buf->len - buf->start;
}

static inline struct slice buf_slice(const struct buf *buf)
{
	return (struct slice){buf->data ? buf->data + buf->start : NULL, buf->len - buf->start};
}

char *buf_grow(struct buf *buf, size_t len); /* what buf_reserve() calls */

/* Room for len more bytes; the caller writes there and then calls buf_added(). */
static inline char *buf_reserve(struct buf *buf, size_t len)
{
	return buf->cap - buf->len >= len && buf->data ? buf->data + buf->len : buf_grow(buf, len);
}

static inline void buf_added(struct buf *buf, size_t len)
{
	buf->len += len;
}

static inline void buf_append(struct buf *buf, const void *bytes, size_t len)
{
	if (!len)
		return;
	memcpy(buf_reserve(buf, len), bytes, len);
	buf->len += len;
}

static inline void buf_append_slice(struct buf *buf, struct slice slice)
{
	buf_append(buf, slice.data, slice.len);
}

static inline void buf_append_text(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

static inline void buf_append_char(struct buf *buf, char c)
{
	*buf_reserve(buf, 1) = c;
	buf->len++;
}

void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *buf, const char *format, va_list args);

void buf_skip(struct buf *buf, size_t len); /* at the front; keeps at most 4 KB once empty */
void buf_clear(struct buf *buf);	    /* empty, memory kept */
void buf_fini(struct buf *buf);		    /* empty, memory gone; may be used again */
void buf_wipe(struct buf *buf);		    /* buf_fini for secrets */
const char *buf_text(struct buf *buf);	    /* NUL-terminated view of what is unread */

/* The first byte from there on that does not stand in XML as it is everywhere; the length when all do. */
size_t xml_plain(struct slice text, size_t from);
/* XML 1.0 escaping of & < > ' ", and of a carriage return: a parser makes it a line feed. */
void buf_append_xml(struct buf *buf, struct slice text);
void buf_append_base64(struct buf *buf, struct slice bytes);
/* RFC 4648, padding required, no white space. Returns false and appends nothing on junk. */
bool buf_append_unbase64(struct buf *buf, struct slice text);
void buf_append_hex(struct buf *buf, const void *bytes, size_t len); /* lower case */

/* A shared, immutable, NUL-terminated string; the count is atomic. */
struct str;

struct str *str_new(struct slice text);
struct str *str_ref(struct str *str);	       /* NULL gives NULL */
void str_free(struct str **str);	       /* drops one reference */
const char *str_text(const struct str *str);   /* NULL gives "" */
struct slice str_slice(const struct str *str); /* NULL gives an empty slice */
