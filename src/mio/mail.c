/* SPDX-License-Identifier: MIT */
/*
 * Mail between loops. A lane is a lock-free stack of parcels, each a row of mails whose first knows the last. Its loop takes it
 * whole and turns the parcels around, which keeps the order of each sender and looks into no mail before its turn.
 *
 * Above the mark: the sender notes the receiver in blocked (its entry sockets rest) and itself in
 * the receiver's feeders; the receiver, having run its lane down to half the mark, mails each
 * feeder to go on. Each first writes its word and then looks at the other's, so one of them always
 * sees that the lane is low.
 */
#include "mio/backend.h"

enum { FETCHED_AHEAD = 1024 };

static uint64_t bit(unsigned worker)
{
	return UINT64_C(1) << worker;
}

static void push(struct mio *to, enum mio_lane lane, struct mio_mail *first, struct mio_mail *last)
{
	struct mio_mail *top = atomic_load(&to->lanes[lane]);

	first->last = last;
	do {
		last->next = top;
	} while (!atomic_compare_exchange_weak(&to->lanes[lane], &top, first));
}

static void wake_sleeper(struct mio *from, struct mio *to)
{
	if (atomic_load(&to->sleeping) && atomic_exchange(&to->sleeping, false))
		to->backend->wake(from, to);
}

void mio_mail_push(struct mio *to, enum mio_lane lane, struct mio_mail *first, struct mio_mail *last)
{
	push(to, lane, first, last);
	wake_sleeper(NULL, to);
}

static void block(struct mio *from, struct mio *to)
{
	from->blocked |= bit(to->worker);
	atomic_fetch_or(&to->feeders, bit(from->worker));
	if (atomic_load(&to->data_bytes) > to->host->mark / 2)
		return;
	if (atomic_fetch_and(&to->feeders, ~bit(from->worker)) & bit(from->worker))
		from->blocked &= ~bit(to->worker);
}

static void send_now(struct mio *from, struct mio *to, const struct mio_parcel *parcel)
{
	size_t waiting = atomic_fetch_add(&to->data_bytes, parcel->bytes) + parcel->bytes;

	push(to, MIO_DATA, parcel->first, parcel->last); /* from here on it is the receiver's */
	if (to != from)
		wake_sleeper(from, to);
	if (waiting > to->host->mark && !(from->blocked & bit(to->worker)))
		block(from, to);
}

static void gather(struct mio *from, struct mio *to, struct mio_mail *mail)
{
	struct mio_parcel *parcel = &from->parcels[to->worker];

	if (parcel->last)
		parcel->last->next = mail;
	else
		parcel->first = mail;
	parcel->last = mail;
	parcel->bytes += mail->bytes;
	from->unsent |= bit(to->worker);
}

void mio_mail_send(struct mio *from)
{
	for (; from->unsent; from->unsent &= from->unsent - 1) {
		unsigned worker = (unsigned)__builtin_ctzll(from->unsent);
		struct mio_parcel parcel = from->parcels[worker];

		from->parcels[worker] = (struct mio_parcel){0};
		send_now(from, from->host->loops[worker], &parcel);
	}
}

void mio_post(struct mio *from, struct mio *to, enum mio_lane lane, struct mio_mail *mail)
{
	mail->from = from->worker;
	if (lane == MIO_DATA && from->in_turn)
		gather(from, to, mail);
	else if (lane == MIO_DATA)
		send_now(from, to, &(struct mio_parcel){mail, mail, mail->bytes});
	else if (to == from)
		push(to, lane, mail, mail);
	else
		mio_mail_push(to, lane, mail, mail);
}

static void go_on(struct mio *mio, struct mio_mail *mail)
{
	mio->blocked &= ~bit(mail->from);
}

static void release_feeders(struct mio *mio)
{
	uint64_t feeders = atomic_load(&mio->feeders) ? atomic_exchange(&mio->feeders, 0) : 0;

	for (; feeders; feeders &= feeders - 1) {
		unsigned worker = (unsigned)__builtin_ctzll(feeders);

		mio->resume[worker].run = go_on;
		mio_post(mio, mio->host->loops[worker], MIO_CONTROL, &mio->resume[worker]);
	}
}

static struct mio_parcel take_lane(struct mio *mio, enum mio_lane lane)
{
	struct mio_mail *newest = atomic_load(&mio->lanes[lane]) ? atomic_exchange(&mio->lanes[lane], NULL) : NULL;
	struct mio_parcel all = {.last = newest ? newest->last : NULL};

	while (newest) {
		struct mio_mail *older = newest->last->next;

		newest->last->next = all.first;
		all.first = newest;
		newest = older;
	}
	return all;
}

/* It lies in the cache of who sent it, and is asked for while the mail before it is run; its successor's head too. */
static void fetch_ahead(const struct mio_mail *mail)
{
	size_t bytes = mail->bytes < FETCHED_AHEAD ? mail->bytes : FETCHED_AHEAD;

	if (mail->next)
		__builtin_prefetch(mail->next);
	mem_fetch(mail, bytes);
}

/* In parts, as sockets are dispatched: what a part has to write goes before it is cold. */
static size_t run_mails(struct mio *mio, struct mio_mail *mail)
{
	size_t bytes = 0;
	unsigned count = 0;

	while (mail) {
		struct mio_mail *next = mail->next;

		if (next)
			fetch_ahead(next);
		if (count && count % MIO_PART == 0)
			mio_tasks_run(mio);
		count++;
		bytes += mail->bytes;
		mail->run(mio, mail);
		mail = next;
	}
	return bytes;
}

void mio_mail_run(struct mio *mio)
{
	struct mio_mail *control = take_lane(mio, MIO_CONTROL).first, *data = take_lane(mio, MIO_DATA).first;
	size_t done;

	run_mails(mio, control);
	if (!data)
		return;
	done = run_mails(mio, data);
	if (atomic_fetch_sub(&mio->data_bytes, done) - done <= mio->host->mark / 2)
		release_feeders(mio);
}

/* Nobody posts any more, so that a lane may become one parcel. */
struct mio_mail *mio_mail_take(struct mio *mio, void (*run)(struct mio *mio, struct mio_mail *mail))
{
	for (unsigned lane = 0; lane < MIO_LANES; lane++) {
		struct mio_parcel all = take_lane(mio, lane);
		struct mio_mail *mail = all.first, *before = NULL;

		for (; mail && mail->run != run; mail = mail->next)
			before = mail;
		if (mail && before)
			before->next = mail->next;
		else if (mail)
			all.first = mail->next;
		if (mail == all.last)
			all.last = before;
		if (all.first)
			push(mio, lane, all.first, all.last);
		if (mail)
			return mail;
	}
	return NULL;
}

bool mio_mail_waits(const struct mio *mio)
{
	return atomic_load(&mio->lanes[MIO_CONTROL]) || atomic_load(&mio->lanes[MIO_DATA]);
}

void mio_mailbox_mark(struct mio_host *host, size_t bytes)
{
	host->mark = bytes;
}

size_t mio_mailbox_bytes(const struct mio *mio)
{
	return atomic_load(&mio->data_bytes);
}
