/* SPDX-License-Identifier: MIT */
/* Bytes between socket and stream: one read per readiness, one write per turn. */
#include <errno.h>

#include "base/mem.h"
#include "conn/proxy.h"
#include "conn/state.h"

enum {
	INPUT_MAX = 65536,
	OUT_FULL = 16384,
	OUT_MAX = 4 << 20,
	OUT_PAUSE = 65536, /* who leaves so much unread is not read either, until half of it is taken */
	TURN_BYTES = 128 << 10, /* what all that are ready may read in a turn, so that nobody waits long for the next */
	SHARE_MIN = 4096,
	STREAM_FETCHED = 256, OWNER_FETCHED = 192, /* bytes: what a stanza touches of them stands first */
	CROWD = 32, /* that are ready: in it who has more than his share rests, a millisecond for each of them */
};

static size_t out_full(const struct conn *conn)
{
	return conn->options->out_full ? conn->options->out_full : OUT_FULL;
}

static size_t out_max(const struct conn *conn)
{
	return conn->options->out_max ? conn->options->out_max : OUT_MAX;
}

size_t conn_unsent(const struct conn *conn)
{
	return sx_unsent(conn->sx);
}

void conn_tell_written(struct conn *conn)
{
	conn->tell_written = true;
}

int64_t conn_heard_ms(const struct conn *conn)
{
	return conn->heard_ms;
}

bool conn_is_full(const struct conn *conn)
{
	return conn_unsent(conn) >= out_full(conn);
}

void conn_set_pause(struct conn *conn, uint8_t why, bool paused)
{
	bool before = conn->pauses != 0;

	conn->pauses = (uint8_t)(paused ? conn->pauses | why : conn->pauses & ~why);
	if (conn->sock.fd && before != (conn->pauses != 0))
		mio_pause(&conn->sock, conn->pauses != 0);
}

/* What the stream may not parse yet is bounded by not reading. */
void conn_check_input(struct conn *conn)
{
	conn_set_pause(conn, PAUSE_INPUT, sx_input_waiting(conn->sx) > INPUT_MAX);
}

static bool is_entry(const struct conn *conn)
{
	return conn->options->sock_flags & MIO_ENTRY;
}

/* Parts of ours are never kept waiting so: two that did it to each other would stand still. */
static void check_output(struct conn *conn)
{
	bool paused = conn->pauses & PAUSE_UNREAD;

	if (is_entry(conn) && (paused ? conn_unsent(conn) < OUT_PAUSE / 2 : conn->blocked && conn_unsent(conn) > OUT_PAUSE))
		conn_set_pause(conn, PAUSE_UNREAD, !paused);
}

/* Of what its rate allows, its part of this turn. */
static size_t share(const struct conn *conn, size_t allowed)
{
	size_t part = TURN_BYTES / mio_ready(conn->env->mio);

	if (part < SHARE_MIN)
		part = SHARE_MIN;
	return is_entry(conn) && part < allowed ? part : allowed;
}

void conn_refuse_proxy(struct conn *conn)
{
	conn->refusal = SX_REFUSED_PROXY;
	conn_fail(conn, -EPROTO);
}

/* What stands in the worker's buffer goes to the stream, but for a PROXY header. */
static void feed(struct conn *conn, size_t got)
{
	struct buf *head = conn->proxy;
	struct proxy_header header;
	int rc;

	if (!head) {
		sx_feed(conn->sx, conn->env->buffer, got);
		return;
	}
	buf_append(head, conn->env->buffer, got);
	rc = proxy_read(buf_slice(head), &header);
	if (rc == PROXY_MORE)
		return;
	if (rc) {
		conn_refuse_proxy(conn);
		return;
	}
	conn->proxy = NULL;
	if (header.name[0])
		conn_set_peer(conn, header.name);
	conn->options->handler->proxied(conn->owner, conn);
	buf_skip(head, header.len);
	if (conn->phase == CONN_RUNNING && buf_used(head))
		sx_feed(conn->sx, buf_slice(head).data, buf_used(head));
	buf_fini(head);
	mem_free(head);
}

static void read_end(struct conn *conn)
{
	conn_set_pause(conn, PAUSE_END, true);
	if (conn->proxy && buf_used(conn->proxy))
		conn_refuse_proxy(conn);
	else
		sx_feed_end(conn->sx);
}

/* More waits than was read: others come first. */
static void rest(struct conn *conn)
{
	unsigned ready = mio_ready(conn->env->mio);

	if (is_entry(conn) && ready >= CROWD)
		conn_rest(conn, ready);
}

void conn_read(struct conn *conn)
{
	size_t allowed = conn->phase == CONN_RUNNING ? share(conn, conn_allowance(conn)) : 0;
	ssize_t got;

	if (!allowed)
		return;
	/* While the kernel copies. */
	mem_fetch(conn->sx, STREAM_FETCHED);
	mem_fetch(conn->owner, OWNER_FETCHED);
	got = mio_read(&conn->sock, conn->env->buffer, allowed);
	if (got == -EAGAIN)
		return;
	if (got < 0) {
		conn_fail(conn, (int)got);
		return;
	}
	if (got == 0) {
		read_end(conn);
		return;
	}
	conn_spend(conn, (size_t)got);
	if ((size_t)got == allowed)
		rest(conn);
	conn->heard_ms = mio_now_ms(conn->env->mio);
	conn->heard = true;
	feed(conn, (size_t)got);
	if (conn->phase == CONN_RUNNING)
		conn_check_input(conn);
	conn_account(conn);
}

