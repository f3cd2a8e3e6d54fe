/* SPDX-License-Identifier: MIT */
/*
 * What a client asks for along with its login, XEP-0388: that its session be resumed (XEP-0198 section 9.2), or one begun (Bind 2,
 * XEP-0386), and the answer to all of it in one.
 *
 *   authenticate ... the login succeeds, the connection is where its user lives
 *      ── resume ──> asked sm ──> resumed ─────────────────────> success, no features
 *                           └─> failed ──┐
 *      ── bind ──────────────────────────┴─> asked sm ──> bound ──> success, features
 */
#pragma once

#include <stdbool.h>
#include "auth/account.h"
#include "base/buf.h"

struct client;
struct jid;
struct nad;
struct packet;
struct sx;

struct sasl2 {
	struct nad *request; /* the authenticate element, without its secrets */
	struct buf data;     /* of the mechanism, with its success */
	bool has_data;
	bool issues;         /* a token is being stored for its device */
	struct jid *user;    /* who that is, until it is accepted */
	uint8_t upgrading;   /* an enum auth_hash: of the task under way, with the key that is being made */
	unsigned upgraded;   /* hashes that were tasks, a bit each */
	struct auth_key key;
	struct buf inside;   /* what is to stand in the answer, behind the client's address */
	struct buf token;    /* and behind that, a secret */
};

void sasl2_asked(void *owner, struct sx *sx, struct nad **authenticate);
void sasl2_offer(void *owner, struct sx *sx, struct nad *features); /* what may stand in it */
bool sasl2_is_for(const struct client *client); /* its login is so; false also when it has none under way */
struct slice sasl2_device(const struct client *client); /* that it says it is; empty: it does not */
void sasl2_free(struct sasl2 **sasl2);

/* The login succeeded, and its client is on the worker of its user. */
void sasl2_go_on(struct client *client);
/* What sm answered to that. */
void sasl2_resumed(struct client *client);
void sasl2_not_resumed(struct client *client);
void sasl2_bound(struct client *client, const struct packet *packet, struct slice inside); /* the session is the client's */
void sasl2_failed(struct client *client); /* it has no session now; it may log in again */
/* Asks for a session, or asks again: for the same. */
struct packet *sasl2_bind_packet(struct client *client);
