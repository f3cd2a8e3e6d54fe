/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes whole SASL exchanges: a stream, the mechanisms, hashing on its driver, in the simulator.
 *
 * The first byte says what the stream is, a digit of hexadecimal: 1 it can be bound to, 2 ann is
 * certified, 4 bob is too, 8 its domain offers SHA-1 alone. Each line behind it is what the client
 * sends next, in its turn:
 *
 *   Amechanism text    auth, the text in base64; without a space no initial response
 *   amechanism text    auth, the text as it is
 *   Rtext, rtext       response, in base64 or as it is
 *   Ftext              SCRAM's final message to the last challenge, with text in it and a sound proof
 *   Smechanism text    authenticate (XEP-0388), the text in base64; without a space no initial response
 *   smechanism text    authenticate, the text as it is, as children
 *   Hmechanism         authenticate with a sound proof of ann's token
 *   Qtext, qtext       its response, in base64 or as it is
 *   Xtext              whatever it is
 *
 * There are ann, old (a key for SHA-1 alone) and off (disabled), whose password is "pencil". ann's device has a token for
 * HT-SHA-256-EXPR, and an expired one for HT-SHA-256-NONE. What was asked for along with a login is done in every other turn.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "../unit/auth/client.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "mio/sim.h"
#include "sx/plugins.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TURN_MS = 50, LINES_MAX = 32 };

#define DOMAIN SLICE("example.org")
#define NS_SASL_ATTR "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
#define NS_SASL2_ATTR "xmlns='urn:xmpp:sasl:2'"
#define DEVICE "device"
#define TOKEN "a token"
#define HEADER                                                                                     \
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "    \
	"to='example.org' version='1.0'>"

struct world {
	struct slice input;
	unsigned lines;
	char kind; /* of the last line */
	bool done;

	struct mio *mio;
	struct mio_timer timer;
	struct mio_driver *hashing;
	struct auth *auth;
	struct auth_channel channel;
	struct auth_login *login;
	struct mio_task lookup, grant;
	uint64_t lookup_token;
	struct jid *lookup_user;

	struct sx *sx;
	struct sx_env env;
	struct sx_options options;
	struct buf mechanism, first, challenge; /* of the exchange under way, as the client knows it */
	bool challenged, succeeded;
	bool second; /* it is by XEP-0388 */
	bool raw; /* something was sent as it is: who knows what is open */
};

static const char *const mechanisms[] = {"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", NULL};

/* -- accounts -- */

static void answer_lookup(struct mio_task *task)
{
	struct world *world = container_of(task, struct world, lookup);
	bool old = slice_is(jid_local(world->lookup_user), "old");
	bool off = slice_is(jid_local(world->lookup_user), "off");
	bool known = old || off || slice_is(jid_local(world->lookup_user), "ann");
	struct auth_account account = {.disabled = off};

	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		struct auth_key *key = &account.keys[hash];

		if (old && hash != AUTH_SHA1)
			continue;
		*key = (struct auth_key){.rounds = 1, .salt = "saltsaltsaltsal", .salt_len = 16};
		auth_key_derive((enum auth_hash)hash, SLICE("pencil"), key);
	}
	if (slice_is(jid_resource(world->lookup_user), DEVICE) && slice_is(jid_local(world->lookup_user), "ann")) {
		account.tokens[AUTH_CURRENT] = (struct auth_token){
			.present = true, .mechanism = AUTH_HT_EXPORTER, .expires_ms = INT64_MAX, .secret = TOKEN};
		account.tokens[AUTH_NEXT] = (struct auth_token){.present = true, .mechanism = AUTH_HT_NONE, .secret = TOKEN};
	}
	jid_free(&world->lookup_user);
	auth_source_answer(world->auth, world->lookup_token, known ? AUTH_OK : AUTH_UNKNOWN,
			   known ? &account : NULL);
}

static void lookup(void *state, struct auth *auth, struct jid *user, uint64_t token)
{
	struct world *world = state;

	world->lookup_token = token;
	if (!world->lookup_user)
		mio_defer(world->mio, &world->lookup);
	jid_free(&world->lookup_user);
	world->lookup_user = jid_ref(user);
}

