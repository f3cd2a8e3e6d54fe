/* SPDX-License-Identifier: MIT */
#include "component/way.h"

#include <string.h>
#include "base/network.h"
#include "component/settings.h"

void way_local(const struct settings *settings, struct buf *out)
{
	buf_printf(out, "unix:%s/components.socket", settings->data.dir);
}

bool way_is_local(const char *address)
{
	return strncmp(address, "unix:", 5) == 0;
}

bool way_is_loopback(const char *address)
{
	static const char *const loopback[] = {"127.0.0.0/8", "::1"};
	struct address host;
	struct network network;

	if (*address == ':')
		return true;
	if (!address_of_peer(address, &host))
		return false;
	for (size_t at = 0; at < countof(loopback); at++) {
		if (network_parse(loopback[at], &network) && network_has(&network, &host))
			return true;
	}
	return false;
}

bool way_host(const char *address, struct buf *out)
{
	const char *colon = way_is_local(address) ? NULL : strrchr(address, ':');

	size_t len = colon ? (size_t)(colon - address) : 0;
	bool brackets = *address == '[';

	if (len <= (brackets ? 2 : 0))
		return false;
	buf_append(out, address + brackets, brackets ? len - 2 : len);
	return true;
}
