/* SPDX-License-Identifier: MIT */
/*
 * Users in memory:
 *
 *   (nobody) ── first need ──> LOADING ── answered ──> READY ── a write failed ──> STALE
 *                                 ^                                                 │
 *                                 └────────────────── next packet ──────────────────┘
 *
 * One that was never known, or rests too long, is dropped; packets that come meanwhile wait, in
 * order and bounded.
 */
#include "sm/user.h"

#include <errno.h>
#include "base/mem.h"
#include "component/settings.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/modules/modules.h"
#include "sm/deliveries.h"
#include "sm/saved.h"

enum { LOAD_READS_MAX = 16 };

struct sm_load {
	struct wait wait;
	struct list again; /* among those that are read once more, sm/saved.h */
	struct user *user;
	struct store_txn *txn;
	void *state; /* of the module that adds reads now */
	unsigned account_op, active_op, saved_op;
	struct {
		sm_load_fn *loaded;
		void *state;
		unsigned op;
		int list; /* the store that it lists; -1: it does not */
	} reads[LOAD_READS_MAX];
	unsigned read_count;
	struct list waiters; /* of struct user_waiter */
	struct packet **waiting;
	unsigned waiting_count, waiting_cap;
};

static void load_start(struct user *user);

/* -- finding -- */

static struct slice user_key(const void *entry)
{
	return jid_user(((const struct user *)entry)->jid);
}

void users_init(struct sm *sm)
{
	table_init(&sm->users, user_key, mio_hash_key(sm->mio));
	list_init(&sm->resting);
}

struct user *user_get(struct sm *sm, const struct jid *jid)
{
	struct user *user = table_get(&sm->users, jid_user(jid));

	if (user) {
		mem_fetch(user, sizeof(*user) + sm->user_size);
		mem_fetch(user->sessions.next, sizeof(struct session)); /* mostly it has one */
	}
	return user;
}

static struct user *user_new(struct sm *sm, struct jid *jid)
{
	struct user *user = mem_zalloc(MEM_USER, sizeof(*user) + sm->user_size);

	user->sm = sm;
	user->jid = jid_bare(jid);
	list_init(&user->sessions);
	list_init(&user->rest);
	list_init(&user->holds);
	list_init(&user->deliveries);
	table_put(&sm->users, user);
	metric_add(sm->process, METRIC_USERS_LOADED, 1);
	return user;
}

struct user *user_need(struct sm *sm, struct jid *jid)
{
	struct user *user = user_get(sm, jid);

	if (user) {
		user_renew(user);
		return user;
	}
	user = user_new(sm, jid);
	load_start(user);
	return user;
}

void user_renew(struct user *user)
{
	if (user->state == USER_STALE)
		load_start(user);
}

struct session *user_next_session(const struct user *user, const struct session *after)
{
	const struct list *next = after ? after->link.next : user->sessions.next;

	return next == &user->sessions ? NULL : container_of(next, struct session, link);
}

struct session *user_find_session(const struct user *user, const struct jid *full)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		if (jid_equal(session->jid, full))
			break;
	}
	return session;
}

bool user_is_anonymous(const struct user *user)
{
	return user->anonymous || (!user->known && auth_is_anonymous(user->jid));
}

/* Who logged in c2s knows. Of ANONYMOUS are names that no account can have. */
bool user_is_allowed(const struct user *user)
{
	bool anonymous = auth_is_anonymous(user->jid) && settings_offers(sm_settings(user->sm), "ANONYMOUS");

	return (user->known || anonymous) && !user->disabled;
}

/* -- loading -- */

static unsigned add_read(struct sm_load *load, unsigned op, int list, sm_load_fn *loaded)
{
	if (load->read_count == LOAD_READS_MAX)
		return op; /* the modules are ours, and few */
	load->reads[load->read_count].loaded = loaded;
	load->reads[load->read_count].state = load->state;
	load->reads[load->read_count].list = list;
	load->reads[load->read_count++].op = op;
	return op;
}

