/* SPDX-License-Identifier: MIT */
/*
 * All workers count into one sum and, by the length of each queue, into classes. Who finds the bound exceeded wakes all
 * members; each gives up its queues of what is then the highest class.
 */
#include "mio/budget.h"

#include "base/mem.h"

enum {
	STEPS_BITS = 2,
	SMALLEST_BITS = 10,
	CLASSES = (64 - SMALLEST_BITS) << STEPS_BITS,
	NO_CLASS = -1,
	MEMBERS_MAX = 2 * MIO_WORKERS_MAX,
};

struct budget {
	_Atomic size_t limit;
	_Atomic size_t used;
	_Atomic uint32_t classes[CLASSES];
	struct budget_member *members[MEMBERS_MAX];
	unsigned member_count;
};

/* All that are shorter than a kilobyte are in one. */
int budget_class(size_t bytes)
{
	int bits = bytes ? 63 - __builtin_clzll(bytes) : 0;

	if (bits < SMALLEST_BITS)
		return bytes ? 0 : NO_CLASS;
	return (bits - SMALLEST_BITS) << STEPS_BITS |
	       (int)(bytes >> (bits - STEPS_BITS) & ((1 << STEPS_BITS) - 1));
}

static int highest_class(const struct budget *budget)
{
	int at = CLASSES - 1;

	while (at >= 0 && !atomic_load_explicit(&budget->classes[at], memory_order_relaxed))
		at--;
	return at;
}

bool budget_is_exceeded(const struct budget *budget)
{
	return budget_used(budget) > atomic_load_explicit(&budget->limit, memory_order_relaxed);
}

static void wake(struct budget *budget, struct mio *from)
{
	for (unsigned at = 0; at < budget->member_count; at++) {
		struct budget_member *member = budget->members[at];

		if (!atomic_exchange(&member->waits, true))
			mio_post(from, member->mio, MIO_CONTROL, &member->mail);
	}
}

static void shed(struct mio *mio, struct mio_mail *mail)
{
	struct budget_member *member = container_of(mail, struct budget_member, mail);
	struct budget *budget = member->budget;
	int highest = highest_class(budget);

	atomic_store(&member->waits, false);
	if (highest != NO_CLASS && budget_is_exceeded(budget))
		member->shed(member, highest);
	/* Those who waited behind them are the greediest now. */
	if (budget_is_exceeded(budget) && highest_class(budget) != highest)
		wake(budget, mio);
}

static void change_class(struct budget *budget, int class, uint32_t change)
{
	if (class != NO_CLASS)
		atomic_fetch_add_explicit(&budget->classes[class], change, memory_order_relaxed);
}

void budget_count(struct budget_member *member, size_t *counted, size_t now)
{
	struct budget *budget = member->budget;
	size_t before = *counted;

	if (!budget || now == before)
		return;
	*counted = now;
	atomic_fetch_add_explicit(&budget->used, now - before, memory_order_relaxed);
	if (budget_class(now) != budget_class(before)) {
		change_class(budget, budget_class(before), UINT32_MAX);
		change_class(budget, budget_class(now), 1);
	}
	if (now > before && budget_is_exceeded(budget))
		wake(budget, member->mio);
}

void budget_join(struct budget *budget, struct budget_member *member)
{
	if (budget->member_count == MEMBERS_MAX)
		return; /* two kinds for each worker, that is all */
	member->budget = budget;
	member->mail.run = shed;
	budget->members[budget->member_count++] = member;
}

struct budget *budget_new(size_t limit)
{
	struct budget *budget = mem_zalloc(MEM_LOOP, sizeof(*budget));

	budget_set(budget, limit);
	return budget;
}

void budget_free(struct budget **budget)
{
	mem_free(*budget);
	*budget = NULL;
}

void budget_set(struct budget *budget, size_t limit)
{
	atomic_store_explicit(&budget->limit, limit, memory_order_relaxed);
}

size_t budget_limit(const struct budget *budget)
{
	return atomic_load_explicit(&budget->limit, memory_order_relaxed);
}

size_t budget_used(const struct budget *budget)
{
	return atomic_load_explicit(&budget->used, memory_order_relaxed);
}
