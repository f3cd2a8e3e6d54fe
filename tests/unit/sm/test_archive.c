/* SPDX-License-Identifier: MIT */
/* The archive of an account: what is in it, under which ids, and how it is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "base/macros.h"
#include "room.h"
#include "sm/archiving.h"
#include "stanza/stanza.h"
#include "xml/nad.h"
#include "xml/parser.h"

#define ROMEO "romeo@localhost/a"
#define OTHER "romeo@localhost/b"
#define JULIET "juliet@localhost/c"
#define FOREVER INT64_MAX
#define DAY_MS (24ll * 3600 * 1000)
#define FIELD(var, value) "<field var='" var "'><value>" value "</value></field>"
#define QUERY(inside) "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2' queryid='f'>" inside "</query></iq>"
#define FORM(inside) "<x xmlns='jabber:x:data' type='submit'>" FIELD("FORM_TYPE", "urn:xmpp:mam:2") inside "</x>"
#define SET(inside) "<set xmlns='http://jabber.org/protocol/rsm'>" inside "</set>"

static void people(struct room *room)
{
	room_archive(room, FOREVER);
	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_login(room, ROMEO);
	room_login(room, JULIET);
	room_send(room, ROMEO, "<presence/>");
	room_send(room, JULIET, "<presence/>");
	room_forget(room);
}

/* The value of an attribute behind the first such text; it lasts until the next call but one. */
static const char *value_after(const char *text, const char *before, const char *attribute)
{
	static char values[2][64];
	static unsigned turn;
	char *value = values[turn++ % 2];
	const char *at = strstr(text, before), *end;

	if (!at)
		fail_msg("no %s in %s", before, text);
	at = strstr(at, attribute);
	assert_non_null(at);
	at += strlen(attribute);
	end = strpbrk(at, "'<");
	assert_true(end && end - at < 64);
	memcpy(value, at, (size_t)(end - at));
	value[end - at] = 0;
	return value;
}

static const char *next(struct room *room, const char *client)
{
	const char *told = room_next(room, client);

	if (!told)
		fail_msg("%s was told nothing more", client);
	return told;
}

/* A page as "1 2 3", the bodies in the order in which they came; then the answer, of which the end is borrowed. */
struct page {
	char bodies[256], ids[20][32];
	unsigned count;
	char fin[512];
};

static struct page ask(struct room *room, const char *client, const char *query)
{
	struct page page = {.count = 0};
	const char *told;

	room_send(room, client, query);
	while ((told = next(room, client)), strstr(told, "<result ")) {
		const char *body = strstr(told, "<body>");
		size_t len = strlen(page.bodies);

		assert_non_null(strstr(told, "queryid='f'"));
		assert_non_null(strstr(told, "<delay xmlns='urn:xmpp:delay' stamp='2026-01-"));
		assert_non_null(body);
		snprintf(page.bodies + len, sizeof(page.bodies) - len, "%s%.*s", len ? " " : "", (int)strcspn(body + 6, "<"), body + 6);
		strcpy(page.ids[page.count++], value_after(told, "<result ", " id='"));
	}
	snprintf(page.fin, sizeof(page.fin), "%s", told);
	return page;
}

static void assert_page(struct room *room, const char *client, const char *query, const char *bodies, bool complete)
{
	struct page page = ask(room, client, query);

	assert_string_equal(page.bodies, bodies);
	if (!strstr(page.fin, "<fin xmlns='urn:xmpp:mam:2'") || !strstr(page.fin, "complete='true'") != !complete)
		fail_msg("%s", page.fin);
}

static void expect_error(struct room *room, const char *query, const char *error)
{
	room_send(room, ROMEO, query);
	room_expect(room, ROMEO, error);
}

/* -- what is kept -- */

