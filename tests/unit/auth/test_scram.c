/* SPDX-License-Identifier: MIT */
/* The SCRAM server against the vectors of RFC 5802 and RFC 7677, and against messages that are not
 * right. */
#include "auth/scram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "client.h"

static struct auth_key key_of(enum auth_hash hash, const char *password, const char *salt,
			      uint32_t rounds)
{
	struct auth_key key = {.rounds = rounds};
	struct buf bytes = {0};

	assert_true(buf_append_unbase64(&bytes, slice_of(salt)));
	key.salt_len = (uint8_t)buf_used(&bytes);
	memcpy(key.salt, buf_slice(&bytes).data, key.salt_len);
	buf_fini(&bytes);
	auth_key_derive(hash, slice_of(password), &key);
	return key;
}

struct exchange {
	enum auth_hash hash;
	const char *salt, *client_first, *nonce, *server_first, *client_final, *server_final;
};

static void assert_exchange(const struct exchange *exchange)
{
	struct scram scram = {.hash = exchange->hash};
	struct auth_key key = key_of(exchange->hash, "pencil", exchange->salt, 4096);
	struct buf out = {0};

	assert_int_equal(scram_first(&scram, slice_of(exchange->client_first)), 0);
	assert_true(slice_is(buf_slice(&scram.user), "user"));
	assert_int_equal(buf_used(&scram.authzid), 0);
	assert_true(slice_is(scram_challenge(&scram, slice_of(exchange->nonce), &key),
			     exchange->server_first));
	assert_int_equal(scram_final(&scram, slice_of(exchange->client_final), &out), 0);
	assert_string_equal(buf_text(&out), exchange->server_final);
	buf_fini(&out);
	scram_fini(&scram);
}

static void follows_the_example_of_rfc_5802(void **state)
{
	assert_exchange(&(struct exchange){
		.hash = AUTH_SHA1,
		.salt = "QSXCR+Q6sek8bf92",
		.client_first = "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
		.nonce = "3rfcNHYJY1ZVvWVs7j",
		.server_first =
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
		.client_final = "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p="
				"v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
		.server_final = "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
	});
}

