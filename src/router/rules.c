/* SPDX-License-Identifier: MIT */
/* What the file says about routes, in the form that link takes. */
#include "router/rules.h"

#include "base/mem.h"
#include "stanza/stanza.h"

static const char *fate(const struct link_rule *rule)
{
	if (rule->error)
		return "refused";
	return rule->redirect ? "redirected" : "passed";
}

static void matched(void *arg, const struct link_rule *rule, struct slice from, struct slice to)
{
	char quoted_from[LOG_QUOTE], quoted_to[LOG_QUOTE];

	log_info(arg, "rule: %s, from=%s to=%s what=\"%.*s\"%s%s", fate(rule),
		 log_quote(quoted_from, from), log_quote(quoted_to, to), (int)rule->what.len,
		 rule->what.data, rule->redirect ? " redirect=" : "",
		 rule->redirect ? rule->redirect : "");
}

static struct link_rule make_rule(const struct settings_rule *rule)
{
	return (struct link_rule){
		.from = slice_of(rule->from),
		.to = slice_of(rule->to),
		.what = slice_of(rule->what),
		.error = *rule->error ? (unsigned)stanza_error_code(settings_condition(rule->error))
				      : 0,
		.redirect = *rule->redirect ? rule->redirect : NULL,
		.log = rule->log,
	};
}

void rules_init(struct link_policy *policy, const struct settings *settings, const struct log *log)
{
	const struct conf_tables *rules = &settings->router.rules,
				 *aliases = &settings->router.aliases;
	struct link_rule *made = mem_zalloc(MEM_LINK, (rules->count + 1) * sizeof(*made));
	struct link_alias *names = mem_zalloc(MEM_LINK, (aliases->count + 1) * sizeof(*names));

	for (size_t at = 0; at < rules->count; at++)
		made[at] = make_rule(rules->items[at]);
	for (size_t at = 0; at < aliases->count; at++) {
		const struct settings_alias *alias = aliases->items[at];

		names[at] = (struct link_alias){slice_of(alias->name), slice_of(alias->target)};
	}
	*policy = (struct link_policy){
		.rules = made,
		.rule_count = rules->count,
		.aliases = names,
		.alias_count = aliases->count,
		.matched = matched,
		.arg = (void *)log,
	};
}

void rules_fini(struct link_policy *policy)
{
	mem_free((void *)policy->rules);
	mem_free((void *)policy->aliases);
	*policy = (struct link_policy){.rules = NULL};
}
