/* SPDX-License-Identifier: MIT */
/* Tickets: who comes back within two turns of the keys resumes. */
#include "component/tickets.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "component/tls_private.h"
#include "mio/mio.h"

struct fixture {
	struct mio_host *host;
	SSL_CTX *server, *client;
	struct tls_set set;
	struct tls_view view;
	SSL_SESSION *kept; /* the client's, of its last visit */
};

static int keep(SSL *ssl, SSL_SESSION *session)
{
	struct fixture *fixture = SSL_get_app_data(ssl);

	SSL_SESSION_free(fixture->kept);
	fixture->kept = session;
	return 1;
}

static void certify(SSL_CTX *context)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	X509_sign(certificate, key, EVP_sha256());
	SSL_CTX_use_certificate(context, certificate);
	SSL_CTX_use_PrivateKey(context, key);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static int setup(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){.host = mio_host_new("test")};
	fixture.view.set = &fixture.set;
	tickets_turn(NULL, fixture.host, &fixture.set.tickets);
	fixture.server = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_session_cache_mode(fixture.server, SSL_SESS_CACHE_OFF);
	certify(fixture.server);
	tickets_use(fixture.server);
	fixture.client = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(fixture.client, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(fixture.client, keep);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	SSL_SESSION_free(fixture->kept);
	SSL_CTX_free(fixture->server);
	SSL_CTX_free(fixture->client);
	mio_host_free(&fixture->host);
	return 0;
}

/* A connection; true: it went on with the session of the last. */
static bool visit(struct fixture *fixture)
{
	SSL *server = SSL_new(fixture->server), *client = SSL_new(fixture->client);
	BIO *one, *other;
	char byte;
	bool resumed;

	BIO_new_bio_pair(&one, 0, &other, 0);
	SSL_set_bio(server, one, one);
	SSL_set_bio(client, other, other);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	SSL_set_app_data(server, &fixture->view);
	SSL_set_app_data(client, fixture);
	if (fixture->kept)
		SSL_set_session(client, fixture->kept);
	for (int at = 0; at < 4; at++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	assert_true(SSL_is_init_finished(client) && SSL_is_init_finished(server));
	SSL_read(client, &byte, 1); /* the ticket */
	resumed = SSL_session_reused(server);
	SSL_shutdown(client);
	SSL_free(client);
	SSL_free(server);
	return resumed;
}

static void turn(struct fixture *fixture)
{
	struct tickets old = fixture->set.tickets;

	tickets_turn(&old, fixture->host, &fixture->set.tickets);
	tickets_wipe(&old);
}

static void resumes_within_two_turns(struct fixture *fixture, int version)
{
	SSL_SESSION *first;

	SSL_CTX_set_max_proto_version(fixture->client, version);
	assert_false(visit(fixture));
	assert_non_null(fixture->kept);
	assert_true(visit(fixture));
	assert_true(visit(fixture));
	turn(fixture);
	first = fixture->kept;
	SSL_SESSION_up_ref(first);
	assert_true(visit(fixture));
	turn(fixture);
	SSL_SESSION_free(fixture->kept);
	fixture->kept = first; /* of two turns ago */
	assert_false(visit(fixture));
	assert_true(visit(fixture));
}

static void resumes_with_tls_1_3(void **state)
{
	resumes_within_two_turns(*state, TLS1_3_VERSION);
}

static void resumes_with_tls_1_2(void **state)
{
	resumes_within_two_turns(*state, TLS1_2_VERSION);
}

static void what_was_encrypted_before_is_forgotten_when_asked(void **state)
{
	struct fixture *fixture = *state;

	assert_false(visit(fixture));
	tickets_turn(NULL, fixture->host, &fixture->set.tickets);
	assert_false(visit(fixture));
	assert_true(visit(fixture));
}

static void a_ticket_that_was_touched_is_none(void **state)
{
	struct fixture *fixture = *state;

	assert_false(visit(fixture));
	fixture->set.tickets.keys[0].mac[0] ^= 1;
	assert_false(visit(fixture));
}

static void two_keys_are_never_the_same_and_are_wiped(void **state)
{
	static const struct ticket_key nothing;
	struct fixture *fixture = *state;
	struct tickets *tickets = &fixture->set.tickets;

	turn(fixture);
	assert_int_equal(tickets->count, 2);
	assert_memory_not_equal(&tickets->keys[0], &tickets->keys[1], sizeof(nothing));
	assert_memory_not_equal(tickets->keys[0].cipher, tickets->keys[0].mac, TICKET_MAC);
	tickets_wipe(tickets);
	assert_memory_equal(&tickets->keys[0], &nothing, sizeof(nothing));
	assert_memory_equal(&tickets->keys[1], &nothing, sizeof(nothing));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(resumes_with_tls_1_3, setup, teardown),
		cmocka_unit_test_setup_teardown(resumes_with_tls_1_2, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_encrypted_before_is_forgotten_when_asked,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_ticket_that_was_touched_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(two_keys_are_never_the_same_and_are_wiped, setup,
						teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
