/* SPDX-License-Identifier: MIT */
/* The rows of one user of jabberd2's sm. */
#include "run/import/jabberd2_rows.h"

#include <string.h>
#include "base/utf8.h"
#include "run/import/jabberd2_vcard.h"
#include "sm/import.h"
#include "stanza/ns.h"
#include "xml/nad.h"
#include "xml/parser.h"

const char *const jabberd2_tables[JABBERD2_TABLES] = {"roster-items", "queue", "vcard", "private"};

#define OF_OWNER " WHERE \"collection-owner\"=?1 ORDER BY \"object-sequence\""

/* "ask": 1 subscribe, 2 unsubscribe, which RFC 6121 has not. */
static const char *const selects[JABBERD2_TABLES] = {
	[JABBERD2_ITEMS] = "SELECT jid, name, \"to\", \"from\", ask FROM sm.\"%.*w%w\"" OF_OWNER,
	[JABBERD2_QUEUE] = "SELECT \"object-sequence\", xml FROM sm.\"%.*w%w\"" OF_OWNER,
	[JABBERD2_VCARD] = "SELECT * FROM sm.\"%.*w%w\" WHERE \"collection-owner\"=?1"
			   " ORDER BY \"object-sequence\" DESC LIMIT 1",
	[JABBERD2_PRIVATE] = "SELECT \"object-sequence\", xml FROM sm.\"%.*w%w\"" OF_OWNER,
};

static const char select_groups[] =
	"SELECT \"group\" FROM sm.\"%.*wroster-groups\" WHERE"
	" \"collection-owner\"=?1 AND jid=?2 ORDER BY \"object-sequence\"";

static int prepare(struct jabberd2_rows *rows, char *sql, sqlite3_stmt **statement)
{
	int code = sqlite3_prepare_v2(rows->db, sql, -1, statement, NULL);

	sqlite3_free(sql);
	return code;
}

int jabberd2_rows_prepare(struct jabberd2_rows *rows, struct slice prefix)
{
	int len = (int)prefix.len;
	int code = prepare(rows, sqlite3_mprintf(select_groups, len, prefix.data), &rows->groups);

	for (unsigned at = 0; code == SQLITE_OK && at < JABBERD2_TABLES; at++)
		code = prepare(rows,
			       sqlite3_mprintf(selects[at], len, prefix.data, jabberd2_tables[at]),
			       &rows->statements[at]);
	rows->code = SQLITE_DONE;
	return code;
}

void jabberd2_rows_fini(struct jabberd2_rows *rows)
{
	sqlite3_finalize(rows->groups);
	for (unsigned at = 0; at < JABBERD2_TABLES; at++)
		sqlite3_finalize(rows->statements[at]);
}

/* -- text -- */

void jabberd2_clean(struct slice text, struct buf *out)
{
	while (text.len) {
		size_t len = utf8_first_xml(text);

		if (len)
			buf_append(out, text.data, len);
		else
			buf_append_char(out, '?');
		text.data += len ? len : 1;
		text.len -= len ? len : 1;
	}
}

/* -- rows -- */

static struct slice column(sqlite3_stmt *statement, int at)
{
	const char *text = (const char *)sqlite3_column_text(statement, at);

	return (struct slice){text, text ? (size_t)sqlite3_column_bytes(statement, at) : 0};
}

/* The next row; false when there is none: rows->code says why. */
static bool step(struct jabberd2_rows *rows, sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	if (code == SQLITE_ROW)
		return true;
	rows->code = code == SQLITE_DONE ? rows->code : code;
	sqlite3_reset(statement);
	return false;
}

static void start(sqlite3_stmt *statement, struct slice owner)
{
	sqlite3_bind_text(statement, 1, owner.data, (int)owner.len, SQLITE_STATIC);
}

static void PRINTF_LIKE(2, 3) problem(struct nad *nad, const char *format, ...)
{
	AUTO(buf_fini) struct buf text = {0};
	AUTO(buf_fini) struct buf clean = {0};
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	jabberd2_clean(buf_slice(&text), &clean);
	nad_append_text(nad, NS_IMPORT_PROBLEM, "problem", 2, buf_slice(&clean));
}

/* -- roster -- */

static void append_groups(struct jabberd2_rows *rows, struct nad *nad, struct slice jid)
{
	sqlite3_bind_text(rows->groups, 2, jid.data, (int)jid.len, SQLITE_STATIC);
	while (step(rows, rows->groups)) {
		struct slice group = column(rows->groups, 0);

		if (utf8_is_xml(group))
			nad_append_text(nad, NS_ROSTER, "group", 4, group);
	}
}

