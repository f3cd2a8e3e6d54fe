/* SPDX-License-Identifier: MIT */
#include "component/certificate_name.h"

#include <openssl/x509v3.h>
#include <string.h>
#include "jid/jid.h"

#define OID_XMPP_ADDR "1.3.6.1.5.5.7.8.5" /* RFC 6120 section 13.7.1.4 */
#define OID_SRV_NAME "1.3.6.1.5.5.7.8.7"  /* RFC 4985 */
#define CLIENT_SERVICE "_xmpp-client."

static struct slice text_of(const ASN1_STRING *text)
{
	return (struct slice){(const char *)ASN1_STRING_get0_data(text),
			      (size_t)ASN1_STRING_length(text)};
}

/* The same domain, in whatever form it is written. */
static bool is_domain(struct slice name, const char *domain)
{
	AUTO(buf_fini) struct buf prepared = {0};

	return jid_prep_domain(name, &prepared) && slice_is(buf_slice(&prepared), domain);
}

static bool is_service(struct slice name, const char *domain)
{
	size_t len = sizeof(CLIENT_SERVICE) - 1;

	return name.len > len && !memcmp(name.data, CLIENT_SERVICE, len) &&
	       is_domain((struct slice){name.data + len, name.len - len}, domain);
}

static bool is_other_name(const OTHERNAME *name, const char *domain)
{
	char id[40];

	OBJ_obj2txt(id, sizeof(id), name->type_id, 1);
	if (!strcmp(id, OID_XMPP_ADDR) && name->value->type == V_ASN1_UTF8STRING)
		return is_domain(text_of(name->value->value.utf8string), domain);
	return !strcmp(id, OID_SRV_NAME) && name->value->type == V_ASN1_IA5STRING &&
	       is_service(text_of(name->value->value.ia5string), domain);
}

static bool is_name(const GENERAL_NAME *name, const char *domain)
{
	if (name->type == GEN_DNS)
		return is_domain(text_of(name->d.dNSName), domain);
	return name->type == GEN_OTHERNAME && is_other_name(name->d.otherName, domain);
}

bool certificate_covers(const X509 *certificate, const char *domain)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool found = X509_check_host((X509 *)certificate, domain, 0, 0, NULL) == 1;

	for (int at = 0; !found && at < sk_GENERAL_NAME_num(names); at++)
		found = is_name(sk_GENERAL_NAME_value(names, at), domain);
	GENERAL_NAMES_free(names);
	return found;
}