static const struct auth_source source = {.name = "fuzz", .lookup = lookup};

/* -- the server -- */

/* Nobody gets in who has not shown what the mechanism asks for. */
static void check_success(const struct world *world, const struct auth_answer *answer)
{
	const char *mechanism = buf_text((struct buf *)&world->mechanism);
	struct slice first = buf_slice(&world->first);
	bool plus = strstr(mechanism, "-PLUS");

	if (strncmp(mechanism, "HT-", 3) == 0) {
		if (world->kind != 'H' || strcmp(mechanism, "HT-SHA-256-EXPR") != 0 || !slice_is(jid_local(answer->user), "ann"))
			abort();
		return;
	}
	if (!auth_offers(world->auth, mechanism, &world->channel) ||
	    slice_is(jid_local(answer->user), "off"))
		abort();
	if (strncmp(mechanism, "SCRAM-", 6) == 0) {
		if (world->kind != 'F' || plus != (first.len && first.data[0] == 'p') ||
		    (first.len && first.data[0] == 'y' && auth_channel_binds(&world->channel)) ||
		    plus != (auth_bound_by(world->login) != NULL))
			abort();
	} else if (strcmp(mechanism, "PLAIN") == 0) {
		if (first.len < 8 || memcmp(first.data + first.len - 7, "\0pencil", 7) != 0)
			abort();
	} else if (!world->channel.certified_count) {
		abort();
	}
}

static void answered(void *arg, uint64_t token, const struct auth_answer *given)
{
	static const enum sx_sasl_outcome outcomes[] = {
		[AUTH_CHALLENGE] = SX_SASL_CHALLENGE,
		[AUTH_SUCCESS] = SX_SASL_SUCCESS,
		[AUTH_FAILURE] = SX_SASL_FAILURE,
	};
	struct world *world = arg;
	struct sx_sasl_answer answer = {
		.outcome = outcomes[given->outcome],
		.data = given->has_data ? &given->data : NULL,
		.identity = given->user,
		.how = auth_how(world->login),
		.failure = SX_SASL_NOT_AUTHORIZED,
	};

	if (given->outcome == AUTH_SUCCESS)
		check_success(world, given);
	if (given->outcome == AUTH_FAILURE && !given->why)
		abort();
	world->succeeded = given->outcome == AUTH_SUCCESS;
	world->challenged = given->outcome == AUTH_CHALLENGE;
	buf_clear(&world->challenge);
	buf_append_slice(&world->challenge, given->data);
	sx_sasl_answer(world->sx, &answer);
	if (given->outcome == AUTH_SUCCESS && world->second)
		mio_defer(world->mio, &world->grant);
	if (given->outcome != AUTH_CHALLENGE)
		auth_end(&world->login);
}

static void grant(struct mio_task *task)
{
	struct world *world = container_of(task, struct world, grant);

	if (world->lines % 2)
		sx_sasl2_granted(world->sx, NULL, SLICE("ann@example.org"), SLICE("<x/>"), true);
	else
		sx_sasl2_denied(world->sx);
	buf_fini(sx_output(world->sx));
	sx_sent(world->sx);
}

static void asked(void *owner, struct sx *sx, struct nad **authenticate)
{
	if (!sx_is_secure(sx) || sx_identity(sx))
		abort();
}

static void inlines(void *owner, struct sx *sx, struct nad *features)
{
}

static const struct auth_asker asker = {.answer = answered};

static void offer_mechanisms(void *owner, struct sx *sx, void (*offer)(void *to, const char *name),
			     void *to)
{
	struct world *world = owner;

	auth_mechanisms(world->auth, &world->channel, offer, to);
}

static void step(void *owner, struct sx *sx, const char *mechanism, bool initial,
		 struct slice message)
{
	static const struct slice nothing = {"", 0};
	struct world *world = owner;
	struct sx_sasl_answer answer = {.outcome = SX_SASL_FAILURE, .data = &nothing};

