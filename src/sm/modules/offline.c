/* SPDX-License-Identifier: MIT */
/*
 * Messages for who is away, RFC 6121 section 8.5.2.2.1 and XEP-0160: kept in storage before anybody
 * is told that they arrived, given to the first session that takes messages, in order, and deleted
 * when its client has them (sm/deliveries.h). What arrives meanwhile waits behind them, and as long
 * as they cannot be given, it is stored behind them.
 */
#include <stdio.h>
#include "base/mem.h"
#include "component/settings.h"
#include "jid/jid.h"
#include "mio/mio.h"
#include "sm/kept.h"
#include "sm/modules/modules.h"
#include "sm/deliveries.h"
#include "sm/outbox.h"
#include "sm/present.h"
#include "sm/unacked.h"
#include "sm/user.h"
#include "storage/storage.h"

#define NS_OFFLINE_FEATURE "msgoffline"
#define HAD "had "

enum { OFFLINE_MAX = 1000 /* messages of a user */, PART_BYTES = 1 << 20 /* that are read at once */, AGAIN_MS = 5000 };

struct offline {
	struct sm *sm;
	struct list undeleted; /* users whose gone rows a disk did not delete */
	struct mio_timer again;
};

/* A row that somebody has, and that is not known to be deleted, or marked. */
struct gone {
	uint64_t row;
	bool marked; /* another session waits for it */
	uint32_t unacked; /* as long as a kill would bring the row back: its records */
};

struct offline_user {
	uint64_t count;	   /* stored, or on their way there */
	unsigned coming;   /* on their way there from sessions, not in count */
	bool giving;	   /* they are being read and given */
	bool again;	   /* from the first: one of those that were given already was let go */
	uint64_t given;	   /* the last of those */
	bool more;	   /* not all could be given: their clients are slow */
	struct user *user; /* once there are gone rows: they pin it */
	struct list undeleted;
	struct gone *gone;
	unsigned gone_count, dropping; /* the first so many are being deleted */
	uint64_t *waiting; /* tokens of what arrived since */
	unsigned waiting_count;
};

/* 0: nothing is stored. */
static int64_t keep_ms(const struct offline *offline)
{
	return sm_settings(offline->sm)->messages.offline_ms;
}

static struct offline_user *state_of(const struct user *user)
{
	return sm_user_state(user, &sm_offline);
}

static struct offline *module_of(const struct user *user)
{
	return sm_module_state(user->sm, &sm_offline);
}

/* -- storing -- */

static void keep_message(struct store_txn *txn, struct user *user, const struct stanza *stanza)
{
	kept_message(txn, user->jid, stanza, stanza->delay_ms ? stanza->delay_ms : sm_wall_ms(user->sm));
}

void offline_append(struct store_txn *txn, struct user *user, const struct stanza *stanza)
{
	state_of(user)->coming++;
	keep_message(txn, user, stanza);
}

void offline_appended(struct user *user, bool committed)
{
	state_of(user)->coming--;
	if (!committed)
		return;
	state_of(user)->count++;
	sm_count_offline(user->sm);
}

static bool somebody_has_room(const struct user *user)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		if (presence_takes_messages(session) && outbox_has_room(session))
			return true;
	}
	return false;
}

/* Somebody's c2s has not said yet what her client has (sm/present.h). */
static bool somebody_waits(const struct user *user)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		if (present_waits(session))
			return true;
	}
	return false;
}

/* Rows that are to be given first, and cannot be now. Who has room does not wait for who has none. */
static bool is_behind(const struct user *user)
{
	const struct offline_user *own = state_of(user);

	return (own->more && !somebody_has_room(user)) || (somebody_waits(user) && own->count > deliveries_with_row(user));
}

static int stored(void *state, const struct sm_event *event, unsigned note)
{
	sm_count_offline(event->sm);
	if (!is_behind(event->user))
		offline_give(event->user); /* who came meanwhile was given those before it */
	return 0;
}

bool offline_may_have(const struct user *user, const struct stanza *stanza)
{
	return keep_ms(module_of(user)) && !user->anonymous && outbox_fate(stanza) == OUTBOX_STORE;
}

