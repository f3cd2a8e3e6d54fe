/* SPDX-License-Identifier: MIT */
#include "c2s/notes.h"

#include <stdio.h>
#include <string.h>
#include "base/macros.h"
#include "base/mem.h"

static void say(struct notes *notes, struct note *note)
{
	char count[24];

	if (!note->unsaid)
		return;
	snprintf(count, sizeof(count), "%llu", (unsigned long long)note->unsaid);
	log_event(
		notes->log, LOG_INFO,
		&(struct log_event){note->event, NULL, {{"reason", note->cause}, {"more", count}}},
		"%s: %s: %s more like this within a second", note->event, note->cause, count);
	note->unsaid = 0;
}

/* At the end of a second in which something was left out. */
static void look(struct mio_timer *timer)
{
	struct notes *notes = container_of(timer, struct notes, timer);
	int64_t now_ms = mio_now_ms(notes->mio);
	bool left = false;

	for (unsigned at = 0; at < NOTES_CAUSES; at++) {
		if (now_ms >= notes->notes[at].until_ms)
			say(notes, &notes->notes[at]);
		left = left || notes->notes[at].unsaid;
	}
	if (left)
		mio_timer_set(notes->mio, timer, NOTES_MS);
}

void notes_init(struct notes *notes, struct mio *mio, const struct log *log)
{
	*notes = (struct notes){.mio = mio, .log = log};
	mio_timer_init(&notes->timer, look);
}

void notes_fini(struct notes *notes)
{
	if (!notes->mio)
		return;
	mio_timer_stop(&notes->timer);
	for (unsigned at = 0; at < NOTES_CAUSES; at++)
		say(notes, &notes->notes[at]);
}

/* There are fewer causes than places; if not, the last is for all others. */
static struct note *find(struct notes *notes, const char *event, const char *cause)
{
	struct note *note = notes->notes;

	for (; note < &notes->notes[NOTES_CAUSES - 1] && note->cause; note++) {
		if (!strcmp(note->event, event) && !strcmp(note->cause, cause))
			return note;
	}
	note->event = event;
	note->cause = cause;
	return note;
}

bool notes_let(struct notes *notes, const char *event, const char *cause)
{
	struct note *note = find(notes, event, cause);
	int64_t now_ms = mio_now_ms(notes->mio);

	if (now_ms >= note->until_ms) {
		say(notes, note);
		note->until_ms = now_ms + NOTES_MS;
		note->lines = 0;
	}
	if (note->lines++ < NOTES_LINES)
		return true;
	note->unsaid++;
	if (!mio_timer_is_set(&notes->timer))
		mio_timer_set(notes->mio, &notes->timer, NOTES_MS);
	return false;
}
