/* SPDX-License-Identifier: MIT */
/* The packet filter: what a rule fits, and what becomes of it. component-protocol.md section 7. */
#include "fixture.h"

#include <string.h>

#define TEXT(literal)                                                                              \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

static struct buf matched; /* "RULE from to\n" */

static void on_match(void *arg, const struct link_rule *rule, struct slice from, struct slice to)
{
	struct heap *before = heap_enter(NULL);

	buf_printf(&matched, "%u %.*s %.*s\n", rule->error, (int)from.len, from.data, (int)to.len,
		   to.data);
	heap_enter(before);
}

static const struct link_rule rules[] = {
	{.from = TEXT("good@*"), .to = TEXT("*")},
	{.from = TEXT("bad@x.example"), .to = TEXT("*"), .error = 403, .log = true},
	{.from = TEXT("*"), .to = TEXT("old@*"), .redirect = "new@y.example"},
	{.from = TEXT("*"),
	 .to = TEXT("*"),
	 .what = TEXT("iq/query?xmlns=jabber:iq:register"),
	 .error = 405},
	{.from = TEXT("*"), .to = TEXT("*"), .what = TEXT("message/x/y?k=v"), .error = 406},
	{.from = TEXT("*"), .to = TEXT("*"), .what = TEXT("message?secret"), .error = 401},
	{.from = TEXT("*.example"), .to = TEXT("*"), .what = TEXT("presence"), .error = 409},
	{.to = TEXT("[m-n]*@*"), .error = 501},
	{.what = TEXT("session?action=delete"), .error = 407},
	{.from = TEXT("lost@*"), .to = TEXT("*"), .redirect = "nobody.example"},
};

static const struct link_policy policy = {
	.rules = rules, .rule_count = countof(rules), .matched = on_match};

static int open_room(void **state)
{
	return open_with(state, &policy);
}

static int leave_room(void **state)
{
	buf_fini(&matched);
	return close_room(state);
}

/* What a says with this payload comes back with the code, or arrives at b. */
static void becomes(struct fixture *fixture, const char *payload, const char *error)
{
	AUTO(buf_fini) struct buf text = {0};

	buf_printf(&text, "<route to='y.example' from='x.example'>%s</route>", payload);
	remote_say(&fixture->a, buf_text(&text));
	if (error) {
		count_is(remote_heard(&fixture->a), error, 1);
		remote_expect(&fixture->b, "");
	} else {
		remote_expect(&fixture->b, buf_text(&text));
		remote_expect(&fixture->a, "");
	}
}

#define FROM_TO(name, from, to, inside)                                                            \
	"<" name " xmlns='jabber:client' from='" from "' to='" to "'>" inside "</" name ">"

static void the_first_rule_that_fits_decides(void **state)
{
	struct fixture *fixture = *state;

	becomes(fixture, FROM_TO("message", "bad@x.example/r", "u@b", "t"), "error='403'");
	becomes(fixture, FROM_TO("message", "good@x.example", "u@b", "<x><y k='v'/></x>"), NULL);
	becomes(fixture, FROM_TO("message", "c@x.example", "u@b", "<x><y k='v'/></x>"),
		"error='406'");
	becomes(fixture, FROM_TO("message", "c@x.example", "u@b", "<body>t</body>"), NULL);
}

static void addresses_are_compared_as_addresses(void **state)
{
	struct fixture *fixture = *state;

	becomes(fixture, FROM_TO("message", "BAD@X.example", "u@b", "t"), "error='403'");
	assert_string_equal(buf_text(&matched), "403 bad@x.example u@b\n");
	becomes(fixture, FROM_TO("message", "bad@x.example/[r]", "u@b/r", "t"), "error='403'");
	becomes(fixture, FROM_TO("message", "bad@x.exampl", "u@b/r", "t"), NULL);
	becomes(fixture, FROM_TO("message", "@bad.example/x", "u@b", "t"), NULL);
}

