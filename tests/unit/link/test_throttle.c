/* SPDX-License-Identifier: MIT */
/* A peer that asks for a pause: component-protocol.md section 4.5. */
#include "fixture.h"

#include <string.h>

static int open_room(void **state)
{
	return open_with(state, NULL);
}

static void toggle(struct remote *remote)
{
	remote_say(remote, "<throttle/>");
}

static void routes_wait_and_leave_in_their_order(void **state)
{
	struct fixture *fixture = *state;
	struct packet *packet = make_message("u@a.example", "v@y.example");

	toggle(&fixture->b);
	remote_expect(&fixture->b, "<throttle/>");
	remote_say(&fixture->a, "<route to='y.example' from='x.example'>1</route>");
	room_send(&fixture->room, 1, &packet);
	remote_say(&fixture->a, "<route to='y.example' from='x.example'>3</route>"
				"<route type='broadcast' from='x.example'>4</route>");
	remote_expect(&fixture->b, "");
	toggle(&fixture->b);
	remote_expect(
		&fixture->b,
		"<throttle/><route to='y.example' from='x.example'>1</route>"
		"<route from='sm' to='y.example'><message xmlns='jabber:client' type='chat' id='1' "
		"from='u@a.example' to='v@y.example'><body>x</body></message></route>"
		"<route to='y.example' from='x.example'>3</route>"
		"<route type='broadcast' from='x.example'>4</route>");
	remote_say(&fixture->a, "<route to='y.example' from='x.example'>5</route>");
	remote_expect(&fixture->b, "<route to='y.example' from='x.example'>5</route>");
}

static void answers_and_names_do_not_wait(void **state)
{
	struct fixture *fixture = *state;

	toggle(&fixture->b);
	remote_heard(&fixture->b);
	remote_say(&fixture->a, "<bind name='late.example'/>");
	remote_say(&fixture->b, "<bind name='x.example'/>");
	remote_expect(&fixture->b, "<presence from='late.example'></presence><bind error='409'/>");
}

static void what_comes_back_waits_too(void **state)
{
	struct fixture *fixture = *state;

	toggle(&fixture->b);
	remote_heard(&fixture->b);
	remote_say(&fixture->b, "<route to='nobody.example' from='y.example'/>");
	remote_expect(&fixture->b, "");
	toggle(&fixture->b);
	remote_expect(&fixture->b,
		      "<throttle/><route to='nobody.example' from='y.example' error='404'/>");
}

static void so_much_waits_and_no_more(void **state)
{
	struct fixture *fixture = *state;
	AUTO(buf_fini) struct buf text = {0};
	unsigned back = 0;
	static char fill[600000];
	struct packet *packet = make_message("u@a.example", "v@y.example");

	memset(fill, 'x', sizeof(fill));
	buf_printf(&text, "<route to='y.example' from='x.example'>%.*s</route>", (int)sizeof(fill),
		   fill);
	toggle(&fixture->b);
	for (unsigned at = 0; at < 10; at++) {
		remote_say(&fixture->a, buf_text(&text));
		back += strstr(remote_heard(&fixture->a), "error='503'") != NULL;
	}
	assert_int_equal(back, 10 - LINK_WAITING_MAX / (unsigned)buf_used(&text));
	/* What is small may still fit; then nothing does, and a part hears of it like a peer. */
	buf_clear(&text);
	buf_printf(&text, "<route to='y.example' from='x.example'>%.*s</route>", 4000, fill);
	do
		remote_say(&fixture->a, buf_text(&text));
	while (!strstr(remote_heard(&fixture->a), "error='503'"));
	buf_clear(&text);
	buf_printf(&text, "<route to='y.example' from='x.example'>%.*s</route>", 100, fill);
	do
		remote_say(&fixture->a, buf_text(&text));
	while (!strstr(remote_heard(&fixture->a), "error='503'"));
	buf_clear(&fixture->room.heard);
	room_send(&fixture->room, 0, &packet);
	count_is(buf_text(&fixture->room.heard), " 503 <route", 1);
	remote_heard(&fixture->b);
	toggle(&fixture->b);
	assert_in_range(strlen(remote_heard(&fixture->b)), LINK_WAITING_MAX - 65536,
			LINK_WAITING_MAX);
}

static void what_waits_goes_with_the_connection(void **state)
{
	struct fixture *fixture = *state;
	struct remote other;

	remote_open(&other, &fixture->room, LINK_DOWN);
	remote_say(&other, "<bind name='o.example'/>");
	toggle(&other);
	forget(fixture);
	remote_say(&fixture->a, "<route to='o.example' from='x.example'/>");
	remote_close(&other);
	remote_expect(&fixture->a, "<presence type='unavailable' from='o.example'></presence>");
}

static void is_asked_for_by_components_alone(void **state)
{
	struct fixture *fixture = *state;
	struct remote external;

	remote_open(&external, &fixture->room, LINK_EXTERNAL);
	remote_say(&external, "<throttle xmlns='" NS_COMPONENT "'/>");
	count_is(remote_heard(&external), "unsupported-stanza-type", 1);
	remote_close(&external);
}

#define in_room(test) cmocka_unit_test_setup_teardown(test, open_room, close_room)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_room(routes_wait_and_leave_in_their_order),
		in_room(answers_and_names_do_not_wait),
		in_room(what_comes_back_waits_too),
		in_room(so_much_waits_and_no_more),
		in_room(what_waits_goes_with_the_connection),
		in_room(is_asked_for_by_components_alone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
