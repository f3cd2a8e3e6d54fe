/* SPDX-License-Identifier: MIT */
/* The packet filter: the first rule that fits, component-protocol.md section 7. */
#include "base/pattern.h"
#include "jid/jid.h"
#include "link/policy.h"
#include "link/table.h"
#include "stanza/stanza.h"
#include "xml/nad.h"

/* What a rule is asked about: the bare addresses of the payload, and the first of its elements, -1:
 * there is none. */
struct question {
	struct slice from, to;
	const struct nad *nad;
	int elem;
};

/* -- paths -- */

/* Up to the sign; *text moves behind it. The whole when the sign is not there. */
static struct slice cut(struct slice *text, char sign)
{
	const char *at = text->len ? memchr(text->data, sign, text->len) : NULL;
	struct slice head = {text->data, at ? (size_t)(at - text->data) : text->len};

	*text = at ? (struct slice){at + 1, text->len - head.len - 1} : (struct slice){NULL, 0};
	return head;
}

/* The next name of a path; what stands behind a ? has slashes of its own. *last: nothing but a
 * condition follows. */
static struct slice next_step(struct slice *path, bool *last)
{
	size_t len = 0;

	while (len < path->len && path->data[len] != '/' && path->data[len] != '?')
		len++;
	*last = len == path->len || path->data[len] == '?';
	return cut(path, len < path->len ? path->data[len] : '/');
}

bool link_what_is_valid(struct slice what)
{
	bool last = false, condition = what.len && memchr(what.data, '?', what.len);

	while (!last) {
		if (!next_step(&what, &last).len)
			return false;
	}
	return !condition || cut(&what, '=').len;
}

static bool has_attr(const struct nad *nad, int elem, struct slice name, const struct slice *value)
{
	struct nad_attr attr;

	for (int at = -1; nad_attr_next(nad, elem, &at, &attr);) {
		if (slice_equal(attr.name, name) && (!value || slice_equal(attr.value, *value)))
			return true;
	}
	return false;
}

/* "attribute" or "attribute=value" */
static bool meets(const struct nad *nad, int elem, struct slice condition)
{
	struct slice value = condition, name;

	if (!condition.len)
		return true;
	name = cut(&value, '=');
	if (slice_is(name, "xmlns"))
		return slice_equal(nad_ns(nad, elem), value);
	return has_attr(nad, elem, name, value.data ? &value : NULL);
}

/* An element of this name among elem and its siblings, and below it the rest of the path. */
static bool finds(const struct nad *nad, int elem, struct slice path)
{
	bool last;
	struct slice name = next_step(&path, &last);

	for (; elem >= 0; elem = nad_next_sibling(nad, elem)) {
		if (!slice_equal(nad_name(nad, elem), name))
			continue;
		if (last ? meets(nad, elem, path) : finds(nad, nad_first_child(nad, elem), path))
			return true;
	}
	return false;
}

/* -- rules -- */

/* What is absent is fit by what is absent alone. */
static bool fits_address(struct slice pattern, struct slice address)
{
	return address.len && pattern.len ? pattern_match(pattern, address)
					  : !address.len && !pattern.len;
}

static const struct link_rule *find_rule(const struct link_policy *policy,
					 const struct question *question)
{
	for (size_t at = 0; at < policy->rule_count; at++) {
		const struct link_rule *rule = &policy->rules[at];

		if (fits_address(rule->from, question->from) &&
		    fits_address(rule->to, question->to) &&
		    (!rule->what.len || finds(question->nad, question->elem, rule->what)))
			return rule;
	}
	return NULL;
}

static const struct link_rule *ask(const struct link_policy *policy,
				   const struct question *question)
{
	const struct link_rule *rule = find_rule(policy, question);

	if (rule && rule->log && policy->matched)
		policy->matched(policy->arg, rule, question->from, question->to);
	return rule;
}

static bool has_rules(const struct link *link)
{
	return link->policy && link->policy->rule_count;
}

/* What is no address is seen as it is, up to its resource. */
static struct slice bare(const struct jid *jid, struct slice text)
{
	return jid ? jid_user(jid) : cut(&text, '/');
}

unsigned rules_ask_route(struct link *link, struct nad *nad)
{
	AUTO(jid_free) struct jid *from = NULL, *to = NULL;
	struct question question = {.nad = nad, .elem = nad_first_child(nad, 0)};
	const struct link_rule *rule;

	if (!has_rules(link))
		return 0;
	if (question.elem >= 0) {
		struct slice from_text = nad_attr_value(nad, question.elem, "from");
		struct slice to_text = nad_attr_value(nad, question.elem, "to");

		from = jid_parse(from_text);
		to = jid_parse(to_text);
		question.from = bare(from, from_text);
		question.to = bare(to, to_text);
	}
	rule = ask(link->policy, &question);
	if (rule && rule->redirect)
		nad_set_attr(nad, 0, NULL, "to", rule->redirect);
	return rule ? rule->error : 0;
}

static void redirect(struct link *link, struct packet *packet, const char *address)
{
	AUTO(jid_free) struct jid *to = jid_parse(slice_of(address));

	if (!to)
		return;
	str_free(&packet->to);
	packet->to = link_name(link, jid_domain(to));
}

unsigned rules_ask_packet(struct link *link, struct packet *packet)
{
	const struct stanza *stanza = packet->stanza;
	const struct link_rule *rule;
	struct question question;

	if (!has_rules(link))
		return 0;
	question = (struct question){.nad = stanza->payload};
	if (stanza->from)
		question.from = jid_user(stanza->from);
	if (stanza->to)
		question.to = jid_user(stanza->to);
	rule = ask(link->policy, &question);
	if (rule && rule->redirect)
		redirect(link, packet, rule->redirect);
	return rule ? rule->error : 0;
}
