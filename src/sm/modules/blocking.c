/* SPDX-License-Identifier: MIT */
/*
 * Blocking Command, XEP-0191: what addresses of a user's list send is refused as if nobody were there, and to them the user
 * is offline.
 *
 * What a user wants changes with the request, for what the same client says next comes after it. What others see of it
 * follows with the commit: the list, pushes, presence.
 *
 *   (not there) ── block ──> wanted ── committed ──> wanted, kept ── unblock ──> kept ── committed ──> (not there)
 */
#include <stdlib.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "sm/blocklist.h"
#include "sm/modules/modules.h"
#include "sm/roster.h"
#include "sm/subscription.h"
#include "sm/user.h"
#include "storage/storage.h"
#include "xml/nad.h"

struct interest {
	bool interested; /* it asked for the list: pushes go there */
	uint64_t told;	 /* the sum of the list that its client knows; 0: not known */
};

struct blocking_user {
	struct blocklist list;
};

static struct blocking_user *state_of(const struct user *user)
{
	return sm_user_state(user, &sm_blocking);
}

static struct blocklist *list_of(const struct user *user)
{
	return &state_of(user)->list;
}

static struct interest *interest_of(const struct session *session)
{
	return sm_session_state(session, &sm_blocking);
}

/* -- who is blocked -- */

/* Whoever blocks the own domain blocks those who live there, not the server that answers. */
static bool is_home(const struct user *user, const struct jid *jid)
{
	return jid_equal_bare(jid, user->jid) ||
	       (!jid_local(jid).len && slice_equal(jid_domain(jid), jid_domain(user->jid)));
}

bool blocking_has(const struct user *user, const struct jid *jid)
{
	return blocklist_matches(list_of(user), jid, false) && !is_home(user, jid);
}

bool blocking_hides(const struct user *user, const struct jid *jid)
{
	return blocklist_matches(list_of(user), jid, true) && !is_home(user, jid);
}

/* Whom an item, NULL for all, is about there; never home. */
static struct jid *reached(const struct user *user, struct jid *item, struct jid *who)
{
	if (is_home(user, who))
		return NULL;
	return item ? blocklist_reached(item, who) : who;
}

/* -- presence -- */

static void withdraw(struct session *session, struct jid *item, const struct blocklist *before)
{
	const struct presence *presence = presence_of(session);

	for (unsigned at = presence->directed_count; at-- > 0;) {
		struct jid *who = reached(session->user, item, presence->directed[at]);

		if (who && !blocklist_matches(before, who, true))
			presence_withdraw(session, who);
	}
}

/* The contacts that an item is about; NULL: all. */
struct audience {
	struct user *user;
	struct jid *item;
	const struct blocklist *before;
};

/* An item with a name is about one contact at most. */
static void for_contacts(const struct audience *audience,
			 void (*each)(const struct audience *audience, const struct roster_item *contact))
{
	const struct roster *roster = roster_of(audience->user);

	if (audience->item && jid_local(audience->item).len) {
		const struct roster_item *contact = roster_find(roster, audience->item);

		if (contact)
			each(audience, contact);
		return;
	}
	for (unsigned at = 0; at < roster->count; at++)
		each(audience, roster->items[at]);
}

static void hide_from(const struct audience *audience, const struct roster_item *contact)
{
	struct jid *who = reached(audience->user, audience->item, contact->jid);

	if (who && contact->subscription & SUBSCRIPTION_FROM && !blocklist_matches(audience->before, who, true))
		presence_hide(audience->user, who);
}

/* Who could see the user, and was not hidden from by what was kept before. */
static void hide(struct user *user, struct jid *item, const struct blocklist *before)
{
	struct session *session = NULL;

	for_contacts(&(struct audience){user, item, before}, hide_from);
	while ((session = user_next_session(user, session)))
		withdraw(session, item, before);
}

static void show_to(const struct audience *audience, const struct roster_item *contact)
{
	struct user *user = audience->user;
	struct jid *who = reached(user, audience->item, contact->jid);

	if (!who || blocking_has(user, who))
		return;
	if (contact->subscription & SUBSCRIPTION_FROM)
		presence_show(user, who);
	if (contact->subscription & SUBSCRIPTION_TO)
		presence_ask(user, who);
}

/* Whom no other item hides from, and none that is on its way to storage. */
static void show(struct user *user, struct jid *item)
{
	for_contacts(&(struct audience){.user = user, .item = item}, show_to);
}

/* -- telling -- */

