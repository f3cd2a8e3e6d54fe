/* SPDX-License-Identifier: MIT */
/* Log lines: their two forms, levels, rings, what is dropped. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/mem.h"
#include "unit.h"

/* 2026-11-22T06:21:29.123Z */
static const int64_t now_ms = 1795328489123;

#define NOW "2026-11-22T06:21:29.123Z"

struct sink {
	int ends[2]; /* of a pipe */
	struct log_writer *writer;
	struct log_ring *ring;
	struct log log;
};

static void open_sink(struct sink *sink, enum log_level level, enum log_format format,
		      bool threaded)
{
	assert_int_equal(pipe2(sink->ends, O_CLOEXEC), 0);
	sink->writer = log_writer_new(sink->ends[1], level, format, threaded);
	sink->ring = log_ring_new(sink->writer, &now_ms);
	sink->log = (struct log){sink->ring, "c2s", NULL};
}

/* Ends the log and gives all that was not read yet. */
static void close_sink(struct sink *sink, struct buf *out)
{
	ssize_t len;

	log_ring_free(&sink->ring);
	log_writer_free(&sink->writer);
	close(sink->ends[1]);
	while ((len = read(sink->ends[0], buf_reserve(out, 4096), 4096)) > 0)
		buf_added(out, (size_t)len);
	close(sink->ends[0]);
}

static void assert_written(enum log_format format, const char *who, const char *text,
			   const char *wanted)
{
	for (int threaded = 0; threaded < 2; threaded++) {
		AUTO(buf_fini) struct buf out = {0};
		struct sink sink;

		open_sink(&sink, LOG_DEBUG, format, threaded);
		sink.log.who = who;
		log_info(&sink.log, "%s", text);
		close_sink(&sink, &out);
		assert_string_equal(buf_text(&out), wanted);
	}
}

static void writes_lines_of_text(void **state)
{
	assert_written(LOG_TEXT, "romeo@example.net/orchard", "bound",
		       NOW " info c2s: bound [romeo@example.net/orchard]\n");
	assert_written(LOG_TEXT, NULL, "started \xc3\xa9", NOW " info c2s: started \xc3\xa9\n");
	assert_written(LOG_TEXT, "a\nb", "one\ntwo\t\xff",
		       NOW " info c2s: one\\x0atwo\\x09\\xff [a\\x0ab]\n");
}

static void writes_an_object_a_line(void **state)
{
	assert_written(
		LOG_JSON, "romeo@example.net", "said \"hi\\\"\n\xc3\xa9\xff",
		"{\"time\":\"" NOW
		"\",\"level\":\"info\",\"part\":\"c2s\",\"event\":\"note\",\"message\":\"said "
		"\\\"hi\\\\\\\"\\u000a\xc3\xa9\\ufffd\","
		"\"who\":\"romeo@example.net\"}\n");
	assert_written(
		LOG_JSON, NULL, "",
		"{\"time\":\"" NOW
		"\",\"level\":\"info\",\"part\":\"c2s\",\"event\":\"note\",\"message\":\"\"}\n");
}

/* The line of a login from there. */
static void assert_told(enum log_addresses addresses, const char *peer, enum log_format format,
			const char *wanted)
{
	AUTO(buf_fini) struct buf out = {0};
	struct sink sink;

	open_sink(&sink, LOG_INFO, format, false);
	log_set_addresses(sink.writer, addresses);
	log_event(&sink.log, LOG_INFO,
		  &(struct log_event){
			  "login", peer, {{"jid", "a@b"}, {"binding", NULL}, {"tls", "TLSv1.3"}}},
		  "login of %s", "a@b");
	close_sink(&sink, &out);
	assert_string_equal(buf_text(&out), wanted);
}

