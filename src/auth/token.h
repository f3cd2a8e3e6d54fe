/* SPDX-License-Identifier: MIT */
/* Private to auth: the secrets of tokens. */
#pragma once

#include "auth/account.h"

struct auth;

void token_reveal(const struct auth *auth, struct slice user, struct slice device, struct auth_token *token); /* makes its secret */
