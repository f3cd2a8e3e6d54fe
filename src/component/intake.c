/* SPDX-License-Identifier: MIT */
/* Accounts that come in numbers. */
#include "component/intake.h"

#include <errno.h>
#include <string.h>
#include "base/mem.h"
#include "base/stamp.h"
#include "component/accounts_private.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "jid/jid.h"

enum {
	/*
	 * Half is written while the other half gathers, and each commit waits for the disk: the
	 * more, the faster; but some of what clients want from storage waits for them.
	 */
	UNDER_WAY_MAX = 2048,
	UNDER_WAY_ALONE = 16384,
	UNDER_WAY_BYTES = 16 << 20,
	HASHING_MAX = 16,	/* logins of clients need the same threads */
	UNDER_WAY_HASHING = 64, /* of whom who hashes: what progress says is near what is done */
	PROGRESS_MS = 1000,
};

struct intakes {
	struct process *process;
	struct ctl *ctl;
	struct slots newcomers; /* all that storage or hashing will answer for */
};

struct intake {
	struct intakes *intakes;
	uint64_t call;
	const struct intake_source *source;
	void *state;
	bool dry;

	struct list under_way, to_hash;
	unsigned count, hashing;
	size_t bytes;
	bool waiting, ended; /* for input; it has ended */
	int fault;
	int64_t progress_ms;
	char stamp[STAMP_LEN];
};

static void go_on(struct intake *intake);

static struct mio *loop_of(const struct intakes *intakes)
{
	return intakes->process->workers[0]->mio;
}

/* -- newcomers -- */

static void newcomer_free(struct newcomer *newcomer)
{
	struct intake *intake = newcomer->intake;

	slots_del(&intake->intakes->newcomers, newcomer->id);
	list_remove(&newcomer->link);
	intake->count--;
	intake->bytes -= newcomer->bytes;
	jid_free(&newcomer->user);
	buf_wipe(&newcomer->password);
	auth_account_wipe(&newcomer->account);
	store_txn_free(&newcomer->txn);
	intake->source->free_newcomer(newcomer);
}

static void drop(struct list *newcomers)
{
	while (!list_empty(newcomers))
		newcomer_free(container_of(newcomers->next, struct newcomer, link));
}

static void settle(struct newcomer *newcomer, enum newcomer_end end)
{
	struct intake *intake = newcomer->intake;

	intake->source->settled(intake->state, ctl_call(intake->intakes->ctl, intake->call),
				newcomer, end);
	newcomer_free(newcomer);
	go_on(intake);
}

/* Nobody else is let in; what is under way ends. */
static void fail(struct newcomer *newcomer, int fault)
{
	struct intake *intake = newcomer->intake;

	intake->fault = fault;
	newcomer_free(newcomer);
	drop(&intake->to_hash);
	go_on(intake);
}

/* -- its way -- */

static void written(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct newcomer *newcomer = slots_get(&((struct intakes *)arg)->newcomers, token);

	if (newcomer && result < 0)
		fail(newcomer, result);
	else if (newcomer && result == STORE_FULL)
		settle(newcomer, NEWCOMER_LOCKED);
	else if (newcomer)
		settle(newcomer, result ? NEWCOMER_EXISTED : NEWCOMER_ADDED);
}

static void write_newcomer(struct newcomer *newcomer)
{
	struct intake *intake = newcomer->intake;
	struct intakes *intakes = intake->intakes;
	struct store_txn *txn = newcomer->txn ? newcomer->txn : store_txn_new();

	newcomer->txn = NULL;
	auth_account_unlocked(txn, newcomer->user, mio_wall_ms(loop_of(intakes)));
	auth_account_rows(txn, newcomer->user, &newcomer->account, intake->stamp);
	storage_run(intakes->process->storage, loop_of(intakes), &txn, written, intakes,
		    newcomer->id);
}

static void hash_some(struct intake *intake);

static void made(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct newcomer *newcomer = slots_get(&((struct intakes *)arg)->newcomers, token);
	struct intake *intake;

	if (!newcomer)
		return;
	intake = newcomer->intake;
	intake->hashing--;
	if (result == AUTH_OK) {
		newcomer->account = *account;
		write_newcomer(newcomer);
		hash_some(intake);
	} else {
		fail(newcomer, -EAGAIN);
	}
}

static void hash_some(struct intake *intake)
{
	struct intakes *intakes = intake->intakes;
	struct list *link;

	while (intake->hashing < HASHING_MAX && (link = list_shift(&intake->to_hash))) {
		struct newcomer *newcomer = container_of(link, struct newcomer, link);

		list_append(&intake->under_way, link);
		intake->hashing++;
		auth_make_account(intakes->process->workers[0]->auth,
				  buf_slice(&newcomer->password), made, intakes, newcomer->id);
		buf_wipe(&newcomer->password);
	}
}

