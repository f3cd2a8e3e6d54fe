/* SPDX-License-Identifier: MIT */
/*
 * A crowd of clients that speak XEP-0198 as real ones do, and know at the end what became of every message.
 *
 *   crowd --ports P[,P...] --first N --count N [--seconds S] [--burst N] [--partners N] [--at-once N]
 *         [--tls no|starttls|direct] [--mechanism PLAIN|SCRAM-SHA-1|SCRAM-SHA-256]
 *
 * Client n is user<n>. It keeps what is not acknowledged; when its connection is lost it comes back, to its own port or the
 * next, resumes, and sends the rest again. When its session is gone it uses the count of <failed/>, binds anew, and sends
 * what is left again with the same ids. Messages are due at a steady rate, in bursts from one to one; how late one is
 * counts from then, whether its sender was there or not.
 *
 * Commands, a line each, on stdin; what it answers is in brackets:
 *   send RATE            messages a second from now on, 0 stops
 *   mark LABEL           something happens now: closed streams and lateness are counted for it
 *   settle SECONDS       until all are there, all is acknowledged, and nothing came for a while [settled yes|no]
 *   relogin              all close their streams, log in anew and get what waited for them [relogged]
 *   count                who is there, and logins so far: [count READY RESUMED BOUND, of these with a TICKET of TLS]
 *   report               [one line of JSON]
 * Says "ready" when all are there for the first time. Only talks to loopback, ends with stdin, and after --seconds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "crowd_facts.h"
#include "stream.h"

enum { COUNT_MAX = 5000, PORTS_MAX = 8, RATE_MAX = 5000 };
enum { RETRY_MS = 50, RETRY_MAX_MS = 1000, LOGIN_S = 8, ASK_S = 3, QUIET_S = 2 };

#define NS_SM "urn:xmpp:sm:3"

enum state { AWAY, LOGGING_IN, RESUMING, BINDING, ENABLING, READY, LEAVING };

struct client {
	struct stream stream;
	uint32_t number, port, generation, tries;
	enum state state;
	char key[80];
	uint32_t handled, acked; /* stanzas: of the server's, and of ours by the server */
	uint32_t *queue, first, len, room; /* numbers of messages, or PRESENCE, that are not acknowledged */
	uint64_t next_ns, asked_ns;
};

enum { PRESENCE = UINT32_MAX };

static struct {
	struct streams *streams;
	struct client *clients;
	struct facts *facts;
	int ports[PORTS_MAX];
	uint32_t port_count, first, count, seconds, burst, partners, at_once, busy, ready;
	uint64_t rate, tickets, begin_ns, sent_before, sweep_ns, heard_ns, settle_ns;
	bool said_ready, settling, relogging, over;
	char line[200];
	size_t line_len;
} crowd = {.seconds = 600, .burst = 5, .partners = 4, .at_once = 100};

static struct client *client_of(const struct stream *stream)
{
	return (struct client *)stream; /* its first field */
}

static void say(struct client *client, const char *text)
{
	stream_write(crowd.streams, &client->stream, text, strlen(text));
}

/* -- what is not acknowledged ---------------------------------------------------------------------- */

static void queue_add(struct client *client, uint32_t number)
{
	if (client->first + client->len == client->room) {
		client->room = client->len * 2 + 8;
		memmove(client->queue, client->queue + client->first, client->len * sizeof(*client->queue));
		client->queue = realloc(client->queue, client->room * sizeof(*client->queue));
		client->first = 0;
	}
	client->queue[client->first + client->len++] = number;
}

static bool read_count(const char *text, size_t len, uint32_t *count)
{
	char value[16];

	if (!element_attribute(text, len, "h", value, sizeof(value)))
		return false;
	*count = (uint32_t)strtoul(value, NULL, 10);
	return true;
}

/* Up to this count the server has handled. */
static void queue_take(struct client *client, uint32_t count)
{
	uint32_t more = count - client->acked;

	if (more > client->len) {
		crowd.facts->bad_counts++;
		return;
	}
	for (; more; more--, client->acked++) {
		uint32_t number = client->queue[client->first++];

		client->len--;
		if (number != PRESENCE)
			facts_acknowledged(crowd.facts, number);
	}
}

static void write_one(struct client *client, uint32_t number)
{
	const struct message *message;
	char text[400];

	if (number == PRESENCE) {
		say(client, "<presence/>");
		return;
	}
	message = facts_written(crowd.facts, number, client->generation);
	sprintf(text, "<message to='user%u@localhost%s' type='chat' id='%u-%u-%u'><body>due %llu</body></message>", message->to,
		message_is_to_resource(message) ? "/crowd" : "", message->from, number, message->to, (unsigned long long)message->due_ns);
	say(client, text);
}

