/* SPDX-License-Identifier: MIT */
/*
 * Many XMPP streams on one loop, for loads: connecting, SASL PLAIN without TLS, elements whole. Loopback only. What is
 * bound, counted or sent again is their owner's affair.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct streams;

struct bytes {
	char *at;
	size_t len, room;
};

enum stream_step { STREAM_CLOSED, STREAM_CONNECTING, STREAM_HEADER, STREAM_AUTH, STREAM_HEADER2, STREAM_OPEN };

struct stream {
	int fd;
	enum stream_step step;
	bool anonymous; /* open without logging in, to register */
	struct bytes in, out;
	char error[40]; /* the condition of a <stream:error/> or a SASL failure */
};

/* What an owner hears. A stream that has closed may be connected again, later. */
struct stream_owner {
	void (*open)(struct stream *stream);
	void (*element)(struct stream *stream, const char *text, size_t len); /* once open */
	void (*closed)(struct stream *stream, const char *why);
	const char *(*user)(const struct stream *stream);
	const char *password;
};

/* Makes room for as many descriptors as are allowed. */
struct streams *streams_new(const struct stream_owner *owner);

/* Another descriptor to wait for: readable is called when it has something. */
void streams_watch(struct streams *streams, int fd, void (*readable)(int fd));

/* source chooses one of 200 addresses of our own, each with ports of its own. False: nobody listens. */
bool stream_connect(struct streams *streams, struct stream *stream, int port, unsigned source);

/* Sent at once, as far as the socket takes it, and the rest when it does. */
void stream_write(struct streams *streams, struct stream *stream, const char *text, size_t len);

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
