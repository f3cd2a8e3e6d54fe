/* SPDX-License-Identifier: MIT */
/* TLS of a stream of stream.h, on its socket. Certificates are not checked: a load comes to its own server. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tls_clients;
struct ssl_st;
struct ssl_session_st;

struct tls {
	struct ssl_st *ssl;
	struct ssl_session_st *ticket; /* the last that the server gave; it serves once more */
	bool resumed;		       /* the handshake was shortened by one */
};

struct tls_clients *tls_clients_new(void);

/* On a connected socket that does not block. */
void tls_begin(struct tls_clients *clients, struct tls *tls, int fd);
/* 1: done, 0: it waits for the server, -1: it failed. */
int tls_handshake(struct tls *tls);
static inline bool tls_is_on(const struct tls *tls)
{
	return tls->ssl != NULL;
}
/* As send() and recv(), with errno. */
ssize_t tls_write(struct tls *tls, const char *text, size_t len);
ssize_t tls_read(struct tls *tls, char *text, size_t len);
/* The socket may be empty while something is left to read. */
bool tls_has_more(const struct tls *tls);
/* Keeps the ticket; forgetting it makes the next handshake a full one. */
void tls_end(struct tls *tls);
void tls_forget(struct tls *tls);
