/* SPDX-License-Identifier: MIT */
/*
 * What is sent through a channel is numbered and kept until it is acknowledged. Routers keep order,
 * so a gap is a loss: nothing is kept out of order, the sender goes back.
 *
 *   flowing - 404, a new router: probing with one packet - acknowledged: flowing
 *                '- 404 for GRACE_MS: gone, until it is heard again
 *
 * Who does not answer is most often slow: what is under way will come, and more goes after it; they are asked with the first
 * again. By their answer the rest goes again too, in case that it did not.
 */
#include "link/channel.h"

#include "base/mem.h"

enum {
	CHANNELS_MAX = 1024,  /* of a part */
	BYTES_MAX = 64 << 20, /* unacknowledged, of a channel */
	PACKETS_MAX = 1 << 17,
	WINDOW = 8 << 20, /* bytes under way */
	ACK_MS = 20,
	OVERDUE_MS = 2000, /* doubled each time */
	OVERDUE_DOUBLINGS = 3,
	AWAY_MS = 1000, /* between looks for a name that is not bound */
	GRACE_MS = 30000,
	AGAIN_MS = 1000, /* between two answers that say the same */
};

static void look_again(struct mio_timer *timer);
static void ack_late(struct mio_timer *timer);

static struct packet *take_all(struct channel *channel)
{
	struct packet *first = channel->first;

	channel->first = channel->next = NULL;
	channel->last = &channel->first;
	channel->bytes = channel->flying = 0;
	channel->acked = channel->sent = channel->most = channel->queued;
	return first;
}

void channel_free(struct channel *channel)
{
	struct packet *packet, *next = take_all(channel);

	while ((packet = next)) {
		next = packet->next;
		packet_free(&packet);
	}
	mio_timer_stop(&channel->timer);
	mio_timer_stop(&channel->ack);
	str_free(&channel->ours);
	str_free(&channel->theirs);
	mem_free(channel);
}

struct channel *channel_new(struct link *link, unsigned part, struct str *theirs)
{
	struct channel *channel;

	if (table_count(&link->ends[part]) >= CHANNELS_MAX)
		return NULL;
	channel = mem_zalloc(MEM_LINK, sizeof(*channel));
	channel->link = link;
	channel->part = part;
	channel->ours = link_name(link, slice_of(link->parts[part]->name));
	channel->theirs = str_ref(theirs);
	channel->last = &channel->first;
	mio_timer_init(&channel->timer, look_again);
	mio_timer_init(&channel->ack, ack_late);
	table_put(&link->ends[part], channel);
	return channel;
}

/* -- telling the part -------------------------------------------------------------------------- */

struct news {
	struct mio_mail mail;
	struct link *at;
	unsigned part;
	struct str *name;
	uint32_t epoch;
};

static void tell_here(struct link *link, unsigned part, struct slice name, uint32_t epoch)
{
	if (link->parts[part]->end_changed)
		link->parts[part]->end_changed(link->parts[part]->part, name, epoch);
}

static void news_free(struct news *news)
{
	str_free(&news->name);
	mem_free(news);
}

static void hear(struct mio *mio, struct mio_mail *mail)
{
	struct news *news = container_of(mail, struct news, mail);

	tell_here(news->at, news->part, str_slice(news->name), news->epoch);
	news_free(news);
}

void channel_drop_news(struct link *link)
{
	struct mio_mail *mail;

	while ((mail = mio_mail_take(link->mio, hear)))
		news_free(container_of(mail, struct news, mail));
}

/* By the lane of packets: behind those that came back, before those of the new life. */
void channel_tell(struct channel *channel, uint32_t epoch)
{
	struct link *link = channel->link;

	for (unsigned worker = 1; worker < link->options.workers; worker++) {
		struct news *news = mem_zalloc(MEM_LINK, sizeof(*news));

		news->at = link->options.all[worker];
		news->part = channel->part;
		news->name = str_ref(channel->theirs);
		news->epoch = epoch;
		news->mail.run = hear;
		mio_post(link->mio, news->at->mio, MIO_DATA, &news->mail);
	}
	tell_here(link, channel->part, str_slice(channel->theirs), epoch);
}

