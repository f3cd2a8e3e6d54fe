/* SPDX-License-Identifier: MIT */
/* The engine of a worker: mechanisms offered, requests to sources, keys of new passwords. */
#include "auth/auth.h"

#include <errno.h>
#include "auth/engine.h"
#include "auth/keys.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "mio/mio.h"

static const struct auth_mechanism *const mechanisms[] = {
	&auth_external,
	&auth_scram_sha512_plus, &auth_scram_sha256_plus, &auth_scram_sha1_plus,
	&auth_scram_sha512,	 &auth_scram_sha256,	  &auth_scram_sha1,
	&auth_plain,		 &auth_anonymous,
};

static const char *const binding_names[AUTH_BINDINGS] = {
	[AUTH_TLS_EXPORTER] = "tls-exporter",
	[AUTH_TLS_UNIQUE] = "tls-unique",
	[AUTH_TLS_SERVER_END_POINT] = "tls-server-end-point",
};

const char *auth_binding_name(enum auth_binding_type type)
{
	return binding_names[type];
}

bool auth_channel_binds(const struct auth_channel *channel)
{
	for (unsigned type = 0; type < AUTH_BINDINGS; type++)
		if (channel->bindings[type].len)
			return true;
	return false;
}

static const struct auth_mechanism *find_mechanism(const char *name)
{
	for (size_t i = 0; i < countof(mechanisms); i++)
		if (strcmp(mechanisms[i]->name, name) == 0)
			return mechanisms[i];
	return NULL;
}

static bool is_usable(const struct auth *auth, const struct auth_mechanism *mechanism,
		      const struct auth_channel *channel)
{
	if (mechanism->binds && !auth_channel_binds(channel))
		return false;
	if (mechanism->certified && !channel->certified_count)
		return false;
	if (mechanism->anonymous && !channel->anonymous)
		return false;
	if (mechanism->hashes && !(channel->hashes & 1u << mechanism->hash))
		return false;
	return !mechanism->clear || channel->secure || auth->plain_insecure;
}

const struct auth_mechanism *auth_usable(const struct auth *auth, const char *name,
					 const struct auth_channel *channel)
{
	for (size_t i = 0; i < auth->mechanism_count; i++)
		if (strcmp(auth->mechanisms[i]->name, name) == 0)
			return is_usable(auth, auth->mechanisms[i], channel) ? auth->mechanisms[i]
									     : NULL;
	return NULL;
}

static void add_mechanism(struct auth *auth, const char *name)
{
	const struct auth_mechanism *mechanism = find_mechanism(name);

	for (size_t i = 0; i < auth->mechanism_count; i++)
		if (auth->mechanisms[i] == mechanism)
			return;
	if (mechanism)
		auth->mechanisms[auth->mechanism_count++] = mechanism;
}

/*
 * In the order of the file, what binds to the channel before all that does not. A certificate is
 * better still, and is there only if the file asks for certificates.
 */
static void add_mechanisms(struct auth *auth, const char *const *names)
{
	add_mechanism(auth, auth_external.name);
	for (const char *const *name = names; *name; name++) {
		AUTO(buf_fini) struct buf plus = {0};

		buf_printf(&plus, "%s-PLUS", *name);
		add_mechanism(auth, buf_text(&plus));
	}
	for (const char *const *name = names; *name; name++)
		add_mechanism(auth, *name);
}

struct auth *auth_new(struct mio *mio, struct mio_driver *hashing,
		      const struct auth_options *options)
{
	struct auth *auth = mem_zalloc(MEM_SASL, sizeof(*auth));
	uint32_t generation;

	auth->mio = mio;
	auth->rounds = options->rounds ? options->rounds : AUTH_ROUNDS;
	memcpy(auth->secret, options->secret, sizeof(auth->secret));
	mio_random(mio, &generation, sizeof(generation));
	slots_init(&auth->requests, (uint8_t)mio_worker(mio), generation);
	hashing_init(&auth->hashing, mio, hashing);
	auth_change(auth, options);
	return auth;
}

void auth_change(struct auth *auth, const struct auth_options *options)
{
	auth->plain_insecure = options->plain_insecure;
	auth->mechanism_count = 0;
	add_mechanisms(auth, options->mechanisms);
}

void auth_free(struct auth **taken)
{
	struct auth *auth = *taken;
	struct auth_request *request;

	*taken = NULL;
	if (!auth)
		return;
	for (uint32_t at = 0; (request = slots_next(&auth->requests, &at));)
		request->dropped(request);
	slots_fini(&auth->requests);
	hashing_fini(&auth->hashing);
	mem_wipe(auth->secret, sizeof(auth->secret));
	mem_free(auth);
}

