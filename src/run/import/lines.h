/* SPDX-License-Identifier: MIT */
/*
 * A file of accounts, a line each, in the order of their addresses, whatever the file's is: storage
 * then writes at one place after the other, which for a large file takes a fraction of the time.
 * The file is mapped, not read into memory; 16 bytes are kept for each line. Each line is given
 * with its number and a tab before it.
 */
#pragma once

#include <stdbool.h>
#include "run/input.h"

struct lines;

/* Is the source of input, an open file, from now on. False: it is none that can be mapped. */
bool lines_new(struct input *input, struct lines **lines);
void lines_free(struct lines **lines); /* NULL in it is fine */
