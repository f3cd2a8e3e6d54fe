/* SPDX-License-Identifier: MIT */
/* Two processes and a router that the tests of ends share. */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "conn/conn.h"
#include "jid/jid.h"
#include "stanza/stanza.h"
#include "sx/plugins.h"
#include "xml/nad.h"

#define HEADER                                                                                     \
	"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='" NS_COMPONENT      \
	"' version='1.0' id='1'>"

struct resident {
	struct house *house;
	unsigned worker;
	struct link_part part;
};

/* At the router, on its way to a house. */
struct letter {
	struct list link_entry;
	struct house *to;
	struct buf text;
};

static const char *const domains[] = {"a.example", NULL};
static const struct xml_limits limits = {.stanza_bytes = 4 << 20, .depth = 50, .attributes = 50};

struct sx *conn_sx(struct conn *conn)
{
	return conn->sx;
}

/* -- parts ------------------------------------------------------------------------------------- */

/* What a house does outside its loops is done with its memory: a kill drops it. */
static struct heap *enter(const struct house *house)
{
	return heap_enter(mio_heap(mio_host_loop(house->host, 0)));
}

static void note(struct resident *resident, const char *format, ...) PRINTF_LIKE(2, 3);

static void note(struct resident *resident, const char *format, ...)
{
	struct heap *before = heap_enter(NULL); /* it outlives the process */
	va_list args;

	buf_printf(&resident->house->heard, "%u:", resident->worker);
	va_start(args, format);
	buf_vprintf(&resident->house->heard, format, args);
	va_end(args);
	buf_append_char(&resident->house->heard, ' ');
	heap_enter(before);
}

static void note_home(struct house *house, struct slice id)
{
	struct heap *before = heap_enter(NULL);

	buf_append_slice(&house->home, id);
	buf_append_char(&house->home, ' ');
	heap_enter(before);
}

static void arrived(void *part, struct packet **taken)
{
	struct resident *resident = part;
	struct packet *packet = *taken, *answer;

	if (packet->kind == PACKET_SESSION && packet->error) {
		note(resident, "%s!%u",
		     packet->session.action == SESSION_HELLO ? "hello" : "action", packet->error);
	} else if (packet->kind == PACKET_SESSION && resident->house->is_sm) {
		answer = packet_answer(packet);
		link_send(resident->house->links[resident->worker], &answer);
	} else if (packet->kind == PACKET_STANZA) {
		char error[16] = "";

		if (packet->error)
			snprintf(error, sizeof(error), "!%u", packet->error);
		note(resident, "%.*s%s", (int)packet->stanza->id.len, packet->stanza->id.data,
		     error);
		if (packet->home || !packet->relayed)
			note_home(resident->house, packet->stanza->id);
	}
	packet_free(taken);
}

static void end_changed(void *part, struct slice name, uint32_t epoch)
{
	note(part, "+%.*s/%u", (int)name.len, name.data, epoch);
}

static void passed_on(void *part, const struct packet *packet)
{
	note(part, "%.*s>", (int)packet->stanza->id.len, packet->stanza->id.data);
}

static int start_worker(struct mio *mio, void *arg)
{
	struct house *house = arg;
	unsigned worker = mio_worker(mio);
	struct resident *resident = &house->residents[worker];
	struct link_options options = {.shard_key = {1, 2},
				       .all = house->links,
				       .workers = WIRE_WORKERS,
				       .epoch = house->epoch,
				       .uplink = !house->is_sm || !house->wire->direct};

	*resident = (struct resident){
		.house = house,
		.worker = worker,
		.part = {.name = house->name,
			 .domains = house->is_sm ? domains : NULL,
			 .belongs = house->is_sm ? LINK_BY_SM : LINK_BY_C2S,
			 .packet = arrived,
			 .end_changed = end_changed,
			 .passed_on = passed_on,
			 .part = resident},
	};
	house->links[worker] = link_new(mio, &options);
	link_attach(house->links[worker], &resident->part);
	return 0;
}

