/* SPDX-License-Identifier: MIT */
/*
 * Strangers in a crowd: when many sockets are ready at once, those of clients who have not proven who they are wait for
 * each other, not the rest of the turn for them. A few are served at the end of each turn: who has TLS before who has
 * not, and of those alike who became readable last before who waits longest. So what was begun is ended, and when
 * thousands come at once who comes behind them does not wait for them all; that the first of them wait longest costs
 * nobody more than to be in the middle would.
 */
#include "base/mem.h"
#include "conn/state.h"

enum {
	MANY = 32, /* sockets that are ready in a turn */
	TURN = 8,  /* strangers served in it: a handshake of TLS takes a fifth of a millisecond */
};

static bool is_crowded(const struct conn_env *env)
{
	if (mio_ready(env->mio) >= MANY)
		return true;
	for (unsigned stage = 0; stage < CROWD_STAGES; stage++) {
		if (!list_empty(&env->crowd[stage]))
			return true;
	}
	return false;
}

bool crowd_takes(struct conn *conn)
{
	struct conn_env *env = conn->env;

	if (!(conn->options->sock_flags & MIO_ENTRY) || conn->phase != CONN_RUNNING || sx_identity(conn->sx) ||
	    !is_crowded(env))
		return false;
	list_append(env->crowd[sx_is_secure(conn->sx)].next, &conn->place); /* the first now */
	conn_set_pause(conn, PAUSE_CROWD, true);
	mio_defer(env->mio, &env->crowd_task);
	return true;
}

void crowd_leave(struct conn *conn)
{
	list_remove(&conn->place);
}

static struct conn *next(struct conn_env *env)
{
	struct list *place = NULL;

	for (unsigned stage = CROWD_STAGES; stage-- > 0 && !place;)
		place = list_shift(&env->crowd[stage]);
	return place ? container_of(place, struct conn, place) : NULL;
}

static void serve(struct mio_task *task)
{
	struct conn_env *env = container_of(task, struct conn_env, crowd_task);
	struct conn *conn;

	for (unsigned served = 0; served < TURN; served++) {
		conn = next(env);
		if (!conn)
			return;
		conn_set_pause(conn, PAUSE_CROWD, false);
		if (!conn->pauses)
			conn_read(conn);
	}
	mio_defer(env->mio, task);
}

void crowd_init(struct conn_env *env)
{
	for (unsigned stage = 0; stage < CROWD_STAGES; stage++)
		list_init(&env->crowd[stage]);
	env->crowd_task.run = serve;
}
