/* SPDX-License-Identifier: MIT */
/*
 * What a command of an administrator has to do on the worker where a user lives:
 *
 *   worker 0 ── errand_go() ──> there: its user is loaded ── run() ──> errand_end() ──> worker 0: printed
 *                                 ^                            │
 *                                 └──────── errand_go() ───────┘
 *
 * It travels by mail, and nothing of sm is touched elsewhere. Embedded in what the command has to remember. It belongs to where
 * it is: who started it may go away meanwhile, then nothing is printed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "mio/mio.h"
#include "sm/user.h"

struct ctl;
struct ctl_call;
struct errand;
struct jid;
struct process;
struct sm;
struct store_txn;

/* user is loaded, and has an account; NULL on a worker of no user. Goes on, or ends, once. */
typedef void errand_fn(struct errand *errand, struct user *user);

struct errand {
	struct mio_mail mail;
	struct list link;	   /* of the sm->errands where it is */
	struct user_waiter waiter; /* for its user */
	struct process *process;
	struct sm *sm; /* where it is, or is on its way to; NULL: it was nowhere yet */
	uint64_t call;
	bool json;
	struct jid *jid; /* owned: the user that it goes to */
	errand_fn *run, *then;
	void (*home)(struct errand *errand, struct ctl_call *call); /* instead of printing; NULL: print */
	void (*free)(struct errand *errand);
	struct buf out, error; /* lines to print */
	int code;
};

/* free: frees what it is embedded in, at the end. */
void errand_init(struct errand *errand, struct process *process, const struct ctl_call *call,
		 void (*free)(struct errand *errand));
/* To a user; one without an account ends it, and so does a storage that does not answer. */
void errand_go(struct errand *errand, struct jid *jid, errand_fn *run);
void errand_go_worker(struct errand *errand, unsigned worker, errand_fn *run);
/* Stores for the user that it is at; then() when it is done. A fault ends it, and the user is read anew. txn is taken. */
void errand_store(struct errand *errand, struct user *user, struct store_txn **txn, errand_fn *then);
void errand_end(struct errand *errand, int code);
void errand_fail(struct errand *errand, const char *format, ...) PRINTF_LIKE(2, 3); /* a line and CTL_PROBLEM */
void errands_stop(struct sm *sm); /* at the end: those that are here, or came too late */

/* -- what the commands share -- */

/*
 * The call has as many words as it may, and this process an sm; wanted is what is said otherwise. False: the call has ended.
 */
bool command_begins(const struct process *process, struct ctl_call *call, size_t words, const char *wanted);
bool command_words(struct ctl_call *call, size_t words, const char *wanted); /* without the sm */
/* To a user with an errand that has nothing to remember. */
void command_send(struct process *process, struct ctl_call *call, struct jid *jid, errand_fn *run);
/* The account of a word, with a resource if that may be; NULL: the call has ended with the reason. */
struct jid *command_account(const struct process *process, struct ctl_call *call, const char *text, bool resource);
/* A text for people: what could steer a terminal is a question mark in it. */
void command_append_plain(struct buf *out, struct slice text);

void announce_run(void *arg, struct ctl_call *call);   /* "announce" */
void online_run(void *arg, struct ctl_call *call);     /* "user online" */
void roster_add_run(void *arg, struct ctl_call *call); /* "roster add" */
