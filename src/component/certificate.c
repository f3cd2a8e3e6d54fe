/* SPDX-License-Identifier: MIT */
#include "component/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/table.h"
#include "component/certificate_name.h"
#include "component/settings.h"
#include "jid/jid.h"

struct layout {
	const char *certificate, *key; /* behind the name */
};

enum { LAYOUTS = 2 };
static const struct layout layouts[LAYOUTS] = {{".crt", ".key"},
					       {"/fullchain.pem", "/privkey.pem"}};
static const struct layout ecdsa_layouts[LAYOUTS] = {
	{".ecdsa.crt", ".ecdsa.key"}, {"-ecdsa/fullchain.pem", "-ecdsa/privkey.pem"}};

void certificate_fini(struct certificate *certificate)
{
	for (unsigned at = 0; at < CERTIFICATE_PAIRS_MAX; at++) {
		buf_fini(&certificate->pairs[at].certificate);
		buf_fini(&certificate->pairs[at].key);
	}
}

/* -- finding it ------------------------------------------------------------------------------- */

static void set_pair(struct certificate_pair *pair, const char *dir, const char *name,
		     const struct layout *layout)
{
	buf_clear(&pair->certificate);
	buf_clear(&pair->key);
	buf_printf(&pair->certificate, "%s/%s%s", dir, name, layout->certificate);
	buf_printf(&pair->key, "%s/%s%s", dir, name, layout->key);
}

/* What cannot be looked at may be there: whoever loads it says why, and shows no other instead. */
static bool is_there(const char *path)
{
	struct stat status;

	return !lstat(path, &status) || (errno != ENOENT && errno != ENOTDIR);
}

/* A link that leads nowhere is there too: what it should lead to is missing, and not wanted otherwise. */
bool certificate_is_there(struct certificate_pair *pair)
{
	return is_there(buf_text(&pair->certificate)) || is_there(buf_text(&pair->key));
}

static bool find_pair(struct certificate_pair *pair, const char *dir, const char *name,
		      const struct layout *of)
{
	for (unsigned at = 0; at < LAYOUTS; at++) {
		set_pair(pair, dir, name, &of[at]);
		if (certificate_is_there(pair))
			return true;
	}
	return false;
}

/* The domain above a name that may have a certificate for both; NULL: none, "com" has no
 * certificates. */
static const char *above(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot && strchr(dot + 1, '.') ? dot + 1 : NULL;
}

bool certificate_is_file(const char *path)
{
	struct stat status;

	return !stat(path, &status) && S_ISREG(status.st_mode);
}

/* Or cannot be read, as above. */
static bool is_for(struct certificate_pair *pair, const char *name)
{
	const char *path = buf_text(&pair->certificate);
	FILE *file;
	X509 *certificate;
	bool covers;

	errno = 0; /* as it stays for a pipe */
	file = certificate_is_file(path) ? fopen(path, "re") : NULL;
	if (!file)
		return errno == EACCES;
	certificate = PEM_read_X509(file, NULL, NULL, NULL);
	covers = certificate && certificate_covers(certificate, name);
	X509_free(certificate);
	fclose(file);
	ERR_clear_error();
	return covers;
}

static bool find_shared(struct certificate *certificate, const char *dir, const char *name)
{
	struct certificate_pair *pair = &certificate->pairs[0];

	for (name = above(name); name; name = above(name)) {
		if (find_pair(pair, dir, name, layouts) && is_for(pair, certificate->name))
			return true;
	}
	return false;
}

/* As tools that get certificates name their files; NULL: no otherwise. */
static const char *ascii_of(const char *name, struct buf *ascii)
{
	return jid_domain_ascii(slice_of(name), ascii) && !slice_is(buf_slice(ascii), name) ? buf_text(ascii) : NULL;
}

/* Of either name; ascii may be NULL. */
static bool find_either(struct certificate_pair *pair, const char *dir, const char *name, const char *ascii, const struct layout *of)
{
	return find_pair(pair, dir, name, of) || (ascii && find_pair(pair, dir, ascii, of));
}

/* An error of the directory itself (no permission) must not end in a self-signed certificate. */
static int check_directory(const char *dir, struct buf *why)
{
	int fault;

	if (!access(dir, R_OK | X_OK) || errno == ENOENT)
		return 0;
	fault = errno;
	buf_printf(why, "tls.certificates: %s: cannot be read: %s", dir, strerror(fault));
	return -fault;
}

