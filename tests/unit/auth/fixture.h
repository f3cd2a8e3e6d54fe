/* SPDX-License-Identifier: MIT */
/* A worker with an engine, a hashing driver and accounts in memory. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "auth/auth.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "mio/mio.h"
#include "storage/storage.h"

struct fixture {
	struct mio_host *host;
	struct mio *mio;
	struct mio_driver *hashing;
	struct storage *storage;
	struct auth *auth;
	bool running;
	unsigned waiting;

	struct auth_channel channel; /* of the next attempt; secure */
	struct auth_login *login;
	bool end_when_answered;
	const char *barred; /* who may not even try */
	struct auth_answer answer; /* of the last step; its text is below */
	struct buf data, user;

	int result; /* of the last request */
	struct auth_account account;
	unsigned made, refused;
};

static const char *const fixture_mechanisms[] = {
	"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "SCRAM-SHA-3", "PLAIN", NULL};

static inline int fixture_setup(void **state)
{
	struct fixture *fixture = mem_zalloc(MEM_OTHER, sizeof(*fixture));
	struct storage_options storage = {.url = "memory:"};
	struct auth_options options = {
		.mechanisms = fixture_mechanisms, .rounds = 50, .secret = "secret"};
	struct buf why = {0};

	fixture->host = mio_host_new("test");
	if (mio_host_start(fixture->host, 1, NULL, NULL) ||
	    storage_open(fixture->host, &storage, &fixture->storage, &why))
		return -1;
	fixture->mio = mio_host_loop(fixture->host, 0);
	fixture->hashing = auth_hashing_new(fixture->host, false);
	fixture->auth = auth_new(fixture->mio, fixture->hashing, &options);
	fixture->channel = (struct auth_channel){.secure = true, .hashes = AUTH_ALL_HASHES};
	*state = fixture;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	auth_end(&fixture->login);
	auth_channel_fini(&fixture->channel);
	mio_driver_free(&fixture->hashing);
	storage_close(&fixture->storage);
	auth_free(&fixture->auth);
	buf_fini(&fixture->data);
	buf_fini(&fixture->user);
	mio_host_free(&fixture->host);
	mem_free(fixture);
	return 0;
}

/* Something was answered; stops the loop when it was the last. */
static inline void answered(struct fixture *fixture)
{
	assert_true(fixture->waiting > 0);
	if (--fixture->waiting == 0 && fixture->running)
		mio_host_stop(fixture->host);
}

static inline void await(struct fixture *fixture)
{
	if (fixture->waiting == 0)
		return;
	fixture->running = true;
	assert_int_equal(mio_host_run(fixture->host), 0);
	fixture->running = false;
	assert_int_equal(fixture->waiting, 0);
}

/* -- requests
 * --------------------------------------------------------------------------------------- */

static inline void fixture_asked(void *arg, uint64_t token, int result,
				 const struct auth_account *account)
{
	struct fixture *fixture = arg;

	assert_int_equal(token, 77);
	fixture->result = result;
	if (account)
		fixture->account = *account;
	answered(fixture);
}

static inline int ask(struct fixture *fixture, enum auth_verb verb, const char *name,
		      const struct auth_account *account)
{
	AUTO(jid_free) struct jid *user = jid_parse(slice_of(name));

	assert_non_null(user);
	fixture->waiting++;
	auth_ask(fixture->auth, verb, &auth_source_storage, fixture->storage, user, account,
		 fixture_asked, fixture, 77);
	assert_int_equal(fixture->waiting, 1); /* never before the call returns */
	await(fixture);
	return fixture->result;
}

static inline void fixture_made(void *arg, uint64_t token, int result,
				const struct auth_account *account)
{
	struct fixture *fixture = arg;

	assert_int_equal(token, 78);
	assert_int_equal(account != NULL, result == AUTH_OK);
	fixture->result = result;
	if (account) {
		fixture->account = *account;
		fixture->made++;
	} else {
		fixture->refused++;
	}
	answered(fixture);
}

static inline void make(struct fixture *fixture, struct slice password)
{
	fixture->waiting++;
	auth_make_account(fixture->auth, password, fixture_made, fixture, 78);
}

static inline void create(struct fixture *fixture, const char *name, const char *password,
			  bool disabled)
{
	struct auth_account account;

	make(fixture, slice_of(password));
	await(fixture);
	account = fixture->account;
	account.disabled = disabled;
	assert_int_equal(ask(fixture, AUTH_CREATE, name, &account), AUTH_OK);
}

/* -- attempts
 * --------------------------------------------------------------------------------------- */

static inline void fixture_answer(void *arg, uint64_t token, const struct auth_answer *answer)
{
	struct fixture *fixture = arg;

	assert_int_equal(token, 79);
	if (fixture->end_when_answered)
		auth_end(&fixture->login);
	fixture->answer = *answer;
	buf_clear(&fixture->data);
	buf_append_slice(&fixture->data, answer->data);
	buf_clear(&fixture->user);
	if (answer->user)
		buf_append_slice(&fixture->user, jid_full(answer->user));
	answered(fixture);
}

static inline bool fixture_may_try(void *arg, uint64_t token, struct jid *user)
{
	struct fixture *fixture = arg;

	return !fixture->barred || !slice_is(jid_full(user), fixture->barred);
}

static const struct auth_asker fixture_asker = {.answer = fixture_answer, .may_try = fixture_may_try};

static inline void begin_at(struct fixture *fixture, const char *mechanism,
			    const struct auth_source *source, void *state)
{
	auth_end(&fixture->login);
	fixture->login = auth_begin(fixture->auth, mechanism, &fixture->channel,
				    SLICE("example.org"), source, state, &fixture_asker,
				    fixture, 79);
	assert_non_null(fixture->login);
}

static inline void begin(struct fixture *fixture, const char *mechanism)
{
	begin_at(fixture, mechanism, &auth_source_storage, fixture->storage);
}

static inline enum auth_outcome step(struct fixture *fixture, struct slice message)
{
	fixture->waiting++;
	auth_step(fixture->login, message);
	await(fixture);
	return fixture->answer.outcome;
}

#define assert_failure(fixture, expected)                                                          \
	do {                                                                                       \
		assert_int_equal((fixture)->answer.outcome, AUTH_FAILURE);                         \
		assert_int_equal((fixture)->answer.failure, expected);                             \
	} while (0)
