/* SPDX-License-Identifier: MIT */
/*
 * Message retraction, XEP-0424: what its author takes back leaves a tombstone in the archives of both, also where it still waits for who
 * is away. The retraction itself is archived and delivered like any other message, and waits for nothing here. It is looked for
 * among the last thousand of the conversation.
 */
#include <string.h>
#include "base/mem.h"
#include "base/stamp.h"
#include "jid/jid.h"
#include "mio/mio.h"
#include "sm/modules/archive.h"
#include "sm/modules/modules.h"
#include "sm/user.h"
#include "storage/archive.h"
#include "xml/nad.h"

#define NS_RETRACT "urn:xmpp:message-retract:1"

enum { PAGE = 100, PAGES = 10, OWN_MAX = 200, OTHERS_MAX = 200, OF_ONE_MAX = 50 };

struct retraction {
	struct list link; /* its user's */
	struct stanza *stanza;
	struct jid *peer;
	uint64_t before; /* ids in the archive */
	unsigned pages;
};

struct retractions {
	struct list all; /* the first is looked for */
	unsigned count;
};

static struct retractions *state_of(const struct user *user)
{
	return sm_user_state(user, &sm_retraction);
}

bool retraction_left(const struct stanza *message)
{
	return stanza_find(message, NS_RETRACT, "retracted") >= 0 && stanza_find(message, NS_CLIENT, "body") < 0;
}

static struct slice wanted(const struct stanza *retraction)
{
	return nad_attr_value(retraction->payload, stanza_find(retraction, NS_RETRACT, "retract"), "id");
}

static void retraction_free(struct retractions *all, struct retraction *retraction)
{
	list_remove(&retraction->link);
	all->count--;
	stanza_free(&retraction->stanza);
	jid_free(&retraction->peer);
	mem_free(retraction);
}

static bool is_of_a_room(const struct stanza *stanza)
{
	return stanza_find(stanza, NS_MUC_USER, "x") >= 0;
}

/* In a room each is who he is there; all devices of the user are one. */
static bool is_by_the_same(const struct user *user, const struct stanza *message, const struct stanza *retraction)
{
	if (!message->from || !jid_equal_bare(message->from, retraction->from))
		return false;
	return jid_equal_bare(message->from, user->jid) || jid_equal(message->from, retraction->from) ||
	       (!is_of_a_room(message) && !is_of_a_room(retraction));
}

static bool is_it(const struct user *user, const struct stanza *message, const struct stanza *retraction)
{
	return message->kind == STANZA_MESSAGE && slice_equal(message->id, wanted(retraction)) && is_by_the_same(user, message, retraction) &&
	       !retraction_left(message);
}

/* Before it is parsed: whether it may have that id; one that is written in another way may. */
static bool may_be(const struct store_row *row, struct slice id)
{
	for (size_t at = 0; at < id.len; at++) {
		if (strchr("&<>'\"", id.data[at]))
			return true;
	}
	return memmem(row->value.data, row->value.len, id.data, id.len);
}

static void print_tombstone(const struct stanza *message, const struct stanza *retraction, int64_t wall_ms, struct buf *out)
{
	AUTO(stanza_free) struct stanza *tombstone = stanza_new(STANZA_MESSAGE, message->type, message->id);
	char stamp[STAMP_LEN];

	stanza_set_from(tombstone, message->from);
	stanza_set_to(tombstone, message->to);
	nad_append(tombstone->payload, NS_RETRACT, "retracted", 1);
	nad_append_attr(tombstone->payload, -1, "id", retraction->id);
	nad_append_attr(tombstone->payload, -1, "stamp", slice_of(stamp_print(stamp, wall_ms, false)));
	sm_stanza_print(tombstone, out);
}

static bool bury(struct user *user, const struct retraction *retraction, const struct store_row *row)
{
	AUTO(stanza_free) struct stanza *message =
		may_be(row, wanted(retraction->stanza)) ? sm_stanza_parse(user->sm, row->value) : NULL;
	AUTO(buf_fini) struct buf text = {0};
	struct store_txn *txn;

	if (!message || !is_it(user, message, retraction->stanza))
		return false;
	print_tombstone(message, retraction->stanza, sm_wall_ms(user->sm), &text);
	txn = store_txn_new();
	store_message_put(txn, jid_user(user->jid), row->seq, buf_slice(&text));
	sm_store(user, &txn, NULL, NULL);
	return true;
}

