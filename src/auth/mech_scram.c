/* SPDX-License-Identifier: MIT */
/* The mechanisms SCRAM-SHA-*: messages of scram.h, keys of the account. */
#include "auth/engine.h"

#include "auth/scram.h"
#include "base/mem.h"
#include "mio/mio.h"

struct scram_state {
	struct scram scram;
	bool challenged;
};

static void fail(struct auth_login *login, int outcome)
{
	if (outcome == SCRAM_MALFORMED)
		login_fail(login, AUTH_MALFORMED_REQUEST, "this is no message of SCRAM");
	else if (outcome == SCRAM_STRIPPED)
		login_fail(login, AUTH_NOT_AUTHORIZED,
			   "channel binding is offered, but the client did not see it");
	else if (outcome == SCRAM_UNBOUND)
		login_fail(login, AUTH_NOT_AUTHORIZED,
			   "bound to another channel, or in a way that is not offered");
	else
		login_fail_proof(login);
}

static void final_step(struct auth_login *login, struct slice message)
{
	struct scram_state *state = (void *)login->state;
	AUTO(buf_fini) struct buf out = {0};
	int rc = scram_final(&state->scram, message, &out);

	if (rc == 0)
		login_succeed(login, buf_slice(&out));
	else
		fail(login, rc);
}

static void scram_step(struct auth_login *login, struct slice message)
{
	struct scram_state *state = (void *)login->state;
	int rc;

	if (state->challenged) {
		final_step(login, message);
		return;
	}
	state->scram.hash = login->mechanism->hash;
	state->scram.binds = login->mechanism->binds;
	state->scram.channel = &login->channel;
	rc = scram_first(&state->scram, message);
	login->binding = state->scram.binding;
	if (rc)
		fail(login, rc);
	else
		login_lookup(login, buf_slice(&state->scram.user),
			     buf_slice(&state->scram.authzid));
}

struct names {
	const char *names[AUTH_MECHANISMS_MAX];
	size_t count;
};

/* In the order of their bytes. */
static void note_name(void *to, const char *name)
{
	struct names *names = to;
	size_t at = names->count++;

	for (; at > 0 && strcmp(names->names[at - 1], name) > 0; at--)
		names->names[at] = names->names[at - 1];
	names->names[at] = name;
}

static void put_names(const struct names *names, struct buf *out)
{
	for (size_t at = 0; at < names->count; at++)
		buf_printf(out, "%s%s", at ? "\x1e" : "", names->names[at]);
}

/* XEP-0474 section 5.1: what the features of the stream said, as the client should have seen it. */
static void put_offer(const struct auth_login *login, struct buf *out)
{
	struct names mechanisms = {.count = 0}, bindings = {.count = 0};

	auth_mechanisms(login->auth, &login->channel, note_name, &mechanisms);
	for (unsigned type = 0; type < AUTH_BINDINGS; type++)
		if (login->channel.bindings[type].len)
			note_name(&bindings, auth_binding_name((enum auth_binding_type)type));
	put_names(&mechanisms, out);
	if (bindings.count)
		buf_append_char(out, '\x1f');
	put_names(&bindings, out);
}

static void scram_found(struct auth_login *login, const struct auth_account *account)
{
	struct scram_state *state = (void *)login->state;
	AUTO(buf_fini) struct buf nonce = {0};
	struct auth_key key;
	char bytes[18];

	login_key(login, account, state->scram.hash, &key);
	mio_random(login->auth->mio, bytes, sizeof(bytes));
	buf_append_base64(&nonce, (struct slice){bytes, sizeof(bytes)});
	state->challenged = true;
	put_offer(login, &state->scram.offered);
	login_challenge(login, scram_challenge(&state->scram, buf_slice(&nonce), &key));
	mem_wipe(&key, sizeof(key));
}

static void scram_end(struct auth_login *login)
{
	struct scram_state *state = (void *)login->state;

	scram_fini(&state->scram);
}

#define SCRAM(variable, mechanism, which, plus)                                                    \
	const struct auth_mechanism variable = {                                                   \
		.name = mechanism,                                                                 \
		.how = "SASL/" mechanism,                                                          \
		.binds = plus,                                                                     \
		.hashes = true,                                                                    \
		.hash = which,                                                                     \
		.size = sizeof(struct scram_state),                                                \
		.step = scram_step,                                                                \
		.found = scram_found,                                                              \
		.fini = scram_end,                                                                 \
	}

SCRAM(auth_scram_sha1, "SCRAM-SHA-1", AUTH_SHA1, false);
SCRAM(auth_scram_sha256, "SCRAM-SHA-256", AUTH_SHA256, false);
SCRAM(auth_scram_sha512, "SCRAM-SHA-512", AUTH_SHA512, false);
SCRAM(auth_scram_sha1_plus, "SCRAM-SHA-1-PLUS", AUTH_SHA1, true);
SCRAM(auth_scram_sha256_plus, "SCRAM-SHA-256-PLUS", AUTH_SHA256, true);
SCRAM(auth_scram_sha512_plus, "SCRAM-SHA-512-PLUS", AUTH_SHA512, true);
