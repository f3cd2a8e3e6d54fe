/* SPDX-License-Identifier: MIT */
/*
 * Who may connect to the router at all: networks, and how often an address (component-protocol.md
 * section 8). Whoever comes by a Unix socket may: its path has a mode. What is refused is said once
 * in a while, with the number of others.
 */
#pragma once

#include "base/log.h"
#include "base/network.h"
#include "router/hush.h"
#include "component/quotas.h"
#include "component/settings.h"
#include "mio/mio.h"
#include "sx/refusal.h"

struct gate {
	struct mio *mio;
	const struct settings *settings;
	struct quotas *quotas;
	const struct log *log;
	struct networks allowed;
	struct hush hush;
};

/* All are borrowed. */
void gate_init(struct gate *gate, struct mio *mio, const struct settings *settings,
	       struct quotas *quotas, const struct log *log);
void gate_change(struct gate *gate, const struct settings *settings);
void gate_fini(struct gate *gate);
/* Why what mio_accept() gave is to be refused. */
enum sx_refusal gate_refuses(struct gate *gate, int given);
