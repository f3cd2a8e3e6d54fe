/* SPDX-License-Identifier: MIT */
/*
 * A load of XMPP clients on one loop, cheap enough to leave the server the bottleneck.
 *
 *   load --port P --count N --seconds S --mode chat|open|idle|login|register [--rate MESSAGES] [--at-once LOGINS]
 *        [--prefix user] [--first NUMBER] [--password secret] [--tls no|starttls|direct] [--mechanism PLAIN|SCRAM-SHA-1|SCRAM-SHA-256]
 *
 * chat: pairs, each session has one message in flight, closed loop; prints "measure" when the timed part begins, then one
 * line of JSON. open: the same pairs write at a rate, all together, whatever comes back; a message's latency counts from when it
 * was due. login: each in turn logs in, binds and goes, some at a time; no handshake is shortened. idle: prints "idle" when all are
 * bound, waits for a line on stdin: "chat" lets one of a hundred chat, and it waits again. register: makes the accounts (XEP-0077).
 * Only talks to 127.0.0.1, and stops by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "stream.h"

enum { AT_ONCE = 32, LOGINS_AT_ONCE = 16, LIMIT_S = 300, STRAGGLERS_S = 30, RANGE = 10000 /* connections an address */ };

struct client {
	struct stream stream;
	int number;
	bool ready;
	uint64_t sent, received;
};

static struct {
	struct streams *streams;
	int port, first, count, seconds, rate, at_once, next, busy, ready;
	int chatting; /* the first of them */
	const char *mode, *prefix;
	struct client *clients;
	bool measuring, stopping;
	uint64_t messages, logins, failed;
	uint64_t begin_ns, due; /* of an open loop: when it began, how many were written */
	uint32_t *latency_us;	/* of those that were measured */
} load = {.port = 5222, .count = 500, .seconds = 10, .rate = 1000, .at_once = LOGINS_AT_ONCE, .mode = "chat", .prefix = "user"};

static struct client *client_of(const struct stream *stream)
{
	return (struct client *)stream; /* its first field */
}

static bool logs_in(void);
static void next_login(struct client *client);

/* Some servers fail now and then under a load of logins. */
static void die(struct stream *stream, const char *why)
{
	if (logs_in() && !load.stopping) {
		load.failed += load.measuring;
		next_login(client_of(stream));
		return;
	}
	if (logs_in())
		return;
	fprintf(stderr, "load: client %d: %s\n", client_of(stream)->number, why);
	exit(1);
}

static bool logs_in(void)
{
	return strcmp(load.mode, "login") == 0;
}

static bool registers(void)
{
	return strcmp(load.mode, "register") == 0;
}

static void message(struct client *client, uint64_t number)
{
	char text[400];
	int len = sprintf(text, "<message to='%s%d@localhost/load' type='chat' id='m%llu'><body>%0100llu</body></message>", load.prefix,
			  load.first + (client->number ^ 1), (unsigned long long)number, (unsigned long long)number);

	client->sent++;
	stream_write(load.streams, &client->stream, text, (size_t)len);
}

/* -- an open loop ----------------------------------------------------------------------------------- */

static bool is_open(void)
{
	return strcmp(load.mode, "open") == 0;
}

static uint64_t due_ns(uint64_t number)
{
	return load.begin_ns + number * 1000000000 / (uint64_t)load.rate;
}

static void write_due(int fd)
{
	uint64_t ticks;

	if (read(fd, &ticks, sizeof(ticks)) != sizeof(ticks) || load.stopping)
		return;
	for (uint64_t now = now_ns(); due_ns(load.due) <= now; load.due++)
		message(&load.clients[load.due % (uint64_t)load.chatting], load.due);
}

static void write_at_rate(void)
{
	long ns = 1000000000L / load.rate;
	struct itimerspec every = {.it_interval.tv_nsec = ns};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	load.begin_ns = now_ns() + (uint64_t)ns;
	every.it_value.tv_sec = (time_t)(load.begin_ns / 1000000000);
	every.it_value.tv_nsec = (long)(load.begin_ns % 1000000000);
	load.latency_us = calloc((size_t)load.rate * (size_t)(load.seconds + 1), sizeof(*load.latency_us));
	streams_watch(load.streams, fd, write_due);
	timerfd_settime(fd, TFD_TIMER_ABSTIME, &every, NULL);
}

static void came(const char *text, size_t len)
{
	char id[32];

	if (!is_open() || !element_attribute(text, len, "id", id, sizeof(id)) ||
	    load.messages >= (uint64_t)load.rate * (uint64_t)(load.seconds + 1))
		return;
	load.latency_us[load.messages] = (uint32_t)((now_ns() - due_ns(strtoull(id + 1, NULL, 10))) / 1000);
}

static int by_size(const void *one, const void *other)
{
	uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

	return (a > b) - (a < b);
}

static void print_latencies(void)
{
	uint64_t count = load.messages;

	if (!is_open() || !count)
		return;
	qsort(load.latency_us, count, sizeof(*load.latency_us), by_size);
	printf(", \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u", load.latency_us[count / 2], load.latency_us[count * 99 / 100],
	       load.latency_us[count - 1]);
}

/* -- logging in ------------------------------------------------------------------------------------- */

static const char *user_of(const struct stream *stream)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s%d", load.prefix, load.first + client_of(stream)->number);
	return name;
}

static void opened(struct stream *stream);
static void element(struct stream *stream, const char *text, size_t len);

static struct stream_owner owner = {
	.open = opened, .element = element, .closed = die, .user = user_of, .password = "secret"};

static void opened(struct stream *stream)
{
	char text[400];
	int len = registers() ? sprintf(text, "<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>%s</username>"
					      "<password>%s</password></query></iq>", user_of(stream), owner.password)
			      : sprintf(text, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
					      "<resource>load</resource></bind></iq>");

	stream_write(load.streams, stream, text, (size_t)len);
}

