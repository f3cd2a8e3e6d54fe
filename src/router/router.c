/* SPDX-License-Identifier: MIT */
/* The router part: components connect, authenticate, and become peers of link. */
#include "router/router.h"

#include <errno.h>
#include <string.h>
#include "base/mem.h"
#include "component/tls.h"
#include "component/way.h"
#include "jid/jid.h"
#include "router/access.h"
#include "router/external.h"
#include "router/gate.h"
#include "router/rules.h"
#include "router/stream.h"
#include "xml/nad.h"

/*
 * Until it has proven who it is, a stream may cost little: elements with nothing inside but text, hardly larger than a
 * login has, so many answers, so many streams at once; the oldest makes room, for a login takes less time than any flood.
 */
enum { LOGIN_MS = 30000, WAITING_MAX = 256 };

static const struct sx_plugin *const plugins[] = {&sx_tls, &sx_sasl_server, NULL};

/* -- login by XEP-0114 ---------------------------------------------------------------------------- */

static const struct settings *settings_of(const struct stream *stream)
{
	return stream->router->worker->settings;
}

/* The namespace of the header's content says which of the two protocols it is. */
static void header(void *owner, struct conn *conn)
{
	struct stream *stream = owner;
	struct sx *sx = conn_sx(conn);
	char quoted[LOG_QUOTE];

	stream->external = NULL; /* what was said before TLS does not count */
	if (sx_identity(sx) || !slice_is(sx_peer_ns(sx), NS_EXTERNAL)) {
		sx_set_from(sx, sx_to(sx)); /* whatever they call us (section 1) */
		return;
	}
	if (!stream->local && !sx_is_secure(sx) && stream->router->tls.require) {
		log_warn(&stream->router->log, "component %s from %s was refused: router.tls is \"required\"; it may come to the Unix socket",
			 log_quote(quoted, sx_to(sx)), conn_peer(conn));
		conn_refuse(conn, SX_REFUSED_CLEAR);
		return;
	}
	sx_ignore_version(sx);
	stream->external = external_find(settings_of(stream), sx_to(sx));
	if (stream->external) {
		sx_set_from(sx, slice_of(stream->external->name));
		return;
	}
	log_warn(&stream->router->log, "a component from %s names itself %s, which is no [[component]] of the file",
		 conn_peer(conn), log_quote(quoted, sx_to(sx)));
	conn_close(conn, SX_HOST_UNKNOWN, "no such component");
}

static void let_in(struct stream *stream)
{
	struct slice name = slice_of(stream->external->name), part = SLICE("<handshake/>");
	struct link_peer_options options = {.role = LINK_EXTERNAL, .name = name};
	AUTO(jid_free) struct jid *identity = jid_parse(name);
	struct sx *sx = conn_sx(stream->conn);

	stream->peer = link_peer_new(stream->router->worker->link, stream->conn, &options);
	if (!stream->peer) {
		conn_close(stream->conn, SX_CONFLICT, "this name is another's");
		return;
	}
	sx_send_parts(sx, &part, 1, SX_OTHER);
	sx_set_identity(sx, identity, "handshake");
	sx_open(sx);
}

static void handshake(struct stream *stream, const struct nad *nad)
{
	const struct settings_component *external = stream->external;

	if (nad_is(nad, 0, NS_EXTERNAL, "handshake") &&
	    external_proves(sx_id(conn_sx(stream->conn)), external->secret, nad_cdata(nad, 0))) {
		let_in(stream);
		return;
	}
	log_warn(&stream->router->log, "component %s from %s failed to log in", external->name, conn_peer(stream->conn));
	conn_close(stream->conn, SX_NOT_AUTHORIZED, "the handshake does not match");
}

/* -- streams ---------------------------------------------------------------------------------------- */

static bool permits(void *arg, struct link_peer *peer, enum link_permit what, struct slice name)
{
	const struct stream *stream = arg;

	return access_permits(settings_of(stream), jid_local(sx_identity(conn_sx(stream->conn))), what, name);
}

static void wait_no_more(struct stream *stream)
{
	if (list_empty(&stream->waiting_entry))
		return;
	list_remove(&stream->waiting_entry);
	stream->router->waiting_count--;
}

