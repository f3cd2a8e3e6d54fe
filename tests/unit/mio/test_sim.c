/* SPDX-License-Identifier: MIT */
/* The simulator: two processes at work, the same from the same seed; time, drivers, kills, ends. */
#include <signal.h>
#include "sim_peer.h"

enum { WORKERS = 2, CLIENTS = 3, PEERS_MAX = 32 };

/* -- a program of two hosts: clients say something now and then, servers answer and tell each other
 * -- */

struct node;

struct note {
	struct mio_mail mail;
	struct node *to;
};

struct job {
	struct mio_job job;
	struct node *node;
};

struct node {
	struct program *program;
	struct mio *mio;
	struct mio_listener *listener;
	struct peer peers[PEERS_MAX];
	unsigned used, notes, answers;
	struct mio_timer timer;
};

struct program {
	struct sim *sim;
	struct mio_host *server, *client;
	struct mio_listener *listener;
	struct mio_driver *driver;
	struct node *servers[WORKERS], *clients[WORKERS];
	unsigned ran; /* jobs, counted by the driver */
};

static void note_arrived(struct mio *mio, struct mio_mail *mail)
{
	struct note *note = container_of(mail, struct note, mail);

	note->to->notes++;
	mem_free(note);
}

static void run_jobs(void *state, struct mio_job **jobs)
{
	struct program *program = state;

	for (const struct mio_job *job = *jobs; job; job = job->next)
		program->ran++;
}

static void job_done(struct mio_job *base)
{
	struct job *job = container_of(base, struct job, job);

	job->node->answers++;
	mem_free(job);
}

static void server_accepted(int given, void *arg)
{
	struct node *node = arg, *other = node->program->servers[1 - mio_worker(node->mio)];
	struct note *note = mem_zalloc(MEM_OTHER, sizeof(*note));
	struct job *job = mem_zalloc(MEM_OTHER, sizeof(*job));

	if (node->used == PEERS_MAX) {
		mio_refuse(node->mio, given);
	} else {
		node->peers[node->used].echo = true;
		mio_sock_take(node->mio, &node->peers[node->used++].sock, given, &peer_handler,
			      MIO_ENTRY);
	}
	note->mail = (struct mio_mail){.run = note_arrived, .bytes = sizeof(*note)};
	note->to = other;
	mio_post(node->mio, other->mio, MIO_DATA, &note->mail);
	job->job.done = job_done;
	job->node = node;
	mio_submit(node->mio, node->program->driver, &job->job);
}

static struct node *node_new(struct mio *mio, struct program *program)
{
	struct node *node = mem_zalloc(MEM_OTHER, sizeof(*node));

	node->program = program;
	node->mio = mio;
	return node;
}

static int start_server(struct mio *mio, void *arg)
{
	struct program *program = arg;
	struct node *node = program->servers[mio_worker(mio)] = node_new(mio, program);

	mio_accept(mio, program->listener, server_accepted, node);
	return 0;
}

static void client_speaks(struct mio_timer *timer)
{
	struct node *node = container_of(timer, struct node, timer);
	char bytes[300];
	uint8_t choice[2];

	mio_random(node->mio, choice, sizeof(choice));
	mio_random(node->mio, bytes, sizeof(bytes));
	if (node->peers[choice[0] % CLIENTS].sock.fd)
		peer_say(&node->peers[choice[0] % CLIENTS], bytes, choice[1]);
	mio_timer_set(node->mio, timer, choice[1] % 50);
}

static int start_client(struct mio *mio, void *arg)
{
	struct program *program = arg;
	struct node *node = program->clients[mio_worker(mio)] = node_new(mio, program);

	for (unsigned i = 0; i < CLIENTS; i++)
		mio_connect(mio, &node->peers[i].sock, "127.0.0.1:5222", &peer_handler, 0);
	mio_timer_init(&node->timer, client_speaks);
	mio_timer_set(mio, &node->timer, 1);
	return 0;
}

static void serve(struct program *program)
{
	program->server = sim_host(program->sim, "server");
	assert_int_equal(mio_listen(program->server, "127.0.0.1:5222", &program->listener), 0);
	program->driver = mio_driver_new(program->server, "disk", 2, 2, run_jobs, program);
	assert_int_equal(mio_host_start(program->server, WORKERS, start_server, program), 0);
}

