/* SPDX-License-Identifier: MIT */
/* PBKDF2 beside OpenSSL's. */
#include "auth/keys.h"
#include "auth/pbkdf2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <cmocka.h>

static const EVP_MD *md_of(enum auth_hash hash)
{
	return hash == AUTH_SHA1 ? EVP_sha1() : hash == AUTH_SHA256 ? EVP_sha256() : EVP_sha512();
}

static void compare(enum auth_hash hash, size_t password_len, uint32_t rounds)
{
	static const char salt[] = "sixteen bytes of";
	uint8_t ours[64] = {0}, theirs[64] = {0};
	char password[300];
	size_t size = auth_hash_size(hash);

	for (size_t at = 0; at < password_len; at++)
		password[at] = (char)('a' + at % 26);
	auth_pbkdf2(hash, (struct slice){password, password_len}, slice_of(salt), rounds, ours);
	assert_int_equal(PKCS5_PBKDF2_HMAC(password, (int)password_len, (const uint8_t *)salt,
					   (int)strlen(salt), (int)rounds, md_of(hash), (int)size,
					   theirs),
			 1);
	assert_memory_equal(ours, theirs, sizeof(ours));
}

static void gives_what_openssl_gives(void **state)
{
	static const size_t lengths[] = {1, 6, 63, 64, 65, 127, 128, 129, 300};

	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		for (size_t at = 0; at < countof(lengths); at++) {
			compare((enum auth_hash)hash, lengths[at], 1);
			compare((enum auth_hash)hash, lengths[at], 2);
			compare((enum auth_hash)hash, lengths[at], 100);
		}
	}
}

static void hmacs_and_hashes_are_openssl_s(void **state)
{
	static const size_t lengths[] = {0, 1, 63, 64, 65, 127, 128, 129, 300};
	char text[300];

	memset(text, 'k', sizeof(text));
	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		size_t size = auth_hash_size((enum auth_hash)hash);

		for (size_t at = 0; at < countof(lengths); at++) {
			struct slice key = {text, lengths[at]}, data = {text, lengths[countof(lengths) - 1 - at]};
			uint8_t ours[64], theirs[64];

			auth_hmac((enum auth_hash)hash, key, data, ours);
			assert_non_null(HMAC(md_of((enum auth_hash)hash), key.data, (int)key.len, (const uint8_t *)data.data, data.len, theirs, NULL));
			assert_memory_equal(ours, theirs, size);
			auth_digest_of((enum auth_hash)hash, data, ours);
			assert_int_equal(EVP_Digest(data.data, data.len, theirs, NULL, md_of((enum auth_hash)hash), NULL), 1);
			assert_memory_equal(ours, theirs, size);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_what_openssl_gives),
		cmocka_unit_test(hmacs_and_hashes_are_openssl_s),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
