/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes what a component says to the router, and a router to its component.
 *
 * The first byte says which: even, a component that has bound x.example, also as a log sink, at a
 * router with rules and aliases; odd, a router that took our name. The rest is the inside of an
 * OPEN stream whose default namespace is that of components. Every element goes through the codec,
 * where what was printed must read back as the same, and to the peer, behind which two workers have
 * parts that answer what comes from it, as ends of ours do: their epoch is 9.
 * All that is sent must be XML.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/mem.h"
#include "conn/conn.h"
#include "jid/jid.h"
#include "link/policy.h"
#include "link/table.h"
#include "mio/sim.h"
#include "stanza/stanza.h"
#include "sx/plugins.h"
#include "xml/nad.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER                                                                                     \
	"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='" NS_COMPONENT      \
	"' version='1.0' id='1'>"

#define BIND "<bind name='x.example'><log/></bind>"

enum { WORKERS = 2, EPOCH = 9 };

#define TEXT(literal)                                                                              \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

static const struct link_rule rules[] = {
	{.from = TEXT("bad@*"), .to = TEXT("*"), .error = 403, .log = true},
	{.from = TEXT("*"), .to = TEXT("old@[a-c]*"), .redirect = "x.example"},
	{.from = TEXT("*"),
	 .to = TEXT("*"),
	 .what = TEXT("iq/query?xmlns=jabber:iq:register"),
	 .error = 405},
	{.what = TEXT("session?action=delete"), .error = 407},
};
static const struct link_alias aliases[] = {
	{TEXT("alias.example"), TEXT("x.example")},
	{TEXT("ours.example"), TEXT("a.example")},
};
static const struct link_policy policy = {
	.rules = rules, .rule_count = 4, .aliases = aliases, .alias_count = 2};

/* conn's part is played by this: link asks it for its stream alone. */
struct conn {
	struct sx *sx;
};

struct parts {
	struct link *link;
	struct link_part sm, c2s;
};

struct room {
	struct sim *sim;
	struct mio_host *host;
	struct link *links[WORKERS];
	struct parts parts[WORKERS];
	struct conn conn;
	struct link_peer *peer;
	enum link_role role;
	struct xml_pool *pool;
	struct xml_reader *reader; /* of what was sent */
};

static const struct xml_limits limits = {.stanza_bytes = 1 << 16, .depth = 20, .attributes = 30};
static const struct xml_limits larger = {.stanza_bytes = 1 << 20, .depth = 30, .attributes = 60};
static const char *const domains[] = {"a.example", NULL};

struct sx *conn_sx(struct conn *conn)
{
	return conn->sx;
}

/* -- parts
 * ------------------------------------------------------------------------------------------ */

static void answer(void *part, struct packet **packet)
{
	struct parts *parts = part;
	struct packet *back;

	if (!(*packet)->error && (*packet)->relayed && (*packet)->kind != PACKET_STANZA) {
		back = packet_answer(*packet);
		link_send(parts->link, &back);
	}
	packet_free(packet);
}

static void end_changed(void *part, struct slice name, uint32_t epoch)
{
	if (!name.len)
		abort();
}

static int start_worker(struct mio *mio, void *arg)
{
	struct room *room = arg;
	struct parts *parts = &room->parts[mio_worker(mio)];
	struct link_options options = {.shard_key = {1, 2},
				       .all = room->links,
				       .workers = WORKERS,
				       .epoch = EPOCH,
				       .uplink = room->role == LINK_UP};

	parts->link = room->links[mio_worker(mio)] = link_new(mio, &options);
	parts->sm = (struct link_part){.name = "sm",
				       .domains = domains,
				       .belongs = LINK_BY_SM,
				       .packet = answer,
				       .end_changed = end_changed,
				       .part = parts};
	parts->c2s = (struct link_part){
		.name = "c2s", .belongs = LINK_BY_C2S, .packet = answer, .part = parts};
	link_attach(parts->link, &parts->sm);
	link_attach(parts->link, &parts->c2s);
	if (room->role == LINK_DOWN)
		link_set_policy(parts->link, &policy);
	return 0;
}

/* -- the stream
 * ------------------------------------------------------------------------------------- */

