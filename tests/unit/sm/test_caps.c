/* SPDX-License-Identifier: MIT */
/* What clients say that they have: asked for, verified, remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "link/packet.h"
#include "room.h"
#include "sm/modules/modules.h"
#include "stanza/caps.h"
#include "xml/nad.h"
#include "xml/parser.h"

#define PHONE "romeo@localhost/phone"
#define DESK "romeo@localhost/desk"
#define TUNE "http://jabber.org/protocol/tune"
#define INFO(inside) "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='client' type='pc'/>" inside "</query>"
#define FEATURE(var) "<feature var='" var "'/>"
#define FIRST INFO(FEATURE(TUNE) FEATURE(TUNE "+notify") FEATURE("urn:a+notify"))
#define SECOND INFO(FEATURE("urn:b+notify"))

static void log_in(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_login(room, PHONE);
}

static void append_hash(enum caps_version version, const char *algorithm, const char *info, struct buf *out)
{
	static const struct xml_limits limits = {.stanza_bytes = 1 << 20, .depth = 10, .attributes = 10};
	AUTO(nad_free) struct nad *nad = xml_parse(slice_of(info), &limits);
	AUTO(buf_fini) struct buf text = {0};

	assert_non_null(nad);
	assert_int_equal(caps_text(version, nad, 0, &text), 0);
	assert_true(caps_hash(version, slice_of(algorithm), buf_slice(&text), out));
}

/* Its presence with the hash of this by XEP-0115. */
static void say(struct room *room, const char *client, const char *info)
{
	AUTO(buf_fini) struct buf presence = {0};

	buf_append_text(&presence, "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:client' ver='");
	append_hash(CAPS_1, "sha-1", info, &presence);
	buf_append_text(&presence, "'/></presence>");
	room_send(room, client, buf_text(&presence));
}

/* The id of the question that it is asked, the one thing that is asked. */
static void expect_question(struct room *room, const char *client, const char *node, struct buf *id)
{
	const char *told, *begin;

	while ((told = room_next(room, client)) && !strstr(told, "type='get'"))
		;
	assert_non_null(told);
	assert_non_null(strstr(told, " from='romeo@localhost' to='romeo@localhost/"));
	if (!strstr(told, node))
		fail_msg("%s is not in %s", node, told);
	begin = strstr(told, " id='") + strlen(" id='");
	buf_append(id, begin, strcspn(begin, "'"));
	room_expect_none_with(room, client, "type='get'");
}

static void answer(struct room *room, const char *client, const char *info)
{
	AUTO(buf_fini) struct buf id = {0}, result = {0};

	expect_question(room, client, "<query xmlns='http://jabber.org/protocol/disco#info' node='urn:client#", &id);
	buf_printf(&result, "<iq type='result' to='romeo@localhost' id='%s'>%s</iq>", buf_text(&id), info);
	room_send(room, client, buf_text(&result));
	room_expect_nothing(room, client);
}

static bool wants(struct room *room, const char *client, const char *node)
{
	return caps_wants(room_session(room, client), slice_of(node));
}

static void a_client_is_asked_once(void **state)
{
	struct room *room = *state;

	log_in(room);
	say(room, PHONE, FIRST);
	assert_false(wants(room, PHONE, TUNE));
	answer(room, PHONE, FIRST);
	assert_true(wants(room, PHONE, TUNE) && wants(room, PHONE, "urn:a"));
	assert_false(wants(room, PHONE, "urn:b") || wants(room, PHONE, "") || wants(room, PHONE, TUNE "+notify"));
	say(room, PHONE, FIRST);
	room_expect_none_with(room, PHONE, "type='get'");
	say(room, PHONE, SECOND);
	assert_false(wants(room, PHONE, TUNE));
	answer(room, PHONE, SECOND);
	assert_true(wants(room, PHONE, "urn:b"));
}

static void what_it_said_is_remembered(void **state)
{
	struct room *room = *state;

	log_in(room);
	say(room, PHONE, FIRST);
	answer(room, PHONE, FIRST);
	room_restart(room);
	room_login(room, DESK);
	say(room, DESK, FIRST);
	room_expect_none_with(room, DESK, "type='get'");
	assert_true(wants(room, DESK, TUNE));
}

static void ends_with_the_account(void **state)
{
	struct room *room = *state;

	log_in(room);
	say(room, PHONE, FIRST);
	answer(room, PHONE, FIRST);
	room_action(room, "admin", SESSION_DELETE, "romeo@localhost");
	room_wait(room, ROOM_LOCK_MS);
	room_forget(room);
	log_in(room);
	say(room, PHONE, FIRST);
	answer(room, PHONE, FIRST);
}

static void what_does_not_match_is_not_believed(void **state)
{
	struct room *room = *state;

	log_in(room);
	say(room, PHONE, FIRST);
	answer(room, PHONE, SECOND);
	assert_false(wants(room, PHONE, TUNE) || wants(room, PHONE, "urn:b"));
	say(room, PHONE, FIRST);
	room_expect_none_with(room, PHONE, "type='get'");
	room_login(room, DESK);
	say(room, DESK, FIRST);
	answer(room, DESK, FIRST);
	assert_true(wants(room, DESK, TUNE) && wants(room, PHONE, TUNE));
}

