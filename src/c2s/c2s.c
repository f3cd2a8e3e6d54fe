/* SPDX-License-Identifier: MIT */
/* The component: listeners, options of the streams, the part at link. */
#include "c2s/c2s.h"

#include <errno.h>
#include <string.h>
#include "base/mem.h"
#include "c2s/account.h"
#include "c2s/client.h"
#include "c2s/login.h"
#include "c2s/entry.h"
#include "component/quotas.h"
#include "component/tls.h"
#include "stanza/ns.h"

enum {
	SETTLE_MS = 1500, /* after this nobody waits for settlements when the server ends */
	LOOK_LEAST_MS = 250,
	PARTS_MAX = 16384, /* of a stanza: a megabyte in memory, whatever it is in text */
};

static const struct sx_plugin *const plugins[] = {&sx_tls, &sx_sasl_server, &c2s_features, NULL};
static const struct sx_plugin *const plugins_without_tls[] = {&sx_sasl_server, &c2s_features, NULL};

static void accepted(int given, void *arg)
{
	struct c2s *c2s = arg;

	entry_accept(c2s, given, &c2s->options);
}

static void accepted_direct(int given, void *arg)
{
	struct c2s *c2s = arg;

	entry_accept(c2s, given, &c2s->direct_options);
}

static int listen_on(struct c2s *c2s, const struct conf_list *addresses, bool direct, struct buf *why)
{
	struct process *process = c2s->worker->process;
	const char *key = direct ? "client_tls" : "client";

	for (size_t at = 0; at < addresses->count && c2s->listener_count < C2S_LISTENERS_MAX; at++) {
		struct mio_listener **listener = &c2s->listeners[c2s->listener_count];
		int rc = mio_listen(process->host, addresses->items[at], listener);

		if (rc) {
			buf_printf(why, "listen.%s: cannot listen on %s: %s", key, addresses->items[at], strerror(-rc));
			return rc;
		}
		c2s->listener_is_direct[c2s->listener_count++] = direct;
		buf_printf(&process->listening, "%s %s, ", key, mio_listener_address(*listener));
	}
	return 0;
}

static int listen_all(struct c2s *c2s, struct buf *why)
{
	const struct settings *settings = c2s->worker->settings;
	int rc = listen_on(c2s, &settings->listen.client, false, why);

	if (rc || !c2s->worker->process->tls)
		return rc;
	return listen_on(c2s, &settings->listen.client_tls, true, why);
}

static void accept_all(struct c2s *c2s)
{
	struct c2s *first = worker_state(c2s->worker->process->workers[0], &c2s_component);

	for (unsigned at = 0; at < first->listener_count; at++)
		mio_accept(c2s->worker->mio, first->listeners[at],
			   first->listener_is_direct[at] ? accepted_direct : accepted, c2s);
}

static uint32_t bytes_of(uint64_t limit)
{
	return limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
}

static void fill_options(struct c2s *c2s)
{
	const struct settings *settings = c2s->worker->settings;
	struct tls_view *view = c2s->worker->tls;
	struct xml_limits limits = {
		.depth = (unsigned)settings->limits.depth, .attributes = (unsigned)settings->limits.attributes, .parts = PARTS_MAX};

	c2s->tls = (struct sx_tls_conf){
		.context = tls_view_context, .trusts = tls_view_trusts, .arg = view, .offer = true, .require = settings->tls.required};
	c2s->direct_tls = c2s->tls;
	c2s->direct_tls.direct = true;
	c2s->plugin_conf[0] = view ? (const void *)&c2s->tls : (const void *)&login_conf;
	c2s->plugin_conf[1] = &login_conf;
	c2s->direct_plugin_conf[0] = &c2s->direct_tls;
	c2s->direct_plugin_conf[1] = &login_conf;
	c2s->options = (struct conn_options){
		.stream = {.type = SX_SERVER, .ns = NS_CLIENT, .plugins = view ? plugins : plugins_without_tls,
			   .plugin_conf = c2s->plugin_conf, .before_auth = limits, .after_auth = limits},
		.handler = &client_handler,
		.login_ms = settings->limits.time_to_login_ms,
		.rate = settings->limits.client_rate,
		.burst = settings->limits.client_burst,
		.sock_flags = MIO_ENTRY,
		.pooled = true,
	};
	c2s->options.stream.before_auth.stanza_bytes = bytes_of(settings->limits.stanza_before_auth);
	c2s->options.stream.after_auth.stanza_bytes = bytes_of(settings->limits.stanza);
	c2s->direct_options = c2s->options;
	c2s->direct_options.stream.plugins = plugins;
	c2s->direct_options.stream.plugin_conf = c2s->direct_plugin_conf;
}

static void packet(void *part, struct packet **packet)
{
	client_packet(part, packet);
}

static void router_lost(void *state)
{
	keep_lost_sight(state);
}

static void name_changed(void *part, struct slice name, bool available)
{
	ends_tell(part, name, available);
	domain_changed(part, name, available);
}

static void end_changed(void *part, struct slice name, uint32_t epoch)
{
	domains_end_changed(part, name, epoch);
}

static int64_t least(int64_t one, int64_t other)
{
	return !one || (other && other < one) ? other : one;
}

/* A quarter of the least that matters; 0: nobody is asked. */
static int64_t look_pause_ms(const struct settings *settings)
{
	int64_t ping_ms = least(settings->sessions.ping_ms, settings->sessions.ping_inactive_ms);
	int64_t pause_ms = ping_ms ? least(ping_ms, settings->sessions.ping_timeout_ms) / 4 : 0;

	return !ping_ms || pause_ms > LOOK_LEAST_MS ? pause_ms : LOOK_LEAST_MS;
}

