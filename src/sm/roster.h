/* SPDX-License-Identifier: MIT */
/* A user's contacts: the set in memory, and an item as XML. RFC 6121 section 2. Pure. */
#pragma once

#include <stdbool.h>
#include "base/buf.h"

struct jid;
struct nad;

enum {
	ROSTER_MAX = 10000,	/* items of a user */
	ROSTER_BYTES_MAX = 2 << 20, /* of them printed, about: it is one stanza, and routers bound those */
	ROSTER_TEXT_MAX = 1023, /* bytes of a name or a group */
	ROSTER_GROUPS_MAX = 50,
};

/*
 * One contact. Its texts, never changed, stand behind it: the name and each group with a NUL at its
 * end.
 */
struct roster_item {
	struct jid *jid;      /* bare */
	uint8_t subscription; /* SUBSCRIPTION_TO, FROM, ASK, APPROVED; not REQUEST */
	uint8_t groups;
	char texts[];
};

struct roster {
	struct roster_item **items; /* by address */
	unsigned count, cap;
	size_t bytes; /* printed, about */
};

/*
 * Reads an <item/> of a request or of storage; namespaces are not looked at. Returns 0, ROSTER_BAD
 * (no address, a group twice) or ROSTER_UNACCEPTABLE (a text too long, an empty group, too many).
 * subscription, ask and approved are read too.
 */
enum { ROSTER_BAD = 1, ROSTER_UNACCEPTABLE };
int roster_item_read(const struct nad *nad, int elem, struct roster_item **item);
struct roster_item *roster_item_new(struct jid *jid,
				    unsigned subscription); /* without name and groups */
void roster_item_free(struct roster_item **item);

struct slice roster_item_name(const struct roster_item *item);
struct slice roster_item_group(const struct roster_item *item, unsigned at); /* of item->groups */
const char *roster_item_subscription(const struct roster_item *item);	     /* "none", "both" */
/* Appends it as a child at depth; uri NULL: in no namespace. */
void roster_item_append(const struct roster_item *item, const char *uri, struct nad *nad,
			unsigned depth);
void roster_item_print(const struct roster_item *item, struct buf *out); /* as it is stored */
struct roster_item *roster_item_parse(struct slice text);		 /* NULL: it is none */

struct roster_item *roster_find(const struct roster *roster,
				const struct jid *jid); /* by its bare address */
/* Adds or replaces, taken. False: the roster is full, the item is freed. */
bool roster_put(struct roster *roster, struct roster_item **item);
bool roster_has_room(const struct roster *roster, const struct roster_item *item); /* to add or replace it */
void roster_del(struct roster *roster, const struct jid *jid);
void roster_fini(struct roster *roster); /* empty again */
