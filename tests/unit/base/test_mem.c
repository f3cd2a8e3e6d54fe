/* SPDX-License-Identifier: MIT */
/* Heaps: kinds, sizes, blocks freed elsewhere, the steady state. */
#include "base/mem.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/chunks.h"
#include "unit.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { BLOCKS_ARE_PLAIN = 1 };
#else
enum { BLOCKS_ARE_PLAIN = 0 };
#endif

static int enter_heap(void **state)
{
	*state = heap_new("test/0");
	heap_enter(*state);
	return 0;
}

static int drop_heap(void **state)
{
	struct heap *heap = *state;

	heap_enter(NULL);
	heap_drop(&heap);
	assert_null(heap);
	return 0;
}

static uint64_t blocks_of(struct heap *heap, enum mem_kind kind)
{
	struct heap_usage usage;

	heap_usage(heap, &usage);
	return usage.blocks[kind];
}

static void gives_aligned_blocks_of_every_size(void **state)
{
	for (size_t size = 0; size < 70000; size += size < 1200 ? 1 : 997) {
		unsigned char *block = mem_alloc(MEM_OTHER, size);

		assert_int_equal((uintptr_t)block % 16, 0);
		memset(block, 0xa5, size);
		mem_free(block);
	}
}

static void keeps_neighbours_apart(void **state)
{
	enum { COUNT = 600 };
	unsigned char *blocks[COUNT];

	for (unsigned at = 0; at < COUNT; at++) {
		blocks[at] = mem_alloc(MEM_OTHER, at * 61 % 5000);
		memset(blocks[at], (int)at, at * 61 % 5000);
	}
	for (unsigned at = 0; at < COUNT; at++) {
		for (unsigned byte = 0; byte < at * 61 % 5000; byte++)
			assert_int_equal(blocks[at][byte], at & 0xff);
		mem_free(blocks[at]);
	}
}

static void counts_by_kind(void **state)
{
	struct heap_usage usage;
	void *nad = mem_alloc(MEM_NAD, 100), *text = mem_strdup(MEM_TEXT, "romeo");
	void *large = mem_alloc(MEM_BUF, 1000000);

	heap_usage(*state, &usage);
	assert_int_equal(usage.bytes[MEM_NAD], 100);
	assert_int_equal(usage.blocks[MEM_NAD], 1);
	assert_int_equal(usage.bytes[MEM_TEXT], 6);
	assert_int_equal(usage.bytes[MEM_BUF], 1000000);
	assert_int_equal(usage.allocations, 3);
	assert_true(usage.system_bytes >= 1000000);
	mem_free(nad);
	mem_free(text);
	mem_free(large);
	heap_usage(*state, &usage);
	for (unsigned kind = 0; kind < MEM_KINDS; kind++) {
		assert_int_equal(usage.bytes[kind], 0);
		assert_int_equal(usage.blocks[kind], 0);
	}
	assert_true(usage.system_bytes < 1000000);
}

/* `jackdaw memory` adds both up: a chunk that the allocator counted too, with addresses around it that nobody has touched, would be
 * there twice. */
static void chunks_are_not_of_the_allocator(void **state)
{
	enum { COUNT = 4000, SIZE = 1000 };
	struct mallinfo2 before = mallinfo2(), after;
	struct heap_usage usage;
	void *blocks[COUNT];

	for (unsigned at = 0; at < COUNT; at++)
		blocks[at] = memset(mem_alloc(MEM_OTHER, SIZE), 1, SIZE);
	after = mallinfo2();
	heap_usage(*state, &usage);
	assert_int_equal(usage.chunk_bytes, BLOCKS_ARE_PLAIN ? 0 : usage.system_bytes);
	assert_true(usage.system_bytes >= (uint64_t)COUNT * SIZE);
	if (!BLOCKS_ARE_PLAIN)
		assert_true(after.uordblks + after.hblkhd < before.uordblks + before.hblkhd + 65536);
	for (unsigned at = 0; at < COUNT; at++)
		mem_free(blocks[at]);
}

/* What grew among others leaves nothing behind when it is gone. */
static void gives_back_what_grew_side_by_side(void **state)
{
	enum { COUNT = 64, GROWN = 1 << 20 };
	char *blocks[COUNT] = {NULL};
	struct heap_usage usage;

	for (size_t size = 40000; size < GROWN; size += size / 4) {
		for (unsigned at = 0; at < COUNT; at++) {
			blocks[at] = mem_realloc(MEM_BUF, blocks[at], size);
			blocks[at][0] = (char)at;
			memset(blocks[at] + size / 2, (int)at, size - size / 2);
		}
	}
	for (unsigned at = 0; at < COUNT; at += 2) {
		assert_int_equal(blocks[at][0], at);
		mem_free(blocks[at]);
	}
	heap_usage(*state, &usage);
	assert_true(usage.system_bytes < (uint64_t)COUNT / 2 * (GROWN + 64) + 65536);
	for (unsigned at = 1; at < COUNT; at += 2) {
		assert_int_equal(blocks[at][0], at);
		mem_free(blocks[at]);
	}
	heap_usage(*state, &usage);
	assert_int_equal(usage.bytes[MEM_BUF], 0);
	assert_true(usage.system_bytes <= 65536);
}

