/* SPDX-License-Identifier: MIT */
/*
 * Simulated sockets: ready as on the machine (epoll_sock.c). Readable is level triggered, writable
 * comes after a write gave -EAGAIN and once when a connect has ended.
 */
#include <errno.h>
#include <stdio.h>
#include "mio/sim_net.h"

enum { ACCEPTS_PER_TURN = 16 };

static struct sim_end *end_of(const struct mio_sock *sock)
{
	return sim_of(sock->mio)->ends[sock->fd - 1];
}

static void attach(struct sim_end *end, struct mio_sock *sock)
{
	end->sock = sock;
	end->loop = sim_loop_of(sock->mio);
	sock->fd = end->number + 1;
}

int sim_connect(struct mio_sock *sock, const char *address)
{
	struct sim_loop *loop = sim_loop_of(sock->mio);
	struct sockaddr_storage to;
	struct sim_end *end;
	socklen_t len;
	int rc = mio_address_parse(address, &to, &len);

	if (rc)
		return rc;
	/* A path is asked at once, as by the kernel. */
	if (to.ss_family == AF_UNIX && !sim_is_listening(sim_of(sock->mio), &to))
		return -ECONNREFUSED;
	end = &sim_wire_new(loop, address)->ends[0];
	sim_end_open(end, sim_host_of(sock->mio->host));
	end->connecting = true;
	attach(end, sock);
	sim_send(end, PARCEL_OPEN, NULL, 0);
	return 0;
}

static size_t cut_short(struct sim *sim, size_t len)
{
	if (len < 2 || !sim_chance(sim, sim->options.partial_percent))
		return len;
	return 1 + sim_pick(sim, len);
}

static int take_error(struct sim_end *end)
{
	int error = end->error;

	end->error = 0;
	return error;
}

static void tell_room(struct sim_end *end)
{
	if (end->owed && sim_peer(end)->host)
		sim_send(end, PARCEL_ROOM, NULL, end->owed);
	end->owed = 0;
}

ssize_t sim_read(struct mio_sock *sock, void *bytes, size_t len)
{
	struct sim_end *end = end_of(sock);
	size_t waits = buf_used(&end->in), part;

	if (end->fault)
		return end->fault;
	if (end->connecting)
		return -EAGAIN;
	if (!waits && end->error)
		return take_error(end);
	if (!waits)
		return end->ended ? 0 : -EAGAIN;
	part = cut_short(end->wire->sim, waits < len ? waits : len);
	memcpy(bytes, buf_slice(&end->in).data, part);
	buf_skip(&end->in, part);
	end->owed += part;
	if (sim_peer(end)->blocked || end->owed > sim_peer(end)->room)
		tell_room(end);
	return (ssize_t)part;
}

ssize_t sim_write(struct mio_sock *sock, const void *bytes, size_t len)
{
	struct sim_end *end = end_of(sock);
	size_t part;

	if (end->fault)
		return end->fault;
	if (end->connecting)
		return -EAGAIN;
	if (end->gone)
		return end->error ? take_error(end) : -EPIPE;
	if (!len)
		return 0;
	if (!end->room) {
		end->blocked = true;
		tell_room(sim_peer(end));
		return -EAGAIN;
	}
	part = cut_short(end->wire->sim, len < end->room ? len : end->room);
	end->room -= part;
	sim_send(end, PARCEL_BYTES, bytes, part);
	return (ssize_t)part;
}

void sim_pause(struct mio_sock *sock, bool paused)
{
	struct sim_end *end = end_of(sock);

	end->paused = paused;
	if (!paused)
		sim_end_touch(end);
}

void sim_close(struct mio_sock *sock)
{
	sim_end_close(end_of(sock), false);
}

void sim_given_name(struct mio *mio, int given, char *out, size_t len)
{
	const struct sim_end *end = sim_of(mio)->ends[given];

	if (end->wire->local)
		snprintf(out, len, "unix");
	else if (end->connecting || end->fault)
		snprintf(out, len, "unconnected");
	else if (end == &end->wire->ends[0])
		snprintf(out, len, "%s", end->wire->address);
	else
		snprintf(out, len, "127.0.0.1:%u", end->wire->port);
}

void sim_peer_name(const struct mio_sock *sock, char *out, size_t len)
{
	sim_given_name(sock->mio, sock->fd - 1, out, len);
}

bool sim_peer_uid(const struct mio_sock *sock, uid_t *uid)
{
	const struct sim_end *end = end_of(sock), *peer = sim_peer(end);

	if (!end->wire->local || !peer->host_number)
		return false;
	*uid = peer->uid;
	return true;
}

int sim_give(struct mio_sock *sock)
{
	struct sim_end *end = end_of(sock);

	list_remove(&end->link);
	end->loop = NULL;
	end->sock = NULL;
	end->paused = end->blocked = false;
	return end->number;
}

void sim_take(struct mio_sock *sock, int given)
{
	struct sim_end *end = sim_of(sock->mio)->ends[given];

	attach(end, sock);
	sim_end_touch(end);
}

