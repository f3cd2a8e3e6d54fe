/* SPDX-License-Identifier: MIT */
/* Packets as route XML. Transcripts are jabberd2's, session-protocol.md section 3. */
#include "room.h"

#include <string.h>
#include "../xml/trees.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "stanza/stanza.h"

#define ROUTE(from, to, inside)                                                                    \
	"<route xmlns='http://jabberd.jabberstudio.org/ns/component/1.0' from='" from "' to='" to  \
	"'>" inside "</route>"
#define SESSION(attributes)                                                                        \
	"<sc:session xmlns:sc='http://jabberd.jabberstudio.org/ns/session/1.0' " attributes        \
	"></sc:session>"
#define SC " xmlns:sc='http://jabberd.jabberstudio.org/ns/session/1.0'"

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

static void assert_strs(const struct str *a, const struct str *b)
{
	assert_true((a == NULL) == (b == NULL));
	assert_slices(str_slice(a), str_slice(b));
}

static void assert_stanzas(const struct stanza *a, const struct stanza *b)
{
	AUTO(buf_fini) struct buf text_a = {0}, text_b = {0};

	assert_true((a == NULL) == (b == NULL));
	if (!a)
		return;
	assert_int_equal(a->origin.session, b->origin.session);
	assert_int_equal(a->origin.count, b->origin.count);
	assert_int_equal(a->origin.mark, b->origin.mark);
	assert_true(a->origin.key == b->origin.key);
	stanza_print(a, &text_a);
	stanza_print(b, &text_b);
	assert_string_equal(buf_text(&text_a), buf_text(&text_b));
}

static void assert_sessions(const struct packet *a, const struct packet *b)
{
	assert_int_equal(a->session.action, b->session.action);
	assert_true(jid_equal(a->session.target, b->session.target));
	assert_strs(a->session.id, b->session.id);
	assert_strs(a->session.end, b->session.end);
	assert_slices(buf_slice(&a->session.text), buf_slice(&b->session.text));
	assert_int_equal(a->session.resume.known, b->session.resume.known);
	assert_int_equal(a->session.resume.fresh, b->session.resume.fresh);
	assert_int_equal(a->session.resume.over, b->session.resume.over);
}

static void assert_accounts(const struct packet *a, const struct packet *b)
{
	assert_int_equal(a->account.verb, b->account.verb);
	assert_int_equal(a->account.answer, b->account.answer);
	assert_int_equal(a->account.result, b->account.result);
	assert_true(jid_equal(a->account.user, b->account.user));
	assert_true(a->account.token == b->account.token);
	assert_slices(buf_slice(&a->account.keys), buf_slice(&b->account.keys));
}

static void assert_packets(const struct packet *a, const struct packet *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_strs(a->from, b->from);
	assert_strs(a->to, b->to);
	assert_int_equal(a->error, b->error);
	assert_int_equal(a->failed, b->failed);
	assert_int_equal(a->ours, b->ours);
	assert_int_equal(a->answer, b->answer);
	assert_int_equal(a->held, b->held);
	assert_true(session_id_equal(&a->c2s, &b->c2s));
	assert_true(session_id_equal(&a->sm, &b->sm));
	assert_stanzas(a->stanza, b->stanza);
	if (a->kind == PACKET_SESSION)
		assert_sessions(a, b);
	else if (a->kind == PACKET_ACCOUNT)
		assert_accounts(a, b);
	assert_int_equal(a->count, b->count);
	assert_strs(a->via, b->via);
	assert_true(a->end.seq == b->end.seq && a->end.ack == b->end.ack);
	assert_true(a->end.from == b->end.from && a->end.to == b->end.to);
	assert_true(a->end.again == b->end.again && a->end.skip == b->end.skip);
}

