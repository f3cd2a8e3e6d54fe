/* SPDX-License-Identifier: MIT */
/* As the router: what peers bind, hear and send. component-protocol.md section 4. */
#include "room.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "stanza/stanza.h"

#define MESSAGE "<message xmlns='jabber:client' to='a@b' from='c@d'><body>x</body></message>"

struct fixture {
	struct room room;
	struct remote a, b;
};

static int open_room(void **state)
{
	struct fixture *fixture = mem_zalloc(MEM_OTHER, sizeof(*fixture));

	room_open(&fixture->room, false);
	remote_open(&fixture->a, &fixture->room, LINK_DOWN);
	remote_open(&fixture->b, &fixture->room, LINK_DOWN);
	*state = fixture;
	return 0;
}

static int close_room(void **state)
{
	struct fixture *fixture = *state;

	remote_close(&fixture->a);
	remote_close(&fixture->b);
	assert_int_equal(link_peers(fixture->room.links[0]), 0);
	room_close(&fixture->room);
	mem_free(fixture);
	return 0;
}

/* a and b have names, and what they were told about it is forgotten. */
static struct fixture *with_names(void **state)
{
	struct fixture *fixture = *state;

	remote_say(&fixture->a, "<bind name='x.example'/>");
	remote_say(&fixture->b, "<bind name='y.example'/>");
	remote_heard(&fixture->a);
	remote_heard(&fixture->b);
	buf_clear(&fixture->room.told);
	return fixture;
}

static void the_reply_comes_first_then_all_names(void **state)
{
	struct fixture *fixture = *state;
	const char *heard;

	remote_say(&fixture->a, "<bind name='x.example'/>");
	heard = remote_heard(&fixture->a);
	assert_ptr_equal(strstr(heard, "<bind/>"), heard);
	count_is(heard, "<presence", 4);
	count_is(heard, "<presence from='sm'></presence>", 1);
	count_is(heard, "<presence from='c2s'></presence>", 1);
	count_is(heard, "<presence from='a.example'></presence>", 1);
	count_is(heard, "<presence from='b.example'></presence>", 1);
	room_expect_told(&fixture->room, "+x.example ");
}

static void who_serves_no_name_hears_of_none(void **state)
{
	struct fixture *fixture = *state;

	remote_say(&fixture->a, "<bind name='x.example'/>");
	remote_expect(&fixture->b, "");
	remote_say(&fixture->b, "<bind name='y.example'/>");
	count_is(remote_heard(&fixture->b), "<presence", 5);
	remote_heard(&fixture->a);
	remote_say(&fixture->b, "<unbind name='y.example'/>");
	remote_expect(&fixture->b, "<unbind/>");
	remote_say(&fixture->a, "<bind name='z.example'/>");
	remote_expect(&fixture->b, "");
}

static void others_hear_of_names_once(void **state)
{
	struct fixture *fixture = with_names(state);

	remote_say(&fixture->b, "<bind name='z.example'/>");
	remote_expect(&fixture->a, "<presence from='z.example'></presence>");
	remote_expect(&fixture->b, "<bind/>");
	room_expect_told(&fixture->room, "+z.example ");
}

static void only_the_prepared_domain_is_bound(void **state)
{
	struct fixture *fixture = with_names(state);

	remote_say(&fixture->a, "<bind name='user@jid.example/res'/><bind name='UPPER.Example'/>");
	remote_expect(&fixture->b, "<presence from='jid.example'></presence><presence "
				   "from='upper.example'></presence>");
}

static void refuses_bad_names(void **state)
{
	struct fixture *fixture = with_names(state);

	remote_say(&fixture->a, "<bind/><bind name=''/><bind name='@@@'/>");
	remote_expect(
		&fixture->a,
		"<bind error='400'/><bind name='' error='400'/><bind name='@@@' error='400'/>");
	room_expect_told(&fixture->room, "");
}

static void refuses_names_in_use(void **state)
{
	struct fixture *fixture = with_names(state);

	remote_say(&fixture->b, "<bind name='x.example'/>");
	remote_expect(&fixture->b, "<bind error='409'/>");
	remote_say(&fixture->a, "<bind name='x.example'/><bind name='x.example' multi='to'/>");
	remote_expect(&fixture->a, "<bind error='409'/><bind multi='to' error='409'/>");
	remote_say(&fixture->a, "<bind name='sm'/><bind name='a.example' multi='to'/>");
	remote_expect(&fixture->a, "<bind error='409'/><bind multi='to' error='409'/>");
}

