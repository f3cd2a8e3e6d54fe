/* SPDX-License-Identifier: MIT */
/*
 * The mechanism EXTERNAL, RFC 4422 appendix A, as XEP-0178 has it: TLS has proven whose certificate
 * it is, the message only says which of the addresses in it is meant. It may be empty when there is
 * one.
 */
#include "auth/engine.h"

#include "jid/jid.h"

static struct jid *chosen(const struct auth_channel *channel, struct slice message)
{
	AUTO(jid_free) struct jid *wanted = message.len ? jid_parse(message) : NULL;

	if (!message.len)
		return channel->certified_count == 1 ? channel->certified[0] : NULL;
	for (unsigned at = 0; wanted && at < channel->certified_count; at++)
		if (jid_equal(channel->certified[at], wanted))
			return channel->certified[at];
	return NULL;
}

static void external_step(struct auth_login *login, struct slice message)
{
	struct jid *user = chosen(&login->channel, message);

	if (user)
		login_lookup(login, jid_local(user), (struct slice){0});
	else
		login_fail(login, AUTH_INVALID_AUTHZID,
			   message.len ? "the certificate is for somebody else"
				       : "the certificate has several addresses, none was chosen");
}

static void external_found(struct auth_login *login, const struct auth_account *account)
{
	if (account)
		login_succeed(login, (struct slice){0});
	else
		login_fail(login, AUTH_NOT_AUTHORIZED, "there is no such account");
}

static void external_end(struct auth_login *login)
{
}

const struct auth_mechanism auth_external = {
	.name = "EXTERNAL",
	.how = "SASL/EXTERNAL",
	.certified = true,
	.step = external_step,
	.found = external_found,
	.fini = external_end,
};
