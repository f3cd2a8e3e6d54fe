/* SPDX-License-Identifier: MIT */
/* The three preparations of RFC 6122, for the files of this folder. */
#pragma once

#include "jid/jid.h"

enum { PREP_ROOM = JID_PART_MAX + 1 }; /* libidn works in place and wants a NUL */

/*
 * Prepares one part into out, without a NUL. Returns the length of what stands there, 0 when the
 * part is not allowed: nothing allowed is empty.
 */
size_t prep_local(struct slice text, char out[PREP_ROOM]);
size_t prep_domain(struct slice text, char out[PREP_ROOM]);
size_t prep_ascii(struct slice domain, char out[PREP_ROOM]); /* as DNS writes it */
size_t prep_resource(struct slice text, char out[PREP_ROOM]);
