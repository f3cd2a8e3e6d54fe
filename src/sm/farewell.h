/* SPDX-License-Identifier: MIT */
/*
 * What is left of accounts that ended. Contacts have to hear of it: what each is to be told stands in storage, in the transaction
 * that ended the account, until it was said. So it is said after a crash too, and after the next start when a stopped server's
 * storage was changed. And names are locked, auth/lock.c; locks that are over are swept out.
 */
#pragma once

#include "mio/mio.h"

struct jid;
struct sm;

struct farewells {
	struct mio_timer timer; /* worker 0's: an earlier process left some */
	int64_t sweep_ms;	/* not before */
};

void farewell_say(struct sm *sm, struct jid *user); /* to all contacts of one who ended */
void farewells_start(struct sm *sm);
void farewells_stop(struct sm *sm);
