/* SPDX-License-Identifier: MIT */
/* What the router is told beyond one login: other logins, aliases, rules, networks. */
#include "component/settings_private.h"

#include <stddef.h>
#include <string.h>
#include "base/pattern.h"
#include "jid/jid.h"
#include "link/policy.h"
#include "stanza/stanza.h"

#define IN(type, member) .offset = offsetof(struct type, member)

const struct conf_option settings_login_options[] = {
	{.key = "name",
	 .type = CONF_TEXT,
	 IN(settings_login, name),
	 .text = "the user that a component logs in as; it may always bind the name equal to it"},
	{.key = "password",
	 .type = CONF_SECRET,
	 IN(settings_login, password),
	 .text = "its password"},
	{.key = "may",
	 .type = CONF_LIST,
	 IN(settings_login, may),
	 .preset = "[]",
	 .text = "bind: any free name; default-route: what nobody else serves; log: copies of all; "
		 "all: these, and asking for accounts"},
	{.key = NULL},
};

const struct conf_option settings_alias_options[] = {
	{.key = "name",
	 .type = CONF_TEXT,
	 IN(settings_alias, name),
	 .text = "another name of target, which nobody may bind"},
	{.key = "target",
	 .type = CONF_TEXT,
	 IN(settings_alias, target),
	 .text = "who serves this name gets what is for the other, and may send from it"},
	{.key = NULL},
};

const struct conf_option settings_rule_options[] = {
	{.key = "from",
	 .type = CONF_TEXT,
	 IN(settings_rule, from),
	 .preset = "",
	 .text = "a shell pattern of the stanza's from without resource, such as "
		 "\"*@spam.example\"; "
		 "\"*\" is any, \"\" fits only what has none"},
	{.key = "to",
	 .type = CONF_TEXT,
	 IN(settings_rule, to),
	 .preset = "",
	 .text = "the same of its to"},
	{.key = "what",
	 .type = CONF_TEXT,
	 IN(settings_rule, what),
	 .preset = "",
	 .text = "a path of elements that it must have, \"message/body\", "
		 "\"iq/query?xmlns=jabber:iq:register\"; \"\": anything"},
	{.key = "error",
	 .type = CONF_TEXT,
	 IN(settings_rule, error),
	 .preset = "",
	 .text = "the condition with which it comes back, \"forbidden\"; \"\": it passes"},
	{.key = "redirect",
	 .type = CONF_TEXT,
	 IN(settings_rule, redirect),
	 .preset = "",
	 .text = "the name that it is sent to instead, its content as it was; \"\": it goes on"},
	{.key = "log",
	 .type = CONF_BOOL,
	 IN(settings_rule, log),
	 .preset = "false",
	 .text = "a line in the log for each that fits"},
	{.key = NULL},
};

static const char *const rights[] = {"bind", "default-route", "log", "all"};

static int check_right(const char *right, struct finding *finding)
{
	for (size_t at = 0; at < countof(rights); at++) {
		if (!strcmp(rights[at], right))
			return 0;
	}
	finding->member = "may";
	return wrong(finding,
		     "router.login: may: \"%.100s\" is none of bind, default-route, log, all",
		     right);
}

/* A name is written as the identity that it becomes, so that no two logins are one. */
static int check_login_name(const struct settings *settings, struct finding *finding,
			    const char *name)
{
	AUTO(buf_fini) struct buf local = {0}, first = {0};

	if (!jid_prep_local(slice_of(name), &local))
		return wrong(finding, "router.login: \"%.200s\" is no name of a user", name);
	if (!slice_is(buf_slice(&local), name))
		return wrong(finding, "router.login: write \"%.200s\" as \"%.200s\"", name,
			     buf_text(&local));
	if (jid_prep_local(slice_of(settings->router.user), &first) &&
	    slice_is(buf_slice(&first), name))
		return wrong(finding,
			     "router.login: \"%.200s\" is router.user, which may everything", name);
	for (size_t other = 0; other < finding->item; other++) {
		const struct settings_login *before = settings->router.logins.items[other];

		if (!strcmp(before->name, name))
			return wrong(finding, "router.login: \"%.200s\" stands there twice", name);
	}
	return 0;
}

static int check_login(const struct settings *settings, struct finding *finding)
{
	const struct settings_login *login = settings->router.logins.items[finding->item];
	int rc;

	finding->member = "name";
	rc = check_login_name(settings, finding, login->name);
	if (rc)
		return rc;
	finding->member = "password";
	if (!login->password[0])
		return wrong(finding, "router.login: the password of \"%.200s\" is empty",
			     login->name);
	for (size_t at = 0; !rc && at < login->may.count; at++)
		rc = check_right(login->may.items[at], finding);
	return rc;
}

