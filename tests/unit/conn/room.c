/* SPDX-License-Identifier: MIT */
/* A host with two workers and a listener. */
#include "room.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "jid/jid.h"
#include "xml/nad.h"

static const struct sx_plugin *const plugins[] = {&sx_sasl_server, NULL};
static const struct xml_limits limits = {.stanza_bytes = 1 << 20, .depth = 50, .attributes = 50};

static void arrived(struct conn *conn, void *arg)
{
	struct room *room = arg;

	room->conn = conn;
	conn_set_owner(conn, room);
}

static void offer_plain(void *owner, struct sx *sx, void (*offer)(void *to, const char *name),
			void *to)
{
	offer(to, "PLAIN");
}

static void let_in(void *owner, struct sx *sx, const char *mechanism, bool initial,
		   struct slice message)
{
	struct room *room = conn_owner(conn_of(sx));
	struct jid *jid = jid_parse(SLICE("ann@example.org"));
	struct sx_sasl_answer answer = {
		.outcome = SX_SASL_SUCCESS, .identity = jid, .how = "SASL/PLAIN"};
	struct conn *conn = conn_of(sx);

	sx_sasl_answer(sx, &answer);
	jid_free(&jid);
	if (!room->moves)
		return;
	room->conn = NULL;
	conn_move(&conn, mio_host_loop(room->host, 1), room->envs[1], conn_options(conn), arrived,
		  room);
	assert_null(conn);
}

static void on_stream(void *owner, struct conn *conn)
{
	buf_append_text(&((struct room *)owner)->heard, "stream ");
}

static void on_open(void *owner, struct conn *conn)
{
	buf_append_text(&((struct room *)owner)->heard, "open ");
}

static void on_packet(void *owner, struct conn *conn, struct nad **nad)
{
	struct room *room = owner;
	struct slice name = nad_name(*nad, 0);

	if (room->packets++ < 10)
		buf_printf(&room->heard, "packet:%.*s ", (int)name.len, name.data);
	room->worker = (int)mio_worker(conn_env_mio(conn_env_of(conn)));
	if (room->on_packet)
		room->on_packet(room, conn, *nad);
	else
		sx_send(conn_sx(conn), nad);
	nad_free(nad);
}

static void on_drained(void *owner, struct conn *conn)
{
	buf_append_text(&((struct room *)owner)->heard, "drained ");
}

static void on_closed(void *owner, struct conn *conn, enum conn_end end)
{
	static const char *const ends[] = {"peer", "gone", "error", "fault", "timeout"};
	struct room *room = owner;

	buf_printf(&room->heard, "closed:%s ", ends[end]);
	room->fault = conn_fault(conn);
	room->refusal = conn_refusal(conn);
	room->conn = NULL;
	for (unsigned at = 0; at < countof(room->conns); at++) {
		if (room->conns[at] == conn)
			room->conns[at] = NULL;
	}
}

static void on_proxied(void *owner, struct conn *conn)
{
	buf_printf(&((struct room *)owner)->heard, "proxied:%s ", conn_peer(conn));
}

static const struct conn_handler handler = {.proxied = on_proxied,
					    .stream = on_stream,
					    .open = on_open,
					    .packet = on_packet,
					    .drained = on_drained,
					    .closed = on_closed};

void room_open(struct room *room)
{
	*room = (struct room){.client = -1};
	room->sasl = (struct sx_sasl_server_conf){.mechanisms = offer_plain, .step = let_in};
	room->plugin_conf[0] = &room->sasl;
	room->options = (struct conn_options){
		.stream = {.type = SX_SERVER,
			   .ns = NS_CLIENT,
			   .plugins = plugins,
			   .plugin_conf = room->plugin_conf,
			   .before_auth = limits,
			   .after_auth = limits},
		.handler = &handler,
	};
	room->host = mio_host_new("test");
	assert_int_equal(mio_listen(room->host, "127.0.0.1:0", &room->listener), 0);
}

static void accepted(int given, void *arg)
{
	struct room *room = arg;

	room->conn = conn_accept(room->envs[0], given, &room->options, room);
	if (room->accepted < countof(room->conns))
		room->conns[room->accepted++] = room->conn;
	if (room->proxied)
		conn_expect_proxy(room->conn);
}

static void tick(struct mio_timer *timer)
{
	struct room *room = container_of(timer, struct room, timer);

	room->late = ++room->steps > 800;
	if (room->late || room->step(room))
		mio_host_stop(room->host);
	else
		mio_timer_set(mio_host_loop(room->host, 0), timer, 10);
}

static int start_worker(struct mio *mio, void *arg)
{
	struct room *room = arg;

	room->envs[mio_worker(mio)] = conn_env_new(mio);
	if (room->budget)
		budget_join(room->budget, conn_env_queues(room->envs[mio_worker(mio)]));
	if (mio_worker(mio) == 0)
		mio_accept(mio, room->listener, accepted, room);
	return 0;
}

void room_run(struct room *room, bool (*step)(struct room *room))
{
	room->step = step;
	assert_int_equal(mio_host_start(room->host, 2, start_worker, room), 0);
	mio_timer_init(&room->timer, tick);
	mio_timer_set(mio_host_loop(room->host, 0), &room->timer, 10);
	assert_int_equal(mio_host_run(room->host), 0);
	assert_false(room->late);
}

void room_close(struct room *room)
{
	conn_kill(&room->conn);
	mio_accept_stop(mio_host_loop(room->host, 0), room->listener);
	mio_unlisten(&room->listener);
	conn_env_free(&room->envs[0]);
	conn_env_free(&room->envs[1]);
	budget_free(&room->budget);
	buf_fini(&room->heard); /* of the workers' heaps */
	buf_fini(&room->got);
	mio_host_free(&room->host);
	if (room->client >= 0)
		close(room->client);
}

void room_connect(struct room *room)
{
	const char *port = strrchr(mio_listener_address(room->listener), ':') + 1;
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)atoi(port)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	room->client = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(room->client, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
	assert_int_equal(connect(room->client, (struct sockaddr *)&to, sizeof(to)), 0);
}

void room_say(struct room *room, const char *text)
{
	if (room->client < 0)
		room_connect(room);
	assert_int_equal(send(room->client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

bool room_got(struct room *room, const char *text)
{
	char bytes[4096];
	ssize_t got;

	while ((got = recv(room->client, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		buf_append(&room->got, bytes, (size_t)got);
	if (got == 0)
		room->eof = true;
	return strstr(buf_text(&room->got), text) != NULL;
}

const char *room_heard(struct room *room)
{
	return buf_text(&room->heard);
}
