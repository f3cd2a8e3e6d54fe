/* SPDX-License-Identifier: MIT */
/* Attempts to log in, from the first message to the answer. */
#include "auth/auth.h"

#include <errno.h>
#include "client.h"
#include "fixture.h"

static const char *const scram[] = {"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"};

/* A whole exchange; name as it stands in the message. */
static void log_in_by_scram(struct fixture *fixture, enum auth_hash hash, const char *name,
			    const char *password)
{
	AUTO(buf_fini) struct buf first = {0}, final = {0}, challenge = {0};

	begin(fixture, scram[hash]);
	buf_printf(&first, "n,,n=%s,r=clientnonce", name);
	assert_int_equal(step(fixture, buf_slice(&first)), AUTH_CHALLENGE);
	assert_true(fixture->answer.has_data);
	buf_append_slice(&challenge, buf_slice(&fixture->data));
	buf_skip(&first, 3);
	client_final(hash, slice_of(password), "biws", buf_slice(&first), buf_slice(&challenge),
		     &final);
	step(fixture, buf_slice(&final));
}

static void log_in_by_plain(struct fixture *fixture, const char *authzid, const char *name,
			    const char *password)
{
	AUTO(buf_fini) struct buf message = {0};

	begin(fixture, "PLAIN");
	buf_append(&message, authzid, strlen(authzid) + 1);
	buf_append(&message, name, strlen(name) + 1);
	buf_append_text(&message, password);
	step(fixture, buf_slice(&message));
}

static void assert_success(struct fixture *fixture, const char *user)
{
	assert_int_equal(fixture->answer.outcome, AUTH_SUCCESS);
	assert_string_equal(buf_text(&fixture->user), user);
}

static void logs_in_by_scram_with_every_hash(void **state)
{
	struct fixture *fixture = *state;

	create(fixture, "ann@example.org", "pencil", false);
	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		log_in_by_scram(fixture, (enum auth_hash)hash, "Ann", "pencil");
		assert_success(fixture, "ann@example.org");
		assert_true(fixture->answer.has_data);
		assert_memory_equal(buf_text(&fixture->data), "v=", 2);
	}
	assert_string_equal(auth_how(fixture->login), "SASL/SCRAM-SHA-512");
}

static void logs_in_by_plain(void **state)
{
	struct fixture *fixture = *state;

	create(fixture, "ann@example.org", "I\xC2\xADX", false);
	log_in_by_plain(fixture, "", "ann", "\xE2\x85\xA8"); /* the same when prepared */
	assert_success(fixture, "ann@example.org");
	assert_false(fixture->answer.has_data);
	log_in_by_plain(fixture, "ann@example.org", "ann", "IX");
	assert_success(fixture, "ann@example.org");
	log_in_by_plain(fixture, "", "ann", "iX");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	log_in_by_plain(fixture, "", "ann", "\x07");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
}

static void asks_for_the_first_message_when_there_is_none(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture, "PLAIN");
	assert_int_equal(step(fixture, (struct slice){0}), AUTH_CHALLENGE);
	assert_int_equal(buf_used(&fixture->data), 0);
	step(fixture, (struct slice){0});
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
}

static void an_unknown_user_looks_like_a_known_one(void **state)
{
	struct fixture *fixture = *state;
	struct auth_key known, first, again;

	create(fixture, "ann@example.org", "pencil", false);
	begin(fixture, "SCRAM-SHA-256");
	step(fixture, SLICE("n,,n=ann,r=x"));
	client_key(buf_slice(&fixture->data), &known);
	begin(fixture, "SCRAM-SHA-256");
	step(fixture, SLICE("n,,n=nobody,r=x"));
	client_key(buf_slice(&fixture->data), &first);
	begin(fixture, "SCRAM-SHA-256");
	step(fixture, SLICE("n,,n=NoBody,r=y"));
	client_key(buf_slice(&fixture->data), &again);
	assert_int_equal(first.salt_len, known.salt_len);
	assert_int_equal(first.rounds, known.rounds);
	assert_memory_equal(first.salt, again.salt, sizeof(first.salt));
	log_in_by_scram(fixture, AUTH_SHA256, "nobody", "pencil");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	log_in_by_plain(fixture, "", "nobody", "pencil");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	log_in_by_scram(fixture, AUTH_SHA256, "ann", "wrong");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
}

