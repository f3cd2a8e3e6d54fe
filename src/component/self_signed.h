/* SPDX-License-Identifier: MIT */
/* A certificate for who has none: P-256, ten years, signed by itself. */
#pragma once

struct buf;
struct conf_list;
struct mio_host;

/*
 * For the name, and the addresses of a list as in listen.router (NULL: none), into two files, the
 * key with mode 0600 from its first byte. Returns 0, or a fault with a line in *why.
 */
int self_signed_make(struct mio_host *host, const char *name, const struct conf_list *addresses,
		     const char *certificate_file, const char *key_file, struct buf *why);
