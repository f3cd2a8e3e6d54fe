/* SPDX-License-Identifier: MIT */
/*
 * Simulated processes: their loops' turns, and their end.
 *
 * A turn has at most one event. It is planned when a socket, mail, a task or a signal makes it due
 * (soon), after a delay of the seed's, or else for the wheel's next timer.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "mio/sim_net.h"

enum { TURN_MAX_US = 100, STALL_PERCENT = 2, STALL_MAX_US = 5000, LATE_MAX_US = 500 };

struct foreign {
	struct list link;
	void *handle;
	void (*close)(void *handle);
};

/* -- turns -- */

void sim_clock_set(struct mio *mio)
{
	struct sim *sim = sim_of(mio);

	mio->now_ms = sim_now_ms(sim);
	mio->wall_ms = sim_wall_ms(sim);
}

/* A thread that others keep from its core comes late. */
static int64_t turn_delay(struct sim *sim)
{
	return sim_between(sim, 1, sim_chance(sim, STALL_PERCENT) ? STALL_MAX_US : TURN_MAX_US);
}

void sim_wake(struct mio *mio)
{
	struct sim_loop *loop = sim_loop_of(mio);
	struct sim *sim = sim_of(mio);

	if (loop->soon || sim_host_of(mio->host)->stopped)
		return;
	loop->soon = true;
	sim_schedule(sim, &loop->turn, turn_delay(sim));
}

void sim_loop_plan(struct sim_loop *loop)
{
	struct mio *mio = &loop->mio;
	struct sim *sim = sim_of(mio);
	int64_t next_ms, delay_us;

	if (loop->soon || sim_host_of(mio->host)->stopped)
		return;
	if (mio_has_work(mio)) {
		sim_wake(mio);
		return;
	}
	next_ms = mio_wheel_next(&mio->wheel);
	if (next_ms == loop->timer_ms)
		return;
	loop->timer_ms = next_ms;
	if (next_ms == INT64_MAX) {
		sim_cancel(sim, &loop->turn);
		return;
	}
	delay_us = (next_ms - SIM_NOW_START_MS) * 1000 - sim->now_us;
	sim_schedule(sim, &loop->turn,
		     (delay_us > 0 ? delay_us : 0) + sim_between(sim, 1, LATE_MAX_US));
}

static void deliver_signal(struct sim_host *host)
{
	int number = host->signal;

	host->signal = 0;
	if (number && host->signalled)
		host->signalled(number, host->signal_arg);
}

static void run_turn(struct sim *sim, struct sim_loop *loop)
{
	struct mio *mio = &loop->mio;
	struct sim_host *host = sim_host_of(mio->host);
	bool resting = mio_entry_paused(mio);
	struct heap *before = heap_enter(mio->heap);

	loop->soon = false;
	loop->timer_ms = INT64_MAX;
	sim_clock_set(mio);
	atomic_store(&mio->sleeping, false);
	sim_note(sim, SIM_NOTE_TURN, loop->number, mio_mail_waits(mio));
	mio_turn_begin(mio);
	if (mio->worker == 0)
		deliver_signal(host);
	sim_dispatch(loop, resting);
	mio_turn_end(mio);
	atomic_store(&mio->sleeping, true);
	heap_enter(before);
	if (sim_has_ready(loop))
		sim_wake(mio);
	sim_loop_plan(loop);
}

static void turn(struct sim *sim, struct sim_event *event)
{
	struct sim_loop *loop = container_of(event, struct sim_loop, turn);

	if (sim_host_of(loop->mio.host)->frozen)
		loop->soon = loop->missed = true;
	else
		run_turn(sim, loop);
}

void sim_freeze(struct mio_host *base, bool frozen)
{
	struct sim_host *host = sim_host_of(base);

	host->frozen = frozen;
	if (frozen)
		return;
	for (unsigned i = 0; i < base->workers; i++) {
		struct sim_loop *loop = sim_loop_of(base->loops[i]);

		if (!loop->missed)
			continue;
		loop->soon = loop->missed = false;
		sim_wake(&loop->mio);
	}
	sim_drivers_thaw(host);
}

