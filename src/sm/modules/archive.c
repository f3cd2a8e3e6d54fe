/* SPDX-License-Identifier: MIT */
/*
 * The archive of an account, XEP-0313: each message that a user writes or is written is committed to it before it goes on. Its id
 * then goes along in the header: to the user's own clients, in carbons, in what waits in storage, and to nobody else.
 *
 *   session ─ IN_SESS: archived ─ carbons ─ the id is taken off ─> the other's
 *   other   ─ PKT_USER: archived, the id is put on ─ carbons ─ delivery
 *
 * What comes again to another process finds itself there (struct origin), and goes on as it did. docs/decisions/0026.
 */
#include "sm/modules/archive.h"

#include "component/settings.h"
#include "jid/jid.h"
#include "mio/mio.h"
#include "sm/archiving.h"
#include "sm/modules/modules.h"
#include "sm/roster.h"
#include "sm/subscription.h"
#include "sm/user.h"
#include "storage/archive.h"

enum { PRUNE_MS = 3600000, PRUNE_SOON_MS = 200, PRUNE_FIRST_MS = 60000, SHOWN_MS = 3600000 };

struct archive {
	struct sm *sm;
	struct mio_timer prune; /* worker 0's */
};

static int64_t keep_ms(const struct sm *sm)
{
	return sm_settings(sm)->messages.archive_ms;
}

bool archive_is_on(const struct sm *sm)
{
	return keep_ms(sm) > 0;
}

uint64_t archive_floor(const struct sm *sm)
{
	int64_t from_ms = keep_ms(sm) < sm_wall_ms(sm) ? sm_wall_ms(sm) - keep_ms(sm) : 0;

	return (uint64_t)from_ms << STORE_ID_BITS;
}

bool archive_shows(const struct sm *sm, uint64_t id)
{
	return archive_is_on(sm) && id && id >= archive_floor(sm) + ((uint64_t)SHOWN_MS << STORE_ID_BITS);
}

/* -- whether -- */

static bool is_listed(struct jid *const *jids, unsigned count, const struct jid *peer)
{
	for (unsigned at = 0; at < count; at++) {
		if (jid_is_bare(jids[at]) ? jid_equal_bare(jids[at], peer) : jid_equal(jids[at], peer))
			return true;
	}
	return false;
}

static bool user_wants(const struct user *user, const struct jid *peer)
{
	const struct archive_prefs *prefs = archive_prefs_of(user);

	if (is_listed(prefs->jids, prefs->always, peer))
		return true;
	if (is_listed(prefs->jids + prefs->always, prefs->never, peer))
		return false;
	return prefs->rule == ARCHIVE_ALWAYS || (prefs->rule == ARCHIVE_ROSTER && roster_find(roster_of(user), peer));
}

static bool is_kept(const struct user *user, const struct jid *peer, const struct stanza *stanza)
{
	return archive_is_on(user->sm) && user->known && !user->anonymous && archiving_wants(stanza) && user_wants(user, peer);
}

/* -- keeping -- */

static int archived(void *state, const struct sm_event *event, const struct store_txn *txn)
{
	size_t count;
	const struct store_row *rows = store_rows(txn, 0, &count);

	event->stanza->archived = count ? rows[0].seq : 0;
	return SM_PASS;
}

static int keep(void *state, const struct sm_event *event, const struct jid *peer)
{
	const struct origin *origin = &event->stanza->origin;
	struct store_txn *txn = store_txn_new();
	AUTO(buf_fini) struct buf text = {0};

	sm_stanza_print(event->stanza, &text);
	store_archive(txn, &(struct store_message){.owner = jid_user(event->user->jid),
						   .peer = jid_user(peer),
						   .resource = jid_resource(peer),
						   .session = origin->key,
						   .count = origin->count,
						   .again = origin->again,
						   .random = (uint32_t)sm_random(event->sm),
						   .value = buf_slice(&text)});
	return sm_read_in_order(event, &txn, archived, state);
}

/* Nobody but us gives ids of the user's archive. */
static int sent(void *state, const struct sm_event *event)
{
	const struct jid *peer = event->stanza->to ? event->stanza->to : event->user->jid;

	stanza_take_ids(event->stanza, event->user->jid);
	return is_kept(event->user, peer, event->stanza) ? keep(state, event, peer) : SM_PASS;
}

/* It is not for the other to see; what one writes to oneself is in the archive once. */
static int leaves(void *state, const struct sm_event *event)
{
	const struct jid *to = event->stanza->to;

	if (to && !jid_equal_bare(to, event->user->jid))
		event->stanza->archived = 0;
	return SM_PASS;
}

static bool is_to_oneself(const struct sm_event *event)
{
	return event->stanza->from && jid_equal_bare(event->stanza->from, event->user->jid);
}

/* With a delay it was here before, and its text has its id. */
static int arrived(void *state, const struct sm_event *event)
{
	struct stanza *stanza = event->stanza;
	uint64_t id = stanza_take_ids(stanza, event->user->jid);

	if (stanza->delay_ms) {
		stanza->archived = stanza->archived ? stanza->archived : id;
		return SM_PASS;
	}
	if (is_to_oneself(event)) {
		stanza->archived = stanza->archived ? stanza->archived : id; /* made-up ones were taken out when it was sent */
		return SM_PASS;
	}
	stanza->archived = 0;
	if (!stanza->from || !delivery_takes(event->user, stanza) || !is_kept(event->user, stanza->from, stanza))
		return SM_PASS;
	return keep(state, event, stanza->from);
}

/* -- forgetting -- */

static void prune_later(struct archive *archive, int64_t ms)
{
	mio_timer_set(sm_mio(archive->sm), &archive->prune, ms);
}

static void pruned(void *state, const struct store_txn *txn, int result)
{
	struct archive *archive = state;

	if (result == STORE_MORE || archive_is_on(archive->sm))
		prune_later(archive, result == STORE_MORE ? PRUNE_SOON_MS : PRUNE_MS);
}

static void prune(struct mio_timer *timer)
{
	struct archive *archive = container_of(timer, struct archive, prune);
	struct store_txn *txn = store_txn_new();

	store_prune(txn, archive_floor(archive->sm));
	store_relax(txn);
	sm_store_alone(archive->sm, &txn, pruned, archive);
}

static int start(void *state, struct sm *sm, const void *conf)
{
	struct archive *archive = state;

	archive->sm = sm;
	mio_timer_init(&archive->prune, prune);
	if (!mio_worker(sm_mio(sm))) /* off: what was kept when it was on goes at once; but storage is not to be asked before loops run */
		prune_later(archive, archive_is_on(sm) ? PRUNE_FIRST_MS : 0);
	return 0;
}

static void stop(void *state)
{
	mio_timer_stop(&((struct archive *)state)->prune);
}

static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_MESSAGE, NULL, NULL, SM_NORMAL, sent},
	{SM_IN_SESS, STANZA_MESSAGE, NULL, NULL, SM_LAST, leaves},
	{SM_PKT_USER, STANZA_MESSAGE, NULL, NULL, SM_EARLY, arrived},
	{.run = NULL},
};

const struct sm_module sm_archive = {
	.name = "archive",
	.features = {NS_STANZA_ID},
	.account_features = {NS_STANZA_ID},
	.is_on = archive_is_on,
	.hooks = hooks,
	.size = sizeof(struct archive),
	.start = start,
	.stop = stop,
};
