/* SPDX-License-Identifier: MIT */
/*
 * What a session was sent and its client does not have yet, in order (design.md 5). An entry leaves
 * when c2s says that the client has it: XEP-0198's <a/>, or without it, that the kernel took it.
 * While the session has no connection, entries gather.
 *
 * A message that may be kept for who is away is one delivery (sm/deliveries.h), whatever number of sessions it goes to. Its
 * sender need not wait for a second behind 32 others.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/list.h"

struct delivery;
struct origin;
struct session;
struct sm;
struct stanza;
struct store_row;
struct store_txn;
struct user;

struct outbox {
	struct list entries;
	uint32_t count, sent; /* the first so many were sent to a connection; of an inactive session not all have to be */
	uint32_t before;      /* entries left from before the client began to count */
	uint32_t handled;     /* those that it has since */
	uint32_t bytes;
	uint32_t owed; /* entries */
	uint32_t answers; /* entries that are errors for what the client wrote, owed or not */
	uint32_t gone; /* entries that ever left it as had */
	bool asking;   /* its c2s, how far it has what was sent */
	size_t counted; /* of a slow client: as the budget of all queues knows it */
};

void outbox_init(struct outbox *outbox);
/* Adds a stanza, taken. False: the bound of sessions.resume_queue is reached. */
bool outbox_add(struct session *session, struct stanza **stanza);
void outbox_sent(struct session *session); /* what was added last */
void outbox_lost(struct session *session); /* the connection, and with it perhaps what was sent: modules hear of it */
void outbox_restored(struct session *session); /* as it was saved, with its counts: what of it was sent stays so */
uint32_t outbox_unsent(const struct outbox *outbox); /* entries */
uint32_t outbox_unsent_bytes(const struct outbox *outbox);
void outbox_unsent_gone(const struct outbox *outbox, struct buf *out); /* of whom it says that they have left: addresses, a line each */
bool outbox_has_room(const struct session *session); /* it is less than half full, */
bool outbox_has_room_behind(const struct session *session, uint32_t stanzas, size_t bytes); /* so much more included */
/* The client has the next count. False: there are not as many. */
bool outbox_taken(struct session *session, uint32_t count);
/* Asks its c2s, if that outlives us, and does not know yet, how far it has what was sent. */
void outbox_ask(struct session *session);
void outbox_reached(struct session *session, uint32_t mark); /* the answer: the mark that went with the question */
void outbox_landed(struct session *session); /* it has no c2s any more that would outlive us */
/*
 * Errors that are all that is left of what the client wrote ("owed"): that is settled when it has them; or some seconds after they were
 * sent, or when there is much behind it: a client whose acknowledgement stands behind what we do not read would wait for ever.
 * outbox_owes(): whether one of a stanza is there. outbox_settle_sent(): those that were sent.
 * outbox_heard(): of so many that are settled, those before the first whose error the client does not have: if its session ends now, its
 * client is to say the others again.
 */
void outboxes_owe_init(struct sm *sm);
bool outbox_owes(const struct session *session, uint32_t count);
void outbox_settle_sent(struct session *session);
uint32_t outbox_heard(const struct session *session, uint32_t settled);
void outbox_send_rest(struct session *session); /* to the session's connection: what it was not sent yet */
/* Behind what was sent: an earlier process sent it. delivery: as such it is known already; or NULL. */
void outbox_hold(struct session *session, const struct stanza *stanza, struct delivery *delivery);
bool outbox_has(const struct session *session, const struct origin *origin);
void outbox_give(struct session *session, const struct stanza *stanza, struct delivery *delivery); /* a row, that others have */
/*
 * What was sent before comes again from its sender: when the client has it, it is settled. awaited: c2s may yet say that
 * it does not; it is returned then, referred to. Else NULL.
 */
struct delivery *outbox_again(struct session *session, const struct stanza *stanza, bool awaited);
/*
 * The session is over: messages go to the user's other sessions or wait for the next, questions are
 * answered with an error (XEP-0198 section 4). The table is outbox_fate().
 */
void outbox_expire(struct session *session);
/* At the end of sm: frees it, nothing more. */
void outbox_drop(struct session *session);
/* For storage: what waits, and back, not whole; false: it is damaged. */
void outbox_save(const struct session *session, struct buf *out);
bool outbox_load(struct session *session, struct slice in);
void outbox_sent_rows(const struct session *session, struct buf *out); /* what storage has of what was sent: unacked_say() each */
void outbox_origins(const struct session *session, uint32_t most, struct buf *out); /* "KEY.COUNT" with a blank before each */

/*
 * Of a session without a connection, or whose client is slow, what is stored leaves memory. Before it is sent again it is read:
 * rows of STORE_OFFLINE.
 */
void outbox_shed(struct session *session);
void outboxes_shed(struct user *user); /* of those of a user that are so */
bool outbox_is_whole(const struct session *session);
void outbox_read(const struct session *session, struct store_txn *txn); /* for the rows of those that are not in memory */
bool outbox_fill(struct session *session, const struct store_row *rows, size_t count); /* some of them; false: none, for a row is missing */

enum outbox_fate {
	OUTBOX_DROP,
	OUTBOX_STORE, /* it waits for whoever comes, in storage */
	OUTBOX_WAIT,  /* the same, but no storage may have it: whoever is there has it, or nobody */
	OUTBOX_REFUSE,
	OUTBOX_UNAVAILABLE,
};
enum outbox_fate outbox_fate(const struct stanza *stanza); /* pure */
