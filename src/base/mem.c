/* SPDX-License-Identifier: MIT */
/*
 * Heaps: blocks from chunks, a block header that names heap, class and kind, and a stack
 * on which other threads leave what they free. Under sanitizers every block is the system's own, so
 * that they see each overrun.
 */
#include "base/mem.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/chunks.h"
#include "base/macros.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PLAIN_BLOCKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
#define PLAIN_BLOCKS 1
#endif
#endif
#ifndef PLAIN_BLOCKS
#define PLAIN_BLOCKS 0
#endif

enum { LARGE = 0xff, COLLECT_EVERY = 256, MAPPED = 128 * 1024, LOOK_EVERY = 4096, TRIM_AFTER = 16, TRIM_LEAST = 4 << 20 };

#define SIZE_LIMIT (UINT32_MAX - 4096)

/* Stands right before the payload; the payload is 16-byte aligned. */
struct block {
	struct heap *heap;
	uint32_t size; /* as asked for, up to 4 GB */
	uint8_t class, kind;
	uint16_t mark;
};

_Static_assert(sizeof(struct block) == CHUNKS_ALIGN, "a block header keeps payloads aligned");

enum { MARK_LIVE = 0x51a6, MARK_FREE = 0xdead };

/* A block without a class: the system's, in the heap's list. */
struct large {
	struct large *next, *prev;
	struct block block;
};

struct left {
	struct left *next;
};

struct heap {
	char name[48];
	struct chunks chunks;
	_Atomic(struct left *) remote;	     /* payloads that other threads have freed */
	pthread_mutex_t lock;		     /* of the list of large blocks */
	struct large large;
	_Atomic uint64_t bytes[MEM_KINDS], blocks[MEM_KINDS];
	_Atomic uint64_t system_bytes, system_calls, allocations; /* the system's: of large blocks */
	uint64_t unused;  /* of the chunks, when they were last looked at */
	unsigned freed;	  /* blocks, since the start */
	unsigned idle;	  /* so many looks in a row found most of it unused */
	bool shared; /* the heap of last resort: no thread owns it */
};

static _Thread_local struct heap *current;

static void heap_init(struct heap *heap, const char *name)
{
	snprintf(heap->name, sizeof(heap->name), "%s", name);
	pthread_mutex_init(&heap->lock, NULL);
	heap->large.next = heap->large.prev = &heap->large;
	chunks_init(&heap->chunks);
}

static struct heap last_resort;
static pthread_once_t last_resort_once = PTHREAD_ONCE_INIT;

static void make_last_resort(void)
{
	heap_init(&last_resort, "none");
	last_resort.shared = true;
}

static struct heap *heap_now(void)
{
	if (current)
		return current;
	pthread_once(&last_resort_once, make_last_resort);
	return &last_resort;
}

static _Noreturn void no_memory(void)
{
	fprintf(stderr, "jackdaw: out of memory\n");
	abort();
}

static void count_system(struct heap *heap, size_t change)
{
	atomic_fetch_add_explicit(&heap->system_bytes, change, memory_order_relaxed);
	atomic_fetch_add_explicit(&heap->system_calls, 1, memory_order_relaxed);
}

static void *system_alloc(struct heap *heap, size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		no_memory();
	count_system(heap, size);
	return memory;
}

/* A heap's own thread counts and frees for it: plain adds, for a locked instruction a block would be felt. */
static bool is_everybodys(const struct heap *heap)
{
	return PLAIN_BLOCKS || heap->shared;
}

static void add(_Atomic uint64_t *counter, uint64_t change)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + change, memory_order_relaxed);
}

static void count(const struct heap *heap, _Atomic uint64_t *counter, uint64_t change)
{
	if (is_everybodys(heap))
		atomic_fetch_add_explicit(counter, change, memory_order_relaxed);
	else
		add(counter, change);
}

/* By itself the system's allocator learns to keep what was large and is free again: long queues would stay for good. */
static void never_keep_large(void)
{
	mallopt(M_MMAP_THRESHOLD, MAPPED);
}

struct heap *heap_new(const char *name)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct heap *heap = calloc(1, sizeof(*heap));

	pthread_once(&once, never_keep_large);
	if (!heap)
		abort();
	heap_init(heap, name);
	return heap;
}

void heap_drop(struct heap **taken)
{
	struct heap *heap = *taken;

	*taken = NULL;
	if (!heap)
		return;
	if (current == heap)
		current = NULL;
	for (struct large *at = heap->large.next; at != &heap->large;) {
		struct large *next = at->next;

		free(at);
		at = next;
	}
	chunks_fini(&heap->chunks);
	pthread_mutex_destroy(&heap->lock);
	free(heap);
}

const char *heap_name(const struct heap *heap)
{
	return heap->name;
}

