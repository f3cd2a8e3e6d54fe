/* SPDX-License-Identifier: MIT */
/*
 * Those who are up to no good: a flood of one kind, and what the server made of it.
 *
 *   strangers half   --port P --count N [--rate R] [--header yes]
 *   strangers logins --port P --rate R [--user NAME | --unknown NAME | --known N] [--password P] [--from N] [--addresses N]
 *   strangers deaf   --port P --count N [--known FIRST] [--size BYTES] [--password P] [--resume yes] [--to next]
 *   each: [--seconds S], and --tls, --mechanism as of crowd
 *
 * half: connections that say nothing, or half a header, R new ones a second (0: as fast as it goes). A connection that ends
 * without a word was refused; how long that took counts from its first packet.
 * logins: R attempts a second, each on a connection of its own, of NAME, of NAME<n> whom nobody knows, or in turn of user<0>
 * to user<N-1>; from 127.0.0.(2 + --from) and so many addresses behind it. Without a password it is a wrong one.
 * deaf: user<FIRST> and so on log in, say more and more to themselves, or every second one to the next, and never read again.
 *
 * Says "there" when half's connections are made, or deaf's are logged in. A line on stdin is answered by a line of JSON.
 * Only talks to loopback, ends with stdin, and after --seconds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "stream.h"

enum { COUNT_MAX = 19900, UNDER_WAY_MAX = 1000, REASONS = 16, SAY_AHEAD = 1 << 16, TIMES_MAX = 1 << 20 };

struct stranger {
	struct stream stream;
	char name[40];
	uint64_t begin_ns;
	bool there;
};

struct reason {
	char why[60];
	uint64_t count;
};

struct kind {
	const char *name;
	void (*go_on)(uint64_t now); /* each turn */
	bool (*is_there)(void);
	uint32_t most; /* strangers at a time; 0: all */
};

static struct {
	const struct kind *kind;
	struct streams *streams;
	struct stranger *strangers;
	uint32_t port, count, rate, seconds, known, from, addresses, size;
	const char *user, *unknown;
	bool header, resume, to_next, over, said_there;
	uint64_t begin_ns, begun, late; /* late: attempts that were due and had no connection */
	uint32_t open, there, refused, *free, free_count;
	uint32_t *times_us, time_count; /* of refusals, or of answers to logins */
	struct reason reasons[REASONS];
	char text[8192];
} flood = {.seconds = 60, .addresses = 1, .size = 1000};

static struct stream_owner owner;

static struct stranger *stranger_of(const struct stream *stream)
{
	return (struct stranger *)stream; /* its first field */
}

static void note(const char *why)
{
	struct reason *reason = flood.reasons, *end = reason + REASONS - 1;

	while (reason < end && reason->count && strcmp(reason->why, why) != 0)
		reason++;
	snprintf(reason->why, sizeof(reason->why), "%s", why);
	reason->count++;
}

static void note_time(const struct stranger *stranger)
{
	if (flood.time_count < TIMES_MAX)
		flood.times_us[flood.time_count++] = (uint32_t)((now_ns() - stranger->begin_ns) / 1000);
}

/* How many are due by now. */
static uint64_t due(uint64_t now)
{
	return flood.rate ? (now - flood.begin_ns) * flood.rate / 1000000000 + 1 : UINT64_MAX;
}

static struct stranger *begin(uint64_t now)
{
	uint32_t number = (uint32_t)flood.begun;
	struct stranger *stranger = &flood.strangers[flood.free[--flood.free_count]];

	flood.begun++;
	stranger->begin_ns = now;
	stranger->there = false;
	if (flood.user)
		snprintf(stranger->name, sizeof(stranger->name), "%s", flood.user);
	else
		snprintf(stranger->name, sizeof(stranger->name), "%s%u", flood.unknown ? flood.unknown : "user",
			 flood.unknown ? number : flood.kind->most ? number % flood.known : flood.known + number);
	if (!stream_connect(flood.streams, &stranger->stream, (int)flood.port, flood.from + number % flood.addresses)) {
		fprintf(stderr, "strangers: cannot connect\n");
		exit(1);
	}
	flood.open++;
	return stranger;
}

/* This one is gone; another may have its place. */
static void end(struct stranger *stranger)
{
	flood.open--;
	flood.there -= stranger->there;
	flood.free[flood.free_count++] = (uint32_t)(stranger - flood.strangers);
}

