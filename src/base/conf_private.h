/* SPDX-License-Identifier: MIT */
/* Private to base: values of options. */
#pragma once

#include "base/conf.h"
#include "base/toml.h"

/* What a parsed struct borrows: strings and lists, freed together. */
struct conf {
	struct conf_block *blocks;
	const struct conf_option *options;
	bool *given; /* of each of the options: the file has it */
};

void *conf_block(struct conf *conf, size_t size); /* zeroed, lives as long as the conf */
const char *conf_keep(struct conf *conf, struct slice text);

/*
 * Puts a value of the file (or a preset) into the option's field. Returns 0 or a fault with why
 * filled: what is wrong and what would be right, without the key.
 */
int conf_value(struct conf *conf, const struct conf_option *option, const struct toml *value,
	       void *out, struct buf *why);
int conf_preset(struct conf *conf, const struct conf_option *option, void *out, struct buf *why);
/* The value as it would stand in a file; secrets as "***", of tables nothing. */
void conf_print(const struct conf_option *option, const void *values, struct buf *out);
size_t conf_field_size(enum conf_type type);
/* True for what stands in quotes in a file and without them in the table. */
bool conf_is_worded(enum conf_type type);
/* The section of the table nearest to a mistyped one; empty when none is near. */
struct slice conf_nearest_section(const struct conf_option *options, const char *key);
