/* SPDX-License-Identifier: MIT */
/* jabberd2's files as one of ours. */
#include "run/import/jabberd2_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "component/settings.h"
#include "run/import/jabberd2_file.h"
#include "xml/nad.h"
#include "xml/parser.h"

static const char *const names[JABBERD2_FILES] = {"c2s.xml", "sm.xml", "router.xml", "s2s.xml"};

/* Files with these contents in a directory of their own, read; NULL: an empty root. */
static bool read_config(const char *const contents[JABBERD2_FILES], struct jabberd2_config *config,
			struct buf *why)
{
	char dir[] = "/tmp/jackdaw-config-XXXXXX";
	bool good = true;

	assert_non_null(mkdtemp(dir));
	for (unsigned file = 0; file < JABBERD2_FILES; file++) {
		char path[96];
		FILE *out;

		snprintf(path, sizeof(path), "%s/%s", dir, names[file]);
		out = fopen(path, "w");
		assert_non_null(out);
		fputs(contents[file] ? contents[file] : "<empty/>", out);
		fclose(out);
		config->files[file] = jabberd2_file(dir, names[file], why);
		good = good && config->files[file];
		unlink(path);
	}
	config->dir = "DIR";
	config->users = config->filter = NULL;
	rmdir(dir);
	return good;
}

static void free_config(struct jabberd2_config *config)
{
	for (unsigned file = 0; file < JABBERD2_FILES; file++)
		nad_free(&config->files[file]);
	nad_free(&config->users);
	nad_free(&config->filter);
}

static struct nad *parsed(const char *text)
{
	static const struct xml_limits limits = {
		.stanza_bytes = 1 << 20, .depth = 100, .attributes = 100};

	return xml_parse(slice_of(text), &limits);
}

/* The converted file, which our parser takes. */
static void convert(const char *const contents[JABBERD2_FILES], struct settings *settings,
		    struct conf **conf, struct buf *out)
{
	struct jabberd2_config config;
	struct conf_error error;
	AUTO(buf_fini) struct buf why = {0};

	if (!read_config(contents, &config, &why))
		fail_msg("%s", buf_text(&why));
	config.users = parsed("<users><user><name>parts</name><secret>one</secret></user><user>"
			      "<name>other</name><secret>two</secret></user></users>");
	config.filter = parsed("<filter><rule from='*' what='iq/query?xmlns=jabber:iq:register' "
			       "error='not-allowed' log='yes'/></filter>");
	jabberd2_convert(&config, out);
	jabberd2_leftover(&config, out);
	if (settings_parse("converted", buf_slice(out), settings, conf, &error))
		fail_msg("%u: %s\n%s", error.line, error.text, buf_text(out));
	free_config(&config);
}

static bool said(struct buf *text, const char *what)
{
	return strstr(buf_text(text), what) != NULL;
}

static void assert_router(const struct settings *settings)
{
	const struct settings_login *login = settings->router.logins.items[0];
	const struct settings_alias *alias = settings->router.aliases.items[0];
	const struct settings_rule *rule = settings->router.rules.items[0];

	assert_int_equal(settings->router.rate, 1001);
	assert_int_equal(settings->router.connects.count, 31);
	assert_string_equal(settings->router.allow.items[0], "10.0.0.0/16");
	assert_string_equal(settings->router.allow.items[1], "127.0.0.1/32");
	assert_int_equal(settings->router.logins.count, 1);
	assert_string_equal(login->name, "other");
	assert_string_equal(login->password, "two");
	assert_int_equal(login->may.count, 2);
	assert_string_equal(alias->name, "old.example");
	assert_string_equal(alias->target, "new.example");
	assert_string_equal(rule->from, "*");
	assert_string_equal(rule->to, "");
	assert_string_equal(rule->error, "not-allowed");
	assert_true(rule->log);
}

