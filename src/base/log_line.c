/* SPDX-License-Identifier: MIT */
/* How a log line looks. */
#include "base/log_private.h"

#include <stdio.h>
#include <string.h>
#include "base/network.h"
#include "base/stamp.h"
#include "base/utf8.h"

/* And the priorities of syslog. */
static const struct {
	const char *name;
	unsigned priority;
} levels[] = {[LOG_ERROR] = {"error", 3},
	      [LOG_WARN] = {"warn", 4},
	      [LOG_INFO] = {"info", 6},
	      [LOG_DEBUG] = {"debug", 7}};

/* Text without what would break the line: JSON's escapes, or those of C. What is no UTF-8 is shown
 * as such. */
static void append_safe(struct buf *out, struct slice text, bool json)
{
	while (text.len) {
		unsigned char c = (unsigned char)*text.data;
		size_t len = utf8_first(text);

		if (json && !len)
			buf_append_text(out, "\\ufffd");
		else if (json && (c == '"' || c == '\\'))
			buf_printf(out, "\\%c", c);
		else if (!len || c < 0x20 || c == 0x7f)
			buf_printf(out, json ? "\\u%04x" : "\\x%02x", c);
		else
			buf_append(out, text.data, len);
		len = len ? len : 1;
		text = (struct slice){text.data + len, text.len - len};
	}
}

static void json_member(struct buf *out, const char *key, struct slice text)
{
	buf_printf(out, ",\"%s\":\"", key);
	append_safe(out, text, true);
	buf_append_char(out, '"');
}

static void append_who(struct buf *out, const char *who)
{
	if (!who || !*who)
		return;
	buf_append_text(out, " [");
	append_safe(out, slice_of(who), false);
	buf_append_char(out, ']');
}

static void text_line(const struct log_line *line, const char *address, struct buf *out)
{
	append_safe(out, line->text, false);
	append_who(out, line->who);
	append_who(out, address);
	buf_append_char(out, '\n');
}

static void json_line(const struct log_line *line, const char *stamp, const char *address,
		      struct buf *out)
{
	const struct log_event *event = line->event;

	buf_printf(out, "{\"time\":\"%s\",\"level\":\"%s\"", stamp, levels[line->level].name);
	json_member(out, "part", slice_of(line->part));
	json_member(out, "event", slice_of(event ? event->name : "note"));
	json_member(out, "message", line->text);
	for (unsigned at = 0; event && at < LOG_FACTS_MAX && event->facts[at].name; at++) {
		if (event->facts[at].text)
			json_member(out, event->facts[at].name, slice_of(event->facts[at].text));
	}
	if (line->who)
		json_member(out, "who", slice_of(line->who));
	if (*address)
		json_member(out, "address", slice_of(address));
	buf_append_text(out, "}\n");
}

/* What may be told of it; "" is nothing. A peer that has none, at a Unix socket, is named. */
static const char *told(const char *peer, enum log_addresses addresses, struct buf *scratch)
{
	struct address address;

	if (!peer || addresses == LOG_ADDRESSES_NONE)
		return "";
	if (addresses == LOG_ADDRESSES_FULL || !address_of_peer(peer, &address))
		return peer;
	address_print_network(&address, scratch);
	return buf_text(scratch);
}

void log_line_print(const struct log_line *line, const struct log_look *look, struct buf *out)
{
	AUTO(buf_fini) struct buf scratch = {0};
	const char *address =
		told(line->event ? line->event->address : NULL, look->addresses, &scratch);
	char stamp[STAMP_LEN];

	stamp_print(stamp, line->wall_ms, true);
	if (look->journal)
		buf_printf(out, "<%u>", levels[line->level].priority);
	if (look->format == LOG_JSON) {
		json_line(line, stamp, address, out);
		return;
	}
	if (look->journal)
		buf_printf(out, "%s: ", line->part);
	else
		buf_printf(out, "%s %s %s: ", stamp, levels[line->level].name, line->part);
	text_line(line, address, out);
}

const char *log_quote(char out[LOG_QUOTE], struct slice text)
{
	enum { ROOM = LOG_QUOTE - 9 }; /* for one more character, dots, a quote and a NUL */
	size_t used = 1;

	out[0] = '"';
	while (text.len && used < ROOM) {
		unsigned char c = (unsigned char)*text.data;
		size_t len = utf8_first(text);
		/* U+0080 to U+009F are control characters too. */
		bool control = c < 0x20 || c == 0x7f ||
			       (len == 2 && c == 0xc2 && (unsigned char)text.data[1] < 0xa0);

		if (!len || control || c == '"' || c == '\\') {
			used += (size_t)snprintf(out + used, LOG_QUOTE - used, "\\x%02x", c);
			len = 1;
		} else {
			memcpy(out + used, text.data, len);
			used += len;
		}
		text = (struct slice){text.data + len, text.len - len};
	}
	snprintf(out + used, LOG_QUOTE - used, "%s\"", text.len ? "..." : "");
	return out;
}
