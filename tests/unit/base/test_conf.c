/* SPDX-License-Identifier: MIT */
/* Option tables: values, defaults, mistakes and their places, what people are told. */
#include "base/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/mem.h"
#include "unit.h"

struct bridge {
	const char *name, *secret;
	int64_t depth;
};

struct settings {
	struct conf_list domains, unlimited;
	const char *dir, *password;
	bool required, split;
	int tls;
	int64_t depth, login_ms, archive_ms, stanza, rate;
	struct conf_per_time attempts;
	struct conf_queue queue;
	struct conf_list server;
	struct conf_tables bridges, hosts, logins;
};

#define AT(member) offsetof(struct settings, member)

static const struct conf_option bridge_options[] = {
	{.key = "name",
	 .type = CONF_TEXT,
	 .offset = offsetof(struct bridge, name),
	 .text = "its domain"},
	{.key = "secret",
	 .type = CONF_SECRET,
	 .offset = offsetof(struct bridge, secret),
	 .text = "what it knows"},
	{.key = "limits.depth",
	 .type = CONF_COUNT,
	 .offset = offsetof(struct bridge, depth),
	 .preset = "7",
	 .text = "nesting"},
	{.key = NULL},
};

static const struct conf_option options[] = {
	{"domains", CONF_LIST, AT(domains), NULL, "the part after @", NULL, NULL, NULL, 0,
	 CONF_GROWS, "sm c2s"},
	{"data.dir", CONF_TEXT, AT(dir), "/var/lib/jackdaw", "the database", NULL, NULL, NULL, 0,
	 CONF_RESTART, "router sm c2s"},
	{"tls.required", CONF_BOOL, AT(required), "true", "no login without", NULL, NULL, NULL, 0,
	 CONF_RESTART, "c2s"},
	{"tls.mode", CONF_CHOICE, AT(tls), "starttls", "between parts", "off starttls required",
	 NULL, NULL, 0, CONF_RESTART, "c2s"},
	{"router.password", CONF_SECRET, AT(password), "", "of the router", NULL, NULL, NULL, 0,
	 CONF_RESTART, "router"},
	{"process.split", CONF_BOOL, AT(split), "false", "one process per part", NULL, "false",
	 NULL, 0, CONF_RESTART, "c2s"},
	{"listen.server", CONF_LIST, AT(server), "[]", "for other servers", NULL, "[]", NULL, 0,
	 CONF_RESTART, "c2s"},
	{"messages.archive", CONF_DURATION, AT(archive_ms), "off", "how long", NULL, "off", NULL, 0,
	 CONF_RESTART, "c2s"},
	{"limits.depth", CONF_COUNT, AT(depth), "100", "of elements", NULL, NULL, NULL, 0, CONF_NOW,
	 "c2s"},
	{"limits.stanza", CONF_SIZE, AT(stanza), "256 KB", "the largest stanza", NULL, NULL, NULL,
	 0, CONF_NOW, "c2s"},
	{"limits.client_rate", CONF_RATE, AT(rate), "20 KB/s", "how fast", NULL, NULL, NULL, 0,
	 CONF_NOW, "c2s"},
	{"limits.time_to_login", CONF_DURATION, AT(login_ms), "30 s", "to the login", NULL, NULL,
	 NULL, 0, CONF_NOW, "c2s"},
	{"limits.login_attempts", CONF_PER_TIME, AT(attempts), "5 per minute", "failed ones", NULL,
	 NULL, NULL, 0, CONF_NOW, "c2s"},
	{"limits.queue", CONF_QUEUE, AT(queue), "2000 stanzas, 4 MB", "what waits", NULL, NULL,
	 NULL, 0, CONF_NOW, "c2s"},
	{"limits.unlimited_from", CONF_LIST, AT(unlimited), "[\"127.0.0.0/8\", \"::1\"]", "exempt",
	 NULL, NULL, NULL, 0, CONF_NOW, "c2s"},
	{.key = "component",
	 .type = CONF_TABLES,
	 .offset = AT(bridges),
	 .text = "bridges and bots",
	 .sub = bridge_options,
	 .sub_size = sizeof(struct bridge),
	 .effect = CONF_NOW,
	 .parts = "router sm"},
	{.key = "router.login",
	 .type = CONF_TABLES,
	 .offset = AT(logins),
	 .text = "who else",
	 .sub = bridge_options,
	 .sub_size = sizeof(struct bridge)},
	{.key = "host",
	 .type = CONF_TABLES,
	 .offset = AT(hosts),
	 .text = "others",
	 .off = "[]",
	 .sub = bridge_options,
	 .sub_size = sizeof(struct bridge)},
	{.key = NULL},
};

