/* SPDX-License-Identifier: MIT */
/* Escaping for print: what is read back is what was there, line ends and tabs in attributes too. */
#include "xml/tree.h"

enum { IN_TEXT = 1, IN_VALUE = 2 };

/* Where a byte needs an escape. Control characters, which XML does not know at all, need one
 * everywhere. */
static const unsigned char special[256] = {
	3,
	3,
	3,
	3,
	3,
	3,
	3,
	3,
	3,
	IN_VALUE,
	IN_VALUE,
	3,
	3,
	3,
	3,
	3, /* tab and line feed may stand in text */
	3,
	3,
	3,
	3,
	3,
	3,
	3,
	3,
	3,
	3,
	3,
	3,
	3,
	3,
	3,
	3,
	['&'] = IN_TEXT | IN_VALUE,
	['<'] = IN_TEXT | IN_VALUE,
	['>'] = IN_TEXT | IN_VALUE,
	['\''] = IN_VALUE,
};

static const char *escape_of(char c)
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
	case '\t':
		return "&#9;";
	case '\n':
		return "&#10;";
	case '\r':
		return "&#13;";
	default:
		return "\xEF\xBF\xBD";
	}
}

static void print_escaped(struct buf *out, struct slice text, unsigned char where)
{
	size_t done = 0, at = 0;

	while ((at = xml_plain(text, at)) < text.len) {
		char c = text.data[at++];

		if (!(special[(unsigned char)c] & where))
			continue;
		buf_append(out, text.data + done, at - 1 - done);
		buf_append_text(out, escape_of(c));
		done = at;
	}
	if (done < text.len)
		buf_append(out, text.data + done, text.len - done);
}

void tree_print_text(struct buf *out, struct slice text)
{
	print_escaped(out, text, IN_TEXT);
}

void tree_print_value(struct buf *out, struct slice text)
{
	print_escaped(out, text, IN_VALUE);
}
