/* SPDX-License-Identifier: MIT */
/* Passwords and files for the verbs. */
#include "run/input.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include "run/run.h"

enum { PASSWORD_FILE_MAX = 1 << 20 };

static ssize_t read_text(void *arg, char *room, size_t len)
{
	struct input *input = arg;

	if (len > input->rest.len)
		len = input->rest.len;
	if (len)
		memcpy(room, input->rest.data, len);
	input->rest.data += len;
	input->rest.len -= len;
	return (ssize_t)len;
}

void input_text(struct input *input, struct slice text)
{
	*input = (struct input){.source = {read_text, input}, .fd = -1, .rest = text};
}

static ssize_t read_file(void *arg, char *room, size_t len)
{
	struct input *input = arg;
	ssize_t got;

	do
		got = read(input->fd, room, len);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	input->at += (uint64_t)got;
	return got;
}

static int complain(const char *file, int fault)
{
	fprintf(stderr, "jackdaw: %s: %s\n", strcmp(file, "-") ? file : "standard input",
		strerror(fault));
	return EXIT_PROBLEM;
}

int input_open(struct input *input, const char *file)
{
	struct stat status;

	*input = (struct input){.source = {read_file, input}, .fd = STDIN_FILENO};
	if (strcmp(file, "-") != 0)
		input->fd = open(file, O_RDONLY | O_CLOEXEC);
	if (input->fd < 0 || fstat(input->fd, &status))
		return complain(file, errno);
	if (S_ISDIR(status.st_mode))
		return complain(file, EISDIR);
	if (S_ISREG(status.st_mode))
		input->total = (uint64_t)status.st_size;
	return EXIT_OK;
}

void input_close(struct input *input)
{
	if (input->fd > STDIN_FILENO)
		close(input->fd);
	input->fd = -1;
}

static int read_password(const char *file, struct buf *password)
{
	struct input input;
	ssize_t got = 1;
	int code = input_open(&input, file);

	while (!code && got > 0 && buf_used(password) <= PASSWORD_FILE_MAX) {
		got = read_file(&input, buf_reserve(password, 4096), 4096);
		buf_added(password, got > 0 ? (size_t)got : 0);
	}
	input_close(&input);
	if (!code && got)
		code = complain(file, got < 0 ? (int)-got : EFBIG);
	return code;
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
		code = read_password(file, password);
	}
	if (code || buf_used(password))
		return code;
	fprintf(stderr, "jackdaw: the password is empty\n");
	return EXIT_PROBLEM;
}