#define DOMAIN "domains = [\"example.com\"]\n"

static struct conf *parse(const char *text, struct settings *settings)
{
	struct conf *conf = NULL;
	struct conf_error error;

	memset(settings, 0xee, sizeof(*settings));
	if (conf_parse("test.toml", slice_of(text), options, settings, &conf, &error))
		fail_msg("%s:%u:%u: %s", error.file, error.line, error.column, error.text);
	return conf;
}

static void fills_in_the_defaults(void **state)
{
	struct settings settings;
	AUTO(conf_free) struct conf *conf = parse(DOMAIN, &settings);

	assert_int_equal(settings.domains.count, 1);
	assert_string_equal(settings.domains.items[0], "example.com");
	assert_string_equal(settings.dir, "/var/lib/jackdaw");
	assert_string_equal(settings.password, "");
	assert_true(settings.required);
	assert_false(settings.split);
	assert_int_equal(settings.tls, 1);
	assert_int_equal(settings.depth, 100);
	assert_int_equal(settings.stanza, 256 * 1024);
	assert_int_equal(settings.rate, 20 * 1024);
	assert_int_equal(settings.login_ms, 30000);
	assert_int_equal(settings.archive_ms, 0);
	assert_int_equal(settings.attempts.count, 5);
	assert_int_equal(settings.attempts.per_ms, 60000);
	assert_int_equal(settings.queue.stanzas, 2000);
	assert_int_equal(settings.queue.bytes, 4 * 1024 * 1024);
	assert_int_equal(settings.unlimited.count, 2);
	assert_string_equal(settings.unlimited.items[1], "::1");
	assert_int_equal(settings.server.count, 0);
	assert_int_equal(settings.bridges.count, 0);
}

static void takes_what_the_file_says(void **state)
{
	struct settings settings;
	AUTO(conf_free)
	struct conf *conf =
		parse(DOMAIN "data.dir = '/srv'\ntls = { required = false, mode = \"off\" "
			     "}\n[limits]\ndepth = 3\nstanza = 0\n"
			     "client_rate = \"off\"\ntime_to_login = \"forever\"\nlogin_attempts = "
			     "\"off\"\nqueue = \"1 stanza, 0\"\n"
			     "unlimited_from = []\n[router]\npassword = "
			     "\"p\\u00e4ss\"\n[listen]\nserver = []\n[process]\nsplit = false\n"
			     "[messages]\narchive = \"off\"\n[[component]]\nname = \"irc\"\nsecret "
			     "= \"x\"\n[component.limits]\ndepth = 1\n"
			     "[[component]]\nname = \"bot\"\nsecret = \"y\"\n",
		      &settings);
	const struct bridge *first = settings.bridges.items[0], *second = settings.bridges.items[1];

	assert_string_equal(settings.dir, "/srv");
	assert_false(settings.required);
	assert_int_equal(settings.tls, 0);
	assert_int_equal(settings.depth, 3);
	assert_int_equal(settings.stanza, 0);
	assert_int_equal(settings.rate, 0);
	assert_true(settings.login_ms == INT64_MAX);
	assert_int_equal(settings.attempts.count, 0);
	assert_int_equal(settings.queue.stanzas, 1);
	assert_int_equal(settings.queue.bytes, 0);
	assert_int_equal(settings.unlimited.count, 0);
	assert_string_equal(settings.password, "p\xc3\xa4ss");
	assert_int_equal(settings.bridges.count, 2);
	assert_string_equal(first->name, "irc");
	assert_int_equal(first->depth, 1);
	assert_string_equal(second->secret, "y");
	assert_int_equal(second->depth, 7);
	assert_int_equal(settings.hosts.count, 0);
}