int certificate_find(const struct settings *settings, struct certificate *certificate,
		     struct buf *why)
{
	const char *dir = settings->tls.certificates, *name = certificate->name;
	AUTO(buf_fini) struct buf text = {0};
	const char *ascii = ascii_of(name, &text);
	int rc = check_directory(dir, why);

	if (rc)
		return rc;
	certificate->made = false;
	certificate->count = find_either(&certificate->pairs[0], dir, name, ascii, layouts);
	certificate->count += find_either(&certificate->pairs[certificate->count], dir, name, ascii, ecdsa_layouts);
	if (!certificate->count && certificate->is_domain)
		certificate->count = find_shared(certificate, dir, name) || (ascii && find_shared(certificate, dir, ascii));
	return certificate->count ? 0 : CERTIFICATE_NONE;
}

void certificate_place_made(const struct settings *settings, struct certificate *certificate)
{
	AUTO(buf_fini) struct buf dir = {0};

	buf_printf(&dir, "%s/certs", settings->data.dir);
	set_pair(&certificate->pairs[0], buf_text(&dir), certificate->name, &layouts[0]);
	certificate->count = 1;
	certificate->made = true;
}

/* -- loading it ------------------------------------------------------------------------------- */

struct loading {
	struct certificate *certificate;
	const char *file, *key; /* of the pair under way */
	int64_t now_s;
	SSL_CTX *context;
	struct buf *note, *why;
};

/* A key under a passphrase would ask for it on the terminal. */
static int no_passphrase(char *text, int size, int writing, void *arg)
{
	return -1;
}

/* What access() allows may be closed to this process all the same. */
static int explain_fault(const struct loading *loading, const char *path, int fault)
{
	buf_printf(loading->why, "%s: cannot be read: %s", path, strerror(fault));
	if (fault == EACCES && !access(path, R_OK))
		buf_append_text(loading->why, ": its place is none that the server reads from since its start: add it to "
					      "process.readable, and start again");
	return -fault;
}

static int check_readable(const struct loading *loading, const char *path)
{
	int fd;

	if (!access(path, F_OK) && !certificate_is_file(path)) {
		buf_printf(loading->why, "%s: is no file", path);
		return -EINVAL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return explain_fault(loading, path, errno);
	close(fd);
	return 0;
}

/* Whether it is of a certificate behind the first. */
static bool is_of_another(const char *file_name, EVP_PKEY *key)
{
	FILE *file = fopen(file_name, "re");
	bool found = false;

	for (X509 *one; file && !found && (one = PEM_read_X509(file, NULL, no_passphrase, NULL)); X509_free(one))
		found = X509_check_private_key(one, key) == 1;
	if (file)
		fclose(file);
	return found;
}

/* Why a key cannot be used, whatever OpenSSL said. */
static void explain_key(const struct loading *loading)
{
	FILE *file = fopen(loading->key, "re");
	EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, no_passphrase, NULL) : NULL;

	if (!key)
		buf_printf(loading->why, "%s: is no private key (PEM, without a passphrase) for %s", loading->key, loading->file);
	else if (is_of_another(loading->file, key))
		buf_printf(loading->why, "%s: its certificates are not in order: the server's own, that %s is for, comes first",
			   loading->file, loading->key);
	else
		buf_printf(loading->why, "%s: does not fit %s: put the key there that it was made for", loading->key, loading->file);
	EVP_PKEY_free(key);
	if (file)
		fclose(file);
}

static bool is_too_weak(void)
{
	int reason = ERR_GET_REASON(ERR_peek_last_error());

	return reason == SSL_R_EE_KEY_TOO_SMALL || reason == SSL_R_CA_KEY_TOO_SMALL || reason == SSL_R_CA_MD_TOO_WEAK;
}

static int read_pair(const struct loading *loading)
{
	SSL_CTX *context = loading->context;
	int rc = check_readable(loading, loading->file);

	rc = rc ? rc : check_readable(loading, loading->key);
	if (rc)
		return rc;
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	if (SSL_CTX_use_certificate_chain_file(context, loading->file) != 1)
		buf_printf(loading->why, "%s: %s", loading->file,
			   is_too_weak() ? "its key is too short, or what it is signed with too weak: get a new one" : "is no certificate in PEM form");
	else if (SSL_CTX_use_PrivateKey_file(context, loading->key, SSL_FILETYPE_PEM) == 1 &&
		 SSL_CTX_check_private_key(context) == 1)
		return 0;
	else
		explain_key(loading);
	return -EINVAL;
}