static void assert_reads_back(struct room *room, struct packet **packet)
{
	AUTO(buf_fini) struct buf text = {0};
	AUTO(packet_free) struct packet *read = NULL;

	codec_print(*packet, &text);
	read = read_route(room, buf_text(&text));
	assert_non_null(read);
	assert_true(read->relayed);
	assert_packets(*packet, read);
	packet_free(packet);
}

static struct packet *packet_of(enum packet_kind kind)
{
	AUTO(str_free) struct str *from = str_new(SLICE("c2s")), *to = str_new(SLICE("sm"));

	return packet_new(kind, from, to);
}

static void every_session_action_reads_back(void **state)
{
	for (unsigned at = 0; at < SESSION_ACTIONS * 8; at++) {
		struct packet *packet = packet_of(PACKET_SESSION);

		packet->session.action = at % SESSION_ACTIONS;
		packet->ours = at & 1;
		packet->failed = at & 2;
		if (at & 4) {
			session_id_set(&packet->c2s, 0x0100000200000003);
			session_id_take(&packet->sm, SLICE("it's <any> \"thing\""));
			packet->session.target = jid_parse(SLICE("ann@a.example/it's & more"));
			packet->session.id = str_new(SLICE("a\tb\nc\rd 'e' \"f\" <&>"));
			packet->session.end = str_new(SLICE("sm/1/77"));
		}
		assert_reads_back(*state, &packet);
	}
}

/* And its answer, which is made from what was read, has nothing twice: a router would end the stream. */
static void stream_management_reads_back(void **state)
{
	struct room *room = *state;

	for (unsigned action = SESSION_ENABLE; action < SESSION_UNKNOWN; action++) {
		AUTO(buf_fini) struct buf text = {0};
		AUTO(packet_free) struct packet *packet = packet_of(PACKET_SESSION), *read = NULL, *answer = NULL,
						*again = NULL;
		struct packet_resume *resume = &packet->session.resume;

		packet->session.action = action;
		packet->ours = true;
		*resume = (struct packet_resume){.key = str_new(SLICE("0a1b")), .seconds = 600, .in = UINT32_MAX, .settled = 3,
						 .handled = 7, .window = UINT64_MAX, .known = true, .later = true};
		codec_print(packet, &text);
		read = read_route(room, buf_text(&text));
		assert_non_null(read);
		assert_slices(str_slice(read->session.resume.key), SLICE("0a1b"));
		assert_int_equal(read->session.resume.seconds, 600);
		assert_int_equal(read->session.resume.in, UINT32_MAX);
		assert_int_equal(read->session.resume.settled, 3);
		assert_int_equal(read->session.resume.handled, 7);
		assert_true(read->session.resume.window == UINT64_MAX);
		assert_true(read->session.resume.known);
		assert_true(read->session.resume.later);
		answer = packet_answer(read);
		buf_clear(&text);
		codec_print(answer, &text);
		again = read_route(room, buf_text(&text));
		assert_non_null(again);
		assert_int_equal(again->session.resume.seconds, 0);
	}
}

/* Lines, blanks and the stanzas of a snapshot are as they were. */
static void what_is_kept_of_a_session_reads_back(void **state)
{
	static const enum session_action actions[] = {SESSION_SNAPSHOT, SESSION_PRESENT, SESSION_STARTED, SESSION_RESUMED,
						      SESSION_HELLO};
	static const char *const texts[] = {"", "\n", "ab.1* cd.2\na@a.example/it's <&>\n1f\npresence 9 \r\t]]>\n\n"};

	for (unsigned at = 0; at < countof(actions) * countof(texts); at++) {
		struct packet *packet = packet_of(PACKET_SESSION);

		packet->session.action = actions[at % countof(actions)];
		packet->ours = true;
		packet->session.resume.over = packet->session.action == SESSION_PRESENT;
		packet->session.resume.fresh = packet->session.action == SESSION_PRESENT;
		buf_append_text(&packet->session.text, texts[at / countof(actions)]);
		assert_reads_back(*state, &packet);
	}
}

