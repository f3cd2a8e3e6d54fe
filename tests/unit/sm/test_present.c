/* SPDX-License-Identifier: MIT */
/* Sessions that outlive their session manager: what c2s is to keep of them, and what the next sm makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/table.h"
#include "jid/jid.h"
#include "link/packet.h"
#include "room.h"
#include "sm/user.h"
#include "stanza/stanza.h"

#define ROMEO "romeo@localhost/a"
#define JULIET "juliet@localhost/b"
#define TO_JULIET(body) "<message to='juliet@localhost/b' type='chat'><body>" body "</body></message>"
#define ROSTER_GET "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
#define ROSTER_SET(id, name)                                                                                           \
	"<iq type='set' id='" id "'><query xmlns='jabber:iq:roster'><item jid='nurse@localhost' name='" name             \
	"'/></query></iq>"

enum { OLD_MS = 11000 }; /* what was said before that is not said again */

/* -- c2s ------------------------------------------------------------------------------------------- */

/* A client as its c2s knows it when its sm is gone. */
struct kept {
	const char *client;
	char snapshot[4096];
	uint64_t key; /* of the session, in origins */
	uint32_t settled;
	bool fresh; /* the snapshot */
};

static struct kept kept_of(struct room *room, const char *client)
{
	struct kept kept = {.client = client, .key = room_session(room, client)->origin};

	assert_true(strlen(room_snapshot(room, client)) < sizeof(kept.snapshot));
	strcpy(kept.snapshot, room_snapshot(room, client));
	assert_true(kept.snapshot[0] != 0);
	return kept;
}

static struct packet *present_new(struct room *room, const struct kept *kept, const char *recent)
{
	struct packet *packet = room_make_action(room, kept->client, SESSION_PRESENT);

	packet->sm.len = 0;
	packet->session.target = jid_parse(slice_of(kept->client));
	packet->session.resume.settled = kept->settled;
	packet->session.resume.fresh = kept->fresh;
	buf_printf(&packet->session.text, "%s\n%s", recent, kept->snapshot);
	return packet;
}

static void present(struct room *room, const struct kept *kept, const char *recent)
{
	struct packet *packet = present_new(room, kept, recent);

	room_packet(room, &packet);
	room_expect(room, kept->client, "presented from=sm");
	assert_true(room_session(room, kept->client)->detached);
}

static void attach_only(struct room *room, const struct kept *kept, uint32_t held)
{
	struct packet *packet = room_make_action(room, kept->client, SESSION_ATTACH);

	packet->session.resume.in = held;
	room_packet(room, &packet);
}

static void attach_after(struct room *room, const struct kept *kept, uint32_t held)
{
	attach_only(room, kept, held);
	assert_false(room_session(room, kept->client)->detached);
}

static void attach(struct room *room, const struct kept *kept)
{
	attach_after(room, kept, 0);
}

static void say(struct room *room, const char *client, enum session_action action)
{
	struct packet *packet = room_make_action(room, client, action);

	room_packet(room, &packet);
}

/* What the client sent as its count-th is sent once more. */
static void repeat(struct room *room, const char *client, uint32_t count, const char *xml)
{
	struct packet *packet = room_make_stanza(room, client, count, xml);

	room_packet(room, &packet);
}

/* What the client was sent and does not have. */
static void hold(struct room *room, const char *client, uint64_t key, uint32_t count, const char *xml)
{
	struct packet *packet = room_make_stanza(room, client, 0, xml);

	packet->held = true;
	packet->stanza->origin = (struct origin){.key = key, .count = count};
	room_packet(room, &packet);
}

/* "KEY.COUNT" of a stanza, with a star when the client does not have it yet. */
static const char *mention(struct buf *text, uint64_t key, uint32_t count, const char *star)
{
	buf_clear(text);
	buf_printf(text, "%llx.%x%s", (unsigned long long)key, count, star);
	return buf_text(text);
}

/* -- people ---------------------------------------------------------------------------------------- */

static void two_people(struct room *room)
{
	room_account(room, "romeo@localhost");
	room_account(room, "juliet@localhost");
	room_login(room, ROMEO);
	room_login(room, JULIET);
	room_send(room, ROMEO, "<presence/>");
	room_send(room, JULIET, "<presence/>");
}

static void befriend(struct room *room)
{
	room_send(room, ROMEO, "<presence to='juliet@localhost' type='subscribe'/>");
	room_send(room, JULIET, "<presence to='romeo@localhost' type='subscribed'/>");
	room_send(room, JULIET, "<presence to='romeo@localhost' type='subscribe'/>");
	room_send(room, ROMEO, "<presence to='juliet@localhost' type='subscribed'/>");
	room_forget(room);
}

static uint32_t count_of(struct room *room, const char *client)
{
	return room_session(room, client)->seen;
}

static struct kept settled_kept(struct room *room, const char *client)
{
	struct kept kept = kept_of(room, client);

	kept.settled = count_of(room, client);
	return kept;
}

/* -- snapshots ------------------------------------------------------------------------------------- */

static void assert_kept(struct room *room, const char *client, const char *part)
{
	if (!strstr(room_snapshot(room, client), part))
		fail_msg("no %s in %s", part, room_snapshot(room, client));
}

static void what_a_session_is_goes_to_its_c2s_before_the_change_is_settled(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_login(room, ROMEO);
	assert_kept(room, ROMEO, "romeo@localhost/a\n");
	room_send(room, ROMEO, "<presence><show>dnd</show></presence>");
	assert_kept(room, ROMEO, "<show>dnd</show>");
	assert_int_equal(room_settled_before_snapshot(room, ROMEO), 0);
	assert_int_equal(room_settled(room, ROMEO), 1);
	room_send(room, ROMEO, "<presence to='x@remote.example'/>");
	assert_kept(room, ROMEO, "x@remote.example\n");
	assert_int_equal(room_settled_before_snapshot(room, ROMEO), 1);
	assert_kept(room, ROMEO, "roster 1\n0");
	room_send(room, ROMEO, ROSTER_GET);
	assert_kept(room, ROMEO, "roster 3\n1 0");
	assert_int_equal(room_settled_before_snapshot(room, ROMEO), 2);
	room_send(room, ROMEO, "<presence type='unavailable' to='x@remote.example'/>");
	assert_null(strstr(room_snapshot(room, ROMEO), "x@remote.example"));
	room_send(room, ROMEO, "<presence type='unavailable'/>");
	assert_null(strstr(room_snapshot(room, ROMEO), "dnd"));
	assert_int_equal(room_settled_before_snapshot(room, ROMEO), 4);
	assert_int_equal(room_settled(room, ROMEO), 5);
}

static void a_c2s_of_this_process_is_told_nothing(void **state)
{
	struct room *room = *state;

	room_account(room, "romeo@localhost");
	room_login(room, ROMEO);
	room_send(room, ROMEO, "<presence/>");
	room_send(room, ROMEO, ROSTER_GET);
	assert_string_equal(room_snapshot(room, ROMEO), "");
}

/* jabberd2's would take it for an action that it does not know. */
static void a_c2s_that_is_not_ours_is_told_nothing(void **state)
{
	struct room *room = *state;
	struct packet *packet;

	room_account(room, "romeo@localhost");
	packet = room_make_action(room, ROMEO, SESSION_START);
	packet->ours = false;
	packet->session.target = jid_parse(SLICE(ROMEO));
	room_packet(room, &packet);
	room_expect(room, ROMEO, "started");
	room_send(room, ROMEO, "<presence/>");
	assert_string_equal(room_snapshot(room, ROMEO), "");
}

/* -- presenting ------------------------------------------------------------------------------------ */

static void a_session_at_rest_goes_on_and_nobody_hears_of_it(void **state)
{
	struct room *room = *state;
	struct kept romeo, juliet;

	two_people(room);
	befriend(room);
	room_send(room, ROMEO, ROSTER_GET);
	room_send(room, ROMEO, "<presence to='x@remote.example'/>");
	room_send(room, ROMEO, "<presence><show>away</show><priority>-1</priority></presence>");
	room_wait(room, OLD_MS);
	romeo = settled_kept(room, ROMEO);
	juliet = settled_kept(room, JULIET);
	room_restart(room);
	present(room, &romeo, "");
	present(room, &juliet, "");
	attach(room, &romeo);
	attach(room, &juliet);
	room_expect_nothing(room, ROMEO);
	room_expect_nothing(room, JULIET);
	room_expect_nothing(room, "world");
	assert_true(room_session(room, ROMEO)->origin == romeo.key);
	/* His priority, his interest in the roster, and to whom he showed himself are as they were. */
	room_send(room, JULIET, "<message to='romeo@localhost' type='chat'><body>not now</body></message>");
	room_expect_nothing(room, ROMEO);
	room_send(room, ROMEO, ROSTER_SET("s", "n"));
	room_expect(room, ROMEO, "name='n'");
	room_expect(room, ROMEO, "type='result' id='s'");
	assert_int_equal(room_settled(room, ROMEO), count_of(room, ROMEO));
	room_end(room, ROMEO);
	room_expect(room, "world", "type='unavailable' from='romeo@localhost/a' to='x@remote.example'");
	room_expect_among(room, JULIET, "type='unavailable' from='romeo@localhost/a'");
}

