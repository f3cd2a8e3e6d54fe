/* SPDX-License-Identifier: MIT */
/* The table of XEP-0133, and its forms, XEP-0004. */
#include "sm/modules/admin.h"

#include <stdio.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "sm/script.h"
#include "stanza/ns.h"
#include "xml/nad.h"

#define ACCOUNT "accountjid"
#define ACCOUNTS "accountjids"
#define PASSWORD "password"
#define AGAIN "password-verify"
#define TEXT "announcement"
#define MOST "max_items"

/* -- the table -- */

static const struct admin_field add_fields[] = {
	{ACCOUNT, "jid-single", "The address of the account"},
	{PASSWORD, "text-private", "Its password"},
	{AGAIN, "text-private", "The password again"},
	{.var = NULL},
};
static const struct admin_field password_fields[] = {
	{ACCOUNT, "jid-single", "The address of the account"},
	{PASSWORD, "text-private", "Its new password"},
	{.var = NULL},
};
static const struct admin_field account_fields[] = {
	{ACCOUNT, "jid-single", "The address of the account"},
	{.var = NULL},
};
static const struct admin_field accounts_fields[] = {
	{ACCOUNTS, "jid-multi", "The addresses of the accounts"},
	{.var = NULL},
};
static const struct admin_field session_fields[] = {
	{ACCOUNTS, "jid-multi", "The addresses of accounts, or of single sessions"},
	{.var = NULL},
};
static const struct admin_field text_fields[] = {
	{TEXT, "text-multi", "What is to be said"},
	{.var = NULL},
};
static const struct admin_field list_fields[] = {
	{MOST, "list-single", "How many to list, at most"},
	{.var = NULL},
};

/* clang-format off */
static const struct admin_command commands[] = {
	{"add-user", "Add an account", add_fields, {"user add"}, .tell = NULL},
	{"delete-user", "Delete accounts, with all they have", accounts_fields, {"user del"}, .tell = NULL},
	{"disable-user", "Disable accounts: their sessions end, their mail is kept", accounts_fields, {"user disable"}, .tell = NULL},
	{"reenable-user", "Enable accounts again", accounts_fields, {"user enable"}, .tell = NULL},
	{"end-user-session", "End sessions", session_fields, {"user kick"}, .tell = NULL},
	{"change-user-password", "Set the password of an account", password_fields, {"user passwd"}, .tell = NULL},
	{"get-user-roster", "Show the contacts of accounts", accounts_fields, {"roster list"}, .tell = admin_tell_rosters},
	{"get-user-lastlogin", "Show when accounts were on", accounts_fields, {"user show", "user sessions"}, .tell = admin_tell_last,
	 .told = {"lastlogin", "text-single", "When its last session ended"}},
	{"user-stats", "Show the figures of an account", account_fields, {"user show", "user sessions"},
	 .tell = admin_tell_statistics},
	{"get-registered-users-num", "Count the accounts", NULL, {"user count"}, .tell = admin_tell_number,
	 .told = {"registeredusersnum", "text-single", "Accounts"}, .key = "accounts"},
	{"get-disabled-users-num", "Count the accounts that are disabled", NULL, {"user count"}, .tell = admin_tell_number,
	 .told = {"disabledusersnum", "text-single", "Disabled accounts"}, .key = "disabled"},
	{"get-online-users-num", "Count the accounts that are on", NULL, {"user online"}, .word = "limit=0",
	 .tell = admin_tell_number, .told = {"onlineusersnum", "text-single", "Accounts with a session"}, .key = "online"},
	{"get-registered-users-list", "List the accounts", list_fields, {"user list"}, .tell = admin_tell_list,
	 .told = {"registereduserjids", "jid-multi", "Accounts"}},
	{"get-disabled-users-list", "List the accounts that are disabled", list_fields, {"user list disabled"},
	 .tell = admin_tell_list, .told = {"disableduserjids", "jid-multi", "Disabled accounts"}},
	{"get-online-users-list", "List the accounts that are on", list_fields, {"user online"}, .tell = admin_tell_list,
	 .told = {"onlineuserjids", "jid-multi", "Accounts with a session"}, .key = "accounts"},
	{"announce", "Say something to everyone who is on", text_fields, {"announce"}, .tell = NULL},
};
/* clang-format on */