static void decides_by_what_a_message_says(void **state)
{
	static const struct {
		const char *xml;
		bool wanted;
	} rows[] = {
		{"<message type='chat'><body>b</body></message>", true},
		{"<message><body>b</body></message>", true},
		{"<message type='groupchat'><body>b</body></message>", false},
		{"<message type='headline'><body>b</body></message>", false},
		{"<message type='error'><body>b</body></message>", false},
		{"<message type='chat'/>", false},
		{"<message type='chat'><active xmlns='http://jabber.org/protocol/chatstates'/></message>", false},
		{"<message type='chat'><body>b</body><no-store xmlns='urn:xmpp:hints'/></message>", false},
		{"<message type='chat'><body>b</body><no-permanent-store xmlns='urn:xmpp:hints'/></message>", false},
		{"<message type='chat'><x xmlns='y'/><store xmlns='urn:xmpp:hints'/></message>", true},
		{"<message type='chat'><received xmlns='urn:xmpp:receipts' id='1'/></message>", true},
		{"<message type='chat'><request xmlns='urn:xmpp:receipts'/></message>", false},
		{"<message type='chat'><displayed xmlns='urn:xmpp:chat-markers:0' id='1'/></message>", true},
		{"<message type='chat'><markable xmlns='urn:xmpp:chat-markers:0'/></message>", false},
		{"<message type='chat'><retract xmlns='urn:xmpp:message-retract:1' id='1'/></message>", true},
		{"<message type='chat'><reactions xmlns='urn:xmpp:reactions:0' id='1'/></message>", true},
		{"<message type='chat'><encrypted xmlns='eu.siacs.conversations.axolotl'/></message>", true},
		{"<message type='chat'><encrypted xmlns='urn:xmpp:omemo:2'/></message>", true},
		{"<message><x xmlns='jabber:x:conference' jid='r@c'/></message>", true},
		{"<message type='chat'><propose xmlns='urn:xmpp:jingle-message:0' id='1'/></message>", true},
		{"<presence/>", false},
	};
	static const struct xml_limits limits = {.stanza_bytes = 1 << 16, .depth = 9, .attributes = 9};

	for (unsigned at = 0; at < countof(rows); at++) {
		AUTO(buf_fini) struct buf text = {0};
		AUTO(nad_free) struct nad *stream = NULL;
		AUTO(stanza_free) struct stanza *stanza = NULL;
		struct nad *nad;

		buf_printf(&text, "<c xmlns='jabber:client'>%s</c>", rows[at].xml);
		stream = xml_parse(buf_slice(&text), &limits);
		nad = nad_copy(stream, nad_first_child(stream, 0));
		stanza_from_nad(&nad, &stanza);
		if (archiving_wants(stanza) != rows[at].wanted)
			fail_msg("%s", rows[at].xml);
	}
}

