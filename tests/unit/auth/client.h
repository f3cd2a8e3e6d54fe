/* SPDX-License-Identifier: MIT */
/* The client's side of SCRAM, for tests and the fuzzer. */
#pragma once

#include <openssl/evp.h>
#include "auth/keys.h"

/* Appends the base64 of the proof that a client with this password sends for an AuthMessage. */
static inline void client_proof(enum auth_hash hash, struct slice password,
				const struct auth_key *key, struct slice auth_message,
				struct buf *out)
{
	const EVP_MD *const mds[] = {EVP_sha1(), EVP_sha256(), EVP_sha512()};
	size_t size = auth_hash_size(hash);
	uint8_t salted[64], client[64], stored[64], signature[64];

	PKCS5_PBKDF2_HMAC(password.data, (int)password.len, key->salt, key->salt_len,
			  (int)key->rounds, mds[hash], (int)size, salted);
	auth_hmac(hash, (struct slice){(char *)salted, size}, SLICE("Client Key"), client);
	auth_digest_of(hash, (struct slice){(char *)client, size}, stored);
	auth_hmac(hash, (struct slice){(char *)stored, size}, auth_message, signature);
	for (size_t i = 0; i < size; i++)
		client[i] ^= signature[i];
	buf_append_base64(out, (struct slice){(char *)client, size});
}

/* The value of "x=value" in a message of such, separated by commas; empty when it is not there. */
static inline struct slice client_attribute(struct slice message, char name)
{
	size_t at = 0;

	while (at + 2 <= message.len) {
		const char *comma = memchr(message.data + at, ',', message.len - at);
		size_t end = comma ? (size_t)(comma - message.data) : message.len;

		if (message.data[at] == name && message.data[at + 1] == '=')
			return (struct slice){message.data + at + 2, end - at - 2};
		at = end + 1;
	}
	return (struct slice){0};
}

/* What a client knows of the key from the server's first message. */
static inline void client_key(struct slice server_first, struct auth_key *key)
{
	AUTO(buf_fini) struct buf salt = {0};
	uint64_t rounds = 0;

	buf_append_unbase64(&salt, client_attribute(server_first, 's'));
	slice_to_u64(client_attribute(server_first, 'i'), &rounds);
	*key = (struct auth_key){.rounds = (uint32_t)rounds, .salt_len = (uint8_t)buf_used(&salt)};
	if (buf_used(&salt))
		memcpy(key->salt, buf_slice(&salt).data, buf_used(&salt));
}

/* Appends the final message. bare is the first one behind its header, whose base64 is binding. */
static inline void client_final(enum auth_hash hash, struct slice password, const char *binding,
				struct slice bare, struct slice server_first, struct buf *out)
{
	AUTO(buf_fini) struct buf auth_message = {0};
	struct auth_key key;

	client_key(server_first, &key);
	buf_printf(out, "c=%s,r=", binding);
	buf_append_slice(out, client_attribute(server_first, 'r'));
	buf_append_slice(&auth_message, bare);
	buf_append_char(&auth_message, ',');
	buf_append_slice(&auth_message, server_first);
	buf_append_char(&auth_message, ',');
	buf_append_slice(&auth_message, buf_slice(out));
	buf_append_text(out, ",p=");
	client_proof(hash, password, &key, buf_slice(&auth_message), out);
}
