/* SPDX-License-Identifier: MIT */
/*
 * Chunks are aligned to their length: which one a block is of is known from its address. They are cut from regions, which stay
 * until the end; what goes back to the system are the pages of a free chunk, but for that of its head.
 */
#include "base/chunks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "base/macros.h"

enum { REGION = 1 << 20, CHUNK = 64 << 10, PAGE = 4096 };

/* Of addresses: a chunk more than it is cut to, so that it holds whole ones wherever it is. */
struct region {
	struct region *next;
	void *memory;
};

struct chunk {
	struct chunk *next;
	char *cut;   /* up to here it is blocks */
	size_t free; /* while free blocks are looked at: the bytes of those seen */
};

enum { HEAD = 32 }; /* a chunk's, before its first block */
_Static_assert(sizeof(struct chunk) <= HEAD, "a chunk begins with its head");

const uint16_t chunks_payloads[CHUNKS_CLASSES] = {
	16,   32,   48,	  64,	80,   96,    112,   128,   160,	  192,	 224,	256,
	320,  384,  448,  512,	640,  768,   896,   1024,  1280,  1536,	 2048,	2560,
	3072, 4096, 5120, 6144, 8192, 10240, 12288, 16384, 20480, 24576, CHUNKS_LARGEST};

void chunks_init(struct chunks *chunks)
{
	*chunks = (struct chunks){.used = NULL};
}

void chunks_fini(struct chunks *chunks)
{
	for (struct region *region = chunks->regions, *next; region; region = next) {
		next = region->next;
		munmap(region->memory, REGION + CHUNK);
		free(region);
	}
	chunks_init(chunks);
}

static size_t block_size(unsigned class)
{
	return CHUNKS_ALIGN + chunks_payloads[class];
}

/* -- chunks ---------------------------------------------------------------------------------------- */

static void count(_Atomic uint64_t *counter, uint64_t change)
{
	atomic_fetch_add_explicit(counter, change, memory_order_relaxed);
}

static bool add_region(struct chunks *chunks)
{
	struct region *region = malloc(sizeof(*region));

	if (!region)
		return false;
	region->memory = mmap(NULL, REGION + CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (region->memory == MAP_FAILED) {
		free(region);
		return false;
	}
	region->next = chunks->regions;
	chunks->regions = region;
	chunks->fresh = (char *)region->memory + -(uintptr_t)region->memory % CHUNK;
	chunks->fresh_end = chunks->fresh + REGION;
	return true;
}

static bool add_chunk(struct chunks *chunks)
{
	struct chunk *chunk = chunks->cold;

	count(&chunks->system_calls, 1);
	if (!chunk && chunks->fresh == chunks->fresh_end && !add_region(chunks))
		return false;
	if (chunk) {
		chunks->cold = chunk->next;
	} else {
		chunk = (struct chunk *)chunks->fresh;
		chunks->fresh += CHUNK;
	}
	*chunk = (struct chunk){.next = chunks->used, .cut = (char *)chunk + HEAD};
	chunks->used = chunk;
	count(&chunks->system_bytes, CHUNK);
	return true;
}

static void leave_chunk(struct chunks *chunks, struct chunk *chunk)
{
	madvise((char *)chunk + PAGE, CHUNK - PAGE, MADV_DONTNEED);
	chunk->next = chunks->cold;
	chunks->cold = chunk;
	count(&chunks->system_calls, 1);
	count(&chunks->system_bytes, -(uint64_t)CHUNK);
}

/* -- blocks ---------------------------------------------------------------------------------------- */

static bool has_room(const struct chunk *chunk, unsigned class)
{
	return chunk && (size_t)((const char *)chunk + CHUNK - chunk->cut) >= block_size(class);
}

static void *cut_from(struct chunk *chunk, unsigned class)
{
	void *block = chunk->cut;

	chunk->cut += block_size(class);
	return block;
}

/* What is left of a chunk becomes free blocks, the largest first. */
static void use_up(struct chunks *chunks)
{
	for (unsigned class = CHUNKS_CLASSES; class-- > 0;) {
		while (has_room(chunks->used, class))
			chunks_give(chunks, cut_from(chunks->used, class), class);
	}
}

void *chunks_cut(struct chunks *chunks, unsigned class)
{
	if (!has_room(chunks->used, class)) {
		use_up(chunks);
		if (!add_chunk(chunks))
			return NULL;
	}
	return cut_from(chunks->used, class);
}

/* -- giving back ----------------------------------------------------------------------------------- */

static struct chunk *chunk_of(const struct free_block *block)
{
	return (struct chunk *)((uintptr_t)block & ~(uintptr_t)(CHUNK - 1));
}

static bool is_free(const struct chunk *chunk)
{
	return chunk->free == (size_t)(chunk->cut - (const char *)chunk) - HEAD;
}

static void look_at_blocks(struct chunks *chunks)
{
	for (struct chunk *chunk = chunks->used; chunk; chunk = chunk->next)
		chunk->free = 0;
	for (unsigned class = 0; class < CHUNKS_CLASSES; class++) {
		for (struct free_block *block = chunks->free[class]; block; block = block->next)
			chunk_of(block)->free += block_size(class);
	}
}

static void forget_blocks(struct chunks *chunks)
{
	for (unsigned class = 0; class < CHUNKS_CLASSES; class++) {
		struct free_block **at = &chunks->free[class];

		while (*at) {
			if (is_free(chunk_of(*at)))
				*at = (*at)->next;
			else
				at = &(*at)->next;
		}
	}
}

void chunks_trim(struct chunks *chunks)
{
	struct chunk *chunk = chunks->used;

	look_at_blocks(chunks);
	forget_blocks(chunks);
	chunks->used = NULL;
	for (struct chunk **last = &chunks->used, *next; chunk; chunk = next) {
		next = chunk->next;
		if (is_free(chunk)) {
			leave_chunk(chunks, chunk);
			continue;
		}
		chunk->next = NULL;
		*last = chunk;
		last = &chunk->next;
	}
}