static bool may_keep(const struct user *user, const struct stanza *stanza)
{
	return state_of(user)->count < OFFLINE_MAX && offline_may_have(user, stanza);
}

bool offline_takes(const struct user *user, const struct stanza *stanza)
{
	return may_keep(user, stanza) || outbox_fate(stanza) == OUTBOX_DROP || stanza_find(stanza, NS_CLIENT, "body") < 0;
}

/*
 * Delivery found nobody to take it. What is of the moment nobody wants later. The next message need not wait for this one's
 * commit: storage keeps an owner's order, and who comes meanwhile is given both.
 */
static int store(void *state, const struct sm_event *event)
{
	struct offline_user *user = state_of(event->user);
	const struct stanza *stanza = event->stanza;
	struct sm_commit commit = {.committed = stored, .state = state, .stale = true, .loose = true};

	if (!may_keep(event->user, stanza))
		return offline_takes(event->user, stanza) ? 0 : SM_PASS;
	commit.txn = store_txn_new();
	keep_message(commit.txn, event->user, stanza);
	user->count++;
	return sm_commit(event, &commit);
}

/* -- giving -- */

static void forget_gone(struct offline_user *own)
{
	mem_free(own->gone);
	own->gone = NULL;
	own->gone_count = 0;
}

static void drop_rows(struct user *user);

static void drop_later(struct user *user)
{
	struct offline *offline = module_of(user);

	list_append(&offline->undeleted, &state_of(user)->undeleted);
	if (!mio_timer_is_set(&offline->again))
		mio_timer_set(sm_mio(user->sm), &offline->again, AGAIN_MS);
}

static void drop_again(struct mio_timer *timer)
{
	struct offline *offline = container_of(timer, struct offline, again);

	while (!list_empty(&offline->undeleted))
		drop_rows(container_of(offline->undeleted.next, struct offline_user, undeleted)->user);
}

/* What a disk did not delete is not given again, and deleted later. */
static void dropped(void *state, struct user *user, const struct store_txn *txn, int result)
{
	struct offline_user *own = state_of(user);

	for (unsigned at = 0; result == 0 && at < own->dropping; at++)
		unacked_drop(module_of(user)->sm, &own->gone[at].unacked);
	if (result == 0) {
		own->gone_count -= own->dropping;
		memmove(own->gone, own->gone + own->dropping, own->gone_count * sizeof(*own->gone));
	}
	own->dropping = 0;
	if (!own->gone_count) {
		forget_gone(own);
		user->pins--;
	} else if (result == 0) {
		drop_rows(user);
	} else {
		drop_later(user);
	}
}

static void drop_row(struct store_txn *txn, const struct user *user, const struct gone *gone)
{
	char item[32];
	struct slice mark = {item, (size_t)snprintf(item, sizeof(item), HAD "%llu", (unsigned long long)gone->row)};

	if (gone->marked) {
		store_put(txn, STORE_USER, jid_user(user->jid), mark, SLICE(""));
		return;
	}
	store_drop(txn, STORE_OFFLINE, jid_user(user->jid), gone->row);
	store_del(txn, STORE_USER, jid_user(user->jid), mark);
}

bool offline_drop_gone(struct store_txn *txn, const struct user *user)
{
	const struct offline_user *own = state_of(user);

	for (unsigned at = 0; at < own->gone_count; at++)
		drop_row(txn, user, &own->gone[at]);
	return own->gone_count;
}

/* Those that come while some are on their way go together. */
static void drop_rows(struct user *user)
{
	struct offline_user *own = state_of(user);
	struct store_txn *txn;

	if (own->dropping || !own->gone_count)
		return;
	list_remove(&own->undeleted);
	txn = store_txn_new();
	offline_drop_gone(txn, user);
	own->dropping = own->gone_count;
	sm_store(user, &txn, dropped, NULL);
}

