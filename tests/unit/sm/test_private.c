/* SPDX-License-Identifier: MIT */
/* Private XML of a user: kept, given back, bounded, and nobody else's to see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/buf.h"
#include "link/packet.h"
#include "room.h"

#define ROMEO "romeo@localhost/a"
#define REQUEST(type, address, inside)                                                                                \
	"<iq type='" type "' id='" type "'" address "><query xmlns='jabber:iq:private'>" inside "</query></iq>"
#define SET(inside) REQUEST("set", "", inside)
#define GET(inside) REQUEST("get", "", inside)
#define STORED "type='result' id='set'></iq>"
#define NOTES "<storage xmlns='storage:rosternotes'/>"

static void log_in(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_login(room, ROMEO);
}

static void expect_answer(struct room *room, const char *request, const char *answer)
{
	room_send(room, ROMEO, request);
	room_expect(room, ROMEO, answer);
	room_expect_nothing(room, ROMEO);
}

static void gives_back_what_was_stored(void **state)
{
	struct room *room = *state;

	log_in(room);
	expect_answer(room,
		      SET("<storage xmlns='storage:bookmarks' v='&lt;1'><url name='&amp;'>a<b xmlns=''/>b</url></storage>"
			  "<roster xmlns='roster:delimiter'>::</roster>"),
		      STORED);
	expect_answer(room, GET("<storage xmlns='storage:bookmarks'/>"),
		      "<iq type='result' id='get'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks' "
		      "v='&lt;1'><url name='&amp;'>a<b xmlns=''/>b</url></storage></query></iq>");
	expect_answer(room, REQUEST("set", " to='romeo@localhost'", "<roster xmlns='roster:delimiter'>/</roster>"),
		      "type='result' id='set' from='romeo@localhost' to='romeo@localhost/a'></iq>");
	room_restart(room);
	room_login(room, ROMEO);
	expect_answer(room, REQUEST("get", " to='romeo@localhost'", "<roster xmlns='roster:delimiter'/>"),
		      "<roster xmlns='roster:delimiter'>/</roster></query>");
	expect_answer(room, GET("<storage xmlns='storage:bookmarks'/>"), "name='&amp;'>a<b xmlns=''/>b</url>");
}

static void a_get_has_all_that_it_asks_for(void **state)
{
	struct room *room = *state;

	log_in(room);
	expect_answer(room, SET("<a xmlns='x:prefs'>1</a><b xmlns='x:prefs'>2</b>"), STORED);
	expect_answer(room, GET("<b xmlns='x:prefs'/><c xmlns='x:prefs'/><a xmlns='x:prefs'/>"),
		      "<query xmlns='jabber:iq:private'><b xmlns='x:prefs'>2</b><c xmlns='x:prefs'/>"
		      "<a xmlns='x:prefs'>1</a></query>");
}

static void what_was_never_stored_is_empty(void **state)
{
	struct room *room = *state;

	log_in(room);
	expect_answer(room, GET(NOTES), "<iq type='result' id='get'><query xmlns='jabber:iq:private'>" NOTES "</query></iq>");
	expect_answer(room, SET("<storage xmlns='storage:rosternotes'><note/></storage>"), STORED);
	expect_answer(room, SET(NOTES), STORED);
	expect_answer(room, GET(NOTES), "'>" NOTES "</query>");
}

static void names_of_two_namespaces_are_two_things(void **state)
{
	struct room *room = *state;

	log_in(room);
	expect_answer(room, SET("<x xmlns='a:prefs'>A</x><x xmlns='b:prefs'>B</x>"), STORED);
	expect_answer(room, GET("<x xmlns='a:prefs'/>"), "<x xmlns='a:prefs'>A</x></query>");
	expect_answer(room, GET("<x xmlns='b:prefs'/>"), "<x xmlns='b:prefs'>B</x></query>");
}

static void refuses_what_the_protocol_does_not_allow(void **state)
{
	static const char *const bad[] = {
		SET(""),
		GET(""),
		SET("<vCard xmlns='vcard-temp'><FN/></vCard>"),
		SET("<x xmlns='jabber:iq:roster'>1</x>"),
		GET("<x xmlns='http://jabber.org/protocol/muc'/>"),
		SET("<x/>"),
		SET("<x xmlns=''>1</x>"),
		SET("<a xmlns='x:prefs'>1</a><a xmlns='x:prefs'>2</a>"),
		GET("<a xmlns='x:prefs'/><a xmlns='y:prefs'/>"),
		SET("<a xmlns='x:prefs'>1</a><x xmlns='jabber:x:data'/>"),
	};
	struct room *room = *state;

	log_in(room);
	for (size_t at = 0; at < sizeof(bad) / sizeof(bad[0]); at++)
		expect_answer(room, bad[at], "<not-acceptable");
	expect_answer(room, GET("<a xmlns='x:prefs'/>"), "'><a xmlns='x:prefs'/></query>");
}

static void a_long_element_is_refused(void **state)
{
	struct room *room = *state;
	AUTO(buf_fini) struct buf text = {0};

	log_in(room);
	expect_answer(room, SET("<a xmlns='x:prefs'>short</a>"), STORED);
	buf_append_text(&text, "<iq type='set' id='set'><query xmlns='jabber:iq:private'><a xmlns='x:prefs'>");
	for (unsigned at = 0; at < 64 * 1024; at++)
		buf_append_char(&text, 'x');
	buf_append_text(&text, "</a></query></iq>");
	expect_answer(room, buf_text(&text), "<policy-violation");
	expect_answer(room, GET("<a xmlns='x:prefs'/>"), "short");
}

static void a_user_has_so_many_elements(void **state)
{
	struct room *room = *state;
	char text[256];

	log_in(room);
	for (unsigned at = 0; at < 100; at++) {
		snprintf(text, sizeof(text), SET("<a%u xmlns='x:prefs'>1</a%u>"), at, at);
		expect_answer(room, text, STORED);
	}
	expect_answer(room, SET("<a0 xmlns='x:prefs'>2</a0><more xmlns='x:prefs'>1</more>"), "<resource-constraint");
	expect_answer(room, GET("<a0 xmlns='x:prefs'/><more xmlns='x:prefs'/>"),
		      "<a0 xmlns='x:prefs'>1</a0><more xmlns='x:prefs'/></query>");
	expect_answer(room, SET("<a0 xmlns='x:prefs'>3</a0>"), STORED);
	expect_answer(room, SET("<a1 xmlns='x:prefs'/><more xmlns='x:prefs'>1</more>"), STORED);
	expect_answer(room, SET("<most xmlns='x:prefs'>1</most>"), "<resource-constraint");
	room_account(room, "juliet@localhost");
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", SET("<a xmlns='x:prefs'>1</a>"));
	room_expect(room, "juliet@localhost/b", STORED);
}

/* Nor does anybody learn by it whether there is such a user. */
static void it_is_forbidden_to_all_others(void **state)
{
	struct room *room = *state;

	log_in(room);
	room_account(room, "juliet@localhost");
	room_login(room, "juliet@localhost/b");
	expect_answer(room, SET("<a xmlns='x:prefs'>his</a>"), STORED);
	room_send(room, "juliet@localhost/b", REQUEST("set", " to='romeo@localhost'", "<a xmlns='x:prefs'>hers</a>"));
	room_expect(room, "juliet@localhost/b", "<forbidden");
	room_send(room, "juliet@localhost/b", REQUEST("get", " to='romeo@localhost'", "<a xmlns='x:prefs'/>"));
	room_expect(room, "juliet@localhost/b", "<forbidden");
	room_send(room, "juliet@localhost/b", REQUEST("get", " to='nobody@localhost'", "<a xmlns='x:prefs'/>"));
	room_expect(room, "juliet@localhost/b", "<forbidden");
	room_from_world(room, REQUEST("get", " from='x@remote.example/r' to='romeo@localhost'", "<a xmlns='x:prefs'/>"));
	room_expect(room, "world", "<forbidden");
	expect_answer(room, GET("<a xmlns='x:prefs'/>"), "his");
}

