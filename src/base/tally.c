/* SPDX-License-Identifier: MIT */
/* A cell is a tag of the key above its count; 0: free. A set is eight of them, side by side. */
#include "base/tally.h"

#include <stdatomic.h>
#include "base/mem.h"

enum { WAYS = 8, COUNT_BITS = 24, COUNT_MAX = (1 << COUNT_BITS) - 1, SETS_MAX = 1 << 20 };

struct tally {
	struct hash_key seed;
	uint64_t sets; /* a power of two */
	_Atomic uint32_t limit;
	_Atomic uint64_t cells[][WAYS];
};

struct place {
	_Atomic uint64_t *set;
	uint64_t tag;
};

struct tally *tally_new(struct hash_key seed, uint64_t keys, uint32_t limit)
{
	struct tally *tally;
	uint64_t sets = 1;

	while (sets * WAYS < keys && sets < SETS_MAX)
		sets *= 2;
	tally = mem_zalloc(MEM_OTHER, sizeof(*tally) + sets * sizeof(tally->cells[0]));
	tally->seed = seed;
	tally->sets = sets;
	tally_set(tally, limit);
	return tally;
}

void tally_set(struct tally *tally, uint32_t limit)
{
	atomic_store_explicit(&tally->limit, limit < COUNT_MAX ? limit : COUNT_MAX,
			      memory_order_relaxed);
}

void tally_free(struct tally **tally)
{
	mem_free(*tally);
	*tally = NULL;
}

static uint32_t count_of(uint64_t cell)
{
	return (uint32_t)(cell & COUNT_MAX);
}

static struct place place_of(struct tally *tally, struct slice key)
{
	uint64_t hash = hash_bytes(tally->seed, key);

	return (struct place){tally->cells[hash & (tally->sets - 1)], hash >> COUNT_BITS};
}

/* The key's cell, else the one of its set with the fewest. */
static _Atomic uint64_t *find(struct place place, uint64_t *seen, bool *is_ours)
{
	_Atomic uint64_t *found = NULL;

	for (unsigned way = 0; way < WAYS; way++) {
		uint64_t cell = atomic_load_explicit(&place.set[way], memory_order_relaxed);

		*is_ours = cell && cell >> COUNT_BITS == place.tag;
		if (found && !*is_ours && count_of(cell) >= count_of(*seen))
			continue;
		found = &place.set[way];
		*seen = cell;
		if (*is_ours)
			break;
	}
	return found;
}

static bool swap(_Atomic uint64_t *cell, uint64_t *seen, uint64_t next)
{
	return atomic_compare_exchange_weak_explicit(cell, seen, next, memory_order_relaxed,
						     memory_order_relaxed);
}

bool tally_add(struct tally *tally, struct slice key)
{
	struct place place = place_of(tally, key);
	_Atomic uint64_t *cell;
	uint64_t seen;
	uint32_t count;
	bool is_ours;

	do {
		cell = find(place, &seen, &is_ours);
		count = is_ours ? count_of(seen) : 0;
		if (count >= atomic_load_explicit(&tally->limit, memory_order_relaxed))
			return false;
	} while (!swap(cell, &seen, place.tag << COUNT_BITS | (count + 1)));
	return true;
}

void tally_del(struct tally *tally, struct slice key)
{
	struct place place = place_of(tally, key);
	_Atomic uint64_t *cell;
	uint64_t seen;
	bool is_ours;

	do {
		cell = find(place, &seen, &is_ours);
		if (!is_ours)
			return; /* it was forgotten */
	} while (!swap(cell, &seen, count_of(seen) > 1 ? seen - 1 : 0));
}

uint32_t tally_of(struct tally *tally, struct slice key)
{
	uint64_t seen;
	bool is_ours;

	find(place_of(tally, key), &seen, &is_ours);
	return is_ours ? count_of(seen) : 0;
}
