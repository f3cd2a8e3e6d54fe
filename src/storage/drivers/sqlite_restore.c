/* SPDX-License-Identifier: MIT */
/*
 * A backup takes the place of the database of a server that is stopped.
 *
 *   header of the file --> whose the database is we become --> copied beside the database
 *      --> the copy is checked --> the old one's log is folded into it --> it gets another name
 *      --> the copy gets its name
 *
 * Until the last step the old database is in its place, whole; nothing of its log is ever beside
 * the new one.
 */
#include "storage/drivers/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/stamp.h"

enum {
	HEADER_BYTES = 100,
	PIECE_BYTES = 1 << 20,
	CHECK_OPS = 200000, /* of SQLite's machine, between two looks whether it goes on */
};

struct restoring {
	const struct storage_place *place;
	const struct storage_restore *restore;
	struct buf *why;
	int from;	   /* the file */
	int64_t size;
	struct buf beside; /* the copy, until it has the database's name */
	struct buf kept;   /* the old database afterwards */
};

static int PRINTF_LIKE(3, 4) refuse(struct restoring *restoring, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(restoring->why, format, args);
	va_end(args);
	return rc;
}

static int refuse_file(struct restoring *restoring, int rc)
{
	return refuse(restoring, rc, "%s: %s", restoring->restore->file, strerror(-rc));
}

static bool goes_on(const struct restoring *restoring, const char *what, unsigned percent)
{
	const struct storage_restore *restore = restoring->restore;

	return !restore->goes_on || restore->goes_on(restore->arg, what, percent);
}

/* -- the file
 * ---------------------------------------------------------------------------------------- */

static uint32_t number_at(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

/* Section 1.3 of SQLite's description of its file format. */
static int check_header(struct restoring *restoring, const unsigned char *header, int64_t size)
{
	const char *file = restoring->restore->file;
	int64_t page = header[16] << 8 | header[17];
	int64_t wanted = (page == 1 ? 65536 : page) * (int64_t)number_at(header + 28);
	uint32_t version = number_at(header + 60), owner = number_at(header + 68);

	if (memcmp(header, "SQLite format 3", 16) != 0)
		return refuse(restoring, -EINVAL, "%s: is no backup of jackdaw", file);
	if (owner != SQLITE_APPLICATION_ID && (owner || version != SQLITE_FIRST_VERSION))
		return refuse(restoring, -EINVAL, "%s: is a database of another program", file);
	if (version > sqlite_version())
		return refuse(restoring, -EPROTO,
			      "%s: made by a newer version: its schema is %u, ours is %u", file,
			      version, sqlite_version());
	if (size < wanted)
		return refuse(restoring, -EINVAL, "%s: is cut short, %lld bytes of %lld are there",
			      file, (long long)size, (long long)wanted);
	return 0;
}

/* A database that was copied while it was in use lacks what its log has. */
static int check_alone(struct restoring *restoring)
{
	AUTO(buf_fini) struct buf log = {0};
	struct stat status;

	buf_printf(&log, "%s-wal", restoring->restore->file);
	if (stat(buf_text(&log), &status) || !status.st_size)
		return 0;
	return refuse(restoring, -EINVAL, "%s: is no backup but a database with a log beside it",
		      restoring->restore->file);
}

static int open_file(struct restoring *restoring)
{
	const char *file = restoring->restore->file;
	unsigned char header[HEADER_BYTES];
	struct stat status;
	int fd = open(file, O_RDONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return refuse_file(restoring, -errno);
	if (fstat(fd, &status))
		rc = refuse_file(restoring, -errno);
	else if (!S_ISREG(status.st_mode))
		rc = S_ISDIR(status.st_mode)
			     ? refuse_file(restoring, -EISDIR)
			     : refuse(restoring, -EINVAL, "%s: is no regular file", file);
	else if (pread(fd, header, sizeof(header), 0) != sizeof(header))
		rc = refuse(restoring, -EINVAL, "%s: is %s", file,
			    status.st_size ? "no backup of jackdaw" : "empty");
	else
		rc = check_header(restoring, header, status.st_size);
	rc = rc ? rc : check_alone(restoring);
	if (rc) {
		close(fd);
		return rc;
	}
	restoring->from = fd;
	restoring->size = status.st_size;
	return 0;
}

/* -- the copy
 * ---------------------------------------------------------------------------------------- */

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t wrote = write(fd, bytes, len);

		if (wrote < 0 && errno != EINTR)
			return -errno;
		if (wrote > 0) {
			bytes += wrote;
			len -= (size_t)wrote;
		}
	}
	return 0;
}

