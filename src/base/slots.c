/* SPDX-License-Identifier: MIT */
/* Slot tables: ids of worker, slot and generation. */
#include "base/mem.h"
#include "base/table.h"

enum { NO_SLOT = 0xffffffff, SLOTS_MAX = 1 << 24 };

struct slot {
	void *thing; /* NULL: free */
	uint32_t generation, next_free;
};

void slots_init(struct slots *slots, uint8_t worker, uint32_t generation)
{
	*slots = (struct slots){.worker = worker, .generation = generation, .free = NO_SLOT};
}

void slots_fini(struct slots *slots)
{
	mem_free(slots->slots);
	*slots = (struct slots){.free = NO_SLOT};
}

static uint64_t id_of(const struct slots *slots, uint32_t at)
{
	return (uint64_t)slots->worker << 56 | (uint64_t)at << 32 | slots->slots[at].generation;
}

/* False when all ids are taken. */
static bool grow(struct slots *slots)
{
	uint32_t cap = slots->cap ? slots->cap * 2 : 16;

	if (slots->cap == SLOTS_MAX)
		return false;
	slots->slots = mem_realloc(MEM_TABLE, slots->slots, cap * sizeof(struct slot));
	/* In reverse, so that the lowest numbers are handed out first. */
	for (uint32_t at = cap; at-- > slots->cap;) {
		slots->slots[at] = (struct slot){.next_free = slots->free};
		slots->free = at;
	}
	slots->cap = cap;
	return true;
}

uint64_t slots_add(struct slots *slots, void *thing)
{
	struct slot *slot;
	uint32_t at;

	if (slots->free == NO_SLOT && !grow(slots))
		return 0;
	at = slots->free;
	slot = &slots->slots[at];
	slots->free = slot->next_free;
	slots->count++;
	if (!++slots->generation)
		slots->generation = 1;
	slot->thing = thing;
	slot->generation = slots->generation;
	return id_of(slots, at);
}

static struct slot *slot_of(const struct slots *slots, uint64_t id)
{
	uint32_t at = (uint32_t)(id >> 32) & (SLOTS_MAX - 1);

	if (slot_worker(id) != slots->worker || at >= slots->cap || !slots->slots[at].thing)
		return NULL;
	return slots->slots[at].generation == (uint32_t)id ? &slots->slots[at] : NULL;
}

void *slots_get(const struct slots *slots, uint64_t id)
{
	struct slot *slot = slot_of(slots, id);

	return slot ? slot->thing : NULL;
}

void *slots_del(struct slots *slots, uint64_t id)
{
	struct slot *slot = slot_of(slots, id);
	void *thing;

	if (!slot)
		return NULL;
	thing = slot->thing;
	slot->thing = NULL;
	slot->next_free = slots->free;
	slots->free = (uint32_t)(slot - slots->slots);
	slots->count--;
	return thing;
}

void *slots_next(const struct slots *slots, uint32_t *at)
{
	while (*at < slots->cap) {
		void *thing = slots->slots[(*at)++].thing;

		if (thing)
			return thing;
	}
	return NULL;
}