static struct stanza *push_new(struct user *user, const char *name)
{
	AUTO(buf_fini) struct buf id = {0};
	struct stanza *push;

	sm_fresh_id(user->sm, &id);
	push = stanza_new(STANZA_IQ, STANZA_SET, buf_slice(&id));
	nad_append(push->payload, NS_BLOCKING, name, 1);
	stanza_set_from(push, user->jid);
	return push;
}

static void add_item(struct stanza *stanza, const struct jid *jid)
{
	nad_append(stanza->payload, NS_BLOCKING, "item", 2);
	nad_append_attr(stanza->payload, -1, "jid", jid_full(jid));
}

/* False: there is none. */
static bool add_kept(struct stanza *stanza, const struct blocklist *list)
{
	bool any = false;

	for (unsigned at = 0; at < list->count; at++) {
		if (!list->items[at].kept)
			continue;
		add_item(stanza, list->items[at].jid);
		any = true;
	}
	return any;
}

static void push_to(struct session *session, const struct stanza *push)
{
	struct stanza *copy = stanza_copy(push);

	stanza_set_to(copy, session->jid);
	sm_deliver(session, &copy);
}

/* Its client has been told, or it is on the way. */
static void knows(struct session *session)
{
	interest_of(session)->told = blocklist_sum(list_of(session->user));
	sm_session_changed(session);
}

/* What was done to the list. */
static void push_to_all(struct user *user, const struct stanza *push)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		if (!interest_of(session)->interested)
			continue;
		push_to(session, push);
		knows(session);
	}
}

/* Whatever it knows, it knows the list afterwards. */
static void tell_again(struct session *session)
{
	struct user *user = session->user;
	AUTO(stanza_free) struct stanza *none = push_new(user, "unblock");
	AUTO(stanza_free) struct stanza *all = push_new(user, "block");

	if (!interest_of(session)->interested)
		return;
	push_to(session, none);
	if (add_kept(all, list_of(user)))
		push_to(session, all);
	knows(session);
}

void blocking_stayed(struct session *session)
{
	const struct interest *interest = interest_of(session);

	if (interest->interested && interest->told != blocklist_sum(list_of(session->user)))
		tell_again(session);
}

void blocking_doubts(struct session *session)
{
	tell_again(session);
}

/* -- requests -- */

static int read_request(const struct stanza *stanza, const char *name, struct blocklist_request *request)
{
	return blocklist_request_read(stanza->payload, stanza_find(stanza, NS_BLOCKING, name), request);
}

static int refuse(const struct sm_event *event, int rc)
{
	return sm_reply_error(event, rc == BLOCKLIST_BAD ? STANZA_BAD_REQUEST : STANZA_JID_MALFORMED);
}

/* Only the owner's sessions reach it, by no address or their own. */
static bool is_own(const struct sm_event *event)
{
	const struct jid *to = event->stanza->to;

	return !to || jid_equal(to, event->user->jid);
}

static int get(void *state, const struct sm_event *event)
{
	struct stanza *result;

	if (!is_own(event))
		return SM_PASS;
	interest_of(event->session)->interested = true;
	knows(event->session);
	result = stanza_result(event->stanza);
	nad_append(result->payload, NS_BLOCKING, "blocklist", 1);
	add_kept(result, list_of(event->user));
	return sm_reply(event, &result);
}

/* By an earlier process: others may have changed it since. Who does not know of it is told (blocking_stayed()). */
static int is_done(const struct sm_event *event, const struct blocklist_request *request)
{
	static const struct blocklist nothing = {0};
	struct user *user = event->user;

	for (unsigned at = 0; at < request->count; at++) {
		if (blocklist_keeps(list_of(user), request->jids[at]))
			hide(user, request->jids[at], &nothing);
		else
			show(user, request->jids[at]);
	}
	if (!request->count)
		show(user, NULL);
	return sm_reply_result(event);
}

/* -- blocking -- */

static int blocked(void *state, const struct sm_event *event, unsigned note)
{
	struct user *user = event->user;
	struct blocklist *list = list_of(user);
	AUTO(stanza_free) struct stanza *push = push_new(user, "block");
	AUTO(blocklist_request_fini) struct blocklist_request request = {0};

	read_request(event->stanza, "block", &request);
	for (unsigned at = 0; at < request.count; at++) {
		hide(user, request.jids[at], list);
		blocklist_put(list, request.jids[at])->kept = true;
		add_item(push, request.jids[at]);
	}
	push_to_all(event->user, push);
	return sm_reply_result(event);
}

