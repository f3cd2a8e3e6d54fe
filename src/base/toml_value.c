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

static void skip_comment(struct toml_reader *reader)
{
	for (; !toml_at_end(reader) && *reader->at != '\n'; reader->at++) {
		unsigned char c = (unsigned char)*reader->at;

		if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f)
			toml_fail_here(reader, "a control character in a comment");
	}
}

void toml_skip_space(struct toml_reader *reader)
{
	while (!toml_at_end(reader)) {
		if (*reader->at == '\n')
			new_line(reader);
		else if (*reader->at == '#')
			skip_comment(reader);
		else if (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\r')
			reader->at++;
		else
			return;
	}
}

bool toml_end_line(struct toml_reader *reader)
{
	toml_skip_blanks(reader);
	toml_take(reader, '\r');
	if (reader->failed)
		return false;
	if (!toml_at_end(reader) && *reader->at != '\n' && *reader->at != '#')
		return toml_fail_here(reader, "something follows the value; one to a line");
	return true;
}

/* -- strings ---------------------------------------------------------------------------------------- */

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
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
			  : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;

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
		toml_take(reader, '\r');
		if (toml_at_end(reader) || *reader->at != '\n')
			return toml_fail_here(reader, "unknown escape");
		while (!toml_at_end(reader) && strchr(" \t\r\n", *reader->at)) {
			if (*reader->at == '\n')
				new_line(reader);
			else
				reader->at++;
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

/* From behind the opening quotes to behind the closing ones. */
static bool read_string(struct toml_reader *reader, char quote, bool multi, struct buf *out)
{
	const char close[] = {quote, quote, quote, 0};

	if (multi && stands(reader, "\r\n"))
		reader->at++;
	if (multi && !toml_at_end(reader) && *reader->at == '\n')
		new_line(reader);
	for (;;) {
		unsigned char c;

		if (toml_at_end(reader))
			return toml_fail_here(reader, "a string without an end");
		c = (unsigned char)*reader->at;
		if (multi ? stands(reader, close) : c == (unsigned char)quote) {
			reader->at += multi ? 3 : 1;
			/* Up to two quotes may stand right before the end of a long string. */
			while (multi && toml_take(reader, quote))
				buf_append_char(out, quote);
			return true;
		}
		if (c == '\\' && quote == '"') {
			reader->at++;
			if (!read_escape(reader, multi, out))
				return false;
			continue;
		}
		if (c == '\n' && multi) {
			buf_append_char(out, '\n');
			new_line(reader);
			continue;
		}
		if ((c < 0x20 && c != '\t' && !(multi && c == '\r')) || c == 0x7f)
			return toml_fail_here(reader, c == '\n' ? "a string without an end" : "a control character in a string");
		buf_append_char(out, (char)c);
		reader->at++;
	}
}

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
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

/* -- values ----------------------------------------------------------------------------------------- */

static bool take_string(struct toml_reader *reader, struct toml *value)
{
	char quote = *reader->at, three[] = {quote, quote, quote, 0};
	bool multi = stands(reader, three);
	AUTO(buf_fini) struct buf text = {0};

	reader->at += multi ? 3 : 1;
	if (!read_string(reader, quote, multi, &text))
		return false;
	value->type = TOML_STRING;
	value->string = (struct slice){mem_strndup(MEM_CONF, text.data, buf_used(&text)), buf_used(&text)};
	return true;
}

/* Copies a number without its underscores, which must stand between digits. */
static bool copy_number(struct slice word, char *out, size_t room)
{
	size_t used = 0;

	for (size_t at = 0; at < word.len; at++) {
		bool between = at > 0 && at + 1 < word.len && word.data[at - 1] != '_' && word.data[at + 1] != '_' &&
			       is_bare(word.data[at - 1]) && is_bare(word.data[at + 1]);

		if (word.data[at] == '_' && !between)
			return false;
		if (word.data[at] == '_')
			continue;
		if (used + 1 >= room)
			return false;
		out[used++] = word.data[at];
	}
	out[used] = 0;
	return used > 0;
}

static bool take_integer(const char *text, struct toml *value)
{
	const char *digits = text + (*text == '+' || *text == '-');
	int base = 10;
	char *end;

	if (digits[0] == '0' && digits[1]) {
		base = digits[1] == 'x' ? 16 : digits[1] == 'o' ? 8 : digits[1] == 'b' ? 2 : 0;
		if (!base || digits != text)
			return false;
		digits = text = digits + 2;
	}
	if (!is_bare(*digits) || *digits == '-')
		return false;
	errno = 0;
	value->integer = strtoll(text, &end, base);
	value->type = TOML_INTEGER;
	return !*end && !errno;
}

static bool take_float(const char *text, struct toml *value)
{
	const char *digits = text + (*text == '+' || *text == '-');
	char *end;

	if (strcmp(digits, "inf") != 0 && strcmp(digits, "nan") != 0 &&
	    (*digits < '0' || *digits > '9' || strpbrk(digits, "xXpP") || digits[strlen(digits) - 1] == '.'))
		return false;
	value->number = strtod(text, &end);
	value->type = TOML_FLOAT;
	return !*end;
}

bool toml_read_scalar(struct toml_reader *reader, struct toml *value)
{
	const char *from = reader->at;
	struct slice word;
	char number[80];

	if (!toml_at_end(reader) && (*from == '"' || *from == '\''))
		return take_string(reader, value);
	while (!toml_at_end(reader) && (is_bare(*reader->at) || *reader->at == '+' || *reader->at == '.' || *reader->at == ':'))
		reader->at++;
	word = (struct slice){from, (size_t)(reader->at - from)};
	if (slice_is(word, "true") || slice_is(word, "false")) {
		value->type = TOML_BOOL;
		value->integer = slice_is(word, "true");
		return true;
	}
	if (!word.len)
		return toml_fail_here(reader, "expected a value");
	if (copy_number(word, number, sizeof(number)) && (take_integer(number, value) || take_float(number, value)))
		return true;
	reader->at = from;
	return toml_fail(reader, value->line, value->column, "\"%.*s\" is no value; text stands in quotes",
			 word.len > 60 ? 60 : (int)word.len, word.data);
}
