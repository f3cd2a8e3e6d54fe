/* SPDX-License-Identifier: MIT */
/*
 * The control socket: JSON lines in and out, one command a connection.
 *
 *   READING --(first line)--> RUNNING --(ended)--> CLOSING --(all written)--> gone
 *      a bad line ---------------^--------------------^
 *   While RUNNING a line of input is read for each that the command wants; what else has come
 *   waits, and at a line's length of it the socket is not read.
 *   The caller's end of file or a fault, in any state: its call is cancelled, gone.
 */
#include "ctl/server.h"

#include <errno.h>
#include <jansson.h>
#include "base/list.h"
#include "base/mem.h"
#include "ctl/ctl.h"
#include "mio/mio.h"

enum { LINE_MAX_BYTES = 1 << 20, WORDS_MAX = 32 };
#define OUTPUT_MAX_BYTES ((size_t)64 << 20)

struct ctl_server {
	struct ctl *ctl;
	struct mio *mio;
	struct mio_listener *listener;
	struct list clients;
};

enum client_state { CLIENT_READING, CLIENT_RUNNING, CLIENT_CLOSING };

struct client {
	struct list link;
	struct ctl_server *server;
	struct mio_sock sock;
	struct mio_task flush, read; /* at the end of the turn */
	enum client_state state;
	bool wanted; /* a line of input */
	struct buf in, out;
	uint64_t call;
};

static void client_free(struct client *client)
{
	if (client->state == CLIENT_RUNNING)
		ctl_cancel(client->server->ctl, client->call);
	mio_undefer(client->server->mio, &client->flush);
	mio_undefer(client->server->mio, &client->read);
	mio_close(&client->sock);
	list_remove(&client->link);
	buf_wipe(&client->in);
	buf_fini(&client->out);
	mem_free(client);
}

/* Writes what the socket takes. False when the client is gone. */
static bool client_flush(struct client *client)
{
	while (buf_used(&client->out)) {
		struct slice out = buf_slice(&client->out);
		ssize_t wrote = mio_write(&client->sock, out.data, out.len);

		if (wrote == -EAGAIN)
			return true;
		if (wrote <= 0) {
			client_free(client);
			return false;
		}
		buf_skip(&client->out, (size_t)wrote);
	}
	if (client->state == CLIENT_CLOSING) {
		client_free(client);
		return false;
	}
	return true;
}

/* Frees the client only here or in a socket callback, never while a command runs. */
static void flush_later(struct mio_task *task)
{
	struct client *client = container_of(task, struct client, flush);

	if (buf_used(&client->out) > OUTPUT_MAX_BYTES)
		client_free(client);
	else
		client_flush(client);
}

static void client_say(struct client *client, const char *key, struct slice text)
{
	buf_printf(&client->out, "{\"%s\": ", key);
	ctl_json_text(&client->out, text);
	buf_append_text(&client->out, "}\n");
	mio_defer(client->server->mio, &client->flush);
}

static void client_print(void *arg, bool error, struct slice text)
{
	client_say(arg, error ? "err" : "out", text);
}

static void client_progress(void *arg, struct slice text)
{
	client_say(arg, "progress", text);
}

static void client_ended(void *arg, int code)
{
	struct client *client = arg;

	client->state = CLIENT_CLOSING;
	buf_printf(&client->out, "{\"exit\": %d}\n", ctl_exit_code(code));
	mio_defer(client->server->mio, &client->flush);
}

static void client_refuse(struct client *client, const char *text)
{
	client_say(client, "err", slice_of(text));
	client_ended(client, CTL_USAGE);
}

/* In the middle of a command, too: it has no end then. */
static void client_break(struct client *client, const char *text)
{
	if (client->state == CLIENT_RUNNING)
		ctl_cancel(client->server->ctl, client->call);
	client_refuse(client, text);
}

static void client_more(void *arg)
{
	struct client *client = arg;

	client->wanted = true;
	buf_append_text(&client->out, "{\"want\": true}\n");
	mio_defer(client->server->mio, &client->flush);
	mio_defer(client->server->mio, &client->read);
}

static size_t client_unsent(void *arg)
{
	return buf_used(&((struct client *)arg)->out);
}

/* The first line is read: its command starts. */
static void client_run(struct client *client, const json_t *request)
{
	const struct ctl_sink sink = {
		.print = client_print,
		.progress = client_progress,
		.ended = client_ended,
		.arg = client,
		.more = json_is_true(json_object_get(request, "more")) ? client_more : NULL,
		.unsent = client_unsent,
	};
	const json_t *input = json_object_get(request, "input");
	json_t *command = json_object_get(request, "command");
	const char *words[WORDS_MAX];
	size_t count = json_array_size(command);

	if (count == 0 || count > WORDS_MAX) {
		client_refuse(client, "the request has no command");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		words[i] = json_string_value(json_array_get(command, i));
		if (!words[i]) {
			client_refuse(client, "a command's words are strings");
			return;
		}
	}
	client->state = CLIENT_RUNNING;
	client->call = ctl_run(
		client->server->ctl, words, count, json_is_true(json_object_get(request, "json")),
		(struct slice){json_string_value(input), json_string_length(input)}, &sink);
}

