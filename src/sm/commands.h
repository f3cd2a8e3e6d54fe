/* SPDX-License-Identifier: MIT */
/*
 * The commands of administrators that need the session manager: user sessions, user kick, user online, roster list, roster add,
 * announce, watch; and user del, which does without it too.
 */
#pragma once

struct ctl;
struct process;

/* Adds the commands; in a process without an sm (user del: without storage) they end with CTL_ELSEWHERE. */
void sm_commands(struct ctl *ctl, struct process *process);
