/* SPDX-License-Identifier: MIT */
/* Contacts as a set and as XML, and the roster as clients see it. */
#include "sm/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/macros.h"
#include "jid/jid.h"
#include "room.h"
#include "sm/subscription.h"
#include "xml/nad.h"
#include "xml/parser.h"

static int read_item(const char *xml, struct roster_item **item)
{
	static const struct xml_limits limits = {
		.stanza_bytes = 1 << 20, .depth = 8, .attributes = 16};
	AUTO(nad_free) struct nad *nad = xml_parse(slice_of(xml), &limits);

	assert_non_null(nad);
	return roster_item_read(nad, 0, item);
}

static void prints_what_it_parses(void **state)
{
	static const char *const items[] = {
		"<item jid='bob@example.net' name='B &amp; &apos;b&apos;' subscription='both'>"
		"<group>Friends</group><group>&lt;x&gt;</group></item>",
		"<item jid='bob@example.net' subscription='none' ask='subscribe'/>",
		"<item jid='example.net' subscription='from'/>",
		"<item jid='bob@example.net' subscription='to'/>",
	};

	for (size_t at = 0; at < countof(items); at++) {
		AUTO(roster_item_free)
		struct roster_item *item = roster_item_parse(slice_of(items[at]));
		AUTO(roster_item_free) struct roster_item *again = NULL;
		AUTO(buf_fini) struct buf text = {0}, second = {0};

		assert_non_null(item);
		roster_item_print(item, &text);
		again = roster_item_parse(buf_slice(&text));
		assert_non_null(again);
		roster_item_print(again, &second);
		assert_string_equal(buf_text(&text), buf_text(&second));
		assert_int_equal(again->groups, at == 0 ? 2 : 0);
		assert_int_equal(again->subscription, item->subscription);
	}
}

static void takes_an_item_of_a_request(void **state)
{
	AUTO(roster_item_free) struct roster_item *item = NULL;

	assert_int_equal(read_item("<item xmlns='jabber:iq:roster' jid='Bob@Example.net/x' "
				   "name='n'><group>g</group></item>",
				   &item),
			 0);
	assert_string_equal(jid_text(item->jid), "bob@example.net");
	assert_true(slice_is(roster_item_name(item), "n"));
	assert_int_equal(item->subscription, 0);
}

static void refuses_bad_items(void **state)
{
	struct roster_item *item = NULL;
	AUTO(buf_fini) struct buf text = {0};

	assert_int_equal(read_item("<item/>", &item), ROSTER_BAD);
	assert_int_equal(read_item("<item jid='@x'/>", &item), ROSTER_BAD);
	assert_int_equal(
		read_item("<item jid='a@b'><group>g</group><group>g</group></item>", &item),
		ROSTER_BAD);
	assert_int_equal(read_item("<item jid='a@b'><group/></item>", &item), ROSTER_UNACCEPTABLE);
	buf_append_text(&text, "<item jid='a@b' name='");
	for (unsigned at = 0; at <= ROSTER_TEXT_MAX; at++)
		buf_append_char(&text, 'x');
	buf_append_text(&text, "'/>");
	assert_int_equal(read_item(buf_text(&text), &item), ROSTER_UNACCEPTABLE);
	buf_clear(&text);
	buf_append_text(&text, "<item jid='a@b'>");
	for (unsigned at = 0; at <= ROSTER_GROUPS_MAX; at++)
		buf_printf(&text, "<group>%u</group>", at);
	buf_append_text(&text, "</item>");
	assert_int_equal(read_item(buf_text(&text), &item), ROSTER_UNACCEPTABLE);
	assert_null(item);
}

static struct roster_item *numbered(unsigned number)
{
	char text[32];
	AUTO(jid_free) struct jid *jid = NULL;

	snprintf(text, sizeof(text), "u%u@example.net", number * 7919 % ROSTER_MAX);
	jid = jid_parse(slice_of(text));
	return roster_item_new(jid, 0);
}

/* All are told in one stanza. */
static void takes_only_so_much_text(void **state)
{
	struct roster roster = {0};
	unsigned at = 0;
	bool taken;

	do {
		AUTO(buf_fini) struct buf text = {0};
		struct roster_item *item;

		buf_printf(&text, "<item jid='u%u@example.net'><group>%0800u</group></item>", at++, 0);
		item = roster_item_parse(buf_slice(&text));
		assert_non_null(item);
		taken = roster_put(&roster, &item);
	} while (taken && at < ROSTER_MAX);
	assert_false(taken);
	assert_true(at > 2000 && at < 3000);
	roster_fini(&roster);
}

