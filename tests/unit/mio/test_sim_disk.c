/* SPDX-License-Identifier: MIT */
/* SQLite on the simulator's disk: what survives a kill, what is lost, faults, locks. */
#include <sqlite3.h>
#include "mio/lasting.h"
#include "sim_peer.h"

struct world {
	struct sim *sim;
	struct mio_host *host;
	sqlite3 *db;
};

/* Statements of a test's own are finalized at once. */
static void close_killed(void *handle)
{
	sqlite3_close(handle);
}

static int run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* -1: there is no such table. */
static int64_t ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int64_t number = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

static void check_whole(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;

	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
	sqlite3_finalize(statement);
}

static sqlite3 *open_db(struct mio_host *host, const char *settings)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open_v2("/data/test.db", &db,
					 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
					 mio_host_vfs(host)),
			 SQLITE_OK);
	assert_int_equal(run(db, settings), SQLITE_OK);
	return db;
}

static void start(struct world *world, const char *settings)
{
	world->host = sim_host(world->sim, "sm");
	assert_int_equal(mio_host_start(world->host, 1, NULL, NULL), 0);
	world->db = open_db(world->host, settings);
	mio_foreign_add(world->host, world->db, close_killed);
}

static void world_init(struct world *world, const struct sim_options *options, const char *settings)
{
	world->sim = sim_new(options);
	start(world, settings);
}

static void restart(struct world *world, const char *settings)
{
	sim_kill(world->sim, &world->host);
	start(world, settings);
}

/* The connection is a foreign handle: it goes with the host. */
static void world_fini(struct world *world)
{
	sim_free(&world->sim);
}

/*
 * Transactions of seeded sizes, killed after a seeded number of statements. Returns how many of the
 * committed transactions were lost; what is there must be whole and without gaps.
 */
static int64_t commit_and_kill(uint64_t seed, const char *settings)
{
	struct sim_options options = {.seed = seed};
	struct world world;
	int64_t committed = 0, found;
	unsigned statements;
	char sql[128];

	world_init(&world, &options, settings);
	assert_int_equal(run(world.db, "CREATE TABLE t (txn INTEGER, part INTEGER, data BLOB)"),
			 SQLITE_OK);
	statements = 1 + (unsigned)(sim_random(world.sim) % 80);
	while (statements) {
		unsigned parts = 1 + (unsigned)(sim_random(world.sim) % 6);

		run(world.db, "BEGIN");
		for (unsigned part = 0; part < parts && statements; part++, statements--) {
			snprintf(sql, sizeof(sql),
				 "INSERT INTO t VALUES (%lld, %u, randomblob(%u))",
				 (long long)committed + 1, part,
				 (unsigned)(sim_random(world.sim) % 3000));
			assert_int_equal(run(world.db, sql), SQLITE_OK);
		}
		if (!statements)
			break;
		assert_int_equal(run(world.db, "COMMIT"), SQLITE_OK);
		committed++;
		if (sim_random(world.sim) % 16 == 0)
			assert_int_equal(run(world.db, "PRAGMA wal_checkpoint"), SQLITE_OK);
	}
	restart(&world, settings);
	check_whole(world.db);
	found = ask(world.db, "SELECT count(DISTINCT txn) FROM t");
	if (found > 0)
		assert_int_equal(ask(world.db, "SELECT max(txn) FROM t"), found);
	assert_true(found <= committed);
	world_fini(&world);
	return committed - (found > 0 ? found : 0);
}

