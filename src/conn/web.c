/* SPDX-License-Identifier: MIT */
/*
 * READING - a head -> ASKED - web_answer() -> WRITING - all is written -> LEAVING - the peer
 * closes, or a second -> gone READING - no head, or not in time -> WRITING        any - a fault,
 * the peer's end, too late, room is needed -> gone
 *
 * While LEAVING what still comes is read and dropped: closing with unread bytes would take the
 * answer back.
 */
#include "conn/web.h"

#include <errno.h>
#include "base/list.h"
#include "base/mem.h"
#include "base/table.h"
#include "http/http.h"
#include "mio/mio.h"

enum { LISTENERS_MAX = 8, LEAVE_MS = 1000, LEAVE_BYTES_MAX = 64 << 10 };

struct web {
	struct mio *mio;
	const struct web_handler *handler;
	void *arg;
	struct mio_listener *listeners[LISTENERS_MAX];
	unsigned listener_count;
	struct list peers; /* the oldest first */
	struct slots slots;
};

enum peer_state { PEER_READING, PEER_ASKED, PEER_WRITING, PEER_LEAVING };

struct peer {
	struct list link;
	struct web *web;
	uint64_t id;
	enum peer_state state;
	bool head; /* the content is not wanted */
	struct mio_sock sock;
	struct mio_timer timer;
	struct buf in, out;
	size_t dropped;
};

static void peer_free(struct peer *peer)
{
	slots_del(&peer->web->slots, peer->id);
	list_remove(&peer->link);
	mio_timer_stop(&peer->timer);
	mio_close(&peer->sock);
	buf_fini(&peer->in);
	buf_fini(&peer->out);
	mem_free(peer);
}

static void become(struct peer *peer, enum peer_state state, int64_t ms)
{
	peer->state = state;
	mio_timer_set(peer->web->mio, &peer->timer, ms);
}

static void peer_write(struct peer *peer)
{
	while (buf_used(&peer->out)) {
		struct slice out = buf_slice(&peer->out);
		ssize_t wrote = mio_write(&peer->sock, out.data, out.len);

		if (wrote == -EAGAIN)
			return;
		if (wrote <= 0) {
			peer_free(peer);
			return;
		}
		buf_skip(&peer->out, (size_t)wrote);
	}
	become(peer, PEER_LEAVING, LEAVE_MS);
	mio_pause(&peer->sock, false);
}

static void peer_answer(struct peer *peer, int status, const char *type, struct slice content)
{
	const struct http_response response = {.status = status,
					       .type = type,
					       .length = content.len,
					       .allow = status == 405 ? "GET, HEAD" : NULL,
					       .wall_ms = mio_wall_ms(peer->web->mio)};

	http_response_print(&response, &peer->out);
	if (!peer->head)
		buf_append_slice(&peer->out, content);
	become(peer, PEER_WRITING, WEB_WRITE_MS);
	mio_pause(&peer->sock, true);
	peer_write(peer);
}

static void refuse(struct peer *peer, int status)
{
	AUTO(buf_fini) struct buf text = {0};

	buf_printf(&text, "%d\n", status);
	peer_answer(peer, status, "text/plain; charset=utf-8", buf_slice(&text));
}

static void peer_parse(struct peer *peer)
{
	struct http_request request;
	int rc = http_request_read(buf_slice(&peer->in), &request);

	if (rc == HTTP_MORE)
		return;
	if (rc || request.method == HTTP_OTHER) {
		refuse(peer, rc ? rc : 405);
		return;
	}
	peer->head = request.method == HTTP_HEAD;
	become(peer, PEER_ASKED, WEB_ANSWER_MS);
	mio_pause(&peer->sock, true);
	peer->web->handler->asked(peer->web->arg, peer->id, request.path);
}

static void peer_readable(struct mio_sock *sock)
{
	struct peer *peer = container_of(sock, struct peer, sock);
	bool leaving = peer->state == PEER_LEAVING;
	size_t room = HTTP_HEAD_MAX - (leaving ? 0 : buf_used(&peer->in));
	ssize_t got;

	if (leaving)
		buf_clear(&peer->in);
	got = mio_read(sock, buf_reserve(&peer->in, room), room);
	if (got == -EAGAIN)
		return;
	peer->dropped += leaving && got > 0 ? (size_t)got : 0;
	if (got <= 0 || peer->dropped > LEAVE_BYTES_MAX) {
		peer_free(peer);
		return;
	}
	if (leaving)
		return;
	buf_added(&peer->in, (size_t)got);
	peer_parse(peer);
}

static void peer_writable(struct mio_sock *sock)
{
	struct peer *peer = container_of(sock, struct peer, sock);

	if (peer->state == PEER_WRITING)
		peer_write(peer);
}

static const struct mio_sock_handler sock_handler = {peer_readable, peer_writable};

static void too_late(struct mio_timer *timer)
{
	struct peer *peer = container_of(timer, struct peer, timer);

	if (peer->state == PEER_READING && buf_used(&peer->in))
		refuse(peer, 408);
	else if (peer->state == PEER_ASKED)
		peer->web->handler->late(peer->web->arg, peer->id);
	else
		peer_free(peer);
}

static void accepted(int given, void *arg)
{
	struct web *web = arg;
	struct peer *peer;

	if (slots_count(&web->slots) >= WEB_CONNECTIONS_MAX)
		peer_free(container_of(web->peers.next, struct peer, link));
	peer = mem_zalloc(MEM_OTHER, sizeof(*peer));
	peer->web = web;
	peer->id = slots_add(&web->slots, peer);
	list_append(&web->peers, &peer->link);
	mio_timer_init(&peer->timer, too_late);
	become(peer, PEER_READING, WEB_REQUEST_MS);
	mio_sock_take(web->mio, &peer->sock, given, &sock_handler, 0);
}

void web_answer(struct web *web, uint64_t id, int status, const char *type, struct slice content)
{
	struct peer *peer = slots_get(&web->slots, id);

	if (peer && peer->state == PEER_ASKED)
		peer_answer(peer, status, type, content);
}

struct web *web_new(struct mio *mio, const struct web_handler *handler, void *arg)
{
	struct web *web = mem_zalloc(MEM_OTHER, sizeof(*web));

	web->mio = mio;
	web->handler = handler;
	web->arg = arg;
	list_init(&web->peers);
	slots_init(&web->slots, (uint8_t)mio_worker(mio), 1);
	return web;
}

int web_listen(struct web *web, const char *text, const char **address)
{
	struct mio_listener **listener = &web->listeners[web->listener_count];
	int rc = web->listener_count < LISTENERS_MAX
			 ? mio_listen(mio_host_of(web->mio), text, listener)
			 : -E2BIG;

	if (rc)
		return rc;
	web->listener_count++;
	*address = mio_listener_address(*listener);
	mio_accept(web->mio, *listener, accepted, web);
	return 0;
}

void web_free(struct web **taken)
{
	struct web *web = *taken;

	*taken = NULL;
	if (!web)
		return;
	while (!list_empty(&web->peers))
		peer_free(container_of(web->peers.next, struct peer, link));
	for (unsigned at = 0; at < web->listener_count; at++) {
		mio_accept_stop(web->mio, web->listeners[at]);
		mio_unlisten(&web->listeners[at]);
	}
	slots_fini(&web->slots);
	mem_free(web);
}
