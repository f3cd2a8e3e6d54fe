/* SPDX-License-Identifier: MIT */
/* XMPP ping, XEP-0199. */
#include "sm/modules/modules.h"

static int pong(void *state, const struct sm_event *event)
{
	return sm_reply_result(event);
}

static const struct sm_hook hooks[] = {
	{SM_PKT_SM, STANZA_IQ_GET, NS_PING, "ping", SM_NORMAL, pong},
	{SM_PKT_USER, STANZA_IQ_GET, NS_PING, "ping", SM_NORMAL, pong},
	{.run = NULL},
};

const struct sm_module sm_ping = {
	.name = "ping", .features = {NS_PING}, .account_features = {NS_PING}, .hooks = hooks};