static void keeps_every_commit_of_a_synced_log(void **state)
{
	for (uint64_t seed = 1; seed <= 200; seed++)
		assert_int_equal(
			commit_and_kill(seed, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"),
			0);
}

static void keeps_every_commit_without_shared_memory(void **state)
{
	for (uint64_t seed = 1; seed <= 50; seed++)
		assert_int_equal(
			commit_and_kill(seed,
					"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
					"PRAGMA synchronous=FULL"),
			0);
}

static void keeps_every_commit_of_a_journal(void **state)
{
	for (uint64_t seed = 1; seed <= 50; seed++)
		assert_int_equal(commit_and_kill(seed, "PRAGMA synchronous=EXTRA"), 0);
}

static void an_unsynced_log_loses_its_newest_but_is_whole(void **state)
{
	int64_t lost = 0;

	for (uint64_t seed = 1; seed <= 50; seed++)
		lost += commit_and_kill(seed, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
	assert_true(lost > 0);
}

static void data_that_is_never_synced_is_lost(void **state)
{
	static const char settings[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF";
	unsigned lost = 0;

	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct sim_options options = {.seed = seed};
		struct world world;
		sqlite3_stmt *statement = NULL;

		world_init(&world, &options, settings);
		assert_int_equal(run(world.db, "CREATE TABLE t (x); INSERT INTO t VALUES (1)"),
				 SQLITE_OK);
		sim_kill(world.sim, &world.host);
		world.host = sim_host(world.sim, "sm");
		if (sqlite3_open_v2("/data/test.db", &world.db, SQLITE_OPEN_READWRITE,
				    mio_host_vfs(world.host)) ||
		    sqlite3_prepare_v2(world.db, "SELECT x FROM t", -1, &statement, NULL) ||
		    sqlite3_step(statement) != SQLITE_ROW)
			lost++;
		sqlite3_finalize(statement);
		sqlite3_close(world.db);
		world_fini(&world);
	}
	assert_in_range(lost, 1, 30);
}

static void a_kill_without_a_power_cut_loses_nothing(void **state)
{
	struct sim_options options = {.seed = 12};
	struct world world;

	world_init(&world, &options, "PRAGMA synchronous=OFF");
	sim_power_stays(world.sim, true);
	assert_int_equal(run(world.db, "CREATE TABLE t (x); INSERT INTO t VALUES (1)"), SQLITE_OK);
	restart(&world, "PRAGMA synchronous=OFF");
	assert_int_equal(ask(world.db, "SELECT count(*) FROM t"), 1);
	world_fini(&world);
}

static void lasting_memory_outlives_the_process_and_not_the_machine(void **state)
{
	struct sim_options options = {.seed = 12};
	struct world world;
	void *memory;

	world_init(&world, &options, "PRAGMA synchronous=OFF");
	assert_int_equal(mio_lasting(world.host, "/data/lasting", 100, &memory), 0);
	memset(memory, 7, 100);
	sim_power_stays(world.sim, true);
	restart(&world, "PRAGMA synchronous=OFF");
	assert_int_equal(mio_lasting(world.host, "/data/lasting", 100, &memory), 0);
	assert_int_equal(((char *)memory)[99], 7);
	sim_power_stays(world.sim, false);
	restart(&world, "PRAGMA synchronous=OFF");
	assert_int_equal(mio_lasting(world.host, "/data/lasting", 100, &memory), 0);
	assert_int_equal(((char *)memory)[99], 0);
	world_fini(&world);
}

static void survives_kill_after_kill(void **state)
{
	static const char settings[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL";
	struct sim_options options = {.seed = 7};
	struct world world;

	world_init(&world, &options, settings);
	assert_int_equal(run(world.db, "CREATE TABLE t (x)"), SQLITE_OK);
	for (unsigned i = 1; i <= 40; i++) {
		assert_int_equal(run(world.db, "INSERT INTO t VALUES (randomblob(5000))"),
				 SQLITE_OK);
		assert_int_equal(run(world.db, "BEGIN; INSERT INTO t VALUES (randomblob(90000))"),
				 SQLITE_OK);
		restart(&world, settings);
		assert_int_equal(ask(world.db, "SELECT count(*) FROM t"), i);
		check_whole(world.db);
	}
	world_fini(&world);
}

static void a_clean_end_keeps_what_was_written(void **state)
{
	struct sim_options options = {.seed = 8};
	struct world world;

	world_init(&world, &options, "PRAGMA synchronous=OFF");
	assert_int_equal(run(world.db, "CREATE TABLE t (x); INSERT INTO t VALUES (1)"), SQLITE_OK);
	mio_foreign_del(world.host, world.db);
	sqlite3_close(world.db);
	mio_host_free(&world.host);
	assert_int_equal(sim_left_behind(world.sim), 0);
	start(&world, "PRAGMA synchronous=OFF");
	assert_int_equal(ask(world.db, "SELECT count(*) FROM t"), 1);
	world_fini(&world);
}

static void says_that_the_disk_is_full(void **state)
{
	struct sim_options options = {.seed = 9};
	struct world world;

	world_init(&world, &options, "PRAGMA journal_mode=WAL; CREATE TABLE t (x)");
	sim_disk_full(world.sim, true);
	assert_int_equal(run(world.db, "INSERT INTO t VALUES (randomblob(100000))"), SQLITE_FULL);
	sim_disk_full(world.sim, false);
	assert_int_equal(run(world.db, "INSERT INTO t VALUES (randomblob(100000))"), SQLITE_OK);
	check_whole(world.db);
	world_fini(&world);
}

static void syncs_fail_as_often_as_asked(void **state)
{
	struct sim_options options = {.seed = 10, .sync_fail_percent = 30};
	unsigned failed = 0;
	sqlite3 *db = NULL;
	struct mio_host *host;
	struct sim *sim = sim_new(&options);

	host = sim_host(sim, "sm");
	assert_int_equal(sqlite3_open_v2("/t.db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
					 mio_host_vfs(host)),
			 SQLITE_OK);
	for (unsigned i = 0; i < 50; i++)
		failed += run(db, "CREATE TABLE IF NOT EXISTS t (x); INSERT INTO t VALUES (1)") !=
			  SQLITE_OK;
	assert_in_range(failed, 5, 49);
	sim_syncs_fail(sim, 0);
	assert_int_equal(run(db, "CREATE TABLE IF NOT EXISTS t (x); INSERT INTO t VALUES (1)"), SQLITE_OK);
	sim_syncs_fail(sim, 100);
	assert_int_not_equal(run(db, "INSERT INTO t VALUES (1)"), SQLITE_OK);
	sqlite3_close(db);
	sim_free(&sim);
}

static void two_connections_lock_each_other_out(void **state)
{
	static const char *const modes[] = {"PRAGMA journal_mode=WAL",
					    "PRAGMA journal_mode=DELETE"};

	for (unsigned mode = 0; mode < countof(modes); mode++) {
		struct sim_options options = {.seed = 11};
		struct world world;
		struct mio_host *other;
		sqlite3 *second;

		world_init(&world, &options, modes[mode]);
		assert_int_equal(run(world.db, "CREATE TABLE t (x)"), SQLITE_OK);
		other = sim_host(world.sim, "other");
		second = open_db(other, modes[mode]);
		assert_int_equal(run(world.db, "BEGIN IMMEDIATE; INSERT INTO t VALUES (1)"),
				 SQLITE_OK);
		assert_int_equal(run(second, "INSERT INTO t VALUES (2)"), SQLITE_BUSY);
		assert_int_equal(ask(second, "SELECT count(*) FROM t"), 0);
		assert_int_equal(run(world.db, "COMMIT"), SQLITE_OK);
		assert_int_equal(ask(second, "SELECT count(*) FROM t"), 1);
		assert_int_equal(run(second, "BEGIN IMMEDIATE"), SQLITE_OK);
		assert_int_equal(run(world.db, "INSERT INTO t VALUES (3)"), SQLITE_BUSY);
		sqlite3_close(second);
		assert_int_equal(run(world.db, "INSERT INTO t VALUES (3)"), SQLITE_OK);
		mio_host_free(&other);
		world_fini(&world);
	}
}

static void a_kill_frees_the_locks(void **state)
{
	static const char settings[] = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL";
	struct sim_options options = {.seed = 12};
	struct world world;

	world_init(&world, &options, settings);
	assert_int_equal(run(world.db, "CREATE TABLE t (x); BEGIN EXCLUSIVE"), SQLITE_OK);
	restart(&world, settings);
	assert_int_equal(run(world.db, "INSERT INTO t VALUES (1)"), SQLITE_OK);
	world_fini(&world);
}

static void the_clock_of_sql_is_virtual(void **state)
{
	struct sim_options options = {.seed = 13};
	struct world world;

	world_init(&world, &options, "PRAGMA journal_mode=WAL");
	assert_int_equal(ask(world.db, "SELECT strftime('%s', 'now')"), 1767225600);
	world_fini(&world);
}

static uint64_t disk_trace(uint64_t seed)
{
	struct sim_options options = {.seed = seed};
	struct world world;
	uint64_t trace;

	world_init(&world, &options,
		   "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (x)");
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(run(world.db, "INSERT INTO t VALUES (randomblob(999))"),
				 SQLITE_OK);
	restart(&world, "INSERT INTO t VALUES (randomblob(999))");
	trace = sim_trace(world.sim);
	world_fini(&world);
	return trace;
}

static void the_same_seed_writes_the_same_bytes(void **state)
{
	uint64_t trace = disk_trace(14);

	assert_true(trace == disk_trace(14));
	assert_true(trace != disk_trace(15));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_every_commit_of_a_synced_log),
		cmocka_unit_test(keeps_every_commit_without_shared_memory),
		cmocka_unit_test(keeps_every_commit_of_a_journal),
		cmocka_unit_test(an_unsynced_log_loses_its_newest_but_is_whole),
		cmocka_unit_test(data_that_is_never_synced_is_lost),
		cmocka_unit_test(survives_kill_after_kill),
		cmocka_unit_test(a_clean_end_keeps_what_was_written),
		cmocka_unit_test(a_kill_without_a_power_cut_loses_nothing),
		cmocka_unit_test(lasting_memory_outlives_the_process_and_not_the_machine),
		cmocka_unit_test(says_that_the_disk_is_full),
		cmocka_unit_test(syncs_fail_as_often_as_asked),
		cmocka_unit_test(two_connections_lock_each_other_out),
		cmocka_unit_test(a_kill_frees_the_locks),
		cmocka_unit_test(the_clock_of_sql_is_virtual),
		cmocka_unit_test(the_same_seed_writes_the_same_bytes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
