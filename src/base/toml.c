/* SPDX-License-Identifier: MIT */
/* TOML documents: tables, keys and arrays; single values are in toml_value.c. */
#include "base/toml.h"

#include <errno.h>
#include <stdio.h>
#include "base/mem.h"
#include "base/toml_reader.h"
#include "base/utf8.h"

enum { TEXT_MAX = 1 << 20, DEPTH_MAX = 32 };

/* How a table came about decides whether it may be opened or extended again (TOML 1.0, Table). */
enum { BY_HEADER = 1, BY_DOTS = 2, INLINE = 4, BY_ARRAY = 8 };

struct toml_doc {
	struct toml root;
};

static void free_children(struct toml *value)
{
	for (struct toml *child = value->child; child;) {
		struct toml *next = child->next;

		free_children(child);
		mem_wipe((char *)child->string.data, child->string.len); /* it may be a secret */
		mem_free((char *)child->string.data);
		mem_free((char *)child->key.data);
		mem_free(child);
		child = next;
	}
}

void toml_free(struct toml_doc **doc)
{
	if (!*doc)
		return;
	free_children(&(*doc)->root);
	mem_free(*doc);
	*doc = NULL;
}

const struct toml *toml_root(const struct toml_doc *doc)
{
	return &doc->root;
}

static struct toml *member(struct toml *table, struct slice key)
{
	for (struct toml *child = table->child; child; child = child->next) {
		if (slice_equal(child->key, key))
			return child;
	}
	return NULL;
}

const struct toml *toml_get(const struct toml *table, const char *key)
{
	return member((struct toml *)table, slice_of(key));
}

static struct toml *append(struct toml *parent)
{
	struct toml *value = mem_zalloc(MEM_CONF, sizeof(*value));

	if (parent->last)
		parent->last->next = value;
	else
		parent->child = value;
	parent->last = value;
	return value;
}

static struct toml *add_member(struct toml *table, const struct toml_key *key)
{
	struct toml *value = append(table);

	value->key =
		(struct slice){mem_strndup(MEM_CONF, key->text.data, key->text.len), key->text.len};
	value->line = value->key_line = key->line;
	value->column = value->key_column = key->column;
	return value;
}

/* -- dotted keys
 * ------------------------------------------------------------------------------------ */

/* The table that holds the last part of a dotted key, made on the way; NULL after an error. */
static struct toml *descend(struct toml_reader *reader, struct toml *table, struct toml_key *key,
			    unsigned made_by)
{
	for (unsigned depth = 0;; depth++) {
		struct toml *next;

		if (!toml_read_key(reader, key))
			return NULL;
		toml_skip_blanks(reader);
		if (!toml_take(reader, '.'))
			return table;
		toml_skip_blanks(reader);
		if (depth >= DEPTH_MAX)
			return toml_fail(reader, key->line, key->column, "nested too deeply"), NULL;
		next = member(table, key->text);
		if (!next) {
			next = add_member(table, key);
			next->type = TOML_TABLE;
			next->flags = (uint8_t)made_by;
		} else if (next->type == TOML_ARRAY && next->flags & BY_ARRAY && made_by == 0) {
			next = next->last;
		} else if (next->type != TOML_TABLE || next->flags & INLINE ||
			   (made_by == BY_DOTS && next->flags & BY_HEADER)) {
			return toml_fail(reader, key->line, key->column,
					 "\"%.*s\" has a value already", (int)key->text.len,
					 key->text.data),
			       NULL;
		}
		table = next;
	}
}

static bool read_value(struct toml_reader *reader, struct toml *value, unsigned depth);

static bool read_pair(struct toml_reader *reader, struct toml *table, unsigned depth)
{
	struct toml_key key = {0};
	struct toml *holder = descend(reader, table, &key, BY_DOTS), *value;

	if (!holder)
		return false;
	if (member(holder, key.text))
		return toml_fail(reader, key.line, key.column, "\"%.*s\" is given twice",
				 (int)key.text.len, key.text.data);
	if (!toml_take(reader, '='))
		return toml_fail_here(reader, "expected \"=\" after the key");
	toml_skip_blanks(reader);
	value = add_member(holder, &key);
	return read_value(reader, value, depth);
}

/* -- arrays and inline tables
 * ------------------------------------------------------------------------ */

static bool read_array(struct toml_reader *reader, struct toml *array, unsigned depth)
{
	array->type = TOML_ARRAY;
	for (;;) {
		toml_skip_space(reader);
		if (toml_take(reader, ']'))
			return true;
		if (!read_value(reader, append(array), depth + 1))
			return false;
		toml_skip_space(reader);
		if (toml_take(reader, ','))
			continue;
		if (toml_take(reader, ']'))
			return true;
		return toml_fail_here(reader, "expected \",\" or \"]\" in the list");
	}
}

