/* SPDX-License-Identifier: MIT */
/* Delivery: a packet finds its part on the right worker, or worker 0 and a peer. */
#include "link/link.h"

#include "base/mem.h"
#include "jid/jid.h"
#include "link/channel.h"
#include "link/ends.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

static void drain(struct mio_task *task);
static void bring_home(struct mio_task *task);
static void arrived_for_part(struct mio *mio, struct mio_mail *mail);
static void arrived_for_peers(struct mio *mio, struct mio_mail *mail);

/* What crossed to this worker when its loop had ended. */
static void drop_mail(struct link *link, void (*run)(struct mio *mio, struct mio_mail *mail))
{
	struct mio_mail *mail;

	while ((mail = mio_mail_take(link->mio, run))) {
		struct packet *packet = container_of(mail, struct packet, mail);

		packet_unpack(&packet);
		packet_free(&packet);
	}
}

static struct slice route_key(const void *entry)
{
	return str_slice(((const struct route *)entry)->name);
}

struct link *link_new(struct mio *mio, const struct link_options *options)
{
	struct link *link = mem_zalloc(MEM_LINK, sizeof(*link));

	link->mio = mio;
	link->options = *options;
	link->last = &link->first;
	link->task.run = drain;
	link->home.run = bring_home;
	list_init(&link->peers);
	list_init(&link->sinks);
	table_init(&link->routes, route_key, mio_hash_key(mio));
	ends_init(link);
	return link;
}

static void drop_adverts(struct link *link);

void link_stop(struct link *link)
{
	drop_mail(link, arrived_for_part);
	drop_mail(link, arrived_for_peers);
	drop_adverts(link);
	channel_drop_news(link);
	sinks_drop_news(link);
}

void link_free(struct link **taken)
{
	struct link *link = *taken;
	struct packet *packet;
	struct route *route;

	*taken = NULL;
	if (!link)
		return;
	mio_undefer(link->mio, &link->task);
	mio_undefer(link->mio, &link->home);
	ends_fini(link);
	while ((packet = link->first)) {
		link->first = packet->next;
		packet_free(&packet);
	}
	while (!list_empty(&link->peers)) {
		struct link_peer *peer = container_of(link->peers.next, struct link_peer, link_entry);

		peer_drop(&peer);
	}
	sinks_drop(link);
	for (uint32_t at = 0; (route = table_next(&link->routes, &at));) {
		str_free(&route->name);
		str_free(&route->target);
		loop_free(route);
		mem_free(route->peers);
		mem_free(route);
	}
	table_fini(&link->routes);
	buf_fini(&link->scratch);
	mem_free(link);
}

static void serve_domain(struct link *link, const struct link_part *part, struct slice domain)
{
	struct route *route = route_make(link, domain);

	route->part = part;
	route->shared = true;
}

void link_attach(struct link *link, const struct link_part *part)
{
	route_make(link, slice_of(part->name))->part = part;
	for (const char *const *domain = part->domains; domain && *domain; domain++)
		serve_domain(link, part, slice_of(*domain));
	link->parts[link->part_count++] = part;
}

void link_add_domain(struct link *link, const struct link_part *part, struct slice domain)
{
	serve_domain(link, part, domain);
	if (mio_worker(link->mio))
		return;
	if (link->up)
		peer_bind_domain(link->up, domain);
	peer_advertise(link, domain, true, NULL);
}

unsigned link_worker_of(const struct link *link, const struct jid *user)
{
	return (unsigned)(hash_bytes(link->options.shard_key, jid_user(user)) % 1024 % link->options.workers);
}

bool link_serves(struct link *link, struct slice name)
{
	struct route *route = route_get(link, name);

	return route && route->part;
}

struct str *link_name(struct link *link, struct slice name)
{
	struct route *route = route_get(link, name);

	return route ? str_ref(route->name) : str_new(name);
}

/* Whom a packet is about: the user whose worker it belongs to; one that comes back belongs to its sender. */
static const struct jid *subject(const struct packet *packet)
{
	switch (packet->kind) {
	case PACKET_STANZA:
		return packet->error ? packet->stanza->from : packet->stanza->to;
	case PACKET_ACCOUNT:
		return packet->account.user;
	case PACKET_SESSION:
		return packet->session.target;
	default:
		return NULL;
	}
}

struct slice link_subject(const struct packet *packet)
{
	const struct jid *user = subject(packet);

	return user ? jid_full(user) : (struct slice){NULL, 0};
}

static unsigned worker_for(const struct link *link, const struct link_part *part, const struct packet *packet)
{
	const struct session_id *id = part->belongs == LINK_BY_C2S ? &packet->c2s : &packet->sm;
	const struct jid *user = subject(packet);
	uint64_t slot = id->len ? session_id_slot(id) : 0;
	unsigned worker;

	if (slot)
		worker = slot_worker(slot);
	else if (part->belongs == LINK_BY_C2S && packet->kind == PACKET_ACCOUNT)
		worker = slot_worker(packet->account.token);
	else if (part->belongs == LINK_BY_SM && user && jid_local(user).len)
		return link_worker_of(link, user);
	else
		worker = mio_worker(link->mio);
	return worker < link->options.workers ? worker : 0;
}

