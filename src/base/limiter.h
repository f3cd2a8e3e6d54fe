/* SPDX-License-Identifier: MIT */
/*
 * How often something may happen for each of many keys, such as addresses: a fixed table that all
 * threads share without a lock. It never grows; when more keys are busy than it has room for, the
 * one that may go on soonest is forgotten.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/table.h"

struct limiter;

/* count times in per_ms, all at once if they like; count 0: as often as one likes. Any thread. */
struct limiter *limiter_new(struct hash_key seed, int64_t count, int64_t per_ms);
/* From now on; what the keys did before counts as it did. Any thread. */
void limiter_set(struct limiter *limiter, int64_t count, int64_t per_ms);
void limiter_free(struct limiter **limiter);

/* Counts one more for the key; false, and nothing is counted: too many. now_ms is monotonic. */
bool limiter_take(struct limiter *limiter, struct slice key, int64_t now_ms);
/* What limiter_take() would say. */
bool limiter_has_room(struct limiter *limiter, struct slice key, int64_t now_ms);
void limiter_clear(struct limiter *limiter, struct slice key); /* the key has done nothing yet */
