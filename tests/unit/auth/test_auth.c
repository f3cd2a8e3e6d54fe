/* SPDX-License-Identifier: MIT */
/* Accounts made, kept, changed and removed. */
#include "auth/auth.h"

#include "fixture.h"

#define ANN "ann@example.org"

static void keeps_an_account(void **state)
{
	struct fixture *fixture = *state;
	struct auth_account made;

	assert_int_equal(ask(fixture, AUTH_LOOKUP, ANN, NULL), AUTH_UNKNOWN);
	create(fixture, ANN, "pencil", false);
	made = fixture->account;
	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		assert_true(made.keys[hash].present);
		assert_int_equal(made.keys[hash].rounds, 50);
	}
	assert_memory_not_equal(made.keys[0].salt, made.keys[1].salt, 16);
	memset(&fixture->account, 0, sizeof(fixture->account));
	assert_int_equal(ask(fixture, AUTH_LOOKUP, ANN, NULL), AUTH_OK);
	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		assert_memory_equal(made.keys[hash].stored, fixture->account.keys[hash].stored,
				    auth_hash_size(hash));
		assert_memory_equal(made.keys[hash].server, fixture->account.keys[hash].server,
				    auth_hash_size(hash));
	}
	assert_false(fixture->account.disabled);
	assert_int_equal(ask(fixture, AUTH_CREATE, ANN, &made), AUTH_EXISTS);
}

static void an_account_may_have_no_keys(void **state)
{
	struct fixture *fixture = *state;
	struct auth_account none = {0};

	assert_int_equal(ask(fixture, AUTH_CREATE, ANN, &none), AUTH_OK);
	assert_int_equal(ask(fixture, AUTH_LOOKUP, ANN, NULL), AUTH_OK);
	assert_false(fixture->account.keys[AUTH_SHA1].present);
	assert_int_equal(ask(fixture, AUTH_CREATE, ANN, &none), AUTH_EXISTS);
}

static void a_change_replaces_every_key(void **state)
{
	struct fixture *fixture = *state;
	struct auth_account account;

	make(fixture, SLICE("pencil"));
	await(fixture);
	account = fixture->account;
	assert_int_equal(ask(fixture, AUTH_CHANGE, ANN, &account), AUTH_UNKNOWN);
	assert_int_equal(ask(fixture, AUTH_LOOKUP, ANN, NULL), AUTH_UNKNOWN);
	assert_int_equal(ask(fixture, AUTH_CREATE, ANN, &account), AUTH_OK);
	account.keys[AUTH_SHA1].present = false;
	account.keys[AUTH_SHA256].rounds = 51;
	account.disabled = true;
	assert_int_equal(ask(fixture, AUTH_CHANGE, ANN, &account), AUTH_OK);
	memset(&fixture->account, 0, sizeof(fixture->account));
	assert_int_equal(ask(fixture, AUTH_LOOKUP, ANN, NULL), AUTH_OK);
	assert_false(fixture->account.keys[AUTH_SHA1].present);
	assert_int_equal(fixture->account.keys[AUTH_SHA256].rounds, 51);
	assert_false(fixture->account.disabled); /* which only the operator says */
}

static void count_rows(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct fixture *fixture = arg;

	fixture->result = 0;
	for (unsigned op = 0; op < 4; op++) {
		size_t count;

		if (store_rows(txn, op, &count) && count)
			fixture->result++;
	}
	answered(fixture);
}

static int stores_with_rows(struct fixture *fixture)
{
	struct store_txn *txn = store_txn_new();

	store_list(txn, STORE_ACCOUNT, SLICE(ANN));
	store_list(txn, STORE_ROSTER, SLICE(ANN));
	store_list(txn, STORE_OFFLINE, SLICE(ANN));
	store_list(txn, STORE_ROSTER, SLICE("bob@example.org"));
	fixture->waiting++;
	storage_run(fixture->storage, fixture->mio, &txn, count_rows, fixture, 0);
	await(fixture);
	return fixture->result;
}

static void a_removal_takes_everything_of_the_account(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();

	assert_int_equal(ask(fixture, AUTH_REMOVE, ANN, NULL), AUTH_UNKNOWN);
	create(fixture, ANN, "pencil", false);
	store_put(txn, STORE_ROSTER, SLICE(ANN), SLICE("bob@example.org"), SLICE("<item/>"));
	store_put(txn, STORE_ROSTER, SLICE("bob@example.org"), SLICE(ANN), SLICE("<item/>"));
	store_append(txn, STORE_OFFLINE, SLICE(ANN), 1, 0, 0, SLICE("<message/>"));
	fixture->waiting++;
	storage_run(fixture->storage, fixture->mio, &txn, count_rows, fixture, 0);
	await(fixture);
	assert_int_equal(stores_with_rows(fixture), 4);
	assert_int_equal(ask(fixture, AUTH_REMOVE, ANN, NULL), AUTH_OK);
	assert_int_equal(stores_with_rows(fixture), 1);
	assert_int_equal(ask(fixture, AUTH_LOOKUP, ANN, NULL), AUTH_UNKNOWN);
}

