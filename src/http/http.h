/* SPDX-License-Identifier: MIT */
/* HTTP/1.1 messages without sockets, RFC 9112: the head of a request is read, the head of a
 * response is printed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

enum {
	HTTP_HEAD_MAX = 8192 /* bytes of a request's head; more is refused */,
	HTTP_FIELDS_MAX = 64
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER };

struct http_request {
	enum http_method method;
	struct slice path; /* of the target, without its query; borrowed from the input; of
			      HTTP_OTHER: nothing */
	size_t len;	   /* of the head, with the empty line */
};

/* The input has no whole head yet. */
enum { HTTP_MORE = 1 };

/*
 * Reads the head that the input begins with. Returns 0, HTTP_MORE (only while there are fewer than
 * HTTP_HEAD_MAX bytes), or the status that it is to be refused with: 400, 414, 431, 505. Lines may
 * end with LF alone (section 2.2).
 */
int http_request_read(struct slice in, struct http_request *request);

struct http_response {
	int status;
	const char *type;  /* of the content */
	size_t length;	   /* of the content */
	const char *allow; /* methods, of a 405; or NULL */
	int64_t wall_ms;   /* now */
};

/* The head, for a connection that is closed behind the content. */
void http_response_print(const struct http_response *response, struct buf *out);
