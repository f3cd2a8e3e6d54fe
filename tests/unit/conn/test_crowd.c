/* SPDX-License-Identifier: MIT */
/* Strangers in a crowd. */
#include "room.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "xml/nad.h"

enum { STRANGERS = 100, TURN_MAX = 8, SETTLED = 10 /* steps until all are accepted */, STANDSTILL_US = 900000 };

struct heard {
	struct conn *conn;
	unsigned turn;
};

struct crowd {
	struct room room;
	struct mio_task task; /* counts turns */
	unsigned turn, known_turn;
	int clients[STRANGERS], known;
	struct heard heard[STRANGERS];
	unsigned heard_count;
	int came; /* the step in which all were there */
	unsigned silent; /* so many, the last, do not speak with the others */
};

static struct crowd *crowd_of(void *owner)
{
	return container_of(owner, struct crowd, room);
}

static void note_turn(struct mio_task *task)
{
	struct crowd *crowd = container_of(task, struct crowd, task);

	crowd->turn++;
	mio_defer(mio_host_loop(crowd->room.host, 0), task);
}

static void on_stream(void *owner, struct conn *conn)
{
	struct crowd *crowd = crowd_of(owner);

	if (crowd->turn && crowd->heard_count < STRANGERS)
		crowd->heard[crowd->heard_count++] = (struct heard){conn, crowd->turn};
}

static void on_packet(void *owner, struct conn *conn, struct nad **nad)
{
	crowd_of(owner)->known_turn = crowd_of(owner)->turn;
	nad_free(nad);
}

static const struct conn_handler handler = {.stream = on_stream, .packet = on_packet};

static void say(int client, const char *text)
{
	assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static int come(struct crowd *crowd)
{
	room_connect(&crowd->room);
	return crowd->room.client;
}

static void speak(struct crowd *crowd)
{
	crowd->task.run = note_turn;
	mio_defer(mio_host_loop(crowd->room.host, 0), &crowd->task);
	for (unsigned at = 0; at < STRANGERS - crowd->silent; at++)
		say(crowd->clients[at], HEADER);
	say(crowd->known, "<message/>");
}

/* All speak while the loop looks elsewhere, and who is known last. */
static bool speak_at_once(struct room *room)
{
	struct crowd *crowd = crowd_of(room);

	if (!crowd->known) {
		crowd->known = come(crowd);
		say(crowd->known, HEADER AUTH HEADER);
	} else if (!crowd->came && room_got(room, "<success")) {
		for (unsigned at = 0; at < STRANGERS; at++)
			crowd->clients[at] = come(crowd);
		crowd->came = room->steps;
	} else if (crowd->came && room->steps == crowd->came + SETTLED) {
		speak(crowd);
	}
	return crowd->heard_count == STRANGERS && crowd->known_turn;
}

static void close_all(struct crowd *crowd)
{
	for (unsigned at = 0; at < STRANGERS; at++)
		close(crowd->clients[at]);
	close(crowd->known);
	crowd->room.client = -1;
	crowd->room.conn = NULL;
	conn_env_reap(crowd->room.envs[0]);
	room_close(&crowd->room);
}

static void they_wait_for_each_other_and_nobody_for_them(void **test)
{
	struct crowd crowd = {0};

	room_open(&crowd.room);
	crowd.room.options.handler = &handler;
	crowd.room.options.sock_flags = MIO_ENTRY;
	room_run(&crowd.room, speak_at_once);
	assert_true(crowd.known_turn <= crowd.heard[0].turn);
	for (unsigned at = TURN_MAX; at < STRANGERS; at++)
		assert_true(crowd.heard[at].turn > crowd.heard[at - TURN_MAX].turn);
	close_all(&crowd);
}

/* The number of the client whose connection it is. */
static unsigned client_at(const struct crowd *crowd, struct conn *conn)
{
	int port = atoi(strrchr(conn_peer(conn), ':') + 1);
	struct sockaddr_in own;
	unsigned at = 0;

	for (; at < STRANGERS; at++) {
		socklen_t len = sizeof(own);

		assert_int_equal(getsockname(crowd->clients[at], (struct sockaddr *)&own, &len), 0);
		if (ntohs(own.sin_port) == port)
			break;
	}
	return at;
}

static unsigned place_of(const struct crowd *crowd, unsigned client)
{
	for (unsigned at = 0; at < STRANGERS; at++) {
		if (crowd->heard[at].conn && client_at(crowd, crowd->heard[at].conn) == client)
			return at;
	}
	return STRANGERS;
}

static void who_came_first_is_served_first(void **test)
{
	struct crowd crowd = {0};
	int later = 0;

	room_open(&crowd.room);
	crowd.room.options.handler = &handler;
	crowd.room.options.sock_flags = MIO_ENTRY;
	room_run(&crowd.room, speak_at_once);
	for (unsigned at = 1; at < STRANGERS; at++)
		later += client_at(&crowd, crowd.heard[at].conn) > client_at(&crowd, crowd.heard[at - 1].conn);
	assert_int_equal(later, STRANGERS - 1);
	close_all(&crowd);
}

/* The loop stands still for longer than who waits can be in time; the last speaks behind that. */
static void on_late_stream(void *owner, struct conn *conn)
{
	struct crowd *crowd = crowd_of(owner);

	on_stream(owner, conn);
	if (crowd->heard_count == 1) {
		usleep(STANDSTILL_US);
		say(crowd->clients[STRANGERS - 1], HEADER);
	}
}

static void who_waited_too_long_lets_others_pass(void **test)
{
	static const struct conn_handler late_handler = {.stream = on_late_stream, .packet = on_packet};
	struct crowd crowd = {.silent = 1};

	room_open(&crowd.room);
	crowd.room.options.handler = &late_handler;
	crowd.room.options.sock_flags = MIO_ENTRY;
	room_run(&crowd.room, speak_at_once);
	assert_in_range(place_of(&crowd, STRANGERS - 1), TURN_MAX, 3 * TURN_MAX);
	close_all(&crowd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_wait_for_each_other_and_nobody_for_them),
		cmocka_unit_test(who_came_first_is_served_first),
		cmocka_unit_test(who_waited_too_long_lets_others_pass),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