static void what_is_absent_fits_what_is_absent(void **state)
{
	struct fixture *fixture = *state;

	becomes(fixture, "<message xmlns='jabber:client' to='me@b'/>", "error='501'");
	becomes(fixture, "<message xmlns='jabber:client' to='me@b' from=''/>", "error='501'");
	becomes(fixture, "<message xmlns='jabber:client' to='me@b' from='a@b'/>", NULL);
	becomes(fixture, "<message xmlns='jabber:client' to='you@b'/>", NULL);
	becomes(fixture, "<message xmlns='jabber:client' from='bad@x.example'/>", NULL);
	becomes(fixture, "text", NULL);
}

static void a_path_leads_down(void **state)
{
	struct fixture *fixture = *state;

	becomes(fixture, FROM_TO("iq", "a@b", "c@d", "<query xmlns='jabber:iq:register'/>"),
		"error='405'");
	becomes(fixture, FROM_TO("iq", "a@b", "c@d", "<query xmlns='jabber:iq:roster'/>"), NULL);
	becomes(fixture,
		FROM_TO("iq", "a@b", "c@d", "<q xmlns='o'><query xmlns='jabber:iq:register'/></q>"),
		NULL);
	becomes(fixture,
		FROM_TO("iq", "a@b", "c@d",
			"<query xmlns='o'/><query xmlns='jabber:iq:register'/>"),
		"error='405'");
	becomes(fixture, FROM_TO("message", "a@b", "c@d", "<x/><x><z/><y k='w'/><y k='v'/></x>"),
		"error='406'");
	becomes(fixture, FROM_TO("message", "a@b", "c@d", "<x><z><y k='v'/></z></x>"), NULL);
	becomes(fixture, "<message xmlns='jabber:client' from='a@b' to='c@d' secret=''/>",
		"error='401'");
	becomes(fixture,
		"<message xmlns='jabber:client' from='a@b' to='c@d' q:secret='' xmlns:q='q'/>",
		"error='401'");
	becomes(fixture, FROM_TO("presence", "a@b.example", "c@d", ""), "error='409'");
}

static void session_actions_have_no_addresses(void **state)
{
	struct fixture *fixture = *state;

#define SESSION(action)                                                                            \
	"<sc:session xmlns:sc='http://jabberd.jabberstudio.org/ns/session/1.0' "                   \
	"target='u@a.example' "                                                                    \
	"action='" action "'/>"
	becomes(fixture, SESSION("delete"), "error='407'");
	becomes(fixture, SESSION("start"), NULL);
}

static void a_redirected_route_has_another_to(void **state)
{
	struct fixture *fixture = *state;

	remote_say(&fixture->a, "<route to='x.example' from='x.example'>" FROM_TO(
					"message", "a@b", "old@x.example/r", "t") "</route>");
	remote_expect(&fixture->a, "");
	remote_expect(&fixture->b, "<route to='new@y.example' from='x.example'>" FROM_TO(
					   "message", "a@b", "old@x.example/r", "t") "</route>");
	becomes(fixture, FROM_TO("message", "lost@b", "c@d", ""), "error='404'");
}

static void a_sink_sees_what_passes(void **state)
{
	struct fixture *fixture = *state;
	struct remote sink;

	remote_open(&sink, &fixture->room, LINK_DOWN);
	remote_say(&sink, "<bind name='s.example'><log/></bind>");
	remote_heard(&sink);
	forget(fixture);
	becomes(fixture, FROM_TO("message", "bad@x.example", "c@d", "t"), "error='403'");
	remote_expect(&sink, "");
	becomes(fixture, FROM_TO("message", "a@b", "c@d", "t"), NULL);
	count_is(remote_heard(&sink), "type='log'", 1);
	remote_close(&sink);
}

static void broadcasts_and_errors_are_not_asked_about(void **state)
{
	struct fixture *fixture = *state;

	remote_say(&fixture->a, "<route type='broadcast' from='x.example'>" FROM_TO(
					"message", "bad@x.example", "c@d", "t") "</route>");
	count_is(remote_heard(&fixture->b), "type='broadcast'", 1);
	assert_int_equal(buf_used(&matched), 0);
}

/* -- what parts of this process send
 * ----------------------------------------------------------------- */

