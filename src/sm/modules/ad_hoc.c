/* SPDX-License-Identifier: MIT */
/*
 * Ad-hoc commands, XEP-0050, for administrators: those of admin.h, on the domains of the server and on their own account.
 *
 *   execute ──> (asks for something) form ── execute, complete ──> runs ──> completed
 *          └──> runs ──> completed       └── cancel ──> canceled
 *
 * Between the two nothing is kept. The id of a session says when it began, and by a code of whom and of what: it holds for an
 * hour, also for whoever fills in the same form twice.
 */
#include <stdio.h>
#include "base/table.h"
#include "component/settings.h"
#include "ctl/ctl.h"
#include "jid/jid.h"
#include "mio/mio.h"
#include "sm/modules/admin.h"
#include "sm/modules/modules.h"
#include "sm/script.h"
#include "sm/user.h"
#include "stanza/names.h"
#include "xml/nad.h"

enum { SESSION_MS = 3600000 };

struct ad_hoc {
	struct hash_key key; /* of the codes */
};

/* -- who may -- */

static bool is_admin(const struct sm *sm, const struct jid *jid)
{
	return jid && settings_is_admin(sm_settings(sm), jid_user(jid));
}

static bool may_command(const struct sm_event *event)
{
	const struct user *user = event->user;

	return user->known && !user->anonymous && is_admin(event->sm, user->jid);
}

/* In IN_SESS: the own account, or a domain of ours. */
static bool is_answered_here(const struct sm_event *event)
{
	const struct jid *to = event->stanza->to;

	if (account_is_own(event))
		return true;
	return jid_is_bare(to) && !jid_local(to).len && sm_is_domain(event->sm, jid_domain(to));
}

bool ad_hoc_is_offered(const struct sm_event *event)
{
	const struct jid *from = event->stanza->from;

	return is_admin(event->sm, from) && (!event->user || jid_equal_bare(from, event->user->jid));
}

/* -- finding them -- */

static struct slice node_of(const struct sm_event *event)
{
	return nad_attr_value(event->stanza->payload, stanza_child(event->stanza), "node");
}

static struct stanza *query_new(const struct sm_event *event, const char *ns)
{
	struct stanza *result = stanza_result(event->stanza);

	nad_append(result->payload, ns, "query", 1);
	nad_append_attr(result->payload, -1, "node", node_of(event));
	return result;
}

static int list(void *state, const struct sm_event *event)
{
	const struct jid *to = event->stanza->to ? event->stanza->to : event->user->jid;
	const struct admin_command *command;
	struct stanza *result;

	if (!slice_is(node_of(event), NS_COMMANDS) || !is_answered_here(event) || !may_command(event))
		return SM_PASS;
	result = query_new(event, NS_DISCO_ITEMS);
	for (unsigned at = 0; (command = admin_at(at)); at++) {
		nad_append(result->payload, NS_DISCO_ITEMS, "item", 2);
		nad_append_attr(result->payload, -1, "jid", jid_full(to));
		admin_append_node(result->payload, command);
		nad_append_attr(result->payload, -1, "name", slice_of(command->name));
	}
	return sm_reply(event, &result);
}

static void append_feature(struct nad *nad, const char *var)
{
	nad_append(nad, NS_DISCO_INFO, "feature", 2);
	nad_append_attr(nad, -1, "var", slice_of(var));
}

static int describe(void *state, const struct sm_event *event)
{
	const struct admin_command *command = admin_find(node_of(event));
	bool all = slice_is(node_of(event), NS_COMMANDS);
	struct stanza *result;
	struct nad *nad;

	if ((!command && !all) || !is_answered_here(event) || !may_command(event))
		return SM_PASS;
	result = query_new(event, NS_DISCO_INFO);
	nad = result->payload;
	nad_append(nad, NS_DISCO_INFO, "identity", 2);
	nad_append_attr(nad, -1, "category", SLICE("automation"));
	nad_append_attr(nad, -1, "type", all ? SLICE("command-list") : SLICE("command-node"));
	nad_append_attr(nad, -1, "name", all ? SLICE("Administration") : slice_of(command->name));
	append_feature(nad, NS_COMMANDS);
	if (!all)
		append_feature(nad, NS_DATA_FORM);
	return sm_reply(event, &result);
}

/* -- a request -- */

enum action { EXECUTE, COMPLETE, NEXT, PREV, CANCEL, ACTIONS };

