/* SPDX-License-Identifier: MIT */
/* Whose a certificate is: the names of RFC 6120 section 13.7.1.2. */
#include "component/certificate_name.h"

#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* names as in openssl's configuration; NULL: none but the common name. */
static bool covers(const char *common, const char *names, const char *domain)
{
	X509 *certificate = X509_new();
	X509_EXTENSION *extension = NULL;
	bool covered;

	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
				   (const unsigned char *)common, -1, -1, 0);
	if (names)
		extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
	if (extension)
		X509_add_ext(certificate, extension, -1);
	assert_int_equal(names != NULL, extension != NULL);
	covered = certificate_covers(certificate, domain);
	X509_EXTENSION_free(extension);
	X509_free(certificate);
	return covered;
}

static void by_a_name_of_the_dns(void **state)
{
	assert_true(covers("x", "DNS:a.example,DNS:b.example", "b.example"));
	assert_true(covers("x", "DNS:B.Example", "b.example"));
	assert_true(covers("x", "DNS:*.b.example", "chat.b.example"));
	assert_false(covers("x", "DNS:*.b.example", "b.example"));
	assert_false(covers("x", "DNS:*.b.example", "a.chat.b.example"));
	assert_false(covers("x", "DNS:a.example", "b.example"));
}

static void by_a_name_in_other_letters(void **state)
{
	assert_true(covers("x", "DNS:xn--bcher-kva.example",
			   "b\xc3\xbc"
			   "cher.example"));
	assert_false(covers("x", "DNS:xn--bcher-kva.example", "bucher.example"));
}

static void by_the_names_of_xmpp(void **state)
{
	assert_true(covers("x", "otherName:1.3.6.1.5.5.7.8.5;UTF8:b.example", "b.example"));
	assert_false(covers("x", "otherName:1.3.6.1.5.5.7.8.5;UTF8:ann@b.example", "b.example"));
	assert_true(covers("x", "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_xmpp-client.b.example",
			   "b.example"));
	assert_false(covers("x", "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_xmpp-server.b.example",
			    "b.example"));
}

static void by_the_common_name_where_there_is_no_other(void **state)
{
	assert_true(covers("b.example", NULL, "b.example"));
	assert_false(covers("b.example", "DNS:a.example", "b.example"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_a_name_of_the_dns),
		cmocka_unit_test(by_a_name_in_other_letters),
		cmocka_unit_test(by_the_names_of_xmpp),
		cmocka_unit_test(by_the_common_name_where_there_is_no_other),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
