/* SPDX-License-Identifier: MIT */
/* What one plugin asks another. */
#pragma once

#include <stdbool.h>

struct ssl_st;
struct sx;

struct ssl_st *sx_tls_ssl(const struct sx *sx); /* OpenSSL's, when its handshake is done; else NULL */
bool sx_tls_trusts(const struct sx *sx);   /* sx_tls_conf.trusts of its connection */
bool sx_tls_withholds(const struct sx *sx); /* TLS is required and not there yet */
