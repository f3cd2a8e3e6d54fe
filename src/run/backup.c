/* SPDX-License-Identifier: MIT */
/*
 * backup FILE: the server makes a copy of its database in data.dir, for it may write nowhere else;
 * FILE is made of it by who runs the verb.
 *
 *   verb --"backup"--> server: makes the copy      verb --a byte--> taker: makes FILE
 *        <--"want"----         and holds it              <--a byte--
 *        ---"end"---->         removes its name
 *
 * On a stopped server the verb makes the copy itself, and becomes process.user for that; so the
 * taker is a process that was forked before. Either gives up when the other goes away.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/mem.h"
#include "component/backup.h"
#include "mio/mio.h"
#include "run/control.h"
#include "run/deployment.h"
#include "run/progress.h"
#include "storage/storage.h"

enum {
	PIECE = 8 << 20, /* is synced at once: a sync of much would hold up the server's */
	LOOK_MS = 10
};

struct take {
	const char *file;
	struct buf copy, partial; /* the server's, and FILE.partial */
	bool json;
	uint64_t bytes, done;
	int verb; /* the socket to it */
	struct progress progress;
};

static int say_problem(const char *file, int rc)
{
	if (rc == -EEXIST)
		fprintf(stderr, "jackdaw: %s: is there already; a backup never goes over a file\n",
			file);
	else
		fprintf(stderr, "jackdaw: %s: %s; there is no backup\n", file,
			rc == -ECANCELED ? "interrupted" : strerror(-rc));
	return EXIT_PROBLEM;
}

/* -- the taker
 * ---------------------------------------------------------------------------------- */

static int write_all(int fd, struct slice bytes)
{
	while (bytes.len) {
		ssize_t wrote = write(fd, bytes.data, bytes.len);

		if (wrote < 0)
			return -errno;
		bytes.data += wrote;
		bytes.len -= (size_t)wrote;
	}
	return 0;
}

static bool goes_on(struct take *take)
{
	struct pollfd verb = {.fd = take->verb};
	unsigned percent = take->bytes ? (unsigned)(take->done * 100 / take->bytes) : 0;

	poll(&verb, 1, 0);
	return progress_tell(&take->progress, "copied into its place", percent) &&
	       !(verb.revents & POLLHUP);
}

static int copy_pieces(struct take *take, int from, int to)
{
	AUTO(buf_fini) struct buf piece = {0};
	char *room = buf_reserve(&piece, PIECE);
	int rc = 0;

	while (!rc) {
		ssize_t got = read(from, room, PIECE);

		if (got <= 0)
			return got ? -errno : 0;
		take->done += (uint64_t)got;
		rc = write_all(to, (struct slice){room, (size_t)got});
		rc = rc ? rc : storage_sync_file(to);
		if (!rc && !goes_on(take))
			rc = -ECANCELED;
	}
	return rc;
}