/* It is lost with the process: his contacts are asked for it, and nobody is told of him. */
static void presence_that_waited_is_asked_for_again(void **state)
{
	struct room *room = *state;
	struct kept romeo, juliet;

	two_people(room);
	befriend(room);
	say(room, ROMEO, SESSION_INACTIVE);
	room_send(room, JULIET, "<presence><show>away</show></presence>");
	room_expect_none_with(room, ROMEO, "away");
	room_wait(room, OLD_MS);
	romeo = settled_kept(room, ROMEO);
	juliet = settled_kept(room, JULIET);
	room_restart(room);
	present(room, &romeo, "");
	present(room, &juliet, "");
	attach(room, &juliet);
	attach(room, &romeo);
	room_expect(room, ROMEO, "away");
	room_expect_nothing(room, ROMEO);
	room_expect_nothing(room, JULIET);
	assert_non_null(strstr(room_snapshot(room, ROMEO), "csi 2\n0\n"));
}

static void presence_that_waited_is_also_that_of_who_comes_later(void **state)
{
	struct room *room = *state;
	struct kept romeo, juliet;

	two_people(room);
	befriend(room);
	say(room, ROMEO, SESSION_INACTIVE);
	room_send(room, JULIET, "<presence><show>away</show></presence>");
	room_wait(room, OLD_MS);
	romeo = settled_kept(room, ROMEO);
	juliet = settled_kept(room, JULIET);
	room_restart(room);
	present(room, &romeo, "");
	attach(room, &romeo);
	room_forget(room);
	present(room, &juliet, "");
	attach(room, &juliet);
	room_expect(room, ROMEO, "away");
}

/* Contacts that are asked say nothing of a client that is no more. */
static void who_left_while_it_waited_has_left(void **state)
{
	struct room *room = *state;
	struct kept romeo;

	two_people(room);
	befriend(room);
	say(room, ROMEO, SESSION_INACTIVE);
	room_login(room, "juliet@localhost/other");
	room_send(room, "juliet@localhost/other", "<presence/>");
	room_end(room, "juliet@localhost/other");
	room_wait(room, OLD_MS);
	room_expect_none_with(room, ROMEO, "unavailable");
	romeo = settled_kept(room, ROMEO);
	assert_non_null(strstr(romeo.snapshot, "1\njuliet@localhost/other\n"));
	room_restart(room);
	present(room, &romeo, "");
	attach(room, &romeo);
	room_expect_among(room, ROMEO, "type='unavailable' from='juliet@localhost/other'");
}

static void what_was_said_just_before_is_said_again(void **state)
{
	struct room *room = *state;
	struct kept romeo, juliet;

	two_people(room);
	befriend(room);
	room_wait(room, OLD_MS);
	room_send(room, ROMEO, "<presence><show>xa</show></presence>");
	romeo = settled_kept(room, ROMEO);
	romeo.fresh = true;
	juliet = settled_kept(room, JULIET);
	room_restart(room);
	present(room, &romeo, "");
	present(room, &juliet, "");
	room_expect_nothing(room, JULIET);
	attach(room, &juliet);
	attach(room, &romeo);
	room_expect(room, JULIET, "<show>xa</show>");
	room_expect_nothing(room, JULIET);
	room_expect(room, ROMEO, "<show>xa</show>"); /* his own resources, as ever */
	room_expect(room, ROMEO, "from='juliet@localhost/b'"); /* what she said to him may be lost too */
	room_expect_nothing(room, ROMEO);
}

/* Also that he is no longer there. */
static void that_somebody_went_just_before_is_said_again(void **state)
{
	struct room *room = *state;
	struct kept romeo, juliet;

	two_people(room);
	befriend(room);
	room_wait(room, OLD_MS);
	room_send(room, ROMEO, "<presence type='unavailable'/>");
	romeo = settled_kept(room, ROMEO);
	romeo.fresh = true;
	juliet = settled_kept(room, JULIET);
	room_restart(room);
	present(room, &romeo, "");
	present(room, &juliet, "");
	attach(room, &juliet);
	attach(room, &romeo);
	room_expect(room, JULIET, "type='unavailable' from='romeo@localhost/a'");
	room_expect_nothing(room, JULIET);
}

/* Whoever was served before him was told that he is away, and did not tell him anything; on whatever worker they are. */
static void who_is_late_is_announced_and_asks_for_his_contacts(void **state)
{
	struct room *room = *state;
	bool near = false, apart = false;

	two_people(room);
	befriend(room);
	room_send(room, JULIET, "<presence><show>chat</show></presence>");
	while (!near || !apart) {
		struct kept romeo, juliet;

		room_wait(room, OLD_MS);
		romeo = settled_kept(room, ROMEO);
		juliet = settled_kept(room, JULIET);
		room_restart(room);
		present(room, &juliet, "");
		attach(room, &juliet);
		room_send(room, JULIET, "<presence to='x@remote.example'/>");
		present(room, &romeo, "");
		room_expect_nothing(room, JULIET);
		attach(room, &romeo);
		room_expect(room, JULIET, "from='romeo@localhost/a'");
		room_expect_nothing(room, JULIET);
		room_expect_among(room, ROMEO, "<show>chat</show>");
		if (slot_worker(room_session(room, ROMEO)->id) == slot_worker(room_session(room, JULIET)->id))
			near = true;
		else
			apart = true;
	}
}

static void assert_refused(struct room *room, const struct kept *kept, const char *recent, const char *target)
{
	struct packet *packet = present_new(room, kept, recent);

	jid_free(&packet->session.target);
	packet->session.target = target ? jid_parse(slice_of(target)) : NULL;
	room_packet(room, &packet);
	room_expect(room, kept->client, "present from=sm failed");
	room_expect_nothing(room, kept->client);
}

static void what_cannot_be_restored_fails_and_leaves_nothing(void **state)
{
	struct room *room = *state;
	struct kept romeo, bad;
	char *text;

	two_people(room);
	room_wait(room, OLD_MS);
	romeo = settled_kept(room, ROMEO);
	room_restart(room);
	assert_refused(room, &romeo, "", NULL);
	assert_refused(room, &romeo, "", "romeo@localhost");
	assert_refused(room, &romeo, "", "romeo@other.example/a");
	assert_refused(room, &romeo, "", "romeo@localhost/other"); /* the snapshot is another's */
	assert_refused(room, &romeo, "", JULIET);
	for (size_t len = 1; len < strlen(romeo.snapshot); len++) {
		bad = romeo;
		bad.snapshot[len] = 0;
		assert_refused(room, &bad, "", ROMEO);
	}
	bad = romeo;
	bad.client = "nobody@localhost/a";
	assert_refused(room, &bad, "", "nobody@localhost/a");
	bad = romeo;
	text = strstr(bad.snapshot, "<presence");
	assert_non_null(text);
	text[1] = '<';
	assert_refused(room, &bad, "", ROMEO);
	assert_null(room_session(room, ROMEO));
	assert_null(room_session(room, "romeo@localhost/other"));
	present(room, &romeo, "");
	attach(room, &romeo);
}

static void a_resource_that_somebody_has_meanwhile_is_not_taken_from_him(void **state)
{
	struct room *room = *state;
	struct kept romeo;

	two_people(room);
	romeo = settled_kept(room, ROMEO);
	room_restart(room);
	room_action(room, "newer", SESSION_START, ROMEO);
	room_expect(room, "newer", "started");
	assert_refused(room, &romeo, "", ROMEO);
	assert_non_null(room_session(room, ROMEO));
	assert_false(room_session(room, ROMEO)->detached);
	romeo.snapshot[0] = 0;
	assert_refused(room, &romeo, "", ROMEO);
}

/* It was resumed at another c2s, and the one before did not hear of it: that one's client is replaced, whoever comes first. */
static void the_later_of_two_c2s_has_the_session(void **state)
{
	struct room *room = *state;
	struct kept older, newer;
	struct packet *packet;
	char text[16], *at;
	uint32_t turn;

	two_people(room);
	room_wait(room, OLD_MS);
	older = newer = settled_kept(room, ROMEO);
	turn = room_session(room, ROMEO)->turn;
	snprintf(text, sizeof(text), " %x\n", turn);
	at = strstr(newer.snapshot, text);
	assert_non_null(at);
	snprintf(text, sizeof(text), " %x\n", ++turn);
	memcpy(at, text, strlen(text));
	room_restart(room);
	present(room, &older, "");
	packet = present_new(room, &newer, "");
	session_id_set(&packet->c2s, 77);
	room_packet(room, &packet);
	room_expect(room, ROMEO, "replaced");
	assert_int_equal(room_session(room, ROMEO)->turn, turn);
	assert_refused(room, &older, "", ROMEO);
	assert_int_equal(room_session(room, ROMEO)->turn, turn);
}

/* Its c2s died too, or forgot it. */
static void who_is_presented_and_never_attached_leaves(void **state)
{
	struct room *room = *state;
	struct kept romeo, juliet;

	two_people(room);
	befriend(room);
	room_wait(room, OLD_MS);
	romeo = settled_kept(room, ROMEO);
	juliet = settled_kept(room, JULIET);
	room_restart(room);
	present(room, &romeo, "");
	present(room, &juliet, "");
	attach(room, &juliet);
	room_wait(room, 25000);
	assert_non_null(room_session(room, ROMEO));
	room_expect_nothing(room, JULIET);
	room_wait(room, 10000);
	assert_null(room_session(room, ROMEO));
	room_expect(room, JULIET, "type='unavailable' from='romeo@localhost/a'");
	assert_non_null(room_session(room, JULIET));
}