static void finish(struct client *client)
{
	client->ready = true;
	load.busy--;
	load.ready++;
	if (registers())
		stream_drop(&client->stream);
	else
		stream_write(load.streams, &client->stream, "<presence/>", 11);
}

/* Its keys stay: to make them is the client's affair, and costs more than all that is measured. */
static void next_login(struct client *client)
{
	struct client *next = &load.clients[load.next++ % load.count];

	stream_drop(&client->stream);
	tls_forget(&client->stream.tls);
	if (!load.stopping && !stream_connect(load.streams, &next->stream, load.port, (unsigned)next->number))
		die(&next->stream, "cannot connect");
}

/* Each message that arrived lets its sender go on. */
static void element(struct stream *stream, const char *text, size_t len)
{
	struct client *client = client_of(stream);

	if (logs_in()) {
		load.logins += load.measuring;
		stream_write(load.streams, stream, "</stream:stream>", 16);
		next_login(client);
	} else if (!client->ready && (element_has(text, len, "result") || element_has(text, len, "conflict"))) {
		finish(client);
	} else if (!client->ready) {
		die(stream, "refused");
	} else if (len > 8 && memcmp(text, "<message", 8) == 0) {
		client->received++;
		if (load.measuring)
			came(text, len);
		load.messages += load.measuring;
		if (!load.stopping && !is_open())
			message(&load.clients[client->number ^ 1], load.clients[client->number ^ 1].sent);
	}
}

static void connect_next(void)
{
	struct client *client = &load.clients[load.next];

	client->number = load.next++;
	client->stream.anonymous = registers();
	if (!stream_connect(load.streams, &client->stream, load.port, (unsigned)client->number / RANGE))
		die(&client->stream, "cannot connect");
	load.busy++;
}

/* -- all of it ---------------------------------------------------------------------------------------- */

static void run_until(double end)
{
	while (now_s() < end)
		streams_turn(load.streams, 20);
}

static long long under_way(void)
{
	long long count = 0;

	for (int at = 0; at < load.count; at++)
		count += (long long)(load.clients[at].sent - load.clients[at].received);
	return count;
}

static void measure(void)
{
	double begin;

	if (is_open())
		write_at_rate();
	for (int at = 0; !is_open() && at < load.chatting; at++)
		message(&load.clients[at], 0);
	run_until(now_s() + 1);
	load.measuring = true;
	printf("measure\n");
	begin = now_s();
	run_until(begin + load.seconds);
	load.measuring = false;
	begin = now_s() - begin;
	load.stopping = true;
	printf("{\"messages\": %llu, \"seconds\": %.3f", (unsigned long long)load.messages, begin);
	print_latencies();
	fflush(stdout);
	for (double end = now_s() + STRAGGLERS_S; under_way() && now_s() < end;)
		run_until(now_s() + 0.1);
	printf(", \"lost\": %lld}\n", under_way());
	load.stopping = false;
}

/* All have logged in once before it is measured: their keys are made. */
static void measure_logins(void)
{
	double begin;

	for (load.next = 0; load.next < load.at_once;) {
		struct client *client = &load.clients[load.next++];

		if (!stream_connect(load.streams, &client->stream, load.port, (unsigned)client->number))
			die(&client->stream, "cannot connect");
	}
	while (load.next < load.count + load.at_once)
		streams_turn(load.streams, 20);
	load.measuring = true;
	printf("measure\n");
	begin = now_s();
	run_until(begin + load.seconds);
	load.measuring = false;
	load.stopping = true;
	printf("{\"logins\": %llu, \"failed\": %llu, \"seconds\": %.3f}\n", (unsigned long long)load.logins,
	       (unsigned long long)load.failed, now_s() - begin);
	run_until(now_s() + 0.5);
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
		else if (strcmp(argv[at], "--first") == 0)
			load.first = atoi(argv[at + 1]);
		else if (strcmp(argv[at], "--rate") == 0)
			load.rate = atoi(argv[at + 1]);
		else if (strcmp(argv[at], "--at-once") == 0)
			load.at_once = atoi(argv[at + 1]);
		else if (strcmp(argv[at], "--mode") == 0)
			load.mode = argv[at + 1];
		else if (strcmp(argv[at], "--prefix") == 0)
			load.prefix = argv[at + 1];
		else if (strcmp(argv[at], "--password") == 0)
			owner.password = argv[at + 1];
		else if (!stream_option(&owner, argv[at], argv[at + 1])) {
			fprintf(stderr, "load: unknown: %s %s\n", argv[at], argv[at + 1]);
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	double end = now_s() + LIMIT_S;
	char line[16];

	options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	load.clients = calloc((size_t)load.count, sizeof(struct client));
	load.streams = streams_new(&owner);
	for (int at = 0; at < load.count; at++)
		load.clients[at] = (struct client){.stream.fd = -1, .number = at};
	if (logs_in()) {
		measure_logins();
		return 0;
	}
	while (load.ready < load.count && now_s() < end) {
		while (load.busy < AT_ONCE && load.next < load.count)
			connect_next();
		streams_turn(load.streams, 100);
	}
	if (load.ready < load.count) {
		fprintf(stderr, "load: only %d of %d got in\n", load.ready, load.count);
		return 1;
	}
	load.chatting = load.count;
	run_until(now_s() + 1);
	if (strcmp(load.mode, "chat") == 0 || is_open()) {
		measure();
	} else if (strcmp(load.mode, "idle") == 0) {
		printf("idle\n");
		load.chatting = load.count / 200 * 2;
		while (fgets(line, sizeof(line), stdin) && strcmp(line, "chat\n") == 0)
			measure();
	}
	return 0;
}
