/* SPDX-License-Identifier: MIT */
/* Service discovery of a domain and of an account, XEP-0030; with forms in it, XEP-0128. */
#include "component/settings.h"
#include "jid/jid.h"
#include "sm/modules/modules.h"
#include "sm/user.h"
#include "stanza/names.h"
#include "xml/nad.h"

static struct slice node_of(const struct stanza *stanza)
{
	return nad_attr_value(stanza->payload, stanza_child(stanza), "node");
}

static struct stanza *answer_new(const struct sm_event *event, const char *uri)
{
	struct stanza *result = stanza_result(event->stanza);

	nad_append(result->payload, uri, "query", 1);
	if (node_of(event->stanza).len)
		nad_append_attr(result->payload, -1, "node", node_of(event->stanza));
	return result;
}

static void append_identity(struct nad *nad, const char *category, const char *type)
{
	nad_append(nad, NS_DISCO_INFO, "identity", 2);
	nad_append_attr(nad, -1, "category", slice_of(category));
	nad_append_attr(nad, -1, "type", slice_of(type));
}

static void append_feature(struct nad *nad, const char *var)
{
	nad_append(nad, NS_DISCO_INFO, "feature", 2);
	nad_append_attr(nad, -1, "var", slice_of(var));
}

static void append_features(const struct sm *sm, enum sm_entity entity, struct nad *nad)
{
	size_t count;
	const char *const *features = sm_features(sm, entity, &count);

	for (size_t at = 0; at < count; at++)
		append_feature(nad, features[at]);
}

/* With the language of our streams: who hashes it need not know where it came from (XEP-0390 section 4.1). */
void disco_append(const struct sm *sm, struct nad *nad)
{
	append_identity(nad, "server", "im");
	nad_append_attr(nad, -1, "name", SLICE("jackdaw"));
	nad_set_attr(nad, (int)nad_count(nad) - 1, NS_XML, "lang", "en");
	append_features(sm, SM_DOMAIN, nad);
	contact_append(sm, nad);
}

static int items(const struct sm_event *event, void (*fill)(const struct sm_event *event, struct nad *nad))
{
	struct stanza *result;

	if (node_of(event->stanza).len)
		return sm_reply_error(event, STANZA_ITEM_NOT_FOUND);
	result = answer_new(event, NS_DISCO_ITEMS);
	if (fill)
		fill(event, result->payload);
	return sm_reply(event, &result);
}

static bool is_below(struct slice name, struct slice domain)
{
	size_t at = name.len - domain.len;

	return name.len > domain.len + 1 && name.data[at - 1] == '.' &&
	       slice_equal((struct slice){name.data + at, domain.len}, domain);
}

/* The components of the file whose names are below the domain's. */
static void components(const struct sm_event *event, struct nad *nad)
{
	const struct conf_tables *tables = &sm_settings(event->sm)->components;

	for (size_t at = 0; at < tables->count; at++) {
		const struct settings_component *component = tables->items[at];

		if (!is_below(slice_of(component->name), jid_domain(event->stanza->to)))
			continue;
		nad_append(nad, NS_DISCO_ITEMS, "item", 2);
		nad_append_attr(nad, -1, "jid", slice_of(component->name));
	}
}

static int domain_info(void *state, const struct sm_event *event)
{
	struct slice node = node_of(event->stanza);
	struct stanza *result;

	if (node.len && !caps_is_node(node))
		return sm_reply_error(event, STANZA_ITEM_NOT_FOUND);
	result = answer_new(event, NS_DISCO_INFO);
	disco_append(event->sm, result->payload);
	if (!node.len && ad_hoc_is_offered(event)) /* the hashes are of what everybody sees */
		append_feature(result->payload, NS_COMMANDS);
	return sm_reply(event, &result);
}

static int domain_items(void *state, const struct sm_event *event)
{
	return items(event, components);
}

/* XEP-0175: who knows an anonymous name may know what it is. */
static int account_info(void *state, const struct sm_event *event)
{
	struct stanza *result;

	if (!event->user->anonymous && !account_may_ask(event))
		return SM_PASS;
	if (node_of(event->stanza).len)
		return sm_reply_error(event, STANZA_ITEM_NOT_FOUND);
	result = answer_new(event, NS_DISCO_INFO);
	append_identity(result->payload, "account", event->user->anonymous ? "anonymous" : "registered");
	append_features(event->sm, SM_ACCOUNT, result->payload);
	if (ad_hoc_is_offered(event))
		append_feature(result->payload, NS_COMMANDS);
	return sm_reply(event, &result);
}

static int account_items(void *state, const struct sm_event *event)
{
	return account_may_ask(event) ? items(event, NULL) : SM_PASS;
}

static const struct sm_hook hooks[] = {
	{SM_PKT_SM, STANZA_IQ_GET, NS_DISCO_INFO, "query", SM_NORMAL, domain_info},
	{SM_PKT_SM, STANZA_IQ_GET, NS_DISCO_ITEMS, "query", SM_NORMAL, domain_items},
	{SM_PKT_USER, STANZA_IQ_GET, NS_DISCO_INFO, "query", SM_NORMAL, account_info},
	{SM_PKT_USER, STANZA_IQ_GET, NS_DISCO_ITEMS, "query", SM_NORMAL, account_items},
	{.run = NULL},
};

const struct sm_module sm_disco = {
	.name = "disco",
	.features = {NS_DISCO_INFO, NS_DISCO_ITEMS},
	.account_features = {NS_DISCO_INFO, NS_DISCO_ITEMS},
	.hooks = hooks,
};
