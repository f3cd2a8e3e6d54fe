/* SPDX-License-Identifier: MIT */
/* Private to base: whole characters of UTF-8. */
#pragma once

#include "base/buf.h"

/* The bytes of the text's first character, 1 to 4; 0 when it is none of UTF-8 (RFC 3629) or there
 * is no text. */
size_t utf8_first(struct slice text);