struct request {
	const struct ad_hoc *ad_hoc;
	const struct sm_event *event;
	const struct nad *nad;
	int elem, form; /* form: -1: there is none */
	const struct admin_command *command;
	enum action action;
	struct slice session; /* "": it is the first */
	struct admin_secrets secrets;
};

static enum action action_of(const struct request *request)
{
	static const char *const names[ACTIONS] = {"execute", "complete", "next", "prev", "cancel"};
	struct slice name;
	int action = 0;

	if (!nad_attr(request->nad, request->elem, NULL, "action", &name))
		return EXECUTE;
	while (action < ACTIONS && !slice_is(name, names[action]))
		action++;
	return (enum action)action;
}

/* It asks for what we write. */
static bool is_our_language(const struct request *request)
{
	struct slice lang;

	if (!nad_attr(request->nad, request->elem, NS_XML, "lang", &lang) || !lang.len)
		return true;
	return lang.len >= 2 && (lang.data[0] | 0x20) == 'e' && (lang.data[1] | 0x20) == 'n' && (lang.len == 2 || lang.data[2] == '-');
}

static int refuse(const struct request *request, const char *name, const char *text)
{
	const struct stanza_condition condition = {"modify", NS_COMMANDS, name, text};
	struct stanza *answer = stanza_error_with(request->event->stanza, STANZA_BAD_REQUEST, &condition);

	return sm_reply(request->event, &answer);
}

static int refuse_expired(const struct request *request)
{
	static const struct stanza_condition condition = {"cancel", NS_COMMANDS, "session-expired", NULL};
	struct stanza *answer = stanza_error_with(request->event->stanza, STANZA_NOT_ALLOWED, &condition);

	return sm_reply(request->event, &answer);
}

/* -- sessions: "BEGAN-CHANCE-CODE", in hexadecimal -- */

static uint64_t code_of(const struct request *request, uint64_t began_ms, uint64_t chance)
{
	AUTO(buf_fini) struct buf text = {0};

	buf_printf(&text, "%llx-%llx %s %s", (unsigned long long)began_ms, (unsigned long long)chance, request->command->node,
		   jid_text(request->event->stanza->from));
	return hash_bytes(request->ad_hoc->key, buf_slice(&text));
}

static void append_session(const struct request *request, struct nad *nad)
{
	uint64_t now_ms = (uint64_t)mio_now_ms(sm_mio(request->event->sm)), chance = sm_random(request->event->sm);
	AUTO(buf_fini) struct buf text = {0};

	if (request->session.len) {
		nad_append_attr(nad, -1, "sessionid", request->session);
		return;
	}
	buf_printf(&text, "%llx-%llx-%llx", (unsigned long long)now_ms, (unsigned long long)chance,
		   (unsigned long long)code_of(request, now_ms, chance));
	nad_append_attr(nad, -1, "sessionid", buf_slice(&text));
}

enum { ID_FINE = 0, ID_UNKNOWN, ID_EXPIRED };

static int check_session(const struct request *request)
{
	unsigned long long began_ms, chance, code;
	char text[64];

	if (request->session.len >= sizeof(text))
		return ID_UNKNOWN;
	memcpy(text, request->session.data, request->session.len);
	text[request->session.len] = 0;
	if (sscanf(text, "%16llx-%16llx-%16llx", &began_ms, &chance, &code) != 3 || code_of(request, began_ms, chance) != code)
		return ID_UNKNOWN;
	if (!request->command->fields || mio_now_ms(sm_mio(request->event->sm)) - (int64_t)began_ms > SESSION_MS)
		return ID_EXPIRED;
	return ID_FINE;
}

/* -- answers -- */

static struct stanza *answer_new(const struct request *request, const char *status)
{
	struct stanza *answer = stanza_result(request->event->stanza);
	struct nad *nad = answer->payload;

	answer->lang = SLICE("en");
	nad_append(nad, NS_COMMANDS, "command", 1);
	admin_append_node(nad, request->command);
	append_session(request, nad);
	nad_append_attr(nad, -1, "status", slice_of(status));
	return answer;
}

static int ask(const struct request *request)
{
	struct stanza *answer = answer_new(request, "executing");

	nad_append(answer->payload, NS_COMMANDS, "actions", 2);
	nad_append_attr(answer->payload, -1, "execute", SLICE("complete"));
	nad_append(answer->payload, NS_COMMANDS, "complete", 3);
	admin_append_form(request->command, answer->payload);
	return sm_reply(request->event, &answer);
}

static int cancel(const struct request *request)
{
	struct stanza *answer = answer_new(request, "canceled");

	return sm_reply(request->event, &answer);
}

