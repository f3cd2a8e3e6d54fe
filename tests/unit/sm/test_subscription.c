/* SPDX-License-Identifier: MIT */
/* The tables of RFC 6121 appendix A, row by row. */
#include "sm/subscription.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/macros.h"

enum {
	TO = SUBSCRIPTION_TO,
	FROM = SUBSCRIPTION_FROM,
	OUT = SUBSCRIPTION_ASK,
	IN = SUBSCRIPTION_REQUEST,
	APPROVED = SUBSCRIPTION_APPROVED,
};
enum { BOTH = TO | FROM };

/* The nine states in the order of the tables. */
static const unsigned states[] = {0, OUT, IN, OUT | IN, TO, TO | IN, FROM, FROM | OUT, BOTH};

struct outcome {
	bool pass;
	unsigned state;
};

typedef unsigned step_fn(unsigned state, enum stanza_type type, bool *pass);

static void check(step_fn *step, enum stanza_type type, const struct outcome *expected)
{
	for (size_t at = 0; at < countof(states); at++) {
		bool pass = !expected[at].pass;
		unsigned state = step(states[at], type, &pass);

		if (pass != expected[at].pass || state != expected[at].state)
			fail_msg("row %zu: passed %d, state %u", at + 1, pass, state);
	}
}

static void follows_table_a_2_1_outbound_subscribe(void **state)
{
	static const struct outcome table[] = {
		{true, OUT},	    {true, OUT},	{true, OUT | IN},
		{true, OUT | IN},   {true, TO},		{true, TO | IN},
		{true, FROM | OUT}, {true, FROM | OUT}, {true, BOTH},
	};

	check(subscription_out, STANZA_SUBSCRIBE, table);
}

static void follows_table_a_2_2_outbound_unsubscribe(void **state)
{
	static const struct outcome table[] = {
		{true, 0},  {true, 0},	  {true, IN},	{true, IN},   {true, 0},
		{true, IN}, {true, FROM}, {true, FROM}, {true, FROM},
	};

	check(subscription_out, STANZA_UNSUBSCRIBE, table);
}

static void follows_table_a_2_3_outbound_subscribed(void **state)
{
	static const struct outcome table[] = {
		{false, APPROVED},	{false, OUT | APPROVED}, {true, FROM},
		{true, FROM | OUT},	{false, TO | APPROVED},	 {true, BOTH},
		{false, FROM},		{false, FROM | OUT},	 {false, BOTH},
	};

	check(subscription_out, STANZA_SUBSCRIBED, table);
}

static void follows_table_a_2_4_outbound_unsubscribed(void **state)
{
	static const struct outcome table[] = {
		{false, 0}, {false, OUT}, {true, 0},   {true, OUT}, {false, TO},
		{true, TO}, {true, 0},	  {true, OUT}, {true, TO},
	};

	check(subscription_out, STANZA_UNSUBSCRIBED, table);
}

static void follows_table_a_3_1_inbound_subscribe(void **state)
{
	static const struct outcome table[] = {
		{true, IN},	   {true, OUT | IN},	{false, IN},
		{false, OUT | IN}, {true, TO | IN},	{false, TO | IN},
		{false, FROM},	   {false, FROM | OUT}, {false, BOTH},
	};

	check(subscription_in, STANZA_SUBSCRIBE, table);
}

static void follows_table_a_3_2_inbound_unsubscribe(void **state)
{
	static const struct outcome table[] = {
		{false, 0}, {false, OUT}, {true, 0},   {true, OUT}, {false, TO},
		{true, TO}, {true, 0},	  {true, OUT}, {true, TO},
	};

	check(subscription_in, STANZA_UNSUBSCRIBE, table);
}

static void follows_table_a_3_3_inbound_subscribed(void **state)
{
	static const struct outcome table[] = {
		{false, 0},	  {true, TO},	 {false, IN},  {true, TO | IN}, {false, TO},
		{false, TO | IN}, {false, FROM}, {true, BOTH}, {false, BOTH},
	};

	check(subscription_in, STANZA_SUBSCRIBED, table);
}

static void follows_table_a_3_4_inbound_unsubscribed(void **state)
{
	static const struct outcome table[] = {
		{false, 0}, {true, 0},	   {false, IN},	 {true, IN},   {true, 0},
		{true, IN}, {false, FROM}, {true, FROM}, {true, FROM},
	};

	check(subscription_in, STANZA_UNSUBSCRIBED, table);
}

/* Section 3.4: each of these can be approved. */
static void an_approval_waits_for_the_request(void **state)
{
	static const struct {
		step_fn *step;
		enum stanza_type type;
		bool pass;
		unsigned becomes[3]; /* of None, None + Pending Out, To */
	} rows[] = {
		{subscription_out, STANZA_SUBSCRIBED, false, {APPROVED, OUT | APPROVED, TO | APPROVED}},
		{subscription_out, STANZA_UNSUBSCRIBED, false, {0, OUT, TO}},
		{subscription_out, STANZA_SUBSCRIBE, true, {OUT | APPROVED, OUT | APPROVED, TO | APPROVED}},
		{subscription_out, STANZA_UNSUBSCRIBE, true, {APPROVED, APPROVED, APPROVED}},
		{subscription_in, STANZA_SUBSCRIBE, false, {FROM, FROM | OUT, BOTH}},
		{subscription_in, STANZA_UNSUBSCRIBE, false, {APPROVED, OUT | APPROVED, TO | APPROVED}},
	};
	static const unsigned before[] = {APPROVED, OUT | APPROVED, TO | APPROVED};

	for (size_t row = 0; row < countof(rows); row++) {
		for (size_t at = 0; at < countof(before); at++) {
			bool pass = !rows[row].pass;

			assert_int_equal(rows[row].step(before[at], rows[row].type, &pass), rows[row].becomes[at]);
			assert_int_equal(pass, rows[row].pass);
		}
	}
}

static void leaves_other_types_alone(void **state)
{
	bool pass = true;

	assert_int_equal(subscription_in(BOTH, STANZA_PROBE, &pass), BOTH);
	assert_false(pass);
	assert_false(subscription_is_type(STANZA_NONE));
	assert_true(subscription_is_type(STANZA_UNSUBSCRIBED));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_table_a_2_1_outbound_subscribe),
		cmocka_unit_test(follows_table_a_2_2_outbound_unsubscribe),
		cmocka_unit_test(follows_table_a_2_3_outbound_subscribed),
		cmocka_unit_test(follows_table_a_2_4_outbound_unsubscribed),
		cmocka_unit_test(follows_table_a_3_1_inbound_subscribe),
		cmocka_unit_test(follows_table_a_3_2_inbound_unsubscribe),
		cmocka_unit_test(follows_table_a_3_3_inbound_subscribed),
		cmocka_unit_test(follows_table_a_3_4_inbound_unsubscribed),
		cmocka_unit_test(an_approval_waits_for_the_request),
		cmocka_unit_test(leaves_other_types_alone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
