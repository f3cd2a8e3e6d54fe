/* SPDX-License-Identifier: MIT */
/* The end of an account: what goes, who hears of it, and its name. */
#include "sm/removal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/macros.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "link/packet.h"
#include "room.h"

#define ROMEO "romeo@localhost"
#define A "romeo@localhost/a"
#define JULIET "juliet@localhost/b"
#define ROSTER_GET "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
#define COMMAND(room, ...) room_command(room, (const char *const[]){__VA_ARGS__, NULL}, false)

static void on(struct room *room, const char *client)
{
	room_login(room, client);
	room_send(room, client, ROSTER_GET);
	room_send(room, client, "<presence/>");
}

/* Romeo and Juliet see each other; he asked paris, tybalt asked him, and mercutio sees him. */
static void a_life(struct room *room)
{
	room_account(room, ROMEO);
	room_account(room, "juliet@localhost");
	on(room, A);
	on(room, JULIET);
	room_send(room, A, "<presence type='subscribe' to='juliet@localhost'/>");
	room_send(room, JULIET, "<presence type='subscribed' to='romeo@localhost'/>");
	room_send(room, JULIET, "<presence type='subscribe' to='romeo@localhost'/>");
	room_send(room, A, "<presence type='subscribed' to='juliet@localhost'/>");
	room_send(room, A, "<presence type='subscribe' to='paris@remote.example'/>");
	room_from_world(room, "<presence type='subscribe' from='tybalt@remote.example' to='romeo@localhost'/>");
	room_from_world(room, "<presence type='subscribe' from='mercutio@remote.example' to='romeo@localhost'/>");
	room_send(room, A, "<presence type='subscribed' to='mercutio@remote.example'/>");
	room_send(room, A, "<iq type='set' id='p'><query xmlns='jabber:iq:private'><a xmlns='x:prefs'>old</a></query></iq>");
	room_forget(room);
}

static void expect_farewells(struct room *room)
{
	room_expect(room, JULIET, "type='unsubscribe' from='romeo@localhost'");
	room_expect(room, JULIET, "<item jid='romeo@localhost' subscription='to'/>");
	room_expect(room, JULIET, "type='unsubscribed' from='romeo@localhost'");
	room_expect(room, JULIET, "<item jid='romeo@localhost' subscription='none'/>");
	room_expect(room, "world", "type='unsubscribed' from='romeo@localhost' to='mercutio@remote.example'");
	room_expect(room, "world", "type='unsubscribe' from='romeo@localhost' to='paris@remote.example'");
	room_expect(room, "world", "type='unsubscribed' from='romeo@localhost' to='tybalt@remote.example'");
	room_expect_nothing(room, "world");
}

/* Rows that it owns, but the lock of its name. */
static unsigned rows_of(struct room *room, const char *user)
{
	struct store_txn *txn = store_txn_new();
	unsigned rows = 0;
	size_t count;

	for (unsigned store = 0; store < STORES; store++)
		store_list(txn, (enum store)store, slice_of(user));
	assert_int_equal(storage_run_now(room_process(room)->storage, txn), 0);
	for (unsigned store = 0; store < STORES; store++) {
		store_rows(txn, store, &count);
		rows += store == STORE_LOCK ? 0 : (unsigned)count;
	}
	store_txn_free(&txn);
	return rows;
}

static void all_goes_and_all_hear_of_it(void **state)
{
	struct room *room = *state;

	a_life(room);
	room_login(room, "romeo@localhost/c");
	assert_true(rows_of(room, ROMEO) > 5);
	room_remove(room, A, ROMEO);
	room_expect(room, A, "deleted from=sm");
	room_expect(room, A, "account of romeo@localhost: 0");
	room_expect(room, "romeo@localhost/c", "deleted from=sm");
	room_expect(room, JULIET, "type='unavailable' from='romeo@localhost/a'");
	room_expect(room, "world", "type='unavailable' from='romeo@localhost/a' to='mercutio@remote.example'");
	expect_farewells(room);
	assert_int_equal(rows_of(room, ROMEO), 0);
	room_remove(room, "x", ROMEO);
	room_expect(room, "x", "account of romeo@localhost: 2");
}

static void mail_for_it_comes_back(void **state)
{
	struct room *room = *state;

	a_life(room);
	room_send(room, A, "<presence type='unavailable'/>");
	room_send(room, JULIET, "<message to='romeo@localhost' type='chat'><body>1</body></message>");
	room_remove(room, A, ROMEO);
	room_forget(room);
	room_send(room, JULIET, "<message to='romeo@localhost' type='chat'><body>2</body></message>");
	room_expect(room, JULIET, "service-unavailable");
	assert_int_equal(rows_of(room, ROMEO), 0);
}

/* What its client was not known to have goes nowhere, and is no row of a user who is not. */
static void what_waits_for_its_session_goes_too(void **state)
{
	struct room *room = *state;
	struct packet *packet;

	a_life(room);
	packet = room_make_action(room, A, SESSION_ENABLE);
	packet->session.resume.seconds = 300;
	room_packet(room, &packet);
	packet = room_make_action(room, A, SESSION_DETACH);
	room_packet(room, &packet);
	room_send(room, JULIET, "<message to='romeo@localhost/a' type='chat'><body>1</body></message>");
	room_remove(room, "x", ROMEO);
	room_expect(room, "x", "account of romeo@localhost: 0");
	room_wait(room, 400000);
	assert_int_equal(rows_of(room, ROMEO), 0);
	assert_null(room_session(room, A));
}

