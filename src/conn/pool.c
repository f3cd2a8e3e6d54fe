/* SPDX-License-Identifier: MIT */
/*
 * All workers count into one sum and, by the length of each queue, into classes, four for each doubling. Who finds the
 * bound exceeded wakes all of them; each ends its connections of what is then the highest class.
 */
#include "conn/pool.h"

#include "base/mem.h"
#include "conn/state.h"

enum { STEPS_BITS = 2, SMALLEST_BITS = 10, CLASSES = (64 - SMALLEST_BITS) << STEPS_BITS, NO_CLASS = -1 };

struct conn_pool {
	_Atomic size_t limit;
	_Atomic size_t used;
	_Atomic uint32_t classes[CLASSES];
	struct conn_env *envs[MIO_WORKERS_MAX];
	unsigned env_count;
};

/* All that are shorter than a kilobyte are in one. */
static int class_of(size_t bytes)
{
	int bits = bytes ? 63 - __builtin_clzll(bytes) : 0;

	if (bits < SMALLEST_BITS)
		return bytes ? 0 : NO_CLASS;
	return (bits - SMALLEST_BITS) << STEPS_BITS |
	       (int)(bytes >> (bits - STEPS_BITS) & ((1 << STEPS_BITS) - 1));
}

static int highest_class(const struct conn_pool *pool)
{
	int at = CLASSES - 1;

	while (at >= 0 && !atomic_load_explicit(&pool->classes[at], memory_order_relaxed))
		at--;
	return at;
}

static bool is_exceeded(const struct conn_pool *pool)
{
	return conn_pool_used(pool) > atomic_load_explicit(&pool->limit, memory_order_relaxed);
}

/* Who does not read hears nothing of it. */
static void shed(struct conn *conn)
{
	if (conn->phase == CONN_RUNNING && !conn->blocked)
		sx_refuse(conn->sx, SX_REFUSED_MEMORY);
	else
		conn_cut(conn, SX_REFUSED_MEMORY);
	conn_account(conn);
}

static void shed_some(struct mio *mio, struct mio_mail *mail)
{
	struct conn_env *env = container_of(mail, struct conn_env, shed_mail);
	int highest = highest_class(env->pool);

	atomic_store(&env->shed_waits, false);
	for (struct list *at = env->conns.next; at != &env->conns && is_exceeded(env->pool); at = at->next) {
		struct conn *conn = container_of(at, struct conn, link);

		if (highest != NO_CLASS && class_of(conn->queued) == highest && !conn->move)
			shed(conn);
	}
	/* Those who waited behind them are the greediest now. */
	if (is_exceeded(env->pool) && highest_class(env->pool) != highest)
		conn_pool_wake(env);
}

void conn_pool_wake(struct conn_env *env)
{
	struct conn_pool *pool = env->pool;

	for (unsigned at = 0; at < pool->env_count; at++) {
		struct conn_env *other = pool->envs[at];

		if (!atomic_exchange(&other->shed_waits, true))
			mio_post(env->mio, other->mio, MIO_CONTROL, &other->shed_mail);
	}
}

static void change_class(struct conn_pool *pool, int class, uint32_t change)
{
	if (class != NO_CLASS)
		atomic_fetch_add_explicit(&pool->classes[class], change, memory_order_relaxed);
}

void conn_account(struct conn *conn)
{
	struct conn_pool *pool = conn->env->pool;
	size_t before = conn->queued, now = 0;

	if (!pool || !conn->options->pooled)
		return;
	if (conn->phase < CONN_ENDED)
		now = conn_unsent(conn) + sx_unparsed(conn->sx);
	if (now == before)
		return;
	conn->queued = now;
	atomic_fetch_add_explicit(&pool->used, now - before, memory_order_relaxed);
	if (class_of(now) != class_of(before)) {
		change_class(pool, class_of(before), UINT32_MAX);
		change_class(pool, class_of(now), 1);
	}
	if (now > before && is_exceeded(pool))
		conn_pool_wake(conn->env);
}

void conn_pool_join(struct conn_pool *pool, struct conn_env *env)
{
	env->pool = pool;
	env->shed_mail.run = shed_some;
	pool->envs[pool->env_count++] = env;
}

struct conn_pool *conn_pool_new(size_t limit)
{
	struct conn_pool *pool = mem_zalloc(MEM_CONN, sizeof(*pool));

	conn_pool_set(pool, limit);
	return pool;
}

void conn_pool_set(struct conn_pool *pool, size_t limit)
{
	atomic_store_explicit(&pool->limit, limit, memory_order_relaxed);
}

void conn_pool_free(struct conn_pool **pool)
{
	mem_free(*pool);
	*pool = NULL;
}

size_t conn_pool_used(const struct conn_pool *pool)
{
	return atomic_load_explicit(&pool->used, memory_order_relaxed);
}
