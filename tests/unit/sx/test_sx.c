/* SPDX-License-Identifier: MIT */
/* The life of a stream: states, the order of calls, waiting, ending, sending. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "peer.h"

#include "base/mem.h"
#include "jid/jid.h"
#include "xml/nad.h"

/* A plugin that makes the stream wait at <hold/> and takes <mine/>. */
static int hold_or_take(void *state, struct sx *sx, struct nad **nad)
{
	struct peer *peer = sx_owner(sx);

	if (slice_is(nad_name(*nad, 0), "hold")) {
		buf_append_text(&peer->heard, "hold ");
		return SX_WAIT;
	}
	if (slice_is(nad_name(*nad, 0), "broken"))
		return -1;
	return slice_is(nad_name(*nad, 0), "mine") ? 0 : SX_PASS;
}

static void count_sent(void *state, enum sx_kind kind)
{
	(*(unsigned *)state) += kind == SX_STANZA ? 1 : 100;
}

static const struct sx_plugin holder = {
	.name = "holder", .size = sizeof(unsigned), .read_nad = hold_or_take, .sent = count_sent};
static const struct sx_plugin *const holders[] = {&holder, NULL};
static const struct sx_plugin *const sasl[] = {&sx_sasl_server, NULL};
static const void *const sasl_conf[] = {&peer_sasl};

static struct peer *server(void)
{
	static struct peer peer;

	peer_init(&peer, SX_SERVER, NS_CLIENT, NULL, holders, NULL);
	peer_greet(&peer, CLIENT_HEADER);
	return &peer;
}

static void a_server_goes_from_header_to_stream(void **test)
{
	struct peer peer;

	peer_init(&peer, SX_SERVER, NS_CLIENT, NULL, NULL, NULL);
	assert_int_equal(sx_state(peer.sx), SX_STATE_NONE);
	peer_drip(&peer, CLIENT_HEADER);
	assert_string_equal(peer_heard(&peer), "header stream ");
	assert_int_equal(sx_state(peer.sx), SX_STATE_STREAM);
	assert_true(sx_has_version(peer.sx));
	assert_true(slice_is(sx_to(peer.sx), "example.org"));
	assert_true(slice_is(sx_peer_ns(peer.sx), NS_CLIENT));
	peer_fini(&peer);
}

static void a_client_goes_from_sent_to_stream(void **test)
{
	struct peer peer;

	peer_init(&peer, SX_CLIENT, NULL, NULL, NULL, NULL);
	sx_start(peer.sx);
	assert_int_equal(sx_state(peer.sx), SX_STATE_STREAM_SENT);
	assert_int_equal(peer.outputs, 1);
	peer_drip(&peer, HEADER("version='1.0' id='abc'") "<stream:features/>");
	assert_string_equal(peer_heard(&peer), "stream packet:features ");
	assert_true(slice_is(sx_id(peer.sx), "abc"));
	peer_fini(&peer);
}

static void authentication_opens_at_the_second_header(void **test)
{
	struct peer peer;
	const char *said;

	peer_init(&peer, SX_SERVER, NS_CLIENT, NULL, sasl, sasl_conf);
	peer_greet(&peer, CLIENT_HEADER);
	peer_feed(&peer, AUTH_PLAIN);
	assert_int_equal(sx_state(peer.sx), SX_STATE_NONE);
	assert_string_equal(jid_text(sx_identity(peer.sx)), "ann@example.org");
	assert_string_equal(sx_identity_how(peer.sx), "SASL/PLAIN");
	assert_non_null(strstr(peer_said(&peer),
			       "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'></success>"));
	peer_feed(&peer, CLIENT_HEADER "<message/>");
	assert_string_equal(peer_heard(&peer), "header open packet:message ");
	said = peer_said(&peer);
	assert_non_null(
		strstr(said, "<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>"));
	assert_null(strstr(said, "mechanisms"));
	peer_fini(&peer);
}