static void asks_what_is_permitted(void **state)
{
	struct fixture *fixture = with_names(state);

	fixture->room.forbidden = "z.example";
	fixture->room.no_default = true;
	remote_say(&fixture->a, "<bind name='z.example'/><bind name='w.example'><default/></bind>");
	remote_expect(&fixture->a, "<bind error='403'/><bind error='403'><default/></bind>");
	/* In the order of section 4.1: that it has the name already is looked at last. */
	fixture->room.no_log = true;
	remote_say(&fixture->a, "<bind name='x.example' multi='to'><log/></bind><bind "
				"name='x.example'><log/></bind>");
	remote_expect(&fixture->a,
		      "<bind multi='to' error='403'><log/></bind><bind error='409'><log/></bind>");
	remote_say(&fixture->a, "<route from='x.example' to='w.example'/>");
	remote_expect(&fixture->a, "<route from='x.example' to='w.example' error='404'/>");
}

static void several_may_serve_a_name(void **state)
{
	struct fixture *fixture = with_names(state);

	remote_say(&fixture->a, "<bind name='m.example' multi='to'/>");
	remote_say(&fixture->b, "<bind name='m.example' multi='to'/>");
	remote_heard(&fixture->a);
	remote_heard(&fixture->b);
	/* captures/router-core.txt */
	remote_say(&fixture->a, "<route to='m.example' from='x.example'><message "
				"xmlns='jabber:client' to='u0@m.example'/></route>");
	remote_expect(&fixture->a, "");
	count_is(remote_heard(&fixture->b), "<route", 1);
	remote_say(&fixture->a, "<route to='m.example' from='x.example'><s:session "
				"xmlns:s='http://jabberd.jabberstudio.org/ns/session/1.0' "
				"target='u1@m.example' action='start'/></route>");
	count_is(remote_heard(&fixture->b), "target='u1@m.example'", 1);
	remote_say(&fixture->b, "<route to='m.example' from='y.example'><message "
				"xmlns='jabber:client' to='u3@m.example'/></route>");
	count_is(remote_heard(&fixture->a), "<route", 1);
	buf_clear(&fixture->room.told);
	remote_say(&fixture->a, "<unbind name='m.example'/>");
	remote_expect(&fixture->a, "<unbind/>");
	remote_expect(&fixture->b, "");
	room_expect_told(&fixture->room, "");
	remote_say(&fixture->b, "<unbind name='m.example'/>");
	remote_expect(&fixture->a, "<presence type='unavailable' from='m.example'></presence>");
	room_expect_told(&fixture->room, "-m.example ");
}

static void unbinding_is_answered(void **state)
{
	struct fixture *fixture = with_names(state);

	remote_say(&fixture->a, "<unbind/><unbind name='@'/><unbind name='y.example'/><unbind "
				"name='nope.example'/><unbind name='sm'/>");
	remote_expect(&fixture->a, "<unbind error='400'/><unbind name='@' error='400'/><unbind "
				   "error='404'/><unbind error='404'/>"
				   "<unbind error='404'/>");
	remote_say(&fixture->a, "<unbind name='X.example'/>");
	remote_expect(&fixture->a, "<unbind/>");
	remote_expect(&fixture->b, "<presence type='unavailable' from='x.example'></presence>");
	room_expect_told(&fixture->room, "-x.example ");
}

static void names_go_with_the_connection(void **state)
{
	struct fixture *fixture = with_names(state);
	struct remote other;
	const char *heard;

	remote_open(&other, &fixture->room, LINK_DOWN);
	remote_say(&other, "<bind name='1.example'/><bind name='2.example'><default/></bind><bind "
			   "name='3.example'/>");
	remote_heard(&fixture->a);
	remote_close(&other);
	heard = remote_heard(&fixture->a);
	count_is(heard, "<presence type='unavailable'", 3);
	remote_say(&fixture->a, "<route from='x.example' to='2.example'/>");
	remote_expect(&fixture->a, "<route from='x.example' to='2.example' error='404'/>");
	remote_say(&fixture->a, "<bind name='2.example'/>");
	remote_expect(&fixture->a, "<bind/>");
}

/* -- routes
 * ------------------------------------------------------------------------------------------ */

static void routes_pass_unchanged(void **state)
{
	static const char *const routes[] = {
		"<route to='y.example' from='x.example'>" MESSAGE "</route>",
		"<route to='u@Y.example/r' from='U@X.example/s'>" MESSAGE "</route>",
		"<route to='y.example' from='x.example'/>",
		"<route to='y.example' from='x.example'>hello &lt;x</route>",
		"<route to='y.example' from='x.example'><x xmlns='foo'/><y xmlns='bar'/></route>",
		"<route to='y.example' from='x.example' other='&#9;'>a<x "
		"xmlns='foo'>b</x>c</route>",
	};
	struct fixture *fixture = with_names(state);

	for (size_t at = 0; at < countof(routes); at++) {
		remote_say(&fixture->a, routes[at]);
		remote_expect(&fixture->b, routes[at]);
		remote_expect(&fixture->a, "");
	}
	room_expect(&fixture->room, "");
}

