/* SPDX-License-Identifier: MIT */
/*
 * What a session was sent and its client does not have yet, in order (design.md 5). An entry leaves
 * when c2s says that the client has it: XEP-0198's <a/>, or without it, that the kernel took it.
 * While the session has no connection, entries gather.
 *
 * A message that may be kept for who is away is one delivery, whatever number of sessions it goes
 * to. Once somebody has it, it is over, and its origin settled. One that nobody has within a second,
 * or behind 32 others, is stored after those before it, and settled by that; it is then also a message
 * for who is away, hidden from others as long as an entry refers to it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/list.h"

struct session;
struct sm;
struct stanza;
struct user;

struct delivery {
	unsigned refs;	  /* entries */
	struct user *user;
	struct list link; /* the user's: of those that are not over, the newest last */
	struct list due;  /* the worker's: of those that will be stored */
	int64_t due_ms;
	struct stanza *stanza;
	uint64_t row;	  /* in STORE_OFFLINE; 0: it is not stored */
	bool storing;	  /* it pins its user until storage answers */
	bool over;	  /* somebody has it */
};

struct outbox {
	struct list entries;
	uint32_t count, sent; /* the first so many were sent to a connection */
	uint32_t before;      /* entries left from before the client began to count */
	uint32_t handled;     /* those that it has since */
	uint32_t bytes;
};

void outbox_init(struct outbox *outbox);
/* Adds a stanza, copied by reference. False: the bound of sessions.resume_queue is reached. */
bool outbox_add(struct session *session, const struct stanza *stanza);
bool outbox_has_room(const struct session *session); /* it is less than half full */
/* The client has the next count. False: there are not as many. */
bool outbox_taken(struct session *session, uint32_t count);
/* All of it once more, to the session's connection; or what it was not sent yet. */
void outbox_resend(struct session *session);
void outbox_send_rest(struct session *session);
/* Behind what was sent: an earlier process sent it. delivery: as such it is known already; or NULL. */
void outbox_hold(struct session *session, const struct stanza *stanza, struct delivery *delivery);
/*
 * What was sent before comes again from its sender: when the client has it, it is settled. awaited: c2s may yet say that
 * it does not; it is returned then, referred to until delivery_let_go(). Else NULL.
 */
struct delivery *outbox_again(struct session *session, const struct stanza *stanza, bool awaited);
void delivery_let_go(struct delivery *delivery, bool taken);
/*
 * The session is over: messages go to the user's other sessions or wait for the next, questions are
 * answered with an error (XEP-0198 section 4). The table is outbox_fate().
 */
void outbox_expire(struct session *session);
/* At the end of sm: frees it, nothing more. */
void outbox_drop(struct session *session);
/* For storage: what waits, and back; false: it is damaged. */
void outbox_save(const struct session *session, struct buf *out);
bool outbox_load(struct session *session, struct slice in);

enum outbox_fate { OUTBOX_DROP, OUTBOX_STORE, OUTBOX_REFUSE, OUTBOX_UNAVAILABLE };
enum outbox_fate outbox_fate(const struct stanza *stanza); /* pure */

/* A stored message is about to be given to sessions of its user: it leaves storage when one has it. */
struct delivery *delivery_of_row(struct user *user, const struct stanza *stanza, uint64_t row);
void delivery_given(struct delivery *delivery); /* to whom it could be given: to nobody, it is forgotten */
bool delivery_holds(const struct user *user, uint64_t row); /* an entry refers to it */
/* A stanza went to a session without an outbox: who is not ours says nothing of what arrives. */
void delivery_sent(struct user *user, const struct stanza *stanza);
void deliveries_forget(struct user *user); /* at the end of sm */
void deliveries_init(struct sm *sm);
void deliveries_drop(struct sm *sm); /* at the end */
/* At once, not in a second: the process ends in good order. */
void deliveries_store(struct sm *sm);
