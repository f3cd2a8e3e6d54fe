/* SPDX-License-Identifier: MIT */
/*
 * Chains: hooks offered a stanza in their order, and stanzas that wait in the middle of one.
 *
 * A held stanza is in its user's list of holds with a token. What comes of the same sender to the
 * same recipient on the same chain while one is there waits in that list without a token, and is
 * run in order when the one before it goes on. Where storage answers in the order in which it was
 * asked (sm_read_in_order()), messages go up to that hook at once, and wait behind it.
 */
#include <limits.h>
#include <stdlib.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/present.h"

struct hold {
	struct wait wait; /* token 0: it waits behind another */
	struct list link; /* the user's, in order of arrival */
	uint64_t arrival;
	struct user *user;
	enum sm_chain chain;
	unsigned next; /* hook to ask when it goes on */
	uint64_t session;
	struct stanza *stanza;
	struct sm_commit commit;
	sm_read_fn *answer; /* of one that only reads, with the state of commit */
	bool in_order;	    /* those behind it may come as far as it did */
};

struct run {
	struct sm_event event;
	enum sm_chain chain;
	unsigned next;
	uint64_t arrival; /* the how-manieth of its user's */
	bool again;	  /* it was held before: it had its room */
};

/* -- the order of hooks -- */

static void insert(struct chain *chain, const struct sm_hook *hook, void *state)
{
	unsigned at = chain->count;

	if (chain->count == CHAIN_HOOKS_MAX)
		abort(); /* the list of modules is ours, and tested */
	for (; at > 0 && chain->hooks[at - 1].hook->order > hook->order; at--)
		chain->hooks[at] = chain->hooks[at - 1];
	chain->hooks[at] = (struct chain_hook){hook, state};
	chain->count++;
}

static bool may_want(const struct sm_hook *hook, enum chain_class class)
{
	switch (hook->kind) {
	case STANZA_ANY:
		return true;
	case STANZA_MESSAGE:
		return class == CHAIN_MESSAGE;
	case STANZA_PRESENCE:
		return class == CHAIN_PRESENCE;
	case STANZA_IQ_GET:
		return class == CHAIN_GET;
	case STANZA_IQ_SET:
		return class == CHAIN_SET;
	default:
		return class >= CHAIN_GET;
	}
}

static void find_takers(struct chain *chain)
{
	for (unsigned at = 0; at < chain->count; at++) {
		for (unsigned class = 0; class < CHAIN_CLASSES; class++)
			chain->takers[class] |= (uint64_t)may_want(chain->hooks[at].hook, class) << at;
	}
}

void chains_sort(struct sm *sm)
{
	for (unsigned at = 0; at < sm->module_count; at++) {
		const struct sm_hook *hook = sm_modules[at]->hooks;

		for (; hook && hook->run; hook++)
			insert(&sm->chains[hook->chain], hook, sm->modules[at]);
	}
	for (unsigned at = 0; at < SM_CHAINS; at++)
		find_takers(&sm->chains[at]);
}

static enum chain_class class_of(const struct stanza *stanza)
{
	if (stanza->kind != STANZA_IQ)
		return stanza->kind == STANZA_MESSAGE ? CHAIN_MESSAGE : CHAIN_PRESENCE;
	return stanza->type == STANZA_GET ? CHAIN_GET : stanza->type == STANZA_SET ? CHAIN_SET : CHAIN_ANSWER;
}

/*
 * An iq to the bare address is the server's to answer; one to a resource is the client's (RFC
 * 6120 10.3.3).
 */
static bool fits(enum sm_chain chain, const struct sm_hook *hook, const struct stanza *stanza)
{
	bool request = hook->kind == STANZA_IQ_GET || hook->kind == STANZA_IQ_SET;

	if (chain == SM_PKT_USER && request && stanza->to && !jid_is_bare(stanza->to))
		return false;
	return !hook->ns || stanza_find(stanza, hook->ns, hook->name) >= 0;
}

