/* SPDX-License-Identifier: MIT */
/*
 * The user that a process started by root becomes, in two steps. From the first on files are that
 * user's, and ports below 1024 can still be bound; the second, when they are, is for good and holds
 * for all threads.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include "base/buf.h"

struct identity {
	uid_t uid;
	gid_t gid;
	bool changes; /* false: we stay who we are */
};

/* name may be empty. Who is not root stays. Returns 0, or a fault with a line in why. */
int identity_find(const char *name, struct identity *identity, struct buf *why);
/* Before the first thread: the user's groups, files are the user's. */
int identity_borrow(const struct identity *identity, const char *name, struct buf *why);
/* No way back is left, or it is a fault. */
int identity_keep(const struct identity *identity, struct buf *why);
