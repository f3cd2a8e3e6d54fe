/* SPDX-License-Identifier: MIT */
/* What a user wants to be archived, XEP-0441. */
#include "base/mem.h"
#include "jid/jid.h"
#include "sm/modules/archive.h"
#include "sm/modules/modules.h"
#include "sm/user.h"
#include "storage/storage.h"
#include "xml/nad.h"

enum { JIDS_MAX = 1000 };

#define ITEM SLICE("archive-prefs")

static const char *const rules[] = {[ARCHIVE_ALWAYS] = "always", [ARCHIVE_NEVER] = "never", [ARCHIVE_ROSTER] = "roster"};

static struct archive_prefs *state_of(const struct user *user)
{
	return sm_user_state(user, &sm_archive_prefs);
}

const struct archive_prefs *archive_prefs_of(const struct user *user)
{
	return state_of(user);
}

static void fini(struct archive_prefs *prefs)
{
	for (unsigned at = 0; at < prefs->always + prefs->never; at++)
		jid_free(&prefs->jids[at]);
	mem_free(prefs->jids);
	*prefs = (struct archive_prefs){0};
}

static bool read_rule(struct slice word, enum archive_rule *rule)
{
	for (unsigned at = 0; at < countof(rules); at++) {
		if (!slice_is(word, rules[at]))
			continue;
		*rule = (enum archive_rule)at;
		return true;
	}
	return false;
}

/* -- as an element -- */

/* Adds the addresses in a list; false: one is none, or they are too many. */
static bool read_list(const struct nad *nad, int prefs, const char *name, struct archive_prefs *out, unsigned *count)
{
	int list = nad_find_child(nad, prefs, NS_ARCHIVE, name);

	for (int at = list < 0 ? -1 : nad_find_child(nad, list, NS_ARCHIVE, "jid"); at >= 0; at = nad_find_next(nad, at, NS_ARCHIVE, "jid")) {
		unsigned all = out->always + out->never;
		struct jid *jid = jid_parse(nad_cdata(nad, at));

		if (!jid || all == JIDS_MAX) {
			jid_free(&jid);
			return false;
		}
		out->jids = mem_realloc(MEM_USER, out->jids, (all + 1) * sizeof(*out->jids));
		out->jids[all] = jid;
		++*count;
	}
	return true;
}

static bool read_prefs(const struct nad *nad, int elem, struct archive_prefs *prefs)
{
	return read_rule(nad_attr_value(nad, elem, "default"), &prefs->rule) && read_list(nad, elem, "always", prefs, &prefs->always) &&
	       read_list(nad, elem, "never", prefs, &prefs->never);
}

static void append_list(struct nad *nad, const char *name, struct jid *const *jids, unsigned count, unsigned depth)
{
	nad_append(nad, NS_ARCHIVE, name, depth);
	for (unsigned at = 0; at < count; at++) {
		nad_append(nad, NS_ARCHIVE, "jid", depth + 1);
		nad_append_cdata(nad, jid_full(jids[at]), depth + 2);
	}
}

static void append_prefs(struct nad *nad, const struct archive_prefs *prefs, unsigned depth)
{
	nad_append(nad, NS_ARCHIVE, "prefs", depth);
	nad_append_attr(nad, -1, "default", slice_of(rules[prefs->rule]));
	append_list(nad, "always", prefs->jids, prefs->always, depth + 1);
	append_list(nad, "never", prefs->jids + prefs->always, prefs->never, depth + 1);
}

/* -- requests -- */

static int answer(const struct sm_event *event)
{
	struct stanza *result = stanza_result(event->stanza);

	append_prefs(result->payload, state_of(event->user), 1);
	return sm_reply(event, &result);
}

static int get(void *state, const struct sm_event *event)
{
	return account_is_own(event) && archive_is_on(event->sm) ? answer(event) : SM_PASS;
}

static int stored(void *state, const struct sm_event *event, unsigned note)
{
	return answer(event);
}

static int set(void *state, const struct sm_event *event)
{
	struct sm_commit commit = {.committed = stored, .stale = true};
	struct archive_prefs *own = state_of(event->user), read = {0};
	AUTO(buf_fini) struct buf text = {0};
	AUTO(nad_free) struct nad *nad = NULL;

	if (!account_is_own(event) || !archive_is_on(event->sm))
		return SM_PASS;
	if (!read_prefs(event->stanza->payload, stanza_find(event->stanza, NS_ARCHIVE, "prefs"), &read)) {
		fini(&read);
		return sm_reply_error(event, STANZA_BAD_REQUEST);
	}
	fini(own);
	*own = read;
	nad = nad_new();
	append_prefs(nad, own, 0);
	nad_print(nad, 0, NULL, &text);
	commit.txn = store_txn_new();
	store_put(commit.txn, STORE_USER, jid_user(event->user->jid), ITEM, buf_slice(&text));
	return sm_commit(event, &commit);
}

/* -- users -- */

static void loaded(void *state, struct user *user, const struct store_row *rows, size_t count)
{
	fini(state_of(user));
	for (size_t at = 0; at < count; at++) {
		AUTO(nad_free) struct nad *nad = slice_equal(rows[at].item, ITEM) ? sm_element_parse(user->sm, rows[at].value) : NULL;

		if (nad)
			read_prefs(nad, 0, state_of(user));
	}
}

static void user_load(void *state, struct user *user, struct sm_load *load)
{
	sm_load_list(load, STORE_USER, loaded);
}

static void user_free(void *state, struct user *user)
{
	fini(state_of(user));
}

static size_t user_weight(void *state, const struct user *user)
{
	enum { ADDRESS_BYTES = 100 };

	return (state_of(user)->always + state_of(user)->never) * ADDRESS_BYTES;
}

static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_IQ_GET, NS_ARCHIVE, "prefs", SM_NORMAL, get},
	{SM_IN_SESS, STANZA_IQ_SET, NS_ARCHIVE, "prefs", SM_NORMAL, set},
	{SM_IN_ROUTER, STANZA_IQ_GET, NS_ARCHIVE, "prefs", SM_NORMAL, account_forbid},
	{SM_IN_ROUTER, STANZA_IQ_SET, NS_ARCHIVE, "prefs", SM_NORMAL, account_forbid},
	{.run = NULL},
};

const struct sm_module sm_archive_prefs = {
	.name = "archive_prefs",
	.hooks = hooks,
	.user_size = sizeof(struct archive_prefs),
	.user_load = user_load,
	.user_free = user_free,
	.user_weight = user_weight,
};