static void counts_of_what_is_taken_read_back(void **state)
{
	struct packet *packet = packet_of(PACKET_TAKEN);

	session_id_set(&packet->c2s, 5);
	packet->count = 12;
	packet->ours = true;
	assert_reads_back(*state, &packet);
}

static void accounts_read_back(void **state)
{
	static const int results[] = {0, 1, 42, -5, -4095, 4095};

	for (unsigned at = 0; at < 2 * countof(results); at++) {
		struct packet *packet = packet_of(PACKET_ACCOUNT);

		packet->ours = true;
		packet->account.verb = at;
		packet->account.answer = at % 2;
		packet->account.result = at % 2 ? results[at / 2] : 0;
		packet->account.user = jid_parse(SLICE("ann@a.example"));
		packet->account.token = UINT64_MAX - at;
		buf_append_text(&packet->account.keys, "SCRAM-SHA-1:4096:a+b/c==:d\n<SHA-256>&\n");
		assert_reads_back(*state, &packet);
	}
}

static void settlements_read_back(void **state)
{
	static const uint32_t counts[] = {0, 1, UINT32_MAX};

	for (unsigned at = 0; at < countof(counts); at++) {
		struct packet *packet = packet_of(PACKET_SETTLED);

		session_id_set(&packet->c2s, 5);
		packet->count = counts[at];
		packet->window = counts[at] * 3ull;
		packet->ours = true;
		assert_reads_back(*state, &packet);
	}
}

static struct packet *stanza_packet(const char *inside)
{
	AUTO(buf_fini) struct buf text = {0};
	AUTO(str_free) struct str *from = str_new(SLICE("c2s")), *to = str_new(SLICE("sm"));
	struct stanza *stanza;
	struct nad *nad;

	buf_printf(&text,
		   "<message xmlns='jabber:client' type='chat' from='ann@a.example/x' %s</message>",
		   inside);
	nad = read_tree(buf_text(&text));
	assert_int_equal(stanza_from_nad(&nad, &stanza), 0);
	return packet_stanza(from, to, &stanza);
}

static void stanzas_read_back(void **state)
{
	static const char *const insides[] = {
		">", "to='b@c' id='&#9;&#10;'><body>hi</body>",
		" other='&#9;it&apos;s'>text<x xmlns='u:1' xmlns:sc='u:2' sc:a='1'/><y xmlns=''/>"};

	for (unsigned at = 0; at < 8 * countof(insides); at++) {
		struct packet *packet = stanza_packet(insides[at / 8]);

		if (at & 1)
			session_id_set(&packet->c2s, 0x0100000200000003);
		if (at & 2)
			session_id_take(&packet->sm,
					SLICE("a6856cfbd55f7792c83b8e2313aa89cc77df3f1c"));
		packet->failed = at & 2 && at & 4;
		/* An origin is that of the session at c2s; nothing else tells its stanzas from
		 * jabberd2's. */
		packet->ours = at & 1 && at & 4;
		if (packet->ours)
			packet->stanza->origin = (struct origin){.session = 0x0100000200000003, .count = UINT32_MAX};
		assert_reads_back(*state, &packet);
	}
}

/* The name of a client's stanza is said to our own, and to what comes home; what c2s had kept says so. */
static void origins_read_back(void **state)
{
	static const struct origin origins[] = {
		{.key = 1, .count = 1},
		{.key = UINT64_MAX, .count = UINT32_MAX, .mark = 7, .session = 0x0100000200000003},
	};

	for (unsigned at = 0; at < 8 * countof(origins); at++) {
		struct packet *packet = stanza_packet("to='b@c'>");

		packet->stanza->origin = origins[at / 8];
		packet->ours = !(at & 1);
		if (!packet->ours)
			packet->end = (struct packet_end){.from = 9, .seq = 3};
		packet->held = at & 2;
		packet->answer = at & 4;
		assert_reads_back(*state, &packet);
	}
}

