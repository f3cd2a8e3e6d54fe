/* SPDX-License-Identifier: MIT */
/*
 * What c2s keeps of a session for the death of its session manager, when that is a process of its own (the other side:
 * sm/present.h):
 *
 *   attached ── new epoch ──> presenting ── PRESENTED, of all ──> HELD..., ATTACH, what is not settled ──> attached
 *
 * Nothing is said to the new sm before it has all sessions, of all workers: nobody must seem to be away who is not. Meanwhile
 * clients are read, counted and answered as ever, as far as their bounds go.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/list.h"

struct c2s;
struct client;
struct packet;
struct stanza;
struct str;

struct keep {
	struct list in;       /* what the client sent and is not settled, the first first */
	struct list out;      /* what it was sent and does not have */
	uint32_t out_count;
	struct str *snapshot; /* NULL: sm said nothing yet */
	uint64_t key;         /* of the session, in origins; 0: not known */
	int64_t snapshot_ms;  /* when it came, or was said again */
	bool fresh;	     /* it was when the session was presented last: what it says may not have reached others until it is attached */
	struct buf recent;    /* while it is presented: origins of what was written */
	bool presenting;      /* the sm that it had is gone; until it is attached to the next */
	bool presented;       /* that one has it */
};

/* On each worker: what was written in the last minute, so that it is not delivered twice. */
struct written;
struct keeper {
	struct written *ring; /* NULL: none yet */
	unsigned next, count; /* a place, modulo its size; how many there are */
	unsigned presenting;  /* clients whose session is on its way */
	uint32_t round;       /* so many session managers were replaced */
	/* Worker 0: of this round. */
	unsigned workers_busy;
	_Atomic int64_t apart_ms; /* since when what a session manager says may not come; 0: it does */
	bool came;		  /* meanwhile one did */
	_Atomic bool missed;	  /* one may have been there that never had our sessions */
};

void keep_start(struct client *client);
void keep_stop(struct client *client);
/* A stanza of the client, or an answer of our own that goes by way of sm. False: it is not to be sent yet. */
bool keep_in(struct client *client, const struct stanza *stanza, bool answer);
void keep_settled(struct client *client);
void keep_out(struct client *client, const struct stanza *stanza);
void keep_taken(struct client *client, uint32_t count);
void keep_had(struct client *client, struct slice origins); /* before it was resumed here: "KEY.COUNT", blanks between */
void keep_snapshot(struct client *client, struct slice snapshot); /* empty: there is none */
/* Of what is settled, that before the first whose error the client does not have: with its session that error is lost. */
uint32_t keep_heard(const struct client *client);
/* What its next sm is told of a session: a PRESENT to be sent or kept. */
struct packet *keep_describe(struct client *client);

/* The process behind the name of a session manager is another. */
void keep_present(struct c2s *c2s, struct slice manager);
void keep_presented(struct client *client, const struct packet *packet); /* or it failed */
/* Worker 0: from now on a session manager, or the router, is out of reach; and all are heard again. */
void keep_apart(struct c2s *c2s);
void keep_saw(struct c2s *c2s, bool available); /* a session manager, of a domain */
void keep_lost_sight(struct c2s *c2s); /* of all of them: nobody says who comes and goes */
void keep_together(struct c2s *c2s);
bool keep_is_presenting(const struct c2s *c2s); /* worker 0: not all have it yet */
void keep_drop(struct c2s *c2s); /* at the end */
