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
	_Atomic uint64_t region_bytes; /* of addresses: chunks in use, and what they may come from */
};

void chunks_init(struct chunks *chunks);
void chunks_fini(struct chunks *chunks); /* all blocks with it */

extern const uint16_t chunks_payloads[CHUNKS_CLASSES];

/* Of a payload of so many bytes, up to CHUNKS_LARGEST. */
static inline unsigned chunks_class(size_t size)
{
	unsigned low = 0, high = CHUNKS_CLASSES - 1;

	if (size <= 128)
		return size ? (unsigned)(size - 1) / CHUNKS_ALIGN : 0;
	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (chunks_payloads[middle] < size)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* A block is CHUNKS_ALIGN bytes, its owner's also while it is free, and a payload, which is aligned. NULL: none is free. */
static inline void *chunks_take(struct chunks *chunks, unsigned class)
{
	struct free_block *block = chunks->free[class];

	if (block)
		chunks->free[class] = block->next;
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
