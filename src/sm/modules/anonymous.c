/* SPDX-License-Identifier: MIT */
/*
 * Who has no account, XEP-0175: a name and a session, gone together. What would be left of them is refused: contacts,
 * subscriptions of either side. They speak with who is served here, and with nobody far away.
 */
#include "component/settings.h"
#include "jid/jid.h"
#include "sm/modules/modules.h"
#include "sm/subscription.h"
#include "sm/user.h"
#include "stanza/ns.h"

/* The domain itself, or one below. */
static bool is_within(struct slice name, struct slice domain)
{
	size_t at = name.len - domain.len;

	if (name.len < domain.len || !slice_equal((struct slice){name.data + at, domain.len}, domain))
		return false;
	return at == 0 || name.data[at - 1] == '.';
}

/* A domain of ours, a service of one, or a component of the file. */
static bool is_near(const struct settings *settings, struct slice name)
{
	for (size_t at = 0; at < settings->domains.count; at++) {
		if (is_within(name, slice_of(settings->domains.items[at])))
			return true;
	}
	for (size_t at = 0; at < settings->components.count; at++) {
		const struct settings_component *component = settings->components.items[at];

		if (slice_is(name, component->name))
			return true;
	}
	return false;
}

static bool leaves_something(const struct stanza *stanza)
{
	return (stanza->kind == STANZA_PRESENCE && subscription_is_type(stanza->type)) ||
	       stanza_matches(stanza, STANZA_IQ_SET, NS_ROSTER, "query") ||
	       stanza_matches(stanza, STANZA_IQ_SET, NS_PRIVATE, "query") ||
	       stanza_matches(stanza, STANZA_IQ_SET, NS_VCARD, "vCard") ||
	       stanza_matches(stanza, STANZA_IQ_SET, NS_BLOCKING, "block") ||
	       stanza_matches(stanza, STANZA_IQ_SET, NS_BLOCKING, "unblock");
}

static int sends(void *state, const struct sm_event *event)
{
	const struct stanza *stanza = event->stanza;

	if (!event->user->anonymous)
		return SM_PASS;
	if (leaves_something(stanza) || (stanza->to && !is_near(sm_settings(event->sm), jid_domain(stanza->to))))
		return sm_reply_error(event, STANZA_NOT_ALLOWED);
	return SM_PASS;
}

static int hears(void *state, const struct sm_event *event)
{
	enum stanza_type type = event->stanza->type;

	if (!event->user->anonymous || !subscription_is_type(type))
		return SM_PASS;
	if (type == STANZA_SUBSCRIBE)
		subscribe_send(event->user, event->stanza->from, STANZA_UNSUBSCRIBED);
	return 0;
}

static const struct sm_hook hooks[] = {
	{SM_IN_SESS, STANZA_ANY, NULL, NULL, SM_FIRST, sends},
	{SM_PKT_USER, STANZA_PRESENCE, NULL, NULL, SM_EARLY, hears},
	{.run = NULL},
};

const struct sm_module sm_anonymous = {.name = "anonymous", .hooks = hooks};
