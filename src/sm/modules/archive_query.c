/* SPDX-License-Identifier: MIT */
/*
 * An account's archive as its owner asks for it, XEP-0313: pages of messages, one stanza each, then the answer. Whose queue is full
 * waits for the next page until it has had the last.
 */
#include <stdlib.h>
#include "base/mem.h"
#include "base/stamp.h"
#include "jid/jid.h"
#include "sm/archive_request.h"
#include "sm/modules/archive.h"
#include "sm/modules/modules.h"
#include "sm/outbox.h"
#include "sm/user.h"
#include "storage/archive.h"
#include "xml/nad.h"

enum { COUNT_MAX = 10000 /* that are counted beside a page */ };

struct waiting {
	uint64_t session, token; /* token 0: it is being answered */
};

struct queries {
	struct waiting *waiting; /* the first first */
	unsigned count;
};

struct reader {
	bool reads;
};

static struct reader *reader_of(const struct session *session)
{
	return sm_session_state(session, &sm_archive_query);
}

bool archive_reads(const struct session *session)
{
	return reader_of(session)->reads && archive_is_on(session->user->sm);
}

/* Of all of it, not of one conversation. */
static void note_reader(struct session *session)
{
	if (reader_of(session)->reads)
		return;
	reader_of(session)->reads = true;
	sm_session_changed(session);
}

static struct queries *state_of(const struct user *user)
{
	return sm_user_state(user, &sm_archive_query);
}

/* -- one at a time -- */

static void add(struct queries *own, uint64_t session, uint64_t token)
{
	own->waiting = mem_realloc(MEM_USER, own->waiting, (own->count + 1) * sizeof(*own->waiting));
	own->waiting[own->count++] = (struct waiting){session, token};
}

/* Before all others of its session. */
static void add_first(struct queries *own, uint64_t session)
{
	add(own, session, 0);
	memmove(&own->waiting[1], &own->waiting[0], (own->count - 1) * sizeof(*own->waiting));
	own->waiting[0] = (struct waiting){session, 0};
}

/* The first of a session's, from a place on; the count: there is none. */
static unsigned find(const struct queries *own, uint64_t session, unsigned at)
{
	while (at < own->count && own->waiting[at].session != session)
		at++;
	return at;
}

static uint64_t take(struct queries *own, unsigned at)
{
	uint64_t token = own->waiting[at].token;

	own->count--;
	memmove(&own->waiting[at], &own->waiting[at + 1], (own->count - at) * sizeof(*own->waiting));
	return token;
}

/* False: none waits, or one is being answered. */
static bool release_first(struct session *session)
{
	struct queries *own = state_of(session->user);
	unsigned at = find(own, session->id, 0);

	if (at == own->count || !own->waiting[at].token)
		return false;
	sm_release(session->user->sm, take(own, at), SM_PASS);
	return true;
}

void archive_go_on(struct session *session)
{
	if (state_of(session->user)->count && outbox_has_room(session))
		release_first(session);
}

/* What is being answered stands first of its session's. */
static void is_answered(struct user *user, uint64_t session)
{
	struct queries *own = state_of(user);
	unsigned at = find(own, session, 0);

	if (at < own->count && !own->waiting[at].token)
		take(own, at);
}

static int wait(void *state, const struct sm_event *event)
{
	const struct session *session = event->session;
	struct queries *own = state_of(event->user);
	uint64_t token;

	if (!session || !account_is_own(event) || !session->ours)
		return SM_PASS;
	if (outbox_has_room(session) && find(own, session->id, 0) == own->count)
		return SM_PASS;
	if (sm_hold(event, &token) == SM_FULL)
		return sm_reply_error(event, STANZA_RESOURCE_CONSTRAINT);
	add(own, session->id, token);
	return SM_HELD;
}

static void session_end(void *state, struct session *session)
{
	is_answered(session->user, session->id);
	while (!sm_is_stopping(session->user->sm) && release_first(session))
		;
}

static void user_free(void *state, struct user *user)
{
	mem_free(state_of(user)->waiting);
}

/* -- asking storage -- */

