/* SPDX-License-Identifier: MIT */
/*
 * The account commands. What waits for storage or hashing is kept by the id of its call: when the
 * caller went away the answer finds nothing and nothing more is done, but where that would be half of it.
 */
#include "component/accounts.h"

#include <string.h>
#include "auth/keys.h"
#include "base/mem.h"
#include "base/stamp.h"
#include "component/accounts_private.h"
#include "component/component.h"
#include "component/intake.h"
#include "ctl/ctl.h"
#include "jid/jid.h"

struct jid *account_jid(const struct process *process, struct slice text, const char **why)
{
	struct jid *jid = jid_parse(text);

	*why = NULL;
	if (!jid || !jid_local(jid).len || !jid_is_bare(jid))
		*why = "is no account's address: name@domain";
	else if (!settings_serves(process->workers[0]->settings, jid_domain(jid)))
		*why = "is not of a domain that is served here (domains)";
	else if (auth_is_anonymous(jid))
		*why = "is a name that anonymous logins get: no account has one";
	if (*why)
		jid_free(&jid);
	return jid;
}

/* "user add JID unlock" */
static bool unlocks(const struct ctl_call *call)
{
	return ctl_args(call) == 2 && strcmp(ctl_arg(call, 1), "unlock") == 0;
}

/* The account that the command names; NULL: the call has ended with the reason. */
static struct jid *named_account(struct accounts *accounts, struct ctl_call *call, bool may_unlock)
{
	const char *text = ctl_arg(call, 0);
	const char *why;
	struct jid *jid;

	if (!text || (ctl_args(call) > 1 && !(may_unlock && unlocks(call)))) {
		ctl_error(call, "one account is wanted, such as alice@%s",
			  accounts->process->workers[0]->settings->domains.items[0]);
		ctl_end(call, CTL_USAGE);
		return NULL;
	}
	jid = account_jid(accounts->process, slice_of(text), &why);
	if (!jid) {
		ctl_error(call, "%s %s", text, why);
		ctl_end(call, CTL_PROBLEM);
	}
	return jid;
}

/* The same, when its command comes back to a call that was checked before. */
static struct jid *known_account(const struct accounts *accounts, const struct ctl_call *call)
{
	const char *why;

	return account_jid(accounts->process, slice_of(ctl_arg(call, 0)), &why);
}

static bool has_storage(const struct accounts *accounts, struct ctl_call *call)
{
	if (accounts->process->storage && accounts->process->hashing)
		return true;
	ctl_end(call, CTL_ELSEWHERE);
	return false;
}

static struct mio *loop_of(const struct accounts *accounts)
{
	return accounts->process->workers[0]->mio;
}

/* Ends a call with an outcome of storage or of an account source. */
static void end_with(struct ctl_call *call, int result, const char *done)
{
	const char *jid = ctl_arg(call, 0);

	if (result == 0)
		ctl_print(call, "%s: %s", jid, done);
	else if (result == AUTH_EXISTS)
		ctl_error(call, "%s: there is such an account already", jid);
	else if (result == AUTH_LOCKED)
		ctl_error(call, "%s: such an account was deleted, and its name is locked (jackdaw user show %s); --unlock gives it all the same",
			  jid, jid);
	else if (result > 0)
		ctl_error(call, "%s: there is no such account", jid);
	else
		ctl_error(call, "%s: storage: %s", jid, strerror(-result));
	ctl_end(call, result == AUTH_EXISTS ? CTL_CONFLICT : result ? CTL_PROBLEM : CTL_OK);
}

/* -- add, passwd
 * ------------------------------------------------------------------------------------- */

static void added(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct accounts *accounts = arg;
	struct ctl_call *call = ctl_call(accounts->ctl, token);

	if (call)
		end_with(call, result, "added");
}

static void changed(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct accounts *accounts = arg;
	struct ctl_call *call = ctl_call(accounts->ctl, token);

	if (call)
		end_with(call, result, "has its new password");
}

