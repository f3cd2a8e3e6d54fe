/* SPDX-License-Identifier: MIT */
/* Other names of names, as they were meant: component-protocol.md section 5. */
#include "fixture.h"

#define ALIAS(other, name)                                                                         \
	{                                                                                          \
		{other, sizeof(other) - 1},                                                        \
		{                                                                                  \
			name, sizeof(name) - 1                                                     \
		}                                                                                  \
	}

static const struct link_alias aliases[] = {
	ALIAS("alias.example", "t.example"),
	ALIAS("second.example", "t.example"),
	ALIAS("ours.example", "a.example"),
	ALIAS("bridge.example", "e.example"),
};
static const struct link_policy policy = {.aliases = aliases, .alias_count = countof(aliases)};

static int open_room(void **state)
{
	return open_with(state, &policy);
}

static void goes_to_who_serves_the_target(void **state)
{
	struct fixture *fixture = *state;

	remote_say(&fixture->a, "<route to='alias.example' from='x.example'/>");
	remote_expect(&fixture->a, "<route to='alias.example' from='x.example' error='404'/>");
	remote_say(&fixture->b, "<bind name='t.example'/>");
	remote_expect(&fixture->b, "<bind/>");
	remote_heard(&fixture->a);
	remote_say(&fixture->a,
		   "<route to='u@Alias.example/r' from='x.example'>" MESSAGE "</route>");
	remote_expect(&fixture->b,
		      "<route to='u@Alias.example/r' from='x.example'>" MESSAGE "</route>");
	remote_expect(&fixture->a, "");
}

static void is_advertised_while_the_target_is(void **state)
{
	struct fixture *fixture = *state;
	struct remote other;

	remote_say(&fixture->b, "<bind name='t.example'/>");
	remote_expect(
		&fixture->a,
		"<presence from='t.example'></presence><presence from='alias.example'></presence>"
		"<presence from='second.example'></presence>");
	room_expect_told(&fixture->room, "+t.example +alias.example +second.example ");
	remote_open(&other, &fixture->room, LINK_DOWN);
	remote_say(&other, "<bind name='o.example'/>");
	count_is(remote_heard(&other), "<presence from='alias.example'></presence>", 1);
	forget(fixture);
	remote_say(&fixture->b, "<unbind name='t.example'/>");
	remote_expect(&fixture->b, "<unbind/>");
	remote_expect(&fixture->a,
		      "<presence type='unavailable' from='t.example'></presence>"
		      "<presence type='unavailable' from='alias.example'></presence>"
		      "<presence type='unavailable' from='second.example'></presence>");
	room_expect_told(&fixture->room, "-t.example -alias.example -second.example ");
	remote_say(&other, "<unbind name='o.example'/><bind name='o.example'/>");
	count_is(remote_heard(&other), "<presence from='alias.example'></presence>", 0);
	remote_close(&other);
}

static void comes_and_goes_with_the_connection(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned at = 0; at < 2; at++) {
		struct remote other;

		remote_open(&other, &fixture->room, LINK_DOWN);
		remote_say(&other, "<bind name='t.example'/>");
		count_is(remote_heard(&other), "<bind/>", 1);
		count_is(remote_heard(&fixture->a), "<presence from='alias.example'>", 1);
		remote_say(&fixture->a, "<route to='alias.example' from='x.example'/>");
		count_is(remote_heard(&other), "<route", 1);
		remote_close(&other);
		count_is(remote_heard(&fixture->a),
			 "<presence type='unavailable' from='alias.example'>", 1);
		remote_say(&fixture->a, "<route to='alias.example' from='x.example'/>");
		count_is(remote_heard(&fixture->a), "error='404'", 1);
	}
}

static void nobody_binds_it(void **state)
{
	struct fixture *fixture = *state;

	remote_say(&fixture->b, "<bind name='t.example'/><bind name='alias.example'/><bind "
				"name='ALIAS.example' multi='to'/>"
				"<unbind name='alias.example'/>");
	remote_expect(
		&fixture->b,
		"<bind/><bind error='409'/><bind multi='to' error='409'/><unbind error='404'/>");
	remote_heard(&fixture->a);
	remote_say(&fixture->a, "<bind name='second.example'/>");
	remote_expect(&fixture->a, "<bind error='409'/>");
}

static void its_target_may_send_from_it(void **state)
{
	struct fixture *fixture = *state;

	remote_say(&fixture->b, "<bind name='t.example'/>");
	remote_heard(&fixture->a);
	remote_say(&fixture->b, "<route to='x.example' from='alias.example'/>");
	remote_expect(&fixture->a, "<route to='x.example' from='alias.example'/>");
	remote_say(&fixture->a, "<route to='y.example' from='alias.example'/>");
	remote_expect(&fixture->a, "<route to='y.example' from='alias.example' error='401'/>");
}

static void may_stand_for_a_domain_of_ours(void **state)
{
	struct fixture *fixture = *state;
	struct remote other;

	remote_open(&other, &fixture->room, LINK_DOWN);
	remote_say(&other, "<bind name='o.example'/>");
	count_is(remote_heard(&other), "<presence from='ours.example'></presence>", 1);
	remote_close(&other);
	forget(fixture);
	remote_say(&fixture->a,
		   "<route to='ours.example' from='x.example'><message xmlns='jabber:client' "
		   "to='ours.example' from='w@x.example'/></route>");
	room_expect(&fixture->room,
		    "sm/0 <route from='x.example' to='ours.example'><message xmlns='jabber:client' "
		    "from='w@x.example' to='ours.example'></message></route>\n");
}

static void may_stand_for_an_external_component(void **state)
{
	struct fixture *fixture = *state;
	struct packet *packet = make_message("u@a.example", "n@bridge.example");
	struct remote external;

	remote_open(&external, &fixture->room, LINK_EXTERNAL);
	count_is(remote_heard(&fixture->a), "<presence from='bridge.example'>", 1);
	room_send(&fixture->room, 1, &packet);
	count_is(remote_heard(&external), "to='n@bridge.example'", 1);
	remote_say(&fixture->a, "<route to='bridge.example' from='x.example'>" MESSAGE "</route>");
	count_is(remote_heard(&external), "<message", 1);
	remote_close(&external);
}

#define in_room(test) cmocka_unit_test_setup_teardown(test, open_room, close_room)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_room(goes_to_who_serves_the_target),
		in_room(is_advertised_while_the_target_is),
		in_room(comes_and_goes_with_the_connection),
		in_room(nobody_binds_it),
		in_room(its_target_may_send_from_it),
		in_room(may_stand_for_a_domain_of_ours),
		in_room(may_stand_for_an_external_component),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
