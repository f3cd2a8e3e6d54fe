/* SPDX-License-Identifier: MIT */
/* The process that the tests of sm share. */
#include "room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "component/accounts.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "jid/jid.h"
#include "link/policy.h"
#include "mio/sim.h"
#include "sm/commands.h"
#include "sm/core.h"
#include "sm/sm_component.h"
#include "stanza/stanza.h"
#include "xml/nad.h"
#include "xml/parser.h"

enum { CLIENTS_MAX = 400 };

struct line {
	struct line *next;
	char *client, *text;
};

struct client {
	char *name;
	struct session_id sm;
	uint32_t sent, settled, settled_before; /* its snapshot came */
	bool keeps;    /* it does not have what it was sent, until it takes it */
	uint64_t window; /* beside settled */
	uint32_t mark; /* that c2s was asked with whether it reached it */
	struct buf snapshot;
	struct origin origin; /* of the last stanza */
};

struct room {
	struct sim *sim;
	struct mio_host *host;
	unsigned workers;
	const char *mechanism, *admin;
	const char *name; /* of the process */
	struct process *process;
	struct accounts *accounts;
	struct settings settings;
	struct log_writer *logs;
	struct line *lines, **last;
	struct client clients[CLIENTS_MAX];
	struct buf shown; /* what room_next() gave */
	struct buf said;  /* by a command */
	uint64_t call;	  /* of one that goes on */
	int code;	  /* of it; -1: it has not ended */
	bool keeps;	  /* nobody has what was sent to them */
	struct str *c2s, *sm, *world, *localhost;
};

struct recorder {
	struct room *room;
	struct link *link;
	struct link_part c2s, world;
};

static const char *const domains[] = {"localhost", "b.example"};
static const char *const world_domains[] = {"remote.example", NULL};
/* A c2s that is another process, but for the way there. */
static const struct link_alias far = {{"far", 3}, {"c2s", 3}};
static const struct link_policy policy = {.aliases = &far, .alias_count = 1};

/* -- writing down -- */

static void write_down(struct room *room, const char *client, struct slice text)
{
	struct heap *before = heap_enter(NULL); /* it outlives the process */
	struct line *line = mem_zalloc(MEM_OTHER, sizeof(*line));

	line->client = mem_strdup(MEM_OTHER, client);
	line->text = mem_strndup(MEM_OTHER, text.data ? text.data : "", text.len);
	*room->last = line;
	room->last = &line->next;
	heap_enter(before);
}

static char *lasting(const char *text)
{
	struct heap *before = heap_enter(NULL);
	char *copy = mem_strdup(MEM_OTHER, text);

	heap_enter(before);
	return copy;
}

static struct client *client_of(struct room *room, const char *name)
{
	for (unsigned at = 0; at < CLIENTS_MAX; at++) {
		struct client *client = &room->clients[at];

		if (!client->name)
			client->name = lasting(name);
		if (strcmp(client->name, name) == 0)
			return client;
	}
	fail_msg("too many clients");
	return NULL;
}

static void print_packet(const struct packet *packet, struct buf *out)
{
	static const char *const actions[SESSION_ACTIONS] = {
		"start",   "started", "end",	 "ended",    "create",
		"created", "delete",  "deleted", "replaced", "hello",
		"ack",	   "enable",  "enabled", "detach",   "resume",
		"resumed", "snapshot", "present", "presented", "attach",
		"disable", "allow",   "disabled", "shed", "kicked", "crowded", "reach", "reached", "active", "inactive", "bind", "bound"};

	if (packet->kind == PACKET_STANZA) {
		stanza_print(packet->stanza, out);
		return;
	}
	if (packet->kind == PACKET_ACCOUNT) {
		buf_printf(out, "account of %s: %d", jid_text(packet->account.user), packet->account.result);
		return;
	}
	buf_printf(out, "%s from=%s", actions[packet->session.action], str_text(packet->from));
	if (packet->failed) {
		buf_append_text(out, " failed sm=");
		buf_append_slice(out, session_id_text(&packet->sm, (char[SESSION_ID_MAX]){0}));
	}
	if (packet->session.target)
		buf_printf(out, " target=%s", jid_text(packet->session.target));
	if (packet->session.id)
		buf_printf(out, " id=%s", str_text(packet->session.id));
	if (packet->session.end)
		buf_printf(out, " end=%s", str_text(packet->session.end));
	if (packet->failed && packet->session.resume.known)
		buf_printf(out, " handled=%u", packet->session.resume.handled);
	if (packet->session.resume.later)
		buf_append_text(out, " later");
	if (packet->session.action == SESSION_RESUMED) {
		struct slice text = buf_slice(&packet->session.text);

		buf_printf(out, " settled=%u had", packet->session.resume.settled);
		buf_append_slice(out, slice_line(&text));
	}
	if (packet->session.action == SESSION_BOUND) {
		struct slice text = buf_slice(&packet->session.text);

		buf_printf(out, " enabled=%d resume=%u ", packet->session.resume.known, packet->session.resume.seconds);
		buf_append_slice(out, slice_line(&text));
	}
}

