/* SPDX-License-Identifier: MIT */
/* SASL as a server: elements, order and encodings; what the mechanisms do is another's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "peer.h"

#include "jid/jid.h"

#define SASL(element) "<" element " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
#define FAILURE(condition) SASL("failure") "><" condition "/></failure>"

static const struct sx_plugin *const plugins[] = {&sx_sasl_server, NULL};
static const void *const lenient[] = {&peer_sasl};

/* What a step that answers later has seen. */
struct seen {
	bool initial, first;
	size_t len;
};

static struct seen seen;

static void note_step(void *owner, struct sx *sx, const char *mechanism, bool initial,
		      struct slice message)
{
	seen = (struct seen){initial, mechanism != NULL, message.len};
}

static void note_dropped(void *owner, struct sx *sx)
{
	buf_append_text(&((struct peer *)owner)->heard, "dropped ");
}

static void offer_two(void *owner, struct sx *sx, void (*offer)(void *to, const char *name),
		      void *to)
{
	offer(to, "ONE");
	offer(to, "TWO");
}

static const struct sx_sasl_server_conf later = {
	.mechanisms = offer_two, .step = note_step, .dropped = note_dropped};
static const void *const patient[] = {&later};

static struct peer *server(const void *const *conf)
{
	static struct peer peer;

	peer_init(&peer, SX_SERVER, NULL, NULL, plugins, conf);
	peer_greet(&peer, COMPONENT_HEADER);
	return &peer;
}

static void offers_its_mechanisms_until_login(void **test)
{
	struct peer peer;

	peer_init(&peer, SX_SERVER, NULL, NULL, plugins, patient);
	peer_feed(&peer, COMPONENT_HEADER);
	assert_non_null(
		strstr(peer_said(&peer), "<mechanism>ONE</mechanism><mechanism>TWO</mechanism>"));
	peer_fini(&peer);
}

static void waits_for_a_late_answer(void **test)
{
	struct peer *peer = server(patient);
	struct jid *jid = jid_parse(SLICE("ann@example.org"));
	struct sx_sasl_answer answer = {
		.outcome = SX_SASL_SUCCESS, .identity = jid, .how = "SASL/ONE"};

	peer_feed(peer, AUTH_PLAIN COMPONENT_HEADER);
	assert_true(sx_sasl_busy(peer->sx));
	assert_true(seen.first);
	assert_true(seen.initial);
	assert_int_equal(seen.len, 11);
	assert_string_equal(peer_heard(peer), "");
	sx_sasl_answer(peer->sx, &answer);
	assert_false(sx_sasl_busy(peer->sx));
	assert_string_equal(peer_heard(peer), "header open ");
	sx_sasl_answer(peer->sx, &answer);
	jid_free(&jid);
	peer_fini(peer);
}

static void tells_no_response_from_an_empty_one(void **test)
{
	struct peer *peer = server(patient);
	struct sx_sasl_answer answer = {.outcome = SX_SASL_CHALLENGE};

	peer_feed(peer, SASL("auth") " mechanism='ONE'/>");
	assert_false(seen.initial);
	assert_int_equal(seen.len, 0);
	sx_sasl_answer(peer->sx, &answer);
	peer_feed(peer, SASL("auth") " mechanism='ONE'>=</auth>");
	assert_true(seen.initial);
	assert_int_equal(seen.len, 0);
	peer_fini(peer);
}

static void sends_challenges_and_takes_responses(void **test)
{
	struct peer *peer = server(lenient);

	peer_feed(peer, SASL("auth") " mechanism='TWO'/>");
	assert_string_equal(peer_said(peer), SASL("challenge") ">cHJvdmUgaXQ=</challenge>");
	assert_true(sx_sasl_busy(peer->sx));
	peer_feed(peer, SASL("response") ">cmlnaHQ=</response>");
	assert_string_equal(peer_said(peer), SASL("success") "></success>");
	assert_non_null(sx_identity(peer->sx));
	peer_fini(peer);
}

