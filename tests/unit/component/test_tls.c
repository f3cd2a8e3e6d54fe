/* SPDX-License-Identifier: MIT */
/* Certificates: made, found, and refused by the name of their file. */
#include "component/tls.h"

#include <errno.h>
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
#include "component/self_signed.h"
#include "component/settings.h"
#include "component/tls_private.h"
#include "mio/mio.h"

struct fixture {
	struct mio_host *host;
	struct settings settings;
	const char *domains[2];
	char dir[64], certificates[80];
	struct buf note, why;
	struct tls_store *store;
	const char *addresses[3]; /* of listen.router */
};

static int setup(void **state)
{
	struct fixture *fixture = mem_zalloc(MEM_OTHER, sizeof(*fixture));

	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/jackdaw-tls-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->certificates, sizeof(fixture->certificates), "%s/etc", fixture->dir);
	fixture->host = mio_host_new("test");
	fixture->domains[0] = "a.example";
	fixture->domains[1] = "b.example";
	fixture->settings.domains.items = fixture->domains;
	fixture->settings.domains.count = 2;
	fixture->addresses[0] = "192.0.2.7:5347";
	fixture->addresses[1] = "[2001:db8::7]:5347";
	fixture->addresses[2] = ":5348";
	fixture->settings.listen.router.items = fixture->addresses;
	fixture->settings.listen.router.count = 3;
	fixture->settings.data.dir = fixture->dir;
	fixture->settings.tls.certificates = fixture->certificates;
	fixture->settings.tls.client_ca = "";
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
	static const char *const names[] = {
		"certs/a.example.crt",
		"certs/a.example.key",
		"certs/b.example.crt",
		"certs/b.example.key",
		"certs/router.crt",
		"certs/router.key",
		"etc/router.crt",
		"etc/a.example.crt",
		"etc/a.example.key",
		"etc/b.example.crt",
		"etc/b.example.key",
		"certs/chat.b.example.crt",
		"certs/chat.b.example.key",
		"etc/b.example/fullchain.pem",
		"etc/b.example/privkey.pem",
		"etc/b.example",
		"etc/xn--bcher-kva.example.crt",
		"etc/xn--bcher-kva.example.key",
		"certs/b\xC3\xBC" "cher.example.crt",
		"certs/b\xC3\xBC" "cher.example.key",
		"certs",
		"etc",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < countof(names); i++)
		remove_in(fixture, names[i]);
	rmdir(fixture->dir);
	tls_store_free(&fixture->store);
	mio_host_free(&fixture->host);
	buf_fini(&fixture->note);
	buf_fini(&fixture->why);
	mem_free(fixture);
	return 0;
}

static int load(struct fixture *fixture)
{
	tls_store_free(&fixture->store);
	buf_clear(&fixture->note);
	buf_clear(&fixture->why);
	return tls_store_load(fixture->host, &fixture->settings, &fixture->store, &fixture->note,
			      &fixture->why);
}

static int reload(struct fixture *fixture)
{
	buf_clear(&fixture->note);
	buf_clear(&fixture->why);
	return tls_store_reload(fixture->store, &fixture->settings, &fixture->note, &fixture->why);
}

/* Copies one of the made files to where certificates are looked for. */
static void place(const struct fixture *fixture, const char *from, const char *to)
{
	char path[160], bytes[8192];
	ssize_t len;
	int fd;

	mkdir(fixture->certificates, 0700);
	snprintf(path, sizeof(path), "%s/etc/b.example", fixture->dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/certs/%s", fixture->dir, from);
	fd = open(path, O_RDONLY);
	len = read(fd, bytes, sizeof(bytes));
	close(fd);
	assert_true(len > 0);
	snprintf(path, sizeof(path), "%s/etc/%s", fixture->dir, to);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, bytes, (size_t)len), len);
	close(fd);
}