static int loop_init(struct mio *mio)
{
	struct sim_loop *loop = sim_loop_of(mio);

	loop->number = ++sim_of(mio)->number;
	loop->turn.fire = turn;
	loop->timer_ms = INT64_MAX;
	list_init(&loop->ready);
	list_init(&loop->acceptors);
	atomic_store(&mio->sleeping, true);
	sim_clock_set(mio);
	return 0;
}

static void loop_fini(struct mio *mio)
{
	sim_cancel(sim_of(mio), &sim_loop_of(mio)->turn);
}

/* -- the process -- */

struct mio_host *sim_host(struct sim *sim, const char *part)
{
	struct heap *before = heap_enter(sim->heap);
	struct sim_host *host = mem_zalloc(MEM_OTHER, sizeof(*host));

	mio_host_init(&host->host, &sim_backend, part);
	host->sim = sim;
	host->number = ++sim->number;
	host->uid = geteuid();
	list_init(&host->drivers);
	list_init(&host->foreign);
	host->vfs = sim_vfs_new(&sim->disk);
	list_append(&sim->hosts, &host->link);
	heap_enter(before);
	return &host->host;
}

void sim_user(struct mio_host *host, uid_t uid)
{
	sim_host_of(host)->uid = uid;
}

static void close_foreign(struct sim_host *host)
{
	struct list *link;

	while ((link = list_shift(&host->foreign))) {
		struct foreign *foreign = container_of(link, struct foreign, link);

		foreign->close(foreign->handle);
		mem_free(foreign);
	}
}

static void close_ends(struct sim_host *host, bool killed)
{
	struct sim *sim = host->sim;

	for (unsigned i = 0; i < sim->end_count; i++) {
		struct sim_end *end = sim->ends[i];

		if (end && end->host == host)
			sim_end_close(end, killed && sim_pick(sim, 2));
	}
}

/* A heap takes back what was freed while another was current when it makes a large block. */
static void collect(struct heap *heap)
{
	struct heap *before = heap_enter(heap);

	mem_free(mem_alloc(MEM_OTHER, 8192));
	heap_enter(before);
}

/* Memory that is in use apart from the loops themselves, by kind. */
static void report(struct sim_host *host)
{
	for (unsigned i = 0; i < host->host.heap_count; i++) {
		struct heap *heap = host->host.heaps[i];
		struct heap_usage usage;

		collect(heap);
		heap_usage(heap, &usage);
		for (unsigned worker = 0; worker < host->host.workers; worker++) {
			if (host->host.loops[worker]->heap == heap)
				usage.blocks[MEM_LOOP]--;
		}
		for (unsigned kind = 0; kind < MEM_KINDS; kind++) {
			host->sim->left_behind += usage.blocks[kind];
			if (usage.blocks[kind])
				fprintf(stderr, "# %s left %llu blocks of %s behind, %llu bytes\n",
					heap_name(heap), (unsigned long long)usage.blocks[kind],
					mem_kind_name((enum mem_kind)kind), (unsigned long long)usage.bytes[kind]);
		}
	}
}

void sim_host_leave(struct sim_host *host, bool killed)
{
	struct heap *before = heap_enter(NULL);

	if (killed) {
		sim_vfs_kill(host->vfs);
		close_foreign(host);
	} else {
		report(host);
	}
	sim_host_unlisten(host);
	close_ends(host, killed);
	sim_drivers_drop(host);
	sim_cuts_drop(host->sim, host->number);
	sim_vfs_free(&host->vfs);
	list_remove(&host->link);
	heap_enter(before);
}

bool sim_stopped(const struct mio_host *host)
{
	return container_of(host, const struct sim_host, host)->stopped;
}

