/* SPDX-License-Identifier: MIT */
/* Commands of administrators, from worker 0 to users of either worker. */
#include "sm/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "ctl/ctl.h"
#include "link/packet.h"
#include "room.h"
#include "sm/user.h"

#define ROSTER_GET "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
#define COMMAND(room, ...) room_command(room, (const char *const[]){__VA_ARGS__, NULL}, false)
#define COMMAND_JSON(room, ...) room_command(room, (const char *const[]){__VA_ARGS__, NULL}, true)

static void expect_said(struct room *room, const char *part)
{
	if (!strstr(room_said(room), part))
		fail_msg("%s is not in %s", part, room_said(room));
}

/* Some of them live on one worker, some on the other. */
static const char *const people[] = {"romeo@localhost", "juliet@localhost", "nurse@localhost", "paris@localhost",
				     "tybalt@localhost", "benvolio@localhost"};

static void lists_sessions_of_users_of_all_workers(void **state)
{
	struct room *room = *state;

	for (size_t at = 0; at < sizeof(people) / sizeof(*people); at++) {
		room_account(room, people[at]);
		assert_int_equal(COMMAND(room, "user", "sessions", people[at]), CTL_OK);
		expect_said(room, "has no session");
		assert_int_equal(COMMAND_JSON(room, "user", "sessions", people[at]), CTL_OK);
		assert_string_equal(room_said(room), "[]\n");
	}
	room_login(room, "romeo@localhost/a");
	room_login(room, "romeo@localhost/b");
	room_send(room, "romeo@localhost/b",
		  "<presence><show>dnd</show><priority>-7</priority></presence>");
	assert_int_equal(COMMAND(room, "user", "sessions", "Romeo@localhost"), CTL_OK);
	expect_said(room, "a                     attached, cannot be resumed; unavailable; 0 stanzas wait\n");
	expect_said(room, "b                     attached, cannot be resumed; dnd, priority -7; 0 stanzas wait\n");
	assert_int_equal(COMMAND_JSON(room, "user", "sessions", "romeo@localhost"), CTL_OK);
	expect_said(room, "[{\"resource\": \"a\", \"attached\": true, \"seconds_left\": null, \"show\": null, "
			  "\"priority\": null, \"resumable\": false, \"waiting\": 0}, {");
}

static void says_how_long_a_session_is_away(void **state)
{
	struct room *room = *state;
	struct packet *packet;

	room_account(room, "romeo@localhost");
	room_login(room, "romeo@localhost/a");
	packet = room_make_action(room, "romeo@localhost/a", SESSION_ENABLE);
	packet->session.resume.seconds = 300;
	room_packet(room, &packet);
	assert_int_equal(COMMAND(room, "user", "sessions", "romeo@localhost"), CTL_OK);
	expect_said(room, "attached, can be resumed for 300 s; ");
	room_send(room, "romeo@localhost/a", "<presence/>");
	packet = room_make_action(room, "romeo@localhost/a", SESSION_DETACH);
	room_packet(room, &packet);
	room_wait(room, 100000);
	room_from_world(room, "<message from='x@remote.example' to='romeo@localhost'><body>1</body></message>");
	assert_int_equal(COMMAND(room, "user", "sessions", "romeo@localhost"), CTL_OK);
	expect_said(room, "detached, ends in 1");
	expect_said(room, "; available, priority 0; 1 stanza waits\n");
	assert_int_equal(COMMAND(room, "announce", "at noon"), CTL_OK);
	expect_said(room, "sent to 1 session; 1 of them will have it when resumed");
	assert_int_equal(COMMAND(room, "user", "kick", "romeo@localhost/a"), CTL_OK);
	expect_said(room, "romeo@localhost/a: 1 session ended\n");
	assert_null(room_session(room, "romeo@localhost/a"));
}

