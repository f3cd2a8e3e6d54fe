/* SPDX-License-Identifier: MIT */
/* TOML below the line: white space, keys, strings, numbers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/toml_reader.h"

bool toml_fail(struct toml_reader *reader, unsigned line, unsigned column, const char *format, ...)
{
	va_list args;

	if (reader->failed)
		return false;
	reader->failed = true;
	reader->error->line = line;
	reader->error->column = column;
	va_start(args, format);
	vsnprintf(reader->error->text, sizeof(reader->error->text), format, args);
	va_end(args);
	return false;
}

bool toml_fail_here(struct toml_reader *reader, const char *text)
{
	return toml_fail(reader, reader->line, toml_column(reader), "%s", text);
}

unsigned toml_column(const struct toml_reader *reader)
{
	return (unsigned)(reader->at - reader->line_start) + 1;
}

bool toml_at_end(const struct toml_reader *reader)
{
	return reader->failed || reader->at == reader->end;
}

static void new_line(struct toml_reader *reader)
{
	reader->at++;
	reader->line++;
	reader->line_start = reader->at;
}

bool toml_take(struct toml_reader *reader, char c)
{
	if (toml_at_end(reader) || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

void toml_skip_blanks(struct toml_reader *reader)
{
	while (!toml_at_end(reader) && (*reader->at == ' ' || *reader->at == '\t'))
		reader->at++;
}

/* A carriage return counts as part of a line feed only. */
static bool at_line_end(const struct toml_reader *reader)
{
	return *reader->at == '\n' ||
	       (reader->end - reader->at > 1 && memcmp(reader->at, "\r\n", 2) == 0);
}

static void take_line_end(struct toml_reader *reader)
{
	reader->at += *reader->at == '\r';
	new_line(reader);
}

static void skip_comment(struct toml_reader *reader)
{
	for (; !toml_at_end(reader) && !at_line_end(reader); reader->at++) {
		unsigned char c = (unsigned char)*reader->at;

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			toml_fail_here(reader, "a control character in a comment");
	}
}

void toml_skip_space(struct toml_reader *reader)
{
	while (!toml_at_end(reader)) {
		if (at_line_end(reader))
			take_line_end(reader);
		else if (*reader->at == '#')
			skip_comment(reader);
		else if (*reader->at == ' ' || *reader->at == '\t')
			reader->at++;
		else
			return;
	}
}

bool toml_end_line(struct toml_reader *reader)
{
	toml_skip_blanks(reader);
	if (reader->failed)
		return false;
	if (!toml_at_end(reader) && !at_line_end(reader) && *reader->at != '#')
		return toml_fail_here(reader, "something follows the value; one to a line");
	return true;
}

/* -- strings
 * ---------------------------------------------------------------------------------------- */

static bool append_utf8(struct buf *out, uint32_t c)
{
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || !c)
		return false;
	if (c < 0x80) {
		buf_append_char(out, (char)c);
	} else if (c < 0x800) {
		buf_append_char(out, (char)(0xc0 | c >> 6));
		buf_append_char(out, (char)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		buf_append_char(out, (char)(0xe0 | c >> 12));
		buf_append_char(out, (char)(0x80 | (c >> 6 & 63)));
		buf_append_char(out, (char)(0x80 | (c & 63)));
	} else {
		buf_append_char(out, (char)(0xf0 | c >> 18));
		buf_append_char(out, (char)(0x80 | (c >> 12 & 63)));
		buf_append_char(out, (char)(0x80 | (c >> 6 & 63)));
		buf_append_char(out, (char)(0x80 | (c & 63)));
	}
	return true;
}

static bool read_code_point(struct toml_reader *reader, unsigned digits, struct buf *out)
{
	uint32_t value = 0;

	for (; digits; digits--, reader->at++) {
		char c = toml_at_end(reader) ? 0 : *reader->at;
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (digit < 0)
			return toml_fail_here(reader, "expected hexadecimal digits");
		value = value << 4 | (unsigned)digit;
	}
	return append_utf8(out, value) || toml_fail_here(reader, "no such character");
}