/* Of those that may want it the first that was not asked yet; the count when there is none. */
static unsigned next_taker(const struct run *run)
{
	const struct chain *chain = &run->event.sm->chains[run->chain];
	uint64_t takers = chain->takers[class_of(run->event.stanza)];

	takers = run->next < CHAIN_HOOKS_MAX ? takers >> run->next << run->next : 0;
	return takers ? (unsigned)__builtin_ctzll(takers) : chain->count;
}

/* To those before the end-th. */
static int offer_to(struct run *run, unsigned end)
{
	const struct chain *chain = &run->event.sm->chains[run->chain];
	int rc = SM_PASS;
	unsigned taker;

	while (rc == SM_PASS && (taker = next_taker(run)) < end) {
		const struct chain_hook *at = &chain->hooks[taker];

		run->next = taker + 1;
		if (fits(run->chain, at->hook, run->event.stanza))
			rc = at->hook->run(at->state, &run->event);
	}
	if (rc == SM_PASS)
		run->next = end;
	return rc;
}

static int offer(struct run *run)
{
	return offer_to(run, run->event.sm->chains[run->chain].count);
}

/* -- ends -- */

static void pass(struct run *run)
{
	struct sm *sm = run->event.sm;

	switch (run->chain) {
	case SM_IN_SESS:
		route_from_session(sm, run->event.user, &run->event.stanza);
		break;
	case SM_IN_ROUTER:
		route_arrived(sm, &run->event.stanza);
		break;
	case SM_OUT_SESS:
		route_to_session(sm, run->event.session, &run->event.stanza);
		break;
	case SM_OUT_ROUTER:
		route_leave(sm, &run->event.stanza);
		break;
	default:
		route_unhandled(sm, &run->event.stanza);
		break;
	}
}

static void finish(struct run *run, int rc)
{
	struct sm *sm = run->event.sm;

	if (rc == SM_HELD) {
		run->event.stanza = NULL;
	} else if (rc == SM_PASS) {
		pass(run);
	} else if (rc < 0) {
		log_error(&sm->log, "a stanza could not be handled: %s", strerror(-rc));
		route_refuse(sm, &run->event.stanza, STANZA_INTERNAL_SERVER_ERROR);
	} else {
		settle(sm, run->event.stanza);
		stanza_free(&run->event.stanza);
	}
}

/* -- holding -- */

static bool same_user(const struct jid *a, const struct jid *b)
{
	return a && b ? jid_equal_bare(a, b) : a == b;
}

static unsigned holds_of(const struct user *user, const struct jid *from)
{
	unsigned count = 0;

	for (const struct list *at = user->holds.next; at != &user->holds; at = at->next)
		count += same_user(container_of(at, struct hold, link)->stanza->from, from);
	return count;
}

/* Half of it is for whoever comes first; of the rest nobody takes much. */
static bool has_room(const struct user *user, const struct jid *from)
{
	return user->hold_count < USER_HOLDS_MAX / 2 ||
	       (user->hold_count < USER_HOLDS_MAX && holds_of(user, from) < SENDER_HOLDS_MAX);
}

/* Before those that came later: one that is held again came before those behind it. */
static struct list *place_of(struct user *user, uint64_t arrival)
{
	struct list *place = &user->holds;

	while (place->prev != &user->holds && container_of(place->prev, struct hold, link)->arrival > arrival)
		place = place->prev;
	return place;
}

static struct hold *hold_new(const struct run *run)
{
	struct user *user = run->event.user;
	struct hold *hold;

	if (!user || (!run->again && !has_room(user, run->event.stanza->from)))
		return NULL;
	hold = mem_zalloc(MEM_SESSION, sizeof(*hold));
	hold->user = user;
	hold->chain = run->chain;
	hold->next = run->next;
	hold->session = run->event.session ? run->event.session->id : 0;
	hold->stanza = run->event.stanza;
	hold->arrival = run->arrival;
	list_append(place_of(user, run->arrival), &hold->link);
	user->hold_count++;
	return hold;
}