/* Keys of the password are made: the account is written. */
static void write_account(struct accounts *accounts, uint64_t token,
			  const struct auth_account *account, enum auth_verb verb,
			  auth_asked_fn *done)
{
	struct ctl_call *call = ctl_call(accounts->ctl, token);
	AUTO(jid_free) struct jid *jid = NULL;

	if (!call)
		return;
	jid = known_account(accounts, call);
	auth_ask(accounts->process->workers[0]->auth, verb, &auth_source_storage,
		 accounts->process->storage, jid, account, done, accounts, token);
}

/* Whether there are keys; if not, the call has ended with the reason. */
static bool are_made(struct accounts *accounts, uint64_t token, int result)
{
	struct ctl_call *call = ctl_call(accounts->ctl, token);

	if (!call || result == AUTH_OK)
		return call;
	if (result < 0)
		ctl_error(call, "too many passwords wait to be checked: try again in a second");
	else
		ctl_error(call, "the password is empty, has more than %d bytes, or characters that are not allowed "
				"(SASLprep, RFC 4013)", AUTH_PASSWORD_MAX);
	ctl_end(call, CTL_PROBLEM);
	return false;
}

static void unlocked(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
}

/* Storage does it before what is asked for the same name later. */
static void unlock(const struct accounts *accounts, const struct ctl_call *call)
{
	AUTO(jid_free) struct jid *jid = known_account(accounts, call);
	struct store_txn *txn = store_txn_new();

	store_clear(txn, STORE_LOCK, jid_user(jid));
	storage_run(accounts->process->storage, loop_of(accounts), &txn, unlocked, NULL, 0);
}

static void made_for_add(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct accounts *accounts = arg;

	if (!are_made(accounts, token, result))
		return;
	if (unlocks(ctl_call(accounts->ctl, token)))
		unlock(accounts, ctl_call(accounts->ctl, token));
	write_account(accounts, token, account, AUTH_CREATE, added);
}

static void made_for_change(void *arg, uint64_t token, int result,
			    const struct auth_account *account)
{
	struct accounts *accounts = arg;

	if (are_made(accounts, token, result))
		write_account(accounts, token, account, AUTH_CHANGE, changed);
}

/* The first line of the input. */
static struct slice password_of(const struct ctl_call *call)
{
	struct slice input = ctl_input(call);
	const char *end = input.len ? memchr(input.data, '\n', input.len) : NULL;

	if (end)
		input.len = (size_t)(end - input.data);
	if (input.len && input.data[input.len - 1] == '\r')
		input.len--;
	return input;
}

static void start_password(struct accounts *accounts, struct ctl_call *call, auth_made_fn *made)
{
	AUTO(jid_free) struct jid *jid = NULL;

	if (!has_storage(accounts, call))
		return;
	jid = named_account(accounts, call, made == made_for_add);
	if (jid)
		auth_make_account(accounts->process->workers[0]->auth, password_of(call), made,
				  accounts, ctl_id(call));
}

static void user_add(void *arg, struct ctl_call *call)
{
	start_password(arg, call, made_for_add);
}

static void user_passwd(void *arg, struct ctl_call *call)
{
	start_password(arg, call, made_for_change);
}

/* -- disable, enable
 * ---------------------------------------------------------------------------- */

/* The sm whose accounts these are hears of it, if this process has it; others may serve the domain too. */
static void tell_own_sm(struct accounts *accounts, struct jid *jid, enum session_action action)
{
	const char *name = accounts->process->name;
	struct link *link = accounts->process->workers[0]->link;
	AUTO(str_free) struct str *from = link_name(link, slice_of(name));
	AUTO(str_free) struct str *to = link_name(link, slice_of(strcmp(name, "run") != 0 ? name : "sm"));
	struct packet *packet;

	if (!link_serves(link, jid_domain(jid)))
		return;
	packet = packet_session(from, to, action);
	packet->session.target = jid_ref(jid);
	link_send(link, &packet);
}

/* Goes on when its caller has gone: what is begun is not left half done. */
struct standing {
	struct list link; /* in the accounts' standings */
	struct accounts *accounts;
	struct jid *jid; /* owned */
	uint64_t call;
};

