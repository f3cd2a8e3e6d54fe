/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes where plain text ends and TLS begins, against a peer whose TLS is real.
 *
 * The first byte is a hexadecimal digit: bit 0: ours is the client; bit 1: TLS from the first byte;
 * bit 2: TLS 1.2; bit 3: TLS is offered but not asked for. Then lines, each of which adds to the
 * bytes that are on their way to ours:
 *
 *   pTEXT  plain text; "inside" in it becomes "aside.", so that none of it passes for what TLS
 * protects s      the header, and what begins TLS: <starttls/>, or the feature and <proceed/> a a
 * login by PLAIN, in plain text h      the next step of the peer's handshake H      header, login
 * and header under TLS; features and success, when the peer is the server m      a message under
 * TLS wTEXT  TEXT under TLS q      close_notify xNN    the NNth byte of what is on its way is
 * spoilt dNN    NN bytes of it arrive; d: all; what ours sends arrives at the peer at once
 *
 * What was said outside TLS is never taken for what was said under it, and nobody's name outlives
 * the change.
 */
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/macros.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "sx/plugins.h"
#include "xml/nad.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PLAIN_HEADER                                                                               \
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "    \
	"to='aside.example' from='aside.example' version='1.0'>"
#define INSIDE_HEADER                                                                              \
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "    \
	"to='inside.example' from='inside.example' id='inside' version='1.0'>"
#define STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define PROCEED "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define AUTH(token)                                                                                \
	"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" token "</auth>"
#define SUCCESS "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
#define MECHANISMS                                                                                 \
	"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism>"        \
	"</mechanisms>"
#define FEATURES(inner) "<stream:features>" inner "</stream:features>"

enum {
	IS_CLIENT = 1,
	DIRECT = 2,
	OLDER = 4,
	NOT_ASKED = 8,
	LINES_MAX = 64,
	UNDER_WAY_MAX = 1 << 16
};

struct world {
	unsigned bits;
	struct sx *sx; /* ours */
	SSL *peer;
	BIO *to_peer, *from_peer;
	struct buf under_way;
	unsigned messages, heard; /* under TLS: sent by the peer, taken by ours */
	bool free_words;	  /* TEXT under TLS: then all may be said */
	bool begun;		  /* TLS: our bytes are for the peer's */
	bool closed;
};

/* -- ours -- */

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool has(struct slice text, const char *word)
{
	return text.len && memmem(text.data, text.len, word, strlen(word));
}

static void on_header(void *owner, struct sx *sx)
{
	struct world *world = owner;

	must(!sx_is_secure(sx) || world->free_words || !has(sx_to(sx), "aside"));
	must(!sx_is_secure(sx) || !sx_identity(sx) || has(jid_local(sx_identity(sx)), "inside") ||
	     world->free_words);
}

static void on_open(void *owner, struct sx *sx)
{
	struct world *world = owner;
	bool required = !(world->bits & NOT_ASKED);

	must(sx_identity(sx) != NULL);
	must(!required || sx_is_secure(sx));
}

static void check_packet(struct world *world, struct sx *sx, const struct nad *nad)
{
	AUTO(buf_fini) struct buf text = {0};

	must(!world->closed);
	if (!sx_is_secure(sx) || world->free_words)
		return;
	nad_print(nad, 0, NS_CLIENT, &text);
	must(!has(buf_slice(&text), "aside"));
	if (slice_is(nad_name(nad, 0), "message"))
		must(++world->heard <= world->messages);
}

static void on_packet(void *owner, struct sx *sx, struct nad **nad)
{
	struct world *world = owner;

	check_packet(world, sx, *nad);
	if (sx_type(sx) == SX_CLIENT && sx_state(sx) == SX_STATE_STREAM)
		sx_sasl_auth(sx, "xmpp", "PLAIN", "inside", "pencil");
	nad_free(nad);
}

static void on_closed(void *owner, struct sx *sx, enum sx_end end)
{
	struct world *world = owner;

	must(!world->closed);
	world->closed = true;
}

static const struct sx_handler handler = {
	.header = on_header, .open = on_open, .packet = on_packet, .closed = on_closed};

static void offer_plain(void *owner, struct sx *sx, void (*offer)(void *to, const char *name),
			void *to)
{
	offer(to, "PLAIN");
}