static void reads_every_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} times[] = {{"0", 0},
		     {"250 ms", 250},
		     {"1 s", 1000},
		     {"1 second", 1000},
		     {"2 seconds", 2000},
		     {"1 minute", 60000},
		     {"5 minutes", 300000},
		     {"1 hour", 3600000},
		     {"36 hours", 129600000},
		     {"1 day", 86400000},
		     {"30 days", 2592000000},
		     {"2 weeks", 1209600000},
		     {"1 year", 31536000000},
		     {"30s", 30000},
		     {"off", 0}};
	static const struct {
		const char *text;
		int64_t bytes;
	} sizes[] = {{"0", 0},	       {"1 B", 1},	     {"16 KB", 16384},
		     {"3MB", 3145728}, {"2 GB", 2147483648}, {"1 TB", 1099511627776}};
	char text[128];

	for (size_t at = 0; at < countof(times); at++) {
		struct settings settings;
		AUTO(conf_free) struct conf *conf = NULL;

		snprintf(text, sizeof(text), DOMAIN "limits.time_to_login = \"%s\"",
			 times[at].text);
		conf = parse(text, &settings);
		assert_int_equal(settings.login_ms, times[at].ms);
	}
	for (size_t at = 0; at < countof(sizes); at++) {
		struct settings settings;
		AUTO(conf_free) struct conf *conf = NULL;

		snprintf(text, sizeof(text), DOMAIN "limits.stanza = \"%s\"", sizes[at].text);
		conf = parse(text, &settings);
		assert_int_equal(settings.stanza, sizes[at].bytes);
	}
}

/* -- mistakes
 * --------------------------------------------------------------------------------------- */

#define SIZE_HINT " is no size; write something like \"256 KB\""
#define TIME_HINT " is no duration; write something like \"30 s\" or \"5 minutes\""
#define RATE_HINT " is no rate; write something like \"20 KB/s\" or \"off\""
#define PER_HINT " is no number of times; write something like \"5 per minute\" or \"off\""
#define QUEUE_HINT " is no queue size; write something like \"2000 stanzas, 4 MB\""

