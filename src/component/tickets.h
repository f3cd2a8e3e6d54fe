/* SPDX-License-Identifier: MIT */
/*
 * Session tickets, RFC 5077 and RFC 8446 section 4.6.1: a client that comes back brings its session
 * along, encrypted to us, and the server keeps nothing. Keys are random, live for two turns (in the
 * second they only read), and are wiped. There is no early data.
 */
#pragma once

#include <stdint.h>

struct mio_host;
struct ssl_ctx_st;

enum { TICKETS_TURN_MS = 12 * 3600 * 1000 };
enum { TICKET_NAME = 16, TICKET_CIPHER = 32, TICKET_MAC = 32 };

struct ticket_key {
	uint8_t name[TICKET_NAME], cipher[TICKET_CIPHER], mac[TICKET_MAC];
};

/* Frozen while anybody reads it. */
struct tickets {
	struct mio_host *host;
	struct ticket_key keys[2]; /* the first writes, both read */
	uint8_t count;
};

/* Fresh keys behind the first of old; old NULL: what was encrypted before is not read any more. */
void tickets_turn(const struct tickets *old, struct mio_host *host, struct tickets *fresh);
void tickets_wipe(struct tickets *tickets);

/* A server's context makes and reads tickets with the keys of the connection's view
 * (tls_view_tickets()), which is what SSL_get_app_data() has. */
void tickets_use(struct ssl_ctx_st *context);
void tickets_refuse(struct ssl_ctx_st *context); /* it makes none */
