/* SPDX-License-Identifier: MIT */
#include "component/trust.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include "component/settings.h"
#include "component/tls.h"

/* The certificate is in the store itself, not only its CA. */
static bool is_pinned(X509_STORE_CTX *check)
{
	X509 *certificate = X509_STORE_CTX_get0_cert(check);
	STACK_OF(X509) *known =
		X509_STORE_CTX_get1_certs(check, X509_get_subject_name(certificate));
	bool found = false;

	for (int at = 0; at < sk_X509_num(known); at++)
		found = found || X509_cmp(sk_X509_value(known, at), certificate) == 0;
	sk_X509_pop_free(known, X509_free);
	return found;
}

/* Who has the certificate itself needs no name in it to know whose it is (RFC 6125 section 6.6.1).
 */
static int judge(int fine, X509_STORE_CTX *check)
{
	int error = X509_STORE_CTX_get_error(check);

	if (fine ||
	    (error != X509_V_ERR_IP_ADDRESS_MISMATCH && error != X509_V_ERR_HOSTNAME_MISMATCH) ||
	    !is_pinned(check))
		return fine;
	X509_STORE_CTX_set_error(check, X509_V_OK);
	return 1;
}

/* The first in a file: what follows it there are CAs, which are not to be believed for more than
 * it. */
static void add_own(const struct settings *settings, X509_STORE *store)
{
	AUTO(buf_fini) struct buf path = {0};
	X509 *certificate = NULL;
	FILE *file;

	if (!tls_router_certificate(settings, &path))
		return;
	file = fopen(buf_text(&path), "re");
	if (file) {
		certificate = PEM_read_X509(file, NULL, NULL, NULL);
		fclose(file);
	}
	if (certificate)
		X509_STORE_add_cert(store, certificate);
	X509_free(certificate);
}

static int add_believed(const struct settings *settings, SSL_CTX *context, struct buf *why)
{
	const char *ca = settings->router.ca;

	if (!*ca)
		return SSL_CTX_set_default_verify_paths(context) ? 0 : -EINVAL;
	if (SSL_CTX_load_verify_file(context, ca))
		return 0;
	buf_printf(why, "router.ca: %s: has no certificate in PEM form", ca);
	return -EINVAL;
}

SSL_CTX *trust_new(const struct settings *settings, struct buf *why)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int rc = context ? add_believed(settings, context, why) : -ENOMEM;

	if (!rc) {
		SSL_CTX_set_min_proto_version(context, settings->tls.minimum ? TLS1_3_VERSION
									     : TLS1_2_VERSION);
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, judge);
		X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
		add_own(settings, SSL_CTX_get_cert_store(context));
	} else {
		if (!buf_used(why))
			buf_append_text(why, "router.tls: cannot prepare TLS");
		SSL_CTX_free(context);
		context = NULL;
	}
	ERR_clear_error();
	return context;
}

int trust_check(const struct settings *settings, struct buf *why)
{
	SSL_CTX *context = trust_new(settings, why);
	bool made = context != NULL;

	SSL_CTX_free(context);
	return made ? 0 : -EINVAL;
}

void trust_explain(int distrust, const char *host, struct buf *out)
{
	switch (distrust) {
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
	case X509_V_ERR_HOSTNAME_MISMATCH:
		buf_printf(out,
			   "its certificate is not for %s: make it one with that address "
			   "(subjectAltName), or put the "
			   "certificate itself into the file of router.ca",
			   host);
		break;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		buf_append_text(out, "its certificate has expired: give the router a new one");
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		buf_append_text(out, "its certificate is not valid yet: look at both clocks");
		break;
	default:
		buf_printf(out,
			   "its certificate is not one that we trust (%s): put the CA that signed "
			   "it, or the certificate itself, "
			   "into a file, and name that in router.ca",
			   X509_verify_cert_error_string(distrust));
	}
}