static void makes_a_certificate_where_none_is(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;
	char path[160];
	X509 *certificate;

	assert_int_equal(load(fixture), 0);
	assert_non_null(strstr(buf_text(&fixture->note), "a.example: self-signed"));
	certificate = SSL_CTX_get0_certificate(tls_store_context(fixture->store, "b.example"));
	assert_int_equal(X509_check_host(certificate, "b.example", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(certificate, "a.example", 0, 0, NULL), 0);
	snprintf(path, sizeof(path), "%s/certs/a.example.key", fixture->dir);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void keeps_the_certificate_it_made(void **state)
{
	struct fixture *fixture = *state;
	ASN1_INTEGER *serial;

	assert_int_equal(load(fixture), 0);
	serial = ASN1_INTEGER_dup(X509_get_serialNumber(
		SSL_CTX_get0_certificate(tls_store_context(fixture->store, "a.example"))));
	assert_int_equal(load(fixture), 0);
	assert_int_equal(
		ASN1_INTEGER_cmp(serial, X509_get_serialNumber(SSL_CTX_get0_certificate(
						 tls_store_context(fixture->store, "a.example")))),
		0);
	ASN1_INTEGER_free(serial);
}

static void knows_its_own_names_only(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture), 0);
	assert_null(tls_store_context(fixture->store, "c.example"));
	assert_ptr_equal(tls_store_context(fixture->store, ""),
			 tls_store_context(fixture->store, "a.example"));
	assert_ptr_equal(tls_store_context(fixture->store, "B.Example"),
			 tls_store_context(fixture->store, "b.example"));
}

static void takes_both_ways_to_name_the_files(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture), 0);
	place(fixture, "a.example.crt", "a.example.crt");
	place(fixture, "a.example.key", "a.example.key");
	place(fixture, "b.example.crt", "b.example/fullchain.pem");
	place(fixture, "b.example.key", "b.example/privkey.pem");
	assert_int_equal(load(fixture), 0);
	assert_int_equal(buf_used(&fixture->note), 0);
}

/* It is said, and one that was made is shown instead: the others are served. */
static void assert_stands_in(struct fixture *fixture, const char *why)
{
	assert_int_equal(load(fixture), 0);
	assert_non_null(strstr(buf_text(&fixture->note), why));
	assert_non_null(strstr(buf_text(&fixture->note), "a.example: self-signed certificate"));
	assert_true(fixture->store->entries[0].made);
	assert_int_equal(fixture->store->entries[0].problem, CERTIFICATE_UNUSABLE);
	assert_int_equal(buf_used(&fixture->why), 0);
}

/* While it runs there is no reason for that. */
static void assert_refused(struct fixture *fixture, const char *why)
{
	assert_int_not_equal(reload(fixture), 0);
	assert_non_null(strstr(buf_text(&fixture->why), why));
	assert_null(strchr(buf_text(&fixture->why), '\n'));
}

static void refuses_a_key_of_another_certificate(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture), 0);
	place(fixture, "a.example.crt", "a.example.crt");
	place(fixture, "b.example.key", "a.example.key");
	assert_refused(fixture, "etc/a.example.key: does not fit");
	assert_stands_in(fixture, "etc/a.example.key: does not fit");
}

static void refuses_half_of_a_pair(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture), 0);
	place(fixture, "a.example.crt", "a.example.crt");
	assert_refused(fixture, "etc/a.example.key: cannot be read");
	assert_stands_in(fixture, "etc/a.example.key: cannot be read");
}

static void asks_clients_for_certificates_when_there_is_a_ca(void **state)
{
	struct fixture *fixture = *state;
	AUTO(buf_fini) struct buf ca = {0};

	assert_int_equal(load(fixture), 0);
	assert_int_equal(SSL_CTX_get_verify_mode(tls_store_context(fixture->store, "a.example")),
			 SSL_VERIFY_NONE);
	buf_printf(&ca, "%s/certs/a.example.crt", fixture->dir);
	fixture->settings.tls.client_ca = buf_text(&ca);
	assert_int_equal(load(fixture), 0);
	assert_int_equal(SSL_CTX_get_verify_mode(tls_store_context(fixture->store, "b.example")),
			 SSL_VERIFY_PEER);
	fixture->settings.tls.client_ca = "/dev/null";
	assert_int_equal(load(fixture), -EINVAL);
	assert_non_null(strstr(buf_text(&fixture->why), "tls.client_ca: /dev/null"));
}

static void refuses_a_file_that_is_no_key(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture), 0);
	place(fixture, "a.example.crt", "a.example.crt");
	place(fixture, "a.example.crt", "a.example.key");
	assert_refused(fixture, "a.example.key");
	assert_stands_in(fixture, "a.example.key");
}

