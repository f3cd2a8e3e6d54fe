/* SPDX-License-Identifier: MIT */
/* What a verb reads: a password from the terminal or a file, a file whole. They return an exit
 * code, 0 when it is read. */
#pragma once

#include "base/buf.h"

/* file: --password-file, "-" for standard input, NULL: the terminal, asked twice and not echoed. */
int input_password(const char *file, const char *account, struct buf *password);
int input_file(const char *file, struct buf *content); /* "-" for standard input */
