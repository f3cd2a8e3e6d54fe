/* SPDX-License-Identifier: MIT */
/*
 * Sessions in storage, from an orderly end of the server to its next start: all of them, or none. What others know of a session
 * that is not there any more, nobody would take back; so each worker seals what it saved when all of it is stored. The start
 * reads sessions if the seals of all workers are there, and worker 0 breaks them first: what is not sealed is never read, as if the
 * process had been killed. Until they are broken the users whose sessions are sealed wait; for up to 20 seconds, if a disk takes
 * nothing.
 */
#pragma once

#include "base/list.h"
#include "mio/mio.h"

struct sm;
struct sm_load;

enum sm_news {
	SM_NEWS_SERVED,
	SM_NEWS_BROKEN, /* the seals are: sessions may be read */
	SM_NEWS_LOST,   /* they are not, and nobody waits any more */
	SM_NEWS_READY,  /* that worker has nothing more to say before it saves */
};

struct saved {
	uint64_t end; /* in which is saved, and was; sessions of others are over */
	bool any;     /* sessions were in storage at the start */
	bool found;   /* they may be, of users who are not in memory */
	enum { SEALS_NONE, SEALS_TO_BREAK, SEALS_LEFT /* nobody waits any more; worker 0 */ } seals;
	bool told;      /* that we are ready */
	unsigned ready; /* workers that are */
	enum { SAVED_NOTHING, SAVED_USERS, SAVED_SEALED } step; /* of what is on its way to storage */
	struct list loads; /* of users who wait, user.c */
	int64_t lost_ms;
	struct mio_timer timer;
	struct buf page; /* the last owner of a page of saved sessions */
};

/* The start; on worker 0 it reads, and blocks. Then users whose sessions are saved are loaded, a few at a time. */
void saved_start(struct sm *sm);
void saved_hear(struct sm *sm, enum sm_news what);
void saved_missed(struct sm *sm); /* a user could not be loaded, or cleared: it is looked for again */
void saved_stop(struct sm *sm);
unsigned saved_load(struct sm_load *load); /* adds a read to a load, and returns its number: a row for each saved session */
bool saved_is_sealed(const struct sm *sm); /* they may not be read yet */
/*
 * The orderly end, when nobody is attached: all sessions that can be resumed go to storage, when all workers have come to that.
 * True when it is done.
 */
bool saved_save(struct sm *sm);