static struct store_page page_of(const struct sm_event *event, const struct archive_request *request)
{
	uint64_t floor = archive_floor(event->sm);
	struct store_page page = {.owner = jid_user(event->user->jid),
				  .from = request->from > floor ? request->from : floor,
				  .to = request->to,
				  .max = request->max + 1, /* whether there is more */
				  .backwards = request->backwards};

	if (request->with) {
		page.peer = jid_user(request->with);
		page.resource = jid_resource(request->with);
	}
	return page;
}

static struct store_txn *txn_of(const struct sm_event *event, const struct archive_request *request)
{
	struct store_page page = page_of(event, request);
	struct store_txn *txn = store_txn_new();

	for (unsigned at = 0; at < request->mark_count; at++)
		store_message(txn, page.owner, request->marks[at]);
	for (unsigned at = 0; at < request->id_count; at++)
		store_message(txn, page.owner, request->ids[at]);
	if (request->ids)
		return txn;
	store_page(txn, &page);
	page.from = request->count_from > archive_floor(event->sm) ? request->count_from : archive_floor(event->sm);
	page.to = request->count_to;
	page.max = request->max ? COUNT_MAX + 1 : 0;
	store_page_count(txn, &page);
	return txn;
}

/* -- answering -- */

/* One of the ids that were named is not there, or no longer shown. */
static bool lacks(const struct sm_event *event, const struct archive_request *request, const struct store_txn *txn)
{
	for (unsigned at = 0; at < request->mark_count + request->id_count; at++) {
		size_t count;
		const struct store_row *rows = store_rows(txn, at, &count);

		if (!count || rows[0].seq < archive_floor(event->sm))
			return true;
	}
	return false;
}

static struct stanza *result_of(const struct sm_event *event, const struct archive_request *request, const struct store_row *row)
{
	AUTO(stanza_free) struct stanza *kept = sm_stanza_parse(event->sm, row->value);
	struct stanza *told = stanza_new(STANZA_MESSAGE, STANZA_NONE, (struct slice){NULL, 0});
	char id[STANZA_ID_LEN], stamp[STAMP_LEN];

	nad_append(told->payload, NS_ARCHIVE, "result", 1);
	if (request->query_id.data)
		nad_append_attr(told->payload, -1, "queryid", request->query_id);
	nad_append_attr(told->payload, -1, "id", stanza_id_print(id, row->seq));
	nad_append(told->payload, NS_FORWARD, "forwarded", 2);
	nad_append(told->payload, NS_DELAY, "delay", 3);
	nad_append_attr(told->payload, -1, "stamp", slice_of(stamp_print(stamp, row->stamp_ms, true)));
	if (kept)
		nad_append_tree(told->payload, kept->payload, 0, 3);
	stanza_set_from(told, event->user->jid);
	stanza_set_to(told, event->session->jid);
	return told;
}

/* As many as the session's queue has room for, whatever they weigh; one at least. */
static size_t make_all(const struct sm_event *event, const struct archive_request *request, const struct store_row *rows, size_t count,
		       struct stanza **told)
{
	size_t made = 0, bytes = 0;

	while (made < count && (!made || outbox_has_room_behind(event->session, (uint32_t)made, bytes))) {
		told[made] = result_of(event, request, &rows[made]);
		bytes += stanza_weight(told[made++]);
	}
	return made;
}

/* In the order of time; storage gave the last first when it was asked for the last ones. Returns how many. */
static size_t tell_all(const struct sm_event *event, const struct archive_request *request, const struct store_row *rows, size_t count)
{
	struct stanza **told = mem_zalloc(MEM_SESSION, (count + 1) * sizeof(struct stanza *));
	size_t made = make_all(event, request, rows, count, told);

	for (size_t step = 0; step < made; step++)
		sm_deliver(event->session, &told[request->backwards != request->flip ? made - 1 - step : step]);
	mem_free(told);
	return made;
}

static void append_number(struct nad *nad, const char *name, struct slice text)
{
	nad_append(nad, NS_RESULT_SET, name, 3);
	nad_append_cdata(nad, text, 4);
}

