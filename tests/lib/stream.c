/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ = 65536, EVENTS = 512, SOURCES = 200 };

struct streams {
	int epoll, watched;
	void (*readable)(int fd);
	const struct stream_owner *owner;
	struct tls_clients *tls;
	struct scram_cache keys;
};

static const char header[] = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
			     "xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>";

double now_s(void)
{
	return (double)now_ns() / 1e9;
}

uint64_t now_ns(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000 + (uint64_t)at.tv_nsec;
}

/* -- bytes ---------------------------------------------------------------------------------------- */

static void bytes_add(struct bytes *bytes, const char *text, size_t len)
{
	if (bytes->len + len > bytes->room) {
		bytes->room = (bytes->len + len) * 2;
		bytes->at = realloc(bytes->at, bytes->room);
	}
	memcpy(bytes->at + bytes->len, text, len);
	bytes->len += len;
}

static void bytes_drop(struct bytes *bytes, size_t len)
{
	bytes->len -= len;
	if (bytes->len) {
		memmove(bytes->at, bytes->at + len, bytes->len);
		return;
	}
	free(bytes->at);
	*bytes = (struct bytes){0};
}

bool element_has(const char *text, size_t len, const char *part)
{
	return memmem(text, len, part, strlen(part)) != NULL;
}

bool element_attribute(const char *text, size_t len, const char *name, char *value, size_t size)
{
	const char *end = memchr(text, '>', len), *at = text;
	size_t name_len = strlen(name), count = 0;

	for (; end && (at = memmem(at, (size_t)(end - at), name, name_len)); at += name_len) {
		const char *from = at + name_len + 2;
		char quote = from[-1];

		if (at == text || at[-1] != ' ' || from[-2] != '=' || (quote != '\'' && quote != '"'))
			continue;
		while (count + 1 < size && from < end && *from != quote)
			value[count++] = *from++;
		value[count] = 0;
		return true;
	}
	return false;
}

static const char *tag_end(const char *at, const char *end)
{
	for (char quote = 0; at < end; at++) {
		if (quote)
			quote = *at == quote ? 0 : quote;
		else if (*at == '\'' || *at == '"')
			quote = *at;
		else if (*at == '>')
			return at;
	}
	return NULL;
}

/* The length of the next whole thing: a declaration, the header, the end of the stream, or an element; 0: more is needed. */
static size_t thing(const char *text, size_t len)
{
	const char *end = text + len, *at = text;
	int depth = 0;

	while ((at = memchr(at, '<', (size_t)(end - at)))) {
		const char *tag = at;

		at = tag_end(tag, end);
		if (!at)
			return 0;
		at++;
		if (tag[1] == '/')
			depth--;
		else if (at[-2] != '/' && tag[1] != '?')
			depth++;
		if (depth <= 0 || (depth == 1 && at - tag > 15 && memcmp(tag, "<stream:stream ", 15) == 0))
			return (size_t)(at - text);
	}
	return 0;
}

/* -- out -------------------------------------------------------------------------------------------- */

static void wait_for(struct streams *streams, struct stream *stream, int operation)
{
	bool out = (stream->out.len && stream->step != STREAM_HANDSHAKE) || stream->step == STREAM_CONNECTING;
	struct epoll_event event = {.data.ptr = stream};

	event.events = (stream->deaf ? EPOLLRDHUP : EPOLLIN) | (out ? EPOLLOUT : 0);
	epoll_ctl(streams->epoll, operation, stream->fd, &event);
}

/* Like send() and recv(), with what the connection is protected by. */
static ssize_t put(struct stream *stream, const char *text, size_t len)
{
	return tls_is_on(&stream->tls) ? tls_write(&stream->tls, text, len) : send(stream->fd, text, len, MSG_NOSIGNAL);
}

static ssize_t get(struct stream *stream, char *some, size_t len)
{
	return tls_is_on(&stream->tls) ? tls_read(&stream->tls, some, len) : recv(stream->fd, some, len, 0);
}

void stream_write(struct streams *streams, struct stream *stream, const char *text, size_t len)
{
	ssize_t sent = 0;

	if (stream->fd < 0)
		return;
	if (!stream->out.len && stream->step != STREAM_CONNECTING && stream->step != STREAM_HANDSHAKE)
		sent = put(stream, text, len);
	if (sent < 0)
		sent = 0; /* a broken connection says so when it is read */
	if ((size_t)sent == len)
		return;
	bytes_add(&stream->out, text + sent, len - (size_t)sent);
	wait_for(streams, stream, EPOLL_CTL_MOD);
}

static void write_text(struct streams *streams, struct stream *stream, const char *text)
{
	stream_write(streams, stream, text, strlen(text));
}