static void program_init(struct program *program, uint64_t seed)
{
	struct sim_options options = {.seed = seed, .partial_percent = 20};

	memset(program, 0, sizeof(*program));
	program->sim = sim_new(&options);
	serve(program);
	program->client = sim_host(program->sim, "client");
	assert_int_equal(mio_host_start(program->client, WORKERS, start_client, program), 0);
}

static void check_work(struct program *program)
{
	unsigned notes = 0, answers = 0;
	size_t echoed = 0;

	for (unsigned worker = 0; worker < WORKERS; worker++) {
		notes += program->servers[worker]->notes;
		answers += program->servers[worker]->answers;
		for (unsigned i = 0; i < CLIENTS; i++)
			echoed += buf_used(&program->clients[worker]->peers[i].in);
	}
	assert_int_equal(notes, WORKERS * CLIENTS);
	assert_int_equal(answers, WORKERS * CLIENTS);
	assert_int_equal(program->ran, WORKERS * CLIENTS);
	assert_true(echoed > 1000);
}

static uint64_t trace_of(uint64_t seed, bool kills)
{
	struct program program;
	uint64_t trace;

	program_init(&program, seed);
	sim_run(program.sim, 1000, NULL, NULL);
	check_work(&program);
	if (kills) {
		sim_kill(program.sim, &program.server);
		sim_run(program.sim, 20, NULL, NULL);
		serve(&program);
		sim_kill(program.sim, &program.client);
		sim_run(program.sim, 20, NULL, NULL);
		program.client = sim_host(program.sim, "client");
		assert_int_equal(mio_host_start(program.client, WORKERS, start_client, &program),
				 0);
		sim_run(program.sim, 500, NULL, NULL);
	}
	trace = sim_trace(program.sim);
	sim_free(&program.sim);
	return trace;
}

static void the_same_seed_gives_the_same_trace(void **state)
{
	for (uint64_t seed = 1; seed <= 5; seed++)
		assert_true(trace_of(seed, false) == trace_of(seed, false));
}

static void other_seeds_give_other_traces(void **state)
{
	assert_true(trace_of(1, false) != trace_of(2, false));
}

static void the_same_seed_gives_the_same_trace_with_kills(void **state)
{
	for (uint64_t seed = 1; seed <= 5; seed++)
		assert_true(trace_of(seed, true) == trace_of(seed, true));
}

static void a_kill_may_strike_at_any_step(void **state)
{
	for (unsigned steps = 0; steps < 150; steps++) {
		struct program program;

		program_init(&program, 9);
		for (unsigned i = 0; i < steps; i++)
			assert_true(sim_step(program.sim));
		sim_kill(program.sim, &program.server);
		sim_run(program.sim, 30, NULL, NULL);
		sim_free(&program.sim);
	}
}

/* -- smaller ones -- */

struct alone {
	struct sim *sim;
	struct mio_host *host;
	struct mio *mio;
};

static void alone_init(struct alone *alone, uint64_t seed)
{
	struct sim_options options = {.seed = seed};

	alone->sim = sim_new(&options);
	alone->host = sim_host(alone->sim, "alone");
	assert_int_equal(mio_host_start(alone->host, 2, NULL, NULL), 0);
	alone->mio = mio_host_loop(alone->host, 0);
}

struct ticker {
	struct mio_timer timer;
	struct mio *mio;
	unsigned ticks;
	int64_t last_ms;
};

static void tick(struct mio_timer *timer)
{
	struct ticker *ticker = container_of(timer, struct ticker, timer);

	ticker->ticks++;
	ticker->last_ms = mio_now_ms(ticker->mio);
}

