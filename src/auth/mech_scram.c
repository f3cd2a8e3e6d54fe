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

static void final_step(struct auth_login *login, struct slice message)
{
	struct scram_state *state = (void *)login->state;
	AUTO(buf_fini) struct buf out = {0};
	int rc = scram_final(&state->scram, message, &out);

	if (rc == 0)
		login_succeed(login, buf_slice(&out));
	else
		login_fail(login,
			   rc == SCRAM_MALFORMED ? AUTH_MALFORMED_REQUEST : AUTH_NOT_AUTHORIZED);
}

static void scram_step(struct auth_login *login, struct slice message)
{
	struct scram_state *state = (void *)login->state;

	if (state->challenged) {
		final_step(login, message);
		return;
	}
	state->scram.hash = login->mechanism->hash;
	if (scram_first(&state->scram, message))
		login_fail(login, AUTH_MALFORMED_REQUEST);
	else
		login_lookup(login, buf_slice(&state->scram.user),
			     buf_slice(&state->scram.authzid));
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
	login_challenge(login, scram_challenge(&state->scram, buf_slice(&nonce), &key));
	mem_wipe(&key, sizeof(key));
}

static void scram_end(struct auth_login *login)
{
	struct scram_state *state = (void *)login->state;

	scram_fini(&state->scram);
}

#define SCRAM(variable, mechanism, which)                                                          \
	const struct auth_mechanism variable = {                                                   \
		.name = mechanism,                                                                 \
		.how = "SASL/" mechanism,                                                          \
		.hash = which,                                                                     \
		.size = sizeof(struct scram_state),                                                \
		.step = scram_step,                                                                \
		.found = scram_found,                                                              \
		.fini = scram_end,                                                                 \
	}

SCRAM(auth_scram_sha1, "SCRAM-SHA-1", AUTH_SHA1);
SCRAM(auth_scram_sha256, "SCRAM-SHA-256", AUTH_SHA256);
SCRAM(auth_scram_sha512, "SCRAM-SHA-512", AUTH_SHA512);
