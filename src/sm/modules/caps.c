/* SPDX-License-Identifier: MIT */
/*
 * Entity capabilities, XEP-0115 and XEP-0390: hashes of what the domains have, in the features of streams; and what the clients of
 * our users have. A client that says a hash which its user's clients did not say yet is asked what stands behind it.
 */
#include "stanza/caps.h"

#include "base/mem.h"
#include "jid/jid.h"
#include "sm/modules/modules.h"
#include "sm/user.h"
#include "storage/storage.h"
#include "xml/nad.h"

#define NODE "urn:jackdaw"
#define NOTIFY "+notify"

enum {
	KNOWN_MAX = 16,	       /* hashes of a user's clients */
	HASH_MAX = 100,	       /* characters */
	NODE_MAX = 1023,
	ANSWER_MAX = 128 << 10, /* bytes in memory of a disco#info that is looked at */
	WANTED_MAX = 4096,
};

/* Verified, and kept: an entry is only of what this user's clients said, for XEP-0115's hash can be forged (its section 9.3). */
struct known {
	struct str *key; /* "urn:xmpp:caps#sha-256.kzBZ...", "http://jabber.org/protocol/caps#sha-1.QgayP..." */
	struct str *wanted; /* of each feature NODE+notify a line with NODE */
};

struct knowledge {
	struct known *items;
	unsigned count;
};

struct client {
	struct str *key;   /* that it said last; NULL: none */
	struct str *asked; /* the key that it was asked about last */
	struct str *id;	   /* of the question, until it answers */
};

static struct knowledge *knowledge_of(const struct user *user)
{
	return sm_user_state(user, &sm_caps);
}

static struct client *client_of(const struct session *session)
{
	return sm_session_state(session, &sm_caps);
}

/* -- what our domains have -- */

static void append_first(struct nad *features, const struct nad *info, int query)
{
	AUTO(buf_fini) struct buf text = {0}, hash = {0};

	if (caps_text(CAPS_1, info, query, &text))
		return;
	caps_hash(CAPS_1, SLICE("sha-1"), buf_slice(&text), &hash);
	nad_append(features, NS_CAPS, "c", 1);
	nad_append_attr(features, -1, "hash", SLICE("sha-1"));
	nad_append_attr(features, -1, "node", SLICE(NODE));
	nad_append_attr(features, -1, "ver", buf_slice(&hash));
}

static void append_second(struct nad *features, const struct nad *info, int query)
{
	static const char *const algorithms[] = {"sha-256", "sha3-256"};
	AUTO(buf_fini) struct buf text = {0};

	if (caps_text(CAPS_2, info, query, &text))
		return;
	nad_append(features, NS_CAPS2, "c", 1);
	for (unsigned at = 0; at < countof(algorithms); at++) {
		AUTO(buf_fini) struct buf hash = {0};

		caps_hash(CAPS_2, slice_of(algorithms[at]), buf_slice(&text), &hash);
		nad_append(features, NS_HASHES, "hash", 2);
		nad_append_attr(features, -1, "algo", slice_of(algorithms[at]));
		nad_append_cdata(features, buf_slice(&hash), 3);
	}
}

static void offer(void *state, const struct sm *sm, struct nad *features)
{
	AUTO(nad_free) struct nad *info = nad_new();
	int query;

	nad_append(info, NS_CLIENT, "iq", 0);
	query = nad_append(info, NS_DISCO_INFO, "query", 1);
	disco_append(sm, info);
	append_first(features, info, query);
	append_second(features, info, query);
}

static bool begins_with(struct slice text, struct slice begin)
{
	return text.len > begin.len && slice_equal((struct slice){text.data, begin.len}, begin);
}

/* An earlier one too: a settings file may have been read again since the client saw it, and the answer is checked by who asks. */
bool caps_is_node(struct slice node)
{
	return begins_with(node, SLICE(NODE "#")) || begins_with(node, SLICE(NS_CAPS2 "#"));
}

/* -- what is known of clients -- */

static bool is_same(const struct str *key, const struct str *other)
{
	return key && other && slice_equal(str_slice(key), str_slice(other));
}

static const struct known *find(const struct knowledge *knowledge, const struct str *key)
{
	for (unsigned at = 0; at < knowledge->count; at++) {
		if (is_same(knowledge->items[at].key, key))
			return &knowledge->items[at];
	}
	return NULL;
}

static void add(struct knowledge *knowledge, struct slice key, struct slice wanted)
{
	knowledge->items =
		mem_realloc(MEM_USER, knowledge->items, (knowledge->count + 1) * sizeof(*knowledge->items));
	knowledge->items[knowledge->count++] = (struct known){str_new(key), str_new(wanted)};
}

static void knowledge_fini(struct knowledge *knowledge)
{
	for (unsigned at = 0; at < knowledge->count; at++) {
		str_free(&knowledge->items[at].key);
		str_free(&knowledge->items[at].wanted);
	}
	mem_free(knowledge->items);
	*knowledge = (struct knowledge){0};
}

