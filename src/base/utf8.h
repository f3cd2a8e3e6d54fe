/* SPDX-License-Identifier: MIT */
/* Whole characters of UTF-8. */
#pragma once

#include "base/buf.h"

/* The bytes of the text's first character, 1 to 4; 0 when it is none of UTF-8 (RFC 3629) or there
 * is no text. */
size_t utf8_first(struct slice text);
size_t utf8_first_xml(struct slice text); /* 0 too when XML 1.0 cannot hold it */
bool utf8_is_xml(struct slice text);	  /* all of it are characters that XML 1.0 can hold */