/* A look at all of them now and then is cheaper than a timer for each. */
static void look_for_silent(struct mio_timer *timer)
{
	struct c2s *c2s = container_of(timer, struct c2s, look_timer);
	struct client *client;

	for (uint32_t at = 0; (client = slots_next(&c2s->clients, &at));) {
		if ((void *)client != c2s)
			client_probe(client);
	}
	mio_timer_set(c2s->worker->mio, timer, look_pause_ms(c2s->worker->settings));
}

static void say_limit(const struct c2s *c2s)
{
	const struct process *process = c2s->worker->process;
	int64_t asked = c2s->worker->settings->limits.connections;

	if (!mio_worker(c2s->worker->mio) && asked > 0 && (uint64_t)asked > quotas_connections(process->quotas))
		log_warn(&c2s->log, "limits.connections asks for %lld: the process has descriptors for %llu", (long long)asked,
			 (unsigned long long)quotas_connections(process->quotas));
}

static void look_again(struct c2s *c2s)
{
	mio_timer_stop(&c2s->look_timer);
	if (look_pause_ms(c2s->worker->settings))
		look_for_silent(&c2s->look_timer);
}

/* In place: streams borrow the options of their worker. */
static void reload(void *state)
{
	struct c2s *c2s = state;
	struct client *client;

	fill_options(c2s);
	networks_fini(&c2s->proxies);
	networks_init(&c2s->proxies, &c2s->worker->settings->listen.trusted_proxies);
	domains_grow(c2s);
	for (uint32_t at = 0; (client = slots_next(&c2s->clients, &at));) {
		if ((void *)client != c2s && client->conn)
			conn_options_changed(client->conn);
	}
	look_again(c2s);
	say_limit(c2s);
}

static int start(void *state, struct worker *worker, struct buf *why)
{
	struct c2s *c2s = state;
	uint32_t generation;
	int rc = 0;

	c2s->worker = worker;
	c2s->log = (struct log){worker->ring, "c2s", NULL};
	notes_init(&c2s->notes, worker->mio, &c2s->log);
	mio_random(worker->mio, &generation, sizeof(generation));
	slots_init(&c2s->clients, (uint8_t)mio_worker(worker->mio), generation);
	c2s->name = str_new(slice_of(strcmp(worker->process->name, "run") == 0 ? "c2s" : worker->process->name));
	c2s->asker = (struct account_asker){worker->link, c2s->name};
	c2s->part = (struct link_part){.name = str_text(c2s->name), .belongs = LINK_BY_C2S, .packet = packet,
				       .name_changed = name_changed, .end_changed = end_changed, .part = c2s};
	fill_options(c2s);
	networks_init(&c2s->proxies, &worker->settings->listen.trusted_proxies);
	link_attach(worker->link, &c2s->part);
	list_init(&c2s->removals);
	list_init(&c2s->ends);
	domains_init(c2s);
	mio_timer_init(&c2s->look_timer, look_for_silent);
	mio_timer_init(&c2s->share_timer, client_share);
	look_again(c2s);
	if (!mio_worker(worker->mio)) {
		quotas_open_places(worker->process->quotas);
		rc = listen_all(c2s, why);
	}
	if (rc)
		return rc;
	say_limit(c2s);
	accept_all(c2s);
	return 0;
}

static bool ready(void *state, struct buf *why)
{
	return domains_ready(state, why);
}

static void unlisten(struct c2s *c2s)
{
	struct c2s *first = worker_state(c2s->worker->process->workers[0], &c2s_component);

	for (unsigned at = 0; at < first->listener_count; at++) {
		if (first->listeners[at])
			mio_accept_stop(c2s->worker->mio, first->listeners[at]);
	}
}

static void drain(void *state)
{
	struct c2s *c2s = state;
	struct client *client;

	c2s->draining = true;
	unlisten(c2s);
	c2s->let_go_ms = mio_now_ms(c2s->worker->mio) + SETTLE_MS;
	for (uint32_t at = 0; (client = slots_next(&c2s->clients, &at));) {
		if ((void *)client != c2s && client->conn && !client_let_go(&client, false))
			conn_close(client->conn, SX_SYSTEM_SHUTDOWN, NULL);
	}
}

/* Only the slot of the hellos is left. What is not settled by now may not be soon. */
static bool drained(void *state)
{
	struct c2s *c2s = state;
	struct client *client;

	if (mio_now_ms(c2s->worker->mio) >= c2s->let_go_ms) {
		for (uint32_t at = 0; (client = slots_next(&c2s->clients, &at));) {
			if ((void *)client != c2s && client->conn)
				client_let_go(&client, true);
		}
	}
	return slots_count(&c2s->clients) <= 1;
}

static void stop(void *state)
{
	struct c2s *c2s = state;
	struct client *client;

	if (!c2s->worker)
		return;
	mio_timer_stop(&c2s->share_timer);
	mio_timer_stop(&c2s->look_timer);
	domains_fini(c2s);
	c2s->keeper.presenting = 0;
	for (uint32_t at = 0; (client = slots_next(&c2s->clients, &at));)
		client_free(&client);
	account_drop(c2s);
	ends_drop(c2s);
	keep_drop(c2s);
	slots_fini(&c2s->clients);
	for (unsigned at = 0; at < c2s->listener_count; at++)
		mio_unlisten(&c2s->listeners[at]);
	notes_fini(&c2s->notes);
	networks_fini(&c2s->proxies);
	buf_fini(&c2s->scratch);
	str_free(&c2s->name);
}

const struct component c2s_component = {
	.name = "c2s",
	.size = sizeof(struct c2s),
	.uses_accounts = true,
	.declares_ack = true,
	.start = start,
	.reload = reload,
	.drain = drain,
	.drained = drained,
	.stop = stop,
	.ready = ready,
	.router_lost = router_lost,
};
