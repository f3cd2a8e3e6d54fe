/* SPDX-License-Identifier: MIT */
/*
 * Bytes on their way through the plugins. A stage stands before each plugin: what comes from the
 * wire waits in its read buffer, what goes there in its write buffer, until the plugin takes it.
 * Written bytes are filtered only when the owner asks for output, so that what one turn sends
 * becomes few TLS records.
 */
#include "base/mem.h"
#include "sx/stream.h"

void sx_use_filters(struct sx *sx)
{
	if (!sx->stages)
		sx->stages = mem_zalloc(MEM_STREAM, sizeof(struct sx_stage) * sx_plugins(sx));
}

void sx_filter_fini(struct sx *sx)
{
	for (unsigned i = 0; sx->stages && i < sx_plugins(sx); i++) {
		buf_fini(&sx->stages[i].read);
		buf_fini(&sx->stages[i].write);
	}
	mem_free(sx->stages);
	sx->stages = NULL;
}

/* Where the bytes of a reading filter go: to the next one, or to the parser. */
static struct buf *reads_to(struct sx *sx, struct sx_at at)
{
	while (sx_each(sx, &at)) {
		if (at.plugin->read_bytes)
			return &sx->stages[at.index].read;
	}
	return &sx->input;
}

/* The write buffer of the last filter before a plugin's index, or the output. */
static struct buf *writes_to(struct sx *sx, unsigned before)
{
	struct buf *buf = &sx->output;

	for (struct sx_at at = {0}; sx_each(sx, &at) && at.index < before;) {
		if (at.plugin->write_bytes)
			buf = &sx->stages[at.index].write;
	}
	return buf;
}

struct buf *sx_print_to(struct sx *sx)
{
	return sx->stages ? writes_to(sx, UINT32_MAX) : &sx->output;
}

void sx_filter_in(struct sx *sx, const void *bytes, size_t len)
{
	buf_append(reads_to(sx, (struct sx_at){0}), bytes, len);
	for (struct sx_at at = {0}; sx_each(sx, &at) && sx->state != SX_STATE_CLOSED;) {
		struct buf *in = &sx->stages[at.index].read;

		if (!at.plugin->read_bytes)
			continue;
		if (at.plugin->read_bytes(at.state, sx, in, reads_to(sx, at)) < 0)
			sx_finish(sx, SX_END_ERROR);
		if (!buf_used(in))
			buf_fini(in);
	}
}

static void write_through(struct sx *sx, const struct sx_at *at)
{
	struct buf *in = &sx->stages[at->index].write;

	if (at->plugin->write_bytes(at->state, sx, in, writes_to(sx, at->index)) < 0)
		sx_finish(sx, SX_END_ERROR);
	if (!buf_used(in))
		buf_fini(in);
}

void sx_filter_out(struct sx *sx)
{
	struct sx_at filters[SX_FILTERS_MAX];
	unsigned count = 0;

	for (struct sx_at at = {0}; sx_each(sx, &at) && count < SX_FILTERS_MAX;) {
		if (at.plugin->write_bytes)
			filters[count++] = at;
	}
	while (count)
		write_through(sx, &filters[--count]);
}

/* -- what waits -- */

size_t sx_input_waiting(const struct sx *sx)
{
	return buf_used(&sx->input);
}

static size_t held(const struct buf *buf)
{
	return buf_used(buf) ? buf->cap : 0;
}

void sx_hold_elsewhere(struct sx *sx, uint16_t bytes)
{
	sx->elsewhere = bytes;
}

size_t sx_queued(const struct sx *sx)
{
	size_t queued = sx->elsewhere + held(&sx->input) + xml_reader_weight(sx->reader) + held(&sx->output);

	for (unsigned i = 0; sx->stages && i < sx_plugins(sx); i++)
		queued += held(&sx->stages[i].read) + held(&sx->stages[i].write);
	return queued;
}

size_t sx_unsent(const struct sx *sx)
{
	size_t unsent = buf_used(&sx->output);

	for (unsigned i = 0; sx->stages && i < sx_plugins(sx); i++)
		unsent += buf_used(&sx->stages[i].write);
	return unsent;
}