static void tells_so_much_of_an_address(void **state)
{
	static const struct {
		enum log_addresses addresses;
		const char *peer, *told;
	} rows[] = {
		{LOG_ADDRESSES_FULL, "192.0.2.77:4711", "192.0.2.77:4711"},
		{LOG_ADDRESSES_FULL, "[2001:db8:1:2::7]:4711", "[2001:db8:1:2::7]:4711"},
		{LOG_ADDRESSES_NETWORK, "192.0.2.77:4711", "192.0.2.0/24"},
		{LOG_ADDRESSES_NETWORK, "[::ffff:192.0.2.77]:4711", "192.0.2.0/24"},
		{LOG_ADDRESSES_NETWORK, "[2001:db8:1:2::7]:4711", "2001:db8:1::/48"},
		{LOG_ADDRESSES_NETWORK, "unix", "unix"},
	};

	for (size_t at = 0; at < countof(rows); at++) {
		char wanted[200];

		snprintf(wanted, sizeof(wanted), NOW " info c2s: login of a@b [%s]\n",
			 rows[at].told);
		assert_told(rows[at].addresses, rows[at].peer, LOG_TEXT, wanted);
		snprintf(wanted, sizeof(wanted),
			 "{\"time\":\"" NOW "\",\"level\":\"info\",\"part\":\"c2s\",\"event\":"
					    "\"login\",\"message\":\"login of a@b\","
			 "\"jid\":\"a@b\",\"tls\":\"TLSv1.3\",\"address\":\"%s\"}\n",
			 rows[at].told);
		assert_told(rows[at].addresses, rows[at].peer, LOG_JSON, wanted);
	}
	assert_told(LOG_ADDRESSES_NONE, "192.0.2.77:4711", LOG_TEXT,
		    NOW " info c2s: login of a@b\n");
	assert_told(LOG_ADDRESSES_NONE, "unix", LOG_TEXT, NOW " info c2s: login of a@b\n");
	assert_told(LOG_ADDRESSES_FULL, NULL, LOG_TEXT, NOW " info c2s: login of a@b\n");
}

static void gives_the_journal_a_priority(void **state)
{
	AUTO(buf_fini) struct buf out = {0};
	struct sink sink;

	open_sink(&sink, LOG_DEBUG, LOG_TEXT, false);
	log_use_journal(sink.writer);
	log_error(&sink.log, "e");
	log_warn(&sink.log, "w\n<0>no");
	log_info(&sink.log, "i");
	log_debug(&sink.log, "d");
	close_sink(&sink, &out);
	assert_string_equal(buf_text(&out),
			    "<3>c2s: e\n<4>c2s: w\\x0a<0>no\n<6>c2s: i\n<7>c2s: d\n");
}

/* What is in the file, once it has so many bytes. */
static void assert_file(const char *path, const char *wanted)
{
	char text[1000] = "";

	for (unsigned tries = 0; tries < 500; tries++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

		assert_true(len >= 0);
		text[len] = '\0';
		if (fd >= 0)
			close(fd);
		if ((size_t)len >= strlen(wanted))
			break;
		usleep(10000);
	}
	assert_string_equal(text, wanted);
}