static void read_request(struct request *request)
{
	const struct stanza *stanza = request->event->stanza;

	request->nad = stanza->payload;
	request->elem = stanza_find(stanza, NS_COMMANDS, "command");
	request->form = nad_find_child(request->nad, request->elem, NS_DATA_FORM, "x");
	request->command = admin_find(nad_attr_value(request->nad, request->elem, "node"));
	request->session = nad_attr_value(request->nad, request->elem, "sessionid");
}

/* The request again, as it was held. */
static int complete(void *state, const struct sm_event *event)
{
	struct script *script = state;
	struct request request = {.ad_hoc = sm_module_state(event->sm, &sm_ad_hoc), .event = event};
	struct stanza *answer;

	if (script->count == 1 && script->steps[0].code == CTL_CONFLICT) {
		answer = stanza_error_new(event->stanza, STANZA_CONFLICT, buf_text(&script->steps[0].error));
		return sm_reply(event, &answer);
	}
	read_request(&request);
	answer = answer_new(&request, "completed");
	admin_append_result(request.command, script, answer->payload);
	return sm_reply(event, &answer);
}

/* -- running -- */

static void ran(struct script *script)
{
	sm_answer(script->home, script->token, complete, script);
}

static int run(struct request *request)
{
	const struct sm_event *event = request->event;
	const char *why;
	struct script *script = admin_read(request->command, event->sm, request->nad, request->form, &request->secrets, &why);
	uint64_t token;

	if (!script)
		return refuse(request, "bad-payload", why);
	if (sm_hold(event, &token) == SM_FULL) {
		script_free(&script);
		return sm_reply_error(event, STANZA_RESOURCE_CONSTRAINT);
	}
	script_log(script, jid_text(event->stanza->from), request->command->node);
	script_go(&script, token, ran);
	return SM_HELD;
}

static int go_on(struct request *request)
{
	switch (check_session(request)) {
	case ID_UNKNOWN:
		return refuse(request, "bad-sessionid", NULL);
	case ID_EXPIRED:
		return refuse_expired(request);
	default:
		break;
	}
	if (request->action == CANCEL ||
	    (request->form >= 0 && slice_is(nad_attr_value(request->nad, request->form, "type"), "cancel")))
		return cancel(request);
	if (request->action == NEXT || request->action == PREV)
		return refuse(request, "bad-action", "there is one stage, which can be completed");
	return run(request);
}

static int begin(struct request *request)
{
	if (request->action != EXECUTE)
		return refuse(request, "bad-action", "there is no session yet");
	return request->command->fields ? ask(request) : run(request);
}

static int handle(struct request *request)
{
	struct slice ignored;

	request->action = action_of(request);
	if (!is_our_language(request))
		return refuse(request, "bad-locale", NULL);
	if (!request->command)
		return sm_reply_error(request->event, STANZA_ITEM_NOT_FOUND);
	if (request->action == ACTIONS)
		return refuse(request, "malformed-action", NULL);
	if (nad_attr(request->nad, request->elem, NULL, "sessionid", &ignored))
		return go_on(request);
	return begin(request);
}

static int command(void *state, const struct sm_event *event)
{
	struct request request = {.ad_hoc = state, .event = event};
	int rc;

	if (!is_answered_here(event))
		return SM_PASS;
	read_request(&request);
	admin_take_secrets(event->stanza->payload, request.form, &request.secrets);
	rc = may_command(event) ? handle(&request) : sm_reply_error(event, STANZA_FORBIDDEN);
	admin_wipe_secrets(&request.secrets);
	return rc;
}

/* Of who has no session here. */
static int forbid(void *state, const struct sm_event *event)
{
	return sm_reply_error(event, STANZA_FORBIDDEN);
}

static int start(void *state, struct sm *sm, const void *conf)
{
	((struct ad_hoc *)state)->key = mio_hash_key(sm_mio(sm));
	return 0;
}

static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_IQ_GET, NS_DISCO_ITEMS, "query", SM_NORMAL, list},
	{SM_IN_SESS, STANZA_IQ_GET, NS_DISCO_INFO, "query", SM_NORMAL, describe},
	{SM_IN_SESS, STANZA_IQ_SET, NS_COMMANDS, "command", SM_NORMAL, command},
	{SM_PKT_SM, STANZA_IQ_SET, NS_COMMANDS, "command", SM_NORMAL, forbid},
	{.run = NULL},
};

const struct sm_module sm_ad_hoc = {
	.name = "ad_hoc",
	.hooks = hooks,
	.size = sizeof(struct ad_hoc),
	.start = start,
};