static void who_left_meanwhile_is_gone_for_all_who_saw_him(void **state)
{
	struct room *room = *state;
	struct kept romeo, juliet;
	struct packet *packet;

	two_people(room);
	befriend(room);
	room_send(room, ROMEO, "<presence to='x@remote.example'/>");
	room_wait(room, OLD_MS);
	romeo = settled_kept(room, ROMEO);
	juliet = settled_kept(room, JULIET);
	room_restart(room);
	present(room, &juliet, "");
	attach(room, &juliet);
	packet = present_new(room, &romeo, "");
	packet->session.resume.over = true;
	room_packet(room, &packet);
	assert_null(room_session(room, ROMEO));
	room_expect(room, JULIET, "type='unavailable' from='romeo@localhost/a'");
	room_expect(room, "world", "type='unavailable' from='romeo@localhost/a' to='x@remote.example'");
	room_expect_nothing(room, ROMEO);
}

/* Also for those whose c2s was slower: it is said once more. */
static void who_left_meanwhile_is_gone_for_who_comes_later(void **state)
{
	struct room *room = *state;
	struct kept romeo, juliet, other;
	struct packet *packet;

	two_people(room);
	befriend(room);
	room_login(room, "romeo@localhost/other");
	room_send(room, "romeo@localhost/other", "<presence/>");
	room_wait(room, OLD_MS);
	romeo = settled_kept(room, ROMEO);
	other = settled_kept(room, "romeo@localhost/other");
	juliet = settled_kept(room, JULIET);
	room_restart(room);
	packet = present_new(room, &romeo, "");
	packet->session.resume.over = true;
	room_packet(room, &packet);
	present(room, &juliet, "");
	attach(room, &juliet);
	present(room, &other, "");
	attach(room, &other);
	room_wait(room, 4000);
	room_expect_among(room, JULIET, "type='unavailable' from='romeo@localhost/a'");
	room_wait(room, 4000);
	room_expect_none_with(room, "romeo@localhost/other", "type='unavailable' from='romeo@localhost/other'");
	room_expect_none_with(room, JULIET, "type='unavailable'");
}

/* What answers his message is all that is left of it: until he has it, the message is not settled. */
static void an_error_is_settled_when_he_has_it(void **state)
{
	struct room *room = *state;
	struct kept romeo;
	uint32_t count;

	two_people(room);
	room_forget(room);
	room_keep_only(room, ROMEO);
	count = count_of(room, ROMEO);
	room_send(room, ROMEO, "<message to='nobody@localhost' id='e'><body>hello</body></message>");
	room_expect(room, ROMEO, "type='error' id='e'");
	assert_int_equal(room_settled(room, ROMEO), count);
	romeo = settled_kept(room, ROMEO);
	romeo.settled = count;
	room_restart(room);
	present(room, &romeo, "");
	hold(room, ROMEO, romeo.key, count + 1, "<message type='error' from='nobody@localhost' to='romeo@localhost/a' id='e'/>");
	attach_after(room, &romeo, 1);
	repeat(room, ROMEO, count + 1, "<message to='nobody@localhost' id='e'><body>hello</body></message>");
	room_expect_nothing(room, ROMEO);
	assert_int_equal(room_settled(room, ROMEO), 0);
	room_take(room, ROMEO, 1);
	assert_int_equal(room_settled(room, ROMEO), count + 1);
}

/* -- what the client was sent ---------------------------------------------------------------------- */

/* A message of his to her, as she was sent it before their sm died; what is not settled is not told. */
struct message {
	struct kept romeo, juliet;
	uint32_t count;
	struct buf recent;
};

static void send_message(struct room *room, struct message *message, bool stored, const char *star)
{
	if (!room_session(room, ROMEO))
		two_people(room);
	room_wait(room, OLD_MS);
	room_forget(room);
	room_keep(room, stored || *star);
	room_send(room, ROMEO, TO_JULIET("once"));
	if (stored)
		room_wait(room, 2000);
	room_expect(room, JULIET, "once");
	message->romeo = settled_kept(room, ROMEO);
	message->juliet = settled_kept(room, JULIET);
	message->count = count_of(room, ROMEO);
	message->romeo.settled = message->count - 1;
	mention(&message->recent, message->romeo.key, message->count, star);
	room_keep(room, false);
	room_restart(room);
	room_keep(room, true);
}

static void present_both(struct room *room, struct message *message)
{
	present(room, &message->romeo, "");
	present(room, &message->juliet, buf_text(&message->recent));
}

/* Nothing waits for her in storage. */
static void assert_nothing_waits(struct room *room)
{
	room_keep(room, false);
	room_end(room, JULIET);
	room_login(room, "juliet@localhost/again");
	room_send(room, "juliet@localhost/again", "<presence/>");
	room_expect_none_with(room, "juliet@localhost/again", "once");
}

#define OTHER "juliet@localhost/c"
#define TO_BOTH(body) "<message to='juliet@localhost' type='chat'><body>" body "</body></message>"

/* He writes to her: one of her clients has it at once. */
static uint32_t write_to_both(struct room *room, const char *xml)
{
	if (!room_session(room, ROMEO)) {
		two_people(room);
		room_login(room, OTHER);
		room_send(room, OTHER, "<presence/>");
		room_keep_only(room, OTHER);
	}
	room_forget(room);
	room_send(room, ROMEO, xml);
	room_expect(room, JULIET, "<body>");
	room_expect(room, OTHER, "<body>");
	return count_of(room, ROMEO);
}

static void what_one_has_is_settled_when_the_others_c2s_has_it_too(void **state)
{
	struct room *room = *state;
	uint32_t count = write_to_both(room, TO_BOTH("one"));

	assert_int_equal(room_settled(room, ROMEO), count - 1); /* who dies now would lose the other's */
	room_send(room, JULIET, "<presence to='x@remote.example'/>"); /* a second passes */
	room_expect(room, OTHER, "reach ");
	assert_int_equal(room_settled(room, ROMEO), count - 1);
	room_reached(room, OTHER);
	assert_int_equal(room_settled(room, ROMEO), count);
	room_take(room, OTHER, 1);
	count = write_to_both(room, TO_BOTH("two"));
	room_take(room, OTHER, 1);
	assert_int_equal(room_settled(room, ROMEO), count); /* nobody had to ask */
}

/* An answer is about what was sent before the question. */
static void what_was_sent_behind_the_question_is_asked_for_again(void **state)
{
	struct room *room = *state;
	uint32_t count = write_to_both(room, TO_BOTH("one"));

	room_wait(room, 500);
	room_expect(room, OTHER, "reach ");
	write_to_both(room, TO_BOTH("two"));
	room_reached(room, OTHER);
	assert_int_equal(room_settled(room, ROMEO), count);
	room_wait(room, 1500);
	room_expect(room, OTHER, "reach ");
	room_reached(room, OTHER);
	assert_int_equal(room_settled(room, ROMEO), count + 1);
}

/* A c2s that stands still does not stop who writes. */
static void what_one_has_is_stored_when_the_others_c2s_does_not_answer(void **state)
{
	struct room *room = *state;
	uint32_t count = write_to_both(room, TO_BOTH("one"));
	struct packet *packet = room_make_action(room, OTHER, SESSION_DETACH);

	room_wait(room, 3000);
	room_expect(room, OTHER, "reach ");
	room_expect_nothing(room, OTHER); /* once, until it is answered */
	assert_int_equal(room_settled(room, ROMEO), count);
	room_packet(room, &packet); /* it is over, and she is away */
	room_expect_none_with(room, JULIET, "one");
	room_restart(room);
	room_login(room, "juliet@localhost/d");
	room_send(room, "juliet@localhost/d", "<presence/>");
	room_expect_none_with(room, "juliet@localhost/d", "one"); /* somebody had it */
}

/* Storage has it for the other, whose c2s stands still: the next sm must not give it to her from there. */
static void who_resumes_elsewhere_takes_along_what_she_had(void **state)
{
	struct room *room = *state;
	struct packet *packet;
	AUTO(buf_fini) struct buf had = {0};
	uint64_t key;
	uint32_t count;

	two_people(room);
	room_login(room, OTHER);
	room_send(room, OTHER, "<presence/>");
	room_keep_only(room, OTHER);
	packet = room_make_action(room, JULIET, SESSION_ENABLE);
	packet->session.resume.seconds = 600;
	room_packet(room, &packet);
	count = write_to_both(room, TO_BOTH("one"));
	key = room_session(room, ROMEO)->origin;
	room_wait(room, 3000);
	packet = room_make_action(room, "new", SESSION_RESUME);
	packet->session.target = jid_parse(SLICE("juliet@localhost"));
	packet->session.resume.key = str_ref(room_session(room, JULIET)->key);
	packet->session.resume.handled = 1;
	room_packet(room, &packet);
	room_expect(room, "new", mention(&had, key, count, ""));
}

/* She was not shown to be there: what her others had she did not. */
static void who_was_not_sent_it_does_not_say_that_she_had_it(void **state)
{
	struct room *room = *state;
	struct packet *packet;
	AUTO(buf_fini) struct buf had = {0};
	uint32_t count;

	two_people(room);
	room_login(room, OTHER);
	room_send(room, OTHER, "<presence/>");
	room_login(room, "juliet@localhost/d");
	room_keep_only(room, OTHER);
	packet = room_make_action(room, "juliet@localhost/d", SESSION_ENABLE);
	packet->session.resume.seconds = 600;
	room_packet(room, &packet);
	count = write_to_both(room, TO_BOTH("one"));
	packet = room_make_action(room, "new", SESSION_RESUME);
	packet->session.target = jid_parse(SLICE("juliet@localhost"));
	packet->session.resume.key = str_ref(room_session(room, "juliet@localhost/d")->key);
	room_packet(room, &packet);
	mention(&had, room_session(room, ROMEO)->origin, count, "");
	assert_null(strstr(room_next(room, "new"), buf_text(&had)));
}