static void takes_over_what_both_know(void **state)
{
	static const char *const contents[JABBERD2_FILES] = {
		"<?xml version='1.0'?><!-- <id>not.here</id> --><c2s><router><ip>10.0.0.7</ip>"
		"<port>5348</port><user>parts</user><pass>se\"cret</pass></router><local>"
		"<id pemfile='/etc/a.pem' require-starttls='mu'>a.example</id>"
		"<id register-enable='mu' require-starttls='mu'>b.example</id>"
		"<ip>::1</ip><port>15222</port><ssl-port>15223</ssl-port></local>"
		"<io><limits><bytes "
		"seconds='2'>2000</bytes><stanzasize>65535</stanzasize></limits></io>"
		"</c2s>",
		"<sm><local><id>a.example</id></local><offline><dropmessages/></offline></sm>",
		"<router><local><ip>0.0.0.0</ip><port>5348</port><secret>legacy</secret></local>"
		"<io><limits><bytes>1000</bytes><connects "
		"seconds='10'>5</connects></limits><access>"
		"<order>deny,allow</order><allow ip='10.0.0.0' mask='255.255.0.0'/>"
		"<allow ip='127.0.0.1'/></access></io>"
		"<aliases><alias name='old.example' target='new.example'/></aliases>"
		"<aci><acl type='bind'><user>other</user></acl><acl "
		"type='log'><user>other</user></acl>"
		"</aci></router>",
	};
	AUTO(buf_fini) struct buf out = {0};
	struct settings settings;
	struct conf *conf;

	convert(contents, &settings, &conf, &out);
	assert_int_equal(settings.domains.count, 2);
	assert_string_equal(settings.domains.items[0], "a.example");
	assert_string_equal(settings.domains.items[1], "b.example");
	assert_string_equal(settings.listen.client.items[0], "[::1]:15222");
	assert_string_equal(settings.listen.client_tls.items[0], "[::1]:15223");
	assert_string_equal(settings.listen.router.items[0], ":5348");
	assert_string_equal(settings.router.connect, "10.0.0.7:5348");
	assert_string_equal(settings.router.user, "parts");
	assert_string_equal(settings.router.password, "se\"cret");
	assert_true(settings.tls.required);
	assert_int_equal(settings.accounts.registration, REGISTRATION_OPEN);
	assert_int_equal(settings.messages.offline_ms, 0);
	assert_int_equal(settings.limits.client_rate, 1001);
	assert_int_equal(settings.limits.stanza, 65535);
	assert_true(said(&out, "#   install -m 600 /etc/a.pem /etc/jackdaw/certs/a.example.crt\n"));
	assert_true(said(&out, "# secret = \"legacy\"\n"));
	assert_router(&settings);
	conf_free(&conf);
}

static void serves_with_files_that_say_nothing(void **state)
{
	static const char *const contents[JABBERD2_FILES] = {NULL};
	AUTO(buf_fini) struct buf out = {0};
	struct settings settings;
	struct conf *conf;

	convert(contents, &settings, &conf, &out);
	assert_string_equal(settings.domains.items[0], "sm");
	assert_string_equal(settings.listen.client.items[0], ":5222");
	assert_int_equal(settings.listen.client_tls.count, 0);
	assert_string_equal(settings.listen.router.items[0], "127.0.0.1:5347");
	assert_string_equal(settings.router.password, "secret");
	assert_int_equal(settings.accounts.registration, REGISTRATION_CLOSED);
	conf_free(&conf);
}

static void names_each_key_without_a_counterpart_once(void **state)
{
	static const char *const contents[JABBERD2_FILES] = {
		"<c2s><local><id password-change='mu'>a.example</id></local>"
		"<authreg><mechanisms><sasl><plain/></sasl></mechanisms></authreg></c2s>",
		"<sm><modules><chain id='a'><module>x</module><module>y</module></chain></modules>"
		"<made-up/></sm>",
		"<router><check><interval>60</interval></check></router>",
		"<s2s><local><port>5269</port></local></s2s>",
	};
	static const char *const wanted[] = {
		"# c2s.xml: local/id@password-change has no counterpart: ",
		"# c2s.xml: authreg/mechanisms/sasl/plain has no counterpart: ",
		"# sm.xml: modules/chain/module has no counterpart: ",
		"# sm.xml: made-up has no counterpart: no key of jabberd2",
		"# router.xml: check/interval has no counterpart: ",
		"# s2s.xml: local/port has no counterpart: other servers (s2s)",
	};
	AUTO(buf_fini) struct buf out = {0};
	struct settings settings;
	struct conf *conf;

	convert(contents, &settings, &conf, &out);
	for (size_t at = 0; at < countof(wanted); at++) {
		const char *found = strstr(buf_text(&out), wanted[at]);

		if (!found)
			fail_msg("%s\n%s", wanted[at], buf_text(&out));
		assert_null(strstr(found + 1, wanted[at]));
	}
	assert_false(said(&out, "local/id has no counterpart"));
	conf_free(&conf);
}

static void says_what_is_no_xml(void **state)
{
	static const char *const contents[JABBERD2_FILES] = {"<c2s><a></c2s>"};
	struct jabberd2_config config;
	AUTO(buf_fini) struct buf why = {0};

	assert_false(read_config(contents, &config, &why));
	assert_true(said(&why, "c2s.xml: is no well-formed XML"));
	free_config(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_over_what_both_know),
		cmocka_unit_test(serves_with_files_that_say_nothing),
		cmocka_unit_test(names_each_key_without_a_counterpart_once),
		cmocka_unit_test(says_what_is_no_xml),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
