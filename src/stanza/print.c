/* SPDX-License-Identifier: MIT */
/* Stanzas as text: a start tag from the header, the inside from the shared payload. */
#include "base/stamp.h"
#include "jid/jid.h"
#include "stanza/names.h"
#include "xml/nad.h"

/* A reader makes blanks of tabs and line ends that stand in an attribute as they are (XML 1.0, 3.3.3). */
void stanza_print_value(struct slice value, struct buf *out)
{
	size_t done = 0, at = xml_plain(value, 0);

	if (at == value.len) {
		buf_append_slice(out, value);
		return;
	}
	for (; at < value.len; at = xml_plain(value, at)) {
		char c = value.data[at++];

		if (c != '\t' && c != '\n')
			continue;
		buf_append_xml(out, (struct slice){value.data + done, at - 1 - done});
		buf_append_text(out, c == '\t' ? "&#9;" : "&#10;");
		done = at;
	}
	if (done < value.len)
		buf_append_xml(out, (struct slice){value.data + done, value.len - done});
}

static void print_attr(struct buf *out, struct slice name, struct slice value)
{
	buf_append_char(out, ' ');
	buf_append_slice(out, name);
	buf_append_text(out, "='");
	stanza_print_value(value, out);
	buf_append_char(out, '\'');
}

static bool is_header_field(const struct nad_attr *attr)
{
	static const char *const fields[] = {"from", "to", "id", "type"};

	if (attr->uri.len)
		return slice_is(attr->uri, NS_XML) && slice_is(attr->name, "lang");
	for (unsigned at = 0; at < countof(fields); at++) {
		if (slice_is(attr->name, fields[at]))
			return true;
	}
	return false;
}

/*
 * Attributes that the header does not know; of those in namespaces only ours would make sense, and they end here. So does
 * "failed", in which jabberd2's parts see the end of a session: nobody may write it for them.
 */
static void print_unknown(const struct nad *nad, struct buf *out)
{
	struct nad_attr attr;

	for (int at = -1; nad_attr_next(nad, 0, &at, &attr);) {
		if (!attr.uri.len && !is_header_field(&attr) && !slice_is(attr.name, "failed"))
			print_attr(out, attr.name, attr.value);
	}
}

static void print_header(const struct stanza *stanza, struct buf *out)
{
	const char *type = stanza_type_name(stanza->type);

	if (type)
		print_attr(out, SLICE("type"), slice_of(type));
	if (stanza->id.len)
		print_attr(out, SLICE("id"), stanza->id);
	if (stanza->from)
		print_attr(out, SLICE("from"), jid_full(stanza->from));
	if (stanza->to)
		print_attr(out, SLICE("to"), jid_full(stanza->to));
	if (stanza->lang.len)
		print_attr(out, SLICE("xml:lang"), stanza->lang);
	print_unknown(stanza->payload, out);
}

/* XEP-0203: when it was sent, and by whose account of it: the server that kept it. */
static void print_delay(const struct stanza *stanza, struct buf *out)
{
	char stamp[STAMP_LEN];

	if (!stanza->delay_ms)
		return;
	buf_append_text(out, "<delay xmlns='" NS_DELAY "'");
	if (stanza->to)
		print_attr(out, SLICE("from"), jid_domain(stanza->to));
	print_attr(out, SLICE("stamp"), slice_of(stamp_print(stamp, stanza->delay_ms, true)));
	buf_append_text(out, "/>");
}

/* XEP-0359: only who may read the archive is sent it, so it is of whom the stanza is to. */
static void print_id(const struct stanza *stanza, struct buf *out)
{
	char id[STANZA_ID_LEN];

	if (!stanza->archived || !stanza->to)
		return;
	buf_append_text(out, "<stanza-id xmlns='" NS_STANZA_ID "'");
	print_attr(out, SLICE("by"), jid_user(stanza->to));
	print_attr(out, SLICE("id"), stanza_id_print(id, stanza->archived));
	buf_append_text(out, "/>");
}

static void print(const struct stanza *stanza, const char *ns, struct slice extra, struct buf *out)
{
	const char *name = stanza_kind_name(stanza->kind);

	buf_append_char(out, '<');
	buf_append_text(out, name);
	buf_append_slice(out, extra);
	buf_append_text(out, ns);
	print_header(stanza, out);
	buf_append_char(out, '>');
	nad_print_inside(stanza->payload, 0, out);
	print_delay(stanza, out);
	print_id(stanza, out);
	buf_append_text(out, "</");
	buf_append_text(out, name);
	buf_append_char(out, '>');
}

void stanza_print(const struct stanza *stanza, struct buf *out)
{
	print(stanza, "", (struct slice){NULL, 0}, out);
}

void stanza_print_route(const struct stanza *stanza, struct slice extra, struct buf *out)
{
	print(stanza, " xmlns='" NS_CLIENT "'", extra, out);
}
