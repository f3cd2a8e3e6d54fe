/* SPDX-License-Identifier: MIT */
/* The table of figures. */
#include "component/figures.h"

#include <string.h>
#include "base/mem.h"
#include "component/component.h"
#include "mio/budget.h"
#include "stanza/stanza.h"

/* -- values of labels
 * ------------------------------------------------------------------------------ */

static const char *kind_name(unsigned at)
{
	return stanza_kind_name((enum stanza_kind)(STANZA_MESSAGE + at));
}

static const char *direction_name(unsigned at)
{
	return at ? "out" : "in";
}

static const char *mechanism_name(unsigned at)
{
	static const char *const names[METRIC_MECHANISMS] = {"none",
							     "ANONYMOUS",
							     "EXTERNAL",
							     "HT-SHA-256-ENDP",
							     "HT-SHA-256-EXPR",
							     "HT-SHA-256-NONE",
							     "HT-SHA-256-UNIQ",
							     "PLAIN",
							     "SCRAM-SHA-1",
							     "SCRAM-SHA-1-PLUS",
							     "SCRAM-SHA-256",
							     "SCRAM-SHA-256-PLUS",
							     "SCRAM-SHA-512",
							     "SCRAM-SHA-512-PLUS"};

	return names[at];
}

/* Nobody logs in without one. */
static const char *login_mechanism_name(unsigned at)
{
	return at ? mechanism_name(at) : NULL;
}

unsigned metric_mechanism(const char *how)
{
	const char *slash = how ? strchr(how, '/') : NULL;
	unsigned at = METRIC_MECHANISMS - 1;

	while (slash && at && strcmp(mechanism_name(at), slash + 1) != 0)
		at--;
	return slash ? at : 0;
}

static const char *failure_name(unsigned at)
{
	static const char *const names[METRIC_FAILURES] = {
		[AUTH_NOT_AUTHORIZED] = "not-authorized",
		[AUTH_ACCOUNT_DISABLED] = "account-disabled",
		[AUTH_INVALID_AUTHZID] = "invalid-authzid",
		[AUTH_INVALID_MECHANISM] = "invalid-mechanism",
		[AUTH_MALFORMED_REQUEST] = "malformed-request",
		[AUTH_MECHANISM_TOO_WEAK] = "mechanism-too-weak",
		[AUTH_ENCRYPTION_REQUIRED] = "encryption-required",
		[AUTH_TEMPORARY_FAILURE] = "temporary-auth-failure",
		[AUTH_TOO_OFTEN] = "too-often",
		[AUTH_CREDENTIALS_EXPIRED] = "credentials-expired",
	};

	return names[at];
}

static const char *version_name(unsigned at)
{
	return at ? "TLSv1.3" : "TLSv1.2";
}

static const char *cause_name(unsigned at)
{
	return at == SX_REFUSED_NOT ? NULL
				    : sx_refusal_name((enum sx_refusal)at) + strlen("refused_");
}

static const char *memory_name(unsigned at)
{
	return mem_kind_name((enum mem_kind)at);
}

static const char *worker_name(unsigned at)
{
	static const char *const names[MIO_WORKERS_MAX] = {
		"0",  "1",  "2",  "3",	"4",  "5",  "6",  "7",	"8",  "9",  "10", "11", "12",
		"13", "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24", "25",
		"26", "27", "28", "29", "30", "31", "32", "33", "34", "35", "36", "37", "38",
		"39", "40", "41", "42", "43", "44", "45", "46", "47", "48", "49", "50", "51",
		"52", "53", "54", "55", "56", "57", "58", "59", "60", "61", "62", "63"};

	return names[at];
}

static const char *version(unsigned at)
{
	return JACKDAW_VERSION;
}

/* -- values that are not counted in the table of the process
 * --------------------------------------- */

static bool one(const struct process *process, unsigned at, int64_t *value)
{
	*value = 1;
	return true;
}

static bool works(const struct process *process, unsigned at, int64_t *value)
{
	AUTO(buf_fini) struct buf why = {0};

	*value = process_works(process, &why) &&
		 !(process->storage && storage_fault(process->storage));
	return true;
}

static bool uptime(const struct process *process, unsigned at, int64_t *value)
{
	*value = (mio_now_ms(process->workers[0]->mio) - process->started_ms) / 1000;
	return true;
}

static bool workers(const struct process *process, unsigned at, int64_t *value)
{
	*value = process->worker_count;
	return true;
}

static bool worker_lag(const struct process *process, unsigned at, int64_t *value)
{
	*value = at < process->worker_count ? worker_lag_ms(process->workers[at]) : -1;
	return *value >= 0;
}