static void add_gone(struct user *user, const struct gone *gone)
{
	struct offline_user *own = state_of(user);

	if (!own->gone_count)
		user->pins++;
	if (!own->user)
		list_init(&own->undeleted);
	own->user = user;
	own->gone = mem_realloc(MEM_USER, own->gone, (own->gone_count + 1) * sizeof(*own->gone));
	own->gone[own->gone_count++] = *gone;
	drop_rows(user);
}

void offline_forget_sent(struct user *user, uint64_t row, uint32_t unacked)
{
	struct offline_user *own = state_of(user);

	add_gone(user, &(struct gone){.row = row, .unacked = unacked});
	own->count -= own->count > 0;
}

void offline_forget(struct user *user, uint64_t row)
{
	offline_forget_sent(user, row, 0);
}

void offline_had(struct user *user, uint64_t row)
{
	add_gone(user, &(struct gone){.row = row, .marked = true});
}

void offline_let_go(struct user *user, uint64_t row)
{
	struct offline_user *own = state_of(user);

	own->again = own->again || (own->giving && row <= own->given);
}

bool offline_is_gone(const struct user *user, uint64_t row)
{
	const struct offline_user *own = state_of(user);

	for (unsigned at = 0; at < own->gone_count; at++) {
		if (own->gone[at].row == row && !own->gone[at].marked)
			return true;
	}
	return false;
}

static size_t deleted_count(const struct offline_user *own)
{
	size_t count = 0;

	for (unsigned at = 0; at < own->gone_count; at++)
		count += !own->gone[at].marked;
	return count;
}

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

/* False: nobody takes messages any more. What was taken back meanwhile is nothing to wait for. */
static bool give(const struct offline *offline, struct user *user, const struct store_row *row)
{
	AUTO(stanza_free) struct stanza *stanza = NULL;
	struct delivery *delivery;
	bool given;

	if (!keep_ms(offline) || sm_wall_ms(offline->sm) - row->stamp_ms <= keep_ms(offline))
		stanza = sm_stanza_of_row(offline->sm, row);
	if (!stanza || retraction_left(stanza) || (stanza->from && blocking_has(user, stanza->from))) {
		offline_forget(user, row->seq);
		return true;
	}
	delivery = delivery_of_row(user, stanza, row->seq);
	given = delivery_message(user, stanza);
	delivery_given(delivery);
	return given;
}

/* Nobody's queue is filled more than half by what can as well wait in storage. */
static bool have_room(const struct user *user)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		if (presence_takes_messages(session) && !outbox_has_room(session))
			return false;
	}
	return true;
}

/* False: not all of them. */
static bool give_rows(const struct offline *offline, struct user *user, const struct store_row *rows, size_t count)
{
	struct offline_user *own = state_of(user);

	for (size_t at = 0; at < count; at++) {
		if (!delivery_holds(user, rows[at].seq) && !offline_is_gone(user, rows[at].seq)) {
			own->more = !have_room(user);
			if (own->more || !give(offline, user, &rows[at]))
				return false;
		}
		own->given = rows[at].seq;
	}
	return true;
}

static void read_above(struct user *user, uint64_t row);

static void read(void *state, struct user *user, const struct store_txn *txn, int result)
{
	struct offline *offline = state;
	struct offline_user *own = state_of(user);
	size_t count = 0, counts = 0;
	const struct store_row *stored = result == 0 ? store_rows(txn, 0, &counts) : NULL;
	const struct store_row *rows = result == 0 ? store_rows(txn, 1, &count) : NULL;
	bool cut = count && rows[count - 1].seq == STORE_CUT;

	if (counts)
		own->count = stored->seq > deleted_count(own) ? stored->seq - deleted_count(own) : 0;
	own->more = result != 0; /* what was not read is asked for when there is more room */
	if (own->again && result == 0) {
		read_above(user, 0);
		return;
	}
	if (give_rows(offline, user, rows, count - cut) && cut) {
		read_above(user, own->given);
		return;
	}
	own->giving = false;
	release_waiting(offline->sm, own);
}

