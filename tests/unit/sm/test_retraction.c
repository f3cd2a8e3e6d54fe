/* SPDX-License-Identifier: MIT */
/* What is taken back leaves a tombstone in the archives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "room.h"

#define ROMEO "romeo@localhost/a"
#define JULIET "juliet@localhost/c"
#define SAY(id, text) "<message to='juliet@localhost' type='chat' id='" id "'><body>" text "</body><origin-id xmlns='urn:xmpp:sid:0' id='" id "'/></message>"
#define TAKE_BACK(to, id) \
	"<message to='" to "' type='chat' id='back'><retract xmlns='urn:xmpp:message-retract:1' id='" id "'/>" \
	"<body>/me retracted a message</body></message>"
#define TOMBSTONE "<retracted xmlns='urn:xmpp:message-retract:1' id='back' stamp='2026-01-01T"

static void people(struct room *room)
{
	room_archive(room, INT64_MAX);
	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_login(room, ROMEO);
	room_login(room, JULIET);
	room_send(room, ROMEO, "<presence/>");
	room_send(room, JULIET, "<presence/>");
	room_forget(room);
}

/* All that the archive tells. */
static const char *history(struct room *room, const char *client)
{
	static struct buf all;
	const char *told;

	buf_clear(&all);
	room_forget(room);
	room_send(room, client, "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>");
	while ((told = room_next(room, client)))
		buf_append_text(&all, told);
	return buf_text(&all);
}

static void expect(struct room *room, const char *client, const char *text, bool there)
{
	const char *all = history(room, client);

	if (!strstr(all, text) != !there)
		fail_msg("%s: %s is %sin %s", client, text, there ? "not " : "", all);
}

static void it_leaves_a_tombstone_in_both_archives(void **state)
{
	struct room *room = *state;

	people(room);
	room_send(room, ROMEO, SAY("1", "kept"));
	room_send(room, ROMEO, SAY("2", "wrong"));
	room_forget(room);
	room_send(room, ROMEO, TAKE_BACK("juliet@localhost", "2"));
	room_expect(room, JULIET, "<retract xmlns='urn:xmpp:message-retract:1' id='2'/>");
	expect(room, ROMEO, "wrong", false);
	expect(room, JULIET, "wrong", false);
	expect(room, ROMEO, "type='chat' id='2' from='romeo@localhost/a'", true);
	expect(room, JULIET, TOMBSTONE, true);
	expect(room, ROMEO, TOMBSTONE, true);
	expect(room, JULIET, "kept", true);
	expect(room, JULIET, "<retract ", true);
}

static void nobody_takes_back_what_another_said(void **state)
{
	struct room *room = *state;

	people(room);
	room_send(room, ROMEO, SAY("2", "his"));
	room_send(room, JULIET, TAKE_BACK("romeo@localhost", "2"));
	expect(room, ROMEO, "his", true);
	expect(room, JULIET, "his", true);
	room_from_world(room, "<message from='romeo@remote.example/a' to='juliet@localhost' type='chat' id='b'>"
			      "<retract xmlns='urn:xmpp:message-retract:1' id='2'/><body>/me</body></message>");
	expect(room, JULIET, "his", true);
}

/* In a room each is who he is there. */
static void nobody_takes_back_what_another_said_in_a_room(void **state)
{
	struct room *room = *state;

	people(room);
	room_from_world(room, "<message from='room@remote.example/one' to='juliet@localhost' type='chat' id='5'>"
			      "<body>whispered</body><x xmlns='http://jabber.org/protocol/muc#user'/></message>");
	room_from_world(room, "<message from='room@remote.example/two' to='juliet@localhost' type='chat' id='b'>"
			      "<retract xmlns='urn:xmpp:message-retract:1' id='5'/><body>/me</body></message>");
	expect(room, JULIET, "whispered", true);
	room_from_world(room, "<message from='room@remote.example/one' to='juliet@localhost' type='chat' id='b'>"
			      "<retract xmlns='urn:xmpp:message-retract:1' id='5'/><body>/me</body></message>");
	expect(room, JULIET, "whispered", false);
}

/* She was away: of what was taken back before she came she gets only that. */
static void what_waits_is_not_given_any_more(void **state)
{
	struct room *room = *state;

	people(room);
	room_end(room, JULIET);
	room_send(room, ROMEO, SAY("1", "before"));
	room_send(room, ROMEO, SAY("2", "wrong"));
	room_send(room, ROMEO, TAKE_BACK("juliet@localhost", "2"));
	room_forget(room);
	room_login(room, JULIET);
	room_forget(room);
	room_send(room, JULIET, "<presence/>");
	room_expect(room, JULIET, "<presence");
	room_expect(room, JULIET, "before");
	room_expect(room, JULIET, "<retract ");
	room_expect_nothing(room, JULIET);
	room_restart(room);
	room_login(room, JULIET);
	room_forget(room);
	room_send(room, JULIET, "<presence/>");
	room_expect(room, JULIET, "<presence");
	room_expect_nothing(room, JULIET);
}

static void it_is_found_far_back(void **state)
{
	struct room *room = *state;

	people(room);
	room_send(room, ROMEO, SAY("2", "wrong"));
	for (unsigned at = 0; at < 450; at++)
		room_send(room, ROMEO, SAY("1", "much more"));
	room_send(room, ROMEO, TAKE_BACK("juliet@localhost", "2"));
	room_forget(room);
	room_send(room, JULIET, "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set></query></iq>");
	room_expect(room, JULIET, TOMBSTONE);
}

static void what_has_no_name_takes_nothing_back(void **state)
{
	struct room *room = *state;

	people(room);
	room_send(room, ROMEO, SAY("2", "kept"));
	room_send(room, ROMEO, "<message to='juliet@localhost' type='chat'><retract xmlns='urn:xmpp:message-retract:1' id='2'/><body>/me</body></message>");
	room_send(room, ROMEO, "<message to='juliet@localhost' type='chat' id='back'><retract xmlns='urn:xmpp:message-retract:1'/><body>/me</body></message>");
	room_send(room, ROMEO, TAKE_BACK("juliet@localhost", "none"));
	expect(room, JULIET, "kept", true);
	expect(room, ROMEO, "kept", true);
}

static void it_is_said_that_it_does(void **state)
{
	struct room *room = *state;

	people(room);
	room_send(room, ROMEO, "<iq type='get' id='d' to='romeo@localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
	room_expect(room, ROMEO, "<feature var='urn:xmpp:message-retract:1#tombstone'/>");
	room_send(room, ROMEO, "<iq type='get' id='d' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
	room_expect(room, ROMEO, "<feature var='urn:xmpp:message-retract:1'/>");
}

#define alone(test) cmocka_unit_test_setup_teardown(test, room_open, room_close)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		alone(it_leaves_a_tombstone_in_both_archives),
		alone(nobody_takes_back_what_another_said),
		alone(nobody_takes_back_what_another_said_in_a_room),
		alone(what_waits_is_not_given_any_more),
		alone(it_is_found_far_back),
		alone(what_has_no_name_takes_nothing_back),
		alone(it_is_said_that_it_does),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
