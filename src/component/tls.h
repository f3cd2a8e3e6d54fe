/* SPDX-License-Identifier: MIT */
/*
 * The certificates of a process: an SSL_CTX a domain, or the router's, from the directory of the file (layouts:
 * component/certificate.h) or made (component/self_signed.h).
 *
 * What a handshake needs is frozen and counted: contexts, and keys of tickets. Each worker has a view of it, which worker 0
 * replaces by mail when files changed, on tls_store_reload(), and when keys of tickets turn. So a handshake takes no lock,
 * and who is connected keeps what they have. Files are looked at by a thread of their own, twice before they count, so that
 * a certificate and its key may be replaced one after the other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct mio;
struct mio_host;
struct process;
struct settings;
struct ssl_ctx_st;
struct ssl_st;
struct tickets;
struct tls_store;
struct tls_view;

/* From now on what OpenSSL has is counted (MEM_OPENSSL). Before anything else of OpenSSL, once. */
void tls_count_memory(void);

/*
 * For each domain of the file. For one without a certificate a self-signed one is made in data.dir/certs (P-256, ten years)
 * and said in *note, a line each; so are a certificate's problems. In place of one that cannot be used such a one is shown too,
 * until it is mended. A fault has a line in *why. settings are borrowed.
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
void tls_store_free(struct tls_store **store); /* after its views */

/* From now on files are looked at each second, keys of tickets turn, and both are told to the log and the counters of the
 * process. Before the loops run. NULL is fine, as for tls_store_stop(). */
void tls_store_watch(struct tls_store *store, struct process *process);
void tls_store_stop(struct tls_store *store); /* after the loops stopped */

/*
 * Reads all anew for these settings, borrowed from now on, all or nothing. A certificate is refused that cannot be used, that
 * has a problem which the one in use has not, or that is gone; then nothing changes, it is counted, and *why has a line for the log. Worker 0.
 */
int tls_store_reload(struct tls_store *store, const struct settings *settings, struct buf *note, struct buf *why);

size_t tls_store_count(const struct tls_store *store);
const char *tls_store_name(const struct tls_store *store, size_t at);
int64_t tls_store_days(const struct tls_store *store, size_t at); /* whole days left; negative: expired. Worker 0 */

/* -- on each worker -- */

struct tls_view *tls_view_new(struct tls_store *store, struct mio *mio); /* before the loops run; store NULL: NULL */
void tls_view_free(struct tls_view **view);				  /* after they stopped */
/* For plugin_conf of sx_tls: arg is the view; the context for a name, borrowed until the end of the turn, NULL when it is
 * none of ours. "" gives the first. */
struct ssl_ctx_st *tls_view_context(void *view, const char *name);
/* Whether the authorities of clients' certificates that this connection was checked against are those that count now. */
bool tls_view_trusts(void *view, const struct ssl_st *ssl);
/* The first, whatever the name; NULL when there is no view. */
struct ssl_ctx_st *tls_view_only(void *view, const char *name);
const struct tickets *tls_view_tickets(const struct tls_view *view); /* likewise */

/* The same without a view: worker 0, or before the loops run. */
struct ssl_ctx_st *tls_store_context(const struct tls_store *store, const char *name);
