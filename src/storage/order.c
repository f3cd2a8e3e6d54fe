/* SPDX-License-Identifier: MIT */
#include "storage/order.h"

#include <stdlib.h>
#include "base/mem.h"
#include "storage/driver.h"

enum {
	CREDIT = 32,  /* operations less than the average is what an owner of whom nothing is known is said to have had, */
	MEMORY = 256, /* and the least that one of whom more is known is */
	TURN = 16,    /* that an owner has one behind another: his rows are neighbours, and a page is what a commit costs */
	MANY_FLOWS = 4096, FLOWS_MAX = 65536,
	FIRST_PLACES = 1024,
	CALM_MANY = 1000, /* batches without an order: who had what before them is forgotten */
};

struct order_place {
	uint64_t start, turn, arrival; /* the turn is the first arrival in it */
	struct store_txn *txn;
};

/* Two owners of the same name, which is a hash, are only kept in order. */
struct flow {
	uint64_t name, finish;
	uint64_t start, turn; /* of what came last, if it was of this owner only */
};

static struct slice flow_key(const void *entry)
{
	const struct flow *flow = entry;

	return (struct slice){(const char *)&flow->name, sizeof(flow->name)};
}

void order_init(struct order *order, struct hash_key seed)
{
	*order = (struct order){.now = MEMORY, .many = MANY_FLOWS};
	table_init(&order->flows, flow_key, seed);
}

/* -- flows -- */

static uint64_t earliest(const struct order *order)
{
	return order->now - MEMORY;
}

/* Of one of whom nothing is known. */
static uint64_t first_start(const struct order *order)
{
	return order->under_way ? order->now - CREDIT : order->now;
}

static void forget_flows(struct order *order, uint64_t up_to)
{
	struct flow *flow;

	for (uint32_t at = 0; (flow = table_next(&order->flows, &at));) {
		if (flow->finish <= up_to)
			mem_free(table_del(&order->flows, flow_key(flow)));
	}
}

static struct flow *flow_of(struct order *order, struct slice owner)
{
	uint64_t name = hash_bytes(order->flows.seed, owner);
	struct flow *flow = table_get(&order->flows, (struct slice){(const char *)&name, sizeof(name)});

	if (flow)
		return flow;
	flow = mem_zalloc(MEM_STORAGE, sizeof(*flow));
	flow->name = name;
	flow->finish = first_start(order);
	table_put(&order->flows, flow);
	return flow;
}

static bool is_of_one(const struct store_txn *txn)
{
	for (const struct store_op *op = txn->ops; op; op = op->next) {
		if (!slice_equal(op->owner, txn->ops->owner))
			return false;
	}
	return txn->ops != NULL;
}

/* With what its only owner had before it, if that is a turn which is not over. */
static bool joins(const struct order *order, const struct flow *flow, struct order_place *place)
{
	if (!flow || flow->start < earliest(order) || flow->finish >= flow->start + TURN)
		return false;
	place->start = flow->start;
	place->turn = flow->turn;
	return true;
}

/* Behind all that its owners have waiting. */
static void find_place(struct order *order, struct order_place *place)
{
	const struct store_txn *txn = place->txn;
	struct flow *only = is_of_one(txn) ? flow_of(order, txn->ops->owner) : NULL;

	if (joins(order, only, place)) {
		only->finish += store_weight(txn);
		return;
	}
	place->start = earliest(order);
	place->turn = place->arrival;
	for (const struct store_op *op = txn->ops; op; op = op->next) {
		const struct flow *flow = flow_of(order, op->owner);

		if (flow->finish > place->start)
			place->start = flow->finish;
	}
	for (const struct store_op *op = txn->ops; op; op = op->next) {
		struct flow *flow = flow_of(order, op->owner);

		flow->finish = place->start + store_weight(txn);
		flow->start = only ? place->start : 0;
		flow->turn = place->turn;
	}
}

/* -- the heap: nothing is before what it is under -- */

static bool is_before(const struct order_place *a, const struct order_place *b)
{
	if (a->start != b->start)
		return a->start < b->start;
	return a->turn != b->turn ? a->turn < b->turn : a->arrival < b->arrival;
}

