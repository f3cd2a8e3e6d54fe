/* SPDX-License-Identifier: MIT */
/*
 * Simulated connections and the listeners that they find.
 *
 * What an end sends travels as parcels, each with a delay of the seed's, never overtaking. An end's
 * room is what the peer's buffer can take: it sinks with what is written and comes back as a parcel
 * when the peer has read. A cut leaves parcels where they are until it is healed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>
#include "mio/sim_net.h"

enum { ROOM_MIN = 512, ROOM_MAX = 64 * 1024, PORT_MAX = 60999 };

/* -- ends -- */

bool sim_end_readable(const struct sim_end *end, bool resting)
{
	if (!end->sock || end->connecting || end->paused || end->fault)
		return false;
	if (resting && end->sock->flags & MIO_ENTRY)
		return false;
	return buf_used(&end->in) || end->ended || end->error;
}

bool sim_end_writable(const struct sim_end *end)
{
	if (!end->sock || (end->connecting && !end->answered))
		return false;
	return end->connecting || (end->blocked && (end->room || end->gone));
}

void sim_end_touch(struct sim_end *end)
{
	if (!end->loop)
		return;
	if (list_empty(&end->link))
		list_append(&end->loop->ready, &end->link);
	if (sim_end_writable(end) || sim_end_readable(end, mio_entry_paused(&end->loop->mio)))
		sim_wake(&end->loop->mio);
}

static int free_number(struct sim *sim)
{
	struct heap *before;
	unsigned number = 0;

	while (number < sim->end_count && sim->ends[number])
		number++;
	if (number < sim->end_count)
		return (int)number;
	before = heap_enter(sim->heap);
	sim->end_count = sim->end_count ? sim->end_count * 2 : 64;
	sim->ends = mem_realloc(MEM_OTHER, sim->ends, sim->end_count * sizeof(struct sim_end *));
	heap_enter(before);
	for (unsigned i = number; i < sim->end_count; i++)
		sim->ends[i] = NULL;
	return (int)number;
}

void sim_end_open(struct sim_end *end, struct sim_host *host)
{
	struct sim *sim = end->wire->sim;

	end->host = host;
	end->host_number = host->number;
	end->uid = host->uid;
	end->number = free_number(sim);
	end->serial = sim->sequence++;
	sim->ends[end->number] = end;
}

static void drop_parcels(struct sim_end *end)
{
	struct list *link;

	while ((link = list_shift(&end->sent)))
		mem_free(container_of(link, struct sim_parcel, link));
	sim_cancel(end->wire->sim, &end->arrival);
}

static void wire_free(struct sim_wire *wire)
{
	for (unsigned i = 0; i < 2; i++)
		drop_parcels(&wire->ends[i]);
	list_remove(&wire->link);
	mem_free(wire);
}

/* The newest of what is under way is lost with a sender that was killed. */
static void cut_off(struct sim_end *end)
{
	struct sim *sim = end->wire->sim;

	while (!list_empty(&end->sent) && sim_pick(sim, 2)) {
		struct sim_parcel *newest = container_of(end->sent.prev, struct sim_parcel, link);

		if (newest->kind != PARCEL_BYTES && newest->kind != PARCEL_ROOM)
			break;
		list_remove(&newest->link);
		mem_free(newest);
	}
	if (list_empty(&end->sent))
		sim_cancel(sim, &end->arrival);
}

void sim_end_close(struct sim_end *end, bool killed)
{
	struct sim_end *peer = sim_peer(end);
	bool reset = killed || buf_used(&end->in) || end->gone;

	if (killed)
		cut_off(end);
	list_remove(&end->link);
	buf_fini(&end->in);
	end->wire->sim->ends[end->number] = NULL;
	end->host = NULL;
	end->loop = NULL;
	end->sock = NULL;
	if (peer->host)
		sim_send(end, reset ? PARCEL_RESET : PARCEL_END, NULL, 0);
	else
		wire_free(end->wire);
}

/* -- wires -- */

static void arrival(struct sim *sim, struct sim_event *event);

static void end_init(struct sim_end *end, struct sim_wire *wire, size_t room)
{
	end->wire = wire;
	end->room = room;
	end->arrival.fire = arrival;
	list_init(&end->link);
	list_init(&end->sent);
}

struct sim_wire *sim_wire_new(struct sim_loop *loop, const char *address)
{
	struct sim *sim = sim_of(&loop->mio);
	struct sim_wire *wire = sim_zalloc(sim, sizeof(*wire));
	int64_t room = ROOM_MAX;
	socklen_t len;

	if (sim->options.partial_percent)
		room = sim_between(sim, ROOM_MIN, ROOM_MAX);
	wire->sim = sim;
	wire->number = ++sim->number;
	wire->port = sim->next_port;
	sim->next_port = sim->next_port == PORT_MAX ? 32768 : sim->next_port + 1;
	mio_address_parse(address, &wire->to, &len);
	wire->local = wire->to.ss_family == AF_UNIX;
	snprintf(wire->address, sizeof(wire->address), "%s", wire->local ? "unix" : address);
	end_init(&wire->ends[0], wire, (size_t)room);
	end_init(&wire->ends[1], wire, (size_t)room);
	list_append(&sim->wires, &wire->link);
	return wire;
}

