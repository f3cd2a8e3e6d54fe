/* SPDX-License-Identifier: MIT */
/* The certificates of a process: an SSL_CTX a domain, or the router's, from the directory of the file or made (self-signed). */
#pragma once

#include "base/buf.h"

struct settings;
struct tls_store;
struct ssl_ctx_st;
struct mio_host;

/*
 * Loads NAME.crt + NAME.key, or NAME/fullchain.pem + NAME/privkey.pem, for each domain of the file; for a domain without one
 * a self-signed certificate is made in data.dir/certs (P-256, ten years) and said in *note. A key that cannot be read or does
 * not fit is a fault, *why names the file.
 */
int tls_store_load(struct mio_host *host, const struct settings *settings, struct tls_store **store, struct buf *note,
		   struct buf *why);
/*
 * The router's own alone, whose NAME is "router" in both places. The one that is made is for the addresses of listen.router
 * too.
 */
int tls_store_load_router(struct mio_host *host, const struct settings *settings, struct tls_store **store, struct buf *note,
			  struct buf *why);
/* Whether that would find one, or may make it; it makes nothing. */
int tls_check_router(const struct settings *settings, struct buf *why);
/* Where the router of this installation has its certificate; false: there is none yet, or we may not read it. */
bool tls_router_certificate(const struct settings *settings, struct buf *path);
void tls_store_free(struct tls_store **store);
/* For plugin_conf of sx_tls: arg is the store; the context for a name, NULL when it is none of ours. "" gives the first. */
struct ssl_ctx_st *tls_store_context(void *store, const char *name);
/* The first, whatever the name; NULL when there is no store. */
struct ssl_ctx_st *tls_store_only(void *store, const char *name);
