/* SPDX-License-Identifier: MIT */
/* Stanza headers: reading, copying, answering. */
#include "stanzas.h"

#define CHAT                                                                                       \
	"<message type='chat' id='m1' from='ann@a.example/x' to='bob@b.example' "                  \
	"xml:lang='de'><body>hi</body></message>"

static void reads_the_header(void **state)
{
	AUTO(stanza_free) struct stanza *stanza = read_stanza(CHAT);

	assert_int_equal(stanza->kind, STANZA_MESSAGE);
	assert_int_equal(stanza->type, STANZA_CHAT);
	assert_slice(stanza->id, "m1");
	assert_slice(stanza->lang, "de");
	assert_string_equal(jid_text(stanza->from), "ann@a.example/x");
	assert_string_equal(jid_text(stanza->to), "bob@b.example");
	assert_int_equal(stanza->origin.count, 0);
	assert_int_equal(stanza->delay_ms, 0);
}

static void refuses_what_is_no_stanza(void **state)
{
	static const char *const texts[] = {"<body/>", "<message xmlns='jabber:server'/>",
					    "<message xmlns=''/>", "<messages/>", "<Message/>"};

	for (size_t at = 0; at < countof(texts); at++) {
		struct stanza *stanza = (struct stanza *)state;

		assert_int_equal(read_with(texts[at], &stanza), STANZA_NOT_ONE);
		assert_null(stanza);
	}
}

static void a_bad_address_still_makes_a_stanza(void **state)
{
	struct stanza *stanza;

	assert_int_equal(read_with("<iq type='get' id='1' to='@@'/>", &stanza), STANZA_BAD_TO);
	assert_null(stanza->to);
	stanza_free(&stanza);
	assert_int_equal(read_with("<iq type='get' from='a b@c' to='d'/>", &stanza),
			 STANZA_BAD_FROM);
	assert_null(stanza->from);
	assert_string_equal(jid_text(stanza->to), "d");
	stanza_free(&stanza);
	assert_int_equal(read_with("<iq type='get' from='@' to=''/>", &stanza), STANZA_BAD_TO);
	stanza_free(&stanza);
	assert_null(stanza);
}

static void a_bad_type_is_no_fault(void **state)
{
	AUTO(stanza_free) struct stanza *stanza = read_stanza("<iq id='1' type='put'/>");

	assert_int_equal(stanza->type, STANZA_TYPE_BAD);
}

static void attributes_of_other_namespaces_are_not_the_header(void **state)
{
	AUTO(stanza_free)
	struct stanza *stanza =
		read_stanza("<message xmlns:x='urn:x' x:to='a' x:type='chat' x:id='1' lang='en'/>");

	assert_null(stanza->to);
	assert_int_equal(stanza->type, STANZA_NONE);
	assert_int_equal(stanza->id.len, 0);
	assert_int_equal(stanza->lang.len, 0);
}

static void copies_share_the_payload(void **state)
{
	struct stanza *stanza = read_stanza(CHAT);
	AUTO(stanza_free) struct stanza *copy = stanza_copy(stanza);
	AUTO(jid_free) struct jid *other = jid_parse(SLICE("carl@c.example"));

	assert_ptr_equal(copy->payload, stanza->payload);
	assert_true(nad_is_shared(stanza->payload));
	stanza_set_to(copy, other);
	assert_string_equal(jid_text(stanza->to), "bob@b.example");
	stanza_free(&stanza);
	assert_slice(copy->id, "m1");
	assert_slice(copy->lang, "de");
	assert_prints(copy, "<message type='chat' id='m1' from='ann@a.example/x' "
			    "to='carl@c.example' xml:lang='de'>"
			    "<body>hi</body></message>");
}

static void a_copy_keeps_origin_and_delay(void **state)
{
	AUTO(stanza_free) struct stanza *stanza = read_stanza(CHAT);
	struct stanza *copy;

	stanza->origin = (struct origin){.session = 5, .count = 7};
	stanza->delay_ms = 9;
	copy = stanza_copy(stanza);
	assert_int_equal(copy->origin.session, 5);
	assert_int_equal(copy->origin.count, 7);
	assert_int_equal(copy->delay_ms, 9);
	stanza_free(&copy);
}

