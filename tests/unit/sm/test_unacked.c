/* SPDX-License-Identifier: MIT */
/* What was under way when the process was killed: it comes once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "component/component.h"
#include "jid/jid.h"
#include "link/packet.h"
#include "room.h"
#include "sm/user.h"
#include "storage/storage.h"

#define ROMEO "romeo@localhost/a"
#define JULIET "juliet@localhost/b"
#define NEXT "juliet@localhost/c"
#define TO_JULIET(text) "<message to='juliet@localhost' type='chat'><body>" text "</body></message>"

static struct str *enable(struct room *room, const char *client, const char *account)
{
	struct packet *packet;

	room_account(room, account);
	room_login(room, client);
	packet = room_make_action(room, client, SESSION_ENABLE);
	packet->session.resume.seconds = 600;
	room_packet(room, &packet);
	return str_new(str_slice(room_session(room, client)->key));
}

/* Asks for a session that died, of which it had so many stanzas. */
static void ask(struct room *room, const char *account, struct str *key, uint32_t had)
{
	struct packet *packet = room_make_action(room, "new", SESSION_RESUME);

	room_forget(room);
	packet->session.target = jid_parse(slice_of(account));
	packet->session.resume.key = str_ref(key);
	packet->session.resume.handled = had;
	room_packet(room, &packet);
}

/* All that the next session is given; NULL: nothing more. */
static void expect_next(struct room *room, const char *first, const char *second)
{
	room_login(room, NEXT);
	room_forget(room);
	room_send(room, NEXT, "<presence/>");
	room_wait(room, 100);
	room_expect(room, NEXT, "<presence");
	if (first)
		room_expect(room, NEXT, first);
	if (second)
		room_expect(room, NEXT, second);
	room_expect_nothing(room, NEXT);
}

struct pair {
	struct str *romeo, *juliet;
};

/* He said two words, and juliet was sent them. */
static struct pair say_two(struct room *room)
{
	struct pair pair;

	room_archive(room, 1000 * 60000);
	pair = (struct pair){enable(room, ROMEO, "romeo@localhost"), enable(room, JULIET, "juliet@localhost")};
	room_send(room, JULIET, "<presence/>");
	room_keep(room, true);
	room_forget(room);
	room_send_all(room, (const char *const[]){ROMEO, TO_JULIET("first"), ROMEO, TO_JULIET("second"), NULL});
	room_expect(room, JULIET, "first");
	room_expect(room, JULIET, "second");
	assert_int_equal(room_settled(room, ROMEO), 0);
	return pair;
}

static void pair_free(struct pair *pair)
{
	str_free(&pair->romeo);
	str_free(&pair->juliet);
}

static uint32_t had_before(struct room *room)
{
	return room_session(room, JULIET)->outbox.handled;
}

static void what_was_sent_is_settled_and_given_again(void **state)
{
	struct room *room = *state;
	AUTO(pair_free) struct pair pair = say_two(room);

	room_kill(room, true);
	ask(room, "romeo@localhost", pair.romeo, 0);
	room_expect(room, "new", "target=romeo@localhost handled=2");
	expect_next(room, "first", "second");
}

static void what_its_client_had_is_not_given_again(void **state)
{
	struct room *room = *state;
	AUTO(pair_free) struct pair pair = say_two(room);
	uint32_t had = had_before(room);

	room_kill(room, true);
	ask(room, "juliet@localhost", pair.juliet, had + 1);
	expect_next(room, "second", NULL);
}

static void what_was_stored_and_its_client_had_is_not_given_again(void **state)
{
	struct room *room = *state;
	AUTO(pair_free) struct pair pair = say_two(room);
	uint32_t had = had_before(room);

	room_wait(room, 3000);
	assert_int_equal(room_settled(room, ROMEO), 2);
	room_kill(room, true);
	ask(room, "juliet@localhost", pair.juliet, had + 2);
	expect_next(room, NULL, NULL);
}

static void a_second_kill_changes_nothing(void **state)
{
	struct room *room = *state;
	AUTO(pair_free) struct pair pair = say_two(room);
	uint32_t had = had_before(room);

	room_kill(room, true);
	room_kill(room, true);
	ask(room, "romeo@localhost", pair.romeo, 0);
	room_expect(room, "new", "target=romeo@localhost handled=2");
	ask(room, "juliet@localhost", pair.juliet, had + 1);
	expect_next(room, "second", NULL);
}

/* She has it, and he was not told yet. */
static void what_was_settled_last_is_remembered(void **state)
{
	struct room *room = *state;
	AUTO(pair_free) struct pair pair = say_two(room);

	room_take(room, JULIET, room_session(room, JULIET)->outbox.count);
	assert_int_equal(room_settled(room, ROMEO), 2);
	room_kill(room, true);
	ask(room, "romeo@localhost", pair.romeo, 0);
	room_expect(room, "new", "target=romeo@localhost handled=2");
	expect_next(room, NULL, NULL);
}

/* Of a power cut only what storage has counts: he says them again. */
static void a_power_cut_leaves_nothing_of_it(void **state)
{
	struct room *room = *state;
	AUTO(pair_free) struct pair pair = say_two(room);
	uint32_t had = had_before(room);

	room_kill(room, false);
	ask(room, "romeo@localhost", pair.romeo, 0);
	room_expect(room, "new", "target=romeo@localhost handled=0");
	ask(room, "juliet@localhost", pair.juliet, had + 1);
	expect_next(room, NULL, NULL);
}

