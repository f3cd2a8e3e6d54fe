/* SPDX-License-Identifier: MIT */
/* One conformance test for all drivers. */
#include "storage/storage.h"

#include <errno.h>
#include "fixture.h"

#define ANN SLICE("ann@example.org")
#define BOB SLICE("bob@example.net")

static void reads_what_was_put(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();
	struct answer *answer;

	store_put(txn, STORE_ROSTER, ANN, BOB, SLICE("<item/>"));
	store_put(txn, STORE_ROSTER, ANN, BOB, SLICE("<item name='Bob'/>"));
	assert_int_equal(store_get(txn, STORE_ROSTER, ANN, BOB), 2);
	assert_int_equal(store_get(txn, STORE_ROSTER, ANN, SLICE("nobody")), 3);
	answer = run(fixture, txn);
	assert_int_equal(answer->result, 0);
	assert_rows(answer, 2, "bob@example.net=<item name='Bob'/>;");
	assert_rows(answer, 3, "");
}

static void lists_by_item(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();

	store_put(txn, STORE_ROSTER, ANN, SLICE("c"), SLICE("3"));
	store_put(txn, STORE_ROSTER, ANN, SLICE("a"), SLICE("1"));
	store_put(txn, STORE_ROSTER, ANN, SLICE("b"), SLICE("2"));
	store_list(txn, STORE_ROSTER, ANN);
	assert_rows(run(fixture, txn), 3, "a=1;b=2;c=3;");
}

static void keeps_owners_and_stores_apart(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();
	struct answer *answer;

	store_put(txn, STORE_ROSTER, ANN, SLICE("x"), SLICE("1"));
	store_put(txn, STORE_USER, ANN, SLICE("x"), SLICE("2"));
	store_put(txn, STORE_ROSTER, BOB, SLICE("x"), SLICE("3"));
	store_clear(txn, STORE_ROSTER, BOB);
	store_list(txn, STORE_ROSTER, ANN);
	store_list(txn, STORE_USER, ANN);
	store_list(txn, STORE_ROSTER, BOB);
	answer = run(fixture, txn);
	assert_rows(answer, 4, "x=1;");
	assert_rows(answer, 5, "x=2;");
	assert_rows(answer, 6, "");
}

static void deletes_and_does_not_mind_absence(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();
	struct answer *answer;

	store_put(txn, STORE_USER, ANN, SLICE("a"), SLICE("1"));
	store_put(txn, STORE_USER, ANN, SLICE("b"), SLICE("2"));
	store_del(txn, STORE_USER, ANN, SLICE("a"));
	store_del(txn, STORE_USER, ANN, SLICE("never"));
	store_list(txn, STORE_USER, ANN);
	answer = run(fixture, txn);
	assert_int_equal(answer->result, 0);
	assert_rows(answer, 4, "b=2;");
}

static void add_refuses_what_exists_and_undoes_all(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();
	struct answer *answer;

	store_add(txn, STORE_ACCOUNT, ANN, SLICE("created"), SLICE("1"));
	assert_int_equal(run(fixture, txn)->result, 0);

	txn = store_txn_new();
	store_put(txn, STORE_ACCOUNT, ANN, SLICE("other"), SLICE("1"));
	store_list(txn, STORE_ACCOUNT, ANN);
	store_add(txn, STORE_ACCOUNT, ANN, SLICE("created"), SLICE("2"));
	answer = run(fixture, txn);
	assert_int_equal(answer->result, STORE_EXISTS);
	assert_rows(answer, 1, "");

	txn = store_txn_new();
	store_list(txn, STORE_ACCOUNT, ANN);
	assert_rows(run(fixture, txn), 0, "created=1;");
}

static void need_refuses_what_is_absent(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();

	store_need(txn, STORE_ACCOUNT, ANN, SLICE("created"));
	store_put(txn, STORE_ACCOUNT, ANN, SLICE("a"), SLICE("1"));
	assert_int_equal(run(fixture, txn)->result, STORE_ABSENT);

	txn = store_txn_new();
	store_put(txn, STORE_ACCOUNT, ANN, SLICE("a"), SLICE("1"));
	store_need(txn, STORE_ACCOUNT, ANN, SLICE("created"));
	assert_int_equal(run(fixture, txn)->result, STORE_ABSENT);

	txn = store_txn_new();
	store_list(txn, STORE_ACCOUNT, ANN);
	store_put(txn, STORE_ACCOUNT, ANN, SLICE("created"), SLICE(""));
	store_need(txn, STORE_ACCOUNT, ANN, SLICE("created"));
	assert_int_equal(run(fixture, txn)->result, 0);
	assert_rows(&fixture->answers[0], 0, "");
}

