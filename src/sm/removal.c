/* SPDX-License-Identifier: MIT */
#include "sm/removal.h"

#include <errno.h>
#include <string.h>
#include "base/stamp.h"
#include "component/accounts.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/errand.h"
#include "sm/kept.h"
#include "sm/modules/modules.h"
#include "sm/roster.h"
#include "sm/sm_component.h"
#include "sm/subscription.h"
#include "storage/storage.h"

/* What its sessions leave behind is written before, by the same owner, and goes too; from here on there is no such user. */
struct store_txn *removal_begin(struct user *user)
{
	struct store_txn *txn = store_txn_new();

	while (user->session_count)
		session_end(user_next_session(user, NULL), SESSION_TELL_DELETED);
	auth_account_end(txn, user->jid, sm_wall_ms(user->sm));
	resume_clear_origins(user, txn);
	resume_user_free(user);
	subscribe_farewells(txn, user);
	modules_user_delete(user);
	user->known = false;
	return txn;
}

void removal_end(struct sm *sm, struct jid *jid, int result)
{
	struct user *user = user_get(sm, jid);

	if (user)
		user_stale(user); /* what is in memory of it is of before */
	if (!result)
		farewell_say(sm, jid);
}

/* -- a request of c2s -- */

static void answer(struct sm *sm, const struct packet *asked, int result)
{
	struct packet *made = packet_answer(asked);

	made->account.result = result;
	link_send(sm->link, &made);
}

static void removed(struct sm *sm, struct packet **lent, const struct store_txn *txn, int result)
{
	const struct packet *asked = *lent;

	removal_end(sm, asked->account.user, result);
	answer(sm, asked, result);
}

void removal_fail(struct sm *sm, const struct packet *packet)
{
	answer(sm, packet, -EAGAIN);
}

void removal_loaded(struct user *user, struct packet **packet)
{
	struct sm *sm = user->sm;
	struct store_txn *txn;

	if (!user->known) {
		answer(sm, *packet, AUTH_UNKNOWN);
		return;
	}
	txn = removal_begin(user);
	sm_store_packet(sm, &txn, packet, removed);
	user_rest(user);
}

bool removal_take(struct sm *sm, struct packet **packet)
{
	const struct packet *asked = *packet;
	struct jid *jid = asked->account.user;
	struct user *user;

	if (asked->account.verb != AUTH_REMOVE || asked->account.answer || !sm_is_domain(sm, jid_domain(jid)))
		return false;
	user = user_need(sm, jid);
	if (user->state == USER_READY)
		removal_loaded(user, packet);
	else if (!user_wait(user, packet))
		removal_fail(sm, asked);
	packet_free(packet);
	return true;
}

/* -- user del -- */

static void say_done(struct buf *out, bool json, struct slice jid, int64_t wall_ms)
{
	char until[STAMP_LEN];

	auth_locked_until(until, wall_ms);
	if (!json) {
		buf_append_slice(out, jid);
		buf_printf(out, ": deleted; nobody gets the name before %s", until);
		return;
	}
	buf_append_text(out, "{\"jid\": ");
	ctl_json_text(out, jid);
	buf_printf(out, ", \"locked_until\": \"%s\"}", until);
}

static void user_ended(struct errand *errand, struct user *user)
{
	struct sm *sm = user->sm;

	log_info(&sm->log, "account removed: %s, by an administrator", jid_text(user->jid));
	removal_end(sm, user->jid, 0);
	say_done(&errand->out, errand->json, jid_user(user->jid), sm_wall_ms(sm));
	errand_end(errand, CTL_OK);
}

static void end_user(struct errand *errand, struct user *user)
{
	struct store_txn *txn = removal_begin(user);

	errand_store(errand, user, &txn, user_ended);
}

/* -- user del, where no session manager runs: contacts hear of it when one does -- */

static struct mio *loop_of(const struct process *process)
{
	return process->workers[0]->mio;
}

