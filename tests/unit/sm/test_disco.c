/* SPDX-License-Identifier: MIT */
/* What clients find of a domain and of an account, and who is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/macros.h"
#include "component/settings.h"
#include "link/packet.h"
#include "room.h"
#include "stanza/caps.h"
#include "xml/nad.h"
#include "xml/parser.h"

#define ROMEO "romeo@localhost/a"
#define ASK(what, who) "<iq type='get' id='d' to='" who "'><query xmlns='http://jabber.org/protocol/disco#" what "'/></iq>"
#define INFO "<query xmlns='http://jabber.org/protocol/disco#info'>"

enum { DOMAIN = 1, ACCOUNT = 2 };

/* Where clients look for it. */
static const struct {
	const char *feature;
	unsigned where;
} features[] = {
	{"http://jabber.org/protocol/caps", DOMAIN},
	{"http://jabber.org/protocol/disco#info", DOMAIN | ACCOUNT},
	{"http://jabber.org/protocol/disco#items", DOMAIN | ACCOUNT},
	{"jabber:iq:last", DOMAIN | ACCOUNT},
	{"jabber:iq:private", DOMAIN | ACCOUNT},
	{"jabber:iq:roster", DOMAIN},
	{"jabber:iq:version", DOMAIN},
	{"msgoffline", DOMAIN},
	{"urn:xmpp:blocking", DOMAIN},
	{"urn:xmpp:caps", DOMAIN},
	{"urn:xmpp:carbons:2", DOMAIN | ACCOUNT},
	{"urn:xmpp:carbons:rules:0", DOMAIN | ACCOUNT},
	{"urn:xmpp:ping", DOMAIN | ACCOUNT},
	{"urn:xmpp:time", DOMAIN},
	{"vcard-temp", DOMAIN | ACCOUNT},
};

static void log_in(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_login(room, ROMEO);
}

static const char *ask(struct room *room, const char *request)
{
	const char *told;

	room_send(room, ROMEO, request);
	told = room_next(room, ROMEO);
	assert_non_null(told);
	return told;
}

static void assert_features(const char *told, unsigned where)
{
	unsigned wanted = 0, found = 0;

	for (size_t at = 0; at < countof(features); at++) {
		char row[128];

		snprintf(row, sizeof(row), "<feature var='%s'/>", features[at].feature);
		if (!strstr(told, row) == !!(features[at].where & where))
			fail_msg("%s in %s", row, told);
		wanted += !!(features[at].where & where);
	}
	for (const char *at = strstr(told, "<feature "); at; at = strstr(at + 1, "<feature "))
		found++;
	assert_int_equal(found, wanted);
}

static void features_stand_where_clients_look(void **state)
{
	struct room *room = *state;
	const char *told;

	log_in(room);
	told = ask(room, ASK("info", "localhost"));
	assert_non_null(strstr(told, INFO "<identity category='server' type='im' name='jackdaw' xml:lang='en'/>"));
	assert_features(told, DOMAIN);
	assert_null(strstr(told, "jabber:x:data"));
	told = ask(room, ASK("info", "romeo@localhost"));
	assert_non_null(strstr(told, INFO "<identity category='account' type='registered'/>"));
	assert_features(told, ACCOUNT);
}

#define GET(to, inside) "<iq type='get' id='r' to='" to "'>" inside "</iq>"
#define BOTH(inside) GET("localhost", inside), GET("romeo@localhost", inside)

/* What is said to be there is: no feature without an answer. */
static void what_is_announced_answers(void **state)
{
	static const char *const requests[] = {
		BOTH("<ping xmlns='urn:xmpp:ping'/>"),
		BOTH("<query xmlns='jabber:iq:last'/>"),
		BOTH("<query xmlns='http://jabber.org/protocol/disco#items'/>"),
	};
	struct room *room = *state;

	log_in(room);
	for (size_t at = 0; at < countof(requests); at++)
		assert_non_null(strstr(ask(room, requests[at]), "type='result'"));
	assert_non_null(strstr(ask(room, GET("localhost", "<time xmlns='urn:xmpp:time'/>")),
			       "<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>2026-01-01T00:00:0"));
	assert_non_null(strstr(ask(room, GET("localhost", "<query xmlns='jabber:iq:version'/>")), "<name>jackdaw</name>"));
}

static void an_account_is_known_to_those_who_see_it(void **state)
{
	struct room *room = *state;

	log_in(room);
	room_account(room, "juliet@localhost");
	assert_non_null(strstr(ask(room, ASK("info", "juliet@localhost")), "<service-unavailable"));
	assert_non_null(strstr(ask(room, ASK("items", "juliet@localhost")), "<service-unavailable"));
	assert_non_null(strstr(ask(room, ASK("info", "nobody@localhost")), "<service-unavailable"));
	room_login(room, "juliet@localhost/b");
	room_send(room, ROMEO, "<presence to='juliet@localhost' type='subscribe'/>");
	room_send(room, "juliet@localhost/b", "<presence to='romeo@localhost' type='subscribed'/>");
	room_forget(room);
	assert_non_null(strstr(ask(room, ASK("info", "juliet@localhost")), "type='registered'"));
}