/* A crowd came and went: what stayed among them, and some that come and go, are not in its way. */
static void gives_back_what_a_crowd_left(void **state)
{
	enum { COUNT = 200000, SOME = 100000 };
	void **crowd = malloc(COUNT * sizeof(*crowd));
	struct heap_usage usage;

	for (unsigned at = 0; at < COUNT; at++)
		crowd[at] = mem_alloc(MEM_SESSION, 16 + at % 700);
	heap_usage(*state, &usage);
	assert_true(usage.system_bytes > 60 << 20);
	for (unsigned at = 0; at < COUNT; at++) {
		if (at % 20000)
			mem_free(crowd[at]);
	}
	for (unsigned at = 0; at < SOME; at++)
		mem_free(mem_alloc(MEM_OTHER, at % 500));
	heap_usage(*state, &usage);
	assert_true(usage.system_bytes < 12 << 20);
	for (unsigned at = 0; at < COUNT; at += 20000)
		mem_free(crowd[at]);
	free(crowd);
	assert_int_equal(blocks_of(*state, MEM_SESSION), 0);
}

static void zeroes_used_memory(void **state)
{
	char *block = mem_alloc(MEM_OTHER, 64);

	memset(block, 'x', 64);
	mem_free(block);
	block = mem_zalloc(MEM_OTHER, 64);
	for (unsigned at = 0; at < 64; at++)
		assert_int_equal(block[at], 0);
	mem_free(block);
}

static void reallocates_across_all_sizes(void **state)
{
	char *block = mem_realloc(MEM_JID, NULL, 1);
	size_t size = 2;

	block[0] = 'a';
	for (; size < 200000; size = size * 3 / 2 + 1) {
		block = mem_realloc(MEM_JID, block, size);
		block[size - 1] = (char)size;
		assert_int_equal(block[0], 'a');
	}
	for (; size > 1; size /= 2) {
		block = mem_realloc(MEM_OTHER, block, size);
		assert_int_equal(block[0], 'a');
		assert_int_equal(blocks_of(*state, MEM_JID), 1);
		assert_int_equal(blocks_of(*state, MEM_OTHER), 0);
	}
	mem_free(block);
	assert_int_equal(blocks_of(*state, MEM_JID), 0);
}

static void copies_strings(void **state)
{
	char *text = mem_strdup(MEM_TEXT, "juliet"), *part = mem_strndup(MEM_TEXT, "juliet", 4);
	char *empty = mem_strndup(MEM_TEXT, NULL, 0);

	assert_string_equal(text, "juliet");
	assert_string_equal(part, "juli");
	assert_string_equal(empty, "");
	mem_free(text);
	mem_free(part);
	mem_free(empty);
	mem_free(NULL);
}

static void wipes(void **state)
{
	char secret[] = "secret";

	mem_wipe(secret, sizeof(secret));
	for (unsigned at = 0; at < sizeof(secret); at++)
		assert_int_equal(secret[at], 0);
	mem_wipe(NULL, 0);
}

/* -- threads
 * ---------------------------------------------------------------------------------------- */

enum { MOVED = 1000 };

static void *free_all(void *arg)
{
	void **blocks = arg;
	struct heap *heap = heap_new("test/1");

	heap_enter(heap);
	for (unsigned at = 0; at < MOVED; at++)
		mem_free(blocks[at]);
	heap_enter(NULL);
	heap_drop(&heap);
	return NULL;
}

static void takes_back_what_another_thread_frees(void **state)
{
	struct heap *heap = *state;
	struct heap_usage usage;
	void *blocks[MOVED];
	uint64_t held;
	pthread_t thread;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned at = 0; at < MOVED; at++)
			blocks[at] = mem_alloc(MEM_STANZA, at % 100 == 0 ? 50000 : at % 500);
		heap_usage(heap, &usage);
		if (!round)
			held = usage.system_bytes;
		assert_true(usage.system_bytes <= held);
		assert_int_equal(usage.blocks[MEM_STANZA], MOVED);
		pthread_create(&thread, NULL, free_all, blocks);
		pthread_join(thread, NULL);
		heap_enter(heap);
		assert_int_equal(blocks_of(heap, MEM_STANZA), 0);
	}
}

static void returns_large_blocks_that_another_thread_freed_while_it_works(void **state)
{
	struct heap *heap = *state;
	void *blocks[MOVED] = {mem_alloc(MEM_STANZA, 1000000)};
	struct heap_usage usage;
	pthread_t thread;

	pthread_create(&thread, NULL, free_all, blocks);
	pthread_join(thread, NULL);
	for (unsigned at = 0; at < 600; at++)
		mem_free(mem_alloc(MEM_OTHER, 32));
	heap_usage(heap, &usage);
	assert_true(usage.system_bytes < 1000000);
}

