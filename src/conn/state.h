/* SPDX-License-Identifier: MIT */
/* What the files of conn share: the connection and its worker's part. */
#pragma once

#include <stdatomic.h>
#include "base/list.h"
#include "conn/conn.h"
#include "mio/budget.h"

enum { CONN_READ_BYTES = 65536, CONN_CLOSE_MS = 5000 };

/* How far who waits in a crowd is: nothing was heard of them yet, it was, they have TLS. */
enum crowd_step { CROWD_NEW, CROWD_BEGUN, CROWD_SECURE, CROWD_STEPS };

struct conn_env {
	struct mio *mio;
	struct sx_env sx;
	char *buffer;	   /* CONN_READ_BYTES, for one read at a time */
	struct list conns; /* killed ones too, until the end of the turn */
	struct list crowd[2][CROWD_STEPS]; /* who waits to be read, the next first; and of those who are late */
	unsigned crowd_count, crowd_served;
	struct mio_task crowd_task;
	struct mio_timer crowd_timer;
	struct budget_member queues;
};

/*
 *   RUNNING - the stream is CLOSED -> DRAINING - all is written, or 5 s -> ENDED
 *   RUNNING, DRAINING - a fault, a deadline -> ENDED - end of turn: closed() -> freed
 *   any - conn_kill(), conn_drop() -> DEAD - end of turn -> freed
 */
enum conn_phase { CONN_RUNNING, CONN_DRAINING, CONN_ENDED, CONN_DEAD };

/* Why we do not read. */
enum { PAUSE_OWNER = 1, PAUSE_RATE = 2, PAUSE_INPUT = 4, PAUSE_END = 8, PAUSE_UNREAD = 16, PAUSE_CROWD = 32 };

struct conn {
	/* What each turn in which it has something to say touches comes first: it is cold by then, and each line is waited for. */
	struct mio_sock sock;
	struct conn_env *env;
	const struct conn_options *options;
	void *owner;
	struct sx *sx;
	uint8_t phase, end, pauses, refusal;
	bool resume : 1;    /* let the stream parse on in the task */
	bool unpause : 1;   /* the same, and the owner no longer holds it */
	bool blocked : 1;   /* writable() will come */
	bool full : 1;	    /* the owner is owed drained() */
	bool closing : 1;   /* we said goodbye */
	bool tell_written : 1;
	bool timed_out : 1; /* login took too long */
	bool heard : 1;	    /* bytes came */
	uint16_t waited_ms; /* in the crowd, before */
	struct mio_task task; /* what is left to do at the end of the turn */
	struct buf *proxy;    /* the PROXY header so far, as long as one is due */
	size_t queued;	      /* as the budget knows it */
	int64_t heard_ms;
	int64_t tokens, tokens_ms;
	int64_t deadline_ms;	/* of login or close; 0: none */
	int64_t resume_ms;	/* when the rate allows to read again; 0: now */
	struct mio_timer timer; /* the earlier of these two */
	struct list link;	/* in the env's list */
	struct list place;	/* in its crowd */
	struct conn_move *move; /* on its way to another worker */
	char *peer;		/* its address, once somebody asked */
	int fault;
	uint32_t came_ms; /* into the crowd; the clock's lower half */
};

extern const struct mio_sock_handler conn_sock_handler;
extern const struct sx_handler conn_sx_handler;

/* conn.c */
struct conn *conn_new(struct conn_env *env, const struct conn_options *options, void *owner);
void conn_free(struct conn **conn);
void conn_end(struct conn *conn, enum conn_end end); /* closed() comes at the end of the turn */
void conn_fail(struct conn *conn, int fault);
void conn_cut(struct conn *conn, enum sx_refusal refusal); /* ends it without a word: nobody reads it */

/* io.c */
void conn_flush(struct conn *conn);
void conn_set_pause(struct conn *conn, uint8_t why, bool paused);
void conn_check_input(struct conn *conn);
void conn_refuse_proxy(struct conn *conn); /* its header is wrong or does not come */

void conn_read(struct conn *conn); /* what is there, or the end */

/* crowd.c */
void crowd_init(struct conn_env *env);
bool crowd_takes(struct conn *conn); /* one that became readable: it is read later */
void crowd_leave(struct conn *conn); /* it is not read any more; or it was not in it */

/* queues.c */
void conn_queues_init(struct conn_env *env);
void conn_account(struct conn *conn); /* its queues may have changed */

/* time.c */
void conn_set_deadline(struct conn *conn, int64_t ms); /* 0: none */
size_t conn_allowance(struct conn *conn); /* bytes that may be read now; 0: it was paused */
void conn_spend(struct conn *conn, size_t bytes);
void conn_rest(struct conn *conn, int64_t ms); /* reads nothing for so long */
void conn_timer_run(struct mio_timer *timer);
void conn_arm(struct conn *conn);

/* move.c */
void conn_depart(struct conn *conn); /* frees it */
