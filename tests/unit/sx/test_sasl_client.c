/* SPDX-License-Identifier: MIT */
/* SASL as a client, against libgsasl as a server and against scripted ones. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <gsasl.h>
#include "peer.h"

#include "jid/jid.h"
#include "xml/nad.h"

#define SASL(element) "<" element " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
#define DIGEST_AUTH SASL("auth") " mechanism='DIGEST-MD5'></auth>"
/* realm="jabberd-router",nonce="Nn0nce==",qop="auth",charset=utf-8,algorithm=md5-sess */
#define CHALLENGE                                                                                  \
	SASL("challenge")                                                                          \
	">cmVhbG09ImphYmJlcmQtcm91dGVyIixub25jZT0iTm4wbmNlPT0iLHFvcD0iYXV0aCIsY2hhcnNldD11dGYtOC"  \
	"xhbGdvcml0aG09bWQ1LXNlc3M=</challenge>"

static const struct sx_plugin *const client_plugins[] = {&sx_sasl_client, NULL};
static const struct sx_plugin *const server_plugins[] = {&sx_sasl_server, NULL};

/* -- a server made of libgsasl ------------------------------------------------------------- */

static struct {
	Gsasl *gsasl;
	Gsasl_session *session;
	bool two_steps; /* the proof goes into a challenge of its own */
	bool proved;
} digest;

static int give_secret(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
	if (property == GSASL_REALM)
		return gsasl_property_set(session, property, "jabberd-router");
	if (property == GSASL_PASSWORD && gsasl_property_fast(session, GSASL_AUTHID))
		return gsasl_property_set(session, property, "secret");
	if (property == GSASL_VALIDATE_SIMPLE)
		return strcmp(gsasl_property_fast(session, GSASL_PASSWORD), "secret") == 0
			       ? GSASL_OK
			       : GSASL_AUTHENTICATION_ERROR;
	return GSASL_NO_CALLBACK;
}

static void digest_dropped(void *owner, struct sx *sx)
{
	if (digest.session)
		gsasl_finish(digest.session);
	digest.session = NULL;
}

static void digest_step(void *owner, struct sx *sx, const char *name, bool initial,
			struct slice message)
{
	struct jid *jid = jid_parse(SLICE("jabberd@jabberd-router"));
	struct sx_sasl_answer answer = {.outcome = SX_SASL_FAILURE,
					.failure = SX_SASL_NOT_AUTHORIZED,
					.text = "Error authenticating user"};
	struct slice data = {NULL, 0};
	char *out = NULL;
	size_t out_len = 0;
	int rc;

	if (digest.proved) {
		assert_int_equal(message.len, 0);
		answer = (struct sx_sasl_answer){
			.outcome = SX_SASL_SUCCESS, .identity = jid, .how = "SASL"};
		sx_sasl_answer(sx, &answer);
		jid_free(&jid);
		return;
	}
	if (name)
		assert_int_equal(gsasl_server_start(digest.gsasl, name, &digest.session), GSASL_OK);
	rc = gsasl_step(digest.session, message.len ? message.data : "", message.len, &out,
			&out_len);
	if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE) {
		data = (struct slice){out, out_len};
		answer = (struct sx_sasl_answer){.outcome = rc == GSASL_OK ? SX_SASL_SUCCESS
									   : SX_SASL_CHALLENGE,
						 .data = out_len ? &data : NULL,
						 .identity = jid,
						 .how = "SASL"};
	}
	if (rc == GSASL_OK && digest.two_steps) {
		answer.outcome = SX_SASL_CHALLENGE;
		digest.proved = true;
	}
	if (rc != GSASL_NEEDS_MORE)
		digest_dropped(owner, sx);
	sx_sasl_answer(sx, &answer);
	gsasl_free(out);
	jid_free(&jid);
}

static void offer_digest(void *owner, struct sx *sx, void (*offer)(void *to, const char *name),
			 void *to)
{
	offer(to, "DIGEST-MD5");
}

static const struct sx_sasl_server_conf digest_conf = {
	.mechanisms = offer_digest, .step = digest_step, .dropped = digest_dropped};
static const void *const server_conf[] = {&digest_conf};

/* -- clients
 * --------------------------------------------------------------------------------------- */

static const char *mechanism = "DIGEST-MD5", *password = "secret", *service = "jabberd-router";

static void log_in(struct peer *peer, struct nad *nad)
{
	if (slice_is(nad_name(nad, 0), "features") && sx_state(peer->sx) == SX_STATE_STREAM)
		assert_int_equal(sx_sasl_auth(peer->sx, service, mechanism, "jabberd", password),
				 0);
}

