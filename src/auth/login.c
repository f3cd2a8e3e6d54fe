/* SPDX-License-Identifier: MIT */
/*
 * An attempt to log in.
 *
 *   SCRAM:  step, lookup at the source, challenge, step, success or failure
 *   PLAIN:  step, lookup at the source, check on the hashing driver, success or failure
 *   ANONYMOUS: step, success or failure
 *
 * Until the proof is there nothing differs between an account that exists, one that is disabled
 * and one that is not.
 */
#include "auth/auth.h"

#include "auth/engine.h"
#include "auth/keys.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "mio/mio.h"

static void lookup_answered(struct auth_request *request, int result,
			    const struct auth_account *account);

/* The login is the caller's to end. */
static void lookup_dropped(struct auth_request *request)
{
	request->token = 0;
}

struct auth_login *auth_begin(struct auth *auth, const char *mechanism_name,
			      const struct auth_channel *channel, struct slice domain,
			      const struct auth_source *source, void *state, const struct auth_asker *asker,
			      void *arg, uint64_t token)
{
	const struct auth_mechanism *mechanism = channel->device[0] ? ht_find(mechanism_name, channel)
								     : auth_usable(auth, mechanism_name, channel);
	struct auth_login *login;

	if (!mechanism)
		return NULL;
	login = mem_zalloc(MEM_SASL, sizeof(*login) + mechanism->size);
	login->auth = auth;
	login->mechanism = mechanism;
	login->source = source;
	login->source_state = state;
	login->asker = asker;
	login->arg = arg;
	login->token = token;
	login->domain = str_new(domain);
	login->channel = *channel;
	for (unsigned at = 0; at < channel->certified_count; at++)
		jid_ref(channel->certified[at]);
	login->request.answered = lookup_answered;
	login->request.dropped = lookup_dropped;
	return login;
}

/* Lets go of what is under way: its answer finds nothing. */
static void stop_waiting(struct auth_login *login)
{
	auth_request_stop(login->auth, &login->request);
	if (login->job)
		login->job->forgotten = true;
	login->job = NULL;
}

void auth_end(struct auth_login **taken)
{
	struct auth_login *login = *taken;

	*taken = NULL;
	if (!login)
		return;
	stop_waiting(login);
	login->mechanism->fini(login);
	auth_channel_fini(&login->channel);
	str_free(&login->domain);
	jid_free(&login->user);
	mem_wipe(&login->expected, sizeof(login->expected));
	mem_free(login);
}

struct jid *auth_user(const struct auth_login *login)
{
	return login->user;
}

bool auth_needs_no_message(const struct auth_login *login)
{
	return login->mechanism->anonymous;
}

uint64_t auth_era(const struct auth_login *login)
{
	return login->era;
}

unsigned auth_lacks(const struct auth_login *login)
{
	return login->lacks;
}

const char *auth_how(const struct auth_login *login)
{
	return login->mechanism->how;
}

const char *auth_bound_by(const struct auth_login *login)
{
	if (!login->binding)
		return NULL;
	return auth_binding_name(
		(enum auth_binding_type)(login->binding - login->channel.bindings));
}

void auth_step(struct auth_login *login, struct slice message)
{
	bool first = !login->begun;

	login->begun = true;
	if (login->over || login->request.token || login->job || message.len > AUTH_MESSAGE_MAX)
		login_fail(login, AUTH_MALFORMED_REQUEST, "a message out of order, or too long");
	else if (first && message.len == 0 && !login->mechanism->certified &&
		 !login->mechanism->anonymous)
		login_challenge(login,
				SLICE("")); /* the client speaks first, and waits to be asked */
	else
		login->mechanism->step(login, message);
}

/* Ends with the caller's function: what it is lent is held here, for it may end the login. */
static void give(struct auth_login *login, struct auth_answer *answer)
{
	AUTO(jid_free) struct jid *user = jid_ref(answer->user);
	AUTO(buf_fini) struct buf data = {0};

	buf_append_slice(&data, answer->data);
	answer->data = buf_slice(&data);
	login->asker->answer(login->arg, login->token, answer);
}

void login_challenge(struct auth_login *login, struct slice data)
{
	give(login,
	     &(struct auth_answer){.outcome = AUTH_CHALLENGE, .has_data = true, .data = data});
}

void login_fail(struct auth_login *login, enum auth_failure failure, const char *why)
{
	stop_waiting(login);
	login->over = true;
	give(login, &(struct auth_answer){.outcome = AUTH_FAILURE, .failure = failure, .why = why});
}

