/* SPDX-License-Identifier: MIT */
/*
 * A load of XMPP clients on one loop, cheap enough to leave the server the bottleneck.
 *
 *   load --port P --count N --seconds S --mode chat|idle|register [--prefix user] [--password secret]
 *
 * chat: pairs, each session has one message in flight, closed loop; prints "measure" when the timed part begins, then one
 * line of JSON. idle: prints "idle" when all are bound, waits for a line on stdin. register: makes the accounts (XEP-0077).
 * Only talks to 127.0.0.1, and stops by itself.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { IN = 16384, AT_ONCE = 32, LIMIT_S = 300 };

enum step { CONNECT, HEADER, AUTH, HEADER2, BIND, READY, REGISTER, DONE };

struct client {
	int fd, number;
	enum step step;
	char in[IN];
	size_t len;
	uint64_t sent, received;
};

static struct {
	int port, count, seconds, epoll, next, busy, ready;
	const char *mode, *prefix, *password;
	struct client *clients;
	bool measuring, stopping;
	uint64_t messages;
} load = {.port = 5222, .count = 500, .seconds = 10, .mode = "chat", .prefix = "user", .password = "secret"};

static double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void die(const char *what, const struct client *client)
{
	fprintf(stderr, "load: %s: client %d step %d: %.*s\n", what, client->number, client->step, (int)client->len, client->in);
	exit(1);
}

static void say(struct client *client, const char *text, size_t len)
{
	while (len) {
		ssize_t sent = write(client->fd, text, len);

		if (sent < 0 && errno == EAGAIN)
			continue;
		if (sent <= 0)
			die("write", client);
		text += sent;
		len -= (size_t)sent;
	}
}

static void header(struct client *client)
{
	static const char text[] = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
				   "xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>";

	say(client, text, sizeof(text) - 1);
	client->len = 0;
}

static void plain(struct client *client)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char raw[128] = {0};
	char text[400];
	int len = 1 + sprintf((char *)raw + 1, "%s%d", load.prefix, client->number) + 1, at;

	len += sprintf((char *)raw + len, "%s", load.password);
	at = sprintf(text, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>");
	for (int from = 0; from < len; from += 3) {
		unsigned group = (unsigned)raw[from] << 16 | (unsigned)raw[from + 1] << 8 | raw[from + 2];

		text[at++] = digits[group >> 18];
		text[at++] = digits[group >> 12 & 63];
		text[at++] = from + 1 < len ? digits[group >> 6 & 63] : '=';
		text[at++] = from + 2 < len ? digits[group & 63] : '=';
	}
	at += sprintf(text + at, "</auth>");
	say(client, text, (size_t)at);
}

static void connect_next(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load.port)};
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct client *client = &load.clients[load.next];
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	int one = 1;

	client->number = load.next++;
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)client->number / 10000);
	if (client->fd < 0 || bind(client->fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(client->fd, (struct sockaddr *)&to, sizeof(to)))
		die(strerror(errno), client);
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(client->fd, F_SETFL, O_NONBLOCK);
	epoll_ctl(load.epoll, EPOLL_CTL_ADD, client->fd, &event);
	client->step = HEADER;
	load.busy++;
	header(client);
}

static void message(struct client *client)
{
	char text[400];
	int len = sprintf(text, "<message to='%s%d@localhost/load' type='chat' id='m%llu'><body>%0100llu</body></message>", load.prefix,
			  client->number ^ 1, (unsigned long long)client->sent, (unsigned long long)client->sent);

	client->sent++;
	say(client, text, (size_t)len);
}

static bool has(struct client *client, const char *text)
{
	return memmem(client->in, client->len, text, strlen(text)) != NULL;
}

static void finished(struct client *client)
{
	client->step = strcmp(load.mode, "register") == 0 ? DONE : READY;
	client->len = 0;
	load.busy--;
	load.ready++;
	if (client->step == DONE)
		close(client->fd);
}

static void negotiate(struct client *client)
{
	char text[400];

	if (client->step == HEADER && has(client, "</stream:features>")) {
		client->len = 0;
		if (strcmp(load.mode, "register") == 0) {
			client->step = REGISTER;
			say(client, text, (size_t)sprintf(text, "<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>%s%d"
							"</username><password>%s</password></query></iq>", load.prefix, client->number,
							load.password));
			return;
		}
		client->step = AUTH;
		plain(client);
	} else if (client->step == AUTH && has(client, "<success")) {
		client->step = HEADER2;
		header(client);
	} else if (client->step == HEADER2 && has(client, "</stream:features>")) {
		client->step = BIND;
		client->len = 0;
		say(client, text, (size_t)sprintf(text, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
						"<resource>load</resource></bind></iq>"));
	} else if (client->step == BIND && has(client, "</iq>")) {
		say(client, "<presence/>", 11);
		finished(client);
	} else if (client->step == REGISTER && (has(client, "result") || has(client, "conflict"))) {
		finished(client);
	} else if (has(client, "<failure") || has(client, "stream:error")) {
		die("refused", client);
	}
}

/* Each message that arrived lets its sender go on. */
static void chat(struct client *client)
{
	char *at = client->in, *end = client->in + client->len, *found;

	while ((found = memmem(at, (size_t)(end - at), "</message>", 10))) {
		struct client *peer = &load.clients[client->number ^ 1];

		at = found + 10;
		client->received++;
		if (load.measuring)
			load.messages++;
		if (!load.stopping)
			message(peer);
	}
	client->len = (size_t)(end - at);
	memmove(client->in, at, client->len);
	if (client->len == IN)
		client->len = 0;
}

