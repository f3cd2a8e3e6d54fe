/* SPDX-License-Identifier: MIT */
/* The table of subcommands. */
#include "run/run.h"

#define SERVE (VERB_CONFIG | VERB_NAME)
#define ASK (VERB_CONFIG | VERB_DEMO | VERB_JSON)

static const struct verb verbs[] = {
	{"run", "", "serves everything in one process",
	 "jackdaw run --config /etc/jackdaw/jackdaw.toml", VERB_CONFIG | VERB_DEMO, verb_serve,
	 NULL},
	{"router", "", "serves one part: where the others meet", "jackdaw router", SERVE,
	 verb_serve, NULL},
	{"c2s", "", "serves one part: what clients connect to", "jackdaw c2s --name c2s-2", SERVE,
	 verb_serve, NULL},
	{"sm", "", "serves one part: sessions, rosters, storage", "jackdaw sm", SERVE, verb_serve,
	 NULL},

	{"user add", "JID", "makes an account", "jackdaw user add alice@example.com",
	 ASK | VERB_PASSWORD, verb_password, NULL},
	{"user del", "JID", "deletes an account and all it has",
	 "jackdaw user del alice@example.com", ASK, verb_account, NULL},
	{"user passwd", "JID", "sets a password",
	 "jackdaw user passwd alice@example.com --password-file -", ASK | VERB_PASSWORD,
	 verb_password, NULL},
	{"user list", "", "lists the accounts", "jackdaw user list --json", ASK, verb_account,
	 NULL},
	{"user show", "JID", "says what is known of an account",
	 "jackdaw user show alice@example.com", ASK, verb_account, NULL},
	{"user disable", "JID", "ends the sessions of an account and forbids it to log in; its mail is kept",
	 "jackdaw user disable alice@example.com", ASK, verb_account, NULL},
	{"user enable", "JID", "allows it again", "jackdaw user enable alice@example.com", ASK,
	 verb_account, NULL},
	{"user import", "FILE", "makes an account a line: JID, tab, password or RFC 5803 strings",
	 "jackdaw user import accounts.tsv", ASK, verb_import, NULL},

	{"import jabberd2", "DIR|sqlite:FILE",
	 "takes in jabberd2's users: accounts, rosters, requests, messages, vCards, private XML",
	 "jackdaw import jabberd2 /etc/jabberd2 --dry-run", ASK | VERB_DRY_RUN,
	 verb_import_jabberd2, NULL},
	{"import jabberd2-config", "DIR",
	 "prints jabberd2's files as one of ours, with a line for what has no counterpart",
	 "jackdaw import jabberd2-config /etc/jabberd2 > jackdaw.toml", 0, verb_convert_jabberd2,
	 NULL},

	{"backup", "FILE", "copies the database, all that must not be lost, into a new file",
	 "jackdaw backup /var/backups/jackdaw-monday.db", ASK | VERB_NAME, verb_backup, NULL},
	{"restore", "FILE", "puts a backup in the place of a stopped server's database",
	 "jackdaw restore /var/backups/jackdaw-monday.db", ASK, verb_restore, NULL},
	{"status", "", "says how the server is: parts, sessions, queues", "jackdaw status --json",
	 ASK | VERB_NAME, verb_control, NULL},
	{"memory", "", "says who holds what, in bytes", "jackdaw memory", ASK | VERB_NAME,
	 verb_control, NULL},
	{"check accounts", "", "says who lacks the key of a mechanism, which is offered to nobody then",
	 "jackdaw check accounts", ASK, verb_account, NULL},
	{"check certs", "", "looks at the certificates: files, names, days left, chain, who can read the key",
	 "jackdaw check certs --json", ASK, verb_check_certs, NULL},
	{"check", "[config]", "looks for problems in the file",
	 "jackdaw check config --config new.toml", ASK, verb_check, NULL},
	{"reload", "", "reads the file and the certificates again, as SIGHUP; says what needs a restart",
	 "jackdaw reload", ASK | VERB_NAME, verb_reload, NULL},
	{"config show", "", "prints the settings in force, secrets hidden", "jackdaw config show",
	 ASK | VERB_NAME, verb_config_show, NULL},
	{"config diff", "[FILE]", "says what would change with a file; 0: nothing, 1: something, 2: it is wrong",
	 "jackdaw config diff new.toml", ASK | VERB_NAME, verb_config_diff, NULL},
	{"config apply", "FILE", "puts a file in the place of the configuration and reloads, or does nothing",
	 "jackdaw config apply new.toml", VERB_CONFIG | VERB_JSON, verb_config_apply, NULL},
	{"config explain", "KEY", "says what a key means", "jackdaw config explain limits.stanza",
	 0, verb_config_explain, NULL},
	{"version", "", "prints the version", "jackdaw version", VERB_JSON, verb_version, NULL},

	{"adduser", "JID", "makes an account", "jackdaw user add alice@example.com",
	 ASK | VERB_PASSWORD, verb_password, "user add"},
	{"passwd", "JID", "sets a password", "jackdaw user passwd alice@example.com",
	 ASK | VERB_PASSWORD, verb_password, "user passwd"},
	{"deluser", "JID", "deletes an account", "jackdaw user del alice@example.com", ASK,
	 verb_account, "user del"},
	{"register", "USER HOST", "makes an account", "jackdaw user add alice@example.com",
	 ASK | VERB_PASSWORD, verb_register, "user add"},
	{"unregister", "USER HOST", "deletes an account", "jackdaw user del alice@example.com", ASK,
	 verb_unregister, "user del"},
	{.name = 0},
};

int main(int argc, char **argv)
{
	return verbs_run(verbs, argc, argv);
}
