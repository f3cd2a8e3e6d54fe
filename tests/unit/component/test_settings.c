/* SPDX-License-Identifier: MIT */
/* The configuration file: defaults, and what is refused where. */
#include "component/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "component/way.h"

static struct settings settings; /* a test's file, parsed */

static int parse(const char *text, struct conf_error *error)
{
	struct conf *conf = NULL;
	int rc;

	memset(&settings, 0, sizeof(settings));
	memset(error, 0, sizeof(*error));
	rc = settings_parse("test.toml", slice_of(text), &settings, &conf, error);
	conf_free(&conf);
	return rc;
}

static void refused(const char *text, unsigned line, const char *word)
{
	struct conf_error error;

	assert_int_not_equal(parse(text, &error), 0);
	assert_string_equal(error.file, "test.toml");
	assert_int_equal(error.line, line);
	if (!strstr(error.text, word))
		fail_msg("\"%s\" is not in \"%s\"", word, error.text);
}

static void accepted(const char *text)
{
	struct conf_error error;

	if (parse(text, &error))
		fail_msg("%u:%u: %s", error.line, error.column, error.text);
}

static void needs_nothing_but_domains(void **state)
{
	struct conf_error error;
	struct conf *conf = NULL;

	memset(&settings, 0, sizeof(settings));
	assert_int_equal(settings_parse("t", SLICE("domains = [\"example.com\"]\n"), &settings,
					&conf, &error),
			 0);
	assert_string_equal(settings.data.dir, "/var/lib/jackdaw");
	assert_string_equal(settings.listen.client.items[0], ":5222");
	assert_string_equal(settings.listen.router.items[0], "127.0.0.1:5347");
	assert_int_equal(settings.listen.server.count, 0);
	assert_true(settings.tls.required);
	assert_int_equal(settings.limits.stanza, 262144);
	assert_int_equal(settings.limits.client_rate, 20480);
	assert_int_equal(settings.limits.time_to_login_ms, 30000);
	assert_int_equal(settings.limits.login_attempts.count, 5);
	assert_int_equal(settings.limits.connections_per_address, 1000);
	assert_int_equal(settings.listen.trusted_proxies.count, 0);
	assert_int_equal(settings.messages.offline_ms, 30LL * 86400000);
	assert_int_equal(settings.sessions.resume_ms, 600000);
	assert_int_equal(settings.messages.archive_ms, 30ll * 24 * 3600 * 1000);
	assert_int_equal(settings.accounts.mechanisms.count, 3);
	assert_string_equal(settings.router.password, "");
	conf_free(&conf);
}

static void refuses_a_file_without_domains(void **state)
{
	struct conf_error error;

	assert_int_not_equal(parse("", &error), 0);
	assert_int_not_equal(parse("domains = []\n", &error), 0);
}

static void refuses_what_is_no_domain_in_its_plain_form(void **state)
{
	refused("\ndomains = [\"Example.com\"]\n", 2, "example.com");
	refused("domains = [\"a b\"]\n", 1, "no domain");
	refused("domains = [\"a.example\", \"a.example\"]\n", 1, "twice");
}

static void says_what_is_not_in_this_version(void **state)
{
	static const char *const keys[] = {
		"[listen]\nserver = [\":5269\"]\n",
		"[listen]\nhttps = [\":5281\"]\n",
		"[process]\nsplit = true\n",
		"[accounts]\nfrom = \"ldap\"\n",
		"[accounts]\nregistration = \"invite\"\n",
		"[accounts]\nmechanisms = [\"GSSAPI\"]\n",
		"[storage]\nurl = \"postgresql://db\"\n",
	};

	for (size_t i = 0; i < countof(keys); i++) {
		AUTO(buf_fini) struct buf text = {0};

		buf_printf(&text, "domains = [\"b.example\"]\n%s", keys[i]);
		refused(buf_text(&text), keys[i][0] == '[' ? 3 : 2, "not in this version");
	}
}

static void admins_are_accounts_as_they_are_compared(void **state)
{
	accepted("domains = [\"b.example\"]\nadmins = [\"a@b.example\", \"b@b.example\"]\n");
	refused("domains = [\"b.example\"]\nadmins = [\"b.example\"]\n", 2, "no account's address");
	refused("domains = [\"b.example\"]\nadmins = [\"a@b.example/c\"]\n", 2, "no account's address");
	refused("domains = [\"b.example\"]\nadmins = [\"a@c.example\"]\n", 2, "not of one of domains");
	refused("domains = [\"b.example\"]\nadmins = [\"A@b.example\"]\n", 2, "a@b.example");
}

