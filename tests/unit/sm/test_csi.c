/* SPDX-License-Identifier: MIT */
/* Client State Indication: what waits for who is inactive, what does not, and in which order it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "base/macros.h"
#include "jid/jid.h"
#include "link/packet.h"
#include "room.h"
#include "sm/user.h"

#define ROMEO "romeo@localhost/a"
#define TO_ROMEO(inside) "<message from='juliet@remote.example/x' to='" ROMEO "' type='chat'>" inside "</message>"
#define STATE(state) "<" state " xmlns='http://jabber.org/protocol/chatstates'/>"
#define EVENT(node)                                                                                                   \
	"<message from='juliet@remote.example' to='" ROMEO "' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'>" \
	"<items node='" node "'><item id='i'/></items></event></message>"
#define FROM(who, what) "<presence from='" who "' to='" ROMEO "'>" what "</presence>"

static void say(struct room *room, const char *client, enum session_action action)
{
	struct packet *packet = room_make_action(room, client, action);

	room_packet(room, &packet);
}

static void romeo(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_login(room, ROMEO);
	room_send(room, ROMEO, "<presence/>");
	say(room, ROMEO, SESSION_INACTIVE);
	room_forget(room);
}

static void what_can_wait_waits_until_the_client_is_active(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_from_world(room, FROM("juliet@remote.example/x", ""));
	room_from_world(room, TO_ROMEO(STATE("composing")));
	room_from_world(room, EVENT("http://jabber.org/protocol/tune"));
	room_expect_nothing(room, ROMEO);
	say(room, ROMEO, SESSION_ACTIVE);
	room_expect(room, ROMEO, "<presence");
	room_expect(room, ROMEO, "composing");
	room_expect(room, ROMEO, "protocol/tune");
	room_expect_nothing(room, ROMEO);
	room_from_world(room, FROM("juliet@remote.example/x", "<show>away</show>"));
	room_expect(room, ROMEO, "away");
}

static void of_a_resource_only_the_last_counts(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_from_world(room, FROM("juliet@remote.example/x", "<show>away</show>"));
	room_from_world(room, FROM("nurse@remote.example/x", ""));
	room_from_world(room, FROM("juliet@remote.example/x", "<show>dnd</show>"));
	room_from_world(room, TO_ROMEO(STATE("composing")));
	room_from_world(room, TO_ROMEO(STATE("paused")));
	say(room, ROMEO, SESSION_ACTIVE);
	room_expect(room, ROMEO, "nurse");
	room_expect(room, ROMEO, "dnd");
	room_expect(room, ROMEO, "paused");
	room_expect_nothing(room, ROMEO);
}

/* Each takes what waits along, and what comes next waits again. */
static void all_else_comes_at_once_behind_what_waits(void **state)
{
	static const char *const urgent[][2] = {
		{TO_ROMEO("<body>hail</body>"), "hail"},
		{TO_ROMEO("<body>hail</body>" STATE("active")), "hail"},
		{TO_ROMEO("<received xmlns='urn:xmpp:receipts' id='1'/>"), "receipts"},
		{TO_ROMEO(STATE("active") "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>"), "displayed"},
		{"<presence from='juliet@remote.example' to='romeo@localhost' type='subscribe'/>", "subscribe"},
		{"<iq from='juliet@remote.example/x' to='" ROMEO "' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "ping"},
		{EVENT("urn:xmpp:bookmarks:1"), "bookmarks"},
		{EVENT("urn:xmpp:omemo:2:devices"), "devices"},
		{EVENT("eu.siacs.conversations.axolotl.devicelist"), "devicelist"},
		{EVENT("urn:xmpp:mds:displayed:0"), "displayed"},
	};
	struct room *room = *state;

	romeo(room);
	for (unsigned at = 0; at < countof(urgent); at++) {
		room_from_world(room, FROM("juliet@remote.example/x", ""));
		room_expect_nothing(room, ROMEO);
		room_from_world(room, urgent[at][0]);
		room_expect(room, ROMEO, "<presence");
		room_expect(room, ROMEO, urgent[at][1]);
		room_expect_nothing(room, ROMEO);
	}
}

/* XEP-0352 section 5: the client is wanted to be told something before it forgets to ask. */
static void not_more_than_so_much_waits(void **state)
{
	AUTO(buf_fini) struct buf text = {0};
	struct room *room = *state;
	unsigned told = 0;

	romeo(room);
	for (unsigned at = 0; at < 101; at++) {
		buf_clear(&text);
		buf_printf(&text, FROM("room@remote.example/%u", ""), at);
		room_from_world(room, buf_text(&text));
	}
	while (room_next(room, ROMEO))
		told++;
	assert_int_equal(told, 101);
}

static void who_resumes_is_active_and_has_what_waited(void **state)
{
	struct room *room = *state;
	struct packet *packet;

	romeo(room);
	packet = room_make_action(room, ROMEO, SESSION_ENABLE);
	packet->session.resume.seconds = 600;
	room_packet(room, &packet);
	room_forget(room);
	room_from_world(room, FROM("juliet@remote.example/x", ""));
	say(room, ROMEO, SESSION_DETACH);
	packet = room_make_action(room, "new", SESSION_RESUME);
	packet->sm.len = 0;
	packet->session.target = jid_parse(SLICE("romeo@localhost"));
	packet->session.resume.key = str_ref(room_session(room, ROMEO)->key);
	room_packet(room, &packet);
	room_expect(room, "new", "resumed");
	room_expect(room, "new", "<presence");
	room_from_world(room, FROM("juliet@remote.example/x", "<show>away</show>"));
	room_expect(room, "new", "away");
}

#define alone(test) cmocka_unit_test_setup_teardown(test, room_open, room_close)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		alone(what_can_wait_waits_until_the_client_is_active),
		alone(of_a_resource_only_the_last_counts),
		alone(all_else_comes_at_once_behind_what_waits),
		alone(not_more_than_so_much_waits),
		alone(who_resumes_is_active_and_has_what_waited),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