void sim_signal(struct mio_host *host, int number)
{
	sim_host_of(host)->signal = number;
	sim_wake(host->loops[0]);
}

/* -- the back end -- */

static void host_fini(struct mio_host *host)
{
	sim_host_leave(sim_host_of(host), false);
}

/* The test runs the loops: sim_run(). */
static int run(struct mio_host *host)
{
	return -ENOTSUP;
}

static void stop(struct mio_host *host)
{
	sim_host_of(host)->stopped = true;
	for (unsigned i = 0; i < host->workers; i++)
		sim_cancel(sim_host_of(host)->sim, &sim_loop_of(host->loops[i])->turn);
}

static int signals(struct mio_host *host, void (*signalled)(int number, void *arg), void *arg)
{
	sim_host_of(host)->signalled = signalled;
	sim_host_of(host)->signal_arg = arg;
	return 0;
}

static const char *host_name(struct mio_host *host)
{
	return "sim";
}

static const char *host_vfs(struct mio_host *host)
{
	return sim_vfs_name(sim_host_of(host)->vfs);
}

static void host_random(struct mio_host *host, void *bytes, size_t len)
{
	sim_fill(sim_host_of(host)->sim, bytes, len);
}

static int64_t host_wall_ms(struct mio_host *host)
{
	return sim_wall_ms(sim_host_of(host)->sim);
}

static int64_t host_now_ms(struct mio_host *host)
{
	return sim_now_ms(sim_host_of(host)->sim);
}

static int lasting(struct mio_host *host, const char *path, size_t bytes, void **memory)
{
	*memory = sim_lasting(&sim_host_of(host)->sim->disk, path, bytes, sim_host_of(host)->vfs);
	return 0;
}

static void foreign_add(struct mio_host *host, void *handle, void (*close)(void *handle))
{
	struct foreign *foreign = sim_zalloc(sim_host_of(host)->sim, sizeof(*foreign));

	foreign->handle = handle;
	foreign->close = close;
	list_append(&sim_host_of(host)->foreign, &foreign->link);
}

/* From the newest: what lives shortest is found first. */
static void foreign_del(struct mio_host *host, void *handle)
{
	struct list *all = &sim_host_of(host)->foreign;

	for (struct list *link = all->prev; link != all; link = link->prev) {
		struct foreign *foreign = container_of(link, struct foreign, link);

		if (foreign->handle != handle)
			continue;
		list_remove(link);
		mem_free(foreign);
		return;
	}
}

static void draw(struct mio *mio, void *bytes, size_t len)
{
	sim_fill(sim_of(mio), bytes, len);
}

static void wake(struct mio *from, struct mio *to)
{
	sim_wake(to);
}

const struct mio_backend sim_backend = {
	.loop_size = sizeof(struct sim_loop),
	.loop_init = loop_init,
	.loop_fini = loop_fini,
	.host_fini = host_fini,
	.run = run,
	.stop = stop,
	.signals = signals,
	.wake = wake,
	.host_name = host_name,
	.host_vfs = host_vfs,
	.host_random = host_random,
	.host_wall_ms = host_wall_ms,
	.host_now_ms = host_now_ms,
	.lasting = lasting,
	.foreign_add = foreign_add,
	.foreign_del = foreign_del,
	.random = draw,
	.connect = sim_connect,
	.read = sim_read,
	.write = sim_write,
	.pause = sim_pause,
	.close = sim_close,
	.peer_name = sim_peer_name,
	.peer_uid = sim_peer_uid,
	.give = sim_give,
	.take = sim_take,
	.listen = sim_listen,
	.unlisten = sim_unlisten,
	.accept = sim_accept,
	.accept_stop = sim_accept_stop,
	.refuse = sim_refuse,
	.given_name = sim_given_name,
	.driver_new = sim_driver_new,
	.driver_free = sim_driver_free,
	.submit = sim_submit,
};