unsigned sm_load_list(struct sm_load *load, int store, sm_load_fn *loaded)
{
	for (unsigned at = 0; at < load->read_count; at++) {
		if (load->reads[at].list == store)
			return add_read(load, load->reads[at].op, store, loaded); /* it is read once for all */
	}
	return add_read(load, store_list(load->txn, (enum store)store, jid_user(load->user->jid)), store, loaded);
}

unsigned sm_load_count(struct sm_load *load, int store, sm_load_fn *loaded)
{
	return add_read(load, store_count(load->txn, (enum store)store, jid_user(load->user->jid)), -1, loaded);
}

static bool is_known(const struct sm_load *load, const struct store_txn *txn)
{
	size_t accounts, active;

	store_rows(txn, load->account_op, &accounts);
	store_rows(txn, load->active_op, &active);
	return accounts > 0 || active > 0;
}

static bool is_disabled(const struct sm_load *load, const struct store_txn *txn)
{
	size_t count;
	const struct store_row *rows = store_rows(txn, load->account_op, &count);

	for (size_t at = 0; at < count; at++) {
		if (slice_is(rows[at].item, "disabled"))
			return true;
	}
	return false;
}

static void load_free(struct sm_load *load)
{
	list_remove(&load->again);
	wait_del(load->user->sm, &load->wait);
	mem_free(load->waiting);
	mem_free(load);
}

/* The packets that waited, in order; more may wait again behind a new load. */
static void load_end(struct sm_load *load, bool loaded)
{
	struct user *user = load->user;
	struct sm *sm = user->sm;
	struct list *first;

	for (unsigned at = 0; at < load->waiting_count; at++) {
		if (loaded)
			route_loaded(sm, user, &load->waiting[at]);
		else
			route_not_loaded(sm, &load->waiting[at]);
	}
	while ((first = list_shift(&load->waiters))) {
		struct user_waiter *waiter = container_of(first, struct user_waiter, link);

		waiter->loaded(waiter, loaded);
	}
	load_free(load);
}

static bool has_saved(const struct sm_load *load, const struct store_txn *txn)
{
	size_t count;

	store_rows(txn, load->saved_op, &count);
	return count;
}

static void loaded(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct sm *sm = arg;
	struct wait *wait = wait_get(sm, token, WAIT_LOAD);
	struct sm_load *load;
	struct user *user;

	if (!wait)
		return;
	load = container_of(wait, struct sm_load, wait);
	user = load->user;
	if (result == 0 && saved_is_sealed(sm) && has_saved(load, txn)) {
		list_append(&sm->saved.loads, &load->again); /* what comes for it waits for its sessions */
		return;
	}
	if (result == 0 && sm->saved.step && has_saved(load, txn))
		result = -EAGAIN; /* they are for the next start */
	else if (result)
		saved_missed(sm);
	user->load = NULL;
	user->state = result ? USER_STALE : USER_READY;
	if (result == 0) {
		user->known = is_known(load, txn) || user->anonymous;
		user->disabled = is_disabled(load, txn);
		for (unsigned at = 0; at < load->read_count; at++) {
			size_t count;
			const struct store_row *rows = store_rows(txn, load->reads[at].op, &count);

			load->reads[at].loaded(load->reads[at].state, user, rows, count);
		}
		if (user->disabled) /* since its sessions were saved */
			session_allow_user(user, false);
	}
	load_end(load, result == 0);
	user_rest(user);
	sm_work(sm);
}

static void stop_resting(struct user *user)
{
	if (!list_empty(&user->rest))
		user->sm->resting_bytes -= user->weight;
	list_remove(&user->rest);
}

static void read_all(struct sm_load *load)
{
	struct user *user = load->user;
	struct sm *sm = user->sm;

	load->read_count = 0;
	load->txn = store_txn_new();
	load->account_op = store_list(load->txn, STORE_ACCOUNT, jid_user(user->jid));
	load->active_op = store_get(load->txn, STORE_USER, jid_user(user->jid), SLICE("active"));
	for (unsigned at = 0; at < sm->module_count; at++) {
		load->state = sm->modules[at];
		if (sm_modules[at]->user_load)
			sm_modules[at]->user_load(load->state, user, load);
	}
	resume_load(user, load);
	load->saved_op = saved_load(load);
	offline_load(user, load);
	sm_run(sm, &load->txn, loaded, &load->wait);
}

