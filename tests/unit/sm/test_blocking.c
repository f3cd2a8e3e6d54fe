/* SPDX-License-Identifier: MIT */
/* Whom a user blocks: what they hear, what they see, and who is told of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "jid/jid.h"
#include "link/packet.h"
#include "room.h"
#include "sm/blocklist.h"
#include "sm/modules/modules.h"
#include "sm/user.h"

#define NS "xmlns='urn:xmpp:blocking'"
#define A "romeo@localhost/a"
#define B "romeo@localhost/b"
#define JULIET "juliet@localhost/b"
#define X "x@remote.example/r"
#define GET "<iq type='get' id='g'><blocklist " NS "/></iq>"
#define BLOCK(items) "<iq type='set' id='s'><block " NS ">" items "</block></iq>"
#define UNBLOCK(items) "<iq type='set' id='u'><unblock " NS ">" items "</unblock></iq>"
#define UNBLOCK_ALL "<iq type='set' id='u'><unblock " NS "/></iq>"
#define ITEM(jid) "<item jid='" jid "'/>"

/* -- people -- */

static void romeo(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_login(room, A);
}

static void friends(struct room *room)
{
	romeo(room);
	room_account(room, "juliet@localhost");
	room_login(room, JULIET);
	room_send(room, A, "<presence type='subscribe' to='juliet@localhost'/>");
	room_send(room, JULIET, "<presence type='subscribed' to='romeo@localhost'/>");
	room_send(room, JULIET, "<presence type='subscribe' to='romeo@localhost'/>");
	room_send(room, A, "<presence type='subscribed' to='juliet@localhost'/>");
	room_send(room, A, "<presence><show>chat</show></presence>");
	room_send(room, JULIET, "<presence><show>dnd</show></presence>");
	room_forget(room);
}

static void does(struct room *room, const char *client, const char *request)
{
	room_send(room, client, request);
	room_expect_among(room, client, "type='result'");
}

static const char *list_of(struct room *room, const char *client)
{
	room_send(room, client, GET);
	return room_next(room, client);
}

static void expect_list(struct room *room, const char *client, const char *items)
{
	const char *list = list_of(room, client);

	if (!list || !strstr(list, items) || !strstr(list, "type='result' id='g'"))
		fail_msg("the list is %s, not %s", list, items);
}

#define NOBODY "<blocklist " NS "/>"
#define EVERY(items) "<blocklist " NS ">" items "</blocklist>"

/* -- the list -- */

static void shows_what_is_blocked_and_pushes_changes_to_those_who_asked(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_login(room, B);
	room_login(room, "romeo@localhost/c");
	expect_list(room, A, NOBODY);
	expect_list(room, B, NOBODY);
	room_send(room, A, BLOCK(ITEM("X@remote.example") ITEM("a@remote.example/R")));
	room_expect(room, A,
		    "to='romeo@localhost/a'><block " NS "><item jid='x@remote.example'/><item jid='a@remote.example/R'/></block>");
	room_expect(room, A, "<iq type='result' id='s'");
	room_expect(room, B, "<block " NS "><item jid='x@remote.example'/><item jid='a@remote.example/R'/></block>");
	expect_list(room, B, EVERY("<item jid='a@remote.example/R'/><item jid='x@remote.example'/>"));
	room_send(room, B, UNBLOCK(ITEM("a@remote.example/R")));
	room_expect(room, A, "type='set'");
	room_expect(room, B, "<unblock " NS "><item jid='a@remote.example/R'/></unblock>");
	room_expect(room, B, "<iq type='result' id='u'");
	expect_list(room, A, EVERY("<item jid='x@remote.example'/>"));
	room_send(room, "romeo@localhost/c", UNBLOCK_ALL);
	room_expect(room, A, "<unblock " NS "/>");
	room_expect(room, B, "<unblock " NS "/>");
	room_expect(room, "romeo@localhost/c", "<iq type='result' id='u'");
	room_expect_nothing(room, "romeo@localhost/c");
	expect_list(room, A, NOBODY);
}

