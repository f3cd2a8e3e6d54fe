/* SPDX-License-Identifier: MIT */
/* XEP-0082 dates. */
#include "base/stamp.h"

#include "unit.h"

static void prints_and_reads_the_same_time(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} pairs[] = {{0, "1970-01-01T00:00:00.000Z"},
		     {-1, "1969-12-31T23:59:59.999Z"},
		     {1795328489123, "2026-11-22T06:21:29.123Z"},
		     {951782400000, "2000-02-29T00:00:00.000Z"},
		     {951868799999, "2000-02-29T23:59:59.999Z"},
		     {4107542400000, "2100-03-01T00:00:00.000Z"},
		     {-2208988800000, "1900-01-01T00:00:00.000Z"},
		     {253402300799999, "9999-12-31T23:59:59.999Z"}};
	char out[STAMP_LEN];
	int64_t ms;

	for (size_t at = 0; at < countof(pairs); at++) {
		assert_string_equal(stamp_print(out, pairs[at].ms, true), pairs[at].text);
		assert_true(stamp_parse(slice_of(pairs[at].text), &ms));
		assert_true(ms == pairs[at].ms);
	}
}

static void prints_without_milliseconds(void **state)
{
	char out[STAMP_LEN];

	assert_string_equal(stamp_print(out, 1795328489999, false), "2026-11-22T06:21:29Z");
}

static void prints_any_number(void **state)
{
	static const int64_t odd[] = {INT64_MIN, INT64_MAX, INT64_MIN + 1, 253402300800000};
	char out[STAMP_LEN];

	for (size_t at = 0; at < countof(odd); at++) {
		assert_true(strlen(stamp_print(out, odd[at], true)) < STAMP_LEN);
		assert_int_equal(out[strlen(out) - 1], 'Z');
	}
}

static void reads_every_day_of_four_centuries(void **state)
{
	char out[STAMP_LEN];

	for (int64_t day = -135000; day < 12000; day++) {
		int64_t ms = -1;

		assert_true(stamp_parse(slice_of(stamp_print(out, day * 86400000, false)), &ms));
		assert_true(ms == day * 86400000);
	}
}

static void reads_fractions_and_zones(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} times[] = {{"1970-01-01T00:00:00Z", 0},
		     {"1970-01-01T00:00:00.5Z", 500},
		     {"1970-01-01T00:00:00.1239999999999Z", 123},
		     {"1970-01-01T00:00:00.007Z", 7},
		     {"1970-01-01T02:00:00+02:00", 0},
		     {"1969-12-31T18:30:00.25-05:30", 250},
		     {"1970-01-01T00:00:00+00:00", 0},
		     {"1970-01-01T00:00:00-00:00", 0},
		     {"2016-12-31T23:59:60Z", 1483228800000}};
	int64_t ms;

	for (size_t at = 0; at < countof(times); at++) {
		assert_true(stamp_parse(slice_of(times[at].text), &ms));
		assert_true(ms == times[at].ms);
	}
}

static void refuses_what_is_no_time(void **state)
{
	static const char *const bad[] = {"",
					  "2026",
					  "2026-11-22",
					  "2026-11-22T06:21:29",
					  "2026-11-22 06:21:29Z",
					  "2026-11-22t06:21:29Z",
					  "2026-11-22T06:21:29z",
					  "2026-11-22T06:21:29Z ",
					  " 2026-11-22T06:21:29Z",
					  "2026-13-22T06:21:29Z",
					  "2026-00-22T06:21:29Z",
					  "2026-11-31T06:21:29Z",
					  "2026-11-00T06:21:29Z",
					  "2025-02-29T06:21:29Z",
					  "2100-02-29T06:21:29Z",
					  "2026-11-22T24:21:29Z",
					  "2026-11-22T06:60:29Z",
					  "2026-11-22T06:21:61Z",
					  "2026-11-22T06:21Z",
					  "2026-11-22T06:21:29.Z",
					  "2026-11-22T06:21:29,5Z",
					  "2026-11-22T06:21:29+2:00",
					  "2026-11-22T06:21:29+0200",
					  "2026-11-22T06:21:29+24:00",
					  "2026-11-22T06:21:29+02:60",
					  "2026-11-22T06:21:29+",
					  "20261122T06:21:29Z",
					  "02026-11-22T06:21:29Z",
					  "-2026-11-22T06:21:29Z",
					  "2026-1-22T06:21:29Z",
					  "2026-11-22T06:21:29.5",
					  "20260910T23:08:25",
					  "2026-11-22T06:21:29ZZ",
					  "+026-11-22T06:21:29Z"};
	int64_t ms = 42;

	for (size_t at = 0; at < countof(bad); at++) {
		if (stamp_parse(slice_of(bad[at]), &ms))
			fail_msg("took \"%s\"", bad[at]);
	}
	assert_false(stamp_parse((struct slice){NULL, 0}, &ms));
	assert_int_equal(ms, 42);
}

static void looks_at_no_byte_behind_the_end(void **state)
{
	static const char text[] = "2026-11-22T06:21:29.123+01:00";
	int64_t ms;

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		char *part = test_malloc(len ? len : 1);

		memcpy(part, text, len);
		assert_false(stamp_parse((struct slice){part, len}, &ms));
		test_free(part);
	}
}

int main(void)
{
	const struct CMUnitTest stamp[] = {
		cmocka_unit_test(prints_and_reads_the_same_time),
		cmocka_unit_test(prints_without_milliseconds),
		cmocka_unit_test(prints_any_number),
		cmocka_unit_test(reads_every_day_of_four_centuries),
		cmocka_unit_test(reads_fractions_and_zones),
		cmocka_unit_test(refuses_what_is_no_time),
		cmocka_unit_test(looks_at_no_byte_behind_the_end),
	};

	return RUN(stamp);
}