/* It was offered before it was known who has what: a client that asks for the password then would ask for nothing. */
static void who_has_no_key_of_a_hash_is_to_come_back(void **state)
{
	struct fixture *fixture = *state;
	struct auth_account account;

	create(fixture, "ann@example.org", "pencil", false);
	account = fixture->account;
	account.keys[AUTH_SHA512].present = false;
	assert_int_equal(ask(fixture, AUTH_CHANGE, "ann@example.org", &account), AUTH_OK);
	log_in_by_scram(fixture, AUTH_SHA512, "ann", "pencil");
	assert_failure(fixture, AUTH_TEMPORARY_FAILURE);
	log_in_by_scram(fixture, AUTH_SHA256, "ann", "wrong");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	log_in_by_scram(fixture, AUTH_SHA256, "ann", "pencil");
	assert_success(fixture, "ann@example.org");
	for (unsigned hash = 0; hash < AUTH_HASHES; hash++)
		account.keys[hash].present = false; /* it has no password */
	assert_int_equal(ask(fixture, AUTH_CHANGE, "ann@example.org", &account), AUTH_OK);
	log_in_by_scram(fixture, AUTH_SHA512, "ann", "pencil");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
}

static void tells_of_a_disabled_account_only_who_has_its_password(void **state)
{
	struct fixture *fixture = *state;

	create(fixture, "ann@example.org", "pencil", true);
	log_in_by_scram(fixture, AUTH_SHA1, "ann", "wrong");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	log_in_by_scram(fixture, AUTH_SHA1, "ann", "pencil");
	assert_failure(fixture, AUTH_ACCOUNT_DISABLED);
	log_in_by_plain(fixture, "", "ann", "wrong");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	log_in_by_plain(fixture, "", "ann", "pencil");
	assert_failure(fixture, AUTH_ACCOUNT_DISABLED);
}

static void refuses_to_act_for_another(void **state)
{
	struct fixture *fixture = *state;

	create(fixture, "ann@example.org", "pencil", false);
	log_in_by_plain(fixture, "bob@example.org", "ann", "pencil");
	assert_failure(fixture, AUTH_INVALID_AUTHZID);
	log_in_by_plain(fixture, "ann@example.org/home", "ann", "pencil");
	assert_failure(fixture, AUTH_INVALID_AUTHZID);
	log_in_by_plain(fixture, "@", "ann", "pencil");
	assert_failure(fixture, AUTH_INVALID_AUTHZID);
	begin(fixture, "SCRAM-SHA-1");
	step(fixture, SLICE("n,a=bob@example.org,n=ann,r=x"));
	assert_failure(fixture, AUTH_INVALID_AUTHZID);
	begin(fixture, "SCRAM-SHA-1");
	assert_int_equal(step(fixture, SLICE("n,a=ANN@example.org,n=ann,r=x")), AUTH_CHALLENGE);
}

static void refuses_names_that_cannot_be(void **state)
{
	struct fixture *fixture = *state;

	log_in_by_plain(fixture, "", "ann@example.org", "pencil");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	log_in_by_plain(fixture, "", "a b", "pencil");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	log_in_by_plain(fixture, "", "\xff", "pencil");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	begin(fixture, "PLAIN");
	step(fixture, SLICE("\0ann"));
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
	begin(fixture, "PLAIN");
	step(fixture, SLICE("\0ann\0pen\0cil"));
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
	begin(fixture, "PLAIN");
	step(fixture, SLICE("\0\0pencil"));
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
}

static void refuses_a_message_that_is_too_long(void **state)
{
	struct fixture *fixture = *state;
	char *message = mem_alloc(MEM_OTHER, 8193);

	memset(message, 'x', 8193);
	begin(fixture, "PLAIN");
	step(fixture, (struct slice){message, 8193});
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
	mem_free(message);
}

static void refuses_steps_after_the_end(void **state)
{
	struct fixture *fixture = *state;

	create(fixture, "ann@example.org", "pencil", false);
	log_in_by_plain(fixture, "", "ann", "pencil");
	assert_success(fixture, "ann@example.org");
	step(fixture, SLICE("\0ann\0pencil"));
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
}

