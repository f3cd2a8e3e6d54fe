/* SPDX-License-Identifier: MIT */
/* Log lines: formatted where they arise, written by a thread of the log. */
#include "base/log_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/list.h"
#include "base/mem.h"

enum { RING = 64 * 1024, TEXT_MAX = 2048 };

struct log_writer {
	int fd;
	char *path; /* of a file that is ours; NULL: the descriptor is the caller's */
	_Atomic int level, format, addresses;
	bool threaded, journal;
	_Atomic bool reopening;
	_Atomic bool stopping;
	pthread_t thread;
	pthread_mutex_t lock; /* of the rings' list */
	sem_t wake;	      /* posted by whoever takes the flag: a producer never waits */
	_Atomic bool asleep;
	_Atomic uint64_t dropped;
	_Atomic int64_t dropped_ms; /* when the last one was */
	_Atomic int64_t reopen_ms;
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

/* What a ring has stands in two pieces, and goes to a file in one: other processes write to it too.
 */
static void put_both(int fd, struct slice first, struct slice second)
{
	struct iovec pieces[2] = {{(void *)first.data, first.len},
				  {(void *)second.data, second.len}};
	ssize_t taken = second.len ? writev(fd, pieces, 2) : 0;
	size_t done = taken > 0 ? (size_t)taken : 0, of_first = done < first.len ? done : first.len;

	put(fd, first.data + of_first, first.len - of_first);
	put(fd, second.data + (done - of_first), second.len - (done - of_first));
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
	put_both(writer->fd, (struct slice){ring->bytes + from, first},
		 (struct slice){ring->bytes, (size_t)(head - tail) - first});
	atomic_store_explicit(&ring->tail, head, memory_order_release);
	return true;
}

static void print_line(const struct log_writer *writer, const struct log_line *line,
		       struct buf *out)
{
	const struct log_look look = {
		.format = (enum log_format)atomic_load_explicit(&writer->format,
								memory_order_relaxed),
		.addresses = (enum log_addresses)atomic_load_explicit(&writer->addresses,
								      memory_order_relaxed),
		.journal = writer->journal,
	};

	log_line_print(line, &look, out);
}

/* A line of the log's own. */
static void say(struct log_writer *writer, int64_t wall_ms, const struct buf *text)
{
	AUTO(buf_fini) struct buf line = {0};

	print_line(writer,
		   &(struct log_line){.wall_ms = wall_ms,
				      .level = LOG_WARN,
				      .part = "log",
				      .text = buf_slice(text)},
		   &line);
	put(writer->fd, line.data, line.len);
}

/* Says how many lines were dropped since it was said last. */
static void say_dropped(struct log_writer *writer)
{
	uint64_t dropped = atomic_load_explicit(&writer->dropped, memory_order_acquire);
	AUTO(buf_fini) struct buf text = {0};

	if (dropped == writer->dropped_said)
		return;
	buf_printf(&text, "%llu lines were dropped",
		   (unsigned long long)(dropped - writer->dropped_said));
	say(writer, atomic_load_explicit(&writer->dropped_ms, memory_order_relaxed), &text);
	writer->dropped_said = dropped;
}

/* -- the file -------------------------------------------------------------------------------------
 */

static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

	return fd < 0 ? -errno : fd;
}

int log_open(struct log_writer *writer, const char *path)
{
	struct heap *before = heap_enter(NULL); /* what the thread reads belongs to no part */
	int fd = open_file(path);

	if (fd >= 0) {
		writer->fd = fd;
		writer->path = mem_strdup(MEM_LOG, path);
	}
	heap_enter(before);
	return fd < 0 ? fd : 0;
}

/* The number stays. What cannot be opened anew goes on where it was. */
static void reopen(struct log_writer *writer)
{
	int fd = open_file(writer->path);

	if (fd < 0 || dup3(fd, writer->fd, O_CLOEXEC) < 0) {
		AUTO(buf_fini) struct buf text = {0};

		buf_printf(&text,
			   "log.file: %s: cannot be opened anew: %s; lines go to the old one",
			   writer->path, strerror(fd < 0 ? -fd : errno));
		say(writer, atomic_load_explicit(&writer->reopen_ms, memory_order_relaxed), &text);
	}
	if (fd >= 0)
		close(fd);
}

static bool drain_all(struct log_writer *writer)
{
	bool any = atomic_exchange(&writer->reopening, false);

	if (any)
		reopen(writer);
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

	pthread_setname_np(pthread_self(), "log");
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

/* The thread takes no signals, they are the loops'; but a refused system call is to be said, not to
 * kill. */
static bool start_thread(struct log_writer *writer)
{
	sigset_t all, before;
	int fault;

	sigfillset(&all);
	sigdelset(&all, SIGSYS);
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
	atomic_init(&writer->level, level);
	atomic_init(&writer->format, format);
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
	if (writer->path)
		close(writer->fd);
	mem_free(writer->path);
	mem_free(writer);
}

void log_set_level(struct log_writer *writer, enum log_level level)
{
	atomic_store_explicit(&writer->level, level, memory_order_relaxed);
}

void log_set_format(struct log_writer *writer, enum log_format format)
{
	atomic_store_explicit(&writer->format, format, memory_order_relaxed);
}

void log_set_addresses(struct log_writer *writer, enum log_addresses addresses)
{
	atomic_store_explicit(&writer->addresses, addresses, memory_order_relaxed);
}

void log_use_journal(struct log_writer *writer)
{
	writer->journal = true;
}

void log_reopen(struct log_writer *writer, int64_t wall_ms)
{
	if (!writer->path)
		return;
	atomic_store_explicit(&writer->reopen_ms, wall_ms, memory_order_relaxed);
	atomic_store(&writer->reopening, true);
	if (writer->threaded)
		wake(writer);
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
	return log->ring &&
	       (int)level <= atomic_load_explicit(&log->ring->writer->level, memory_order_relaxed);
}

static void PRINTF_LIKE(4, 0)
	write_line(const struct log *log, enum log_level level, const struct log_event *event,
		   const char *format, va_list args)
{
	AUTO(buf_fini) struct buf text = {0}, out = {0};
	struct log_line line;

	buf_vprintf(&text, format, args);
	if (buf_used(&text) > TEXT_MAX) {
		text.len = TEXT_MAX;
		buf_append_text(&text, "...");
	}
	line = (struct log_line){*log->ring->wall_ms, level, log->part, log->who, event,
				 buf_slice(&text)};
	print_line(log->ring->writer, &line, &out);
	if (log->ring->writer->threaded)
		push(log->ring, out.data, out.len);
	else
		put(log->ring->writer->fd, out.data, out.len);
}

void log_write(const struct log *log, enum log_level level, const char *format, ...)
{
	va_list args;

	if (!log_wants(log, level))
		return;
	va_start(args, format);
	write_line(log, level, NULL, format, args);
	va_end(args);
}

void log_event(const struct log *log, enum log_level level, const struct log_event *event,
	       const char *format, ...)
{
	va_list args;

	if (!log_wants(log, level))
		return;
	va_start(args, format);
	write_line(log, level, event, format, args);
	va_end(args);
}