static void ask(struct client *client)
{
	say(client, "<r xmlns='" NS_SM "'/>");
	client->asked_ns = now_ns();
}

static void acknowledge(struct client *client)
{
	char text[80];

	snprintf(text, sizeof(text), "<a xmlns='" NS_SM "' h='%u'/>", client->handled);
	say(client, text);
}

static void write_rest(struct client *client)
{
	for (uint32_t at = 0; at < client->len; at++)
		write_one(client, client->queue[client->first + at]);
	if (client->len)
		ask(client);
}

static void utter(struct client *client, uint32_t number)
{
	queue_add(client, number);
	if (client->state != READY)
		return;
	write_one(client, number);
	ask(client);
}

/* -- sessions ---------------------------------------------------------------------------------------- */

static const char *user_of(const struct stream *stream)
{
	static char name[32];

	snprintf(name, sizeof(name), "user%u", client_of(stream)->number);
	return name;
}

static void go_away(struct client *client, bool failed)
{
	uint64_t wait_ms = RETRY_MS;

	if (client->state == READY)
		crowd.ready--;
	else if (client->state != AWAY && client->state != LEAVING)
		crowd.busy--;
	client->state = AWAY;
	client->tries = failed ? client->tries + 1 : 0;
	for (uint32_t at = 0; at < client->tries && wait_ms < RETRY_MAX_MS; at++)
		wait_ms *= 2;
	client->next_ns = now_ns() + (wait_ms + (uint64_t)rand() % wait_ms) * 1000000;
}

static void become_ready(struct client *client)
{
	client->state = READY;
	client->tries = 0;
	crowd.tickets += client->stream.tls.resumed;
	crowd.busy--;
	crowd.ready++;
	write_rest(client);
}

static void bind_resource(struct client *client)
{
	client->state = BINDING;
	say(client, "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>crowd</resource></bind></iq>");
}

static void opened(struct stream *stream)
{
	struct client *client = client_of(stream);
	char text[200];

	if (!client->key[0]) {
		bind_resource(client);
		return;
	}
	client->state = RESUMING;
	snprintf(text, sizeof(text), "<resume xmlns='" NS_SM "' previd='%s' h='%u'/>", client->key, client->handled);
	say(client, text);
}

/* The session is gone. How much of it was handled may be said, and less than before it died: the rest goes into the next. */
static void session_gone(struct client *client, const char *text, size_t len)
{
	uint32_t count;

	if (!read_count(text, len, &count)) {
		crowd.facts->failed_without++;
	} else {
		crowd.facts->failed_with_count++;
		if ((int32_t)(count - client->acked) > 0)
			queue_take(client, count);
	}
	client->key[0] = 0;
	bind_resource(client);
}

static void enabled(struct client *client, const char *text, size_t len)
{
	uint32_t kept = 0;

	element_attribute(text, len, "id", client->key, sizeof(client->key));
	client->handled = client->acked = 0;
	client->generation++;
	crowd.facts->bound++;
	for (uint32_t at = 0; at < client->len; at++)
		if (client->queue[client->first + at] != PRESENCE)
			client->queue[client->first + kept++] = client->queue[client->first + at];
	client->len = kept;
	queue_add(client, PRESENCE);
	memmove(client->queue + client->first + 1, client->queue + client->first, kept * sizeof(*client->queue));
	client->queue[client->first] = PRESENCE;
	become_ready(client);
}

static void negotiate(struct client *client, const char *text, size_t len)
{
	uint32_t count;

	if (client->state == RESUMING && element_has(text, len, "<resumed") && read_count(text, len, &count)) {
		crowd.facts->resumed++;
		queue_take(client, count);
		become_ready(client);
	} else if (client->state == RESUMING && element_has(text, len, "<failed")) {
		session_gone(client, text, len);
	} else if (client->state == BINDING && element_has(text, len, "type='result'")) {
		client->state = ENABLING;
		say(client, "<enable xmlns='" NS_SM "' resume='true'/>");
	} else if (client->state == ENABLING && element_has(text, len, "<enabled")) {
		enabled(client, text, len);
	} else if (client->state != ENABLING || element_has(text, len, "<failed")) {
		facts_closed(crowd.facts, "login: refused by sm");
		stream_drop(&client->stream);
		go_away(client, true);
	}
}