static void follows_the_example_of_rfc_7677(void **state)
{
	assert_exchange(&(struct exchange){
		.hash = AUTH_SHA256,
		.salt = "W22ZaJ0SNY7soEsUEjb6gQ==",
		.client_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
		.nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		.server_first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
				"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		.client_final = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
				"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		.server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	});
}

/* -- first messages
 * --------------------------------------------------------------------------------- */

static void assert_first(const char *message, const char *user, const char *authzid)
{
	struct scram scram = {.hash = AUTH_SHA1};

	assert_int_equal(scram_first(&scram, slice_of(message)), 0);
	assert_true(slice_is(buf_slice(&scram.user), user));
	assert_true(slice_is(buf_slice(&scram.authzid), authzid));
	scram_fini(&scram);
}

static void reads_the_names_in_a_first_message(void **state)
{
	assert_first("n,,n=user,r=x", "user", "");
	assert_first("y,,n=user,r=x", "user", "");
	assert_first("n,a=user@example.org,n=user,r=x", "user", "user@example.org");
	assert_first("n,a=a=2Cb,n=a=2Cb=3Dc,r=x", "a,b=c", "a,b");
	assert_first("n,,n=\xC3\xA4,r=x,x=ignored,Y=too", "\xC3\xA4", "");
}

static void refuses_first_messages_that_are_not_right(void **state)
{
	static const char *const bad[] = {
		"n",
		"n,",
		"n,,",
		"n,,n=user",
		"n,,n=user,",
		"n,,n=user,r=",
		"n,,n=,r=x",
		"n,,r=x,n=user",
		"x,,n=user,r=x",
		"N,,n=user,r=x",
		",,n=user,r=x",
		"nn,,n=user,r=x",
		"p=tls-unique,,n=user,r=x",
		"p=,,n=user,r=x",
		"y=1,,n=user,r=x",
		"n,b=x,n=user,r=x",
		"n,a=,n=user,r=x",
		"n,a=x",
		"n,a=x,",
		"n,user,n=user,r=x",
		"n,,m=ext,n=user,r=x",
		"n,,n=user,m=ext,r=x",
		"n,,n=user,r=x,m=ext",
		"n,,n=us=er,r=x",
		"n,,n=user=,r=x",
		"n,,n=user=2,r=x",
		"n,,n=user=2c,r=x",
		"n,,n=user=2D,r=x",
		"n,a==20,n=user,r=x",
		"n,,n=user,r=a b",
		"n,,n=user,r=\xC3\xA4",
		"n,,n=user,r=\x7f",
		"n,,n=user,r=x,",
		"n,,n=user,r=x,y",
		"n,,n=user,r=x,y=",
		"n,,n=user,r=x,1=y",
		"n,,n=user,,r=x",
		"n,, n=user,r=x",
		"n,,N=user,r=x",
	};

	for (size_t i = 0; i < countof(bad); i++) {
		struct scram scram = {.hash = AUTH_SHA1};

		if (scram_first(&scram, slice_of(bad[i])) != SCRAM_MALFORMED)
			fail_msg("%s was accepted", bad[i]);
		scram_fini(&scram);
	}
}

static void refuses_empty_messages_and_nul_bytes(void **state)
{
	struct scram scram = {.hash = AUTH_SHA1};
	struct auth_key key = key_of(AUTH_SHA1, "pencil", "QSXCR+Q6sek8bf92", 1);
	struct buf out = {0};

	assert_int_equal(scram_first(&scram, (struct slice){0}), SCRAM_MALFORMED);
	assert_int_equal(scram_first(&scram, SLICE("n,,n=us\0er,r=x")), SCRAM_MALFORMED);
	scram_fini(&scram);
	scram = (struct scram){.hash = AUTH_SHA1};
	assert_int_equal(scram_first(&scram, SLICE("n,,n=user,r=x")), 0);
	scram_challenge(&scram, SLICE("y"), &key);
	assert_int_equal(scram_final(&scram, (struct slice){0}, &out), SCRAM_MALFORMED);
	assert_int_equal(scram_final(&scram, SLICE("c=biws,r=xy,p=\0"), &out), SCRAM_MALFORMED);
	scram_fini(&scram);
}

/* -- final messages
 * --------------------------------------------------------------------------------- */

/* What becomes of a final message: its text up to the proof, a sound proof for that text, and a
 * tail. */
static int final_result(const char *gs2, const char *unproven, const char *password,
			const char *tail)
{
	struct scram scram = {.hash = AUTH_SHA256};
	struct auth_key key = key_of(AUTH_SHA256, "pencil", "QSXCR+Q6sek8bf92", 2);
	AUTO(buf_fini) struct buf first = {0}, message = {0}, auth_message = {0}, out = {0};
	struct slice server_first;
	int rc;

	buf_printf(&first, "%sn=user,r=abc", gs2);
	assert_int_equal(scram_first(&scram, buf_slice(&first)), 0);
	server_first = scram_challenge(&scram, SLICE("DEF"), &key);
	buf_append_text(&auth_message, "n=user,r=abc,");
	buf_append_slice(&auth_message, server_first);
	buf_printf(&auth_message, ",%s", unproven);
	buf_printf(&message, "%s,p=", unproven);
	client_proof(AUTH_SHA256, slice_of(password), &key, buf_slice(&auth_message), &message);
	buf_append_text(&message, tail);
	rc = scram_final(&scram, buf_slice(&message), &out);
	assert_int_equal(buf_used(&out) > 0, rc == 0);
	scram_fini(&scram);
	return rc;
}

static void accepts_a_sound_proof(void **state)
{
	assert_int_equal(final_result("n,,", "c=biws,r=abcDEF", "pencil", ""), 0);
	assert_int_equal(final_result("y,,", "c=eSws,r=abcDEF", "pencil", ""), 0);
	assert_int_equal(final_result("n,a=user,", "c=bixhPXVzZXIs,r=abcDEF", "pencil", ""), 0);
	assert_int_equal(final_result("n,,", "c=biws,r=abcDEF,x=y", "pencil", ""), 0);
}

static void refuses_a_wrong_password(void **state)
{
	assert_int_equal(final_result("n,,", "c=biws,r=abcDEF", "pencils", ""), SCRAM_WRONG);
}

static void refuses_another_nonce(void **state)
{
	assert_int_equal(final_result("n,,", "c=biws,r=abcDEf", "pencil", ""), SCRAM_WRONG);
	assert_int_equal(final_result("n,,", "c=biws,r=abc", "pencil", ""), SCRAM_WRONG);
	assert_int_equal(final_result("n,,", "c=biws,r=abcDEFG", "pencil", ""), SCRAM_WRONG);
}

/* "y" replaced by "n": somebody between us took the offer of channel binding away. */
static void refuses_another_header(void **state)
{
	assert_int_equal(final_result("n,,", "c=eSws,r=abcDEF", "pencil", ""), SCRAM_UNBOUND);
	assert_int_equal(final_result("n,,", "c=biwsAAAA,r=abcDEF", "pencil", ""), SCRAM_UNBOUND);
	assert_int_equal(final_result("n,a=user,", "c=biws,r=abcDEF", "pencil", ""), SCRAM_UNBOUND);
}

static void refuses_final_messages_that_are_not_right(void **state)
{
	static const char *const bad[] = {
		"c=biw,r=abcDEF",
		"c=,r=abcDEF",
		"c=bi s,r=abcDEF",
		"r=abcDEF,c=biws",
		"r=abcDEF",
		"c=biws",
		"m=x,c=biws,r=abcDEF",
		"c=biws,r=abcDEF,m=x",
		"c=biws,r=abcDEF,",
		"c=biws,r=",
		"c=biws,,r=abcDEF",
		"c=biws,r=abcDEF,p=AAAA",
		"c=biws,r=abcDEF,x",
		"",
	};

	for (size_t i = 0; i < countof(bad); i++)
		if (final_result("n,,", bad[i], "pencil", "") != SCRAM_MALFORMED)
			fail_msg("%s was not refused as malformed", bad[i]);
	assert_int_equal(final_result("n,,", "c=biws,r=abcDEF", "pencil", ","), SCRAM_MALFORMED);
	assert_int_equal(final_result("n,,", "c=biws,r=abcDEF", "pencil", ",x=y"), SCRAM_MALFORMED);
	assert_int_equal(final_result("n,,", "c=biws,r=abcDEF", "pencil", "AAAA"), SCRAM_MALFORMED);
}

/* The lists and their hash are those of the example in XEP-0474. */
static void tells_the_hash_of_what_was_offered(void **state)
{
	struct scram scram = {.hash = AUTH_SHA1};
	struct auth_key key = key_of(AUTH_SHA1, "pencil", "QSXCR+Q6sek8bf92", 4096);

	buf_append_text(&scram.offered,
			"SCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1ftls-exporter\x1etls-server-end-point");
	assert_int_equal(scram_first(&scram, SLICE("n,,n=user,r=abc")), 0);
	assert_true(slice_is(scram_challenge(&scram, SLICE("DEF"), &key),
			     "r=abcDEF,s=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08="));
	scram_fini(&scram);
}

static void logs_in_with_sha_512(void **state)
{
	struct scram scram = {.hash = AUTH_SHA512};
	struct auth_key key = key_of(AUTH_SHA512, "pencil", "QSXCR+Q6sek8bf92", 3);
	AUTO(buf_fini) struct buf message = {0}, out = {0};
	struct slice server_first;

	assert_int_equal(scram_first(&scram, SLICE("n,,n=user,r=abc")), 0);
	server_first = scram_challenge(&scram, SLICE("DEF"), &key);
	client_final(AUTH_SHA512, SLICE("pencil"), "biws", SLICE("n=user,r=abc"), server_first,
		     &message);
	assert_int_equal(scram_final(&scram, buf_slice(&message), &out), 0);
	assert_int_equal(buf_used(&out), 2 + 88);
	scram_fini(&scram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_the_example_of_rfc_5802),
		cmocka_unit_test(follows_the_example_of_rfc_7677),
		cmocka_unit_test(logs_in_with_sha_512),
		cmocka_unit_test(tells_the_hash_of_what_was_offered),
		cmocka_unit_test(reads_the_names_in_a_first_message),
		cmocka_unit_test(refuses_first_messages_that_are_not_right),
		cmocka_unit_test(refuses_empty_messages_and_nul_bytes),
		cmocka_unit_test(accepts_a_sound_proof),
		cmocka_unit_test(refuses_a_wrong_password),
		cmocka_unit_test(refuses_another_nonce),
		cmocka_unit_test(refuses_another_header),
		cmocka_unit_test(refuses_final_messages_that_are_not_right),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
