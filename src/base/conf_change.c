/* SPDX-License-Identifier: MIT */
/* Two readings of a file: what differs, and what of the one stays in force in the other. */
#include <string.h>
#include "base/conf_private.h"

static const void *field_of(const struct conf_option *option, const void *values)
{
	return (const char *)values + option->offset;
}

static bool is_equal_table(const struct conf_option *options, const void *now, const void *next)
{
	for (; options->key; options++) {
		if (!conf_is_equal(options, now, next))
			return false;
	}
	return true;
}

static bool is_equal_tables(const struct conf_option *option, const struct conf_tables *now,
			    const struct conf_tables *next)
{
	if (now->count != next->count)
		return false;
	for (size_t at = 0; at < now->count; at++) {
		if (!is_equal_table(option->sub, now->items[at], next->items[at]))
			return false;
	}
	return true;
}

/* What is printed alike is alike; secrets all are. */
bool conf_is_equal(const struct conf_option *option, const void *now, const void *next)
{
	AUTO(buf_fini) struct buf before = {0}, after = {0};

	if (option->type == CONF_TABLES)
		return is_equal_tables(option, field_of(option, now), field_of(option, next));
	if (option->type == CONF_SECRET)
		return !strcmp(*(const char *const *)field_of(option, now),
			       *(const char *const *)field_of(option, next));
	conf_print(option, now, &before);
	conf_print(option, next, &after);
	return slice_equal(buf_slice(&before), buf_slice(&after));
}

static bool begins_with(const struct conf_list *list, const struct conf_list *first)
{
	if (list->count < first->count)
		return false;
	for (size_t at = 0; at < first->count; at++) {
		if (strcmp(list->items[at], first->items[at]) != 0)
			return false;
	}
	return true;
}

bool conf_takes_now(const struct conf_option *option, const void *now, const void *next)
{
	if (option->effect == CONF_GROWS)
		return begins_with(field_of(option, next), field_of(option, now));
	return option->effect == CONF_NOW;
}

bool conf_is_read_by(const struct conf_option *option, const char *part)
{
	const char *at = option->parts ? option->parts : "";
	size_t len = strlen(part);

	while (*at) {
		size_t word = strcspn(at, " ");

		if (word == len && !memcmp(at, part, len))
			return true;
		at += word + (at[word] == ' ');
	}
	return false;
}

/* -- keeping ---------------------------------------------------------------------------------- */

static void copy_list(struct conf *conf, const struct conf_list *from, struct conf_list *to)
{
	to->items = conf_block(conf, (from->count + 1) * sizeof(char *));
	to->count = from->count;
	for (size_t at = 0; at < from->count; at++)
		to->items[at] = conf_keep(conf, slice_of(from->items[at]));
}

static void copy_value(struct conf *conf, const struct conf_option *option, const void *from,
		       void *to);

static void copy_tables(struct conf *conf, const struct conf_option *option,
			const struct conf_tables *from, struct conf_tables *to)
{
	to->items = conf_block(conf, (from->count + 1) * sizeof(void *));
	to->count = from->count;
	for (size_t at = 0; at < from->count; at++) {
		to->items[at] = conf_block(conf, option->sub_size);
		for (const struct conf_option *sub = option->sub; sub->key; sub++)
			copy_value(conf, sub, from->items[at], to->items[at]);
	}
}

static void copy_value(struct conf *conf, const struct conf_option *option, const void *from,
		       void *to)
{
	const void *value = field_of(option, from);
	void *field = (char *)to + option->offset;

	if (option->type == CONF_TABLES)
		copy_tables(conf, option, value, field);
	else if (option->type == CONF_LIST)
		copy_list(conf, value, field);
	else if (option->type == CONF_TEXT || option->type == CONF_SECRET)
		*(const char **)field = conf_keep(conf, slice_of(*(const char *const *)value));
	else
		memcpy(field, value, conf_field_size(option->type));
}

void conf_keep_value(struct conf *conf, const struct conf *of_now, const struct conf_option *option,
		     const void *now, void *next)
{
	copy_value(conf, option, now, next);
	conf->given[option - conf->options] = conf_is_given(of_now, option);
}