/* The account of a call that goes on; NULL: its caller went away, or storage failed and it has ended. */
static struct jid *account_of(const struct process *process, uint64_t token, int result, struct ctl_call **call)
{
	const char *why;

	*call = ctl_call(process->ctl, token);
	if (!*call)
		return NULL;
	if (!result)
		return account_jid(process, slice_of(ctl_arg(*call, 0)), &why);
	if (result == STORE_ABSENT)
		ctl_error(*call, "%s: there is no such account", ctl_arg(*call, 0));
	else
		ctl_error(*call, "%s: storage: %s", ctl_arg(*call, 0), strerror(result < 0 ? -result : EIO));
	ctl_end(*call, CTL_PROBLEM);
	return NULL;
}

static void rows_ended(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	const struct process *process = arg;
	struct ctl_call *call;
	AUTO(jid_free) struct jid *jid = account_of(process, token, result, &call);
	AUTO(buf_fini) struct buf line = {0};

	if (!jid)
		return;
	say_done(&line, ctl_wants_json(call), jid_user(jid), mio_wall_ms(loop_of(process)));
	ctl_print(call, "%s", buf_text(&line));
	ctl_end(call, CTL_OK);
}

enum { ROSTER_OP, REQUEST_OP }; /* what is read, in this order */

static unsigned state_of(const struct store_row *contacts, size_t count, struct slice contact)
{
	for (size_t at = 0; at < count; at++) {
		struct roster_item *item = slice_equal(contacts[at].item, contact) ? roster_item_parse(contacts[at].value) : NULL;
		unsigned state = item ? item->subscription : 0;

		roster_item_free(&item);
		if (state)
			return state;
	}
	return 0;
}

static void keep_farewells(struct store_txn *to, struct jid *user, const struct store_txn *from)
{
	size_t contact_count, request_count;
	const struct store_row *contacts = store_rows(from, ROSTER_OP, &contact_count);
	const struct store_row *requests = store_rows(from, REQUEST_OP, &request_count);

	for (size_t at = 0; at < contact_count + request_count; at++) {
		bool asked = at >= contact_count;
		struct slice item = asked ? requests[at - contact_count].item : contacts[at].item;
		AUTO(jid_free) struct jid *contact = jid_parse(item);

		if (contact)
			kept_farewell(to, user, contact,
				      state_of(contacts, contact_count, item) | (asked ? SUBSCRIPTION_REQUEST : 0));
	}
}

static void rows_read(void *arg, uint64_t token, const struct store_txn *read, int result)
{
	const struct process *process = arg;
	struct ctl_call *call;
	AUTO(jid_free) struct jid *jid = account_of(process, token, result, &call);
	struct store_txn *txn;

	if (!jid)
		return;
	txn = store_txn_new();
	store_need(txn, STORE_ACCOUNT, jid_user(jid), SLICE("created"));
	auth_account_end(txn, jid, mio_wall_ms(loop_of(process)));
	keep_farewells(txn, jid, read);
	storage_run(process->storage, loop_of(process), &txn, rows_ended, arg, token);
}

static void end_rows(struct process *process, struct ctl_call *call, struct jid *jid)
{
	struct store_txn *txn = store_txn_new();

	store_list(txn, STORE_ROSTER, jid_user(jid));
	store_list(txn, STORE_REQUEST, jid_user(jid));
	storage_run(process->storage, loop_of(process), &txn, rows_read, process, ctl_id(call));
}

void user_del_run(void *arg, struct ctl_call *call)
{
	struct process *process = arg;
	AUTO(jid_free) struct jid *jid = NULL;

	if (!process->storage) {
		ctl_end(call, CTL_ELSEWHERE);
		return;
	}
	if (!command_words(call, 1, "one account is wanted: jackdaw user del alice@example.com"))
		return;
	jid = command_account(process, call, ctl_arg(call, 0), false);
	if (jid && worker_state(process->workers[0], &sm_component))
		command_send(process, call, jid, end_user);
	else if (jid)
		end_rows(process, call, jid);
}
