/* SPDX-License-Identifier: MIT */
/* Origins as text: between our own processes, and in what c2s mentions of what it wrote. */
#include "stanzas.h"

static void assert_origin(const struct origin *origin, uint64_t key, uint32_t count, uint32_t mark, uint64_t session)
{
	assert_true(origin->key == key && origin->session == session);
	assert_int_equal(origin->count, count);
	assert_int_equal(origin->mark, mark);
}

static void where_the_session_is_known_its_mark_is_too(void **state)
{
	static const struct {
		struct origin origin;
		const char *text;
	} rows[] = {
		{{.key = 1}, "1.0"},
		{{.key = 0xab, .count = 0x1f}, "ab.1f"},
		{{.key = UINT64_MAX, .count = UINT32_MAX}, "ffffffffffffffff.ffffffff"},
		{{.key = 0xab, .count = 2, .mark = 1, .session = 0x100000200000003}, "ab.2.1.100000200000003"},
		{{.key = UINT64_MAX, .count = UINT32_MAX, .mark = UINT32_MAX, .session = UINT64_MAX},
		 "ffffffffffffffff.ffffffff.ffffffff.ffffffffffffffff"},
		{{.key = 5, .count = 7, .again = true}, "5.7!"},
	};

	for (size_t at = 0; at < countof(rows); at++) {
		const struct origin *origin = &rows[at].origin;
		AUTO(buf_fini) struct buf text = {0};
		struct origin read = {0};

		origin_print(origin, &text);
		assert_string_equal(buf_text(&text), rows[at].text);
		assert_true(origin_read(buf_slice(&text), &read));
		assert_origin(&read, origin->key, origin->count, origin->mark, origin->session);
		assert_int_equal(read.again, origin->again);
	}
}

/* To the client's c2s: it names the stanza, not the session that is not its own. */
static void without_a_session_the_mark_stays_behind(void **state)
{
	const struct origin origin = {.key = 5, .count = 6, .mark = 4};
	AUTO(buf_fini) struct buf text = {0};

	origin_print(&origin, &text);
	assert_string_equal(buf_text(&text), "5.6");
}

static void what_is_none_is_refused_and_leaves_no_trace(void **state)
{
	static const char *const bad[] = {
		"", ".", "1", "1.", ".1", "..", "0.1", "0000000000000000.1", /* a key is never 0 */
		"10000000000000000.1", "1.100000000", /* too many digits, zeros or not */
		"1.000000001", "00000000000000001.1",
		"1.2.", "1.2.3", "1.2.3.", "1.2..4", "1.2.3.4.5", "1.2.3.4.", "1.2.100000000.4", "1.2.3.10000000000000000",
		"A.1", "1.B", "x.1", "1.x", "-1.1", "1.-1", "+1.1", " 1.1", "1.1 ", "1,1", "0x1.1", "1.1*",
	};

	for (size_t at = 0; at < countof(bad); at++) {
		struct origin read = {.session = 1, .count = 2, .mark = 3, .key = 4};

		if (origin_read(slice_of(bad[at]), &read))
			fail_msg("%s", bad[at]);
		assert_origin(&read, 4, 2, 3, 1);
	}
	assert_false(origin_read((struct slice){NULL, 0}, &(struct origin){0}));
	assert_false(origin_read((struct slice){"1\0.1", 4}, &(struct origin){0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_the_session_is_known_its_mark_is_too),
		cmocka_unit_test(without_a_session_the_mark_stays_behind),
		cmocka_unit_test(what_is_none_is_refused_and_leaves_no_trace),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
