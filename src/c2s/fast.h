/* SPDX-License-Identifier: MIT */
/*
 * Tokens for the next login, XEP-0484: a device that logged in is given one if it asks for it, or if the one it used is a day old.
 * It is valid from when it is stored, and the one before until it is used.
 */
#pragma once

#include <stdbool.h>
#include "base/buf.h"

struct client;
struct jid;

#define NS_FAST "urn:xmpp:fast:0"

bool fast_is_asked(const struct client *client); /* it would log in by a token */
/*
 * Its login succeeded. True: what changes is being written, and login_accept() is called then. False: nothing does.
 */
bool fast_begin(struct client *client, struct jid *user);
/* A count that it said is not higher than the last: the request is an old one. */
bool fast_is_replay(const struct client *client);
