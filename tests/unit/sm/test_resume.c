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
#include "storage/storage.h"

#define ROMEO "romeo@localhost/a"

/* Returns the id by which it can be resumed, owned. */
static struct str *enable(struct room *room)
{
	struct packet *packet;

	room_account(room, "romeo@localhost");
	room_login(room, ROMEO);
	packet = room_make_action(room, ROMEO, SESSION_ENABLE);
	packet->session.resume.seconds = 600;
	room_packet(room, &packet);
	return str_new(str_slice(room_session(room, ROMEO)->key));
}

/* Its client has lost its connection. */
static struct str *detach(struct room *room)
{
	struct str *key = enable(room);
	struct packet *packet = room_make_action(room, ROMEO, SESSION_DETACH);

	room_packet(room, &packet);
	return key;
}

static void resume(struct room *room, struct str *key)
{
	struct packet *packet = room_make_action(room, "new", SESSION_RESUME);

	room_forget(room);
	packet->session.target = jid_parse(SLICE("romeo@localhost"));
	packet->session.resume.key = str_ref(key);
	room_packet(room, &packet);
}

static bool is_sealed(struct room *room)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();

	store_need(txn, STORE_SERVER, SLICE(""), SLICE("saved sessions/0"));
	return storage_run_now(room_process(room)->storage, txn) == 0;
}

/* Of one who is not back yet when the server ends once more. */
static void it_goes_on_behind_two_ends(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = detach(room);

	room_save(room);
	room_restart(room);
	room_save(room);
	room_restart(room);
	resume(room, key);
	room_expect(room, "new", "resumed");
}

/* Ten minutes are ten minutes, however often the server ended meanwhile. */
static void ends_do_not_lengthen_its_time(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = detach(room);

	for (unsigned at = 0; at < 3; at++) {
		room_wait(room, 250000);
		room_save(room);
		room_restart(room);
	}
	resume(room, key);
	room_expect(room, "new", "failed");
}

