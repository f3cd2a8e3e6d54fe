/* SPDX-License-Identifier: MIT */
/* The actions of c2s on sessions and accounts, session-protocol.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "jid/jid.h"
#include "link/packet.h"
#include "room.h"

static void answers_a_start_in_its_own_name(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_start(room, "romeo@localhost/a");
	room_expect(room, "romeo@localhost/a", "started from=sm target=romeo@localhost/a id=i1");
	assert_non_null(room_session(room, "romeo@localhost/a"));
}

static void fails_a_start_so_that_jabberd2_hears_it(void **state)
{
	struct room *room = *state;

	room_start(room, "nobody@localhost/a");
	room_expect(room, "nobody@localhost/a",
		    "start from=localhost failed sm=none target=nobody@localhost/a id=i1");
	room_action(room, "x", SESSION_START, "nobody@other.example/a");
	room_expect(room, "x", "failed sm=none");
	room_action(room, "x", SESSION_START, "nobody@localhost");
	room_expect(room, "x", "failed sm=none");
	room_action(room, "x", SESSION_START, NULL);
	room_expect(room, "x", "failed sm=none");
}

static void creates_an_account_once(void **state)
{
	struct room *room = *state;

	room_action(room, "x", SESSION_CREATE, "romeo@localhost");
	room_expect(room, "x", "created from=localhost target=romeo@localhost id=i1");
	room_action(room, "x", SESSION_CREATE, "romeo@localhost");
	room_expect(room, "x", "create from=localhost failed sm=none");
	room_action(room, "x", SESSION_CREATE, "romeo@other.example");
	room_expect(room, "x", "failed sm=none");
}

static void replaces_the_older_session_first(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_login(room, "romeo@localhost/a");
	room_action(room, "newer", SESSION_START, "romeo@localhost/a");
	room_expect(room, "romeo@localhost/a", "replaced from=sm");
	room_expect(room, "newer", "started from=sm");
	room_send(room, "romeo@localhost/a",
		  "<message to='romeo@localhost'><body>late</body></message>");
	room_expect(room, "romeo@localhost/a", "ended from=sm");
}

/* c2s asks again when its router was away: it may be that only the question was lost, or nothing at all. */
static void starts_once_for_a_question(void **state)
{
	struct room *room = *state;
	struct packet *packet;

	room_account(room, "romeo@localhost");
	room_login(room, "romeo@localhost/a");
	room_start(room, "romeo@localhost/a");
	room_expect_nothing(room, "romeo@localhost/a");
	packet = room_make_action(room, "romeo@localhost/a", SESSION_START);
	packet->session.target = jid_parse(SLICE("romeo@localhost/a"));
	packet->session.id = str_new(SLICE("i2"));
	room_packet(room, &packet);
	room_expect(room, "romeo@localhost/a", "replaced from=sm");
	room_expect(room, "romeo@localhost/a", "started from=sm");
}

static void ends_a_session_once(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_login(room, "romeo@localhost/a");
	room_end(room, "romeo@localhost/a");
	room_expect(room, "romeo@localhost/a", "ended from=sm");
	room_end(room, "romeo@localhost/a");
	room_expect(room, "romeo@localhost/a", "end from=sm failed");
	assert_null(room_session(room, "romeo@localhost/a"));
}

static void makes_room_for_the_newcomer(void **state)
{
	static const char *const clients[] = {"romeo@localhost/1", "romeo@localhost/2",
					      "romeo@localhost/3", "romeo@localhost/4",
					      "romeo@localhost/5"};
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	for (unsigned at = 0; at < 5; at++)
		room_login(room, clients[at]);
	room_login(room, "romeo@localhost/6");
	room_expect(room, "romeo@localhost/1", "crowded from=sm");
	assert_non_null(room_session(room, "romeo@localhost/2"));
}

