/* SPDX-License-Identifier: MIT */
#include "sx/refusal.h"

#include "sx/stream.h"

static const struct {
	const char *name, *text;
	enum sx_error error;
} refusals[SX_REFUSALS] = {
	[SX_REFUSED_NOT] = {"", "", SX_ERROR_NONE},
	[SX_REFUSED_STANZA] = {"refused_stanza", "stanza too big", SX_POLICY_VIOLATION},
	[SX_REFUSED_DEPTH] = {"refused_depth", "elements nested too deep", SX_POLICY_VIOLATION},
	[SX_REFUSED_ATTRIBUTES] = {"refused_attributes", "too many attributes",
				   SX_POLICY_VIOLATION},
	[SX_REFUSED_SLOW] = {"refused_slow", "login took too long", SX_CONNECTION_TIMEOUT},
	[SX_REFUSED_FAILURES] = {"refused_failures", "too many failed logins", SX_POLICY_VIOLATION},
	[SX_REFUSED_LOGINS] = {"refused_logins", "too many logins failed; try again later",
			       SX_POLICY_VIOLATION},
	[SX_REFUSED_UNREAD] = {"refused_unread", "too much waits to be read",
			       SX_RESOURCE_CONSTRAINT},
	[SX_REFUSED_UNACKNOWLEDGED] = {"refused_unacknowledged", "too much waits to be acknowledged",
				       SX_RESOURCE_CONSTRAINT},
	[SX_REFUSED_MEMORY] = {"refused_memory", "the server is short of memory",
			       SX_RESOURCE_CONSTRAINT},
	[SX_REFUSED_CONNECTIONS] = {"refused_connections", "there are too many connections",
				    SX_RESOURCE_CONSTRAINT},
	[SX_REFUSED_PLACES] = {"refused_places", "there are too many connections of its address",
			       SX_POLICY_VIOLATION},
	[SX_REFUSED_PROXY] = {"refused_proxy", "no PROXY header, or a wrong one",
			      SX_POLICY_VIOLATION},
	[SX_REFUSED_NETWORK] = {"refused_network", "nobody is allowed from its network",
				SX_POLICY_VIOLATION},
	[SX_REFUSED_OFTEN] = {"refused_often", "its address comes too often", SX_POLICY_VIOLATION},
	[SX_REFUSED_CLEAR] = {"refused_clear", "TLS is required", SX_POLICY_VIOLATION},
	[SX_REFUSED_SESSIONS] = {"refused_sessions", "its account has newer sessions, and as many as it may",
				 SX_POLICY_VIOLATION},
	[SX_REFUSED_REGISTRATIONS] = {"refused_registrations",
				      "its address has made too many accounts",
				      SX_RESOURCE_CONSTRAINT},
};

const char *sx_refusal_name(enum sx_refusal refusal)
{
	return refusals[refusal].name;
}

enum sx_error sx_refusal_error(enum sx_refusal refusal)
{
	return refusals[refusal].error;
}

const char *sx_refusal_text(enum sx_refusal refusal)
{
	return refusals[refusal].text;
}

void sx_refuse(struct sx *sx, enum sx_refusal refusal)
{
	if (sx->state == SX_STATE_CLOSED)
		return;
	sx->refusal = (uint8_t)refusal;
	sx_error(sx, sx_refusal_error(refusal), sx_refusal_text(refusal));
}

enum sx_refusal sx_end_refusal(const struct sx *sx)
{
	return sx->refusal;
}
