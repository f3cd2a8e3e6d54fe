/* SPDX-License-Identifier: MIT */
/* The columns of jabberd2's table vcard as a vCard, XEP-0054. */
#pragma once

#include "base/buf.h"

struct nad;

/* value(arg, column) is empty for a column that is NULL or is not there. Appends at depth. */
void jabberd2_vcard(struct nad *nad, unsigned depth,
		    struct slice (*value)(void *arg, const char *column), void *arg);
