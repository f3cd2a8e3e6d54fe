/* SPDX-License-Identifier: MIT */
/*
 * What a serving process gives up, for good:
 *
 *   sandbox_become()   before data.dir is touched: files are process.user's; nothing gains rights
 *   sandbox_enclose()  before the first thread: files outside those of the settings (Landlock)
 *   sandbox_close()    when all is open, before the loops run: root's rights, system calls
 * (seccomp)
 */
#pragma once

#include "run/identity.h"

struct sandbox {
	struct identity identity;
	int landlock; /* the kernel's version; 0: it holds nothing */
	bool seccomp;
};

struct deployment;

int sandbox_become(struct sandbox *sandbox, const struct deployment *deployment, struct buf *why);
int sandbox_enclose(struct sandbox *sandbox, const struct deployment *deployment, struct buf *why);
int sandbox_close(struct sandbox *sandbox, const struct deployment *deployment, struct buf *why);
/* What holds, and what does not and why, for the log; false when something does not. */
bool sandbox_describe(const struct sandbox *sandbox, const struct deployment *deployment,
		      struct buf *out);
