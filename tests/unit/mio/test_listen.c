/* SPDX-License-Identifier: MIT */
/* Listeners of the real machine. */
#include "harness.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { SHARED = 64 };

struct test {
	struct harness harness;
	struct mio_listener *listener;
	struct mio_timer timer;
	_Atomic unsigned accepted;
};

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

static void counts_and_refuses(int given, void *arg)
{
	struct test *test = arg;
	int delay = 0;
	socklen_t len = sizeof(delay);

	assert_int_equal(getsockopt(given, IPPROTO_TCP, TCP_NODELAY, &delay, &len), 0);
	assert_int_equal(delay, 1);
	mio_refuse(test->harness.mio, given);
	if (++test->accepted == SHARED)
		mio_host_stop(test->harness.host);
}

static void shares_a_listener_between_workers(void **state)
{
	struct test test;
	int fds[SHARED];

	open_test(&test, 2, "127.0.0.1:0");
	for (unsigned i = 0; i < 2; i++)
		mio_accept(mio_host_loop(test.harness.host, i), test.listener, counts_and_refuses,
			   &test);
	for (unsigned i = 0; i < SHARED; i++)
		assert_true((fds[i] = harness_dial(mio_listener_address(test.listener))) >= 0);
	harness_run(&test.harness);
	for (unsigned i = 0; i < SHARED; i++) {
		char byte;

		assert_int_equal(read(fds[i], &byte, 1), 0);
		close(fds[i]);
	}
	assert_int_equal(test.accepted, SHARED);
	close_test(&test);
}

static void listens_on_both_families_at_once(void **state)
{
	struct test test;
	struct mio_listener *six = NULL;
	char four[64], address[64];
	int fd;

	open_test(&test, 1, ":0");
	assert_int_equal(mio_listener_address(test.listener)[0], ':');
	snprintf(four, sizeof(four), "127.0.0.1%s", mio_listener_address(test.listener));
	fd = harness_dial(four);
	assert_true(fd >= 0);
	close(fd);
	if (mio_listen(test.harness.host, "[::1]:0", &six) == 0) { /* there is IPv6 here */
		snprintf(address, sizeof(address), "[::1]%s", mio_listener_address(test.listener));
		fd = harness_dial(address);
		assert_true(fd >= 0);
		close(fd);
		mio_unlisten(&six);
	}
	close_test(&test);
}

/* -- Unix sockets -- */

static void replaces_a_stale_path_and_no_other(void **state)
{
	struct test test;
	struct mio_listener *second = NULL;
	struct sockaddr_storage at;
	socklen_t len;
	struct stat file;
	char address[64];
	int stale = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address, sizeof(address), "unix:/tmp/jackdaw-stale-%d.sock", (int)getpid());
	assert_int_equal(mio_address_parse(address, &at, &len), 0);
	assert_int_equal(bind(stale, (struct sockaddr *)&at, len), 0);
	close(stale);
	open_test(&test, 1, address);
	assert_string_equal(mio_listener_address(test.listener), address);
	assert_int_equal(lstat(address + 5, &file), 0);
	assert_int_equal(file.st_mode & 0777, 0600);
	assert_int_equal(mio_listen(test.harness.host, address, &second), -EADDRINUSE);
	mio_unlisten(&test.listener);
	assert_int_equal(lstat(address + 5, &file), -1);

	fclose(fopen(address + 5, "w"));
	assert_int_equal(mio_listen(test.harness.host, address, &second), -EADDRINUSE);
	assert_int_equal(lstat(address + 5, &file), 0);
	unlink(address + 5);
	close_test(&test);
}

static void says_when_a_path_is_too_long(void **state)
{
	struct mio_listener *listener = NULL;
	struct test test;
	char address[256] = "unix:/tmp/";

	memset(address + strlen(address), 'x', 108 - strlen("/tmp/"));
	open_test(&test, 1, "127.0.0.1:0");
	assert_int_equal(mio_listen(test.harness.host, address, &listener), -ENAMETOOLONG);
	assert_int_equal(mio_listen(test.harness.host, "unix:", &listener), -EINVAL);
	close_test(&test);
}

static const struct mio_sock_handler idle_handler = {NULL, NULL};

static void knows_a_unix_peer(int given, void *arg)
{
	struct test *test = arg;
	struct mio_sock sock = {0};
	uid_t uid = (uid_t)-1;

	mio_sock_take(test->harness.mio, &sock, given, &idle_handler, 0);
	test->accepted += mio_peer_uid(&sock, &uid) && uid == getuid();
	mio_close(&sock);
	assert_false(mio_peer_uid(&sock, &uid));
	mio_host_stop(test->harness.host);
}

static void tells_the_uid_of_a_unix_peer(void **state)
{
	struct test test;
	char address[64];
	int fd;

	snprintf(address, sizeof(address), "unix:/tmp/jackdaw-uid-%d.sock", (int)getpid());
	open_test(&test, 1, address);
	mio_accept(test.harness.mio, test.listener, knows_a_unix_peer, &test);
	fd = harness_dial(address);
	harness_run(&test.harness);
	assert_int_equal(test.accepted, 1);
	close(fd);
	close_test(&test);
}

/* -- out of descriptors -- */

static void never_accepts(int given, void *arg)
{
	((struct test *)arg)->accepted++;
	mio_refuse(((struct test *)arg)->harness.mio, given);
}

static void stops_later(struct mio_timer *timer)
{
	mio_host_stop(container_of(timer, struct test, timer)->harness.host);
}

static void turns_connections_away_without_descriptors(void **state)
{
	struct test test;
	struct rlimit limit, low;
	char byte;
	int peer, lowest_free;

	open_test(&test, 1, "127.0.0.1:0");
	mio_accept(test.harness.mio, test.listener, never_accepts, &test);
	peer = harness_dial(mio_listener_address(test.listener));
	lowest_free = dup(peer);
	close(lowest_free);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)lowest_free;
	mio_timer_init(&test.timer, stops_later);
	mio_timer_set(test.harness.mio, &test.timer, 50);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	harness_run(&test.harness);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(test.accepted, 0);
	assert_int_equal(read(peer, &byte, 1), 0);
	close(peer);
	close_test(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_a_listener_between_workers),
		cmocka_unit_test(listens_on_both_families_at_once),
		cmocka_unit_test(replaces_a_stale_path_and_no_other),
		cmocka_unit_test(says_when_a_path_is_too_long),
		cmocka_unit_test(tells_the_uid_of_a_unix_peer),
		cmocka_unit_test(turns_connections_away_without_descriptors),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
