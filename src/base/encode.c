/* SPDX-License-Identifier: MIT */
/* Text forms of bytes: XML escaping, base64, hexadecimal. */
#include "base/buf.h"

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '\'':
		return "&apos;";
	case '"':
		return "&quot;";
	case '\r': /* a parser would make it a line feed (XML 1.0, 2.11) */
		return "&#13;";
	default:
		return NULL;
	}
}

void buf_append_xml(struct buf *buf, struct slice text)
{
	size_t from = 0;

	for (size_t at = 0; at < text.len; at++) {
		const char *escaped = entity(text.data[at]);

		if (!escaped)
			continue;
		buf_append(buf, text.data + from, at - from);
		buf_append_text(buf, escaped);
		from = at + 1;
	}
	if (from < text.len)
		buf_append(buf, text.data + from, text.len - from);
}

void buf_append_base64(struct buf *buf, struct slice bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = (const unsigned char *)bytes.data;
	size_t left = bytes.len;
	char *out = buf_reserve(buf, (bytes.len + 2) / 3 * 4);

	for (; left > 0; in += 3) {
		uint32_t group = (uint32_t)in[0] << 16 | (left > 1 ? (uint32_t)in[1] << 8 : 0) |
				 (left > 2 ? in[2] : 0);

		*out++ = digits[group >> 18];
		*out++ = digits[group >> 12 & 63];
		*out++ = left > 1 ? digits[group >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[group & 63] : '=';
		left -= left > 3 ? 3 : left;
	}
	buf_added(buf, (bytes.len + 2) / 3 * 4);
}

static int digit64(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four digits to a group; the last bits of a padded group must be zero. False on junk. */
static bool group64(const char *text, unsigned digits, unsigned char out[3])
{
	uint32_t group = 0;

	for (unsigned at = 0; at < 4; at++) {
		int digit = at < digits ? digit64(text[at]) : 0;

		if (digit < 0)
			return false;
		group = group << 6 | (unsigned)digit;
	}
	out[0] = (unsigned char)(group >> 16);
	out[1] = (unsigned char)(group >> 8);
	out[2] = (unsigned char)group;
	return digits == 4 || (digits == 3 && !out[2]) || (digits == 2 && !out[1] && !out[2]);
}

bool buf_append_unbase64(struct buf *buf, struct slice text)
{
	size_t pad = 0, before;

	if (text.len % 4)
		return false;
	/* All the room at once: a buffer that moves its bytes to the front would move the mark too.
	 */
	buf_reserve(buf, text.len / 4 * 3);
	before = buf->len;
	while (pad < 2 && pad < text.len && text.data[text.len - 1 - pad] == '=')
		pad++;
	for (size_t at = 0; at < text.len; at += 4) {
		unsigned digits = at + 4 == text.len ? 4 - (unsigned)pad : 4;
		unsigned char out[3];

		if (!group64(text.data + at, digits, out)) {
			buf->len = before;
			return false;
		}
		buf_append(buf, out, digits - 1);
	}
	return true;
}

void buf_append_hex(struct buf *buf, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = bytes;
	char *out = buf_reserve(buf, len * 2);

	for (size_t at = 0; at < len; at++) {
		*out++ = digits[in[at] >> 4];
		*out++ = digits[in[at] & 15];
	}
	buf_added(buf, len * 2);
}
