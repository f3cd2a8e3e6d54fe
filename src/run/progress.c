/* SPDX-License-Identifier: MIT */
/* Lines on stderr, or one that is written over on a terminal; signals that wait. */
#include "run/progress.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include "mio/mio.h"

enum { TERMINAL_MS = 200, LINE_MS = 10000 };

void progress_hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk */
}

bool progress_is_interrupted(void)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, SIGTERM) || sigismember(&set, SIGINT) || sigismember(&set, SIGHUP);
}

void progress_init(struct progress *progress, struct mio_host *clock)
{
	*progress = (struct progress){.clock = clock,
				      .is_terminal = isatty(STDERR_FILENO),
				      .told_ms = mio_host_now_ms(clock)};
}

bool progress_tell(struct progress *progress, const char *what, unsigned percent)
{
	int64_t now_ms = mio_host_now_ms(progress->clock);

	if (now_ms - progress->told_ms < (progress->is_terminal ? TERMINAL_MS : LINE_MS))
		return !progress_is_interrupted();
	progress->told_ms = now_ms;
	fputs(progress->is_terminal ? "\r\033[K" : "jackdaw: ", stderr);
	fprintf(stderr, "the backup is being %s", what);
	if (percent)
		fprintf(stderr, ", %u%%", percent);
	if (!progress->is_terminal)
		fputc('\n', stderr);
	return !progress_is_interrupted();
}

void progress_clear(const struct progress *progress)
{
	if (progress->is_terminal)
		fputs("\r\033[K", stderr);
}