static void step(void *owner, struct sx *sx, const char *mechanism, bool initial,
		 struct slice message)
{
	struct world *world = owner;
	bool required = !(world->bits & NOT_ASKED), aside = has(message, "aside");
	AUTO(jid_free)
	struct jid *jid =
		jid_parse(aside ? SLICE("aside@example.org") : SLICE("inside@example.org"));
	struct sx_sasl_answer answer = {
		.outcome = SX_SASL_SUCCESS, .identity = jid, .how = "SASL/PLAIN"};

	must(!required || sx_is_secure(sx));
	must(!sx_is_secure(sx) || world->free_words || !aside);
	sx_sasl_answer(sx, &answer);
}

static void dropped(void *owner, struct sx *sx)
{
}

static const struct sx_sasl_server_conf sasl = {
	.mechanisms = offer_plain, .step = step, .dropped = dropped, .attempts = 3};
static const struct sx_plugin *const server_plugins[] = {&sx_tls, &sx_sasl_server, NULL};
static const struct sx_plugin *const client_plugins[] = {&sx_tls, &sx_sasl_client, NULL};

/* -- the peer -- */

static SSL_CTX *make_server_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
	X509_sign(certificate, key, EVP_sha256());
	SSL_CTX_use_certificate(context, certificate);
	SSL_CTX_use_PrivateKey(context, key);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return context;
}

/* Made once: keys take longer than all the rest. */
static SSL_CTX *context_of(bool server)
{
	static SSL_CTX *contexts[2];

	if (!contexts[server])
		contexts[server] =
			server ? make_server_context() : SSL_CTX_new(TLS_client_method());
	return contexts[server];
}

static SSL_CTX *server_context(void *arg, const char *name)
{
	return context_of(true);
}

static SSL_CTX *client_context(void *arg, const char *name)
{
	return context_of(false);
}

static void make_peer(struct world *world)
{
	bool is_server = world->bits & IS_CLIENT;

	world->peer = SSL_new(context_of(is_server));
	world->to_peer = BIO_new(BIO_s_mem());
	world->from_peer = BIO_new(BIO_s_mem());
	SSL_set_bio(world->peer, world->to_peer, world->from_peer);
	if (world->bits & OLDER)
		SSL_set_max_proto_version(world->peer, TLS1_2_VERSION);
	if (is_server)
		SSL_set_accept_state(world->peer);
	else
		SSL_set_connect_state(world->peer);
}

/* What OpenSSL wrote goes on its way. */
static void collect(struct world *world)
{
	char bytes[4096];
	int got;

	while ((got = BIO_read(world->from_peer, bytes, sizeof(bytes))) > 0)
		buf_append(&world->under_way, bytes, (size_t)got);
}

static bool say_inside(struct world *world, struct slice text)
{
	bool said = text.len && SSL_is_init_finished(world->peer) &&
		    SSL_write(world->peer, text.data, (int)text.len) > 0;

	collect(world);
	return said;
}

static void say_plain(struct world *world, struct slice text)
{
	static const char word[] = "inside", instead[] = "aside.";
	AUTO(buf_fini) struct buf copy = {0};

	buf_append_slice(&copy, text);
	buf_append_char(&copy, 0);
	for (char *at = copy.data; (at = memmem(at, copy.data + text.len - at, word, 6)); at += 6)
		memcpy(at, instead, 6);
	buf_append(&world->under_way, copy.data, text.len);
}

/* -- the wire -- */

/* In plain text ours says nothing that gives it away. */
static void take_output(struct world *world)
{
	struct buf *out = sx_output(world->sx);
	struct slice said = buf_slice(out);
	const char *last = world->bits & IS_CLIENT ? STARTTLS : PROCEED;
	bool required = !(world->bits & NOT_ASKED);

	must(!required || !has(said, "<auth"));
	if (!world->begun && has(said, last)) {
		const char *behind = (const char *)memmem(said.data, said.len, last, strlen(last)) +
				     strlen(last);

		world->begun = true;
		said = (struct slice){behind, said.len - (size_t)(behind - said.data)};
	} else if (!world->begun) {
		said.len = 0;
	}
	BIO_write(world->to_peer, said.data, (int)said.len);
	buf_fini(out);
	sx_sent(world->sx);
}

static size_t number_of(struct slice text, size_t otherwise)
{
	size_t number = 0, at = 0;

	for (; at < text.len && at < 5 && text.data[at] >= '0' && text.data[at] <= '9'; at++)
		number = number * 10 + (size_t)(text.data[at] - '0');
	return at ? number : otherwise;
}

