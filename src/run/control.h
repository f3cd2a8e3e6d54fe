/* SPDX-License-Identifier: MIT */
/* Commands of a running server, or of the stopped one's storage. */
#pragma once

#include "run/input.h"
#include "run/run.h"

struct deployment;

/*
 * Has every server in the data.dir of the deployment (or the one that --name says) run a command,
 * each with the text as its input. Returns the highest exit code; -ENOENT: none runs.
 */
int control_all(const struct cli *cli, const struct deployment *deployment,
		const char *const *words, size_t count, struct slice text);

/* Has one that runs do what the verb says. -ENOENT: none runs. */
int control_one(const struct cli *cli, const struct deployment *deployment);

/*
 * Runs the command that the words name, with its input. undo: on a stopped server a signal does not
 * leave what is half done. Returns the exit code.
 */
int control_stream(const struct cli *cli, const char *const *words, size_t count,
		   const struct input *input, bool undo);
