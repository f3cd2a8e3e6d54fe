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

void ends_keep(struct c2s *c2s, const struct packet *packet)
{
	struct unsaid *unsaid = mem_zalloc(MEM_CLIENT, sizeof(*unsaid));

	if (c2s->end_count == ENDS_MAX)
		forget(c2s, first(c2s));
	unsaid->packet = packet_session(packet->from, packet->to, SESSION_END);
	unsaid->packet->c2s = packet->c2s;
	unsaid->packet->sm = packet->sm;
	unsaid->packet->ours = packet->ours;
	list_append(&c2s->ends, &unsaid->link);
	c2s->end_count++;
}

void ends_tell(struct c2s *c2s, struct slice manager, bool available)
{
	for (struct list *at = c2s->ends.next, *next; at != &c2s->ends; at = next) {
		struct unsaid *unsaid = container_of(at, struct unsaid, link);

		next = at->next;
		if (!slice_equal(str_slice(unsaid->packet->to), manager))
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
