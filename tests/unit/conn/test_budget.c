/* SPDX-License-Identifier: MIT */
/* The bound that the queues of many connections share. */
#include "room.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "xml/nad.h"

enum { CLIENTS = 3, LIMIT = 1000000 };

struct crowd {
	struct room room;
	int clients[CLIENTS];
	size_t wanted[CLIENTS]; /* unsent bytes, nobody reads them */
};

static void open_crowd(struct crowd *crowd, size_t limit)
{
	room_open(&crowd->room);
	crowd->room.budget = budget_new(limit);
	crowd->room.options.pooled = true;
	crowd->room.options.out_max = 64 << 20;
	for (unsigned at = 0; at < CLIENTS; at++) {
		room_connect(&crowd->room);
		room_say(&crowd->room, HEADER);
		crowd->clients[at] = crowd->room.client;
	}
	crowd->room.client = -1;
}

static void close_crowd(struct crowd *crowd)
{
	for (unsigned at = 0; at < CLIENTS; at++) {
		close(crowd->clients[at]);
		conn_kill(&crowd->room.conns[at]);
	}
	crowd->room.conn = NULL;
	room_close(&crowd->room);
}

static void push(struct conn *conn)
{
	char bytes[16384];
	struct slice part = {bytes, sizeof(bytes)};

	memset(bytes, ' ', sizeof(bytes));
	for (unsigned at = 0; at < 2; at++)
		sx_send_parts(conn_sx(conn), &part, 1, SX_OTHER);
}

static bool push_as_wanted(struct room *room)
{
	struct crowd *crowd = container_of(room, struct crowd, room);
	bool pushed = room->accepted < CLIENTS;

	for (unsigned at = 0; at < CLIENTS; at++) {
		struct conn *conn = room->conns[at];

		if (conn && conn_unsent(conn) < crowd->wanted[at]) {
			push(conn);
			pushed = true;
		}
	}
	return !pushed;
}

static void the_longest_queue_goes_first(void **test)
{
	struct crowd crowd = {.wanted = {200000, 600000, 350000}};

	open_crowd(&crowd, LIMIT);
	room_run(&crowd.room, push_as_wanted);
	assert_non_null(crowd.room.conns[0]);
	assert_null(crowd.room.conns[1]);
	assert_non_null(crowd.room.conns[2]);
	assert_string_equal(strstr(room_heard(&crowd.room), "closed"), "closed:fault ");
	assert_int_equal(crowd.room.refusal, SX_REFUSED_MEMORY);
	assert_true(budget_used(crowd.room.budget) >= 550000);
	assert_true(budget_used(crowd.room.budget) <= LIMIT);
	close_crowd(&crowd);
}

static void what_is_below_the_bound_may_be_long(void **test)
{
	struct crowd crowd = {.wanted = {100000, 700000, 0}};

	open_crowd(&crowd, LIMIT);
	room_run(&crowd.room, push_as_wanted);
	assert_non_null(crowd.room.conns[1]);
	close_crowd(&crowd);
}

static bool drop_them(struct room *room)
{
	if (!push_as_wanted(room))
		return false;
	for (unsigned at = 0; at < CLIENTS; at++)
		conn_kill(&room->conns[at]);
	return budget_used(room->budget) == 0;
}

static void nothing_is_counted_of_who_is_gone(void **test)
{
	struct crowd crowd = {.wanted = {100000, 200000, 300000}};

	open_crowd(&crowd, LIMIT);
	room_run(&crowd.room, drop_them);
	close_crowd(&crowd);
}

static bool wait_for_the_end(struct room *room)
{
	return room_got(room, "</stream:stream>");
}

static void who_reads_hears_why(void **test)
{
	struct room room;
	char bytes[30000];

	room_open(&room);
	room.budget = budget_new(20000);
	room.options.pooled = true;
	room_say(&room, HEADER AUTH HEADER);
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, "<message>", 9);
	bytes[sizeof(bytes) - 1] = '\0';
	room_say(&room, bytes);
	room_run(&room, wait_for_the_end);
	assert_true(room_got(&room, "<resource-constraint"));
	assert_string_equal(room_heard(&room), "stream open closed:error ");
	assert_int_equal(room.refusal, SX_REFUSED_MEMORY);
	assert_int_equal(budget_used(room.budget), 0);
	room_close(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_queue_goes_first),
		cmocka_unit_test(what_is_below_the_bound_may_be_long),
		cmocka_unit_test(nothing_is_counted_of_who_is_gone),
		cmocka_unit_test(who_reads_hears_why),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
