/* SPDX-License-Identifier: MIT */
/*
 * Reading the file again:
 *
 *   idle ── asked ──> read, checked, on its way to the workers ── all have it ──> told, idle
 *              │                                                        │ another SIGHUP came
 *              └── anything is wrong ──> told, idle                     └──> read again
 *
 * What outlives the loops, settings and certificates, is of the heap of last resort.
 */
#include "run/reload.h"

#include <errno.h>
#include <string.h>
#include "base/mem.h"
#include "component/component.h"
#include "component/tls.h"
#include "run/changes.h"
#include "run/deployment.h"
#include "run/run.h"

enum { PARTS_MAX = 8 };

/* A reading of the file. */
struct version {
	struct settings settings;
	struct conf *conf;	 /* NULL: the deployment's */
	struct version *kept;	 /* an older one that certificates still borrow */
	struct buf notes;	 /* of the certificates, a line each */
	struct buf lines, waits; /* what differs from what was in force, now; after a restart */
	struct buf json;
	unsigned at_once, later;
};

struct reloader {
	struct reloader_options with;
	const char *parts[PARTS_MAX + 1];
	struct version *now, *next; /* next: on its way to the workers */
	uint64_t call;		    /* who is told; 0: nobody but the log */
	bool again;		    /* SIGHUP came meanwhile */
	struct version *kept;	    /* never in force, and borrowed */
};

static const struct log *log_of(const struct reloader *reloader)
{
	return &reloader->with.process->workers[0]->log;
}

static void version_free(struct version **taken)
{
	struct version *version = *taken;

	*taken = NULL;
	if (!version)
		return;
	version_free(&version->kept);
	conf_free(&version->conf);
	buf_fini(&version->notes);
	buf_fini(&version->lines);
	buf_fini(&version->waits);
	buf_fini(&version->json);
	mem_free(version);
}

static const struct conf *conf_of(const struct reloader *reloader, const struct version *version)
{
	return version->conf ? version->conf : reloader->with.deployment->conf;
}

/* -- reading ---------------------------------------------------------------------------------- */

/* A password that was made is what an empty one means. */
static void fill_password(const struct reloader *reloader, struct settings *settings)
{
	struct buf *made = &reloader->with.deployment->router_password;

	if (!*settings->router.password && buf_used(made))
		settings->router.password = buf_text(made);
}

/* Of a process with all parts nobody asks which it is. */
static struct changes changes_of(const struct reloader *reloader, const struct settings *next)
{
	const char *name = reloader->with.process->name;

	return (struct changes){.now = &reloader->now->settings,
				.next = next,
				.parts = reloader->parts,
				.part = strcmp(name, "run") != 0 ? name : NULL};
}

struct noting {
	const struct changes *changes;
	const struct reloader *reloader;
	struct version *next;
};

static void note_change(void *arg, const struct conf_option *option, bool at_once)
{
	struct noting *noting = arg;
	struct version *next = noting->next;

	struct buf *lines = at_once ? &next->lines : &next->waits;

	changes_print(noting->changes, option, at_once, "in effect", lines);
	buf_append_char(lines, '\n');
	if (at_once)
		next->at_once++;
	else
		next->later++;
}

static void hold_back(void *arg, const struct conf_option *option, bool at_once)
{
	struct noting *noting = arg;
	const struct version *now = noting->reloader->now;

	if (!at_once)
		conf_keep_value(noting->next->conf, conf_of(noting->reloader, now), option,
				&now->settings, &noting->next->settings);
}

/* What needs a restart is noted, and stays in force; with the rest it has to make sense. */
static int settle(const struct reloader *reloader, struct version *next, struct buf *why)
{
	struct changes changes = changes_of(reloader, &next->settings);
	struct noting noting = {&changes, reloader, next};
	struct conf_error error;
	int rc;

	fill_password(reloader, &next->settings);
	changes_each(&changes, note_change, &noting);
	changes_json(&changes, &next->json);
	changes_each(&changes, hold_back, &noting);
	rc = settings_check(&next->settings, &error);
	if (rc)
		buf_printf(why,
			   "%s (beside what needs a restart to change; stop and start instead)",
			   error.text);
	return rc;
}

