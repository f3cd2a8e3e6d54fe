/* SPDX-License-Identifier: MIT */
/* Timers, on a loop whose clock the test sets. */
#include "harness.h"
#include "mio/backend.h"

enum { MANY = 100000, START_MS = 1234567 };

struct alarm {
	struct mio_timer timer;
	struct clock *clock;
	int64_t set_due_ms, late_ms;
	unsigned runs, number;
};

struct clock {
	struct mio mio;
	unsigned runs;
	unsigned order[16];
	struct alarm *victim;
};

static void clock_init(struct clock *clock)
{
	memset(clock, 0, sizeof(*clock));
	clock->mio.now_ms = START_MS;
	mio_wheel_init(&clock->mio.wheel, START_MS);
}

static void advance(struct clock *clock, int64_t to_ms)
{
	clock->mio.now_ms = to_ms;
	mio_wheel_run(&clock->mio);
}

static void rings(struct mio_timer *timer)
{
	struct alarm *alarm = container_of(timer, struct alarm, timer);
	struct clock *clock = alarm->clock;

	assert_false(mio_timer_is_set(timer));
	assert_true(clock->mio.now_ms >= alarm->set_due_ms);
	alarm->late_ms = clock->mio.now_ms - alarm->set_due_ms;
	alarm->runs++;
	if (clock->runs < countof(clock->order))
		clock->order[clock->runs] = alarm->number;
	clock->runs++;
}

static void set(struct alarm *alarm, struct clock *clock, int64_t delay_ms)
{
	if (!alarm->clock)
		mio_timer_init(&alarm->timer, rings);
	alarm->clock = clock;
	alarm->set_due_ms = clock->mio.now_ms + delay_ms;
	mio_timer_set(&clock->mio, &alarm->timer, delay_ms);
}

static uint32_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

static void is_never_early_and_at_most_a_tick_late(void **state)
{
	static const int64_t delays[] = {0,
					 1,
					 7,
					 8,
					 9,
					 63,
					 511,
					 512,
					 513,
					 4095,
					 32768,
					 60000,
					 300000,
					 3600000,
					 86400000,
					 INT64_C(30) * 86400000,
					 INT64_C(4000) * 86400000};
	struct clock clock;
	struct alarm alarms[countof(delays)] = {0};

	clock_init(&clock);
	for (unsigned i = 0; i < countof(delays); i++)
		set(&alarms[i], &clock, delays[i]);
	for (int64_t next; (next = mio_wheel_next(&clock.mio.wheel)) != INT64_MAX;) {
		assert_true(next > clock.mio.now_ms);
		advance(&clock, next);
	}
	for (unsigned i = 0; i < countof(delays); i++) {
		assert_int_equal(alarms[i].runs, 1);
		assert_true(alarms[i].late_ms <= WHEEL_TICK_MS);
	}
}

static void runs_in_order_of_time_and_then_of_setting(void **state)
{
	static const int64_t delays[] = {5000, 40, 5000, 100, 40, 700, 5000};
	static const unsigned expected[] = {1, 4, 3, 5, 0, 2, 6};
	struct clock clock;
	struct alarm alarms[countof(delays)] = {0};

	clock_init(&clock);
	for (unsigned i = 0; i < countof(delays); i++) {
		alarms[i].number = i;
		set(&alarms[i], &clock, delays[i]);
	}
	advance(&clock, START_MS + 100000);
	assert_int_equal(clock.runs, countof(delays));
	assert_memory_equal(clock.order, expected, sizeof(expected));
}

static void moves_a_timer_that_is_set_again(void **state)
{
	struct clock clock;
	struct alarm later = {0}, sooner = {0};

	clock_init(&clock);
	set(&later, &clock, 100);
	set(&sooner, &clock, 100000);
	set(&later, &clock, 5000);
	set(&sooner, &clock, 50);
	advance(&clock, START_MS + 200);
	assert_int_equal(sooner.runs, 1);
	assert_int_equal(later.runs, 0);
	assert_true(mio_timer_is_set(&later.timer));
	advance(&clock, START_MS + 4999);
	assert_int_equal(later.runs, 0);
	set(&later, &clock, 1000);
	set(&later, &clock, 100);
	advance(&clock, START_MS + 4999 + 108);
	assert_int_equal(later.runs, 1);
	advance(&clock, START_MS + 200000);
	assert_int_equal(clock.runs, 2);
}