static void finds_what_it_holds_and_is_limited(void **state)
{
	struct roster roster = {0};
	AUTO(jid_free) struct jid *one = jid_parse(SLICE("u7@example.net/resource"));
	AUTO(jid_free) struct jid *other = jid_parse(SLICE("other@example.net"));
	struct roster_item *item;

	for (unsigned at = 0; at < ROSTER_MAX; at++) {
		item = numbered(at);
		assert_true(roster_put(&roster, &item));
	}
	assert_int_equal(roster.count, ROSTER_MAX);
	assert_non_null(roster_find(&roster, one));
	assert_null(roster_find(&roster, other));
	item = roster_item_new(other, 0);
	assert_false(roster_put(&roster, &item));
	assert_null(item);
	item = roster_item_new(one, SUBSCRIPTION_BOTH);
	assert_true(roster_put(&roster, &item));
	assert_int_equal(roster_find(&roster, one)->subscription, SUBSCRIPTION_BOTH);
	roster_del(&roster, one);
	assert_null(roster_find(&roster, one));
	assert_int_equal(roster.count, ROSTER_MAX - 1);
	for (unsigned at = 1; at < roster.count; at++)
		assert_true(slice_compare(jid_user(roster.items[at - 1]->jid),
					  jid_user(roster.items[at]->jid)) < 0);
	roster_fini(&roster);
	assert_int_equal(roster.count, 0);
}

/* -- clients -- */

#define ROSTER_GET "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
#define ROSTER_SET(item)                                                                           \
	"<iq type='set' id='s'><query xmlns='jabber:iq:roster'>" item "</query></iq>"

static void two_resources(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_login(room, "romeo@localhost/a");
	room_login(room, "romeo@localhost/b");
	room_send(room, "romeo@localhost/a", ROSTER_GET);
	room_expect(room, "romeo@localhost/a", "<query xmlns='jabber:iq:roster'/></iq>");
}

static void pushes_changes_to_those_who_asked(void **state)
{
	struct room *room = *state;

	two_resources(room);
	room_send(room, "romeo@localhost/b",
		  ROSTER_SET("<item jid='juliet@localhost' name='J' "
			     "subscription='both'><group>g</group></item>"));
	room_expect(room, "romeo@localhost/a",
		    "<item jid='juliet@localhost' name='J' "
		    "subscription='none'><group>g</group></item>");
	room_expect_nothing(room, "romeo@localhost/a");
	room_expect(room, "romeo@localhost/b", "type='result' id='s'");
	room_send(room, "romeo@localhost/b", ROSTER_GET);
	room_expect(room, "romeo@localhost/b",
		    "<item jid='juliet@localhost' name='J' subscription='none'>");
	room_send(room, "romeo@localhost/b",
		  ROSTER_SET("<item jid='juliet@localhost' subscription='remove'/>"));
	room_expect(room, "romeo@localhost/a",
		    "<item jid='juliet@localhost' subscription='remove'/>");
	room_expect_among(room, "romeo@localhost/b", "type='result' id='s'");
	room_send(room, "romeo@localhost/b",
		  ROSTER_SET("<item jid='juliet@localhost' subscription='remove'/>"));
	room_expect(room, "romeo@localhost/b", "<item-not-found");
}

static void keeps_it_in_storage(void **state)
{
	struct room *room = *state;

	two_resources(room);
	room_send(room, "romeo@localhost/a",
		  ROSTER_SET("<item jid='juliet@localhost' name='J'><group>g</group></item>"));
	room_restart(room);
	room_login(room, "romeo@localhost/c");
	room_send(room, "romeo@localhost/c", ROSTER_GET);
	room_expect(room, "romeo@localhost/c", "<group>g</group>");
}

