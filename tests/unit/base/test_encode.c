/* SPDX-License-Identifier: MIT */
/* XML escaping, base64, hexadecimal. */
#include "base/buf.h"

#include "unit.h"

static void escapes_for_xml(void **state)
{
	AUTO(buf_fini) struct buf buf = {0};

	buf_append_xml(&buf, SLICE("a<b>&\"c'd\r\n\xc3\xa9"));
	assert_text(buf_slice(&buf), "a&lt;b&gt;&amp;&quot;c&apos;d&#13;\n\xc3\xa9");
	buf_clear(&buf);
	buf_append_xml(&buf, SLICE("&&"));
	assert_text(buf_slice(&buf), "&amp;&amp;");
}

/* RFC 4648, section 10. */
static const struct {
	const char *bytes, *text;
} pairs[] = {{"", ""},
	     {"f", "Zg=="},
	     {"fo", "Zm8="},
	     {"foo", "Zm9v"},
	     {"foob", "Zm9vYg=="},
	     {"fooba", "Zm9vYmE="},
	     {"foobar", "Zm9vYmFy"},
	     {"\xff\xfe\xfb", "//77"},
	     {"\xfb\xff", "+/8="}};

static void writes_base64(void **state)
{
	for (size_t at = 0; at < countof(pairs); at++) {
		AUTO(buf_fini) struct buf buf = {0};

		buf_append_base64(&buf, slice_of(pairs[at].bytes));
		assert_text(buf_slice(&buf), pairs[at].text);
	}
}

static void reads_base64(void **state)
{
	for (size_t at = 0; at < countof(pairs); at++) {
		AUTO(buf_fini) struct buf buf = {0};

		assert_true(buf_append_unbase64(&buf, slice_of(pairs[at].text)));
		assert_text(buf_slice(&buf), pairs[at].bytes);
	}
}

static void reads_back_every_byte(void **state)
{
	char all[256];

	for (unsigned at = 0; at < 256; at++)
		all[at] = (char)at;
	for (size_t len = 0; len <= 256; len++) {
		AUTO(buf_fini) struct buf text = {0}, bytes = {0};

		buf_append_base64(&text, (struct slice){all, len});
		assert_true(buf_append_unbase64(&bytes, buf_slice(&text)));
		assert_true(slice_equal(buf_slice(&bytes), (struct slice){all, len}));
	}
}

static void refuses_sloppy_base64(void **state)
{
	static const char *const bad[] = {
		"Z",	 "Zg",	   "Zg=",  "====", "=",	      "Zh==",	  "Zm9=",	"Zg==Zg==",
		"Zm 9v", "Zm9v\n", "Z===", "Zm-_", "Zm9vYg=", "Zm9vZ=g=", "\xc3\xa9==", " Zg="};
	AUTO(buf_fini) struct buf buf = {0};

	buf_append_text(&buf, "kept");
	for (size_t at = 0; at < countof(bad); at++) {
		assert_false(buf_append_unbase64(&buf, slice_of(bad[at])));
		assert_text(buf_slice(&buf), "kept");
	}
	assert_false(buf_append_unbase64(&buf, SLICE("Zm9\0")));
}

static void keeps_what_was_there_when_junk_comes_late(void **state)
{
	AUTO(buf_fini) struct buf buf = {0}, junk = {0};

	/* The refused text makes the buffer move its bytes to the front. */
	for (unsigned at = 0; at < 60; at++)
		buf_append_char(&buf, (char)('a' + at % 26));
	buf_skip(&buf, 55);
	for (unsigned at = 0; at < 10; at++)
		buf_append_text(&junk, "Zm9v");
	buf_append_text(&junk, "????");
	assert_false(buf_append_unbase64(&buf, buf_slice(&junk)));
	assert_text(buf_slice(&buf), "defgh");
}

static void writes_hexadecimal(void **state)
{
	AUTO(buf_fini) struct buf buf = {0};

	buf_append_hex(&buf, "\x00\x7f\xff\xa5", 4);
	assert_text(buf_slice(&buf), "007fffa5");
}

/* Whatever stands before and behind it, at each place within eight bytes. */
static void plain_text_ends_at_the_first_sign(void **state)
{
	for (unsigned c = 0; c < 256; c++) {
		bool plain = c >= ' ' && !strchr("&<>'\"", (int)c);

		for (size_t at = 0; at < 19; at++) {
			char text[19];
			size_t end;

			memset(text, c % 2 ? 0xff : '!', sizeof(text));
			text[at] = (char)c;
			end = xml_plain((struct slice){text, sizeof(text)}, 0);
			if (end != (plain ? sizeof(text) : at))
				fail_msg("byte %u at %zu: ends at %zu", c, at, end);
			assert_int_equal(xml_plain((struct slice){text, sizeof(text)}, at + 1), sizeof(text));
			assert_int_equal(xml_plain((struct slice){text, at}, 0), at);
		}
	}
	assert_int_equal(xml_plain((struct slice){NULL, 0}, 0), 0);
}

int main(void)
{
	const struct CMUnitTest encode[] = {
		cmocka_unit_test(escapes_for_xml),
		cmocka_unit_test(plain_text_ends_at_the_first_sign),
		cmocka_unit_test(writes_base64),
		cmocka_unit_test(reads_base64),
		cmocka_unit_test(reads_back_every_byte),
		cmocka_unit_test(refuses_sloppy_base64),
		cmocka_unit_test(keeps_what_was_there_when_junk_comes_late),
		cmocka_unit_test(writes_hexadecimal),
	};

	return RUN(encode);
}
