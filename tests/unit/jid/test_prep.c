/* SPDX-License-Identifier: MIT */
/* Single parts, and that ASCII by table is ASCII by libidn. */
#include "jid/jid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stringprep.h>
#include <cmocka.h>

static void appends_the_prepared_part(void **state)
{
	AUTO(buf_fini) struct buf out = {0};

	assert_true(jid_prep_local(SLICE("Romeo"), &out));
	assert_true(jid_prep_domain(SLICE("Example.Net."), &out));
	assert_true(jid_prep_resource(SLICE(" R "), &out));
	assert_string_equal(buf_text(&out), "romeoexample.net R ");
}

static void leaves_the_buffer_when_it_refuses(void **state)
{
	AUTO(buf_fini) struct buf out = {0};

	assert_false(jid_prep_local(SLICE("a b"), &out));
	assert_false(jid_prep_local(SLICE(""), &out));
	assert_false(jid_prep_domain(SLICE("a_b"), &out));
	assert_false(jid_prep_domain(SLICE(""), &out));
	assert_false(jid_prep_resource(SLICE(""), &out));
	assert_false(jid_prep_resource(SLICE("\x1f"), &out));
	assert_int_equal(buf_used(&out), 0);
}

typedef bool prep_fn(struct slice text, struct buf *out);

static void compare_ascii(prep_fn *prep, const Stringprep_profile *profile)
{
	for (int c = 1; c < 0x80; c++) {
		AUTO(buf_fini) struct buf out = {0};
		char one[2] = {(char)c, 0}, theirs[8] = {(char)c, 0};
		bool allowed = stringprep(theirs, sizeof(theirs), 0, profile) == STRINGPREP_OK;

		assert_int_equal(prep((struct slice){one, 1}, &out), allowed);
		if (allowed)
			assert_string_equal(buf_text(&out), theirs);
	}
}

static void agrees_with_libidn_on_ascii(void **state)
{
	compare_ascii(jid_prep_local, stringprep_xmpp_nodeprep);
	compare_ascii(jid_prep_resource, stringprep_xmpp_resourceprep);
}

static void gives_punycode_and_unicode_one_form(void **state)
{
	AUTO(buf_fini) struct buf a = {0}, b = {0};

	assert_true(jid_prep_domain(SLICE("XN--bcher-KVA.example"), &a));
	assert_true(jid_prep_domain(SLICE("B\xC3\x9C"
					  "cher.EXAMPLE."),
				    &b));
	assert_true(slice_equal(buf_slice(&a), buf_slice(&b)));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_the_prepared_part),
		cmocka_unit_test(leaves_the_buffer_when_it_refuses),
		cmocka_unit_test(agrees_with_libidn_on_ascii),
		cmocka_unit_test(gives_punycode_and_unicode_one_form),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("prep", tests, NULL, NULL);
}
