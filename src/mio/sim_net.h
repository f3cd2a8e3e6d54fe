/* SPDX-License-Identifier: MIT */
/* Connections, listeners and sockets of the simulator. */
#pragma once

#include "mio/sim_core.h"

struct sim_acceptor {
	struct list link;
	struct sim_listener *listener;
	void (*accepted)(int given, void *arg);
	void *arg;
	uint64_t serial;
};

struct sim_listener {
	struct mio_listener listener;
	struct list link;
	struct sockaddr_storage address;
	bool any;
	struct list backlog; /* ends without a loop */
};

/* What travels: OPEN, ACCEPTED and REFUSED make a connection, ROOM says that bytes were read. */
enum sim_parcel_kind {
	PARCEL_OPEN,
	PARCEL_ACCEPTED,
	PARCEL_REFUSED,
	PARCEL_BYTES,
	PARCEL_ROOM,
	PARCEL_END,
	PARCEL_RESET
};

struct sim_parcel {
	struct list link;
	int64_t time_us;
	enum sim_parcel_kind kind;
	size_t len; /* of bytes, or of room */
	char bytes[];
};

/* One end of a connection, with what it has sent and what has arrived for it. */
struct sim_end {
	struct sim_wire *wire;
	struct list link;      /* in a loop's ready list or a listener's backlog */
	struct sim_host *host; /* NULL: not open yet, or closed */
	unsigned host_number;  /* also when it is closed; 0: none yet */
	uid_t uid;	       /* likewise */
	struct sim_loop *loop; /* NULL: in a backlog, or given */
	struct mio_sock *sock; /* with loop */
	int number;
	uint64_t serial;
	int error;			   /* for the next read or write: of a reset */
	int fault;			   /* for all reads and writes: of a connect */
	bool connecting;		   /* until the loop has told */
	bool answered;			   /* the connect has succeeded or failed */
	bool paused, blocked, ended, gone; /* ended: reads end; gone: writes are in vain */
	struct buf in;
	size_t room; /* what may be written yet */
	size_t owed; /* was read, and the peer not told */

	struct list sent; /* parcels, in the order of arrival */
	struct sim_event arrival;
	int64_t last_us;
	bool stuck; /* its parcels wait for the end of a cut */
};

/* A connection. ends[0] connected. */
struct sim_wire {
	struct list link;
	struct sim *sim;
	struct sim_end ends[2];
	struct sockaddr_storage to; /* as asked for */
	unsigned number, port;
	char address[MIO_PEER_NAME];
	bool local;
};

/* -- sim_net.c: wires and listeners -- */

struct sim_wire *sim_wire_new(struct sim_loop *loop, const char *address);
void sim_send(struct sim_end *end, enum sim_parcel_kind kind, const void *bytes, size_t len);
void sim_end_open(struct sim_end *end, struct sim_host *host);
/*
 * The peer reads to the end, or to a reset when bytes were not read here. killed: always a reset,
 * and what was sent last may be lost. The wire goes with its second end.
 */
void sim_end_close(struct sim_end *end, bool killed);
void sim_end_touch(struct sim_end *end); /* it may have become ready */
bool sim_end_readable(const struct sim_end *end, bool resting);
bool sim_end_writable(const struct sim_end *end);
bool sim_is_listening(struct sim *sim, const struct sockaddr_storage *to);
void sim_wires_heal(struct sim *sim);
void sim_host_unlisten(struct sim_host *host); /* all of its listeners */

static inline struct sim_end *sim_peer(const struct sim_end *end)
{
	return end == &end->wire->ends[0] ? &end->wire->ends[1] : &end->wire->ends[0];
}

int sim_listen(struct mio_host *host, const char *address, struct mio_listener **listener);
void sim_unlisten(struct mio_listener *listener);
void sim_accept(struct mio *mio, struct mio_listener *listener,
		void (*accepted)(int given, void *arg), void *arg);
void sim_accept_stop(struct mio *mio, struct mio_listener *listener);
void sim_refuse(struct mio *mio, int given);
void sim_given_name(struct mio *mio, int given, char *out, size_t len);

/* -- sim_sock.c -- */

/* Tells sockets and acceptors of a loop what is ready, in an order and number of the seed's. */
void sim_dispatch(struct sim_loop *loop, bool resting);
bool sim_has_ready(struct sim_loop *loop);

int sim_connect(struct mio_sock *sock, const char *address);
ssize_t sim_read(struct mio_sock *sock, void *bytes, size_t len);
ssize_t sim_write(struct mio_sock *sock, const void *bytes, size_t len);
void sim_pause(struct mio_sock *sock, bool paused);
void sim_close(struct mio_sock *sock);
void sim_peer_name(const struct mio_sock *sock, char *out, size_t len);
bool sim_peer_uid(const struct mio_sock *sock, uid_t *uid);
int sim_give(struct mio_sock *sock);
void sim_take(struct mio_sock *sock, int given);
