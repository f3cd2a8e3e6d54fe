/* SPDX-License-Identifier: MIT */
/* What is kept of an account: SCRAM keys (RFC 5802, strings of RFC 5803), and of the devices that log in by tokens (XEP-0484) those. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

enum auth_hash { AUTH_SHA1, AUTH_SHA256, AUTH_SHA512, AUTH_HASHES };

/* SCRAM keys of one hash. */
struct auth_key {
	bool present;
	uint32_t rounds;
	uint8_t salt[32], stored[64], server[64];
	uint8_t salt_len;
};

enum {
	AUTH_CURRENT, AUTH_NEXT, AUTH_TOKENS, /* a device has one that it used, and the next, until it uses that */
	AUTH_DEVICE_LEN = 65,
	AUTH_NONCE_LEN = 16,
	AUTH_SECRET_LEN = 44, /* as text, with its NUL */
};

/*
 * A token is for one mechanism, and until some time. Its secret is made of its nonce, its user and device, and of a key of the
 * installation that is kept beside the database: what is stored is of no use to a thief.
 */
struct auth_token {
	bool present;
	uint8_t mechanism; /* an enum auth_token_mechanism */
	uint32_t count;    /* of the last login by it that said one */
	int64_t made_ms, expires_ms; /* wall time */
	uint8_t nonce[AUTH_NONCE_LEN];
	char secret[AUTH_SECRET_LEN]; /* "": not known here */
};

enum auth_token_mechanism { AUTH_HT_EXPORTER, AUTH_HT_UNIQUE, AUTH_HT_END_POINT, AUTH_HT_NONE, AUTH_HTS };

struct auth_account {
	bool disabled;
	uint64_t era; /* another when all tokens end: what a login of an earlier one would write is not written; 0: it never was */
	struct auth_key keys[AUTH_HASHES];
	struct auth_token tokens[AUTH_TOKENS]; /* of the device that was asked for */
	/* When tokens are set: the one that its login used, and which that was; it must still be so. */
	struct auth_token used;
	uint8_t used_at;
};

size_t auth_hash_size(enum auth_hash hash);             /* 20, 32, 64 */
const char *auth_hash_mechanism(enum auth_hash hash);   /* "SCRAM-SHA-256" */
void auth_key_print(enum auth_hash hash, const struct auth_key *key, struct buf *out); /* RFC 5803 */
bool auth_key_parse(struct slice text, enum auth_hash *hash, struct auth_key *key);
/* Fills stored and server of a key whose salt and rounds are set, out of RFC 5802's SaltedPassword of auth_hash_size() bytes. */
void auth_key_take(enum auth_hash hash, struct slice salted, struct auth_key *key);
const char *auth_token_mechanism(enum auth_token_mechanism mechanism); /* "HT-SHA-256-EXPR" */
bool auth_token_mechanism_find(struct slice name, enum auth_token_mechanism *mechanism);
/* "MECHANISM COUNT MADE EXPIRES NONCE", and with its secret a blank and that. False: it is none. */
void auth_token_print(const struct auth_token *token, bool with_secret, struct buf *out);
bool auth_token_parse(struct slice text, struct auth_token *token);
void auth_account_wipe(struct auth_account *account);
