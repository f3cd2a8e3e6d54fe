/* SPDX-License-Identifier: MIT */
/*
 * What strangers can make c2s write to its log: a few lines a second for each cause. Behind them
 * one line says how many there were more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/log.h"
#include "mio/mio.h"

enum { NOTES_CAUSES = 24, NOTES_LINES = 10, NOTES_MS = 1000 };

struct note {
	const char *event, *cause; /* constant; NULL: none yet */
	int64_t until_ms;	   /* of its second */
	unsigned lines;
	uint64_t unsaid;
};

struct notes {
	struct mio *mio;
	const struct log *log;
	struct mio_timer timer;
	struct note notes[NOTES_CAUSES];
};

void notes_init(struct notes *notes, struct mio *mio, const struct log *log); /* both borrowed */
void notes_fini(struct notes *notes); /* what is unsaid is said */
/* True: a line of this event may be written for this cause. Both texts outlive the notes. */
bool notes_let(struct notes *notes, const char *event, const char *cause);
