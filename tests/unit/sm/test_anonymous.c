/* SPDX-License-Identifier: MIT */
/* Sessions without an account, XEP-0175. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "component/component.h"
#include "jid/jid.h"
#include "link/packet.h"
#include "room.h"
#include "sm/user.h"
#include "storage/storage.h"

#define BARE "anonymous-0123abcd-4567-4890-a123-456789abcdef@localhost"
#define FULL BARE "/a"
#define NOBODY "nobody" /* at c2s, whose ids are shorter */
#define ROMEO "romeo@localhost/a"

static void enter(struct room *room)
{
	room_offer(room, "ANONYMOUS");
	room_account(room, "romeo@localhost");
	room_login(room, ROMEO);
	room_action(room, NOBODY, SESSION_START, FULL);
	room_expect(room, NOBODY, "started from=sm");
	room_send(room, ROMEO, "<presence/>");
	room_send(room, NOBODY, "<presence/>");
	room_forget(room);
}

/* Rows, that Romeo does not own. */
static size_t rows_of_others(struct room *room)
{
	static const enum store stores[] = {STORE_ACCOUNT, STORE_ROSTER, STORE_USER,    STORE_REQUEST, STORE_OFFLINE,
					    STORE_VCARD,   STORE_PRIVATE, STORE_SESSION, STORE_ORIGIN,  STORE_LACKING};
	size_t others = 0;

	for (unsigned at = 0; at < sizeof(stores) / sizeof(stores[0]); at++) {
		AUTO(store_txn_free) struct store_txn *txn = store_txn_new();
		const struct store_row *rows;
		size_t count;

		store_owners(txn, stores[at], SLICE(""), 100);
		assert_int_equal(storage_run_now(room_process(room)->storage, txn), 0);
		rows = store_rows(txn, 0, &count);
		for (size_t row = 0; row < count; row++)
			others += !slice_is(rows[row].item, "romeo@localhost");
	}
	return others;
}

static void has_a_session_only_where_that_is_wanted(void **state)
{
	struct room *room = *state;

	room_action(room, NOBODY, SESSION_START, FULL);
	room_expect(room, NOBODY, "failed sm=none");
	room_offer(room, "PLAIN");
	room_action(room, NOBODY, SESSION_START, FULL);
	room_expect(room, NOBODY, "failed sm=none");
	room_offer(room, "ANONYMOUS");
	room_action(room, NOBODY, SESSION_START, FULL);
	room_expect(room, NOBODY, "started from=sm");
	room_start(room, "nobody@localhost/a");
	room_expect(room, "nobody@localhost/a", "failed sm=none");
}

static void has_a_session_that_ends_with_its_connection(void **state)
{
	struct room *room = *state;
	struct packet *packet;

	room_archive(room, INT64_MAX);
	enter(room);
	room_end(room, NOBODY);
	room_forget(room);
	packet = room_make_action(room, NOBODY, SESSION_BIND);
	packet->sm.len = 0;
	packet->session.id = str_new(SLICE("i2"));
	packet->session.target = jid_parse(SLICE(FULL));
	buf_printf(&packet->session.text, "\n<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>");
	room_packet(room, &packet);
	room_expect(room, NOBODY, "bound from=sm");
	assert_null(room_session(room, FULL)->key);
	assert_int_equal(rows_of_others(room), 0);
}

