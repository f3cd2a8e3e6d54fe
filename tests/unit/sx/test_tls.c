/* SPDX-License-Identifier: MIT */
/* STARTTLS and direct TLS between two streams in memory, with certificates made here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include "peer.h"

#include "xml/nad.h"

static const struct sx_plugin *const server_plugins[] = {&sx_tls, &sx_sasl_server, NULL};
static const struct sx_plugin *const client_plugins[] = {&sx_tls, &sx_sasl_client, NULL};

/* -- certificates
 * ---------------------------------------------------------------------------------- */

struct certificates {
	SSL_CTX *plain, *other, *client;
	SSL_CTX *checking; /* a client that trusts plain's and other's certificate alone */
	SSL_CTX *old;	   /* speaks TLS 1.1 at most, whichever side it is */
	int made, gone;
};

static struct certificates certificates;

/* address: in the certificate too; NULL: none. */
static void add_address(X509 *certificate, const char *address)
{
	char text[100];
	X509_EXTENSION *names;

	if (!address)
		return;
	snprintf(text, sizeof(text), "IP:%s", address);
	names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
	X509_add_ext(certificate, names, -1);
	X509_EXTENSION_free(names);
}

static SSL_CTX *server_context(const char *name, const char *type, const char *address)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = strcmp(type, "RSA") == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	X509 *certificate = X509_new();

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
	add_address(certificate, address);
	X509_sign(certificate, key, EVP_sha256());
	SSL_CTX_use_certificate(context, certificate);
	SSL_CTX_use_PrivateKey(context, key);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return context;
}

static SSL_CTX *server_lookup(void *arg, const char *name)
{
	if (strcmp(name, "other.example") == 0)
		return certificates.other;
	return strcmp(name, "example.org") == 0 || !*name ? certificates.plain : NULL;
}

static SSL_CTX *client_lookup(void *arg, const char *name)
{
	return certificates.client;
}

static SSL_CTX *checking_lookup(void *arg, const char *name)
{
	return certificates.checking;
}

static SSL_CTX *old_lookup(void *arg, const char *name)
{
	return certificates.old;
}

static void note_made(void *arg, void *ssl)
{
	certificates.made++;
}

static void note_gone(void *arg, void *ssl)
{
	certificates.gone++;
}

static const struct sx_tls_conf offering = {
	.context = server_lookup, .offer = true, .made = note_made, .gone = note_gone};
static const struct sx_tls_conf requiring = {
	.context = server_lookup, .offer = true, .require = true};
static const struct sx_tls_conf direct_server = {.context = server_lookup, .direct = true};
static const struct sx_tls_conf using = {.context = client_lookup, .offer = true};
static const struct sx_tls_conf insisting = {
	.context = client_lookup, .offer = true, .require = true};
static const struct sx_tls_conf direct_client = {.context = client_lookup, .direct = true};
static const struct sx_tls_conf checking = {.context = checking_lookup, .offer = true};
static const struct sx_tls_conf checking_address = {
	.context = checking_lookup, .name = "192.0.2.7", .offer = true};
static const struct sx_tls_conf checking_other_address = {
	.context = checking_lookup, .name = "192.0.2.8", .offer = true};
static const struct sx_tls_conf checking_other_name = {
	.context = checking_lookup, .name = "third.example", .offer = true};
static const struct sx_tls_conf old = {.context = old_lookup, .offer = true};

/* -- pairs
 * ----------------------------------------------------------------------------------------- */

struct pair {
	struct peer server, client;
	const void *server_conf[2], *client_conf[2];
};

static void log_in(struct peer *peer, struct nad *nad)
{
	if (slice_is(nad_name(nad, 0), "features") && sx_state(peer->sx) == SX_STATE_STREAM)
		sx_sasl_auth(peer->sx, "xmpp", "PLAIN", "ann", "secret");
}

static void pair_init(struct pair *pair, const struct sx_tls_conf *server,
		      const struct sx_tls_conf *client, const char *to)
{
	*pair = (struct pair){.server_conf = {server, &peer_sasl}, .client_conf = {client, NULL}};
	peer_init(&pair->server, SX_SERVER, NS_CLIENT, NULL, server_plugins, pair->server_conf);
	peer_init(&pair->client, SX_CLIENT, NS_CLIENT, to, client_plugins, pair->client_conf);
	pair->client.on_packet = log_in;
	sx_start(pair->client.sx);
}

