/* SPDX-License-Identifier: MIT */
/*
 * Timers on a hierarchical wheel. A timer stands on the level of the highest base-64 digit in which
 * its tick differs from the wheel's, in the slot of that digit; when the wheel reaches the slot,
 * what is due runs and the rest moves down. It is lazy: a timer that is set again to a later time
 * stays where it is until then.
 */
#include "mio/backend.h"

/* Some 500 years: as good as never, and within the levels. */
static const int64_t DELAY_MAX_MS = INT64_C(1) << 43;

static unsigned level_shift(unsigned level)
{
	return level * WHEEL_BITS;
}

/* Rounded up: never early. */
static int64_t tick_of(int64_t ms)
{
	return (ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
}

static void place(struct mio_wheel *wheel, struct mio_timer *timer)
{
	int64_t tick = tick_of(timer->due_ms);
	unsigned level, slot;

	if (tick <= wheel->tick)
		tick = wheel->tick + 1;
	level = (unsigned)(63 - __builtin_clzll((uint64_t)(tick ^ wheel->tick))) / WHEEL_BITS;
	slot = (unsigned)(tick >> level_shift(level)) % WHEEL_SLOTS;
	wheel->filled[level] |= UINT64_C(1) << slot;
	list_append(&wheel->slots[level][slot], &timer->link);
}

/*
 * The first slot that holds a timer, and the tick at which it is reached; NULL when none does. All
 * slots of a level come before those of the next.
 */
static struct list *first_slot(struct mio_wheel *wheel, int64_t *tick)
{
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		while (wheel->filled[level]) {
			unsigned slot = (unsigned)__builtin_ctzll(wheel->filled[level]);
			int64_t base = wheel->tick >> level_shift(level + 1)
							      << level_shift(level + 1);

			if (!list_empty(&wheel->slots[level][slot])) {
				*tick = base + ((int64_t)slot << level_shift(level));
				return &wheel->slots[level][slot];
			}
			wheel->filled[level] &= wheel->filled[level] - 1;
		}
	}
	return NULL;
}

void mio_wheel_init(struct mio_wheel *wheel, int64_t now_ms)
{
	wheel->tick = now_ms / WHEEL_TICK_MS;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		wheel->filled[level] = 0;
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
	}
}

int64_t mio_wheel_next(struct mio_wheel *wheel)
{
	int64_t tick;

	return first_slot(wheel, &tick) ? tick * WHEEL_TICK_MS : INT64_MAX;
}

/* Takes the slot over in one piece: callbacks may stop and move timers that are still to run. */
static void run_slot(struct mio *mio, struct list *slot)
{
	struct list due, *link;

	list_init(&due);
	list_append(slot, &due);
	list_remove(slot);
	while ((link = list_shift(&due))) {
		struct mio_timer *timer = container_of(link, struct mio_timer, link);

		if (tick_of(timer->due_ms) <= mio->wheel.tick)
			timer->run(timer);
		else
			place(&mio->wheel, timer);
	}
}

void mio_wheel_run(struct mio *mio)
{
	struct mio_wheel *wheel = &mio->wheel;
	int64_t target = mio->now_ms / WHEEL_TICK_MS, tick;

	while (wheel->tick < target) {
		struct list *slot = first_slot(wheel, &tick);

		if (!slot || tick > target) {
			wheel->tick = target;
			break;
		}
		wheel->tick = tick;
		run_slot(mio, slot);
	}
}

void mio_timer_init(struct mio_timer *timer, void (*run)(struct mio_timer *timer))
{
	list_init(&timer->link);
	timer->due_ms = 0;
	timer->run = run;
}

void mio_timer_set(struct mio *mio, struct mio_timer *timer, int64_t delay_ms)
{
	int64_t delay = delay_ms < 0 ? 0 : delay_ms > DELAY_MAX_MS ? DELAY_MAX_MS : delay_ms;
	int64_t due = mio->now_ms + delay;
	bool later = mio_timer_is_set(timer) && due >= timer->due_ms;

	timer->due_ms = due;
	if (later)
		return;
	list_remove(&timer->link);
	place(&mio->wheel, timer);
}

void mio_timer_stop(struct mio_timer *timer)
{
	list_remove(&timer->link);
}

bool mio_timer_is_set(const struct mio_timer *timer)
{
	return !list_empty(&timer->link);
}
