/* SPDX-License-Identifier: MIT */
/*
 * A stream changes its worker. The box holds the stream itself, without reader, in the old worker's
 * memory; sx_arrive() copies it piece by piece into the new worker's and frees each piece, which
 * the heap sends home.
 */
#include "base/mem.h"
#include "jid/jid.h"
#include "sx/stream.h"

struct sx_box {
	struct sx *sx;
	struct buf root; /* that its reader stood in, between two elements; empty: in none */
};

struct sx_box *sx_leave(struct sx **sx)
{
	struct sx_box *box = mem_alloc(MEM_STREAM, sizeof(*box));

	*box = (struct sx_box){.sx = *sx};
	*sx = NULL;
	buf_append_slice(&box->root, xml_reader_root(box->sx->reader));
	xml_reader_free(&box->sx->reader);
	return box;
}

void sx_move_buf(struct buf *to, struct buf *from)
{
	*to = (struct buf){0};
	buf_append_slice(to, buf_slice(from));
	buf_wipe(from);
}

static void move_stages(struct sx *to, struct sx *from)
{
	unsigned count = sx_plugins(from);

	if (!from->stages)
		return;
	to->stages = NULL;
	sx_use_filters(to);
	for (unsigned i = 0; i < count; i++) {
		sx_move_buf(&to->stages[i].read, &from->stages[i].read);
		sx_move_buf(&to->stages[i].write, &from->stages[i].write);
	}
	mem_free(from->stages);
}

static void move_words(struct sx *to, struct sx *from)
{
	struct slice words[SX_WORDS];

	if (!from->words)
		return;
	for (int i = 0; i < SX_WORDS; i++)
		words[i] = sx_word(from, i);
	to->words = NULL;
	sx_set_words(to, words);
	mem_free(from->words);
}

/* A jid of our own: the old one lives in the other worker's memory. */
static void move_identity(struct sx *to, struct sx *from)
{
	if (!from->identity)
		return;
	to->identity = jid_make(jid_local(from->identity), jid_domain(from->identity),
				jid_resource(from->identity));
	if (!to->identity)
		to->identity = jid_ref(from->identity);
	jid_free(&from->identity);
}

struct sx *sx_arrive(struct sx_box **box, const struct sx_env *env, const struct sx_options *options,
		     const struct sx_handler *handler, void *owner)
{
	struct sx *from = (*box)->sx;
	size_t size = sx_size(options);
	struct sx *sx = mem_alloc(MEM_STREAM, size);

	memcpy(sx, from, size);
	sx->env = env;
	sx->options = options;
	sx->handler = handler;
	sx->owner = owner;
	sx->reader = xml_reader_new(env->pool, sx->state == SX_STATE_OPEN ? &options->after_auth
									  : &options->before_auth);
	if (buf_used(&(*box)->root))
		xml_reader_enter(sx->reader, buf_slice(&(*box)->root));
	buf_fini(&(*box)->root);
	sx_move_buf(&sx->input, &from->input);
	sx_move_buf(&sx->output, &from->output);
	move_stages(sx, from);
	move_words(sx, from);
	move_identity(sx, from);
	sx->end_text = from->end_text ? mem_strdup(MEM_STREAM, from->end_text) : NULL;
	mem_free(from->end_text);
	mem_free(from);
	mem_free(*box);
	*box = NULL;
	for (struct sx_at at = {0}; sx_each(sx, &at);) {
		if (at.plugin->moved)
			at.plugin->moved(at.state, sx);
	}
	return sx;
}
