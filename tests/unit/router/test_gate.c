/* SPDX-License-Identifier: MIT */
/* Who may connect to the router at all: simulated peers, which all come from 127.0.0.1. */
#include "settings.h"

#include "base/mem.h"
#include "mio/sim.h"
#include "router/gate.h"

enum { PEERS = 8 };

struct fixture {
	struct settings settings;
	struct conf *conf;
	struct sim *sim;
	struct mio_host *host, *other;
	struct mio_listener *listener;
	struct quotas *quotas;
	struct gate gate;
	struct mio_sock peers[PEERS], taken[PEERS];
	unsigned admitted, refused;
};

static const struct log nowhere;

static void ignore(struct mio_sock *sock)
{
	char bytes[16];

	mio_read(sock, bytes, sizeof(bytes));
	mio_pause(sock, true);
}

static const struct mio_sock_handler handler = {.readable = ignore, .writable = ignore};

static void accepted(int given, void *arg)
{
	struct fixture *fixture = arg;
	struct mio *mio = mio_host_loop(fixture->host, 0);

	if (!gate_refuses(&fixture->gate, given)) {
		mio_sock_take(mio, &fixture->taken[fixture->admitted++], given, &handler, 0);
		return;
	}
	mio_refuse(mio, given);
	fixture->refused++;
}

static int start(struct mio *mio, void *arg)
{
	return 0;
}

static void nothing(struct mio_timer *timer)
{
}

/* Time passes while something is left to do. */
static void settle(struct fixture *fixture, int64_t ms)
{
	struct mio_timer timer;

	mio_timer_init(&timer, nothing);
	mio_timer_set(mio_host_loop(fixture->host, 0), &timer, ms);
	sim_run(fixture->sim, 2 * ms, NULL, NULL);
	mio_timer_stop(&timer);
}

static struct fixture *open_gate(const char *text, const char *address)
{
	struct sim_options options = {.seed = 5};
	struct fixture *fixture = mem_zalloc(MEM_OTHER, sizeof(*fixture));

	fixture->conf = parse(&fixture->settings, text);
	fixture->sim = sim_new(&options);
	fixture->host = sim_host(fixture->sim, "router");
	fixture->other = sim_host(fixture->sim, "peers");
	assert_int_equal(mio_host_start(fixture->host, 1, start, NULL), 0);
	assert_int_equal(mio_host_start(fixture->other, 1, start, NULL), 0);
	fixture->quotas =
		quotas_new(&fixture->settings, mio_hash_key(mio_host_loop(fixture->host, 0)), 0);
	gate_init(&fixture->gate, mio_host_loop(fixture->host, 0), &fixture->settings,
		  fixture->quotas, &nowhere);
	assert_int_equal(mio_listen(fixture->host, address, &fixture->listener), 0);
	mio_accept(mio_host_loop(fixture->host, 0), fixture->listener, accepted, fixture);
	return fixture;
}

static void come(struct fixture *fixture, unsigned from, unsigned count)
{
	for (unsigned at = from; at < from + count; at++)
		assert_int_equal(mio_connect(mio_host_loop(fixture->other, 0), &fixture->peers[at],
					     mio_listener_address(fixture->listener), &handler, 0),
				 0);
	settle(fixture, 500);
}

static void close_gate(struct fixture **taken)
{
	struct fixture *fixture = *taken;

	for (unsigned at = 0; at < PEERS; at++) {
		mio_close(&fixture->peers[at]);
		mio_close(&fixture->taken[at]);
	}
	mio_accept_stop(mio_host_loop(fixture->host, 0), fixture->listener);
	mio_unlisten(&fixture->listener);
	gate_fini(&fixture->gate);
	quotas_free(&fixture->quotas);
	mio_host_free(&fixture->host);
	mio_host_free(&fixture->other);
	sim_free(&fixture->sim);
	conf_free(&fixture->conf);
	mem_free(fixture);
}

static void counts(const char *text, unsigned admitted, unsigned refused)
{
	AUTO(close_gate) struct fixture *fixture = open_gate(text, "127.0.0.1:5347");

	come(fixture, 0, 6);
	assert_int_equal(fixture->admitted, admitted);
	assert_int_equal(fixture->refused, refused);
}

static void lets_all_in_by_itself(void **state)
{
	counts("", 6, 0);
}

static void lets_in_whom_the_file_allows(void **state)
{
	counts("[router]\nallow = [\"10.0.0.0/8\", \"127.0.0.0/8\"]\n", 6, 0);
	counts("[router]\nallow = [\"10.0.0.0/8\", \"::1\"]\n", 0, 6);
}

static void nobody_comes_more_often(void **state)
{
	counts("[router]\nconnects = \"2 per minute\"\n[limits]\nunlimited_from = []\n", 2, 4);
	counts("[router]\nconnects = \"2 per minute\"\n[limits]\nunlimited_from = "
	       "[\"10.0.0.0/8\"]\n",
	       2, 4);
}

static void but_who_is_unlimited(void **state)
{
	counts("[router]\nconnects = \"2 per minute\"\n", 6, 0);
}

static void may_come_again_when_the_time_is_over(void **state)
{
	AUTO(close_gate)
	struct fixture *fixture =
		open_gate("[router]\nconnects = \"2 per minute\"\n[limits]\nunlimited_from = []\n",
			  "127.0.0.1:5347");

	come(fixture, 0, 3);
	assert_int_equal(fixture->refused, 1);
	settle(fixture, 61000);
	come(fixture, 3, 3);
	assert_int_equal(fixture->admitted, 4);
	assert_int_equal(fixture->refused, 2);
	assert_int_equal(fixture->gate.hush.unsaid, 0);
}

static void a_line_is_said_once_in_a_while(void **state)
{
	AUTO(close_gate)
	struct fixture *fixture = open_gate("[router]\nallow = [\"::1\"]\n", "127.0.0.1:5347");

	come(fixture, 0, 4);
	assert_int_equal(fixture->gate.hush.unsaid, 3);
	settle(fixture, HUSH_MS);
	come(fixture, 4, 1);
	assert_int_equal(fixture->gate.hush.unsaid, 0);
}

static void who_comes_by_a_path_may(void **state)
{
	AUTO(close_gate)
	struct fixture *fixture = open_gate("[router]\nconnects = \"1 per minute\"\nallow = "
					    "[\"10.0.0.0/8\"]\n[limits]\nunlimited_from = []\n",
					    "unix:/router.sock");

	come(fixture, 0, 3);
	assert_int_equal(fixture->admitted, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_all_in_by_itself),
		cmocka_unit_test(lets_in_whom_the_file_allows),
		cmocka_unit_test(nobody_comes_more_often),
		cmocka_unit_test(but_who_is_unlimited),
		cmocka_unit_test(may_come_again_when_the_time_is_over),
		cmocka_unit_test(a_line_is_said_once_in_a_while),
		cmocka_unit_test(who_comes_by_a_path_may),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