static void it_goes_on_behind_an_orderly_end_and_not_behind_another(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = detach(room);

	room_save(room);
	assert_true(is_sealed(room));
	room_restart(room);
	resume(room, key);
	assert_false(is_sealed(room));
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

static void what_a_disk_does_not_clear_waits(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = detach(room);

	room_save(room);
	room_disk_full(room, true);
	room_restart(room);
	room_wait(room, 1000);
	assert_null(room_session(room, ROMEO));
	resume(room, key);
	room_expect_nothing(room, "new");
	room_restart(room);
	resume(room, key);
	room_disk_full(room, false);
	room_wait(room, 1000);
	room_expect(room, "new", "resumed");
	room_restart(room);
	room_wait(room, 1000);
	assert_null(room_session(room, ROMEO));
}

static void what_a_disk_does_not_clear_in_time_is_over(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = detach(room);

	room_save(room);
	room_disk_full(room, true);
	room_restart(room);
	resume(room, key);
	room_wait(room, 30000);
	room_expect(room, "new", "target=romeo@localhost handled=0");
	room_disk_full(room, false);
	room_wait(room, 1000);
	assert_false(is_sealed(room));
}

/* Juliet may know of a session of his that is not there any more, and nobody would tell her. */
static void what_was_not_saved_as_a_whole_is_not_resumed(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = detach(room);
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();

	room_save(room);
	store_need(txn, STORE_SERVER, SLICE(""), SLICE("saved sessions/0"));
	store_del(txn, STORE_SERVER, SLICE(""), SLICE("saved sessions/0"));
	assert_int_equal(storage_run_now(room_process(room)->storage, txn), 0);
	room_restart(room);
	room_wait(room, 1000);
	assert_null(room_session(room, ROMEO));
	resume(room, key);
	room_expect(room, "new", "target=romeo@localhost handled=0");
}

#define TO_JULIET "<message to='juliet@localhost' type='chat'><body>refused</body></message>"

/* No disk takes his message, and he is gone before he hears so. */
static struct str *refuse_and_detach(struct room *room)
{
	struct str *key = enable(room);

	room_account(room, "juliet@localhost");
	room_disk_full(room, true);
	room_send_and_detach(room, ROMEO, TO_JULIET);
	room_disk_full(room, false);
	return key;
}

static void what_was_refused_is_not_handled_before_its_sender_can_know(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = refuse_and_detach(room);

	room_save(room);
	room_restart(room);
	room_wait(room, 1000);
	room_restart(room);
	resume(room, key);
	room_expect(room, "new", "target=romeo@localhost handled=0");
}

/* What he wrote later may have arrived: if it was done when it comes again, it would come behind that. */
static void what_was_refused_stays_so_behind_a_restart(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = refuse_and_detach(room);
	struct packet *packet;

	room_save(room);
	room_restart(room);
	room_keep(room, true);
	resume(room, key);
	room_expect(room, "new", "settled=0");
	room_expect(room, "new", "<error type='wait'");
	packet = room_make_stanza(room, "new", 1, TO_JULIET);
	room_packet(room, &packet);
	room_expect_nothing(room, "new");
	room_take(room, "new", 1);
	assert_int_equal(room_settled(room, "new"), 1);
	room_login(room, "juliet@localhost/b");
	room_send(room, "juliet@localhost/b", "<presence/>");
	room_expect_none_with(room, "juliet@localhost/b", "refused");
}

/* He had a connection, and was sent it: it counts as settled after some seconds. But he never heard it. */
static void what_was_refused_and_lost_on_its_way_was_not_handled(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = enable(room);
	struct packet *packet;

	room_account(room, "juliet@localhost");
	room_keep(room, true);
	room_disk_full(room, true);
	room_send(room, ROMEO, TO_JULIET);
	room_disk_full(room, false);
	room_wait(room, 6000);
	assert_int_equal(room_settled(room, ROMEO), 1);
	packet = room_make_action(room, ROMEO, SESSION_DETACH);
	room_packet(room, &packet);
	room_wait(room, 601000);
	resume(room, key);
	room_expect(room, "new", "target=romeo@localhost handled=0");
}

/* He never hears it: he is told that it was not handled, and may say it again. */
static void what_was_refused_and_never_heard_was_not_handled(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = refuse_and_detach(room);

	room_save(room);
	room_restart(room);
	room_wait(room, 601000);
	resume(room, key);
	room_expect(room, "new", "target=romeo@localhost handled=0");
}

static void who_resumes_hears_what_was_refused_and_that_is_settled_then(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = refuse_and_detach(room);

	assert_int_equal(room_settled(room, ROMEO), 0);
	room_keep(room, true);
	resume(room, key);
	room_expect(room, "new", "settled=0");
	room_expect(room, "new", "<error type='wait'");
	assert_int_equal(room_settled(room, "new"), 0);
	room_take(room, "new", 1);
	assert_int_equal(room_settled(room, "new"), 1);
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
		alone(it_goes_on_behind_two_ends),
		alone(ends_do_not_lengthen_its_time),
		alone(it_goes_on_behind_an_orderly_end_and_not_behind_another),
		alone(what_a_disk_did_not_save_is_saved_again),
		alone(what_a_disk_does_not_clear_waits),
		alone(what_a_disk_does_not_clear_in_time_is_over),
		alone(what_was_not_saved_as_a_whole_is_not_resumed),
		alone(what_was_refused_is_not_handled_before_its_sender_can_know),
		alone(what_was_refused_stays_so_behind_a_restart),
		alone(what_was_refused_and_never_heard_was_not_handled),
		alone(what_was_refused_and_lost_on_its_way_was_not_handled),
		alone(who_resumes_hears_what_was_refused_and_that_is_settled_then),
		alone(what_one_of_two_had_is_not_for_the_next),
		alone(what_a_disk_did_not_delete_goes_when_it_can),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
