/* SPDX-License-Identifier: MIT */
/* Stanza headers: reading, copying, answering. */
#include "stanza/stanza.h"

#include <stdio.h>
#include "base/mem.h"
#include "jid/jid.h"
#include "stanza/names.h"
#include "xml/nad.h"

static enum stanza_kind kind_of(const struct nad *nad)
{
	if (nad_is(nad, 0, NS_CLIENT, "message"))
		return STANZA_MESSAGE;
	if (nad_is(nad, 0, NS_CLIENT, "presence"))
		return STANZA_PRESENCE;
	if (nad_is(nad, 0, NS_CLIENT, "iq"))
		return STANZA_IQ;
	return STANZA_ANY;
}

/* An address attribute; false when it is there and is none. */
static bool address_of(const struct nad *nad, const char *name, struct jid **jid)
{
	struct slice text;

	if (!nad_attr(nad, 0, NULL, name, &text))
		return true;
	*jid = jid_parse(text);
	return *jid != NULL;
}

int stanza_from_nad(struct nad **nad, struct stanza **stanza)
{
	enum stanza_kind kind = kind_of(*nad);
	struct stanza *made;
	int rc = 0;

	*stanza = NULL;
	if (kind == STANZA_ANY) {
		nad_free(nad);
		return STANZA_NOT_ONE;
	}
	made = mem_zalloc(MEM_STANZA, sizeof(*made));
	made->kind = kind;
	made->payload = *nad;
	*nad = NULL;
	made->type = stanza_type_of(kind, nad_attr_value(made->payload, 0, "type"));
	made->id = nad_attr_value(made->payload, 0, "id");
	nad_attr(made->payload, 0, NS_XML, "lang", &made->lang);
	if (!address_of(made->payload, "from", &made->from))
		rc = STANZA_BAD_FROM;
	if (!address_of(made->payload, "to", &made->to))
		rc = STANZA_BAD_TO;
	*stanza = made;
	return rc;
}

/* Into the room behind the header, so that no payload need hold them. */
static void put_texts(struct stanza *stanza, struct slice id, struct slice lang)
{
	char *room = (char *)(stanza + 1);

	if (id.len)
		memcpy(room, id.data, id.len);
	stanza->id = (struct slice){room, id.len};
	if (lang.len)
		memcpy(room + id.len, lang.data, lang.len);
	stanza->lang = (struct slice){room + id.len, lang.len};
}

static struct stanza *header_new(enum stanza_kind kind, enum stanza_type type, struct slice id, struct slice lang)
{
	struct stanza *stanza = mem_zalloc(MEM_STANZA, sizeof(*stanza) + id.len + lang.len);

	stanza->kind = kind;
	stanza->type = type;
	put_texts(stanza, id, lang);
	return stanza;
}

struct stanza *stanza_new(enum stanza_kind kind, enum stanza_type type, struct slice id)
{
	struct stanza *stanza = header_new(kind, type, id, (struct slice){NULL, 0});

	stanza->payload = nad_new();
	nad_append(stanza->payload, NS_CLIENT, stanza_kind_name(kind), 0);
	return stanza;
}

struct stanza *stanza_copy(const struct stanza *stanza)
{
	struct stanza *copy = header_new(stanza->kind, stanza->type, stanza->id, stanza->lang);

	copy->from = jid_ref(stanza->from);
	copy->to = jid_ref(stanza->to);
	copy->origin = stanza->origin;
	copy->payload = nad_ref(stanza->payload);
	copy->delay_ms = stanza->delay_ms;
	copy->archived = stanza->archived;
	return copy;
}

void stanza_free(struct stanza **stanza)
{
	if (!*stanza)
		return;
	jid_free(&(*stanza)->from);
	jid_free(&(*stanza)->to);
	nad_free(&(*stanza)->payload);
	mem_free(*stanza);
	*stanza = NULL;
}

static void set_jid(struct jid **field, struct jid *jid)
{
	struct jid *old = *field;

	*field = jid_ref(jid);
	jid_free(&old);
}

