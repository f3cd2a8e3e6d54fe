/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "storage/driver.h"
#include "storage/order.h"
#include "storage/storage.h"

enum { GREEDY = 20, EACH = 30, MANY = 20000 };

static const struct hash_key seed = {1, 2};

/* Of the owners, a byte each; named by its token. */
static void put(struct order *order, uint64_t token, const char *owners)
{
	struct store_txn *txn = store_txn_new();

	txn->token = token;
	for (; *owners; owners++)
		store_put(txn, STORE_USER, (struct slice){owners, 1}, SLICE("item"), SLICE("value"));
	order_put(order, txn);
}

static uint64_t take(struct order *order)
{
	struct store_txn *txn = order_take(order);
	uint64_t token;

	assert_non_null(txn);
	token = txn->token;
	store_txn_free(&txn);
	return token;
}

static void put_greedy(struct order *order)
{
	for (unsigned round = 0; round < EACH; round++) {
		for (unsigned who = 0; who < GREEDY; who++)
			put(order, 1000 + who * EACH + round, (char[]){(char)('a' + who), '\0'});
	}
}

static void end(struct order *order)
{
	struct store_txn *txn;

	while ((txn = order_take(order)))
		store_txn_free(&txn);
	order_fini(order);
}

static void nothing_waits(void **state)
{
	struct order order;

	order_init(&order, seed);
	assert_true(order_is_empty(&order));
	assert_false(order_is_early(&order));
	assert_null(order_take(&order));
	order_fini(&order);
}

static void of_one_owner_they_come_in_order(void **state)
{
	struct order order;

	order_init(&order, seed);
	for (unsigned i = 0; i < MANY; i++)
		put(&order, i, "A");
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(take(&order), i);
	assert_false(order.overtaken);
	end(&order);
}

static void who_asks_for_little_comes_before_who_asks_for_much(void **state)
{
	struct order order;

	order_init(&order, seed);
	put_greedy(&order);
	for (unsigned i = 0; i < GREEDY * EACH / 2; i++)
		take(&order);
	put(&order, 1, "AB");
	put(&order, 2, "C");
	assert_true(order_is_early(&order));
	assert_int_equal(take(&order), 1);
	assert_int_equal(take(&order), 2);
	assert_false(order.overtaken);
	for (unsigned i = 0; i < GREEDY * EACH / 2 && !order.overtaken; i++)
		take(&order);
	assert_true(order.overtaken);
	end(&order);
}

static void who_asks_for_one_thing_after_another_gets_no_more_than_others(void **state)
{
	struct order order;
	unsigned others = 0;

	order_init(&order, seed);
	put_greedy(&order);
	for (unsigned i = 0; i < GREEDY * EACH / 2; i++)
		take(&order);
	put(&order, 1, "A");
	for (unsigned mine = 0; mine < 100 && others < GREEDY * EACH / 2;) {
		if (take(&order) != 1) {
			others++;
			continue;
		}
		put(&order, 1, "A");
		mine++;
		assert_true(mine <= 60 + others / GREEDY); /* what he had not had, a turn, and then as often as each */
	}
	assert_int_equal(others, GREEDY * EACH / 2);
	end(&order);
}

/* The rows of an owner are neighbours. */
static void what_an_owner_has_waiting_comes_together(void **state)
{
	struct order order;
	uint64_t before = 0;
	unsigned others = 0;

	order_init(&order, seed);
	put_greedy(&order);
	for (unsigned i = 0; i < GREEDY * EACH; i++) {
		uint64_t who = (take(&order) - 1000) / EACH;

		others += who != before;
		before = who;
	}
	assert_true(others < GREEDY * EACH / 10);
	end(&order);
}

/* The greediest alone has something waiting for a moment: the others have not had as much as who has little for that. */
static void who_has_little_comes_first_after_a_lull(void **state)
{
	struct order order;

	order_init(&order, seed);
	put_greedy(&order);
	put(&order, 1, "A");
	for (unsigned i = 0; i < 1000; i++)
		put(&order, 2, "a");
	for (unsigned i = 0; i < GREEDY * EACH + 1 + 900; i++)
		take(&order);
	for (unsigned who = 1; who < GREEDY; who++)
		put(&order, 3, (char[]){(char)('a' + who), '\0'});
	put(&order, 1, "A");
	assert_int_equal(take(&order), 1);
	end(&order);
}

/* B waits for A's, because one is of both: whoever is of several owners comes behind what any of them has. */
static void what_is_of_several_owners_keeps_the_order_of_each(void **state)
{
	struct order order;

	order_init(&order, seed);
	put_greedy(&order);
	for (unsigned i = 0; i < GREEDY * EACH / 2; i++)
		take(&order);
	put(&order, 2, "aB");
	put(&order, 3, "BC");
	put(&order, 4, "C");
	put(&order, 1, "D");
	assert_int_equal(take(&order), 1);
	for (unsigned next = 2, last_of_a = 0; next <= 4;) {
		uint64_t token = take(&order);

		if (token >= 1000 && token < 1000 + EACH) {
			assert_int_equal(next, 2);
			assert_true(token > last_of_a);
			last_of_a = (unsigned)token;
		} else if (token < 1000) {
			assert_int_equal(token, next++);
			assert_int_equal(last_of_a, 1000 + EACH - 1);
		}
	}
	end(&order);
}

