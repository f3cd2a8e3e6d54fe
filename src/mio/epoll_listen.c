/* SPDX-License-Identifier: MIT */
/*
 * Listening on epoll: one descriptor, in the sets of all workers that accept, of which the kernel
 * wakes one. A TCP listener rests with the entry sockets; a Unix one (tools, our own parts) does
 * not.
 */
#include "mio/epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, ACCEPTS_PER_WAKE = 16, PAUSE_MS = 1000 };

struct epoll_listener {
	struct mio_listener listener;
	int fd;
	bool local;	  /* a Unix socket */
	struct stat file; /* its path's, so as not to remove a successor's */
};

struct acceptor {
	struct list link;
	struct epoll_loop *loop;
	struct epoll_listener *listener;
	void (*accepted)(int given, void *arg);
	void *arg;
	uint32_t index;
	struct mio_timer pause; /* set while the system has nothing to accept with */
};

/* -- opening -- */

static const char *path_of(const char *address)
{
	return address + strlen("unix:");
}

/* True when the path is a socket's at which nobody answers. */
static bool is_stale(const struct sockaddr_storage *at, socklen_t len)
{
	struct stat file;
	bool stale;
	int fd;

	if (lstat(((const struct sockaddr_un *)at)->sun_path, &file) < 0 || !S_ISSOCK(file.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *)at, len) < 0 && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int bind_local(int fd, const struct sockaddr_storage *at, socklen_t len)
{
	const char *path = ((const struct sockaddr_un *)at)->sun_path;

	/* On Linux the socket's own mode becomes the path's: there is no moment in which it is open
	 * to all. */
	if (fchmod(fd, 0600) < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)at, len) == 0)
		return 0;
	if (errno != EADDRINUSE || !is_stale(at, len) || unlink(path) < 0)
		return -errno;
	return bind(fd, (const struct sockaddr *)at, len) < 0 ? -errno : 0;
}

/* any: ":PORT", IPv4 and IPv6 in one; else each listens for itself. */
static int bind_ip(int fd, const struct sockaddr_storage *at, socklen_t len, bool any)
{
	int only_six = any ? 0 : 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1},
		   sizeof(int)); /* accepted ones inherit it */
	if (at->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_six, sizeof(only_six));
	return bind(fd, (const struct sockaddr *)at, len) < 0 ? -errno : 0;
}

