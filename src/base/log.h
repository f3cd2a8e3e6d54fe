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
enum log_addresses { LOG_ADDRESSES_FULL, LOG_ADDRESSES_NETWORK, LOG_ADDRESSES_NONE };
enum log_to { LOG_TO_STDERR, LOG_TO_JOURNAL, LOG_TO_FILE };

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

/*
 * What may change while lines are written, on any thread. Before that: log_use_journal(), whose
 * lines begin with their priority, "<6>", as sd-daemon(3) has it, and have no time of their own.
 */
void log_set_level(struct log_writer *writer, enum log_level level);
void log_set_format(struct log_writer *writer, enum log_format format);
void log_set_addresses(struct log_writer *writer, enum log_addresses addresses);
void log_use_journal(struct log_writer *writer);
/* From now on to the end of this file, made when missing (mode 0600). Before any ring is there.
 * Returns 0 or a fault. */
int log_open(struct log_writer *writer, const char *path);
/* The file was moved away: the next lines go to a new one of its name. Nothing without log_open().
 * wall_ms: now. Any thread. */
void log_reopen(struct log_writer *writer, int64_t wall_ms);

/* wall_ms: where the worker keeps its idea of the time, milliseconds since 1970; read at each line.
 */
struct log_ring *log_ring_new(struct log_writer *writer, const int64_t *wall_ms);
void log_ring_free(struct log_ring **ring);

bool log_wants(const struct log *log, enum log_level level);
void log_write(const struct log *log, enum log_level level, const char *format, ...)
	PRINTF_LIKE(3, 4);

/*
 * A line that tells of an event, for programs: in JSON its name and facts are members of their own
 * ("event", "jid"); a line of log_write() is a "note". The text says all of it, but for the
 * client's address: that is appended here, and nowhere else, as log_set_addresses() says.
 */
enum { LOG_FACTS_MAX = 6 };

struct log_fact {
	const char *name, *text; /* text NULL: it is left out */
};

struct log_event {
	const char *name;    /* "login" */
	const char *address; /* of a client, "192.0.2.7:4711"; NULL: none */
	struct log_fact facts[LOG_FACTS_MAX];
};

void log_event(const struct log *log, enum log_level level, const struct log_event *event,
	       const char *format, ...) PRINTF_LIKE(4, 5);
uint64_t log_dropped(const struct log_writer *writer);

#define log_error(log, ...) log_write((log), LOG_ERROR, __VA_ARGS__)
#define log_warn(log, ...) log_write((log), LOG_WARN, __VA_ARGS__)
#define log_info(log, ...) log_write((log), LOG_INFO, __VA_ARGS__)
#define log_debug(log, ...) log_write((log), LOG_DEBUG, __VA_ARGS__)

/* A peer's text made safe for a log line: quoted, control bytes escaped, cut. out has room for
 * LOG_QUOTE. */
enum { LOG_QUOTE = 100 };
const char *log_quote(char out[LOG_QUOTE], struct slice text);