static void an_administrator_does_it_too(void **state)
{
	struct room *room = *state;

	a_life(room);
	assert_int_equal(COMMAND(room, "user", "del", "Romeo@localhost"), CTL_OK);
	assert_non_null(strstr(room_said(room), "romeo@localhost: deleted; nobody gets the name before 20"));
	room_expect(room, A, "deleted from=sm");
	room_expect(room, JULIET, "type='unavailable' from='romeo@localhost/a'");
	room_expect(room, "world", "type='unavailable' from='romeo@localhost/a' to='mercutio@remote.example'");
	expect_farewells(room);
	assert_int_equal(rows_of(room, ROMEO), 0);
	assert_int_equal(COMMAND(room, "user", "del", ROMEO), CTL_PROBLEM);
	assert_non_null(strstr(room_said(room), "there is no such account"));
	assert_int_equal(COMMAND(room, "user", "del"), CTL_USAGE);
	assert_int_equal(COMMAND(room, "user", "del", "romeo@remote.example"), CTL_PROBLEM);
}

static void what_a_disk_refuses_does_not_end(void **state)
{
	struct room *room = *state;

	a_life(room);
	room_disk_full(room, true);
	room_remove(room, "x", ROMEO);
	room_expect(room, "x", "account of romeo@localhost: -");
	assert_int_equal(COMMAND(room, "user", "del", ROMEO), CTL_PROBLEM);
	assert_non_null(strstr(room_said(room), "storage: "));
	room_expect_none_with(room, JULIET, "unsubscribe");
	room_disk_full(room, false);
	room_wait(room, 10000);
	room_forget(room);
	on(room, A);
	room_expect_among(room, A, "<item jid='juliet@localhost' subscription='both'/>");
}

/* Somebody else gets the name later, and nothing of before. */
static void its_name_is_locked_for_a_while(void **state)
{
	struct room *room = *state;

	a_life(room);
	room_remove(room, "x", ROMEO);
	room_wait(room, 29ll * 24 * 3600 * 1000);
	room_forget(room);
	room_action(room, "x", SESSION_CREATE, ROMEO);
	room_expect(room, "x", "create from=localhost failed");
	room_wait(room, 2ll * 24 * 3600 * 1000);
	room_account(room, ROMEO);
	on(room, A);
	room_expect_none_with(room, A, "<item");
}

static void locks_that_are_over_are_swept_out(void **state)
{
	struct room *room = *state;
	struct store_txn *txn;
	char user[32];
	size_t count;

	for (unsigned at = 0; at < 3; at++) {
		snprintf(user, sizeof(user), "u%u@localhost", at);
		room_account(room, user);
		room_remove(room, "x", user);
	}
	room_wait(room, ROOM_LOCK_MS);
	room_account(room, ROMEO);
	room_remove(room, "x", ROMEO);
	txn = store_txn_new();
	store_owners(txn, STORE_LOCK, SLICE(""), 10);
	assert_int_equal(storage_run_now(room_process(room)->storage, txn), 0);
	assert_true(slice_is(store_rows(txn, 0, &count)->item, ROMEO));
	assert_int_equal(count, 1);
	store_txn_free(&txn);
}

/* As a stopped server's storage leaves it, or a crash behind the commit. */
static void what_was_not_said_is_said_after_the_next_start(void **state)
{
	struct room *room = *state;
	struct store_txn *txn;

	a_life(room);
	txn = store_txn_new();
	store_clear(txn, STORE_ACCOUNT, SLICE(ROMEO));
	store_clear(txn, STORE_USER, SLICE(ROMEO));
	store_clear(txn, STORE_ROSTER, SLICE(ROMEO));
	store_clear(txn, STORE_REQUEST, SLICE(ROMEO));
	store_put(txn, STORE_FAREWELL, SLICE(ROMEO), SLICE("juliet@localhost"), SLICE("unsubscribe unsubscribed "));
	store_put(txn, STORE_FAREWELL, SLICE(ROMEO), SLICE("paris@remote.example"), SLICE("unsubscribe "));
	assert_int_equal(storage_run_now(room_process(room)->storage, txn), 0);
	store_txn_free(&txn);
	room_restart(room);
	room_wait(room, 3000);
	room_expect(room, "world", "type='unsubscribe' from='romeo@localhost' to='paris@remote.example'");
	room_login(room, JULIET);
	room_send(room, JULIET, ROSTER_GET);
	room_expect(room, JULIET, "<item jid='romeo@localhost' subscription='none'/>");
	room_restart(room);
	room_wait(room, 3000);
	room_expect_nothing(room, "world");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, room_open, room_close)
	static const struct CMUnitTest tests[] = {
		TEST(all_goes_and_all_hear_of_it),
		TEST(mail_for_it_comes_back),
		TEST(what_waits_for_its_session_goes_too),
		TEST(an_administrator_does_it_too),
		TEST(what_a_disk_refuses_does_not_end),
		TEST(its_name_is_locked_for_a_while),
		TEST(locks_that_are_over_are_swept_out),
		TEST(what_was_not_said_is_said_after_the_next_start),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
