/* SPDX-License-Identifier: MIT */
/*
 * The end of an account, whoever wants it: its user (XEP-0077 section 3.2), a c2s that is not ours, an administrator.
 *
 *   sessions end ──> one transaction: all of it goes, its name is locked, farewells are kept ──> contacts hear of it
 *                                                                                   (sm/farewell.h)
 */
#pragma once

#include <stdbool.h>

struct ctl_call;
struct jid;
struct packet;
struct sm;
struct store_txn;
struct user;

/* A request of c2s that an account be removed: taken, and answered. False: it is not one, and not taken. */
bool removal_take(struct sm *sm, struct packet **packet);
/* Its user was loaded; or could not be. */
void removal_loaded(struct user *user, struct packet **packet);
void removal_fail(struct sm *sm, const struct packet *packet);

/* Ends the sessions of a user who is known, and returns the transaction that ends the rest. */
struct store_txn *removal_begin(struct user *user);
/* It was committed, or failed: the user is read anew when it is needed. */
void removal_end(struct sm *sm, struct jid *jid, int result);

void user_del_run(void *arg, struct ctl_call *call); /* "user del" */