static const struct {
	const char *text, *says;
} mistakes[] = {
	{"", "0:0: \"domains\" is missing: the part after @"},
	{DOMAIN "domain = 1", "2:1: unknown key \"domain\"; did you mean \"domains\"?"},
	{DOMAIN "[limits]\n  stansa = \"1 KB\"",
	 "3:3: unknown key \"limits.stansa\"; did you mean \"limits.stanza\"?"},
	{DOMAIN "stanza = \"1 KB\"",
	 "2:1: unknown key \"stanza\"; did you mean \"limits.stanza\"?"},
	{DOMAIN "[data]\nstanza = \"1 KB\"",
	 "3:1: unknown key \"data.stanza\"; did you mean \"limits.stanza\"?"},
	{DOMAIN "[limit]\nstanza = \"1 KB\"",
	 "2:2: unknown key \"limit\"; did you mean \"limits\"?"},
	{DOMAIN "[[componet]]\nname = \"x\"",
	 "2:3: unknown key \"componet\"; did you mean \"component\"?"},
	{DOMAIN "[xylophone]\nvolume = 1", "2:2: unknown key \"xylophone\""},
	{DOMAIN "xylophone = 1", "2:1: unknown key \"xylophone\""},
	{DOMAIN "\"limits.stanza\" = \"1 KB\"",
	 "2:1: unknown key \"limits.stanza\"; did you mean \"limits.stanza\"?"},
	{DOMAIN "limits = 5", "2:1: \"limits\" is a section; write [limits]"},
	{DOMAIN "[[limits]]\ndepth = 5", "2:3: \"limits\" is a section; write [limits]"},
	{DOMAIN "[limits.stanza]\na = 1",
	 "2:9: limits.stanza: expected a size; write something like \"256 KB\""},
	{DOMAIN DOMAIN, "2:1: \"domains\" is given twice"},
	{DOMAIN "[limits]\ndepth = 1\ndepth = 2", "4:1: \"depth\" is given twice"},
	{"domains = \"example.com\"",
	 "1:11: domains: expected a list of texts, like [\"one\", \"two\"]"},
	{"domains = [\"a\", 5]",
	 "1:11: domains: expected a list of texts, like [\"one\", \"two\"]"},
	{DOMAIN "data.dir = 5", "2:12: data.dir: expected a text in quotes"},
	{DOMAIN "tls.required = \"yes\"", "2:16: tls.required: expected true or false"},
	{DOMAIN "tls.required = 1", "2:16: tls.required: expected true or false"},
	{DOMAIN "tls.mode = \"on\"", "2:12: tls.mode: \"on\" is none of: off starttls required"},
	{DOMAIN "tls.mode = \"\"", "2:12: tls.mode: \"\" is none of: off starttls required"},
	{DOMAIN "tls.mode = \"off starttls\"",
	 "2:12: tls.mode: \"off starttls\" is none of: off starttls required"},
	{DOMAIN "tls.mode = true", "2:12: tls.mode: expected a text in quotes"},
	{DOMAIN "limits.depth = -1", "2:16: limits.depth: expected a whole number, 0 or more"},
	{DOMAIN "limits.depth = 1.5", "2:16: limits.depth: expected a whole number, 0 or more"},
	{DOMAIN "limits.depth = \"1\"", "2:16: limits.depth: expected a whole number, 0 or more"},
	{DOMAIN "limits.stanza = \"12 bananas\"", "2:17: limits.stanza: \"12 bananas\"" SIZE_HINT},
	{DOMAIN "limits.stanza = \"12\"", "2:17: limits.stanza: \"12\"" SIZE_HINT},
	{DOMAIN "limits.stanza = \"-1 KB\"", "2:17: limits.stanza: \"-1 KB\"" SIZE_HINT},
	{DOMAIN "limits.stanza = \" 1 KB\"", "2:17: limits.stanza: \" 1 KB\"" SIZE_HINT},
	{DOMAIN "limits.stanza = \"1 kb\"", "2:17: limits.stanza: \"1 kb\"" SIZE_HINT},
	{DOMAIN "limits.stanza = \"1.5 KB\"", "2:17: limits.stanza: \"1.5 KB\"" SIZE_HINT},
	{DOMAIN "limits.stanza = \"KB\"", "2:17: limits.stanza: \"KB\"" SIZE_HINT},
	{DOMAIN "limits.stanza = \"\"", "2:17: limits.stanza: \"\"" SIZE_HINT},
	{DOMAIN "limits.stanza = \"9999999999 TB\"",
	 "2:17: limits.stanza: \"9999999999 TB\"" SIZE_HINT},
	{DOMAIN "limits.stanza = 12",
	 "2:17: limits.stanza: expected a size; write something like \"256 KB\""},
	{DOMAIN "limits.time_to_login = \"5\"", "2:24: limits.time_to_login: \"5\"" TIME_HINT},
	{DOMAIN "limits.time_to_login = \"5 minutes ago\"",
	 "2:24: limits.time_to_login: \"5 minutes ago\"" TIME_HINT},
	{DOMAIN "limits.time_to_login = \"9999999999 years\"",
	 "2:24: limits.time_to_login: \"9999999999 years\"" TIME_HINT},
	{DOMAIN "limits.client_rate = \"20 KB\"", "2:22: limits.client_rate: \"20 KB\"" RATE_HINT},
	{DOMAIN "limits.client_rate = \"/s\"", "2:22: limits.client_rate: \"/s\"" RATE_HINT},
	{DOMAIN "limits.client_rate = \"s\"", "2:22: limits.client_rate: \"s\"" RATE_HINT},
	{DOMAIN "limits.login_attempts = \"5 a day\"",
	 "2:25: limits.login_attempts: \"5 a day\"" PER_HINT},
	{DOMAIN "limits.login_attempts = \"5 per \"",
	 "2:25: limits.login_attempts: \"5 per \"" PER_HINT},
	{DOMAIN "limits.login_attempts = \" per day\"",
	 "2:25: limits.login_attempts: \" per day\"" PER_HINT},
	{DOMAIN "limits.queue = \"2000\"", "2:16: limits.queue: \"2000\"" QUEUE_HINT},
	{DOMAIN "limits.queue = \"5 stanzas, 4\"",
	 "2:16: limits.queue: \"5 stanzas, 4\"" QUEUE_HINT},
	{DOMAIN "process.split = true",
	 "2:17: process.split: not in this version; the only value is false"},
	{DOMAIN "listen.server = [\":5269\"]",
	 "2:17: listen.server: not in this version; the only value is []"},
	{DOMAIN "messages.archive = \"30 days\"",
	 "2:20: messages.archive: not in this version; the only value is \"off\""},
	{DOMAIN "[[host]]\nname = \"x\"", "2:3: host: not in this version"},
	{DOMAIN "[component]\nname = \"x\"", "2:2: component: write it as [[component]]"},
	{DOMAIN "component = [1]", "2:14: component: write it as [[component]]"},
	{DOMAIN "[[component]]\nname = \"x\"", "2:3: \"secret\" is missing: what it knows"},
	{DOMAIN "[[component]]\nnam = \"x\"", "3:1: unknown key \"nam\"; did you mean \"name\"?"},
	{DOMAIN "[[component]]\nname = \"x\"\nsecret = 5",
	 "4:10: secret: expected a text, or { file = \"/path\" }"},
	{DOMAIN "router.password = { path = \"x\" }",
	 "2:19: router.password: expected a text, or { file = \"/path\" }"},
	{DOMAIN "router.password = { file = \"x\", b = 1 }",
	 "2:19: router.password: expected a text, or { file = \"/path\" }"},
	{DOMAIN "router.password = { file = 1 }",
	 "2:19: router.password: expected a text, or { file = \"/path\" }"},
	{DOMAIN "a = [", "2:6: expected a value"},
};