static void stanzas_of_parts_are_asked_about_once(void **state)
{
	static const char *const to[] = {"u1@a.example", "u2@a.example", "v@y.example",
					 "u@nobody.example"};
	struct fixture *fixture = *state;

	for (size_t at = 0; at < countof(to); at++) {
		struct packet *packet = make_message("bad@x.example/r", to[at]);

		buf_clear(&fixture->room.heard);
		buf_clear(&matched);
		room_send(&fixture->room, at % ROOM_WORKERS, &packet);
		count_is(buf_text(&fixture->room.heard), " 403 <route", 1);
		count_is(buf_text(&fixture->room.heard), "sm/", 1);
		count_is(buf_text(&matched), "403", 1);
		remote_expect(&fixture->b, "");
	}
}

static void stanzas_of_parts_are_redirected(void **state)
{
	struct fixture *fixture = *state;
	struct packet *packet = make_message("a@a.example", "old@a.example");

	room_send(&fixture->room, 1, &packet);
	count_is(remote_heard(&fixture->b), "<route from='sm' to='y.example'>", 1);
	assert_int_equal(buf_used(&fixture->room.heard), 0);
}

static void what_c2s_and_sm_say_about_a_session_is_their_own(void **state)
{
	struct fixture *fixture = *state;
	struct packet *packet = make_message("bad@x.example", "u@a.example");

	assert_true(session_id_take(&packet->sm, SLICE("0.1.2")));
	room_send(&fixture->room, 0, &packet);
	count_is(buf_text(&fixture->room.heard), "403", 0);
	count_is(buf_text(&fixture->room.heard), "sm/", 1);
	assert_true(link_is_watched(fixture->room.links[0]) &&
		    link_is_watched(fixture->room.links[1]));
}

static void external_components_get_a_stanza_error(void **state)
{
	struct fixture *fixture = *state;
	struct remote external;

	remote_open(&external, &fixture->room, LINK_EXTERNAL);
	remote_say(
		&external,
		"<presence xmlns='jabber:component:accept' from='n@e.example' to='u@a.example'/>");
	count_is(remote_heard(&external), "<conflict", 1);
	remote_say(
		&external,
		"<message xmlns='jabber:component:accept' from='n@e.example' to='old@a.example'/>");
	remote_expect(&external, "");
	count_is(remote_heard(&fixture->b), "<route from='e.example' to='y.example'>", 1);
	remote_say(
		&external,
		"<message xmlns='jabber:component:accept' from='n@e.example' to='u@a.example'/>");
	count_is(buf_text(&fixture->room.heard), "sm/", 1);
	remote_close(&external);
}

static void knows_a_path_when_it_sees_one(void **state)
{
	static const char *const good[] = {"message", "message/body",
					   "iq/query?xmlns=http://a/b?c=d", "a?b", "a?b="};
	static const char *const bad[] = {"",	"/",	"message/", "/body", "a//b",
					  "a?", "a?=x", "?b",	    "a/?b=c"};

	for (size_t at = 0; at < countof(good); at++)
		assert_true(link_what_is_valid(slice_of(good[at])));
	for (size_t at = 0; at < countof(bad); at++) {
		if (link_what_is_valid(slice_of(bad[at])))
			fail_msg("\"%s\"", bad[at]);
	}
}

#define in_room(test) cmocka_unit_test_setup_teardown(test, open_room, leave_room)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_room(the_first_rule_that_fits_decides),
		in_room(addresses_are_compared_as_addresses),
		in_room(what_is_absent_fits_what_is_absent),
		in_room(a_path_leads_down),
		in_room(session_actions_have_no_addresses),
		in_room(a_redirected_route_has_another_to),
		in_room(a_sink_sees_what_passes),
		in_room(broadcasts_and_errors_are_not_asked_about),
		in_room(stanzas_of_parts_are_asked_about_once),
		in_room(stanzas_of_parts_are_redirected),
		in_room(what_c2s_and_sm_say_about_a_session_is_their_own),
		in_room(external_components_get_a_stanza_error),
		cmocka_unit_test(knows_a_path_when_it_sees_one),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
