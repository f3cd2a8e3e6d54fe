/* SPDX-License-Identifier: MIT */
/* What who watches sees of users of either worker, and what nobody sees. */
#include "sm/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "ctl/ctl.h"
#include "link/packet.h"
#include "room.h"

#define BEGIN(room, ...) room_command_begin(room, (const char *const[]){"watch", __VA_ARGS__ __VA_OPT__(, ) NULL}, false)
#define BEGIN_JSON(room, ...) room_command_begin(room, (const char *const[]){"watch", __VA_ARGS__ __VA_OPT__(, ) NULL}, true)
#define RUN(room, ...) room_command(room, (const char *const[]){"watch", __VA_ARGS__, NULL}, false)

static const char *const people[] = {"romeo", "juliet", "nurse", "paris"};

static void expect_seen(struct room *room, const char *part)
{
	room_wait(room, 200);
	if (!strstr(room_said(room), part))
		fail_msg("%s is not in %s", part, room_said(room));
}

static void expect_unseen(struct room *room, const char *part)
{
	room_wait(room, 200);
	if (strstr(room_said(room), part))
		fail_msg("%s is in %s", part, room_said(room));
}

static void log_in_all(struct room *room)
{
	char text[64];

	for (size_t at = 0; at < sizeof(people) / sizeof(*people); at++) {
		snprintf(text, sizeof(text), "%s@localhost", people[at]);
		room_account(room, text);
		strcat(text, "/a");
		room_login(room, text);
	}
}

static void sees_sessions_of_all_workers(void **state)
{
	struct room *room = *state;
	struct packet *packet;

	BEGIN(room);
	log_in_all(room);
	expect_seen(room, "Z started  romeo@localhost/a\n");
	expect_seen(room, "Z started  juliet@localhost/a\n");
	expect_seen(room, "Z started  nurse@localhost/a\n");
	packet = room_make_action(room, "romeo@localhost/a", SESSION_ENABLE);
	packet->session.resume.seconds = 30;
	room_packet(room, &packet);
	packet = room_make_action(room, "romeo@localhost/a", SESSION_DETACH);
	room_packet(room, &packet);
	expect_seen(room, "Z detached romeo@localhost/a\n");
	room_end(room, "nurse@localhost/a");
	expect_seen(room, "Z ended    nurse@localhost/a\n");
	room_send(room, "juliet@localhost/a", "<presence/>");
	expect_unseen(room, "<presence");
	room_command_over(room);
}

static void act(struct room *room, const char *client, enum session_action action)
{
	struct packet *packet = room_make_action(room, client, action);

	packet->session.resume.seconds = 30;
	room_packet(room, &packet);
}

static void shows_what_waits_for_who_does_not_look(void **state)
{
	static const char hail[] = "<message to='romeo@localhost/a' type='chat'><body>hail</body></message>";
	struct room *room = *state;

	log_in_all(room);
	act(room, "romeo@localhost/a", SESSION_ENABLE);
	BEGIN(room, "user=romeo@localhost", "stanzas");
	room_keep(room, true);
	room_send(room, "juliet@localhost/a", hail);
	expect_seen(room, " out      romeo@localhost/a <message ");
	expect_unseen(room, "waits");
	act(room, "romeo@localhost/a", SESSION_DETACH);
	expect_seen(room, " waits    romeo@localhost/a <message ");
	room_command_over(room);
}

static void shows_what_comes_for_who_does_not_look(void **state)
{
	static const char hail[] = "<message to='romeo@localhost/a' type='chat'><body>hail</body></message>";
	static const char typing[] = "<message to='romeo@localhost/a' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>";
	struct room *room = *state;

	log_in_all(room);
	BEGIN(room, "user=romeo@localhost", "stanzas");
	act(room, "romeo@localhost/a", SESSION_INACTIVE);
	room_send(room, "juliet@localhost/a", typing);
	expect_unseen(room, "waits");
	room_send(room, "juliet@localhost/a", hail);
	expect_seen(room, " waits    romeo@localhost/a <message ");
	room_command_over(room);
}

