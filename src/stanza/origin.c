/* SPDX-License-Identifier: MIT */
/* Origins as text: "KEY.COUNT", and to where it is known "KEY.COUNT.MARK.SESSION", hexadecimal; "!" behind it: it may come again. */
#include "stanza/stanza.h"

void origin_print(const struct origin *origin, struct buf *out)
{
	buf_printf(out, "%llx.%x", (unsigned long long)origin->key, origin->count);
	if (origin->session)
		buf_printf(out, ".%x.%llx", origin->mark, (unsigned long long)origin->session);
	if (origin->again)
		buf_append_char(out, '!');
}

/* One of several fields, joined by dots. */
static bool read_field(struct slice *in, unsigned digits, uint64_t *number)
{
	size_t len = 0;

	*number = 0;
	for (; len < in->len && in->data[len] != '.'; len++) {
		char c = in->data[len];
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (digit < 0 || len == digits)
			return false;
		*number = *number << 4 | (unsigned)digit;
	}
	if (len + 1 == in->len)
		return false; /* nothing behind the dot */
	in->data += len + (len < in->len);
	in->len -= len + (len < in->len);
	return len > 0;
}

bool origin_read(struct slice text, struct origin *origin)
{
	uint64_t key, count, mark = 0, session = 0;
	bool again = text.len && text.data[text.len - 1] == '!';

	text.len -= again;
	if (!read_field(&text, 16, &key) || !key || !read_field(&text, 8, &count))
		return false;
	if (text.len && (!read_field(&text, 8, &mark) || !read_field(&text, 16, &session) || text.len))
		return false;
	*origin = (struct origin){.session = session, .count = (uint32_t)count, .mark = (uint32_t)mark, .key = key, .again = again};
	return true;
}