static struct packet *taken_new(struct room *room, const struct session_id *c2s, const struct session_id *sm,
				uint32_t count)
{
	struct packet *taken = packet_new(PACKET_TAKEN, room->c2s, room->sm);

	taken->c2s = *c2s;
	taken->sm = *sm;
	taken->ours = true;
	taken->count = count;
	return taken;
}

static void keep_snapshot(struct client *client, struct slice text)
{
	struct heap *before = heap_enter(NULL);

	buf_clear(&client->snapshot);
	buf_append_slice(&client->snapshot, text);
	client->settled_before = client->settled;
	heap_enter(before);
}

static void to_c2s(void *part, struct packet **taken)
{
	struct recorder *recorder = part;
	struct packet *packet = *taken;
	AUTO(buf_fini) struct buf name = {0}, text = {0};
	struct client *client;
	struct slice told = packet->kind == PACKET_SESSION ? buf_slice(&packet->session.text) : SLICE("");

	buf_append_slice(&name, session_id_text(&packet->c2s, (char[SESSION_ID_MAX]){0}));
	client = client_of(recorder->room, buf_text(&name));
	if (packet->kind == PACKET_SESSION &&
	    (packet->session.action == SESSION_RESUMED || packet->session.action == SESSION_BOUND))
		slice_line(&told);
	if (packet->kind == PACKET_SETTLED) {
		client->settled = packet->count;
		client->window = packet->window;
	} else if (packet->kind == PACKET_SESSION && packet->session.action == SESSION_SNAPSHOT) {
		keep_snapshot(client, buf_slice(&packet->session.text));
	} else {
		if (packet->kind == PACKET_SESSION &&
		    (packet->session.action == SESSION_STARTED || packet->session.action == SESSION_PRESENTED ||
		     packet->session.action == SESSION_RESUMED || packet->session.action == SESSION_BOUND))
			client->sm = packet->sm;
		if (packet->kind == PACKET_SESSION && told.len)
			keep_snapshot(client, told);
		if (packet->kind == PACKET_STANZA)
			client->origin = packet->stanza->origin;
		if (packet->kind == PACKET_SESSION && packet->session.action == SESSION_REACH)
			client->mark = packet->session.resume.handled;
		print_packet(packet, &text);
		write_down(recorder->room, buf_text(&name), buf_slice(&text));
		if (packet->kind == PACKET_STANZA && !recorder->room->keeps && !client->keeps) {
			struct packet *has = taken_new(recorder->room, &packet->c2s, &packet->sm, 1);

			link_send(recorder->link, &has); /* as c2s does when the kernel took it */
		}
	}
	packet_free(taken);
}

static void to_world(void *part, struct packet **packet)
{
	struct recorder *recorder = part;
	AUTO(buf_fini) struct buf text = {0};

	print_packet(*packet, &text);
	write_down(recorder->room, "world", buf_slice(&text));
	packet_free(packet);
}

static int recorder_start(void *state, struct worker *worker, struct buf *why)
{
	struct recorder *recorder = state;

	recorder->room = container_of(worker->settings, struct room, settings);
	recorder->link = worker->link;
	recorder->c2s = (struct link_part){
		.name = "c2s", .belongs = LINK_BY_C2S, .packet = to_c2s, .part = recorder};
	recorder->world = (struct link_part){.name = "s2s",
					     .domains = world_domains,
					     .belongs = LINK_BY_C2S,
					     .packet = to_world,
					     .part = recorder};
	link_attach(worker->link, &recorder->c2s);
	link_attach(worker->link, &recorder->world);
	link_set_policy(worker->link, &policy);
	return 0;
}

