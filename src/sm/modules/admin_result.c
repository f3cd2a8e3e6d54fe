/* SPDX-License-Identifier: MIT */
/* What is told of the commands that ran: what they printed as JSON in fields of a form, everything else in notes. */
#include "sm/modules/admin.h"

#include <jansson.h>
#include <stdio.h>
#include "ctl/ctl.h"
#include "sm/script.h"
#include "stanza/ns.h"
#include "xml/nad.h"

/* -- parts of a form -- */

void admin_append_field(struct nad *nad, const char *var, const char *type, const char *label)
{
	nad_append(nad, NS_DATA_FORM, "field", 3);
	nad_append_attr(nad, -1, "var", slice_of(var));
	nad_append_attr(nad, -1, "type", slice_of(type));
	if (label)
		nad_append_attr(nad, -1, "label", slice_of(label));
}

void admin_append_value(struct nad *nad, struct slice value)
{
	nad_append_text(nad, NS_DATA_FORM, "value", 4, value);
}

static void append_field_of(struct nad *nad, const struct admin_field *field)
{
	admin_append_field(nad, field->var, field->type, field->label);
}

static void append_number(struct nad *nad, const char *var, const char *label, json_int_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, number);
	admin_append_field(nad, var, "text-single", label);
	admin_append_value(nad, slice_of(text));
}

static struct slice text_of(const json_t *json)
{
	return (struct slice){json_string_value(json), json_string_length(json)};
}

/* What a step printed; NULL: it failed, and a note says so. */
static json_t *read_step(const struct script *script, unsigned at)
{
	const struct script_step *step = &script->steps[at];
	struct slice out = buf_slice(&step->out);

	return step->code == CTL_OK && out.len ? json_loadb(out.data, out.len, 0, NULL) : NULL;
}

static void append_account(struct nad *nad, const struct script_step *step)
{
	admin_append_field(nad, "accountjids", "jid-multi", "The account");
	admin_append_value(nad, slice_of(step->words[step->count - 1]));
}

enum { ROSTERS_MAX_BYTES = 1 << 20 }; /* of memory; one more is told: a stanza has its bounds on the way */

static void append_note(struct nad *nad, const char *type, struct slice text)
{
	while (text.len && text.data[text.len - 1] == '\n')
		text.len--;
	if (!text.len)
		return;
	nad_append(nad, NS_COMMANDS, "note", 2);
	nad_append_attr(nad, -1, "type", slice_of(type));
	nad_append_cdata(nad, text, 3);
}

/* -- forms -- */

void admin_tell_number(const struct admin_command *command, const struct script *script, struct nad *nad)
{
	json_t *json = read_step(script, 0);

	append_number(nad, command->told.var, command->told.label, json_integer_value(json_object_get(json, command->key)));
	json_decref(json);
}

/* "limit=101" */
static size_t limit_of(const struct script_step *step)
{
	uint64_t limit = 0;

	slice_to_u64(slice_of(step->words[step->count - 1] + strlen("limit=")), &limit);
	return (size_t)limit;
}

void admin_tell_list(const struct admin_command *command, const struct script *script, struct nad *nad)
{
	json_t *json = read_step(script, 0);
	const json_t *list = command->key ? json_object_get(json, command->key) : json;

	size_t most = limit_of(&script->steps[0]) - 1;

	append_field_of(nad, &command->told);
	for (size_t at = 0; at < json_array_size(list) && at < most; at++)
		admin_append_value(nad, text_of(json_array_get(list, at)));
	if (json_array_size(list) > most)
		append_note(nad, "warn", SLICE("There are more."));
	json_decref(json);
}

static void append_contact(struct nad *nad, const json_t *contact)
{
	const json_t *groups = json_object_get(contact, "groups");
	struct slice name = text_of(json_object_get(contact, "name"));

	nad_append(nad, NS_ROSTER, "item", 4);
	nad_append_attr(nad, -1, "jid", text_of(json_object_get(contact, "jid")));
	if (name.len)
		nad_append_attr(nad, -1, "name", name);
	nad_append_attr(nad, -1, "subscription", text_of(json_object_get(contact, "subscription")));
	if (json_is_true(json_object_get(contact, "ask")))
		nad_append_attr(nad, -1, "ask", SLICE("subscribe"));
	for (size_t at = 0; at < json_array_size(groups); at++)
		nad_append_text(nad, NS_ROSTER, "group", 5, text_of(json_array_get(groups, at)));
}