/* What the command wanted. */
static void client_feed(struct client *client, const json_t *line)
{
	const json_t *input = json_object_get(line, "input");

	client->wanted = false;
	if (json_is_string(input))
		ctl_feed(client->server->ctl, client->call,
			 (struct slice){json_string_value(input), json_string_length(input)});
	if (json_is_true(json_object_get(line, "end")))
		ctl_feed_end(client->server->ctl, client->call);
	else if (!json_is_string(input))
		client_break(client, "input is {\"input\": \"...\"} or {\"end\": true}");
}

static void client_line(struct client *client, struct slice line)
{
	json_t *json = json_loadb(line.data, line.len, JSON_ALLOW_NUL, NULL);

	if (!json_is_object(json))
		client_break(client, "a request is one line of JSON, at most 1 MB");
	else if (client->state == CLIENT_READING)
		client_run(client, json);
	else
		client_feed(client, json);
	json_decref(json);
}

static bool client_takes(const struct client *client)
{
	return client->state == CLIENT_READING ||
	       (client->state == CLIENT_RUNNING && client->wanted);
}

static void client_lines(struct client *client)
{
	while (client_takes(client)) {
		struct slice in = buf_slice(&client->in);
		const char *newline = in.len ? memchr(in.data, '\n', in.len) : NULL;
		size_t len;

		if (!newline) {
			if (in.len > LINE_MAX_BYTES)
				client_break(client, "a request is one line of JSON, at most 1 MB");
			break;
		}
		len = (size_t)(newline - in.data);
		client_line(client, (struct slice){in.data, len});
		buf_skip(&client->in, len + 1);
	}
	mio_pause(&client->sock,
		  client->state == CLIENT_RUNNING && buf_used(&client->in) > LINE_MAX_BYTES);
}

static void read_later(struct mio_task *task)
{
	client_lines(container_of(task, struct client, read));
}

/* One read a turn, so that a long import leaves the loop to others; the socket is readable again at
 * once. */
static void client_readable(struct mio_sock *sock)
{
	struct client *client = container_of(sock, struct client, sock);
	char *room = buf_reserve(&client->in, 65536);
	ssize_t got = mio_read(sock, room, 65536);

	if (got == -EAGAIN)
		return;
	if (got <= 0) {
		client_free(client);
		return;
	}
	if (client->state == CLIENT_CLOSING)
		return; /* what follows a request is nothing */
	buf_added(&client->in, (size_t)got);
	client_lines(client);
}

static void client_writable(struct mio_sock *sock)
{
	client_flush(container_of(sock, struct client, sock));
}

static const struct mio_sock_handler client_handler = {client_readable, client_writable};

static void accepted(int given, void *arg)
{
	struct ctl_server *server = arg;
	struct client *client = mem_zalloc(MEM_OTHER, sizeof(*client));

	client->server = server;
	client->flush.run = flush_later;
	client->read.run = read_later;
	list_append(&server->clients, &client->link);
	mio_sock_take(server->mio, &client->sock, given, &client_handler, 0);
}

int ctl_server_new(struct ctl *ctl, struct mio *mio, const char *path, struct ctl_server **server)
{
	AUTO(buf_fini) struct buf address = {0};
	struct mio_listener *listener;
	int rc;

	buf_printf(&address, "unix:%s", path);
	rc = mio_listen(mio_host_of(mio), buf_text(&address), &listener);
	if (rc)
		return rc;
	*server = mem_zalloc(MEM_OTHER, sizeof(**server));
	(*server)->ctl = ctl;
	(*server)->mio = mio;
	(*server)->listener = listener;
	list_init(&(*server)->clients);
	mio_accept(mio, listener, accepted, *server);
	return 0;
}

void ctl_server_free(struct ctl_server **server)
{
	struct list *link;

	if (!*server)
		return;
	while ((link = (*server)->clients.next) != &(*server)->clients) {
		struct client *client = container_of(link, struct client, link);

		/* What is unsent goes out as far as the socket takes it; the loop runs no more. */
		if (client->state != CLIENT_CLOSING || client_flush(client))
			client_free(client);
	}
	mio_accept_stop((*server)->mio, (*server)->listener);
	mio_unlisten(&(*server)->listener);
	mem_free(*server);
	*server = NULL;
}
