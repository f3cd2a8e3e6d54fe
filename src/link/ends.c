/* SPDX-License-Identifier: MIT */
/* What goes through a channel to an end of ours, and what comes (docs/protocol/ends.md). */
#include "link/ends.h"

#include "link/channel.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

enum { DOUBTS = 3 };

/* -- channels ---------------------------------------------------------------------------------- */

static struct slice channel_key(const void *entry)
{
	return str_slice(((const struct channel *)entry)->theirs);
}

void ends_init(struct link *link)
{
	for (unsigned at = 0; at < LINK_PARTS_MAX; at++)
		table_init(&link->ends[at], channel_key, mio_hash_key(link->mio));
}

void ends_fini(struct link *link)
{
	for (unsigned part = 0; part < LINK_PARTS_MAX; part++) {
		struct channel *channel;

		for (uint32_t at = 0; (channel = table_next(&link->ends[part], &at));)
			channel_free(channel);
		table_fini(&link->ends[part]);
	}
}

static unsigned part_index(const struct link *link, const struct link_part *part)
{
	unsigned at = 0;

	while (link->parts[at] != part)
		at++;
	return at;
}

void ends_bound(struct link *link)
{
	for (unsigned part = 0; part < link->part_count; part++) {
		struct channel *channel;

		for (uint32_t at = 0; (channel = table_next(&link->ends[part], &at));) {
			channel_start_over(channel);
			if (channel_is_idle(channel))
				channel_away(channel); /* until the router says that it is there */
		}
	}
}

void ends_name_changed(struct link *link, struct slice name, bool available)
{
	for (unsigned part = 0; part < link->part_count; part++) {
		struct channel *channel = table_get(&link->ends[part], name);

		if (channel && available && channel_is_idle(channel))
			channel_ask(channel);
		else if (channel && available)
			channel_start_over(channel);
		else if (channel)
			channel_away(channel);
	}
}

/* The part of this process that it is from. */
static struct route *sender(struct link *link, const struct packet *packet)
{
	struct route *route = route_get(link, str_slice(packet->from));

	return route && route->part ? route : NULL;
}

bool ends_take(struct link *link, struct packet **taken)
{
	struct packet *packet = *taken;
	struct route *from = sender(link, packet);
	struct channel *channel;

	packet->end = (struct packet_end){0};
	if (!link->options.epoch || !packet->ours || !from)
		return false;
	channel = table_get(&link->ends[part_index(link, from->part)], str_slice(packet->to));
	if (!channel || channel->gone) {
		if (slice_is(str_slice(from->name), from->part->name))
			packet->end.from = link->options.epoch;
		return false;
	}
	packet->mail.bytes = packet_weight(packet);
	if (channel_is_full(channel, packet->mail.bytes)) {
		link_bounce(link, taken, 404);
		return true;
	}
	channel_append(channel, taken);
	if (!channel->away_ms)
		channel_pump(channel);
	return true;
}

/* The end that a packet is from, as it is from now on. NULL: too many. */
static struct channel *find(struct link *link, unsigned part, const struct packet *packet)
{
	struct str *name = packet->via ? packet->via : packet->error ? packet->to : packet->from;
	struct channel *channel = table_get(&link->ends[part], str_slice(name));

	if (!channel && (channel = channel_new(link, part, name)))
		channel->epoch = packet->end.from;
	else if (channel && channel->epoch != packet->end.from)
		channel_begin_anew(channel, packet->end.from);
	return channel;
}

/* True when it is the next one. */
static bool take_number(struct channel *channel, const struct packet_end *end)
{
	if (end->skip && end->seq > channel->received) {
		channel->received = end->seq;
		channel_tell(channel, 0);
	}
	if (end->seq == channel->received + 1) {
		channel->received++;
		channel_owe(channel);
		return true;
	}
	if (end->seq <= channel->received) {
		channel_owe(channel);
		return false;
	}
	if (channel->asked != channel->received)
		channel->asked_ms = 0;
	channel->asked = channel->received;
	if (channel_is_time(channel, &channel->asked_ms))
		channel_say(channel, 0, true, false);
	return false;
}

