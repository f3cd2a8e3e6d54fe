/* SPDX-License-Identifier: MIT */
/*
 * A connection changes its worker. It is taken apart at the end of the turn, when none of its
 * handlers is on the stack, travels as mail, and is built again on the other loop.
 */
#include "base/mem.h"
#include "conn/state.h"

struct conn_move {
	struct mio_mail mail;
	struct mio *to;
	struct conn_env *to_env;
	const struct conn_options *options;
	void (*arrived)(struct conn *conn, void *arg);
	void *arg;
	struct sx_box *box;
	int given; /* the socket; meaningless when closed */
	bool closed;
	struct conn state; /* phases, rates, flags and the peer's name; its other pointers are dead */
	int64_t deadline_left_ms, tokens_age_ms;
};

void conn_move(struct conn **moved, struct mio *to, struct conn_env *to_env,
	       const struct conn_options *options, void (*arrived)(struct conn *conn, void *arg), void *arg)
{
	struct conn *conn = *moved;
	struct conn_move *move = mem_zalloc(MEM_CONN, sizeof(*move));

	*moved = NULL;
	move->to = to;
	move->to_env = to_env;
	move->options = options;
	move->arrived = arrived;
	move->arg = arg;
	conn->move = move;
	conn->owner = NULL;
	sx_pause(conn->sx, true);
	mio_defer(conn->env->mio, &conn->task);
}

static int64_t left(const struct conn *conn)
{
	int64_t ms = conn->deadline_ms - mio_now_ms(conn->env->mio);

	if (!conn->deadline_ms)
		return 0;
	return ms > 0 ? ms : 1;
}

static void arrive(struct mio *mio, struct mio_mail *mail)
{
	struct conn_move *move = container_of(mail, struct conn_move, mail);
	const struct conn *state = &move->state;
	struct conn *conn = conn_new(move->to_env, move->options, NULL);

	if (!move->closed)
		mio_sock_take(mio, &conn->sock, move->given, &conn_sock_handler,
			      conn->options->sock_flags);
	conn->sx = sx_arrive(&move->box, &conn->env->sx, &conn->options->stream, &conn_sx_handler, conn);
	conn->phase = state->phase;
	conn->end = state->end;
	conn->fault = state->fault;
	conn->refusal = state->refusal;
	conn->peer = state->peer;
	conn->tokens = state->tokens;
	conn->tokens_ms = mio_now_ms(mio) - move->tokens_age_ms;
	conn->heard_ms = mio_now_ms(mio);
	conn->full = state->full;
	conn->closing = state->closing;
	conn->timed_out = state->timed_out;
	conn_set_deadline(conn, move->deadline_left_ms);
	if (conn->phase != CONN_RUNNING)
		conn_set_pause(conn, PAUSE_END, true);
	conn->unpause = true;
	mio_defer(mio, &conn->task);
	move->arrived(conn, move->arg);
	mem_free(move);
}

void conn_depart(struct conn *conn)
{
	struct conn_move *move = conn->move;
	struct mio *from = conn->env->mio;

	move->state = *conn;
	conn->peer = NULL;
	move->deadline_left_ms = left(conn);
	move->tokens_age_ms = mio_now_ms(from) - conn->tokens_ms;
	move->closed = conn->sock.fd == 0;
	if (!move->closed)
		move->given = mio_sock_give(&conn->sock);
	move->mail.run = arrive;
	move->mail.bytes = sizeof(*move) + sx_input_waiting(conn->sx) + sx_unsent(conn->sx);
	move->box = sx_leave(&conn->sx);
	mio_post(from, move->to, MIO_DATA, &move->mail);
	conn_free(&conn);
}
