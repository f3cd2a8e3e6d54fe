/* SPDX-License-Identifier: MIT */
/*
 * The generic cell rate algorithm. A cell has, of one key, the moment at which all that it did would
 * have been done at the even rate: it is ahead of the clock by what the key has used up.
 */
#include "base/limiter.h"

#include <stdatomic.h>
#include "base/mem.h"

/* A cell is a tag of the key above a moment, in sixteenths of a millisecond since now_ms was 0. */
enum { SETS = 1024, WAYS = 4, MOMENT_BITS = 44, MOMENTS_PER_MS = 16 };

struct limiter {
	struct hash_key seed;
	_Atomic uint64_t step, most; /* what one costs, and how far ahead a key may be; step 0: no limit */
	_Atomic uint64_t cells[SETS][WAYS];
};

struct limiter *limiter_new(struct hash_key seed, int64_t count, int64_t per_ms)
{
	struct limiter *limiter = mem_zalloc(MEM_OTHER, sizeof(*limiter));

	limiter->seed = seed;
	limiter_set(limiter, count, per_ms);
	return limiter;
}

void limiter_set(struct limiter *limiter, int64_t count, int64_t per_ms)
{
	uint64_t most = (uint64_t)per_ms * MOMENTS_PER_MS, step = 0;

	if (count > 0)
		step = most / (uint64_t)count + (most < (uint64_t)count);
	atomic_store_explicit(&limiter->most, most, memory_order_relaxed);
	atomic_store_explicit(&limiter->step, step, memory_order_relaxed);
}

void limiter_free(struct limiter **limiter)
{
	mem_free(*limiter);
	*limiter = NULL;
}

static uint64_t moment_of(uint64_t cell)
{
	return cell & ((UINT64_C(1) << MOMENT_BITS) - 1);
}

/* The key's cell among those of its set, else the one that is ahead the least. */
static _Atomic uint64_t *find(_Atomic uint64_t *set, uint64_t tag, uint64_t *seen)
{
	_Atomic uint64_t *found = NULL;

	for (unsigned way = 0; way < WAYS; way++) {
		uint64_t cell = atomic_load_explicit(&set[way], memory_order_relaxed);
		bool is_ours = cell >> MOMENT_BITS == tag;

		if (found && !is_ours && moment_of(cell) >= moment_of(*seen))
			continue;
		found = &set[way];
		*seen = cell;
		if (is_ours)
			break;
	}
	return found;
}

/* Where the key would be after one more, of so much. */
static uint64_t moment_after(uint64_t step, uint64_t seen, uint64_t tag, uint64_t now)
{
	bool is_ahead = seen >> MOMENT_BITS == tag && moment_of(seen) > now;

	return (is_ahead ? moment_of(seen) : now) + step;
}

static uint64_t step_of(const struct limiter *limiter)
{
	return atomic_load_explicit(&limiter->step, memory_order_relaxed);
}

static uint64_t most_of(const struct limiter *limiter)
{
	return atomic_load_explicit(&limiter->most, memory_order_relaxed);
}

static bool swap(_Atomic uint64_t *cell, uint64_t *seen, uint64_t next)
{
	return atomic_compare_exchange_weak_explicit(cell, seen, next, memory_order_relaxed,
						     memory_order_relaxed);
}

bool limiter_take(struct limiter *limiter, struct slice key, int64_t now_ms)
{
	uint64_t hash = hash_bytes(limiter->seed, key), tag = hash >> MOMENT_BITS;
	uint64_t now = (uint64_t)now_ms * MOMENTS_PER_MS, step = step_of(limiter), seen, ahead;
	_Atomic uint64_t *cell;

	if (!step)
		return true;
	do {
		cell = find(limiter->cells[hash % SETS], tag, &seen);
		ahead = moment_after(step, seen, tag, now);
		if (ahead > now + most_of(limiter))
			return false;
	} while (!swap(cell, &seen, tag << MOMENT_BITS | ahead));
	return true;
}

bool limiter_has_room(struct limiter *limiter, struct slice key, int64_t now_ms)
{
	uint64_t hash = hash_bytes(limiter->seed, key), tag = hash >> MOMENT_BITS;
	uint64_t now = (uint64_t)now_ms * MOMENTS_PER_MS, step = step_of(limiter), seen;

	if (!step)
		return true;
	find(limiter->cells[hash % SETS], tag, &seen);
	return moment_after(step, seen, tag, now) <= now + most_of(limiter);
}

void limiter_clear(struct limiter *limiter, struct slice key)
{
	uint64_t hash = hash_bytes(limiter->seed, key), tag = hash >> MOMENT_BITS, seen;
	_Atomic uint64_t *cell;

	do {
		cell = find(limiter->cells[hash % SETS], tag, &seen);
		if (seen >> MOMENT_BITS != tag)
			return;
	} while (!swap(cell, &seen, 0));
}
