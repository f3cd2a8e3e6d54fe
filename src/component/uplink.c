/* SPDX-License-Identifier: MIT */
/*
 * The stream of a component to its router: the seed flow (docs/seed-flow.md).
 *
 *   connect - header - features - auth DIGEST-MD5 - challenge, response, success - header - OPEN - bind - bound
 *        ^------------------------- closed, refused, failed: again after a pause ------------------------'
 *
 * At a Unix socket the router knows whose process we are: auth EXTERNAL, success, and no password is sent. Over TCP features
 * with STARTTLS are answered by it when router.tls says so (sx_tls does), and the stream begins again under TLS.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <string.h>
#include "base/mem.h"
#include "component/component.h"
#include "component/trust.h"
#include "component/way.h"
#include "sx/plugins.h"
#include "xml/nad.h"

enum { RETRY_FIRST_MS = 100, RETRY_MAX_MS = 2000, LOGIN_MS = 10000 };

struct uplink {
	struct worker *worker;
	struct conn *conn;
	struct link_peer *peer;
	struct conn_options options;
	struct buf address; /* of the router */
	struct buf host;    /* in it: what its certificate must be for */
	bool local;	    /* it is a Unix socket's */
	struct sx_tls_conf tls;
	SSL_CTX *trust; /* of the connection under way; NULL: TLS is off */
	const void *plugin_conf[3];
	struct mio_timer retry;
	int64_t pause_ms;
	bool bound, warned;
	bool told;	      /* that the router is away: once for each time */
	struct buf complaint; /* the last since it was there */
};

static void connect_now(struct uplink *uplink);

static void try_again(struct mio_timer *timer)
{
	connect_now(container_of(timer, struct uplink, retry));
}

static void lost(struct uplink *uplink, const char *what)
{
	if (atomic_load(&uplink->worker->process->draining))
		return;
	if (!uplink->told)
		log_warn(&uplink->worker->log, "router %s: %s; trying again until it answers", buf_text(&uplink->address), what);
	uplink->told = true;
	mio_timer_set(uplink->worker->mio, &uplink->retry, uplink->pause_ms);
	uplink->pause_ms = uplink->pause_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : uplink->pause_ms * 2;
}

/* Somebody must act; until then we try again, and say what is wrong once, until it is something else. */
static void PRINTF_LIKE(2, 3) complain(struct uplink *uplink, const char *format, ...)
{
	AUTO(buf_fini) struct buf text = {0};
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	uplink->told = true;
	if (slice_equal(buf_slice(&uplink->complaint), buf_slice(&text)))
		return;
	log_error(&uplink->worker->log, "router %s: %s", buf_text(&uplink->address), buf_text(&text));
	buf_clear(&uplink->complaint);
	buf_append_slice(&uplink->complaint, buf_slice(&text));
}

static void refused(void *owner, struct sx *sx, const char *text)
{
	struct uplink *uplink = conn_owner(conn_of(sx));

	complain(uplink, "refused our login as %s: %s; check router.user and router.password",
		 uplink->worker->settings->router.user, text);
	conn_close(uplink->conn, SX_ERROR_NONE, NULL);
}

static void bound(void *arg, struct link_peer *peer, unsigned error)
{
	struct uplink *uplink = arg;

	if (error) {
		complain(uplink, "refused to bind our name: error %u%s", error,
			 error == 409 ? " (in use: is another part of this name running?)" : "");
		conn_close(uplink->conn, SX_ERROR_NONE, NULL);
		return;
	}
	uplink->bound = true;
	uplink->told = false;
	buf_clear(&uplink->complaint);
	uplink->pause_ms = RETRY_FIRST_MS;
	log_info(&uplink->worker->log, "bound at router %s%s", buf_text(&uplink->address),
		 sx_is_secure(conn_sx(uplink->conn)) ? " under TLS" : "");
	worker_ready_changed(uplink->worker);
}

/* event_OPEN: bind leaves before the second features arrive, as from a jabberd2 component. */
static void opened(void *owner, struct conn *conn)
{
	struct uplink *uplink = owner;
	struct link_peer_options options = {.role = LINK_UP, .bound = bound, .arg = uplink};

	uplink->peer = link_peer_new(uplink->worker->link, conn, &options);
}

/* In clear, over TCP. DIGEST-MD5 does not show the password; it lets who listens try many, and read all that follows. */
static bool may_be_clear(struct uplink *uplink)
{
	int tls = uplink->worker->settings->router.tls;

	if (tls == ROUTER_TLS_REQUIRED) {
		complain(uplink, "offers no TLS, and router.tls is \"required\": give the router a certificate, or write "
				 "\"starttls\"");
		return false;
	}
	if (!uplink->warned && !way_is_loopback(buf_text(&uplink->address)))
		log_warn(&uplink->worker->log, "router %s: %s: our login and all stanzas cross the network in clear",
			 buf_text(&uplink->address), tls == ROUTER_TLS_OFF ? "router.tls is \"off\"" : "it offers no TLS");
	uplink->warned = true;
	return true;
}

static void log_in(struct uplink *uplink, struct sx *sx)
{
	const struct settings *settings = uplink->worker->settings;

	if (uplink->local)
		sx_sasl_auth(sx, "jabberd-router", "EXTERNAL", settings->router.user, "");
	else if (!sx_is_secure(sx) && !may_be_clear(uplink))
		conn_close(uplink->conn, SX_ERROR_NONE, NULL);
	else
		sx_sasl_auth(sx, "jabberd-router", "DIGEST-MD5", settings->router.user, settings->router.password);
}