static const struct component recorder_component = {
	.name = "recorder", .size = sizeof(struct recorder), .start = recorder_start};
static const struct component *const components[] = {&sm_component, &recorder_component, NULL};

/* -- life -- */

static void start_process(struct room *room)
{
	AUTO(buf_fini) struct buf why = {0};
	struct process_options options = {
		.name = room->name,
		.settings = &room->settings,
		.components = components,
		.logs = room->logs,
		.workers = room->workers,
	};

	room->host = options.host = sim_host(room->sim, "sm");
	if (process_start(&options, &room->process, &why))
		fail_msg("%s", buf_text(&why));
}

static int open_with(void **state, const char *name, unsigned workers)
{
	struct room *room = mem_zalloc(MEM_OTHER, sizeof(*room));
	struct sim_options options = {.seed = 7};

	room->last = &room->lines;
	room->name = name;
	room->workers = workers;
	room->sim = sim_new(&options);
	room->settings.domains = (struct conf_list){(const char **)domains, countof(domains)};
	room->settings.data.dir = "/data";
	room->settings.storage.url = "sqlite:sm.db";
	room->settings.messages.offline_ms = INT64_MAX;
	room->settings.limits.sessions = 5;
	room->settings.sessions.resume_ms = 600000;
	room->settings.sessions.resume_queue = (struct conf_queue){2000, 4 << 20};
	room->logs = log_writer_new(2, LOG_WARN, LOG_TEXT, false);
	room->c2s = str_new(SLICE("c2s"));
	room->sm = str_new(SLICE("sm"));
	room->world = str_new(SLICE("s2s"));
	room->localhost = str_new(SLICE("localhost"));
	start_process(room);
	*state = room;
	return 0;
}

static bool has_stopped(void *arg)
{
	return sim_stopped(arg);
}

void room_save(struct room *room)
{
	process_drain(room->process);
	sim_run(room->sim, 20000, has_stopped, room->host);
	assert_true(sim_stopped(room->host));
}

static void end_process(struct room *room)
{
	ctl_free(&room->process->ctl);
	accounts_free(&room->accounts);
	process_free(&room->process);
	mio_host_free(&room->host);
}

void room_restart(struct room *room)
{
	end_process(room);
	room_forget(room);
	for (unsigned at = 0; at < CLIENTS_MAX; at++)
		room->clients[at].settled = 0;
	start_process(room);
}

void room_kill(struct room *room, bool power_stays)
{
	sim_power_stays(room->sim, power_stays);
	sim_kill(room->sim, &room->host);
	room_forget(room);
	for (unsigned at = 0; at < CLIENTS_MAX; at++)
		room->clients[at].settled = 0;
	start_process(room);
}

void room_kill_and_start(struct room *room, const char *name)
{
	room->name = name;
	room_kill(room, true);
}

int room_open(void **state)
{
	return open_with(state, "run", 2);
}

int room_open_one(void **state)
{
	return open_with(state, "run", 1);
}

int room_open_apart(void **state)
{
	return open_with(state, "sm", 2);
}

int room_open_far(void **state)
{
	struct room *room;

	open_with(state, "sm", 2);
	room = *state;
	str_free(&room->c2s);
	room->c2s = str_new(SLICE("far"));
	return 0;
}

int room_close(void **state)
{
	struct room *room = *state;

	room_forget(room);
	end_process(room);
	sim_free(&room->sim);
	log_writer_free(&room->logs);
	for (unsigned at = 0; at < CLIENTS_MAX; at++) {
		mem_free(room->clients[at].name);
		buf_fini(&room->clients[at].snapshot);
	}
	str_free(&room->c2s);
	str_free(&room->sm);
	str_free(&room->world);
	str_free(&room->localhost);
	buf_fini(&room->shown);
	buf_fini(&room->said);
	mem_free(room);
	return 0;
}

