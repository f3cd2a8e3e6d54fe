/* SPDX-License-Identifier: MIT */
/*
 * A reader of TOML 1.0, every value with its position. Dates are refused (we have none); everything
 * else of the language is read: tables, arrays of tables, inline tables, dotted keys, all strings,
 * numbers. A text without NUL, so that every string is one of C too. Columns count bytes.
 */
#pragma once

#include <stdint.h>
#include "base/buf.h"

enum toml_type { TOML_STRING, TOML_INTEGER, TOML_FLOAT, TOML_BOOL, TOML_ARRAY, TOML_TABLE };

struct toml {
	enum toml_type type;
	unsigned line,
		column; /* from 1: of the value; of the key for a table member, see key_line */
	unsigned key_line, key_column;
	struct slice key;    /* of a table's member; owned by the document */
	struct slice string; /* TOML_STRING: UTF-8, unescaped, NUL-terminated behind its end */
	int64_t integer;     /* TOML_INTEGER, and TOML_BOOL as 0 or 1 */
	double number;	     /* TOML_FLOAT */
	struct toml *child;  /* first element or member, in file order */
	struct toml *next;
	struct toml *last; /* the reader's own, and flags */
	uint8_t flags;
};

struct toml_error {
	unsigned line, column;
	char text[160];
};

struct toml_doc;

/* Nesting is limited to 32, the text to 1 MB. Returns 0 or -EINVAL with *error filled. */
int toml_parse(struct slice text, struct toml_doc **doc, struct toml_error *error);
const struct toml *toml_root(const struct toml_doc *doc); /* a TOML_TABLE */
void toml_free(struct toml_doc **doc);
const struct toml *toml_get(const struct toml *table,
			    const char *key); /* one level; NULL when absent */