/* One id in each archive, and each is told to its owner alone. */
static void a_message_has_one_id_in_each_archive(void **state)
{
	struct room *room = *state;
	char hers[32], his[32];
	struct page page;
	const char *told;

	people(room);
	room_login(room, OTHER);
	room_send(room, OTHER, "<iq type='set' id='e'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
	room_forget(room);
	room_send(room, ROMEO, "<message to='juliet@localhost' type='chat' id='m'><body>1</body></message>");
	told = next(room, JULIET);
	strcpy(hers, value_after(told, "by='juliet@localhost'", " id='"));
	assert_null(strstr(told, "by='romeo@localhost'"));
	told = next(room, OTHER);
	assert_non_null(strstr(told, "<sent xmlns='urn:xmpp:carbons:2'>"));
	strcpy(his, value_after(told, "by='romeo@localhost'", " id='"));
	assert_null(strstr(told, "by='juliet@localhost'"));
	page = ask(room, JULIET, QUERY(""));
	assert_string_equal(page.bodies, "1");
	assert_string_equal(page.ids[0], hers);
	page = ask(room, ROMEO, QUERY(""));
	assert_string_equal(page.bodies, "1");
	assert_string_equal(page.ids[0], his);
	room_send(room, JULIET, "<message to='romeo@localhost/a' type='chat'><body>2</body></message>");
	strcpy(his, value_after(next(room, ROMEO), "by='romeo@localhost'", " id='"));
	told = next(room, OTHER);
	assert_non_null(strstr(told, "<received xmlns='urn:xmpp:carbons:2'>"));
	assert_string_equal(his, value_after(told, "by='romeo@localhost'", " id='"));
	room_from_world(room, "<message from='x@remote.example/r' to='romeo@localhost' type='chat'><body>3</body></message>");
	room_send(room, ROMEO, "<message to='x@remote.example' type='chat'><body>4</body></message>");
	told = next(room, "world");
	assert_null(strstr(told, "stanza-id"));
	room_forget(room);
	assert_page(room, ROMEO, QUERY(""), "1 2 3 4", true);
	assert_page(room, JULIET, QUERY(""), "1 2", true);
}

static void an_id_that_is_made_up_is_taken_out(void **state)
{
	struct room *room = *state;
	const char *told;

	people(room);
	room_send(room, ROMEO,
		  "<message to='juliet@localhost' type='headline' id='m'><stanza-id xmlns='urn:xmpp:sid:0' by='juliet@localhost' id='1'/>"
		  "<stanza-id xmlns='urn:xmpp:sid:0' by='Juliet@localhost' id='2'/>"
		  "<stanza-id xmlns='urn:xmpp:sid:0' by='romeo@localhost' id='3'/>"
		  "<stanza-id xmlns='urn:xmpp:sid:0' by='room@remote.example' id='4'/></message>");
	told = next(room, JULIET);
	assert_null(strstr(told, "id='1'"));
	assert_null(strstr(told, "id='2'"));
	assert_null(strstr(told, "id='3'"));
	assert_non_null(strstr(told, "id='4'"));
}

static void what_one_writes_to_oneself_is_there_once(void **state)
{
	struct room *room = *state;
	const char *told;

	people(room);
	room_send(room, ROMEO, "<message to='romeo@localhost' type='chat'><body>note</body></message>");
	told = next(room, ROMEO);
	assert_non_null(strstr(told, "by='romeo@localhost'"));
	assert_page(room, ROMEO, QUERY(""), "note", true);
	assert_page(room, ROMEO, QUERY(FORM(FIELD("with", "romeo@localhost"))), "note", true);
}

/* Who is away gets it later, once, under the id that it has; what was never taken is still there. */
static void who_is_away_gets_it_under_its_id(void **state)
{
	struct room *room = *state;
	char id[32];
	struct page page;
	const char *told;

	people(room);
	room_end(room, JULIET);
	room_forget(room);
	room_send(room, ROMEO, "<message to='juliet@localhost' type='chat'><body>1</body></message>");
	room_restart(room);
	room_login(room, JULIET);
	page = ask(room, JULIET, QUERY(""));
	assert_string_equal(page.bodies, "1");
	strcpy(id, page.ids[0]);
	room_send(room, JULIET, "<presence/>");
	room_expect(room, JULIET, "<presence");
	told = next(room, JULIET);
	assert_non_null(strstr(told, "<body>1</body>"));
	assert_non_null(strstr(told, "<delay xmlns='urn:xmpp:delay' from='localhost'"));
	assert_string_equal(value_after(told, "by='juliet@localhost'", " id='"), id);
	room_end(room, JULIET);
	room_forget(room);
	room_login(room, JULIET);
	room_send(room, JULIET, "<presence/>");
	room_expect_none_with(room, JULIET, "<body>");
	assert_page(room, JULIET, QUERY(""), "1", true);
}

/* What a client did not take goes to the next, and is no other message for that. */
static void what_was_not_taken_is_there_once(void **state)
{
	struct room *room = *state;
	char id[32];

	people(room);
	room_keep_only(room, JULIET);
	room_send(room, ROMEO, "<message to='juliet@localhost/c' type='chat'><body>1</body></message>");
	strcpy(id, value_after(next(room, JULIET), "by='juliet@localhost'", " id='"));
	room_end(room, JULIET);
	room_login(room, "juliet@localhost/d");
	room_send(room, "juliet@localhost/d", "<presence/>");
	room_expect(room, "juliet@localhost/d", "<presence");
	assert_string_equal(value_after(next(room, "juliet@localhost/d"), "by='juliet@localhost'", " id='"), id);
	assert_page(room, "juliet@localhost/d", QUERY(""), "1", true);
}

static void what_a_disk_refuses_is_not_sent(void **state)
{
	struct room *room = *state;

	people(room);
	room_disk_full(room, true);
	room_send(room, ROMEO, "<message to='juliet@localhost' type='chat'><body>1</body></message>");
	room_expect(room, ROMEO, "<error type='wait'");
	room_expect_nothing(room, JULIET);
	room_disk_full(room, false);
	room_send(room, ROMEO, "<message to='juliet@localhost' type='chat'><body>2</body></message>");
	room_expect(room, JULIET, "<body>2</body>");
	assert_page(room, JULIET, QUERY(""), "2", true);
}

static void what_is_old_is_forgotten(void **state)
{
	struct room *room = *state;

	room_archive(room, 10 * DAY_MS);
	room_account(room, "romeo@localhost");
	room_login(room, ROMEO);
	room_send(room, ROMEO, "<message to='x@remote.example' type='chat'><body>old</body></message>");
	room_wait(room, 9 * DAY_MS);
	room_send(room, ROMEO, "<message to='x@remote.example' type='chat'><body>new</body></message>");
	assert_page(room, ROMEO, QUERY(""), "old new", true);
	room_wait(room, 2 * DAY_MS);
	assert_page(room, ROMEO, QUERY(""), "new", true);
	room_archive(room, FOREVER);
	room_login(room, ROMEO);
	assert_page(room, ROMEO, QUERY(""), "new", true);
	room_archive(room, 0);
	room_login(room, ROMEO);
	expect_error(room, QUERY(""), "<service-unavailable");
	room_archive(room, FOREVER);
	room_login(room, ROMEO);
	assert_page(room, ROMEO, QUERY(""), "", true);
}

/* -- how it is asked for -- */

static void write_ten(struct room *room)
{
	for (unsigned at = 0; at < 10; at++) {
		char xml[256];

		snprintf(xml, sizeof(xml), "<message to='%s' type='chat'><body>%u</body></message>",
			 at % 3 ? "juliet@localhost/c" : "x@remote.example/r", at);
		room_send(room, ROMEO, xml);
		room_wait(room, 60000);
	}
	room_forget(room);
}

/* What was written, in one page: its ids name them. */
static struct page read_ten(struct room *room)
{
	people(room);
	write_ten(room);
	return ask(room, ROMEO, QUERY(""));
}

static void it_is_read_in_pages(void **state)
{
	struct room *room = *state;
	struct page all, page;
	char text[1024];

	all = read_ten(room);
	assert_string_equal(all.bodies, "0 1 2 3 4 5 6 7 8 9");
	assert_non_null(strstr(all.fin, "<count>10</count>"));
	page = ask(room, ROMEO, QUERY(SET("<max>4</max>")));
	assert_string_equal(page.bodies, "0 1 2 3");
	assert_string_equal(value_after(page.fin, "<first>", "<first>"), all.ids[0]);
	assert_string_equal(value_after(page.fin, "<last>", "<last>"), all.ids[3]);
	assert_null(strstr(page.fin, "complete"));
	snprintf(text, sizeof(text), QUERY(SET("<max>4</max><after>%s</after>")), all.ids[3]);
	assert_page(room, ROMEO, text, "4 5 6 7", false);
	snprintf(text, sizeof(text), QUERY(SET("<max>4</max><after>%s</after>")), all.ids[7]);
	assert_page(room, ROMEO, text, "8 9", true);
	snprintf(text, sizeof(text), QUERY(SET("<after>%s</after>")), all.ids[9]);
	page = ask(room, ROMEO, text);
	assert_string_equal(page.bodies, "");
	assert_null(strstr(page.fin, "<first>"));
	page = ask(room, ROMEO, QUERY(SET("<max>3</max><before/>")));
	assert_string_equal(page.bodies, "7 8 9");
	assert_string_equal(value_after(page.fin, "<first>", "<first>"), all.ids[7]);
	snprintf(text, sizeof(text), QUERY(SET("<max>3</max><before>%s</before>")), all.ids[7]);
	assert_page(room, ROMEO, text, "4 5 6", false);
	page = ask(room, ROMEO, QUERY("<flip-page/>" SET("<max>3</max><before/>")));
	assert_string_equal(page.bodies, "9 8 7");
	assert_string_equal(value_after(page.fin, "<first>", "<first>"), all.ids[7]);
	assert_page(room, ROMEO, QUERY("<flip-page/>" SET("<max>3</max>")), "2 1 0", false);
	page = ask(room, ROMEO, QUERY(SET("<max>0</max>")));
	assert_string_equal(page.bodies, "");
	assert_non_null(strstr(page.fin, "<count>10</count>"));
	snprintf(text, sizeof(text), QUERY(FORM(FIELD("after-id", "%s") FIELD("before-id", "%s"))), all.ids[2], all.ids[6]);
	assert_page(room, ROMEO, text, "3 4 5", true);
	snprintf(text, sizeof(text), QUERY(FORM("<field var='ids'><value>%s</value><value>%s</value></field>")), all.ids[8], all.ids[1]);
	assert_page(room, ROMEO, text, "1 8", true);
}

#define IDS "<field var='ids'><value>%s</value><value>%s</value><value>%s</value></field>"

static void ids_are_one_filter_of_several(void **state)
{
	struct room *room = *state;
	struct page all, page;
	char text[1024];

	all = read_ten(room);
	snprintf(text, sizeof(text), QUERY(FORM(IDS)), all.ids[8], all.ids[1], all.ids[8]);
	page = ask(room, ROMEO, text);
	assert_string_equal(page.bodies, "1 8");
	assert_non_null(strstr(page.fin, "<count>2</count>"));
	snprintf(text, sizeof(text), QUERY(FORM(FIELD("with", "juliet@localhost") IDS)), all.ids[8], all.ids[6], all.ids[1]);
	assert_page(room, ROMEO, text, "1 8", true);
	snprintf(text, sizeof(text), QUERY(FORM(IDS) SET("<max>2</max>")), all.ids[8], all.ids[6], all.ids[1]);
	assert_page(room, ROMEO, text, "1 6", false);
	snprintf(text, sizeof(text), QUERY(FORM(IDS) SET("<max>2</max><before/>")), all.ids[8], all.ids[6], all.ids[1]);
	assert_page(room, ROMEO, text, "6 8", false);
	snprintf(text, sizeof(text), QUERY(FORM(IDS) SET("<after>%s</after>")), all.ids[8], all.ids[6], all.ids[1], all.ids[6]);
	assert_page(room, ROMEO, text, "8", true);
	snprintf(text, sizeof(text), QUERY(FORM(IDS) SET("<max>0</max>")), all.ids[8], all.ids[6], all.ids[1]);
	page = ask(room, ROMEO, text);
	assert_string_equal(page.bodies, "");
	assert_non_null(strstr(page.fin, "<count>3</count>"));
	snprintf(text, sizeof(text), QUERY(FORM(IDS) SET("<after>1234</after>")), all.ids[8], all.ids[6], all.ids[1]);
	expect_error(room, text, "<item-not-found");
}

/* Who is sent more than its queue may hold would lose its session, and ask for the same page again. */
static void a_page_is_no_longer_than_there_is_room(void **state)
{
	struct room *room = *state;
	struct page page;
	char text[1024];

	people(room);
	write_ten(room);
	room_queue(room, 8);
	page = ask(room, ROMEO, QUERY(""));
	assert_string_equal(page.bodies, "0 1 2 3");
	assert_null(strstr(page.fin, "complete"));
	snprintf(text, sizeof(text), QUERY(SET("<after>%s</after>")), page.ids[3]);
	assert_page(room, ROMEO, text, "4 5 6 7", false);
	page = ask(room, ROMEO, QUERY(SET("<before/>")));
	assert_string_equal(page.bodies, "6 7 8 9");
	assert_string_equal(value_after(page.fin, "<first>", "<first>"), page.ids[0]);
}

static void it_is_read_by_who_and_when(void **state)
{
	struct room *room = *state;

	people(room);
	write_ten(room);
	assert_page(room, ROMEO, QUERY(FORM(FIELD("with", "juliet@localhost"))), "1 2 4 5 7 8", true);
	assert_page(room, ROMEO, QUERY(FORM(FIELD("with", "juliet@localhost/c"))), "1 2 4 5 7 8", true);
	assert_page(room, ROMEO, QUERY(FORM(FIELD("with", "juliet@localhost/d"))), "", true);
	assert_page(room, ROMEO, QUERY(FORM(FIELD("with", "x@remote.example")) SET("<max>2</max><before/>")), "6 9", false);
	assert_page(room, ROMEO, QUERY(FORM(FIELD("with", "nobody@remote.example"))), "", true);
	assert_page(room, ROMEO, QUERY(FORM(FIELD("start", "2026-01-01T00:05:30Z"))), "6 7 8 9", true);
	assert_page(room, ROMEO, QUERY(FORM(FIELD("end", "2026-01-01T02:02:30+02:00"))), "0 1 2", true);
	assert_page(room, ROMEO, QUERY(FORM(FIELD("start", "2026-01-01T00:02:30.000Z") FIELD("end", "2026-01-01T00:05:30Z") FIELD("with", "juliet@localhost"))),
		    "4 5", true);
	assert_page(room, ROMEO, QUERY(FORM(FIELD("start", "2030-01-01T00:00:00Z"))), "", true);
}

static void what_is_wrong_is_refused(void **state)
{
	struct room *room = *state;
	char id[300] = "", text[512];

	people(room);
	write_ten(room);
	expect_error(room, QUERY(SET("<after>1234</after>")), "<item-not-found");
	expect_error(room, QUERY(SET("<before>zz</before>")), "<item-not-found");
	expect_error(room, QUERY(FORM(FIELD("after-id", "0"))), "<item-not-found");
	expect_error(room, QUERY(FORM(FIELD("before-id", "ffffffffffffffff"))), "<item-not-found");
	expect_error(room, QUERY(FORM("<field var='ids'><value>1</value></field>")), "<item-not-found");
	memset(id, 'q', sizeof(id) - 1);
	snprintf(text, sizeof(text), "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2' queryid='%s'/></iq>", id);
	expect_error(room, text, "<policy-violation");
	expect_error(room, QUERY(FORM(FIELD("include-groupchat", "true"))), "<feature-not-implemented");
	expect_error(room, QUERY(FORM(FIELD("start", "yesterday"))), "<bad-request");
	expect_error(room, QUERY(FORM(FIELD("with", "@"))), "<jid-malformed");
	expect_error(room, QUERY(SET("<max>x</max>")), "<bad-request");
	expect_error(room, QUERY(SET("<index>3</index>")), "<feature-not-implemented");
	expect_error(room, QUERY("<x xmlns='jabber:x:data' type='submit'>" FIELD("FORM_TYPE", "other") "</x>"), "<bad-request");
	expect_error(room, "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2' node='n'/></iq>", "<item-not-found");
	expect_error(room, "<iq type='set' id='q' to='juliet@localhost'><query xmlns='urn:xmpp:mam:2'/></iq>", "<forbidden");
	room_from_world(room, "<iq type='set' id='q' from='x@remote.example/r' to='juliet@localhost'><query xmlns='urn:xmpp:mam:2'/></iq>");
	room_expect(room, "world", "<forbidden");
}

static void without_an_archive_its_owner_is_told_so(void **state)
{
	struct room *room = *state;

	people(room);
	room_archive(room, 0);
	room_login(room, ROMEO);
	expect_error(room, "<iq type='set' id='q' to='romeo@localhost'><query xmlns='urn:xmpp:mam:2'/></iq>", "<service-unavailable");
	expect_error(room, "<iq type='get' id='q'><prefs xmlns='urn:xmpp:mam:2'/></iq>", "<service-unavailable");
	expect_error(room, "<iq type='get' id='q' to='juliet@localhost'><prefs xmlns='urn:xmpp:mam:2'/></iq>", "<forbidden");
}

static void it_says_how_far_it_reaches_and_what_may_be_asked(void **state)
{
	struct room *room = *state;
	struct page all;
	const char *told;

	people(room);
	room_send(room, ROMEO, "<iq type='get' id='m'><metadata xmlns='urn:xmpp:mam:2'/></iq>");
	room_expect(room, ROMEO, "<metadata xmlns='urn:xmpp:mam:2'/>");
	write_ten(room);
	all = ask(room, ROMEO, QUERY(""));
	room_send(room, ROMEO, "<iq type='get' id='m'><metadata xmlns='urn:xmpp:mam:2'/></iq>");
	told = next(room, ROMEO);
	assert_string_equal(value_after(told, "<start ", " id='"), all.ids[0]);
	assert_string_equal(value_after(told, "<end ", " id='"), all.ids[9]);
	room_send(room, ROMEO, "<iq type='get' id='m'><query xmlns='urn:xmpp:mam:2'/></iq>");
	room_expect(room, ROMEO, "<field type='list-multi' var='ids'><validate");
	room_send(room, ROMEO, "<iq type='get' id='d' to='romeo@localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
	told = next(room, ROMEO);
	assert_non_null(strstr(told, "<feature var='urn:xmpp:mam:2'/>"));
	assert_non_null(strstr(told, "<feature var='urn:xmpp:mam:2#extended'/>"));
	assert_non_null(strstr(told, "<feature var='http://jabber.org/protocol/rsm'/>"));
	assert_non_null(strstr(told, "<feature var='urn:xmpp:sid:0'/>"));
}

#define PREFS(rule, inside) "<iq type='set' id='p'><prefs xmlns='urn:xmpp:mam:2' default='" rule "'>" inside "</prefs></iq>"

static void a_user_says_what_is_kept(void **state)
{
	struct room *room = *state;

	people(room);
	room_send(room, ROMEO, "<iq type='get' id='p'><prefs xmlns='urn:xmpp:mam:2'/></iq>");
	room_expect(room, ROMEO, "<prefs xmlns='urn:xmpp:mam:2' default='always'><always/><never/></prefs>");
	room_send(room, ROMEO, PREFS("never", "<always><jid>x@remote.example</jid></always>"));
	room_expect(room, ROMEO, "default='never'><always><jid>x@remote.example</jid></always><never/></prefs>");
	write_ten(room);
	assert_page(room, ROMEO, QUERY(""), "0 3 6 9", true);
	assert_page(room, JULIET, QUERY(""), "1 2 4 5 7 8", true);
	room_restart(room);
	room_login(room, ROMEO);
	room_send(room, ROMEO, "<message to='juliet@localhost' type='chat'><body>no</body></message>");
	room_send(room, ROMEO, PREFS("always", "<never><jid>juliet@localhost</jid></never>"));
	room_send(room, ROMEO, "<message to='juliet@localhost/x' type='chat'><body>no</body></message>");
	room_send(room, ROMEO, "<message to='nurse@remote.example' type='chat'><body>yes</body></message>");
	room_send(room, ROMEO, PREFS("roster", ""));
	room_send(room, ROMEO, "<message to='nurse@remote.example' type='chat'><body>no</body></message>");
	room_send(room, ROMEO, "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='nurse@remote.example'/></query></iq>");
	room_send(room, ROMEO, "<message to='nurse@remote.example/x' type='chat'><body>now</body></message>");
	room_forget(room);
	assert_page(room, ROMEO, QUERY(""), "0 3 6 9 yes now", true);
	expect_error(room, PREFS("sometimes", ""), "<bad-request");
	expect_error(room, PREFS("always", "<never><jid>@</jid></never>"), "<bad-request");
	expect_error(room, "<iq type='get' id='p' to='juliet@localhost'><prefs xmlns='urn:xmpp:mam:2'/></iq>", "<forbidden");
}

/* A queue of 20: pages wait for each other, and none ends the session. */
static void pages_wait_until_the_last_was_taken(void **state)
{
	struct room *room = *state;
	unsigned results = 0, answers = 0;
	const char *told;

	people(room);
	write_ten(room);
	room_queue(room, 40);
	for (unsigned at = 0; at < 30; at++)
		room_send(room, ROMEO, QUERY(""));
	while ((told = room_next(room, ROMEO))) {
		results += strstr(told, "<result ") != NULL;
		answers += strstr(told, "<fin ") != NULL;
	}
	assert_int_equal(results, 300);
	assert_int_equal(answers, 30);
}

/* RFC 6120 section 10.1: whether it is kept or not, and whatever kind it is of. */
static void nothing_overtakes_what_is_being_kept(void **state)
{
	struct room *room = *state;

	people(room);
	room_send_all(room, (const char *[]){
				    ROMEO, "<message to='" JULIET "' type='chat'><body>1</body></message>",
				    ROMEO, "<message to='" JULIET "' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
				    ROMEO, "<message to='" JULIET "' type='chat'><body>2</body></message>",
				    ROMEO, "<presence to='" JULIET "'><status>3</status></presence>",
				    ROMEO, "<message to='" JULIET "' type='chat'><body>4</body></message>",
				    ROMEO, "<iq to='" JULIET "' type='get' id='5'><ping xmlns='urn:xmpp:ping'/></iq>",
				    ROMEO, "<iq type='get' id='7'><ping xmlns='urn:xmpp:ping'/></iq>",
				    ROMEO, "<message to='" JULIET "' type='chat'><body>6</body></message>", NULL});
	room_expect(room, JULIET, "<body>1<");
	room_expect(room, JULIET, "composing");
	room_expect(room, JULIET, "<body>2<");
	room_expect(room, JULIET, "<status>3<");
	room_expect(room, JULIET, "<body>4<");
	room_expect(room, JULIET, "id='5'");
	room_expect(room, JULIET, "<body>6<");
	room_expect(room, ROMEO, "id='7'");
	assert_page(room, JULIET, QUERY(""), "1 2 4 6", true);
	assert_int_equal(room_settled(room, ROMEO), 9);
}

/* Who is given what waited meanwhile has it before what came after. */
static void what_was_kept_before_comes_before(void **state)
{
	struct room *room = *state;

	people(room);
	room_end(room, JULIET);
	room_send(room, ROMEO, "<message to='juliet@localhost' type='chat'><body>1</body></message>");
	room_start(room, JULIET);
	room_forget(room);
	room_send_all(room, (const char *[]){JULIET, "<presence/>",
					     ROMEO, "<message to='juliet@localhost' type='chat'><body>2</body></message>",
					     ROMEO, "<message to='juliet@localhost' type='chat'><body>3</body></message>",
					     ROMEO, "<message to='juliet@localhost' type='chat'><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
					     ROMEO, "<message to='juliet@localhost' type='chat'><body>4</body></message>", NULL});
	room_expect(room, JULIET, "<presence");
	room_expect(room, JULIET, "<body>1<");
	room_expect(room, JULIET, "<body>2<");
	room_expect(room, JULIET, "<body>3<");
	room_expect(room, JULIET, "<active");
	room_expect(room, JULIET, "<body>4<");
}

static void it_goes_with_the_account(void **state)
{
	struct room *room = *state;

	people(room);
	write_ten(room);
	room_action(room, ROMEO, 6 /* SESSION_DELETE */, "romeo@localhost");
	room_wait(room, ROOM_LOCK_MS);
	room_forget(room);
	room_account(room, "romeo@localhost");
	room_login(room, ROMEO);
	assert_page(room, ROMEO, QUERY(""), "", true);
	room_login(room, "juliet@localhost/e");
	room_send(room, "juliet@localhost/e", QUERY(""));
	room_expect_among(room, "juliet@localhost/e", "<count>6</count>");
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, room_open, room_close)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_by_what_a_message_says),
		WITH(a_message_has_one_id_in_each_archive),
		WITH(an_id_that_is_made_up_is_taken_out),
		WITH(what_one_writes_to_oneself_is_there_once),
		WITH(who_is_away_gets_it_under_its_id),
		WITH(what_was_not_taken_is_there_once),
		WITH(what_a_disk_refuses_is_not_sent),
		WITH(what_is_old_is_forgotten),
		WITH(it_is_read_in_pages),
		WITH(ids_are_one_filter_of_several),
		WITH(a_page_is_no_longer_than_there_is_room),
		WITH(it_is_read_by_who_and_when),
		WITH(what_is_wrong_is_refused),
		WITH(without_an_archive_its_owner_is_told_so),
		WITH(it_says_how_far_it_reaches_and_what_may_be_asked),
		WITH(a_user_says_what_is_kept),
		WITH(pages_wait_until_the_last_was_taken),
		WITH(nothing_overtakes_what_is_being_kept),
		WITH(what_was_kept_before_comes_before),
		WITH(it_goes_with_the_account),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