static void says_where_a_mistake_is_and_what_would_be_right(void **state)
{
	struct heap *heap = heap_new("test"), *before = heap_enter(heap);
	struct heap_usage usage;

	for (size_t at = 0; at < countof(mistakes); at++) {
		struct conf *conf = NULL;
		struct conf_error error;
		struct settings settings;
		char got[600];

		assert_int_equal(conf_parse("test.toml", slice_of(mistakes[at].text), options,
					    &settings, &conf, &error),
				 -EINVAL);
		assert_null(conf);
		assert_string_equal(error.file, "test.toml");
		snprintf(got, sizeof(got), "%u:%u: %s", error.line, error.column, error.text);
		assert_string_equal(got, mistakes[at].says);
	}
	heap_usage(heap, &usage);
	for (unsigned kind = 0; kind < MEM_KINDS; kind++)
		assert_int_equal(usage.blocks[kind], 0);
	heap_enter(before);
	heap_drop(&heap);
}

/* -- files
 * ------------------------------------------------------------------------------------------ */

static int make_folder(void **state)
{
	static const char template[] = "/tmp/test_conf.XXXXXX";
	char *folder = mem_strdup(MEM_OTHER, template);

	assert_non_null(mkdtemp(folder));
	*state = folder;
	return 0;
}

static void path_of(void **state, const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", (const char *)*state, name);
}

static void write_file(void **state, const char *name, struct slice text)
{
	char path[128];
	FILE *file;

	path_of(state, name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text.data, 1, text.len, file), text.len);
	fclose(file);
}

static int remove_folder(void **state)
{
	static const char *const names[] = {"secret", "conf"};
	char path[128];

	for (size_t at = 0; at < countof(names); at++) {
		path_of(state, names[at], path);
		unlink(path);
	}
	rmdir(*state);
	mem_free(*state);
	return 0;
}

static int load_with_secret(void **state, struct slice secret, struct settings *settings,
			    struct conf **conf, struct conf_error *error)
{
	char path[128], text[256];

	write_file(state, "secret", secret);
	path_of(state, "secret", path);
	snprintf(text, sizeof(text), DOMAIN "[router]\npassword = { file = \"%s\" }\n", path);
	write_file(state, "conf", slice_of(text));
	path_of(state, "conf", path);
	return conf_load(path, options, settings, conf, error);
}

static void reads_a_secret_from_the_first_line_of_a_file(void **state)
{
	static const struct slice files[] = {SLICE("hush hush\n"), SLICE("hush hush"),
					     SLICE("hush hush\r\nsecond\n")};

	for (size_t at = 0; at < countof(files); at++) {
		AUTO(conf_free) struct conf *conf = NULL;
		struct conf_error error;
		struct settings settings;

		assert_int_equal(load_with_secret(state, files[at], &settings, &conf, &error), 0);
		assert_string_equal(settings.password, "hush hush");
	}
}