/* Whoever says so elsewhere is not the owner. */
static void a_forged_address_opens_nothing(void **state)
{
	struct room *room = *state;

	log_in(room);
	expect_answer(room, SET("<a xmlns='x:prefs'>his</a>"), STORED);
	room_from_world(room, REQUEST("set", " from='romeo@localhost/a' to='romeo@localhost'", "<a xmlns='x:prefs'>forged</a>"));
	room_from_world(room, REQUEST("set", " from='romeo@localhost' to='romeo@localhost'", "<a xmlns='x:prefs'>forged</a>"));
	room_forget(room);
	room_send(room, ROMEO, REQUEST("set", " from='juliet@localhost'", "<a xmlns='x:prefs'>still his</a>"));
	room_expect_among(room, ROMEO, "type='result'");
	expect_answer(room, GET("<a xmlns='x:prefs'/>"), "still his");
}

static void on_a_full_disk_nothing_changes(void **state)
{
	struct room *room = *state;

	log_in(room);
	expect_answer(room, SET("<a xmlns='x:prefs'>old</a>"), STORED);
	room_disk_full(room, true);
	expect_answer(room, SET("<a xmlns='x:prefs'>new</a><b xmlns='x:prefs'>new</b>"), "<resource-constraint");
	expect_answer(room, GET("<a xmlns='x:prefs'/><b xmlns='x:prefs'/>"), "<a xmlns='x:prefs'>old</a><b xmlns='x:prefs'/>");
	room_disk_full(room, false);
	expect_answer(room, GET("<a xmlns='x:prefs'/>"), "old");
	expect_answer(room, SET("<a xmlns='x:prefs'>new</a>"), STORED);
	expect_answer(room, GET("<a xmlns='x:prefs'/>"), "new");
}

