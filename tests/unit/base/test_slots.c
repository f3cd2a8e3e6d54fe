/* SPDX-License-Identifier: MIT */
/* Slots: ids that find nothing once their thing is gone. */
#include "base/table.h"

#include "unit.h"

static void finds_a_thing_by_its_id(void **state)
{
	int things[100];
	uint64_t ids[100];
	struct slots slots;

	slots_init(&slots, 3, 77);
	for (unsigned at = 0; at < 100; at++)
		ids[at] = slots_add(&slots, &things[at]);
	assert_int_equal(slots_count(&slots), 100);
	for (unsigned at = 0; at < 100; at++) {
		assert_ptr_equal(slots_get(&slots, ids[at]), &things[at]);
		assert_int_equal(slot_worker(ids[at]), 3);
	}
	slots_fini(&slots);
}

static void finds_nothing_for_an_id_of_something_gone(void **state)
{
	int one, two;
	struct slots slots;
	uint64_t id, next;

	slots_init(&slots, 0, 0);
	id = slots_add(&slots, &one);
	assert_ptr_equal(slots_del(&slots, id), &one);
	assert_null(slots_del(&slots, id));
	assert_null(slots_get(&slots, id));
	next = slots_add(&slots, &two);
	assert_true(next != id);
	assert_null(slots_get(&slots, id));
	assert_ptr_equal(slots_get(&slots, next), &two);
	slots_fini(&slots);
}

static void refuses_ids_that_it_never_gave(void **state)
{
	int one;
	struct slots slots;
	uint64_t id;

	slots_init(&slots, 1, 5);
	assert_null(slots_get(&slots, 0));
	id = slots_add(&slots, &one);
	assert_null(slots_get(&slots, 0));
	assert_null(slots_get(&slots, id + 1));
	assert_null(slots_get(&slots, id ^ (uint64_t)1 << 32));
	assert_null(slots_get(&slots, id ^ (uint64_t)1 << 56));
	assert_null(slots_get(&slots, UINT64_MAX));
	slots_fini(&slots);
}

static void never_gives_zero(void **state)
{
	int one;
	struct slots slots;

	slots_init(&slots, 0, UINT32_MAX - 2);
	for (unsigned at = 0; at < 6; at++) {
		uint64_t id = slots_add(&slots, &one);

		assert_true(id != 0);
		assert_true((uint32_t)id != 0);
		slots_del(&slots, id);
	}
	slots_fini(&slots);
}

static void visits_all_while_they_are_deleted(void **state)
{
	int things[50];
	uint64_t ids[50];
	unsigned visited = 0;
	struct slots slots;
	int *thing;

	slots_init(&slots, 0, 9);
	for (uint32_t at = 0; slots_next(&slots, &at);)
		fail();
	for (unsigned at = 0; at < 50; at++)
		ids[at] = slots_add(&slots, &things[at]);
	slots_del(&slots, ids[10]);
	for (uint32_t at = 0; (thing = slots_next(&slots, &at)); visited++) {
		assert_true(thing != &things[10]);
		slots_del(&slots, ids[thing - things]);
	}
	assert_int_equal(visited, 49);
	assert_int_equal(slots_count(&slots), 0);
	slots_fini(&slots);
}

static void says_when_all_ids_are_taken(void **state)
{
	struct slots slots;
	int one;

	/* As if 2^24 were in use: really to fill them takes half a gigabyte. */
	slots_init(&slots, 255, 1);
	slots.cap = 1 << 24;
	assert_true(slots_add(&slots, &one) == 0);
	assert_int_equal(slots_count(&slots), 0);
	slots_fini(&slots);
}

int main(void)
{
	const struct CMUnitTest slots[] = {
		cmocka_unit_test(finds_a_thing_by_its_id),
		cmocka_unit_test(finds_nothing_for_an_id_of_something_gone),
		cmocka_unit_test(refuses_ids_that_it_never_gave),
		cmocka_unit_test(never_gives_zero),
		cmocka_unit_test(visits_all_while_they_are_deleted),
		cmocka_unit_test(says_when_all_ids_are_taken),
	};

	return RUN(slots);
}