static void refuses_an_empty_or_endless_secret(void **state)
{
	AUTO(buf_fini) struct buf endless = {0};
	struct conf *conf = NULL;
	struct conf_error error;
	struct settings settings;

	assert_int_equal(load_with_secret(state, SLICE(""), &settings, &conf, &error), -EINVAL);
	assert_non_null(strstr(error.text, "secret is empty"));
	assert_int_equal(load_with_secret(state, SLICE("\nhush\n"), &settings, &conf, &error),
			 -EINVAL);
	for (unsigned at = 0; at < 5000; at++)
		buf_append_char(&endless, 'x');
	assert_int_equal(load_with_secret(state, buf_slice(&endless), &settings, &conf, &error),
			 -EINVAL);
	assert_non_null(strstr(error.text, "secret is too long"));
	assert_null(strstr(error.text, "xxxx"));
}

static void names_a_file_that_cannot_be_read(void **state)
{
	struct conf *conf = NULL;
	struct conf_error error;
	struct settings settings;
	char path[128];

	path_of(state, "nothing", path);
	assert_int_equal(conf_load(path, options, &settings, &conf, &error), -ENOENT);
	assert_string_equal(error.file, path);
	assert_int_equal(error.line, 0);
	assert_string_equal(error.text, "cannot read the file: No such file or directory");
	assert_int_equal(conf_load(*state, options, &settings, &conf, &error), -EISDIR);
	assert_int_equal(conf_parse("test.toml",
				    SLICE(DOMAIN "router.password = { file = \"/no/such\" }"),
				    options, &settings, &conf, &error),
			 -ENOENT);
	assert_string_equal(error.text,
			    "router.password: cannot read /no/such: No such file or directory");
	assert_int_equal(error.line, 2);
	assert_int_equal(error.column, 19);
	assert_null(conf);
}

/* -- for people
 * -------------------------------------------------------------------------------------- */

static void shows_what_it_would_read_again(void **state)
{
	static const char *const wanted =
		"domains = [\"example.com\"]\n\n[data]\ndir = \"/a "
		"\\\"b\\\"\\u000a\"\n\n[tls]\nrequired = false\nmode = \"required\"\n\n"
		"[router]\npassword = \"***\"\n\n[process]\nsplit = false\n\n[listen]\nserver = "
		"[]\n\n[messages]\narchive = \"off\"\n\n"
		"[limits]\ndepth = 9\nstanza = \"3 MB\"\nclient_rate = \"off\"\ntime_to_login = "
		"\"36 hours\"\n"
		"login_attempts = \"5 per week\"\nqueue = \"1 stanzas, 1025 B\"\nunlimited_from = "
		"[\"x\", \"y\"]\n\n"
		"[[component]]\nname = \"irc\"\nsecret = \"***\"\nlimits.depth = 7\n"
		"\n[[router.login]]\nname = \"c2s\"\nsecret = \"***\"\nlimits.depth = 3\n";
	AUTO(buf_fini) struct buf out = {0};
	struct settings settings, again;
	AUTO(conf_free)
	struct conf *conf =
		parse(DOMAIN "data.dir = \"/a \\\"b\\\"\\n\"\nrouter.password = "
			     "\"hush\"\n[tls]\nrequired = false\nmode = \"required\"\n[limits]\n"
			     "depth = 9\nstanza = \"3072 KB\"\nclient_rate = "
			     "\"off\"\ntime_to_login = \"36 hours\"\n"
			     "login_attempts = \"5 per week\"\nqueue = \"1 stanza, 1025 "
			     "B\"\nunlimited_from = [\"x\", \"y\"]\n"
			     "[[component]]\nname = \"irc\"\nsecret = \"hush\"\n"
			     "[[router.login]]\nname = \"c2s\"\nsecret = \"hush\"\n"
			     "limits.depth = 3\n",
		      &settings);
	AUTO(conf_free) struct conf *reread = NULL;

	conf_show(options, NULL, &settings, &out);
	assert_string_equal(buf_text(&out), wanted);
	reread = parse(buf_text(&out), &again);
	buf_clear(&out);
	conf_show(options, NULL, &again, &out);
	assert_string_equal(buf_text(&out), wanted);
}

static void assert_explains(const char *key, const char *wanted)
{
	AUTO(buf_fini) struct buf out = {0};

	assert_true(conf_explain(options, key, &out));
	assert_string_equal(buf_text(&out), wanted);
}