static void move_up(struct order *order, uint32_t at, struct order_place place)
{
	for (uint32_t above; at && is_before(&place, &order->places[above = (at - 1) / 2]); at = above)
		order->places[at] = order->places[above];
	order->places[at] = place;
}

static void move_down(struct order *order, uint32_t at, struct order_place place)
{
	for (uint32_t below; (below = 2 * at + 1) < order->count; at = below) {
		if (below + 1 < order->count && is_before(&order->places[below + 1], &order->places[below]))
			below++;
		if (!is_before(&order->places[below], &place))
			break;
		order->places[at] = order->places[below];
	}
	order->places[at] = place;
}

/* -- all together -- */

void order_fini(struct order *order)
{
	forget_flows(order, UINT64_MAX);
	table_fini(&order->flows);
	mem_free(order->places);
	order->places = NULL;
	order->count = order->cap = 0;
	order->many = MANY_FLOWS;
	order->calm = 0;
}

static void put(struct order *order, struct store_txn *txn)
{
	struct order_place place = {.arrival = order->arrivals++, .txn = txn};

	find_place(order, &place);
	if (order->count == order->cap) {
		order->cap = order->cap ? order->cap * 2 : FIRST_PLACES;
		order->places = mem_realloc(MEM_STORAGE, order->places, order->cap * sizeof(*order->places));
	}
	move_up(order, order->count++, place);
}

bool order_is_early(const struct order *order)
{
	return order->count && order->places[0].start < order->now;
}

static int by_arrival(const void *a, const void *b)
{
	const struct order_place *one = a, *other = b;

	return (one->arrival > other->arrival) - (one->arrival < other->arrival);
}

/* What anybody had is forgotten, and all begin anew in the order in which they came. */
static void level(struct order *order)
{
	struct order_place *places = order->places;
	uint32_t count = order->count;

	order->places = NULL;
	order_fini(order);
	order->under_way = false;
	if (count)
		qsort(places, count, sizeof(*places), by_arrival);
	for (uint32_t at = 0; at < count; at++)
		put(order, places[at].txn);
	mem_free(places);
}

void order_calm(struct order *order)
{
	if (order->cap && ++order->calm == CALM_MANY)
		order_fini(order);
}

void order_put(struct order *order, struct store_txn *txn)
{
	order->calm = 0;
	put(order, txn);
	if (table_count(&order->flows) <= order->many)
		return;
	forget_flows(order, order->now - CREDIT); /* whose next starts no earlier than behind what they have waiting */
	if (table_count(&order->flows) > FLOWS_MAX && order->many > FLOWS_MAX)
		level(order);
	order->many = MANY_FLOWS + 2 * table_count(&order->flows);
}

static void count_work(struct order *order, unsigned weight)
{
	uint32_t owners = table_count(&order->flows) ? table_count(&order->flows) : 1;

	order->work += weight;
	order->now += order->work / owners;
	order->work %= owners;
}

static struct store_txn *take_at(struct order *order, uint32_t at)
{
	struct order_place first = order->places[at], last = order->places[order->count - 1];

	order->under_way = --order->count;
	if (at && at < order->count && is_before(&last, &order->places[(at - 1) / 2]))
		move_up(order, at, last);
	else if (at < order->count)
		move_down(order, at, last);
	if (first.start >= order->now)
		order->overtaken = order->overtaken || first.arrival < order->early;
	else if (first.arrival > order->early)
		order->early = first.arrival;
	count_work(order, store_weight(first.txn));
	return first.txn;
}

struct store_txn *order_take(struct order *order)
{
	return order->count ? take_at(order, 0) : NULL;
}

struct store_txn *order_take_oldest(struct order *order)
{
	uint32_t oldest = 0;

	if (!order->count)
		return NULL;
	for (uint32_t at = 1; at < order->count; at++) {
		if (order->places[at].arrival < order->places[oldest].arrival)
			oldest = at;
	}
	return take_at(order, oldest);
}
