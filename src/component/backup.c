/* SPDX-License-Identifier: MIT */
/*
 * The backup of the database, whole or not at all: a copy in data.dir, which is the caller's as
 * long as the call lasts. Files are touched on a thread of their own.
 *
 *   MAKE --> COPY (a step in storage) --> SYNC --whole--> HELD (the caller takes the copy)
 *     |      ^ |                          |                 |
 *     |      | '--------- fault, caller gone ---------.     | end of input, caller gone
 *     |      '------------- more ---------'           v     v
 *     '-- refused --> IDLE <-------------------------- DROP
 */
#include "component/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "component/component.h"
#include "ctl/ctl.h"

enum {
	SYNC_PAGES = 2048, /* so many unsynced at most: a sync of much would hold up storage's */
	PAGES_PER_MB = 256,
	PROGRESS_MS = 1000
};

enum step { STEP_IDLE, STEP_MAKE, STEP_COPY, STEP_SYNC, STEP_HELD, STEP_DROP };

struct backup {
	struct process *process;
	struct ctl *ctl;
	struct mio_driver *files; /* made for the first backup */
	struct mio_job job;
	enum step step;
	uint64_t call;	 /* whose copy it is; it may be gone */
	struct buf file; /* where the caller takes it, for what is said */
	struct buf copy;
	bool whole;
	int fd;	    /* of the copy; -1 */
	int result; /* of the step on the files' thread; then of the whole */
	struct store_copied copied, synced;
	int64_t told_ms;
};

static struct mio *loop_of(const struct backup *backup)
{
	return backup->process->workers[0]->mio;
}

/* -- on the files' thread
 * ---------------------------------------------------------------------------- */

static int make_copy(struct backup *backup)
{
	unlink(buf_text(&backup->copy));
	backup->fd = open(buf_text(&backup->copy), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return backup->fd < 0 ? -errno : 0;
}

/* The caller may have given it another name: then it stays. */
static void drop_copy(struct backup *backup)
{
	unlink(buf_text(&backup->copy));
	if (backup->fd >= 0)
		close(backup->fd);
	backup->fd = -1;
}

static void run_file_step(void *state, struct mio_job **jobs)
{
	struct backup *backup = state;

	if (backup->step == STEP_MAKE)
		backup->result = make_copy(backup);
	else if (backup->step == STEP_SYNC)
		backup->result = storage_sync_file(backup->fd);
	else
		drop_copy(backup); /* the result stays what it was dropped for */
}

/* -- on the loop
 * ------------------------------------------------------------------------------------- */

static void start_file_step(struct backup *backup, enum step step)
{
	backup->step = step;
	mio_submit(loop_of(backup), backup->files, &backup->job);
}

static void end(struct backup *backup)
{
	struct ctl_call *call = ctl_call(backup->ctl, backup->call);

	backup->step = STEP_IDLE;
	if (!call)
		return;
	if (backup->result)
		ctl_error(call, "%s: %s; there is no backup", buf_text(&backup->copy),
			  strerror(-backup->result));
	ctl_end(call, backup->result ? CTL_PROBLEM : CTL_OK);
}

/* The call is gone, or about to be when all went well. */
static void caller_gone(void *arg)
{
	struct backup *backup = arg;

	if (backup->step == STEP_HELD)
		start_file_step(backup, STEP_DROP);
}

static void taken(void *arg, struct ctl_call *call)
{
	start_file_step(arg, STEP_DROP);
}

/* It is whole: the caller's input ends when it has what it wants. */
static void hold(struct backup *backup)
{
	struct ctl_call *call = ctl_call(backup->ctl, backup->call);

	if (call && !backup->result) {
		backup->step = STEP_HELD;
		ctl_keep(call, backup, caller_gone);
		if (ctl_more(call, taken, backup))
			return;
		backup->result = -ENOTSUP;
	}
	start_file_step(backup, STEP_DROP);
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
		store_copy(txn, buf_text(&backup->copy));
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
	backup->whole = !result;
	if (backup->whole || backup->copied.done > backup->synced.done + SYNC_PAGES)
		start_file_step(backup, STEP_SYNC);
	else
		copy_step(backup);
}

static void file_step_done(struct mio_job *job)
{
	struct backup *backup = container_of(job, struct backup, job);

	backup->synced = backup->copied;
	if (backup->step == STEP_DROP || (backup->step == STEP_MAKE && backup->result))
		end(backup);
	else if (backup->whole)
		hold(backup);
	else
		copy_step(backup);
}

/* Nothing is begun when it returns false; the call has ended. */
static bool is_possible(struct backup *backup, struct ctl_call *call)
{
	if (!backup->process->storage) {
		ctl_end(call, CTL_ELSEWHERE);
	} else if (ctl_args(call) != 1) {
		ctl_error(call, "one file is wanted");
		ctl_end(call, CTL_USAGE);
	} else if (backup->step != STEP_IDLE) {
		ctl_error(call, "a backup is under way already, to %s", buf_text(&backup->file));
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
	buf_clear(&backup->file);
	buf_append_text(&backup->file, ctl_arg(call, 0));
	backup->whole = false;
	backup->copied = backup->synced = (struct store_copied){0};
	backup->told_ms = mio_now_ms(loop_of(backup));
	start_file_step(backup, STEP_MAKE);
}

static const struct ctl_command commands[] = {
	{"backup", "FILE", "copies the database into a file", "jackdaw backup today.db",
	 CTL_STREAMED, backup_file},
	{.name = NULL},
};

void backup_copy(const struct settings *settings, struct buf *path)
{
	buf_printf(path, "%s/backup.copy", settings->data.dir);
}

struct backup *backup_new(struct ctl *ctl, struct process *process)
{
	struct backup *backup = mem_zalloc(MEM_OTHER, sizeof(*backup));

	backup->process = process;
	backup->ctl = ctl;
	backup->fd = -1;
	backup->job.done = file_step_done;
	backup_copy(process->workers[0]->settings, &backup->copy);
	if (process->storage)
		unlink(buf_text(&backup->copy)); /* of a server that was killed */
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
		drop_copy(backup);
	buf_fini(&backup->file);
	buf_fini(&backup->copy);
	mem_free(backup);
}
