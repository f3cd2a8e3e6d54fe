/* SPDX-License-Identifier: MIT */
/*
 * Accounts that come in numbers, out of the input of a command: each is looked for, its password
 * hashed, and it is written with all it brings in a transaction of its own. Some are under way at a
 * time, so memory does not grow with the input, and storage commits what has gathered at once.
 *
 *   source's next() -> LOOK -(not there)-> HASH -> WRITE -> source's settled()
 *                        |        who brings keys ---^
 *                        '-(there, or only looking)----------^
 */
#pragma once

#include "auth/auth.h"
#include "base/list.h"
#include "base/table.h"

struct ctl;
struct ctl_call;
struct intake;
struct intakes;
struct jid;
struct process;
struct store_txn;

/* One who comes; embedded in what its source knows of it. */
struct newcomer {
	struct jid *user;
	struct buf password; /* empty: the keys of account, if any */
	struct auth_account account;
	struct store_txn *txn; /* what is written beside the account; NULL: nothing */
	size_t bytes;	       /* what it weighs */
	bool is_user;	       /* of sm, too: who is active there exists already */

	struct intake *intake; /* the engine's, from here */
	struct list link;
	uint64_t id;
};

enum newcomer_end { NEWCOMER_ADDED, NEWCOMER_EXISTED, NEWCOMER_LOCKED /* the name, of one who was deleted */ };
enum intake_next {
	INTAKE_ONE,  /* *newcomer, taken */
	INTAKE_MORE, /* input is needed first */
	INTAKE_END,
};

/* Where they come from; state dies with the call. */
struct intake_source {
	/* The next one out of ctl_input(). ended: no more will come. */
	enum intake_next (*next)(void *state, struct ctl_call *call, bool ended,
				 struct newcomer **newcomer);
	void (*settled)(void *state, struct ctl_call *call, struct newcomer *newcomer,
			enum newcomer_end end);
	void (*free_newcomer)(struct newcomer *newcomer); /* what is the source's of it */
	/* A line of progress. */
	void (*tell)(void *state, struct buf *out);
	/* The last lines. True: something was wrong. */
	bool (*end)(void *state, struct ctl_call *call);
	void (*free)(void *state);
};

struct intakes *intakes_new(struct ctl *ctl, struct process *process);
void intakes_free(struct intakes **intakes); /* after the ctl */

/* Runs the call to its end. dry: looks, and writes nothing. */
void intake_start(struct intakes *intakes, struct ctl_call *call,
		  const struct intake_source *source, void *state, bool dry);
