/* SPDX-License-Identifier: MIT */
/*
 * Entity capabilities: a disco#info result as the one text that is hashed, and the hash. Pure. The xml:lang that an identity has
 * of the stream, XEP-0390 section 4.1, is not seen here.
 */
#pragma once

#include <stdbool.h>
#include "base/buf.h"

struct nad;

enum caps_version {
	CAPS_1, /* XEP-0115 section 5.1 */
	CAPS_2, /* XEP-0390 section 4.1 */
};

/*
 * Appends what is hashed of a <query/>. Returns 0, or CAPS_ILL_FORMED: by the rules of XEP-0115 section 5.4 or XEP-0390; or a text
 * has the "<" that ends texts in what XEP-0115 hashes, which others could read in two ways.
 */
enum { CAPS_ILL_FORMED = 1 };
int caps_text(enum caps_version version, const struct nad *nad, int query, struct buf *out);
bool caps_knows(enum caps_version version, struct slice algorithm); /* by its name in XEP-0300 */
/* Appends the hash of a text in base64. False: it does not know the algorithm. */
bool caps_hash(enum caps_version version, struct slice algorithm, struct slice text, struct buf *out);
