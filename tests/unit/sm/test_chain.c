/* SPDX-License-Identifier: MIT */
/* What waits: for a user who is read, behind a stanza that is held; and what must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "room.h"

#define CHAT(body) "<message to='juliet@localhost' type='chat'><body>" body "</body></message>"

static void people(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_login(room, "romeo@localhost/a");
}

/*
 * The request is held until it is stored: what follows it to the same contact waits, other things
 * do not.
 */
static void keeps_a_message_behind_the_request_before_it(void **state)
{
	struct room *room = *state;

	people(room);
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_forget(room);
	room_send_all(
		room,
		(const char *[]){
			"romeo@localhost/a", "<presence type='subscribe' to='juliet@localhost'/>",
			"romeo@localhost/a", CHAT("behind"), "romeo@localhost/a",
			"<iq to='localhost' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>",
			NULL});
	room_expect(room, "juliet@localhost/b", "type='subscribe'");
	room_expect(room, "juliet@localhost/b", "<body>behind</body>");
	room_expect(room, "romeo@localhost/a", "type='result' id='p'");
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 3);
}

static void names_nobody_in_results_about_the_account(void **state)
{
	struct room *room = *state;
	const char *answer;

	people(room);
	room_forget(room);
	room_send(room, "romeo@localhost/a", "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	answer = room_next(room, "romeo@localhost/a");
	assert_non_null(strstr(answer, "type='result'"));
	assert_null(strstr(answer, " to="));
	assert_null(strstr(answer, " from="));
	room_send(room, "romeo@localhost/a", "<iq to='localhost' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
	answer = room_next(room, "romeo@localhost/a");
	assert_non_null(strstr(answer, " to='romeo@localhost/a'"));
	assert_non_null(strstr(answer, " from='localhost'"));
}

static void sends_on_what_an_ended_session_left(void **state)
{
	struct room *room = *state;

	people(room);
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_forget(room);
	room_send_all(room, (const char *[]){"romeo@localhost/a",
					     "<presence type='subscribe' to='juliet@localhost'/>",
					     "romeo@localhost/a", CHAT("left"), NULL});
	room_hear_of(room, "c2s", false);
	room_expect(room, "juliet@localhost/b", "type='subscribe'");
	room_expect(room, "juliet@localhost/b", "<body>left</body>");
}

static void bounds_what_waits_for_a_user(void **state)
{
	static const char *batch[2 * 600 + 1];
	struct room *room = *state;
	unsigned refused = 0, given = 0;
	const char *text;

	people(room);
	room_restart(room);
	room_login(room, "romeo@localhost/a");
	for (unsigned at = 0; at < 600; at++) {
		batch[2 * at] = "romeo@localhost/a";
		batch[2 * at + 1] = CHAT("x");
	}
	room_send_all(room, batch);
	while ((text = room_next(room, "romeo@localhost/a")))
		refused += strstr(text, "<resource-constraint") != NULL;
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	while ((text = room_next(room, "juliet@localhost/b")))
		given += strstr(text, "<body>x</body>") != NULL;
	assert_int_equal(refused + given, 600);
	assert_int_equal(given, 500);
}

/*
 * Nobody else may take what is for a c2s that is not there: the session goes, the message finds
 * another way.
 */
static void stores_what_a_lost_session_did_not_get(void **state)
{
	struct room *room = *state;

	people(room);
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_forget(room);
	room_hide_c2s_of(room, "juliet@localhost/b");
	room_send(room, "romeo@localhost/a", CHAT("lost"));
	room_lose(room, "ghost");
	room_expect_nothing(room, "romeo@localhost/a");
	assert_null(room_session(room, "juliet@localhost/b"));
	room_login(room, "juliet@localhost/c");
	room_send(room, "juliet@localhost/c", "<presence/>");
	room_expect_among(room, "juliet@localhost/c", "<body>lost</body>");
}

/* A router died, or the wire of a c2s: as long as its end may come back its sessions are alive. */
static void waits_for_a_c2s_that_is_away(void **state)
{
	struct room *room = *state;

	people(room);
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_forget(room);
	room_hide_c2s_of(room, "juliet@localhost/b");
	room_send(room, "romeo@localhost/a", CHAT("first"));
	room_hear_of(room, "ghost", false);
	room_wait(room, 25000);
	room_send(room, "romeo@localhost/a", CHAT("second"));
	assert_non_null(room_session(room, "juliet@localhost/b"));
	room_expect_nothing(room, "romeo@localhost/a");
	room_lose(room, "ghost");
	assert_null(room_session(room, "juliet@localhost/b"));
	room_send(room, "romeo@localhost/a", CHAT("third"));
	room_forget(room);
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect(room, "juliet@localhost/b", "<presence");
	room_expect(room, "juliet@localhost/b", "first");
	room_expect(room, "juliet@localhost/b", "second");
	room_expect(room, "juliet@localhost/b", "third");
}

static void asks_to_try_again_when_storage_fails(void **state)
{
	struct room *room = *state;

	people(room);
	room_send(room, "romeo@localhost/a",
		  "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	room_forget(room);
	room_disk_full(room, true);
	room_send(room, "romeo@localhost/a", CHAT("refused"));
	room_expect(room, "romeo@localhost/a", "<error type='wait'");
	room_send(room, "romeo@localhost/a",
		  "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item "
		  "jid='a@b'/></query></iq>");
	room_expect(room, "romeo@localhost/a", "<error type='wait'");
	room_expect(room, "romeo@localhost/a", "<item jid='a@b' subscription='remove'/>");
	room_disk_full(room, false);
	room_send(room, "romeo@localhost/a",
		  "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	room_expect(room, "romeo@localhost/a", "<query xmlns='jabber:iq:roster'/></iq>");
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 4);
	room_send(room, "romeo@localhost/a", CHAT("stored"));
	room_expect_nothing(room, "romeo@localhost/a");
}

static void settles_a_message_that_reached_a_session(void **state)
{
	struct room *room = *state;

	people(room);
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_send(room, "romeo@localhost/a", CHAT("1"));
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 1);
	room_send(room, "romeo@localhost/a",
		  "<message to='nobody@localhost'><body>1</body></message>");
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 2);
	room_send(room, "romeo@localhost/a",
		  "<message to='x@remote.example'><body>1</body></message>");
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 3);
	room_send(room, "romeo@localhost/a", "<presence/>");
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 4);
	room_send(room, "romeo@localhost/a",
		  "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 5);
	room_send(room, "romeo@localhost/a",
		  "<iq type='get' id='r'><x xmlns='u:unknown'/></iq>");
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 6);
	room_send(room, "romeo@localhost/a",
		  "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item "
		  "jid='a@b'/></query></iq>");
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 7);
	room_send(room, "romeo@localhost/a",
		  "<message to='x@nowhere.example'><body>1</body></message>");
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 8);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keeps_a_message_behind_the_request_before_it,
						room_open, room_close),
		cmocka_unit_test_setup_teardown(names_nobody_in_results_about_the_account, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(sends_on_what_an_ended_session_left, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(bounds_what_waits_for_a_user, room_open_one,
						room_close),
		cmocka_unit_test_setup_teardown(stores_what_a_lost_session_did_not_get, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(waits_for_a_c2s_that_is_away, room_open_apart,
						room_close),
		cmocka_unit_test_setup_teardown(asks_to_try_again_when_storage_fails, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(settles_a_message_that_reached_a_session, room_open,
						room_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
