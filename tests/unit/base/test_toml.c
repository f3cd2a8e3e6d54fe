/* SPDX-License-Identifier: MIT */
/* TOML: every construct of the language, and where each mistake is said to be. */
#include "base/toml.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include "base/mem.h"
#include "unit.h"

static struct toml_doc *read(const char *text)
{
	struct toml_error error = {0};
	struct toml_doc *doc = NULL;

	if (toml_parse(slice_of(text), &doc, &error))
		fail_msg("%u:%u: %s", error.line, error.column, error.text);
	return doc;
}

/* A path of names and numbers: "a.b.0". */
static const struct toml *at_path(const struct toml_doc *doc, const char *path)
{
	const struct toml *value = toml_root(doc);
	char name[40];

	while (*path) {
		size_t len = strcspn(path, ".");

		assert_true(len < sizeof(name));
		memcpy(name, path, len);
		name[len] = 0;
		if (value->type == TOML_ARRAY) {
			value = value->child;
			for (int left = name[0] - '0'; left && value; left--)
				value = value->next;
		} else {
			value = toml_get(value, name);
		}
		if (!value)
			fail_msg("no \"%s\"", name);
		path += len + (path[len] == '.');
	}
	return value;
}

static void assert_integer(const struct toml_doc *doc, const char *path, int64_t wanted)
{
	assert_int_equal(at_path(doc, path)->type, TOML_INTEGER);
	assert_true(at_path(doc, path)->integer == wanted);
}

static void assert_string(const struct toml_doc *doc, const char *path, const char *wanted)
{
	assert_int_equal(at_path(doc, path)->type, TOML_STRING);
	assert_text(at_path(doc, path)->string, wanted);
	assert_int_equal(at_path(doc, path)->string.data[at_path(doc, path)->string.len], 0);
}

static void assert_count(const struct toml_doc *doc, const char *path, unsigned wanted)
{
	unsigned count = 0;

	for (const struct toml *child = at_path(doc, path)->child; child; child = child->next)
		count++;
	assert_int_equal(count, wanted);
}

static void reads_an_empty_document(void **state)
{
	static const char *const texts[] = {"", "\n\n", "# only this", "\r\n\t # this\r\n", "   "};

	for (size_t at = 0; at < countof(texts); at++) {
		AUTO(toml_free) struct toml_doc *doc = read(texts[at]);

		assert_int_equal(toml_root(doc)->type, TOML_TABLE);
		assert_null(toml_root(doc)->child);
		assert_null(toml_get(toml_root(doc), "a"));
	}
}

static void reads_integers(void **state)
{
	AUTO(toml_free)
	struct toml_doc *doc =
		read("a = 0\nb = +99\nc = -17\nd = 1_000_000\ne = 0xDEAD_beef\nf = 0o755\n"
		     "g = 0b1101_0110\nh = 9223372036854775807\ni = -9223372036854775808\n"
		     "j = -0\nk=0x0\n");

	assert_integer(doc, "a", 0);
	assert_integer(doc, "b", 99);
	assert_integer(doc, "c", -17);
	assert_integer(doc, "d", 1000000);
	assert_integer(doc, "e", 0xdeadbeef);
	assert_integer(doc, "f", 0755);
	assert_integer(doc, "g", 0xd6);
	assert_integer(doc, "h", INT64_MAX);
	assert_integer(doc, "i", INT64_MIN);
	assert_integer(doc, "j", 0);
	assert_integer(doc, "k", 0);
}

