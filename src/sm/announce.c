/* SPDX-License-Identifier: MIT */
/*
 * announce: a headline to every available session. Each worker goes through its sessions, some at a time with a pause between,
 * so that what is sent has time to leave.
 */
#include "base/mem.h"
#include "base/utf8.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/errand.h"
#include "sm/modules/modules.h"
#include "xml/nad.h"

enum { TEXT_MAX_BYTES = 10000, SESSIONS_AT_ONCE = 300, PAUSE_MS = 10 };

/* One of a worker. */
struct announcement {
	struct errand errand;
	struct str *text;
	struct mio_timer timer;
	uint32_t at; /* of the worker's sessions: the next */
	uint64_t sent, detached;
};

/* Of all workers, kept with the call. */
struct tally {
	unsigned left; /* workers that are not done */
	uint64_t sent, detached;
};

static void announcement_free(struct errand *errand)
{
	struct announcement *own = container_of(errand, struct announcement, errand);

	mio_timer_stop(&own->timer);
	str_free(&own->text);
	mem_free(own);
}

/* -- on a worker -- */

static void say_to(struct announcement *own, struct session *session)
{
	AUTO(jid_free) struct jid *domain = jid_make(SLICE(""), jid_domain(session->jid), SLICE(""));
	AUTO(buf_fini) struct buf id = {0};
	struct stanza *message;

	sm_fresh_id(own->errand.sm, &id);
	message = stanza_new(STANZA_MESSAGE, STANZA_HEADLINE, buf_slice(&id));
	nad_append_text(message->payload, NS_CLIENT, "body", 1, str_slice(own->text));
	stanza_set_from(message, domain);
	stanza_set_to(message, session->jid);
	own->sent++;
	own->detached += session->detached;
	sm_deliver(session, &message);
}

static void say_to_some(struct announcement *own)
{
	struct sm *sm = own->errand.sm;
	struct session *session = NULL;

	for (unsigned looked = 0; looked < SESSIONS_AT_ONCE; looked++) {
		session = slots_next(&sm->sessions, &own->at);
		if (!session)
			break;
		if (presence_of(session)->last)
			say_to(own, session);
	}
	if (session)
		mio_timer_set(sm->mio, &own->timer, PAUSE_MS);
	else
		errand_end(&own->errand, CTL_OK);
}

static void go_on(struct mio_timer *timer)
{
	struct announcement *own = container_of(timer, struct announcement, timer);
	struct sm *sm = own->errand.sm;

	say_to_some(own);
	sm_work(sm);
}

static void begin(struct errand *errand, struct user *nobody)
{
	say_to_some(container_of(errand, struct announcement, errand));
}

/* -- at home -- */

static void print(const struct tally *tally, struct ctl_call *call)
{
	AUTO(buf_fini) struct buf line = {0};

	if (ctl_wants_json(call)) {
		buf_printf(&line, "{\"sessions\": %llu, \"detached\": %llu}", (unsigned long long)tally->sent,
			   (unsigned long long)tally->detached);
	} else if (!tally->sent) {
		buf_append_text(&line, "nobody is on");
	} else {
		buf_printf(&line, "sent to %llu %s", (unsigned long long)tally->sent,
			   tally->sent == 1 ? "session" : "sessions");
		if (tally->detached)
			buf_printf(&line, "; %llu of them will have it when resumed", (unsigned long long)tally->detached);
	}
	ctl_print(call, "%s", buf_text(&line));
}

static void counted(struct errand *errand, struct ctl_call *call)
{
	const struct announcement *own = container_of(errand, struct announcement, errand);
	struct tally *tally = ctl_kept(call);

	tally->sent += own->sent;
	tally->detached += own->detached;
	if (--tally->left)
		return;
	print(tally, call);
	ctl_end(call, CTL_OK);
}

static void send_out(struct process *process, struct ctl_call *call, struct str *text)
{
	struct tally *tally = mem_zalloc(MEM_OTHER, sizeof(*tally));

	tally->left = process->worker_count;
	ctl_keep(call, tally, mem_free);
	for (unsigned worker = 0; worker < process->worker_count; worker++) {
		struct announcement *own = mem_zalloc(MEM_OTHER, sizeof(*own));

		errand_init(&own->errand, process, call, announcement_free);
		own->errand.home = counted;
		own->text = str_ref(text);
		mio_timer_init(&own->timer, go_on);
		errand_go_worker(&own->errand, worker, begin);
	}
}

void announce_run(void *arg, struct ctl_call *call)
{
	AUTO(str_free) struct str *text = NULL;
	const char *why = NULL;

	if (!command_begins(arg, call, 1, "one text is wanted, in quotes: jackdaw announce 'We restart at noon.'"))
		return;
	text = str_new(slice_of(ctl_arg(call, 0)));
	if (!str_slice(text).len)
		why = "the text is empty";
	else if (str_slice(text).len > TEXT_MAX_BYTES)
		why = "the text is longer than 10000 bytes";
	else if (!utf8_is_xml(str_slice(text)))
		why = "the text has characters that XML cannot hold: control characters, or no UTF-8";
	if (!why) {
		send_out(arg, call, text);
		return;
	}
	ctl_error(call, "%s", why);
	ctl_end(call, CTL_PROBLEM);
}
