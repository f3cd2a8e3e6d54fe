/* SPDX-License-Identifier: MIT */
/*
 * The verbs about what is in force: reload, config show, diff and apply. They ask those that run;
 * the file is replaced here, for a server need not be allowed to write its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "ctl/ctl.h"
#include "run/changes.h"
#include "run/control.h"
#include "run/deployment.h"
#include "run/reload.h"

static int say(struct buf *why)
{
	fprintf(stderr, "jackdaw: %s\n", buf_text(why));
	return EXIT_PROBLEM;
}

static int read_text(const char *path, struct buf *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -errno : 1;

	while (got > 0 && buf_used(text) <= SETTINGS_FILE_MAX) {
		got = read(fd, buf_reserve(text, 16384), 16384);
		if (got > 0)
			buf_added(text, (size_t)got);
		else if (got < 0)
			got = -errno;
	}
	if (fd >= 0)
		close(fd);
	return got < 0 ? (int)got : 0;
}

static int read_named(const char *path, struct buf *text, struct buf *why)
{
	int rc = read_text(path, text);

	if (rc)
		buf_printf(why, "%s: cannot be read: %s", path, strerror(-rc));
	return rc;
}

/* -- reload, show ----------------------------------------------------------------------------- */

int verb_reload(const struct cli *cli)
{
	static const char *const words[] = {"reload"};
	AUTO(buf_fini) struct buf why = {0};
	struct deployment deployment = {.lock_count = 0};
	int code;

	if (deployment_load(&deployment, cli, &why))
		return say(&why);
	code = control_all(cli, &deployment, words, countof(words), SLICE(""));
	if (code < 0)
		buf_printf(&why, "no server runs on %s (if data.dir was changed, restart the one that runs on the old)",
			   deployment.settings.data.dir);
	deployment_fini(&deployment);
	return code < 0 ? say(&why) : code;
}

/* What is not in force anywhere is what the file says. */
int verb_config_show(const struct cli *cli)
{
	AUTO(buf_fini) struct buf text = {0};
	struct deployment deployment = {.lock_count = 0};
	int code;

	if (deployment_load(&deployment, cli, &text))
		return say(&text);
	code = control_one(cli, &deployment);
	if (code < 0) {
		reload_show(deployment.conf, &deployment.settings, cli->json, &text);
		printf("%s%s", buf_text(&text), cli->json ? "\n" : "");
		code = EXIT_OK;
	}
	deployment_fini(&deployment);
	return code;
}

/* -- diff ------------------------------------------------------------------------------------- */

static const char *const all_parts[] = {"router", "sm", "c2s", NULL};

struct printing {
	const struct changes *changes;
	unsigned count;
};

static void print_one(void *arg, const struct conf_option *option, bool at_once)
{
	struct printing *printing = arg;
	AUTO(buf_fini) struct buf line = {0};

	printing->count++;
	changes_print(printing->changes, option, true, "at the next start", &line);
	printf("%s\n", buf_text(&line));
}

/* Nothing runs: the file that is there is what would be in force. */
static int compare_files(const struct cli *cli, const struct settings *now,
			 const struct settings *next)
{
	const struct changes changes = {.now = now, .next = next, .parts = all_parts};
	struct printing printing = {&changes, 0};
	AUTO(buf_fini) struct buf json = {0};

	if (!cli->json) {
		changes_each(&changes, print_one, &printing);
		return printing.count ? EXIT_PROBLEM : EXIT_OK;
	}
	changes_json(&changes, &json);
	printf("%s\n", buf_text(&json));
	return strstr(buf_text(&json), "\"key\"") ? EXIT_PROBLEM : EXIT_OK;
}

/* Returns the exit code. */
static int diff(const struct cli *cli, const char *path, struct slice text)
{
	const char *const words[] = {"config", "diff", path};
	AUTO(conf_free) struct conf *conf = NULL;
	AUTO(buf_fini) struct buf why = {0};
	struct deployment deployment = {.lock_count = 0};
	struct conf_error error;
	struct settings next;
	int code;

	if (settings_parse(path, text, &next, &conf, &error)) {
		deployment_explain(&error, &why);
		say(&why);
		return EXIT_USAGE;
	}
	if (deployment_load(&deployment, cli, &why)) {
		say(&why);
		return EXIT_USAGE;
	}
	code = control_all(cli, &deployment, words, countof(words), text);
	if (code < 0)
		code = compare_files(cli, &deployment.settings, &next);
	deployment_fini(&deployment);
	return code;
}

int verb_config_diff(const struct cli *cli)
{
	const char *path = cli->count ? cli->words[0] : deployment_path(cli);
	AUTO(buf_wipe) struct buf text = {0};
	AUTO(buf_fini) struct buf why = {0};

	if (cli->count > 1 || (!cli->count && cli->demo)) {
		fprintf(stderr, "jackdaw: config diff wants one file\n");
		return EXIT_USAGE;
	}
	if (!read_named(path, &text, &why))
		return diff(cli, path, buf_slice(&text));
	say(&why);
	return EXIT_USAGE;
}

/* -- apply ------------------------------------------------------------------------------------ */

/* The configuration and what stands beside it: while it is replaced, and what was there before. */
struct place {
	char path[PATH_MAX];
	struct buf beside, old;
	struct stat status;
	bool is_new; /* there was none */
};

static void place_fini(struct place *place)
{
	buf_fini(&place->beside);
	buf_fini(&place->old);
}

