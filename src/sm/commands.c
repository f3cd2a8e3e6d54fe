/* SPDX-License-Identifier: MIT */
/* The table of commands, and those that look at a user or end its sessions. */
#include "sm/commands.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "component/accounts.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/errand.h"
#include "sm/modules/modules.h"
#include "sm/removal.h"
#include "sm/roster.h"
#include "sm/sm_component.h"
#include "sm/subscription.h"
#include "xml/nad.h"

/* -- words -- */

bool command_begins(const struct process *process, struct ctl_call *call, size_t words, const char *wanted)
{
	if (worker_state(process->workers[0], &sm_component))
		return command_words(call, words, wanted);
	ctl_end(call, CTL_ELSEWHERE);
	return false;
}

bool command_words(struct ctl_call *call, size_t words, const char *wanted)
{
	if (ctl_args(call) == words)
		return true;
	ctl_error(call, "%s", wanted);
	ctl_end(call, CTL_USAGE);
	return false;
}

/* With its resource, if there is one. */
static struct jid *account_or_session(const struct process *process, struct slice text, const char **why)
{
	AUTO(jid_free) struct jid *jid = jid_parse(text);
	AUTO(jid_free) struct jid *account = account_jid(process, jid ? jid_user(jid) : text, why);

	return account ? jid_ref(jid) : NULL;
}

struct jid *command_account(const struct process *process, struct ctl_call *call, const char *text, bool resource)
{
	const char *why;
	struct jid *jid = resource ? account_or_session(process, slice_of(text), &why)
				   : account_jid(process, slice_of(text), &why);

	if (jid)
		return jid;
	ctl_error(call, "%s %s", text, why);
	ctl_end(call, CTL_PROBLEM);
	return NULL;
}

void command_append_plain(struct buf *out, struct slice text)
{
	while (text.len) {
		size_t len = utf8_first(text);
		unsigned char first = (unsigned char)text.data[0];
		bool steers = first < 0x20 || first == 0x7f || (len == 2 && first == 0xc2 && (unsigned char)text.data[1] < 0xa0);

		if (!len || steers)
			buf_append_char(out, '?');
		else
			buf_append(out, text.data, len);
		text.data += len ? len : 1;
		text.len -= len ? len : 1;
	}
}

static void free_plain(struct errand *errand)
{
	mem_free(errand);
}

void command_send(struct process *process, struct ctl_call *call, struct jid *jid, errand_fn *run)
{
	struct errand *errand = mem_zalloc(MEM_OTHER, sizeof(*errand));

	errand_init(errand, process, call, free_plain);
	errand_go(errand, jid, run);
}

/* For a command with one account and nothing to remember. */
static void send_to(struct process *process, struct ctl_call *call, bool resource, errand_fn *run)
{
	AUTO(jid_free) struct jid *jid = command_account(process, call, ctl_arg(call, 0), resource);

	if (jid)
		command_send(process, call, jid, run);
}

/* -- user sessions -- */

/* What its presence shows; NULL: it is not available. */
static const char *shown(const struct session *session)
{
	static const char *const shows[] = {"away", "chat", "dnd", "xa"};
	struct slice text = str_slice(presence_of(session)->last);
	AUTO(stanza_free) struct stanza *last = text.len ? sm_stanza_parse(session->user->sm, text) : NULL;
	int elem = last ? stanza_find(last, NS_CLIENT, "show") : -1;

	if (!last)
		return NULL;
	for (unsigned at = 0; elem >= 0 && at < countof(shows); at++) {
		if (slice_is(nad_cdata(last->payload, elem), shows[at]))
			return shows[at];
	}
	return "available";
}

static int64_t seconds_left(const struct session *session)
{
	int64_t left_ms = session->over_ms - mio_now_ms(session->user->sm->mio);

	return left_ms > 0 ? (left_ms + 999) / 1000 : 0;
}