static int64_t seconds_until(const ASN1_TIME *time, int64_t now_s)
{
	ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)now_s);
	int days = 0, seconds = 0;

	ASN1_TIME_diff(&days, &seconds, now, time);
	ASN1_TIME_free(now);
	return (int64_t)days * 86400 + seconds;
}

static bool is_outdated(const X509 *certificate, int64_t now_s)
{
	return seconds_until(X509_get0_notAfter(certificate), now_s) <= 0 || seconds_until(X509_get0_notBefore(certificate), now_s) > 0;
}

/* A CA that tells where its certificate is to be had is a public one, and no root. */
static bool names_issuer(const X509 *certificate)
{
	AUTHORITY_INFO_ACCESS *places = X509_get_ext_d2i(certificate, NID_info_access, NULL, NULL);
	bool found = false;

	for (int at = 0; at < sk_ACCESS_DESCRIPTION_num(places) && !found; at++)
		found = OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(places, at)->method) == NID_ad_ca_issuers;
	AUTHORITY_INFO_ACCESS_free(places);
	return found;
}

static bool has_signed(X509 *issuer, X509 *subject)
{
	return X509_check_issued(issuer, subject) == X509_V_OK && X509_verify(subject, X509_get0_pubkey(issuer)) == 1;
}

static enum certificate_problem find_chain_problem(const struct loading *loading, X509 *certificate)
{
	enum certificate_problem problem = CERTIFICATE_FINE;
	STACK_OF(X509) *chain = NULL;
	X509 *subject = certificate;

	SSL_CTX_get0_chain_certs(loading->context, &chain);
	if (sk_X509_num(chain) <= 0 && !X509_self_signed(certificate, 0) && names_issuer(certificate))
		problem = CERTIFICATE_ALONE;
	for (int at = 0; at < sk_X509_num(chain) && !problem; at++) {
		X509 *issuer = sk_X509_value(chain, at);

		if (!has_signed(issuer, subject))
			problem = CERTIFICATE_CHAIN;
		else if (is_outdated(issuer, loading->now_s))
			problem = CERTIFICATE_CHAIN_OLD;
		subject = issuer;
	}
	ERR_clear_error();
	return problem;
}

static enum certificate_problem find_problem(const struct loading *loading, X509 *certificate)
{
	if (seconds_until(X509_get0_notAfter(certificate), loading->now_s) <= 0)
		return CERTIFICATE_EXPIRED;
	if (seconds_until(X509_get0_notBefore(certificate), loading->now_s) > 0)
		return CERTIFICATE_EARLY;
	if (loading->certificate->is_domain &&
	    !certificate_covers(certificate, loading->certificate->name))
		return CERTIFICATE_OTHER_NAME;
	return find_chain_problem(loading, certificate);
}

void certificate_add_issuer(const X509 *certificate, struct buf *out)
{
	BIO *text = BIO_new(BIO_s_mem());
	char *data;
	long len;

	X509_NAME_print_ex(text, X509_get_issuer_name(certificate), 0, XN_FLAG_RFC2253);
	len = BIO_get_mem_data(text, &data);
	buf_append(out, data, (size_t)len);
	BIO_free(text);
}

/*
 * Whoever signed the last in the file may be a root, which clients have, or one between: the certificate does not say. It is
 * taken for one between until this machine knows it for a root.
 */
void certificate_explain_incomplete(const char *file, const X509 *last, struct buf *out)
{
	buf_printf(out, "%s: the chain is incomplete: the certificate of ", file);
	certificate_add_issuer(last, out);
	buf_append_text(out, " is missing: append it to the file (fullchain.pem has both)");
	if (!names_issuer(last))
		buf_append_text(out, "; if it is a root of your own, add it to the CAs of this machine");
	buf_append_char(out, '\n');
}

static void explain(const struct loading *loading, enum certificate_problem problem, const X509 *shown)
{
	static const char *const texts[] = {
		[CERTIFICATE_EXPIRED] = "this certificate has expired: put a new one there",
		[CERTIFICATE_EARLY] =
			"this certificate is not valid yet: look at the clock of this machine",
		[CERTIFICATE_CHAIN] =
			"its certificates are not in order: the server's own, then the "
			"one that signed it, and so on",
		[CERTIFICATE_CHAIN_OLD] = "one of those that follow this certificate has expired: get its CA's new ones",
	};

	if (problem == CERTIFICATE_OTHER_NAME)
		buf_printf(loading->note,
			   "%s: this certificate is not for %s: get one that has the domain among "
			   "its names\n",
			   loading->file, loading->certificate->name);
	else if (problem == CERTIFICATE_ALONE)
		certificate_explain_incomplete(loading->file, shown, loading->note);
	else if (problem != CERTIFICATE_FINE)
		buf_printf(loading->note, "%s: %s\n", loading->file, texts[problem]);
}

