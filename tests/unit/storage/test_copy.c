/* SPDX-License-Identifier: MIT */
/* Copies of the whole database, made while it changes. */
#include "storage/drivers/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include "fixture.h"

#define ANN SLICE("ann@example.org")
enum { ROWS = 3000 };

static void path_of(const struct fixture *fixture, char path[64])
{
	snprintf(path, 64, "%s/copy", fixture->dir);
}

static struct store_txn *step_txn(const struct fixture *fixture)
{
	struct store_txn *txn = store_txn_new();
	char path[64];

	path_of(fixture, path);
	store_copy(txn, path);
	return txn;
}

static void make_file(const struct fixture *fixture)
{
	char path[64];
	int fd;

	path_of(fixture, path);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static int remove_file(void **state)
{
	char path[64];

	path_of(*state, path);
	unlink(path);
	return fixture_teardown(state);
}

static struct store_txn *append_txn(const char *text)
{
	struct store_txn *txn = store_txn_new();

	store_append(txn, STORE_OFFLINE, ANN, 1, 0, 0, slice_of(text));
	return txn;
}

/* Enough for some steps. */
static void fill(struct fixture *fixture)
{
	struct store_txn *txn = store_txn_new();
	char text[1000];

	memset(text, 'x', sizeof(text));
	for (unsigned i = 0; i < ROWS; i++)
		store_append(txn, STORE_OFFLINE, ANN, 1, 0, 0, (struct slice){text, sizeof(text)});
	assert_int_equal(run(fixture, txn)->result, 0);
}

static int count_in_copy(const struct fixture *fixture, const char *sql)
{
	sqlite3_stmt *statement;
	sqlite3 *handle;
	char path[64];
	int number;

	path_of(fixture, path);
	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	sqlite3_exec(handle, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL);
	assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(handle);
	return number;
}

static void a_copy_has_what_was_committed_before_its_last_step(void **state)
{
	struct fixture *fixture = *state;
	unsigned steps = 0;
	int rc;

	fill(fixture);
	make_file(fixture);
	do {
		assert_int_equal(run(fixture, append_txn("<m/>"))->result, 0);
		rc = run(fixture, step_txn(fixture))->result;
		steps++;
	} while (rc == STORE_MORE);
	assert_int_equal(rc, 0);
	assert_true(steps > 3 || !strcmp(fixture->url, "memory:"));
	assert_int_equal(run(fixture, append_txn("<late/>"))->result, 0);
	assert_int_equal(count_in_copy(fixture, "SELECT count(*) FROM log"), ROWS + (int)steps);
	assert_int_equal(count_in_copy(fixture, "SELECT count(*) FROM pragma_integrity_check "
						"WHERE integrity_check='ok'"),
			 1);
}

static void a_copy_shares_a_batch_with_others(void **state)
{
	struct fixture *fixture = *state;

	make_file(fixture);
	submit(fixture, append_txn("<a/>"), 1);
	submit(fixture, step_txn(fixture), 2);
	submit(fixture, append_txn("<b/>"), 3);
	await(fixture);
	assert_int_equal(fixture->answers[1].result, 0);
	assert_int_equal(fixture->answers[2].result, 0);
	assert_int_equal(fixture->answers[3].result, 0);
	assert_int_equal(run(fixture, append_txn("<c/>"))->result, 0);
}

static void a_copy_that_is_stopped_makes_room_for_another(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();
	char path[64];
	int rc;

	fill(fixture);
	make_file(fixture);
	assert_int_equal(run(fixture, step_txn(fixture))->result, STORE_MORE);
	store_copy_stop(txn);
	assert_int_equal(run(fixture, txn)->result, 0);
	path_of(fixture, path);
	unlink(path);
	make_file(fixture);
	while ((rc = run(fixture, step_txn(fixture))->result) == STORE_MORE)
		;
	assert_int_equal(rc, 0);
	assert_int_equal(count_in_copy(fixture, "SELECT count(*) FROM log"), ROWS);
}

static void a_copy_that_cannot_be_written_is_a_fault_of_its_own(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();

	assert_int_equal(run(fixture, step_txn(fixture))->result, -ENOENT);
	store_copy(txn, "/dev/full");
	assert_true(run(fixture, txn)->result < 0);
	assert_int_equal(run(fixture, append_txn("<m/>"))->result, 0);
}

static void a_storage_closes_with_a_copy_under_way(void **state)
{
	struct fixture *fixture = *state;

	fill(fixture);
	make_file(fixture);
	assert_int_equal(run(fixture, step_txn(fixture))->result, STORE_MORE);
	storage_close(&fixture->storage);
	assert_null(fixture->storage);
}

#define FILE_TEST(test)                                                                            \
	{                                                                                          \
#test " [sqlite]", test, fixture_setup, remove_file, "sqlite:t.db"                 \
	}

#define BOTH(test)                                                                                 \
	FILE_TEST(test),                                                                           \
	{                                                                                          \
#test " [memory]", test, fixture_setup, remove_file, "memory:"                     \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_copy_has_what_was_committed_before_its_last_step),
		BOTH(a_copy_shares_a_batch_with_others),
		FILE_TEST(a_copy_that_is_stopped_makes_room_for_another),
		BOTH(a_copy_that_cannot_be_written_is_a_fault_of_its_own),
		FILE_TEST(a_storage_closes_with_a_copy_under_way),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
