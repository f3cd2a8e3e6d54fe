/* SPDX-License-Identifier: MIT */
#include "component/certificate_check.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include "component/certificate.h"
#include "component/settings.h"

struct checking {
	const struct settings *settings;
	int64_t now_s;
	X509_STORE *known; /* the CAs of this machine */
	void (*tell)(void *arg, struct certificate_report *report);
	void *arg;
};

/* -- what is in it ------------------------------------------------------------------------ */

static void add_names(const X509 *certificate, struct buf *out)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

	for (int at = 0; at < sk_GENERAL_NAME_num(names); at++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, at);

		if (name->type == GEN_DNS)
			buf_printf(out, "%s%.*s", buf_used(out) ? ", " : "",
				   ASN1_STRING_length(name->d.dNSName),
				   (const char *)ASN1_STRING_get0_data(name->d.dNSName));
	}
	GENERAL_NAMES_free(names);
}

/* X509_V_... of the way from the server's certificate to a CA of this machine. */
static int verify(const struct checking *checking, X509 *certificate, STACK_OF(X509) * chain)
{
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	int error = X509_V_ERR_UNSPECIFIED;

	if (check && X509_STORE_CTX_init(check, checking->known, certificate, chain)) {
		X509_STORE_CTX_set_time(check, 0, (time_t)checking->now_s);
		X509_verify_cert(check);
		error = X509_STORE_CTX_get_error(check);
	}
	X509_STORE_CTX_free(check);
	return error;
}

/* told: what is wrong with the chain, or when it is valid. */
static void check_chain(const struct checking *checking, SSL_CTX *context, bool told, struct certificate_report *report)
{
	X509 *certificate = SSL_CTX_get0_certificate(context);
	STACK_OF(X509) *chain = NULL;
	X509 *last = certificate;
	int error;

	SSL_CTX_get0_chain_certs(context, &chain);
	if (sk_X509_num(chain) > 0)
		last = sk_X509_value(chain, sk_X509_num(chain) - 1);
	error = verify(checking, certificate, chain);
	if (error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT) {
		buf_append_text(&report->chain, "signed by itself");
		return;
	}
	buf_printf(&report->chain, "%d in the file, up to ", 1 + (chain ? sk_X509_num(chain) : 0));
	certificate_add_issuer(last, &report->chain);
	buf_append_text(&report->chain,
			error == X509_V_OK ? ", a CA of this machine" : ", no CA of this machine");
	if (told || error == X509_V_OK || error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN)
		return;
	if (error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY)
		certificate_explain_incomplete(report->certificate, last, &report->problems);
	else
		buf_printf(&report->problems, "%s: nobody will believe it: %s\n", report->certificate, X509_verify_cert_error_string(error));
}

/* -- a pair, a name ----------------------------------------------------------------------- */

static void check_soon(struct certificate_report *report)
{
	if (report->days >= 0 && report->days < CERTIFICATE_SOON_DAYS)
		buf_printf(&report->problems, "%s: expires in %lld days: renew it\n",
			   report->certificate, (long long)report->days);
}

static void check_pair(const struct checking *checking, const struct certificate *of,
		       struct certificate_pair *pair)
{
	struct certificate one = {
		.name = of->name, .is_domain = of->is_domain, .pairs = {*pair}, .count = 1};
	struct certificate_report report = {.name = of->name,
					    .certificate = buf_text(&pair->certificate),
					    .key = buf_text(&pair->key)};
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	AUTO(buf_fini) struct buf why = {0};

	if (!certificate_load(&one, checking->now_s, context, &report.problems, &why)) {
		report.read = true;
		report.days =
			(one.until_s - checking->now_s) / 86400 - (one.until_s < checking->now_s);
		add_names(SSL_CTX_get0_certificate(context), &report.names);
		check_chain(checking, context, one.problem && one.problem != CERTIFICATE_OTHER_NAME, &report);
		check_soon(&report);
	}
	if (buf_used(&why))
		buf_printf(&report.problems, "%s\n", buf_text(&why));
	checking->tell(checking->arg, &report);
	SSL_CTX_free(context);
	buf_fini(&report.names);
	buf_fini(&report.chain);
	buf_fini(&report.problems);
}

static void tell_none(const struct checking *checking, const char *name, struct buf *why)
{
	struct certificate_report report = {.name = name, .certificate = "", .key = ""};

	if (buf_used(why))
		buf_printf(&report.problems, "%s\n", buf_text(why));
	else
		buf_printf(&report.problems,
			   "%s: no certificate in %s: put %s.crt and %s.key there; clients are "
			   "shown a "
			   "self-signed one\n",
			   name, checking->settings->tls.certificates, name, name);
	checking->tell(checking->arg, &report);
	buf_fini(&report.problems);
}

static void check_name(const struct checking *checking, const char *name, bool is_domain)
{
	AUTO(certificate_fini)
	struct certificate certificate = {.name = name, .is_domain = is_domain};
	AUTO(buf_fini) struct buf why = {0};
	int rc = certificate_find(checking->settings, &certificate, &why);

	if (rc == CERTIFICATE_NONE && !is_domain)
		certificate_place_made(checking->settings, &certificate);
	for (unsigned at = 0; at < certificate.count; at++) {
		/* The router's own is made at its first start. */
		if (!certificate.made || certificate_is_there(&certificate.pairs[at]))
			check_pair(checking, &certificate, &certificate.pairs[at]);
	}
	if (rc && is_domain)
		tell_none(checking, name, &why);
}

void certificate_check(const struct settings *settings, int64_t now_s,
		       void (*tell)(void *arg, struct certificate_report *report), void *arg)
{
	struct checking checking = {.settings = settings,
				    .now_s = now_s,
				    .known = X509_STORE_new(),
				    .tell = tell,
				    .arg = arg};

	X509_STORE_set_default_paths(checking.known);
	for (size_t at = 0; at < settings->domains.count; at++)
		check_name(&checking, settings->domains.items[at], true);
	if (settings->router.tls != ROUTER_TLS_OFF)
		check_name(&checking, "router", false);
	X509_STORE_free(checking.known);
	ERR_clear_error();
}
