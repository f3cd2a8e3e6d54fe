/* SPDX-License-Identifier: MIT */
/*
 * SASL as a client, through libgsasl. Success comes in three forms: with the server's last data,
 * without (jabberd2's components never look at it), or behind a last challenge that an empty
 * response answers.
 */
#include "sx/plugins.h"

#include <errno.h>
#include <gsasl.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "sx/plugins/internal.h"
#include "sx/stream.h"
#include "xml/nad.h"

/* One attempt; there is none most of the time. */
struct exchange {
	Gsasl *gsasl;
	Gsasl_session *session;
	struct jid *identity; /* whom we log in as */
	const char *how;
	bool proves; /* the server must prove itself too: SCRAM */
	bool done;   /* the mechanism has all it wants */
};

struct sasl_client {
	struct sx *sx;
	struct exchange *exchange;
	void (*failed)(void *owner, struct sx *sx, const char *text);
};

static const struct {
	const char *mechanism, *how;
	bool proves;
} mechanisms[] = {
	{"DIGEST-MD5", "SASL/DIGEST-MD5", false},  {"PLAIN", "SASL/PLAIN", false},
	{"SCRAM-SHA-1", "SASL/SCRAM-SHA-1", true}, {"SCRAM-SHA-256", "SASL/SCRAM-SHA-256", true},
	{"EXTERNAL", "SASL/EXTERNAL", false},	   {"ANONYMOUS", "SASL/ANONYMOUS", false},
};

static void tell_foreign(struct sx *sx, struct exchange *exchange, void (*close)(void *handle))
{
	const struct sx_env *env = sx_env_of(sx);

	if (env->foreign)
		env->foreign(env->foreign_arg, exchange, close);
}

/* What the library holds outside our heaps; also when a simulated process is killed. */
static void close_library(void *handle)
{
	struct exchange *exchange = handle;

	if (exchange->session)
		gsasl_finish(exchange->session);
	if (exchange->gsasl)
		gsasl_done(exchange->gsasl);
}

static void end(struct sasl_client *sasl)
{
	struct exchange *exchange = sasl->exchange;

	if (!exchange)
		return;
	sasl->exchange = NULL;
	tell_foreign(sasl->sx, exchange, NULL);
	close_library(exchange);
	jid_free(&exchange->identity);
	mem_free(exchange);
}

static void fail(struct sasl_client *sasl, const char *text)
{
	end(sasl);
	if (sasl->failed)
		sasl->failed(sx_owner(sasl->sx), sasl->sx, text);
}

static void abort_exchange(struct sasl_client *sasl, const char *text)
{
	struct slice abort = SLICE("<abort xmlns='" NS_SASL "'/>");

	sx_send_parts(sasl->sx, &abort, 1, SX_OTHER);
	fail(sasl, text);
}

/* Hands the server's data to the mechanism; its answer is added to out. */
static int step(struct exchange *exchange, struct slice in, struct buf *out)
{
	char *bytes = NULL;
	size_t len = 0;
	int rc = gsasl_step(exchange->session, in.len ? in.data : "", in.len, &bytes, &len);

	if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE) {
		buf_append(out, bytes, len);
		exchange->done = rc == GSASL_OK;
		mem_wipe(bytes, bytes ? len : 0);
		gsasl_free(bytes);
	}
	return rc;
}

/* -- starting ------------------------------------------------------------------------------ */

static void set_properties(struct sx *sx, Gsasl_session *session, const char *service,
			   const char *user, const char *password)
{
	const char *to = sx->options->to;
	const char *host = strcmp(service, "xmpp") == 0 && to ? to : sx->env->host_name;

	gsasl_property_set(session, GSASL_AUTHID, user);
	gsasl_property_set(session, GSASL_PASSWORD, password);
	gsasl_property_set(session, GSASL_SERVICE, service);
	gsasl_property_set(session, GSASL_HOSTNAME, host ? host : "localhost");
}

static void name_mechanism(struct exchange *exchange, const char *mechanism)
{
	exchange->how = "SASL";
	for (size_t i = 0; i < countof(mechanisms); i++) {
		if (strcmp(mechanisms[i].mechanism, mechanism) != 0)
			continue;
		exchange->how = mechanisms[i].how;
		exchange->proves = mechanisms[i].proves;
	}
}

/* <auth/>, with the mechanism's first message when it speaks first. */
static int send_auth(struct sasl_client *sasl, const char *mechanism)
{
	struct buf first = {0}, text = {0};
	struct slice printed;
	int rc = step(sasl->exchange, SLICE(""), &first);

	if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE) {
		buf_printf(&text, "<auth xmlns='" NS_SASL "' mechanism='%s'>", mechanism);
		if (buf_used(&first))
			buf_append_base64(&text, buf_slice(&first));
		else if (rc == GSASL_OK)
			buf_append_char(&text, '=');
		buf_append_text(&text, "</auth>");
		printed = buf_slice(&text);
		sx_send_parts(sasl->sx, &printed, 1, SX_OTHER);
	}
	buf_wipe(&first);
	buf_wipe(&text);
	return rc == GSASL_OK || rc == GSASL_NEEDS_MORE ? 0 : -EINVAL;
}

