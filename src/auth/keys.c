/* SPDX-License-Identifier: MIT */
/* SCRAM keys, RFC 5802, and their text form, RFC 5803. */
#include "auth/keys.h"

#include <stdlib.h>
#include <stringprep.h>
#include "auth/pbkdf2.h"
#include "base/mem.h"

static const struct {
	const char *mechanism;
	size_t size;
} hashes[AUTH_HASHES] = {
	[AUTH_SHA1] = {"SCRAM-SHA-1", 20},
	[AUTH_SHA256] = {"SCRAM-SHA-256", 32},
	[AUTH_SHA512] = {"SCRAM-SHA-512", 64},
};

size_t auth_hash_size(enum auth_hash hash)
{
	return hashes[hash].size;
}

const char *auth_hash_mechanism(enum auth_hash hash)
{
	return hashes[hash].mechanism;
}

static bool is_printable_ascii(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < 0x20 || text.data[i] > 0x7e)
			return false;
	return true;
}

bool auth_prepare_password(struct slice password, struct buf *prepared)
{
	enum { ROOM = 4 * AUTH_PASSWORD_MAX }; /* NFKC may make it longer */
	char *text;
	bool good;

	if (password.len == 0 || password.len > AUTH_PASSWORD_MAX ||
	    memchr(password.data, 0, password.len))
		return false;
	if (is_printable_ascii(password)) {
		buf_append_slice(prepared, password);
		return true;
	}
	text = mem_zalloc(MEM_SASL, ROOM);
	memcpy(text, password.data, password.len);
	good = stringprep(text, ROOM, 0, stringprep_saslprep) == STRINGPREP_OK && *text;
	if (good)
		buf_append_text(prepared, text);
	mem_wipe(text, ROOM);
	mem_free(text);
	return good;
}

bool auth_password_allowed(struct slice password)
{
	AUTO(buf_wipe) struct buf prepared = {0};

	return auth_prepare_password(password, &prepared);
}

void auth_key_take(enum auth_hash hash, struct slice salted, struct auth_key *key)
{
	uint8_t client[64];

	auth_hmac(hash, salted, SLICE("Client Key"), client);
	auth_digest_of(hash, (struct slice){(char *)client, hashes[hash].size}, key->stored);
	auth_hmac(hash, salted, SLICE("Server Key"), key->server);
	mem_wipe(client, sizeof(client));
	key->present = true;
}

void auth_key_derive(enum auth_hash hash, struct slice prepared, struct auth_key *key)
{
	uint8_t salted[64];

	auth_pbkdf2(hash, prepared, (struct slice){(const char *)key->salt, key->salt_len},
		    key->rounds, salted);
	auth_key_take(hash, (struct slice){(char *)salted, hashes[hash].size}, key);
	mem_wipe(salted, sizeof(salted));
}

/* Nobody knows what hashes to it; the salt is the beginning, which anybody may ask for. */
void auth_key_fake(enum auth_hash hash, const uint8_t secret[32], struct slice user,
		   uint32_t rounds, struct auth_key *key)
{
	AUTO(buf_fini) struct buf text = {0};

	buf_append_text(&text, "salt ");
	buf_append_text(&text, hashes[hash].mechanism);
	buf_append_char(&text, ' ');
	buf_append_slice(&text, user);
	auth_hmac(AUTH_SHA512, (struct slice){(const char *)secret, 32}, buf_slice(&text), key->stored);
	memcpy(key->server, key->stored, sizeof(key->server));
	memcpy(key->salt, key->stored, AUTH_SALT_LEN);
	key->salt_len = AUTH_SALT_LEN;
	key->rounds = rounds;
	key->present = true;
}

void auth_key_print(enum auth_hash hash, const struct auth_key *key, struct buf *out)
{
	size_t size = hashes[hash].size;

	buf_printf(out, "%s$%u:", hashes[hash].mechanism, key->rounds);
	buf_append_base64(out, (struct slice){(const char *)key->salt, key->salt_len});
	buf_append_char(out, '$');
	buf_append_base64(out, (struct slice){(const char *)key->stored, size});
	buf_append_char(out, ':');
	buf_append_base64(out, (struct slice){(const char *)key->server, size});
}

/* Cuts what stands before the sign off the front of text; without the sign, everything. */
static struct slice cut(struct slice *text, char sign)
{
	const char *at = text->len ? memchr(text->data, sign, text->len) : NULL;
	struct slice front = {text->data, at ? (size_t)(at - text->data) : text->len};
	size_t used = front.len + (at ? 1 : 0);

	text->data += used;
	text->len -= used;
	return front;
}

static bool read_base64(struct slice text, uint8_t *out, size_t least, size_t most, size_t *len)
{
	AUTO(buf_wipe) struct buf bytes = {0};

	if (text.len > 128 || !buf_append_unbase64(&bytes, text) || buf_used(&bytes) < least ||
	    buf_used(&bytes) > most)
		return false;
	*len = buf_used(&bytes);
	memcpy(out, buf_slice(&bytes).data, *len);
	return true;
}

bool auth_key_parse(struct slice text, enum auth_hash *hash, struct auth_key *key)
{
	struct slice mechanism = cut(&text, '$'), rounds_text = cut(&text, ':'),
		     salt = cut(&text, '$');
	struct slice stored = cut(&text, ':');
	struct auth_key read = {.present = true};
	unsigned which = 0;
	uint64_t rounds = 0;
	size_t salt_len = 0, len, size;

	while (which < AUTH_HASHES && !slice_is(mechanism, hashes[which].mechanism))
		which++;
	if (which == AUTH_HASHES || !slice_to_u64(rounds_text, &rounds) || rounds == 0 ||
	    rounds > AUTH_ROUNDS_MAX)
		return false;
	size = hashes[which].size;
	if (!read_base64(salt, read.salt, 1, sizeof(read.salt), &salt_len) ||
	    !read_base64(stored, read.stored, size, size, &len) ||
	    !read_base64(text, read.server, size, size, &len))
		return false;
	read.rounds = (uint32_t)rounds;
	read.salt_len = (uint8_t)salt_len;
	*hash = (enum auth_hash)which;
	*key = read;
	mem_wipe(&read, sizeof(read));
	return true;
}

void auth_account_wipe(struct auth_account *account)
{
	mem_wipe(account, sizeof(*account));
}
