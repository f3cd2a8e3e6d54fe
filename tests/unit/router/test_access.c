/* SPDX-License-Identifier: MIT */
/* Who logs in at the router, and what it may. */
#include "settings.h"

#include "router/access.h"

static struct settings settings;

static int read_file(void **state)
{
	*state = parse(
		&settings,
		"[router]\nuser = \"Boss\"\npassword = \"of boss\"\n"
		"[[router.login]]\nname = \"lim\"\npassword = \"of lim\"\n"
		"[[router.login]]\nname = \"binder\"\npassword = \"b\"\nmay = [\"bind\"]\n"
		"[[router.login]]\nname = \"s2s\"\npassword = \"b\"\nmay = [\"default-route\"]\n"
		"[[router.login]]\nname = \"logger\"\npassword = \"b\"\nmay = [\"log\"]\n"
		"[[router.login]]\nname = \"c2s\"\npassword = \"b\"\nmay = [\"all\"]\n");
	return 0;
}

static int forget_file(void **state)
{
	struct conf *conf = *state;

	conf_free(&conf);
	return 0;
}

/* What the user may of: bind a name, be the default route, get copies, ask for accounts. */
static void may(const char *user, const char *wanted)
{
	static const enum link_permit permits[] = {LINK_PERMIT_BIND, LINK_PERMIT_DEFAULT_ROUTE,
						   LINK_PERMIT_LOG, LINK_PERMIT_ACCOUNTS};
	char got[5] = "----";

	for (size_t at = 0; at < countof(permits); at++) {
		if (access_permits(&settings, slice_of(user), permits[at], SLICE("x.example")))
			got[at] = "bdla"[at];
	}
	assert_string_equal(got, wanted);
}

static void each_has_a_password_of_its_own(void **state)
{
	assert_string_equal(access_password(&settings, "Boss"), "of boss");
	assert_string_equal(access_password(&settings, "lim"), "of lim");
	assert_null(access_password(&settings, "boss"));
	assert_null(access_password(&settings, "nobody"));
	assert_null(access_password(&settings, ""));
}

static void each_may_what_stands_there(void **state)
{
	may("boss", "bdla");
	may("c2s", "bdla");
	may("lim", "----");
	may("binder", "b---");
	may("s2s", "-d--");
	may("logger", "--l-");
	may("nobody", "----");
	may("", "----");
}

static void the_own_name_may_always_be_bound(void **state)
{
	assert_true(access_permits(&settings, SLICE("lim"), LINK_PERMIT_BIND, SLICE("lim")));
	assert_false(access_permits(&settings, SLICE("lim"), LINK_PERMIT_LOG, SLICE("lim")));
	assert_false(access_permits(&settings, SLICE("lim"), LINK_PERMIT_BIND, SLICE("s2s")));
	assert_false(access_permits(&settings, SLICE("nobody"), LINK_PERMIT_BIND, SLICE("nobody")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_a_password_of_its_own),
		cmocka_unit_test(each_may_what_stands_there),
		cmocka_unit_test(the_own_name_may_always_be_bound),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, read_file, forget_file);
}