int sx_sasl_auth(struct sx *sx, const char *service, const char *mechanism, const char *user,
		 const char *password)
{
	struct sasl_client *sasl = sx_plugin_state(sx, &sx_sasl_client);
	const char *to = sx->options->to;
	struct exchange *exchange;
	int rc = -EINVAL;

	if (!sasl || sx_state(sx) != SX_STATE_STREAM || sx_identity(sx) || sx_tls_withholds(sx))
		return -EINVAL;
	end(sasl);
	exchange = sasl->exchange = mem_zalloc(MEM_SASL, sizeof(*exchange));
	tell_foreign(sx, exchange, close_library);
	exchange->identity = jid_make(slice_of(user), slice_of(to ? to : service), SLICE(""));
	name_mechanism(exchange, mechanism);
	if (exchange->identity && gsasl_init(&exchange->gsasl) == GSASL_OK &&
	    gsasl_client_start(exchange->gsasl, mechanism, &exchange->session) == GSASL_OK) {
		set_properties(sx, exchange->session, service, user, password);
		rc = send_auth(sasl, mechanism);
	}
	if (rc < 0)
		end(sasl);
	return rc;
}

void sx_sasl_on_failure(struct sx *sx, void (*failed)(void *owner, struct sx *sx, const char *text))
{
	struct sasl_client *sasl = sx_plugin_state(sx, &sx_sasl_client);

	if (sasl)
		sasl->failed = failed;
}

/* -- the server's elements ----------------------------------------------------------------- */

static void send_response(struct sx *sx, struct slice message)
{
	struct buf text = {0};
	struct slice printed;

	buf_append_text(&text, "<response xmlns='" NS_SASL "'>");
	buf_append_base64(&text, message);
	buf_append_text(&text, "</response>");
	printed = buf_slice(&text);
	sx_send_parts(sx, &printed, 1, SX_OTHER);
	buf_wipe(&text);
}

static void challenge_came(struct sasl_client *sasl, const struct nad *nad)
{
	struct slice text = nad_cdata(nad, 0);
	struct buf in = {0}, out = {0};
	int rc = GSASL_BASE64_ERROR;

	if (slice_is(text, "=") || buf_append_unbase64(&in, text))
		rc = step(sasl->exchange, buf_slice(&in), &out);
	if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE)
		send_response(sasl->sx, buf_slice(&out));
	else
		abort_exchange(sasl, gsasl_strerror(rc));
	buf_wipe(&in);
	buf_wipe(&out);
}

/* What the server says of itself with success. Returns NULL, or why we do not believe it. */
static const char *doubt(struct exchange *exchange, const struct nad *nad)
{
	struct slice text = nad_cdata(nad, 0);
	struct buf in = {0}, out = {0};
	int rc = GSASL_OK;

	if (!exchange->done && text.len && !slice_is(text, "=")) {
		rc = buf_append_unbase64(&in, text) ? step(exchange, buf_slice(&in), &out)
						    : GSASL_BASE64_ERROR;
		buf_fini(&in);
		buf_wipe(&out);
	}
	if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
		return gsasl_strerror(rc);
	return exchange->proves && !exchange->done ? "the server did not prove itself" : NULL;
}

static void success_came(struct sasl_client *sasl, const struct nad *nad)
{
	struct exchange *exchange = sasl->exchange;
	const char *reason = doubt(exchange, nad);

	if (reason) {
		fail(sasl, reason);
		return;
	}
	sx_set_identity(sasl->sx, exchange->identity, exchange->how);
	end(sasl);
	sx_restart(sasl->sx);
}

static void failure_came(struct sasl_client *sasl, const struct nad *nad)
{
	struct buf text = {0};
	int elem = nad_find_child(nad, 0, NS_SASL, NULL);
	int said = nad_find_child(nad, 0, NS_SASL, "text");

	if (elem >= 0)
		buf_append_slice(&text, nad_name(nad, elem));
	if (said >= 0 && said != elem) {
		buf_append_text(&text, ": ");
		buf_append_slice(&text, nad_cdata(nad, said));
	}
	fail(sasl, buf_text(&text));
	buf_fini(&text);
}

static int read_nad(void *state, struct sx *sx, struct nad **nad)
{
	struct sasl_client *sasl = state;

	if (!slice_is(nad_ns(*nad, 0), NS_SASL))
		return SX_PASS;
	if (!sasl->exchange || sx_state(sx) != SX_STATE_STREAM)
		return 0;
	if (nad_is(*nad, 0, NS_SASL, "challenge"))
		challenge_came(sasl, *nad);
	else if (nad_is(*nad, 0, NS_SASL, "success"))
		success_came(sasl, *nad);
	else if (nad_is(*nad, 0, NS_SASL, "failure"))
		failure_came(sasl, *nad);
	return 0;
}

/* -- life ---------------------------------------------------------------------------------- */

static void open_stream(void *state, struct sx *sx, const void *conf)
{
	struct sasl_client *sasl = state;

	sasl->sx = sx;
	end(sasl);
}

static void closed(void *state, struct sx *sx)
{
	end(state);
}

static void moved(void *state, struct sx *sx)
{
	struct sasl_client *sasl = state;

	sasl->sx = sx;
}

static void fini(void *state)
{
	end(state);
}

const struct sx_plugin sx_sasl_client = {
	.name = "sasl",
	.size = sizeof(struct sasl_client),
	.open = open_stream,
	.fini = fini,
	.read_nad = read_nad,
	.moved = moved,
	.closed = closed,
};
