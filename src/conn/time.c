/* SPDX-License-Identifier: MIT */
/* Deadlines, and the rate of reading: a bucket that time fills and each byte read empties. */
#include "conn/state.h"

enum { REFILL_MAX_MS = 3600 * 1000 };

static int64_t now(const struct conn *conn)
{
	return mio_now_ms(conn->env->mio);
}

void conn_arm(struct conn *conn)
{
	int64_t due = conn->deadline_ms;
	int64_t delay;

	if (conn->resume_ms && (!due || conn->resume_ms < due))
		due = conn->resume_ms;
	if (!due) {
		mio_timer_stop(&conn->timer);
		return;
	}
	delay = due - now(conn);
	mio_timer_set(conn->env->mio, &conn->timer, delay > 0 ? delay : 0);
}

void conn_set_deadline(struct conn *conn, int64_t ms)
{
	conn->deadline_ms = ms && ms < INT64_MAX - now(conn) ? now(conn) + ms : 0; /* "forever" is none */
	conn_arm(conn);
}

void conn_hurry(struct conn *conn, int64_t ms)
{
	if (conn->phase == CONN_RUNNING && !conn->closing)
		conn_set_deadline(conn, ms);
}

static void deadline_passed(struct conn *conn)
{
	conn->deadline_ms = 0;
	if (conn->phase == CONN_DRAINING) {
		conn_end(conn, conn->end);
	} else if (conn->closing) {
		sx_kill(conn->sx);
		conn_end(conn, CONN_END_TIMEOUT);
	} else if (conn->proxy) {
		conn_refuse_proxy(conn);
	} else {
		conn->timed_out = true;
		sx_refuse(conn->sx, SX_REFUSED_SLOW);
	}
}

void conn_timer_run(struct mio_timer *timer)
{
	struct conn *conn = container_of(timer, struct conn, timer);

	if (conn->resume_ms && now(conn) >= conn->resume_ms) {
		conn->resume_ms = 0;
		conn_set_pause(conn, PAUSE_RATE, false);
	}
	if (conn->deadline_ms && now(conn) >= conn->deadline_ms)
		deadline_passed(conn);
	if (conn->phase < CONN_ENDED)
		conn_arm(conn);
}

static int64_t burst(const struct conn_options *options)
{
	return options->burst > 0 ? options->burst : options->rate;
}

static void refill(struct conn *conn)
{
	const struct conn_options *options = conn->options;
	int64_t elapsed = now(conn) - conn->tokens_ms;
	int64_t more;

	if (elapsed > REFILL_MAX_MS)
		elapsed = REFILL_MAX_MS;
	more = options->rate * elapsed / 1000;
	if (more <= 0)
		return; /* not even a byte: let time add up */
	conn->tokens_ms = now(conn);
	conn->tokens += more;
	if (conn->tokens > burst(options))
		conn->tokens = burst(options);
}

void conn_rest(struct conn *conn, int64_t ms)
{
	if (now(conn) + ms > conn->resume_ms)
		conn->resume_ms = now(conn) + ms;
	conn_set_pause(conn, PAUSE_RATE, true);
	conn_arm(conn);
}

/* Reads nothing until an eighth of a second's bytes, or a whole burst, may be read. */
static void wait_for_tokens(struct conn *conn)
{
	int64_t rate = conn->options->rate;
	int64_t want = rate / 8 + 1 < burst(conn->options) ? rate / 8 + 1 : burst(conn->options);

	conn_rest(conn, (want - conn->tokens) * 1000 / rate + 1);
}

size_t conn_allowance(struct conn *conn)
{
	if (conn->options->rate <= 0)
		return CONN_READ_BYTES;
	refill(conn);
	if (conn->tokens <= 0) {
		wait_for_tokens(conn);
		return 0;
	}
	return conn->tokens < CONN_READ_BYTES ? (size_t)conn->tokens : CONN_READ_BYTES;
}

void conn_spend(struct conn *conn, size_t bytes)
{
	if (conn->options->rate <= 0)
		return;
	conn->tokens -= (int64_t)bytes;
	if (conn->tokens <= 0)
		wait_for_tokens(conn);
}