static int copy_bytes(struct restoring *restoring, int to)
{
	AUTO(buf_fini) struct buf piece = {0};
	int64_t done = 0;
	ssize_t got = 1;
	int rc = 0;

	while (!rc && got > 0) {
		char *room = buf_reserve(&piece, PIECE_BYTES);

		if (!goes_on(restoring, "copied", (unsigned)(done * 100 / restoring->size)))
			return refuse(restoring, -ECANCELED, "interrupted; nothing was done");
		got = read(restoring->from, room, PIECE_BYTES);
		if (got < 0)
			return refuse_file(restoring, -errno);
		rc = write_all(to, room, (size_t)got);
		done += got;
	}
	rc = rc ? rc : storage_sync_file(to);
	return rc ? refuse(restoring, rc, "%s: %s; nothing was done", buf_text(&restoring->beside),
			   strerror(-rc))
		  : 0;
}

static int copy_file(struct restoring *restoring)
{
	const char *beside = buf_text(&restoring->beside);
	int to, rc;

	unlink(beside); /* of one that was killed */
	to = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		rc = refuse(restoring, -errno, "%s: %s", beside, strerror(errno));
	else
		rc = copy_bytes(restoring, to);
	if (to >= 0)
		close(to);
	return rc;
}

/* -- checking it
 * ------------------------------------------------------------------------------------- */

static int look(void *arg)
{
	return !goes_on(arg, "checked", 0);
}

