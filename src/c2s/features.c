/* SPDX-License-Identifier: MIT */
/* What a client may do next: register before login, bind after it. */
#include "c2s/client.h"
#include "c2s/login.h"
#include "jid/jid.h"
#include "stanza/ns.h"
#include "xml/nad.h"

static void append_number(struct nad *nad, const char *name, int64_t number)
{
	AUTO(buf_fini) struct buf text = {0};

	buf_printf(&text, "%lld", (long long)number);
	nad_append_text(nad, NS_STREAM_LIMITS, name, 2, buf_slice(&text));
}

/* XEP-0478 */
static void offer_limits(const struct settings *settings, bool logged_in, struct nad *features)
{
	nad_append(features, NS_STREAM_LIMITS, "limits", 1);
	append_number(features, "max-bytes", logged_in ? settings->limits.stanza : settings->limits.stanza_before_auth);
	if (logged_in && settings->sessions.ping_ms)
		append_number(features, "idle-seconds", settings->sessions.ping_ms / 1000);
}

/* What the session manager says that it has. */
static void offer_of_domain(struct c2s *c2s, struct slice name, struct nad *features)
{
	struct domain *domain = domain_get(c2s, name);
	const struct nad *offers = domain ? domain_offers(c2s, domain) : NULL;

	if (!offers)
		return;
	for (int at = nad_first_child(offers, 0); at >= 0; at = nad_next_sibling(offers, at))
		nad_append_tree(features, offers, at, 1);
}

static void offer(void *state, struct sx *sx, struct nad *features)
{
	struct client *client = conn_owner(conn_of(sx));

	if (client)
		offer_limits(client->c2s->worker->settings, sx_identity(sx) != NULL, features);
	if (!sx_identity(sx)) {
		if (client)
			login_offer_bindings(client, features);
		if (client && register_offered(client))
			nad_append(features, NS_REGISTER_FEATURE, "register", 1);
		return;
	}
	if (!client || client->state != CLIENT_ACTIVE) {
		nad_append(features, NS_BIND, "bind", 1);
		nad_append(features, NS_SESSION, "session", 1);
		nad_append(features, NS_SESSION, "optional", 2);
	}
	if (!client || !client_is_ours(client))
		return;
	if (!client->ack)
		nad_append(features, NS_SM, "sm", 1);
	offer_of_domain(client->c2s, jid_domain(sx_identity(sx)), features);
}

const struct sx_plugin c2s_features = {.name = "features", .features = offer};
