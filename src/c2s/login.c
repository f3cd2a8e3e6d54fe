/* SPDX-License-Identifier: MIT */
/* Logging in: SASL messages to the auth engine and back; then the connection moves to its user's worker. */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "c2s/client.h"
#include "c2s/fast.h"
#include "c2s/login.h"
#include "c2s/upgrade.h"
#include "component/quotas.h"
#include "jid/jid.h"
#include "stanza/ns.h"
#include "xml/nad.h"

#define NOBODY_SERVES "nobody serves the domain"

static struct client *client_of(struct sx *sx)
{
	return conn_owner(conn_of(sx));
}

const struct auth_source *login_source(struct c2s *c2s, const struct domain *domain, void **state)
{
	if (domain->state == DOMAIN_LOCAL || domain->state == DOMAIN_FOREIGN) {
		*state = c2s->worker->process->storage;
		return &auth_source_storage;
	}
	/* Also when it has gone: nobody answers then, and we need not have storage. */
	*state = &c2s->asker;
	return &auth_source_link;
}

struct certified {
	struct auth_channel *channel;
	const struct domain *domain;
};

static void note_certified(void *to, struct slice name)
{
	struct certified *certified = to;
	AUTO(jid_free) struct jid *jid = jid_parse(name);

	if (jid && jid_local(jid).len && jid_is_bare(jid) &&
	    slice_equal(jid_domain(jid), str_slice(certified->domain->name)))
		auth_channel_certify(certified->channel, jid);
}

static void bind_to(struct sx *sx, enum sx_tls_binding type, struct auth_binding *binding)
{
	AUTO(buf_fini) struct buf bytes = {0};

	if (!sx_tls_binding(sx, type, &bytes) || buf_used(&bytes) > sizeof(binding->data))
		return;
	binding->len = (uint8_t)buf_used(&bytes);
	memcpy(binding->data, buf_slice(&bytes).data, binding->len);
}

/* The caller's, to be ended. Without bytes: of bindings only whether there are any. */
static struct auth_channel channel_of(struct sx *sx, bool with_bytes)
{
	static const enum sx_tls_binding types[AUTH_BINDINGS] = {
		[AUTH_TLS_EXPORTER] = SX_TLS_EXPORTER,
		[AUTH_TLS_UNIQUE] = SX_TLS_UNIQUE,
		[AUTH_TLS_SERVER_END_POINT] = SX_TLS_SERVER_END_POINT,
	};
	struct auth_channel channel = {.secure = sx_is_secure(sx), .hashes = client_of(sx)->hashes, .tls = sx_tls_number(sx)};
	struct certified certified = {&channel, client_domain(client_of(sx))};

	for (unsigned type = 0; type < AUTH_BINDINGS; type++) {
		if (with_bytes)
			bind_to(sx, types[type], &channel.bindings[type]);
		else
			channel.bindings[type].len = sx_tls_binding(sx, types[type], NULL);
	}
	if (!certified.domain)
		return channel;
	channel.anonymous = certified.domain->state == DOMAIN_LOCAL || certified.domain->state == DOMAIN_OURS;
	sx_tls_client(sx, client_of(sx)->c2s->worker->settings->tls.client_email, note_certified, &certified);
	return channel;
}

static void offer_mechanisms(void *owner, struct sx *sx, void (*offer)(void *to, const char *name), void *to)
{
	AUTO(auth_channel_fini) struct auth_channel channel = channel_of(sx, false);

	auth_mechanisms(client_of(sx)->c2s->worker->auth, &channel, offer, to);
}

static void note_binding(void *to, const char *mechanism)
{
	bool *binds = to;

	*binds = *binds || strstr(mechanism, "-PLUS");
}

void login_offer_bindings(struct client *client, struct nad *features)
{
	AUTO(auth_channel_fini) struct auth_channel channel = channel_of(conn_sx(client->conn), false);
	bool binds = false;

	auth_mechanisms(client->c2s->worker->auth, &channel, note_binding, &binds);
	if (!binds)
		return;
	nad_append(features, NS_SASL_BINDING, "sasl-channel-binding", 1);
	for (unsigned type = 0; type < AUTH_BINDINGS; type++) {
		if (!channel.bindings[type].len)
			continue;
		nad_append(features, NS_SASL_BINDING, "channel-binding", 2);
		nad_append_attr(features, -1, "type", slice_of(auth_binding_name(type)));
	}
}