/* -- what is ready -- */

static bool may_accept(const struct sim_acceptor *acceptor, bool resting)
{
	bool rests = resting && acceptor->listener->address.ss_family != AF_UNIX;

	return !rests && !list_empty(&acceptor->listener->backlog);
}

bool sim_has_ready(struct sim_loop *loop)
{
	bool resting = mio_entry_paused(&loop->mio);

	for (struct list *link = loop->acceptors.next; link != &loop->acceptors;
	     link = link->next) {
		if (may_accept(container_of(link, struct sim_acceptor, link), resting))
			return true;
	}
	for (struct list *link = loop->ready.next; link != &loop->ready; link = link->next) {
		const struct sim_end *end = container_of(link, struct sim_end, link);

		if (sim_end_writable(end) || sim_end_readable(end, resting))
			return true;
	}
	return false;
}

static void add_candidate(struct sim *sim, size_t *count, uint64_t serial, int number)
{
	if (*count == sim->candidate_cap) {
		struct heap *before = heap_enter(sim->heap);

		sim->candidate_cap = *count ? *count * 2 : 64;
		sim->candidates = mem_realloc(MEM_OTHER, sim->candidates,
					      sim->candidate_cap * sizeof(*sim->candidates));
		heap_enter(before);
	}
	sim->candidates[(*count)++] = (struct sim_candidate){.serial = serial, .number = number};
}

/* What is not ready, even if nothing rested, leaves the list. */
static size_t collect(struct sim_loop *loop, bool resting)
{
	struct sim *sim = sim_of(&loop->mio);
	size_t count = 0;

	for (struct list *link = loop->acceptors.next; link != &loop->acceptors;
	     link = link->next) {
		struct sim_acceptor *acceptor = container_of(link, struct sim_acceptor, link);

		if (may_accept(acceptor, resting))
			add_candidate(sim, &count, acceptor->serial, -1);
	}
	for (struct list *link = loop->ready.next; link != &loop->ready;) {
		struct sim_end *end = container_of(link, struct sim_end, link);

		link = link->next;
		if (sim_end_writable(end) || sim_end_readable(end, resting))
			add_candidate(sim, &count, end->serial, end->number);
		else if (!sim_end_readable(end, false))
			list_remove(&end->link);
	}
	return count;
}

static struct sim_acceptor *find_acceptor(struct sim_loop *loop, uint64_t serial)
{
	for (struct list *link = loop->acceptors.next; link != &loop->acceptors;
	     link = link->next) {
		struct sim_acceptor *acceptor = container_of(link, struct sim_acceptor, link);

		if (acceptor->serial == serial)
			return acceptor;
	}
	return NULL;
}

static void accept_some(struct sim_loop *loop, uint64_t serial)
{
	struct sim *sim = sim_of(&loop->mio);
	uint64_t count = 1 + sim_pick(sim, ACCEPTS_PER_TURN);
	struct sim_acceptor *acceptor;

	while (count-- && (acceptor = find_acceptor(loop, serial))) {
		struct list *link = list_shift(&acceptor->listener->backlog);

		if (!link)
			return;
		acceptor->accepted(container_of(link, struct sim_end, link)->number, acceptor->arg);
	}
}

/* An end of this loop that is still there, or NULL. */
static struct sim_end *find_end(struct sim_loop *loop, const struct sim_candidate *candidate)
{
	struct sim_end *end = sim_of(&loop->mio)->ends[candidate->number];

	return end && end->serial == candidate->serial && end->loop == loop ? end : NULL;
}

static void end_ready(struct sim_loop *loop, const struct sim_candidate *candidate, bool resting)
{
	struct sim_end *end = find_end(loop, candidate);
	bool connected = false;

	if (end && sim_end_writable(end)) {
		connected = end->connecting;
		end->connecting = end->blocked = false;
		end->sock->handler->writable(end->sock);
		end = find_end(loop, candidate);
	}
	if (!end)
		return;
	/* An owner with nothing to write learns of a failed connect by reading, once. */
	if (connected ? end->fault && !end->paused : sim_end_readable(end, resting))
		end->sock->handler->readable(end->sock);
}

void sim_dispatch(struct sim_loop *loop, bool resting)
{
	struct sim *sim = sim_of(&loop->mio);
	size_t count = collect(loop, resting), some = count;

	loop->mio.ready = (unsigned)count;
	if (!count)
		return;
	if (sim_pick(sim, 2))
		some = 1 + sim_pick(sim, count);
	for (size_t i = 0; i < some; i++) {
		size_t other = i + sim_pick(sim, count - i);
		struct sim_candidate candidate = sim->candidates[other];

		if (i && i % MIO_PART == 0)
			mio_part_end(&loop->mio);
		sim->candidates[other] = sim->candidates[i];
		sim->candidates[i] = candidate;
		if (candidate.number < 0)
			accept_some(loop, candidate.serial);
		else
			end_ready(loop, &candidate, resting);
	}
}
