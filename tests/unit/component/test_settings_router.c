/* SPDX-License-Identifier: MIT */
/* What the file says to the router: logins, aliases, rules, networks; what is refused, and at which
 * place. */
#include "component/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "stanza/stanza.h"

#define DOMAINS "domains = [\"b.example\"]\n"
#define LOGIN(name, more) "[[router.login]]\nname = \"" name "\"\npassword = \"p\"\n" more
#define ALIAS(name, target) "[[router.alias]]\nname = \"" name "\"\ntarget = \"" target "\"\n"

static struct settings settings;

static struct conf *parse(const char *text)
{
	struct conf *conf = NULL;
	struct conf_error error;

	memset(&settings, 0, sizeof(settings));
	if (settings_parse("test.toml", slice_of(text), &settings, &conf, &error))
		fail_msg("%u:%u: %s", error.line, error.column, error.text);
	return conf;
}

static void refused(const char *text, unsigned line, unsigned column, const char *word)
{
	struct conf *conf = NULL;
	struct conf_error error;

	memset(&settings, 0, sizeof(settings));
	assert_int_not_equal(settings_parse("test.toml", slice_of(text), &settings, &conf, &error),
			     0);
	if (!strstr(error.text, word) || error.line != line || error.column != column)
		fail_msg("%u:%u: %s", error.line, error.column, error.text);
}

static void asks_for_nothing_by_itself(void **state)
{
	AUTO(conf_free) struct conf *conf = parse(DOMAINS);

	assert_int_equal(settings.router.logins.count, 0);
	assert_int_equal(settings.router.aliases.count, 0);
	assert_int_equal(settings.router.rules.count, 0);
	assert_int_equal(settings.router.rate, 0);
	assert_int_equal(settings.router.connects.count, 0);
	assert_int_equal(settings.router.allow.count, 0);
}

static void reads_logins(void **state)
{
	AUTO(conf_free)
	struct conf *conf = parse(DOMAINS "[router]\nuser = \"first\"\n" LOGIN("c2s", "")
					  LOGIN("s2s", "may = [\"bind\", \"default-route\"]\n"));
	const struct settings_login *login;

	assert_string_equal(settings.router.user, "first");
	assert_int_equal(settings.router.logins.count, 2);
	login = settings.router.logins.items[0];
	assert_string_equal(login->name, "c2s");
	assert_int_equal(login->may.count, 0);
	login = settings.router.logins.items[1];
	assert_string_equal(login->password, "p");
	assert_string_equal(login->may.items[1], "default-route");
}

static void refuses_logins_that_are_none(void **state)
{
	refused(DOMAINS LOGIN("c2s", "may = [\"bind\", \"fly\"]\n"), 5, 7, "\"fly\" is none of");
	refused(DOMAINS LOGIN("C2S", ""), 3, 8, "write \"C2S\" as \"c2s\"");
	refused(DOMAINS LOGIN("a@b", ""), 3, 8, "no name");
	refused(DOMAINS LOGIN("c2s", "") LOGIN("c2s", ""), 6, 8, "twice");
	refused(DOMAINS LOGIN("jabberd", ""), 3, 8, "router.user");
	refused(DOMAINS "[router]\nuser = \"Boss\"\n" LOGIN("boss", ""), 5, 8, "router.user");
	refused(DOMAINS "[[router.login]]\nname = \"c2s\"\npassword = \"\"\n", 4, 12, "empty");
	refused(DOMAINS "[[router.login]]\nname = \"c2s\"\n", 2, 10, "password");
	refused(DOMAINS "[router]\nlogin = 1\n", 3, 1, "[[router.login]]");
}

static void reads_aliases(void **state)
{
	AUTO(conf_free) struct conf *conf = parse(DOMAINS ALIAS("old.example", "b.example"));
	const struct settings_alias *alias = settings.router.aliases.items[0];

	assert_string_equal(alias->name, "old.example");
	assert_string_equal(alias->target, "b.example");
}

static void refuses_aliases_that_lead_nowhere(void **state)
{
#define COMPONENT "[[component]]\nname = \"irc.example\"\nsecret = \"s\"\n"
	refused(DOMAINS ALIAS("b.example", "c.example"), 3, 8, "one of domains");
	refused(DOMAINS ALIAS("sm", "c.example"), 3, 8, "a part");
	refused(DOMAINS ALIAS("irc.example", "c.example") COMPONENT, 3, 8, "a component");
	refused(DOMAINS ALIAS("a.example", "c.example") ALIAS("a.example", "d.example"), 6, 8,
		"twice");
	refused(DOMAINS ALIAS("a.example", "a.example"), 3, 8, "target");
	refused(DOMAINS ALIAS("a.example", "c.example") ALIAS("d.example", "a.example"), 3, 8,
		"target");
	refused(DOMAINS ALIAS("A.example", "c.example"), 3, 8, "a.example");
	refused(DOMAINS ALIAS("a.example", "c@d"), 4, 10, "no domain");
}

