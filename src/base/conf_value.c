/* SPDX-License-Identifier: MIT */
/* One value at a time: durations, sizes, rates, lists, secrets. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/conf_private.h"
#include "base/mem.h"

enum { SECRET_MAX = 1024 };

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit times[] = {{"ms", 1},
				    {"s", 1000},
				    {"second", 1000},
				    {"seconds", 1000},
				    {"minute", 60000},
				    {"minutes", 60000},
				    {"min", 60000},
				    {"hour", 3600000},
				    {"hours", 3600000},
				    {"h", 3600000},
				    {"day", 86400000},
				    {"days", 86400000},
				    {"week", 604800000},
				    {"weeks", 604800000},
				    {"year", 31536000000},
				    {"years", 31536000000},
				    {NULL, 0}};
static const struct unit sizes[] = {{"B", 1},	       {"KB", 1 << 10},	  {"MB", 1 << 20},
				    {"GB", 1LL << 30}, {"TB", 1LL << 40}, {NULL, 0}};

/* "12 KB": a number, blanks, a unit; the whole text. */
static bool measure(struct slice text, const struct unit *units, int64_t *value)
{
	size_t digits = 0, blanks;
	uint64_t number;

	while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
		digits++;
	if (!slice_to_u64((struct slice){text.data, digits}, &number))
		return false;
	for (blanks = digits; blanks < text.len && text.data[blanks] == ' ';)
		blanks++;
	text = (struct slice){text.data + blanks, text.len - blanks};
	if (!text.len && number == 0) {
		*value = 0;
		return true;
	}
	for (; units->name; units++) {
		if (!slice_is(text, units->name))
			continue;
		if (number > (uint64_t)(INT64_MAX / units->factor))
			return false;
		*value = (int64_t)number * units->factor;
		return true;
	}
	return false;
}

static bool duration(struct slice text, int64_t *ms)
{
	if (slice_is(text, "forever"))
		*ms = INT64_MAX;
	else if (slice_is(text, "off"))
		*ms = 0;
	else
		return measure(text, times, ms);
	return true;
}

static bool rate(struct slice text, int64_t *bytes)
{
	if (slice_is(text, "off")) {
		*bytes = 0;
		return true;
	}
	if (text.len < 2 || memcmp(text.data + text.len - 2, "/s", 2) != 0)
		return false;
	return measure((struct slice){text.data, text.len - 2}, sizes, bytes);
}

static bool per_time(struct slice text, struct conf_per_time *value)
{
	const char *per = memmem(text.data, text.len, " per ", 5);
	uint64_t count;
	char one[40];

	if (slice_is(text, "off")) {
		*value = (struct conf_per_time){0, 1};
		return true;
	}
	if (!per || !slice_to_u64((struct slice){text.data, (size_t)(per - text.data)}, &count) ||
	    count > INT32_MAX)
		return false;
	value->count = (int64_t)count;
	snprintf(one, sizeof(one), "1 %.*s", (int)(text.data + text.len - per - 5), per + 5);
	return measure(slice_of(one), times, &value->per_ms);
}

static bool queue(struct slice text, struct conf_queue *value)
{
	static const struct unit stanzas[] = {{"stanzas", 1}, {"stanza", 1}, {NULL, 0}};
	const char *comma = memchr(text.data, ',', text.len);
	struct slice first, second;

	if (!comma)
		return false;
	first = (struct slice){text.data, (size_t)(comma - text.data)};
	second = (struct slice){comma + 1, text.len - first.len - 1};
	while (second.len && *second.data == ' ') {
		second.data++;
		second.len--;
	}
	return measure(first, stanzas, &value->stanzas) && measure(second, sizes, &value->bytes);
}

static bool choice(const char *choices, struct slice text, int *value)
{
	int at = 0;

	for (const char *word = choices; *word; at++) {
		size_t len = strcspn(word, " ");

		if (slice_equal((struct slice){word, len}, text)) {
			*value = at;
			return true;
		}
		word += len + (word[len] == ' ');
	}
	return false;
}

