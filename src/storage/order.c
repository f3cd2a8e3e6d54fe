/* SPDX-License-Identifier: MIT */
#include "storage/order.h"

#include <stdlib.h>
#include "base/mem.h"
#include "storage/driver.h"

enum {
	CREDIT = 32, /* operations that an owner who had none for a while has before all who had some */
	MANY_FLOWS = 4096, FLOWS_MAX = 65536,
	FIRST_PLACES = 1024,
};

struct order_place {
	uint64_t start, arrival;
	struct store_txn *txn;
};

/* Two owners of the same name, which is a hash, are only kept in order. */
struct flow {
	uint64_t name, finish;
};

static struct slice flow_key(const void *entry)
{
	const struct flow *flow = entry;

	return (struct slice){(const char *)&flow->name, sizeof(flow->name)};
}

void order_init(struct order *order, struct hash_key seed)
{
	*order = (struct order){.now = CREDIT, .many = MANY_FLOWS};
	table_init(&order->flows, flow_key, seed);
}

/* -- flows -- */

static uint64_t earliest(const struct order *order)
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
	table_put(&order->flows, flow);
	return flow;
}

/* Behind all that its owners have waiting. */
static uint64_t start_of(struct order *order, const struct store_txn *txn)
{
	uint64_t start = earliest(order);

	for (const struct store_op *op = txn->ops; op; op = op->next) {
		const struct flow *flow = flow_of(order, op->owner);

		if (flow->finish > start)
			start = flow->finish;
	}
	for (const struct store_op *op = txn->ops; op; op = op->next)
		flow_of(order, op->owner)->finish = start + store_weight(txn);
	return start;
}

/* -- the heap: nothing is before what it is under -- */

static bool is_before(const struct order_place *a, const struct order_place *b)
{
	return a->start != b->start ? a->start < b->start : a->arrival < b->arrival;
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
}

static void put(struct order *order, struct store_txn *txn)
{
	struct order_place place = {.start = start_of(order, txn), .arrival = order->arrivals++, .txn = txn};

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

void order_put(struct order *order, struct store_txn *txn)
{
	put(order, txn);
	if (table_count(&order->flows) <= order->many)
		return;
	forget_flows(order, earliest(order));
	if (table_count(&order->flows) > FLOWS_MAX && order->many > FLOWS_MAX)
		level(order);
	order->many = MANY_FLOWS + 2 * table_count(&order->flows);
}

/* When all had theirs, nobody owes another anything. */
static struct store_txn *take_at(struct order *order, uint32_t at)
{
	struct order_place first = order->places[at], last = order->places[order->count - 1];

	order->under_way = --order->count;
	if (!order->count)
		order_fini(order);
	else if (at && at < order->count && is_before(&last, &order->places[(at - 1) / 2]))
		move_up(order, at, last);
	else if (at < order->count)
		move_down(order, at, last);
	if (first.start >= order->now) {
		order->now = first.start;
		order->overtaken = order->overtaken || first.arrival < order->early;
	} else if (first.arrival > order->early) {
		order->early = first.arrival;
	}
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
