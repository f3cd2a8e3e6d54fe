/* SPDX-License-Identifier: MIT */
/*
 * Which of the transactions that wait comes next. Those of an owner stay in order. Of all others those of owners who had less come
 * first: who asks for one thing does not wait behind a thousand others' everything. (Start-time fair queueing by weight; the
 * flows are owners, a transaction is of several, and the clock is what an owner has had on average: not what the one who
 * is served has, which leaps as soon as only the greediest has something waiting.)
 */
#pragma once

#include "base/table.h"

struct store_txn;

struct order {
	struct order_place *places; /* a heap */
	uint32_t count, cap;
	uint64_t arrivals;
	uint64_t now, work; /* what an owner has had on average, in operations; the rest of that division */
	uint64_t early;	    /* the latest arrival of what was taken early */
	bool under_way;	    /* something was taken since nothing waited: who has nothing waiting now can have had little */
	bool overtaken;	    /* one was taken behind early ones that came after it; the caller takes it back */
	struct table flows; /* of owners who have some waiting, or had since it was calm for long */
	uint32_t many;	    /* of them: then those who had theirs long ago are looked for */
	uint32_t calm;	    /* batches that needed no order, since one did */
};

void order_init(struct order *order, struct hash_key seed);
void order_fini(struct order *order); /* transactions are the caller's */
void order_put(struct order *order, struct store_txn *txn);
struct store_txn *order_take(struct order *order); /* NULL: none waits */
struct store_txn *order_take_oldest(struct order *order); /* whoever had what; looks at all that wait; NULL: none does */

void order_calm(struct order *order); /* nothing waits, and a batch was run that needed no order */

bool order_is_early(const struct order *order); /* the next is of owners who had little, and goes before others */

static inline bool order_is_empty(const struct order *order)
{
	return order->count == 0;
}
