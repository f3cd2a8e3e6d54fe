/* SPDX-License-Identifier: MIT */
/* The option table of the configuration file, and the checks that a table cannot say. */
#include "component/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/toml.h"
#include "jid/jid.h"

#define AT(member) offsetof(struct settings, member)

/* clang-format off */
static const struct conf_option component_options[] = {
	{"name", CONF_TEXT, offsetof(struct settings_component, name), NULL, "the domain that the component serves"},
	{"secret", CONF_SECRET, offsetof(struct settings_component, secret), NULL, "what it proves that it knows, XEP-0114"},
	{.key = NULL},
};

/* Where the last column has a value this version accepts no other one: docs/decisions/0001-settings-not-yet.md. */
const struct conf_option settings_options[] = {
	{"domains", CONF_LIST, AT(domains), NULL, "the part after @ in addresses"},
	{"admins", CONF_LIST, AT(admins), "[]", "accounts that may administer the server from their clients", .off = "[]"},

	{"data.dir", CONF_TEXT, AT(data.dir), "/var/lib/jackdaw", "database, keys, control sockets; made when missing"},

	{"tls.certificates", CONF_TEXT, AT(tls.certificates), "/etc/jackdaw/certs",
	 "a directory with NAME.crt and NAME.key, or NAME/fullchain.pem and NAME/privkey.pem, for each domain"},
	{"tls.required", CONF_BOOL, AT(tls.required), "true", "no login without TLS; false for loopback and tests"},
	{"tls.minimum", CONF_CHOICE, AT(tls.minimum), "1.2", "the oldest version of TLS that is spoken", "1.2 1.3"},
	{"tls.client_ca", CONF_TEXT, AT(tls.client_ca), "", "a file: client certificates signed by it may log in", .off = ""},

	{"listen.client", CONF_LIST, AT(listen.client), "[\":5222\"]", "addresses for clients, with STARTTLS"},
	{"listen.client_tls", CONF_LIST, AT(listen.client_tls), "[\":5223\"]", "addresses for clients, TLS from the first byte"},
	{"listen.server", CONF_LIST, AT(listen.server), "[]", "addresses for other servers", .off = "[]"},
	{"listen.server_tls", CONF_LIST, AT(listen.server_tls), "[]", "addresses for other servers, TLS from the first byte",
	 .off = "[]"},
	{"listen.https", CONF_LIST, AT(listen.https), "[]", "addresses for WebSocket and BOSH, with TLS", .off = "[]"},
	{"listen.http", CONF_LIST, AT(listen.http), "[]", "addresses for WebSocket and BOSH behind a proxy", .off = "[]"},
	{"listen.router", CONF_LIST, AT(listen.router), "[\"127.0.0.1:5347\"]", "addresses for native and XEP-0114 components"},
	{"listen.trusted_proxies", CONF_LIST, AT(listen.trusted_proxies), "[]", "whose PROXY header is believed", .off = "[]"},

	{"process.workers", CONF_COUNT, AT(process.workers), "0", "threads with a loop each; 0: one per core"},
	{"process.split", CONF_BOOL, AT(process.split), "false", "one process per part under a supervisor", .off = "false"},

	{"router.connect", CONF_TEXT, AT(router.connect), "127.0.0.1:5347", "where single parts find the router"},
	{"router.user", CONF_TEXT, AT(router.user), "jabberd", "the name that parts log in with at the router, and that ours accepts"},
	{"router.password", CONF_SECRET, AT(router.password), "", "its password; empty: one is made in data.dir/router.secret"},
	{"router.tls", CONF_CHOICE, AT(router.tls), "off", "TLS between components over TCP", "off starttls required", "off"},
	{"router.ca", CONF_TEXT, AT(router.ca), "", "a file: who signs the router's certificate", .off = ""},

	{"storage.url", CONF_TEXT, AT(storage.url), "sqlite:jackdaw.db", "the database, relative to data.dir; or memory:"},
	{"storage.durability", CONF_CHOICE, AT(storage.durability), "full",
	 "full: survives a power cut; process: survives the end of the process only", "full process"},

	{"accounts.from", CONF_TEXT, AT(accounts.from), "internal", "where accounts are kept", .off = "internal"},
	{"accounts.registration", CONF_CHOICE, AT(accounts.registration), "closed", "who may make an account from a client",
	 "closed invite open"},
	{"accounts.mechanisms", CONF_LIST, AT(accounts.mechanisms), "[\"SCRAM-SHA-256\", \"SCRAM-SHA-1\", \"PLAIN\"]",
	 "ways to log in, best first; PLAIN only under TLS unless tls.required is false"},

	{"messages.archive", CONF_DURATION, AT(messages.archive_ms), "off", "how long messages are archived", .off = "off"},
	{"messages.offline", CONF_DURATION, AT(messages.offline_ms), "30 days", "how long messages wait for who is away"},

	{"limits.client_rate", CONF_RATE, AT(limits.client_rate), "20 KB/s", "how fast a client may send; off: as it likes"},
	{"limits.stanza", CONF_SIZE, AT(limits.stanza), "256 KB", "the largest stanza"},
	{"limits.client_burst", CONF_SIZE, AT(limits.client_burst), "512 KB", "what a client may send at once before its rate counts"},
	{"limits.stanza_before_auth", CONF_SIZE, AT(limits.stanza_before_auth), "16 KB", "the largest element before the login"},
	{"limits.time_to_login", CONF_DURATION, AT(limits.time_to_login_ms), "30 s", "from the connection to the login"},
	{"limits.depth", CONF_COUNT, AT(limits.depth), "100", "of elements in a stanza"},
	{"limits.attributes", CONF_COUNT, AT(limits.attributes), "100", "of an element, namespace declarations among them"},
	{"limits.sessions", CONF_COUNT, AT(limits.sessions), "20", "of an account; the oldest goes"},
	{"limits.connections", CONF_COUNT, AT(limits.connections), "0", "of clients; 0: the process's descriptors less a reserve"},
	{"limits.connections_per_address", CONF_COUNT, AT(limits.connections_per_address), "1000", "per /64 for IPv6"},
	{"limits.unlimited_from", CONF_LIST, AT(limits.unlimited_from), "[\"127.0.0.0/8\", \"::1\"]",
	 "networks without connections_per_address, login_attempts and registrations"},
	{"limits.login_attempts", CONF_PER_TIME, AT(limits.login_attempts), "5 per minute",
	 "failed ones, per account and address; ten times that per address"},
	{"limits.registrations", CONF_PER_TIME, AT(limits.registrations), "10 per hour", "per address, when registration is open"},
	{"limits.memory", CONF_SIZE, AT(limits.memory), "0", "all queues together; 0: a quarter of the machine"},

	{"log.to", CONF_TEXT, AT(log.to), "stderr", "where lines go", .off = "stderr"},
	{"log.level", CONF_CHOICE, AT(log.level), "info", "the least important lines that are written", "error warn info debug"},
	{"log.format", CONF_CHOICE, AT(log.format), "text", "how a line looks", "text json"},
	{"log.addresses", CONF_CHOICE, AT(log.addresses), "full", "how much of clients' addresses is logged", "full network none"},

	{"metrics.listen", CONF_LIST, AT(metrics.listen), "[]", "addresses for /metrics and /health", .off = "[]"},

	{"sessions.resume", CONF_DURATION, AT(sessions.resume_ms), "off", "how long a lost connection can be resumed", .off = "off"},
	{"sessions.resume_queue", CONF_QUEUE, AT(sessions.resume_queue), "2000 stanzas, 4 MB", "what waits for one session",
	 .off = "2000 stanzas, 4 MB"},
	{"sessions.ping", CONF_DURATION, AT(sessions.ping_ms), "5 minutes", "probe a silent client"},
	{"sessions.ping_inactive", CONF_DURATION, AT(sessions.ping_inactive_ms), "30 minutes",
	 "the same while it says that it is inactive", .off = "30 minutes"},
	{"sessions.ping_timeout", CONF_DURATION, AT(sessions.ping_timeout_ms), "60 s", "how long a probed client may be silent"},

	{"component", CONF_TABLES, AT(components), "[]", "bridges and bots, XEP-0114", .sub = component_options,
	 .sub_size = sizeof(struct settings_component)},
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

/* What is wrong, and at which key. */
struct finding {
	const char *section, *key;
	struct conf_error *error;
};

static int PRINTF_LIKE(2, 3) wrong(const struct finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->error->text, sizeof(finding->error->text), format, args);
	va_end(args);
	return -EINVAL;
}