static bool read_escape(struct toml_reader *reader, bool multi, struct buf *out)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	const char *found;
	char c;

	if (toml_at_end(reader))
		return toml_fail_here(reader, "a string without an end");
	c = *reader->at;
	if (multi && (c == '\n' || c == ' ' || c == '\t' || c == '\r')) {
		toml_skip_blanks(reader);
		if (toml_at_end(reader) || !at_line_end(reader))
			return toml_fail_here(reader, "unknown escape");
		while (!toml_at_end(reader) && at_line_end(reader)) {
			take_line_end(reader);
			toml_skip_blanks(reader);
		}
		return true;
	}
	if (c == 'u' || c == 'U') {
		reader->at++;
		return read_code_point(reader, c == 'u' ? 4 : 8, out);
	}
	found = c ? strchr(from, c) : NULL;
	if (!found)
		return toml_fail_here(reader, "unknown escape");
	reader->at++;
	buf_append_char(out, to[found - from]);
	return true;
}

static bool stands(const struct toml_reader *reader, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(reader->end - reader->at) >= len && memcmp(reader->at, text, len) == 0;
}

/* One character of a string, or an escape or line end that stands for one. */
static bool read_char(struct toml_reader *reader, char quote, bool multi, struct buf *out)
{
	unsigned char c;

	if (toml_at_end(reader) || (!multi && at_line_end(reader)))
		return toml_fail_here(reader, "a string without an end");
	c = (unsigned char)*reader->at;
	if (at_line_end(reader)) {
		buf_append_char(out, '\n');
		take_line_end(reader);
		return true;
	}
	if (c == '\\' && quote == '"') {
		reader->at++;
		return read_escape(reader, multi, out);
	}
	if ((c < 0x20 && c != '\t') || c == 0x7f)
		return toml_fail_here(reader, "a control character in a string");
	buf_append_char(out, (char)c);
	reader->at++;
	return true;
}

/* From behind the opening quotes to behind the closing ones. */
static bool read_string(struct toml_reader *reader, char quote, bool multi, struct buf *out)
{
	const char close[] = {quote, multi ? quote : 0, quote, 0};

	if (multi && !toml_at_end(reader) && at_line_end(reader))
		take_line_end(reader);
	while (!stands(reader, close)) {
		if (!read_char(reader, quote, multi, out))
			return false;
	}
	reader->at += strlen(close);
	/* Up to two quotes may stand right before the end of a long string. */
	for (unsigned more = 0; multi && more < 2 && toml_take(reader, quote); more++)
		buf_append_char(out, quote);
	return true;
}

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

bool toml_read_key(struct toml_reader *reader, struct toml_key *key)
{
	char quote = toml_at_end(reader) ? 0 : *reader->at;

	key->line = reader->line;
	key->column = toml_column(reader);
	buf_clear(&reader->scratch);
	if (quote == '"' || quote == '\'') {
		reader->at++;
		if (!read_string(reader, quote, false, &reader->scratch))
			return false;
	} else {
		while (!toml_at_end(reader) && is_bare(*reader->at))
			buf_append_char(&reader->scratch, *reader->at++);
		if (!buf_used(&reader->scratch))
			return toml_fail_here(reader, "expected a key");
	}
	key->text = buf_slice(&reader->scratch);
	return true;
}

/* -- values
 * ----------------------------------------------------------------------------------------- */

static bool take_string(struct toml_reader *reader, struct toml *value)
{
	char quote = *reader->at, three[] = {quote, quote, quote, 0};
	bool multi = stands(reader, three);
	AUTO(buf_fini) struct buf text = {0};

	reader->at += multi ? 3 : 1;
	if (!read_string(reader, quote, multi, &text))
		return false;
	value->type = TOML_STRING;
	value->string =
		(struct slice){mem_strndup(MEM_CONF, text.data, buf_used(&text)), buf_used(&text)};
	return true;
}

/* A number as strtoll and strtod read it. */
struct number {
	char text[80];
	size_t len;
	bool is_float;
};

static bool put_char(struct number *number, struct slice *word)
{
	if (number->len + 1 >= sizeof(number->text))
		return false;
	number->text[number->len++] = *word->data++;
	word->len--;
	return true;
}

static bool stands_at(struct slice word, const char *chars)
{
	return word.len && *word.data && strchr(chars, *word.data);
}

