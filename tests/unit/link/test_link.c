/* SPDX-License-Identifier: MIT */
/* Delivery: to a part on the right worker, to a peer, or back. */
#include "room.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

static int open_room(void **state)
{
	struct room *room = mem_zalloc(MEM_OTHER, sizeof(*room));

	room_open(room, false);
	*state = room;
	return 0;
}

static int close_room(void **state)
{
	struct room *room = *state;

	room_close(room);
	mem_free(room);
	return 0;
}

static struct packet *message(const char *from, const char *to, const char *user)
{
	AUTO(str_free)
	struct str *sender = str_new(slice_of(from)),
		   *receiver = str_new(slice_of(to));
	AUTO(jid_free) struct jid *jid = user ? jid_parse(slice_of(user)) : NULL;
	struct stanza *stanza = stanza_new(STANZA_MESSAGE, STANZA_NONE, SLICE("1"));

	stanza_set_to(stanza, jid);
	return packet_stanza(sender, receiver, &stanza);
}

/* The start of the one line that was heard. */
static void expect_at(struct room *room, const char *part)
{
	const char *text = buf_text(&room->heard);

	if (strncmp(text, part, strlen(part)) != 0 || text[strlen(part)] != ' ')
		fail_msg("%s, not %s", text, part);
	assert_ptr_equal(strchr(text, '\n') + 1, text + strlen(text));
	buf_clear(&room->heard);
}

static void a_user_lives_on_one_worker(void **state)
{
	struct room *room = *state;
	unsigned on[ROOM_WORKERS] = {0};

	for (unsigned at = 0; at < 32; at++) {
		char user[32], part[8];
		AUTO(jid_free) struct jid *jid = NULL;
		struct packet *packet;

		snprintf(user, sizeof(user), "u%u@a.example/x%u", at, at);
		jid = jid_parse(slice_of(user));
		packet = message("c2s", "a.example", user);
		snprintf(part, sizeof(part), "sm/%u", link_worker_of(room->links[0], jid));
		on[link_worker_of(room->links[0], jid)]++;
		assert_int_equal(link_worker_of(room->links[0], jid),
				 link_worker_of(room->links[1], jid));
		room_send(room, at % ROOM_WORKERS, &packet);
		expect_at(room, part);
	}
	assert_true(on[0] > 4 && on[1] > 4);
}

static void an_id_says_the_worker(void **state)
{
	static const struct {
		const char *to, *c2s, *sm, *at;
	} rows[] = {
		{"sm", "0.1.1", "1.1.1", "sm/1"},
		{"sm", "1.1.1", "0.1.1", "sm/0"},
		{"c2s", "1.1.1", "0.1.1", "c2s/1"},
		{"c2s", "0.1.1", "1.1.1", "c2s/0"},
		{"c2s", "2.1.1", "0.1.1", "c2s/0"},
		{"sm", "0.1.1", "ff.1.1", "sm/0"},
		{"sm", "0.1.1", "3f.ffffff.ffffffff", "sm/0"},
	};

	for (size_t at = 0; at < countof(rows); at++) {
		for (unsigned worker = 0; worker < ROOM_WORKERS; worker++) {
			struct packet *packet = message("x", rows[at].to, NULL);

			session_id_take(&packet->c2s, slice_of(rows[at].c2s));
			session_id_take(&packet->sm, slice_of(rows[at].sm));
			room_send(*state, worker, &packet);
			expect_at(*state, rows[at].at);
		}
	}
}

static void a_foreign_id_says_nothing(void **state)
{
	struct room *room = *state;
	AUTO(jid_free) struct jid *jid = jid_parse(SLICE("ann@a.example"));
	struct packet *packet = message("x", "sm", "ann@a.example/y");
	char part[8];

	session_id_take(&packet->sm, SLICE("a6856cfbd55f7792c83b8e2313aa89cc77df3f1c"));
	snprintf(part, sizeof(part), "sm/%u", link_worker_of(room->links[0], jid));
	room_send(room, 0, &packet);
	expect_at(room, part);
}

static void what_belongs_nowhere_stays_where_it_is(void **state)
{
	static const char *const users[] = {NULL, "a.example", "a.example/x"};

	for (unsigned worker = 0; worker < ROOM_WORKERS; worker++) {
		for (size_t at = 0; at < countof(users); at++) {
			struct packet *packet = message("x", "sm", users[at]);

			room_send(*state, worker, &packet);
			expect_at(*state, worker ? "sm/1" : "sm/0");
		}
	}
}

