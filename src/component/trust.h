/* SPDX-License-Identifier: MIT */
/* Which certificate of a router a component believes. */
#pragma once

struct buf;
struct settings;
struct ssl_ctx_st;

/*
 * A context for TLS towards a router, to be freed: certificates that router.ca has or its CAs
 * signed, else those of the system's CAs; and always that of this installation's own router, where
 * it has one already. It must be for the name that the stream asks for (sx_tls_conf), unless it is
 * itself one of those that are believed. NULL, and *why names the file.
 */
struct ssl_ctx_st *trust_new(const struct settings *settings, struct buf *why);

int trust_check(const struct settings *settings, struct buf *why); /* whether one can be made */

/* What is wrong, and what to do about it; distrust as of sx_tls_distrust(). */
void trust_explain(int distrust, const char *host, struct buf *out);
