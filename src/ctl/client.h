/* SPDX-License-Identifier: MIT */
/* The caller's side of the control socket, for a process that may block. */
#pragma once

#include "ctl/ctl.h"

/*
 * Has a command run by the server that listens at path: output goes to print() and progress(), its
 * exit code to *code. Returns 0, or a fault: -ENOENT, -ECONNREFUSED when no server is there; -EPIPE
 * when it went away; -EILSEQ when a word or the input is not UTF-8.
 */
int ctl_ask(const char *path, const char *const *words, size_t count, bool json, struct slice input,
	    const struct ctl_sink *sink, int *code);
