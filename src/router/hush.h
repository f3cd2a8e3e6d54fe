/* SPDX-License-Identifier: MIT */
/* A line of the log that strangers can cause: said once in a while, with the number of others. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { HUSH_MS = 10000 };

struct hush {
	int64_t until_ms;
	uint64_t unsaid, others; /* since the last line; what the line now to be said may tell */
};

static inline bool hush_lets(struct hush *hush, int64_t now_ms)
{
	if (now_ms < hush->until_ms) {
		hush->unsaid++;
		return false;
	}
	hush->until_ms = now_ms + HUSH_MS;
	hush->others = hush->unsaid;
	hush->unsaid = 0;
	return true;
}
