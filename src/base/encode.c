/* SPDX-License-Identifier: MIT */
/* Text forms of bytes: XML escaping, base64, hexadecimal. */
#include "base/buf.h"

#define EACH UINT64_C(0x0101010101010101)
#define HIGH UINT64_C(0x8080808080808080)

_Static_assert(('"' ^ '&') == 4 && ('<' ^ '>') == 2, "two pairs of signs differ in a bit");

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

static bool is_plain(char c)
{
	static const bool marked[256] = {['&'] = true, ['<'] = true, ['>'] = true, ['\''] = true, ['"'] = true};

	return (unsigned char)c >= ' ' && !marked[(unsigned char)c];
}

/* Not 0 if a byte of the word is less than that, at most 128. */
static uint64_t has_less(uint64_t word, unsigned char than)
{
	return (word - EACH * than) & ~word & HIGH;
}

/* Eight bytes at once: two pairs of signs differ in a bit. */
static bool are_plain(const char *text)
{
	uint64_t word;

	memcpy(&word, text, sizeof(word));
	return !(has_less(word, ' ') | has_less(word ^ EACH * '\'', 1) | has_less((word & EACH * 0xfb) ^ EACH * '"', 1) |
		 has_less((word & EACH * 0xfd) ^ EACH * '<', 1));
}

size_t xml_plain(struct slice text, size_t from)
{
	while (from + 8 <= text.len && are_plain(text.data + from))
		from += 8;
	if (from + 8 > text.len && text.len >= 8 && are_plain(text.data + text.len - 8))
		return text.len;
	while (from < text.len && is_plain(text.data[from]))
		from++;
	return from;
}

void buf_append_xml(struct buf *buf, struct slice text)
{
	size_t done = 0, at = 0;

	while ((at = xml_plain(text, at)) < text.len) {
		const char *escaped = entity(text.data[at++]);

		if (!escaped)
			continue;
		buf_append(buf, text.data + done, at - 1 - done);
		buf_append_text(buf, escaped);
		done = at;
	}
	if (done < text.len)
		buf_append(buf, text.data + done, text.len - done);
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

/* Not 0 if c is one of first to last, which are at most 127 and follow each other: without a branch, for it may be of a secret. */
static uint32_t is_among(uint32_t c, char first, char last)
{
	return ~((c - (uint32_t)first) | ((uint32_t)last - c)) >> 31;
}

/* The value of a digit and one more; 0: it is none. */
static uint32_t digit64(unsigned char c)
{
	return is_among(c, 'A', 'Z') * (c - 'A' + 1u) + is_among(c, 'a', 'z') * (c - 'a' + 27u) + is_among(c, '0', '9') * (c - '0' + 53u) +
	       is_among(c, '+', '+') * 63 + is_among(c, '/', '/') * 64;
}

/* Four digits to a group; the last bits of a padded group must be zero. False on junk. */
static bool group64(const char *text, unsigned digits, unsigned char out[3])
{
	uint32_t group = 0, wrong = 0;

	for (unsigned at = 0; at < 4; at++) {
		uint32_t digit = at < digits ? digit64((unsigned char)text[at]) - 1 : 0;

		wrong |= digit >> 31;
		group = group << 6 | digit;
	}
	if (wrong)
		return false;
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
