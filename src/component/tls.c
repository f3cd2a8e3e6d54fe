/* SPDX-License-Identifier: MIT */
/* Certificates: found, or made, when a process starts. */
#include "component/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "component/client_ca.h"
#include "component/settings.h"
#include "component/way.h"
#include "mio/mio.h"

enum { VALID_DAYS = 3650, SERIAL_BYTES = 16, COMMON_NAME_MAX = 64 };
enum { NOT_GIVEN = 1 };			  /* of find_given() */
#define OID_XMPP_ADDR "1.3.6.1.5.5.7.8.5" /* RFC 6120 section 13.7.1.4 */
#define ROUTER "router"

struct tls_entry {
	char *name;
	SSL_CTX *context;
};

struct tls_store {
	struct mio_host *host;
	struct tls_entry *entries;
	size_t count;
};

/* What one certificate's loading reads and says. */
struct loading {
	struct mio_host *host;
	const struct settings *settings;
	const char *domain;
	bool clients; /* it is shown to clients */
	const struct conf_list *addresses; /* that a made one is for too; NULL: none */
	struct buf certificate, key;	   /* paths */
	struct buf *note, *why;
};

/* -- making one
 * -------------------------------------------------------------------------------------- */

static void add_addresses(const struct conf_list *addresses, GENERAL_NAMES *names)
{
	for (size_t at = 0; addresses && at < addresses->count; at++) {
		AUTO(buf_fini) struct buf host = {0};
		ASN1_OCTET_STRING *bytes = NULL;
		GENERAL_NAME *name;

		if (way_host(addresses->items[at], &host))
			bytes = a2i_IPADDRESS(buf_text(&host));
		if (!bytes)
			continue;
		name = GENERAL_NAME_new();
		GENERAL_NAME_set0_value(name, GEN_IPADD, bytes);
		sk_GENERAL_NAME_push(names, name);
	}
}

/* Names as RFC 6120 has them: dNSName where the domain is ASCII, id-on-xmppAddr always. */
static GENERAL_NAMES *alternative_names(const struct loading *loading)
{
	const char *domain = loading->domain;
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *dns = GENERAL_NAME_new();
	GENERAL_NAME *xmpp = GENERAL_NAME_new();
	ASN1_IA5STRING *ascii = ASN1_IA5STRING_new();
	ASN1_UTF8STRING *utf8 = ASN1_UTF8STRING_new();
	ASN1_TYPE *value = ASN1_TYPE_new();
	bool is_ascii = true;

	for (const char *at = domain; *at; at++)
		is_ascii = is_ascii && (unsigned char)*at < 0x80;
	ASN1_STRING_set(ascii, domain, -1);
	GENERAL_NAME_set0_value(dns, GEN_DNS, ascii);
	ASN1_STRING_set(utf8, domain, -1);
	ASN1_TYPE_set(value, V_ASN1_UTF8STRING, utf8);
	GENERAL_NAME_set0_othername(xmpp, OBJ_txt2obj(OID_XMPP_ADDR, 1), value);
	if (is_ascii)
		sk_GENERAL_NAME_push(names, dns);
	else
		GENERAL_NAME_free(dns);
	sk_GENERAL_NAME_push(names, xmpp);
	add_addresses(loading->addresses, names);
	return names;
}

static X509 *make_certificate(const struct loading *loading, EVP_PKEY *key)
{
	struct mio_host *host = loading->host;
	const char *domain = loading->domain;
	X509 *certificate = X509_new();
	GENERAL_NAMES *names = alternative_names(loading);
	time_t now = (time_t)(mio_host_wall_ms(host) / 1000);
	unsigned char serial[SERIAL_BYTES];
	BIGNUM *number;

	mio_host_random(host, serial, sizeof(serial));
	serial[0] &= 0x7f;
	number = BN_bin2bn(serial, sizeof(serial), NULL);
	BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
	BN_free(number);
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_TIME_set(X509_getm_notBefore(certificate), now - 86400);
	ASN1_TIME_set(X509_getm_notAfter(certificate), now + (time_t)VALID_DAYS * 86400);
	if (strlen(domain) <= COMMON_NAME_MAX)
		X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
					   (const unsigned char *)domain, -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
	X509_set_pubkey(certificate, key);
	X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0);
	GENERAL_NAMES_free(names);
	if (!X509_sign(certificate, key, EVP_sha256())) {
		X509_free(certificate);
		return NULL;
	}
	return certificate;
}