static void a_peer_may_route_to_itself(void **state)
{
	struct fixture *fixture = with_names(state);

	remote_say(&fixture->a, "<route to='x.example' from='x.example'/>");
	remote_expect(&fixture->a, "<route to='x.example' from='x.example'/>");
}

static void bounces_go_back_as_they_came(void **state)
{
	static const char *const routes[][2] = {
		{"<route to='y.example'>" MESSAGE "</route>",
		 "<route to='y.example' error='400'>" MESSAGE "</route>"},
		{"<route from='x.example'>" MESSAGE "</route>",
		 "<route from='x.example' error='400'>" MESSAGE "</route>"},
		{"<route from='x.example' to='@'/>",
		 "<route from='x.example' to='@' error='400'/>"},
		{"<route from='' to='y.example'/>", "<route from='' to='y.example' error='400'/>"},
		{"<route from='y.example' to='x.example'/>",
		 "<route from='y.example' to='x.example' error='401'/>"},
		{"<route from='sm' to='y.example'/>",
		 "<route from='sm' to='y.example' error='401'/>"},
		{"<route from='not.mine' to='nobody.example'/>",
		 "<route from='not.mine' to='nobody.example' error='401'/>"},
		{"<route from='x.example' to='nobody.example'>a<x xmlns='b'/></route>",
		 "<route from='x.example' to='nobody.example' error='404'>a<x xmlns='b'/></route>"},
		/* In the name of a domain only who serves it speaks. */
		{"<route from='x.example' to='y.example'><a xmlns:j='" NS_JACKDAW "' j:as='y.example'/></route>",
		 "<route from='x.example' to='y.example' error='401'><a xmlns:j='" NS_JACKDAW
		 "' j:as='y.example'/></route>"},
		{"<route type='broadcast'/>", "<route type='broadcast' error='400'/>"},
		{"<route type='broadcast' from='y.example'/>",
		 "<route type='broadcast' from='y.example' error='401'/>"},
	};
	struct fixture *fixture = with_names(state);

	for (size_t at = 0; at < countof(routes); at++) {
		remote_say(&fixture->a, routes[at][0]);
		remote_expect(&fixture->a, routes[at][1]);
		remote_expect(&fixture->b, "");
	}
}

static void errors_and_unknown_types_are_dropped(void **state)
{
	struct fixture *fixture = with_names(state);

	remote_say(&fixture->a,
		   "<route to='y.example' from='x.example' error='404'>" MESSAGE "</route>");
	remote_say(&fixture->a, "<route to='nobody.example' from='not.mine' error=''/>");
	remote_say(&fixture->a, "<route to='sm' from='x.example' error='x'>" MESSAGE "</route>");
	remote_say(&fixture->a, "<route to='y.example' from='x.example' type='foo'/>");
	remote_say(&fixture->a, "<route to='y.example' from='x.example' type=''/>");
	remote_say(&fixture->a, "<route type='broadcast' error='1' from='x.example'/>");
	remote_expect(&fixture->a, "");
	remote_expect(&fixture->b, "");
	room_expect(&fixture->room, "");
}

static void unknown_names_go_to_the_default_route(void **state)
{
	struct fixture *fixture = with_names(state);

	remote_say(&fixture->b, "<bind name='def.example'><default/></bind>");
	remote_expect(&fixture->b, "<bind><default/></bind>");
	remote_heard(&fixture->a);
	remote_say(&fixture->a, "<bind name='def2.example'><default/></bind>");
	remote_expect(&fixture->a, "<bind error='409'><default/></bind>");
	remote_say(&fixture->a, "<route to='unknown.example' from='x.example'/>");
	remote_expect(&fixture->b, "<route to='unknown.example' from='x.example'/>");
	/* What is numbered is for its end alone. */
	remote_say(&fixture->a, "<route to='unknown.example' from='x.example'><a xmlns:j='" NS_JACKDAW
				"' j:from='1' j:to='2' j:seq='1'/></route>");
	assert_non_null(strstr(remote_heard(&fixture->a), "error='404'"));
	remote_expect(&fixture->b, "");
	/* Its own: not from that name, but from another of its names. */
	remote_say(&fixture->b, "<route to='unknown.example' from='def.example'/>");
	remote_expect(&fixture->b, "<route to='unknown.example' from='def.example' error='404'/>");
	remote_say(&fixture->b, "<route to='unknown.example' from='y.example'/>");
	remote_expect(&fixture->b, "<route to='unknown.example' from='y.example'/>");
	remote_say(&fixture->b, "<unbind name='def.example'/>");
	remote_heard(&fixture->a);
	remote_say(&fixture->a, "<route to='unknown.example' from='x.example'/>");
	remote_expect(&fixture->a, "<route to='unknown.example' from='x.example' error='404'/>");
}