static void flush(struct streams *streams, struct stream *stream)
{
	ssize_t sent = stream->out.len ? put(stream, stream->out.at, stream->out.len) : 0;

	if (sent > 0)
		bytes_drop(&stream->out, (size_t)sent);
	wait_for(streams, stream, EPOLL_CTL_MOD);
}

/* -- options ---------------------------------------------------------------------------------------- */

bool stream_option(struct stream_owner *owner, const char *name, const char *value)
{
	static const char *const protections[] = {"no", "starttls", "direct"};

	if (strcmp(name, "--mechanism") == 0) {
		owner->mechanism = strcmp(value, "PLAIN") == 0 ? NULL : value;
		return true;
	}
	for (size_t at = 0; strcmp(name, "--tls") == 0 && at < sizeof(protections) / sizeof(*protections); at++) {
		owner->protection = (enum stream_protection)at;
		if (strcmp(value, protections[at]) == 0)
			return true;
	}
	return false;
}

/* -- life ------------------------------------------------------------------------------------------- */

struct streams *streams_new(const struct stream_owner *owner)
{
	struct streams *streams = calloc(1, sizeof(*streams));
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	streams->epoll = epoll_create1(EPOLL_CLOEXEC);
	streams->watched = -1;
	streams->owner = owner;
	streams->tls = owner->protection ? tls_clients_new() : NULL;
	return streams;
}

void streams_watch(struct streams *streams, int fd, void (*readable)(int fd))
{
	struct epoll_event event = {.events = EPOLLIN};

	streams->watched = fd;
	streams->readable = readable;
	epoll_ctl(streams->epoll, EPOLL_CTL_ADD, fd, &event);
}

bool stream_connect(struct streams *streams, struct stream *stream, int port, unsigned source)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in from = {.sin_family = AF_INET};
	int one = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + source % SOURCES);
	stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (stream->fd < 0) {
		perror("socket");
		exit(1);
	}
	setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(stream->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(stream->fd, (struct sockaddr *)&from, sizeof(from)) ||
	    (connect(stream->fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)) {
		stream_drop(stream);
		return false;
	}
	stream->step = STREAM_CONNECTING;
	stream->error[0] = 0;
	stream->deaf = false;
	wait_for(streams, stream, EPOLL_CTL_ADD);
	write_text(streams, stream, header);
	return true;
}

void stream_say_instead(struct stream *stream, const char *text, size_t len)
{
	bytes_drop(&stream->out, stream->out.len);
	if (len)
		bytes_add(&stream->out, text, len);
}

void stream_deafen(struct streams *streams, struct stream *stream)
{
	stream->deaf = true;
	wait_for(streams, stream, EPOLL_CTL_MOD);
}

void stream_drop(struct stream *stream)
{
	tls_end(&stream->tls);
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
	stream->step = STREAM_CLOSED;
	bytes_drop(&stream->in, stream->in.len);
	bytes_drop(&stream->out, stream->out.len);
}

/* -- in --------------------------------------------------------------------------------------------- */

static void begin_login(struct streams *streams, struct stream *stream)
{
	const struct stream_owner *owner = streams->owner;
	char text[SCRAM_TEXT];

	stream->step = STREAM_AUTH;
	if (owner->mechanism)
		scram_begin(&stream->scram, owner->mechanism, owner->user(stream), text);
	else
		plain_begin(owner->user(stream), owner->password, text);
	write_text(streams, stream, text);
}

static void closed(struct streams *streams, struct stream *stream, const char *why)
{
	char said[60];

	snprintf(said, sizeof(said), "%s%s%s", stream->step == STREAM_OPEN ? "" : "login: ", stream->error[0] ? stream->error : why,
		 stream->error[0] ? " error" : "");
	stream_drop(stream);
	streams->owner->closed(stream, said);
}

static void shake_hands(struct streams *streams, struct stream *stream)
{
	int done = tls_handshake(&stream->tls);

	if (done < 0) {
		closed(streams, stream, "TLS");
	} else if (done) {
		stream->step = STREAM_HEADER;
		flush(streams, stream);
	}
}

static void secure(struct streams *streams, struct stream *stream)
{
	stream->step = STREAM_HANDSHAKE;
	tls_begin(streams->tls, &stream->tls, stream->fd);
	wait_for(streams, stream, EPOLL_CTL_MOD);
	shake_hands(streams, stream);
}

static void connected(struct streams *streams, struct stream *stream)
{
	static const enum stream_step next[] = {STREAM_HEADER, STREAM_STARTING, STREAM_HANDSHAKE};

	stream->step = next[streams->owner->protection];
	if (stream->step == STREAM_HANDSHAKE)
		secure(streams, stream);
	else
		flush(streams, stream);
}

