/* SPDX-License-Identifier: MIT */
/* The commands that say how a process is: status, memory. */
#pragma once

struct ctl;
struct process;

void status_commands(struct ctl *ctl, struct process *process);
