/* SPDX-License-Identifier: MIT */
/* router.xml and the files that it names: logins, rights, aliases, rules, limits. */
#include <stdlib.h>
#include <string.h>
#include "run/import/jabberd2_config.h"
#include "run/import/jabberd2_file.h"
#include "xml/nad.h"

/* key = "value" of a table. */
static void append_key(struct buf *out, const char *key, struct slice value)
{
	buf_printf(out, "%s = ", key);
	jabberd2_toml(out, value);
	buf_append_char(out, '\n');
}

/* -- limits -- */

/* How much in how many seconds; false when it is no limit. */
static bool read_limit(const struct nad *router, const char *path, long preset_seconds,
		       long *amount, long *seconds)
{
	int elem = jabberd2_find(router, 0, path);

	if (elem < 0)
		return false;
	*amount = jabberd2_number(jabberd2_trim(nad_cdata(router, elem)));
	*seconds = jabberd2_number(nad_attr_value(router, elem, "seconds"));
	if (*seconds <= 0)
		*seconds = preset_seconds;
	return *amount > 0;
}

static void append_limits(const struct nad *router, struct buf *out)
{
	long amount, seconds;

	if (read_limit(router, "io/limits/bytes", 1, &amount, &seconds))
		buf_printf(out, "rate = \"%ld B/s\"\n", amount / seconds + 1);
	if (read_limit(router, "io/limits/connects", 5, &amount, &seconds))
		buf_printf(out, "connects = \"%ld per minute\"\n", amount * 60 / seconds + 1);
}

/* The bits of a mask such as 255.255.0.0; jabberd2's is one address when there is none. */
static unsigned mask_bits(struct slice mask, bool six)
{
	unsigned bits = 0;
	char text[16] = "";
	char *at = text;

	if (!mask.len || mask.len >= sizeof(text) || !memchr(mask.data, '.', mask.len))
		return mask.len && !memchr(mask.data, '.', mask.len)
			       ? (unsigned)jabberd2_number(mask)
			       : (six ? 128 : 32);
	memcpy(text, mask.data, mask.len);
	for (unsigned part = 0; part < 4; part++) {
		unsigned long byte = strtoul(at, &at, 10);

		bits += (unsigned)__builtin_popcountl(byte & 0xff);
		at += *at == '.';
	}
	return bits;
}

/* Ours names who may connect; whom jabberd2 denies among those who may is not to be said. */
static void append_access(const struct nad *router, struct buf *out)
{
	int access = jabberd2_find(router, 0, "io/access"), at;
	bool only_allowed = slice_is(jabberd2_text(router, "io/access/order"), "deny,allow");
	const char *comma = "";

	if (access < 0)
		return;
	if (nad_find_child(router, access, NULL, "deny") >= 0 || !only_allowed) {
		if (nad_find_child(router, access, NULL, "deny") >= 0)
			buf_append_text(out, "# router.xml denies some addresses: the firewall, or "
					     "allow = [...] with the others\n");
		return;
	}
	buf_append_text(out, "allow = [");
	for (at = nad_find_child(router, access, NULL, "allow"); at >= 0;
	     at = nad_find_next(router, at, NULL, "allow")) {
		struct slice ip = nad_attr_value(router, at, "ip");
		bool six = ip.len && memchr(ip.data, ':', ip.len);

		buf_printf(out, "%s\"%.*s/%u\"", comma, (int)ip.len, ip.data,
			   mask_bits(nad_attr_value(router, at, "mask"), six));
		comma = ", ";
	}
	buf_append_text(out, "]\n");
}

/* -- logins -- */

static bool acl_names(const struct nad *router, const char *type, struct slice user)
{
	int aci = jabberd2_find(router, 0, "aci");
	int acl = aci < 0 ? -1 : nad_find_child(router, aci, NULL, "acl");

	for (; acl >= 0; acl = nad_find_next(router, acl, NULL, "acl")) {
		int at = nad_find_child(router, acl, NULL, "user");

		for (; slice_is(nad_attr_value(router, acl, "type"), type) && at >= 0;
		     at = nad_find_next(router, at, NULL, "user")) {
			if (slice_equal(jabberd2_trim(nad_cdata(router, at)), user))
				return true;
		}
	}
	return false;
}

static void append_login(const struct nad *router, struct slice name, struct slice secret,
			 struct buf *out)
{
	static const char *const rights[] = {"all", "bind", "default-route", "log"};
	const char *comma = "";

	buf_append_text(out, "\n[[router.login]]\n");
	append_key(out, "name", name);
	append_key(out, "password", secret);
	buf_append_text(out, "may = [");
	for (size_t at = 0; at < countof(rights); at++) {
		if (!acl_names(router, rights[at], name))
			continue;
		buf_printf(out, "%s\"%s\"", comma, rights[at]);
		comma = ", ";
	}
	buf_append_text(out, "]\n");
}

static void append_logins(const struct jabberd2_config *config, struct slice first, struct buf *out)
{
	const struct nad *users = config->users;
	int user = users ? nad_find_child(users, 0, NULL, "user") : -1;

	for (; user >= 0; user = nad_find_next(users, user, NULL, "user")) {
		int name = nad_find_child(users, user, NULL, "name");
		int secret = nad_find_child(users, user, NULL, "secret");

		if (name < 0 || secret < 0 ||
		    slice_equal(jabberd2_trim(nad_cdata(users, name)), first))
			continue;
		append_login(config->files[JABBERD2_ROUTER], jabberd2_trim(nad_cdata(users, name)),
			     jabberd2_trim(nad_cdata(users, secret)), out);
	}
}

/* -- aliases and rules -- */

static void append_aliases(const struct nad *router, struct buf *out)
{
	int aliases = jabberd2_find(router, 0, "aliases");
	int at = aliases < 0 ? -1 : nad_find_child(router, aliases, NULL, "alias");

	for (; at >= 0; at = nad_find_next(router, at, NULL, "alias")) {
		buf_append_text(out, "\n[[router.alias]]\n");
		append_key(out, "name", nad_attr_value(router, at, "name"));
		append_key(out, "target", nad_attr_value(router, at, "target"));
	}
}

static void append_rules(const struct nad *filter, struct buf *out)
{
	static const char *const keys[] = {"from", "to", "what", "error", "redirect"};
	int at = filter ? nad_find_child(filter, 0, NULL, "rule") : -1;
	struct slice value;

	for (; at >= 0; at = nad_find_next(filter, at, NULL, "rule")) {
		buf_append_text(out, "\n[[router.rule]]\n");
		for (size_t key = 0; key < countof(keys); key++) {
			if (nad_attr(filter, at, NULL, keys[key], &value))
				append_key(out, keys[key], value);
		}
		if (nad_attr(filter, at, NULL, "log", &value))
			buf_append_text(out, "log = true\n");
		if (nad_attr(filter, at, NULL, "dump", &value))
			buf_append_text(out,
					"# dump has no counterpart: log sinks, docs/router.md\n");
	}
}

void jabberd2_convert_router(const struct jabberd2_config *config, struct slice user,
			     struct buf *out)
{
	const struct nad *router = config->files[JABBERD2_ROUTER];

	append_limits(router, out);
	append_access(router, out);
	append_logins(config, user, out);
	append_aliases(router, out);
	append_rules(config->filter, out);
}
