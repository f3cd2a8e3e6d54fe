/* SPDX-License-Identifier: MIT */
/* Messages for who is away: stored before they are settled, given in order, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "room.h"

#define TO_JULIET(body) "<message to='juliet@localhost' type='chat'><body>" body "</body></message>"

static void two_people(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_login(room, "romeo@localhost/a");
}

static void gives_what_was_stored_in_order_with_its_time(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send_all(room, (const char *[]){"romeo@localhost/a", TO_JULIET("one"),
					     "romeo@localhost/a", TO_JULIET("two"),
					     "romeo@localhost/a", TO_JULIET("three"), NULL});
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 3);
	room_login(room, "juliet@localhost/b");
	room_expect_nothing(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence><priority>-1</priority></presence>");
	room_expect(room, "juliet@localhost/b", "<priority>-1</priority>");
	room_expect_nothing(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect(room, "juliet@localhost/b", "<presence");
	room_expect(room, "juliet@localhost/b",
		    "<body>one</body><delay xmlns='urn:xmpp:delay' from='localhost' stamp=");
	room_expect(room, "juliet@localhost/b", "<body>two</body>");
	room_expect(room, "juliet@localhost/b", "<body>three</body>");
	room_login(room, "juliet@localhost/c");
	room_forget(room);
	room_send(room, "juliet@localhost/c", "<presence/>");
	room_expect_none_with(room, "juliet@localhost/c", "<body>");
}

static void outlives_a_restart(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send(room, "romeo@localhost/a", TO_JULIET("kept &amp; &lt;well&gt;"));
	room_restart(room);
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect_among(room, "juliet@localhost/b", "<body>kept &amp; &lt;well&gt;</body>");
}

/* What was sent to a session that died, and comes from storage in the end, says once when it was sent. */
static void says_once_when_it_was_sent(void **state)
{
	struct room *room = *state;
	const char *told;

	two_people(room);
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_hide_c2s_of(room, "juliet@localhost/b");
	room_send_all(room, (const char *[]){"romeo@localhost/a", TO_JULIET("lost"), NULL});
	room_lose(room, "ghost");
	room_login(room, "juliet@localhost/c");
	room_forget(room);
	room_send(room, "juliet@localhost/c", "<presence/>");
	while ((told = room_next(room, "juliet@localhost/c")) && !strstr(told, "<body>lost</body>"))
		;
	assert_non_null(told);
	told = strstr(told, "<delay");
	assert_non_null(told);
	assert_null(strstr(told + 1, "<delay"));
}

/* A message that comes while she comes does not overtake the stored ones. */
static void keeps_the_order_while_she_comes(void **state)
{
	struct room *room = *state;
	unsigned next = 0;
	const char *text;

	two_people(room);
	room_login(room, "juliet@localhost/b");
	room_send_all(room,
		      (const char *[]){"romeo@localhost/a", TO_JULIET("0"), "romeo@localhost/a",
				       TO_JULIET("1"), "juliet@localhost/b", "<presence/>",
				       "romeo@localhost/a", TO_JULIET("2"), "romeo@localhost/a",
				       TO_JULIET("3"), "juliet@localhost/b",
				       "<presence><show>away</show></presence>",
				       "romeo@localhost/a", TO_JULIET("4"), NULL});
	while ((text = room_next(room, "juliet@localhost/b"))) {
		char body[32];

		snprintf(body, sizeof(body), "<body>%u</body>", next);
		if (!strstr(text, "<body>"))
			continue;
		assert_non_null(strstr(text, body));
		next++;
	}
	assert_int_equal(next, 5);
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 5);
}

static void stores_only_what_has_a_body(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send(room, "romeo@localhost/a",
		  "<message to='juliet@localhost' type='chat'><composing "
		  "xmlns='http://jabber.org/protocol/chatstates'/></message>");
	room_send(room, "romeo@localhost/a",
		  "<message to='juliet@localhost' type='headline'><body>h</body></message>");
	room_send(room, "romeo@localhost/a",
		  "<message to='juliet@localhost' type='error'><body>e</body></message>");
	room_expect_nothing(room, "romeo@localhost/a");
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 3);
	room_send(room, "romeo@localhost/a",
		  "<message to='juliet@localhost/gone' type='normal'><body>n</body></message>");
	room_expect(room, "romeo@localhost/a", "<service-unavailable");
	room_send(room, "romeo@localhost/a",
		  "<message to='juliet@localhost/gone' type='chat'><body>chat</body></message>");
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect_among(room, "juliet@localhost/b", "<body>");
}

#define HINT(hint) "<" hint " xmlns='urn:xmpp:hints'/>"

