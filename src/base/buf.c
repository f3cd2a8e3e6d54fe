/* SPDX-License-Identifier: MIT */
/* Growing buffers and slices. */
#include "base/buf.h"

#include <stdio.h>
#include "base/mem.h"

enum {
	KEEP_EMPTY = 4096,
	PRINT_ROOM = 64,
	DOUBLE_MAX = 64 << 10, /* what is longer grows by a quarter: the system moves it without a copy */
};

int slice_compare(struct slice a, struct slice b)
{
	size_t shorter = a.len < b.len ? a.len : b.len;
	int order = shorter ? memcmp(a.data, b.data, shorter) : 0;

	return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

static struct slice take_until(struct slice *rest, char mark)
{
	const char *end = rest->len ? memchr(rest->data, mark, rest->len) : NULL;
	struct slice taken = {rest->data, end ? (size_t)(end - rest->data) : rest->len};
	size_t used = taken.len + (end ? 1 : 0);

	rest->data += used;
	rest->len -= used;
	return taken;
}

struct slice slice_line(struct slice *rest)
{
	return take_until(rest, '\n');
}

struct slice slice_word(struct slice *rest)
{
	return take_until(rest, ' ');
}

bool slice_to_u64(struct slice text, uint64_t *value)
{
	uint64_t number = 0;

	if (!text.len)
		return false;
	for (size_t at = 0; at < text.len; at++) {
		unsigned digit = (unsigned char)text.data[at] - '0';

		if (digit > 9 || number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*value = number;
	return true;
}

bool slice_equal_secret(struct slice a, struct slice b)
{
	volatile unsigned char difference = 0;

	if (a.len != b.len)
		return false;
	for (size_t at = 0; at < a.len; at++)
		difference |= (unsigned char)(a.data[at] ^ b.data[at]);
	return !difference;
}

char *buf_grow(struct buf *buf, size_t len)
{
	size_t cap;

	if (buf->cap - buf->len >= len)
		return buf->data ? buf->data + buf->len : NULL;
	if (buf->start && buf->start >= buf_used(buf)) {
		memcpy(buf->data, buf->data + buf->start, buf_used(buf));
		buf->len -= buf->start;
		buf->start = 0;
		return buf_reserve(buf, len);
	}
	cap = buf->cap ? buf->cap : 64;
	while (cap - buf->len < len)
		cap += cap < DOUBLE_MAX ? cap : cap / 4;
	buf->data = mem_realloc(MEM_BUF, buf->data, cap);
	buf->cap = cap;
	return buf->data + buf->len;
}

void buf_vprintf(struct buf *buf, const char *format, va_list args)
{
	char *room = buf_reserve(buf, PRINT_ROOM);
	size_t size = buf->cap - buf->len;
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(room, size, format, again);
	va_end(again);
	if (len > 0 && (size_t)len >= size)
		vsnprintf(buf_reserve(buf, (size_t)len + 1), (size_t)len + 1, format, args);
	buf->len += len > 0 ? (size_t)len : 0;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(buf, format, args);
	va_end(args);
}

void buf_skip(struct buf *buf, size_t len)
{
	buf->start += len;
	if (buf->start < buf->len)
		return;
	if (buf->cap > KEEP_EMPTY)
		buf_fini(buf);
	else
		buf_clear(buf);
}

void buf_clear(struct buf *buf)
{
	buf->start = buf->len = 0;
}

void buf_fini(struct buf *buf)
{
	mem_free(buf->data);
	*buf = (struct buf){0};
}

void buf_wipe(struct buf *buf)
{
	mem_wipe(buf->data, buf->cap);
	buf_fini(buf);
}

const char *buf_text(struct buf *buf)
{
	*buf_reserve(buf, 1) = 0;
	return buf->data + buf->start;
}
