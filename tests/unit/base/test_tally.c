/* SPDX-License-Identifier: MIT */
/* How many each of many keys has now. */
#include "base/tally.h"

#include <pthread.h>
#include <stdio.h>
#include "unit.h"

enum { THREADS = 4, ROUNDS = 20000 };

static const struct hash_key seed = {1, 2};

static void lets_each_have_so_many(void **state)
{
	struct tally *tally = tally_new(seed, 100, 3);

	for (unsigned at = 0; at < 5; at++)
		assert_int_equal(tally_add(tally, SLICE("a")), at < 3);
	assert_true(tally_add(tally, SLICE("b")));
	assert_int_equal(tally_of(tally, SLICE("a")), 3);
	assert_int_equal(tally_of(tally, SLICE("b")), 1);
	tally_free(&tally);
}

static void what_went_leaves_room(void **state)
{
	struct tally *tally = tally_new(seed, 1, 1);

	for (unsigned at = 0; at < 100; at++) {
		assert_true(tally_add(tally, SLICE("a")));
		assert_false(tally_add(tally, SLICE("a")));
		tally_del(tally, SLICE("a"));
		assert_int_equal(tally_of(tally, SLICE("a")), 0);
	}
	tally_del(tally, SLICE("a"));
	tally_del(tally, SLICE("never"));
	assert_true(tally_add(tally, SLICE("a")));
	tally_free(&tally);
}

/* Eight cells; who has many is remembered while those with one come and go by the thousand. */
static void forgets_who_has_the_fewest(void **state)
{
	struct tally *tally = tally_new(seed, 8, 100);
	char key[16];

	for (unsigned at = 0; at < 50; at++)
		assert_true(tally_add(tally, SLICE("many")));
	for (unsigned at = 0; at < 1000; at++) {
		snprintf(key, sizeof(key), "k%u", at);
		assert_true(tally_add(tally, slice_of(key)));
	}
	for (unsigned at = 0; at < 1000; at++) {
		snprintf(key, sizeof(key), "k%u", at);
		tally_del(tally, slice_of(key));
	}
	assert_int_equal(tally_of(tally, SLICE("many")), 50);
	tally_free(&tally);
}

static void *come_and_go(void *arg)
{
	for (unsigned at = 0; at < ROUNDS; at++) {
		while (!tally_add(arg, SLICE("a")))
			;
		tally_del(arg, SLICE("a"));
	}
	return NULL;
}

static void counts_for_all_threads_together(void **state)
{
	struct tally *tally = tally_new(seed, 100, THREADS - 1);
	pthread_t threads[THREADS];

	for (unsigned at = 0; at < THREADS; at++)
		pthread_create(&threads[at], NULL, come_and_go, tally);
	for (unsigned at = 0; at < THREADS; at++)
		pthread_join(threads[at], NULL);
	assert_int_equal(tally_of(tally, SLICE("a")), 0);
	tally_free(&tally);
}

int main(void)
{
	const struct CMUnitTest tally[] = {
		cmocka_unit_test(lets_each_have_so_many),
		cmocka_unit_test(what_went_leaves_room),
		cmocka_unit_test(forgets_who_has_the_fewest),
		cmocka_unit_test(counts_for_all_threads_together),
	};

	return RUN(tally);
}
