/* SPDX-License-Identifier: MIT */
/*
 * The backup of the database, whole or not at all. Files are touched on a thread of their own.
 *
 *   MAKE (FILE.partial) --> COPY (a step in storage) --whole--> PLACE (sync, FILE) --> IDLE
 *     |                     ^ |  |                                  |
 *     |                SYNC '-'  '-- fault, caller gone --> DROP <--'
 *     '-- refused --> IDLE                                    '--> IDLE
 */
#include "component/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "component/component.h"
#include "ctl/ctl.h"

enum {
	SYNC_PAGES = 2048, /* so many unsynced at most: a sync of much would hold up storage's */
	PAGES_PER_MB = 256,
	PROGRESS_MS = 1000
};

enum step { STEP_IDLE, STEP_MAKE, STEP_COPY, STEP_SYNC, STEP_PLACE, STEP_DROP };

struct backup {
	struct process *process;
	struct ctl *ctl;
	struct mio_driver *files; /* made for the first backup */
	struct mio_job job;
	enum step step;
	uint64_t call; /* whose file it is; it may be gone */
	struct buf path, partial;
	int fd;	    /* of the partial file; -1 */
	int result; /* of the step on the files' thread; then of the whole */
	uint64_t bytes;
	struct store_copied copied, synced;
	int64_t begun_ms, told_ms;
};

static struct mio *loop_of(const struct backup *backup)
{
	return backup->process->workers[0]->mio;
}

/* -- on the files' thread
 * ---------------------------------------------------------------------------- */

/* A partial file of a server that was killed is replaced. */
static int make_partial(struct backup *backup)
{
	const char *partial = buf_text(&backup->partial);
	struct stat status;

	if (!lstat(buf_text(&backup->path), &status))
		return S_ISDIR(status.st_mode) ? -EISDIR : -EEXIST;
	if (!lstat(partial, &status) && S_ISREG(status.st_mode))
		unlink(partial);
	backup->fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return backup->fd < 0 ? -errno : 0;
}

static int place(struct backup *backup)
{
	const char *path = buf_text(&backup->path), *partial = buf_text(&backup->partial);
	struct stat status;
	int rc = storage_sync_file(backup->fd);

	if (rc)
		return rc;
	if (fstat(backup->fd, &status))
		return -errno;
	backup->bytes = (uint64_t)status.st_size;
	rc = renameat2(AT_FDCWD, partial, AT_FDCWD, path, RENAME_NOREPLACE) ? -errno : 0;
	if (rc ==
	    -EINVAL) { /* some file systems cannot promise it: a link never goes over a file */
		rc = link(partial, path) ? -errno : 0;
		if (!rc)
			unlink(partial);
	}
	return rc ? rc : storage_sync_name(path);
}

static void close_partial(struct backup *backup)
{
	if (backup->fd >= 0)
		close(backup->fd);
	backup->fd = -1;
}

static void run_file_step(void *state, struct mio_job *jobs)
{
	struct backup *backup = state;

	switch (backup->step) {
	case STEP_MAKE:
		backup->result = make_partial(backup);
		break;
	case STEP_SYNC:
		backup->result = storage_sync_file(backup->fd);
		break;
	case STEP_PLACE:
		backup->result = place(backup);
		break;
	default:
		unlink(buf_text(&backup->partial)); /* the result stays what it was dropped for */
		break;
	}
	if (backup->step == STEP_PLACE || backup->step == STEP_DROP)
		close_partial(backup);
}

/* -- on the loop
 * ------------------------------------------------------------------------------------- */

static void start_file_step(struct backup *backup, enum step step)
{
	backup->step = step;
	mio_submit(loop_of(backup), backup->files, &backup->job);
}

static void say_end(struct backup *backup, struct ctl_call *call)
{
	const char *path = buf_text(&backup->path);
	long long took_ms = mio_now_ms(loop_of(backup)) - backup->begun_ms;
	AUTO(buf_fini) struct buf quoted = {0};

	if (backup->result == -EEXIST) {
		ctl_error(call, "%s: is there already; a backup never goes over a file", path);
	} else if (backup->result) {
		ctl_error(call, "%s: %s; there is no backup", path, strerror(-backup->result));
	} else if (ctl_wants_json(call)) {
		ctl_json_text(&quoted, slice_of(path));
		ctl_print(call, "{\"file\": %s, \"bytes\": %llu, \"ms\": %lld}", buf_text(&quoted),
			  (unsigned long long)backup->bytes, took_ms);
	} else {
		ctl_print(call, "%s: %llu bytes in %lld ms", path,
			  (unsigned long long)backup->bytes, took_ms);
	}
}

