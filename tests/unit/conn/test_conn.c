/* SPDX-License-Identifier: MIT */
/* Connections on real sockets: life, closing, deadlines, bounds. */
#include "room.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include "xml/nad.h"

static bool wait_for_echo(struct room *room)
{
	return room_got(room, "<message>hello</message>");
}

static void carries_a_stream(void **test)
{
	struct room room;

	room_open(&room);
	room_say(&room, HEADER AUTH HEADER "<message>hello</message>");
	room_run(&room, wait_for_echo);
	assert_string_equal(room_heard(&room), "stream open packet:message ");
	assert_int_equal(room.worker, 0);
	assert_memory_equal(conn_peer(room.conn), "127.0.0.1:", 10);
	assert_ptr_equal(conn_of(conn_sx(room.conn)), room.conn);
	room_close(&room);
}

static bool wait_for_eof(struct room *room)
{
	room_got(room, "");
	return room->eof && !room->conn;
}

static void the_peer_may_close(void **test)
{
	struct room room;

	room_open(&room);
	room_say(&room, HEADER "</stream:stream>");
	room_run(&room, wait_for_eof);
	assert_string_equal(room_heard(&room), "stream closed:peer ");
	assert_true(room_got(&room, "</stream:stream>"));
	room_close(&room);
}

static void the_peer_may_just_leave(void **test)
{
	struct room room;

	room_open(&room);
	room_say(&room, HEADER AUTH HEADER "<message/>");
	shutdown(room.client, SHUT_WR);
	room_run(&room, wait_for_eof);
	assert_string_equal(room_heard(&room), "stream open packet:message closed:gone ");
	room_close(&room);
}

static bool reset_when_open(struct room *room)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (room->client >= 0 && room_got(room, "<success")) {
		setsockopt(room->client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(room->client);
		room->client = -1;
	}
	return room->client < 0 && !room->conn;
}

static void a_reset_is_a_fault(void **test)
{
	struct room room;

	room_open(&room);
	room_say(&room, HEADER AUTH);
	room_run(&room, reset_when_open);
	assert_string_equal(room_heard(&room), "stream closed:fault ");
	assert_int_equal(room.fault, -ECONNRESET);
	room_close(&room);
}

static void an_error_arrives_before_the_end(void **test)
{
	struct room room;
	struct buf much = {0};

	room_open(&room);
	buf_append_text(&much, HEADER "</wrong>");
	for (int i = 0; i < 100000; i++)
		buf_append_char(&much, ' ');
	room_say(&room, buf_text(&much));
	room_run(&room, wait_for_eof);
	assert_string_equal(room_heard(&room), "stream closed:error ");
	assert_true(room_got(&room, "<not-well-formed"));
	buf_fini(&much);
	room_close(&room);
}

static bool close_then_answer(struct room *room)
{
	if (room_got(room, "</stream:stream>") && !room->eof && room->packets == 0) {
		room->packets = 1;
		room_say(room, "<message/></stream:stream>");
	} else if (room->conn && room_got(room, "<success")) {
		conn_close(room->conn, SX_ERROR_NONE, NULL);
	}
	return room->eof && !room->conn;
}

static void closing_waits_for_the_answer(void **test)
{
	struct room room;

	room_open(&room);
	room_say(&room, HEADER AUTH HEADER);
	room_run(&room, close_then_answer);
	assert_string_equal(room_heard(&room), "stream open closed:peer ");
	room_close(&room);
}

static bool close_with_error(struct room *room)
{
	if (room->conn && room_got(room, "<success"))
		conn_close(room->conn, SX_SYSTEM_SHUTDOWN, "good night");
	return wait_for_eof(room);
}

static void closing_with_an_error_does_not_wait(void **test)
{
	struct room room;

	room_open(&room);
	room_say(&room, HEADER AUTH HEADER);
	room_run(&room, close_with_error);
	assert_string_equal(room_heard(&room), "stream open closed:error ");
	assert_true(room_got(&room, "<system-shutdown"));
	assert_true(room.steps < 100);
	room_close(&room);
}