const struct admin_command *admin_at(unsigned at)
{
	return at < countof(commands) ? &commands[at] : NULL;
}

const struct admin_command *admin_find(struct slice node)
{
	const struct slice prefix = SLICE(NS_ADMIN "#");

	if (node.len < prefix.len || memcmp(node.data, prefix.data, prefix.len) != 0)
		return NULL;
	node.data += prefix.len;
	node.len -= prefix.len;
	for (unsigned at = 0; at < countof(commands); at++) {
		if (slice_is(node, commands[at].node))
			return &commands[at];
	}
	return NULL;
}

void admin_append_node(struct nad *nad, const struct admin_command *command)
{
	AUTO(buf_fini) struct buf node = {0};

	buf_printf(&node, NS_ADMIN "#%s", command->node);
	nad_append_attr(nad, -1, "node", buf_slice(&node));
}

/* -- the form -- */

static void append_options(struct nad *nad)
{
	static const char *const most[] = {"25", "50", "100", "200", "500", "none"};

	admin_append_value(nad, SLICE("100"));
	for (unsigned at = 0; at < countof(most); at++) {
		nad_append(nad, NS_DATA_FORM, "option", 4);
		nad_append_text(nad, NS_DATA_FORM, "value", 5, slice_of(most[at]));
	}
}

void admin_append_form(const struct admin_command *command, struct nad *nad)
{
	nad_append(nad, NS_DATA_FORM, "x", 2);
	nad_append_attr(nad, -1, "type", SLICE("form"));
	nad_append_text(nad, NS_DATA_FORM, "title", 3, slice_of(command->name));
	admin_append_field(nad, "FORM_TYPE", "hidden", NULL);
	admin_append_value(nad, SLICE(NS_ADMIN));
	for (const struct admin_field *field = command->fields; field->var; field++) {
		admin_append_field(nad, field->var, field->type, field->label);
		if (!strcmp(field->var, MOST))
			append_options(nad);
		nad_append(nad, NS_DATA_FORM, "required", 4);
	}
}

/* -- reading it -- */

/* The field's first value, -1: it has none, or is not there. */
static int first_value(const struct nad *nad, int form, const char *var)
{
	int field = form < 0 ? -1 : nad_find_child(nad, form, NS_DATA_FORM, "field");

	while (field >= 0 && !slice_is(nad_attr_value(nad, field, "var"), var))
		field = nad_find_next(nad, field, NS_DATA_FORM, "field");
	return field < 0 ? -1 : nad_find_child(nad, field, NS_DATA_FORM, "value");
}

static struct slice text_of(const struct nad *nad, int form, const char *var)
{
	int value = first_value(nad, form, var);

	return value < 0 ? (struct slice){"", 0} : nad_cdata(nad, value);
}

static bool take_secret(struct nad *nad, int form, const char *var, struct buf *out)
{
	int value = first_value(nad, form, var);
	bool found = value >= 0;

	if (found)
		buf_append_slice(out, nad_cdata(nad, value));
	for (; value >= 0; value = nad_find_next(nad, value, NS_DATA_FORM, "value"))
		nad_wipe(nad, nad_cdata(nad, value));
	return found;
}

void admin_take_secrets(struct nad *nad, int form, struct admin_secrets *secrets)
{
	take_secret(nad, form, PASSWORD, &secrets->password);
	secrets->repeated = take_secret(nad, form, AGAIN, &secrets->again);
}

void admin_wipe_secrets(struct admin_secrets *secrets)
{
	buf_wipe(&secrets->password);
	buf_wipe(&secrets->again);
}

/* Where the words of a form go, and why they cannot. */
struct reading {
	const struct admin_command *command;
	const struct nad *nad;
	int form;
	struct admin_secrets *secrets;
	struct script *script;
	const char *why; /* NULL: all is fine */
};

static void add_runs(struct reading *reading, const char *word)
{
	const struct admin_command *command = reading->command;

	for (unsigned at = 0; at < countof(command->runs) && command->runs[at]; at++)
		script_add(reading->script, command->runs[at], word);
}