/* Of the file, or of a text that may come into its place. NULL: *why has the line. */
static struct version *read_version(const struct reloader *reloader, const char *name,
				    const struct slice *text, struct buf *why)
{
	struct heap *before = heap_enter(NULL);
	struct version *next = mem_zalloc(MEM_CONF, sizeof(*next));
	AUTO(buf_fini) struct buf what = {0};
	struct conf_error error;
	int rc;

	if (text)
		rc = settings_parse(name, *text, &next->settings, &next->conf, &error);
	else
		rc = deployment_read(reloader->with.cli, &next->settings, &next->conf, &what);
	if (rc && text)
		deployment_explain(&error, &what);
	rc = rc ? rc : settle(reloader, next, &what);
	if (rc)
		version_free(&next);
	heap_enter(before);
	buf_append_slice(why, buf_slice(&what));
	return next;
}

/* -- certificates ----------------------------------------------------------------------------- */

static int reread(struct tls_store *store, const struct settings *settings, struct buf *notes,
		  struct buf *why)
{
	return store ? tls_store_reload(store, settings, notes, why) : 0;
}

/*
 * The one place where certificates are read again: what is borrowed of the version from then on are
 * its settings. All or nothing: those for clients go back when the router's cannot be used.
 */
static int read_certificates(const struct reloader *reloader, struct version *next, struct buf *why)
{
	const struct process *process = reloader->with.process;
	AUTO(buf_fini) struct buf ignored = {0};
	int rc = reread(process->tls, &next->settings, &next->notes, why);

	if (rc)
		return rc;
	rc = reread(process->router_tls, &next->settings, &next->notes, why);
	if (rc && reread(process->tls, &reloader->now->settings, &ignored, &ignored))
		return 1; /* they are worse than those that were read: these stay */
	return rc;
}

/* Whether they could be used; nothing is shown to anybody. */
static int check_certificates(const struct reloader *reloader, const struct settings *settings,
			      struct buf *why)
{
	const struct process *process = reloader->with.process;
	AUTO(buf_fini) struct buf notes = {0};
	struct tls_store *store = NULL, *router = NULL;
	int rc = 0;

	if (process->tls)
		rc = tls_store_load(process->host, settings, &store, &notes, why);
	if (!rc && process->router_tls)
		rc = tls_store_load_router(process->host, settings, &router, &notes, why);
	tls_store_free(&store);
	tls_store_free(&router);
	return rc;
}

/* -- reload ----------------------------------------------------------------------------------- */

/* Takes the next line off; false: there is none. */
static bool next_line(struct slice *lines, struct slice *line)
{
	const char *end = lines->len ? memchr(lines->data, '\n', lines->len) : NULL;

	line->data = lines->data;
	line->len = end ? (size_t)(end - lines->data) : lines->len;
	if (!lines->len)
		return false;
	lines->data += line->len + (end ? 1 : 0);
	lines->len -= line->len + (end ? 1 : 0);
	return true;
}

static void log_lines(const struct reloader *reloader, struct slice lines, enum log_level level)
{
	struct slice line;

	while (next_line(&lines, &line))
		log_write(log_of(reloader), level, "%.*s", (int)line.len, line.data);
}

static void print_lines(const struct reloader *reloader, struct ctl_call *call, struct slice lines)
{
	const char *name = reloader->with.process->name;
	bool named = strcmp(name, "run") != 0;
	struct slice line;

	while (next_line(&lines, &line))
		ctl_print(call, "%s%s%.*s", named ? name : "", named ? ": " : "", (int)line.len,
			  line.data);
}

static void sum_up(const struct reloader *reloader, const struct version *version, struct buf *out)
{
	const struct process *process = reloader->with.process;
	bool certificates = process->tls || process->router_tls;

	buf_printf(out, "reloaded%s: ", certificates ? ", certificates too" : "");
	if (!version->at_once && !version->later)
		buf_append_text(out, "no setting has changed");
	else
		buf_printf(out, "%u %s in effect, %u %s a restart", version->at_once,
			   version->at_once == 1 ? "change is" : "changes are", version->later,
			   version->later == 1 ? "needs" : "need");
}

