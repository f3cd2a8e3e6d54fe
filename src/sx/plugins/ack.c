/* SPDX-License-Identifier: MIT */
/* The namespace that jabberd2's c2s declares in its header to the router. */
#include "sx/plugins.h"

static void declare(void *state, struct buf *out)
{
	buf_append_text(out, " xmlns:ack='" NS_ACK "'");
}

const struct sx_plugin sx_ack = {.name = "ack", .header = declare};
