/* SPDX-License-Identifier: MIT */
/* Whom a user blocks: the set in memory, how it matches addresses, requests to change it. XEP-0191. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct jid;
struct nad;

enum { BLOCKLIST_MAX = 1000 };

struct blocked {
	struct jid *jid; /* of any form */
	bool wanted;	 /* by who asked last */
	bool kept;	 /* in storage */
};

struct blocklist { /* empty it holds nothing */
	struct blocked *items; /* by address */
	uint16_t count, cap;
};

struct blocked *blocklist_find(const struct blocklist *list, const struct jid *jid); /* NULL: no such item */
struct blocked *blocklist_put(struct blocklist *list, struct jid *jid); /* found, or a new one, which is wanted */
void blocklist_del(struct blocklist *list, struct blocked *item);
uint64_t blocklist_sum(const struct blocklist *list); /* of the addresses kept, in any process; never 0 */
void blocklist_fini(struct blocklist *list); /* empty again */
bool blocklist_keeps(const struct blocklist *list, const struct jid *jid); /* the item, and it is kept */
/* Whether there is an item for the address: section 5, over those that are kept, or wanted. */
bool blocklist_matches(const struct blocklist *list, const struct jid *jid, bool kept);
/*
 * Whom an item is about: who, when they are matched by it; the item, when it is a resource of theirs; else NULL. Borrowed
 * from one of both.
 */
struct jid *blocklist_reached(struct jid *item, struct jid *who);

/* The addresses in <block/>, or in <unblock/>: none are all. */
struct blocklist_request {
	struct jid **jids;
	unsigned count;
};

/*
 * Reads elem into an empty one. Returns 0, BLOCKLIST_BAD: an item has no address, or there are things without any item,
 * which does not mean all; BLOCKLIST_MALFORMED: an item's is none. It is to be freed in every case.
 */
enum { BLOCKLIST_BAD = 1, BLOCKLIST_MALFORMED };
int blocklist_request_read(const struct nad *nad, int elem, struct blocklist_request *request);
void blocklist_request_fini(struct blocklist_request *request);
