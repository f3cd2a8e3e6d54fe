/* SPDX-License-Identifier: MIT */
/*
 * Ends of sessions that nobody took: the router was away, or their session manager. It would keep the sessions, and what is
 * for their users would go to them first. They are said again when the session manager is there.
 */
#include "base/mem.h"
#include "c2s/client.h"

enum { ENDS_MAX = 10000 };

struct unsaid {
	struct list link; /* in the c2s's ends */
	struct packet *packet;
	bool over;      /* a description of the session: said only to the next sm, when this one dies in time */
	bool due;       /* it died */
	int64_t until_ms;
};

static void forget(struct c2s *c2s, struct unsaid *unsaid)
{
	list_remove(&unsaid->link);
	c2s->end_count--;
	packet_free(&unsaid->packet);
	mem_free(unsaid);
}

static struct unsaid *first(const struct c2s *c2s)
{
	return list_empty(&c2s->ends) ? NULL : container_of(c2s->ends.next, struct unsaid, link);
}

/* Those whose time is over go first, else the oldest. */
static struct unsaid *add(struct c2s *c2s)
{
	struct unsaid *unsaid = mem_zalloc(MEM_CLIENT, sizeof(*unsaid)), *oldest;

	while ((oldest = first(c2s)) && oldest->over && !oldest->due && oldest->until_ms < mio_now_ms(c2s->worker->mio))
		forget(c2s, oldest);
	if (c2s->end_count == ENDS_MAX)
		forget(c2s, first(c2s));
	list_append(&c2s->ends, &unsaid->link);
	c2s->end_count++;
	return unsaid;
}

void ends_over(struct client *client, int64_t ms)
{
	struct c2s *c2s = client->c2s;
	struct unsaid *unsaid = add(c2s);

	unsaid->over = true;
	unsaid->due = client->keep->presenting;
	unsaid->until_ms = mio_now_ms(c2s->worker->mio) + ms;
	unsaid->packet = keep_describe(client);
	unsaid->packet->session.resume.over = true;
	unsaid->packet->session.resume.settled = keep_heard(client);
}

void ends_mark(struct c2s *c2s, struct slice manager)
{
	int64_t now_ms = mio_now_ms(c2s->worker->mio);

	for (struct list *at = c2s->ends.next; at != &c2s->ends; at = at->next) {
		struct unsaid *unsaid = container_of(at, struct unsaid, link);

		if (unsaid->over && now_ms < unsaid->until_ms && slice_equal(str_slice(unsaid->packet->to), manager))
			unsaid->due = true;
	}
}

void ends_tell_over(struct c2s *c2s)
{
	for (struct list *at = c2s->ends.next, *next; at != &c2s->ends; at = next) {
		struct unsaid *unsaid = container_of(at, struct unsaid, link);

		next = at->next;
		if (!unsaid->due)
			continue;
		link_send(c2s->worker->link, &unsaid->packet);
		forget(c2s, unsaid);
	}
}

void ends_keep(struct c2s *c2s, const struct packet *packet)
{
	struct unsaid *unsaid;

	if (packet->ours && packet->relayed)
		return;
	unsaid = add(c2s);
	unsaid->packet = packet_session(packet->from, packet->to, SESSION_END);
	unsaid->packet->c2s = packet->c2s;
	unsaid->packet->sm = packet->sm;
	unsaid->packet->ours = packet->ours;
}

void ends_tell(struct c2s *c2s, struct slice manager, bool available)
{
	for (struct list *at = c2s->ends.next, *next; at != &c2s->ends; at = next) {
		struct unsaid *unsaid = container_of(at, struct unsaid, link);

		next = at->next;
		if (unsaid->over || !slice_equal(str_slice(unsaid->packet->to), manager))
			continue;
		if (available)
			link_send(c2s->worker->link, &unsaid->packet);
		forget(c2s, unsaid);
	}
}

void ends_drop(struct c2s *c2s)
{
	while (!list_empty(&c2s->ends))
		forget(c2s, first(c2s));
}
