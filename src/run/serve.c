/* SPDX-License-Identifier: MIT */
/* The verbs that serve: everything in one process, or one part. From the file to the ready line,
 * and back to exit 0. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "c2s/c2s.h"
#include "component/accounts.h"
#include "component/backup.h"
#include "component/component.h"
#include "component/tls.h"
#include "ctl/ctl.h"
#include "router/router.h"
#include "run/demo.h"
#include "run/deployment.h"
#include "run/notify.h"
#include "run/observe.h"
#include "run/progress.h"
#include "run/reload.h"
#include "run/run.h"
#include "run/sandbox.h"
#include "run/status.h"
#include "sm/commands.h"
#include "sm/import.h"
#include "sm/sm_component.h"

/* What stands later in the list lets work in: it is drained first. */
static const struct component *const everything[] = {&router_component, &sm_component,
						     &c2s_component, NULL};
static const struct component *const router_only[] = {&router_component, NULL};
static const struct component *const c2s_only[] = {&c2s_component, NULL};
static const struct component *const sm_only[] = {&sm_component, NULL};

struct form {
	const char *verb;
	const struct component *const *components;
	const char *locks[DEPLOYMENT_LOCKS_MAX]; /* beyond its own */
	bool uplink, certificates, accounts, routes;
	bool one_worker;
};

static const struct form forms[] = {
	{"run",
	 everything,
	 {"router", "c2s", "sm"},
	 .certificates = true,
	 .accounts = true,
	 .routes = true},
	{"router", router_only, {NULL}, .one_worker = true, .routes = true},
	{"c2s", c2s_only, {NULL}, .uplink = true, .certificates = true},
	{"sm", sm_only, {NULL}, .uplink = true, .accounts = true},
};

struct serving {
	const struct form *form;
	const char *name;
	struct deployment deployment;
	struct sandbox sandbox;
	struct mio_host *host;
	int64_t begun_ms;
	struct log_writer *logs;
	struct tls_store *tls, *router_tls;
	struct buf note; /* of the certificates, for the log */
	struct process *process;
	struct accounts *accounts;
	struct user_imports *imports;
	struct backup *backup;
	struct observe *observe;
	struct reloader *reloader;
	struct demo *demo; /* NULL: not asked for */
};

/* -- ready
 * ------------------------------------------------------------------------------------------- */

/* The pieces of the list that begin with the word, or those that do not. */
static void append_pieces(struct buf *out, const char *list, const char *word, bool with)
{
	size_t len = strlen(word);

	while (*list) {
		size_t piece = strcspn(list, ",");

		if ((piece > len && !memcmp(list, word, len)) == with) {
			buf_append_text(out, buf_used(out) ? ", " : "");
			buf_append(out, list, piece);
		}
		list += piece;
		list += strspn(list, ", ");
	}
}

static void say_ready(struct serving *serving)
{
	AUTO(buf_fini) struct buf listening = {0};
	const char *all = buf_text(&serving->process->listening);
	long long took_ms = mio_host_now_ms(serving->host) - serving->begun_ms;

	append_pieces(&listening, all, "client", true);
	append_pieces(&listening, all, "client", false);
	if (buf_used(&listening))
		fprintf(stderr, "jackdaw: ready in %lld ms: %s\n", took_ms, buf_text(&listening));
	else
		fprintf(stderr, "jackdaw: ready in %lld ms\n", took_ms);
	notify_supervisor("READY=1");
}

static void demo_done(void *arg)
{
	say_ready(arg);
}

static void on_ready(struct process *process, void *arg)
{
	struct serving *serving = arg;

	if (serving->demo)
		demo_start(serving->demo, process, demo_done, serving);
	else
		say_ready(serving);
}

/* -- signals
 * ----------------------------------------------------------------------------------------- */

static void signalled(int number, void *arg)
{
	struct serving *serving = arg;
	const struct log *log = &serving->process->workers[0]->log;

	if (number == SIGHUP) {
		log_reopen(serving->logs, mio_host_wall_ms(serving->host));
		reloader_signal(serving->reloader);
		return;
	}
	log_event(log, LOG_INFO, &(struct log_event){.name = "stopping"}, "stopping");
	notify_supervisor("STOPPING=1");
	process_drain(serving->process);
}

/* -- starting
 * ---------------------------------------------------------------------------------------- */

/* A client is a descriptor: we take as many as we may. */
static uint64_t raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

