/* SPDX-License-Identifier: MIT */
/* What a verb reads: a password from the terminal or a file, or a file as it goes. They return an
 * exit code, 0 when it can be read. */
#pragma once

#include <stdint.h>
#include "base/buf.h"
#include "ctl/client.h"

/* Input that is read as a command wants it, and how far it is. */
struct input {
	struct ctl_source source;
	uint64_t at, total; /* total 0: nobody knows */
	int fd;		    /* a file's */
	struct slice rest;  /* a text's */
};

void input_text(struct input *input, struct slice text); /* borrowed */
int input_open(struct input *input, const char *file);	 /* "-" for standard input */
void input_close(struct input *input);

/* file: --password-file, "-" for standard input, NULL: the terminal, asked twice and not echoed. */
int input_password(const char *file, const char *account, struct buf *password);
