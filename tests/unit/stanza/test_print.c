/* SPDX-License-Identifier: MIT */
/* Stanzas as text, and read back. */
#include "stanzas.h"

/* Equal headers, and equal insides as they print. */
static void assert_same(const struct stanza *a, const struct stanza *b)
{
	AUTO(buf_fini) struct buf inside_a = {0}, inside_b = {0};

	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->type, b->type);
	assert_true(slice_equal(a->id, b->id));
	assert_true(slice_equal(a->lang, b->lang));
	assert_true(jid_equal(a->from, b->from));
	assert_true(jid_equal(a->to, b->to));
	nad_print_inside(a->payload, 0, &inside_a);
	nad_print_inside(b->payload, 0, &inside_b);
	assert_string_equal(buf_text(&inside_a), buf_text(&inside_b));
}

static void assert_reads_back(const struct stanza *stanza)
{
	static const struct slice extra = {" xmlns:s='u:s' s:c2s='1.2.3'", 28};
	AUTO(buf_fini) struct buf plain = {0}, route = {0};
	AUTO(stanza_free) struct stanza *from_plain = NULL, *from_route = NULL;
	struct nad *nad;
	struct slice value;

	stanza_print(stanza, &plain);
	nad = read_in_stream(buf_slice(&plain));
	assert_int_equal(stanza_from_nad(&nad, &from_plain), 0);
	assert_same(stanza, from_plain);

	stanza_print_route(stanza, extra, &route);
	nad = read_nad(buf_slice(&route));
	assert_true(nad_attr(nad, 0, "u:s", "c2s", &value));
	assert_slice(value, "1.2.3");
	assert_int_equal(stanza_from_nad(&nad, &from_route), 0);
	assert_same(stanza, from_route);
}

static void what_is_printed_reads_back_equal(void **state)
{
	static const char *const texts[] = {
		"<message/>",
		"<message id='' type='normal'/>",
		"<message type='chat' id=\"it's &lt;&quot;&amp;\" from='a@b/c d' to='e' "
		"xml:lang='en'>x<body>&lt;y&gt;</body>z</message>",
		"<presence><show>away</show><c xmlns='http://jabber.org/protocol/caps' "
		"ver='&#9;&#10;&#13;'/></presence>",
		"<iq type='set' id='1'><q xmlns='u:1' xmlns:p='u:2' p:a='1'><p:b/><c "
		"xmlns=''/></q></iq>",
		"<c:message xmlns:c='jabber:client' to='a'><c:body>prefixed</c:body></c:message>",
		"<message><body>a\tb&#13;\nc</body></message>",
		"<message id='\xC3\xBC' "
		"to='\xC3\xBC@\xC3\xBC.example/\xF0\x9F\x93\xB1'><body>\xE2\x82\xAC</body></"
		"message>",
	};

	for (size_t at = 0; at < countof(texts); at++) {
		AUTO(stanza_free) struct stanza *stanza = read_stanza(texts[at]);

		AUTO(stanza_free) struct stanza *copy = stanza_copy(stanza);

		for (int times = 0; times < 3; times++)
			assert_reads_back(copy);
	}
}

static void the_header_wins_over_the_attributes(void **state)
{
	AUTO(stanza_free)
	struct stanza *stanza = read_stanza(
		"<message type='chat' id='1' from='a' to='b' xml:lang='de'><body/></message>");
	AUTO(jid_free) struct jid *to = jid_parse(SLICE("c@d/e"));

	stanza_set_from(stanza, NULL);
	stanza_set_to(stanza, to);
	stanza->type = STANZA_HEADLINE;
	stanza->id = SLICE("2");
	stanza->lang = (struct slice){NULL, 0};
	assert_prints(stanza, "<message type='headline' id='2' to='c@d/e'><body/></message>");
}

static void unknown_attributes_stay(void **state)
{
	AUTO(stanza_free)
	struct stanza *stanza =
		read_stanza("<message extra='1' xmlns:x='u:x' x:y='2' other=\"it's\" lang='en'/>");

	assert_prints(stanza, "<message extra='1' other='it&apos;s' lang='en'></message>");
}

/* To jabberd2's parts, and so to ours beside them, it says that a session is over. */
static void nobody_s_failed_is_passed_on(void **state)
{
	AUTO(stanza_free) struct stanza *stanza = read_stanza("<message failed='1' id='2'/>");

	assert_prints(stanza, "<message id='2'></message>");
}

static void white_space_in_attributes_survives(void **state)
{
	AUTO(stanza_free)
	struct stanza *stanza =
		read_stanza("<iq type='get' id='&#9;a&#10;b&#13;c &#9;' thing='&#10;'/>");

	assert_slice(stanza->id, "\ta\nb\rc \t");
	assert_prints(stanza, "<iq type='get' id='&#9;a&#10;b&#13;c &#9;' thing='&#10;'></iq>");
	assert_reads_back(stanza);
}

static void a_route_declares_the_namespace(void **state)
{
	AUTO(stanza_free) struct stanza *stanza = read_stanza("<presence to='a'/>");
	AUTO(buf_fini) struct buf out = {0};

	stanza_print_route(stanza, SLICE(" a='1'"), &out);
	assert_string_equal(buf_text(&out),
			    "<presence a='1' xmlns='jabber:client' to='a'></presence>");
}

static void a_delay_is_stamped_by_the_server_that_kept_it(void **state)
{
	AUTO(stanza_free)
	struct stanza *stanza =
		read_stanza("<message to='ann@a.example/x'><body>hi</body></message>");

	stanza->delay_ms = 1795329689123;
	assert_prints(stanza, "<message to='ann@a.example/x'><body>hi</body>"
			      "<delay xmlns='urn:xmpp:delay' from='a.example' "
			      "stamp='2026-11-22T06:41:29.123Z'/></message>");
	stanza_set_to(stanza, NULL);
	assert_prints(stanza,
		      "<message><body>hi</body>"
		      "<delay xmlns='urn:xmpp:delay' stamp='2026-11-22T06:41:29.123Z'/></message>");
}

static void copies_share_what_they_print(void **state)
{
	AUTO(stanza_free)
	struct stanza *stanza = read_stanza("<message to='a'><body>hi</body></message>");
	AUTO(stanza_free) struct stanza *copy = stanza_copy(stanza);

	assert_prints(stanza, "<message to='a'><body>hi</body></message>");
	stanza_set_to(copy, NULL);
	assert_prints(copy, "<message><body>hi</body></message>");
	assert_prints(stanza, "<message to='a'><body>hi</body></message>");
}

static void a_value_of_any_length_is_escaped(void **state)
{
	AUTO(buf_fini) struct buf out = {0};

	stanza_print_value((struct slice){NULL, 0}, &out);
	assert_int_equal(buf_used(&out), 0);
	stanza_print_value(SLICE("\t<\n'"), &out);
	assert_string_equal(buf_text(&out), "&#9;&lt;&#10;&apos;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_reads_back_equal),
		cmocka_unit_test(the_header_wins_over_the_attributes),
		cmocka_unit_test(unknown_attributes_stay),
		cmocka_unit_test(nobody_s_failed_is_passed_on),
		cmocka_unit_test(white_space_in_attributes_survives),
		cmocka_unit_test(a_route_declares_the_namespace),
		cmocka_unit_test(a_delay_is_stamped_by_the_server_that_kept_it),
		cmocka_unit_test(copies_share_what_they_print),
		cmocka_unit_test(a_value_of_any_length_is_escaped),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