static uint64_t machine_memory(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

	return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
}

static unsigned count_workers(const struct serving *serving)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t wanted = serving->deployment.settings.process.workers;

	if (serving->form->one_worker)
		return 1;
	if (!wanted)
		wanted = cores > 0 ? cores : 1;
	return wanted > MIO_WORKERS_MAX ? MIO_WORKERS_MAX : (unsigned)wanted;
}

static int own_data(struct serving *serving, struct buf *why)
{
	const char *locks[DEPLOYMENT_LOCKS_MAX + 1] = {serving->name};

	for (size_t i = 0; i + 1 < DEPLOYMENT_LOCKS_MAX && serving->form->locks[i]; i++)
		locks[i + 1] = serving->form->locks[i];
	return deployment_own(&serving->deployment, serving->host, locks, why);
}

static int start_process(struct serving *serving, struct buf *why)
{
	const struct process_options options = {
		.name = serving->name,
		.host = serving->host,
		.settings = &serving->deployment.settings,
		.components = serving->form->components,
		.logs = serving->logs,
		.open_storage = serving->form->accounts,
		.tls = serving->tls,
		.router_tls = serving->router_tls,
		.secret = serving->deployment.secret,
		.uplink = serving->form->uplink,
		.workers = count_workers(serving),
		.descriptors = raise_descriptors(),
		.memory = machine_memory(),
	};
	int rc = process_start(&options, &serving->process, why);

	if (rc)
		return rc;
	serving->process->on_ready = on_ready;
	serving->process->on_ready_arg = serving;
	return 0;
}

static struct reloader *make_reloader(struct serving *serving, const struct cli *cli)
{
	const struct reloader_options options = {
		.ctl = serving->process->ctl,
		.process = serving->process,
		.cli = cli,
		.deployment = &serving->deployment,
	};

	return reloader_new(&options);
}

static int open_control(struct serving *serving, const struct cli *cli, struct buf *why)
{
	struct process *process = serving->process;
	AUTO(buf_fini) struct buf path = {0};
	int rc;

	process->ctl = ctl_new(process->workers[0]->mio);
	serving->accounts = accounts_new(process->ctl, process);
	serving->imports = user_imports_new(process->ctl, process);
	serving->backup = backup_new(process->ctl, process);
	serving->reloader = make_reloader(serving, cli);
	status_commands(process->ctl, process);
	sm_commands(process->ctl, process);
	for (const struct component *const *at = process->components; *at; at++) {
		if ((*at)->commands)
			(*at)->commands(process->ctl, process);
	}
	buf_printf(&path, "%s/%s.sock", serving->deployment.settings.data.dir,
		   strcmp(serving->name, "run") != 0 ? serving->name : "control");
	rc = ctl_listen(process->ctl, buf_text(&path));
	if (rc)
		buf_printf(why, "%s: %s", buf_text(&path), strerror(-rc));
	return rc;
}

static int open_log_file(const struct serving *serving, struct buf *why)
{
	const struct settings *settings = &serving->deployment.settings;
	AUTO(buf_fini) struct buf path = {0};
	int rc;

	if (*settings->log.file != '/')
		buf_printf(&path, "%s/", settings->data.dir);
	if (*settings->log.file)
		buf_append_text(&path, settings->log.file);
	else
		buf_printf(&path, "%s.log",
			   strcmp(serving->name, "run") != 0 ? serving->name : "jackdaw");
	rc = log_open(serving->logs, buf_text(&path));
	if (rc)
		buf_printf(why, "log.file: %s: %s", buf_text(&path), strerror(-rc));
	return rc;
}

static int open_log(struct serving *serving, struct buf *why)
{
	const struct settings *settings = &serving->deployment.settings;

	serving->logs = log_writer_new(STDERR_FILENO, (enum log_level)settings->log.level,
				       (enum log_format)settings->log.format, true);
	log_set_addresses(serving->logs, (enum log_addresses)settings->log.addresses);
	if (settings->log.to == LOG_TO_JOURNAL)
		log_use_journal(serving->logs);
	return settings->log.to == LOG_TO_FILE ? open_log_file(serving, why) : 0;
}

