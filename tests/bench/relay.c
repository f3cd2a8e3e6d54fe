/* SPDX-License-Identifier: MIT */
/*
 * The floor: what a server of one thread costs that does nothing but read, parse with expat (namespaces on) and write.
 *
 *   relay [raw]
 *
 * Prints its port on 127.0.0.1. Lets everybody in, by PLAIN or with as many exchanges as SCRAM has, proving nothing; binds what is asked
 * for, and hands each message's bytes on to the client "…NUMBER@…" that it is for. raw: what is for somebody is found by a search in the text, and nothing is parsed. Ends with its stdin.
 */
#include <arpa/inet.h>
#include <expat.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ = 16384, EVENTS = 512, CLIENTS = 20000, LIMIT_S = 300 };

struct client {
	int fd, number;
	unsigned depth;
	bool in; /* logged in */
	bool challenged;
	XML_Parser parser;
	size_t at; /* bytes of earlier reads */
	int to;	   /* of the message that is read now; -1: none */
	size_t begin;
};

static struct {
	int epoll, listener;
	bool raw;
	struct client *of[CLIENTS]; /* by number, once they are in */
	struct client *reading;
	const char *bytes; /* of this read */
} relay;

static void say(const struct client *client, const char *text, size_t len)
{
	if (send(client->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len) {
		fprintf(stderr, "relay: client %d does not read\n", client->number);
		exit(1);
	}
}

static void say_text(const struct client *client, const char *text)
{
	say(client, text, strlen(text));
}

/* "…NUMBER@…" */
static int number_of(const char *name, size_t len)
{
	const char *at = memchr(name, '@', len);
	int number = 0, scale = 1;

	while (at && at > name && at[-1] >= '0' && at[-1] <= '9') {
		number += (*--at - '0') * scale;
		scale *= 10;
	}
	return number < CLIENTS ? number : -1;
}

static void hand_on(int to, const char *text, size_t len)
{
	if (to >= 0 && relay.of[to])
		say(relay.of[to], text, len);
}

/* -- with expat ------------------------------------------------------------------------------------------- */

static void reset(struct client *client);

/* Of the user's name between two zeros, or before SCRAM's nonce: user7. */
static void log_in(struct client *client, const char *base64, int len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char name[200];
	char *end;
	size_t count = 0;

	for (int at = 0; at + 4 <= len && count + 4 < sizeof(name); at += 4) {
		unsigned bits = 0;

		for (int digit = 0; digit < 4; digit++) {
			const char *found = strchr(digits, base64[at + digit]);

			bits = bits << 6 | (found ? (unsigned)(found - digits) : 0);
		}
		name[count++] = (char)(bits >> 16);
		name[count++] = (char)(bits >> 8);
		name[count++] = (char)bits;
	}
	name[count] = 0;
	end = client->challenged ? strstr(name, ",r=") : name + 1 + strlen(name + 1);
	if (!end)
		return;
	*end = '@';
	client->number = number_of(name, (size_t)(end - name) + 1);
}

static void XMLCALL text_came(void *arg, const XML_Char *text, int len)
{
	struct client *client = arg;

	if (!client->in && client->depth == 2 && client->number < 0)
		log_in(client, text, len);
}

static void XMLCALL element_began(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct client *client = arg;

	if (client->depth++ == 0) {
		say_text(client, "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
				 "xmlns:stream='http://etherx.jabber.org/streams' from='localhost' id='1' version='1.0'>");
		say_text(client, client->in ? "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"
					    : "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
					      "<mechanism>PLAIN</mechanism></mechanisms></stream:features>");
		return;
	}
	if (client->depth != 2)
		return;
	for (const XML_Char **at = attributes; strstr(name, "auth") && *at; at += 2)
		client->challenged = strcmp(at[0], "mechanism") == 0 && strcmp(at[1], "PLAIN") != 0;
	client->begin = (size_t)XML_GetCurrentByteIndex(client->parser);
	client->to = -1;
	for (; strstr(name, "message") && *attributes; attributes += 2) {
		if (strcmp(attributes[0], "to") == 0)
			client->to = number_of(attributes[1], strlen(attributes[1]));
	}
}

static void XMLCALL element_ended(void *arg, const XML_Char *name)
{
	struct client *client = arg;
	size_t end;

	if (--client->depth != 1)
		return;
	end = (size_t)XML_GetCurrentByteIndex(client->parser) + (size_t)XML_GetCurrentByteCount(client->parser);
	if (client->to >= 0 && client->begin >= client->at)
		hand_on(client->to, relay.bytes + (client->begin - client->at), end - client->begin);
	else if (strstr(name, "auth") && client->challenged) /* "r=relay,s=c2FsdA==,i=4096" */
		say_text(client, "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>cj1yZWxheSxzPWMyRnNkQT09LGk9NDA5Ng==</challenge>");
	else if (strstr(name, "auth") || strstr(name, "response"))
		XML_StopParser(client->parser, XML_FALSE);
	else if (strstr(name, "iq"))
		say_text(client, "<iq type='result' id='b'/>");
}

static void reset(struct client *client)
{
	if (!client->parser)
		client->parser = XML_ParserCreateNS(NULL, '|');
	else
		XML_ParserReset(client->parser, NULL);
	XML_SetUserData(client->parser, client);
	XML_SetElementHandler(client->parser, element_began, element_ended);
	XML_SetCharacterDataHandler(client->parser, text_came);
	client->depth = 0;
	client->at = 0;
}

static void go(struct client *client)
{
	if (client->number >= 0 && relay.of[client->number] == client)
		relay.of[client->number] = NULL;
	if (client->parser)
		XML_ParserFree(client->parser);
	close(client->fd);
	free(client);
}

static void parse(struct client *client, const char *text, size_t len)
{
	relay.bytes = text;
	if (XML_Parse(client->parser, text, (int)len, 0) == XML_STATUS_OK) {
		client->at += len;
	} else if (XML_GetErrorCode(client->parser) == XML_ERROR_ABORTED && client->number >= 0) {
		client->in = true;
		relay.of[client->number] = client;
		reset(client);
		say_text(client, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
	} else {
		fprintf(stderr, "relay: %s\n", XML_ErrorString(XML_GetErrorCode(client->parser)));
		exit(1);
	}
}

/* -- all of it ---------------------------------------------------------------------------------------------- */

/* Whole stanzas, as a client with one in flight writes them. */
static bool hand_on_raw(const struct client *client, const char *text, size_t len)
{
	static const char to[] = "to='";
	const char *name;

	if (!relay.raw || !client->in || len < 8 || memcmp(text, "<message", 8) != 0)
		return false;
	name = memmem(text, len, to, sizeof(to) - 1);
	if (name)
		hand_on(number_of(name, len - (size_t)(name - text)), text, len);
	return true;
}

static void readable(struct client *client)
{
	char text[READ];
	ssize_t len = recv(client->fd, text, sizeof(text), 0);

	if (len <= 0)
		go(client);
	else if (!hand_on_raw(client, text, (size_t)len))
		parse(client, text, (size_t)len);
}

static void join(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct client *client = calloc(1, sizeof(*client));
	int one = 1;

	client->fd = accept4(relay.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	client->number = client->to = -1;
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	reset(client);
	event.data.ptr = client;
	epoll_ctl(relay.epoll, EPOLL_CTL_ADD, client->fd, &event);
}

static void open_door(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN};
	socklen_t len = sizeof(at);
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	relay.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(relay.listener, (struct sockaddr *)&at, len) || listen(relay.listener, 4096) ||
	    getsockname(relay.listener, (struct sockaddr *)&at, &len)) {
		perror("relay");
		exit(1);
	}
	relay.epoll = epoll_create1(EPOLL_CLOEXEC);
	event.data.ptr = &relay;
	epoll_ctl(relay.epoll, EPOLL_CTL_ADD, relay.listener, &event);
	event.data.ptr = NULL;
	epoll_ctl(relay.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];

	relay.raw = argc > 1 && strcmp(argv[1], "raw") == 0;
	alarm(LIMIT_S);
	open_door();
	for (;;) {
		int count = epoll_wait(relay.epoll, events, EVENTS, -1);

		for (int at = 0; at < count; at++) {
			if (!events[at].data.ptr)
				return 0;
			if (events[at].data.ptr == &relay)
				join();
			else
				readable(events[at].data.ptr);
		}
	}
}