static void pair_fini(struct pair *pair)
{
	peer_fini(&pair->server);
	peer_fini(&pair->client);
}

/* The common name that the client was shown. */
static void assert_shown(struct pair *pair, const char *name)
{
	struct {
		void *sx, *conf;
		SSL *ssl;
	} *state = sx_plugin_state(pair->client.sx, &sx_tls);
	X509 *certificate = SSL_get1_peer_certificate(state->ssl);
	char text[100] = "";

	X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text,
				  sizeof(text));
	assert_string_equal(text, name);
	X509_free(certificate);
}

static void starts_tls_and_logs_in_under_it(size_t chunk)
{
	struct pair pair;

	pair_init(&pair, &offering, &using, "example.org");
	peers_talk(&pair.client, &pair.server, chunk);
	assert_string_equal(peer_heard(&pair.client),
			    "stream stream packet:features open packet:features ");
	assert_string_equal(peer_heard(&pair.server), "header stream header stream header open ");
	assert_true(sx_is_secure(pair.client.sx));
	assert_true(sx_is_secure(pair.server.sx));
	assert_null(
		memmem(buf_slice(&pair.client.wire).data, buf_used(&pair.client.wire), "<auth", 5));
	assert_shown(&pair, "example.org");
	pair_fini(&pair);
}

/* What both ends know their channel by is the same; empty when there is none of this type. */
static void assert_bound(struct pair *pair, enum sx_tls_binding type, size_t len)
{
	AUTO(buf_fini) struct buf ours = {0}, theirs = {0};

	assert_int_equal(sx_tls_binding(pair->server.sx, type, &ours), len > 0);
	assert_int_equal(sx_tls_binding(pair->client.sx, type, &theirs), len > 0);
	assert_int_equal(buf_used(&ours), len);
	assert_true(slice_equal(buf_slice(&ours), buf_slice(&theirs)));
}

static void both_ends_know_the_channel_by_the_same(void **test)
{
	struct pair pair;

	pair_init(&pair, &offering, &using, "example.org");
	assert_bound(&pair, SX_TLS_EXPORTER, 0);
	assert_null(sx_tls_version(pair.server.sx));
	peers_talk(&pair.client, &pair.server, 1000);
	assert_string_equal(sx_tls_version(pair.server.sx), "TLSv1.3");
	assert_bound(&pair, SX_TLS_EXPORTER, 32);
	assert_bound(&pair, SX_TLS_UNIQUE, 0);
	assert_bound(&pair, SX_TLS_SERVER_END_POINT, 32);
	pair_fini(&pair);
	SSL_CTX_set_max_proto_version(certificates.client, TLS1_2_VERSION);
	pair_init(&pair, &offering, &using, "example.org");
	peers_talk(&pair.client, &pair.server, 1000);
	SSL_CTX_set_max_proto_version(certificates.client, 0);
	assert_string_equal(sx_tls_version(pair.server.sx), "TLSv1.2");
	assert_bound(&pair, SX_TLS_EXPORTER, 32);
	assert_bound(&pair, SX_TLS_UNIQUE, 12);
	pair_fini(&pair);
}

static void starttls_restarts_the_stream(void **test)
{
	starts_tls_and_logs_in_under_it(100000);
}

static void starttls_works_byte_by_byte(void **test)
{
	starts_tls_and_logs_in_under_it(1);
}

static void tells_of_each_tls_object(void **test)
{
	certificates.made = certificates.gone = 0;
	starts_tls_and_logs_in_under_it(1000);
	assert_int_equal(certificates.made, 1);
	assert_int_equal(certificates.gone, 1);
}

static void the_name_in_the_hello_chooses_the_certificate(void **test)
{
	struct pair pair;

	pair_init(&pair, &direct_server, &direct_client, "other.example");
	peers_talk(&pair.client, &pair.server, 100000);
	assert_string_equal(peer_heard(&pair.server), "header stream header open ");
	assert_shown(&pair, "other.example");
	pair_fini(&pair);
}

