/* SPDX-License-Identifier: MIT */
/* The words of stanzas. */
#include "stanzas.h"

static void each_kind_has_its_types(void **state)
{
	assert_int_equal(stanza_type_of(STANZA_MESSAGE, SLICE("chat")), STANZA_CHAT);
	assert_int_equal(stanza_type_of(STANZA_MESSAGE, SLICE("headline")), STANZA_HEADLINE);
	assert_int_equal(stanza_type_of(STANZA_PRESENCE, SLICE("probe")), STANZA_PROBE);
	assert_int_equal(stanza_type_of(STANZA_PRESENCE, SLICE("unavailable")), STANZA_UNAVAILABLE);
	assert_int_equal(stanza_type_of(STANZA_IQ, SLICE("get")), STANZA_GET);
	assert_int_equal(stanza_type_of(STANZA_IQ, SLICE("result")), STANZA_RESULT);
	for (enum stanza_kind kind = STANZA_MESSAGE; kind <= STANZA_IQ; kind++)
		assert_int_equal(stanza_type_of(kind, SLICE("error")), STANZA_ERROR);
}

static void no_type_is_none_but_for_an_iq(void **state)
{
	assert_int_equal(stanza_type_of(STANZA_MESSAGE, SLICE("")), STANZA_NONE);
	assert_int_equal(stanza_type_of(STANZA_PRESENCE, SLICE("")), STANZA_NONE);
	assert_int_equal(stanza_type_of(STANZA_IQ, SLICE("")), STANZA_TYPE_BAD);
}

static void refuses_the_types_of_other_kinds(void **state)
{
	static const char *const texts[] = {"chat", "available", "ERROR", "get ", "probes", "x"};

	for (size_t at = 0; at < countof(texts); at++) {
		assert_int_equal(stanza_type_of(STANZA_PRESENCE, slice_of(texts[at])),
				 STANZA_TYPE_BAD);
		assert_int_equal(stanza_type_of(STANZA_IQ, slice_of(texts[at])), STANZA_TYPE_BAD);
	}
	assert_int_equal(stanza_type_of(STANZA_IQ, SLICE("probe")), STANZA_TYPE_BAD);
	assert_int_equal(stanza_type_of(STANZA_PRESENCE, SLICE("set")), STANZA_TYPE_BAD);
}

static void a_message_of_an_unknown_type_is_normal(void **state)
{
	assert_int_equal(stanza_type_of(STANZA_MESSAGE, SLICE("shout")), STANZA_NORMAL);
	assert_int_equal(stanza_type_of(STANZA_MESSAGE, SLICE("get")), STANZA_NORMAL);
}

static void every_type_reads_back_from_its_name(void **state)
{
	for (enum stanza_type type = STANZA_ERROR; type < STANZA_TYPE_BAD; type++) {
		struct slice name = slice_of(stanza_type_name(type));
		enum stanza_kind kind = type <= STANZA_HEADLINE ? STANZA_MESSAGE
					: type <= STANZA_PROBE	? STANZA_PRESENCE
								: STANZA_IQ;

		assert_int_equal(stanza_type_of(kind, name), type);
	}
	assert_null(stanza_type_name(STANZA_NONE));
}

static void every_error_has_its_words(void **state)
{
	for (enum stanza_error error = 0; error < STANZA_ERRORS; error++) {
		assert_non_null(stanza_error_name(error));
		assert_non_null(stanza_error_class(error));
		assert_in_range(stanza_error_code(error), 300, 599);
		assert_int_equal(stanza_error_code(stanza_error_of_code(stanza_error_code(error))),
				 stanza_error_code(error));
	}
}

static void codes_are_jabberd2s(void **state)
{
	assert_int_equal(stanza_error_code(STANZA_SERVICE_UNAVAILABLE), 503);
	assert_int_equal(stanza_error_code(STANZA_REMOTE_SERVER_NOT_FOUND), 404);
	assert_int_equal(stanza_error_code(STANZA_INTERNAL_SERVER_ERROR), 500);
	/* What the user sees of a route that nobody serves: captures/no-default-route.txt. */
	assert_int_equal(stanza_error_of_code(404), STANZA_ITEM_NOT_FOUND);
	assert_int_equal(stanza_error_of_code(400), STANZA_BAD_REQUEST);
	assert_int_equal(stanza_error_of_code(999), STANZA_UNDEFINED_CONDITION);
	assert_int_equal(stanza_error_of_code(-1), STANZA_UNDEFINED_CONDITION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_has_its_types),
		cmocka_unit_test(no_type_is_none_but_for_an_iq),
		cmocka_unit_test(refuses_the_types_of_other_kinds),
		cmocka_unit_test(a_message_of_an_unknown_type_is_normal),
		cmocka_unit_test(every_type_reads_back_from_its_name),
		cmocka_unit_test(every_error_has_its_words),
		cmocka_unit_test(codes_are_jabberd2s),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
