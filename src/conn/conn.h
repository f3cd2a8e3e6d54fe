/* SPDX-License-Identifier: MIT */
/*
 * A stream on a socket: reads into a buffer of the worker, feeds sx, writes once per turn. Deadlines, rates and the
 * bound on unsent bytes are here, once, for clients, components and links alike.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "mio/mio.h"
#include "sx/sx.h"

struct budget_member;
struct conn;

/* What a worker's connections share. */
struct conn_env;
struct conn_env *conn_env_new(struct mio *mio);
void conn_env_free(struct conn_env **env); /* after its connections */
/* Frees all that are left, killed in a turn that never ended: after the loops stopped, while their options live. */
void conn_env_reap(struct conn_env *env);
/* The queues of its connections with conn_options.pooled, the memory of what is unsent and unparsed: for budget_join(). */
struct budget_member *conn_env_queues(struct conn_env *env);
struct mio *conn_env_mio(const struct conn_env *env);
struct sx_env *conn_env_sx(struct conn_env *env);

enum conn_end {
	CONN_END_PEER,    /* closed with </stream:stream> from the peer */
	CONN_END_GONE,    /* the peer closed the connection without it */
	CONN_END_ERROR,   /* a stream error: sx_end_error() */
	CONN_END_FAULT,   /* the socket failed; conn_fault() */
	CONN_END_TIMEOUT, /* login or close took too long */
};

/* Everything sx tells its owner, passed on, and the end. All run on the connection's loop. */
struct conn_handler {
	void (*header)(void *owner, struct conn *conn);
	void (*stream)(void *owner, struct conn *conn);
	void (*open)(void *owner, struct conn *conn);
	void (*packet)(void *owner, struct conn *conn, struct nad **nad);
	void (*drained)(void *owner, struct conn *conn); /* unsent bytes fell below out_low after conn_is_full() was true */
	void (*written)(void *owner, struct conn *conn); /* after conn_tell_written(): the kernel took what it could */
	/* Nothing follows. The connection is freed at the end of the turn; the owner forgets it now. */
	void (*closed)(void *owner, struct conn *conn, enum conn_end end);
	void (*proxied)(void *owner, struct conn *conn); /* after conn_expect_proxy(): conn_peer() is known now */
};

struct conn_options {
	struct sx_options stream;
	const struct conn_handler *handler;
	int64_t login_ms;      /* from accept or connect to OPEN; 0: no limit */
	int64_t rate, burst;   /* bytes a second read from the peer, and at once; 0: no limit */
	size_t out_full;       /* unsent bytes at which conn_is_full() is true; 0: 16 KB */
	size_t out_max;        /* unsent bytes at which the connection is ended; 0: 4 MB */
	uint8_t sock_flags;    /* MIO_ENTRY */
	bool pooled;           /* its queues are bounded with those of others: conn_env_queues() */
};

/*
 * options is borrowed for the connection's life; their owner, who is of the same loop, may change limits and rates in
 * them, and says so. A socket number from mio_accept(). */
struct conn *conn_accept(struct conn_env *env, int given, const struct conn_options *options, void *owner);
/* At once: the connection is a proxy's and begins with a PROXY header, or it is closed without a word. */
void conn_expect_proxy(struct conn *conn);
/* NULL and *fault when the address is bad or refused at once; later failures come by closed(). */
struct conn *conn_connect(struct conn_env *env, const char *address, const struct conn_options *options, void *owner,
			  int *fault);

const struct conn_options *conn_options(const struct conn *conn);
void conn_options_changed(struct conn *conn); /* those that it borrows */
struct sx *conn_sx(struct conn *conn);
struct conn *conn_of(struct sx *sx);    /* the connection that owns the stream */
void *conn_owner(const struct conn *conn);
void conn_set_owner(struct conn *conn, void *owner);
struct conn_env *conn_env_of(const struct conn *conn);
const char *conn_peer(struct conn *conn); /* "127.0.0.1:41532" */
void conn_set_peer(struct conn *conn, const char *name); /* what conn_peer() says from now on; it moves along */
bool conn_peer_uid(const struct conn *conn, uid_t *uid); /* who is at the other end of a Unix socket; false for others */
int conn_fault(const struct conn *conn);
enum sx_refusal conn_refusal(const struct conn *conn); /* for which of our limits it ended */

size_t conn_unsent(const struct conn *conn);
bool conn_is_full(const struct conn *conn);
void conn_tell_written(struct conn *conn); /* of the next write, by written() */
int64_t conn_heard_ms(const struct conn *conn); /* when bytes came last */
void conn_pause(struct conn *conn, bool paused); /* reads nothing more from this peer for now */
/* In ms milliseconds (0: never) it is refused as after login_ms; each call sets it anew, OPEN ends it. Of one that ends: nothing. */
void conn_hurry(struct conn *conn, int64_t ms);
/* Parses nothing more for now, and reads but little: its end is still noticed. It parses on at the end of a turn. */
void conn_hold(struct conn *conn, bool held);

/* Closes with </stream:stream> (and error, unless SX_ERROR_NONE), waits a few seconds for the peer, then ends. */
void conn_close(struct conn *conn, enum sx_error error, const char *text);
/* The same for one of our limits. */
void conn_refuse(struct conn *conn, enum sx_refusal refusal);
void conn_shed(struct conn *conn, enum sx_refusal refusal); /* the same, but who does not read hears nothing of it, and ends at once */
/* Ends at once: what is unsent is lost, closed() is not called. NULL is fine. */
void conn_kill(struct conn **conn);
/* Tries to write what is unsent, then closes the socket without stream end or error: sessions that resume. */
void conn_drop(struct conn **conn);

/*
 * Moves the connection to another worker's loop, at a moment when nothing is under way (behind SASL success, before
 * the next byte is parsed). *conn is gone at once; arrived(conn, arg) runs on the other loop with the connection built
 * anew, to be given its owner there before it returns. options: of the other loop, with the same plugins.
 */
void conn_move(struct conn **conn, struct mio *to, struct conn_env *to_env, const struct conn_options *options,
	       void (*arrived)(struct conn *conn, void *arg), void *arg);