struct outcome {
	const struct store_row *first, *last; /* by time; NULL: nothing */
	bool complete, counted;
	uint64_t count;
};

static int finish(const struct sm_event *event, const struct outcome *outcome)
{
	struct stanza *result = stanza_result(event->stanza);
	AUTO(buf_fini) struct buf number = {0};
	char text[STANZA_ID_LEN];

	nad_append(result->payload, NS_ARCHIVE, "fin", 1);
	if (outcome->complete)
		nad_append_attr(result->payload, -1, "complete", SLICE("true"));
	nad_append(result->payload, NS_RESULT_SET, "set", 2);
	if (outcome->first) {
		append_number(result->payload, "first", stanza_id_print(text, outcome->first->seq));
		append_number(result->payload, "last", stanza_id_print(text, outcome->last->seq));
	}
	if (outcome->counted) {
		buf_printf(&number, "%llu", (unsigned long long)outcome->count);
		append_number(result->payload, "count", buf_slice(&number));
	}
	return sm_reply(event, &result);
}

/* Those that were found, as storage gave them; of more than the page has those at its end are for the next. */
static int answer_rows(const struct sm_event *event, const struct archive_request *request, const struct store_row *rows, size_t count,
		       struct outcome *outcome)
{
	size_t told = tell_all(event, request, rows, count <= request->max ? count : request->max);

	outcome->complete = outcome->complete && told == count;
	if (told) {
		outcome->first = request->backwards ? &rows[told - 1] : &rows[0];
		outcome->last = request->backwards ? &rows[0] : &rows[told - 1];
	}
	return finish(event, outcome);
}

static int answer_page(const struct sm_event *event, const struct archive_request *request, const struct store_txn *txn)
{
	size_t count, counts;
	const struct store_row *rows = store_rows(txn, request->mark_count, &count);
	const struct store_row *counted = store_rows(txn, request->mark_count + 1, &counts);
	bool cut = count && rows[count - 1].seq == STORE_CUT;
	struct outcome outcome = {.count = counts ? counted[0].seq : 0, .complete = !cut};
	struct store_row looked = {.seq = cut ? rows[count - 1].archived : 0};

	outcome.counted = outcome.count <= COUNT_MAX || (!request->max && outcome.count != STORE_CUT);
	if (cut && looked.seq && request->max)
		outcome.first = outcome.last = &looked; /* of an empty page too: from there they are looked for further */
	return answer_rows(event, request, rows, count - cut, &outcome);
}

static int by_id(const void *a, const void *b)
{
	const struct store_row *one = a, *other = b;

	return (one->seq > other->seq) - (one->seq < other->seq);
}

static int by_id_backwards(const void *a, const void *b)
{
	return by_id(b, a);
}

/* It is of the conversation that is asked for, if one is. */
static bool is_with(const struct sm_event *event, const struct jid *with, const struct store_row *row)
{
	AUTO(stanza_free) struct stanza *kept = with ? sm_stanza_parse(event->sm, row->value) : NULL;
	const struct jid *peer;

	if (!kept)
		return !with;
	peer = kept->from && jid_equal_bare(kept->from, event->user->jid) ? kept->to : kept->from;
	peer = peer ? peer : event->user->jid;
	return jid_is_bare(with) ? jid_equal_bare(peer, with) : jid_equal(peer, with);
}

/* All that is said beside the ids counts too. */
static int answer_ids(const struct sm_event *event, const struct archive_request *request, const struct store_txn *txn)
{
	struct store_row *rows = mem_zalloc(MEM_SESSION, (request->id_count + 1) * sizeof(*rows));
	struct outcome outcome = {.complete = true, .counted = true};
	size_t found = 0;
	int rc;

	for (unsigned at = 0; at < request->id_count; at++) {
		size_t count;
		const struct store_row *row = store_rows(txn, request->mark_count + at, &count);
		bool counts = row->seq >= request->count_from && row->seq <= request->count_to && is_with(event, request->with, row);

		outcome.count += counts;
		if (counts && row->seq >= request->from && row->seq <= request->to)
			rows[found++] = *row;
	}
	qsort(rows, found, sizeof(*rows), request->backwards ? by_id_backwards : by_id);
	rc = answer_rows(event, request, rows, found, &outcome);
	mem_free(rows);
	return rc;
}

