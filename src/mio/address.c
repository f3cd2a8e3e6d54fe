/* SPDX-License-Identifier: MIT */
/* Numeric socket addresses as text, and back. */
#include "mio/backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

static int parse_unix(const char *path, struct sockaddr_un *out, socklen_t *len)
{
	size_t path_len = strlen(path);

	if (path_len >= sizeof(out->sun_path))
		return -ENAMETOOLONG;
	if (path_len == 0)
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	memcpy(out->sun_path, path, path_len + 1);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len + 1);
	return 0;
}

static int parse_ip(const char *host, in_port_t port, bool brackets, struct sockaddr_storage *out,
		    socklen_t *len)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = port};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = port};
	bool any = *host == '\0' && !brackets; /* :: is zeroes */

	if (any || (brackets && inet_pton(AF_INET6, host, &six.sin6_addr) == 1)) {
		memcpy(out, &six, sizeof(six));
		*len = sizeof(six);
		return 0;
	}
	if (brackets || inet_pton(AF_INET, host, &four.sin_addr) != 1)
		return -EINVAL;
	memcpy(out, &four, sizeof(four));
	*len = sizeof(four);
	return 0;
}

int mio_address_parse(const char *address, struct sockaddr_storage *out, socklen_t *len)
{
	const char *colon = strrchr(address, ':');
	char host[INET6_ADDRSTRLEN];
	size_t host_len;
	uint64_t port;
	bool brackets = *address == '[';

	memset(out, 0, sizeof(*out));
	if (strncmp(address, "unix:", 5) == 0)
		return parse_unix(address + 5, (struct sockaddr_un *)out, len);
	if (!colon || !slice_to_u64(slice_of(colon + 1), &port) || port > UINT16_MAX)
		return -EINVAL;
	host_len = (size_t)(colon - address);
	if (brackets) {
		if (host_len < 2 || address[host_len - 1] != ']')
			return -EINVAL;
		address++;
		host_len -= 2;
	}
	if (host_len >= sizeof(host))
		return -EINVAL;
	memcpy(host, address, host_len);
	host[host_len] = '\0';
	return parse_ip(host, htons((uint16_t)port), brackets, out, len);
}

void mio_address_print(const struct sockaddr_storage *address, char *out, size_t len)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;
	char host[INET6_ADDRSTRLEN] = "";

	if (address->ss_family == AF_INET) {
		inet_ntop(AF_INET, &four->sin_addr, host, sizeof(host));
		snprintf(out, len, "%s:%u", host, ntohs(four->sin_port));
	} else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
		inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], host, sizeof(host));
		snprintf(out, len, "%s:%u", host, ntohs(six->sin6_port));
	} else if (address->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof(host));
		snprintf(out, len, "[%s]:%u", host, ntohs(six->sin6_port));
	} else {
		snprintf(out, len, "unix");
	}
}
