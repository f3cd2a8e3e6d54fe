/* SPDX-License-Identifier: MIT */
/*
 * Blocks of a few sizes, cut from chunks of the system's memory. A free block waits for the next of its size; chunks whose
 * blocks are all free go back to the system when that is asked for. No locks; one thread at a time.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { CHUNKS_CLASSES = 35, CHUNKS_LARGEST = 32768, CHUNKS_ALIGN = 16 };

struct free_block {
	char head[CHUNKS_ALIGN];
	struct free_block *next;
};

struct chunks {
	struct free_block *free[CHUNKS_CLASSES];
	struct chunk *used; /* the newest first: blocks are cut from it */
	struct chunk *cold; /* given back but for a page */
	struct region *regions;
	char *fresh, *fresh_end;	     /* of the newest region: no chunk yet */
	_Atomic uint64_t system_bytes, system_calls; /* held from the system; read by any thread */
};

void chunks_init(struct chunks *chunks);
void chunks_fini(struct chunks *chunks); /* all blocks with it */

extern const uint16_t chunks_payloads[CHUNKS_CLASSES];

/*
 * Of a payload of so many bytes, up to CHUNKS_LARGEST: a class each CHUNKS_ALIGN bytes up to 128, then four for each doubling up
 * to 1024, then three.
 */
static inline unsigned chunks_class(size_t size)
{
	unsigned last = size ? (unsigned)size - 1 : 0, doubling, quarter;

	if (last < 128)
		return last / CHUNKS_ALIGN;
	doubling = 31 - (unsigned)__builtin_clz(last);
	quarter = last >> (doubling - 2) & 3;
	if (doubling < 10)
		return 8 + (doubling - 7) * 4 + quarter;
	return 20 + (doubling - 10) * 3 + (quarter < 2 ? quarter : 2);
}

/* A block is CHUNKS_ALIGN bytes, its owner's also while it is free, and a payload, which is aligned. NULL: none is free. */
static inline void *chunks_take(struct chunks *chunks, unsigned class)
{
	struct free_block *block = chunks->free[class];

	if (!block)
		return NULL;
	chunks->free[class] = block->next;
	__builtin_prefetch(block->next, 1); /* another thread may have had it last */
	return block;
}

static inline void chunks_give(struct chunks *chunks, void *block, unsigned class)
{
	struct free_block *freed = (struct free_block *)block;

	freed->next = chunks->free[class];
	chunks->free[class] = freed;
}

void *chunks_cut(struct chunks *chunks, unsigned class); /* a new one; NULL: the system has no memory */

/* Looks at each free block, twice. */
void chunks_trim(struct chunks *chunks);