/* Against a plain list, with all kinds of owners. */
static void no_owner_sees_another_order(void **state)
{
	struct order order;
	uint64_t last[8] = {0};
	uint32_t random = 7;
	unsigned waiting = 0;

	order_init(&order, seed);
	for (unsigned i = 1; i < MANY; i++) {
		char owners[4] = {0};

		random = random * 1103515245 + 12345;
		for (unsigned at = 0; at <= (random >> 16 & 1); at++)
			owners[at] = (char)('A' + (random >> (20 + at * 3)) % 8);
		put(&order, (uint64_t)i << 16 | (uint8_t)owners[0] << 8 | (uint8_t)owners[1], owners);
		waiting++;
		while (waiting > random >> 24) {
			uint64_t token = take(&order);

			waiting--;
			for (unsigned shift = 0; shift <= 8; shift += 8) {
				unsigned owner = token >> shift & 0xff;

				if (!owner)
					continue;
				assert_true(token >> 16 >= last[owner - 'A']);
				last[owner - 'A'] = token >> 16;
			}
		}
	}
	end(&order);
}

static void put_new(struct order *order, unsigned *number)
{
	struct store_txn *txn = store_txn_new();
	char owner[16];

	snprintf(owner, sizeof(owner), "%u", (*number)++);
	store_put(txn, STORE_USER, (struct slice){owner, strlen(owner)}, SLICE("item"), SLICE("value"));
	order_put(order, txn);
}

/* So many come at once, when nothing was waiting, that those of whom something was known are forgotten. */
static void who_is_forgotten_stays_in_order(void **state)
{
	struct order order;
	unsigned number = 0;
	uint64_t first;

	order_init(&order, seed);
	put_greedy(&order);
	for (unsigned i = 0; i < 20; i++)
		put(&order, 1, "A");
	for (unsigned i = 0; i < 10; i++)
		put(&order, 2, "B");
	for (unsigned i = 0; i < GREEDY * EACH + 30; i++)
		take(&order);
	put(&order, 1, "A");
	put(&order, 2, "B");
	for (unsigned i = 0; i < 5000; i++)
		put_new(&order, &number);
	assert_int_equal(take(&order), 2);
	put(&order, 3, "A");
	do
		first = take(&order);
	while (first != 1 && first != 3);
	assert_int_equal(first, 1);
	end(&order);
}

/* Hundreds of others whom nobody saw before, all the time. */
static void nobody_waits_for_ever_behind_newcomers(void **state)
{
	struct order order;
	unsigned number = 0, mine = 0;

	order_init(&order, seed);
	for (unsigned i = 0; i < 600; i++)
		put_new(&order, &number);
	for (unsigned i = 0; i < 200; i++)
		take(&order);
	for (unsigned i = 0; i < 10; i++)
		put(&order, 100 + i, "A");
	for (unsigned rounds = 0; mine < 10; rounds++) {
		for (unsigned i = 0; i < 200; i++) {
			struct store_txn *txn = i < 64 ? order_take_oldest(&order) : order_take(&order);

			if (txn->token)
				assert_int_equal(txn->token, 100 + mine++);
			store_txn_free(&txn);
			put_new(&order, &number);
		}
		assert_true(rounds < 50);
	}
	end(&order);
}

static void newcomers_fill_no_memory(void **state)
{
	struct order order;
	unsigned number = 0;

	order_init(&order, seed);
	for (unsigned i = 0; i < 600; i++)
		put_new(&order, &number);
	while (number < 1000000) {
		take(&order);
		put_new(&order, &number);
		assert_true(table_count(&order.flows) < 200000);
	}
	end(&order);
}

static void the_oldest_come_in_order_too(void **state)
{
	struct order order;

	order_init(&order, seed);
	put_greedy(&order);
	for (unsigned i = 0; i < 100; i++)
		take(&order);
	put(&order, 1, "A");
	for (unsigned i = 0; i < GREEDY * EACH - 100; i++) {
		struct store_txn *txn = order_take_oldest(&order);

		assert_true(txn->token >= 1000);
		store_txn_free(&txn);
	}
	assert_int_equal(take(&order), 1);
	end(&order);
}

static void owners_that_had_theirs_are_forgotten(void **state)
{
	struct order order;
	char owner[16];

	order_init(&order, seed);
	for (unsigned i = 0; i < 100000; i++) {
		struct store_txn *txn = store_txn_new();

		snprintf(owner, sizeof(owner), "%u", i);
		store_put(txn, STORE_USER, (struct slice){owner, strlen(owner)}, SLICE("item"), SLICE("value"));
		order_put(&order, txn);
		put(&order, 0, "A");
		if (i >= 100) {
			take(&order);
			take(&order);
		}
		assert_true(table_count(&order.flows) < 20000);
	}
	end(&order);
	assert_int_equal(table_count(&order.flows), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_waits),
		cmocka_unit_test(of_one_owner_they_come_in_order),
		cmocka_unit_test(who_asks_for_little_comes_before_who_asks_for_much),
		cmocka_unit_test(who_asks_for_one_thing_after_another_gets_no_more_than_others),
		cmocka_unit_test(what_an_owner_has_waiting_comes_together),
		cmocka_unit_test(who_has_little_comes_first_after_a_lull),
		cmocka_unit_test(what_is_of_several_owners_keeps_the_order_of_each),
		cmocka_unit_test(no_owner_sees_another_order),
		cmocka_unit_test(who_is_forgotten_stays_in_order),
		cmocka_unit_test(nobody_waits_for_ever_behind_newcomers),
		cmocka_unit_test(newcomers_fill_no_memory),
		cmocka_unit_test(the_oldest_come_in_order_too),
		cmocka_unit_test(owners_that_had_theirs_are_forgotten),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
