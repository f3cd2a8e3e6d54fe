/* SPDX-License-Identifier: MIT */
#include "component/client_ca.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include "component/certificate.h"
#include "component/settings.h"

enum { DEPTH_MAX = 8, CHAIN_BYTES = 32 << 10 };
static const unsigned char session_context[] = "jackdaw client";

/* What a certificate is worth is asked when somebody wants to log in by it: OpenSSL keeps the error. */
static int go_on(int fine, X509_STORE_CTX *check)
{
	return 1;
}

int client_ca_use(const struct settings *settings, SSL_CTX *context, struct buf *why)
{
	const char *ca = settings->tls.client_ca;
	STACK_OF(X509_NAME) *names;

	if (!*ca)
		return 0;
	names = certificate_is_file(ca) ? SSL_load_client_CA_file(ca) : NULL;
	if (!names || !SSL_CTX_load_verify_file(context, ca)) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		buf_printf(why, "tls.client_ca: %s: has no certificate in PEM form", ca);
		ERR_clear_error();
		return -EINVAL;
	}
	SSL_CTX_set_client_CA_list(context, names);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, go_on);
	SSL_CTX_set_verify_depth(context, DEPTH_MAX);
	SSL_CTX_set_max_cert_list(context, CHAIN_BYTES);
	/* Without one, who has a certificate could not resume. */
	SSL_CTX_set_session_id_context(context, session_context, sizeof(session_context) - 1);
	return 0;
}

int client_ca_check(const struct settings *settings, struct buf *why)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	int rc = context ? client_ca_use(settings, context, why) : -ENOMEM;

	SSL_CTX_free(context);
	return rc;
}