static void say_session(struct buf *out, const struct session *session)
{
	struct slice resource = jid_resource(session->jid);
	const char *show = shown(session);

	buf_printf(out, "%-20.*s  ", (int)resource.len, resource.data);
	if (session->detached)
		buf_printf(out, "detached, ends in %lld s; ", (long long)seconds_left(session));
	else if (session->key)
		buf_printf(out, "attached, can be resumed for %u s; ", session->seconds);
	else
		buf_append_text(out, "attached, cannot be resumed; ");
	if (show)
		buf_printf(out, "%s, priority %d; ", show, presence_of(session)->priority);
	else
		buf_append_text(out, "unavailable; ");
	buf_printf(out, "%u %s\n", session->outbox.count, session->outbox.count == 1 ? "stanza waits" : "stanzas wait");
}

static void say_session_json(struct buf *out, const struct session *session)
{
	const char *show = shown(session);

	buf_append_text(out, "{\"resource\": ");
	ctl_json_text(out, jid_resource(session->jid));
	buf_printf(out, ", \"attached\": %s, \"seconds_left\": ", session->detached ? "false" : "true");
	if (session->detached)
		buf_printf(out, "%lld", (long long)seconds_left(session));
	else
		buf_append_text(out, "null");
	if (show)
		buf_printf(out, ", \"show\": \"%s\", \"priority\": %d", show, presence_of(session)->priority);
	else
		buf_append_text(out, ", \"show\": null, \"priority\": null");
	buf_printf(out, ", \"resumable\": %s, \"waiting\": %u}", session->key ? "true" : "false", session->outbox.count);
}

static void tell_sessions(struct errand *errand, struct user *user)
{
	struct session *session = NULL;
	const char *between = "[";

	while ((session = user_next_session(user, session))) {
		if (errand->json) {
			buf_append_text(&errand->out, between);
			say_session_json(&errand->out, session);
			between = ", ";
		} else {
			say_session(&errand->out, session);
		}
	}
	if (errand->json)
		buf_append_text(&errand->out, user->session_count ? "]" : "[]");
	else if (!user->session_count)
		buf_printf(&errand->out, "%s has no session", jid_text(user->jid));
	errand_end(errand, CTL_OK);
}

static void user_sessions(void *arg, struct ctl_call *call)
{
	if (command_begins(arg, call, 1, "one account is wanted: jackdaw user sessions alice@example.com"))
		send_to(arg, call, false, tell_sessions);
}

/* -- user kick -- */

static void end_sessions(struct errand *errand, struct user *user)
{
	bool all = jid_is_bare(errand->jid);
	struct session *session;
	unsigned ended = 0;

	while ((session = all ? user_next_session(user, NULL) : user_find_session(user, errand->jid))) {
		log_info(&user->sm->log, "session %s ends: an administrator ended it", jid_text(session->jid));
		session_end(session, SESSION_TELL_KICKED);
		ended++;
	}
	if (!ended) {
		errand_fail(errand, "%s: there is no such session; jackdaw user sessions lists them", jid_text(errand->jid));
		return;
	}
	if (errand->json) {
		buf_append_text(&errand->out, "{\"jid\": ");
		ctl_json_text(&errand->out, jid_full(errand->jid));
		buf_printf(&errand->out, ", \"ended\": %u}", ended);
	} else {
		buf_printf(&errand->out, "%s: %u %s", jid_text(errand->jid), ended,
			   ended == 1 ? "session ended" : "sessions ended");
	}
	errand_end(errand, CTL_OK);
}

static void user_kick(void *arg, struct ctl_call *call)
{
	if (command_begins(arg, call, 1, "one account or session is wanted: jackdaw user kick alice@example.com/phone"))
		send_to(arg, call, true, end_sessions);
}

/* -- roster list -- */

