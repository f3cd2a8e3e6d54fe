/* SPDX-License-Identifier: MIT */
/* Sockets of the real machine, on the loopback address. */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "mio/backend.h"

enum { ECHO_BYTES = 6 << 20, CROWD = 16 };

/* -- one connection's two ends -- */

struct end {
	struct mio_sock sock;
	struct test *test;
	struct buf out;
	size_t sent, received;
	unsigned readables, writables, number;
	int fault;
	bool closed;
};

struct test {
	struct harness harness;
	struct mio_listener *listener;
	struct end client, server;
	unsigned accepted;
	struct mio_mail mail;
	int given;
	uint8_t flags; /* of the server's end */
};

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 31 + at / 251);
}

static void finish(struct test *test)
{
	mio_host_stop(test->harness.host);
}

/* -- a server end that echoes -- */

static void echo_flush(struct mio_sock *sock)
{
	struct end *end = container_of(sock, struct end, sock);

	end->writables++;
	while (buf_used(&end->out)) {
		struct slice left = buf_slice(&end->out);
		ssize_t sent = mio_write(sock, left.data, left.len);

		if (sent == -EAGAIN)
			return;
		assert_true(sent > 0);
		buf_skip(&end->out, (size_t)sent);
	}
}

static void echo_read(struct mio_sock *sock)
{
	struct end *end = container_of(sock, struct end, sock);
	char bytes[5000];
	ssize_t got = mio_read(sock, bytes, sizeof(bytes));

	end->readables++;
	if (got == -EAGAIN)
		return;
	if (got <= 0) {
		buf_fini(&end->out);
		mio_close(sock);
		end->closed = true;
		finish(end->test);
		return;
	}
	buf_append(&end->out, bytes, (size_t)got);
	echo_flush(sock);
}

static const struct mio_sock_handler echo_handler = {echo_read, echo_flush};

static void accepted_echo(int given, void *arg)
{
	struct test *test = arg;

	test->accepted++;
	test->server.test = test;
	mio_sock_take(test->harness.mio, &test->server.sock, given, &echo_handler, test->flags);
}

/* -- a client end that sends a pattern and wants it back -- */

static void client_write(struct mio_sock *sock)
{
	struct end *end = container_of(sock, struct end, sock);
	uint8_t bytes[16000];

	end->writables++;
	while (end->sent < ECHO_BYTES) {
		size_t want = ECHO_BYTES - end->sent < sizeof(bytes) ? ECHO_BYTES - end->sent
								     : sizeof(bytes);
		ssize_t sent;

		for (size_t i = 0; i < want; i++)
			bytes[i] = pattern(end->sent + i);
		sent = mio_write(sock, bytes, want);
		if (sent == -EAGAIN)
			return;
		assert_true(sent > 0);
		end->sent += (size_t)sent;
	}
}

static void client_read(struct mio_sock *sock)
{
	struct end *end = container_of(sock, struct end, sock);
	uint8_t bytes[3000];
	ssize_t got = mio_read(sock, bytes, sizeof(bytes));
	unsigned wrong = 0;

	end->readables++;
	assert_true(got > 0 || got == -EAGAIN);
	for (ssize_t i = 0; i < got; i++)
		wrong += bytes[i] != pattern(end->received + (size_t)i);
	assert_int_equal(wrong, 0);
	end->received += got > 0 ? (size_t)got : 0;
	if (end->received == ECHO_BYTES)
		mio_close(sock);
}

static const struct mio_sock_handler client_handler = {client_read, client_write};

static void open_test(struct test *test, unsigned workers, const char *address)
{
	memset(test, 0, sizeof(*test));
	harness_start(&test->harness, workers, NULL, NULL);
	assert_int_equal(mio_listen(test->harness.host, address, &test->listener), 0);
}

static void close_test(struct test *test)
{
	mio_unlisten(&test->listener);
	harness_free(&test->harness);
}

static void connect_client(struct test *test, const struct mio_sock_handler *handler)
{
	const char *address = mio_listener_address(test->listener);

	test->client.test = test;
	assert_int_equal(mio_connect(test->harness.mio, &test->client.sock, address, handler, 0),
			 0);
}