static void arrived(struct client *client, const char *text, size_t len)
{
	char id[64], type[16];
	unsigned from, number, to;

	if (!element_attribute(text, len, "id", id, sizeof(id)) || sscanf(id, "%u-%u-%u", &from, &number, &to) != 3 ||
	    number >= crowd.facts->message_count)
		crowd.facts->strange++;
	else if (element_attribute(text, len, "type", type, sizeof(type)) && strcmp(type, "error") == 0)
		facts_refused(crowd.facts, number);
	else if (to != client->number || crowd.facts->messages[number].from != from)
		crowd.facts->strange++;
	else
		facts_arrived(crowd.facts, number, client->generation);
}

static void element(struct stream *stream, const char *text, size_t len)
{
	struct client *client = client_of(stream);
	uint32_t count;
	bool message = element_has(text, len < 9 ? len : 9, "<message");

	if (client->state == READY && (text[1] == 'm' || text[1] == 'p' || text[1] == 'i'))
		client->handled++;
	if (message) {
		crowd.heard_ns = now_ns();
		arrived(client, text, len);
	} else if (client->state == READY && text[1] == 'r') {
		acknowledge(client);
	} else if (client->state == READY && text[1] == 'a' && read_count(text, len, &count)) {
		queue_take(client, count);
		} else if (client->state != READY && client->state != LEAVING) {
		negotiate(client, text, len);
	} else if (client->state == READY) {
		crowd.facts->others++;
	}
}

static void closed(struct stream *stream, const char *why)
{
	struct client *client = client_of(stream);

	if (client->state != LEAVING)
		facts_closed(crowd.facts, why);
	go_away(client, client->state != READY && client->state != LEAVING);
}

static struct stream_owner owner = {
	.open = opened, .element = element, .closed = closed, .user = user_of, .password = "secret"};

static void connect_one(struct client *client)
{
	uint32_t port = (client->port + client->tries) % crowd.port_count;

	if (!stream_connect(crowd.streams, &client->stream, crowd.ports[port], client->number)) {
		go_away(client, true);
		return;
	}
	client->state = LOGGING_IN;
	client->next_ns = now_ns() + LOGIN_S * 1000000000ULL;
	crowd.busy++;
}

static void leave(struct client *client)
{
	client->key[0] = 0;
	if (client->state != READY)
		return;
	acknowledge(client);
	say(client, "</stream:stream>");
	crowd.ready--;
	client->state = LEAVING;
	client->next_ns = now_ns() + LOGIN_S * 1000000000ULL;
}

/* What is due for one client: a try, the end of one that takes too long, another question for a count. */
static void look_after(struct client *client, uint64_t now)
{
	if (client->state == AWAY && now >= client->next_ns && crowd.busy < crowd.at_once)
		connect_one(client);
	else if (client->state == READY && client->len && now > client->asked_ns + ASK_S * 1000000000ULL)
		ask(client);
	else if (client->state != AWAY && client->state != READY && now > client->next_ns) {
		facts_closed(crowd.facts, "client: login takes too long");
		stream_drop(&client->stream);
		go_away(client, true);
	}
}

/* -- sending ------------------------------------------------------------------------------------------- */

static void send_due(uint64_t now)
{
	uint64_t due = crowd.rate ? (now - crowd.begin_ns) * crowd.rate / 1000000000 + 1 : 0;

	for (; crowd.sent_before < due; crowd.sent_before++) {
		uint32_t number = crowd.facts->message_count, burst = number / crowd.burst;
		uint32_t from = burst % crowd.count, partner = burst / crowd.count % crowd.partners;
		uint32_t to = (from + 1 + partner * 7) % crowd.count;

		facts_sent(crowd.facts, crowd.first + from, crowd.first + to, partner,
			   crowd.begin_ns + crowd.sent_before * 1000000000 / crowd.rate);
		utter(&crowd.clients[from], number);
	}
}

/* -- commands ------------------------------------------------------------------------------------------ */

static bool all_acknowledged(void)
{
	for (uint32_t at = 0; at < crowd.count; at++)
		if (crowd.clients[at].len)
			return false;
	return true;
}

static void command(char *line)
{
	char *argument = strchr(line, ' ');
	uint64_t number = argument ? strtoull(argument + 1, NULL, 10) : 0;

	if (strncmp(line, "send ", 5) == 0) {
		crowd.rate = number < RATE_MAX ? number : RATE_MAX;
		crowd.begin_ns = now_ns();
		crowd.sent_before = 0;
	} else if (strncmp(line, "mark ", 5) == 0) {
		facts_mark(crowd.facts, argument + 1);
	} else if (strncmp(line, "settle ", 7) == 0) {
		crowd.settle_ns = now_ns() + number * 1000000000;
		crowd.heard_ns = now_ns();
		crowd.settling = true;
	} else if (strcmp(line, "relogin") == 0) {
		for (uint32_t at = 0; at < crowd.count; at++)
			leave(&crowd.clients[at]);
		crowd.relogging = true;
	} else if (strcmp(line, "count") == 0) {
		printf("count %u %llu %llu %llu\n", crowd.ready, (unsigned long long)crowd.facts->resumed,
		       (unsigned long long)crowd.facts->bound, (unsigned long long)crowd.tickets);
	} else if (strcmp(line, "report") == 0) {
		facts_report(crowd.facts, crowd.ready);
	} else {
		fprintf(stderr, "crowd: unknown: %s\n", line);
		exit(1);
	}
}