static void goes_on_in_a_new_file(void **state)
{
	char dir[] = "/tmp/jackdaw-log-XXXXXX", path[64], old[64];
	AUTO(buf_fini) struct buf out = {0};
	struct stat status;
	struct sink sink;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(old, sizeof(old), "%s/log.1", dir);
	open_sink(&sink, LOG_INFO, LOG_TEXT, true);
	assert_int_equal(log_open(sink.writer, "/nowhere/log"), -ENOENT);
	assert_int_equal(log_open(sink.writer, path), 0);
	log_info(&sink.log, "one");
	assert_file(path, NOW " info c2s: one\n");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(rename(path, old), 0);
	log_info(&sink.log, "two");
	assert_file(old, NOW " info c2s: one\n" NOW " info c2s: two\n");
	log_reopen(sink.writer, now_ms);
	assert_file(path, "");
	for (unsigned tries = 0; tries < 500 && access(path, F_OK); tries++)
		usleep(10000);
	log_info(&sink.log, "three");
	assert_file(path, NOW " info c2s: three\n");
	/* A file that cannot be made: the old one goes on, and says so. */
	assert_int_equal(rename(path, old), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	log_reopen(sink.writer, now_ms);
	for (unsigned tries = 0; tries < 500 && !stat(old, &status) && status.st_size < 80; tries++)
		usleep(10000);
	log_info(&sink.log, "four");
	close_sink(&sink, &out);
	buf_clear(&out);
	buf_printf(&out,
		   NOW " info c2s: three\n" NOW
		       " warn log: log.file: %s: cannot be opened anew: Is a directory; lines go "
		       "to the old one\n" NOW " info c2s: four\n",
		   path);
	assert_file(old, buf_text(&out));
	unlink(old);
	rmdir(path);
	rmdir(dir);
}

static void keeps_to_its_level(void **state)
{
	AUTO(buf_fini) struct buf out = {0};
	struct sink sink;

	open_sink(&sink, LOG_WARN, LOG_TEXT, false);
	assert_true(log_wants(&sink.log, LOG_ERROR));
	assert_true(log_wants(&sink.log, LOG_WARN));
	assert_false(log_wants(&sink.log, LOG_INFO));
	log_debug(&sink.log, "d");
	log_info(&sink.log, "i");
	log_warn(&sink.log, "w");
	log_error(&sink.log, "e");
	log_set_level(sink.writer, LOG_ERROR);
	log_warn(&sink.log, "later");
	close_sink(&sink, &out);
	assert_string_equal(buf_text(&out), NOW " warn c2s: w\n" NOW " error c2s: e\n");
}

static void goes_nowhere_without_a_ring(void **state)
{
	const struct log log = {NULL, "c2s", NULL};
	struct log_ring *none = log_ring_new(NULL, &now_ms);

	assert_null(none);
	assert_false(log_wants(&log, LOG_ERROR));
	log_error(&log, "nobody %s", "hears");
	log_ring_free(&none);
}

static void cuts_an_endless_line(void **state)
{
	AUTO(buf_fini) struct buf out = {0};
	struct sink sink;

	open_sink(&sink, LOG_INFO, LOG_TEXT, true);
	log_info(&sink.log, "%060000d", 1);
	close_sink(&sink, &out);
	assert_true(buf_used(&out) < 2200);
	assert_non_null(strstr(buf_text(&out), "000...\n"));
}

static unsigned count_lines(struct buf *out, const char *with)
{
	unsigned count = 0;

	for (const char *at = buf_text(out); (at = strstr(at, with)); at++)
		count++;
	return count;
}

static void keeps_the_order_around_the_ring_many_times(void **state)
{
	AUTO(buf_fini) struct buf out = {0};
	struct sink sink;
	unsigned written = 0, read_lines = 0;
	const char *at;
	ssize_t len;

	open_sink(&sink, LOG_INFO, LOG_TEXT, true);
	/* Never more unread than fits into the ring, so that nothing is dropped. */
	while (written < 10000) {
		struct pollfd ready = {.fd = sink.ends[0], .events = POLLIN};

		for (unsigned some = 0; some < 100; some++)
			log_info(&sink.log, "line %u of many, many lines", written++);
		while (read_lines < written) {
			poll(&ready, 1, 10000);
			len = read(sink.ends[0], buf_reserve(&out, 4096), 4096);
			assert_true(len > 0);
			for (ssize_t byte = 0; byte < len; byte++)
				read_lines += out.data[out.len + (size_t)byte] == '\n';
			buf_added(&out, (size_t)len);
		}
	}
	assert_int_equal(log_dropped(sink.writer), 0);
	close_sink(&sink, &out);
	at = buf_text(&out);
	for (unsigned line = 0; line < written; line++) {
		char wanted[80];
		int wanted_len = snprintf(wanted, sizeof(wanted),
					  NOW " info c2s: line %u of many, many lines\n", line);

		assert_memory_equal(at, wanted, wanted_len);
		at += wanted_len;
	}
	assert_string_equal(at, "");
}

struct producer {
	struct log_writer *writer;
	char name[8];
};

static void *produce(void *arg)
{
	struct producer *producer = arg;
	struct heap *heap = heap_new("worker");
	struct log_ring *ring;
	struct log log;

	heap_enter(heap);
	ring = log_ring_new(producer->writer, &now_ms);
	log = (struct log){ring, producer->name, NULL};
	for (unsigned at = 0; at < 300; at++)
		log_info(&log, "line %u", at);
	log_ring_free(&ring);
	heap_enter(NULL);
	heap_drop(&heap);
	return NULL;
}

static void writes_for_several_workers(void **state)
{
	struct producer producers[4];
	AUTO(buf_fini) struct buf out = {0};
	pthread_t threads[4];
	struct sink sink;

	open_sink(&sink, LOG_INFO, LOG_TEXT, true);
	for (unsigned at = 0; at < 4; at++) {
		producers[at].writer = sink.writer;
		snprintf(producers[at].name, sizeof(producers[at].name), "part%u", at);
		pthread_create(&threads[at], NULL, produce, &producers[at]);
	}
	for (unsigned at = 0; at < 4; at++)
		pthread_join(threads[at], NULL);
	assert_int_equal(log_dropped(sink.writer), 0);
	close_sink(&sink, &out);
	assert_int_equal(count_lines(&out, "\n"), 1200);
	for (unsigned at = 0; at < 4; at++)
		assert_int_equal(count_lines(&out, producers[at].name), 300);
}

static void drops_lines_and_says_how_many(void **state)
{
	AUTO(buf_fini) struct buf out = {0};
	uint64_t dropped, said = 0;
	struct sink sink;
	const char *at;

	/* Nobody reads: the pipe is full at some time, then the ring is. */
	open_sink(&sink, LOG_INFO, LOG_TEXT, true);
	for (unsigned line = 0; line < 5000; line++)
		log_info(&sink.log, "a line that fills the pipe, and the ring behind it, number %u",
			 line);
	dropped = log_dropped(sink.writer);
	assert_true(dropped > 100);
	while (count_lines(&out, " info c2s: a line") + dropped < 5000) {
		ssize_t len = read(sink.ends[0], buf_reserve(&out, 4096), 4096);

		assert_true(len > 0);
		buf_added(&out, (size_t)len);
	}
	close_sink(&sink, &out);
	assert_int_equal(count_lines(&out, " info c2s: a line") + dropped, 5000);
	for (at = buf_text(&out); (at = strstr(at, NOW " warn log: ")); at++) {
		unsigned long long some;

		assert_int_equal(sscanf(at, NOW " warn log: %llu lines were dropped\n", &some), 1);
		said += some;
	}
	assert_int_equal(said, dropped);
}

static void say(struct log_ring *ring, const char *text)
{
	const struct log log = {ring, "sm", NULL};

	log_info(&log, "%s", text);
}

static void outlives_the_heap_of_a_worker_that_was_killed(void **state)
{
	for (int threaded = 0; threaded < 2; threaded++) {
		struct heap *heap = heap_new("killed");
		AUTO(buf_fini) struct buf out = {0};
		struct log_ring *lost, *next;
		struct sink sink;

		open_sink(&sink, LOG_INFO, LOG_TEXT, threaded);
		heap_enter(heap);
		lost = log_ring_new(sink.writer, &now_ms);
		say(lost, "last words");
		heap_enter(NULL);
		heap_drop(&heap);
		next = log_ring_new(sink.writer, &now_ms);
		say(next, "born");
		log_ring_free(&next);
		if (threaded)
			log_ring_free(&lost);
		close_sink(&sink, &out);
		assert_int_equal(count_lines(&out, "last words"), 1);
		assert_int_equal(count_lines(&out, "born"), 1);
	}
}

static int64_t cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void sleeps_while_there_is_nothing_to_write(void **state)
{
	AUTO(buf_fini) struct buf out = {0};
	struct sink sink;
	int64_t before;

	open_sink(&sink, LOG_INFO, LOG_TEXT, true);
	log_info(&sink.log, "one");
	usleep(20000);
	before = cpu_us();
	usleep(100000);
	assert_true(cpu_us() - before < 20000);
	close_sink(&sink, &out);
	assert_int_equal(count_lines(&out, "one"), 1);
}

static void quotes_what_peers_send(void **state)
{
	char out[LOG_QUOTE];
	AUTO(buf_fini) struct buf all = {0};

	assert_string_equal(log_quote(out, SLICE("romeo")), "\"romeo\"");
	assert_string_equal(log_quote(out, (struct slice){NULL, 0}), "\"\"");
	assert_string_equal(log_quote(out, SLICE("a\"b\\c\nd\x7f")),
			    "\"a\\x22b\\x5cc\\x0ad\\x7f\"");
	assert_string_equal(log_quote(out, SLICE("\xc3\xa9\xff\xc2\x9b\xe2\x82")),
			    "\"\xc3\xa9\\xff\\xc2\\x9b\\xe2\\x82\"");
	assert_string_equal(log_quote(out, SLICE("nul\0here")), "\"nul\\x00here\"");
	for (unsigned lead = 0; lead < 8; lead++) {
		static const char *const fillers[] = {"x", "\n", "\xc3\xa9", "\xf0\x9f\x98\x80"};

		for (size_t at = 0; at < countof(fillers); at++) {
			buf_clear(&all);
			buf_append(&all, "aaaaaaaa", lead);
			for (unsigned more = 0; more < 200; more++)
				buf_append_text(&all, fillers[at]);
			log_quote(out, buf_slice(&all));
			assert_true(strlen(out) < LOG_QUOTE);
			assert_string_equal(out + strlen(out) - 4, "...\"");
		}
	}
}

int main(void)
{
	const struct CMUnitTest log[] = {
		cmocka_unit_test(writes_lines_of_text),
		cmocka_unit_test(writes_an_object_a_line),
		cmocka_unit_test(tells_so_much_of_an_address),
		cmocka_unit_test(gives_the_journal_a_priority),
		cmocka_unit_test(goes_on_in_a_new_file),
		cmocka_unit_test(keeps_to_its_level),
		cmocka_unit_test(goes_nowhere_without_a_ring),
		cmocka_unit_test(cuts_an_endless_line),
		cmocka_unit_test(keeps_the_order_around_the_ring_many_times),
		cmocka_unit_test(writes_for_several_workers),
		cmocka_unit_test(drops_lines_and_says_how_many),
		cmocka_unit_test(outlives_the_heap_of_a_worker_that_was_killed),
		cmocka_unit_test(sleeps_while_there_is_nothing_to_write),
		cmocka_unit_test(quotes_what_peers_send),
	};

	return RUN(log);
}