static bool is_used(const struct user *user, const struct known *known)
{
	struct session *session = NULL;

	while ((session = user_next_session(user, session))) {
		if (is_same(client_of(session)->key, known->key))
			return true;
	}
	return false;
}

/* One that no session said, if there is one. */
static void forget(struct user *user, struct store_txn *txn)
{
	struct knowledge *knowledge = knowledge_of(user);
	unsigned at = 0;
	struct known *known;

	while (at + 1 < knowledge->count && is_used(user, &knowledge->items[at]))
		at++;
	known = &knowledge->items[at];
	store_del(txn, STORE_CAPS, jid_user(user->jid), str_slice(known->key));
	str_free(&known->key);
	str_free(&known->wanted);
	knowledge->count--;
	memmove(known, known + 1, (knowledge->count - at) * sizeof(*known));
}

static void keep(struct user *user, struct slice key, struct slice wanted)
{
	struct store_txn *txn = store_txn_new();

	if (knowledge_of(user)->count >= KNOWN_MAX)
		forget(user, txn);
	add(knowledge_of(user), key, wanted);
	store_put(txn, STORE_CAPS, jid_user(user->jid), key, wanted);
	store_relax(txn);
	if (user->anonymous)
		store_txn_free(&txn);
	else
		sm_store(user, &txn, NULL, NULL);
}

bool caps_wants(const struct session *session, struct slice node)
{
	const struct known *known = find(knowledge_of(session->user), client_of(session)->key);
	struct slice lines = known ? str_slice(known->wanted) : SLICE("");

	while (lines.len) {
		if (slice_equal(slice_line(&lines), node))
			return true;
	}
	return false;
}

/* -- asking -- */

/* The first of its hashes that we can compute. */
static bool read_second(const struct nad *nad, int c, struct buf *key, struct buf *node)
{
	int at = nad_find_child(nad, c, NS_HASHES, "hash");

	while (at >= 0 && !caps_knows(CAPS_2, nad_attr_value(nad, at, "algo")))
		at = nad_find_next(nad, at, NS_HASHES, "hash");
	if (at < 0 || nad_cdata(nad, at).len > HASH_MAX)
		return false;
	buf_append_text(key, NS_CAPS2 "#");
	buf_append_slice(key, nad_attr_value(nad, at, "algo"));
	buf_append_char(key, '.');
	buf_append_slice(key, nad_cdata(nad, at));
	buf_append_slice(node, buf_slice(key));
	return true;
}

static bool read_first(const struct nad *nad, int c, struct buf *key, struct buf *node)
{
	struct slice hash = nad_attr_value(nad, c, "hash"), ver = nad_attr_value(nad, c, "ver");

	if (ver.len > HASH_MAX || nad_attr_value(nad, c, "node").len > NODE_MAX || !caps_knows(CAPS_1, hash))
		return false;
	buf_append_text(key, NS_CAPS "#");
	buf_append_slice(key, hash);
	buf_append_char(key, '.');
	buf_append_slice(key, ver);
	buf_append_slice(node, nad_attr_value(nad, c, "node"));
	buf_append_char(node, '#');
	buf_append_slice(node, ver);
	return true;
}

static bool read_key(const struct stanza *stanza, struct buf *key, struct buf *node)
{
	int first = stanza_find(stanza, NS_CAPS, "c"), second = stanza_find(stanza, NS_CAPS2, "c");

	return (second >= 0 && read_second(stanza->payload, second, key, node)) ||
	       (first >= 0 && read_first(stanza->payload, first, key, node));
}

static void ask(struct session *session, struct slice node)
{
	struct client *client = client_of(session);
	AUTO(buf_fini) struct buf id = {0};
	struct stanza *question;

	sm_fresh_id(session->user->sm, &id);
	client->id = str_new(buf_slice(&id));
	str_free(&client->asked);
	client->asked = str_ref(client->key);
	question = stanza_new(STANZA_IQ, STANZA_GET, buf_slice(&id));
	nad_append(question->payload, NS_DISCO_INFO, "query", 1);
	nad_append_attr(question->payload, -1, "node", node);
	stanza_set_from(question, session->user->jid);
	stanza_set_to(question, session->jid);
	sm_deliver(session, &question);
}

static void say_key(struct session *session, struct slice key)
{
	struct client *client = client_of(session);

	if (client->key && slice_equal(str_slice(client->key), key))
		return;
	str_free(&client->key);
	client->key = str_new(key);
	sm_session_changed(session);
}

/* One question at a time, and about the same only once. */
static int announced(void *state, const struct sm_event *event)
{
	struct client *client = client_of(event->session);
	AUTO(buf_fini) struct buf key = {0}, node = {0};

	if (event->stanza->to || event->stanza->type != STANZA_NONE || !read_key(event->stanza, &key, &node))
		return SM_PASS;
	say_key(event->session, buf_slice(&key));
	if (!client->id && !is_same(client->key, client->asked) && !find(knowledge_of(event->user), client->key))
		ask(event->session, buf_slice(&node));
	return SM_PASS;
}

