/* SPDX-License-Identifier: MIT */
/* What the connections of a worker share. */
#include "base/mem.h"
#include "conn/state.h"

static void draw(void *arg, void *bytes, size_t len)
{
	struct conn_env *env = arg;

	mio_random(env->mio, bytes, len);
}

static void foreign(void *arg, void *handle, void (*close)(void *handle))
{
	struct conn_env *env = arg;

	if (close)
		mio_foreign_add(mio_host_of(env->mio), handle, close);
	else
		mio_foreign_del(mio_host_of(env->mio), handle);
}

struct conn_env *conn_env_new(struct mio *mio)
{
	struct conn_env *env = mem_zalloc(MEM_CONN, sizeof(*env));

	env->mio = mio;
	list_init(&env->conns);
	crowd_init(env);
	conn_queues_init(env);
	env->buffer = mem_alloc(MEM_CONN, CONN_READ_BYTES);
	env->sx = (struct sx_env){
		.pool = xml_pool_new(),
		.random = draw,
		.random_arg = env,
		.host_name = mio_host_name(mio_host_of(mio)),
		.foreign = foreign,
		.foreign_arg = env,
	};
	xml_pool_set_salt(env->sx.pool, mio_hash_key(mio).k0);
	return env;
}

void conn_env_reap(struct conn_env *env)
{
	while (!list_empty(&env->conns)) {
		struct conn *conn = container_of(env->conns.next, struct conn, link);

		conn_free(&conn);
	}
}

void conn_env_free(struct conn_env **freed)
{
	struct conn_env *env = *freed;

	if (!env)
		return;
	*freed = NULL;
	conn_env_reap(env);
	mio_timer_stop(&env->crowd_timer);
	xml_pool_free(&env->sx.pool);
	mem_free(env->buffer);
	mem_free(env);
}

struct mio *conn_env_mio(const struct conn_env *env)
{
	return env->mio;
}

struct sx_env *conn_env_sx(struct conn_env *env)
{
	return &env->sx;
}
