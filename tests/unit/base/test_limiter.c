/* SPDX-License-Identifier: MIT */
/* How often something may happen. */
#include "base/limiter.h"

#include <pthread.h>
#include <stdio.h>
#include "unit.h"

enum { HOUR_MS = 3600000, THREADS = 4 };

static const struct hash_key seed = {1, 2};

/* How many of so many at one time are let through. */
static unsigned taken(struct limiter *limiter, const char *key, unsigned tries, int64_t now_ms)
{
	unsigned count = 0;

	for (unsigned at = 0; at < tries; at++)
		count += limiter_take(limiter, slice_of(key), now_ms);
	return count;
}

static void lets_so_many_through_at_once(void **state)
{
	struct limiter *limiter = limiter_new(seed, 10, HOUR_MS);

	assert_int_equal(taken(limiter, "a", 100, 0), 10);
	assert_int_equal(taken(limiter, "b", 100, 0), 10);
	limiter_free(&limiter);
}

static void lets_the_next_through_when_its_share_of_the_time_is_over(void **state)
{
	struct limiter *limiter = limiter_new(seed, 10, HOUR_MS);

	assert_int_equal(taken(limiter, "a", 100, 7), 10);
	assert_int_equal(taken(limiter, "a", 100, HOUR_MS / 10 + 6), 0);
	assert_int_equal(taken(limiter, "a", 100, HOUR_MS / 10 + 7), 1);
	assert_int_equal(taken(limiter, "a", 100, 10 * HOUR_MS), 10);
	limiter_free(&limiter);
}

static void counts_nothing_that_it_refused(void **state)
{
	struct limiter *limiter = limiter_new(seed, 1, 1000);

	assert_int_equal(taken(limiter, "a", 1000, 0), 1);
	assert_int_equal(taken(limiter, "a", 1, 1000), 1);
	limiter_free(&limiter);
}

static void forgets_a_key_that_is_cleared(void **state)
{
	struct limiter *limiter = limiter_new(seed, 3, 1000);

	assert_int_equal(taken(limiter, "a", 10, 0), 3);
	assert_int_equal(taken(limiter, "b", 10, 0), 3);
	limiter_clear(limiter, SLICE("a"));
	limiter_clear(limiter, SLICE("never"));
	assert_int_equal(taken(limiter, "a", 10, 0), 3);
	assert_int_equal(taken(limiter, "b", 10, 0), 0);
	limiter_free(&limiter);
}

static void tells_whether_there_is_room_without_taking_it(void **state)
{
	struct limiter *limiter = limiter_new(seed, 2, 1000), *none = limiter_new(seed, 0, 1000);

	for (unsigned at = 0; at < 10; at++) {
		assert_true(limiter_has_room(limiter, SLICE("a"), 0));
		assert_true(limiter_has_room(none, SLICE("a"), 0));
	}
	assert_int_equal(taken(limiter, "a", 10, 0), 2);
	assert_false(limiter_has_room(limiter, SLICE("a"), 499));
	assert_true(limiter_has_room(limiter, SLICE("a"), 500));
	limiter_free(&limiter);
	limiter_free(&none);
}

static void has_no_limit_when_none_is_asked_for(void **state)
{
	struct limiter *limiter = limiter_new(seed, 0, 1);

	assert_int_equal(taken(limiter, "a", 10000, 0), 10000);
	limiter_free(&limiter);
}

static void keeps_up_with_many_a_second(void **state)
{
	struct limiter *limiter = limiter_new(seed, 2000, 1000);

	assert_int_equal(taken(limiter, "a", 5000, 0), 2000);
	assert_int_equal(taken(limiter, "a", 5000, 500), 1000);
	limiter_free(&limiter);
}

/* Ten thousand others: those that it remembers are still refused, no one's first is. */
static void forgets_some_of_too_many_keys_but_refuses_no_new_one(void **state)
{
	struct limiter *limiter = limiter_new(seed, 1, HOUR_MS);
	unsigned refused = 0;
	char key[16];

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned at = 0; at < 10000; at++) {
			snprintf(key, sizeof(key), "k%u", at);
			if (!limiter_take(limiter, slice_of(key), 0))
				refused++;
		}
		assert_true(round || refused < 5);
	}
	limiter_free(&limiter);
}

static void *take_many(void *arg)
{
	return (void *)(uintptr_t)taken(arg, "a", 10000, 0);
}

static void counts_for_all_threads_together(void **state)
{
	struct limiter *limiter = limiter_new(seed, 1000, HOUR_MS);
	pthread_t threads[THREADS];
	uintptr_t sum = 0;

	for (unsigned at = 0; at < THREADS; at++)
		pthread_create(&threads[at], NULL, take_many, limiter);
	for (unsigned at = 0; at < THREADS; at++) {
		void *count;

		pthread_join(threads[at], &count);
		sum += (uintptr_t)count;
	}
	assert_int_equal(sum, 1000);
	limiter_free(&limiter);
}

int main(void)
{
	const struct CMUnitTest limiter[] = {
		cmocka_unit_test(lets_so_many_through_at_once),
		cmocka_unit_test(lets_the_next_through_when_its_share_of_the_time_is_over),
		cmocka_unit_test(counts_nothing_that_it_refused),
		cmocka_unit_test(forgets_a_key_that_is_cleared),
		cmocka_unit_test(tells_whether_there_is_room_without_taking_it),
		cmocka_unit_test(has_no_limit_when_none_is_asked_for),
		cmocka_unit_test(keeps_up_with_many_a_second),
		cmocka_unit_test(forgets_some_of_too_many_keys_but_refuses_no_new_one),
		cmocka_unit_test(counts_for_all_threads_together),
	};

	return RUN(limiter);
}
