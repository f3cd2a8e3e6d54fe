/* SPDX-License-Identifier: MIT */
/* Commands that clients of administrators have done, XEP-0050 and XEP-0133. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "component/settings.h"
#include "link/packet.h"
#include "room.h"

#define ALICE "alice@localhost/a"
#define ROMEO "romeo@localhost/a"
#define COMMANDS "http://jabber.org/protocol/commands"
#define ADMIN "http://jabber.org/protocol/admin#"
#define DISCO(what, to, node)                                                                              \
	"<iq type='get' id='d' to='" to "'><query xmlns='http://jabber.org/protocol/disco#" what "'" node "/></iq>"
#define COMMAND(to, node, attributes, inside)                                                              \
	"<iq type='set' id='c' to='" to "'><command xmlns='" COMMANDS "' node='" ADMIN node "'" attributes ">" inside \
	"</command></iq>"
#define FORM(fields) "<x xmlns='jabber:x:data' type='submit'>" fields "</x>"
#define FIELD(var, value) "<field var='" var "'><value>" value "</value></field>"

/* Some of them live on one worker, some on the other. */
static const char *const people[] = {"romeo", "juliet", "nurse", "paris", "tybalt", "benvolio"};

static int open_room(void **state)
{
	room_open(state);
	room_account(*state, "alice@localhost");
	room_account(*state, "romeo@localhost");
	room_administer(*state, "alice@localhost");
	room_login(*state, ALICE);
	room_login(*state, ROMEO);
	return 0;
}

static const char *ask(struct room *room, const char *client, const char *request)
{
	const char *told;

	room_send(room, client, request);
	told = room_next(room, client);
	assert_non_null(told);
	return told;
}

static void expect(struct room *room, const char *client, const char *request, const char *part)
{
	const char *told = ask(room, client, request);

	if (!strstr(told, part))
		fail_msg("%s is not in %s", part, told);
}

/* An error of the standard and one of XEP-0050. */
static void expect_refused(struct room *room, const char *request, const char *condition)
{
	char part[128];

	snprintf(part, sizeof(part), "<%s xmlns='" COMMANDS "'/></error>", condition);
	expect(room, ALICE, request, part);
}

/* -- finding them -- */

static void administrators_find_them(void **state)
{
	struct room *room = *state;

	expect(room, ALICE, DISCO("info", "localhost", ""), "<feature var='" COMMANDS "'/>");
	expect(room, ALICE, DISCO("info", "alice@localhost", ""), "<feature var='" COMMANDS "'/>");
	expect(room, ALICE, DISCO("info", "b.example", ""), "<feature var='" COMMANDS "'/>");
	expect(room, ALICE, DISCO("items", "localhost", " node='" COMMANDS "'"),
	       "<item jid='localhost' node='" ADMIN "add-user' name='Add an account'/>");
	expect(room, ALICE, DISCO("items", "alice@localhost", " node='" COMMANDS "'"),
	       "<item jid='alice@localhost' node='" ADMIN "announce'");
	expect(room, ALICE, DISCO("info", "localhost", " node='" COMMANDS "'"),
	       "<identity category='automation' type='command-list' name='Administration'/>");
	expect(room, ALICE, DISCO("info", "alice@localhost", " node='" ADMIN "add-user'"),
	       "node='" ADMIN "add-user'><identity category='automation' type='command-node' name='Add an account'/>"
	       "<feature var='" COMMANDS "'/><feature var='jabber:x:data'/></query>");
	expect(room, ALICE, DISCO("info", "localhost", " node='" ADMIN "get-user-password'"), "<item-not-found");
}

static void others_find_nothing(void **state)
{
	static const char *const addresses[] = {"localhost", "romeo@localhost"};
	struct room *room = *state;
	char request[512];

	for (size_t at = 0; at < countof(addresses); at++) {
		snprintf(request, sizeof(request), DISCO("info", "%s", ""), addresses[at]);
		assert_null(strstr(ask(room, ROMEO, request), COMMANDS));
		snprintf(request, sizeof(request), DISCO("items", "%s", " node='" COMMANDS "'"), addresses[at]);
		expect(room, ROMEO, request, "<item-not-found");
		snprintf(request, sizeof(request), DISCO("info", "%s", " node='" ADMIN "add-user'"), addresses[at]);
		expect(room, ROMEO, request, "<item-not-found");
		snprintf(request, sizeof(request), COMMAND("%s", "add-user", "", ""), addresses[at]);
		expect(room, ROMEO, request, "<forbidden");
	}
	expect(room, ROMEO, COMMAND("alice@localhost", "add-user", "", ""), "<service-unavailable");
	expect(room, ALICE, COMMAND("romeo@localhost", "add-user", "", ""), "<service-unavailable");
	room_from_world(room, "<iq type='set' id='c' from='x@remote.example' to='localhost'><command xmlns='" COMMANDS
			      "' node='" ADMIN "add-user'/></iq>");
	room_expect(room, "world", "<forbidden");
}

