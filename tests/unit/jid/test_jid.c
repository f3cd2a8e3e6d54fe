/* SPDX-License-Identifier: MIT */
/* Whole addresses: taking apart, putting together, sharing. */
#include "jid/jid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct slice text_of(const char *bytes, size_t len)
{
	return (struct slice){bytes, len};
}

static void assert_slice(struct slice slice, const char *text)
{
	assert_int_equal(slice.len, strlen(text));
	assert_memory_equal(slice.data ? slice.data : "", text, slice.len);
}

/* Parses and compares the full text; want NULL: refused. */
static void assert_parses(const char *text, const char *want)
{
	AUTO(jid_free) struct jid *jid = jid_parse(slice_of(text));

	if (!want && jid)
		fail_msg("'%s' gave '%s'", text, jid_text(jid));
	if (want && !jid)
		fail_msg("'%s' was refused", text);
	assert_string_equal(jid_text(jid), want ? want : "");
}

static void takes_an_address_apart(void **state)
{
	AUTO(jid_free) struct jid *jid = jid_parse(SLICE("Juliet@Example.COM/Balcony Room"));

	assert_non_null(jid);
	assert_slice(jid_full(jid), "juliet@example.com/Balcony Room");
	assert_string_equal(jid_text(jid), "juliet@example.com/Balcony Room");
	assert_slice(jid_user(jid), "juliet@example.com");
	assert_slice(jid_local(jid), "juliet");
	assert_slice(jid_domain(jid), "example.com");
	assert_slice(jid_resource(jid), "Balcony Room");
	assert_false(jid_is_bare(jid));
}

static void knows_a_domain_alone(void **state)
{
	AUTO(jid_free) struct jid *jid = jid_parse(SLICE("example.com"));

	assert_slice(jid_local(jid), "");
	assert_slice(jid_resource(jid), "");
	assert_slice(jid_domain(jid), "example.com");
	assert_slice(jid_user(jid), "example.com");
	assert_true(jid_is_bare(jid));
}

static void parses_what_the_rfc_allows(void **state)
{
	static const char *const vectors[][2] = {
		{"juliet@example.com", "juliet@example.com"},
		{"juliet@example.com/foo", "juliet@example.com/foo"},
		{"juliet@example.com/foo bar", "juliet@example.com/foo bar"},
		{"juliet@example.com/foo@bar", "juliet@example.com/foo@bar"},
		{"example.com/a/b@c/d", "example.com/a/b@c/d"},
		{"foo\\20bar@example.com", "foo\\20bar@example.com"},
		{"fussball@example.com", "fussball@example.com"},
		{"fu\xC3\x9F"
		 "ball@example.com",
		 "fussball@example.com"},
		{"\xCF\x80@example.com", "\xCF\x80@example.com"},
		{"\xCE\xA3@example.com/foo", "\xCF\x83@example.com/foo"},
		{"king@example.com/\xE2\x99\x9A", "king@example.com/\xE2\x99\x9A"},
		{"phone@example.com/\xF0\x9F\x93\xB1", "phone@example.com/\xF0\x9F\x93\xB1"},
		{"a.example.com/b@example.net", "a.example.com/b@example.net"},
		{"example.com.", "example.com"},
		{"a@Example.com./r", "a@example.com/r"},
		{"127.0.0.1", "127.0.0.1"},
		{"a@[2001:DB8:0::1]/r", "a@[2001:db8::1]/r"},
		{"m\xC3\xBC"
		 "ller@B\xC3\x9C"
		 "CHER.example",
		 "m\xC3\xBC"
		 "ller@b\xC3\xBC"
		 "cher.example"},
		{"a@xn--bcher-kva.example", "a@b\xC3\xBC"
					    "cher.example"},
		{"a@example\xE3\x80\x82org", "a@example.org"},
		{"henry\xE2\x85\xA3@example.com", "henryiv@example.com"},
	};

	for (unsigned at = 0; at < countof(vectors); at++)
		assert_parses(vectors[at][0], vectors[at][1]);
}

static void refuses_what_the_rfc_forbids(void **state)
{
	static const char *const vectors[] = {
		"",
		"@",
		"/",
		"@/",
		"@example.com",
		"juliet@",
		"juliet@/r",
		"juliet@example.com/",
		"example.com/",
		"\"juliet\"@example.com",
		"foo bar@example.com",
		"a@b@example.com",
		"a&b@example.com",
		"a'b@example.com",
		"a:b@example.com",
		"a<b@example.com",
		"a>b@example.com",
		"a@exa mple.com",
		"a@example..com",
		"a@.example.com",
		"a@-example.com",
		"a@example-.com",
		"a@exa_mple.com",
		"a@example.com..",
		".",
		"a@[::1",
		"a@[]",
		"a@[::g]",
		"a@[127.0.0.1]",
		"a\x7f@example.com",
		"a@example.com/\x01",
		"a\xC2\xA0@example.com",
		"\xFF@example.com",
		"a@example.com/\xED\xA0\x80",
		"a@\xC3.example",
		"a@x\xEF\xBC\x8Fy.example",
		"\xEF\xBC\xA0@example.com",
		"a@example.com/\xC2\x80",
	};

	for (unsigned at = 0; at < countof(vectors); at++)
		assert_parses(vectors[at], NULL);
}