static void an_hour_passes_in_a_moment(void **state)
{
	struct alone alone;
	struct ticker ticker = {0};

	alone_init(&alone, 1);
	ticker.mio = alone.mio;
	mio_timer_init(&ticker.timer, tick);
	assert_int_equal(mio_wall_ms(alone.mio), INT64_C(1767225600000));
	assert_int_equal(mio_now_ms(alone.mio), 1000000);
	sim_run(alone.sim, 3600000, NULL, NULL);
	assert_int_equal(sim_now_ms(alone.sim), 1000000); /* nothing is left to do */
	mio_timer_set(alone.mio, &ticker.timer, 3600000);
	sim_run(alone.sim, 3599000, NULL, NULL);
	assert_int_equal(ticker.ticks, 0);
	assert_int_equal(mio_now_ms(alone.mio), 1000000 + 3599000);
	mio_timer_set(alone.mio, &ticker.timer, 5000);
	sim_run(alone.sim, 10000, NULL, NULL);
	assert_int_equal(ticker.ticks, 1);
	assert_in_range(ticker.last_ms, 1000000 + 3604000, 1000000 + 3604016);
	assert_true(sim_steps(alone.sim) < 20);
	sim_free(&alone.sim);
}

enum { JOBS = 5 };

struct batch {
	struct batch_job {
		struct mio_job job;
		struct batch *batch;
	} jobs[JOBS];
	struct mio_job *kept;
	unsigned ran, done, runs;
};

static void batch_run(void *state, struct mio_job **jobs)
{
	struct batch *batch = state;

	batch->runs++;
	for (const struct mio_job *job = *jobs; job; job = job->next)
		batch->ran++;
}

static void batch_done(struct mio_job *job)
{
	container_of(job, struct batch_job, job)->batch->done++;
}

/* Keeps all but one. */
static void batch_run_one(void *state, struct mio_job **jobs)
{
	struct batch *batch = state;
	struct mio_job **last = &batch->kept;

	while (*last)
		last = &(*last)->next;
	*last = *jobs;
	*jobs = batch->kept;
	batch->kept = batch->kept->next;
	(*jobs)->next = NULL;
	batch_run(state, jobs);
}

static void batch_submit(struct batch *batch, struct mio *mio, struct mio_driver *driver)
{
	for (unsigned i = 0; i < JOBS; i++) {
		batch->jobs[i].batch = batch;
		batch->jobs[i].job.done = batch_done;
		mio_submit(mio, driver, &batch->jobs[i].job);
	}
}

static bool has_run(void *arg)
{
	return ((struct batch *)arg)->ran == JOBS;
}

static void a_kill_strikes_between_run_and_answer(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct alone alone;
		struct batch batch = {0};
		struct mio_driver *driver;

		alone_init(&alone, seed);
		driver = mio_driver_new(alone.host, "disk", 1, 5, batch_run, &batch);
		batch_submit(&batch, alone.mio, driver);
		assert_int_equal(mio_driver_queued(driver), 5);
		sim_run(alone.sim, 1000, has_run, &batch);
		assert_int_equal(batch.ran, 5);
		assert_int_equal(batch.runs, 1);
		sim_kill(alone.sim, &alone.host);
		memset(batch.jobs, 0xff, sizeof(batch.jobs));
		sim_run(alone.sim, 1000, NULL, NULL);
		assert_int_equal(batch.done, 0);
		sim_free(&alone.sim);
	}
}

static void a_driver_goes_on_with_what_it_kept(void **state)
{
	struct alone alone;
	struct batch batch = {0};
	struct mio_driver *driver;

	alone_init(&alone, 3);
	driver = mio_driver_new(alone.host, "disk", 1, JOBS, batch_run_one, &batch);
	batch_submit(&batch, alone.mio, driver);
	sim_run(alone.sim, 1000, NULL, NULL);
	assert_int_equal(batch.runs, JOBS);
	assert_int_equal(batch.done, JOBS);
	batch_submit(&batch, alone.mio, driver);
	mio_driver_free(&driver);
	assert_int_equal(batch.runs, 2 * JOBS);
	assert_int_equal(batch.done, JOBS);
	sim_free(&alone.sim);
}

static void a_driver_that_ends_runs_what_is_queued(void **state)
{
	struct alone alone;
	struct batch batch = {0};
	struct mio_driver *driver;

	alone_init(&alone, 3);
	driver = mio_driver_new(alone.host, "disk", 1, 2, batch_run, &batch);
	batch_submit(&batch, alone.mio, driver);
	mio_driver_free(&driver);
	assert_int_equal(batch.ran, 5);
	assert_int_equal(batch.runs, 3);
	sim_run(alone.sim, 1000, NULL, NULL);
	assert_int_equal(batch.done, 0);
	sim_free(&alone.sim);
}