static void look(struct user *user, struct retraction *retraction);

static struct retraction *first_of(struct retractions *all)
{
	return container_of(all->all.next, struct retraction, link);
}

/* The last comes first. A page that was cut has a last row that is none. */
static void looked(void *state, struct user *user, const struct store_txn *txn, int result)
{
	struct retraction *retraction = state;
	size_t count;
	const struct store_row *rows = store_rows(txn, 0, &count);
	uint64_t before = retraction->before;
	bool cut = count && rows[count - 1].seq == STORE_CUT;

	for (size_t at = 0; !result && at < count - cut; at++) {
		if (bury(user, retraction, &rows[at]))
			break;
		retraction->before = rows[at].seq;
		if (at + 1 == count - cut && (cut || count == PAGE) && ++retraction->pages < PAGES && retraction->before < before) {
			look(user, retraction);
			return;
		}
	}
	retraction_free(state_of(user), retraction);
	if (state_of(user)->count)
		look(user, first_of(state_of(user)));
}

static void look(struct user *user, struct retraction *retraction)
{
	struct store_txn *txn = store_txn_new();

	store_page(txn, &(struct store_page){.owner = jid_user(user->jid),
					     .peer = jid_user(retraction->peer),
					     .from = archive_floor(user->sm),
					     .to = retraction->before - 1,
					     .max = PAGE,
					     .backwards = true});
	sm_store(user, &txn, looked, retraction);
}

/* Nobody keeps the user's own, or everybody else's, from being looked for. */
static bool may_wait(const struct user *user, const struct stanza *retraction)
{
	const struct retractions *all = state_of(user);
	unsigned own = 0, of_one = 0;

	if (!all->count)
		return true;
	for (const struct list *at = all->all.next; at != &all->all; at = at->next) {
		const struct stanza *waits = container_of(at, struct retraction, link)->stanza;

		own += jid_equal_bare(waits->from, user->jid);
		of_one += is_by_the_same(user, waits, retraction);
	}
	return jid_equal_bare(retraction->from, user->jid) ? own < OWN_MAX : all->count - own < OTHERS_MAX && of_one < OF_ONE_MAX;
}

static void begin(const struct sm_event *event, struct jid *peer)
{
	struct stanza *stanza = event->stanza;
	struct retractions *all = state_of(event->user);
	struct retraction *retraction;

	if (!stanza->archived || stanza_find(stanza, NS_RETRACT, "retract") < 0 || !stanza->id.len || !wanted(stanza).len || !stanza->from ||
	    !may_wait(event->user, stanza))
		return;
	if (!all->count)
		list_init(&all->all);
	retraction = mem_zalloc(MEM_USER, sizeof(*retraction));
	retraction->stanza = stanza_copy(stanza);
	retraction->stanza->origin = (struct origin){0};
	retraction->peer = jid_ref(peer);
	retraction->before = stanza->archived;
	list_append(&all->all, &retraction->link);
	if (++all->count == 1)
		look(event->user, retraction);
}

static int sent(void *state, const struct sm_event *event)
{
	begin(event, event->stanza->to ? event->stanza->to : event->user->jid);
	return SM_PASS;
}

/* What one writes to oneself was seen when it was sent; what waited, when it came. */
static int arrived(void *state, const struct sm_event *event)
{
	if (!event->stanza->delay_ms && event->stanza->from && !jid_equal_bare(event->stanza->from, event->user->jid))
		begin(event, event->stanza->from);
	return SM_PASS;
}

static void user_free(void *state, struct user *user)
{
	struct retractions *all = state_of(user);

	while (all->count)
		retraction_free(all, first_of(all));
}

static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_MESSAGE, NULL, NULL, SM_LATE, sent},
	{SM_PKT_USER, STANZA_MESSAGE, NULL, NULL, SM_NORMAL, arrived},
	{.run = NULL},
};

const struct sm_module sm_retraction = {
	.name = "retraction",
	.features = {NS_RETRACT},
	.account_features = {NS_RETRACT, NS_RETRACT "#tombstone"},
	.is_on = archive_is_on,
	.hooks = hooks,
	.user_size = sizeof(struct retractions),
	.user_free = user_free,
};