bool auth_offers(const struct auth *auth, const char *mechanism, const struct auth_channel *channel)
{
	return auth_usable(auth, mechanism, channel);
}

void auth_mechanisms(const struct auth *auth, const struct auth_channel *channel,
		     void (*offer)(void *to, const char *name), void *to)
{
	for (size_t i = 0; i < auth->mechanism_count; i++)
		if (is_usable(auth, auth->mechanisms[i], channel))
			offer(to, auth->mechanisms[i]->name);
}

unsigned auth_wanted_hashes(const struct auth *auth, const struct auth_channel *channel)
{
	unsigned hashes = 0;

	for (size_t i = 0; i < auth->mechanism_count; i++)
		if (auth->mechanisms[i]->hashes)
			hashes |= 1u << auth->mechanisms[i]->hash;
	return hashes & ~channel->hashes;
}

uint32_t auth_rounds(const struct auth *auth)
{
	return auth->rounds;
}

void auth_channel_certify(struct auth_channel *channel, struct jid *user)
{
	for (unsigned at = 0; at < channel->certified_count; at++)
		if (jid_equal(channel->certified[at], user))
			return;
	if (channel->certified_count < AUTH_CERTIFIED_MAX)
		channel->certified[channel->certified_count++] = jid_ref(user);
}

void auth_channel_fini(struct auth_channel *channel)
{
	while (channel->certified_count)
		jid_free(&channel->certified[--channel->certified_count]);
}

/* -- requests to sources --------------------------------------------------------------------------
 */

void auth_request_start(struct auth *auth, struct auth_request *request)
{
	request->token = slots_add(&auth->requests, request);
}

void auth_request_stop(struct auth *auth, struct auth_request *request)
{
	if (request->token)
		slots_del(&auth->requests, request->token);
	request->token = 0;
}

void auth_source_answer(struct auth *auth, uint64_t token, int result,
			const struct auth_account *account)
{
	struct auth_request *request = slots_del(&auth->requests, token);

	if (!request)
		return;
	request->token = 0;
	request->answered(request, result, account);
}

struct ask {
	struct auth_request request;
	auth_asked_fn *done;
	void *arg;
	uint64_t token;
};

static void ask_answered(struct auth_request *request, int result,
			 const struct auth_account *account)
{
	struct ask *ask = container_of(request, struct ask, request);

	ask->done(ask->arg, ask->token, result, account);
	mem_free(ask);
}

static void ask_dropped(struct auth_request *request)
{
	mem_free(container_of(request, struct ask, request));
}

void auth_ask(struct auth *auth, enum auth_verb verb, const struct auth_source *source, void *state,
	      struct jid *user, const struct auth_account *account, auth_asked_fn *done, void *arg,
	      uint64_t token)
{
	struct ask *ask = mem_alloc(MEM_SASL, sizeof(*ask));

	*ask = (struct ask){
		.request = {.answered = ask_answered, .dropped = ask_dropped},
		.done = done,
		.arg = arg,
		.token = token,
	};
	auth_request_start(auth, &ask->request);
	switch (verb) {
	case AUTH_LOOKUP:
		source->lookup(state, auth, user, ask->request.token);
		return;
	case AUTH_CREATE:
		source->create(state, auth, user, account, ask->request.token);
		return;
	case AUTH_CHANGE:
		source->change(state, auth, user, account, ask->request.token);
		return;
	case AUTH_REMOVE:
		source->remove(state, auth, user, ask->request.token);
		return;
	case AUTH_TOKENS_SET:
		source->tokens(state, auth, user, account, ask->request.token);
		return;
	case AUTH_KEYS_ADD:
		source->add_keys(state, auth, user, account, ask->request.token);
		return;
	case AUTH_UNDO:
		source->undo(state, auth, user, ask->request.token);
		return;
	}
}

/* -- new passwords --------------------------------------------------------------------------------
 */

static void account_made(struct hash_job *job)
{
	int result = job->refused ? -EAGAIN : job->good ? AUTH_OK : AUTH_REFUSED;

	job->made(job->arg, job->token, result, result == AUTH_OK ? &job->account : NULL);
}

void auth_make_account(struct auth *auth, struct slice password, auth_made_fn *made, void *arg,
		       uint64_t token)
{
	struct hash_job *job = hash_job_new(password, account_made, arg);

	job->made = made;
	job->token = token;
	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		struct auth_key *key = &job->account.keys[hash];

		key->present = true;
		key->rounds = auth->rounds;
		key->salt_len = AUTH_SALT_LEN;
		mio_random(auth->mio, key->salt, AUTH_SALT_LEN);
	}
	hash_job_start(&auth->hashing, &job);
}
