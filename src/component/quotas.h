/* SPDX-License-Identifier: MIT */
/* What is limited per address, counted for all workers of a process together. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/table.h"

struct quotas;
struct settings;

struct quotas *quotas_new(const struct settings *settings, struct hash_key seed);
void quotas_free(struct quotas **quotas);

/*
 * Somebody wants to make an account: false when limits.registrations is used up for the address, or
 * the /64 of IPv6. peer is a connection's name; those in limits.unlimited_from are not counted, nor
 * is who has no address. Any thread.
 */
bool quotas_registration(struct quotas *quotas, const char *peer, int64_t now_ms);
/* The same of a component's connection to the router, router.connects. */
bool quotas_component(struct quotas *quotas, const char *peer, int64_t now_ms);