static const char *example(const struct conf_option *option)
{
	switch (option->type) {
	case CONF_DURATION:
		return "duration; write something like \"30 s\" or \"5 minutes\"";
	case CONF_SIZE:
		return "size; write something like \"256 KB\"";
	case CONF_RATE:
		return "rate; write something like \"20 KB/s\" or \"off\"";
	case CONF_PER_TIME:
		return "number of times; write something like \"5 per minute\" or \"off\"";
	case CONF_QUEUE:
		return "queue size; write something like \"2000 stanzas, 4 MB\"";
	default:
		return "value";
	}
}

static bool measured(const struct conf_option *option, struct slice text, void *field)
{
	switch (option->type) {
	case CONF_DURATION:
		return duration(text, field);
	case CONF_SIZE:
		return measure(text, sizes, field);
	case CONF_RATE:
		return rate(text, field);
	case CONF_PER_TIME:
		return per_time(text, field);
	case CONF_QUEUE:
		return queue(text, field);
	default:
		return false;
	}
}

static int wrong(struct buf *why, const char *wanted)
{
	buf_printf(why, "expected %s", wanted);
	return -EINVAL;
}

static int list_value(struct conf *conf, const struct toml *value, struct conf_list *list,
		      struct buf *why)
{
	size_t count = 0;

	if (value->type != TOML_ARRAY)
		return wrong(why, "a list of texts, like [\"one\", \"two\"]");
	for (const struct toml *item = value->child; item; item = item->next, count++) {
		if (item->type != TOML_STRING)
			return wrong(why, "a list of texts, like [\"one\", \"two\"]");
	}
	list->items = conf_block(conf, (count + 1) * sizeof(char *));
	list->count = 0;
	for (const struct toml *item = value->child; item; item = item->next)
		list->items[list->count++] = conf_keep(conf, item->string);
	return 0;
}

/* The first line of the file, without its end. */
static int secret_file(struct conf *conf, const char *path, const char **out, struct buf *why)
{
	char line[SECRET_MAX + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, line, SECRET_MAX);
	int fault = len < 0 ? -errno : 0;
	size_t used;

	if (fd >= 0)
		close(fd);
	if (fault) {
		buf_printf(why, "cannot read %s: %s", path, strerror(-fault));
		return fault;
	}
	line[len] = 0;
	used = strcspn(line, "\r\n");
	if (!used || used == SECRET_MAX) {
		buf_printf(why, "the first line of %s is %s; it should be the secret", path,
			   used ? "too long" : "empty");
		fault = -EINVAL;
	} else {
		*out = conf_keep(conf, (struct slice){line, used});
	}
	mem_wipe(line, sizeof(line));
	return fault;
}

static int secret_value(struct conf *conf, const struct toml *value, const char **out,
			struct buf *why)
{
	const struct toml *file = value->type == TOML_TABLE ? toml_get(value, "file") : NULL;

	if (value->type == TOML_STRING) {
		*out = conf_keep(conf, value->string);
		return 0;
	}
	if (!file || file->type != TOML_STRING || file->next || value->child != file)
		return wrong(why, "a text, or { file = \"/path\" }");
	return secret_file(conf, file->string.data, out, why);
}

static int text_value(struct conf *conf, const struct conf_option *option, const struct toml *value,
		      void *field, struct buf *why)
{
	int at;

	if (value->type == TOML_INTEGER && option->type == CONF_SIZE && value->integer == 0) {
		*(int64_t *)field = 0;
		return 0;
	}
	if (value->type != TOML_STRING &&
	    (option->type == CONF_TEXT || option->type == CONF_CHOICE))
		return wrong(why, "a text in quotes");
	if (value->type != TOML_STRING) {
		buf_printf(why, "expected a %s", example(option));
		return -EINVAL;
	}
	if (option->type == CONF_TEXT) {
		*(const char **)field = conf_keep(conf, value->string);
		return 0;
	}
	if (option->type == CONF_CHOICE) {
		if (choice(option->choices, value->string, &at)) {
			*(int *)field = at;
			return 0;
		}
		buf_printf(why, "\"%s\" is none of: %s", value->string.data, option->choices);
		return -EINVAL;
	}
	if (measured(option, value->string, field))
		return 0;
	buf_printf(why, "\"%s\" is no %s", value->string.data, example(option));
	return -EINVAL;
}