static void house_start(struct house *house)
{
	house->epoch++;
	house->host = sim_host(house->wire->sim, house->name);
	assert_int_equal(mio_host_start(house->host, WIRE_WORKERS, start_worker, house), 0);
}

void house_restart(struct house *house)
{
	house_connect(house, false);
	sim_kill(house->wire->sim, &house->host);
	house_start(house);
	house_connect(house, true);
}

/* -- streams ----------------------------------------------------------------------------------- */

static void open_at_once(void *state, struct sx *sx)
{
	AUTO(jid_free) struct jid *jid = jid_parse(SLICE("jabberd"));

	sx_set_identity(sx, jid, "test");
	sx_open(sx);
}

static const struct sx_plugin opener = {.name = "opener", .stream = open_at_once};
static const struct sx_plugin *const plugins[] = {&opener, NULL};

static bool is_router(const struct house *house)
{
	return house->is_sm && house->wire->direct;
}

static void opened(void *owner, struct sx *sx)
{
	struct house *house = owner;
	struct link_peer_options options = {.role = is_router(house) ? LINK_DOWN : LINK_UP};

	house->peer = link_peer_new(house->links[0], &house->conn, &options);
}

static void received(void *owner, struct sx *sx, struct nad **nad)
{
	link_peer_receive(((struct house *)owner)->peer, nad);
}

static const struct sx_handler handler = {.open = opened, .packet = received};

static void zeroes(void *arg, void *bytes, size_t len)
{
	memset(bytes, 0, len);
}

static void hear(struct house *house, struct slice text)
{
	struct heap *before = enter(house);

	sx_feed(house->conn.sx, text.data, text.len);
	heap_enter(before);
}

void house_hear(struct house *house, const char *text)
{
	hear(house, slice_of(text));
}

static void drop_letters(struct wire *wire, const struct house *to)
{
	struct list *next;

	for (struct list *at = wire->letters.next; at != &wire->letters; at = next) {
		struct letter *letter = container_of(at, struct letter, link_entry);

		next = at->next;
		if (to && letter->to != to)
			continue;
		list_remove(at);
		buf_fini(&letter->text);
		mem_free(letter);
	}
}

static void post(struct house *to, const char *text)
{
	struct letter *letter = mem_zalloc(MEM_OTHER, sizeof(*letter));

	letter->to = to;
	buf_append_text(&letter->text, text);
	list_append(&to->wire->letters, &letter->link_entry);
}

static struct house *other(struct house *house)
{
	return house->is_sm ? &house->wire->c2s : &house->wire->sm;
}

static void connect_now(struct house *house)
{
	struct heap *before = enter(house);

	house->env = (struct sx_env){.pool = xml_pool_new(), .random = zeroes, .host_name = "here"};
	house->options = (struct sx_options){.type = is_router(house) ? SX_SERVER : SX_CLIENT,
					     .plugins = plugins,
					     .before_auth = limits,
					     .after_auth = limits};
	house->conn.sx = sx_new(&house->env, &house->options, &handler, house);
	house->reader = xml_reader_new(house->env.pool, &limits);
	sx_start(house->conn.sx);
	if (!house->wire->direct)
		sx_feed(house->conn.sx, HEADER, sizeof(HEADER) - 1);
	heap_enter(before);
}

void house_connect(struct house *house, bool connected)
{
	if (connected == (house->conn.sx != NULL))
		return;
	if (connected) {
		connect_now(house);
		return;
	}
	drop_letters(house->wire, house);
	if (house->bound && other(house)->bound && house->wire->is_up) {
		post(other(house), house->is_sm ? "<presence type='unavailable' from='sm'/>"
						: "<presence type='unavailable' from='c2s'/>");
	}
	house->bound = false;
	link_peer_free(&house->peer);
	sx_free(&house->conn.sx);
	xml_reader_free(&house->reader);
	xml_pool_free(&house->env.pool);
}

void wire_router(struct wire *wire, bool up)
{
	wire->is_up = up;
	house_connect(&wire->c2s, up);
	house_connect(&wire->sm, up);
	if (!up)
		drop_letters(wire, NULL);
}

/* -- the router -------------------------------------------------------------------------------- */