static void deliver(struct world *world, size_t len)
{
	AUTO(buf_fini) struct buf bytes = {0};

	if (len > buf_used(&world->under_way))
		len = buf_used(&world->under_way);
	buf_append(&bytes, buf_slice(&world->under_way).data, len);
	buf_skip(&world->under_way, len);
	if (!len)
		return;
	sx_feed(world->sx, buf_slice(&bytes).data, len);
	take_output(world);
}

static void spoil(struct world *world, size_t at)
{
	if (at < buf_used(&world->under_way))
		world->under_way.data[world->under_way.start + at] ^= 0x55;
}

/* -- the script -- */

static void begin_tls(struct world *world)
{
	buf_append_text(&world->under_way, PLAIN_HEADER);
	buf_append_text(&world->under_way,
			world->bits & IS_CLIENT ? FEATURES(STARTTLS MECHANISMS) PROCEED : STARTTLS);
}

static void shake(struct world *world)
{
	SSL_do_handshake(world->peer);
	collect(world);
}

static void log_in(struct world *world)
{
	say_inside(world,
		   world->bits & IS_CLIENT
			   ? SLICE(INSIDE_HEADER FEATURES(MECHANISMS)
					   SUCCESS INSIDE_HEADER FEATURES(""))
			   : SLICE(INSIDE_HEADER AUTH("AGluc2lkZQBwZW5jaWw=") INSIDE_HEADER));
}

static void say_message(struct world *world)
{
	if (say_inside(world, SLICE("<message from='inside'/>")))
		world->messages++;
}

static void act(struct world *world, char kind, struct slice rest)
{
	switch (kind) {
	case 'p':
		say_plain(world, rest);
		break;
	case 's':
		begin_tls(world);
		break;
	case 'a':
		buf_append_text(&world->under_way, AUTH("AGFzaWRlAHBlbmNpbA=="));
		break;
	case 'h':
		shake(world);
		break;
	case 'H':
		log_in(world);
		break;
	case 'm':
		say_message(world);
		break;
	case 'w':
		world->free_words = say_inside(world, rest) || world->free_words;
		break;
	case 'q':
		SSL_shutdown(world->peer);
		collect(world);
		break;
	case 'x':
		spoil(world, number_of(rest, 0));
		break;
	case 'd':
		deliver(world, number_of(rest, UNDER_WAY_MAX));
		break;
	default:
		break;
	}
}

static void play(struct world *world, struct slice script)
{
	for (unsigned lines = 0; script.len && lines < LINES_MAX && !world->closed; lines++) {
		const char *end = memchr(script.data, '\n', script.len);
		size_t len = end ? (size_t)(end - script.data) : script.len;

		if (len && buf_used(&world->under_way) < UNDER_WAY_MAX)
			act(world, script.data[0], (struct slice){script.data + 1, len - 1});
		script.data += len + (end ? 1 : 0);
		script.len -= len + (end ? 1 : 0);
	}
}

static void random_bytes(void *arg, void *bytes, size_t len)
{
	memset(bytes, 7, len);
}

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct xml_limits limits = {
		.stanza_bytes = 4096, .depth = 20, .attributes = 20};
	struct world world = {0};
	struct sx_env env = {.random = random_bytes, .host_name = "here"};
	struct sx_tls_conf tls;
	const void *conf[] = {&tls, &sasl};
	struct sx_options options = {.ns = NS_CLIENT,
				     .to = "inside.example",
				     .plugin_conf = conf,
				     .before_auth = limits,
				     .after_auth = limits};

	if (size < 2 || digit(data[0]) < 0)
		return 0;
	world.bits = (unsigned)digit(data[0]);
	world.begun = world.bits & DIRECT;
	tls = (struct sx_tls_conf){.context =
					   world.bits & IS_CLIENT ? client_context : server_context,
				   .offer = !(world.bits & DIRECT),
				   .require = !(world.bits & NOT_ASKED),
				   .direct = world.bits & DIRECT};
	options.type = world.bits & IS_CLIENT ? SX_CLIENT : SX_SERVER;
	options.plugins = world.bits & IS_CLIENT ? client_plugins : server_plugins;
	env.pool = xml_pool_new();
	world.sx = sx_new(&env, &options, &handler, &world);
	make_peer(&world);
	sx_start(world.sx);
	take_output(&world);
	play(&world, (struct slice){(const char *)data + 1, size - 1});
	sx_feed_end(world.sx);
	must(world.closed);
	sx_free(&world.sx);
	SSL_free(world.peer);
	buf_fini(&world.under_way);
	xml_pool_free(&env.pool);
	return 0;
}
