/* SPDX-License-Identifier: MIT */
/* For the tests of stanzas: short ways to read, print and compare. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "jid/jid.h"
#include "stanza/names.h"
#include "xml/nad.h"
#include "xml/parser.h"

static inline struct nad *read_nad(struct slice text)
{
	static const struct xml_limits limits = {
		.stanza_bytes = 1 << 20, .depth = 50, .attributes = 50};
	struct nad *nad = xml_parse(text, &limits);

	if (!nad)
		fail_msg("no XML: %.*s", (int)text.len, text.data);
	return nad;
}

/* An element as it stands in a client's stream. */
static inline struct nad *read_in_stream(struct slice text)
{
	AUTO(buf_fini) struct buf all = {0};
	AUTO(nad_free) struct nad *stream = NULL;

	buf_append_text(&all, "<c xmlns='jabber:client'>");
	buf_append_slice(&all, text);
	buf_append_text(&all, "</c>");
	stream = read_nad(buf_slice(&all));
	return nad_copy(stream, nad_first_child(stream, 0));
}

static inline int read_with(const char *text, struct stanza **stanza)
{
	struct nad *nad = read_in_stream(slice_of(text));
	int rc = stanza_from_nad(&nad, stanza);

	assert_null(nad);
	return rc;
}

static inline struct stanza *read_stanza(const char *text)
{
	struct stanza *stanza;

	assert_int_equal(read_with(text, &stanza), 0);
	return stanza;
}

static inline void assert_slice(struct slice slice, const char *text)
{
	if (!slice_is(slice, text))
		fail_msg("'%.*s' is not '%s'", (int)slice.len, slice.data, text);
}

static inline void assert_prints(const struct stanza *stanza, const char *text)
{
	AUTO(buf_fini) struct buf out = {0};

	stanza_print(stanza, &out);
	assert_string_equal(buf_text(&out), text);
}
