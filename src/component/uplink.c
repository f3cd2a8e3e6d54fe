/* SPDX-License-Identifier: MIT */
/*
 * The stream of a component to its router: the seed flow (docs/seed-flow.md).
 *
 *   connect - header - features - auth DIGEST-MD5 - challenge, response, success - header - OPEN - bind - bound
 *        ^------------------------- closed, refused, failed: again after a pause ------------------------'
 *
 * At a Unix socket the router knows whose process we are: auth EXTERNAL, success, and no password is sent.
 */
#include <errno.h>
#include <string.h>
#include "base/mem.h"
#include "component/component.h"
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
	bool local;	    /* it is a Unix socket's */
	struct mio_timer retry;
	int64_t pause_ms;
	bool bound, told;
};

static void connect_now(struct uplink *uplink);

static void try_again(struct mio_timer *timer)
{
	connect_now(container_of(timer, struct uplink, retry));
}

/* Once in the log for each time that the router is away. */
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

static void refused(void *owner, struct sx *sx, const char *text)
{
	struct uplink *uplink = conn_owner(conn_of(sx));

	if (!uplink->told)
		log_error(&uplink->worker->log, "router %s refused our login as %s: %s; check router.user and router.password",
			  buf_text(&uplink->address), uplink->worker->process->settings->router.user, text);
	uplink->told = true;
	conn_close(uplink->conn, SX_ERROR_NONE, NULL);
}

static void bound(void *arg, struct link_peer *peer, unsigned error)
{
	struct uplink *uplink = arg;

	if (error) {
		if (!uplink->told)
			log_error(&uplink->worker->log, "router %s refused to bind our name: error %u%s",
				  buf_text(&uplink->address), error, error == 409 ? " (in use: is another part of this name running?)" : "");
		uplink->told = true;
		conn_close(uplink->conn, SX_ERROR_NONE, NULL);
		return;
	}
	uplink->bound = true;
	uplink->told = false;
	uplink->pause_ms = RETRY_FIRST_MS;
	log_info(&uplink->worker->log, "bound at router %s", buf_text(&uplink->address));
	worker_ready_changed(uplink->worker);
}

/* event_OPEN: bind leaves before the second features arrive, as from a jabberd2 component. */
static void opened(void *owner, struct conn *conn)
{
	struct uplink *uplink = owner;
	struct link_peer_options options = {.role = LINK_UP, .bound = bound, .arg = uplink};

	uplink->peer = link_peer_new(uplink->worker->link, conn, &options);
}

static void log_in(const struct uplink *uplink, struct sx *sx)
{
	const struct settings *settings = uplink->worker->process->settings;

	if (uplink->local)
		sx_sasl_auth(sx, "jabberd-router", "EXTERNAL", settings->router.user, "");
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

static void closed(void *owner, struct conn *conn, enum conn_end end)
{
	struct uplink *uplink = owner;
	AUTO(buf_fini) struct buf why = {0};

	uplink->conn = NULL;
	uplink->bound = false;
	link_peer_free(&uplink->peer);
	say_why(conn, end, &why);
	lost(uplink, buf_text(&why));
}

static const struct conn_handler handler = {.open = opened, .packet = received, .closed = closed};
static const struct sx_plugin *const plugins[] = {&sx_sasl_client, NULL};
static const struct sx_plugin *const plugins_with_ack[] = {&sx_ack, &sx_sasl_client, NULL};

static void connect_now(struct uplink *uplink)
{
	int fault = 0;

	uplink->conn = conn_connect(uplink->worker->conns, buf_text(&uplink->address), &uplink->options, uplink, &fault);
	if (!uplink->conn) {
		lost(uplink, strerror(-fault));
		return;
	}
	sx_sasl_on_failure(conn_sx(uplink->conn), refused);
	sx_start(conn_sx(uplink->conn));
}

struct uplink *uplink_new(struct worker *worker, bool declares_ack)
{
	struct uplink *uplink = mem_zalloc(MEM_LINK, sizeof(*uplink));
	struct xml_limits limits = {.stanza_bytes = 4 << 20, .depth = 200, .attributes = 1000};
	const struct settings *settings = worker->process->settings;

	uplink->worker = worker;
	if (*settings->router.connect)
		buf_append_text(&uplink->address, settings->router.connect);
	else
		way_local(settings, &uplink->address);
	uplink->local = way_is_local(buf_text(&uplink->address));
	uplink->pause_ms = RETRY_FIRST_MS;
	uplink->options = (struct conn_options){
		.stream = {.type = SX_CLIENT, .plugins = declares_ack ? plugins_with_ack : plugins,
			   .before_auth = limits, .after_auth = limits},
		.handler = &handler,
		.login_ms = LOGIN_MS,
		.out_max = 64 << 20,
	};
	mio_timer_init(&uplink->retry, try_again);
	connect_now(uplink);
	return uplink;
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
	buf_fini(&uplink->address);
	mem_free(uplink);
}

bool uplink_is_bound(const struct uplink *uplink)
{
	return uplink->bound;
}
