/* SPDX-License-Identifier: MIT */
/* Which routers a component believes: handshakes in memory, with certificates that are made here.
 */
#include "component/trust.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"
#include "component/settings.h"
#include "component/tls.h"
#include "mio/mio.h"

#define HERE "192.0.2.7"

struct fixture {
	struct settings settings;
	char dir[64], etc[80], ca[80];
	const char *addresses[1];
	struct mio_host *host;
	EVP_PKEY *key;
	struct buf why;
};

static int setup(void **state)
{
	struct fixture *fixture = mem_zalloc(MEM_OTHER, sizeof(*fixture));

	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/jackdaw-trust-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->etc, sizeof(fixture->etc), "%s/etc", fixture->dir);
	snprintf(fixture->ca, sizeof(fixture->ca), "%s/ca.pem", fixture->dir);
	mkdir(fixture->etc, 0700);
	fixture->addresses[0] = HERE ":5347";
	fixture->settings.data.dir = fixture->dir;
	fixture->settings.tls.certificates = fixture->etc;
	fixture->settings.listen.router.items = fixture->addresses;
	fixture->settings.listen.router.count = 1;
	fixture->settings.router.ca = "";
	fixture->host = mio_host_new("test");
	fixture->key = EVP_EC_gen("P-256");
	*state = fixture;
	return 0;
}

static void remove_in(const struct fixture *fixture, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	remove(path);
}

static int teardown(void **state)
{
	static const char *const names[] = {"ca.pem", "certs/router.crt", "certs/router.key",
					    "certs", "etc"};
	struct fixture *fixture = *state;

	for (size_t at = 0; at < countof(names); at++)
		remove_in(fixture, names[at]);
	rmdir(fixture->dir);
	mio_host_free(&fixture->host);
	EVP_PKEY_free(fixture->key);
	buf_fini(&fixture->why);
	mem_free(fixture);
	return 0;
}

/* -- certificates: all of one key
 * ------------------------------------------------------------------ */

static void extend(X509 *certificate, int what, const char *text)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, what, text);

	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

/* issuer NULL: a CA of its own. hours: until it ends. */
static X509 *make(struct fixture *fixture, const char *name, X509 *issuer, const char *names,
		  long hours)
{
	X509 *certificate = X509_new();

	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
	X509_gmtime_adj(X509_getm_notAfter(certificate), hours * 3600);
	X509_set_pubkey(certificate, fixture->key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer : certificate));
	extend(certificate, NID_basic_constraints, issuer ? "CA:FALSE" : "CA:TRUE");
	if (names)
		extend(certificate, NID_subject_alt_name, names);
	X509_sign(certificate, fixture->key, EVP_sha256());
	return certificate;
}

static void believe(struct fixture *fixture, X509 *certificate)
{
	FILE *file = fopen(fixture->ca, "w");

	PEM_write_X509(file, certificate);
	fclose(file);
	fixture->settings.router.ca = fixture->ca;
}

/* -- handshakes
 * ------------------------------------------------------------------------------------ */

/* What the client makes of a server's context; -1: it is a failure of another kind. */
static int meet(struct fixture *fixture, SSL_CTX *server_context, const char *host)
{
	SSL_CTX *context = trust_new(&fixture->settings, &fixture->why);
	SSL *client = SSL_new(context), *server = SSL_new(server_context);
	BIO *one, *other;
	int result = -1, verdict;

	BIO_new_bio_pair(&one, 0, &other, 0);
	SSL_set_bio(client, one, one);
	SSL_set_bio(server, other, other);
	SSL_set1_host(client, host);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int turn = 0; turn < 10 && result != 1; turn++) {
		result = SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	verdict = (int)SSL_get_verify_result(client);
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(context);
	return result == 1 || verdict ? verdict : -1;
}

static int meet_certificate(struct fixture *fixture, X509 *certificate, const char *host)
{
	SSL_CTX *server = SSL_CTX_new(TLS_server_method());
	int verdict;

	SSL_CTX_use_certificate(server, certificate);
	SSL_CTX_use_PrivateKey(server, fixture->key);
	verdict = meet(fixture, server, host);
	SSL_CTX_free(server);
	return verdict;
}

