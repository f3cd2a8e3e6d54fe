/* SPDX-License-Identifier: MIT */
/* The mechanism PLAIN, RFC 4616: the password goes to the hashing driver. */
#include "auth/engine.h"

#include "auth/plain.h"
#include "base/mem.h"

struct plain_state {
	struct buf message;
};

static void plain_step(struct auth_login *login, struct slice message)
{
	struct plain_state *state = (void *)login->state;
	struct plain_message parsed;

	buf_append_slice(&state->message, message);
	if (plain_parse(buf_slice(&state->message), &parsed))
		login_lookup(login, parsed.user, parsed.authzid);
	else
		login_fail(login, AUTH_MALFORMED_REQUEST, "this is no message of PLAIN");
}

/* Of the keys that there are. Without one the work is the same as for most accounts. */
static enum auth_hash strongest(const struct auth_account *account)
{
	for (unsigned hash = AUTH_HASHES; account && hash-- > 0;)
		if (account->keys[hash].present)
			return (enum auth_hash)hash;
	return (enum auth_hash)(AUTH_HASHES - 1);
}

static void plain_found(struct auth_login *login, const struct auth_account *account)
{
	struct plain_state *state = (void *)login->state;
	enum auth_hash hash = strongest(account);
	struct plain_message parsed;
	struct auth_key key;

	plain_parse(buf_slice(&state->message), &parsed);
	login_key(login, account, hash, &key);
	login_check(login, hash, &key, parsed.password);
	mem_wipe(&key, sizeof(key));
	buf_wipe(&state->message);
}

static void plain_end(struct auth_login *login)
{
	struct plain_state *state = (void *)login->state;

	buf_wipe(&state->message);
}

const struct auth_mechanism auth_plain = {
	.name = "PLAIN",
	.how = "SASL/PLAIN",
	.clear = true,
	.size = sizeof(struct plain_state),
	.step = plain_step,
	.found = plain_found,
	.fini = plain_end,
};
