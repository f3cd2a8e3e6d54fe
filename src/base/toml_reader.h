/* SPDX-License-Identifier: MIT */
/* Private to base: the reader's position, its errors, keys and single values. */
#pragma once

#include <stdbool.h>
#include "base/toml.h"

struct toml_reader {
	const char *at, *end, *line_start;
	unsigned line;
	bool failed;
	struct toml_error *error;
	struct buf scratch; /* the key read last */
};

struct toml_key {
	struct slice text; /* in scratch, until the next key is read */
	unsigned line, column;
};

/* Both return false, for the caller to return; the first error stays. */
bool toml_fail(struct toml_reader *reader, unsigned line, unsigned column, const char *format, ...)
	PRINTF_LIKE(4, 5);
bool toml_fail_here(struct toml_reader *reader, const char *text);
unsigned toml_column(const struct toml_reader *reader);
bool toml_at_end(const struct toml_reader *reader);
bool toml_take(struct toml_reader *reader, char c); /* that character stands here: step over it */
void toml_skip_blanks(struct toml_reader *reader);  /* within a line */
void toml_skip_space(struct toml_reader *reader);   /* lines and comments too */
bool toml_end_line(struct toml_reader *reader); /* nothing but blanks and a comment may follow */
bool toml_read_key(struct toml_reader *reader, struct toml_key *key);
bool toml_read_scalar(struct toml_reader *reader, struct toml *value);
