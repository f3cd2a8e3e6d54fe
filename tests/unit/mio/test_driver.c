/* SPDX-License-Identifier: MIT */
/* Drivers: threads that may block, and their answers. */
#include "harness.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum { JOBS = 1000, WORKERS = 2, BATCH = 16, QUEUE = 40 };

struct work {
	struct harness harness;
	struct mio_driver *driver;
	struct task *tasks;
	pthread_t homes[WORKERS];
	bool submitting[WORKERS];
	unsigned next[WORKERS], answers[WORKERS];
	_Atomic unsigned done, ran, batches;
	unsigned last_number, largest_batch;
	char heap[32];
	sem_t go;
};

struct task {
	struct mio_job job;
	struct mio_task starter;
	struct work *work;
	struct mio *mio;
	unsigned number, worker;
	bool ran;
};

static void count_batch(struct work *work, struct mio_job *jobs)
{
	unsigned count = 0;

	for (struct mio_job *job = jobs; job; job = job->next) {
		struct task *task = container_of(job, struct task, job);

		assert_false(task->ran);
		task->ran = true;
		count++;
		atomic_fetch_add(&work->ran, 1);
	}
	assert_in_range(count, 1, BATCH);
	atomic_fetch_add(&work->batches, 1);
}

static void run_batch(void *state, struct mio_job **jobs)
{
	count_batch(state, *jobs);
}

/* On the thread and in the heap of the loop that asked, never inside the asking. */
static void answered(struct mio_job *job)
{
	struct task *task = container_of(job, struct task, job);
	struct work *work = task->work;
	struct heap *heap = heap_enter(NULL);

	heap_enter(heap);
	assert_ptr_equal(heap, mio_heap(task->mio));
	assert_ptr_equal(job->home, task->mio);
	assert_true(pthread_equal(pthread_self(), work->homes[task->worker]));
	assert_false(work->submitting[task->worker]);
	assert_true(task->ran);
	if (++work->answers[task->worker] == JOBS && ++work->done == WORKERS)
		mio_host_stop(work->harness.host);
}

static void submit_all(struct mio_task *starter)
{
	struct task *first = container_of(starter, struct task, starter);
	struct work *work = first->work;

	work->homes[first->worker] = pthread_self();
	work->submitting[first->worker] = true;
	for (unsigned i = 0; i < JOBS; i++)
		mio_submit(first->mio, work->driver, &first[i].job);
	work->submitting[first->worker] = false;
}

static void open_work(struct work *work, unsigned threads, unsigned batch_max,
		      void (*run)(void *state, struct mio_job **jobs))
{
	memset(work, 0, sizeof(*work));
	sem_init(&work->go, 0, 0);
	harness_start(&work->harness, WORKERS, NULL, NULL);
	work->tasks = mem_zalloc(MEM_OTHER, WORKERS * JOBS * sizeof(struct task));
	for (unsigned i = 0; i < WORKERS * JOBS; i++) {
		struct task *task = &work->tasks[i];

		task->work = work;
		task->worker = i / JOBS;
		task->number = i;
		task->mio = mio_host_loop(work->harness.host, task->worker);
		task->job.done = answered;
		task->starter.run = submit_all;
	}
	work->driver = mio_driver_new(work->harness.host, "oracle", threads, batch_max, run, work);
}

static void close_work(struct work *work)
{
	mio_driver_free(&work->driver);
	mio_driver_free(&work->driver);
	mem_free(work->tasks);
	harness_free(&work->harness);
	sem_destroy(&work->go);
}

static void answer_with(unsigned threads)
{
	struct work work;

	open_work(&work, threads, BATCH, run_batch);
	for (unsigned i = 0; i < WORKERS; i++)
		mio_defer(work.tasks[i * JOBS].mio, &work.tasks[i * JOBS].starter);
	harness_run(&work.harness);
	assert_int_equal(work.ran, WORKERS * JOBS);
	assert_true(work.batches >= WORKERS * JOBS / BATCH);
	assert_int_equal(mio_driver_queued(work.driver), 0);
	close_work(&work);
}

static void answers_each_job_in_its_home_loop(void **state)
{
	answer_with(1);
}

static void works_with_several_threads(void **state)
{
	answer_with(3);
}

/* -- it does the last of what it has first, one at a time -- */

static _Thread_local struct mio_job *kept; /* the driver's thread's */

