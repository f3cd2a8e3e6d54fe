/* SPDX-License-Identifier: MIT */
/* user import: one account a line. */
#include <string.h>
#include "base/mem.h"
#include "component/accounts.h"
#include "component/accounts_private.h"
#include "component/component.h"
#include "component/intake.h"
#include "ctl/ctl.h"
#include "jid/jid.h"

enum { ERRORS_SHOWN = 20, LINE_MAX_BYTES = 16384 };

struct import {
	struct accounts *accounts;
	size_t lines, line; /* so far; the number of the last one, from 1 */
	bool skipping;	    /* a line that is too long, to its end */
	size_t added, existed, wrong;
};

static void PRINTF_LIKE(3, 4)
	wrong_line(struct import *import, struct ctl_call *call, const char *format, ...)
{
	AUTO(buf_fini) struct buf text = {0};
	va_list args;

	if (import->wrong++ >= ERRORS_SHOWN)
		return;
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	ctl_error(call, "line %zu: %s", import->line, buf_text(&text));
}

/* -- reading lines -- */

/* False: more input is needed. *used of the input are the line, which may be too long to be all. */
static bool cut_line(struct slice input, bool ended, struct slice *line, size_t *used)
{
	const char *end = input.len ? memchr(input.data, '\n', input.len) : NULL;

	if (!end && !ended && input.len <= LINE_MAX_BYTES)
		return false;
	*line = input;
	if (end)
		line->len = (size_t)(end - input.data);
	*used = line->len + (end ? 1 : 0);
	if (line->len && line->data[line->len - 1] == '\r')
		line->len--;
	return true;
}

static struct slice cut_tab(struct slice *rest)
{
	const char *tab = rest->len ? memchr(rest->data, '\t', rest->len) : NULL;
	struct slice field = {rest->data, tab ? (size_t)(tab - rest->data) : rest->len};
	size_t skip = field.len + (tab ? 1 : 0);

	rest->data += skip;
	rest->len -= skip;
	return field;
}

/* RFC 5803 strings, one a hash. */
static bool read_keys(struct slice rest, struct auth_account *account)
{
	while (rest.len) {
		struct slice field = cut_tab(&rest);
		enum auth_hash hash;
		struct auth_key key;

		if (!auth_key_parse(field, &hash, &key) || account->keys[hash].present)
			return false;
		account->keys[hash] = key;
		mem_wipe(&key, sizeof(key));
	}
	return true;
}

static bool begins_scram(struct slice text)
{
	return text.len > 6 && !memcmp(text.data, "SCRAM-", 6) && memchr(text.data, '$', text.len);
}

/* NULL, or what is wrong with what stands behind the address. */
static const char *read_secret(struct slice rest, struct newcomer *newcomer)
{
	if (!rest.len)
		return "behind the address: a tab and the password";
	if (begins_scram(rest))
		return read_keys(rest, &newcomer->account)
			       ? NULL
			       : "this is no RFC 5803 string, "
				 "SCRAM-SHA-1$ROUNDS:SALT$STORED:SERVER";
	if (!auth_password_allowed(rest))
		return "the password is not allowed (SASLprep, RFC 4013)";
	buf_append_slice(&newcomer->password, rest);
	return NULL;
}

static struct newcomer *read_line(struct import *import, struct ctl_call *call, struct slice line)
{
	struct slice address = cut_tab(&line);
	struct newcomer *newcomer;
	uint64_t number;
	const char *why;
	struct jid *user;

	/* Who sorts the lines puts their numbers before them. */
	if (slice_to_u64(address, &number)) {
		import->line = (size_t)number;
		address = cut_tab(&line);
		if (!address.len && !line.len)
			return NULL;
	}
	user = account_jid(import->accounts->process, address, &why);
	if (!user) {
		wrong_line(import, call, "%.*s %s", (int)(address.len > 200 ? 200 : address.len),
			   address.data, why);
		return NULL;
	}
	newcomer = mem_zalloc(MEM_OTHER, sizeof(*newcomer));
	newcomer->user = user;
	newcomer->bytes = sizeof(*newcomer) + line.len;
	why = read_secret(line, newcomer);
	if (!why)
		return newcomer;
	wrong_line(import, call, "%s", why);
	jid_free(&newcomer->user);
	auth_account_wipe(&newcomer->account);
	mem_free(newcomer);
	return NULL;
}

static enum intake_next next(void *state, struct ctl_call *call, bool ended,
			     struct newcomer **newcomer)
{
	struct import *import = state;
	struct slice line;
	size_t used;

	while (ctl_input(call).len) {
		bool was_skipping = import->skipping;

		if (!cut_line(ctl_input(call), ended, &line, &used))
			return INTAKE_MORE;
		import->lines += !was_skipping;
		import->line += !was_skipping;
		import->skipping = line.data[used - 1] != '\n' && !ended;
		if (!was_skipping && line.len > LINE_MAX_BYTES)
			wrong_line(import, call, "longer than %d bytes", LINE_MAX_BYTES);
		else if (!was_skipping && line.len)
			*newcomer = read_line(import, call, line);
		ctl_take(call, used);
		if (*newcomer)
			return INTAKE_ONE;
	}
	return ended ? INTAKE_END : INTAKE_MORE;
}

/* -- the others of an intake -- */

static void settled(void *state, struct ctl_call *call, struct newcomer *newcomer,
		    enum newcomer_end end)
{
	struct import *import = state;

	import->added += end == NEWCOMER_ADDED;
	import->existed += end == NEWCOMER_EXISTED;
	if (end != NEWCOMER_LOCKED)
		return;
	if (++import->wrong <= ERRORS_SHOWN)
		ctl_error(call, "%s: such an account was deleted, and its name is locked", jid_text(newcomer->user));
}

static void free_newcomer(struct newcomer *newcomer)
{
	mem_free(newcomer);
}

static void tell(void *state, struct buf *out)
{
	const struct import *import = state;

	buf_printf(out, "%zu lines: %zu added, %zu existed already, %zu wrong", import->lines,
		   import->added, import->existed, import->wrong);
}

static bool end(void *state, struct ctl_call *call)
{
	const struct import *import = state;

	if (!import->lines)
		ctl_error(call, "the file is empty");
	if (import->wrong > ERRORS_SHOWN)
		ctl_error(call, "and %zu more lines", import->wrong - ERRORS_SHOWN);
	if (ctl_wants_json(call))
		ctl_print(call, "{\"added\": %zu, \"existed\": %zu, \"wrong\": %zu}", import->added,
			  import->existed, import->wrong);
	else
		ctl_print(call, "%zu added, %zu existed already, %zu wrong%s", import->added,
			  import->existed, import->wrong,
			  import->added ? "" : ": nothing was changed");
	return import->wrong || !import->lines;
}

static const struct intake_source lines = {next, settled, free_newcomer, tell, end, mem_free};

void account_import(void *arg, struct ctl_call *call)
{
	struct accounts *accounts = arg;
	struct import *import = mem_zalloc(MEM_OTHER, sizeof(*import));

	import->accounts = accounts;
	intake_start(accounts->intakes, call, &lines, import, false);
}