static void reads_rules(void **state)
{
	AUTO(conf_free)
	struct conf *conf = parse(
		DOMAINS "[[router.rule]]\nfrom = \"*@spam.example\"\nto = \"*\"\nerror = "
			"\"forbidden\"\nlog = true\n"
			"[[router.rule]]\nwhat = \"iq/query?xmlns=jabber:iq:register\"\nredirect = "
			"\"u@c.example\"\n");
	const struct settings_rule *rule = settings.router.rules.items[0];

	assert_string_equal(rule->from, "*@spam.example");
	assert_int_equal(settings_condition(rule->error), STANZA_FORBIDDEN);
	assert_true(rule->log);
	assert_string_equal(rule->what, "");
	rule = settings.router.rules.items[1];
	assert_string_equal(rule->from, "");
	assert_string_equal(rule->redirect, "u@c.example");
	assert_false(rule->log);
}

static void refuses_rules_at_their_place(void **state)
{
#define RULE(line) DOMAINS "[[router.rule]]\nto = \"*\"\n[[router.rule]]\n" line "\n"
	refused(RULE("from = \"[a\""), 5, 8, "no pattern");
	refused(RULE("to = \"a\\\\\""), 5, 6, "no pattern");
	refused(RULE("what = \"message/\""), 5, 8, "no path");
	refused(RULE("error = \"forbid\""), 5, 9, "no condition");
	refused(RULE("redirect = \"@\""), 5, 12, "no address");
	refused(RULE("error = \"forbidden\"\nredirect = \"c\""), 6, 12, "not both");
	refused(RULE("dump = true"), 5, 1, "dump");
	refused(RULE("log = \"yes\""), 5, 7, "true or false");
}

static void refuses_networks_that_are_none(void **state)
{
	refused(DOMAINS "[router]\nallow = [\"10.0.0.0/8\", \"here\"]\n", 3, 9,
		"\"here\" is no network");
	refused(DOMAINS "[limits]\nunlimited_from = [\"::1/129\"]\n", 3, 18, "no network");
}

static void shows_what_it_would_read_again(void **state)
{
	AUTO(conf_free)
	struct conf *conf = parse(DOMAINS LOGIN("c2s", "may = [\"log\"]\n") ALIAS(
		"old.example",
		"b.example") "[[router.rule]]\nfrom = \"*\"\nto = \"a\"\nerror = \"forbidden\"\n"
			     "[router]\nrate = \"1 MB/s\"\nconnects = \"5 per minute\"\nallow = "
			     "[\"10.0.0.0/8\"]\n");
	AUTO(buf_fini) struct buf first = {0}, second = {0};
	AUTO(conf_free) struct conf *again = NULL;

	conf_show(settings_options, NULL, &settings, &first);
	again = parse(buf_text(&first));
	conf_show(settings_options, NULL, &settings, &second);
	assert_string_equal(buf_text(&first), buf_text(&second));
	assert_non_null(strstr(buf_text(&first), "[[router.rule]]\nfrom = \"*\"\nto = \"a\"\n"));
}

static void explains_the_keys_of_its_tables(void **state)
{
	static const char *const keys[] = {
		"router.login", "router.login.may", "router.alias.target", "router.rule.what",
		"router.rate",	"router.connects",  "router.allow"};

	for (size_t at = 0; at < countof(keys); at++) {
		AUTO(buf_fini) struct buf text = {0};

		assert_true(conf_explain(settings_options, keys[at], &text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_for_nothing_by_itself),
		cmocka_unit_test(reads_logins),
		cmocka_unit_test(refuses_logins_that_are_none),
		cmocka_unit_test(reads_aliases),
		cmocka_unit_test(refuses_aliases_that_lead_nowhere),
		cmocka_unit_test(reads_rules),
		cmocka_unit_test(refuses_rules_at_their_place),
		cmocka_unit_test(refuses_networks_that_are_none),
		cmocka_unit_test(shows_what_it_would_read_again),
		cmocka_unit_test(explains_the_keys_of_its_tables),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
