/* SPDX-License-Identifier: MIT */
/* PBKDF2, RFC 8018 section 5.2, for one block of output: SCRAM's Hi(). Beside it, for keys.h, hashes and HMACs. */
#pragma once

#include "auth/auth.h"

/* out has room for the hash's size. */
void auth_pbkdf2(enum auth_hash hash, struct slice password, struct slice salt, uint32_t rounds,
		 uint8_t *out);
