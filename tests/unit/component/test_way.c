/* SPDX-License-Identifier: MIT */
/* What an address of a router tells. */
#include "component/way.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/buf.h"

static void knows_a_path(void **state)
{
	assert_true(way_is_local("unix:/x/components.socket"));
	assert_false(way_is_local("127.0.0.1:5347"));
}

static void knows_what_stays_on_this_machine(void **state)
{
	assert_true(way_is_loopback("127.0.0.1:5347"));
	assert_true(way_is_loopback("127.255.0.9:5347"));
	assert_true(way_is_loopback("[::1]:5347"));
	assert_true(way_is_loopback(":5347"));
	assert_true(way_is_loopback("[::ffff:127.0.0.1]:5347"));
	assert_false(way_is_loopback("128.0.0.1:5347"));
	assert_false(way_is_loopback("[::2]:5347"));
	assert_false(way_is_loopback("unix:/x"));
}

static void assert_host(const char *address, const char *host)
{
	AUTO(buf_fini) struct buf out = {0};

	assert_int_equal(way_host(address, &out), host != NULL);
	assert_string_equal(buf_text(&out), host ? host : "");
}

static void takes_the_host_of_an_address(void **state)
{
	assert_host("192.0.2.7:5347", "192.0.2.7");
	assert_host("[2001:db8::7]:5347", "2001:db8::7");
	assert_host(":5347", NULL);
	assert_host("unix:/a:b", NULL);
	assert_host("[", NULL);
	assert_host("[:1", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_a_path),
		cmocka_unit_test(knows_what_stays_on_this_machine),
		cmocka_unit_test(takes_the_host_of_an_address),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
