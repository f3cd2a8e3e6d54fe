/* SPDX-License-Identifier: MIT */
/* Bind 2: sessions that begin with all that their clients ask for, and what they leave alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "base/mem.h"
#include "component/component.h"
#include "jid/jid.h"
#include "link/packet.h"
#include "room.h"
#include "sm/user.h"
#include "storage/storage.h"

#define PHONE "romeo@localhost/phone"
#define TABLET "romeo@localhost/tablet"
#define LAPTOP "romeo@localhost/laptop"
#define BIND(inside) "<bind xmlns='urn:xmpp:bind:0'>" inside "</bind>"
#define CARBONS "<enable xmlns='urn:xmpp:carbons:2'/>"
#define TO_ROMEO(body) "<message from='juliet@remote.example/x' to='romeo@localhost' type='chat'><body>" body "</body></message>"

static struct packet *question(struct room *room, const char *client, const char *device, const char *request)
{
	struct packet *packet = room_make_action(room, client, SESSION_BIND);

	packet->sm.len = 0;
	packet->session.id = str_new(slice_of(client));
	packet->session.target = jid_parse(slice_of(client));
	buf_printf(&packet->session.text, "%s\n%s", device, request);
	return packet;
}

static void bind(struct room *room, const char *client, const char *device, const char *request)
{
	struct packet *packet = question(room, client, device, request);

	room_packet(room, &packet);
}

static void romeo(struct room *room)
{
	room_archive(room, INT64_MAX);
	room_account(room, "romeo@localhost");
	room_forget(room);
}

static void it_begins_with_what_is_asked_for(void **state)
{
	struct room *room = *state;

	romeo(room);
	bind(room, PHONE, "", BIND(CARBONS "<enable xmlns='urn:xmpp:sm:3' resume='true' max='60'/><inactive xmlns='urn:xmpp:csi:0'/>"));
	room_expect(room, PHONE, "bound from=sm");
	assert_true(room_session(room, PHONE)->enabled && room_session(room, PHONE)->inactive);
	assert_int_equal(room_session(room, PHONE)->seconds, 60);
	bind(room, TABLET, "", BIND(""));
	room_expect(room, TABLET, "enabled=0 resume=0 <metadata xmlns='urn:xmpp:mam:2'/>");
	room_send(room, TABLET, "<message to='juliet@remote.example' type='chat'><body>hail</body></message>");
	room_expect(room, PHONE, "urn:xmpp:carbons:2");
}

#define RESUME BIND("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")

static void expect_known(struct room *room, struct slice key)
{
	struct packet *packet = room_make_action(room, "new", SESSION_RESUME);

	packet->session.target = jid_parse(SLICE("romeo@localhost"));
	packet->session.resume.key = str_new(key);
	room_forget(room);
	room_packet(room, &packet);
	room_expect(room, "new", "target=romeo@localhost handled=0");
}

static void its_id_is_known_behind_a_kill(void **state)
{
	struct room *room = *state;
	AUTO(buf_fini) struct buf key = {0};

	romeo(room);
	bind(room, PHONE, "", RESUME);
	buf_append_slice(&key, str_slice(room_session(room, PHONE)->key));
	room_kill(room, true);
	expect_known(room, buf_slice(&key));
}

/* Also where one of them is back before the others. */
static void the_ids_of_many_are_known_behind_a_kill(void **state)
{
	enum { MANY = 15 };
	struct room *room = *state;
	struct buf keys[MANY] = {0};
	char name[32];

	romeo(room);
	for (unsigned at = 0; at < MANY; at++) {
		snprintf(name, sizeof(name), "romeo@localhost/%u", at);
		bind(room, name, "", RESUME);
		buf_append_slice(&keys[at], str_slice(room_session(room, name)->key));
	}
	room_kill(room, true);
	bind(room, PHONE, "", RESUME);
	for (unsigned at = 0; at < MANY; at++) {
		expect_known(room, buf_slice(&keys[at]));
		buf_fini(&keys[at]);
	}
}

/* It is stored first, what came behind it is not. */
static void who_comes_while_it_waits_stays(void **state)
{
	struct room *room = *state;
	struct packet *packet;

	romeo(room);
	packet = question(room, PHONE, "device", RESUME);
	room_post(room, &packet);
	room_start(room, PHONE);
	room_expect(room, PHONE, "started from=sm");
	room_expect(room, PHONE, "bind from=sm failed");
	assert_null(room_session(room, PHONE)->key);
}

static void the_later_of_a_device_stays(void **state)
{
	struct room *room = *state;
	struct packet *packet;

	romeo(room);
	packet = question(room, PHONE, "device", RESUME);
	room_post(room, &packet);
	bind(room, TABLET, "device", RESUME);
	assert_null(room_session(room, PHONE));
	assert_non_null(room_session(room, TABLET));
}

static size_t rows_of_romeo(struct room *room)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();
	size_t count;

	store_list(txn, STORE_USER, SLICE("romeo@localhost"));
	assert_int_equal(storage_run_now(room_process(room)->storage, txn), 0);
	store_rows(txn, 0, &count);
	return count;
}

static void nothing_is_stored_for_who_has_no_account(void **state)
{
	struct room *room = *state;

	romeo(room);
	bind(room, PHONE, "", RESUME);
	room_remove(room, PHONE, "romeo@localhost");
	room_forget(room);
	bind(room, PHONE, "", RESUME);
	room_expect(room, PHONE, "bind from=sm failed");
	assert_int_equal(rows_of_romeo(room), 0);
}

