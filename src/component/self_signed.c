/* SPDX-License-Identifier: MIT */
#include "component/self_signed.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/conf.h"
#include "component/way.h"
#include "jid/jid.h"
#include "mio/mio.h"

enum { VALID_DAYS = 3650, SERIAL_BYTES = 16, COMMON_NAME_MAX = 64 };
#define OID_XMPP_ADDR "1.3.6.1.5.5.7.8.5" /* RFC 6120 section 13.7.1.4 */

struct making {
	struct mio_host *host;
	const char *name;
	const struct conf_list *addresses;
	const char *certificate_file, *key_file;
};

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

/* Names as RFC 6120 has them: dNSName as DNS writes it, and id-on-xmppAddr. */
static GENERAL_NAMES *alternative_names(const struct making *making)
{
	const char *domain = making->name;
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *dns = GENERAL_NAME_new();
	GENERAL_NAME *xmpp = GENERAL_NAME_new();
	ASN1_IA5STRING *ascii = ASN1_IA5STRING_new();
	ASN1_UTF8STRING *utf8 = ASN1_UTF8STRING_new();
	ASN1_TYPE *value = ASN1_TYPE_new();
	AUTO(buf_fini) struct buf in_dns = {0};
	bool is_in_dns = jid_domain_ascii(slice_of(domain), &in_dns);

	ASN1_STRING_set(ascii, buf_text(&in_dns), -1);
	GENERAL_NAME_set0_value(dns, GEN_DNS, ascii);
	ASN1_STRING_set(utf8, domain, -1);
	ASN1_TYPE_set(value, V_ASN1_UTF8STRING, utf8);
	GENERAL_NAME_set0_othername(xmpp, OBJ_txt2obj(OID_XMPP_ADDR, 1), value);
	if (is_in_dns)
		sk_GENERAL_NAME_push(names, dns);
	else
		GENERAL_NAME_free(dns);
	sk_GENERAL_NAME_push(names, xmpp);
	add_addresses(making->addresses, names);
	return names;
}

static X509 *make_certificate(const struct making *making, EVP_PKEY *key)
{
	struct mio_host *host = making->host;
	const char *domain = making->name;
	X509 *certificate = X509_new();
	GENERAL_NAMES *names = alternative_names(making);
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

static int write_pair(const struct making *making, EVP_PKEY *key, X509 *certificate)
{
	BIO *key_text = BIO_new(BIO_s_secmem());
	BIO *text = BIO_new(BIO_s_mem());
	int rc = -EIO;

	if (PEM_write_bio_PKCS8PrivateKey(key_text, key, NULL, NULL, 0, NULL, NULL) &&
	    PEM_write_bio_X509(text, certificate))
		rc = write_bio(making->key_file, key_text);
	if (!rc)
		rc = write_bio(making->certificate_file, text);
	BIO_free(key_text);
	BIO_free(text);
	return rc;
}

int self_signed_make(struct mio_host *host, const char *name, const struct conf_list *addresses,
		     const char *certificate_file, const char *key_file, struct buf *why)
{
	const struct making making = {host, name, addresses, certificate_file, key_file};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = key ? make_certificate(&making, key) : NULL;
	int rc = certificate ? write_pair(&making, key, certificate) : -EIO;

	X509_free(certificate);
	EVP_PKEY_free(key);
	if (rc)
		buf_printf(why, "%s: cannot be written: %s", key_file, strerror(-rc));
	return rc;
}
