/* SPDX-License-Identifier: MIT */
/*
 * Strangers in a crowd: when many sockets are ready at once, those of clients who have not proven who they are wait for
 * each other, not the rest of the turn for them. A few are served at the end of each turn: who has TLS before who has
 * not, and of those alike who became readable last before who waits longest. So what was begun is ended, and when
 * thousands come at once who comes behind them does not wait for them all; that the first of them wait longest costs
 * nobody more than to be in the middle would. They rest with all entry sockets (mio.h).
 */
#include "base/mem.h"
#include "conn/state.h"

enum {
	MANY = 32, /* sockets that are ready in a turn */
	TURN = 8,  /* strangers served in it: a handshake of TLS takes a fifth of a millisecond */
	OLD = 4,   /* every so many is the one who waits longest: who is always overtaken comes some time, too */
	REST_MS = 10,
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

/* Of those who have not begun. */
static struct conn *longest(struct conn_env *env)
{
	struct list *place = env->crowd[0].prev;

	if (place == &env->crowd[0])
		return next(env);
	list_remove(place);
	return container_of(place, struct conn, place);
}

static void serve(struct mio_task *task)
{
	struct conn_env *env = container_of(task, struct conn_env, crowd_task);
	struct conn *conn;

	if (mio_entry_rests(env->mio)) {
		mio_timer_set(env->mio, &env->crowd_timer, REST_MS);
		return;
	}
	for (unsigned served = 0; served < TURN; served++) {
		conn = served % OLD ? next(env) : longest(env);
		if (!conn)
			return;
		conn_set_pause(conn, PAUSE_CROWD, false);
		if (!conn->pauses)
			conn_read(conn);
	}
	mio_defer(env->mio, task);
}

static void rested(struct mio_timer *timer)
{
	struct conn_env *env = container_of(timer, struct conn_env, crowd_timer);

	mio_defer(env->mio, &env->crowd_task);
}

void crowd_init(struct conn_env *env)
{
	mio_timer_init(&env->crowd_timer, rested);
	for (unsigned stage = 0; stage < CROWD_STAGES; stage++)
		list_init(&env->crowd[stage]);
	env->crowd_task.run = serve;
}
