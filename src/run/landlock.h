/* SPDX-License-Identifier: MIT */
/* Landlock: what a thread, and those that it starts from then on, may do with files. */
#pragma once

#include <stdbool.h>
#include "base/buf.h"

/*
 * A kernel without Landlock gives a ruleset whose version is 0 and which holds nothing. A path that
 * is not there is passed over. Files beneath it may be read, or read, written, made and removed;
 * what is not beneath a path that was allowed cannot be opened any more, and nothing be executed.
 */
struct landlock {
	int version; /* of the kernel's Landlock; 0: it has none */
	int fd;	     /* of the ruleset; -1 */
};

int landlock_open(struct landlock *landlock); /* 0 or a fault */
int landlock_allow(struct landlock *landlock, const char *path, bool write, struct buf *why);
/* For good. The thread must have no_new_privs. The ruleset is closed, on failure too. */
int landlock_enter(struct landlock *landlock);
void landlock_close(struct landlock *landlock); /* without entering it; a closed one is fine */
