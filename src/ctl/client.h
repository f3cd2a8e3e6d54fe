/* SPDX-License-Identifier: MIT */
/* The caller's side of the control socket, for a process that may block. */
#pragma once

#include <sys/types.h>
#include "ctl/ctl.h"

/*
 * Where the input comes from: read() fills room, like read(2). Faults are negative, -ECANCELED one
 * that the source has told of; 0: the end.
 */
struct ctl_source {
	ssize_t (*read)(void *arg, char *room, size_t len);
	void *arg;
};

/*
 * Has a command run by the server that listens at path: output goes to print() and progress(), its
 * exit code to *code. input is read as the command wants it; NULL: none. Returns 0, or a fault:
 * -ENOENT, -ECONNREFUSED when no server is there; -EPIPE when it went away; -EILSEQ when a word or
 * the input is not UTF-8; the source's.
 */
int ctl_ask(const char *path, const char *const *words, size_t count, bool json,
	    const struct ctl_source *input, const struct ctl_sink *sink, int *code);