	if (mechanism) {
		auth_end(&world->login);
		strcpy(world->channel.device, world->second && strncmp(mechanism, "HT-", 3) == 0 ? DEVICE : "");
		world->login = auth_begin(world->auth, mechanism, &world->channel, DOMAIN, &source,
					  world, &asker, world, 1);
		buf_clear(&world->mechanism);
		buf_append_text(&world->mechanism, mechanism);
		buf_clear(&world->first);
	}
	if (!buf_used(&world->first))
		buf_append_slice(&world->first, message);
	if (world->login && mechanism && !initial)
		answer.outcome = SX_SASL_CHALLENGE;
	else if (world->login) {
		auth_step(world->login, message);
		return;
	}
	sx_sasl_answer(sx, &answer);
}

static void dropped(void *owner, struct sx *sx)
{
	struct world *world = owner;

	world->challenged = false;
	auth_end(&world->login);
}

static const struct sx_sasl_server_conf sasl = {
	.mechanisms = offer_mechanisms, .step = step, .dropped = dropped, .asked = asked, .inlines = inlines, .attempts = 5};
static const void *const plugin_conf[] = {&sasl};
static const struct sx_plugin *const plugins[] = {&sx_sasl_server, NULL};

static void packet(void *owner, struct sx *sx, struct nad **nad)
{
	if (sx_state(sx) == SX_STATE_OPEN && !sx_identity(sx))
		abort();
}

static const struct sx_handler handler = {.packet = packet};

/* -- the client -- */

static void feed(struct world *world, const struct buf *text)
{
	sx_feed(world->sx, buf_slice(text).data, buf_used(text));
	buf_fini(sx_output(world->sx));
	sx_sent(world->sx);
}

static void send_element(struct world *world, const char *name, const char *attributes,
			 struct slice text, bool encoded)
{
	AUTO(buf_fini) struct buf out = {0};

	buf_printf(&out, "<%s %s%s>", name, world->second ? NS_SASL2_ATTR : NS_SASL_ATTR, attributes);
	if (encoded)
		buf_append_base64(&out, text);
	else
		buf_append_slice(&out, text);
	buf_printf(&out, "</%s>", name);
	feed(world, &out);
}

static void send_auth(struct world *world, struct slice line, bool encoded)
{
	const char *space = line.len ? memchr(line.data, ' ', line.len) : NULL;
	struct slice name = {line.data, space ? (size_t)(space - line.data) : line.len};
	struct slice text = {space ? space + 1 : "", space ? line.len - name.len - 1 : 0};
	AUTO(buf_fini) struct buf attributes = {0};

	buf_append_text(&attributes, " mechanism='");
	buf_append_xml(&attributes, name);
	buf_append_text(&attributes, "'");
	send_element(world, "auth", buf_text(&attributes), text, encoded);
}

static void send_authenticate(struct world *world, struct slice line, bool encoded)
{
	const char *space = line.len ? memchr(line.data, ' ', line.len) : NULL;
	struct slice name = {line.data, space ? (size_t)(space - line.data) : line.len};
	struct slice text = {space ? space + 1 : "", space ? line.len - name.len - 1 : 0};
	AUTO(buf_fini) struct buf attributes = {0}, inside = {0};

	buf_append_text(&attributes, " mechanism='");
	buf_append_xml(&attributes, name);
	buf_append_text(&attributes, "'");
	if (space && encoded) {
		buf_append_text(&inside, "<initial-response>");
		buf_append_base64(&inside, text);
		buf_append_text(&inside, "</initial-response>");
	} else {
		buf_append_slice(&inside, text);
	}
	send_element(world, "authenticate", buf_text(&attributes), buf_slice(&inside), false);
}

static void send_token(struct world *world, struct slice name)
{
	const struct auth_binding *binding = &world->channel.bindings[AUTH_TLS_EXPORTER];
	AUTO(buf_fini) struct buf proven = {0}, line = {0};
	uint8_t proof[64];

	buf_append_text(&proven, "Initiator");
	if (slice_is(name, "HT-SHA-256-EXPR"))
		buf_append(&proven, binding->data, binding->len);
	auth_hmac(AUTH_SHA256, SLICE(TOKEN), buf_slice(&proven), proof);
	buf_append_slice(&line, name);
	buf_append_text(&line, " ann");
	buf_append_char(&line, 0);
	buf_append(&line, proof, 32);
	send_authenticate(world, buf_slice(&line), true);
}

