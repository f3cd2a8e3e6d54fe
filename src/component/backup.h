/* SPDX-License-Identifier: MIT */
/*
 * The command "backup FILE": a copy of the database while the server works. When it is whole and
 * durable, more input is asked for; until that ends the copy is the caller's, who may read it or
 * link it elsewhere. Then, and when the caller goes away before, its name in data.dir is removed.
 * FILE is the caller's business: the server need not be able to write there.
 */
#pragma once

struct backup;
struct buf;
struct ctl;
struct process;
struct settings;

/* Appends the name of the copy, mode 0600; there is one at a time. */
void backup_copy(const struct settings *settings, struct buf *path);

/* Adds the command; as long as the process has no storage it ends with CTL_ELSEWHERE. */
struct backup *backup_new(struct ctl *ctl, struct process *process);
/* After the ctl, before the process; NULL in it is fine. A copy that is there is removed. */
void backup_free(struct backup **backup);
