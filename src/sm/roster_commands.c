/* SPDX-License-Identifier: MIT */
/*
 * roster add: as if the user had done it. With "mutual" both have each other with subscription both:
 *
 *   user: is there ──> contact: changed, stored, pushed ──> user: changed, stored, pushed; is shown to the contact
 *                                                             └──> contact: is shown to the user
 *
 * So each hears of the subscription before the presence. It is two transactions: when the second fails, the same command again
 * mends it.
 */
#include "base/mem.h"
#include "base/utf8.h"
#include "component/component.h"
#include "ctl/ctl.h"
#include "jid/jid.h"
#include "sm/core.h"
#include "sm/errand.h"
#include "sm/modules/modules.h"
#include "sm/roster.h"
#include "storage/storage.h"
#include "xml/nad.h"

struct addition {
	struct errand errand;
	struct jid *user, *contact; /* bare */
	struct str *name;	    /* NULL: as it is */
	struct str *groups[ROSTER_GROUPS_MAX];
	unsigned group_count; /* 0: as they are */
	bool mutual;
};

static struct addition *addition_of(struct errand *errand)
{
	return container_of(errand, struct addition, errand);
}

static void addition_free(struct errand *errand)
{
	struct addition *own = addition_of(errand);

	jid_free(&own->user);
	jid_free(&own->contact);
	str_free(&own->name);
	while (own->group_count)
		str_free(&own->groups[--own->group_count]);
	mem_free(own);
}

/* -- the user -- */

/* What the command does not say stays as it was. NULL: it cannot be so. */
static struct roster_item *item_new(const struct addition *own, const struct roster_item *before)
{
	AUTO(nad_free) struct nad *nad = nad_new();
	unsigned kept = before && !own->group_count ? before->groups : 0;
	struct roster_item *item = NULL;

	nad_append_elem(nad, -1, "item", 0);
	nad_append_attr(nad, -1, "jid", jid_full(own->contact));
	if (own->name)
		nad_append_attr(nad, -1, "name", str_slice(own->name));
	else if (before)
		nad_append_attr(nad, -1, "name", roster_item_name(before));
	for (unsigned at = 0; at < own->group_count + kept; at++) {
		nad_append_elem(nad, -1, "group", 1);
		nad_append_cdata(nad, kept ? roster_item_group(before, at) : str_slice(own->groups[at]), 2);
	}
	roster_item_read(nad, 0, &item);
	return item;
}

static void say_done(struct addition *own, const struct user *user)
{
	const struct roster_item *item = roster_find(roster_of(user), own->contact);
	struct buf *out = &own->errand.out;

	if (!item)
		return; /* the user took it out again at once */
	if (!own->errand.json) {
		buf_printf(out, "%s has %s, subscription %s", jid_text(own->user), jid_text(own->contact),
			   roster_item_subscription(item));
		return;
	}
	buf_append_text(out, "{\"jid\": ");
	ctl_json_text(out, jid_full(own->user));
	buf_append_text(out, ", \"contact\": ");
	ctl_json_text(out, jid_full(own->contact));
	buf_printf(out, ", \"subscription\": \"%s\"}", roster_item_subscription(item));
}

static void contact_shows(struct errand *errand, struct user *contact)
{
	presence_show(contact, addition_of(errand)->user);
	errand_end(errand, CTL_OK);
}

static void user_changed(struct errand *errand, struct user *user)
{
	struct addition *own = addition_of(errand);

	roster_push(user, own->contact);
	say_done(own, user);
	if (!own->mutual) {
		errand_end(errand, CTL_OK);
		return;
	}
	presence_show(user, own->contact);
	errand_go(errand, own->contact, contact_shows);
}

static void full(struct errand *errand, const struct user *user, struct store_txn **txn)
{
	store_txn_free(txn);
	errand_fail(errand, "%s has so many contacts already, or so much text in them, that no more are allowed (%d, %d KB)",
		    jid_text(user->jid), ROSTER_MAX, ROSTER_BYTES_MAX >> 10);
}

static void change_user(struct errand *errand, struct user *user)
{
	struct addition *own = addition_of(errand);
	struct roster_item *item = item_new(own, roster_find(roster_of(user), own->contact));
	struct store_txn *txn = store_txn_new();

	if (!item || !roster_change(txn, user, &item) || (own->mutual && !subscribe_grant(txn, user, own->contact)))
		full(errand, user, &txn);
	else
		errand_store(errand, user, &txn, user_changed);
}

/* -- the contact, when it is mutual -- */