static void it_begins_where_nothing_can_be_written(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_disk_full(room, true);
	bind(room, PHONE, "", RESUME);
	room_disk_full(room, false);
	room_expect(room, PHONE, "bound from=sm");
	assert_true(room_session(room, PHONE)->enabled);
	assert_non_null(room_session(room, PHONE)->key);
}

static void it_is_asked_for_twice_and_begins_once(void **state)
{
	struct room *room = *state;

	romeo(room);
	bind(room, PHONE, "", RESUME);
	bind(room, PHONE, "", RESUME);
	room_expect(room, PHONE, "bound from=sm");
	assert_non_null(room_session(room, PHONE)->key);
	room_expect_none_with(room, PHONE, "replaced");
}

static void what_no_c2s_of_ours_asks_for_is_refused(void **state)
{
	struct room *room = *state;

	romeo(room);
	bind(room, PHONE, "", "no element");
	room_expect(room, PHONE, "bind from=sm failed");
	bind(room, "nobody@localhost/x", "", BIND(""));
	room_expect(room, "nobody@localhost/x", "bind from=sm failed");
}

static void what_waits_is_left_to_the_archive(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_from_world(room, TO_ROMEO("one"));
	room_from_world(room, "<message from='juliet@remote.example/x' to='romeo@localhost' type='chat'><body>two</body>"
			      "<no-permanent-store xmlns='urn:xmpp:hints'/></message>");
	bind(room, PHONE, "", BIND(""));
	room_expect(room, PHONE, "<start id=");
	room_send(room, PHONE, "<presence/>");
	room_expect(room, PHONE, "<presence");
	room_expect(room, PHONE, "two");
	room_expect_nothing(room, PHONE);
}

/* She reads no archive, and has no room just now. */
static void what_another_session_is_about_to_get_it_gets(void **state)
{
	struct room *room = *state;
	unsigned told = 0;
	const char *text;

	romeo(room);
	room_queue(room, 8);
	for (unsigned at = 0; at < 6; at++)
		room_from_world(room, TO_ROMEO("x"));
	room_login(room, LAPTOP);
	room_keep(room, true);
	room_send(room, LAPTOP, "<presence/>");
	bind(room, PHONE, "", BIND(""));
	room_keep(room, false);
	for (unsigned round = 0; round < 10; round++)
		room_take(room, LAPTOP, 1);
	while ((text = room_next(room, LAPTOP)))
		told += strstr(text, "<body>x<") != NULL;
	assert_int_equal(told, 6);
}

static void a_device_has_one_session(void **state)
{
	struct room *room = *state;

	romeo(room);
	bind(room, PHONE, "device", BIND(""));
	bind(room, LAPTOP, "other", BIND(""));
	room_forget(room);
	bind(room, TABLET, "device", BIND(""));
	room_expect(room, TABLET, "bound");
	room_expect(room, PHONE, "replaced");
	room_expect_nothing(room, LAPTOP);
	assert_null(room_session(room, PHONE));
}

/* What one of two reads in the archive the other, who does not, is still given. */
static void who_reads_the_archive_takes_nothing_from_who_does_not(void **state)
{
	struct room *room = *state;

	romeo(room);
	bind(room, PHONE, "", BIND(""));
	room_login(room, LAPTOP);
	room_keep(room, true);
	room_send(room, PHONE, "<presence/>");
	room_send(room, LAPTOP, "<presence/>");
	room_from_world(room, TO_ROMEO("one"));
	room_end(room, PHONE);
	room_end(room, LAPTOP);
	room_keep(room, false);
	room_forget(room);
	room_login(room, TABLET);
	room_send(room, TABLET, "<presence/>");
	room_expect_among(room, TABLET, "<body>one<");
}

static void who_read_the_archive_is_not_given_it_again(void **state)
{
	struct room *room = *state;

	romeo(room);
	bind(room, PHONE, "", BIND(""));
	room_keep(room, true);
	room_send(room, PHONE, "<presence/>");
	room_from_world(room, TO_ROMEO("one"));
	room_end(room, PHONE);
	room_keep(room, false);
	room_forget(room);
	room_login(room, TABLET);
	room_send(room, TABLET, "<presence/>");
	room_expect_none_with(room, TABLET, "<body>one<");
}

#define alone(test) cmocka_unit_test_setup_teardown(test, room_open, room_close)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		alone(it_begins_with_what_is_asked_for),
		alone(its_id_is_known_behind_a_kill),
		alone(the_ids_of_many_are_known_behind_a_kill),
		alone(who_comes_while_it_waits_stays),
		alone(the_later_of_a_device_stays),
		alone(nothing_is_stored_for_who_has_no_account),
		alone(it_begins_where_nothing_can_be_written),
		alone(it_is_asked_for_twice_and_begins_once),
		alone(what_no_c2s_of_ours_asks_for_is_refused),
		alone(what_waits_is_left_to_the_archive),
		alone(what_another_session_is_about_to_get_it_gets),
		alone(a_device_has_one_session),
		alone(who_reads_the_archive_takes_nothing_from_who_does_not),
		alone(who_read_the_archive_is_not_given_it_again),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