/* Five hundred pipelined stanzas behind one that is refused: what says that he has the error stands behind them. */
static void what_is_owed_does_not_stop_who_does_not_read(void **state)
{
	struct room *room = *state;
	uint32_t count;

	two_people(room);
	room_forget(room);
	room_keep_only(room, ROMEO);
	count = count_of(room, ROMEO);
	room_send(room, ROMEO, "<message to='nobody@localhost' id='e'><body>hello</body></message>");
	for (unsigned at = 0; at < 30; at++)
		room_send(room, ROMEO, "<presence/>");
	assert_int_equal(room_settled(room, ROMEO), count + 31);
	room_send(room, ROMEO, "<message to='nobody@localhost' id='f'><body>hello</body></message>");
	assert_int_equal(room_settled(room, ROMEO), count + 31);
	for (unsigned at = 0; at < 32; at++) {
		struct packet *packet = room_make_stanza(room, ROMEO, count + 33 + at, "<presence/>");

		room_packet(room, &packet);
	}
	assert_int_equal(room_settled(room, ROMEO), count + 64);
}

/* Who lost its connection does not outlive its sm: there is nobody to wait for. */
static void what_one_has_is_settled_when_the_other_is_away(void **state)
{
	struct room *room = *state;
	uint32_t count = write_to_both(room, TO_BOTH("one"));
	struct packet *packet = room_make_action(room, OTHER, SESSION_DETACH);

	assert_int_equal(room_settled(room, ROMEO), count - 1);
	room_packet(room, &packet);
	assert_int_equal(room_settled(room, ROMEO), count);
}

/* The first of two is not had by her; the second is, and must not come again with it. */
static void what_is_settled_behind_what_is_not_is_told(void **state)
{
	struct room *room = *state;
	struct kept romeo, juliet;
	struct packet *packet;
	uint32_t count;

	two_people(room);
	room_login(room, OTHER);
	room_send(room, OTHER, "<presence/>");
	room_keep_only(room, JULIET);
	count = count_of(room, ROMEO);
	room_send_all(room, (const char *const[]){ROMEO, TO_JULIET("one"), ROMEO, "<message to='" OTHER "' id='two'/>", NULL});
	romeo = settled_kept(room, ROMEO);
	juliet = settled_kept(room, JULIET);
	romeo.settled = room_settled(room, ROMEO);
	assert_int_equal(romeo.settled, count);
	assert_int_equal(room_window(room, ROMEO), 2);
	room_restart(room);
	packet = present_new(room, &romeo, "");
	packet->session.resume.window = 2;
	room_packet(room, &packet);
	present(room, &juliet, "");
	attach(room, &romeo);
	attach(room, &juliet);
	repeat(room, ROMEO, count + 1, TO_JULIET("one"));
	room_expect(room, JULIET, "one");
	room_take(room, JULIET, 1);
	assert_int_equal(room_settled(room, ROMEO), count + 2);
	repeat(room, ROMEO, count + 2, "<message to='" JULIET "' id='two'/>");
	room_expect_none_with(room, JULIET, "two");
}

static void what_the_client_has_is_settled_and_not_sent_again(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	send_message(room, &message, false, "");
	present_both(room, &message);
	attach(room, &message.romeo);
	attach(room, &message.juliet);
	room_disk_full(room, true); /* it is not because it was stored */
	repeat(room, ROMEO, message.count, TO_JULIET("once"));
	assert_int_equal(room_settled(room, ROMEO), message.count);
	room_expect_none_with(room, JULIET, "once");
	room_disk_full(room, false);
	assert_nothing_waits(room);
	buf_fini(&message.recent);
}

/* Through another c2s, before the one that presented its session was through: that one may have died. */
static void resume_presented(struct room *room, struct message *message)
{
	struct packet *packet;

	buf_printf(&message->recent, " %llx.%x=", (unsigned long long)message->romeo.key, message->count);
	/* It was written, too, in the last minute. */
	buf_printf(&message->recent, " %llx.%x", (unsigned long long)message->romeo.key, message->count);
	present(room, &message->romeo, "");
	packet = present_new(room, &message->juliet, buf_text(&message->recent));
	packet->session.resume.known = true;
	packet->session.resume.seconds = 60;
	packet->session.resume.key = str_new(SLICE("k"));
	room_packet(room, &packet);
	room_expect(room, JULIET, "presented");
	packet = room_make_action(room, "new", SESSION_RESUME);
	packet->session.target = jid_parse(SLICE("juliet@localhost"));
	packet->session.resume.key = str_new(SLICE("k"));
	room_packet(room, &packet);
	room_expect_nothing(room, "new");
}

static void who_resumes_a_presented_session_gets_what_is_stored_for_it(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	send_message(room, &message, true, "*");
	resume_presented(room, &message);
	room_wait(room, 4000);
	room_expect(room, "new", "resumed");
	room_expect_among(room, JULIET, "replaced"); /* her connection there is open still */
	attach(room, &message.romeo);
	repeat(room, ROMEO, message.count, TO_JULIET("once"));
	room_expect(room, "new", "<presence"); /* her own, as ever */
	room_expect(room, "new", "once");
	room_take(room, "new", 2);
	room_expect_nothing(room, "new");
	assert_int_equal(room_settled(room, ROMEO), message.count);
	buf_fini(&message.recent);
}

static void who_resumes_a_presented_session_gets_what_came_again_for_it(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	send_message(room, &message, false, "*");
	resume_presented(room, &message);
	attach(room, &message.romeo);
	repeat(room, ROMEO, message.count, TO_JULIET("once"));
	room_wait(room, 4000);
	room_expect(room, "new", "resumed");
	room_expect(room, "new", "<presence"); /* her own, as ever */
	room_expect(room, "new", "once");
	room_take(room, "new", 2);
	assert_int_equal(room_settled(room, ROMEO), message.count);
	buf_fini(&message.recent);
}

/* It may have been settled, for another of hers had it: then it is in no place but the archive. */
static void a_session_is_over_when_what_its_c2s_held_is_gone(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	send_message(room, &message, false, "*");
	resume_presented(room, &message);
	room_wait(room, 4000);
	room_expect(room, "new", "failed");
	room_expect_among(room, JULIET, "replaced");
	assert_null(room_session(room, JULIET));
	attach(room, &message.romeo);
	repeat(room, ROMEO, message.count, TO_JULIET("once"));
	room_wait(room, 2000);
	assert_int_equal(room_settled(room, ROMEO), message.count);
	room_login(room, OTHER);
	room_send(room, OTHER, "<presence/>");
	room_expect_among(room, OTHER, "once");
	buf_fini(&message.recent);
}

static void who_resumes_a_presented_session_is_told_her_roster(void **state)
{
	struct room *room = *state;
	struct packet *packet;
	struct kept juliet;

	two_people(room);
	room_send(room, JULIET, ROSTER_GET);
	room_send(room, JULIET, ROSTER_SET("s", "Nurse"));
	juliet = settled_kept(room, JULIET);
	room_restart(room);
	packet = present_new(room, &juliet, "");
	packet->session.resume.known = true;
	packet->session.resume.seconds = 60;
	packet->session.resume.key = str_new(SLICE("k"));
	room_packet(room, &packet);
	packet = room_make_action(room, "new", SESSION_RESUME);
	packet->session.target = jid_parse(SLICE("juliet@localhost"));
	packet->session.resume.key = str_new(SLICE("k"));
	room_packet(room, &packet);
	room_wait(room, 4000);
	room_expect_among(room, "new", "name='Nurse'");
}

/* Nobody says a presence again that its c2s still had for it. */
static void who_resumes_a_presented_session_asks_for_his_contacts(void **state)
{
	struct room *room = *state;
	struct kept romeo, juliet;
	struct packet *packet;

	two_people(room);
	befriend(room);
	room_send(room, JULIET, "<presence><show>chat</show></presence>");
	room_wait(room, OLD_MS);
	romeo = settled_kept(room, ROMEO);
	juliet = settled_kept(room, JULIET);
	room_restart(room);
	present(room, &juliet, "");
	attach(room, &juliet);
	packet = present_new(room, &romeo, "");
	packet->session.resume.known = true;
	packet->session.resume.seconds = 60;
	packet->session.resume.key = str_new(SLICE("k"));
	room_packet(room, &packet);
	packet = room_make_action(room, "new", SESSION_RESUME);
	packet->session.target = jid_parse(SLICE("romeo@localhost"));
	packet->session.resume.key = str_new(SLICE("k"));
	room_packet(room, &packet);
	room_expect_nothing(room, "new");
	room_wait(room, 4000);
	room_expect(room, "new", "resumed");
	assert_kept(room, "new", "<presence"); /* at once: this manager may die before it says anything else */
	room_expect_among(room, "new", "<show>chat</show>");
}

