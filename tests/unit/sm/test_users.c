/* SPDX-License-Identifier: MIT */
/* Which users without sessions stay in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "component/component.h"
#include "room.h"
#include "storage/storage.h"

enum { USERS = 60, NAME_BYTES = 1000, IN_MEMORY = 8 << 20 };

/* Rows of a roster, as they stand in storage. */
static void write_roster(struct room *room, const char *user, unsigned contacts)
{
	AUTO(store_txn_free) struct store_txn *txn = store_txn_new();

	for (unsigned at = 0; at < contacts; at++) {
		AUTO(buf_fini) struct buf contact = {0}, item = {0};

		buf_printf(&contact, "contact%u@far.example", at);
		buf_printf(&item, "<item jid='%s' name='%0*u' subscription='both'/>", buf_text(&contact), NAME_BYTES, at);
		store_put(txn, STORE_ROSTER, slice_of(user), buf_slice(&contact), buf_slice(&item));
	}
	assert_int_equal(storage_run_now(room_process(room)->storage, txn), 0);
}

/* Each is needed once, in order. */
static void need_all(struct room *room, unsigned contacts)
{
	for (unsigned at = 0; at < USERS; at++) {
		AUTO(buf_fini) struct buf user = {0}, text = {0};

		buf_printf(&user, "user%u@localhost", at);
		buf_printf(&text, "<message from='juliet@far.example' to='%s'><body>%u</body></message>", buf_text(&user), at);
		write_roster(room, buf_text(&user), contacts);
		room_account(room, buf_text(&user));
		room_from_world(room, buf_text(&text));
	}
}

static uint64_t loaded(struct room *room)
{
	return room_process(room)->metrics[METRIC_USERS_LOADED];
}

static void those_with_little_all_stay(void **state)
{
	need_all(*state, 1);
	assert_true(loaded(*state) >= USERS);
}

static void of_those_with_much_the_last_stay_and_who_was_dropped_is_read_again(void **state)
{
	struct room *room = *state;
	const unsigned contacts = 300;

	need_all(room, contacts);
	assert_in_range(loaded(room), 2, IN_MEMORY / (contacts * NAME_BYTES));
	room_login(room, "user0@localhost/a");
	room_send(room, "user0@localhost/a", "<presence/>");
	room_expect_among(room, "user0@localhost/a", "<body>0</body>");
	room_send(room, "user0@localhost/a", "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	room_expect_among(room, "user0@localhost/a", "jid='contact299@far.example'");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(those_with_little_all_stay, room_open_one, room_close),
		cmocka_unit_test_setup_teardown(of_those_with_much_the_last_stay_and_who_was_dropped_is_read_again, room_open_one, room_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