void heap_usage(const struct heap *heap, struct heap_usage *usage)
{
	for (unsigned kind = 0; kind < MEM_KINDS; kind++) {
		usage->bytes[kind] = atomic_load_explicit(&heap->bytes[kind], memory_order_relaxed);
		usage->blocks[kind] =
			atomic_load_explicit(&heap->blocks[kind], memory_order_relaxed);
	}
	usage->chunk_bytes = atomic_load_explicit(&heap->chunks.system_bytes, memory_order_relaxed);
	usage->system_bytes =
		atomic_load_explicit(&heap->system_bytes, memory_order_relaxed) + usage->chunk_bytes;
	usage->system_calls = atomic_load_explicit(&heap->system_calls, memory_order_relaxed) +
			      atomic_load_explicit(&heap->chunks.system_calls, memory_order_relaxed);
	usage->allocations = atomic_load_explicit(&heap->allocations, memory_order_relaxed);
}

const char *mem_kind_name(enum mem_kind kind)
{
	static const char *const names[MEM_KINDS] = {
		"other",     "buffers", "tables",	 "text",  "elements",	 "parsers",
		"addresses", "stanzas", "packets",	 "loop",  "connections", "streams",
		"tls",	     "sasl",	"clients",	 "users", "sessions",	 "rosters",
		"storage",   "link",	"configuration", "log",	  "openssl"};

	return names[kind];
}

void mem_count_openssl(int64_t bytes)
{
	struct heap *heap = heap_now();

	count(heap, &heap->bytes[MEM_OPENSSL], (uint64_t)bytes);
}

/* -- blocks
 * ---------------------------------------------------------------------------------------- */

static void large_free(struct heap *heap, struct block *block)
{
	struct large *large = container_of(block, struct large, block);

	if (!heap->shared) {
		pthread_mutex_lock(&heap->lock);
		large->next->prev = large->prev;
		large->prev->next = large->next;
		pthread_mutex_unlock(&heap->lock);
	}
	atomic_fetch_sub_explicit(&heap->system_bytes, sizeof(*large) + block->size,
				  memory_order_relaxed);
	free(large);
}

/* Grows or shrinks where it is, or moves without a copy, if the system can. */
static struct block *large_resize(struct heap *heap, struct block *block, size_t size)
{
	struct large *large = container_of(block, struct large, block), *moved;

	pthread_mutex_lock(&heap->lock);
	moved = realloc(large, sizeof(*large) + size);
	if (!moved)
		no_memory();
	moved->next->prev = moved->prev->next = moved;
	pthread_mutex_unlock(&heap->lock);
	count_system(heap, size - moved->block.size);
	return &moved->block;
}

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Of the chunks, but for what heads of blocks and sizes of classes take. */
static uint64_t unused_bytes(const struct heap *heap)
{
	uint64_t held = load(&heap->chunks.system_bytes), used = 0;

	for (unsigned kind = 0; kind < MEM_KINDS; kind++)
		used += kind == MEM_OPENSSL ? 0 : load(&heap->bytes[kind]);
	used -= load(&heap->system_bytes);
	return held > used ? held - used : 0;
}

/*
 * Most of what was once needed has been free for a while, and it is more than what stayed when it was last given back: to look
 * for it is worth it.
 */
static void trim(struct heap *heap)
{
	uint64_t held = load(&heap->chunks.system_bytes), unused = unused_bytes(heap);

	if (heap->unused > unused)
		heap->unused = unused;
	if (unused - heap->unused < TRIM_LEAST || unused - heap->unused < held / 2)
		heap->idle = 0;
	else if (++heap->idle == TRIM_AFTER) {
		chunks_trim(&heap->chunks);
		heap->unused = unused_bytes(heap);
		heap->idle = 0;
	}
}

static COLD void give_back_large(struct heap *heap, struct block *block)
{
	count(heap, &heap->bytes[block->kind], -(uint64_t)block->size);
	count(heap, &heap->blocks[block->kind], (uint64_t)-1);
	large_free(heap, block);
}

static void give_back(struct heap *heap, struct block *block)
{
	if (block->class == LARGE) {
		give_back_large(heap, block);
		return;
	}
	add(&heap->bytes[block->kind], -(uint64_t)block->size);
	add(&heap->blocks[block->kind], (uint64_t)-1);
	chunks_give(&heap->chunks, block, block->class);
	if (++heap->freed % LOOK_EVERY == 0)
		trim(heap);
}

/* What other threads have freed comes home, all at once. */
static void collect(struct heap *heap)
{
	struct left *at = atomic_exchange_explicit(&heap->remote, NULL, memory_order_acquire);

	while (at) {
		struct left *next = at->next;

		give_back(heap, (struct block *)at - 1);
		at = next;
	}
}

/* Who enters a heap owns it: what others have freed meanwhile is taken home. */
struct heap *heap_enter(struct heap *heap)
{
	struct heap *before = current;

	current = heap;
	if (heap && atomic_load_explicit(&heap->remote, memory_order_relaxed))
		collect(heap);
	return before;
}