/* That is for a few seconds only when it does not come. */
static void who_resumes_waits_for_what_its_c2s_still_has(void **state)
{
	struct room *room = *state;
	struct kept juliet;
	struct packet *packet;

	two_people(room);
	room_wait(room, OLD_MS);
	juliet = settled_kept(room, JULIET);
	room_restart(room);
	packet = present_new(room, &juliet, "");
	packet->session.resume.known = true;
	packet->session.resume.seconds = 60;
	packet->session.resume.key = str_new(SLICE("k"));
	room_packet(room, &packet);
	packet = room_make_action(room, "new", SESSION_RESUME);
	packet->session.target = jid_parse(SLICE("juliet@localhost"));
	packet->session.resume.key = str_new(SLICE("k"));
	room_packet(room, &packet);
	room_expect_nothing(room, "new");
	hold(room, JULIET, 77, 1, "<message from='romeo@localhost/a' to='juliet@localhost/b'><body>another of hers had it</body></message>");
	packet = room_make_action(room, JULIET, SESSION_ATTACH);
	room_packet(room, &packet);
	room_expect(room, "new", "resumed");
	room_expect(room, "new", "another of hers had it");
}

/* Not even when its connection is lost again. */
static void what_the_client_took_is_settled_while_it_is_away(void **state)
{
	struct room *room = *state;
	struct message message = {0};
	struct packet *packet;

	send_message(room, &message, false, "*");
	present(room, &message.romeo, "");
	packet = present_new(room, &message.juliet, buf_text(&message.recent));
	packet->session.resume.known = true;
	packet->session.resume.seconds = 60;
	packet->session.resume.key = str_new(SLICE("k"));
	room_packet(room, &packet);
	room_expect(room, JULIET, "presented");
	hold(room, JULIET, message.romeo.key, message.count, TO_JULIET("once"));
	attach_after(room, &message.juliet, 1);
	room_take(room, JULIET, 1);
	packet = room_make_action(room, JULIET, SESSION_DETACH);
	room_packet(room, &packet);
	assert_true(room_session(room, JULIET)->detached);
	attach(room, &message.romeo);
	room_disk_full(room, true);
	repeat(room, ROMEO, message.count, TO_JULIET("once"));
	assert_int_equal(room_settled(room, ROMEO), message.count);
	assert_int_equal(room_session(room, JULIET)->outbox.count, 0);
	room_disk_full(room, false);
	buf_fini(&message.recent);
}

static void what_the_client_was_asked_it_is_not_asked_again(void **state)
{
	static const char question[] = "<iq to='juliet@localhost/b' type='set' id='q'><x xmlns='u:x'/></iq>";
	struct room *room = *state;
	AUTO(buf_fini) struct buf recent = {0};
	struct kept romeo, juliet;
	uint32_t count;

	two_people(room);
	room_send(room, ROMEO, question);
	room_expect_among(room, JULIET, "id='q'");
	count = count_of(room, ROMEO);
	room_wait(room, OLD_MS);
	romeo = settled_kept(room, ROMEO);
	juliet = settled_kept(room, JULIET);
	romeo.settled = count - 1;
	room_restart(room);
	present(room, &romeo, "");
	present(room, &juliet, mention(&recent, romeo.key, count, ""));
	attach(room, &romeo);
	attach(room, &juliet);
	repeat(room, ROMEO, count, question);
	room_expect_nothing(room, JULIET);
	room_expect_nothing(room, ROMEO);
	assert_int_equal(room_settled(room, ROMEO), count);
}

static void what_the_client_will_have_is_settled_when_it_does(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	send_message(room, &message, false, "*");
	present_both(room, &message);
	hold(room, JULIET, message.romeo.key, message.count, TO_JULIET("once"));
	attach_after(room, &message.juliet, 1);
	attach(room, &message.romeo);
	room_disk_full(room, true);
	repeat(room, ROMEO, message.count, TO_JULIET("once"));
	room_expect_none_with(room, JULIET, "once");
	assert_int_not_equal(room_settled(room, ROMEO), message.count);
	room_take(room, JULIET, 1);
	assert_int_equal(room_settled(room, ROMEO), message.count);
	room_disk_full(room, false);
	assert_nothing_waits(room);
	buf_fini(&message.recent);
}

/* Its sender's c2s was faster than hers. */
static void come_early(struct room *room, struct message *message)
{
	send_message(room, message, false, "*");
	present_both(room, message);
	attach(room, &message->romeo);
	repeat(room, ROMEO, message->count, TO_JULIET("once"));
	room_wait(room, 3000);
	assert_int_equal(room_settled(room, ROMEO), message->count); /* it is stored */
}

static void what_comes_again_before_it_is_held_is_not_doubled(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	come_early(room, &message);
	hold(room, JULIET, message.romeo.key, message.count, TO_JULIET("once"));
	attach_after(room, &message.juliet, 1);
	room_wait(room, 3000);
	room_expect_none_with(room, JULIET, "once");
	room_take(room, JULIET, 1);
	assert_nothing_waits(room);
	buf_fini(&message.recent);
}

static void what_comes_again_and_was_taken_meanwhile_is_not_doubled(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	come_early(room, &message);
	attach(room, &message.juliet);
	room_wait(room, 3000);
	room_expect_none_with(room, JULIET, "once");
	assert_nothing_waits(room);
	buf_fini(&message.recent);
}

/* Her c2s died before it could say more: she may not have it. */
static void what_comes_again_and_is_never_held_waits_for_her(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	come_early(room, &message);
	room_wait(room, 31000);
	assert_null(room_session(room, JULIET));
	room_keep(room, false);
	room_login(room, "juliet@localhost/again");
	room_send(room, "juliet@localhost/again", "<presence/>");
	room_expect_among(room, "juliet@localhost/again", "once");
	buf_fini(&message.recent);
}

static void a_row_of_what_the_client_has_goes(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	send_message(room, &message, true, "");
	present_both(room, &message);
	attach(room, &message.juliet);
	attach(room, &message.romeo);
	room_expect_none_with(room, JULIET, "once");
	repeat(room, ROMEO, message.count, TO_JULIET("once"));
	room_expect_none_with(room, JULIET, "once");
	assert_int_equal(room_settled(room, ROMEO), message.count);
	assert_nothing_waits(room);
	buf_fini(&message.recent);
}

static void a_row_of_what_the_client_will_have_is_not_given_and_goes_then(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	send_message(room, &message, true, "*");
	present_both(room, &message);
	hold(room, JULIET, message.romeo.key, message.count, TO_JULIET("once"));
	attach_after(room, &message.juliet, 1);
	attach(room, &message.romeo);
	repeat(room, ROMEO, message.count, TO_JULIET("once"));
	room_expect_none_with(room, JULIET, "once");
	assert_int_equal(room_settled(room, ROMEO), message.count); /* it is stored */
	room_take(room, JULIET, 1);
	assert_nothing_waits(room);
	buf_fini(&message.recent);
}

/* Nor is it given to another of her resources, which is attached before. */
static void a_row_of_what_one_client_holds_is_not_given_to_another(void **state)
{
	struct room *room = *state;
	struct message message = {0};
	struct kept other;

	two_people(room);
	room_login(room, "juliet@localhost/c");
	room_send(room, "juliet@localhost/c", "<presence/>");
	other = settled_kept(room, "juliet@localhost/c");
	send_message(room, &message, true, "*");
	present(room, &other, "");
	present_both(room, &message);
	attach(room, &other);
	room_wait(room, 3000);
	room_expect_none_with(room, "juliet@localhost/c", "once");
	hold(room, JULIET, message.romeo.key, message.count, TO_JULIET("once"));
	attach_after(room, &message.juliet, 1);
	room_take(room, JULIET, 1);
	room_expect_none_with(room, "juliet@localhost/c", "once");
	room_expect_none_with(room, JULIET, "once");
	assert_nothing_waits(room);
	buf_fini(&message.recent);
}

/*
 * Stored, and one of her clients has it: the other's c2s stood still, and never had it. Whichever is presented first.
 */
static void give_what_the_other_has(struct room *room, bool other_first)
{
	struct message message = {0};
	struct kept other;

	two_people(room);
	room_login(room, OTHER);
	room_send(room, OTHER, "<presence/>");
	room_keep(room, true);
	room_send(room, ROMEO, TO_BOTH("zero"));
	room_wait(room, 2000);
	room_send(room, ROMEO, TO_BOTH("once"));
	room_wait(room, 2000);
	other = settled_kept(room, OTHER);
	message.romeo = settled_kept(room, ROMEO);
	message.juliet = settled_kept(room, JULIET);
	message.count = count_of(room, ROMEO);
	mention(&message.recent, message.romeo.key, message.count, "");
	room_restart(room);
	if (other_first)
		present(room, &other, "");
	present(room, &message.juliet, buf_text(&message.recent));
	if (!other_first)
		present(room, &other, "");
	attach(room, &message.juliet);
	room_wait(room, 3000);
	room_expect_none_with(room, JULIET, "once");
	attach(room, &other);
	room_expect_among(room, OTHER, "once");
	room_expect_none_with(room, OTHER, "once");
	room_expect_none_with(room, JULIET, "once");
	buf_fini(&message.recent);
	if (other_first)
		return; /* the process ends as it is */
	room_take(room, OTHER, 1);
	room_wait(room, 61000);
	room_end(room, OTHER);
	assert_nothing_waits(room);
}

static void a_row_that_one_client_has_is_given_to_the_other(void **state)
{
	give_what_the_other_has(*state, false);
}

static void a_row_that_one_client_has_is_given_to_the_other_before(void **state)
{
	give_what_the_other_has(*state, true);
}

