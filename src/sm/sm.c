/* SPDX-License-Identifier: MIT */
/* The component: its life, and what arrives from link. */
#include <string.h>
#include "base/mem.h"
#include "component/component.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/deliveries.h"
#include "sm/goners.h"
#include "sm/errand.h"
#include "sm/removal.h"
#include "sm/script.h"
#include "sm/sm_component.h"
#include "xml/parser.h"

static void taken(struct sm *sm, const struct packet *packet)
{
	bool foreign;
	struct session *session = session_of_packet(sm, packet, &foreign);

	if (session)
		outbox_taken(session, packet->count);
}

/*
 * When it ends a process of its own takes nothing more that the next will hear again: what c2s keeps until it is settled, and
 * asks until it is answered. Nor does one whose sessions are saved.
 */
static bool is_for_the_next(const struct sm *sm, const struct packet *packet)
{
	if (!sm->saved.step && (!sm->draining || sm->alone))
		return false;
	if (packet->kind == PACKET_STANZA)
		return (packet->ours && packet->c2s.len) || packet->stanza->origin.key;
	if (packet->kind != PACKET_SESSION || !packet->ours)
		return false;
	switch (packet->session.action) {
	case SESSION_DETACH:
		return sm->saved.step;
	case SESSION_END:
	case SESSION_START:
	case SESSION_BIND:
	case SESSION_ENABLE:
	case SESSION_RESUME:
	case SESSION_PRESENT:
	case SESSION_ATTACH:
	case SESSION_HELLO:
		return true;
	default:
		return false;
	}
}

static void packet_arrived(void *part, struct packet **packet)
{
	struct sm *sm = part;

	if ((*packet)->error) {
		route_returned(sm, packet);
	} else if (!is_for_the_next(sm, *packet)) {
		switch ((*packet)->kind) {
		case PACKET_STANZA:
			if ((*packet)->sm.len || (*packet)->c2s.len)
				route_client_packet(sm, packet);
			else
				route_world_packet(sm, packet);
			break;
		case PACKET_SESSION:
			session_packet(sm, packet);
			break;
		case PACKET_ACCOUNT:
			if (!removal_take(sm, packet))
				account_serve(sm->worker, packet);
			break;
		case PACKET_SETTLED:
			break; /* said to c2s */
		case PACKET_MARKS:
			settle_marks(sm, *packet);
			break;
		case PACKET_TAKEN:
			taken(sm, *packet);
			break;
		}
	}
	packet_free(packet);
	sm_work(sm);
}

static void name_changed(void *part, struct slice name, bool available)
{
	struct sm *sm = part;

	if (available)
		sessions_found(sm, name);
	else
		sessions_end_of(sm, name, false);
	sm_work(sm);
}

struct news {
	struct mio_mail mail;
	struct sm *to;
	enum sm_news what;
};

static void take_news(struct sm *sm, enum sm_news what)
{
	if (what == SM_NEWS_SERVED)
		sm->served = true;
	else
		saved_hear(sm, what);
}

static void hear(struct mio *mio, struct mio_mail *mail)
{
	struct news *news = container_of(mail, struct news, mail);

	take_news(news->to, news->what);
	mem_free(news);
}

/* Behind what was sent to them before. */
void sm_tell_workers(struct sm *sm, enum sm_news what)
{
	for (unsigned at = 0; at < sm->process->worker_count; at++) {
		struct worker *other = sm->process->workers[at];
		struct news *news;

		if (other == sm->worker)
			continue;
		news = mem_zalloc(MEM_SESSION, sizeof(*news));
		news->to = worker_state(other, &sm_component);
		news->what = what;
		news->mail.run = hear;
		mio_post(sm->mio, other->mio, MIO_DATA, &news->mail);
	}
	take_news(sm, what);
}

void sm_served(struct sm *sm)
{
	if (!sm->served)
		sm_tell_workers(sm, SM_NEWS_SERVED);
}

/* A c2s of ours: it has none of its sessions any more. */
static void end_changed(void *part, struct slice name, uint32_t epoch)
{
	struct sm *sm = part;

	sessions_end_of(sm, name, true);
	sm_work(sm);
}

/* Another sm of the domain has it: whether it was worth it, nobody here will learn. */
static void passed_on(void *part, const struct packet *packet)
{
	if (packet->kind == PACKET_STANZA)
		settle(part, packet->stanza);
}

void sm_work(struct sm *sm)
{
	route_queue(sm);
	while (!list_empty(&sm->full)) {
		sessions_end_full(sm);
		route_queue(sm);
	}
	users_trim(sm);
}

/* -- life -- */

static struct slice domain_key(const void *entry)
{
	return str_slice(((const struct sm_domain *)entry)->name);
}

static void add_domain(struct sm *sm, const char *name)
{
	struct sm_domain *domain = mem_zalloc(MEM_SESSION, sizeof(*domain));

	domain->name = str_new(slice_of(name));
	table_put(&sm->domains, domain);
	sm->domain_names[sm->domain_count++] = str_text(domain->name);
	sm->domain_names[sm->domain_count] = NULL;
}

/* Those of the settings that are not served yet; they stand behind the others. */
static void add_domains(struct sm *sm)
{
	const struct conf_list *list = &sm->worker->settings->domains;

	sm->domain_names = mem_realloc(MEM_SESSION, sm->domain_names,
				       (list->count + 1) * sizeof(*sm->domain_names));
	while (sm->domain_count < list->count)
		add_domain(sm, list->items[sm->domain_count]);
	sm->part.domains = sm->domain_names;
}