static void opened(void *owner, struct conn *conn)
{
	struct stream *stream = owner;
	struct link_peer_options options = {.role = LINK_DOWN, .permits = permits, .arg = stream};

	wait_no_more(stream);
	if (!stream->peer)
		stream->peer = link_peer_new(stream->router->worker->link, conn, &options);
	metric_add(stream->router->worker->process, METRIC_PEERS, 1);
	log_event(&stream->router->log, LOG_INFO,
		  &(struct log_event){"component-login", NULL,
				      {{"component", jid_text(sx_identity(conn_sx(conn)))}, {"from", conn_peer(conn)},
				       {"mechanism", sx_identity_how(conn_sx(conn))}}},
		  "component %s logged in from %s by %s%s", jid_text(sx_identity(conn_sx(conn))),
		 conn_peer(conn), sx_identity_how(conn_sx(conn)), sx_is_secure(conn_sx(conn)) ? " under TLS" : "");
}

/* Before OPEN everything but SASL and the handshake is dropped without an answer. */
static void received(void *owner, struct conn *conn, struct nad **nad)
{
	struct stream *stream = owner;

	if (stream->peer)
		link_peer_receive(stream->peer, nad);
	else if (stream->external)
		handshake(stream, *nad);
	nad_free(nad);
}

static void forget(struct stream *stream)
{
	if (stream->peer)
		metric_add(stream->router->worker->process, METRIC_PEERS, -1);
	link_peer_free(&stream->peer);
	auth_digest_free(&stream->digest);
	wait_no_more(stream);
	list_remove(&stream->link_entry);
	mem_free(stream);
}

static void closed(void *owner, struct conn *conn, enum conn_end end)
{
	struct stream *stream = owner;

	if (conn_refusal(conn))
		process_refused(stream->router->worker->process, conn_refusal(conn));
	if (stream->peer)
		log_event(&stream->router->log, LOG_INFO, &(struct log_event){"component-gone", NULL, {{"from", conn_peer(conn)}}},
			  "component from %s is gone", conn_peer(conn));
	forget(stream);
}

static const struct conn_handler handler = {
	.header = header, .open = opened, .packet = received, .closed = closed};

static void make_room(struct router *router)
{
	struct stream *oldest = container_of(router->waiting.next, struct stream, waiting_entry);

	if (router->waiting_count < WAITING_MAX)
		return;
	conn_kill(&oldest->conn);
	forget(oldest);
}

static struct stream *accept_with(struct router *router, int given, const struct conn_options *options)
{
	struct stream *stream = mem_zalloc(MEM_LINK, sizeof(*stream));

	stream->router = router;
	list_append(&router->streams, &stream->link_entry);
	list_init(&stream->waiting_entry);
	stream->conn = conn_accept(router->worker->conns, given, options, stream);
	return stream;
}

static void accepted(int given, void *arg)
{
	struct router *router = arg;
	enum sx_refusal refusal = gate_refuses(&router->gate, given);
	struct stream *stream;

	if (refusal) {
		process_refused(router->worker->process, refusal);
		mio_refuse(router->worker->mio, given);
		return;
	}
	make_room(router);
	stream = accept_with(router, given, &router->options);
	list_append(&router->waiting, &stream->waiting_entry);
	router->waiting_count++;
}

/* Our own user's part, or it is closed at once: neither gate nor crowd stands in its way. */
static void accepted_local(int given, void *arg)
{
	struct router *router = arg;

	router_knows_user(accept_with(router, given, &router->local_options));
}

/* -- the component ---------------------------------------------------------------------------------- */

static int listen_on(struct router *router, const char *key, const char *address, struct buf *why)
{
	struct mio_listener **listener = &router->listeners[router->listener_count];
	bool local = way_is_local(address);
	int rc = mio_listen(router->worker->process->host, address, listener);

	if (rc) {
		buf_printf(why, "%s: cannot listen on %s: %s%s", key, address, strerror(-rc),
			   rc == -ENAMETOOLONG ? " (a socket's path has at most 107 bytes)" : "");
		return rc;
	}
	router->listener_count++;
	mio_accept(router->worker->mio, *listener, local ? accepted_local : accepted, router);
	return 0;
}

/* The socket in data.dir is always there, as the control socket is: the ready line does not tell of it. */
static int listen_all(struct router *router, struct buf *why)
{
	struct process *process = router->worker->process;
	const struct conf_list *addresses = &router->worker->settings->listen.router;
	AUTO(buf_fini) struct buf local = {0};
	int rc = 0;

	for (size_t at = 0; !rc && at < addresses->count && at + 1 < ROUTER_LISTENERS_MAX; at++) {
		rc = listen_on(router, "listen.router", addresses->items[at], why);
		if (!rc)
			buf_printf(&process->listening, "router %s, ", mio_listener_address(router->listeners[at]));
	}
	way_local(router->worker->settings, &local);
	return rc ? rc : listen_on(router, "data.dir", buf_text(&local), why);
}

