/* SPDX-License-Identifier: MIT */
/* The examples of XEP-0115 and XEP-0390, and what is not hashed. */
#include "stanza/caps.h"

#include "stanzas.h"

#define QUERY(inside) "<query xmlns='http://jabber.org/protocol/disco#info'>" inside "</query>"
#define FEATURE(var) "<feature var='" var "'/>"
#define FORM(fields) "<x xmlns='jabber:x:data' type='result'>" fields "</x>"
#define FORM_TYPE(type) "<field var='FORM_TYPE' type='hidden'><value>" type "</value></field>"
#define FIELD(var, value) "<field var='" var "'><value>" value "</value></field>"

static int text_of(enum caps_version version, const char *query, struct buf *out)
{
	AUTO(nad_free) struct nad *nad = read_nad(slice_of(query));

	return caps_text(version, nad, 0, out);
}

static void expect_hash(enum caps_version version, const char *algorithm, const char *query, const char *hash)
{
	AUTO(buf_fini) struct buf text = {0}, out = {0};

	assert_int_equal(text_of(version, query, &text), 0);
	assert_true(caps_hash(version, slice_of(algorithm), buf_slice(&text), &out));
	assert_string_equal(buf_text(&out), hash);
}

static void expect_text(enum caps_version version, const char *query, const char *text)
{
	AUTO(buf_fini) struct buf out = {0};

	assert_int_equal(text_of(version, query, &out), 0);
	assert_string_equal(buf_text(&out), text);
}

static void expect_ill_formed(enum caps_version version, const char *query)
{
	AUTO(buf_fini) struct buf out = {0};

	assert_int_equal(text_of(version, query, &out), CAPS_ILL_FORMED);
	assert_int_equal(buf_used(&out), 0);
}

/* -- XEP-0115 -- */

static const char exodus[] = QUERY("<identity category='client' type='pc' name='Exodus 0.9.1'/>"
				   FEATURE("http://jabber.org/protocol/muc") FEATURE("http://jabber.org/protocol/caps")
				   FEATURE("http://jabber.org/protocol/disco#items")
				   FEATURE("http://jabber.org/protocol/disco#info"));

#define PSI_FORM FORM(FORM_TYPE("urn:xmpp:dataforms:softwareinfo")                                                     \
		      "<field var='ip_version' type='text-multi'><value>ipv6</value><value>ipv4</value></field>"      \
		      FIELD("os", "Mac") FIELD("os_version", "10.5.1") FIELD("software", "Psi")                        \
		      FIELD("software_version", "0.11"))
#define PSI(more)                                                                                                      \
	QUERY("<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>"                                  \
	      "<identity xml:lang='el' category='client' name='\xce\xa8 0.11' type='pc'/>"                             \
	      FEATURE("http://jabber.org/protocol/caps") FEATURE("http://jabber.org/protocol/disco#info")              \
	      FEATURE("http://jabber.org/protocol/disco#items") FEATURE("http://jabber.org/protocol/muc") more)

static void hashes_the_examples_of_xep_0115(void **state)
{
	expect_text(CAPS_1, exodus,
		    "client/pc//Exodus 0.9.1<http://jabber.org/protocol/caps<http://jabber.org/protocol/disco#info<"
		    "http://jabber.org/protocol/disco#items<http://jabber.org/protocol/muc<");
	expect_hash(CAPS_1, "sha-1", exodus, "QgayPKawpkPSDYmwT/WM94uAlu0=");
	expect_hash(CAPS_1, "sha-1", PSI(PSI_FORM), "q07IKJEyjvHSyhy//CH0CxmKi8w=");
}

/* "a-" stands behind "a" although "-" stands before "/", and "<" after it. */
static void sorts_texts_not_what_ends_them(void **state)
{
	expect_text(CAPS_1,
		    QUERY("<identity category='a-' type='t'/><identity category='a' type='t'/>" FEATURE("b!") FEATURE("b")),
		    "a/t//<a-/t//<b<b!<");
	expect_text(CAPS_1, QUERY(FORM(FORM_TYPE("b!")) FORM(FORM_TYPE("b") FIELD("w", "1") "<field var='v'/>")),
		    "b<v<w<1<b!<");
}