static void hold_free(struct hold *hold)
{
	struct user *user = hold->user;

	wait_del(user->sm, &hold->wait);
	list_remove(&hold->link);
	user->hold_count--;
	store_txn_free(&hold->commit.txn);
	stanza_free(&hold->stanza);
	mem_free(hold);
}

void holds_drop(struct user *user)
{
	while (!list_empty(&user->holds))
		hold_free(container_of(user->holds.next, struct hold, link));
}

/*
 * Who may not overtake whom. A subscription comes from the account, what follows it from a
 * resource: bare addresses. What one asks of a server it may answer at once.
 */
static bool same_way(const struct hold *hold, enum sm_chain chain, const struct stanza *stanza)
{
	bool alone = hold->commit.loose || (hold->stanza->kind == STANZA_IQ && hold->wait.token);

	return hold->chain == chain && !alone && same_user(hold->stanza->from, stanza->from) &&
	       same_user(hold->stanza->to, stanza->to);
}

static bool is_for_a_client(const struct stanza *stanza)
{
	return stanza->to && !jid_is_bare(stanza->to) && jid_local(stanza->to).len;
}

/*
 * How far a stanza may come before those that are held: 0 not at all, which is said of most; UINT_MAX: nobody is before it. Behind
 * messages that all wait at the same place for storage, a message may come there too.
 */
static unsigned may_come(const struct user *user, enum sm_chain chain, const struct stanza *stanza)
{
	unsigned place = UINT_MAX;

	if (stanza->kind == STANZA_IQ && !is_for_a_client(stanza))
		return place;
	for (const struct list *at = user->holds.next; at != &user->holds; at = at->next) {
		const struct hold *hold = container_of(at, struct hold, link);

		if (!same_way(hold, chain, stanza))
			continue;
		if ((hold->wait.token && !hold->in_order) || stanza->kind != STANZA_MESSAGE ||
		    (place != UINT_MAX && place != hold->next))
			return 0;
		place = hold->next;
	}
	return place;
}

int sm_hold(const struct sm_event *event, uint64_t *token)
{
	struct run *run = container_of((struct sm_event *)event, struct run, event);
	struct hold *hold = hold_new(run);

	if (!hold)
		return SM_FULL;
	wait_add(event->sm, &hold->wait, WAIT_HOLD);
	*token = hold->wait.token;
	return 0;
}

/* -- going on -- */

/* The run that a hold interrupted. */
static struct run run_at(const struct hold *hold)
{
	struct sm *sm = hold->user->sm;

	return (struct run){
		.event = {.sm = sm,
			  .user = hold->user,
			  .session = hold->session ? slots_get(&sm->sessions, hold->session) : NULL,
			  .stanza = hold->stanza},
		.chain = hold->chain,
		.next = hold->next,
		.arrival = hold->arrival,
		.again = true,
	};
}

/* The same; the hold is gone. */
static struct run run_of(struct hold *hold)
{
	struct run run = run_at(hold);

	hold->stanza = NULL;
	hold_free(hold);
	return run;
}

/* What a session left behind when it ended: its messages go on, all else means nothing without it. */
static bool is_orphan(const struct run *run)
{
	return run->chain == SM_IN_SESS && !run->event.session && run->event.stanza->kind != STANZA_MESSAGE;
}

static void go_on(struct run *run, int rc)
{
	if (rc == SM_PASS && is_orphan(run)) {
		settle(run->event.sm, run->event.stanza);
		stanza_free(&run->event.stanza);
		return;
	}
	/* The account ended meanwhile: nothing more is written for it. */
	if (rc == SM_PASS && run->chain == SM_PKT_USER && !run->event.user->known) {
		route_to_nobody(run->event.sm, &run->event.stanza);
		return;
	}
	if (rc == SM_PASS)
		rc = offer(run);
	finish(run, rc);
}

