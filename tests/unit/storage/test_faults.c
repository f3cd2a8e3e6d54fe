/* SPDX-License-Identifier: MIT */
/* A disk that is full or whose writes or syncs fail: what is refused never was, what was answered
 * stays, reads go on. */
#include "storage/drivers/sqlite.h"

#include <errno.h>
#include <sys/stat.h>
#include "base/table.h"
#include "fixture.h"
#include "mio/sim.h"
#include "shim.h"

#define ANN SLICE("ann@example.org")

static struct store_txn *put_txn(const char *item)
{
	struct store_txn *txn = store_txn_new();

	store_put(txn, STORE_USER, ANN, slice_of(item), SLICE("1"));
	return txn;
}

static struct store_txn *list_txn(void)
{
	struct store_txn *txn = store_txn_new();

	store_list(txn, STORE_USER, ANN);
	return txn;
}

static void reopen(struct fixture *fixture)
{
	struct buf why = {0};

	storage_close(&fixture->storage);
	assert_int_equal(fixture_open(fixture, &why), 0);
	assert_int_equal(buf_used(&why), 0);
}

/* -- on the real disk, with faults of its own -- */

static void answers_a_fault_and_works_again(struct fixture *fixture, int *which, int code,
					    int expected)
{
	run(fixture, put_txn("before"));
	*which = code;
	assert_int_equal(run(fixture, put_txn("lost"))->result, expected);
	assert_true(run(fixture, put_txn("lost"))->result < 0);
	assert_rows(run(fixture, list_txn()), 0, "before=1;");
	assert_int_equal(fixture->answers[0].result, 0);
	*which = 0;
	assert_int_equal(run(fixture, put_txn("after"))->result, 0);
	assert_rows(run(fixture, list_txn()), 0, "after=1;before=1;");
	reopen(fixture);
	assert_rows(run(fixture, list_txn()), 0, "after=1;before=1;");
}

static void answers_a_full_disk_and_works_again(void **state)
{
	answers_a_fault_and_works_again(*state, &fail_write, SQLITE_FULL, -ENOSPC);
}

static void answers_a_failed_write_and_works_again(void **state)
{
	answers_a_fault_and_works_again(*state, &fail_write, SQLITE_IOERR_WRITE, -EIO);
}

static void answers_a_failed_sync_and_works_again(void **state)
{
	answers_a_fault_and_works_again(*state, &fail_sync, SQLITE_IOERR_FSYNC, -EIO);
}

static void syncs_what_is_relaxed_only_with_what_is_not(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = put_txn("relaxed");

	run(fixture, put_txn("before")); /* the log begins with a sync of its own */
	store_relax(txn);
	fail_sync = SQLITE_IOERR_FSYNC;
	assert_int_equal(run(fixture, txn)->result, 0);
	assert_int_equal(run(fixture, put_txn("lost"))->result, -EIO);
	fail_sync = 0;
	assert_int_equal(run(fixture, put_txn("after"))->result, 0);
	reopen(fixture);
	assert_rows(run(fixture, list_txn()), 0, "after=1;before=1;relaxed=1;");
}

/* Keeps the storage thread busy, so that what follows is one batch. */
static struct store_txn *slow_txn(void)
{
	struct store_txn *txn = store_txn_new();

	for (unsigned i = 0; i < 20000; i++)
		store_list(txn, STORE_USER, ANN);
	return txn;
}

static void reads_are_answered_in_a_batch_that_fails(void **state)
{
	struct fixture *fixture = *state;

	run(fixture, put_txn("before"));
	fail_sync = SQLITE_IOERR_FSYNC;
	submit(fixture, slow_txn(), ANSWERS_MAX);
	submit(fixture, list_txn(), 1);
	submit(fixture, put_txn("lost"), 2);
	submit(fixture, list_txn(), 3);
	await(fixture);
	fail_sync = 0;
	assert_int_equal(fixture->answers[1].result, 0);
	assert_int_equal(fixture->answers[2].result, -EIO);
	assert_int_equal(fixture->answers[3].result, 0);
	assert_rows(&fixture->answers[1], 0, "before=1;");
	assert_rows(&fixture->answers[3], 0, "before=1;");
}

static void sequence_numbers_go_on_behind_a_fault(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 3; i++) {
		struct store_txn *txn = store_txn_new();

		fail_write = i == 0 ? SQLITE_FULL : 0;
		store_append(txn, STORE_OFFLINE, ANN, 5, 0, 0, SLICE("<m/>"));
		assert_int_equal(run(fixture, txn)->result < 0, i == 0);
		if (i == 1)
			reopen(fixture);
	}
}