static void tell(struct reloader *reloader, struct version *version)
{
	struct ctl_call *call = ctl_call(reloader->with.ctl, reloader->call);
	AUTO(buf_fini) struct buf sum = {0};

	sum_up(reloader, version, &sum);
	log_lines(reloader, buf_slice(&version->lines), LOG_INFO);
	log_lines(reloader, buf_slice(&version->waits), LOG_WARN);
	log_lines(reloader, buf_slice(&version->notes), LOG_WARN);
	log_info(log_of(reloader), "%s", buf_text(&sum));
	reloader->call = 0;
	if (!call)
		return;
	if (ctl_wants_json(call)) {
		ctl_print(call, "%s", buf_text(&version->json));
	} else {
		print_lines(reloader, call, buf_slice(&version->lines));
		print_lines(reloader, call, buf_slice(&version->waits));
		print_lines(reloader, call, buf_slice(&sum));
	}
	ctl_end(call, CTL_OK);
}

static void fail(struct reloader *reloader, const char *why)
{
	struct ctl_call *call = ctl_call(reloader->with.ctl, reloader->call);

	log_error(log_of(reloader), "%s: nothing was changed", why);
	reloader->call = 0;
	if (!call)
		return;
	ctl_error(call, "%s", why);
	ctl_end(call, CTL_PROBLEM);
}

static void begin(struct reloader *reloader);

/* Nobody looks at what was in force before. */
static void done(void *arg)
{
	struct reloader *reloader = arg;
	struct version *before = reloader->now;

	reloader->now = reloader->next;
	reloader->next = NULL;
	version_free(&before);
	tell(reloader, reloader->now);
	if (reloader->again) {
		reloader->again = false;
		begin(reloader);
	}
}

/* A version that did not come into force; certificates may borrow its settings all the same. */
static void drop(struct reloader *reloader, struct version **version, bool borrowed)
{
	if (borrowed) {
		(*version)->kept = reloader->kept;
		reloader->kept = *version;
		*version = NULL;
	}
	version_free(version);
}

static void begin(struct reloader *reloader)
{
	AUTO(buf_fini) struct buf why = {0};
	struct version *next = read_version(reloader, NULL, NULL, &why);
	struct reload with = {.done = done, .arg = reloader};
	int rc;

	if (!next) {
		fail(reloader, buf_text(&why));
		return;
	}
	rc = read_certificates(reloader, next, &why);
	if (rc) {
		fail(reloader, buf_text(&why));
		drop(reloader, &next, rc > 0);
		return;
	}
	with.settings = &next->settings;
	reloader->next = next;
	if (process_reload(reloader->with.process, &with))
		return;
	reloader->next = NULL;
	fail(reloader, "the server stops");
	drop(reloader, &next, true);
}

void reloader_signal(struct reloader *reloader)
{
	if (reloader->next)
		reloader->again = true;
	else
		begin(reloader);
}

/* -- commands --------------------------------------------------------------------------------- */

static void reload(void *arg, struct ctl_call *call)
{
	struct reloader *reloader = arg;

	if (reloader->next) {
		ctl_error(call, "a reload is under way: try again in a moment");
		ctl_end(call, CTL_PROBLEM);
		return;
	}
	reloader->call = ctl_id(call);
	begin(reloader);
}

static void show_json(const struct conf *conf, const struct settings *settings, struct buf *out)
{
	for (const struct conf_option *option = settings_options; option->key; option++) {
		buf_printf(out, "%s\"%s\": {\"value\": ", option == settings_options ? "{" : ", ",
			   option->key);
		conf_json(option, settings, out);
		buf_printf(out, ", \"default\": %s}",
			   conf_is_given(conf, option) ? "false" : "true");
	}
	buf_append_char(out, '}');
}

void reload_show(const struct conf *conf, const struct settings *settings, bool json,
		 struct buf *out)
{
	if (json)
		show_json(conf, settings, out);
	else
		conf_show(settings_options, conf, settings, out);
}