/* All by one lane: what is settled is said behind what it changed. */
static void cross(struct link *link, unsigned worker, struct packet **taken,
		  void (*run)(struct mio *mio, struct mio_mail *mail))
{
	struct packet *packet = *taken;

	*taken = NULL;
	packet->at = link->options.all[worker];
	packet->mail.run = run;
	packet->mail.bytes = packet_weight(packet);
	packet_pack(&packet);
	mio_post(link->mio, packet->at->mio, MIO_DATA, &packet->mail);
}

void link_to_part(struct link *link, const struct link_part *part, struct packet **packet)
{
	unsigned worker = worker_for(link, part, *packet);

	if (worker != mio_worker(link->mio)) {
		cross(link, worker, packet, arrived_for_part);
		return;
	}
	part->packet(part->part, packet);
	packet_free(packet);
}

static struct route *route_for(struct link *link, const struct packet *packet)
{
	struct str *name = packet->error ? packet->from : packet->to;

	return route_behind(link, route_get(link, str_slice(name)));
}

/* The part that a packet is for, here; NULL when it is for somebody else. */
static const struct link_part *local_part(struct link *link, const struct packet *packet)
{
	struct route *route = route_for(link, packet);

	if (!route || !route->part)
		return NULL;
	/* A domain may have other servers behind the router: it chooses, unless it just did or is away. */
	if (route->shared && link->options.uplink && !packet->relayed && !packet->error &&
	    (mio_worker(link->mio) || (link->up && link->up->bound)))
		return NULL;
	return route->part;
}

static void deliver(struct link *link, struct packet **packet)
{
	const struct link_part *part = local_part(link, *packet);

	if (part)
		loop_bring_home(link);
	if (part)
		link_to_part(link, part, packet);
	else if (mio_worker(link->mio))
		cross(link, 0, packet, arrived_for_peers);
	else if ((*packet)->error)
		packet_free(packet); /* its sender is gone */
	else
		link_to_peers(link, packet);
}

static void arrived_for_part(struct mio *mio, struct mio_mail *mail)
{
	struct packet *packet = container_of(mail, struct packet, mail);
	struct route *route = route_for(packet->at, packet);

	packet_unpack(&packet);
	if (route && route->part)
		route->part->packet(route->part->part, &packet);
	packet_free(&packet);
}

static void arrived_for_peers(struct mio *mio, struct mio_mail *mail)
{
	struct packet *packet = container_of(mail, struct packet, mail);

	packet_unpack(&packet);
	deliver(packet->at, &packet);
}

void link_send(struct link *link, struct packet **taken)
{
	struct packet *packet = *taken;

	*taken = NULL;
	packet->next = NULL;
	*link->last = packet;
	link->last = &packet->next;
	mio_defer(link->mio, &link->task);
}

/* What a router would see between the parts that it joins: no session's, nor what it has seen already. */
static bool is_in_transit(const struct packet *packet)
{
	return packet->kind == PACKET_STANZA && !packet->error && !packet->relayed && !packet->c2s.len && !packet->sm.len;
}

static void transit(struct link *link, struct packet **packet)
{
	unsigned error = rules_ask_packet(link, *packet);

	if (error) {
		link_bounce(link, packet, error);
		return;
	}
	if (link->sink_count && local_part(link, *packet))
		sinks_copy_packet(link, *packet);
	deliver(link, packet);
}

static void drain(struct mio_task *task)
{
	struct link *link = container_of(task, struct link, task);
	struct packet *packet;

	while ((packet = link->first)) {
		link->first = packet->next;
		if (!link->first)
			link->last = &link->first;
		if (is_in_transit(packet))
			transit(link, &packet);
		else
			deliver(link, &packet);
	}
	link->sink_count = link->sinks_told;
}

static void bring_home(struct mio_task *task)
{
	loop_bring_home(container_of(task, struct link, home));
}

void link_bounce(struct link *link, struct packet **packet, unsigned error)
{
	if ((*packet)->error || (*packet)->relayed) {
		packet_free(packet);
		return;
	}
	(*packet)->error = (uint16_t)error;
	deliver(link, packet);
}

struct advert {
	struct mio_mail mail;
	struct link *at;
	struct str *name;
	bool available;
};

static void tell_here(struct link *link, struct slice name, bool available)
{
	for (unsigned at = 0; at < link->part_count; at++) {
		if (link->parts[at]->name_changed)
			link->parts[at]->name_changed(link->parts[at]->part, name, available);
	}
}

static void advert_arrived(struct mio *mio, struct mio_mail *mail)
{
	struct advert *advert = container_of(mail, struct advert, mail);

	tell_here(advert->at, str_slice(advert->name), advert->available);
	str_free(&advert->name);
	mem_free(advert);
}

static void drop_adverts(struct link *link)
{
	struct mio_mail *mail;

	while ((mail = mio_mail_take(link->mio, advert_arrived))) {
		struct advert *advert = container_of(mail, struct advert, mail);

		str_free(&advert->name);
		mem_free(advert);
	}
}

void link_tell_parts(struct link *link, struct slice name, bool available)
{
	for (unsigned worker = 1; worker < link->options.workers; worker++) {
		struct advert *advert = mem_zalloc(MEM_LINK, sizeof(*advert));

		advert->name = str_new(name);
		advert->available = available;
		advert->at = link->options.all[worker];
		advert->mail.run = advert_arrived;
		mio_post(link->mio, advert->at->mio, MIO_CONTROL, &advert->mail);
	}
	tell_here(link, name, available);
	ends_name_changed(link, name, available);
}