static void leaves_out_forms_of_no_type(void **state)
{
	expect_hash(CAPS_1, "sha-1", PSI(PSI_FORM FORM(FIELD("os", "Mac")) FORM("<field var='FORM_TYPE' type='hidden'/>")
					 FORM("<field var='FORM_TYPE'><value>x</value></field>")
					 "<other xmlns='urn:other'/>"),
		    "q07IKJEyjvHSyhy//CH0CxmKi8w=");
}

/* Section 5.4, points 3.3 to 3.5. */
static void refuses_what_is_there_twice(void **state)
{
	expect_ill_formed(CAPS_1, QUERY("<identity category='c' type='t'/><identity type='t' category='c'/>"));
	expect_ill_formed(CAPS_1, QUERY(FEATURE("a") FEATURE("b") FEATURE("a")));
	expect_ill_formed(CAPS_1, QUERY(FORM(FORM_TYPE("t") FIELD("a", "1")) FORM(FORM_TYPE("t"))));
	expect_ill_formed(CAPS_1, QUERY(FORM("<field var='FORM_TYPE' type='hidden'><value>a</value><value>b</value></field>")));
	expect_ill_formed(CAPS_1, QUERY(FORM(FORM_TYPE("a") FORM_TYPE("b"))));
	expect_text(CAPS_1, QUERY(FORM("<field var='FORM_TYPE' type='hidden'><value>a</value><value>a</value></field>")), "a<");
	expect_text(CAPS_1, QUERY("<identity category='c' type='t' name='a'/><identity category='c' type='t' name='b'/>"),
		    "c/t//a<c/t//b<");
}

/* One feature, or two? */
static void refuses_what_could_be_read_in_two_ways(void **state)
{
	expect_ill_formed(CAPS_1, QUERY(FEATURE("a&lt;b")));
	expect_ill_formed(CAPS_1, QUERY("<identity category='c' type='t' name='n&lt;a'/>"));
	expect_ill_formed(CAPS_1, QUERY(FORM(FORM_TYPE("t") FIELD("a", "1&lt;b"))));
}

/* -- XEP-0390 -- */

static const char bombus[] =
	QUERY("<identity category='client' name='BombusMod' type='mobile'/>" FEATURE("http://jabber.org/protocol/si")
	      FEATURE("http://jabber.org/protocol/bytestreams") FEATURE("http://jabber.org/protocol/chatstates")
	      FEATURE("http://jabber.org/protocol/disco#info") FEATURE("http://jabber.org/protocol/disco#items")
	      FEATURE("urn:xmpp:ping") FEATURE("jabber:iq:time") FEATURE("jabber:iq:privacy") FEATURE("jabber:iq:version")
	      FEATURE("http://jabber.org/protocol/rosterx") FEATURE("urn:xmpp:time") FEATURE("jabber:x:oob")
	      FEATURE("http://jabber.org/protocol/ibb") FEATURE("http://jabber.org/protocol/si/profile/file-transfer")
	      FEATURE("urn:xmpp:receipts") FEATURE("jabber:iq:roster") FEATURE("jabber:iq:last"));

#define PROTOCOL(name) FEATURE("http://jabber.org/protocol/" name)
static const char tkabber[] =
	QUERY("<identity category='client' name='Tkabber' type='pc' xml:lang='en'/>"
	      "<identity category='client' name='\xd0\xa2\xd0\xba\xd0\xb0\xd0\xb1\xd0\xb1\xd0\xb5\xd1\x80' type='pc' xml:lang='ru'/>"
	      FEATURE("games:board") PROTOCOL("activity") PROTOCOL("activity+notify") PROTOCOL("bytestreams")
	      PROTOCOL("chatstates") PROTOCOL("commands") PROTOCOL("disco#info") PROTOCOL("disco#items") PROTOCOL("evil")
	      PROTOCOL("feature-neg") PROTOCOL("geoloc") PROTOCOL("geoloc+notify") PROTOCOL("ibb") PROTOCOL("iqibb")
	      PROTOCOL("mood") PROTOCOL("mood+notify") PROTOCOL("rosterx") PROTOCOL("si") PROTOCOL("si/profile/file-transfer")
	      PROTOCOL("tune") FEATURE("http://www.facebook.com/xmpp/messages")
	      FEATURE("http://www.xmpp.org/extensions/xep-0084.html#ns-metadata+notify") FEATURE("jabber:iq:avatar")
	      FEATURE("jabber:iq:browse") FEATURE("jabber:iq:dtcp") FEATURE("jabber:iq:filexfer") FEATURE("jabber:iq:ibb")
	      FEATURE("jabber:iq:inband") FEATURE("jabber:iq:jidlink") FEATURE("jabber:iq:last") FEATURE("jabber:iq:oob")
	      FEATURE("jabber:iq:privacy") FEATURE("jabber:iq:roster") FEATURE("jabber:iq:time") FEATURE("jabber:iq:version")
	      FEATURE("jabber:x:data") FEATURE("jabber:x:event") FEATURE("jabber:x:oob")
	      FEATURE("urn:xmpp:avatar:metadata+notify") FEATURE("urn:xmpp:ping") FEATURE("urn:xmpp:receipts")
	      FEATURE("urn:xmpp:time")
	      FORM(FORM_TYPE("urn:xmpp:dataforms:softwareinfo") FIELD("software", "Tkabber")
		   FIELD("software_version", "0.11.1-svn-20111216-mod (Tcl/Tk 8.6b2)") FIELD("os", "Windows")
		   FIELD("os_version", "XP")));