struct reading {
	const struct store_txn *txn;
	int result;
};

static int answer_query(const struct sm_event *event, const struct store_txn *txn)
{
	struct archive_request request;
	enum stanza_error error;
	int rc = 0;

	if (!archive_request_read(event->stanza->payload, stanza_find(event->stanza, NS_ARCHIVE, "query"), &request, &error))
		rc = 0;
	else if (lacks(event, &request, txn))
		rc = sm_reply_error(event, STANZA_ITEM_NOT_FOUND);
	else
		rc = request.ids ? answer_ids(event, &request, txn) : answer_page(event, &request, txn);
	archive_request_fini(&request);
	return rc;
}

static int answer(void *state, const struct sm_event *event)
{
	const struct reading *reading = state;
	int rc;

	if (!event->session)
		return 0; /* who asked has gone */
	is_answered(event->user, event->session->id);
	rc = reading->result ? sm_reply_error(event, STANZA_RESOURCE_CONSTRAINT) : answer_query(event, reading->txn);
	archive_go_on(event->session);
	return rc;
}

static void read(void *token, struct user *user, const struct store_txn *txn, int result)
{
	struct reading reading = {txn, result};

	sm_answer(user->sm, (uint64_t)(uintptr_t)token, answer, &reading);
}

/* Not by sm_read(): the next may go on also when storage does not answer. */
static int ask(const struct sm_event *event, struct store_txn **txn)
{
	uint64_t token;

	if (sm_hold(event, &token) == SM_FULL) {
		store_txn_free(txn);
		return sm_reply_error(event, STANZA_RESOURCE_CONSTRAINT);
	}
	if (event->session->ours)
		add_first(state_of(event->user), event->session->id);
	sm_store(event->user, txn, read, (void *)(uintptr_t)token);
	return SM_HELD;
}

static int query(void *state, const struct sm_event *event)
{
	struct archive_request request;
	enum stanza_error error;
	struct store_txn *txn;

	if (!account_is_own(event) || !archive_is_on(event->sm))
		return SM_PASS;
	if (!event->session)
		return 0; /* who asked has gone */
	txn = archive_request_read(event->stanza->payload, stanza_find(event->stanza, NS_ARCHIVE, "query"), &request, &error)
		      ? txn_of(event, &request)
		      : NULL;
	if (txn && request.max && !request.with && !request.ids)
		note_reader(event->session);
	archive_request_fini(&request);
	if (!txn)
		return sm_reply_error(event, error);
	return ask(event, &txn);
}

/* -- what may be asked for -- */

static void append_field(struct nad *nad, const char *type, const char *var)
{
	nad_append(nad, NS_DATA_FORM, "field", 3);
	nad_append_attr(nad, -1, "type", slice_of(type));
	nad_append_attr(nad, -1, "var", slice_of(var));
}

static int form(void *state, const struct sm_event *event)
{
	struct stanza *result;
	struct nad *nad;

	if (!account_is_own(event) || !archive_is_on(event->sm))
		return SM_PASS;
	result = stanza_result(event->stanza);
	nad = result->payload;
	nad_append(nad, NS_ARCHIVE, "query", 1);
	nad_append(nad, NS_DATA_FORM, "x", 2);
	nad_append_attr(nad, -1, "type", SLICE("form"));
	append_field(nad, "hidden", "FORM_TYPE");
	nad_append(nad, NS_DATA_FORM, "value", 4);
	nad_append_cdata(nad, SLICE(NS_ARCHIVE), 5);
	append_field(nad, "jid-single", "with");
	append_field(nad, "text-single", "start");
	append_field(nad, "text-single", "end");
	append_field(nad, "text-single", "before-id");
	append_field(nad, "text-single", "after-id");
	append_field(nad, "list-multi", "ids");
	nad_append(nad, "http://jabber.org/protocol/xdata-validate", "validate", 4);
	nad_append_attr(nad, -1, "datatype", SLICE("xs:string"));
	nad_append(nad, "http://jabber.org/protocol/xdata-validate", "open", 5);
	return sm_reply(event, &result);
}

