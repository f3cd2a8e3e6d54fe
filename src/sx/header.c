/* SPDX-License-Identifier: MIT */
/* Stream headers and features, RFC 6120 sections 4.3 and 4.7. */
#include "base/mem.h"
#include "jid/jid.h"
#include "sx/stream.h"
#include "xml/nad.h"

#define NS_XML "http://www.w3.org/XML/1998/namespace"

enum { ID_LEN = 40 };

/* -- words --------------------------------------------------------------------------------- */

void sx_set_words(struct sx *sx, const struct slice words[SX_WORDS])
{
	struct sx_words *old = sx->words, *new;
	size_t size = sizeof(*new), at = 0;

	for (int i = 0; i < SX_WORDS; i++)
		size += words[i].len;
	new = mem_alloc(MEM_STREAM, size);
	for (int i = 0; i < SX_WORDS; i++) {
		new->len[i] = (uint32_t)words[i].len;
		if (words[i].len)
			memcpy(new->text + at, words[i].data, words[i].len);
		at += words[i].len;
	}
	sx->words = new;
	mem_free(old);
}

struct slice sx_word(const struct sx *sx, enum sx_word word)
{
	const char *at;

	if (!sx->words)
		return (struct slice){NULL, 0};
	at = sx->words->text;
	for (int i = 0; i < (int)word; i++)
		at += sx->words->len[i];
	return (struct slice){at, sx->words->len[word]};
}

static void set_word(struct sx *sx, enum sx_word word, struct slice text)
{
	struct slice words[SX_WORDS];

	for (int i = 0; i < SX_WORDS; i++)
		words[i] = i == (int)word ? text : sx_word(sx, i);
	sx_set_words(sx, words);
}

struct slice sx_to(const struct sx *sx)
{
	return sx_word(sx, SX_WORD_TO);
}

struct slice sx_from(const struct sx *sx)
{
	return sx_word(sx, SX_WORD_FROM);
}

struct slice sx_lang(const struct sx *sx)
{
	return sx_word(sx, SX_WORD_LANG);
}

struct slice sx_id(const struct sx *sx)
{
	return sx_word(sx, SX_WORD_ID);
}

struct slice sx_peer_ns(const struct sx *sx)
{
	return sx_word(sx, SX_WORD_NS);
}

void sx_set_from(struct sx *sx, struct slice from)
{
	set_word(sx, SX_WORD_OURS, from);
}

void sx_ignore_version(struct sx *sx)
{
	sx->version = false;
}

const char *sx_scope(const struct sx *sx)
{
	return sx->options->ns;
}

/* -- our header ---------------------------------------------------------------------------- */

static void print_attr(struct buf *out, const char *name, struct slice value)
{
	if (!value.len)
		return;
	buf_printf(out, " %s='", name);
	buf_append_xml(out, value);
	buf_append_char(out, '\'');
}

/* 40 characters of 0-9a-z, each as likely as any other. */
static void make_id(struct sx *sx)
{
	static const char digits[36] = "0123456789abcdefghijklmnopqrstuvwxyz";
	uint8_t random[64];
	char id[ID_LEN];
	size_t len = 0;

	while (len < ID_LEN) {
		sx->env->random(sx->env->random_arg, random, sizeof(random));
		for (size_t i = 0; i < sizeof(random) && len < ID_LEN; i++) {
			if (random[i] < 252)
				id[len++] = digits[random[i] % 36];
		}
	}
	set_word(sx, SX_WORD_ID, (struct slice){id, ID_LEN});
}

void sx_header_print(struct sx *sx, bool version)
{
	const struct sx_options *options = sx->options;
	struct buf *out = sx_print_to(sx);
	bool server = options->type == SX_SERVER;

	buf_printf(out, "<?xml version='1.0'?><stream:stream xmlns:stream='%s'", NS_STREAM);
	if (options->ns)
		print_attr(out, "xmlns", slice_of(options->ns));
	else if (server)
		print_attr(out, "xmlns", sx_peer_ns(sx));
	if (server) {
		make_id(sx);
		print_attr(out, "to", sx_from(sx));
		print_attr(out, "from", sx_word(sx, SX_WORD_OURS));
	} else {
		print_attr(out, "to", slice_of(options->to));
	}
	if (version)
		buf_append_text(out, " version='1.0'");
	if (server && version && options->ns)
		buf_append_text(out, " xml:lang='en'");
	if (server)
		print_attr(out, "id", sx_id(sx));
	for (struct sx_at at = {0}; sx_each(sx, &at);) {
		if (at.plugin->header)
			at.plugin->header(at.state, out);
	}
	buf_append_char(out, '>');
}

void sx_offer(struct sx *sx)
{
	struct nad *features = nad_new();

	nad_append_elem(features, nad_add_namespace(features, NS_STREAM, "stream"), "features", 0);
	for (struct sx_at at = {0}; sx_each(sx, &at);) {
		if (at.plugin->features)
			at.plugin->features(at.state, sx, features);
	}
	for (struct sx_at at = {0}; sx_each(sx, &at);) {
		if (at.plugin->featured)
			at.plugin->featured(at.state, sx, features);
	}
	sx_send(sx, &features);
}

