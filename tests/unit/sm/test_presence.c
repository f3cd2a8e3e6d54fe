/* SPDX-License-Identifier: MIT */
/* Presence between people who see each other, and between the sessions of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "room.h"
#include "sm/modules/modules.h"
#include "sm/user.h"
#include "base/buf.h"

static void friends(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_login(room, "romeo@localhost/a");
	room_login(room, "juliet@localhost/b");
	room_send(room, "romeo@localhost/a", "<presence type='subscribe' to='juliet@localhost'/>");
	room_send(room, "juliet@localhost/b", "<presence type='subscribed' to='romeo@localhost'/>");
	room_send(room, "juliet@localhost/b", "<presence type='subscribe' to='romeo@localhost'/>");
	room_send(room, "romeo@localhost/a", "<presence type='subscribed' to='juliet@localhost'/>");
	room_forget(room);
}

static void tells_friends_who_comes_and_who_is_there(void **state)
{
	struct room *room = *state;

	friends(room);
	room_send(room, "romeo@localhost/a", "<presence><show>chat</show></presence>");
	room_expect(room, "romeo@localhost/a",
		    "<presence from='romeo@localhost/a' to='romeo@localhost/a'>");
	room_expect(room, "romeo@localhost/a",
		    "<presence type='unavailable' from='juliet@localhost'");
	room_expect_nothing(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect(room, "romeo@localhost/a", "from='juliet@localhost/b'");
	room_expect_nothing(room, "romeo@localhost/a");
	room_expect_among(room, "juliet@localhost/b", "<show>chat</show>");
	room_send(room, "romeo@localhost/a", "<presence><show>away</show></presence>");
	room_expect(room, "juliet@localhost/b", "<show>away</show>");
	room_expect_nothing(room, "juliet@localhost/b");
	room_forget(room);
	room_send(room, "romeo@localhost/a",
		  "<presence type='unavailable'><status>bye</status></presence>");
	room_expect(room, "juliet@localhost/b", "<status>bye</status>");
	room_expect_nothing(room, "romeo@localhost/a");
	room_end(room, "juliet@localhost/b");
	room_expect(room, "juliet@localhost/b", "ended");
	room_expect_nothing(room, "romeo@localhost/a");
}

static void tells_friends_when_a_session_ends(void **state)
{
	struct room *room = *state;

	friends(room);
	room_send(room, "romeo@localhost/a", "<presence/>");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_login(room, "romeo@localhost/c");
	room_send(room, "romeo@localhost/c", "<presence/>");
	room_forget(room);
	room_end(room, "romeo@localhost/a");
	room_expect(room, "juliet@localhost/b",
		    "<presence type='unavailable' from='romeo@localhost/a'");
	room_expect(room, "romeo@localhost/c",
		    "<presence type='unavailable' from='romeo@localhost/a'");
}

static void answers_probes_of_those_who_may_ask(void **state)
{
	struct room *room = *state;

	friends(room);
	room_send(room, "romeo@localhost/a", "<presence><show>dnd</show></presence>");
	room_forget(room);
	room_from_world(room,
			"<presence type='probe' from='x@remote.example' to='romeo@localhost'/>");
	room_expect(room, "world",
		    "<presence type='unsubscribed' from='romeo@localhost' to='x@remote.example'>");
	room_from_world(room,
			"<presence type='probe' from='x@remote.example' to='nobody@localhost'/>");
	room_expect(room, "world",
		    "<presence type='unsubscribed' from='nobody@localhost' to='x@remote.example'>");
	room_from_world(room,
			"<presence type='probe' from='juliet@localhost/b' to='romeo@localhost'/>");
	room_expect(room, "juliet@localhost/b", "<show>dnd</show>");
}

static void remembers_whom_it_told_directly(void **state)
{
	struct room *room = *state;

	friends(room);
	room_send(room, "romeo@localhost/a", "<presence to='x@remote.example/r'/>");
	room_send(room, "romeo@localhost/a", "<presence to='y@remote.example/r'/>");
	room_send(room, "romeo@localhost/a",
		  "<presence to='y@remote.example/r' type='unavailable'/>");
	room_forget(room);
	room_end(room, "romeo@localhost/a");
	room_expect(room, "world",
		    "type='unavailable' from='romeo@localhost/a' to='x@remote.example/r'");
	room_expect_nothing(room, "world");
	room_expect_nothing(room, "juliet@localhost/b");
}

static void refuses_a_priority_that_is_none(void **state)
{
	struct room *room = *state;

	friends(room);
	room_send(room, "romeo@localhost/a",
		  "<presence id='p'><priority>128</priority></presence>");
	room_expect(room, "romeo@localhost/a", "<bad-request");
	room_send(room, "romeo@localhost/a",
		  "<presence id='p'><priority>high</priority></presence>");
	room_expect(room, "romeo@localhost/a", "<bad-request");
	room_expect_nothing(room, "juliet@localhost/b");
}

/* Every module with state in a session gives it away and takes it back. */
static void saves_and_loads_what_a_session_is(void **state)
{
	struct room *room = *state;
	struct session *from, *to;

	friends(room);
	room_login(room, "romeo@localhost/c");
	room_send(room, "romeo@localhost/a",
		  "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	room_send(room, "romeo@localhost/a",
		  "<presence><priority>7</priority><status>&lt;\n&gt;</status></presence>");
	room_send(room, "romeo@localhost/a", "<presence to='x@remote.example/r'/>");
	from = room_session(room, "romeo@localhost/a");
	to = room_session(room, "romeo@localhost/c");
	for (unsigned at = 0; sm_modules[at]; at++) {
		AUTO(buf_fini) struct buf saved = {0}, again = {0};

		assert_true(!sm_modules[at]->session_size == !sm_modules[at]->session_save);
		assert_true(!sm_modules[at]->session_size == !sm_modules[at]->session_load);
		if (!sm_modules[at]->session_size)
			continue;
		assert_int_equal(sm_modules[at]->session_save(NULL, from, &saved), 0);
		assert_int_equal(sm_modules[at]->session_load(NULL, to, buf_slice(&saved)), 0);
		assert_int_equal(sm_modules[at]->session_save(NULL, to, &again), 0);
		if (sm_modules[at] != &sm_presence)
			assert_string_equal(buf_text(&saved), buf_text(&again));
	}
	assert_int_equal(presence_of(to)->priority, 7);
	assert_non_null(presence_of(to)->last);
	assert_int_equal(presence_of(to)->directed_count, 1);
	assert_true(roster_is_interested(to));
}

static void refuses_a_session_that_was_not_saved(void **state)
{
	struct room *room = *state;
	struct session *session;

	friends(room);
	session = room_session(room, "romeo@localhost/a");
	assert_int_not_equal(sm_presence.session_load(NULL, session, SLICE("")), 0);
	assert_int_not_equal(sm_presence.session_load(NULL, session, SLICE("5\nabc")), 0);
	assert_int_not_equal(sm_presence.session_load(NULL, session, SLICE("3\nabc")), 0);
	assert_int_not_equal(sm_presence.session_load(NULL, session, SLICE("0\n@@\n")), 0);
	assert_int_not_equal(sm_presence.session_load(NULL, session, SLICE("x\n")), 0);
	assert_int_equal(sm_presence.session_load(NULL, session, SLICE("0\n")), 0);
	assert_int_equal(sm_presence.session_load(NULL, session, SLICE("0 0\n")), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_friends_who_comes_and_who_is_there, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(tells_friends_when_a_session_ends, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(answers_probes_of_those_who_may_ask, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(remembers_whom_it_told_directly, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(refuses_a_priority_that_is_none, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(saves_and_loads_what_a_session_is, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(refuses_a_session_that_was_not_saved, room_open,
						room_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
