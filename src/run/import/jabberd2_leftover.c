/* SPDX-License-Identifier: MIT */
/* The keys of jabberd2 that have no counterpart, each with the reason. */
#include <string.h>
#include "run/import/jabberd2_config.h"
#include "run/import/jabberd2_file.h"
#include "xml/nad.h"

enum { IN_C2S = 1, IN_SM = 2, IN_ROUTER = 4, IN_S2S = 8, IN_ALL = 15, IN_PARTS = IN_C2S | IN_SM };

#define CONVERTED NULL
#define NOT_YET "not in this version"
#define CLIENT_CA "tls.client_ca: the CA whose certificates clients may log in with (EXTERNAL)"
#define NO_TLS "there is no TLS between parts in this version: keep them on one machine"
#define SQL "jackdaw import jabberd2 brings the data over; here it is in data.dir"

/*
 * The first that fits decides; a path fits what begins with it. An attribute is written behind
 * an at sign.
 */
static const struct {
	unsigned files;
	const char *path, *why;
} keys[] = {
	{IN_S2S, "router/", CONVERTED},
	{IN_S2S, "",
	 "other servers (s2s) are not in this version; jabberd2's s2s goes on at our router"},
	{IN_ALL, "id", "parts are called after their verb, or by --name"},
	{IN_ALL, "pidfile", "no file with a pid: data.dir has NAME.lock"},
	{IN_ALL, "log", "lines go to standard error; log.level and log.format"},
	{IN_PARTS, "router/ip", CONVERTED},
	{IN_PARTS, "router/port", CONVERTED},
	{IN_PARTS, "router/user", CONVERTED},
	{IN_PARTS, "router/pass", CONVERTED},
	{IN_PARTS, "router/retry", "parts look for their router until it is there"},
	{IN_PARTS, "router/", NO_TLS},

	{IN_C2S, "local/id@realm", "users are of a domain; the import makes them so"},
	{IN_C2S, "local/id@pemfile", CONVERTED},
	{IN_C2S, "local/id@require-starttls", CONVERTED},
	{IN_C2S, "local/id@register-enable", CONVERTED},
	{IN_C2S, "local/id@password-change", "clients may always change their password"},
	{IN_C2S, "local/id@instructions", "the form of a registration has a text of its own"},
	{IN_C2S, "local/id@register-oob", "registration by a web page: " NOT_YET},
	{IN_C2S, "local/id@cachain", CLIENT_CA},
	{IN_C2S, "local/id@verify-mode", CLIENT_CA},
	{IN_C2S, "local/id@ciphers", "OpenSSL's choice; tls.minimum says the oldest version"},
	{IN_C2S, "local/id@", "one source of accounts for all domains"},
	{IN_C2S, "local/id", CONVERTED},
	{IN_C2S, "local/ip", CONVERTED},
	{IN_C2S, "local/port", CONVERTED},
	{IN_C2S, "local/ssl-port", CONVERTED},
	{IN_C2S, "local/pemfile", CONVERTED},
	{IN_C2S, "local/verify-mode", CLIENT_CA},
	{IN_C2S, "local/cachain", CLIENT_CA},
	{IN_C2S, "local/ciphers", "OpenSSL's choice; tls.minimum says the oldest version"},
	{IN_C2S, "local/httpforward", "no HTTP on the port of clients"},
	{IN_C2S, "io/limits/bytes@throttle", "a client over its rate is read later, not cut off"},
	{IN_C2S, "io/limits/bytes", CONVERTED},
	{IN_C2S, "io/limits/stanzasize", CONVERTED},
	{IN_C2S, "io/limits/stanzas", "limits.client_rate counts bytes"},
	{IN_C2S, "io/limits/connects",
	 "limits.connections_per_address bounds how many, not how fast"},
	{IN_C2S, "io/max_fds", "limits.connections; or as many as the process may have: ulimit -n, LimitNOFILE"},
	{IN_C2S, "io/compression", "stream compression is off: it leaks secrets under TLS"},
	{IN_C2S, "io/websocket", "WebSocket: " NOT_YET},
	{IN_C2S, "io/access", "access lists by address: " NOT_YET ", use the firewall"},
	{IN_C2S, "io/check", "probing silent clients (sessions.ping): " NOT_YET},
	{IN_C2S, "stats", "jackdaw status counts"},
	{IN_C2S, "pbx", "no fake sessions"},
	{IN_C2S, "stream_redirect", "see-other-host: " NOT_YET},
	{IN_C2S, "authreg/sqlite/", SQL},
	{IN_C2S, "authreg/mechanisms",
	 "accounts.mechanisms: SCRAM and PLAIN; no DIGEST-MD5, no jabber:iq:auth"},
	{IN_C2S, "authreg/ssl-mechanisms",
	 "accounts.mechanisms: PLAIN only under TLS when tls.required"},
	{IN_C2S, "authreg/module", "accounts are in our own database (accounts.from)"},
	{IN_C2S, "authreg/path", "no loadable modules"},
	{IN_C2S, "authreg/", "accounts are in our own database (accounts.from)"},

	{IN_SM, "local/id", CONVERTED},
	{IN_SM, "storage/sqlite", SQL},
	{IN_SM, "storage/driver", "SQLite of our own (storage.url)"},
	{IN_SM, "storage/path", "no loadable modules"},
	{IN_SM, "storage/limits", "users' requests to storage are not counted"},
	{IN_SM, "storage/", "SQLite of our own (storage.url)"},
	{IN_SM, "aci", "name administrators in admins"},
	{IN_SM, "modules", "all modules are on, in an order that is ours to know"},
	{IN_SM, "discovery", "what disco answers is not to be set"},
	{IN_SM, "user/auto-create", "our sm makes who is added: jackdaw user add, or registration"},
	{IN_SM, "user/vcard", "a vCard is bounded by limits.stanza"},
	{IN_SM, "user/template", "templates for new users: " NOT_YET},
	{IN_SM, "amp", "XEP-0079: " NOT_YET},
	{IN_SM, "offline/dropmessages", CONVERTED},
	{IN_SM, "offline/userquota", "1000 messages wait for a user"},
	{IN_SM, "offline/storeheadlines", "headlines are not kept"},
	{IN_SM, "offline/dropsubscriptions", "requests are kept until they are answered"},
	{IN_SM, "offline", "messages.offline says how long messages wait"},
	{IN_SM, "roster", "2000 contacts for a user"},
	{IN_SM, "status", "no presence of a service"},

	{IN_ROUTER, "local/ip", CONVERTED},
	{IN_ROUTER, "local/port", CONVERTED},
	{IN_ROUTER, "local/users", CONVERTED},
	{IN_ROUTER, "local/secret", CONVERTED},
	{IN_ROUTER, "local/pemfile", NO_TLS},
	{IN_ROUTER, "check", "the system finds dead connections"},
	{IN_ROUTER, "io/access", CONVERTED},
	{IN_ROUTER, "io/limits/bytes@throttle", "who is over its rate is read later, not cut off"},
	{IN_ROUTER, "io/limits/connects@throttle", "who connects too often is refused"},
	{IN_ROUTER, "io/limits", CONVERTED},
	{IN_ROUTER, "io/max_fds", "as many as the process may have: ulimit -n, LimitNOFILE"},
	{IN_ROUTER, "aliases", CONVERTED},
	{IN_ROUTER, "aci", CONVERTED},
	{IN_ROUTER, "message_logging", "messages are not logged"},
};

