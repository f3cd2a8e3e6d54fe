/* SPDX-License-Identifier: MIT */
/*
 * Sockets on epoll.
 *
 *   connecting --writable--> open --give/close--> gone        connecting --> failed (a stored
 * fault)
 *
 * Readable is watched always, writable only while connecting and after a write gave -EAGAIN.
 */
#include "mio/epoll.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

static struct epoll_loop *loop_of(const struct mio_sock *sock)
{
	return container_of(sock->mio, struct epoll_loop, mio);
}

static struct fd_slot *slot_of(const struct mio_sock *sock)
{
	return &loop_of(sock)->slots[sock->fd - 1];
}

/* A socket that can no longer be watched has failed; what is done with it next says so. */
static int watch(struct epoll_loop *loop, uint32_t index)
{
	struct fd_slot *slot = &loop->slots[index];
	bool reads = !(slot->state & (SLOT_PAUSED | SLOT_CONNECTING)) && !slot->fault;
	bool writes = (slot->state & (SLOT_BLOCKED | SLOT_CONNECTING)) && !slot->fault;
	uint32_t write_events = writes ? EPOLLOUT : 0;
	uint32_t events = (reads ? EPOLLIN : 0) | write_events;
	int rc = epoll_register(loop, index, events,
				slot->state & SLOT_ENTRY ? write_events : events);

	if (rc)
		slot->fault = rc;
	return rc;
}

static int add(struct mio_sock *sock, int fd, uint8_t state)
{
	struct epoll_loop *loop = loop_of(sock);
	uint32_t index = epoll_slot_add(loop, SLOT_SOCK, sock, fd);

	sock->fd = (int)index + 1;
	loop->slots[index].state = state | (sock->flags & MIO_ENTRY ? SLOT_ENTRY : 0);
	return watch(loop, index);
}

int epoll_connect(struct mio_sock *sock, const char *address)
{
	struct sockaddr_storage to;
	socklen_t to_len;
	int rc = mio_address_parse(address, &to, &to_len), fd;

	if (rc)
		return rc;
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (to.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connect(fd, (struct sockaddr *)&to, to_len) < 0 && errno != EINPROGRESS) {
		rc = -errno;
		close(fd);
		return rc;
	}
	rc = add(sock, fd, SLOT_CONNECTING);
	if (rc)
		mio_close(sock);
	return rc;
}

ssize_t epoll_read(struct mio_sock *sock, void *bytes, size_t len)
{
	struct fd_slot *slot = slot_of(sock);
	ssize_t got;

	if (slot->fault)
		return slot->fault;
	if (slot->state & SLOT_CONNECTING)
		return -EAGAIN;
	do
		got = recv(slot->fd, bytes, len, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

ssize_t epoll_write(struct mio_sock *sock, const void *bytes, size_t len)
{
	struct fd_slot *slot = slot_of(sock);
	ssize_t sent;

	if (slot->fault)
		return slot->fault;
	if (slot->state & SLOT_CONNECTING)
		return -EAGAIN;
	do
		sent = send(slot->fd, bytes, len, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	if (errno != EAGAIN)
		return -errno;
	slot->state |= SLOT_BLOCKED;
	watch(loop_of(sock), (uint32_t)sock->fd - 1);
	return slot->fault ? slot->fault : -EAGAIN;
}

/* Pausing costs a system call only when something arrives meanwhile: see epoll_sock_ready(). */
void epoll_pause(struct mio_sock *sock, bool paused)
{
	struct fd_slot *slot = slot_of(sock);

	if (paused) {
		slot->state |= SLOT_PAUSED;
		return;
	}
	slot->state &= (uint8_t)~SLOT_PAUSED;
	watch(loop_of(sock), (uint32_t)sock->fd - 1);
}

void epoll_close(struct mio_sock *sock)
{
	int fd = slot_of(sock)->fd;

	epoll_slot_del(loop_of(sock), (uint32_t)sock->fd - 1);
	close(fd); /* leaves the epoll sets too */
}

void epoll_given_name(struct mio *mio, int given, char *out, size_t len)
{
	const struct epoll_loop *loop = container_of(mio, struct epoll_loop, mio);
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer);

	if (given == loop->accepted_fd)
		mio_address_print(&loop->accepted_peer, out, len);
	else if (getpeername(given, (struct sockaddr *)&peer, &peer_len) < 0)
		snprintf(out, len, "unconnected");
	else
		mio_address_print(&peer, out, len);
}

void epoll_peer_name(const struct mio_sock *sock, char *out, size_t len)
{
	epoll_given_name(sock->mio, slot_of(sock)->fd, out, len);
}

bool epoll_peer_uid(const struct mio_sock *sock, uid_t *uid)
{
	int fd = slot_of(sock)->fd, domain;
	socklen_t len = sizeof(domain);
	struct ucred peer;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_UNIX)
		return false;
	len = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	*uid = peer.uid;
	return true;
}

int epoll_give(struct mio_sock *sock)
{
	struct epoll_loop *loop = loop_of(sock);
	uint32_t index = (uint32_t)sock->fd - 1;
	int fd = loop->slots[index].fd;

	epoll_register(loop, index, 0, 0);
	epoll_slot_del(loop, index);
	return fd;
}

/* A fault comes out of the first read or write. */
void epoll_take(struct mio_sock *sock, int given)
{
	add(sock, given, 0);
}

static void connect_ended(struct epoll_loop *loop, uint32_t index)
{
	struct fd_slot *slot = &loop->slots[index];
	uint32_t generation = slot->generation;
	struct mio_sock *sock = slot->owner;
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	slot->state &= (uint8_t) ~(SLOT_CONNECTING | SLOT_BLOCKED);
	slot->fault = -error;
	watch(loop, index);
	sock->handler->writable(sock);
	slot = epoll_slot(loop, index, generation);
	/* An owner with nothing to write learns of the failure by reading. */
	if (slot && slot->fault && !(slot->state & SLOT_PAUSED))
		sock->handler->readable(sock);
}

void epoll_sock_ready(struct epoll_loop *loop, uint32_t index, uint32_t events, bool resting)
{
	struct fd_slot *slot = &loop->slots[index];
	uint32_t generation = slot->generation;
	struct mio_sock *sock = slot->owner;

	if (slot->state & SLOT_CONNECTING) {
		connect_ended(loop, index);
		return;
	}
	if (slot->state & SLOT_BLOCKED && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		slot->state &= (uint8_t)~SLOT_BLOCKED;
		sock->handler->writable(sock);
		slot = epoll_slot(loop, index, generation);
		if (!slot)
			return;
		watch(loop, index);
	}
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)) || (slot->state & SLOT_ENTRY && resting))
		return;
	if (slot->state & SLOT_PAUSED)
		watch(loop, index);
	else
		sock->handler->readable(sock);
}
