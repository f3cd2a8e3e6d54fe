/* SPDX-License-Identifier: MIT */
/* Certificates of clients, tls.client_ca: asked for, and never a reason to end a handshake. */
#pragma once

#include <errno.h>
#include "base/buf.h"

struct settings;
struct ssl_ctx_st;

/* A server's context asks for them, if the file says so. Returns 0 or a fault with a line in *why. */
int client_ca_use(const struct settings *settings, struct ssl_ctx_st *context, struct buf *why);
int client_ca_check(const struct settings *settings, struct buf *why); /* whether it would */
