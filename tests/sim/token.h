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
	int64_t told_ms, lost_ms; /* when it came; when a login by password that had asked for one heard no answer */
	bool asks;
};

/* The initial response of user, on a stream under TLS. */
void token_prove(struct token *token, const struct sx *sx, const char *user, struct buf *out);
/* The one that a success gives, if it does. */
void token_take(struct token *token, const struct nad *success, int64_t now_ms);
/* The connection ended. */
void token_lost(struct token *token, int64_t now_ms);
/* What was asked for by password and given up may be done late, and be the token of the device then: nobody has it. */
bool token_may_be_another(const struct token *token);
/* What its login asks for: the next one, and that this one is used once more. */
void token_request(struct token *token, bool used, struct buf *out);