/* Its first row; *text is empty when there is none. Returns an SQLite code. */
static int ask(sqlite3 *handle, const char *sql, struct buf *text)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(handle, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		buf_append_text(text, (const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int check_content(struct restoring *restoring, sqlite3 *handle)
{
	const char *file = restoring->restore->file;
	AUTO(buf_fini) struct buf found = {0}, next = {0};
	int code;

	sqlite3_progress_handler(handle, CHECK_OPS, look, restoring);
	code = ask(handle, "PRAGMA locking_mode=EXCLUSIVE", &next);
	if (code == SQLITE_OK)
		code = ask(handle, "PRAGMA integrity_check(1)", &found);
	if (code == SQLITE_INTERRUPT)
		return refuse(restoring, -ECANCELED, "interrupted; nothing was done");
	if (code != SQLITE_OK)
		return refuse(restoring, -EINVAL, "%s: is damaged: %s", file,
			      sqlite3_errmsg(handle));
	if (strcmp(buf_text(&found), "ok") != 0)
		return refuse(restoring, -EINVAL, "%s: is damaged: %.*s", file,
			      (int)strcspn(buf_text(&found), "\n"), buf_text(&found));
	buf_clear(&next);
	if (ask(handle, "SELECT next FROM sequence, (SELECT count(*) FROM keyed, log LIMIT 0)",
		&next) != SQLITE_OK)
		return refuse(restoring, -EINVAL, "%s: is a database of another program", file);
	return 0;
}

static int check_copy(struct restoring *restoring)
{
	sqlite3 *handle = NULL;
	int code = sqlite3_open_v2(buf_text(&restoring->beside), &handle, SQLITE_OPEN_READWRITE,
				   mio_host_vfs(restoring->place->host));
	int rc;

	if (code == SQLITE_OK)
		rc = check_content(restoring, handle);
	else
		rc = refuse(restoring, -EIO, "%s: %s", buf_text(&restoring->beside),
			    sqlite3_errmsg(handle));
	sqlite3_close(handle);
	return rc;
}

/* -- the old one
 * ------------------------------------------------------------------------------------- */

/* What is in its log moves into it. It may be damaged, then it is kept with its log; not locked. */
static int fold_old(struct restoring *restoring)
{
	const char *path = restoring->place->path;
	sqlite3 *handle = NULL;
	int code;

	if (access(path, F_OK))
		return 0;
	code = sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE,
			       mio_host_vfs(restoring->place->host));
	if (code == SQLITE_OK)
		code = sqlite3_exec(handle,
				    "PRAGMA locking_mode=EXCLUSIVE;"
				    "BEGIN EXCLUSIVE; COMMIT; PRAGMA journal_mode=DELETE",
				    NULL, NULL, NULL);
	sqlite3_close(handle);
	if ((code & 0xff) == SQLITE_BUSY)
		return refuse(restoring, -EBUSY, "%s: database is locked by another process", path);
	return 0;
}

/* "jackdaw.db-wal" goes with the old database, under its new name. */
static int move_beside(struct restoring *restoring, const char *suffix)
{
	AUTO(buf_fini) struct buf from = {0}, to = {0};

	buf_printf(&from, "%s%s", restoring->place->path, suffix);
	buf_printf(&to, "%s%s", buf_text(&restoring->kept), suffix);
	return rename(buf_text(&from), buf_text(&to)) && errno != ENOENT ? -errno : 0;
}

static int keep_old(struct restoring *restoring)
{
	static const char *const suffixes[] = {"-wal", "-journal", "-shm"};
	const char *path = restoring->place->path;
	char stamp[STAMP_LEN];
	int rc = 0;

	if (access(path, F_OK))
		return 0;
	stamp_print(stamp, mio_host_wall_ms(restoring->place->host), true);
	buf_append_text(&restoring->kept, path);
	buf_printf(&restoring->kept, ".before-restore-%s", stamp);
	if (link(path, buf_text(&restoring->kept)))
		rc = -errno;
	for (size_t i = 0; !rc && i < countof(suffixes); i++)
		rc = move_beside(restoring, suffixes[i]);
	rc = rc ? rc : storage_sync_name(path);
	return rc ? refuse(restoring, rc, "%s: %s", buf_text(&restoring->kept), strerror(-rc)) : 0;
}

static int swap(struct restoring *restoring)
{
	const char *path = restoring->place->path;
	int rc = keep_old(restoring);

	if (rc)
		return rc;
	rc = rename(buf_text(&restoring->beside), path) ? -errno : storage_sync_name(path);
	return rc ? refuse(restoring, rc, "%s: %s", path, strerror(-rc)) : 0;
}

static int replace(struct restoring *restoring)
{
	int rc = fold_old(restoring);

	buf_printf(&restoring->beside, "%s.restoring", restoring->place->path);
	rc = rc ? rc : copy_file(restoring);
	rc = rc ? rc : check_copy(restoring);
	rc = rc ? rc : fold_old(restoring); /* that it was free when we began is long ago */
	rc = rc ? rc : swap(restoring);
	if (rc) {
		unlink(buf_text(&restoring->beside));
		buf_append_text(&restoring->beside, "-wal");
		unlink(buf_text(&restoring->beside));
	}
	return rc;
}

int sqlite_restore(const struct storage_place *place, const struct storage_restore *restore,
		   struct buf *kept, struct buf *why)
{
	struct restoring restoring = {.place = place, .restore = restore, .why = why};
	int rc = open_file(&restoring);

	if (rc)
		return rc;
	rc = restore->opened ? restore->opened(restore->arg, why) : 0;
	rc = rc ? rc : replace(&restoring);
	if (!rc)
		buf_append_slice(kept, buf_slice(&restoring.kept));
	close(restoring.from);
	buf_fini(&restoring.beside);
	buf_fini(&restoring.kept);
	return rc;
}