#define ASK_NODE(what, who, node) "<iq type='get' id='d' to='" who "'><query xmlns='http://jabber.org/protocol/disco#" what "' node='" node "'/></iq>"

static void there_are_no_other_nodes(void **state)
{
	static const char *const requests[] = {
		ASK_NODE("info", "localhost", "x"), ASK_NODE("info", "localhost", "urn:xmpp:caps#"),
		ASK_NODE("items", "localhost", "urn:jackdaw#x"), ASK_NODE("info", "romeo@localhost", "urn:jackdaw#x")};
	struct room *room = *state;

	log_in(room);
	for (size_t at = 0; at < countof(requests); at++)
		assert_non_null(strstr(ask(room, requests[at]), "<item-not-found"));
}

/* -- XEP-0115, XEP-0390 -- */

static struct nad *parse(const char *text)
{
	static const struct xml_limits limits = {.stanza_bytes = 1 << 16, .depth = 10, .attributes = 10};
	struct nad *nad = xml_parse(slice_of(text), &limits);

	assert_non_null(nad);
	return nad;
}

/* That it is offered, and the answer for its node has it. */
static void check_hash(struct room *room, enum caps_version version, const char *algorithm, struct slice hash)
{
	AUTO(buf_fini) struct buf node = {0}, request = {0}, text = {0}, own = {0};
	AUTO(nad_free) struct nad *answer = NULL;

	if (version == CAPS_1)
		buf_append_text(&node, "urn:jackdaw#");
	else
		buf_printf(&node, "urn:xmpp:caps#%s.", algorithm);
	buf_append_slice(&node, hash);
	buf_printf(&request, ASK_NODE("info", "localhost", "%s"), buf_text(&node));
	answer = parse(ask(room, buf_text(&request)));
	assert_true(slice_equal(nad_attr_value(answer, nad_first_child(answer, 0), "node"), buf_slice(&node)));
	assert_int_equal(caps_text(version, answer, nad_first_child(answer, 0), &text), 0);
	assert_true(caps_hash(version, slice_of(algorithm), buf_slice(&text), &own));
	assert_true(slice_equal(buf_slice(&own), hash));
}

static void the_hashes_of_the_features_are_of_what_is_answered(void **state)
{
	static const char *abuse[] = {"mailto:abuse@example.org"};
	struct room *room = *state;
	AUTO(nad_free) struct nad *offered = NULL;
	int first, hash;

	room_settings(room)->contact.abuse = (struct conf_list){abuse, countof(abuse)};
	log_in(room);
	room_action(room, "x", SESSION_HELLO, "localhost");
	offered = parse(room_snapshot(room, "x"));
	assert_true(nad_find_child(offered, 0, "urn:xmpp:features:rosterver", "ver") >= 0);
	assert_true(nad_find_child(offered, 0, "urn:xmpp:features:pre-approval", "sub") >= 0);
	first = nad_find_child(offered, 0, "http://jabber.org/protocol/caps", "c");
	assert_true(slice_is(nad_attr_value(offered, first, "node"), "urn:jackdaw"));
	check_hash(room, CAPS_1, "sha-1", nad_attr_value(offered, first, "ver"));
	hash = nad_first_child(offered, nad_find_child(offered, 0, "urn:xmpp:caps", "c"));
	assert_true(slice_is(nad_attr_value(offered, hash, "algo"), "sha-256"));
	check_hash(room, CAPS_2, "sha-256", nad_cdata(offered, hash));
	hash = nad_next_sibling(offered, hash);
	assert_true(nad_is(offered, hash, "urn:xmpp:hashes:2", "hash"));
	check_hash(room, CAPS_2, "sha3-256", nad_cdata(offered, hash));
}

/* -- XEP-0157 -- */

static void the_domain_says_whom_to_write_to(void **state)
{
	static const char *abuse[] = {"mailto:abuse@example.org", "xmpp:abuse@example.org?message;a=1&b=2"};
	static const char *support[] = {"https://example.org/support"};
	struct room *room = *state;

	room_settings(room)->contact.abuse = (struct conf_list){abuse, countof(abuse)};
	room_settings(room)->contact.support = (struct conf_list){support, countof(support)};
	log_in(room);
	assert_non_null(strstr(ask(room, ASK("info", "localhost")),
			       "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>"
			       "http://jabber.org/network/serverinfo</value></field><field var='abuse-addresses'>"
			       "<value>mailto:abuse@example.org</value><value>xmpp:abuse@example.org?message;a=1&amp;b=2"
			       "</value></field><field var='support-addresses'><value>https://example.org/support</value>"
			       "</field></x></query></iq>"));
	assert_null(strstr(ask(room, ASK("info", "romeo@localhost")), "jabber:x:data"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, room_open, room_close)
	static const struct CMUnitTest tests[] = {
		TEST(features_stand_where_clients_look),
		TEST(what_is_announced_answers),
		TEST(an_account_is_known_to_those_who_see_it),
		TEST(there_are_no_other_nodes),
		TEST(the_hashes_of_the_features_are_of_what_is_answered),
		TEST(the_domain_says_whom_to_write_to),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