static void explains_a_key(void **state)
{
	AUTO(buf_fini) struct buf out = {0};

	assert_explains("limits.stanza",
			"limits.stanza: the largest stanza\ntype: size (\"256 "
			"KB\")\ndefault: \"256 KB\"\ntakes effect: at once (jackdaw reload)\n");
	assert_explains("domains", "domains: the part after @\ntype: list of texts\ndefault: none; "
				   "it must be given\ntakes effect: what is added at the end at "
				   "once (jackdaw reload); else after a restart of sm and c2s\n");
	assert_explains("tls.mode",
			"tls.mode: between parts\ntype: one of off starttls "
			"required\ndefault: \"starttls\"\ntakes effect: after a restart of c2s\n");
	assert_explains("component",
			"component: bridges and bots\ntype: tables ([[...]])\ndefault: none\ntakes "
			"effect: at once (jackdaw reload)\n");
	assert_explains("component.name",
			"component.name: its domain\ntype: text\ndefault: none; it must be "
			"given\ntakes effect: at once (jackdaw reload)\n");
	assert_explains("router.login.limits.depth",
			"router.login.limits.depth: nesting\ntype: whole number\ndefault: 7\n");
	assert_explains("process.split",
			"process.split: one process per part\ntype: true or false\ndefault: false\n"
			"not in this version: only false is accepted\ntakes effect: after a "
			"restart of c2s\n");
	assert_explains("data.dir",
			"data.dir: the database\ntype: text\ndefault: \"/var/lib/jackdaw\"\n"
			"takes effect: after a restart of router, sm and c2s\n");
	buf_clear(&out);
	assert_true(conf_explain(options, "limits", &out));
	assert_non_null(strstr(buf_text(&out), "\nlimits.time_to_login: to the login\n"));
	assert_null(strstr(buf_text(&out), "domains"));
	buf_clear(&out);
	assert_false(conf_explain(options, "limit", &out));
	assert_false(conf_explain(options, "component.nothing", &out));
	assert_false(conf_explain(options, "", &out));
	assert_int_equal(buf_used(&out), 0);
}

static const struct conf_option *option_of(const char *key)
{
	const struct conf_option *option = options;

	while (strcmp(option->key, key) != 0)
		option++;
	return option;
}

static void marks_what_the_file_does_not_say(void **state)
{
	struct settings settings;
	AUTO(buf_fini) struct buf out = {0}, json = {0};
	AUTO(conf_free)
	struct conf *conf = parse(DOMAIN "limits.depth = 100\n[[component]]\nname = \"irc\"\n"
					 "secret = \"hush\"\n",
				  &settings);

	conf_show(options, conf, &settings, &out);
	assert_non_null(strstr(buf_text(&out), "domains = [\"example.com\"]\n"));
	assert_non_null(strstr(buf_text(&out), "depth = 100\n"));
	assert_non_null(strstr(buf_text(&out), "stanza = \"256 KB\" # default\n"));
	conf_json(option_of("component"), &settings, &json);
	assert_string_equal(buf_text(&json),
			    "[{\"name\": \"irc\", \"secret\": \"***\", \"limits.depth\": 7}]");
}

/* The keys that differ, in the order of the table. */
static void assert_differ(const struct settings *now, const struct settings *next, const char *keys)
{
	AUTO(buf_fini) struct buf found = {0};

	for (const struct conf_option *option = options; option->key; option++) {
		if (!conf_is_equal(option, now, next))
			buf_printf(&found, "%s%s ", conf_takes_now(option, now, next) ? "" : "!",
				   option->key);
	}
	assert_string_equal(buf_used(&found) ? buf_text(&found) : "", keys);
}