/* The path of an element or attribute, such as "local/id@realm". */
struct path {
	struct buf text;
	struct buf said; /* all that were told of, a line each */
	enum jabberd2_part file;
	struct buf *out;
};

static bool fits(const char *key, const char *path)
{
	size_t len = strlen(key);

	return !strncmp(path, key, len) &&
	       (!len || strchr("/@", key[len - 1]) || !path[len] || strchr("/@", path[len]));
}

static const char *reason(enum jabberd2_part file, const char *path)
{
	for (size_t at = 0; at < countof(keys); at++) {
		if (keys[at].files >> file & 1 && fits(keys[at].path, path))
			return keys[at].why;
	}
	return "no key of jabberd2 2.7.0";
}

static void tell(struct path *path)
{
	static const char *const names[] = {"c2s.xml", "sm.xml", "router.xml", "s2s.xml"};
	AUTO(buf_fini) struct buf line = {0};
	const char *why = reason(path->file, buf_text(&path->text));

	if (!why)
		return;
	buf_printf(&line, "\n%s: %s has no counterpart: ", names[path->file],
		   buf_text(&path->text));
	if (strstr(buf_text(&path->said), buf_text(&line)))
		return;
	buf_append_slice(&path->said, buf_slice(&line));
	buf_printf(path->out, "# %s%s\n", buf_text(&line) + 1, why);
}

static void walk(struct path *path, const struct nad *nad, int elem)
{
	size_t len = buf_used(&path->text);
	int child = nad_first_child(nad, elem);
	struct nad_attr attr;

	for (int at = -1; nad_attr_next(nad, elem, &at, &attr);) {
		buf_append_char(&path->text, '@');
		buf_append_slice(&path->text, attr.name);
		tell(path);
		path->text.len = path->text.start + len;
	}
	if (child < 0)
		tell(path);
	for (; child >= 0; child = nad_next_sibling(nad, child)) {
		if (len)
			buf_append_char(&path->text, '/');
		buf_append_slice(&path->text, nad_name(nad, child));
		walk(path, nad, child);
		path->text.len = path->text.start + len;
	}
}

void jabberd2_leftover(const struct jabberd2_config *config, struct buf *out)
{
	struct path path = {.out = out};

	buf_append_text(out, "\n# What has no counterpart here:\n");
	for (unsigned file = 0; file < JABBERD2_FILES; file++) {
		path.file = (enum jabberd2_part)file;
		buf_clear(&path.text);
		walk(&path, config->files[file], 0);
	}
	buf_fini(&path.text);
	buf_fini(&path.said);
}