/* All are answered, in their order, and the last of two writers has it. */
static void requests_that_come_together_keep_their_order(void **state)
{
	struct room *room = *state;

	log_in(room);
	room_send_all(room, (const char *[]){ROMEO, SET("<a xmlns='x:prefs'>1</a>"), ROMEO, GET("<a xmlns='x:prefs'/>"), ROMEO,
					     SET("<a xmlns='x:prefs'>2</a>"), ROMEO, GET("<a xmlns='x:prefs'/>"), NULL});
	room_expect(room, ROMEO, STORED);
	room_expect(room, ROMEO, ">1</a>");
	room_expect(room, ROMEO, STORED);
	room_expect(room, ROMEO, ">2</a>");
}

static void it_goes_with_the_account(void **state)
{
	struct room *room = *state;

	log_in(room);
	expect_answer(room, SET("<a xmlns='x:prefs'>old</a>"), STORED);
	room_action(room, "x", SESSION_DELETE, "romeo@localhost");
	room_wait(room, ROOM_LOCK_MS);
	room_forget(room);
	log_in(room);
	expect_answer(room, GET("<a xmlns='x:prefs'/>"), "'><a xmlns='x:prefs'/></query>");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, room_open, room_close)
	static const struct CMUnitTest tests[] = {
		TEST(gives_back_what_was_stored),
		TEST(a_get_has_all_that_it_asks_for),
		TEST(what_was_never_stored_is_empty),
		TEST(names_of_two_namespaces_are_two_things),
		TEST(refuses_what_the_protocol_does_not_allow),
		TEST(a_long_element_is_refused),
		TEST(a_user_has_so_many_elements),
		TEST(it_is_forbidden_to_all_others),
		TEST(a_forged_address_opens_nothing),
		TEST(on_a_full_disk_nothing_changes),
		TEST(requests_that_come_together_keep_their_order),
		TEST(it_goes_with_the_account),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
