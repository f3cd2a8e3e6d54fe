/* SPDX-License-Identifier: MIT */
/* What is the same in both back ends: hosts, tasks, the end of a turn, and the way to the back end.
 */
#include "mio/mio.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include "mio/backend.h"
#include "mio/lasting.h"

enum { NAME_MAX_LEN = 128 };

void mio_host_init(struct mio_host *host, const struct mio_backend *backend, const char *part)
{
	host->backend = backend;
	host->part = mem_strdup(MEM_LOOP, part);
	host->mark = (size_t)8 << 20;
	pthread_mutex_init(&host->lock, NULL);
}

struct heap *mio_host_heap(struct mio_host *host, const char *name)
{
	char full[NAME_MAX_LEN];
	struct heap *heap, *before;

	snprintf(full, sizeof(full), "%s/%s", host->part, name);
	heap = heap_new(full);
	before = heap_enter(NULL);
	pthread_mutex_lock(&host->lock);
	host->heaps =
		mem_realloc(MEM_LOOP, host->heaps, (host->heap_count + 1) * sizeof(struct heap *));
	host->heaps[host->heap_count++] = heap;
	pthread_mutex_unlock(&host->lock);
	heap_enter(before);
	return heap;
}

void mio_host_fini(struct mio_host *host)
{
	for (unsigned i = 0; i < host->workers; i++)
		host->backend->loop_fini(host->loops[i]);
	host->workers = 0;
	for (unsigned i = 0; i < host->heap_count; i++)
		heap_drop(&host->heaps[i]);
	host->heap_count = 0;
	mem_free(host->heaps);
	mem_free(host->loops);
	mem_free(host->part);
	pthread_mutex_destroy(&host->lock);
}

void mio_host_free(struct mio_host **host)
{
	if (!*host)
		return;
	(*host)->backend->host_fini(*host);
	mio_host_fini(*host);
	mem_free(*host);
	*host = NULL;
}

static int loop_new(struct mio_host *host, unsigned worker)
{
	char name[16];
	struct heap *heap, *before;
	struct mio *mio;
	int rc;

	snprintf(name, sizeof(name), "%u", worker);
	heap = mio_host_heap(host, name);
	before = heap_enter(heap);
	mio = mem_zalloc(MEM_LOOP, host->backend->loop_size);
	mio->host = host;
	mio->backend = host->backend;
	mio->heap = heap;
	mio->worker = (uint8_t)worker;
	mio->tasks_end = &mio->tasks;
	rc = host->backend->loop_init(mio);
	if (!rc) {
		mio_wheel_init(&mio->wheel, mio->now_ms);
		host->loops[host->workers++] = mio;
	}
	heap_enter(before);
	return rc;
}

int mio_host_start(struct mio_host *host, unsigned workers,
		   int (*start)(struct mio *mio, void *arg), void *arg)
{
	int rc = workers == 0 || workers > MIO_WORKERS_MAX ? -EINVAL : 0;
	struct heap *before = heap_enter(NULL);

	if (!rc)
		host->loops = mem_zalloc(MEM_LOOP, workers * sizeof(struct mio *));
	for (unsigned i = 0; !rc && i < workers; i++)
		rc = loop_new(host, i);
	for (unsigned i = 0; !rc && start && i < workers; i++) {
		heap_enter(host->loops[i]->heap);
		rc = start(host->loops[i], arg);
	}
	heap_enter(before);
	return rc;
}

int mio_host_run(struct mio_host *host)
{
	return host->backend->run(host);
}

void mio_host_stop(struct mio_host *host)
{
	host->backend->stop(host);
}

int mio_host_signals(struct mio_host *host, void (*signalled)(int number, void *arg), void *arg)
{
	return host->backend->signals(host, signalled, arg);
}

