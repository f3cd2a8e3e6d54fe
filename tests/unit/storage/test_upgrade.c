/* SPDX-License-Identifier: MIT */
/* Schemas of other versions: an older one is upgraded whole or not at all, a newer one is left
 * alone. */
#include "storage/drivers/sqlite.h"

#include <errno.h>
#include <sys/stat.h>
#include "fixture.h"
#include "shim.h"

#define ANN SLICE("ann@example.org")

/* As the first version made it, with a row of each kind. */
static const char version_1[] =
	"PRAGMA journal_mode=WAL;"
	"CREATE TABLE keyed (store INTEGER NOT NULL, owner BLOB NOT NULL, item BLOB NOT NULL,"
	" value BLOB NOT NULL, PRIMARY KEY (store, owner, item)) WITHOUT ROWID;"
	"CREATE TABLE log (store INTEGER NOT NULL, owner BLOB NOT NULL, seq INTEGER NOT NULL,"
	" stamp INTEGER NOT NULL, session INTEGER NOT NULL, count INTEGER NOT NULL,"
	" value BLOB NOT NULL, PRIMARY KEY (store, owner, seq)) WITHOUT ROWID;"
	"CREATE TABLE sequence (next INTEGER NOT NULL);"
	"INSERT INTO sequence VALUES (8);"
	"INSERT INTO keyed VALUES (2, CAST('ann@example.org' AS BLOB), CAST('a' AS BLOB), CAST('1' "
	"AS BLOB));"
	"INSERT INTO log VALUES (4, CAST('ann@example.org' AS BLOB), 7, 5, 0, 0, CAST('<m/>' AS "
	"BLOB));"
	"INSERT INTO keyed SELECT 0, CAST(owner AS BLOB), CAST(item AS BLOB), x'31' FROM ("
	"SELECT 'all@example.org' AS owner, 'created' AS item UNION "
	"SELECT 'all@example.org', 'SCRAM-SHA-1' UNION SELECT 'all@example.org', 'SCRAM-SHA-256' UNION "
	"SELECT 'all@example.org', 'SCRAM-SHA-512' UNION "
	"SELECT 'none@example.org', 'created' UNION "
	"SELECT 'off@example.org', 'created' UNION SELECT 'off@example.org', 'disabled' UNION "
	"SELECT 'off@example.org', 'SCRAM-SHA-1' UNION "
	"SELECT 'old@example.org', 'created' UNION SELECT 'old@example.org', 'SCRAM-SHA-1');"
	"PRAGMA user_version=1;";

static sqlite3 *open_file(const struct fixture *fixture)
{
	char path[64];
	sqlite3 *handle;

	snprintf(path, sizeof(path), "%s/t.db", fixture->dir);
	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	sqlite3_exec(handle, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL);
	return handle;
}

static void run_sql(const struct fixture *fixture, const char *sql)
{
	sqlite3 *handle = open_file(fixture);

	assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(handle);
}

static int ask(const struct fixture *fixture, const char *sql)
{
	sqlite3 *handle = open_file(fixture);
	sqlite3_stmt *statement;
	int number;

	assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(handle);
	return number;
}

/* Instead of the database that the fixture made. */
static void make_version_1(struct fixture *fixture)
{
	storage_close(&fixture->storage);
	fixture_remove_files(fixture);
	assert_int_equal(mkdir(fixture->dir, 0700), 0);
	run_sql(fixture, version_1);
}

static void check_rows(struct fixture *fixture)
{
	struct store_txn *txn = store_txn_new();

	store_list(txn, STORE_USER, ANN);
	store_list(txn, STORE_OFFLINE, ANN);
	store_append(txn, STORE_OFFLINE, ANN, 6, 0, 0, SLICE("<n/>"));
	assert_int_equal(run(fixture, txn)->result, 0);
	assert_rows(&fixture->answers[0], 0, "a=1;");
	assert_rows(&fixture->answers[0], 1, "7:<m/>@5;");
	assert_rows(&fixture->answers[0], 2, "8:@6;");
}

/* Only of the enabled account that has some keys, but not all. */
static void check_lacking(struct fixture *fixture)
{
	struct store_txn *txn = store_txn_new();

	store_owners(txn, STORE_LACKING, SLICE(""), 100);
	assert_int_equal(run(fixture, txn)->result, 0);
	assert_rows(&fixture->answers[0], 0,
		    "SCRAM-SHA-256 example.org!old@example.org;"
		    "SCRAM-SHA-512 example.org!old@example.org;");
}

static void version_1_is_upgraded_and_keeps_its_rows(void **state)
{
	struct fixture *fixture = *state;
	struct buf why = {0};

	make_version_1(fixture);
	assert_int_equal(fixture_open(fixture, &why), 0);
	check_rows(fixture);
	check_lacking(fixture);
	storage_close(&fixture->storage);
	assert_true(ask(fixture, "PRAGMA user_version") > 1);
	assert_int_equal(ask(fixture, "PRAGMA application_id"), SQLITE_APPLICATION_ID);
}

/* Every write and every sync of the start fails once, with all that follow. */
static void an_interrupted_upgrade_leaves_the_old_version_whole(void **state)
{
	struct fixture *fixture = *state;
	unsigned failed = 0;
	int rc = -1;

	for (int at = 1; rc; at++) {
		struct buf why = {0};

		make_version_1(fixture);
		fail_after = at;
		rc = fixture_open(fixture, &why);
		if (rc) {
			failed++;
			assert_true(buf_used(&why) > 0);
			fail_after = -1;
			assert_int_equal(ask(fixture, "PRAGMA user_version"), 1);
			assert_int_equal(ask(fixture, "PRAGMA application_id"), 0);
			assert_int_equal(fixture_open(fixture, &why), 0);
			check_rows(fixture);
		}
		buf_fini(&why);
	}
	fail_after = -1;
	assert_true(failed > 1);
}

static void a_newer_version_is_refused_in_a_line_and_untouched(void **state)
{
	struct fixture *fixture = *state;
	struct buf why = {0};

	storage_close(&fixture->storage);
	run_sql(fixture, "CREATE TABLE later (x); PRAGMA user_version=9999");
	assert_int_equal(fixture_open(fixture, &why), -EPROTO);
	assert_non_null(strstr(buf_text(&why), "9999"));
	assert_null(strchr(buf_text(&why), '\n'));
	assert_int_equal(ask(fixture, "PRAGMA user_version"), 9999);
	assert_int_equal(ask(fixture, "SELECT count(*) FROM sqlite_schema WHERE name='later'"), 1);
	buf_fini(&why);
}

#define FILE_TEST(test)                                                                            \
	{                                                                                          \
#test, test, fixture_setup, fixture_teardown, "sqlite:t.db"                        \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(version_1_is_upgraded_and_keeps_its_rows),
		FILE_TEST(an_interrupted_upgrade_leaves_the_old_version_whole),
		FILE_TEST(a_newer_version_is_refused_in_a_line_and_untouched),
	};
	sqlite3_vfs *shim = shim_install();
	int rc;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	sqlite3_vfs_unregister(shim);
	mem_free(shim);
	return rc;
}
