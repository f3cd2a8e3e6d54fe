/* SPDX-License-Identifier: MIT */
/* Log lines: formatted where they arise, written by a thread of the log. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/list.h"
#include "base/mem.h"
#include "base/stamp.h"

enum { RING = 64 * 1024, LINE_MAX = 2048 };

struct log_writer {
	int fd;
	enum log_level level;
	enum log_format format;
	bool threaded;
	_Atomic bool stopping;
	pthread_t thread;
	pthread_mutex_t lock; /* of the rings' list */
	sem_t wake;           /* posted by whoever takes the flag: a producer never waits */
	_Atomic bool asleep;
	_Atomic uint64_t dropped;
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

/* -- writing ---------------------------------------------------------------------------------------- */

/* A log that cannot be written is nothing that a server could act on: the rest of the bytes is given up. */
static void put(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t taken = write(fd, bytes, len);

		if (taken < 0 && errno == EINTR)
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
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
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

static bool drain_all(struct log_writer *writer)
{
	uint64_t dropped = atomic_load_explicit(&writer->dropped, memory_order_relaxed);
	bool any = false;
	char line[80];

	pthread_mutex_lock(&writer->lock);
	for (struct list *at = writer->rings.next; at != &writer->rings; at = at->next)
		any = drain_ring(writer, container_of(at, struct log_ring, link)) || any;
	pthread_mutex_unlock(&writer->lock);
	if (dropped != writer->dropped_said) {
		int len = snprintf(line, sizeof(line), "log: %llu lines were dropped\n",
				   (unsigned long long)(dropped - writer->dropped_said));

		put(writer->fd, line, (size_t)len);
		writer->dropped_said = dropped;
	}
	return any;
}

static void *write_lines(void *arg)
{
	struct log_writer *writer = arg;

	for (;;) {
		if (drain_all(writer))
			continue;
		if (atomic_load(&writer->stopping))
			return NULL;
		/* What came before the flag is seen by the second look, what comes after it posts. */
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

struct log_writer *log_writer_new(int fd, enum log_level level, enum log_format format, bool threaded)
{
	struct log_writer *writer = mem_zalloc(MEM_LOG, sizeof(*writer));

	writer->fd = fd;
	writer->level = level;
	writer->format = format;
	writer->threaded = threaded;
	list_init(&writer->rings);
	pthread_mutex_init(&writer->lock, NULL);
	sem_init(&writer->wake, 0, 0);
	if (threaded && pthread_create(&writer->thread, NULL, write_lines, writer))
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
	ring = mem_zalloc(MEM_LOG, sizeof(*ring) + (writer->threaded ? RING : 0));
	ring->writer = writer;
	ring->wall_ms = wall_ms;
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
	pthread_mutex_lock(&ring->writer->lock);
	if (ring->writer->threaded)
		drain_ring(ring->writer, ring);
	list_remove(&ring->link);
	pthread_mutex_unlock(&ring->writer->lock);
	mem_free(ring);
}

uint64_t log_dropped(const struct log_writer *writer)
{
	return atomic_load_explicit(&writer->dropped, memory_order_relaxed);
}

/* -- lines ------------------------------------------------------------------------------------------ */

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static void json_text(struct buf *out, const char *key, const char *text)
{
	buf_printf(out, ",\"%s\":\"", key);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < 0x20)
			buf_printf(out, "\\u%04x", c);
		else
			buf_append_char(out, *text);
	}
	buf_append_char(out, '"');
}

static void format_line(const struct log *log, enum log_level level, const char *text, struct buf *out)
{
	char stamp[STAMP_LEN];

	stamp_print(stamp, *log->ring->wall_ms, true);
	if (log->ring->writer->format == LOG_JSON) {
		buf_printf(out, "{\"time\":\"%s\",\"level\":\"%s\"", stamp, level_names[level]);
		json_text(out, "part", log->part);
		json_text(out, "text", text);
		if (log->who)
			json_text(out, "who", log->who);
		buf_append_text(out, "}\n");
		return;
	}
	buf_printf(out, "%s %s %s: %s", stamp, level_names[level], log->part, text);
	if (log->who)
		buf_printf(out, " [%s]", log->who);
	buf_append_char(out, '\n');
}

static void push(struct log_ring *ring, const char *bytes, size_t len)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	size_t from = head % RING, first = RING - from;

	if (RING - (head - tail) < len) {
		atomic_fetch_add_explicit(&ring->writer->dropped, 1, memory_order_relaxed);
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
	AUTO(buf_fini) struct buf line = {0};
	char text[LINE_MAX];
	va_list args;

	if (!log_wants(log, level))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	format_line(log, level, text, &line);
	if (log->ring->writer->threaded)
		push(log->ring, line.data, line.len);
	else
		put(log->ring->writer->fd, line.data, line.len);
}

const char *log_quote(char out[LOG_QUOTE], struct slice text)
{
	size_t at = 0, used = 1;

	out[0] = '"';
	for (; at < text.len && used < LOG_QUOTE - 10; at++) {
		unsigned char c = (unsigned char)text.data[at];

		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
			used += (size_t)snprintf(out + used, LOG_QUOTE - used, "\\x%02x", c);
		else
			out[used++] = (char)c;
	}
	snprintf(out + used, LOG_QUOTE - used, "%s\"", at < text.len ? "..." : "");
	return out;
}