static void leave_for_owner(struct heap *heap, struct left *payload)
{
	struct left *head = atomic_load_explicit(&heap->remote, memory_order_relaxed);

	do
		payload->next = head;
	while (!atomic_compare_exchange_weak_explicit(&heap->remote, &head, payload,
						      memory_order_release, memory_order_relaxed));
}

static struct block *large_alloc(struct heap *heap, size_t size)
{
	struct large *large;

	large = system_alloc(heap, sizeof(*large) + size);
	large->block.class = LARGE;
	/* The heap of last resort is never dropped; without the list a leak checker sees what it
	 * lost. */
	if (heap->shared)
		return &large->block;
	pthread_mutex_lock(&heap->lock);
	large->next = heap->large.next;
	large->prev = &heap->large;
	large->next->prev = large;
	heap->large.next = large;
	pthread_mutex_unlock(&heap->lock);
	return &large->block;
}

/* No block of this class is free. */
static COLD struct block *make_block(struct heap *heap, unsigned class)
{
	struct block *block;

	collect(heap);
	block = chunks_take(&heap->chunks, class);
	if (!block)
		block = chunks_cut(&heap->chunks, class);
	if (!block)
		no_memory();
	return block;
}

static void *filled(struct heap *heap, struct block *block, unsigned class, enum mem_kind kind, size_t size)
{
	block->heap = heap;
	block->size = (uint32_t)size;
	block->class = (uint8_t)class;
	block->kind = (uint8_t)kind;
	block->mark = MARK_LIVE;
	return block + 1;
}

static COLD void *alloc_large(struct heap *heap, enum mem_kind kind, size_t size)
{
	if (size > SIZE_LIMIT) {
		fprintf(stderr, "jackdaw: a block of %zu bytes was asked for\n", size);
		abort();
	}
	if (!is_everybodys(heap))
		collect(heap);
	count(heap, &heap->bytes[kind], size);
	count(heap, &heap->blocks[kind], 1);
	count(heap, &heap->allocations, 1);
	return filled(heap, large_alloc(heap, size), LARGE, kind, size);
}

void *mem_alloc(enum mem_kind kind, size_t size)
{
	struct heap *heap = heap_now();
	struct block *block;
	unsigned class;

	if (is_everybodys(heap) || size > CHUNKS_LARGEST)
		return alloc_large(heap, kind, size);
	/* Not only when a class runs out: a large block that another thread freed goes back to the system. */
	if (load(&heap->allocations) % COLLECT_EVERY == 0)
		collect(heap);
	class = chunks_class(size);
	block = chunks_take(&heap->chunks, class);
	if (!block)
		block = make_block(heap, class);
	add(&heap->bytes[kind], size);
	add(&heap->blocks[kind], 1);
	add(&heap->allocations, 1);
	return filled(heap, block, class, kind, size);
}

void *mem_zalloc(enum mem_kind kind, size_t size)
{
	return memset(mem_alloc(kind, size), 0, size);
}

void mem_free(void *memory)
{
	struct block *block;
	struct heap *heap;

	if (!memory)
		return;
	block = (struct block *)memory - 1;
	if (block->mark != MARK_LIVE) {
		fprintf(stderr, "jackdaw: memory freed twice or overrun\n");
		abort();
	}
	heap = block->heap;
	block->mark = MARK_FREE;
	if (heap == current || is_everybodys(heap))
		give_back(heap, block);
	else
		leave_for_owner(heap, memory);
}

/* It can have that size without another block in its place. */
static bool fits(const struct block *block, size_t size)
{
	if (block->heap != current || is_everybodys(block->heap))
		return false;
	return block->class == LARGE ? size > CHUNKS_LARGEST && size <= SIZE_LIMIT : size <= chunks_payloads[block->class];
}

void *mem_realloc(enum mem_kind kind, void *memory, size_t size)
{
	struct block *block;
	void *moved;

	if (!memory)
		return mem_alloc(kind, size);
	block = (struct block *)memory - 1;
	if (fits(block, size)) {
		if (block->class == LARGE)
			block = large_resize(block->heap, block, size);
		count(block->heap, &block->heap->bytes[block->kind], size - block->size);
		block->size = (uint32_t)size;
		return block + 1;
	}
	moved = mem_alloc(block->kind, size);
	memcpy(moved, memory, size < block->size ? size : block->size);
	mem_free(memory);
	return moved;
}

char *mem_strndup(enum mem_kind kind, const char *text, size_t len)
{
	char *copy = mem_alloc(kind, len + 1);

	if (len)
		memcpy(copy, text, len);
	copy[len] = 0;
	return copy;
}

char *mem_strdup(enum mem_kind kind, const char *text)
{
	return mem_strndup(kind, text, strlen(text));
}

void mem_wipe(void *memory, size_t size)
{
	if (size)
		explicit_bzero(memory, size);
}