static void note_failure(void *owner, struct sx *sx, const char *text)
{
	buf_printf(&((struct peer *)owner)->heard, "failed:%s ", text);
}

static struct peer *client(void)
{
	static struct peer peer;

	peer_init(&peer, SX_CLIENT, NULL, NULL, client_plugins, NULL);
	sx_sasl_on_failure(peer.sx, note_failure);
	peer.on_packet = log_in;
	sx_start(peer.sx);
	return &peer;
}

/* A client that has its challenge. */
static struct peer *challenged(void)
{
	struct peer *peer = client();

	peer_feed(peer, HEADER("version='1.0' id='abc'") "<stream:features/>" CHALLENGE);
	peer_said(peer);
	peer_heard(peer);
	return peer;
}

static void exchange(size_t chunk, const char *client_heard, const char *server_heard)
{
	struct peer *peer = client(), server;

	assert_int_equal(gsasl_init(&digest.gsasl), GSASL_OK);
	gsasl_callback_set(digest.gsasl, give_secret);
	peer_init(&server, SX_SERVER, NULL, NULL, server_plugins, server_conf);
	peers_talk(peer, &server, chunk);
	assert_string_equal(peer_heard(peer), client_heard);
	assert_string_equal(peer_heard(&server), server_heard);
	peer_fini(peer);
	peer_fini(&server);
	digest_dropped(NULL, NULL);
	gsasl_done(digest.gsasl);
	digest.proved = false;
}

static void logs_in_with_digest_md5(void **test)
{
	mechanism = "DIGEST-MD5";
	exchange(1000, "stream packet:features open packet:features ",
		 "header stream header open ");
	exchange(1, "stream packet:features open packet:features ", "header stream header open ");
}

static void answers_the_proof_in_a_challenge(void **test)
{
	digest.two_steps = true;
	exchange(1000, "stream packet:features open packet:features ",
		 "header stream header open ");
	digest.two_steps = false;
}

static void logs_in_with_plain(void **test)
{
	mechanism = "PLAIN";
	exchange(1000, "stream packet:features open packet:features ",
		 "header stream header open ");
	mechanism = "DIGEST-MD5";
}

static void logs_in_with_scram(void **test)
{
	mechanism = "SCRAM-SHA-1";
	service = "xmpp";
	exchange(1000, "stream packet:features open packet:features ",
		 "header stream header open ");
	mechanism = "SCRAM-SHA-256";
	exchange(7, "stream packet:features open packet:features ", "header stream header open ");
	mechanism = "DIGEST-MD5";
	service = "jabberd-router";
}

static void a_wrong_password_is_told(void **test)
{
	password = "other";
	exchange(1000, "stream packet:features failed:not-authorized: Error authenticating user ",
		 "header stream ");
	password = "secret";
}

static void asks_as_jabberd2_s_components_do(void **test)
{
	struct peer *peer = client();

	peer_said(peer);
	peer_feed(peer, HEADER("version='1.0' id='abc'") "<stream:features/>");
	assert_string_equal(peer_said(peer), DIGEST_AUTH);
	peer_fini(peer);
}

static void plain_speaks_first(void **test)
{
	struct peer *peer = client();

	peer_said(peer);
	mechanism = "PLAIN";
	peer_feed(peer, HEADER("version='1.0' id='abc'") "<stream:features/>");
	assert_string_equal(peer_said(peer),
			    SASL("auth") " mechanism='PLAIN'>AGphYmJlcmQAc2VjcmV0</auth>");
	mechanism = "DIGEST-MD5";
	peer_fini(peer);
}

static void answers_a_challenge_of_the_router(void **test)
{
	struct peer *peer = client();
	struct buf decoded = {0};
	const char *said;
	size_t len;

	peer_feed(peer, HEADER("version='1.0' id='abc'") "<stream:features/>");
	peer_said(peer);
	peer_feed(peer, CHALLENGE);
	said = peer_said(peer);
	len = strlen(SASL("response") ">");
	assert_memory_equal(said, SASL("response") ">", len);
	assert_true(buf_append_unbase64(&decoded,
					(struct slice){said + len, strcspn(said + len, "<")}));
	assert_non_null(
		strstr(buf_text(&decoded), "username=\"jabberd\", realm=\"jabberd-router\""));
	assert_non_null(strstr(buf_text(&decoded), "digest-uri=\"jabberd-router/here\""));
	assert_null(strstr(buf_text(&decoded), "authzid"));
	buf_fini(&decoded);
	peer_fini(peer);
}

