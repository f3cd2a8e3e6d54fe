/* SPDX-License-Identifier: MIT */
/* Fuzzes the reader of TOML and a table of every type of option; what was accepted is shown and
 * read again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/conf.h"
#include "base/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct item {
	const char *name;
	int64_t count;
};

struct settings {
	const char *text;
	bool flag;
	int64_t count, duration, later, size, rate;
	struct conf_per_time per_time;
	struct conf_queue queue;
	struct conf_list list;
	int choice;
	struct conf_tables items;
};

#define OPTION(name, kind, member, value)                                                          \
	{                                                                                          \
		.key = name, .type = kind, .offset = offsetof(struct settings, member),            \
		.preset = value, .text = "fuzzed"                                                  \
	}

/* No secret: it could name a file. */
static const struct conf_option item_options[] = {
	{.key = "name",
	 .type = CONF_TEXT,
	 .offset = offsetof(struct item, name),
	 .text = "required"},
	{.key = "count",
	 .type = CONF_COUNT,
	 .offset = offsetof(struct item, count),
	 .preset = "1",
	 .text = "fuzzed"},
	{.key = NULL},
};

static const struct conf_option options[] = {
	OPTION("text", CONF_TEXT, text, "some"),
	OPTION("flag", CONF_BOOL, flag, "true"),
	OPTION("s.count", CONF_COUNT, count, "5"),
	OPTION("s.duration", CONF_DURATION, duration, "5 minutes"),
	OPTION("s.size", CONF_SIZE, size, "256 KB"),
	OPTION("s.rate", CONF_RATE, rate, "off"),
	OPTION("s.per", CONF_PER_TIME, per_time, "5 per minute"),
	OPTION("s.queue", CONF_QUEUE, queue, "10 stanzas, 1 MB"),
	OPTION("list", CONF_LIST, list, "[\"a\"]"),
	{.key = "choice",
	 .type = CONF_CHOICE,
	 .offset = offsetof(struct settings, choice),
	 .preset = "b",
	 .text = "fuzzed",
	 .choices = "a b c"},
	{.key = "off",
	 .type = CONF_DURATION,
	 .offset = offsetof(struct settings, later),
	 .preset = "off",
	 .text = "fuzzed",
	 .off = "off"},
	{.key = "item",
	 .type = CONF_TABLES,
	 .offset = offsetof(struct settings, items),
	 .text = "fuzzed",
	 .sub = item_options,
	 .sub_size = sizeof(struct item)},
	{.key = NULL},
};

static void read_again(const struct settings *settings)
{
	AUTO(buf_fini) struct buf once = {0}, twice = {0};
	struct conf_error error;
	struct settings again;
	struct conf *conf = NULL;

	conf_show(options, NULL, settings, &once);
	if (conf_parse("again", buf_slice(&once), options, &again, &conf, &error))
		abort();
	conf_show(options, NULL, &again, &twice);
	if (!slice_equal(buf_slice(&once), buf_slice(&twice)))
		abort();
	conf_free(&conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = {(const char *)data, size};
	struct settings settings;
	struct conf_error error;
	struct toml_error toml_error;
	struct toml_doc *doc = NULL;
	struct conf *conf = NULL;

	if (toml_parse(text, &doc, &toml_error) == 0)
		toml_free(&doc);
	else if (!toml_error.line || !toml_error.column || !*toml_error.text)
		abort();
	if (conf_parse("fuzz", text, options, &settings, &conf, &error) == 0)
		read_again(&settings);
	conf_free(&conf);
	return 0;
}
