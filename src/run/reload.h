/* SPDX-License-Identifier: MIT */
/*
 * What is in force in a process that serves, and how that changes: reload, config show, config diff
 * and config check of its control socket; SIGHUP. All or nothing: a file with an error, or a
 * certificate that cannot be used, changes nothing. What needs a restart stays as it was until
 * then.
 */
#pragma once

#include "component/settings.h"
#include "ctl/ctl.h"

struct cli;
struct deployment;
struct process;
struct reloader;

struct reloader_options {
	struct ctl *ctl;
	struct process *process;
	const struct cli *cli;	       /* where the file is */
	struct deployment *deployment; /* its settings are those of the start, and stay */
};

/* "config show", of what is in force or of a file. */
void reload_show(const struct conf *conf, const struct settings *settings, bool json,
		 struct buf *out);

struct reloader *reloader_new(const struct reloader_options *options);
void reloader_free(struct reloader **reloader); /* after the process; NULL in it is fine */
/* SIGHUP: the log says what comes of it. Worker 0. */
void reloader_signal(struct reloader *reloader);