void mio_host_usage(struct mio_host *host, struct heap_usage *usage)
{
	*usage = (struct heap_usage){.system_bytes = 0};
	pthread_mutex_lock(&host->lock);
	for (unsigned i = 0; i < host->heap_count; i++) {
		struct heap_usage one;

		heap_usage(host->heaps[i], &one);
		for (unsigned kind = 0; kind < MEM_KINDS; kind++) {
			usage->bytes[kind] += one.bytes[kind];
			usage->blocks[kind] += one.blocks[kind];
		}
		usage->system_bytes += one.system_bytes;
		usage->chunk_bytes += one.chunk_bytes;
		usage->system_calls += one.system_calls;
		usage->allocations += one.allocations;
	}
	pthread_mutex_unlock(&host->lock);
}

unsigned mio_host_workers(const struct mio_host *host)
{
	return host->workers;
}

struct mio *mio_host_loop(struct mio_host *host, unsigned worker)
{
	assert(worker < host->workers);
	return host->loops[worker];
}

const char *mio_host_name(struct mio_host *host)
{
	return host->backend->host_name(host);
}

const char *mio_host_vfs(struct mio_host *host)
{
	return host->backend->host_vfs(host);
}

void mio_host_random(struct mio_host *host, void *bytes, size_t len)
{
	host->backend->host_random(host, bytes, len);
}

int64_t mio_host_wall_ms(struct mio_host *host)
{
	return host->backend->host_wall_ms(host);
}

int64_t mio_host_now_ms(struct mio_host *host)
{
	return host->backend->host_now_ms(host);
}

int mio_lasting(struct mio_host *host, const char *path, size_t bytes, void **memory)
{
	return host->backend->lasting(host, path, bytes, memory);
}

void mio_foreign_add(struct mio_host *host, void *handle, void (*close)(void *handle))
{
	host->backend->foreign_add(host, handle, close);
}

void mio_foreign_del(struct mio_host *host, void *handle)
{
	host->backend->foreign_del(host, handle);
}

/* -- the loop -- */

struct mio_host *mio_host_of(struct mio *mio)
{
	return mio->host;
}

unsigned mio_worker(const struct mio *mio)
{
	return mio->worker;
}

struct heap *mio_heap(struct mio *mio)
{
	return mio->heap;
}

int64_t mio_now_ms(const struct mio *mio)
{
	return mio->now_ms;
}

unsigned mio_ready(const struct mio *mio)
{
	return mio->ready ? mio->ready : 1;
}

bool mio_has_more(const struct mio *mio)
{
	return mio->more;
}

int64_t mio_wall_ms(const struct mio *mio)
{
	return mio->wall_ms;
}

const int64_t *mio_wall_clock(const struct mio *mio)
{
	return &mio->wall_ms;
}

void mio_random(struct mio *mio, void *bytes, size_t len)
{
	mio->backend->random(mio, bytes, len);
}

struct hash_key mio_hash_key(struct mio *mio)
{
	struct hash_key key;

	mio_random(mio, &key, sizeof(key));
	return key;
}

void mio_defer(struct mio *mio, struct mio_task *task)
{
	if (task->queued)
		return;
	task->queued = true;
	task->next = NULL;
	task->back = mio->tasks_end;
	*mio->tasks_end = task;
	mio->tasks_end = &task->next;
}

void mio_undefer(struct mio *mio, struct mio_task *task)
{
	if (!task->queued)
		return;
	task->queued = false;
	*task->back = task->next;
	if (task->next)
		task->next->back = task->back;
	else if (mio->tasks_end == &task->next)
		mio->tasks_end = task->back;
}

/* One list of tasks; returns how many ran. What ran in this part already is put off to the next. */
static unsigned run_list(struct mio *mio)
{
	struct mio_task *task;
	unsigned count = 0;

	mio->running = mio->tasks;
	mio->tasks = NULL;
	mio->tasks_end = &mio->tasks;
	if (mio->running)
		mio->running->back = &mio->running;
	while ((task = mio->running)) {
		mio_undefer(mio, task);
		if (task->part == mio->part) {
			mio_defer(mio, task);
			continue;
		}
		task->part = mio->part;
		task->run(task);
		count++;
	}
	return count;
}

