/* SPDX-License-Identifier: MIT */
#include "c2s/fast.h"

#include "auth/auth.h"
#include "base/stamp.h"
#include "c2s/client.h"
#include "c2s/login.h"
#include "jid/jid.h"
#include "stanza/ns.h"
#include "xml/nad.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)

enum { LASTS_DAYS = 30 };

static const struct nad *request_of(const struct client *client)
{
	return client->sasl2 ? client->sasl2->request : NULL;
}

static int find(const struct client *client, const char *name)
{
	return request_of(client) ? nad_find_child(request_of(client), 0, NS_FAST, name) : -1;
}

bool fast_is_asked(const struct client *client)
{
	return find(client, "fast") >= 0;
}

/* 0: it says none. */
static uint32_t count_of(const struct client *client)
{
	int fast = find(client, "fast");
	uint64_t count;

	if (fast < 0 || !slice_to_u64(nad_attr_value(request_of(client), fast, "count"), &count) || count > UINT32_MAX)
		return 0;
	return (uint32_t)count;
}

bool fast_is_replay(const struct client *client)
{
	unsigned used;
	const struct auth_token *tokens = auth_tokens_of(client->pending->login, &used);
	uint32_t count = count_of(client);

	return tokens && count && count <= tokens[used].count;
}

static bool invalidates(const struct client *client)
{
	int fast = find(client, "fast");
	struct slice said = fast < 0 ? SLICE("") : nad_attr_value(request_of(client), fast, "invalidate");

	return slice_is(said, "true") || slice_is(said, "1");
}

struct wanted {
	struct slice name;
	bool found;
};

static void compare(void *arg, const char *name)
{
	struct wanted *wanted = arg;

	wanted->found = wanted->found || slice_is(wanted->name, name);
}

/* False: it asks for none that it could use here. */
static bool asks_for(struct client *client, enum auth_token_mechanism *mechanism)
{
	int at = find(client, "request-token");
	struct wanted wanted = {.name = at < 0 ? SLICE("") : nad_attr_value(request_of(client), at, "mechanism")};

	if (!wanted.name.len)
		return false;
	login_token_mechanisms(client, compare, &wanted);
	return wanted.found && auth_token_mechanism_find(wanted.name, mechanism);
}

static void issue(struct client *client, enum auth_token_mechanism mechanism, struct auth_token *token)
{
	struct mio *mio = client->c2s->worker->mio;

	*token = (struct auth_token){.present = true, .mechanism = (uint8_t)mechanism, .made_ms = mio_wall_ms(mio)};
	token->expires_ms = token->made_ms + LASTS_DAYS * DAY_MS;
	mio_random(mio, token->nonce, sizeof(token->nonce));
}

/* Which tokens the device has from now on; false: those that it has. */
static bool plan(struct client *client, struct auth_account *account)
{
	unsigned used;
	const struct auth_token *have = auth_tokens_of(client->pending->login, &used);
	struct auth_token *current = &account->tokens[AUTH_CURRENT], *next = &account->tokens[AUTH_NEXT];
	enum auth_token_mechanism mechanism;
	bool asks = asks_for(client, &mechanism), old = false, changed = asks;

	account->era = auth_era(client->pending->login);
	if (have) {
		account->used = have[used];
		account->used_at = (uint8_t)used;
		*current = have[used];
		if (used == AUTH_CURRENT)
			*next = have[AUTH_NEXT];
		changed |= used == AUTH_NEXT || count_of(client) > current->count;
		current->count = count_of(client) ? count_of(client) : current->count;
		old = mio_wall_ms(client->c2s->worker->mio) - current->made_ms > DAY_MS;
	}
	if (have && invalidates(client)) {
		current->present = next->present = old = false;
		changed = true;
	}
	if (asks || old)
		issue(client, asks ? mechanism : (enum auth_token_mechanism)current->mechanism, next);
	client->sasl2->issues = asks || old;
	return changed || old;
}

static void append_token(struct client *client, const struct auth_token *token)
{
	struct buf *out = &client->sasl2->token;
	char stamp[STAMP_LEN];

	stamp_print(stamp, token->expires_ms, false);
	buf_reserve(out, 256); /* at once: what is moved is not wiped */
	buf_printf(out, "<token xmlns='" NS_FAST "' expiry='%s' token='%s'/>", stamp, token->secret);
}

/*
 * Another login by the same token came first, or all tokens ended: it learns which when it comes again. One that could not be stored is
 * not given; one that is to be invalid, and may not be, is for the client to know.
 */
static void written(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct client *client = client_get(arg, token);

	if (!client || !client->pending || !client->pending->login || !client->sasl2)
		return;
	if (result == AUTH_UNKNOWN) {
		login_refuse(client, fast_is_asked(client) ? AUTH_TEMPORARY_FAILURE : AUTH_NOT_AUTHORIZED,
			     "what it logged in by is another meanwhile");
		return;
	}
	if (result != AUTH_OK && invalidates(client)) {
		login_refuse(client, AUTH_TEMPORARY_FAILURE, "its token could not be made invalid");
		return;
	}
	if (result == AUTH_OK && account && client->sasl2->issues && account->tokens[AUTH_NEXT].present)
		append_token(client, &account->tokens[AUTH_NEXT]);
	login_accept(client);
}

bool fast_begin(struct client *client, struct jid *user)
{
	struct pending *pending = client->pending;
	struct slice device = sasl2_device(client);
	AUTO(jid_free) struct jid *named = device.len ? jid_with_resource(user, device) : NULL;
	struct auth_account account = {0};
	const struct auth_source *source;
	void *state;

	if (!named || auth_is_anonymous(user) || !plan(client, &account))
		return false;
	source = login_source(client->c2s, pending->domain, &state);
	auth_ask(client->c2s->worker->auth, AUTH_TOKENS_SET, source, state, named, &account, written, client->c2s, client->id);
	auth_account_wipe(&account);
	return true;
}
