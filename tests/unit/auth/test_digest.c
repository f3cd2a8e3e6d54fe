/* SPDX-License-Identifier: MIT */
/* DIGEST-MD5 towards components, with libgsasl as the client. */
#include "auth/auth.h"
#include "mio/mio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <gsasl.h>
#include <stdlib.h>

static const char *password_of(void *arg, const char *user)
{
	return strcmp(user, "jabberd") == 0 ? "secret" : NULL;
}

static struct mio_host *host;

static int make_host(void **state)
{
	host = mio_host_new("test");
	return 0;
}

static int free_host(void **state)
{
	mio_host_free(&host);
	return 0;
}

static struct auth_digest *server(void)
{
	return auth_digest_new("jabberd-router", "jabberd-router", host, password_of, NULL);
}

/* The client's answer to a challenge; freed by gsasl_free(). */
static char *client_answer(const char *user, const char *password, const char *realm,
			   struct slice challenge)
{
	Gsasl *library;
	Gsasl_session *session;
	char *text = NULL;
	size_t len;

	assert_int_equal(gsasl_init(&library), GSASL_OK);
	assert_int_equal(gsasl_client_start(library, "DIGEST-MD5", &session), GSASL_OK);
	gsasl_property_set(session, GSASL_AUTHID, user);
	gsasl_property_set(session, GSASL_PASSWORD, password);
	gsasl_property_set(session, GSASL_REALM, realm);
	gsasl_property_set(session, GSASL_SERVICE, "jabberd-router");
	gsasl_property_set(session, GSASL_HOSTNAME, "somewhere.else");
	gsasl_step(session, NULL, 0, &text, &len);
	gsasl_free(text);
	assert_int_equal(gsasl_step(session, challenge.data, challenge.len, &text, &len),
			 GSASL_NEEDS_MORE);
	gsasl_finish(session);
	gsasl_done(library);
	return text;
}

/* Takes one attribute, and the comma behind it, out of a message. */
static void take_out(char *message, const char *attribute)
{
	char *at = strstr(message, attribute), *end;

	assert_non_null(at);
	end = strchr(at, ',');
	assert_non_null(end);
	memmove(at, end + 2, strlen(end + 2) + 1);
}

static void challenges_with_five_attributes(void **state)
{
	struct auth_digest *digest = server();
	struct slice answer;
	const char *text;
	char *copy, *nonce;

	assert_int_equal(auth_digest_step(digest, (struct slice){0}, &answer, &text),
			 AUTH_CHALLENGE);
	copy = strndup(answer.data, answer.len);
	nonce = strstr(copy, "nonce=\"");
	assert_non_null(nonce);
	memset(nonce + 7, 'N', 24);
	assert_string_equal(
		copy, "realm=\"jabberd-router\", nonce=\"NNNNNNNNNNNNNNNNNNNNNNNN\", qop=\"auth\", "
		      "charset=utf-8, algorithm=md5-sess");
	assert_null(auth_digest_user(digest));
	free(copy);
	auth_digest_free(&digest);
	assert_null(digest);
}

/* The digest-uri names a machine that is not ours. */
static void assert_proven(const char *realm)
{
	struct auth_digest *digest = server();
	struct slice answer;
	const char *text;
	char *response;

	auth_digest_step(digest, (struct slice){0}, &answer, &text);
	response = client_answer("jabberd", "secret", realm, answer);
	assert_int_equal(auth_digest_step(digest, slice_of(response), &answer, &text),
			 AUTH_SUCCESS);
	assert_int_equal(answer.len, strlen("rspauth=") + 32);
	assert_memory_equal(answer.data, "rspauth=", 8);
	assert_string_equal(auth_digest_user(digest), "jabberd");
	assert_int_equal(auth_digest_step(digest, slice_of(response), &answer, &text),
			 AUTH_FAILURE);
	gsasl_free(response);
	auth_digest_free(&digest);
}

static void proves_a_component(void **state)
{
	assert_proven(NULL);
}

static void accepts_a_realm_of_the_peers_own(void **state)
{
	assert_proven("other");
}

static void assert_refused(const char *user, const char *password, const char *without,
			   const char *expected)
{
	struct auth_digest *digest = server();
	struct slice answer;
	const char *text = NULL;
	char *response;

	auth_digest_step(digest, (struct slice){0}, &answer, &text);
	response = client_answer(user, password, NULL, answer);
	if (without)
		take_out(response, without);
	assert_int_equal(auth_digest_step(digest, slice_of(response), &answer, &text),
			 AUTH_FAILURE);
	assert_string_equal(text, expected);
	assert_null(auth_digest_user(digest));
	assert_int_equal(auth_digest_step(digest, slice_of(response), &answer, &text),
			 AUTH_FAILURE);
	gsasl_free(response);
	auth_digest_free(&digest);
}

static void refuses_a_wrong_password(void **state)
{
	assert_refused("jabberd", "wrong", NULL, "Error authenticating user");
}

static void refuses_an_unknown_user(void **state)
{
	assert_refused("nobody", "secret", NULL,
		       "Authentication failed because the password was not provided.");
}

static void refuses_a_missing_realm(void **state)
{
	assert_refused("jabberd", "secret",
		       "realm=", "Authentication failed because the password was not provided.");
}

static void refuses_junk(void **state)
{
	static const char *const junk[] = {"",	     "x",	 "username=\"jabberd\"",
					   "realm=", "\xff\xff", "response=00"};

	for (size_t i = 0; i < countof(junk); i++) {
		struct auth_digest *digest = server();
		struct slice answer;
		const char *text = NULL;

		auth_digest_step(digest, (struct slice){0}, &answer, &text);
		assert_int_equal(auth_digest_step(digest, slice_of(junk[i]), &answer, &text),
				 AUTH_FAILURE);
		assert_non_null(text);
		auth_digest_free(&digest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(challenges_with_five_attributes),
		cmocka_unit_test(proves_a_component),
		cmocka_unit_test(accepts_a_realm_of_the_peers_own),
		cmocka_unit_test(refuses_a_wrong_password),
		cmocka_unit_test(refuses_an_unknown_user),
		cmocka_unit_test(refuses_a_missing_realm),
		cmocka_unit_test(refuses_junk),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_host, free_host);
}