static void judge(const struct loading *loading, bool first)
{
	struct certificate *certificate = loading->certificate;
	X509 *shown = SSL_CTX_get0_certificate(loading->context);
	int64_t until_s = loading->now_s + seconds_until(X509_get0_notAfter(shown), loading->now_s);
	enum certificate_problem problem = find_problem(loading, shown);

	explain(loading, problem, shown);
	if (first || until_s < certificate->until_s)
		certificate->until_s = until_s;
	if (first || !certificate->problem)
		certificate->problem = problem;
	if (certificate_key_is_open(loading->key, loading->note))
		buf_append_char(loading->note, '\n');
}

bool certificate_key_is_open(const char *key_file, struct buf *why)
{
	struct stat status;

	if (stat(key_file, &status) || !(status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)))
		return false;
	buf_printf(why, "%s: %s: chmod g-w,o-rw %s", key_file,
		   status.st_mode & S_IROTH ? "everybody can read this key"
					    : "others can replace this key",
		   key_file);
	return true;
}

/* The second of a name is there for its key. */
static int check_kind(const struct loading *loading)
{
	if (EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(loading->context)) == EVP_PKEY_EC)
		return 0;
	buf_printf(loading->why, "%s: is no ECDSA key; name others %s%s", loading->key,
		   loading->certificate->name, layouts[0].key);
	return -EINVAL;
}

static bool is_ecdsa_place(const char *file)
{
	return strstr(file, ecdsa_layouts[0].certificate) ||
	       strstr(file, ecdsa_layouts[1].certificate);
}

int certificate_load(struct certificate *certificate, int64_t now_s, SSL_CTX *context,
		     struct buf *note, struct buf *why)
{
	struct loading loading = {.certificate = certificate,
				  .now_s = now_s,
				  .context = context,
				  .note = note,
				  .why = why};
	int rc = 0;

	for (unsigned at = 0; !rc && at < certificate->count; at++) {
		loading.file = buf_text(&certificate->pairs[at].certificate);
		loading.key = buf_text(&certificate->pairs[at].key);
		rc = read_pair(&loading);
		if (!rc && is_ecdsa_place(loading.file))
			rc = check_kind(&loading);
		if (!rc)
			judge(&loading, at == 0);
	}
	ERR_clear_error(); /* or the first connection would find it */
	return rc;
}

/* -- watching it ------------------------------------------------------------------------------ */

static void watch_layouts(const char *dir, const char *name, const struct layout *of,
			  void (*path)(void *arg, const char *path), void *arg)
{
	struct certificate_pair pair = {0};

	for (unsigned at = 0; at < LAYOUTS; at++) {
		set_pair(&pair, dir, name, &of[at]);
		path(arg, buf_text(&pair.certificate));
		path(arg, buf_text(&pair.key));
	}
	buf_fini(&pair.certificate);
	buf_fini(&pair.key);
}

static void watch_name(const char *dir, const char *name, void (*path)(void *arg, const char *path), void *arg)
{
	watch_layouts(dir, name, layouts, path, arg);
	watch_layouts(dir, name, ecdsa_layouts, path, arg);
	for (name = above(name); name; name = above(name))
		watch_layouts(dir, name, layouts, path, arg);
}

void certificate_watch(const struct settings *settings, const char *name,
		       void (*path)(void *arg, const char *path), void *arg)
{
	AUTO(buf_fini) struct buf text = {0};
	const char *ascii = ascii_of(name, &text);

	watch_name(settings->tls.certificates, name, path, arg);
	if (ascii)
		watch_name(settings->tls.certificates, ascii, path, arg);
}

uint64_t certificate_stamp(uint64_t stamp, const char *path)
{
	struct stat status = {0};
	int fault = stat(path, &status) ? errno : 0;
	const uint64_t facts[] = {
		(uint64_t)fault,
		status.st_dev,
		status.st_ino,
		(uint64_t)status.st_size,
		status.st_mode,
		(uint64_t)status.st_mtim.tv_sec,
		(uint64_t)status.st_mtim.tv_nsec,
		(uint64_t)status.st_ctim.tv_sec,
		(uint64_t)status.st_ctim.tv_nsec,
	};

	return hash_bytes((struct hash_key){stamp, 0},
			  (struct slice){(const char *)facts, sizeof(facts)});
}
