/* SPDX-License-Identifier: MIT */
/* ANONYMOUS, RFC 4505: who is offered it, what it says, whom it makes. */
#include "auth/auth.h"

#include "fixture.h"

#define NAME "anonymous-0123abcd-4567-4890-a123-456789abcdef"

/* The file names it. */
static int setup(void **state)
{
	static const char *const mechanisms[] = {"SCRAM-SHA-256", "ANONYMOUS", NULL};
	struct auth_options options = {.mechanisms = mechanisms};
	int rc = fixture_setup(state);
	struct fixture *fixture = *state;

	if (rc)
		return rc;
	auth_change(fixture->auth, &options);
	fixture->channel.anonymous = true;
	return 0;
}

static bool is_name(const char *text)
{
	AUTO(jid_free) struct jid *jid = jid_parse(slice_of(text));

	assert_non_null(jid);
	return auth_is_anonymous(jid);
}

static void is_not_offered_unless_the_file_names_it(void **state)
{
	struct fixture *fixture = *state;

	fixture->channel.anonymous = true;
	assert_false(auth_offers(fixture->auth, "ANONYMOUS", &fixture->channel));
}

static void is_not_offered_where_a_session_wants_an_account(void **state)
{
	struct fixture *fixture = *state;

	assert_true(auth_offers(fixture->auth, "ANONYMOUS", &fixture->channel));
	fixture->channel.anonymous = false;
	assert_false(auth_offers(fixture->auth, "ANONYMOUS", &fixture->channel));
	assert_null(auth_begin(fixture->auth, "ANONYMOUS", &fixture->channel, SLICE("example.org"), &auth_source_storage,
			       fixture->storage, &fixture_asker, fixture, 79));
}

static void makes_another_name_each_time(void **state)
{
	struct fixture *fixture = *state;
	AUTO(buf_fini) struct buf first = {0};

	begin(fixture, "ANONYMOUS");
	assert_true(auth_needs_no_message(fixture->login));
	assert_int_equal(step(fixture, SLICE("")), AUTH_SUCCESS);
	assert_false(fixture->answer.has_data);
	assert_string_equal(auth_how(fixture->login), "SASL/ANONYMOUS");
	assert_true(is_name(buf_text(&fixture->user)));
	buf_append_slice(&first, buf_slice(&fixture->user));
	begin(fixture, "ANONYMOUS");
	assert_int_equal(step(fixture, SLICE("ann@example.org")), AUTH_SUCCESS);
	assert_true(is_name(buf_text(&fixture->user)));
	assert_string_not_equal(buf_text(&fixture->user), buf_text(&first));
	step(fixture, SLICE(""));
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
}

static void bounds_the_trace(void **state)
{
	struct fixture *fixture = *state;
	AUTO(buf_fini) struct buf trace = {0};

	for (unsigned at = 0; at < 255; at++)
		buf_append_text(&trace, "\xf0\x9f\x98\x80");
	begin(fixture, "ANONYMOUS");
	assert_int_equal(step(fixture, buf_slice(&trace)), AUTH_SUCCESS);
	buf_append_char(&trace, 'x');
	begin(fixture, "ANONYMOUS");
	step(fixture, buf_slice(&trace));
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
	begin(fixture, "ANONYMOUS");
	step(fixture, SLICE("a\xff"));
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
	begin(fixture, "ANONYMOUS");
	step(fixture, (struct slice){"a\0b", 3});
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
}

static void knows_its_names(void **state)
{
	assert_true(is_name(NAME "@example.org"));
	assert_true(is_name("ANONYMOUS-0123ABCD-4567-4890-A123-456789ABCDEF@example.org/x"));
	assert_false(is_name("0123abcd-4567-4890-a123-456789abcdef@example.org"));
	assert_false(is_name("anonymous-0123abcd-4567-4890-a123-456789abcdeg@example.org"));
	assert_false(is_name("anonymous-0123abcd-4567-4890-a123-456789abcde@example.org"));
	assert_false(is_name("anonymous-0123abcd04567-4890-a123-456789abcdef@example.org"));
	assert_false(is_name("anonymous@example.org"));
	assert_false(is_name("example.org"));
}

static void no_account_can_have_one(void **state)
{
	struct fixture *fixture = *state;

	make(fixture, SLICE("pencil"));
	await(fixture);
	assert_int_equal(ask(fixture, AUTH_CREATE, NAME "@example.org", &fixture->account), AUTH_REFUSED);
	assert_int_equal(ask(fixture, AUTH_LOOKUP, NAME "@example.org", NULL), AUTH_UNKNOWN);
	assert_int_equal(ask(fixture, AUTH_CREATE, "anonymous-ann@example.org", &fixture->account), AUTH_OK);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(is_not_offered_unless_the_file_names_it, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(is_not_offered_where_a_session_wants_an_account, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(makes_another_name_each_time, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(bounds_the_trace, setup, fixture_teardown),
		cmocka_unit_test(knows_its_names),
		cmocka_unit_test_setup_teardown(no_account_can_have_one, setup, fixture_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
