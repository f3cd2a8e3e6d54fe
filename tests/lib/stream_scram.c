/* SPDX-License-Identifier: MIT */
#include "stream_scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"
enum { NONCE = 18, MESSAGE = 400 };

static void encode(const void *bytes, size_t len, char *out)
{
	EVP_EncodeBlock((unsigned char *)out, bytes, (int)len);
}

/* In place of out; -1: it is not base64, or too long. */
static int decode(const char *text, size_t len, char *out, size_t size)
{
	int got = len < size && len % 4 == 0 ? EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text, (int)len) : -1;

	while (got > 0 && len && text[len - 1] == '=') {
		len--;
		got--;
	}
	if (got >= 0)
		out[got] = 0;
	return got;
}

void plain_begin(const char *user, const char *password, char *out)
{
	char raw[MESSAGE], text[MESSAGE * 2];
	int len = snprintf(raw, sizeof(raw), "%c%s%c%s", 0, user, 0, password ? password : "wrong");

	encode(raw, (size_t)len, text);
	snprintf(out, SCRAM_TEXT, "<auth xmlns='" NS_SASL "' mechanism='PLAIN'>%s</auth>", text);
}

void scram_begin(struct scram *scram, const char *mechanism, const char *user, char *out)
{
	unsigned char random[NONCE];
	char nonce[NONCE * 2], message[MESSAGE], text[MESSAGE * 2];

	RAND_bytes(random, sizeof(random));
	encode(random, sizeof(random), nonce);
	scram->sha1 = strcmp(mechanism, "SCRAM-SHA-1") == 0;
	snprintf(scram->bare, sizeof(scram->bare), "n=%s,r=%s", user, nonce);
	encode(message, (size_t)snprintf(message, sizeof(message), "n,,%s", scram->bare), text);
	snprintf(out, SCRAM_TEXT, "<auth xmlns='" NS_SASL "' mechanism='%s'>%s</auth>", mechanism, text);
}

static const EVP_MD *hash_of(const struct scram *scram)
{
	return scram->sha1 ? EVP_sha1() : EVP_sha256();
}

/* salt: "SALT,i=ROUNDS" */
static bool salt_password(const struct scram *scram, struct scram_cache *keys, const char *password, const char *salt)
{
	const char *rounds = strstr(salt, ",i=");
	char raw[SCRAM_SALT];
	int len = rounds ? decode(salt, (size_t)(rounds - salt), raw, sizeof(raw)) : -1;

	if (len < 0)
		return false;
	snprintf(keys->salt, sizeof(keys->salt), "%s", salt);
	return PKCS5_PBKDF2_HMAC(password, -1, (unsigned char *)raw, len, atoi(rounds + 3), hash_of(scram),
				 EVP_MD_get_size(hash_of(scram)), keys->key);
}

static bool find_key(struct scram *scram, struct scram_cache *shared, const char *password, const char *salt)
{
	if (strcmp(scram->keys.salt, salt) == 0)
		return true;
	if (strcmp(shared->salt, salt) != 0 && !salt_password(scram, shared, password, salt))
		return false;
	scram->keys = *shared;
	return true;
}

static void prove(const struct scram *scram, const char *signed_text, unsigned char *proof)
{
	const EVP_MD *hash = hash_of(scram);
	int size = EVP_MD_get_size(hash);
	unsigned char client_key[SCRAM_KEY], stored_key[SCRAM_KEY];

	HMAC(hash, scram->keys.key, size, (const unsigned char *)"Client Key", 10, client_key, NULL);
	EVP_Digest(client_key, (size_t)size, stored_key, NULL, hash, NULL);
	HMAC(hash, stored_key, size, (const unsigned char *)signed_text, strlen(signed_text), proof, NULL);
	for (int at = 0; at < size; at++)
		proof[at] ^= client_key[at];
}

/* The text inside of the element. */
static int inside(const char *element, size_t len, char *out, size_t size)
{
	const char *from = memchr(element, '>', len), *to = from ? memchr(from, '<', len - (size_t)(from - element)) : NULL;

	return to ? decode(from + 1, (size_t)(to - from - 1), out, size) : -1;
}

bool scram_answer(struct scram *scram, struct scram_cache *shared, const char *password, const char *challenge, size_t len,
		  char *out)
{
	unsigned char proof[SCRAM_KEY] = "no proof at all, but as long";
	char first[MESSAGE], unproven[MESSAGE], text[MESSAGE * 3], salt[SCRAM_SALT];
	const char *comma, *from;
	int size = EVP_MD_get_size(hash_of(scram));

	if (inside(challenge, len, first, sizeof(first)) < 0 || !(comma = strchr(first, ',')) || !(from = strstr(comma, ",s=")))
		return false;
	/* What may follow the rounds is no part of the salt. */
	snprintf(salt, sizeof(salt), "%s", from + 3);
	from = strstr(salt, ",i=");
	if (from && (from = strchr(from + 1, ',')))
		salt[from - salt] = 0;
	if (password && !find_key(scram, shared, password, salt))
		return false;
	snprintf(unproven, sizeof(unproven), "c=biws,%.*s", (int)(comma - first), first);
	snprintf(text, sizeof(text), "%s,%s,%s", scram->bare, first, unproven);
	if (password)
		prove(scram, text, proof);
	encode(proof, (size_t)size, text);
	len = (size_t)snprintf(first, sizeof(first), "%s,p=%s", unproven, text);
	encode(first, len, text);
	snprintf(out, SCRAM_TEXT, "<response xmlns='" NS_SASL "'>%s</response>", text);
	return true;
}
