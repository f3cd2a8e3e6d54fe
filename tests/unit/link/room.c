/* SPDX-License-Identifier: MIT */
/* The process that the tests of link share. */
#include "room.h"

#include <string.h>
#include "base/mem.h"
#include "conn/conn.h"
#include "jid/jid.h"
#include "mio/sim.h"
#include "stanza/stanza.h"
#include "sx/plugins.h"
#include "xml/nad.h"

#define DECLARATION " xmlns='" NS_COMPONENT "'"

struct recorder {
	struct room *room;
	unsigned worker;
	struct link_part sm, c2s;
};

static const char *const domains[] = {"a.example", "b.example", NULL};
static const struct xml_limits limits = {.stanza_bytes = 1 << 20, .depth = 50, .attributes = 50};

/* -- parts
 * ------------------------------------------------------------------------------------------ */

/* Without the declarations that each line has. */
static void append_short(struct buf *out, const char *text)
{
	const char *at;

	for (; (at = strstr(text, DECLARATION)); text = at + strlen(DECLARATION))
		buf_append(out, text, (size_t)(at - text));
	buf_append_text(out, text);
}

static void record(struct recorder *recorder, const char *part, struct packet **packet)
{
	struct room *room = recorder->room;
	struct heap *before = heap_enter(NULL); /* it outlives the process */
	AUTO(buf_fini) struct buf text = {0};

	codec_print(*packet, &text);
	buf_printf(&room->heard, "%s/%u ", part, recorder->worker);
	if ((*packet)->error)
		buf_printf(&room->heard, "%u ", (*packet)->error);
	append_short(&room->heard, buf_text(&text));
	buf_append_char(&room->heard, '\n');
	heap_enter(before);
	packet_free(&room->last);
	room->last = *packet;
	*packet = NULL;
}

static void to_sm(void *part, struct packet **packet)
{
	record(part, "sm", packet);
}

static void to_c2s(void *part, struct packet **packet)
{
	record(part, "c2s", packet);
}

static void name_changed(void *part, struct slice name, bool available)
{
	struct recorder *recorder = part;
	struct heap *before = heap_enter(NULL);

	if (recorder->worker == ROOM_WORKERS - 1)
		buf_printf(&recorder->room->told, "%c%.*s ", available ? '+' : '-', (int)name.len,
			   name.data);
	heap_enter(before);
}

/* -- the process
 * ------------------------------------------------------------------------------------ */

static int start_worker(struct mio *mio, void *arg)
{
	struct room *room = arg;
	unsigned worker = mio_worker(mio);
	struct recorder *recorder = &room->recorders[worker];
	struct link_options options = {.shard_key = {1, 2},
				       .all = room->links,
				       .workers = ROOM_WORKERS,
				       .uplink = room->uplink};

	room->links[worker] = link_new(mio, &options);
	*recorder = (struct recorder){
		.room = room,
		.worker = worker,
		.sm = {.name = "sm",
		       .domains = domains,
		       .belongs = LINK_BY_SM,
		       .packet = to_sm,
		       .name_changed = name_changed},
		.c2s = {.name = "c2s", .belongs = LINK_BY_C2S, .packet = to_c2s},
	};
	recorder->sm.part = recorder->c2s.part = recorder;
	link_attach(room->links[worker], &recorder->sm);
	link_attach(room->links[worker], &recorder->c2s);
	return 0;
}

void room_open(struct room *room, bool uplink)
{
	struct sim_options options = {.seed = 3};

	*room = (struct room){.uplink = uplink};
	room->recorders = mem_zalloc(MEM_OTHER, ROOM_WORKERS * sizeof(*room->recorders));
	room->sim = sim_new(&options);
	room->host = sim_host(room->sim, "link");
	assert_int_equal(mio_host_start(room->host, ROOM_WORKERS, start_worker, room), 0);
}

void room_close(struct room *room)
{
	packet_free(&room->last);
	for (unsigned at = 0; at < ROOM_WORKERS; at++)
		link_free(&room->links[at]);
	mio_host_free(&room->host);
	sim_free(&room->sim);
	mem_free(room->recorders);
	buf_fini(&room->heard);
	buf_fini(&room->told);
}

void room_set_policy(struct room *room, const struct link_policy *policy)
{
	for (unsigned at = 0; at < ROOM_WORKERS; at++)
		link_set_policy(room->links[at], policy);
}

void room_settle(struct room *room)
{
	sim_run(room->sim, 1000, NULL, NULL);
}

void room_send(struct room *room, unsigned worker, struct packet **packet)
{
	link_send(room->links[worker], packet);
	assert_null(*packet);
	room_settle(room);
}

void room_expect(struct room *room, const char *text)
{
	assert_string_equal(buf_text(&room->heard), text);
	buf_clear(&room->heard);
}

