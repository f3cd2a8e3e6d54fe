/* SPDX-License-Identifier: MIT */
/* Tokens as text, and the secrets that are made of them. */
#include "auth/token.h"

#include "auth/engine.h"
#include "auth/keys.h"
#include "base/mem.h"

static const char *const mechanisms[AUTH_HTS] = {
	[AUTH_HT_EXPORTER] = "HT-SHA-256-EXPR",
	[AUTH_HT_UNIQUE] = "HT-SHA-256-UNIQ",
	[AUTH_HT_END_POINT] = "HT-SHA-256-ENDP",
	[AUTH_HT_NONE] = "HT-SHA-256-NONE",
};

const char *auth_token_mechanism(enum auth_token_mechanism mechanism)
{
	return mechanisms[mechanism];
}

bool auth_token_mechanism_find(struct slice name, enum auth_token_mechanism *mechanism)
{
	for (unsigned at = 0; at < AUTH_HTS; at++) {
		if (!slice_is(name, mechanisms[at]))
			continue;
		*mechanism = (enum auth_token_mechanism)at;
		return true;
	}
	return false;
}

void auth_token_print(const struct auth_token *token, bool with_secret, struct buf *out)
{
	buf_printf(out, "%s %u %lld %lld ", mechanisms[token->mechanism], token->count, (long long)token->made_ms,
		   (long long)token->expires_ms);
	buf_append_base64(out, (struct slice){(const char *)token->nonce, sizeof(token->nonce)});
	if (with_secret)
		buf_printf(out, " %s", token->secret);
}

static bool read_number(struct slice *text, uint64_t most, uint64_t *number)
{
	return slice_to_u64(slice_word(text), number) && *number <= most;
}

bool auth_token_parse(struct slice text, struct auth_token *token)
{
	AUTO(buf_wipe) struct buf nonce = {0};
	enum auth_token_mechanism mechanism;
	uint64_t count, made, expires;

	*token = (struct auth_token){.present = true};
	if (!auth_token_mechanism_find(slice_word(&text), &mechanism) || !read_number(&text, UINT32_MAX, &count) ||
	    !read_number(&text, INT64_MAX, &made) || !read_number(&text, INT64_MAX, &expires) ||
	    !buf_append_unbase64(&nonce, slice_word(&text)) || buf_used(&nonce) != AUTH_NONCE_LEN || text.len >= AUTH_SECRET_LEN)
		return false;
	token->mechanism = (uint8_t)mechanism;
	token->count = (uint32_t)count;
	token->made_ms = (int64_t)made;
	token->expires_ms = (int64_t)expires;
	memcpy(token->nonce, buf_slice(&nonce).data, AUTH_NONCE_LEN);
	if (text.len)
		memcpy(token->secret, text.data, text.len);
	return true;
}

void token_reveal(const struct auth *auth, struct slice user, struct slice device, struct auth_token *token)
{
	AUTO(buf_wipe) struct buf text = {0}, printed = {0};
	uint8_t made[64];

	buf_append_text(&text, "token\n");
	buf_append_slice(&text, user);
	buf_append_char(&text, '\n');
	buf_append_slice(&text, device);
	buf_printf(&text, "\n%s\n", mechanisms[token->mechanism]);
	buf_append(&text, token->nonce, sizeof(token->nonce));
	auth_hmac(AUTH_SHA256, (struct slice){(const char *)auth->secret, sizeof(auth->secret)}, buf_slice(&text), made);
	buf_append_base64(&printed, (struct slice){(const char *)made, 32});
	memcpy(token->secret, buf_slice(&printed).data, AUTH_SECRET_LEN - 1); /* but for the "=" at its end */
	token->secret[AUTH_SECRET_LEN - 1] = 0;
	mem_wipe(made, sizeof(made));
}
