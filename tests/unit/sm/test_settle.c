/* SPDX-License-Identifier: MIT */
/* Counts that are settled out of order, and what is told of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "sm/core.h"

static void settles_in_order(void **state)
{
	struct session session = {0};

	settle_seen(&session, 1);
	assert_int_equal(session.settled, 0);
	assert_true(settle_mark(&session, 1));
	assert_int_equal(session.settled, 1);
	assert_false(settle_mark(&session, 1));
}

static void waits_for_what_is_below(void **state)
{
	struct session session = {0};

	for (uint32_t count = 1; count <= 4; count++)
		settle_seen(&session, count);
	assert_false(settle_mark(&session, 3));
	assert_false(settle_mark(&session, 2));
	assert_int_equal(session.settled, 0);
	assert_true(settle_mark(&session, 1));
	assert_int_equal(session.settled, 3);
	assert_true(settle_mark(&session, 4));
	assert_int_equal(session.settled, 4);
}

static void begins_where_the_client_stood(void **state)
{
	struct session session = {0};

	settle_seen(&session, 17);
	assert_int_equal(session.settled, 16);
	assert_true(settle_mark(&session, 17));
}

static void counts_what_never_came_here_as_settled(void **state)
{
	struct session session = {0};

	settle_seen(&session, 1);
	settle_seen(&session, 4);
	assert_false(settle_mark(&session, 4));
	assert_true(settle_mark(&session, 1));
	assert_int_equal(session.settled, 4);
}

static void takes_sixty_four_out_of_order(void **state)
{
	struct session session = {0};

	for (uint32_t count = 1; count <= 65; count++)
		settle_seen(&session, count);
	for (uint32_t count = 65; count > 1; count--)
		assert_false(settle_mark(&session, count));
	assert_true(settle_mark(&session, 1));
	assert_int_equal(session.settled, 64);
	assert_true(settle_mark(&session, 65));
}

static void goes_round_at_two_to_the_thirty_second(void **state)
{
	struct session session = {0};

	settle_seen(&session, UINT32_MAX);
	settle_seen(&session, 0);
	settle_seen(&session, 1);
	assert_false(settle_mark(&session, 0));
	assert_true(settle_mark(&session, UINT32_MAX));
	assert_int_equal(session.settled, 0);
	assert_true(settle_mark(&session, 1));
}

static void ignores_a_count_seen_before(void **state)
{
	struct session session = {0};

	settle_seen(&session, 5);
	settle_seen(&session, 6);
	settle_seen(&session, 5);
	assert_int_equal(session.seen, 6);
	assert_int_equal(session.settled, 4);
}

/* Of a session that was saved with 7 done and 6 not: its client says both again. */
static void what_was_done_before_an_orderly_end_is_not_done_again(void **state)
{
	struct session session = {.counting = true, .settled = 5, .seen = 5, .window = 2}, other = session;

	assert_true(settle_seen(&session, 6));
	assert_false(settle_seen(&session, 7));
	assert_true(settle_mark(&session, 6));
	assert_int_equal(session.settled, 7);
	assert_true(settle_seen(&session, 8));

	assert_true(settle_seen(&other, 6));
	assert_true(settle_mark(&other, 6));
	assert_false(settle_seen(&other, 7));
	assert_true(settle_seen(&other, 8));
	assert_int_equal(other.settled, 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(settles_in_order),
		cmocka_unit_test(waits_for_what_is_below),
		cmocka_unit_test(begins_where_the_client_stood),
		cmocka_unit_test(counts_what_never_came_here_as_settled),
		cmocka_unit_test(takes_sixty_four_out_of_order),
		cmocka_unit_test(goes_round_at_two_to_the_thirty_second),
		cmocka_unit_test(ignores_a_count_seen_before),
		cmocka_unit_test(what_was_done_before_an_orderly_end_is_not_done_again),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
