/* SPDX-License-Identifier: MIT */
/* The tables of RFC 6121 appendix A, which come down to a few sets. */
#include "sm/subscription.h"

static unsigned granted(unsigned state)
{
	return (state & ~(unsigned)(SUBSCRIPTION_REQUEST | SUBSCRIPTION_APPROVED)) | SUBSCRIPTION_FROM;
}

unsigned subscription_out(unsigned state, enum stanza_type type, bool *pass)
{
	switch (type) {
	case STANZA_SUBSCRIBE:
		*pass = true; /* even when we have it: their side may have lost it (A.2.1) */
		return state & SUBSCRIPTION_TO ? state : state | SUBSCRIPTION_ASK;
	case STANZA_UNSUBSCRIBE:
		*pass = true;
		return state & ~(unsigned)(SUBSCRIPTION_TO | SUBSCRIPTION_ASK);
	case STANZA_SUBSCRIBED:
		*pass = state & SUBSCRIPTION_REQUEST;
		if (*pass)
			return granted(state);
		return state & SUBSCRIPTION_FROM ? state : state | SUBSCRIPTION_APPROVED;
	case STANZA_UNSUBSCRIBED:
		*pass = state & (SUBSCRIPTION_REQUEST | SUBSCRIPTION_FROM);
		return state & ~(unsigned)(SUBSCRIPTION_REQUEST | SUBSCRIPTION_FROM | SUBSCRIPTION_APPROVED);
	default:
		*pass = false;
		return state;
	}
}

unsigned subscription_in(unsigned state, enum stanza_type type, bool *pass)
{
	switch (type) {
	case STANZA_SUBSCRIBE:
		*pass = !(state & (SUBSCRIPTION_REQUEST | SUBSCRIPTION_FROM | SUBSCRIPTION_APPROVED));
		if (state & SUBSCRIPTION_APPROVED)
			return granted(state);
		return *pass ? state | SUBSCRIPTION_REQUEST : state;
	case STANZA_UNSUBSCRIBE:
		*pass = state & (SUBSCRIPTION_REQUEST | SUBSCRIPTION_FROM);
		return state & ~(unsigned)(SUBSCRIPTION_REQUEST | SUBSCRIPTION_FROM);
	case STANZA_SUBSCRIBED:
		*pass = state & SUBSCRIPTION_ASK;
		if (!*pass)
			return state;
		return (state & ~(unsigned)SUBSCRIPTION_ASK) | SUBSCRIPTION_TO;
	case STANZA_UNSUBSCRIBED:
		*pass = state & (SUBSCRIPTION_TO | SUBSCRIPTION_ASK);
		return state & ~(unsigned)(SUBSCRIPTION_TO | SUBSCRIPTION_ASK);
	default:
		*pass = false;
		return state;
	}
}

bool subscription_is_type(enum stanza_type type)
{
	return type == STANZA_SUBSCRIBE || type == STANZA_SUBSCRIBED ||
	       type == STANZA_UNSUBSCRIBE || type == STANZA_UNSUBSCRIBED;
}
