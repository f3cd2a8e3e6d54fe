/* SPDX-License-Identifier: MIT */
/* The command "import": reads XEP-0227, turns users into rows. */
#include "sm/import.h"

#include <string.h>
#include "base/mem.h"
#include "component/component.h"
#include "component/intake.h"
#include "ctl/ctl.h"
#include "jid/jid.h"
#include "sm/import_user.h"
#include "xml/nad.h"
#include "xml/parser.h"

enum { PROBLEMS_SHOWN = 20 };

struct user_imports {
	struct process *process;
	struct intakes *intakes;
};

struct import {
	struct process *process;
	struct ctl_call *call; /* while a function of the source runs */
	struct xml_pool *pool;
	struct xml_reader *reader;
	struct nad *host; /* the one being read; or NULL */
	int user;	  /* its next child */
	bool dry, begun, broken;
	struct import_tally tally;
	size_t users, existed, refused, problems;
};

/* -- what is wrong -- */

static void PRINTF_LIKE(2, 3) problem(struct import *import, const char *format, ...)
{
	AUTO(buf_fini) struct buf text = {0};
	va_list args;

	if (import->problems++ >= PROBLEMS_SHOWN)
		return;
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	ctl_error(import->call, "%s", buf_text(&text));
}

static void all_problems(struct import *import, struct slice lines)
{
	while (lines.len) {
		const char *end = memchr(lines.data, '\n', lines.len);
		size_t len = end ? (size_t)(end - lines.data) : lines.len;

		problem(import, "%.*s", (int)len, lines.data);
		lines.data += len + (end ? 1 : 0);
		lines.len -= len + (end ? 1 : 0);
	}
}

/* -- users -- */

static struct newcomer *read_user(struct import *import, int elem)
{
	struct slice domain = nad_attr_value(import->host, 0, "jid");
	struct slice name = nad_attr_value(import->host, elem, "name");
	AUTO(jid_free) struct jid *jid = jid_make(name, domain, SLICE(""));
	const char *why = NULL;

	if (!jid || !name.len)
		why = "is no address";
	else if (!settings_serves(import->process->workers[0]->settings, jid_domain(jid)))
		why = "is not of a domain that is served here (domains)";
	else if (auth_is_anonymous(jid))
		why = "is a name that anonymous logins get: no account has one";
	if (!why)
		return import_user_read(import->host, elem, jid,
					mio_wall_ms(import->process->workers[0]->mio));
	import->refused++;
	problem(import, "%.*s@%.*s %s", (int)name.len, name.data, (int)domain.len, domain.data,
		why);
	return NULL;
}

/* The next user of the host that was read; NULL: it has no more. */
static struct newcomer *next_user(struct import *import)
{
	struct newcomer *newcomer = NULL;

	while (!newcomer && import->user >= 0) {
		int elem = import->user;

		import->user = nad_next_sibling(import->host, elem);
		if (nad_is(import->host, elem, NS_PIE, "user")) {
			newcomer = read_user(import, elem);
			nad_wipe(import->host, nad_attr_value(import->host, elem, "password"));
		} else if (nad_is(import->host, elem, NS_IMPORT_PROBLEM, "problem")) {
			all_problems(import, nad_cdata(import->host, elem));
		}
	}
	return newcomer;
}

/* Reads one thing of the input. False: there is no more to read for now, or at all. */
static bool read_host(struct import *import)
{
	struct slice input = ctl_input(import->call);
	AUTO(nad_free) struct nad *nad = NULL;
	size_t used = 0;
	int rc = xml_read(import->reader, input, &used, &nad);

	ctl_take(import->call, used);
	if (rc == XML_HEADER && !nad_is(nad, 0, NS_PIE, "server-data"))
		rc = XML_NOT_WELL_FORMED;
	if (rc >= XML_NOT_WELL_FORMED) {
		problem(import, rc == XML_TOO_BIG
					? "a <host/> is longer than 64 MB: what follows is not read"
					: "the input is no XEP-0227 document from here on");
		import->broken = true;
	}
	import->begun |= rc == XML_HEADER;
	if (rc == XML_ELEMENT && nad_is(nad, 0, NS_PIE, "host")) {
		nad_free(&import->host);
		import->host = nad;
		import->user = nad_first_child(nad, 0);
		nad = NULL;
	}
	return rc == XML_HEADER || rc == XML_ELEMENT;
}

static enum intake_next next(void *state, struct ctl_call *call, bool ended,
			     struct newcomer **newcomer)
{
	struct import *import = state;