static void names_a_part_before_an_address_of_metrics(void **state)
{
	accepted("domains = [\"b.example\"]\n[metrics]\nlisten = [\"127.0.0.1:9100\", \"sm 127.0.0.1:9101\", \"[::1]:9100\"]\n");
	refused("domains = [\"b.example\"]\n[metrics]\nlisten = [\"127.0.0.1:9100 sm\"]\n", 3, "sm 127.0.0.1:9101");
	refused("domains = [\"b.example\"]\n[metrics]\nlisten = [\"sm\"]\n", 3, "no address");
	refused("domains = [\"b.example\"]\n[metrics]\nlisten = [\"\"]\n", 3, "no address");
}

static void knows_where_lines_go(void **state)
{
	accepted("domains = [\"b.example\"]\n[log]\nto = \"file\"\nfile = \"chat.log\"\nformat = \"json\"\naddresses = \"network\"\n");
	accepted("domains = [\"b.example\"]\n[log]\nto = \"journal\"\naddresses = \"none\"\n");
	refused("domains = [\"b.example\"]\n[log]\nto = \"syslog\"\n", 3, "stderr journal file");
}

static void accepts_values_that_ask_for_nothing(void **state)
{
	accepted(
		"domains = [\"b.example\"]\nadmins = []\n[listen]\nserver = []\nhttps = "
		"[]\ntrusted_proxies = []\n"
		"[process]\nsplit = false\n[tls]\nclient_ca = \"\"\n[messages]\narchive = \"off\"\n"
		"[sessions]\nresume = \"off\"\n[metrics]\nlisten = []\n[log]\nto = \"stderr\"\n"
		"[router]\ntls = \"off\"\nca = \"\"\n[accounts]\nfrom = \"internal\"\nregistration "
		"= \"closed\"\n");
}

static void asks_for_client_certificates_by_their_ca(void **state)
{
	refused("domains = [\"b.example\"]\n[tls]\nclient_ca = \"/nowhere/ca.pem\"\n", 3,
		"/nowhere/ca.pem: cannot be read");
	refused("domains = [\"b.example\"]\n[accounts]\nmechanisms = [\"EXTERNAL\"]\n", 3,
		"tls.client_ca");
}

static void names_the_key_that_was_meant(void **state)
{
	refused("domains = [\"b.example\"]\n[limits]\nstanzas = \"1 MB\"\n", 3, "limits.stanza");
}

static void refuses_a_storage_it_does_not_know(void **state)
{
	refused("domains = [\"b.example\"]\n[storage]\nurl = \"mysql:x\"\n", 3, "storage.url");
	refused("domains = [\"b.example\"]\n[limits]\nmemory = \"1 KB\"\n", 3, "limits.memory");
	refused("domains = [\"b.example\"]\n[limits]\ndepth = 0\n", 3, "limits.depth: at least 4");
	refused("domains = [\"b.example\"]\n[limits]\nattributes = 7\n", 3, "limits.attributes 8");
	refused("domains = [\"b.example\"]\n[listen]\ntrusted_proxies = [\"proxy\"]\n", 3,
		"listen.trusted_proxies");
	refused("domains = [\"b.example\"]\n[limits]\nunlimited_from = [\"x\"]\n", 3,
		"limits.unlimited_from");
}

#define DOMAINS "domains = [\"b.example\"]\n"
#define COMPONENT(name, secret) "[[component]]\nname = \"" name "\"\nsecret = \"" secret "\"\n"

static void reads_components(void **state)
{
	const struct settings_component *second;
	struct conf_error error;
	struct conf *conf = NULL;

	memset(&settings, 0, sizeof(settings));
	assert_int_equal(settings_parse("t",
					SLICE(DOMAINS COMPONENT("irc.b.example", "s")
						      COMPONENT("bot.example", "t")),
					&settings, &conf, &error),
			 0);
	assert_int_equal(settings.components.count, 2);
	second = settings.components.items[1];
	assert_string_equal(second->name, "bot.example");
	assert_string_equal(second->secret, "t");
	conf_free(&conf);
}

static void names_the_component_that_is_wrong(void **state)
{
#define FIRST DOMAINS COMPONENT("irc.b.example", "s")
	refused(FIRST COMPONENT("b.example", "s"), 5, "is one of domains");
	refused(FIRST COMPONENT("irc.b.example", "t"), 5, "twice");
	refused(FIRST COMPONENT("Bot.example", "s"), 5, "bot.example");
	refused(FIRST COMPONENT("a@b", "s"), 5, "no domain");
	refused(FIRST COMPONENT("bot.example", ""), 5, "secret");
	refused(FIRST COMPONENT("sm", "s"), 5, "part");
	refused(DOMAINS "[[component]]\nname = \"irc.b.example\"\n", 2, "secret");
#undef FIRST
}