static void refuses_requests_that_are_wrong_and_changes_nothing(void **state)
{
	static const struct {
		const char *request, *error;
	} rows[] = {
		{BLOCK(""), "<bad-request"},
		{BLOCK("<other/>"), "<bad-request"},
		{BLOCK("<item/>"), "<bad-request"},
		{BLOCK(ITEM("y@remote.example") ITEM("a@@b")), "<jid-malformed"},
		{BLOCK(ITEM("")), "<jid-malformed"},
		{UNBLOCK("<other/>"), "<bad-request"}, /* which is not all */
		{UNBLOCK("<item/>"), "<bad-request"},
		{UNBLOCK(ITEM("x@remote.example") ITEM("@")), "<jid-malformed"},
		{"<iq type='get' id='g' to='juliet@localhost'><blocklist " NS "/></iq>", "<service-unavailable"},
	};
	struct room *room = *state;

	romeo(room);
	room_account(room, "juliet@localhost");
	does(room, A, BLOCK(ITEM("x@remote.example")));
	for (size_t at = 0; at < sizeof(rows) / sizeof(*rows); at++) {
		room_send(room, A, rows[at].request);
		room_expect(room, A, rows[at].error);
		room_expect_nothing(room, A);
	}
	expect_list(room, A, EVERY("<item jid='x@remote.example'/>"));
}