/* jabberd2's parts give a client what they do not know, and a prefix that nobody declared ends their stream. */
static void who_is_not_ours_sees_nothing_of_it(void **state)
{
	AUTO(packet_free) struct packet *packet = stanza_packet("to='b@c'>");
	AUTO(buf_fini) struct buf text = {0};

	packet->stanza->origin = (struct origin){.key = 5, .count = 6, .mark = 4, .session = 3};
	packet->held = packet->answer = true;
	codec_print(packet, &text);
	count_is(buf_text(&text), "jd", 0);
	count_is(buf_text(&text), NS_JACKDAW, 0);
}

static void a_bad_origin_is_not_read_over(void **state)
{
	static const char *const bad[] = {"", "0.1", "1", "1.2.3", "1.2.3.4.5", "x.1", "1.100000000"};

	for (size_t at = 0; at < countof(bad); at++) {
		AUTO(buf_fini) struct buf text = {0};

		buf_printf(&text, ROUTE("c2s", "sm", "<message xmlns='jabber:client' xmlns:j='" NS_JACKDAW "' j:o='%s'/>"),
			   bad[at]);
		assert_null(read_route(*state, buf_text(&text)));
	}
}

/* What waits for a peer is bounded by it. */
static void a_snapshot_weighs_what_it_is(void **state)
{
	AUTO(packet_free) struct packet *packet = packet_of(PACKET_SESSION);
	size_t empty = packet_weight(packet);

	buf_append_text(&packet->session.text, "ab.1\na@b/c\n1f\n");
	assert_int_equal(packet_weight(packet), empty + buf_used(&packet->session.text));
}

static void places_between_ends_read_back(void **state)
{
	static const struct packet_end places[] = {
		{.from = 1}, /* to who is not known yet */
		{.from = 1, .seq = 9}, /* to a domain of its own */
		{.from = 1, .to = UINT32_MAX, .ack = 0, .seq = 1},
		{.from = UINT32_MAX, .to = 1, .ack = UINT64_MAX - 1, .seq = UINT64_MAX - 1, .skip = true},
		{.from = 7, .to = 8, .ack = 3, .again = true},
	};

	for (unsigned at = 0; at < 2 * countof(places); at++) {
		struct packet *packet = at % 2 ? stanza_packet("to='b@c'>") : packet_of(PACKET_SESSION);

		if (packet->kind == PACKET_SESSION)
			packet->session.action = SESSION_ACK;
		packet->end = places[at / 2];
		packet->ours = packet->end.to != 0;
		if (packet->ours)
			packet->via = str_new(SLICE("sm"));
		assert_reads_back(*state, &packet);
	}
}

static void places_that_are_no_numbers_are_refused(void **state)
{
	static const char *const bad[] = {"j:from='x'", "j:from='4294967296'", "j:from='1' j:to='-1'",
					  "j:from='1' j:to='4294967296'", "j:from='1' j:seq=''",
					  "j:from='1' j:seq='18446744073709551616'", "j:from='1' j:to='1' j:ack='1.0'"};

	for (size_t at = 0; at < countof(bad); at++) {
		AUTO(buf_fini) struct buf text = {0};

		buf_printf(&text,
			   ROUTE("sm", "c2s", "<message xmlns='jabber:client' xmlns:j='" NS_JACKDAW "' %s/>"),
			   bad[at]);
		assert_null(read_route(*state, buf_text(&text)));
	}
}

static void assert_as_recorded(struct room *room, const char *text, struct packet **packet)
{
	AUTO(buf_fini) struct buf printed = {0};
	AUTO(nad_free) struct nad *recorded = read_tree(text), *ours = NULL;

	*packet = read_route(room, text);
	assert_non_null(*packet);
	codec_print(*packet, &printed);
	ours = read_tree(buf_text(&printed));
	assert_non_null(ours);
	assert_trees(recorded, 0, ours, 0);
}