static void echo_over(const char *address, const char *peer, uint8_t flags)
{
	struct test test;
	char name[64];

	open_test(&test, 1, address);
	test.flags = flags;
	mio_accept(test.harness.mio, test.listener, accepted_echo, &test);
	connect_client(&test, &client_handler);
	mio_peer_name(&test.client.sock, name, sizeof(name));
	assert_string_equal(name, peer ? peer : mio_listener_address(test.listener));
	harness_run(&test.harness);
	assert_int_equal(test.client.received, ECHO_BYTES);
	assert_true(test.client.writables > 1 && test.server.writables > 1);
	assert_true(test.server.closed);
	mio_accept_stop(test.harness.mio, test.listener);
	close_test(&test);
}

static void echoes_megabytes_over_tcp(void **state)
{
	echo_over("127.0.0.1:0", NULL, 0);
	echo_over("127.0.0.1:0", NULL, MIO_ENTRY);
}

static void echoes_megabytes_over_a_unix_socket(void **state)
{
	char address[64];

	snprintf(address, sizeof(address), "unix:/tmp/jackdaw-test-%d.sock", (int)getpid());
	echo_over(address, "unix", 0);
	assert_int_equal(access(address + 5, F_OK), -1);
}

/* -- connecting -- */

static void refused_write(struct mio_sock *sock)
{
	struct end *end = container_of(sock, struct end, sock);

	end->writables++;
	end->fault = (int)mio_write(sock, "x", 1);
}

static void refused_read(struct mio_sock *sock)
{
	struct end *end = container_of(sock, struct end, sock);
	char byte;

	end->readables++;
	assert_int_equal(mio_read(sock, &byte, 1), end->fault);
	mio_close(sock);
	finish(end->test);
}

static const struct mio_sock_handler refused_handler = {refused_read, refused_write};

static void says_that_a_connect_was_refused(void **state)
{
	struct test test;
	char address[64];

	open_test(&test, 1, "127.0.0.1:0");
	snprintf(address, sizeof(address), "%s", mio_listener_address(test.listener));
	mio_unlisten(&test.listener);
	test.client.test = &test;
	assert_int_equal(
		mio_connect(test.harness.mio, &test.client.sock, address, &refused_handler, 0), 0);
	harness_run(&test.harness);
	assert_int_equal(test.client.fault, -ECONNREFUSED);
	assert_int_equal(test.client.writables, 1);
	assert_int_equal(test.client.readables, 1);
	close_test(&test);
}

static void refuses_bad_addresses(void **state)
{
	static const char *const bad[] = {"",
					  "localhost:80",
					  "127.0.0.1",
					  "127.0.0.1:",
					  "127.0.0.1:65536",
					  "::1:80",
					  "[::1]",
					  "[::1:80",
					  "[]:80",
					  "127.0.0.1:8x",
					  "127.0.0.1:-1",
					  "unix:",
					  "[127.0.0.1]:80",
					  "1.2.3:80",
					  "[::1]x:80"};
	char path[300] = "unix:/";
	struct test test;
	struct mio_listener *listener = NULL;

	open_test(&test, 1, "127.0.0.1:0");
	memset(path + 6, 'a', sizeof(path) - 7);
	assert_int_equal(mio_connect(test.harness.mio, &test.client.sock, path, &client_handler, 0),
			 -ENAMETOOLONG);
	for (unsigned i = 0; i < countof(bad); i++) {
		assert_int_equal(mio_connect(test.harness.mio, &test.client.sock, bad[i],
					     &client_handler, 0),
				 -EINVAL);
		assert_int_equal(mio_listen(test.harness.host, bad[i], &listener), -EINVAL);
	}
	assert_int_equal(test.client.sock.fd, 0);
	assert_int_equal(
		mio_listen(test.harness.host, mio_listener_address(test.listener), &listener),
		-EADDRINUSE);
	assert_null(listener);
	assert_int_equal(mio_read(&test.client.sock, path, 1), -EBADF);
	assert_int_equal(mio_write(&test.client.sock, path, 1), -EBADF);
	mio_close(&test.client.sock);
	close_test(&test);
}

/* -- moving to another worker -- */

static void arrives(struct mio *mio, struct mio_mail *mail)
{
	struct test *test = container_of(mail, struct test, mail);

	assert_int_equal(mio_worker(mio), 1);
	mio_sock_take(mio, &test->server.sock, test->given, &echo_handler, 0);
}

