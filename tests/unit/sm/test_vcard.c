/* SPDX-License-Identifier: MIT */
/* vCards: of oneself, of others, while they are away; and what presence says of the photo in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/buf.h"
#include "link/packet.h"
#include "room.h"

#define ROMEO "romeo@localhost/a"
#define JULIET "juliet@localhost/b"
#define REQUEST(type, address, inside) "<iq type='" type "' id='" type "'" address "><vCard xmlns='vcard-temp'>" inside "</vCard></iq>"
#define SET(inside) REQUEST("set", "", inside)
#define GET REQUEST("get", "", "")
#define GET_OF(who) REQUEST("get", " to='" who "'", "")
#define STORED "type='result' id='set'"
#define PHOTO(base64) "<PHOTO><TYPE>image/png</TYPE><BINVAL>" base64 "</BINVAL></PHOTO>"
#define SAYS(inside) "<presence><x xmlns='vcard-temp:x:update'>" inside "</x></presence>"
#define ABC "a9993e364706816aba3e25717850c26c9cd0d89d"
#define XYZ "66b27417d37e024c46526c2f6d358a754fc552f3"
#define HAS(hash) "<x xmlns='vcard-temp:x:update'><photo>" hash "</photo></x>"

static void log_in(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_login(room, ROMEO);
}

static void two_people(struct room *room)
{
	log_in(room);
	room_account(room, "juliet@localhost");
	room_login(room, JULIET);
}

static void expect_answer(struct room *room, const char *client, const char *request, const char *answer)
{
	room_send(room, client, request);
	room_expect(room, client, answer);
	room_expect_nothing(room, client);
}

/* What his own other session, and whoever sees his presence, is told of it. */
static void expect_presence(struct room *room, const char *sent, const char *told)
{
	room_send(room, ROMEO, sent);
	room_expect(room, ROMEO, told);
	room_expect_nothing(room, ROMEO);
}

static void gives_back_what_was_set(void **state)
{
	struct room *room = *state;

	log_in(room);
	expect_answer(room, ROMEO, GET, "<item-not-found");
	expect_answer(room, ROMEO, SET("<FN>Romeo &amp; co</FN><N><FAMILY/></N>"), STORED);
	expect_answer(room, ROMEO, GET, "<vCard xmlns='vcard-temp'><FN>Romeo &amp; co</FN><N><FAMILY/></N></vCard></iq>");
	expect_answer(room, ROMEO, REQUEST("set", " to='romeo@localhost'", "<FN>R</FN>"), STORED);
	room_restart(room);
	room_login(room, ROMEO);
	expect_answer(room, ROMEO, GET_OF("romeo@localhost"), "<vCard xmlns='vcard-temp'><FN>R</FN></vCard>");
	expect_answer(room, ROMEO, SET(""), STORED);
	expect_answer(room, ROMEO, GET, "<item-not-found");
}

/* The server answers, whether he is there or not. */
static void anybody_may_read_it(void **state)
{
	static const char *const world_get =
		"<iq type='get' id='get' from='x@remote.example/r' to='romeo@localhost'><vCard xmlns='vcard-temp'/></iq>";
	struct room *room = *state;

	two_people(room);
	expect_answer(room, ROMEO, SET("<FN>Romeo</FN>"), STORED);
	expect_answer(room, JULIET, GET_OF("romeo@localhost"),
		      "<iq type='result' id='get' from='romeo@localhost' to='juliet@localhost/b'><vCard "
		      "xmlns='vcard-temp'><FN>Romeo</FN></vCard></iq>");
	room_expect_nothing(room, ROMEO);
	room_end(room, ROMEO);
	room_restart(room);
	room_login(room, JULIET);
	expect_answer(room, JULIET, GET_OF("romeo@localhost"), "<FN>Romeo</FN>");
	room_from_world(room, world_get);
	room_expect(room, "world", "type='result' id='get' from='romeo@localhost' to='x@remote.example/r'><vCard "
				   "xmlns='vcard-temp'><FN>Romeo</FN></vCard></iq>");
}

/* XEP-0054 section 3.3: there is nothing to tell them apart. */
static void a_user_without_one_is_like_nobody(void **state)
{
	static const char answer[] = "to='romeo@localhost/a'><error type='cancel' code='503'><service-unavailable "
				     "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error><vCard xmlns='vcard-temp'/></iq>";
	struct room *room = *state;

	two_people(room);
	expect_answer(room, ROMEO, GET_OF("juliet@localhost"), answer);
	expect_answer(room, ROMEO, GET_OF("nobody@localhost"), answer);
	expect_answer(room, ROMEO, GET_OF("localhost"), "<item-not-found");
}

static void only_the_owner_sets_it(void **state)
{
	struct room *room = *state;

	two_people(room);
	expect_answer(room, ROMEO, SET("<FN>Romeo</FN>"), STORED);
	expect_answer(room, JULIET, REQUEST("set", " to='romeo@localhost'", "<FN>Fool</FN>"), "<forbidden");
	expect_answer(room, JULIET, REQUEST("set", " to='nobody@localhost'", "<FN>Fool</FN>"), "<forbidden");
	room_from_world(room, REQUEST("set", " from='romeo@localhost/a' to='romeo@localhost'", "<FN>Fool</FN>"));
	room_from_world(room, REQUEST("set", " from='romeo@localhost' to='romeo@localhost'", "<FN>Fool</FN>"));
	room_forget(room);
	expect_answer(room, ROMEO, GET, "<FN>Romeo</FN>");
}