void login_token_mechanisms(struct client *client, void (*offer)(void *to, const char *name), void *to)
{
	AUTO(auth_channel_fini) struct auth_channel channel = channel_of(conn_sx(client->conn), false);

	auth_token_mechanisms(&channel, offer, to);
}

unsigned login_wanted_hashes(struct client *client)
{
	AUTO(auth_channel_fini) struct auth_channel channel = channel_of(conn_sx(client->conn), false);

	return auth_wanted_hashes(client->c2s->worker->auth, &channel);
}

static void offer_token(void *to, const char *name)
{
	nad_append_text(to, NS_FAST, "mechanism", 4, slice_of(name));
}

void login_offer_tokens(struct client *client, struct nad *features)
{
	nad_append(features, NS_FAST, "fast", 3);
	login_token_mechanisms(client, offer_token, features);
}

static enum sx_sasl_failure failure_of(enum auth_failure failure)
{
	static const enum sx_sasl_failure failures[] = {
		[AUTH_NOT_AUTHORIZED] = SX_SASL_NOT_AUTHORIZED,
		[AUTH_ACCOUNT_DISABLED] = SX_SASL_ACCOUNT_DISABLED,
		[AUTH_INVALID_AUTHZID] = SX_SASL_INVALID_AUTHZID,
		[AUTH_INVALID_MECHANISM] = SX_SASL_INVALID_MECHANISM,
		[AUTH_MALFORMED_REQUEST] = SX_SASL_MALFORMED_REQUEST,
		[AUTH_MECHANISM_TOO_WEAK] = SX_SASL_MECHANISM_TOO_WEAK,
		[AUTH_ENCRYPTION_REQUIRED] = SX_SASL_ENCRYPTION_REQUIRED,
		[AUTH_TEMPORARY_FAILURE] = SX_SASL_TEMPORARY_AUTH_FAILURE,
		[AUTH_TOO_OFTEN] = SX_SASL_TEMPORARY_AUTH_FAILURE,
		[AUTH_CREDENTIALS_EXPIRED] = SX_SASL_CREDENTIALS_EXPIRED,
	};

	return failures[failure];
}

/* "TLSv1.3" or "in clear" */
static const char *protection(const struct client *client)
{
	const char *version = sx_tls_version(conn_sx(client->conn));

	return version ? version : "in clear";
}

static void count_failure(const struct client *client, const struct auth_login *login, enum auth_failure failure)
{
	struct process *process = client->c2s->worker->process;
	unsigned mechanism = metric_mechanism(login ? auth_how(login) : NULL);

	metric_add(process, METRIC_LOGIN_FAILURES + mechanism * METRIC_FAILURES + failure, 1);
	if (failure == AUTH_TOO_OFTEN)
		process_refused(process, SX_REFUSED_LOGINS);
}

/* mechanism: as the client says, when it is none of ours; else NULL. */
static void log_refused(struct client *client, const struct auth_login *login, const char *mechanism, const char *condition,
			const char *why)
{
	struct jid *jid = login ? auth_user(login) : NULL;
	const char *user = jid ? jid_text(jid) : NULL, *how = login ? auth_how(login) : mechanism;
	char quoted[LOG_QUOTE];

	if (!notes_let(&client->c2s->notes, "login-refused", why))
		return;
	log_event(&client->c2s->log, LOG_INFO,
		  &(struct log_event){"login-refused", conn_peer(client->conn),
				      {{"jid", user}, {"mechanism", how}, {"tls", sx_tls_version(conn_sx(client->conn))},
				       {"binding", login ? auth_bound_by(login) : NULL}, {"condition", condition}, {"reason", why}}},
		  "login refused%s%s%s%s, %s: %s: %s", user ? " to " : "", user ? user : "", how ? " by " : "",
		  mechanism ? log_quote(quoted, slice_of(mechanism)) : how ? how : "", protection(client), condition, why);
}

static void refuse_mechanism(struct client *client, const char *mechanism, enum auth_failure failure, const char *why)
{
	struct sx_sasl_answer answer = {.outcome = SX_SASL_FAILURE, .failure = failure_of(failure)};
	bool limited = failure == AUTH_TOO_OFTEN;
	const struct auth_login *login = client->pending->login;

	if (limited)
		why = answer.text = sx_refusal_text(SX_REFUSED_LOGINS);
	count_failure(client, login, failure);
	log_refused(client, login, mechanism, sx_sasl_failure_name(answer.failure), why);
	client_forget_pending(client);
	sasl2_free(&client->sasl2);
	sx_sasl_answer(conn_sx(client->conn), &answer);
}

