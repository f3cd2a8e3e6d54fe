/* SPDX-License-Identifier: MIT */
/* As a component of a router: binding, adverts, routes. */
#include "room.h"

#include <string.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

#define IQ "<iq xmlns='jabber:client' type='get' id='1'/>"

struct fixture {
	struct room room;
	struct remote router;
};

static int open_room(void **state)
{
	struct fixture *fixture = mem_zalloc(MEM_OTHER, sizeof(*fixture));

	room_open(&fixture->room, true);
	remote_open(&fixture->router, &fixture->room, LINK_UP);
	*state = fixture;
	return 0;
}

static int close_room(void **state)
{
	struct fixture *fixture = *state;

	remote_close(&fixture->router);
	room_close(&fixture->room);
	mem_free(fixture);
	return 0;
}

static struct fixture *bound(void **state)
{
	struct fixture *fixture = *state;

	remote_say(&fixture->router, "<bind/>");
	assert_int_equal(fixture->router.answers, 1);
	assert_int_equal(fixture->router.error, 0);
	remote_heard(&fixture->router);
	return fixture;
}

static void send(struct room *room, unsigned worker, const char *from, const char *to)
{
	AUTO(str_free)
	struct str *sender = str_new(slice_of(from)),
		   *receiver = str_new(slice_of(to));
	struct stanza *stanza = stanza_new(STANZA_MESSAGE, STANZA_NONE, SLICE("1"));
	struct packet *packet = packet_stanza(sender, receiver, &stanza);

	session_id_take(&packet->sm, SLICE("1.1.1"));
	room_send(room, worker, &packet);
}

static void binds_all_names_at_once(void **state)
{
	struct fixture *fixture = *state;
	const char *heard = remote_heard(&fixture->router);

	assert_non_null(strstr(
		heard,
		"version='1.0'><bind name='sm'></bind><bind multi='to' name='a.example'></bind>"
		"<bind multi='to' name='b.example'></bind><bind name='c2s'></bind>"));
}

static void the_first_answer_decides(void **state)
{
	struct fixture *fixture = bound(state);

	remote_say(&fixture->router, "<bind multi='to' error='409'/>");
	assert_int_equal(fixture->router.answers, 1);
	send(&fixture->room, 0, "sm", "x.example");
	assert_non_null(strstr(remote_heard(&fixture->router), "to='x.example'"));
}

static void a_refusal_is_not_taken_back(void **state)
{
	struct fixture *fixture = *state;

	remote_say(&fixture->router, "<bind error='409'/><bind multi='to'/>");
	assert_int_equal(fixture->router.answers, 1);
	assert_int_equal(fixture->router.error, 409);
	remote_say(&fixture->router, "<presence from='x.example'/>");
	room_expect_told(&fixture->room, "");
}

static void an_error_that_is_no_number_is_one_too(void **state)
{
	struct fixture *fixture = *state;

	remote_say(&fixture->router, "<bind error='no'/>");
	assert_int_equal(fixture->router.error, 500);
}

static void nothing_is_heard_before_the_answer(void **state)
{
	struct fixture *fixture = *state;

	remote_say(&fixture->router,
		   "<presence from='x.example'/><route from='x.example' to='sm'>" IQ "</route>");
	room_expect_told(&fixture->room, "");
	room_expect(&fixture->room, "");
}

static void names_come_and_go(void **state)
{
	struct fixture *fixture = bound(state);

	remote_say(&fixture->router,
		   "<presence from='x.example'/><presence from='y.example'/><presence/>"
		   "<presence type='unavailable' from='x.example'/>");
	room_expect_told(&fixture->room, "+x.example +y.example -x.example ");
}

static void routes_reach_the_parts(void **state)
{
	struct fixture *fixture = bound(state);

	remote_say(&fixture->router, "<route from='x.example' to='SM/x'>" IQ "</route>");
	room_expect(&fixture->room, "sm/0 <route from='x.example' to='sm'><iq "
				    "xmlns='jabber:client' type='get' id='1'></iq></route>\n");
	remote_say(&fixture->router, "<route from='x.example' to='a.example'>" IQ
				     "</route><route from='sm' to='c2s'>" IQ "</route>");
	room_expect(&fixture->room, "sm/0 <route from='x.example' to='a.example'><iq "
				    "xmlns='jabber:client' type='get' id='1'></iq></route>\n"
				    "c2s/0 <route from='sm' to='c2s'><iq xmlns='jabber:client' "
				    "type='get' id='1'></iq></route>\n");
}

