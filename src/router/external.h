/* SPDX-License-Identifier: MIT */
/* External components, XEP-0114: which there are, and how one proves that it is who it says. */
#pragma once

#include "component/settings.h"

/* The component of the file that a stream header's to names, in any form of the domain; NULL: there is none. */
const struct settings_component *external_find(const struct settings *settings, struct slice to);

/* What <handshake/> says is the SHA-1 of the stream's id and the secret, hexadecimal in either case. */
bool external_proves(struct slice id, const char *secret, struct slice handshake);
