/* SPDX-License-Identifier: MIT */
/* Differences of settings, as lines and as JSON. */
#include "run/changes.h"

static bool is_read(const struct changes *changes, const struct conf_option *option)
{
	for (const char *const *part = changes->parts; *part; part++) {
		if (conf_is_read_by(option, *part))
			return true;
	}
	return false;
}

void changes_each(const struct changes *changes, change_fn *each, void *arg)
{
	for (const struct conf_option *option = settings_options; option->key; option++) {
		if (is_read(changes, option) && !conf_is_equal(option, changes->now, changes->next))
			each(arg, option, conf_takes_now(option, changes->now, changes->next));
	}
}

/* What is a secret, or has many lines, is only said to be another. */
static void print_values(const struct changes *changes, const struct conf_option *option,
			 struct buf *out)
{
	if (option->type == CONF_SECRET || option->type == CONF_TABLES) {
		buf_append_text(out, "changed");
		return;
	}
	conf_json(option, changes->now, out);
	buf_append_text(out, " -> ");
	conf_json(option, changes->next, out);
}

void changes_print(const struct changes *changes, const struct conf_option *option, bool at_once,
		   const char *now, struct buf *out)
{
	buf_printf(out, "%s: ", option->key);
	print_values(changes, option, out);
	if (at_once)
		buf_printf(out, ": %s", now);
	else
		buf_printf(out, ": needs a restart%s%s", changes->part ? " of " : "",
			   changes->part ? changes->part : "");
}

struct listing {
	const struct changes *changes;
	struct buf *out;
	unsigned count;
};

static void list_one(void *arg, const struct conf_option *option, bool at_once)
{
	struct listing *listing = arg;

	buf_printf(listing->out, "%s{\"key\": \"%s\", \"from\": ", listing->count++ ? ", " : "",
		   option->key);
	conf_json(option, listing->changes->now, listing->out);
	buf_append_text(listing->out, ", \"to\": ");
	conf_json(option, listing->changes->next, listing->out);
	buf_printf(listing->out, ", \"restart\": %s}", at_once ? "false" : "true");
}

void changes_json(const struct changes *changes, struct buf *out)
{
	struct listing listing = {changes, out, 0};

	buf_printf(out, "{\"part\": \"%s\", \"changes\": [", changes->part ? changes->part : "run");
	changes_each(changes, list_one, &listing);
	buf_append_text(out, "]}");
}
