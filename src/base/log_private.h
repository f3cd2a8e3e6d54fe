/* SPDX-License-Identifier: MIT */
/* Private to the log: a line before it is printed, and how it is to look. */
#pragma once

#include "base/log.h"

struct log_line {
	int64_t wall_ms;
	enum log_level level;
	const char *part, *who;
	const struct log_event *event; /* NULL: a note */
	struct slice text;
};

struct log_look {
	enum log_format format;
	enum log_addresses addresses;
	bool journal;
};

void log_line_print(const struct log_line *line, const struct log_look *look, struct buf *out);
