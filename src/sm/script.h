/* SPDX-License-Identifier: MIT */
/*
 * Commands of the control registry (ctl/ctl.h) that a client of an administrator has run, one after another. The registry is
 * worker 0's:
 *
 *   worker ── script_go() ──> worker 0: a step ──> the next ──> ... ──> worker: done()
 *
 * What was run stays done when nobody waits for it any more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/list.h"
#include "mio/mio.h"

struct sm;

enum { SCRIPT_WORDS_MAX = 6 };

struct script_step {
	char *words[SCRIPT_WORDS_MAX];
	unsigned count;
	struct buf out, error; /* what it printed, lines */
	int code;	       /* CTL_ELSEWHERE: it was not run */
};

struct script {
	struct mio_mail mail;
	struct mio_task next;
	struct list link; /* of worker 0's sm->scripts, while it is there */
	struct sm *home;
	struct script_step *steps;
	unsigned count, at;
	bool json;	  /* what it prints */
	struct buf input; /* of each step: a secret */
	uint64_t token;
	void (*done)(struct script *script);
};

struct script *script_new(struct sm *sm, bool json);
void script_free(struct script **script);
/* The words of the command, "user del", and one behind them, NULL: none. */
void script_add(struct script *script, const char *command, const char *word);
/* A line of the log for each step; of the word behind a command of two words only: others are what people say. */
void script_log(const struct script *script, const char *who, const char *what);
/* Taken; done() is called here with it, and it is freed. token is the script's to remember. */
void script_go(struct script **script, uint64_t token, void (*done)(struct script *script));
void scripts_stop(struct sm *sm); /* at the end, when the registry is gone */