static void without_an_address_the_router_is_in_data_dir(void **state)
{
	AUTO(buf_fini) struct buf address = {0};
	struct conf_error error;
	struct conf *conf = NULL;

	memset(&settings, 0, sizeof(settings));
	assert_int_equal(
		settings_parse(
			"t",
			SLICE("domains = [\"b.example\"]\n[listen]\nrouter = [\"127.0.0.1:7\"]\n"),
			&settings, &conf, &error),
		0);
	assert_string_equal(settings.router.connect, "");
	way_local(&settings, &address);
	assert_string_equal(buf_text(&address), "unix:/var/lib/jackdaw/components.socket");
	conf_free(&conf);
}

static void refuses_a_ca_that_nobody_would_look_at(void **state)
{
	refused("domains = [\"b.example\"]\n[router]\nca = \"/dev/null\"\n", 3, "router.tls");
	refused("domains = [\"b.example\"]\n[router]\ntls = \"required\"\nca = "
		"\"/nowhere/ca.pem\"\n",
		4, "/nowhere/ca.pem: cannot be read: No such file");
	accepted("domains = [\"b.example\"]\n[router]\ntls = \"starttls\"\nca = \"/dev/null\"\n");
	accepted("domains = [\"b.example\"]\n[router]\ntls = \"required\"\n");
}

static void serves_its_domains_only(void **state)
{
	const char *items[] = {"a.example", "b.example"};
	const struct settings here = {.domains = {items, 2}};

	assert_true(settings_serves(&here, SLICE("b.example")));
	assert_false(settings_serves(&here, SLICE("c.example")));
	assert_false(settings_serves(&here, SLICE("")));
}

static void every_key_explains_itself(void **state)
{
	for (const struct conf_option *option = settings_options; option->key; option++) {
		AUTO(buf_fini) struct buf text = {0};

		assert_true(conf_explain(settings_options, option->key, &text));
		assert_true(strlen(option->text) > 5);
		assert_true(conf_is_read_by(option, "router") || conf_is_read_by(option, "sm") ||
			    conf_is_read_by(option, "c2s"));
	}
}

static void shows_a_file_that_it_would_accept(void **state)
{
	AUTO(buf_fini) struct buf text = {0};
	struct conf_error error;
	struct conf *conf = NULL;

	memset(&settings, 0, sizeof(settings));
	assert_int_equal(settings_parse("t", SLICE("domains = [\"example.com\"]\n"), &settings,
					&conf, &error),
			 0);
	conf_show(settings_options, NULL, &settings, &text);
	conf_free(&conf);
	accepted(buf_text(&text));
}

static void an_address_to_write_to_is_a_uri(void **state)
{
	static const char *const bad[] = {"abuse@b.example", "mailto:", ":x", "1a:x", "mail to:x", "mailto:a b", "xmpp:<x>"};
	char text[200];

	accepted("domains = [\"b.example\"]\n[contact]\nabuse = [\"mailto:a@b.example\", \"xmpp:a@b.example?message\"]\n"
		 "status = [\"https://status.b.example/\"]\n");
	for (size_t at = 0; at < countof(bad); at++) {
		snprintf(text, sizeof(text), "domains = [\"b.example\"]\n[contact]\nadmin = []\nsupport = [\"%s\"]\n", bad[at]);
		refused(text, 4, "contact.support");
	}
	refused("domains = [\"b.example\"]\n[contact]\nabused = []\n", 3, "contact.abuse");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(needs_nothing_but_domains),
		cmocka_unit_test(refuses_a_file_without_domains),
		cmocka_unit_test(refuses_what_is_no_domain_in_its_plain_form),
		cmocka_unit_test(says_what_is_not_in_this_version),
		cmocka_unit_test(accepts_values_that_ask_for_nothing),
		cmocka_unit_test(admins_are_accounts_as_they_are_compared),
		cmocka_unit_test(names_a_part_before_an_address_of_metrics),
		cmocka_unit_test(knows_where_lines_go),
		cmocka_unit_test(asks_for_client_certificates_by_their_ca),
		cmocka_unit_test(names_the_key_that_was_meant),
		cmocka_unit_test(refuses_a_storage_it_does_not_know),
		cmocka_unit_test(reads_components),
		cmocka_unit_test(names_the_component_that_is_wrong),
		cmocka_unit_test(without_an_address_the_router_is_in_data_dir),
		cmocka_unit_test(refuses_a_ca_that_nobody_would_look_at),
		cmocka_unit_test(serves_its_domains_only),
		cmocka_unit_test(an_address_to_write_to_is_a_uri),
		cmocka_unit_test(every_key_explains_itself),
		cmocka_unit_test(shows_a_file_that_it_would_accept),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
