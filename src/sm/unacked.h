/* SPDX-License-Identifier: MIT */
/*
 * What clients that can resume were sent and did not acknowledge yet, and how far their own stanzas are settled, in memory that a kill of
 * the process leaves (mio/lasting.h). Of each such message there is its session, the number by which XEP-0198 counts it there, and where
 * it is kept. The start after a kill
 *
 *   - makes what was only archived a message for who is away, and settles it: its sender need not say it again;
 *   - stores how far each session was;
 *   - stores for each session what it was sent. When its client asks for it, and says how many it had, these are had, and are not
 *     given again to the next session (unacked_told()).
 *
 * Of sessions that have their c2s in this process; another c2s keeps them itself (sm/present.h). Without such memory, or without room in
 * it, messages may come twice behind a kill, as they may behind a power cut.
 */
#pragma once

#include <stdint.h>
#include "base/buf.h"

struct delivery;
struct left;
struct origin;
struct session;
struct settings;
struct sm;
struct store_row;
struct store_txn;
struct user;

struct unacked { /* of a worker */
	struct left *left;	    /* of all; NULL: there is no such memory */
	uint32_t freed, freed_mark; /* the first of the records and marks that it gave back, plus 1; 0: none */
	uint32_t next;		    /* in its ring of what was settled */
};

/* The start: worker 0 is the first, looks at what the last process left, and blocks. After saved_start(). */
void unacked_start(struct sm *sm);
void unacked_path(const struct settings *settings, struct buf *path); /* its file: of another database it must not be there */

/*
 * The session's client is sent this message, and counts it by this number; archived: its id in the user's archive, or 0. Once: what is
 * sent again has its number still.
 */
void unacked_add(struct session *session, struct delivery *delivery, uint32_t number, uint64_t archived);
void unacked_stored(struct delivery *delivery); /* it has a row now */
void unacked_del(const struct session *session, struct delivery *delivery); /* its client never will have it by this session */
/* All of a message: somebody has it, and no row of it comes back behind a kill. Its delivery has their name, or whoever deletes the row. */
void unacked_drop(struct sm *sm, uint32_t *records);

void unacked_mark(struct session *session); /* so far it is settled now; of one that can be resumed */
void unacked_unmark(struct session *session); /* it ends */
void unacked_settled(struct sm *sm, const struct origin *origin); /* a client's stanza; its session is of another worker, and will hear so */

/* For a session that is saved, and may yet be lost: the next process may be killed before it has read it. */
void unacked_say(struct buf *out, uint32_t number, uint64_t row, uint64_t archived);
void unacked_save(struct store_txn *txn, struct user *user, struct slice key, struct slice said);

/*
 * After a kill its client asks for a session, and says how many stanzas it had. unacked_ask() adds a read to a transaction, and returns its
 * number; unacked_answer(), lent by it, is what the session was sent, or nothing; rows: all messages that wait for the user.
 */
unsigned unacked_ask(struct store_txn *txn, struct user *user, struct slice key);
struct slice unacked_answer(const struct store_txn *txn, unsigned asked);
void unacked_told(struct user *user, uint32_t had, struct slice sent, const struct store_row *rows, size_t count);
void unacked_forget(struct store_txn *txn, struct user *user, struct slice key); /* nobody asks for that session any more */