static void refuses_a_nul_anywhere(void **state)
{
	assert_null(jid_parse(text_of("a\0b@example.com", 15)));
	assert_null(jid_parse(text_of("a@exa\0mple.com", 14)));
	assert_null(jid_parse(text_of("a@example.com/r\0", 16)));
	assert_null(jid_parse(text_of("\xC3\xBC\0b@example.com", 16)));
	assert_null(jid_parse(text_of("\xC3\xBC\0.com", 7)));
	assert_null(jid_parse(text_of("[::1\0]", 6)));
}

static void bounds_each_part(void **state)
{
	char text[JID_MAX + 3];
	struct slice local = {text, JID_PART_MAX}, domain = SLICE("example.com"), none = {NULL, 0};
	AUTO(jid_free) struct jid *jid = NULL;

	memset(text, 'a', sizeof(text));
	jid = jid_make(local, domain, local);
	assert_non_null(jid);
	assert_int_equal(jid_full(jid).len, JID_PART_MAX * 2 + strlen("@example.com/"));
	local.len++;
	assert_null(jid_make(local, domain, none));
	assert_null(jid_make(none, domain, local));
	assert_null(jid_make(none, local, none));
	local.len = 63;
	jid_free(&jid);
	jid = jid_make(none, local, none);
	assert_non_null(jid);
	local.len = 64;
	assert_null(jid_make(none, local, none));
}

static void takes_the_longest_address(void **state)
{
	char text[JID_MAX];
	AUTO(jid_free) struct jid *jid = NULL;

	memset(text, 'a', sizeof(text));
	for (unsigned at = 63; at < JID_PART_MAX; at += 64)
		text[JID_PART_MAX + 1 + at] = '.';
	text[JID_PART_MAX] = '@';
	text[JID_PART_MAX * 2 + 1] = '/';
	jid = jid_parse(text_of(text, sizeof(text)));
	assert_non_null(jid);
	assert_memory_equal(jid_text(jid), text, sizeof(text));
}

static void refuses_text_that_grows_too_long(void **state)
{
	/* U+FDFA becomes 18 characters. */
	char text[JID_PART_MAX];

	for (size_t at = 0; at < sizeof(text); at++)
		text[at] = "\xEF\xB7\xBA"[at % 3];
	assert_null(jid_make((struct slice){NULL, 0}, SLICE("example.com"),
			     text_of(text, sizeof(text))));
}

static void shares_a_bare_address_and_makes_one(void **state)
{
	AUTO(jid_free) struct jid *jid = jid_parse(SLICE("a@example.com/r"));
	AUTO(jid_free) struct jid *bare = jid_bare(jid);
	AUTO(jid_free) struct jid *again = jid_bare(bare);

	assert_string_equal(jid_text(bare), "a@example.com");
	assert_true(jid_is_bare(bare));
	assert_ptr_equal(bare, again);
	assert_true(jid_equal_bare(jid, bare));
	assert_false(jid_equal(jid, bare));
}

static void puts_another_resource_on(void **state)
{
	AUTO(jid_free) struct jid *jid = jid_parse(SLICE("a@example.com/r"));
	AUTO(jid_free) struct jid *other = jid_with_resource(jid, SLICE("S"));
	AUTO(jid_free) struct jid *none = jid_with_resource(jid, (struct slice){NULL, 0});

	assert_string_equal(jid_text(other), "a@example.com/S");
	assert_string_equal(jid_text(none), "a@example.com");
	assert_null(jid_with_resource(jid, SLICE("\x02")));
}

static void compares_with_nothing(void **state)
{
	AUTO(jid_free) struct jid *jid = jid_parse(SLICE("a@example.com/r"));
	AUTO(jid_free) struct jid *same = jid_parse(SLICE("A@EXAMPLE.com/r"));
	struct jid *none = NULL;

	assert_true(jid_equal(jid, same));
	assert_false(jid_equal(jid, NULL));
	assert_false(jid_equal_bare(NULL, jid));
	assert_true(jid_equal(NULL, NULL));
	assert_null(jid_ref(NULL));
	assert_string_equal(jid_text(NULL), "");
	jid_free(&none);
}

static void lives_until_the_last_holder_lets_go(void **state)
{
	struct jid *jid = jid_parse(SLICE("a@example.com"));
	struct jid *other = jid_ref(jid);

	assert_ptr_equal(jid, other);
	jid_free(&jid);
	assert_null(jid);
	assert_string_equal(jid_text(other), "a@example.com");
	jid_free(&other);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_an_address_apart),
		cmocka_unit_test(knows_a_domain_alone),
		cmocka_unit_test(parses_what_the_rfc_allows),
		cmocka_unit_test(refuses_what_the_rfc_forbids),
		cmocka_unit_test(refuses_a_nul_anywhere),
		cmocka_unit_test(bounds_each_part),
		cmocka_unit_test(takes_the_longest_address),
		cmocka_unit_test(refuses_text_that_grows_too_long),
		cmocka_unit_test(shares_a_bare_address_and_makes_one),
		cmocka_unit_test(puts_another_resource_on),
		cmocka_unit_test(compares_with_nothing),
		cmocka_unit_test(lives_until_the_last_holder_lets_go),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("jid", tests, NULL, NULL);
}
