/* SPDX-License-Identifier: MIT */
/*
 * Sessions whose c2s is another process outlive this one. Of each its c2s keeps a snapshot, which we send whenever it changes,
 * what the client sent and is not settled, and what it was sent and does not have. To the next sm it presents them:
 *
 *   PRESENT (snapshot, counts) ── restored, detached ──> PRESENTED ── what the client does not have, ATTACH ──> attached
 *
 * and then all that is not settled, once more. What the client was sent before is known by its origin.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct packet;
struct session;
struct sm;
struct stanza;
struct user;

void present_snapshot(const struct session *session, struct buf *out);
/* A session of a snapshot, taken off in; NULL: it is none, or there is one of that address. */
struct session *present_restore(struct user *user, struct slice *in);
void present_send(struct session *session); /* the snapshot, to its c2s */

void present_user(struct user *user, struct packet **packet); /* PRESENT; of a user who is loaded, taken; answers */
void present_held(struct session *session, struct stanza **stanza);
void present_attach(struct session *session, const struct packet *packet);
/* RESUME: it waits for ATTACH, taken, a few seconds. False: it need not. */
bool present_must_wait(struct session *session, struct packet **packet);
bool present_resumed(struct session *session); /* instead, by its client; true: what c2s still had for it, but messages, is lost */
/* To storage, and back: what the session was sent. A stanza of it that comes again is not sent twice. */
void present_save_origins(struct session *session, struct buf *out);
void present_had_origins(struct session *session, struct buf *out); /* of what it had that storage may still have: for others, or of an earlier process */
void present_saved(struct session *session, struct slice origins);
/* Whether it comes again: the stanza was settled by an earlier process, and must have no effect. */
bool present_is_done(struct session *session, uint32_t count);
/* The client has it, or it is in the outbox: then it is settled when the client has it, and not to be sent. */
bool present_has(struct session *session, const struct stanza *stanza);
bool present_waits(const struct session *session); /* for its c2s to attach it */
/* It waited in vain: what its c2s held for the client is neither in storage nor came again, and is in no other place. */
bool present_is_torn(const struct session *session);
void present_tear(struct session *session); /* ends it: its client begins a new one, and finds what is missing in the archive */
bool present_is_open(const struct session *session); /* the same, and its client has not left */
void present_free(struct session *session);
