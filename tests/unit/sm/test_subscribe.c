/* SPDX-License-Identifier: MIT */
/* Subscriptions between two people, step by step, and requests that wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "room.h"

#define ROSTER_GET "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"

static void two_people(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_login(room, "romeo@localhost/a");
	room_login(room, "juliet@localhost/b");
	room_send(room, "romeo@localhost/a", ROSTER_GET);
	room_send(room, "juliet@localhost/b", ROSTER_GET);
	room_send(room, "romeo@localhost/a", "<presence/>");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_forget(room);
}

static void subscribe(struct room *room)
{
	room_send(room, "romeo@localhost/a",
		  "<presence type='subscribe' id='s' to='juliet@localhost/b'/>");
	room_send(room, "juliet@localhost/b", "<presence type='subscribed' to='romeo@localhost'/>");
}

static void leads_from_asking_to_seeing(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send(room, "romeo@localhost/a",
		  "<presence type='subscribe' id='s' to='juliet@localhost/b'/>");
	room_expect(room, "romeo@localhost/a",
		    "<item jid='juliet@localhost' subscription='none' ask='subscribe'/>");
	room_expect(
		room, "juliet@localhost/b",
		"<presence type='subscribe' id='s' from='romeo@localhost' to='juliet@localhost'>");
	room_expect_nothing(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence type='subscribed' to='romeo@localhost'/>");
	room_expect(room, "juliet@localhost/b",
		    "<item jid='romeo@localhost' subscription='from'/>");
	room_expect(room, "romeo@localhost/a",
		    "<presence type='subscribed' from='juliet@localhost'");
	room_expect(room, "romeo@localhost/a", "<item jid='juliet@localhost' subscription='to'/>");
	room_expect(room, "romeo@localhost/a", "<presence from='juliet@localhost/b'");
	room_expect_nothing(room, "romeo@localhost/a");
	room_expect_nothing(room, "juliet@localhost/b");
}

static void ends_when_the_one_who_sees_wants_no_more(void **state)
{
	struct room *room = *state;

	two_people(room);
	subscribe(room);
	room_forget(room);
	room_send(room, "romeo@localhost/a",
		  "<presence type='unsubscribe' to='juliet@localhost'/>");
	room_expect(room, "romeo@localhost/a",
		    "<item jid='juliet@localhost' subscription='none'/>");
	room_expect(room, "romeo@localhost/a",
		    "<presence type='unavailable' from='juliet@localhost/b'");
	room_expect(room, "juliet@localhost/b",
		    "<presence type='unsubscribe' from='romeo@localhost'");
	room_expect(room, "juliet@localhost/b",
		    "<item jid='romeo@localhost' subscription='none'/>");
}

static void ends_when_the_one_who_is_seen_wants_no_more(void **state)
{
	struct room *room = *state;

	two_people(room);
	subscribe(room);
	room_forget(room);
	room_send(room, "juliet@localhost/b",
		  "<presence type='unsubscribed' to='romeo@localhost'/>");
	room_expect(room, "juliet@localhost/b",
		    "<item jid='romeo@localhost' subscription='none'/>");
	room_expect_nothing(room, "juliet@localhost/b");
	room_expect(room, "romeo@localhost/a",
		    "<presence type='unsubscribed' from='juliet@localhost'");
	room_expect(room, "romeo@localhost/a",
		    "<item jid='juliet@localhost' subscription='none'/>");
	room_expect(room, "romeo@localhost/a",
		    "<presence type='unavailable' from='juliet@localhost/b'");
}

static void ends_with_the_item(void **state)
{
	struct room *room = *state;

	two_people(room);
	subscribe(room);
	room_forget(room);
	room_send(room, "romeo@localhost/a",
		  "<iq type='set' id='x'><query xmlns='jabber:iq:roster'>"
		  "<item jid='juliet@localhost' subscription='remove'/></query></iq>");
	room_expect(room, "romeo@localhost/a", "subscription='remove'");
	room_expect(room, "romeo@localhost/a", "type='result' id='x'");
	room_expect(room, "juliet@localhost/b",
		    "<presence type='unsubscribe' from='romeo@localhost'");
}

static void offers_a_request_until_it_is_answered(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_end(room, "juliet@localhost/b");
	room_send(
		room, "romeo@localhost/a",
		"<presence type='subscribe' to='juliet@localhost'><status>hi</status></presence>");
	room_restart(room);
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect_among(room, "juliet@localhost/b", "<status>hi</status>");
	room_send(room, "juliet@localhost/b", "<presence type='unavailable'/>");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect_among(room, "juliet@localhost/b", "<status>hi</status>");
	room_send(room, "juliet@localhost/b",
		  "<presence type='unsubscribed' to='romeo@localhost'/>");
	room_send(room, "juliet@localhost/b", "<presence type='unavailable'/>");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect_none_with(room, "juliet@localhost/b", "<status>hi</status>");
}

static void is_remembered_by_both(void **state)
{
	struct room *room = *state;

	two_people(room);
	subscribe(room);
	room_restart(room);
	room_login(room, "romeo@localhost/a");
	room_login(room, "juliet@localhost/b");
	room_send(room, "romeo@localhost/a", ROSTER_GET);
	room_expect(room, "romeo@localhost/a", "<item jid='juliet@localhost' subscription='to'/>");
	room_send(room, "juliet@localhost/b", ROSTER_GET);
	room_expect(room, "juliet@localhost/b",
		    "<item jid='romeo@localhost' subscription='from'/>");
}

static void answers_for_a_contact_who_is_seen_already(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send(room, "romeo@localhost/a", "<presence type='subscribe' to='romeo@localhost'/>");
	room_expect_nothing(room, "romeo@localhost/a");
	room_from_world(
		room,
		"<presence type='subscribe' from='x@remote.example/r' to='romeo@localhost'/>");
	room_expect(room, "romeo@localhost/a", "type='subscribe' from='x@remote.example'");
	room_send(room, "romeo@localhost/a", "<presence type='subscribed' to='x@remote.example'/>");
	room_expect(room, "world",
		    "<presence type='subscribed' from='romeo@localhost' to='x@remote.example'>");
	room_expect(room, "world", "<presence from='romeo@localhost/a' to='x@remote.example'>");
	room_forget(room);
	room_from_world(
		room, "<presence type='subscribe' from='x@remote.example' to='romeo@localhost'/>");
	room_expect(room, "world", "<presence type='subscribed' from='romeo@localhost'");
	room_expect_nothing(room, "romeo@localhost/a");
}

/* -- an answer before the question, section 3.4 -- */