static void a_driver_answers_each_job_once(void **state)
{
	struct alone alone;
	struct batch batch = {0};
	struct mio_driver *driver;

	alone_init(&alone, 4);
	driver = mio_driver_new(alone.host, "disk", 3, 1, batch_run, &batch);
	batch_submit(&batch, alone.mio, driver);
	sim_run(alone.sim, 1000, NULL, NULL);
	assert_int_equal(batch.runs, 5);
	assert_int_equal(batch.done, 5);
	mio_driver_free(&driver);
	sim_free(&alone.sim);
}

static void what_is_frozen_stands_still_and_goes_on(void **state)
{
	struct alone alone;
	struct batch batch = {0};
	struct mio_driver *driver;
	struct ticker ticker = {0};

	alone_init(&alone, 7);
	ticker.mio = alone.mio;
	mio_timer_init(&ticker.timer, tick);
	mio_timer_set(alone.mio, &ticker.timer, 100);
	driver = mio_driver_new(alone.host, "disk", 1, 1, batch_run, &batch);
	sim_freeze(alone.host, true);
	batch_submit(&batch, alone.mio, driver);
	sim_run(alone.sim, 5000, NULL, NULL);
	assert_int_equal(ticker.ticks, 0);
	assert_int_equal(batch.runs, 0);
	sim_freeze(alone.host, false);
	sim_run(alone.sim, 1000, NULL, NULL);
	assert_int_equal(ticker.ticks, 1);
	assert_int_equal(batch.done, 5);
	mio_timer_set(alone.mio, &ticker.timer, 100);
	sim_freeze(alone.host, true);
	sim_freeze(alone.host, false);
	sim_run(alone.sim, 1000, NULL, NULL);
	assert_int_equal(ticker.ticks, 2);
	mio_driver_free(&driver);
	sim_free(&alone.sim);
}

static void bytes_wait_for_a_frozen_host(void **state)
{
	struct program program;
	size_t before = 0, frozen = 0, after = 0;

	program_init(&program, 11);
	sim_run(program.sim, 500, NULL, NULL);
	for (unsigned i = 0; i < CLIENTS; i++)
		before += buf_used(&program.clients[0]->peers[i].in);
	sim_freeze(program.server, true);
	sim_run(program.sim, 500, NULL, NULL);
	for (unsigned i = 0; i < CLIENTS; i++)
		frozen += buf_used(&program.clients[0]->peers[i].in);
	sim_freeze(program.server, false);
	sim_run(program.sim, 500, NULL, NULL);
	for (unsigned i = 0; i < CLIENTS; i++)
		after += buf_used(&program.clients[0]->peers[i].in);
	assert_in_range(frozen - before, 0, 1000); /* what was under way */
	assert_true(after > frozen + 1000);
	sim_kill(program.sim, &program.server);
	sim_freeze(program.client, true);
	sim_kill(program.sim, &program.client);
	sim_free(&program.sim);
}

static void the_wall_clock_jumps_alone(void **state)
{
	struct alone alone;
	struct ticker ticker = {0};

	alone_init(&alone, 8);
	ticker.mio = alone.mio;
	mio_timer_init(&ticker.timer, tick);
	mio_timer_set(alone.mio, &ticker.timer, 100);
	sim_wall_jump(alone.sim, -3600000);
	sim_run(alone.sim, 1000, NULL, NULL);
	assert_int_equal(ticker.ticks, 1);
	assert_in_range(ticker.last_ms, 1000100, 1000200);
	assert_in_range(mio_wall_ms(alone.mio), INT64_C(1767222000000), INT64_C(1767222001000));
	sim_wall_jump(alone.sim, 2 * 3600000);
	assert_int_equal(sim_wall_ms(alone.sim) - INT64_C(1767225600000),
			 sim_now_ms(alone.sim) - 1000000 + 3600000);
	sim_free(&alone.sim);
}

