/* SPDX-License-Identifier: MIT */
/*
 * Option tables: they parse, check and document the configuration. A table describes the fields of
 * a struct; nobody looks a setting up by name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

enum conf_type {
	CONF_TEXT,     /* const char *: never NULL */
	CONF_BOOL,     /* bool */
	CONF_COUNT,    /* int64_t, 0 or more */
	CONF_DURATION, /* int64_t milliseconds; "30 s", "5 minutes", "30 days"; "off" is 0,
			  "forever" is INT64_MAX */
	CONF_SIZE,     /* int64_t bytes; "256 KB" (1 KB is 1024), a plain "0" too */
	CONF_RATE,     /* int64_t bytes a second; "20 KB/s", "off" is 0 */
	CONF_PER_TIME, /* struct conf_per_time; "5 per minute", "off" is a count of 0 */
	CONF_QUEUE,    /* struct conf_queue; "2000 stanzas, 4 MB" */
	CONF_LIST,     /* struct conf_list of text */
	CONF_SECRET,   /* const char *: a string, or the first line of { file = "..." } */
	CONF_CHOICE,   /* int: index into the words of choices */
	CONF_TABLES,   /* struct conf_tables: [[name]] sections, each parsed by the table in sub;
			  "router.login" stands beside the keys of [router] */
};

struct conf_per_time {
	int64_t count, per_ms;
};

struct conf_queue {
	int64_t stanzas, bytes;
};

struct conf_list {
	const char **items;
	size_t count;
};

struct conf_tables {
	void **items; /* each of the sub table's struct_size */
	size_t count;
};

/* When a value that changed counts. */
enum conf_effect {
	CONF_RESTART, /* when those who read it were started again */
	CONF_NOW,     /* at once */
	CONF_GROWS, /* CONF_LIST: at once what was added behind the others, else as CONF_RESTART */
};

struct conf_option {
	const char *key; /* "limits.stanza": sections are part of the key */
	enum conf_type type;
	size_t offset;	     /* in the struct */
	const char *preset;  /* 256 KB, [":5222"], true: texts unquoted; NULL: required */
	const char *text;    /* one sentence for people */
	const char *choices; /* CONF_CHOICE: "off starttls required" */
	const char *off;     /* not in this version: the only value that is accepted, "[]" */
	const struct conf_option *sub;
	size_t sub_size;
	enum conf_effect effect;
	const char *parts; /* who reads it: words, "router c2s" */
};

/* What is wrong with a file, and where; prints as "FILE:LINE:COLUMN: text". */
struct conf_error {
	char file[256];
	unsigned line, column; /* from 1; 0 when the file as a whole is meant */
	char text[512];	       /* names the key, what is wrong, what would be right */
};

struct conf; /* a parsed file: owns every string that the struct points to */

/*
 * Parses text (as the content of the file called name) over the options into *out, which is filled
 * with the defaults first. options ends with a NULL key. On success *out is frozen and lives as
 * long as *conf. Returns 0, or -EINVAL with *error filled: unknown key (with "did you mean"), wrong
 * type, bad value, duplicate, missing required key, TOML syntax; -errno when a secret's file cannot
 * be read. After a fault *out is not to be used.
 */
int conf_parse(const char *name, struct slice text, const struct conf_option *options, void *out,
	       struct conf **conf, struct conf_error *error);

/* Reads the file, then the same; a file that cannot be read is an error of its own. */
int conf_load(const char *path, const struct conf_option *options, void *out, struct conf **conf,
	      struct conf_error *error);
void conf_free(struct conf **conf);

/*
 * "config explain KEY": type with an example, default, sentence; "component.name" is a key of
 * [[component]]. Of a section ("limits") its keys, a line each. False when there is no such key.
 */
bool conf_explain(const struct conf_option *options, const char *key, struct buf *out);
/*
 * "config show": the struct as a file, secrets as "***". What the file does not say is marked as
 * default; conf NULL: nothing is.
 */
void conf_show(const struct conf_option *options, const struct conf *conf, const void *values,
	       struct buf *out);
/* A value as JSON; text, numbers and lists as in a file. */
void conf_json(const struct conf_option *option, const void *values, struct buf *out);
/* Whether the file has the key. */
bool conf_is_given(const struct conf *conf, const struct conf_option *option);

/* -- two of them: now is in force, next is another file's (conf_change.c) ---------------------- */

bool conf_is_equal(const struct conf_option *option, const void *now, const void *next);
/* Of a value that is another: whether it can count at once. */
bool conf_takes_now(const struct conf_option *option, const void *now, const void *next);
/*
 * Puts the value of now into next, a copy with all that it points to, owned by conf; and whether
 * the file of now has it, of_now.
 */
void conf_keep_value(struct conf *conf, const struct conf *of_now, const struct conf_option *option,
		     const void *now, void *next);
/* Whether the part is one of those who read it. */
bool conf_is_read_by(const struct conf_option *option, const char *part);

/* The key of the table nearest to a mistyped one, or NULL when none is near. */
const char *conf_nearest(const struct conf_option *options, const char *key);
