/* SPDX-License-Identifier: MIT */
/*
 * The bound that queues of all kinds share, on all workers of a process: bytes that wait for somebody. Beyond it those who have
 * the longest lose them, to within a fifth the longest first, until it holds again.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include "mio/mio.h"

struct budget;

/* Who has such queues on one worker; embedded in its owner, zeroed it is of no budget. */
struct budget_member {
	struct budget *budget;
	struct mio *mio;
	/* Gives up those of its queues that are of this class, one after the other while the bound is exceeded. On its loop. */
	void (*shed)(struct budget_member *member, int class);
	struct mio_mail mail;
	atomic_bool waits; /* the mail is under way */
};

struct budget *budget_new(size_t limit);
void budget_free(struct budget **budget); /* after its members; NULL is fine */
void budget_set(struct budget *budget, size_t limit); /* holds when a queue grows next; any thread */
size_t budget_limit(const struct budget *budget); /* any thread */
size_t budget_used(const struct budget *budget); /* any thread */
bool budget_is_exceeded(const struct budget *budget);

/* Before the loops run: mio and shed are set. */
void budget_join(struct budget *budget, struct budget_member *member);
/* A queue of the member's has now so many bytes; counted: how many it had, as of this call. */
void budget_count(struct budget_member *member, size_t *counted, size_t now);
int budget_class(size_t bytes); /* of a queue's length, four for each doubling; the longer, the higher */
