/* SPDX-License-Identifier: MIT */
/* A file of accounts in the order of their addresses. */
#include "run/import/lines.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/mem.h"

struct line {
	const char *at;
	uint32_t len, number; /* from 1 */
};

struct lines {
	struct input *input;
	char *map;
	size_t size;
	struct line *lines;
	size_t count, cap, next;
	struct buf out;
};

static struct slice text_of(const struct line *line)
{
	return (struct slice){line->at, line->len};
}

static int compare(const void *a, const void *b)
{
	const struct line *one = a, *other = b;
	int order = slice_compare(text_of(one), text_of(other));

	return order ? order : (one->number > other->number) - (one->number < other->number);
}

static void add_line(struct lines *lines, struct slice text)
{
	if (lines->count == lines->cap) {
		lines->cap = lines->cap ? lines->cap * 2 : 1024;
		lines->lines =
			mem_realloc(MEM_OTHER, lines->lines, lines->cap * sizeof(*lines->lines));
	}
	lines->lines[lines->count] =
		(struct line){text.data, (uint32_t)text.len, (uint32_t)lines->count + 1};
	lines->count++;
}

static void find_lines(struct lines *lines)
{
	struct slice rest = {lines->map, lines->size};
	bool sorted = true;

	while (rest.len) {
		const char *end = memchr(rest.data, '\n', rest.len);
		size_t len = end ? (size_t)(end - rest.data) : rest.len;
		size_t used = len + (end ? 1 : 0);

		add_line(lines, (struct slice){rest.data, len});
		if (lines->count > 1)
			sorted = sorted && compare(&lines->lines[lines->count - 2],
						   &lines->lines[lines->count - 1]) < 0;
		rest.data += used;
		rest.len -= used;
	}
	if (!sorted)
		qsort(lines->lines, lines->count, sizeof(*lines->lines), compare);
}

static ssize_t read_lines(void *arg, char *room, size_t len)
{
	struct lines *lines = arg;
	struct slice ready;

	while (buf_used(&lines->out) < len && lines->next < lines->count) {
		const struct line *line = &lines->lines[lines->next++];

		buf_printf(&lines->out, "%u\t", line->number);
		buf_append_slice(&lines->out, text_of(line));
		buf_append_char(&lines->out, '\n');
		lines->input->at += line->len + 1;
	}
	ready = buf_slice(&lines->out);
	if (len > ready.len)
		len = ready.len;
	if (len)
		memcpy(room, ready.data, len);
	buf_skip(&lines->out, len);
	return (ssize_t)len;
}

bool lines_new(struct input *input, struct lines **out)
{
	struct lines *lines;
	size_t size = (size_t)input->total;
	void *map = size && size < UINT32_MAX * (size_t)16
			    ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, input->fd, 0)
			    : MAP_FAILED;

	if (map == MAP_FAILED)
		return false;
	lines = mem_zalloc(MEM_OTHER, sizeof(*lines));
	lines->input = input;
	lines->map = map;
	lines->size = size;
	find_lines(lines);
	input->source = (struct ctl_source){read_lines, lines};
	*out = lines;
	return true;
}

void lines_free(struct lines **taken)
{
	struct lines *lines = *taken;

	*taken = NULL;
	if (!lines)
		return;
	munmap(lines->map, lines->size);
	mem_free(lines->lines);
	buf_wipe(&lines->out);
	mem_free(lines);
}
