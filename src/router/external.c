/* SPDX-License-Identifier: MIT */
/* External components, XEP-0114 section 3: names and the handshake. */
#include "router/external.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include "jid/jid.h"

enum { SHA1_LEN = 20 };

const struct settings_component *external_find(const struct settings *settings, struct slice to)
{
	AUTO(jid_free) struct jid *jid = jid_parse(to);

	for (size_t at = 0; jid && at < settings->components.count; at++) {
		const struct settings_component *component = settings->components.items[at];

		if (slice_is(jid_domain(jid), component->name))
			return component;
	}
	return NULL;
}

bool external_proves(struct slice id, const char *secret, struct slice handshake)
{
	AUTO(buf_wipe) struct buf text = {0};
	AUTO(buf_fini) struct buf hex = {0};
	unsigned char digest[SHA1_LEN];
	char given[2 * SHA1_LEN];

	if (handshake.len != sizeof(given))
		return false;
	buf_append_slice(&text, id);
	buf_append_text(&text, secret);
	if (!EVP_Digest(buf_slice(&text).data, buf_used(&text), digest, NULL, EVP_sha1(), NULL))
		return false;
	buf_append_hex(&hex, digest, sizeof(digest));
	for (size_t at = 0; at < sizeof(given); at++)
		given[at] = (char)tolower((unsigned char)handshake.data[at]);
	return CRYPTO_memcmp(given, buf_slice(&hex).data, sizeof(given)) == 0;
}