static void who_saw_what_a_disk_refused_hears_what_is(void **state)
{
	static const char *const both[] = {
		"romeo@localhost/b", ROSTER_SET("<item jid='juliet@localhost' name='J'/>"),
		"romeo@localhost/a", ROSTER_GET, NULL};
	struct room *room = *state;

	two_resources(room);
	room_disk_full(room, true);
	room_send_all(room, both);
	room_expect(room, "romeo@localhost/a", "<item jid='juliet@localhost' name='J'");
	room_expect(room, "romeo@localhost/a", "<item jid='juliet@localhost' subscription='remove'/>");
	room_expect_nothing(room, "romeo@localhost/a");
	room_expect(room, "romeo@localhost/b", "<resource-constraint");
	room_disk_full(room, false);
}

static void refuses_what_is_wrong(void **state)
{
	struct room *room = *state;

	two_resources(room);
	room_account(room, "juliet@localhost");
	room_send(room, "romeo@localhost/a", ROSTER_SET(""));
	room_expect(room, "romeo@localhost/a", "<bad-request");
	room_send(room, "romeo@localhost/a", ROSTER_SET("<item jid='a@b'/><item jid='c@d'/>"));
	room_expect(room, "romeo@localhost/a", "<bad-request");
	room_send(room, "romeo@localhost/a", ROSTER_SET("<item jid='a@b'><group/></item>"));
	room_expect(room, "romeo@localhost/a", "<not-acceptable");
	room_send(room, "romeo@localhost/a", ROSTER_SET("<item jid='romeo@localhost'/>"));
	room_expect(room, "romeo@localhost/a", "<not-allowed");
	room_send(room, "romeo@localhost/a",
		  "<iq type='get' id='o' to='juliet@localhost'><query "
		  "xmlns='jabber:iq:roster'/></iq>");
	room_expect(room, "romeo@localhost/a", "<service-unavailable");
}

#define VERSIONED(ver) "<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver='" ver "'/></iq>"

/* RFC 6121 2.6: who has it is not sent it; across starts, and not when it was another. */
static void who_has_its_version_is_not_sent_it(void **state)
{
	struct room *room = *state;
	char get[256];
	const char *told;

	room_account(room, "romeo@localhost");
	room_login(room, "romeo@localhost/a");
	room_send(room, "romeo@localhost/a", VERSIONED(""));
	room_expect(room, "romeo@localhost/a", "<query xmlns='jabber:iq:roster' ver='0'/>");
	room_send(room, "romeo@localhost/a", VERSIONED("0"));
	room_expect(room, "romeo@localhost/a", "<query xmlns='jabber:iq:roster' ver='0'/>"); /* whose ever it was */
	room_send(room, "romeo@localhost/a", ROSTER_SET("<item jid='nurse@localhost'/>"));
	while ((told = room_next(room, "romeo@localhost/a")) && !strstr(told, "ver='"))
		;
	assert_non_null(told);
	snprintf(get, sizeof(get), "<iq type='get' id='r'><query xmlns='jabber:iq:roster' %.*s'/></iq>",
		 (int)strcspn(strstr(told, "ver='") + 5, "'") + 5, strstr(told, "ver='"));
	room_forget(room);
	room_restart(room);
	room_login(room, "romeo@localhost/a");
	room_send(room, "romeo@localhost/a", VERSIONED("0"));
	room_expect(room, "romeo@localhost/a", "nurse@localhost");
	room_send(room, "romeo@localhost/a", VERSIONED("ffffffffffffffff"));
	room_expect(room, "romeo@localhost/a", "nurse@localhost");
	room_send(room, "romeo@localhost/a", get);
	room_expect(room, "romeo@localhost/a", "<iq type='result' id='r'></iq>");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_only_so_much_text),
		cmocka_unit_test(prints_what_it_parses),
		cmocka_unit_test(takes_an_item_of_a_request),
		cmocka_unit_test(refuses_bad_items),
		cmocka_unit_test(finds_what_it_holds_and_is_limited),
		cmocka_unit_test_setup_teardown(pushes_changes_to_those_who_asked, room_open,
						room_close),
		cmocka_unit_test_setup_teardown(keeps_it_in_storage, room_open, room_close),
		cmocka_unit_test_setup_teardown(who_has_its_version_is_not_sent_it, room_open, room_close),
		cmocka_unit_test_setup_teardown(who_saw_what_a_disk_refused_hears_what_is, room_open, room_close),
		cmocka_unit_test_setup_teardown(refuses_what_is_wrong, room_open, room_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