/* -- sessions -- */

/* Of what was told; in a buffer of the test. */
static const char *session_of(const char *told)
{
	static char id[64];
	const char *begin = strstr(told, "sessionid='");

	assert_non_null(begin);
	assert_int_equal(sscanf(begin, "sessionid='%63[^']'", id), 1);
	return id;
}

static const char *begin(struct room *room, const char *node)
{
	char request[512];
	const char *told;

	snprintf(request, sizeof(request), COMMAND("localhost", "%s", "", ""), node);
	told = ask(room, ALICE, request);
	assert_non_null(strstr(told, "status='executing'"));
	return session_of(told);
}

/* The second stage, with attributes and what is inside. */
static const char *second(const char *node, const char *session, const char *attributes, const char *inside)
{
	static char request[4096];

	snprintf(request, sizeof(request), COMMAND("localhost", "%s", " sessionid='%s'%s", "%s"), node, session, attributes,
		 inside);
	return request;
}

/* Its form, filled in, and what is told then. */
static const char *run(struct room *room, const char *node, const char *inside)
{
	return ask(room, ALICE, second(node, begin(room, node), " action='complete'", inside));
}

static void expect_run(struct room *room, const char *node, const char *inside, const char *part)
{
	const char *told = run(room, node, inside);

	if (!strstr(told, "status='completed'") || !strstr(told, part))
		fail_msg("%s is not in %s", part, told);
}

static void a_form_has_one_stage(void **state)
{
	struct room *room = *state;
	char session[64];

	expect(room, ALICE, COMMAND("localhost", "user-stats", " action='execute'", ""),
	       "status='executing'><actions execute='complete'><complete/></actions><x xmlns='jabber:x:data' type='form'>"
	       "<title>Show the figures of an account</title><field var='FORM_TYPE' type='hidden'>"
	       "<value>http://jabber.org/protocol/admin</value></field><field var='accountjid' type='jid-single' "
	       "label='The address of the account'><required/></field></x></command>");
	snprintf(session, sizeof(session), "%s", begin(room, "user-stats"));
	expect_refused(room, second("user-stats", session, " action='prev'", ""), "bad-action");
	expect_refused(room, second("user-stats", session, " action='next'", ""), "bad-action");
	expect_refused(room, second("user-stats", session, " action='jump'", ""), "malformed-action");
	expect(room, ALICE, second("user-stats", session, " action='cancel'", ""), "status='canceled'/>");
	expect(room, ALICE, second("user-stats", session, "", "<x xmlns='jabber:x:data' type='cancel'/>"), "status='canceled'/>");
	expect_refused(room, COMMAND("localhost", "user-stats", " action='cancel'", ""), "bad-action");
	expect_refused(room, COMMAND("localhost", "user-stats", " action='complete'", ""), "bad-action");
	expect_refused(room, COMMAND("localhost", "user-stats", " xml:lang='de'", ""), "bad-locale");
	expect(room, ALICE, COMMAND("localhost", "user-stats", " xml:lang='en-us'", ""), "xml:lang='en'><command");
	expect(room, ALICE, COMMAND("localhost", "get-user-password", "", ""), "<item-not-found");
	expect(room, ALICE, "<iq type='set' id='c' to='localhost'><command xmlns='" COMMANDS "'/></iq>", "<item-not-found");
}

static void a_session_is_of_one_client_and_one_command(void **state)
{
	struct room *room = *state;
	char session[64];

	room_login(room, "alice@localhost/b");
	snprintf(session, sizeof(session), "%s", begin(room, "user-stats"));
	expect_refused(room, second("user-stats", "", "", ""), "bad-sessionid");
	expect_refused(room, second("user-stats", "1-2-3", "", ""), "bad-sessionid");
	expect_refused(room, second("user-stats", "x", " action='cancel'", ""), "bad-sessionid");
	expect_refused(room, second("delete-user", session, " action='cancel'", ""), "bad-sessionid");
	expect(room, "alice@localhost/b", second("user-stats", session, " action='cancel'", ""), "<bad-sessionid");
	room_wait(room, 3500000);
	expect(room, ALICE, second("user-stats", session, " action='cancel'", ""), "status='canceled'");
	room_wait(room, 200000);
	expect(room, ALICE, second("user-stats", session, " action='cancel'", ""),
	       "<not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><session-expired xmlns='" COMMANDS "'/>");
}

