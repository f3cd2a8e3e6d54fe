/* SPDX-License-Identifier: MIT */
/* Passwords and files for the verbs. */
#include "run/input.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "run/run.h"

#define INPUT_MAX_BYTES ((size_t)256 << 20)

int input_file(const char *file, struct buf *content)
{
	bool is_stdin = !strcmp(file, "-");
	int fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;
	int fault = fd < 0 ? errno : 0;

	while (!fault && got && buf_used(content) <= INPUT_MAX_BYTES) {
		got = read(fd, buf_reserve(content, 65536), 65536);
		if (got > 0)
			buf_added(content, (size_t)got);
		else if (got < 0 && errno != EINTR)
			fault = errno;
	}
	if (fd >= 0 && !is_stdin)
		close(fd);
	if (!fault && buf_used(content) > INPUT_MAX_BYTES)
		fault = EFBIG;
	if (fault)
		fprintf(stderr, "jackdaw: %s: %s\n", is_stdin ? "standard input" : file,
			strerror(fault));
	return fault ? EXIT_PROBLEM : EXIT_OK;
}

static void interrupted(int number)
{
	/* Only ends the read: the terminal must not stay without echo. */
}

/* One line of the terminal, not echoed. False at its end or when interrupted. */
static bool read_hidden(const char *prompt, struct buf *line)
{
	const struct sigaction end_read = {.sa_handler = interrupted};
	struct sigaction before;
	struct termios shown, hidden;
	char c = 0;

	if (tcgetattr(STDIN_FILENO, &shown))
		return false;
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	fputs(prompt, stderr);
	sigaction(SIGINT, &end_read, &before);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
		buf_append_char(line, c);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	sigaction(SIGINT, &before, NULL);
	fputc('\n', stderr);
	return c == '\n';
}

static int ask_twice(const char *account, struct buf *password)
{
	AUTO(buf_fini) struct buf prompt = {0};
	AUTO(buf_wipe) struct buf again = {0};

	buf_printf(&prompt, "Password of %s: ", account);
	if (!read_hidden(buf_text(&prompt), password) || !read_hidden("The same again: ", &again))
		return EXIT_PROBLEM;
	if (slice_equal(buf_slice(password), buf_slice(&again)))
		return EXIT_OK;
	fprintf(stderr, "jackdaw: these are two passwords; nothing was done\n");
	return EXIT_PROBLEM;
}

int input_password(const char *file, const char *account, struct buf *password)
{
	int code;

	if (!file && isatty(STDIN_FILENO)) {
		code = ask_twice(account, password);
	} else if (!file) {
		fprintf(stderr, "jackdaw: there is no terminal to ask: --password-file FILE, or - "
				"for standard input\n");
		return EXIT_USAGE;
	} else {
		code = input_file(file, password);
	}
	if (code || buf_used(password))
		return code;
	fprintf(stderr, "jackdaw: the password is empty\n");
	return EXIT_PROBLEM;
}
