/* SPDX-License-Identifier: MIT */
/*
 * People who know each other: each of N has the ten before and the ten behind him, in a ring, as mutual contacts.
 *
 *   friends --port P --count N --seconds S --mode befriend|storm|presence [--password secret] [--tls ...] [--mechanism ...]
 *
 * befriend: makes it so, by subscriptions. storm: all log in at once, ask for their rosters, say that they are there and
 * hear of all contacts; all go, and it begins anew. presence: all are there, and each, in turn, is away or is not: as soon
 * as all contacts have heard it. Prints "measure" when the timed part begins, then a line of JSON.
 * Only talks to 127.0.0.1, and stops by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "stream.h"

enum { NEAR = 10, CONTACTS = 2 * NEAR, AT_ONCE = 32, CHANGES_AT_ONCE = 8, LIMIT_S = 280 };

struct person {
	struct stream stream;
	int number;
	bool bound, roster;
	int heard, approved; /* of his contacts */
	int awaited;	     /* who have not heard of his change */
	unsigned change;
};

static struct {
	struct streams *streams;
	int port, count, seconds, next, here, done, changing;
	const char *mode;
	struct person *people;
	bool measuring, stopping;
	uint64_t logins, deliveries;
} load = {.port = 5222, .count = 300, .seconds = 10, .mode = "storm"};

static bool is_mode(const char *mode)
{
	return strcmp(load.mode, mode) == 0;
}

static struct person *person_of(const struct stream *stream)
{
	return (struct person *)stream; /* its first field */
}

static void die(struct stream *stream, const char *why)
{
	if (load.stopping)
		return;
	fprintf(stderr, "friends: client %d: %s %s\n", person_of(stream)->number, why, stream->error);
	exit(1);
}

static const char *user_of(const struct stream *stream)
{
	static char name[64];

	snprintf(name, sizeof(name), "user%d", person_of(stream)->number);
	return name;
}

static void say(struct person *person, const char *text)
{
	stream_write(load.streams, &person->stream, text, strlen(text));
}

static int contact(const struct person *person, int at)
{
	int step = at < NEAR ? at - NEAR : at - NEAR + 1;

	return (person->number + step + load.count) % load.count;
}

static void opened(struct stream *stream)
{
	say(person_of(stream), "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>load</resource></bind></iq>");
}