/* As the disk is now, a process that starts after a kill would see it. */
static void copy_file(const struct fixture *fixture, const char *to, const char *suffix)
{
	AUTO(buf_fini) struct buf command = {0};

	buf_printf(&command, "cp %s/t.db%s %s/t.db%s", fixture->dir, suffix, to, suffix);
	assert_int_equal(system(buf_text(&command)), 0);
}

static void what_was_refused_does_not_come_back_after_a_kill(void **state)
{
	struct fixture *fixture = *state, killed = *fixture;
	struct buf why = {0};

	run(fixture, put_txn("before"));
	fail_sync = SQLITE_IOERR_FSYNC;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(run(fixture, put_txn("lost"))->result, -EIO);
	snprintf(killed.dir, sizeof(killed.dir), "/tmp/storage.XXXXXX");
	assert_non_null(mkdtemp(killed.dir));
	copy_file(fixture, killed.dir, "");
	copy_file(fixture, killed.dir, "-wal");
	fail_sync = 0;
	killed.storage = NULL;
	assert_int_equal(fixture_open(&killed, &why), 0);
	assert_rows(run(&killed, list_txn()), 0, "before=1;");
	storage_close(&killed.storage);
	fixture_forget(&killed);
	fixture_remove_files(&killed);
}

/* Of its log, which has no other pages. */
static unsigned pages_of_log(const struct fixture *fixture)
{
	struct stat log;
	char path[64];

	snprintf(path, sizeof(path), "%s/t.db-wal", fixture->dir);
	assert_int_equal(stat(path, &log), 0);
	return (unsigned)(log.st_size / (4096 + 24));
}

static void a_log_is_cut_when_all_of_it_is_synced_elsewhere(void **state)
{
	struct fixture *fixture = *state;

	do
		assert_int_equal(run(fixture, put_txn("before"))->result, 0);
	while (pages_of_log(fixture) < SQLITE_LOG_PAGES - 1);
	cut_too_early = false;
	fail_sync = SQLITE_IOERR_FSYNC;
	assert_int_equal(run(fixture, put_txn("lost"))->result, -EIO);
	fail_sync = 0;
	assert_int_equal(run(fixture, put_txn("after"))->result, 0);
	assert_true(pages_of_log(fixture) < 10);
	assert_false(cut_too_early);
}

static void changed(void *arg, struct mio *mio, int fault)
{
	buf_printf(arg, "%d;", fault);
}

static void a_fault_is_told_once_and_its_end_too(void **state)
{
	struct fixture *fixture = *state;
	struct buf told = {0};

	storage_watch(fixture->storage, changed, &told);
	run(fixture, put_txn("before"));
	fail_write = SQLITE_FULL;
	for (unsigned i = 0; i < 10; i++) {
		run(fixture, put_txn("lost"));
		run(fixture, list_txn());
	}
	fail_write = 0;
	while (!strchr(buf_text(&told), ';') || !strstr(buf_text(&told), ";0;")) {
		assert_int_equal(run(fixture, put_txn("after"))->result, 0);
		usleep(20000);
	}
	assert_string_equal(buf_text(&told), "-28;0;");
	buf_fini(&told);
}

/* -- in the simulator: syncs fail, and the power is cut at any step -- */

enum { ROUNDS = 6, APPENDS = 25, MAX = ROUNDS * APPENDS + 1 };

struct world {
	struct sim *sim;
	struct mio_host *host;
	struct storage *storage;
	enum durability durability;
	unsigned sent;
	bool stored[MAX], refused[MAX]; /* by number, as answered */
	bool found[MAX];
	unsigned waiting;
	unsigned faults, stored_count;
};

static void appended(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct world *world = arg;

	world->stored[token] = result == 0;
	world->refused[token] = result < 0;
	world->faults += result < 0;
	world->stored_count += result == 0;
	world->waiting--;
}

/* A start may meet a failing sync: it is tried again, as a supervisor does. */
static void start(struct world *world)
{
	struct storage_options options = {
		.url = "sqlite:t.db", .dir = "/data", .durability = world->durability};
	struct buf why = {0};
	int rc = -EIO;

	world->host = sim_host(world->sim, "sm");
	assert_int_equal(mio_host_start(world->host, 1, NULL, NULL), 0);
	for (unsigned i = 0; i < 50 && rc; i++) {
		struct heap *before = heap_enter(mio_heap(mio_host_loop(world->host, 0)));

		rc = storage_open(world->host, &options, &world->storage, &why);
		heap_enter(before);
	}
	buf_fini(&why);
	assert_int_equal(rc, 0);
	world->waiting = 0;
}