static void commanded(int fd)
{
	ssize_t got = read(fd, crowd.line + crowd.line_len, sizeof(crowd.line) - 1 - crowd.line_len);
	char *end;

	crowd.over = got == 0;
	if (got <= 0)
		return;
	crowd.line_len += (size_t)got;
	crowd.line[crowd.line_len] = 0;
	while ((end = strchr(crowd.line, '\n'))) {
		*end++ = 0;
		command(crowd.line);
		crowd.line_len -= (size_t)(end - crowd.line);
		memmove(crowd.line, end, crowd.line_len + 1);
	}
}

static void answer_commands(uint64_t now)
{
	bool all = crowd.ready == crowd.count;

	if (all && !crowd.said_ready)
		printf("ready\n");
	crowd.said_ready |= all;
	if (all && crowd.relogging)
		printf("relogged\n");
	crowd.relogging &= !all;
	if (!crowd.settling)
		return;
	all = all && now > crowd.heard_ns + QUIET_S * 1000000000ULL && all_acknowledged();
	if (all || now > crowd.settle_ns)
		printf("settled %s\n", all ? "yes" : "no");
	crowd.settling = !all && now <= crowd.settle_ns;
}

/* -- all of it ----------------------------------------------------------------------------------------- */

static void options(int argc, char **argv)
{
	for (int at = 1; at + 1 < argc; at += 2) {
		uint32_t number = (uint32_t)strtoul(argv[at + 1], NULL, 10);

		if (strcmp(argv[at], "--ports") == 0)
			for (char *port = strtok(argv[at + 1], ","); port && crowd.port_count < PORTS_MAX; port = strtok(NULL, ","))
				crowd.ports[crowd.port_count++] = atoi(port);
		else if (strcmp(argv[at], "--first") == 0)
			crowd.first = number;
		else if (strcmp(argv[at], "--count") == 0)
			crowd.count = number;
		else if (strcmp(argv[at], "--seconds") == 0)
			crowd.seconds = number;
		else if (strcmp(argv[at], "--burst") == 0)
			crowd.burst = number;
		else if (strcmp(argv[at], "--partners") == 0)
			crowd.partners = number;
		else if (strcmp(argv[at], "--at-once") == 0)
			crowd.at_once = number;
		else if (!stream_option(&owner, argv[at], argv[at + 1])) {
			fprintf(stderr, "crowd: unknown: %s %s\n", argv[at], argv[at + 1]);
			exit(1);
		}
	}
	if (!crowd.port_count || crowd.count < 2 || crowd.count > COUNT_MAX || !crowd.burst || !crowd.partners) {
		fprintf(stderr, "crowd: --ports, and --count of 2 to %d, are needed\n", COUNT_MAX);
		exit(1);
	}
}

static void turn(void)
{
	uint64_t now;

	streams_turn(crowd.streams, 2);
	now = now_ns();
	send_due(now);
	if (now < crowd.sweep_ns)
		return;
	crowd.sweep_ns = now + 10000000;
	for (uint32_t at = 0; at < crowd.count; at++)
		look_after(&crowd.clients[at], now);
	answer_commands(now);
}

int main(int argc, char **argv)
{
	double end;

	options(argc, argv);
	alarm(crowd.seconds + 10); /* whatever happens */
	setvbuf(stdout, NULL, _IOLBF, 0);
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	end = now_s() + crowd.seconds;
	crowd.streams = streams_new(&owner);
	crowd.facts = facts_new(crowd.first, crowd.count, crowd.partners);
	crowd.clients = calloc(crowd.count, sizeof(struct client));
	for (uint32_t at = 0; at < crowd.count; at++)
		crowd.clients[at] = (struct client){
			.stream.fd = -1, .number = crowd.first + at, .port = at % crowd.port_count};
	streams_watch(crowd.streams, STDIN_FILENO, commanded);
	while (!crowd.over && now_s() < end)
		turn();
	return crowd.over ? 0 : 2;
}