static void what_is_pipelined_behind_success_is_a_new_stream(void **test)
{
	struct peer peer;

	peer_init(&peer, SX_SERVER, NS_CLIENT, NULL, sasl, sasl_conf);
	peer_feed(&peer, CLIENT_HEADER AUTH_PLAIN CLIENT_HEADER "<iq/></stream:stream>");
	assert_string_equal(peer_heard(&peer), "header stream header open packet:iq closed:peer ");
	peer_fini(&peer);
}

static void an_element_pipelined_where_a_header_belongs_is_refused(void **test)
{
	struct peer peer;

	peer_init(&peer, SX_SERVER, NS_CLIENT, NULL, sasl, sasl_conf);
	peer_feed(&peer, CLIENT_HEADER AUTH_PLAIN "<message xmlns='jabber:client'/>");
	assert_string_equal(peer_heard(&peer), "header stream closed:error:bad-format ");
	peer_fini(&peer);
}

/* jabberd2's c2s goes on sending for its clients while it logs in at a router. */
static void strays_of_the_stream_before_are_dropped(void **test)
{
	static const char *const texts[] = {
		AUTH_PLAIN COMPONENT_HEADER "<y/>",
		AUTH_PLAIN "<route><a/><b>text<c/></b></route><x/>" COMPONENT_HEADER "<y/>",
	};

	for (size_t at = 0; at < countof(texts); at++) {
		for (int drip = 0; drip < 2; drip++) {
			struct peer peer;

			peer_init(&peer, SX_SERVER, NULL, NULL, sasl, sasl_conf);
			peer.options.drops_strays = true;
			peer_greet(&peer, COMPONENT_HEADER);
			peer_heard(&peer);
			if (drip)
				peer_drip(&peer, texts[at]);
			else
				peer_feed(&peer, texts[at]);
			assert_string_equal(peer_heard(&peer), "header open packet:y ");
			peer_fini(&peer);
		}
	}
}

/* Nobody but who logged in may begin with anything else than a header. */
static void strays_before_success_are_errors(void **test)
{
	struct peer peer;

	peer_init(&peer, SX_SERVER, NULL, NULL, sasl, sasl_conf);
	peer.options.drops_strays = true;
	peer_feed(&peer, "<route/>");
	assert_string_equal(peer_heard(&peer), "closed:error:bad-format ");
	peer_fini(&peer);
}

static void nothing_is_parsed_while_a_plugin_waits(void **test)
{
	struct peer *peer = server();

	peer_feed(peer, "<hold/><message/>");
	peer_drip(peer, "<iq/>");
	assert_string_equal(peer_heard(peer), "hold ");
	assert_int_equal(sx_input_waiting(peer->sx), strlen("<message/><iq/>"));
	sx_continue(peer->sx);
	assert_string_equal(peer_heard(peer), "packet:message packet:iq ");
	assert_int_equal(sx_input_waiting(peer->sx), 0);
	sx_continue(peer->sx);
	peer_fini(peer);
}

static void note_resume(void *owner, struct sx *sx)
{
	buf_append_text(&((struct peer *)owner)->heard, "resume ");
}

static void an_owner_that_wants_to_resumes_by_itself(void **test)
{
	struct peer *peer = server();

	peer->handler.resume = note_resume;
	peer_feed(peer, "<hold/><message/>");
	sx_continue(peer->sx);
	assert_string_equal(peer_heard(peer), "hold resume ");
	sx_resume(peer->sx);
	assert_string_equal(peer_heard(peer), "packet:message ");
	peer_fini(peer);
}

static void nothing_is_parsed_while_paused(void **test)
{
	struct peer *peer = server();

	sx_pause(peer->sx, true);
	peer_feed(peer, "<message/>");
	sx_resume(peer->sx);
	assert_string_equal(peer_heard(peer), "");
	sx_pause(peer->sx, false);
	assert_string_equal(peer_heard(peer), "packet:message ");
	peer_fini(peer);
}