/* Digits with single underscores between them. */
static bool put_digits(struct number *number, struct slice *word, const char *digits)
{
	bool after_digit = false;

	for (; word->len; after_digit = true) {
		if (after_digit && *word->data == '_')
			*word = (struct slice){word->data + 1, word->len - 1};
		else if (after_digit && !stands_at(*word, digits))
			return true;
		if (!stands_at(*word, digits) || !put_char(number, word))
			return false;
	}
	return after_digit;
}

static bool put_sign(struct number *number, struct slice *word)
{
	return !stands_at(*word, "+-") || put_char(number, word);
}

/* TOML 1.0, Integer and Float, without other bases, inf and nan: all of the word. */
static bool put_decimal(struct number *number, struct slice word)
{
	static const char digits[] = "0123456789";

	if (!put_sign(number, &word))
		return false;
	if (word.len > 1 && *word.data == '0' &&
	    !stands_at((struct slice){word.data + 1, 1}, ".eE"))
		return false;
	if (!put_digits(number, &word, digits))
		return false;
	if (stands_at(word, ".")) {
		number->is_float = true;
		if (!put_char(number, &word) || !put_digits(number, &word, digits))
			return false;
	}
	if (stands_at(word, "eE")) {
		number->is_float = true;
		if (!put_char(number, &word) || !put_sign(number, &word) ||
		    !put_digits(number, &word, digits))
			return false;
	}
	return !word.len;
}

/* 10, 16, 8 or 2, by the prefix. */
static int base_of(struct slice word)
{
	if (word.len < 2 || *word.data != '0')
		return 10;
	return word.data[1] == 'x' ? 16 : word.data[1] == 'o' ? 8 : word.data[1] == 'b' ? 2 : 10;
}

static bool put_based(struct number *number, struct slice word, int base)
{
	word = (struct slice){word.data + 2, word.len - 2};
	return put_digits(number, &word,
			  base == 16  ? "0123456789abcdefABCDEF"
			  : base == 8 ? "01234567"
				      : "01") &&
	       !word.len;
}

/* Returns 0, -EINVAL or -ERANGE. */
static int take_number(struct slice word, struct toml *value)
{
	bool sign = stands_at(word, "+-");
	struct slice name = {word.data + sign, word.len - sign};
	struct number number = {.len = 0};
	int base = base_of(word);

	if (slice_is(name, "inf") || slice_is(name, "nan")) {
		number.is_float = true;
		memcpy(number.text, word.data, word.len);
	} else if (base == 10 ? !put_decimal(&number, word) : !put_based(&number, word, base)) {
		return -EINVAL;
	}
	errno = 0;
	value->type = number.is_float ? TOML_FLOAT : TOML_INTEGER;
	if (number.is_float)
		value->number = strtod(number.text, NULL);
	else
		value->integer = strtoll(number.text, NULL, base);
	/* A float too small to be told from zero is one: only overflow counts. */
	return errno == ERANGE && (!number.is_float || value->number > 1 || value->number < -1)
		       ? -ERANGE
		       : 0;
}

static bool is_value_char(char c)
{
	return is_bare(c) || c == '+' || c == '.' || c == ':';
}

bool toml_read_scalar(struct toml_reader *reader, struct toml *value)
{
	const char *from = reader->at;
	struct slice word;
	int rc;

	if (!toml_at_end(reader) && (*from == '"' || *from == '\''))
		return take_string(reader, value);
	while (!toml_at_end(reader) && is_value_char(*reader->at))
		reader->at++;
	word = (struct slice){from, (size_t)(reader->at - from)};
	if (slice_is(word, "true") || slice_is(word, "false")) {
		value->type = TOML_BOOL;
		value->integer = slice_is(word, "true");
		return true;
	}
	if (!word.len)
		return toml_fail_here(reader, "expected a value");
	rc = take_number(word, value);
	if (!rc)
		return true;
	return toml_fail(reader, value->line, value->column, "\"%.*s\" is %s",
			 word.len > 60 ? 60 : (int)word.len, word.data,
			 rc == -ERANGE ? "too large a number" : "no value; text stands in quotes");
}
