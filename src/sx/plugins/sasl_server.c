/* SPDX-License-Identifier: MIT */
/*
 * SASL as a server, in two profiles, RFC 6120 section 6 and XEP-0388: elements, base64 and order. What a message means is the
 * owner's.
 *
 *   idle - auth -> asked - challenge -> awaiting - response -> asked - success -> new stream
 *   idle - authenticate -> asked ... asked - success -> granted, the owner does what was asked for inline - open
 *   asked - continue -> awaiting next - asked - task data -> awaiting task data - asked ... as before
 *   asked - failure -> idle
 *   awaiting - abort, a second auth -> idle, the owner hears that it was dropped
 *
 * Who asks before having seen what is offered may say which offer that is for (XEP-0509): if it is another now, nothing is tried.
 */
#include "sx/plugins.h"

#include "base/table.h"
#include "sx/plugins/internal.h"
#include "sx/stream.h"
#include "xml/nad.h"

enum {
	MECHANISM_MAX = 20, /* RFC 4422 section 3.1 */
};

enum exchange { IDLE, ASKED, AWAITING, GRANTED };
enum task { NO_TASK, TASK_OFFERED, TASK_BEGUN };

struct sasl_server {
	struct sx *sx;
	const struct sx_sasl_server_conf *conf;
	uint8_t exchange; /* ASKED: the owner has the word. AWAITING: the peer has */
	bool second;	  /* it is by XEP-0388 */
	uint8_t task;	  /* what is awaited is of a task */
	bool stepping;	  /* step() is on the stack */
	unsigned failures;
	uint64_t offer;	  /* what was offered last on this stream: its hash; 0: nothing */
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

static const char *ns_of(const struct sasl_server *sasl)
{
	return sasl->second ? NS_SASL2 : NS_SASL;
}

static void send_printed(struct sx *sx, struct buf *text)
{
	struct slice printed = buf_slice(text);

	sx_send_parts(sx, &printed, 1, SX_OTHER);
	buf_wipe(text);
}

/* <name>base64</name>; data NULL: none. */
static void send_data(const struct sasl_server *sasl, const char *name, const struct slice *data)
{
	struct buf text = {0};

	buf_printf(&text, "<%s xmlns='%s'>", name, ns_of(sasl));
	if (data && data->len)
		buf_append_base64(&text, *data);
	else if (data && strcmp(name, "success") == 0)
		buf_append_char(&text, '='); /* empty, unlike none */
	buf_printf(&text, "</%s>", name);
	send_printed(sasl->sx, &text);
}

static struct nad *failure_new(const struct sasl_server *sasl, enum sx_sasl_failure failure)
{
	struct nad *nad = nad_new();

