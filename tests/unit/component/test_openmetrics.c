/* SPDX-License-Identifier: MIT */
/* Samples as text of OpenMetrics, and what the table tells of a process. */
#include "component/figures.h"

#include "../base/unit.h"
#include "base/mem.h"
#include "component/component.h"

static const char *value_of(unsigned at)
{
	return at ? "b" : "a";
}

static void assert_printed(const struct figure_sample *samples, size_t count, const char *wanted)
{
	AUTO(buf_fini) struct buf out = {0};
	struct openmetrics openmetrics = {.out = &out};

	for (size_t at = 0; at < count; at++)
		openmetrics_sample(&openmetrics, &samples[at]);
	openmetrics_end(&openmetrics);
	assert_string_equal(buf_text(&out), wanted);
}

static void prints_a_head_for_each_family(void **state)
{
	static const struct figure gauge = {
		.kind = FIGURE_GAUGE, .name = "queue_bytes", .unit = "bytes", .help = "Waits."};
	static const struct figure counter = {
		.kind = FIGURE_COUNTER,
		.name = "stanzas",
		.help = "Of all.",
		.labels = {{"kind", 2, value_of}, {"way", 2, value_of}}};
	static const struct figure info = {.kind = FIGURE_INFO,
					   .name = "build",
					   .help = "It.",
					   .labels = {{"version", 1, value_of}}};
	const struct figure_sample samples[] = {{&gauge, {NULL}, -7, false},
						{&counter, {"a", "b"}, 0, false},
						{&counter, {"b", "b"}, 9000000000, false},
						{&info, {"1.0"}, 1, false}};

	assert_printed(samples, 4,
		       "# TYPE jackdaw_queue_bytes gauge\n# UNIT jackdaw_queue_bytes bytes\n# HELP "
		       "jackdaw_queue_bytes Waits.\n"
		       "jackdaw_queue_bytes -7\n"
		       "# TYPE jackdaw_stanzas counter\n# HELP jackdaw_stanzas Of all.\n"
		       "jackdaw_stanzas_total{kind=\"a\",way=\"b\"} "
		       "0\njackdaw_stanzas_total{kind=\"b\",way=\"b\"} 9000000000\n"
		       "# TYPE jackdaw_build info\n# HELP jackdaw_build "
		       "It.\njackdaw_build_info{version=\"1.0\"} 1\n# EOF\n");
	assert_printed(NULL, 0, "# EOF\n");
}

static void escapes_texts_and_values(void **state)
{
	static const struct figure gauge = {.kind = FIGURE_GAUGE,
					    .name = "x",
					    .help = "a \"b\" \\ c\nd",
					    .labels = {{"l", 1, value_of}}};
	const struct figure_sample sample = {&gauge, {"a \"b\" \\ c\nd"}, 1, false};

	assert_printed(&sample, 1,
		       "# TYPE jackdaw_x gauge\n# HELP jackdaw_x a \\\"b\\\" \\\\ "
		       "c\\nd\njackdaw_x{l=\"a \\\"b\\\" \\\\ c\\nd\"} 1\n# EOF\n");
}

static void prints_thousandths_and_leaves_out_what_is_sparse(void **state)
{
	static const struct figure lag = {.kind = FIGURE_GAUGE,
					  .name = "lag_seconds",
					  .unit = "seconds",
					  .help = "Late.",
					  .milli = true};
	static const struct figure rare = {
		.kind = FIGURE_COUNTER, .name = "rare", .help = "Seldom.", .sparse = true};
	const struct figure_sample samples[] = {
		{&rare, {NULL}, 0, false}, {&lag, {NULL}, 12034, false}, {&rare, {NULL}, 2, false}};

	assert_printed(samples, 3,
		       "# TYPE jackdaw_lag_seconds gauge\n# UNIT jackdaw_lag_seconds seconds\n# "
		       "HELP jackdaw_lag_seconds Late.\n"
		       "jackdaw_lag_seconds 12.034\n# TYPE jackdaw_rare counter\n# HELP "
		       "jackdaw_rare Seldom.\njackdaw_rare_total 2\n# EOF\n");
}

static void leaves_out_what_another_part_has(void **state)
{
	static const struct figure gauge = {.kind = FIGURE_GAUGE, .name = "x", .help = "X."};
	const struct figure_sample sample = {.figure = &gauge, .foreign = true};

	assert_printed(&sample, 1, "# EOF\n");
}

static void knows_the_mechanism_of_a_login(void **state)
{
	assert_int_equal(metric_mechanism(NULL), 0);
	assert_int_equal(metric_mechanism("SASL/UNHEARD-OF"), 0);
	assert_int_not_equal(metric_mechanism("SASL/PLAIN"), 0);
	assert_int_not_equal(metric_mechanism("SASL/SCRAM-SHA-1"),
			     metric_mechanism("SASL/SCRAM-SHA-1-PLUS"));
	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		AUTO(buf_fini) struct buf how = {0};

		buf_printf(&how, "SASL/%s-PLUS", auth_hash_mechanism((enum auth_hash)hash));
		assert_int_not_equal(metric_mechanism(buf_text(&how)), 0);
	}
}

int main(void)
{
	const struct CMUnitTest openmetrics[] = {
		cmocka_unit_test(prints_a_head_for_each_family),
		cmocka_unit_test(escapes_texts_and_values),
		cmocka_unit_test(prints_thousandths_and_leaves_out_what_is_sparse),
		cmocka_unit_test(leaves_out_what_another_part_has),
		cmocka_unit_test(knows_the_mechanism_of_a_login),
	};

	return RUN(openmetrics);
}