static void bound(struct person *person)
{
	person->bound = true;
	say(person, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
}

static void answer_request(struct person *person, const char *from)
{
	char text[200];

	snprintf(text, sizeof(text), "<presence to='%s' type='subscribed'/>", from);
	say(person, text);
}

static void befriend(struct person *person)
{
	char text[200];

	for (int at = 0; at < CONTACTS; at++) {
		snprintf(text, sizeof(text), "<presence to='user%d@localhost' type='subscribe'/>", contact(person, at));
		say(person, text);
	}
}

static void got_roster(struct person *person)
{
	person->roster = true;
	load.here++;
	say(person, "<presence/>");
}

static void change(struct person *person)
{
	char text[100];

	person->awaited = CONTACTS;
	snprintf(text, sizeof(text), "<presence><status>%d %u</status></presence>", person->number, ++person->change);
	say(person, text);
}

/* The next of those who have nothing under way. */
static void change_next(void)
{
	struct person *person;

	do
		person = &load.people[load.next++ % load.count];
	while (person->awaited);
	change(person);
}

static void heard_change(const char *text, size_t len)
{
	const char *status = memmem(text, len, "<status>", 8);
	int number = status ? atoi(status + 8) : 0;
	struct person *person = &load.people[number < load.count ? number : 0];

	load.deliveries += load.measuring;
	if (status && person->awaited && --person->awaited == 0 && !load.stopping)
		change_next();
}

static void got_presence(struct person *person, const char *text, size_t len)
{
	char type[20] = "", from[100] = "", own[40];

	element_attribute(text, len, "type", type, sizeof(type));
	element_attribute(text, len, "from", from, sizeof(from));
	snprintf(own, sizeof(own), "%s@localhost/", user_of(&person->stream));
	if (strcmp(type, "subscribe") == 0)
		answer_request(person, from);
	else if (strcmp(type, "subscribed") == 0)
		load.done += ++person->approved == CONTACTS;
	else if (*type || strncmp(from, own, strlen(own)) == 0)
		return;
	else if (load.changing)
		heard_change(text, len);
	else if (++person->heard == CONTACTS)
		load.done += !is_mode("befriend");
}

static void element(struct stream *stream, const char *text, size_t len)
{
	struct person *person = person_of(stream);
	char id[10] = "";

	if (len > 9 && memcmp(text, "<presence", 9) == 0) {
		got_presence(person, text, len);
	} else if (len > 3 && memcmp(text, "<iq", 3) == 0 && element_attribute(text, len, "id", id, sizeof(id))) {
		if (strcmp(id, "b") == 0)
			bound(person);
		else if (strcmp(id, "r") == 0)
			got_roster(person);
	}
}

static struct stream_owner owner = {.open = opened, .element = element, .closed = die, .user = user_of, .password = "secret"};

static void turn_until(double end)
{
	while (now_s() < end)
		streams_turn(load.streams, 20);
}

static void connect_all(void)
{
	double end = now_s() + LIMIT_S;

	load.next = load.here = load.done = 0;
	while (load.here < load.count && now_s() < end) {
		for (; load.next < load.count && load.next - load.here < AT_ONCE; load.next++) {
			struct person *person = &load.people[load.next];

			person->bound = person->roster = false;
			person->heard = person->approved = 0;
			if (!stream_connect(load.streams, &person->stream, load.port, (unsigned)load.next))
				die(&person->stream, "cannot connect");
		}
		streams_turn(load.streams, 20);
	}
}

static void wait_for_all(const char *what)
{
	double end = now_s() + LIMIT_S;

	while (load.done < load.count && now_s() < end)
		streams_turn(load.streams, 20);
	if (load.done < load.count) {
		fprintf(stderr, "friends: only %d of %d %s\n", load.done, load.count, what);
		exit(1);
	}
}

/* Contacts who are away are said to be; then they are not counted. */
static void leave_all(void)
{
	load.stopping = true;
	for (int at = 0; at < load.count; at++) {
		say(&load.people[at], "</stream:stream>");
		streams_turn(load.streams, 0);
		stream_drop(&load.people[at].stream);
		tls_forget(&load.people[at].stream.tls);
	}
	turn_until(now_s() + 0.5);
	load.stopping = false;
}

static void storm(void)
{
	double begin, spent = 0;

	connect_all();
	wait_for_all("heard of all");
	leave_all();
	printf("measure\n");
	while (spent < load.seconds) {
		begin = now_s();
		connect_all();
		wait_for_all("heard of all");
		spent += now_s() - begin;
		load.logins += (uint64_t)load.count;
		leave_all();
	}
	printf("{\"logins\": %llu, \"seconds\": %.3f}\n", (unsigned long long)load.logins, spent);
}

static void presence(void)
{
	double begin;

	connect_all();
	wait_for_all("heard of all");
	load.next = 0;
	load.changing = true;
	for (int at = 0; at < CHANGES_AT_ONCE; at++)
		change_next();
	turn_until(now_s() + 1);
	load.measuring = true;
	printf("measure\n");
	begin = now_s();
	turn_until(begin + load.seconds);
	load.measuring = false;
	printf("{\"deliveries\": %llu, \"seconds\": %.3f}\n", (unsigned long long)load.deliveries, now_s() - begin);
	load.stopping = true;
	turn_until(now_s() + 0.5);
}

static void options(int argc, char **argv)
{
	for (int at = 1; at + 1 < argc; at += 2) {
		if (strcmp(argv[at], "--port") == 0)
			load.port = atoi(argv[at + 1]);
		else if (strcmp(argv[at], "--count") == 0)
			load.count = atoi(argv[at + 1]);
		else if (strcmp(argv[at], "--seconds") == 0)
			load.seconds = atoi(argv[at + 1]);
		else if (strcmp(argv[at], "--mode") == 0)
			load.mode = argv[at + 1];
		else if (strcmp(argv[at], "--password") == 0)
			owner.password = argv[at + 1];
		else if (!stream_option(&owner, argv[at], argv[at + 1])) {
			fprintf(stderr, "friends: unknown: %s %s\n", argv[at], argv[at + 1]);
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	load.people = calloc((size_t)load.count, sizeof(*load.people));
	load.streams = streams_new(&owner);
	for (int at = 0; at < load.count; at++)
		load.people[at] = (struct person){.stream.fd = -1, .number = at};
	if (is_mode("storm")) {
		storm();
	} else if (is_mode("presence")) {
		presence();
	} else {
		connect_all();
		for (int at = 0; at < load.count; at++)
			befriend(&load.people[at]);
		wait_for_all("have all contacts");
		turn_until(now_s() + 0.5);
	}
	return 0;
}
