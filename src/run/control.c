/* SPDX-License-Identifier: MIT */
/* The verbs that act on a server: through its control socket, or on the storage of one that is
 * stopped. */
#include "run/control.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "component/accounts.h"
#include "component/backup.h"
#include "component/component.h"
#include "ctl/client.h"
#include "run/deployment.h"
#include "run/sandbox.h"
#include "run/import/lines.h"
#include "sm/commands.h"
#include "sm/import.h"

enum { COMMAND_WORDS_MAX = 24, PROGRESS_MS = 10000, SERVERS_MAX = 64 };

/* What a command prints goes to this process's terminal. */
struct terminal {
	bool is_terminal; /* of stderr */
	bool line_open;	  /* a progress line stands there */
	int64_t progress_ms;
	int code;
	struct mio_host *clock;
	const struct input *input; /* progress is told in it */

	/* When the command runs here, not in a server. */
	struct ctl *ctl; /* or NULL */
	uint64_t call;
	bool input_failed;
};

static void close_line(struct terminal *terminal)
{
	if (terminal->line_open)
		fputs("\r\033[K", stderr);
	terminal->line_open = false;
}

static void terminal_print(void *arg, bool error, struct slice text)
{
	close_line(arg);
	if (error)
		fprintf(stderr, "jackdaw: %.*s\n", (int)text.len, text.data);
	else
		printf("%.*s\n", (int)text.len, text.data);
}

static void terminal_progress(void *arg, struct slice text)
{
	struct terminal *terminal = arg;
	const struct input *input = terminal->input;
	int64_t now_ms = mio_host_now_ms(terminal->clock);
	char part[16] = "";

	if (!terminal->is_terminal && now_ms - terminal->progress_ms < PROGRESS_MS)
		return;
	terminal->progress_ms = now_ms;
	if (input->total)
		snprintf(part, sizeof(part),
			 "%llu%%: ", (unsigned long long)(input->at * 100 / input->total));
	fprintf(stderr, "%s%s%.*s%s", terminal->is_terminal ? "\r\033[K" : "jackdaw: ", part,
		(int)text.len, text.data, terminal->is_terminal ? "" : "\n");
	terminal->line_open = terminal->is_terminal;
}

static void terminal_ended(void *arg, int code)
{
	struct terminal *terminal = arg;

	close_line(terminal);
	terminal->code = terminal->input_failed ? EXIT_PROBLEM : ctl_exit_code(code);
	if (terminal->ctl)
		mio_host_stop(terminal->clock);
}

/* The command runs here and wants more: it may wait for it. */
static void terminal_more(void *arg)
{
	enum { PIECE = 256 * 1024 };
	struct terminal *terminal = arg;
	const struct ctl_source *source = &terminal->input->source;
	AUTO(buf_wipe) struct buf piece = {0};
	char *room = buf_reserve(&piece, PIECE);
	struct heap *before = heap_enter(NULL); /* what the source keeps outlives the worker */
	ssize_t got = source->read(source->arg, room, PIECE);

	heap_enter(before);
	if (got < 0) {
		if (got != -ECANCELED)
			fprintf(stderr, "jackdaw: the input: %s\n", strerror((int)-got));
		terminal->input_failed = true;
	}
	if (got <= 0) {
		ctl_feed_end(terminal->ctl, terminal->call);
	} else {
		buf_added(&piece, (size_t)got);
		ctl_feed(terminal->ctl, terminal->call, buf_slice(&piece));
	}
}

static void terminal_init(struct terminal *terminal, struct mio_host *clock,
			  const struct input *input, struct ctl_sink *sink)
{
	*terminal = (struct terminal){.is_terminal = isatty(STDERR_FILENO),
				      .code = EXIT_PROBLEM,
				      .clock = clock,
				      .input = input};
	terminal->progress_ms = mio_host_now_ms(clock);
	*sink = (struct ctl_sink){.print = terminal_print,
				  .progress = terminal_progress,
				  .ended = terminal_ended,
				  .arg = terminal,
				  .more = terminal_more};
}

/* What is asked of a server. */
struct command {
	const char *words[COMMAND_WORDS_MAX];
	size_t count;
	bool json;
	bool undo; /* ^C must not leave what is half done */
	const struct input *input;
};

