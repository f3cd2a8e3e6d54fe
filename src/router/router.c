/* SPDX-License-Identifier: MIT */
/* The router part: components connect, authenticate, and become peers of link. */
#include "router/router.h"

#include <errno.h>
#include <string.h>
#include "base/list.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "router/access.h"
#include "router/external.h"
#include "router/gate.h"
#include "router/rules.h"
#include "sx/plugins.h"
#include "xml/nad.h"

/*
 * Until it has proven who it is, a stream may cost little: elements with nothing inside but text, hardly larger than a
 * login has, so many answers, so many streams at once; the oldest makes room, for a login takes less time than any flood.
 */
enum { LOGIN_MS = 30000, LISTENERS_MAX = 16, LOGINS_MAX = 10, WAITING_MAX = 256 };

struct router {
	struct worker *worker;
	struct log log;
	struct conn_options options;
	const void *plugin_conf[1];
	struct list streams, waiting; /* waiting: not logged in yet, oldest first */
	unsigned waiting_count;
	struct gate gate;
	struct link_policy policy;
	struct mio_listener *listeners[LISTENERS_MAX];
	unsigned listener_count;
	bool draining;
};

/* One component's stream. external: it speaks XEP-0114. */
struct stream {
	struct list link_entry, waiting_entry;
	struct router *router;
	struct conn *conn;
	struct auth_digest *digest; /* while it logs in */
	const struct settings_component *external; /* who it says that it is; NULL: a native one */
	struct link_peer *peer;     /* once it is OPEN */
	unsigned logins;            /* tried */
};

/* -- login ------------------------------------------------------------------------------------------ */

static void offer_mechanisms(void *owner, struct sx *sx, void (*offer)(void *to, const char *name), void *to)
{
	offer(to, "DIGEST-MD5");
}

static const char *password_of(void *arg, const char *user)
{
	return access_password(arg, user);
}

static void refuse(struct sx *sx, enum sx_sasl_failure failure, const char *text)
{
	struct sx_sasl_answer answer = {.outcome = SX_SASL_FAILURE, .failure = failure, .text = text};

	sx_sasl_answer(sx, &answer);
}

/* The identity is user@realm; access control looks at the user alone (section 2). */
static void accept_login(struct stream *stream, struct sx *sx, struct slice data)
{
	AUTO(jid_free) struct jid *identity = jid_make(slice_of(auth_digest_user(stream->digest)), SLICE("jabberd-router"),
						       (struct slice){NULL, 0});
	struct sx_sasl_answer answer = {
		.outcome = SX_SASL_SUCCESS, .data = &data, .identity = identity, .how = "SASL/DIGEST-MD5"};

	if (identity)
		sx_sasl_answer(sx, &answer);
	else
		refuse(sx, SX_SASL_NOT_AUTHORIZED, "the user name is no address");
	auth_digest_free(&stream->digest);
}

static void login_step(void *owner, struct sx *sx, const char *mechanism, bool initial, struct slice message)
{
	struct stream *stream = conn_owner(conn_of(sx));
	struct settings *settings = (struct settings *)stream->router->worker->process->settings;
	struct sx_sasl_answer challenge = {.outcome = SX_SASL_CHALLENGE};
	const char *text = NULL;
	struct slice data;

	if (stream->external || (mechanism && strcasecmp(mechanism, "DIGEST-MD5") != 0)) {
		refuse(sx, SX_SASL_INVALID_MECHANISM, NULL);
		return;
	}
	if (mechanism && ++stream->logins > LOGINS_MAX) {
		conn_close(stream->conn, SX_POLICY_VIOLATION, "too many logins");
		return;
	}
	if (mechanism) {
		auth_digest_free(&stream->digest);
		stream->digest = auth_digest_new("jabberd-router", "jabberd-router",
						 stream->router->worker->process->host, password_of, settings);
	}
	switch (auth_digest_step(stream->digest, message, &data, &text)) {
	case AUTH_CHALLENGE:
		challenge.data = &data;
		sx_sasl_answer(sx, &challenge);
		break;
	case AUTH_SUCCESS:
		accept_login(stream, sx, data);
		break;
	case AUTH_FAILURE:
		log_warn(&stream->router->log, "a component from %s failed to log in: %s", conn_peer(stream->conn),
			 text ? text : "");
		auth_digest_free(&stream->digest);
		refuse(sx, SX_SASL_NOT_AUTHORIZED, text);
		break;
	}
}