static void load_start(struct user *user)
{
	struct sm_load *load = mem_zalloc(MEM_USER, sizeof(*load));

	load->user = user;
	list_init(&load->again);
	list_init(&load->waiters);
	stop_resting(user); /* one that was about to be dropped may be needed again */
	user->state = USER_LOADING;
	user->load = load;
	wait_add(user->sm, &load->wait, WAIT_LOAD);
	read_all(load);
}

void users_load_again(struct sm *sm)
{
	struct list *again;

	while ((again = list_shift(&sm->saved.loads)))
		read_all(container_of(again, struct sm_load, again));
}

bool user_wait(struct user *user, struct packet **packet)
{
	struct sm_load *load = user->load;

	if (!load || load->waiting_count == LOAD_WAITING_MAX)
		return false;
	if (load->waiting_count == load->waiting_cap) {
		load->waiting_cap = load->waiting_cap ? load->waiting_cap * 2 : 4;
		load->waiting = mem_realloc(MEM_USER, load->waiting,
					    load->waiting_cap * sizeof(*load->waiting));
	}
	load->waiting[load->waiting_count++] = *packet;
	*packet = NULL;
	return true;
}

void user_await(struct user *user, struct user_waiter *waiter)
{
	list_append(&user->load->waiters, &waiter->link);
}

void user_stale(struct user *user)
{
	if (user->state == USER_READY)
		user->state = USER_STALE;
}

/* -- going -- */

static bool is_needed(const struct user *user)
{
	return user->session_count || user->hold_count || user->pins || user->state == USER_LOADING || user->resumptions.left;
}

static void forget_anonymous(struct user *user)
{
	if (user->anonymous && !user->session_count)
		user->known = user->anonymous = false;
}

static size_t weight(const struct user *user)
{
	return sizeof(*user) + user->sm->user_size + jid_full(user->jid).len +
	       user->resumptions.count * sizeof(*user->resumptions.items) + modules_user_weight(user);
}

/* A user who has to go at once rests before all others. */
void user_rest(struct user *user)
{
	struct sm *sm = user->sm;

	forget_anonymous(user);
	stop_resting(user);
	if (is_needed(user))
		return;
	if (user->known)
		list_append(&sm->resting, &user->rest);
	else
		list_append(sm->resting.next, &user->rest);
	user->weight = weight(user);
	sm->resting_bytes += user->weight;
}

static void user_drop(struct user *user)
{
	struct sm *sm = user->sm;

	stop_resting(user);
	table_del(&sm->users, jid_user(user->jid));
	metric_add(sm->process, METRIC_USERS_LOADED, -1);
	modules_user_free(user);
	resume_user_free(user);
	jid_free(&user->jid);
	mem_free(user);
}

void users_trim(struct sm *sm)
{
	while (!list_empty(&sm->resting)) {
		struct user *first = container_of(sm->resting.next, struct user, rest);

		if (sm->resting_bytes <= USERS_RESTING_BYTES && first->known)
			break;
		user_drop(first);
	}
}

static void load_drop(struct user *user)
{
	struct sm_load *load = user->load;

	if (!load)
		return;
	for (unsigned at = 0; at < load->waiting_count; at++)
		packet_free(&load->waiting[at]);
	load_free(load);
	user->load = NULL;
}

void users_drop(struct sm *sm)
{
	struct user *user;

	for (uint32_t at = 0; (user = table_next(&sm->users, &at));) {
		while (user->session_count)
			session_end(user_next_session(user, NULL), SESSION_TELL_NOBODY);
		load_drop(user);
		holds_drop(user);
		deliveries_forget(user);
		user_drop(user);
	}
	table_fini(&sm->users);
}
