/* SPDX-License-Identifier: MIT */
/* The PROXY header. */
#include "conn/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(text) ((struct slice){text, sizeof(text) - 1})

/* With what follows it, and with each byte missing. */
static void reads(struct slice in, const char *name)
{
	struct proxy_header header = {0};
	AUTO(buf_fini) struct buf more = {0};

	buf_append_slice(&more, in);
	buf_append_text(&more, "<stream:stream>");
	assert_int_equal(proxy_read(buf_slice(&more), &header), 0);
	assert_int_equal(header.len, in.len);
	assert_string_equal(header.name, name);
	for (size_t len = 0; len < in.len; len++)
		assert_int_equal(proxy_read((struct slice){in.data, len}, &header), PROXY_MORE);
}

static void refuses(struct slice in)
{
	struct proxy_header header = {.name = "untouched"};

	assert_int_equal(proxy_read(in, &header), PROXY_BAD);
	assert_string_equal(header.name, "untouched");
}

static void reads_lines(void **state)
{
	reads(BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 41532 5222\r\n"), "192.0.2.1:41532");
	reads(BYTES("PROXY TCP6 2001:DB8::1 ::1 0 65535\r\n"), "[2001:db8::1]:0");
	reads(BYTES("PROXY UNKNOWN\r\n"), "");
	reads(BYTES("PROXY UNKNOWN what ever it is\r\n"), "");
}

static void refuses_other_lines(void **state)
{
	static const char *const lines[] = {
		"PROXY TCP4 192.0.2.1 198.51.100.7 41532 5222\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 41532\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 41532 5222 \r\n",
		"PROXY TCP4  192.0.2.1 198.51.100.7 41532 5222\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 041532 5222\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 65536 5222\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 -1 5222\r\n",
		"PROXY TCP4 192.0.2.256 198.51.100.7 41532 5222\r\n",
		"PROXY TCP4 ::1 ::1 41532 5222\r\n",
		"PROXY TCP6 192.0.2.1 198.51.100.7 41532 5222\r\n",
		"PROXY UDP4 192.0.2.1 198.51.100.7 41532 5222\r\n",
		"PROXY \r\n",
		"PROXY\r\n",
		"proxy TCP4 192.0.2.1 198.51.100.7 41532 5222\r\n",
		"<stream:stream",
		"\r\n\r\n<",
		"PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
	};

	for (size_t at = 0; at < countof(lines); at++)
		refuses(slice_of(lines[at]));
}

static void reads_bytes(void **state)
{
	reads(BYTES(SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x07\xa2\x3c\x14\x66"),
	      "192.0.2.1:41532");
	reads(BYTES(SIGNATURE "\x21\x11\x00\x10\xc0\x00\x02\x01\xc6\x33\x64\x07\xa2\x3c\x14\x66\x04\x00\x01\xff"),
	      "192.0.2.1:41532");
	reads(BYTES(SIGNATURE "\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
			      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xa2\x3c\x14\x66"),
	      "[2001:db8::1]:41532");
	reads(BYTES(SIGNATURE "\x20\x00\x00\x00"), "");
	reads(BYTES(SIGNATURE "\x20\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x07\xa2\x3c\x14\x66"), "");
	reads(BYTES(SIGNATURE "\x21\x00\x00\x02xx"), "");
}

static void refuses_other_bytes(void **state)
{
	refuses(BYTES(SIGNATURE "\x11\x11\x00\x0c"));
	refuses(BYTES(SIGNATURE "\x31"));
	refuses(BYTES(SIGNATURE "\x22\x11\x00\x0c"));
	refuses(BYTES(SIGNATURE "\x21\x11\x0f\xf1"));
	refuses(BYTES(SIGNATURE "\x21\x11\x00\x0b\xc0\x00\x02\x01\xc6\x33\x64\x07\xa2\x3c\x14"));
	refuses(BYTES(SIGNATURE "\x21\x21\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x07\xa2\x3c\x14\x66"));
	refuses(BYTES("\r\n\r\n\0\r\nQUIT\r"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_lines),
		cmocka_unit_test(refuses_other_lines),
		cmocka_unit_test(reads_bytes),
		cmocka_unit_test(refuses_other_bytes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
