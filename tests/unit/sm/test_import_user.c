/* SPDX-License-Identifier: MIT */
/* Users of XEP-0227 as rows. */
#include "sm/import_user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "jid/jid.h"
#include "storage/driver.h"
#include "xml/nad.h"
#include "xml/parser.h"

#define NOW_MS 1700000000000

struct read {
	struct import_user *user;
	struct jid *jid;
};

static struct read read_user(const char *inside)
{
	static const struct xml_limits limits = {
		.stanza_bytes = 1 << 20, .depth = 100, .attributes = 100};
	AUTO(buf_fini) struct buf text = {0};
	AUTO(nad_free) struct nad *nad = NULL;
	struct read read = {.jid = jid_parse(SLICE("ann@a.example"))};

	buf_printf(&text, "<user xmlns='urn:xmpp:pie:0' name='ann' %s</user>", inside);
	nad = xml_parse(buf_slice(&text), &limits);
	assert_non_null(nad);
	read.user = container_of(import_user_read(nad, 0, read.jid, NOW_MS), struct import_user,
				 newcomer);
	return read;
}

static void forget(struct read *read)
{
	jid_free(&read->user->newcomer.user);
	buf_wipe(&read->user->newcomer.password);
	store_txn_free(&read->user->newcomer.txn);
	import_user_free(&read->user->newcomer);
	jid_free(&read->jid);
}

/* The row of a store whose item or value contains the text. */
static const struct store_op *row(const struct read *read, enum store store, const char *text)
{
	for (const struct store_op *op = read->user->newcomer.txn->ops; op; op = op->next) {
		if (op->store == store && memmem(op->value.data, op->value.len, text, strlen(text)))
			return op;
	}
	return NULL;
}

static void assert_value(const struct store_op *op, const char *value)
{
	assert_non_null(op);
	if (!slice_is(op->value, value))
		fail_msg("'%.*s' is not '%s'", (int)op->value.len, op->value.data, value);
}

static bool said(struct read *read, const char *text)
{
	return strstr(buf_text(&read->user->problems), text) != NULL;
}

static void turns_contacts_into_rows_of_the_roster(void **state)
{
	struct read read = read_user("password='secret'><query xmlns='jabber:iq:roster'><item "
				     "jid='Bob@b.example' name='B'"
				     " subscription='from' ask='subscribe'><group>G</group></item>"
				     "<item jid='bob@b.example'/><item jid='@'/></query>");

	assert_value(row(&read, STORE_ROSTER, "bob"),
		     "<item jid='bob@b.example' name='B' subscription='from' ask='subscribe'>"
		     "<group>G</group></item>");
	assert_int_equal(read.user->tally.contacts, 1);
	assert_true(said(&read, "ann@a.example: contact bob@b.example is there twice\n"));
	assert_true(said(&read, "contact @ is no address"));
	assert_true(buf_used(&read.user->newcomer.password) == 6);
	assert_non_null(row(&read, STORE_USER, "1700000000000"));
	forget(&read);
}

static void keeps_requests_that_are_not_answered(void **state)
{
	struct read read = read_user(
		"password='secret'><query xmlns='jabber:iq:roster'>"
		"<item jid='bob@b.example' subscription='from'/></query>"
		"<presence xmlns='jabber:client' type='subscribe' from='eve@b.example/x'>"
		"<status>please</status></presence>"
		"<presence xmlns='jabber:client' type='subscribe' from='bob@b.example'/>"
		"<presence xmlns='jabber:client' type='unsubscribed' from='eve@b.example'/>");

	assert_value(row(&read, STORE_REQUEST, "eve"),
		     "<presence xmlns='jabber:client' type='subscribe' from='eve@b.example' "
		     "to='ann@a.example'><status>please</status></presence>");
	assert_int_equal(read.user->tally.requests, 1);
	assert_true(said(&read, "the request of bob@b.example was granted already"));
	forget(&read);
}

static void makes_the_stamp_of_the_server_that_kept_it_the_time_of_a_message(void **state)
{
	struct read read = read_user(
		"password='secret'><offline-messages><message xmlns='jabber:client' "
		"from='bob@b.example/x' to='ann@a.example' type='chat'><body>one</body>"
		"<delay xmlns='urn:xmpp:delay' from='b.example' stamp='2020-01-01T00:00:00Z'/>"
		"<delay xmlns='urn:xmpp:delay' from='a.example' stamp='2023-11-14T22:13:21Z'/>"
		"</message><message xmlns='jabber:client' from='bob@b.example'><body>two</body>"
		"<x xmlns='jabber:x:delay' from='a.example' stamp='20231114T22:13:22'/></message>"
		"<message xmlns='jabber:client' from='bob@b.example'><body>three</body></message>"
		"<message xmlns='jabber:client' from='@'/></offline-messages>");

	assert_value(row(&read, STORE_OFFLINE, "one"),
		     "<message xmlns='jabber:client' type='chat' from='bob@b.example/x' "
		     "to='ann@a.example'><body>one</body><delay xmlns='urn:xmpp:delay' "
		     "from='b.example' stamp='2020-01-01T00:00:00Z'/></message>");
	assert_int_equal(row(&read, STORE_OFFLINE, "one")->stamp_ms, NOW_MS + 1000);
	assert_int_equal(row(&read, STORE_OFFLINE, "two")->stamp_ms, NOW_MS + 2000);
	assert_int_equal(row(&read, STORE_OFFLINE, "three")->stamp_ms, NOW_MS);
	assert_int_equal(read.user->tally.messages, 3);
	assert_true(said(&read, "a message has a bad address"));
	forget(&read);
}

static void keeps_vcards_and_private_xml_whole(void **state)
{
	struct read read = read_user(
		"password='secret'><vCard xmlns='vcard-temp'><FN>Ann</FN></vCard>"
		"<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'><a/></storage>"
		"</query>");
	const struct store_op *private = row(&read, STORE_PRIVATE, "storage");

	assert_value(row(&read, STORE_VCARD, "Ann"),
		     "<vCard xmlns='vcard-temp'><FN>Ann</FN></vCard>");
	assert_value(private, "<storage xmlns='storage:bookmarks'><a/></storage>");
	assert_true(slice_is(private->item, "{storage:bookmarks}storage"));
	forget(&read);
}

static void says_what_the_sender_could_not_bring(void **state)
{
	struct read read =
		read_user("><problem xmlns='urn:jackdaw:import'>queue,\nrow 7</problem>");

	assert_int_equal(read.user->tally.without_password, 1);
	assert_string_equal(buf_text(&read.user->problems), "ann@a.example: queue, row 7\n");
	forget(&read);
}

/* So that presence says it of who comes from elsewhere too. */
static void the_photo_of_a_vcard_is_known_by_its_hash(void **state)
{
	struct read read = read_user("password='secret'><vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE>"
				     "<BINVAL>YW\nJj</BINVAL></PHOTO></vCard>");

	assert_value(row(&read, STORE_USER, "a9993"), "a9993e364706816aba3e25717850c26c9cd0d89d");
	forget(&read);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_contacts_into_rows_of_the_roster),
		cmocka_unit_test(keeps_requests_that_are_not_answered),
		cmocka_unit_test(makes_the_stamp_of_the_server_that_kept_it_the_time_of_a_message),
		cmocka_unit_test(keeps_vcards_and_private_xml_whole),
		cmocka_unit_test(the_photo_of_a_vcard_is_known_by_its_hash),
		cmocka_unit_test(says_what_the_sender_could_not_bring),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