static bool has_room(const struct blocklist *list, const struct blocklist_request *request)
{
	unsigned count = list->count;

	for (unsigned at = 0; at < request->count; at++)
		count += !blocklist_find(list, request->jids[at]);
	return count <= BLOCKLIST_MAX;
}

static int block(void *state, const struct sm_event *event)
{
	struct user *user = event->user;
	struct sm_commit commit = {.committed = blocked, .stale = true};
	AUTO(blocklist_request_fini) struct blocklist_request request = {0};
	int rc;

	if (!is_own(event))
		return SM_PASS;
	rc = read_request(event->stanza, "block", &request);
	if (rc || !request.count)
		return refuse(event, rc ? rc : BLOCKLIST_BAD);
	if (sm_is_done(event))
		return is_done(event, &request);
	if (!has_room(list_of(user), &request))
		return sm_reply_error(event, STANZA_NOT_ACCEPTABLE);
	commit.txn = store_txn_new();
	for (unsigned at = 0; at < request.count; at++) {
		blocklist_put(list_of(user), request.jids[at])->wanted = true;
		store_put(commit.txn, STORE_BLOCK, jid_user(user->jid), jid_full(request.jids[at]), SLICE(""));
	}
	return sm_commit(event, &commit);
}

/* -- unblocking -- */

static void release(struct user *user, struct jid *jid)
{
	struct blocklist *list = list_of(user);
	struct blocked *item = blocklist_find(list, jid);
	bool kept = item && item->kept;

	if (!item)
		return;
	item->kept = false;
	if (!item->wanted)
		blocklist_del(list, item);
	if (kept)
		show(user, jid);
}

static void release_all(struct user *user)
{
	const struct blocklist *list = list_of(user);

	for (unsigned at = list->count; at-- > 0;) {
		AUTO(jid_free) struct jid *jid = jid_ref(list->items[at].jid);

		release(user, jid);
	}
}

static int unblocked(void *state, const struct sm_event *event, unsigned note)
{
	struct user *user = event->user;
	AUTO(stanza_free) struct stanza *push = push_new(user, "unblock");
	AUTO(blocklist_request_fini) struct blocklist_request request = {0};

	read_request(event->stanza, "unblock", &request);
	for (unsigned at = 0; at < request.count; at++) {
		release(user, request.jids[at]);
		add_item(push, request.jids[at]);
	}
	if (!request.count)
		release_all(user);
	push_to_all(event->user, push);
	return sm_reply_result(event);
}

static void unwant(struct blocklist *list, const struct jid *jid)
{
	struct blocked *item = blocklist_find(list, jid);

	if (item)
		item->wanted = false;
}

static struct store_txn *unblock_all(struct user *user)
{
	struct blocklist *list = list_of(user);
	struct store_txn *txn = store_txn_new();

	for (unsigned at = 0; at < list->count; at++)
		list->items[at].wanted = false;
	store_clear(txn, STORE_BLOCK, jid_user(user->jid));
	return txn;
}

static struct store_txn *unblock_some(struct user *user, const struct blocklist_request *request)
{
	struct store_txn *txn = store_txn_new();

	for (unsigned at = 0; at < request->count; at++) {
		unwant(list_of(user), request->jids[at]);
		store_del(txn, STORE_BLOCK, jid_user(user->jid), jid_full(request->jids[at]));
	}
	return txn;
}

static int unblock(void *state, const struct sm_event *event)
{
	struct sm_commit commit = {.committed = unblocked, .stale = true};
	AUTO(blocklist_request_fini) struct blocklist_request request = {0};
	int rc;

	if (!is_own(event))
		return SM_PASS;
	rc = read_request(event->stanza, "unblock", &request);
	if (rc)
		return refuse(event, rc);
	if (sm_is_done(event))
		return is_done(event, &request);
	commit.txn = request.count ? unblock_some(event->user, &request) : unblock_all(event->user);
	return sm_commit(event, &commit);
}

/* -- what is blocked -- */

/* Section 3.4. Presence is not answered, and a headline is lost where nobody is. */
static int arrived(void *state, const struct sm_event *event)
{
	const struct stanza *stanza = event->stanza;

	if (!stanza->from || !blocking_has(event->user, stanza->from))
		return SM_PASS;
	if (stanza->kind == STANZA_PRESENCE || stanza->type == STANZA_HEADLINE)
		return 0;
	return sm_reply_error(event, STANZA_SERVICE_UNAVAILABLE);
}

