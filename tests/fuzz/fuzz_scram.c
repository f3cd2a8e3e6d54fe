/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes what clients send to log in, against an account whose password is "pencil".
 *
 * The first byte says how, a digit: 0 PLAIN; 1, 2, 3 SCRAM with SHA-1, SHA-256, SHA-512 and the
 * rest of the input as two messages with a line feed between; 4, 5, 6 the same, but the final
 * message starts with the sound "c=" and "r=" and only what follows is the input's; 7, 8, 9 the
 * same, and a sound proof stands behind it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "../unit/auth/client.h"
#include "auth/plain.h"
#include "auth/scram.h"
#include "jid/jid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AS_IT_IS, SPLICED, PROVEN };

static void try_plain(struct slice input)
{
	AUTO(buf_wipe) struct buf prepared = {0};
	struct plain_message parsed;

	if (!plain_parse(input, &parsed))
		return;
	if (parsed.user.len == 0 || parsed.password.len == 0 ||
	    parsed.authzid.len + parsed.user.len + parsed.password.len + 2 != input.len)
		abort();
	if (auth_prepare_password(parsed.password, &prepared) && buf_used(&prepared) == 0)
		abort();
}

/* The final message that a client would send, as far as the input leaves it to us. */
static void put_final(struct scram *scram, unsigned how, struct slice server_first,
		      struct slice text, struct buf *out)
{
	struct slice first = buf_slice(&scram->client_first);
	AUTO(buf_fini) struct buf auth_message = {0};

	if (how != AS_IT_IS) {
		buf_append_text(out, "c=");
		buf_append_base64(out, (struct slice){first.data, scram->gs2_len});
		buf_append_text(out, ",r=");
		buf_append_slice(out, client_attribute(server_first, 'r'));
	}
	buf_append_slice(out, text);
	if (how != PROVEN)
		return;
	buf_append(&auth_message, first.data + scram->gs2_len, first.len - scram->gs2_len);
	buf_append_char(&auth_message, ',');
	buf_append_slice(&auth_message, server_first);
	buf_append_char(&auth_message, ',');
	buf_append_slice(&auth_message, buf_slice(out));
	buf_append_text(out, ",p=");
	client_proof(scram->hash, SLICE("pencil"), &scram->key, buf_slice(&auth_message), out);
}

static void try_scram(enum auth_hash hash, unsigned how, struct slice input)
{
	const char *feed = input.len ? memchr(input.data, '\n', input.len) : NULL;
	struct slice first = {input.data, feed ? (size_t)(feed - input.data) : input.len};
	struct slice rest = {feed ? feed + 1 : NULL, feed ? input.len - first.len - 1 : 0};
	struct auth_key key = {.rounds = 1, .salt = "saltsaltsaltsal", .salt_len = 16};
	struct scram scram = {.hash = hash};
	AUTO(buf_fini) struct buf message = {0}, out = {0};
	struct slice server_first;

	auth_key_derive(hash, SLICE("pencil"), &key);
	if (scram_first(&scram, first) == 0) {
		struct jid *user =
			jid_make(buf_slice(&scram.user), SLICE("example.org"), (struct slice){0});

		jid_free(&user);
		server_first = scram_challenge(&scram, SLICE("nonce"), &key);
		put_final(&scram, how, server_first, rest, &message);
		if ((scram_final(&scram, buf_slice(&message), &out) == 0) != (buf_used(&out) > 0))
			abort();
		if (how == PROVEN && rest.len == 0 && buf_used(&out) == 0)
			abort(); /* nothing of the input spoilt it */
	}
	scram_fini(&scram);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input;
	unsigned digit;

	if (size == 0 || data[0] < '0' || data[0] > '9')
		return 0;
	digit = data[0] - '0';
	input = (struct slice){(const char *)data + 1, size - 1};
	if (digit == 0)
		try_plain(input);
	else
		try_scram((enum auth_hash)((digit - 1) % AUTH_HASHES), (digit - 1) / AUTH_HASHES,
			  input);
	return 0;
}