static void actions_are_as_recorded(void **state)
{
	static const struct {
		enum session_action action;
		const char *text, *c2s, *sm, *target, *id;
	} rows[] = {
		{SESSION_CREATE,
		 ROUTE("c2s", "localhost",
		       SESSION("id='ae97fa6ea0df3147695402d347b2ab831aa5304d' "
			       "target='alice@localhost' action='create' sc:c2s='11'")),
		 "11", "", "alice@localhost", "ae97fa6ea0df3147695402d347b2ab831aa5304d"},
		{SESSION_CREATED,
		 ROUTE("localhost", "c2s",
		       SESSION("id='ae97fa6ea0df3147695402d347b2ab831aa5304d' "
			       "target='alice@localhost' action='created' sc:c2s='11'")),
		 "11", "", "alice@localhost", "ae97fa6ea0df3147695402d347b2ab831aa5304d"},
		{SESSION_START,
		 ROUTE("c2s", "localhost",
		       SESSION("id='815dd0fbfe303493e75cb6995fd9260b25ebf66a' "
			       "target='bob@localhost/desk' action='start' sc:c2s='11'")),
		 "11", "", "bob@localhost/desk", "815dd0fbfe303493e75cb6995fd9260b25ebf66a"},
		{SESSION_STARTED,
		 ROUTE("sm", "c2s",
		       SESSION("sc:sm='a6856cfbd55f7792c83b8e2313aa89cc77df3f1c' "
			       "id='815dd0fbfe303493e75cb6995fd9260b25ebf66a' "
			       "target='bob@localhost/desk' action='started' sc:c2s='11'")),
		 "11", "a6856cfbd55f7792c83b8e2313aa89cc77df3f1c", "bob@localhost/desk",
		 "815dd0fbfe303493e75cb6995fd9260b25ebf66a"},
		{SESSION_END,
		 ROUTE("c2s", "sm",
		       SESSION("action='end' sc:sm='9bbc8ed3326af1d75d429d343a7e7d957c318e91' "
			       "sc:c2s='13'")),
		 "13", "9bbc8ed3326af1d75d429d343a7e7d957c318e91", "", ""},
		{SESSION_ENDED,
		 ROUTE("sm", "c2s",
		       SESSION("action='ended' sc:sm='9bbc8ed3326af1d75d429d343a7e7d957c318e91' "
			       "sc:c2s='13'")),
		 "13", "9bbc8ed3326af1d75d429d343a7e7d957c318e91", "", ""},
		{SESSION_REPLACED,
		 ROUTE("sm", "c2s",
		       SESSION("action='replaced' sc:sm='d826040e8d0542d8d021439e292362378de5a9e8' "
			       "sc:c2s='11'")),
		 "11", "d826040e8d0542d8d021439e292362378de5a9e8", "", ""},
		{SESSION_DELETE,
		 ROUTE("c2s", "sm",
		       SESSION("target='carol@localhost' action='delete' "
			       "sc:sm='b9ab294f085544b364d5a20beff4c5ccde149c59' sc:c2s='13'")),
		 "13", "b9ab294f085544b364d5a20beff4c5ccde149c59", "carol@localhost", ""},
		{SESSION_DELETED,
		 ROUTE("sm", "c2s",
		       SESSION("target='carol@localhost' action='deleted' "
			       "sc:sm='b9ab294f085544b364d5a20beff4c5ccde149c59' sc:c2s='13'")),
		 "13", "b9ab294f085544b364d5a20beff4c5ccde149c59", "carol@localhost", ""},
	};

	for (size_t at = 0; at < countof(rows); at++) {
		AUTO(packet_free) struct packet *packet = NULL;

		assert_as_recorded(*state, rows[at].text, &packet);
		assert_int_equal(packet->kind, PACKET_SESSION);
		assert_int_equal(packet->session.action, rows[at].action);
		assert_slice(session_id_text(&packet->c2s, (char[SESSION_ID_MAX]){0}), rows[at].c2s);
		assert_slice(session_id_text(&packet->sm, (char[SESSION_ID_MAX]){0}), rows[at].sm);
		assert_string_equal(jid_text(packet->session.target), rows[at].target);
		assert_string_equal(str_text(packet->session.id), rows[at].id);
		assert_false(packet->failed || packet->ours || packet->error);
	}
}