static void read_above(struct user *user, uint64_t row)
{
	struct store_part part = {.from = row + 1, .to = INT64_MAX, .bytes = PART_BYTES};
	struct store_txn *txn = store_txn_new();

	state_of(user)->given = row;
	state_of(user)->again = false;
	store_count(txn, STORE_OFFLINE, jid_user(user->jid));
	store_part(txn, STORE_OFFLINE, jid_user(user->jid), &part);
	sm_store(user, &txn, read, module_of(user));
}

static bool has_takers(const struct user *user)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		if (presence_takes_messages(session))
			return true;
	}
	return false;
}

/* Not while another session is being given them, or will be when it has room or is attached. */
void offline_forget_archived(struct user *user, const struct store_row *rows, size_t count)
{
	const struct offline_user *own = state_of(user);

	if (own->giving || own->more || somebody_waits(user) || has_takers(user))
		return;
	for (size_t at = 0; at < count; at++) {
		if (archive_shows(user->sm, rows[at].archived) && !delivery_holds(user, rows[at].seq) && !offline_is_gone(user, rows[at].seq))
			offline_forget(user, rows[at].seq);
	}
}

void offline_give(struct user *user)
{
	struct offline_user *own = state_of(user);

	drop_rows(user);
	if (own->count + own->coming == 0 || own->giving || !has_takers(user))
		return;
	own->giving = true;
	read_above(user, 0);
}

void offline_go_on(struct user *user)
{
	if (state_of(user)->more && have_room(user))
		offline_give(user);
}

/* After presence has been applied. */
static int came(void *state, const struct sm_event *event)
{
	if (!event->stanza->to && event->stanza->type == STANZA_NONE)
		offline_give(event->user);
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

/*
 * Also what waited while some of them were given. Unless it names a resource that they are not for. One for which there is
 * no room overtakes none of them: it is refused, as it would be if everybody were away.
 */
static int go_behind(void *state, const struct sm_event *event)
{
	const struct stanza *stanza = event->stanza;

	if (!is_behind(event->user) || !offline_may_have(event->user, stanza) || !delivery_is_for_best(event->user, stanza))
		return SM_PASS;
	if (!may_keep(event->user, stanza))
		return sm_reply_error(event, STANZA_SERVICE_UNAVAILABLE);
	return store(state, event);
}

/* -- life -- */

static int start(void *state, struct sm *sm, const void *conf)
{
	struct offline *offline = state;

	offline->sm = sm;
	list_init(&offline->undeleted);
	mio_timer_init(&offline->again, drop_again);
	return 0;
}

static void stop(void *state)
{
	mio_timer_stop(&((struct offline *)state)->again);
}

static void counted(void *state, struct user *user, const struct store_row *rows, size_t count)
{
	state_of(user)->count = count ? rows[0].seq : 0;
}

static void user_load(void *state, struct user *user, struct sm_load *load)
{
	sm_load_count(load, STORE_OFFLINE, counted);
}

/* After the sessions that wait: what none of them waits for goes. */
static void read_had(void *state, struct user *user, const struct store_row *rows, size_t count)
{
	for (size_t at = 0; at < count; at++) {
		struct slice item = rows[at].item;
		uint64_t row;

		if (item.len < strlen(HAD) || memcmp(item.data, HAD, strlen(HAD)) != 0)
			continue;
		item.data += strlen(HAD);
		item.len -= strlen(HAD);
		if (slice_to_u64(item, &row) && !delivery_was_had(user, row) && !offline_is_gone(user, row))
			offline_forget(user, row);
	}
}

void offline_load(struct user *user, struct sm_load *load)
{
	sm_load_list(load, STORE_USER, read_had);
}

static void user_free(void *state, struct user *user)
{
	struct offline_user *own = state_of(user);

	mem_free(own->waiting);
	forget_gone(own);
	if (own->user)
		list_remove(&own->undeleted);
}

static const struct sm_hook hooks[] = {
	{SM_PKT_USER, STANZA_MESSAGE, NULL, NULL, SM_EARLY, wait},
	{SM_PKT_USER, STANZA_MESSAGE, NULL, NULL, SM_NORMAL, go_behind},
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
	.stop = stop,
	.user_load = user_load,
	.user_free = user_free,
};
