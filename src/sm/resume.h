/* SPDX-License-Identifier: MIT */
/*
 * Sessions that outlive their connection (XEP-0198 section 5), and the process:
 *
 *   attached ── connection lost ──> detached ── resumed ──> attached, at another connection
 *                                      │ └── its time is over ──> expired
 *                                      └── orderly end of the server ──> in storage ──> detached
 *
 * Of those that are no more, a user keeps the last few with the count of what was handled, so that
 * their clients learn what to send again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct packet;
struct session;
struct sm;
struct sm_load;
struct store_txn;
struct user;

/* What a user keeps of sessions that could be resumed: those that live, and those that did. */
struct resumption {
	struct str *key;
	uint64_t origin;   /* the session's, in STORE_ORIGIN */
	uint32_t in;	   /* its client's stanzas before it enabled */
	uint32_t handled;  /* since then; of a session that lives, or died with its process: at least so many */
	int64_t ended_ms;  /* wall time; 0: it lives, or died with its process */
	bool untold;       /* it is being stored: nobody knows it yet */
};

struct resumptions {
	struct resumption *items; /* in the order in which they began; those that are over, in which they ended */
	unsigned count;
	bool left; /* storage may still have sessions that were read from it, sm/saved.h */
};

void resume_enable(struct session *session, const struct packet *packet); /* answers */
/* An id for a session that is to begin, stored before anybody hears it; NULL: none, it cannot be resumed. Owned. */
struct str *resume_reserve(struct user *user, uint32_t seconds, struct store_txn *txn);
void resume_reserved(struct user *user, const struct str *key); /* it has begun, or will not; NULL is fine */
/* Its client counts from its first stanza on, and would be away for so long. key: reserved, or NULL. */
void resume_begin(struct session *session, uint32_t seconds, struct str *key);
void resume_remember(struct session *session); /* for its client, when it is no more; if that is not done yet */
void resume_detach(struct session *session); /* one that cannot be resumed ends */
void resume_wait(struct session *session, int64_t ms); /* detached, for so long */
void resume_attach(struct session *session);
void resume_user(struct user *user, struct packet **packet); /* of a user who is loaded, taken; answers */
/* How far the stanzas of a session are settled that died with its process: store_origins(), first in txn, knows. */
uint32_t resume_settled(const struct store_txn *txn, uint32_t settled);
/* The session ends for good: its client may still ask for it. */
void resume_ended(struct session *session);
bool resume_is_over(const struct user *user, const struct str *key); /* its client was told so; key: NULL is fine */
void resume_clear_origins(const struct user *user, struct store_txn *txn); /* of all that are remembered: the account ends */

void resume_load(struct user *user, struct sm_load *load); /* adds what is read with a user */
void resume_user_free(struct user *user);
/* How far a session is that can be resumed, for resume_put(), which stores it for all of the user. False: it cannot. */
bool resume_note(struct session *session);
void resume_put(struct user *user, struct store_txn *txn);