static void kicks_one_or_all(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_login(room, "romeo@localhost/a");
	room_login(room, "romeo@localhost/b");
	room_login(room, "romeo@localhost/c");
	assert_int_equal(COMMAND(room, "user", "kick", "romeo@localhost/b"), CTL_OK);
	room_expect(room, "romeo@localhost/b", "kicked from=sm");
	room_expect_nothing(room, "romeo@localhost/a");
	assert_int_equal(COMMAND(room, "user", "kick", "romeo@localhost/b"), CTL_PROBLEM);
	expect_said(room, "romeo@localhost/b: there is no such session");
	assert_int_equal(COMMAND_JSON(room, "user", "kick", "romeo@localhost"), CTL_OK);
	assert_string_equal(room_said(room), "{\"jid\": \"romeo@localhost\", \"ended\": 2}\n");
	room_expect(room, "romeo@localhost/a", "kicked from=sm");
	room_expect(room, "romeo@localhost/c", "kicked from=sm");
	assert_int_equal(COMMAND(room, "user", "kick", "romeo@localhost"), CTL_PROBLEM);
}

static void adds_a_contact_as_its_user_would(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_login(room, "romeo@localhost/a");
	room_send(room, "romeo@localhost/a", ROSTER_GET);
	room_forget(room);
	assert_int_equal(COMMAND(room, "roster", "list", "romeo@localhost"), CTL_OK);
	expect_said(room, "has no contacts");
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "nurse@remote.example", "name=N\033 \"n\"",
				 "group=Friends", "group=Staff", "group=Friends"),
			 CTL_PROBLEM);
	expect_said(room, "the name has characters that XML cannot hold");
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "nurse@remote.example", "name=N\t\"n\"",
				 "group=Friends", "group=Staff", "group=Friends"),
			 CTL_OK);
	expect_said(room, "romeo@localhost has nurse@remote.example, subscription none");
	room_expect(room, "romeo@localhost/a", "subscription='none'><group>Friends</group><group>Staff</group></item>");
	assert_int_equal(COMMAND(room, "roster", "list", "romeo@localhost"), CTL_OK);
	assert_string_equal(room_said(room), "nurse@remote.example            none  N?\"n\"  [Friends, Staff]\n");
	room_send(room, "romeo@localhost/a", "<presence type='subscribe' to='nurse@remote.example'/>");
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "nurse@remote.example", "name=Nurse"), CTL_OK);
	room_restart(room);
	assert_int_equal(COMMAND_JSON(room, "roster", "list", "romeo@localhost"), CTL_OK);
	assert_string_equal(room_said(room), "[{\"jid\": \"nurse@remote.example\", \"name\": \"Nurse\", \"groups\": "
					     "[\"Friends\", \"Staff\"], \"subscription\": \"none\", \"ask\": true, \"approved\": false}]\n");
}

static void with_roster(struct room *room, const char *client)
{
	room_login(room, client);
	room_send(room, client, ROSTER_GET);
	room_send(room, client, "<presence/>");
}

/* Each hears of the subscription first, then of who is on; what was asked is answered by it. */
static void makes_two_each_others_contacts(void **state)
{
	struct room *room = *state;

	for (size_t at = 0; at < sizeof(people) / sizeof(*people); at++)
		room_account(room, people[at]);
	with_roster(room, "romeo@localhost/a");
	with_roster(room, "juliet@localhost/a");
	room_send(room, "juliet@localhost/a", "<presence type='subscribe' to='romeo@localhost'/>");
	room_forget(room);
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "juliet@localhost", "name=J", "mutual"), CTL_OK);
	expect_said(room, "romeo@localhost has juliet@localhost, subscription both");
	room_expect(room, "juliet@localhost/a", "<item jid='romeo@localhost' subscription='both'/>");
	room_expect(room, "juliet@localhost/a", "from='romeo@localhost/a'");
	room_expect(room, "romeo@localhost/a", "<item jid='juliet@localhost' name='J' subscription='both'/>");
	room_expect(room, "romeo@localhost/a", "from='juliet@localhost/a'");
	for (size_t at = 2; at < sizeof(people) / sizeof(*people); at++) {
		assert_int_equal(COMMAND(room, "roster", "add", people[at], "romeo@localhost", "mutual"), CTL_OK);
		room_expect(room, "romeo@localhost/a", people[at]);
	}
	room_end(room, "romeo@localhost/a");
	with_roster(room, "romeo@localhost/b");
	room_expect_none_with(room, "romeo@localhost/b", "type='subscribe'");
	assert_int_equal(COMMAND_JSON(room, "roster", "list", "tybalt@localhost"), CTL_OK);
	expect_said(room, "{\"jid\": \"romeo@localhost\", \"name\": \"\", \"groups\": [], \"subscription\": \"both\"");
}

