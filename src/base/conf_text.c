/* SPDX-License-Identifier: MIT */
/* Options for people: what a key means, the whole file as it stands, the key that was meant. */
#include <stdio.h>
#include "base/conf_private.h"

static void print_text(const char *text, struct buf *out)
{
	buf_append_char(out, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\u%04x", c);
		else
			buf_append_char(out, *text);
	}
	buf_append_char(out, '"');
}

static void print_size(int64_t bytes, const char *behind, struct buf *out)
{
	static const char *const names[] = {"B", "KB", "MB", "GB", "TB"};
	unsigned at = 0;

	for (; bytes && bytes % 1024 == 0 && at < countof(names) - 1; at++)
		bytes /= 1024;
	if (!bytes)
		buf_printf(out, "0%s", *behind ? " B/s" : "");
	else
		buf_printf(out, "%lld %s%s", (long long)bytes, names[at], behind);
}

static void print_duration(int64_t ms, struct buf *out)
{
	static const struct {
		const char *one, *many;
		int64_t ms;
	} units[] = {{"day", "days", 86400000},
		     {"hour", "hours", 3600000},
		     {"minute", "minutes", 60000},
		     {"s", "s", 1000},
		     {"ms", "ms", 1}};

	for (unsigned at = 0; at < countof(units); at++) {
		if (ms % units[at].ms)
			continue;
		buf_printf(out, "%lld %s", (long long)(ms / units[at].ms),
			   ms == units[at].ms ? units[at].one : units[at].many);
		return;
	}
}

static void print_list(const struct conf_list *list, struct buf *out)
{
	buf_append_char(out, '[');
	for (size_t at = 0; at < list->count; at++) {
		if (at)
			buf_append_text(out, ", ");
		print_text(list->items[at], out);
	}
	buf_append_char(out, ']');
}

static void print_choice(const char *choices, int value, struct buf *out)
{
	while (value-- > 0)
		choices += strcspn(choices, " ") + 1;
	buf_printf(out, "\"%.*s\"", (int)strcspn(choices, " "), choices);
}

static void print_per_time(const struct conf_per_time *value, struct buf *out)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {
		{"year", 31536000000}, {"week", 604800000}, {"day", 86400000}, {"hour", 3600000},
		{"minute", 60000},     {"second", 1000},    {"ms", 1}};
	unsigned at = 0;

	while (at < countof(units) - 1 && value->per_ms != units[at].ms)
		at++;
	buf_printf(out, "%lld per %s", (long long)value->count, units[at].name);
}

static void print_quoted(const struct conf_option *option, const void *field, struct buf *out)
{
	const struct conf_queue *queue = field;
	int64_t number = *(const int64_t *)field;

	buf_append_char(out, '"');
	if (option->type == CONF_SIZE) {
		print_size(number, "", out);
	} else if (option->type == CONF_QUEUE) {
		buf_printf(out, "%lld stanzas, ", (long long)queue->stanzas);
		print_size(queue->bytes, "", out);
	} else if (!number) {
		buf_append_text(out, "off");
	} else if (option->type == CONF_RATE) {
		print_size(number, "/s", out);
	} else if (option->type == CONF_PER_TIME) {
		print_per_time(field, out);
	} else if (number == INT64_MAX) {
		buf_append_text(out, "forever");
	} else {
		print_duration(number, out);
	}
	buf_append_char(out, '"');
}

void conf_print(const struct conf_option *option, const void *values, struct buf *out)
{
	const void *field = (const char *)values + option->offset;

	switch (option->type) {
	case CONF_TEXT:
		print_text(*(const char *const *)field, out);
		break;
	case CONF_BOOL:
		buf_append_text(out, *(const bool *)field ? "true" : "false");
		break;
	case CONF_COUNT:
		buf_printf(out, "%lld", (long long)*(const int64_t *)field);
		break;
	case CONF_LIST:
		print_list(field, out);
		break;
	case CONF_SECRET:
		buf_append_text(out, **(const char *const *)field ? "\"***\"" : "\"\"");
		break;
	case CONF_CHOICE:
		print_choice(option->choices, *(const int *)field, out);
		break;
	case CONF_TABLES:
		break;
	default:
		print_quoted(option, field, out);
		break;
	}
}

