/* SPDX-License-Identifier: MIT */
/* The archive of an account, XEP-0313: what its parts share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct jid;
struct sm;
struct stanza;
struct user;

/* What a user wants to be kept, XEP-0441. */
enum archive_rule { ARCHIVE_ALWAYS, ARCHIVE_NEVER, ARCHIVE_ROSTER };

struct archive_prefs {
	enum archive_rule rule; /* for who is in neither list */
	struct jid **jids;	/* those of always first */
	unsigned always, never;
};

bool archive_is_on(const struct sm *sm);
uint64_t archive_floor(const struct sm *sm); /* the least id that is still shown */
const struct archive_prefs *archive_prefs_of(const struct user *user);
