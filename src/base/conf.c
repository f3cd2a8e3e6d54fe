/* SPDX-License-Identifier: MIT */
/* Option tables over a TOML document. */
#include "base/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "base/conf_private.h"
#include "base/mem.h"

enum { KEY_MAX = 128, FILE_MAX = 1 << 20 };

struct conf_block {
	struct conf_block *next;
	size_t size;
};

_Static_assert(sizeof(struct conf_block) % 16 == 0, "what stands behind it is aligned");

/* One reading of a file. */
struct reading {
	const char *name;
	struct conf *conf;
	struct conf_error *error;
};

void *conf_block(struct conf *conf, size_t size)
{
	struct conf_block *block = mem_zalloc(MEM_CONF, sizeof(*block) + size);

	block->next = conf->blocks;
	block->size = size;
	conf->blocks = block;
	return block + 1;
}

const char *conf_keep(struct conf *conf, struct slice text)
{
	char *kept = conf_block(conf, text.len + 1);

	if (text.len)
		memcpy(kept, text.data, text.len);
	return kept;
}

void conf_free(struct conf **taken)
{
	struct conf *conf = *taken;

	*taken = NULL;
	if (!conf)
		return;
	while (conf->blocks) {
		struct conf_block *next = conf->blocks->next;

		mem_wipe(conf->blocks + 1, conf->blocks->size);
		mem_free(conf->blocks);
		conf->blocks = next;
	}
	mem_free(conf);
}

static int fail(const struct reading *reading, unsigned line, unsigned column, const char *format,
		...)
{
	va_list args;

	snprintf(reading->error->file, sizeof(reading->error->file), "%s", reading->name);
	reading->error->line = line;
	reading->error->column = column;
	va_start(args, format);
	vsnprintf(reading->error->text, sizeof(reading->error->text), format, args);
	va_end(args);
	return -EINVAL;
}

static const struct conf_option *find(const struct conf_option *options, const char *key)
{
	for (; options->key; options++) {
		if (strcmp(options->key, key) == 0)
			return options;
	}
	return NULL;
}

/* True when some option's key begins with the section's name. */
static bool is_section(const struct conf_option *options, const char *key)
{
	size_t len = strlen(key);

	for (; options->key; options++) {
		if (strncmp(options->key, key, len) == 0 && options->key[len] == '.')
			return true;
	}
	return false;
}

static int unknown(const struct reading *reading, const struct conf_option *options,
		   const char *key, const struct toml *value)
{
	struct slice nearest = {NULL, 0};

	if (value->type == TOML_TABLE)
		nearest = conf_nearest_section(options, key);
	else if (is_section(options, key))
		return fail(reading, value->key_line, value->key_column,
			    "\"%s\" is a section; write [%s]", key, key);
	if (!nearest.len)
		nearest = slice_of(conf_nearest(options, key));
	if (!nearest.len)
		return fail(reading, value->key_line, value->key_column, "unknown key \"%s\"", key);
	return fail(reading, value->key_line, value->key_column,
		    "unknown key \"%s\"; did you mean \"%.*s\"?", key, (int)nearest.len,
		    nearest.data);
}

static int read_table(const struct reading *reading, const struct toml *table, const char *prefix,
		      const struct conf_option *options, void *out);

static int fill_presets(const struct reading *reading, const struct conf_option *options, void *out)
{
	AUTO(buf_fini) struct buf why = {0};

	for (; options->key; options++) {
		if (options->type == CONF_TABLES)
			*(struct conf_tables *)((char *)out + options->offset) =
				(struct conf_tables){NULL, 0};
		else if (options->preset && conf_preset(reading->conf, options, out, &why))
			return fail(reading, 0, 0, "%s: the preset is wrong: %s", options->key,
				    buf_text(&why));
	}
	return 0;
}

/* The value of a dotted key, or NULL. */
static const struct toml *look_up(const struct toml *table, const char *key)
{
	const char *dot = strchr(key, '.');
	char section[KEY_MAX];

	if (!dot)
		return toml_get(table, key);
	snprintf(section, sizeof(section), "%.*s", (int)(dot - key), key);
	table = toml_get(table, section);
	return table && table->type == TOML_TABLE ? look_up(table, dot + 1) : NULL;
}

static int check_required(const struct reading *reading, const struct toml *table,
			  const struct conf_option *options)
{
	for (; options->key; options++) {
		if (!options->preset && options->type != CONF_TABLES &&
		    !look_up(table, options->key))
			return fail(reading, table->line, table->column, "\"%s\" is missing: %s",
				    options->key, options->text);
	}
	return 0;
}

