/* SPDX-License-Identifier: MIT */
/* Tokens of devices: in storage without their secrets, bound to what their logins found, forgotten when there are many. */
#include "auth/account.h"
#include "auth/keys.h"
#include "fixture.h"

#define ANN "ann@example.org"
#define PHONE ANN "/phone"

static struct auth_token token_new(unsigned number, int64_t expires_ms)
{
	struct auth_token token = {.present = true, .mechanism = AUTH_HT_NONE, .made_ms = 1, .expires_ms = expires_ms};

	memcpy(token.nonce, &number, sizeof(number));
	return token;
}

/* What its device would have from now on, as a login would say that just looked it up. */
static struct auth_account looked_up(struct fixture *fixture, const char *device)
{
	assert_int_equal(ask(fixture, AUTH_LOOKUP, device, NULL), AUTH_OK);
	return (struct auth_account){.era = fixture->account.era};
}

static int give(struct fixture *fixture, const char *device, unsigned number)
{
	struct auth_account account = looked_up(fixture, device);

	account.tokens[AUTH_NEXT] = token_new(number, INT64_MAX);
	return ask(fixture, AUTH_TOKENS_SET, device, &account);
}

static enum auth_outcome use(struct fixture *fixture, const char *device, const char *secret)
{
	AUTO(buf_fini) struct buf message = {0};
	uint8_t proof[64];

	snprintf(fixture->channel.device, sizeof(fixture->channel.device), "%s", device);
	auth_hmac(AUTH_SHA256, slice_of(secret), SLICE("Initiator"), proof);
	buf_append(&message, "ann", 4);
	buf_append(&message, proof, 32);
	begin(fixture, "HT-SHA-256-NONE");
	return step(fixture, buf_slice(&message));
}

static void as_text_they_are_what_they_were(void **state)
{
	struct auth_token token = token_new(7, 1234), again;
	AUTO(buf_fini) struct buf text = {0};

	token.count = 5;
	strcpy(token.secret, "secret");
	auth_token_print(&token, true, &text);
	assert_true(auth_token_parse(buf_slice(&text), &again));
	assert_memory_equal(&token, &again, sizeof(token));
	assert_false(auth_token_parse(SLICE("HT-SHA-256-NONE 1 2 3 AAAA"), &again));
	assert_false(auth_token_parse(SLICE("PLAIN 1 2 3 AAAAAAAAAAAAAAAAAAAAAA=="), &again));
	assert_false(auth_token_parse(SLICE(""), &again));
}

static void a_device_logs_in_by_its_own(void **state)
{
	struct fixture *fixture = *state;
	struct auth_token given;
	unsigned used;

	create(fixture, ANN, "pencil", false);
	assert_int_equal(give(fixture, PHONE, 1), AUTH_OK);
	given = fixture->account.tokens[AUTH_NEXT];
	assert_true(given.present && strlen(given.secret) == AUTH_SECRET_LEN - 1);
	assert_int_equal(use(fixture, "phone", given.secret), AUTH_SUCCESS);
	assert_non_null(auth_tokens_of(fixture->login, &used));
	assert_int_equal(used, AUTH_NEXT);
	assert_int_equal(use(fixture, "tablet", given.secret), AUTH_FAILURE);
	assert_failure(fixture, AUTH_CREDENTIALS_EXPIRED);
	assert_int_equal(give(fixture, ANN "/tablet", 1), AUTH_OK);
	assert_string_not_equal(fixture->account.tokens[AUTH_NEXT].secret, given.secret);
}

static void one_that_has_expired_is_none(void **state)
{
	struct fixture *fixture = *state;
	struct auth_account account;

	create(fixture, ANN, "pencil", false);
	account = looked_up(fixture, PHONE);
	account.tokens[AUTH_CURRENT] = token_new(1, 1000);
	assert_int_equal(ask(fixture, AUTH_TOKENS_SET, PHONE, &account), AUTH_OK);
	use(fixture, "phone", fixture->account.tokens[AUTH_CURRENT].secret);
	assert_failure(fixture, AUTH_CREDENTIALS_EXPIRED);
}

/* Its password was changed, or its tokens were revoked, between what a login found and what it writes. */
static void what_a_login_of_before_would_write_is_not_written(void **state)
{
	struct fixture *fixture = *state;
	struct auth_account account, other;

	create(fixture, ANN, "pencil", false);
	account = looked_up(fixture, PHONE);
	account.tokens[AUTH_NEXT] = token_new(1, INT64_MAX);
	make(fixture, SLICE("other"));
	await(fixture);
	other = fixture->account;
	assert_int_equal(ask(fixture, AUTH_CHANGE, ANN, &other), AUTH_OK);
	assert_int_equal(ask(fixture, AUTH_TOKENS_SET, PHONE, &account), AUTH_UNKNOWN);
	looked_up(fixture, PHONE);
	assert_false(fixture->account.tokens[AUTH_NEXT].present);
	assert_int_equal(give(fixture, PHONE, 2), AUTH_OK);
}

/* Two logins by one token at once: one of them is first. */
static void a_token_that_is_another_by_now_is_not_overwritten(void **state)
{
	struct fixture *fixture = *state;
	struct auth_account first, second;

	create(fixture, ANN, "pencil", false);
	assert_int_equal(give(fixture, PHONE, 1), AUTH_OK);
	first = looked_up(fixture, PHONE);
	first.used = first.tokens[AUTH_CURRENT] = fixture->account.tokens[AUTH_NEXT];
	first.used_at = AUTH_NEXT;
	first.tokens[AUTH_CURRENT].count = 3;
	second = first;
	assert_int_equal(ask(fixture, AUTH_TOKENS_SET, PHONE, &first), AUTH_OK);
	assert_int_equal(ask(fixture, AUTH_TOKENS_SET, PHONE, &second), AUTH_UNKNOWN);
}

static void of_many_devices_the_oldest_are_forgotten(void **state)
{
	struct fixture *fixture = *state;
	char device[64];
	int result = AUTH_OK;
	unsigned number = 0;

	create(fixture, ANN, "pencil", false);
	for (; number < 200 && result == AUTH_OK; number++) {
		struct auth_account account;

		snprintf(device, sizeof(device), ANN "/%u", number);
		account = looked_up(fixture, device);
		account.tokens[AUTH_NEXT] = token_new(number, INT64_MAX - 1000 + number);
		result = ask(fixture, AUTH_TOKENS_SET, device, &account);
	}
	assert_int_equal(result, AUTH_REFUSED);
	assert_in_range(number, 90, 120);
	assert_int_equal(give(fixture, device, number), AUTH_OK); /* by now there is room */
	looked_up(fixture, ANN "/0");
	assert_false(fixture->account.tokens[AUTH_NEXT].present);
	looked_up(fixture, ANN "/90");
	assert_true(fixture->account.tokens[AUTH_NEXT].present);
}

#define with_accounts(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_text_they_are_what_they_were),
		with_accounts(a_device_logs_in_by_its_own),
		with_accounts(one_that_has_expired_is_none),
		with_accounts(what_a_login_of_before_would_write_is_not_written),
		with_accounts(a_token_that_is_another_by_now_is_not_overwritten),
		with_accounts(of_many_devices_the_oldest_are_forgotten),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
