/* SPDX-License-Identifier: MIT */
/*
 * The users of jabberd2's SQLite databases as an XEP-0227 document, made as it is read. Nothing is
 * written there, and jabberd2 may run meanwhile: what it sees is one moment.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"

struct jabberd2_data;

/* A realm of the table authreg whose users are of a domain that is called otherwise. */
struct jabberd2_realm {
	struct slice realm, domain;
};

enum jabberd2_passwords { JABBERD2_CLEAR, JABBERD2_HASHED, JABBERD2_GUESS };

struct jabberd2_place {
	struct slice accounts, storage; /* files; may be one */
	struct slice prefix;		/* of the tables of storage */
	const struct jabberd2_realm *realms;
	size_t realm_count;
	enum jabberd2_passwords passwords;
};

/* Returns 0, or a fault with one line in *why. */
int jabberd2_open(const struct jabberd2_place *place, struct jabberd2_data **data, struct buf *why);
void jabberd2_close(struct jabberd2_data **data); /* NULL in it is fine */

/* Like read(2); a fault has its line in jabberd2_why(). */
ssize_t jabberd2_read(struct jabberd2_data *data, char *room, size_t len);
const char *jabberd2_why(struct jabberd2_data *data);
uint64_t jabberd2_count(const struct jabberd2_data *data); /* of users */
uint64_t jabberd2_done(const struct jabberd2_data *data);
/* Another journal than the write-ahead log: jabberd2 cannot write while it is read. */
bool jabberd2_blocks(const struct jabberd2_data *data);