/* Unavailable presence passes to those who do not see the user offline yet. */
static int sent(void *state, const struct sm_event *event)
{
	static const struct stanza_condition condition = {"cancel", NS_BLOCKING_ERRORS, "blocked", NULL};
	const struct stanza *stanza = event->stanza;
	struct stanza *answer;

	if (!stanza->to || !blocking_has(event->user, stanza->to))
		return SM_PASS;
	if (stanza->type == STANZA_UNAVAILABLE && !blocking_hides(event->user, stanza->to))
		return SM_PASS;
	answer = stanza_error_with(stanza, STANZA_NOT_ACCEPTABLE, &condition);
	return sm_reply(event, &answer);
}

/* -- users -- */

/* What was kept in memory and is not, or the other way round: a change of an earlier process came again. */
static void tell_differences(struct user *user, const struct blocklist *before)
{
	const struct blocklist *now = list_of(user);
	AUTO(stanza_free) struct stanza *more = push_new(user, "block");
	AUTO(stanza_free) struct stanza *less = push_new(user, "unblock");
	bool added = false, removed = false;

	for (unsigned at = 0; at < now->count; at++) {
		struct jid *jid = now->items[at].jid;

		if (blocklist_keeps(before, jid))
			continue;
		hide(user, jid, before);
		add_item(more, jid);
		added = true;
	}
	for (unsigned at = 0; at < before->count; at++) {
		struct jid *jid = before->items[at].jid;

		if (!before->items[at].kept || blocklist_keeps(now, jid))
			continue;
		show(user, jid);
		add_item(less, jid);
		removed = true;
	}
	if (added)
		push_to_all(user, more);
	if (removed)
		push_to_all(user, less);
}

static void loaded(void *state, struct user *user, const struct store_row *rows, size_t count)
{
	struct blocklist *list = list_of(user), before = *list;

	*list = (struct blocklist){0};
	for (size_t at = 0; at < count; at++) {
		AUTO(jid_free) struct jid *jid = jid_parse(rows[at].item);

		if (jid)
			blocklist_put(list, jid)->kept = true;
	}
	if (user->session_count && (list->count || before.count))
		tell_differences(user, &before);
	blocklist_fini(&before);
}

static void user_load(void *state, struct user *user, struct sm_load *load)
{
	sm_load_list(load, STORE_BLOCK, loaded);
}

static void user_free(void *state, struct user *user)
{
	blocklist_fini(list_of(user));
}

static size_t user_weight(void *state, const struct user *user)
{
	enum { ADDRESS_BYTES = 100 };
	const struct blocklist *list = list_of(user);

	return list->cap * sizeof(*list->items) + list->count * ADDRESS_BYTES;
}

/* -- sessions -- */

/* "0" or "1": whether it is interested; then the sum of what its client knows, if nothing of it is still to be sent. */
static int session_save(void *state, const struct session *session, struct buf *out)
{
	const struct interest *interest = interest_of(session);

	buf_append_char(out, interest->interested ? '1' : '0');
	if (interest->interested && interest->told && session->outbox.sent == session->outbox.count)
		buf_printf(out, " %llx", (unsigned long long)interest->told);
	return 0;
}

static int session_load(void *state, struct session *session, struct slice in)
{
	AUTO(buf_fini) struct buf copy = {0};

	buf_append_slice(&copy, in);
	interest_of(session)->interested = in.len && in.data[0] == '1';
	if (in.len > 2 && in.data[1] == ' ')
		interest_of(session)->told = strtoull(buf_text(&copy) + 2, NULL, 16);
	return 0;
}

static const struct sm_hook hooks[] = {
	{SM_PKT_USER, STANZA_ANY, NULL, NULL, SM_FIRST, arrived},
	{SM_IN_SESS, STANZA_ANY, NULL, NULL, SM_FIRST, sent},
	{SM_IN_SESS, STANZA_IQ_GET, NS_BLOCKING, "blocklist", SM_NORMAL, get},
	{SM_IN_SESS, STANZA_IQ_SET, NS_BLOCKING, "block", SM_NORMAL, block},
	{SM_IN_SESS, STANZA_IQ_SET, NS_BLOCKING, "unblock", SM_NORMAL, unblock},
	{.run = NULL},
};

const struct sm_module sm_blocking = {
	.name = "blocking",
	.features = {NS_BLOCKING},
	.hooks = hooks,
	.user_size = sizeof(struct blocking_user),
	.session_size = sizeof(struct interest),
	.user_load = user_load,
	.user_free = user_free,
	.user_weight = user_weight,
	.user_delete = user_free,
	.session_save = session_save,
	.session_load = session_load,
};
