/* SPDX-License-Identifier: MIT */
#include "c2s/upgrade.h"

#include <stdio.h>
#include "c2s/client.h"
#include "c2s/login.h"
#include "jid/jid.h"
#include "xml/nad.h"

#define NS_UPGRADE "urn:xmpp:sasl:upgrade:0"
#define NS_SCRAM_UPGRADE "urn:xmpp:scram-upgrade:0"
#define TASK "UPGR-"

enum { SALT_LEN = 16 };

static void task_name(unsigned hash, char name[32])
{
	snprintf(name, 32, TASK "%s", auth_hash_mechanism((enum auth_hash)hash));
}

void upgrade_offer(void *owner, struct sx *sx, struct nad *features)
{
	struct client *client = conn_owner(conn_of(sx));
	unsigned wanted = login_wanted_hashes(client);

	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		char name[32];

		task_name(hash, name);
		if (wanted & 1u << hash)
			nad_append_text(features, NS_UPGRADE, "upgrade", 2, slice_of(name));
	}
}

static bool asks_for(const struct nad *request, const char *name)
{
	for (int at = nad_find_child(request, 0, NS_UPGRADE, "upgrade"); at >= 0; at = nad_find_next(request, at, NS_UPGRADE, "upgrade")) {
		if (slice_is(nad_cdata(request, at), name))
			return true;
	}
	return false;
}

/* The next that it asks for, was offered, and that its account lacks; AUTH_HASHES: there is none. */
static unsigned next_hash(struct client *client)
{
	unsigned wanted = login_wanted_hashes(client) & auth_lacks(client->pending->login) & ~client->sasl2->upgraded, hash;

	for (hash = 0; hash < AUTH_HASHES; hash++) {
		char name[32];

		task_name(hash, name);
		if (wanted & 1u << hash && asks_for(client->sasl2->request, name))
			break;
	}
	return hash;
}

bool upgrade_begin(struct client *client)
{
	struct sasl2 *sasl2 = client->sasl2;
	unsigned hash = next_hash(client);
	struct slice data = buf_slice(&sasl2->data);
	struct sx_sasl_answer answer = {.outcome = SX_SASL_CONTINUE, .data = sasl2->has_data ? &data : NULL};
	char name[32];

	if (hash == AUTH_HASHES)
		return false;
	task_name(hash, name);
	answer.text = name;
	sasl2->upgrading = (uint8_t)hash;
	sasl2->upgraded |= 1u << hash;
	sasl2->has_data = false; /* said once */
	sx_sasl_answer(conn_sx(client->conn), &answer);
	return true;
}

static void give_salt(struct client *client)
{
	struct sasl2 *sasl2 = client->sasl2;
	AUTO(buf_fini) struct buf text = {0};
	struct sx_sasl_answer answer = {.outcome = SX_SASL_TASK_DATA};

	sasl2->key = (struct auth_key){.rounds = auth_rounds(client->c2s->worker->auth), .salt_len = SALT_LEN};
	mio_random(client->c2s->worker->mio, sasl2->key.salt, SALT_LEN);
	buf_printf(&text, "<salt xmlns='" NS_SCRAM_UPGRADE "' iterations='%u'>", sasl2->key.rounds);
	buf_append_base64(&text, (struct slice){(const char *)sasl2->key.salt, SALT_LEN});
	buf_append_text(&text, "</salt>");
	answer.text = buf_text(&text);
	sx_sasl_answer(conn_sx(client->conn), &answer);
}

/* Whatever became of it: who logged in has logged in. */
static void added(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct client *client = client_get(arg, token);

	if (!client || !client->pending || !client->pending->login || !client->sasl2)
		return;
	if (result == AUTH_OK)
		log_event(&client->c2s->log, LOG_INFO,
			  &(struct log_event){"key-added", conn_peer(client->conn), {{"jid", jid_text(client->sasl2->user)}}},
			  "%s has a key for %s now", jid_text(client->sasl2->user), auth_hash_mechanism(client->sasl2->upgrading));
	login_go_on_accepting(client);
}

static void add_key(struct client *client)
{
	struct auth_account account = {.era = auth_era(client->pending->login)};
	void *state;
	const struct auth_source *source = login_source(client->c2s, client->pending->domain, &state);

	account.keys[client->sasl2->upgrading] = client->sasl2->key;
	auth_ask(client->c2s->worker->auth, AUTH_KEYS_ADD, source, state, client->sasl2->user, &account, added, client->c2s, client->id);
	auth_account_wipe(&account);
}

/* RFC 5802's SaltedPassword; false: it is none. */
static bool read_hash(struct client *client, struct nad *nad)
{
	enum auth_hash hash = client->sasl2->upgrading;
	int at = nad_find_child(nad, 0, NS_SCRAM_UPGRADE, "hash");
	struct slice text = at < 0 ? SLICE("") : nad_cdata(nad, at);
	AUTO(buf_wipe) struct buf salted = {0};
	bool good = buf_append_unbase64(&salted, text) && buf_used(&salted) == auth_hash_size(hash);

	if (at >= 0)
		nad_wipe(nad, text);
	if (good)
		auth_key_take(hash, buf_slice(&salted), &client->sasl2->key);
	return good;
}

void upgrade_task(void *owner, struct sx *sx, struct nad *nad)
{
	struct client *client = conn_owner(conn_of(sx));
	char name[32];

	task_name(client->sasl2->upgrading, name);
	if (nad_is(nad, 0, NS_SASL2, "next") && slice_is(nad_attr_value(nad, 0, "task"), name))
		give_salt(client);
	else if (nad_is(nad, 0, NS_SASL2, "task-data") && read_hash(client, nad))
		add_key(client);
	else
		login_refuse(client, AUTH_MALFORMED_REQUEST, "this is not what its task asks for");
}