static void pause_at_packet(struct peer *peer, struct nad *nad)
{
	sx_pause(peer->sx, true);
}

static void an_owner_may_pause_from_within(void **test)
{
	struct peer *peer = server();

	peer->on_packet = pause_at_packet;
	peer_feed(peer, "<message/><iq/>");
	assert_string_equal(peer_heard(peer), "packet:message ");
	sx_pause(peer->sx, false);
	assert_string_equal(peer_heard(peer), "packet:iq ");
	peer_fini(peer);
}

static void feed_more(struct peer *peer, struct nad *nad)
{
	if (slice_is(nad_name(nad, 0), "message"))
		peer_feed(peer, "<presence/>");
}

static void an_owner_may_feed_from_within(void **test)
{
	struct peer *peer = server();

	peer->on_packet = feed_more;
	peer_feed(peer, "<message/><iq/>");
	assert_string_equal(peer_heard(peer), "packet:message packet:iq packet:presence ");
	peer_fini(peer);
}

static void a_plugin_takes_its_elements(void **test)
{
	struct peer *peer = server();

	peer_feed(peer, "<mine/><message/>");
	assert_string_equal(peer_heard(peer), "packet:message ");
	peer_fini(peer);
}

static void a_plugin_s_fault_ends_the_stream(void **test)
{
	struct peer *peer = server();

	peer_feed(peer, "<broken/><message/>");
	assert_string_equal(peer_heard(peer), "closed:error:internal-server-error ");
	peer_fini(peer);
}

static void answers_the_peer_s_closing_tag(void **test)
{
	struct peer *peer = server();

	peer_feed(peer, "<message/></stream:stream>");
	assert_string_equal(peer_said(peer), "</stream:stream>");
	assert_string_equal(peer_heard(peer), "packet:message closed:peer ");
	peer_fini(peer);
}

static void closing_waits_for_the_peer_and_drops_what_comes(void **test)
{
	struct peer *peer = server();

	sx_close(peer->sx);
	sx_close(peer->sx);
	assert_int_equal(sx_state(peer->sx), SX_STATE_CLOSING);
	sx_send_parts(peer->sx, &SLICE("<late/>"), 1, SX_OTHER);
	peer_feed(peer, "<message/>");
	assert_string_equal(peer_said(peer), "</stream:stream>");
	assert_string_equal(peer_heard(peer), "");
	peer_feed(peer, "</stream:stream>");
	assert_string_equal(peer_said(peer), "");
	assert_string_equal(peer_heard(peer), "closed:peer ");
	peer_fini(peer);
}

static void closing_before_a_header_says_nothing(void **test)
{
	struct peer peer;

	peer_init(&peer, SX_SERVER, NS_CLIENT, NULL, NULL, NULL);
	sx_close(peer.sx);
	assert_string_equal(peer_said(&peer), "");
	assert_string_equal(peer_heard(&peer), "closed:peer ");
	peer_fini(&peer);
}

static void an_error_is_said_once_and_ends(void **test)
{
	struct peer *peer = server();

	sx_error(peer->sx, SX_CONFLICT, "<new one>");
	sx_error(peer->sx, SX_RESET, NULL);
	assert_string_equal(
		peer_said(peer),
		"<stream:error xmlns:stream='http://etherx.jabber.org/streams'>"
		"<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>&lt;new one&gt;</text>"
		"</stream:error></stream:stream>");
	assert_string_equal(peer_heard(peer), "closed:error:conflict ");
	assert_string_equal(sx_end_text(peer->sx), "<new one>");
	peer_feed(peer, "<message/>");
	assert_string_equal(peer_heard(peer), "");
	peer_fini(peer);
}