/* -- how far it reaches -- */

static void append_end(struct nad *nad, const char *name, unsigned depth, const struct store_row *row)
{
	char id[STANZA_ID_LEN], stamp[STAMP_LEN];

	nad_append(nad, NS_ARCHIVE, name, depth);
	nad_append_attr(nad, -1, "id", stanza_id_print(id, row->seq));
	nad_append_attr(nad, -1, "timestamp", slice_of(stamp_print(stamp, row->stamp_ms, true)));
}

unsigned archive_ask_metadata(struct store_txn *txn, const struct user *user)
{
	struct store_page page = {
		.owner = jid_user(user->jid), .from = archive_floor(user->sm), .to = INT64_MAX, .max = 1};
	unsigned op = store_page(txn, &page);

	page.backwards = true;
	store_page(txn, &page);
	return op;
}

void archive_append_metadata(const struct store_txn *txn, unsigned op, struct nad *nad, unsigned depth)
{
	size_t firsts, lasts;
	const struct store_row *first = store_rows(txn, op, &firsts), *last = store_rows(txn, op + 1, &lasts);

	nad_append(nad, NS_ARCHIVE, "metadata", depth);
	if (!firsts || !lasts)
		return;
	append_end(nad, "start", depth + 1, first);
	append_end(nad, "end", depth + 1, last);
}

static int answer_metadata(void *state, const struct sm_event *event, const struct store_txn *txn)
{
	struct stanza *result = stanza_result(event->stanza);

	archive_append_metadata(txn, 0, result->payload, 1);
	return sm_reply(event, &result);
}

static int metadata(void *state, const struct sm_event *event)
{
	struct store_txn *txn;

	if (!account_is_own(event) || !archive_is_on(event->sm))
		return SM_PASS;
	txn = store_txn_new();
	archive_ask_metadata(txn, event->user);
	return sm_read(event, &txn, answer_metadata, state);
}

static void session_bind(void *state, struct session *session, const struct nad *request)
{
	reader_of(session)->reads = archive_is_on(session->user->sm) && !session->user->anonymous;
}

static int session_save(void *state, const struct session *session, struct buf *out)
{
	buf_append_char(out, reader_of(session)->reads ? '1' : '0');
	return 0;
}

static int session_load(void *state, struct session *session, struct slice in)
{
	reader_of(session)->reads = slice_is(in, "1");
	return 0;
}

static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_IQ_SET, NS_ARCHIVE, "query", SM_NORMAL, wait},
	{SM_IN_SESS, STANZA_IQ_SET, NS_ARCHIVE, "query", SM_LATE, query},
	{SM_IN_SESS, STANZA_IQ_GET, NS_ARCHIVE, "query", SM_NORMAL, form},
	{SM_IN_SESS, STANZA_IQ_GET, NS_ARCHIVE, "metadata", SM_NORMAL, metadata},
	{SM_IN_ROUTER, STANZA_IQ_SET, NS_ARCHIVE, "query", SM_NORMAL, account_forbid},
	{SM_IN_ROUTER, STANZA_IQ_GET, NS_ARCHIVE, "query", SM_NORMAL, account_forbid},
	{SM_IN_ROUTER, STANZA_IQ_GET, NS_ARCHIVE, "metadata", SM_NORMAL, account_forbid},
	{.run = NULL},
};

const struct sm_module sm_archive_query = {
	.name = "archive_query",
	.account_features = {NS_ARCHIVE, NS_ARCHIVE "#extended", NS_RESULT_SET},
	.is_on = archive_is_on,
	.hooks = hooks,
	.user_size = sizeof(struct queries),
	.user_free = user_free,
	.session_size = sizeof(struct reader),
	.session_end = session_end,
	.session_bind = session_bind,
	.session_save = session_save,
	.session_load = session_load,
};