/* Replaces the file, never half written: 0600 from its first byte. */
static int write_file(const char *path, struct slice bytes)
{
	AUTO(buf_fini) struct buf fresh = {0};
	int fd, rc = 0;

	buf_printf(&fresh, "%s.new", path);
	fd = open(buf_text(&fresh), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, bytes.data, bytes.len) != (ssize_t)bytes.len || fsync(fd))
		rc = errno ? -errno : -EIO;
	close(fd);
	if (!rc && rename(buf_text(&fresh), path))
		rc = -errno;
	return rc;
}

static int write_bio(const char *path, BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	return write_file(path, (struct slice){data, (size_t)len});
}

static int write_pair(struct loading *loading, EVP_PKEY *key, X509 *certificate)
{
	BIO *key_text = BIO_new(BIO_s_mem());
	BIO *text = BIO_new(BIO_s_mem());
	int rc = -EIO;

	if (PEM_write_bio_PKCS8PrivateKey(key_text, key, NULL, NULL, 0, NULL, NULL) &&
	    PEM_write_bio_X509(text, certificate))
		rc = write_bio(buf_text(&loading->key), key_text);
	if (!rc)
		rc = write_bio(buf_text(&loading->certificate), text);
	BIO_free(key_text);
	BIO_free(text);
	return rc;
}

static int make_pair(struct loading *loading)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = key ? make_certificate(loading, key) : NULL;
	int rc = certificate ? write_pair(loading, key, certificate) : -EIO;

	X509_free(certificate);
	EVP_PKEY_free(key);
	if (rc)
		buf_printf(loading->why, "%s: cannot be written: %s", buf_text(&loading->key),
			   strerror(-rc));
	return rc;
}

/* -- finding one
 * ------------------------------------------------------------------------------------- */

static void set_paths(struct loading *loading, const char *dir, const char *certificate,
		      const char *key)
{
	buf_clear(&loading->certificate);
	buf_clear(&loading->key);
	buf_printf(&loading->certificate, "%s/%s%s", dir, loading->domain, certificate);
	buf_printf(&loading->key, "%s/%s%s", dir, loading->domain, key);
}

/* There is one when either file is: half of a pair is a mistake to be told, not passed over. */
static bool has_pair(struct loading *loading)
{
	return !access(buf_text(&loading->certificate), F_OK) ||
	       !access(buf_text(&loading->key), F_OK);
}

/* An error of the directory itself (no permission) must not end in a self-signed certificate. */
static int check_directory(struct loading *loading)
{
	const char *dir = loading->settings->tls.certificates;
	int fault;

	if (!access(dir, R_OK | X_OK) || errno == ENOENT)
		return 0;
	fault = errno;
	buf_printf(loading->why, "tls.certificates: %s: cannot be read: %s", dir, strerror(fault));
	return -fault;
}

/* In the directory of the file. Returns 0, NOT_GIVEN, or a fault. */
static int find_given(struct loading *loading)
{
	int rc = check_directory(loading);

	if (rc)
		return rc;
	set_paths(loading, loading->settings->tls.certificates, ".crt", ".key");
	if (has_pair(loading))
		return 0;
	set_paths(loading, loading->settings->tls.certificates, "/fullchain.pem", "/privkey.pem");
	return has_pair(loading) ? 0 : NOT_GIVEN;
}