static void hand_back(struct channel *channel)
{
	struct packet *packet, *next = take_all(channel);

	while ((packet = next)) {
		next = packet->next;
		link_bounce(channel->link, &packet, 404);
	}
}

static void give_up(struct channel *channel)
{
	channel->gone = true;
	channel->away_ms = 0;
	mio_timer_stop(&channel->timer);
	hand_back(channel);
	channel_tell(channel, 0);
}

void channel_begin_anew(struct channel *channel, uint32_t epoch)
{
	hand_back(channel);
	channel->acked = channel->sent = channel->most = channel->queued = 0;
	channel->received = 0;
	channel->asked_ms = channel->told_ms = 0;
	channel->owes = channel->gone = channel->probing = false;
	channel->away_ms = 0;
	channel->overdue = 0;
	channel->doubted = channel->doubts = 0;
	channel->epoch = epoch;
	channel_tell(channel, epoch);
}

/* -- to them ----------------------------------------------------------------------------------- */

static unsigned transmit(struct channel *channel, struct packet *packet, uint64_t seq)
{
	bool again = packet->end.again, skip = packet->end.skip;

	packet->end = (struct packet_end){.seq = seq,
					  .ack = channel->received,
					  .from = channel->link->options.epoch,
					  .to = channel->epoch,
					  .again = again,
					  .skip = skip};
	channel->owes = false;
	return link_transmit(channel->link, str_slice(channel->theirs), packet, false);
}

void channel_say(struct channel *channel, uint64_t seq, bool again, bool skip)
{
	struct packet packet = {.kind = PACKET_SESSION,
				.from = channel->ours,
				.to = channel->theirs,
				.session.action = SESSION_ACK,
				.end = {.again = again, .skip = skip}};

	transmit(channel, &packet, seq);
}

bool channel_is_time(const struct channel *channel, int64_t *last_ms)
{
	int64_t now = mio_now_ms(channel->link->mio);

	if (*last_ms && now - *last_ms < AGAIN_MS)
		return false;
	*last_ms = now;
	return true;
}

static void ack_late(struct mio_timer *timer)
{
	struct channel *channel = container_of(timer, struct channel, ack);

	if (channel->owes)
		channel_say(channel, 0, false, false);
}

void channel_owe(struct channel *channel)
{
	channel->owes = true;
	if (!mio_timer_is_set(&channel->ack))
		mio_timer_set(channel->link->mio, &channel->ack, ACK_MS);
}

static void go_back(struct channel *channel, bool probing)
{
	channel->sent = channel->acked;
	channel->next = channel->first;
	channel->flying = 0;
	channel->probing = probing;
	channel->slow = false;
}

static void watch(struct channel *channel)
{
	int64_t delay = channel->away_ms ? AWAY_MS : (int64_t)OVERDUE_MS << channel->overdue;

	channel->acked_before = channel->acked;
	mio_timer_set(channel->link->mio, &channel->timer, delay);
}

void channel_away(struct channel *channel)
{
	if (channel->gone)
		return;
	if (!channel->away_ms)
		channel->away_ms = mio_now_ms(channel->link->mio);
	go_back(channel, true);
	watch(channel);
}

/* False: there is no way. */
static bool offer(struct channel *channel, struct packet *packet, uint64_t seq)
{
	unsigned error = transmit(channel, packet, seq);

	if (error == LINK_NO_ROUTER) {
		channel->away_ms = 0;
		mio_timer_stop(&channel->timer);
	} else if (error) {
		channel_away(channel);
	}
	return !error;
}

void channel_pump(struct channel *channel)
{
	while (channel->next && channel->flying < (channel->probing ? 1 : WINDOW)) {
		if (!offer(channel, channel->next, channel->sent + 1))
			return;
		channel->sent++;
		channel->most = channel->sent > channel->most ? channel->sent : channel->most;
		channel->flying += channel->next->mail.bytes;
		channel->next = channel->next->next;
	}
	if (channel->first && !mio_timer_is_set(&channel->timer))
		watch(channel);
}

