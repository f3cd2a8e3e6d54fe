/* SPDX-License-Identifier: MIT */
/* The configuration files of jabberd2: c2s.xml, sm.xml, router.xml, s2s.xml. */
#pragma once

#include "base/buf.h"

struct nad;

/* Reads DIR/NAME, or NAME when it begins with a slash. NULL: one line in *why. */
struct nad *jabberd2_file(const char *dir, const char *name, struct buf *why);
/* The first element of a path such as "local/ip" below elem; -1: none. */
int jabberd2_find(const struct nad *nad, int elem, const char *path);
/* Its text without the white space around it; empty when there is none. */
struct slice jabberd2_text(const struct nad *nad, const char *path);
struct slice jabberd2_trim(struct slice text);
long jabberd2_number(struct slice text); /* as atol() */