static void show_pair(const struct conf_option *option, const char *name, const struct conf *conf,
		      const void *values, struct buf *out)
{
	buf_printf(out, "%s = ", name);
	conf_print(option, values, out);
	buf_append_text(out, conf && !conf_is_given(conf, option) ? " # default\n" : "\n");
}

static void show_tables(const struct conf_option *option, const void *values, struct buf *out)
{
	const struct conf_tables *tables = (const void *)((const char *)values + option->offset);

	for (size_t at = 0; at < tables->count; at++) {
		buf_printf(out, "\n[[%s]]\n", option->key);
		for (const struct conf_option *sub = option->sub; sub->key; sub++)
			show_pair(sub, sub->key, NULL, tables->items[at], out);
	}
}

static void show_sections(const struct conf_option *options, const struct conf *conf,
			  const void *values, struct buf *out)
{
	struct slice section = {NULL, 0};

	for (; options->key; options++) {
		const char *dot = strchr(options->key, '.');
		struct slice now = {options->key, dot ? (size_t)(dot - options->key) : 0};

		if (!dot || options->type == CONF_TABLES)
			continue;
		if (!slice_equal(now, section))
			buf_printf(out, "\n[%.*s]\n", (int)now.len, now.data);
		section = now;
		show_pair(options, dot + 1, conf, values, out);
	}
}

void conf_show(const struct conf_option *options, const struct conf *conf, const void *values,
	       struct buf *out)
{
	for (const struct conf_option *option = options; option->key; option++) {
		if (!strchr(option->key, '.') && option->type != CONF_TABLES)
			show_pair(option, option->key, conf, values, out);
	}
	show_sections(options, conf, values, out);
	for (; options->key; options++) {
		if (options->type == CONF_TABLES)
			show_tables(options, values, out);
	}
}

static void json_table(const struct conf_option *options, const void *values, struct buf *out)
{
	for (const struct conf_option *option = options; option->key; option++) {
		buf_printf(out, "%s\"%s\": ", option == options ? "{" : ", ", option->key);
		conf_json(option, values, out);
	}
	buf_append_char(out, '}');
}

void conf_json(const struct conf_option *option, const void *values, struct buf *out)
{
	const struct conf_tables *tables = (const void *)((const char *)values + option->offset);

	if (option->type != CONF_TABLES) {
		conf_print(option, values, out);
		return;
	}
	buf_append_char(out, '[');
	for (size_t at = 0; at < tables->count; at++) {
		buf_append_text(out, at ? ", " : "");
		json_table(option->sub, tables->items[at], out);
	}
	buf_append_char(out, ']');
}

static const char *type_name(enum conf_type type)
{
	static const char *const names[] = {"text",
					    "true or false",
					    "whole number",
					    "duration (\"30 s\", \"5 minutes\", \"off\")",
					    "size (\"256 KB\")",
					    "rate (\"20 KB/s\", \"off\")",
					    "number of times (\"5 per minute\", \"off\")",
					    "queue size (\"2000 stanzas, 4 MB\")",
					    "list of texts",
					    "secret (a text, or { file = \"/path\" })",
					    "one of",
					    "tables ([[...]])"};

	return names[type];
}

/* "router c2s" as "router and c2s". */
static void print_parts(const char *parts, struct buf *out)
{
	for (size_t len = strcspn(parts, " "); *parts; len = strcspn(parts, " ")) {
		const char *next = parts + len + (parts[len] == ' ');

		buf_append(out, parts, len);
		if (*next)
			buf_append_text(out, strchr(next, ' ') ? ", " : " and ");
		parts = next;
	}
}

static void explain_effect(const struct conf_option *option, struct buf *out)
{
	if (!option->parts)
		return;
	buf_append_text(out, "takes effect: ");
	if (option->effect == CONF_NOW)
		buf_append_text(out, "at once (jackdaw reload)");
	else if (option->effect == CONF_GROWS)
		buf_append_text(out, "what is added at the end at once (jackdaw reload); else ");
	if (option->effect != CONF_NOW) {
		buf_append_text(out, "after a restart of ");
		print_parts(option->parts, out);
	}
	buf_append_char(out, '\n');
}