void login_succeed(struct auth_login *login, struct slice data)
{
	if (login->disabled) {
		login_fail(login, AUTH_ACCOUNT_DISABLED, "the account is disabled");
		return;
	}
	login->over = true;
	give(login, &(struct auth_answer){.outcome = AUTH_SUCCESS,
					  .has_data = data.len > 0,
					  .data = data,
					  .user = login->user});
}

/* With the device that has the tokens, if it is by one. */
static void ask_source(struct auth_login *login)
{
	AUTO(jid_free) struct jid *named = login->mechanism->tokens ? jid_with_resource(login->user, slice_of(login->channel.device)) : NULL;

	auth_request_start(login->auth, &login->request);
	login->source->lookup(login->source_state, login->auth, named ? named : login->user, login->request.token);
}

void login_lookup(struct auth_login *login, struct slice user, struct slice authzid)
{
	AUTO(jid_free) struct jid *wanted = authzid.len ? jid_parse(authzid) : NULL;

	login->user = user.len ? jid_make(user, str_slice(login->domain), (struct slice){0}) : NULL;
	if (!login->user) {
		login_fail(login, AUTH_NOT_AUTHORIZED, "this is no user name");
		return;
	}
	if (authzid.len && !jid_equal(wanted, login->user)) {
		login_fail(login, AUTH_INVALID_AUTHZID, "it would act for somebody else");
		return;
	}
	if (login->asker->may_try && !login->asker->may_try(login->arg, login->token, login->user)) {
		login_fail(login, AUTH_TOO_OFTEN, "too many failed logins");
		return;
	}
	ask_source(login);
}

static unsigned lacking(const struct auth_account *account)
{
	unsigned hashes = 0;

	for (unsigned hash = 0; hash < AUTH_HASHES; hash++)
		if (!account->keys[hash].present)
			hashes |= 1u << hash;
	return hashes == AUTH_ALL_HASHES ? 0 : hashes;
}

/* What its keys are made of; a token, or a certificate, is none. */
static bool proves_password(const struct auth_mechanism *mechanism)
{
	return mechanism->clear || mechanism->hashes;
}

static void lookup_answered(struct auth_request *request, int result,
			    const struct auth_account *account)
{
	struct auth_login *login = container_of(request, struct auth_login, request);

	if (result < 0) {
		login_fail(login, AUTH_TEMPORARY_FAILURE, "the accounts are out of reach");
		return;
	}
	if (result != AUTH_OK)
		account = NULL;
	login->disabled = account && account->disabled;
	login->era = account ? account->era : 0;
	login->lacks = account && proves_password(login->mechanism) ? lacking(account) : 0;
	login->mechanism->found(login, account);
}

void login_key(struct auth_login *login, const struct auth_account *account, enum auth_hash hash,
	       struct auth_key *key)
{
	auth_key_fake(hash, login->auth->secret, jid_user(login->user), login->auth->rounds, key);
	login->wrong = "wrong password";
	login->keyless = account && !account->keys[hash].present && login->lacks;
	if (!account)
		login->wrong = "there is no such account";
	else if (account->keys[hash].present)
		*key = account->keys[hash];
	else
		login->wrong = "the account has no key for this mechanism";
}

void login_fail_proof(struct auth_login *login)
{
	login_fail(login, login->keyless ? AUTH_TEMPORARY_FAILURE : AUTH_NOT_AUTHORIZED, login->wrong);
}

static void checked(struct hash_job *job)
{
	struct auth_login *login = job->arg;
	size_t size = auth_hash_size(login->hash);
	struct slice made = {(const char *)job->account.keys[login->hash].stored, size};
	struct slice expected = {(const char *)login->expected.stored, size};

	login->job = NULL;
	if (job->refused)
		login_fail(login, AUTH_TEMPORARY_FAILURE, "too many passwords wait to be checked");
	else if (job->good && slice_equal_secret(made, expected))
		login_succeed(login, (struct slice){0});
	else
		login_fail_proof(login);
}

void login_check(struct auth_login *login, enum auth_hash hash, const struct auth_key *key,
		 struct slice password)
{
	struct hash_job *job = hash_job_new(password, checked, login);

	job->account.keys[hash] = *key;
	job->place = login->channel.place;
	login->hash = hash;
	login->expected = *key;
	login->job = job;
	hash_job_start(&login->auth->hashing, &job);
}
