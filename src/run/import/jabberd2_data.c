/* SPDX-License-Identifier: MIT */
/* The users of jabberd2's databases, one after the other. */
#include "run/import/jabberd2_data.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "run/import/jabberd2_rows.h"
#include "sm/import.h"
#include "xml/nad.h"

enum { BUSY_MS = 30000 };

enum phase { HEADER, USERS, ORPHANS, DONE };

struct jabberd2_data {
	struct jabberd2_rows rows;
	sqlite3_stmt *users, *orphans[JABBERD2_TABLES];
	unsigned orphan; /* the table that is looked at */
	enum phase phase;
	enum jabberd2_passwords passwords;
	uint64_t count, done;
	bool blocks;
	struct buf out, why;
};

/* -- opening -- */

static int fault(struct jabberd2_data *data, struct buf *why)
{
	buf_append_text(why, sqlite3_errmsg(data->rows.db));
	return -ECANCELED;
}

/*
 * All whom jabberd2 knows: authreg says who may log in, active whom its sm has seen. A realm may
 * be of more than one domain. authreg has names as they were typed, sm has them prepared.
 */
static const char known[] =
	"WITH map(realm, domain) AS (%s), "
	"accounts(jid, password) AS ("
	" SELECT lower(username || '@' || coalesce(map.domain, authreg.realm)), password"
	" FROM main.authreg LEFT JOIN map ON map.realm = authreg.realm), "
	"known(jid, password) AS ("
	" SELECT jid, max(password) FROM accounts GROUP BY jid"
	" UNION ALL SELECT DISTINCT \"collection-owner\", NULL FROM sm.\"%w\""
	" WHERE \"collection-owner\" NOT IN (SELECT jid FROM accounts)) ";

static void append_quoted(struct slice text, struct buf *sql)
{
	char *quoted = sqlite3_mprintf("'%.*q'", (int)text.len, text.data);

	buf_append_text(sql, quoted);
	sqlite3_free(quoted);
}

static void append_map(const struct jabberd2_place *place, struct buf *sql)
{
	for (size_t at = 0; at < place->realm_count; at++) {
		buf_append_text(sql, at ? ", (" : "VALUES (");
		append_quoted(place->realms[at].realm, sql);
		buf_append_text(sql, ", ");
		append_quoted(place->realms[at].domain, sql);
		buf_append_char(sql, ')');
	}
	if (!place->realm_count)
		buf_append_text(sql, "SELECT NULL, NULL WHERE 0");
}

static int prepare_known(struct jabberd2_data *data, const struct jabberd2_place *place,
			 const char *rest, sqlite3_stmt **statement)
{
	AUTO(buf_fini) struct buf map = {0};
	AUTO(buf_fini) struct buf active = {0};
	char *with, *sql;
	int code;

	append_map(place, &map);
	buf_append_slice(&active, place->prefix);
	buf_append_text(&active, "active");
	with = sqlite3_mprintf(known, buf_text(&map), buf_text(&active));
	sql = sqlite3_mprintf("%s%s", with, rest);
	code = sqlite3_prepare_v2(data->rows.db, sql, -1, statement, NULL);
	sqlite3_free(with);
	sqlite3_free(sql);
	return code;
}

static int prepare_orphans(struct jabberd2_data *data, const struct jabberd2_place *place,
			   unsigned table)
{
	char *rest =
		sqlite3_mprintf("SELECT \"collection-owner\", count(*) FROM sm.\"%.*w%w\" WHERE"
				" \"collection-owner\" NOT IN (SELECT jid FROM known)"
				" GROUP BY 1",
				(int)place->prefix.len, place->prefix.data, jabberd2_tables[table]);
	int code = prepare_known(data, place, rest, &data->orphans[table]);

	sqlite3_free(rest);
	return code;
}

static int prepare(struct jabberd2_data *data, const struct jabberd2_place *place)
{
	sqlite3_stmt *count = NULL;
	int code = jabberd2_rows_prepare(&data->rows, place->prefix);

	if (code == SQLITE_OK)
		code = prepare_known(data, place, "SELECT jid, password FROM known", &data->users);
	for (unsigned table = 0; code == SQLITE_OK && table < JABBERD2_TABLES; table++)
		code = prepare_orphans(data, place, table);
	if (code == SQLITE_OK)
		code = prepare_known(data, place, "SELECT count(*) FROM known", &count);
	if (code == SQLITE_OK && (code = sqlite3_step(count)) == SQLITE_ROW) {
		data->count = (uint64_t)sqlite3_column_int64(count, 0);
		code = SQLITE_OK;
	}
	sqlite3_finalize(count);
	return code;
}

