/* SPDX-License-Identifier: MIT */
/* Loops of the real machine: tasks, clocks, randomness, signals, starting and stopping. */
#include "harness.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include "mio/backend.h"

/* -- tasks, by hand -- */

enum { TASKS = 4 };

struct errand {
	struct mio_task task;
	struct desk *desk;
	unsigned number;
	bool again;
	struct errand *cancels;
};

struct desk {
	struct harness harness;
	struct errand errands[TASKS];
	unsigned order[16], count;
};

static void run_errand(struct mio_task *task)
{
	struct errand *errand = container_of(task, struct errand, task);
	struct desk *desk = errand->desk;

	desk->order[desk->count++] = errand->number;
	if (errand->again)
		mio_defer(desk->harness.mio, task);
	if (errand->cancels)
		mio_undefer(desk->harness.mio, &errand->cancels->task);
}

static void open_desk(struct desk *desk)
{
	memset(desk, 0, sizeof(*desk));
	harness_start(&desk->harness, 1, NULL, NULL);
	for (unsigned i = 0; i < TASKS; i++) {
		desk->errands[i].desk = desk;
		desk->errands[i].number = i;
		desk->errands[i].task.run = run_errand;
		mio_defer(desk->harness.mio, &desk->errands[i].task);
	}
}

static void runs_each_task_once_in_order(void **state)
{
	static const unsigned expected[] = {0, 1, 2, 3};
	struct desk desk;

	open_desk(&desk);
	mio_defer(desk.harness.mio, &desk.errands[1].task);
	assert_true(mio_has_work(desk.harness.mio));
	mio_turn_end(desk.harness.mio);
	mio_turn_end(desk.harness.mio);
	assert_int_equal(desk.count, countof(expected));
	assert_memory_equal(desk.order, expected, sizeof(expected));
	assert_false(mio_has_work(desk.harness.mio));
	harness_free(&desk.harness);
}

static void takes_tasks_back(void **state)
{
	static const unsigned expected[] = {1, 2};
	struct desk desk;

	open_desk(&desk);
	mio_undefer(desk.harness.mio, &desk.errands[0].task);
	mio_undefer(desk.harness.mio, &desk.errands[0].task);
	mio_undefer(desk.harness.mio, &desk.errands[2].task);
	mio_undefer(desk.harness.mio, &desk.errands[3].task);
	mio_defer(desk.harness.mio, &desk.errands[2].task);
	mio_turn_end(desk.harness.mio);
	assert_int_equal(desk.count, countof(expected));
	assert_memory_equal(desk.order, expected, sizeof(expected));
	harness_free(&desk.harness);
}

static void lets_tasks_defer_and_take_back_tasks(void **state)
{
	static const unsigned expected[] = {0, 1, 2, 0};
	struct desk desk;

	open_desk(&desk);
	desk.errands[0].again = true;
	desk.errands[1].cancels = &desk.errands[3];
	mio_turn_end(desk.harness.mio);
	assert_int_equal(desk.count, 3);
	desk.errands[0].again = false;
	mio_turn_end(desk.harness.mio);
	assert_int_equal(desk.count, countof(expected));
	assert_memory_equal(desk.order, expected, sizeof(expected));
	harness_free(&desk.harness);
}

/* -- starting -- */

struct starts {
	unsigned count;
	int fault;
};

static int starts_once(struct mio *mio, void *arg)
{
	struct starts *starts = arg;
	struct heap *heap = heap_enter(NULL);
	char name[16];

	heap_enter(heap);
	assert_ptr_equal(heap, mio_heap(mio));
	snprintf(name, sizeof(name), "part/%u", starts->count);
	assert_string_equal(heap_name(heap), name);
	assert_int_equal(mio_worker(mio), starts->count);
	assert_int_equal(mio_host_workers(mio_host_of(mio)), 3);
	return ++starts->count == 2 ? starts->fault : 0;
}

static void starts_workers_in_order_until_a_fault(void **state)
{
	struct starts fine = {0, 0}, faulty = {0, -EIO};
	struct mio_host *host = mio_host_new("part");

	assert_int_equal(mio_host_start(host, 3, starts_once, &fine), 0);
	assert_int_equal(fine.count, 3);
	mio_host_free(&host);
	host = mio_host_new("part");
	assert_int_equal(mio_host_start(host, 3, starts_once, &faulty), -EIO);
	assert_int_equal(faulty.count, 2);
	mio_host_free(&host);
	mio_host_free(&host);
	host = mio_host_new("part");
	assert_int_equal(mio_host_start(host, 0, NULL, NULL), -EINVAL);
	assert_int_equal(mio_host_start(host, MIO_WORKERS_MAX + 1, NULL, NULL), -EINVAL);
	mio_host_free(&host);
}