static void standing_free(struct standing *standing)
{
	list_remove(&standing->link);
	jid_free(&standing->jid);
	mem_free(standing);
}

static void standing_end(struct standing *standing, int result, const char *done)
{
	struct ctl_call *call = ctl_call(standing->accounts->ctl, standing->call);

	if (call)
		end_with(call, result, done);
	standing_free(standing);
}

/* Its sessions end, and no login that is under way becomes one. */
static void disabled(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct standing *standing = arg;

	if (!result)
		tell_own_sm(standing->accounts, standing->jid, SESSION_DISABLE);
	standing_end(standing, result, "disabled: its sessions end, it cannot log in any more; its mail is kept");
}

static void enabled(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct standing *standing = arg;

	if (!result)
		tell_own_sm(standing->accounts, standing->jid, SESSION_ALLOW);
	standing_end(standing, result, "enabled");
}

/* It counts again among those whose keys decide what is offered. */
static void known_enabled(void *arg, uint64_t token, int result, const struct auth_account *account)
{
	struct standing *standing = arg;
	struct accounts *accounts = standing->accounts;
	struct store_txn *txn;

	if (result) {
		standing_end(standing, result, "");
		return;
	}
	txn = store_txn_new();
	auth_account_lacks(txn, standing->jid, account);
	storage_run(accounts->process->storage, loop_of(accounts), &txn, enabled, standing, token);
}

static void allowed(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct standing *standing = arg;
	struct accounts *accounts = standing->accounts;

	if (result)
		standing_end(standing, result, "");
	else
		auth_ask(accounts->process->workers[0]->auth, AUTH_LOOKUP, &auth_source_storage,
			 accounts->process->storage, standing->jid, NULL, known_enabled, standing, token);
}

/* Also of a login that is under way. */
static void end_tokens(const struct accounts *accounts, struct store_txn *txn, struct jid *jid)
{
	uint64_t era;

	mio_random(loop_of(accounts), &era, sizeof(era));
	auth_tokens_end(txn, jid, era | 1);
}

static void set_disabled(struct accounts *accounts, struct ctl_call *call, bool disable)
{
	struct standing *standing;
	struct store_txn *txn;
	struct jid *jid;

	if (!has_storage(accounts, call))
		return;
	jid = named_account(accounts, call, false);
	if (!jid)
		return;
	standing = mem_alloc(MEM_OTHER, sizeof(*standing));
	*standing = (struct standing){.accounts = accounts, .jid = jid, .call = ctl_id(call)};
	list_append(&accounts->standings, &standing->link);
	txn = store_txn_new();
	store_need(txn, STORE_ACCOUNT, jid_user(jid), ACCOUNT_CREATED);
	if (disable) {
		store_put(txn, STORE_ACCOUNT, jid_user(jid), ACCOUNT_DISABLED, SLICE(""));
		end_tokens(accounts, txn, jid);
		auth_account_lacks(txn, jid, NULL);
	} else {
		store_del(txn, STORE_ACCOUNT, jid_user(jid), ACCOUNT_DISABLED);
	}
	storage_run(accounts->process->storage, loop_of(accounts), &txn,
		    disable ? disabled : allowed, standing, standing->call);
}

static void user_disable(void *arg, struct ctl_call *call)
{
	set_disabled(arg, call, true);
}

static void user_enable(void *arg, struct ctl_call *call)
{
	set_disabled(arg, call, false);
}

/* -- revoke -- */

static void revoked(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct accounts *accounts = arg;
	struct ctl_call *call = ctl_call(accounts->ctl, token);

	if (call)
		end_with(call, result == STORE_ABSENT ? AUTH_UNKNOWN : result,
			 "its devices log in by its password the next time; who is on stays (jackdaw user kick)");
}

static void user_revoke(void *arg, struct ctl_call *call)
{
	struct accounts *accounts = arg;
	AUTO(jid_free) struct jid *jid = NULL;
	struct store_txn *txn;

	if (!has_storage(accounts, call))
		return;
	jid = named_account(accounts, call, false);
	if (!jid)
		return;
	txn = store_txn_new();
	store_need(txn, STORE_ACCOUNT, jid_user(jid), ACCOUNT_CREATED);
	end_tokens(accounts, txn, jid);
	storage_run(accounts->process->storage, loop_of(accounts), &txn, revoked, accounts, ctl_id(call));
}