static void fill_options(struct router *router)
{
	struct xml_limits limits = {.stanza_bytes = 4 << 20, .depth = 200, .attributes = 1000};
	/* A component of jabberd2 that reconnects writes what is queued before it logs in: it is read past. */
	struct xml_limits stranger = {.stanza_bytes = 4 << 20, .depth = 50, .attributes = 50, .kept_bytes = 8 << 10};
	const struct settings *settings = router->worker->settings;

	router->tls = (struct sx_tls_conf){.context = tls_view_only, .arg = router->worker->router_tls, .offer = true,
					   .require = settings->router.tls == ROUTER_TLS_REQUIRED};
	router->plugin_conf[0] = settings->router.tls == ROUTER_TLS_OFF ? NULL : &router->tls;
	router->plugin_conf[1] = router->local_plugin_conf[1] = &router_login_conf;
	router->options = (struct conn_options){
		.stream = {.type = SX_SERVER, .plugins = plugins, .plugin_conf = router->plugin_conf,
			   .before_auth = stranger, .after_auth = limits, .drops_strays = true},
		.handler = &handler,
		.login_ms = LOGIN_MS,
		.rate = settings->router.rate,
		.burst = settings->router.burst,
		.out_max = 64 << 20,
	};
	router->local_options = router->options;
	router->local_options.stream.plugin_conf = router->local_plugin_conf;
}

static int start(void *state, struct worker *worker, struct buf *why)
{
	const struct settings *settings = worker->settings;
	struct router *router = state;

	router->worker = worker;
	router->log = (struct log){worker->ring, "router", NULL};
	list_init(&router->streams);
	list_init(&router->waiting);
	gate_init(&router->gate, worker->mio, settings, worker->process->quotas, &router->log);
	rules_init(&router->policy, settings, &router->log);
	link_set_policy(worker->link, &router->policy);
	fill_options(router);
	return mio_worker(worker->mio) ? 0 : listen_all(router, why);
}

/* A component that is no more in the file has to go; what it says that it is is the new file's. */
static void look_up_external(struct stream *stream, const struct settings *settings)
{
	if (!stream->external)
		return;
	stream->external = external_find(settings, slice_of(stream->external->name));
	if (stream->external)
		return;
	log_warn(&stream->router->log, "the component from %s is no [[component]] of the file any more", conn_peer(stream->conn));
	conn_close(stream->conn, SX_NOT_AUTHORIZED, "no such component any more");
}

static void reload(void *state)
{
	struct router *router = state;
	const struct settings *settings = router->worker->settings;

	gate_change(&router->gate, settings);
	rules_fini(&router->policy);
	rules_init(&router->policy, settings, &router->log);
	fill_options(router);
	for (struct list *at = router->streams.next; at != &router->streams; at = at->next)
		look_up_external(container_of(at, struct stream, link_entry), settings);
}

static void unlisten(struct router *router)
{
	for (unsigned at = 0; at < router->listener_count; at++) {
		mio_accept_stop(router->worker->mio, router->listeners[at]);
		mio_unlisten(&router->listeners[at]);
	}
	router->listener_count = 0;
}

static void drain(void *state)
{
	struct router *router = state;

	router->draining = true;
	unlisten(router);
	for (struct list *at = router->streams.next; at != &router->streams; at = at->next)
		conn_close(container_of(at, struct stream, link_entry)->conn, SX_ERROR_NONE, NULL);
}

static bool drained(void *state)
{
	const struct router *router = state;

	return list_empty(&router->streams);
}

static void stop(void *state)
{
	struct router *router = state;

	if (!router->worker)
		return;
	unlisten(router);
	while (!list_empty(&router->streams)) {
		struct stream *stream = container_of(router->streams.next, struct stream, link_entry);

		conn_kill(&stream->conn);
		stream->peer = NULL; /* link's to free: the loops stopped, nobody would hear of it */
		forget(stream);
	}
	rules_fini(&router->policy);
	gate_fini(&router->gate);
}

const struct component router_component = {
	.name = "router",
	.size = sizeof(struct router),
	.start = start,
	.reload = reload,
	.drain = drain,
	.drained = drained,
	.stop = stop,
};
