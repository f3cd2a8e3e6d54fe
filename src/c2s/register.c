/* SPDX-License-Identifier: MIT */
/* In-band registration before login, XEP-0077: the fields, and an account from a name and a password. */
#include <string.h>
#include "base/mem.h"
#include "c2s/client.h"
#include "c2s/login.h"
#include "component/quotas.h"
#include "jid/jid.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

bool register_offered(const struct client *client)
{
	const struct settings *settings = client->c2s->worker->settings;

	return settings->accounts.registration == REGISTRATION_OPEN &&
	       (sx_is_secure(conn_sx(client->conn)) || !settings->tls.required);
}

static void send_fields(struct client *client, const struct stanza *request)
{
	struct stanza *result = stanza_result(request);
	struct nad *nad = result->payload;

	nad_append(nad, NS_REGISTER, "query", 1);
	nad_append_text(nad, NS_REGISTER, "instructions", 2, SLICE("Choose a username and a password for this server."));
	nad_append(nad, NS_REGISTER, "username", 2);
	nad_append(nad, NS_REGISTER, "password", 2);
	client_send(client, &result);
}

static void answer(struct client *client, bool ok, enum stanza_error error)
{
	struct stanza *request = stanza_new(STANZA_IQ, STANZA_SET, buf_slice(&client->iq_id));
	struct stanza *result = ok ? stanza_result(request) : stanza_error_new(request, error, NULL);

	stanza_free(&request);
	buf_fini(&client->iq_id);
	str_free(&client->request);
	client_forget_pending(client);
	client_send(client, &result);
}

void register_answer(struct client *client, bool ok, enum stanza_error error)
{
	answer(client, ok, error);
	client_go_on(client);
}

/* The answer may come yet: it must not find another request of the same stream. */
void register_unanswered(struct client *client)
{
	answer(client, false, STANZA_REMOTE_SERVER_TIMEOUT);
	conn_close(client->conn, SX_INTERNAL_SERVER_ERROR, NULL);
}

/* jabberd2's sm keeps a record of its own for each user: it is told, and may refuse. */
static void tell_foreign_sm(struct client *client)
{
	struct c2s *c2s = client->c2s;
	struct packet *packet = packet_session(c2s->name, client->pending->domain->name, SESSION_CREATE);
	AUTO(buf_fini) struct buf id = {0};
	unsigned char random[20];

	mio_random(c2s->worker->mio, random, sizeof(random));
	buf_append_hex(&id, random, sizeof(random));
	client->request = str_new(buf_slice(&id));
	packet->session.target = jid_ref(client->pending->user);
	packet->session.id = str_ref(client->request);
	session_id_set(&packet->c2s, client->id);
	link_send(c2s->worker->link, &packet);
}

static enum stanza_error refusal_of(int result)
{
	switch (result) {
	case AUTH_EXISTS:
	case AUTH_LOCKED:
		return STANZA_CONFLICT;
	case AUTH_REFUSED:
		return STANZA_NOT_ACCEPTABLE;
	default:
		return STANZA_RESOURCE_CONSTRAINT;
	}
}

static void asked(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct client *client = client_get(arg, token);

	if (!client || !client->pending || !client->pending->user)
		return;
	if (result == AUTH_OK && client->pending->domain->state == DOMAIN_FOREIGN) {
		tell_foreign_sm(client);
		return;
	}
	if (result == AUTH_OK) {
		metric_add(client->c2s->worker->process, METRIC_REGISTRATIONS, 1);
		log_event(&client->c2s->log, LOG_INFO,
			  &(struct log_event){"registered", conn_peer(client->conn), {{"jid", jid_text(client->pending->user)}}},
			  "registered %s", jid_text(client->pending->user));
	}
	register_answer(client, result == AUTH_OK, refusal_of(result));
}

static void undone(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct client *client = client_get(arg, token);

	if (client && client->pending)
		register_answer(client, false, STANZA_CONFLICT);
}