static void append_item(struct jabberd2_rows *rows, struct nad *nad, sqlite3_stmt *statement)
{
	static const char *const words[] = {"none", "to", "from", "both"};
	struct slice jid = column(statement, 0), name = column(statement, 1);
	int state = (sqlite3_column_int(statement, 2) ? 1 : 0) |
		    (sqlite3_column_int(statement, 3) ? 2 : 0);

	nad_append(nad, NS_ROSTER, "item", 3);
	nad_append_attr(nad, -1, "jid", jid);
	if (name.len)
		nad_append_attr(nad, -1, "name", name);
	nad_append_attr(nad, -1, "subscription", slice_of(words[state]));
	if (sqlite3_column_int(statement, 4) == 1)
		nad_append_attr(nad, -1, "ask", SLICE("subscribe"));
	append_groups(rows, nad, jid);
}

static void append_items(struct jabberd2_rows *rows, struct nad *nad, struct slice owner)
{
	sqlite3_stmt *statement = rows->statements[JABBERD2_ITEMS];

	start(statement, owner);
	start(rows->groups, owner);
	nad_append(nad, NS_ROSTER, "query", 2);
	while (step(rows, statement)) {
		struct slice jid = column(statement, 0);

		if (utf8_is_xml(jid) && utf8_is_xml(column(statement, 1))) {
			append_item(rows, nad, statement);
			continue;
		}
		problem(nad, "contact %.*s has characters that XML has not", (int)jid.len,
			jid.data);
		nad_append(nad, NS_ROSTER, "query", 2);
	}
}

/* -- elements -- */

/* The first element that is in its namespace "jabber:client": jabberd2 keeps a stanza within a
 * <route/>, behind the letters NAD. */
static int stanza_of(const struct nad *nad)
{
	int elem = 0;

	while (elem >= 0 && !slice_is(nad_ns(nad, elem), NS_CLIENT))
		elem = nad_first_child(nad, elem);
	return elem;
}

static struct nad *parse(struct slice xml)
{
	static const struct xml_limits limits = {
		.stanza_bytes = IMPORT_HOST_MAX, .depth = 1000, .attributes = 1000};

	if (xml.len > 3 && !memcmp(xml.data, "NAD", 3)) {
		xml.data += 3;
		xml.len -= 3;
	}
	return xml_parse(xml, &limits);
}

static void append_queued(struct nad *nad, sqlite3_stmt *statement)
{
	AUTO(nad_free) struct nad *read = parse(column(statement, 1));
	int elem = read ? stanza_of(read) : -1;

	if (elem >= 0 && nad_is(read, elem, NS_CLIENT, "message")) {
		nad_append(nad, NS_PIE, "offline-messages", 2);
		nad_append_tree(nad, read, elem, 3);
	} else if (elem >= 0 && nad_is(read, elem, NS_CLIENT, "presence")) {
		nad_append_tree(nad, read, elem, 2);
	} else {
		problem(nad, "queue, row %lld: %s", (long long)sqlite3_column_int64(statement, 0),
			read ? "neither message nor presence" : "no well-formed XML");
	}
}

/* An iq with a query, whose children are what was stored. */
static void append_private(struct nad *nad, sqlite3_stmt *statement)
{
	AUTO(nad_free) struct nad *read = parse(column(statement, 1));
	int iq = read ? stanza_of(read) : -1;
	int query = iq >= 0 ? nad_find_child(read, iq, "jabber:iq:private", "query") : -1;
	int at = query >= 0 ? nad_first_child(read, query) : -1;

	if (at < 0) {
		problem(nad, "private, row %lld: %s", (long long)sqlite3_column_int64(statement, 0),
			read ? "nothing was stored" : "no well-formed XML");
		return;
	}
	nad_append(nad, "jabber:iq:private", "query", 2);
	for (; at >= 0; at = nad_next_sibling(read, at))
		nad_append_tree(nad, read, at, 3);
}

static void append_all(struct jabberd2_rows *rows, struct nad *nad, struct slice owner,
		       enum jabberd2_table table,
		       void (*append)(struct nad *nad, sqlite3_stmt *statement))
{
	start(rows->statements[table], owner);
	while (step(rows, rows->statements[table]))
		append(nad, rows->statements[table]);
}

/* -- vCards -- */

static struct slice named_column(void *arg, const char *name)
{
	sqlite3_stmt *statement = arg;
	int count = sqlite3_column_count(statement);

	for (int at = 0; at < count; at++) {
		if (!strcmp(sqlite3_column_name(statement, at), name)) {
			struct slice text = column(statement, at);

			return utf8_is_xml(text) ? text : SLICE("");
		}
	}
	return SLICE("");
}

static void append_vcard(struct nad *nad, sqlite3_stmt *statement)
{
	jabberd2_vcard(nad, 2, named_column, statement);
}

void jabberd2_rows_append(struct jabberd2_rows *rows, struct nad *nad, struct slice owner)
{
	append_items(rows, nad, owner);
	append_all(rows, nad, owner, JABBERD2_QUEUE, append_queued);
	append_all(rows, nad, owner, JABBERD2_VCARD, append_vcard);
	append_all(rows, nad, owner, JABBERD2_PRIVATE, append_private);
}