static void an_account_answer_finds_its_asker(void **state)
{
	AUTO(str_free) struct str *sm = str_new(SLICE("sm")), *c2s = str_new(SLICE("c2s"));

	for (unsigned worker = 0; worker < 4; worker++) {
		struct packet *packet = packet_new(PACKET_ACCOUNT, sm, c2s);

		packet->account.user = jid_parse(SLICE("ann@a.example"));
		packet->account.token = (uint64_t)worker << 56 | 5;
		packet->account.answer = true;
		room_send(*state, 0, &packet);
		expect_at(*state, worker == 1 ? "c2s/1" : "c2s/0");
	}
}

static void nothing_is_delivered_within_link_send(void **state)
{
	struct room *room = *state;
	struct packet *packet = message("x", "sm", NULL);

	link_send(room->links[0], &packet);
	assert_null(packet);
	room_expect(room, "");
	room_settle(room);
	expect_at(room, "sm/0");
}

static void order_is_kept(void **state)
{
	struct room *room = *state;
	AUTO(buf_fini) struct buf expected = {0};

	for (unsigned at = 0; at < 20; at++) {
		AUTO(str_free) struct str *from = str_new(SLICE("c2s")), *to = str_new(SLICE("sm"));
		struct packet *packet = packet_new(PACKET_SETTLED, from, to);

		session_id_take(&packet->sm, SLICE("1.1.1"));
		packet->count = at;
		link_send(room->links[0], &packet);
		buf_printf(&expected,
			   "sm/1 <route from='c2s' to='sm'><sc:session xmlns:sc='" NS_LINK_SESSION
			   "' action='jackdaw-settled' "
			   "sc:sm='1.1.1' count='%u'></sc:session></route>\n",
			   at);
	}
	room_settle(room);
	room_expect(room, buf_text(&expected));
}

/* Of whatever kind: what c2s is to know before something is settled is not overtaken by that. */
static void what_is_settled_stays_behind_what_was_said_before(void **state)
{
	struct room *room = *state;
	const char *at = NULL;

	for (unsigned round = 0; round < 10; round++) {
		AUTO(str_free) struct str *from = str_new(SLICE("sm")), *to = str_new(SLICE("c2s"));
		struct packet *said = message("sm", "c2s", NULL), *settled = packet_new(PACKET_SETTLED, from, to);

		session_id_take(&said->c2s, SLICE("1.1.1"));
		session_id_take(&settled->c2s, SLICE("1.1.1"));
		link_send(room->links[0], &said);
		link_send(room->links[0], &settled);
	}
	room_settle(room);
	at = buf_text(&room->heard);
	for (unsigned line = 0; line < 20; line++) {
		const char *next = strchr(at, '\n'), *settled = strstr(at, "jackdaw-settled");

		assert_non_null(next);
		assert_int_equal(settled && settled < next, line % 2);
		at = next + 1;
	}
	buf_clear(&room->heard);
}

static void what_nobody_serves_comes_back(void **state)
{
	for (unsigned worker = 0; worker < ROOM_WORKERS; worker++) {
		struct packet *packet = message("sm", "nobody.example", "x@nobody.example");

		session_id_take(&packet->sm, SLICE("1.1.1"));
		room_send(*state, worker, &packet);
		expect_at(*state, "sm/1 404");
	}
}

static void what_came_back_does_not_come_back_again(void **state)
{
	struct room *room = *state;
	struct packet *packet = message("nobody.example", "else.example", NULL);

	room_send(room, 1, &packet);
	packet = message("sm", "nobody.example", NULL);
	packet->relayed = true;
	room_send(room, 1, &packet);
	packet = message("nobody.example", "sm", NULL);
	packet->error = 404;
	room_send(room, 0, &packet);
	room_expect(room, "");
}

static void knows_its_names(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *served = link_name(room->links[1], SLICE("a.example"));
	AUTO(str_free) struct str *other = link_name(room->links[1], SLICE("x.example"));

	assert_true(link_serves(room->links[0], SLICE("sm")));
	assert_true(link_serves(room->links[1], SLICE("b.example")));
	assert_false(link_serves(room->links[0], SLICE("x.example")));
	assert_string_equal(str_text(served), "a.example");
	assert_string_equal(str_text(other), "x.example");
}

/* -- with a peer
 * ------------------------------------------------------------------------------------- */

static void open_named(struct remote *remote, struct room *room)
{
	remote_open(remote, room, LINK_DOWN);
	remote_say(remote, "<bind name='x.example'/>");
	remote_heard(remote);
}

static void a_peer_is_reached_from_every_worker(void **state)
{
	struct remote remote;

	open_named(&remote, *state);
	assert_int_equal(link_peers(((struct room *)*state)->links[0]), 1);
	for (unsigned worker = 0; worker < ROOM_WORKERS; worker++) {
		struct packet *packet = message("sm", "x.example", "u@x.example");

		room_send(*state, worker, &packet);
		remote_expect(
			&remote,
			"<route from='sm' to='x.example'><message xmlns='jabber:client' id='1' "
			"to='u@x.example'></message></route>");
	}
	room_expect(*state, "");
	remote_close(&remote);
}