static void append_some(struct world *world)
{
	struct mio *mio = mio_host_loop(world->host, 0);

	for (unsigned i = 0; i < APPENDS; i++) {
		struct heap *before = heap_enter(mio_heap(mio));
		struct store_txn *txn = store_txn_new();
		char text[24];

		snprintf(text, sizeof(text), "%u", ++world->sent);
		store_append(txn, STORE_OFFLINE, ANN, 1, 0, 0, slice_of(text));
		world->waiting++;
		storage_run(world->storage, mio, &txn, appended, world, world->sent);
		heap_enter(before);
		for (uint64_t steps = sim_random(world->sim) % 4; steps; steps--)
			sim_step(world->sim);
	}
}

static void listed(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct world *world = arg;
	const struct store_row *rows;
	size_t count;

	world->waiting--;
	assert_int_equal(result, 0);
	memset(world->found, 0, sizeof(world->found));
	rows = store_rows(txn, 0, &count);
	for (size_t i = 0; i < count; i++) {
		uint64_t number;

		assert_true(slice_to_u64(rows[i].value, &number)); /* no byte ends it */
		assert_in_range(number, 1, world->sent);
		assert_false(world->found[number]);
		world->found[number] = true;
	}
}

static bool is_answered(void *arg)
{
	return ((const struct world *)arg)->waiting == 0;
}

static void list_all(struct world *world)
{
	struct mio *mio = mio_host_loop(world->host, 0);
	struct heap *before = heap_enter(mio_heap(mio));
	struct store_txn *txn = store_txn_new();

	store_list(txn, STORE_OFFLINE, ANN);
	world->waiting++;
	storage_run(world->storage, mio, &txn, listed, world, 0);
	heap_enter(before);
	sim_run(world->sim, 60000, is_answered, world);
	assert_int_equal(world->waiting, 0);
}

/* Runs what was appended to its end, or cuts the power at any step. */
static void live(struct world *world)
{
	append_some(world);
	if (sim_random(world->sim) % 2) {
		for (uint64_t steps = sim_random(world->sim) % 60; steps; steps--)
			sim_step(world->sim);
		sim_kill(world->sim, &world->host);
		start(world);
		/* What the kill left without an answer may be there or not; and so may what was
		 * refused. */
		memset(world->refused, 0, sizeof(world->refused));
	}
	list_all(world);
	for (unsigned i = 1; i <= world->sent; i++) {
		assert_true(!world->stored[i] || world->found[i] ||
			    world->durability == DURABILITY_PROCESS);
		assert_true(!world->refused[i] || !world->found[i]);
	}
}

static void live_and_die(uint64_t seed, enum durability durability, unsigned *faults,
			 unsigned *stored_count)
{
	struct sim_options options = {.seed = seed, .sync_fail_percent = 10};
	struct world world = {.sim = sim_new(&options), .durability = durability};

	start(&world);
	for (unsigned i = 0; i < ROUNDS; i++)
		live(&world);
	*faults += world.faults;
	*stored_count += world.stored_count;
	sim_free(&world.sim);
}

static void what_was_answered_outlives_failed_syncs_and_power_cuts(void **state)
{
	unsigned faults = 0, stored_count = 0;

	for (uint64_t seed = 1; seed <= 300; seed++)
		live_and_die(seed, DURABILITY_FULL, &faults, &stored_count);
	assert_true(faults > 300);
	assert_true(stored_count > 300);
}

/* There a power cut may take what was answered, but never what makes it a database. */
static void a_database_stays_whole_at_process_too(void **state)
{
	unsigned faults = 0, stored_count = 0;

	for (uint64_t seed = 1; seed <= 300; seed++)
		live_and_die(seed, DURABILITY_PROCESS, &faults, &stored_count);
	assert_true(stored_count > 300);
}

#define FILE_TEST(test)                                                                            \
	{                                                                                          \
#test, test, fixture_setup, fixture_teardown, "sqlite:t.db"                        \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(answers_a_full_disk_and_works_again),
		FILE_TEST(answers_a_failed_write_and_works_again),
		FILE_TEST(answers_a_failed_sync_and_works_again),
		FILE_TEST(syncs_what_is_relaxed_only_with_what_is_not),
		FILE_TEST(reads_are_answered_in_a_batch_that_fails),
		FILE_TEST(sequence_numbers_go_on_behind_a_fault),
		FILE_TEST(what_was_refused_does_not_come_back_after_a_kill),
		FILE_TEST(a_log_is_cut_when_all_of_it_is_synced_elsewhere),
		FILE_TEST(a_fault_is_told_once_and_its_end_too),
		cmocka_unit_test(what_was_answered_outlives_failed_syncs_and_power_cuts),
		cmocka_unit_test(a_database_stays_whole_at_process_too),
	};
	sqlite3_vfs *shim = shim_install();
	int rc;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	sqlite3_vfs_unregister(shim);
	mem_free(shim);
	return rc;
}
