/* SPDX-License-Identifier: MIT */
/* Software version, XEP-0092. */
#include "sm/modules/modules.h"
#include "xml/nad.h"

static int tell(void *state, const struct sm_event *event)
{
	struct stanza *result = stanza_result(event->stanza);

	nad_append(result->payload, NS_VERSION, "query", 1);
	nad_append_text(result->payload, NS_VERSION, "name", 2, SLICE("jackdaw"));
	nad_append_text(result->payload, NS_VERSION, "version", 2, SLICE(JACKDAW_VERSION));
	return sm_reply(event, &result);
}

static const struct sm_hook hooks[] = {
	{SM_PKT_SM, STANZA_IQ_GET, NS_VERSION, "query", SM_NORMAL, tell},
	{.run = NULL},
};

const struct sm_module sm_version = {.name = "version", .features = {NS_VERSION}, .hooks = hooks};
