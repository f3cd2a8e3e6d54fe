/* SPDX-License-Identifier: MIT */
/* What jabberd2's four files say, in ours. */
#pragma once

#include "base/buf.h"

struct nad;

enum jabberd2_part { JABBERD2_C2S, JABBERD2_SM, JABBERD2_ROUTER, JABBERD2_S2S, JABBERD2_FILES };

struct jabberd2_config {
	const char *dir;
	struct nad *files[JABBERD2_FILES];
	struct nad *users, *filter; /* which router.xml names; NULL: it names none */
};

/* The file of ours. */
void jabberd2_convert(const struct jabberd2_config *config, struct buf *out);
/* The rest of its section [router], and tables behind it; user: the one who may everything. */
void jabberd2_convert_router(const struct jabberd2_config *config, struct slice user,
			     struct buf *out);
void jabberd2_toml(struct buf *out, struct slice text); /* as a string of TOML */
/* A comment for each key that has no counterpart in it. */
void jabberd2_leftover(const struct jabberd2_config *config, struct buf *out);