/* "n,," and what the channel is known by. */
static void put_binding(struct world *world, size_t header_len, struct buf *out)
{
	struct slice header = {buf_slice(&world->first).data, header_len};
	AUTO(buf_fini) struct buf bytes = {0};

	buf_append_slice(&bytes, header);
	for (unsigned type = 0; type < AUTH_BINDINGS; type++) {
		const struct auth_binding *binding = &world->channel.bindings[type];
		const char *name = auth_binding_name((enum auth_binding_type)type);
		size_t len = strlen(name);

		if (header.len > len + 2 && memcmp(header.data, "p=", 2) == 0 &&
		    memcmp(header.data + 2, name, len) == 0)
			buf_append(&bytes, binding->data, binding->len);
	}
	buf_append_base64(out, buf_slice(&bytes));
}

static size_t header_length(struct slice first)
{
	size_t commas = 0, at = 0;

	while (at < first.len && commas < 2)
		commas += first.data[at++] == ',';
	return at;
}

static void send_final(struct world *world, struct slice text)
{
	struct slice first = buf_slice(&world->first);
	size_t header = header_length(first);
	unsigned hash = 0;
	struct auth_key key = {0};
	AUTO(buf_fini) struct buf message = {0}, auth_message = {0};
	bool was_challenged = world->challenged && buf_used(&world->challenge);
	bool is_ann = first.len >= header + 8 && memcmp(first.data + header, "n=ann,r=", 8) == 0;

	while (hash + 1 < AUTH_HASHES && !strstr(buf_text(&world->mechanism),
						  auth_hash_mechanism((enum auth_hash)hash)))
		hash++;
	client_key(buf_slice(&world->challenge), &key);
	if (key.rounds > 10000)
		return;
	buf_append_text(&message, "c=");
	put_binding(world, header, &message);
	buf_append_text(&message, ",r=");
	buf_append_slice(&message, client_attribute(buf_slice(&world->challenge), 'r'));
	buf_append_slice(&message, text);
	if (first.len)
		buf_append(&auth_message, first.data + header, first.len - header);
	buf_append_char(&auth_message, ',');
	buf_append_slice(&auth_message, buf_slice(&world->challenge));
	buf_append_char(&auth_message, ',');
	buf_append_slice(&auth_message, buf_slice(&message));
	buf_append_text(&message, ",p=");
	if (key.rounds && key.salt_len)
		client_proof((enum auth_hash)hash, SLICE("pencil"), &key, buf_slice(&auth_message),
			     &message);
	send_element(world, "response", "", buf_slice(&message), true);
	if (was_challenged && is_ann && !world->raw && !text.len && !world->succeeded &&
	    sx_state(world->sx) != SX_STATE_CLOSED)
		abort(); /* nothing of the input spoilt it */
}

static struct slice next_line(struct world *world)
{
	const char *end = memchr(world->input.data, '\n', world->input.len);
	struct slice line = {world->input.data, end ? (size_t)(end - world->input.data)
						    : world->input.len};
	size_t used = line.len + (end ? 1 : 0);

	world->input.data += used;
	world->input.len -= used;
	return line;
}

/* strchr() finds a NUL in every text. */
static bool is_one_of(char kind, const char *kinds)
{
	return kind && strchr(kinds, kind);
}