static void tells_empty_success_data_from_none(void **test)
{
	struct peer *peer = server(patient);
	struct jid *jid = jid_parse(SLICE("ann@example.org"));
	struct slice empty = SLICE("");
	struct sx_sasl_answer answer = {
		.outcome = SX_SASL_SUCCESS, .data = &empty, .identity = jid, .how = "SASL/ONE"};

	peer_feed(peer, AUTH_PLAIN);
	sx_sasl_answer(peer->sx, &answer);
	assert_string_equal(peer_said(peer), SASL("success") ">=</success>");
	jid_free(&jid);
	peer_fini(peer);
}

static void a_failure_keeps_the_stream(void **test)
{
	struct peer *peer = server(lenient);

	peer_feed(peer, SASL("auth") " mechanism='PLAIN'>AGEAd3Jvbmc=</auth>");
	assert_string_equal(peer_said(peer), FAILURE("not-authorized"));
	assert_null(sx_identity(peer->sx));
	peer_feed(peer, AUTH_PLAIN);
	assert_non_null(sx_identity(peer->sx));
	peer_fini(peer);
}

static void too_many_failures_end_the_stream(void **test)
{
	struct peer *peer = server(lenient);

	for (int i = 0; i < 3; i++)
		peer_feed(peer, SASL("auth") " mechanism='PLAIN'>AGEAd3Jvbmc=</auth>");
	assert_string_equal(peer_heard(peer), "closed:error:policy-violation ");
	assert_int_equal(sx_end_refusal(peer->sx), SX_REFUSED_FAILURES);
	peer_fini(peer);
}

/* Each costs a look for the account. */
static void exchanges_that_are_begun_anew_are_failures(void **test)
{
	struct peer *peer = server(lenient);

	for (int i = 0; i < 3; i++)
		peer_feed(peer, SASL("auth") " mechanism='TWO'/>");
	assert_string_equal(peer_heard(peer), "dropped dropped ");
	peer_feed(peer, SASL("auth") " mechanism='TWO'/>");
	assert_string_equal(peer_heard(peer), "dropped closed:error:policy-violation ");
	assert_int_equal(sx_end_refusal(peer->sx), SX_REFUSED_FAILURES);
	peer_fini(peer);
}

static void names_what_is_wrong(void **test)
{
	static const struct {
		const char *element, *answer;
	} cases[] = {
		{SASL("auth") "/>", FAILURE("invalid-mechanism")},
		{SASL("auth") " mechanism=''/>", FAILURE("invalid-mechanism")},
		{SASL("auth") " mechanism='A-NAME-THAT-IS-TOO-LONG'/>",
		 FAILURE("invalid-mechanism")},
		{SASL("auth") " mechanism='OTHER'/>", FAILURE("invalid-mechanism")},
		{SASL("auth") " mechanism='PLAIN'>!!!</auth>", FAILURE("incorrect-encoding")},
		{SASL("auth") " mechanism='PLAIN'>AGFubgBz ZWNyZXQ=</auth>",
		 FAILURE("incorrect-encoding")},
		{SASL("auth") " mechanism='PLAIN'> AGFubgBzZWNyZXQ=\n</auth>",
		 FAILURE("incorrect-encoding")},
		{SASL("auth") " mechanism='PLAIN'>AGFubgBzZWNyZXQ</auth>",
		 FAILURE("incorrect-encoding")},
		{SASL("auth") " mechanism='PLAIN'>AGFubgBzZWNyZXR=</auth>",
		 FAILURE("incorrect-encoding")},
		{SASL("auth") " mechanism='PLAIN'>AGFu=gBzZWNyZXQ=</auth>",
		 FAILURE("incorrect-encoding")},
		{SASL("auth") " mechanism='PLAIN'>==</auth>", FAILURE("incorrect-encoding")},
		{SASL("auth") " mechanism='PLAIN'>====</auth>", FAILURE("incorrect-encoding")},
		{SASL("response") ">AAAA</response>",
		 SASL("failure") "><mechanism-too-weak/><text>response before "
				 "auth</text></failure>"},
		{SASL("abort") "/>", FAILURE("aborted")},
		{SASL("what") "/>", FAILURE("malformed-request")},
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct peer *peer = server(lenient);

		peer_feed(peer, cases[i].element);
		assert_string_equal(peer_said(peer), cases[i].answer);
		assert_string_equal(peer_heard(peer), "");
		peer_fini(peer);
	}
}