static void let_settle(struct room *room)
{
	sim_run(room->sim, 990, NULL, NULL); /* less than what is done after a second needs */
}

static void send(struct room *room, struct packet **packet)
{
	link_send(room->process->links[0], packet);
}

/* -- doing -- */

static void send_action(struct room *room, const char *client, int action, const char *target)
{
	struct packet *packet =
		packet_session(room->c2s, room->localhost, (enum session_action)action);

	session_id_take(&packet->c2s, slice_of(client));
	packet->ours = true;
	if (target)
		packet->session.target = jid_parse(slice_of(target));
	packet->session.id = str_new(SLICE("i1"));
	if (action == SESSION_END) {
		str_free(&packet->to);
		packet->to = str_ref(room->sm);
		packet->sm = client_of(room, client)->sm;
	}
	send(room, &packet);
}

void room_action(struct room *room, const char *client, int action, const char *target)
{
	send_action(room, client, action, target);
	let_settle(room);
}

void room_remove(struct room *room, const char *client, const char *user)
{
	struct packet *packet = packet_new(PACKET_ACCOUNT, room->c2s, room->localhost);

	packet->ours = true;
	packet->account.verb = AUTH_REMOVE;
	packet->account.user = jid_parse(slice_of(user));
	session_id_take(&packet->c2s, slice_of(client));
	room_packet(room, &packet);
}

void room_account(struct room *room, const char *user)
{
	room_action(room, "admin", SESSION_CREATE, user);
	room_expect(room, "admin", "created");
}

void room_start(struct room *room, const char *client)
{
	room_action(room, client, SESSION_START, client);
}

void room_login(struct room *room, const char *client)
{
	room_start(room, client);
	room_expect(room, client, "started from=sm");
}

void room_end(struct room *room, const char *client)
{
	room_action(room, client, SESSION_END, NULL);
}

static struct stanza *read_stanza(const char *xml)
{
	static const struct xml_limits limits = {
		.stanza_bytes = 1 << 20, .depth = 50, .attributes = 50};
	AUTO(buf_fini) struct buf text = {0};
	AUTO(nad_free) struct nad *stream = NULL;
	struct nad *nad;
	struct stanza *stanza = NULL;

	buf_printf(&text, "<c xmlns='jabber:client'>%s</c>", xml);
	stream = xml_parse(buf_slice(&text), &limits);
	assert_non_null(stream);
	nad = nad_copy(stream, nad_first_child(stream, 0));
	stanza_from_nad(&nad, &stanza);
	assert_non_null(stanza);
	return stanza;
}

struct packet *room_make_action(struct room *room, const char *client, int action)
{
	struct packet *packet = packet_session(room->c2s, room->sm, (enum session_action)action);

	session_id_take(&packet->c2s, slice_of(client));
	packet->sm = client_of(room, client)->sm;
	packet->ours = true;
	return packet;
}

struct packet *room_make_stanza(struct room *room, const char *client, uint32_t count, const char *xml)
{
	struct stanza *stanza = read_stanza(xml);
	struct packet *packet;

	stanza->origin = (struct origin){.session = 1, .count = count};
	packet = packet_stanza(room->c2s, room->sm, &stanza);
	session_id_take(&packet->c2s, slice_of(client));
	packet->sm = client_of(room, client)->sm;
	packet->ours = true;
	return packet;
}

void room_post(struct room *room, struct packet **packet)
{
	send(room, packet);
}

void room_packet(struct room *room, struct packet **packet)
{
	send(room, packet);
	let_settle(room);
}

void room_keep(struct room *room, bool keeps)
{
	room->keeps = keeps;
}

void room_keep_only(struct room *room, const char *client)
{
	client_of(room, client)->keeps = true;
}

void room_archive(struct room *room, int64_t ms)
{
	room->settings.messages.archive_ms = ms;
	room_restart(room);
}

void room_queue(struct room *room, uint32_t stanzas)
{
	room->settings.sessions.resume_queue.stanzas = stanzas;
}

void room_take(struct room *room, const char *client, uint32_t count)
{
	struct session_id c2s;
	struct packet *packet;

	session_id_take(&c2s, slice_of(client));
	packet = taken_new(room, &c2s, &client_of(room, client)->sm, count);
	room_packet(room, &packet);
}

