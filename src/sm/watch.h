/* SPDX-License-Identifier: MIT */
/*
 * watch: an administrator sees sessions come and go, and if wanted their stanzas, as they pass:
 *
 *   worker 0: the call ── order ──> each worker: a watcher ── batches of lines ──> worker 0: printed
 *                 └── order, when the call is gone ──> its watcher goes
 *
 * Where nobody watches it costs a look at an empty list. What is more than the way home, or who watches, can take is left out, and
 * counted. Text of stanzas is never shown, only how long it is: passwords and what people say are text. Attributes are. SASL does not
 * come here.
 */
#pragma once

#include <stdbool.h>
#include "base/list.h"

struct ctl_call;
struct session;
struct sm;
struct stanza;

enum watch_event { WATCH_STARTED, WATCH_ENDED, WATCH_DETACHED, WATCH_RESUMED, WATCH_IN, WATCH_OUT, WATCH_WAITS, WATCH_EVENTS };

struct watch {
	struct list watchers;
	unsigned calls; /* worker 0's: how many watch */
};

void watch_init(struct watch *watch);
void watch_stop(struct sm *sm); /* at the end */

/* Something about a session; with a stanza when it is IN or OUT, or WAITS for who does not look (sm/sm.h). */
void watch_tell(const struct watch *watch, enum watch_event event, const struct session *session, const struct stanza *stanza);

static inline void watch_see(const struct watch *watch, enum watch_event event, const struct session *session,
			     const struct stanza *stanza)
{
	if (!list_empty(&watch->watchers))
		watch_tell(watch, event, session, stanza);
}

void watch_run(void *arg, struct ctl_call *call); /* "watch" */