static void look_again(struct mio_timer *timer)
{
	struct channel *channel = container_of(timer, struct channel, timer);

	if (channel->away_ms && mio_now_ms(channel->link->mio) - channel->away_ms >= GRACE_MS) {
		give_up(channel);
		return;
	}
	if (!channel->first) {
		if (channel->away_ms)
			watch(channel);
		return;
	}
	if (channel->acked != channel->acked_before) {
		channel->overdue = 0;
	} else if (channel->away_ms && channel->acked) {
		channel_say(channel, channel->acked, false, false); /* they would answer to this */
		go_back(channel, true);
	} else {
		channel->overdue += channel->overdue < OVERDUE_DOUBLINGS;
		if (channel->probing || channel->next == channel->first)
			go_back(channel, true);
		else if (!offer(channel, channel->first, channel->acked + 1))
			return;
		channel->slow = !channel->probing;
	}
	channel_pump(channel);
}

void channel_start_over(struct channel *channel)
{
	channel->away_ms = 0;
	channel->overdue = 0;
	mio_timer_stop(&channel->timer);
	if (!channel->first)
		return;
	go_back(channel, true);
	channel_pump(channel);
}

bool channel_is_idle(const struct channel *channel)
{
	return !channel->first;
}

void channel_ask(struct channel *channel)
{
	channel_start_over(channel);
	if (!channel->gone)
		channel_say(channel, 0, false, false);
}

bool channel_is_full(const struct channel *channel, size_t more)
{
	return channel->bytes + more > BYTES_MAX || channel->queued - channel->acked >= PACKETS_MAX;
}

void channel_append(struct channel *channel, struct packet **taken)
{
	struct packet *packet = *taken;

	*taken = NULL;
	if (packet->from != channel->ours &&
	    !slice_equal(str_slice(packet->from), str_slice(channel->ours)))
		packet->via = str_ref(channel->ours);
	packet->next = NULL;
	if (!channel->first)
		channel->waits_ms = mio_now_ms(channel->link->mio);
	*channel->last = packet;
	channel->last = &packet->next;
	if (!channel->next)
		channel->next = packet;
	channel->queued++;
	channel->bytes += packet->mail.bytes;
}

/* -- from them --------------------------------------------------------------------------------- */

void channel_take_ack(struct channel *channel, uint64_t ack)
{
	if (ack <= channel->acked || ack > channel->most)
		return;
	while (channel->acked < ack) {
		struct packet *packet = channel->first;

		channel->first = packet->next;
		channel->acked++;
		channel->bytes -= packet->mail.bytes;
		if (channel->acked <= channel->sent)
			channel->flying -= packet->mail.bytes;
		packet_free(&packet);
	}
	channel->waits_ms = mio_now_ms(channel->link->mio);
	if (!channel->first)
		channel->last = &channel->first;
	if (channel->sent <= channel->acked) {
		channel->sent = channel->acked;
		channel->next = channel->first;
	}
	channel->overdue = 0;
	if (channel->slow)
		go_back(channel, false);
	channel->probing = false;
	channel_pump(channel);
}

/* They miss something. What they miss and we gave up does not come any more. */
void channel_send_again(struct channel *channel, uint64_t ack)
{
	if (ack < channel->acked)
		channel_say(channel, channel->acked, false, true);
	go_back(channel, false);
	channel_pump(channel);
}

void channel_refuse(struct channel *channel, uint64_t seq, unsigned error)
{
	struct packet **at = &channel->first, *packet = NULL, *nothing;

	for (uint64_t skip = seq - channel->acked; skip > 1; skip--)
		at = &(*at)->next;
	packet = *at;
	if (packet->kind == PACKET_SESSION && packet->session.action == SESSION_ACK)
		return;
	nothing = packet_session(channel->ours, channel->theirs, SESSION_ACK);
	nothing->next = packet->next;
	channel->bytes -= packet->mail.bytes;
	nothing->mail.bytes = packet_weight(nothing);
	channel->bytes += nothing->mail.bytes;
	if (channel->last == &packet->next)
		channel->last = &nothing->next;
	*at = nothing;
	go_back(channel, true);
	link_bounce(channel->link, &packet, error);
	channel_pump(channel);
}
