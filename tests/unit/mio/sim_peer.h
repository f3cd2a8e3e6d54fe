/* SPDX-License-Identifier: MIT */
/* A socket for tests of the simulator: what comes in is collected, what is to go out goes in time.
 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/macros.h"
#include "base/mem.h"
#include "mio/sim.h"

struct peer {
	struct mio_sock sock;
	struct buf in, out;
	bool echo, connected, ended;
	int fault;
	unsigned turns; /* that said readable */
};

static inline void peer_flush(struct peer *peer)
{
	while (buf_used(&peer->out)) {
		struct slice left = buf_slice(&peer->out);
		ssize_t sent = mio_write(&peer->sock, left.data, left.len);

		if (sent == -EAGAIN)
			return;
		if (sent < 0) {
			peer->fault = (int)sent;
			return;
		}
		buf_skip(&peer->out, (size_t)sent);
	}
}

static inline void peer_writable(struct mio_sock *sock)
{
	struct peer *peer = container_of(sock, struct peer, sock);

	peer->connected = true;
	peer_flush(peer);
}

static inline void peer_readable(struct mio_sock *sock)
{
	struct peer *peer = container_of(sock, struct peer, sock);
	char bytes[4096];
	ssize_t got = mio_read(sock, bytes, sizeof(bytes));

	peer->turns++;
	if (got > 0) {
		buf_append(peer->echo ? &peer->out : &peer->in, bytes, (size_t)got);
		if (peer->echo)
			peer_flush(peer);
		return;
	}
	if (got == -EAGAIN)
		return;
	peer->fault = got < 0 ? (int)got : 0;
	peer->ended = true;
	mio_close(sock);
}

static const struct mio_sock_handler peer_handler = {.readable = peer_readable,
						     .writable = peer_writable};

static inline void peer_say(struct peer *peer, const void *bytes, size_t len)
{
	buf_append(&peer->out, bytes, len);
	peer_flush(peer);
}

static inline void peer_fini(struct peer *peer)
{
	mio_close(&peer->sock);
	buf_fini(&peer->in);
	buf_fini(&peer->out);
}