static bool mailboxes(const struct process *process, unsigned at, int64_t *value)
{
	*value = 0;
	for (unsigned worker = 0; worker < process->worker_count; worker++)
		*value += (int64_t)mio_mailbox_bytes(process->workers[worker]->mio);
	return true;
}

static bool queues(const struct process *process, unsigned at, int64_t *value)
{
	*value = process->queues ? (int64_t)budget_used(process->queues) : 0;
	return process->queues;
}

static bool storage_queue(const struct process *process, unsigned at, int64_t *value)
{
	*value = process->storage ? storage_waiting(process->storage) : 0;
	return process->storage;
}

static bool storage_commits(const struct process *process, unsigned at, int64_t *value)
{
	*value = process->storage ? (int64_t)storage_batches(process->storage) : 0;
	return process->storage;
}

static bool storage_failed(const struct process *process, unsigned at, int64_t *value)
{
	*value = process->storage ? (int64_t)storage_failures(process->storage) : 0;
	return process->storage;
}

static bool hashing(const struct process *process, unsigned at, int64_t *value)
{
	*value = process->hashing ? mio_driver_queued(process->hashing) : 0;
	return process->hashing;
}

static bool log_lines(const struct process *process, unsigned at, int64_t *value)
{
	*value = process->logs ? (int64_t)log_dropped(process->logs) : 0;
	return process->logs;
}

static bool held(const struct process *process, unsigned at, int64_t *value)
{
	struct heap_usage usage;

	mio_host_usage(mio_host_of(process->workers[0]->mio), &usage);
	*value = (int64_t)usage.system_bytes;
	return true;
}

static bool used(const struct process *process, unsigned kind, int64_t *value)
{
	struct heap_usage usage;

	mio_host_usage(mio_host_of(process->workers[0]->mio), &usage);
	*value = (int64_t)usage.bytes[kind];
	return true;
}

/* -- the table
 * ------------------------------------------------------------------------------------- */

/* clang-format off */

#define C2S .part = "c2s"
#define SM .part = "sm"
#define ROUTER .part = "router"
#define GAUGE(word, sentence) .kind = FIGURE_GAUGE, .name = word, .help = sentence
#define COUNTER(word, sentence) .kind = FIGURE_COUNTER, .name = word, .help = sentence
#define LABELS(...) .labels = {__VA_ARGS__}

