/* SPDX-License-Identifier: MIT */
/* Which hashes a domain offers: those that no account in use lacks. */
#include "auth/auth.h"

#include "auth/keys.h"
#include "fixture.h"

enum { SHA1 = 1 << AUTH_SHA1, SHA256 = 1 << AUTH_SHA256, SHA512 = 1 << AUTH_SHA512 };

static unsigned offered_at(struct fixture *fixture, const char *domain)
{
	unsigned hashes = 0;

	assert_int_equal(ask(fixture, AUTH_LOOKUP, domain, NULL), AUTH_OK);
	for (unsigned hash = 0; hash < AUTH_HASHES; hash++)
		hashes |= (unsigned)fixture->account.keys[hash].present << hash;
	return hashes;
}

static struct auth_account account_with(unsigned hashes, bool disabled)
{
	struct auth_account account = {.disabled = disabled};

	for (unsigned hash = 0; hash < AUTH_HASHES; hash++)
		if (hashes & 1u << hash)
			auth_key_fake((enum auth_hash)hash, (const uint8_t[32]){1}, SLICE("x"), 1,
				      &account.keys[hash]);
	return account;
}

static void write_account(struct fixture *fixture, enum auth_verb verb, const char *name,
			  unsigned hashes, bool disabled)
{
	struct auth_account account = account_with(hashes, disabled);

	assert_int_equal(ask(fixture, verb, name, &account), AUTH_OK);
}

static void without_accounts_all_is_offered(void **state)
{
	assert_int_equal(offered_at(*state, "example.org"), AUTH_ALL_HASHES);
}

static void a_hash_that_somebody_lacks_is_not_offered(void **state)
{
	struct fixture *fixture = *state;

	write_account(fixture, AUTH_CREATE, "ann@example.org", AUTH_ALL_HASHES, false);
	assert_int_equal(offered_at(fixture, "example.org"), AUTH_ALL_HASHES);
	write_account(fixture, AUTH_CREATE, "bob@example.org", SHA1, false);
	assert_int_equal(offered_at(fixture, "example.org"), SHA1);
	write_account(fixture, AUTH_CREATE, "eve@example.org", SHA1 | SHA512, false);
	assert_int_equal(offered_at(fixture, "example.org"), SHA1);
	assert_int_equal(ask(fixture, AUTH_REMOVE, "bob@example.org", NULL), AUTH_OK);
	assert_int_equal(offered_at(fixture, "example.org"), SHA1 | SHA512);
	write_account(fixture, AUTH_CHANGE, "eve@example.org", AUTH_ALL_HASHES, false);
	assert_int_equal(offered_at(fixture, "example.org"), AUTH_ALL_HASHES);
}

static void who_has_no_password_or_is_disabled_does_not_count(void **state)
{
	struct fixture *fixture = *state;

	write_account(fixture, AUTH_CREATE, "ann@example.org", 0, false);
	write_account(fixture, AUTH_CREATE, "bob@example.org", SHA256, true);
	assert_int_equal(offered_at(fixture, "example.org"), AUTH_ALL_HASHES);
	write_account(fixture, AUTH_CHANGE, "bob@example.org", SHA256, false);
	assert_int_equal(offered_at(fixture, "example.org"), SHA256);
	write_account(fixture, AUTH_CHANGE, "bob@example.org", SHA256, true);
	assert_int_equal(offered_at(fixture, "example.org"), AUTH_ALL_HASHES);
}

static void domains_are_apart(void **state)
{
	struct fixture *fixture = *state;

	write_account(fixture, AUTH_CREATE, "ann@example.org", SHA1, false);
	write_account(fixture, AUTH_CREATE, "ann@a.example.org", SHA512, false);
	write_account(fixture, AUTH_CREATE, "ann@example.orga", SHA256, false);
	assert_int_equal(offered_at(fixture, "example.org"), SHA1);
	assert_int_equal(offered_at(fixture, "a.example.org"), SHA512);
	assert_int_equal(offered_at(fixture, "example.orga"), SHA256);
	assert_int_equal(offered_at(fixture, "example.or"), AUTH_ALL_HASHES);
	assert_int_equal(offered_at(fixture, "example.orgaa"), AUTH_ALL_HASHES);
}

#define CENSUS_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CENSUS_TEST(without_accounts_all_is_offered),
		CENSUS_TEST(a_hash_that_somebody_lacks_is_not_offered),
		CENSUS_TEST(who_has_no_password_or_is_disabled_does_not_count),
		CENSUS_TEST(domains_are_apart),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
