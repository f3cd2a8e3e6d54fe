/* SPDX-License-Identifier: MIT */
/* Private to router: the part's state, a component's stream, and how it logs in. */
#pragma once

#include "base/list.h"
#include "component/component.h"
#include "link/policy.h"
#include "router/gate.h"
#include "sx/plugins.h"

enum { ROUTER_LISTENERS_MAX = 17 }; /* those of listen.router, and the socket in data.dir */

struct router {
	struct worker *worker;
	struct log log;
	struct conn_options options, local_options; /* over TCP; at a Unix socket */
	struct sx_tls_conf tls;
	const void *plugin_conf[2], *local_plugin_conf[2];
	struct list streams, waiting; /* waiting: over TCP, not logged in yet, oldest first */
	unsigned waiting_count;
	struct gate gate;
	struct link_policy policy;
	struct mio_listener *listeners[ROUTER_LISTENERS_MAX];
	unsigned listener_count;
	bool draining;
};

/* One component's stream. external: it speaks XEP-0114. */
struct stream {
	struct list link_entry, waiting_entry;
	struct router *router;
	struct conn *conn;
	bool local;				   /* at a Unix socket, and it may be there */
	struct auth_digest *digest;		   /* while it logs in */
	const struct settings_component *external; /* who it says that it is; NULL: a native one */
	struct link_peer *peer;			   /* once it is OPEN */
	unsigned logins;			   /* tried */
};

/* login.c: DIGEST-MD5 over TCP, EXTERNAL for who was let in at a Unix socket. */
extern const struct sx_sasl_server_conf router_login_conf;
/* A connection at a Unix socket was accepted. False, and it is closed, unless it is our own user's
 * or root's. */
bool router_knows_user(struct stream *stream);
