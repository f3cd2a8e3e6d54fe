/* SPDX-License-Identifier: MIT */
/* The two accounts of --demo. */
#pragma once

#include "base/buf.h"

struct demo;
struct deployment;
struct mio_host;
struct process;

/* Reads their passwords from data.dir/demo.passwords, or makes them. */
int demo_new(const struct deployment *deployment, struct mio_host *host, struct demo **demo,
	     struct buf *why);
void demo_free(struct demo **demo); /* NULL in it is fine */
/* Makes the accounts and their rosters where they are missing, prints them, then calls done. On
 * worker 0. */
void demo_start(struct demo *demo, struct process *process, void (*done)(void *arg), void *arg);