static void changes_nothing_when_one_is_unknown(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "nobody@localhost", "mutual"), CTL_PROBLEM);
	assert_string_equal(room_said(room), "nobody@localhost: there is no such account\n");
	assert_int_equal(COMMAND(room, "roster", "add", "nobody@localhost", "romeo@localhost", "mutual"), CTL_PROBLEM);
	assert_string_equal(room_said(room), "nobody@localhost: there is no such account\n");
	assert_int_equal(COMMAND(room, "roster", "list", "romeo@localhost"), CTL_OK);
	expect_said(room, "has no contacts");
	assert_int_equal(COMMAND(room, "user", "sessions", "nobody@localhost"), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "user", "kick", "nobody@localhost"), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "roster", "list", "nobody@localhost"), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "roster", "add", "nobody@localhost", "x@remote.example"), CTL_PROBLEM);
	assert_string_equal(room_said(room), "nobody@localhost: there is no such account\n");
}

static void says_what_a_disk_refused(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	with_roster(room, "romeo@localhost/a");
	room_disk_full(room, true);
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "x@remote.example"), CTL_PROBLEM);
	expect_said(room, "romeo@localhost: storage: ");
	room_disk_full(room, false);
	room_wait(room, 10000);
	assert_int_equal(COMMAND(room, "roster", "list", "romeo@localhost"), CTL_OK);
	expect_said(room, "has no contacts");
}

static void tells_everyone_who_is_on(void **state)
{
	struct room *room = *state;
	char client[64];

	assert_int_equal(COMMAND(room, "announce", "at noon"), CTL_OK);
	assert_string_equal(room_said(room), "nobody is on\n");
	for (size_t at = 0; at < sizeof(people) / sizeof(*people); at++) {
		room_account(room, people[at]);
		snprintf(client, sizeof(client), "%s/a", people[at]);
		room_login(room, client);
		if (at)
			room_send(room, client, "<presence><priority>-1</priority></presence>");
	}
	room_forget(room);
	assert_int_equal(COMMAND(room, "announce", "at <noon>"), CTL_OK);
	assert_string_equal(room_said(room), "sent to 5 sessions\n");
	room_expect_nothing(room, "romeo@localhost/a");
	for (size_t at = 1; at < sizeof(people) / sizeof(*people); at++) {
		snprintf(client, sizeof(client), "%s/a", people[at]);
		room_expect(room, client, "<body>at &lt;noon&gt;</body>");
	}
	assert_int_equal(COMMAND_JSON(room, "announce", "again"), CTL_OK);
	assert_string_equal(room_said(room), "{\"sessions\": 5, \"detached\": 0}\n");
}

static void lists_who_is_on(void **state)
{
	struct room *room = *state;
	char client[64];

	assert_int_equal(COMMAND_JSON(room, "user", "online"), CTL_OK);
	assert_string_equal(room_said(room), "{\"online\": 0, \"accounts\": []}\n");
	for (size_t at = 0; at < sizeof(people) / sizeof(*people); at++) {
		room_account(room, people[at]);
		snprintf(client, sizeof(client), "%s/a", people[at]);
		room_login(room, client);
		snprintf(client, sizeof(client), "%s/b", people[at]);
		room_login(room, client);
	}
	assert_int_equal(COMMAND(room, "user", "online"), CTL_OK);
	for (size_t at = 0; at < sizeof(people) / sizeof(*people); at++)
		expect_said(room, people[at]);
	assert_int_equal(COMMAND_JSON(room, "user", "online", "limit=0"), CTL_OK);
	assert_string_equal(room_said(room), "{\"online\": 6, \"accounts\": []}\n");
	assert_int_equal(COMMAND(room, "user", "online", "limit=x"), CTL_USAGE);
	assert_int_equal(COMMAND(room, "user", "online", "limit=1", "limit=2"), CTL_USAGE);
}

