/* SPDX-License-Identifier: MIT */
/* Log lines: formatted where they arise, written by a thread of the log. */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/list.h"
#include "base/mem.h"
#include "base/stamp.h"
#include "base/utf8.h"

enum { RING = 64 * 1024, TEXT_MAX = 2048 };

struct log_writer {
	int fd;
	enum log_level level;
	enum log_format format;
	bool threaded;
	_Atomic bool stopping;
	pthread_t thread;
	pthread_mutex_t lock; /* of the rings' list */
	sem_t wake;	      /* posted by whoever takes the flag: a producer never waits */
	_Atomic bool asleep;
	_Atomic uint64_t dropped;
	_Atomic int64_t dropped_ms; /* when the last one was */
	uint64_t dropped_said;
	struct list rings;
};

/* One producer, the worker; one consumer, the writer. head and tail only grow. */
struct log_ring {
	struct list link;
	struct log_writer *writer;
	const int64_t *wall_ms;
	_Atomic uint64_t head, tail;
	char bytes[];
};

/* -- lines
 * ------------------------------------------------------------------------------------------ */

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* Text without what would break the line: JSON's escapes, or those of C. What is no UTF-8 is shown
 * as such. */
static void append_safe(struct buf *out, struct slice text, bool json)
{
	while (text.len) {
		unsigned char c = (unsigned char)*text.data;
		size_t len = utf8_first(text);

		if (json && !len)
			buf_append_text(out, "\\ufffd");
		else if (json && (c == '"' || c == '\\'))
			buf_printf(out, "\\%c", c);
		else if (!len || c < 0x20 || c == 0x7f)
			buf_printf(out, json ? "\\u%04x" : "\\x%02x", c);
		else
			buf_append(out, text.data, len);
		len = len ? len : 1;
		text = (struct slice){text.data + len, text.len - len};
	}
}

static void json_member(struct buf *out, const char *key, struct slice text)
{
	buf_printf(out, ",\"%s\":\"", key);
	append_safe(out, text, true);
	buf_append_char(out, '"');
}

struct line {
	int64_t wall_ms;
	enum log_level level;
	const char *part, *who;
	struct slice text;
};

static void format_line(const struct line *line, enum log_format format, struct buf *out)
{
	char stamp[STAMP_LEN];

	stamp_print(stamp, line->wall_ms, true);
	if (format == LOG_JSON) {
		buf_printf(out, "{\"time\":\"%s\",\"level\":\"%s\"", stamp,
			   level_names[line->level]);
		json_member(out, "part", slice_of(line->part));
		json_member(out, "text", line->text);
		if (line->who)
			json_member(out, "who", slice_of(line->who));
		buf_append_text(out, "}\n");
		return;
	}
	buf_printf(out, "%s %s %s: ", stamp, level_names[line->level], line->part);
	append_safe(out, line->text, false);
	if (line->who) {
		buf_append_text(out, " [");
		append_safe(out, slice_of(line->who), false);
		buf_append_char(out, ']');
	}
	buf_append_char(out, '\n');
}

/* -- writing
 * ---------------------------------------------------------------------------------------- */

/* A log that cannot be written is nothing that a server could act on: the rest of the bytes is
 * given up. */
static void put(int fd, const char *bytes, size_t len)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};

	while (len) {
		ssize_t taken = write(fd, bytes, len);

		/* Whoever shares our terminal may have made it one that does not wait. */
		if (taken < 0 && errno == EAGAIN)
			poll(&ready, 1, -1);
		if (taken < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (taken <= 0)
			return;
		bytes += taken;
		len -= (size_t)taken;
	}
}

static bool drain_ring(struct log_writer *writer, struct log_ring *ring)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t head = atomic_load(&ring->head); /* in one order with the flag asleep */
	size_t from = tail % RING, first = RING - from;

	if (head == tail)
		return false;
	if (first > head - tail)
		first = (size_t)(head - tail);
	put(writer->fd, ring->bytes + from, first);
	put(writer->fd, ring->bytes, (size_t)(head - tail) - first);
	atomic_store_explicit(&ring->tail, head, memory_order_release);
	return true;
}

/* Says how many lines were dropped since it was said last. */
static void say_dropped(struct log_writer *writer)
{
	uint64_t dropped = atomic_load_explicit(&writer->dropped, memory_order_acquire);
	AUTO(buf_fini) struct buf text = {0}, line = {0};

	if (dropped == writer->dropped_said)
		return;
	buf_printf(&text, "%llu lines were dropped",
		   (unsigned long long)(dropped - writer->dropped_said));
	format_line(&(struct line){.wall_ms = atomic_load_explicit(&writer->dropped_ms,
								   memory_order_relaxed),
				   .level = LOG_WARN,
				   .part = "log",
				   .text = buf_slice(&text)},
		    writer->format, &line);
	put(writer->fd, line.data, line.len);
	writer->dropped_said = dropped;
}

static bool drain_all(struct log_writer *writer)
{
	bool any = false;

	pthread_mutex_lock(&writer->lock);
	for (struct list *at = writer->rings.next; at != &writer->rings; at = at->next)
		any = drain_ring(writer, container_of(at, struct log_ring, link)) || any;
	pthread_mutex_unlock(&writer->lock);
	say_dropped(writer);
	return any;
}

static void *write_lines(void *arg)
{
	struct log_writer *writer = arg;

	for (;;) {
		if (drain_all(writer))
			continue;
		if (atomic_load(&writer->stopping)) {
			drain_all(writer); /* what came between the look and the word */
			return NULL;
		}
		/* What came before the flag is seen by the second look, what comes after it posts.
		 */
		atomic_store(&writer->asleep, true);
		if (drain_all(writer) || atomic_load(&writer->stopping))
			atomic_store(&writer->asleep, false);
		else
			sem_wait(&writer->wake);
	}
}

