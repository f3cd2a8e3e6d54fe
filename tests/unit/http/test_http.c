/* SPDX-License-Identifier: MIT */
/* Heads of requests, whole, cut and wrong; heads of responses. */
#include "http/http.h"

#include "../base/unit.h"

static int read_text(const char *text, struct http_request *request)
{
	return http_request_read(slice_of(text), request);
}

static void assert_request(const char *text, enum http_method method, const char *path)
{
	struct http_request request;

	assert_int_equal(read_text(text, &request), 0);
	assert_int_equal(request.method, method);
	assert_text(request.path, path);
	assert_int_equal(request.len, strlen(text));
}

static void reads_a_request(void **state)
{
	assert_request("GET /metrics HTTP/1.1\r\nHost: a:9100\r\nAccept: */*\r\n\r\n", HTTP_GET,
		       "/metrics");
	assert_request("HEAD /health?verbose=1&x HTTP/1.1\r\nhOsT:a\r\n\r\n", HTTP_HEAD, "/health");
	assert_request("GET / HTTP/1.0\r\n\r\n", HTTP_GET, "/");
	assert_request("GET / HTTP/1.0\n\n", HTTP_GET, "/");
	assert_request("\r\n\r\nGET / HTTP/1.0\r\n\r\n", HTTP_GET, "/");
	assert_request("GET http://a:9100/metrics?q HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_GET,
		       "/metrics");
	assert_request("GET HTTP://a HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_GET, "/");
	assert_request("GET / HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX: a\tb \xc3\xa9\r\n\r\n",
		       HTTP_GET, "/");
}

static void knows_no_other_method(void **state)
{
	assert_request("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", HTTP_OTHER,
		       "");
	assert_request("get / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_OTHER, "");
	assert_request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_OTHER, "");
	assert_request("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_OTHER, "");
}

static void reads_no_further_than_the_head(void **state)
{
	struct http_request request;

	assert_int_equal(read_text("GET / HTTP/1.0\r\n\r\nGET /more HTTP/1.0\r\n\r\n", &request),
			 0);
	assert_int_equal(request.len, 18);
}

static void waits_for_what_is_not_there(void **state)
{
	static const char text[] = "\r\nGET /metrics HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
	struct http_request request;

	for (size_t len = 0; len < strlen(text); len++)
		assert_int_equal(http_request_read((struct slice){text, len}, &request), HTTP_MORE);
	assert_int_equal(read_text(text, &request), 0);
}

static void refuses_what_is_wrong(void **state)
{
	static const struct {
		const char *text;
		int status;
	} rows[] = {
		{"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host */
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400},
		{"GET /\r\n\r\n", 400},
		{"GET  / HTTP/1.1\r\n\r\n", 400},
		{"GET / x HTTP/1.1\r\n\r\n", 400},
		{"GET metrics HTTP/1.0\r\n\r\n", 400},
		{"GET https://a/ HTTP/1.0\r\n\r\n", 400},
		{"GET * HTTP/1.0\r\n\r\n", 400},
		{"GET /\xc3\xa9 HTTP/1.0\r\n\r\n", 400},
		{"G(T / HTTP/1.0\r\n\r\n", 400},
		{"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
		{"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
		{"GET / HTTP/2.0\r\n\r\n", 505},
		{"\x16\x03\x01\x02\n", 400},
	};
	struct http_request request;

	for (size_t at = 0; at < sizeof(rows) / sizeof(rows[0]); at++)
		assert_int_equal(read_text(rows[at].text, &request), rows[at].status);
}

static void bounds_a_head(void **state)
{
	AUTO(buf_fini) struct buf text = {0};
	struct http_request request;

	buf_append_text(&text, "GET /");
	while (buf_used(&text) < HTTP_HEAD_MAX - 1)
		buf_append_char(&text, 'x');
	assert_int_equal(http_request_read(buf_slice(&text), &request), HTTP_MORE);
	buf_append_char(&text, 'x');
	assert_int_equal(http_request_read(buf_slice(&text), &request), 414);

	buf_clear(&text);
	buf_append_text(&text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	while (buf_used(&text) < HTTP_HEAD_MAX)
		buf_append_char(&text, 'x');
	assert_int_equal(http_request_read(buf_slice(&text), &request), 431);
	buf_append_text(&text, "\r\n\r\n");
	assert_int_equal(http_request_read(buf_slice(&text), &request), 431);

	buf_clear(&text);
	buf_append_text(&text, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (unsigned more = 1; more < HTTP_FIELDS_MAX; more++)
		buf_printf(&text, "X%u: y\r\n", more);
	assert_int_equal(http_request_read(buf_slice(&text), &request), HTTP_MORE);
	buf_append_text(&text, "One-More: y\r\n");
	assert_int_equal(http_request_read(buf_slice(&text), &request), 431);
}

static void prints_the_head_of_an_answer(void **state)
{
	struct http_response response = {
		.status = 200, .type = "text/plain", .length = 7, .wall_ms = 784111777000};
	AUTO(buf_fini) struct buf out = {0};

	http_response_print(&response, &out);
	assert_string_equal(
		buf_text(&out),
		"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: "
		"text/plain\r\n"
		"Content-Length: 7\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
	response = (struct http_response){
		.status = 405, .type = "a/b", .allow = "GET, HEAD", .wall_ms = 1709164800000};
	buf_clear(&out);
	http_response_print(&response, &out);
	assert_string_equal(
		buf_text(&out),
		"HTTP/1.1 405 Method Not Allowed\r\nDate: Thu, 29 Feb 2024 00:00:00 GMT\r\n"
		"Content-Type: a/b\r\nContent-Length: 0\r\nAllow: GET, HEAD\r\n"
		"Cache-Control: no-store\r\nConnection: close\r\n\r\n");
}

int main(void)
{
	const struct CMUnitTest http[] = {
		cmocka_unit_test(reads_a_request),
		cmocka_unit_test(knows_no_other_method),
		cmocka_unit_test(reads_no_further_than_the_head),
		cmocka_unit_test(waits_for_what_is_not_there),
		cmocka_unit_test(refuses_what_is_wrong),
		cmocka_unit_test(bounds_a_head),
		cmocka_unit_test(prints_the_head_of_an_answer),
	};

	return RUN(http);
}
