/* SPDX-License-Identifier: MIT */
/*
 * Many XMPP streams on one loop, for loads: connecting, TLS or not, SASL PLAIN or SCRAM, elements whole. Loopback only.
 * What is bound, counted or sent again is their owner's affair.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "stream_scram.h"
#include "stream_tls.h"

struct streams;

struct bytes {
	char *at;
	size_t len, room;
};

/* STARTING, PROCEED: STARTTLS before it is asked for, and then. */
enum stream_step {
	STREAM_CLOSED,
	STREAM_CONNECTING,
	STREAM_STARTING,
	STREAM_PROCEED,
	STREAM_HANDSHAKE,
	STREAM_HEADER,
	STREAM_AUTH,
	STREAM_HEADER2,
	STREAM_OPEN,
};

enum stream_protection { STREAM_CLEAR, STREAM_STARTTLS, STREAM_TLS };

struct stream {
	int fd;
	enum stream_step step;
	bool anonymous; /* open without logging in, to register */
	bool deaf;	/* reads nothing any more */
	struct bytes in, out;
	struct tls tls;	    /* its ticket outlives a connection, */
	struct scram scram; /* and so do its keys */
	char error[40];	    /* the condition of a <stream:error/> or a SASL failure */
};

/* What an owner hears. A stream that has closed may be connected again, later. */
struct stream_owner {
	void (*open)(struct stream *stream);
	void (*element)(struct stream *stream, const char *text, size_t len); /* once open */
	void (*closed)(struct stream *stream, const char *why);
	const char *(*user)(const struct stream *stream);
	const char *password; /* NULL: it is not known, and something is tried */
	enum stream_protection protection;
	const char *mechanism; /* NULL: PLAIN */
};

/* --tls no|starttls|direct, --mechanism NAME. False: it is another option, or the value is none. */
bool stream_option(struct stream_owner *owner, const char *name, const char *value);

/* Makes room for as many descriptors as are allowed. */
struct streams *streams_new(const struct stream_owner *owner);

/* Another descriptor to wait for: readable is called when it has something. */
void streams_watch(struct streams *streams, int fd, void (*readable)(int fd));

/* source chooses one of 200 addresses of our own, each with ports of its own. False: nobody listens. */
bool stream_connect(struct streams *streams, struct stream *stream, int port, unsigned source);

/* Sent at once, as far as the socket takes it, and the rest when it does. */
void stream_write(struct streams *streams, struct stream *stream, const char *text, size_t len);

/* Behind stream_connect(): this is said, and not the header. */
void stream_say_instead(struct stream *stream, const char *text, size_t len);

/* From now on nothing is read; the owner hears of the end of the connection. */
void stream_deafen(struct streams *streams, struct stream *stream);

/* Ends the connection without a word; nobody is told. */
void stream_drop(struct stream *stream);

/* One wait, of at most ms, and what came of it. */
void streams_turn(struct streams *streams, int ms);

/* An attribute of an element's first tag, without its quotes; cut at size. False: it has none. */
bool element_attribute(const char *text, size_t len, const char *name, char *value, size_t size);

bool element_has(const char *text, size_t len, const char *part);

/* Seconds and nanoseconds of the monotonic clock, the same in all processes. */
double now_s(void);
uint64_t now_ns(void);
