/* SPDX-License-Identifier: MIT */
/*
 * Last activity, XEP-0012: since when the server runs, and since when an account has no session. That is written when the
 * last one has ended and none has come in its place for some seconds, not with presence, and read when somebody asks. Who
 * changes networks, or whose c2s went away, costs storage nothing so; a kill in these seconds leaves what was before.
 */
#include <stdio.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "mio/mio.h"
#include "sm/modules/modules.h"
#include "sm/user.h"
#include "storage/storage.h"
#include "xml/nad.h"

enum {
	STATUS_BYTES_MAX = 1024, /* of a longer one nothing is kept */
	GONE_MS = 5000,
	GONE_MAX = 4096, /* users who are waited for: they stay in memory */
};

#define FACT SLICE("last") /* in STORE_USER: "MILLISECONDS STATUS" */

struct last {
	struct sm *sm;
	int64_t started_ms; /* of the loop's clock */
	struct list gone;   /* users who are waited for, who went first first */
	unsigned gone_count;
	struct mio_timer timer;
};

struct last_user {
	struct str *status; /* which a session said when it went unavailable; NULL: none */
	uint64_t by;	    /* its id */
	struct user *user;  /* who is waited for, pinned; NULL: nobody is */
	struct list link;
	int64_t due_ms, since_ms; /* of the loop's clock, and since 1970 */
};

static struct last_user *state_of(const struct user *user)
{
	return sm_user_state(user, &sm_last);
}

static void keep_status(const struct session *session, struct slice status)
{
	struct last_user *own = state_of(session->user);

	str_free(&own->status);
	own->status = status.len <= STATUS_BYTES_MAX ? str_new(status) : NULL;
	own->by = session->id;
}

static void forget_status(const struct session *session)
{
	struct last_user *own = state_of(session->user);

	if (own->by == session->id)
		str_free(&own->status);
}

/* -- answering -- */

static int tell(const struct sm_event *event, int64_t ms, struct slice status)
{
	struct stanza *result = stanza_result(event->stanza);
	char seconds[32];

	snprintf(seconds, sizeof(seconds), "%lld", ms > 0 ? (long long)ms / 1000 : 0);
	nad_append(result->payload, NS_LAST, "query", 1);
	nad_append_attr(result->payload, -1, "seconds", slice_of(seconds));
	if (status.len)
		nad_append_cdata(result->payload, status, 2);
	return sm_reply(event, &result);
}

static int tell_uptime(void *state, const struct sm_event *event)
{
	const struct last *last = state;

	return tell(event, mio_now_ms(sm_mio(event->sm)) - last->started_ms, SLICE(""));
}

static int tell_gone(const struct sm_event *event)
{
	const struct last_user *own = state_of(event->user);

	return tell(event, sm_wall_ms(event->sm) - own->since_ms, own->status ? str_slice(own->status) : SLICE(""));
}

/* Who never came never went. */
static int answer(void *state, const struct sm_event *event, const struct store_txn *txn)
{
	size_t count;
	const struct store_row *rows = store_rows(txn, 0, &count);
	struct slice status = count ? rows[0].value : SLICE(""), stamp = slice_word(&status);
	uint64_t since_ms;

	if (!slice_to_u64(stamp, &since_ms))
		return sm_reply_error(event, STANZA_ITEM_NOT_FOUND);
	return tell(event, sm_wall_ms(event->sm) - (int64_t)since_ms, status);
}

/*
 * Of who may not see the presence XEP-0012 says "forbidden"; but nobody else is to learn that there is such an account, or a
 * session of that name (XEP-0030 section 8), and of what is not there RFC 6121 says "service-unavailable": so we do of both.
 */
static int tell_account(void *state, const struct sm_event *event)
{
	struct store_txn *txn;

	if (!account_may_ask(event))
		return SM_PASS;
	if (event->user->session_count)
		return tell(event, 0, SLICE(""));
	if (state_of(event->user)->user)
		return tell_gone(event);
	txn = store_txn_new();
	store_get(txn, STORE_USER, jid_user(event->user->jid), FACT);
	return sm_read(event, &txn, answer, state);
}

static int guard_client(void *state, const struct sm_event *event)
{
	const struct stanza *stanza = event->stanza;

	if (stanza->type != STANZA_GET || jid_is_bare(stanza->to) || account_may_ask(event))
		return SM_PASS;
	return sm_reply_error(event, STANZA_SERVICE_UNAVAILABLE);
}

/* -- remembering -- */

