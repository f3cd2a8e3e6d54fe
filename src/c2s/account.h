/* SPDX-License-Identifier: MIT */
/* Private to c2s: a person's own account. */
#pragma once

#include <stdbool.h>

struct c2s;
struct client;
struct stanza;

bool account_take(struct client *client, const struct stanza *stanza); /* false: not about the own account */
void account_drop(struct c2s *c2s);                                    /* at the end: removals without an answer */
void removal_ended(struct client *client);                             /* its session ended with its account */
void removal_answer(struct client *client, bool ok);                   /* it asked for the end of its account */
