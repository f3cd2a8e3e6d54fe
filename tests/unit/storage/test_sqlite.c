/* SPDX-License-Identifier: MIT */
/* What concerns the file: its lock, its schema, what survives. */
#include "storage/drivers/sqlite.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include "fixture.h"

#define ANN SLICE("ann@example.org")

/* -- tests
 * ------------------------------------------------------------------------------------------ */

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

static void keeps_its_rows_when_opened_again(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();

	store_put(txn, STORE_USER, ANN, SLICE("a"), SLICE("1"));
	store_append(txn, STORE_OFFLINE, ANN, 5, 0, 0, SLICE("<m/>"));
	run(fixture, txn);
	reopen(fixture);
	txn = store_txn_new();
	store_list(txn, STORE_USER, ANN);
	store_list(txn, STORE_OFFLINE, ANN);
	run(fixture, txn);
	assert_rows(&fixture->answers[0], 0, "a=1;");
	assert_rows(&fixture->answers[0], 1, "1:<m/>@5;");
}

static void sequence_numbers_go_on_when_opened_again(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();
	size_t count;

	store_append(txn, STORE_OFFLINE, ANN, 5, 0, 0, SLICE("<m/>"));
	store_clear(txn, STORE_OFFLINE, ANN);
	run(fixture, txn);
	reopen(fixture);
	txn = store_txn_new();
	store_append(txn, STORE_OFFLINE, ANN, 5, 0, 0, SLICE("<m/>"));
	run(fixture, txn);
	count = strtoul(buf_text(&fixture->answers[0].ops[0]), NULL, 10);
	assert_true(count > 1);
}

static void runs_what_is_queued_before_it_closes(void **state)
{
	struct fixture *fixture = *state;

	submit(fixture, put_txn("late"), 0);
	reopen(fixture);
	fixture->waiting = 0;
	assert_rows(run(fixture, list_txn()), 0, "late=1;");
}

static void refuses_a_second_opener_by_name(void **state)
{
	struct fixture *fixture = *state, second = *fixture;
	struct buf why = {0};

	second.storage = NULL;
	assert_int_equal(fixture_open(&second, &why), -EBUSY);
	assert_null(second.storage);
	assert_non_null(strstr(buf_text(&why), "t.db: database is locked"));
	assert_int_equal(run(fixture, put_txn("a"))->result, 0);
	buf_fini(&why);
}

static void needs_no_shared_memory(void **state)
{
	struct fixture *fixture = *state;
	char path[64];

	run(fixture, put_txn("a"));
	snprintf(path, sizeof(path), "%s/t.db-shm", fixture->dir);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/t.db-wal", fixture->dir);
	assert_int_equal(access(path, F_OK), 0);
}

static void refuses_a_newer_schema(void **state)
{
	struct fixture *fixture = *state;
	struct buf why = {0};
	char path[64];
	sqlite3 *handle;

	storage_close(&fixture->storage);
	snprintf(path, sizeof(path), "%s/t.db", fixture->dir);
	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle,
				      "PRAGMA locking_mode=EXCLUSIVE;PRAGMA user_version=9999",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(handle);
	assert_int_equal(fixture_open(fixture, &why), -EPROTO);
	assert_non_null(strstr(buf_text(&why), "9999"));
	buf_fini(&why);
}

static void refuses_a_file_that_is_no_database(void **state)
{
	struct fixture *fixture = *state;
	struct buf why = {0};
	char path[64];
	FILE *file;

	storage_close(&fixture->storage);
	snprintf(path, sizeof(path), "%s/t.db", fixture->dir);
	file = fopen(path, "w");
	fprintf(file, "%4096s", "this is a text");
	fclose(file);
	assert_true(fixture_open(fixture, &why) < 0);
	assert_non_null(strstr(buf_text(&why), "not a database"));
	buf_fini(&why);
}

static void says_what_is_wrong_with_the_place(void **state)
{
	struct fixture *fixture = *state;
	struct storage_options options = {.url = "sqlite:none/t.db", .dir = fixture->dir};
	struct storage *storage = NULL;
	struct buf why = {0};

	assert_int_equal(storage_open(fixture->host, &options, &storage, &why), -ENOENT);
	assert_non_null(strstr(buf_text(&why), "none/t.db"));
	buf_clear(&why);
	options.url = "sqlite:";
	assert_int_equal(storage_open(fixture->host, &options, &storage, &why), -EINVAL);
	buf_fini(&why);
}

/* -- kill -9
 * ---------------------------------------------------------------------------------------- */

struct child {
	struct mio *mio;
	struct storage *storage;
	int acks;
};

static void append_next(struct child *child);

static void appended(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct child *child = arg;

	if (result || write(child->acks, "+", 1) != 1)
		_exit(1);
	append_next(child);
}

static void append_next(struct child *child)
{
	struct store_txn *txn = store_txn_new();

	store_append(txn, STORE_OFFLINE, ANN, 1, 0, 0, SLICE("<message/>"));
	storage_run(child->storage, child->mio, &txn, appended, child, 0);
}

/* Appends for ever, a byte into the pipe for each answer. */
static void live_as_child(const struct storage_options *options, int acks)
{
	struct mio_host *host = mio_host_new("child");
	struct child child = {.acks = acks};
	struct buf why = {0};

	if (mio_host_start(host, 1, NULL, NULL) ||
	    storage_open(host, options, &child.storage, &why))
		_exit(1);
	child.mio = mio_host_loop(host, 0);
	append_next(&child);
	mio_host_run(host);
	_exit(1);
}

static void keeps_what_it_answered_when_killed(struct fixture *fixture, enum durability durability)
{
	struct storage_options options = {
		.url = fixture->url, .dir = fixture->dir, .durability = durability};
	struct store_txn *txn = store_txn_new();
	unsigned long acked = 0;
	char bytes[64];
	ssize_t got;
	int pipes[2];
	pid_t pid;

	storage_close(&fixture->storage);
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0)
		live_as_child(&options, pipes[1]);
	close(pipes[1]);
	while ((got = read(pipes[0], bytes, sizeof(bytes))) > 0) {
		acked += (unsigned long)got;
		if (acked > 100)
			kill(pid, SIGKILL);
	}
	close(pipes[0]);
	waitpid(pid, NULL, 0);
	assert_true(acked > 100);
	reopen(fixture);
	store_count(txn, STORE_OFFLINE, ANN);
	run(fixture, txn);
	assert_true(strtoul(buf_text(&fixture->answers[0].ops[0]), NULL, 10) >= acked);
}

static void keeps_what_it_answered_when_killed_at_full(void **state)
{
	keeps_what_it_answered_when_killed(*state, DURABILITY_FULL);
}

static void keeps_what_it_answered_when_killed_at_process(void **state)
{
	keeps_what_it_answered_when_killed(*state, DURABILITY_PROCESS);
}

#define FILE_TEST(test)                                                                            \
	{                                                                                          \
#test, test, fixture_setup, fixture_teardown, "sqlite:t.db"                        \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(keeps_its_rows_when_opened_again),
		FILE_TEST(sequence_numbers_go_on_when_opened_again),
		FILE_TEST(runs_what_is_queued_before_it_closes),
		FILE_TEST(refuses_a_second_opener_by_name),
		FILE_TEST(needs_no_shared_memory),
		FILE_TEST(refuses_a_newer_schema),
		FILE_TEST(refuses_a_file_that_is_no_database),
		FILE_TEST(says_what_is_wrong_with_the_place),
		FILE_TEST(keeps_what_it_answered_when_killed_at_full),
		FILE_TEST(keeps_what_it_answered_when_killed_at_process),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