/* The first of them that there is, unless that waits for an answer itself. */
static struct hold *next_behind(const struct user *user, enum sm_chain chain, const struct stanza *stanza)
{
	for (const struct list *at = user->holds.next; at != &user->holds; at = at->next) {
		struct hold *hold = container_of(at, struct hold, link);

		if (same_way(hold, chain, stanza))
			return hold->wait.token ? NULL : hold;
	}
	return NULL;
}

static void run_behind(struct user *user, enum sm_chain chain, const struct stanza *key)
{
	struct hold *hold;

	while ((hold = next_behind(user, chain, key))) {
		struct run run = run_of(hold);

		go_on(&run, SM_PASS);
	}
}

/*
 * Who waits behind a stanza is found by its addresses, also when a hook has changed them, or it is
 * gone.
 */
static struct stanza key_of(const struct stanza *stanza)
{
	return (struct stanza){
		.kind = stanza->kind, .from = jid_ref(stanza->from), .to = jid_ref(stanza->to)};
}

static void release(struct run *run, int rc, struct stanza *key)
{
	struct user *user = run->event.user;

	go_on(run, rc);
	if (key->kind != STANZA_IQ)
		run_behind(user, run->chain, key);
	jid_free(&key->from);
	jid_free(&key->to);
	user_rest(user);
}

void sm_answer(struct sm *sm, uint64_t token, sm_answer_fn *answer, void *state)
{
	struct wait *wait = wait_get(sm, token, WAIT_HOLD);
	struct stanza key;
	struct run run;

	if (!wait)
		return;
	run = run_of(container_of(wait, struct hold, wait));
	key = key_of(run.event.stanza);
	release(&run, answer(state, &run.event), &key);
}

static int say_result(void *result, const struct sm_event *event)
{
	return *(const int *)result;
}

void sm_release(struct sm *sm, uint64_t token, int result)
{
	sm_answer(sm, token, say_result, &result);
}

/* -- what storage answers -- */

/* The stanza goes on after it was held for storage, and what waited behind it. */
static void stored(struct run *run, int rc, struct stanza *key)
{
	struct sm *sm = run->event.sm;
	struct user *user = run->event.user;

	release(run, rc, key);
	if (user->session_count)
		user_renew(user); /* one that is stale now: clients may have seen it */
	sm_work(sm);
}

static void committed(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct sm *sm = arg;
	struct wait *wait = wait_get(sm, token, WAIT_HOLD);
	struct sm_commit commit;
	struct stanza key;
	struct run run;
	int rc;

	if (!wait)
		return;
	commit = container_of(wait, struct hold, wait)->commit;
	run = run_of(container_of(wait, struct hold, wait));
	key = key_of(run.event.stanza);
	if (result && commit.stale)
		user_stale(run.event.user);
	/* STORE_EXISTS: an earlier life of ours did all this, and could not say so any more. */
	if (result == 0 || (result == STORE_EXISTS && run.event.stanza->origin.key))
		rc = commit.committed(commit.state, &run.event, commit.note);
	else
		rc = sm_reply_error(&run.event, STANZA_RESOURCE_CONSTRAINT);
	stored(&run, rc, &key);
}

/* One that came before it went on, and is held again. */
static bool is_behind(const struct hold *hold)
{
	for (const struct list *at = hold->link.prev; at != &hold->user->holds; at = at->prev) {
		if (same_way(container_of(at, const struct hold, link), hold->chain, hold->stanza))
			return true;
	}
	return false;
}

/* It has its answer, and waits where it is. */
static void stay_behind(struct hold *hold)
{
	wait_del(hold->user->sm, &hold->wait);
	hold->in_order = false;
	hold->answer = NULL;
}

