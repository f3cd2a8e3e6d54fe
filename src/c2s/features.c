/* SPDX-License-Identifier: MIT */
/* What a client may do next: register before login, bind after it. */
#include "c2s/client.h"
#include "stanza/ns.h"
#include "xml/nad.h"

static void offer(void *state, struct sx *sx, struct nad *features)
{
	struct client *client = conn_owner(conn_of(sx));

	if (!sx_identity(sx)) {
		if (client && register_offered(client))
			nad_append(features, NS_REGISTER_FEATURE, "register", 1);
		return;
	}
	nad_append(features, NS_BIND, "bind", 1);
	nad_append(features, NS_SESSION, "session", 1);
	nad_append(features, NS_SESSION, "optional", 2);
	if (client && client_is_ours(client))
		nad_append(features, NS_SM, "sm", 1);
}

const struct sx_plugin c2s_features = {.name = "features", .features = offer};