static void contact_changed(struct errand *errand, struct user *contact)
{
	struct addition *own = addition_of(errand);

	roster_push(contact, own->user);
	errand_go(errand, own->user, change_user);
}

static void change_contact(struct errand *errand, struct user *contact)
{
	struct store_txn *txn = store_txn_new();

	if (subscribe_grant(txn, contact, addition_of(errand)->user))
		errand_store(errand, contact, &txn, contact_changed);
	else
		full(errand, contact, &txn);
}

static void user_is_there(struct errand *errand, struct user *user)
{
	errand_go(errand, addition_of(errand)->contact, change_contact);
}

/* -- words -- */

static bool begins_with(const char *word, const char *name)
{
	return strncmp(word, name, strlen(name)) == 0;
}

/* A name or a group; NULL: it is none, why has the reason. */
static struct str *read_text(const char *text, bool may_be_empty, const char **why)
{
	struct slice slice = slice_of(text);

	if (!slice.len && !may_be_empty)
		*why = "is empty";
	else if (slice.len > ROSTER_TEXT_MAX)
		*why = "is longer than 1023 bytes";
	else if (!utf8_is_xml(slice))
		*why = "has characters that XML cannot hold: control characters, or no UTF-8";
	else
		return str_new(slice);
	return NULL;
}

static bool has_group(const struct addition *own, const char *group)
{
	for (unsigned at = 0; at < own->group_count; at++) {
		if (slice_is(str_slice(own->groups[at]), group))
			return true;
	}
	return false;
}

/* Returns CTL_OK, or how the call is to end; what and why say the reason. */
static int read_word(struct addition *own, const char *word, const char **what, const char **why)
{
	if (strcmp(word, "mutual") == 0) {
		own->mutual = true;
	} else if (begins_with(word, "name=")) {
		*what = "the name";
		str_free(&own->name);
		own->name = read_text(word + strlen("name="), true, why);
		return own->name ? CTL_OK : CTL_PROBLEM;
	} else if (begins_with(word, "group=") && own->group_count < ROSTER_GROUPS_MAX) {
		struct str *group = read_text(word + strlen("group="), false, why);

		*what = "a group";
		if (group && !has_group(own, str_text(group)))
			own->groups[own->group_count++] = str_ref(group);
		str_free(&group);
		return *why ? CTL_PROBLEM : CTL_OK;
	} else {
		*what = word;
		*why = "is neither name=, group= nor mutual";
		return CTL_USAGE;
	}
	return CTL_OK;
}

static bool read_words(struct addition *own, struct ctl_call *call)
{
	const char *what = NULL, *why = NULL;
	int code = CTL_OK;

	for (size_t at = 2; code == CTL_OK && at < ctl_args(call); at++)
		code = read_word(own, ctl_arg(call, at), &what, &why);
	if (code == CTL_OK)
		return true;
	ctl_error(call, "%s %s", what, why);
	ctl_end(call, code);
	return false;
}

/* An address without a resource; an account of ours, when it is mutual. */
static struct jid *read_contact(const struct process *process, const struct addition *own, struct ctl_call *call)
{
	const char *text = ctl_arg(call, 1);
	struct jid *contact;

	if (own->mutual) {
		contact = command_account(process, call, text, false);
		if (!contact)
			return NULL;
	} else {
		contact = jid_parse(slice_of(text));
	}
	if (contact && jid_is_bare(contact) && !jid_equal(contact, own->user))
		return contact;
	if (!contact || !jid_is_bare(contact))
		ctl_error(call, "%s is no address of a contact: name@domain, without a resource", text);
	else
		ctl_error(call, "%s cannot be its own contact", text);
	jid_free(&contact);
	ctl_end(call, CTL_PROBLEM);
	return NULL;
}

void roster_add_run(void *arg, struct ctl_call *call)
{
	struct process *process = arg;
	size_t words = ctl_args(call) < 2 ? 2 : ctl_args(call);
	struct addition *own;

	if (!command_begins(process, call, words,
			    "an account and a contact are wanted: jackdaw roster add alice@example.com bob@example.com"))
		return;
	own = mem_zalloc(MEM_OTHER, sizeof(*own));
	errand_init(&own->errand, process, call, addition_free);
	if (read_words(own, call) && (own->user = command_account(process, call, ctl_arg(call, 0), false)) &&
	    (own->contact = read_contact(process, own, call)))
		errand_go(&own->errand, own->user, own->mutual ? user_is_there : change_user);
	else
		addition_free(&own->errand);
}
