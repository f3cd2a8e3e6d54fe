/* SPDX-License-Identifier: MIT */
#include "stream_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

/* It is an SSL_CTX; the header need not know. */
static SSL_CTX *context_of(struct tls_clients *clients)
{
	return (SSL_CTX *)(void *)clients;
}

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
	struct tls *tls = SSL_get_app_data(ssl);

	SSL_SESSION_free(tls->ticket);
	tls->ticket = session;
	return 1;
}

struct tls_clients *tls_clients_new(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(context,
			 SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, keep_ticket);
	return (struct tls_clients *)(void *)context;
}

void tls_begin(struct tls_clients *clients, struct tls *tls, int fd)
{
	tls->ssl = SSL_new(context_of(clients));
	tls->resumed = false;
	SSL_set_app_data(tls->ssl, tls);
	SSL_set_fd(tls->ssl, fd);
	SSL_set_tlsext_host_name(tls->ssl, "localhost");
	if (tls->ticket)
		SSL_set_session(tls->ssl, tls->ticket);
	SSL_set_connect_state(tls->ssl);
}

/* What came of a call, as errno and a result say it. */
static ssize_t judge(struct tls *tls, int result)
{
	int error = SSL_get_error(tls->ssl, result);

	if (result > 0)
		return result;
	ERR_clear_error();
	if (error == SSL_ERROR_ZERO_RETURN)
		return 0;
	if (error == SSL_ERROR_SYSCALL && result == 0)
		return 0;
	errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
	return -1;
}

int tls_handshake(struct tls *tls)
{
	ssize_t result = judge(tls, SSL_do_handshake(tls->ssl));

	if (result <= 0)
		return result < 0 && errno == EAGAIN ? 0 : -1;
	tls->resumed = SSL_session_reused(tls->ssl);
	return 1;
}

ssize_t tls_write(struct tls *tls, const char *text, size_t len)
{
	return judge(tls, SSL_write(tls->ssl, text, (int)len));
}

ssize_t tls_read(struct tls *tls, char *text, size_t len)
{
	return judge(tls, SSL_read(tls->ssl, text, (int)len));
}

bool tls_has_more(const struct tls *tls)
{
	return tls->ssl && SSL_has_pending(tls->ssl);
}

void tls_end(struct tls *tls)
{
	/* One that is not closed in good order would take its ticket with it. */
	if (tls->ssl)
		SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(tls->ssl);
	tls->ssl = NULL;
}

void tls_forget(struct tls *tls)
{
	SSL_SESSION_free(tls->ticket);
	tls->ticket = NULL;
}
