/* SPDX-License-Identifier: MIT */
/* Who logs in at the router, and what it may: router.user everything, a [[router.login]] what
 * stands there. */
#pragma once

#include "component/settings.h"
#include "link/link.h"

/* NULL: there is no such user. */
const char *access_password(const struct settings *settings, const char *user);

/* Of an identity's local part; a user may always bind the name equal to its own.
 * component-protocol.md sections 4.1, 7. */
bool access_permits(const struct settings *settings, struct slice user, enum link_permit what,
		    struct slice name);
