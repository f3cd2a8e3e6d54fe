/* SPDX-License-Identifier: MIT */
/*
 * A small HTTP server on one loop, for an administrator's few programs: GET and HEAD, one request a
 * connection. What a peer may cost is bounded: so many connections at once (the oldest makes room),
 * so many bytes of a request, so much time.
 */
#pragma once

#include <stdint.h>
#include "base/buf.h"

struct mio;
struct web;

enum { WEB_CONNECTIONS_MAX = 16, WEB_REQUEST_MS = 5000, WEB_ANSWER_MS = 3000, WEB_WRITE_MS = 5000 };

struct web_handler {
	/* A request: web_answer() is owed, now or later, with its id. path is lent. */
	void (*asked)(void *arg, uint64_t id, struct slice path);
	/* So much time has passed without: it is owed now. */
	void (*late)(void *arg, uint64_t id);
};

/* handler and arg are borrowed. */
struct web *web_new(struct mio *mio, const struct web_handler *handler, void *arg);
void web_free(struct web **web); /* NULL is fine */
/* Returns 0 or a fault; *address, borrowed, is where it listens. */
int web_listen(struct web *web, const char *text, const char **address);

/* The content is copied; type is lent. A peer that is gone is fine. */
void web_answer(struct web *web, uint64_t id, int status, const char *type, struct slice content);
