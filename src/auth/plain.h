/* SPDX-License-Identifier: MIT */
/* The message of PLAIN, RFC 4616. */
#pragma once

#include "base/buf.h"

struct plain_message {
	struct slice authzid, user, password; /* authzid may be empty; parts of the message */
};

bool plain_parse(struct slice message, struct plain_message *parsed);