static void reads_floats(void **state)
{
	static const double wanted[] = {1.0,	   3.1415,	     -0.01, 5e22, 1e6, -2e-2,
					6.626e-34, 224617.445991228, 0.0,   1e05};
	AUTO(toml_free)
	struct toml_doc *doc =
		read("a = [+1.0, 3.1415, -0.01, 5e+22, 1e06, -2E-2, 6.626e-34,\n"
		     "224_617.445_991_228, 0e0, 1e0_5]\nb = [inf, +inf, -inf, nan, -nan]\n");
	const struct toml *value = at_path(doc, "a")->child;

	for (size_t at = 0; at < countof(wanted); at++, value = value->next) {
		assert_int_equal(value->type, TOML_FLOAT);
		assert_true(fabs(value->number - wanted[at]) <= fabs(wanted[at]) * 1e-15);
	}
	assert_true(isinf(at_path(doc, "b.0")->number) && isinf(at_path(doc, "b.1")->number));
	assert_true(isinf(at_path(doc, "b.2")->number) && at_path(doc, "b.2")->number < 0);
	assert_true(isnan(at_path(doc, "b.3")->number) && isnan(at_path(doc, "b.4")->number));
}

static void reads_booleans(void **state)
{
	AUTO(toml_free) struct toml_doc *doc = read("a = true\nb = false # no\n");

	assert_int_equal(at_path(doc, "a")->type, TOML_BOOL);
	assert_int_equal(at_path(doc, "a")->integer, 1);
	assert_int_equal(at_path(doc, "b")->type, TOML_BOOL);
	assert_int_equal(at_path(doc, "b")->integer, 0);
}

static void reads_strings_of_one_line(void **state)
{
	AUTO(toml_free)
	struct toml_doc *doc = read("a = \"q\\\"b\\\\ \\b\\t\\n\\f\\r \\u00e9 \\U0001F600\"\nb = "
				    "'C:\\dir \"x\"'\nc = \"\"\nd = ''\n"
				    "e = \"# no comment\"\nf = \"tab\there\"\ng = \"\xc3\xa9\"\n");

	assert_string(doc, "a", "q\"b\\ \b\t\n\f\r \xc3\xa9 \xf0\x9f\x98\x80");
	assert_string(doc, "b", "C:\\dir \"x\"");
	assert_string(doc, "c", "");
	assert_string(doc, "d", "");
	assert_string(doc, "e", "# no comment");
	assert_string(doc, "f", "tab\there");
	assert_string(doc, "g", "\xc3\xa9");
}

static void reads_strings_of_many_lines(void **state)
{
	AUTO(toml_free)
	struct toml_doc *doc = read("a = \"\"\"\nRoses\nare \\\n\n   red\\n\"\"\"\nb = '''\nraw "
				    "\\n\n'''\nc = \"\"\"x\"\"\"\"\"\n"
				    "d = ''''a'b''c'''''\ne = \"\"\"one\r\ntwo\"\"\"\nf = "
				    "\"\"\"\"\"\"\ng = \"\"\"a \\  \r\n  b\"\"\"\n"
				    "h = \"\"\"a \"\"\\\" b\"\"\"\nafter = 1\n");

	assert_string(doc, "a", "Roses\nare red\n");
	assert_string(doc, "b", "raw \\n\n");
	assert_string(doc, "c", "x\"\"");
	assert_string(doc, "d", "'a'b''c''");
	assert_string(doc, "e", "one\ntwo");
	assert_string(doc, "f", "");
	assert_string(doc, "g", "a b");
	assert_string(doc, "h", "a \"\"\" b");
	assert_int_equal(at_path(doc, "after")->key_line, 17);
}

static void reads_keys(void **state)
{
	AUTO(toml_free)
	struct toml_doc *doc =
		read("bare-key_1 = 1\n1234 = 2\n\"quoted key\" = 3\n'lit \"x\"' = 4\n\"\" = 5\n"
		     "a.b.c = 6\na . \"b\".d=7\na.e = 8\n3.14 = 9\n\"dotted.key\" = 10\n");

	assert_integer(doc, "bare-key_1", 1);
	assert_integer(doc, "1234", 2);
	assert_integer(doc, "quoted key", 3);
	assert_integer(doc, "lit \"x\"", 4);
	assert_int_equal(toml_get(toml_root(doc), "")->integer, 5);
	assert_integer(doc, "a.b.c", 6);
	assert_integer(doc, "a.b.d", 7);
	assert_integer(doc, "a.e", 8);
	assert_integer(doc, "3.14", 9);
	assert_int_equal(toml_get(toml_root(doc), "dotted.key")->integer, 10);
	assert_count(doc, "a", 2);
}