static void one_question_at_a_time(void **state)
{
	struct room *room = *state;
	AUTO(buf_fini) struct buf id = {0}, refusal = {0};

	log_in(room);
	say(room, PHONE, FIRST);
	expect_question(room, PHONE, "urn:client#", &id);
	say(room, PHONE, SECOND);
	room_expect_none_with(room, PHONE, "type='get'");
	buf_printf(&refusal, "<iq type='error' to='romeo@localhost' id='%s'/>", buf_text(&id));
	room_send(room, PHONE, buf_text(&refusal));
	say(room, PHONE, SECOND);
	answer(room, PHONE, SECOND);
	assert_true(wants(room, PHONE, "urn:b"));
}

/* By its node, which names algorithm and hash; the first algorithm is none of ours. */
static void the_stronger_hash_goes_first(void **state)
{
	struct room *room = *state;
	AUTO(buf_fini) struct buf hash = {0}, presence = {0}, node = {0}, id = {0}, result = {0};

	log_in(room);
	append_hash(CAPS_2, "sha3-256", FIRST, &hash);
	buf_printf(&presence,
		   "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:client' ver='x'/>"
		   "<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-1'>x</hash>"
		   "<hash xmlns='urn:xmpp:hashes:2' algo='sha3-256'>%s</hash></c></presence>",
		   buf_text(&hash));
	room_send(room, PHONE, buf_text(&presence));
	buf_printf(&node, " node='urn:xmpp:caps#sha3-256.%s'", buf_text(&hash));
	expect_question(room, PHONE, buf_text(&node), &id);
	buf_printf(&result, "<iq type='result' id='%s'>" FIRST "</iq>", buf_text(&id));
	room_send(room, PHONE, buf_text(&result));
	assert_true(wants(room, PHONE, TUNE));
}

#define CAPS(attributes) "<c xmlns='http://jabber.org/protocol/caps' " attributes "/>"

static void nobody_is_asked_about_what_cannot_be_verified(void **state)
{
	static const char *const presences[] = {
		"<presence/>",
		"<presence>" CAPS("node='urn:client' ver='0.9' ext='a b'") "</presence>",
		"<presence>" CAPS("node='urn:client' ver='x' hash='md5'") "</presence>",
		"<presence><c xmlns='urn:xmpp:caps'/></presence>",
		"<presence type='unavailable'>" CAPS("node='urn:client' ver='x' hash='sha-1'") "</presence>",
		"<presence to='juliet@localhost'>" CAPS("node='urn:client' ver='x' hash='sha-1'") "</presence>",
	};
	struct room *room = *state;

	log_in(room);
	for (size_t at = 0; at < countof(presences); at++)
		room_send(room, PHONE, presences[at]);
	room_expect_none_with(room, PHONE, "type='get'");
}

static void append_info(struct buf *out, unsigned number, unsigned features)
{
	buf_append_text(out, "<query xmlns='http://jabber.org/protocol/disco#info'>");
	for (unsigned at = 0; at < features; at++)
		buf_printf(out, "<feature var='urn:feature:%u:%u+notify'/>", number, at);
	buf_append_text(out, "</query>");
}

static void say_and_answer(struct room *room, const char *client, unsigned number, unsigned features)
{
	AUTO(buf_fini) struct buf info = {0};

	append_info(&info, number, features);
	say(room, client, buf_text(&info));
	answer(room, client, buf_text(&info));
}

static void a_user_has_so_many(void **state)
{
	struct room *room = *state;
	AUTO(buf_fini) struct buf info = {0};

	log_in(room);
	room_login(room, DESK);
	say(room, DESK, FIRST);
	answer(room, DESK, FIRST);
	for (unsigned number = 0; number < 20; number++)
		say_and_answer(room, PHONE, number, 2);
	assert_true(wants(room, PHONE, "urn:feature:19:1") && wants(room, DESK, TUNE));
	say_and_answer(room, PHONE, 0, 2);
	append_info(&info, 19, 2);
	say(room, PHONE, buf_text(&info));
	room_expect_none_with(room, PHONE, "type='get'");
	assert_true(wants(room, PHONE, "urn:feature:19:0"));
}

static void who_wants_too_much_gets_nothing(void **state)
{
	struct room *room = *state;

	log_in(room);
	say_and_answer(room, PHONE, 0, 100);
	assert_true(wants(room, PHONE, "urn:feature:0:99"));
	say_and_answer(room, PHONE, 1, 300);
	assert_false(wants(room, PHONE, "urn:feature:1:0"));
	say_and_answer(room, PHONE, 2, 3000);
	assert_false(wants(room, PHONE, "urn:feature:2:0"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, room_open, room_close)
	static const struct CMUnitTest tests[] = {
		TEST(a_client_is_asked_once),
		TEST(what_it_said_is_remembered),
		TEST(ends_with_the_account),
		TEST(what_does_not_match_is_not_believed),
		TEST(one_question_at_a_time),
		TEST(the_stronger_hash_goes_first),
		TEST(nobody_is_asked_about_what_cannot_be_verified),
		TEST(a_user_has_so_many),
		TEST(who_wants_too_much_gets_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