static void most_refuses_what_is_one_too_many(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();

	store_put(txn, STORE_PRIVATE, ANN, SLICE("a"), SLICE("1"));
	store_put(txn, STORE_PRIVATE, ANN, SLICE("b"), SLICE("1"));
	store_put(txn, STORE_PRIVATE, BOB, SLICE("c"), SLICE("1"));
	store_most(txn, STORE_PRIVATE, ANN, 2);
	assert_int_equal(run(fixture, txn)->result, 0);

	txn = store_txn_new();
	store_put(txn, STORE_PRIVATE, ANN, SLICE("a"), SLICE("2"));
	store_put(txn, STORE_PRIVATE, ANN, SLICE("c"), SLICE("2"));
	store_most(txn, STORE_PRIVATE, ANN, 2);
	assert_int_equal(run(fixture, txn)->result, STORE_FULL);

	txn = store_txn_new();
	store_put(txn, STORE_PRIVATE, ANN, SLICE("b"), SLICE("3"));
	store_most(txn, STORE_PRIVATE, ANN, 2);
	store_list(txn, STORE_PRIVATE, ANN);
	assert_int_equal(run(fixture, txn)->result, 0);
	assert_rows(&fixture->answers[0], 2, "a=1;b=3;");
}

static void lists_owners_by_name_in_pages(void **state)
{
	static const char *const owners[] = {"c", "a", "", "b", "d"};
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();
	struct answer *answer;

	for (size_t i = 0; i < countof(owners); i++) {
		store_put(txn, STORE_USER, slice_of(owners[i]), SLICE("x"), SLICE("1"));
		store_put(txn, STORE_USER, slice_of(owners[i]), SLICE("y"), SLICE("1"));
	}
	run(fixture, txn);
	txn = store_txn_new();
	store_owners(txn, STORE_USER, SLICE(""), 2);
	store_owners(txn, STORE_USER, SLICE("b"), 10);
	store_owners(txn, STORE_ROSTER, SLICE(""), 10);
	answer = run(fixture, txn);
	assert_rows(answer, 0, "a;b;");
	assert_rows(answer, 1, "c;d;");
	assert_rows(answer, 2, "");
}

static void a_log_keeps_its_order_and_is_trimmed(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();
	struct answer *answer;

	store_append(txn, STORE_OFFLINE, ANN, 300, 7, 1, SLICE("<one/>"));
	store_append(txn, STORE_OFFLINE, BOB, 200, 0, 0, SLICE("<other/>"));
	assert_int_equal(
		store_append(txn, STORE_OFFLINE, ANN, 100, UINT64_MAX, UINT32_MAX, SLICE("<two/>")),
		2);
	store_list(txn, STORE_OFFLINE, ANN);
	store_count(txn, STORE_OFFLINE, ANN);
	store_owners(txn, STORE_OFFLINE, SLICE(""), 10);
	answer = run(fixture, txn);
	assert_rows(answer, 0, "1:@300;");
	assert_rows(answer, 2, "3:@100;");
	assert_rows(answer, 3, "1:<one/>@300;3:<two/>@100;");
	assert_rows(answer, 4, "2:;");
	assert_rows(answer, 5, "ann@example.org;bob@example.net;");

	txn = store_txn_new();
	store_trim(txn, STORE_OFFLINE, ANN, 2);
	store_list(txn, STORE_OFFLINE, ANN);
	store_list(txn, STORE_OFFLINE, BOB);
	answer = run(fixture, txn);
	assert_rows(answer, 1, "3:<two/>@100;");
	assert_rows(answer, 2, "2:<other/>@200;");
}

static void a_log_is_read_in_parts(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();
	struct answer *answer;

	for (unsigned count = 0; count < 4; count++)
		store_append(txn, STORE_OFFLINE, ANN, 1, 0, 0, SLICE("<message/>"));
	store_append(txn, STORE_OFFLINE, BOB, 1, 0, 0, SLICE("<other/>"));
	run(fixture, txn);

	txn = store_txn_new();
	store_part(txn, STORE_OFFLINE, ANN, &(struct store_part){.from = 2, .to = UINT64_MAX, .bytes = 11});
	store_part(txn, STORE_OFFLINE, ANN, &(struct store_part){.from = 4, .to = UINT64_MAX, .bytes = 11});
	store_part(txn, STORE_OFFLINE, ANN, &(struct store_part){.from = 2, .to = 3, .bytes = 1});
	store_part(txn, STORE_OFFLINE, ANN, &(struct store_part){.from = 5, .to = UINT64_MAX, .bytes = 1});
	store_keys(txn, STORE_OFFLINE, ANN);
	answer = run(fixture, txn);
	assert_rows(answer, 0, "2:<message/>@1;3:<message/>@1;18446744073709551615:;");
	assert_rows(answer, 1, "4:<message/>@1;");
	assert_rows(answer, 2, "2:<message/>@1;18446744073709551615:;");
	assert_rows(answer, 3, "");
	assert_rows(answer, 4, "1:@1;2:@1;3:@1;4:@1;");
}