static void reads_arrays(void **state)
{
	AUTO(toml_free)
	struct toml_doc *doc = read("a = []\nb = [ 1, \"two\", 3.0, ]\nc = [ # here\n\t[1, "
				    "2],\n\n\t['x'], # and here\n]\n"
				    "d = [{x = 1}, {x = 2, y = [3]}]\ne = [1,2\n,3]\n");

	assert_int_equal(at_path(doc, "a")->type, TOML_ARRAY);
	assert_count(doc, "a", 0);
	assert_count(doc, "b", 3);
	assert_string(doc, "b.1", "two");
	assert_integer(doc, "c.0.1", 2);
	assert_string(doc, "c.1.0", "x");
	assert_integer(doc, "d.1.y.0", 3);
	assert_integer(doc, "e.2", 3);
}

static void reads_tables(void **state)
{
	AUTO(toml_free)
	struct toml_doc *doc = read("top = 1\n[a]\nx = 2\n[ a . \"b c\" ]\ny = 3\n[d.e.f]\nz = "
				    "4\n[d] # afterwards\nw = 5\n"
				    "[g]\nh.i = 6\nh.j = 7\n[g.h.k]\nl = 8\n[empty]\n");

	assert_integer(doc, "top", 1);
	assert_integer(doc, "a.x", 2);
	assert_integer(doc, "a.b c.y", 3);
	assert_integer(doc, "d.e.f.z", 4);
	assert_integer(doc, "d.w", 5);
	assert_integer(doc, "g.h.j", 7);
	assert_integer(doc, "g.h.k.l", 8);
	assert_count(doc, "empty", 0);
}

static void reads_inline_tables(void **state)
{
	AUTO(toml_free)
	struct toml_doc *doc = read(
		"a = {}\nb = { x = 1, y.z = \"2\", 'q' = [1, {r = 3}] }\nc = [\n{ d = 1 },\n]\n");

	assert_int_equal(at_path(doc, "a")->type, TOML_TABLE);
	assert_integer(doc, "b.x", 1);
	assert_string(doc, "b.y.z", "2");
	assert_integer(doc, "b.q.1.r", 3);
	assert_integer(doc, "c.0.d", 1);
}

static void reads_arrays_of_tables(void **state)
{
	AUTO(toml_free)
	struct toml_doc *doc = read(
		"[[fruit]]\nname = 'apple'\n[fruit.physical]\ncolor = 'red'\n[[fruit.variety]]\n"
		"name = 'delicious'\n[[fruit.variety]]\nname = 'smith'\n[[ fruit ]]\nname = "
		"'banana'\n"
		"[[fruit.variety]]\nname = 'plantain'\n[[fruit]]\n[[fruit]]\n");

	assert_count(doc, "fruit", 4);
	assert_string(doc, "fruit.0.name", "apple");
	assert_string(doc, "fruit.0.physical.color", "red");
	assert_string(doc, "fruit.0.variety.1.name", "smith");
	assert_string(doc, "fruit.1.name", "banana");
	assert_string(doc, "fruit.1.variety.0.name", "plantain");
	assert_count(doc, "fruit.3", 0);
}

static void keeps_the_order_and_the_places(void **state)
{
	AUTO(toml_free)
	struct toml_doc *doc = read(
		"b =  1\r\n  a = \"x\"\n[s.t]\n\tkey = [ 1,\n   22 ]\n[[c]]\nin = { p = true }\n");
	const struct toml *child = toml_root(doc)->child;

	assert_text(child->key, "b");
	assert_int_equal(child->key_line, 1);
	assert_int_equal(child->key_column, 1);
	assert_int_equal(child->column, 6);
	child = child->next;
	assert_text(child->key, "a");
	assert_int_equal(child->key_line, 2);
	assert_int_equal(child->key_column, 3);
	assert_int_equal(child->line, 2);
	assert_int_equal(child->column, 7);
	assert_int_equal(at_path(doc, "s")->key_line, 3);
	assert_int_equal(at_path(doc, "s")->key_column, 2);
	assert_int_equal(at_path(doc, "s.t")->key_column, 4);
	assert_int_equal(at_path(doc, "s.t.key")->key_column, 2);
	assert_int_equal(at_path(doc, "s.t.key.1")->line, 5);
	assert_int_equal(at_path(doc, "s.t.key.1")->column, 4);
	assert_int_equal(at_path(doc, "c.0")->line, 6);
	assert_int_equal(at_path(doc, "c.0")->column, 3);
	assert_int_equal(at_path(doc, "c.0.in.p")->key_column, 8);
	assert_int_equal(at_path(doc, "c.0.in.p")->column, 12);
}

