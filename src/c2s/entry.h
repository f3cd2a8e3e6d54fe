/* SPDX-License-Identifier: MIT */
/* Who may connect, and what is said of those who went: limits.connections, connections_per_address, trusted_proxies. */
#pragma once

#include "c2s/client.h"

void entry_accept(struct c2s *c2s, int given, const struct conn_options *options);
void entry_proxied(void *owner, struct conn *conn); /* its PROXY header is there */
void entry_note_end(struct client *client, struct conn *conn, enum conn_end end); /* counts and logs why */
void entry_leave(struct client *client); /* while it has its connection */
