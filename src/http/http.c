/* SPDX-License-Identifier: MIT */
#include "http/http.h"

#include <string.h>
#include <strings.h>
#include "base/macros.h"
#include "base/stamp.h"

/* -- reading
 * --------------------------------------------------------------------------------------- */

/* RFC 9110 section 5.6.2 */
static bool is_token(struct slice text)
{
	for (size_t at = 0; at < text.len; at++) {
		unsigned char c = (unsigned char)text.data[at];

		if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
			return false;
	}
	return text.len > 0;
}

/* The next line without its end, taken from the front; false: it is not whole. */
static bool take_line(struct slice *in, struct slice *line)
{
	const char *end = in->len ? memchr(in->data, '\n', in->len) : NULL;

	if (!end)
		return false;
	*line = (struct slice){in->data, (size_t)(end - in->data)};
	in->data += line->len + 1;
	in->len -= line->len + 1;
	if (line->len && line->data[line->len - 1] == '\r')
		line->len--;
	return true;
}

/* What stands before the byte, taken with it from the front; false: it is not there. */
static bool take_until(struct slice *from, char byte, struct slice *before)
{
	const char *at = from->len ? memchr(from->data, byte, from->len) : NULL;

	if (!at)
		return false;
	*before = (struct slice){from->data, (size_t)(at - from->data)};
	from->data += before->len + 1;
	from->len -= before->len + 1;
	return true;
}

static bool is_visible(struct slice text)
{
	for (size_t at = 0; at < text.len; at++) {
		if ((unsigned char)text.data[at] <= ' ' || (unsigned char)text.data[at] >= 0x7f)
			return false;
	}
	return text.len > 0;
}

/* The path of an origin-form or an absolute-form, section 3.2; false: neither. */
static bool read_path(struct slice target, struct slice *path)
{
	static const char scheme[] = "http://";
	const char *slash;

	if (target.len >= strlen(scheme) && !strncasecmp(target.data, scheme, strlen(scheme))) {
		target.data += strlen(scheme);
		target.len -= strlen(scheme);
		slash = memchr(target.data, '/', target.len);
		if (!slash) {
			*path = SLICE("/");
			return true;
		}
		target.len -= (size_t)(slash - target.data);
		target.data = slash;
	}
	if (!target.len || target.data[0] != '/')
		return false;
	*path = target;
	slash = memchr(target.data, '?', target.len);
	if (slash)
		path->len = (size_t)(slash - target.data);
	return true;
}

/* HTTP/1.1 or older; 0, 400 or 505. */
static int read_version(struct slice text, bool *host_due)
{
	if (text.len != 8 || memcmp(text.data, "HTTP/", 5) != 0 || text.data[6] != '.' ||
	    text.data[5] < '0' || text.data[5] > '9' || text.data[7] < '0' || text.data[7] > '9')
		return 400;
	*host_due = text.data[7] != '0';
	return text.data[5] == '1' ? 0 : 505;
}

static int read_request_line(struct slice line, struct http_request *request, bool *host_due)
{
	struct slice method, target;
	int status;

	if (!take_until(&line, ' ', &method) || !take_until(&line, ' ', &target) ||
	    !is_token(method) || !is_visible(target))
		return 400;
	status = read_version(line, host_due);
	if (status)
		return status;
	request->method = slice_is(method, "GET")    ? HTTP_GET
			  : slice_is(method, "HEAD") ? HTTP_HEAD
						     : HTTP_OTHER;
	request->path = (struct slice){target.data, 0};
	return request->method == HTTP_OTHER || read_path(target, &request->path) ? 0 : 400;
}

/* A field's line; folded ones, and blanks before the colon, are refused (section 5). */
static bool is_field(struct slice line, bool *is_host)
{
	struct slice name;

	if (!take_until(&line, ':', &name) || !is_token(name))
		return false;
	*is_host = name.len == 4 && !strncasecmp(name.data, "Host", 4);
	for (size_t at = 0; at < line.len; at++) {
		unsigned char c = (unsigned char)line.data[at];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static int read_fields(struct slice *in, bool host_due)
{
	unsigned fields = 0, hosts = 0;
	struct slice line;
	bool is_host;

	while (take_line(in, &line)) {
		if (!line.len)
			return hosts > 1 || (host_due && !hosts) ? 400 : 0;
		if (++fields > HTTP_FIELDS_MAX)
			return 431;
		if (!is_field(line, &is_host))
			return 400;
		hosts += is_host;
	}
	return HTTP_MORE;
}

int http_request_read(struct slice in, struct http_request *request)
{
	struct http_request read = {.len = 0};
	struct slice rest = {in.data, in.len < HTTP_HEAD_MAX ? in.len : HTTP_HEAD_MAX}, line;
	bool host_due = false;
	int status;

	do { /* empty lines before a request are nothing, section 2.2 */
		if (!take_line(&rest, &line))
			return in.len < HTTP_HEAD_MAX ? HTTP_MORE : 414;
	} while (!line.len);
	status = read_request_line(line, &read, &host_due);
	if (status)
		return status;
	status = read_fields(&rest, host_due);
	if (status == HTTP_MORE && in.len >= HTTP_HEAD_MAX)
		return 431;
	if (status)
		return status;
	read.len = (size_t)(rest.data - in.data);
	*request = read;
	return 0;
}

/* -- printing
 * -------------------------------------------------------------------------------------- */

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {{200, "OK"},
		       {400, "Bad Request"},
		       {404, "Not Found"},
		       {405, "Method Not Allowed"},
		       {408, "Request Timeout"},
		       {414, "URI Too Long"},
		       {431, "Request Header Fields Too Large"},
		       {503, "Service Unavailable"},
		       {505, "HTTP Version Not Supported"}};

	for (size_t at = 0; at < countof(reasons); at++) {
		if (reasons[at].status == status)
			return reasons[at].text;
	}
	return "";
}

/* RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". */
static void print_date(int64_t wall_ms, struct buf *out)
{
	static const char *const days[] = {"Thu", "Fri", "Sat", "Sun",
					   "Mon", "Tue", "Wed"}; /* 1970 began with the first */
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	char stamp[STAMP_LEN];

	stamp_print(stamp, wall_ms, false); /* "1994-11-06T08:49:37Z" */
	buf_printf(out, "%s, %.2s %s %.4s %.8s GMT", days[wall_ms / 86400000 % 7], stamp + 8,
		   months[(stamp[5] - '0') * 10 + stamp[6] - '0' - 1], stamp, stamp + 11);
}

void http_response_print(const struct http_response *response, struct buf *out)
{
	buf_printf(out, "HTTP/1.1 %d %s\r\nDate: ", response->status, reason(response->status));
	print_date(response->wall_ms, out);
	buf_printf(out, "\r\nContent-Type: %s\r\nContent-Length: %zu\r\n", response->type,
		   response->length);
	if (response->allow)
		buf_printf(out, "Allow: %s\r\n", response->allow);
	buf_append_text(out, "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
}