/* -- list, show
 * -------------------------------------------------------------------------------------- */

static void user_list(void *arg, struct ctl_call *call)
{
	if (has_storage(arg, call))
		account_list(arg, call);
}

/* What is known of an account, out of its rows. */
struct facts {
	struct slice created;
	char last_on[STAMP_LEN]; /* "": it never was, or its first session has not ended yet */
	bool disabled;
	const char *quote;
	struct buf mechanisms; /* each in quotes */
	uint64_t contacts, messages;
};

static void gather(struct facts *facts, const struct store_row *row)
{
	enum auth_hash hash;
	struct auth_key key;

	if (slice_equal(row->item, ACCOUNT_CREATED))
		facts->created = row->value;
	else if (slice_equal(row->item, ACCOUNT_DISABLED))
		facts->disabled = true;
	else if (auth_key_parse(row->value, &hash, &key))
		buf_printf(&facts->mechanisms, "%s%s%s%s", buf_used(&facts->mechanisms) ? ", " : "",
			   facts->quote, auth_hash_mechanism(hash), facts->quote);
}

static void print_facts(struct ctl_call *call, struct facts *facts)
{
	AUTO(buf_fini) struct buf jid = {0};
	const char *mechanisms = buf_text(&facts->mechanisms);

	ctl_json_text(&jid, slice_of(ctl_arg(call, 0)));
	if (ctl_wants_json(call)) {
		ctl_print(call,
			  "{\"jid\": %s, \"created\": \"%.*s\", \"disabled\": %s, \"mechanisms\": "
			  "[%s], \"contacts\": %llu, \"messages\": %llu, \"last_on\": \"%s\"}",
			  buf_text(&jid), (int)facts->created.len, facts->created.data,
			  facts->disabled ? "true" : "false", mechanisms,
			  (unsigned long long)facts->contacts, (unsigned long long)facts->messages, facts->last_on);
		return;
	}
	ctl_print(call, "%s", ctl_arg(call, 0));
	ctl_print(call, "  created     %.*s", (int)facts->created.len, facts->created.data);
	ctl_print(call, "  disabled    %s", facts->disabled ? "yes" : "no");
	ctl_print(call, "  logs in by  %s", *mechanisms ? mechanisms : "nothing: it has no keys");
	ctl_print(call, "  contacts    %llu", (unsigned long long)facts->contacts);
	ctl_print(call, "  messages    %llu stored, until it is on", (unsigned long long)facts->messages);
	ctl_print(call, "  last on     %s", *facts->last_on ? facts->last_on : "unknown: no session of it has ended");
}

static uint64_t counted(const struct store_txn *txn, unsigned op)
{
	size_t count;
	const struct store_row *rows = store_rows(txn, op, &count);

	return count ? rows[0].seq : 0;
}

/* sm's note "MILLISECONDS STATUS" of the end of its last session. */
static void read_last(const struct store_txn *txn, unsigned op, struct facts *facts)
{
	size_t count;
	const struct store_row *rows = store_rows(txn, op, &count);
	struct slice note = count ? rows[0].value : SLICE("");
	uint64_t ms;

	if (slice_to_u64(slice_word(&note), &ms) && ms <= INT64_MAX)
		stamp_print(facts->last_on, (int64_t)ms, false);
}

/* Nobody has the name, and nobody gets it. */
static bool tell_lock(struct ctl_call *call, const struct store_txn *txn)
{
	size_t count;
	const struct store_row *locks = store_rows(txn, 4, &count);

	if (!count)
		return false;
	ctl_error(call, "%s: there is no such account any more; its name is locked until %.*s", ctl_arg(call, 0),
		  (int)locks->item.len, locks->item.data);
	ctl_end(call, CTL_PROBLEM);
	return true;
}

