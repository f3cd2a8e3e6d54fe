/* SPDX-License-Identifier: MIT */
/* Rows of what belongs to a user. */
#include "sm/kept.h"

#include "jid/jid.h"
#include "sm/roster.h"
#include "sm/sm.h"
#include "storage/storage.h"
#include "xml/nad.h"

enum { REQUEST_BYTES_MAX = 4096 };

void kept_active(struct store_txn *txn, struct jid *user, int64_t wall_ms)
{
	AUTO(buf_fini) struct buf stamp = {0};

	buf_printf(&stamp, "%lld", (long long)wall_ms);
	store_add(txn, STORE_USER, jid_user(user), SLICE("active"), buf_slice(&stamp));
}

void kept_contact(struct store_txn *txn, struct jid *user, const struct roster_item *item)
{
	AUTO(buf_fini) struct buf text = {0};

	roster_item_print(item, &text);
	store_put(txn, STORE_ROSTER, jid_user(user), jid_user(item->jid), buf_slice(&text));
}

void kept_request(struct store_txn *txn, struct jid *user, struct jid *contact,
		  const struct stanza *request, struct buf *out)
{
	AUTO(stanza_free) struct stanza *small = NULL;
	AUTO(buf_fini) struct buf text = {0};

	if (stanza_weight(request) > REQUEST_BYTES_MAX)
		small = stanza_new(STANZA_PRESENCE, STANZA_SUBSCRIBE, (struct slice){NULL, 0});
	else
		small = stanza_copy(request);
	stanza_set_from(small, contact);
	stanza_set_to(small, user);
	sm_stanza_print(small, &text);
	store_put(txn, STORE_REQUEST, jid_user(user), jid_user(contact), buf_slice(&text));
	if (out)
		buf_append_slice(out, buf_slice(&text));
}

void kept_message(struct store_txn *txn, struct jid *user, const struct stanza *message,
		  int64_t stamp_ms)
{
	AUTO(stanza_free) struct stanza *plain = stanza_copy(message);
	AUTO(buf_fini) struct buf text = {0};

	plain->delay_ms = 0; /* the row has it */
	sm_stanza_print(plain, &text);
	store_append(txn, STORE_OFFLINE, jid_user(user), stamp_ms, message->origin.key,
		     message->origin.count, buf_slice(&text));
}

void kept_vcard(struct store_txn *txn, struct jid *user, const struct nad *nad, int elem)
{
	AUTO(buf_fini) struct buf text = {0};

	nad_print(nad, elem, NULL, &text);
	store_put(txn, STORE_VCARD, jid_user(user), SLICE("vCard"), buf_slice(&text));
}

void kept_private(struct store_txn *txn, struct jid *user, const struct nad *nad, int elem)
{
	AUTO(buf_fini) struct buf text = {0};
	AUTO(buf_fini) struct buf item = {0};

	buf_append_char(&item, '{');
	buf_append_slice(&item, nad_ns(nad, elem));
	buf_append_char(&item, '}');
	buf_append_slice(&item, nad_name(nad, elem));
	nad_print(nad, elem, NULL, &text);
	store_put(txn, STORE_PRIVATE, jid_user(user), buf_slice(&item), buf_slice(&text));
}
