/* SPDX-License-Identifier: MIT */
/* Sessions that outlive the process, and disks that do not do what they should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "component/component.h"
#include "jid/jid.h"
#include "link/packet.h"
#include "room.h"
#include "sm/user.h"

#define ROMEO "romeo@localhost/a"

/* Its client has lost its connection. Returns the id by which it can be resumed, owned. */
static struct str *detach(struct room *room)
{
	struct packet *packet;

	room_account(room, "romeo@localhost");
	room_login(room, ROMEO);
	packet = room_make_action(room, ROMEO, SESSION_ENABLE);
	packet->session.resume.seconds = 600;
	room_packet(room, &packet);
	packet = room_make_action(room, ROMEO, SESSION_DETACH);
	room_packet(room, &packet);
	return str_new(str_slice(room_session(room, ROMEO)->key));
}

static void resume(struct room *room, struct str *key)
{
	struct packet *packet = room_make_action(room, "new", SESSION_RESUME);

	room_forget(room);
	packet->session.target = jid_parse(SLICE("romeo@localhost"));
	packet->session.resume.key = str_ref(key);
	room_packet(room, &packet);
}

static void it_goes_on_behind_an_orderly_end_and_not_behind_another(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = detach(room);

	room_save(room);
	room_restart(room);
	resume(room, key);
	room_expect(room, "new", "resumed");
	room_restart(room);
	resume(room, key);
	room_expect(room, "new", "target=romeo@localhost handled=0");
}

/* It may recover while the process ends. */
static void what_a_disk_did_not_save_is_saved_again(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = detach(room);

	room_disk_full(room, true);
	process_drain(room_process(room));
	room_wait(room, 1000);
	room_disk_full(room, false);
	room_save(room);
	room_restart(room);
	resume(room, key);
	room_expect(room, "new", "resumed");
}

static void what_a_disk_did_not_clear_is_not_resumed(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = detach(room);

	room_save(room);
	room_disk_full(room, true);
	for (unsigned start = 0; start < 2; start++) {
		room_restart(room);
		room_wait(room, 1000);
		assert_non_null(room_session(room, ROMEO));
		resume(room, key);
		room_expect(room, "new", "target=romeo@localhost later");
	}
	room_disk_full(room, false);
	resume(room, key);
	room_expect(room, "new", "resumed");
	room_restart(room);
	room_wait(room, 1000);
	assert_null(room_session(room, ROMEO));
}

/* Or a message would be in both. */
static void what_is_stored_for_its_user_clears_it(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = detach(room);

	room_save(room);
	room_disk_full(room, true);
	room_restart(room);
	room_wait(room, 1000);
	room_disk_full(room, false);
	room_from_world(room, "<message from='juliet@far.example' to='romeo@localhost/a'><body>hi</body></message>");
	room_wait(room, 5000);
	room_restart(room);
	room_wait(room, 1000);
	assert_null(room_session(room, ROMEO));
	resume(room, key);
	room_expect(room, "new", "target=romeo@localhost handled=0");
}

/* What is in storage does not know of it: when the process ends now, that is what comes back. */
static void what_a_session_waits_for_is_settled_when_it_is_stored(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = NULL;
	struct packet *packet;

	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_login(room, ROMEO);
	room_send(room, ROMEO, "<presence/>");
	packet = room_make_action(room, ROMEO, SESSION_ENABLE);
	packet->session.resume.seconds = 600;
	room_packet(room, &packet);
	packet = room_make_action(room, ROMEO, SESSION_DETACH);
	room_packet(room, &packet);
	key = str_new(str_slice(room_session(room, ROMEO)->key));
	room_save(room);
	room_disk_full(room, true);
	room_restart(room);
	room_wait(room, 1000);
	room_login(room, "romeo@localhost/b");
	room_login(room, "juliet@localhost/j");
	room_send(room, "romeo@localhost/b", "<presence/>");
	room_send(room, "juliet@localhost/j", "<message to='romeo@localhost' type='chat'><body>once</body></message>");
	room_expect_among(room, "romeo@localhost/b", "once"); /* and it has it */
	room_wait(room, 3000);
	assert_int_equal(room_settled(room, "juliet@localhost/j"), 0);
	room_disk_full(room, false);
	room_wait(room, 3000);
	assert_int_equal(room_settled(room, "juliet@localhost/j"), 1);
	resume(room, key);
	room_expect(room, "new", "resumed");
	room_expect_among(room, "new", "once");
	room_login(room, "romeo@localhost/c");
	room_send(room, "romeo@localhost/c", "<presence/>");
	room_expect_none_with(room, "romeo@localhost/c", "once");
}

#define FROM_JULIET "<message from='juliet@far.example/x' to='romeo@localhost' type='chat'><body>once</body></message>"

/* Stored, because nobody had it in time; then one of two has it, and the other never. */
static void what_one_of_two_had_is_not_for_the_next(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_login(room, ROMEO);
	room_login(room, "romeo@localhost/b");
	room_send(room, ROMEO, "<presence/>");
	room_send(room, "romeo@localhost/b", "<presence/>");
	room_keep(room, true);
	room_from_world(room, FROM_JULIET);
	room_wait(room, 2000);
	room_expect_among(room, ROMEO, "once");
	room_take(room, ROMEO, 1);
	room_restart(room);
	room_login(room, ROMEO);
	room_send(room, ROMEO, "<presence/>");
	room_wait(room, 2000);
	room_expect_none_with(room, ROMEO, "once");
}

static void what_a_disk_did_not_delete_goes_when_it_can(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_from_world(room, FROM_JULIET);
	room_login(room, ROMEO);
	room_disk_full(room, true);
	room_send(room, ROMEO, "<presence/>");
	room_expect_among(room, ROMEO, "once");
	room_end(room, ROMEO);
	room_disk_full(room, false);
	room_wait(room, 6000);
	room_restart(room);
	room_login(room, ROMEO);
	room_send(room, ROMEO, "<presence/>");
	room_expect_none_with(room, ROMEO, "once");
}

#define alone(test) cmocka_unit_test_setup_teardown(test, room_open, room_close)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		alone(it_goes_on_behind_an_orderly_end_and_not_behind_another),
		alone(what_a_disk_did_not_save_is_saved_again),
		alone(what_a_disk_did_not_clear_is_not_resumed),
		alone(what_is_stored_for_its_user_clears_it),
		alone(what_a_session_waits_for_is_settled_when_it_is_stored),
		alone(what_one_of_two_had_is_not_for_the_next),
		alone(what_a_disk_did_not_delete_goes_when_it_can),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
