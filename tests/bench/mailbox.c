/* SPDX-License-Identifier: MIT */
/*
 * Messages for people who are away, and their coming back.
 *
 *   mailbox --port P --count N [--each M] [--password secret]
 *
 * user0 to user<SENDERS-1> write M messages to each of the N after them, who are bound but not available; a ping behind some of
 * them says when these were handled. Prints "measure" and a line of JSON when all are stored; then "measure" again: all become
 * available and hear what was kept, and a line of JSON says whether it came.
 * Only talks to 127.0.0.1, and stops by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "stream.h"

enum { SENDERS = 50, BATCH = 25, AT_ONCE = 32, LIMIT_S = 280, QUIET_S = 1 };

struct client {
	struct stream stream;
	int number;
	bool ready;
	int written; /* of those that it has to write */
};

static struct {
	struct streams *streams;
	int port, count, each, next, busy, ready, writing;
	struct client *clients;
	bool draining;
	uint64_t sent, received;
} load = {.port = 5222, .count = 200, .each = 50};

static struct client *client_of(const struct stream *stream)
{
	return (struct client *)stream; /* its first field */
}

static void die(struct stream *stream, const char *why)
{
	fprintf(stderr, "mailbox: client %d: %s\n", client_of(stream)->number, why);
	exit(1);
}

static const char *user_of(const struct stream *stream)
{
	static char name[64];

	snprintf(name, sizeof(name), "user%d", client_of(stream)->number);
	return name;
}

static void opened(struct stream *stream)
{
	static const char bind[] = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>load</resource></bind></iq>";

	stream_write(load.streams, stream, bind, sizeof(bind) - 1);
}

static int to_write(const struct client *client)
{
	return (load.count - client->number + SENDERS - 1) / SENDERS * load.each;
}

static void write_batch(struct client *client)
{
	static const char ping[] = "<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>";
	char text[400];
	int left = to_write(client) - client->written;

	load.writing -= left == 0;
	for (int at = 0; at < BATCH && at < left; at++) {
		int to = SENDERS + client->number + client->written++ / load.each * SENDERS;
		int len = sprintf(text, "<message to='user%d@localhost' type='chat' id='m%d'><body>%0100d</body></message>", to,
				  client->written, client->written);

		load.sent++;
		stream_write(load.streams, &client->stream, text, (size_t)len);
	}
	if (left)
		stream_write(load.streams, &client->stream, ping, sizeof(ping) - 1);
}

static void element(struct stream *stream, const char *text, size_t len)
{
	struct client *client = client_of(stream);

	if (!client->ready && element_has(text, len, "result")) {
		client->ready = true;
		load.busy--;
		load.ready++;
		if (client->number < SENDERS)
			stream_write(load.streams, stream, "<presence/>", 11);
	} else if (!client->ready) {
		die(stream, "refused");
	} else if (len > 8 && memcmp(text, "<message", 8) == 0) {
		if (element_has(text, len, "type='error'") || element_has(text, len, "type=\"error\""))
			die(stream, text);
		load.received += load.draining && client->number >= SENDERS;
	} else if (client->number < SENDERS && memcmp(text, "<iq", 3) == 0) {
		write_batch(client);
	}
}

static struct stream_owner owner = {
	.open = opened, .element = element, .closed = die, .user = user_of, .password = "secret"};

static void turn_for(double seconds)
{
	for (double end = now_s() + seconds; now_s() < end;)
		streams_turn(load.streams, 20);
}

static void log_in(int all, double end)
{
	while (load.ready < all && now_s() < end) {
		while (load.busy < AT_ONCE && load.next < all) {
			struct client *client = &load.clients[load.next++];

			if (!stream_connect(load.streams, &client->stream, load.port, (unsigned)client->number))
				die(&client->stream, "cannot connect");
			load.busy++;
		}
		streams_turn(load.streams, 100);
	}
	turn_for(QUIET_S);
}

static void store(double end)
{
	double begin = now_s();

	printf("measure\n");
	load.writing = SENDERS;
	for (int at = 0; at < SENDERS; at++)
		write_batch(&load.clients[at]);
	while (load.writing && now_s() < end)
		streams_turn(load.streams, 20);
	begin = now_s() - begin;
	turn_for(QUIET_S);
	printf("{\"messages\": %llu, \"seconds\": %.3f}\n", (unsigned long long)load.sent, begin);
}

static void drain(int all, double end)
{
	double begin = now_s();

	load.draining = true;
	printf("measure\n");
	for (int at = SENDERS; at < all; at++)
		stream_write(load.streams, &load.clients[at].stream, "<presence/>", 11);
	while (load.received < load.sent && now_s() < end)
		streams_turn(load.streams, 20);
	begin = now_s() - begin;
	turn_for(QUIET_S);
	printf("{\"messages\": %llu, \"seconds\": %.3f, \"lost\": %lld}\n", (unsigned long long)load.received, begin,
	       (long long)(load.sent - load.received));
}

int main(int argc, char **argv)
{
	double end = now_s() + LIMIT_S;
	int all;

	for (int at = 1; at + 1 < argc; at += 2) {
		if (strcmp(argv[at], "--port") == 0)
			load.port = atoi(argv[at + 1]);
		else if (strcmp(argv[at], "--count") == 0)
			load.count = atoi(argv[at + 1]);
		else if (strcmp(argv[at], "--each") == 0)
			load.each = atoi(argv[at + 1]);
		else if (strcmp(argv[at], "--password") == 0)
			owner.password = argv[at + 1];
		else if (strcmp(argv[at], "--mode") != 0 && !stream_option(&owner, argv[at], argv[at + 1])) {
			fprintf(stderr, "mailbox: unknown: %s %s\n", argv[at], argv[at + 1]);
			return 1;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	all = SENDERS + load.count;
	load.clients = calloc((size_t)all, sizeof(struct client));
	load.streams = streams_new(&owner);
	for (int at = 0; at < all; at++)
		load.clients[at] = (struct client){.stream.fd = -1, .number = at};
	log_in(all, end);
	if (load.ready < all) {
		fprintf(stderr, "mailbox: only %d of %d got in\n", load.ready, all);
		return 1;
	}
	store(end);
	drain(all, end);
	return 0;
}
