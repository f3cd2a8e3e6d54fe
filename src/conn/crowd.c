/* SPDX-License-Identifier: MIT */
/*
 * Strangers in a crowd: when many sockets are ready at once, those of clients who have not proven who they are wait for
 * each other, not the rest of the turn for them. A few are served at the end of each turn: who has TLS before who has
 * not, and both before who begins, so that what was begun is ended; of those alike who waits longest. But when thousands
 * come at once, who has waited too long in all is late, and behind those who still can be in time: that the late are
 * later costs nobody more than it did, and who comes now does not wait for them. They rest with all entry sockets (mio.h).
 */
#include "base/mem.h"
#include "conn/state.h"

enum {
	MANY = 32, /* sockets that are ready in a turn */
	TURN = 8,  /* strangers served in it: a handshake of TLS takes a fifth of a millisecond */
	BEGIN = 16, /* of so many one may begin before others go on: fewer than a login takes reads */
	LATE = 32,  /* of so many one is late, though others are in time */
	LATE_MS = 700, /* a login that waited so long will take more than a second */
	REST_MS = 10,
};

static bool is_crowded(const struct conn_env *env)
{
	return mio_ready(env->mio) >= MANY || env->crowd_count;
}

static enum crowd_step step_of(const struct conn *conn)
{
	if (sx_is_secure(conn->sx))
		return CROWD_SECURE;
	return conn->heard ? CROWD_BEGUN : CROWD_NEW;
}

static uint32_t waited_ms(const struct conn *conn, uint32_t now_ms)
{
	return conn->waited_ms + (now_ms - conn->came_ms);
}

bool crowd_takes(struct conn *conn)
{
	struct conn_env *env = conn->env;

	if (!(conn->options->sock_flags & MIO_ENTRY) || conn->phase != CONN_RUNNING || sx_identity(conn->sx) ||
	    !is_crowded(env))
		return false;
	conn->came_ms = (uint32_t)mio_now_ms(env->mio);
	list_append(&env->crowd[conn->waited_ms > LATE_MS][step_of(conn)], &conn->place);
	env->crowd_count++;
	conn_set_pause(conn, PAUSE_CROWD, true);
	mio_defer(env->mio, &env->crowd_task);
	return true;
}

void crowd_leave(struct conn *conn)
{
	if (list_empty(&conn->place))
		return;
	list_remove(&conn->place);
	conn->env->crowd_count--;
}

/* About: only who waits longest now is looked at. */
static void leave_behind(struct conn_env *env, uint32_t now_ms)
{
	for (unsigned step = 0; step < CROWD_STEPS; step++) {
		struct list *line = &env->crowd[0][step];

		while (!list_empty(line) && waited_ms(container_of(line->next, struct conn, place), now_ms) > LATE_MS)
			list_append(&env->crowd[1][step], list_shift(line));
	}
}

/* Of those who are in time, or late. */
static struct list *first_of(struct list *lines, bool begins)
{
	static const enum crowd_step orders[][CROWD_STEPS] = {{CROWD_SECURE, CROWD_BEGUN, CROWD_NEW},
							      {CROWD_NEW, CROWD_SECURE, CROWD_BEGUN}};
	struct list *place = NULL;

	for (unsigned at = 0; at < CROWD_STEPS && !place; at++)
		place = list_shift(&lines[orders[begins][at]]);
	return place;
}

static struct conn *next(struct conn_env *env)
{
	unsigned number = ++env->crowd_served;
	bool late = number % LATE == 0, begins = number % BEGIN == 1;
	struct list *place = first_of(env->crowd[late], begins);

	if (!place)
		place = first_of(env->crowd[!late], begins);
	return place ? container_of(place, struct conn, place) : NULL;
}

static void let_in(struct conn *conn, uint32_t now_ms)
{
	uint32_t waited = waited_ms(conn, now_ms);

	conn->env->crowd_count--;
	conn->waited_ms = (uint16_t)(waited < UINT16_MAX ? waited : UINT16_MAX);
	conn_set_pause(conn, PAUSE_CROWD, false);
	if (!conn->pauses)
		conn_read(conn);
}

static void serve(struct mio_task *task)
{
	struct conn_env *env = container_of(task, struct conn_env, crowd_task);
	uint32_t now_ms = (uint32_t)mio_now_ms(env->mio);
	struct conn *conn;

	if (mio_has_more(env->mio)) { /* who is known comes before all strangers of the turn */
		mio_defer(env->mio, task);
		return;
	}
	if (mio_entry_rests(env->mio)) {
		mio_timer_set(env->mio, &env->crowd_timer, REST_MS);
		return;
	}
	leave_behind(env, now_ms);
	for (unsigned served = 0; served < TURN; served++) {
		conn = next(env);
		if (!conn)
			return;
		let_in(conn, now_ms);
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
	for (unsigned step = 0; step < CROWD_STEPS; step++) {
		list_init(&env->crowd[0][step]);
		list_init(&env->crowd[1][step]);
	}
	env->crowd_task.run = serve;
}
