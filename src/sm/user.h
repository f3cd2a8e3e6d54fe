/* SPDX-License-Identifier: MIT */
/* Users in memory and their sessions; the fields are for modules to read. */
#pragma once

#include "base/list.h"
#include "link/packet.h"
#include "sm/outbox.h"
#include "sm/resume.h"

struct jid;
struct sm;
struct sm_load;
struct str;

enum user_state {
	USER_LOADING, /* packets for it wait in load */
	USER_READY,
	USER_STALE, /* memory is ahead of storage after a fault: read anew at the next packet */
};

/*
 * A user is read at the first need, in one transaction, and stays while it has sessions, something
 * waits for it (pins) or it is among those used last.
 */
struct user {
	/* What each stanza touches comes first, as in its sessions. */
	struct sm *sm;
	struct jid *jid;      /* bare */
	struct list sessions; /* of struct session, oldest first */
	enum user_state state;
	bool known; /* there was such a user in storage */
	bool anonymous; /* it has no account, and is known as long as it has a session: nothing of it is stored */
	bool disabled; /* nobody may log in as it; what is for it is kept */
	bool told_over; /* contacts heard of the end of a session that was presented: it may have gone on at another c2s */
	struct list holds;      /* chain.c */
	struct list deliveries; /* of struct delivery: messages that nobody has yet */
	uint64_t arrivals; /* stanzas that came, from its sessions or for it */
	unsigned session_count, hold_count, pins;
	uint32_t turn; /* of the last session that started or was resumed */
	uint32_t comings; /* questions for a session, of this process */
	struct sm_load *load; /* while loading */
	struct resumptions resumptions;
	struct list rest;     /* among the users without sessions */
	size_t weight;        /* there: bytes, about */
	_Alignas(16) unsigned char states[];
};

/*
 * A session: one resource of a user, and the client connection at c2s that it stands for. All
 * counts of client stanzas up to settled are settled; of the 64 behind, those in the window.
 */
struct session {
	struct list link; /* of the user's */
	struct user *user;
	uint64_t id;
	struct jid *jid; /* full */
	struct str *at;	 /* name of the c2s */
	bool ours;	   /* the c2s is ours: it wants settlements */
	bool kept;	   /* and another process: it keeps the session for our death */
	bool wrote;	   /* what its client sent may have left its origin in storage */
	bool counting;	   /* a counted stanza came: settled, seen and window have meaning */
	bool reporting;	   /* settled is to be told, with this turn */
	bool changed;	   /* and so is its snapshot */
	bool enabled;	   /* its client counts stanzas, XEP-0198 */
	bool detached;	   /* it has no connection: the timer ends it */
	bool inactive;	   /* says its client: what can wait does (modules/csi.c) */
	bool full;	   /* more waits for it than may: it ends with this work */
	uint32_t mark;	   /* its own, sm/unacked.h; 0: none */
	struct str *key;   /* it can be resumed by this */
	struct presented *presented; /* by a c2s that had it of an earlier process; NULL: not */
	uint32_t settled, seen;
	uint64_t window;
	struct list report;
	struct outbox outbox; /* of a c2s that is ours */
	struct session_id c2s;
	uint64_t origin; /* its name in STORE_ORIGIN, for all its life */
	uint32_t again_to; /* stanzas up to this may have come before, to an earlier process; 0: none */
	uint32_t turn;	 /* the user's, when it started or was resumed last: of two of one address the later counts */
	uint32_t coming;   /* the user's, with which it began or was resumed; 0: it is of an earlier process */
	uint32_t question; /* that it was started or resumed by, hashed: it may come again; 0: none */
	uint32_t in;	      /* its client's stanzas before it enabled */
	uint32_t seconds;     /* how long it may be detached */
	int64_t missed_ms; /* since when nobody serves the name of its c2s; 0: somebody does */
	struct mio_timer timer;
	int64_t over_ms; /* when, on the loop's clock */
	struct list full_link;
	struct list owing; /* sessions with errors that are owed */
	_Alignas(16) unsigned char states[];
};

/*
 * Somebody who waits until a user is loaded, behind the packets that wait; embedded. loaded() is called once, false: storage did
 * not answer; the user may have to be loaded again. Who waits no more takes itself out.
 */
struct user_waiter {
	struct list link;
	void (*loaded)(struct user_waiter *waiter, bool loaded);
};
void user_await(struct user *user, struct user_waiter *waiter); /* a user who is loading */

/* for (session = NULL; (session = user_next_session(user, session));) */
struct session *user_next_session(const struct user *user, const struct session *after);
bool user_is_anonymous(const struct user *user); /* or would be, with a session */
bool user_is_allowed(const struct user *user); /* it may have sessions */
struct session *user_find_session(const struct user *user, const struct jid *full); /* NULL: none */