static int start(struct serving *serving, const struct cli *cli, struct buf *why)
{
	const struct settings *settings = &serving->deployment.settings;
	int rc = deployment_load(&serving->deployment, cli, why);

	if (rc)
		return rc;
	serving->host = mio_host_new(serving->name);
	serving->begun_ms = mio_host_now_ms(serving->host);
	rc = sandbox_become(&serving->sandbox, &serving->deployment, why);
	rc = rc ? rc : own_data(serving, why);
	if (!rc && serving->form->certificates)
		rc = tls_store_load(serving->host, settings, &serving->tls, &serving->note, why);
	if (!rc && serving->form->routes && settings->router.tls != ROUTER_TLS_OFF)
		rc = tls_store_load_router(serving->host, settings, &serving->router_tls,
					   &serving->note, why);
	if (!rc && cli->demo)
		rc = demo_new(&serving->deployment, serving->host, &serving->demo, why);
	if (!rc)
		rc = sandbox_enclose(&serving->sandbox, &serving->deployment, why);
	rc = rc ? rc : open_log(serving, why);
	rc = rc ? rc : start_process(serving, why);
	rc = rc ? rc : open_control(serving, cli, why);
	rc = rc ? rc : observe_new(serving->process, &serving->observe, why);
	rc = rc ? rc : mio_host_signals(serving->host, signalled, serving);
	return rc ? rc : sandbox_close(&serving->sandbox, &serving->deployment, why);
}

/* The certificates' notes, a line each. */
static void log_notes(const struct serving *serving)
{
	struct slice notes = buf_slice(&serving->note);

	while (notes.len) {
		const char *end = memchr(notes.data, '\n', notes.len);
		size_t len = end ? (size_t)(end - notes.data) : notes.len;

		log_warn(&serving->process->workers[0]->log, "%.*s", (int)len, notes.data);
		notes.data += len + (end ? 1 : 0);
		notes.len -= len + (end ? 1 : 0);
	}
}

/* What holds is an operator's business, and more so what does not. */
static void log_sandbox(const struct serving *serving)
{
	AUTO(buf_fini) struct buf text = {0};
	bool whole = sandbox_describe(&serving->sandbox, &serving->deployment, &text);

	log_write(&serving->process->workers[0]->log, whole ? LOG_INFO : LOG_WARN, "%s",
		  buf_text(&text));
}

/* The order matters: calls end before what they would answer to, and who hashes or writes before
 * what it reads. */
static void end(struct serving *serving)
{
	if (serving->process)
		ctl_free(&serving->process->ctl);
	user_imports_free(&serving->imports);
	accounts_free(&serving->accounts);
	backup_free(&serving->backup);
	observe_free(&serving->observe);
	process_free(&serving->process);
	reloader_free(&serving->reloader);
	demo_free(&serving->demo);
	tls_store_free(&serving->tls);
	tls_store_free(&serving->router_tls);
	if (serving->logs)
		log_writer_free(&serving->logs);
	if (serving->host)
		mio_host_free(&serving->host);
	buf_fini(&serving->note);
	deployment_fini(&serving->deployment);
}

static bool is_name(const char *name)
{
	return *name &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       strlen(name) &&
	       *name != '.' && strlen(name) < 64;
}

/* From before the first thread until the loop takes them: an early SIGTERM waits instead of cutting
 * the start short. */
static void hold_signals(void)
{
	progress_hold_signals();
	signal(SIGPIPE, SIG_IGN);
}

static int serve(const struct cli *cli, const struct form *form)
{
	struct buf why = {0};
	struct serving serving = {.form = form, .name = cli->name ? cli->name : form->verb};
	int rc;

	if (!is_name(serving.name)) {
		fprintf(stderr, "jackdaw: a name has letters, digits, . _ and -\n");
		return EXIT_USAGE;
	}
	hold_signals();
	umask(077);
	tls_count_memory();
	rc = start(&serving, cli, &why);
	if (!rc) {
		log_notes(&serving);
		log_sandbox(&serving);
		rc = mio_host_run(serving.host);
	}
	if (rc)
		fprintf(stderr, "jackdaw: %s\n", buf_used(&why) ? buf_text(&why) : strerror(-rc));
	buf_fini(&why); /* may be from a worker's heap, which ends now */
	end(&serving);
	return rc ? EXIT_PROBLEM : EXIT_OK;
}

int verb_serve(const struct cli *cli)
{
	for (size_t i = 0; i < countof(forms); i++) {
		if (!strcmp(forms[i].verb, cli->verb->name))
			return serve(cli, &forms[i]);
	}
	return EXIT_USAGE;
}
