/* SPDX-License-Identifier: MIT */
/* Rules and aliases of the file, as link gets them. */
#include "settings.h"

#include "router/rules.h"

static struct settings settings;
static const struct log nowhere;

static void become_what_link_takes(void **state)
{
	AUTO(conf_free)
	struct conf *conf = parse(
		&settings,
		"[[router.rule]]\nfrom = \"*\"\nto = \"a\"\nerror = \"not-acceptable\"\nlog = "
		"true\n"
		"[[router.rule]]\nwhat = \"message\"\nredirect = \"c.example\"\n[[router.rule]]\n"
		"[[router.alias]]\nname = \"old.example\"\ntarget = \"new.example\"\n");
	struct link_policy policy;

	rules_init(&policy, &settings, &nowhere);
	assert_int_equal(policy.rule_count, 3);
	assert_true(slice_is(policy.rules[0].from, "*") && slice_is(policy.rules[0].to, "a"));
	assert_int_equal(policy.rules[0].error, 406);
	assert_null(policy.rules[0].redirect);
	assert_true(policy.rules[0].log);
	assert_true(slice_is(policy.rules[1].what, "message"));
	assert_int_equal(policy.rules[1].error, 0);
	assert_string_equal(policy.rules[1].redirect, "c.example");
	assert_int_equal(policy.rules[2].error, 0);
	assert_int_equal(policy.alias_count, 1);
	assert_true(slice_is(policy.aliases[0].name, "old.example"));
	assert_true(slice_is(policy.aliases[0].target, "new.example"));
	policy.matched(policy.arg, &policy.rules[0], SLICE("a\nb"), SLICE(""));
	rules_fini(&policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(become_what_link_takes)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
