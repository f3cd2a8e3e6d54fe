/* SPDX-License-Identifier: MIT */
/* What a stream under TLS can be bound to, RFC 9266 and RFC 5929, and whose certificate its client has. */
#include "sx/plugins.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include "base/mem.h"
#include "sx/plugins/internal.h"

enum { EXPORTED_LEN = 32 };
#define EXPORTER_LABEL "EXPORTER-Channel-Binding"

/* Without it two connections of TLS 1.2 may have the same master secret (RFC 7627). */
static bool is_extended(SSL *ssl)
{
	return SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1;
}

static bool exporter(SSL *ssl, struct buf *out)
{
	unsigned char bytes[EXPORTED_LEN];

	if (!is_extended(ssl))
		return false;
	if (!out)
		return true;
	if (SSL_export_keying_material(ssl, bytes, sizeof(bytes), EXPORTER_LABEL,
				       sizeof(EXPORTER_LABEL) - 1, (const unsigned char *)"", 0,
				       1) != 1)
		return false;
	buf_append(out, bytes, sizeof(bytes));
	mem_wipe(bytes, sizeof(bytes));
	return true;
}

/* The first Finished of the latest handshake: the client's, but the server's when it resumed. */
static bool unique(SSL *ssl, struct buf *out)
{
	bool resumed = SSL_session_reused(ssl);
	bool ours = resumed == (SSL_is_server(ssl) != 0);
	unsigned char bytes[EVP_MAX_MD_SIZE];
	size_t len;

	if (SSL_version(ssl) != TLS1_2_VERSION || (resumed && !is_extended(ssl)))
		return false;
	if (!out)
		return true;
	len = ours ? SSL_get_finished(ssl, bytes, sizeof(bytes))
		   : SSL_get_peer_finished(ssl, bytes, sizeof(bytes));
	if (len == 0 || len > sizeof(bytes))
		return false;
	buf_append(out, bytes, len);
	return true;
}

/* The hash of its signature, but SHA-256 for one that is broken. None: it is not defined. */
static const EVP_MD *hash_of(const X509 *certificate)
{
	int hash = NID_undef;

	if (!X509_get_signature_info((X509 *)certificate, &hash, NULL, NULL, NULL))
		return NULL;
	if (hash == NID_md5 || hash == NID_sha1)
		hash = NID_sha256;
	return EVP_get_digestbynid(hash);
}

static unsigned hash_certificate(const X509 *certificate, unsigned char bytes[EVP_MAX_MD_SIZE])
{
	const EVP_MD *hash = certificate ? hash_of(certificate) : NULL;
	unsigned len = 0;

	return hash && X509_digest(certificate, hash, bytes, &len) == 1 ? len : 0;
}

/* A session that is resumed has seen its certificate already. */
static int remember(SSL *ssl, void *arg)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned len = SSL_session_reused(ssl) ? 0 : hash_certificate(SSL_get_certificate(ssl), bytes);

	return !len || SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), bytes, len);
}

void sx_tls_remembers(SSL_CTX *context)
{
	SSL_CTX_set_session_ticket_cb(context, remember, NULL, NULL);
}

static bool remembered(SSL *ssl, struct buf *out)
{
	void *bytes = NULL;
	size_t len = 0;

	if (!SSL_is_server(ssl) || !SSL_session_reused(ssl) ||
	    !SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl), &bytes, &len) || !len)
		return false;
	if (out)
		buf_append(out, bytes, len);
	return true;
}

static bool end_point(SSL *ssl, struct buf *out)
{
	X509 *theirs = SSL_is_server(ssl) ? NULL : SSL_get1_peer_certificate(ssl);
	const X509 *certificate = theirs ? theirs : SSL_get_certificate(ssl);
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned len;

	if (out)
		buf_append(out, bytes, len = hash_certificate(certificate, bytes));
	else
		len = certificate && hash_of(certificate);
	X509_free(theirs);
	return len > 0;
}

bool sx_tls_binding(const struct sx *sx, enum sx_tls_binding type, struct buf *out)
{
	static bool (*const types[SX_TLS_BINDINGS])(SSL *ssl, struct buf *out) = {
		[SX_TLS_EXPORTER] = exporter,
		[SX_TLS_UNIQUE] = unique,
		[SX_TLS_SERVER_END_POINT] = end_point,
	};
	SSL *ssl = sx_tls_ssl(sx);

	return ssl && ((type == SX_TLS_SERVER_END_POINT && remembered(ssl, out)) || types[type](ssl, out));
}

/* -- the client's certificate ---------------------------------------------------------------------- */

/* NULL: it is none. */
static const ASN1_STRING *address_of(const GENERAL_NAME *name)
{
	ASN1_OBJECT *kind = OBJ_txt2obj("1.3.6.1.5.5.7.8.5", 1);
	bool is_address = name->type == GEN_OTHERNAME && OBJ_cmp(name->d.otherName->type_id, kind) == 0 &&
			  name->d.otherName->value->type == V_ASN1_UTF8STRING;

	ASN1_OBJECT_free(kind);
	return is_address ? name->d.otherName->value->value.utf8string : NULL;
}

static const ASN1_STRING *email_of(const GENERAL_NAME *name)
{
	return name->type == GEN_EMAIL ? name->d.rfc822Name : NULL;
}

/* Of one kind; false: there was none. */
static bool tell_kind(const GENERAL_NAMES *names, const ASN1_STRING *(*of)(const GENERAL_NAME *name),
		      void (*tell)(void *to, struct slice name), void *to)
{
	bool told = false;

	for (int at = 0; at < sk_GENERAL_NAME_num(names); at++) {
		const ASN1_STRING *text = of(sk_GENERAL_NAME_value(names, at));

		if (!text)
			continue;
		told = true;
		tell(to, (struct slice){(const char *)ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)});
	}
	return told;
}

static void tell_names(const X509 *certificate, bool email, void (*tell)(void *to, struct slice name), void *to)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

	if (!tell_kind(names, address_of, tell, to) && email)
		tell_kind(names, email_of, tell, to);
	GENERAL_NAMES_free(names);
}

/* A session that is resumed was checked when it began: it may be too old by now. */
const char *sx_tls_client(const struct sx *sx, bool email, void (*name)(void *to, struct slice name), void *to)
{
	SSL *ssl = sx_tls_ssl(sx);
	const X509 *certificate = ssl ? SSL_get0_peer_certificate(ssl) : NULL;

	if (!certificate || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE)
		return "no certificate was given";
	if (SSL_get_verify_result(ssl) != X509_V_OK)
		return X509_verify_cert_error_string(SSL_get_verify_result(ssl));
	if (!sx_tls_trusts(sx))
		return "those who sign clients' certificates are others by now";
	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0)
		return X509_verify_cert_error_string(X509_V_ERR_CERT_HAS_EXPIRED);
	tell_names(certificate, email, name, to);
	ERR_clear_error();
	return NULL;
}

const char *sx_tls_version(const struct sx *sx)
{
	SSL *ssl = sx_tls_ssl(sx);

	return ssl ? SSL_get_version(ssl) : NULL;
}

uint16_t sx_tls_number(const struct sx *sx)
{
	SSL *ssl = sx_tls_ssl(sx);

	return ssl ? (uint16_t)SSL_version(ssl) : 0;
}
