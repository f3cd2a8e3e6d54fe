/* SPDX-License-Identifier: MIT */
/* The rows of one user of jabberd2's sm, as children of an XEP-0227 user. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include "base/buf.h"

struct nad;

/* The tables that hold what is taken, "roster-groups" with the items. */
enum jabberd2_table {
	JABBERD2_ITEMS,
	JABBERD2_QUEUE,
	JABBERD2_VCARD,
	JABBERD2_PRIVATE,
	JABBERD2_TABLES
};
extern const char *const jabberd2_tables[JABBERD2_TABLES];

struct jabberd2_rows {
	sqlite3 *db; /* the tables are in its schema sm */
	sqlite3_stmt *statements[JABBERD2_TABLES], *groups;
	int code; /* of the last step: SQLITE_DONE, or a fault */
};

int jabberd2_rows_prepare(struct jabberd2_rows *rows, struct slice prefix); /* an SQLite code */
void jabberd2_rows_fini(struct jabberd2_rows *rows);			    /* not the db */

/* Appends to nad, whose user is at depth 1, all rows of owner; rows that cannot be taken become
 * problems. */
void jabberd2_rows_append(struct jabberd2_rows *rows, struct nad *nad, struct slice owner);

void jabberd2_clean(struct slice text, struct buf *out); /* it can hold what comes out */