/* A filter of the router may say 404 too: of one packet again and again, while they are there. */
static bool is_refused(struct channel *channel, uint64_t seq)
{
	if (channel->doubted != seq)
		channel->doubts = 0;
	else if (channel->heard)
		channel->doubts++;
	channel->doubted = seq;
	channel->heard = false;
	return channel->doubts >= DOUBTS;
}

/* It bears our own epoch: a router gave it back, or it went to a domain of our own. */
static bool take_own(struct link *link, unsigned part, struct packet *packet)
{
	const struct packet_end *end = &packet->end;
	struct channel *channel;

	if (!end->to)
		return !end->seq || loop_returned(link, packet);
	channel = table_get(&link->ends[part], str_slice(packet->to));
	if (!channel)
		channel = table_get(&link->ends[part], str_slice(packet->from));
	if (!packet->error || !channel || end->to != channel->epoch || end->seq <= channel->acked ||
	    end->seq > channel->most)
		return false;
	if (packet->error == 404 && !is_refused(channel, end->seq))
		channel_away(channel);
	else
		channel_refuse(channel, end->seq, packet->error);
	return false;
}

/* Numbers to us, as we are now. */
static bool take_numbered(struct channel *channel, const struct packet_end *end)
{
	channel->away_ms = 0;
	channel->heard = true;
	channel->gone = false;
	channel_take_ack(channel, end->ack);
	if (end->again)
		channel_send_again(channel, end->ack);
	return end->seq && take_number(channel, end);
}

/* Of a stanza that a client's c2s still has: it is presented once more. */
static bool is_of_earlier_life(const struct link_part *part, const struct packet *packet)
{
	return packet->kind == PACKET_STANZA && packet->stanza->origin.key &&
	       slice_is(str_slice(packet->from), part->name);
}

int64_t link_waits_ms(const struct link *link, const struct link_part *part)
{
	struct channel *channel;
	int64_t first_ms = 0;

	for (uint32_t at = 0; (channel = table_next(&link->ends[part_index(link, part)], &at));) {
		if (channel->first && (!first_ms || channel->waits_ms < first_ms))
			first_ms = channel->waits_ms;
	}
	return first_ms;
}

bool ends_receive(struct link *link, const struct link_part *part, struct packet *packet)
{
	const struct packet_end *end = &packet->end;
	bool empty = packet->kind == PACKET_SESSION && packet->session.action == SESSION_ACK;
	unsigned index = part_index(link, part);
	struct channel *channel;

	if (!link->options.epoch || !end->from)
		return !empty;
	if (end->from == link->options.epoch)
		return take_own(link, index, packet) && !empty;
	if (!end->to && end->seq)
		return !empty && !is_of_earlier_life(part, packet); /* another's loop */
	channel = find(link, index, packet);
	if (!channel || !end->to)
		return !end->to && !empty;
	if (end->to != link->options.epoch) {
		if (channel_is_time(channel, &channel->told_ms))
			channel_say(channel, 0, false, false);
		return false;
	}
	return take_numbered(channel, end) && !empty;
}

/* -- at the router ----------------------------------------------------------------------------- */

bool ends_numbered(const struct nad *route)
{
	int elem = nad_first_child(route, 0);
	struct slice text;

	return elem >= 0 && nad_attr(route, elem, NS_JACKDAW, "to", &text);
}

bool ends_may_speak(const struct link_peer *peer, const struct nad *route)
{
	int elem = nad_first_child(route, 0);
	struct route *as;
	struct slice text;

	if (elem < 0 || !nad_attr(route, elem, NS_JACKDAW, "as", &text))
		return true;
	as = route_behind(peer->link, route_find(peer->link, text));
	return as && route_has_peer(as, peer);
}
