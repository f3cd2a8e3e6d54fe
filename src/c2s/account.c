/* SPDX-License-Identifier: MIT */
/* A person's own account, XEP-0077 sections 3.2 and 3.3: what it is, another password, its removal. */
#include "c2s/account.h"

#include "base/mem.h"
#include "c2s/client.h"
#include "c2s/login.h"
#include "jid/jid.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

/* To the server or to nobody in particular; not to other entities that one registers with. */
static bool is_for_us(const struct client *client, const struct stanza *stanza)
{
	if (stanza->kind != STANZA_IQ || (stanza->type != STANZA_GET && stanza->type != STANZA_SET))
		return false;
	if (stanza->to && (jid_local(stanza->to).len || jid_resource(stanza->to).len ||
			   !slice_equal(jid_domain(stanza->to), jid_domain(client->jid))))
		return false;
	return stanza_find(stanza, NS_REGISTER, "query") >= 0;
}

static void send_facts(struct client *client, const struct stanza *request)
{
	struct stanza *result = stanza_result(request);
	struct nad *nad = result->payload;

	nad_append(nad, NS_REGISTER, "query", 1);
	nad_append(nad, NS_REGISTER, "registered", 2);
	nad_append_text(nad, NS_REGISTER, "username", 2, jid_local(client->jid));
	nad_append(nad, NS_REGISTER, "password", 2);
	client_send(client, &result);
}

static struct pending *begin(struct client *client, const struct stanza *stanza)
{
	struct pending *pending = client_pending(client);

	buf_clear(&client->iq_id);
	buf_append_slice(&client->iq_id, stanza->id);
	pending->user = jid_bare(client->jid);
	pending->domain = domain_get(client->c2s, jid_domain(client->jid));
	client_await(client);
	return pending;
}

/* The client, when it still waits for this answer. */
static struct client *waiting(void *arg, uint64_t token)
{
	struct client *client = client_get(arg, token);

	return client && client->conn && client->pending && client->pending->user ? client : NULL;
}

static void changed(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct client *client = waiting(arg, token);

	if (!client)
		return;
	if (result == AUTH_OK)
		log_event(&client->c2s->log, LOG_INFO,
			  &(struct log_event){"password-changed", conn_peer(client->conn), {{"jid", jid_text(client->pending->user)}}},
			  "password changed: %s", jid_text(client->pending->user));
	register_answer(client, result == AUTH_OK, STANZA_RESOURCE_CONSTRAINT);
}

static void made(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct client *client = waiting(arg, token);
	const struct auth_source *source;
	void *state;

	if (!client)
		return;
	if (result != AUTH_OK) {
		register_answer(client, false, result < 0 ? STANZA_RESOURCE_CONSTRAINT : STANZA_NOT_ACCEPTABLE);
		return;
	}
	source = login_source(client->c2s, client->pending->domain, &state);
	auth_ask(client->c2s->worker->auth, AUTH_CHANGE, source, state, client->pending->user, account, changed, arg, token);
}

/*
 * A removal goes on when its client has gone. The session manager, when it is ours, ends all that there is of the account. One
 * that is not is told when the keys have gone: what it keeps must follow them, or the next one of that name would have it.
 */
struct removal {
	struct list link; /* in the c2s's removals */
	struct c2s *c2s;
	struct jid *user;      /* owned */
	struct packet *packet; /* what a session manager that is not ours is told then; NULL: it is */
};

static void removal_free(struct removal *removal)
{
	list_remove(&removal->link);
	jid_free(&removal->user);
	packet_free(&removal->packet);
	mem_free(removal);
}

void account_drop(struct c2s *c2s)
{
	while (!list_empty(&c2s->removals))
		removal_free(container_of(c2s->removals.next, struct removal, link));
}

static void removed(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct removal *removal = arg;
	struct c2s *c2s = removal->c2s;
	struct client *client = waiting(c2s, token);

	if (result == AUTH_OK)
		log_event(&c2s->log, LOG_INFO,
			  &(struct log_event){"account-removed", client ? conn_peer(client->conn) : NULL,
					      {{"jid", jid_text(removal->user)}}},
			  "account removed: %s", jid_text(removal->user));
	if (client)
		removal_answer(client, result == AUTH_OK);
	if (result == AUTH_OK && removal->packet)
		link_send(c2s->worker->link, &removal->packet);
	removal_free(removal);
}

static void remove_account(struct client *client, const struct stanza *stanza)
{
	struct removal *removal = mem_zalloc(MEM_CLIENT, sizeof(*removal));
	struct c2s *c2s = client->c2s;
	struct pending *pending = begin(client, stanza);
	bool foreign = pending->domain->state == DOMAIN_FOREIGN;

	pending->removes = true;
	removal->c2s = c2s;
	removal->user = jid_ref(pending->user);
	if (foreign) {
		removal->packet = client_packet_to_sm(client, SESSION_DELETE);
		removal->packet->session.target = jid_ref(pending->user);
	}
	list_append(&c2s->removals, &removal->link);
	auth_ask(c2s->worker->auth, AUTH_REMOVE, foreign ? &auth_source_storage : &auth_source_link,
		 foreign ? (void *)c2s->worker->process->storage : &c2s->asker, pending->user, NULL, removed, removal, client->id);
}

/* Its session is over with the account. Who asked for that hears first that it was done. */
void removal_ended(struct client *client)
{
	bool asked = client->pending && client->pending->removes;

	client_lose_session(client);
	client->sm.len = 0; /* nothing goes by way of it any more */
	if (asked)
		client->pending->removed = true;
	else
		conn_close(client->conn, SX_NOT_AUTHORIZED, "the account was deleted");
}

void removal_answer(struct client *client, bool ok)
{
	bool ended = client->pending->removed;

	register_answer(client, ok, STANZA_RESOURCE_CONSTRAINT);
	if (ended)
		conn_close(client->conn, SX_NOT_AUTHORIZED, ok ? "the account was deleted" : NULL);
}

static void change_password(struct client *client, const struct stanza *stanza, struct slice password)
{
	begin(client, stanza);
	auth_make_account(client->c2s->worker->auth, password, made, client->c2s, client->id);
}

static void refuse(struct client *client, const struct stanza *stanza, enum stanza_error error)
{
	struct stanza *answer = stanza_error_new(stanza, error, NULL);

	client_send(client, &answer);
}

static void set(struct client *client, const struct stanza *stanza)
{
	struct nad *nad = stanza->payload;
	int query = stanza_find(stanza, NS_REGISTER, "query");
	int name = nad_find_child(nad, query, NS_REGISTER, "username");
	int password = nad_find_child(nad, query, NS_REGISTER, "password");

	if (nad_find_child(nad, query, NS_REGISTER, "remove") >= 0)
		remove_account(client, stanza);
	else if (name < 0 || password < 0 || !nad_cdata(nad, password).len)
		refuse(client, stanza, STANZA_BAD_REQUEST);
	else if (!slice_equal(nad_cdata(nad, name), jid_local(client->jid)))
		refuse(client, stanza, STANZA_NOT_ALLOWED);
	else
		change_password(client, stanza, nad_cdata(nad, password));
	if (password >= 0)
		nad_wipe(nad, nad_cdata(nad, password));
}

bool account_take(struct client *client, const struct stanza *stanza)
{
	if (!is_for_us(client, stanza))
		return false;
	if (auth_is_anonymous(client->jid))
		refuse(client, stanza, STANZA_NOT_ALLOWED);
	else if (stanza->type == STANZA_GET)
		send_facts(client, stanza);
	else
		set(client, stanza);
	return true;
}