void room_expect_told(struct room *room, const char *text)
{
	assert_string_equal(buf_text(&room->told), text);
	buf_clear(&room->told);
}

void count_is(const char *text, const char *part, unsigned count)
{
	unsigned found = 0;

	for (const char *at = text; (at = strstr(at, part)); at++)
		found++;
	if (found != count)
		fail_msg("%u times %s in %s", found, part, text);
}

struct packet *make_message(const char *from, const char *to)
{
	AUTO(jid_free) struct jid *to_jid = jid_parse(slice_of(to));
	AUTO(str_free) struct str *sm = str_new(SLICE("sm")), *name = str_new(jid_domain(to_jid));
	struct stanza *stanza = stanza_new(STANZA_MESSAGE, STANZA_CHAT, SLICE("1"));

	stanza->from = jid_parse(slice_of(from));
	stanza_set_to(stanza, to_jid);
	nad_append_text(stanza->payload, NS_CLIENT, "body", 1, SLICE("x"));
	return packet_stanza(sm, name, &stanza);
}

struct packet *read_route(struct room *room, const char *text)
{
	AUTO(nad_free) struct nad *nad = xml_parse(slice_of(text), &limits);

	assert_non_null(nad);
	return codec_read(room->links[0], nad);
}

/* -- peers
 * ------------------------------------------------------------------------------------------ */

struct sx *conn_sx(struct conn *conn)
{
	return conn->sx;
}

static void open_at_once(void *state, struct sx *sx)
{
	AUTO(jid_free) struct jid *jid = jid_parse(SLICE("jabberd"));

	sx_set_identity(sx, jid, "test");
	sx_open(sx);
}

static const struct sx_plugin opener = {.name = "opener", .stream = open_at_once};
static const struct sx_plugin *const plugins[] = {&opener, NULL};

static bool permits(void *arg, struct link_peer *peer, enum link_permit what, struct slice name)
{
	struct room *room = ((struct remote *)arg)->room;

	if (what == LINK_PERMIT_DEFAULT_ROUTE)
		return !room->no_default;
	if (what == LINK_PERMIT_LOG)
		return !room->no_log;
	if (what == LINK_PERMIT_ACCOUNTS)
		return !room->no_accounts;
	return !room->forbidden || !slice_is(name, room->forbidden);
}

static void bound(void *arg, struct link_peer *peer, unsigned error)
{
	struct remote *remote = arg;

	remote->answers++;
	remote->error = error;
}

static void opened(void *owner, struct sx *sx)
{
	struct remote *remote = owner;
	struct link_peer_options options = {
		.role = remote->role, .permits = permits, .bound = bound, .arg = remote};

	if (remote->role == LINK_EXTERNAL)
		options.name = SLICE("e.example");

	remote->peer = link_peer_new(remote->room->links[0], &remote->conn, &options);
}

static void received(void *owner, struct sx *sx, struct nad **nad)
{
	link_peer_receive(((struct remote *)owner)->peer, nad);
	assert_null(*nad);
}

static const struct sx_handler handler = {.open = opened, .packet = received};

static void zeroes(void *arg, void *bytes, size_t len)
{
	memset(bytes, 0, len);
}

void remote_open(struct remote *remote, struct room *room, enum link_role role)
{
	*remote = (struct remote){.room = room, .role = role};
	remote->env =
		(struct sx_env){.pool = xml_pool_new(), .random = zeroes, .host_name = "here"};
	remote->options = (struct sx_options){.type = role == LINK_UP ? SX_CLIENT : SX_SERVER,
					      .plugins = plugins,
					      .before_auth = limits,
					      .after_auth = limits};
	remote->conn.sx = sx_new(&remote->env, &remote->options, &handler, remote);
	sx_start(remote->conn.sx);
	remote_say(remote,
		   "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'" DECLARATION
		   " version='1.0' id='1'>");
	assert_non_null(remote->peer);
	if (role != LINK_UP)
		remote_heard(remote);
}

void remote_close(struct remote *remote)
{
	link_peer_free(&remote->peer);
	room_settle(remote->room);
	sx_free(&remote->conn.sx);
	xml_pool_free(&remote->env.pool);
	buf_fini(&remote->heard);
}

void remote_say(struct remote *remote, const char *text)
{
	sx_feed(remote->conn.sx, text, strlen(text));
	room_settle(remote->room);
}

const char *remote_heard(struct remote *remote)
{
	struct buf *out = sx_output(remote->conn.sx);

	buf_clear(&remote->heard);
	append_short(&remote->heard, buf_text(out));
	buf_skip(out, buf_used(out));
	sx_sent(remote->conn.sx);
	return buf_text(&remote->heard);
}

void remote_expect(struct remote *remote, const char *text)
{
	assert_string_equal(remote_heard(remote), text);
}
