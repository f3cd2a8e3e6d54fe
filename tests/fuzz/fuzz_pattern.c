/* SPDX-License-Identifier: MIT */
/* Fuzzes shell patterns: a line with the pattern, then the text. In ASCII fnmatch() says the same.
 */
#include <ctype.h>
#include <fnmatch.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Short, for fnmatch() takes its time. */
static bool is_plain(struct slice text)
{
	for (size_t at = 0; at < text.len; at++) {
		if (!isascii((unsigned char)text.data[at]) || !text.data[at])
			return false;
	}
	return text.len < 16;
}

/* Ranges that run backwards are each one's own. */
static void compare(struct slice pattern, struct slice text, bool matched)
{
	char first[16] = "", second[16] = "";

	if (pattern.len)
		memcpy(first, pattern.data, pattern.len);
	if (text.len)
		memcpy(second, text.data, text.len);
	if ((fnmatch(first, second, 0) == 0) != matched)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	const char *line = size ? memchr(bytes, '\n', size) : NULL;
	struct slice pattern = {bytes, line ? (size_t)(line - bytes) : size};
	struct slice text = {bytes + pattern.len, size - pattern.len};
	bool matched;

	if (line)
		text = (struct slice){line + 1, text.len - 1};
	if (!pattern_is_valid(pattern))
		return 0;
	matched = pattern_match(pattern, text);
	if (is_plain(pattern) && is_plain(text) && !memchr(pattern.data, '-', pattern.len))
		compare(pattern, text, matched);
	if (!pattern_match(SLICE("*"), text))
		abort();
	return 0;
}
