/* SPDX-License-Identifier: MIT */
/* Expat's events into a nad. */
#include "xml/builder.h"

#include <strings.h>
#include "base/mem.h"
#include "xml/tree.h"

enum {
	SEPARATOR = '\x01', /* no XML text holds it */
	FEED_MAX = 1 << 24, /* expat counts in int */
	SPACES_MAX = 128, /* in scope at once within a stanza: looking one up walks through them */
};

/* A name as expat gives it: uri, name and prefix with separators between; or only a name, or only
 * the first two. */
struct triplet {
	struct slice uri, name, prefix;
};

static struct triplet split(const char *full)
{
	const char *first = strchr(full, SEPARATOR), *second;
	struct triplet triplet = {.name = {full, 0}};

	if (!first) {
		triplet.name.len = strlen(full);
		return triplet;
	}
	triplet.uri = (struct slice){full, (size_t)(first - full)};
	second = strchr(first + 1, SEPARATOR);
	triplet.name = (struct slice){first + 1,
				      second ? (size_t)(second - first - 1) : strlen(first + 1)};
	if (second)
		triplet.prefix = slice_of(second + 1);
	return triplet;
}

static void refuse(struct builder *builder, int fault)
{
	if (!builder->fault)
		builder->fault = fault;
	XML_StopParser(builder->expat, XML_FALSE);
}

/* Expat may call on after a refusal, until the tag is done. Nothing may follow what is complete. */
static bool is_building(struct builder *builder)
{
	if (builder->complete)
		refuse(builder, XML_NOT_WELL_FORMED);
	return !builder->fault && builder->mode != BUILDER_SKIP;
}

static struct nad *nad_of(struct builder *builder)
{
	if (!builder->nad)
		builder->nad = nad_new();
	return builder->nad;
}

static void check_weight(struct builder *builder)
{
	struct nad *nad = builder->nad;

	if (!builder->kept || nad_weight(nad) <= builder->kept)
		return;
	nad->used = builder->start;
	nad->pending = 0;
	builder->cut = true;
	XML_StopParser(builder->expat, XML_FALSE);
}

static void on_space(void *data, const char *prefix, const char *uri)
{
	struct builder *builder = data;

	if (!is_building(builder) || builder->cut)
		return;
	if (++builder->spaces > SPACES_MAX)
		refuse(builder, XML_TOO_MANY);
	else
		tree_add_space(nad_of(builder), slice_of(uri), slice_of(prefix));
}

static void on_space_end(void *data, const char *prefix)
{
	struct builder *builder = data;

	if (builder->spaces)
		builder->spaces--;
}

static void on_start(void *data, const char *full, const char **attrs)
{
	struct builder *builder = data;
	struct triplet name = split(full);
	struct nad *nad;
	int elem, ns;

	if (!is_building(builder) || builder->cut)
		return;
	nad = nad_of(builder);
	elem = tree_append_elem(nad, TREE_NONE, name.name, builder->depth);
	ns = tree_scope(nad, elem, name.uri, name.prefix);
	nad->elems[elem].ns = ns;
	for (; *attrs; attrs += 2) {
		struct triplet attr = split(attrs[0]);

		ns = tree_scope(nad, elem, attr.uri, attr.prefix);
		tree_append_attr(nad, elem, ns, attr.name, slice_of(attrs[1]));
	}
	if (builder->mode == BUILDER_HEADER)
		builder->complete = true;
	else if (builder->depth++ == 0)
		builder->start = nad->used;
	else
		check_weight(builder);
}

/* The end of a header that is empty comes while the header is complete. */
static void on_end(void *data, const char *full)
{
	struct builder *builder = data;

	if (builder->fault)
		return;
	if (builder->depth == 0) {
		builder->root_closed = true;
		return;
	}
	builder->depth--;
	builder->complete = builder->depth == 0;
}

static void on_text(void *data, const char *text, int len)
{
	struct builder *builder = data;

	if (!builder->depth || !is_building(builder) || builder->cut)
		return;
	nad_append_cdata(builder->nad, (struct slice){text, (size_t)len}, builder->depth);
	check_weight(builder);
}

static void on_comment(void *data, const char *text)
{
	refuse(data, XML_RESTRICTED);
}

static void on_instruction(void *data, const char *target, const char *text)
{
	refuse(data, XML_RESTRICTED);
}

