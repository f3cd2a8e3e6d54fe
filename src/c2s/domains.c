/* SPDX-License-Identifier: MIT */
/*
 * Which session manager serves a domain: the one of this process, one of ours behind the router, or jabberd2's. Worker 0 asks
 * by a hello (a session action with a verb of ours): ours answers with its end, jabberd2's with an error. It tells the others.
 * Each worker asks ours again, now and then when a stream begins, for what it offers in the features.
 */
#include "c2s/domains.h"

#include <string.h>
#include "base/mem.h"
#include "c2s/client.h"
#include "c2s/login.h"
#include "jid/jid.h"
#include "xml/nad.h"
#include "xml/parser.h"

enum { HELLO_AGAIN_MS = 2000, HASHES_AGAIN_MS = 1000, OFFERS_AGAIN_MS = 1000 };

static void ask_again(struct mio_timer *timer);

/* id: the answer has it too. */
static void greet(struct c2s *c2s, struct domain *domain, const char *id)
{
	struct packet *packet = packet_session(c2s->name, domain->name, SESSION_HELLO);

	packet->ours = true;
	packet->session.target = jid_parse(str_slice(domain->name));
	packet->session.id = id ? str_new(slice_of(id)) : NULL;
	session_id_set(&packet->c2s, c2s->hello_id);
	link_send(c2s->worker->link, &packet);
}

static void ask(struct c2s *c2s, struct domain *domain)
{
	greet(c2s, domain, NULL);
}

/* Of one that is known to be ours: for nothing else. */
static void ask_offers(struct c2s *c2s, struct domain *domain)
{
	domain->offers_ms = mio_now_ms(c2s->worker->mio);
	greet(c2s, domain, "offers");
}

static void hashes_answered(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct c2s *c2s = arg;
	struct domain *domain = c2s->domains[token];
	bool was_known = domain->known;

	domain->known = true;
	for (unsigned hash = 0; result == AUTH_OK && hash < AUTH_HASHES; hash++)
		domain->hashes = (uint8_t)((domain->hashes & ~(1u << hash)) | (unsigned)account->keys[hash].present << hash);
	if (!was_known)
		worker_ready_changed(c2s->worker);
}

static void ask_hashes(struct c2s *c2s, struct domain *domain)
{
	AUTO(jid_free) struct jid *jid = jid_parse(str_slice(domain->name));
	void *state;
	const struct auth_source *source = login_source(c2s, domain, &state);

	domain->asked_ms = mio_now_ms(c2s->worker->mio);
	auth_ask(c2s->worker->auth, AUTH_LOOKUP, source, state, jid, NULL, hashes_answered, c2s,
		 domain->at);
}

unsigned domain_hashes(struct c2s *c2s, struct domain *domain)
{
	if (domain->state > DOMAIN_ASKING && mio_now_ms(c2s->worker->mio) - domain->asked_ms >= HASHES_AGAIN_MS)
		ask_hashes(c2s, domain);
	return domain->hashes;
}

const struct nad *domain_offers(struct c2s *c2s, struct domain *domain)
{
	if (mio_now_ms(c2s->worker->mio) - domain->offers_ms >= OFFERS_AGAIN_MS)
		ask_offers(c2s, domain);
	return domain->offers;
}

static void take_offers(struct domain *domain, struct slice text)
{
	static const struct xml_limits limits = {.stanza_bytes = 16384, .depth = 8, .attributes = 16};

	nad_free(&domain->offers);
	domain->offers = xml_parse(text, &limits);
}

static void add_domain(struct c2s *c2s, const char *name)
{
	struct domain *domain = mem_zalloc(MEM_LINK, sizeof(*domain));

	domain->at = c2s->domain_count;
	domain->name = str_new(slice_of(name));
	domain->hashes = AUTH_ALL_HASHES;
	c2s->domains[c2s->domain_count++] = domain;
	if (link_serves(c2s->worker->link, slice_of(name))) {
		domain->state = DOMAIN_LOCAL;
		ask_hashes(c2s, domain);
		ask_offers(c2s, domain);
	}
}

