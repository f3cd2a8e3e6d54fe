/* SPDX-License-Identifier: MIT */
/* Accounts over link: a c2s asks the sm of the domain, sm answers from its storage. */
#include <errno.h>
#include "base/mem.h"
#include "component/component.h"
#include "jid/jid.h"

static void print_token(const char *word, unsigned which, const struct auth_token *token, struct buf *out)
{
	if (!token->present)
		return;
	buf_printf(out, "%s %u ", word, which);
	auth_token_print(token, token->secret[0], out);
	buf_append_char(out, '\n');
}

static void print_account(const struct auth_account *account, struct buf *out)
{
	for (unsigned hash = 0; hash < AUTH_HASHES; hash++) {
		if (!account->keys[hash].present)
			continue;
		auth_key_print(hash, &account->keys[hash], out);
		buf_append_char(out, '\n');
	}
	if (account->disabled)
		buf_append_text(out, "disabled\n");
	if (account->era)
		buf_printf(out, "era %llu\n", (unsigned long long)account->era);
	for (unsigned which = 0; which < AUTH_TOKENS; which++)
		print_token("token", which, &account->tokens[which], out);
	print_token("used", account->used_at, &account->used, out);
}

/* "WHICH TOKEN"; AUTH_TOKENS: it is none. */
static unsigned read_token(struct slice text, struct auth_token *token)
{
	struct slice which = slice_word(&text);
	unsigned at = slice_is(which, "0") ? AUTH_CURRENT : slice_is(which, "1") ? AUTH_NEXT : AUTH_TOKENS;

	return auth_token_parse(text, token) ? at : AUTH_TOKENS;
}

/* False: it is no line of these. */
static bool read_of_tokens(struct slice line, struct auth_account *account)
{
	struct slice word = slice_word(&line);
	struct auth_token token = {.present = false};
	unsigned at = 0;

	if (slice_is(word, "era"))
		return slice_to_u64(line, &account->era);
	if (!slice_is(word, "token") && !slice_is(word, "used"))
		return false;
	at = read_token(line, &token);
	if (at < AUTH_TOKENS && slice_is(word, "token")) {
		account->tokens[at] = token;
	} else if (at < AUTH_TOKENS) {
		account->used = token;
		account->used_at = (uint8_t)at;
	}
	mem_wipe(&token, sizeof(token));
	return true;
}

static void read_account(struct slice text, struct auth_account *account)
{
	while (text.len) {
		const char *end = memchr(text.data, '\n', text.len);
		struct slice line = {text.data, end ? (size_t)(end - text.data) : text.len};
		struct auth_key key = {0};
		enum auth_hash hash;

		text.data += line.len + (end ? 1 : 0);
		text.len -= line.len + (end ? 1 : 0);
		if (slice_is(line, "disabled"))
			account->disabled = true;
		else if (!read_of_tokens(line, account) && auth_key_parse(line, &hash, &key))
			account->keys[hash] = key;
		mem_wipe(&key, sizeof(key));
	}
}

/* -- the asker ------------------------------------------------------------------------------------- */

static void ask(const struct account_asker *asker, enum auth_verb verb, struct jid *user,
		const struct auth_account *account, uint64_t token)
{
	AUTO(str_free) struct str *to = link_name(asker->link, jid_domain(user));
	struct packet *packet = packet_new(PACKET_ACCOUNT, asker->from, to);

	packet->ours = true;
	packet->account.verb = verb;
	packet->account.user = jid_ref(user);
	packet->account.token = token;
	if (account)
		print_account(account, &packet->account.keys);
	link_send(asker->link, &packet);
}

static void lookup(void *state, struct auth *auth, struct jid *user, uint64_t token)
{
	ask(state, AUTH_LOOKUP, user, NULL, token);
}

static void create(void *state, struct auth *auth, struct jid *user, const struct auth_account *account, uint64_t token)
{
	ask(state, AUTH_CREATE, user, account, token);
}

static void change(void *state, struct auth *auth, struct jid *user, const struct auth_account *account, uint64_t token)
{
	ask(state, AUTH_CHANGE, user, account, token);
}

static void set_tokens(void *state, struct auth *auth, struct jid *user, const struct auth_account *account, uint64_t token)
{
	ask(state, AUTH_TOKENS_SET, user, account, token);
}

static void add_keys(void *state, struct auth *auth, struct jid *user, const struct auth_account *account, uint64_t token)
{
	ask(state, AUTH_KEYS_ADD, user, account, token);
}

static void remove_account(void *state, struct auth *auth, struct jid *user, uint64_t token)
{
	ask(state, AUTH_REMOVE, user, NULL, token);
}

const struct auth_source auth_source_link = {
	.name = "link",
	.lookup = lookup,
	.create = create,
	.change = change,
	.remove = remove_account,
	.tokens = set_tokens,
	.add_keys = add_keys,
};

void account_answered(struct auth *auth, const struct packet *packet)
{
	struct auth_account account = {0};
	bool reads = packet->account.verb == AUTH_LOOKUP || packet->account.verb == AUTH_TOKENS_SET;
	bool lookup_answer = reads && !packet->error && packet->account.result == AUTH_OK;

	read_account(buf_slice(&packet->account.keys), &account);
	auth_source_answer(auth, packet->account.token, packet->error ? -EHOSTUNREACH : packet->account.result,
			   lookup_answer ? &account : NULL);
	auth_account_wipe(&account);
}

/* -- the one who knows ------------------------------------------------------------------------------ */

/* request is taken. */
static void answer_with(struct worker *worker, struct packet *request, int result, const struct auth_account *account)
{
	struct packet *answer = packet_answer(request);

	answer->account.result = result;
	if (account)
		print_account(account, &answer->account.keys);
	packet_free(&request);
	link_send(worker->link, &answer);
}

static void known(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct worker *worker = arg;
	struct packet *request = slots_del(&worker->asked, token);

	if (request)
		answer_with(worker, request, result, account);
}

void account_serve(struct worker *worker, struct packet **taken)
{
	struct packet *packet = *taken;
	struct auth_account account = {0};
	enum auth_verb verb = packet->account.verb;
	bool carries = verb == AUTH_CREATE || verb == AUTH_CHANGE || verb == AUTH_TOKENS_SET || verb == AUTH_KEYS_ADD;
	uint64_t token;

	*taken = NULL;
	if (packet->error || packet->account.answer || verb > AUTH_KEYS_ADD ||
	    !settings_serves(worker->settings, jid_domain(packet->account.user))) {
		packet_free(&packet);
		return;
	}
	/* Whoever asks: its file may not say who the administrators are, and those are not made from afar. */
	if (verb == AUTH_CREATE && settings_is_admin(worker->settings, jid_user(packet->account.user))) {
		answer_with(worker, packet, AUTH_EXISTS, NULL);
		return;
	}
	if (carries)
		read_account(buf_slice(&packet->account.keys), &account);
	token = slots_add(&worker->asked, packet);
	auth_ask(worker->auth, verb, &auth_source_storage, worker->process->storage, packet->account.user,
		 carries ? &account : NULL, known, worker, token);
	auth_account_wipe(&account);
}