static void the_router_of_the_same_data_dir_is_believed(void **state)
{
	struct fixture *fixture = *state;
	struct tls_store *store = NULL, *other = NULL;
	struct buf note = {0};

	assert_int_equal(tls_store_load_router(fixture->host, &fixture->settings, &store, &note,
					       &fixture->why),
			 0);
	assert_int_equal(meet(fixture, tls_store_context(store, ""), HERE), 0);
	assert_int_equal(meet(fixture, tls_store_context(store, ""), "192.0.2.99"), 0);
	/* Another one of the same name, made where the first one was. */
	remove_in(fixture, "certs/router.crt");
	assert_int_equal(tls_store_load_router(fixture->host, &fixture->settings, &other, &note,
					       &fixture->why),
			 0);
	assert_int_equal(meet(fixture, tls_store_context(other, ""), HERE), 0);
	assert_int_not_equal(meet(fixture, tls_store_context(store, ""), HERE), 0);
	buf_fini(&note);
	tls_store_free(&store);
	tls_store_free(&other);
}

static void a_stranger_is_not_believed(void **state)
{
	struct fixture *fixture = *state;
	X509 *stranger = make(fixture, "stranger", NULL, "IP:" HERE, 1);

	assert_int_equal(meet_certificate(fixture, stranger, HERE),
			 X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
	X509_free(stranger);
}

static void who_a_believed_ca_signed_must_have_the_address(void **state)
{
	struct fixture *fixture = *state;
	X509 *ca = make(fixture, "ca", NULL, NULL, 1);
	X509 *here = make(fixture, "router", ca, "IP:" HERE, 1);
	X509 *elsewhere = make(fixture, "router", ca, "IP:192.0.2.8,DNS:" HERE, 1);
	X509 *old = make(fixture, "router", ca, "IP:" HERE, -1);

	believe(fixture, ca);
	assert_int_equal(meet_certificate(fixture, here, HERE), 0);
	assert_int_equal(meet_certificate(fixture, elsewhere, HERE),
			 X509_V_ERR_IP_ADDRESS_MISMATCH);
	assert_int_equal(meet_certificate(fixture, old, HERE), X509_V_ERR_CERT_HAS_EXPIRED);
	X509_free(old);
	X509_free(elsewhere);
	X509_free(here);
	X509_free(ca);
}

static void who_is_named_itself_needs_no_name(void **state)
{
	struct fixture *fixture = *state;
	X509 *ca = make(fixture, "ca", NULL, NULL, 1);
	X509 *router = make(fixture, "router", ca, NULL, 1),
	     *namesake = make(fixture, "router", ca, "DNS:x", 1);

	believe(fixture, router);
	assert_int_equal(meet_certificate(fixture, router, HERE), 0);
	assert_int_not_equal(meet_certificate(fixture, namesake, HERE), 0);
	X509_free(namesake);
	X509_free(router);
	X509_free(ca);
}

static void a_file_without_certificates_is_named(void **state)
{
	struct fixture *fixture = *state;

	fixture->settings.router.ca = "/dev/null";
	assert_int_not_equal(trust_check(&fixture->settings, &fixture->why), 0);
	assert_string_equal(buf_text(&fixture->why),
			    "router.ca: /dev/null: has no certificate in PEM form");
}

static void each_verdict_says_what_to_do(void **state)
{
	static const struct {
		int verdict;
		const char *word;
	} verdicts[] = {
		{X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "router.ca"},
		{X509_V_ERR_IP_ADDRESS_MISMATCH, "not for " HERE},
		{X509_V_ERR_CERT_HAS_EXPIRED, "new one"},
		{X509_V_ERR_CERT_NOT_YET_VALID, "clocks"},
	};

	for (size_t at = 0; at < countof(verdicts); at++) {
		AUTO(buf_fini) struct buf text = {0};

		trust_explain(verdicts[at].verdict, HERE, &text);
		assert_non_null(strstr(buf_text(&text), verdicts[at].word));
	}
}

#define in_dir(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_dir(the_router_of_the_same_data_dir_is_believed),
		in_dir(a_stranger_is_not_believed),
		in_dir(who_a_believed_ca_signed_must_have_the_address),
		in_dir(who_is_named_itself_needs_no_name),
		in_dir(a_file_without_certificates_is_named),
		cmocka_unit_test(each_verdict_says_what_to_do),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