/* -- answers -- */

/* The answer has the hash that the key ends with. */
static bool is_verified(const struct nad *nad, int query, struct slice key)
{
	enum caps_version version = begins_with(key, SLICE(NS_CAPS2 "#")) ? CAPS_2 : CAPS_1;
	size_t begin = version == CAPS_2 ? strlen(NS_CAPS2 "#") : strlen(NS_CAPS "#");
	const char *dot = memrchr(key.data, '.', key.len);
	struct slice algorithm = {key.data + begin, (size_t)(dot - key.data) - begin};
	AUTO(buf_fini) struct buf text = {0}, hash = {0};

	return caps_text(version, nad, query, &text) == 0 && caps_hash(version, algorithm, buf_slice(&text), &hash) &&
	       slice_equal(buf_slice(&hash), (struct slice){dot + 1, (size_t)(key.data + key.len - dot) - 1});
}

static void read_wanted(const struct nad *nad, int query, struct buf *wanted)
{
	int at = nad_find_child(nad, query, NS_DISCO_INFO, "feature");

	for (; at >= 0; at = nad_find_next(nad, at, NS_DISCO_INFO, "feature")) {
		struct slice node = nad_attr_value(nad, at, "var"), end;

		if (node.len <= strlen(NOTIFY) || memchr(node.data, '\n', node.len))
			continue;
		node.len -= strlen(NOTIFY);
		end = (struct slice){node.data + node.len, strlen(NOTIFY)};
		if (!slice_is(end, NOTIFY))
			continue;
		buf_append_slice(wanted, node);
		buf_append_char(wanted, '\n');
	}
}

static void learn(struct user *user, const struct stanza *answer, struct slice key)
{
	int query = stanza_find(answer, NS_DISCO_INFO, "query");
	AUTO(buf_fini) struct buf wanted = {0};

	if (answer->type != STANZA_RESULT || query < 0 || stanza_weight(answer) > ANSWER_MAX ||
	    !is_verified(answer->payload, query, key))
		return;
	read_wanted(answer->payload, query, &wanted);
	if (buf_used(&wanted) <= WANTED_MAX)
		keep(user, key, buf_slice(&wanted));
}

static int answered(void *state, const struct sm_event *event)
{
	const struct stanza *stanza = event->stanza;
	struct client *client = client_of(event->session);

	if (!client->id || !slice_equal(stanza->id, str_slice(client->id)) || !account_is_own(event) ||
	    (stanza->type != STANZA_RESULT && stanza->type != STANZA_ERROR))
		return SM_PASS;
	str_free(&client->id);
	if (!find(knowledge_of(event->user), client->asked))
		learn(event->user, stanza, str_slice(client->asked));
	return 0;
}

/* -- users and sessions -- */

static void loaded(void *state, struct user *user, const struct store_row *rows, size_t count)
{
	struct knowledge *knowledge = knowledge_of(user);

	knowledge_fini(knowledge);
	for (size_t at = 0; at < count; at++)
		add(knowledge, rows[at].item, rows[at].value);
}

static void user_load(void *state, struct user *user, struct sm_load *load)
{
	sm_load_list(load, STORE_CAPS, loaded);
}

static void user_free(void *state, struct user *user)
{
	knowledge_fini(knowledge_of(user));
}

static size_t user_weight(void *state, const struct user *user)
{
	const struct knowledge *knowledge = knowledge_of(user);
	size_t weight = knowledge->count * sizeof(*knowledge->items);

	for (unsigned at = 0; at < knowledge->count; at++)
		weight += str_slice(knowledge->items[at].key).len + str_slice(knowledge->items[at].wanted).len;
	return weight;
}

/* A question that was not answered is asked again with the next presence. */
static int session_save(void *state, const struct session *session, struct buf *out)
{
	buf_append_slice(out, str_slice(client_of(session)->key));
	return 0;
}

static int session_load(void *state, struct session *session, struct slice in)
{
	struct client *client = client_of(session);

	str_free(&client->key);
	client->key = in.len ? str_new(in) : NULL;
	return 0;
}

static void session_end(void *state, struct session *session)
{
	struct client *client = client_of(session);

	str_free(&client->key);
	str_free(&client->asked);
	str_free(&client->id);
}

static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_PRESENCE, NULL, NULL, SM_EARLY, announced},
	{SM_IN_SESS, STANZA_IQ, NULL, NULL, SM_EARLY, answered},
	{.run = NULL},
};

const struct sm_module sm_caps = {
	.name = "caps",
	.features = {NS_CAPS, NS_CAPS2},
	.offer = offer,
	.hooks = hooks,
	.user_size = sizeof(struct knowledge),
	.session_size = sizeof(struct client),
	.user_load = user_load,
	.user_free = user_free,
	.user_weight = user_weight,
	.session_end = session_end,
	.session_save = session_save,
	.session_load = session_load,
};
