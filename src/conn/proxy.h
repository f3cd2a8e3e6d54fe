/* SPDX-License-Identifier: MIT */
/*
 * The PROXY header, versions 1 and 2: what a proxy says before its client's first byte
 * (haproxy.org/download/2.8/doc/proxy-protocol.txt).
 */
#pragma once

#include <stddef.h>
#include "base/buf.h"

enum { PROXY_MORE = 1, PROXY_BAD };
enum { PROXY_BYTES_MAX = 4096, PROXY_NAME_MAX = 64 };

struct proxy_header {
	size_t len;
	char name[PROXY_NAME_MAX]; /* of the client, "192.0.2.1:41532"; "": the proxy speaks for itself */
};

/* Returns 0, PROXY_MORE when more bytes are needed, or PROXY_BAD; *header changes on success only. */
int proxy_read(struct slice in, struct proxy_header *header);