/* The session manager's word on "create": refused, the account goes again. */
void register_created(struct client *client, bool failed)
{
	struct c2s *c2s = client->c2s;

	if (!client->pending || !client->pending->user)
		return;
	if (!failed) {
		metric_add(c2s->worker->process, METRIC_REGISTRATIONS, 1);
		register_answer(client, true, STANZA_CONFLICT);
		return;
	}
	/* Only who has the accounts here asks a session manager that is not ours, whoever serves the domain by now. */
	auth_ask(c2s->worker->auth, AUTH_UNDO, &auth_source_storage, c2s->worker->process->storage, client->pending->user, NULL,
		 undone, c2s, client->id);
}

static void made(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct c2s *c2s = arg;
	struct client *client = client_get(c2s, token);
	void *state;
	const struct auth_source *source;

	if (!client || !client->pending || !client->pending->user)
		return;
	if (result != AUTH_OK) {
		register_answer(client, false, result < 0 ? STANZA_RESOURCE_CONSTRAINT : STANZA_NOT_ACCEPTABLE);
		return;
	}
	if (settings_is_admin(c2s->worker->settings, jid_user(client->pending->user))) {
		register_answer(client, false, STANZA_CONFLICT); /* not for who comes first; no sooner than if it were there */
		return;
	}
	source = login_source(c2s, client->pending->domain, &state);
	auth_ask(c2s->worker->auth, AUTH_CREATE, source, state, client->pending->user, account, asked, c2s, client->id);
}

static void log_refused(struct client *client)
{
	static const char reason[] = "too many from there (limits.registrations)";

	if (notes_let(&client->c2s->notes, "registration-refused", reason))
		log_event(&client->c2s->log, LOG_INFO,
			  &(struct log_event){"registration-refused", conn_peer(client->conn), {{"reason", reason}}},
			  "registration refused: %s", reason);
}

static void create(struct client *client, struct stanza *stanza)
{
	int query = stanza_find(stanza, NS_REGISTER, "query");
	int name = nad_find_child(stanza->payload, query, NS_REGISTER, "username");
	int password = nad_find_child(stanza->payload, query, NS_REGISTER, "password");
	struct pending *pending = client_pending(client);

	buf_clear(&client->iq_id);
	buf_append_slice(&client->iq_id, stanza->id);
	pending->domain = client_domain(client);
	if (name < 0 || password < 0 || !nad_cdata(stanza->payload, password).len) {
		register_answer(client, false, STANZA_NOT_ACCEPTABLE);
		return;
	}
	if (!pending->domain || pending->domain->state <= DOMAIN_ASKING) {
		register_answer(client, false, STANZA_RESOURCE_CONSTRAINT);
		return;
	}
	pending->user = jid_make(nad_cdata(stanza->payload, name), str_slice(pending->domain->name), (struct slice){NULL, 0});
	if (!pending->user || !jid_local(pending->user).len) {
		register_answer(client, false, STANZA_JID_MALFORMED);
		return;
	}
	if (!quotas_registration(client->c2s->worker->process->quotas, conn_peer(client->conn),
				 mio_now_ms(client->c2s->worker->mio))) {
		process_refused(client->c2s->worker->process, SX_REFUSED_REGISTRATIONS);
		log_refused(client);
		register_answer(client, false, STANZA_RESOURCE_CONSTRAINT);
		return;
	}
	client_await(client);
	auth_make_account(client->c2s->worker->auth, nad_cdata(stanza->payload, password), made, client->c2s, client->id);
	nad_wipe(stanza->payload, nad_cdata(stanza->payload, password));
}

bool register_take(struct client *client, struct stanza *stanza)
{
	if (stanza->kind != STANZA_IQ || stanza_find(stanza, NS_REGISTER, "query") < 0)
		return false;
	if (!register_offered(client)) {
		struct stanza *error = stanza_error_new(stanza, STANZA_NOT_ALLOWED, NULL);

		client_send(client, &error);
	} else if (stanza->type == STANZA_GET) {
		send_fields(client, stanza);
	} else if (stanza->type == STANZA_SET) {
		create(client, stanza);
	}
	return true;
}
