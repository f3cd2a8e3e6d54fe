/* SPDX-License-Identifier: MIT */
/*
 * Loops: an sm that is a process of its own sends what is for its own domains to the router, which
 * chooses among all that serve them (docs/decisions/0006), and mostly has it back. It is kept until
 * then. When the router is gone the domain is served here alone, so what was under way is delivered
 * here, in order.
 *
 * What comes back in its order proves that nobody else serves the domain. One that was passed over,
 * or that does not come back in time, went to somebody else: from then on nothing is kept.
 */
#include "link/ends.h"

#include "base/mem.h"

enum { BYTES_MAX = 64 << 20, BACK_MS = 30000 };

struct loop {
	struct link *link;
	uint64_t sent, returned;
	uint64_t home; /* up to here delivered when a router was gone */
	struct packet *first, **last;
	size_t bytes;
	bool shared;		  /* somebody else serves the domain too */
	uint64_t returned_before; /* when the timer was set */
	struct mio_timer timer;
};

static struct packet *shift(struct loop *loop)
{
	struct packet *packet = loop->first;

	loop->first = packet->next;
	if (!loop->first)
		loop->last = &loop->first;
	loop->bytes -= packet->mail.bytes;
	loop->returned++;
	return packet;
}

static void drop_until(struct loop *loop, uint64_t seq)
{
	while (loop->first && loop->returned < seq) {
		struct packet *packet = shift(loop);

		packet_free(&packet);
	}
}

/* Nobody here keeps it: whoever has it is to care for it. */
static void pass_on(struct link *link, struct packet **packet)
{
	struct route *route = route_get(link, str_slice((*packet)->to));
	const struct link_part *part = route ? route->part : NULL;

	if (part && part->passed_on)
		part->passed_on(part->part, *packet);
	packet_free(packet);
}

static void pass_on_until(struct loop *loop, uint64_t seq)
{
	while (loop->first && loop->returned < seq) {
		struct packet *packet = shift(loop);

		pass_on(loop->link, &packet);
	}
}

static void share(struct loop *loop)
{
	loop->shared = true;
	pass_on_until(loop, loop->sent);
	mio_timer_stop(&loop->timer);
}

static void watch(struct loop *loop)
{
	loop->returned_before = loop->returned;
	mio_timer_set(loop->link->mio, &loop->timer, BACK_MS);
}

static void look(struct mio_timer *timer)
{
	struct loop *loop = container_of(timer, struct loop, timer);

	if (!loop->first)
		return;
	if (loop->returned == loop->returned_before)
		share(loop);
	else
		watch(loop);
}

static struct loop *loop_of(struct link *link, struct route *route)
{
	struct loop *loop = route->loop;

	if (loop)
		return loop;
	loop = route->loop = mem_zalloc(MEM_LINK, sizeof(*loop));
	loop->link = link;
	loop->last = &loop->first;
	mio_timer_init(&loop->timer, look);
	return loop;
}

void loop_free(struct route *route)
{
	if (!route->loop)
		return;
	drop_until(route->loop, route->loop->sent);
	mio_timer_stop(&route->loop->timer);
	mem_free(route->loop);
}

void loop_number(struct link *link, struct packet *packet)
{
	struct route *route = route_get(link, str_slice(packet->to));
	struct loop *loop;

	if (!link->options.epoch || !route || !route->part || !route->shared)
		return;
	loop = loop_of(link, route);
	if (!loop->shared)
		packet->end =
			(struct packet_end){.seq = loop->sent + 1, .from = link->options.epoch};
}

void loop_keep(struct link *link, struct packet **taken)
{
	struct packet *packet = *taken;
	struct loop *loop;

	*taken = NULL;
	if (!packet->end.seq) {
		pass_on(link, &packet);
		return;
	}
	loop = route_get(link, str_slice(packet->to))->loop;
	packet->mail.bytes = packet_weight(packet);
	packet->next = NULL;
	*loop->last = packet;
	loop->last = &packet->next;
	loop->sent++;
	loop->bytes += packet->mail.bytes;
	if (loop->bytes > BYTES_MAX)
		share(loop);
	else if (!mio_timer_is_set(&loop->timer))
		watch(loop);
}

bool loop_returned(struct link *link, struct packet *packet)
{
	struct route *route = route_get(link, str_slice(packet->to));
	struct loop *loop = route ? route->loop : NULL;
	uint64_t seq = packet->end.seq;

	if (!loop || seq > loop->sent)
		return true;
	if (seq == loop->returned + 1) {
		drop_until(loop, seq);
	} else if (seq > loop->returned) {
		pass_on_until(loop, seq - 1);
		drop_until(loop, seq);
		share(loop);
	}
	packet->home = true;
	return seq > loop->home;
}

void loop_lost(struct link *link)
{
	link->homeward = true;
	mio_defer(link->mio, &link->home);
}

void loop_bring_home(struct link *link)
{
	struct route *route;

	if (!link->homeward)
		return;
	link->homeward = false;
	for (uint32_t at = 0; (route = table_next(&link->routes, &at));) {
		if (route->loop && !route->loop->shared)
			route->loop->home = route->loop->sent;
		while (route->loop && route->loop->first) {
			struct packet *packet = shift(route->loop);

			packet->end = (struct packet_end){0};
			link_to_part(link, route->part, &packet);
		}
	}
}