/*
 * What a task defers runs in the same part, so that a stanza's answer is written without another look at the sockets; a
 * task that defers itself again runs in the next one, or a loop with one would never wait.
 */
static void run_tasks(struct mio *mio)
{
	mio->part++;
	while (mio->tasks && run_list(mio))
		;
	mio_mail_send(mio);
}

void mio_tasks_run(struct mio *mio)
{
	mio->more = true;
	run_tasks(mio);
	mio->more = false;
}

void mio_turn_begin(struct mio *mio)
{
	mio->in_turn = true;
	mio_mail_run(mio);
}

void mio_part_end(struct mio *mio)
{
	mio_tasks_run(mio);
	mio_mail_run(mio);
}

void mio_turn_end(struct mio *mio)
{
	mio_wheel_run(mio);
	run_tasks(mio);
	mio->in_turn = false;
}

bool mio_has_work(const struct mio *mio)
{
	return mio->tasks || mio_mail_waits(mio);
}

/* -- sockets -- */

bool mio_entry_rests(const struct mio *mio)
{
	return mio_entry_paused(mio);
}

int mio_connect(struct mio *mio, struct mio_sock *sock, const char *address,
		const struct mio_sock_handler *handler, uint8_t flags)
{
	assert(sock->fd == 0);
	sock->mio = mio;
	sock->handler = handler;
	sock->flags = flags;
	return mio->backend->connect(sock, address);
}

ssize_t mio_read(struct mio_sock *sock, void *bytes, size_t len)
{
	return sock->fd ? sock->mio->backend->read(sock, bytes, len) : -EBADF;
}

ssize_t mio_write(struct mio_sock *sock, const void *bytes, size_t len)
{
	return sock->fd ? sock->mio->backend->write(sock, bytes, len) : -EBADF;
}

void mio_pause(struct mio_sock *sock, bool paused)
{
	if (sock->fd)
		sock->mio->backend->pause(sock, paused);
}

void mio_close(struct mio_sock *sock)
{
	if (!sock->fd)
		return;
	sock->mio->backend->close(sock);
	sock->fd = 0;
}

void mio_peer_name(const struct mio_sock *sock, char *out, size_t len)
{
	if (sock->fd)
		sock->mio->backend->peer_name(sock, out, len);
	else
		snprintf(out, len, "closed");
}

bool mio_peer_uid(const struct mio_sock *sock, uid_t *uid)
{
	return sock->fd && sock->mio->backend->peer_uid(sock, uid);
}

int mio_sock_give(struct mio_sock *sock)
{
	int given = sock->mio->backend->give(sock);

	sock->fd = 0;
	return given;
}

void mio_sock_take(struct mio *mio, struct mio_sock *sock, int given,
		   const struct mio_sock_handler *handler, uint8_t flags)
{
	assert(sock->fd == 0);
	sock->mio = mio;
	sock->handler = handler;
	sock->flags = flags;
	mio->backend->take(sock, given);
}

int mio_listen(struct mio_host *host, const char *address, struct mio_listener **listener)
{
	return host->backend->listen(host, address, listener);
}

void mio_unlisten(struct mio_listener **listener)
{
	if (*listener)
		(*listener)->host->backend->unlisten(*listener);
	*listener = NULL;
}

const char *mio_listener_address(const struct mio_listener *listener)
{
	return listener->address;
}

void mio_accept(struct mio *mio, struct mio_listener *listener,
		void (*accepted)(int given, void *arg), void *arg)
{
	mio->backend->accept(mio, listener, accepted, arg);
}

void mio_accept_stop(struct mio *mio, struct mio_listener *listener)
{
	mio->backend->accept_stop(mio, listener);
}

void mio_given_name(struct mio *mio, int given, char *out, size_t len)
{
	mio->backend->given_name(mio, given, out, len);
}

void mio_refuse(struct mio *mio, int given)
{
	mio->backend->refuse(mio, given);
}
