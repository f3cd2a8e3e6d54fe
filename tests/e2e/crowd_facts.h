/* SPDX-License-Identifier: MIT */
/* What became of each message of a crowd, and of its streams. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct message {
	uint64_t due_ns, sent_ns, arrived_ns; /* sent: when this process came to it */
	uint32_t from, to, written, generation; /* the sender's session that it was written in, the recipient's that got it */
	uint16_t arrivals, partner;
	bool acknowledged, refused, resent; /* resent: written in two sessions, when the first was gone */
};

struct mark;
struct reason;

struct facts {
	struct message *messages;
	uint32_t message_count, room, first_client;
	uint32_t *last; /* by sender and partner: the number that arrived last, plus 1 */
	uint32_t partners;
	struct mark *marks;
	uint32_t mark_count;
	uint64_t resumed, bound, failed_with_count, failed_without, bad_counts, strange, others;
	/* Behind a newer one of the same sender; overtaken: where both went to a resource, which gets them as soon as it is
	 * bound, what waits for the account not before its presence. */
	uint64_t disorder, overtaken;
	/* In one session of the recipient's; in two of them; because the sender had to send it again. */
	uint64_t twice_in_session, twice_across, twice_resent;
	uint64_t twice_early; /* of these, what came first long before something died */
	char examples[4000]; /* of what should not have happened: ids and times */
};

/* Half of the partners are written to at their resource, the others at their account. */
static inline bool message_is_to_resource(const struct message *message)
{
	return message->partner % 2;
}

struct facts *facts_new(uint32_t first_client, uint32_t clients, uint32_t partners);
void facts_sent(struct facts *facts, uint32_t from, uint32_t to, uint32_t partner, uint64_t due_ns);
const struct message *facts_written(struct facts *facts, uint32_t number, uint32_t generation);
void facts_acknowledged(struct facts *facts, uint32_t number);
void facts_refused(struct facts *facts, uint32_t number);
void facts_arrived(struct facts *facts, uint32_t number, uint32_t generation);
void facts_closed(struct facts *facts, const char *why);
void facts_mark(struct facts *facts, const char *label);
void facts_report(struct facts *facts, uint32_t ready);