static void shows_stanzas_without_their_text(void **state)
{
	struct room *room = *state;

	log_in_all(room);
	BEGIN(room, "stanzas");
	room_send(room, "romeo@localhost/a",
		  "<message to='juliet@localhost/a' id='a&gt;b'><body>soft &amp; low</body><x xmlns='u:x' a='1'/></message>");
	expect_seen(room, " in       romeo@localhost/a <message ");
	expect_seen(room, " out      juliet@localhost/a <message ");
	expect_seen(room, "<body>(14 bytes)</body><x xmlns='u:x' a='1'/></message>\n");
	room_send(room, "romeo@localhost/a", "<presence><show>away</show><status>elsewhere</status></presence>");
	expect_seen(room, "<show>away</show><status>(9 bytes)</status>");
	expect_unseen(room, "soft");
	expect_unseen(room, "elsewhere");
	room_command_over(room);
}

static void shows_one_user_or_one_session(void **state)
{
	struct room *room = *state;

	log_in_all(room);
	room_login(room, "romeo@localhost/b");
	BEGIN_JSON(room, "user=romeo@localhost/b", "stanzas");
	room_send(room, "romeo@localhost/a", "<message to='juliet@localhost/a' id='1'/>");
	room_send(room, "romeo@localhost/b", "<message to='romeo@localhost/a' id='2'/>");
	expect_seen(room, "\"event\": \"in\", \"jid\": \"romeo@localhost/b\", \"stanza\": \"<message ");
	expect_unseen(room, "id='1'");
	expect_unseen(room, "/a\"");
	room_command_over(room);
}

static void says_what_was_left_out(void **state)
{
	struct room *room = *state;
	const char *all[2 * 100 + 1];
	AUTO(buf_fini) struct buf xml = {0};

	buf_append_text(&xml, "<message to='romeo@localhost/a' id='");
	for (unsigned at = 0; at < 3000; at++)
		buf_append_char(&xml, 'x');
	buf_append_text(&xml, "'/>");
	log_in_all(room);
	for (size_t at = 0; at < 100; at++) {
		all[2 * at] = "romeo@localhost/a";
		all[2 * at + 1] = buf_text(&xml);
	}
	all[200] = NULL;
	BEGIN(room, "stanzas");
	room_send_all(room, all);
	room_send(room, "romeo@localhost/a", "<presence/>");
	expect_seen(room, " lines were left out");
	assert_true(strlen(room_said(room)) < 200000);
	room_command_over(room);
}

static void sees_nothing_when_it_is_over(void **state)
{
	struct room *room = *state;

	log_in_all(room);
	BEGIN(room, "stanzas");
	room_command_over(room);
	room_send(room, "romeo@localhost/a", "<presence/>");
	room_send(room, "juliet@localhost/a", "<presence/>");
	expect_unseen(room, "presence");
	room_login(room, "romeo@localhost/c");
	expect_unseen(room, "started");
}

static void refuses_other_words(void **state)
{
	struct room *room = *state;

	assert_int_equal(RUN(room, "all"), CTL_USAGE);
	assert_int_equal(RUN(room, "user=@"), CTL_PROBLEM);
	assert_int_equal(RUN(room, "user=x@remote.example"), CTL_PROBLEM);
	assert_int_equal(RUN(room, "user=a@localhost", "user=b@localhost"), CTL_USAGE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, room_open, room_close)
	static const struct CMUnitTest tests[] = {
		TEST(sees_sessions_of_all_workers), TEST(shows_what_waits_for_who_does_not_look),
		TEST(shows_what_comes_for_who_does_not_look), TEST(shows_stanzas_without_their_text),
		TEST(shows_one_user_or_one_session), TEST(says_what_was_left_out),
		TEST(sees_nothing_when_it_is_over), TEST(refuses_other_words),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