static void hashes_the_examples_of_xep_0390(void **state)
{
	expect_hash(CAPS_2, "sha-256", bombus, "kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8=");
	expect_hash(CAPS_2, "sha3-256", bombus, "79mdYAfU9rEdTOcWDO7UEAt6E56SUzk/g6TnqUeuD9Q=");
	expect_hash(CAPS_2, "sha-256", tkabber, "u79ZroNJbdSWhdSp311mddz44oHHPsEBntQ5b1jqBSY=");
	expect_hash(CAPS_2, "sha3-256", tkabber, "XpUJzLAc93258sMECZ3FJpebkzuyNXDzRNwQog8eycg=");
}

static void an_identity_has_the_language_around_it(void **state)
{
	expect_text(CAPS_2, "<query xmlns='http://jabber.org/protocol/disco#info' xml:lang='de'>"
			    "<identity category='c' type='t'/><identity category='c' type='u' xml:lang='en'/></query>",
		    "\x1c"
		    "c\x1ft\x1f"
		    "de\x1f\x1f\x1e"
		    "c\x1fu\x1f"
		    "en\x1f\x1f\x1e\x1c\x1c");
}

static void refuses_what_xep_0390_does_not_hash(void **state)
{
	expect_ill_formed(CAPS_2, QUERY("<other xmlns='urn:other'/>"));
	expect_ill_formed(CAPS_2, QUERY("<item/>"));
	expect_ill_formed(CAPS_2, QUERY(FORM(FIELD("os", "Mac"))));
	expect_ill_formed(CAPS_2, QUERY(FORM("<field var='FORM_TYPE'><value>x</value></field>")));
	expect_ill_formed(CAPS_2, QUERY(FORM(FORM_TYPE("x") "<reported/>")));
	expect_ill_formed(CAPS_2, QUERY(FORM(FORM_TYPE("x") "<item/>")));
}

static void each_version_has_its_algorithms(void **state)
{
	AUTO(buf_fini) struct buf out = {0};

	assert_true(caps_knows(CAPS_1, SLICE("sha-1")) && caps_knows(CAPS_2, SLICE("sha3-512")));
	assert_false(caps_knows(CAPS_2, SLICE("sha-1")));
	assert_false(caps_hash(CAPS_2, SLICE("sha-1"), SLICE(""), &out));
	assert_false(caps_hash(CAPS_1, SLICE("md5"), SLICE(""), &out));
	assert_false(caps_hash(CAPS_1, SLICE(""), SLICE(""), &out));
	assert_int_equal(buf_used(&out), 0);
	assert_true(caps_hash(CAPS_1, SLICE("sha-512"), (struct slice){NULL, 0}, &out));
	assert_int_equal(buf_used(&out), 88);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_the_examples_of_xep_0115),
		cmocka_unit_test(sorts_texts_not_what_ends_them),
		cmocka_unit_test(leaves_out_forms_of_no_type),
		cmocka_unit_test(refuses_what_is_there_twice),
		cmocka_unit_test(refuses_what_could_be_read_in_two_ways),
		cmocka_unit_test(hashes_the_examples_of_xep_0390),
		cmocka_unit_test(an_identity_has_the_language_around_it),
		cmocka_unit_test(refuses_what_xep_0390_does_not_hash),
		cmocka_unit_test(each_version_has_its_algorithms),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
