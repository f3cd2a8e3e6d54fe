/* SPDX-License-Identifier: MIT */
/*
 * A loop on epoll: its turns, its table of descriptors, its clock.
 *
 * Who holds a loop's lock runs it: its thread, but for while it waits. A loop that posts a little to one that sleeps takes a
 * turn for it behind its own, which costs less, and is there sooner, than another thread that wakes up:
 *
 *   A: turn, post to B ---- lock B, turn of B, unlock ---- waits
 *   B: waits ............................................. waits
 *
 * B's thread is woken when A has more to do, or when B must wait otherwise than it does.
 */
#include "mio/epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/mem.h"

enum { EVENTS_PER_TURN = 256, WALL_REFRESH_MS = 1000, SLOTS_FIRST = 64,
       SOCK_FETCHED = 128, /* bytes: it, and what who has it keeps beside it */
       LENT_READY = 4, LENT_BYTES = 16384, /* sockets of the one, mail of the other */
       MAIL_TURNS = 4 };

static void read_clock(struct epoll_loop *loop)
{
	int64_t now_ms = machine_now_ms();

	if (now_ms >= loop->wall_refresh_ms) {
		loop->wall_offset_ms = machine_wall_ms() - now_ms;
		loop->wall_refresh_ms = now_ms + WALL_REFRESH_MS;
	}
	loop->mio.now_ms = now_ms;
	loop->mio.wall_ms = now_ms + loop->wall_offset_ms;
}

int epoll_loop_init(struct mio *mio)
{
	struct epoll_loop *loop = container_of(mio, struct epoll_loop, mio);
	int rc = 0;

	list_init(&loop->acceptors);
	loop->accepted_fd = -1;
	loop->all = epoll_create1(EPOLL_CLOEXEC);
	loop->links = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (loop->all < 0 || loop->links < 0 || loop->wake_fd < 0 || loop->reserve_fd < 0)
		rc = -errno;
	pthread_mutex_init(&loop->lock, NULL);
	read_clock(loop);
	if (!rc) {
		uint32_t wake = epoll_slot_add(loop, SLOT_WAKE, NULL, loop->wake_fd);

		/* Edge triggered, so that nobody needs to read it empty. */
		rc = epoll_register(loop, wake, EPOLLIN | EPOLLET, EPOLLIN | EPOLLET);
	}
	if (rc)
		epoll_loop_fini(mio);
	return rc;
}