/* Returns a listening descriptor or a fault. */
static int open_at(const struct sockaddr_storage *at, socklen_t len, bool any)
{
	int fd = socket(at->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	rc = at->ss_family == AF_UNIX ? bind_local(fd, at, len) : bind_ip(fd, at, len, any);
	if (!rc && listen(fd, BACKLOG) < 0)
		rc = -errno;
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

static void name_listener(struct epoll_listener *self, const char *asked)
{
	char *name = self->listener.address;
	size_t size = sizeof(self->listener.address);
	struct sockaddr_storage at = {0};
	socklen_t len = sizeof(at);

	if (self->local || getsockname(self->fd, (struct sockaddr *)&at, &len) < 0)
		snprintf(name, size, "%s", asked);
	else if (*asked == ':')
		snprintf(name, size, ":%u", ntohs(((struct sockaddr_in *)&at)->sin_port));
	else
		mio_address_print(&at, name, size);
}

int epoll_listen(struct mio_host *host, const char *address, struct mio_listener **listener)
{
	struct sockaddr_storage at;
	struct epoll_listener *self;
	socklen_t len;
	bool any = *address == ':';
	int rc = mio_address_parse(address, &at, &len), fd;

	if (rc)
		return rc;
	fd = open_at(&at, len, any);
	if (any && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)) { /* no IPv6 here */
		struct sockaddr_in four = {.sin_family = AF_INET,
					   .sin_port = ((struct sockaddr_in6 *)&at)->sin6_port};

		memcpy(&at, &four, sizeof(four));
		fd = open_at(&at, sizeof(four), any);
	}
	if (fd < 0)
		return fd;
	self = mem_zalloc(MEM_LOOP, sizeof(*self));
	self->listener.host = host;
	self->fd = fd;
	self->local = at.ss_family == AF_UNIX;
	if (self->local && lstat(path_of(address), &self->file) < 0)
		self->file.st_ino = 0;
	name_listener(self, address);
	*listener = &self->listener;
	return 0;
}

void epoll_unlisten(struct mio_listener *listener)
{
	struct epoll_listener *self = container_of(listener, struct epoll_listener, listener);
	const char *path = self->local ? path_of(listener->address) : NULL;
	struct stat file;

	if (path && lstat(path, &file) == 0 && file.st_ino == self->file.st_ino &&
	    file.st_dev == self->file.st_dev)
		unlink(path);
	close(self->fd);
	mem_free(self);
}

/* -- accepting -- */

static int watch(struct acceptor *acceptor, bool on)
{
	uint32_t events = on ? EPOLLIN | EPOLLEXCLUSIVE : 0;

	return epoll_register(acceptor->loop, acceptor->index, events,
			      acceptor->listener->local ? events : 0);
}

static void rest(struct acceptor *acceptor)
{
	watch(acceptor, false);
	mio_timer_set(&acceptor->loop->mio, &acceptor->pause, PAUSE_MS);
}

static void rested(struct mio_timer *timer)
{
	struct acceptor *acceptor = container_of(timer, struct acceptor, pause);

	if (watch(acceptor, true))
		rest(acceptor);
}

void epoll_accept(struct mio *mio, struct mio_listener *listener,
		  void (*accepted)(int given, void *arg), void *arg)
{
	struct epoll_loop *loop = container_of(mio, struct epoll_loop, mio);
	struct heap *before = heap_enter(mio->heap);
	struct acceptor *acceptor = mem_zalloc(MEM_LOOP, sizeof(*acceptor));

	heap_enter(before);
	acceptor->loop = loop;
	acceptor->listener = container_of(listener, struct epoll_listener, listener);
	acceptor->accepted = accepted;
	acceptor->arg = arg;
	acceptor->index = epoll_slot_add(loop, SLOT_LISTENER, acceptor, acceptor->listener->fd);
	mio_timer_init(&acceptor->pause, rested);
	list_append(&loop->acceptors, &acceptor->link);
	rested(&acceptor->pause);
}

static void acceptor_free(struct acceptor *acceptor)
{
	watch(acceptor, false);
	epoll_slot_del(acceptor->loop, acceptor->index);
	mio_timer_stop(&acceptor->pause);
	list_remove(&acceptor->link);
	mem_free(acceptor);
}

void epoll_accept_stop(struct mio *mio, struct mio_listener *listener)
{
	struct epoll_loop *loop = container_of(mio, struct epoll_loop, mio);

	for (struct list *link = loop->acceptors.next; link != &loop->acceptors;
	     link = link->next) {
		struct acceptor *acceptor = container_of(link, struct acceptor, link);

		if (&acceptor->listener->listener != listener)
			continue;
		acceptor_free(acceptor);
		return;
	}
}

void epoll_refuse(struct mio *mio, int given)
{
	close(given);
}

static int accept_one(int fd, struct sockaddr_storage *peer)
{
	socklen_t len = sizeof(*peer);
	int given = accept4(fd, (struct sockaddr *)peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	return given < 0 ? -errno : given;
}

/* Out of descriptors: one that was kept serves to take a connection and close it. False: none was
 * left. */
static bool turn_away(struct epoll_loop *loop, int fd)
{
	int given;

	if (loop->reserve_fd >= 0) {
		close(loop->reserve_fd);
		given = accept_one(fd, &loop->accepted_peer);
		if (given >= 0)
			close(given);
	}
	loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return loop->reserve_fd >= 0;
}

void epoll_listener_ready(struct epoll_loop *loop, uint32_t index)
{
	uint32_t generation = loop->slots[index].generation;
	struct acceptor *acceptor = loop->slots[index].owner;
	int fd = acceptor->listener->fd;

	for (unsigned i = 0; i < ACCEPTS_PER_WAKE; i++) {
		int given = accept_one(fd, &loop->accepted_peer);
		bool exhausted = given == -EMFILE || given == -ENFILE;

		if (given == -EAGAIN)
			return;
		if (given == -ENOMEM || given == -ENOBUFS || (exhausted && !turn_away(loop, fd))) {
			rest(acceptor);
			return;
		}
		if (given < 0)
			continue; /* that connection is gone already */
		loop->accepted_fd = given;
		acceptor->accepted(given, acceptor->arg);
		loop->accepted_fd = -1;
		if (!epoll_slot(loop, index, generation))
			return;
	}
}
