/* SPDX-License-Identifier: MIT */
/* Deriving, making up and comparing SCRAM keys; preparing passwords. */
#pragma once

#include "auth/auth.h"

enum {
	AUTH_SALT_LEN = 16,
	AUTH_ROUNDS = 10000,	    /* of new keys */
	AUTH_ROUNDS_MAX = 10000000, /* of imported ones: bounds the work of a login */
	AUTH_PASSWORD_MAX = 1024,
};

/* One-shot HMAC and digest; out has room for 64 bytes. */
void auth_hmac(enum auth_hash hash, struct slice key, struct slice data, uint8_t *out);
void auth_digest_of(enum auth_hash hash, struct slice data, uint8_t *out);

/* SASLprep, RFC 4013. False when the password is empty, too long or not allowed. */
bool auth_prepare_password(struct slice password, struct buf *prepared);

/* Fills stored and server of a key whose salt and rounds are set. */
void auth_key_derive(enum auth_hash hash, struct slice prepared, struct auth_key *key);

/* The same key for the same user at all times; nobody has its password. server is not to be shown: it begins with the salt. */
void auth_key_fake(enum auth_hash hash, const uint8_t secret[32], struct slice user,
		   uint32_t rounds, struct auth_key *key);