struct relay {
	_Atomic(void *) slot;
	unsigned left;
};

static void *free_from_relay(void *arg)
{
	struct relay *relay = arg;

	while (relay->left) {
		void *block = atomic_exchange(&relay->slot, NULL);

		if (!block) {
			sched_yield();
			continue;
		}
		mem_free(block);
		relay->left--;
	}
	return NULL;
}

static void survives_frees_during_its_own_work(void **state)
{
	struct relay relay = {.left = 20000};
	pthread_t thread;

	pthread_create(&thread, NULL, free_from_relay, &relay);
	for (unsigned at = 0; at < 20000; at++) {
		void *block = mem_alloc(MEM_PACKET, at % 300);

		memset(block, 1, at % 300);
		while (atomic_load(&relay.slot))
			sched_yield();
		atomic_store(&relay.slot, block);
	}
	pthread_join(thread, NULL);
	heap_enter(*state);
	assert_int_equal(blocks_of(*state, MEM_PACKET), 0);
}

static void makes_no_system_calls_in_the_steady_state(void **state)
{
	struct heap_usage before, after;
	void *blocks[64] = {NULL};

	for (unsigned round = 0; round < 5000; round++) {
		void **block = &blocks[round * 7 % 64];

		if (round == 2500)
			heap_usage(*state, &before);
		mem_free(*block);
		*block = mem_alloc(MEM_OTHER, round % 250 * 130);
	}
	heap_usage(*state, &after);
	assert_int_equal(after.allocations - before.allocations, 2500);
	/* Under sanitizers each block is the system's own. */
	if (!BLOCKS_ARE_PLAIN)
		assert_int_equal(after.system_calls - before.system_calls, 0);
	for (unsigned at = 0; at < 64; at++)
		mem_free(blocks[at]);
}

static void drops_what_was_never_freed(void **state)
{
	struct heap *heap = heap_new("doomed"), *before = heap_enter(heap);

	for (unsigned at = 0; at < 500; at++)
		assert_non_null(mem_alloc(MEM_OTHER, at * 100));
	assert_string_equal(heap_name(heap), "doomed");
	assert_ptr_equal(heap_enter(before), heap);
	heap_drop(&heap);
	assert_null(heap);
	heap_drop(&heap);
}

static void works_without_a_heap(void **state)
{
	struct heap *before = heap_enter(NULL);
	char *block = mem_alloc(MEM_OTHER, 10);

	heap_enter(before);
	memset(block, 1, 10);
	block = mem_realloc(MEM_OTHER, block, 20000);
	assert_int_equal(block[9], 1);
	mem_free(block);
	assert_int_equal(blocks_of(*state, MEM_OTHER), 0);
}

static void frees_a_block_of_another_heap_on_the_same_thread(void **state)
{
	struct heap *other = heap_new("other");
	void *block = mem_alloc(MEM_OTHER, 10);

	heap_enter(other);
	mem_free(block);
	heap_enter(*state);
	assert_int_equal(blocks_of(*state, MEM_OTHER), 0);
	heap_drop(&other);
}

static void names_every_kind(void **state)
{
	for (unsigned kind = 0; kind < MEM_KINDS; kind++)
		assert_true(strlen(mem_kind_name(kind)) > 1);
}

static void a_block_is_of_the_smallest_class_that_holds_it(void **state)
{
	for (size_t size = 0; size <= CHUNKS_LARGEST; size++) {
		unsigned class = chunks_class(size);

		if (class >= CHUNKS_CLASSES || chunks_payloads[class] < size || (class && chunks_payloads[class - 1] >= size))
			fail_msg("%zu bytes: class %u", size, class);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_heap, drop_heap)

int main(void)
{
	const struct CMUnitTest mem[] = {
		TEST(a_block_is_of_the_smallest_class_that_holds_it),
		TEST(gives_aligned_blocks_of_every_size),
		TEST(keeps_neighbours_apart),
		TEST(counts_by_kind),
		TEST(chunks_are_not_of_the_allocator),
		TEST(zeroes_used_memory),
		TEST(reallocates_across_all_sizes),
		TEST(gives_back_what_grew_side_by_side),
		TEST(gives_back_what_a_crowd_left),
		TEST(copies_strings),
		TEST(wipes),
		TEST(takes_back_what_another_thread_frees),
		TEST(returns_large_blocks_that_another_thread_freed_while_it_works),
		TEST(survives_frees_during_its_own_work),
		TEST(makes_no_system_calls_in_the_steady_state),
		TEST(drops_what_was_never_freed),
		TEST(works_without_a_heap),
		TEST(frees_a_block_of_another_heap_on_the_same_thread),
		TEST(names_every_kind),
	};

	return RUN(mem);
}