static void closed(struct stream *stream, const char *why)
{
	struct stranger *stranger = stranger_of(stream);

	if (flood.kind->most) {
		note_time(stranger);
		note(why);
	} else if (!stranger->there && !stream->error[0]) {
		note_time(stranger);
		flood.refused++;
	} else {
		note(why);
	}
	end(stranger);
}

static const char *user_of(const struct stream *stream)
{
	return stranger_of(stream)->name;
}

/* -- half ----------------------------------------------------------------------------------------------- */

static void be_half(uint64_t now)
{
	static const char half[] = "<?xml version='1.0'?><stream:stream xmlns='jabber:cl";

	while (flood.begun < flood.count && flood.begun < due(now)) {
		struct stranger *stranger = begin(now);

		stream_say_instead(&stranger->stream, half, flood.header ? sizeof(half) - 1 : 0);
	}
}

static bool half_is_there(void)
{
	return flood.begun == flood.count && flood.time_count + flood.open >= flood.count;
}

/* -- logins --------------------------------------------------------------------------------------------- */

static void try_logins(uint64_t now)
{
	while (flood.begun + flood.late < due(now)) {
		if (flood.free_count)
			begin(now);
		else
			flood.late++;
	}
}

static bool never(void)
{
	return false;
}

/* -- deaf ----------------------------------------------------------------------------------------------- */

static void say_more(struct stranger *stranger)
{
	char start[200];
	uint32_t to = flood.known + ((uint32_t)(stranger - flood.strangers) | flood.to_next);
	int len = snprintf(start, sizeof(start), "<message to='user%u@localhost/deaf' type='chat'><body>", to);

	while (stranger->stream.fd >= 0 && stranger->stream.out.len < SAY_AHEAD) {
		stream_write(flood.streams, &stranger->stream, start, (size_t)len);
		stream_write(flood.streams, &stranger->stream, flood.text, flood.size);
		stream_write(flood.streams, &stranger->stream, "</body></message>", 17);
	}
}

static void be_deaf(uint64_t now)
{
	while (flood.begun < flood.count && flood.open - flood.there < 100)
		begin(now);
	for (uint32_t at = 0; at < flood.count; at += 1 + flood.to_next)
		if (flood.strangers[at].there)
			say_more(&flood.strangers[at]);
}

static bool deaf_are_there(void)
{
	return flood.begun == flood.count && flood.there == flood.open; /* some may be turned out already */
}

static void opened(struct stream *stream)
{
	static const char bind_text[] = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>deaf"
					"</resource></bind></iq>";

	if (!flood.kind->most) {
		stream_write(flood.streams, stream, bind_text, sizeof(bind_text) - 1);
		return;
	}
	note_time(stranger_of(stream));
	note("success");
	stream_drop(stream);
	end(stranger_of(stream));
}

static void element(struct stream *stream, const char *text, size_t len)
{
	static const char enable[] = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
	struct stranger *stranger = stranger_of(stream);

	if (stranger->there) /* the rest of what was read last */
		return;
	if (flood.resume && element_has(text, len, "<iq")) {
		stream_write(flood.streams, stream, enable, sizeof(enable) - 1);
		return;
	}
	stream_write(flood.streams, stream, "<presence/>", 11);
	stream_deafen(flood.streams, stream);
	stranger->there = true;
	flood.there++;
}

/* -- all of it -------------------------------------------------------------------------------------------- */

static const struct kind kinds[] = {
	{"half", be_half, half_is_there, 0},
	{"logins", try_logins, never, UNDER_WAY_MAX},
	{"deaf", be_deaf, deaf_are_there, 0},
};

static int by_value(const void *one, const void *other)
{
	uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

	return a < b ? -1 : a > b;
}

static void report(void)
{
	uint32_t count = flood.time_count, *times = flood.times_us;

	qsort(times, count, sizeof(*times), by_value);
	printf("{\"begun\": %llu, \"late\": %llu, \"open\": %u, \"there\": %u, \"refused\": %u, \"ends\": {", (unsigned long long)flood.begun,
	       (unsigned long long)flood.late, flood.open, flood.there, flood.refused);
	for (uint32_t at = 0; at < REASONS && flood.reasons[at].count; at++)
		printf("%s\"%s\": %llu", at ? ", " : "", flood.reasons[at].why, (unsigned long long)flood.reasons[at].count);
	printf("}, \"ms\": {\"count\": %u", count);
	if (count)
		printf(", \"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f", times[count / 2] / 1e3,
		       times[(uint64_t)count * 99 / 100] / 1e3, times[count - 1] / 1e3);
	printf("}}\n");
}