static void refuses_wrong_words(void **state)
{
	struct room *room = *state;
	char text[10002];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	room_account(room, "romeo@localhost");
	assert_int_equal(COMMAND(room, "user", "sessions"), CTL_USAGE);
	assert_int_equal(COMMAND(room, "user", "sessions", "a@localhost", "b@localhost"), CTL_USAGE);
	assert_int_equal(COMMAND(room, "user", "kick"), CTL_USAGE);
	assert_int_equal(COMMAND(room, "announce"), CTL_USAGE);
	assert_int_equal(COMMAND(room, "announce", "two", "words"), CTL_USAGE);
	assert_int_equal(COMMAND(room, "announce", ""), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "announce", "\001"), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "announce", "\xc3"), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "announce", text), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "user", "sessions", "@localhost"), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "user", "sessions", "romeo@localhost/a"), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "user", "kick", "romeo@remote.example/a"), CTL_PROBLEM);
	expect_said(room, "is not of a domain that is served here");
	assert_int_equal(COMMAND(room, "user", "kick", "romeo@localhost/"), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "roster", "list"), CTL_USAGE);
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost"), CTL_USAGE);
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "x@y", "both"), CTL_USAGE);
	expect_said(room, "both is neither name=, group= nor mutual");
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "x@y/z"), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "x@"), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "Romeo@localhost"), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "x@remote.example", "mutual"), CTL_PROBLEM);
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "x@y", "group="), CTL_PROBLEM);
	text[1024] = 0;
	memcpy(text, "name=", 5);
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "x@y", text), CTL_OK);
	text[1024] = 'x';
	text[1029] = 0;
	assert_int_equal(COMMAND(room, "roster", "add", "romeo@localhost", "x@y", text), CTL_PROBLEM);
	expect_said(room, "the name is longer than 1023 bytes");
}

static void goes_on_when_its_caller_went_away(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_command_leave(room, (const char *const[]){"roster", "add", "romeo@localhost", "x@y", NULL});
	room_wait(room, 100);
	assert_string_equal(room_said(room), "");
	assert_int_equal(COMMAND(room, "roster", "list", "romeo@localhost"), CTL_OK);
	expect_said(room, "x@y ");
}

/* With what is under way. */
static void ends_with_the_server(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_restart(room);
	room_command_leave(room, (const char *const[]){"roster", "add", "romeo@localhost", "juliet@localhost", "mutual", NULL});
}

static void tells_more_than_go_at_once(void **state)
{
	enum { USERS = 62, SESSIONS = 5 };
	struct room *room = *state;
	char text[64];

	for (unsigned user = 0; user < USERS; user++) {
		snprintf(text, sizeof(text), "u%u@localhost", user);
		room_account(room, text);
		for (unsigned at = 0; at < SESSIONS; at++) {
			snprintf(text, sizeof(text), "u%u@localhost/%u", user, at);
			room_login(room, text);
			room_send(room, text, "<presence/>");
		}
	}
	room_forget(room);
	assert_int_equal(COMMAND(room, "announce", "at noon"), CTL_OK);
	assert_string_equal(room_said(room), "sent to 310 sessions\n");
	for (unsigned at = 0; at < USERS * SESSIONS; at++) {
		snprintf(text, sizeof(text), "u%u@localhost/%u", at / SESSIONS, at % SESSIONS);
		room_expect(room, text, "<body>at noon</body>");
		room_expect_nothing(room, text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lists_sessions_of_users_of_all_workers, room_open, room_close),
		cmocka_unit_test_setup_teardown(says_how_long_a_session_is_away, room_open, room_close),
		cmocka_unit_test_setup_teardown(kicks_one_or_all, room_open, room_close),
		cmocka_unit_test_setup_teardown(adds_a_contact_as_its_user_would, room_open, room_close),
		cmocka_unit_test_setup_teardown(makes_two_each_others_contacts, room_open, room_close),
		cmocka_unit_test_setup_teardown(changes_nothing_when_one_is_unknown, room_open, room_close),
		cmocka_unit_test_setup_teardown(says_what_a_disk_refused, room_open, room_close),
		cmocka_unit_test_setup_teardown(tells_everyone_who_is_on, room_open, room_close),
		cmocka_unit_test_setup_teardown(lists_who_is_on, room_open, room_close),
		cmocka_unit_test_setup_teardown(refuses_wrong_words, room_open, room_close),
		cmocka_unit_test_setup_teardown(goes_on_when_its_caller_went_away, room_open, room_close),
		cmocka_unit_test_setup_teardown(ends_with_the_server, room_open, room_close),
		cmocka_unit_test_setup_teardown(tells_more_than_go_at_once, room_open_one, room_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
