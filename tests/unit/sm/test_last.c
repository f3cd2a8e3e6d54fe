/* SPDX-License-Identifier: MIT */
/* Since when somebody is away, and who may know it; since when the server runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "component/component.h"
#include "room.h"
#include "storage/storage.h"

#define ROMEO "romeo@localhost/a"
#define JULIET "juliet@localhost/b"
#define ASK(who) "<iq type='get' id='l' to='" who "'><query xmlns='jabber:iq:last'/></iq>"
#define REFUSED(who)                                                                                                  \
	"<iq type='error' id='l' from='" who "' to='romeo@localhost/a'><error type='cancel' code='503'>"              \
	"<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error><query xmlns='jabber:iq:last'/></iq>"
#define LEAVES(status) "<presence type='unavailable'><status>" status "</status></presence>"

static void two_people(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_login(room, ROMEO);
	room_login(room, JULIET);
	room_send(room, ROMEO, "<presence/>");
	room_send(room, JULIET, "<presence/>");
	room_forget(room);
}

/* He sees hers. */
static void befriend(struct room *room)
{
	room_send(room, ROMEO, "<presence to='juliet@localhost' type='subscribe'/>");
	room_send(room, JULIET, "<presence to='romeo@localhost' type='subscribed'/>");
	room_forget(room);
}

static void leave(struct room *room, const char *presence)
{
	room_send(room, JULIET, presence);
	room_end(room, JULIET);
	room_forget(room);
}

static void expect_answer(struct room *room, const char *request, const char *answer)
{
	room_send(room, ROMEO, request);
	room_expect(room, ROMEO, answer);
	room_expect_nothing(room, ROMEO);
}

/* Seconds that she is away, and what she said. */
static void expect_away(struct room *room, int seconds, const char *status)
{
	const char *told;
	int away;

	room_send(room, ROMEO, ASK("juliet@localhost"));
	told = room_next(room, ROMEO);
	assert_non_null(told);
	assert_non_null(strstr(told, "<query xmlns='jabber:iq:last' seconds='"));
	away = atoi(strstr(told, "seconds='") + strlen("seconds='"));
	assert_in_range(away, seconds, seconds + 2);
	if (!strstr(told, status))
		fail_msg("%s is not in %s", status, told);
}

static void a_contact_learns_when_she_left_and_what_she_said(void **state)
{
	struct room *room = *state;

	two_people(room);
	befriend(room);
	expect_answer(room, ASK("juliet@localhost"), "<query xmlns='jabber:iq:last' seconds='0'/></iq>");
	leave(room, LEAVES("Heading &lt;Home"));
	room_wait(room, 60000);
	expect_away(room, 60, "'>Heading &lt;Home</query></iq>");
	room_restart(room);
	room_login(room, ROMEO);
	expect_away(room, 60, "'>Heading &lt;Home</query></iq>");
}

static void her_last_session_counts(void **state)
{
	struct room *room = *state;

	two_people(room);
	befriend(room);
	room_login(room, "juliet@localhost/c");
	leave(room, LEAVES("not yet"));
	room_wait(room, 5000);
	expect_answer(room, ASK("juliet@localhost"), "seconds='0'/></iq>");
	room_end(room, "juliet@localhost/c");
	room_wait(room, 10000);
	expect_away(room, 10, "'/></iq>");
}

/* Which of two says something first does not matter: who goes last said it. */
static void who_goes_last_is_heard(void **state)
{
	struct room *room = *state;

	two_people(room);
	befriend(room);
	room_login(room, "juliet@localhost/c");
	room_send(room, JULIET, LEAVES("last"));
	room_send(room, "juliet@localhost/c", "<presence/>");
	room_end(room, "juliet@localhost/c");
	room_end(room, JULIET);
	room_forget(room);
	expect_away(room, 0, "'>last</query></iq>");
}

static void who_comes_back_has_not_said_why_she_left(void **state)
{
	struct room *room = *state;

	two_people(room);
	befriend(room);
	room_send(room, JULIET, LEAVES("for a moment"));
	room_send(room, JULIET, "<presence><status>here</status></presence>");
	room_end(room, JULIET);
	room_forget(room);
	expect_away(room, 0, "'/></iq>");
}

static void a_long_status_is_not_kept(void **state)
{
	struct room *room = *state;
	AUTO(buf_fini) struct buf text = {0};

	two_people(room);
	befriend(room);
	buf_append_text(&text, "<presence type='unavailable'><status>");
	for (unsigned at = 0; at < 1025; at++)
		buf_append_char(&text, 'x');
	buf_append_text(&text, "</status></presence>");
	leave(room, buf_text(&text));
	expect_away(room, 0, "'/></iq>");
}

/* She is still to come back: it is as if the server had not been away. */
static void the_end_of_the_server_is_not_hers(void **state)
{
	struct room *room = *state;

	two_people(room);
	befriend(room);
	leave(room, LEAVES("the first time"));
	room_wait(room, 20000);
	room_login(room, JULIET);
	room_restart(room);
	room_login(room, ROMEO);
	expect_away(room, 20, ">the first time<");
}