static int read_tables(const struct reading *reading, const struct toml *array,
		       const struct conf_option *option, void *out)
{
	struct conf_tables *tables = (struct conf_tables *)((char *)out + option->offset);
	size_t count = 0;

	if (array->type != TOML_ARRAY)
		return fail(reading, array->key_line, array->key_column, "%s: write it as [[%s]]",
			    option->key, option->key);
	for (const struct toml *element = array->child; element; element = element->next)
		count++;
	tables->items = conf_block(reading->conf, (count + 1) * sizeof(void *));
	tables->count = 0;
	for (const struct toml *element = array->child; element; element = element->next) {
		void *item = conf_block(reading->conf, option->sub_size);
		int rc;

		if (element->type != TOML_TABLE)
			return fail(reading, element->line, element->column,
				    "%s: write it as [[%s]]", option->key, option->key);
		rc = fill_presets(reading, option->sub, item);
		rc = rc ? rc : read_table(reading, element, "", option->sub, item);
		rc = rc ? rc : check_required(reading, element, option->sub);
		if (rc)
			return rc;
		tables->items[tables->count++] = item;
	}
	return 0;
}

static int read_option(const struct reading *reading, const struct toml *value,
		       const struct conf_option *option, void *out)
{
	AUTO(buf_fini) struct buf why = {0};
	int rc;

	if (option->type == CONF_TABLES && option->off && value->child)
		return fail(reading, value->key_line, value->key_column, "%s: not in this version",
			    option->key);
	if (option->type == CONF_TABLES)
		return read_tables(reading, value, option, out);
	rc = conf_value(reading->conf, option, value, out, &why);
	if (rc)
		fail(reading, value->line, value->column, "%s: %s", option->key, buf_text(&why));
	return rc;
}

static int read_table(const struct reading *reading, const struct toml *table, const char *prefix,
		      const struct conf_option *options, void *out)
{
	for (const struct toml *value = table->child; value; value = value->next) {
		const struct conf_option *option;
		char key[KEY_MAX];
		int rc;

		if (snprintf(key, sizeof(key), "%s%.*s", prefix, (int)value->key.len,
			     value->key.data) >= KEY_MAX - 1)
			return fail(reading, value->key_line, value->key_column,
				    "the key is too long");
		/* A dot inside quotes is part of a name, and no name of ours has one. */
		option = strchr(key + strlen(prefix), '.') ? NULL : find(options, key);
		if (option) {
			rc = read_option(reading, value, option, out);
		} else if (value->type == TOML_TABLE && is_section(options, key)) {
			strcat(key, ".");
			rc = read_table(reading, value, key, options, out);
		} else {
			rc = unknown(reading, options, key, value);
		}
		if (rc)
			return rc;
	}
	return 0;
}

static void note_given(struct conf *conf, const struct toml *root,
		       const struct conf_option *options)
{
	size_t count = 0;

	while (options[count].key)
		count++;
	conf->options = options;
	conf->given = conf_block(conf, count * sizeof(bool));
	for (size_t at = 0; at < count; at++)
		conf->given[at] = look_up(root, options[at].key) != NULL;
}

bool conf_is_given(const struct conf *conf, const struct conf_option *option)
{
	return conf->given[option - conf->options];
}

int conf_parse(const char *name, struct slice text, const struct conf_option *options, void *out,
	       struct conf **conf, struct conf_error *error)
{
	struct reading reading = {name, mem_zalloc(MEM_CONF, sizeof(struct conf)), error};
	struct toml_error toml_error;
	struct toml_doc *doc = NULL;
	int rc = toml_parse(text, &doc, &toml_error);

	if (rc)
		rc = fail(&reading, toml_error.line, toml_error.column, "%s", toml_error.text);
	rc = rc ? rc : fill_presets(&reading, options, out);
	rc = rc ? rc : read_table(&reading, toml_root(doc), "", options, out);
	rc = rc ? rc : check_required(&reading, toml_root(doc), options);
	if (!rc)
		note_given(reading.conf, toml_root(doc), options);
	toml_free(&doc);
	if (rc)
		conf_free(&reading.conf);
	else
		*conf = reading.conf;
	return rc;
}

static int read_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -errno : 1;

	while (fd >= 0 && len > 0 && buf_used(out) <= FILE_MAX) {
		len = read(fd, buf_reserve(out, 4096), 4096);
		if (len > 0)
			buf_added(out, (size_t)len);
		else if (len < 0)
			len = -errno;
	}
	if (fd >= 0)
		close(fd);
	return len < 0 ? (int)len : 0;
}

int conf_load(const char *path, const struct conf_option *options, void *out, struct conf **conf,
	      struct conf_error *error)
{
	struct reading reading = {path, NULL, error};
	AUTO(buf_wipe) struct buf text = {0};
	int rc = read_file(path, &text);

	if (rc) {
		fail(&reading, 0, 0, "cannot read the file: %s", strerror(-rc));
		return rc;
	}
	return conf_parse(path, buf_slice(&text), options, out, conf, error);
}