static void says_who_it_is(void **state)
{
	struct room *room = *state;
	const char *text;

	room_action(room, "x", SESSION_HELLO, "localhost");
	text = room_next(room, "x");
	assert_non_null(text);
	assert_non_null(strstr(text, "hello from=localhost"));
	assert_non_null(strstr(text, " end=sm/"));
}

static void deletes_an_account_and_tells_its_contacts(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_login(room, "romeo@localhost/a");
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b",
		  "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_send(room, "romeo@localhost/a", "<presence type='subscribe' to='juliet@localhost'/>");
	room_send(room, "juliet@localhost/b", "<presence type='subscribed' to='romeo@localhost'/>");
	room_forget(room);
	room_action(room, "romeo@localhost/a", SESSION_DELETE, "romeo@localhost");
	room_expect(room, "romeo@localhost/a", "deleted from=sm");
	room_expect(room, "romeo@localhost/a", "deleted from=localhost target=romeo@localhost");
	room_expect(room, "juliet@localhost/b", "type='unsubscribe' from='romeo@localhost'");
	room_start(room, "romeo@localhost/a");
	room_expect(room, "romeo@localhost/a", "failed");
	room_action(room, "x", SESSION_DELETE, "nobody@localhost");
	room_expect(room, "x", "deleted");
	room_action(room, "x", SESSION_CREATE, "romeo@localhost");
	room_expect(room, "x", "create from=localhost failed");
	room_wait(room, ROOM_LOCK_MS);
	room_account(room, "romeo@localhost");
}

static void a_disabled_account_has_no_sessions_and_keeps_its_mail(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_login(room, "romeo@localhost/a");
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence to='romeo@localhost/a'/>");
	room_forget(room);
	room_action(room, "x", SESSION_DISABLE, "juliet@localhost");
	room_expect(room, "juliet@localhost/b", "disabled from=sm");
	room_expect(room, "romeo@localhost/a", "type='unavailable' from='juliet@localhost/b'");
	room_start(room, "juliet@localhost/b");
	room_expect(room, "juliet@localhost/b", "failed");
	room_send(room, "romeo@localhost/a",
		  "<message to='juliet@localhost' type='chat'><body>wait</body></message>");
	room_expect_nothing(room, "romeo@localhost/a");
	room_action(room, "x", SESSION_ALLOW, "juliet@localhost");
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect_among(room, "juliet@localhost/b", "wait");
}

static void ends_the_sessions_of_a_c2s_that_is_lost(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_login(room, "romeo@localhost/a");
	room_login(room, "romeo@localhost/b");
	room_send(room, "romeo@localhost/a", "<presence to='y@remote.example'/>");
	room_forget(room);
	room_lose(room, "c2s");
	room_expect(room, "world",
		    "type='unavailable' from='romeo@localhost/a' to='y@remote.example'");
	room_expect_nothing(room, "romeo@localhost/a");
	assert_null(room_session(room, "romeo@localhost/a"));
	assert_null(room_session(room, "romeo@localhost/b"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_a_start_in_its_own_name, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(fails_a_start_so_that_jabberd2_hears_it, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(creates_an_account_once, room_open, room_close),
		cmocka_unit_test_setup_teardown(replaces_the_older_session_first, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(starts_once_for_a_question, room_open, room_close),
		cmocka_unit_test_setup_teardown(ends_a_session_once, room_open, room_close),
		cmocka_unit_test_setup_teardown(makes_room_for_the_newcomer, room_open, room_close),
		cmocka_unit_test_setup_teardown(says_who_it_is, room_open, room_close),
		cmocka_unit_test_setup_teardown(deletes_an_account_and_tells_its_contacts,
						room_open, room_close),
		cmocka_unit_test_setup_teardown(a_disabled_account_has_no_sessions_and_keeps_its_mail,
						room_open, room_close),
		cmocka_unit_test_setup_teardown(ends_the_sessions_of_a_c2s_that_is_lost, room_open,
						room_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
