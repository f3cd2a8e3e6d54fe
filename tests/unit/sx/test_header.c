/* SPDX-License-Identifier: MIT */
/* Stream headers and features, to the byte where jabberd2 prints them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "peer.h"

#include "xml/nad.h"

static const struct sx_plugin *const ack[] = {&sx_ack, NULL};
static const struct sx_plugin *const sasl[] = {&sx_sasl_server, NULL};
static const void *const sasl_conf[] = {&peer_sasl};

static struct peer *fresh(const char *ns)
{
	static struct peer peer;

	peer_init(&peer, SX_SERVER, ns, NULL, NULL, NULL);
	return &peer;
}

static void a_component_s_header_is_jabberd2_s(void **test)
{
	struct peer peer;

	peer_init(&peer, SX_CLIENT, NULL, NULL, ack, NULL);
	sx_start(peer.sx);
	assert_string_equal(
		peer_said(&peer),
		"<?xml version='1.0'?><stream:stream "
		"xmlns:stream='http://etherx.jabber.org/streams' "
		"version='1.0' xmlns:ack='http://www.xmpp.org/extensions/xep-0198.html#ns'>");
	peer_fini(&peer);
}

static void a_client_s_header_names_the_domain(void **test)
{
	struct peer peer;

	peer_init(&peer, SX_CLIENT, NS_CLIENT, "example.org", NULL, NULL);
	sx_start(peer.sx);
	assert_string_equal(peer_said(&peer),
			    "<?xml version='1.0'?><stream:stream "
			    "xmlns:stream='http://etherx.jabber.org/streams' "
			    "xmlns='jabber:client' to='example.org' version='1.0'>");
	peer_fini(&peer);
}

static void a_router_s_answer_is_jabberd2_s(void **test)
{
	struct peer peer;
	const char *said, *id;

	peer_init(&peer, SX_SERVER, NULL, NULL, sasl, sasl_conf);
	peer_feed(&peer, COMPONENT_HEADER);
	said = peer_said(&peer);
	id = strstr(said, " id='");
	assert_memory_equal(said,
			    "<?xml version='1.0'?><stream:stream "
			    "xmlns:stream='http://etherx.jabber.org/streams' "
			    "version='1.0' id='",
			    (size_t)(id - said) + 5);
	assert_int_equal(strspn(id + 5, "0123456789abcdefghijklmnopqrstuvwxyz"), 40);
	assert_string_equal(id + 45,
			    "'><stream:features xmlns:stream='http://etherx.jabber.org/streams'>"
			    "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
			    "<mechanism>PLAIN</mechanism></mechanisms></stream:features>");
	peer_fini(&peer);
}

static void each_stream_has_an_id_of_its_own(void **test)
{
	struct peer *peer = fresh(NULL);
	char first[41] = "";

	peer_feed(peer, COMPONENT_HEADER);
	memcpy(first, sx_id(peer->sx).data, 40);
	sx_restart(peer->sx);
	peer_feed(peer, COMPONENT_HEADER);
	assert_false(slice_is(sx_id(peer->sx), first));
	peer_fini(peer);
}

static void to_and_from_come_back_swapped(void **test)
{
	struct peer *peer = fresh(NULL);

	peer->from = "router";
	peer_feed(peer, HEADER("version='1.0' to='router' from='me'"));
	assert_non_null(strstr(peer_said(peer), " to='me' from='router' version='1.0' id='"));
	peer_fini(peer);
}

static void echoes_a_component_s_namespace(void **test)
{
	struct peer *peer = fresh(NULL);

	peer_feed(peer, HEADER("xmlns='jabber:component:accept' to='x'"));
	assert_true(slice_is(sx_peer_ns(peer->sx), "jabber:component:accept"));
	assert_non_null(strstr(peer_said(peer), " xmlns='jabber:component:accept' id='"));
	peer_fini(peer);
}

static void without_version_there_are_no_features(void **test)
{
	struct peer *peer = fresh(NULL);
	const char *said;

	peer_feed(peer, HEADER(""));
	said = peer_said(peer);
	assert_null(strstr(said, "features"));
	assert_null(strstr(said + 20, "version"));
	assert_false(sx_has_version(peer->sx));
	assert_string_equal(peer_heard(peer), "header stream ");
	peer_fini(peer);
}

static void knows_versions(void **test)
{
	static const struct {
		const char *header;
		bool spoken, has;
	} cases[] = {
		{HEADER("version='1.0'"), true, true},
		{HEADER("version='1.7'"), true, true},
		{HEADER("version='0.9'"), true, false},
		{HEADER("version='2.0'"), false, true},
		{HEADER("version='10.0'"), false, true},
		{HEADER("version=''"), false, true},
		{HEADER("version='1'"), false, true},
		{HEADER("version='one.zero'"), false, true},
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct peer *peer = fresh(NULL);

		peer_feed(peer, cases[i].header);
		assert_string_equal(peer_heard(peer),
				    cases[i].spoken ? "header stream "
						    : "closed:error:unsupported-version ");
		assert_int_equal(sx_has_version(peer->sx), cases[i].has);
		assert_int_equal(strstr(peer_said(peer) + 20, " version='1.0'") != NULL, cases[i].has);
		peer_fini(peer);
	}
}

static void an_error_has_a_version_if_the_header_had(void **test)
{
	static const struct {
		const char *header;
		bool has;
	} cases[] = {{HEADER(""), false}, {HEADER("version='1.0'"), true}, {"<foo>", true}};

	for (size_t i = 0; i < countof(cases); i++) {
		struct peer *peer = fresh(NS_CLIENT);

		peer_feed(peer, cases[i].header);
		assert_string_equal(peer_heard(peer), i < 2 ? "closed:error:invalid-namespace " : "closed:error:bad-format ");
		assert_int_equal(strstr(peer_said(peer) + 20, " version='1.0'") != NULL, cases[i].has);
		peer_fini(peer);
	}
}

static void checks_the_root(void **test)
{
	static const struct {
		const char *ns, *header, *heard;
	} cases[] = {
		{NULL, "<foo>", "closed:error:bad-format "},
		{NULL, "<stream xmlns='urn:x'>", "closed:error:bad-format "},
		{NS_CLIENT, "<foo xmlns='http://etherx.jabber.org/streams'>",
		 "closed:error:bad-format "},
		{NS_CLIENT, "<s:stream xmlns:s='urn:x' xmlns='jabber:client'>",
		 "closed:error:invalid-namespace "},
		{NS_CLIENT, HEADER("xmlns='jabber:server'"), "closed:error:invalid-namespace "},
		{NS_CLIENT, HEADER("version='1.0'"), "closed:error:invalid-namespace "},
		{NS_CLIENT, HEADER("xmlns:c='jabber:client'"), "closed:error:invalid-namespace "},
		{NS_CLIENT,
		 "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client'>",
		 "header stream "},
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct peer *peer = fresh(cases[i].ns);

		peer_feed(peer, cases[i].header);
		assert_string_equal(peer_heard(peer), cases[i].heard);
		peer_fini(peer);
	}
}

static void the_owner_may_refuse_the_domain(void **test)
{
	struct peer *peer = fresh(NS_CLIENT);
	const char *said;

	peer->refuse = SX_HOST_UNKNOWN;
	peer_feed(peer, CLIENT_HEADER "<message/>");
	assert_string_equal(peer_heard(peer), "header closed:error:host-unknown ");
	said = peer_said(peer);
	assert_non_null(strstr(said, "id='"));
	assert_non_null(strstr(said, "<host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
				     "</stream:error></stream:stream>"));
	peer_fini(peer);
}

static void refuses_addresses_that_are_too_long(void **test)
{
	struct peer *peer = fresh(NULL);
	struct buf header = {0};

	buf_append_text(&header,
			"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' to='");
	for (int i = 0; i < 4000; i++)
		buf_append_char(&header, 'x');
	buf_append_text(&header, "'>");
	peer_feed(peer, buf_text(&header));
	assert_string_equal(peer_heard(peer), "closed:error:improper-addressing ");
	assert_int_equal(sx_to(peer->sx).len, 0);
	buf_fini(&header);
	peer_fini(peer);
}

static void escapes_what_it_echoes(void **test)
{
	struct peer *peer = fresh(NULL);

	peer_feed(peer, HEADER("version='1.0' from='&apos;&lt;&amp;'"));
	assert_non_null(strstr(peer_said(peer), " to='&apos;&lt;&amp;'"));
	peer_fini(peer);
}

static void keeps_the_language(void **test)
{
	struct peer *peer = fresh(NS_CLIENT);

	peer_feed(peer, HEADER("xmlns='jabber:client' version='1.0' xml:lang='de'"));
	assert_true(slice_is(sx_lang(peer->sx), "de"));
	peer_fini(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_component_s_header_is_jabberd2_s),
		cmocka_unit_test(a_client_s_header_names_the_domain),
		cmocka_unit_test(a_router_s_answer_is_jabberd2_s),
		cmocka_unit_test(each_stream_has_an_id_of_its_own),
		cmocka_unit_test(to_and_from_come_back_swapped),
		cmocka_unit_test(echoes_a_component_s_namespace),
		cmocka_unit_test(without_version_there_are_no_features),
		cmocka_unit_test(knows_versions),
		cmocka_unit_test(an_error_has_a_version_if_the_header_had),
		cmocka_unit_test(checks_the_root),
		cmocka_unit_test(the_owner_may_refuse_the_domain),
		cmocka_unit_test(refuses_addresses_that_are_too_long),
		cmocka_unit_test(escapes_what_it_echoes),
		cmocka_unit_test(keeps_the_language),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