static void a_sequence_number_is_never_used_again(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();
	struct answer *answer;

	store_append(txn, STORE_OFFLINE, ANN, 1, 0, 0, SLICE("a"));
	store_clear(txn, STORE_OFFLINE, ANN);
	store_append(txn, STORE_OFFLINE, ANN, 2, 0, 0, SLICE("b"));
	store_list(txn, STORE_OFFLINE, ANN);
	answer = run(fixture, txn);
	assert_rows(answer, 3, "2:b@2;");
}

static void counts_keyed_rows_too(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();

	store_count(txn, STORE_ROSTER, ANN);
	store_put(txn, STORE_ROSTER, ANN, SLICE("a"), SLICE(""));
	store_put(txn, STORE_ROSTER, ANN, SLICE("b"), SLICE(""));
	store_count(txn, STORE_ROSTER, ANN);
	assert_rows(run(fixture, txn), 0, ";");
	assert_rows(&fixture->answers[0], 3, "2:;");
}

static void keeps_any_bytes(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = store_txn_new();
	char bytes[256];
	struct slice all = {bytes, sizeof(bytes)};
	struct buf expected = {0};

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	store_put(txn, STORE_USER, all, all, all);
	store_put(txn, STORE_USER, all, (struct slice){0}, (struct slice){0});
	store_list(txn, STORE_USER, all);
	run(fixture, txn);
	buf_append_char(&expected, ';');
	buf_append_slice(&expected, all);
	buf_append_char(&expected, '=');
	buf_append_slice(&expected, all);
	buf_append_char(&expected, ';');
	assert_true(slice_equal(buf_slice(&fixture->answers[0].ops[2]), buf_slice(&expected)));
	buf_fini(&expected);
}

static void an_empty_transaction_is_answered(void **state)
{
	assert_int_equal(run(*state, store_txn_new())->result, 0);
}

/* Long enough that everything submitted after it waits together. */
static struct store_txn *slow_txn(void)
{
	struct store_txn *txn = store_txn_new();
	char item[16];

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(item, sizeof(item), "%u", i);
		store_put(txn, STORE_ROSTER, SLICE("slow"), slice_of(item), SLICE("value"));
	}
	return txn;
}

static void what_waits_together_is_committed_once(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before = storage_batches(fixture->storage);

	submit(fixture, slow_txn(), 0);
	for (unsigned i = 0; i < 1000; i++) {
		struct store_txn *txn = store_txn_new();

		store_append(txn, STORE_OFFLINE, ANN, i + 1, 0, 0, SLICE("<message/>"));
		submit(fixture, txn, ANSWERS_MAX);
	}
	await(fixture);
	assert_int_equal(fixture->answered, 1001);
	assert_true(storage_batches(fixture->storage) - before <= 3);
	assert_int_equal(storage_waiting(fixture->storage), 0);
}

static void note_first(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	unsigned *answered = arg;

	answered[token] = ++answered[2];
}

/* Who has ten thousand is in the middle of them when another comes with one. */
static void who_asks_for_little_does_not_wait_for_who_asks_for_much(void **state)
{
	struct fixture *fixture = *state;
	unsigned answered[3] = {0};

	submit(fixture, slow_txn(), 0);
	for (unsigned i = 0; i < 10000; i++) {
		struct store_txn *txn = store_txn_new();

		store_append(txn, STORE_OFFLINE, ANN, i + 1, 0, 0, SLICE("<message/>"));
		if (i < 9999) {
			submit(fixture, txn, ANSWERS_MAX);
			continue;
		}
		storage_run(fixture->storage, fixture->mio, &txn, note_first, answered, 0);
		txn = store_txn_new();
		store_put(txn, STORE_USER, SLICE("bob@example.org"), SLICE("active"), SLICE("1"));
		storage_run(fixture->storage, fixture->mio, &txn, note_first, answered, 1);
	}
	await(fixture);
	assert_int_equal(answered[1], 1);
}

