/* SPDX-License-Identifier: MIT */
/* Fuzzes the head of an HTTP request: what is read is read whole, no earlier and no later, and
 * refused ones stay so. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(struct slice in, const struct http_request *request)
{
	struct slice path = request->path;

	if (request->method == HTTP_OTHER)
		return;
	if (!path.len || path.data[0] != '/' || memchr(path.data, '?', path.len) ||
	    memchr(path.data, ' ', path.len))
		abort();
	if (path.len > 1 && (path.data < in.data || path.data + path.len > in.data + request->len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = {(const char *)data, size};
	struct http_request request, again;
	int rc = http_request_read(in, &request);

	if (rc == HTTP_MORE && size >= HTTP_HEAD_MAX)
		abort();
	if (rc)
		return 0;
	if (!request.len || request.len > size || request.len > HTTP_HEAD_MAX)
		abort();
	check_path(in, &request);
	for (size_t len = 0; len < request.len; len++) {
		if (http_request_read((struct slice){in.data, len}, &again) != HTTP_MORE)
			abort();
	}
	if (http_request_read((struct slice){in.data, request.len}, &again) ||
	    again.len != request.len)
		abort();
	return 0;
}