static void refuse(struct client *client, enum auth_failure failure, const char *why)
{
	refuse_mechanism(client, NULL, failure, why);
}

static void move(struct mio_task *task);

struct client *client_new(struct c2s *c2s)
{
	struct client *client = mem_zalloc(MEM_CLIENT, sizeof(*client));

	client->c2s = c2s;
	client->id = slots_add(&c2s->clients, client);
	client->move_task.run = move;
	metric_add(c2s->worker->process, METRIC_CONNECTIONS, 1);
	return client;
}

/* A connection that changes its worker, and what its client takes along. */
struct arrival {
	struct c2s *c2s; /* of the new worker */
	struct sasl2 *sasl2;
	uint8_t hashes;
	bool placed;
};

static void go_on(struct client *client)
{
	if (client->sasl2 && sx_state(conn_sx(client->conn)) != SX_STATE_CLOSED)
		sasl2_go_on(client);
}

/* It parses on at the end of this turn, by itself. */
static void arrived(struct conn *conn, void *arg)
{
	struct arrival *arrival = arg;
	struct client *client = client_new(arrival->c2s);

	client->conn = conn;
	client->counted = true;
	client->placed = arrival->placed;
	client->hashes = arrival->hashes;
	client->sasl2 = arrival->sasl2;
	conn_set_owner(conn, client);
	mem_free(arrival);
	if (client->c2s->draining)
		conn_close(conn, SX_SYSTEM_SHUTDOWN, NULL);
	else
		go_on(client);
}

/* Nothing is pending now and nobody knows the client's id yet: the connection goes where its user lives. */
static void move(struct mio_task *task)
{
	struct client *client = container_of(task, struct client, move_task);
	struct worker *worker = client->c2s->worker;
	unsigned to = link_worker_of(worker->link, sx_identity(conn_sx(client->conn)));
	struct worker *home = worker->process->workers[to];
	struct c2s *there = worker_state(home, &c2s_component);
	struct conn *conn = client->conn;
	bool direct = conn_options(conn) == &client->c2s->direct_options;
	struct arrival *arrival;

	if (home == worker || sx_state(conn_sx(conn)) == SX_STATE_CLOSED) {
		sx_pause(conn_sx(conn), false);
		go_on(client);
		return;
	}
	arrival = mem_alloc(MEM_CLIENT, sizeof(*arrival));
	*arrival = (struct arrival){there, client->sasl2, client->hashes, client->placed};
	client->sasl2 = NULL;
	client->conn = NULL;
	client->counted = client->placed = false; /* it takes its place along */
	client_free(&client);
	conn_move(&conn, home->mio, home->conns, direct ? &there->direct_options : &there->options, arrived, arrival);
}

/* data: NULL by SASL2, which says it later. */
static void accept_login(struct client *client, struct jid *user, const struct slice *data)
{
	struct sx_sasl_answer answer = {
		.outcome = SX_SASL_SUCCESS, .data = data, .identity = user, .how = auth_how(client->pending->login)};
	const char *binding = auth_bound_by(client->pending->login);

	metric_add(client->c2s->worker->process, METRIC_LOGINS + metric_mechanism(answer.how), 1);
	log_event(&client->c2s->log, LOG_INFO,
		  &(struct log_event){"login", conn_peer(client->conn),
				      {{"jid", jid_text(user)}, {"mechanism", answer.how},
				       {"tls", sx_tls_version(conn_sx(client->conn))}, {"binding", binding}}},
		  "login %s by %s, %s, %s", jid_text(user), answer.how, protection(client), binding ? binding : "not bound to it");
	sx_pause(conn_sx(client->conn), true);
	sx_sasl_answer(conn_sx(client->conn), &answer);
	client_forget_pending(client);
	mio_defer(client->c2s->worker->mio, &client->move_task);
}

void login_accept(struct client *client)
{
	AUTO(jid_free) struct jid *user = jid_ref(client->sasl2->user);

	accept_login(client, user, NULL);
}

void login_refuse(struct client *client, enum auth_failure failure, const char *why)
{
	refuse(client, failure, why);
}

