/* SPDX-License-Identifier: MIT */
/* The life of a connection, and what happens at the end of a turn. */
#include "conn/conn.h"

#include <errno.h>

#include "base/mem.h"
#include "conn/state.h"

enum { PEER_MAX = 128, LAST_READS = 4 };

static void drop_proxy(struct conn *conn)
{
	if (conn->proxy)
		buf_fini(conn->proxy);
	mem_free(conn->proxy);
}

void conn_free(struct conn **freed)
{
	struct conn *conn = *freed;

	if (!conn)
		return;
	*freed = NULL;
	conn->phase = CONN_DEAD;
	conn_account(conn);
	list_remove(&conn->link);
	crowd_leave(conn);
	mio_undefer(conn->env->mio, &conn->task);
	mio_timer_stop(&conn->timer);
	if (conn->sock.fd)
		mio_close(&conn->sock);
	sx_free(&conn->sx);
	drop_proxy(conn);
	mem_free(conn->peer);
	mem_free(conn);
}

/*
 * Closes the socket. What the peer sent meanwhile is read first, within bounds: closing a socket
 * with unread bytes would reset the connection, and our last words with it.
 */
static void close_sock(struct conn *conn)
{
	if (!conn->sock.fd)
		return;
	conn_peer(conn); /* whoever hears of the end may ask for it, and then it is too late */
	for (int i = 0; i < LAST_READS && conn->end != CONN_END_FAULT; i++) {
		if (mio_read(&conn->sock, conn->env->buffer, CONN_READ_BYTES) <= 0)
			break;
	}
	mio_close(&conn->sock);
}

static void tell_closed(struct conn *conn)
{
	const struct conn_handler *handler = conn->options->handler;

	close_sock(conn);
	if (handler->closed)
		handler->closed(conn->owner, conn, conn->end);
	conn_free(&conn);
}

static void parse_on(struct conn *conn)
{
	bool unpause = conn->unpause && !(conn->pauses & PAUSE_OWNER);

	conn->resume = conn->unpause = false;
	if (unpause)
		sx_pause(conn->sx, false);
	else
		sx_resume(conn->sx);
	if (conn->phase == CONN_RUNNING)
		conn_check_input(conn);
}

static void run_task(struct mio_task *task)
{
	struct conn *conn = container_of(task, struct conn, task);

	if (conn->phase == CONN_DEAD) {
		conn_free(&conn);
		return;
	}
	if (conn->move) {
		conn_depart(conn);
		return;
	}
	if ((conn->resume || conn->unpause) && conn->phase == CONN_RUNNING)
		parse_on(conn);
	if (conn->phase < CONN_ENDED)
		conn_flush(conn);
	conn_account(conn);
	if (conn->phase == CONN_DRAINING && !conn->blocked)
		conn_end(conn, conn->end);
	if (conn->phase == CONN_ENDED && !conn->move)
		tell_closed(conn);
}

struct conn *conn_new(struct conn_env *env, const struct conn_options *options, void *owner)
{
	struct conn *conn = mem_zalloc(MEM_CONN, sizeof(*conn));

	conn->env = env;
	conn->options = options;
	conn->owner = owner;
	conn->task.run = run_task;
	list_init(&conn->place);
	list_append(&env->conns, &conn->link);
	mio_timer_init(&conn->timer, conn_timer_run);
	return conn;
}

static void start(struct conn *conn)
{
	const struct conn_options *options = conn->options;

	conn->tokens = options->burst > 0 ? options->burst : options->rate;
	conn->tokens_ms = conn->heard_ms = mio_now_ms(conn->env->mio);
	conn_set_deadline(conn, options->login_ms);
	conn->sx = sx_new(&conn->env->sx, &options->stream, &conn_sx_handler, conn);
	sx_start(conn->sx);
}

struct conn *conn_accept(struct conn_env *env, int given, const struct conn_options *options,
			 void *owner)
{
	struct conn *conn = conn_new(env, options, owner);

	mio_sock_take(env->mio, &conn->sock, given, &conn_sock_handler, options->sock_flags);
	start(conn);
	return conn;
}

void conn_expect_proxy(struct conn *conn)
{
	conn->proxy = mem_zalloc(MEM_CONN, sizeof(*conn->proxy));
}

struct conn *conn_connect(struct conn_env *env, const char *address,
			  const struct conn_options *options, void *owner, int *fault)
{
	struct conn *conn = conn_new(env, options, owner);
	int rc = mio_connect(env->mio, &conn->sock, address, &conn_sock_handler,
			     options->sock_flags);

	if (rc) {
		conn_free(&conn);
		*fault = rc;
		return NULL;
	}
	start(conn);
	return conn;
}