static void takes_a_bare_success(void **test)
{
	struct peer *peer = challenged();

	peer_feed(peer, SASL("success") "/>");
	assert_memory_equal(peer_said(peer), "<?xml version='1.0'?><stream:stream ", 35);
	peer_feed(peer, HEADER("version='1.0' id='def'") "<stream:features/>");
	assert_string_equal(peer_heard(peer), "open packet:features ");
	assert_string_equal(jid_text(sx_identity(peer->sx)), "jabberd@jabberd-router");
	assert_string_equal(sx_identity_how(peer->sx), "SASL/DIGEST-MD5");
	peer_fini(peer);
}

static void a_wrong_proof_in_a_challenge_is_aborted(void **test)
{
	struct peer *peer = challenged();

	/* rspauth=00000000000000000000000000000000 */
	peer_feed(peer, SASL("challenge") ">cnNwYXV0aD0wMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA="
					  "=</challenge>");
	assert_string_equal(peer_said(peer), SASL("abort") "/>");
	assert_memory_equal(peer_heard(peer), "failed:", 7);
	peer_feed(peer, SASL("success") "/>");
	assert_null(sx_identity(peer->sx));
	peer_fini(peer);
}

static void a_wrong_proof_with_success_is_refused(void **test)
{
	struct peer *peer = challenged();

	peer_feed(peer, SASL("success") ">cnNwYXV0aD0wMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA==<"
					"/success>");
	assert_memory_equal(peer_heard(peer), "failed:", 7);
	assert_null(sx_identity(peer->sx));
	peer_fini(peer);
}

static void scram_insists_on_the_server_s_proof(void **test)
{
	struct peer *peer = client();

	mechanism = "SCRAM-SHA-1";
	service = "xmpp";
	peer_feed(peer, HEADER("version='1.0' id='abc'") "<stream:features/>");
	assert_non_null(strstr(peer_said(peer), "mechanism='SCRAM-SHA-1'>biws"));
	peer_heard(peer);
	peer_feed(peer, SASL("success") "/>");
	assert_string_equal(peer_heard(peer), "failed:the server did not prove itself ");
	assert_null(sx_identity(peer->sx));
	mechanism = "DIGEST-MD5";
	service = "jabberd-router";
	peer_fini(peer);
}

static void junk_for_a_challenge_is_aborted(void **test)
{
	struct peer *peer = challenged();

	peer_feed(peer, SASL("challenge") ">!</challenge>");
	assert_string_equal(peer_said(peer), SASL("abort") "/>");
	peer_fini(peer);
}

static void an_unasked_success_means_nothing(void **test)
{
	struct peer *peer = client();

	peer->on_packet = NULL;
	peer_feed(peer, HEADER("version='1.0' id='abc'") "<stream:features/>" SASL("success") "/>");
	assert_null(sx_identity(peer->sx));
	assert_int_equal(sx_state(peer->sx), SX_STATE_STREAM);
	peer_fini(peer);
}

static void says_when_there_is_no_such_mechanism(void **test)
{
	struct peer *peer = client();

	peer->on_packet = NULL;
	assert_int_equal(sx_sasl_auth(peer->sx, "xmpp", "PLAIN", "a", "b"),
			 -EINVAL); /* too early */
	peer_feed(peer, HEADER("version='1.0' id='abc'") "<stream:features/>");
	assert_int_equal(sx_sasl_auth(peer->sx, "xmpp", "NONE-SUCH", "a", "b"), -EINVAL);
	assert_int_equal(sx_sasl_auth(peer->sx, "xmpp", "PLAIN", "not@a@name", "b"), -EINVAL);
	assert_int_equal(sx_sasl_auth(peer->sx, "xmpp", "PLAIN", "a", "b"), 0);
	peer_fini(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs_in_with_digest_md5),
		cmocka_unit_test(answers_the_proof_in_a_challenge),
		cmocka_unit_test(logs_in_with_plain),
		cmocka_unit_test(logs_in_with_scram),
		cmocka_unit_test(a_wrong_password_is_told),
		cmocka_unit_test(asks_as_jabberd2_s_components_do),
		cmocka_unit_test(plain_speaks_first),
		cmocka_unit_test(answers_a_challenge_of_the_router),
		cmocka_unit_test(takes_a_bare_success),
		cmocka_unit_test(a_wrong_proof_in_a_challenge_is_aborted),
		cmocka_unit_test(a_wrong_proof_with_success_is_refused),
		cmocka_unit_test(scram_insists_on_the_server_s_proof),
		cmocka_unit_test(junk_for_a_challenge_is_aborted),
		cmocka_unit_test(an_unasked_success_means_nothing),
		cmocka_unit_test(says_when_there_is_no_such_mechanism),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
