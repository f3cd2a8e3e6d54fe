/* SPDX-License-Identifier: MIT */
/* Fuzzes the PROXY header: what is read is read whole, no earlier and no later, and names an address. */
#include <stdint.h>
#include <stdlib.h>
#include "base/network.h"
#include "conn/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = {(const char *)data, size};
	struct proxy_header header, again;
	struct address address;
	int rc = proxy_read(in, &header);

	if (rc == PROXY_MORE && size >= PROXY_BYTES_MAX)
		abort();
	if (rc)
		return 0;
	if (header.len > size || header.len > PROXY_BYTES_MAX)
		abort();
	if (header.name[0] && !address_of_peer(header.name, &address))
		abort();
	if (proxy_read((struct slice){in.data, header.len}, &again) || again.len != header.len)
		abort();
	for (size_t len = 0; len < header.len; len++) {
		if (proxy_read((struct slice){in.data, len}, &again) != PROXY_MORE)
			abort();
	}
	return 0;
}