static void schedule_first(struct sim_end *end)
{
	struct sim *sim = end->wire->sim;
	struct sim_parcel *first = container_of(end->sent.next, struct sim_parcel, link);

	if (!list_empty(&end->sent) && !end->stuck)
		sim_schedule(sim, &end->arrival,
			     first->time_us > sim->now_us ? first->time_us - sim->now_us : 0);
}

void sim_send(struct sim_end *end, enum sim_parcel_kind kind, const void *bytes, size_t len)
{
	struct sim *sim = end->wire->sim;
	size_t size = sizeof(struct sim_parcel) + (bytes ? len : 0);
	struct sim_parcel *parcel = sim_zalloc(sim, size);
	int64_t time_us = sim->now_us +
			  sim_between(sim, sim->options.delay_min_us, sim->options.delay_max_us);

	parcel->kind = kind;
	parcel->len = len;
	parcel->time_us = time_us > end->last_us ? time_us : end->last_us;
	end->last_us = parcel->time_us;
	if (bytes)
		memcpy(parcel->bytes, bytes, len);
	list_append(&end->sent, &parcel->link);
	if (!end->arrival.place)
		schedule_first(end);
}

static bool matches(const struct sim_listener *listener, const struct sockaddr_storage *to)
{
	const struct sockaddr_storage *at = &listener->address;

	if (to->ss_family == AF_UNIX || at->ss_family == AF_UNIX)
		return to->ss_family == at->ss_family &&
		       strcmp(((const struct sockaddr_un *)at)->sun_path,
			      ((const struct sockaddr_un *)to)->sun_path) == 0;
	/* A port stands at the same place in both kinds of addresses. */
	if (((const struct sockaddr_in *)at)->sin_port !=
	    ((const struct sockaddr_in *)to)->sin_port)
		return false;
	return listener->any || memcmp(at, to, sizeof(*at)) == 0;
}

static struct sim_listener *find_listener(struct sim *sim, const struct sockaddr_storage *to)
{
	for (struct list *link = sim->listeners.next; link != &sim->listeners; link = link->next) {
		struct sim_listener *listener = container_of(link, struct sim_listener, link);

		if (matches(listener, to))
			return listener;
	}
	return NULL;
}

bool sim_is_listening(struct sim *sim, const struct sockaddr_storage *to)
{
	return find_listener(sim, to) != NULL;
}

static bool is_cut(const struct sim_end *end)
{
	struct sim *sim = end->wire->sim;
	unsigned to = sim_peer(end)->host_number;
	struct sim_listener *listener;

	if (list_empty(&sim->cuts))
		return false;
	if (!to) {
		listener = find_listener(sim, &end->wire->to);
		to = listener ? sim_host_of(listener->listener.host)->number : 0;
	}
	return sim_is_cut(sim, end->host_number, to);
}

void sim_wires_heal(struct sim *sim)
{
	for (struct list *link = sim->wires.next; link != &sim->wires; link = link->next) {
		struct sim_wire *wire = container_of(link, struct sim_wire, link);

		for (unsigned i = 0; i < 2; i++) {
			if (!wire->ends[i].stuck)
				continue;
			wire->ends[i].stuck = false;
			schedule_first(&wire->ends[i]);
		}
	}
}

/* -- listeners -- */

static void wake_acceptors(struct sim_listener *listener)
{
	struct mio_host *host = listener->listener.host;

	for (unsigned i = 0; i < host->workers; i++) {
		struct sim_loop *loop = sim_loop_of(host->loops[i]);
		struct list *link = loop->acceptors.next;

		for (; link != &loop->acceptors; link = link->next) {
			if (container_of(link, struct sim_acceptor, link)->listener == listener)
				sim_wake(&loop->mio);
		}
	}
}

static bool overlap(const struct sim_listener *a, const struct sim_listener *b)
{
	return matches(a, &b->address) || matches(b, &a->address);
}

static void name_listener(struct sim_listener *listener, const char *asked)
{
	const struct sockaddr_in *at = (const struct sockaddr_in *)&listener->address;
	char *name = listener->listener.address;
	size_t len = sizeof(listener->listener.address);

	if (at->sin_family == AF_UNIX)
		snprintf(name, len, "%s", asked);
	else if (listener->any)
		snprintf(name, len, ":%u", ntohs(at->sin_port));
	else
		mio_address_print(&listener->address, name, len);
}