/* Any features at all start the login: components never read the list (component-protocol.md section 2). */
static void received(void *owner, struct conn *conn, struct nad **nad)
{
	struct uplink *uplink = owner;
	bool features = nad_is(*nad, 0, NS_STREAM, "features");

	if (uplink->peer && !features) {
		link_peer_receive(uplink->peer, nad);
		return;
	}
	nad_free(nad);
	if (features && sx_state(conn_sx(conn)) == SX_STATE_STREAM)
		log_in(uplink, conn_sx(conn));
}

/* Why the stream ended, as far as somebody said so. */
static void say_why(struct conn *conn, enum conn_end end, struct buf *out)
{
	struct sx *sx = conn_sx(conn);
	char quoted[LOG_QUOTE];

	if (end == CONN_END_FAULT)
		buf_append_text(out, strerror(-conn_fault(conn)));
	else if (end == CONN_END_TIMEOUT)
		buf_append_text(out, "it does not answer");
	else if (end == CONN_END_ERROR && sx_end_error(sx))
		buf_printf(out, "%s, %s", sx_error_name(sx_end_error(sx)), log_quote(quoted, slice_of(sx_end_text(sx))));
	else if (end == CONN_END_ERROR)
		buf_append_text(out, sx_end_text(sx));
	else
		buf_append_text(out, "the stream ended");
}

static void tell_components(const struct worker *worker)
{
	const struct component *const *components = worker->process->components;

	for (unsigned at = 0; components[at]; at++) {
		if (components[at]->router_lost)
			components[at]->router_lost(worker->states[at]);
	}
}

static void closed(void *owner, struct conn *conn, enum conn_end end)
{
	struct uplink *uplink = owner;
	int distrust = sx_tls_distrust(conn_sx(conn));
	AUTO(buf_fini) struct buf why = {0};

	uplink->conn = NULL;
	if (uplink->bound)
		tell_components(uplink->worker);
	uplink->bound = false;
	link_peer_free(&uplink->peer);
	if (distrust) {
		trust_explain(distrust, buf_text(&uplink->host), &why);
		complain(uplink, "%s", buf_text(&why));
	}
	say_why(conn, end, &why);
	lost(uplink, buf_text(&why));
}

static const struct conn_handler handler = {.open = opened, .packet = received, .closed = closed};
static const struct sx_plugin *const plugins[] = {&sx_tls, &sx_sasl_client, NULL};
static const struct sx_plugin *const plugins_with_ack[] = {&sx_tls, &sx_ack, &sx_sasl_client, NULL};

static SSL_CTX *trust_of(void *arg, const char *name)
{
	return ((struct uplink *)arg)->trust;
}

/* Read anew for each connection: the router may have made its certificate meanwhile. */
static bool renew_trust(struct uplink *uplink, struct buf *why)
{
	SSL_CTX_free(uplink->trust);
	uplink->trust = trust_new(uplink->worker->settings, why);
	return uplink->trust != NULL;
}

static void connect_now(struct uplink *uplink)
{
	AUTO(buf_fini) struct buf why = {0};
	int fault = 0;

	if (uplink->plugin_conf[0] && !renew_trust(uplink, &why)) {
		lost(uplink, buf_text(&why));
		return;
	}
	uplink->conn = conn_connect(uplink->worker->conns, buf_text(&uplink->address), &uplink->options, uplink, &fault);
	if (!uplink->conn) {
		lost(uplink, strerror(-fault));
		return;
	}
	sx_sasl_on_failure(conn_sx(uplink->conn), refused);
	sx_start(conn_sx(uplink->conn));
}

static void choose_way(struct uplink *uplink)
{
	const struct settings *settings = uplink->worker->settings;

	if (*settings->router.connect)
		buf_append_text(&uplink->address, settings->router.connect);
	else
		way_local(settings, &uplink->address);
	uplink->local = way_is_local(buf_text(&uplink->address));
	if (uplink->local || settings->router.tls == ROUTER_TLS_OFF)
		return;
	if (!way_host(buf_text(&uplink->address), &uplink->host))
		buf_append_text(&uplink->host, "localhost");
	uplink->tls = (struct sx_tls_conf){.context = trust_of, .arg = uplink, .name = buf_text(&uplink->host), .offer = true};
	uplink->plugin_conf[0] = &uplink->tls;
}

int uplink_new(struct worker *worker, bool declares_ack, struct uplink **made, struct buf *why)
{
	struct uplink *uplink = mem_zalloc(MEM_LINK, sizeof(*uplink));
	struct xml_limits limits = {.stanza_bytes = 4 << 20, .depth = 200, .attributes = 1000};

	*made = uplink;
	uplink->worker = worker;
	mio_timer_init(&uplink->retry, try_again);
	choose_way(uplink);
	if (uplink->plugin_conf[0] && !renew_trust(uplink, why))
		return -EINVAL;
	uplink->pause_ms = RETRY_FIRST_MS;
	uplink->options = (struct conn_options){
		.stream = {.type = SX_CLIENT, .plugins = declares_ack ? plugins_with_ack : plugins,
			   .plugin_conf = uplink->plugin_conf, .before_auth = limits, .after_auth = limits},
		.handler = &handler,
		.login_ms = LOGIN_MS,
		.out_max = 64 << 20,
	};
	connect_now(uplink);
	return 0;
}

/* After the loops stopped. */
void uplink_free(struct uplink **taken)
{
	struct uplink *uplink = *taken;

	*taken = NULL;
	if (!uplink)
		return;
	mio_timer_stop(&uplink->retry);
	link_peer_free(&uplink->peer);
	conn_kill(&uplink->conn);
	conn_env_reap(uplink->worker->conns);
	SSL_CTX_free(uplink->trust);
	buf_fini(&uplink->address);
	buf_fini(&uplink->host);
	buf_fini(&uplink->complaint);
	mem_free(uplink);
}

bool uplink_is_bound(const struct uplink *uplink)
{
	return uplink->bound;
}
