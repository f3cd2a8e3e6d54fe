/* SPDX-License-Identifier: MIT */
/*
 * Hash tables and slot tables.
 *
 * A table holds pointers to entries of the caller; the key is read from the entry by a function and
 * compared as bytes. Hashing is SipHash with a key that the caller draws from its loop's randomness
 * (mio_random), so that peers cannot choose collisions and a simulation is repeatable. Iteration is
 * in table order, equal for equal keys and equal history.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct hash_key {
	uint64_t k0, k1;
};

/* SipHash-1-3 for tables; slice may be empty. */
uint64_t hash_bytes(struct hash_key key, struct slice bytes);
uint64_t hash_u64(struct hash_key key, uint64_t value);

typedef struct slice table_key_fn(const void *entry);

struct table {
	table_key_fn *key_of;
	struct hash_key seed;
	struct table_cell *cells;
	uint32_t count, used, mask;
};

void table_init(struct table *table, table_key_fn *key_of, struct hash_key seed);
void table_fini(struct table *table); /* entries are the caller's */
void *table_get(const struct table *table, struct slice key);
/* Adds; an entry with the same key is replaced and returned, else NULL. */
void *table_put(struct table *table, void *entry);
/* Takes out and returns the entry, or NULL. */
void *table_del(struct table *table, struct slice key);

static inline uint32_t table_count(const struct table *table)
{
	return table->count;
}

/* for (uint32_t at = 0; (entry = table_next(t, &at));) — the entry just returned may be deleted. */
void *table_next(const struct table *table, uint32_t *at);

/*
 * Slots: things named by an id of worker (8 bits), slot (24 bits) and generation (32 bits), so that
 * a late answer to something gone finds nothing. Never zero. Pointers are the caller's.
 */
struct slots {
	struct slot *slots;
	uint32_t count, cap, free, generation;
	uint8_t worker;
};

/* generation: a random start, so that ids of an earlier life do not match. */
void slots_init(struct slots *slots, uint8_t worker, uint32_t generation);
void slots_fini(struct slots *slots);
uint64_t slots_add(struct slots *slots, void *thing);	 /* not NULL; 0 when 2^24 are in use */
void *slots_get(const struct slots *slots, uint64_t id); /* NULL when gone */
void *slots_del(struct slots *slots, uint64_t id);	 /* what it was, or NULL */
void *slots_next(const struct slots *slots, uint32_t *at);

static inline uint32_t slots_count(const struct slots *slots)
{
	return slots->count;
}

static inline unsigned slot_worker(uint64_t id)
{
	return (unsigned)(id >> 56);
}