static void open_at_once(void *state, struct sx *sx)
{
	struct jid *jid = jid_parse(SLICE("jabberd"));

	sx_set_identity(sx, jid, "test");
	jid_free(&jid);
	sx_open(sx);
}

static const struct sx_plugin opener = {.name = "opener", .stream = open_at_once};
static const struct sx_plugin *const plugins[] = {&opener, NULL};

static void opened(void *owner, struct sx *sx)
{
	struct room *room = owner;
	struct link_peer_options options = {.role = room->role};

	room->peer = link_peer_new(room->links[0], &room->conn, &options);
}

/* What is printed reads back, and prints as the same again. */
static void check_codec(struct link *link, const struct nad *nad)
{
	AUTO(packet_free) struct packet *packet = codec_read(link, nad);
	AUTO(packet_free) struct packet *again = NULL;
	AUTO(nad_free) struct nad *read = NULL;
	AUTO(buf_fini) struct buf text = {0}, second = {0};

	if (!packet)
		return;
	codec_print(packet, &text);
	read = xml_parse(buf_slice(&text), &larger);
	if (!read)
		abort();
	again = codec_read(link, read);
	if (!again || again->kind != packet->kind)
		abort();
	codec_print(again, &second);
	if (!slice_equal(buf_slice(&text), buf_slice(&second)))
		abort();
	packet_weight(packet);
	packet_pack(&packet);
	packet_unpack(&packet);
	buf_clear(&second);
	codec_print(packet, &second);
	if (!slice_equal(buf_slice(&text), buf_slice(&second)))
		abort();
}

static void received(void *owner, struct sx *sx, struct nad **nad)
{
	struct room *room = owner;

	check_codec(room->links[0], *nad);
	link_peer_receive(room->peer, nad);
	if (*nad)
		abort();
}

static const struct sx_handler handler = {.open = opened, .packet = received};

static void zeroes(void *arg, void *bytes, size_t len)
{
	memset(bytes, 7, len);
}

static void check_output(struct room *room)
{
	struct buf *out = sx_output(room->conn.sx);
	struct slice left = buf_slice(out);

	for (int rc = XML_HEADER; left.len && rc != XML_MORE && rc != XML_END;) {
		struct nad *nad = NULL;
		size_t used;

		rc = xml_read(room->reader, left, &used, &nad);
		if (rc > XML_END)
			abort();
		nad_free(&nad);
		left = (struct slice){left.data + used, left.len - used};
	}
	buf_skip(out, buf_used(out));
	sx_sent(room->conn.sx);
}

static void say(struct room *room, const void *bytes, size_t len)
{
	sx_feed(room->conn.sx, bytes, len);
	sim_run(room->sim, 1000, NULL, NULL);
	check_output(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sim_options sim_options = {.seed = 1};
	struct room room = {.role = size && data[0] & 1 ? LINK_UP : LINK_DOWN,
			    .pool = xml_pool_new()};
	struct sx_env env = {.pool = room.pool, .random = zeroes, .host_name = "here"};
	struct sx_options options = {.type = room.role == LINK_UP ? SX_CLIENT : SX_SERVER,
				     .plugins = plugins,
				     .before_auth = limits,
				     .after_auth = limits};

	room.reader = xml_reader_new(room.pool, &larger);
	room.sim = sim_new(&sim_options);
	room.host = sim_host(room.sim, "link");
	if (mio_host_start(room.host, WORKERS, start_worker, &room))
		abort();
	room.conn.sx = sx_new(&env, &options, &handler, &room);
	sx_start(room.conn.sx);
	say(&room, HEADER, sizeof(HEADER) - 1);
	say(&room, BIND, sizeof(BIND) - 1);
	if (size)
		say(&room, data + 1, size - 1);
	sim_run(room.sim, 40000, NULL, NULL); /* what is not acknowledged is given up */
	check_output(&room);
	link_peer_free(&room.peer);
	sim_run(room.sim, 1000, NULL, NULL);
	sx_free(&room.conn.sx);
	for (unsigned at = 0; at < WORKERS; at++)
		link_free(&room.links[at]);
	mio_host_free(&room.host);
	sim_free(&room.sim);
	xml_reader_free(&room.reader);
	xml_pool_free(&room.pool);
	return 0;
}
