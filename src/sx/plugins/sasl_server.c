/* SPDX-License-Identifier: MIT */
/*
 * SASL as a server, RFC 6120 section 6: elements, base64 and order. What a message means is the
 * owner's.
 *
 *   idle - auth -> asked - challenge -> awaiting - response -> asked - success -> new stream
 *   asked - failure -> idle
 *   awaiting - abort, a second auth -> idle, the owner hears that it was dropped
 */
#include "sx/plugins.h"

#include "sx/plugins/internal.h"
#include "sx/stream.h"
#include "xml/nad.h"

enum { MECHANISM_MAX = 20 }; /* RFC 4422 section 3.1 */

enum exchange { IDLE, ASKED, AWAITING };

struct sasl_server {
	struct sx *sx;
	const struct sx_sasl_server_conf *conf;
	uint8_t exchange; /* ASKED: the owner has the word. AWAITING: the peer has */
	bool stepping;	  /* step() is on the stack */
	unsigned failures;
};

static const char *const failure_names[SX_SASL_FAILURES] = {
	[SX_SASL_ABORTED] = "aborted",
	[SX_SASL_ACCOUNT_DISABLED] = "account-disabled",
	[SX_SASL_CREDENTIALS_EXPIRED] = "credentials-expired",
	[SX_SASL_ENCRYPTION_REQUIRED] = "encryption-required",
	[SX_SASL_INCORRECT_ENCODING] = "incorrect-encoding",
	[SX_SASL_INVALID_AUTHZID] = "invalid-authzid",
	[SX_SASL_INVALID_MECHANISM] = "invalid-mechanism",
	[SX_SASL_MALFORMED_REQUEST] = "malformed-request",
	[SX_SASL_MECHANISM_TOO_WEAK] = "mechanism-too-weak",
	[SX_SASL_NOT_AUTHORIZED] = "not-authorized",
	[SX_SASL_TEMPORARY_AUTH_FAILURE] = "temporary-auth-failure",
};

const char *sx_sasl_failure_name(enum sx_sasl_failure failure)
{
	return (unsigned)failure < SX_SASL_FAILURES ? failure_names[failure] : "";
}

/* -- our elements -------------------------------------------------------------------------- */

/* <name>base64</name>; data NULL: none. */
static void send_data(struct sx *sx, const char *name, const struct slice *data)
{
	struct buf text = {0};
	struct slice printed;

	buf_printf(&text, "<%s xmlns='" NS_SASL "'>", name);
	if (data && data->len)
		buf_append_base64(&text, *data);
	else if (data && strcmp(name, "success") == 0)
		buf_append_char(&text, '='); /* empty, unlike none */
	buf_printf(&text, "</%s>", name);
	printed = buf_slice(&text);
	sx_send_parts(sx, &printed, 1, SX_OTHER);
	buf_wipe(&text);
}

static void send_failure(struct sx *sx, enum sx_sasl_failure failure, const char *text)
{
	struct nad *nad = nad_new();

	nad_append(nad, NS_SASL, "failure", 0);
	nad_append(nad, NS_SASL, sx_sasl_failure_name(failure), 1);
	if (text)
		nad_append_text(nad, NS_SASL, "text", 1, slice_of(text));
	sx_send(sx, &nad);
}

/* The exchange is over without success. */
static void fail(struct sasl_server *sasl, enum sx_sasl_failure failure, const char *text)
{
	sasl->exchange = IDLE;
	send_failure(sasl->sx, failure, text);
	if (sasl->conf->attempts && ++sasl->failures >= sasl->conf->attempts)
		sx_refuse(sasl->sx, SX_REFUSED_FAILURES);
}

static void drop(struct sasl_server *sasl)
{
	if (sasl->exchange == IDLE)
		return;
	sasl->exchange = IDLE;
	if (sasl->conf->dropped)
		sasl->conf->dropped(sx_owner(sasl->sx), sasl->sx);
}

/* -- the peer's ---------------------------------------------------------------------------- */

/* What the element says, decoded, and gone from the element. "=" is a message that is empty. */
static bool decode(struct nad *nad, struct buf *message)
{
	struct slice text = nad_cdata(nad, 0);
	bool good = slice_is(text, "=") || buf_append_unbase64(message, text);

	nad_wipe(nad, text);
	return good;
}