static void stores_what_hints_say(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send(room, "romeo@localhost/a", "<message to='juliet@localhost' type='chat'>" HINT("no-store") "</message>");
	room_send(room, "romeo@localhost/a", "<message to='juliet@localhost' type='chat'>" HINT("store") "<one/></message>");
	room_send(room, "romeo@localhost/a",
		  "<message to='juliet@localhost'><body>two</body>" HINT("no-permanent-store") "</message>");
	room_expect_nothing(room, "romeo@localhost/a");
	room_send(room, "romeo@localhost/a",
		  "<message to='juliet@localhost' type='chat'><body>secret</body>" HINT("no-store") "</message>");
	room_expect(room, "romeo@localhost/a", "<service-unavailable");
	room_send(room, "romeo@localhost/a",
		  "<message to='juliet@localhost' type='groupchat'><body>nobody</body>" HINT("store") "</message>");
	room_expect(room, "romeo@localhost/a", "<service-unavailable");
	room_restart(room);
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect(room, "juliet@localhost/b", "<presence");
	room_expect(room, "juliet@localhost/b", "<one");
	room_expect(room, "juliet@localhost/b", "<body>two</body>");
	room_expect_nothing(room, "juliet@localhost/b");
	room_from_world(room, "<message from='romeo@far.example' to='juliet@localhost' type='chat'><body>now</body>" HINT(
				      "no-store") "</message>");
	room_expect(room, "juliet@localhost/b", "<body>now</body>");
}

/* He has two clients; what one of them had is no longer waited for by the other, and what nobody had is answered. */
static void what_must_not_be_stored_waits_for_who_is_there(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_login(room, "juliet@localhost/b");
	room_login(room, "juliet@localhost/c");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_send(room, "juliet@localhost/c", "<presence/>");
	room_keep(room, true);
	room_forget(room);
	room_send(room, "romeo@localhost/a", "<message to='juliet@localhost' type='chat'><body>one</body>" HINT("no-store") "</message>");
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 0);
	room_expect_among(room, "juliet@localhost/b", "<body>one</body>");
	room_take(room, "juliet@localhost/b", 1);
	assert_int_equal(room_settled(room, "romeo@localhost/a"), 1);
	room_end(room, "juliet@localhost/b");
	room_end(room, "juliet@localhost/c");
	room_expect_nothing(room, "romeo@localhost/a");
	room_login(room, "juliet@localhost/d");
	room_send(room, "juliet@localhost/d", "<presence/>");
	room_send(room, "romeo@localhost/a", "<message to='juliet@localhost' type='chat'><body>two</body>" HINT("no-store") "</message>");
	room_wait(room, 2000);
	room_end(room, "juliet@localhost/d");
	room_expect(room, "romeo@localhost/a", "<service-unavailable");
}

static void what_names_a_client_that_came_is_given_to_it(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send(room, "romeo@localhost/a", "<message to='juliet@localhost/b' type='chat'><body>named</body></message>");
	room_login(room, "juliet@localhost/b");
	room_login(room, "juliet@localhost/c");
	room_send(room, "juliet@localhost/b", "<presence><priority>-1</priority></presence>");
	room_send(room, "juliet@localhost/c", "<presence/>");
	room_expect_among(room, "juliet@localhost/b", "<body>named</body>");
	room_expect_none_with(room, "juliet@localhost/c", "<body>");
}

static void takes_only_so_many(void **state)
{
	struct room *room = *state;

	two_people(room);
	for (unsigned at = 0; at < 100; at++) {
		room_send_all(room,
			      (const char *[]){
				      "romeo@localhost/a", TO_JULIET("x"),	"romeo@localhost/a",
				      TO_JULIET("x"),	   "romeo@localhost/a", TO_JULIET("x"),
				      "romeo@localhost/a", TO_JULIET("x"),	"romeo@localhost/a",
				      TO_JULIET("x"),	   "romeo@localhost/a", TO_JULIET("x"),
				      "romeo@localhost/a", TO_JULIET("x"),	"romeo@localhost/a",
				      TO_JULIET("x"),	   "romeo@localhost/a", TO_JULIET("x"),
				      "romeo@localhost/a", TO_JULIET("x"),	NULL});
	}
	room_expect_nothing(room, "romeo@localhost/a");
	room_send(room, "romeo@localhost/a", TO_JULIET("one more"));
	room_expect(room, "romeo@localhost/a", "<service-unavailable");
}

/* However many were refused: only what is kept counts. */
static void what_a_full_disk_refused_takes_no_place(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_disk_full(room, true);
	for (unsigned at = 0; at < 1010; at++) {
		room_send(room, "romeo@localhost/a", TO_JULIET("x"));
		room_expect(room, "romeo@localhost/a", "<resource-constraint");
	}
	room_disk_full(room, false);
	room_send(room, "romeo@localhost/a", TO_JULIET("kept"));
	room_expect_nothing(room, "romeo@localhost/a");
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect_among(room, "juliet@localhost/b", "<body>kept</body>");
}

static void what_was_given_and_could_not_be_deleted_is_not_given_again(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send(room, "romeo@localhost/a", TO_JULIET("one"));
	room_login(room, "juliet@localhost/b");
	room_disk_full(room, true);
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect_among(room, "juliet@localhost/b", "<body>one</body>");
	room_send(room, "juliet@localhost/b", "<presence><show>away</show></presence>");
	room_expect_none_with(room, "juliet@localhost/b", "<body>");
	room_disk_full(room, false);
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect_none_with(room, "juliet@localhost/b", "<body>");
	room_restart(room);
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect_none_with(room, "juliet@localhost/b", "<body>");
}