/* -- mistakes
 * --------------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	unsigned line, column;
	const char *says;
} mistakes[] = {
	{"a", 1, 2, "expected \"=\" after the key"},
	{"a = ", 1, 5, "expected a value"},
	{"a = \nb = 1", 1, 5, "expected a value"},
	{" = 1", 1, 2, "expected a key"},
	{"a. = 1", 1, 4, "expected a key"},
	{"\xc3\xa4 = 1", 1, 1, "expected a key"},
	{"a = 1 b = 2", 1, 7, "something follows the value; one to a line"},
	{"a = 1\n\na = 2", 3, 1, "\"a\" is given twice"},
	{"a = 1\na.b = 2", 2, 1, "\"a\" has a value already"},
	{"a.b = 1\na = 2", 2, 1, "\"a\" is given twice"},
	{"[a]\nb = 1\n[a]\nc = 2", 3, 2, "[a] is given twice"},
	{"a = 1\n[a]", 2, 2, "[a] is given twice"},
	{"a = 1\n[a.b]", 2, 2, "\"a\" has a value already"},
	{"[a]\nb.c = 1\n[a.b]", 3, 4, "[b] is given twice"},
	{"[a.b]\nc = 1\n[a]\nb.d = 2", 4, 1, "\"b\" has a value already"},
	{"a = {b = 1}\na.c = 2", 2, 1, "\"a\" has a value already"},
	{"a = {b = 1}\n[a.c]", 2, 2, "\"a\" has a value already"},
	{"a = [{b = 1}]\n[[a]]", 2, 3, "\"a\" has a value already"},
	{"a = [1]\n[a.b]", 2, 2, "\"a\" has a value already"},
	{"[a]\n[[a]]", 2, 3, "\"a\" has a value already"},
	{"[[a]]\n[a]", 2, 2, "[a] is given twice"},
	{"[a", 1, 3, "expected \"]\""},
	{"[]", 1, 2, "expected a key"},
	{"[a]]", 1, 4, "something follows the value; one to a line"},
	{"[[a]\nb = 1", 1, 5, "expected \"]\""},
	{"[ [a]]", 1, 3, "expected a key"},
	{"a = \"x", 1, 7, "a string without an end"},
	{"a = \"x\ny\"", 1, 7, "a string without an end"},
	{"a = 'x\r\ny'", 1, 7, "a string without an end"},
	{"a = \"\"\"x\n\"\"", 2, 3, "a string without an end"},
	{"a = \"\\", 1, 7, "a string without an end"},
	{"a = \"\\q\"", 1, 7, "unknown escape"},
	{"a = \"\\\nb\"", 1, 7, "unknown escape"},
	{"a = \"\"\"\\ x\"\"\"", 1, 10, "unknown escape"},
	{"a = \"\\u12G4\"", 1, 10, "expected hexadecimal digits"},
	{"a = \"\\uD800\"", 1, 12, "no such character"},
	{"a = \"\\U00110000\"", 1, 16, "no such character"},
	{"a = \"\\u0000\"", 1, 12, "no such character"},
	{"a = \"x\001\"", 1, 7, "a control character in a string"},
	{"a = \"\"\"x\r y\"\"\"", 1, 9, "a control character in a string"},
	{"a = '''x''''''", 1, 14, "something follows the value; one to a line"},
	{"# x\001", 1, 4, "a control character in a comment"},
	{"# x\ry", 1, 4, "a control character in a comment"},
	{"a = 1\r", 1, 6, "something follows the value; one to a line"},
	{"a = [1 2]", 1, 8, "expected \",\" or \"]\" in the list"},
	{"a = [1,,2]", 1, 8, "expected a value"},
	{"a = [,]", 1, 6, "expected a value"},
	{"a = [1,\n2", 2, 2, "expected \",\" or \"]\" in the list"},
	{"a = {b = 1,}", 1, 12, "expected a key"},
	{"a = {b = 1\n}", 1, 11, "expected \",\" or \"}\" in the table"},
	{"a = {b = 1, b = 2}", 1, 13, "\"b\" is given twice"},
	{"a = {b 1}", 1, 8, "expected \"=\" after the key"},
	{"a = 01", 1, 5, "\"01\" is no value; text stands in quotes"},
	{"a = 1__0", 1, 5, "\"1__0\" is no value; text stands in quotes"},
	{"a = _1", 1, 5, "\"_1\" is no value; text stands in quotes"},
	{"a = 1_", 1, 5, "\"1_\" is no value; text stands in quotes"},
	{"a = 1.", 1, 5, "\"1.\" is no value; text stands in quotes"},
	{"a = .5", 1, 5, "\".5\" is no value; text stands in quotes"},
	{"a = 1.e5", 1, 5, "\"1.e5\" is no value; text stands in quotes"},
	{"a = 1e", 1, 5, "\"1e\" is no value; text stands in quotes"},
	{"a = 1e_5", 1, 5, "\"1e_5\" is no value; text stands in quotes"},
	{"a = 00.5", 1, 5, "\"00.5\" is no value; text stands in quotes"},
	{"a = 0x", 1, 5, "\"0x\" is no value; text stands in quotes"},
	{"a = 0x0x1", 1, 5, "\"0x0x1\" is no value; text stands in quotes"},
	{"a = 0x_1", 1, 5, "\"0x_1\" is no value; text stands in quotes"},
	{"a = 0b2", 1, 5, "\"0b2\" is no value; text stands in quotes"},
	{"a = +0x1", 1, 5, "\"+0x1\" is no value; text stands in quotes"},
	{"a = 0XFF", 1, 5, "\"0XFF\" is no value; text stands in quotes"},
	{"a = --1", 1, 5, "\"--1\" is no value; text stands in quotes"},
	{"a = 9223372036854775808", 1, 5, "\"9223372036854775808\" is too large a number"},
	{"a = -9223372036854775809", 1, 5, "\"-9223372036854775809\" is too large a number"},
	{"a = 0xffffffffffffffff", 1, 5, "\"0xffffffffffffffff\" is too large a number"},
	{"a = 1e999", 1, 5, "\"1e999\" is too large a number"},
	{"a = infinity", 1, 5, "\"infinity\" is no value; text stands in quotes"},
	{"a = True", 1, 5, "\"True\" is no value; text stands in quotes"},
	{"a = on", 1, 5, "\"on\" is no value; text stands in quotes"},
	{"a = 2026-11-22", 1, 5, "\"2026-11-22\" is no value; text stands in quotes"},
	{"a = 06:21:29", 1, 5, "\"06:21:29\" is no value; text stands in quotes"},
	{"a = \"\"\"x\n\xff\"\"\"", 2, 1, "not UTF-8"},
	{"ok = 1\n# \xc0\xaf", 2, 3, "not UTF-8"},
	{"a = \"\xed\xa0\x80\"", 1, 6, "not UTF-8"},
	{"a = \"\xf4\x90\x80\x80\"", 1, 6, "not UTF-8"},
	{"a = '\xe2\x82'", 1, 6, "not UTF-8"},
};

static void says_where_a_mistake_is(void **state)
{
	for (size_t at = 0; at < countof(mistakes); at++) {
		struct toml_error error = {0};
		struct toml_doc *doc = NULL;
		char got[240], wanted[240];

		assert_int_equal(toml_parse(slice_of(mistakes[at].text), &doc, &error), -EINVAL);
		assert_null(doc);
		snprintf(got, sizeof(got), "%zu: %u:%u: %s", at, error.line, error.column,
			 error.text);
		snprintf(wanted, sizeof(wanted), "%zu: %u:%u: %s", at, mistakes[at].line,
			 mistakes[at].column, mistakes[at].says);
		assert_string_equal(got, wanted);
	}
}

static void refuses_a_nul(void **state)
{
	struct toml_error error;
	struct toml_doc *doc;

	assert_int_equal(toml_parse(SLICE("a = \"x\0y\""), &doc, &error), -EINVAL);
	assert_int_equal(error.column, 7);
	assert_int_equal(toml_parse(SLICE("a\0 = 1"), &doc, &error), -EINVAL);
	assert_int_equal(error.column, 2);
}

static void refuses_deep_nesting_and_large_texts(void **state)
{
	AUTO(buf_fini) struct buf text = {0};
	struct toml_error error;
	struct toml_doc *doc;

	buf_append_text(&text, "a = ");
	for (unsigned at = 0; at < 100000; at++)
		buf_append_char(&text, '[');
	assert_int_equal(toml_parse(buf_slice(&text), &doc, &error), -EINVAL);
	assert_string_equal(error.text, "nested too deeply");
	assert_int_equal(error.column, 37);
	buf_clear(&text);
	buf_append_text(&text, "a");
	for (unsigned at = 0; at < 40; at++)
		buf_append_text(&text, ".a");
	assert_int_equal(toml_parse(buf_slice(&text), &doc, &error), -EINVAL);
	assert_string_equal(error.text, "nested too deeply");
	buf_clear(&text);
	while (buf_used(&text) <= 1 << 20)
		buf_append_text(&text, "# all of this is a comment\n");
	assert_int_equal(toml_parse(buf_slice(&text), &doc, &error), -EINVAL);
	assert_string_equal(error.text, "larger than 1 MB");
}

static void reads_a_long_list_in_a_moment(void **state)
{
	AUTO(buf_fini) struct buf text = {0};
	AUTO(toml_free) struct toml_doc *doc = NULL;

	buf_append_text(&text, "a = [");
	for (unsigned at = 0; at < 100000; at++)
		buf_append_text(&text, "1,");
	buf_append_text(&text, "]");
	doc = read(buf_text(&text));
	assert_count(doc, "a", 100000);
}

static void frees_all_memory(void **state)
{
	struct heap *heap = heap_new("test"), *before = heap_enter(heap);
	struct heap_usage usage;

	for (size_t at = 0; at < countof(mistakes); at++) {
		struct toml_error error;
		struct toml_doc *doc;

		toml_parse(slice_of(mistakes[at].text), &doc, &error);
	}
	heap_usage(heap, &usage);
	for (unsigned kind = 0; kind < MEM_KINDS; kind++)
		assert_int_equal(usage.blocks[kind], 0);
	heap_enter(before);
	heap_drop(&heap);
}

int main(void)
{
	const struct CMUnitTest toml[] = {
		cmocka_unit_test(reads_an_empty_document),
		cmocka_unit_test(reads_integers),
		cmocka_unit_test(reads_floats),
		cmocka_unit_test(reads_booleans),
		cmocka_unit_test(reads_strings_of_one_line),
		cmocka_unit_test(reads_strings_of_many_lines),
		cmocka_unit_test(reads_keys),
		cmocka_unit_test(reads_arrays),
		cmocka_unit_test(reads_tables),
		cmocka_unit_test(reads_inline_tables),
		cmocka_unit_test(reads_arrays_of_tables),
		cmocka_unit_test(keeps_the_order_and_the_places),
		cmocka_unit_test(says_where_a_mistake_is),
		cmocka_unit_test(refuses_a_nul),
		cmocka_unit_test(refuses_deep_nesting_and_large_texts),
		cmocka_unit_test(reads_a_long_list_in_a_moment),
		cmocka_unit_test(frees_all_memory),
	};

	return RUN(toml);
}
