/* SPDX-License-Identifier: MIT */
/* Log sinks: who gets copies, of what. component-protocol.md section 5. */
#include "fixture.h"

#define ROUTE(more) "<route " more "to='y.example' from='x.example'>" MESSAGE "</route>"

static int open_room(void **state)
{
	return open_with(state, NULL);
}

static struct remote *with_sink(struct fixture *fixture, struct remote *sink)
{
	remote_open(sink, &fixture->room, LINK_DOWN);
	remote_say(sink, "<bind name='s.example'><log/></bind>");
	count_is(remote_heard(sink), "<bind><log/></bind>", 1);
	forget(fixture);
	return sink;
}

static void a_sink_gets_a_copy_of_what_passes(void **state)
{
	struct fixture *fixture = *state;
	struct remote sink;

	with_sink(fixture, &sink);
	remote_say(&fixture->a, ROUTE(""));
	remote_expect(&fixture->b, ROUTE(""));
	remote_expect(&sink,
		      "<route to='y.example' from='x.example' type='log'>" MESSAGE "</route>");
	remote_close(&sink);
}

static void also_of_its_own(void **state)
{
	struct fixture *fixture = *state;
	struct remote sink;

	with_sink(fixture, &sink);
	remote_say(&sink, "<route to='s.example' from='s.example'/>");
	remote_expect(&sink, "<route to='s.example' from='s.example' type='log'/><route "
			     "to='s.example' from='s.example'/>");
	remote_close(&sink);
}

static void not_of_what_came_back_nor_of_broadcasts(void **state)
{
	struct fixture *fixture = *state;
	struct remote sink;

	with_sink(fixture, &sink);
	remote_say(&fixture->a, "<route to='nobody.example' from='x.example'/><route "
				"to='y.example' from='not.mine'/>"
				"<route to='y.example'/>");
	count_is(remote_heard(&fixture->a), "error=", 3);
	remote_expect(&sink, "");
	remote_say(&fixture->a, "<route type='broadcast' from='x.example'/>");
	remote_expect(&sink, "<route type='broadcast' from='x.example'/>");
	remote_close(&sink);
}

static void of_what_goes_to_the_default_route(void **state)
{
	struct fixture *fixture = *state;
	struct remote sink;

	with_sink(fixture, &sink);
	remote_say(&fixture->b, "<bind name='def.example'><default/></bind>");
	remote_heard(&sink);
	remote_say(&fixture->a, "<route to='nowhere.example' from='x.example'/>");
	remote_expect(&sink, "<route to='nowhere.example' from='x.example' type='log'/>");
	remote_close(&sink);
}

static void of_what_parts_send_and_get(void **state)
{
	static const char *const users[] = {"u1@a.example", "u2@a.example", "u3@a.example",
					    "u4@a.example"};
	struct fixture *fixture = *state;
	struct remote sink;
	struct packet *packet = make_message("u1@a.example", "v@y.example");

	with_sink(fixture, &sink);
	room_send(&fixture->room, 1, &packet);
	count_is(remote_heard(&fixture->b), "to='v@y.example'", 1);
	count_is(remote_heard(&sink), "<route type='log' from='sm' to='y.example'><message", 1);
	remote_say(&fixture->a,
		   "<route to='a.example' from='x.example'><message xmlns='jabber:client' "
		   "to='u1@a.example' from='w@x.example'/></route>");
	count_is(remote_heard(&sink), "type='log'", 1);
	/* Between users, whatever worker they are on. */
	for (size_t at = 0; at < countof(users); at++) {
		packet = make_message("u@a.example", users[at]);
		room_send(&fixture->room, at % ROOM_WORKERS, &packet);
		count_is(remote_heard(&sink), "<route type='log' from='sm' to='a.example'>", 1);
	}
	remote_close(&sink);
}