static int plain_value(struct conf *conf, const struct conf_option *option,
		       const struct toml *value, void *field, struct buf *why)
{
	switch (option->type) {
	case CONF_BOOL:
		if (value->type != TOML_BOOL)
			return wrong(why, "true or false");
		*(bool *)field = value->integer;
		return 0;
	case CONF_COUNT:
		if (value->type != TOML_INTEGER || value->integer < 0)
			return wrong(why, "a whole number, 0 or more");
		*(int64_t *)field = value->integer;
		return 0;
	case CONF_LIST:
		return list_value(conf, value, field, why);
	case CONF_SECRET:
		return secret_value(conf, value, field, why);
	default:
		return text_value(conf, option, value, field, why);
	}
}

size_t conf_field_size(enum conf_type type)
{
	static const size_t fields[] = {[CONF_TEXT] = sizeof(char *),
					[CONF_BOOL] = sizeof(bool),
					[CONF_COUNT] = 8,
					[CONF_DURATION] = 8,
					[CONF_SIZE] = 8,
					[CONF_RATE] = 8,
					[CONF_PER_TIME] = sizeof(struct conf_per_time),
					[CONF_QUEUE] = sizeof(struct conf_queue),
					[CONF_LIST] = sizeof(struct conf_list),
					[CONF_SECRET] = sizeof(char *),
					[CONF_CHOICE] = sizeof(int),
					[CONF_TABLES] = sizeof(struct conf_tables)};

	return fields[type];
}

/* What is not in this version may only be asked not to be: its off value. */
static bool is_off(const struct conf_option *option, const void *out)
{
	AUTO(buf_fini) struct buf now = {0};
	struct slice text;

	conf_print(option, out, &now);
	text = buf_slice(&now);
	if (text.len >= 2 && *text.data == '"')
		text = (struct slice){text.data + 1, text.len - 2};
	return slice_is(text, option->off);
}

int conf_value(struct conf *conf, const struct conf_option *option, const struct toml *value,
	       void *out, struct buf *why)
{
	void *field = (char *)out + option->offset;
	char before[sizeof(struct conf_list) + 16];
	int rc;

	memcpy(before, field, conf_field_size(option->type));
	rc = plain_value(conf, option, value, field, why);
	if (!rc && option->off && !is_off(option, out)) {
		buf_printf(why,
			   conf_is_worded(option->type)
				   ? "not in this version; the only value is \"%s\""
				   : "not in this version; the only value is %s",
			   option->off);
		rc = -EINVAL;
	}
	if (rc)
		memcpy(field, before, conf_field_size(option->type));
	return rc;
}

bool conf_is_worded(enum conf_type type)
{
	return type != CONF_BOOL && type != CONF_COUNT && type != CONF_LIST;
}

/* Texts and what is written as text stand without quotes in the table; the rest is a value of TOML.
 */
int conf_preset(struct conf *conf, const struct conf_option *option, void *out, struct buf *why)
{
	struct toml word = {.type = TOML_STRING, .string = slice_of(option->preset)};
	void *field = (char *)out + option->offset;
	AUTO(buf_fini) struct buf line = {0};
	struct toml_error error;
	struct toml_doc *doc;
	int rc;

	if (conf_is_worded(option->type))
		return plain_value(conf, option, &word, field, why);
	buf_printf(&line, "preset = %s\n", option->preset);
	rc = toml_parse(buf_slice(&line), &doc, &error);
	if (rc) {
		buf_append_text(why, error.text);
		return rc;
	}
	rc = plain_value(conf, option, toml_root(doc)->child, field, why);
	toml_free(&doc);
	return rc;
}
