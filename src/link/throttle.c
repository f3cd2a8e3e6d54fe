/* SPDX-License-Identifier: MIT */
/*
 * Peers that ask for a pause, component-protocol.md section 4.5: routes to them wait, up to a
 * bound, and leave in their order when it ends. What routers say about names does not wait.
 */
#include "base/mem.h"
#include "conn/conn.h"
#include "link/table.h"
#include "xml/nad.h"

struct waiting {
	struct buf bytes, lens; /* printed elements, and the length of each, a uint32_t */
};

static bool keep(struct waiting *waiting, struct slice printed)
{
	uint32_t len = (uint32_t)printed.len;

	if (printed.len > LINK_WAITING_MAX - buf_used(&waiting->bytes))
		return false;
	buf_append_slice(&waiting->bytes, printed);
	buf_append(&waiting->lens, &len, sizeof(len));
	return true;
}

bool peer_post(struct link_peer *peer, struct nad **nad)
{
	AUTO(buf_wipe) struct buf printed = {0};
	bool kept;

	if (!peer->waiting) {
		sx_send(conn_sx(peer->conn), nad);
		return true;
	}
	nad_print(*nad, 0, NULL, &printed);
	kept = keep(peer->waiting, buf_slice(&printed));
	if (kept)
		nad_free(nad);
	return kept;
}

bool peer_post_text(struct link_peer *peer, struct slice printed)
{
	if (peer->waiting)
		return keep(peer->waiting, printed);
	sx_send_parts(conn_sx(peer->conn), &printed, 1, SX_OTHER);
	return true;
}

void throttle_drop(struct link_peer *peer)
{
	if (!peer->waiting)
		return;
	buf_wipe(&peer->waiting->bytes); /* accounts' keys may be among them */
	buf_fini(&peer->waiting->lens);
	mem_free(peer->waiting);
	peer->waiting = NULL;
}

static void send_all(struct link_peer *peer)
{
	struct slice bytes = buf_slice(&peer->waiting->bytes),
		     lens = buf_slice(&peer->waiting->lens);

	for (uint32_t len; lens.len;
	     lens = (struct slice){lens.data + sizeof(len), lens.len - sizeof(len)}) {
		struct slice one = bytes;

		memcpy(&len, lens.data, sizeof(len));
		one.len = len;
		sx_send_parts(conn_sx(peer->conn), &one, 1, SX_OTHER);
		bytes = (struct slice){bytes.data + len, bytes.len - len};
	}
}

void throttle_toggle(struct link_peer *peer, struct nad **nad)
{
	sx_send(conn_sx(peer->conn), nad);
	if (!peer->waiting) {
		peer->waiting = mem_zalloc(MEM_LINK, sizeof(*peer->waiting));
		return;
	}
	send_all(peer);
	throttle_drop(peer);
}
