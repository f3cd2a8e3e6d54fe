/* SPDX-License-Identifier: MIT */
/* XEP-0082 date and time text. Pure: the time comes from the caller. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

enum { STAMP_LEN = 32 };

/* "2026-11-22T06:21:29Z", with ".123" when milliseconds is set. Returns out. */
const char *stamp_print(char out[STAMP_LEN], int64_t wall_ms, bool milliseconds);
/* Any XEP-0082 DateTime, with fraction and zone. False on anything else. */
bool stamp_parse(struct slice text, int64_t *wall_ms);