/* Her other client has it, so it is deleted, while this one is still to get it: it does without storage then. */
static void a_row_that_is_being_deleted_is_none(void **state)
{
	struct room *room = *state;
	struct message message = {0};
	AUTO(buf_fini) struct buf had = {0};
	struct packet *packet;
	struct kept other;

	two_people(room);
	room_login(room, "juliet@localhost/c");
	room_send(room, "juliet@localhost/c", "<presence/>");
	other = settled_kept(room, "juliet@localhost/c");
	send_message(room, &message, true, "*");
	room_disk_full(room, true);
	present(room, &other, mention(&had, message.romeo.key, message.count, ""));
	packet = present_new(room, &message.juliet, buf_text(&message.recent));
	packet->session.resume.known = true;
	packet->session.resume.seconds = 60;
	packet->session.resume.key = str_new(SLICE("k"));
	room_packet(room, &packet);
	room_disk_full(room, false);
	room_wait(room, 6000);
	hold(room, JULIET, message.romeo.key, message.count, TO_JULIET("once"));
	attach(room, &message.juliet);
	packet = room_make_action(room, JULIET, SESSION_DETACH);
	room_packet(room, &packet);
	packet = room_make_action(room, "new", SESSION_RESUME);
	packet->session.target = jid_parse(SLICE("juliet@localhost"));
	packet->session.resume.key = str_new(SLICE("k"));
	room_packet(room, &packet);
	room_expect(room, "new", "resumed");
	room_expect(room, "new", "once");
	buf_fini(&message.recent);
}

/* She never gets it there: it is still a message for who is away. */
static void a_row_of_what_the_client_never_has_stays(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	send_message(room, &message, true, "*");
	present_both(room, &message);
	hold(room, JULIET, message.romeo.key, message.count, TO_JULIET("once"));
	attach_after(room, &message.juliet, 1);
	room_keep(room, false);
	room_end(room, JULIET);
	room_login(room, "juliet@localhost/again");
	room_send(room, "juliet@localhost/again", "<presence/>");
	room_expect_among(room, "juliet@localhost/again", "once");
	buf_fini(&message.recent);
}

static void a_row_of_what_the_client_took_while_it_was_presented_goes(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	send_message(room, &message, true, "*");
	present_both(room, &message);
	attach(room, &message.juliet);
	room_expect_none_with(room, JULIET, "once");
	assert_nothing_waits(room);
	buf_fini(&message.recent);
}

/* Its sender's c2s was not told that it is stored, hers never saw it. */
static void what_is_stored_and_comes_again_is_given_once(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	send_message(room, &message, true, "");
	present(room, &message.romeo, "");
	present(room, &message.juliet, "");
	attach(room, &message.romeo);
	repeat(room, ROMEO, message.count, TO_JULIET("once"));
	assert_int_equal(room_settled(room, ROMEO), message.count);
	room_wait(room, 3000);
	room_expect_nothing(room, JULIET);
	attach(room, &message.juliet);
	room_expect(room, JULIET, "once");
	room_expect_nothing(room, JULIET);
	room_take(room, JULIET, 1);
	assert_nothing_waits(room);
	buf_fini(&message.recent);
}

/* What is stored comes first, whoever is faster: what is new waits behind it. */
static void what_is_new_does_not_overtake_what_is_stored(void **state)
{
	struct room *room = *state;
	struct message message = {0};

	send_message(room, &message, true, "");
	present(room, &message.romeo, "");
	present(room, &message.juliet, "");
	attach(room, &message.romeo);
	repeat(room, ROMEO, message.count + 1, TO_JULIET("then"));
	assert_int_equal(room_settled(room, ROMEO), message.count + 1); /* it is stored */
	room_expect_nothing(room, JULIET);
	attach(room, &message.juliet);
	room_expect(room, JULIET, "once");
	room_expect(room, JULIET, "then");
	room_expect_nothing(room, JULIET);
	room_take(room, JULIET, 2);
	assert_nothing_waits(room);
	buf_fini(&message.recent);
}

/* So that her c2s can say that she has it. */
static void what_is_given_from_storage_is_known_by_its_origin(void **state)
{
	struct room *room = *state;

	two_people(room);
	room_account(room, "nurse@localhost");
	room_send(room, ROMEO, "<message to='nurse@localhost' type='chat'><body>kept</body></message>");
	room_login(room, "nurse@localhost/n");
	room_send(room, "nurse@localhost/n", "<presence/>");
	room_expect_among(room, "nurse@localhost/n", "kept");
	assert_true(room_origin(room, "nurse@localhost/n")->key == room_session(room, ROMEO)->origin);
	assert_int_equal(room_origin(room, "nurse@localhost/n")->count, count_of(room, ROMEO));
}

static void what_came_meanwhile_is_sent_behind_what_was_held(void **state)
{
	struct room *room = *state;
	struct kept juliet;

	two_people(room);
	room_wait(room, OLD_MS);
	juliet = settled_kept(room, JULIET);
	room_restart(room);
	room_keep(room, true);
	present(room, &juliet, "");
	room_from_world(room, "<message from='x@remote.example/r' to='juliet@localhost/b' type='headline' id='3'/>");
	hold(room, JULIET, 0, 0, "<message from='x@remote.example/r' to='juliet@localhost/b' type='headline' id='1'/>");
	room_from_world(room, "<message from='x@remote.example/r' to='juliet@localhost/b' type='headline' id='4'/>");
	hold(room, JULIET, 0, 0, "<message from='x@remote.example/r' to='juliet@localhost/b' type='headline' id='2'/>");
	room_expect_nothing(room, JULIET);
	attach_after(room, &juliet, 2);
	room_expect(room, JULIET, "id='3'");
	room_expect(room, JULIET, "id='4'");
	room_expect_nothing(room, JULIET);
	assert_int_equal(room_session(room, JULIET)->outbox.sent, 4);
	room_take(room, JULIET, 3);
	room_session(room, JULIET)->outbox.sent = 0;
	outbox_send_rest(room_session(room, JULIET));
	room_send(room, JULIET, "<presence/>"); /* so that there is a turn */
	room_expect(room, JULIET, "id='4'");
}

/* -- what the client sent ---------------------------------------------------------------------------- */

/* Storage knows what it holds, whatever c2s was told: all up to the mark is done. */
static void a_message_that_was_settled_has_no_effect(void **state)
{
	struct room *room = *state;
	struct kept romeo, juliet;
	uint32_t count;

	two_people(room);
	room_account(room, "nurse@localhost");
	room_send(room, ROMEO, TO_JULIET("once"));
	count = count_of(room, ROMEO);
	room_send(room, ROMEO, "<message to='nurse@localhost' type='chat'><body>kept</body></message>");
	room_wait(room, OLD_MS);
	romeo = settled_kept(room, ROMEO);
	juliet = settled_kept(room, JULIET);
	romeo.settled = count - 1;
	room_restart(room);
	present(room, &romeo, "");
	present(room, &juliet, "");
	attach(room, &romeo);
	attach(room, &juliet);
	repeat(room, ROMEO, count, TO_JULIET("once"));
	room_expect_nothing(room, JULIET);
	assert_int_equal(room_settled(room, ROMEO), count);
	repeat(room, ROMEO, count + 1, "<message to='nurse@localhost' type='chat'><body>kept</body></message>");
	assert_int_equal(room_settled(room, ROMEO), count + 1);
	repeat(room, ROMEO, count + 2, TO_JULIET("new"));
	room_expect(room, JULIET, "new");
	room_login(room, "nurse@localhost/n");
	room_send(room, "nurse@localhost/n", "<presence/>");
	room_expect_among(room, "nurse@localhost/n", "kept");
}

/* Others may have changed it since. */
static void a_question_that_was_settled_is_answered_without_its_effect(void **state)
{
	struct room *room = *state;
	struct kept romeo;
	uint32_t count;

	two_people(room);
	room_login(room, "romeo@localhost/other");
	room_send(room, ROMEO, ROSTER_SET("1", "one"));
	count = count_of(room, ROMEO);
	room_send(room, ROMEO, ROSTER_SET("2", "two"));
	room_send(room, "romeo@localhost/other", ROSTER_SET("3", "three"));
	room_wait(room, OLD_MS);
	romeo = settled_kept(room, ROMEO);
	romeo.settled = count - 1;
	room_restart(room);
	present(room, &romeo, "");
	attach(room, &romeo);
	repeat(room, ROMEO, count, ROSTER_SET("1", "one"));
	room_expect(room, ROMEO, "type='result' id='1'");
	assert_int_equal(room_settled(room, ROMEO), count);
	repeat(room, ROMEO, count + 1, ROSTER_SET("2", "two"));
	room_expect(room, ROMEO, "type='result' id='2'");
	repeat(room, ROMEO, count + 2, ROSTER_GET);
	room_expect(room, ROMEO, "name='three'");
	assert_int_equal(room_settled(room, ROMEO), count + 2);
}

#define PRIVATE_SET(value)                                                                                             \
	"<iq type='set' id='p'><query xmlns='jabber:iq:private'><x xmlns='x:prefs'>" value "</x></query></iq>"

