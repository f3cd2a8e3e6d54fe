/* SPDX-License-Identifier: MIT */
/* What becomes of a stanza to a user: the tables of RFC 6121 section 8.5, and real sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/macros.h"
#include "room.h"
#include "sm/modules/modules.h"

struct row {
	enum stanza_type type;
	enum delivery_fate bare_takers, bare_none, full_missing;
};

static enum delivery_fate fate(enum stanza_kind kind, enum stanza_type type, bool full, bool found,
			       bool takers)
{
	struct delivery_case what = {kind, type, full, found, takers};

	return delivery_fate(&what);
}

static void decides_on_messages(void **state)
{
	static const struct row rows[] = {
		{STANZA_NONE, DELIVERY_BEST, DELIVERY_STORE, DELIVERY_REFUSE},
		{STANZA_NORMAL, DELIVERY_BEST, DELIVERY_STORE, DELIVERY_REFUSE},
		{STANZA_CHAT, DELIVERY_BEST, DELIVERY_STORE, DELIVERY_BEST},
		{STANZA_HEADLINE, DELIVERY_ALL, DELIVERY_DROP, DELIVERY_DROP},
		{STANZA_GROUPCHAT, DELIVERY_REFUSE, DELIVERY_REFUSE, DELIVERY_REFUSE},
		{STANZA_ERROR, DELIVERY_DROP, DELIVERY_DROP, DELIVERY_DROP},
	};

	for (size_t at = 0; at < countof(rows); at++) {
		assert_int_equal(fate(STANZA_MESSAGE, rows[at].type, false, false, true),
				 rows[at].bare_takers);
		assert_int_equal(fate(STANZA_MESSAGE, rows[at].type, false, false, false),
				 rows[at].bare_none);
		assert_int_equal(fate(STANZA_MESSAGE, rows[at].type, true, false, true),
				 rows[at].full_missing);
		assert_int_equal(fate(STANZA_MESSAGE, rows[at].type, true, true, false),
				 DELIVERY_RESOURCE);
	}
}

static void decides_on_presence_and_iqs(void **state)
{
	assert_int_equal(fate(STANZA_PRESENCE, STANZA_NONE, false, false, false), DELIVERY_ALL);
	assert_int_equal(fate(STANZA_PRESENCE, STANZA_NONE, true, false, false), DELIVERY_DROP);
	assert_int_equal(fate(STANZA_PRESENCE, STANZA_UNAVAILABLE, true, true, false),
			 DELIVERY_RESOURCE);
	assert_int_equal(fate(STANZA_PRESENCE, STANZA_ERROR, false, false, false), DELIVERY_DROP);
	assert_int_equal(fate(STANZA_IQ, STANZA_GET, true, true, false), DELIVERY_RESOURCE);
	assert_int_equal(fate(STANZA_IQ, STANZA_GET, true, false, false), DELIVERY_REFUSE);
	assert_int_equal(fate(STANZA_IQ, STANZA_SET, false, false, true), DELIVERY_REFUSE);
	assert_int_equal(fate(STANZA_IQ, STANZA_RESULT, true, false, false), DELIVERY_DROP);
}

static void three_sessions(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_login(room, "romeo@localhost/a");
	room_login(room, "juliet@localhost/high");
	room_login(room, "juliet@localhost/high2");
	room_login(room, "juliet@localhost/low");
	room_login(room, "juliet@localhost/negative");
	room_send(room, "juliet@localhost/high", "<presence><priority>5</priority></presence>");
	room_send(room, "juliet@localhost/high2", "<presence><priority> 5</priority></presence>");
	room_send(room, "juliet@localhost/low", "<presence/>");
	room_send(room, "juliet@localhost/negative",
		  "<presence><priority>-1</priority></presence>");
	room_forget(room);
}

static void gives_chat_to_all_of_the_highest_priority(void **state)
{
	struct room *room = *state;

	three_sessions(room);
	room_send(room, "romeo@localhost/a",
		  "<message to='juliet@localhost' type='chat'><body>1</body></message>");
	room_expect(room, "juliet@localhost/high", "to='juliet@localhost'");
	room_expect(room, "juliet@localhost/high2", "<body>1</body>");
	room_expect_nothing(room, "juliet@localhost/low");
	room_expect_nothing(room, "juliet@localhost/negative");
	room_expect_nothing(room, "romeo@localhost/a");
}

static void gives_headlines_to_all_that_are_not_negative(void **state)
{
	struct room *room = *state;

	three_sessions(room);
	room_send(room, "romeo@localhost/a",
		  "<message to='juliet@localhost' type='headline'><body>1</body></message>");
	room_expect(room, "juliet@localhost/high", "<body>1</body>");
	room_expect(room, "juliet@localhost/high2", "<body>1</body>");
	room_expect(room, "juliet@localhost/low", "<body>1</body>");
	room_expect_nothing(room, "juliet@localhost/negative");
}

static void gives_to_the_resource_that_is_named(void **state)
{
	struct room *room = *state;

	three_sessions(room);
	room_send(room, "romeo@localhost/a",
		  "<message to='juliet@localhost/negative' "
		  "type='groupchat'><body>1</body></message>");
	room_expect(room, "juliet@localhost/negative",
		    "from='romeo@localhost/a' to='juliet@localhost/negative'");
	room_send(room, "romeo@localhost/a",
		  "<iq to='juliet@localhost/low' type='get' id='p'><ping "
		  "xmlns='urn:xmpp:ping'/></iq>");
	room_expect(room, "juliet@localhost/low", "type='get' id='p' from='romeo@localhost/a'");
	room_send(room, "juliet@localhost/low",
		  "<iq to='romeo@localhost/a' type='result' id='p'/>");
	room_expect(room, "romeo@localhost/a", "type='result' id='p' from='juliet@localhost/low'");
}

static void refuses_what_nobody_takes(void **state)
{
	struct room *room = *state;

	three_sessions(room);
	room_send(
		room, "romeo@localhost/a",
		"<message to='juliet@localhost' type='groupchat' id='g'><body>1</body></message>");
	room_expect(room, "romeo@localhost/a", "type='error' id='g' from='juliet@localhost'");
	room_send(room, "romeo@localhost/a",
		  "<iq to='juliet@localhost/gone' type='get' id='p'><ping "
		  "xmlns='urn:xmpp:ping'/></iq>");
	room_expect(room, "romeo@localhost/a", "<service-unavailable");
	room_send(room, "romeo@localhost/a",
		  "<iq type='get' id='v'><x xmlns='u:unknown'/></iq>");
	room_expect(room, "romeo@localhost/a", "<service-unavailable");
	room_send(room, "romeo@localhost/a",
		  "<iq to='nobody@localhost' type='get' id='v'><x xmlns='u:unknown'/></iq>");
	room_expect(room, "romeo@localhost/a", "<service-unavailable");
	room_send(room, "romeo@localhost/a",
		  "<message to='nobody@localhost' id='n'><body>1</body></message>");
	room_expect(room, "romeo@localhost/a", "<service-unavailable");
	room_send(room, "romeo@localhost/a", "<message to='@@' id='n'><body>1</body></message>");
	room_expect(room, "romeo@localhost/a", "<jid-malformed");
	room_send(room, "romeo@localhost/a", "<iq type='bad' id='n'><x xmlns='y'/></iq>");
	room_expect(room, "romeo@localhost/a", "<bad-request");
	room_send(room, "romeo@localhost/a", "<message type='error' to='nobody@localhost'/>");
	room_expect_nothing(room, "romeo@localhost/a");
}

static void answers_for_the_server_and_the_account(void **state)
{
	struct room *room = *state;

	three_sessions(room);
	room_send(room, "romeo@localhost/a",
		  "<iq to='localhost' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>");
	room_expect(room, "romeo@localhost/a",
		    "type='result' id='1' from='localhost' to='romeo@localhost/a'></iq>");
	room_send(room, "romeo@localhost/a",
		  "<iq to='localhost' type='get' id='2'><query xmlns='jabber:iq:version'/></iq>");
	room_expect(room, "romeo@localhost/a", "<name>jackdaw</name>");
	room_send(room, "romeo@localhost/a",
		  "<iq to='localhost' type='get' id='3'><query "
		  "xmlns='http://jabber.org/protocol/disco#info'/></iq>");
	room_expect(room, "romeo@localhost/a", "<identity category='server' type='im'");
	room_send(room, "romeo@localhost/a",
		  "<iq type='get' id='4'><query "
		  "xmlns='http://jabber.org/protocol/disco#info'/></iq>");
	room_expect(room, "romeo@localhost/a", "<identity category='account' type='registered'");
	room_send(room, "romeo@localhost/a",
		  "<iq to='juliet@localhost' type='get' id='5'><query "
		  "xmlns='http://jabber.org/protocol/disco#info'/></iq>");
	room_expect(room, "romeo@localhost/a", "<service-unavailable");
	room_send(room, "romeo@localhost/a",
		  "<iq to='localhost' type='get' id='6'><query "
		  "xmlns='http://jabber.org/protocol/disco#info' node='x'/></iq>");
	room_expect(room, "romeo@localhost/a", "<item-not-found");
	room_send(room, "romeo@localhost/a",
		  "<iq type='set' id='7'><session "
		  "xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
	room_expect(room, "romeo@localhost/a", "type='result' id='7'");
}

static void sends_to_the_world_and_hears_from_it(void **state)
{
	struct room *room = *state;

	three_sessions(room);
	room_send(
		room, "romeo@localhost/a",
		"<message to='x@remote.example' from='forged@localhost'><body>1</body></message>");
	room_expect(room, "world", "from='romeo@localhost/a' to='x@remote.example'");
	room_from_world(room, "<message from='x@remote.example/r' "
			      "to='juliet@localhost/low'><body>2</body></message>");
	room_expect(room, "juliet@localhost/low", "from='x@remote.example/r'");
	room_send(room, "romeo@localhost/a",
		  "<message to='x@nowhere.example' id='w'><body>1</body></message>");
	room_expect(room, "romeo@localhost/a", "<remote-server-not-found");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_on_messages),
		cmocka_unit_test(decides_on_presence_and_iqs),
		cmocka_unit_test_setup_teardown(gives_chat_to_all_of_the_highest_priority,
						room_open, room_close),
		cmocka_unit_test_setup_teardown(gives_headlines_to_all_that_are_not_negative,
						room_open, room_close),
		cmocka_unit_test_setup_teardown(gives_to_the_resource_that_is_named, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(refuses_what_nobody_takes, room_open, room_close),
		cmocka_unit_test_setup_teardown(answers_for_the_server_and_the_account, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(sends_to_the_world_and_hears_from_it, room_open,
						room_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
