/* SPDX-License-Identifier: MIT */
/* What is limited per address, and how many connections there may be. */
#include "component/quotas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/mem.h"
#include "component/settings.h"

static const struct hash_key seed = {1, 2};

struct fixture {
	struct settings settings;
	struct conf *conf;
	struct quotas *quotas;
};

static struct fixture *make(const char *limits, uint64_t descriptors)
{
	struct fixture *fixture = mem_zalloc(MEM_OTHER, sizeof(*fixture));
	AUTO(buf_fini) struct buf text = {0};
	struct conf_error error;

	buf_printf(&text, "domains = [\"b.example\"]\n[limits]\n%s\n", limits);
	assert_int_equal(settings_parse("test", buf_slice(&text), &fixture->settings,
					&fixture->conf, &error),
			 0);
	fixture->quotas = quotas_new(&fixture->settings, seed, descriptors);
	quotas_open_places(fixture->quotas);
	return fixture;
}

static void unmake(struct fixture **taken)
{
	quotas_free(&(*taken)->quotas);
	conf_free(&(*taken)->conf);
	mem_free(*taken);
}

static void descriptors_bound_the_connections(void **state)
{
	static const struct {
		const char *limits;
		uint64_t descriptors, most;
	} cases[] = {
		{"", 1024, 1024 - 40 - 64},	{"", 20000, 20000 - 800 - 64},
		{"connections = 100", 1024, 100}, {"connections = 5000", 1024, 920},
		{"connections = 5000", 0, 5000},  {"", 0, 0},
		{"", 20, 1},
	};

	for (size_t at = 0; at < countof(cases); at++) {
		AUTO(unmake)
		struct fixture *fixture = make(cases[at].limits, cases[at].descriptors);

		assert_int_equal(quotas_connections(fixture->quotas), cases[at].most);
	}
}

/* What is asked for is enough, and no more than that. */
static void descriptors_and_clients_agree(void **state)
{
	static const uint64_t descriptors[] = {256, 1024, 4096, 20000, 65536, 524288, 1048576, 1000001};

	for (size_t at = 0; at < countof(descriptors); at++) {
		uint64_t clients = quotas_clients_of(descriptors[at]), needed = quotas_descriptors_for(clients);

		assert_true(needed <= descriptors[at]);
		assert_true(quotas_clients_of(needed) >= clients);
	}
}

static void lets_so_many_connect(void **state)
{
	AUTO(unmake) struct fixture *fixture = make("connections = 3", 0);

	for (unsigned at = 0; at < 6; at++)
		assert_int_equal(quotas_connect(fixture->quotas), at < 3);
	quotas_disconnect(fixture->quotas);
	assert_true(quotas_connect(fixture->quotas));
	assert_false(quotas_connect(fixture->quotas));
}

static bool place(struct fixture *fixture, const char *peer)
{
	bool counted;

	return quotas_place(fixture->quotas, peer, &counted);
}

static unsigned placed(struct fixture *fixture, const char *const *peers, size_t count)
{
	unsigned sum = 0;

	for (size_t at = 0; at < count; at++)
		sum += place(fixture, peers[at]);
	return sum;
}

static void an_address_or_a_64_has_so_many_places(void **state)
{
	static const char *const four[] = {"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.2:1"};
	static const char *const six[] = {"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::ffff:0:0:1]:1",
					  "[2001:db8:0:1::1]:1"};
	AUTO(unmake) struct fixture *fixture = make("connections_per_address = 2", 0);

	assert_int_equal(placed(fixture, four, countof(four)), 3);
	assert_int_equal(placed(fixture, six, countof(six)), 3);
	quotas_leave_place(fixture->quotas, "[2001:db8::77]:9");
	assert_true(place(fixture, "[2001:db8::78]:9"));
	assert_false(place(fixture, "[2001:db8::79]:9"));
}

static void who_is_exempt_or_has_no_address_is_not_counted(void **state)
{
	AUTO(unmake) struct fixture *fixture = make("connections_per_address = 1", 0);

	for (unsigned at = 0; at < 10; at++) {
		assert_true(place(fixture, "127.0.0.1:7"));
		assert_true(place(fixture, "[::1]:7"));
		assert_true(place(fixture, "unix"));
	}
}

static void nobody_is_counted_without_a_limit(void **state)
{
	AUTO(unmake)
	struct fixture *fixture = make("connections_per_address = 0\nunlimited_from = []", 0);

	for (unsigned at = 0; at < 2000; at++)
		assert_true(place(fixture, "192.0.2.1:1"));
	quotas_leave_place(fixture->quotas, "192.0.2.1:1");
}

#define HERE "192.0.2.1:1"
#define THERE "192.0.2.9:1"

/* So many failures; how many of them may be tried at all. */
static unsigned fail_logins(struct fixture *fixture, const char *peer, const char *user, unsigned tries, int64_t now_ms)
{
	unsigned sum = 0;

	for (unsigned at = 0; at < tries; at++) {
		if (!quotas_may_log_in(fixture->quotas, peer, slice_of(user), now_ms))
			continue;
		quotas_login_failed(fixture->quotas, peer, slice_of(user), now_ms);
		sum++;
	}
	return sum;
}

