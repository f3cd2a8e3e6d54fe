/* SPDX-License-Identifier: MIT */
#include "component/quotas.h"

#include <stdatomic.h>
#include "base/limiter.h"
#include "base/mem.h"
#include "base/network.h"
#include "base/tally.h"
#include "component/settings.h"

struct quotas {
	_Atomic(struct networks *) unlimited;
	struct networks *was_unlimited; /* before quotas_set(), until nobody looks at it any more */
	struct limiter *registrations, *components, *pairs, *logins;
	_Atomic(struct tally *) places; /* NULL: nobody needed it yet */
	_Atomic int64_t each;		/* 0: no limit */
	bool has_clients;
	struct hash_key seed;
	uint64_t descriptors;
	_Atomic uint64_t connections_max; /* 0: no limit */
	_Atomic uint64_t connections;
};

enum {
	LOGINS_PER_PAIR = 10, /* failed ones of an address, for each of a user from there */
	PLACES_MIN = 1024,
	PLACES_MAX = 1 << 16,
	/* Descriptors that clients leave to the rest: one of so many, and some. */
	RESERVE_PART = 25,
	RESERVE = 64,
};

uint64_t quotas_clients_of(uint64_t descriptors)
{
	uint64_t reserve = descriptors / RESERVE_PART + RESERVE;

	return descriptors > reserve ? descriptors - reserve : descriptors ? 1 : 0;
}

uint64_t quotas_descriptors_for(uint64_t clients)
{
	return ((clients + RESERVE) * RESERVE_PART - 1) / (RESERVE_PART - 1);
}

/* What the file asks for, or what there is. */
static uint64_t most_connections(const struct settings *settings, uint64_t descriptors)
{
	uint64_t there = quotas_clients_of(descriptors);
	uint64_t asked = (uint64_t)settings->limits.connections;

	return asked && (!there || asked < there) ? asked : there;
}

static struct networks *new_networks(const struct conf_list *list)
{
	struct networks *networks = mem_alloc(MEM_OTHER, sizeof(*networks));

	networks_init(networks, list);
	return networks;
}

static void free_networks(struct networks **networks)
{
	if (*networks)
		networks_fini(*networks);
	mem_free(*networks);
	*networks = NULL;
}

struct quotas *quotas_new(const struct settings *settings, struct hash_key seed, uint64_t descriptors)
{
	const struct conf_per_time *registrations = &settings->limits.registrations;
	const struct conf_per_time *logins = &settings->limits.login_attempts;
	const struct conf_per_time *components = &settings->router.connects;
	struct quotas *quotas = mem_zalloc(MEM_OTHER, sizeof(*quotas));

	quotas->unlimited = new_networks(&settings->limits.unlimited_from);
	quotas->registrations = limiter_new(seed, registrations->count, registrations->per_ms);
	quotas->components = limiter_new(seed, components->count, components->per_ms);
	quotas->pairs = limiter_new(seed, logins->count, logins->per_ms);
	quotas->logins = limiter_new(seed, logins->count * LOGINS_PER_PAIR, logins->per_ms);
	quotas->descriptors = descriptors;
	quotas->connections_max = most_connections(settings, descriptors);
	quotas->each = settings->limits.connections_per_address;
	quotas->seed = seed;
	return quotas;
}

/* The table is made when there is a limit, and stays: of those who are counted it knows. */
static void set_places(struct quotas *quotas, int64_t limit)
{
	uint64_t most = quotas_connections(quotas), keys = most && most < PLACES_MAX ? most : PLACES_MAX;
	uint32_t each = limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
	struct tally *places = quotas->places;

	if (places && each)
		tally_set(places, each);
	else if (each && quotas->has_clients)
		quotas->places = tally_new(quotas->seed, keys > PLACES_MIN ? keys : PLACES_MIN, each);
	quotas->each = limit;
}

void quotas_open_places(struct quotas *quotas)
{
	quotas->has_clients = true;
	set_places(quotas, quotas->each);
}