static void gives_on_first_byte(struct mio_sock *sock)
{
	struct end *end = container_of(sock, struct end, sock);
	struct test *test = end->test;

	test->given = mio_sock_give(sock);
	assert_int_equal(sock->fd, 0);
	test->mail.run = arrives;
	mio_post(test->harness.mio, mio_host_loop(test->harness.host, 1), MIO_CONTROL, &test->mail);
}

static const struct mio_sock_handler giving_handler = {gives_on_first_byte, echo_flush};

static void accepted_giving(int given, void *arg)
{
	struct test *test = arg;

	test->server.test = test;
	mio_sock_take(test->harness.mio, &test->server.sock, given, &giving_handler, MIO_ENTRY);
}

static void gives_a_socket_to_another_worker(void **state)
{
	struct test test;

	open_test(&test, 2, "127.0.0.1:0");
	mio_accept(test.harness.mio, test.listener, accepted_giving, &test);
	connect_client(&test, &client_handler);
	harness_run(&test.harness);
	assert_int_equal(test.client.received, ECHO_BYTES);
	assert_true(test.server.closed);
	close_test(&test);
}

/* -- closing in callbacks -- */

struct crowd {
	struct test test;
	struct end *ends[CROWD];
	struct mio_sock reused;
	struct mio_timer timer;
	unsigned calls, left;
	int peer;
};

static void never_called(struct mio_sock *sock)
{
	fail();
}

static const struct mio_sock_handler quiet_handler = {never_called, never_called};

static void first_closes_all(struct mio_sock *sock)
{
	struct crowd *crowd =
		container_of(container_of(sock, struct end, sock)->test, struct crowd, test);
	struct mio *mio = crowd->test.harness.mio;
	int pair[2];

	crowd->calls++;
	for (unsigned i = CROWD; i-- > 0;) { /* the first has the turn */
		mio_close(&crowd->ends[i]->sock);
		mem_free(crowd->ends[i]);
	}
	/* Takes over the slot and the descriptor of one that has an event waiting in this turn. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	mio_sock_take(mio, &crowd->reused, pair[0], &quiet_handler, 0);
	crowd->peer = pair[1];
	mio_timer_set(mio, &crowd->timer, 20);
}

static const struct mio_sock_handler crowd_handler = {first_closes_all, NULL};

static void accepted_crowd(int given, void *arg)
{
	struct crowd *crowd = container_of(arg, struct crowd, test);
	struct end *end = mem_zalloc(MEM_OTHER, sizeof(*end));

	end->test = &crowd->test;
	mio_sock_take(crowd->test.harness.mio, &end->sock, given, &crowd_handler, 0);
	mio_pause(&end->sock, true);
	crowd->ends[--crowd->left] = end;
	for (unsigned i = 0; crowd->left == 0 && i < CROWD; i++)
		mio_pause(&crowd->ends[i]->sock, false);
}

static void crowd_is_gone(struct mio_timer *timer)
{
	finish(&container_of(timer, struct crowd, timer)->test);
}

static void survives_closing_all_sockets_of_a_turn(void **state)
{
	struct crowd crowd = {.left = CROWD};
	int fds[CROWD];

	open_test(&crowd.test, 1, "127.0.0.1:0");
	mio_timer_init(&crowd.timer, crowd_is_gone);
	mio_accept(crowd.test.harness.mio, crowd.test.listener, accepted_crowd, &crowd.test);
	for (unsigned i = 0; i < CROWD; i++) {
		fds[i] = harness_dial(mio_listener_address(crowd.test.listener));
		assert_int_equal(write(fds[i], "x", 1), 1);
	}
	harness_run(&crowd.test.harness);
	assert_int_equal(crowd.calls, 1);
	mio_close(&crowd.reused);
	close(crowd.peer);
	for (unsigned i = 0; i < CROWD; i++)
		close(fds[i]);
	close_test(&crowd.test);
}

/* -- pausing -- */

struct pausing {
	struct test test;
	struct mio_timer timer;
	unsigned reads_while_paused;
	int peer;
};

static void wakes_up(struct mio_timer *timer)
{
	struct pausing *pausing = container_of(timer, struct pausing, timer);

	pausing->reads_while_paused = pausing->test.server.readables;
	mio_pause(&pausing->test.server.sock, false);
}

static void accepted_pausing(int given, void *arg)
{
	struct pausing *pausing = container_of(arg, struct pausing, test);

	accepted_echo(given, arg);
	mio_pause(&pausing->test.server.sock, true);
	mio_timer_set(pausing->test.harness.mio, &pausing->timer, 100);
}

static void does_not_read_a_paused_socket_nor_spin(void **state)
{
	struct pausing pausing = {.peer = -1};
	struct rusage before, after;
	int64_t used_us;

	open_test(&pausing.test, 1, "127.0.0.1:0");
	mio_timer_init(&pausing.timer, wakes_up);
	mio_accept(pausing.test.harness.mio, pausing.test.listener, accepted_pausing,
		   &pausing.test);
	pausing.peer = harness_dial(mio_listener_address(pausing.test.listener));
	assert_int_equal(write(pausing.peer, "x", 1), 1);
	close(pausing.peer);
	getrusage(RUSAGE_THREAD, &before);
	harness_run(&pausing.test.harness);
	getrusage(RUSAGE_THREAD, &after);
	used_us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
		   before.ru_stime.tv_sec) *
			  INT64_C(1000000) +
		  (after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
		   before.ru_stime.tv_usec);
	assert_int_equal(pausing.reads_while_paused, 0);
	assert_true(pausing.test.server.readables > 0);
	assert_true(used_us < 60000);
	close_test(&pausing.test);
}