static void what_was_stored_for_a_client_is_not_stored_again(void **state)
{
	struct room *room = *state;
	struct kept romeo;
	uint32_t count;

	two_people(room);
	room_login(room, "romeo@localhost/other");
	room_send(room, ROMEO, PRIVATE_SET("one"));
	count = count_of(room, ROMEO);
	room_send(room, "romeo@localhost/other", PRIVATE_SET("two"));
	room_wait(room, OLD_MS);
	romeo = settled_kept(room, ROMEO);
	romeo.settled = count - 1;
	room_restart(room);
	present(room, &romeo, "");
	attach(room, &romeo);
	repeat(room, ROMEO, count, PRIVATE_SET("one"));
	room_expect(room, ROMEO, "type='result' id='p'");
	assert_int_equal(room_settled(room, ROMEO), count);
	repeat(room, ROMEO, count + 1, "<iq type='get' id='g'><query xmlns='jabber:iq:private'><x xmlns='x:prefs'/></query></iq>");
	room_expect(room, ROMEO, ">two</x>");
}

/* They may not have heard of it any more. */
static void a_change_that_was_settled_is_told_to_who_does_not_know(void **state)
{
	struct room *room = *state;
	struct kept romeo, other, third;

	two_people(room);
	room_login(room, "romeo@localhost/other");
	room_send(room, "romeo@localhost/other", ROSTER_GET);
	room_login(room, "romeo@localhost/third");
	room_send(room, "romeo@localhost/third", ROSTER_GET);
	room_send(room, ROMEO, ROSTER_SET("0", "zero"));
	other = settled_kept(room, "romeo@localhost/other"); /* its c2s hears nothing more */
	room_send(room, ROMEO, ROSTER_SET("1", "one"));
	room_send(room, ROMEO, "<iq type='set' id='2'><query xmlns='jabber:iq:roster'><item jid='friar@localhost'/></query></iq>");
	romeo = settled_kept(room, ROMEO);
	romeo.settled--;
	third = settled_kept(room, "romeo@localhost/third");
	room_restart(room);
	present(room, &romeo, "");
	present(room, &third, "");
	attach(room, &romeo);
	attach(room, &third);
	repeat(room, ROMEO, romeo.settled + 1, "<iq type='set' id='2'><query xmlns='jabber:iq:roster'><item jid='friar@localhost'/></query></iq>");
	room_expect(room, ROMEO, "type='result' id='2'");
	room_expect_nothing(room, "romeo@localhost/third"); /* it knows all */
	present(room, &other, "");
	attach(room, &other);
	room_expect(room, "romeo@localhost/other", "jid='nurse@localhost' name='one'");
	room_expect(room, "romeo@localhost/other", "jid='friar@localhost'");
	room_expect_nothing(room, "romeo@localhost/other");
	other = settled_kept(room, "romeo@localhost/other");
	room_restart(room);
	present(room, &other, "");
	attach(room, &other);
	room_expect_nothing(room, "romeo@localhost/other");
}

/* Of a day. Who knows the roster of before that is told all of it. */
static void a_change_is_told_to_who_is_presented_long_after(void **state)
{
	struct room *room = *state;
	struct kept other;

	two_people(room);
	room_login(room, "romeo@localhost/other");
	room_send(room, ROMEO, ROSTER_SET("0", "zero"));
	room_send(room, "romeo@localhost/other", ROSTER_GET);
	room_expect(room, "romeo@localhost/other", "name='zero'");
	other = settled_kept(room, "romeo@localhost/other");
	room_send(room, ROMEO, "<iq type='set' id='2'><query xmlns='jabber:iq:roster'><item jid='friar@localhost'/></query></iq>");
	room_wait(room, 25 * 3600 * 1000);
	room_send(room, ROMEO, "<iq type='set' id='3'><query xmlns='jabber:iq:roster'><item jid='abbot@localhost'/></query></iq>");
	room_send(room, ROMEO, "<iq type='set' id='4'><query xmlns='jabber:iq:roster'><item jid='abbot@localhost' subscription='remove'/></query></iq>");
	room_restart(room);
	present(room, &other, "");
	attach(room, &other);
	room_expect(room, "romeo@localhost/other", "jid='abbot@localhost' subscription='remove'");
	room_expect(room, "romeo@localhost/other", "jid='friar@localhost'");
	room_expect(room, "romeo@localhost/other", "jid='nurse@localhost' name='zero'");
	room_expect_nothing(room, "romeo@localhost/other");
}

/* What is on its way to a client is not known to it: who resumes it, and then loses its sm, is told again. */
static void what_is_on_its_way_is_not_known(void **state)
{
	struct room *room = *state;
	struct packet *packet;

	two_people(room);
	room_send(room, ROMEO, ROSTER_GET);
	packet = room_make_action(room, ROMEO, SESSION_ENABLE);
	packet->session.resume.seconds = 60;
	room_packet(room, &packet);
	packet = room_make_action(room, ROMEO, SESSION_DETACH);
	room_packet(room, &packet);
	room_login(room, "romeo@localhost/other");
	room_send(room, "romeo@localhost/other", ROSTER_SET("1", "one"));
	assert_kept(room, ROMEO, "roster 3\n1 0");
	packet = room_make_action(room, "new", SESSION_RESUME);
	packet->session.target = jid_parse(SLICE("romeo@localhost"));
	packet->session.resume.key = str_ref(room_session(room, ROMEO)->key);
	room_packet(room, &packet);
	assert_kept(room, "new", "roster 18\n1 ");
}

static void an_answer_that_the_client_has_is_not_given_again(void **state)
{
	static const char question[] = "<iq type='get' to='localhost' id='p'><ping xmlns='urn:xmpp:ping'/></iq>";
	struct room *room = *state;
	struct kept romeo;
	AUTO(buf_fini) struct buf recent = {0};

	two_people(room);
	room_send(room, ROMEO, question);
	room_expect_among(room, ROMEO, "type='result' id='p'");
	assert_true(room_origin(room, ROMEO)->key == room_session(room, ROMEO)->origin);
	assert_int_equal(room_origin(room, ROMEO)->count, count_of(room, ROMEO));
	romeo = settled_kept(room, ROMEO);
	romeo.settled--;
	room_restart(room);
	present(room, &romeo, mention(&recent, romeo.key, romeo.settled + 1, ""));
	attach(room, &romeo);
	repeat(room, ROMEO, romeo.settled + 1, question);
	room_expect_nothing(room, ROMEO);
	assert_int_equal(room_settled(room, ROMEO), romeo.settled + 1);
}

/* She was away when he asked, and still is when the next session manager gives her up. His c2s was never told that he need not ask again. */
static void what_nobody_can_answer_any_more_is_answered_once(void **state)
{
	static const char question[] = "<iq to='juliet@localhost/b' type='set' id='q'><x xmlns='u:x'/></iq>";
	struct room *room = *state;
	struct packet *packet;
	struct kept romeo;
	uint32_t count;

	two_people(room);
	packet = room_make_action(room, JULIET, SESSION_ENABLE);
	packet->session.resume.seconds = 30;
	room_packet(room, &packet);
	say(room, JULIET, SESSION_DETACH);
	room_send(room, ROMEO, question);
	count = count_of(room, ROMEO);
	romeo = settled_kept(room, ROMEO);
	romeo.settled = count - 1;
	room_save(room);
	room_restart(room);
	present(room, &romeo, "");
	attach(room, &romeo);
	room_keep(room, true);
	room_wait(room, 31000);
	room_expect_among(room, ROMEO, "id='q'");
	repeat(room, ROMEO, count, question);
	room_expect_none_with(room, ROMEO, "id='q'");
	assert_int_equal(room_settled(room, ROMEO), count);
}

static void present_resumable(struct room *room, const struct kept *kept, struct str *key, uint32_t in, bool over)
{
	struct packet *packet = present_new(room, kept, "");

	packet->session.resume = (struct packet_resume){
		.key = str_ref(key), .seconds = 60, .in = in, .settled = kept->settled, .known = true, .over = over};
	room_packet(room, &packet);
}

/* Its client hears what it need not send again (XEP-0198 section 5): no less than storage knows. */
static void ask_how_far(struct room *room, bool presented_first, bool forgotten)
{
	struct kept romeo;
	struct packet *packet;
	AUTO(str_free) struct str *key = NULL;
	uint32_t in;

	two_people(room);
	room_account(room, "nurse@localhost");
	in = count_of(room, ROMEO);
	packet = room_make_action(room, ROMEO, SESSION_ENABLE);
	packet->session.resume.seconds = 60;
	packet->session.resume.in = in;
	room_disk_full(room, forgotten);
	room_packet(room, &packet);
	room_disk_full(room, false);
	key = str_new(str_slice(room_session(room, ROMEO)->key)); /* it outlives the process */
	assert_non_null(key);
	room_send(room, ROMEO, TO_JULIET("first"));
	room_send(room, ROMEO, "<message to='nurse@localhost' type='chat'><body>kept</body></message>");
	room_send(room, ROMEO, "<message to='nurse@localhost' type='chat'><body>kept</body></message>");
	romeo = kept_of(room, ROMEO);
	romeo.settled = in;
	room_restart(room);
	if (presented_first) {
		present_resumable(room, &romeo, key, in, false);
		room_expect(room, ROMEO, "presented");
	}
	present_resumable(room, &romeo, key, in, true);
	assert_null(room_session(room, ROMEO));
	packet = room_make_action(room, "new", SESSION_RESUME);
	packet->session.target = jid_parse(SLICE("romeo@localhost"));
	packet->session.resume.key = str_ref(key);
	room_packet(room, &packet);
	room_expect(room, "new", "failed sm= target=romeo@localhost handled=3");
}

