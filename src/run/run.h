/* SPDX-License-Identifier: MIT */
/* The verbs of the command line: a table in main.c, parsed and run here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct verb;

enum verb_option {
	VERB_CONFIG = 1,
	VERB_JSON = 2,
	VERB_DEMO = 4,
	VERB_NAME = 8,
	VERB_PASSWORD = 16,
	VERB_DRY_RUN = 32,
	VERB_CONTACT = 64, /* --name is a contact's */
	VERB_GROUP = 128,
	VERB_MUTUAL = 256,
	VERB_UNLOCK = 512,
	VERB_USER = 1024,
	VERB_STANZAS = 2048
};

enum { CLI_GROUPS_MAX = 10 };

enum { EXIT_OK = 0, EXIT_PROBLEM = 1, EXIT_USAGE = 2 };

/* A parsed command line. */
struct cli {
	const struct verb *verb;
	const char *config, *name, *password_file; /* NULL: not given */
	const char *contact_name, *user; /* the same */
	const char *groups[CLI_GROUPS_MAX];
	size_t group_count;
	bool json, demo, dry_run, mutual, unlock, stanzas;
	const char *const *words; /* behind the verb */
	size_t count;
};

struct verb {
	const char *name;		   /* "user add" */
	const char *args;		   /* "JID" */
	const char *text;		   /* one sentence */
	const char *example;		   /* a whole command line */
	unsigned options;		   /* enum verb_option, or-ed */
	int (*run)(const struct cli *cli); /* returns the exit code */
	const char *now; /* another server's spelling: what it is called here; not in the table for
			    people */
};

/* The table ends with a NULL name. */
int verbs_run(const struct verb *verbs, int argc, char **argv);

int verb_serve(const struct cli *cli); /* "run": everything in one process; or the one part that the
					  verb names */
int verb_control(const struct cli *cli);    /* asks the running server */
int verb_account(const struct cli *cli);    /* the same, or the stopped server's storage */
int verb_backup(const struct cli *cli);	    /* the same; FILE is of who runs it */
int verb_restore(const struct cli *cli);    /* on a stopped server only */
int verb_password(const struct cli *cli);   /* the same with a password */
int verb_import(const struct cli *cli);	    /* the same with a file */
int verb_import_jabberd2(const struct cli *cli); /* users of jabberd2's databases */
int verb_convert_jabberd2(const struct cli *cli); /* its files as one of ours */
int verb_register(const struct cli *cli);   /* verb_password, the address in two words */
int verb_unregister(const struct cli *cli); /* verb_account likewise */
int verb_check(const struct cli *cli);
int verb_check_certs(const struct cli *cli);
int verb_check_limits(const struct cli *cli);
int verb_reload(const struct cli *cli);	    /* asks all that run */
int verb_config_show(const struct cli *cli); /* asks one, or shows the file */
int verb_config_diff(const struct cli *cli);
int verb_config_apply(const struct cli *cli);
int verb_config_explain(const struct cli *cli);
int verb_roster_add(const struct cli *cli); /* asks the running server; options are words there */
int verb_watch(const struct cli *cli); /* likewise, until one of both ends */
int verb_version(const struct cli *cli);
