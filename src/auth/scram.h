/* SPDX-License-Identifier: MIT */
/*
 * The SCRAM server of RFC 5802 and RFC 7677, messages in and messages out: it knows neither
 * accounts nor a loop. The nonce and the key are handed in.
 */
#pragma once

#include "auth/auth.h"

enum {
	SCRAM_MALFORMED = 1,
	SCRAM_WRONG,
	SCRAM_STRIPPED, /* somebody between hid from the client that it could bind to the channel */
	SCRAM_UNBOUND,	/* no binding of this type is offered, or it is another channel's */
};

struct scram {
	enum auth_hash hash;
	bool binds;			    /* the mechanism is a -PLUS */
	const struct auth_channel *channel; /* NULL: no binding is offered */
	const struct auth_binding *binding; /* of the channel, that the client chose; NULL: none */
	struct buf offered; /* the lists that XEP-0474 has the hash of in server_first; empty: none */
	struct buf client_first;	    /* whole */
	size_t gs2_len;		    /* of it, the header; the bare message follows */
	size_t nonce_at, nonce_len; /* of it, the client's nonce */
	struct buf user, authzid;   /* decoded, not prepared; authzid empty when absent */
	struct buf server_first;
	size_t whole_nonce_len; /* of both nonces, in server_first behind "r=" */
	struct auth_key key;
};

/*
 * The client's first message. Returns 0, SCRAM_MALFORMED, SCRAM_STRIPPED or SCRAM_UNBOUND; then
 * read user and authzid.
 */
int scram_first(struct scram *scram, struct slice message);
/* The answer to it. The nonce is ours, printable without a comma. */
struct slice scram_challenge(struct scram *scram, struct slice nonce, const struct auth_key *key);
/* The client's final message: appends ours and returns 0, or returns SCRAM_MALFORMED,
 * SCRAM_WRONG or SCRAM_UNBOUND. */
int scram_final(struct scram *scram, struct slice message, struct buf *out);
void scram_fini(struct scram *scram);
