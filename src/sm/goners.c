/* SPDX-License-Identifier: MIT */
#include "sm/goners.h"

#include "base/mem.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/modules/modules.h"

enum { AGAIN_MS = 3000 };

struct goner {
	struct list link;
	struct user *user; /* pinned */
	struct jid *jid;
	int64_t at_ms;
};

static struct goner *first(const struct sm *sm)
{
	return list_empty(&sm->goners) ? NULL : container_of(sm->goners.next, struct goner, link);
}

static void forget(struct goner *goner)
{
	list_remove(&goner->link);
	jid_free(&goner->jid);
	mem_free(goner);
}

static void arm(struct sm *sm)
{
	const struct goner *next = first(sm);
	int64_t wait_ms = next ? next->at_ms - mio_now_ms(sm->mio) : 0;

	if (next && !mio_timer_is_set(&sm->goners_timer))
		mio_timer_set(sm->mio, &sm->goners_timer, wait_ms > 0 ? wait_ms : 0);
}

static void tell(struct mio_timer *timer)
{
	struct sm *sm = container_of(timer, struct sm, goners_timer);
	struct goner *goner;

	while ((goner = first(sm)) && goner->at_ms <= mio_now_ms(sm->mio)) {
		struct user *user = goner->user;

		if (!user_find_session(user, goner->jid))
			presence_gone(user, goner->jid);
		forget(goner);
		user->pins--;
		user_rest(user);
	}
	arm(sm);
	sm_work(sm);
}

void goners_add(const struct session *session)
{
	struct sm *sm = session->user->sm;
	struct goner *goner;

	if (!presence_of(session)->last)
		return;
	goner = mem_zalloc(MEM_SESSION, sizeof(*goner));
	goner->user = session->user;
	goner->user->pins++;
	goner->jid = jid_ref(session->jid);
	goner->at_ms = mio_now_ms(sm->mio) + AGAIN_MS;
	list_append(&sm->goners, &goner->link);
	arm(sm);
}

void goners_start(struct sm *sm)
{
	list_init(&sm->goners);
	mio_timer_init(&sm->goners_timer, tell);
}

void goners_stop(struct sm *sm)
{
	mio_timer_stop(&sm->goners_timer);
	while (first(sm))
		forget(first(sm));
}