static void wake(struct log_writer *writer)
{
	if (atomic_exchange(&writer->asleep, false))
		sem_post(&writer->wake);
}

/* The thread takes no signals: they are the loops'. */
static bool start_thread(struct log_writer *writer)
{
	sigset_t all, before;
	int fault;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	fault = pthread_create(&writer->thread, NULL, write_lines, writer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !fault;
}

/* What the thread reads belongs to no part: a part's heap may be dropped with all that is in it. */
static void *alloc_outside(size_t size)
{
	struct heap *before = heap_enter(NULL);
	void *memory = mem_zalloc(MEM_LOG, size);

	heap_enter(before);
	return memory;
}

struct log_writer *log_writer_new(int fd, enum log_level level, enum log_format format,
				  bool threaded)
{
	struct log_writer *writer = alloc_outside(sizeof(*writer));

	writer->fd = fd;
	writer->level = level;
	writer->format = format;
	writer->threaded = threaded;
	list_init(&writer->rings);
	pthread_mutex_init(&writer->lock, NULL);
	sem_init(&writer->wake, 0, 0);
	if (threaded && !start_thread(writer))
		writer->threaded = false;
	return writer;
}

void log_writer_free(struct log_writer **taken)
{
	struct log_writer *writer = *taken;

	*taken = NULL;
	if (!writer)
		return;
	if (writer->threaded) {
		atomic_store(&writer->stopping, true);
		wake(writer);
		pthread_join(writer->thread, NULL);
	}
	pthread_mutex_destroy(&writer->lock);
	sem_destroy(&writer->wake);
	mem_free(writer);
}

struct log_ring *log_ring_new(struct log_writer *writer, const int64_t *wall_ms)
{
	struct log_ring *ring;

	if (!writer)
		return NULL;
	ring = writer->threaded ? alloc_outside(sizeof(*ring) + RING)
				: mem_zalloc(MEM_LOG, sizeof(*ring));
	ring->writer = writer;
	ring->wall_ms = wall_ms;
	list_init(&ring->link);
	if (!writer->threaded)
		return ring;
	pthread_mutex_lock(&writer->lock);
	list_append(&writer->rings, &ring->link);
	pthread_mutex_unlock(&writer->lock);
	return ring;
}

void log_ring_free(struct log_ring **taken)
{
	struct log_ring *ring = *taken;

	*taken = NULL;
	if (!ring)
		return;
	if (ring->writer->threaded) {
		pthread_mutex_lock(&ring->writer->lock);
		drain_ring(ring->writer, ring);
		list_remove(&ring->link);
		pthread_mutex_unlock(&ring->writer->lock);
	}
	mem_free(ring);
}

uint64_t log_dropped(const struct log_writer *writer)
{
	return atomic_load_explicit(&writer->dropped, memory_order_relaxed);
}

/* -- the worker's end
 * -------------------------------------------------------------------------------- */

static void push(struct log_ring *ring, const char *bytes, size_t len)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	size_t from = head % RING, first = RING - from;

	if (RING - (head - tail) < len) {
		atomic_store_explicit(&ring->writer->dropped_ms, *ring->wall_ms,
				      memory_order_relaxed);
		atomic_fetch_add_explicit(&ring->writer->dropped, 1, memory_order_release);
		return;
	}
	if (first > len)
		first = len;
	memcpy(ring->bytes + from, bytes, first);
	memcpy(ring->bytes, bytes + first, len - first);
	atomic_store(&ring->head, head + len);
	if (atomic_load(&ring->writer->asleep))
		wake(ring->writer);
}

bool log_wants(const struct log *log, enum log_level level)
{
	return log->ring && level <= log->ring->writer->level;
}

void log_write(const struct log *log, enum log_level level, const char *format, ...)
{
	AUTO(buf_fini) struct buf text = {0}, out = {0};
	struct line line;
	va_list args;

	if (!log_wants(log, level))
		return;
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	if (buf_used(&text) > TEXT_MAX) {
		text.len = TEXT_MAX;
		buf_append_text(&text, "...");
	}
	line = (struct line){*log->ring->wall_ms, level, log->part, log->who, buf_slice(&text)};
	format_line(&line, log->ring->writer->format, &out);
	if (log->ring->writer->threaded)
		push(log->ring, out.data, out.len);
	else
		put(log->ring->writer->fd, out.data, out.len);
}

const char *log_quote(char out[LOG_QUOTE], struct slice text)
{
	enum { ROOM = LOG_QUOTE - 9 }; /* for one more character, dots, a quote and a NUL */
	size_t used = 1;

	out[0] = '"';
	while (text.len && used < ROOM) {
		unsigned char c = (unsigned char)*text.data;
		size_t len = utf8_first(text);
		/* U+0080 to U+009F are control characters too. */
		bool control = c < 0x20 || c == 0x7f ||
			       (len == 2 && c == 0xc2 && (unsigned char)text.data[1] < 0xa0);

		if (!len || control || c == '"' || c == '\\') {
			used += (size_t)snprintf(out + used, LOG_QUOTE - used, "\\x%02x", c);
			len = 1;
		} else {
			memcpy(out + used, text.data, len);
			used += len;
		}
		text = (struct slice){text.data + len, text.len - len};
	}
	snprintf(out + used, LOG_QUOTE - used, "%s\"", text.len ? "..." : "");
	return out;
}