static void run_last_first(void *state, struct mio_job **jobs)
{
	struct mio_job *job;

	while ((job = *jobs)) {
		*jobs = job->next;
		job->next = kept;
		kept = job;
	}
	*jobs = kept;
	kept = kept->next;
	(*jobs)->next = NULL;
	count_batch(state, *jobs);
}

static void answers_what_it_kept_when_it_is_done(void **state)
{
	struct work work;

	open_work(&work, 2, BATCH, run_last_first);
	for (unsigned i = 0; i < WORKERS; i++)
		mio_defer(work.tasks[i * JOBS].mio, &work.tasks[i * JOBS].starter);
	harness_run(&work.harness);
	assert_int_equal(work.ran, WORKERS * JOBS);
	assert_int_equal(work.batches, WORKERS * JOBS);
	close_work(&work);
}

/* -- the queue; no loop runs, so nothing is answered -- */

static void run_in_order(void *state, struct mio_job **jobs)
{
	struct work *work = state;
	struct heap *heap = heap_enter(NULL);
	unsigned count = 0;

	heap_enter(heap);
	strncpy(work->heap, heap_name(heap), sizeof(work->heap) - 1);
	while (sem_wait(&work->go) < 0)
		continue;
	sem_post(&work->go);
	for (struct mio_job *job = *jobs; job; job = job->next) {
		struct task *task = container_of(job, struct task, job);

		assert_int_equal(task->number, work->last_number++);
		count++;
	}
	atomic_fetch_add(&work->ran, count);
	if (count > work->largest_batch)
		work->largest_batch = count;
}

static void unexpected(struct mio_job *job)
{
	fail();
}

static void submit_unanswered(struct work *work)
{
	for (unsigned i = 0; i < QUEUE; i++) {
		work->tasks[i].job.done = unexpected;
		mio_submit(work->harness.mio, work->driver, &work->tasks[i].job);
	}
}

static void does_what_it_kept_before_it_is_freed(void **state)
{
	struct work work;

	open_work(&work, 1, BATCH, run_last_first);
	submit_unanswered(&work);
	mio_driver_free(&work.driver);
	assert_int_equal(work.ran, QUEUE);
	close_work(&work);
}

static void runs_what_is_queued_before_it_is_freed(void **state)
{
	struct work work;

	open_work(&work, 1, BATCH, run_in_order);
	submit_unanswered(&work);
	assert_in_range(mio_driver_queued(work.driver), QUEUE - BATCH, QUEUE);
	sem_post(&work.go);
	mio_driver_free(&work.driver);
	assert_null(work.driver);
	assert_int_equal(work.ran, QUEUE);
	assert_int_equal(work.largest_batch, BATCH);
	assert_string_equal(work.heap, "test/oracle");
	close_work(&work);
}

/* -- what a driver made may outlive it -- */

struct gift {
	struct mio_job job;
	struct harness *harness;
	char *text;
};

static void make_gift(void *state, struct mio_job **jobs)
{
	for (struct mio_job *job = *jobs; job; job = job->next)
		container_of(job, struct gift, job)->text = mem_strdup(MEM_TEXT, "from the driver");
}

static void take_gift(struct mio_job *job)
{
	mio_host_stop(container_of(job, struct gift, job)->harness->host);
}

static void leaves_what_it_made_behind(void **state)
{
	struct harness harness;
	struct mio_driver *driver;
	struct gift gift = {.harness = &harness, .job.done = take_gift};
	struct heap_usage usage;

	harness_start(&harness, 1, NULL, NULL);
	driver = mio_driver_new(harness.host, "oracle", 1, 1, make_gift, NULL);
	mio_submit(harness.mio, driver, &gift.job);
	harness_run(&harness);
	mio_driver_free(&driver);
	assert_string_equal(gift.text, "from the driver");
	mio_host_usage(harness.host, &usage);
	assert_int_equal(usage.bytes[MEM_TEXT], sizeof("from the driver"));
	mem_free(gift.text);
	harness_free(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_each_job_in_its_home_loop),
		cmocka_unit_test(works_with_several_threads),
		cmocka_unit_test(answers_what_it_kept_when_it_is_done),
		cmocka_unit_test(runs_what_is_queued_before_it_is_freed),
		cmocka_unit_test(does_what_it_kept_before_it_is_freed),
		cmocka_unit_test(leaves_what_it_made_behind),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