static void say_item(struct buf *out, const struct roster_item *item)
{
	buf_printf(out, "%-30s  %s%s%s", jid_text(item->jid), roster_item_subscription(item),
		   item->subscription & SUBSCRIPTION_ASK ? ", asked" : "",
		   item->subscription & SUBSCRIPTION_APPROVED ? ", approved" : "");
	if (roster_item_name(item).len) {
		buf_append_text(out, "  ");
		command_append_plain(out, roster_item_name(item));
	}
	for (unsigned at = 0; at < item->groups; at++) {
		buf_append_text(out, at ? ", " : "  [");
		command_append_plain(out, roster_item_group(item, at));
	}
	buf_append_text(out, item->groups ? "]\n" : "\n");
}

static void say_item_json(struct buf *out, const struct roster_item *item)
{
	buf_append_text(out, "{\"jid\": ");
	ctl_json_text(out, jid_full(item->jid));
	buf_append_text(out, ", \"name\": ");
	ctl_json_text(out, roster_item_name(item));
	buf_append_text(out, ", \"groups\": [");
	for (unsigned at = 0; at < item->groups; at++) {
		buf_append_text(out, at ? ", " : "");
		ctl_json_text(out, roster_item_group(item, at));
	}
	buf_printf(out, "], \"subscription\": \"%s\", \"ask\": %s, \"approved\": %s}", roster_item_subscription(item),
		   item->subscription & SUBSCRIPTION_ASK ? "true" : "false",
		   item->subscription & SUBSCRIPTION_APPROVED ? "true" : "false");
}

static void tell_roster(struct errand *errand, struct user *user)
{
	const struct roster *roster = roster_of(user);

	for (unsigned at = 0; at < roster->count; at++) {
		if (errand->json) {
			buf_append_text(&errand->out, at ? ", " : "[");
			say_item_json(&errand->out, roster->items[at]);
		} else {
			say_item(&errand->out, roster->items[at]);
		}
	}
	if (errand->json)
		buf_append_text(&errand->out, roster->count ? "]" : "[]");
	else if (!roster->count)
		buf_printf(&errand->out, "%s has no contacts", jid_text(user->jid));
	errand_end(errand, CTL_OK);
}

static void roster_list(void *arg, struct ctl_call *call)
{
	if (command_begins(arg, call, 1, "one account is wanted: jackdaw roster list alice@example.com"))
		send_to(arg, call, false, tell_roster);
}

/* -- the table -- */

static const struct ctl_command commands[] = {
	{"user del", "JID", "deletes an account and all it has; nobody gets its name for 30 days",
	 "jackdaw user del alice@example.com", CTL_NOTHING, user_del_run},
	{"user sessions", "JID", "lists the sessions of an account", "jackdaw user sessions alice@example.com", CTL_NOTHING,
	 user_sessions},
	{"user kick", "JID[/resource]", "ends all sessions of an account, or one", "jackdaw user kick alice@example.com/phone",
	 CTL_NOTHING, user_kick},
	{"user online", "[limit=N]", "lists the accounts that have a session", "jackdaw user online", CTL_NOTHING, online_run},
	{"roster list", "JID", "lists the contacts of an account", "jackdaw roster list alice@example.com", CTL_NOTHING,
	 roster_list},
	{"roster add", "JID CONTACT [name=NAME] [group=GROUP]... [mutual]", "adds or changes a contact of an account",
	 "jackdaw roster add alice@example.com bob@example.com --mutual", CTL_NOTHING, roster_add_run},
	{"announce", "TEXT", "sends a message to everyone who is on", "jackdaw announce 'We restart at noon.'", CTL_NOTHING,
	 announce_run},
	{"watch", "[user=JID] [stanzas]", "shows sessions as they come and go, and their stanzas", "jackdaw watch --stanzas",
	 CTL_NOTHING, watch_run},
	{.name = NULL},
};

void sm_commands(struct ctl *ctl, struct process *process)
{
	ctl_add(ctl, commands, process);
}