static void readable(struct client *client)
{
	ssize_t got = read(client->fd, client->in + client->len, IN - client->len);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0)
		die("closed", client);
	client->len += (size_t)got;
	if (client->step == READY)
		chat(client);
	else
		negotiate(client);
}

static void turn(int ms)
{
	struct epoll_event events[256];
	int count = epoll_wait(load.epoll, events, 256, ms);

	for (int at = 0; at < count; at++)
		readable(events[at].data.ptr);
}

static void run_until(double end)
{
	while (now() < end)
		turn(20);
}

static void measure(void)
{
	uint64_t sent = 0, received = 0;
	double begin;

	for (int at = 0; at < load.count; at++)
		message(&load.clients[at]);
	run_until(now() + 1);
	load.measuring = true;
	printf("measure\n");
	begin = now();
	run_until(begin + load.seconds);
	load.measuring = false;
	begin = now() - begin;
	load.stopping = true;
	printf("{\"messages\": %llu, \"seconds\": %.3f", (unsigned long long)load.messages, begin);
	run_until(now() + 1);
	for (int at = 0; at < load.count; at++) {
		sent += load.clients[at].sent;
		received += load.clients[at].received;
	}
	printf(", \"lost\": %lld}\n", (long long)(sent - received));
}

static void options(int argc, char **argv)
{
	for (int at = 1; at + 1 < argc; at += 2) {
		if (strcmp(argv[at], "--port") == 0)
			load.port = atoi(argv[at + 1]);
		else if (strcmp(argv[at], "--count") == 0)
			load.count = atoi(argv[at + 1]) / 2 * 2;
		else if (strcmp(argv[at], "--seconds") == 0)
			load.seconds = atoi(argv[at + 1]);
		else if (strcmp(argv[at], "--mode") == 0)
			load.mode = argv[at + 1];
		else if (strcmp(argv[at], "--prefix") == 0)
			load.prefix = argv[at + 1];
		else if (strcmp(argv[at], "--password") == 0)
			load.password = argv[at + 1];
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	double end = now() + LIMIT_S;
	char line[16];

	options(argc, argv);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	setvbuf(stdout, NULL, _IOLBF, 0);
	load.clients = calloc((size_t)load.count, sizeof(struct client));
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	while (load.ready < load.count && now() < end) {
		while (load.busy < AT_ONCE && load.next < load.count)
			connect_next();
		turn(100);
	}
	if (load.ready < load.count) {
		fprintf(stderr, "load: only %d of %d got in\n", load.ready, load.count);
		return 1;
	}
	if (strcmp(load.mode, "chat") == 0) {
		run_until(now() + 0.5);
		measure();
	} else if (strcmp(load.mode, "idle") == 0) {
		run_until(now() + 1);
		printf("idle\n");
		if (!fgets(line, sizeof(line), stdin))
			return 0;
	}
	return 0;
}
