/* SPDX-License-Identifier: MIT */
/* The command "backup FILE": a copy of the database while the server works. */
#pragma once

struct backup;
struct ctl;
struct process;

/* Adds the command; as long as the process has no storage it ends with CTL_ELSEWHERE. */
struct backup *backup_new(struct ctl *ctl, struct process *process);
/* After the ctl, before the process; NULL in it is fine. A file that is not whole is removed. */
void backup_free(struct backup **backup);
