/* SPDX-License-Identifier: MIT */
/*
 * The bound that the queues of many connections share, on all workers: bytes that wait to be sent or to be parsed. Beyond
 * it those with the longest queues are ended, to within a fifth the longest first, until it holds again.
 */
#pragma once

#include <stddef.h>

struct conn_env;
struct conn_pool;

struct conn_pool *conn_pool_new(size_t limit);
void conn_pool_set(struct conn_pool *pool, size_t limit); /* holds when a queue grows next; any thread */
void conn_pool_free(struct conn_pool **pool); /* after its envs */
/* Before the loops run: connections of this env with conn_options.pooled are of the pool. */
void conn_pool_join(struct conn_pool *pool, struct conn_env *env);
size_t conn_pool_used(const struct conn_pool *pool); /* any thread */