static int find_place(struct place *place, const char *path, struct buf *why)
{
	if (!realpath(path, place->path)) {
		place->is_new = errno == ENOENT && strlen(path) < sizeof(place->path);
		if (!place->is_new) {
			buf_printf(why, "%s: %s", path, strerror(errno));
			return -EINVAL;
		}
		strcpy(place->path, path);
	} else if (stat(place->path, &place->status)) {
		buf_printf(why, "%s: %s", path, strerror(errno));
		return -EINVAL;
	}
	buf_printf(&place->beside, "%s.new", place->path);
	buf_printf(&place->old, "%s.old", place->path);
	return 0;
}

static bool is_same_file(const struct place *place, const char *file)
{
	struct stat status;

	return !place->is_new && !stat(file, &status) && status.st_ino == place->status.st_ino &&
	       status.st_dev == place->status.st_dev;
}

static int sync_folder(const char *path)
{
	AUTO(buf_fini) struct buf copy = {0};
	int fd, rc;

	buf_append_text(&copy, path);
	fd = open(dirname((char *)buf_text(&copy)), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = fd < 0 || fsync(fd) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

/* As the one that is there may be read and written, and by whom. */
static int write_file(const struct place *place, int fd, struct slice text)
{
	const struct stat *status = &place->status;

	if (!place->is_new && (status->st_uid != geteuid() || status->st_gid != getegid()) &&
	    fchown(fd, status->st_uid, status->st_gid))
		return -errno;
	if (!place->is_new && fchmod(fd, status->st_mode & 07777))
		return -errno;
	if (write(fd, text.data, text.len) != (ssize_t)text.len)
		return errno ? -errno : -ENOSPC;
	return fsync(fd) ? -errno : 0;
}

static int write_beside(struct place *place, struct slice text)
{
	const char *path = buf_text(&place->beside);
	int fd, rc;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	errno = 0;
	rc = write_file(place, fd, text);
	close(fd);
	if (rc)
		unlink(path);
	return rc;
}

/* The one that is there gets a second name, so that at no time there is none. */
static int replace(struct place *place, struct slice text, struct buf *why)
{
	int rc = write_beside(place, text);

	if (!rc && !place->is_new) {
		unlink(buf_text(&place->old));
		rc = link(place->path, buf_text(&place->old)) ? -errno : 0;
	}
	if (!rc)
		rc = rename(buf_text(&place->beside), place->path) ? -errno : 0;
	rc = rc ? rc : sync_folder(place->path);
	if (rc)
		buf_printf(why, "%s: cannot be replaced: %s; nothing was changed", place->path,
			   strerror(-rc));
	return rc;
}

static void put_back(struct place *place)
{
	int rc = place->is_new ? unlink(place->path) : rename(buf_text(&place->old), place->path);

	fprintf(stderr,
		rc ? "jackdaw: %s: could not be put back: it is %s\n"
		   : "jackdaw: %s: is as it was\n",
		place->path, buf_text(&place->old));
}

/* Returns the exit code; the file is checked, and so is that those that run can take it. */
static int put_into_force(const struct cli *cli, const struct deployment *deployment,
			  struct place *place, struct slice text)
{
	static const char *const reload[] = {"reload"};
	const char *const check[] = {"config", "check", cli->words[0]};
	AUTO(buf_fini) struct buf why = {0};
	int code = control_all(cli, deployment, check, countof(check), text);

	if (code > 0)
		return code;
	if (replace(place, text, &why))
		return say(&why);
	code = control_all(cli, deployment, reload, countof(reload), SLICE(""));
	if (code < 0) {
		fprintf(stderr, "jackdaw: no server runs on %s: it counts from the next start on\n",
			deployment->settings.data.dir);
		return EXIT_OK;
	}
	if (code > 0) {
		put_back(place);
		control_all(cli, deployment, reload, countof(reload), SLICE(""));
	}
	return code;
}

/* Of a configuration that is broken nobody knows where its server is: where the new one says. */
static int apply(const struct cli *cli, struct place *place, struct slice text)
{
	AUTO(buf_fini) struct buf why = {0}, ignored = {0};
	struct deployment deployment = {.lock_count = 0}, current = {.lock_count = 0};
	struct conf_error error;
	bool is_broken;
	int code;

	if (settings_parse(cli->words[0], text, &deployment.settings, &deployment.conf, &error)) {
		deployment_explain(&error, &why);
		return say(&why);
	}
	is_broken = deployment_load(&current, cli, &ignored) != 0;
	code = put_into_force(cli, is_broken ? &deployment : &current, place, text);
	deployment_fini(&current);
	deployment_fini(&deployment);
	return code;
}

int verb_config_apply(const struct cli *cli)
{
	AUTO(buf_wipe) struct buf text = {0};
	AUTO(buf_fini) struct buf why = {0};
	struct place place = {.is_new = false};
	int code = EXIT_PROBLEM;

	if (cli->count != 1) {
		fprintf(stderr, "jackdaw: config apply wants one file\n");
		return EXIT_USAGE;
	}
	if (read_named(cli->words[0], &text, &why) ||
	    find_place(&place, deployment_path(cli), &why)) {
		say(&why);
	} else if (is_same_file(&place, cli->words[0])) {
		fprintf(stderr, "jackdaw: %s is the configuration already: jackdaw reload\n",
			cli->words[0]);
		code = EXIT_USAGE;
	} else {
		code = apply(cli, &place, buf_slice(&text));
	}
	place_fini(&place);
	return code;
}
