/* SPDX-License-Identifier: MIT */
/*
 * vCards, XEP-0054: kept in storage, read there when somebody asks. And the hash of the photo in one, which is said with
 * presence for clients that do not say it themselves (XEP-0153; XEP-0398, section 5).
 */
#include <ctype.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "sm/kept.h"
#include "sm/modules/modules.h"
#include "sm/user.h"
#include "storage/storage.h"
#include "xml/nad.h"

enum { VCARD_BYTES_MAX = 128 * 1024 };

struct vcard {
	struct str *photo; /* its hash; NULL: there is none */
};

static struct vcard *state_of(const struct user *user)
{
	return sm_user_state(user, &sm_vcard);
}

static void set_photo(struct user *user, struct slice hash)
{
	struct vcard *own = state_of(user);

	str_free(&own->photo);
	own->photo = hash.len ? str_new(hash) : NULL;
}

/* -- reading -- */

/* Others cannot tell a user without one from nobody. */
static int answer(void *state, const struct sm_event *event, const struct store_txn *txn)
{
	bool own = jid_equal_bare(event->stanza->from, event->user->jid);
	AUTO(nad_free) struct nad *vcard = NULL;
	struct stanza *result;
	size_t count;
	const struct store_row *rows = store_rows(txn, 0, &count);

	vcard = count ? sm_element_parse(event->sm, rows[0].value) : NULL;
	if (!vcard)
		return sm_reply_error(event, own ? STANZA_ITEM_NOT_FOUND : STANZA_SERVICE_UNAVAILABLE);
	result = stanza_result(event->stanza);
	nad_append_tree(result->payload, vcard, 0, 1);
	return sm_reply(event, &result);
}

static int get(void *state, const struct sm_event *event)
{
	struct store_txn *txn = store_txn_new();

	store_get(txn, STORE_VCARD, jid_user(event->user->jid), KEPT_VCARD);
	return sm_read(event, &txn, answer, state);
}

static int get_of_domain(void *state, const struct sm_event *event)
{
	return sm_reply_error(event, STANZA_ITEM_NOT_FOUND);
}

/* -- writing -- */

static bool is_too_long(const struct nad *nad, int elem)
{
	AUTO(buf_fini) struct buf text = {0};

	nad_print(nad, elem, NULL, &text);
	return buf_used(&text) > VCARD_BYTES_MAX;
}

static int stored(void *state, const struct sm_event *event, unsigned note)
{
	return sm_reply_result(event);
}

/* Presence that comes behind it, before it is stored, says the new photo already. */
static int set(void *state, const struct sm_event *event)
{
	const struct nad *nad = event->stanza->payload;
	struct sm_commit commit = {.committed = stored, .state = state, .stale = true};
	AUTO(buf_fini) struct buf hash = {0};
	int elem = stanza_find(event->stanza, NS_VCARD, "vCard");

	if (!account_is_own(event))
		return SM_PASS;
	if (is_too_long(nad, elem))
		return sm_reply_error(event, STANZA_POLICY_VIOLATION);
	if (sm_is_done(event))
		return sm_reply_result(event);
	commit.txn = store_txn_new();
	kept_vcard(commit.txn, event->user->jid, nad, elem);
	kept_photo(nad, elem, &hash);
	set_photo(event->user, buf_slice(&hash));
	return sm_commit(event, &commit);
}

/* -- presence -- */

static bool is_hash(struct slice text, struct slice hash)
{
	for (size_t at = 0; at < text.len && at < hash.len; at++) {
		if (tolower((unsigned char)text.data[at]) != hash.data[at])
			return false;
	}
	return text.len == hash.len;
}

/* Who says that there is no photo is believed: the client may not want to show it. */
static bool is_well(const struct nad *nad, int update, struct slice hash)
{
	int photo = update < 0 ? -1 : nad_find_child(nad, update, NS_VCARD_UPDATE, "photo");

	return photo >= 0 && (!nad_cdata(nad, photo).len || is_hash(nad_cdata(nad, photo), hash));
}

static int advertise(void *state, const struct sm_event *event)
{
	struct stanza *stanza = event->stanza;
	struct slice hash = str_slice(state_of(event->user)->photo);
	AUTO(nad_free) struct nad *made = NULL;
	int update;

	if (!hash.len || stanza->type != STANZA_NONE)
		return SM_PASS;
	update = stanza_find(stanza, NS_VCARD_UPDATE, "x");
	if (is_well(stanza->payload, update, hash))
		return SM_PASS;
	made = nad_new();
	nad_append(made, NS_VCARD_UPDATE, "x", 0);
	nad_append_text(made, NS_VCARD_UPDATE, "photo", 1, hash);
	stanza_replace(stanza, update, made);
	return SM_PASS;
}

/* -- users -- */

static void loaded(void *state, struct user *user, const struct store_row *rows, size_t count)
{
	struct slice hash = {NULL, 0};

	for (size_t at = 0; at < count; at++) {
		if (slice_equal(rows[at].item, KEPT_PHOTO))
			hash = rows[at].value;
	}
	set_photo(user, hash);
}

static void user_load(void *state, struct user *user, struct sm_load *load)
{
	sm_load_list(load, STORE_USER, loaded);
}

static void forget(void *state, struct user *user)
{
	set_photo(user, (struct slice){NULL, 0});
}

static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_IQ_SET, NS_VCARD, "vCard", SM_NORMAL, set},
	{SM_IN_SESS, STANZA_PRESENCE, NULL, NULL, SM_EARLY, advertise},
	{SM_IN_ROUTER, STANZA_IQ_SET, NS_VCARD, "vCard", SM_NORMAL, account_forbid},
	{SM_PKT_USER, STANZA_IQ_GET, NS_VCARD, "vCard", SM_NORMAL, get},
	{SM_PKT_SM, STANZA_IQ_GET, NS_VCARD, "vCard", SM_NORMAL, get_of_domain},
	{.run = NULL},
};

const struct sm_module sm_vcard = {
	.name = "vcard",
	.features = {NS_VCARD},
	.account_features = {NS_VCARD},
	.hooks = hooks,
	.user_size = sizeof(struct vcard),
	.user_load = user_load,
	.user_free = forget,
	.user_delete = forget,
};
