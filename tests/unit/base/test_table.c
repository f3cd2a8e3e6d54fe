/* SPDX-License-Identifier: MIT */
/* Hash tables and SipHash. */
#include "base/table.h"

#include <stdio.h>
#include "base/mem.h"
#include "unit.h"

struct entry {
	char key[12];
	unsigned seen;
};

enum { COUNT = 2000 };

static const struct hash_key seed = {1, 2};

static struct slice key_of(const void *entry)
{
	return slice_of(((const struct entry *)entry)->key);
}

static struct entry *make_entries(void)
{
	struct entry *entries = mem_zalloc(MEM_OTHER, COUNT * sizeof(*entries));

	for (unsigned at = 0; at < COUNT; at++)
		snprintf(entries[at].key, sizeof(entries[at].key), "k%u", at);
	return entries;
}

/* Bytes 0 1 2 ... of a length, hashed under the key 0 1 2 ... f: the vectors of other
 * implementations. */
static void hashes_as_siphash_1_3(void **state)
{
	static const uint64_t wanted[] = {0xabac0158050fc4dc, 0xc9f49bf37d57ca93,
					  0x82cb9b024dc7d44d};
	const struct hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	static const char bytes[] = {0, 1, 2};

	for (size_t len = 0; len < countof(wanted); len++)
		assert_true(hash_bytes(key, (struct slice){bytes, len}) == wanted[len]);
	assert_true(hash_bytes((struct hash_key){0, 0}, SLICE("the quick brown fox")) ==
		    0x5a17575ad3449cba);
}

static void hashes_differently_under_another_key(void **state)
{
	assert_true(hash_u64(seed, 5) == hash_u64(seed, 5));
	assert_true(hash_u64(seed, 5) != hash_u64(seed, 6));
	assert_true(hash_u64(seed, 5) != hash_u64((struct hash_key){1, 3}, 5));
	assert_true(hash_u64(seed, 5) == hash_bytes(seed, (struct slice){"\5\0\0\0\0\0\0\0", 8}));
	assert_true(hash_bytes(seed, (struct slice){NULL, 0}) == hash_bytes(seed, SLICE("")));
}

static void finds_what_was_put(void **state)
{
	struct entry *entries = make_entries();
	struct table table;

	table_init(&table, key_of, seed);
	assert_null(table_get(&table, SLICE("k1")));
	for (unsigned at = 0; at < COUNT; at++)
		assert_null(table_put(&table, &entries[at]));
	assert_int_equal(table_count(&table), COUNT);
	for (unsigned at = 0; at < COUNT; at++)
		assert_ptr_equal(table_get(&table, key_of(&entries[at])), &entries[at]);
	assert_null(table_get(&table, SLICE("nobody")));
	assert_null(table_get(&table, (struct slice){NULL, 0}));
	table_fini(&table);
	assert_int_equal(table_count(&table), 0);
	assert_null(table_get(&table, SLICE("k1")));
	mem_free(entries);
}

static void replaces_an_entry_of_the_same_key(void **state)
{
	struct entry one = {.key = "same"}, two = {.key = "same"};
	struct table table;

	table_init(&table, key_of, seed);
	assert_null(table_put(&table, &one));
	assert_ptr_equal(table_put(&table, &two), &one);
	assert_int_equal(table_count(&table), 1);
	assert_ptr_equal(table_get(&table, SLICE("same")), &two);
	assert_ptr_equal(table_del(&table, SLICE("same")), &two);
	assert_null(table_del(&table, SLICE("same")));
	assert_int_equal(table_count(&table), 0);
	table_fini(&table);
}

static void finds_the_rest_after_deletes(void **state)
{
	struct entry *entries = make_entries();
	struct table table;

	table_init(&table, key_of, seed);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned at = 0; at < COUNT; at++)
			table_put(&table, &entries[at]);
		for (unsigned at = 0; at < COUNT; at++) {
			if (at % 3 != round)
				assert_ptr_equal(table_del(&table, key_of(&entries[at])),
						 &entries[at]);
		}
		for (unsigned at = 0; at < COUNT; at++)
			assert_ptr_equal(table_get(&table, key_of(&entries[at])),
					 at % 3 == round ? &entries[at] : NULL);
	}
	table_fini(&table);
	mem_free(entries);
}

static void does_not_grow_while_entries_come_and_go(void **state)
{
	struct entry *entries = make_entries();
	struct table table;

	table_init(&table, key_of, seed);
	for (unsigned at = 0; at < COUNT * 10; at++) {
		table_put(&table, &entries[at % COUNT]);
		if (at >= 4)
			assert_non_null(table_del(&table, key_of(&entries[(at - 4) % COUNT])));
	}
	assert_int_equal(table_count(&table), 4);
	assert_true(table.mask < 32);
	table_fini(&table);
	mem_free(entries);
}

static void visits_each_entry_once_while_they_are_deleted(void **state)
{
	struct entry *entries = make_entries(), *entry;
	unsigned visited = 0;
	struct table table;

	table_init(&table, key_of, seed);
	for (uint32_t at = 0; table_next(&table, &at);)
		fail();
	for (unsigned at = 0; at < COUNT; at++)
		table_put(&table, &entries[at]);
	for (uint32_t at = 0; (entry = table_next(&table, &at)); visited++) {
		assert_int_equal(entry->seen++, 0);
		assert_ptr_equal(table_del(&table, key_of(entry)), entry);
	}
	assert_int_equal(visited, COUNT);
	assert_int_equal(table_count(&table), 0);
	assert_null(table.cells);
	table_fini(&table);
	mem_free(entries);
}

static void iterates_in_the_same_order_after_the_same_history(void **state)
{
	struct entry *entries = make_entries();
	struct table one, two;
	uint32_t at_one = 0, at_two = 0;
	void *entry;

	table_init(&one, key_of, seed);
	table_init(&two, key_of, seed);
	for (unsigned at = 0; at < COUNT; at++) {
		table_put(&one, &entries[at]);
		table_put(&two, &entries[at]);
	}
	do {
		entry = table_next(&one, &at_one);
		assert_ptr_equal(entry, table_next(&two, &at_two));
	} while (entry);
	table_fini(&one);
	table_fini(&two);
	mem_free(entries);
}

int main(void)
{
	const struct CMUnitTest table[] = {
		cmocka_unit_test(hashes_as_siphash_1_3),
		cmocka_unit_test(hashes_differently_under_another_key),
		cmocka_unit_test(finds_what_was_put),
		cmocka_unit_test(replaces_an_entry_of_the_same_key),
		cmocka_unit_test(finds_the_rest_after_deletes),
		cmocka_unit_test(does_not_grow_while_entries_come_and_go),
		cmocka_unit_test(visits_each_entry_once_while_they_are_deleted),
		cmocka_unit_test(iterates_in_the_same_order_after_the_same_history),
	};

	return RUN(table);
}
