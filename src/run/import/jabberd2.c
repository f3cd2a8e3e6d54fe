/* SPDX-License-Identifier: MIT */
/* import jabberd2: finds its databases, sends what is in them to the command "import". */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "run/control.h"
#include "run/import/jabberd2_data.h"
#include "run/import/jabberd2_file.h"
#include "run/run.h"
#include "xml/nad.h"

enum { REALMS_MAX = 64 };

struct finding {
	struct jabberd2_place place;
	struct nad *c2s, *sm; /* the files; NULL: a database was named */
	struct jabberd2_realm realms[REALMS_MAX];
	struct buf why;
};

static void finding_fini(struct finding *finding)
{
	nad_free(&finding->c2s);
	nad_free(&finding->sm);
	buf_fini(&finding->why);
}

static int refuse(struct finding *finding, const char *file, const char *key, struct slice value)
{
	buf_printf(&finding->why,
		   "%s: %s is \"%.*s\": only databases of SQLite are read; jabberd2's own tools "
		   "lead to one",
		   file, key, (int)value.len, value.data);
	return -EINVAL;
}

static int find_accounts(struct finding *finding)
{
	struct slice module = jabberd2_text(finding->c2s, "authreg/module");
	struct slice file = jabberd2_text(finding->c2s, "authreg/sqlite/dbname");
	const char *types = "authreg/sqlite/password_type";
	int type = jabberd2_find(finding->c2s, 0, types);

	if (!slice_is(module, "sqlite") || !file.len)
		return refuse(finding, "c2s.xml", "authreg/module", module);
	finding->place.accounts = file;
	if (type >= 0 && (jabberd2_find(finding->c2s, type, "crypt") >= 0 ||
			  jabberd2_find(finding->c2s, type, "a1hash") >= 0))
		finding->place.passwords = JABBERD2_HASHED;
	return 0;
}

static int find_storage(struct finding *finding)
{
	struct slice driver = jabberd2_text(finding->sm, "storage/driver");
	struct slice file = jabberd2_text(finding->sm, "storage/sqlite/dbname");

	if (!slice_is(driver, "sqlite") || !file.len)
		return refuse(finding, "sm.xml", "storage/driver", driver);
	finding->place.storage = file;
	finding->place.prefix = jabberd2_text(finding->sm, "storage/sqlite/prefix");
	return 0;
}

/* <id realm='company'>example.net</id>: the users of the realm are of that domain. */
static void find_realms(struct finding *finding)
{
	int local = jabberd2_find(finding->c2s, 0, "local");
	int id = local < 0 ? -1 : nad_find_child(finding->c2s, local, NULL, "id");

	finding->place.realms = finding->realms;
	for (; id >= 0; id = nad_find_next(finding->c2s, id, NULL, "id")) {
		struct slice domain = jabberd2_trim(nad_cdata(finding->c2s, id)), realm;
		struct jabberd2_realm *at = &finding->realms[finding->place.realm_count];

		if (!nad_attr(finding->c2s, id, NULL, "realm", &realm) ||
		    slice_equal(realm, domain) || finding->place.realm_count == REALMS_MAX)
			continue;
		at->realm = realm;
		at->domain = domain;
		finding->place.realm_count++;
	}
}

static int find(struct finding *finding, const char *where)
{
	int rc;

	if (!strncmp(where, "sqlite:", 7)) {
		finding->place = (struct jabberd2_place){.accounts = slice_of(where + 7),
							 .storage = slice_of(where + 7),
							 .prefix = SLICE(""),
							 .passwords = JABBERD2_GUESS};
		return 0;
	}
	finding->c2s = jabberd2_file(where, "c2s.xml", &finding->why);
	finding->sm = finding->c2s ? jabberd2_file(where, "sm.xml", &finding->why) : NULL;
	if (!finding->sm)
		return -ENOENT;
	rc = find_accounts(finding);
	rc = rc ? rc : find_storage(finding);
	if (!rc)
		find_realms(finding);
	return rc;
}

/* -- the verb -- */

struct reading {
	struct input input;
	struct jabberd2_data *data;
};

static ssize_t read_users(void *arg, char *room, size_t len)
{
	struct reading *reading = arg;
	ssize_t got = jabberd2_read(reading->data, room, len);

	reading->input.at = jabberd2_done(reading->data);
	if (got < 0)
		fprintf(stderr, "jackdaw: jabberd2's database: %s\n", jabberd2_why(reading->data));
	return got;
}

static int run(const struct cli *cli, struct finding *finding)
{
	const char *words[] = {"import", cli->dry_run ? "dry-run" : "write"};
	struct reading reading = {.data = NULL};
	int code;

	if (find(finding, cli->words[0]) ||
	    jabberd2_open(&finding->place, &reading.data, &finding->why)) {
		fprintf(stderr, "jackdaw: %s\n", buf_text(&finding->why));
		return EXIT_PROBLEM;
	}
	if (jabberd2_blocks(reading.data))
		fprintf(stderr, "jackdaw: this database is not in WAL mode: jabberd2 cannot write "
				"to it until the import ends\n");
	input_text(&reading.input, SLICE(""));
	reading.input.source = (struct ctl_source){read_users, &reading};
	reading.input.total = jabberd2_count(reading.data);
	code = control_stream(cli, words, countof(words), &reading.input, false);
	jabberd2_close(&reading.data);
	return code;
}

int verb_import_jabberd2(const struct cli *cli)
{
	struct finding finding = {.c2s = NULL};
	int code;

	if (cli->count != 1) {
		fprintf(stderr,
			"jackdaw: %s wants the directory of jabberd2's files, or "
			"sqlite:FILE\n",
			cli->verb->name);
		return EXIT_USAGE;
	}
	code = run(cli, &finding);
	finding_fini(&finding);
	return code;
}
