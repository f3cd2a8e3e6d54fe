/* SPDX-License-Identifier: MIT */
/* The option table of the configuration file, and the checks that a table cannot say. */
#include "component/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "auth/auth.h"
#include "base/network.h"
#include "base/toml.h"
#include "component/settings_private.h"
#include "jid/jid.h"

/* clang-format off */
#define AT(member) offsetof(struct settings, member)
/* Who reads it. */
#define ALL "router sm c2s"
#define ROUTER "router"
#define SM "sm"
#define C2S "c2s"
#define SM_C2S "sm c2s"
#define ROUTER_C2S "router c2s"
#define ROUTER_SM "router sm"
/*
 * The last columns but the sentence: when a value that changed counts, for whom. NOW asks who reads
 * it to look at the settings each time, or in its reload().
 */
#define SETTING(name, kind, member, value, when, who, sentence)                                  \
	{.key = name, .type = kind, .offset = AT(member), .preset = value, .text = sentence,         \
	 .effect = CONF_##when, .parts = who}
#define CHOICE(name, member, value, when, who, sentence, words)                                  \
	{.key = name, .type = CONF_CHOICE, .offset = AT(member), .preset = value, .text = sentence,  \
	 .choices = words, .effect = CONF_##when, .parts = who}
/*
 * What this version has not: the value that asks for nothing is the only one
 * (docs/decisions/0001-settings-not-yet.md).
 */
#define LATER(name, kind, member, only, when, who, sentence, words)                              \
	{.key = name, .type = kind, .offset = AT(member), .preset = only, .text = sentence,          \
	 .choices = words, .off = only, .effect = CONF_##when, .parts = who}

#define TABLES(name, member, table, when, who, sentence)                                         \
	{.key = name, .type = CONF_TABLES, .offset = AT(member), .preset = "[]", .text = sentence,   \
	 .sub = table##_options, .sub_size = sizeof(struct table), .effect = CONF_##when,            \
	 .parts = who}

static const struct conf_option component_options[] = {
	{.key = "name", .type = CONF_TEXT, .text = "the domain that the component serves",
	 .offset = offsetof(struct settings_component, name)},
	{.key = "secret", .type = CONF_SECRET, .text = "what it proves that it knows, XEP-0114",
	 .offset = offsetof(struct settings_component, secret)},
	{.key = NULL},
};

const struct conf_option settings_options[] = {
	SETTING("domains", CONF_LIST, domains, NULL, GROWS, SM_C2S, "the part after @ in addresses"),
	SETTING("admins", CONF_LIST, admins, "[]", NOW, SM_C2S,
		"accounts that may administer the server from their clients (XEP-0133); nobody can register them"),

	SETTING("data.dir", CONF_TEXT, data.dir, "/var/lib/jackdaw", RESTART, ALL,
		"database, keys, control sockets; made when missing"),

	SETTING("tls.certificates", CONF_TEXT, tls.certificates, "/etc/jackdaw/certs", NOW, ROUTER_C2S,
		"a directory: NAME.crt and NAME.key, or NAME/fullchain.pem and NAME/privkey.pem; read again when they change"),
	SETTING("tls.required", CONF_BOOL, tls.required, "true", NOW, C2S,
		"no login without TLS; false for loopback and tests"),
	CHOICE("tls.minimum", tls.minimum, "1.2", NOW, ROUTER_C2S,
		"the oldest version of TLS that is spoken", "1.2 1.3"),
	SETTING("tls.client_ca", CONF_TEXT, tls.client_ca, "", NOW, C2S,
		"a file of CAs: client certificates signed by one may log in (EXTERNAL); empty: none is asked for"),
	SETTING("tls.client_email", CONF_BOOL, tls.client_email, "false", NOW, C2S,
		"a certificate of tls.client_ca without an address of XMPP counts by its e-mail address"),

	SETTING("listen.client", CONF_LIST, listen.client, "[\":5222\"]", RESTART, C2S,
		"addresses for clients, with STARTTLS"),
	SETTING("listen.client_tls", CONF_LIST, listen.client_tls, "[\":5223\"]", RESTART, C2S,
		"addresses for clients, TLS from the first byte"),
	LATER("listen.server", CONF_LIST, listen.server, "[]", RESTART, C2S, "addresses for other servers", NULL),
	LATER("listen.server_tls", CONF_LIST, listen.server_tls, "[]", RESTART, C2S,
		"addresses for other servers, TLS from the first byte", NULL),
	LATER("listen.https", CONF_LIST, listen.https, "[]", RESTART, C2S,
		"addresses for WebSocket and BOSH, with TLS", NULL),
	LATER("listen.http", CONF_LIST, listen.http, "[]", RESTART, C2S,
		"addresses for WebSocket and BOSH behind a proxy", NULL),
	SETTING("listen.router", CONF_LIST, listen.router, "[\"127.0.0.1:5347\"]", RESTART, ROUTER,
		"addresses for native and XEP-0114 components"),
	SETTING("listen.trusted_proxies", CONF_LIST, listen.trusted_proxies, "[]", NOW, C2S,
		"networks whose connections for clients begin with a PROXY header, which is believed"),

	SETTING("process.workers", CONF_COUNT, process.workers, "0", RESTART, SM_C2S,
		"threads with a loop each; 0: one per core"),
	LATER("process.split", CONF_BOOL, process.split, "false", RESTART, ALL,
		"one process per part under a supervisor", NULL),
	SETTING("process.user", CONF_TEXT, process.user, "", RESTART, ALL,
		"whom the server becomes that root starts, once its ports are bound; empty: it stays root"),
	SETTING("process.sandbox", CONF_BOOL, process.sandbox, "true", RESTART, ALL,
		"system calls and files that the server does not need are refused to it, where the kernel can"),
	SETTING("process.readable", CONF_LIST, process.readable, "[]", RESTART, ALL,
		"what it may read besides /etc, /usr and what the file names: where certificates link to"),

	SETTING("router.connect", CONF_TEXT, router.connect, "", RESTART, SM_C2S,
		"where single parts find the router; empty: at its Unix socket in data.dir"),
	SETTING("router.user", CONF_TEXT, router.user, "jabberd", RESTART, ALL,
		"the name that parts log in with at the router, and that ours accepts"),
	SETTING("router.password", CONF_SECRET, router.password, "", RESTART, ALL,
		"its password; empty: one is made in data.dir/router.secret"),
	CHOICE("router.tls", router.tls, "off", RESTART, ALL,
		"between components over TCP: starttls: used where both sides have it; required: no login without",
		"off starttls required"),
	SETTING("router.ca", CONF_TEXT, router.ca, "", RESTART, SM_C2S,
		"a file: the CA that signs the router's certificate, or the certificate itself; empty: the system's"),

	TABLES("router.login", router.logins, settings_login, NOW, ROUTER, "who else logs in at the router, and what it may"),
	TABLES("router.alias", router.aliases, settings_alias, RESTART, ROUTER, "other names of names at the router"),
	TABLES("router.rule", router.rules, settings_rule, RESTART, ROUTER,
		"the router's packet filter: of its rules the first that fits decides, without one all passes"),
	SETTING("router.rate", CONF_RATE, router.rate, "off", NOW, ROUTER,
		"how fast a component may send; off: as it likes"),
	SETTING("router.burst", CONF_SIZE, router.burst, "4 MB", NOW, ROUTER,
		"what a component may send at once before its rate counts"),
	SETTING("router.connects", CONF_PER_TIME, router.connects, "off", NOW, ROUTER,
		"connections to the router per address, /64 for IPv6; not from limits.unlimited_from"),
	SETTING("router.allow", CONF_LIST, router.allow, "[]", NOW, ROUTER,
		"networks that components may connect from; empty: all"),

	SETTING("storage.url", CONF_TEXT, storage.url, "sqlite:jackdaw.db", RESTART, SM_C2S,
		"the database, relative to data.dir; or memory:"),
	CHOICE("storage.durability", storage.durability, "full", RESTART, SM_C2S,
		"full: survives a power cut; process: survives the end of the process only",
		"full process"),

	LATER("accounts.from", CONF_TEXT, accounts.from, "internal", RESTART, SM,
		"where accounts are kept", NULL),
	CHOICE("accounts.registration", accounts.registration, "closed", NOW, C2S,
		"who may make an account from a client",
		"closed invite open"),
	SETTING("accounts.mechanisms", CONF_LIST, accounts.mechanisms,
		"[\"SCRAM-SHA-256\", \"SCRAM-SHA-1\", \"PLAIN\"]", NOW, SM_C2S,
		"ways to log in, best first; PLAIN only under TLS unless tls.required is false; ANONYMOUS: without an account"),

	SETTING("messages.archive", CONF_DURATION, messages.archive_ms, "30 days", RESTART, SM,
		"how long what accounts write and are written is kept for their clients; off keeps nothing"),
	SETTING("messages.offline", CONF_DURATION, messages.offline_ms, "30 days", NOW, SM,
		"how long messages for who is away are kept; off stores none"),

	SETTING("limits.client_rate", CONF_RATE, limits.client_rate, "20 KB/s", NOW, C2S,
		"how fast a client may send; off: as it likes"),
	SETTING("limits.stanza", CONF_SIZE, limits.stanza, "256 KB", NOW, C2S, "the largest stanza"),
	SETTING("limits.client_burst", CONF_SIZE, limits.client_burst, "512 KB", NOW, C2S,
		"what a client may send at once before its rate counts"),
	SETTING("limits.stanza_before_auth", CONF_SIZE, limits.stanza_before_auth, "16 KB", NOW, C2S,
		"the largest element before the login"),
	SETTING("limits.time_to_login", CONF_DURATION, limits.time_to_login_ms, "30 s", NOW, C2S,
		"from the connection to the login, and from there to a session"),
	SETTING("limits.depth", CONF_COUNT, limits.depth, "100", NOW, C2S, "of elements in a stanza"),
	SETTING("limits.attributes", CONF_COUNT, limits.attributes, "100", NOW, C2S,
		"of an element, namespace declarations among them"),
	SETTING("limits.sessions", CONF_COUNT, limits.sessions, "20", NOW, SM,
		"of an account; the oldest goes"),
	SETTING("limits.connections", CONF_COUNT, limits.connections, "0", NOW, C2S,
		"of clients; 0: as many as the process has descriptors, less a reserve"),
	SETTING("limits.connections_per_address", CONF_COUNT, limits.connections_per_address, "1000", NOW, C2S,
		"of clients, per /64 for IPv6; 0: no limit"),
	SETTING("limits.unlimited_from", CONF_LIST, limits.unlimited_from,
		"[\"127.0.0.0/8\", \"::1\"]", NOW, ROUTER_C2S,
		"networks without connections_per_address, login_attempts, registrations and router.connects"),
	SETTING("limits.login_attempts", CONF_PER_TIME, limits.login_attempts, "5 per minute", NOW, C2S,
		"failed ones, per account and address; ten times that per address; a success clears it"),
	SETTING("limits.registrations", CONF_PER_TIME, limits.registrations, "10 per hour", NOW, C2S,
		"per address, when registration is open"),
	SETTING("limits.memory", CONF_SIZE, limits.memory, "0", NOW, C2S,
		"for what waits in all clients' streams together, and is under way; 0: a quarter of the machine; the greediest goes first"),

	CHOICE("log.to", log.to, "stderr", RESTART, ALL,
		"where lines go; journal: stderr, each line with its priority in front", "stderr journal file"),
	SETTING("log.file", CONF_TEXT, log.file, "", RESTART, ALL,
		"the file, relative to data.dir; empty: jackdaw.log, and NAME.log of a single part; SIGHUP opens it anew"),
	CHOICE("log.level", log.level, "info", NOW, ALL,
		"the least important lines that are written", "error warn info debug"),
	CHOICE("log.format", log.format, "text", NOW, ALL, "how a line looks", "text json"),
	CHOICE("log.addresses", log.addresses, "full", NOW, ALL,
		"how much of clients' addresses is logged; network: the first 24 bits, 48 of IPv6", "full network none"),

	SETTING("metrics.listen", CONF_LIST, metrics.listen, "[]", RESTART, ALL,
		"addresses for /metrics and /health; one with the name of a part in front, \"sm 127.0.0.1:9101\", is that part's alone"),

	SETTING("sessions.resume", CONF_DURATION, sessions.resume_ms, "10 minutes", NOW, SM,
		"how long a lost connection can be resumed, at most; off: it cannot"),
	SETTING("sessions.resume_queue", CONF_QUEUE, sessions.resume_queue, "2000 stanzas, 4 MB", NOW, SM,
		"what may wait for one session, connected or not; more ends it"),
	SETTING("sessions.ping", CONF_DURATION, sessions.ping_ms, "5 minutes", NOW, C2S,
		"a client that is silent for so long is asked to say something; off: never"),
	SETTING("sessions.ping_inactive", CONF_DURATION, sessions.ping_inactive_ms, "30 minutes", NOW, C2S,
		"the same while it says that it is inactive"),
	SETTING("sessions.ping_timeout", CONF_DURATION, sessions.ping_timeout_ms, "60 s", NOW, C2S,
		"who was asked and is silent for so long is taken to be gone"),

	SETTING("contact.abuse", CONF_LIST, contact.abuse, "[]", NOW, SM,
		"whom to write to about abuse: URIs, mailto: or xmpp:, that the domain's disco#info tells everybody (XEP-0157)"),
	SETTING("contact.admin", CONF_LIST, contact.admin, "[]", NOW, SM,
		"the same: those who run the server"),
	SETTING("contact.feedback", CONF_LIST, contact.feedback, "[]", NOW, SM,
		"the same: what people think of the service"),
	SETTING("contact.sales", CONF_LIST, contact.sales, "[]", NOW, SM,
		"the same: who sells it"),
	SETTING("contact.security", CONF_LIST, contact.security, "[]", NOW, SM,
		"the same: holes in its security"),
	SETTING("contact.status", CONF_LIST, contact.status, "[]", NOW, SM,
		"the same: where it says how the service is"),
	SETTING("contact.support", CONF_LIST, contact.support, "[]", NOW, SM,
		"the same: help"),

	{.key = "component", .type = CONF_TABLES, .offset = AT(components), .preset = "[]",
	 .text = "bridges and bots, XEP-0114", .sub = component_options,
	 .sub_size = sizeof(struct settings_component), .effect = CONF_NOW, .parts = ROUTER_SM},
	{.key = NULL},
};
/* clang-format on */

bool settings_serves(const struct settings *settings, struct slice domain)
{
	for (size_t i = 0; i < settings->domains.count; i++) {
		if (slice_is(domain, settings->domains.items[i]))
			return true;
	}
	return false;
}

bool settings_is_admin(const struct settings *settings, struct slice account)
{
	for (size_t i = 0; i < settings->admins.count; i++) {
		if (slice_is(account, settings->admins.items[i]))
			return true;
	}
	return false;
}

bool settings_offers(const struct settings *settings, const char *mechanism)
{
	for (size_t i = 0; i < settings->accounts.mechanisms.count; i++) {
		if (!strcmp(settings->accounts.mechanisms.items[i], mechanism))
			return true;
	}
	return false;
}

/* A domain is written as it is compared: prepared. */
static int check_domains(const struct settings *settings, struct finding *finding)
{
	if (!settings->domains.count)
		return wrong(finding, "domains: name at least one, such as [\"example.com\"]");
	for (size_t i = 0; i < settings->domains.count; i++) {
		AUTO(buf_fini) struct buf domain = {0};
		const char *text = settings->domains.items[i];

		if (!jid_prep_domain(slice_of(text), &domain))
			return wrong(finding, "domains: \"%.200s\" is no domain", text);
		if (!slice_is(buf_slice(&domain), text))
			return wrong(finding, "domains: write \"%.200s\" as \"%.200s\"", text,
				     buf_text(&domain));
		for (size_t other = 0; other < i; other++) {
			if (!strcmp(settings->domains.items[other], text))
				return wrong(finding, "domains: \"%.200s\" stands there twice",
					     text);
		}
	}
	return 0;
}

/* An account is written as it is compared, too. */
static int check_admins(const struct settings *settings, struct finding *finding)
{
	for (size_t i = 0; i < settings->admins.count; i++) {
		const char *text = settings->admins.items[i];
		AUTO(jid_free) struct jid *jid = jid_parse(slice_of(text));

		if (!jid || !jid_local(jid).len || !jid_is_bare(jid) || auth_is_anonymous(jid))
			return wrong(finding, "admins: \"%.200s\" is no account's address, such as \"alice@%.200s\"", text,
				     settings->domains.items[0]);
		if (!settings_serves(settings, jid_domain(jid)))
			return wrong(finding, "admins: \"%.200s\" is not of one of domains", text);
		if (!slice_is(jid_full(jid), text))
			return wrong(finding, "admins: write \"%.200s\" as \"%.200s\"", text, jid_text(jid));
	}
	return 0;
}

/* A component of that name would get what is for them. */
bool settings_is_part(const char *name)
{
	static const char *const parts[] = {"router", "c2s", "sm", "s2s"};

	for (size_t i = 0; i < countof(parts); i++) {
		if (!strcmp(parts[i], name))
			return true;
	}
	return false;
}

bool settings_is_component(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->components.count; i++) {
		const struct settings_component *component = settings->components.items[i];

		if (!strcmp(component->name, name))
			return true;
	}
	return false;
}

static int check_component(const struct settings *settings, struct finding *finding)
{
	const struct settings_component *component = settings->components.items[finding->item];
	AUTO(buf_fini) struct buf domain = {0};
	const char *name = component->name;

	if (!jid_prep_domain(slice_of(name), &domain))
		return wrong(finding, "component: \"%.200s\" is no domain", name);
	if (!slice_is(buf_slice(&domain), name))
		return wrong(finding, "component: write \"%.200s\" as \"%.200s\"", name,
			     buf_text(&domain));
	if (settings_serves(settings, slice_of(name)))
		return wrong(finding, "component: \"%.200s\" is one of domains", name);
	if (settings_is_part(name))
		return wrong(finding, "component: \"%.200s\" is the name of a part", name);
	for (size_t other = 0; other < finding->item; other++) {
		const struct settings_component *before = settings->components.items[other];

		if (!strcmp(before->name, name))
			return wrong(finding, "component: \"%.200s\" stands there twice", name);
	}
	if (!component->secret[0])
		return wrong(finding, "component: the secret of \"%.200s\" is empty", name);
	return 0;
}

static int check_components(const struct settings *settings, struct finding *finding)
{
	for (; finding->item < settings->components.count; finding->item++) {
		int rc = check_component(settings, finding);

		if (rc)
			return rc;
	}
	return 0;
}

static int check_storage(const struct settings *settings, struct finding *finding)
{
	const char *url = settings->storage.url;

	if (!strncmp(url, "postgresql:", 11) || !strncmp(url, "postgres:", 9))
		return wrong(finding, "storage.url: PostgreSQL is not in this version; use "
				      "\"sqlite:jackdaw.db\"");
	if (strncmp(url, "sqlite:", 7) != 0 && strcmp(url, "memory:") != 0)
		return wrong(finding,
			     "storage.url: \"%.200s\" is neither \"sqlite:FILE\" nor \"memory:\"",
			     url);
	return 0;
}

static int check_registration(const struct settings *settings, struct finding *finding)
{
	if (settings->accounts.registration == REGISTRATION_INVITE)
		return wrong(
			finding,
			"accounts.registration: \"invite\" is not in this version; closed or open");
	return 0;
}

static int check_mechanisms(const struct settings *settings, struct finding *finding)
{
	static const char *const known[] = {"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1",
					    "PLAIN", "ANONYMOUS"};

	for (size_t i = 0; i < settings->accounts.mechanisms.count; i++) {
		const char *name = settings->accounts.mechanisms.items[i];
		size_t at = 0;

		if (!strcmp(name, "EXTERNAL"))
			return wrong(finding, "accounts.mechanisms: EXTERNAL needs no name here: it is "
					      "offered to who has a certificate of tls.client_ca");
		while (at < countof(known) && strcmp(known[at], name) != 0)
			at++;
		if (at == countof(known))
			return wrong(finding,
				     "accounts.mechanisms: \"%.100s\" is not in this version; "
				     "SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, ANONYMOUS",
				     name);
	}
	if (!settings->accounts.mechanisms.count)
		return wrong(finding,
			     "accounts.mechanisms: nobody could log in; name at least one");
	return 0;
}

int settings_check_networks(const struct conf_list *list, struct finding *finding)
{
	struct network network;

	for (size_t i = 0; i < list->count; i++) {
		if (!network_parse(list->items[i], &network))
			return wrong(finding,
				     "%s.%s: \"%.200s\" is no network, such as "
				     "\"192.0.2.0/24\" or \"2001:db8::/32\"",
				     finding->section, finding->key, list->items[i]);
	}
	return 0;
}

static int check_unlimited(const struct settings *settings, struct finding *finding)
{
	return settings_check_networks(&settings->limits.unlimited_from, finding);
}

static int check_proxies(const struct settings *settings, struct finding *finding)
{
	return settings_check_networks(&settings->listen.trusted_proxies, finding);
}

/* Who names a file here believes that somebody looks into it. */
static int check_router(const struct settings *settings, struct finding *finding)
{
	const char *ca = settings->router.ca;

	if (!*ca)
		return 0;
	if (settings->router.tls == ROUTER_TLS_OFF)
		return wrong(finding, "router.ca: no certificate is looked at while router.tls is "
				      "\"off\"; starttls or required");
	if (access(ca, R_OK))
		return wrong(finding, "router.ca: %.200s: cannot be read: %s", ca, strerror(errno));
	return 0;
}

static int check_client_ca(const struct settings *settings, struct finding *finding)
{
	const char *ca = settings->tls.client_ca;

	if (*ca && access(ca, R_OK))
		return wrong(finding, "tls.client_ca: %.200s: cannot be read: %s", ca,
			     strerror(errno));
	return 0;
}

static int check_workers(const struct settings *settings, struct finding *finding)
{
	if (settings->process.workers > SETTINGS_WORKERS_MAX)
		return wrong(finding, "process.workers: at most %d", SETTINGS_WORKERS_MAX);
	return 0;
}

/* An element larger than what a stream may send at once would never get through. */
static int check_burst(const struct settings *settings, struct finding *finding)
{
	if (settings->limits.depth > UINT16_MAX || settings->limits.attributes > UINT16_MAX)
		return wrong(finding, "limits.depth and limits.attributes: at most %d", UINT16_MAX);
	if (settings->limits.depth < SETTINGS_DEPTH_MIN || settings->limits.attributes < SETTINGS_ATTRIBUTES_MIN) {
		finding->key = settings->limits.depth < SETTINGS_DEPTH_MIN ? "depth" : "attributes";
		return wrong(finding, "limits.depth: at least %d, and limits.attributes %d: nobody could log in with less",
			     SETTINGS_DEPTH_MIN, SETTINGS_ATTRIBUTES_MIN);
	}
	if (settings->limits.stanza_before_auth < 4096 || settings->limits.stanza < 10000)
		return wrong(finding, "limits.stanza: at least 10000 bytes, and stanza_before_auth "
				      "at least 4 KB (RFC 6120)");
	return 0;
}

static int check_memory(const struct settings *settings, struct finding *finding)
{
	int64_t memory = settings->limits.memory;

	if (memory && memory < SETTINGS_MEMORY_MIN)
		return wrong(finding, "limits.memory: at least 1 MB; or 0, a quarter of the machine");
	return 0;
}

const char *settings_metrics_address(const char *entry, struct slice *name)
{
	const char *blank = strchr(entry, ' ');

	*name = (struct slice){entry, blank ? (size_t)(blank - entry) : 0};
	return blank ? blank + 1 : entry;
}

static int check_metrics(const struct settings *settings, struct finding *finding)
{
	for (size_t i = 0; i < settings->metrics.listen.count; i++) {
		const char *entry = settings->metrics.listen.items[i];
		struct slice name;

		if (!strchr(settings_metrics_address(entry, &name), ':'))
			return wrong(finding, "metrics.listen: \"%.200s\" is no address; such as \"127.0.0.1:9100\", or "
					      "\"sm 127.0.0.1:9101\" for one part", entry);
	}
	return 0;
}

static const struct {
	const char *section, *key;
	int (*check)(const struct settings *settings, struct finding *finding);
} checks[] = {
	{NULL, "domains", check_domains},
	{NULL, "admins", check_admins},
	{NULL, "component", check_components},
	{"storage", "url", check_storage},
	{"accounts", "registration", check_registration},
	{"accounts", "mechanisms", check_mechanisms},
	{"router", "ca", check_router},
	{"tls", "client_ca", check_client_ca},
	{"process", "workers", check_workers},
	{"limits", "stanza", check_burst},
	{"limits", "memory", check_memory},
	{"limits", "unlimited_from", check_unlimited},
	{"listen", "trusted_proxies", check_proxies},
	{"metrics", "listen", check_metrics},
	{"router", "login", settings_check_logins},
	{"router", "alias", settings_check_aliases},
	{"router", "rule", settings_check_rules},
	{"router", "allow", settings_check_allow},
	{"contact", "abuse", settings_check_contact},
};

/* Where a key stands in the text; the file as a whole when it is not there. */
static void find_place(struct slice text, const struct finding *finding)
{
	struct conf_error *error = finding->error;
	struct toml_doc *doc;
	struct toml_error ignored;
	const struct toml *value;

	error->line = error->column = 0;
	if (toml_parse(text, &doc, &ignored))
		return;
	value = toml_root(doc);
	if (finding->section)
		value = toml_get(value, finding->section);
	value = value ? toml_get(value, finding->key) : NULL;
	if (value && value->child && value->child->type == TOML_TABLE) {
		value = value->child;
		for (size_t at = 0; at < finding->item && value->next; at++)
			value = value->next;
		if (finding->member && toml_get(value, finding->member))
			value = toml_get(value, finding->member);
	}
	if (value) {
		error->line = value->line;
		error->column = value->column;
	}
	toml_free(&doc);
}

/* The first of the checks that fails, in *finding; 0: none does. */
static int check_all(const struct settings *settings, struct finding *finding)
{
	struct conf_error *error = finding->error;

	for (size_t i = 0; i < countof(checks); i++) {
		int rc;

		*finding = (struct finding){checks[i].section, checks[i].key, 0, error, NULL};
		rc = checks[i].check(settings, finding);
		if (rc)
			return rc;
	}
	return 0;
}

int settings_check(const struct settings *settings, struct conf_error *error)
{
	struct finding finding = {.error = error};

	return check_all(settings, &finding);
}

int settings_parse(const char *name, struct slice text, struct settings *settings,
		   struct conf **conf, struct conf_error *error)
{
	struct finding finding = {.error = error};
	int rc = conf_parse(name, text, settings_options, settings, conf, error);

	if (rc)
		return rc;
	rc = check_all(settings, &finding);
	if (rc) {
		snprintf(error->file, sizeof(error->file), "%s", name);
		find_place(text, &finding);
		conf_free(conf);
	}
	return rc;
}

static int read_all(int fd, struct buf *text)
{
	ssize_t got;

	do {
		got = read(fd, buf_reserve(text, 16384), 16384);
		if (got > 0)
			buf_added(text, (size_t)got);
		if (buf_used(text) > SETTINGS_FILE_MAX)
			return -EFBIG;
	} while (got > 0);
	return got < 0 ? -errno : 0;
}

int settings_load(const char *path, struct settings *settings, struct conf **conf,
		  struct conf_error *error)
{
	AUTO(buf_wipe) struct buf text = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : read_all(fd, &text);

	if (fd >= 0)
		close(fd);
	if (!rc)
		return settings_parse(path, buf_slice(&text), settings, conf, error);
	*error = (struct conf_error){.line = 0};
	snprintf(error->file, sizeof(error->file), "%s", path);
	snprintf(error->text, sizeof(error->text), "cannot be read: %s", strerror(-rc));
	return rc;
}