/* Its rows are of other messages. */
static void another_database_has_nothing_to_do_with_it(void **state)
{
	struct room *room = *state;
	AUTO(pair_free) struct pair pair = say_two(room);
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();

	store_need(txn, STORE_SERVER, SLICE(""), SLICE("unacked"));
	store_put(txn, STORE_SERVER, SLICE(""), SLICE("unacked"), SLICE("another"));
	assert_int_equal(storage_run_now(room_process(room)->storage, txn), 0);
	room_kill(room, true);
	ask(room, "romeo@localhost", pair.romeo, 0);
	room_expect(room, "new", "target=romeo@localhost handled=0");
}

/* What a disk does not take at the start is never taken: he says it again, and by the next start that may be long done. */
static void what_a_disk_does_not_take_is_forgotten(void **state)
{
	struct room *room = *state;
	AUTO(pair_free) struct pair pair = say_two(room);

	room_disk_full(room, true);
	room_kill(room, true);
	room_disk_full(room, false);
	room_kill(room, true);
	ask(room, "romeo@localhost", pair.romeo, 0);
	room_expect(room, "new", "target=romeo@localhost handled=0");
	expect_next(room, NULL, NULL);
}

/* Another form of the server had the database meanwhile. */
static void what_others_did_meanwhile_ends_it(void **state)
{
	struct room *room = *state;
	AUTO(pair_free) struct pair pair = say_two(room);

	room_kill_and_start(room, "sm");
	room_kill_and_start(room, "run");
	ask(room, "romeo@localhost", pair.romeo, 0);
	room_expect(room, "new", "target=romeo@localhost handled=0");
}

/* How far he is stands by itself, whatever was settled since, for whomever. */
static void how_far_a_session_is_is_not_forgotten(void **state)
{
	struct room *room = *state;
	AUTO(pair_free) struct pair pair = say_two(room);

	room_take(room, JULIET, room_session(room, JULIET)->outbox.count);
	room_login(room, "romeo@localhost/b");
	for (unsigned at = 0; at < 3000; at++)
		room_send_all(room, (const char *const[]){"romeo@localhost/b", "<message to='juliet@localhost' type='error'/>", NULL});
	room_kill(room, true);
	ask(room, "romeo@localhost", pair.romeo, 0);
	room_expect(room, "new", "target=romeo@localhost handled=2");
}

/* Nobody took it, he was sent the error, and did not hear it: after some seconds his other words are settled. */
static void what_was_refused_and_not_heard_is_said_again(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = enable(room, ROMEO, "romeo@localhost");

	room_keep(room, true);
	room_send(room, ROMEO, "<message to='nobody@localhost' type='chat'><body>refused</body></message>");
	room_wait(room, 6000);
	assert_int_equal(room_settled(room, ROMEO), 1);
	room_kill(room, true);
	ask(room, "romeo@localhost", key, 0);
	room_expect(room, "new", "target=romeo@localhost handled=0");
}

/* All of it is saved. */
static void an_orderly_end_leaves_nothing(void **state)
{
	struct room *room = *state;
	AUTO(pair_free) struct pair pair = say_two(room);
	static const char *const clients[] = {ROMEO, JULIET};

	for (unsigned at = 0; at < 2; at++) {
		struct packet *packet = room_make_action(room, clients[at], SESSION_DETACH);

		room_packet(room, &packet);
	}
	room_save(room);
	room_restart(room);
	room_wait(room, 1000);
	room_kill(room, true);
	expect_next(room, "first", "second");
}

/* The account is gone: nothing is stored for it. */
static void an_account_that_is_gone_gets_nothing(void **state)
{
	struct room *room = *state;
	AUTO(pair_free) struct pair pair = say_two(room);
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new(), *look = store_txn_new();
	size_t count;

	store_clear(txn, STORE_USER, SLICE("juliet@localhost"));
	store_clear(txn, STORE_ACCOUNT, SLICE("juliet@localhost"));
	assert_int_equal(storage_run_now(room_process(room)->storage, txn), 0);
	room_kill(room, true);
	store_list(look, STORE_USER, SLICE("juliet@localhost"));
	store_list(look, STORE_OFFLINE, SLICE("juliet@localhost"));
	assert_int_equal(storage_run_now(room_process(room)->storage, look), 0);
	store_rows(look, 0, &count);
	assert_int_equal(count, 0);
	store_rows(look, 1, &count);
	assert_int_equal(count, 0);
}

#define alone(test) cmocka_unit_test_setup_teardown(test, room_open, room_close)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		alone(what_was_sent_is_settled_and_given_again),
		alone(what_its_client_had_is_not_given_again),
		alone(what_was_stored_and_its_client_had_is_not_given_again),
		alone(a_second_kill_changes_nothing),
		alone(what_was_settled_last_is_remembered),
		alone(a_power_cut_leaves_nothing_of_it),
		alone(another_database_has_nothing_to_do_with_it),
		alone(what_a_disk_does_not_take_is_forgotten),
		alone(what_others_did_meanwhile_ends_it),
		alone(how_far_a_session_is_is_not_forgotten),
		alone(what_was_refused_and_not_heard_is_said_again),
		alone(an_orderly_end_leaves_nothing),
		alone(an_account_that_is_gone_gets_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
