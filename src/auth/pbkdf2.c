/* SPDX-License-Identifier: MIT */
/*
 * Hashes, HMAC, and PBKDF2 for one block. OpenSSL's own looks for the hash and makes contexts each time, which is three times the work
 * of the two hashes in an HMAC; most of a login with PLAIN, and of an import of passwords, is here. The states behind the padded key are
 * made once and copied for each round.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* the hashes themselves; no other way is without allocations  \
				     */
#include "auth/pbkdf2.h"

#include <openssl/sha.h>
#include <string.h>
#include "auth/keys.h"
#include "base/mem.h"

enum { BLOCK_MAX = 128, HASH_MAX = 64 };

union state {
	SHA_CTX sha1;
	SHA256_CTX sha256;
	SHA512_CTX sha512;
};

static void sha1_start(union state *state)
{
	SHA1_Init(&state->sha1);
}

static void sha1_add(union state *state, const void *bytes, size_t len)
{
	SHA1_Update(&state->sha1, bytes, len);
}

static void sha1_end(union state *state, uint8_t *out)
{
	SHA1_Final(out, &state->sha1);
}

static void sha256_start(union state *state)
{
	SHA256_Init(&state->sha256);
}

static void sha256_add(union state *state, const void *bytes, size_t len)
{
	SHA256_Update(&state->sha256, bytes, len);
}

static void sha256_end(union state *state, uint8_t *out)
{
	SHA256_Final(out, &state->sha256);
}

static void sha512_start(union state *state)
{
	SHA512_Init(&state->sha512);
}

static void sha512_add(union state *state, const void *bytes, size_t len)
{
	SHA512_Update(&state->sha512, bytes, len);
}

static void sha512_end(union state *state, uint8_t *out)
{
	SHA512_Final(out, &state->sha512);
}

struct function {
	size_t block, size;
	void (*start)(union state *state);
	void (*add)(union state *state, const void *bytes, size_t len);
	void (*end)(union state *state, uint8_t *out);
};

static const struct function functions[AUTH_HASHES] = {
	[AUTH_SHA1] = {64, 20, sha1_start, sha1_add, sha1_end},
	[AUTH_SHA256] = {64, 32, sha256_start, sha256_add, sha256_end},
	[AUTH_SHA512] = {128, 64, sha512_start, sha512_add, sha512_end},
};

/* An HMAC, RFC 2104, with its key taken in. */
struct keyed {
	const struct function *function;
	union state inner, outer, work;
};

static void take_key(struct keyed *keyed, struct slice key)
{
	const struct function *function = keyed->function;
	uint8_t pad[BLOCK_MAX] = {0};

	if (key.len > function->block) {
		function->start(&keyed->work);
		function->add(&keyed->work, key.data, key.len);
		function->end(&keyed->work, pad);
	} else if (key.len) {
		memcpy(pad, key.data, key.len);
	}
	for (size_t at = 0; at < function->block; at++)
		pad[at] ^= 0x36;
	function->start(&keyed->inner);
	function->add(&keyed->inner, pad, function->block);
	for (size_t at = 0; at < function->block; at++)
		pad[at] ^= 0x36 ^ 0x5c;
	function->start(&keyed->outer);
	function->add(&keyed->outer, pad, function->block);
	mem_wipe(pad, sizeof(pad));
}

/* Ends the HMAC whose inner hash is in work. */
static void end_hmac(struct keyed *keyed, uint8_t *out)
{
	const struct function *function = keyed->function;

	function->end(&keyed->work, out);
	keyed->work = keyed->outer;
	function->add(&keyed->work, out, function->size);
	function->end(&keyed->work, out);
}

void auth_hmac(enum auth_hash hash, struct slice key, struct slice data, uint8_t *out)
{
	struct keyed keyed = {.function = &functions[hash]};

	take_key(&keyed, key);
	keyed.work = keyed.inner;
	keyed.function->add(&keyed.work, data.data, data.len);
	end_hmac(&keyed, out);
	mem_wipe(&keyed, sizeof(keyed));
}

void auth_digest_of(enum auth_hash hash, struct slice data, uint8_t *out)
{
	const struct function *function = &functions[hash];
	union state state;

	function->start(&state);
	function->add(&state, data.data, data.len);
	function->end(&state, out);
	mem_wipe(&state, sizeof(state));
}

void auth_pbkdf2(enum auth_hash hash, struct slice password, struct slice salt, uint32_t rounds,
		 uint8_t *out)
{
	static const uint8_t first_block[4] = {0, 0, 0, 1};
	struct keyed keyed = {.function = &functions[hash]};
	size_t size = keyed.function->size;
	uint8_t round[HASH_MAX];

	take_key(&keyed, password);
	keyed.work = keyed.inner;
	keyed.function->add(&keyed.work, salt.data, salt.len);
	keyed.function->add(&keyed.work, first_block, sizeof(first_block));
	end_hmac(&keyed, round);
	memcpy(out, round, size);
	for (uint32_t at = 1; at < rounds; at++) {
		keyed.work = keyed.inner;
		keyed.function->add(&keyed.work, round, size);
		end_hmac(&keyed, round);
		for (size_t byte = 0; byte < size; byte++)
			out[byte] ^= round[byte];
	}
	mem_wipe(&keyed, sizeof(keyed));
	mem_wipe(round, sizeof(round));
}
