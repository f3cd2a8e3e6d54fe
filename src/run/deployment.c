/* SPDX-License-Identifier: MIT */
/* Settings, and the data directory with its locks and secrets. */
#include "run/deployment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "mio/mio.h"
#include "run/run.h"

#define DEFAULT_FILE "/etc/jackdaw/jackdaw.toml"
enum { SMALL_FILE_MAX = 4096 };

static const char demo_file[] = "domains = [\"localhost\"]\n"
				"[data]\n"
				"dir = \"./var\"\n"
				"[tls]\n"
				"certificates = \"./var/certs\"\n"
				"required = false\n"
				"[listen]\n"
				"client = [\"127.0.0.1:5222\"]\n"
				"client_tls = []\n"
				"router = [\"127.0.0.1:5347\"]\n";

void deployment_explain(const struct conf_error *error, struct buf *why)
{
	buf_append_text(why, error->file);
	if (error->line)
		buf_printf(why, ":%u:%u", error->line, error->column);
	buf_printf(why, ": %s", error->text);
}

const char *deployment_path(const struct cli *cli)
{
	return cli->config ? cli->config : DEFAULT_FILE;
}

int deployment_read(const struct cli *cli, struct settings *settings, struct conf **conf,
		    struct buf *why)
{
	struct conf_error error = {.line = 0};
	int rc;

	if (cli->demo)
		rc = settings_parse("--demo", slice_of(demo_file), settings, conf, &error);
	else
		rc = settings_load(deployment_path(cli), settings, conf, &error);
	if (!rc)
		return 0;
	deployment_explain(&error, why);
	if (!error.line && !cli->config && !strcmp(cli->verb->name, "run"))
		buf_append_text(why, " (jackdaw run --demo needs no file)");
	return rc;
}

int deployment_load(struct deployment *deployment, const struct cli *cli, struct buf *why)
{
	deployment->file = cli->demo ? "" : deployment_path(cli);
	return deployment_read(cli, &deployment->settings, &deployment->conf, why);
}

int deployment_make_dir(const struct deployment *deployment, struct buf *why)
{
	const char *dir = deployment->settings.data.dir;
	struct stat status;
	int fault = 0;

	if (mkdir(dir, 0700) && errno != EEXIST)
		fault = errno;
	else if (stat(dir, &status))
		fault = errno;
	else if (!S_ISDIR(status.st_mode))
		fault = ENOTDIR;
	else if (access(dir, R_OK | W_OK | X_OK))
		fault = errno;
	if (fault)
		buf_printf(why, "data.dir: %s: %s", dir, strerror(fault));
	return -fault;
}

/* -- locks
 * ------------------------------------------------------------------------------------------- */

/* The lock file has the pid of its holder, for the one who comes second. */
static int take_lock(struct deployment *deployment, const char *name, struct buf *why)
{
	AUTO(buf_fini) struct buf path = {0};
	char pid[24] = "";
	int fd, fault;

	buf_printf(&path, "%s/%s.lock", deployment->settings.data.dir, name);
	fd = open(buf_text(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		fault = errno;
		buf_printf(why, "%s: %s", buf_text(&path), strerror(fault));
		return -fault;
	}
	if (!flock(fd, LOCK_EX | LOCK_NB)) {
		int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());

		deployment->locks[deployment->lock_count++] = fd;
		if (ftruncate(fd, 0) || pwrite(fd, pid, (size_t)len, 0) != len) {
			buf_printf(why, "%s: cannot be written", buf_text(&path));
			return -EIO;
		}
		return 0;
	}
	fault = errno;
	if (fault == EWOULDBLOCK && pread(fd, pid, sizeof(pid) - 1, 0) >= 0)
		buf_printf(why, "%s: another jackdaw %s runs there, pid %ld",
			   deployment->settings.data.dir, name, atol(pid));
	else
		buf_printf(why, "%s: cannot be locked: %s", buf_text(&path), strerror(fault));
	close(fd);
	return -fault;
}

/* -- small files
 * ------------------------------------------------------------------------------------- */