void stanza_set_from(struct stanza *stanza, struct jid *from)
{
	set_jid(&stanza->from, from);
}

void stanza_set_to(struct stanza *stanza, struct jid *to)
{
	set_jid(&stanza->to, to);
}

/* What was borrowed from the old payload is from the new one. */
static void borrow_again(struct slice *field, const struct nad *old, const struct nad *now, const char *uri, const char *name)
{
	struct slice value;

	if (nad_attr(old, 0, uri, name, &value) && value.data == field->data)
		nad_attr(now, 0, uri, name, field);
}

static void set_payload(struct stanza *stanza, struct nad *payload)
{
	struct nad *old = stanza->payload;

	stanza->payload = payload;
	borrow_again(&stanza->id, old, stanza->payload, NULL, "id");
	borrow_again(&stanza->lang, old, stanza->payload, NS_XML, "lang");
	nad_free(&old);
}

void stanza_replace(struct stanza *stanza, int child, const struct nad *tree)
{
	struct nad *payload = nad_copy_without(stanza->payload, child);

	nad_append_tree(payload, tree, 0, 1);
	set_payload(stanza, payload);
}

/* -- ids -- */

static bool is_id_of(const void *account, const struct nad *nad, int child)
{
	AUTO(jid_free) struct jid *by = nad_is(nad, child, NS_STANZA_ID, "stanza-id") ? jid_parse(nad_attr_value(nad, child, "by")) : NULL;

	return by && jid_equal_bare(by, account);
}

uint64_t stanza_take_ids(struct stanza *stanza, const struct jid *account)
{
	const struct nad *nad = stanza->payload;
	uint64_t id = 0;
	int at = stanza_find(stanza, NS_STANZA_ID, "stanza-id");

	while (at >= 0 && !is_id_of(account, nad, at))
		at = nad_find_next(nad, at, NS_STANZA_ID, "stanza-id");
	if (at < 0)
		return 0;
	stanza_id_read(nad_attr_value(nad, at, "id"), &id);
	set_payload(stanza, nad_copy_unless(nad, is_id_of, account));
	return id;
}

struct slice stanza_id_print(char text[STANZA_ID_LEN], uint64_t id)
{
	return (struct slice){text, (size_t)snprintf(text, STANZA_ID_LEN, "%llx", (unsigned long long)id)};
}

bool stanza_id_read(struct slice text, uint64_t *id)
{
	*id = 0;
	if (!text.len || text.len >= STANZA_ID_LEN || text.data[0] == '0')
		return false;
	for (size_t at = 0; at < text.len; at++) {
		const char *digits = "0123456789abcdef", *digit = text.data[at] ? strchr(digits, text.data[at]) : NULL;

		if (!digit)
			return false;
		*id = *id << 4 | (uint64_t)(digit - digits);
	}
	return *id <= INT64_MAX;
}

struct stanza *stanza_result(const struct stanza *request)
{
	struct stanza *result = stanza_new(STANZA_IQ, STANZA_RESULT, request->id);

	result->from = jid_ref(request->to);
	result->to = jid_ref(request->from);
	result->origin = request->origin;
	return result;
}

/* Errors are never answered, nor what asks for no answer (RFC 6120 8.3.1, RFC 6121 8.5). */
static bool may_answer(const struct stanza *stanza)
{
	switch (stanza->type) {
	case STANZA_ERROR:
	case STANZA_RESULT:
	case STANZA_UNAVAILABLE:
	case STANZA_PROBE:
		return false;
	default:
		return true;
	}
}

/* With the standard condition inside; what else belongs to the error comes next. */
static struct stanza *error_begin(const struct stanza *stanza, enum stanza_error error, const char *class)
{
	struct stanza *answer = stanza_new(stanza->kind, STANZA_ERROR, stanza->id);
	struct nad *nad = answer->payload;
	char code[8];
	int elem;

