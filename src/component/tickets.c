/* SPDX-License-Identifier: MIT */
#include "component/tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <string.h>
#include "base/mem.h"
#include "component/tls.h"
#include "mio/mio.h"

enum {
	TICKET_NONE = 0,
	TICKET_FINE = 1,
	TICKET_RENEW = 2,
	TICKET_FAULT = -1
}; /* as OpenSSL has them */

void tickets_turn(const struct tickets *old, struct mio_host *host, struct tickets *fresh)
{
	fresh->host = host;
	mio_host_random(host, &fresh->keys[0], sizeof(fresh->keys[0]));
	fresh->count = 1;
	if (old)
		fresh->keys[fresh->count++] = old->keys[0];
}

void tickets_wipe(struct tickets *tickets)
{
	mem_wipe(tickets->keys, sizeof(tickets->keys));
	tickets->count = 0;
}

static int prepare_mac(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac,
						  sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params);
}

static int encrypt(const struct tickets *tickets, unsigned char *name, unsigned char *iv,
		   EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	const struct ticket_key *key = &tickets->keys[0];

	memcpy(name, key->name, sizeof(key->name));
	mio_host_random(tickets->host, iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc()));
	if (!EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) ||
	    !prepare_mac(mac, key))
		return TICKET_FAULT;
	return TICKET_FINE;
}

/* fresh: the client is to get another for it. */
static int decrypt(const struct tickets *tickets, bool fresh, const unsigned char *name,
		   const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	for (unsigned at = 0; at < tickets->count; at++) {
		const struct ticket_key *key = &tickets->keys[at];

		if (memcmp(name, key->name, sizeof(key->name)) != 0)
			continue;
		if (!EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) ||
		    !prepare_mac(mac, key))
			return TICKET_FAULT;
		return at || fresh ? TICKET_RENEW : TICKET_FINE;
	}
	return TICKET_NONE;
}

/* OpenSSL asks for the key of a ticket that it makes, or reads. */
static int key_of_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
			 EVP_MAC_CTX *mac, int makes)
{
	const struct tls_view *view = SSL_get_app_data(ssl);
	const struct tickets *tickets = view ? tls_view_tickets(view) : NULL;

	if (!tickets)
		return makes ? TICKET_FAULT : TICKET_NONE;
	if (makes)
		return encrypt(tickets, name, iv, cipher, mac);
	/* Who uses one twice can be followed (RFC 8446 appendix C.4). */
	return decrypt(tickets, SSL_version(ssl) >= TLS1_3_VERSION, name, iv, cipher, mac);
}

void tickets_use(SSL_CTX *context)
{
	SSL_CTX_set_tlsext_ticket_key_evp_cb(context, key_of_ticket);
	SSL_CTX_set_timeout(context, 2 * TICKETS_TURN_MS / 1000);
	SSL_CTX_set_num_tickets(
		context, 1); /* a client has one stream, and gets another when it comes back */
}

void tickets_refuse(SSL_CTX *context)
{
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(context, 0);
}