/* A domain is written as it is compared: prepared. */
static int check_domains(const struct settings *settings, const struct finding *finding)
{
	if (!settings->domains.count)
		return wrong(finding, "domains: name at least one, such as [\"example.com\"]");
	for (size_t i = 0; i < settings->domains.count; i++) {
		AUTO(buf_fini) struct buf domain = {0};
		const char *text = settings->domains.items[i];

		if (!jid_prep_domain(slice_of(text), &domain))
			return wrong(finding, "domains: \"%.200s\" is no domain", text);
		if (!slice_is(buf_slice(&domain), text))
			return wrong(finding, "domains: write \"%.200s\" as \"%.200s\"", text, buf_text(&domain));
		for (size_t other = 0; other < i; other++) {
			if (!strcmp(settings->domains.items[other], text))
				return wrong(finding, "domains: \"%.200s\" stands there twice", text);
		}
	}
	return 0;
}

static int check_components(const struct settings *settings, const struct finding *finding)
{
	for (size_t i = 0; i < settings->components.count; i++) {
		const struct settings_component *component = settings->components.items[i];
		AUTO(buf_fini) struct buf domain = {0};

		if (!jid_prep_domain(slice_of(component->name), &domain) ||
		    !slice_is(buf_slice(&domain), component->name))
			return wrong(finding, "component: \"%.200s\" is no domain in its plain form", component->name);
		if (settings_serves(settings, slice_of(component->name)))
			return wrong(finding, "component: \"%.200s\" is one of domains", component->name);
		if (!component->secret[0])
			return wrong(finding, "component: the secret of \"%.200s\" is empty", component->name);
	}
	return 0;
}