static void reload(void *state)
{
	struct sm *sm = state;
	size_t at = sm->domain_count;

	add_domains(sm);
	for (; at < sm->domain_count; at++)
		link_add_domain(sm->link, &sm->part, slice_of(sm->domain_names[at]));
}

static void attach(struct sm *sm)
{
	sm->part = (struct link_part){
		.name = str_text(sm->name),
		.domains = sm->domain_names,
		.belongs = LINK_BY_SM,
		.packet = packet_arrived,
		.name_changed = name_changed,
		.end_changed = end_changed,
		.passed_on = passed_on,
		.part = sm,
	};
	link_attach(sm->link, &sm->part);
}

static int start(void *state, struct worker *worker, struct buf *why)
{
	struct sm *sm = state;
	uint32_t generation;
	int rc;

	sm->worker = worker;
	sm->process = worker->process;
	sm->mio = worker->mio;
	sm->link = worker->link;
	sm->log = (struct log){.ring = worker->ring, .part = "sm"};
	sm->alone = strcmp(sm->process->name, "run") == 0;
	sm->name = str_new(slice_of(sm->alone ? "sm" : sm->process->name));
	sm->report.run = settle_report;
	list_init(&sm->reports);
	list_init(&sm->full);
	list_init(&sm->errands);
	list_init(&sm->scripts);
	watch_init(&sm->watch);
	sm->queues.mio = sm->mio;
	sm->queues.shed = sessions_shed;
	if (sm->process->queues)
		budget_join(sm->process->queues, &sm->queues);
	deliveries_init(sm);
	goners_start(sm);
	outboxes_owe_init(sm);
	users_init(sm);
	sm->parsers = xml_pool_new();
	xml_pool_set_salt(sm->parsers, mio_hash_key(sm->mio).k0);
	mio_random(sm->mio, &generation, sizeof(generation));
	slots_init(&sm->sessions, (uint8_t)mio_worker(sm->mio), generation);
	slots_init(&sm->waits, (uint8_t)mio_worker(sm->mio), generation);
	mio_random(sm->mio, &sm->fresh, sizeof(sm->fresh));
	table_init(&sm->domains, domain_key, mio_hash_key(sm->mio));
	add_domains(sm);
	rc = modules_start(sm);
	if (rc) {
		buf_printf(why, "sm: a module cannot start: %s", strerror(-rc));
		return rc;
	}
	chains_sort(sm);
	attach(sm);
	saved_start(sm);
	unacked_start(sm);
	farewells_start(sm);
	return 0;
}

/*
 * Sessions of a c2s in this process are its to end. Another's, when it is ours, wait there for the next sm; one that is not
 * hears that they ended.
 */
static void drain(void *state)
{
	struct sm *sm = state;
	struct session *session;

	sm->draining = true;
	for (uint32_t at = 0; (session = slots_next(&sm->sessions, &at));) {
		if (!session->detached && !session->ours && !link_serves(sm->link, str_slice(session->at)))
			session_end(session, SESSION_TELL_ENDED);
	}
	sm_work(sm);
}

static bool is_attached(const struct sm *sm)
{
	const struct session *session;

	for (uint32_t at = 0; (session = slots_next(&sm->sessions, &at));) {
		if (!session->detached && link_serves(sm->link, str_slice(session->at)))
			return true;
	}
	return false;
}

/* When c2s has let go of all sessions, those that can be resumed are saved. */
static bool drained(void *state)
{
	struct sm *sm = state;

	if (buf_used(&sm->queue) || buf_used(&sm->returned) || is_attached(sm) || !saved_save(sm))
		return false;
	return slots_count(&sm->waits) == 0;
}

static void drop_queue(struct sm *sm)
{
	struct stanza *stanza;

	while (route_take(sm, &stanza))
		stanza_free(&stanza);
	buf_fini(&sm->queue);
	buf_fini(&sm->returned);
}

static void stop(void *state)
{
	struct sm *sm = state;
	struct sm_domain *domain;
	struct mio_mail *mail;

	sm->stopping = true;
	while ((mail = mio_mail_take(sm->mio, hear)))
		mem_free(container_of(mail, struct news, mail));
	errands_stop(sm);
	scripts_stop(sm);
	farewells_stop(sm);
	watch_stop(sm);
	settle_stop(sm);
	deliveries_drop(sm);
	goners_stop(sm);
	mio_timer_stop(&sm->owing_timer);
	saved_stop(sm);
	drop_queue(sm);
	stores_drop(sm);
	users_drop(sm);
	modules_stop(sm);
	xml_reader_free(&sm->reader);
	xml_pool_free(&sm->parsers);
	slots_fini(&sm->sessions);
	slots_fini(&sm->waits);
	for (uint32_t at = 0; (domain = table_next(&sm->domains, &at));) {
		str_free(&domain->name);
		mem_free(domain);
	}
	table_fini(&sm->domains);
	mem_free(sm->domain_names);
	str_free(&sm->name);
}

const struct component sm_component = {
	.name = "sm",
	.size = sizeof(struct sm),
	.uses_storage = true,
	.start = start,
	.reload = reload,
	.drain = drain,
	.drained = drained,
	.stop = stop,
};
