/* SPDX-License-Identifier: MIT */
#include "sm/errand.h"

#include <errno.h>
#include <string.h>
#include "base/mem.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/sm_component.h"
#include "storage/storage.h"

static void errand_free(struct errand *errand)
{
	list_remove(&errand->link);
	list_remove(&errand->waiter.link);
	jid_free(&errand->jid);
	buf_fini(&errand->out);
	buf_fini(&errand->error);
	errand->free(errand);
}

/* -- at its user -- */

static void visit(struct errand *errand)
{
	struct user *user = user_need(errand->sm, errand->jid);

	if (user->state != USER_READY) {
		user_await(user, &errand->waiter);
		return;
	}
	if (user->known)
		errand->run(errand, user);
	else
		errand_fail(errand, "%.*s: there is no such account", (int)jid_user(errand->jid).len,
			    jid_user(errand->jid).data);
	user_rest(user);
}

static void loaded(struct user_waiter *waiter, bool loaded)
{
	struct errand *errand = container_of(waiter, struct errand, waiter);

	if (loaded)
		visit(errand);
	else
		errand_fail(errand, "%s: storage does not answer: try again, or see jackdaw status",
			    jid_text(errand->jid));
}

static void arrived(struct mio *mio, struct mio_mail *mail)
{
	struct errand *errand = container_of(mail, struct errand, mail);
	struct sm *sm = errand->sm;

	list_append(&sm->errands, &errand->link);
	if (errand->jid)
		visit(errand);
	else
		errand->run(errand, NULL);
	sm_work(sm);
}

static void stored(void *state, struct user *user, const struct store_txn *txn, int result)
{
	struct errand *errand = state;

	if (result == 0) {
		errand->then(errand, user);
		return;
	}
	user_stale(user);
	if (user->session_count)
		user_renew(user); /* clients may have seen it */
	errand_fail(errand, "%s: storage: %s", jid_text(user->jid), strerror(result < 0 ? -result : EIO));
}

void errand_store(struct errand *errand, struct user *user, struct store_txn **txn, errand_fn *then)
{
	errand->then = then;
	sm_store(user, txn, stored, errand);
}

/* -- on the way -- */

void errand_init(struct errand *errand, struct process *process, const struct ctl_call *call,
		 void (*free)(struct errand *errand))
{
	list_init(&errand->link);
	list_init(&errand->waiter.link);
	errand->waiter.loaded = loaded;
	errand->process = process;
	errand->call = ctl_id(call);
	errand->json = ctl_wants_json(call);
	errand->free = free;
}

static void post(struct errand *errand, unsigned worker, void (*run)(struct mio *mio, struct mio_mail *mail))
{
	struct worker *const *workers = errand->process->workers;
	struct mio *from = errand->sm ? errand->sm->mio : workers[0]->mio;

	list_remove(&errand->link);
	errand->sm = worker_state(workers[worker], &sm_component);
	errand->mail.run = run;
	mio_post(from, workers[worker]->mio, MIO_CONTROL, &errand->mail);
}

void errand_go_worker(struct errand *errand, unsigned worker, errand_fn *run)
{
	errand->run = run;
	post(errand, worker, arrived);
}

void errand_go(struct errand *errand, struct jid *jid, errand_fn *run)
{
	struct jid *to = jid_ref(jid);

	jid_free(&errand->jid);
	errand->jid = to;
	errand_go_worker(errand, link_worker_of(errand->process->links[0], to), run);
}

/* -- back -- */

static void print(struct errand *errand, struct ctl_call *call)
{
	struct slice error = buf_slice(&errand->error), out = buf_slice(&errand->out);

	while (error.len) {
		struct slice line = slice_line(&error);

		ctl_error(call, "%.*s", (int)line.len, line.data);
	}
	while (out.len) {
		struct slice line = slice_line(&out);

		ctl_print(call, "%.*s", (int)line.len, line.data);
	}
	ctl_end(call, errand->code);
}

static void came_back(struct mio *mio, struct mio_mail *mail)
{
	struct errand *errand = container_of(mail, struct errand, mail);
	struct ctl *ctl = errand->process->ctl;
	struct ctl_call *call = ctl ? ctl_call(ctl, errand->call) : NULL;

	if (call && errand->home)
		errand->home(errand, call);
	else if (call)
		print(errand, call);
	errand_free(errand);
}

void errand_end(struct errand *errand, int code)
{
	errand->code = code;
	post(errand, 0, came_back);
}

void errand_fail(struct errand *errand, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(&errand->error, format, args);
	va_end(args);
	errand_end(errand, CTL_PROBLEM);
}

void errands_stop(struct sm *sm)
{
	struct mio_mail *mail;
	struct list *first;

	while ((mail = mio_mail_take(sm->mio, arrived)) || (mail = mio_mail_take(sm->mio, came_back)))
		errand_free(container_of(mail, struct errand, mail));
	while ((first = list_shift(&sm->errands)))
		errand_free(container_of(first, struct errand, link));
}
