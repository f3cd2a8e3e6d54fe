/* SPDX-License-Identifier: MIT */
/* Whole characters of UTF-8. */
#include "base/utf8.h"

/* Overlong forms, surrogates and what lies above U+10FFFF show in the second byte (RFC 3629,
 * section 4). */
static bool is_second(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return second >= 0x80 && second <= 0xbf;
	}
}

size_t utf8_first(struct slice text)
{
	const unsigned char *bytes = (const unsigned char *)text.data;
	size_t len;

	if (!text.len)
		return 0;
	if (bytes[0] < 0x80)
		return 1;
	if (bytes[0] < 0xc2 || bytes[0] > 0xf4)
		return 0;
	len = bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
	if (text.len < len || !is_second(bytes[0], bytes[1]))
		return 0;
	for (size_t at = 2; at < len; at++) {
		if (bytes[at] < 0x80 || bytes[at] > 0xbf)
			return 0;
	}
	return len;
}

size_t utf8_first_xml(struct slice text)
{
	size_t len = utf8_first(text);
	unsigned char c = len ? (unsigned char)text.data[0] : 0;

	if (len == 1 && c < 0x20 && c != '\t' && c != '\n' && c != '\r')
		return 0;
	if (len == 3 && !memcmp(text.data, "\xEF\xBF", 2) && (unsigned char)text.data[2] >= 0xBE)
		return 0;
	return len;
}

bool utf8_is_xml(struct slice text)
{
	while (text.len) {
		size_t len = utf8_first_xml(text);

		if (!len)
			return false;
		text.data += len;
		text.len -= len;
	}
	return true;
}
