/* SPDX-License-Identifier: MIT */
/* What is kept in archives, decided here alone (XEP-0313 section 5.1.1). Pure. */
#pragma once

#include <stdbool.h>

struct jid;
struct stanza;

/*
 * Words, and what is said about them later: receipts, markers, corrections, retractions, reactions, encrypted messages, invitations;
 * what asks for it, unless it asks for the opposite (XEP-0334). Not what is of the moment, rooms' messages (rooms keep them), errors.
 */
bool archiving_wants(const struct stanza *stanza);