static void put_lock(struct fixture *fixture, const char *until)
{
	struct store_txn *txn = store_txn_new();

	store_clear(txn, STORE_LOCK, SLICE(ANN));
	store_put(txn, STORE_LOCK, SLICE(ANN), slice_of(until), SLICE(""));
	fixture->waiting++;
	storage_run(fixture->storage, fixture->mio, &txn, count_rows, fixture, 0);
	await(fixture);
}

static void nobody_gets_the_name_of_a_removed_account_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct auth_account none = {0};

	assert_int_equal(ask(fixture, AUTH_CREATE, ANN, &none), AUTH_OK);
	assert_int_equal(ask(fixture, AUTH_REMOVE, ANN, NULL), AUTH_OK);
	assert_int_equal(ask(fixture, AUTH_CREATE, ANN, &none), AUTH_LOCKED);
	assert_int_equal(ask(fixture, AUTH_CREATE, "bob@example.org", &none), AUTH_OK);
	assert_int_equal(ask(fixture, AUTH_LOOKUP, ANN, NULL), AUTH_UNKNOWN);
	put_lock(fixture, "2999-01-01T00:00:00Z");
	assert_int_equal(ask(fixture, AUTH_CREATE, ANN, &none), AUTH_LOCKED);
	put_lock(fixture, "2001-01-01T00:00:00Z");
	assert_int_equal(ask(fixture, AUTH_CREATE, ANN, &none), AUTH_OK);
}

static void what_is_undone_was_never_there(void **state)
{
	struct fixture *fixture = *state;
	struct auth_account none = {0};

	assert_int_equal(ask(fixture, AUTH_CREATE, ANN, &none), AUTH_OK);
	assert_int_equal(ask(fixture, AUTH_UNDO, ANN, NULL), AUTH_OK);
	assert_int_equal(ask(fixture, AUTH_LOOKUP, ANN, NULL), AUTH_UNKNOWN);
	assert_int_equal(ask(fixture, AUTH_CREATE, ANN, &none), AUTH_OK);
}

static void refuses_passwords_that_are_not_allowed(void **state)
{
	static const struct slice bad[] = {{NULL, 0}, {"\x07", 1}, {"a\0b", 3}, {"\xff", 1}};
	struct fixture *fixture = *state;
	char *long_one = mem_alloc(MEM_OTHER, 1025);

	memset(long_one, 'a', 1025);
	for (size_t i = 0; i < countof(bad); i++) {
		make(fixture, bad[i]);
		assert_int_equal(fixture->waiting, 1);
		await(fixture);
		assert_int_equal(fixture->result, AUTH_REFUSED);
	}
	make(fixture, (struct slice){long_one, 1025});
	await(fixture);
	assert_int_equal(fixture->made, 0);
	assert_int_equal(fixture->refused, countof(bad) + 1);
	mem_free(long_one);
}

static void refuses_to_hash_when_too_much_waits(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 2000; i++)
		make(fixture, SLICE("pencil"));
	assert_int_equal(fixture->waiting, 2000);
	await(fixture);
	assert_true(fixture->made >= 64);
	assert_true(fixture->made < 1000); /* 64 wait; more get in only while they are made */
	assert_int_equal(fixture->refused + fixture->made, 2000);
}

static void ends_with_work_under_way(void **state)
{
	struct fixture *fixture = *state;
	AUTO(jid_free) struct jid *user = jid_parse(SLICE(ANN));

	for (unsigned i = 0; i < 200; i++)
		make(fixture, SLICE("pencil"));
	auth_ask(fixture->auth, AUTH_LOOKUP, &auth_source_storage, fixture->storage, user, NULL,
		 fixture_asked, fixture, 77);
	storage_close(&fixture->storage); /* their answers will not come */
	mio_driver_free(&fixture->hashing);
	auth_free(&fixture->auth);
	assert_null(fixture->auth);
}

#define AUTH_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AUTH_TEST(keeps_an_account),
		AUTH_TEST(an_account_may_have_no_keys),
		AUTH_TEST(a_change_replaces_every_key),
		AUTH_TEST(a_removal_takes_everything_of_the_account),
		AUTH_TEST(nobody_gets_the_name_of_a_removed_account_at_once),
		AUTH_TEST(what_is_undone_was_never_there),
		AUTH_TEST(refuses_passwords_that_are_not_allowed),
		AUTH_TEST(refuses_to_hash_when_too_much_waits),
		AUTH_TEST(ends_with_work_under_way),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