static void login_dropped(void *owner, struct sx *sx)
{
	struct stream *stream = conn_owner(conn_of(sx));

	auth_digest_free(&stream->digest);
}

static const struct sx_sasl_server_conf sasl_conf = {
	.mechanisms = offer_mechanisms, .step = login_step, .dropped = login_dropped, .attempts = LOGINS_MAX};
static const struct sx_plugin *const plugins[] = {&sx_sasl_server, NULL};

/* -- login by XEP-0114 ---------------------------------------------------------------------------- */

static const struct settings *settings_of(const struct stream *stream)
{
	return stream->router->worker->process->settings;
}

/* The namespace of the header's content says which of the two protocols it is. */
static void header(void *owner, struct conn *conn)
{
	struct stream *stream = owner;
	struct sx *sx = conn_sx(conn);
	char quoted[LOG_QUOTE];

	if (sx_identity(sx) || !slice_is(sx_peer_ns(sx), NS_EXTERNAL)) {
		sx_set_from(sx, sx_to(sx)); /* whatever they call us (section 1) */
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
	log_info(&stream->router->log, "component %s logged in from %s",
		 jid_text(sx_identity(conn_sx(conn))), conn_peer(conn));
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

	if (stream->peer)
		log_info(&stream->router->log, "component from %s is gone", conn_peer(conn));
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

static void accepted(int given, void *arg)
{
	struct router *router = arg;
	struct stream *stream;

	if (!gate_admits(&router->gate, &given)) {
		mio_refuse(router->worker->mio, given);
		return;
	}
	make_room(router);
	stream = mem_zalloc(MEM_LINK, sizeof(*stream));
	stream->router = router;
	list_append(&router->streams, &stream->link_entry);
	list_append(&router->waiting, &stream->waiting_entry);
	router->waiting_count++;
	stream->conn = conn_accept(router->worker->conns, given, &router->options, stream);
}

/* -- the component ---------------------------------------------------------------------------------- */

static int listen_all(struct router *router, struct buf *why)
{
	struct process *process = router->worker->process;
	const struct conf_list *addresses = &process->settings->listen.router;

	for (size_t at = 0; at < addresses->count && at < LISTENERS_MAX; at++) {
		struct mio_listener **listener = &router->listeners[router->listener_count];
		int rc = mio_listen(process->host, addresses->items[at], listener);

		if (rc) {
			buf_printf(why, "listen.router: cannot listen on %s: %s", addresses->items[at], strerror(-rc));
			return rc;
		}
		router->listener_count++;
		mio_accept(router->worker->mio, *listener, accepted, router);
		buf_printf(&process->listening, "router %s, ", mio_listener_address(*listener));
	}
	return 0;
}

static int start(void *state, struct worker *worker, struct buf *why)
{
	struct xml_limits limits = {.stanza_bytes = 4 << 20, .depth = 200, .attributes = 1000};
	/* A component of jabberd2 that reconnects writes what is queued before it logs in: it is read past. */
	struct xml_limits stranger = {.stanza_bytes = 4 << 20, .depth = 50, .attributes = 50, .kept_bytes = 8 << 10};
	const struct settings *settings = worker->process->settings;
	struct router *router = state;

	router->worker = worker;
	router->log = (struct log){worker->ring, "router", NULL};
	list_init(&router->streams);
	list_init(&router->waiting);
	gate_init(&router->gate, worker->mio, settings, worker->process->quotas, &router->log);
	rules_init(&router->policy, settings, &router->log);
	link_set_policy(worker->link, &router->policy);
	router->plugin_conf[0] = &sasl_conf;
	router->options = (struct conn_options){
		.stream = {.type = SX_SERVER, .plugins = plugins, .plugin_conf = router->plugin_conf,
			   .before_auth = stranger, .after_auth = limits},
		.handler = &handler,
		.login_ms = LOGIN_MS,
		.rate = settings->router.rate,
		.burst = settings->router.burst,
		.out_max = 64 << 20,
	};
	return mio_worker(worker->mio) ? 0 : listen_all(router, why);
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
	.drain = drain,
	.drained = drained,
	.stop = stop,
};
