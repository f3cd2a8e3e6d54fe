/* SPDX-License-Identifier: MIT */
/*
 * Why somebody is turned away, for all that limits what strangers may do: each cause with the stream error that says so
 * (RFC 6120 section 4.9), its text and the name of its counter. Where there is no stream yet, or nobody who reads it,
 * the connection ends without a word.
 */
#pragma once

#include "sx/error.h"

enum sx_refusal {
	SX_REFUSED_NOT,
	SX_REFUSED_STANZA,     /* larger than it may be, */
	SX_REFUSED_DEPTH,      /* nested deeper, */
	SX_REFUSED_ATTRIBUTES, /* with more attributes */
	SX_REFUSED_SLOW,       /* the login takes too long */
	SX_REFUSED_FAILURES,   /* of logins, on one stream */
	SX_REFUSED_LOGINS,     /* because of others that failed: a SASL failure */
	SX_REFUSED_UNREAD,     /* the peer does not read what it is sent */
	SX_REFUSED_UNACKNOWLEDGED, /* or does not acknowledge it */
	SX_REFUSED_MEMORY,     /* all queues together are too long, and this one is among the longest */
	SX_REFUSED_CONNECTIONS, /* there are too many, */
	SX_REFUSED_PLACES,     /* or of one address */
	SX_REFUSED_PROXY,      /* a proxy does not say whom it speaks for */
	SX_REFUSED_NETWORK,    /* it comes from where nobody is allowed, */
	SX_REFUSED_OFTEN,      /* or comes more often than its address may */
	SX_REFUSED_CLEAR,      /* without TLS, where that is required */
	SX_REFUSED_SESSIONS,   /* its account has another instead, as it may not have more */
	SX_REFUSED_REGISTRATIONS, /* too many of one address: a stanza error */
	SX_REFUSALS
};

const char *sx_refusal_name(enum sx_refusal refusal); /* of its counter: "refused_stanza" */
enum sx_error sx_refusal_error(enum sx_refusal refusal);
const char *sx_refusal_text(enum sx_refusal refusal);