static void succeed(struct client *client, const struct auth_answer *given)
{
	struct sasl2 *sasl2 = client->sasl2;

	if (sasl2 && given->has_data) {
		buf_append_slice(&sasl2->data, given->data);
		sasl2->has_data = true;
	}
	if (!sasl2) {
		accept_login(client, given->user, given->has_data ? &given->data : NULL);
		return;
	}
	jid_free(&sasl2->user);
	sasl2->user = jid_ref(given->user);
	login_go_on_accepting(client);
}

void login_go_on_accepting(struct client *client)
{
	if (!upgrade_begin(client) && !fast_begin(client, client->sasl2->user))
		login_accept(client);
}

static bool may_log_in(struct client *client, struct jid *user)
{
	return quotas_may_log_in(client->c2s->worker->process->quotas, conn_peer(client->conn), jid_user(user),
				 mio_now_ms(client->c2s->worker->mio));
}

static bool may_try(void *arg, uint64_t token, struct jid *user)
{
	struct client *client = client_get(arg, token);

	return client && may_log_in(client, user);
}

/* XEP-0388 section 2.3: in the header of its stream. */
static bool is_who_it_said(struct client *client, const struct jid *user)
{
	struct slice from = sx_from(conn_sx(client->conn));
	AUTO(jid_free) struct jid *jid = client->sasl2 && from.len ? jid_parse(from) : NULL;

	return !client->sasl2 || !from.len || (jid && jid_equal_bare(jid, user));
}

/* Of many that were tried at once only so many may learn whether they are right; one that named nobody was no guess. */
static void judge(struct client *client, const struct auth_answer *given)
{
	struct quotas *quotas = client->c2s->worker->process->quotas;
	struct jid *user = auth_user(client->pending->login);
	bool guessed = user && (given->outcome == AUTH_SUCCESS || given->failure == AUTH_NOT_AUTHORIZED ||
				given->failure == AUTH_ACCOUNT_DISABLED);

	if (guessed && !may_log_in(client, user)) {
		refuse(client, AUTH_TOO_OFTEN, "too many failed logins");
	} else if (given->outcome == AUTH_SUCCESS && !is_who_it_said(client, given->user)) {
		refuse(client, AUTH_INVALID_AUTHZID, "its stream is from somebody else");
	} else if (given->outcome == AUTH_SUCCESS && fast_is_replay(client)) {
		refuse(client, AUTH_CREDENTIALS_EXPIRED, "its request came before");
	} else if (given->outcome == AUTH_SUCCESS) {
		quotas_logged_in(quotas, conn_peer(client->conn), jid_user(given->user));
		succeed(client, given);
	} else {
		if (guessed)
			quotas_login_failed(quotas, conn_peer(client->conn), jid_user(user),
					    mio_now_ms(client->c2s->worker->mio));
		refuse(client, given->failure, given->why);
	}
}

static void answered(void *arg, uint64_t token, const struct auth_answer *given)
{
	struct client *client = client_get(arg, token);
	struct sx_sasl_answer challenge = {.outcome = SX_SASL_CHALLENGE};

	if (!client || !client->pending || !client->pending->login)
		return;
	switch (given->outcome) {
	case AUTH_CHALLENGE:
		challenge.data = &given->data;
		sx_sasl_answer(conn_sx(client->conn), &challenge);
		break;
	case AUTH_SUCCESS:
	case AUTH_FAILURE:
		judge(client, given);
		break;
	}
}

static const struct auth_asker asker = {.answer = answered, .may_try = may_try};

static void ignore_name(void *to, struct slice name)
{
}

static const char *not_offered(const struct client *client, const char *mechanism)
{
	const char *why = NULL;

	if (!strcmp(mechanism, "EXTERNAL"))
		why = sx_tls_client(conn_sx(client->conn), false, ignore_name, NULL);
	return why ? why : "the mechanism is not offered";
}