static int load_router(struct fixture *fixture)
{
	tls_store_free(&fixture->store);
	buf_clear(&fixture->note);
	return tls_store_load_router(fixture->host, &fixture->settings, &fixture->store,
				     &fixture->note, &fixture->why);
}

static void makes_the_router_one_for_its_addresses(void **state)
{
	struct fixture *fixture = *state;
	X509 *certificate;

	assert_int_equal(load_router(fixture), 0);
	assert_non_null(strstr(buf_text(&fixture->note), "certs/router.crt"));
	certificate = SSL_CTX_get0_certificate(tls_store_context(fixture->store, ""));
	assert_int_equal(X509_check_ip_asc(certificate, "192.0.2.7", 0), 1);
	assert_int_equal(X509_check_ip_asc(certificate, "2001:db8::7", 0), 1);
	assert_int_equal(X509_check_ip_asc(certificate, "192.0.2.8", 0), 0);
	assert_null(tls_store_context(fixture->store, "a.example"));
	assert_null(tls_view_only(NULL, "router"));
}

static void finds_the_certificate_of_the_router(void **state)
{
	struct fixture *fixture = *state;
	AUTO(buf_fini) struct buf path = {0};

	assert_false(tls_router_certificate(&fixture->settings, &path));
	assert_int_equal(load_router(fixture), 0);
	assert_true(tls_router_certificate(&fixture->settings, &path));
	assert_non_null(strstr(buf_text(&path), "certs/router.crt"));
	place(fixture, "router.crt", "router.crt");
	buf_clear(&path);
	assert_true(tls_router_certificate(&fixture->settings, &path));
	assert_non_null(strstr(buf_text(&path), "etc/router.crt"));
}

static void looks_without_making(void **state)
{
	struct fixture *fixture = *state;
	char path[80];

	assert_int_equal(tls_check_router(&fixture->settings, &fixture->why), 0);
	snprintf(path, sizeof(path), "%s/certs", fixture->dir);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(load_router(fixture), 0);
	place(fixture, "router.crt", "router.crt");
	assert_int_not_equal(tls_check_router(&fixture->settings, &fixture->why), 0);
	assert_non_null(strstr(buf_text(&fixture->why), "etc/router.key"));
}

static void a_bad_file_changes_nothing_when_all_is_read_again(void **state)
{
	struct fixture *fixture = *state;
	SSL_CTX *one, *other;

	assert_int_equal(load(fixture), 0);
	place(fixture, "a.example.crt", "a.example.crt");
	place(fixture, "a.example.key", "a.example.key");
	place(fixture, "b.example.crt", "b.example/fullchain.pem");
	place(fixture, "b.example.key", "b.example/privkey.pem");
	assert_int_equal(reload(fixture), 0);
	one = tls_store_context(fixture->store, "a.example");
	other = tls_store_context(fixture->store, "b.example");
	place(fixture, "a.example.key", "b.example/privkey.pem");
	assert_int_not_equal(reload(fixture), 0);
	assert_non_null(strstr(buf_text(&fixture->why), "b.example/privkey.pem: does not fit"));
	assert_null(strchr(buf_text(&fixture->why), '\n'));
	assert_ptr_equal(tls_store_context(fixture->store, "a.example"), one);
	assert_ptr_equal(tls_store_context(fixture->store, "b.example"), other);
	place(fixture, "a.example.crt", "b.example/fullchain.pem");
	assert_int_not_equal(reload(fixture), 0);
	assert_non_null(strstr(buf_text(&fixture->why), "is not for b.example"));
	remove_in(fixture, "etc/b.example/fullchain.pem");
	remove_in(fixture, "etc/b.example/privkey.pem");
	assert_int_not_equal(reload(fixture), 0);
	assert_non_null(strstr(buf_text(&fixture->why), "b.example: its certificate is gone"));
	assert_ptr_equal(tls_store_context(fixture->store, "b.example"), other);
	place(fixture, "b.example.crt", "b.example/fullchain.pem");
	place(fixture, "b.example.key", "b.example/privkey.pem");
	assert_int_equal(reload(fixture), 0);
	assert_ptr_not_equal(tls_store_context(fixture->store, "b.example"), other);
}