static void stanzas_are_as_recorded(void **state)
{
	static const struct {
		const char *text, *c2s, *sm;
	} rows[] = {
		{ROUTE("c2s", "sm",
		       "<message" SC
		       " xmlns='jabber:client' sc:sm='d826040e8d0542d8d021439e292362378de5a9e8' "
		       "sc:c2s='11' id='m1' "
		       "type='chat' to='bob@localhost/desk'><body>hello bob</body></message>"),
		 "11", "d826040e8d0542d8d021439e292362378de5a9e8"},
		{ROUTE("sm", "localhost",
		       "<message xmlns='jabber:client' from='alice@localhost/home' id='m1' "
		       "type='chat' "
		       "to='bob@localhost/desk'><body>hello bob</body></message>"),
		 "", ""},
		{ROUTE("localhost", "c2s",
		       "<message xmlns:sm='http://jabberd.jabberstudio.org/ns/session/1.0' "
		       "xmlns='jabber:client' "
		       "sm:sm='1c66130ba368e088ef7ffbc5f12ad6df5232ce5e' sm:c2s='12' "
		       "from='alice@localhost/home' id='m1' "
		       "type='chat' to='bob@localhost/desk'><body>hello bob</body></message>"),
		 "12", "1c66130ba368e088ef7ffbc5f12ad6df5232ce5e"},
		{ROUTE("c2s", "sm",
		       "<presence" SC
		       " xmlns='jabber:client' sc:sm='1c66130ba368e088ef7ffbc5f12ad6df5232ce5e' "
		       "sc:c2s='12'><priority>5</priority></presence>"),
		 "12", "1c66130ba368e088ef7ffbc5f12ad6df5232ce5e"},
		{ROUTE("sm", "localhost",
		       "<presence xmlns='jabber:client' from='bob@localhost' to='bob@localhost' "
		       "type='probe'></presence>"),
		 "", ""},
		{ROUTE("sm", "localhost",
		       "<presence xmlns='jabber:client' to='bob@localhost' "
		       "from='bob@localhost/desk'><delay "
		       "xmlns='urn:xmpp:delay' from='bob@localhost/desk' "
		       "stamp='2026-11-22T06:21:29Z'/><priority>5</priority></presence>"),
		 "", ""},
		{ROUTE("s2s", "sm",
		       "<message xmlns='jabber:client' from='bob@remote.example' id='m3' "
		       "type='error' to='alice@localhost/home'><error "
		       "type='cancel' code='404'><remote-server-not-found "
		       "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error><body>remote</body></"
		       "message>"),
		 "", ""},
	};

	for (size_t at = 0; at < countof(rows); at++) {
		AUTO(packet_free) struct packet *packet = NULL;

		assert_as_recorded(*state, rows[at].text, &packet);
		assert_int_equal(packet->kind, PACKET_STANZA);
		assert_slice(session_id_text(&packet->c2s, (char[SESSION_ID_MAX]){0}), rows[at].c2s);
		assert_slice(session_id_text(&packet->sm, (char[SESSION_ID_MAX]){0}), rows[at].sm);
		assert_int_equal(packet->stanza->origin.count, 0);
	}
}

