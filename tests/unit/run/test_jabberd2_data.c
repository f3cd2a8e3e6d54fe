/* SPDX-License-Identifier: MIT */
/* The rows of jabberd2's database as XEP-0227. */
#include "run/import/jabberd2_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define OWNED "\"collection-owner\" TEXT NOT NULL, \"object-sequence\" INTEGER PRIMARY KEY, "

static const char tables[] =
	"CREATE TABLE authreg (username TEXT, realm TEXT, password TEXT);"
	"CREATE TABLE active (" OWNED "time INTEGER);"
	"CREATE TABLE \"roster-items\" (" OWNED "jid TEXT, name TEXT, \"to\" BOOLEAN, \"from\" "
	"BOOLEAN, ask INTEGER);"
	"CREATE TABLE \"roster-groups\" (" OWNED "jid TEXT, \"group\" TEXT);"
	"CREATE TABLE vcard (" OWNED "fn TEXT, tel TEXT, \"n-family\" TEXT, \"n-given\" TEXT);"
	"CREATE TABLE queue (" OWNED "xml TEXT);"
	"CREATE TABLE private (" OWNED "ns TEXT, xml TEXT);";

struct fixture {
	char path[64];
	struct buf out, why;
};

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sqlite3_errmsg(db), sql);
	sqlite3_close(db);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	int fd;

	strcpy(fixture->path, "/tmp/jackdaw-jabberd2-XXXXXX");
	fd = mkstemp(fixture->path);
	assert_true(fd >= 0);
	close(fd);
	run_sql(fixture->path, tables);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	unlink(fixture->path);
	buf_fini(&fixture->out);
	buf_fini(&fixture->why);
	free(fixture);
	return 0;
}

/* All that is read, a few bytes at a time. */
static void read_all(struct fixture *fixture, struct jabberd2_place place)
{
	struct jabberd2_data *data = NULL;
	char room[64];
	ssize_t got;

	place.accounts = place.storage = slice_of(fixture->path);
	place.prefix = SLICE("");
	if (jabberd2_open(&place, &data, &fixture->why))
		fail_msg("%s", buf_text(&fixture->why));
	while ((got = jabberd2_read(data, room, sizeof(room))) > 0)
		buf_append(&fixture->out, room, (size_t)got);
	assert_int_equal(got, 0);
	assert_int_equal(jabberd2_done(data), jabberd2_count(data));
	jabberd2_close(&data);
}

static void assert_said(struct fixture *fixture, const char *text)
{
	if (!strstr(buf_text(&fixture->out), text))
		fail_msg("'%s' is not in:\n%s", text, buf_text(&fixture->out));
}

static void gives_users_with_their_contacts(void **state)
{
	struct fixture *fixture = *state;

	run_sql(fixture->path,
		"INSERT INTO authreg VALUES ('Ann', 'a.example', 'se<cret');"
		"INSERT INTO active VALUES ('ann@a.example', 1, 0);"
		"INSERT INTO \"roster-items\" VALUES ('ann@a.example', 1, 'bob@b.example', 'B', 1, "
		"0, 0),"
		"('ann@a.example', 2, 'eve@b.example', NULL, 0, 0, 1);"
		"INSERT INTO \"roster-groups\" VALUES ('ann@a.example', 1, 'bob@b.example', 'one'),"
		"('ann@a.example', 2, 'bob@b.example', 'two & more')");
	read_all(fixture, (struct jabberd2_place){.passwords = JABBERD2_CLEAR});
	assert_string_equal(
		buf_text(&fixture->out),
		"<server-data xmlns='urn:xmpp:pie:0'>\n<host jid='a.example'><user name='ann' "
		"password='se&lt;cret'><query xmlns='jabber:iq:roster'><item jid='bob@b.example' "
		"name='B' subscription='to'><group>one</group><group>two &amp; more</group></item>"
		"<item jid='eve@b.example' subscription='none' ask='subscribe'/></query></user>"
		"</host>\n</server-data>\n");
}