static void the_default_route_takes_the_rest(void **state)
{
	struct remote remote;
	struct packet *packet = message("sm", "far.example", "u@far.example");

	open_named(&remote, *state);
	remote_say(&remote, "<bind name='s2s'><default/></bind>");
	remote_heard(&remote);
	room_send(*state, 1, &packet);
	assert_non_null(strstr(remote_heard(&remote), "<route from='sm' to='far.example'>"));
	remote_close(&remote);
}

static void a_name_in_any_case_reaches_the_part_on_each_worker(void **state)
{
	static const char *const names[] = {"sm", "SM", "sm/x", "A.Example", "u@b.EXAMPLE"};
	struct remote remote;

	open_named(&remote, *state);
	for (size_t at = 0; at < countof(names); at++) {
		for (unsigned worker = 0; worker < ROOM_WORKERS; worker++) {
			AUTO(buf_fini) struct buf text = {0};

			buf_printf(&text,
				   "<route from='X.example' to='%s'><iq xmlns='jabber:client' "
				   "type='get' id='1' "
				   "xmlns:s='" NS_LINK_SESSION "' s:sm='%u.1.1'/></route>",
				   names[at], worker);
			remote_say(&remote, buf_text(&text));
			expect_at(*state, worker ? "sm/1" : "sm/0");
			assert_true(((struct room *)*state)->last->relayed);
			assert_string_equal(str_text(((struct room *)*state)->last->from),
					    "x.example");
		}
	}
	remote_expect(&remote, "");
	remote_close(&remote);
}

static void ids_of_workers_that_are_not_go_to_worker_0(void **state)
{
	static const char *const ids[] = {"2.1.1", "3f.1.1", "ff.ffffff.ffffffff"};
	struct remote remote;

	open_named(&remote, *state);
	for (size_t at = 0; at < countof(ids); at++) {
		AUTO(buf_fini) struct buf text = {0};

		buf_printf(&text,
			   "<route from='x.example' to='c2s'><s:session xmlns:s='" NS_LINK_SESSION
			   "' action='ended' "
			   "s:c2s='%s' s:sm='%s'/></route>",
			   ids[at], ids[at]);
		remote_say(&remote, buf_text(&text));
		expect_at(*state, "c2s/0");
		buf_clear(&text);
		buf_printf(&text,
			   "<route from='x.example' to='sm'><s:session xmlns:s='" NS_LINK_SESSION
			   "' action='end' "
			   "s:c2s='%s' s:sm='%s'/></route>",
			   ids[at], ids[at]);
		remote_say(&remote, buf_text(&text));
		expect_at(*state, "sm/0");
	}
	remote_say(&remote, "<route from='x.example' to='c2s'><s:session xmlns:s='" NS_LINK_SESSION
			    "' action='jackdaw-account' verb='1' "
			    "target='a@b' token='18446744073709551615' result='0'/></route>");
	expect_at(*state, "c2s/0");
	remote_close(&remote);
}

static void parts_get_no_routes_that_they_cannot_read(void **state)
{
	static const char *const insides[] = {
		"",
		"text",
		"<x xmlns='foo'/>",
		"<a/><b/>",
		"<message xmlns='jabber:server'/>",
		"<session action='start'/>",
	};
	struct remote remote;

	open_named(&remote, *state);
	for (size_t at = 0; at < countof(insides); at++) {
		AUTO(buf_fini) struct buf text = {0};

		buf_printf(&text, "<route from='x.example' to='sm'>%s</route>", insides[at]);
		remote_say(&remote, buf_text(&text));
	}
	room_expect(*state, "");
	remote_expect(&remote, "");
	remote_close(&remote);
}

#define in_room(test) cmocka_unit_test_setup_teardown(test, open_room, close_room)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_room(a_user_lives_on_one_worker),
		in_room(an_id_says_the_worker),
		in_room(a_foreign_id_says_nothing),
		in_room(what_belongs_nowhere_stays_where_it_is),
		in_room(an_account_answer_finds_its_asker),
		in_room(nothing_is_delivered_within_link_send),
		in_room(order_is_kept),
		in_room(what_is_settled_stays_behind_what_was_said_before),
		in_room(what_nobody_serves_comes_back),
		in_room(what_came_back_does_not_come_back_again),
		in_room(knows_its_names),
		in_room(a_peer_is_reached_from_every_worker),
		in_room(the_default_route_takes_the_rest),
		in_room(a_name_in_any_case_reaches_the_part_on_each_worker),
		in_room(ids_of_workers_that_are_not_go_to_worker_0),
		in_room(parts_get_no_routes_that_they_cannot_read),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
