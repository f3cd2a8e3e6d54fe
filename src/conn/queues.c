/* SPDX-License-Identifier: MIT */
/* What waits in connections, as their budget counts it: the memory of what is to be sent, and to be parsed. */
#include "base/mem.h"
#include "conn/state.h"

void conn_account(struct conn *conn)
{
	size_t now = conn->phase < CONN_ENDED ? sx_queued(conn->sx) : 0;

	if (conn->options->pooled)
		budget_count(&conn->env->queues, &conn->queued, now);
}

void conn_shed(struct conn *conn, enum sx_refusal refusal)
{
	if (conn->phase == CONN_RUNNING && !conn->blocked)
		sx_refuse(conn->sx, refusal);
	else
		conn_cut(conn, refusal);
	conn_account(conn);
}

static void shed_some(struct budget_member *member, int class)
{
	struct conn_env *env = container_of(member, struct conn_env, queues);

	for (struct list *at = env->conns.next; at != &env->conns && budget_is_exceeded(member->budget); at = at->next) {
		struct conn *conn = container_of(at, struct conn, link);

		if (budget_class(conn->queued) == class && !conn->move)
			conn_shed(conn, SX_REFUSED_MEMORY);
	}
}

void conn_queues_init(struct conn_env *env)
{
	env->queues.mio = env->mio;
	env->queues.shed = shed_some;
}

struct budget_member *conn_env_queues(struct conn_env *env)
{
	return &env->queues;
}