static void nobody_locks_the_account_of_another(void **state)
{
	AUTO(unmake) struct fixture *fixture = make("", 0);

	assert_int_equal(fail_logins(fixture, HERE, "alice@b.example", 1000, 0), 5);
	assert_false(quotas_may_log_in(fixture->quotas, HERE, SLICE("alice@b.example"), 0));
	assert_true(quotas_may_log_in(fixture->quotas, HERE, SLICE("bob@b.example"), 0));
	assert_true(quotas_may_log_in(fixture->quotas, THERE, SLICE("alice@b.example"), 0));
	assert_int_equal(fail_logins(fixture, HERE, "alice@b.example", 1000, 12000), 1);
}

static void an_address_fails_ten_times_as_often(void **state)
{
	AUTO(unmake) struct fixture *fixture = make("login_attempts = \"2 per minute\"", 0);
	char user[32];
	unsigned sum = 0;

	for (unsigned at = 0; at < 100; at++) {
		snprintf(user, sizeof(user), "u%u@b.example", at);
		sum += fail_logins(fixture, HERE, user, 1, 0);
	}
	assert_int_equal(sum, 20);
	assert_false(quotas_may_log_in(fixture->quotas, HERE, (struct slice){NULL, 0}, 0));
	assert_true(quotas_may_log_in(fixture->quotas, THERE, (struct slice){NULL, 0}, 0));
}

static void a_success_clears_the_pair_and_not_the_address(void **state)
{
	AUTO(unmake) struct fixture *fixture = make("", 0);
	unsigned sum = 0;

	for (unsigned at = 0; at < 20; at++) {
		sum += fail_logins(fixture, HERE, "alice@b.example", 4, 0);
		quotas_logged_in(fixture->quotas, HERE, SLICE("alice@b.example"));
	}
	assert_int_equal(sum, 50);
}

static void logins_are_not_limited_where_they_need_not_be(void **state)
{
	AUTO(unmake) struct fixture *fixture = make("", 0);
	AUTO(unmake) struct fixture *off = make("login_attempts = \"off\"", 0);

	assert_int_equal(fail_logins(fixture, "127.0.0.1:5", "alice@b.example", 1000, 0), 1000);
	assert_int_equal(fail_logins(fixture, "unix", "alice@b.example", 1000, 0), 1000);
	assert_int_equal(fail_logins(off, HERE, "alice@b.example", 1000, 0), 1000);
}

/* Other limits, while people are there. */
static void change(struct fixture *fixture, const char *limits)
{
	AUTO(buf_fini) struct buf text = {0};
	struct conf_error error;

	conf_free(&fixture->conf);
	buf_printf(&text, "domains = [\"b.example\"]\n[limits]\n%s\n", limits);
	assert_int_equal(settings_parse("test", buf_slice(&text), &fixture->settings,
					&fixture->conf, &error),
			 0);
	quotas_set(fixture->quotas, &fixture->settings);
	quotas_settled(fixture->quotas);
}

static void other_limits_hold_at_once(void **state)
{
	AUTO(unmake) struct fixture *fixture = make("connections = 2\nlogin_attempts = \"1 per minute\"", 0);

	assert_true(quotas_connect(fixture->quotas));
	assert_true(quotas_connect(fixture->quotas));
	assert_int_equal(fail_logins(fixture, HERE, "alice@b.example", 5, 0), 1);
	change(fixture, "connections = 3\nlogin_attempts = \"off\"");
	assert_true(quotas_connect(fixture->quotas));
	assert_false(quotas_connect(fixture->quotas));
	assert_int_equal(fail_logins(fixture, HERE, "alice@b.example", 5, 0), 5);
	change(fixture, "connections = 1");
	quotas_disconnect(fixture->quotas);
	quotas_disconnect(fixture->quotas);
	assert_false(quotas_connect(fixture->quotas));
	quotas_disconnect(fixture->quotas);
	assert_true(quotas_connect(fixture->quotas));
}

/* Whoever was counted is counted out, and nobody else is, whatever holds by then. */
static void places_are_given_back_by_those_who_took_them(void **state)
{
	AUTO(unmake) struct fixture *fixture = make("connections_per_address = 0", 0);
	bool before, counted, exempt;

	assert_true(quotas_place(fixture->quotas, HERE, &before));
	assert_false(before);
	change(fixture, "connections_per_address = 2");
	assert_true(quotas_place(fixture->quotas, HERE, &counted));
	assert_true(counted);
	change(fixture, "connections_per_address = 1\nunlimited_from = [\"192.0.2.0/24\"]");
	assert_true(quotas_place(fixture->quotas, HERE, &exempt));
	assert_false(exempt);
	change(fixture, "connections_per_address = 1");
	assert_false(place(fixture, HERE));
	change(fixture, "unlimited_from = [\"192.0.2.0/24\"]");
	quotas_leave_place(fixture->quotas, HERE);
	change(fixture, "connections_per_address = 1");
	assert_true(place(fixture, HERE));
	assert_false(place(fixture, HERE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors_bound_the_connections),
		cmocka_unit_test(descriptors_and_clients_agree),
		cmocka_unit_test(lets_so_many_connect),
		cmocka_unit_test(an_address_or_a_64_has_so_many_places),
		cmocka_unit_test(who_is_exempt_or_has_no_address_is_not_counted),
		cmocka_unit_test(nobody_is_counted_without_a_limit),
		cmocka_unit_test(nobody_locks_the_account_of_another),
		cmocka_unit_test(an_address_fails_ten_times_as_often),
		cmocka_unit_test(a_success_clears_the_pair_and_not_the_address),
		cmocka_unit_test(logins_are_not_limited_where_they_need_not_be),
		cmocka_unit_test(other_limits_hold_at_once),
		cmocka_unit_test(places_are_given_back_by_those_who_took_them),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