static void add_domains(struct c2s *c2s)
{
	const struct conf_list *names = &c2s->worker->settings->domains;

	c2s->domains = mem_realloc(MEM_LINK, c2s->domains, names->count * sizeof(*c2s->domains));
	while (c2s->domain_count < names->count)
		add_domain(c2s, names->items[c2s->domain_count]);
}

void domains_init(struct c2s *c2s)
{
	c2s->hello_id = slots_add(&c2s->clients, c2s);
	add_domains(c2s);
	mio_timer_init(&c2s->hello_timer, ask_again);
}

/* Whoever serves a new one may have come before: it is asked whether anybody hears. */
void domains_grow(struct c2s *c2s)
{
	uint32_t before = c2s->domain_count;

	add_domains(c2s);
	for (uint32_t at = before; at < c2s->domain_count; at++) {
		if (c2s->domains[at]->state == DOMAIN_AWAY)
			c2s->domains[at]->state = DOMAIN_ASKING;
	}
	if (c2s->domain_count > before && !mio_worker(c2s->worker->mio))
		ask_again(&c2s->hello_timer);
}

struct domain *domain_get(struct c2s *c2s, struct slice name)
{
	for (size_t at = 0; at < c2s->domain_count; at++) {
		if (slice_equal(str_slice(c2s->domains[at]->name), name))
			return c2s->domains[at];
	}
	return NULL;
}

bool domains_ready(const struct c2s *c2s, struct buf *why)
{
	for (size_t at = 0; at < c2s->domain_count; at++) {
		const struct domain *domain = c2s->domains[at];

		if (domain->state > DOMAIN_ASKING && (domain->state != DOMAIN_LOCAL || domain->known))
			continue;
		buf_printf(why, "%s %s", domain->state == DOMAIN_LOCAL ? "storage has not answered for" : "no session manager serves",
			   str_text(domain->name));
		return false;
	}
	return true;
}

/* -- asking: worker 0 ------------------------------------------------------------------------------- */

static void ask_again(struct mio_timer *timer)
{
	struct c2s *c2s = container_of(timer, struct c2s, hello_timer);
	bool asking = false;

	for (size_t at = 0; at < c2s->domain_count; at++) {
		if (c2s->domains[at]->state != DOMAIN_ASKING)
			continue;
		asking = true;
		ask(c2s, c2s->domains[at]);
	}
	if (asking)
		mio_timer_set(c2s->worker->mio, timer, HELLO_AGAIN_MS);
}

/* -- telling: every worker --------------------------------------------------------------------------- */

/* jabberd2's c2s closes with a plain end of stream, and tells nobody (session-protocol.md section 4). */
static void end_sessions(struct c2s *c2s, const struct domain *domain)
{
	struct client *client;

	for (uint32_t at = 0; (client = slots_next(&c2s->clients, &at));) {
		if ((void *)client == c2s)
			continue;
		if (client->sasl2 && client->state == CLIENT_STARTING && client_domain(client) == domain)
			client_fail_login(client);
		else if (client->jid && slice_equal(jid_domain(client->jid), str_slice(domain->name)))
			client_end(client, SX_ERROR_NONE);
	}
}

static void ask_again_for_clients(struct c2s *c2s, const struct domain *domain)
{
	struct client *client;

	for (uint32_t at = 0; (client = slots_next(&c2s->clients, &at));) {
		if ((void *)client != c2s && client->state == CLIENT_STARTING && client_domain(client) == domain)
			client_ask_again(client);
	}
}

