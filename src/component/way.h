/* SPDX-License-Identifier: MIT */
/* The ways to a router: the Unix socket in its data.dir, or an address. */
#pragma once

#include <stdbool.h>

struct buf;
struct settings;

/* "unix:DIR/components.socket", for mio. A control socket is never called so: those are NAME.sock.
 */
void way_local(const struct settings *settings, struct buf *out);
bool way_is_local(const char *address); /* a Unix socket's */
bool way_is_loopback(
	const char *address); /* ":5347" too: whoever connects to any address meets itself */
/* Adds the host, without port and brackets; false when there is none (":5347", a Unix socket). */
bool way_host(const char *address, struct buf *out);
