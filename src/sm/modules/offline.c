/* SPDX-License-Identifier: MIT */
/*
 * Messages for who is away, RFC 6121 section 8.5.2.2.1 and XEP-0160: kept in storage before anybody
 * is told that they arrived, given to the first session that takes messages, in order, and deleted
 * when link has them. What arrives meanwhile waits behind them.
 */
#include "base/mem.h"
#include "component/settings.h"
#include "jid/jid.h"
#include "sm/kept.h"
#include "sm/modules/modules.h"
#include "sm/user.h"
#include "storage/storage.h"

#define NS_OFFLINE_FEATURE "msgoffline"

enum { OFFLINE_MAX = 1000 }; /* messages of a user */

struct offline {
	struct sm *sm;
	int64_t keep_ms; /* 0: nothing is stored */
};

struct offline_user {
	uint64_t count;	   /* stored, or on their way there */
	uint64_t given_to; /* the sequence number up to which they were given */
	bool untrimmed;	   /* and could not be deleted */
	bool giving;	   /* they are being read and given */
	uint64_t *waiting; /* tokens of what arrived since */
	unsigned waiting_count;
};

static struct offline_user *state_of(const struct user *user)
{
	return sm_user_state(user, &sm_offline);
}

/* -- storing -- */

static int stored(void *state, const struct sm_event *event, unsigned note)
{
	sm_count_offline(event->sm);
	return 0;
}

/*
 * Delivery found nobody to take it. What has no body is of the moment: nobody wants it later. The
 * next message need not wait for this one's commit: storage keeps an owner's order, and who comes
 * meanwhile is given both.
 */
static int store(void *state, const struct sm_event *event)
{
	const struct offline *offline = state;
	struct offline_user *user = state_of(event->user);
	const struct stanza *stanza = event->stanza;
	struct sm_commit commit = {
		.committed = stored, .state = state, .stale = true, .loose = true};

	if (stanza_find(stanza, NS_CLIENT, "body") < 0)
		return 0;
	if (offline->keep_ms == 0 || user->count >= OFFLINE_MAX)
		return SM_PASS;
	commit.txn = store_txn_new();
	kept_message(commit.txn, event->user->jid, stanza, sm_wall_ms(event->sm));
	user->count++;
	return sm_commit(event, &commit);
}

/* -- giving -- */

static void release_waiting(struct sm *sm, struct offline_user *user)
{
	uint64_t *tokens = user->waiting;
	unsigned count = user->waiting_count;

	user->waiting = NULL;
	user->waiting_count = 0;
	for (unsigned at = 0; at < count; at++)
		sm_release(sm, tokens[at], SM_PASS);
	mem_free(tokens);
}

/* False: nobody takes messages any more. */
static bool give(const struct offline *offline, struct user *user, const struct store_row *row)
{
	AUTO(stanza_free) struct stanza *stanza = NULL;

	if (offline->keep_ms && sm_wall_ms(offline->sm) - row->stamp_ms > offline->keep_ms)
		return true;
	stanza = sm_stanza_parse(offline->sm, row->value);
	if (!stanza)
		return true;
	stanza->delay_ms = row->stamp_ms;
	return delivery_message(user, stanza);
}

static void trimmed(void *state, struct user *user, const struct store_txn *txn, int result)
{
	state_of(user)->untrimmed = result < 0;
}

static void trim(struct user *user)
{
	struct store_txn *txn = store_txn_new();

	store_trim(txn, STORE_OFFLINE, jid_user(user->jid), state_of(user)->given_to);
	sm_store(user, &txn, trimmed, NULL);
}

static void read(void *state, struct user *user, const struct store_txn *txn, int result)
{
	struct offline *offline = state;
	struct offline_user *own = state_of(user);
	size_t count = 0, given = 0;
	const struct store_row *rows = result == 0 ? store_rows(txn, 0, &count) : NULL;

	while (given < count &&
	       (rows[given].seq <= own->given_to || give(offline, user, &rows[given])))
		given++;
	if (result == 0)
		own->count = count - given;
	if (given) {
		own->given_to = rows[given - 1].seq;
		trim(user);
	}
	own->giving = false;
	release_waiting(offline->sm, own);
}

/* After presence has been applied. */
static int came(void *state, const struct sm_event *event)
{
	struct offline_user *user = state_of(event->user);
	struct store_txn *txn;

	if (event->stanza->to || event->stanza->type != STANZA_NONE ||
	    !presence_takes_messages(event->session) || user->giving ||
	    (user->count == 0 && !user->untrimmed))
		return SM_PASS;
	user->giving = true;
	txn = store_txn_new();
	store_list(txn, STORE_OFFLINE, jid_user(event->user->jid));
	sm_store(event->user, &txn, read, state);
	return SM_PASS;
}

static int wait(void *state, const struct sm_event *event)
{
	struct offline_user *user = state_of(event->user);
	uint64_t token;

	if (!user->giving || event->stanza->type == STANZA_ERROR)
		return SM_PASS;
	if (sm_hold(event, &token) == SM_FULL)
		return sm_reply_error(event, STANZA_RESOURCE_CONSTRAINT);
	user->waiting = mem_realloc(MEM_USER, user->waiting,
				    (user->waiting_count + 1) * sizeof(*user->waiting));
	user->waiting[user->waiting_count++] = token;
	return SM_HELD;
}

/* -- life -- */

static int start(void *state, struct sm *sm, const void *conf)
{
	struct offline *offline = state;

	offline->sm = sm;
	offline->keep_ms = ((const struct settings *)conf)->messages.offline_ms;
	return 0;
}

static void counted(void *state, struct user *user, const struct store_row *rows, size_t count)
{
	state_of(user)->count = count ? rows[0].seq : 0;
}

static void user_load(void *state, struct user *user, struct sm_load *load)
{
	sm_load_count(load, STORE_OFFLINE, counted);
}

static void user_free(void *state, struct user *user)
{
	mem_free(state_of(user)->waiting);
}

static const struct sm_hook hooks[] = {
	{SM_PKT_USER, STANZA_MESSAGE, NULL, NULL, SM_EARLY, wait},
	{SM_PKT_USER, STANZA_MESSAGE, NULL, NULL, SM_LAST, store},
	{SM_IN_SESS, STANZA_PRESENCE, NULL, NULL, SM_LAST, came},
	{.run = NULL},
};

const struct sm_module sm_offline = {
	.name = "offline",
	.features = {NS_OFFLINE_FEATURE},
	.hooks = hooks,
	.size = sizeof(struct offline),
	.user_size = sizeof(struct offline_user),
	.start = start,
	.user_load = user_load,
	.user_free = user_free,
};
