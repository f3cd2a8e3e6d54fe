/* SPDX-License-Identifier: MIT */
/*
 * Log lines. Each worker has a ring; a thread of the log writes them out, so that no loop ever
 * waits for a disk or a terminal. A line that finds its ring full is dropped and counted, and the
 * count is said.
 *
 * A struct log is a context: whose line it is. It prints as "level part: text who". Text from peers
 * goes through log_quote(). Secrets and bodies are never logged.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include "base/buf.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_writer; /* a process's one writer and its thread */
struct log_ring;   /* one worker's lines */

/* Where a line goes and whose it is; copied freely, borrows all it points to. */
struct log {
	struct log_ring *ring; /* NULL: nowhere */
	const char *part;      /* "c2s" */
	const char *who;       /* a JID or an address, or NULL */
};

/* The descriptor stays the caller's. threaded = false writes at once (tools, simulator). */
struct log_writer *log_writer_new(int fd, enum log_level level, enum log_format format,
				  bool threaded);
/* Writes what is left. Its rings must be freed before. */
void log_writer_free(struct log_writer **writer);

/* wall_ms: where the worker keeps its idea of the time, milliseconds since 1970; read at each line.
 */
struct log_ring *log_ring_new(struct log_writer *writer, const int64_t *wall_ms);
void log_ring_free(struct log_ring **ring);

bool log_wants(const struct log *log, enum log_level level);
void log_write(const struct log *log, enum log_level level, const char *format, ...)
	PRINTF_LIKE(3, 4);
uint64_t log_dropped(const struct log_writer *writer);

#define log_error(log, ...) log_write((log), LOG_ERROR, __VA_ARGS__)
#define log_warn(log, ...) log_write((log), LOG_WARN, __VA_ARGS__)
#define log_info(log, ...) log_write((log), LOG_INFO, __VA_ARGS__)
#define log_debug(log, ...) log_write((log), LOG_DEBUG, __VA_ARGS__)

/* A peer's text made safe for a log line: quoted, control bytes escaped, cut. out has room for
 * LOG_QUOTE. */
enum { LOG_QUOTE = 100 };
const char *log_quote(char out[LOG_QUOTE], struct slice text);
