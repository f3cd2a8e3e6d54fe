/* SPDX-License-Identifier: MIT */
/*
 * The scanner's states:
 *
 *   TEXT -'<'-> LESS -'/'-> CLOSE -'>'-> TEXT
 *               LESS -'?'-> DECLARATION -'>'-> TEXT        (once, before a root)
 *               LESS -'!'-> BANG -'['-> CDATA -']]>'-> TEXT
 *               LESS -----> OPEN <-"'"-> VALUE, OPEN <-'"'-> QUOTED
 *                           OPEN -'/'-> SLASH -'>'-> TEXT, OPEN -'>'-> TEXT
 */
#include "xml/scan.h"

enum state {
	TEXT,
	LESS,
	OPEN,
	SLASH,
	VALUE,
	QUOTED,
	CLOSE,
	DECLARATION,
	BANG,
	CDATA,
	CDATA_1,
	CDATA_2
};

void scan_init(struct scan *scan, enum scan_mode mode)
{
	*scan = (struct scan){
		.mode = (uint8_t)mode, .depth = mode == SCAN_STREAM ? 1 : 0, .state = TEXT};
}

/* Depth outside of what is being read. */
static uint32_t rest_depth(const struct scan *scan)
{
	return scan->mode == SCAN_STREAM ? 1 : 0;
}

/* The offset of c, or the length. */
static size_t find(struct slice bytes, size_t from, char c)
{
	const char *found = memchr(bytes.data + from, c, bytes.len - from);

	return found ? (size_t)(found - bytes.data) : bytes.len;
}

/* One more, and those of the stanza are too many. */
static bool is_one_too_many(struct scan *scan, const struct xml_limits *limits)
{
	return ++scan->parts > limits->parts && limits->parts;
}

static int opened(struct scan *scan, const struct xml_limits *limits, bool empty)
{
	if (scan->depth > limits->depth)
		return XML_TOO_DEEP;
	if (is_one_too_many(scan, limits))
		return XML_TOO_BIG;
	if (!empty)
		scan->depth++;
	if (scan->mode == SCAN_HEADER)
		return XML_HEADER;
	return empty && scan->depth == rest_depth(scan) ? XML_ELEMENT : XML_MORE;
}

static int closed(struct scan *scan)
{
	if (scan->depth == 0)
		return XML_NOT_WELL_FORMED;
	scan->depth--;
	if (scan->depth > rest_depth(scan))
		return XML_MORE;
	return scan->depth < rest_depth(scan) ? XML_END : XML_ELEMENT;
}

/* A tag's first character; the state follows from it. */
static int began_tag(struct scan *scan, char c)
{
	bool at_rest = scan->depth == rest_depth(scan);

	scan->attributes = 0;
	if (at_rest)
		scan->parts = 0;
	if (c == '/') {
		scan->state = CLOSE;
	} else if (c == '!') {
		scan->state = BANG;
	} else if (c == '?') {
		if (scan->began || scan->depth > 0)
			return XML_RESTRICTED;
		scan->state = DECLARATION;
	} else if (c == '\0' && scan->depth == 0) {
		return XML_ENCODING; /* expat would guess at UTF-16 */
	} else if (scan_is_blank(c) || c == '\'' || c == '"' || c == '<' || c == '>') {
		return XML_NOT_WELL_FORMED;
	} else {
		scan->state = OPEN;
	}
	scan->began = scan->began || at_rest;
	return XML_MORE;
}

/* Between the quotes and names of a start tag. Leaves *at behind what decided. */
static int in_tag(struct scan *scan, const struct xml_limits *limits, struct slice bytes,
		  size_t *at)
{
	while (*at < bytes.len) {
		char c = bytes.data[(*at)++];

		if (c == '>') {
			bool empty = scan->state == SLASH;

			scan->state = TEXT;
			return opened(scan, limits, empty);
		}
		scan->state = c == '/' ? SLASH : OPEN;
		if (c == '<')
			return XML_NOT_WELL_FORMED;
		if (c == '\'' || c == '"') {
			scan->state = c == '"' ? QUOTED : VALUE;
			if (++scan->attributes > limits->attributes)
				return XML_TOO_MANY;
			return is_one_too_many(scan, limits) ? XML_TOO_BIG : XML_MORE;
		}
	}
	return XML_MORE;
}