static void take_turn(struct mio_timer *timer)
{
	struct world *world = container_of(timer, struct world, timer);
	AUTO(buf_fini) struct buf out = {0};
	struct slice line;

	if (!world->input.len || world->lines++ == LINES_MAX ||
	    sx_state(world->sx) == SX_STATE_CLOSED) {
		world->done = true;
		return;
	}
	line = next_line(world);
	mio_timer_set(world->mio, timer, TURN_MS);
	if (!line.len)
		return;
	world->kind = line.data[0];
	line = (struct slice){line.data + 1, line.len - 1};
	world->raw = world->raw || !is_one_of(world->kind, "ARFSQH");
	if (is_one_of(world->kind, "AaRr"))
		world->second = false;
	if (is_one_of(world->kind, "SsQqH"))
		world->second = true;
	switch (world->kind) {
	case 'S':
	case 's':
		send_authenticate(world, line, world->kind == 'S');
		break;
	case 'H':
		send_token(world, line);
		break;
	case 'Q':
	case 'q':
		send_element(world, "response", "", line, world->kind == 'Q');
		break;
	case 'A':
	case 'a':
		send_auth(world, line, world->kind == 'A');
		break;
	case 'R':
	case 'r':
		send_element(world, "response", "", line, world->kind == 'R');
		break;
	case 'F':
		send_final(world, line);
		break;
	default:
		buf_append_slice(&out, line);
		feed(world, &out);
	}
}

/* -- the world -- */

static void give_channel(struct world *world, unsigned bits)
{
	static const char *const certified[] = {"ann@example.org", "bob@example.org"};

	world->channel = (struct auth_channel){
		.secure = true, .hashes = bits & 8 ? 1 << AUTH_SHA1 : AUTH_ALL_HASHES};
	if (bits & 1) {
		world->channel.bindings[AUTH_TLS_EXPORTER] =
			(struct auth_binding){8, "exported"};
		world->channel.bindings[AUTH_TLS_SERVER_END_POINT] =
			(struct auth_binding){4, "cert"};
	}
	for (unsigned at = 0; at < countof(certified); at++) {
		AUTO(jid_free) struct jid *jid = jid_parse(slice_of(certified[at]));

		if (bits & (2u << at))
			auth_channel_certify(&world->channel, jid);
	}
}

static void random_bytes(void *arg, void *bytes, size_t len)
{
	memset(bytes, 7, len);
}

struct beginning {
	struct world *world;
	unsigned bits;
};

static int start(struct mio *mio, void *arg)
{
	static const struct xml_limits limits = {
		.stanza_bytes = 16384, .depth = 20, .attributes = 20};
	const struct beginning *beginning = arg;
	struct world *world = beginning->world;
	struct auth_options options = {.mechanisms = mechanisms, .rounds = 1, .secret = "secret"};
	AUTO(buf_fini) struct buf header = {0};

	world->mio = mio;
	world->lookup.run = answer_lookup;
	world->grant.run = grant;
	world->auth = auth_new(mio, world->hashing, &options);
	give_channel(world, beginning->bits);
	world->env = (struct sx_env){.pool = xml_pool_new(), .random = random_bytes, .host_name = "here"};
	world->options = (struct sx_options){
		.type = SX_SERVER,
		.ns = "jabber:client",
		.plugins = plugins,
		.plugin_conf = plugin_conf,
		.before_auth = limits,
		.after_auth = limits,
	};
	world->sx = sx_new(&world->env, &world->options, &handler, world);
	sx_start(world->sx);
	sx_set_secure(world->sx, true);
	buf_append_text(&header, HEADER);
	feed(world, &header);
	mio_timer_init(&world->timer, take_turn);
	mio_timer_set(mio, &world->timer, TURN_MS);
	return 0;
}

static bool is_done(void *arg)
{
	return ((struct world *)arg)->done;
}

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {0};
	struct beginning beginning = {&world, 0};
	struct sim_options options = {.seed = 1};
	struct mio_host *host;
	struct sim *sim;

	if (size < 2 || digit(data[0]) < 0)
		return 0;
	beginning.bits = (unsigned)digit(data[0]);
	world.input = (struct slice){(const char *)data + 1, size - 1};
	sim = sim_new(&options);
	host = sim_host(sim, "fuzz");
	world.hashing = auth_hashing_new(host, false);
	if (mio_host_start(host, 1, start, &beginning))
		abort();
	sim_run(sim, (int64_t)TURN_MS * (LINES_MAX + 10), is_done, &world);
	if (!world.done)
		abort();
	sim_kill(sim, &host);
	sim_free(&sim);
	return 0;
}