static void is_asked_for_by_disco(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_send(room, A,
		  "<iq type='get' id='d' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
	room_expect(room, A, "<feature var='urn:xmpp:blocking'/>");
}

static void append_items(struct buf *out, unsigned from, unsigned count)
{
	buf_append_text(out, "<iq type='set' id='s'><block " NS ">");
	for (unsigned at = from; at < from + count; at++)
		buf_printf(out, "<item jid='%u@remote.example'/>", at);
	buf_append_text(out, "</block></iq>");
}

static void holds_a_thousand(void **state)
{
	struct room *room = *state;
	AUTO(buf_fini) struct buf most = {0}, more = {0};

	romeo(room);
	append_items(&most, 1, BLOCKLIST_MAX - 1);
	append_items(&more, BLOCKLIST_MAX, 2);
	does(room, A, buf_text(&most));
	room_send(room, A, buf_text(&more));
	room_expect(room, A, "<not-acceptable");
	room_from_world(room, "<message from='1000@remote.example' to='" A "'><body>not blocked</body></message>");
	room_expect(room, A, "not blocked");
	does(room, A, BLOCK(ITEM("1@remote.example") ITEM("1000@remote.example")));
	room_send(room, A, BLOCK(ITEM("1001@remote.example")));
	room_expect(room, A, "<not-acceptable");
	does(room, A, UNBLOCK(ITEM("1@remote.example")));
	does(room, A, BLOCK(ITEM("1001@remote.example")));
}

static void matches_four_forms_of_addresses(void **state)
{
	static const struct {
		const char *item, *matched[4], *others[4];
	} rows[] = {
		{"u@d.example/r", {"u@d.example/r"}, {"u@d.example/R", "u@d.example", "d.example/r", "v@d.example/r"}},
		{"u@d.example", {"u@d.example", "u@d.example/r", "U@D.example/x"}, {"v@d.example/r", "d.example", "u@e.example"}},
		{"d.example/r", {"d.example/r"}, {"d.example", "u@d.example/r", "d.example/s"}},
		{"d.example", {"d.example", "d.example/r", "u@d.example", "u@d.example/r"}, {"e.d.example", "u@e.d.example", "example"}},
		/* Of one's own: never the account, nor the server. */
		{"romeo@localhost", {NULL}, {"romeo@localhost", B, A}},
		{B, {NULL}, {B, A}},
		{"localhost", {"juliet@localhost", "juliet@localhost/r"}, {"localhost", "localhost/r", "romeo@localhost", B}},
	};
	struct room *room = *state;
	const struct user *user;

	romeo(room);
	user = room_session(room, A)->user;
	for (size_t at = 0; at < sizeof(rows) / sizeof(*rows); at++) {
		AUTO(buf_fini) struct buf request = {0};

		buf_printf(&request, BLOCK(ITEM("%s")), rows[at].item);
		does(room, A, buf_text(&request));
		for (unsigned of = 0; of < 4; of++) {
			AUTO(jid_free) struct jid *yes = jid_parse(slice_of(rows[at].matched[of] ? rows[at].matched[of] : ""));
			AUTO(jid_free) struct jid *no = jid_parse(slice_of(rows[at].others[of] ? rows[at].others[of] : ""));

			if (yes && !(blocking_has(user, yes) && blocking_hides(user, yes)))
				fail_msg("%s lets %s through", rows[at].item, jid_text(yes));
			if (no && (blocking_has(user, no) || blocking_hides(user, no)))
				fail_msg("%s blocks %s", rows[at].item, jid_text(no));
		}
		does(room, A, UNBLOCK_ALL);
	}
}

/* -- stanzas -- */

/* %s is somebody's address. */
static const struct {
	const char *stanza, *error;
} arrivals[] = {
	{"<message from='" X "' to='%s'><body>b</body></message>", "<service-unavailable"},
	{"<message from='" X "' to='%s' type='chat'><body>b</body></message>", "<service-unavailable"},
	{"<message from='" X "' to='%s/a' type='chat'><body>b</body></message>", "<service-unavailable"},
	{"<message from='" X "' to='%s/a' type='normal'><body>b</body></message>", "<service-unavailable"},
	{"<message from='" X "' to='%s/a' type='groupchat'><body>b</body></message>", "<service-unavailable"},
	{"<message from='" X "' to='%s' type='headline'><body>b</body></message>", NULL},
	{"<message from='" X "' to='%s/a' type='headline'><body>b</body></message>", NULL},
	{"<message from='" X "' to='%s/a' type='error'><body>b</body></message>", NULL},
	{"<iq from='" X "' to='%s' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "<service-unavailable"},
	{"<iq from='" X "' to='%s/a' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "<service-unavailable"},
	{"<iq from='" X "' to='%s/a' type='set' id='1'><x xmlns='u:x'/></iq>", "<service-unavailable"},
	{"<iq from='" X "' to='%s/a' type='result' id='1'/>", NULL},
	{"<iq from='" X "' to='%s/a' type='error' id='1'/>", NULL},
	{"<presence from='" X "' to='%s'/>", NULL},
	{"<presence from='" X "' to='%s/a'/>", NULL},
	{"<presence from='" X "' to='%s' type='unavailable'/>", NULL},
	{"<presence from='" X "' to='%s' type='subscribe'/>", NULL},
	{"<presence from='" X "' to='%s' type='subscribed'/>", NULL},
	{"<presence from='" X "' to='%s' type='unsubscribe'/>", NULL},
	{"<presence from='" X "' to='%s' type='unsubscribed'/>", NULL},
	{"<presence from='" X "' to='%s' type='error'/>", NULL},
};

static const char *arrive(struct room *room, const char *stanza, const char *who)
{
	AUTO(buf_fini) struct buf text = {0};
	const char *before = strstr(stanza, "%s");

	buf_append_slice(&text, (struct slice){stanza, (size_t)(before - stanza)});
	buf_append_text(&text, who);
	buf_append_text(&text, before + 2);
	room_from_world(room, buf_text(&text));
	return room_next(room, "world");
}

static void append_named_romeo(struct buf *out, const char *text)
{
	const char *name;

	while ((name = strstr(text, "romex"))) {
		buf_append_slice(out, (struct slice){text, (size_t)(name - text)});
		buf_append_text(out, "romeo");
		text = name + strlen("romex");
	}
	buf_append_text(out, text);
}

/* And one who does not exist gives the same answers. */
static void refuses_what_comes_as_if_nobody_were_there(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_send(room, A, "<presence/>");
	does(room, A, BLOCK(ITEM("x@remote.example")));
	for (size_t at = 0; at < sizeof(arrivals) / sizeof(*arrivals); at++) {
		const char *stanza = arrivals[at].stanza, *error = arrivals[at].error;
		AUTO(buf_fini) struct buf other = {0};
		const char *answer = arrive(room, stanza, "romex@localhost");

		append_named_romeo(&other, answer ? answer : "");
		answer = arrive(room, stanza, "romeo@localhost");
		if (error ? !answer || !strstr(answer, error) : answer != NULL)
			fail_msg("%s is answered %s", stanza, answer);
		assert_string_equal(answer ? answer : "", buf_text(&other));
		room_expect_nothing(room, A);
	}
	/* Section 3.4: not even that there is no subscription. */
	assert_null(arrive(room, "<presence from='" X "' to='%s' type='probe'/>", "romeo@localhost"));
	does(room, A, UNBLOCK_ALL);
	assert_null(arrive(room, arrivals[0].stanza, "romeo@localhost"));
	room_expect(room, A, "<body>b</body>");
	assert_null(arrive(room, "<presence from='" X "' to='%s' type='subscribe'/>", "romeo@localhost"));
	room_expect(room, A, "type='subscribe'");
}

#define BLOCKED "<error type='cancel' code='406'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"                  \
	"<blocked xmlns='urn:xmpp:blocking:errors'/></error>"

static void refuses_what_goes_and_says_why(void **state)
{
	static const struct {
		const char *stanza, *error;
	} rows[] = {
		{"<message to='x@remote.example' type='chat'><body>b</body></message>", BLOCKED "<body>b</body>"},
		{"<message to='" X "'><body>b</body></message>", BLOCKED},
		{"<message to='" X "' type='headline'/>", BLOCKED},
		{"<message to='" X "' type='error'/>", NULL},
		{"<iq to='" X "' type='get' id='1'><x xmlns='u:x'/></iq>", BLOCKED},
		{"<iq to='" X "' type='set' id='1'><x xmlns='u:x'/></iq>", BLOCKED},
		{"<iq to='" X "' type='result' id='1'/>", NULL},
		{"<presence to='" X "'/>", BLOCKED},
		{"<presence to='" X "' type='unavailable'/>", NULL},
		{"<presence to='x@remote.example' type='subscribe'/>", BLOCKED},
		{"<presence to='x@remote.example' type='subscribed'/>", BLOCKED},
		{"<presence to='x@remote.example' type='unsubscribe'/>", BLOCKED},
	};
	struct room *room = *state;

	romeo(room);
	does(room, A, BLOCK(ITEM("x@remote.example")));
	for (size_t at = 0; at < sizeof(rows) / sizeof(*rows); at++) {
		room_send(room, A, rows[at].stanza);
		if (rows[at].error)
			room_expect(room, A, rows[at].error);
		room_expect_nothing(room, A);
		room_expect_nothing(room, "world");
	}
	assert_int_equal(room_settled(room, A), room_session(room, A)->seen);
	room_send(room, A, "<message to='y@remote.example'><body>b</body></message>");
	room_expect(room, "world", "to='y@remote.example'");
	does(room, A, UNBLOCK(ITEM("x@remote.example")));
	room_send(room, A, rows[0].stanza);
	room_expect(room, "world", "to='x@remote.example'");
}

/* What is said next comes after it. */
static void one_may_go_on_at_once(void **state)
{
	static const char *const all[] = {A, UNBLOCK_ALL,
					  A, "<message to='" X "'><body>b</body></message>",
					  A, BLOCK(ITEM("x@remote.example")),
					  A, "<message to='" X "'><body>c</body></message>", NULL};
	struct room *room = *state;

	romeo(room);
	does(room, A, BLOCK(ITEM("x@remote.example")));
	room_send_all(room, all);
	room_expect(room, "world", "<body>b</body>");
	room_expect_nothing(room, "world");
	room_expect_among(room, A, BLOCKED "<body>c</body>");
	expect_list(room, A, EVERY("<item jid='x@remote.example'/>"));
}

static void who_blocks_the_own_domain_still_has_the_server_and_all_resources(void **state)
{
	struct room *room = *state;

	friends(room);
	room_login(room, B);
	room_send(room, B, "<presence/>");
	room_forget(room);
	does(room, A, BLOCK(ITEM("localhost") ITEM("romeo@localhost")));
	room_forget(room);
	does(room, A, "<iq to='localhost' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
	does(room, A, "<iq to='romeo@localhost' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
	does(room, A, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	room_send(room, A, "<message to='" B "'><body>mine</body></message>");
	room_expect(room, B, "mine");
	room_send(room, A, "<presence><show>xa</show></presence>");
	room_expect(room, B, "<show>xa</show>");
	room_expect_nothing(room, JULIET);
	room_send(room, JULIET, "<message to='romeo@localhost'><body>hers</body></message>");
	room_expect(room, JULIET, "<service-unavailable");
	room_expect_nothing(room, B);
}

/* -- presence -- */

static void hides_the_user_from_who_is_blocked_and_shows_them_again(void **state)
{
	struct room *room = *state;

	friends(room);
	room_send(room, A, BLOCK(ITEM("juliet@localhost") ITEM("nobody@localhost")));
	room_expect(room, JULIET, "<presence type='unavailable' from='" A "' to='juliet@localhost'");
	room_expect_nothing(room, JULIET);
	room_forget(room);
	does(room, A, BLOCK(ITEM("juliet@localhost") ITEM("localhost")));
	room_expect_nothing(room, JULIET); /* it was hidden */
	/* Nothing that he does is seen, and he sees nothing. */
	room_send(room, A, "<presence><show>xa</show></presence>");
	room_login(room, B);
	room_send(room, B, "<presence/>");
	room_end(room, B);
	room_send(room, JULIET, "<presence type='probe' to='romeo@localhost'/>");
	room_expect_nothing(room, JULIET);
	room_forget(room);
	room_send(room, JULIET, "<presence><show>away</show></presence>");
	room_expect_nothing(room, A);
	room_forget(room);
	does(room, A, UNBLOCK(ITEM("juliet@localhost")));
	room_expect_nothing(room, JULIET); /* she is still blocked with her domain */
	room_send(room, A, UNBLOCK(ITEM("localhost")));
	room_expect(room, JULIET, "<show>xa</show>");
	room_expect_nothing(room, JULIET);
	room_expect_among(room, A, "<show>away</show>");
}

static void a_session_that_ends_is_not_seen_by_who_is_blocked(void **state)
{
	struct room *room = *state;

	friends(room);
	does(room, A, BLOCK(ITEM("juliet@localhost")));
	room_forget(room);
	room_send(room, A, "<presence type='unavailable'/>");
	room_send(room, A, "<presence/>");
	room_end(room, A);
	room_expect_nothing(room, JULIET);
	room_end(room, JULIET);
	room_forget(room);
	room_login(room, A);
	room_login(room, JULIET);
	room_send(room, JULIET, "<presence/>");
	room_send(room, A, "<presence/>");
	room_expect_none_with(room, JULIET, "from='" A "'");
	room_expect_none_with(room, A, "from='" JULIET "'");
	does(room, A, UNBLOCK_ALL);
	room_expect_among(room, JULIET, "<presence from='" A "' to='juliet@localhost'");
}

/* Before the disk has it he is seen as ever, and she is told once. */
static void who_leaves_while_he_blocks_is_seen_to_leave(void **state)
{
	static const char *const all[] = {A, BLOCK(ITEM("juliet@localhost")), A,
					  "<presence type='unavailable'><status>bye</status></presence>", NULL};
	struct room *room = *state;

	friends(room);
	room_send_all(room, all);
	room_expect(room, JULIET, "<status>bye</status>");
	room_expect_nothing(room, JULIET);
}

static void who_blocks_again_at_once_is_not_seen(void **state)
{
	static const char *const all[] = {A, UNBLOCK_ALL, A, BLOCK(ITEM("juliet@localhost")), NULL};
	struct room *room = *state;

	friends(room);
	does(room, A, BLOCK(ITEM("juliet@localhost")));
	room_forget(room);
	room_send_all(room, all);
	room_expect_none_with(room, JULIET, "<show>");
}

static void takes_back_directed_presence(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_send(room, A, "<presence to='" X "'/>");
	room_send(room, A, "<presence to='y@remote.example'/>");
	room_send(room, A, "<presence to='room@b.example/nick'/>");
	room_forget(room);
	room_send(room, A, BLOCK(ITEM("x@remote.example") ITEM("y@remote.example/s")));
	room_expect(room, "world", "<presence type='unavailable' from='" A "' to='" X "'");
	room_expect(room, "world", "<presence type='unavailable' from='" A "' to='y@remote.example/s'");
	room_expect_nothing(room, "world");
	room_end(room, A);
	room_expect(room, "world", "<presence type='unavailable' from='" A "' to='y@remote.example'");
	room_expect_nothing(room, "world");
}

/* -- what was there before -- */

static void gives_nothing_that_waited_of_who_is_blocked(void **state)
{
	struct room *room = *state;

	romeo(room);
	room_from_world(room, "<presence from='x@remote.example' to='romeo@localhost' type='subscribe'/>");
	room_from_world(room, "<message from='" X "' to='romeo@localhost' type='chat'><body>blocked</body></message>");
	room_from_world(room, "<message from='y@remote.example' to='romeo@localhost' type='chat'><body>read</body></message>");
	does(room, A, BLOCK(ITEM("x@remote.example")));
	room_send(room, A, "<presence/>");
	room_expect(room, A, "<presence");
	room_expect(room, A, "<body>read</body>");
	room_expect_nothing(room, A);
	does(room, A, UNBLOCK_ALL);
	room_send(room, A, "<presence type='unavailable'/>");
	room_send(room, A, "<presence/>");
	room_expect_among(room, A, "type='subscribe'"); /* she asks until she is answered */
}

static void keeps_it_in_storage(void **state)
{
	struct room *room = *state;

	romeo(room);
	does(room, A, BLOCK(ITEM("x@remote.example") ITEM("y@remote.example/r") ITEM("z.example")));
	does(room, A, UNBLOCK(ITEM("z.example")));
	room_restart(room);
	assert_non_null(strstr(arrive(room, arrivals[0].stanza, "romeo@localhost"), "<service-unavailable"));
	room_login(room, A);
	expect_list(room, A, EVERY("<item jid='x@remote.example'/><item jid='y@remote.example/r'/>"));
	does(room, A, UNBLOCK_ALL);
	room_restart(room);
	room_login(room, A);
	expect_list(room, A, NOBODY);
}

static void goes_with_the_account(void **state)
{
	struct room *room = *state;

	romeo(room);
	does(room, A, BLOCK(ITEM("x@remote.example")));
	room_action(room, A, SESSION_DELETE, "romeo@localhost");
	room_wait(room, ROOM_LOCK_MS);
	room_forget(room);
	romeo(room);
	expect_list(room, A, NOBODY);
	room_restart(room);
	room_login(room, A);
	expect_list(room, A, NOBODY);
}

static void what_a_disk_refuses_is_not_changed(void **state)
{
	struct room *room = *state;

	friends(room);
	expect_list(room, A, NOBODY);
	does(room, A, BLOCK(ITEM("x@remote.example")));
	room_forget(room);
	room_disk_full(room, true);
	room_send(room, A, BLOCK(ITEM("juliet@localhost")));
	room_expect(room, A, "<error type='wait' code='500'><resource-constraint");
	room_send(room, JULIET, "<message to='" A "'><body>hers</body></message>");
	room_expect(room, A, "hers");
	room_send(room, A, UNBLOCK_ALL);
	room_expect(room, A, "<error type='wait' code='500'><resource-constraint");
	room_expect_nothing(room, A);
	room_expect_nothing(room, JULIET);
	expect_list(room, A, EVERY("<item jid='x@remote.example'/>"));
	assert_non_null(strstr(arrive(room, arrivals[0].stanza, "romeo@localhost"), "<service-unavailable"));
	room_send(room, A, "<presence><show>xa</show></presence>");
	room_expect(room, JULIET, "<show>xa</show>");
	room_disk_full(room, false);
	does(room, A, BLOCK(ITEM("juliet@localhost")));
	room_expect(room, JULIET, "type='unavailable'");
}

/* -- another session manager -- */

struct kept {
	const char *client;
	char snapshot[2048];
	uint32_t settled;
};

static struct kept kept_of(struct room *room, const char *client)
{
	struct kept kept = {.client = client, .settled = room_session(room, client)->seen};

	assert_true(strlen(room_snapshot(room, client)) < sizeof(kept.snapshot));
	strcpy(kept.snapshot, room_snapshot(room, client));
	assert_true(kept.snapshot[0] != 0);
	return kept;
}

static void present(struct room *room, const struct kept *kept, bool fresh)
{
	struct packet *packet = room_make_action(room, kept->client, SESSION_PRESENT);

	packet->sm.len = 0;
	packet->session.target = jid_parse(slice_of(kept->client));
	packet->session.resume.settled = kept->settled;
	packet->session.resume.fresh = fresh;
	buf_printf(&packet->session.text, "\n%s", kept->snapshot);
	room_packet(room, &packet);
	packet = room_make_action(room, kept->client, SESSION_ATTACH);
	room_packet(room, &packet);
	assert_false(room_session(room, kept->client)->detached);
	room_expect(room, kept->client, "presented from=sm");
}

/* Nor may she have seen it: she is told again, and who asked for the list has the whole list. */
static void what_an_earlier_manager_did_is_told_again_and_not_done_again(void **state)
{
	struct room *room = *state;
	struct kept one, other, hers;
	struct packet *packet;

	friends(room);
	room_login(room, B);
	expect_list(room, B, NOBODY);
	other = kept_of(room, B); /* his c2s hears nothing more of that sm */
	does(room, A, BLOCK(ITEM("juliet@localhost")));
	one = kept_of(room, A);
	one.settled--; /* it was committed, and not settled */
	does(room, B, BLOCK(ITEM("x@remote.example")));
	hers = kept_of(room, JULIET);
	room_restart(room);
	present(room, &one, false);
	present(room, &hers, false);
	room_forget(room);
	packet = room_make_stanza(room, A, one.settled + 1, BLOCK(ITEM("juliet@localhost")));
	room_packet(room, &packet);
	room_expect(room, A, "type='result' id='s'");
	room_expect(room, JULIET, "<presence type='unavailable' from='" A "'");
	room_expect_nothing(room, JULIET);
	/* He comes last of all. */
	present(room, &other, false);
	room_expect(room, B, "<unblock " NS "/>");
	room_expect(room, B, "<block " NS "><item jid='juliet@localhost'/><item jid='x@remote.example'/></block>");
	/* And he is still one who asked. */
	does(room, A, UNBLOCK(ITEM("x@remote.example")));
	room_expect(room, B, "<unblock " NS "><item jid='x@remote.example'/></unblock>");
}

static void a_change_that_was_settled_is_told_to_who_is_presented(void **state)
{
	struct room *room = *state;
	struct kept one, other;

	romeo(room);
	room_login(room, B);
	expect_list(room, B, NOBODY);
	other = kept_of(room, B);
	does(room, A, BLOCK(ITEM("x@remote.example")));
	one = kept_of(room, A);
	room_restart(room);
	present(room, &one, false);
	room_end(room, A);
	present(room, &other, false);
	room_expect(room, B, "<unblock " NS "/>");
	room_expect(room, B, "<block " NS "><item jid='x@remote.example'/></block>");
	other = kept_of(room, B);
	room_restart(room);
	present(room, &other, false);
	room_expect_nothing(room, B);
}

/* A change that storage refused may be there all the same, when the sm that heard the refusal is dead. */
static void a_change_of_which_nobody_heard_is_told_to_who_is_presented(void **state)
{
	struct room *room = *state;
	struct kept other;

	romeo(room);
	room_login(room, B);
	does(room, A, BLOCK(ITEM("x@remote.example")));
	expect_list(room, B, EVERY("<item jid='x@remote.example'/>"));
	other = kept_of(room, B);
	does(room, A, UNBLOCK_ALL);
	room_restart(room);
	present(room, &other, false);
	room_expect(room, B, "<unblock " NS "/>");
	room_expect_nothing(room, B);
}

#define WITH(test, open) cmocka_unit_test_setup_teardown(test, open, room_close)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH(shows_what_is_blocked_and_pushes_changes_to_those_who_asked, room_open),
		WITH(refuses_requests_that_are_wrong_and_changes_nothing, room_open),
		WITH(is_asked_for_by_disco, room_open),
		WITH(holds_a_thousand, room_open),
		WITH(matches_four_forms_of_addresses, room_open),
		WITH(refuses_what_comes_as_if_nobody_were_there, room_open),
		WITH(refuses_what_goes_and_says_why, room_open),
		WITH(one_may_go_on_at_once, room_open),
		WITH(who_blocks_the_own_domain_still_has_the_server_and_all_resources, room_open),
		WITH(hides_the_user_from_who_is_blocked_and_shows_them_again, room_open),
		WITH(a_session_that_ends_is_not_seen_by_who_is_blocked, room_open),
		WITH(who_leaves_while_he_blocks_is_seen_to_leave, room_open),
		WITH(who_blocks_again_at_once_is_not_seen, room_open),
		WITH(takes_back_directed_presence, room_open),
		WITH(gives_nothing_that_waited_of_who_is_blocked, room_open),
		WITH(keeps_it_in_storage, room_open),
		WITH(goes_with_the_account, room_open),
		WITH(what_a_disk_refuses_is_not_changed, room_open),
		WITH(what_an_earlier_manager_did_is_told_again_and_not_done_again, room_open_far),
		WITH(a_change_that_was_settled_is_told_to_who_is_presented, room_open_far),
		WITH(a_change_of_which_nobody_heard_is_told_to_who_is_presented, room_open_far),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