static void tells_what_differs_and_what_that_takes(void **state)
{
	static const struct {
		const char *next, *keys;
	} cases[] = {
		{DOMAIN, "!router.password component "},
		{DOMAIN "router.password = \"b\"\n[[component]]\nname = \"irc\"\nsecret = \"a\"\n",
		 "!router.password "},
		{DOMAIN "router.password = \"a\"\n[[component]]\nname = \"irc\"\nsecret = \"b\"\n",
		 "component "},
		{DOMAIN "router.password = \"a\"\nlimits.depth = 9\n[tls]\nrequired = false\n"
			"[[component]]\nname = \"irc\"\nsecret = \"a\"\n",
		 "!tls.required limits.depth "},
		{"domains = [\"example.com\", \"b.example\"]\nrouter.password = \"a\"\n"
		 "[[component]]\nname = \"irc\"\nsecret = \"a\"\n",
		 "domains "},
		{"domains = [\"b.example\", \"example.com\"]\nrouter.password = \"a\"\n"
		 "[[component]]\nname = \"irc\"\nsecret = \"a\"\n",
		 "!domains "},
	};
	struct settings now, next;
	AUTO(conf_free)
	struct conf *conf = parse(DOMAIN "router.password = \"a\"\n[[component]]\nname = \"irc\"\n"
					 "secret = \"a\"\n",
				  &now);

	assert_differ(&now, &now, "");
	for (size_t at = 0; at < countof(cases); at++) {
		AUTO(conf_free) struct conf *other = parse(cases[at].next, &next);

		assert_differ(&now, &next, cases[at].keys);
	}
}

/* What stays in force outlives the reading that it is from. */
static void keeps_a_value_of_another_reading(void **state)
{
	struct settings now, next, wanted;
	struct conf *old =
		parse(DOMAIN "data.dir = \"/a\"\nrouter.password = \"a\"\nlimits.depth = 9\n"
			     "[[component]]\nname = \"irc\"\nsecret = \"a\"\n",
		      &now);
	AUTO(conf_free) struct conf *conf = parse("domains = [\"x\", \"y\"]\n", &next);
	AUTO(conf_free)
	struct conf *again =
		parse(DOMAIN "data.dir = \"/a\"\nrouter.password = \"a\"\nlimits.depth = 9\n"
			     "[[component]]\nname = \"irc\"\nsecret = \"a\"\n",
		      &wanted);

	assert_false(conf_is_given(conf, option_of("data.dir")));
	for (const struct conf_option *option = options; option->key; option++)
		conf_keep_value(conf, old, option, &now, &next);
	conf_free(&old);
	assert_differ(&next, &wanted, "");
	assert_true(conf_is_given(conf, option_of("data.dir")));
	assert_false(conf_is_given(conf, option_of("limits.stanza")));
}

static void knows_who_reads_a_key(void **state)
{
	assert_true(conf_is_read_by(option_of("domains"), "sm"));
	assert_true(conf_is_read_by(option_of("domains"), "c2s"));
	assert_false(conf_is_read_by(option_of("domains"), "router"));
	assert_false(conf_is_read_by(option_of("domains"), "s"));
	assert_false(conf_is_read_by(option_of("host"), "sm"));
}

static void finds_the_nearest_key(void **state)
{
	assert_string_equal(conf_nearest(options, "limits.dept"), "limits.depth");
	assert_string_equal(conf_nearest(options, "limits.detph"), "limits.depth");
	assert_string_equal(conf_nearest(options, "login_attempts"), "limits.login_attempts");
	assert_null(conf_nearest(options, "zzz"));
	assert_null(conf_nearest(options, ""));
	assert_null(conf_nearest(options, "a-key-that-is-longer-than-anything-anybody-would-ever-"
					  "write-in-a-file-of-settings"));
}

int main(void)
{
	const struct CMUnitTest conf[] = {
		cmocka_unit_test(fills_in_the_defaults),
		cmocka_unit_test(takes_what_the_file_says),
		cmocka_unit_test(reads_every_unit),
		cmocka_unit_test(says_where_a_mistake_is_and_what_would_be_right),
		cmocka_unit_test_setup_teardown(reads_a_secret_from_the_first_line_of_a_file,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(refuses_an_empty_or_endless_secret, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(names_a_file_that_cannot_be_read, make_folder,
						remove_folder),
		cmocka_unit_test(shows_what_it_would_read_again),
		cmocka_unit_test(explains_a_key),
		cmocka_unit_test(marks_what_the_file_does_not_say),
		cmocka_unit_test(tells_what_differs_and_what_that_takes),
		cmocka_unit_test(keeps_a_value_of_another_reading),
		cmocka_unit_test(knows_who_reads_a_key),
		cmocka_unit_test(finds_the_nearest_key),
	};

	return RUN(conf);
}
