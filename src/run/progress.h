/* SPDX-License-Identifier: MIT */
/* A verb that works for long, piece by piece: it says how far it is, and between pieces looks
 * whether it was interrupted, so that it can undo what is half done. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mio_host;

struct progress {
	struct mio_host *clock;
	bool is_terminal; /* stderr */
	int64_t told_ms;
};

/* Signals that end us are held from now on. A file that may not grow is a full disk. */
void progress_hold_signals(void);
bool progress_is_interrupted(void); /* one of them is waiting */

void progress_init(struct progress *progress, struct mio_host *clock); /* borrowed */
/* Says what is being done to the backup, now and then. False: interrupted. percent 0: unknown. */
bool progress_tell(struct progress *progress, const char *what, unsigned percent);
void progress_clear(const struct progress *progress); /* before other lines */