static void bind(struct house *house, struct slice name)
{
	AUTO(buf_fini) struct buf text = {0};
	bool first = !house->bound;

	post(house, "<bind/>");
	house->bound = true;
	if (!other(house)->bound)
		return;
	buf_printf(&text, "<presence from='%.*s'/>", (int)name.len, name.data);
	post(other(house), buf_text(&text));
	if (first)
		post(house, house->is_sm ? "<presence from='c2s'/>" : "<presence from='sm'/>");
}

static struct house *served_by(struct wire *wire, struct slice name)
{
	if (slice_is(name, "c2s"))
		return wire->c2s.bound ? &wire->c2s : NULL;
	return (slice_is(name, "sm") || slice_is(name, "a.example")) && wire->sm.bound ? &wire->sm
										       : NULL;
}

static void route(struct house *from, struct nad *nad)
{
	struct wire *wire = from->wire;
	struct house *to = served_by(wire, nad_attr_value(nad, 0, "to"));
	unsigned error = to ? 0 : 404;
	char code[12];

	buf_clear(&from->said);
	nad_print(nad, 0, NS_COMPONENT, &from->said);
	from->routes++;
	assert_ptr_equal(served_by(wire, nad_attr_value(nad, 0, "from")), from);
	if (wire->lose) {
		wire->lose--;
		return;
	}
	if (wire->refuse && strstr(buf_text(&from->said), wire->refuse))
		error = wire->refuse_error;
	snprintf(code, sizeof(code), "%u", error);
	if (error) {
		AUTO(buf_fini) struct buf text = {0};

		nad_set_attr(nad, 0, NULL, "error", code);
		nad_print(nad, 0, NS_COMPONENT, &text);
		post(from, buf_text(&text));
		return;
	}
	post(to, buf_text(&from->said));
	if (wire->repeat) {
		wire->repeat--;
		post(to, buf_text(&from->said));
	}
}

static void read_element(struct house *from, struct nad *nad)
{
	if (nad_is(nad, 0, NS_COMPONENT, "bind"))
		bind(from, nad_attr_value(nad, 0, "name"));
	else if (nad_is(nad, 0, NS_COMPONENT, "route"))
		route(from, nad);
}

static void read_house(struct house *house)
{
	struct buf *out = house->conn.sx ? sx_output(house->conn.sx) : NULL;

	while (out && buf_used(out)) {
		struct nad *nad = NULL;
		size_t used;
		int rc;

		if (house->wire->direct) {
			used = buf_used(out);
			hear(other(house), buf_slice(out));
			buf_skip(out, used);
			sx_sent(house->conn.sx);
			return;
		}
		rc = xml_read(house->reader, buf_slice(out), &used, &nad);
		assert_true(rc <= XML_ELEMENT);
		buf_skip(out, used);
		if (rc == XML_ELEMENT)
			read_element(house, nad);
		nad_free(&nad);
		sx_sent(house->conn.sx);
	}
}

static void deliver(struct wire *wire)
{
	struct list *first;

	while (!wire->holds && (first = list_shift(&wire->letters))) {
		struct letter *letter = container_of(first, struct letter, link_entry);

		if (letter->to->conn.sx)
			hear(letter->to, buf_slice(&letter->text));
		buf_fini(&letter->text);
		mem_free(letter);
	}
}

void wire_run(struct wire *wire, int64_t ms)
{
	int64_t end = sim_now_ms(wire->sim) + ms;

	do {
		int64_t left = end - sim_now_ms(wire->sim);

		read_house(&wire->c2s);
		read_house(&wire->sm);
		deliver(wire);
		sim_run(wire->sim, left < 5 ? left : 5, NULL, NULL);
	} while (sim_now_ms(wire->sim) < end);
}

/* -- the play ---------------------------------------------------------------------------------- */

static void ticked(struct mio_timer *timer)
{
	struct wire *wire = container_of(timer, struct wire, tick);

	mio_timer_set(mio_host_loop(wire->clock, 0), timer, 1000);
}