static void an_error_before_any_header_brings_one(void **test)
{
	struct peer peer;
	const char *said;

	peer_init(&peer, SX_SERVER, NS_CLIENT, NULL, NULL, NULL);
	peer_feed(&peer, "GET / HTTP/1.0\r\n\r\n");
	said = peer_said(&peer);
	assert_memory_equal(said, "<?xml version='1.0'?><stream:stream ", 35);
	assert_non_null(strstr(said, "version='1.0'"));
	assert_non_null(strstr(said, "<not-well-formed "));
	assert_string_equal(peer_heard(&peer), "closed:error:not-well-formed ");
	peer_fini(&peer);
}

static void names_what_the_reader_refuses(void **test)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"</nope>", "not-well-formed"},
		{"<!-- x -->", "restricted-xml"},
		{"<?x y?>", "restricted-xml"},
		{"words", "bad-format"},
		{"<message>&foo;</message>", "not-well-formed restricted-xml"},
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct peer *peer = server();

		peer_feed(peer, cases[i].text);
		assert_int_equal(sx_state(peer->sx), SX_STATE_CLOSED);
		assert_non_null(strstr(cases[i].error, sx_error_name(sx_end_error(peer->sx))));
		peer_fini(peer);
	}
}

static void bounds_what_comes_before_login(void **test)
{
	struct peer *peer = server();
	struct buf big = {0};

	buf_append_text(&big, "<message a='");
	for (int i = 0; i < 11000; i++)
		buf_append_char(&big, 'x');
	peer_feed(peer, buf_text(&big));
	assert_string_equal(peer_heard(peer), "closed:error:policy-violation ");
	assert_int_equal(sx_end_refusal(peer->sx), SX_REFUSED_STANZA);
	buf_fini(&big);
	peer_fini(peer);
}

static void bounds_the_depth(void **test)
{
	struct peer *peer = server();

	for (int i = 0; i < 60; i++)
		peer_feed(peer, "<a>");
	assert_string_equal(peer_heard(peer), "closed:error:policy-violation ");
	assert_int_equal(sx_end_refusal(peer->sx), SX_REFUSED_DEPTH);
	peer_fini(peer);
}

static void larger_limits_hold_after_login(void **test)
{
	struct peer peer;
	struct buf big = {0};

	peer_init(&peer, SX_SERVER, NS_CLIENT, NULL, sasl, sasl_conf);
	peer.options.after_auth.stanza_bytes = 100000;
	peer_feed(&peer, CLIENT_HEADER AUTH_PLAIN CLIENT_HEADER);
	peer_heard(&peer);
	buf_append_text(&big, "<message a='");
	for (int i = 0; i < 50000; i++)
		buf_append_char(&big, 'x');
	buf_append_text(&big, "'/>");
	peer_feed(&peer, buf_text(&big));
	assert_string_equal(peer_heard(&peer), "packet:message ");
	buf_fini(&big);
	peer_fini(&peer);
}

