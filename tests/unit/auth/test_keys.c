/* SPDX-License-Identifier: MIT */
/* Keys, their text, made-up keys, and passwords. */
#include "auth/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

/* "user" and "pencil" with the salt of RFC 7677. */
static const char vector[] =
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

static void reads_and_prints_the_same_text(void **state)
{
	enum auth_hash hash;
	struct auth_key key;
	struct buf out = {0};

	assert_true(auth_key_parse(slice_of(vector), &hash, &key));
	assert_int_equal(hash, AUTH_SHA256);
	assert_int_equal(key.rounds, 4096);
	assert_int_equal(key.salt_len, 16);
	assert_true(key.present);
	auth_key_print(hash, &key, &out);
	assert_string_equal(buf_text(&out), vector);
	buf_fini(&out);
}

static void derives_the_key_of_rfc_7677(void **state)
{
	enum auth_hash hash;
	struct auth_key key, made = {0};

	assert_true(auth_key_parse(slice_of(vector), &hash, &key));
	made.rounds = key.rounds;
	made.salt_len = key.salt_len;
	memcpy(made.salt, key.salt, key.salt_len);
	auth_key_derive(hash, SLICE("pencil"), &made);
	assert_memory_equal(made.stored, key.stored, 32);
	assert_memory_equal(made.server, key.server, 32);
}

static void refuses_bad_key_texts(void **state)
{
	static const char *const bad[] = {
		"",
		"SCRAM-SHA-256",
		"SCRAM-SHA-256$",
		"SCRAM-SHA-256$4096",
		"SCRAM-SHA-256$4096:",
		"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$",
		"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:",
		"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$AAAA:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$99999999999:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$4096:$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=x",
		"MD5$4096:W22ZaJ0SNY7soEsUEjb6gQ==$AAAA:AAAA",
	};
	enum auth_hash hash;
	struct auth_key key;

	for (size_t i = 0; i < countof(bad); i++)
		assert_false(auth_key_parse(slice_of(bad[i]), &hash, &key));
}

static void a_made_up_key_is_the_users_own_and_stays(void **state)
{
	uint8_t secret[32] = {1}, other_secret[32] = {2};
	struct auth_key a = {0}, again = {0}, b = {0}, elsewhere = {0};

	auth_key_fake(AUTH_SHA1, secret, SLICE("a@example.org"), 10000, &a);
	auth_key_fake(AUTH_SHA1, secret, SLICE("a@example.org"), 10000, &again);
	auth_key_fake(AUTH_SHA1, secret, SLICE("b@example.org"), 10000, &b);
	auth_key_fake(AUTH_SHA1, other_secret, SLICE("a@example.org"), 10000, &elsewhere);
	assert_int_equal(a.salt_len, AUTH_SALT_LEN);
	assert_memory_equal(&a, &again, sizeof(a));
	assert_memory_not_equal(a.salt, b.salt, AUTH_SALT_LEN);
	assert_memory_not_equal(a.salt, elsewhere.salt, AUTH_SALT_LEN);
	assert_memory_not_equal(a.stored, b.stored, sizeof(a.stored));
}

static void assert_prepared(const char *password, const char *expected)
{
	struct buf out = {0};

	assert_int_equal(auth_prepare_password(slice_of(password), &out), expected != NULL);
	if (expected)
		assert_string_equal(buf_text(&out), expected);
	else
		assert_int_equal(buf_used(&out), 0);
	buf_fini(&out);
}

/* The examples of RFC 4013, and some more. */
static void prepares_passwords(void **state)
{
	assert_prepared("user", "user");
	assert_prepared("USER ~!", "USER ~!");
	assert_prepared("I\xC2\xADX", "IX");
	assert_prepared("\xC2\xAA", "a");
	assert_prepared("\xE2\x85\xA8", "IX");
	assert_prepared("a\xC2\xA0z", "a z");
	assert_prepared("\x07", NULL);
	assert_prepared("\xD8\xA7\x31", NULL);
	assert_prepared("", NULL);
	assert_prepared("\xC2\xAD", NULL);
	assert_prepared("\xFF\xFE", NULL);
	assert_prepared("\xED\xA0\x80", NULL);
	assert_prepared("pass\xC3", NULL);
}

static void refuses_passwords_that_are_too_long_or_have_a_nul(void **state)
{
	char text[AUTH_PASSWORD_MAX + 1];
	struct buf out = {0};

	memset(text, 'a', sizeof(text));
	assert_false(auth_prepare_password((struct slice){text, sizeof(text)}, &out));
	assert_true(auth_prepare_password((struct slice){text, AUTH_PASSWORD_MAX}, &out));
	buf_fini(&out);
	assert_false(auth_prepare_password(SLICE("a\0b"), &out));
	/* U+FDFA becomes 33 bytes out of 3: the room may not be enough, and then it is refused. */
	for (size_t i = 0; i + 3 <= AUTH_PASSWORD_MAX; i += 3)
		memcpy(text + i, "\xEF\xB7\xBA", 3);
	assert_false(auth_prepare_password((struct slice){text, 1023}, &out));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_prints_the_same_text),
		cmocka_unit_test(derives_the_key_of_rfc_7677),
		cmocka_unit_test(refuses_bad_key_texts),
		cmocka_unit_test(a_made_up_key_is_the_users_own_and_stays),
		cmocka_unit_test(prepares_passwords),
		cmocka_unit_test(refuses_passwords_that_are_too_long_or_have_a_nul),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