/* Both databases under one connection, as main and sm, read at one moment. */
static int open_both(struct jabberd2_data *data, const struct jabberd2_place *place)
{
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
	AUTO(buf_fini) struct buf path = {0};
	sqlite3_stmt *statement = NULL;
	sqlite3 *db;
	int code;

	buf_append_slice(&path, place->accounts);
	code = sqlite3_open_v2(buf_text(&path), &data->rows.db, flags, NULL);
	db = data->rows.db;
	if (code == SQLITE_OK)
		sqlite3_busy_timeout(db, BUSY_MS);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(db, "ATTACH ?1 AS sm", -1, &statement, NULL);
	if (code == SQLITE_OK) {
		sqlite3_bind_text(statement, 1, place->storage.data, (int)place->storage.len,
				  SQLITE_STATIC);
		code = sqlite3_step(statement) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(db);
	}
	sqlite3_finalize(statement);
	return code == SQLITE_OK ? sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) : code;
}

static int find_journal(struct jabberd2_data *data)
{
	sqlite3_stmt *statement = NULL;
	int code =
		sqlite3_prepare_v2(data->rows.db, "PRAGMA sm.journal_mode", -1, &statement, NULL);

	if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *mode = (const char *)sqlite3_column_text(statement, 0);

		data->blocks = mode && strcmp(mode, "wal") != 0;
		code = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	return code;
}

static void explain(struct jabberd2_data *data, const struct jabberd2_place *place, int code,
		    struct buf *why)
{
	buf_append_slice(why, place->accounts);
	if (!slice_equal(place->accounts, place->storage)) {
		buf_append_text(why, ", ");
		buf_append_slice(why, place->storage);
	}
	buf_append_text(why, ": ");
	fault(data, why);
	if ((code & 0xff) == SQLITE_ERROR)
		buf_append_text(why, "; this is no database of jabberd2, whose tables its "
				     "db-setup.sqlite makes");
	else if ((code & 0xff) == SQLITE_NOTADB)
		buf_append_text(why, "; name the file that dbname in c2s.xml and sm.xml names");
	else if ((code & 0xff) == SQLITE_CANTOPEN)
		buf_append_text(why, "; is it there, and may you read it and write its directory?");
}

int jabberd2_open(const struct jabberd2_place *place, struct jabberd2_data **out, struct buf *why)
{
	struct jabberd2_data *data = mem_zalloc(MEM_OTHER, sizeof(*data));
	int code;

	data->passwords = place->passwords;
	code = open_both(data, place);
	if (code == SQLITE_OK)
		code = find_journal(data);
	if (code == SQLITE_OK)
		code = prepare(data, place);
	if (code == SQLITE_OK) {
		*out = data;
		return 0;
	}
	explain(data, place, code, why);
	jabberd2_close(&data);
	return -EINVAL;
}

void jabberd2_close(struct jabberd2_data **taken)
{
	struct jabberd2_data *data = *taken;

	*taken = NULL;
	if (!data)
		return;
	sqlite3_finalize(data->users);
	for (unsigned table = 0; table < JABBERD2_TABLES; table++)
		sqlite3_finalize(data->orphans[table]);
	jabberd2_rows_fini(&data->rows);
	sqlite3_close(data->rows.db);
	buf_wipe(&data->out);
	buf_fini(&data->why);
	mem_free(data);
}

/* -- reading -- */

static void host_problem(struct jabberd2_data *data, struct slice text)
{
	AUTO(buf_fini) struct buf clean = {0};

	jabberd2_clean(text, &clean);
	buf_append_text(&data->out, "<host jid=''><problem xmlns='" NS_IMPORT_PROBLEM "'>");
	buf_append_xml(&data->out, buf_slice(&clean));
	buf_append_text(&data->out, "</problem></host>\n");
}

/* crypt(3)'s "$6$salt$hash", or MD5 of user:realm:password in hexadecimal. */
static bool looks_hashed(struct slice password)
{
	if (password.len > 4 && password.data[0] == '$')
		return memchr(password.data + 1, '$', password.len - 1) != NULL;
	return password.len == 32 && strspn(password.data, "0123456789abcdef") >= 32;
}

/* NULL: it is to be used. */
static const char *password_problem(const struct jabberd2_data *data, struct slice password)
{
	if (!password.len)
		return "has no password in authreg: jackdaw user passwd gives it one";
	if (data->passwords == JABBERD2_HASHED)
		return "has a hashed password (password_type): jackdaw user passwd gives it one";
	if (data->passwords == JABBERD2_GUESS && looks_hashed(password))
		return "has a password that looks hashed: name the directory of c2s.xml, whose "
		       "password_type says; else jackdaw user passwd gives it one";
	return utf8_is_xml(password)
		       ? NULL
		       : "has a password with characters that no client can send";
}