void quotas_set(struct quotas *quotas, const struct settings *settings)
{
	const struct conf_per_time *registrations = &settings->limits.registrations;
	const struct conf_per_time *logins = &settings->limits.login_attempts;
	const struct conf_per_time *components = &settings->router.connects;

	quotas->was_unlimited = atomic_exchange(&quotas->unlimited, new_networks(&settings->limits.unlimited_from));
	limiter_set(quotas->registrations, registrations->count, registrations->per_ms);
	limiter_set(quotas->components, components->count, components->per_ms);
	limiter_set(quotas->pairs, logins->count, logins->per_ms);
	limiter_set(quotas->logins, logins->count * LOGINS_PER_PAIR, logins->per_ms);
	quotas->connections_max = most_connections(settings, quotas->descriptors);
	set_places(quotas, settings->limits.connections_per_address);
}

void quotas_settled(struct quotas *quotas)
{
	free_networks(&quotas->was_unlimited);
}

void quotas_free(struct quotas **taken)
{
	struct quotas *quotas = *taken;
	struct networks *unlimited;
	struct tally *places;

	*taken = NULL;
	if (!quotas)
		return;
	limiter_free(&quotas->registrations);
	limiter_free(&quotas->components);
	limiter_free(&quotas->pairs);
	limiter_free(&quotas->logins);
	places = quotas->places;
	tally_free(&places);
	unlimited = quotas->unlimited;
	free_networks(&unlimited);
	free_networks(&quotas->was_unlimited);
	mem_free(quotas);
}

bool quotas_connect(struct quotas *quotas)
{
	uint64_t before = atomic_fetch_add_explicit(&quotas->connections, 1, memory_order_relaxed);
	uint64_t most = quotas_connections(quotas);

	if (!most || before < most)
		return true;
	quotas_disconnect(quotas);
	return false;
}

void quotas_disconnect(struct quotas *quotas)
{
	atomic_fetch_sub_explicit(&quotas->connections, 1, memory_order_relaxed);
}

uint64_t quotas_connections(const struct quotas *quotas)
{
	return atomic_load_explicit(&quotas->connections_max, memory_order_relaxed);
}

static bool is_unlimited(struct quotas *quotas, const struct address *address)
{
	return networks_have(atomic_load(&quotas->unlimited), address);
}

bool quotas_place(struct quotas *quotas, const char *peer, bool *counted)
{
	struct address address;

	*counted = false;
	if (!quotas->each || !quotas->places || !address_of_peer(peer, &address) ||
	    is_unlimited(quotas, &address))
		return true;
	*counted = tally_add(quotas->places, address_customer(&address));
	return *counted;
}

void quotas_leave_place(struct quotas *quotas, const char *peer)
{
	struct address address;

	if (quotas->places && address_of_peer(peer, &address))
		tally_del(quotas->places, address_customer(&address));
}

uint64_t quotas_where(struct quotas *quotas, const char *peer)
{
	struct address address;

	if (!address_of_peer(peer, &address) || is_unlimited(quotas, &address))
		return 0;
	return hash_bytes(quotas->seed, address_customer(&address)) | 1;
}

static bool take(struct quotas *quotas, struct limiter *limiter, const char *peer,
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

/* A user and an address. */
static void print_pair(struct buf *out, struct slice user, const struct address *address)
{
	buf_append_slice(out, user);
	buf_append_char(out, '\0');
	buf_append_slice(out, address_customer(address));
}

bool quotas_may_log_in(struct quotas *quotas, const char *peer, struct slice user, int64_t now_ms)
{
	AUTO(buf_fini) struct buf pair = {0};
	struct address address;

	if (!address_of_peer(peer, &address) || is_unlimited(quotas, &address))
		return true;
	print_pair(&pair, user, &address);
	return limiter_has_room(quotas->logins, address_customer(&address), now_ms) &&
	       (!user.len || limiter_has_room(quotas->pairs, buf_slice(&pair), now_ms));
}

void quotas_login_failed(struct quotas *quotas, const char *peer, struct slice user, int64_t now_ms)
{
	AUTO(buf_fini) struct buf pair = {0};
	struct address address;

	if (!address_of_peer(peer, &address) || is_unlimited(quotas, &address))
		return;
	print_pair(&pair, user, &address);
	limiter_take(quotas->logins, address_customer(&address), now_ms);
	if (user.len)
		limiter_take(quotas->pairs, buf_slice(&pair), now_ms);
}

void quotas_logged_in(struct quotas *quotas, const char *peer, struct slice user)
{
	AUTO(buf_fini) struct buf pair = {0};
	struct address address;

	if (!address_of_peer(peer, &address))
		return;
	print_pair(&pair, user, &address);
	limiter_clear(quotas->pairs, buf_slice(&pair));
}