static void become(struct c2s *c2s, struct domain *domain, enum domain_state state)
{
	enum domain_state before = domain->state;

	domain->state = state;
	if (state == DOMAIN_AWAY && before != DOMAIN_AWAY) {
		if (!mio_worker(c2s->worker->mio))
			log_event(&c2s->log, LOG_WARN,
				  &(struct log_event){"domain-lost", NULL, {{"domain", str_text(domain->name)}}},
				  "no session manager serves %s: its sessions end", str_text(domain->name));
		end_sessions(c2s, domain);
		login_fail_waiting(c2s, domain);
	} else if (state > DOMAIN_ASKING && before != state) {
		if (state == DOMAIN_FOREIGN)
			end_sessions(c2s, domain); /* those that waited for one of ours */
		if (state == DOMAIN_OURS && mio_worker(c2s->worker->mio))
			ask_offers(c2s, domain);
		if (!domain->known)
			ask_hashes(c2s, domain); /* later when a stream begins: one that comes back is not asked by all at once */
		ask_again_for_clients(c2s, domain);
		login_go_on(c2s, domain);
	} else if (state == DOMAIN_OURS) {
		ask_again_for_clients(c2s, domain); /* it knows a question that it has heard; others went down with a router */
	} else if (state == DOMAIN_ASKING && before == DOMAIN_OURS && !mio_worker(c2s->worker->mio)) {
		log_event(&c2s->log, LOG_WARN, &(struct log_event){"domain-away", NULL, {{"domain", str_text(domain->name)}}},
			  "no session manager serves %s: its sessions wait", str_text(domain->name));
	}
	worker_ready_changed(c2s->worker);
}

/*
 * Of several session managers of a domain one goes, and its sessions with it; the domain is still served. jabberd2's c2s says
 * the same, when the next stanza for it comes back. Sessions of one of ours wait for the next, until it is out of reach for good.
 */
static void manager_went(struct c2s *c2s, struct slice name, bool ours)
{
	struct client *client;

	for (uint32_t at = 0; (client = slots_next(&c2s->clients, &at));) {
		if ((void *)client != c2s && client->state == CLIENT_ACTIVE && (client->keep != NULL) == ours &&
		    slice_equal(str_slice(client->sm_name), name))
			client_end(client, SX_INTERNAL_SERVER_ERROR);
	}
}

struct news {
	struct mio_mail mail;
	struct c2s *c2s;
	size_t at;
	enum domain_state state;
};

static void hear(struct mio *mio, struct mio_mail *mail)
{
	struct news *news = container_of(mail, struct news, mail);

	become(news->c2s, news->c2s->domains[news->at], news->state);
	mem_free(news);
}

/* What this worker did not hear in time. */
static void drop_news(struct c2s *c2s)
{
	struct mio_mail *mail;

	while ((mail = mio_mail_take(c2s->worker->mio, hear)))
		mem_free(container_of(mail, struct news, mail));
}

void domains_fini(struct c2s *c2s)
{
	drop_news(c2s);
	for (size_t at = 0; at < c2s->domain_count; at++) {
		str_free(&c2s->domains[at]->name);
		str_free(&c2s->domains[at]->end);
		nad_free(&c2s->domains[at]->offers);
		mem_free(c2s->domains[at]);
	}
	mem_free(c2s->domains);
	c2s->domains = NULL;
	c2s->domain_count = 0;
	slots_del(&c2s->clients, c2s->hello_id);
	mio_timer_stop(&c2s->hello_timer);
}

static void tell_others(struct c2s *c2s, const struct news *what)
{
	struct process *process = c2s->worker->process;

	for (unsigned at = 1; at < process->worker_count; at++) {
		struct news *news = mem_zalloc(MEM_LINK, sizeof(*news));

		*news = *what;
		news->mail.run = hear;
		news->c2s = worker_state(process->workers[at], &c2s_component);
		mio_post(c2s->worker->mio, process->workers[at]->mio, MIO_CONTROL, &news->mail);
	}
}

static void tell_all(struct c2s *c2s, struct domain *domain, enum domain_state state)
{
	struct news news = {.at = domain->at, .state = state};

	tell_others(c2s, &news);
	become(c2s, domain, state);
}