static void one_bad_transaction_fails_alone(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn = slow_txn();

	store_put(txn, STORE_USER, ANN, SLICE("there"), SLICE("0"));
	submit(fixture, txn, 0);
	txn = store_txn_new();
	store_put(txn, STORE_USER, ANN, SLICE("a"), SLICE("1"));
	submit(fixture, txn, 1);
	txn = store_txn_new();
	store_put(txn, STORE_USER, ANN, SLICE("a"), SLICE("2"));
	store_put(txn, STORE_USER, ANN, SLICE("b"), SLICE("2"));
	store_add(txn, STORE_USER, ANN, SLICE("there"), SLICE("2"));
	submit(fixture, txn, 2);
	txn = store_txn_new();
	store_put(txn, STORE_USER, ANN, SLICE("c"), SLICE("3"));
	submit(fixture, txn, 3);
	txn = store_txn_new();
	store_list(txn, STORE_USER, ANN);
	submit(fixture, txn, 4);
	await(fixture);
	assert_int_equal(fixture->answers[1].result, 0);
	assert_int_equal(fixture->answers[2].result, STORE_EXISTS);
	assert_int_equal(fixture->answers[3].result, 0);
	assert_rows(&fixture->answers[4], 0, "a=1;c=3;there=0;");
}

static void takes_ten_thousand_appends(void **state)
{
	struct fixture *fixture = *state;
	struct store_txn *txn;
	char stanza[64];
	const char *row;

	for (unsigned i = 0; i < 10000; i++) {
		txn = store_txn_new();
		snprintf(stanza, sizeof(stanza), "<message id='%u'/>", i);
		store_append(txn, STORE_OFFLINE, i % 2 ? ANN : BOB, i + 1, 0, 0, slice_of(stanza));
		submit(fixture, txn, ANSWERS_MAX);
	}
	txn = store_txn_new();
	store_count(txn, STORE_OFFLINE, ANN);
	store_list(txn, STORE_OFFLINE, BOB);
	submit(fixture, txn, 0);
	await(fixture);
	assert_int_equal(fixture->answers[ANSWERS_MAX - 1].result, 0);
	assert_rows(&fixture->answers[0], 0, "5000:;");
	row = buf_text(&fixture->answers[0].ops[1]);
	for (unsigned i = 0; i < 10000; i += 2) {
		snprintf(stanza, sizeof(stanza), ":<message id='%u'/>@%u;", i, i + 1);
		row = strchr(row, ':');
		assert_int_equal(strncmp(row++, stanza, strlen(stanza)), 0);
		row = strchr(row, ';');
	}
}

static void what_is_not_answered_is_freed_at_the_end(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 100; i++) {
		struct store_txn *txn = store_txn_new();

		store_put(txn, STORE_USER, ANN, SLICE("a"), SLICE("1"));
		submit(fixture, txn, ANSWERS_MAX);
	}
	storage_close(&fixture->storage);
	assert_null(fixture->storage);
}

static void refuses_an_unknown_url(void **state)
{
	struct storage_options options = {.url = "oracle:x", .dir = "/tmp"};
	struct storage *storage = NULL;
	struct buf why = {0};

	assert_int_equal(storage_open(NULL, &options, &storage, &why), -EINVAL);
	assert_null(storage);
	assert_non_null(strstr(buf_text(&why), "oracle:x"));
	buf_fini(&why);
}

#define BOTH(test)                                                                                 \
	{#test " [sqlite]", test, fixture_setup, fixture_teardown, "sqlite:t.db"},                 \
	{                                                                                          \
#test " [memory]", test, fixture_setup, fixture_teardown, "memory:"                \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(reads_what_was_put),
		BOTH(lists_by_item),
		BOTH(keeps_owners_and_stores_apart),
		BOTH(deletes_and_does_not_mind_absence),
		BOTH(add_refuses_what_exists_and_undoes_all),
		BOTH(need_refuses_what_is_absent),
		BOTH(lists_owners_by_name_in_pages),
		BOTH(a_log_keeps_its_order_and_is_trimmed),
		BOTH(a_log_is_read_in_parts),
		BOTH(a_sequence_number_is_never_used_again),
		BOTH(counts_keyed_rows_too),
		BOTH(keeps_any_bytes),
		BOTH(an_empty_transaction_is_answered),
		BOTH(what_waits_together_is_committed_once),
		BOTH(who_asks_for_little_does_not_wait_for_who_asks_for_much),
		BOTH(most_refuses_what_is_one_too_many),
		BOTH(one_bad_transaction_fails_alone),
		BOTH(takes_ten_thousand_appends),
		BOTH(what_is_not_answered_is_freed_at_the_end),
		cmocka_unit_test(refuses_an_unknown_url),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