static void looked(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct newcomer *newcomer = slots_get(&((struct intakes *)arg)->newcomers, token);
	size_t accounts, actives;

	if (!newcomer)
		return;
	if (result < 0) {
		fail(newcomer, result);
		return;
	}
	store_rows(txn, 0, &accounts);
	store_rows(txn, 1, &actives);
	if (accounts || (actives && newcomer->is_user)) {
		settle(newcomer, NEWCOMER_EXISTED);
	} else if (newcomer->intake->dry) {
		settle(newcomer, NEWCOMER_ADDED);
	} else if (buf_used(&newcomer->password)) {
		list_remove(&newcomer->link);
		list_append(&newcomer->intake->to_hash, &newcomer->link);
		hash_some(newcomer->intake);
	} else {
		write_newcomer(newcomer);
	}
}

static void look(struct newcomer *newcomer)
{
	struct intakes *intakes = newcomer->intake->intakes;
	struct store_txn *txn = store_txn_new();

	store_get(txn, STORE_ACCOUNT, jid_user(newcomer->user), ACCOUNT_CREATED);
	store_get(txn, STORE_USER, jid_user(newcomer->user), SLICE("active"));
	storage_run(intakes->process->storage, loop_of(intakes), &txn, looked, intakes,
		    newcomer->id);
}

/* Who brings keys is written at once: that it exists already is found then. */
static void let_in(struct intake *intake, struct newcomer *newcomer)
{
	newcomer->intake = intake;
	newcomer->id = slots_add(&intake->intakes->newcomers, newcomer);
	list_append(&intake->under_way, &newcomer->link);
	intake->count++;
	intake->bytes += newcomer->bytes;
	if (intake->dry || newcomer->is_user || buf_used(&newcomer->password))
		look(newcomer);
	else
		write_newcomer(newcomer);
}

/* -- the call -- */

static void input_came(void *arg, struct ctl_call *call)
{
	struct intake *intake = arg;

	intake->waiting = false;
	go_on(intake);
}

static void tell_progress(struct intake *intake, struct ctl_call *call)
{
	int64_t now_ms = mio_now_ms(loop_of(intake->intakes));
	AUTO(buf_fini) struct buf text = {0};

	if (now_ms - intake->progress_ms < PROGRESS_MS)
		return;
	intake->progress_ms = now_ms;
	intake->source->tell(intake->state, &text);
	ctl_progress(call, "%s", buf_text(&text));
}

static bool has_room(const struct intake *intake)
{
	bool alone = !*intake->intakes->process->components;
	unsigned most = alone ? UNDER_WAY_ALONE : UNDER_WAY_MAX;

	return intake->count < (intake->hashing ? UNDER_WAY_HASHING : most) &&
	       intake->bytes < UNDER_WAY_BYTES;
}

static void pull(struct intake *intake, struct ctl_call *call)
{
	while (!intake->waiting && !intake->ended && !intake->fault && has_room(intake)) {
		struct newcomer *newcomer = NULL;
		enum intake_next next = intake->source->next(intake->state, call, false, &newcomer);

		if (next == INTAKE_MORE) {
			intake->waiting = ctl_more(call, input_came, intake);
			if (intake->waiting)
				return;
			next = intake->source->next(intake->state, call, true, &newcomer);
		}
		if (next == INTAKE_ONE)
			let_in(intake, newcomer);
		else
			intake->ended = true;
	}
}

static void go_on(struct intake *intake)
{
	struct ctl_call *call = ctl_call(intake->intakes->ctl, intake->call);
	bool wrong;

	tell_progress(intake, call);
	pull(intake, call);
	if (intake->count || !(intake->ended || intake->fault))
		return;
	if (intake->fault)
		ctl_error(call, "%s; run it again, what is in stays",
			  intake->fault == -EAGAIN ? "the server is too busy to hash passwords"
						   : strerror(-intake->fault));
	wrong = intake->source->end(intake->state, call);
	ctl_end(call, wrong || intake->fault ? CTL_PROBLEM : CTL_OK);
}

/* What storage and hashing still answer finds nobody. */
static void intake_free(void *kept)
{
	struct intake *intake = kept;

	drop(&intake->under_way);
	drop(&intake->to_hash);
	intake->source->free(intake->state);
	mem_free(intake);
}

void intake_start(struct intakes *intakes, struct ctl_call *call,
		  const struct intake_source *source, void *state, bool dry)
{
	struct intake *intake = mem_zalloc(MEM_OTHER, sizeof(*intake));

	intake->intakes = intakes;
	intake->call = ctl_id(call);
	intake->source = source;
	intake->state = state;
	intake->dry = dry;
	list_init(&intake->under_way);
	list_init(&intake->to_hash);
	intake->progress_ms = mio_now_ms(loop_of(intakes));
	stamp_print(intake->stamp, mio_wall_ms(loop_of(intakes)), false);
	ctl_keep(call, intake, intake_free);
	go_on(intake);
}

struct intakes *intakes_new(struct ctl *ctl, struct process *process)
{
	struct intakes *intakes = mem_zalloc(MEM_OTHER, sizeof(*intakes));
	uint32_t generation;

	intakes->process = process;
	intakes->ctl = ctl;
	mio_host_random(process->host, &generation, sizeof(generation));
	slots_init(&intakes->newcomers, 0, generation);
	return intakes;
}

void intakes_free(struct intakes **intakes)
{
	if (!*intakes)
		return;
	slots_fini(&(*intakes)->newcomers);
	mem_free(*intakes);
	*intakes = NULL;
}