#define APPROVE "<presence type='subscribed' to='romeo@localhost/x'/>"
#define CANCEL "<presence type='unsubscribed' to='romeo@localhost'/>"
#define ASK "<presence type='subscribe' to='juliet@localhost'/>"

static void is_granted_to_who_was_approved(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send(room, "juliet@localhost/b", APPROVE);
	room_expect(room, "juliet@localhost/b", "<item jid='romeo@localhost' subscription='none' approved='true'/>");
	room_expect_nothing(room, "juliet@localhost/b");
	room_expect_nothing(room, "romeo@localhost/a");
	room_send(room, "romeo@localhost/a", ASK);
	room_expect(room, "juliet@localhost/b", "<item jid='romeo@localhost' subscription='from'/>");
	room_expect_nothing(room, "juliet@localhost/b");
	room_expect(room, "romeo@localhost/a", "subscription='none' ask='subscribe'/>");
	room_expect(room, "romeo@localhost/a",
		    "<presence type='subscribed' from='juliet@localhost' to='romeo@localhost'>");
	room_expect(room, "romeo@localhost/a", "<item jid='juliet@localhost' subscription='to'/>");
	room_expect(room, "romeo@localhost/a", "<presence from='juliet@localhost/b'");
	room_expect_nothing(room, "romeo@localhost/a");
}