static void answered(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct sm *sm = arg;
	struct wait *wait = wait_get(sm, token, WAIT_HOLD);
	struct hold *hold;
	sm_read_fn *answer;
	void *state;
	struct stanza key;
	struct run run;

	if (!wait)
		return;
	hold = container_of(wait, struct hold, wait);
	answer = hold->answer;
	state = hold->commit.state;
	if (hold->in_order && result == 0 && is_behind(hold)) {
		run = run_at(hold);
		answer(state, &run.event, txn);
		stay_behind(hold);
		return;
	}
	run = run_of(hold);
	key = key_of(run.event.stanza);
	stored(&run, result ? sm_reply_error(&run.event, STANZA_RESOURCE_CONSTRAINT) : answer(state, &run.event, txn), &key);
}

bool sm_is_done(const struct sm_event *event)
{
	return event->session && present_is_done(event->session, event->stanza->origin.count);
}

int sm_commit(const struct sm_event *event, const struct sm_commit *commit)
{
	const struct origin *origin = &event->stanza->origin;
	struct store_txn *txn = commit->txn;
	bool done = sm_is_done(event);
	uint64_t token;
	struct hold *hold;

	if (done) { /* an earlier process committed it: only the answer is wanted, and others may have changed it since */
		store_txn_free(&txn);
		if (commit->stale)
			user_stale(event->user);
		if (event->stanza->kind == STANZA_IQ)
			return sm_reply_result(event);
		txn = store_txn_new();
	}
	if (sm_hold(event, &token) == SM_FULL) {
		store_txn_free(&txn);
		if (commit->stale)
			user_stale(event->user);
		return sm_reply_error(event, STANZA_RESOURCE_CONSTRAINT);
	}
	hold = container_of(wait_get(event->sm, token, WAIT_HOLD), struct hold, wait);
	hold->commit = *commit;
	hold->commit.txn = NULL;
	if (origin->key && !done)
		store_origin(txn, origin->key, origin->count, origin->mark);
	sm_run(event->sm, &txn, committed, &hold->wait);
	return SM_HELD;
}

static int start_read(const struct sm_event *event, struct store_txn **txn, sm_read_fn *answer, void *state, bool in_order)
{
	uint64_t token;
	struct hold *hold;

	if (sm_hold(event, &token) == SM_FULL) {
		store_txn_free(txn);
		return sm_reply_error(event, STANZA_RESOURCE_CONSTRAINT);
	}
	hold = container_of(wait_get(event->sm, token, WAIT_HOLD), struct hold, wait);
	hold->answer = answer;
	hold->commit.state = state;
	hold->in_order = in_order;
	sm_run(event->sm, txn, answered, &hold->wait);
	return SM_HELD;
}

int sm_read(const struct sm_event *event, struct store_txn **txn, sm_read_fn *answer, void *state)
{
	return start_read(event, txn, answer, state, false);
}

int sm_read_in_order(const struct sm_event *event, struct store_txn **txn, sm_read_fn *answer, void *state)
{
	return start_read(event, txn, answer, state, true);
}

/* -- starting -- */

/* Where nothing more can wait a question may as well overtake: one of its two sides would wait for ever. */
static void wait_behind(struct run *run)
{
	if (hold_new(run))
		return;
	if (run->event.stanza->kind == STANZA_IQ)
		finish(run, offer(run));
	else
		route_refuse(run->event.sm, &run->event.stanza, STANZA_RESOURCE_CONSTRAINT);
}

void chain_start(struct sm *sm, enum sm_chain chain, struct user *user, struct session *session,
		 struct stanza **stanza)
{
	struct run run = {
		.event = {.sm = sm, .user = user, .session = session, .stanza = *stanza},
		.chain = chain,
	};

	unsigned place = UINT_MAX;
	int rc;

	*stanza = NULL;
	if (user && (chain == SM_IN_SESS || chain == SM_PKT_USER)) {
		run.arrival = ++user->arrivals;
		place = may_come(user, chain, run.event.stanza);
	}
	rc = place == UINT_MAX ? offer(&run) : offer_to(&run, place);
	if (rc == SM_PASS && place != UINT_MAX)
		wait_behind(&run);
	else
		finish(&run, rc);
}
