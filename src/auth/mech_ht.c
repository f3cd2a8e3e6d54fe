/* SPDX-License-Identifier: MIT */
/*
 * The mechanisms HT-SHA-256-*, draft-schmaus-kitten-sasl-ht: one message each way, both prove that they know the token, and say to
 * which channel they speak. For XEP-0484, which knows the device of the client besides.
 *
 *   client: NAME NUL HMAC(token, "Initiator" channel)     server: HMAC(token, "Responder" channel)
 *
 * Whatever is wrong, the token is not one that is known (credentials-expired): nobody learns whether there is such an account.
 */
#include "auth/engine.h"

#include "auth/keys.h"
#include "base/mem.h"
#include "mio/mio.h"

enum { PROOF_LEN = 32 };

struct ht {
	enum auth_token_mechanism mechanism;
	uint8_t proof[PROOF_LEN];
	struct auth_token tokens[AUTH_TOKENS];
	unsigned used;
	bool good;
};

static struct ht *ht_of(const struct auth_login *login)
{
	return (struct ht *)login->state;
}

static const enum auth_binding_type binding_types[AUTH_HTS] = {
	[AUTH_HT_EXPORTER] = AUTH_TLS_EXPORTER,
	[AUTH_HT_UNIQUE] = AUTH_TLS_UNIQUE,
	[AUTH_HT_END_POINT] = AUTH_TLS_SERVER_END_POINT,
};

static const struct auth_binding *binding_of(const struct auth_channel *channel, enum auth_token_mechanism mechanism)
{
	return mechanism == AUTH_HT_NONE ? NULL : &channel->bindings[binding_types[mechanism]];
}

bool ht_is_usable(const struct auth_channel *channel, enum auth_token_mechanism mechanism)
{
	const struct auth_binding *binding = binding_of(channel, mechanism);

	return channel->secure && (!binding || binding->len);
}

void auth_token_mechanisms(const struct auth_channel *channel, void (*offer)(void *to, const char *name), void *to)
{
	for (unsigned at = 0; at < AUTH_HTS; at++) {
		if (ht_is_usable(channel, (enum auth_token_mechanism)at))
			offer(to, auth_token_mechanism((enum auth_token_mechanism)at));
	}
}

static void ht_step(struct auth_login *login, struct slice message)
{
	const char *end = message.len ? memchr(message.data, 0, message.len) : NULL;
	size_t name = end ? (size_t)(end - message.data) : 0;
	struct ht *ht = ht_of(login);

	if (!end || message.len - name - 1 != PROOF_LEN || !auth_token_mechanism_find(slice_of(login->mechanism->name), &ht->mechanism)) {
		login_fail(login, AUTH_MALFORMED_REQUEST, "this is no message of HT");
		return;
	}
	memcpy(ht->proof, end + 1, PROOF_LEN);
	login->binding = binding_of(&login->channel, ht->mechanism);
	login_lookup(login, (struct slice){message.data, name}, SLICE(""));
}

static void prove(const struct auth_login *login, const struct auth_token *token, const char *side, uint8_t *out)
{
	AUTO(buf_wipe) struct buf text = {0};

	buf_append_text(&text, side);
	if (login->binding)
		buf_append(&text, login->binding->data, login->binding->len);
	auth_hmac(AUTH_SHA256, slice_of(token->secret), buf_slice(&text), out);
}

/* Of whoever it is the same work is done. */
static bool is_proven(const struct auth_login *login, const struct auth_token *token)
{
	const struct ht *ht = ht_of(login);
	uint8_t made[64];
	bool good;

	prove(login, token, "Initiator", made);
	good = slice_equal_secret((struct slice){(const char *)made, PROOF_LEN}, (struct slice){(const char *)ht->proof, PROOF_LEN});
	mem_wipe(made, sizeof(made));
	return good && token->present && token->secret[0] && token->mechanism == ht->mechanism;
}

static void succeed(struct auth_login *login, unsigned used)
{
	struct ht *ht = ht_of(login);
	uint8_t made[64];

	ht->used = used;
	ht->good = true;
	prove(login, &ht->tokens[used], "Responder", made);
	login_succeed(login, (struct slice){(const char *)made, PROOF_LEN});
}

static void ht_found(struct auth_login *login, const struct auth_account *account)
{
	struct ht *ht = ht_of(login);
	bool next, current;

	if (account)
		memcpy(ht->tokens, account->tokens, sizeof(ht->tokens));
	next = is_proven(login, &ht->tokens[AUTH_NEXT]);
	current = is_proven(login, &ht->tokens[AUTH_CURRENT]);
	if (!next && !current)
		login_fail(login, AUTH_CREDENTIALS_EXPIRED, "no token of its device is so");
	else if (ht->tokens[next ? AUTH_NEXT : AUTH_CURRENT].expires_ms < mio_wall_ms(login->auth->mio))
		login_fail(login, AUTH_CREDENTIALS_EXPIRED, "its token has expired");
	else
		succeed(login, next ? AUTH_NEXT : AUTH_CURRENT);
}

static void ht_end(struct auth_login *login)
{
	mem_wipe(login->state, sizeof(struct ht));
}

const struct auth_token *auth_tokens_of(const struct auth_login *login, unsigned *used)
{
	const struct ht *ht = ht_of(login);

	if (!login->mechanism->tokens || !ht->good)
		return NULL;
	*used = ht->used;
	return ht->tokens;
}

#define HT(variable, mechanism)                                                                    \
	static const struct auth_mechanism variable = {                                            \
		.name = mechanism,                                                                 \
		.how = "SASL/" mechanism,                                                          \
		.tokens = true,                                                                    \
		.size = sizeof(struct ht),                                                         \
		.step = ht_step,                                                                   \
		.found = ht_found,                                                                 \
		.fini = ht_end,                                                                    \
	}

HT(exporter, "HT-SHA-256-EXPR");
HT(unique, "HT-SHA-256-UNIQ");
HT(end_point, "HT-SHA-256-ENDP");
HT(none, "HT-SHA-256-NONE");

const struct auth_mechanism *ht_find(const char *name, const struct auth_channel *channel)
{
	static const struct auth_mechanism *const all[AUTH_HTS] = {
		[AUTH_HT_EXPORTER] = &exporter, [AUTH_HT_UNIQUE] = &unique, [AUTH_HT_END_POINT] = &end_point, [AUTH_HT_NONE] = &none};
	enum auth_token_mechanism mechanism;

	if (!channel->device[0] || !auth_token_mechanism_find(slice_of(name), &mechanism) || !ht_is_usable(channel, mechanism))
		return NULL;
	return all[mechanism];
}
