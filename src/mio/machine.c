/* SPDX-License-Identifier: MIT */
/* A process on the real machine: its threads, signals, clocks and randomness. */
#include "mio/epoll.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ms(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int64_t machine_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t machine_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

/* Without randomness nothing that follows would be safe. */
void machine_random(void *bytes, size_t len)
{
	char *at = bytes;

	while (len) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0) {
			at += got;
			len -= (size_t)got;
		}
	}
}

int machine_thread(pthread_t *thread, void *(*main)(void *arg), void *arg)
{
	/* What a bug raises in a thread must reach its handler there. */
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	for (unsigned i = 0; i < countof(faults); i++)
		sigdelset(&all, faults[i]);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(thread, NULL, main, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

void machine_name(const char *name)
{
	enum { LONGEST = 15 };
	char text[LONGEST + 1];

	snprintf(text, sizeof(text), "%s", name);
	pthread_setname_np(pthread_self(), text);
}

static struct machine *machine_of(struct mio_host *host)
{
	return container_of(host, struct machine, host);
}

struct mio_host *mio_host_new(const char *part)
{
	struct machine *machine = mem_zalloc(MEM_LOOP, sizeof(*machine));

	mio_host_init(&machine->host, &mio_machine, part);
	machine->signal_fd = -1;
	list_init(&machine->lasting);
	if (gethostname(machine->name, sizeof(machine->name) - 1) < 0 || !machine->name[0])
		snprintf(machine->name, sizeof(machine->name), "localhost");
	return &machine->host;
}

static void host_fini(struct mio_host *host)
{
	struct machine *machine = machine_of(host);

	if (machine->signal_fd >= 0)
		close(machine->signal_fd);
	lasting_close_all(machine);
}

static void stop(struct mio_host *host)
{
	atomic_store(&machine_of(host)->stopping, true);
	for (unsigned i = 0; i < host->workers; i++)
		epoll_wake(NULL, host->loops[i]);
}

static struct epoll_loop *loop_at(struct mio_host *host, unsigned worker)
{
	return container_of(host->loops[worker], struct epoll_loop, mio);
}

static void *worker_main(void *arg)
{
	struct epoll_loop *loop = arg;
	char name[16];

	snprintf(name, sizeof(name), "worker %u", mio_worker(&loop->mio));
	machine_name(name);
	epoll_loop_run(loop);
	return NULL;
}

static int run_threads(struct mio_host *host)
{
	unsigned started = 1;
	int rc = 0;

	for (; !rc && started < host->workers; started++)
		rc = machine_thread(&loop_at(host, started)->thread, worker_main,
				    loop_at(host, started));
	if (rc) {
		started--;
		stop(host);
	}
	epoll_loop_run(loop_at(host, 0));
	while (--started > 0)
		pthread_join(loop_at(host, started)->thread, NULL);
	return rc;
}

static int run(struct mio_host *host)
{
	struct machine *machine = machine_of(host);
	struct epoll_loop *first = loop_at(host, 0);
	uint32_t index = 0;
	int rc = 0;

	if (machine->signal_fd >= 0) {
		index = epoll_slot_add(first, SLOT_SIGNAL, NULL, machine->signal_fd);
		rc = epoll_register(first, index, EPOLLIN, EPOLLIN);
	}
	if (!rc)
		rc = run_threads(host);
	if (machine->signal_fd >= 0) {
		epoll_register(first, index, 0, 0);
		epoll_slot_del(first, index);
	}
	atomic_store(&machine->stopping, false);
	return rc;
}

static int signals(struct mio_host *host, void (*signalled)(int number, void *arg), void *arg)
{
	struct machine *machine = machine_of(host);
	sigset_t set;
	int rc;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	rc = -pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (rc)
		return rc;
	rc = signalfd(machine->signal_fd, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (rc < 0)
		return -errno;
	machine->signal_fd = rc;
	machine->signalled = signalled;
	machine->signal_arg = arg;
	return 0;
}

static const char *host_name(struct mio_host *host)
{
	return machine_of(host)->name;
}

static const char *host_vfs(struct mio_host *host)
{
	return NULL;
}

static void host_random(struct mio_host *host, void *bytes, size_t len)
{
	machine_random(bytes, len);
}

static int64_t host_wall_ms(struct mio_host *host)
{
	return machine_wall_ms();
}

static int64_t host_now_ms(struct mio_host *host)
{
	return machine_now_ms();
}

/* A real process that is killed takes its handles along. */
static void foreign_add(struct mio_host *host, void *handle, void (*close_handle)(void *handle))
{
}

static void foreign_del(struct mio_host *host, void *handle)
{
}

const struct mio_backend mio_machine = {
	.loop_size = sizeof(struct epoll_loop),
	.loop_init = epoll_loop_init,
	.loop_fini = epoll_loop_fini,
	.host_fini = host_fini,
	.run = run,
	.stop = stop,
	.signals = signals,
	.wake = epoll_wake,
	.host_name = host_name,
	.host_vfs = host_vfs,
	.host_random = host_random,
	.host_wall_ms = host_wall_ms,
	.host_now_ms = host_now_ms,
	.lasting = lasting_open,
	.foreign_add = foreign_add,
	.foreign_del = foreign_del,
	.random = epoll_random,
	.connect = epoll_connect,
	.read = epoll_read,
	.write = epoll_write,
	.pause = epoll_pause,
	.close = epoll_close,
	.peer_name = epoll_peer_name,
	.peer_uid = epoll_peer_uid,
	.give = epoll_give,
	.take = epoll_take,
	.listen = epoll_listen,
	.unlisten = epoll_unlisten,
	.accept = epoll_accept,
	.accept_stop = epoll_accept_stop,
	.refuse = epoll_refuse,
	.given_name = epoll_given_name,
	.driver_new = threads_driver_new,
	.driver_free = threads_driver_free,
	.submit = threads_submit,
};