static void count_offer(void *to, const char *name)
{
	struct buf *names = to;

	buf_printf(names, "%s ", name);
}

static void assert_offers(struct fixture *fixture, const struct auth_channel *channel,
			  const char *names)
{
	AUTO(buf_fini) struct buf offered = {0};

	auth_mechanisms(fixture->auth, channel, count_offer, &offered);
	assert_string_equal(buf_text(&offered), names);
}

static void assert_refused(struct fixture *fixture, const struct auth_channel *channel,
			   const char *mechanism)
{
	assert_false(auth_offers(fixture->auth, mechanism, channel));
	assert_null(auth_begin(fixture->auth, mechanism, channel, SLICE("example.org"),
			       &auth_source_storage, fixture->storage, &fixture_asker, fixture,
			       79));
}

static void offers_plain_only_when_it_is_safe_or_allowed(void **state)
{
	struct fixture *fixture = *state;
	struct auth_channel clear = {.hashes = AUTH_ALL_HASHES}, secure = fixture->channel;

	assert_offers(fixture, &clear, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 ");
	assert_offers(fixture, &secure, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN ");
	assert_true(auth_offers(fixture->auth, "PLAIN", &secure));
	assert_refused(fixture, &clear, "PLAIN");
	secure.hashes = 1 << AUTH_SHA1;
	assert_offers(fixture, &secure, "SCRAM-SHA-1 PLAIN ");
	assert_refused(fixture, &secure, "SCRAM-SHA-256");
	assert_refused(fixture, &secure, "plain");
}

/* -- channel binding ---------------------------------------------------------------------------- */

static void give_binding(struct fixture *fixture, enum auth_binding_type type, const char *data)
{
	struct auth_binding *binding = &fixture->channel.bindings[type];

	binding->len = (uint8_t)strlen(data);
	memcpy(binding->data, data, binding->len);
}

/* gs2: its header; data: what the client believes that its channel is known by. */
static void log_in_bound(struct fixture *fixture, enum auth_hash hash, const char *gs2,
			 const char *data)
{
	AUTO(buf_fini) struct buf mechanism = {0}, first = {0}, binding = {0}, final = {0},
			   challenge = {0}, bytes = {0};

	buf_printf(&mechanism, "%s-PLUS", scram[hash]);
	begin(fixture, buf_text(&mechanism));
	buf_printf(&first, "%sn=ann,r=clientnonce", gs2);
	if (step(fixture, buf_slice(&first)) != AUTH_CHALLENGE)
		return;
	buf_append_slice(&challenge, buf_slice(&fixture->data));
	buf_printf(&bytes, "%s%s", gs2, data);
	buf_append_base64(&binding, buf_slice(&bytes));
	buf_skip(&first, strlen(gs2));
	client_final(hash, SLICE("pencil"), buf_text(&binding), buf_slice(&first),
		     buf_slice(&challenge), &final);
	step(fixture, buf_slice(&final));
}

static void offers_binding_where_the_channel_has_one(void **state)
{
	struct fixture *fixture = *state;

	assert_refused(fixture, &fixture->channel, "SCRAM-SHA-256-PLUS");
	give_binding(fixture, AUTH_TLS_SERVER_END_POINT, "certificate");
	assert_offers(fixture, &fixture->channel,
		      "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS "
		      "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN ");
}

static void logs_in_bound_to_the_channel(void **state)
{
	struct fixture *fixture = *state;

	create(fixture, "ann@example.org", "pencil", false);
	give_binding(fixture, AUTH_TLS_EXPORTER, "exported");
	give_binding(fixture, AUTH_TLS_SERVER_END_POINT, "certificate");
	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		log_in_bound(fixture, hash, "p=tls-exporter,,", "exported");
		assert_success(fixture, "ann@example.org");
		assert_string_equal(auth_bound_by(fixture->login), "tls-exporter");
		log_in_bound(fixture, hash, "p=tls-server-end-point,a=ann@example.org,",
			     "certificate");
		assert_success(fixture, "ann@example.org");
		assert_string_equal(auth_bound_by(fixture->login), "tls-server-end-point");
	}
	assert_string_equal(auth_how(fixture->login), "SASL/SCRAM-SHA-512-PLUS");
	log_in_by_scram(fixture, AUTH_SHA256, "ann", "pencil"); /* "n": it cannot bind */
	assert_success(fixture, "ann@example.org");
	assert_null(auth_bound_by(fixture->login));
}

static void refuses_what_is_bound_to_another_channel(void **state)
{
	struct fixture *fixture = *state;

	create(fixture, "ann@example.org", "pencil", false);
	give_binding(fixture, AUTH_TLS_EXPORTER, "exported");
	give_binding(fixture, AUTH_TLS_SERVER_END_POINT, "certificate");
	log_in_bound(fixture, AUTH_SHA256, "p=tls-exporter,,", "Exported");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	log_in_bound(fixture, AUTH_SHA256, "p=tls-exporter,,", "");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	log_in_bound(fixture, AUTH_SHA256, "p=tls-exporter,,", "certificate");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	log_in_bound(fixture, AUTH_SHA256, "p=tls-unique,,", "finished"); /* not of this stream */
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	log_in_bound(fixture, AUTH_SHA256, "p=tls-moon,,", "");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	log_in_bound(fixture, AUTH_SHA256, "p=,,", "");
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
}

static void assert_offered(struct fixture *fixture, const char *lists)
{
	AUTO(buf_fini) struct buf wanted = {0};
	uint8_t digest[64];

	begin(fixture, "SCRAM-SHA-256");
	assert_int_equal(step(fixture, SLICE("n,,n=ann,r=x")), AUTH_CHALLENGE);
	auth_digest_of(AUTH_SHA256, slice_of(lists), digest);
	buf_append_base64(&wanted, (struct slice){(char *)digest, 32});
	assert_true(slice_equal(client_attribute(buf_slice(&fixture->data), 'h'),
				buf_slice(&wanted)));
}

static void tells_what_was_offered(void **state)
{
	struct fixture *fixture = *state;

	assert_offered(fixture, "PLAIN\x1eSCRAM-SHA-1\x1eSCRAM-SHA-256\x1eSCRAM-SHA-512");
	give_binding(fixture, AUTH_TLS_SERVER_END_POINT, "certificate");
	give_binding(fixture, AUTH_TLS_EXPORTER, "exported");
	assert_offered(fixture, "PLAIN\x1eSCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1eSCRAM-SHA-256"
				"\x1eSCRAM-SHA-256-PLUS\x1eSCRAM-SHA-512\x1eSCRAM-SHA-512-PLUS"
				"\x1ftls-exporter\x1etls-server-end-point");
}

/* RFC 5802 section 6: the flag and the name of the mechanism must fit. */
static void refuses_a_flag_that_does_not_fit(void **state)
{
	struct fixture *fixture = *state;

	create(fixture, "ann@example.org", "pencil", false);
	give_binding(fixture, AUTH_TLS_EXPORTER, "exported");
	log_in_bound(fixture, AUTH_SHA1, "n,,", "");
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
	log_in_bound(fixture, AUTH_SHA1, "y,,", "");
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
	begin(fixture, "SCRAM-SHA-1");
	step(fixture, SLICE("p=tls-exporter,,n=ann,r=x"));
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
	begin(fixture, "SCRAM-SHA-1");
	step(fixture, SLICE("y,,n=ann,r=x"));
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	assert_non_null(strstr(fixture->answer.why, "the client did not see it"));
	fixture->channel = (struct auth_channel){.secure = true, .hashes = AUTH_ALL_HASHES};
	begin(fixture, "SCRAM-SHA-1");
	assert_int_equal(step(fixture, SLICE("y,,n=ann,r=x")), AUTH_CHALLENGE);
}

/* -- certificates -------------------------------------------------------------------------------- */

static void certify(struct fixture *fixture, const char *name)
{
	AUTO(jid_free) struct jid *jid = jid_parse(slice_of(name));

	auth_channel_certify(&fixture->channel, jid);
}

static void log_in_by_certificate(struct fixture *fixture, const char *authzid)
{
	begin(fixture, "EXTERNAL");
	step(fixture, slice_of(authzid));
}

static void logs_in_by_certificate(void **state)
{
	struct fixture *fixture = *state;

	create(fixture, "ann@example.org", "pencil", false);
	assert_refused(fixture, &fixture->channel, "EXTERNAL");
	certify(fixture, "ann@example.org");
	certify(fixture, "ann@example.org");
	assert_int_equal(fixture->channel.certified_count, 1);
	assert_offers(fixture, &fixture->channel,
		      "EXTERNAL SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN ");
	log_in_by_certificate(fixture, "");
	assert_success(fixture, "ann@example.org");
	assert_false(fixture->answer.has_data);
	log_in_by_certificate(fixture, "Ann@Example.org");
	assert_success(fixture, "ann@example.org");
	for (size_t i = 0; i < 5; i++) {
		static const char *const others[] = {"bob@example.org", "ann@example.org/home",
						     "ann", "@", "\xff"};

		log_in_by_certificate(fixture, others[i]);
		assert_failure(fixture, AUTH_INVALID_AUTHZID);
	}
	log_in_by_scram(fixture, AUTH_SHA1, "ann", "pencil"); /* who has one need not use it */
	assert_success(fixture, "ann@example.org");
}

static void a_certificate_of_several_addresses_needs_a_choice(void **state)
{
	struct fixture *fixture = *state;

	create(fixture, "ann@example.org", "pencil", false);
	create(fixture, "bob@example.org", "pencil", true);
	certify(fixture, "ann@example.org");
	certify(fixture, "bob@example.org");
	certify(fixture, "nobody@example.org");
	log_in_by_certificate(fixture, "");
	assert_failure(fixture, AUTH_INVALID_AUTHZID);
	log_in_by_certificate(fixture, "ann@example.org");
	assert_success(fixture, "ann@example.org");
	log_in_by_certificate(fixture, "bob@example.org");
	assert_failure(fixture, AUTH_ACCOUNT_DISABLED);
	log_in_by_certificate(fixture, "nobody@example.org");
	assert_failure(fixture, AUTH_NOT_AUTHORIZED);
	for (unsigned at = 0; at < 20; at++) {
		char name[32];

		snprintf(name, sizeof(name), "n%u@example.org", at);
		certify(fixture, name);
	}
	assert_int_equal(fixture->channel.certified_count, AUTH_CERTIFIED_MAX);
}

/* -- a source that the test answers
 * ----------------------------------------------------------------- */

struct slow_source {
	uint64_t token;
};

static void slow_lookup(void *state, struct auth *auth, struct jid *user, uint64_t token)
{
	struct slow_source *slow = state;

	slow->token = token;
}

static const struct auth_source slow_source = {.name = "slow", .lookup = slow_lookup};

static void answers_a_broken_source_with_a_temporary_failure(void **state)
{
	struct fixture *fixture = *state;
	struct slow_source slow = {0};

	begin_at(fixture, "SCRAM-SHA-1", &slow_source, &slow);
	fixture->waiting++;
	auth_step(fixture->login, SLICE("n,,n=ann,r=x"));
	assert_int_equal(fixture->waiting, 1);
	auth_source_answer(fixture->auth, slow.token, -EIO, NULL);
	assert_int_equal(fixture->waiting, 0);
	assert_failure(fixture, AUTH_TEMPORARY_FAILURE);
}

static void a_late_answer_is_forgotten(void **state)
{
	struct fixture *fixture = *state;
	struct slow_source slow = {0};

	begin_at(fixture, "SCRAM-SHA-1", &slow_source, &slow);
	auth_step(fixture->login, SLICE("n,,n=ann,r=x"));
	auth_end(&fixture->login);
	assert_null(fixture->login);
	auth_source_answer(fixture->auth, slow.token, AUTH_UNKNOWN, NULL);
	auth_source_answer(fixture->auth, 0, AUTH_UNKNOWN, NULL);
	begin_at(fixture, "PLAIN", &slow_source, &slow);
	auth_step(fixture->login, SLICE("\0ann\0pencil"));
	auth_source_answer(fixture->auth, slow.token, AUTH_UNKNOWN, NULL);
	auth_end(&fixture->login); /* while the password is being hashed */
	make(fixture, SLICE("x"));
	await(fixture); /* the queue has passed it */
}

static void a_message_while_the_answer_is_under_way_ends_the_attempt(void **state)
{
	struct fixture *fixture = *state;
	struct slow_source slow = {0};

	begin_at(fixture, "SCRAM-SHA-1", &slow_source, &slow);
	auth_step(fixture->login, SLICE("n,,n=ann,r=x"));
	step(fixture, SLICE("c=biws,r=x,p=AAAA"));
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
	auth_source_answer(fixture->auth, slow.token, AUTH_UNKNOWN, NULL);
	assert_int_equal(fixture->waiting, 0);
}

static void may_be_ended_from_its_answer(void **state)
{
	struct fixture *fixture = *state;

	create(fixture, "ann@example.org", "pencil", false);
	fixture->end_when_answered = true;
	log_in_by_plain(fixture, "", "ann", "pencil");
	assert_success(fixture, "ann@example.org");
	assert_null(fixture->login);
	begin(fixture, "SCRAM-SHA-1");
	assert_int_equal(step(fixture, SLICE("n,,n=ann,r=x")), AUTH_CHALLENGE);
	assert_memory_equal(buf_text(&fixture->data), "r=x", 3);
	begin(fixture, "SCRAM-SHA-1");
	step(fixture, SLICE("junk"));
	assert_failure(fixture, AUTH_MALFORMED_REQUEST);
}

static void no_work_is_done_for_who_may_not_try(void **state)
{
	struct fixture *fixture = *state;
	struct slow_source slow = {0};

	fixture->barred = "ann@example.org";
	begin_at(fixture, "PLAIN", &slow_source, &slow);
	assert_null(auth_user(fixture->login));
	step(fixture, (struct slice){"\0Ann\0pencil", 11});
	assert_failure(fixture, AUTH_TOO_OFTEN);
	assert_int_equal(slow.token, 0);
	assert_string_equal(jid_text(auth_user(fixture->login)), "ann@example.org");
	begin_at(fixture, "SCRAM-SHA-256", &slow_source, &slow);
	step(fixture, SLICE("n,,n=ann,r=x"));
	assert_failure(fixture, AUTH_TOO_OFTEN);
	assert_int_equal(slow.token, 0);
	begin(fixture, "SCRAM-SHA-256");
	assert_int_equal(step(fixture, SLICE("n,,n=bob,r=x")), AUTH_CHALLENGE);
}

#define LOGIN_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOGIN_TEST(logs_in_by_scram_with_every_hash),
		LOGIN_TEST(logs_in_by_plain),
		LOGIN_TEST(asks_for_the_first_message_when_there_is_none),
		LOGIN_TEST(an_unknown_user_looks_like_a_known_one),
		LOGIN_TEST(who_has_no_key_of_a_hash_is_to_come_back),
		LOGIN_TEST(tells_of_a_disabled_account_only_who_has_its_password),
		LOGIN_TEST(refuses_to_act_for_another),
		LOGIN_TEST(refuses_names_that_cannot_be),
		LOGIN_TEST(refuses_a_message_that_is_too_long),
		LOGIN_TEST(refuses_steps_after_the_end),
		LOGIN_TEST(offers_plain_only_when_it_is_safe_or_allowed),
		LOGIN_TEST(offers_binding_where_the_channel_has_one),
		LOGIN_TEST(logs_in_bound_to_the_channel),
		LOGIN_TEST(refuses_what_is_bound_to_another_channel),
		LOGIN_TEST(tells_what_was_offered),
		LOGIN_TEST(refuses_a_flag_that_does_not_fit),
		LOGIN_TEST(logs_in_by_certificate),
		LOGIN_TEST(a_certificate_of_several_addresses_needs_a_choice),
		LOGIN_TEST(answers_a_broken_source_with_a_temporary_failure),
		LOGIN_TEST(a_late_answer_is_forgotten),
		LOGIN_TEST(a_message_while_the_answer_is_under_way_ends_the_attempt),
		LOGIN_TEST(no_work_is_done_for_who_may_not_try),
		LOGIN_TEST(may_be_ended_from_its_answer),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