static void end(struct backup *backup)
{
	struct ctl_call *call = ctl_call(backup->ctl, backup->call);
	int code = backup->result ? CTL_PROBLEM : CTL_OK;

	backup->step = STEP_IDLE;
	if (!call)
		return;
	say_end(backup, call);
	ctl_end(call, code);
}

static void tell_progress(struct backup *backup, struct ctl_call *call)
{
	int64_t now_ms = mio_now_ms(loop_of(backup));
	const struct store_copied *at = &backup->copied;

	if (now_ms - backup->told_ms < PROGRESS_MS)
		return;
	backup->told_ms = now_ms;
	ctl_progress(call, "%llu of %llu MB, %llu%%", (unsigned long long)at->done / PAGES_PER_MB,
		     (unsigned long long)at->total / PAGES_PER_MB,
		     (unsigned long long)(at->total ? at->done * 100 / at->total : 100));
}

static void copied(void *arg, uint64_t token, const struct store_txn *txn, int result);

/* The next one, or the end of a copy that nobody wants any more. */
static void copy_step(struct backup *backup)
{
	struct store_txn *txn = store_txn_new();

	backup->step = STEP_COPY;
	if (!backup->result && ctl_call(backup->ctl, backup->call))
		store_copy(txn, buf_text(&backup->partial));
	else
		store_copy_stop(txn);
	storage_run(backup->process->storage, loop_of(backup), &txn, copied, backup, backup->call);
}

static void copied(void *arg, uint64_t token, const struct store_txn *txn, int result)
{
	struct backup *backup = arg;
	struct ctl_call *call = ctl_call(backup->ctl, token);

	if (result < 0)
		backup->result = result;
	if (result < 0 || ((backup->result || !call) && result != STORE_MORE)) {
		start_file_step(backup, STEP_DROP);
		return;
	}
	backup->copied = store_copied(txn);
	if (call)
		tell_progress(backup, call);
	if (!result)
		start_file_step(backup, STEP_PLACE);
	else if (backup->copied.done > backup->synced.done + SYNC_PAGES)
		start_file_step(backup, STEP_SYNC);
	else
		copy_step(backup);
}

static void file_step_done(struct mio_job *job)
{
	struct backup *backup = container_of(job, struct backup, job);

	if (backup->step == STEP_SYNC)
		backup->synced = backup->copied;
	if (backup->step == STEP_SYNC || (backup->step == STEP_MAKE && !backup->result))
		copy_step(backup);
	else if (backup->step == STEP_PLACE && backup->result)
		start_file_step(backup, STEP_DROP);
	else
		end(backup);
}

/* Nothing is begun when it returns false; the call has ended. */
static bool is_possible(struct backup *backup, struct ctl_call *call)
{
	const char *path = ctl_arg(call, 0);

	if (!backup->process->storage) {
		ctl_end(call, CTL_ELSEWHERE);
	} else if (ctl_args(call) != 1 || *path != '/') {
		ctl_error(call, "one file is wanted, its path whole");
		ctl_end(call, CTL_USAGE);
	} else if (backup->step != STEP_IDLE) {
		ctl_error(call, "a backup is under way already, to %s", buf_text(&backup->path));
		ctl_end(call, CTL_PROBLEM);
	} else {
		return true;
	}
	return false;
}

static void backup_file(void *arg, struct ctl_call *call)
{
	struct backup *backup = arg;

	if (!is_possible(backup, call))
		return;
	if (!backup->files)
		backup->files = mio_driver_new(backup->process->host, "backup", 1, 1, run_file_step,
					       backup);
	backup->call = ctl_id(call);
	buf_clear(&backup->path);
	buf_append_text(&backup->path, ctl_arg(call, 0));
	buf_clear(&backup->partial);
	buf_printf(&backup->partial, "%s.partial", ctl_arg(call, 0));
	backup->copied = backup->synced = (struct store_copied){0};
	backup->begun_ms = backup->told_ms = mio_now_ms(loop_of(backup));
	start_file_step(backup, STEP_MAKE);
}

static const struct ctl_command commands[] = {
	{"backup", "FILE", "copies the database into a file", "jackdaw backup today.db", false,
	 backup_file},
	{.name = NULL},
};

struct backup *backup_new(struct ctl *ctl, struct process *process)
{
	struct backup *backup = mem_zalloc(MEM_OTHER, sizeof(*backup));

	backup->process = process;
	backup->ctl = ctl;
	backup->fd = -1;
	backup->job.done = file_step_done;
	ctl_add(ctl, commands, backup);
	return backup;
}

void backup_free(struct backup **taken)
{
	struct backup *backup = *taken;

	*taken = NULL;
	if (!backup)
		return;
	mio_driver_free(&backup->files);
	if (backup->step != STEP_IDLE)
		unlink(buf_text(&backup->partial));
	close_partial(backup);
	buf_fini(&backup->path);
	buf_fini(&backup->partial);
	mem_free(backup);
}
