/* SPDX-License-Identifier: MIT */
/*
 * Messages that may be kept for who is away, from when they are for sessions of a user until one has them. A message is one
 * delivery, whatever number of sessions it goes to. Once somebody has it, and it flies to nobody else, it is over, and its origin
 * settled. It flies as long as our death would lose it to a session that outlives us: until its c2s, another process, has it.
 * One that nobody has within a second is stored, and settled by that, and so is one that flies a second after the others' c2s were
 * asked; it is then also a message for who is away, hidden from others as long as something refers to it, and no longer in memory here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/list.h"

struct origin;
struct sm;
struct stanza;
struct user;

struct delivery {
	unsigned refs; /* of entries in outboxes, and of what may become one */
	unsigned flying; /* to so many of them */
	struct user *user;
	struct list link; /* the user's, the newest last */
	struct list due;  /* the worker's: of those that will be stored */
	int64_t due_ms;
	struct stanza *stanza; /* NULL: its row has it */
	uint64_t row;	       /* in STORE_OFFLINE; 0: it is not stored */
	uint64_t key;	       /* of its origin; 0: it has none that outlives us */
	uint32_t count;
	bool storing;	       /* it pins its user until storage answers */
	bool had;	       /* somebody has it */
	bool asked;	       /* a second ago, whether it reached the others */
	bool over;	       /* and it flies to nobody: nothing more becomes of it here */
	bool unspread;	       /* an earlier process died when somebody had it, and others may not have been sent it */
	uint32_t unacked;      /* its records, sm/unacked.h */
	bool ahead;	       /* nobody had it, and others wait: it is stored before them, or was tried to be */
	struct buf takers;     /* sessions that have it while it flies to others: the next sm is not to give it to them */
};

/* The one of this message: copies for several sessions are made in one go, and share what is inside. */
struct delivery *delivery_for(struct user *user, const struct stanza *stanza);
/* A stored one; stanza: to be given to sessions now, until delivery_given(); or NULL. */
struct delivery *delivery_of_row(struct user *user, const struct stanza *stanza, uint64_t row);
void delivery_given(struct delivery *delivery); /* to whom it could be given: to nobody, it is forgotten */
struct delivery *delivery_find(const struct user *user, const struct origin *origin); /* NULL: none in memory */
/* The next, NULL: the first, that the session of this id has and that flew to others then; NULL: none. */
const struct delivery *delivery_next_had(const struct user *user, const struct delivery *delivery, uint64_t session);
bool delivery_holds(const struct user *user, uint64_t row);			      /* there is one of this row */
bool delivery_row_is_unspread(const struct user *user, uint64_t row);
unsigned deliveries_with_row(const struct user *user);
bool delivery_was_had(const struct user *user, uint64_t row); /* in an earlier process: it is over; false: there is none */
bool delivery_is_due(const struct delivery *delivery);				      /* to be stored */
void delivery_flies(struct delivery *delivery);
void delivery_landed(struct delivery *delivery); /* one of those that flew */
void delivery_taken(struct delivery *delivery); /* somebody has it, and refers to it no more */
void delivery_taken_by(struct delivery *delivery, uint64_t session);
bool delivery_row_taken(const struct user *user, uint64_t row, uint64_t session); /* the same, of a session that did not refer to it; false: nobody does */
/* What nobody refers to, and nobody has, finds another way. */
void delivery_unref(struct delivery *delivery);
void delivery_drop(struct delivery *delivery); /* at the end of sm: nothing becomes of it */
/* A stanza went to a session without an outbox: who is not ours says nothing of what arrives. */
void delivery_sent(struct user *user, const struct stanza *stanza);

void deliveries_init(struct sm *sm);
void deliveries_store(struct sm *sm); /* at once, not in a second: the process ends in good order */
void deliveries_store_of(struct user *user);
void deliveries_forget(struct user *user); /* at the end of sm */
void deliveries_drop(struct sm *sm);