static void a_stream_error_of_the_peer_ends_the_stream(void **test)
{
	struct peer *peer = server();

	peer_feed(
		peer,
		"<stream:error><xml-not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
		"<text "
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams'>why</text></stream:error><message/>");
	assert_string_equal(peer_heard(peer), "closed:error:not-well-formed ");
	assert_string_equal(sx_end_text(peer->sx), "why");
	peer_fini(peer);
}

static void an_unknown_stream_error_is_undefined(void **test)
{
	struct peer *peer = server();

	peer_feed(peer, "<stream:error/>");
	assert_string_equal(peer_heard(peer), "closed:error:undefined-condition ");
	peer_fini(peer);
}

static void the_end_of_bytes_is_heard_behind_them(void **test)
{
	struct peer *peer = server();

	peer_feed(peer, "<hold/><message/>");
	sx_feed_end(peer->sx);
	assert_string_equal(peer_heard(peer), "hold ");
	sx_continue(peer->sx);
	assert_string_equal(peer_heard(peer), "packet:message closed:gone ");
	peer_fini(peer);
}

static void a_killed_stream_says_and_calls_nothing(void **test)
{
	struct peer *peer = server();

	sx_kill(peer->sx);
	peer_feed(peer, "<message/>");
	sx_close(peer->sx);
	assert_string_equal(peer_said(peer), "");
	assert_string_equal(peer_heard(peer), "");
	peer_fini(peer);
}

static void output_is_called_once_until_sent(void **test)
{
	struct peer *peer = server();
	struct slice part = SLICE("<x/>");

	peer->outputs = 0;
	sx_send_parts(peer->sx, &part, 1, SX_OTHER);
	sx_send_parts(peer->sx, &part, 1, SX_OTHER);
	assert_int_equal(peer->outputs, 1);
	assert_int_equal(sx_unsent(peer->sx), 8);
	assert_string_equal(peer_said(peer), "<x/><x/>");
	sx_send_parts(peer->sx, &part, 1, SX_OTHER);
	assert_int_equal(peer->outputs, 2);
	peer_fini(peer);
}

static void plugins_count_stanzas_and_others(void **test)
{
	struct peer *peer = server();
	struct nad *stanza = nad_new(), *other = nad_new();
	unsigned *sent = sx_plugin_state(peer->sx, &holder);

	*sent = 0;
	nad_append(stanza, NS_CLIENT, "message", 0);
	nad_append(other, "urn:x", "message", 0);
	sx_send(peer->sx, &stanza);
	sx_send(peer->sx, &other);
	sx_send_parts(peer->sx, &SLICE("<iq/>"), 1, SX_STANZA);
	assert_int_equal(*sent, 102);
	assert_string_equal(peer_said(peer), "<message/><message xmlns='urn:x'/><iq/>");
	assert_null(sx_plugin_state(peer->sx, &sx_tls));
	peer_fini(peer);
}

static void nothing_is_sent_before_our_header(void **test)
{
	struct peer peer;

	peer_init(&peer, SX_SERVER, NS_CLIENT, NULL, NULL, NULL);
	sx_send_parts(peer.sx, &SLICE("<x/>"), 1, SX_OTHER);
	assert_string_equal(peer_said(&peer), "");
	peer_fini(&peer);
}

static void an_application_may_open_without_restart(void **test)
{
	struct peer *peer = server();
	struct jid *jid = jid_parse(SLICE("bridge.example.org"));

	sx_open(peer->sx);
	assert_int_equal(sx_state(peer->sx), SX_STATE_STREAM);
	sx_set_identity(peer->sx, jid, "handshake");
	sx_open(peer->sx);
	assert_string_equal(peer_heard(peer), "open ");
	sx_set_identity(peer->sx, NULL, NULL);
	assert_null(sx_identity(peer->sx));
	assert_null(sx_identity_how(peer->sx));
	jid_free(&jid);
	peer_fini(peer);
}

static uint64_t bytes_in_use(const struct heap *heap)
{
	struct heap_usage usage;
	uint64_t bytes = 0;

	heap_usage(heap, &usage);
	for (int kind = 0; kind < MEM_KINDS; kind++)
		bytes += usage.bytes[kind];
	return bytes;
}

static struct sx *log_in_quietly(struct peer *peer)
{
	struct sx *sx = sx_new(&peer->env, &peer->options, &peer->handler, peer);
	static const char text[] = CLIENT_HEADER AUTH_PLAIN CLIENT_HEADER "<message/>";

	sx_feed(sx, text, sizeof(text) - 1);
	buf_fini(sx_output(sx));
	sx_sent(sx);
	buf_fini(&peer->heard);
	buf_fini(&peer->packet);
	return sx;
}

static void an_idle_stream_is_small(void **test)
{
	static const struct sx_plugin *const plugins[] = {&sx_tls, &sx_sasl_server, NULL};
	static const struct sx_tls_conf tls = {.offer = false};
	static const void *const conf[] = {&tls, &peer_sasl};
	struct heap *heap = heap_new("test"), *before = heap_enter(heap);
	struct sx *streams[20];
	struct peer peer;
	uint64_t bytes = 0;

	peer_init(&peer, SX_SERVER, NS_CLIENT, NULL, plugins, conf);
	for (size_t i = 0; i < countof(streams); i++) {
		bytes = bytes_in_use(
			heap); /* the first ones make what the worker's streams share */
		streams[i] = log_in_quietly(&peer);
	}
	bytes = bytes_in_use(heap) - bytes;
	print_message("# an idle stream: %u bytes\n", (unsigned)bytes);
	assert_true(bytes < 700);
	for (size_t i = 0; i < countof(streams); i++)
		sx_free(&streams[i]);
	peer_fini(&peer);
	heap_enter(before);
	heap_drop(&heap);
}

static void names_its_states_and_errors(void **test)
{
	assert_string_equal(sx_state_name(SX_STATE_OPEN), "OPEN");
	assert_string_equal(sx_error_name(SX_UNSUPPORTED_VERSION), "unsupported-version");
	assert_string_equal(sx_error_name(SX_ERRORS), "");
	for (unsigned at = SX_REFUSED_NOT + 1; at < SX_REFUSALS; at++) {
		assert_memory_equal(sx_refusal_name((enum sx_refusal)at), "refused_", 8);
		assert_true(sx_refusal_text((enum sx_refusal)at)[0]);
		assert_int_not_equal(sx_refusal_error((enum sx_refusal)at), SX_ERROR_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_goes_from_header_to_stream),
		cmocka_unit_test(a_client_goes_from_sent_to_stream),
		cmocka_unit_test(authentication_opens_at_the_second_header),
		cmocka_unit_test(what_is_pipelined_behind_success_is_a_new_stream),
		cmocka_unit_test(an_element_pipelined_where_a_header_belongs_is_refused),
		cmocka_unit_test(strays_of_the_stream_before_are_dropped),
		cmocka_unit_test(strays_before_success_are_errors),
		cmocka_unit_test(nothing_is_parsed_while_a_plugin_waits),
		cmocka_unit_test(an_owner_that_wants_to_resumes_by_itself),
		cmocka_unit_test(nothing_is_parsed_while_paused),
		cmocka_unit_test(an_owner_may_pause_from_within),
		cmocka_unit_test(an_owner_may_feed_from_within),
		cmocka_unit_test(a_plugin_takes_its_elements),
		cmocka_unit_test(a_plugin_s_fault_ends_the_stream),
		cmocka_unit_test(answers_the_peer_s_closing_tag),
		cmocka_unit_test(closing_waits_for_the_peer_and_drops_what_comes),
		cmocka_unit_test(closing_before_a_header_says_nothing),
		cmocka_unit_test(an_error_is_said_once_and_ends),
		cmocka_unit_test(an_error_before_any_header_brings_one),
		cmocka_unit_test(names_what_the_reader_refuses),
		cmocka_unit_test(bounds_what_comes_before_login),
		cmocka_unit_test(bounds_the_depth),
		cmocka_unit_test(larger_limits_hold_after_login),
		cmocka_unit_test(a_stream_error_of_the_peer_ends_the_stream),
		cmocka_unit_test(an_unknown_stream_error_is_undefined),
		cmocka_unit_test(the_end_of_bytes_is_heard_behind_them),
		cmocka_unit_test(a_killed_stream_says_and_calls_nothing),
		cmocka_unit_test(output_is_called_once_until_sent),
		cmocka_unit_test(plugins_count_stanzas_and_others),
		cmocka_unit_test(nothing_is_sent_before_our_header),
		cmocka_unit_test(an_application_may_open_without_restart),
		cmocka_unit_test(an_idle_stream_is_small),
		cmocka_unit_test(names_its_states_and_errors),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