static int read_small(const char *path, struct buf *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;
	int rc = 0;

	if (fd < 0)
		return -errno;
	got = read(fd, buf_reserve(text, SMALL_FILE_MAX), SMALL_FILE_MAX);
	if (got < 0)
		rc = -errno;
	else
		buf_added(text, (size_t)got);
	close(fd);
	return rc;
}

/* Whole or not at all, and never over one that is there: written beside it and linked to its name.
 */
static int write_once(const char *path, struct slice text)
{
	AUTO(buf_fini) struct buf beside = {0};
	int fd, rc = 0;

	buf_printf(&beside, "%s.%ld", path, (long)getpid());
	unlink(buf_text(&beside));
	fd = open(buf_text(&beside), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text.data, text.len) != (ssize_t)text.len || fsync(fd))
		rc = -EIO;
	close(fd);
	if (!rc && link(buf_text(&beside), path))
		rc = -errno;
	unlink(buf_text(&beside));
	return rc;
}

int deployment_file(const struct deployment *deployment, const char *name, struct buf *text,
		    struct buf *why)
{
	AUTO(buf_fini) struct buf path = {0};
	AUTO(buf_wipe) struct buf found = {0};
	int rc;

	buf_printf(&path, "%s/%s", deployment->settings.data.dir, name);
	rc = write_once(buf_text(&path), buf_slice(text));
	if (rc == -EEXIST) {
		rc = read_small(buf_text(&path), &found);
		if (!rc) {
			buf_wipe(text);
			buf_append_slice(text, buf_slice(&found));
		}
	}
	if (rc)
		buf_printf(why, "%s: %s", buf_text(&path), strerror(-rc));
	return rc;
}

/* 32 random bytes in hexadecimal and a newline. */
static int read_secret(struct deployment *deployment, struct mio_host *host, const char *name,
		       struct buf *text, struct buf *why)
{
	uint8_t bytes[DEPLOYMENT_SECRET];
	int rc;

	mio_host_random(host, bytes, sizeof(bytes));
	buf_append_hex(text, bytes, sizeof(bytes));
	buf_append_char(text, '\n');
	mem_wipe(bytes, sizeof(bytes));
	rc = deployment_file(deployment, name, text, why);
	if (rc || buf_used(text) >= 2 * DEPLOYMENT_SECRET)
		return rc;
	buf_printf(why, "%s/%s: is cut short; remove it, and a new one is made",
		   deployment->settings.data.dir, name);
	return -EINVAL;
}

static int own_secrets(struct deployment *deployment, struct mio_host *host, struct buf *why)
{
	AUTO(buf_wipe) struct buf text = {0};
	struct slice line;
	int rc = read_secret(deployment, host, "auth.secret", &text, why);

	if (rc)
		return rc;
	/* Any 32 bytes that stay the same will do: half of the digits. */
	memcpy(deployment->secret, buf_slice(&text).data, DEPLOYMENT_SECRET);
	if (*deployment->settings.router.password)
		return 0;
	buf_wipe(&text);
	rc = read_secret(deployment, host, "router.secret", &text, why);
	if (rc)
		return rc;
	line = buf_slice(&text);
	line.len = strcspn(buf_text(&text), "\r\n");
	buf_append_slice(&deployment->router_password, line);
	deployment->settings.router.password = buf_text(&deployment->router_password);
	return 0;
}

int deployment_lock(struct deployment *deployment, const char *const *locks, struct buf *why)
{
	int rc = deployment_make_dir(deployment, why);

	for (; !rc && *locks; locks++)
		rc = take_lock(deployment, *locks, why);
	return rc;
}

int deployment_own(struct deployment *deployment, struct mio_host *host, const char *const *locks,
		   struct buf *why)
{
	int rc = deployment_lock(deployment, locks, why);

	return rc ? rc : own_secrets(deployment, host, why);
}

void deployment_fini(struct deployment *deployment)
{
	while (deployment->lock_count)
		close(deployment->locks[--deployment->lock_count]);
	buf_wipe(&deployment->router_password);
	mem_wipe(deployment->secret, sizeof(deployment->secret));
	conf_free(&deployment->conf);
}
