/* SPDX-License-Identifier: MIT */
/* Rows of what belongs to a user. */
#include "sm/kept.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>
#include "jid/jid.h"
#include "sm/roster.h"
#include "sm/sm.h"
#include "sm/subscription.h"
#include "storage/archive.h"
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
	AUTO(stanza_free) struct stanza *plain = NULL;
	AUTO(buf_fini) struct buf text = {0};

	if (message->archived) {
		store_append_message(txn, STORE_OFFLINE, jid_user(user), stamp_ms, message->origin.key, message->origin.count, message->archived);
		return;
	}
	plain = stanza_copy(message);
	plain->delay_ms = 0; /* the row has it */
	sm_stanza_print(plain, &text);
	store_append(txn, STORE_OFFLINE, jid_user(user), stamp_ms, message->origin.key,
		     message->origin.count, buf_slice(&text));
}

void kept_farewell(struct store_txn *txn, struct jid *user, struct jid *contact, unsigned state)
{
	AUTO(buf_fini) struct buf text = {0};

	if (state & (SUBSCRIPTION_TO | SUBSCRIPTION_ASK))
		buf_append_text(&text, "unsubscribe ");
	if (state & (SUBSCRIPTION_FROM | SUBSCRIPTION_REQUEST))
		buf_append_text(&text, "unsubscribed ");
	if (buf_used(&text))
		store_put(txn, STORE_FAREWELL, jid_user(user), jid_user(contact), buf_slice(&text));
}

/* The text of PHOTO/BINVAL without white space, which means nothing in it (XEP-0153 section 4.5). */
static void read_binval(const struct nad *nad, int vcard, struct buf *out)
{
	int photo = nad_find_child(nad, vcard, NS_VCARD, "PHOTO");
	int binval = photo < 0 ? -1 : nad_find_child(nad, photo, NS_VCARD, "BINVAL");
	struct slice text = binval < 0 ? SLICE("") : nad_cdata(nad, binval);

	for (size_t at = 0; at < text.len; at++) {
		if (!strchr(" \t\r\n", text.data[at]))
			buf_append_char(out, text.data[at]);
	}
}

void kept_photo(const struct nad *nad, int vcard, struct buf *hash)
{
	AUTO(buf_fini) struct buf text = {0}, image = {0};
	unsigned char digest[SHA_DIGEST_LENGTH];

	read_binval(nad, vcard, &text);
	if (!buf_append_unbase64(&image, buf_slice(&text)) || !buf_used(&image))
		return;
	if (EVP_Digest(buf_slice(&image).data, buf_used(&image), digest, NULL, EVP_sha1(), NULL))
		buf_append_hex(hash, digest, sizeof(digest));
}

void kept_vcard(struct store_txn *txn, struct jid *user, const struct nad *nad, int elem)
{
	AUTO(buf_fini) struct buf text = {0}, hash = {0};

	nad_print(nad, elem, NULL, &text);
	if (nad_first_child(nad, elem) >= 0)
		store_put(txn, STORE_VCARD, jid_user(user), KEPT_VCARD, buf_slice(&text));
	else
		store_del(txn, STORE_VCARD, jid_user(user), KEPT_VCARD);
	kept_photo(nad, elem, &hash);
	if (buf_used(&hash))
		store_put(txn, STORE_USER, jid_user(user), KEPT_PHOTO, buf_slice(&hash));
	else
		store_del(txn, STORE_USER, jid_user(user), KEPT_PHOTO);
}

void kept_private_item(const struct nad *nad, int elem, struct buf *item)
{
	buf_append_char(item, '{');
	buf_append_slice(item, nad_ns(nad, elem));
	buf_append_char(item, '}');
	buf_append_slice(item, nad_name(nad, elem));
}

void kept_private(struct store_txn *txn, struct jid *user, const struct nad *nad, int elem)
{
	AUTO(buf_fini) struct buf text = {0}, item = {0};

	kept_private_item(nad, elem, &item);
	nad_print(nad, elem, NULL, &text);
	store_put(txn, STORE_PRIVATE, jid_user(user), buf_slice(&item), buf_slice(&text));
}