void room_reached(struct room *room, const char *client)
{
	struct packet *packet = room_make_action(room, client, SESSION_REACHED);

	packet->session.resume.handled = client_of(room, client)->mark;
	room_packet(room, &packet);
}

static void send_one(struct room *room, const char *name, const char *xml)
{
	struct packet *packet = room_make_stanza(room, name, ++client_of(room, name)->sent, xml);

	send(room, &packet);
}

void room_send(struct room *room, const char *client, const char *xml)
{
	send_one(room, client, xml);
	let_settle(room);
}

void room_send_all(struct room *room, const char *const *client_and_xml)
{
	for (; *client_and_xml; client_and_xml += 2)
		send_one(room, client_and_xml[0], client_and_xml[1]);
	let_settle(room);
}

void room_send_and_detach(struct room *room, const char *client, const char *xml)
{
	struct packet *packet = room_make_action(room, client, SESSION_DETACH);

	send_one(room, client, xml);
	room_packet(room, &packet);
}

void room_from_world(struct room *room, const char *xml)
{
	struct stanza *stanza = read_stanza(xml);
	struct packet *packet = packet_stanza(room->world, room->localhost, &stanza);

	packet->relayed = true;
	send(room, &packet);
	let_settle(room);
}

static struct sm *sm_on(struct room *room, unsigned worker)
{
	return worker_state(room->process->workers[worker], &sm_component);
}

void room_hear_of(struct room *room, const char *name, bool available)
{
	for (unsigned at = 0; at < room->process->worker_count; at++) {
		struct sm *sm = sm_on(room, at);

		sm->part.name_changed(sm, slice_of(name), available);
	}
	let_settle(room);
}

void room_lose(struct room *room, const char *name)
{
	for (unsigned at = 0; at < room->process->worker_count; at++) {
		struct sm *sm = sm_on(room, at);

		sm->part.end_changed(sm, slice_of(name), 0);
	}
	let_settle(room);
}

static void nothing(struct mio_timer *timer)
{
}

/* Without anything to wait for the time of the simulator stands still. */
void room_wait(struct room *room, int64_t ms)
{
	struct mio_timer timer;

	mio_timer_init(&timer, nothing);
	mio_timer_set(room->process->workers[0]->mio, &timer, ms);
	sim_run(room->sim, ms + 1000, NULL, NULL);
	mio_timer_stop(&timer);
}

/* -- looking -- */

static void drop_line(struct room *room, struct line **at)
{
	struct line *line = *at;

	*at = line->next;
	if (room->last == &line->next)
		room->last = at;
	mem_free(line->client);
	mem_free(line->text);
	mem_free(line);
}

const char *room_next(struct room *room, const char *client)
{
	for (struct line **at = &room->lines; *at; at = &(*at)->next) {
		if (strcmp((*at)->client, client) != 0)
			continue;
		buf_clear(&room->shown);
		buf_append_text(&room->shown, (*at)->text);
		drop_line(room, at);
		return buf_text(&room->shown);
	}
	return NULL;
}

void room_expect(struct room *room, const char *client, const char *part_of_it)
{
	const char *text = room_next(room, client);

	if (!text)
		fail_msg("%s was told nothing, not %s", client, part_of_it);
	else if (!strstr(text, part_of_it))
		fail_msg("%s was told %s, not %s", client, text, part_of_it);
}

static unsigned count_with(struct room *room, const char *client, const char *part_of_it)
{
	unsigned count = 0;
	const char *text;

	while ((text = room_next(room, client)))
		count += strstr(text, part_of_it) != NULL;
	return count;
}

void room_expect_among(struct room *room, const char *client, const char *part_of_it)
{
	if (count_with(room, client, part_of_it) != 1)
		fail_msg("%s was not told %s once", client, part_of_it);
}

void room_expect_none_with(struct room *room, const char *client, const char *part_of_it)
{
	if (count_with(room, client, part_of_it) != 0)
		fail_msg("%s was told %s", client, part_of_it);
}

void room_expect_nothing(struct room *room, const char *client)
{
	const char *text = room_next(room, client);

	if (text)
		fail_msg("%s was told %s", client, text);
}

