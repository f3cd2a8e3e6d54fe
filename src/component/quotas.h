/* SPDX-License-Identifier: MIT */
/* What is limited per address, counted for all workers of a process together. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/table.h"

struct quotas;
struct settings;

/* descriptors: of the process; 0: as many as one likes. */
struct quotas *quotas_new(const struct settings *settings, struct hash_key seed, uint64_t descriptors);
void quotas_free(struct quotas **quotas);
/*
 * Other settings count from now on, worker 0; what was used up and who is counted stays. When all workers have come to a
 * later turn: quotas_settled().
 */
void quotas_set(struct quotas *quotas, const struct settings *settings);
void quotas_settled(struct quotas *quotas);

/*
 * A client's connection, limits.connections, and the place that it takes of those of its address,
 * limits.connections_per_address. True: it may come; a connection, and a place if *counted, until the call that ends
 * it. Any thread.
 */
void quotas_open_places(struct quotas *quotas); /* at the start, of who has clients: the table is large */
bool quotas_connect(struct quotas *quotas);
void quotas_disconnect(struct quotas *quotas);
bool quotas_place(struct quotas *quotas, const char *peer, bool *counted);
void quotas_leave_place(struct quotas *quotas, const char *peer); /* one that was counted */
/* So many clients a process of so many descriptors takes, the rest is for files and links; and the other way round. */
uint64_t quotas_clients_of(uint64_t descriptors);
uint64_t quotas_descriptors_for(uint64_t clients);
uint64_t quotas_connections(const struct quotas *quotas); /* how many there may be; 0: no limit */

/*
 * Somebody wants to make an account: false when limits.registrations is used up for the address, or
 * the /64 of IPv6. peer is a connection's name; those in limits.unlimited_from are not counted, nor
 * is who has no address. Any thread.
 */
bool quotas_registration(struct quotas *quotas, const char *peer, int64_t now_ms);
/*
 * Logins, limits.login_attempts: failed ones of a user from an address, and ten times as many from an address. While
 * either is used up nobody may try, and what was tried meanwhile does not count, good or bad. So nobody is kept
 * out by what others do elsewhere. user: a bare address, or empty: unknown.
 */
bool quotas_may_log_in(struct quotas *quotas, const char *peer, struct slice user, int64_t now_ms);
void quotas_login_failed(struct quotas *quotas, const char *peer, struct slice user, int64_t now_ms);
void quotas_logged_in(struct quotas *quotas, const char *peer, struct slice user);
/* Names the address of a client, or its /64, as long as the process lives; 0: it is not counted. Any thread. */
uint64_t quotas_where(struct quotas *quotas, const char *peer);
/* As quotas_registration(), of a component's connection to the router, router.connects. */
bool quotas_component(struct quotas *quotas, const char *peer, int64_t now_ms);
