/* SPDX-License-Identifier: MIT */
/* What waits for storage: tokens, transactions of users, transactions of packets. */
#include "base/mem.h"
#include "sm/core.h"

void wait_add(struct sm *sm, struct wait *wait, enum wait_kind kind)
{
	wait->kind = kind;
	wait->token = slots_add(&sm->waits, wait);
}

void wait_del(struct sm *sm, struct wait *wait)
{
	if (wait->token)
		slots_del(&sm->waits, wait->token);
	wait->token = 0;
}

struct wait *wait_get(const struct sm *sm, uint64_t token, enum wait_kind kind)
{
	struct wait *wait = token ? slots_get(&sm->waits, token) : NULL;

	return wait && wait->kind == kind ? wait : NULL;
}

void sm_run(struct sm *sm, struct store_txn **txn, storage_done_fn *done, const struct wait *wait)
{
	storage_run(sm->process->storage, sm->mio, txn, done, sm, wait->token);
}

/* A transaction of a module for a user, or of a packet. */
struct request {
	struct wait wait;
	struct user *user; /* pinned; or NULL */
	sm_answered_fn *answered;
	void *state;
	struct packet *packet; /* owned; or NULL */
	packet_stored_fn *stored;
	sm_alone_fn *alone;
};

static void request_free(struct sm *sm, struct request *request)
{
	wait_del(sm, &request->wait);
	packet_free(&request->packet);
	mem_free(request);
}

static void answered(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct sm *sm = arg;
	struct wait *wait = wait_get(sm, token, WAIT_STORE);
	struct request *request;

	if (!wait)
		return;
	request = container_of(wait, struct request, wait);
	if (request->answered)
		request->answered(request->state, request->user, txn, result);
	if (request->stored)
		request->stored(sm, &request->packet, txn, result);
	if (request->alone)
		request->alone(request->state, txn, result);
	if (request->user) {
		request->user->pins--;
		user_rest(request->user);
	}
	request_free(sm, request);
	sm_work(sm);
}

static struct request *request_new(struct sm *sm)
{
	struct request *request = mem_zalloc(MEM_SESSION, sizeof(*request));

	wait_add(sm, &request->wait, WAIT_STORE);
	return request;
}

void sm_store(struct user *user, struct store_txn **txn, sm_answered_fn *fn, void *state)
{
	struct request *request = request_new(user->sm);

	request->user = user;
	request->answered = fn;
	request->state = state;
	user->pins++;
	sm_run(user->sm, txn, answered, &request->wait);
}

void sm_store_packet(struct sm *sm, struct store_txn **txn, struct packet **packet,
		     packet_stored_fn *stored)
{
	struct request *request = request_new(sm);

	request->packet = *packet;
	*packet = NULL;
	request->stored = stored;
	sm_run(sm, txn, answered, &request->wait);
}

void sm_store_alone(struct sm *sm, struct store_txn **txn, sm_alone_fn *fn, void *state)
{
	struct request *request = request_new(sm);

	request->alone = fn;
	request->state = state;
	sm_run(sm, txn, answered, &request->wait);
}

void stores_drop(struct sm *sm)
{
	struct wait *wait;

	for (uint32_t at = 0; (wait = slots_next(&sm->waits, &at));) {
		if (wait->kind == WAIT_STORE)
			request_free(sm, container_of(wait, struct request, wait));
	}
}