void domain_changed(struct c2s *c2s, struct slice name, bool available)
{
	struct domain *domain = domain_get(c2s, name);

	if (!available) {
		keep_apart(c2s);
		manager_went(c2s, name, false);
	}
	if (domain)
		keep_saw(c2s, available);
	if (!domain || domain->state == DOMAIN_LOCAL || mio_worker(c2s->worker->mio))
		return;
	if (!available) {
		tell_all(c2s, domain, domain->state == DOMAIN_OURS || domain->end ? DOMAIN_ASKING : DOMAIN_AWAY);
		return;
	}
	if (domain->state == DOMAIN_AWAY)
		tell_all(c2s, domain, DOMAIN_ASKING);
	ask(c2s, domain);
	mio_timer_set(c2s->worker->mio, &c2s->hello_timer, HELLO_AGAIN_MS);
}

/* "sm/0/1b2c3d4e": the name in an end. */
static struct slice name_in(const struct str *end)
{
	const char *text = str_text(end), *slash = strchr(text, '/');

	return (struct slice){text, slash ? (size_t)(slash - text) : strlen(text)};
}

static void become_ours(struct c2s *c2s, struct domain *domain, struct str *end)
{
	if (domain->state != DOMAIN_OURS)
		log_event(&c2s->log, LOG_INFO,
			  &(struct log_event){"domain-served", NULL, {{"domain", str_text(domain->name)}, {"by", str_text(end)}}},
			  "%s is served by %s", str_text(domain->name), str_text(end));
	str_free(&domain->end);
	domain->end = str_ref(end);
	domain->back = keep_is_presenting(c2s);
	if (domain->back)
		return;
	keep_together(c2s);
	tell_all(c2s, domain, DOMAIN_OURS);
}

void domains_go_on(struct c2s *c2s)
{
	keep_together(c2s);
	for (size_t at = 0; at < c2s->domain_count; at++) {
		if (c2s->domains[at]->back)
			tell_all(c2s, c2s->domains[at], DOMAIN_OURS);
		c2s->domains[at]->back = false;
	}
}

void domains_end_changed(struct c2s *c2s, struct slice manager, uint32_t epoch)
{
	if (epoch) {
		keep_present(c2s, manager);
		return;
	}
	manager_went(c2s, manager, true);
	for (size_t at = 0; at < c2s->domain_count && !mio_worker(c2s->worker->mio); at++) {
		struct domain *domain = c2s->domains[at];

		if (domain->state == DOMAIN_ASKING && domain->end && slice_equal(name_in(domain->end), manager)) {
			str_free(&domain->end);
			tell_all(c2s, domain, DOMAIN_AWAY);
		}
	}
}

void domain_answered(struct c2s *c2s, const struct packet *packet)
{
	struct domain *domain = packet->session.target ? domain_get(c2s, jid_domain(packet->session.target)) : NULL;
	AUTO(buf_fini) struct buf why = {0};

	/* A routing error says that nobody is there yet, not what it is: the timer asks again. */
	if (!domain || packet->error || domain->state == DOMAIN_AWAY)
		return;
	if (packet->session.end)
		take_offers(domain, buf_slice(&packet->session.text));
	if (domain->state == DOMAIN_LOCAL || packet->session.id)
		return;
	if (packet->session.end) {
		become_ours(c2s, domain, packet->session.end);
		return;
	}
	if (process_open_storage(c2s->worker->process, &why)) {
		log_error(&c2s->log, "accounts of our own are needed beside a foreign session manager: %s", buf_text(&why));
		return;
	}
	if (domain->state != DOMAIN_FOREIGN)
		log_info(&c2s->log, "%s is served by a session manager that is not ours: accounts are kept here",
			 str_text(domain->name));
	tell_all(c2s, domain, DOMAIN_FOREIGN);
}