static void a_login_that_takes_too_long_is_ended(void **test)
{
	struct room room;

	room_open(&room);
	room.options.login_ms = 60;
	room_say(&room, HEADER);
	room_run(&room, wait_for_eof);
	assert_string_equal(room_heard(&room), "stream closed:timeout ");
	assert_int_equal(room.refusal, SX_REFUSED_SLOW);
	assert_true(room_got(&room, "<connection-timeout"));
	room_close(&room);
}

static bool outlive_the_login(struct room *room)
{
	return room->steps > 15 && room_got(room, "hello");
}

static void a_login_in_time_has_no_deadline(void **test)
{
	struct room room;

	room_open(&room);
	room.options.login_ms = 60;
	room_say(&room, HEADER AUTH HEADER "<message>hello</message>");
	room_run(&room, outlive_the_login);
	assert_non_null(room.conn);
	room_close(&room);
}

static bool push_until_ended(struct room *room)
{
	char bytes[65536];
	struct slice part = {bytes, sizeof(bytes)};

	memset(bytes, ' ', sizeof(bytes));
	for (int i = 0; i < 16 && room->conn; i++)
		sx_send_parts(conn_sx(room->conn), &part, 1, SX_OTHER);
	return strstr(room_heard(room), "closed") != NULL;
}

static void a_peer_that_does_not_read_is_ended(void **test)
{
	struct room room;

	room_open(&room);
	room.options.out_max = 200000;
	room_say(&room, HEADER);
	room_run(&room, push_until_ended);
	assert_non_null(strstr(room_heard(&room), "closed:fault "));
	assert_int_equal(room.fault, -ENOBUFS);
	assert_int_equal(room.refusal, SX_REFUSED_UNREAD);
	room_close(&room);
}

static bool fill_then_drain(struct room *room)
{
	struct slice part = SLICE("<x>0123456789</x>");

	if (room->conn && room->packets == 0 && room_got(room, "<success")) {
		room->packets = 1;
		assert_false(conn_is_full(room->conn));
		for (int i = 0; i < 100; i++)
			sx_send_parts(conn_sx(room->conn), &part, 1, SX_OTHER);
		assert_true(conn_is_full(room->conn));
		assert_true(conn_unsent(room->conn) >= 1700);
	}
	return strstr(room_heard(room), "drained") != NULL;
}

static void tells_when_it_has_drained(void **test)
{
	struct room room;

	room_open(&room);
	room.options.out_full = 1000;
	room_say(&room, HEADER AUTH HEADER);
	room_run(&room, fill_then_drain);
	assert_string_equal(room_heard(&room), "stream open drained ");
	room_close(&room);
}

static void pause_first(struct room *room, struct conn *conn, struct nad *nad)
{
	if (room->packets == 1)
		conn_pause(conn, true);
}

static bool unpause_later(struct room *room)
{
	if (room->packets == 1 && room->steps > 10)
		conn_pause(room->conn, false);
	return room->packets == 3;
}

static void a_paused_connection_delivers_nothing(void **test)
{
	struct room room;

	room_open(&room);
	room.on_packet = pause_first;
	room_say(&room, HEADER AUTH HEADER "<a/><b/><c/>");
	room_run(&room, unpause_later);
	assert_true(room.steps > 10);
	room_close(&room);
}

static void kill_it(struct room *room, struct conn *conn, struct nad *nad)
{
	conn_kill(&room->conn);
	assert_null(room->conn);
}

static void the_owner_may_kill_from_within(void **test)
{
	struct room room;

	room_open(&room);
	room.on_packet = kill_it;
	room_say(&room, HEADER AUTH HEADER "<a/><b/>");
	room_run(&room, wait_for_eof);
	assert_string_equal(room_heard(&room), "stream open packet:a ");
	room_close(&room);
}

static void drop_it(struct room *room, struct conn *conn, struct nad *nad)
{
	sx_send_parts(conn_sx(conn), &SLICE("<last/>"), 1, SX_OTHER);
	conn_drop(&room->conn);
}