/* Nobody of the user is on when it is asked for, and the process is another. */
static void an_approval_is_remembered(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send(room, "juliet@localhost/b", "<presence type='subscribe' to='romeo@localhost'/>");
	room_send(room, "juliet@localhost/b", APPROVE);
	room_restart(room);
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", ROSTER_GET);
	room_expect(room, "juliet@localhost/b",
		    "<item jid='romeo@localhost' subscription='none' ask='subscribe' approved='true'/>");
	room_end(room, "juliet@localhost/b");
	room_forget(room);
	room_login(room, "romeo@localhost/a");
	room_send(room, "romeo@localhost/a", ROSTER_GET);
	room_send(room, "romeo@localhost/a", "<presence/>");
	room_send(room, "romeo@localhost/a", ASK);
	room_expect_among(room, "romeo@localhost/a", "<item jid='juliet@localhost' subscription='to'/>");
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", ROSTER_GET);
	room_expect(room, "juliet@localhost/b", "<item jid='romeo@localhost' subscription='from' ask='subscribe'/>");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect_none_with(room, "juliet@localhost/b", "type='subscribe' from=");
}

static void an_approval_is_for_one_subscription(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send(room, "juliet@localhost/b", APPROVE);
	room_send(room, "romeo@localhost/a", ASK);
	room_send(room, "romeo@localhost/a", "<presence type='unsubscribe' to='juliet@localhost'/>");
	room_forget(room);
	room_send(room, "romeo@localhost/a", ASK);
	room_expect(room, "juliet@localhost/b", "<presence type='subscribe' from='romeo@localhost'");
	room_expect_nothing(room, "juliet@localhost/b");
}

static void an_approval_is_taken_back(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send(room, "juliet@localhost/b", APPROVE);
	room_forget(room);
	room_send(room, "juliet@localhost/b", CANCEL);
	room_expect(room, "juliet@localhost/b", "<item jid='romeo@localhost' subscription='none'/>");
	room_expect_nothing(room, "romeo@localhost/a");
	room_send(room, "juliet@localhost/b", APPROVE);
	room_send(room, "juliet@localhost/b",
		  "<iq type='set' id='x'><query xmlns='jabber:iq:roster'>"
		  "<item jid='romeo@localhost' subscription='remove'/></query></iq>");
	room_forget(room);
	room_send(room, "romeo@localhost/a", ASK);
	room_expect(room, "juliet@localhost/b", "<presence type='subscribe' from='romeo@localhost'");
}

/* A client changes the rest of an item with a set; what it says of approval there counts for nothing. */
static void an_approval_is_not_set_with_the_item(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send(room, "juliet@localhost/b",
		  "<iq type='set' id='x'><query xmlns='jabber:iq:roster'>"
		  "<item jid='romeo@localhost' approved='true'/></query></iq>");
	room_expect(room, "juliet@localhost/b", "<item jid='romeo@localhost' subscription='none'/>");
	room_send(room, "juliet@localhost/b", APPROVE);
	room_forget(room);
	room_send(room, "juliet@localhost/b",
		  "<iq type='set' id='x'><query xmlns='jabber:iq:roster'><item jid='romeo@localhost' name='R'/></query></iq>");
	room_expect(room, "juliet@localhost/b",
		    "<item jid='romeo@localhost' name='R' subscription='none' approved='true'/>");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(leads_from_asking_to_seeing, room_open, room_close),
		cmocka_unit_test_setup_teardown(ends_when_the_one_who_sees_wants_no_more, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(ends_when_the_one_who_is_seen_wants_no_more,
						room_open, room_close),
		cmocka_unit_test_setup_teardown(ends_with_the_item, room_open, room_close),
		cmocka_unit_test_setup_teardown(offers_a_request_until_it_is_answered, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(is_remembered_by_both, room_open, room_close),
		cmocka_unit_test_setup_teardown(answers_for_a_contact_who_is_seen_already,
						room_open, room_close),
		cmocka_unit_test_setup_teardown(is_granted_to_who_was_approved, room_open, room_close),
		cmocka_unit_test_setup_teardown(an_approval_is_remembered, room_open, room_close),
		cmocka_unit_test_setup_teardown(an_approval_is_for_one_subscription, room_open, room_close),
		cmocka_unit_test_setup_teardown(an_approval_is_taken_back, room_open, room_close),
		cmocka_unit_test_setup_teardown(an_approval_is_not_set_with_the_item, room_open, room_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
