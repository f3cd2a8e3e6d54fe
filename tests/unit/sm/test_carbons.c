/* SPDX-License-Identifier: MIT */
/* Carbons: which messages the other clients of a user get a copy of, and who gets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "base/macros.h"
#include "link/packet.h"
#include "room.h"
#include "stanza/stanza.h"

#define A "romeo@localhost/a"
#define B "romeo@localhost/b"
#define C "romeo@localhost/c"
#define JULIET "juliet@remote.example/x"
#define ENABLE "<iq type='set' id='e'><enable xmlns='urn:xmpp:carbons:2'/></iq>"
#define DISABLE "<iq type='set' id='d'><disable xmlns='urn:xmpp:carbons:2'/></iq>"
#define COPY(how, inside) \
	"from='romeo@localhost'", "<" how " xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" inside
#define MUC "http://jabber.org/protocol/muc#user"

/* A of the highest priority; B and C of others; A and B want copies. */
static void romeo(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_login(room, A);
	room_login(room, B);
	room_login(room, C);
	room_send(room, A, "<presence><priority>5</priority></presence>");
	room_send(room, B, "<presence><priority>-1</priority></presence>");
	room_send(room, C, "<presence/>");
	room_send(room, A, ENABLE);
	room_send(room, B, ENABLE);
	room_forget(room);
}

/* B alone is there: it wants copies, and takes no messages. */
static void romeo_takes_nothing(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_login(room, B);
	room_send(room, B, "<presence><priority>-1</priority></presence>");
	room_send(room, B, ENABLE);
	room_forget(room);
}

static void expect_copy(struct room *room, const char *client, const char *from, const char *inside)
{
	const char *told = room_next(room, client);

	assert_non_null(told);
	if (!strstr(told, from) || !strstr(told, inside))
		fail_msg("%s was told %s, not %s", client, told, inside);
}

static void nobody_else_hears(struct room *room)
{
	room_expect_nothing(room, A);
	room_expect_nothing(room, B);
	room_expect_nothing(room, C);
}