/* of: the option itself, or the tables that it is a key of. */
static void explain(const struct conf_option *option, const struct conf_option *of, const char *key,
		    struct buf *out)
{
	const char *quote = conf_is_worded(option->type) ? "\"" : "";

	buf_printf(out, "%s: %s\n", key, option->text);
	buf_printf(out, "type: %s%s%s\n", type_name(option->type), option->choices ? " " : "",
		   option->choices ? option->choices : "");
	if (option->type == CONF_TABLES)
		buf_append_text(out, "default: none\n");
	else if (option->preset)
		buf_printf(out, "default: %s%s%s\n", quote, option->preset, quote);
	else
		buf_append_text(out, "default: none; it must be given\n");
	if (option->off)
		buf_printf(out, "not in this version: only %s%s%s is accepted\n", quote,
			   option->off, quote);
	explain_effect(of, out);
}

static bool explain_as(const struct conf_option *options, const struct conf_option *of,
		       const char *key, const char *whole, struct buf *out)
{
	for (; options->key; options++) {
		size_t len = strlen(options->key);

		if (strcmp(options->key, key) == 0) {
			explain(options, of ? of : options, whole, out);
			return true;
		}
		if (options->type == CONF_TABLES && strncmp(options->key, key, len) == 0 &&
		    key[len] == '.')
			return explain_as(options->sub, options, key + len + 1, whole, out);
	}
	return false;
}

/* The keys of a section, a line each. */
static bool list_section(const struct conf_option *options, const char *section, struct buf *out)
{
	size_t len = strlen(section);
	bool found = false;

	for (; options->key; options++) {
		if (strncmp(options->key, section, len) != 0 || options->key[len] != '.')
			continue;
		buf_printf(out, "%s: %s\n", options->key, options->text);
		found = true;
	}
	return found;
}

bool conf_explain(const struct conf_option *options, const char *key, struct buf *out)
{
	return explain_as(options, NULL, key, key, out) || list_section(options, key, out);
}

/* How many bytes must be changed, added or left out. */
static unsigned distance(struct slice a, struct slice b)
{
	unsigned row[65];

	if (a.len > 64 || b.len > 64)
		return 100;
	for (unsigned at = 0; at <= b.len; at++)
		row[at] = at;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned above = row[j], cost = diagonal + (a.data[i - 1] != b.data[j - 1]);

			diagonal = above;
			row[j] = above < row[j - 1] ? above + 1 : row[j - 1] + 1;
			if (cost < row[j])
				row[j] = cost;
		}
	}
	return row[b.len];
}

/* From here on a key is another one, not a mistyped one. */
static unsigned too_far(const char *key)
{
	return (unsigned)strlen(key) / 3 + 2;
}

const char *conf_nearest(const struct conf_option *options, const char *key)
{
	const char *nearest = NULL, *last = strrchr(key, '.');
	unsigned best = too_far(key);

	for (; options->key; options++) {
		const char *dot = strrchr(options->key, '.');
		unsigned away = distance(slice_of(key), slice_of(options->key));

		/* The right word in the wrong section is near too. */
		if (dot && strcmp(dot + 1, last ? last + 1 : key) == 0)
			away = 1;
		if (away < best) {
			best = away;
			nearest = options->key;
		}
	}
	return nearest;
}

struct slice conf_nearest_section(const struct conf_option *options, const char *key)
{
	struct slice nearest = {NULL, 0};
	unsigned best = too_far(key);

	for (; options->key; options++) {
		const char *dot = strrchr(options->key, '.');
		struct slice section = {options->key,
					dot ? (size_t)(dot - options->key) : strlen(options->key)};
		unsigned away = distance(slice_of(key), section);

		if ((!dot && options->type != CONF_TABLES) || away >= best)
			continue;
		best = away;
		nearest = section;
	}
	return nearest;
}
