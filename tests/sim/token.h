/* SPDX-License-Identifier: MIT */
/* The token of a device for its next login (XEP-0484), and its proof that it has it. */
#pragma once

#include <stdbool.h>
#include "base/buf.h"

struct nad;
struct sx;

#define TOKEN_MECHANISM "HT-SHA-256-EXPR"

struct token {
	char text[128]; /* "": it has none */
	unsigned count; /* how often it was used */
};

/* The initial response of user, on a stream under TLS. */
void token_prove(struct token *token, const struct sx *sx, const char *user, struct buf *out);
/* The one that a success gives, if it does. */
void token_take(struct token *token, const struct nad *success);
/* What its login asks for: the next one, and that this one is used once more. */
void token_request(const struct token *token, bool used, struct buf *out);