static int in_value(struct scan *scan, struct slice bytes, size_t *at)
{
	size_t end = find(bytes, *at, scan->state == QUOTED ? '"' : '\'');

	if (memchr(bytes.data + *at, '<', end - *at))
		return XML_NOT_WELL_FORMED;
	if (end < bytes.len) {
		scan->state = OPEN;
		end++;
	}
	*at = end;
	return XML_MORE;
}

/* Outside of a root there is white space only; a root of other encodings begins with these bytes.
 */
static int in_text(struct scan *scan, struct slice bytes, size_t *at)
{
	size_t end = scan->depth > rest_depth(scan) ? find(bytes, *at, '<') : *at;

	while (end < bytes.len && scan_is_blank(bytes.data[end]))
		end++;
	if (end < bytes.len) {
		unsigned char c = (unsigned char)bytes.data[end++];

		if (c != '<' && scan->depth > 0)
			return XML_TEXT;
		if (c != '<')
			return c >= 0xfe || c == 0 ? XML_ENCODING : XML_NOT_WELL_FORMED;
		scan->state = LESS;
	}
	*at = end;
	return XML_MORE;
}

static int in_cdata(struct scan *scan, struct slice bytes, size_t *at)
{
	char c = bytes.data[*at];

	if (scan->state == CDATA) {
		*at = find(bytes, *at, ']');
		if (*at == bytes.len)
			return XML_MORE;
		scan->state = CDATA_1;
	} else if (scan->state == CDATA_1) {
		scan->state = c == ']' ? CDATA_2 : CDATA;
	} else if (c != ']') {
		scan->state = c == '>' ? TEXT : CDATA;
	}
	(*at)++;
	return XML_MORE;
}

/* Comments and DOCTYPE end here, CDATA does not. */
static int after_bang(struct scan *scan, char c)
{
	if (c != '[' || scan->depth == 0)
		return XML_RESTRICTED;
	if (scan->depth == rest_depth(scan))
		return XML_TEXT;
	scan->state = CDATA;
	return XML_MORE;
}

/* Up to the end of an end tag or of the XML declaration. */
static int in_plain(struct scan *scan, struct slice bytes, size_t *at)
{
	bool tag = scan->state == CLOSE;

	*at = find(bytes, *at, '>');
	if (*at == bytes.len)
		return XML_MORE;
	(*at)++;
	scan->state = TEXT;
	return tag ? closed(scan) : XML_MORE;
}

/* Reads within one state. */
static int step(struct scan *scan, const struct xml_limits *limits, struct slice bytes, size_t *at)
{
	switch (scan->state) {
	case TEXT:
		return in_text(scan, bytes, at);
	case LESS:
		return began_tag(scan, bytes.data[(*at)++]);
	case OPEN:
	case SLASH:
		return in_tag(scan, limits, bytes, at);
	case VALUE:
	case QUOTED:
		return in_value(scan, bytes, at);
	case CLOSE:
	case DECLARATION:
		return in_plain(scan, bytes, at);
	case BANG:
		return after_bang(scan, bytes.data[(*at)++]);
	default:
		return in_cdata(scan, bytes, at);
	}
}

int scan_bytes(struct scan *scan, const struct xml_limits *limits, struct slice bytes,
	       size_t *whole)
{
	size_t at = 0;
	int rc = XML_MORE;

	*whole = 0;
	while (rc == XML_MORE && at < bytes.len) {
		bool tag = scan->state != TEXT && scan->state < CDATA;

		rc = step(scan, limits, bytes, &at);
		if (tag && scan->state == TEXT)
			*whole = at;
	}
	return rc;
}