	import->call = call;
	do {
		if (import->host)
			*newcomer = next_user(import);
		if (*newcomer)
			return INTAKE_ONE;
		nad_free(&import->host);
	} while (!import->broken && read_host(import));
	return ended || import->broken ? INTAKE_END : INTAKE_MORE;
}

static void settled(void *state, struct ctl_call *call, struct newcomer *newcomer,
		    enum newcomer_end end)
{
	struct import *import = state;
	const struct import_user *user = container_of(newcomer, struct import_user, newcomer);

	import->call = call;
	if (end == NEWCOMER_EXISTED) {
		import->existed++;
		return;
	}
	if (end == NEWCOMER_LOCKED) {
		import->refused++;
		problem(import, "%s: such an account was deleted, and its name is locked", jid_text(newcomer->user));
		return;
	}
	import->users++;
	import_tally_add(&import->tally, &user->tally);
	all_problems(import, buf_slice(&user->problems));
}

/* -- the end -- */

static void tell(void *state, struct buf *out)
{
	const struct import *import = state;

	buf_printf(out, "%zu users, %zu contacts, %zu messages; %zu existed already", import->users,
		   import->tally.contacts, import->tally.messages, import->existed);
}

static void print_text(const struct import *import, struct ctl_call *call)
{
	const struct import_tally *tally = &import->tally;

	if (import->dry)
		ctl_print(call, "a dry run: nothing was written");
	ctl_print(call,
		  "%zu users added, %zu existed already, %zu not taken; %zu without a password",
		  import->users, import->existed, import->refused, tally->without_password);
	ctl_print(call,
		  "with them: %zu contacts, %zu requests, %zu messages, %zu vCards, %zu private; "
		  "%zu problems",
		  tally->contacts, tally->requests, tally->messages, tally->vcards, tally->privates,
		  import->problems);
	if (!import->users)
		ctl_print(call, "nothing was added");
}

static bool end(void *state, struct ctl_call *call)
{
	struct import *import = state;
	const struct import_tally *tally = &import->tally;

	import->call = call;
	if (!import->begun && !import->broken)
		problem(import, "the input is no XEP-0227 document");
	if (import->problems > PROBLEMS_SHOWN)
		ctl_error(call, "and %zu more problems", import->problems - PROBLEMS_SHOWN);
	if (!ctl_wants_json(call))
		print_text(import, call);
	else
		ctl_print(call,
			  "{\"dry_run\": %s, \"added\": %zu, \"existed\": %zu, \"refused\": %zu, "
			  "\"without_password\": %zu, \"contacts\": %zu, \"requests\": %zu, "
			  "\"messages\": %zu, \"vcards\": %zu, \"private\": %zu, \"problems\": "
			  "%zu}",
			  import->dry ? "true" : "false", import->users, import->existed,
			  import->refused, tally->without_password, tally->contacts,
			  tally->requests, tally->messages, tally->vcards, tally->privates,
			  import->problems);
	return import->problems > 0;
}

static void import_free(void *state)
{
	struct import *import = state;

	nad_free(&import->host);
	xml_reader_free(&import->reader);
	xml_pool_free(&import->pool);
	mem_free(import);
}

static const struct intake_source users = {next, settled, import_user_free, tell, end, import_free};

static void run(void *arg, struct ctl_call *call)
{
	static const struct xml_limits limits = {
		.stanza_bytes = IMPORT_HOST_MAX, .depth = 1000, .attributes = 1000};
	struct user_imports *imports = arg;
	const char *word = ctl_arg(call, 0);
	struct import *import;

	if (!imports->process->storage || !imports->process->hashing) {
		ctl_end(call, CTL_ELSEWHERE);
		return;
	}
	import = mem_zalloc(MEM_OTHER, sizeof(*import));
	import->process = imports->process;
	import->dry = word && strcmp(word, "dry-run") == 0;
	import->pool = xml_pool_new();
	import->reader = xml_reader_new(import->pool, &limits);
	intake_start(imports->intakes, call, &users, import, import->dry);
}

static const struct ctl_command commands[] = {
	{"import", "[dry-run]", "takes users in, XEP-0227", "jackdaw import jabberd2 /etc/jabberd2",
	 CTL_STREAMED, run},
	{.name = NULL},
};

struct user_imports *user_imports_new(struct ctl *ctl, struct process *process)
{
	struct user_imports *imports = mem_zalloc(MEM_OTHER, sizeof(*imports));

	imports->process = process;
	imports->intakes = intakes_new(ctl, process);
	ctl_add(ctl, commands, imports);
	return imports;
}

void user_imports_free(struct user_imports **imports)
{
	if (!*imports)
		return;
	intakes_free(&(*imports)->intakes);
	mem_free(*imports);
	*imports = NULL;
}
