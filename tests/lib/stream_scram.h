/* SPDX-License-Identifier: MIT */
/* How streams of stream.h log in: SASL PLAIN, SCRAM-SHA-1 and SCRAM-SHA-256 not bound to TLS. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { SCRAM_TEXT = 1600, SCRAM_KEY = 32, SCRAM_SALT = 100 };

/* A salted password, kept so that a load need not be as slow as it: "SALT,i=ROUNDS", as the server has it. */
struct scram_cache {
	char salt[SCRAM_SALT];
	unsigned char key[SCRAM_KEY];
};

/* One exchange, and the key of the one before. */
struct scram {
	char bare[200];
	bool sha1;
	struct scram_cache keys;
};

/* Each writes the element that is sent, of less than SCRAM_TEXT bytes. password: NULL for a wrong one. */
void plain_begin(const char *user, const char *password, char *out);
void scram_begin(struct scram *scram, const char *mechanism, const char *user, char *out);
/* To a challenge. shared: the key that was made last, of all streams. False: it is none of SCRAM. */
bool scram_answer(struct scram *scram, struct scram_cache *shared, const char *password, const char *challenge, size_t len,
		  char *out);