/* By what is said in self_signed_make(), a certificate of any name. */
static void make(struct fixture *fixture, const char *name, const char *file)
{
	char certificate[160], key[160];

	mkdir(fixture->certificates, 0700);
	snprintf(certificate, sizeof(certificate), "%s/%s.crt", fixture->certificates, file);
	snprintf(key, sizeof(key), "%s/%s.key", fixture->certificates, file);
	assert_int_equal(self_signed_make(fixture->host, name, NULL, certificate, key, &fixture->why), 0);
}

static void path_in(const struct fixture *fixture, const char *name, char path[160])
{
	mkdir(fixture->certificates, 0700);
	snprintf(path, 160, "%s/%s", fixture->certificates, name);
}

/* A pipe would be waited for, whoever asks meanwhile; a link that leads nowhere is no reason to make a certificate. */
static void refuses_what_is_no_file(void **state)
{
	struct fixture *fixture = *state;
	char path[160], key[160];

	path_in(fixture, "a.example.crt", path);
	path_in(fixture, "a.example.key", key);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(mkfifo(key, 0600), 0);
	assert_stands_in(fixture, "a.example.crt: is no file");
	unlink(path);
	unlink(key);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_stands_in(fixture, "a.example.crt: cannot be read: No such file");
	unlink(path);
}

static void says_how_many_others_cannot_be_used(void **state)
{
	struct fixture *fixture = *state;
	char path[160];

	path_in(fixture, "a.example.crt", path);
	assert_int_equal(load(fixture), 0);
	assert_int_equal(symlink("nowhere", path), 0);
	path_in(fixture, "b.example.crt", path);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_not_equal(reload(fixture), 0);
	assert_non_null(strstr(buf_text(&fixture->why), "a.example.crt"));
	assert_non_null(strstr(buf_text(&fixture->why), "(and 1 more cannot be used: jackdaw check certs)"));
	unlink(path);
	path_in(fixture, "a.example.crt", path);
	unlink(path);
}

static void append_file(const char *to, const char *from)
{
	char bytes[8192];
	FILE *file = fopen(from, "r");
	size_t len = fread(bytes, 1, sizeof(bytes), file);

	fclose(file);
	file = fopen(to, "a");
	fwrite(bytes, 1, len, file);
	fclose(file);
}

static void knows_a_chain_that_begins_with_the_wrong_one(void **state)
{
	struct fixture *fixture = *state;
	char made[160], path[160];

	assert_int_equal(load(fixture), 0);
	path_in(fixture, "a.example.crt", path);
	snprintf(made, sizeof(made), "%s/certs/b.example.crt", fixture->dir);
	append_file(path, made);
	snprintf(made, sizeof(made), "%s/certs/a.example.crt", fixture->dir);
	append_file(path, made);
	place(fixture, "a.example.key", "a.example.key");
	assert_int_not_equal(reload(fixture), 0);
	assert_non_null(strstr(buf_text(&fixture->why), "its certificates are not in order: the server's own"));
}

/* Hellos, DNS and certbot write it so. */
static void knows_a_domain_by_its_name_in_dns(void **state)
{
	struct fixture *fixture = *state;
	SSL_CTX *context;

	fixture->domains[1] = "b\xC3\xBC" "cher.example";
	assert_int_equal(load(fixture), 0);
	context = tls_store_context(fixture->store, fixture->domains[1]);
	assert_non_null(context);
	assert_ptr_equal(tls_store_context(fixture->store, "xn--bcher-kva.example"), context);
	assert_ptr_equal(tls_store_context(fixture->store, "XN--BCHER-KVA.example"), context);
	assert_int_equal(X509_check_host(SSL_CTX_get0_certificate(context), "xn--bcher-kva.example", 0, 0, NULL), 1);
	assert_true(fixture->store->entries[1].made);
	make(fixture, fixture->domains[1], "xn--bcher-kva.example");
	assert_int_equal(reload(fixture), 0);
	assert_false(fixture->store->entries[1].made);
}