static const struct figure figures[] = {
	{.kind = FIGURE_INFO, .name = "build", .help = "What runs.", .read = one, LABELS({"version", 1, version})},
	{GAUGE("ready", "1 when it can do its work, else 0."), .read = works},
	{GAUGE("uptime_seconds", "Since the start."), .unit = "seconds", .status = "uptime_seconds", .read = uptime},
	{GAUGE("workers", "Threads with a loop each."), .status = "workers", .read = workers},
	{GAUGE("worker_lag_seconds", "How long a worker took to answer when it was asked last."), .unit = "seconds", .milli = true,
	 .read = worker_lag, LABELS({"worker", MIO_WORKERS_MAX, worker_name})},

	{GAUGE("connections", "Connections of clients."), C2S, .status = "connections", .first = METRIC_CONNECTIONS},
	{GAUGE("bound", "Connections of clients with a session."), C2S, .status = "bound", .first = METRIC_BOUND},
	{GAUGE("sessions", "Sessions, of who is on and of who can resume."), SM, .status = "sessions", .first = METRIC_SESSIONS},
	{GAUGE("detached", "Sessions without a connection, that can be resumed."), SM, .status = "detached",
	 .first = METRIC_DETACHED},
	{COUNTER("stanzas", "Stanzas from clients and to them."), C2S, .status = "stanzas", .apart = true,
	 .first = METRIC_STANZAS_IN, LABELS({"direction", 2, direction_name}, {"kind", METRIC_KINDS, kind_name})},
	{COUNTER("messages_routed", "Messages on their way to a session, once for each."), SM, .status = "messages_routed",
	 .first = METRIC_MESSAGES_ROUTED},
	{COUNTER("messages_delivered", "Messages that a client has: it said so, or its connection took them."), SM,
	 .status = "messages_delivered", .first = METRIC_MESSAGES_DELIVERED},
	{COUNTER("messages_stored", "Messages stored for who is away."), SM, .status = "offline_stored",
	 .first = METRIC_OFFLINE_STORED},
	{COUNTER("logins", "Logins of clients."), C2S, .status = "logins", .first = METRIC_LOGINS,
	 LABELS({"mechanism", METRIC_MECHANISMS, login_mechanism_name})},
	{COUNTER("login_failures", "Logins of clients that were refused, and what they were told; too-often is our limit."), C2S,
	 .status = "login_failures", .sparse = true, .first = METRIC_LOGIN_FAILURES,
	 LABELS({"mechanism", METRIC_MECHANISMS, mechanism_name}, {"reason", METRIC_FAILURES, failure_name})},
	{COUNTER("tls_handshakes", "TLS handshakes with clients."), C2S, .status = "tls_handshakes",
	 .first = METRIC_TLS_HANDSHAKES, LABELS({"version", METRIC_TLS_VERSIONS, version_name})},
	{COUNTER("tls_failures", "TLS handshakes with clients that failed."), C2S, .status = "tls_failures",
	 .first = METRIC_TLS_FAILURES},
	{COUNTER("certificates_read", "Certificates that were read again, after they changed."), .status = "certificates_read",
	 .first = METRIC_CERTIFICATES_READ},
	{COUNTER("certificates_refused", "Changed certificates that cannot be used: the old ones stay."),
	 .status = "certificates_refused", .first = METRIC_CERTIFICATES_REFUSED},
	{GAUGE("certificate_problems", "Certificates that are shown and have a problem: jackdaw check certs."),
	 .status = "certificate_problems", .first = METRIC_CERTIFICATE_PROBLEMS},
	{COUNTER("stream_errors", "Streams of clients that ended with an error."), C2S, .status = "stream_errors",
	 .first = METRIC_STREAM_ERRORS},
	{GAUGE("users_loaded", "Users in memory."), SM, .status = "users_loaded", .first = METRIC_USERS_LOADED},
	{GAUGE("peers", "Components at the router."), ROUTER, .status = "peers", .first = METRIC_PEERS},
	{COUNTER("registrations", "Accounts that clients made."), C2S, .status = "registrations", .first = METRIC_REGISTRATIONS},
	{COUNTER("refused", "What strangers were refused, by the limit that did."), .status = "refused", .apart = true,
	 .first = METRIC_REFUSED, LABELS({"cause", SX_REFUSALS, cause_name})},

	{GAUGE("mailbox_bytes", "Between workers."), .unit = "bytes", .status = "mailbox_bytes", .read = mailboxes},
	{GAUGE("queue_bytes", "In the queues of clients, to be sent or parsed; limits.memory."), .unit = "bytes",
	 .status = "queue_bytes", .read = queues},
	{GAUGE("storage_waiting", "Transactions that wait for storage."), .status = "storage_queue", .read = storage_queue},
	{COUNTER("storage_batches", "Commits of transactions that waited together."), .status = "storage_batches",
	 .read = storage_commits},
	{COUNTER("storage_failures", "Such commits that failed."), .status = "storage_failures", .read = storage_failed},
	{GAUGE("passwords_waiting", "Passwords that wait to be hashed."), .status = "hashing_queue", .read = hashing},
	{COUNTER("log_lines_dropped", "Lines that the log had no room for."), .status = "log_lines_dropped", .read = log_lines},
	{GAUGE("memory_held_bytes", "Held from the system."), .unit = "bytes", .status = "memory_bytes", .read = held},
	{GAUGE("memory_used_bytes", "In use, by what it is for."), .unit = "bytes", .read = used,
	 LABELS({"kind", MEM_KINDS, memory_name})},
};
/* clang-format on */

/* -- telling
 * --------------------------------------------------------------------------------------- */

static bool has_part(const struct process *process, const char *part)
{
	for (const struct component *const *at = process->components; part && *at; at++) {
		if (!strcmp((*at)->name, part))
			return true;
	}
	return !part;
}

static void tell_one(const struct process *process, const struct figure *figure, unsigned at,
		     figure_fn *tell, void *to)
{
	const struct figure_label *labels = figure->labels;
	unsigned inner = labels[1].name ? labels[1].count : 1;
	struct figure_sample sample = {.figure = figure,
				       .foreign = !has_part(process, figure->part)};

	sample.values[0] = labels[0].name ? labels[0].value(at / inner) : NULL;
	sample.values[1] = labels[1].name ? labels[1].value(at % inner) : NULL;
	if (labels[0].name && !sample.values[0])
		return;
	if (!figure->read)
		sample.value = (int64_t)atomic_load_explicit(&process->metrics[figure->first + at],
							     memory_order_relaxed);
	else if (!figure->read(process, at, &sample.value))
		return;
	tell(to, &sample);
}

void figures_tell(const struct process *process, figure_fn *tell, void *to)
{
	for (size_t which = 0; which < countof(figures); which++) {
		const struct figure *figure = &figures[which];
		unsigned count = 1;

		for (unsigned label = 0; label < FIGURE_LABELS && figure->labels[label].name;
		     label++)
			count *= figure->labels[label].count;
		for (unsigned at = 0; at < count; at++)
			tell_one(process, figure, at, tell, to);
	}
}
