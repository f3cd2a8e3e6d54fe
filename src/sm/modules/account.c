/* SPDX-License-Identifier: MIT */
/* Who asks about an account: its owner, somebody who sees its presence, or a stranger. */
#include "jid/jid.h"
#include "sm/modules/modules.h"
#include "sm/subscription.h"
#include "sm/user.h"

bool account_is_own(const struct sm_event *event)
{
	const struct jid *to = event->stanza->to;

	return !to || jid_equal(to, event->user->jid);
}

bool account_may_ask(const struct sm_event *event)
{
	const struct jid *from = event->stanza->from;

	return jid_equal_bare(from, event->user->jid) || roster_state(event->user, from) & SUBSCRIPTION_FROM;
}

int account_forbid(void *state, const struct sm_event *event)
{
	const struct jid *to = event->stanza->to;
	bool is_account = jid_local(to).len && jid_is_bare(to);

	return is_account && !jid_equal_bare(event->stanza->from, to) ? sm_reply_error(event, STANZA_FORBIDDEN) : SM_PASS;
}
