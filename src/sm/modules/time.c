/* SPDX-License-Identifier: MIT */
/* Entity time, XEP-0202: of the server, in UTC, which is the only zone it knows. */
#include "base/stamp.h"
#include "sm/modules/modules.h"
#include "xml/nad.h"

static int tell(void *state, const struct sm_event *event)
{
	struct stanza *result = stanza_result(event->stanza);
	char stamp[STAMP_LEN];

	nad_append(result->payload, NS_TIME, "time", 1);
	nad_append_text(result->payload, NS_TIME, "tzo", 2, SLICE("+00:00"));
	nad_append_text(result->payload, NS_TIME, "utc", 2, slice_of(stamp_print(stamp, sm_wall_ms(event->sm), false)));
	return sm_reply(event, &result);
}

static const struct sm_hook hooks[] = {
	{SM_PKT_SM, STANZA_IQ_GET, NS_TIME, "time", SM_NORMAL, tell},
	{.run = NULL},
};

const struct sm_module sm_time = {.name = "time", .features = {NS_TIME}, .hooks = hooks};