/* -- the parts of a turn -- */

enum { READY = 2 * MIO_PART + 16 };

struct parts;

struct waiting {
	struct mio_sock sock;
	struct parts *parts;
	int peer;
};

/* How many were read at each end of a part, and how many of these ends had more behind them. */
struct parts {
	struct harness harness;
	struct mio_task task;
	struct waiting waiting[READY];
	unsigned read, ends[4], count, more;
};

static void note_part(struct mio_task *task)
{
	struct parts *parts = container_of(task, struct parts, task);

	parts->ends[parts->count++] = parts->read;
	parts->more += mio_has_more(parts->harness.mio);
	if (parts->read == READY || parts->count == countof(parts->ends))
		mio_host_stop(parts->harness.host);
}

static void read_one(struct mio_sock *sock)
{
	struct parts *parts = container_of(sock, struct waiting, sock)->parts;
	char byte;

	assert_int_equal(mio_read(sock, &byte, 1), 1);
	assert_int_equal(mio_ready(parts->harness.mio), READY);
	parts->read++;
	mio_defer(parts->harness.mio, &parts->task);
}

static void ends_each_part_of_a_turn(void **state)
{
	static const struct mio_sock_handler handler = {.readable = read_one};
	struct parts parts = {.read = 0};

	harness_start(&parts.harness, 1, NULL, NULL);
	parts.task.run = note_part;
	for (unsigned at = 0; at < READY; at++) {
		struct waiting *waiting = &parts.waiting[at];
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
		assert_int_equal(write(pair[1], "x", 1), 1);
		waiting->parts = &parts;
		waiting->peer = pair[1];
		mio_sock_take(parts.harness.mio, &waiting->sock, pair[0], &handler, 0);
	}
	harness_run(&parts.harness);
	assert_int_equal(parts.count, 3);
	assert_int_equal(parts.ends[0], MIO_PART);
	assert_int_equal(parts.ends[1], 2 * MIO_PART);
	assert_int_equal(parts.ends[2], READY);
	assert_int_equal(parts.more, 2);
	for (unsigned at = 0; at < READY; at++) {
		mio_close(&parts.waiting[at].sock);
		close(parts.waiting[at].peer);
	}
	harness_free(&parts.harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echoes_megabytes_over_tcp),
		cmocka_unit_test(echoes_megabytes_over_a_unix_socket),
		cmocka_unit_test(says_that_a_connect_was_refused),
		cmocka_unit_test(refuses_bad_addresses),
		cmocka_unit_test(gives_a_socket_to_another_worker),
		cmocka_unit_test(survives_closing_all_sockets_of_a_turn),
		cmocka_unit_test(does_not_read_a_paused_socket_nor_spin),
		cmocka_unit_test(ends_each_part_of_a_turn),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