void conn_end(struct conn *conn, enum conn_end end)
{
	if (conn->phase >= CONN_ENDED)
		return;
	conn->phase = CONN_ENDED;
	conn->end = end;
	conn_account(conn);
	conn->deadline_ms = conn->resume_ms = 0;
	mio_timer_stop(&conn->timer);
	conn_set_pause(conn, PAUSE_END, true);
	mio_defer(conn->env->mio, &conn->task);
}

void conn_fail(struct conn *conn, int fault)
{
	if (conn->phase >= CONN_ENDED)
		return;
	conn->fault = fault;
	sx_kill(conn->sx);
	conn_end(conn, CONN_END_FAULT);
}

void conn_cut(struct conn *conn, enum sx_refusal refusal)
{
	if (conn->phase == CONN_DRAINING) {
		conn_end(conn, conn->end); /* it was over: that they did not listen is no news */
		return;
	}
	if (conn->phase == CONN_RUNNING)
		conn->refusal = (uint8_t)refusal;
	conn_fail(conn, -ENOBUFS);
}

enum sx_refusal conn_refusal(const struct conn *conn)
{
	return conn->refusal ? conn->refusal : sx_end_refusal(conn->sx);
}

void conn_close(struct conn *conn, enum sx_error error, const char *text)
{
	if (conn->phase != CONN_RUNNING || conn->closing)
		return;
	conn->closing = true;
	if (error)
		sx_error(conn->sx, error, text);
	else
		sx_close(conn->sx);
	if (conn->phase != CONN_RUNNING)
		return;
	/* What still comes is dropped up to their closing tag: nobody need wait for the owner. */
	conn_set_deadline(conn, CONN_CLOSE_MS);
	conn_pause(conn, false);
}

void conn_refuse(struct conn *conn, enum sx_refusal refusal)
{
	if (conn->phase != CONN_RUNNING || conn->closing)
		return;
	conn->refusal = (uint8_t)refusal;
	conn_close(conn, sx_refusal_error(refusal), sx_refusal_text(refusal));
}

void conn_kill(struct conn **killed)
{
	struct conn *conn = *killed;

	if (!conn)
		return;
	*killed = NULL;
	sx_kill(conn->sx);
	conn->phase = CONN_DEAD;
	conn_account(conn);
	conn->deadline_ms = conn->resume_ms = 0;
	mio_timer_stop(&conn->timer);
	if (conn->sock.fd)
		mio_close(&conn->sock);
	mio_defer(conn->env->mio, &conn->task);
}

void conn_pause(struct conn *conn, bool paused)
{
	if (conn->phase != CONN_RUNNING)
		return;
	conn_set_pause(conn, PAUSE_OWNER, paused);
	if (paused) {
		sx_pause(conn->sx, true);
		return;
	}
	conn->unpause = true;
	mio_defer(conn->env->mio, &conn->task);
}

void conn_hold(struct conn *conn, bool held)
{
	if (conn->phase != CONN_RUNNING)
		return;
	conn->unpause = !held;
	if (held)
		sx_pause(conn->sx, true);
	else
		mio_defer(conn->env->mio, &conn->task);
}

const struct conn_options *conn_options(const struct conn *conn)
{
	return conn->options;
}

void conn_options_changed(struct conn *conn)
{
	sx_options_changed(conn->sx);
}

struct sx *conn_sx(struct conn *conn)
{
	return conn->sx;
}

struct conn *conn_of(struct sx *sx)
{
	return sx_owner(sx);
}

void *conn_owner(const struct conn *conn)
{
	return conn->owner;
}

void conn_set_owner(struct conn *conn, void *owner)
{
	conn->owner = owner;
}

struct conn_env *conn_env_of(const struct conn *conn)
{
	return conn->env;
}

const char *conn_peer(struct conn *conn)
{
	char name[PEER_MAX] = "";

	if (conn->peer)
		return conn->peer;
	if (!conn->sock.fd)
		return "";
	mio_peer_name(&conn->sock, name, sizeof(name));
	conn->peer = mem_strdup(MEM_CONN, name);
	return conn->peer;
}

void conn_set_peer(struct conn *conn, const char *name)
{
	mem_free(conn->peer);
	conn->peer = mem_strdup(MEM_CONN, name);
}

bool conn_peer_uid(const struct conn *conn, uid_t *uid)
{
	return mio_peer_uid(&conn->sock, uid);
}

int conn_fault(const struct conn *conn)
{
	return conn->fault;
}