static void add_words(struct command *command, const char *name, struct buf *words)
{
	/* The verb's name is split in place: words holds the text. */
	buf_append_text(words, name);
	buf_append_char(words, 0);
	for (char *word = words->data; word && *word;) {
		size_t len = strcspn(word, " ");
		bool more = word[len] == ' ';

		word[len] = 0;
		command->words[command->count++] = word;
		word = more ? word + len + 1 : NULL;
	}
}

static void set_command(const struct cli *cli, struct command *command, struct buf *name,
			const struct input *input)
{
	*command = (struct command){.json = cli->json, .input = input};
	add_words(command, cli->verb->now ? cli->verb->now : cli->verb->name, name);
	for (size_t i = 0; i < cli->count && command->count < COMMAND_WORDS_MAX; i++)
		command->words[command->count++] = cli->words[i];
}

/* -- a running server
 * -------------------------------------------------------------------------------- */

static bool is_no_server(int rc)
{
	return rc == -ENOENT || rc == -ECONNREFUSED || rc == -ENOTDIR;
}

/* The exit code, or -ENOENT when no server of that name answers or has what is asked for. */
static int ask(const struct deployment *deployment, const char *name, struct command *command)
{
	AUTO(buf_fini) struct buf path = {0};
	struct mio_host *clock = mio_host_new("client");
	struct terminal terminal;
	struct ctl_sink sink;
	int rc, code = EXIT_PROBLEM;

	terminal_init(&terminal, clock, command->input, &sink);
	buf_printf(&path, "%s/%s.sock", deployment->settings.data.dir, name);
	rc = ctl_ask(buf_text(&path), command->words, command->count, command->json,
		     &command->input->source, &sink, &code);
	close_line(&terminal);
	mio_host_free(&clock);
	if (is_no_server(rc) || (!rc && code == CTL_ELSEWHERE))
		return -ENOENT;
	if (rc == -EILSEQ)
		fprintf(stderr, "jackdaw: the words and the input must be UTF-8\n");
	else if (rc == -EPIPE)
		fprintf(stderr, "jackdaw: the server went away\n");
	else if (rc && rc != -ECANCELED)
		fprintf(stderr, "jackdaw: %s: %s\n", buf_text(&path), strerror(-rc));
	return rc ? EXIT_PROBLEM : code;
}

/* The whole server first, then the parts, who knows most first. */
static int ask_any(const struct deployment *deployment, const char *name, struct command *command)
{
	static const char *const parts[] = {"control", "sm", "c2s", "router"};
	int rc = -ENOENT;

	if (name)
		return ask(deployment, strcmp(name, "run") != 0 ? name : "control", command);
	for (size_t i = 0; rc < 0 && i < countof(parts); i++)
		rc = ask(deployment, parts[i], command);
	return rc;
}