static void config_show(void *arg, struct ctl_call *call)
{
	struct reloader *reloader = arg;
	const struct version *now = reloader->now;
	AUTO(buf_fini) struct buf text = {0};

	reload_show(conf_of(reloader, now), &now->settings, ctl_wants_json(call), &text);
	ctl_print(call, "%s", buf_text(&text));
	ctl_end(call, CTL_OK);
}

static void print_difference(void *arg, const struct conf_option *option, bool at_once)
{
	const struct noting *noting = arg;

	changes_print(noting->changes, option, at_once, "at once", &noting->next->lines);
	buf_append_char(&noting->next->lines, '\n');
	noting->next->at_once++;
}

static void say_difference(struct reloader *reloader, struct ctl_call *call,
			   const struct settings *settings)
{
	struct changes changes = changes_of(reloader, settings);
	struct version found = {.conf = NULL};
	struct noting noting = {&changes, reloader, &found};

	changes_each(&changes, print_difference, &noting);
	if (ctl_wants_json(call)) {
		changes_json(&changes, &found.json);
		ctl_print(call, "%s", buf_text(&found.json));
	} else {
		print_lines(reloader, call, buf_slice(&found.lines));
	}
	buf_fini(&found.lines);
	buf_fini(&found.json);
	ctl_end(call, found.at_once ? CTL_PROBLEM : CTL_OK);
}

/* As diff(1): 0, nothing differs; 1, something does; 2, the text is no configuration. */
static void config_diff(void *arg, struct ctl_call *call)
{
	struct reloader *reloader = arg;
	struct slice text = ctl_input(call);
	const char *name = ctl_arg(call, 0);
	AUTO(conf_free) struct conf *conf = NULL;
	AUTO(buf_fini) struct buf why = {0};
	struct conf_error error;
	struct settings settings;

	if (settings_parse(name ? name : "input", text, &settings, &conf, &error)) {
		deployment_explain(&error, &why);
		ctl_error(call, "%s", buf_text(&why));
		ctl_end(call, CTL_USAGE);
		return;
	}
	fill_password(reloader, &settings);
	say_difference(reloader, call, &settings);
}

/* Whether a reload with this text would do; nothing changes. */
static void config_check(void *arg, struct ctl_call *call)
{
	struct reloader *reloader = arg;
	const char *name = ctl_arg(call, 0);
	struct slice text = ctl_input(call);
	AUTO(buf_fini) struct buf why = {0};
	struct version *version = read_version(reloader, name ? name : "input", &text, &why);

	if (!version || check_certificates(reloader, &version->settings, &why)) {
		ctl_error(call, "%s", buf_text(&why));
		ctl_end(call, CTL_PROBLEM);
	} else {
		ctl_end(call, CTL_OK);
	}
	version_free(&version);
}

static const struct ctl_command commands[] = {
	{"reload", "", "reads the file and the certificates again", "jackdaw reload", CTL_NOTHING,
	 reload},
	{"config show", "", "prints the settings in force", "jackdaw config show", CTL_NOTHING,
	 config_show},
	{"config diff", "NAME", "says what would change with a file",
	 "jackdaw config diff new.toml", CTL_WHOLE, config_diff},
	{"config check", "NAME", "says whether a file can be put into force",
	 "jackdaw config apply new.toml", CTL_WHOLE, config_check},
	{.name = NULL},
};

/* -- life ------------------------------------------------------------------------------------- */

struct reloader *reloader_new(const struct reloader_options *options)
{
	struct reloader *reloader = mem_zalloc(MEM_CONF, sizeof(*reloader));
	const struct component *const *components = options->process->components;

	reloader->with = *options;
	reloader->now = mem_zalloc(MEM_CONF, sizeof(*reloader->now));
	reloader->now->settings = options->deployment->settings;
	for (unsigned at = 0; components[at] && at < PARTS_MAX; at++)
		reloader->parts[at] = components[at]->name;
	ctl_add(options->ctl, commands, reloader);
	return reloader;
}

void reloader_free(struct reloader **reloader)
{
	if (!*reloader)
		return;
	version_free(&(*reloader)->next);
	version_free(&(*reloader)->now);
	version_free(&(*reloader)->kept);
	mem_free(*reloader);
	*reloader = NULL;
}