static void print_user(struct jabberd2_data *data, struct slice jid, struct slice password)
{
	enum { ROOM = 256 };
	AUTO(nad_free) struct nad *nad = nad_new();
	const char *at = memchr(jid.data, '@', jid.len), *problem;
	struct slice name = {jid.data, (size_t)(at - jid.data)};
	size_t before = buf_used(&data->out);

	nad_append(nad, NS_PIE, "host", 0);
	nad_append_attr(nad, -1, "jid", (struct slice){at + 1, jid.len - name.len - 1});
	nad_append(nad, NS_PIE, "user", 1);
	nad_append_attr(nad, -1, "name", name);
	problem = password_problem(data, password);
	if (!problem)
		nad_append_attr(nad, -1, "password", password);
	else
		nad_append_text(nad, NS_IMPORT_PROBLEM, "problem", 2, slice_of(problem));
	jabberd2_rows_append(&data->rows, nad, jid);
	nad_print(nad, 0, NS_PIE, &data->out);
	nad_wipe(nad, nad_attr_value(nad, 1, "password"));
	if (buf_used(&data->out) - before > IMPORT_HOST_MAX - ROOM) {
		data->out.len = data->out.start + before;
		buf_append_slice(&data->why, jid);
		buf_append_text(&data->why, " has more than 64 MB: not taken");
		host_problem(data, buf_slice(&data->why));
		buf_clear(&data->why);
	}
	buf_append_char(&data->out, '\n');
}

static struct slice column(sqlite3_stmt *statement, int at)
{
	const char *text = (const char *)sqlite3_column_text(statement, at);

	return (struct slice){text, text ? (size_t)sqlite3_column_bytes(statement, at) : 0};
}

static int next_user(struct jabberd2_data *data)
{
	int code = sqlite3_step(data->users);
	struct slice jid;

	if (code != SQLITE_ROW) {
		data->phase = ORPHANS;
		return code == SQLITE_DONE ? 0 : fault(data, &data->why);
	}
	data->done++;
	jid = column(data->users, 0);
	if (jid.len && memchr(jid.data, '@', jid.len) && utf8_is_xml(jid)) {
		print_user(data, jid, column(data->users, 1));
	} else {
		AUTO(buf_fini) struct buf text = {0};

		buf_append_slice(&text, jid);
		buf_append_text(&text, " is no address of a user");
		host_problem(data, buf_slice(&text));
	}
	return data->rows.code == SQLITE_DONE ? 0 : fault(data, &data->why);
}

/* Rows of those who are gone. */
static int next_orphan(struct jabberd2_data *data)
{
	sqlite3_stmt *statement;
	AUTO(buf_fini) struct buf text = {0};
	struct slice owner;
	int code;

	if (data->orphan == JABBERD2_TABLES) {
		buf_append_text(&data->out, "</server-data>\n");
		data->phase = DONE;
		return 0;
	}
	statement = data->orphans[data->orphan];
	code = sqlite3_step(statement);
	if (code != SQLITE_ROW) {
		data->orphan++;
		return code == SQLITE_DONE ? 0 : fault(data, &data->why);
	}
	owner = column(statement, 0);
	buf_printf(&text, "%s: %lld rows of %.*s, who is not in authreg or active, left out",
		   jabberd2_tables[data->orphan], (long long)sqlite3_column_int64(statement, 1),
		   (int)owner.len, owner.data);
	host_problem(data, buf_slice(&text));
	return 0;
}

static int next_piece(struct jabberd2_data *data)
{
	switch (data->phase) {
	case HEADER:
		buf_append_text(&data->out, "<server-data xmlns='" NS_PIE "'>\n");
		data->phase = USERS;
		return 0;
	case USERS:
		return next_user(data);
	case ORPHANS:
		return next_orphan(data);
	default:
		return 0;
	}
}

ssize_t jabberd2_read(struct jabberd2_data *data, char *room, size_t len)
{
	struct slice ready;

	while (buf_used(&data->out) < len && data->phase != DONE) {
		int rc = next_piece(data);

		if (rc)
			return rc;
	}
	ready = buf_slice(&data->out);
	if (len > ready.len)
		len = ready.len;
	if (len)
		memcpy(room, ready.data, len);
	buf_skip(&data->out, len);
	return (ssize_t)len;
}

const char *jabberd2_why(struct jabberd2_data *data)
{
	return buf_text(&data->why);
}

uint64_t jabberd2_count(const struct jabberd2_data *data)
{
	return data->count;
}

uint64_t jabberd2_done(const struct jabberd2_data *data)
{
	return data->done;
}

bool jabberd2_blocks(const struct jabberd2_data *data)
{
	return data->blocks;
}