static void both_forms_of_failed_say_the_same(void **state)
{
	static const char *const texts[] = {
		ROUTE("localhost", "c2s",
		      "<message xmlns='jabber:client'" SC
		      " sc:c2s='1' sc:sm='2' failed='1'><body>x</body></message>"),
		ROUTE("localhost", "c2s",
		      "<message xmlns='jabber:client'" SC " sc:c2s='1' sc:sm='2' sc:failed='1'/>"),
		ROUTE("localhost", "c2s", SESSION("sc:c2s='1' action='start' sc:failed='1'")),
		/* What a jabberd2 sm says to a verb of ours. */
		ROUTE("localhost", "c2s",
		      SESSION("sc:c2s='1' action='jackdaw-hello' type='error'")),
	};

	for (size_t at = 0; at < countof(texts); at++) {
		AUTO(packet_free) struct packet *packet = read_route(*state, texts[at]);

		assert_non_null(packet);
		assert_true(packet->failed);
	}
}

static void a_bounce_is_an_error_whatever_it_says(void **state)
{
	static const struct {
		const char *text;
		unsigned error;
	} rows[] = {{"404", 404}, {"401", 401}, {"999", 999}, {"1000", 500},
		    {"0", 500},	  {"", 500},	{"x", 500},   {"-1", 500}};

	for (size_t at = 0; at < countof(rows); at++) {
		AUTO(buf_fini) struct buf text = {0};
		AUTO(packet_free) struct packet *packet = NULL;

		buf_printf(&text,
			   "<route xmlns='" NS_COMPONENT
			   "' from='sm' to='x' error='%s'><iq xmlns='jabber:client' "
			   "type='get'/></route>",
			   rows[at].text);
		packet = read_route(*state, buf_text(&text));
		assert_int_equal(packet->error, rows[at].error);
		assert_string_equal(str_text(packet->from), "sm");
	}
}

static void names_are_those_that_are_bound(void **state)
{
	struct room *room = *state;
	AUTO(packet_free)
	struct packet *packet = read_route(room, ROUTE("Other.Example", "user@A.Example/x",
						       "<iq xmlns='jabber:client' type='get'/>"));

	assert_string_equal(str_text(packet->to), "a.example");
	assert_string_equal(str_text(packet->from), "Other.Example");
}

static void refuses_what_parts_cannot_understand(void **state)
{
	static const char *const texts[] = {
		ROUTE("c2s", "sm", ""),
		ROUTE("c2s", "sm", "only text"),
		ROUTE("c2s", "sm", "<x xmlns='foo'/><y xmlns='bar'/>"),
		ROUTE("c2s", "sm", "<message xmlns='jabber:server'/>"),
		ROUTE("c2s", "sm",
		      SESSION("action='end' "
			      "sc:c2s='01234567890123456789012345678901234567890123'")),
		ROUTE("c2s", "sm",
		      SESSION("action='end' sc:sm='01234567890123456789012345678901234567890123'")),
		ROUTE("c2s", "sm", SESSION("action='jackdaw-settled'")),
		ROUTE("c2s", "sm", SESSION("action='jackdaw-settled' count='-1'")),
		ROUTE("c2s", "sm", SESSION("action='jackdaw-settled' count='1' window='-1'")),
		ROUTE("c2s", "sm", SESSION("action='jackdaw-present' window='x'")),
		ROUTE("c2s", "sm", SESSION("action='jackdaw-settled' count='4294967296'")),
		ROUTE("c2s", "sm", SESSION("action='jackdaw-account'")),
		ROUTE("c2s", "sm", SESSION("action='jackdaw-account' verb='1' token='1'")),
		ROUTE("c2s", "sm", SESSION("action='jackdaw-account' verb='1' token='1' target='@'")),
		ROUTE("c2s", "sm",
		      SESSION("action='jackdaw-account' verb='256' token='1' target='a@b'")),
		ROUTE("c2s", "sm",
		      SESSION("action='jackdaw-account' verb='1' token='18446744073709551616' "
			      "target='a@b'")),
		ROUTE("c2s", "sm",
		      SESSION("action='jackdaw-account' verb='1' token='1' target='a@b' "
			      "result='5000'")),
		ROUTE("c2s", "sm",
		      SESSION("action='jackdaw-account' verb='1' token='1' target='a@b' "
			      "result='--1'")),
	};

	for (size_t at = 0; at < countof(texts); at++) {
		AUTO(packet_free) struct packet *packet = read_route(*state, texts[at]);

		if (packet)
			fail_msg("%s", texts[at]);
	}
}