static void is_spoken_with_as_long_as_it_is_there(void **state)
{
	struct room *room = *state;

	enter(room);
	room_send(room, NOBODY, "<message to='romeo@localhost' type='chat'><body>hello</body></message>");
	room_expect(room, ROMEO, "from='" FULL "'");
	room_send(room, ROMEO, "<message to='" BARE "' type='chat'><body>who are you</body></message>");
	room_expect(room, NOBODY, "who are you");
	room_send(room, ROMEO,
		  "<iq type='get' id='i' to='" BARE "'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
	room_expect(room, ROMEO, "type='anonymous'");
	room_end(room, NOBODY);
	room_forget(room);
	room_send(room, ROMEO, "<message to='" BARE "' type='chat'><body>gone</body></message>");
	room_expect(room, ROMEO, "service-unavailable");
	room_send(room, ROMEO, "<message to='nobody@localhost' type='chat'><body>gone</body></message>");
	room_expect(room, ROMEO, "service-unavailable");
}

static void has_no_contacts_and_is_none(void **state)
{
	struct room *room = *state;

	enter(room);
	room_send(room, NOBODY,
		  "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='romeo@localhost'/></query></iq>");
	room_expect(room, NOBODY, "not-allowed");
	room_send(room, NOBODY, "<presence type='subscribe' to='romeo@localhost'/>");
	room_expect(room, NOBODY, "not-allowed");
	room_send(room, NOBODY, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	room_expect(room, NOBODY, "type='result'");
	room_expect_nothing(room, ROMEO);
	room_send(room, ROMEO, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	room_send(room, ROMEO, "<presence type='subscribe' to='" BARE "'/>");
	room_expect_among(room, ROMEO, "type='unsubscribed' from='" BARE "'");
	room_expect_nothing(room, NOBODY);
}

static void speaks_with_nobody_far_away(void **state)
{
	struct room *room = *state;

	enter(room);
	room_send(room, NOBODY, "<message to='x@remote.example'><body>spam</body></message>");
	room_expect(room, NOBODY, "not-allowed");
	room_send(room, NOBODY, "<presence to='x@remote.example'/>");
	room_expect(room, NOBODY, "not-allowed");
	room_send(room, NOBODY, "<iq type='get' id='i' to='notlocalhost'><query xmlns='jabber:iq:version'/></iq>");
	room_expect(room, NOBODY, "not-allowed");
	room_expect_nothing(room, "world");
	room_send(room, NOBODY, "<iq type='get' id='i' to='chat.localhost'><query xmlns='jabber:iq:version'/></iq>");
	room_expect_none_with(room, NOBODY, "not-allowed");
	room_send(room, NOBODY, "<iq type='get' id='i' to='b.example'><query xmlns='jabber:iq:version'/></iq>");
	room_expect(room, NOBODY, "type='result'");
}

static void leaves_nothing_in_storage(void **state)
{
	struct room *room = *state;

	enter(room);
	room_keep(room, true);
	room_send(room, ROMEO, "<message to='" BARE "' type='chat'><body>not read</body></message>");
	room_expect(room, NOBODY, "not read");
	room_wait(room, 5000);
	assert_int_equal(rows_of_others(room), 0);
	room_send(room, NOBODY, "<presence><priority>-1</priority></presence>");
	room_send(room, ROMEO, "<message to='" BARE "' type='chat'><body>nobody takes it</body></message>");
	room_expect_among(room, ROMEO, "service-unavailable");
	room_end(room, NOBODY);
	room_expect_among(room, ROMEO, "not read");
	assert_int_equal(rows_of_others(room), 0);
}

/* What it said to who was away is theirs; of whom it was, and how far, nothing stays. */
static void leaves_nothing_when_its_c2s_keeps_it(void **state)
{
	struct room *room = *state;

	enter(room);
	room_end(room, ROMEO);
	room_send(room, NOBODY, "<message to='romeo@localhost' type='chat'><body>for later</body></message>");
	room_wait(room, 2000);
	room_end(room, NOBODY);
	room_wait(room, 2000);
	assert_int_equal(rows_of_others(room), 0);
	room_forget(room);
	room_login(room, ROMEO);
	room_send(room, ROMEO, "<presence/>");
	room_expect_among(room, ROMEO, "for later");
}

static void is_not_resumed(void **state)
{
	struct room *room = *state;
	struct packet *packet;

	enter(room);
	packet = room_make_action(room, NOBODY, SESSION_ENABLE);
	packet->session.resume.seconds = 600;
	room_packet(room, &packet);
	assert_null(room_session(room, FULL)->key);
	packet = room_make_action(room, NOBODY, SESSION_DETACH);
	room_packet(room, &packet);
	assert_null(room_session(room, FULL));
	assert_int_equal(rows_of_others(room), 0);
}

static struct packet *presented(struct room *room)
{
	struct packet *packet = room_make_action(room, NOBODY, SESSION_PRESENT);

	packet->sm.len = 0;
	packet->session.target = jid_parse(SLICE(FULL));
	buf_append_text(&packet->session.text, "\n");
	buf_append_text(&packet->session.text, room_snapshot(room, NOBODY));
	return packet;
}

static void goes_on_when_its_session_manager_dies(void **state)
{
	struct room *room = *state;
	struct packet *packet;

	enter(room);
	packet = presented(room);
	room_restart(room);
	room_packet(room, &packet);
	room_expect(room, NOBODY, "presented");
	packet = room_make_action(room, NOBODY, SESSION_ATTACH);
	room_packet(room, &packet);
	room_login(room, ROMEO);
	room_send(room, ROMEO, "<message to='" BARE "' type='chat'><body>still there</body></message>");
	room_expect_among(room, NOBODY, "still there");
	room_end(room, NOBODY);
	assert_int_equal(rows_of_others(room), 0);
	packet = presented(room);
	room_offer(room, "PLAIN");
	room_packet(room, &packet);
	room_expect_among(room, NOBODY, "failed");
}

static void nobody_makes_its_account(void **state)
{
	struct room *room = *state;

	room_action(room, "x", SESSION_CREATE, BARE);
	room_expect(room, "x", "create from=localhost failed");
	enter(room);
	room_action(room, "x", SESSION_CREATE, BARE);
	room_expect(room, "x", "create from=localhost failed");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(has_a_session_only_where_that_is_wanted, room_open, room_close),
		cmocka_unit_test_setup_teardown(has_a_session_that_ends_with_its_connection, room_open, room_close),
		cmocka_unit_test_setup_teardown(is_spoken_with_as_long_as_it_is_there, room_open, room_close),
		cmocka_unit_test_setup_teardown(has_no_contacts_and_is_none, room_open, room_close),
		cmocka_unit_test_setup_teardown(speaks_with_nobody_far_away, room_open, room_close),
		cmocka_unit_test_setup_teardown(leaves_nothing_in_storage, room_open, room_close),
		cmocka_unit_test_setup_teardown(leaves_nothing_when_its_c2s_keeps_it, room_open_far, room_close),
		cmocka_unit_test_setup_teardown(is_not_resumed, room_open, room_close),
		cmocka_unit_test_setup_teardown(goes_on_when_its_session_manager_dies, room_open_far, room_close),
		cmocka_unit_test_setup_teardown(nobody_makes_its_account, room_open, room_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