/* There is nothing to tell a stranger from somebody who asks for nobody. */
static void strangers_learn_nothing(void **state)
{
	struct room *room = *state;

	two_people(room);
	expect_answer(room, ASK("juliet@localhost"), REFUSED("juliet@localhost"));
	expect_answer(room, ASK("juliet@localhost/b"), REFUSED("juliet@localhost/b"));
	room_expect_nothing(room, JULIET);
	expect_answer(room, ASK("juliet@localhost/none"), REFUSED("juliet@localhost/none"));
	expect_answer(room, ASK("nobody@localhost"), REFUSED("nobody@localhost"));
	leave(room, LEAVES("secret"));
	room_forget(room);
	expect_answer(room, ASK("juliet@localhost"), REFUSED("juliet@localhost"));
	room_from_world(room, "<iq type='get' id='l' from='romeo@remote.example/r' to='juliet@localhost'><query "
			      "xmlns='jabber:iq:last'/></iq>");
	room_expect(room, "world", "<service-unavailable");
}

/* She sees nothing of him who sees her: the subscription counts in its direction. */
static void the_other_direction_opens_nothing(void **state)
{
	struct room *room = *state;

	two_people(room);
	befriend(room);
	room_send(room, JULIET, ASK("romeo@localhost"));
	room_expect(room, JULIET, "<service-unavailable");
}

static void a_contact_may_ask_her_client(void **state)
{
	struct room *room = *state;

	two_people(room);
	befriend(room);
	room_send(room, ROMEO, ASK("juliet@localhost/b"));
	room_expect(room, JULIET, "<query xmlns='jabber:iq:last'/>");
	room_send(room, JULIET, "<iq type='result' id='l' to='romeo@localhost/a'><query xmlns='jabber:iq:last' seconds='9'/></iq>");
	room_expect(room, ROMEO, "seconds='9'");
	expect_answer(room, ASK("romeo@localhost"), "<query xmlns='jabber:iq:last' seconds='0'/>");
}

static void only_the_last_end_is_written(void **state)
{
	struct room *room = *state;
	struct storage *storage = room_process(room)->storage;
	uint64_t before;

	two_people(room);
	room_login(room, "juliet@localhost/c");
	before = storage_batches(storage);
	room_send(room, JULIET, LEAVES("a"));
	room_send(room, JULIET, "<presence/>");
	room_send(room, JULIET, LEAVES("b"));
	room_end(room, "juliet@localhost/c");
	assert_int_equal(storage_batches(storage), before);
	room_end(room, JULIET);
	room_wait(room, 3000);
	assert_int_equal(storage_batches(storage), before);
	room_wait(room, 3000);
	assert_int_equal(storage_batches(storage), before + 1);
}

/* Who is back in some seconds was not away; when she goes then, her time begins then. */
static void who_comes_back_soon_costs_storage_nothing(void **state)
{
	struct room *room = *state;
	struct storage *storage = room_process(room)->storage;
	uint64_t before;

	two_people(room);
	befriend(room);
	for (unsigned at = 0; at < 5; at++) {
		before = storage_batches(storage);
		leave(room, LEAVES("for a moment"));
		room_wait(room, 1000);
		expect_away(room, 1, ">for a moment<");
		assert_int_equal(storage_batches(storage), before);
		room_login(room, JULIET);
	}
	before = storage_batches(storage);
	room_wait(room, 20000);
	expect_answer(room, ASK("juliet@localhost"), "<query xmlns='jabber:iq:last' seconds='0'/></iq>");
	room_end(room, JULIET);
	room_wait(room, 20000);
	assert_int_equal(storage_batches(storage), before + 1);
	expect_away(room, 20, "'/></iq>");
}

/* Who has the name after her has never gone. */
static void an_account_that_ends_leaves_nothing(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_remove(room, JULIET, "juliet@localhost");
	room_forget(room);
	room_wait(room, ROOM_LOCK_MS);
	room_account(room, "juliet@localhost");
	room_login(room, JULIET);
	befriend(room);
	room_restart(room);
	room_login(room, ROMEO);
	room_send(room, ROMEO, ASK("juliet@localhost"));
	room_expect(room, ROMEO, "<item-not-found");
}

static void on_a_full_disk_the_time_before_stays(void **state)
{
	struct room *room = *state;

	two_people(room);
	befriend(room);
	leave(room, LEAVES("one"));
	room_wait(room, 30000);
	room_login(room, JULIET);
	room_disk_full(room, true);
	leave(room, LEAVES("two"));
	expect_away(room, 0, ">two<");
	room_wait(room, 10000);
	expect_away(room, 40, ">one<");
	room_disk_full(room, false);
	room_login(room, JULIET);
	leave(room, LEAVES("three"));
	expect_away(room, 0, ">three<");
}

static void the_server_says_since_when_it_runs(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_wait(room, 100000);
	room_send(room, ROMEO, ASK("localhost"));
	room_expect(room, ROMEO, "from='localhost' to='romeo@localhost/a'><query xmlns='jabber:iq:last' seconds='10");
	room_restart(room);
	room_login(room, ROMEO);
	room_send(room, ROMEO, ASK("localhost"));
	room_expect(room, ROMEO, "seconds='0'/></iq>");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, room_open, room_close)
	static const struct CMUnitTest tests[] = {
		TEST(a_contact_learns_when_she_left_and_what_she_said),
		TEST(her_last_session_counts),
		TEST(who_goes_last_is_heard),
		TEST(who_comes_back_has_not_said_why_she_left),
		TEST(a_long_status_is_not_kept),
		TEST(the_end_of_the_server_is_not_hers),
		TEST(strangers_learn_nothing),
		TEST(the_other_direction_opens_nothing),
		TEST(a_contact_may_ask_her_client),
		TEST(only_the_last_end_is_written),
		TEST(who_comes_back_soon_costs_storage_nothing),
		TEST(an_account_that_ends_leaves_nothing),
		TEST(on_a_full_disk_the_time_before_stays),
		TEST(the_server_says_since_when_it_runs),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