/* As jabberd2's sm: what it does not know it gives back; an action that nobody knows, with an error. */
static void gives_back_what_it_does_not_know(void **state)
{
	static const char *const rows[][2] = {
		{"action='start' target='a@b/c' extra='kept' target2='&lt;' sc:c2s='1'",
		 "target='a@b/c' action='start' extra='kept' target2='&lt;' sc:failed='1' sc:c2s='1'>"},
		{"action='frobnicate' target='a@b'",
		 "target='a@b' action='frobnicate' type='error'><error code='400' type='modify'>"},
		{"action='START' target='a@b'", "target='a@b' action='START' type='error'>"},
		{"sc:action='start' target='a@b'", "target='a@b' type='error'>"},
		{"action='start' target='@@' id='x'", "id='x' action='start' target='@@' sc:failed='1'>"},
		{"action='' id='x'", "id='x' action='' sc:failed='1'>"},
	};

	for (size_t at = 0; at < countof(rows); at++) {
		AUTO(buf_fini) struct buf text = {0}, printed = {0};
		AUTO(packet_free) struct packet *packet = NULL, *answer = NULL;

		buf_printf(&text, ROUTE("c2s", "sm", SESSION("%s")), rows[at][0]);
		packet = read_route(*state, buf_text(&text));
		assert_non_null(packet);
		answer = packet_answer(packet);
		answer->failed = true;
		codec_print(answer, &printed);
		if (!strstr(buf_text(&printed), rows[at][1]))
			fail_msg("%s", buf_text(&printed));
	}
}

static void of_several_children_the_first_counts(void **state)
{
	AUTO(packet_free)
	struct packet *packet =
		read_route(*state, ROUTE("c2s", "sm",
					 "text<iq xmlns='jabber:client' type='get' id='1'/><x/>"));

	assert_int_equal(packet->kind, PACKET_STANZA);
	assert_slice(packet->stanza->id, "1");
}

static void a_bad_target_is_no_target(void **state)
{
	AUTO(packet_free)
	struct packet *packet = read_route(
		*state, ROUTE("c2s", "sm", SESSION("action='start' target='@@' id='x'")));

	assert_null(packet->session.target);
	assert_string_equal(str_text(packet->session.id), "x");
}

#define in_room(test) cmocka_unit_test_setup_teardown(test, open_room, close_room)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_room(every_session_action_reads_back),
		in_room(stream_management_reads_back),
		in_room(what_is_kept_of_a_session_reads_back),
		in_room(counts_of_what_is_taken_read_back),
		in_room(accounts_read_back),
		in_room(settlements_read_back),
		in_room(stanzas_read_back),
		in_room(origins_read_back),
		in_room(who_is_not_ours_sees_nothing_of_it),
		in_room(a_bad_origin_is_not_read_over),
		in_room(a_snapshot_weighs_what_it_is),
		in_room(actions_are_as_recorded),
		in_room(stanzas_are_as_recorded),
		in_room(both_forms_of_failed_say_the_same),
		in_room(a_bounce_is_an_error_whatever_it_says),
		in_room(places_between_ends_read_back),
		in_room(places_that_are_no_numbers_are_refused),
		in_room(names_are_those_that_are_bound),
		in_room(refuses_what_parts_cannot_understand),
		in_room(gives_back_what_it_does_not_know),
		in_room(of_several_children_the_first_counts),
		in_room(a_bad_target_is_no_target),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
