/* SPDX-License-Identifier: MIT */
/* Networks of addresses: "127.0.0.0/8", "2001:db8::/32", "::1". */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/conf.h"

/* An address; IPv4 as IPv6 has it, ::ffff:192.0.2.1. */
struct address {
	uint8_t bytes[16];
};

struct network {
	struct address address;
	unsigned bits;
};

bool network_parse(const char *text, struct network *network); /* false: it is none */
bool network_has(const struct network *network, const struct address *address);

/* Those of a list in the file; what is none is left out. */
struct networks {
	struct network *all;
	size_t count;
};

void networks_init(struct networks *networks, const struct conf_list *texts);
void networks_fini(struct networks *networks);
bool networks_have(const struct networks *networks, const struct address *address);

/* Of a peer's name, "192.0.2.1:41532" or "[::1]:5222"; false for a Unix socket's. */
bool address_of_peer(const char *peer, struct address *address);
/* What one customer has: the address, or the /64 of IPv6. Lent by the address. */
struct slice address_customer(const struct address *address);
/* The network that an address is in, as far as it may be told: "192.0.2.0/24", "2001:db8:1::/48". */
void address_print_network(const struct address *address, struct buf *out);
