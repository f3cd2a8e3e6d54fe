/* SPDX-License-Identifier: MIT */
/*
 * Mail between loops. A lane is a lock-free stack that its loop takes whole and turns around, which
 * keeps the order of each sender.
 *
 * Above the mark: the sender notes the receiver in blocked (its entry sockets rest) and itself in
 * the receiver's feeders; the receiver, having run its lane down to half the mark, mails each
 * feeder to go on. Each first writes its word and then looks at the other's, so one of them always
 * sees that the lane is low.
 */
#include "mio/backend.h"

static uint64_t bit(unsigned worker)
{
	return UINT64_C(1) << worker;
}

static void push(struct mio *to, enum mio_lane lane, struct mio_mail *newest,
		 struct mio_mail *oldest)
{
	struct mio_mail *top = atomic_load(&to->lanes[lane]);

	do {
		oldest->next = top;
	} while (!atomic_compare_exchange_weak(&to->lanes[lane], &top, newest));
}

static void wake_sleeper(struct mio *to)
{
	if (atomic_load(&to->sleeping) && atomic_exchange(&to->sleeping, false))
		to->backend->wake(to);
}

void mio_mail_push(struct mio *to, enum mio_lane lane, struct mio_mail *newest,
		   struct mio_mail *oldest)
{
	push(to, lane, newest, oldest);
	wake_sleeper(to);
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

	push(to, MIO_DATA, parcel->newest, parcel->oldest); /* from here on it is the receiver's */
	if (to != from)
		wake_sleeper(to);
	if (waiting > to->host->mark && !(from->blocked & bit(to->worker)))
		block(from, to);
}

static void gather(struct mio *from, struct mio *to, struct mio_mail *mail)
{
	struct mio_parcel *parcel = &from->parcels[to->worker];

	mail->next = parcel->newest;
	parcel->newest = mail;
	if (!mail->next)
		parcel->oldest = mail;
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

static struct mio_mail *take_lane(struct mio *mio, enum mio_lane lane)
{
	struct mio_mail *mail = NULL, *oldest_first = NULL;

	if (atomic_load(&mio->lanes[lane]))
		mail = atomic_exchange(&mio->lanes[lane], NULL);
	while (mail) {
		struct mio_mail *older = mail->next;

		mail->next = oldest_first;
		oldest_first = mail;
		mail = older;
	}
	return oldest_first;
}

/* In parts, as sockets are dispatched: what a part has to write goes before it is cold. */
static size_t run_mails(struct mio *mio, struct mio_mail *mail)
{
	size_t bytes = 0;
	unsigned count = 0;

	while (mail) {
		struct mio_mail *next = mail->next;

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
	struct mio_mail *control = take_lane(mio, MIO_CONTROL), *data = take_lane(mio, MIO_DATA);
	size_t done;

	run_mails(mio, control);
	if (!data)
		return;
	done = run_mails(mio, data);
	if (atomic_fetch_sub(&mio->data_bytes, done) - done <= mio->host->mark / 2)
		release_feeders(mio);
}

struct mio_mail *mio_mail_take(struct mio *mio, void (*run)(struct mio *mio, struct mio_mail *mail))
{
	for (unsigned lane = 0; lane < MIO_LANES; lane++) {
		struct mio_mail *mail = atomic_load(&mio->lanes[lane]), *newer = NULL;

		for (; mail && mail->run != run; mail = mail->next)
			newer = mail;
		if (mail && newer)
			newer->next = mail->next;
		else if (mail)
			atomic_store(&mio->lanes[lane], mail->next);
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
