/* SPDX-License-Identifier: MIT */
/* The session request of RFC 3921, which older clients still send: there is nothing left to do. */
#include "sm/modules/modules.h"

static int established(void *state, const struct sm_event *event)
{
	return sm_reply_result(event);
}

static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_IQ_SET, NS_SESSION, "session", SM_NORMAL, established},
	{.run = NULL},
};

const struct sm_module sm_session = {.name = "session", .hooks = hooks};