static void begin(struct client *client, const char *mechanism, bool initial, struct slice message)
{
	struct pending *pending = client->pending;
	struct c2s *c2s = client->c2s;
	AUTO(auth_channel_fini) struct auth_channel channel = channel_of(conn_sx(client->conn), strstr(mechanism, "-PLUS") || !strncmp(mechanism, "HT-", 3));
	void *state;
	const struct auth_source *source = login_source(c2s, pending->domain, &state);

	if (fast_is_asked(client))
		snprintf(channel.device, sizeof(channel.device), "%.*s", (int)sasl2_device(client).len, sasl2_device(client).data);
	channel.place = quotas_where(c2s->worker->process->quotas, conn_peer(client->conn));
	auth_end(&pending->login);
	pending->login = auth_begin(c2s->worker->auth, mechanism, &channel, str_slice(pending->domain->name), source, state,
				    &asker, c2s, client->id);
	if (!pending->login) {
		refuse_mechanism(client, mechanism, AUTH_INVALID_MECHANISM, not_offered(client, mechanism));
	} else if (initial || auth_needs_no_message(pending->login)) {
		auth_step(pending->login, message);
	} else {
		/* All of our other mechanisms begin with the client: an empty challenge asks it to. */
		struct slice nothing = {"", 0};
		struct sx_sasl_answer answer = {.outcome = SX_SASL_CHALLENGE, .data = &nothing};

		sx_sasl_answer(conn_sx(client->conn), &answer);
	}
}

static void keep_waiting(struct pending *pending, const char *mechanism, bool initial, struct slice message)
{
	pending->waits = true;
	pending->initial = initial;
	buf_clear(&pending->mechanism);
	buf_append_text(&pending->mechanism, mechanism);
	buf_wipe(&pending->message);
	buf_append_slice(&pending->message, message);
}

static void step(void *owner, struct sx *sx, const char *mechanism, bool initial, struct slice message)
{
	struct client *client = client_of(sx);
	struct pending *pending = client_pending(client);

	pending->domain = client_domain(client);
	if (!pending->domain || pending->domain->state == DOMAIN_AWAY)
		refuse(client, AUTH_TEMPORARY_FAILURE, NOBODY_SERVES);
	else if (mechanism && pending->domain->state == DOMAIN_ASKING)
		keep_waiting(pending, mechanism, initial, message);
	else if (mechanism)
		begin(client, mechanism, initial, message);
	else if (pending->login)
		auth_step(pending->login, message);
	else
		refuse(client, AUTH_MALFORMED_REQUEST, "a response to nothing");
}

static void dropped(void *owner, struct sx *sx)
{
	struct client *client = client_of(sx);

	if (!client)
		return;
	client_forget_pending(client);
	sasl2_free(&client->sasl2);
}

/* By the stream itself, before anybody was asked who it is. */
static void refused(void *owner, struct sx *sx, enum sx_sasl_failure failure)
{
	struct client *client = client_of(sx);
	enum auth_failure counted = AUTH_MALFORMED_REQUEST;

	if (!client)
		return;
	for (unsigned at = 0; at < AUTH_FAILURES; at++) {
		if (failure_of((enum auth_failure)at) == failure)
			counted = (enum auth_failure)at;
	}
	count_failure(client, NULL, counted);
	log_refused(client, NULL, NULL, sx_sasl_failure_name(failure),
		    failure == SX_SASL_ENCRYPTION_REQUIRED ? "TLS comes first" :
		    failure == SX_SASL_INCORRECT_ENCODING ? "what was said is no base64" : "what was said is out of place");
}

const struct sx_sasl_server_conf login_conf = {.mechanisms = offer_mechanisms,
					       .step = step,
					       .dropped = dropped,
					       .refused = refused,
					       .inlines = sasl2_offer,
					       .asked = sasl2_asked,
					       .upgrades = upgrade_offer,
					       .task = upgrade_task,
					       .attempts = 10};

static bool is_waiting(struct c2s *c2s, const struct client *client, const struct domain *domain)
{
	return (const void *)client != c2s && client->pending && client->pending->waits && client->pending->domain == domain;
}

void login_go_on(struct c2s *c2s, struct domain *domain)
{
	struct client *client;

	for (uint32_t at = 0; (client = slots_next(&c2s->clients, &at));) {
		if (!is_waiting(c2s, client, domain))
			continue;
		client->pending->waits = false;
		begin(client, buf_text(&client->pending->mechanism), client->pending->initial,
		      buf_slice(&client->pending->message));
	}
}

void login_fail_waiting(struct c2s *c2s, struct domain *domain)
{
	struct client *client;

	for (uint32_t at = 0; (client = slots_next(&c2s->clients, &at));) {
		if (is_waiting(c2s, client, domain))
			refuse(client, AUTH_TEMPORARY_FAILURE, NOBODY_SERVES);
	}
}
