/* SPDX-License-Identifier: MIT */
#include "component/limits.h"

#include "base/limiter.h"
#include "base/mem.h"
#include "base/network.h"
#include "component/settings.h"

struct limits {
	struct network *unlimited;
	size_t unlimited_count;
	struct limiter *registrations;
};

struct limits *limits_new(const struct settings *settings, struct hash_key seed)
{
	const struct conf_list *list = &settings->limits.unlimited_from;
	const struct conf_per_time *registrations = &settings->limits.registrations;
	struct limits *limits = mem_zalloc(MEM_OTHER, sizeof(*limits));

	limits->unlimited = mem_zalloc(MEM_OTHER, list->count * sizeof(*limits->unlimited));
	for (size_t at = 0; at < list->count; at++) {
		if (network_parse(list->items[at], &limits->unlimited[limits->unlimited_count]))
			limits->unlimited_count++;
	}
	limits->registrations = limiter_new(seed, registrations->count, registrations->per_ms);
	return limits;
}

void limits_free(struct limits **taken)
{
	struct limits *limits = *taken;

	*taken = NULL;
	if (!limits)
		return;
	limiter_free(&limits->registrations);
	mem_free(limits->unlimited);
	mem_free(limits);
}

static bool is_unlimited(const struct limits *limits, const struct address *address)
{
	for (size_t at = 0; at < limits->unlimited_count; at++) {
		if (network_has(&limits->unlimited[at], address))
			return true;
	}
	return false;
}

bool limits_registration(struct limits *limits, const char *peer, int64_t now_ms)
{
	struct address address;

	return !address_of_peer(peer, &address) || is_unlimited(limits, &address) ||
	       limiter_take(limits->registrations, address_customer(&address), now_ms);
}