int settings_check_logins(const struct settings *settings, struct finding *finding)
{
	int rc = 0;

	for (; !rc && finding->item < settings->router.logins.count; finding->item += !rc)
		rc = check_login(settings, finding);
	return rc;
}

static int check_domain(struct finding *finding, const char *name)
{
	AUTO(buf_fini) struct buf domain = {0};

	if (!jid_prep_domain(slice_of(name), &domain))
		return wrong(finding, "router.alias: \"%.200s\" is no domain", name);
	if (!slice_is(buf_slice(&domain), name))
		return wrong(finding, "router.alias: write \"%.200s\" as \"%.200s\"", name,
			     buf_text(&domain));
	return 0;
}

static int check_alias_names(const struct settings *settings, struct finding *finding,
			     const struct settings_alias *alias)
{
	const struct conf_tables *aliases = &settings->router.aliases;

	if (settings_serves(settings, slice_of(alias->name)))
		return wrong(finding, "router.alias: \"%.200s\" is one of domains", alias->name);
	if (settings_is_part(alias->name))
		return wrong(finding, "router.alias: \"%.200s\" is the name of a part",
			     alias->name);
	if (settings_is_component(settings, alias->name))
		return wrong(finding, "router.alias: \"%.200s\" is a component", alias->name);
	for (size_t at = 0; at < aliases->count; at++) {
		const struct settings_alias *other = aliases->items[at];

		if (at < finding->item && !strcmp(other->name, alias->name))
			return wrong(finding, "router.alias: \"%.200s\" stands there twice",
				     alias->name);
		if (!strcmp(other->target, alias->name))
			return wrong(finding, "router.alias: \"%.200s\" is the target of an alias",
				     alias->name);
	}
	return 0;
}

int settings_check_aliases(const struct settings *settings, struct finding *finding)
{
	int rc = 0;

	for (; !rc && finding->item < settings->router.aliases.count; finding->item += !rc) {
		const struct settings_alias *alias = settings->router.aliases.items[finding->item];

		finding->member = "target";
		rc = check_domain(finding, alias->target);
		if (rc)
			return rc;
		finding->member = "name";
		rc = check_domain(finding, alias->name);
		rc = rc ? rc : check_alias_names(settings, finding, alias);
	}
	return rc;
}

int settings_condition(const char *name)
{
	for (int error = 0; error < STANZA_ERRORS; error++) {
		if (!strcmp(stanza_error_name(error), name))
			return error;
	}
	return -1;
}

static int check_pattern(struct finding *finding, const char *member, const char *pattern)
{
	finding->member = member;
	if (pattern_is_valid(slice_of(pattern)))
		return 0;
	return wrong(
		finding,
		"router.rule: %s: \"%.200s\" is no pattern; write something like \"*@example.org\"",
		member, pattern);
}

static int check_action(struct finding *finding, const struct settings_rule *rule)
{
	AUTO(jid_free) struct jid *to = jid_parse(slice_of(rule->redirect));

	finding->member = "error";
	if (*rule->error && settings_condition(rule->error) < 0)
		return wrong(finding,
			     "router.rule: error: \"%.200s\" is no condition; write something like "
			     "\"forbidden\"",
			     rule->error);
	finding->member = "redirect";
	if (*rule->redirect && !to)
		return wrong(finding, "router.rule: redirect: \"%.200s\" is no address",
			     rule->redirect);
	if (*rule->redirect && *rule->error)
		return wrong(finding, "router.rule: error or redirect, not both");
	return 0;
}

static int check_rule(struct finding *finding, const struct settings_rule *rule)
{
	int rc = check_pattern(finding, "from", rule->from);

	rc = rc ? rc : check_pattern(finding, "to", rule->to);
	if (rc)
		return rc;
	finding->member = "what";
	if (*rule->what && !link_what_is_valid(slice_of(rule->what)))
		return wrong(finding,
			     "router.rule: what: \"%.200s\" is no path; write something like "
			     "\"message/body\"",
			     rule->what);
	return check_action(finding, rule);
}

int settings_check_rules(const struct settings *settings, struct finding *finding)
{
	int rc = 0;

	for (; !rc && finding->item < settings->router.rules.count; finding->item += !rc)
		rc = check_rule(finding, settings->router.rules.items[finding->item]);
	return rc;
}

int settings_check_allow(const struct settings *settings, struct finding *finding)
{
	return settings_check_networks(&settings->router.allow, finding);
}