static void broadcasts_reach_all_others(void **state)
{
	struct fixture *fixture = with_names(state);
	struct remote other;

	remote_open(&other, &fixture->room, LINK_DOWN);
	remote_say(&fixture->a, "<route type='broadcast' from='x.example'>" MESSAGE "</route>");
	remote_expect(&fixture->a, "");
	remote_expect(&fixture->b, "<route type='broadcast' from='x.example'>" MESSAGE "</route>");
	remote_expect(&other, "<route type='broadcast' from='x.example'>" MESSAGE "</route>");
	room_expect(&fixture->room, "");
	remote_close(&other);
}

static void everything_else_is_dropped(void **state)
{
	struct fixture *fixture = with_names(state);

	remote_say(&fixture->a, "<wibble/><route xmlns='other'/><presence from='z.example'/><ping "
				"xmlns='http://www.xmpp.org/extensions/"
				"xep-0198.html#ns'/><message xmlns='jabber:client'/>  ");
	remote_expect(&fixture->a, "");
	remote_expect(&fixture->b, "");
	room_expect_told(&fixture->room, "");
}

/* -- what a peer may cost
 * ---------------------------------------------------------------------------- */

static void names_are_bounded(void **state)
{
	struct fixture *fixture = with_names(state);
	unsigned bound = 0;

	remote_say(&fixture->b, "<bind name='m.example' multi='to'/>");
	for (unsigned at = 0; at < LINK_NAMES_MAX; at++) {
		char text[64];

		snprintf(text, sizeof(text), "<bind name='n%u.example'/>", at);
		sx_feed(fixture->a.conn.sx, text, strlen(text));
		remote_heard(&fixture->b);
		bound += strstr(remote_heard(&fixture->a), "error='409'") == NULL;
	}
	assert_int_equal(table_count(&fixture->room.links[0]->routes), LINK_NAMES_MAX);
	assert_int_equal(bound, LINK_NAMES_MAX - 7);
	/* Joining makes no new name. */
	remote_say(&fixture->a, "<bind name='m.example' multi='to'/>");
	remote_expect(&fixture->a, "<bind multi='to'/>");
	room_settle(&fixture->room);
}

static void long_addresses_are_refused(void **state)
{
	struct fixture *fixture = with_names(state);
	AUTO(buf_fini) struct buf text = {0};
	char name[5000];

	memset(name, 'a', sizeof(name));
	buf_printf(&text, "<bind name='%.*s'/>", (int)sizeof(name), name);
	remote_say(&fixture->a, buf_text(&text));
	count_is(remote_heard(&fixture->a), "error='400'", 1);
	buf_clear(&text);
	buf_printf(&text, "<route from='x.example' to='y.example/%.*s'/>", (int)sizeof(name), name);
	remote_say(&fixture->a, buf_text(&text));
	count_is(remote_heard(&fixture->a), "error='400'", 1);
	buf_clear(&text);
	buf_printf(&text,
		   "<route from='x.example' to='sm'><iq xmlns='jabber:client' id='%.*s' "
		   "type='get'/></route>",
		   (int)sizeof(name), name);
	remote_say(&fixture->a, buf_text(&text));
	assert_int_equal(fixture->room.last->stanza->id.len, sizeof(name));
}

#define in_room(test) cmocka_unit_test_setup_teardown(test, open_room, close_room)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_room(the_reply_comes_first_then_all_names),
		in_room(who_serves_no_name_hears_of_none),
		in_room(others_hear_of_names_once),
		in_room(only_the_prepared_domain_is_bound),
		in_room(refuses_bad_names),
		in_room(refuses_names_in_use),
		in_room(asks_what_is_permitted),
		in_room(several_may_serve_a_name),
		in_room(unbinding_is_answered),
		in_room(names_go_with_the_connection),
		in_room(routes_pass_unchanged),
		in_room(a_peer_may_route_to_itself),
		in_room(bounces_go_back_as_they_came),
		in_room(errors_and_unknown_types_are_dropped),
		in_room(unknown_names_go_to_the_default_route),
		in_room(broadcasts_reach_all_others),
		in_room(everything_else_is_dropped),
		in_room(names_are_bounded),
		in_room(long_addresses_are_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