static void a_new_one_has_an_id_of_its_own(void **state)
{
	char id[] = "abc";
	AUTO(stanza_free) struct stanza *stanza = stanza_new(STANZA_IQ, STANZA_SET, slice_of(id));

	id[0] = 'x';
	assert_slice(stanza->id, "abc");
	nad_append(stanza->payload, NS_PING, "ping", 1);
	assert_prints(stanza, "<iq type='set' id='abc'><ping xmlns='urn:xmpp:ping'/></iq>");
}

static void setting_an_address_to_itself_keeps_it(void **state)
{
	AUTO(stanza_free) struct stanza *stanza = read_stanza(CHAT);

	stanza_set_from(stanza, stanza->from);
	assert_string_equal(jid_text(stanza->from), "ann@a.example/x");
	stanza_set_from(stanza, NULL);
	assert_null(stanza->from);
}

static void a_result_goes_back(void **state)
{
	AUTO(stanza_free)
	struct stanza *request = read_stanza(
		"<iq type='get' id='1' from='a@b/c' to='d'><ping xmlns='urn:xmpp:ping'/></iq>");
	AUTO(stanza_free) struct stanza *result = NULL;

	request->origin = (struct origin){.session = 3, .count = 4};
	result = stanza_result(request);
	assert_prints(result, "<iq type='result' id='1' from='d' to='a@b/c'></iq>");
	assert_int_equal(result->origin.count, 4);
}

static void an_error_goes_back_with_what_offended(void **state)
{
	AUTO(stanza_free) struct stanza *stanza = read_stanza(CHAT);
	AUTO(stanza_free)
	struct stanza *error =
		stanza_error_new(stanza, STANZA_SERVICE_UNAVAILABLE, "gone <fishing>");

	assert_prints(error,
		      "<message type='error' id='m1' from='bob@b.example' to='ann@a.example/x'>"
		      "<error type='cancel' code='503'>"
		      "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
		      "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>gone "
		      "&lt;fishing&gt;</text></error>"
		      "<body>hi</body></message>");
	assert_null(stanza_error_new(error, STANZA_BAD_REQUEST, NULL));
}

static void an_error_has_a_condition_of_an_application(void **state)
{
	static const struct stanza_condition condition = {"cancel", "u:app", "because", NULL};
	AUTO(stanza_free) struct stanza *stanza = read_stanza(CHAT);
	AUTO(stanza_free) struct stanza *error = stanza_error_with(stanza, STANZA_NOT_ACCEPTABLE, &condition);

	assert_prints(error, "<message type='error' id='m1' from='bob@b.example' to='ann@a.example/x'>"
			     "<error type='cancel' code='406'>"
			     "<not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><because xmlns='u:app'/></error>"
			     "<body>hi</body></message>");
	assert_null(stanza_error_with(error, STANZA_NOT_ACCEPTABLE, &condition));
}

static void some_may_not_be_answered(void **state)
{
	static const struct {
		const char *text;
		bool may;
	} rows[] = {
		{"<message/>", true},
		{"<message type='groupchat'/>", true},
		{"<message type='error'/>", false},
		{"<iq type='get'/>", true},
		{"<iq type='set'/>", true},
		{"<iq type='put'/>", true},
		{"<iq type='result'/>", false},
		{"<iq type='error'/>", false},
		{"<presence/>", true},
		{"<presence type='subscribe'/>", true},
		{"<presence type='unavailable'/>", false},
		{"<presence type='probe'/>", false},
		{"<presence type='error'/>", false},
	};

	for (size_t at = 0; at < countof(rows); at++) {
		AUTO(stanza_free) struct stanza *stanza = read_stanza(rows[at].text);
		AUTO(stanza_free)
		struct stanza *error = stanza_error_new(stanza, STANZA_CONFLICT, NULL);

		if ((error != NULL) != rows[at].may)
			fail_msg("%s", rows[at].text);
	}
}