static bool read_inline(struct toml_reader *reader, struct toml *table, unsigned depth)
{
	table->type = TOML_TABLE;
	toml_skip_blanks(reader);
	if (!toml_take(reader, '}')) {
		do {
			toml_skip_blanks(reader);
			if (!read_pair(reader, table, depth + 1))
				return false;
			toml_skip_blanks(reader);
		} while (toml_take(reader, ','));
		if (!toml_take(reader, '}'))
			return toml_fail_here(reader, "expected \",\" or \"}\" in the table");
	}
	table->flags = INLINE;
	return true;
}

static bool read_value(struct toml_reader *reader, struct toml *value, unsigned depth)
{
	value->line = reader->line;
	value->column = toml_column(reader);
	if (depth >= DEPTH_MAX)
		return toml_fail_here(reader, "nested too deeply");
	if (toml_take(reader, '['))
		return read_array(reader, value, depth);
	if (toml_take(reader, '{'))
		return read_inline(reader, value, depth);
	return toml_read_scalar(reader, value);
}

/* -- headers
 * ------------------------------------------------------------------------------------------ */

static struct toml *open_array(struct toml_reader *reader, struct toml *holder,
			       const struct toml_key *key)
{
	struct toml *array = member(holder, key->text), *element;

	if (array && !(array->flags & BY_ARRAY))
		return toml_fail(reader, key->line, key->column, "\"%.*s\" has a value already",
				 (int)key->text.len, key->text.data),
		       NULL;
	if (!array) {
		array = add_member(holder, key);
		array->type = TOML_ARRAY;
		array->flags = BY_ARRAY;
	}
	element = append(array);
	element->type = TOML_TABLE;
	element->flags = BY_HEADER;
	element->line = key->line;
	element->column = key->column;
	return element;
}

static struct toml *open_table(struct toml_reader *reader, struct toml *holder,
			       const struct toml_key *key)
{
	struct toml *table = member(holder, key->text);

	if (table && (table->type != TOML_TABLE || table->flags))
		return toml_fail(reader, key->line, key->column, "[%.*s] is given twice",
				 (int)key->text.len, key->text.data),
		       NULL;
	if (!table)
		table = add_member(holder, key);
	table->type = TOML_TABLE;
	table->flags = BY_HEADER;
	return table;
}

/* Behind the first "[": the table that the following pairs belong to, NULL after an error. */
static struct toml *read_header(struct toml_reader *reader, struct toml *root)
{
	bool is_array = toml_take(reader, '[');
	struct toml_key key = {0};
	struct toml *holder, *table;

	toml_skip_blanks(reader);
	holder = descend(reader, root, &key, 0);
	if (!holder)
		return NULL;
	table = is_array ? open_array(reader, holder, &key) : open_table(reader, holder, &key);
	if (table && (!toml_take(reader, ']') || (is_array && !toml_take(reader, ']'))))
		return toml_fail_here(reader, "expected \"]\""), NULL;
	return table;
}

static bool read_document(struct toml_reader *reader, struct toml *root)
{
	struct toml *table = root;

	for (;;) {
		toml_skip_space(reader);
		if (toml_at_end(reader))
			return !reader->failed;
		if (toml_take(reader, '[')) {
			table = read_header(reader, root);
			if (!table)
				return false;
		} else if (!read_pair(reader, table, 0)) {
			return false;
		}
		if (!toml_end_line(reader))
			return false;
	}
}

/* Looks at all of the text before it is read. */
static bool check_text(struct toml_reader reader, struct slice text)
{
	if (text.len > TEXT_MAX)
		return toml_fail_here(&reader, "larger than 1 MB");
	while (text.len) {
		size_t len = utf8_first(text);

		if (!len)
			return toml_fail_here(&reader, "not UTF-8");
		reader.at += len;
		if (*text.data == '\n') {
			reader.line++;
			reader.line_start = reader.at;
		}
		text = (struct slice){text.data + len, text.len - len};
	}
	return true;
}

int toml_parse(struct slice text, struct toml_doc **doc, struct toml_error *error)
{
	const char *start = text.len ? text.data : "";
	struct toml_reader reader = {.at = start,
				     .end = start + text.len,
				     .line_start = start,
				     .line = 1,
				     .error = error};
	struct toml_doc *made = mem_zalloc(MEM_CONF, sizeof(*made));
	bool ok;

	made->root.type = TOML_TABLE;
	ok = check_text(reader, text) && read_document(&reader, &made->root);
	buf_fini(&reader.scratch);
	if (!ok) {
		toml_free(&made);
		return -EINVAL;
	}
	*doc = made;
	return 0;
}
