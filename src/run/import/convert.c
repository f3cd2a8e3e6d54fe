/* SPDX-License-Identifier: MIT */
/* import jabberd2-config: jabberd2's four files as one of ours. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "component/settings.h"
#include "run/import/jabberd2_config.h"
#include "run/import/jabberd2_file.h"
#include "run/run.h"
#include "xml/nad.h"

static const char *const names[JABBERD2_FILES] = {"c2s.xml", "sm.xml", "router.xml", "s2s.xml"};

/* A file that router.xml names, if it does. */
static bool read_named(const struct jabberd2_config *config, const char *path, struct nad **nad,
		       struct buf *why)
{
	AUTO(buf_fini) struct buf name = {0};

	buf_append_slice(&name, jabberd2_text(config->files[JABBERD2_ROUTER], path));
	if (!buf_used(&name))
		return true;
	*nad = jabberd2_file(config->dir, buf_text(&name), why);
	return *nad;
}

static bool read_files(const char *dir, struct jabberd2_config *config, struct buf *why)
{
	for (unsigned file = 0; file < JABBERD2_FILES; file++) {
		config->files[file] = jabberd2_file(dir, names[file], why);
		if (!config->files[file])
			return false;
	}
	config->dir = dir;
	return read_named(config, "local/users", &config->users, why) &&
	       read_named(config, "aci/filter", &config->filter, why);
}

/* What comes out has to be accepted: what jabberd2 takes for a domain may be none. */
static bool is_accepted(struct slice text, struct buf *why)
{
	struct settings settings;
	struct conf *conf = NULL;
	struct conf_error error;

	if (settings_parse("the converted file", text, &settings, &conf, &error)) {
		buf_printf(why,
			   "%s:%u:%u: %s; change it in jabberd2's files, or in what was printed",
			   error.file, error.line, error.column, error.text);
		return false;
	}
	conf_free(&conf);
	return true;
}

int verb_convert_jabberd2(const struct cli *cli)
{
	AUTO(buf_fini) struct buf why = {0};
	AUTO(buf_wipe) struct buf out = {0};
	struct jabberd2_config config = {.dir = NULL};

	if (cli->count != 1) {
		fprintf(stderr, "jackdaw: %s wants the directory of jabberd2's files\n",
			cli->verb->name);
		return EXIT_USAGE;
	}
	if (read_files(cli->words[0], &config, &why)) {
		jabberd2_convert(&config, &out);
		jabberd2_leftover(&config, &out);
		fwrite(buf_slice(&out).data, 1, buf_used(&out), stdout);
		is_accepted(buf_slice(&out), &why);
	}
	for (unsigned file = 0; file < JABBERD2_FILES; file++)
		nad_free(&config.files[file]);
	nad_free(&config.users);
	nad_free(&config.filter);
	if (!buf_used(&why))
		return EXIT_OK;
	fprintf(stderr, "jackdaw: %s\n", buf_text(&why));
	return EXIT_PROBLEM;
}