/* Text like <stream:error><conflict xmlns=…: the name of the second element. */
static void keep_condition(struct stream *stream, const char *text, size_t len)
{
	const char *at = memchr(text + 1, '<', len - 1);
	size_t count = 0;

	while (at && ++at < text + len && count + 1 < sizeof(stream->error) && strchr(" />", *at) == NULL)
		stream->error[count++] = *at;
	stream->error[count] = 0;
}

/* The server's answer to what was said last of a login. False: it failed. */
static bool log_in(struct streams *streams, struct stream *stream, const char *text, size_t len)
{
	char answer[SCRAM_TEXT];

	if (element_has(text, len, "<success")) {
		stream->step = STREAM_HEADER2;
		write_text(streams, stream, header);
		return true;
	}
	if (!element_has(text, len, "<challenge") ||
	    !scram_answer(&stream->scram, &streams->keys, streams->owner->password, text, len, answer))
		return false;
	write_text(streams, stream, answer);
	return true;
}

static void start_tls(struct streams *streams, struct stream *stream, const char *text, size_t len)
{
	if (stream->step == STREAM_STARTING && element_has(text, len, "<starttls")) {
		stream->step = STREAM_PROCEED;
		write_text(streams, stream, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	} else if (stream->step == STREAM_PROCEED && element_has(text, len, "<proceed")) {
		bytes_add(&stream->out, header, sizeof(header) - 1);
		secure(streams, stream);
	} else {
		closed(streams, stream, "no TLS");
	}
}

static void take(struct streams *streams, struct stream *stream, const char *text, size_t len)
{
	if (element_has(text, len < 14 ? len : 14, "<stream:error")) {
		keep_condition(stream, text, len);
	} else if (stream->step == STREAM_OPEN) {
		streams->owner->element(stream, text, len);
	} else if (stream->step == STREAM_STARTING || stream->step == STREAM_PROCEED) {
		start_tls(streams, stream, text, len);
	} else if (stream->step == STREAM_HEADER2 || (stream->step == STREAM_HEADER && stream->anonymous)) {
		stream->step = STREAM_OPEN;
		streams->owner->open(stream);
	} else if (stream->step == STREAM_HEADER) {
		begin_login(streams, stream);
	} else if (!log_in(streams, stream, text, len)) {
		keep_condition(stream, text, len);
		closed(streams, stream, "refused");
	}
}

/* One thing after the other; the owner may drop the stream meanwhile. */
static void split(struct streams *streams, struct stream *stream)
{
	struct bytes in = stream->in;
	size_t at = 0, len;
	int fd = stream->fd;

	stream->in = (struct bytes){0};
	while (stream->fd == fd && (len = thing(in.at + at, in.len - at))) {
		const char *text = memchr(in.at + at, '<', len);
		size_t count = (size_t)(in.at + at + len - text);

		at += len;
		if (text[1] == '/')
			closed(streams, stream, "server's </stream>");
		else if (text[1] != '?' && memcmp(text, "<stream:stream ", count < 15 ? count : 15) != 0)
			take(streams, stream, text, count);
	}
	if (stream->fd == fd && at < in.len)
		bytes_add(&stream->in, in.at + at, in.len - at);
	free(in.at);
}

static void readable(struct streams *streams, struct stream *stream)
{
	static char some[READ];
	ssize_t got;
	int fd = stream->fd;

	do {
		got = get(stream, some, sizeof(some));
		if (got > 0) {
			bytes_add(&stream->in, some, (size_t)got);
			split(streams, stream);
		} else if (got == 0 || errno != EAGAIN) {
			closed(streams, stream, got == 0 ? "server's FIN" : errno == ECONNREFUSED ? "refused connection" : "reset");
		}
	} while (got > 0 && stream->fd == fd && !stream->deaf && tls_has_more(&stream->tls));
}

static void ready(struct streams *streams, struct stream *stream, uint32_t events)
{
	const uint32_t ends = EPOLLHUP | EPOLLERR | EPOLLRDHUP;

	if (events & EPOLLOUT && stream->step == STREAM_CONNECTING)
		connected(streams, stream);
	else if (events & EPOLLOUT)
		flush(streams, stream);
	if (stream->fd < 0 || !(events & (EPOLLIN | ends)))
		return;
	if (stream->deaf)
		closed(streams, stream, "cut off");
	else if (stream->step == STREAM_HANDSHAKE)
		shake_hands(streams, stream);
	else
		readable(streams, stream);
}

void streams_turn(struct streams *streams, int ms)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(streams->epoll, events, EVENTS, ms);

	for (int at = 0; at < count; at++) {
		struct stream *stream = events[at].data.ptr;

		if (!stream)
			streams->readable(streams->watched);
		else if (stream->fd >= 0)
			ready(streams, stream, events[at].events);
	}
}
