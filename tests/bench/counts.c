/* SPDX-License-Identifier: MIT */
/*
 * Work that is the same on every machine: USERS log in by PLAIN to one simulated server of two workers, each writes ROUNDS messages
 * to each of the others in turn, one in flight, and all are idle. (How many of those are on the other worker is chance, were it
 * always the same one.)
 *
 *   counts USERS ROUNDS
 *
 * Prints what the server holds then and how often memory was asked for. counts.py runs it under callgrind.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "deployment.h"
#include "stanza/ns.h"
#include "sx/error.h"

#define HEADER                                                                                                         \
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>"
#define BODY "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

enum { PATIENCE_MS = 60000, SILENCE_MS = 3000, AT_ONCE = 20 };

struct client {
	struct mio_sock sock;
	struct stage *stage;
	unsigned number, heard;
	enum { GREETING, PROVING, GREETING_AGAIN, BINDING, THERE } step;
	struct buf in, out; /* out: until it is connected */
};

struct stage {
	struct scene scene;
	struct deployment deployment;
	struct mio *mio;
	struct client *clients;
	unsigned count, begun, there, awaited;
};

static void say(struct client *client, struct slice text)
{
	ssize_t put = mio_write(&client->sock, text.data, text.len);
	size_t done = put > 0 ? (size_t)put : 0;

	buf_append(&client->out, text.data + done, text.len - done);
}

static void say_who_it_is(struct client *client)
{
	AUTO(buf_fini) struct buf plain = {0}, element = {0};

	buf_printf(&plain, "%cuser%u%csecret", 0, client->number, 0);
	buf_append_text(&element, "<auth xmlns='" NS_SASL "' mechanism='PLAIN'>");
	buf_append_base64(&element, buf_slice(&plain));
	buf_append_text(&element, "</auth>");
	say(client, buf_slice(&element));
}

static void go_on(struct client *client)
{
	client->step++;
	switch (client->step) {
	case PROVING:
		say_who_it_is(client);
		break;
	case GREETING_AGAIN:
		say(client, SLICE(HEADER));
		break;
	case BINDING:
		say(client, SLICE("<iq type='set' id='b'><bind xmlns='" NS_BIND "'><resource>r</resource></bind></iq>"));
		break;
	default:
		client->stage->there++;
		say(client, SLICE("<presence/>"));
		break;
	}
}

/* True: it was said, and is forgotten with all before. */
static bool was_said(struct client *client, const char *words)
{
	struct slice in = buf_slice(&client->in), what = slice_of(words);
	const char *found = in.len ? memmem(in.data, in.len, what.data, what.len) : NULL;

	if (found)
		buf_skip(&client->in, (size_t)(found + what.len - in.data));
	return found;
}

static void take(struct client *client)
{
	static const char *const awaited[] = {"</stream:features>", "<success", "</stream:features>", "</iq>"};

	while (client->step < THERE && was_said(client, awaited[client->step]))
		go_on(client);
	while (client->step == THERE && was_said(client, "</message>")) {
		client->heard++;
		client->stage->awaited--;
	}
}

static void on_readable(struct mio_sock *sock)
{
	struct client *client = container_of(sock, struct client, sock);
	char bytes[4096];
	ssize_t got = mio_read(sock, bytes, sizeof(bytes));

	if (got <= 0 && got != -EAGAIN)
		scene_fail(&client->stage->scene, "user%u is cut off", client->number);
	if (got > 0)
		buf_append(&client->in, bytes, (size_t)got);
	take(client);
}

static void on_writable(struct mio_sock *sock)
{
	struct client *client = container_of(sock, struct client, sock);
	AUTO(buf_fini) struct buf out = client->out;

	client->out = (struct buf){0};
	say(client, buf_slice(&out));
}

static const struct mio_sock_handler on_sock = {.readable = on_readable, .writable = on_writable};

static bool all_are_there(void *arg)
{
	const struct stage *stage = arg;

	return stage->there == stage->begun;
}

static bool all_have_heard(void *arg)
{
	return ((const struct stage *)arg)->awaited == 0;
}

static void connect_some(struct stage *stage)
{
	for (unsigned end = stage->begun + AT_ONCE; stage->begun < end && stage->begun < stage->count; stage->begun++) {
		struct client *client = &stage->clients[stage->begun];

		*client = (struct client){.stage = stage, .number = stage->begun};
		if (mio_connect(stage->mio, &client->sock, deployment_address(&stage->deployment, 0), &on_sock, 0))
			scene_fail(&stage->scene, "nobody listens");
		say(client, SLICE(HEADER));
	}
}

static void log_in(struct stage *stage)
{
	while (stage->begun < stage->count) {
		connect_some(stage);
		sim_run(stage->scene.sim, PATIENCE_MS, all_are_there, stage);
		if (!all_are_there(stage))
			scene_fail(&stage->scene, "not all can log in");
	}
	sim_run(stage->scene.sim, SILENCE_MS, NULL, NULL);
}

static void chat(struct stage *stage, unsigned rounds)
{
	for (unsigned round = 0; round < rounds; round++) {
		unsigned ahead = 1 + round % (stage->count - 1);

		stage->awaited = stage->count;
		for (unsigned at = 0; at < stage->count; at++) {
			AUTO(buf_fini) struct buf text = {0};

			buf_printf(&text, "<message to='user%u@localhost/r' type='chat' id='m%u'><body>" BODY "</body></message>",
				   (at + ahead) % stage->count, round);
			say(&stage->clients[at], buf_slice(&text));
		}
		sim_run(stage->scene.sim, PATIENCE_MS, all_have_heard, stage);
		if (stage->awaited)
			scene_fail(&stage->scene, "not all have heard");
	}
	sim_run(stage->scene.sim, SILENCE_MS, NULL, NULL);
}

static void print_figures(const struct stage *stage)
{
	const struct process *process = stage->deployment.part[0].process;
	uint64_t bytes = 0;
	struct heap_usage usage;

	mio_host_usage(mio_host_of(process->workers[0]->mio), &usage);
	for (unsigned kind = 0; kind < MEM_KINDS; kind++)
		bytes += usage.bytes[kind];
	printf("{\"bytes\": %llu, \"allocations\": %llu, \"system_calls\": %llu}\n", (unsigned long long)bytes,
	       (unsigned long long)usage.allocations, (unsigned long long)usage.system_calls);
}

static int start_host(struct mio *mio, void *arg)
{
	((struct stage *)arg)->mio = mio;
	return 0;
}

int main(int argc, char **argv)
{
	struct sim_options options = {.seed = 1};
	struct deployment_plan plan = {.parts = 1, .resume_ms = 60000};
	struct stage stage = {0};
	struct mio_host *host;

	if (argc != 3 || (stage.count = (unsigned)atoi(argv[1])) < 2) {
		fprintf(stderr, "usage: counts USERS ROUNDS\n");
		return 2;
	}
	plan.users = stage.count;
	stage.clients = mem_zalloc(MEM_OTHER, stage.count * sizeof(*stage.clients));
	stage.scene.sim = sim_new(&options);
	deployment_init(&stage.deployment, &stage.scene, &plan);
	host = sim_host(stage.scene.sim, "people");
	if (mio_host_start(host, 1, start_host, &stage))
		abort();
	sim_run(stage.scene.sim, SILENCE_MS, NULL, NULL);
	log_in(&stage);
	chat(&stage, (unsigned)atoi(argv[2]));
	print_figures(&stage);
	return 0; /* as it stands: its end is not to be counted */
}