static int start_clock(struct mio *mio, void *arg)
{
	struct wire *wire = arg;

	mio_timer_init(&wire->tick, ticked);
	mio_timer_set(mio, &wire->tick, 1000);
	return 0;
}

void wire_open(struct wire *wire, uint64_t seed, bool direct)
{
	struct sim_options options = {.seed = seed};

	*wire = (struct wire){.direct = direct};
	list_init(&wire->letters);
	wire->sim = sim_new(&options);
	wire->clock = sim_host(wire->sim, "clock");
	assert_int_equal(mio_host_start(wire->clock, 1, start_clock, wire), 0);
	wire->c2s = (struct house){.wire = wire, .name = "c2s", .epoch = 10};
	wire->sm = (struct house){.wire = wire, .name = "sm", .epoch = 20, .is_sm = true};
	wire->c2s.residents = mem_zalloc(MEM_OTHER, WIRE_WORKERS * sizeof(struct resident));
	wire->sm.residents = mem_zalloc(MEM_OTHER, WIRE_WORKERS * sizeof(struct resident));
	house_start(&wire->sm);
	house_start(&wire->c2s);
	wire_router(wire, true);
	wire_run(wire, 100);
}

static void house_close(struct house *house)
{
	for (unsigned at = 0; at < WIRE_WORKERS; at++)
		link_free(&house->links[at]);
	mio_host_free(&house->host);
	mem_free(house->residents);
	buf_fini(&house->heard);
	buf_fini(&house->home);
	buf_fini(&house->said);
}

void wire_close(struct wire *wire)
{
	wire_router(wire, false);
	sim_run(wire->sim, 10, NULL, NULL);
	house_close(&wire->c2s);
	house_close(&wire->sm);
	mio_timer_stop(&wire->tick);
	mio_host_free(&wire->clock);
	sim_free(&wire->sim);
}

void house_send_to(struct house *house, unsigned worker, unsigned number, const char *to, bool ours)
{
	AUTO(str_free)
	struct str *from = str_new(slice_of(house->is_sm && ours ? "a.example" : house->name));
	AUTO(str_free) struct str *name = str_new(slice_of(to));
	struct heap *before = heap_enter(mio_heap(mio_host_loop(house->host, worker)));
	struct stanza *stanza;
	struct packet *packet;
	char id[12];

	snprintf(id, sizeof(id), "%u", number);
	stanza = stanza_new(STANZA_MESSAGE, STANZA_NONE, slice_of(id));
	packet = packet_stanza(from, name, &stanza);
	packet->ours = ours;
	session_id_set(&packet->c2s, (uint64_t)worker << 56 | UINT64_C(1) << 32 | 1);
	packet->sm = packet->c2s;
	link_send(house->links[worker], &packet);
	heap_enter(before);
}

void house_send(struct house *house, unsigned worker, unsigned number)
{
	house_send_to(house, worker, number, house->is_sm ? "c2s" : "sm", true);
}

void wire_greet(struct wire *wire)
{
	AUTO(str_free) struct str *from = str_new(SLICE("c2s")), *to = str_new(SLICE("a.example"));
	struct packet *packet = packet_session(from, to, SESSION_HELLO);

	packet->ours = true;
	packet->session.target = jid_parse(SLICE("a.example"));
	link_send(wire->c2s.links[0], &packet);
	wire_run(wire, 200);
}

void house_expect_home(struct house *house, const char *home)
{
	assert_string_equal(buf_text(&house->home), home);
	buf_clear(&house->home);
}

void house_expect(struct house *house, const char *heard)
{
	assert_string_equal(buf_text(&house->heard), heard);
	buf_clear(&house->heard);
}

static int set_up(void **state, bool direct)
{
	struct wire *wire = mem_zalloc(MEM_OTHER, sizeof(*wire));

	wire_open(wire, 7, direct);
	wire_greet(wire);
	*state = wire;
	return 0;
}

int wire_set_up(void **state)
{
	return set_up(state, false);
}

int wire_set_up_direct(void **state)
{
	return set_up(state, true);
}

int wire_tear_down(void **state)
{
	struct wire *wire = *state;

	wire_close(wire);
	mem_free(wire);
	return 0;
}
