/* SPDX-License-Identifier: MIT */
/*
 * Last activity, XEP-0012: since when the server runs, and since when an account has no session. That is written when the
 * last one ends, not with presence, and read when somebody asks.
 */
#include <stdio.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "mio/mio.h"
#include "sm/modules/modules.h"
#include "sm/user.h"
#include "storage/storage.h"
#include "xml/nad.h"

enum { STATUS_BYTES_MAX = 1024 }; /* of a longer one nothing is kept */

#define FACT SLICE("last") /* in STORE_USER: "MILLISECONDS STATUS" */

struct last {
	int64_t started_ms; /* of the loop's clock */
};

struct last_user {
	struct str *status; /* which a session said when it went unavailable; NULL: none */
	uint64_t by;	    /* its id */
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

static void write_fact(const struct session *session)
{
	struct user *user = session->user;
	const struct last_user *own = state_of(user);
	struct store_txn *txn = store_txn_new();
	AUTO(buf_fini) struct buf fact = {0};

	buf_printf(&fact, "%lld ", (long long)sm_wall_ms(user->sm));
	if (own->by == session->id)
		buf_append_slice(&fact, str_slice(own->status));
	store_put(txn, STORE_USER, jid_user(user->jid), FACT, buf_slice(&fact));
	store_relax(txn);
	sm_store(user, &txn, NULL, NULL);
}

/* At the end of the process nobody goes: they come back, or are missed by the next one. */
static void session_end(void *state, struct session *session)
{
	struct user *user = session->user;

	if (!user->session_count && !user->anonymous && !sm_is_stopping(user->sm))
		write_fact(session);
	forget_status(session);
}

static void user_free(void *state, struct user *user)
{
	str_free(&state_of(user)->status);
}

static int start(void *state, struct sm *sm, const void *conf)
{
	((struct last *)state)->started_ms = mio_now_ms(sm_mio(sm));
	return 0;
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
	.user_free = user_free,
	.session_end = session_end,
};
