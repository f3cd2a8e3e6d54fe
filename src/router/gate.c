/* SPDX-License-Identifier: MIT */
/* Who may connect to the router at all. */
#include "router/gate.h"


enum { NAME_MAX_BYTES = 128 };

void gate_init(struct gate *gate, struct mio *mio, const struct settings *settings,
	       struct quotas *quotas, const struct log *log)
{
	*gate = (struct gate){.mio = mio, .settings = settings, .quotas = quotas, .log = log};
	networks_init(&gate->allowed, &settings->router.allow);
}

void gate_change(struct gate *gate, const struct settings *settings)
{
	gate->settings = settings;
	networks_fini(&gate->allowed);
	networks_init(&gate->allowed, &settings->router.allow);
}

void gate_fini(struct gate *gate)
{
	networks_fini(&gate->allowed);
}

static bool is_allowed(const struct gate *gate, const char *name)
{
	struct address address;

	return !gate->allowed.count || !address_of_peer(name, &address) ||
	       networks_have(&gate->allowed, &address);
}

static void say(struct gate *gate, const char *name, const char *why)
{
	if (hush_lets(&gate->hush, mio_now_ms(gate->mio)))
		log_warn(gate->log,
			 "a connection from %s was closed: %s; %llu others since the last such line", name,
			 why, (unsigned long long)gate->hush.others);
}

enum sx_refusal gate_refuses(struct gate *gate, int given)
{
	char name[NAME_MAX_BYTES] = "";

	if (!gate->allowed.count && !gate->settings->router.connects.count)
		return SX_REFUSED_NOT;
	mio_given_name(gate->mio, given, name, sizeof(name));
	if (!is_allowed(gate, name)) {
		say(gate, name, "it is in no network of router.allow");
		return SX_REFUSED_NETWORK;
	}
	if (!quotas_component(gate->quotas, name, mio_now_ms(gate->mio))) {
		say(gate, name, "its address comes more often than router.connects");
		return SX_REFUSED_OFTEN;
	}
	return SX_REFUSED_NOT;
}
