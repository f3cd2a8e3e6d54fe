/* SPDX-License-Identifier: MIT */
/* Connections that change their worker behind the login. */
#include "room.h"

#include "xml/nad.h"

static bool wait_for_echo(struct room *room)
{
	return room_got(room, "<message>hello</message>");
}

static void goes_to_another_worker_with_what_was_pipelined(void **test)
{
	struct room room;

	room_open(&room);
	room.moves = true;
	room_say(&room, HEADER AUTH HEADER "<message>hello</message>");
	room_run(&room, wait_for_echo);
	assert_string_equal(room_heard(&room), "stream open packet:message ");
	assert_int_equal(room.worker, 1);
	room_close(&room);
}

static bool talk_step_by_step(struct room *room)
{
	if (room->fault == 0 && room_got(room, "<success")) {
		room->fault = 1;
		room_say(room, HEADER);
	} else if (room->fault == 1 && room_got(room, "</stream:features><?xml")) {
		room->fault = 2;
	} else if (room->fault == 1 &&
		   room_got(room,
			    "<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>")) {
		room->fault = 2;
		room_say(room, "<message>hello</message>");
	}
	return wait_for_echo(room);
}

static void success_is_sent_from_the_new_worker(void **test)
{
	struct room room;

	room_open(&room);
	room.moves = true;
	room_say(&room, HEADER AUTH);
	room_run(&room, talk_step_by_step);
	assert_int_equal(room.worker, 1);
	room_close(&room);
}

static bool wait_for_eof(struct room *room)
{
	room_got(room, "");
	return room->eof;
}

static void the_deadline_moves_along(void **test)
{
	struct room room;

	room_open(&room);
	room.moves = true;
	room.options.login_ms = 100;
	room_say(&room, HEADER AUTH);
	room_run(&room, wait_for_eof);
	assert_true(room_got(&room, "<connection-timeout"));
	room_close(&room);
}

static void a_peer_that_left_is_noticed_there(void **test)
{
	struct room room;

	room_open(&room);
	room.moves = true;
	room_say(&room, HEADER AUTH HEADER "<message/></stream:stream>");
	room_run(&room, wait_for_eof);
	assert_int_equal(room.worker, 1);
	assert_true(room_got(&room, "</stream:stream>"));
	room_close(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_to_another_worker_with_what_was_pipelined),
		cmocka_unit_test(success_is_sent_from_the_new_worker),
		cmocka_unit_test(the_deadline_moves_along),
		cmocka_unit_test(a_peer_that_left_is_noticed_there),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
