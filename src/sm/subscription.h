/* SPDX-License-Identifier: MIT */
/*
 * The states of a presence subscription between two users and how stanzas change them, RFC 6121
 * appendix A. Pure.
 */
#pragma once

#include <stdbool.h>
#include "stanza/stanza.h"

/*
 * A state is a set of these: "None + Pending Out+In" is SUBSCRIPTION_ASK | SUBSCRIPTION_REQUEST. What is approved is neither
 * FROM nor REQUEST: the request that comes uses the approval up (section 3.4.2 leaves that to us).
 */
enum {
	SUBSCRIPTION_TO = 1,	  /* we see their presence */
	SUBSCRIPTION_FROM = 2,	  /* they see ours */
	SUBSCRIPTION_ASK = 4,	  /* we asked, they have not answered: pending out */
	SUBSCRIPTION_REQUEST = 8, /* they asked, we have not answered: pending in */
	SUBSCRIPTION_APPROVED = 16, /* when they ask, we have answered: pre-approved */
	SUBSCRIPTION_BOTH = SUBSCRIPTION_TO | SUBSCRIPTION_FROM,
};

/*
 * Returns the new state; *pass: the stanza is routed to them. type is one of the four that concern
 * subscriptions.
 */
unsigned subscription_out(unsigned state, enum stanza_type type, bool *pass);
/* The same for what they sent; *pass: it is delivered to the user. */
unsigned subscription_in(unsigned state, enum stanza_type type, bool *pass);
bool subscription_is_type(enum stanza_type type);