static void does_not_run_a_stopped_timer(void **state)
{
	struct clock clock;
	struct alarm alarm = {0};

	clock_init(&clock);
	set(&alarm, &clock, 100);
	mio_timer_stop(&alarm.timer);
	mio_timer_stop(&alarm.timer);
	assert_false(mio_timer_is_set(&alarm.timer));
	assert_true(mio_wheel_next(&clock.mio.wheel) == INT64_MAX);
	advance(&clock, START_MS + 1000);
	assert_int_equal(clock.runs, 0);
}

static void kills(struct mio_timer *timer)
{
	struct alarm *alarm = container_of(timer, struct alarm, timer);

	mio_timer_stop(&alarm->clock->victim->timer);
	mem_free(alarm->clock->victim);
	alarm->clock->runs++;
}

static void lets_a_callback_free_the_next_one(void **state)
{
	struct clock clock;
	struct alarm killer = {0}, *victim = mem_zalloc(MEM_OTHER, sizeof(*victim));

	clock_init(&clock);
	clock.victim = victim;
	set(&killer, &clock, 100);
	killer.timer.run = kills;
	set(victim, &clock, 100);
	advance(&clock, START_MS + 1000);
	assert_int_equal(clock.runs, 1);
}

static void repeats(struct mio_timer *timer)
{
	struct alarm *alarm = container_of(timer, struct alarm, timer);

	alarm->runs++;
	mio_timer_set(&alarm->clock->mio, timer, 0);
}

static void does_not_catch_up_after_a_jump(void **state)
{
	struct clock clock;
	struct alarm alarm = {0};

	clock_init(&clock);
	set(&alarm, &clock, 0);
	alarm.timer.run = repeats;
	advance(&clock, START_MS + 86400000);
	assert_in_range(alarm.runs, 1, 2);
	mio_timer_stop(&alarm.timer);
}

static void takes_forever_as_a_delay(void **state)
{
	struct clock clock;
	struct alarm alarm = {0}, past = {0};

	clock_init(&clock);
	set(&past, &clock, -1000);
	mio_timer_init(&alarm.timer, rings);
	mio_timer_set(&clock.mio, &alarm.timer, INT64_MAX);
	assert_true(mio_timer_is_set(&alarm.timer));
	advance(&clock, START_MS + INT64_C(100) * 365 * 86400000);
	assert_int_equal(past.runs, 1);
	assert_int_equal(clock.runs, 1);
	mio_timer_stop(&alarm.timer);
}

static void keeps_a_hundred_thousand(void **state)
{
	struct clock *clock = mem_alloc(MEM_OTHER, sizeof(*clock));
	struct alarm *alarms = mem_zalloc(MEM_OTHER, MANY * sizeof(*alarms));
	unsigned stopped = 0;
	uint64_t seed = 1;

	clock_init(clock);
	for (unsigned i = 0; i < MANY; i++)
		set(&alarms[i], clock, next_random(&seed) % 600000);
	for (unsigned i = 0; i < MANY; i += 3)
		set(&alarms[i], clock, next_random(&seed) % 600000);
	for (unsigned i = 0; i < MANY; i += 7) {
		mio_timer_stop(&alarms[i].timer);
		stopped++;
	}
	while (clock->mio.now_ms < START_MS + 600016)
		advance(clock, clock->mio.now_ms + next_random(&seed) % 100);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(alarms[i].runs, i % 7 ? 1 : 0);
		assert_true(alarms[i].late_ms < 100 + WHEEL_TICK_MS);
	}
	assert_int_equal(clock->runs, MANY - stopped);
	assert_true(mio_wheel_next(&clock->mio.wheel) == INT64_MAX);
	mem_free(alarms);
	mem_free(clock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_never_early_and_at_most_a_tick_late),
		cmocka_unit_test(runs_in_order_of_time_and_then_of_setting),
		cmocka_unit_test(moves_a_timer_that_is_set_again),
		cmocka_unit_test(does_not_run_a_stopped_timer),
		cmocka_unit_test(lets_a_callback_free_the_next_one),
		cmocka_unit_test(does_not_catch_up_after_a_jump),
		cmocka_unit_test(takes_forever_as_a_delay),
		cmocka_unit_test(keeps_a_hundred_thousand),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
