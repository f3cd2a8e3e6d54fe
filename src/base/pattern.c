/* SPDX-License-Identifier: MIT */
/* Shell patterns: one step back at most, to behind the last star. */
#include "base/pattern.h"

#include "base/utf8.h"

/* What is no UTF-8 counts byte by byte. */
static size_t char_len(struct slice text)
{
	size_t len = utf8_first(text);

	return len ? len : 1;
}

static struct slice behind(struct slice text, size_t len)
{
	return (struct slice){text.data + len, text.len - len};
}

/* The first character as it is written, or the one behind a backslash; *text moves behind it. */
static struct slice take(struct slice *text)
{
	struct slice one;

	if (*text->data == '\\' && text->len > 1)
		*text = behind(*text, 1);
	one = (struct slice){text->data, char_len(*text)};
	*text = behind(*text, one.len);
	return one;
}

static bool is_range(struct slice set)
{
	return set.len > 1 && set.data[0] == '-' && set.data[1] != ']';
}

/* Bytes of UTF-8 stand in the order of their characters. */
static bool within(struct slice from, struct slice to, struct slice one)
{
	return slice_compare(from, one) <= 0 && slice_compare(one, to) <= 0;
}

/* A set behind its [; *set moves behind its ]. */
static bool in_set(struct slice *set, struct slice one)
{
	bool negated = *set->data == '!' || *set->data == '^', found = false, first = true;

	if (negated)
		*set = behind(*set, 1);
	for (; set->len && (first || *set->data != ']'); first = false) {
		struct slice from = take(set), to = from;

		if (is_range(*set)) {
			*set = behind(*set, 1);
			to = take(set);
		}
		found = found || within(from, to, one);
	}
	*set = behind(*set, set->len ? 1 : 0);
	return found != negated;
}

/* One character of the text; both move behind what fits. */
static bool match_one(struct slice *pattern, struct slice *text)
{
	struct slice one = {text->data, char_len(*text)};
	struct slice rest = *pattern;
	bool fits = true;

	if (!rest.len)
		return false;
	if (*rest.data == '?') {
		rest = behind(rest, 1);
	} else if (*rest.data == '[') {
		rest = behind(rest, 1);
		fits = in_set(&rest, one);
	} else {
		fits = slice_equal(take(&rest), one);
	}
	if (fits) {
		*pattern = rest;
		*text = behind(*text, one.len);
	}
	return fits;
}

bool pattern_match(struct slice pattern, struct slice text)
{
	struct slice star = {NULL, 0}, mark = {NULL, 0};

	while (text.len) {
		if (pattern.len && *pattern.data == '*') {
			star = pattern = behind(pattern, 1);
			mark = text;
		} else if (!match_one(&pattern, &text)) {
			if (!star.data)
				return false;
			/* The star takes one more. */
			mark = behind(mark, char_len(mark));
			pattern = star;
			text = mark;
		}
	}
	while (pattern.len && *pattern.data == '*')
		pattern = behind(pattern, 1);
	return !pattern.len;
}

/* The same walk as in_set(): what it would run over the end of is refused. */
static bool set_ends(struct slice *set)
{
	bool first = true;

	if (set->len && (*set->data == '!' || *set->data == '^'))
		*set = behind(*set, 1);
	for (; set->len && (first || *set->data != ']'); first = false) {
		if (set->len > 1 && set->data[0] == '[' && strchr(":.=", set->data[1]))
			return false;
		take(set);
		if (is_range(*set)) {
			*set = behind(*set, 1);
			take(set);
		}
	}
	if (!set->len)
		return false;
	*set = behind(*set, 1);
	return true;
}

bool pattern_is_valid(struct slice pattern)
{
	while (pattern.len) {
		if (slice_is(pattern, "\\"))
			return false;
		if (*pattern.data != '[') {
			take(&pattern);
			continue;
		}
		pattern = behind(pattern, 1);
		if (!set_ends(&pattern))
			return false;
	}
	return true;
}