static void an_unknown_name_gets_the_default_certificate(void **test)
{
	struct pair pair;

	pair_init(&pair, &direct_server, &direct_client, "unknown.example");
	peers_talk(&pair.client, &pair.server, 7);
	assert_true(sx_is_secure(pair.server.sx));
	assert_shown(&pair, "example.org");
	pair_fini(&pair);
}

static void carries_large_stanzas(void **test)
{
	struct pair pair;
	struct buf big = {0};
	struct slice part;

	pair_init(&pair, &offering, &using, "example.org");
	pair.server.options.after_auth.stanza_bytes = 1 << 20;
	peers_talk(&pair.client, &pair.server, 100000);
	peer_heard(&pair.server);
	buf_append_text(&big, "<message>");
	for (int i = 0; i < 100000; i++)
		buf_append_char(&big, 'x');
	buf_append_text(&big, "</message>");
	part = buf_slice(&big);
	sx_send_parts(pair.client.sx, &part, 1, SX_STANZA);
	peers_talk(&pair.client, &pair.server, 5000);
	assert_string_equal(peer_heard(&pair.server), "packet:message ");
	assert_true(slice_equal(buf_slice(&pair.server.packet), buf_slice(&big)));
	buf_fini(&big);
	pair_fini(&pair);
}

static void closing_works_under_tls(void **test)
{
	struct pair pair;

	pair_init(&pair, &offering, &using, "example.org");
	peers_talk(&pair.client, &pair.server, 100000);
	peer_heard(&pair.server);
	peer_heard(&pair.client);
	sx_close(pair.client.sx);
	peers_talk(&pair.client, &pair.server, 100000);
	assert_string_equal(peer_heard(&pair.server), "closed:peer ");
	assert_string_equal(peer_heard(&pair.client), "closed:peer ");
	pair_fini(&pair);
}

static void close_notify_is_the_end_of_bytes(void **test)
{
	struct pair pair;
	struct {
		void *sx, *conf;
		SSL *ssl;
	} * state;

	pair_init(&pair, &offering, &using, "example.org");
	peers_talk(&pair.client, &pair.server, 100000);
	peer_heard(&pair.server);
	state = sx_plugin_state(pair.client.sx, &sx_tls);
	sx_send_parts(pair.client.sx, &SLICE("<message/>"), 1, SX_STANZA);
	sx_output(pair.client.sx);
	SSL_shutdown(state->ssl);
	peers_talk(&pair.client, &pair.server, 100000);
	assert_string_equal(peer_heard(&pair.server), "packet:message closed:gone ");
	pair_fini(&pair);
}

/* -- a server against what is said by hand
 * ---------------------------------------------------------- */

static void server_init(struct pair *pair, const struct sx_tls_conf *conf)
{
	*pair = (struct pair){.server_conf = {conf, &peer_sasl}};
	peer_init(&pair->server, SX_SERVER, NS_CLIENT, NULL, server_plugins, pair->server_conf);
	peer_feed(&pair->server, CLIENT_HEADER);
	peer_heard(&pair->server);
}

#define STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define PROCEED "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define FEATURES "<stream:features>" STARTTLS "</stream:features>"