	answer->from = jid_ref(stanza->to);
	answer->to = jid_ref(stanza->from);
	answer->origin = stanza->origin;
	elem = nad_append(nad, NS_CLIENT, "error", 1);
	snprintf(code, sizeof(code), "%d", stanza_error_code(error));
	nad_set_attr(nad, elem, NULL, "type", class);
	nad_set_attr(nad, elem, NULL, "code", code);
	nad_append(nad, NS_STANZA_ERROR, stanza_error_name(error), 2);
	return answer;
}

static struct stanza *error_end(struct stanza *answer, const struct stanza *stanza)
{
	int child = nad_first_child(stanza->payload, 0);

	for (; child >= 0; child = nad_next_sibling(stanza->payload, child))
		nad_append_tree(answer->payload, stanza->payload, child, 1);
	return answer;
}

struct stanza *stanza_error_new(const struct stanza *stanza, enum stanza_error error, const char *text)
{
	struct stanza *answer;

	if (!may_answer(stanza))
		return NULL;
	answer = error_begin(stanza, error, stanza_error_class(error));
	if (text)
		nad_append_text(answer->payload, NS_STANZA_ERROR, "text", 2, slice_of(text));
	return error_end(answer, stanza);
}

struct stanza *stanza_error_with(const struct stanza *stanza, enum stanza_error error,
				 const struct stanza_condition *condition)
{
	struct stanza *answer;

	if (!may_answer(stanza))
		return NULL;
	answer = error_begin(stanza, error, condition->class);
	if (condition->text)
		nad_append_text(answer->payload, NS_STANZA_ERROR, "text", 2, slice_of(condition->text));
	nad_append(answer->payload, condition->ns, condition->name, 2);
	return error_end(answer, stanza);
}

int stanza_child(const struct stanza *stanza)
{
	return nad_first_child(stanza->payload, 0);
}

int stanza_find(const struct stanza *stanza, const char *ns, const char *name)
{
	return nad_find_child(stanza->payload, 0, ns, name);
}

static bool kind_matches(const struct stanza *stanza, enum stanza_kind kind)
{
	switch (kind) {
	case STANZA_ANY:
		return true;
	case STANZA_IQ_GET:
		return stanza->kind == STANZA_IQ && stanza->type == STANZA_GET;
	case STANZA_IQ_SET:
		return stanza->kind == STANZA_IQ && stanza->type == STANZA_SET;
	default:
		return stanza->kind == kind;
	}
}

bool stanza_matches(const struct stanza *stanza, enum stanza_kind kind, const char *ns, const char *name)
{
	if (!kind_matches(stanza, kind))
		return false;
	return !ns || stanza_find(stanza, ns, name) >= 0;
}

static size_t texts_size(const struct stanza *stanza)
{
	return (stanza->id.len + stanza->lang.len + 7) & ~(size_t)7;
}

size_t stanza_packed_size(const struct stanza *stanza)
{
	return sizeof(*stanza) + texts_size(stanza) + nad_packed_size(stanza->payload) + jid_packed_size(stanza->from) + jid_packed_size(stanza->to);
}

struct stanza *stanza_pack(const struct stanza *stanza, void *piece)
{
	struct stanza *packed = piece;
	char *at = (char *)(packed + 1);

	*packed = *stanza;
	put_texts(packed, stanza->id, stanza->lang);
	at += texts_size(stanza);
	packed->payload = nad_pack(stanza->payload, at);
	at += nad_packed_size(stanza->payload);
	packed->from = jid_pack(stanza->from, at);
	at += jid_packed_size(stanza->from);
	packed->to = jid_pack(stanza->to, at);
	return packed;
}

struct stanza *stanza_unpack(const struct stanza *packed)
{
	struct stanza *stanza = mem_alloc(MEM_STANZA, sizeof(*stanza) + packed->id.len + packed->lang.len);

	*stanza = *packed;
	put_texts(stanza, packed->id, packed->lang);
	stanza->payload = nad_unpack(packed->payload);
	stanza->from = jid_unpack(packed->from);
	stanza->to = jid_unpack(packed->to);
	return stanza;
}

size_t stanza_weight(const struct stanza *stanza)
{
	return sizeof(*stanza) + stanza->id.len + stanza->lang.len + nad_weight(stanza->payload);
}