static void a_driver_is_as_slow_as_asked(void **state)
{
	struct alone alone;
	struct batch batch = {0};
	struct mio_driver *driver;

	alone_init(&alone, 9);
	driver = mio_driver_new(alone.host, "disk", 1, JOBS, batch_run, &batch);
	sim_drivers_take(alone.sim, 3000000, 4000000);
	batch_submit(&batch, alone.mio, driver);
	sim_run(alone.sim, 2900, NULL, NULL);
	assert_int_equal(batch.done, 0);
	sim_run(alone.sim, 1200, NULL, NULL);
	assert_int_equal(batch.done, JOBS);
	sim_drivers_take(alone.sim, 0, 0);
	batch_submit(&batch, alone.mio, driver);
	sim_run(alone.sim, 50, NULL, NULL);
	assert_int_equal(batch.done, 2 * JOBS);
	mio_driver_free(&driver);
	sim_free(&alone.sim);
}

static void count_close(void *handle)
{
	++*(unsigned *)handle;
}

static void a_kill_closes_foreign_handles_once(void **state)
{
	struct alone alone;
	unsigned first = 0, second = 0;

	alone_init(&alone, 5);
	mio_foreign_add(alone.host, &first, count_close);
	mio_foreign_add(alone.host, &second, count_close);
	mio_foreign_del(alone.host, &second);
	sim_kill(alone.sim, &alone.host);
	sim_free(&alone.sim);
	assert_int_equal(first, 1);
	assert_int_equal(second, 0);
}

static void memory_left_behind_is_counted(void **state)
{
	struct alone alone;
	struct heap *before;

	alone_init(&alone, 6);
	mio_host_free(&alone.host);
	assert_int_equal(sim_left_behind(alone.sim), 0);
	alone.host = sim_host(alone.sim, "leaky");
	assert_int_equal(mio_host_start(alone.host, 1, NULL, NULL), 0);
	before = heap_enter(mio_heap(mio_host_loop(alone.host, 0)));
	mem_alloc(MEM_STANZA, 100);
	heap_enter(before);
	mio_host_free(&alone.host);
	assert_int_equal(sim_left_behind(alone.sim), 1);
	sim_free(&alone.sim);
}

static void stop_host(int number, void *arg)
{
	assert_int_equal(number, SIGTERM);
	mio_host_stop(arg);
}

static void a_signal_comes_in_a_turn_and_stops(void **state)
{
	struct alone alone;
	struct ticker ticker = {0};

	alone_init(&alone, 7);
	ticker.mio = alone.mio;
	mio_timer_init(&ticker.timer, tick);
	mio_timer_set(alone.mio, &ticker.timer, 100);
	mio_host_signals(alone.host, stop_host, alone.host);
	sim_signal(alone.host, SIGTERM);
	assert_false(sim_stopped(alone.host));
	sim_run(alone.sim, 1000, NULL, NULL);
	assert_true(sim_stopped(alone.host));
	assert_int_equal(ticker.ticks, 0);
	sim_free(&alone.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_trace),
		cmocka_unit_test(other_seeds_give_other_traces),
		cmocka_unit_test(the_same_seed_gives_the_same_trace_with_kills),
		cmocka_unit_test(a_kill_may_strike_at_any_step),
		cmocka_unit_test(an_hour_passes_in_a_moment),
		cmocka_unit_test(a_kill_strikes_between_run_and_answer),
		cmocka_unit_test(a_driver_goes_on_with_what_it_kept),
		cmocka_unit_test(a_driver_that_ends_runs_what_is_queued),
		cmocka_unit_test(a_driver_answers_each_job_once),
		cmocka_unit_test(what_is_frozen_stands_still_and_goes_on),
		cmocka_unit_test(bytes_wait_for_a_frozen_host),
		cmocka_unit_test(the_wall_clock_jumps_alone),
		cmocka_unit_test(a_driver_is_as_slow_as_asked),
		cmocka_unit_test(a_kill_closes_foreign_handles_once),
		cmocka_unit_test(memory_left_behind_is_counted),
		cmocka_unit_test(a_signal_comes_in_a_turn_and_stops),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
