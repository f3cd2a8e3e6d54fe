/* SPDX-License-Identifier: MIT */
/*
 * Service administration, XEP-0133: a table of what administrators may have done, each with its form, the commands of the
 * control registry that it runs, and what is told of them. Elements stand inside a <command/>, at depth 2.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct nad;
struct script;
struct sm;

/* Accounts of a form, fewer when much is told of each; those of a list. */
enum { ADMIN_ACCOUNTS_MAX = 1000, ADMIN_TOLD_MAX = 20, ADMIN_LIST_MAX = 1000 };

struct admin_field {
	const char *var, *type, *label;
};

struct admin_command {
	const char *node; /* what stands behind NS_ADMIN "#" */
	const char *name;
	const struct admin_field *fields; /* all are required; the last has no var; NULL: it asks for nothing */
	const char *runs[2]; /* of the registry: for each account, or once; the second may be NULL */
	const char *word;    /* behind runs[0] when it asks for nothing; NULL: none */
	/* What the script printed, as fields of a form; NULL: its lines are told as they are. */
	void (*tell)(const struct admin_command *command, const struct script *script, struct nad *nad);
	struct admin_field told; /* for tell() */
	const char *key;	 /* of the JSON where that is */
};

/* What a form asks for in secret, taken out of the stanza before anything else happens to it. */
struct admin_secrets {
	struct buf password, again;
	bool repeated; /* there was a field for it to be typed again */
};

const struct admin_command *admin_at(unsigned at); /* NULL behind the last */
const struct admin_command *admin_find(struct slice node); /* a whole node; NULL: none */
void admin_append_node(struct nad *nad, const struct admin_command *command); /* as an attribute */

void admin_take_secrets(struct nad *nad, int form, struct admin_secrets *secrets); /* form: -1: there is none */
void admin_wipe_secrets(struct admin_secrets *secrets);

void admin_append_form(const struct admin_command *command, struct nad *nad);
/*
 * What runs the command as the form, -1: none is wanted, was filled in. NULL: it cannot be, *why is a sentence.
 */
struct script *admin_read(const struct admin_command *command, struct sm *sm, const struct nad *nad, int form,
			  struct admin_secrets *secrets, const char **why);
/* Notes, and a form of what is told. */
void admin_append_result(const struct admin_command *command, const struct script *script, struct nad *nad);

/* -- for the table: admin_result.c -- */

void admin_append_field(struct nad *nad, const char *var, const char *type, const char *label);
void admin_append_value(struct nad *nad, struct slice value);

void admin_tell_number(const struct admin_command *command, const struct script *script, struct nad *nad);
void admin_tell_list(const struct admin_command *command, const struct script *script, struct nad *nad);
void admin_tell_rosters(const struct admin_command *command, const struct script *script, struct nad *nad);
void admin_tell_last(const struct admin_command *command, const struct script *script, struct nad *nad);
void admin_tell_statistics(const struct admin_command *command, const struct script *script, struct nad *nad);
