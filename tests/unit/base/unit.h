/* SPDX-License-Identifier: MIT */
/* What every test of base includes: cmocka in its order, and TAP. */
#pragma once

/* cmocka wants these before it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "base/buf.h"

static inline int run_group(const char *name, const struct CMUnitTest *tests, size_t count)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

#define RUN(tests) run_group(#tests, tests, sizeof(tests) / sizeof((tests)[0]))

/* Both texts are shown when they differ. */
static inline void assert_text(struct slice got, const char *wanted)
{
	char text[512];

	assert_true(got.len < sizeof(text));
	if (got.len)
		memcpy(text, got.data, got.len);
	text[got.len] = 0;
	assert_string_equal(text, wanted);
	assert_int_equal(got.len, strlen(wanted));
}