	nad_append(nad, ns_of(sasl), "failure", 0);
	nad_append(nad, NS_SASL, sx_sasl_failure_name(failure), 1);
	return nad;
}

static void send_failure(const struct sasl_server *sasl, enum sx_sasl_failure failure, const char *text)
{
	struct nad *nad = failure_new(sasl, failure);

	if (text)
		nad_append_text(nad, ns_of(sasl), "text", 1, slice_of(text));
	sx_send(sasl->sx, &nad);
}

/* The exchange is over without success. */
static void fail(struct sasl_server *sasl, enum sx_sasl_failure failure, const char *text)
{
	sasl->exchange = IDLE;
	sasl->task = NO_TASK;
	send_failure(sasl, failure, text);
	if (sasl->conf->attempts && ++sasl->failures >= sasl->conf->attempts)
		sx_refuse(sasl->sx, SX_REFUSED_FAILURES);
}

/* What the owner was not asked about. */
static void refuse(struct sasl_server *sasl, enum sx_sasl_failure failure, const char *text)
{
	if (sasl->conf->refused)
		sasl->conf->refused(sx_owner(sasl->sx), sasl->sx, failure);
	fail(sasl, failure, text);
}

static void drop(struct sasl_server *sasl)
{
	if (sasl->exchange == IDLE)
		return;
	sasl->exchange = IDLE;
	sasl->task = NO_TASK;
	if (sasl->conf->dropped)
		sasl->conf->dropped(sx_owner(sasl->sx), sasl->sx);
}

/* Another exchange before this one's end: it has failed. False: that happened once too often, or what was proven stands already. */
static bool restart(struct sasl_server *sasl)
{
	bool proven = sasl->task, counts = sasl->exchange != IDLE && sasl->conf->attempts;

	if (proven) {
		sx_error(sasl->sx, SX_POLICY_VIOLATION, "your login is to go on");
		return false;
	}
	drop(sasl);
	if (!counts || ++sasl->failures < sasl->conf->attempts)
		return true;
	sx_refuse(sasl->sx, SX_REFUSED_FAILURES);
	return false;
}

/* -- the peer's ---------------------------------------------------------------------------- */

/* What an element says, decoded, and gone from it. "=" is a message that is empty. */
static bool decode(struct nad *nad, struct slice text, struct buf *message)
{
	bool good = slice_is(text, "=") || buf_append_unbase64(message, text);

	nad_wipe(nad, text);
	return good;
}

/* Asks the owner. mechanism is NULL for a response. initial: there is a message, empty or not. */
static int ask(struct sasl_server *sasl, const char *mechanism, bool initial, struct slice message)
{
	sasl->exchange = ASKED;
	sasl->stepping = true;
	sasl->conf->step(sx_owner(sasl->sx), sasl->sx, mechanism, initial, message);
	sasl->stepping = false;
	return sasl->exchange == ASKED || sasl->exchange == GRANTED ? SX_WAIT : 0;
}

static int badly_encoded(struct sasl_server *sasl)
{
	drop(sasl);
	refuse(sasl, SX_SASL_INCORRECT_ENCODING, NULL);
	return 0;
}

/* False: there can be none of this name; the exchange has failed. */
static bool read_mechanism(struct sasl_server *sasl, const struct nad *nad, char *name)
{
	struct slice mechanism = nad_attr_value(nad, 0, "mechanism");

	if (sx_tls_withholds(sasl->sx)) {
		refuse(sasl, SX_SASL_ENCRYPTION_REQUIRED, NULL);
		return false;
	}
	if (!mechanism.len || mechanism.len > MECHANISM_MAX) {
		refuse(sasl, SX_SASL_INVALID_MECHANISM, NULL);
		return false;
	}
	memcpy(name, mechanism.data, mechanism.len);
	return true;
}

static int auth_came(struct sasl_server *sasl, struct nad *nad)
{
	struct slice text = nad_cdata(nad, 0);
	char name[MECHANISM_MAX + 1] = "";
	AUTO(buf_wipe) struct buf message = {0};
	bool initial = text.len > 0;

	if (!restart(sasl))
		return 0;
	sasl->second = false;
	if (!read_mechanism(sasl, nad, name))
		return 0;
	if (!decode(nad, text, &message))
		return badly_encoded(sasl);
	return ask(sasl, name, initial, buf_slice(&message));
}

static void print_version(const struct sasl_server *sasl, struct buf *out)
{
	buf_append_base64(out, (struct slice){(const char *)&sasl->offer, sizeof(sasl->offer)});
}

/* False: what was offered is not what the peer believed; it has read that by now. Nothing was tried, nothing has failed. */
static bool is_for_this_offer(const struct sasl_server *sasl, const struct nad *nad)
{
	AUTO(buf_fini) struct buf version = {0};
	int theirs = nad_find_child(nad, 0, NS_PIPELINING, "config-version");
	struct nad *failure;

	if (theirs < 0)
		return true;
	print_version(sasl, &version);
	if (sasl->offer && slice_equal(nad_attr_value(nad, theirs, "value"), buf_slice(&version)))
		return true;
	failure = failure_new(sasl, SX_SASL_ABORTED);
	nad_append(failure, NS_PIPELINING, "config-version-mismatch", 1);
	sx_send(sasl->sx, &failure);
	return false;
}

/* An initial response is an element of its own, and may be empty (XEP-0388 section 2.2). */
static int authenticate_came(struct sasl_server *sasl, struct nad **nad)
{
	int initial = nad_find_child(*nad, 0, NS_SASL2, "initial-response");
	char name[MECHANISM_MAX + 1] = "";
	AUTO(buf_wipe) struct buf message = {0};

	if (!restart(sasl))
		return 0;
	sasl->second = true;
	if (!is_for_this_offer(sasl, *nad) || !read_mechanism(sasl, *nad, name))
		return 0;
	if (initial >= 0 && !decode(*nad, nad_cdata(*nad, initial), &message))
		return badly_encoded(sasl);
	sasl->conf->asked(sx_owner(sasl->sx), sasl->sx, nad);
	return ask(sasl, name, initial >= 0, buf_slice(&message));
}

static int response_came(struct sasl_server *sasl, struct nad *nad)
{
	AUTO(buf_wipe) struct buf message = {0};
	struct slice text = nad_cdata(nad, 0);
	bool said = text.len > 0;

	if (sasl->exchange != AWAITING) {
		refuse(sasl, SX_SASL_MECHANISM_TOO_WEAK, "response before auth"); /* as jabberd2 names it */
		return 0;
	}
	if (!decode(nad, text, &message))
		return badly_encoded(sasl);
	return ask(sasl, NULL, said, buf_slice(&message));
}

static const char *awaited_of_task(const struct sasl_server *sasl)
{
	return sasl->task == TASK_OFFERED ? "next" : "task-data";
}

static int task_came(struct sasl_server *sasl, struct nad *nad)
{
	sasl->exchange = ASKED;
	sasl->stepping = true;
	sasl->conf->task(sx_owner(sasl->sx), sasl->sx, nad);
	sasl->stepping = false;
	return sasl->exchange == ASKED || sasl->exchange == GRANTED ? SX_WAIT : 0;
}

static bool has_second(const struct sasl_server *sasl)
{
	return sasl->conf->asked && sx_is_secure(sasl->sx);
}

static void aborted(struct sasl_server *sasl, bool wanted)
{
	drop(sasl);
	if (wanted)
		fail(sasl, SX_SASL_ABORTED, NULL);
	else
		refuse(sasl, SX_SASL_MALFORMED_REQUEST, NULL);
}

/* What fails is answered in the words of who asked. */
static int read_first(struct sasl_server *sasl, struct nad *nad)
{
	if (sx_state(sasl->sx) != SX_STATE_STREAM || sx_identity(sasl->sx))
		return 0;
	if (sasl->exchange == IDLE)
		sasl->second = false;
	if (nad_is(nad, 0, NS_SASL, "auth"))
		return auth_came(sasl, nad);
	if (nad_is(nad, 0, NS_SASL, "response") && !(sasl->second && sasl->exchange == AWAITING))
		return response_came(sasl, nad);
	aborted(sasl, nad_is(nad, 0, NS_SASL, "abort"));
	return 0;
}

/* Who has an identity is not to ask for another (XEP-0388 section 4.8). */
static int read_second(struct sasl_server *sasl, struct nad **nad)
{
	if (sx_state(sasl->sx) != SX_STATE_STREAM || sx_identity(sasl->sx)) {
		sx_error(sasl->sx, SX_POLICY_VIOLATION, "you are logged in already");
		return 0;
	}
	if (nad_is(*nad, 0, NS_SASL2, "authenticate"))
		return authenticate_came(sasl, nad);
	if (sasl->second && sasl->exchange == AWAITING && !sasl->task && nad_is(*nad, 0, NS_SASL2, "response"))
		return response_came(sasl, *nad);
	if (sasl->second && sasl->exchange == AWAITING && sasl->task && nad_is(*nad, 0, NS_SASL2, awaited_of_task(sasl)))
		return task_came(sasl, *nad);
	sasl->second = true;
	aborted(sasl, nad_is(*nad, 0, NS_SASL2, "abort"));
	return 0;
}

static int read_nad(void *state, struct sx *sx, struct nad **nad)
{
	struct sasl_server *sasl = state;

	if (!sasl->conf)
		return SX_PASS;
	if (slice_is(nad_ns(*nad, 0), NS_SASL))
		return read_first(sasl, *nad);
	if (slice_is(nad_ns(*nad, 0), NS_SASL2) && has_second(sasl))
		return read_second(sasl, nad);
	return SX_PASS;
}

static void append_data(struct buf *text, const struct slice *data)
{
	if (!data)
		return;
	buf_append_text(text, "<additional-data>");
	buf_append_base64(text, *data);
	buf_append_text(text, "</additional-data>");
}

static void send_continue(struct sasl_server *sasl, const struct sx_sasl_answer *answer)
{
	struct buf text = {0};

	buf_append_text(&text, "<continue xmlns='" NS_SASL2 "'>");
	append_data(&text, answer->data);
	buf_printf(&text, "<tasks><task>%s</task></tasks></continue>", answer->text);
	send_printed(sasl->sx, &text);
}

static void send_task_data(struct sasl_server *sasl, const char *inside)
{
	struct buf text = {0};

	buf_printf(&text, "<task-data xmlns='" NS_SASL2 "'>%s</task-data>", inside);
	send_printed(sasl->sx, &text);
}

static void succeed(struct sasl_server *sasl, const struct sx_sasl_answer *answer)
{
	sx_set_identity(sasl->sx, answer->identity, answer->how);
	sasl->exchange = sasl->second ? GRANTED : IDLE;
	sasl->task = NO_TASK;
	if (sasl->second)
		return;
	send_data(sasl, "success", answer->data);
	sx_restart(sasl->sx);
}

void sx_sasl_answer(struct sx *sx, const struct sx_sasl_answer *answer)
{
	struct sasl_server *sasl = sx_plugin_state(sx, &sx_sasl_server);

	if (!sasl || sasl->exchange != ASKED)
		return;
	switch (answer->outcome) {
	case SX_SASL_CHALLENGE:
		sasl->exchange = AWAITING;
		send_data(sasl, "challenge", answer->data);
		break;
	case SX_SASL_SUCCESS:
		succeed(sasl, answer);
		break;
	case SX_SASL_FAILURE:
		fail(sasl, answer->failure, answer->text);
		break;
	case SX_SASL_CONTINUE:
		sasl->exchange = AWAITING;
		sasl->task = TASK_OFFERED;
		send_continue(sasl, answer);
		break;
	case SX_SASL_TASK_DATA:
		sasl->exchange = AWAITING;
		sasl->task = TASK_BEGUN;
		send_task_data(sasl, answer->text);
		break;
	}
	if (!sasl->stepping && sasl->exchange != GRANTED)
		sx_continue(sx);
}

void sx_sasl2_granted(struct sx *sx, const struct slice *data, struct slice address, struct slice inside, bool offers)
{
	struct sasl_server *sasl = sx_plugin_state(sx, &sx_sasl_server);
	struct buf text = {0};

	if (!sasl || sasl->exchange != GRANTED)
		return;
	sasl->exchange = IDLE;
	buf_reserve(&text, inside.len + 2 * address.len + (data ? 2 * data->len : 0) + 512); /* at once: what is moved is not wiped */
	buf_append_text(&text, "<success xmlns='" NS_SASL2 "'>");
	append_data(&text, data);
	buf_append_text(&text, "<authorization-identifier>");
	buf_append_xml(&text, address);
	buf_append_text(&text, "</authorization-identifier>");
	buf_append_slice(&text, inside);
	buf_append_text(&text, "</success>");
	send_printed(sx, &text);
	sx_open(sx);
	if (offers)
		sx_offer(sx);
	if (!sasl->stepping)
		sx_continue(sx);
}

void sx_sasl2_denied(struct sx *sx)
{
	struct sasl_server *sasl = sx_plugin_state(sx, &sx_sasl_server);

	if (!sasl || sasl->exchange != GRANTED)
		return;
	sx_set_identity(sx, NULL, NULL);
	fail(sasl, SX_SASL_TEMPORARY_AUTH_FAILURE, NULL);
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

static void offer_second(void *to, const char *name)
{
	struct nad *features = to;

	if (nad_find_child(features, 0, NS_SASL2, "authentication") < 0)
		nad_append(features, NS_SASL2, "authentication", 1);
	nad_append_text(features, NS_SASL2, "mechanism", 2, slice_of(name));
}

static void features(void *state, struct sx *sx, struct nad *nad)
{
	struct sasl_server *sasl = state;

	if (!sasl->conf || sx_identity(sx) || sx_tls_withholds(sx))
		return;
	sasl->conf->mechanisms(sx_owner(sx), sx, offer, nad);
	if (!has_second(sasl))
		return;
	sasl->conf->mechanisms(sx_owner(sx), sx, offer_second, nad);
	if (nad_find_child(nad, 0, NS_SASL2, "authentication") < 0)
		return;
	nad_append(nad, NS_SASL2, "inline", 2);
	sasl->conf->inlines(sx_owner(sx), sx, nad);
	if (sasl->conf->upgrades)
		sasl->conf->upgrades(sx_owner(sx), sx, nad);
}

/* The version of what is offered before a login: its hash. */
static void featured(void *state, struct sx *sx, struct nad *nad)
{
	struct sasl_server *sasl = state;
	AUTO(buf_fini) struct buf printed = {0}, version = {0};

	sasl->offer = 0;
	if (nad_find_child(nad, 0, NS_SASL2, "authentication") < 0)
		return;
	nad_print(nad, 0, NULL, &printed);
	sasl->offer = hash_bytes((struct hash_key){0}, buf_slice(&printed)); /* of all workers, and after the next start, the same */
	print_version(sasl, &version);
	nad_append(nad, NS_PIPELINING, "config-version", 1);
	nad_append_attr(nad, -1, "value", buf_slice(&version));
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
	.featured = featured,
	.moved = moved,
	.closed = closed,
};