static void what_has_completed_is_over(void **state)
{
	struct room *room = *state;
	const char *told = ask(room, ALICE, COMMAND("localhost", "get-registered-users-num", "", ""));

	assert_non_null(strstr(told, "status='completed'"));
	expect(room, ALICE, second("get-registered-users-num", session_of(told), "", ""), "<session-expired");
}

static void refuses_what_is_not_filled_in(void **state)
{
	struct room *room = *state;
	static const char *const payloads[] = {
		"",
		"<x xmlns='jabber:x:data' type='form'>" FIELD("accountjid", "a@localhost") FIELD("password", "hush") "</x>",
		FORM(FIELD("accountjid", "a@localhost") FIELD("password-verify", "hush")),
		FORM(FIELD("accountjid", "a@localhost") FIELD("password", "hush")),
		FORM(FIELD("accountjid", "a@localhost") FIELD("password", "hush") FIELD("password-verify", "hushh")),
		FORM(FIELD("accountjid", "@localhost") FIELD("password", "hush") FIELD("password-verify", "hush")),
		FORM(FIELD("password", "hush") FIELD("password-verify", "hush")),
		FORM("<field var='accountjid'><value>a@localhost</value><value>b@localhost</value></field>" FIELD("password", "hush")
			     FIELD("password-verify", "hush")),
		FORM(FIELD("FORM_TYPE", "x") FIELD("accountjid", "a@localhost") FIELD("password", "hush")
			     FIELD("password-verify", "hush")),
	};

	for (size_t at = 0; at < countof(payloads); at++) {
		const char *told = run(room, "add-user", payloads[at]);

		if (!strstr(told, "<bad-payload") || strstr(told, "hush"))
			fail_msg("%zu: %s", at, told);
	}
	expect_refused(room, second("announce", begin(room, "announce"), "", FORM("")), "bad-payload");
	expect_refused(room, second("get-online-users-list", begin(room, "get-online-users-list"), "", FORM(FIELD("max_items", "0"))),
		       "bad-payload");
	assert_non_null(strstr(run(room, "get-registered-users-list", FORM(FIELD("max_items", "none"))), "registereduserjids"));
}

/* -- what they do -- */

static void accounts_are_made_and_ended(void **state)
{
	struct room *room = *state;
	const char *told;

	expect_run(room, "add-user",
		   FORM(FIELD("accountjid", "Nurse@localhost") FIELD("password", "hush") FIELD("password-verify", "hush")
				FIELD("email", "n@localhost")),
		   "<note type='info'>nurse@localhost: added</note>");
	told = run(room, "add-user",
		   FORM(FIELD("accountjid", "nurse@localhost") FIELD("password", "x") FIELD("password-verify", "x")));
	assert_non_null(strstr(told, "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
				     "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>nurse@localhost: there is such an account already"));
	expect_run(room, "change-user-password", FORM(FIELD("accountjid", "nurse@localhost") FIELD("password", "other")),
		   "<note type='info'>nurse@localhost: has its new password</note>");
	expect(room, ALICE, COMMAND("localhost", "get-registered-users-num", "", ""),
	       "<field var='registeredusersnum' type='text-single' label='Accounts'><value>1</value></field>");
	expect_run(room, "disable-user", FORM(FIELD("accountjids", "nurse@localhost")), "type='info'");
	expect(room, ALICE, COMMAND("alice@localhost", "get-disabled-users-num", "", ""), "<value>1</value></field></x>");
	expect_run(room, "get-disabled-users-list", FORM(FIELD("max_items", "25")), "<value>nurse@localhost</value></field></x>");
	expect_run(room, "reenable-user", FORM(FIELD("accountjids", "nurse@localhost")), "enabled</note>");
	expect_run(room, "delete-user", FORM(FIELD("accountjids", "nurse@localhost")), "deleted; nobody gets the name before ");
	expect(room, ALICE, COMMAND("localhost", "get-registered-users-num", "", ""), "<value>0</value>");
	expect_run(room, "delete-user", FORM("<field var='accountjids'><value>a@localhost</value><value>b@remote.example</value></field>"),
		   "<note type='error'>a@localhost: there is no such account\nb@remote.example is not of a domain that is "
		   "served here (domains)</note></command>");
}