static void finds_children_by_namespace(void **state)
{
	AUTO(stanza_free)
	struct stanza *stanza = read_stanza(
		"<iq type='set'> <a xmlns='u:1'/><query xmlns='jabber:iq:roster'/></iq>");

	assert_true(nad_is(stanza->payload, stanza_child(stanza), "u:1", "a"));
	assert_int_equal(stanza_find(stanza, NS_ROSTER, "query"), 2);
	assert_int_equal(stanza_find(stanza, NS_ROSTER, NULL), 2);
	assert_int_equal(stanza_find(stanza, NS_ROSTER, "item"), -1);
	assert_true(stanza_matches(stanza, STANZA_ANY, NULL, NULL));
	assert_true(stanza_matches(stanza, STANZA_IQ, NS_ROSTER, "query"));
	assert_true(stanza_matches(stanza, STANZA_IQ_SET, NS_ROSTER, NULL));
	assert_false(stanza_matches(stanza, STANZA_IQ_GET, NS_ROSTER, "query"));
	assert_false(stanza_matches(stanza, STANZA_MESSAGE, NULL, NULL));
	assert_false(stanza_matches(stanza, STANZA_IQ, NS_PING, NULL));
}

static void an_empty_one_has_no_child(void **state)
{
	AUTO(stanza_free) struct stanza *stanza = read_stanza("<iq type='get'>text</iq>");

	assert_int_equal(stanza_child(stanza), -1);
}

static void weighs_what_it_holds(void **state)
{
	AUTO(stanza_free) struct stanza *small = stanza_new(STANZA_IQ, STANZA_GET, SLICE("1"));
	AUTO(stanza_free) struct stanza *large = stanza_new(STANZA_IQ, STANZA_GET, SLICE("1"));
	char text[5000];

	memset(text, 'x', sizeof(text));
	nad_append_text(large->payload, NS_PING, "ping", 1, (struct slice){text, sizeof(text)});
	assert_true(stanza_weight(large) >= stanza_weight(small) + sizeof(text));
}

static void a_child_takes_the_place_of_another(void **state)
{
	AUTO(stanza_free) struct stanza *stanza = read_stanza(
		"<presence id='p1' xml:lang='de' x='y'><a/><b xmlns='u:b'>old<c/></b><d xmlns='u:d'>kept</d></presence>");
	AUTO(stanza_free) struct stanza *copy = stanza_copy(stanza);
	AUTO(nad_free) struct nad *made = nad_new();
	AUTO(buf_fini) struct buf text = {0};

	nad_append_text(made, "u:b", "b", 0, SLICE("new"));
	stanza_replace(stanza, stanza_find(stanza, "u:b", "b"), made);
	stanza_print(stanza, &text);
	assert_string_equal(buf_text(&text), "<presence id='p1' xml:lang='de' x='y'><a/><d xmlns='u:d'>kept</d>"
					     "<b xmlns='u:b'>new</b></presence>");
	stanza_replace(copy, -1, made);
	buf_clear(&text);
	stanza_print(copy, &text);
	assert_string_equal(buf_text(&text), "<presence id='p1' xml:lang='de' x='y'><a/><b xmlns='u:b'>old<c/></b>"
					     "<d xmlns='u:d'>kept</d><b xmlns='u:b'>new</b></presence>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_header),
		cmocka_unit_test(refuses_what_is_no_stanza),
		cmocka_unit_test(a_bad_address_still_makes_a_stanza),
		cmocka_unit_test(a_bad_type_is_no_fault),
		cmocka_unit_test(attributes_of_other_namespaces_are_not_the_header),
		cmocka_unit_test(copies_share_the_payload),
		cmocka_unit_test(a_copy_keeps_origin_and_delay),
		cmocka_unit_test(a_new_one_has_an_id_of_its_own),
		cmocka_unit_test(setting_an_address_to_itself_keeps_it),
		cmocka_unit_test(a_result_goes_back),
		cmocka_unit_test(an_error_goes_back_with_what_offended),
		cmocka_unit_test(an_error_has_a_condition_of_an_application),
		cmocka_unit_test(some_may_not_be_answered),
		cmocka_unit_test(finds_children_by_namespace),
		cmocka_unit_test(an_empty_one_has_no_child),
		cmocka_unit_test(a_child_takes_the_place_of_another),
		cmocka_unit_test(weighs_what_it_holds),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