static bool is_socket(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && !strcmp(name + len - 5, ".sock");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of those whose sockets are in the directory, sorted; owned. */
static size_t list_servers(const char *dir, char **names, size_t max)
{
	DIR *opened = opendir(dir);
	const struct dirent *entry;
	size_t count = 0;

	while (opened && count < max && (entry = readdir(opened))) {
		if (is_socket(entry->d_name))
			names[count++] = mem_strndup(MEM_TEXT, entry->d_name,
						     strlen(entry->d_name) - 5);
	}
	if (opened)
		closedir(opened);
	qsort(names, count, sizeof(*names), by_name);
	return count;
}

/* The highest code of those that answer. */
static int ask_all(const struct deployment *deployment, struct command *command, struct slice text)
{
	char *names[SERVERS_MAX];
	size_t count = list_servers(deployment->settings.data.dir, names, countof(names));
	int highest = -ENOENT;

	for (size_t at = 0; at < count; at++) {
		struct input input;
		int code;

		input_text(&input, text);
		command->input = &input;
		code = ask(deployment, names[at], command);
		highest = code > highest ? code : highest;
		mem_free(names[at]);
	}
	return highest;
}

int control_all(const struct cli *cli, const struct deployment *deployment,
		const char *const *words, size_t count, struct slice text)
{
	struct command command = {.count = count, .json = cli->json};
	struct input input;

	memcpy(command.words, words, count * sizeof(*words));
	if (!cli->name)
		return ask_all(deployment, &command, text);
	input_text(&input, text);
	command.input = &input;
	return ask_any(deployment, cli->name, &command);
}

int control_one(const struct cli *cli, const struct deployment *deployment)
{
	AUTO(buf_fini) struct buf name = {0};
	struct command command;
	struct input nothing;

	input_text(&nothing, SLICE(""));
	set_command(cli, &command, &name, &nothing);
	return ask_any(deployment, cli->name, &command);
}

/* -- a stopped one
 * ----------------------------------------------------------------------------------- */

static int run_command(struct process *process, struct command *command)
{
	struct terminal terminal;
	struct ctl_sink sink;
	struct accounts *accounts;
	struct user_imports *imports;
	struct backup *backup;
	int rc;

	process->ctl = ctl_new(process->workers[0]->mio);
	accounts = accounts_new(process->ctl, process);
	backup = backup_new(process->ctl, process);
	imports = user_imports_new(process->ctl, process);
	sm_commands(process->ctl, process);
	terminal_init(&terminal, process->host, command->input, &sink);
	terminal.ctl = process->ctl;
	terminal.call = ctl_run(process->ctl, command->words, command->count, command->json,
				SLICE(""), &sink);
	rc = mio_host_run(process->host);
	ctl_free(&process->ctl);
	user_imports_free(&imports);
	accounts_free(&accounts);
	backup_free(&backup);
	return rc ? EXIT_PROBLEM : terminal.code;
}

/* What is half done is undone, as in a server that stops. */
static void interrupted(int number, void *arg)
{
	mio_host_stop(arg);
}

static int run_stopped(struct deployment *deployment, struct command *command)
{
	static const struct component *const none[] = {NULL};
	struct buf why = {0};
	struct mio_host *host = mio_host_new("offline");
	struct log_writer *logs = log_writer_new(STDERR_FILENO, LOG_WARN, LOG_TEXT, false);
	struct process *process = NULL;
	const struct process_options options = {
		.name = "offline",
		.host = host,
		.settings = &deployment->settings,
		.components = none,
		.logs = logs,
		.open_storage = true,
		.workers = 1,
	};
	struct sandbox sandbox = {0};
	int code = EXIT_PROBLEM;
	int rc;

	umask(077);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk */
	rc = command->undo ? mio_host_signals(host, interrupted, host) : 0;
	rc = rc ? rc : sandbox_become(&sandbox, deployment, &why);
	rc = rc ? rc : identity_keep(&sandbox.identity, &why);
	rc = rc ? rc : deployment_make_dir(deployment, &why);
	rc = rc ? rc : process_start(&options, &process, &why);
	if (rc)
		fprintf(stderr, "jackdaw: %s\n", buf_text(&why));
	else
		code = run_command(process, command);
	buf_fini(&why); /* may be from the worker's heap, which ends now */
	process_free(&process);
	log_writer_free(&logs);
	mio_host_free(&host);
	return code;
}

/* -- verbs
 * ------------------------------------------------------------------------------------------- */

static int act(const struct cli *cli, struct command *command, bool stopped_too)
{
	AUTO(buf_fini) struct buf why = {0};
	struct deployment deployment = {.lock_count = 0};
	int code;

	if (deployment_load(&deployment, cli, &why)) {
		fprintf(stderr, "jackdaw: %s\n", buf_text(&why));
		return EXIT_PROBLEM;
	}
	code = ask_any(&deployment, cli->name, command);
	if (code < 0 && stopped_too && strcmp(deployment.settings.storage.url, "memory:") != 0) {
		code = run_stopped(&deployment, command);
	} else if (code < 0) {
		fprintf(stderr, "jackdaw: no server that could do it runs on %s\n",
			deployment.settings.data.dir);
		code = EXIT_PROBLEM;
	}
	deployment_fini(&deployment);
	return code;
}

int verb_control(const struct cli *cli)
{
	AUTO(buf_fini) struct buf name = {0};
	struct command command;
	struct input nothing;

	input_text(&nothing, SLICE(""));
	set_command(cli, &command, &name, &nothing);
	return act(cli, &command, false);
}

/* An option is a word of its own there: "name=Bob". */
static void add_option(struct command *command, struct buf *text, const char *name, const char *value)
{
	buf_printf(text, "%s=%s", name, value);
	command->words[command->count++] = buf_text(text);
}

int verb_roster_add(const struct cli *cli)
{
	AUTO(buf_fini) struct buf verb = {0}, name = {0};
	struct buf groups[CLI_GROUPS_MAX] = {{0}};
	struct command command;
	struct input nothing;
	int code;

	if (cli->count != 2) {
		fprintf(stderr, "jackdaw: %s wants an account and a contact: %s\n", cli->verb->name, cli->verb->example);
		return EXIT_USAGE;
	}
	input_text(&nothing, SLICE(""));
	set_command(cli, &command, &verb, &nothing);
	if (cli->contact_name)
		add_option(&command, &name, "name", cli->contact_name);
	for (size_t at = 0; at < cli->group_count; at++)
		add_option(&command, &groups[at], "group", cli->groups[at]);
	if (cli->mutual)
		command.words[command.count++] = "mutual";
	code = act(cli, &command, false);
	for (size_t at = 0; at < cli->group_count; at++)
		buf_fini(&groups[at]);
	return code;
}

/* Each line at once, wherever it goes; ^C ends it. */
int verb_watch(const struct cli *cli)
{
	AUTO(buf_fini) struct buf name = {0}, user = {0};
	struct command command;
	struct input nothing;

	input_text(&nothing, SLICE(""));
	set_command(cli, &command, &name, &nothing);
	if (cli->user)
		add_option(&command, &user, "user", cli->user);
	if (cli->stanzas)
		command.words[command.count++] = "stanzas";
	setvbuf(stdout, NULL, _IOLBF, 0);
	return act(cli, &command, false);
}

int verb_account(const struct cli *cli)
{
	AUTO(buf_fini) struct buf name = {0};
	struct command command;
	struct input nothing;

	input_text(&nothing, SLICE(""));
	set_command(cli, &command, &name, &nothing);
	return act(cli, &command, true);
}

int verb_password(const struct cli *cli)
{
	AUTO(buf_fini) struct buf name = {0};
	AUTO(buf_wipe) struct buf password = {0};
	struct command command;
	struct input input;
	int code;

	if (cli->count != 1) {
		fprintf(stderr, "jackdaw: %s wants one account; a password is never an argument\n",
			cli->verb->name);
		return EXIT_USAGE;
	}
	code = input_password(cli->password_file, cli->words[0], &password);
	if (code)
		return code;
	input_text(&input, buf_slice(&password));
	set_command(cli, &command, &name, &input);
	if (cli->unlock)
		command.words[command.count++] = "unlock";
	return act(cli, &command, true);
}

int verb_import(const struct cli *cli)
{
	AUTO(buf_fini) struct buf name = {0};
	struct command command;
	struct lines *lines = NULL;
	struct input input;
	int code;

	if (cli->count != 1) {
		fprintf(stderr, "jackdaw: %s wants one file, or - for standard input\n",
			cli->verb->name);
		return EXIT_USAGE;
	}
	code = input_open(&input, cli->words[0]);
	set_command(cli, &command, &name, &input);
	if (!code) {
		lines_new(&input, &lines);
		code = act(cli, &command, true);
	}
	lines_free(&lines);
	input_close(&input);
	return code;
}

int control_stream(const struct cli *cli, const char *const *words, size_t count,
		   const struct input *input, bool undo)
{
	struct command command = {.count = count, .json = cli->json, .undo = undo, .input = input};

	memcpy(command.words, words, count * sizeof(*words));
	return act(cli, &command, true);
}

/* register USER HOST, unregister USER HOST: the address in two words. */
static int with_address(const struct cli *cli, int (*run)(const struct cli *cli))
{
	AUTO(buf_fini) struct buf address = {0};
	struct cli joined = *cli;
	const char *word;

	if (cli->count != 2) {
		fprintf(stderr,
			"jackdaw: %s wants USER and HOST; a password is never an argument\n",
			cli->verb->name);
		return EXIT_USAGE;
	}
	buf_printf(&address, "%s@%s", cli->words[0], cli->words[1]);
	word = buf_text(&address);
	joined.words = &word;
	joined.count = 1;
	return run(&joined);
}

int verb_register(const struct cli *cli)
{
	return with_address(cli, verb_password);
}

int verb_unregister(const struct cli *cli)
{
	return with_address(cli, verb_account);
}