static int find_pair(struct loading *loading)
{
	AUTO(buf_fini) struct buf dir = {0};
	int rc = find_given(loading);

	if (rc != NOT_GIVEN)
		return rc;
	buf_printf(&dir, "%s/certs", loading->settings->data.dir);
	if (mkdir(buf_text(&dir), 0700) && errno != EEXIST) {
		rc = -errno;
		buf_printf(loading->why, "%s: cannot be made: %s", buf_text(&dir), strerror(-rc));
		return rc;
	}
	set_paths(loading, buf_text(&dir), ".crt", ".key");
	buf_printf(loading->note, "%s: self-signed certificate %s, for want of one in %s\n",
		   loading->domain, buf_text(&loading->certificate),
		   loading->settings->tls.certificates);
	if (!access(buf_text(&loading->certificate), F_OK) &&
	    !access(buf_text(&loading->key), F_OK))
		return 0;
	return make_pair(loading);
}

/* -- loading it
 * -------------------------------------------------------------------------------------- */

/* A key under a passphrase would ask for it on the terminal. */
static int no_passphrase(char *text, int size, int writing, void *arg)
{
	return -1;
}

static int check_readable(struct loading *loading, struct buf *path)
{
	struct stat status;
	int fault;

	if (!access(buf_text(path), R_OK)) {
		if (path == &loading->key && !stat(buf_text(path), &status) &&
		    (status.st_mode & S_IROTH))
			buf_printf(loading->note, "%s: everybody can read this key: chmod o-r\n",
				   buf_text(path));
		return 0;
	}
	fault = errno;
	buf_printf(loading->why, "%s: cannot be read: %s", buf_text(path), strerror(fault));
	return -fault;
}

static void note_dates(struct loading *loading, SSL_CTX *context)
{
	time_t now = (time_t)(mio_host_wall_ms(loading->host) / 1000);
	const X509 *certificate = SSL_CTX_get0_certificate(context);

	if (X509_cmp_time(X509_get0_notAfter(certificate), &now) < 0)
		buf_printf(loading->note, "%s: this certificate has expired\n",
			   buf_text(&loading->certificate));
	else if (X509_cmp_time(X509_get0_notBefore(certificate), &now) > 0)
		buf_printf(loading->note, "%s: this certificate is not valid yet\n",
			   buf_text(&loading->certificate));
}

static int use_pair(struct loading *loading, SSL_CTX *context)
{
	const char *certificate = buf_text(&loading->certificate);
	const char *key = buf_text(&loading->key);
	int rc = check_readable(loading, &loading->certificate);

	rc = rc ? rc : check_readable(loading, &loading->key);
	if (rc)
		return rc;
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
		buf_printf(loading->why, "%s: is no certificate in PEM form", certificate);
	else if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		buf_printf(loading->why, "%s: is no private key (PEM, without a passphrase) for %s",
			   key, certificate);
	else if (SSL_CTX_check_private_key(context) != 1)
		buf_printf(loading->why, "%s: does not fit %s", key, certificate);
	else
		return 0;
	return -EINVAL;
}

static SSL_CTX *new_context(const struct settings *settings)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (!context)
		return NULL;
	SSL_CTX_set_min_proto_version(context,
				      settings->tls.minimum ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
	/* Tickets carry the state: a cache would hold memory for sessions that never come back. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_early_data(context, 0);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return context;
}

static int load_domain(struct loading *loading, SSL_CTX **context)
{
	int rc = find_pair(loading);

	if (rc)
		return rc;
	*context = new_context(loading->settings);
	rc = *context ? use_pair(loading, *context) : -ENOMEM;
	if (!rc && loading->clients)
		rc = client_ca_use(loading->settings, *context, loading->why);
	if (!rc)
		note_dates(loading, *context);
	return rc;
}

static void free_context(void *context)
{
	SSL_CTX_free(context);
}

static int add_entry(struct tls_store *store, struct loading *loading)
{
	struct tls_entry *entry = &store->entries[store->count++];
	int rc;

	entry->name = mem_strdup(MEM_TLS, loading->domain);
	rc = load_domain(loading, &entry->context);
	if (entry->context)
		mio_foreign_add(store->host, entry->context, free_context);
	buf_fini(&loading->certificate);
	buf_fini(&loading->key);
	ERR_clear_error(); /* or the first connection would find it */
	return rc;
}