static struct str *enable_romeo(struct room *room)
{
	struct packet *packet = room_make_action(room, ROMEO, SESSION_ENABLE);

	packet->session.resume.seconds = 60;
	packet->session.resume.in = count_of(room, ROMEO);
	room_packet(room, &packet);
	return str_new(str_slice(room_session(room, ROMEO)->key));
}

static void ask_to_resume(struct room *room, struct str *key)
{
	struct packet *packet = room_make_action(room, "new", SESSION_RESUME);

	packet->session.target = jid_parse(SLICE("romeo@localhost"));
	packet->session.resume.key = str_ref(key);
	room_packet(room, &packet);
}

/* He came back before his c2s did, and was told so: it is over for it, too. */
static void what_its_client_was_told_is_over_is_over(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = NULL;
	struct kept romeo;
	uint32_t in;

	two_people(room);
	in = count_of(room, ROMEO);
	key = enable_romeo(room);
	romeo = settled_kept(room, ROMEO);
	room_restart(room);
	ask_to_resume(room, key);
	room_expect(room, "new", "failed sm= target=romeo@localhost handled=0");
	room_restart(room); /* the next knows it too */
	present_resumable(room, &romeo, key, in, false);
	room_expect_among(room, ROMEO, "presented");
	attach_only(room, &romeo, 0);
	room_expect_among(room, ROMEO, "ended");
	assert_null(room_session(room, ROMEO));
	repeat(room, ROMEO, romeo.settled + 1, TO_JULIET("twice"));
	room_expect_none_with(room, JULIET, "twice");
}

/* He did not hear that, and asked again when his c2s had brought it: it lives, also for the next session manager. */
static void what_he_asks_for_again_goes_on(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = NULL;
	struct kept romeo, juliet;
	uint32_t in;

	two_people(room);
	befriend(room);
	in = count_of(room, ROMEO);
	key = enable_romeo(room);
	romeo = settled_kept(room, ROMEO);
	juliet = settled_kept(room, JULIET);
	room_restart(room);
	present(room, &juliet, "");
	attach(room, &juliet);
	room_send(room, JULIET, "<presence><show>away</show></presence>"); /* she hears that he is away */
	ask_to_resume(room, key);
	room_expect(room, "new", "failed sm= target=romeo@localhost handled=0");
	present_resumable(room, &romeo, key, in, false);
	ask_to_resume(room, key);
	room_forget(room);
	attach_only(room, &romeo, 0);
	room_expect(room, "new", "resumed");
	room_expect_among(room, JULIET, "<presence from='romeo@localhost/"); /* she may have heard that he is away */
	assert_non_null(room_session(room, ROMEO));
	room_restart(room);
	present_resumable(room, &romeo, key, in, false);
	attach(room, &romeo);
}

/* He began it without knowing how the one before ended: that comes too late. */
static void a_session_of_now_is_later_than_those_of_before(void **state)
{
	struct room *room = *state;
	struct kept romeo;

	two_people(room);
	room_start(room, ROMEO);
	romeo = settled_kept(room, ROMEO);
	room_restart(room);
	room_start(room, ROMEO);
	room_forget(room);
	assert_refused(room, &romeo, "", ROMEO);
	assert_non_null(room_session(room, ROMEO));
	room_expect_none_with(room, ROMEO, "replaced");
}

/* An error that he never heard was the answer to what he wrote: he says that again. */
static void who_left_did_not_hear_what_his_c2s_still_had(void **state)
{
	struct room *room = *state;
	AUTO(str_free) struct str *key = NULL;
	struct packet *packet;
	struct kept romeo;
	uint32_t in;

	two_people(room);
	in = count_of(room, ROMEO);
	packet = room_make_action(room, ROMEO, SESSION_ENABLE);
	packet->session.resume.seconds = 60;
	packet->session.resume.in = in;
	room_packet(room, &packet);
	key = str_new(str_slice(room_session(room, ROMEO)->key));
	romeo = kept_of(room, ROMEO);
	romeo.settled = in + 1;
	room_restart(room);
	present_resumable(room, &romeo, key, in, false);
	room_expect(room, ROMEO, "presented");
	romeo.settled = in;
	present_resumable(room, &romeo, key, in, true);
	packet = room_make_action(room, "new", SESSION_RESUME);
	packet->session.target = jid_parse(SLICE("romeo@localhost"));
	packet->session.resume.key = str_ref(key);
	room_packet(room, &packet);
	room_expect(room, "new", "failed sm= target=romeo@localhost handled=0");
}

static void who_left_and_asks_for_his_session_hears_how_far_it_was(void **state)
{
	ask_how_far(*state, false, false);
}

static void also_when_he_left_behind_its_presentation(void **state)
{
	ask_how_far(*state, true, false);
}

static void also_when_its_manager_died_before_that_was_stored(void **state)
{
	ask_how_far(*state, false, true);
}

#define far_away(test) cmocka_unit_test_setup_teardown(test, room_open_far, room_close)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		far_away(what_a_session_is_goes_to_its_c2s_before_the_change_is_settled),
		cmocka_unit_test_setup_teardown(a_c2s_of_this_process_is_told_nothing, room_open_apart, room_close),
		far_away(a_c2s_that_is_not_ours_is_told_nothing),
		far_away(a_session_at_rest_goes_on_and_nobody_hears_of_it),
		far_away(presence_that_waited_is_asked_for_again),
		far_away(presence_that_waited_is_also_that_of_who_comes_later),
		far_away(who_left_while_it_waited_has_left),
		far_away(what_was_said_just_before_is_said_again),
		far_away(that_somebody_went_just_before_is_said_again),
		far_away(who_is_late_is_announced_and_asks_for_his_contacts),
		far_away(what_cannot_be_restored_fails_and_leaves_nothing),
		far_away(a_resource_that_somebody_has_meanwhile_is_not_taken_from_him),
		far_away(the_later_of_two_c2s_has_the_session),
		far_away(who_is_presented_and_never_attached_leaves),
		far_away(who_left_meanwhile_is_gone_for_all_who_saw_him),
		far_away(who_left_meanwhile_is_gone_for_who_comes_later),
		far_away(an_error_is_settled_when_he_has_it),
		far_away(who_left_did_not_hear_what_his_c2s_still_had),
		far_away(what_its_client_was_told_is_over_is_over),
		far_away(what_he_asks_for_again_goes_on),
		far_away(a_session_of_now_is_later_than_those_of_before),
		far_away(who_left_and_asks_for_his_session_hears_how_far_it_was),
		far_away(also_when_he_left_behind_its_presentation),
		far_away(also_when_its_manager_died_before_that_was_stored),
		far_away(what_one_has_is_settled_when_the_others_c2s_has_it_too),
		far_away(what_was_sent_behind_the_question_is_asked_for_again),
		far_away(what_one_has_is_stored_when_the_others_c2s_does_not_answer),
		far_away(who_resumes_elsewhere_takes_along_what_she_had),
		far_away(who_was_not_sent_it_does_not_say_that_she_had_it),
		far_away(what_is_owed_does_not_stop_who_does_not_read),
		far_away(what_one_has_is_settled_when_the_other_is_away),
		far_away(what_is_settled_behind_what_is_not_is_told),
		far_away(what_the_client_has_is_settled_and_not_sent_again),
		far_away(who_resumes_a_presented_session_gets_what_came_again_for_it),
		far_away(a_session_is_over_when_what_its_c2s_held_is_gone),
		far_away(who_resumes_a_presented_session_gets_what_is_stored_for_it),
		far_away(who_resumes_a_presented_session_is_told_her_roster),
		far_away(who_resumes_a_presented_session_asks_for_his_contacts),
		far_away(who_resumes_waits_for_what_its_c2s_still_has),
		far_away(what_the_client_took_is_settled_while_it_is_away),
		far_away(what_the_client_was_asked_it_is_not_asked_again),
		far_away(what_the_client_will_have_is_settled_when_it_does),
		far_away(what_comes_again_before_it_is_held_is_not_doubled),
		far_away(what_comes_again_and_was_taken_meanwhile_is_not_doubled),
		far_away(what_comes_again_and_is_never_held_waits_for_her),
		far_away(a_row_of_what_the_client_has_goes),
		far_away(a_row_of_what_the_client_will_have_is_not_given_and_goes_then),
		far_away(a_row_of_what_one_client_holds_is_not_given_to_another),
		far_away(a_row_that_one_client_has_is_given_to_the_other),
		far_away(a_row_that_one_client_has_is_given_to_the_other_before),
		far_away(a_row_that_is_being_deleted_is_none),
		far_away(a_row_of_what_the_client_never_has_stays),
		far_away(a_row_of_what_the_client_took_while_it_was_presented_goes),
		far_away(what_is_stored_and_comes_again_is_given_once),
		far_away(what_is_new_does_not_overtake_what_is_stored),
		far_away(what_is_given_from_storage_is_known_by_its_origin),
		far_away(what_came_meanwhile_is_sent_behind_what_was_held),
		far_away(a_message_that_was_settled_has_no_effect),
		far_away(a_question_that_was_settled_is_answered_without_its_effect),
		far_away(what_was_stored_for_a_client_is_not_stored_again),
		far_away(a_change_that_was_settled_is_told_to_who_does_not_know),
		far_away(a_change_is_told_to_who_is_presented_long_after),
		far_away(what_is_on_its_way_is_not_known),
		far_away(an_answer_that_the_client_has_is_not_given_again),
		far_away(what_nobody_can_answer_any_more_is_answered_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