static void on_doctype(void *data, const char *name, const char *sysid, const char *pubid,
		       int internal)
{
	refuse(data, XML_RESTRICTED);
}

static void on_declaration(void *data, const char *version, const char *encoding, int standalone)
{
	if (encoding && strcasecmp(encoding, "UTF-8") != 0)
		refuse(data, XML_ENCODING);
}

static void *take(size_t size)
{
	return mem_alloc(MEM_PARSER, size);
}

static void *retake(void *block, size_t size)
{
	return mem_realloc(MEM_PARSER, block, size);
}

/* What expat is to tell of. */
static void listen(struct builder *builder, uint64_t salt)
{
	XML_Parser expat = builder->expat;

	XML_SetHashSalt(expat, (unsigned long)salt);
	XML_SetReparseDeferralEnabled(expat, XML_FALSE); /* what is fed is wanted now */
	XML_SetReturnNSTriplet(expat, XML_TRUE);
	XML_SetUserData(expat, builder);
	XML_SetElementHandler(expat, on_start, on_end);
	XML_SetNamespaceDeclHandler(expat, on_space, on_space_end);
	XML_SetCharacterDataHandler(expat, on_text);
	XML_SetCommentHandler(expat, on_comment);
	XML_SetProcessingInstructionHandler(expat, on_instruction);
	XML_SetStartDoctypeDeclHandler(expat, on_doctype);
	XML_SetXmlDeclHandler(expat, on_declaration);
}

struct builder *builder_new(enum builder_mode mode, uint64_t salt)
{
	static const XML_Memory_Handling_Suite memory = {take, retake, mem_free};
	static const XML_Char separator[] = {SEPARATOR, 0};
	struct builder *builder = mem_zalloc(MEM_PARSER, sizeof(*builder));

	list_init(&builder->link);
	builder->expat = XML_ParserCreate_MM("UTF-8", &memory, separator);
	builder->mode = (uint8_t)mode;
	listen(builder, salt);
	return builder;
}

void builder_begin(struct builder *builder, enum builder_mode mode, uint64_t salt)
{
	XML_ParserReset(builder->expat, "UTF-8");
	nad_free(&builder->nad);
	buf_clear(&builder->held);
	builder->context = NULL;
	builder->depth = builder->spaces = 0;
	builder->mode = (uint8_t)mode;
	builder->complete = builder->root_closed = false;
	listen(builder, salt);
}

void builder_free(struct builder **builder)
{
	struct builder *gone = *builder;

	*builder = NULL;
	if (!gone)
		return;
	list_remove(&gone->link);
	if (gone->expat)
		XML_ParserFree(gone->expat);
	buf_fini(&gone->held);
	nad_free(&gone->nad);
	mem_free(gone);
}

/* RFC 6120 section 11.1 has a condition of its own for references to entities. */
static int fault_of(const struct builder *builder)
{
	if (builder->fault)
		return builder->fault;
	switch (XML_GetErrorCode(builder->expat)) {
	case XML_ERROR_UNDEFINED_ENTITY:
		return XML_RESTRICTED;
	case XML_ERROR_UNKNOWN_ENCODING:
	case XML_ERROR_INCORRECT_ENCODING:
		return XML_ENCODING;
	default:
		return XML_NOT_WELL_FORMED;
	}
}

/* From now on nobody looks at what is in the element: expat would remember each name in it. */
static int cut(struct builder *builder)
{
	XML_ParserFree(builder->expat);
	builder->expat = NULL;
	builder->complete = true;
	buf_fini(&builder->held);
	return XML_MORE;
}

int builder_feed(struct builder *builder, struct slice bytes)
{
	while (bytes.len && builder->expat) {
		size_t len = bytes.len < FEED_MAX ? bytes.len : FEED_MAX;
		int status = XML_Parse(builder->expat, bytes.data, (int)len, 0);

		if (builder->cut && !builder->fault)
			return cut(builder);
		if (status != XML_STATUS_OK || builder->fault)
			return fault_of(builder);
		builder->total += len;
		bytes = (struct slice){bytes.data + len, bytes.len - len};
	}
	return XML_MORE;
}

struct nad *builder_take(struct builder *builder)
{
	struct nad *nad = builder->complete ? builder->nad : NULL;

	if (nad)
		builder->nad = NULL;
	builder->mode = BUILDER_TREE;
	builder->complete = false;
	builder->spaces = 0;
	return nad;
}