static void of_what_external_components_send_and_get(void **state)
{
	struct fixture *fixture = *state;
	struct remote sink, external;

	with_sink(fixture, &sink);
	remote_open(&external, &fixture->room, LINK_EXTERNAL);
	remote_heard(&sink);
	remote_say(
		&external,
		"<message xmlns='jabber:component:accept' to='v@y.example' from='n@e.example'/>"
		"<message xmlns='jabber:component:accept' to='u@a.example' from='n@e.example'/>");
	count_is(remote_heard(&sink), "<route type='log' from='e.example'", 2);
	remote_say(&fixture->a, "<route to='e.example' from='x.example'>" MESSAGE "</route>");
	count_is(remote_heard(&sink), "type='log'", 1);
	count_is(remote_heard(&external), "<message", 1);
	remote_close(&external);
	remote_close(&sink);
}

static void never_of_the_keys_of_accounts(void **state)
{
	static const char request[] =
		"<route to='y.example' from='x.example'><x xmlns='y'/><sc:session "
		"xmlns:sc='http://jabberd.jabberstudio.org/ns/session/1.0' "
		"action='jackdaw-account'/></route>";
	struct fixture *fixture = *state;
	struct remote sink;

	with_sink(fixture, &sink);
	remote_say(&fixture->a, request);
	remote_expect(&fixture->b, request);
	remote_expect(&sink, "");
	fixture->room.no_accounts = true;
	remote_say(&fixture->a, request);
	remote_expect(&fixture->b, "");
	count_is(remote_heard(&fixture->a), "error='403'", 1);
	remote_close(&sink);
}

static void nothing_is_watched_without_a_sink(void **state)
{
	struct fixture *fixture = *state;
	struct remote sink;

	assert_false(link_is_watched(fixture->room.links[1]));
	with_sink(fixture, &sink);
	assert_true(link_is_watched(fixture->room.links[0]) &&
		    link_is_watched(fixture->room.links[1]));
	remote_say(&sink, "<unbind name='s.example'/>");
	assert_false(link_is_watched(fixture->room.links[0]) ||
		     link_is_watched(fixture->room.links[1]));
	remote_heard(&sink);
	remote_say(&fixture->a, ROUTE(""));
	remote_expect(&sink, "");
	remote_say(&sink,
		   "<bind name='1.example'><log/></bind><bind name='2.example'><log/></bind>");
	remote_heard(&sink);
	remote_say(&fixture->a, ROUTE(""));
	count_is(remote_heard(&sink), "type='log'", 2);
	remote_close(&sink);
	assert_false(link_is_watched(fixture->room.links[0]) ||
		     link_is_watched(fixture->room.links[1]));
}

static void who_may_not_is_refused_and_nothing_is_changed(void **state)
{
	struct fixture *fixture = *state;

	fixture->room.no_log = true;
	remote_say(&fixture->b, "<bind name='s.example'><default/><log/></bind>");
	remote_expect(&fixture->b, "<bind error='403'><default/><log/></bind>");
	assert_false(link_is_watched(fixture->room.links[0]));
	remote_say(&fixture->a, "<route to='nobody.example' from='x.example'/>");
	remote_expect(&fixture->a, "<route to='nobody.example' from='x.example' error='404'/>");
	remote_say(&fixture->a, "<bind name='s.example'><default/></bind>");
	remote_expect(&fixture->a, "<bind><default/></bind>");
}

#define in_room(test) cmocka_unit_test_setup_teardown(test, open_room, close_room)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_room(a_sink_gets_a_copy_of_what_passes),
		in_room(also_of_its_own),
		in_room(not_of_what_came_back_nor_of_broadcasts),
		in_room(of_what_goes_to_the_default_route),
		in_room(of_what_parts_send_and_get),
		in_room(of_what_external_components_send_and_get),
		in_room(never_of_the_keys_of_accounts),
		in_room(nothing_is_watched_without_a_sink),
		in_room(who_may_not_is_refused_and_nothing_is_changed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
