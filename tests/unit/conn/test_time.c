/* SPDX-License-Identifier: MIT */
/* The rate of reading. */
#include "room.h"

#include "xml/nad.h"

static bool all_came(struct room *room)
{
	return room->packets == 20;
}

static void say_stanzas(struct room *room)
{
	struct buf text = {0};

	buf_append_text(&text, HEADER AUTH HEADER);
	for (int i = 0; i < 20; i++)
		buf_append_text(
			&text,
			"<message>01234567890123456789012345678901234567890123456789</message>");
	room_say(room, buf_text(&text));
	buf_fini(&text);
}

static void reads_no_faster_than_the_rate(void **test)
{
	struct room room;

	room_open(&room);
	room.options.rate = 5000;
	room.options.burst = 300;
	say_stanzas(&room); /* some 1,700 bytes: 280 ms */
	room_run(&room, all_came);
	assert_true(room.steps >= 15);
	room_close(&room);
}

static void a_burst_passes_at_once(void **test)
{
	struct room room;

	room_open(&room);
	room.options.rate = 100;
	room.options.burst = 10000;
	say_stanzas(&room);
	room_run(&room, all_came);
	assert_true(room.steps < 100);
	room_close(&room);
}

static bool got_all_sent(struct room *room)
{
	static char spaces[20000];
	struct slice part = {spaces, sizeof(spaces)};

	memset(spaces, ' ', sizeof(spaces));
	if (room->conn && room->packets == 0 && room_got(room, "<success")) {
		room->packets = 1;
		sx_send_parts(conn_sx(room->conn), &part, 1, SX_OTHER);
	}
	room_got(room, "");
	return buf_used(&room->got) > 20000;
}

static void the_rate_never_delays_output(void **test)
{
	struct room room;

	room_open(&room);
	room.options.rate = 1000;
	room.options.burst = 1000;
	room_say(&room, HEADER AUTH HEADER);
	room_run(&room, got_all_sent);
	assert_true(room.steps < 200);
	room_close(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_no_faster_than_the_rate),
		cmocka_unit_test(a_burst_passes_at_once),
		cmocka_unit_test(the_rate_never_delays_output),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
