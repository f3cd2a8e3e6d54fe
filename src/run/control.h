/* SPDX-License-Identifier: MIT */
/* Commands of a running server, or of the stopped one's storage. */
#pragma once

#include "run/input.h"
#include "run/run.h"

/* Runs the command that the words name, with its input. Returns the exit code. */
int control_stream(const struct cli *cli, const char *const *words, size_t count,
		   const struct input *input);
