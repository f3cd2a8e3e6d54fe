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
	bool out = stream->out.len || stream->step == STREAM_CONNECTING;
	struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = stream};

	epoll_ctl(streams->epoll, operation, stream->fd, &event);
}

void stream_write(struct streams *streams, struct stream *stream, const char *text, size_t len)
{
	ssize_t sent = 0;

	if (stream->fd < 0)
		return;
	if (!stream->out.len && stream->step != STREAM_CONNECTING)
		sent = send(stream->fd, text, len, MSG_NOSIGNAL);
	if (sent < 0)
		sent = 0; /* a broken connection says so when it is read */
	if ((size_t)sent == len)
		return;
	bytes_add(&stream->out, text + sent, len - (size_t)sent);
	wait_for(streams, stream, EPOLL_CTL_MOD);
}

static void writable(struct streams *streams, struct stream *stream)
{
	ssize_t sent;

	if (stream->step == STREAM_CONNECTING)
		stream->step = STREAM_HEADER;
	sent = stream->out.len ? send(stream->fd, stream->out.at, stream->out.len, MSG_NOSIGNAL) : 0;
	if (sent > 0)
		bytes_drop(&stream->out, (size_t)sent);
	wait_for(streams, stream, EPOLL_CTL_MOD);
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
	wait_for(streams, stream, EPOLL_CTL_ADD);
	stream_write(streams, stream, header, sizeof(header) - 1);
	return true;
}

void stream_drop(struct stream *stream)
{
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
	stream->step = STREAM_CLOSED;
	bytes_drop(&stream->in, stream->in.len);
	bytes_drop(&stream->out, stream->out.len);
}

/* -- in --------------------------------------------------------------------------------------------- */

static void plain(struct streams *streams, struct stream *stream)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char raw[128] = {0};
	char text[400];
	int len, at = sprintf(text, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>");

	len = 1 + snprintf((char *)raw + 1, sizeof(raw) - 4, "%s%c%s", streams->owner->user(stream), 0, streams->owner->password);
	for (int from = 0; from < len; from += 3) {
		unsigned group = (unsigned)raw[from] << 16 | (unsigned)raw[from + 1] << 8 | raw[from + 2];

		text[at++] = digits[group >> 18];
		text[at++] = digits[group >> 12 & 63];
		text[at++] = from + 1 < len ? digits[group >> 6 & 63] : '=';
		text[at++] = from + 2 < len ? digits[group & 63] : '=';
	}
	at += sprintf(text + at, "</auth>");
	stream_write(streams, stream, text, (size_t)at);
}

static void closed(struct streams *streams, struct stream *stream, const char *why)
{
	char said[60];

	snprintf(said, sizeof(said), "%s%s%s", stream->step == STREAM_OPEN ? "" : "login: ", stream->error[0] ? stream->error : why,
		 stream->error[0] ? " error" : "");
	stream_drop(stream);
	streams->owner->closed(stream, said);
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

static void take(struct streams *streams, struct stream *stream, const char *text, size_t len)
{
	if (element_has(text, len < 14 ? len : 14, "<stream:error")) {
		keep_condition(stream, text, len);
	} else if (stream->step == STREAM_OPEN) {
		streams->owner->element(stream, text, len);
	} else if (stream->step == STREAM_HEADER2 || (stream->step == STREAM_HEADER && stream->anonymous)) {
		stream->step = STREAM_OPEN;
		streams->owner->open(stream);
	} else if (stream->step == STREAM_HEADER) {
		stream->step = STREAM_AUTH;
		plain(streams, stream);
	} else if (stream->step == STREAM_AUTH && element_has(text, len, "<success")) {
		stream->step = STREAM_HEADER2;
		stream_write(streams, stream, header, sizeof(header) - 1);
	} else {
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
	ssize_t got = recv(stream->fd, some, sizeof(some), 0);

	if (got > 0) {
		bytes_add(&stream->in, some, (size_t)got);
		split(streams, stream);
	} else if (got == 0 || errno != EAGAIN) {
		closed(streams, stream, got == 0 ? "server's FIN" : errno == ECONNREFUSED ? "refused connection" : "reset");
	}
}

void streams_turn(struct streams *streams, int ms)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(streams->epoll, events, EVENTS, ms);

	for (int at = 0; at < count; at++) {
		struct stream *stream = events[at].data.ptr;

		if (!stream) {
			streams->readable(streams->watched);
			continue;
		}
		if (events[at].events & EPOLLOUT && stream->fd >= 0)
			writable(streams, stream);
		if (events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && stream->fd >= 0)
			readable(streams, stream);
	}
}
