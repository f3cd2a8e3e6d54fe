/* SPDX-License-Identifier: MIT */
/* Options for people: what a key means, the whole file as it stands, the key that was meant. */
#include <stdio.h>
#include "base/conf_private.h"

static void print_text(const char *text, struct buf *out)
{
	buf_append_char(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_append_char(out, '\\');
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
	} units[] = {{"day", "days", 86400000}, {"hour", "hours", 3600000}, {"minute", "minutes", 60000}, {"s", "s", 1000},
		     {"ms", "ms", 1}};

	for (unsigned at = 0; at < countof(units); at++) {
		if (ms % units[at].ms)
			continue;
		buf_printf(out, "%lld %s", (long long)(ms / units[at].ms), ms == units[at].ms ? units[at].one : units[at].many);
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

static void print_quoted(const struct conf_option *option, const void *field, struct buf *out)
{
	const struct conf_per_time *per = field;
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
		buf_printf(out, "%lld per %s", (long long)per->count,
			   per->per_ms == 60000 ? "minute" : per->per_ms == 3600000 ? "hour" : per->per_ms == 1000 ? "second" : "day");
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

void conf_show(const struct conf_option *options, const void *values, struct buf *out)
{
	char section[64] = "";

	for (; options->key; options++) {
		const char *dot = strchr(options->key, '.');
		size_t len = dot ? (size_t)(dot - options->key) : 0;

		if (options->type == CONF_TABLES)
			continue;
		if (len && (strlen(section) != len || strncmp(section, options->key, len) != 0)) {
			snprintf(section, sizeof(section), "%.*s", (int)len, options->key);
			buf_printf(out, "\n[%s]\n", section);
		}
		buf_printf(out, "%s = ", dot ? dot + 1 : options->key);
		conf_print(options, values, out);
		buf_append_char(out, '\n');
	}
}

static const char *type_name(enum conf_type type)
{
	static const char *const names[] = {
		"text", "true or false", "whole number", "duration (\"30 s\", \"5 minutes\", \"off\")", "size (\"256 KB\")",
		"rate (\"20 KB/s\", \"off\")", "number of times (\"5 per minute\", \"off\")",
		"queue size (\"2000 stanzas, 4 MB\")", "list of texts", "secret (a text, or { file = \"/path\" })", "one of",
		"tables ([[...]])"};

	return names[type];
}

bool conf_explain(const struct conf_option *options, const char *key, struct buf *out)
{
	for (; options->key; options++) {
		if (strcmp(options->key, key) != 0)
			continue;
		buf_printf(out, "%s: %s\n", options->key, options->text);
		buf_printf(out, "type: %s%s%s\n", type_name(options->type), options->choices ? " " : "",
			   options->choices ? options->choices : "");
		buf_printf(out, "default: %s\n", options->preset ? options->preset : "none; it must be given");
		if (options->off)
			buf_printf(out, "not in this version: only %s is accepted\n", options->off);
		return true;
	}
	return false;
}

/* How many letters must be changed, added or left out. */
static unsigned distance(const char *a, const char *b)
{
	size_t len = strlen(b);
	unsigned row[65];

	if (len > 64 || strlen(a) > 64)
		return 100;
	for (unsigned at = 0; at <= len; at++)
		row[at] = at;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= len; j++) {
			unsigned above = row[j], cost = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = above;
			row[j] = above < row[j - 1] ? above + 1 : row[j - 1] + 1;
			if (cost < row[j])
				row[j] = cost;
		}
	}
	return row[len];
}

const char *conf_nearest(const struct conf_option *options, const char *key)
{
	const char *nearest = NULL, *last = strrchr(key, '.');
	unsigned best = (unsigned)strlen(key) / 3 + 1;

	for (; options->key; options++) {
		const char *dot = strrchr(options->key, '.');
		unsigned away = distance(key, options->key);
		/* The right word in the wrong section is near too. */
		bool same = dot && strcmp(dot + 1, last ? last + 1 : key) == 0;

		if (same)
			away = 1;
		if (away > best || (away == best && nearest))
			continue;
		best = away;
		nearest = options->key;
	}
	return nearest;
}