static void shown(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct accounts *accounts = arg;
	struct ctl_call *call = ctl_call(accounts->ctl, token);
	struct facts facts = {.created = SLICE("")};
	const struct store_row *rows;
	size_t count = 0;

	if (!call)
		return;
	facts.quote = ctl_wants_json(call) ? "\"" : "";
	rows = result ? NULL : store_rows(txn, 0, &count);
	if (!count && !result && tell_lock(call, txn))
		return;
	if (!count) {
		end_with(call, result ? result : AUTH_UNKNOWN, "");
		return;
	}
	for (size_t i = 0; i < count; i++)
		gather(&facts, &rows[i]);
	facts.contacts = counted(txn, 1);
	facts.messages = counted(txn, 2);
	read_last(txn, 3, &facts);
	print_facts(call, &facts);
	buf_fini(&facts.mechanisms);
	ctl_end(call, CTL_OK);
}

static void user_show(void *arg, struct ctl_call *call)
{
	struct accounts *accounts = arg;
	AUTO(jid_free) struct jid *jid = NULL;
	struct store_txn *txn;

	if (!has_storage(accounts, call))
		return;
	jid = named_account(accounts, call, false);
	if (!jid)
		return;
	txn = store_txn_new();
	store_list(txn, STORE_ACCOUNT, jid_user(jid)); /* the operations that shown() looks at */
	store_count(txn, STORE_ROSTER, jid_user(jid));
	store_count(txn, STORE_OFFLINE, jid_user(jid));
	store_get(txn, STORE_USER, jid_user(jid), SLICE("last"));
	store_list(txn, STORE_LOCK, jid_user(jid));
	storage_run(accounts->process->storage, loop_of(accounts), &txn, shown, accounts,
		    ctl_id(call));
}

static void user_count(void *arg, struct ctl_call *call)
{
	if (has_storage(arg, call))
		account_count(arg, call);
}

static void user_import(void *arg, struct ctl_call *call)
{
	if (has_storage(arg, call))
		account_import(arg, call);
}

static const struct ctl_command commands[] = {
	{"user add", "JID [unlock]", "makes an account", "jackdaw user add alice@example.com", CTL_WHOLE,
	 user_add},
	{"user passwd", "JID", "sets a password", "jackdaw user passwd alice@example.com", CTL_WHOLE,
	 user_passwd},
	{"user list", "[disabled] [limit=N]", "lists the accounts", "jackdaw user list", CTL_NOTHING, user_list},
	{"user count", "", "counts the accounts", "jackdaw user count", CTL_NOTHING, user_count},
	{"user show", "JID", "says what is known of an account",
	 "jackdaw user show alice@example.com", CTL_NOTHING, user_show},
	{"user disable", "JID", "ends the sessions of an account and forbids it to log in; its mail is kept",
	 "jackdaw user disable alice@example.com", CTL_NOTHING, user_disable},
	{"user enable", "JID", "allows it again", "jackdaw user enable alice@example.com", CTL_NOTHING,
	 user_enable},
	{"user revoke", "JID", "ends the tokens by which the devices of an account log in", "jackdaw user revoke alice@example.com",
	 CTL_NOTHING, user_revoke},
	{"user import", "FILE", "makes many accounts", "jackdaw user import accounts.tsv", CTL_STREAMED,
	 user_import},
	{.name = NULL},
};

struct accounts *accounts_new(struct ctl *ctl, struct process *process)
{
	struct accounts *accounts = mem_zalloc(MEM_OTHER, sizeof(*accounts));

	accounts->process = process;
	accounts->ctl = ctl;
	list_init(&accounts->standings);
	accounts->intakes = intakes_new(ctl, process);
	ctl_add(ctl, commands, accounts);
	accounts_check_commands(accounts);
	return accounts;
}

void accounts_free(struct accounts **accounts)
{
	if (!*accounts)
		return;
	intakes_free(&(*accounts)->intakes);
	while (!list_empty(&(*accounts)->standings))
		standing_free(container_of((*accounts)->standings.next, struct standing, link));
	mem_free(*accounts);
	*accounts = NULL;
}