static void readable(struct mio_sock *sock)
{
	struct conn *conn = container_of(sock, struct conn, sock);

	if (!crowd_takes(conn))
		conn_read(conn);
}

static void writable(struct mio_sock *sock)
{
	struct conn *conn = container_of(sock, struct conn, sock);

	conn->blocked = false;
	mio_defer(conn->env->mio, &conn->task);
}

const struct mio_sock_handler conn_sock_handler = {.readable = readable, .writable = writable};

/* Writes what the kernel takes. Returns 0, also when it takes no more, or a fault. */
static int write_out(struct conn *conn)
{
	struct buf *out = sx_output(conn->sx);

	while (!conn->blocked && buf_used(out)) {
		ssize_t put = mio_write(&conn->sock, buf_slice(out).data, buf_used(out));

		if (put == -EAGAIN)
			conn->blocked = true;
		else if (put < 0)
			return (int)put;
		else
			buf_skip(out, (size_t)put);
		/* That it reads is all that we hear of who is not read. */
		if (put > 0 && conn->pauses & PAUSE_UNREAD)
			conn->heard_ms = mio_now_ms(conn->env->mio);
	}
	sx_sent(conn->sx);
	return 0;
}

void conn_flush(struct conn *conn)
{
	int rc;

	if (conn_is_full(conn))
		conn->full = true;
	rc = write_out(conn);
	if (!rc && conn->blocked && conn_unsent(conn) > out_max(conn)) {
		conn_cut(conn, SX_REFUSED_UNREAD);
		return;
	}
	if (rc && conn->phase == CONN_DRAINING)
		conn_end(conn, conn->end);
	else if (rc)
		conn_fail(conn, rc);
	if (rc)
		return;
	check_output(conn);
	if (conn->tell_written && conn->phase == CONN_RUNNING && !conn->move) {
		conn->tell_written = false;
		conn->options->handler->written(conn->owner, conn);
	}
	if (!conn->full || conn->phase != CONN_RUNNING || conn_unsent(conn) >= out_full(conn) / 2)
		return;
	conn->full = false;
	if (conn->options->handler->drained && !conn->move)
		conn->options->handler->drained(conn->owner, conn);
}

/* The stream has something to send: with all else of this turn, unless the peer does not read. */
static void output(void *owner, struct sx *sx)
{
	struct conn *conn = owner;

	if (!conn->blocked) {
		mio_defer(conn->env->mio, &conn->task);
		return;
	}
	sx_sent(sx); /* so that we hear of the next bytes too */
	if (conn_unsent(conn) > out_max(conn))
		conn_cut(conn, SX_REFUSED_UNREAD);
	check_output(conn);
	conn_account(conn);
}

static void header(void *owner, struct sx *sx)
{
	struct conn *conn = owner;

	if (conn->options->handler->header)
		conn->options->handler->header(conn->owner, conn);
}

static void stream(void *owner, struct sx *sx)
{
	struct conn *conn = owner;

	if (conn->options->handler->stream)
		conn->options->handler->stream(conn->owner, conn);
}

static void opened(void *owner, struct sx *sx)
{
	struct conn *conn = owner;

	conn_set_deadline(conn, 0);
	if (conn->options->handler->open)
		conn->options->handler->open(conn->owner, conn);
}

static void packet(void *owner, struct sx *sx, struct nad **nad)
{
	struct conn *conn = owner;

	if (conn->options->handler->packet)
		conn->options->handler->packet(conn->owner, conn, nad);
}

static void stream_closed(void *owner, struct sx *sx, enum sx_end end)
{
	struct conn *conn = owner;

	if (conn->phase != CONN_RUNNING)
		return;
	conn->phase = CONN_DRAINING;
	conn->end = end == SX_END_ERROR ? CONN_END_ERROR : end == SX_END_GONE ? CONN_END_GONE : CONN_END_PEER;
	if (conn->timed_out)
		conn->end = CONN_END_TIMEOUT;
	conn_set_pause(conn, PAUSE_END, true);
	conn_set_deadline(conn, CONN_CLOSE_MS);
	mio_defer(conn->env->mio, &conn->task);
}

static void resume(void *owner, struct sx *sx)
{
	struct conn *conn = owner;

	conn->resume = true;
	mio_defer(conn->env->mio, &conn->task);
}

const struct sx_handler conn_sx_handler = {
	.header = header,
	.stream = stream,
	.open = opened,
	.packet = packet,
	.output = output,
	.closed = stream_closed,
	.resume = resume,
};

void conn_drop(struct conn **conn)
{
	if (!*conn)
		return;
	if ((*conn)->phase == CONN_RUNNING && (*conn)->sock.fd)
		write_out(*conn);
	conn_kill(conn);
}