void epoll_loop_fini(struct mio *mio)
{
	struct epoll_loop *loop = container_of(mio, struct epoll_loop, mio);
	int fds[] = {loop->all, loop->links, loop->wake_fd, loop->reserve_fd};

	for (uint32_t i = 0; i < loop->slot_count; i++) {
		if (loop->slots[i].kind == SLOT_SOCK)
			close(loop->slots[i].fd);
	}
	for (unsigned i = 0; i < countof(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	mem_free(loop->slots);
	loop->slots = NULL;
	loop->slot_count = loop->slot_cap = 0;
	mem_wipe(loop->random, sizeof(loop->random));
	pthread_mutex_destroy(&loop->lock);
}

static struct epoll_loop *loop_of(struct mio *mio)
{
	return container_of(mio, struct epoll_loop, mio);
}

static void wake_thread(struct epoll_loop *loop)
{
	ssize_t written = write(loop->wake_fd, &(uint64_t){1}, sizeof(uint64_t));

	(void)written; /* a full counter wakes as well */
}

/* It ends its turn, and neither it nor the other has much to do. */
static bool may_lend(const struct mio *from, const struct mio *to)
{
	return from->in_turn && !from->more && from->ready <= LENT_READY && mio_mailbox_bytes(to) <= LENT_BYTES;
}

void epoll_wake(struct mio *from, struct mio *to)
{
	if (from && may_lend(from, to))
		loop_of(from)->lends |= UINT64_C(1) << to->worker;
	else
		wake_thread(loop_of(to));
}

void epoll_random(struct mio *mio, void *bytes, size_t len)
{
	struct epoll_loop *loop = container_of(mio, struct epoll_loop, mio);

	if (len > RANDOM_POOL) {
		machine_random(bytes, len);
		return;
	}
	if (len > loop->random_left) {
		machine_random(loop->random, RANDOM_POOL);
		loop->random_left = RANDOM_POOL;
	}
	loop->random_left -= len;
	memcpy(bytes, loop->random + loop->random_left, len);
	mem_wipe(loop->random + loop->random_left, len);
}

/* -- slots -- */

uint32_t epoll_slot_add(struct epoll_loop *loop, enum slot_kind kind, void *owner, int fd)
{
	struct heap *before = heap_enter(loop->mio.heap);
	struct fd_slot *slot;
	uint32_t index;

	if (loop->slot_free) {
		index = loop->slot_free - 1;
		loop->slot_free = loop->slots[index].next_free;
	} else {
		if (loop->slot_count == loop->slot_cap) {
			loop->slot_cap = loop->slot_cap ? loop->slot_cap * 2 : SLOTS_FIRST;
			loop->slots = mem_realloc(MEM_LOOP, loop->slots,
						  loop->slot_cap * sizeof(*loop->slots));
		}
		index = loop->slot_count++;
		loop->slots[index].generation = 0;
	}
	heap_enter(before);
	slot = &loop->slots[index];
	*slot = (struct fd_slot){
		.owner = owner, .fd = fd, .kind = (uint8_t)kind, .generation = slot->generation};
	return index;
}

void epoll_slot_del(struct epoll_loop *loop, uint32_t index)
{
	struct fd_slot *slot = &loop->slots[index];

	slot->kind = SLOT_FREE;
	slot->owner = NULL;
	slot->generation++;
	slot->next_free = loop->slot_free;
	loop->slot_free = index + 1;
}

struct fd_slot *epoll_slot(struct epoll_loop *loop, uint32_t index, uint32_t generation)
{
	struct fd_slot *slot = &loop->slots[index];

	return slot->kind != SLOT_FREE && slot->generation == generation ? slot : NULL;
}

static int change(int set, const struct fd_slot *slot, uint32_t index, uint8_t *now,
		  uint32_t events)
{
	struct epoll_event event = {.events = events,
				    .data.u64 = (uint64_t)slot->generation << 32 | index};
	int how = *now == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;

	if (*now == (uint8_t)events)
		return 0;
	if (epoll_ctl(set, how, slot->fd, &event) < 0)
		return -errno;
	*now = (uint8_t)events;
	return 0;
}

int epoll_register(struct epoll_loop *loop, uint32_t index, uint32_t in_all, uint32_t in_links)
{
	struct fd_slot *slot = &loop->slots[index];
	int rc = change(loop->all, slot, index, &slot->in_all, in_all);

	return rc ? rc : change(loop->links, slot, index, &slot->in_links, in_links);
}

/* -- turns -- */

static void signal_ready(struct epoll_loop *loop)
{
	struct machine *machine = container_of(loop->mio.host, struct machine, host);
	struct signalfd_siginfo info;

	if (read(machine->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		machine->signalled((int)info.ssi_signo, machine->signal_arg);
}

static void dispatch(struct epoll_loop *loop, const struct epoll_event *event, bool resting)
{
	uint32_t index = (uint32_t)event->data.u64;
	struct fd_slot *slot = epoll_slot(loop, index, (uint32_t)(event->data.u64 >> 32));

	if (!slot)
		return;
	if (slot->kind == SLOT_SOCK)
		epoll_sock_ready(loop, index, event->events, resting);
	else if (slot->kind == SLOT_LISTENER)
		epoll_listener_ready(loop, index);
	else if (slot->kind == SLOT_SIGNAL)
		signal_ready(loop);
}

/* Its sock has been cold for as long as its peer was silent: it is asked for while the one before it is dispatched. */
static void fetch(const struct epoll_loop *loop, const struct epoll_event *event)
{
	uint32_t index = (uint32_t)event->data.u64;

	if (index < loop->slot_count && loop->slots[index].kind == SLOT_SOCK)
		mem_fetch(loop->slots[index].owner, SOCK_FETCHED);
}

/* How long the loop may wait; when it may, posters are told to wake it. */
static int wait_ms(struct epoll_loop *loop)
{
	struct mio *mio = &loop->mio;

	loop->until_ms = mio_wheel_next(&mio->wheel);
	loop->resting = mio_entry_paused(mio);
	if (mio_has_work(mio) || loop->until_ms <= mio->now_ms)
		return 0;
	atomic_store(&mio->sleeping, true);
	if (mio_mail_waits(mio))
		return 0;
	if (loop->until_ms == INT64_MAX)
		return -1;
	return loop->until_ms - mio->now_ms > INT32_MAX ? INT32_MAX : (int)(loop->until_ms - mio->now_ms);
}

static int wait_for(struct epoll_loop *loop, struct epoll_event *events)
{
	int ms = wait_ms(loop), set = loop->resting ? loop->links : loop->all, count;

	if (ms)
		pthread_mutex_unlock(&loop->lock);
	count = epoll_wait(set, events, EVENTS_PER_TURN, ms);
	if (ms)
		pthread_mutex_lock(&loop->lock);
	return count;
}

/* Whether its thread waits as it should; then posters are told so again. */
static bool may_sleep_on(struct epoll_loop *loop)
{
	struct mio *mio = &loop->mio;

	if (mio_has_work(mio) || mio_wheel_next(&mio->wheel) < loop->until_ms || mio_entry_paused(mio) != loop->resting)
		return false;
	atomic_store(&mio->sleeping, true);
	return !mio_mail_waits(mio);
}

/* What a little mail leads to, without a look at the sockets before each step of it. */
static void run_mail(struct epoll_loop *loop)
{
	for (unsigned turns = 0; turns < MAIL_TURNS && mio_has_work(&loop->mio); turns++) {
		mio_turn_begin(&loop->mio);
		mio_turn_end(&loop->mio);
	}
}

static struct epoll_loop *next_lent(struct epoll_loop *loop)
{
	unsigned worker = (unsigned)__builtin_ctzll(loop->lends);

	loop->lends &= loop->lends - 1;
	return loop_of(loop->mio.host->loops[worker]);
}

/* The other is awake, or gets the turns that its mail takes. */
static void lend_turns(struct epoll_loop *loop)
{
	struct heap *before;
	bool sleeps_on;

	if (pthread_mutex_trylock(&loop->lock)) {
		wake_thread(loop); /* it may be about to wait */
		return;
	}
	before = heap_enter(loop->mio.heap);
	read_clock(loop);
	loop->mio.ready = 0;
	run_mail(loop);
	while (loop->lends)
		wake_thread(next_lent(loop));
	sleeps_on = may_sleep_on(loop);
	heap_enter(before);
	pthread_mutex_unlock(&loop->lock);
	if (!sleeps_on)
		wake_thread(loop);
}

static void lend_all(struct epoll_loop *loop)
{
	while (loop->lends)
		lend_turns(next_lent(loop));
}

static void turn(struct epoll_loop *loop)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int count = wait_for(loop, events);
	bool resting = mio_entry_paused(&loop->mio); /* by now, when a turn was taken for it */

	atomic_store_explicit(&loop->mio.sleeping, false, memory_order_relaxed);
	read_clock(loop);
	/* Mail first: what this turn posts and submits is then answered in a later one. */
	loop->mio.ready = count > 0 ? (unsigned)count : 0;
	mio_turn_begin(&loop->mio);
	for (int i = 0; i < count; i++) {
		if (i && i % MIO_PART == 0)
			mio_part_end(&loop->mio);
		if (i + 1 < count)
			fetch(loop, &events[i + 1]);
		dispatch(loop, &events[i], resting);
	}
	mio_turn_end(&loop->mio);
	lend_all(loop);
	if (loop->mio.ready <= LENT_READY)
		run_mail(loop);
	lend_all(loop);
}

void epoll_loop_run(struct epoll_loop *loop)
{
	struct machine *machine = container_of(loop->mio.host, struct machine, host);
	struct heap *before = heap_enter(loop->mio.heap);

	pthread_mutex_lock(&loop->lock);
	read_clock(loop);
	while (!atomic_load(&machine->stopping))
		turn(loop);
	pthread_mutex_unlock(&loop->lock);
	heap_enter(before);
}