static void asked(int fd)
{
	char text[100];
	ssize_t got = read(fd, text, sizeof(text));

	flood.over = got == 0;
	for (ssize_t at = 0; at < got; at++)
		if (text[at] == '\n')
			report();
}

static bool number_option(const char *name, const char *value)
{
	static const struct {
		const char *name;
		uint32_t *to;
	} numbers[] = {{"--port", &flood.port},	      {"--count", &flood.count},	 {"--rate", &flood.rate},
		       {"--seconds", &flood.seconds}, {"--known", &flood.known},	 {"--from", &flood.from},
		       {"--size", &flood.size},	      {"--addresses", &flood.addresses}};

	for (size_t at = 0; at < sizeof(numbers) / sizeof(*numbers); at++) {
		if (strcmp(name, numbers[at].name) != 0)
			continue;
		*numbers[at].to = (uint32_t)strtoul(value, NULL, 10);
		return true;
	}
	return false;
}

static bool text_option(const char *name, const char *value)
{
	if (strcmp(name, "--user") == 0)
		flood.user = value;
	else if (strcmp(name, "--unknown") == 0)
		flood.unknown = value;
	else if (strcmp(name, "--password") == 0)
		owner.password = value;
	else if (strcmp(name, "--header") == 0)
		flood.header = strcmp(value, "yes") == 0;
	else if (strcmp(name, "--resume") == 0)
		flood.resume = strcmp(value, "yes") == 0;
	else if (strcmp(name, "--to") == 0)
		flood.to_next = strcmp(value, "next") == 0;
	else
		return stream_option(&owner, name, value);
	return true;
}

static bool options(int argc, char **argv)
{
	for (size_t at = 0; argc > 1 && at < sizeof(kinds) / sizeof(*kinds); at++)
		if (strcmp(argv[1], kinds[at].name) == 0)
			flood.kind = &kinds[at];
	for (int at = 2; at + 1 < argc; at += 2)
		if (!number_option(argv[at], argv[at + 1]) && !text_option(argv[at], argv[at + 1]))
			return false;
	if (!flood.kind || !flood.port || !flood.addresses || flood.size > sizeof(flood.text))
		return false;
	if (flood.kind->most)
		flood.count = flood.kind->most;
	return flood.count && flood.count <= COUNT_MAX &&
	       (!flood.kind->most || (flood.rate && (flood.user || flood.unknown || flood.known)));
}

static void prepare(void)
{
	owner.open = opened;
	owner.element = element;
	owner.closed = closed;
	owner.user = user_of;
	flood.streams = streams_new(&owner);
	flood.strangers = calloc(flood.count, sizeof(*flood.strangers));
	flood.free = calloc(flood.count, sizeof(*flood.free));
	flood.times_us = calloc(TIMES_MAX, sizeof(*flood.times_us));
	memset(flood.text, 'x', sizeof(flood.text));
	for (flood.free_count = 0; flood.free_count < flood.count; flood.free_count++) {
		flood.strangers[flood.free_count].stream.fd = -1;
		flood.free[flood.free_count] = flood.count - 1 - flood.free_count;
	}
}

int main(int argc, char **argv)
{
	double end_s;

	if (!options(argc, argv)) {
		fprintf(stderr, "strangers: see the top of strangers.c\n");
		return 1;
	}
	alarm(flood.seconds + 10); /* whatever happens */
	setvbuf(stdout, NULL, _IOLBF, 0);
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	prepare();
	streams_watch(flood.streams, STDIN_FILENO, asked);
	flood.begin_ns = now_ns();
	for (end_s = now_s() + flood.seconds; !flood.over && now_s() < end_s;) {
		flood.kind->go_on(now_ns());
		streams_turn(flood.streams, 2);
		if (!flood.said_there && flood.kind->is_there())
			printf("there\n");
		flood.said_there |= flood.kind->is_there();
	}
	return flood.over ? 0 : 2;
}