static void unwraps_what_was_queued_and_stored(void **state)
{
	struct fixture *fixture = *state;

	run_sql(fixture->path,
		"INSERT INTO authreg VALUES ('ann', 'a.example', 'secret');"
		"INSERT INTO queue VALUES ('ann@a.example', 1, 'NAD<route xmlns=''urn:c''><message "
		"xmlns=''jabber:client'' from=''b@c''><body>hi</body></message></route>'),"
		"('ann@a.example', 2, 'NAD<route xmlns=''urn:c''><presence xmlns=''jabber:client'' "
		"type=''subscribe'' from=''b@c''/></route>'), ('ann@a.example', 3, 'NAD<a>');"
		"INSERT INTO private VALUES ('ann@a.example', 1, 'urn:x', 'NAD<route "
		"xmlns=''urn:c''><iq xmlns=''jabber:client''><query xmlns=''jabber:iq:private''>"
		"<x xmlns=''urn:x''><y/></x></query></iq></route>');"
		"INSERT INTO vcard VALUES ('ann@a.example', 1, 'Ann', '123', 'A', NULL)");
	read_all(fixture, (struct jabberd2_place){.passwords = JABBERD2_CLEAR});
	assert_said(fixture, "<offline-messages><message xmlns='jabber:client' from='b@c'>"
			     "<body>hi</body></message></offline-messages>"
			     "<presence xmlns='jabber:client' type='subscribe' from='b@c'/>");
	assert_said(fixture, "<problem xmlns='urn:jackdaw:import'>queue, row 3: no well-formed "
			     "XML</problem>");
	assert_said(fixture, "<query xmlns='jabber:iq:private'><x xmlns='urn:x'><y/></x></query>");
	assert_said(fixture, "<vCard xmlns='vcard-temp'><FN>Ann</FN><N><FAMILY>A</FAMILY></N><TEL>"
			     "<VOICE/><NUMBER>123</NUMBER></TEL></vCard>");
}

static void gives_users_of_a_realm_to_its_domains(void **state)
{
	static const struct jabberd2_realm realms[] = {{SLICE("company"), SLICE("a.example")},
						       {SLICE("company"), SLICE("b.example")}};
	struct fixture *fixture = *state;

	run_sql(fixture->path, "INSERT INTO authreg VALUES ('ann', 'company', 'x');"
			       "INSERT INTO authreg VALUES ('bob', 'c.example', 'x')");
	read_all(fixture, (struct jabberd2_place){.realms = realms, .realm_count = 2});
	assert_said(fixture, "<host jid='a.example'><user name='ann'");
	assert_said(fixture, "<host jid='b.example'><user name='ann'");
	assert_said(fixture, "<host jid='c.example'><user name='bob'");
	assert_null(strstr(buf_text(&fixture->out), "company"));
}

static void brings_no_password_that_is_hashed(void **state)
{
	struct fixture *fixture = *state;

	run_sql(fixture->path,
		"INSERT INTO authreg VALUES ('ann', 'a.example', '$6$salt$hash'), ('bob', "
		"'a.example', '0123456789abcdef0123456789abcdef'), ('eve', 'a.example', '$tart'), "
		"('old', 'a.example', NULL)");
	read_all(fixture, (struct jabberd2_place){.passwords = JABBERD2_GUESS});
	assert_said(fixture, "<user name='ann'><problem xmlns='urn:jackdaw:import'>has a password "
			     "that looks hashed");
	assert_said(fixture, "<user name='bob'><problem xmlns='urn:jackdaw:import'>has a password "
			     "that looks hashed");
	assert_said(fixture, "<user name='eve' password='$tart'>");
	assert_said(fixture,
		    "<user name='old'><problem xmlns='urn:jackdaw:import'>has no password");
	assert_null(strstr(buf_text(&fixture->out), "0123456789abcdef"));
}

static void names_rows_that_belong_to_nobody(void **state)
{
	struct fixture *fixture = *state;

	run_sql(fixture->path, "INSERT INTO queue VALUES ('gone@a.example', 1, 'x'), "
			       "('gone@a.example', 2, 'x');"
			       "INSERT INTO authreg VALUES ('\x01', 'a.example', 'x')");
	read_all(fixture, (struct jabberd2_place){.passwords = JABBERD2_CLEAR});
	assert_said(fixture, "queue: 2 rows of gone@a.example, who is not in authreg or active");
	assert_said(fixture, "?@a.example is no address of a user");
}

static void says_what_is_no_database_of_jabberd2(void **state)
{
	struct fixture *fixture = *state;
	struct jabberd2_place place = {.prefix = SLICE("other")};
	struct jabberd2_data *data = NULL;

	place.accounts = place.storage = slice_of(fixture->path);
	assert_int_equal(jabberd2_open(&place, &data, &fixture->why), -22);
	assert_non_null(strstr(buf_text(&fixture->why), "no such table"));
	assert_null(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gives_users_with_their_contacts, setup, teardown),
		cmocka_unit_test_setup_teardown(unwraps_what_was_queued_and_stored, setup,
						teardown),
		cmocka_unit_test_setup_teardown(gives_users_of_a_realm_to_its_domains, setup,
						teardown),
		cmocka_unit_test_setup_teardown(brings_no_password_that_is_hashed, setup, teardown),
		cmocka_unit_test_setup_teardown(names_rows_that_belong_to_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(says_what_is_no_database_of_jabberd2, setup,
						teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