static void send_old(struct room *room, unsigned count)
{
	for (unsigned at = 0; at < count; at++) {
		AUTO(buf_fini) struct buf text = {0};

		buf_printf(&text, TO_JULIET("old %u"), at);
		room_send(room, "romeo@localhost/a", buf_text(&text));
	}
}

/* All nine of them, of which her queue has room for six. */
static void expect_old_and_new(struct room *room)
{
	char old[16];

	room_expect(room, "juliet@localhost/b", "<presence");
	for (unsigned at = 0; at < 9; at++) {
		snprintf(old, sizeof(old), "old %u", at);
		room_expect(room, "juliet@localhost/b", old);
		if (at == 4)
			room_take(room, "juliet@localhost/b", 5);
	}
	room_expect(room, "juliet@localhost/b", "new");
	room_expect_nothing(room, "juliet@localhost/b");
}

/* They are read from storage in parts. */
static void gives_what_is_heavy_in_order(void **state)
{
	struct room *room = *state;
	char body[32];

	two_people(room);
	for (unsigned at = 0; at < 20; at++) {
		AUTO(buf_fini) struct buf text = {0};

		buf_printf(&text, "<message to='juliet@localhost' type='chat'><body>heavy %u %0*u</body></message>", at, 40000, 0);
		room_send(room, "romeo@localhost/a", buf_text(&text));
	}
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect(room, "juliet@localhost/b", "<presence");
	for (unsigned at = 0; at < 20; at++) {
		snprintf(body, sizeof(body), "<body>heavy %u 0", at);
		room_expect(room, "juliet@localhost/b", body);
	}
	room_expect_nothing(room, "juliet@localhost/b");
}

/* Her queue has room for some of what is stored, and takes the rest as she takes those. */
static void what_is_new_waits_behind_what_she_has_no_room_for(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_queue(room, 12);
	send_old(room, 9);
	room_login(room, "juliet@localhost/b");
	room_keep(room, true);
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_send(room, "romeo@localhost/a", TO_JULIET("new"));
	expect_old_and_new(room);
}

/* Her other client has room, and does not wait for the one that has none. */
static void who_has_room_does_not_wait_for_who_has_none(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_queue(room, 12);
	room_login(room, "juliet@localhost/slow");
	room_login(room, "juliet@localhost/quick");
	room_send(room, "juliet@localhost/slow", "<presence/>");
	room_send(room, "juliet@localhost/quick", "<presence/>");
	room_keep(room, true);
	send_old(room, 7);
	room_wait(room, 2000); /* they are stored */
	room_take(room, "juliet@localhost/quick", 9);
	room_send(room, "juliet@localhost/quick", "<presence/>");
	room_forget(room);
	room_send(room, "romeo@localhost/a", TO_JULIET("new"));
	room_expect(room, "juliet@localhost/quick", "new");
}

/* What came while some were read and given goes behind those that were not. */
static void what_waited_for_a_read_goes_behind_the_rest(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_queue(room, 12);
	send_old(room, 9);
	room_login(room, "juliet@localhost/b");
	room_keep(room, true);
	room_send_all(room, (const char *[]){"juliet@localhost/b", "<presence/>", "romeo@localhost/a", TO_JULIET("new"), NULL});
	expect_old_and_new(room);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gives_what_was_stored_in_order_with_its_time,
						room_open, room_close),
		cmocka_unit_test_setup_teardown(outlives_a_restart, room_open, room_close),
		cmocka_unit_test_setup_teardown(says_once_when_it_was_sent, room_open_one, room_close),
		cmocka_unit_test_setup_teardown(keeps_the_order_while_she_comes, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(stores_only_what_has_a_body, room_open, room_close),
		cmocka_unit_test_setup_teardown(stores_what_hints_say, room_open, room_close),
		cmocka_unit_test_setup_teardown(what_names_a_client_that_came_is_given_to_it, room_open, room_close),
		cmocka_unit_test_setup_teardown(what_must_not_be_stored_waits_for_who_is_there, room_open, room_close),
		cmocka_unit_test_setup_teardown(takes_only_so_many, room_open_one, room_close),
		cmocka_unit_test_setup_teardown(gives_what_is_heavy_in_order, room_open_one, room_close),
		cmocka_unit_test_setup_teardown(what_is_new_waits_behind_what_she_has_no_room_for,
						room_open, room_close),
		cmocka_unit_test_setup_teardown(who_has_room_does_not_wait_for_who_has_none,
						room_open, room_close),
		cmocka_unit_test_setup_teardown(what_waited_for_a_read_goes_behind_the_rest,
						room_open_one, room_close),
		cmocka_unit_test_setup_teardown(what_a_full_disk_refused_takes_no_place,
						room_open_one, room_close),
		cmocka_unit_test_setup_teardown(
			what_was_given_and_could_not_be_deleted_is_not_given_again, room_open_one,
			room_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