/* The same, for a time that is over. */
static void expire(const struct fixture *fixture, const char *name)
{
	char path[160], key_path[160];
	X509 *certificate;
	EVP_PKEY *key;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.crt", fixture->certificates, name);
	snprintf(key_path, sizeof(key_path), "%s/%s.key", fixture->certificates, name);
	file = fopen(path, "r");
	certificate = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	file = fopen(key_path, "r");
	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	fclose(file);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
	X509_gmtime_adj(X509_getm_notAfter(certificate), -3600);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	file = fopen(path, "w");
	PEM_write_X509(file, certificate);
	fclose(file);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

/* Or nothing could be changed any more until there is another: no limit, no word against those who register by the thousand. */
static void one_that_expired_while_it_was_shown_stops_no_reload(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture), 0);
	place(fixture, "a.example.crt", "a.example.crt");
	place(fixture, "a.example.key", "a.example.key");
	assert_int_equal(reload(fixture), 0);
	expire(fixture, "a.example");
	assert_int_not_equal(reload(fixture), 0); /* the other is fine still */
	assert_non_null(strstr(buf_text(&fixture->why), "has expired"));
	fixture->store->entries[0].until_s = mio_host_wall_ms(fixture->host) / 1000 - 3600;
	assert_int_equal(reload(fixture), 0);
	assert_int_equal(reload(fixture), 0);
}

static void a_domain_that_is_new_is_served_after_reading_again(void **state)
{
	struct fixture *fixture = *state;

	fixture->settings.domains.count = 1;
	assert_int_equal(load(fixture), 0);
	assert_null(tls_store_context(fixture->store, "b.example"));
	fixture->settings.domains.count = 2;
	assert_int_equal(reload(fixture), 0);
	assert_int_equal(tls_store_count(fixture->store), 2);
	assert_string_equal(tls_store_name(fixture->store, 1), "b.example");
	assert_non_null(tls_store_context(fixture->store, "b.example"));
	assert_in_range(tls_store_days(fixture->store, 1), 3649, 3650);
}

static void takes_one_of_the_domain_above_that_is_for_both(void **state)
{
	struct fixture *fixture = *state;
	X509 *certificate;

	fixture->domains[1] = "chat.b.example";
	make(fixture, "*.b.example", "b.example");
	make(fixture, "a.example", "a.example");
	assert_int_equal(load(fixture), 0);
	assert_int_equal(buf_used(&fixture->note), 0);
	certificate = SSL_CTX_get0_certificate(tls_store_context(fixture->store, "chat.b.example"));
	assert_int_equal(X509_check_host(certificate, "chat.b.example", 0, 0, NULL), 1);
	/* One that is not for it is passed over. */
	make(fixture, "b.example", "b.example");
	assert_int_equal(load(fixture), 0);
	assert_non_null(strstr(buf_text(&fixture->note), "chat.b.example: self-signed"));
}

static void says_when_a_key_is_open_to_others(void **state)
{
	struct fixture *fixture = *state;
	char path[160];

	make(fixture, "a.example", "a.example");
	snprintf(path, sizeof(path), "%s/a.example.key", fixture->certificates);
	chmod(path, 0644);
	assert_int_equal(load(fixture), 0);
	assert_non_null(strstr(buf_text(&fixture->note), "everybody can read this key"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(makes_a_certificate_where_none_is, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_the_certificate_it_made, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_is_no_file, setup, teardown),
		cmocka_unit_test_setup_teardown(says_how_many_others_cannot_be_used, setup, teardown),
		cmocka_unit_test_setup_teardown(knows_a_chain_that_begins_with_the_wrong_one, setup, teardown),
		cmocka_unit_test_setup_teardown(knows_a_domain_by_its_name_in_dns, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_expired_while_it_was_shown_stops_no_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(knows_its_own_names_only, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_both_ways_to_name_the_files, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_a_key_of_another_certificate, setup,
						teardown),
		cmocka_unit_test_setup_teardown(refuses_half_of_a_pair, setup, teardown),
		cmocka_unit_test_setup_teardown(
			asks_clients_for_certificates_when_there_is_a_ca, setup, teardown),
		cmocka_unit_test_setup_teardown(makes_the_router_one_for_its_addresses, setup,
						teardown),
		cmocka_unit_test_setup_teardown(finds_the_certificate_of_the_router, setup,
						teardown),
		cmocka_unit_test_setup_teardown(looks_without_making, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_a_file_that_is_no_key, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bad_file_changes_nothing_when_all_is_read_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_domain_that_is_new_is_served_after_reading_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(takes_one_of_the_domain_above_that_is_for_both, setup,
						teardown),
		cmocka_unit_test_setup_teardown(says_when_a_key_is_open_to_others, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