static int check_storage(const struct settings *settings, const struct finding *finding)
{
	const char *url = settings->storage.url;

	if (!strncmp(url, "postgresql:", 11) || !strncmp(url, "postgres:", 9))
		return wrong(finding, "storage.url: PostgreSQL is not in this version; use \"sqlite:jackdaw.db\"");
	if (strncmp(url, "sqlite:", 7) != 0 && strcmp(url, "memory:") != 0)
		return wrong(finding, "storage.url: \"%.200s\" is neither \"sqlite:FILE\" nor \"memory:\"", url);
	return 0;
}

static int check_registration(const struct settings *settings, const struct finding *finding)
{
	if (settings->accounts.registration == REGISTRATION_INVITE)
		return wrong(finding, "accounts.registration: \"invite\" is not in this version; closed or open");
	return 0;
}

static int check_mechanisms(const struct settings *settings, const struct finding *finding)
{
	static const char *const known[] = {"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"};

	for (size_t i = 0; i < settings->accounts.mechanisms.count; i++) {
		const char *name = settings->accounts.mechanisms.items[i];
		size_t at = 0;

		while (at < countof(known) && strcmp(known[at], name) != 0)
			at++;
		if (at == countof(known))
			return wrong(finding, "accounts.mechanisms: \"%.100s\" is not in this version; "
				     "SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, PLAIN", name);
	}
	if (!settings->accounts.mechanisms.count)
		return wrong(finding, "accounts.mechanisms: nobody could log in; name at least one");
	return 0;
}

static int check_workers(const struct settings *settings, const struct finding *finding)
{
	if (settings->process.workers > SETTINGS_WORKERS_MAX)
		return wrong(finding, "process.workers: at most %d", SETTINGS_WORKERS_MAX);
	return 0;
}

/* An element larger than what a stream may send at once would never get through. */
static int check_burst(const struct settings *settings, const struct finding *finding)
{
	if (settings->limits.stanza_before_auth < 4096 || settings->limits.stanza < 10000)
		return wrong(finding, "limits.stanza: at least 10000 bytes, and stanza_before_auth at least 4 KB (RFC 6120)");
	return 0;
}

static const struct {
	const char *section, *key;
	int (*check)(const struct settings *settings, const struct finding *finding);
} checks[] = {
	{NULL, "domains", check_domains},
	{NULL, "component", check_components},
	{"storage", "url", check_storage},
	{"accounts", "registration", check_registration},
	{"accounts", "mechanisms", check_mechanisms},
	{"process", "workers", check_workers},
	{"limits", "stanza", check_burst},
};

/* Where a key stands in the text; the file as a whole when it is not there. */
static void find_place(struct slice text, const char *section, const char *key, struct conf_error *error)
{
	struct toml_doc *doc;
	struct toml_error ignored;
	const struct toml *value;

	error->line = error->column = 0;
	if (toml_parse(text, &doc, &ignored))
		return;
	value = toml_root(doc);
	if (section)
		value = toml_get(value, section);
	if (value && (value = toml_get(value, key))) {
		error->line = value->line;
		error->column = value->column;
	}
	toml_free(&doc);
}

int settings_parse(const char *name, struct slice text, struct settings *settings, struct conf **conf,
		   struct conf_error *error)
{
	int rc = conf_parse(name, text, settings_options, settings, conf, error);

	for (size_t i = 0; !rc && i < countof(checks); i++) {
		const struct finding finding = {checks[i].section, checks[i].key, error};

		rc = checks[i].check(settings, &finding);
		if (!rc)
			continue;
		snprintf(error->file, sizeof(error->file), "%s", name);
		find_place(text, finding.section, finding.key, error);
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

int settings_load(const char *path, struct settings *settings, struct conf **conf, struct conf_error *error)
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
