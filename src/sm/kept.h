/* SPDX-License-Identifier: MIT */
/*
 * How what belongs to a user stands in storage: rows of a transaction, written by the modules and
 * by imports. user is the owner.
 */
#pragma once

#include <stdint.h>
#include "base/buf.h"

struct jid;
struct nad;
struct roster_item;
struct stanza;
struct store_txn;

enum { KEPT_REQUESTS_MAX = 250 }; /* of a user */

void kept_active(struct store_txn *txn, struct jid *user, int64_t wall_ms); /* must be new */
void kept_contact(struct store_txn *txn, struct jid *user, const struct roster_item *item);
/* A presence that asks for a subscription, without what is in it when that is long; as text too,
 * when out is given. */
void kept_request(struct store_txn *txn, struct jid *user, struct jid *contact,
		  const struct stanza *request, struct buf *out);
void kept_message(struct store_txn *txn, struct jid *user, const struct stanza *message,
		  int64_t stamp_ms);
/* What a contact is to hear when the account of user ends; state: SUBSCRIPTION_*. Nothing, if they are nothing to each other. */
void kept_farewell(struct store_txn *txn, struct jid *user, struct jid *contact, unsigned state);
/* XEP-0054, and the hash of its photo; nothing in it: there is none. */
#define KEPT_VCARD SLICE("vCard")
#define KEPT_PHOTO SLICE("photo") /* in STORE_USER */
void kept_vcard(struct store_txn *txn, struct jid *user, const struct nad *nad, int elem);
void kept_photo(const struct nad *nad, int vcard, struct buf *hash); /* of the image; without one nothing */
/* XEP-0049: one element, found again by its namespace and name. */
void kept_private_item(const struct nad *nad, int elem, struct buf *item); /* its name there */
void kept_private(struct store_txn *txn, struct jid *user, const struct nad *nad, int elem);