static void a_dropped_connection_ends_without_a_word(void **test)
{
	struct room room;

	room_open(&room);
	room.on_packet = drop_it;
	room_say(&room, HEADER AUTH HEADER "<a/>");
	room_run(&room, wait_for_eof);
	assert_true(room_got(&room, "<last/>"));
	assert_false(room_got(&room, "</stream:stream>"));
	assert_string_equal(room_heard(&room), "stream open packet:a ");
	room_close(&room);
}

static void never_answer(void *owner, struct sx *sx, const char *mechanism, bool initial,
			 struct slice message)
{
}

static bool push_input(struct room *room)
{
	static const char spaces[8192];

	if (room->conn)
		assert_true(sx_input_waiting(conn_sx(room->conn)) <= 2 * 65536);
	while (room->packets < 2000000) {
		ssize_t put =
			send(room->client, spaces, sizeof(spaces), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (put <= 0)
			break;
		room->packets += (int)put;
	}
	return room->steps > 20;
}

static void what_must_wait_is_bounded(void **test)
{
	struct room room;

	room_open(&room);
	room.sasl.step = never_answer;
	room_say(&room, HEADER AUTH);
	room_run(&room, push_input);
	assert_true(sx_input_waiting(conn_sx(room.conn)) > 65536);
	room_close(&room);
}

static void a_proxy_says_whom_it_speaks_for(void **test)
{
	struct room room;

	room_open(&room);
	room.proxied = true;
	room_say(&room, "PROXY TCP4 192.0.2.1 192.0.2.2 41532 5222\r\n" HEADER AUTH HEADER "<message>hello</message>");
	room_run(&room, wait_for_echo);
	assert_string_equal(room_heard(&room), "proxied:192.0.2.1:41532 stream open packet:message ");
	assert_string_equal(conn_peer(room.conn), "192.0.2.1:41532");
	room_close(&room);
}

static void refuses_a_proxy(const char *says, bool ends)
{
	struct room room;

	room_open(&room);
	room.proxied = true;
	room.options.login_ms = 60;
	room_say(&room, says);
	if (ends)
		shutdown(room.client, SHUT_WR);
	room_run(&room, wait_for_eof);
	assert_string_equal(room_heard(&room), "closed:fault ");
	assert_int_equal(room.refusal, SX_REFUSED_PROXY);
	assert_int_equal(buf_used(&room.got), 0);
	room_close(&room);
}

static void a_proxy_that_does_not_is_closed_without_a_word(void **test)
{
	refuses_a_proxy(HEADER, false);
	refuses_a_proxy("PROXY TCP4 192.0.2.1\r\n", false);
	refuses_a_proxy("PROXY TCP4 192.0.2.1", false); /* and nothing for long */
	refuses_a_proxy("PROXY TCP4 192.0.2.1", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_a_stream),
		cmocka_unit_test(the_peer_may_close),
		cmocka_unit_test(the_peer_may_just_leave),
		cmocka_unit_test(a_reset_is_a_fault),
		cmocka_unit_test(an_error_arrives_before_the_end),
		cmocka_unit_test(closing_waits_for_the_answer),
		cmocka_unit_test(closing_with_an_error_does_not_wait),
		cmocka_unit_test(a_login_that_takes_too_long_is_ended),
		cmocka_unit_test(a_login_in_time_has_no_deadline),
		cmocka_unit_test(a_peer_that_does_not_read_is_ended),
		cmocka_unit_test(a_proxy_says_whom_it_speaks_for),
		cmocka_unit_test(a_proxy_that_does_not_is_closed_without_a_word),
		cmocka_unit_test(tells_when_it_has_drained),
		cmocka_unit_test(a_paused_connection_delivers_nothing),
		cmocka_unit_test(the_owner_may_kill_from_within),
		cmocka_unit_test(a_dropped_connection_ends_without_a_word),
		cmocka_unit_test(what_must_wait_is_bounded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
