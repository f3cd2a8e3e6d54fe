/* SPDX-License-Identifier: MIT */
/* Private to sm: which stanzas of a session are settled, and that its c2s hears of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mio_task;
struct packet;
struct session;
struct sm;
struct stanza;

/* Names the session in the origin of its stanza; false: it came before, and is not to be handled again. */
bool settle_arrived(struct session *session, struct stanza *stanza);
void settle_known(struct session *session, uint32_t settled, uint64_t window); /* its c2s knows of more */
void settle_may_repeat(struct session *session); /* its c2s or its client may say again what is not settled */
void settle(struct sm *sm, const struct stanza *stanza);	/* nothing more will happen to it */
void settle_marks(struct sm *sm, const struct packet *packet); /* another worker's settle() */
void settle_report(struct mio_task *task);
void settle_stop(struct sm *sm);
void settle_tell(struct session *session); /* its c2s hears of it with this turn */
void settle_forget(struct session *session);
/* Marks one count; true when the session's settled changed. Pure. */
bool settle_mark(struct session *session, uint32_t count);
/* Counts between the last seen and this one were not for us. False: it was seen. Pure. */
bool settle_seen(struct session *session, uint32_t count);