static void sessions_of_all_workers_are_seen_and_ended(void **state)
{
	struct room *room = *state;
	AUTO(buf_fini) struct buf form = {0};
	const char *told;

	buf_append_text(&form, "<x xmlns='jabber:x:data' type='submit'><field var='accountjids'>");
	for (size_t at = 0; at < countof(people); at++) {
		char client[64];

		snprintf(client, sizeof(client), "%s@localhost", people[at]);
		if (at)
			room_account(room, client);
		snprintf(client, sizeof(client), "%s@localhost/b", people[at]);
		room_login(room, client);
		buf_printf(&form, "<value>%s</value>", client);
	}
	buf_append_text(&form, "</field></x>");
	expect(room, ALICE, COMMAND("localhost", "get-online-users-num", "", ""), "<value>7</value>");
	told = run(room, "get-online-users-list", FORM(FIELD("max_items", "100")));
	for (size_t at = 0; at < countof(people); at++)
		assert_non_null(strstr(told, people[at]));
	assert_null(strstr(told, "<note"));
	assert_non_null(strstr(run(room, "get-online-users-list", FORM(FIELD("max_items", "6"))), "<note type='warn'>"));
	expect_run(room, "end-user-session", buf_text(&form), "romeo@localhost/b: 1 session ended\njuliet@localhost/b: 1 session");
	assert_null(room_session(room, "tybalt@localhost/b"));
	assert_non_null(room_session(room, ROMEO));
	expect(room, ALICE, COMMAND("localhost", "get-online-users-num", "", ""), "<value>2</value>");
}

static void contacts_are_shown(void **state)
{
	struct room *room = *state;

	room_send(room, ROMEO, "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='x@y' name='&lt;X&gt;'>"
			       "<group>G</group></item></query></iq>");
	room_forget(room);
	expect_run(room, "get-user-roster", FORM("<field var='accountjids'><value>romeo@localhost</value><value>z@localhost</value></field>"),
		   "<note type='error'>z@localhost: there is no such account</note><x xmlns='jabber:x:data' type='result'>"
		   "<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/admin</value></field>"
		   "<field var='accountjids' type='jid-multi' label='The account'><value>romeo@localhost</value></field>"
		   "<query xmlns='jabber:iq:roster'><item jid='x@y' name='&lt;X&gt;' subscription='none'><group>G</group></item>"
		   "</query></x></command>");
}

static void everyone_hears_an_announcement(void **state)
{
	struct room *room = *state;

	room_send(room, ROMEO, "<presence/>");
	room_forget(room);
	expect_run(room, "announce", FORM("<field var='announcement'><value>one</value><value>&lt;two&gt;</value></field>"),
		   "<note type='info'>sent to 1 session</note></command>");
	room_expect(room, ROMEO, "<body>one\n&lt;two&gt;</body>");
}

/* -- ends -- */

static void who_ends_their_own_session_hears_nothing_more(void **state)
{
	struct room *room = *state;

	room_send(room, ALICE, second("end-user-session", begin(room, "end-user-session"), "", FORM(FIELD("accountjids", "alice@localhost"))));
	room_expect(room, ALICE, "kicked");
	room_expect_nothing(room, ALICE);
	assert_null(room_session(room, ALICE));
}

static void ends_with_the_server(void **state)
{
	struct room *room = *state;

	room_send_and_leave(room, ALICE, second("get-user-lastlogin", begin(room, "get-user-lastlogin"), "",
						FORM("<field var='accountjids'><value>a@localhost</value><value>b@localhost</value></field>")));
}

static void nobody_becomes_one_by_coming_first(void **state)
{
	static const char *admins[] = {"root@localhost"};
	struct room *room = *state;

	room_settings(room)->admins = (struct conf_list){admins, 1};
	room_action(room, "x", SESSION_CREATE, "root@localhost");
	room_expect(room, "x", "create from=localhost failed");
}

static void without_a_registry_nothing_is_done(void **state)
{
	static const char *admins[] = {"alice@localhost"};
	struct room *room = *state;

	room_account(room, "alice@localhost");
	room_settings(room)->admins = (struct conf_list){admins, 1};
	room_login(room, ALICE);
	expect(room, ALICE, COMMAND("localhost", "get-registered-users-num", "", ""),
	       "<note type='error'>user count: this server cannot do it now</note></command>");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_room, room_close)
	static const struct CMUnitTest tests[] = {
		TEST(administrators_find_them),
		TEST(others_find_nothing),
		TEST(a_form_has_one_stage),
		TEST(a_session_is_of_one_client_and_one_command),
		TEST(what_has_completed_is_over),
		TEST(refuses_what_is_not_filled_in),
		TEST(accounts_are_made_and_ended),
		TEST(sessions_of_all_workers_are_seen_and_ended),
		TEST(contacts_are_shown),
		TEST(everyone_hears_an_announcement),
		TEST(who_ends_their_own_session_hears_nothing_more),
		TEST(ends_with_the_server),
		cmocka_unit_test_setup_teardown(without_a_registry_nothing_is_done, room_open, room_close),
		cmocka_unit_test_setup_teardown(nobody_becomes_one_by_coming_first, room_open, room_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
