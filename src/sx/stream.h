/* SPDX-License-Identifier: MIT */
/* What the files of sx share: the stream itself, its words, its plugins, its ways out. */
#pragma once

#include "sx/sx.h"

/* Texts of the two headers, in one block: an idle stream keeps a single allocation for them. */
enum sx_word {
	SX_WORD_TO, /* of the peer's header, as the next four */
	SX_WORD_FROM,
	SX_WORD_LANG,
	SX_WORD_ID, /* the server's */
	SX_WORD_NS,
	SX_WORD_OURS, /* the from of our header */
	SX_WORDS
};

struct sx_words {
	uint32_t len[SX_WORDS];
	char text[];
};

/* Between a plugin's byte filter and what feeds it. */
struct sx_stage {
	struct buf read, write;
};

struct sx {
	const struct sx_env *env;
	const struct sx_options *options;
	const struct sx_handler *handler;
	void *owner;
	struct xml_reader *reader;
	struct jid *identity;
	struct sx_stage *stages; /* one per plugin once filters are in use, else NULL */
	uint8_t state, error, refusal;
	bool started : 1; /* sx_start() was called, or bytes came */
	bool parsing : 1; /* the loop is on the stack */
	bool waiting : 1; /* a plugin said SX_WAIT */
	bool paused : 1;  /* the owner said so */
	bool ended : 1;	  /* the peer's bytes ended */
	bool told : 1;	  /* output() was called and not yet answered by sx_sent() */
	bool version : 1; /* of the peer's header */
	bool secure : 1;
	bool opened : 1; /* open() was called */
	bool stray : 1;	 /* what is read is an element of the stream before */
	uint16_t elsewhere; /* bytes that a filter has outside of our buffers */
	struct buf output; /* for the wire */
	struct buf input;  /* XML that nobody has parsed yet */
	struct sx_words *words;
	const char *how;
	char *end_text;
	_Alignas(16) char states[];
};

enum { SX_FILTERS_MAX = 8 }; /* plugins with byte filters in one stream */

/* The plugins of a stream: for (struct sx_at at = {0}; sx_each(sx, &at);) */
struct sx_at {
	unsigned next, index;
	const struct sx_plugin *plugin;
	char *state;
};

bool sx_each(const struct sx *sx, struct sx_at *at);
unsigned sx_plugins(const struct sx *sx);
size_t sx_size(const struct sx_options *options); /* of the stream with its plugins' states */

/* header.c */
void sx_header_print(struct sx *sx, bool version);
void sx_header_read(struct sx *sx, const struct nad *nad);
void sx_set_words(struct sx *sx, const struct slice words[SX_WORDS]);
struct slice sx_word(const struct sx *sx, enum sx_word word);
const char *sx_scope(const struct sx *sx); /* the default namespace around what we send */

/* filter.c */
void sx_filter_in(struct sx *sx, const void *bytes, size_t len);
void sx_filter_out(struct sx *sx);
void sx_filter_fini(struct sx *sx);
void sx_hold_elsewhere(struct sx *sx, uint16_t bytes); /* sx_queued() counts them, until it is said anew */
struct buf *sx_print_to(struct sx *sx); /* where we print: the last filter's buffer or the output */

/* move.c */
void sx_move_buf(struct buf *to, struct buf *from); /* a copy in the current heap; from is freed */

/* sx.c */
void sx_finish(struct sx *sx, enum sx_end end);
void sx_become_open(struct sx *sx);
void sx_tell_open(struct sx *sx); /* the owner hears of it once */