void room_forget(struct room *room)
{
	while (room->lines)
		drop_line(room, &room->lines);
}

uint32_t room_settled(struct room *room, const char *client)
{
	return client_of(room, client)->settled;
}

const char *room_snapshot(struct room *room, const char *client)
{
	return buf_text(&client_of(room, client)->snapshot);
}

const struct origin *room_origin(struct room *room, const char *client)
{
	return &client_of(room, client)->origin;
}

uint64_t room_window(struct room *room, const char *client)
{
	return client_of(room, client)->window;
}

uint32_t room_settled_before_snapshot(struct room *room, const char *client)
{
	return client_of(room, client)->settled_before;
}

struct session *room_session(struct room *room, const char *client)
{
	AUTO(jid_free) struct jid *jid = jid_parse(slice_of(client));
	struct sm *sm = sm_on(room, link_worker_of(room->process->links[0], jid));
	struct user *user = user_get(sm, jid);

	return user ? user_find_session(user, jid) : NULL;
}

struct process *room_process(struct room *room)
{
	return room->process;
}

struct settings *room_settings(struct room *room)
{
	return &room->settings;
}

void room_hide_c2s_of(struct room *room, const char *client)
{
	struct session *session = room_session(room, client);

	str_free(&session->at);
	session->at = str_new(SLICE("ghost"));
}

void room_offer(struct room *room, const char *mechanism)
{
	room->mechanism = mechanism;
	room->settings.accounts.mechanisms = (struct conf_list){&room->mechanism, 1};
}

void room_disk_full(struct room *room, bool full)
{
	sim_disk_full(room->sim, full);
}

/* -- commands -- */

static void command_said(void *arg, bool error, struct slice text)
{
	struct room *room = arg;
	struct heap *before = heap_enter(NULL);

	buf_append_slice(&room->said, text);
	buf_append_char(&room->said, '\n');
	heap_enter(before);
}

static void command_ended(void *arg, int code)
{
	struct room *room = arg;

	room->code = code;
}

static uint64_t command_start(struct room *room, const char *const *words, bool json)
{
	const struct ctl_sink sink = {.print = command_said, .ended = command_ended, .arg = room};
	size_t count = 0;

	while (words[count])
		count++;
	buf_clear(&room->said);
	room->code = -1;
	room->process->ctl = ctl_new(room->process->workers[0]->mio);
	sm_commands(room->process->ctl, room->process);
	return ctl_run(room->process->ctl, words, count, json, SLICE(""), &sink);
}

int room_command(struct room *room, const char *const *words, bool json)
{
	command_start(room, words, json);
	let_settle(room);
	ctl_free(&room->process->ctl);
	return room->code;
}

static bool is_under_way(void *arg)
{
	struct room *room = arg;

	for (unsigned at = 0; at < room->process->worker_count; at++) {
		if (!list_empty(&sm_on(room, at)->errands))
			return true;
	}
	return false;
}

void room_command_leave(struct room *room, const char *const *words)
{
	uint64_t call = command_start(room, words, false);

	sim_run(room->sim, 1000, is_under_way, room);
	assert_true(is_under_way(room));
	ctl_cancel(room->process->ctl, call);
	ctl_free(&room->process->ctl);
}

void room_administer(struct room *room, const char *admin)
{
	room->admin = admin;
	room->settings.admins = (struct conf_list){&room->admin, 1};
	room->process->ctl = ctl_new(room->process->workers[0]->mio);
	room->accounts = accounts_new(room->process->ctl, room->process);
	sm_commands(room->process->ctl, room->process);
}

static bool is_running(void *arg)
{
	return !list_empty(&sm_on(arg, 0)->scripts);
}

void room_send_and_leave(struct room *room, const char *client, const char *xml)
{
	send_one(room, client, xml);
	sim_run(room->sim, 1000, is_running, room);
	assert_true(is_running(room));
}

void room_command_begin(struct room *room, const char *const *words, bool json)
{
	room->call = command_start(room, words, json);
	let_settle(room);
}

void room_command_over(struct room *room)
{
	ctl_cancel(room->process->ctl, room->call);
	let_settle(room);
	ctl_free(&room->process->ctl);
}

const char *room_said(struct room *room)
{
	return buf_text(&room->said);
}