static void read_accounts(struct reading *reading, const char *var, unsigned most)
{
	int value = first_value(reading->nad, reading->form, var);
	unsigned count = 0;

	for (; value >= 0 && !reading->why; value = nad_find_next(reading->nad, value, NS_DATA_FORM, "value")) {
		AUTO(jid_free) struct jid *jid = jid_parse(nad_cdata(reading->nad, value));

		if (!jid)
			reading->why = "an address is none";
		else if (++count > most)
			reading->why = "there are more addresses than may be";
		else
			add_runs(reading, jid_text(jid));
	}
	if (!count && !reading->why)
		reading->why = "an address is wanted";
}

/* It goes on behind the account: the first line of what the command reads. */
static void read_password(struct reading *reading)
{
	const struct buf *password = &reading->secrets->password;

	if (!buf_used(password))
		reading->why = "a password is wanted";
	else if (memchr(buf_slice(password).data, '\n', buf_used(password)))
		reading->why = "the password has a line end in it";
	else
		buf_append_slice(&reading->script->input, buf_slice(password));
}

static void read_again(struct reading *reading)
{
	const struct admin_secrets *secrets = reading->secrets;

	if (!secrets->repeated || !slice_equal_secret(buf_slice(&secrets->password), buf_slice(&secrets->again)))
		reading->why = "the passwords are not the same";
}

static void read_text(struct reading *reading)
{
	int value = first_value(reading->nad, reading->form, TEXT);
	AUTO(buf_fini) struct buf text = {0};

	for (; value >= 0; value = nad_find_next(reading->nad, value, NS_DATA_FORM, "value")) {
		if (buf_used(&text))
			buf_append_char(&text, '\n');
		buf_append_slice(&text, nad_cdata(reading->nad, value));
	}
	if (buf_used(&text))
		add_runs(reading, buf_text(&text));
	else
		reading->why = "a text is wanted";
}

/* One more than is listed: it says whether there are more. */
static void read_most(struct reading *reading)
{
	struct slice text = text_of(reading->nad, reading->form, MOST);
	uint64_t most = ADMIN_LIST_MAX;
	char word[32];

	if (!slice_is(text, "none") && (!slice_to_u64(text, &most) || !most || most > ADMIN_LIST_MAX)) {
		reading->why = "the number of items is 1 to 1000, or none";
		return;
	}
	snprintf(word, sizeof(word), "limit=%u", (unsigned)most + 1);
	add_runs(reading, word);
}

static void read_field(struct reading *reading, const char *var)
{
	if (!strcmp(var, ACCOUNT))
		read_accounts(reading, var, 1);
	else if (!strcmp(var, ACCOUNTS))
		read_accounts(reading, var, reading->command->tell ? ADMIN_TOLD_MAX : ADMIN_ACCOUNTS_MAX);
	else if (!strcmp(var, PASSWORD))
		read_password(reading);
	else if (!strcmp(var, AGAIN))
		read_again(reading);
	else if (!strcmp(var, TEXT))
		read_text(reading);
	else
		read_most(reading);
}

static const char *what_is_wrong(const struct nad *nad, int form)
{
	struct slice type = nad_attr_value(nad, form, "type"), of = text_of(nad, form, "FORM_TYPE");

	if (!slice_is(type, "submit"))
		return "the form is not submitted";
	return of.len && !slice_is(of, NS_ADMIN) ? "the form is another one" : NULL;
}

struct script *admin_read(const struct admin_command *command, struct sm *sm, const struct nad *nad, int form,
			  struct admin_secrets *secrets, const char **why)
{
	struct reading reading = {.command = command, .nad = nad, .form = form, .secrets = secrets};

	reading.script = script_new(sm, command->tell != NULL);
	if (!command->fields)
		script_add(reading.script, command->runs[0], command->word);
	else
		reading.why = form < 0 ? "a form is wanted" : what_is_wrong(nad, form);
	for (const struct admin_field *field = command->fields; field && field->var && !reading.why; field++)
		read_field(&reading, field->var);
	if (reading.why)
		script_free(&reading.script);
	*why = reading.why;
	return reading.script;
}