static void a_bounce_reaches_its_sender(void **state)
{
	struct fixture *fixture = bound(state);

	remote_say(&fixture->router, "<route from='sm' to='c2s' error='404'>" IQ "</route>");
	assert_int_equal(fixture->room.last->error, 404);
	assert_string_equal(str_text(fixture->room.last->from), "sm");
	assert_ptr_equal(strstr(buf_text(&fixture->room.heard), "sm/0 404 "),
			 buf_text(&fixture->room.heard));
	buf_clear(&fixture->room.heard);
	remote_say(&fixture->router, "<route from='x.example' to='sm' error='404'>" IQ "</route>");
	room_expect(&fixture->room, "");
}

static void other_things_are_dropped(void **state)
{
	struct fixture *fixture = bound(state);

	remote_say(&fixture->router,
		   "<route from='x.example' to='sm' type='broadcast'>" IQ
		   "</route><route from='x.example' to='sm' type='log'>" IQ "</route>"
		   "<route to='sm'>" IQ "</route><route from='x.example'>" IQ
		   "</route><route from='x.example' to='nobody'>" IQ "</route>"
		   "<route from='x.example' to='@sm'>" IQ
		   "</route><route from='x.example' to='sm'/><unbind name='sm'/><wibble/>" IQ);
	room_expect(&fixture->room, "");
	remote_expect(&fixture->router, "");
}

static void domains_are_reached_through_the_router(void **state)
{
	struct fixture *fixture = bound(state);

	for (unsigned worker = 0; worker < ROOM_WORKERS; worker++) {
		send(&fixture->room, worker, "c2s", "a.example");
		assert_non_null(strstr(remote_heard(&fixture->router),
				       "<route from='c2s' to='a.example'>"));
		room_expect(&fixture->room, "");
	}
}

static void names_of_this_process_alone_are_not(void **state)
{
	struct fixture *fixture = bound(state);

	send(&fixture->room, 0, "c2s", "sm");
	remote_expect(&fixture->router, "");
	assert_ptr_equal(strstr(buf_text(&fixture->room.heard), "sm/1 <route"),
			 buf_text(&fixture->room.heard));
	assert_false(fixture->room.last->relayed);
}

static void without_a_router_domains_are_served_here(void **state)
{
	struct fixture *fixture = *state;

	remote_heard(&fixture->router);
	for (unsigned worker = 0; worker < ROOM_WORKERS; worker++) {
		send(&fixture->room, worker, "c2s", "a.example");
		assert_ptr_equal(strstr(buf_text(&fixture->room.heard), "sm/1 <route"),
				 buf_text(&fixture->room.heard));
		buf_clear(&fixture->room.heard);
	}
	remote_expect(&fixture->router, "");
}

static void without_a_router_the_rest_comes_back(void **state)
{
	struct fixture *fixture = *state;

	remote_heard(&fixture->router);
	send(&fixture->room, 1, "sm", "x.example");
	assert_ptr_equal(strstr(buf_text(&fixture->room.heard), "sm/1 404 "),
			 buf_text(&fixture->room.heard));
	remote_expect(&fixture->router, "");
}

#define in_room(test) cmocka_unit_test_setup_teardown(test, open_room, close_room)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_room(binds_all_names_at_once),
		in_room(the_first_answer_decides),
		in_room(a_refusal_is_not_taken_back),
		in_room(an_error_that_is_no_number_is_one_too),
		in_room(nothing_is_heard_before_the_answer),
		in_room(names_come_and_go),
		in_room(routes_reach_the_parts),
		in_room(a_bounce_reaches_its_sender),
		in_room(other_things_are_dropped),
		in_room(domains_are_reached_through_the_router),
		in_room(names_of_this_process_alone_are_not),
		in_room(without_a_router_domains_are_served_here),
		in_room(without_a_router_the_rest_comes_back),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