/* -- theirs -------------------------------------------------------------------------------- */

/*
 * The header's default namespace. A nad tells namespaces, not which of them is the default; printed
 * it does, and no attribute's value can look like a declaration there, for its quotes are escaped.
 */
static struct slice content_ns(const struct nad *nad, struct buf *text)
{
	static const char declaration[] = " xmlns='";
	struct slice printed, ns = {NULL, 0};
	const char *at, *end;

	nad_print(nad, 0, NULL, text);
	printed = buf_slice(text);
	at = memmem(printed.data, printed.len, declaration, sizeof(declaration) - 1);
	if (!at)
		return ns;
	ns.data = at + sizeof(declaration) - 1;
	end = memchr(ns.data, '\'', printed.len - (size_t)(ns.data - printed.data));
	ns.len = end ? (size_t)(end - ns.data) : 0;
	return ns;
}

static void keep_words(struct sx *sx, const struct nad *nad, struct slice content)
{
	struct slice words[SX_WORDS] = {
		[SX_WORD_TO] = nad_attr_value(nad, 0, "to"),
		[SX_WORD_FROM] = nad_attr_value(nad, 0, "from"),
		[SX_WORD_ID] = nad_attr_value(nad, 0, "id"),
		[SX_WORD_NS] = content,
	};

	nad_attr(nad, 0, NS_XML, "lang", &words[SX_WORD_LANG]);
	if (words[SX_WORD_TO].len > JID_MAX)
		words[SX_WORD_TO].len = 0;
	if (words[SX_WORD_FROM].len > JID_MAX)
		words[SX_WORD_FROM].len = 0;
	sx_set_words(sx, words);
}

/* "1.0" and higher minors are ours, "0.x" is the protocol before it. False: we cannot speak it, and say what we speak. */
static bool read_version(struct sx *sx, const struct nad *nad)
{
	struct slice version, major, minor;
	const char *dot;
	uint64_t number, ignored;

	if (!nad_attr(nad, 0, NULL, "version", &version))
		return true;
	sx->version = true;
	dot = version.len ? memchr(version.data, '.', version.len) : NULL;
	if (!dot)
		return false;
	major = (struct slice){version.data, (size_t)(dot - version.data)};
	minor = (struct slice){dot + 1, version.len - major.len - 1};
	if (!slice_to_u64(major, &number) || !slice_to_u64(minor, &ignored) || number > 1)
		return false;
	sx->version = number > 0;
	return true;
}

static enum sx_error check_root(const struct sx *sx, const struct nad *nad, struct slice content)
{
	const char *ns = sx->options->ns;

	if (!slice_is(nad_name(nad, 0), "stream"))
		return SX_BAD_FORMAT;
	if (!slice_is(nad_ns(nad, 0), NS_STREAM))
		return ns ? SX_INVALID_NAMESPACE : SX_BAD_FORMAT;
	if (ns && !slice_is(content, ns))
		return SX_INVALID_NAMESPACE;
	if (nad_attr_value(nad, 0, "to").len > JID_MAX ||
	    nad_attr_value(nad, 0, "from").len > JID_MAX)
		return SX_IMPROPER_ADDRESSING;
	return SX_ERROR_NONE;
}

/* Both headers are exchanged. */
static void exchanged(struct sx *sx)
{
	sx->state = SX_STATE_STREAM;
	for (struct sx_at at = {0}; sx_each(sx, &at);) {
		if (at.plugin->stream)
			at.plugin->stream(at.state, sx);
	}
	if (sx->state != SX_STATE_STREAM)
		return;
	if (sx->identity)
		sx_become_open(sx); /* before the features, which depend on it */
	if (sx->options->type == SX_SERVER && sx->version)
		sx_offer(sx);
	if (sx->state == SX_STATE_OPEN)
		sx_tell_open(sx);
	else if (sx->state == SX_STATE_STREAM && sx->handler->stream)
		sx->handler->stream(sx->owner, sx);
}

static void answer_header(struct sx *sx)
{
	if (sx->handler->header)
		sx->handler->header(sx->owner, sx);
	if (sx->state != SX_STATE_STREAM_RECEIVED)
		return;
	sx_header_print(sx, sx->version);
	sx_want_output(sx);
	exchanged(sx);
}

void sx_header_read(struct sx *sx, const struct nad *nad)
{
	bool server = sx->options->type == SX_SERVER;
	struct buf text = {0};
	struct slice content = content_ns(nad, &text);
	enum sx_error error = check_root(sx, nad, content);
	bool spoken = read_version(sx, nad);

	keep_words(sx, nad, content);
	buf_fini(&text);
	if (sx->state == SX_STATE_CLOSING)
		return;
	if (server && error != SX_BAD_FORMAT)
		sx->state = SX_STATE_STREAM_RECEIVED;
	if (error)
		sx_error(sx, error, NULL);
	else if (server && !spoken)
		sx_error(sx, SX_UNSUPPORTED_VERSION, NULL);
	else if (server)
		answer_header(sx);
	else
		exchanged(sx);
}