static struct tls_store *new_store(struct mio_host *host, size_t count)
{
	struct tls_store *store = mem_zalloc(MEM_TLS, sizeof(*store));

	store->host = host;
	store->entries = mem_zalloc(MEM_TLS, count * sizeof(*store->entries));
	return store;
}

int tls_store_load(struct mio_host *host, const struct settings *settings, struct tls_store **store,
		   struct buf *note, struct buf *why)
{
	struct tls_store *made = new_store(host, settings->domains.count);
	int rc = 0;

	for (size_t i = 0; !rc && i < settings->domains.count; i++) {
		struct loading loading = {
			.host = host,
			.settings = settings,
			.domain = settings->domains.items[i],
			.clients = true,
			.note = note,
			.why = why,
		};

		rc = add_entry(made, &loading);
	}
	if (rc)
		tls_store_free(&made);
	else
		*store = made;
	return rc;
}

int tls_store_load_router(struct mio_host *host, const struct settings *settings,
			  struct tls_store **store, struct buf *note, struct buf *why)
{
	struct tls_store *made = new_store(host, 1);
	struct loading loading = {
		.host = host,
		.settings = settings,
		.domain = ROUTER,
		.addresses = &settings->listen.router,
		.note = note,
		.why = why,
	};
	int rc = add_entry(made, &loading);

	if (rc)
		tls_store_free(&made);
	else
		*store = made;
	return rc;
}

int tls_check_router(const struct settings *settings, struct buf *why)
{
	AUTO(buf_fini) struct buf note = {0};
	struct loading loading = {
		.settings = settings, .domain = ROUTER, .note = &note, .why = why};
	SSL_CTX *context = new_context(settings);
	int rc = find_given(&loading);

	if (!rc) {
		rc = context ? use_pair(&loading, context) : -ENOMEM;
	} else if (rc == NOT_GIVEN) {
		rc = access(settings->data.dir, W_OK) && errno != ENOENT ? -errno : 0;
		if (rc)
			buf_printf(why,
				   "router.tls: no certificate for the router in %s, and none can "
				   "be made in %s: %s",
				   settings->tls.certificates, settings->data.dir, strerror(-rc));
	}
	SSL_CTX_free(context);
	buf_fini(&loading.certificate);
	buf_fini(&loading.key);
	ERR_clear_error();
	return rc;
}

bool tls_router_certificate(const struct settings *settings, struct buf *path)
{
	AUTO(buf_fini) struct buf ignored = {0};
	AUTO(buf_fini) struct buf dir = {0};
	struct loading loading = {.settings = settings, .domain = ROUTER, .why = &ignored};
	bool found;

	buf_printf(&dir, "%s/certs", settings->data.dir);
	if (find_given(&loading))
		set_paths(&loading, buf_text(&dir), ".crt", ".key");
	found = !access(buf_text(&loading.certificate), R_OK);
	if (found)
		buf_append_slice(path, buf_slice(&loading.certificate));
	buf_fini(&loading.certificate);
	buf_fini(&loading.key);
	return found;
}

void tls_store_free(struct tls_store **store)
{
	if (!*store)
		return;
	for (size_t i = 0; i < (*store)->count; i++) {
		struct tls_entry *entry = &(*store)->entries[i];

		if (entry->context) {
			mio_foreign_del((*store)->host, entry->context);
			SSL_CTX_free(entry->context);
		}
		mem_free(entry->name);
	}
	mem_free((*store)->entries);
	mem_free(*store);
	*store = NULL;
}

SSL_CTX *tls_store_context(void *store, const char *name)
{
	const struct tls_store *certificates = store;

	if (!*name)
		return certificates->count ? certificates->entries[0].context : NULL;
	for (size_t i = 0; i < certificates->count; i++) {
		if (!strcasecmp(certificates->entries[i].name, name))
			return certificates->entries[i].context;
	}
	return NULL;
}

SSL_CTX *tls_store_only(void *store, const char *name)
{
	return store ? tls_store_context(store, "") : NULL;
}