/* -- time -- */

struct watch {
	struct mio_timer timer;
	struct harness *harness;
	int64_t delay_ms, ran_ms;
	unsigned *left;
};

static void ticks(struct mio_timer *timer)
{
	struct watch *watch = container_of(timer, struct watch, timer);
	struct mio_host *host = watch->harness->host;

	watch->ran_ms = mio_now_ms(watch->harness->mio);
	assert_true(watch->ran_ms <= mio_host_now_ms(host));
	if (--*watch->left == 0)
		mio_host_stop(host);
}

static void runs_timers_by_the_real_clock(void **state)
{
	struct harness harness;
	struct watch watches[] = {{.delay_ms = 50}, {.delay_ms = 0}, {.delay_ms = 20}};
	unsigned left = countof(watches);
	int64_t start_ms, wall_ms;

	harness_start(&harness, 1, NULL, NULL);
	start_ms = mio_now_ms(harness.mio);
	for (unsigned i = 0; i < countof(watches); i++) {
		watches[i].harness = &harness;
		watches[i].left = &left;
		mio_timer_init(&watches[i].timer, ticks);
		mio_timer_set(harness.mio, &watches[i].timer, watches[i].delay_ms);
	}
	harness_run(&harness);
	for (unsigned i = 0; i < countof(watches); i++)
		assert_true(watches[i].ran_ms >= start_ms + watches[i].delay_ms);
	assert_true(watches[2].ran_ms < watches[0].ran_ms);
	wall_ms = mio_host_wall_ms(harness.host);
	assert_true(llabs(wall_ms - mio_wall_ms(harness.mio)) < 5000);
	assert_int_equal(*mio_wall_clock(harness.mio), mio_wall_ms(harness.mio));
	assert_true(wall_ms > INT64_C(1700000000000));
	harness_free(&harness);
}

/* -- randomness -- */

static void draws_different_bytes_each_time(void **state)
{
	struct harness harness;
	uint64_t draws[100];
	unsigned char large[1000] = {0};
	struct hash_key a, b;
	unsigned zeroes = 0;

	harness_start(&harness, 1, NULL, NULL);
	for (unsigned i = 0; i < countof(draws); i++) {
		mio_random(harness.mio, &draws[i], sizeof(draws[i]));
		for (unsigned k = 0; k < i; k++)
			assert_true(draws[i] != draws[k]);
	}
	mio_random(harness.mio, large, sizeof(large));
	for (unsigned i = 0; i < sizeof(large); i++)
		zeroes += large[i] == 0;
	assert_true(zeroes < 50);
	mio_host_random(harness.host, &draws[0], sizeof(draws[0]));
	assert_true(draws[0] != draws[1]);
	a = mio_hash_key(harness.mio);
	b = mio_hash_key(harness.mio);
	assert_true(a.k0 != b.k0 && a.k1 != b.k1);
	harness_free(&harness);
}

/* -- stopping -- */

static void *stops_it(void *arg)
{
	mio_host_stop(arg);
	return NULL;
}

static void stops_from_any_thread_and_runs_again(void **state)
{
	struct harness harness;
	pthread_t thread;

	harness_start(&harness, 2, NULL, NULL);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(pthread_create(&thread, NULL, stops_it, harness.host), 0);
		harness_run(&harness);
		pthread_join(thread, NULL);
	}
	assert_true(*mio_host_name(harness.host) != '\0');
	assert_null(mio_host_vfs(harness.host));
	harness_free(&harness);
}

struct caught {
	struct harness harness;
	int number;
};

static void catches(int number, void *arg)
{
	struct caught *caught = arg;

	caught->number = number;
	mio_host_stop(caught->harness.host);
}

static void reports_signals_on_worker_0(void **state)
{
	static const int numbers[] = {SIGHUP, SIGTERM, SIGINT};
	struct caught caught = {.number = 0};
	sigset_t before;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	harness_start(&caught.harness, 2, NULL, NULL);
	assert_int_equal(mio_host_signals(caught.harness.host, catches, &caught), 0);
	for (unsigned i = 0; i < countof(numbers); i++) {
		kill(getpid(), numbers[i]);
		harness_run(&caught.harness);
		assert_int_equal(caught.number, numbers[i]);
	}
	harness_free(&caught.harness);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_each_task_once_in_order),
		cmocka_unit_test(takes_tasks_back),
		cmocka_unit_test(lets_tasks_defer_and_take_back_tasks),
		cmocka_unit_test(starts_workers_in_order_until_a_fault),
		cmocka_unit_test(runs_timers_by_the_real_clock),
		cmocka_unit_test(draws_different_bytes_each_time),
		cmocka_unit_test(stops_from_any_thread_and_runs_again),
		cmocka_unit_test(reports_signals_on_worker_0),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