/* Some file systems cannot promise to rename over nothing: a link never goes over a file. */
static int place(const char *partial, const char *file)
{
	if (!renameat2(AT_FDCWD, partial, AT_FDCWD, file, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL || link(partial, file))
		return -errno;
	unlink(partial);
	return 0;
}

/* A partial file of a verb that was killed is replaced. */
static int copy_over(struct take *take, int from)
{
	const char *partial = buf_text(&take->partial);
	struct stat status;
	int fd, rc;

	if (!lstat(partial, &status) && S_ISREG(status.st_mode))
		unlink(partial);
	fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	rc = copy_pieces(take, from, fd);
	close(fd);
	rc = rc ? rc : place(partial, take->file);
	if (rc)
		unlink(partial);
	return rc;
}

/* On one file system: no byte is copied. What was opened is linked, whatever has its name now. */
static int link_over(struct take *take, int from, const struct stat *status)
{
	char opened[32];

	if (status->st_nlink != 1)
		return -EXDEV;
	if (status->st_uid != geteuid() && fchown(from, geteuid(), getegid()))
		return -errno;
	snprintf(opened, sizeof(opened), "/proc/self/fd/%d", from);
	return linkat(AT_FDCWD, opened, AT_FDCWD, take->file, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

static int take_copy(struct take *take)
{
	int from = open(buf_text(&take->copy), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat status;
	int rc;

	if (from < 0)
		return -errno;
	rc = fstat(from, &status) ? -errno : S_ISREG(status.st_mode) ? 0 : -EINVAL;
	if (!rc) {
		take->bytes = (uint64_t)status.st_size;
		rc = link_over(take, from, &status);
		if (rc && rc != -EEXIST)
			rc = copy_over(take, from);
	}
	close(from);
	return rc ? rc : storage_sync_name(take->file);
}

static void say_taken(const struct take *take, int64_t took_ms)
{
	AUTO(buf_fini) struct buf quoted = {0};

	ctl_json_text(&quoted, slice_of(take->file));
	printf(take->json ? "{\"file\": %s, \"bytes\": %llu, \"ms\": %lld}\n"
			  : "%s: %llu bytes in %lld ms\n",
	       take->json ? buf_text(&quoted) : take->file, (unsigned long long)take->bytes,
	       (long long)took_ms);
	fflush(stdout);
}

/* Waits until the copy is there; the verb's end is the end of this too. Returns the exit code. */
static int run_taker(struct take *take)
{
	struct mio_host *clock = mio_host_new("backup");
	int64_t begun_ms = mio_host_now_ms(clock);
	char failed = 1;

	if (recv(take->verb, &failed, 1, 0) == 1) {
		int rc;

		progress_init(&take->progress, clock);
		rc = take_copy(take);
		progress_clear(&take->progress);
		if (rc)
			say_problem(take->file, rc);
		else
			say_taken(take, mio_host_now_ms(clock) - begun_ms);
		failed = rc != 0;
		send(take->verb, &failed, 1, MSG_NOSIGNAL);
	}
	mio_host_free(&clock);
	return failed ? EXIT_PROBLEM : EXIT_OK;
}

/* -- the verb
 * ----------------------------------------------------------------------------------- */

/* What the verb knows of the taker. */
struct taker {
	pid_t pid;
	int fd;
};

static int start_taker(struct take *take, struct taker *taker)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	taker->pid = fork();
	if (taker->pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return -errno;
	}
	if (taker->pid) {
		close(ends[1]);
		taker->fd = ends[0];
		return 0;
	}
	close(ends[0]);
	take->verb = ends[1];
	progress_hold_signals();
	_exit(run_taker(take));
}

/* True when FILE is there, whatever became of the verb since. */
static bool end_taker(struct taker *taker, const char *file)
{
	int status = 0;

	close(taker->fd);
	waitpid(taker->pid, &status, 0);
	if (WIFSIGNALED(status))
		fprintf(stderr, "jackdaw: %s: who copied was killed; there is no backup\n", file);
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_OK;
}

/* The copy is there: input that ends when FILE is. Its faults are told of. */
static ssize_t hand_over(void *arg, char *room, size_t len)
{
	const struct taker *taker = arg;
	struct pollfd answer = {.fd = taker->fd, .events = POLLIN};
	char failed = 0;

	if (send(taker->fd, &failed, 1, MSG_NOSIGNAL) != 1)
		return -ECANCELED;
	while (!poll(&answer, 1, LOOK_MS) && !progress_is_interrupted())
		;
	return recv(taker->fd, &failed, 1, MSG_DONTWAIT) == 1 && !failed ? 0 : -ECANCELED;
}

/* What can be said before the copy is made. */
static int check_place(const char *file)
{
	AUTO(buf_fini) struct buf folder = {0};
	struct stat status;

	if (!lstat(file, &status))
		return S_ISDIR(status.st_mode) ? -EISDIR : -EEXIST;
	buf_append(&folder, file, (size_t)(strrchr(file, '/') - file) + 1);
	return access(buf_text(&folder), W_OK | X_OK) ? -errno : 0;
}

static int backup(const struct cli *cli, struct take *take)
{
	const char *const words[] = {"backup", take->file};
	struct taker taker;
	const struct input copied = {.source = {hand_over, &taker}, .fd = -1};
	int code, rc = check_place(take->file);

	rc = rc ? rc : start_taker(take, &taker);
	if (rc)
		return say_problem(take->file, rc);
	code = control_stream(cli, words, countof(words), &copied, true);
	return end_taker(&taker, take->file) ? EXIT_OK : code ? code : EXIT_PROBLEM;
}

/* A name that is good wherever we are. */
static int whole_name(const char *name, struct buf *whole)
{
	char *here = *name == '/' ? NULL : getcwd(NULL, 0);

	if (!here && *name != '/') {
		fprintf(stderr, "jackdaw: where we are: %s\n", strerror(errno));
		return -errno;
	}
	if (here)
		buf_printf(whole, "%s/", here);
	buf_append_text(whole, name);
	free(here);
	return 0;
}

int verb_backup(const struct cli *cli)
{
	AUTO(buf_fini) struct buf why = {0};
	AUTO(buf_fini) struct buf file = {0};
	struct deployment deployment = {.lock_count = 0};
	struct take take = {.json = cli->json};
	int code = EXIT_PROBLEM;

	if (cli->count != 1 || !*cli->words[0]) {
		fprintf(stderr, "jackdaw: backup wants one file\n");
		return EXIT_USAGE;
	}
	if (whole_name(cli->words[0], &file))
		return EXIT_PROBLEM;
	if (deployment_load(&deployment, cli, &why)) {
		fprintf(stderr, "jackdaw: %s\n", buf_text(&why));
		return EXIT_PROBLEM;
	}
	take.file = buf_text(&file);
	backup_copy(&deployment.settings, &take.copy);
	buf_printf(&take.partial, "%s.partial", take.file);
	code = backup(cli, &take);
	buf_fini(&take.copy);
	buf_fini(&take.partial);
	deployment_fini(&deployment);
	return code;
}
