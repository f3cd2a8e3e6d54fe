/* SPDX-License-Identifier: MIT */
/*
 * Commands of administrators: one registry that the control socket, the command line on a stopped
 * server and (later) other front ends share. A command is given its words and, for secrets, lines
 * of input; it prints text or JSON, may go on for long with progress, and ends with an exit code.
 * Runs on worker 0.
 *
 * On the socket (Unix, mode 0600) a request is one JSON line {"command": ["user", "add", "a@b"],
 * "json": false, "input": "..."}, the answer JSON lines {"out": "..."}, {"err": "..."},
 * {"progress": "..."}, and at last {"exit": 0}. With "more": true the input goes on in lines
 * {"input": "..."} of at most 1 MB until {"end": true}; {"want": true} is said when one is wanted,
 * and a caller that sends more is read later. Input of any length streams through; a command that
 * must have all of it before it begins is given at most 16 MB. One command a connection; a caller
 * that goes away takes its command's call with it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

struct ctl;
struct ctl_call; /* one command under way; may be gone: keep its id */
struct json_t;
struct mio;
struct mio_host;

enum {
	CTL_OK = 0,
	CTL_PROBLEM = 1,
	CTL_USAGE = 2,
	CTL_ELSEWHERE = 3, /* nothing done: another part can */
	CTL_CONFLICT = 4   /* a problem: it is there already; who runs the command line is not told apart */
};

static inline int ctl_exit_code(int code)
{
	return code == CTL_CONFLICT ? CTL_PROBLEM : code;
}

enum ctl_input {
	CTL_NOTHING,  /* reads none */
	CTL_WHOLE,    /* is run when all input is there: a password */
	CTL_STREAMED, /* is run at once: see ctl_more() */
};

struct ctl_command {
	const char *name;    /* "user add" */
	const char *args;    /* "JID" for the usage line */
	const char *text;    /* one sentence */
	const char *example; /* a whole command line */
	enum ctl_input input;
	void (*run)(void *arg, struct ctl_call *call);
};

struct ctl *ctl_new(struct mio *mio);
void ctl_free(struct ctl **ctl);
void ctl_add(struct ctl *ctl, const struct ctl_command *commands,
	     void *arg); /* the table ends with a NULL name; borrowed */
/* The command with the longest name that the words begin with; *used of them are its name. */
const struct ctl_command *ctl_find(const struct ctl *ctl, const char *const *words, size_t count,
				   size_t *used);

/* Serves a Unix socket. Returns 0 or a fault. */
int ctl_listen(struct ctl *ctl, const char *path);

/* Runs a command here: output goes to print(), ended() is called once. */
struct ctl_sink {
	void (*print)(void *arg, bool error, struct slice text);
	void (*progress)(void *arg, struct slice text);
	void (*ended)(void *arg, int code);
	void *arg;
	/*
	 * The command can take more input: ctl_feed() or ctl_feed_end() is called, once, now or
	 * later. NULL: what ctl_run() was given is all.
	 */
	void (*more)(void *arg);
	size_t (*unsent)(void *arg); /* bytes that were printed, and the caller has not taken yet; NULL: none */
};
/* The command starts behind this turn. input is copied and wiped at the end. Unknown commands end
 * with CTL_USAGE and a line. Returns the call's id. */
uint64_t ctl_run(struct ctl *ctl, const char *const *words, size_t count, bool json,
		 struct slice input, const struct ctl_sink *sink);
/* After more(): input, copied and wiped later; or the end of it. A call that is gone is fine. */
void ctl_feed(struct ctl *ctl, uint64_t id, struct slice input);
void ctl_feed_end(struct ctl *ctl, uint64_t id);
/* The caller went away: the call is gone, ended() is not called. */
void ctl_cancel(struct ctl *ctl, uint64_t id);

/* For commands. */
uint64_t ctl_id(const struct ctl_call *call);
struct ctl_call *ctl_call(struct ctl *ctl, uint64_t id); /* NULL: the caller went away */
struct ctl *ctl_of(const struct ctl_call *call);
/* What a long command remembers: dies with the call. */
void ctl_keep(struct ctl_call *call, void *state, void (*free_state)(void *state));
void *ctl_kept(const struct ctl_call *call);
size_t ctl_args(const struct ctl_call *call);		     /* behind the command's name */
const char *ctl_arg(const struct ctl_call *call, size_t at); /* NULL beyond the end */
struct slice ctl_input(const struct ctl_call *call); /* what has come and was not taken */
void ctl_take(struct ctl_call *call, size_t len);    /* from its front */
/*
 * more(arg, call) is called on a later turn, when more input has come or it has ended. False: it
 * has ended, and will not be called.
 */
typedef void ctl_more_fn(void *arg, struct ctl_call *call);
bool ctl_more(struct ctl_call *call, ctl_more_fn *more, void *arg);
bool ctl_wants_json(const struct ctl_call *call);
/* Each is a line; a newline at its end may be written or not. */
void ctl_print(struct ctl_call *call, const char *format, ...) PRINTF_LIKE(2, 3);
void ctl_error(struct ctl_call *call, const char *format, ...) PRINTF_LIKE(2, 3);
void ctl_progress(struct ctl_call *call, const char *format, ...) PRINTF_LIKE(2, 3);
size_t ctl_unsent(const struct ctl_call *call); /* for who prints without an end */
void ctl_end(struct ctl_call *call, int code); /* call is gone */
/* The text as a JSON string, quotes included. */
void ctl_json_text(struct buf *out, struct slice text);