static void wanting_is_answered_as_often_as_it_is_said(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_login(room, A);
	for (int at = 0; at < 2; at++) {
		room_send(room, A, ENABLE);
		room_expect(room, A, "<iq type='result' id='e'");
	}
	for (int at = 0; at < 2; at++) {
		room_send(room, A, DISABLE);
		room_expect(room, A, "<iq type='result' id='d'");
	}
	room_send(room, A, "<iq type='set' id='f' to='juliet@localhost'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
	room_expect(room, A, "<service-unavailable");
}

static void who_does_not_get_a_message_gets_a_copy(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_from_world(room, "<message from='" JULIET "' to='romeo@localhost' type='chat' id='m' xml:lang='en'><body>one</body></message>");
	room_expect(room, A, "<body>one</body>");
	expect_copy(room, B, COPY("received", "<message xmlns='jabber:client' from='" JULIET "' to='romeo@localhost' type='chat' id='m' "
					      "xml:lang='en'><body>one</body></message></forwarded></received></message>"));
	nobody_else_hears(room);
	room_from_world(room, "<message from='" JULIET "' to='" C "'><body>two</body></message>");
	room_expect(room, C, "<body>two</body>");
	expect_copy(room, A, COPY("received", "<message xmlns='jabber:client' from='" JULIET "' to='" C "'><body>two</body>"));
	expect_copy(room, B, COPY("received", ""));
	nobody_else_hears(room);
	room_send(room, B, DISABLE);
	room_expect(room, B, "result");
	room_from_world(room, "<message from='" JULIET "' to='" C "' type='chat'><body>three</body></message>");
	room_expect(room, C, "<body>three</body>");
	expect_copy(room, A, COPY("received", ""));
	nobody_else_hears(room);
}

/* It is kept for who comes, and who is there hears of it. */
static void what_is_kept_is_copied_too(void **state)
{
	struct room *room = *state;

	romeo_takes_nothing(room);
	room_from_world(room, "<message from='" JULIET "' to='romeo@localhost' type='chat'><body>kept</body></message>");
	expect_copy(room, B, COPY("received", ""));
	room_login(room, A);
	room_send(room, A, "<presence/>");
	room_expect_among(room, A, "<body>kept</body><delay");
	room_expect_none_with(room, B, "<message");
}

static void what_one_client_says_the_others_hear(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_send(room, C, "<message to='" JULIET "' type='chat'><body>said</body></message>");
	for (int at = 0; at < 2; at++)
		expect_copy(room, at ? A : B, COPY("sent", "<message xmlns='jabber:client' from='" C "' to='" JULIET
							  "' type='chat'><body>said</body></message>"));
	nobody_else_hears(room);
	room_send(room, A, "<message to='juliet@remote.example'><body>mine</body></message>");
	expect_copy(room, B, COPY("sent", ""));
	nobody_else_hears(room);
}

/* A gets it as the best, B a copy; nobody a second one. */
static void a_note_to_oneself_comes_once(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_send(room, C, "<message to='romeo@localhost' type='chat'><body>note</body></message>");
	room_expect(room, A, "<body>note</body></message>");
	expect_copy(room, B, COPY("received", ""));
	nobody_else_hears(room);
	room_send(room, B, "<message to='romeo@localhost' type='chat'><body>note</body></message>");
	room_expect(room, A, "<body>note</body></message>");
	nobody_else_hears(room);
}

static void only_conversations_are_copied(void **state)
{
	static const struct {
		const char *type, *inside;
		bool copied;
	} rows[] = {
		{"chat", "<x/>", true},
		{"normal", "<body>b</body>", true},
		{"normal", "<x xmlns='urn:example'/>", false},
		{"normal", "<received xmlns='urn:xmpp:receipts' id='i'/>", true},
		{"normal", "<active xmlns='http://jabber.org/protocol/chatstates'/>", true},
		{"headline", "<displayed xmlns='urn:xmpp:chat-markers:0' id='i'/>", true},
		{"headline", "<body>b</body>", false},
		{"normal", "<x xmlns='jabber:x:conference' jid='r@remote.example'/>", true},
		{"normal", "<x xmlns='" MUC "'><invite from='tybalt@remote.example'/></x>", true},
		{"chat", "<body>b</body><x xmlns='" MUC "'/>", false},
		{"groupchat", "<body>b</body>", false},
		{"chat", "<body>b</body><private xmlns='urn:xmpp:carbons:2'/>", false},
		{"chat", "<body>b</body><no-copy xmlns='urn:xmpp:hints'/>", false},
		{"error", "<body>b</body><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>", true},
		{"error", "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>", true},
		{"error", "<x xmlns='urn:example'/><error type='cancel'/>", true},
		{"error", "<x xmlns='http://jabber.org/protocol/muc#user'/><body>b</body><error type='cancel'/>", false},
	};
	struct room *room = *state;

	romeo(room);
	for (size_t at = 0; at < sizeof(rows) / sizeof(*rows); at++) {
		AUTO(buf_fini) struct buf text = {0};
		const char *told;

		buf_printf(&text, "<message from='" JULIET "' to='" C "' type='%s'>%s</message>", rows[at].type, rows[at].inside);
		room_from_world(room, buf_text(&text));
		room_expect(room, C, "<message");
		told = room_next(room, B);
		if ((told != NULL) != rows[at].copied)
			fail_msg("%s: %s", buf_text(&text), told ? told : "no copy");
		room_forget(room);
	}
}

/* A room tells each client what an occupant says to all; what a client says to one, no room tells the others. */
static void what_is_said_to_an_occupant_is_copied(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_send(room, C, "<message to='r@remote.example/nick' type='chat'><body>b</body><x xmlns='" MUC "'/></message>");
	expect_copy(room, B, COPY("sent", ""));
	room_expect(room, A, "<sent");
	room_send(room, C, "<message to='r@remote.example' type='groupchat'><body>b</body></message>");
	nobody_else_hears(room);
	room_send(room, C, "<message to='" JULIET "' type='chat'><body>b</body><private xmlns='urn:xmpp:carbons:2'/></message>");
	nobody_else_hears(room);
}

/* And nobody who writes to him can make one up: a copy is from his own address. */
static void what_is_refused_is_not_copied(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_from_world(room, "<message from='" JULIET "' to='romeo@localhost/gone'><body>refused</body></message>");
	nobody_else_hears(room);
	room_send(room, A, "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='remote.example'/></block></iq>");
	room_forget(room);
	room_from_world(room, "<message from='" JULIET "' to='" C "' type='chat'><body>blocked</body></message>");
	room_send(room, C, "<message to='" JULIET "' type='chat'><body>blocked</body></message>");
	room_expect(room, C, "<blocked");
	nobody_else_hears(room);
}

/* There is nobody to take it, and it must not be kept. */
static void what_cannot_be_kept_is_not_copied(void **state)
{
	struct room *room = *state;

	romeo_takes_nothing(room);
	room_from_world(room, "<message from='" JULIET "' to='romeo@localhost' type='chat'><body>b</body>"
			      "<no-store xmlns='urn:xmpp:hints'/></message>");
	room_expect(room, "world", "<service-unavailable");
	room_expect_nothing(room, B);
}

/* A goes before it has it: C is given it. B had its copy. */
static void what_finds_another_way_is_copied_once(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_keep(room, true);
	room_from_world(room, "<message from='" JULIET "' to='romeo@localhost' type='chat'><body>b</body></message>");
	room_expect(room, A, "<body>b</body>");
	expect_copy(room, B, COPY("received", ""));
	room_end(room, A);
	room_expect_among(room, C, "<body>b</body>");
	room_expect_none_with(room, B, "<received");
}

/* It waits for what is older, and who it was for goes meanwhile: who gets it then needs no copy. */
static void what_waits_is_copied_when_it_is_given(void **state)
{
	struct room *room = *state;
	struct packet *packets[3];

	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_login(room, "juliet@localhost/j");
	room_send(room, "juliet@localhost/j", "<message to='romeo@localhost' type='chat'><body>old</body></message>");
	room_login(room, A);
	room_login(room, C);
	room_send(room, A, ENABLE);
	room_forget(room);
	packets[0] = room_make_stanza(room, A, 2, "<presence/>");
	packets[1] = room_make_stanza(room, "juliet@localhost/j", 2, "<message to='" C "' type='chat'><body>new</body></message>");
	packets[2] = room_make_action(room, C, SESSION_END);
	for (unsigned at = 0; at < countof(packets); at++)
		room_post(room, &packets[at]);
	room_wait(room, 2000);
	room_expect(room, A, "<presence");
	room_expect(room, A, "<body>old</body>");
	room_expect(room, A, "<body>new</body>");
	room_expect_nothing(room, A);
}

/* What becomes of a copy says nothing of the message. */
static void a_copy_has_a_name_of_its_own(void **state)
{
	struct room *room = *state;
	struct origin message, copy;

	room_account(room, "juliet@localhost");
	room_login(room, "juliet@localhost/j");
	romeo(room);
	room_send(room, "juliet@localhost/j", "<message to='romeo@localhost' type='chat'><body>b</body></message>");
	message = *room_origin(room, A);
	copy = *room_origin(room, B);
	assert_true(message.key && copy.key && message.key != copy.key);
	assert_int_equal(copy.session, 0);
}

static void who_wanted_them_still_does_when_the_manager_is_another(void **state)
{
	struct room *room = *state;

	romeo(room);
	assert_non_null(strstr(room_snapshot(room, B), "carbons"));
}

#define alone(test) cmocka_unit_test_setup_teardown(test, room_open, room_close)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		alone(wanting_is_answered_as_often_as_it_is_said),
		alone(who_does_not_get_a_message_gets_a_copy),
		alone(what_is_kept_is_copied_too),
		alone(what_one_client_says_the_others_hear),
		alone(a_note_to_oneself_comes_once),
		alone(only_conversations_are_copied),
		alone(what_is_said_to_an_occupant_is_copied),
		alone(what_is_refused_is_not_copied),
		alone(what_cannot_be_kept_is_not_copied),
		alone(what_finds_another_way_is_copied_once),
		cmocka_unit_test_setup_teardown(what_waits_is_copied_when_it_is_given, room_open_one, room_close),
		cmocka_unit_test_setup_teardown(a_copy_has_a_name_of_its_own, room_open_far, room_close),
		cmocka_unit_test_setup_teardown(who_wanted_them_still_does_when_the_manager_is_another, room_open_far, room_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
