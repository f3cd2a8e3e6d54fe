/* SPDX-License-Identifier: MIT */
/* Slices and growing buffers. */
#include "base/buf.h"

#include "base/mem.h"
#include "unit.h"

static void orders_slices_totally(void **state)
{
	assert_true(slice_compare(SLICE("a"), SLICE("b")) < 0);
	assert_true(slice_compare(SLICE("b"), SLICE("a")) > 0);
	assert_true(slice_compare(SLICE("a"), SLICE("ab")) < 0);
	assert_true(slice_compare(SLICE("ab"), SLICE("a")) > 0);
	assert_true(slice_compare(SLICE("\xc3"), SLICE("z")) > 0);
	assert_int_equal(slice_compare(SLICE("ab"), SLICE("ab")), 0);
	assert_int_equal(slice_compare((struct slice){NULL, 0}, SLICE("")), 0);
}

static void compares_slices(void **state)
{
	assert_true(slice_equal((struct slice){NULL, 0}, SLICE("")));
	assert_true(slice_is(slice_of("iq"), "iq"));
	assert_false(slice_is(slice_of("iq"), "i"));
	assert_int_equal(slice_of(NULL).len, 0);
	assert_true(slice_equal_secret(SLICE("pencil"), SLICE("pencil")));
	assert_false(slice_equal_secret(SLICE("pencil"), SLICE("pencim")));
	assert_false(slice_equal_secret(SLICE("pencil"), SLICE("pencils")));
	assert_true(slice_equal_secret((struct slice){NULL, 0}, SLICE("")));
}

static void reads_whole_decimal_numbers(void **state)
{
	uint64_t value = 7;

	assert_true(slice_to_u64(SLICE("0"), &value));
	assert_int_equal(value, 0);
	assert_true(slice_to_u64(SLICE("00042"), &value));
	assert_int_equal(value, 42);
	assert_true(slice_to_u64(SLICE("18446744073709551615"), &value));
	assert_true(value == UINT64_MAX);
}

static void refuses_what_is_no_decimal_number(void **state)
{
	static const char *const bad[] = {"",
					  " 1",
					  "1 ",
					  "-1",
					  "+1",
					  "0x1",
					  "1.0",
					  "18446744073709551616",
					  "99999999999999999999999",
					  "\xd9\xa1"};
	uint64_t value = 7;

	for (size_t at = 0; at < countof(bad); at++)
		assert_false(slice_to_u64(slice_of(bad[at]), &value));
	assert_int_equal(value, 7);
}

static void grows_and_reads_from_the_front(void **state)
{
	AUTO(buf_fini) struct buf buf = {0};

	assert_int_equal(buf_used(&buf), 0);
	assert_text(buf_slice(&buf), "");
	buf_append(&buf, "abc", 3);
	buf_append_text(&buf, "def");
	buf_append_char(&buf, 'g');
	buf_append_slice(&buf, SLICE("hi"));
	buf_append(&buf, NULL, 0);
	buf_skip(&buf, 2);
	assert_text(buf_slice(&buf), "cdefghi");
	assert_string_equal(buf_text(&buf), "cdefghi");
	buf_clear(&buf);
	assert_text(buf_slice(&buf), "");
	assert_string_equal(buf_text(&buf), "");
	buf_append_text(&buf, "again");
	assert_text(buf_slice(&buf), "again");
}

static void keeps_its_bytes_while_they_are_read_and_written(void **state)
{
	AUTO(buf_fini) struct buf buf = {0};
	unsigned written = 0, read = 0;

	while (read < 100000) {
		unsigned more = written % 37 + 1, less;

		for (unsigned at = 0; at < more; at++)
			buf_append_char(&buf, (char)(written++ % 251));
		less = (unsigned)buf_used(&buf) < 30 ? (unsigned)buf_used(&buf) : 30;
		for (unsigned at = 0; at < less; at++)
			assert_int_equal((unsigned char)buf_slice(&buf).data[at], read++ % 251);
		buf_skip(&buf, less);
	}
	assert_true(buf.cap < 8192);
}

static void gives_large_memory_back_once_empty(void **state)
{
	AUTO(buf_fini) struct buf buf = {0};

	buf_added(&buf, (buf_reserve(&buf, 5000), 5000));
	buf_skip(&buf, 5000);
	assert_null(buf.data);
	buf_append_text(&buf, "small");
	buf_skip(&buf, 5);
	assert_int_equal(buf.start, 0);
	assert_true(buf.cap > 0 && buf.cap <= 4096);
}

static void prints_of_any_length(void **state)
{
	AUTO(buf_fini) struct buf buf = {0};
	char text[501];

	memset(text, 'x', 500);
	text[500] = 0;
	for (int len = 0; len < 500; len++) {
		buf_clear(&buf);
		buf_printf(&buf, "%d:%.*s", len % 10, len, text);
		assert_int_equal(buf_used(&buf), len + 2);
		assert_int_equal(buf_slice(&buf).data[0], '0' + len % 10);
	}
	buf_printf(&buf, "%s", "");
	assert_int_equal(buf_used(&buf), 501);
}

static void wipes_and_may_be_used_again(void **state)
{
	struct buf buf = {0};

	buf_wipe(&buf);
	buf_append_text(&buf, "secret");
	buf_wipe(&buf);
	assert_null(buf.data);
	buf_append_text(&buf, "next");
	assert_text(buf_slice(&buf), "next");
	buf_fini(&buf);
	buf_fini(&buf);
}

static void holds_no_memory_when_nothing_was_added(void **state)
{
	struct buf buf = {0};

	buf_append_slice(&buf, (struct slice){NULL, 0});
	buf_append_base64(&buf, SLICE(""));
	assert_true(buf_append_unbase64(&buf, SLICE("")));
	buf_append_hex(&buf, NULL, 0);
	buf_append_xml(&buf, (struct slice){NULL, 0});
	buf_reserve(&buf, 0);
	assert_null(buf.data);
}

int main(void)
{
	const struct CMUnitTest buf[] = {
		cmocka_unit_test(orders_slices_totally),
		cmocka_unit_test(compares_slices),
		cmocka_unit_test(reads_whole_decimal_numbers),
		cmocka_unit_test(refuses_what_is_no_decimal_number),
		cmocka_unit_test(grows_and_reads_from_the_front),
		cmocka_unit_test(keeps_its_bytes_while_they_are_read_and_written),
		cmocka_unit_test(gives_large_memory_back_once_empty),
		cmocka_unit_test(prints_of_any_length),
		cmocka_unit_test(wipes_and_may_be_used_again),
		cmocka_unit_test(holds_no_memory_when_nothing_was_added),
	};

	return RUN(buf);
}