/* Asks the owner. mechanism is NULL for a response. */
static int ask(struct sasl_server *sasl, struct nad *nad, const char *mechanism)
{
	size_t len = nad_cdata(nad, 0).len;
	AUTO(buf_wipe) struct buf message = {0};

	if (!decode(nad, &message)) {
		drop(sasl);
		fail(sasl, SX_SASL_INCORRECT_ENCODING, NULL);
		return 0;
	}
	sasl->exchange = ASKED;
	sasl->stepping = true;
	sasl->conf->step(sx_owner(sasl->sx), sasl->sx, mechanism, len > 0, buf_slice(&message));
	sasl->stepping = false;
	return sasl->exchange == ASKED ? SX_WAIT : 0;
}

static int auth_came(struct sasl_server *sasl, struct nad *nad)
{
	struct slice mechanism = nad_attr_value(nad, 0, "mechanism");
	char name[MECHANISM_MAX + 1] = "";

	drop(sasl);
	if (sx_tls_withholds(sasl->sx)) {
		fail(sasl, SX_SASL_ENCRYPTION_REQUIRED, NULL);
		return 0;
	}
	if (!mechanism.len || mechanism.len > MECHANISM_MAX) {
		fail(sasl, SX_SASL_INVALID_MECHANISM, NULL);
		return 0;
	}
	memcpy(name, mechanism.data, mechanism.len);
	return ask(sasl, nad, name);
}

static int response_came(struct sasl_server *sasl, struct nad *nad)
{
	if (sasl->exchange == AWAITING)
		return ask(sasl, nad, NULL);
	fail(sasl, SX_SASL_MECHANISM_TOO_WEAK, "response before auth"); /* as jabberd2 names it */
	return 0;
}

static int read_nad(void *state, struct sx *sx, struct nad **nad)
{
	struct sasl_server *sasl = state;

	if (!sasl->conf || !slice_is(nad_ns(*nad, 0), NS_SASL))
		return SX_PASS;
	if (sx_state(sx) != SX_STATE_STREAM || sx_identity(sx))
		return 0;
	if (nad_is(*nad, 0, NS_SASL, "auth"))
		return auth_came(sasl, *nad);
	if (nad_is(*nad, 0, NS_SASL, "response"))
		return response_came(sasl, *nad);
	drop(sasl);
	if (nad_is(*nad, 0, NS_SASL, "abort"))
		fail(sasl, SX_SASL_ABORTED, NULL);
	else
		fail(sasl, SX_SASL_MALFORMED_REQUEST, NULL);
	return 0;
}

void sx_sasl_answer(struct sx *sx, const struct sx_sasl_answer *answer)
{
	struct sasl_server *sasl = sx_plugin_state(sx, &sx_sasl_server);

	if (!sasl || sasl->exchange != ASKED)
		return;
	switch (answer->outcome) {
	case SX_SASL_CHALLENGE:
		sasl->exchange = AWAITING;
		send_data(sx, "challenge", answer->data);
		break;
	case SX_SASL_SUCCESS:
		sasl->exchange = IDLE;
		send_data(sx, "success", answer->data);
		sx_set_identity(sx, answer->identity, answer->how);
		sx_restart(sx);
		break;
	case SX_SASL_FAILURE:
		fail(sasl, answer->failure, answer->text);
		break;
	}
	if (!sasl->stepping)
		sx_continue(sx);
}

bool sx_sasl_busy(const struct sx *sx)
{
	const struct sasl_server *sasl = sx_plugin_state(sx, &sx_sasl_server);

	return sasl && sasl->exchange != IDLE;
}

/* -- features and life --------------------------------------------------------------------- */

static void offer(void *to, const char *name)
{
	struct nad *features = to;

	if (nad_find_child(features, 0, NS_SASL, "mechanisms") < 0)
		nad_append(features, NS_SASL, "mechanisms", 1);
	nad_append_text(features, NS_SASL, "mechanism", 2, slice_of(name));
}

static void features(void *state, struct sx *sx, struct nad *nad)
{
	struct sasl_server *sasl = state;

	if (!sasl->conf || sx_identity(sx) || sx_tls_withholds(sx))
		return;
	sasl->conf->mechanisms(sx_owner(sx), sx, offer, nad);
}

static void open_stream(void *state, struct sx *sx, const void *conf)
{
	struct sasl_server *sasl = state;

	sasl->sx = sx;
	sasl->conf = conf;
	drop(sasl);
}

static void closed(void *state, struct sx *sx)
{
	struct sasl_server *sasl = state;

	drop(sasl);
}

static void moved(void *state, struct sx *sx)
{
	struct sasl_server *sasl = state;

	sasl->sx = sx;
}

const struct sx_plugin sx_sasl_server = {
	.name = "sasl",
	.size = sizeof(struct sasl_server),
	.open = open_stream,
	.read_nad = read_nad,
	.features = features,
	.moved = moved,
	.closed = closed,
};
