/* SPDX-License-Identifier: MIT */
/*
 * Shell patterns as of fnmatch(3) without flags: * any text, ? one character, [a-z] and [!a-z] one
 * of a set, \ takes the next as it is. Characters are those of UTF-8. Time is bounded by the length
 * of the pattern times that of the text, whatever they are.
 */
#pragma once

#include <stdbool.h>
#include "base/buf.h"

/* False for a set without an end, a class such as [:digit:], and a \ at the end. */
bool pattern_is_valid(struct slice pattern);
/* Of a valid pattern, over the whole text. */
bool pattern_match(struct slice pattern, struct slice text);