static void abort_drops_the_exchange(void **test)
{
	struct peer *peer = server(lenient);

	peer_feed(peer, SASL("auth") " mechanism='TWO'/>" SASL("abort") "/>");
	assert_string_equal(peer_heard(peer), "dropped ");
	assert_false(sx_sasl_busy(peer->sx));
	peer_fini(peer);
}

static void a_second_auth_starts_again(void **test)
{
	struct peer *peer = server(lenient);

	peer_feed(peer, SASL("auth") " mechanism='TWO'/>" SASL("auth") " mechanism='TWO'/>");
	assert_string_equal(peer_heard(peer), "dropped ");
	assert_true(sx_sasl_busy(peer->sx));
	peer_fini(peer);
}

static void a_bad_response_drops_the_exchange(void **test)
{
	struct peer *peer = server(lenient);

	peer_feed(peer, SASL("auth") " mechanism='TWO'/>" SASL("response") ">?</response>");
	assert_string_equal(peer_heard(peer), "dropped ");
	assert_false(sx_sasl_busy(peer->sx));
	peer_fini(peer);
}

static void the_stream_s_end_drops_the_exchange(void **test)
{
	struct peer *peer = server(patient);

	peer_feed(peer, AUTH_PLAIN);
	sx_error(peer->sx, SX_SYSTEM_SHUTDOWN, NULL);
	assert_string_equal(peer_heard(peer), "dropped closed:error:system-shutdown ");
	sx_sasl_answer(peer->sx, &(struct sx_sasl_answer){.outcome = SX_SASL_CHALLENGE});
	peer_fini(peer);
}

static void ignores_sasl_once_open(void **test)
{
	struct peer *peer = server(lenient);

	peer_feed(peer, AUTH_PLAIN COMPONENT_HEADER);
	peer_said(peer);
	peer_heard(peer);
	peer_feed(peer, AUTH_PLAIN "<x/>");
	assert_string_equal(peer_said(peer), "");
	assert_string_equal(peer_heard(peer), "packet:x ");
	peer_fini(peer);
}

static void names_its_failures(void **test)
{
	assert_string_equal(sx_sasl_failure_name(SX_SASL_TEMPORARY_AUTH_FAILURE),
			    "temporary-auth-failure");
	assert_string_equal(sx_sasl_failure_name(SX_SASL_FAILURES), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offers_its_mechanisms_until_login),
		cmocka_unit_test(waits_for_a_late_answer),
		cmocka_unit_test(tells_no_response_from_an_empty_one),
		cmocka_unit_test(sends_challenges_and_takes_responses),
		cmocka_unit_test(tells_empty_success_data_from_none),
		cmocka_unit_test(a_failure_keeps_the_stream),
		cmocka_unit_test(too_many_failures_end_the_stream),
		cmocka_unit_test(exchanges_that_are_begun_anew_are_failures),
		cmocka_unit_test(names_what_is_wrong),
		cmocka_unit_test(abort_drops_the_exchange),
		cmocka_unit_test(a_second_auth_starts_again),
		cmocka_unit_test(a_bad_response_drops_the_exchange),
		cmocka_unit_test(the_stream_s_end_drops_the_exchange),
		cmocka_unit_test(ignores_sasl_once_open),
		cmocka_unit_test(names_its_failures),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