/* Each behind its account. */
void admin_tell_rosters(const struct admin_command *command, const struct script *script, struct nad *nad)
{
	for (unsigned step = 0; step < script->count; step++) {
		json_t *roster = read_step(script, step);

		if (!roster)
			continue;
		if (nad_weight(nad) > ROSTERS_MAX_BYTES) {
			append_note(nad, "warn", SLICE("There is more than is told at once."));
			json_decref(roster);
			return;
		}
		append_account(nad, &script->steps[step]);
		nad_append(nad, NS_ROSTER, "query", 3);
		for (size_t at = 0; at < json_array_size(roster); at++)
			append_contact(nad, json_array_get(roster, at));
		json_decref(roster);
	}
}

/* Two steps an account: what is known of it, and its sessions. */
void admin_tell_last(const struct admin_command *command, const struct script *script, struct nad *nad)
{
	AUTO(buf_fini) struct buf here = {0};

	for (unsigned step = 0; step + 1 < script->count; step += 2) {
		json_t *facts = read_step(script, step), *sessions = read_step(script, step + 1);
		struct slice last = text_of(json_object_get(facts, "last_on"));

		if (facts) {
			append_account(nad, &script->steps[step]);
			append_field_of(nad, &command->told);
		}
		if (last.len)
			admin_append_value(nad, last);
		if (json_array_size(sessions))
			buf_printf(&here, "%s is on.\n", script->steps[step].words[2]);
		json_decref(facts);
		json_decref(sessions);
	}
	append_note(nad, "info", buf_slice(&here));
}

void admin_tell_statistics(const struct admin_command *command, const struct script *script, struct nad *nad)
{
	json_t *facts = read_step(script, 0), *sessions = read_step(script, 1);

	if (facts)
		append_number(nad, "rostersize", "Contacts", json_integer_value(json_object_get(facts, "contacts")));
	if (sessions)
		admin_append_field(nad, "onlineresources", "text-multi", "Sessions");
	for (size_t at = 0; at < json_array_size(sessions); at++)
		admin_append_value(nad, text_of(json_object_get(json_array_get(sessions, at), "resource")));
	json_decref(facts);
	json_decref(sessions);
}

/* -- all of it -- */

static void collect(const struct script *script, bool tells, struct buf *said, struct buf *failed)
{
	for (unsigned at = 0; at < script->count; at++) {
		const struct script_step *step = &script->steps[at];
		bool again = at && slice_equal(buf_slice(&step->error), buf_slice(&script->steps[at - 1].error));

		if (!tells)
			buf_append_slice(said, buf_slice(&step->out));
		if (!again)
			buf_append_slice(failed, buf_slice(&step->error));
		if (step->code != CTL_OK && !buf_used(&step->error))
			buf_printf(failed, "%s %s: this server cannot do it now\n", step->words[0], step->words[1]);
	}
}

static bool any_succeeded(const struct script *script)
{
	for (unsigned at = 0; at < script->count; at++) {
		if (script->steps[at].code == CTL_OK)
			return true;
	}
	return false;
}

void admin_append_result(const struct admin_command *command, const struct script *script, struct nad *nad)
{
	AUTO(buf_fini) struct buf said = {0}, failed = {0};

	collect(script, command->tell, &said, &failed);
	append_note(nad, "info", buf_slice(&said));
	append_note(nad, "error", buf_slice(&failed));
	if (!command->tell || !any_succeeded(script))
		return;
	nad_append(nad, NS_DATA_FORM, "x", 2);
	nad_append_attr(nad, -1, "type", SLICE("result"));
	admin_append_field(nad, "FORM_TYPE", "hidden", NULL);
	admin_append_value(nad, SLICE(NS_ADMIN));
	command->tell(command, script, nad);
}