int sim_listen(struct mio_host *host, const char *address, struct mio_listener **out)
{
	struct sim *sim = sim_host_of(host)->sim;
	struct sim_listener new = {.any = *address == ':'}, *listener;
	struct sockaddr_in *at = (struct sockaddr_in *)&new.address;
	socklen_t len;
	int rc = mio_address_parse(address, &new.address, &len);

	if (rc)
		return rc;
	if (at->sin_family != AF_UNIX && !at->sin_port)
		at->sin_port = htons((uint16_t)sim->next_port++);
	for (struct list *link = sim->listeners.next; link != &sim->listeners; link = link->next) {
		if (overlap(container_of(link, struct sim_listener, link), &new))
			return -EADDRINUSE;
	}
	listener = sim_zalloc(sim, sizeof(*listener));
	*listener = new;
	listener->listener.host = host;
	list_init(&listener->backlog);
	list_append(&sim->listeners, &listener->link);
	name_listener(listener, address);
	*out = &listener->listener;
	return 0;
}

void sim_unlisten(struct mio_listener *base)
{
	struct sim_listener *listener = container_of(base, struct sim_listener, listener);

	while (!list_empty(&listener->backlog))
		sim_end_close(container_of(listener->backlog.next, struct sim_end, link), true);
	list_remove(&listener->link);
	mem_free(listener);
}

void sim_host_unlisten(struct sim_host *host)
{
	struct list *all = &host->sim->listeners;

	for (unsigned i = 0; i < host->host.workers; i++) {
		struct list *acceptors = &sim_loop_of(host->host.loops[i])->acceptors, *link;

		while ((link = list_shift(acceptors)))
			mem_free(container_of(link, struct sim_acceptor, link));
	}
	for (struct list *link = all->next; link != all;) {
		struct sim_listener *listener = container_of(link, struct sim_listener, link);

		link = link->next;
		if (listener->listener.host == &host->host)
			sim_unlisten(&listener->listener);
	}
}

void sim_accept(struct mio *mio, struct mio_listener *listener,
		void (*accepted)(int given, void *arg), void *arg)
{
	struct sim *sim = sim_of(mio);
	struct sim_acceptor *acceptor = sim_zalloc(sim, sizeof(*acceptor));

	acceptor->listener = container_of(listener, struct sim_listener, listener);
	acceptor->accepted = accepted;
	acceptor->arg = arg;
	acceptor->serial = sim->sequence++;
	list_append(&sim_loop_of(mio)->acceptors, &acceptor->link);
	if (!list_empty(&acceptor->listener->backlog))
		sim_wake(mio);
}

void sim_accept_stop(struct mio *mio, struct mio_listener *listener)
{
	struct list *all = &sim_loop_of(mio)->acceptors;

	for (struct list *link = all->next; link != all; link = link->next) {
		struct sim_acceptor *acceptor = container_of(link, struct sim_acceptor, link);

		if (&acceptor->listener->listener != listener)
			continue;
		list_remove(link);
		mem_free(acceptor);
		return;
	}
}

void sim_refuse(struct mio *mio, int given)
{
	sim_end_close(sim_of(mio)->ends[given], false);
}

/* -- arrivals -- */

static void open_arrived(struct sim_end *to)
{
	struct sim_listener *listener = find_listener(to->wire->sim, &to->wire->to);

	if (!listener) {
		sim_send(to, PARCEL_REFUSED, NULL, 0);
		return;
	}
	sim_end_open(to, sim_host_of(listener->listener.host));
	list_append(&listener->backlog, &to->link);
	sim_send(to, PARCEL_ACCEPTED, NULL, 0);
	wake_acceptors(listener);
}

static void bytes_arrived(struct sim_end *to, const struct sim_parcel *parcel)
{
	struct heap *before;

	if (!to->host) {
		sim_send(to, PARCEL_RESET, NULL, 0);
		return;
	}
	before = heap_enter(to->wire->sim->heap);
	buf_append(&to->in, parcel->bytes, parcel->len);
	heap_enter(before);
}

static void arrived(struct sim_end *to, const struct sim_parcel *parcel)
{
	switch (parcel->kind) {
	case PARCEL_OPEN:
		open_arrived(to);
		break;
	case PARCEL_ACCEPTED:
		to->answered = true;
		break;
	case PARCEL_REFUSED:
		to->answered = true;
		to->fault = -ECONNREFUSED;
		break;
	case PARCEL_BYTES:
		bytes_arrived(to, parcel);
		break;
	case PARCEL_ROOM:
		to->room += parcel->len;
		break;
	case PARCEL_END:
		to->ended = true;
		break;
	case PARCEL_RESET:
		to->error = to->gone ? to->error : -ECONNRESET;
		to->ended = to->gone = true;
		break;
	}
}

static void arrival(struct sim *sim, struct sim_event *event)
{
	struct sim_end *end = container_of(event, struct sim_end, arrival), *to = sim_peer(end);
	struct sim_parcel *parcel = container_of(end->sent.next, struct sim_parcel, link);

	if (is_cut(end)) {
		end->stuck = true;
		return;
	}
	list_remove(&parcel->link);
	sim_note(sim, SIM_NOTE_ARRIVAL, (uint64_t)end->wire->number << 4 | parcel->kind,
		 sim_hash(parcel->bytes, parcel->kind == PARCEL_BYTES ? parcel->len : 0));
	schedule_first(end);
	arrived(to, parcel);
	sim_end_touch(to);
	mem_free(parcel);
}