static void a_long_one_is_refused(void **state)
{
	struct room *room = *state;
	AUTO(buf_fini) struct buf text = {0};

	log_in(room);
	buf_append_text(&text, "<iq type='set' id='set'><vCard xmlns='vcard-temp'><FN>long</FN><NOTE>");
	for (unsigned at = 0; at < 128 * 1024; at++)
		buf_append_char(&text, 'x');
	buf_append_text(&text, "</NOTE></vCard></iq>");
	expect_answer(room, ROMEO, SET("<FN>short</FN>" PHOTO("YWJj")), STORED);
	expect_answer(room, ROMEO, buf_text(&text), "<policy-violation");
	expect_answer(room, ROMEO, GET, "<FN>short</FN>");
	expect_presence(room, "<presence/>", HAS(ABC));
}

static void on_a_full_disk_nothing_changes(void **state)
{
	struct room *room = *state;

	log_in(room);
	expect_answer(room, ROMEO, SET("<FN>old</FN>" PHOTO("YWJj")), STORED);
	room_disk_full(room, true);
	expect_answer(room, ROMEO, SET("<FN>new</FN>" PHOTO("eHl6")), "<resource-constraint");
	expect_answer(room, ROMEO, GET, "<FN>old</FN>");
	expect_presence(room, "<presence/>", HAS(ABC));
	room_disk_full(room, false);
	expect_presence(room, "<presence/>", HAS(ABC));
	expect_answer(room, ROMEO, SET("<FN>new</FN>" PHOTO("eHl6")), STORED);
	expect_presence(room, "<presence/>", HAS(XYZ));
}

/* -- the photo -- */

/* XEP-0398 section 5. */
static void presence_says_the_photo(void **state)
{
	struct room *room = *state;

	log_in(room);
	expect_answer(room, ROMEO, SET(PHOTO("  YW\n Jj ")), STORED);
	expect_presence(room, "<presence/>", HAS(ABC) "</presence>");
	expect_presence(room, "<presence id='p' xml:lang='it'><show>away</show></presence>",
			"<presence id='p' from='romeo@localhost/a' to='romeo@localhost/a' xml:lang='it'><show>away</show>" HAS(
				ABC) "</presence>");
	expect_presence(room, SAYS(""), "'>" HAS(ABC) "</presence>");
	expect_presence(room, SAYS("<photo>" XYZ "</photo>"), "'>" HAS(ABC) "</presence>");
	expect_presence(room, SAYS("<photo>A9993E364706816ABA3E25717850C26C9CD0D89D</photo>"), "<photo>A9993E36");
	expect_presence(room, SAYS("<photo/>"), "<x xmlns='vcard-temp:x:update'><photo/></x></presence>");
	room_send(room, ROMEO, "<presence to='room@remote.example/romeo'/>");
	room_expect(room, "world", HAS(ABC));
	room_send(room, ROMEO, "<presence type='unavailable'/>");
	room_expect(room, "world", "type='unavailable' from='romeo@localhost/a' to='room@remote.example/romeo'></presence>");
}

static void presence_without_a_photo_stays_as_it_is(void **state)
{
	struct room *room = *state;

	log_in(room);
	expect_presence(room, "<presence/>", "to='romeo@localhost/a'></presence>");
	expect_presence(room, SAYS("<photo>" XYZ "</photo>"), HAS(XYZ));
	expect_answer(room, ROMEO, SET("<FN/>" PHOTO("!")), STORED);
	expect_presence(room, "<presence/>", "to='romeo@localhost/a'></presence>");
	expect_answer(room, ROMEO, SET(PHOTO("YWJj")), STORED);
	expect_presence(room, "<presence/>", HAS(ABC));
	expect_answer(room, ROMEO, SET("<FN/>"), STORED);
	expect_presence(room, "<presence/>", "to='romeo@localhost/a'></presence>");
}

static void the_photo_outlives_a_restart(void **state)
{
	struct room *room = *state;

	log_in(room);
	expect_answer(room, ROMEO, SET(PHOTO("YWJj")), STORED);
	room_restart(room);
	room_login(room, ROMEO);
	expect_presence(room, "<presence/>", HAS(ABC));
	room_action(room, "x", SESSION_DELETE, "romeo@localhost");
	room_wait(room, ROOM_LOCK_MS);
	room_forget(room);
	log_in(room);
	expect_presence(room, "<presence/>", "to='romeo@localhost/a'></presence>");
	expect_answer(room, ROMEO, GET, "<item-not-found");
}

/* Presence does not wait for the commit of the vCard before it. */
static void presence_behind_a_new_photo_says_the_new_one(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_send(room, JULIET, "<presence/>");
	expect_answer(room, ROMEO, SET(PHOTO("YWJj")), STORED);
	room_send_all(room, (const char *[]){ROMEO, SET(PHOTO("eHl6")), ROMEO, SAYS("<photo>" XYZ "</photo>"), NULL});
	room_expect(room, ROMEO, HAS(XYZ));
	room_expect(room, ROMEO, STORED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, room_open, room_close)
	static const struct CMUnitTest tests[] = {
		TEST(gives_back_what_was_set),
		TEST(anybody_may_read_it),
		TEST(a_user_without_one_is_like_nobody),
		TEST(only_the_owner_sets_it),
		TEST(a_long_one_is_refused),
		TEST(on_a_full_disk_nothing_changes),
		TEST(presence_says_the_photo),
		TEST(presence_without_a_photo_stays_as_it_is),
		TEST(the_photo_outlives_a_restart),
		TEST(presence_behind_a_new_photo_says_the_new_one),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