static int sent(void *state, const struct sm_event *event)
{
	const struct stanza *stanza = event->stanza;
	int status = stanza_find(stanza, NS_CLIENT, "status");

	if (stanza->to || (stanza->type != STANZA_NONE && stanza->type != STANZA_UNAVAILABLE))
		return SM_PASS;
	if (stanza->type == STANZA_UNAVAILABLE && status >= 0)
		keep_status(event->session, nad_cdata(stanza->payload, status));
	else
		forget_status(event->session);
	return SM_PASS;
}

static void wait_no_more(struct last *last, struct user *user)
{
	struct last_user *own = state_of(user);

	if (!own->user)
		return;
	list_remove(&own->link);
	last->gone_count--;
	own->user = NULL;
	str_free(&own->status);
	user->pins--;
}

/* Has him rest, as who has no session does. */
static void write_fact(struct last *last, struct user *user)
{
	const struct last_user *own = state_of(user);
	struct store_txn *txn = store_txn_new();
	AUTO(buf_fini) struct buf fact = {0};

	buf_printf(&fact, "%lld ", (long long)own->since_ms);
	if (own->status)
		buf_append_slice(&fact, str_slice(own->status));
	store_put(txn, STORE_USER, jid_user(user->jid), FACT, buf_slice(&fact));
	store_relax(txn);
	sm_store(user, &txn, NULL, NULL);
	wait_no_more(last, user);
}

static struct last_user *first_gone(struct last *last)
{
	return container_of(last->gone.next, struct last_user, link);
}

static void write_gone(struct mio_timer *timer)
{
	struct last *last = container_of(timer, struct last, timer);
	struct mio *mio = sm_mio(last->sm);

	while (!list_empty(&last->gone) && first_gone(last)->due_ms <= mio_now_ms(mio))
		write_fact(last, first_gone(last)->user);
	if (!list_empty(&last->gone))
		mio_timer_set(mio, timer, first_gone(last)->due_ms - mio_now_ms(mio));
}

static void wait_for(struct last *last, struct user *user)
{
	struct last_user *own = state_of(user);

	own->user = user;
	own->since_ms = sm_wall_ms(user->sm);
	own->due_ms = mio_now_ms(sm_mio(user->sm)) + GONE_MS;
	user->pins++;
	list_append(&last->gone, &own->link);
	if (++last->gone_count > GONE_MAX)
		write_fact(last, first_gone(last)->user);
	if (!mio_timer_is_set(&last->timer))
		mio_timer_set(sm_mio(user->sm), &last->timer, GONE_MS);
}

static void session_start(void *state, struct session *session)
{
	wait_no_more(state, session->user);
}

/* At the end of the process nobody goes: they come back, or are missed by the next one. */
static void session_end(void *state, struct session *session)
{
	struct user *user = session->user;
	bool is_last = !user->session_count && !user->anonymous && !sm_is_stopping(user->sm);

	if (!is_last || state_of(user)->by != session->id)
		forget_status(session);
	if (is_last)
		wait_for(state, user);
}

static void user_delete(void *state, struct user *user)
{
	wait_no_more(state, user);
}

static void user_free(void *state, struct user *user)
{
	wait_no_more(state, user);
	str_free(&state_of(user)->status);
}

static int start(void *state, struct sm *sm, const void *conf)
{
	struct last *last = state;

	last->sm = sm;
	last->started_ms = mio_now_ms(sm_mio(sm));
	list_init(&last->gone);
	mio_timer_init(&last->timer, write_gone);
	return 0;
}

static void stop(void *state)
{
	mio_timer_stop(&((struct last *)state)->timer);
}

static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_PRESENCE, NULL, NULL, SM_LATE, sent},
	{SM_PKT_SM, STANZA_IQ_GET, NS_LAST, "query", SM_NORMAL, tell_uptime},
	{SM_PKT_USER, STANZA_IQ_GET, NS_LAST, "query", SM_NORMAL, tell_account},
	{SM_PKT_USER, STANZA_IQ, NS_LAST, "query", SM_EARLY, guard_client},
	{.run = NULL},
};

const struct sm_module sm_last = {
	.name = "last",
	.features = {NS_LAST},
	.account_features = {NS_LAST},
	.hooks = hooks,
	.size = sizeof(struct last),
	.user_size = sizeof(struct last_user),
	.start = start,
	.stop = stop,
	.user_free = user_free,
	.user_delete = user_delete,
	.session_start = session_start,
	.session_end = session_end,
};
