/* SPDX-License-Identifier: MIT */
/* A user of XEP-0227, as rows. Pure. */
#pragma once

#include "component/intake.h"

struct nad;

struct import_tally {
	size_t without_password, contacts, requests, messages, vcards, privates;
};

struct import_user {
	struct newcomer newcomer;
	struct import_tally tally; /* what it brings */
	struct buf problems;	   /* what it cannot bring, a line each */
};

/* Of the <user/> elem. now_ms: the time of messages that have none. */
struct newcomer *import_user_read(const struct nad *nad, int elem, struct jid *jid, int64_t now_ms);
void import_user_free(struct newcomer *newcomer); /* but what the intake frees */
void import_tally_add(struct import_tally *to, const struct import_tally *tally);
