/* SPDX-License-Identifier: MIT */
#include "component/quotas.h"

#include "base/limiter.h"
#include "base/mem.h"
#include "base/network.h"
#include "component/settings.h"

struct quotas {
	struct network *unlimited;
	size_t unlimited_count;
	struct limiter *registrations, *components;
};

struct quotas *quotas_new(const struct settings *settings, struct hash_key seed)
{
	const struct conf_list *list = &settings->limits.unlimited_from;
	const struct conf_per_time *registrations = &settings->limits.registrations;
	const struct conf_per_time *components = &settings->router.connects;
	struct quotas *quotas = mem_zalloc(MEM_OTHER, sizeof(*quotas));

	quotas->unlimited = mem_zalloc(MEM_OTHER, list->count * sizeof(*quotas->unlimited));
	for (size_t at = 0; at < list->count; at++) {
		if (network_parse(list->items[at], &quotas->unlimited[quotas->unlimited_count]))
			quotas->unlimited_count++;
	}
	quotas->registrations = limiter_new(seed, registrations->count, registrations->per_ms);
	quotas->components = limiter_new(seed, components->count, components->per_ms);
	return quotas;
}

void quotas_free(struct quotas **taken)
{
	struct quotas *quotas = *taken;

	*taken = NULL;
	if (!quotas)
		return;
	limiter_free(&quotas->registrations);
	limiter_free(&quotas->components);
	mem_free(quotas->unlimited);
	mem_free(quotas);
}

static bool is_unlimited(const struct quotas *quotas, const struct address *address)
{
	for (size_t at = 0; at < quotas->unlimited_count; at++) {
		if (network_has(&quotas->unlimited[at], address))
			return true;
	}
	return false;
}

static bool take(const struct quotas *quotas, struct limiter *limiter, const char *peer,
		 int64_t now_ms)
{
	struct address address;

	return !address_of_peer(peer, &address) || is_unlimited(quotas, &address) ||
	       limiter_take(limiter, address_customer(&address), now_ms);
}

bool quotas_registration(struct quotas *quotas, const char *peer, int64_t now_ms)
{
	return take(quotas, quotas->registrations, peer, now_ms);
}

bool quotas_component(struct quotas *quotas, const char *peer, int64_t now_ms)
{
	return take(quotas, quotas->components, peer, now_ms);
}
