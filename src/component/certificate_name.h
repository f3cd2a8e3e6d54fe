/* SPDX-License-Identifier: MIT */
/* Whose a certificate is. */
#pragma once

#include <stdbool.h>

struct x509_st;

/*
 * Whether clients of the domain (prepared, in Unicode) believe it: by dNSName, wildcards too, by
 * SRV-ID for clients
 * (_xmpp-client), or by id-on-xmppAddr; RFC 6120 section 13.7.1.2. The common name counts where
 * there is no dNSName.
 */
bool certificate_covers(const struct x509_st *certificate, const char *domain);
