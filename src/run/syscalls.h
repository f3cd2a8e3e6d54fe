/* SPDX-License-Identifier: MIT */
/*
 * The system calls that a server needs once it serves; all others are refused, in all its threads.
 *
 * One that starts a program or a process, or looks into another, ends ours by SIGSYS. Any other
 * fails with ENOSYS, as in a kernel that has it not. Both are said on stderr in a line with the
 * call's number (ausyscall NUMBER, or asm/unistd.h, has its name).
 */
#pragma once

#include <stdbool.h>

bool syscalls_can_filter(
	void);		   /* false: built without libseccomp, syscalls_filter() does nothing */
int syscalls_filter(void); /* for good; 0 or a fault */
