/* SPDX-License-Identifier: MIT */
#include "base/network.h"

#include <arpa/inet.h>
#include <string.h>
#include "base/mem.h"

enum { V4_AT = 12, V4_BITS = 96, ALL_BITS = 128, TEXT_MAX = 64, V4_TOLD = 3, V6_TOLD = 6 /* bytes */ };

static const uint8_t v4_prefix[V4_AT] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const struct address *address)
{
	return memcmp(address->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
}

/* text: of so many characters. */
static bool parse(const char *text, size_t len, struct address *address)
{
	char copy[TEXT_MAX];

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET6, copy, address->bytes) == 1)
		return true;
	memcpy(address->bytes, v4_prefix, sizeof(v4_prefix));
	return inet_pton(AF_INET, copy, address->bytes + V4_AT) == 1;
}

bool network_parse(const char *text, struct network *network)
{
	size_t len = strcspn(text, "/");
	unsigned most;
	uint64_t bits;

	if (!parse(text, len, &network->address))
		return false;
	most = is_v4(&network->address) && memchr(text, '.', len) ? ALL_BITS - V4_BITS : ALL_BITS;
	bits = most;
	if (text[len] && (!slice_to_u64(slice_of(text + len + 1), &bits) || bits > most))
		return false;
	network->bits = (unsigned)bits + ALL_BITS - most;
	return true;
}

bool network_has(const struct network *network, const struct address *address)
{
	unsigned whole = network->bits / 8, rest = network->bits % 8;
	uint8_t differ;

	if (memcmp(network->address.bytes, address->bytes, whole) != 0)
		return false;
	if (!rest)
		return true;
	differ = network->address.bytes[whole] ^ address->bytes[whole];
	return differ >> (8 - rest) == 0;
}

void networks_init(struct networks *networks, const struct conf_list *texts)
{
	networks->all = mem_zalloc(MEM_CONF, texts->count * sizeof(*networks->all));
	networks->count = 0;
	for (size_t at = 0; at < texts->count; at++) {
		if (network_parse(texts->items[at], &networks->all[networks->count]))
			networks->count++;
	}
}

void networks_fini(struct networks *networks)
{
	mem_free(networks->all);
	*networks = (struct networks){0};
}

bool networks_have(const struct networks *networks, const struct address *address)
{
	for (size_t at = 0; at < networks->count; at++) {
		if (network_has(&networks->all[at], address))
			return true;
	}
	return false;
}

bool address_of_peer(const char *peer, struct address *address)
{
	const char *colon = strrchr(peer, ':');

	if (!colon)
		return false;
	if (*peer != '[')
		return parse(peer, (size_t)(colon - peer), address);
	return colon - peer > 2 && parse(peer + 1, (size_t)(colon - peer) - 2, address);
}

struct slice address_customer(const struct address *address)
{
	return (struct slice){(const char *)address->bytes,
			      is_v4(address) ? sizeof(address->bytes) : sizeof(address->bytes) / 2};
}

void address_print_network(const struct address *address, struct buf *out)
{
	bool v4 = is_v4(address);
	struct address network = {{0}};
	char text[TEXT_MAX];

	memcpy(network.bytes, address->bytes, v4 ? V4_AT + V4_TOLD : V6_TOLD);
	inet_ntop(v4 ? AF_INET : AF_INET6, network.bytes + (v4 ? V4_AT : 0), text, sizeof(text));
	buf_printf(out, "%s/%d", text, 8 * (v4 ? V4_TOLD : V6_TOLD));
}