static void offers_starttls_before_sasl(void **test)
{
	struct pair pair;
	const char *said;

	server_init(&pair, &offering);
	said = peer_said(&pair.server);
	assert_non_null(
		strstr(said, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><mechanisms "));
	peer_fini(&pair.server);
}

static void withholds_sasl_until_required_tls_is_there(void **test)
{
	struct pair pair;
	const char *said;

	server_init(&pair, &requiring);
	said = peer_said(&pair.server);
	assert_non_null(strstr(
		said, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"));
	assert_null(strstr(said, "mechanisms"));
	peer_feed(&pair.server, AUTH_PLAIN);
	assert_non_null(strstr(peer_said(&pair.server), "<encryption-required/>"));
	assert_null(sx_identity(pair.server.sx));
	peer_fini(&pair.server);
}

static void required_tls_then_login(void **test)
{
	struct pair pair;

	pair_init(&pair, &requiring, &insisting, "example.org");
	peers_talk(&pair.client, &pair.server, 100000);
	assert_string_equal(peer_heard(&pair.server), "header stream header stream header open ");
	pair_fini(&pair);
}

static void what_is_injected_behind_starttls_is_never_seen(void **test)
{
	struct pair pair;

	server_init(&pair, &offering);
	peer_said(&pair.server);
	peer_feed(&pair.server, STARTTLS CLIENT_HEADER AUTH_PLAIN);
	assert_string_equal(peer_said(&pair.server),
			    "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	assert_int_equal(sx_input_waiting(pair.server.sx), 0);
	assert_string_equal(peer_heard(&pair.server), "");
	assert_null(sx_identity(pair.server.sx));
	peer_fini(&pair.server);
}

static void clear_text_instead_of_a_handshake_ends_the_stream(void **test)
{
	struct pair pair;

	server_init(&pair, &offering);
	peer_feed(&pair.server, STARTTLS);
	peer_feed(&pair.server, CLIENT_HEADER);
	assert_string_equal(peer_heard(&pair.server), "closed:error ");
	assert_memory_equal(sx_end_text(pair.server.sx), "TLS handshake: ", 15);
	peer_fini(&pair.server);
}

static void fails_where_it_has_no_certificate(void **test)
{
	struct pair pair = {.server_conf = {&offering, &peer_sasl}};

	peer_init(&pair.server, SX_SERVER, NS_CLIENT, NULL, server_plugins, pair.server_conf);
	peer_feed(&pair.server, HEADER("xmlns='jabber:client' to='no.example' version='1.0'"));
	assert_null(strstr(peer_said(&pair.server), "starttls"));
	peer_feed(&pair.server, STARTTLS);
	assert_string_equal(peer_said(&pair.server),
			    "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>");
	assert_int_equal(sx_state(pair.server.sx), SX_STATE_CLOSING);
	peer_fini(&pair.server);
}

static void refuses_starttls_after_login(void **test)
{
	struct pair pair;

	server_init(&pair, &offering);
	peer_said(&pair.server);
	peer_feed(&pair.server, AUTH_PLAIN CLIENT_HEADER);
	assert_null(strstr(peer_said(&pair.server), "starttls"));
	peer_feed(&pair.server, STARTTLS);
	assert_non_null(strstr(peer_said(&pair.server), "<failure "));
	peer_fini(&pair.server);
}

static void a_client_that_insists_leaves_where_there_is_none(void **test)
{
	struct pair pair = {.client_conf = {&insisting, NULL}};

	peer_init(&pair.client, SX_CLIENT, NS_CLIENT, "example.org", client_plugins,
		  pair.client_conf);
	sx_start(pair.client.sx);
	peer_feed(&pair.client, HEADER("xmlns='jabber:client' version='1.0'") "<stream:features/>");
	assert_string_equal(peer_heard(&pair.client), "stream closed:error:policy-violation ");
	peer_fini(&pair.client);
}

static void a_client_believes_no_unasked_proceed(void **test)
{
	struct pair pair = {.client_conf = {&using, NULL}};

	peer_init(&pair.client, SX_CLIENT, NS_CLIENT, "example.org", client_plugins,
		  pair.client_conf);
	sx_start(pair.client.sx);
	peer_feed(&pair.client,
		  HEADER("xmlns='jabber:client' version='1.0'") "<proceed "
								"xmlns='urn:ietf:params:xml:ns:"
								"xmpp-tls'/>");
	assert_string_equal(peer_heard(&pair.client), "stream closed:error:undefined-condition ");
	peer_fini(&pair.client);
}

/* A client that has asked for TLS. */
static void client_asks(struct pair *pair, const struct sx_tls_conf *conf)
{
	*pair = (struct pair){.client_conf = {conf, NULL}};
	peer_init(&pair->client, SX_CLIENT, NS_CLIENT, "example.org", client_plugins,
		  pair->client_conf);
	pair->client.on_packet = log_in;
	sx_start(pair->client.sx);
	peer_feed(&pair->client, HEADER("xmlns='jabber:client' version='1.0'") FEATURES);
	assert_non_null(strstr(peer_said(&pair->client), STARTTLS));
	peer_heard(&pair->client);
}

static void a_client_sees_nothing_that_came_behind_proceed(void **test)
{
	struct pair pair;

	client_asks(&pair, &using);
	peer_feed(&pair.client,
		  PROCEED HEADER("xmlns='jabber:client' version='1.0'") "<stream:features/>");
	assert_int_equal(sx_input_waiting(pair.client.sx), 0);
	assert_string_equal(peer_heard(&pair.client), "");
	assert_int_equal(peer_said(&pair.client)[0], 22); /* a handshake's record, and no login */
	assert_false(sx_is_secure(pair.client.sx));
	peer_fini(&pair.client);
}

static void a_client_says_what_was_wrong_with_the_handshake(void **test)
{
	struct pair pair;

	client_asks(&pair, &using);
	peer_feed(&pair.client, PROCEED);
	peer_said(&pair.client);
	peer_feed(&pair.client, "<stream:stream this is no hello");
	assert_string_equal(peer_heard(&pair.client), "closed:error ");
	assert_memory_equal(sx_end_text(pair.client.sx), "TLS handshake: ", 15);
	assert_int_equal(sx_tls_distrust(pair.client.sx), 0);
	peer_fini(&pair.client);
}

/* The client logs in where it trusts the certificate, and says nothing at all where it does not. */
static void trusts(const struct sx_tls_conf *conf, const char *to, int distrust)
{
	struct pair pair;

	pair_init(&pair, &offering, conf, to);
	peers_talk(&pair.client, &pair.server, 100000);
	assert_int_equal(sx_tls_distrust(pair.client.sx), distrust);
	if (distrust) {
		assert_string_equal(peer_heard(&pair.client), "stream closed:error ");
		assert_non_null(strstr(sx_end_text(pair.client.sx),
				       X509_verify_cert_error_string(distrust)));
		assert_false(sx_is_secure(pair.client.sx));
		assert_string_equal(peer_heard(&pair.server), "header stream closed:error ");
	} else {
		assert_string_equal(peer_heard(&pair.server),
				    "header stream header stream header open ");
	}
	pair_fini(&pair);
}

static void a_client_checks_who_signed_the_certificate(void **test)
{
	X509_STORE *none = X509_STORE_new();
	X509_STORE *some = SSL_CTX_get_cert_store(certificates.checking);

	trusts(&checking, "example.org", 0);
	X509_STORE_up_ref(some);
	SSL_CTX_set_cert_store(certificates.checking, none);
	trusts(&checking, "example.org", X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
	SSL_CTX_set_cert_store(certificates.checking, some);
}

static void a_client_checks_the_name_of_the_certificate(void **test)
{
	trusts(&checking_other_name, "example.org", X509_V_ERR_HOSTNAME_MISMATCH);
}

static void a_client_checks_the_address_of_the_certificate(void **test)
{
	trusts(&checking_address, "example.org", 0);
	trusts(&checking_other_address, "example.org", X509_V_ERR_IP_ADDRESS_MISMATCH);
}

static void a_client_that_checks_needs_a_name_to_check(void **test)
{
	static const struct sx_tls_conf nameless = {
		.context = checking_lookup, .name = "", .offer = true};
	struct pair pair;

	client_asks(&pair, &nameless);
	peer_feed(&pair.client, PROCEED);
	assert_string_equal(peer_heard(&pair.client), "closed:error ");
	assert_string_equal(peer_said(&pair.client), "");
	peer_fini(&pair.client);
}

static void a_client_speaks_nothing_older_than_tls_1_2(void **test)
{
	struct pair pair;

	client_asks(&pair, &old);
	peer_feed(&pair.client, PROCEED);
	assert_int_not_equal(peer_said(&pair.client)[0], 22); /* no handshake's record */
	assert_string_equal(peer_heard(&pair.client), "closed:error ");
	assert_non_null(strstr(sx_end_text(pair.client.sx), "no protocols available"));
	peer_fini(&pair.client);
}

static void a_server_speaks_nothing_older_than_tls_1_2(void **test)
{
	SSL *ssl = SSL_new(certificates.old);
	BIO *out = BIO_new(BIO_s_mem());
	struct pair pair;
	char *hello;
	long len;

	SSL_CTX_set_min_proto_version(certificates.plain, TLS1_VERSION);
	server_init(&pair, &offering);
	peer_feed(&pair.server, STARTTLS);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	assert_int_equal(SSL_connect(ssl), -1);
	len = BIO_get_mem_data(out, &hello);
	assert_true(len > 0);
	sx_feed(pair.server.sx, hello, (size_t)len);
	assert_string_equal(peer_heard(&pair.server), "closed:error ");
	assert_non_null(strstr(sx_end_text(pair.server.sx), "unsupported protocol"));
	peer_fini(&pair.server);
	SSL_free(ssl);
}

static void junk_under_tls_ends_the_stream(void **test)
{
	struct pair pair;

	pair_init(&pair, &offering, &using, "example.org");
	peers_talk(&pair.client, &pair.server, 100000);
	peer_heard(&pair.server);
	peer_feed(&pair.server, "<message/> this is no record");
	assert_string_equal(peer_heard(&pair.server), "closed:error ");
	peer_said(&pair.server); /* the alert */
	pair_fini(&pair);
}

static void direct_init(struct pair *pair)
{
	*pair = (struct pair){.server_conf = {&direct_server, &peer_sasl}};
	peer_init(&pair->server, SX_SERVER, NS_CLIENT, NULL, server_plugins, pair->server_conf);
}

/* OpenSSL would take the memory at once, and nine bytes be all that it costs who asks for it. */
static void a_hello_that_says_it_is_huge_gets_no_memory(void **test)
{
	static const struct {
		const char *bytes;
		size_t len;
	} huge[] = {
		{"\x16\x03\x01\x00\x04\x01\x01\xff\xb8", 9},
		{"\x16\x03\x01\x00\x01\x01\x16\x03\x01\x00\x02\x00\x40\x16\x03\x01\x00\x01\x01", 19},
	};

	for (unsigned at = 0; at < countof(huge); at++) {
		struct pair pair;

		direct_init(&pair);
		for (size_t byte = 0; byte < huge[at].len; byte++) {
			assert_string_equal(peer_heard(&pair.server), "");
			assert_true(sx_queued(pair.server.sx) < 4096);
			sx_feed(pair.server.sx, huge[at].bytes + byte, 1);
		}
		assert_string_equal(peer_heard(&pair.server), "closed:error ");
		assert_string_equal(sx_end_text(pair.server.sx), "TLS handshake: the hello is too long");
		peer_fini(&pair.server);
	}
}

/* What the handshake has in OpenSSL counts as long as it lasts, so that memory can be had back from who never ends it. */
static void a_handshake_is_counted_until_it_is_over(void **test)
{
	struct pair pair;

	direct_init(&pair);
	assert_int_equal(sx_queued(pair.server.sx), 0);
	sx_feed(pair.server.sx, "\x16\x03\x01\x00\x04\x01\x00\x3f\xf0", 9);
	assert_true(sx_queued(pair.server.sx) > 40000);
	peer_fini(&pair.server);
	pair_init(&pair, &direct_server, &direct_client, "example.org");
	peers_talk(&pair.client, &pair.server, 1);
	assert_true(sx_is_secure(pair.server.sx));
	assert_int_equal(sx_queued(pair.server.sx), 0);
	pair_fini(&pair);
}

static void direct_tls_without_a_certificate_ends_the_stream(void **test)
{
	static const struct sx_tls_conf none = {.direct = true};
	struct pair pair = {.server_conf = {&none, &peer_sasl}};

	peer_init(&pair.server, SX_SERVER, NS_CLIENT, NULL, server_plugins, pair.server_conf);
	sx_start(pair.server.sx);
	sx_feed(pair.server.sx, "\x16", 1);
	assert_string_equal(peer_heard(&pair.server), "closed:error ");
	assert_string_equal(sx_end_text(pair.server.sx), "TLS: no certificate");
	peer_fini(&pair.server);
}

static void a_stream_moves_under_tls(void **test)
{
	struct pair pair;
	struct sx_box *box;

	pair_init(&pair, &offering, &using, "example.org");
	pair.client.on_packet = NULL;
	peers_talk(&pair.client, &pair.server, 100000);
	assert_int_equal(sx_sasl_auth(pair.client.sx, "xmpp", "PLAIN", "ann", "secret"), 0);
	sx_feed(pair.server.sx, buf_slice(sx_output(pair.client.sx)).data,
		buf_used(sx_output(pair.client.sx)));
	buf_fini(sx_output(pair.client.sx));
	sx_sent(pair.client.sx);
	box = sx_leave(&pair.server.sx);
	pair.server.sx = sx_arrive(&box, &pair.server.env, &pair.server.options, &pair.server.handler, &pair.server);
	peers_talk(&pair.client, &pair.server, 100000);
	assert_string_equal(peer_heard(&pair.server), "header stream header stream header open ");
	assert_true(sx_is_secure(pair.server.sx));
	pair_fini(&pair);
}

static int make_certificates(void **test)
{
	X509_STORE *trusted;

	certificates.plain = server_context("example.org", "RSA", "192.0.2.7");
	certificates.other = server_context("other.example", "EC", NULL);
	certificates.client = SSL_CTX_new(TLS_client_method());
	certificates.checking = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_verify(certificates.checking, SSL_VERIFY_PEER, NULL);
	trusted = SSL_CTX_get_cert_store(certificates.checking);
	X509_STORE_add_cert(trusted, SSL_CTX_get0_certificate(certificates.plain));
	X509_STORE_add_cert(trusted, SSL_CTX_get0_certificate(certificates.other));
	certificates.old = SSL_CTX_new(TLS_method());
	SSL_CTX_use_certificate(certificates.old, SSL_CTX_get0_certificate(certificates.plain));
	SSL_CTX_use_PrivateKey(certificates.old, SSL_CTX_get0_privatekey(certificates.plain));
	SSL_CTX_set_security_level(certificates.old, 0);
	SSL_CTX_set_min_proto_version(certificates.old, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(certificates.old, TLS1_1_VERSION);
	return 0;
}

static int free_certificates(void **test)
{
	SSL_CTX_free(certificates.plain);
	SSL_CTX_free(certificates.other);
	SSL_CTX_free(certificates.client);
	SSL_CTX_free(certificates.checking);
	SSL_CTX_free(certificates.old);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starttls_restarts_the_stream),
		cmocka_unit_test(both_ends_know_the_channel_by_the_same),
		cmocka_unit_test(starttls_works_byte_by_byte),
		cmocka_unit_test(tells_of_each_tls_object),
		cmocka_unit_test(the_name_in_the_hello_chooses_the_certificate),
		cmocka_unit_test(an_unknown_name_gets_the_default_certificate),
		cmocka_unit_test(carries_large_stanzas),
		cmocka_unit_test(closing_works_under_tls),
		cmocka_unit_test(close_notify_is_the_end_of_bytes),
		cmocka_unit_test(offers_starttls_before_sasl),
		cmocka_unit_test(withholds_sasl_until_required_tls_is_there),
		cmocka_unit_test(required_tls_then_login),
		cmocka_unit_test(what_is_injected_behind_starttls_is_never_seen),
		cmocka_unit_test(clear_text_instead_of_a_handshake_ends_the_stream),
		cmocka_unit_test(fails_where_it_has_no_certificate),
		cmocka_unit_test(refuses_starttls_after_login),
		cmocka_unit_test(a_client_that_insists_leaves_where_there_is_none),
		cmocka_unit_test(a_client_believes_no_unasked_proceed),
		cmocka_unit_test(a_client_sees_nothing_that_came_behind_proceed),
		cmocka_unit_test(a_client_says_what_was_wrong_with_the_handshake),
		cmocka_unit_test(a_client_checks_who_signed_the_certificate),
		cmocka_unit_test(a_client_checks_the_name_of_the_certificate),
		cmocka_unit_test(a_client_checks_the_address_of_the_certificate),
		cmocka_unit_test(a_client_that_checks_needs_a_name_to_check),
		cmocka_unit_test(a_client_speaks_nothing_older_than_tls_1_2),
		cmocka_unit_test(a_server_speaks_nothing_older_than_tls_1_2),
		cmocka_unit_test(junk_under_tls_ends_the_stream),
		cmocka_unit_test(a_hello_that_says_it_is_huge_gets_no_memory),
		cmocka_unit_test(a_handshake_is_counted_until_it_is_over),
		cmocka_unit_test(direct_tls_without_a_certificate_ends_the_stream),
		cmocka_unit_test(a_stream_moves_under_tls),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
